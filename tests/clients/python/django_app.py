"""A Django application that logs people in with mozilla-django-oidc."""

import threading
import time
from wsgiref.simple_server import make_server

import django
import requests
from django.conf import settings

from world import WORLD, Browser, step

WEB = WORLD["applications"]["web"]
METADATA = requests.get(WORLD["issuer"] + "/.well-known/openid-configuration", timeout=30).json()
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    DATABASES={
        # In memory, for all threads.
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": "file:people?mode=memory&cache=shared",
            "OPTIONS": {"uri": True},
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mozilla_django_oidc"],
    LOGIN_REDIRECT_URL="/me",
    LOGIN_REDIRECT_URL_FAILURE="/me",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "mozilla_django_oidc.middleware.SessionRefresh",
    ],
    OIDC_OP_AUTHORIZATION_ENDPOINT=METADATA["authorization_endpoint"],
    OIDC_OP_JWKS_ENDPOINT=METADATA["jwks_uri"],
    OIDC_OP_TOKEN_ENDPOINT=METADATA["token_endpoint"],
    OIDC_OP_USER_ENDPOINT=METADATA["userinfo_endpoint"],
    # A moment later every page asks silently whether the login still counts.
    OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS=1,
    OIDC_RP_CLIENT_ID=WEB["client_id"],
    OIDC_RP_CLIENT_SECRET=WEB["client_secret"],
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_USE_PKCE=True,
    ROOT_URLCONF=__name__,
    SECRET_KEY="nobody guesses this in time",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView, OIDCLogoutView


def me(request):
    return JsonResponse({"email": getattr(request.user, "email", None)})


urlpatterns = [
    path("login", OIDCAuthenticationRequestView.as_view(), name="oidc_authentication_init"),
    path("callback", OIDCAuthenticationCallbackView.as_view(), name="oidc_authentication_callback"),
    path("logout", OIDCLogoutView.as_view(), name="oidc_logout"),
    path("me", me),
]

call_command("migrate", verbosity=0)
server = make_server("127.0.0.1", 0, get_wsgi_application())
threading.Thread(target=server.serve_forever, daemon=True).start()
url, browser = f"http://127.0.0.1:{server.server_port}", Browser()

with step("nobody"):
    assert browser.open(url + "/me").json() == {"email": None}

with step("login"):
    page = browser.open(url + "/login")
    assert (page.url, page.json()["email"]) == (url + "/me", WORLD["user"]["email"]), page.text

with step("asked again, silently"):
    time.sleep(1.1)
    assert browser.open(url + "/me").json()["email"] == WORLD["user"]["email"]

with step("a session that ended at the issuer"):
    browser.open(METADATA["end_session_endpoint"])
    time.sleep(1.1)
    assert browser.open(url + "/me").json() == {"email": None}
