//! The second factor, turned on and off on the page of one's account (UX 23, L11, L13).

use std::sync::Arc;

use faregate::model::{Tenant, User};
use faregate::store::Store as _;
use http::StatusCode;

use crate::support::authorization_server::{NOW, TestServer, encode};
use crate::support::browser::{Browser, Shown};
use crate::support::log::Log;
use crate::support::world::{ADA, ADA_EMAIL, BOB_EMAIL, PASSWORD, world, world_with};

const ACCOUNT: &str = "/oauth2/account";
const SECTION: &str = "/oauth2/account?section=second_factor";

async fn at<'a>(server: &'a TestServer, email: &str) -> (Browser<'a>, Shown) {
    let mut browser = Browser::new(server);
    let page = browser.sign_in(SECTION, email, PASSWORD).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, SECTION), "{}", page.text());
    (browser, page)
}

/// The key that the page shows, as one types it.
fn key(page: &Shown) -> String {
    let text = page.text();
    let (_, rest) = text.split_once("id=\"key\" dir=\"ltr\">").unwrap_or_else(|| panic!("no key: {text}"));
    rest.split('<').next().unwrap().replace(' ', "")
}

/// What an authenticator with this key shows (RFC 4648 6, RFC 6238).
fn code(key: &str, now: i64) -> String {
    let value = |letter: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap();
    let bits: String = key.chars().map(|letter| format!("{:05b}", value(letter))).collect();
    let byte = |at: usize| u8::from_str_radix(&bits[8 * at..8 * at + 8], 2).unwrap();
    let secret: [u8; 20] = std::array::from_fn(byte);
    totp_rs::Builder::new().with_secret(secret).build().unwrap().generate(now.try_into().unwrap()).to_string()
}

/// Turns it on: the recovery codes, and the page that shows them.
async fn turn_on(browser: &mut Browser<'_>, page: &Shown) -> (Vec<String>, Shown) {
    let code = code(&key(page), browser.server.clock.now());
    let shown = browser.submit(page, &[("code", &code)]).await;
    (codes_on(&shown), shown)
}

fn codes_on(page: &Shown) -> Vec<String> {
    let text = page.text();
    let (_, rest) = text.split_once("id=\"codes\" dir=\"ltr\">").unwrap_or_else(|| panic!("no codes: {text}"));
    rest.split('<').next().unwrap().split_whitespace().map(str::to_owned).collect()
}

async fn ada(server: &TestServer) -> User {
    server.store.find_user(ADA).await.unwrap().unwrap()
}

// UX 23, L11, L13: a picture, a key, a code that confirms it, and ten recovery codes, once
#[tokio::test]
async fn a_second_factor_is_turned_on_by_a_code() {
    let server = world().await;
    let (mut browser, page) = at(&server, ADA_EMAIL).await;
    let text = page.text();
    assert!(text.contains("role=\"img\" aria-label=\"QR code") && text.contains("<svg xmlns="), "{text}");
    assert!(text.len() + 10_000 < 30 * 1024, "{}", text.len());
    let key_shown = key(&page);
    assert!(key_shown.len() == 32 && !text.contains("value=\"GE"), "{text}");
    // Nothing is on before a code has shown that the person has the key; after a wrong one it stays the same.
    for wrong in ["000000", "", "12345678"] {
        let shown = browser.submit(&page, &[("code", wrong)]).await;
        assert!(shown.has("key") && !ada(&server).await.has_second_factor(), "{wrong}: {}", shown.text());
    }
    let wrong = browser.submit(&page, &[("code", "000000")]).await;
    assert!(wrong.text().contains("This code is wrong") && key(&wrong) == key_shown, "{}", wrong.text());

    let log = Log::start();
    let (codes, shown) = turn_on(&mut browser, &wrong).await;
    assert_eq!((codes.len(), shown.answer.headers["cache-control"].to_str().unwrap()), (10, "no-store"));
    assert!(!shown.text().contains("<nav"), "another language would not have them: {}", shown.text());
    assert_eq!(log.told("user.second_factor_enrolled"), [ADA.to_string()]);
    assert!(!log.text().contains(&key_shown) && !log.text().contains(&codes[0]));
    let account = browser.open(ACCOUNT).await;
    assert!(account.text().contains("On. Recovery codes left: 10") && account.has("sign-out"), "{}", account.text());
    assert!(!account.text().contains(&codes[0]));
    // From now on the password alone does not do.
    let mut other = Browser::new(&server);
    let page = other.sign_in(ACCOUNT, ADA_EMAIL, PASSWORD).await;
    assert!(page.url.starts_with("/oauth2/two-factor"), "{}", page.url);
    assert!(other.submit(&page, &[("code", &code(&key_shown, NOW))]).await.has("sign-out"));
}

// UX 23: the same codes as a file, for whoever has them on the page, and nothing else
#[tokio::test]
async fn recovery_codes_can_be_kept_as_a_file() {
    let server = world().await;
    let (mut browser, page) = at(&server, ADA_EMAIL).await;
    let (codes, shown) = turn_on(&mut browser, &page).await;
    // Whoever reads them for longer than a login is fresh has not lost them.
    server.clock.advance(1200);
    let answer = browser.send("POST", ACCOUNT, Some(shown.body(&[]))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"recovery-codes.txt\""));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(
        (answer.header("cache-control"), answer.header("x-content-type-options")),
        (Some("no-store"), Some("nosniff"))
    );
    assert_eq!(answer.text(), codes.iter().map(|code| format!("{code}\n")).collect::<String>());
    // Not with a form that is too old either: the codes are shown once.
    server.clock.advance(2500);
    let late = browser.send("POST", ACCOUNT, Some(shown.body(&[]))).await;
    assert!(late.header("content-disposition").is_some() && late.text().contains(&codes[0]), "{}", late.text());
    // What is none of hers comes back to nobody, and none comes from an address.
    let own = shown.body(&[]);
    for (what, body) in [
        ("other words", own.replace(&codes[3], "%3Cscript%3E")),
        ("other words in an old form", own.replacen("forgery=", "forgery=1", 1).replace(&codes[3], "aaaaa-aaaaa")),
        ("no proof", own.replacen("forgery=", "forged=", 1)),
    ] {
        let shown = browser.copy().post(ACCOUNT, &body).await;
        assert!(shown.answer.header("content-disposition").is_none() && shown.has("sign-out"), "{what}");
        assert!(!shown.text().contains("script>"), "{what}");
    }
    let (mut bobs, page) = at(&server, BOB_EMAIL).await;
    let mut body = page.body(&[("codes", &codes.join(" "))]);
    body = body.replace("section=second_factor", "section=recovery_codes");
    let shown = bobs.post(ACCOUNT, &body).await;
    assert!(shown.answer.header("content-disposition").is_none() && !shown.text().contains(&codes[0]));
    let by_get = browser.open(&format!("{ACCOUNT}?section=recovery_codes&codes={}", encode(&codes.join(" ")))).await;
    assert!(by_get.url == ACCOUNT && !by_get.text().contains(&codes[0]), "{}", by_get.url);
}

// UX 23, L13: off with a code alone, and whoever is in elsewhere is out
#[tokio::test]
async fn a_second_factor_is_turned_off_by_a_code_and_a_fresh_login() {
    let server = world().await;
    let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
    let key = enrollment.secret.expose().clone();
    let sign_in = async |url: &'static str, code: String| {
        let mut browser = Browser::new(&server);
        let page = browser.sign_in(url, ADA_EMAIL, PASSWORD).await;
        let page = browser.submit(&page, &[("code", &code)]).await;
        (browser, page)
    };
    let (mut other, page) = sign_in(ACCOUNT, code(&key, NOW)).await;
    assert!(page.text().contains("Recovery codes left: 10"), "{}", page.text());
    server.clock.advance(90);
    let (mut browser, page) = sign_in(SECTION, code(&key, NOW + 90)).await;
    assert!(page.text().contains("Turn off the authenticator app?"), "{}", page.text());
    // The code of the login is spent.
    for wrong in ["000000".to_owned(), code(&key, NOW + 90)] {
        let shown = browser.submit(&page, &[("code", &wrong)]).await;
        assert!(shown.text().contains("This code is wrong"), "{wrong}: {}", shown.text());
    }
    server.clock.advance(600);
    let shown = browser.submit(&page, &[("code", &code(&key, NOW + 690))]).await;
    assert!(shown.has("loginId"), "{}", shown.text());
    assert!(ada(&server).await.has_second_factor());

    server.clock.advance(90);
    let (mut browser, page) = sign_in(SECTION, code(&key, NOW + 780)).await;
    let log = Log::start();
    let shown = browser.submit(&page, &[("code", enrollment.recovery_codes[0].expose())]).await;
    assert_eq!(shown.url, "/oauth2/account?outcome=second_factor_off");
    assert!(shown.text().contains("The authenticator app is off") && shown.has("sign-out"), "{}", shown.text());
    assert!(!shown.has("end-others") && other.open(ACCOUNT).await.has("loginId"));
    assert_eq!(log.told("user.second_factor_removed"), [ADA.to_string()]);
    let user = ada(&server).await;
    assert!(!user.has_second_factor() && user.recovery_codes.is_empty());
    assert!(Browser::new(&server).sign_in(ACCOUNT, ADA_EMAIL, PASSWORD).await.has("sign-out"));
    // The form again, from another window that was still open.
    let again = browser.copy().open(SECTION).await;
    let again = browser.post(ACCOUNT, &again.body(&[("code", "1")]).replace("proposal=", "nothing=")).await;
    assert_eq!(again.url, "/oauth2/account?outcome=second_factor_off");
}

/// The value that asks for other recovery codes.
fn renewal(page: &Shown) -> String {
    let text = page.text();
    let (_, rest) = text.split_once("name=\"renew\" value=\"").unwrap_or_else(|| panic!("no button: {text}"));
    rest.split('"').next().unwrap().to_owned()
}

// UX 23, L12, L13: a code gets other recovery codes, which end those from before; a form that was sent twice makes them once
#[tokio::test]
async fn recovery_codes_are_renewed_by_a_code_and_a_fresh_login() {
    let server = world().await;
    let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
    let old = enrollment.recovery_codes[1].expose();
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(SECTION, ADA_EMAIL, PASSWORD).await;
    let page = browser.submit(&page, &[("code", enrollment.recovery_codes[0].expose())]).await;
    assert!(page.text().contains("Recovery codes left: 9"), "{}", page.text());
    let log = Log::start();
    let button = renewal(&page);
    // The code of the login is spent.
    for wrong in ["", "000000", enrollment.recovery_codes[0].expose()] {
        let shown = browser.submit(&page, &[("renew", &button), ("code", wrong)]).await;
        assert!(shown.text().contains("This code is wrong") && !shown.has("codes"), "{wrong}: {}", shown.text());
    }
    let shown = browser.submit(&page, &[("renew", &button), ("code", enrollment.recovery_codes[2].expose())]).await;
    let codes = codes_on(&shown);
    assert_eq!((codes.len(), shown.answer.headers["cache-control"].to_str().unwrap()), (10, "no-store"));
    assert_eq!(log.told("user.recovery_codes_renewed"), [ADA.to_string()]);
    assert!(!log.text().contains(&codes[0]) && !codes.iter().any(|code| code == old));
    let file = browser.send("POST", ACCOUNT, Some(shown.body(&[]))).await;
    assert_eq!(file.text(), codes.iter().map(|code| format!("{code}\n")).collect::<String>());
    // Neither again, nor with what nobody was shown, nor in a form that is not ours.
    let before = ada(&server).await;
    for wrong in [button.as_str(), "true"] {
        let again = browser.submit(&page, &[("renew", wrong), ("code", &codes[1])]).await;
        assert!(again.text().contains("have changed since that page"), "{wrong}: {}", again.text());
        assert!(!again.has("codes") && again.text().contains("Recovery codes left: 10"), "{wrong}: {}", again.text());
    }
    let page = browser.open(SECTION).await;
    let forged = page.body(&[("renew", &renewal(&page)), ("code", &codes[1])]).replacen("forgery=", "forged=", 1);
    assert!(!browser.copy().post(ACCOUNT, &forged).await.has("codes"));
    // Nor is there anything to renew for somebody whose login is not of the last ten minutes.
    server.clock.advance(601);
    let late = browser.submit(&page, &[("renew", &renewal(&page)), ("code", &codes[1])]).await;
    assert!(late.has("loginId") && !late.has("codes"), "{}", late.text());
    assert_eq!(ada(&server).await.recovery_codes, before.recovery_codes);
    // What was shown is what counts.
    let log_in = async |code: &str| {
        let mut browser = Browser::new(&server);
        let page = browser.sign_in(ACCOUNT, ADA_EMAIL, PASSWORD).await;
        browser.submit(&page, &[("code", code)]).await
    };
    assert!(!log_in(old).await.has("sign-out"));
    assert!(log_in(&codes[9]).await.has("sign-out"));
}

// L13: of many forms at once, one is answered with recovery codes, and these are the ones that count
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_renew_their_codes_one_gets_them() {
    let server = Arc::new(world().await);
    let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(SECTION, ADA_EMAIL, PASSWORD).await;
    let page = browser.submit(&page, &[("code", enrollment.recovery_codes[0].expose())]).await;
    // Each with a code of its own, so that none is refused because of a spent one.
    let attempts: Vec<_> = (1..9)
        .map(|number| {
            let code = enrollment.recovery_codes[number].expose();
            let body = page.body(&[("renew", &renewal(&page)), ("code", code)]);
            let (server, cookies) = (Arc::clone(&server), browser.cookies.clone());
            tokio::spawn(async move {
                let mut copy = Browser { cookies, ..Browser::new(&server) };
                let shown = copy.post(ACCOUNT, &body).await;
                shown.has("codes").then(|| codes_on(&shown))
            })
        })
        .collect();
    let mut got = Vec::new();
    for attempt in attempts {
        got.extend(attempt.await.unwrap());
    }
    assert_eq!(got.len(), 1);
    // Those that came too late were wrong codes, after which everybody waits.
    server.clock.advance(3600);
    let mut other = Browser::new(&server);
    let page = other.sign_in(ACCOUNT, ADA_EMAIL, PASSWORD).await;
    assert!(other.submit(&page, &[("code", &got[0][0])]).await.has("sign-out"));
}

// L12: somebody who can prove two factors does so before changing one, and nobody without a fresh login changes any
#[tokio::test]
async fn a_second_factor_needs_a_login_of_the_last_ten_minutes() {
    let longest = |tenant: &mut Tenant| tenant.settings.interaction_for = 3600;
    let server = world_with(longest, |_, _| {}).await;
    let (mut browser, page) = at(&server, ADA_EMAIL).await;
    server.clock.advance(601);
    let confirmed = code(&key(&page), NOW + 601);
    assert!(browser.submit(&page, &[("code", &confirmed)]).await.has("loginId"));
    assert!(browser.open(SECTION).await.has("loginId") && browser.open(ACCOUNT).await.has("sign-out"));
    assert!(!ada(&server).await.has_second_factor());
}

// UX 23: the key is the user's, and nobody chooses it
#[tokio::test]
async fn a_key_is_for_one_person_and_comes_from_us() {
    let server = world().await;
    let (mut browser, page) = at(&server, ADA_EMAIL).await;
    let (mut bobs, bob) = at(&server, BOB_EMAIL).await;
    let proposal = |page: &Shown| page.hidden().into_iter().find(|(name, _)| name == "proposal").unwrap().1;
    assert_ne!(key(&browser.open(SECTION).await), key(&page), "each page has its own");
    // Bob's browser with what Ada's page had makes another key.
    let taken = bob.body(&[("code", "000000")]).replace(&proposal(&bob), &proposal(&page));
    let shown = bobs.post(ACCOUNT, &taken).await;
    assert_eq!(proposal(&shown), proposal(&page));
    assert_ne!(key(&shown), key(&page));
    // A user without a password has no use for it.
    let before = ada(&server).await;
    assert!(server.store.update_user(&before, &User { password_hash: None, ..before.clone() }).await.unwrap());
    let shown = browser.open(SECTION).await;
    assert!(shown.url == ACCOUNT && !shown.has("second-factor"), "{}", shown.text());
}

// L11: a key is proposed for an hour, in our own form
#[tokio::test]
async fn a_key_that_was_seen_before_is_not_proposed_again() {
    let server = world().await;
    let (mut browser, page) = at(&server, ADA_EMAIL).await;
    let seen = key(&page);
    let kept = browser.submit(&page, &[("code", "000000")]).await;
    assert_eq!(key(&kept), seen, "a slip changes nothing");
    let foreign = page.body(&[("code", "000000")]).replacen("forgery=", "forged=", 1);
    assert_ne!(key(&browser.copy().post(ACCOUNT, &foreign).await), seen);
    for proposal in ["1", "1.x", "9999999999999.x", &format!("{NOW}.{}", "x".repeat(60))] {
        let before = page.hidden().into_iter().find(|(name, _)| name == "proposal").unwrap().1;
        let planted = page.body(&[("code", "000000")]).replace(&before, proposal);
        let shown = browser.copy().post(ACCOUNT, &planted).await;
        assert!(shown.hidden().into_iter().all(|(_, value)| value != proposal), "{proposal}");
    }
    server.clock.advance(599);
    assert_eq!(key(&browser.submit(&page, &[("code", "000000")]).await), seen);
}

// UX 23, L13: of many forms at once, one is answered with recovery codes, and these are the ones that count
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_turn_it_on_one_gets_the_codes() {
    let server = Arc::new(world().await);
    let (browser, page) = at(&server, ADA_EMAIL).await;
    let body = page.body(&[("code", &code(&key(&page), NOW))]);
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let (server, cookies, body) = (Arc::clone(&server), browser.cookies.clone(), body.clone());
            tokio::spawn(async move {
                let mut copy = Browser { cookies, ..Browser::new(&server) };
                let answer = copy.send("POST", ACCOUNT, Some(body)).await;
                match answer.text().split_once("id=\"codes\" dir=\"ltr\">") {
                    Some((_, rest)) => Ok(rest.split_whitespace().next().unwrap().to_owned()),
                    // The others are asked for the factor that they have now, or are told that it is on.
                    None => Err(answer.status),
                }
            })
        })
        .collect();
    let mut codes = Vec::new();
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(code) => codes.push(code),
            Err(status) => assert!([StatusCode::SEE_OTHER, StatusCode::OK].contains(&status), "{status}"),
        }
    }
    assert_eq!(codes.len(), 1);
    assert_eq!(ada(&server).await.recovery_codes.len(), 10);
    let mut other = Browser::new(&server);
    let page = other.sign_in(ACCOUNT, ADA_EMAIL, PASSWORD).await;
    assert!(other.submit(&page, &[("code", &codes[0])]).await.has("sign-out"));
}
