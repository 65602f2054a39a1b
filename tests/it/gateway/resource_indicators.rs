//! RFC 8707 and RFC 9728 through the real listener: a client asks for tokens for what the gateway told it.

use crate::support::gateway::{Gateway, client};
use crate::support::gateway_people::{ADA, PASSWORD, text};

const SECTIONS: &str = r#"
upstreams: { app: "${UPSTREAM}" }
routes:
  /orders/**: { upstream: app, tokens: self, require: authenticated }
  /mail/**: { upstream: app, tokens: self, require: authenticated, audience: "https://mail.example.com/" }
"#;

// E1, F8, RFC 9728 3.3: from the challenge to the token that meets it, and to no other route
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_for_the_resource_that_was_asked_for() {
    let (gateway, _) = Gateway::with_people("standard", SECTIONS).await;
    let document = client().get(gateway.url("/.well-known/oauth-protected-resource/orders/7")).send().await.unwrap();
    let document: serde_json::Value = document.json().await.unwrap();
    let resource = text(&document, "resource");
    assert!(resource.ends_with("/orders/7"), "{document}");
    let form = |resource: &'static str| {
        [("grant_type", "password"), ("username", ADA), ("password", PASSWORD), ("resource", resource)]
    };
    let resource: &'static str = resource.leak();
    let (status, tokens) = gateway.ask("/oauth2/token", &form(resource)).await;
    assert_eq!(status, 200, "{tokens}");
    for (path, expected) in [("/orders/7", 200), ("/mail/1", 401)] {
        let call = client().get(gateway.url(path)).bearer_auth(text(&tokens, "access_token"));
        assert_eq!(call.send().await.unwrap().status().as_u16(), expected, "{path}");
    }
    let (status, refused) = gateway.ask("/oauth2/token", &form("https://mail.example.com/")).await;
    assert_eq!((status, text(&refused, "error").as_str()), (400, "invalid_target"));
}
