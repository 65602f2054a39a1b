//! Tokens of others, through the real gateway and from real servers. One file per topic.

mod faults;
mod keys;
mod tokens;

use std::time::{Duration, Instant};

use crate::support::foreign_issuer::ForeignIssuer;
use crate::support::gateway::{Gateway, client};

/// One route for each way to accept tokens.
const ROUTES: &str = r#"
listen: "${LISTEN}"
upstreams: { app: "${UPSTREAM}" }
routes:
  /corp/**: { upstream: app, tokens: [corp], require: authenticated }
  /read/**: { upstream: app, tokens: [corp], require: scope read }
  /admin/**: { upstream: app, tokens: [corp], require: role admin }
  /both/**: { upstream: app, tokens: [self, corp], require: scope read }
  /self/**: { upstream: app, tokens: [self], require: scope read }
"#;

/// A gateway that believes `corp`, with these further keys, beside itself.
async fn gateway(corp: &ForeignIssuer, keys: &str) -> Gateway {
    let issuers = format!(r#"issuers: {{ self: {{}}, corp: {{ issuer: "${{CORP}}", audience: api{keys} }} }}"#);
    Gateway::of(&format!("{issuers}{ROUTES}"), &[("CORP", &corp.url())]).await
}

/// Status and reason.
async fn outcome(gateway: &Gateway, path: &str, token: &str) -> (u16, String) {
    let answer = client().get(gateway.url(path)).bearer_auth(token).send().await.unwrap();
    let status = answer.status().as_u16();
    let problem: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn passed() -> (u16, String) {
    refused(200, "")
}

/// Waits until the outcome is this, at most five seconds.
async fn eventually(gateway: &Gateway, path: &str, token: &str, expected: &(u16, String)) {
    let began = Instant::now();
    loop {
        let found = outcome(gateway, path, token).await;
        if found == *expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{found:?} and not {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
