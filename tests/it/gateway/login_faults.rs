//! Issuers whose token endpoint answers slowly, endlessly or with nonsense while somebody logs in: nobody gets a session by it,
//! and nobody waits for long.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::foreign_issuer::{ForeignIssuer, JWKS, Reply, TOKEN, now};
use crate::support::gateway::Gateway;
use crate::support::visitor::Visitor;
use faregate::jose::TokenType;

const SECTIONS: &str = r#"
listen: "${LISTEN}"
issuers: { corp: { issuer: "${CORP}", audience: api, timeout: 500ms } }
logins: { corp: { issuer: corp, client_id: gate } }
upstreams: { app: "${UPSTREAM}" }
routes: { /corp/**: { upstream: app, require: authenticated, login: corp } }
"#;

/// Tokens, as far as this answer has any, and the ID token in it.
fn answer(members: &Value) -> Reply {
    let mut answer = json!({ "token_type": "Bearer", "expires_in": 300, "access_token": "a" });
    answer.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    Reply::json(&answer)
}

fn refusal(error: &str) -> Reply {
    let body = json!({ "error": error }).to_string();
    Reply::Raw(format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

// G1, G3, I5, O1, OpenID Connect Core 3.1.3.7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_clear_answer_is_no_session() {
    let corp = ForeignIssuer::start().await;
    let identity = |claims: Value| {
        let mut all = json!({ "aud": "gate", "scope": null, "nonce": "another", "exp": now() + 300 });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        corp.signed(TokenType::Jwt, all)
    };
    let unavailable = (503, "login_unavailable");
    let id_token = |text: &str| answer(&json!({ "id_token": text }));
    let rows = [
        (Reply::Document("<html>Sign in</html>".to_owned(), ""), unavailable),
        (Reply::Document("{".to_owned(), ""), unavailable),
        (Reply::json(&json!([])), unavailable),
        (answer(&json!({ "access_token": null })), unavailable),
        (answer(&json!({ "token_type": "mac" })), unavailable),
        (Reply::Document(format!("{{\"access_token\":\"{}\"}}", "x".repeat(300 * 1024)), ""), unavailable),
        (Reply::Endless, unavailable),
        (Reply::Close, unavailable),
        (Reply::status(302), unavailable),
        (Reply::status(404), unavailable),
        (Reply::status(500), unavailable),
        (Reply::Late(Duration::from_secs(20), Box::new(Reply::status(200))), unavailable),
        (refusal("temporarily_unavailable"), unavailable),
        (refusal("invalid_grant"), (400, "code_refused")),
        (refusal("<script>"), (400, "code_refused")),
        (answer(&json!({})), (502, "no_id_token")),
        (id_token("nonsense"), (502, "bad_id_token")),
        (id_token(&identity(json!({ "aud": "somebody-else" }))), (502, "bad_id_token")),
        (id_token(&identity(json!({ "iss": "https://other.example" }))), (502, "bad_id_token")),
        (id_token(&identity(json!({ "exp": now() - 120 }))), (502, "bad_id_token")),
        (id_token(&identity(json!({}))), (400, "wrong_nonce")),
    ];
    let (mut gateway, mut failures) = (start(&corp).await, 0);
    for (number, (reply, expected)) in rows.into_iter().enumerate() {
        // Five in a row, and it is left alone for a while.
        if failures == 4 {
            gateway.running.stop().await;
            (gateway, failures) = (start(&corp).await, 0);
        }
        corp.let_people_in(300);
        corp.reply(TOKEN, reply);
        failures += 1;
        let (mut ann, asked) = (Visitor::new(), corp.count(TOKEN));
        let began = Instant::now();
        let seen = ann.go(&gateway.url("/corp/x")).await;
        assert_eq!((seen.status, seen.code().as_str()), expected, "row {number}: {seen:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "row {number}: {:?}", began.elapsed());
        assert_eq!(corp.count(TOKEN), asked + 1, "row {number}");
        assert!(!seen.body.contains("script>"), "row {number}: {}", seen.body);
        assert!(ann.cookies.is_empty(), "row {number}: {:?}", ann.cookies);
        assert_eq!(ann.send("GET", &gateway.url("/corp/x"), &[], None).await.status, 401, "row {number}");
    }
    assert_eq!(gateway.upstream.count(), 0);
    // Keys that cannot be had: nobody can say whose ID token it is.
    gateway.running.stop().await;
    corp.let_people_in(300);
    corp.reply(JWKS, Reply::status(500));
    let gateway = start(&corp).await;
    let seen = Visitor::new().go(&gateway.url("/corp/x")).await;
    assert_eq!((seen.status, seen.code().as_str()), (503, "login_unavailable"), "{seen:?}");
}

async fn start(corp: &ForeignIssuer) -> Gateway {
    Gateway::of(SECTIONS, &[("CORP", &corp.url())]).await
}
