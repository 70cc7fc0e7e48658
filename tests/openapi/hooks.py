"""Sessions for generated requests, and their number."""

import atexit
import itertools
import os
import pathlib

import requests
import schemathesis

numbers = itertools.count()
calls = itertools.count()
base = os.environ["TESTBED_URL"]


@schemathesis.auth()
class Session:
    """A session of a new user, again whenever the former one was ended by a request."""

    def get(self, case, context):
        body = {
            "email": f"user{next(numbers)}-{os.getpid()}@example.com",
            "password": "violet otter mends 7 clocks",
            "transport": "bearer",
        }
        response = requests.post(f"{base}/auth/sign-up", json=body, timeout=30)
        response.raise_for_status()
        return response.json()["tokens"]["access_token"]

    def set(self, case, token, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


@schemathesis.hook
def after_call(context, case, response):
    next(calls)


@atexit.register
def write_number():
    pathlib.Path(os.environ["CALLS_FILE"]).write_text(str(next(calls)))
