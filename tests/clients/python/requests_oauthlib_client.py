"""requests-oauthlib against the confidential client, with Basic and with its secret in the body."""

import os
import time
from urllib.parse import parse_qs, urlencode, urlsplit

# The demo world is on loopback, without TLS.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
from oauthlib.oauth2 import BackendApplicationClient, InvalidGrantError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from world import WORLD, Browser, status_with, step

WEB, DEVICE = WORLD["applications"]["web"], WORLD["applications"]["device"]
CALLBACK = WEB["redirect_uris"][0]
BASIC = HTTPBasicAuth(WEB["client_id"], WEB["client_secret"])

with step("discovery"):
    metadata = requests.get(WORLD["issuer"] + "/.well-known/openid-configuration", timeout=30).json()
    assert metadata["issuer"] == WORLD["issuer"]

client = OAuth2Session(
    WEB["client_id"], redirect_uri=CALLBACK, scope=["openid", "offline_access", "email"], pkce="S256"
)
browser = Browser()

with step("code with PKCE"):
    url, state = client.authorization_url(metadata["authorization_endpoint"])
    answer = browser.authorize(url, CALLBACK)
    tokens = client.fetch_token(
        metadata["token_endpoint"], authorization_response=answer, client_secret=WEB["client_secret"]
    )
    assert parse_qs(urlsplit(answer).query)["iss"] == [WORLD["issuer"]]
    assert tokens["userId"] == WORLD["user"]["id"]
    assert status_with(tokens["access_token"]) == 200

with step("a code works once"):
    try:
        replay = OAuth2Session(WEB["client_id"], redirect_uri=CALLBACK, state=state)
        replay.fetch_token(metadata["token_endpoint"], authorization_response=answer, auth=BASIC)
        raise AssertionError("the code was accepted twice")
    except InvalidGrantError:
        pass

with step("single sign-on"):
    url, _ = client.authorization_url(metadata["authorization_endpoint"], prompt="none")
    answer = browser.leave(url, CALLBACK)
    tokens = client.fetch_token(metadata["token_endpoint"], authorization_response=answer, auth=BASIC)

with step("userinfo"):
    user = client.get(metadata["userinfo_endpoint"]).json()
    assert (user["sub"], user["email"]) == (WORLD["user"]["id"], WORLD["user"]["email"])
    assert requests.get(metadata["userinfo_endpoint"], timeout=30).status_code == 401

with step("refresh"):
    refreshed = client.refresh_token(
        metadata["token_endpoint"], refresh_token=tokens["refresh_token"], auth=BASIC
    )
    assert refreshed["access_token"] != tokens["access_token"]


def ask(endpoint, token):
    answer = requests.post(metadata[endpoint], data={"token": token}, auth=BASIC, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


with step("introspection"):
    said = ask("introspection_endpoint", refreshed["access_token"]).json()
    assert said["active"] is True and said["client_id"] == WEB["client_id"], said
    assert ask("introspection_endpoint", "nothing").json() == {"active": False}

with step("client credentials"):
    entity, target = WORLD["entities"]["recipient"], WORLD["entities"]["target"]
    service = OAuth2Session(client=BackendApplicationClient(entity["client_id"]))
    granted = service.fetch_token(
        metadata["token_endpoint"],
        auth=HTTPBasicAuth(entity["client_id"], entity["client_secret"]),
        scope=f"target-entity:{target['name']}:read",
    )
    assert service.get(WORLD["gateway"] + "/api/orders").status_code == 200

with step("device"):
    form = {"client_id": DEVICE["client_id"], "scope": "offline_access"}
    if DEVICE.get("client_secret"):
        form["client_secret"] = DEVICE["client_secret"]
    asked = requests.post(metadata["device_authorization_endpoint"], data=form, timeout=30).json()
    poll = {**form, "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": asked["device_code"]}
    Browser().approve_device(asked["verification_uri_complete"])
    time.sleep(asked["interval"])
    granted = requests.post(metadata["token_endpoint"], data=poll, timeout=30).json()
    assert granted["userId"] == WORLD["user"]["id"] and "id_token" not in granted, granted

with step("revocation"):
    ask("revocation_endpoint", refreshed["access_token"])
    assert status_with(refreshed["access_token"]) == 401
    assert ask("introspection_endpoint", refreshed["access_token"]).json() == {"active": False}

with step("logout"):
    query = {"client_id": WEB["client_id"], "post_logout_redirect_uri": CALLBACK, "id_token_hint": tokens["id_token"]}
    answer = browser.leave(metadata["end_session_endpoint"] + "?" + urlencode(query), CALLBACK)
    assert answer == CALLBACK, answer
