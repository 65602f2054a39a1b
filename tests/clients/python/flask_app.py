"""A Flask application that logs people in with Authlib, and an API that checks their tokens with PyJWT."""

import os
import threading

# The demo world is on loopback, without TLS.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import jwt
from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, redirect, request, session, url_for
from werkzeug.serving import make_server

from world import WORLD, Browser, step

WEB = WORLD["applications"]["web"]
app = Flask(__name__)
app.secret_key = "nobody guesses this in time"
oauth = OAuth(app)
oauth.register(
    "faregate",
    server_metadata_url=WORLD["issuer"] + "/.well-known/openid-configuration",
    client_id=WEB["client_id"],
    client_secret=WEB["client_secret"],
    client_kwargs={"scope": "openid email", "code_challenge_method": "S256"},
)
keys = jwt.PyJWKClient(WORLD["issuer"] + "/.well-known/jwks.json")


@app.get("/login")
def login():
    return oauth.faregate.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback():
    tokens = oauth.faregate.authorize_access_token()
    session["subject"], session["token"] = tokens["userinfo"]["sub"], tokens["access_token"]
    session["email"] = oauth.faregate.userinfo(token=tokens)["email"]
    return redirect("/me")


@app.get("/me")
def me():
    return jsonify(dict(session))


@app.get("/api")
def api():
    token = request.headers["Authorization"].removeprefix("Bearer ")
    key = keys.get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],
        audience=WEB["client_id"],
        issuer=WORLD["issuer"],
        options={"require": ["aud", "exp", "iat", "iss", "jti", "sub"]},
    )
    return jsonify(claims)


server = make_server("127.0.0.1", 0, app, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
url, browser = f"http://127.0.0.1:{server.port}", Browser()

with step("login"):
    person = browser.open(url + "/login").json()
    assert (person["subject"], person["email"]) == (WORLD["user"]["id"], WORLD["user"]["email"]), person

with step("the application's own session"):
    assert browser.open(url + "/me").json() == person

with step("an API with PyJWT"):
    headers = {"Authorization": "Bearer " + person["token"]}
    claims = browser.session.get(url + "/api", headers=headers, timeout=30).json()
    assert (claims["sub"], claims["scope"]) == (WORLD["user"]["id"], "openid email"), claims
