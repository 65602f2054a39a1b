//! UX 22: twelve ways in which a login is interrupted. There is always a page that can be used, and never a bare error.

use http::StatusCode;

use crate::support::browser::{Browser, Shown};
use crate::support::world::{ADA_EMAIL, BOB_EMAIL, PASSWORD, THIRD, THIRD_URI, WEB_URI, ask, ask_as, world};

const LOGIN: [(&str, &str); 2] = [("loginId", ADA_EMAIL), ("password", PASSWORD)];

fn is_usable(page: &Shown) -> bool {
    page.status == StatusCode::OK && page.has("password") && page.hidden().iter().any(|(_, value)| value == WEB_URI)
}

fn has_code(shown: &Shown) -> bool {
    shown.location.as_ref().is_some_and(|location| location.contains("code=") && location.contains("state=s"))
}

// UX 22, 1
#[tokio::test]
async fn two_tabs_log_in_one_after_the_other() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let (first, second) = (browser.open(&ask("&state=s")).await, browser.open(&ask("&state=s")).await);
    assert!(has_code(&browser.submit(&first, &LOGIN).await));
    // The second form is of a time before the session: the session answers.
    assert!(has_code(&browser.submit(&second, &LOGIN).await));
}

// UX 22, 2
#[tokio::test]
async fn back_and_send_again() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("&state=s")).await;
    assert!(has_code(&browser.submit(&page, &LOGIN).await));
    assert!(has_code(&browser.submit(&page, &LOGIN).await));
}

// UX 22, 3
#[tokio::test]
async fn a_form_that_lay_open_for_too_long() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("&state=s")).await;
    server.clock.advance(3600);
    let again = browser.submit(&page, &LOGIN).await;
    assert!(is_usable(&again) && again.text().contains(ADA_EMAIL));
    assert!(has_code(&browser.submit(&again, &LOGIN).await));
}

// UX 22, 4
#[tokio::test]
async fn cookies_are_cleared_midway() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("&state=s")).await;
    browser.cookies.clear();
    let again = browser.submit(&page, &LOGIN).await;
    assert!(is_usable(&again));
    assert!(has_code(&browser.submit(&again, &LOGIN).await));
}

// UX 22, 5; UX 21: cookies that never come back are named as the cause, not asked for for ever.
#[tokio::test]
async fn a_browser_without_cookies_is_told_why() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let mut page = browser.open(&ask("&state=s")).await;
    for _ in 0..2 {
        browser.cookies.clear();
        page = browser.submit(&page, &LOGIN).await;
        assert!(is_usable(&page));
    }
    browser.cookies.clear();
    let page = browser.submit(&page, &LOGIN).await;
    assert!(page.status == StatusCode::BAD_REQUEST && page.text().to_lowercase().contains("cookie"), "{}", page.text());
}

// UX 22, 6: a POST is never the last request of the browser, so that a reload repeats nothing (A5).
#[tokio::test]
async fn a_reload_after_the_login_sends_nothing_again() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("&state=s")).await;
    let answer = browser.send("POST", &page.action(), Some(page.body(&LOGIN))).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let consent = ask_as(THIRD, THIRD_URI, "&response_type=code&scope=openid");
    let mut other = Browser::new(&server);
    let page = other.sign_in(&consent, ADA_EMAIL, PASSWORD).await;
    assert!(page.has("allow"));
    assert!(other.open(&page.url).await.has("allow"), "the reload shows the same page");
}

// UX 22, 7
#[tokio::test]
async fn the_language_is_switched_midway() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("&state=s&ui_locales=en")).await;
    let german = page.text().split("href=\"").map(str::to_owned).find(|rest| rest.contains("ui_locales=de")).unwrap();
    let german = german.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let page = browser.open(&german).await;
    assert!(page.text().contains("lang=\"de\"") && is_usable(&page));
    assert!(has_code(&browser.submit(&page, &LOGIN).await));
}

// UX 22, 8
#[tokio::test]
async fn somebody_else_logs_in_in_the_other_tab() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let consent = ask_as(THIRD, THIRD_URI, "&response_type=code&scope=openid");
    let page = browser.sign_in(&consent, ADA_EMAIL, PASSWORD).await;
    let login = browser.open(&ask("&prompt=login&state=s")).await;
    assert!(has_code(&browser.submit(&login, &[("loginId", BOB_EMAIL), ("password", PASSWORD)]).await));
    // What Ada was asked, Bob does not answer: he is asked himself.
    let asked = browser.submit(&page, &[("decision", "allow")]).await;
    assert!(asked.has("allow") && asked.location.is_none());
    assert!(browser.submit(&asked, &[("decision", "allow")]).await.get("code").is_some());
}

// UX 22, 9
#[tokio::test]
async fn the_session_ends_while_the_consent_page_is_open() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let consent = ask_as(THIRD, THIRD_URI, "&response_type=code&scope=openid");
    let page = browser.sign_in(&consent, ADA_EMAIL, PASSWORD).await;
    server.clock.advance(3600);
    let login = browser.submit(&page, &[("decision", "allow")]).await;
    assert!(login.has("password") && login.location.is_none());
    let asked = browser.submit(&login, &LOGIN).await;
    assert!(asked.has("allow"), "the request is kept, the consent is asked for again");
}

// UX 22, 10
#[tokio::test]
async fn the_second_factor_is_reloaded_and_left() {
    let server = world().await;
    let enrollment = server.directory.enroll_totp(crate::support::world::ADA).await.unwrap();
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&ask("&state=s"), ADA_EMAIL, PASSWORD).await;
    let again = browser.open(&page.url).await;
    assert!(again.has("code"), "a reload");
    // Back to the first page, and the same steps once more.
    let login = browser.open(&ask("&state=s")).await;
    let page = browser.submit(&login, &LOGIN).await;
    assert!(page.has("code"));
    assert!(has_code(&browser.submit(&page, &[("code", enrollment.recovery_codes[0].expose())]).await));
    // And the page of the step after it is over.
    assert!(has_code(&browser.open(&page.url).await), "there is a session now");
}

// UX 22, 11
#[tokio::test]
async fn a_step_without_the_one_before_shows_the_first() {
    let server = world().await;
    let query = ask("&state=s").split_once('?').unwrap().1.to_owned();
    for path in ["/oauth2/two-factor", "/password/change", "/oauth2/consent"] {
        let mut browser = Browser::new(&server);
        let page = browser.open(&format!("{path}?{query}")).await;
        assert!(is_usable(&page), "{path}");
        assert!(has_code(&browser.submit(&page, &LOGIN).await), "{path}");
    }
}

// UX 22, 12: a request that is too long for an address is carried in the page.
#[tokio::test]
async fn a_long_request_survives_every_step() {
    let server = world().await;
    let enrollment = server.directory.enroll_totp(crate::support::world::ADA).await.unwrap();
    let mut browser = Browser::new(&server);
    let state = "s".repeat(4000);
    let claims =
        crate::support::authorization_server::encode(&format!("{{\"userinfo\":{{\"x\":\"{}\"}}}}", "y".repeat(4000)));
    let body = ask(&format!("&state={state}&claims={claims}")).split_once('?').unwrap().1.to_owned();
    let page = browser.post("/oauth2/authorize", &body).await;
    let page = browser.submit(&page, &LOGIN).await;
    assert!(page.has("code") && page.status == StatusCode::OK);
    let shown = browser.submit(&page, &[("code", enrollment.recovery_codes[0].expose())]).await;
    assert_eq!(shown.get("state"), Some(state));
}
