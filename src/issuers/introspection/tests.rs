use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::issuers::Fetcher;
use crate::metrics::Metrics;

const NOW: UnixSeconds = 1_800_000_000;

fn introspector() -> Introspector {
    let text = "issuers: { a: { issuer: https://a.example, audience: api, discovery: false, introspection: \
                { endpoint: https://a.example/i, client_id: gate, client_secret: s, cache: 30s } } }";
    let config = config::parse("test.yaml", text, &config::Environment::of::<&str, &str>([])).unwrap();
    let config::IssuerKind::Foreign(foreign) = &config.issuers[0].kind else { panic!("it is somebody else") };
    let (clock, entropy) = (Clock::fixed(NOW), Entropy::system());
    let outbound = Outbound { fetcher: Fetcher::new().unwrap(), metrics: Arc::new(Metrics::new()), clock, entropy };
    Introspector::new("a", foreign, foreign.introspection.as_ref().unwrap(), &outbound)
}

// RFC 7662 2.2, I4
#[test]
fn an_answer_counts_for_a_while_and_never_past_its_end() {
    let asking = introspector().0;
    let read = |answer: Value| asking.read(&answer.to_string()).unwrap();
    for (exp, fresh_until) in [
        (json!(null), NOW + 30),
        (json!(NOW + 300), NOW + 30),
        (json!(NOW + 10), NOW + 10),
        (json!(NOW as f64 + 10.7), NOW + 10),
    ] {
        let answer = read(json!({ "active": true, "sub": "s", "exp": exp })).unwrap();
        assert_eq!(answer.fresh_until, fresh_until, "{exp}");
        assert_eq!((&answer.claims["iss"], answer.claims.get("active")), (&json!("https://a.example"), None));
    }
    for inactive in [
        json!({ "active": false, "exp": NOW + 300 }),
        json!({ "active": true, "exp": NOW }),
        json!({ "active": true, "nbf": NOW + 61 }),
        json!({ "active": true, "iss": "https://b.example" }),
        json!({ "active": true, "iss": 1 }),
        json!({ "active": true, "token_type": "refresh_token" }),
        json!({ "active": true, "token_use": "refresh_token" }),
        json!({ "active": true, "token_type": "Bearer", "typ": "Offline" }),
    ] {
        assert!(read(inactive.clone()).is_none(), "{inactive}");
    }
}

// T28: that many ask at once is no failure of the issuer's
#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_opens_no_circuit() {
    let asking = introspector().0;
    let _all = asking.calls.acquire_many(u32::try_from(asking.calls.available_permits()).unwrap()).await.unwrap();
    for _ in 0..10 {
        assert!(asking.learn(&Key::default(), &Secret::new("t".to_owned())).await.is_err());
    }
    assert!(asking.breaker.admits());
    let of = |result: &str| asking.outbound.metrics.introspections.with_label_values(&["a", result]).get();
    assert_eq!((of("queue_full"), of("timeout"), of("circuit_open")), (10, 0, 0));
}

// I5, T29
#[test]
fn what_is_not_clearly_an_answer_is_none() {
    let asking = introspector().0;
    for text in [
        "",
        "{}",
        "[]",
        "true",
        "<html>",
        r#"{"active":"true"}"#,
        r#"{"active":1}"#,
        r#"{"active":null}"#,
        r#"{"active":true"#,
        r#"{"active":true,"exp":"1800000300"}"#,
        r#"{"active":true,"exp":1e300}"#,
        r#"{"active":true,"nbf":[]}"#,
    ] {
        assert!(matches!(asking.read(text), Err(FetchError::Malformed(_))), "{text}");
    }
}

// I4: keyed by a digest, never by the token
#[test]
fn a_token_is_remembered_by_its_digest() {
    assert_eq!(key_of("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
}
