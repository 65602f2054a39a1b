//! Issuers that answer slowly, endlessly, with nonsense or with what they must not: nobody is let in by it, and nobody else
//! is kept out.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{eventually, gateway, outcome, passed, refused};
use crate::support::foreign_issuer::{ForeignIssuer, JWKS, METADATA, Reply};
use crate::support::gateway::Gateway;

fn unavailable() -> (u16, String) {
    refused(503, "keys_unavailable")
}

// T23, T24, G3, G6, G7: whatever it answers instead of keys, it is 503 before and after, and good once it is good
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_key_set_is_not_used() {
    let set = |keys: &[Value]| Reply::json(&json!({ "keys": keys }));
    let public = |corp: &ForeignIssuer| serde_json::to_value(corp.key().verifying_key().public_jwk().unwrap()).unwrap();
    let with = |corp: &ForeignIssuer, name: &str, value: Value| {
        let mut key = public(corp);
        key[name] = value;
        key
    };
    type Answering<'a> = Box<dyn Fn(&ForeignIssuer) -> Reply + 'a>;
    let bodies: [Answering<'_>; 14] = [
        Box::new(|_| Reply::Document("<html>Sign in</html>".to_owned(), "")),
        Box::new(|_| Reply::Document("{".to_owned(), "")),
        Box::new(|_| Reply::json(&json!({}))),
        Box::new(|_| set(&[])),
        Box::new(|_| set(&[json!({ "kty": "XYZ", "kid": "a" })])),
        Box::new(|corp| set(&[public(corp), with(corp, "d", json!("AA"))])),
        Box::new(|corp| set(&[public(corp), json!({ "kty": "oct", "k": "AAAA", "kid": "a" })])),
        // A point that is not on the curve: the entry is skipped, and nothing is left.
        Box::new(|corp| set(&[with(corp, "y", public(corp)["x"].clone())])),
        Box::new(|corp| set(&vec![public(corp); 101])),
        Box::new(|_| Reply::Document(format!("{{\"keys\":[{}]}}", " ".repeat(300 * 1024)), "")),
        Box::new(|_| Reply::Endless),
        Box::new(|_| Reply::Close),
        Box::new(|_| Reply::status(500)),
        Box::new(|_| Reply::status(302)),
    ];
    // One issuer for each, and a gateway that knew their keys before.
    let mut corps = Vec::new();
    let mut issuers = String::new();
    for number in 0..bodies.len() {
        let corp = ForeignIssuer::start().await;
        issuers.push_str(&format!(
            "  corp{number}: {{ issuer: {}, audience: api, refresh: 1s, cooldown: 1s, timeout: 500ms }}\n",
            corp.url()
        ));
        corps.push(corp);
    }
    let sections = format!(
        r#"
listen: "${{LISTEN}}"
issuers:
{issuers}
upstreams: {{ app: "${{UPSTREAM}}" }}
routes: {{ /any/**: {{ upstream: app, tokens: [{}], require: authenticated }} }}
"#,
        (0..bodies.len()).map(|number| format!("corp{number}")).collect::<Vec<_>>().join(", ")
    );
    let knowing = Gateway::of(&sections, &[]).await;
    for corp in &corps {
        assert_eq!(outcome(&knowing, "/any/a", &corp.token(json!({}))).await, passed());
    }
    for (corp, body) in corps.iter().zip(&bodies) {
        corp.reply(JWKS, body(corp));
    }
    // Whoever starts now has no keys at all.
    let fresh = Gateway::of(&sections, &[]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for (number, corp) in corps.iter().enumerate() {
        let token = corp.token(json!({ "jti": "new" }));
        assert_eq!(outcome(&knowing, "/any/a", &token).await, passed(), "body {number}: last good keys stay in use");
        assert_eq!(outcome(&fresh, "/any/a", &token).await, unavailable(), "body {number}");
    }
    let metrics = knowing.metrics().await;
    for (number, result) in [
        (0, "malformed"),
        (5, "malformed"),
        (9, "too_large"),
        (10, "too_large"),
        (11, "unreachable"),
        (12, "status"),
        (13, "redirect"),
    ] {
        let line = format!(r#"faregate_jwks_fetch_total{{issuer="corp{number}",result="{result}"}}"#);
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    corps[0].publish(&[&corps[0].key()]);
    eventually(&fresh, "/any/a", &corps[0].token(json!({})), &passed()).await;
}

// G6: metadata about somebody else, or leading elsewhere
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_is_believed_about_its_own_issuer_only() {
    let corp = ForeignIssuer::start().await;
    let jwks = format!("{}{JWKS}", corp.url());
    for metadata in [
        json!({ "issuer": format!("{}/", corp.url()), "jwks_uri": jwks }),
        json!({ "issuer": "https://evil.example", "jwks_uri": jwks }),
        json!({ "jwks_uri": jwks }),
        json!({ "issuer": corp.url() }),
        json!({ "issuer": corp.url(), "jwks_uri": "file:///etc/passwd" }),
        json!([]),
    ] {
        corp.reply(METADATA, Reply::json(&metadata));
        let gateway = gateway(&corp, "").await;
        assert_eq!(outcome(&gateway, "/corp/a", &corp.token(json!({}))).await, unavailable(), "{metadata}");
        gateway.running.stop().await;
    }
    assert_eq!(corp.count(JWKS), 0, "keys of an issuer that is not the one were not even looked at");
}

// T22: a slow issuer holds up nobody but the first who need it, and those not for long
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_issuer_is_not_waited_for() {
    let corp = ForeignIssuer::start().await;
    corp.reply(METADATA, Reply::Late(Duration::from_secs(30), Box::new(Reply::status(500))));
    let began = Instant::now();
    let gateway = gateway(&corp, "").await;
    assert_eq!(outcome(&gateway, "/corp/a", &corp.token(json!({}))).await, unavailable());
    assert!(began.elapsed() < Duration::from_millis(3500), "{:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(gateway.request("GET", "/self/a", "").await.status(), 401);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
