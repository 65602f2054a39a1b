//! RFC 8707: a token is for the API that the client names, or for the client; never for everybody (E1).

use faregate::model::{Api, Profile, Tenant};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::json;

use crate::support::authorization_server::{Answer, PUBLIC_URL, TODO_API, TODO_SECRET, TestServer, encode};
use crate::support::browser::Browser;
use crate::support::people::{ADA_EMAIL, CALLBACK, PASSWORD, SECRET, WEB, redemption};

const ORDERS: &str = "https://orders.example.com/";
const MAIL: &str = "https://mail.example.com/v1";

fn apis(tenant: &mut Tenant) {
    let api = |identifier: &str, scope: &str, allows_offline_access| Api {
        identifier: identifier.to_owned(),
        scopes: vec![scope.to_owned()],
        allows_offline_access,
    };
    tenant.settings.apis =
        vec![api(ORDERS, "orders:read", true), api(MAIL, "mail:send", false), api("legacy", "x", false)];
}

fn link(more: &str) -> String {
    format!("/oauth2/authorize?client_id={WEB}&response_type=code&redirect_uri={}{more}", encode(CALLBACK))
}

fn resource(uri: &str) -> String {
    format!("&resource={}", encode(uri))
}

/// The code that Ada's browser brings back.
async fn code(server: &TestServer, more: &str) -> String {
    let shown = Browser::new(server).sign_in(&link(more), ADA_EMAIL, PASSWORD).await;
    shown.get("code").unwrap_or_else(|| panic!("no code: {:?} {}", shown.location, shown.text()))
}

async fn redeem(server: &TestServer, code: &str, more: &str) -> Answer {
    server.ask(WEB, &format!("{}{more}", redemption(code))).await
}

fn assert_target(answer: &Answer, what: &str) {
    assert_eq!((answer.status, &answer.json()["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_target")), "{what}");
}

// E1, RFC 8707 2.1, 2.2, C2
#[tokio::test]
async fn a_token_is_for_the_api_that_was_named() {
    let server = TestServer::with_people_and(apis).await;
    // Nobody named one: it is for the client itself.
    let own = redeem(&server, &code(&server, "&scope=openid").await, "").await;
    assert_eq!(own.claims()["aud"], WEB);
    let more = format!("{}&scope=openid+orders%3Aread+offline_access", resource(ORDERS));
    let granted = code(&server, &more).await;
    for other in [MAIL, "https://orders.example.com", "legacy"] {
        assert_target(&redeem(&server, &granted, &resource(other)).await, other);
    }
    // None of that spent the code; the ID token is for the client (Core 2).
    let tokens = redeem(&server, &granted, &resource(ORDERS)).await;
    assert_eq!(
        (&tokens.claims()["aud"], &tokens.claims()["scope"]),
        (&json!(ORDERS), &json!("openid orders:read offline_access"))
    );
    let id_token = tokens.json()["id_token"].as_str().unwrap().to_owned();
    assert_eq!(crate::support::authorization_server::part(&id_token, 1)["aud"], WEB);
    let refresh = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh_token());
    assert_target(&server.ask(WEB, &format!("{refresh}{}", resource(MAIL))).await, "refreshed");
    for more in [String::new(), resource(ORDERS)] {
        assert_eq!(server.ask(WEB, &format!("{refresh}{more}")).await.claims()["aud"], ORDERS, "{more}");
    }
    // An API is not added to what was approved without it.
    let plain = code(&server, "&scope=openid").await;
    assert_target(&redeem(&server, &plain, &resource(ORDERS)).await, "not approved");
}

// RFC 8707 2: absolute, without a fragment, and known
#[tokio::test]
async fn what_is_no_api_is_no_target() {
    let server = TestServer::with_people_and(apis).await;
    for uri in [
        "https://evil.example/",
        "https://orders.example.com",
        "HTTPS://orders.example.com/",
        "legacy",
        "orders",
        "https://orders.example.com/#x",
        "/",
    ] {
        let shown = Browser::new(&server).open(&link(&resource(uri))).await;
        assert_eq!(shown.refusal().0, "invalid_target", "{uri}");
        let form = format!(
            "client_id={WEB}&client_secret={}&response_type=code&redirect_uri={}{}",
            encode(SECRET),
            encode(CALLBACK),
            resource(uri)
        );
        assert_target(&server.post("/oauth2/par").body(form).send().await, uri);
    }
    // Its scopes are asked for with it only.
    assert_eq!(
        Browser::new(&server).sign_in(&link("&scope=orders%3Aread"), ADA_EMAIL, PASSWORD).await.refusal().0,
        "invalid_scope"
    );
    let other = format!("{}&scope=orders%3Aread", resource(MAIL));
    assert_eq!(Browser::new(&server).sign_in(&link(&other), ADA_EMAIL, PASSWORD).await.refusal().0, "invalid_scope");
    // A10: a grant is for one.
    let twice =
        server.get(&link(&format!("{}{}", resource(ORDERS), resource(MAIL)))).header("Accept", "application/json");
    assert_eq!(twice.send().await.verdict().1, "invalid_target");
    let twice = format!("grant_type=refresh_token&refresh_token=x{}{}", resource(ORDERS), resource(ORDERS));
    assert_target(&server.ask(WEB, &twice).await, "repeated");
}

// RFC 8707 2.2: at the other grants
#[tokio::test]
async fn every_grant_knows_the_api() {
    let server = TestServer::with_people_and(apis).await;
    let password = format!("grant_type=password&username={ADA_EMAIL}&password={}&scope=mail%3Asend", encode(PASSWORD));
    let tokens = server.ask(WEB, &format!("{password}{}", resource(MAIL))).await;
    assert_eq!((&tokens.claims()["aud"], &tokens.claims()["scope"]), (&json!(MAIL), &json!("mail:send")));
    assert_target(&server.ask(WEB, &format!("{password}{}", resource("https://evil.example/"))).await, "password");
    let device = format!("client_id={WEB}&client_secret={}&scope=openid{}", encode(SECRET), resource(MAIL));
    let asked = server.post("/oauth2/device_authorize").body(device).send().await.json();
    let hash = faregate::model::ClientSecret::hash(asked["device_code"].as_str().unwrap());
    let stored = server.store.find_device_code(&hash).await.unwrap().unwrap();
    assert_eq!(stored.audience.as_deref(), Some(MAIL));
    // An entity's token is for what its scope names.
    let form = format!("grant_type=client_credentials{}", resource(ORDERS));
    let entity = server.post("/oauth2/token").basic(&TODO_API.to_string(), TODO_SECRET).body(form).send().await;
    assert_target(&entity, "an entity");
}

// A11: where nobody knows the parameter it says nothing
#[tokio::test]
async fn fusionauths_clients_may_say_resource() {
    let server = TestServer::with_people_and(|tenant| {
        apis(tenant);
        tenant.profile = Profile::FusionAuth;
    })
    .await;
    let tokens = redeem(&server, &code(&server, &resource(ORDERS)).await, &resource(MAIL)).await;
    assert_eq!(tokens.claims()["aud"], WEB);
}

// RFC 9728 7.4: what the gateway protects is called as its metadata calls it
#[tokio::test]
async fn what_the_gateway_protects_is_a_target() {
    let server = TestServer::with_people_and(apis).await;
    let own = format!("{PUBLIC_URL}/orders/7?x=1");
    let granted = code(&server, &format!("{}&scope=openid+offline_access", resource(&own))).await;
    let tokens = redeem(&server, &granted, &resource(&own)).await;
    assert_eq!(tokens.claims()["aud"], own);
    let refresh = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh_token());
    assert_eq!(server.ask(WEB, &refresh).await.claims()["aud"], own);
    assert_target(&server.ask(WEB, &format!("{refresh}{}", resource(PUBLIC_URL))).await, "another");
    for near in [".evil.example/", ":8443/", "@evil.example/", "#x", "x", " "] {
        let shown = Browser::new(&server).open(&link(&resource(&format!("{PUBLIC_URL}{near}")))).await;
        assert_eq!(shown.refusal().0, "invalid_target", "{near}");
    }
}
