"""Authlib against the confidential client, which signs its assertions with its secret (RFC 7523)."""

import time
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT
from joserfc import jwt
from joserfc.jwk import KeySet

from world import WORLD, Browser, status_with, step

WEB, DEVICE = WORLD["applications"]["web"], WORLD["applications"]["device"]
CALLBACK = WEB["redirect_uris"][0]
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

with step("discovery"):
    metadata = requests.get(WORLD["issuer"] + "/.well-known/openid-configuration", timeout=30).json()
    assert metadata["issuer"] == WORLD["issuer"]
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=30).json())



class Assertion(ClientSecretJWT):
    """Names the issuer instead of the token endpoint, and lives for a minute instead of an hour: no more is accepted."""

    def sign(self, auth, token_endpoint):
        self.claims = {"exp": int(time.time()) + 60}
        return super().sign(auth, WORLD["issuer"])


client = OAuth2Session(
    WEB["client_id"],
    WEB["client_secret"],
    token_endpoint_auth_method="client_secret_jwt",
    revocation_endpoint_auth_method="client_secret_jwt",
    redirect_uri=CALLBACK,
    scope="openid offline_access email profile",
    code_challenge_method="S256",
)
client.register_client_auth_method(Assertion())
browser = Browser()

with step("code with PKCE"):
    verifier, nonce = generate_token(48), generate_token(20)
    url, state = client.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    answer = browser.authorize(url, CALLBACK)
    tokens = client.fetch_token(
        metadata["token_endpoint"], authorization_response=answer, state=state, code_verifier=verifier
    )
    claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["sub"], claims["nonce"], claims["aud"]) == (WORLD["user"]["id"], nonce, WEB["client_id"])
    assert status_with(tokens["access_token"]) == 200

with step("userinfo"):
    user = client.get(metadata["userinfo_endpoint"]).json()
    assert (user["sub"], user["email"]) == (WORLD["user"]["id"], WORLD["user"]["email"])

with step("refresh"):
    refreshed = dict(client.refresh_token(metadata["token_endpoint"], refresh_token=tokens["refresh_token"]))
    assert refreshed["access_token"] != tokens["access_token"]

with step("introspection"):
    said = client.introspect_token(metadata["introspection_endpoint"], token=refreshed["access_token"]).json()
    assert said["active"] is True and said["sub"] == WORLD["user"]["id"], said
    assert client.introspect_token(metadata["introspection_endpoint"], token="nothing").json() == {"active": False}

with step("client credentials"):
    entity, target = WORLD["entities"]["recipient"], WORLD["entities"]["target"]
    service = OAuth2Session(entity["client_id"], entity["client_secret"], scope=f"target-entity:{target['name']}:read")
    granted = service.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert granted["token_type"] == "Bearer"

with step("device"):
    method = "client_secret_post" if DEVICE.get("client_secret") else "none"
    tv = OAuth2Session(DEVICE["client_id"], DEVICE.get("client_secret"), token_endpoint_auth_method=method)
    form = {"client_id": DEVICE["client_id"], "scope": "openid offline_access"}
    if DEVICE.get("client_secret"):
        form["client_secret"] = DEVICE["client_secret"]
    asked = requests.post(metadata["device_authorization_endpoint"], data=form, timeout=30).json()
    try:
        tv.fetch_token(metadata["token_endpoint"], grant_type=DEVICE_CODE, device_code=asked["device_code"])
        raise AssertionError("nobody has approved yet")
    except OAuthError as error:
        assert error.error == "authorization_pending", error
    Browser().approve_device(asked["verification_uri_complete"])
    time.sleep(asked["interval"] + 1)
    granted = tv.fetch_token(metadata["token_endpoint"], grant_type=DEVICE_CODE, device_code=asked["device_code"])
    assert jwt.decode(granted["id_token"], keys, algorithms=["RS256"]).claims["sub"] == WORLD["user"]["id"]

with step("revocation"):
    assert status_with(refreshed["access_token"]) == 200
    assert client.revoke_token(metadata["revocation_endpoint"], token=refreshed["access_token"]).status_code == 200
    assert status_with(refreshed["access_token"]) == 401

with step("logout"):
    query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": CALLBACK, "state": "bye"}
    answer = browser.leave(metadata["end_session_endpoint"] + "?" + urlencode(query), CALLBACK)
    assert parse_qs(urlsplit(answer).query)["state"] == ["bye"], answer
    url, _ = client.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, prompt="none"
    )
    answer = browser.leave(url, CALLBACK)
    assert parse_qs(urlsplit(answer).query)["error"] == ["login_required"], answer
