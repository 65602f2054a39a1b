//! Second factor and new password at the login (F-054, F-055, L11, L13, L15).

use faregate::model::{ClientSecret, PasswordChange};
use faregate::store::Store as _;
use http::StatusCode;

use crate::support::authorization_server::TestServer;
use crate::support::browser::{Browser, Shown};
use crate::support::world::{ADA, ADA_EMAIL, PASSWORD, ask, world};

const NEW_PASSWORD: &str = "correct horse battery staple";

async fn approval(server: &TestServer, shown: &Shown) -> faregate::model::Approval {
    let code = shown.get("code").unwrap_or_else(|| panic!("no code: {:?} {}", shown.location, shown.text()));
    server.store.find_authorization_code(&ClientSecret::hash(&code)).await.unwrap().unwrap().approval
}

// F-054, D28, L13
#[tokio::test]
async fn the_second_factor_is_asked_for_on_its_own_page() {
    let server = world().await;
    let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
    let recovery_code = enrollment.recovery_codes[0].expose().clone();
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&ask("&scope=openid&state=s"), ADA_EMAIL, PASSWORD).await;
    assert!(page.url.starts_with("/oauth2/two-factor?client_id="), "{}", page.url);
    assert!(!browser.cookies.keys().any(|name| name.contains("session")), "no session yet");
    // A password alone is nothing, wherever it is carried.
    assert!(browser.open(&ask("")).await.has("password"));
    let wrong = browser.submit(&page, &[("code", "000000")]).await;
    assert!(wrong.has("code") && wrong.location.is_none());
    let shown = browser.submit(&wrong, &[("code", &recovery_code)]).await;
    assert_eq!((shown.status, shown.get("state").as_deref()), (StatusCode::SEE_OTHER, Some("s")));
    let approval = approval(&server, &shown).await;
    assert_eq!(approval.methods, ["pwd", "otp", "mfa"]);
    assert_eq!(approval.acr.as_deref(), Some("2"));
    // L13: once.
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    assert!(browser.submit(&page, &[("code", &recovery_code)]).await.location.is_none());
}

// UX 22: the step is bound to the browser and to a few minutes.
#[tokio::test]
async fn a_step_is_worth_nothing_elsewhere_or_later() {
    let server = world().await;
    let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
    let code = |number: usize| enrollment.recovery_codes[number].expose().clone();
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    // Another browser has the form but not the step.
    let mut other = Browser::new(&server);
    let elsewhere = other.post("/oauth2/two-factor", &page.body(&[("code", &code(0))])).await;
    assert!(elsewhere.has("password") && elsewhere.location.is_none());
    // Tampered with.
    let mut tampered = browser.copy();
    let step = tampered.cookies.get_mut("__Host-faregate_login").unwrap();
    let (text, seal) = step.split_once('.').unwrap();
    *step = format!("{text}A.{seal}");
    assert!(tampered.submit(&page, &[("code", &code(0))]).await.location.is_none());
    // Locked meanwhile.
    server.directory.lock_user(ADA).await.unwrap();
    assert!(browser.copy().submit(&page, &[("code", &code(0))]).await.location.is_none());
    server.directory.unlock_user(ADA).await.unwrap();
    // Too late.
    server.clock.advance(300);
    let late = browser.submit(&page, &[("code", &code(0))]).await;
    assert!(late.has("password") && late.location.is_none());
}

// F-055, D28, L4, L15
#[tokio::test]
async fn a_new_password_is_asked_for_before_anything_else() {
    let server = world().await;
    server.directory.require_password_change(ADA, PasswordChange::Breached).await.unwrap();
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&ask("&state=s"), ADA_EMAIL, PASSWORD).await;
    assert!(page.url.starts_with("/password/change?client_id="), "{}", page.url);
    for (password, confirm) in [("short", "short"), ("password1", "password1"), (NEW_PASSWORD, "another one"), ("", "")]
    {
        let again = browser.submit(&page, &[("password", password), ("confirm", confirm)]).await;
        assert!(again.has("confirm") && again.location.is_none(), "{password}");
    }
    let filled = [("password", NEW_PASSWORD), ("confirm", NEW_PASSWORD)];
    let shown = browser.submit(&page, &filled).await;
    assert_eq!(shown.get("state").as_deref(), Some("s"));
    assert_eq!(approval(&server, &shown).await.methods, ["pwd"]);
    // It is the password now, and it is not asked for again.
    let mut other = Browser::new(&server);
    let page = other.open(&ask("")).await;
    assert!(other.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await.location.is_none());
    assert!(other.submit(&page, &[("loginId", ADA_EMAIL), ("password", NEW_PASSWORD)]).await.get("code").is_some());
}

// L15: the step that was sealed before the change does not change it again.
#[tokio::test]
async fn a_password_is_changed_once() {
    let server = world().await;
    server.directory.require_password_change(ADA, PasswordChange::Expired).await.unwrap();
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    let mut thief = browser.copy();
    let filled = [("password", NEW_PASSWORD), ("confirm", NEW_PASSWORD)];
    assert!(browser.submit(&page, &filled).await.get("code").is_some());
    let filled = [("password", "stolen battery staple horse"), ("confirm", "stolen battery staple horse")];
    let again = thief.submit(&page, &filled).await;
    assert!(again.has("loginId") && again.location.is_none());
}

// L13: a second factor is not passed by choosing a new password.
#[tokio::test]
async fn both_steps_come_in_their_order() {
    let server = world().await;
    let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
    server.directory.require_password_change(ADA, PasswordChange::Administrative).await.unwrap();
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    let query = page.url.split_once('?').unwrap().1.to_owned();
    let skipped = browser.copy().open(&format!("/password/change?{query}")).await;
    assert!(skipped.has("loginId") && !skipped.has("confirm"));
    let page = browser.submit(&page, &[("code", enrollment.recovery_codes[1].expose())]).await;
    assert!(page.url.starts_with("/password/change?"), "{}", page.url);
    let filled = [("password", NEW_PASSWORD), ("confirm", NEW_PASSWORD)];
    let shown = browser.submit(&page, &filled).await;
    assert_eq!(approval(&server, &shown).await.methods, ["pwd", "otp", "mfa"]);
}
