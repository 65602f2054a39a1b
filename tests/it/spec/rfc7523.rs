//! RFC 7523 3 and RFC 10070: clients that prove themselves with signed assertions.

use faregate::directory::{NewApplication, NewSecret};
use faregate::jose::{Algorithm, SigningKey, TokenType};
use faregate::model::ApplicationSettings;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::authorization_server::{NOW, PUBLIC_URL, TENANT, TODO_API, TODO_SECRET, TestServer};
use crate::support::people::{CALLBACK, SECRET, WEB};

const TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

fn claims() -> Value {
    json!({ "iss": "signer", "sub": "signer", "aud": PUBLIC_URL, "exp": NOW + 60, "iat": NOW, "jti": "1" })
}

/// A client called `signer`, with this key or with a secret.
async fn start(key: Option<&SigningKey>) -> TestServer {
    let server = TestServer::with_people().await;
    let jwks = key.map(|key| json!({ "keys": [key.verifying_key().public_jwk().unwrap()] }).to_string());
    let settings =
        ApplicationSettings { jwks, redirect_uris: vec![CALLBACK.to_owned()], ..ApplicationSettings::default() };
    let client_secret = match key {
        Some(_) => NewSecret::None,
        None => NewSecret::Chosen(SECRET.to_owned().into()),
    };
    let new = NewApplication {
        id: None,
        tenant_id: TENANT,
        name: "signer".to_owned(),
        client_id: Some("signer".to_owned()),
        client_secret,
        roles: Vec::new(),
        settings,
    };
    server.directory.create_application(new).await.unwrap();
    server
}

/// Asks with an assertion; what it asks for does not exist, so a client that is believed hears `missing_code`.
async fn ask(server: &TestServer, assertion: &str, extra: &str) -> (u16, String) {
    let body =
        format!("grant_type=authorization_code&client_assertion_type={TYPE}&client_assertion={assertion}{extra}");
    let (status, _, reason) = server.post("/oauth2/token").body(body).send().await.verdict();
    (status, reason)
}

fn believed() -> (u16, String) {
    (400, "missing_code".to_owned())
}

fn refused() -> (u16, String) {
    (401, "invalid_client_authentication".to_owned())
}

// RFC 7523 3, D1 to D4
#[tokio::test]
async fn an_assertion_is_believed_if_everything_in_it_is_right() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let server = start(Some(&key)).await;
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        claims["jti"] = if name == "jti" { claims["jti"].clone() } else { format!("{name} {claims}").into() };
        claims
    };
    let sign = |claims: &Value| key.sign(TokenType::Jwt, claims).unwrap();
    let rows = [
        ("as it should be", with("iat", json!(NOW)), believed()),
        ("no iat", with("iat", Value::Null), believed()),
        ("five minutes", with("exp", json!(NOW + 300)), believed()),
        ("D4 longer", with("exp", json!(NOW + 301)), refused()),
        ("D4 expired", with("exp", json!(NOW)), refused()),
        ("D4 for ever", with("exp", Value::Null), refused()),
        ("not yet", with("nbf", json!(NOW + 60)), refused()),
        ("another issuer", with("iss", json!("other")), refused()),
        ("D2 the token endpoint", with("aud", json!(format!("{PUBLIC_URL}/oauth2/token"))), refused()),
        ("D2 a list", with("aud", json!([PUBLIC_URL])), refused()),
        ("D2 nobody", with("aud", Value::Null), refused()),
        ("D4 no id", with("jti", json!("")), refused()),
        ("another client", with("sub", json!(WEB)), refused()),
    ];
    for (name, claims, expected) in rows {
        assert_eq!(ask(&server, &sign(&claims), "").await, expected, "{name}: {claims}");
    }
    // RFC 7521 4.2: the client_id is not needed; if it is there, it is the same.
    let fresh = |jti: &str| sign(&with("jti", json!(jti)));
    assert_eq!(ask(&server, &fresh("a"), "&client_id=signer").await, believed());
    assert_eq!(ask(&server, &fresh("b"), &format!("&client_id={WEB}")).await, (400, "client_id_mismatch".to_owned()));
    // D5: one way at a time.
    let twice = (400, "invalid_client_authentication".to_owned());
    assert_eq!(ask(&server, &fresh("c"), "&client_secret=x").await, twice);
    let body = format!("grant_type=password&client_assertion_type={TYPE}&client_assertion={}", fresh("d"));
    let call = server.post("/oauth2/token").basic(&TODO_API.to_string(), TODO_SECRET).body(body);
    assert_eq!(call.send().await.verdict().2, twice.1);
    // Another type, and none.
    let body = format!("grant_type=password&client_assertion={}", fresh("e"));
    let answer = server.post("/oauth2/token").body(body).send().await;
    assert_eq!(answer.verdict().2, "invalid_client_authentication_scheme");
    assert_eq!(ask(&server, "x.y.z", "").await, refused());
}

// D3, E3: what was signed for something else is no assertion.
#[tokio::test]
async fn other_tokens_are_no_assertions() {
    let (key, other) =
        (SigningKey::generate(Algorithm::Es256).unwrap(), SigningKey::generate(Algorithm::Es256).unwrap());
    let server = start(Some(&key)).await;
    assert_eq!(ask(&server, &key.sign(TokenType::AccessToken, &claims()).unwrap(), "").await, refused());
    assert_eq!(ask(&server, &other.sign(TokenType::Jwt, &claims()).unwrap(), "").await, refused());
    let id_token = server.tokens(WEB, "openid").await.json()["id_token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&server, &id_token, "").await, refused());
    let token = server.token("").await.access_token();
    assert_eq!(ask(&server, &token, "").await, refused());
    // Nor is a good assertion an access token.
    let assertion = key.sign(TokenType::Jwt, &claims()).unwrap();
    let answer = server.get("/oauth2/userinfo").header("Authorization", &format!("Bearer {assertion}")).send().await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

// D4: once, on whichever node.
#[tokio::test]
async fn an_assertion_is_used_once() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let server = start(Some(&key)).await;
    let other = TestServer::on(server.store.clone(), server.clock.clone()).await;
    let assertion = key.sign(TokenType::Jwt, &claims()).unwrap();
    assert_eq!(ask(&server, &assertion, "").await, believed());
    assert_eq!(ask(&server, &assertion, "").await, refused());
    assert_eq!(ask(&other, &assertion, "").await, refused());
}

// OpenID Connect Core 9: client_secret_jwt, with the secret that both know.
#[tokio::test]
async fn a_shared_secret_signs_too() {
    let server = start(None).await;
    let key = SigningKey::from_private_key(Algorithm::Hs256, SECRET.as_bytes()).unwrap();
    let wrong = SigningKey::from_private_key(Algorithm::Hs256, &[7; 32]).unwrap();
    assert_eq!(ask(&server, &key.sign(TokenType::Jwt, &claims()).unwrap(), "").await, believed());
    assert_eq!(ask(&server, &wrong.sign(TokenType::Jwt, &claims()).unwrap(), "").await, refused());
    // A secret that is not kept in clear signs nothing: `web` was stored with its hash alone.
    let mut of_web = claims();
    (of_web["iss"], of_web["sub"]) = (WEB.into(), WEB.into());
    assert_eq!(ask(&server, &key.sign(TokenType::Jwt, &of_web).unwrap(), "").await, refused());
}

// F-180, F-182: an entity has a secret, which is stored as a hash, and no keys. Whoever tries hears the same for clients
// that do not exist.
#[tokio::test]
async fn an_entity_signs_nothing() {
    let server = start(None).await;
    let key = SigningKey::from_private_key(Algorithm::Hs256, TODO_SECRET.as_bytes()).unwrap();
    let mut answers = Vec::new();
    for client_id in [TODO_API.to_string(), "nobody".to_owned()] {
        let mut claims = claims();
        (claims["iss"], claims["sub"]) = (client_id.as_str().into(), client_id.as_str().into());
        let assertion = key.sign(TokenType::Jwt, &claims).unwrap();
        let body = format!("grant_type=client_credentials&client_assertion_type={TYPE}&client_assertion={assertion}");
        let answer = server.post("/oauth2/token").body(body).send().await;
        assert_eq!(answer.verdict().1, "invalid_client");
        answers.push((answer.status, answer.text()));
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].1.contains("Entities authenticate with their secret"), "{}", answers[0].1);
    assert_eq!(server.token("").await.status, StatusCode::OK, "as they do");
}
