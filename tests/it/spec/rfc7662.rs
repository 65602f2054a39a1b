//! RFC 7662: introspection.

use faregate::directory::NewApiKey;
use faregate::model::{Profile, Tenant};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::authorization_server::{
    EMAIL, NOW, OTHER_TENANT, PUBLIC_URL, TENANT, TODO_API, TODO_SECRET, TestServer, encode, speaking,
};
use crate::support::people::{ADA, COMPATIBLE, SPA, WEB, id_of, members};

fn inactive() -> Value {
    json!({ "active": false })
}

// RFC 7662 2.1, 2.2; F-135, F-136, F-138, F-142, F-203, B10
#[tokio::test]
async fn a_good_token_is_described() {
    let server = TestServer::with_people().await;
    let token = server.tokens(COMPATIBLE, "openid").await;
    let answer = server.introspect(COMPATIBLE, &token.access_token()).await;
    let body = answer.json();
    assert_eq!(
        body,
        json!({
            "acr": "1", "active": true, "amr": ["pwd"], "applicationId": id_of(COMPATIBLE), "aud": COMPATIBLE,
            "auth_time": NOW - 60, "authenticationType": "PASSWORD", "client_id": COMPATIBLE,
            "email": "ada@example.com", "email_verified": true, "exp": NOW + 3600, "gid": body["gid"], "iat": NOW,
            "iss": PUBLIC_URL, "jti": token.claims()["jti"], "preferred_username": "ada", "roles": ["admin", "user"],
            "scope": "openid", "sub": ADA, "tid": TENANT, "token_type": "Bearer",
        })
    );
    assert!(members(&body).is_sorted());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // F-144, C10: a refresh token, told in words that no access token has.
    let refresh_token = server.tokens(WEB, "offline_access").await.refresh_token();
    let body = server.introspect(WEB, &refresh_token).await.json();
    assert_eq!(body, json!({ "active": true, "exp": NOW + 14 * 86_400 }));
}

// RFC 7662 2.2; F-137, F-141, I2: one body for everything that is not good.
#[tokio::test]
async fn what_is_not_good_is_inactive_and_nothing_else() {
    let server = TestServer::with_people().await;
    let good = server.tokens(WEB, "openid offline_access").await;
    let access_token = good.access_token();
    let (signed, _) = access_token.rsplit_once('.').unwrap();
    let id_token = good.json()["id_token"].as_str().unwrap().to_owned();
    let rotated = server.tokens(SPA, "offline_access").await.refresh_token();
    server.refresh(SPA, &rotated).await;
    let expired = server.tokens(WEB, "openid").await.access_token();
    let rows = [
        ("garbage", "x".to_owned()),
        ("F-141 with a space, as in FusionAuth's documentation", "a b.c.d".to_owned()),
        ("two dots", "..".to_owned()),
        ("another signature", format!("{signed}.{}", "A".repeat(86))),
        ("E3 an ID token", id_token),
        ("a rotated token of another client", rotated),
    ];
    for (name, token) in rows {
        let answer = server.introspect(WEB, &token).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, r#"{"active":false}"#.to_owned()), "{name}");
    }
    server.clock.advance(3600);
    assert_eq!(server.introspect(WEB, &expired).await.json(), inactive());
    assert_eq!(server.introspect(WEB, &good.refresh_token()).await.json()["active"], true);
}

// F-140, F-135, D5, I1
#[tokio::test]
async fn the_client_must_authenticate() {
    let server = TestServer::with_people().await;
    let token = server.tokens(WEB, "openid").await.access_token();
    let post = async |body: String| server.post("/oauth2/introspect").body(body).send().await.verdict();
    let missing = (401, "invalid_client".to_owned(), "client_authentication_missing".to_owned());
    assert_eq!(post(format!("client_id={WEB}&token={token}")).await, missing);
    assert_eq!(post(format!("token={token}")).await, missing);
    // A public client has nothing to prove itself with, so it learns nothing.
    assert_eq!(post(format!("client_id={SPA}&token={token}")).await, missing);
    let wrong = post(format!("client_id={WEB}&client_secret=x&token={token}")).await;
    assert_eq!(wrong.2, "invalid_client_authentication");
    let answer = server.introspect(WEB, "").await;
    assert_eq!(answer.verdict(), (400, "invalid_request".to_owned(), "missing_token".to_owned()));
    for method in ["GET", "PUT"] {
        let answer = server.request(method, "/oauth2/introspect").send().await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    // In the query nothing counts.
    let answer = server.post(&format!("/oauth2/introspect?client_id={WEB}&token={token}")).send().await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

// D5: where a tenant allows it, anybody may ask, as FusionAuth's own clients do.
#[tokio::test]
async fn an_open_tenant_answers_everybody() {
    let open = |tenant: &mut Tenant| tenant.settings.open_introspection = true;
    let server = TestServer::with_people_and(open).await;
    let token = server.tokens(WEB, "openid").await.access_token();
    let post = async |body: String| server.post("/oauth2/introspect").body(body).send().await.json();
    assert_eq!(post(format!("token={token}")).await["active"], true);
    assert_eq!(post(format!("client_id={WEB}&token={token}")).await["active"], true);
    assert_eq!(post(format!("client_id={COMPATIBLE}&token={token}")).await, inactive());
    // F-005: a secret that is sent must be right all the same.
    assert_eq!(post(format!("client_id={WEB}&client_secret=x&token={token}")).await["error"], "invalid_client");
}

// RFC 7662 4, I3, F-139, D9
#[tokio::test]
async fn others_tokens_are_not_the_askers_business() {
    let server = TestServer::with_people().await;
    let tokens = server.tokens(WEB, "offline_access").await;
    for token in [tokens.access_token(), tokens.refresh_token()] {
        assert_eq!(server.introspect(COMPATIBLE, &token).await.json(), inactive());
    }
    let server = TestServer::with_people_and(speaking(Profile::FusionAuth)).await;
    let tokens = server.tokens(WEB, "offline_access").await;
    for token in [tokens.access_token(), tokens.refresh_token()] {
        let answer = server.introspect(COMPATIBLE, &token).await;
        assert_eq!((answer.status.as_u16(), answer.verdict().2.as_str()), (401, "client_id_mismatch"));
    }
}

// F-143: entities ask about tokens that they were given, and about those that are meant for them.
#[tokio::test]
async fn entities_introspect() {
    let server = TestServer::start().await;
    let token = server.token("target-entity:email:read").await;
    let ask = async |client_id: &str, secret: &str, token: &str| {
        let call = server.post("/oauth2/introspect").basic(client_id, secret);
        call.body(format!("token={token}")).send().await.json()
    };
    let body = ask(&TODO_API.to_string(), TODO_SECRET, &token.access_token()).await;
    assert_eq!((&body["active"], &body["aud"], &body["sub"]), (&json!(true), &json!(EMAIL), &json!(TODO_API)));
    assert_eq!((body.get("email"), &body["permissions"]), (None, &json!({ EMAIL.to_string(): ["read"] })));
    assert_eq!(ask("email-client", "email secret", &token.access_token()).await["active"], true);
    assert_eq!(ask("calendar-client", "calendar secret", &token.access_token()).await, inactive());
}

// I2: another tenant's token is unknown, whoever asks.
#[tokio::test]
async fn another_tenants_token_is_unknown() {
    let server = TestServer::with_people().await;
    server.add_other_tenant().await;
    let foreign = format!("grant_type=client_credentials&client_id=reports&client_secret={}", encode("twin secret"));
    let answer = server.post(&format!("/{OTHER_TENANT}/oauth2/token")).body(foreign).send().await;
    assert_eq!(server.introspect(WEB, &answer.access_token()).await.json(), inactive());
}

// F-135, D5: an API key of the tenant, or of all, in place of a client's credentials
#[tokio::test]
async fn an_api_key_may_ask() {
    let server = TestServer::with_people().await;
    server.add_other_tenant().await;
    let token = server.tokens(WEB, "openid").await.access_token();
    for (tenant_id, client_id, expected) in [
        (None, None, (200, true)),
        (Some(TENANT), Some(WEB), (200, true)),
        (Some(TENANT), Some(SPA), (200, false)),
        (Some(OTHER_TENANT), None, (401, false)),
    ] {
        let key = NewApiKey { name: "k".to_owned(), tenant_id, ..NewApiKey::default() };
        let key = server.directory.create_api_key(key).await.unwrap().text;
        let client = client_id.map_or_else(String::new, |client_id| format!("&client_id={client_id}"));
        let call = server.post("/oauth2/introspect").header("Authorization", key.expose());
        let answer = call.body(format!("token={token}{client}")).send().await;
        let is_active = answer.json()["active"] == true;
        assert_eq!((answer.status.as_u16(), is_active), expected, "{tenant_id:?} {client_id:?}");
    }
    let unknown = server.post("/oauth2/introspect").header("Authorization", "x").body(format!("token={token}"));
    assert_eq!(unknown.send().await.status, StatusCode::UNAUTHORIZED);
}
