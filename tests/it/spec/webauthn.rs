//! Passkeys: Web Authentication Level 3, 7, and rule L12.

use std::sync::Arc;

use faregate::model::{ClientSecret, PasswordChange, Profile, Tenant};
use faregate::store::Store as _;
use http::StatusCode;
use uuid::Uuid;

use crate::support::authenticator::{Authenticator, Said};
use crate::support::authorization_server::{TENANT, TestServer, encode};
use crate::support::browser::{Browser, Shown};
use crate::support::world::{ADA, ADA_EMAIL, BOB, BOB_EMAIL, PASSWORD, ask, world, world_with};

const HOST: &str = "gate.example.com";
const PAGE: &str = "/oauth2/passkeys";

fn challenge(page: &Shown) -> String {
    page.hidden().into_iter().find(|(name, _)| name == "forgery").expect("a form of ours").1
}

/// Ada on the page of her passkeys.
async fn signed_in<'a>(server: &'a TestServer, email: &str) -> (Browser<'a>, Shown) {
    let mut browser = Browser::new(server);
    let page = browser.sign_in(PAGE, email, PASSWORD).await;
    assert!(page.has("add"), "{}", page.text());
    (browser, page)
}

/// A new passkey of Ada's.
async fn added(server: &TestServer, alg: i64) -> Authenticator {
    let (mut browser, page) = signed_in(server, ADA_EMAIL).await;
    let device = Authenticator::new(alg, HOST, ADA);
    let page = add(&mut browser, &page, &device.made(&challenge(&page))).await;
    assert!(page.text().contains("The passkey was added"), "{}", page.text());
    device
}

/// The first form with a `new_passkey` is the second one where there are passkeys already.
async fn add(browser: &mut Browser<'_>, page: &Shown, answer: &str) -> Shown {
    browser.submit(page, &[("new_passkey", answer), ("passkey_name", " Ada’s phone ")]).await
}

/// What became of a login with what `answer` makes of the challenge.
async fn login(server: &TestServer, url: &str, answer: impl FnOnce(&str) -> String) -> Shown {
    let mut browser = Browser::new(server);
    let page = browser.open(url).await;
    let answer = answer(&challenge(&page));
    browser.submit(&page, &[("passkey", &answer)]).await
}

async fn passkeys(server: &TestServer, user: Uuid) -> Vec<faregate::model::Passkey> {
    server.store.find_user(user).await.unwrap().unwrap().passkeys
}

fn is_refused(shown: &Shown) -> bool {
    shown.location.is_none() && shown.has("password") && shown.text().contains("This passkey is not known here")
}

// L12, RFC 8176 2: one step, two factors, whatever the device signs with
#[tokio::test]
async fn a_passkey_is_a_login_with_two_factors() {
    for alg in [-7, -8, -257] {
        let server = world().await;
        let device = added(&server, alg).await;
        let shown = login(&server, &ask("&scope=openid&state=s&acr_values=2"), |text| device.used(text)).await;
        assert_eq!((shown.status, shown.get("state").as_deref()), (StatusCode::SEE_OTHER, Some("s")), "{alg}");
        let code = ClientSecret::hash(&shown.get("code").unwrap());
        let approval = server.store.find_authorization_code(&code).await.unwrap().unwrap().approval;
        assert_eq!((approval.user_id, approval.acr.as_deref()), (ADA, Some("2")));
        assert_eq!(approval.methods, ["pop", "user", "mfa"]);
        let kept = passkeys(&server, ADA).await.remove(0);
        assert_eq!((kept.name.as_str(), kept.id), ("Ada’s phone", device.id));
    }
}

// RFC 9470 5, L12: whoever has a passkey can do better than a password, and is asked for it
#[tokio::test]
async fn a_session_without_the_passkey_does_not_suffice_for_two_factors() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    assert!(browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await.get("code").is_some());
    assert!(browser.open(&ask("&acr_values=2")).await.get("code").is_some(), "nobody can do better without one");
    let device = added(&server, -7).await;
    let page = browser.open(&ask("&acr_values=2")).await;
    assert!(page.has("password"), "{:?}", page.location);
    let shown = browser.submit(&page, &[("passkey", &device.used(&challenge(&page)))]).await;
    assert!(shown.get("code").is_some(), "{}", shown.text());
    assert!(browser.open(&ask("&acr_values=2")).await.get("code").is_some(), "and the session has it then");
}

// L12: an authenticator that was enrolled is not asked for as well, and a due password is
#[tokio::test]
async fn a_passkey_needs_no_code_and_excuses_from_no_new_password() {
    let server = world().await;
    let device = added(&server, -7).await;
    server.directory.enroll_totp(ADA).await.unwrap();
    let shown = login(&server, &ask(""), |text| device.used(text)).await;
    assert!(shown.get("code").is_some());
    server.directory.require_password_change(ADA, PasswordChange::Breached).await.unwrap();
    let shown = login(&server, &ask(""), |text| device.used(text)).await;
    assert!(shown.url.starts_with("/password/change?"), "{}", shown.url);
}

// WebAuthn 7.2: each thing that is wrong is enough, and the same answer without it is right
#[tokio::test]
async fn only_what_was_signed_here_and_now_by_its_owner_counts() {
    let server = world().await;
    let device = added(&server, -7).await;
    let flags = |flags: u8| move |said: &mut Said| said.authenticator_data[32] = flags;
    let client =
        |member: &'static str, value: serde_json::Value| move |said: &mut Said| said.client_data[member] = value;
    type Change = Box<dyn FnOnce(&mut Said)>;
    let changes: [(&str, Change); 8] = [
        ("another type", Box::new(client("type", "webauthn.create".into()))),
        ("another challenge", Box::new(client("challenge", "AAAA".into()))),
        ("another origin", Box::new(client("origin", "https://gate.example.com.evil.example".into()))),
        ("in a frame", Box::new(client("crossOrigin", true.into()))),
        ("for another host", Box::new(|said: &mut Said| said.authenticator_data[0] ^= 1)),
        ("nobody there", Box::new(flags(0x1c))),
        ("nobody verified", Box::new(flags(0x19))),
        ("backed up and not", Box::new(flags(0x15))),
    ];
    for (what, change) in changes {
        let shown = login(&server, &ask(""), |text| device.used_with(text, change)).await;
        assert!(is_refused(&shown), "{what}: {}", shown.text());
    }
    // What is not what was signed.
    let spoilt = |at: &'static str| {
        let device = &device;
        move |text: &str| {
            let mut answer: serde_json::Value = serde_json::from_str(&device.used(text)).unwrap();
            let part = answer["response"][at].as_str().unwrap().to_owned();
            let last = if part.ends_with('A') { "Q" } else { "A" };
            let middle = part.len() / 2 / 4 * 4;
            answer["response"][at] = format!("{}{last}{}", &part[..middle], &part[middle + 1..]).into();
            answer.to_string()
        }
    };
    for at in ["signature", "clientDataJSON", "authenticatorData"] {
        assert!(is_refused(&login(&server, &ask(""), spoilt(at)).await), "{at}");
    }
    for text in ["", "{}", "null", "x"] {
        let shown = login(&server, &ask(""), |_| text.to_owned()).await;
        assert!(shown.location.is_none() && shown.has("password"), "{text}");
    }
    assert!(login(&server, &ask(""), |text| device.used(text)).await.get("code").is_some());
}

// L12: of somebody else, of nobody, of a device that was never registered
#[tokio::test]
async fn a_passkey_is_its_owners_and_nobody_elses() {
    let server = world().await;
    let device = added(&server, -7).await;
    for user in [BOB, Uuid::nil()] {
        let mut other = added(&server, -7).await;
        other.user = user;
        assert!(is_refused(&login(&server, &ask(""), |text| other.used(text)).await), "{user}");
    }
    let mut stranger = Authenticator::new(-7, HOST, ADA);
    stranger.id.clone_from(&device.id);
    assert!(is_refused(&login(&server, &ask(""), |text| stranger.used(text)).await));
    server.directory.lock_user(ADA).await.unwrap();
    let shown = login(&server, &ask(""), |text| device.used(text)).await;
    assert!(shown.location.is_none() && shown.text().contains("locked"), "{}", shown.text());
}

// L12, WebAuthn 7.2 step 12: what was recorded is worth nothing, sixteen times at once neither
#[tokio::test(flavor = "multi_thread")]
async fn a_use_counts_once() {
    let server = Arc::new(world().await);
    let device = added(&server, -7).await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("")).await;
    let answer = device.used(&challenge(&page));
    let body = page.body(&[("passkey", &answer)]);
    let action = page.action();
    let cookies = browser.cookies.clone();
    let attempts: Vec<_> = (0..16)
        .map(|_| {
            let (server, cookies) = (Arc::clone(&server), cookies.clone());
            let (action, body) = (action.clone(), body.clone());
            tokio::spawn(async move {
                let mut copy = Browser { cookies, ..Browser::new(&server) };
                copy.post(&action, &body).await.location.is_some()
            })
        })
        .collect();
    let mut let_in = 0;
    for attempt in attempts {
        let_in += usize::from(attempt.await.unwrap());
    }
    assert_eq!(let_in, 1);
    assert!(is_refused(&browser.copy().post(&action, &body).await));
    // Another browser has another challenge, and an old one is over.
    assert!(is_refused(&login(&server, &ask(""), |_| answer.clone()).await));
    let mut late = Browser::new(&server);
    let page = late.open(&ask("")).await;
    server.clock.advance(3600);
    let shown = late.submit(&page, &[("passkey", &device.used(&challenge(&page)))]).await;
    assert!(shown.location.is_none() && shown.has("password"));
}

// WebAuthn 7.2 step 22: whoever counts less than before is a copy
#[tokio::test]
async fn a_device_that_counts_is_held_to_it() {
    let server = world().await;
    let mut device = added(&server, -7).await;
    for (count, is_in) in [(0, true), (0, true), (7, true), (7, false), (6, false), (0, false), (8, true)] {
        device.sign_count = count;
        let shown = login(&server, &ask(""), |text| device.used(text)).await;
        assert_eq!(shown.location.is_some(), is_in, "{count}");
    }
    assert_eq!(passkeys(&server, ADA).await[0].sign_count, 8);
}

// WebAuthn 7.1: what is made elsewhere, earlier or without its owner is not added; a passkey is added once
#[tokio::test]
async fn only_what_was_made_here_and_now_is_added() {
    let server = world().await;
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    let device = Authenticator::new(-7, HOST, ADA);
    let text = challenge(&page);
    let long_id = |said: &mut Said| said.authenticator_data[54] = 200;
    type Change = Box<dyn FnOnce(&mut Said)>;
    let changes: [(&str, Change); 6] = [
        ("used, not made", Box::new(|said: &mut Said| said.client_data["type"] = "webauthn.get".into())),
        ("another challenge", Box::new(|said: &mut Said| said.client_data["challenge"] = "AAAA".into())),
        ("another origin", Box::new(|said: &mut Said| said.client_data["origin"] = "http://gate.example.com".into())),
        ("nobody verified", Box::new(|said: &mut Said| said.authenticator_data[32] = 0x41)),
        ("no credential", Box::new(|said: &mut Said| said.authenticator_data[32] = 0x1d)),
        ("another id", Box::new(long_id)),
    ];
    for (what, change) in changes {
        let shown = add(&mut browser, &page, &device.made_with(&text, change)).await;
        assert!(passkeys(&server, ADA).await.is_empty(), "{what}");
        assert!(shown.text().contains("class=\"alert\" id=\"message\""), "{what}: {}", shown.text());
        assert!(shown.text().contains("You can try again"), "{what}: {}", shown.text());
    }
    let answer: serde_json::Value = serde_json::from_str(&device.made(&text)).unwrap();
    for (what, member, value) in [
        ("another algorithm", "publicKeyAlgorithm", serde_json::json!(-257)),
        ("an unknown algorithm", "publicKeyAlgorithm", serde_json::json!(-7000)),
        ("no key", "publicKey", serde_json::json!("AAAA")),
    ] {
        let mut answer = answer.clone();
        answer["response"][member] = value;
        add(&mut browser, &page, &answer.to_string()).await;
        assert!(passkeys(&server, ADA).await.is_empty(), "{what}");
    }
    // Together with a login it says nothing: our page does not send such a form.
    let (mut other, shown) = signed_in(&server, ADA_EMAIL).await;
    let made = device.made(&challenge(&shown));
    let login = [("loginId", ADA_EMAIL), ("password", PASSWORD), ("new_passkey", &*made)];
    let shown = other.submit(&shown, &login).await;
    assert!(shown.has("add") && passkeys(&server, ADA).await.is_empty(), "{}", shown.text());
    let shown = add(&mut browser, &page, &answer.to_string()).await;
    assert!(shown.text().contains("The passkey was added"), "{}", shown.text());
    let again = add(&mut browser, &page, &answer.to_string()).await;
    assert!(again.has("message") && passkeys(&server, ADA).await.len() == 1);
    // Somebody else's form, and one without any login.
    for mut other in [Browser::new(&server), signed_in(&server, BOB_EMAIL).await.0] {
        other.post(PAGE, &page.body(&[("new_passkey", &Authenticator::new(-7, HOST, BOB).made(&text))])).await;
    }
    assert!(passkeys(&server, BOB).await.is_empty());
}

// L12: whoever finds an open session cannot stay; what is removed is over with the next login
#[tokio::test]
async fn the_page_wants_a_fresh_login_and_takes_passkeys_away() {
    let server = world().await;
    let device = added(&server, -7).await;
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    assert!(page.text().contains("Ada’s phone"), "{}", page.text());
    server.clock.advance(601);
    assert!(browser.copy().open(PAGE).await.has("password"));
    let body = page.body(&[("remove", &device.id)]);
    assert!(browser.post(PAGE, &body).await.has("password"));
    assert_eq!(passkeys(&server, ADA).await.len(), 1);

    // With the passkey itself one is as welcome.
    let shown = login(&server, PAGE, |text| device.used(text)).await;
    assert!(shown.has("add") && shown.has("remove-1"), "{}", shown.text());
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    let shown = browser.submit(&page, &[("remove", &device.id)]).await;
    assert!(shown.text().contains("The passkey was removed"), "{}", shown.text());
    assert!(shown.url.contains("outcome=removed"), "{}", shown.url);
    assert!(is_refused(&login(&server, &ask(""), |text| device.used(text)).await));
}

// L12: where passkeys cannot work or are not wanted, nothing speaks of them
#[tokio::test]
async fn a_tenant_may_do_without() {
    let server = world_with(|tenant: &mut Tenant| tenant.settings.passkeys = false, |_, _| {}).await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("")).await;
    assert!(page.has("password") && !page.has("passkey"));
    let page = browser.open(PAGE).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let device = Authenticator::new(-7, HOST, ADA);
    assert!(is_refused(&login(&server, &ask(""), |text| device.used(text)).await));

    let server = world().await;
    assert!(Browser::new(&server).open(&ask("")).await.has("passkey"));
    let other = Browser::new(&server).open(&format!("/{TENANT}{PAGE}")).await;
    assert!(other.has("password"), "{}", other.text());
}

// L12, F-047: a dialect that takes a login without proof of the form takes no passkey so, because its challenge would be anybody's
#[tokio::test]
async fn a_bare_form_brings_no_passkey() {
    let server = world_with(|tenant: &mut Tenant| tenant.profile = Profile::FusionAuthLegacy, |_, _| {}).await;
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    let device = Authenticator::new(-7, HOST, ADA);
    add(&mut browser, &page, &device.made(&challenge(&page))).await;
    assert_eq!(passkeys(&server, ADA).await.len(), 1);
    let bare = |login: &str| format!("{}&{login}", ask("").split_once('?').unwrap().1);
    let own = "my own challenge";
    let form = format!("forgery={}&passkey={}", encode(own), encode(&device.used(own)));
    let shown = Browser::new(&server).post("/oauth2/authorize", &bare(&form)).await;
    assert!(shown.location.is_none() && shown.has("password"), "{:?}", shown.location);
    let password = format!("loginId={ADA_EMAIL}&password={}", encode(PASSWORD));
    let shown = Browser::new(&server).post("/oauth2/authorize", &bare(&password)).await;
    assert!(shown.location.is_some(), "{}", shown.text());
}
