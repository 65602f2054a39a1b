"""auth0-python against a tenant of the profile `auth0`: a device, approved on the page, and its refresh tokens.

The library has no method for devices; what it has for requests is used, and its verifier, which knows RSA keys only.
"""

import time
from urllib.parse import urlsplit

import jwt
import requests
from auth0.authentication import GetToken, RevokeToken, Users
from auth0.authentication.exceptions import Auth0Error
from auth0.authentication.token_verifier import AsymmetricSignatureVerifier, TokenVerifier

from world import WORLD, Browser, step

DOMAIN = urlsplit(WORLD["gateway"]).netloc
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
ORDERS = "https://orders.example.com/"
tv = GetToken(DOMAIN, "tv", protocol="http")


def post(path, **members):
    """As the library posts: JSON, and its nulls."""
    return tv.authenticated_post(f"http://{DOMAIN}{path}", data={"client_id": "tv", "organization": None, **members})


def refused(path, **members):
    try:
        post(path, **members)
    except Auth0Error as error:
        return error.status_code, error.error_code
    raise AssertionError("it was not refused")


def orders(token):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"http://{DOMAIN}/orders/1", headers=headers, timeout=30).status_code


with step("device code (F-230, F-233)"):
    asked = post("/oauth/device/code", scope="openid offline_access read:orders email", audience=ORDERS)
    assert asked["verification_uri_complete"] == asked["verification_uri"] + "?user_code=" + asked["user_code"], asked
    assert asked["verification_uri"].endswith("/activate"), asked

with step("pending and too fast (F-238, F-239, F-250)"):
    poll = {"grant_type": DEVICE_CODE, "device_code": asked["device_code"]}
    assert refused("/oauth/token", **poll) == (403, "authorization_pending")

with step("approved on the page (F-236, F-243, F-244)"):
    Browser().approve_device(asked["verification_uri_complete"])
    time.sleep(asked["interval"] + 1)
    tokens = post("/oauth/token", **poll)
    assert list(tokens) == ["access_token", "refresh_token", "id_token", "token_type", "expires_in"], tokens
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 86400)

with step("ID token (D6)"):
    issuer = jwt.decode(tokens["id_token"], options={"verify_signature": False})["iss"]
    keys = AsymmetricSignatureVerifier(f"{issuer}/.well-known/jwks.json")
    TokenVerifier(signature_verifier=keys, issuer=issuer, audience="tv").verify(tokens["id_token"])
    assert keys.verify_signature(tokens["access_token"])["aud"] == ORDERS

with step("the API itself (F-255)"):
    assert orders(tokens["access_token"]) == 200

with step("userinfo (F-249)"):
    assert Users(DOMAIN, protocol="http").userinfo(tokens["access_token"])["email"] == "ann@example.com"

with step("refresh (F-247, F-248)"):
    refreshed = tv.refresh_token(tokens["refresh_token"], scope="openid read:orders")
    assert list(refreshed) == ["access_token", "expires_in", "scope", "id_token", "token_type"], refreshed
    assert refreshed["scope"] == "openid read:orders"
    assert orders(refreshed["access_token"]) == 200
    assert tv.refresh_token(tokens["refresh_token"])["scope"] == "openid offline_access read:orders email"

with step("denied (F-241)"):
    asked = post("/oauth/device/code", scope="openid")
    browser = Browser()
    page = browser.session.get(asked["verification_uri_complete"], timeout=30)
    page = browser._submit(page, None)
    page = browser._submit(page, None, allows=False)
    page = browser._submit(page, None, allows=False)
    time.sleep(asked["interval"] + 1)
    assert refused("/oauth/token", grant_type=DEVICE_CODE, device_code=asked["device_code"]) == (403, "access_denied")

with step("revocation"):
    RevokeToken(DOMAIN, "tv", protocol="http").revoke_refresh_token(tokens["refresh_token"])
    assert refused("/oauth/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])[1] == "invalid_grant"
    assert orders(refreshed["access_token"]) == 401
