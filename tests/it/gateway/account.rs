//! The page of one's account in front of a guarded route: who loses access there is refused by the next request (UX 23).

use serde_json::Value;

use crate::support::gateway::{Gateway, client};
use crate::support::gateway_people::{ADA, PASSWORD, WEB, text};
use crate::support::visitor::Visitor;

const SECTIONS: &str = r#"
upstreams: { app: "${UPSTREAM}" }
routes:
  /app/**: { upstream: app, tokens: self, require: authenticated }
"#;

async fn status(gateway: &Gateway, tokens: &Value) -> u16 {
    let call = client().get(gateway.url("/app/x")).bearer_auth(text(tokens, "access_token"));
    call.send().await.unwrap().status().as_u16()
}

// UX 23, I8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_loses_its_access_is_refused_by_the_next_request() {
    let (gateway, _) = Gateway::with_people("standard", SECTIONS).await;
    let tokens = gateway.tokens_of_ada("openid offline_access").await;
    let mut visitor = Visitor::new();
    let page = visitor.go(&gateway.url("/oauth2/account")).await;
    let page = visitor.submit(&page, &[("loginId", ADA), ("password", PASSWORD)]).await;
    let (_, button) = page.body.split_once("name=\"end_access\" value=\"").unwrap_or_else(|| panic!("{page:?}"));
    let application = button.split('"').next().unwrap().to_owned();
    assert_eq!(status(&gateway, &tokens).await, 200);
    let page = visitor.submit(&page, &[("end_access", &application)]).await;
    assert!(page.url.ends_with("/oauth2/account?outcome=access_ended"), "{page:?}");
    assert_eq!(status(&gateway, &tokens).await, 401);
    let form = [("grant_type", "refresh_token"), ("refresh_token", &text(&tokens, "refresh_token"))];
    let (refused, answer) = gateway.ask_as(WEB, "/oauth2/token", &form).await;
    assert_eq!((refused, text(&answer, "error").as_str()), (400, "invalid_grant"));
}
