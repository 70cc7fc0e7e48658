"""A program that signs in by a device code with Authlib, and introspects its token.

It writes the user's code as a line of JSON, waits for a line, and writes what it got.
"""

import json
import os
import sys

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

ORIGIN = os.environ["ORIGIN"]
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def show(value):
    print(json.dumps(value), flush=True)


program = OAuth2Session("cli", token_endpoint_auth_method="none")
metadata = program.request(
    "GET", f"{ORIGIN}/.well-known/oauth-authorization-server", withhold_token=True
).json()
endpoint = metadata["device_authorization_endpoint"]
device = program.request("POST", endpoint, data={"client_id": "cli"}, withhold_token=True).json()


def poll():
    return program.fetch_token(
        metadata["token_endpoint"], grant_type=GRANT, device_code=device["device_code"]
    )


try:
    poll()
    pending = None
except OAuthError as error:
    pending = error.error
show({"user_code": device["user_code"], "pending": pending})
sys.stdin.readline()

token = dict(poll())
me = program.get(f"{ORIGIN}/me").json()["id"]
gateway = OAuth2Session(os.environ["GATEWAY"], os.environ["SECRET"])


def introspect(text):
    return gateway.introspect_token(metadata["introspection_endpoint"], token=text).json()


active = introspect(token["access_token"])
newer = program.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
show({
    "me": me,
    "token_type": token["token_type"],
    "active": active,
    "refreshed": newer["refresh_token"] != token["refresh_token"],
    "inactive": introspect(newer["refresh_token"]),
})
