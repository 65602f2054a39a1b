//! How people sign in, changed by themselves on the page of their account (UX 23, L15).

use std::sync::Arc;

use faregate::model::{Tenant, User};
use faregate::store::Store as _;
use http::StatusCode;

use crate::support::authorization_server::{TestServer, encode};
use crate::support::browser::{Browser, Shown};
use crate::support::log::Log;
use crate::support::world::{ADA, ADA_EMAIL, PASSWORD, WEB, WEB_SECRET, WEB_URI, ask, world, world_with};

const ACCOUNT: &str = "/oauth2/account";
const CHANGE: &str = "/oauth2/account?section=password";
const NEW: &str = "correct horse battery staple";

async fn at<'a>(server: &'a TestServer, url: &str) -> (Browser<'a>, Shown) {
    let mut browser = Browser::new(server);
    let page = browser.sign_in(url, ADA_EMAIL, PASSWORD).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, url), "{}", page.text());
    (browser, page)
}

fn change<'a>(current: &'a str, new: &'a str) -> [(&'static str, &'a str); 3] {
    [("current", current), ("password", new), ("confirm", new)]
}

async fn ada(server: &TestServer) -> User {
    server.store.find_user(ADA).await.unwrap().unwrap()
}

/// Whether the password is hers, as the sign-in page says.
async fn signs_in(server: &TestServer, password: &str) -> bool {
    Browser::new(server).sign_in(ACCOUNT, ADA_EMAIL, password).await.has("end-others")
}

// UX 23, L15: the current one is asked for, the rules are the same, and everything else ends
#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it() {
    let server = world().await;
    let mut other = Browser::new(&server);
    let shown = other.sign_in(&ask("&scope=openid+offline_access"), ADA_EMAIL, PASSWORD).await;
    let body =
        format!("grant_type=authorization_code&code={}&redirect_uri={}", shown.get("code").unwrap(), encode(WEB_URI));
    let tokens = server.post("/oauth2/token").basic(&WEB.to_string(), WEB_SECRET).body(body).send().await.json();
    let (mut browser, page) = at(&server, CHANGE).await;
    assert!(page.has("current") && page.text().contains(r#"href="/oauth2/account""#), "{}", page.text());
    let differ = [("current", PASSWORD), ("password", NEW), ("confirm", "correct horse battery stable")];
    for (form, told) in [
        (change("wrong", NEW), "The current password is wrong"),
        (change(PASSWORD, "short"), "too short"),
        (change(PASSWORD, "password1"), "easy to guess"),
        (differ, "are not the same"),
    ] {
        let shown = browser.submit(&page, &form).await;
        assert!(shown.text().contains(told) && shown.has("current"), "{told}: {}", shown.text());
    }
    assert_eq!(ada(&server).await.password_hash, Some(crate::support::world::password_hash().await));

    let log = Log::start();
    let shown = browser.submit(&page, &change(PASSWORD, NEW)).await;
    assert_eq!(shown.url, "/oauth2/account?outcome=password_changed");
    assert!(shown.text().contains("Your password was changed") && shown.has("sign-out"), "{}", shown.text());
    assert!(!shown.has("end-others") && !shown.has("end-access-1"), "{}", shown.text());
    assert_eq!(log.told("user.password_changed"), [ADA.to_string()]);
    assert!(!log.text().contains(NEW) && !log.text().contains(PASSWORD));
    assert!(other.open(ACCOUNT).await.has("loginId"), "elsewhere it is over");
    let access = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    assert_eq!(server.get("/oauth2/userinfo").header("Authorization", &access).send().await.status, 401);
    assert!(signs_in(&server, NEW).await && !signs_in(&server, PASSWORD).await);
    // The session that goes on is another one.
    assert!(browser.open(CHANGE).await.has("current"));
}

// UX 23: whoever finds an open session learns nothing and changes nothing
#[tokio::test]
async fn a_password_needs_a_login_of_the_last_ten_minutes() {
    let longest = |remembers: bool| {
        move |tenant: &mut Tenant| {
            tenant.settings.interaction_for = 3600;
            tenant.settings.always_remember = remembers;
        }
    };
    for remembers in [true, false] {
        let server = world_with(longest(remembers), |_, _| {}).await;
        let (mut browser, page) = at(&server, CHANGE).await;
        server.clock.advance(599);
        assert!(browser.open(CHANGE).await.has("current"), "{remembers}");
        server.clock.advance(2);
        let shown = browser.submit(&page, &change(PASSWORD, NEW)).await;
        assert!(shown.has("loginId") && !shown.has("current"), "{}", shown.text());
        assert!(browser.open(CHANGE).await.has("loginId"), "{remembers}");
        assert!(browser.open(ACCOUNT).await.has("sign-out"), "to look needs no new one: {remembers}");
        // The login leads back to the form, which is sent anew.
        let shown = browser.submit(&shown, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
        assert_eq!((shown.url.as_str(), shown.has("current")), (CHANGE, true));
        assert_eq!(ada(&server).await.password_changed_at, 1, "{remembers}");
        let shown = browser.submit(&shown, &change(PASSWORD, NEW)).await;
        assert!(shown.text().contains("Your password was changed"), "{remembers}: {}", shown.text());
    }
}

// UX 23, L15: a new password ends also the logins that nobody asked to remember, and those that are half done
#[tokio::test]
async fn a_new_password_ends_logins_that_are_not_remembered() {
    let server = world_with(|tenant: &mut Tenant| tenant.settings.always_remember = false, |_, _| {}).await;
    let (mut other, others) = at(&server, CHANGE).await;
    let (mut browser, page) = at(&server, CHANGE).await;
    let shown = browser.submit(&page, &change(PASSWORD, NEW)).await;
    assert!(shown.text().contains("Your password was changed") && shown.has("not-remembered"), "{}", shown.text());
    assert!(browser.open(CHANGE).await.has("current"), "this login goes on");
    for url in [ACCOUNT, CHANGE, "/oauth2/passkeys"] {
        assert!(other.open(url).await.has("loginId"), "{url}");
    }
    assert!(other.submit(&others, &change(NEW, PASSWORD)).await.has("loginId"));

    let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
    let code = enrollment.recovery_codes[0].expose().as_str();
    let mut half = Browser::new(&server);
    let page = half.sign_in(ACCOUNT, ADA_EMAIL, NEW).await;
    assert!(page.has("code"), "{}", page.text());
    server.directory.revoke_user(ADA).await.unwrap();
    let shown = half.submit(&page, &[("code", code)]).await;
    assert!(shown.has("loginId") && !shown.has("sign-out"), "{}", shown.text());
    // The next one, within the same second, is another one.
    let page = half.sign_in(ACCOUNT, ADA_EMAIL, NEW).await;
    assert!(half.submit(&page, &[("code", code)]).await.has("not-remembered"));
}

// L13: a session that is older than the second factor does not do
#[tokio::test]
async fn a_second_factor_guards_the_password() {
    for (remembers, seconds) in [(true, 301), (true, 0), (false, 0)] {
        let server = world_with(|tenant: &mut Tenant| tenant.settings.always_remember = remembers, |_, _| {}).await;
        let (mut browser, page) = at(&server, CHANGE).await;
        let mut passkeys = Browser::new(&server);
        assert!(!passkeys.sign_in("/oauth2/passkeys", ADA_EMAIL, PASSWORD).await.has("loginId"));
        server.clock.advance(seconds);
        server.directory.enroll_totp(ADA).await.unwrap();
        assert!(browser.open(ACCOUNT).await.has("sign-out"), "{remembers} {seconds}");
        assert!(browser.submit(&page, &change(PASSWORD, NEW)).await.has("loginId"), "{remembers} {seconds}");
        assert!(passkeys.open("/oauth2/passkeys").await.has("loginId"), "{remembers} {seconds}");
        assert_eq!(ada(&server).await.password_changed_at, 1);
    }
}

// K5, L8: nobody's form, and no more guesses than at a login
#[tokio::test]
async fn a_current_password_cannot_be_guessed_here() {
    let server = world().await;
    let (mut browser, page) = at(&server, CHANGE).await;
    let body = page.body(&change(PASSWORD, NEW));
    for spoilt in [body.replacen("forgery=", "forgery=1", 1), body.replacen("forgery=", "forged=", 1)] {
        assert!(browser.copy().post(ACCOUNT, &spoilt).await.has("current"));
    }
    let mut told = Vec::new();
    for _ in 0..12 {
        told.push(browser.submit(&page, &change("guess", NEW)).await.status);
    }
    assert_eq!(told.last(), Some(&StatusCode::TOO_MANY_REQUESTS), "{told:?}");
    assert_eq!(ada(&server).await.password_changed_at, 1);
}

// UX 23: who has no password has none to change
#[tokio::test]
async fn somebody_without_a_password_has_none_to_change() {
    let server = world().await;
    let (mut browser, page) = at(&server, CHANGE).await;
    let before = ada(&server).await;
    let after = User { password_hash: None, ..before.clone() };
    assert!(server.store.update_user(&before, &after).await.unwrap());
    for shown in [browser.open(CHANGE).await, browser.submit(&page, &change("", NEW)).await] {
        assert_eq!(shown.url, ACCOUNT);
        assert!(shown.has("sign-out") && !shown.has("password"), "{}", shown.text());
    }
    assert!(ada(&server).await.password_hash.is_none());
}

// L15: of two who change it at once with the same current one, one succeeds
#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_at_once_one_counts() {
    let server = Arc::new(world().await);
    let (browser, page) = at(&server, CHANGE).await;
    let attempts: Vec<_> = (0..4)
        .map(|number| {
            let (server, cookies) = (Arc::clone(&server), browser.cookies.clone());
            let body = page.body(&change(PASSWORD, &format!("{NEW} {number}")));
            tokio::spawn(async move {
                let mut copy = Browser { cookies, ..Browser::new(&server) };
                let answer = copy.send("POST", ACCOUNT, Some(body)).await;
                assert!(!answer.status.is_server_error(), "a form that is sent twice is no fault: {}", answer.text());
                answer.header("location").is_some_and(|to| to.ends_with("outcome=password_changed"))
            })
        })
        .collect();
    let mut changed = Vec::new();
    for (number, attempt) in attempts.into_iter().enumerate() {
        if attempt.await.unwrap() {
            changed.push(number);
        }
    }
    assert_eq!(changed.len(), 1, "{changed:?}");
    server.clock.advance(60);
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(ACCOUNT, ADA_EMAIL, &format!("{NEW} {}", changed[0])).await;
    assert!(page.has("sign-out"), "{}", page.text());
}
