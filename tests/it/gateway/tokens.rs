//! Tokens that are not good here, through the real door. `jsonwebtoken` makes them: a second opinion on ours.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, client};

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// `value` with this member set, or without it when null.
fn set(value: &Value, name: &str, member: Value) -> Value {
    let mut value = value.clone();
    value[name] = member;
    if value[name].is_null() {
        value.as_object_mut().unwrap().remove(name);
    }
    value
}

/// SubjectPublicKeyInfo of a P-256 key (RFC 5480).
fn spki(jwk: &Value) -> Vec<u8> {
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let prefix = [
        0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7,
        3, 0x42, 0, 4,
    ];
    [&prefix[..], &coordinate("x"), &coordinate("y")].concat()
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

// F-334, F1 to F9, RFC 6750 3.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_and_foreign_tokens_are_refused() {
    let gateway = Gateway::start().await;
    let other = Gateway::start().await;
    let good = gateway.reader().await;
    let (header, claims) = (part(&good, 0), part(&good, 1));
    let [_, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let keys: Value = client().get(gateway.url("/.well-known/jwks.json")).send().await.unwrap().json().await.unwrap();
    let jwk = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap().clone();
    assert_eq!(header["alg"], "ES256", "{header}");

    let mut forged: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, token: String| forged.push((name.to_owned(), token));
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES384", "ES256 "] {
        let header = encoded(&set(&header, "alg", json!(alg)));
        add(&format!("alg {alg:?} without signature"), format!("{header}.{body}."));
        add(&format!("alg {alg:?} with the old signature"), format!("{header}.{body}.{signature}"));
    }
    // The public key as the secret: every text that somebody may have handed to a library.
    let der = spki(&jwk);
    let public: [Vec<u8>; 5] = [
        pem(&der).into_bytes(),
        pem(&der).trim_end().as_bytes().to_vec(),
        der.clone(),
        jwk.to_string().into_bytes(),
        Vec::new(),
    ];
    for (index, secret) in public.iter().enumerate() {
        let mut hs = Header::new(jsonwebtoken::Algorithm::HS256);
        hs.kid = header["kid"].as_str().map(str::to_owned);
        hs.typ = header["typ"].as_str().map(str::to_owned);
        add(
            &format!("HS256 with public key {index}"),
            jsonwebtoken::encode(&hs, &claims, &EncodingKey::from_secret(secret)).unwrap(),
        );
    }
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("refresh+jwt")),
        ("typ", Value::Null),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("kid", json!("../../etc/passwd")),
        ("kid", json!("nobody")),
        ("kid", Value::Null),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("jwk", jwk.clone()),
    ] {
        add(&format!("header {name}={value}"), format!("{}.{body}.{signature}", encoded(&set(&header, name, value))));
    }
    for (name, value) in [
        ("exp", json!(9_999_999_999_i64)),
        ("sub", json!("admin")),
        ("iss", json!("https://evil.test")),
        ("roles", json!(["admin"])),
    ] {
        let head = good.split('.').next().unwrap();
        add(&format!("claim {name}={value}"), format!("{head}.{}.{signature}", encoded(&set(&claims, name, value))));
    }
    let head = encoded(&header);
    for token in [
        String::from("x"),
        "...".into(),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!(".{body}.{signature}"),
        format!("{head}..{signature}"),
        format!("{head}.{body}.{signature}="),
        format!("{head}.{body}.{}", "A".repeat(86)),
        format!("{head}.{body}.{}", "A".repeat(96)),
        format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode([0x30, 6, 2, 1, 1, 2, 1, 1])),
        "A".repeat(9 * 1024),
        format!("{good}{}", "A".repeat(9 * 1024)),
        "eyJhbGciOiJub25lIn0.e30.".into(),
        "~/+=".into(),
    ] {
        add("shape", token);
    }
    add("other issuer", other.reader().await);

    for (name, token) in &forged {
        let answer = gateway.request("GET", "/api/orders", &format!("Authorization: Bearer {token}\r\n")).await;
        assert_eq!(answer.status(), 401, "{name}: {}", answer.text);
        let challenge = answer.field("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer realm=\"faregate\", error=\"invalid_token\""), "{name}: {challenge}");
        assert_eq!(answer.json()["error"], "invalid_token", "{name}");
        assert!(!answer.text.contains(token) || token.len() < 4, "{name}: O6");
    }
    assert_eq!(gateway.upstream.count(), 0);
    let answer = gateway.request("GET", "/api/orders", &format!("Authorization: Bearer {good}\r\n")).await;
    assert_eq!(answer.status(), 200, "the good one still is good");
}

// F-347: a huge token costs its sender the connection, not us
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_tokens_are_refused() {
    let gateway = Gateway::start().await;
    let answer =
        gateway.request("GET", "/api/orders", &format!("Authorization: Bearer {}\r\n", "A".repeat(64 * 1024))).await;
    assert_eq!(answer.status(), 431, "{}", answer.text);
    assert_eq!(gateway.request("GET", "/public/x", "").await.status(), 200, "alive");
}

const SHORT: &str = r#"
listen: "${LISTEN}"
issuers: { brief: { tenant: brief } }
directory:
  tenants: { brief: { id: 7d1f7cb2-0c6e-4d61-8a52-6f0f7d1f4a11, access_token_life: 1s } }
  entity_types: { api: {} }
  entities:
    caller: { id: 2934f41f-d277-4a32-b0d5-16e47dad9722, type: api, tenant: brief, client_secret: "${RECIPIENT_SECRET}" }
upstreams: { app: "${UPSTREAM}" }
routes:
  /any/**: { upstream: app, require: authenticated }
"#;

// F9, F17: expiry is asked at every use, cached or not
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_expire_in_the_cache_too() {
    let gateway = Gateway::of(SHORT, &[]).await;
    let answer = client()
        .post(gateway.url("/7d1f7cb2-0c6e-4d61-8a52-6f0f7d1f4a11/oauth2/token"))
        .basic_auth("2934f41f-d277-4a32-b0d5-16e47dad9722", Some(crate::support::gateway::RECIPIENT_SECRET))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let authorization = format!("Authorization: Bearer {token}\r\n");
    let first = gateway.request("GET", "/any/x", &authorization).await;
    assert_eq!(first.status(), 200, "{}", first.text);
    assert_eq!(part(token, 1)["exp"].as_i64().unwrap() - part(token, 1)["iat"].as_i64().unwrap(), 1);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let answer = gateway.request("GET", "/any/x", &authorization).await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (401, Some("expired")), "{}", answer.text);
    assert!(answer.field("www-authenticate").unwrap().contains("The access token expired"));
    assert_eq!(gateway.upstream.count(), 1);
}
