"""django-oauth-toolkit as an OpenID provider: any name signs in, with any password.

The email address is the name at example.com, without what is before its last hyphen. It is not
verified if the name begins with `unverified-`. The client is `corp`, and APP is its origin.
"""

import os
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback
PORT = int(os.environ["PROVIDER_PORT"])
APP = os.environ["APP"]
LOGIN = """<form method="post">{% csrf_token %}{{ form.username }}{{ form.password }}
<button>Sign in</button></form>"""


def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


settings.configure(
    SECRET_KEY=os.urandom(32).hex(),
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF=__name__,
    LOGIN_URL="/login/",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    AUTHENTICATION_BACKENDS=[f"{__name__}.AnyPassword"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN}),
                    "django.template.loaders.app_directories.Loader",
                ]
            },
        }
    ],
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": f"http://localhost:{PORT}/o",
        "OIDC_RSA_PRIVATE_KEY": private_key(),
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OAUTH2_VALIDATOR_CLASS": f"{__name__}.Claims",
        "SCOPES": {"openid": "Sign in", "profile": "Name", "email": "Email address"},
    },
)
django.setup()

from django.contrib.auth.backends import ModelBackend  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402
from oauth2_provider.oauth2_validators import OAuth2Validator  # noqa: E402
from oauth2_provider.settings import oauth2_settings  # noqa: E402


class AnyPassword(ModelBackend):
    def authenticate(self, request, username=None, password=None, **_):
        return User.objects.get_or_create(username=username)[0] if username else None


class Claims(OAuth2Validator):
    def get_additional_claims(self, request):
        name = request.user.username
        return {
            "email": f"{name.split('-')[-1]}@example.com",
            "email_verified": not name.startswith("unverified-"),
            "name": f"{name} of Django",
            "preferred_username": name,
        }


@csrf_exempt
def rotate(request):
    """Signs with another key from now on, and publishes the old one beside it."""
    old = oauth2_settings.OIDC_RSA_PRIVATE_KEY
    oauth2_settings.OIDC_RSA_PRIVATE_KEYS_INACTIVE = [old]
    oauth2_settings.OIDC_RSA_PRIVATE_KEY = private_key()
    return HttpResponse(status=204)


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("login/", LoginView.as_view()),
    path("rotate", rotate),
]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


call_command("migrate", verbosity=0)
application = get_application_model()
application.objects.create(
    name="The application",
    client_id="corp",
    client_secret="not-a-secret",
    hash_client_secret=False,
    client_type=application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=application.GRANT_AUTHORIZATION_CODE,
    algorithm=application.RS256_ALGORITHM,
    redirect_uris=f"{APP}/auth/oauth/corp/callback",
    post_logout_redirect_uris=f"{APP}/auth/oauth/corp/signed-out",
)
server = make_server("127.0.0.1", PORT, get_wsgi_application(), handler_class=Quiet)
print(f"issuer http://localhost:{PORT}/o", flush=True)
server.serve_forever()
