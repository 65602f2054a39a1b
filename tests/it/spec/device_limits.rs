//! HARDENING J9: a device gets less than the application gets otherwise, whoever let it in.

use faregate::model::{ClientSecret, DeviceGrantLimits, UnknownScopes};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::json;

use crate::support::authorization_server::{Answer, NOW, TENANT, TestServer, encode};
use crate::support::people::{SECRET, WEB, approval};

const DAY: i64 = 86_400;

async fn limited(server: &TestServer, limits: DeviceGrantLimits) {
    server.change(WEB, |settings| settings.device_grant = limits).await;
}

async fn ask(server: &TestServer, scope: &str) -> Answer {
    let body = format!("client_id={WEB}&client_secret={}&scope={}", encode(SECRET), encode(scope));
    server.post("/oauth2/device_authorize").body(body).send().await
}

/// What the device gets when somebody approves these scopes.
async fn redeem(server: &TestServer, asked: &Answer, approved: &str) -> Answer {
    let text = |name: &str| asked.json()[name].as_str().unwrap_or_else(|| panic!("{}", asked.text())).to_owned();
    let normal = ClientSecret::hash(&text("user_code").replace('-', ""));
    let code = server.store.find_device_code_by_user_code(TENANT, &normal).await.unwrap().unwrap();
    let approval = approval(WEB, approved);
    assert!(server.store.decide_device_code(code.id, Some(&approval), server.clock.now()).await.unwrap());
    let grant = encode("urn:ietf:params:oauth:grant-type:device_code");
    server.ask(WEB, &format!("grant_type={grant}&device_code={}", text("device_code"))).await
}

// J9, RFC 10027
#[tokio::test]
async fn devices_get_the_scopes_that_are_for_devices() {
    let server = TestServer::with_people().await;
    let scopes = |scopes: &[&str]| Some(scopes.iter().map(|&scope| scope.to_owned()).collect());
    limited(&server, DeviceGrantLimits { scopes: scopes(&["openid", "profile"]), ..Default::default() }).await;
    for scope in ["openid email", "offline_access"] {
        assert_eq!(ask(&server, scope).await.verdict().1, "invalid_scope", "{scope}");
    }
    // A code of a login that brought more, or a token that has more, lets a device have no more than that.
    let asked = ask(&server, "openid profile").await;
    let tokens = redeem(&server, &asked, "openid profile email offline_access").await;
    assert_eq!(tokens.claims()["scope"], json!("openid profile"));
    assert_eq!(tokens.json().get("refresh_token"), None);
    // Where unknown scopes are left out, these are, too.
    server.change(WEB, |settings| settings.unknown_scopes = UnknownScopes::Remove).await;
    let asked = ask(&server, "openid email").await;
    assert_eq!(redeem(&server, &asked, "openid").await.claims()["scope"], "openid");
    // Nobody else is limited.
    let browser = server.tokens(WEB, "openid email offline_access").await;
    assert_eq!(browser.claims()["scope"], "openid email offline_access");
}

// J9, C8: from the grant on, however often it is used
#[tokio::test]
async fn refresh_tokens_of_devices_may_end_earlier() {
    let server = TestServer::with_people().await;
    limited(&server, DeviceGrantLimits { refresh_tokens_for: Some(3 * DAY), ..Default::default() }).await;
    let asked = ask(&server, "offline_access").await;
    let token = redeem(&server, &asked, "offline_access").await.refresh_token();
    let other = server.tokens(WEB, "offline_access").await.refresh_token();
    for (day, good) in [(1, true), (2, true), (3, false)] {
        server.clock.set(NOW + day * DAY - i64::from(good));
        let answer = server.refresh(WEB, &token).await;
        assert_eq!(answer.status == StatusCode::OK, good, "{day}: {}", answer.text());
        assert_eq!(server.refresh(WEB, &other).await.status, StatusCode::OK, "{day}");
    }
}
