//! The page of one's account (UX 23): what is listed, what can be ended, and by whom.

use std::sync::Arc;

use faregate::model::{ConsentMode, PasswordChange, Tenant};
use faregate::store::Store as _;
use http::StatusCode;
use uuid::Uuid;

use crate::support::authorization_server::{OTHER_TENANT, TENANT, TestServer, encode};
use crate::support::browser::{Browser, Shown};
use crate::support::log::Log;
use crate::support::world::{
    ADA, ADA_EMAIL, BOB, BOB_EMAIL, PASSWORD, THIRD, THIRD_URI, WEB, WEB_SECRET, WEB_URI, ask, ask_as, world,
    world_with,
};

const PAGE: &str = "/oauth2/account";
const LINUX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Somebody on the page of their account, in a browser of their own.
async fn signed_in<'a>(server: &'a TestServer, email: &str) -> (Browser<'a>, Shown) {
    let mut browser = Browser::new(server).with("User-Agent", LINUX);
    let page = browser.sign_in(PAGE, email, PASSWORD).await;
    assert!(page.text().contains("<h1>Your account</h1>"), "{}", page.text());
    (browser, page)
}

/// The tokens of a code that the browser gets for the first client.
async fn tokens(server: &TestServer, browser: &mut Browser<'_>) -> (String, String) {
    let shown = browser.sign_in(&ask("&scope=openid+offline_access+orders%3Aread"), ADA_EMAIL, PASSWORD).await;
    let code = shown.get("code").unwrap();
    let body = format!("grant_type=authorization_code&code={code}&redirect_uri={}", encode(WEB_URI));
    let answer = server.post("/oauth2/token").basic(&WEB.to_string(), WEB_SECRET).body(body).send().await;
    let text = |name: &str| answer.json()[name].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn is_good(server: &TestServer, access_token: &str) -> bool {
    let answer = server.get("/oauth2/userinfo").header("Authorization", &format!("Bearer {access_token}")).send().await;
    answer.status == StatusCode::OK
}

async fn refreshes(server: &TestServer, refresh_token: &str) -> bool {
    let body = format!("grant_type=refresh_token&refresh_token={refresh_token}");
    let answer = server.post("/oauth2/token").basic(&WEB.to_string(), WEB_SECRET).body(body).send().await;
    answer.status == StatusCode::OK
}

async fn sessions(server: &TestServer, user: Uuid) -> Vec<Uuid> {
    server.directory.access_of(user).await.unwrap().sessions.into_iter().map(|session| session.id).collect()
}

/// The consent of Ada to what the third party's client asks for.
async fn consent(browser: &mut Browser<'_>) {
    let url = ask_as(THIRD, THIRD_URI, "&response_type=code&scope=openid+email+orders%3Aread+orders%3Alist");
    let page = browser.sign_in(&url, ADA_EMAIL, PASSWORD).await;
    let shown = browser.submit(&page, &[("decision", "allow"), ("scope:email", "true")]).await;
    assert!(shown.get("code").is_some(), "{}", shown.text());
}

// UX 23, K1, K2: nobody sees it without a login, and the login leads back to it
#[tokio::test]
async fn the_page_is_for_whoever_signed_in() {
    let server = world().await;
    let mut browser = Browser::new(&server).with("User-Agent", LINUX);
    let page = browser.open(&format!("{PAGE}?ui_locales=de")).await;
    assert!(page.has("password") && !page.text().contains(ADA_EMAIL), "{}", page.text());
    let page = browser.submit(&page, &[("loginId", "ada"), ("password", PASSWORD)]).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, "/oauth2/account?ui_locales=de"));
    for shown in ["<h1>Ihr Konto</h1>", ADA_EMAIL, "Dieser Browser", "Firefox, Linux", "gerade eben"] {
        assert!(page.text().contains(shown), "{shown}: {}", page.text());
    }
    assert!(page.text().contains(r#"href="/oauth2/passkeys?ui_locales=de""#), "{}", page.text());
    assert!(!page.has("end-others") && page.has("sign-out"), "{}", page.text());
    let headers = &page.answer.headers;
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(
        headers["content-security-policy"],
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'none'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let passkeys = browser.open("/oauth2/passkeys?ui_locales=de").await;
    assert!(passkeys.text().contains(r#"id="account" href="/oauth2/account?ui_locales=de""#), "{}", passkeys.text());
    // A second factor and a new password lead back, too.
    server.directory.require_password_change(BOB, PasswordChange::Breached).await.unwrap();
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(PAGE, BOB_EMAIL, PASSWORD).await;
    assert!(page.url.starts_with("/password/change?to=account"), "{}", page.url);
    let new = "correct horse battery staple";
    let page = browser.submit(&page, &[("password", new), ("confirm", new)]).await;
    assert_eq!(page.url, PAGE, "{}", page.text());
}

// UX 23, I8: one session ends, with the grants that were made in it, by the next request; its event has its name
#[tokio::test]
async fn a_session_ends_with_one_click_and_the_others_go_on() {
    let server = world().await;
    let mut lost = Browser::new(&server);
    let (access, refresh) = tokens(&server, &mut lost).await;
    let [lost_id] = sessions(&server, ADA).await[..] else { panic!("one session") };
    server.clock.advance(1200);
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    assert!(page.text().contains("Signed in 20 minutes ago") && page.has("end-others"), "{}", page.text());
    assert!(is_good(&server, &access).await);
    let log = Log::start();
    let page = browser.submit(&page, &[("end_session", &lost_id.to_string())]).await;
    assert_eq!(page.url, "/oauth2/account?outcome=session_ended");
    assert!(page.text().contains("The session has ended") && !page.has("end-others"), "{}", page.text());
    assert_eq!(log.told("session.ended"), [lost_id.to_string()]);
    assert!(!is_good(&server, &access).await && !refreshes(&server, &refresh).await);
    assert!(lost.open(PAGE).await.has("password") && browser.open(PAGE).await.has("sign-out"));
}

// UX 23: what has happened is said to whom it happened; a link says nothing in the page's name
#[tokio::test]
async fn an_outcome_is_shown_to_the_browser_that_caused_it() {
    let server = world().await;
    let (_other, _) = signed_in(&server, ADA_EMAIL).await;
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    let ended = browser.submit(&page, &[("end_others", "true")]).await;
    let said = "All other sessions have ended";
    assert!(ended.text().contains(said), "{}", ended.text());
    assert!(browser.open(&ended.url).await.text().contains(said), "a reload says it again");
    let elsewhere = browser.open(&format!("{PAGE}?outcome=password_changed")).await;
    assert!(elsewhere.has("sign-out") && !elsewhere.text().contains("password was changed"), "{}", elsewhere.text());
    let (mut stranger, _) = signed_in(&server, BOB_EMAIL).await;
    let lured = stranger.open(&ended.url).await;
    assert!(lured.has("sign-out") && !lured.text().contains(said), "{}", lured.text());
}

// UX 23: by GET it is never done, and what was posted is not posted again by a reload (A5, UX 22)
#[tokio::test]
async fn an_end_is_a_post_and_then_an_address() {
    let server = world().await;
    let (_other, _) = signed_in(&server, ADA_EMAIL).await;
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    browser.open(&format!("{PAGE}?end_others=true")).await;
    let forgery = &page.hidden()[0].1;
    browser.open(&format!("{PAGE}?end_others=true&forgery={forgery}")).await;
    assert_eq!(sessions(&server, ADA).await.len(), 2);
    let answer = browser.send("POST", PAGE, Some(page.body(&[("end_others", "true")]))).await;
    let expected = (StatusCode::SEE_OTHER, Some("/oauth2/account?outcome=others_ended"));
    assert_eq!((answer.status, answer.header("location")), expected);
    assert_eq!(sessions(&server, ADA).await.len(), 1);
}

// UX 23: all but this one
#[tokio::test]
async fn all_other_sessions_end_at_once() {
    let server = world().await;
    let mut others = Vec::new();
    for _ in 0..15 {
        others.push(signed_in(&server, ADA_EMAIL).await.0);
    }
    let (bob, _) = signed_in(&server, BOB_EMAIL).await;
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    assert_eq!(page.text().matches("name=\"end_session\"").count(), 11, "and this browser: {}", page.text());
    assert!(page.text().contains("Not shown here: 4."), "{}", page.text());
    let all = browser.open(&format!("{PAGE}?show=all")).await;
    assert_eq!(all.text().matches("name=\"end_session\"").count(), 15);
    let log = Log::start();
    let page = browser.submit(&page, &[("end_others", "true")]).await;
    assert!(page.text().contains("All other sessions have ended") && page.has("sign-out"), "{}", page.text());
    assert_eq!((sessions(&server, ADA).await.len(), log.told("session.ended").len()), (1, 15));
    for mut other in others {
        assert!(other.open(PAGE).await.has("password"));
    }
    assert!(bob.copy().open(PAGE).await.has("sign-out"), "somebody else's goes on");
}

// UX 23, K9: what an application was let have ends by the next request, and it has to ask again
#[tokio::test]
async fn an_application_loses_its_access() {
    let server = world_with(
        |_| {},
        |id, settings| {
            if id == THIRD {
                settings.consent = ConsentMode::RememberDecision;
            }
        },
    )
    .await;
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    assert!(page.text().contains("An application appears here once"), "{}", page.text());
    consent(&mut browser).await;
    let (access, refresh) = tokens(&server, &mut browser).await;
    server.clock.advance(300);
    assert!(is_good(&server, &access).await);
    let page = browser.open(PAGE).await;
    let text = page.text();
    for shown in ["Web", "May orders:read", "Keep its access", "5 minutes ago", "Third", "See your email address"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(text.contains("May orders:list") && !text.contains("not orders"), "what was declined is not given: {text}");
    assert_eq!(text.matches("name=\"end_access\"").count(), 2);

    let log = Log::start();
    let page = browser.submit(&page, &[("end_access", &WEB.to_string())]).await;
    assert_eq!(page.url, "/oauth2/account?outcome=access_ended");
    assert!(
        page.text().contains("From now on the application cannot go on") && page.has("sign-out"),
        "{}",
        page.text()
    );
    assert!(!is_good(&server, &access).await && !refreshes(&server, &refresh).await);
    assert_eq!((log.told("token.revoked").len(), log.told("consent.withdrawn").len()), (1, 0));
    let page = browser.submit(&page, &[("end_access", &THIRD.to_string())]).await;
    assert!(page.text().contains("An application appears here once"), "{}", page.text());
    assert_eq!(log.told("consent.withdrawn"), [format!("{ADA}/{THIRD}")]);
    let url = ask_as(THIRD, THIRD_URI, "&response_type=code&scope=openid+email+orders%3Alist");
    assert!(browser.open(&url).await.has("allow"), "it has to ask again");
}

// K5: a form that is not ours, or not of this session any more, does nothing
#[tokio::test]
async fn a_wrong_value_ends_nothing() {
    let server = world().await;
    let (other, _) = signed_in(&server, ADA_EMAIL).await;
    let (browser, page) = signed_in(&server, ADA_EMAIL).await;
    let (_, foreign) = signed_in(&server, ADA_EMAIL).await;
    let body = page.body(&[("end_others", "true")]);
    let spoilt = body.replacen("forgery=", "forgery=1", 1);
    for (what, body) in [
        ("no value", "end_others=true".to_owned()),
        ("a spoilt value", spoilt),
        ("a value of another browser", foreign.body(&[("end_others", "true")])),
    ] {
        let shown = browser.copy().post(PAGE, &body).await;
        assert!(shown.has("sign-out"), "{what}: {}", shown.text());
        assert_eq!(shown.text().contains("Please send it again"), what != "no value", "{what}");
        assert_eq!(sessions(&server, ADA).await.len(), 3, "{what}");
    }
    let shown = browser.copy().with("Sec-Fetch-Site", "cross-site").post(PAGE, &body).await;
    assert!(!shown.url.contains("outcome") && sessions(&server, ADA).await.len() == 3);
    // A form that brings a login as well was not sent from this page.
    let login = [("end_others", "true"), ("loginId", ADA_EMAIL), ("password", PASSWORD)];
    browser.copy().submit(&page, &login).await;
    assert!(other.copy().open(PAGE).await.has("sign-out"));
    // Whose session is over is asked to sign in first, and nothing is done afterwards.
    server.clock.advance(40 * 86_400);
    let shown = browser.copy().post(PAGE, &body).await;
    assert!(shown.has("password"), "{}", shown.text());
}

// UX 23: ids of others are as unknown as those of nobody
#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let server = world().await;
    let (bob, _) = signed_in(&server, BOB_EMAIL).await;
    let bobs = sessions(&server, BOB).await;
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    for (name, value) in [
        ("end_session", bobs[0].to_string()),
        ("end_session", Uuid::nil().to_string()),
        ("end_session", "x".to_owned()),
        ("end_access", WEB.to_string()),
        ("end_access", BOB.to_string()),
    ] {
        let shown = browser.submit(&page, &[(name, &value)]).await;
        assert_eq!(shown.status, StatusCode::NOT_FOUND, "{name} {value}");
        assert!(shown.text().contains("Nothing was changed") && shown.has("sign-out"), "{}", shown.text());
    }
    assert!(bob.copy().open(PAGE).await.has("sign-out"));
    assert_eq!((sessions(&server, ADA).await.len(), sessions(&server, BOB).await), (1, bobs));
}

// UX 22: two windows, one button: both are told the truth, and what must happen once does
#[tokio::test(flavor = "multi_thread")]
async fn of_two_clicks_one_withdraws_the_consent() {
    let server = world_with(|_| {}, |_, settings| settings.consent = ConsentMode::RememberDecision).await;
    let server = Arc::new(server);
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    consent(&mut browser).await;
    let page = if page.has("end-access-1") { page } else { browser.open(PAGE).await };
    let (body, cookies) = (page.body(&[("end_access", &THIRD.to_string())]), browser.cookies.clone());
    let clicks: Vec<_> = (0..8)
        .map(|_| {
            let (server, body, cookies) = (Arc::clone(&server), body.clone(), cookies.clone());
            tokio::spawn(async move {
                let mut copy = Browser { cookies, ..Browser::new(&server) };
                copy.send("POST", PAGE, Some(body)).await.status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for click in clicks {
        statuses.push(click.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::SEE_OTHER).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [StatusCode::SEE_OTHER, StatusCode::NOT_FOUND].contains(status)));
    assert!(server.store.find_consent(ADA, THIRD).await.unwrap().is_none());
}

// D-18, UX 23: who did not ask to be remembered sees the page for this login, and that this browser is not in the list
#[tokio::test]
async fn who_is_not_remembered_can_look_as_well() {
    let server = world_with(|tenant: &mut Tenant| tenant.settings.always_remember = false, |_, _| {}).await;
    let mut other = Browser::new(&server);
    let page = other.open(PAGE).await;
    let login = [("loginId", ADA_EMAIL), ("password", PASSWORD), ("rememberDevice", "true")];
    assert!(other.submit(&page, &login).await.has("sign-out"));
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    assert!(page.has("not-remembered") && page.has("end-session-1"), "{}", page.text());
    let page = browser.submit(&page, &[("end_others", "true")]).await;
    assert!(page.text().contains("All other sessions have ended"), "{}", page.text());
    assert!(sessions(&server, ADA).await.is_empty());
    browser.open("/oauth2/logout").await;
    assert!(browser.open(PAGE).await.has("password"), "and can sign out");
}

// UX 23: this browser's own session can be ended like any other
#[tokio::test]
async fn whoever_ends_this_session_is_signed_out() {
    let server = world().await;
    let (mut browser, page) = signed_in(&server, ADA_EMAIL).await;
    let own = sessions(&server, ADA).await[0].to_string();
    let page = browser.submit(&page, &[("end_session", &own)]).await;
    assert!(page.has("password") && !browser.cookies.keys().any(|name| name.contains("session")), "{}", page.text());
}

// UX 23, L4: each tenant has its own page and sessions
#[tokio::test]
async fn the_page_is_a_tenants() {
    let server = world().await;
    server.add_other_tenant().await;
    let (mut browser, _) = signed_in(&server, ADA_EMAIL).await;
    assert!(browser.open(&format!("/{TENANT}{PAGE}")).await.has("sign-out"));
    let other = browser.open(&format!("/{OTHER_TENANT}{PAGE}")).await;
    assert!(other.has("password") && other.action() == format!("/{OTHER_TENANT}{PAGE}"), "{}", other.text());
    let by_parameter = browser.open(&format!("{PAGE}?tenantId={OTHER_TENANT}")).await;
    assert!(by_parameter.has("password"), "{}", by_parameter.text());
    assert_eq!(browser.open(&format!("{PAGE}?tenantId={}", Uuid::nil())).await.status, StatusCode::BAD_REQUEST);
}
