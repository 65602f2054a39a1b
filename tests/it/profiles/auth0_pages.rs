//! `auth0` for applications that live in pages: what Auth0's SDK for them needs. `tests/browser` runs the SDK itself.

use faregate::model::{ApplicationGrant, ResponseMode};
use serde_json::json;

use super::auth0::server;
use crate::support::authorization_server::{TestServer, encode};
use crate::support::browser::{Browser, Shown};
use crate::support::people::{ADA_EMAIL, CALLBACK, CHALLENGE, PASSWORD, SPA, VERIFIER, WEB, redemption};

const APP: &str = "https://app.example";

/// The same, where `spa` is a page of [`APP`].
async fn server_of_a_page() -> TestServer {
    let server = server().await;
    let grants = vec![ApplicationGrant::AuthorizationCode, ApplicationGrant::RefreshToken];
    server.change(SPA, |settings| (settings.origins, settings.grants) = (vec![APP.to_owned()], grants)).await;
    server.absorb().await;
    server
}

fn asks(client_id: &str, more: &str) -> String {
    let callback = encode(CALLBACK);
    format!(
        "/authorize?client_id={client_id}&redirect_uri={callback}&response_type=code&response_mode=web_message&state=a%22b\
         &scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256{more}"
    )
}

fn opener_policy(page: &Shown) -> &str {
    page.answer.header("cross-origin-opener-policy").unwrap()
}

/// The page tells the listed origin and nobody else, wherever it is shown.
fn assert_tells(page: &Shown) {
    assert_eq!((page.status.as_u16(), &page.location), (200, &None), "{}", page.text());
    assert!(page.text().contains(&format!("data-origin=\"{APP}\"")), "{}", page.text());
    let policy = page.answer.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("frame-ancestors 'self' {APP}")), "{policy}");
    assert!(policy.contains("script-src 'sha256-"), "{policy}");
    assert_eq!(page.answer.header("x-frame-options"), None);
    assert_eq!(opener_policy(page), "unsafe-none");
    assert_eq!(page.answer.header("cache-control"), Some("no-store"));
    assert_eq!(page.get("state").as_deref(), Some("a\"b"));
}

// Web Message Response Mode: in a window that the page opened, and in a frame of it; errors, too
#[tokio::test]
async fn a_page_is_told_by_a_message() {
    let server = server_of_a_page().await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&asks(SPA, "&prompt=none")).await;
    assert_tells(&page);
    assert_eq!(page.get("error").as_deref(), Some("login_required"));

    let page = browser.open(&asks(SPA, "")).await;
    assert_eq!(opener_policy(&page), "unsafe-none", "the page that waits would take the window for closed");
    assert_eq!(page.answer.header("x-frame-options"), Some("DENY"), "F-024");
    let page = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    assert_tells(&page);
    assert!(page.get("code").is_some());

    let page = browser.open(&asks(SPA, "&prompt=none")).await;
    assert_tells(&page);
    assert!(page.get("code").is_some());
}

// A15: only to origins that the client lists, where it may be asked for, and with Auth0's SDKs
#[tokio::test]
async fn nobody_else_is_told() {
    let server = server_of_a_page().await;
    server.change(SPA, |settings| settings.response_modes = vec![ResponseMode::Query]).await;
    server.absorb().await;
    let standard = TestServer::with_people().await;
    standard.change(SPA, |settings| settings.origins = vec![APP.to_owned()]).await;
    standard.absorb().await;
    for (server, url) in [
        (&server, asks(SPA, "")),
        (&server, asks(WEB, "")),
        (&standard, asks(SPA, "").replace("/authorize", "/oauth2/authorize")),
    ] {
        let page = Browser::new(server).open(&url).await;
        let location = page.location.as_deref().unwrap_or_else(|| panic!("{}", page.text()));
        assert!(location.starts_with(CALLBACK), "{location}");
        assert_eq!(page.get("error").as_deref(), Some("invalid_request"));
        assert_eq!(opener_policy(&page), "same-origin");
    }
}

// Discovery 3
#[tokio::test]
async fn the_metadata_lists_what_there_is() {
    for (server, expected) in [
        (server().await, json!(["query", "fragment", "form_post", "web_message"])),
        (TestServer::with_people().await, json!(["query", "fragment", "form_post"])),
    ] {
        let metadata = server.get("/.well-known/openid-configuration").send().await.json();
        assert_eq!(metadata["response_modes_supported"], expected);
    }
}

// F-248, C3: devices keep their refresh token; a page forgets one that is not replaced
#[tokio::test]
async fn refresh_tokens_of_pages_are_replaced() {
    for (server, is_replaced) in [(server_of_a_page().await, true), (server().await, false)] {
        let code = server.code_with(SPA, "openid offline_access", |code| {
            code.code_challenge = Some(CHALLENGE.to_owned());
        });
        let form = format!("{}&code_verifier={}", redemption(&code.await), VERIFIER);
        let tokens = server.ask(SPA, &form).await.json();
        let refreshed = server.refresh(SPA, tokens["refresh_token"].as_str().unwrap()).await.json();
        assert_eq!(refreshed["refresh_token"].is_string(), is_replaced, "{refreshed}");
    }
}
