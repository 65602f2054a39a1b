//! RFC 8628: the device authorization grant, and FusionAuth's way of doing it.

use faregate::directory::NewApiKey;
use faregate::model::{Application, ApplicationGrant, ApplicationSettings, Approval, AuthenticationType};
use faregate::model::{ClientAuthenticationPolicy, ClientSecret, CustomScope, Profile, Relationship, Tenant, User};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use crate::support::authorization_server::{
    Answer, Call, NOW, OTHER_TENANT, PUBLIC_URL, TENANT, TODO_API, TODO_SECRET, TestServer, encode, speaking,
};

/// A client that nobody can authenticate: a television.
const TV: Uuid = uuid!("70a00000-0000-4000-8000-000000000001");
/// A client with a secret and a page of its own.
const BOX: Uuid = uuid!("70a00000-0000-4000-8000-000000000002");
const BOX_SECRET: &str = "box secret";
const BOX_PAGE: &str = "https://box.example/go?x=1";
/// A client without the grant.
const WEB: Uuid = uuid!("70a00000-0000-4000-8000-000000000003");
const ADA: Uuid = uuid!("ada00000-0000-4000-8000-000000000001");
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn start() -> TestServer {
    start_with(|_| {}).await
}

async fn start_with(change: impl FnOnce(&mut Tenant)) -> TestServer {
    let server = TestServer::start_with(change).await;
    let grants = vec![ApplicationGrant::DeviceCode, ApplicationGrant::RefreshToken];
    let public = ApplicationSettings {
        client_authentication: ClientAuthenticationPolicy::NotRequired,
        grants: grants.clone(),
        scopes: vec![scope("tv:watch")],
        ..ApplicationSettings::default()
    };
    let boxed = ApplicationSettings {
        grants,
        device_verification_uri: Some(BOX_PAGE.to_owned()),
        ..ApplicationSettings::default()
    };
    for application in [
        application(TV, "TV", None, public),
        application(BOX, "Box", Some(BOX_SECRET), boxed),
        application(WEB, "Web", Some("web secret"), ApplicationSettings::default()),
    ] {
        server.store.insert_application(&application).await.unwrap();
    }
    let ada = User { email: Some("ada@example.com".to_owned()), ..User::new(ADA, TENANT, 1) };
    server.store.insert_user(&ada).await.unwrap();
    server
}

fn application(id: Uuid, name: &str, secret: Option<&str>, settings: ApplicationSettings) -> Application {
    Application {
        id,
        tenant_id: TENANT,
        name: name.to_owned(),
        client_id: id.to_string(),
        client_secrets: secret.map(|secret| ClientSecret::new(secret, 1)).into_iter().collect(),
        roles: Vec::new(),
        settings,
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    }
}

fn scope(name: &str) -> CustomScope {
    CustomScope {
        id: Uuid::from_u128(1),
        name: name.to_owned(),
        description: None,
        is_required: false,
        consent_message: None,
        consent_detail: None,
    }
}

fn ask<'a>(server: &'a TestServer, client: Uuid, more: &str) -> Call<'a> {
    server.post("/oauth2/device_authorize").body(format!("client_id={client}{more}"))
}

async fn codes(server: &TestServer) -> (String, String) {
    let answer = ask(server, TV, "&scope=offline_access").send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (text("device_code"), text("user_code"))
}

async fn poll(server: &TestServer, device_code: &str) -> Answer {
    let body = format!("client_id={TV}&grant_type={}&device_code={device_code}", encode(DEVICE_CODE));
    server.post("/oauth2/token").body(body).send().await
}

async fn check(server: &TestServer, user_code: &str) -> Answer {
    server.get(&format!("/oauth2/device/validate?client_id={TV}&user_code={}", encode(user_code))).send().await
}

fn error(status: u16, error: &str, reason: &str) -> (u16, String, String) {
    (status, error.to_owned(), reason.to_owned())
}

/// What somebody decides about a code, past every page.
async fn decide(server: &TestServer, user_code: &str, approves: bool) {
    decide_of(server, TV, user_code, approves).await;
}

async fn decide_of(server: &TestServer, application_id: Uuid, user_code: &str, approves: bool) {
    let normal = ClientSecret::hash(&user_code.replace('-', ""));
    let code = server.store.find_device_code_by_user_code(TENANT, &normal).await.unwrap().unwrap();
    let approval = Approval {
        grant_id: Uuid::from_u128(77),
        tenant_id: TENANT,
        application_id,
        user_id: ADA,
        session_id: None,
        scopes: code.scopes.clone(),
        audience: None,
        authenticated_at: NOW,
        methods: vec!["pwd".to_owned()],
        acr: None,
        nonce: None,
        claims: None,
        bound_to: None,
        authentication_type: AuthenticationType::Password,
    };
    let approval = approves.then_some(&approval);
    assert!(server.store.decide_device_code(code.id, approval, server.clock.now()).await.unwrap());
}

// RFC 8628 3.2, F-157, F-158, F-159, F-160, J4
#[tokio::test]
async fn a_device_gets_its_codes() {
    let server = start().await;
    let answer = ask(&server, TV, "&scope=openid+tv:watch").send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["device_code", "expires_in", "interval", "user_code", "verification_uri", "verification_uri_complete"];
    assert_eq!(names, expected);
    let device_code = body["device_code"].as_str().unwrap();
    assert_eq!(device_code.len(), 43);
    assert!(device_code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    assert_eq!((&body["expires_in"], &body["interval"]), (&json!(300), &json!(5)));
    let user_code = body["user_code"].as_str().unwrap();
    assert_eq!((user_code.len(), &user_code[4..5]), (9, "-"));
    assert_eq!(body["verification_uri"], format!("{PUBLIC_URL}/oauth2/device"));
    assert_eq!(body["verification_uri_complete"], format!("{PUBLIC_URL}/oauth2/device?user_code={user_code}"));
}

// F-160, F-161, F-162
#[tokio::test]
async fn a_tenant_has_its_own_shape_of_codes_and_an_application_its_own_page() {
    let server = start_with(|tenant| {
        tenant.profile = Profile::FusionAuth;
        tenant.settings.user_code.alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789".to_owned();
        tenant.settings.user_code.mask = "******".to_owned();
        tenant.settings.device_code_for = 600;
    })
    .await;
    let body = ask(&server, TV, "").send().await.json();
    let user_code = body["user_code"].as_str().unwrap();
    assert_eq!((user_code.len(), &body["expires_in"]), (6, &json!(600)));
    let page = format!("{PUBLIC_URL}/oauth2/device?client_id={TV}&tenantId={TENANT}");
    assert_eq!(body["verification_uri"], page);
    assert_eq!(body["verification_uri_complete"], format!("{page}&user_code={user_code}"));

    let body = server
        .post("/oauth2/device_authorize")
        .basic(&BOX.to_string(), BOX_SECRET)
        .body("scope=email")
        .send()
        .await
        .json();
    assert_eq!(body["verification_uri"], BOX_PAGE);
    let user_code = body["user_code"].as_str().unwrap();
    assert_eq!(body["verification_uri_complete"], format!("{BOX_PAGE}&user_code={user_code}"));
}

// RFC 8628 3.1, J1, F-004, F-005, F-029, F-030
#[tokio::test]
async fn who_may_not_have_codes_is_told_why() {
    let server = start().await;
    let rows = [
        ("nobody", "scope=email".to_owned(), error(400, "invalid_request", "missing_client_id")),
        ("unknown", "client_id=nobody".to_owned(), error(401, "invalid_client", "client_authentication_missing")),
        ("no secret", format!("client_id={BOX}"), error(401, "invalid_client", "client_authentication_missing")),
        (
            "wrong secret",
            format!("client_id={BOX}&client_secret=x"),
            error(401, "invalid_client", "invalid_client_authentication"),
        ),
        (
            "a wrong secret that was not needed",
            format!("client_id={TV}&client_secret=x"),
            error(401, "invalid_client", "invalid_client_authentication"),
        ),
        (
            "grant off",
            format!("client_id={WEB}&client_secret=web+secret"),
            error(400, "unauthorized_client", "grant_type_disabled"),
        ),
        (
            "an entity",
            format!("client_id={TODO_API}&client_secret={}", encode(TODO_SECRET)),
            error(400, "unauthorized_client", "grant_type_disabled"),
        ),
        ("unknown scope", format!("client_id={TV}&scope=x"), error(400, "invalid_scope", "unknown_scope")),
        ("twice", format!("client_id={TV}&scope=email&scope=email"), error(400, "invalid_request", "unknown")),
    ];
    for (name, body, expected) in rows {
        let answer = server.post("/oauth2/device_authorize").body(body).send().await;
        assert_eq!(answer.verdict(), expected, "{name}");
    }
    assert_eq!(server.get("/oauth2/device_authorize").send().await.status, StatusCode::METHOD_NOT_ALLOWED);
    let json = server.request("POST", "/oauth2/device_authorize").header("content-type", "application/json");
    assert_eq!(json.body("{}").send().await.verdict().1, "invalid_request");
}

// J10
#[tokio::test]
async fn one_address_cannot_ask_for_any_number_of_codes() {
    let server = start().await;
    for _ in 0..60 {
        assert_eq!(ask(&server, TV, "").from("192.0.2.1").send().await.status, StatusCode::OK);
    }
    let answer = ask(&server, TV, "").from("192.0.2.1").send().await;
    assert_eq!(answer.verdict(), error(429, "temporarily_unavailable", "unknown"));
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert_eq!(ask(&server, TV, "").from("192.0.2.2").send().await.status, StatusCode::OK);
    server.clock.advance(60);
    assert_eq!(ask(&server, TV, "").from("192.0.2.1").send().await.status, StatusCode::OK);
}

// F-164
#[tokio::test]
async fn a_page_of_ones_own_can_check_a_code() {
    let server = start().await;
    let (_, user_code) = codes(&server).await;
    for typed in [&user_code, &user_code.to_lowercase(), &user_code.replace('-', " "), &user_code.replace('-', "")] {
        let answer = check(&server, typed).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{typed}");
    }
    let validate = |query: String| server.get(&format!("/oauth2/device/validate?{query}")).send();
    let code = encode(&user_code);
    let rows = [
        (format!("client_id={TV}"), "missing_user_code"),
        (format!("user_code={code}"), "missing_client_id"),
        (format!("client_id=nobody&user_code={code}"), "invalid_client_id"),
        (format!("client_id={TV}&user_code=BBBB-BBBB"), "invalid_user_code"),
        (format!("client_id={TV}&user_code=-"), "invalid_user_code"),
        // F-174: the code of another client.
        (format!("client_id={BOX}&user_code={code}"), "invalid_user_code"),
    ];
    for (query, reason) in rows {
        assert_eq!(validate(query.clone()).await.verdict(), error(400, "invalid_request", reason), "{query}");
    }
    server.clock.advance(299);
    assert_eq!(check(&server, &user_code).await.status, StatusCode::OK);
    server.clock.advance(1);
    assert_eq!(check(&server, &user_code).await.verdict(), error(400, "invalid_request", "user_code_expired"));
}

// RFC 8628 5.1, J3, T58
#[tokio::test]
async fn five_wrong_codes_and_the_guesser_waits() {
    let server = start().await;
    let (_, user_code) = codes(&server).await;
    let guess = |peer: &'static str, code: &str| {
        server.get(&format!("/oauth2/device/validate?client_id={TV}&user_code={code}")).from(peer).send()
    };
    for _ in 0..5 {
        assert_eq!(guess("192.0.2.1", "BBBB-BBBB").await.verdict().0, 400);
    }
    // The right code is not even looked up.
    let answer = guess("192.0.2.1", &user_code).await;
    assert_eq!(answer.verdict(), error(429, "temporarily_unavailable", "invalid_user_code"));
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert_eq!(guess("192.0.2.2", &user_code).await.status, StatusCode::OK);
    server.clock.advance(60);
    assert_eq!(guess("192.0.2.1", &user_code).await.status, StatusCode::OK);
}

// F-177, D-06
#[tokio::test]
async fn a_client_can_ask_what_a_code_is_for() {
    let server = start().await;
    let body = "scope=openid+offline_access+email&metaData.device.name=Living+room";
    let call = || server.post("/oauth2/device_authorize").basic(&BOX.to_string(), BOX_SECRET);
    let user_code = call().body(body).send().await.json()["user_code"].as_str().unwrap().to_owned();
    server.clock.advance(10);
    let describe = |body: String| server.post("/oauth2/device/user-code").body(body).send();
    let typed = encode(&user_code.to_lowercase());
    let answer = describe(format!("client_id={BOX}&client_secret=box+secret&user_code={typed}")).await;
    let expected = json!({
        "client_id": BOX,
        "deviceInfo": { "name": "Living room" },
        "expires_in": 290,
        "scope": "email",
        "tenantId": TENANT,
        "user_code": user_code,
    });
    assert_eq!(answer.json(), expected);
    let answer = describe(format!("client_id={BOX}&user_code={typed}")).await;
    assert_eq!(answer.verdict(), error(401, "invalid_client", "client_authentication_missing"));
    // Or whoever has an API key that is good for it.
    for (may, status) in [(None, 200), (Some("/api/user"), 401)] {
        let endpoints = may.map(|path| (path.to_owned(), ["POST".to_owned()].into())).into_iter().collect();
        let key = NewApiKey { name: "k".to_owned(), endpoints, ..NewApiKey::default() };
        let key = server.directory.create_api_key(key).await.unwrap().text;
        let call = server.post("/oauth2/device/user-code").header("Authorization", key.expose());
        let answer = call.body(format!("client_id={BOX}&user_code={typed}")).send().await;
        assert_eq!((answer.status.as_u16(), answer.json() == expected), (status, status == 200), "{may:?}");
    }
    let answer = describe(format!("client_id={BOX}&client_secret=box+secret&user_code=BBBB-BBBB")).await;
    assert_eq!(answer.verdict(), error(400, "invalid_request", "invalid_user_code"));
}

/// Codes for the client with a secret.
async fn box_codes(server: &TestServer, scope: &str) -> (String, String) {
    let body = format!("client_id={BOX}&client_secret=box+secret&scope={scope}");
    let body = server.post("/oauth2/device_authorize").body(body).send().await.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("device_code"), text("user_code"))
}

async fn box_poll(server: &TestServer, device_code: &str) -> Answer {
    let grant_type = encode(DEVICE_CODE);
    let body = format!("client_id={BOX}&client_secret=box+secret&grant_type={grant_type}&device_code={device_code}");
    server.post("/oauth2/token").body(body).send().await
}

// C11: without offline_access a device has an access token and nothing that outlives it.
#[tokio::test]
async fn a_device_gets_a_refresh_token_only_if_it_asks() {
    let server = start().await;
    for (scope, gets_one) in [("email", false), ("offline_access", true)] {
        let (device_code, user_code) = box_codes(&server, scope).await;
        decide_of(&server, BOX, &user_code, true).await;
        let granted = box_poll(&server, &device_code).await.json();
        assert_eq!((granted["access_token"].is_string(), granted["refresh_token"].is_string()), (true, gets_one));
    }
}

// F-177, D-06
#[tokio::test]
async fn a_client_can_approve_on_its_own_page() {
    let server = start().await;
    let (first, user_code) = box_codes(&server, "email").await;
    decide_of(&server, BOX, &user_code, true).await;
    let token = box_poll(&server, &first).await.access_token();
    let (tv_device_code, tv_user_code) = codes(&server).await;

    let (device_code, user_code) = box_codes(&server, "offline_access").await;
    // FusionAuth's clients send their API key along, without a scheme. It proves nothing, and it does no harm.
    let approve =
        |body: String| server.post("/oauth2/device/approve").header("authorization", "some-api-key").body(body).send();
    let client = format!("client_id={BOX}&client_secret=box+secret");
    let rows = [
        (format!("{client}&user_code={user_code}"), error(400, "invalid_request", "missing_token")),
        (format!("{client}&token={token}"), error(400, "invalid_request", "missing_user_code")),
        (format!("{client}&token=x&user_code={user_code}"), error(401, "invalid_token", "access_token_malformed")),
        (
            format!("client_id={BOX}&token={token}&user_code={user_code}"),
            error(401, "invalid_client", "client_authentication_missing"),
        ),
        (
            // A client that cannot prove who it is has no page that could approve.
            format!("client_id={TV}&token={token}&user_code={tv_user_code}"),
            error(401, "invalid_client", "client_authentication_missing"),
        ),
        (
            format!("{client}&token={token}&user_code={tv_user_code}"),
            error(400, "invalid_request", "invalid_user_code"),
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(approve(body.clone()).await.verdict(), expected, "{body}");
    }
    assert_eq!(box_poll(&server, &device_code).await.verdict().1, "authorization_pending");
    let answer = approve(format!("{client}&token={token}&user_code={user_code}")).await;
    let expected = json!({ "deviceGrantStatus": "Approved", "deviceInfo": {}, "tenantId": TENANT, "userId": ADA });
    assert_eq!(answer.json(), expected);
    let again = approve(format!("{client}&token={token}&user_code={user_code}")).await;
    assert_eq!(again.verdict(), error(400, "invalid_request", "invalid_user_code"));
    server.clock.advance(5);
    let granted = box_poll(&server, &device_code).await;
    assert_eq!(
        (granted.claims()["sub"].clone(), granted.json()["scope"].clone()),
        (json!(ADA), json!("offline_access"))
    );
    assert_eq!(poll(&server, &tv_device_code).await.verdict().1, "authorization_pending");
}

// K8: what a third party's device may have, its user says on our page or has said before.
#[tokio::test]
async fn a_third_party_cannot_approve_more_than_its_token_has() {
    let server = start().await;
    let before = server.store.find_application(BOX).await.unwrap().unwrap();
    let mut after = before.clone();
    after.settings.relationship = Relationship::ThirdParty;
    assert!(server.store.update_application(&before, &after).await.unwrap());
    let (first, user_code) = box_codes(&server, "email").await;
    decide_of(&server, BOX, &user_code, true).await;
    let token = box_poll(&server, &first).await.access_token();
    for (scope, expected) in [("email+profile", "consent_required"), ("email", "")] {
        let (_, user_code) = box_codes(&server, scope).await;
        let body = format!("client_id={BOX}&client_secret=box+secret&token={token}&user_code={user_code}");
        assert_eq!(server.post("/oauth2/device/approve").body(body).send().await.verdict().1, expected, "{scope}");
    }
}

// RFC 8628 3.3.1: the picture is the address, whether the code exists or not.
#[tokio::test]
async fn a_device_that_cannot_draw_gets_its_picture() {
    let server = start().await;
    let picture = |query: String| server.get(&format!("/oauth2/device/picture?{query}")).send();
    let answer = picture(format!("client_id={TV}&user_code=wdjb-mjht")).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("image/svg+xml")));
    assert_eq!(answer.text(), picture(format!("client_id={TV}&user_code=WDJB%20MJHT")).await.text());
    assert_ne!(answer.text(), picture(format!("client_id={TV}&user_code=WDJB-MJHV")).await.text());
    assert_eq!(picture(format!("client_id={TV}")).await.verdict().2, "missing_user_code");
    assert_eq!(picture(format!("client_id={WEB}&user_code=A")).await.verdict().2, "grant_type_disabled");
}

// RFC 8628 3.4, 3.5, F-166, F-167, F-168, F-169, F-171
#[tokio::test]
async fn a_device_is_told_how_far_it_is() {
    let server = start_with(speaking(Profile::FusionAuth)).await;
    let (device_code, user_code) = codes(&server).await;
    let pending = json!({
        "error": "authorization_pending",
        "error_description": "The authorization request is still pending",
    });
    // F-170: this dialect has no word for "slow down".
    for _ in 0..20 {
        let answer = poll(&server, &device_code).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::BAD_REQUEST, pending.clone()));
    }
    decide(&server, &user_code, false).await;
    assert_eq!(poll(&server, &device_code).await.verdict(), error(400, "access_denied", "consent_canceled"));

    let (device_code, _) = codes(&server).await;
    server.clock.advance(300);
    let expired = json!({
        "error": "expired_token",
        "error_description": "The device_code has expired, and the device authorization session has concluded.",
    });
    assert_eq!(poll(&server, &device_code).await.json(), expired);
    let invalid = json!({
        "error": "invalid_request",
        "error_reason": "invalid_device_code",
        "error_description": "The request has an invalid parameter: device_code",
    });
    assert_eq!(poll(&server, "nothing").await.json(), invalid);
    let missing = server.post("/oauth2/token").body(format!("client_id={TV}&grant_type={}", encode(DEVICE_CODE)));
    assert_eq!(missing.send().await.verdict(), error(400, "invalid_request", "missing_device_code"));
}

// RFC 8628 3.5, J6: the interval grows by five seconds and stays so.
#[tokio::test]
async fn a_hasty_device_is_slowed_down() {
    let server = start().await;
    let (device_code, _) = codes(&server).await;
    // Seconds since the poll before, and what is answered. The interval is 5 at first.
    let rows = [
        (0, "authorization_pending"),
        (4, "slow_down"),
        (9, "slow_down"),
        (14, "slow_down"),
        (20, "authorization_pending"),
        (20, "authorization_pending"),
        (19, "slow_down"),
        (24, "slow_down"),
    ];
    for (number, (wait_for, expected)) in rows.into_iter().enumerate() {
        server.clock.advance(wait_for);
        assert_eq!(poll(&server, &device_code).await.verdict(), error(400, expected, ""), "poll {number}");
    }
    assert_eq!(poll(&server, "nothing").await.verdict(), error(400, "invalid_grant", "invalid_device_code"));
}

// F-172, F-173, F-174, F-176, J5
#[tokio::test]
async fn an_approved_device_gets_its_tokens_once() {
    let server = start().await;
    let (device_code, user_code) = codes(&server).await;
    decide(&server, &user_code, true).await;
    let foreign = format!(
        "client_id={BOX}&client_secret=box+secret&grant_type={}&device_code={device_code}",
        encode(DEVICE_CODE)
    );
    let answer = server.post("/oauth2/token").body(foreign).send().await;
    assert_eq!(answer.verdict(), error(400, "invalid_grant", "invalid_device_code"));
    // Two polls at once.
    let (one, other) = tokio::join!(poll(&server, &device_code), poll(&server, &device_code));
    let mut answers = [one, other];
    answers.sort_by_key(|answer| answer.status);
    let [granted, refused] = answers;
    let body: Value = granted.json();
    assert_eq!(granted.claims()["sub"], json!(ADA));
    assert_eq!(body["scope"], "offline_access");
    assert!(body["refresh_token"].is_string() && body.get("id_token").is_none(), "{body}");
    assert_eq!(refused.verdict(), error(400, "invalid_grant", "invalid_device_code"));
    assert_eq!(check(&server, &user_code).await.verdict().2, "invalid_user_code");
    let refresh =
        format!("client_id={TV}&grant_type=refresh_token&refresh_token={}", body["refresh_token"].as_str().unwrap());
    assert_eq!(server.post("/oauth2/token").body(refresh).send().await.status, StatusCode::OK);
}

// F-160: of two tenants, each has its own codes.
#[tokio::test]
async fn a_code_is_of_one_tenant() {
    let server = start().await;
    server.add_other_tenant().await;
    let tv = Application {
        tenant_id: OTHER_TENANT,
        id: Uuid::from_u128(9),
        ..server.store.find_application(TV).await.unwrap().unwrap()
    };
    server.store.insert_application(&tv).await.unwrap();
    let body = server.post(&format!("/{OTHER_TENANT}/oauth2/device_authorize")).body(format!("client_id={TV}")).send();
    let body = body.await.json();
    assert_eq!(body["verification_uri"], format!("{PUBLIC_URL}/{OTHER_TENANT}/oauth2/device"));
    let user_code = body["user_code"].as_str().unwrap();
    let check = |tenant: Uuid| {
        server.get(&format!("/{tenant}/oauth2/device/validate?client_id={TV}&user_code={user_code}")).send()
    };
    assert_eq!(check(OTHER_TENANT).await.status, StatusCode::OK);
    assert_eq!(check(TENANT).await.verdict().2, "invalid_user_code");
}
