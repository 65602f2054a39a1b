//! OpenID Connect Session Management 1.0: clients can see that a session changed.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::browser::Browser;
use crate::support::world::{ADA_EMAIL, PASSWORD, WEB, WEB_URI, ask, ask_as, world};

const STATE: &str = "__Host-faregate_state";

/// What the script of the check page computes.
fn state(client: &str, origin: &str, kept: &str, salt: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{client} {origin} {kept} {salt}").as_bytes());
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.{salt}")
}

// Session Management 3.1, 3.2
#[tokio::test]
async fn the_session_state_follows_from_what_the_browser_keeps() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    for url in [
        ask("&scope=openid"),
        ask_as(WEB, WEB_URI, "&response_type=id_token&scope=openid&nonce=n"),
        ask("&scope=openid&response_mode=form_post"),
    ] {
        let said = browser.sign_in(&url, ADA_EMAIL, PASSWORD).await.get("session_state").unwrap();
        let salt = said.split_once('.').unwrap().1.to_owned();
        let kept = browser.cookies[STATE].clone();
        assert_eq!(said, state(&WEB.to_string(), "https://web.example.com", &kept, &salt));
        assert_ne!(said, state(&WEB.to_string(), "https://evil.example", &kept, &salt));
    }
    // Another login is another state, and a logout none.
    let before = browser.cookies[STATE].clone();
    let page = browser.open(&ask("&prompt=login&scope=openid")).await;
    browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    assert_ne!(browser.cookies[STATE], before);
    let page = browser.open("/oauth2/logout").await;
    browser.submit(&page, &[]).await;
    assert!(!browser.cookies.contains_key(STATE));
    // It is for OpenID Connect only.
    let shown = browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    assert_eq!(shown.get("session_state"), None);
    // It tells nothing of the session itself.
    assert_ne!(browser.cookies[STATE], browser.cookies["__Host-faregate_session"]);
}

// Session Management 3.3, K1
#[tokio::test]
async fn the_check_page_may_be_framed_and_has_one_script() {
    let server = world().await;
    let answer = server.get("/oauth2/check_session").send().await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("x-frame-options"), None);
    let text = answer.text();
    let script = text.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, script.as_bytes()));
    let policy = answer.header("content-security-policy").unwrap();
    assert_eq!(policy, format!("default-src 'none'; script-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors *"));
    assert!(script.contains(&format!("\"{STATE}=\"")) && script.contains(&format!("slice({})", STATE.len() + 1)));
}
