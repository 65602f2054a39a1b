//! ASVS 16.3.1, O3: a login is told once, however somebody logs in.

use std::pin::Pin;

use faregate::model::PasswordChange;
use serde_json::json;

use crate::support::authorization_server::{Answer, TestServer, encode};
use crate::support::browser::{Browser, Shown};
use crate::support::log::Log;
use crate::support::world::{ADA, ADA_EMAIL, PASSWORD, WEB, WEB_SECRET, WEB_URI, ask, world_with};

const NEW_PASSWORD: &str = "correct horse battery staple";

type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

async fn token(server: &TestServer, form: &str) -> Answer {
    let body = format!("client_id={WEB}&client_secret={}&{form}", encode(WEB_SECRET));
    server.post("/oauth2/token").body(body).send().await
}

fn password_form() -> String {
    format!("grant_type=password&username={ADA_EMAIL}&password={}", encode(PASSWORD))
}

async fn filled(browser: &mut Browser<'_>, url: &str, remember: &[(&str, &str)]) -> Shown {
    let page = browser.open(url).await;
    browser.submit(&page, &[&[("loginId", ADA_EMAIL), ("password", PASSWORD)], remember].concat()).await
}

fn remembered(server: &TestServer) -> Running<'_> {
    Box::pin(async move {
        let mut browser = Browser::new(server);
        let shown = filled(&mut browser, &ask("&scope=openid+offline_access"), &[("rememberDevice", "true")]).await;
        // Neither single sign-on, nor the code, nor refreshing is a login.
        for url in [ask(""), ask("&prompt=none")] {
            assert!(browser.open(&url).await.get("code").is_some());
        }
        let code = shown.get("code").unwrap();
        let form = format!("grant_type=authorization_code&code={code}&redirect_uri={}", encode(WEB_URI));
        let tokens = token(server, &form).await.json();
        let form = format!("grant_type=refresh_token&refresh_token={}", tokens["refresh_token"].as_str().unwrap());
        assert_eq!(token(server, &form).await.status, 200);
    })
}

fn not_remembered(server: &TestServer) -> Running<'_> {
    Box::pin(async move {
        let mut browser = Browser::new(server);
        let page = filled(&mut browser, &ask("&prompt=consent"), &[]).await;
        // The consent page is of the same login.
        let shown = browser.submit(&page, &[("decision", "allow")]).await;
        assert!(shown.get("code").is_some());
        assert!(browser.open(&ask("")).await.has("loginId"));
    })
}

fn with_second_factor(server: &TestServer) -> Running<'_> {
    Box::pin(async move {
        let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
        let mut browser = Browser::new(server);
        let page = filled(&mut browser, &ask(""), &[]).await;
        let wrong = browser.submit(&page, &[("code", "000000")]).await;
        let code = enrollment.recovery_codes[0].expose();
        assert!(browser.submit(&wrong, &[("code", code)]).await.get("code").is_some());
    })
}

fn with_new_password(server: &TestServer) -> Running<'_> {
    Box::pin(async move {
        server.directory.require_password_change(ADA, PasswordChange::Breached).await.unwrap();
        let mut browser = Browser::new(server);
        let page = filled(&mut browser, &ask(""), &[]).await;
        let filled = [("password", NEW_PASSWORD), ("confirm", NEW_PASSWORD)];
        assert!(browser.submit(&page, &filled).await.get("code").is_some());
    })
}

fn password_grant(server: &TestServer) -> Running<'_> {
    Box::pin(async move {
        assert_eq!(token(server, &password_form()).await.status, 200);
    })
}

fn password_grant_in_two_requests(server: &TestServer) -> Running<'_> {
    Box::pin(async move {
        let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
        let waiting = token(server, &password_form()).await.json();
        let id = waiting["two_factor_id"].as_str().unwrap();
        let code = enrollment.recovery_codes[0].expose();
        let form = format!("grant_type=password&two_factor_id={id}&two_factor_code={code}");
        assert_eq!(token(server, &form).await.status, 200);
    })
}

fn device(server: &TestServer) -> Running<'_> {
    Box::pin(async move {
        let client = format!("client_id={WEB}&client_secret={}", encode(WEB_SECRET));
        let codes = server.post("/oauth2/device_authorize").body(format!("{client}&scope=openid")).send().await.json();
        let text = |name: &str| codes[name].as_str().unwrap().to_owned();
        let mut browser = Browser::new(server);
        let page = browser.open("/oauth2/device").await;
        let page = browser.submit(&page, &[("user_code", &text("user_code"))]).await;
        let page = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
        browser.submit(&page, &[("decision", "allow")]).await;
        let grant_type = encode("urn:ietf:params:oauth:grant-type:device_code");
        let form = format!("grant_type={grant_type}&device_code={}", text("device_code"));
        let tokens = token(server, &form).await;
        assert_eq!(tokens.claims()["sub"], json!(ADA), "{}", tokens.text());
    })
}

fn wrong_password(server: &TestServer) -> Running<'_> {
    Box::pin(async move {
        let mut browser = Browser::new(server);
        let page = browser.open(&ask("")).await;
        browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", "x")]).await;
        token(server, &format!("grant_type=password&username={ADA_EMAIL}&password=x")).await;
    })
}

fn password_that_is_due(server: &TestServer) -> Running<'_> {
    Box::pin(async move {
        server.directory.require_password_change(ADA, PasswordChange::Expired).await.unwrap();
        assert_eq!(token(server, &password_form()).await.verdict().1, "change_password_required");
    })
}

// O3, ASVS 16.3.1
#[tokio::test]
async fn a_login_is_told_exactly_once() {
    type Way = fn(&TestServer) -> Running<'_>;
    let ways: [(&str, Way, usize); 9] = [
        ("a browser that is remembered", remembered, 1),
        ("a browser that is not", not_remembered, 1),
        ("with a second factor", with_second_factor, 1),
        ("with a new password", with_new_password, 1),
        ("the password grant", password_grant, 1),
        ("the password grant in two requests", password_grant_in_two_requests, 1),
        ("a device", device, 1),
        ("a wrong password", wrong_password, 0),
        ("a password that is due", password_that_is_due, 0),
    ];
    for (name, way, expected) in ways {
        let server = world_with(|tenant| tenant.settings.always_remember = false, |_, _| {}).await;
        let log = Log::start();
        way(&server).await;
        assert_eq!(log.told("login.succeeded"), vec![ADA.to_string(); expected], "{name}");
    }
}
