//! The page on which a person lets a device in: RFC 8628 sections 3.3 and 5.4, and FusionAuth's way through the
//! authorization endpoint.

use faregate::model::{ApplicationGrant, ClientSecret, DeviceState, PasswordChange, Profile, Relationship, Tenant};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::support::authorization_server::{Answer, TENANT, TestServer, encode};
use crate::support::browser::{Browser, Shown};
use crate::support::world::{
    ADA, ADA_EMAIL, BOB_EMAIL, CHALLENGE, PASSWORD, THIRD, VERIFIER, WEB, WEB_SECRET, WEB_URI, world, world_with,
};

const PAGE: &str = "/oauth2/device";

async fn server_with(change: impl FnOnce(&mut Tenant)) -> TestServer {
    world_with(change, |id, settings| {
        if id == THIRD {
            settings.grants.push(ApplicationGrant::DeviceCode);
        }
    })
    .await
}

/// The device code and the user code of a device of `web`.
async fn codes(server: &TestServer, scope: &str) -> (String, String) {
    codes_of(server, &format!("client_id={WEB}&client_secret=web+secret"), scope).await
}

async fn codes_of(server: &TestServer, client: &str, scope: &str) -> (String, String) {
    let body = format!("{client}&scope={}&metaData.device.name=Living+room", encode(scope));
    let answer = server.post("/oauth2/device_authorize").body(body).from("192.0.2.7").send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (text("device_code"), text("user_code"))
}

async fn poll(server: &TestServer, device_code: &str) -> Answer {
    server.clock.advance(6);
    let grant_type = encode("urn:ietf:params:oauth:grant-type:device_code");
    let secret = encode(WEB_SECRET);
    let body = format!("client_id={WEB}&client_secret={secret}&grant_type={grant_type}&device_code={device_code}");
    server.post("/oauth2/token").body(body).send().await
}

/// Types a code on the page, and signs in where that is asked for.
async fn enter(browser: &mut Browser<'_>, user_code: &str) -> Shown {
    enter_at(browser, PAGE, user_code).await
}

async fn enter_at(browser: &mut Browser<'_>, url: &str, user_code: &str) -> Shown {
    let page = browser.open(url).await;
    let page = browser.submit(&page, &[("user_code", user_code)]).await;
    sign_in(browser, page, ADA_EMAIL).await
}

async fn sign_in(browser: &mut Browser<'_>, page: Shown, login_id: &str) -> Shown {
    if page.has("loginId") {
        return browser.submit(&page, &[("loginId", login_id), ("password", PASSWORD)]).await;
    }
    page
}

// RFC 8628 3.3, J7, J8, UX 20
#[tokio::test]
async fn a_person_compares_and_allows() {
    let server = world().await;
    let (device_code, user_code) = codes(&server, "openid offline_access orders:read").await;
    server.clock.advance(130);
    let mut browser = Browser::new(&server);
    let page = browser.open(PAGE).await;
    assert!(page.has("user_code") && page.answer.header("x-frame-options") == Some("DENY"), "{}", page.text());
    let page = browser.submit(&page, &[("user_code", &user_code.to_lowercase().replace('-', " "))]).await;
    assert!(page.has("loginId") && page.has("password"), "{}", page.text());
    let page = sign_in(&mut browser, page, ADA_EMAIL).await;
    let text = page.text();
    for shown in [user_code.as_str(), "Web", "Living room", "192.0.2.7", "May orders:read"] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    // Denying comes first, so it is what Enter does.
    assert!(text.find("id=\"deny\"").unwrap() < text.find("id=\"allow\"").unwrap());
    assert_eq!(poll(&server, &device_code).await.verdict().1, "authorization_pending");
    let done = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!((done.status, done.url.as_str()), (StatusCode::OK, "/oauth2/device?outcome=approved"));
    let answer = poll(&server, &device_code).await;
    let claims = answer.claims();
    assert_eq!(
        (&claims["sub"], &claims["amr"], &claims["authenticationType"]),
        (&json!(ADA), &json!(["pwd"]), &json!("PASSWORD"))
    );
    let body = answer.json();
    assert_eq!(body["scope"], "openid offline_access orders:read");
    assert!(body["id_token"].is_string() && body["refresh_token"].is_string(), "{body}");
    // UX 22: what was sent is not sent again, and the code is used up.
    assert_eq!(browser.open(&done.url).await.status, StatusCode::OK);
    let again = browser.submit(&page, &[("decision", "allow")]).await;
    assert!(again.has("user_code") && again.has("message"), "{}", again.text());
}

// RFC 8628 3.5, F-171
#[tokio::test]
async fn a_person_denies() {
    let server = world().await;
    for decision in ["deny", "perhaps"] {
        let (device_code, user_code) = codes(&server, "").await;
        let mut browser = Browser::new(&server);
        let page = enter(&mut browser, &user_code).await;
        let page = browser.submit(&page, &[("decision", decision)]).await;
        match decision {
            "deny" => {
                assert_eq!(page.url, "/oauth2/device?outcome=denied");
                assert_eq!(poll(&server, &device_code).await.verdict().1, "access_denied");
            }
            _ => {
                assert!(page.has("allow"), "{}", page.text());
                assert_eq!(poll(&server, &device_code).await.verdict().1, "authorization_pending");
            }
        }
    }
}

// RFC 8628 3.3.1, 5.4, J7: a link fills the field in and does nothing else.
#[tokio::test]
async fn a_link_alone_lets_nobody_in() {
    let server = world().await;
    let (device_code, user_code) = codes(&server, "").await;
    let mut browser = Browser::new(&server);
    enter(&mut browser, &user_code).await;
    for more in ["", "&decision=allow"] {
        let page = browser.open(&format!("{PAGE}?user_code={user_code}{more}")).await;
        assert!(page.has("user_code") && !page.has("allow"), "{}", page.text());
        assert!(page.text().contains(&format!("value=\"{user_code}\"")), "{}", page.text());
    }
    // Neither does a form of somebody else, even in a browser that is signed in (K5).
    let body = format!("user_code={user_code}&decision=allow");
    let page = browser.post(PAGE, &body).await;
    assert!(page.has("user_code") && !page.has("allow"), "{}", page.text());
    let foreign = browser.copy().with("Origin", "https://evil.example").post(PAGE, &body).await;
    assert!(foreign.has("user_code") && !foreign.has("allow"), "{}", foreign.text());
    assert_eq!(poll(&server, &device_code).await.verdict().1, "authorization_pending");
}

// J3, UX 20
#[tokio::test]
async fn wrong_codes_are_told_clearly_and_counted() {
    let server = world().await;
    let (_, user_code) = codes(&server, "").await;
    let mut browser = Browser::new(&server);
    let page = browser.open(PAGE).await;
    for _ in 0..5 {
        let wrong = browser.submit(&page, &[("user_code", "BBBB-BBBB")]).await;
        assert!(wrong.has("message") && wrong.has("user_code"), "{}", wrong.text());
        assert_eq!(wrong.status, StatusCode::OK);
    }
    let waits = browser.submit(&page, &[("user_code", &user_code)]).await;
    assert!(waits.has("message") && !waits.has("loginId"), "{}", waits.text());
    server.clock.advance(60);
    assert!(browser.submit(&page, &[("user_code", &user_code)]).await.has("loginId"));
    server.clock.advance(300);
    let page = browser.open(PAGE).await;
    let late = browser.submit(&page, &[("user_code", &user_code)]).await;
    assert!(late.has("message") && late.has("user_code"), "{}", late.text());
}

// J10: the steps of one person are no news, a second browser is.
#[tokio::test]
async fn the_same_code_in_two_sessions_is_noticed_once() {
    use faregate::store::Lease;
    let server = world().await;
    let (_, user_code) = codes(&server, "").await;
    let (mut one, mut other) = (Browser::new(&server), Browser::new(&server));
    assert!(enter(&mut one, &user_code).await.has("allow"));
    assert!(enter(&mut one, &user_code).await.has("allow"));
    assert!(enter(&mut other, &user_code).await.has("allow"));
    let hash = ClientSecret::hash(&user_code.replace('-', ""));
    let code = server.store.find_device_code_by_user_code(TENANT, &hash).await.unwrap().unwrap();
    let sessions = server.store.list_sessions(ADA).await.unwrap();
    assert_eq!(sessions.len(), 2);
    let now = server.clock.now();
    let lease = Lease { now, expires_at: now + 1 };
    for session in sessions {
        let pair = ClientSecret::hash(&format!("{}/{}", code.id, session.id));
        assert!(!server.store.remember_once("device_code_seen_by", &pair, lease).await.unwrap());
    }
}

// F-034, F-114
#[tokio::test]
async fn only_who_may_use_the_application_lets_its_devices_in() {
    let server = world_with(|_| {}, |_, settings| settings.requires_registration = true).await;
    let (device_code, user_code) = codes(&server, "").await;
    let mut browser = Browser::new(&server);
    let page = browser.open(PAGE).await;
    let page = browser.submit(&page, &[("user_code", &user_code)]).await;
    let page = sign_in(&mut browser, page, BOB_EMAIL).await;
    assert!(!page.has("allow") && !page.text().contains("<form"), "{}", page.text());
    assert_eq!(poll(&server, &device_code).await.verdict().1, "authorization_pending");
    let page = enter(&mut Browser::new(&server), &user_code).await;
    assert!(page.has("allow"), "{}", page.text());
}

// F-055: a login with more steps comes back to the device.
#[tokio::test]
async fn the_steps_of_a_login_lead_back_to_the_device() {
    let server = world().await;
    let before = server.store.find_user(ADA).await.unwrap().unwrap();
    let mut after = before.clone();
    after.password_change = Some(PasswordChange::Administrative);
    assert!(server.store.update_user(&before, &after).await.unwrap());
    let (device_code, user_code) = codes(&server, "").await;
    let mut browser = Browser::new(&server);
    let page = enter(&mut browser, &user_code).await;
    assert!(page.has("confirm"), "{}", page.text());
    let new = "a much longer password than before";
    let page = browser.submit(&page, &[("password", new), ("confirm", new)]).await;
    assert!(page.has("allow") && page.text().contains(&user_code), "{}", page.text());
    let page = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(page.url, "/oauth2/device?outcome=approved");
    assert_eq!(poll(&server, &device_code).await.status, StatusCode::OK);
}

// F-162, F-163, F-175, D17: through the authorization endpoint, and approved only when its code is exchanged.
#[tokio::test]
async fn a_page_with_a_redirect_uri_goes_on_to_the_client() {
    let server = world_with(|tenant| tenant.profile = Profile::FusionAuth, |_, _| {}).await;
    for (missing, status) in [
        (format!("{PAGE}?client_id={WEB}"), StatusCode::BAD_REQUEST),
        (format!("{PAGE}?tenantId={TENANT}"), StatusCode::BAD_REQUEST),
        (format!("{PAGE}?client_id={WEB}&tenantId={TENANT}"), StatusCode::OK),
    ] {
        assert_eq!(Browser::new(&server).open(&missing).await.status, status, "{missing}");
    }
    let (device_code, user_code) = codes(&server, "offline_access").await;
    let mut browser = Browser::new(&server);
    let url = format!(
        "{PAGE}?client_id={WEB}&tenantId={TENANT}&user_code={user_code}&redirect_uri={}&state=a%20b\
         &code_challenge={CHALLENGE}&code_challenge_method=S256",
        encode(WEB_URI)
    );
    let page = browser.open(&url).await;
    let page = browser.submit(&page, &[("user_code", &user_code)]).await;
    let page = sign_in(&mut browser, page, ADA_EMAIL).await;
    assert!(page.has("allow"), "{}", page.text());
    // K2: browsers check where the form leads in the end.
    let policy = page.answer.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' http: https:;"), "{policy}");
    let answer = browser.send("POST", &page.action(), Some(page.body(&[("decision", "allow")]))).await;
    let location = answer.header("location").unwrap().to_owned();
    // The person is not asked twice, but in another browser they are.
    let mut other = Browser::new(&server);
    let (_, others_code) = codes(&server, "").await;
    enter_at(&mut other, &format!("{PAGE}?client_id={WEB}&tenantId={TENANT}"), &others_code).await;
    assert!(other.open(&location).await.has("allow"));
    let back = browser.open(&location).await;
    assert_eq!(back.get("state").as_deref(), Some("a b"));
    let code = back.get("code").unwrap_or_else(|| panic!("{:?}", back.location));
    assert_eq!(poll(&server, &device_code).await.verdict().1, "authorization_pending");
    let body = format!(
        "client_id={WEB}&client_secret={}&grant_type=authorization_code&code={code}&redirect_uri={}&code_verifier={VERIFIER}",
        encode(WEB_SECRET),
        encode(WEB_URI)
    );
    let exchanged = server.post("/oauth2/token").body(body).send().await;
    assert_eq!(exchanged.claims()["scope"], "offline_access");
    assert_eq!(poll(&server, &device_code).await.claims()["sub"], json!(ADA));
}

// K7, F-174: the page that was opened for one client knows no codes of another.
#[tokio::test]
async fn a_page_for_one_client_takes_its_codes_only() {
    let server = server_with(|_| {}).await;
    let third = format!("client_id={THIRD}&client_secret=third+secret");
    let (_, user_code) = codes_of(&server, &third, "orders:list").await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&format!("{PAGE}?client_id={WEB}")).await;
    let page = browser.submit(&page, &[("user_code", &user_code)]).await;
    assert!(page.has("message") && page.has("user_code"), "{}", page.text());
    let page = browser.open(&format!("{PAGE}?client_id={THIRD}")).await;
    let page = browser.submit(&page, &[("user_code", &user_code)]).await;
    let page = sign_in(&mut browser, page, ADA_EMAIL).await;
    assert!(page.has("allow") && page.text().contains("May orders:list"), "{}", page.text());
    assert_eq!(
        server.store.find_application(THIRD).await.unwrap().unwrap().settings.relationship,
        Relationship::ThirdParty
    );
}

// UX 23: a link does not say that a device was let in
#[tokio::test]
async fn an_outcome_is_shown_to_the_browser_that_decided() {
    let server = world().await;
    let (_, user_code) = codes(&server, "").await;
    let mut browser = Browser::new(&server);
    let page = enter(&mut browser, &user_code).await;
    let done = browser.submit(&page, &[("decision", "allow")]).await;
    assert!(!done.has("user_code") && done.url.ends_with("outcome=approved"), "{}", done.text());
    assert!(!browser.open(&done.url).await.has("user_code"), "a reload says it again");
    for lured in [Browser::new(&server).open(&done.url).await, browser.open(&format!("{PAGE}?outcome=denied")).await] {
        assert!(lured.has("user_code"), "{}", lured.text());
    }
}

// Two people at once: one decides.
#[tokio::test]
async fn of_two_decisions_one_counts() {
    let server = world().await;
    let (_, user_code) = codes(&server, "").await;
    let (mut one, mut other) = (Browser::new(&server), Browser::new(&server));
    let (first, second) = (enter(&mut one, &user_code).await, enter(&mut other, &user_code).await);
    let (allow, deny) = ([("decision", "allow")], [("decision", "deny")]);
    let (first, second) = tokio::join!(one.submit(&first, &allow), other.submit(&second, &deny));
    let outcomes = [first.url.contains("outcome=approved"), second.url.contains("outcome=denied")];
    let hash = ClientSecret::hash(&user_code.replace('-', ""));
    let code = server.store.find_device_code_by_user_code(TENANT, &hash).await.unwrap().unwrap();
    assert_ne!(code.id, Uuid::nil());
    match code.state {
        DeviceState::Approved(approval) => assert_eq!((outcomes, approval.user_id), ([true, false], ADA)),
        DeviceState::Denied => assert_eq!(outcomes, [false, true]),
        DeviceState::Pending | DeviceState::Redeemed { .. } => panic!("nobody decided"),
    }
}
