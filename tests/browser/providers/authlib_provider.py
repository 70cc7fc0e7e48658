"""An Authlib server as an OpenID provider: any name signs in, with any password.

The email address is the name at example.com, without what is before its last hyphen. It is not
verified if the name begins with `unverified-`, and the provider states nothing about it if the
name begins with `silent-`. The client is `corp`, and APP is its origin. ID tokens are signed with
ES256, the secret of the client is in the body, and responses have `iss` (RFC 9207).
"""

import logging
import os
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import OpenIDCode, UserInfo, UserInfoEndpoint
from authlib.oidc.rpinitiated import EndSessionEndpoint
from flask import Flask, jsonify, redirect, request, session, url_for
from joserfc.jwk import ECKey, KeySet
from werkzeug.serving import WSGIRequestHandler, make_server

PORT = int(os.environ["PROVIDER_PORT"])
APP = os.environ["APP"]
ISSUER = f"http://localhost:{PORT}"
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback

app = Flask(__name__)
app.secret_key = os.urandom(32)
codes, tokens = {}, {}


def new_key():
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)


keys = [new_key()]


def public_keys():
    return KeySet(keys).as_dict(private=False)


class User:
    def __init__(self, name):
        self.name = name

    def info(self, scope):
        info = UserInfo(sub=self.name, name=f"{self.name} of Authlib", preferred_username=self.name)
        info["email"] = f"{self.name.split('-')[-1]}@example.com"
        if not self.name.startswith("silent-"):
            info["email_verified"] = not self.name.startswith("unverified-")
        return info.filter(scope)


class Client(ClientMixin):
    client_id = "corp"
    id_token_signed_response_alg = "ES256"
    client_metadata = {"post_logout_redirect_uris": [f"{APP}/auth/oauth/corp/signed-out"]}

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == f"{APP}/auth/oauth/corp/callback"

    def check_client_secret(self, client_secret):
        return client_secret == "not-a-secret"

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_post"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == "authorization_code"


CLIENT = Client()


class Code(AuthorizationCodeMixin):
    def __init__(self, code, asked):
        data = asked.payload.data
        self.code = code
        self.redirect_uri, self.scope = asked.payload.redirect_uri, asked.payload.scope
        self.nonce, self.auth_time, self.user = data.get("nonce"), session["at"], asked.user
        self.code_challenge = data.get("code_challenge")
        self.code_challenge_method = data.get("code_challenge_method")

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return self.auth_time

    def get_acr(self):
        return None

    def get_amr(self):
        return ["pwd"]


class Token(TokenMixin):
    def __init__(self, token, user):
        self.scope, self.user = token["scope"], user

    def get_client(self):
        return CLIENT

    def get_user(self):
        return self.user

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return 3600

    def is_expired(self):
        return False

    def is_revoked(self):
        return False


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]

    def save_authorization_code(self, code, request):
        codes[code] = Code(code, request)

    def query_authorization_code(self, code, client):
        return codes.get(code)

    def delete_authorization_code(self, authorization_code):
        del codes[authorization_code.code]

    def authenticate_user(self, authorization_code):
        return authorization_code.user


class OpenID(OpenIDCode):
    def exists_nonce(self, nonce, request):
        return any(code.nonce == nonce for code in codes.values())

    def resolve_client_private_key(self, client):
        return keys[0]

    def get_encode_header(self, client):
        return {"alg": "ES256", "kid": keys[0].kid}

    def get_client_claims(self, client):
        return {"iss": ISSUER, "aud": [client.get_client_id()]}

    def generate_user_info(self, user, scope):
        return {"sub": user.name}


class Issuer(IssuerParameter):
    def get_issuer(self):
        return ISSUER


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return tokens.get(token_string)


class Info(UserInfoEndpoint):
    def generate_user_info(self, user, scope):
        return user.info(scope)


class EndSession(EndSessionEndpoint):
    def get_server_jwks(self):
        return public_keys()

    def end_session(self, end_session_request):
        session.clear()


def save_token(token, request):
    tokens[token["access_token"]] = Token(token, request.user)


server = AuthorizationServer(app, lambda client_id: CLIENT if client_id == "corp" else None, save_token)
server.register_grant(CodeGrant, [CodeChallenge(required=True), OpenID(require_nonce=True)])
server.register_extension(lambda server: Issuer()(server))
protector = ResourceProtector()
protector.register_token_validator(Validator())
server.register_endpoint(Info(resource_protector=protector))
server.register_endpoint(EndSession)


@app.get("/.well-known/openid-configuration")
def discovery():
    return jsonify(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        userinfo_endpoint=f"{ISSUER}/userinfo",
        end_session_endpoint=f"{ISSUER}/end",
        jwks_uri=f"{ISSUER}/keys",
        response_types_supported=["code"],
        subject_types_supported=["public"],
        id_token_signing_alg_values_supported=["ES256"],
        token_endpoint_auth_methods_supported=["client_secret_post"],
        code_challenge_methods_supported=["S256"],
        authorization_response_iss_parameter_supported=True,
        prompt_values_supported=["none", "login"],
    )


@app.get("/keys")
def published():
    return jsonify(public_keys())


@app.post("/rotate")
def rotate():
    """Signs with another key from now on, and no longer publishes the old one."""
    keys[:] = [new_key()]
    return "", 204


@app.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "GET":
        return '<form method="post"><input name="username"><button>Sign in</button></form>'
    session["name"], session["at"] = request.form["username"], int(time.time())
    return redirect(request.args["next"])


@app.route("/authorize", methods=["GET", "POST"])
def authorize():
    user = User(session["name"]) if "name" in session else None
    try:
        grant = server.get_consent_grant(end_user=user)
    except OAuth2Error as error:
        return server.handle_error_response(None, error)
    if grant.prompt == "login":
        query = {name: value for name, value in request.args.items() if name != "prompt"}
        return redirect(url_for("login", next=url_for("authorize", **query)))
    if request.method == "GET":
        return '<form method="post"><button name="allow" value="yes">Allow</button></form>'
    granted = user if request.form.get("allow") else None
    return server.create_authorization_response(grant=grant, grant_user=granted)


@app.post("/token")
def token():
    return server.create_token_response()


@app.get("/userinfo")
def user_info():
    return server.create_endpoint_response("userinfo")


@app.get("/end")
def end():
    return server.create_endpoint_response("end_session") or "Signed out"


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


logging.getLogger("werkzeug").setLevel(logging.ERROR)
http = make_server("127.0.0.1", PORT, app, threaded=True, request_handler=Quiet)
print(f"issuer {ISSUER}", flush=True)
http.serve_forever()
