//! RFC 7591 and RFC 7592: clients that register themselves, and what becomes of them.

use faregate::directory::NewApiKey;
use faregate::model::{
    Application, ClientRegistration, ClientSecret, CustomScope, RegistrationMode, SelfRegistered, Tenant,
};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::authorization_server::{Answer, FORM, NOW, OTHER_TENANT, PUBLIC_URL, TENANT, TestServer, encode};
use crate::support::browser::{Browser, Shown};
use crate::support::people::members;
use crate::support::world::{ADA_EMAIL, CHALLENGE, PASSWORD, VERIFIER, world_with};

pub(super) const REGISTER: &str = "/oauth2/register";
pub(super) const JSON: &str = "application/json";
pub(super) const CALLBACK: &str = "https://agent.example/callback";

pub(super) fn scope(name: &str) -> CustomScope {
    CustomScope {
        id: Uuid::nil(),
        name: name.to_owned(),
        description: Some(format!("May {name}")),
        is_required: true,
        consent_message: None,
        consent_detail: None,
    }
}

fn registration(mode: RegistrationMode) -> ClientRegistration {
    ClientRegistration { scopes: vec![scope("orders:read"), scope("orders:write")], ..ClientRegistration::new(mode) }
}

/// A tenant with people where clients register themselves.
async fn world(mode: RegistrationMode) -> TestServer {
    world_with(|tenant| tenant.settings.client_registration = Some(registration(mode)), |_, _| {}).await
}

pub(super) async fn open() -> TestServer {
    world(RegistrationMode::Open).await
}

/// Another word of the tenant from now on.
pub(super) async fn decide(server: &TestServer, change: impl FnOnce(&mut Option<ClientRegistration>)) {
    let before = server.store.find_tenant(TENANT).await.unwrap().unwrap();
    let mut after = Tenant { updated_at: before.updated_at + 1, ..before.clone() };
    change(&mut after.settings.client_registration);
    assert!(server.store.update_tenant(&before, &after).await.unwrap());
    server.keys.reload().await.unwrap();
}

pub(super) async fn register(server: &TestServer, metadata: Value) -> Answer {
    server.post_as(REGISTER, JSON).body(metadata.to_string()).send().await
}

/// What the client was told, if it could register.
pub(super) async fn registered(server: &TestServer, metadata: Value) -> Value {
    let answer = register(server, metadata).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()
}

/// A program on somebody's desk.
pub(super) fn agent() -> Value {
    json!({
        "client_name": "Agent",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid offline_access orders:read",
    })
}

pub(super) fn text<'a>(client: &'a Value, member: &str) -> &'a str {
    client[member].as_str().unwrap_or_else(|| panic!("no {member}: {client}"))
}

pub(super) fn path(client: &Value) -> String {
    text(client, "registration_client_uri").strip_prefix(PUBLIC_URL).unwrap().to_owned()
}

pub(super) async fn stored(server: &TestServer, client: &Value) -> Option<Application> {
    let id = Uuid::try_parse(text(client, "client_id")).unwrap();
    server.store.find_application(id).await.unwrap()
}

pub(super) async fn own(server: &TestServer, client: &Value) -> SelfRegistered {
    stored(server, client).await.unwrap().settings.self_registered.unwrap()
}

pub(super) fn ask(client: &Value, scope: &str) -> String {
    format!(
        "/oauth2/authorize?client_id={}&redirect_uri={}&response_type=code&scope={}&code_challenge={CHALLENGE}\
         &code_challenge_method=S256",
        text(client, "client_id"),
        encode(CALLBACK),
        encode(scope),
    )
}

pub(super) async fn redeem(server: &TestServer, client: &Value, code: &str) -> Answer {
    let form = format!(
        "grant_type=authorization_code&client_id={}&code={code}&redirect_uri={}&code_verifier={VERIFIER}",
        text(client, "client_id"),
        encode(CALLBACK),
    );
    server.post("/oauth2/token").body(form).send().await
}

pub(super) async fn code(server: &TestServer, client: &Value, scope: &str) -> String {
    let mut browser = Browser::new(server);
    let page = browser.sign_in(&ask(client, scope), ADA_EMAIL, PASSWORD).await;
    let shown = match page.has("allow") {
        true => browser.submit(&page, &[("decision", "allow")]).await,
        false => page,
    };
    shown.get("code").unwrap_or_else(|| panic!("no code: {:?} {}", shown.location, shown.text()))
}

pub(super) fn refusal(answer: &Answer) -> (u16, String) {
    let (status, error, _) = answer.verdict();
    (status, error)
}

fn refused(shown: &Shown) -> String {
    shown.refusal().0
}

/// What the client hears, once a person has said who they are and that they want to go there (A13).
pub(super) async fn refused_after_login(server: &TestServer, address: &str) -> String {
    let mut browser = Browser::new(server);
    let page = browser.sign_in(address, ADA_EMAIL, PASSWORD).await;
    assert_eq!(page.location, None, "nobody is sent to a stranger unasked");
    refused(&browser.submit(&page, &[("decision", "leave")]).await)
}

// RFC 7591 3.2.1, K7, K8: what it is told, what the person is told, and what it gets
#[tokio::test]
async fn a_client_registers_and_people_decide() {
    let server = open().await;
    let answer = register(&server, agent()).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::CREATED, Some("no-store")));
    let client = answer.json();
    let id = text(&client, "client_id").to_owned();
    let expected = json!({
        "client_id": id,
        "client_id_issued_at": NOW,
        "client_name": "Agent",
        "dpop_bound_access_tokens": false,
        "grant_types": ["authorization_code", "refresh_token"],
        "id_token_signed_response_alg": "ES256",
        "redirect_uris": [CALLBACK],
        "registration_access_token": client["registration_access_token"],
        "registration_client_uri": format!("{PUBLIC_URL}{REGISTER}/{id}"),
        "require_pushed_authorization_requests": false,
        "response_types": ["code"],
        "scope": "openid offline_access orders:read",
        "subject_type": "public",
        "tls_client_certificate_bound_access_tokens": false,
        "token_endpoint_auth_method": "none",
    });
    assert_eq!(client, expected);
    assert_eq!(own(&server, &client).await.unused_until, Some(NOW + 7 * 86_400));
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&ask(&client, "openid offline_access orders:read"), ADA_EMAIL, PASSWORD).await;
    for told in ["Agent", "agent.example", "May orders:read", "Unverified"] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
    let mark = stored(&server, &client).await.unwrap().name;
    assert!(mark.starts_with("Agent (") && !page.text().contains(&mark), "only administrators have to tell them apart");
    let shown = browser.submit(&page, &[("decision", "allow")]).await;
    let tokens = redeem(&server, &client, &shown.get("code").unwrap()).await;
    assert_eq!(tokens.claims()["scope"], "openid offline_access orders:read");
    assert!(tokens.json()["refresh_token"].is_string());
    assert_eq!(own(&server, &client).await.unused_until, None, "somebody uses it");
    // What was decided is remembered, and more is asked for again.
    assert!(browser.open(&ask(&client, "openid orders:read")).await.get("code").is_some());
    // What it did not register for it does not get, although the tenant offers it.
    assert_eq!(refused(&browser.open(&ask(&client, "openid orders:write")).await), "invalid_scope");
    // RFC 7636: nobody has looked at it, so it always proves that the code is its own.
    let bare = ask(&client, "openid").split("&code_challenge=").next().unwrap().to_owned();
    assert_eq!(refused(&browser.open(&bare).await), "invalid_request");
}

// RFC 6749 1.5, RFC 7591 2: without OpenID Connect there is no scope for refresh tokens, and people are told all the same
#[tokio::test]
async fn a_client_of_plain_oauth_refreshes_by_its_grant() {
    let server = open().await;
    let mut metadata = agent();
    metadata["scope"] = "orders:read".into();
    let client = registered(&server, metadata.clone()).await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&ask(&client, "orders:read"), ADA_EMAIL, PASSWORD).await;
    assert!(page.text().contains("90 days"), "for how long: {}", page.text());
    let shown = browser.submit(&page, &[("decision", "allow")]).await;
    let tokens = redeem(&server, &client, &shown.get("code").unwrap()).await;
    assert_eq!(tokens.json()["scope"], "orders:read offline_access", "it is told what it got (RFC 6749 5.1)");
    assert!(tokens.json()["refresh_token"].is_string());
    // With OpenID Connect there is a scope for it (Core 11), and without the grant there is nothing to use it with.
    let other = registered(&server, agent()).await;
    let tokens = redeem(&server, &other, &code(&server, &other, "openid").await).await;
    assert_eq!(tokens.json().get("refresh_token"), None);
    metadata["grant_types"] = json!(["authorization_code"]);
    let other = registered(&server, metadata).await;
    let tokens = redeem(&server, &other, &code(&server, &other, "orders:read").await).await;
    assert_eq!(tokens.json().get("refresh_token"), None);
}

// RFC 7591 2: what is not said has its default
#[tokio::test]
async fn a_client_that_says_little_has_a_secret_and_codes() {
    let server = open().await;
    let client = registered(&server, json!({ "redirect_uris": [CALLBACK] })).await;
    assert_eq!(client["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(client["grant_types"], json!(["authorization_code"]));
    assert_eq!(client["scope"], "openid address email phone profile orders:read orders:write");
    assert_eq!(client["client_secret_expires_at"], 0);
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let code = code(&server, &client, "openid orders:write").await;
    let form =
        format!("grant_type=authorization_code&code={code}&redirect_uri={}&code_verifier={VERIFIER}", encode(CALLBACK));
    let wrong = server.post("/oauth2/token").basic(id, "wrong").body(form.clone()).send().await;
    assert_eq!(refusal(&wrong), (401, "invalid_client".to_owned()));
    let tokens = server.post("/oauth2/token").basic(id, secret).body(form).send().await;
    assert_eq!(tokens.claims()["scope"], "openid orders:write");
    assert_eq!(tokens.json().get("refresh_token"), None);
}

// RFC 7591 2, 3.2.2, A3, A4: what cannot be is refused with its name; what is unknown is not looked at
#[tokio::test]
async fn what_a_client_cannot_be_is_refused() {
    let server = open().await;
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let many: Vec<String> = (0..21).map(|number| format!("https://agent.example/{number}")).collect();
    let rows = [
        (json!([]), "invalid_client_metadata"),
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["http://agent.example/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["https://*.example/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["https://agent.example/cb#x"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["agent://cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [CALLBACK, "data:text/html,x"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": many }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": [CALLBACK], "post_logout_redirect_uris": ["http://agent.example/"] }),
            "invalid_redirect_uri",
        ),
        (json!({ "redirect_uris": CALLBACK }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [CALLBACK], "client_name": " " }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [CALLBACK], "client_name": "a".repeat(121) }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [CALLBACK], "client_name": "Acme \u{202e}gniknaB" }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "magic" }), "invalid_client_metadata"),
        (
            json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt" }),
            "invalid_client_metadata",
        ),
        (json!({ "redirect_uris": [CALLBACK], "jwks": { "keys": [key] } }), "invalid_client_metadata"),
        (
            json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [] } }),
            "invalid_client_metadata",
        ),
        (
            json!({
                "redirect_uris": [CALLBACK],
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks_uri": "http://169.254.169.254/",
            }),
            "invalid_client_metadata",
        ),
        // Nobody asks clients for certificates here.
        (
            json!({
                "redirect_uris": [CALLBACK],
                "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_san_dns": "agent.example",
            }),
            "invalid_client_metadata",
        ),
        (json!({ "redirect_uris": [CALLBACK], "tls_client_auth_san_dns": "agent.example" }), "invalid_client_metadata"),
        (
            json!({ "redirect_uris": [CALLBACK], "tls_client_certificate_bound_access_tokens": true }),
            "invalid_client_metadata",
        ),
        (json!({ "redirect_uris": [CALLBACK], "grant_types": ["client_credentials"] }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [CALLBACK], "grant_types": ["refresh_token"] }), "invalid_client_metadata"),
        (json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"] }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [CALLBACK], "response_types": ["token"] }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [CALLBACK], "subject_type": "pairwise" }), "invalid_client_metadata"),
        (json!({ "redirect_uris": [CALLBACK], "userinfo_signed_response_alg": "none" }), "invalid_client_metadata"),
        (
            json!({ "redirect_uris": [CALLBACK], "frontchannel_logout_uri": "http://agent.example/" }),
            "invalid_client_metadata",
        ),
        (json!({ "redirect_uris": [CALLBACK], "software_id": "x".repeat(40_000) }), "invalid_client_metadata"),
    ];
    for (number, (metadata, error)) in rows.into_iter().enumerate() {
        let call = server.post_as(REGISTER, JSON).from(&format!("10.0.{number}.1")).body(metadata.to_string());
        let answer = call.send().await;
        assert_eq!(refusal(&answer), (400, error.to_owned()), "{metadata}");
        server.clock.advance(60);
    }
    let applications = server.store.list_applications(Some(TENANT)).await.unwrap();
    assert!(applications.iter().all(|application| application.settings.self_registered.is_none()));
    // A form is no document, and what is longer than 64 KiB is not read.
    let form = server.post_as(REGISTER, FORM).body(agent().to_string()).send().await;
    assert_eq!(refusal(&form), (400, "invalid_request".to_owned()));
    let long = server.post_as(REGISTER, JSON).body(" ".repeat(70_000)).send().await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    let unheard_of = json!({ "redirect_uris": [CALLBACK], "logo_uri": "https://x/", "unheard_of": { "a": [1] } });
    let client = registered(&server, unheard_of).await;
    assert!(!members(&client).iter().any(|name| ["logo_uri", "unheard_of"].contains(name)), "it is told so");
}

// OpenID Connect Dynamic Client Registration 1.0 2, RFC 9449 5.2, RFC 9126 6: what it says is what it is
#[tokio::test]
async fn what_a_client_says_is_what_it_is() {
    let server = open().await;
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let said = json!({
        "client_uri": "https://agent.example/",
        "contacts": ["ops@agent.example"],
        "dpop_bound_access_tokens": true,
        "frontchannel_logout_session_required": true,
        "frontchannel_logout_uri": "https://agent.example/out",
        "jwks": { "keys": [key] },
        "post_logout_redirect_uris": ["https://agent.example/bye"],
        "redirect_uris": [CALLBACK, "http://127.0.0.1/cb", "http://localhost:3000/cb", "com.example.agent:/cb"],
        "require_pushed_authorization_requests": true,
        "software_id": "agent-7",
        "token_endpoint_auth_method": "private_key_jwt",
        "userinfo_signed_response_alg": "ES256",
    });
    let client = registered(&server, said.clone()).await;
    for (name, value) in said.as_object().unwrap() {
        match name.as_str() {
            // Where a browser lands after a logout is where it may be sent at all (F-015).
            "post_logout_redirect_uris" => assert_eq!(client["redirect_uris"][4], "https://agent.example/bye"),
            "redirect_uris" => assert_eq!(client[name].as_array().unwrap()[..4], value.as_array().unwrap()[..]),
            _ => assert_eq!(client[name], *value, "{name}"),
        }
    }
    let settings = stored(&server, &client).await.unwrap().settings;
    assert!(settings.dpop_bound_access_tokens && settings.requires_pushed_requests && settings.logout_session_required);
    assert!(settings.jwks.unwrap().contains("11qYAYKx"));
    assert_eq!(settings.data["contacts"], json!(["ops@agent.example"]));
    assert_eq!(client.get("client_secret"), None);
    // RFC 9126 6
    assert_eq!(refused_after_login(&server, &ask(&client, "openid")).await, "invalid_request");
}

// RFC 7591 3, 3.2.2: nobody may unless the tenant says so, and then whom it says
#[tokio::test]
async fn a_tenant_says_who_may_register() {
    let server = world(RegistrationMode::Protected).await;
    server.add_other_tenant().await;
    let with = |key: &str| {
        let call = server.post_as(REGISTER, JSON).header("Authorization", &format!("Bearer {key}"));
        call.body(agent().to_string()).send()
    };
    let key = async |tenant_id: Option<Uuid>, path: &str| {
        let endpoints = match path {
            "" => Default::default(),
            path => [(path.to_owned(), ["POST".to_owned()].into())].into(),
        };
        let key = NewApiKey { name: "k".to_owned(), tenant_id, endpoints, ..NewApiKey::default() };
        server.directory.create_api_key(key).await.unwrap().text.expose().clone()
    };
    for wrong in ["x".to_owned(), key(Some(OTHER_TENANT), "").await, key(None, "/api/user").await] {
        let answer = with(&wrong).await;
        assert_eq!(refusal(&answer), (401, "invalid_token".to_owned()));
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "), "RFC 6750 3");
    }
    assert_eq!(refusal(&register(&server, agent()).await), (401, "invalid_token".to_owned()));
    for right in [key(None, "").await, key(Some(TENANT), "/oauth2/register").await] {
        assert_eq!(with(&right).await.status, StatusCode::CREATED);
    }
    let devices = json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"] });
    let call = server.post_as(REGISTER, JSON).header("Authorization", &format!("Bearer {}", key(None, "").await));
    let device = call.body(devices.to_string()).send().await.json();
    assert_eq!(device["response_types"], json!([]), "who was let in may have devices");
    // The other tenant says nothing.
    let other = server.post_as(&format!("/{OTHER_TENANT}{REGISTER}"), JSON).body(agent().to_string()).send().await;
    assert_eq!(refusal(&other), (403, "access_denied".to_owned()));
    let metadata = |path: &'static str| async { server.get(path).send().await.json() };
    let endpoint = metadata("/.well-known/oauth-authorization-server").await["registration_endpoint"].clone();
    assert_eq!(endpoint, format!("{PUBLIC_URL}{REGISTER}"));
    decide(&server, |registration| *registration = None).await;
    assert_eq!(metadata("/.well-known/openid-configuration").await.get("registration_endpoint"), None);
    assert_eq!(refusal(&register(&server, agent()).await), (403, "access_denied".to_owned()));
}

// N7: what anybody can write has an end
#[tokio::test]
async fn nobody_registers_without_end() {
    let server = open().await;
    let from = |peer: &str| server.post_as(REGISTER, JSON).from(peer).body(agent().to_string()).send();
    for _ in 0..20 {
        assert_eq!(from("192.0.2.1").await.status, StatusCode::CREATED);
    }
    let answer = from("192.0.2.1").await;
    assert_eq!(refusal(&answer), (429, "temporarily_unavailable".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("60"));
    // One host has many addresses of IPv6.
    for number in 0..20 {
        assert_eq!(from(&format!("2001:db8::{number:x}")).await.status, StatusCode::CREATED);
    }
    assert_eq!(from("2001:db8::ffff").await.status, StatusCode::TOO_MANY_REQUESTS);
    for number in 0..80 {
        assert_eq!(from(&format!("198.51.100.{number}")).await.status, StatusCode::CREATED, "{number}");
    }
    assert_eq!(from("203.0.113.1").await.status, StatusCode::TOO_MANY_REQUESTS, "all of them together");
    server.clock.advance(60);
    assert_eq!(from("192.0.2.1").await.status, StatusCode::CREATED);
}

// Fetch 3.2.2: clients that are pages
#[tokio::test]
async fn scripts_of_any_origin_may_register() {
    let server = open().await;
    let answer = register(&server, agent()).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    for (path, method) in [(REGISTER.to_owned(), "POST"), (path(&answer.json()), "PUT")] {
        let call = server.request("OPTIONS", &path).header("Origin", "https://agent.example");
        let answer = call.header("Access-Control-Request-Method", method).send().await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert!(answer.header("access-control-allow-methods").unwrap().contains(method), "{path}");
    }
}

// Nobody learns the registration access token from the store (B9).
#[tokio::test]
async fn the_store_knows_a_hash_of_the_token() {
    let server = open().await;
    let client = registered(&server, agent()).await;
    let token = text(&client, "registration_access_token");
    assert_eq!(token.len(), 43);
    let application = stored(&server, &client).await.unwrap();
    let settings = serde_json::to_string(&application.settings).unwrap();
    assert!(!settings.contains(token) && settings.contains(&ClientSecret::hash(token)));
}
