//! `fusio`: the requests of its documentation and of its SDK, and what they are answered (CONTRACT 2.Q).

use faregate::model::{
    Application, ApplicationGrant, ApplicationSettings, ClientAuthenticationPolicy, ClientSecret, CustomScope,
    ExpiresIn, Profile, Tenant, User,
};
use faregate::store::Store as _;
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use crate::support::authorization_server::{Answer, NOW, OTHER_TENANT, PUBLIC_URL, TENANT, TestServer, encode, part};
use crate::support::browser::Browser;
use crate::support::dpop::DpopKey;
use crate::support::log::Log;
use crate::support::people::members;
use crate::support::world::{PASSWORD, password_hash};

/// The application of the documentation, with its key and secret.
pub const APP: Uuid = uuid!("6c613945-8d5a-4a0d-b660-09de5fbdb753");
pub const APP_SECRET: &str = "31e093f98ead22efc21b38a87a2a5bd71fc12bede3379f5eae6c6f7da9dabc5f";
const BASIC: &str = "Basic NmM2MTM5NDUtOGQ1YS00YTBkLWI2NjAtMDlkZTVmYmRiNzUzOjMxZTA5M2Y5OGVhZDIyZWZjMjFiMzhhODdhMmE1YmQ3MWZj\
                     MTJiZWRlMzM3OWY1ZWFlNmM2ZjdkYTlkYWJjNWY=";
pub const USER: Uuid = uuid!("e6ca28aa-cc87-5cbe-a00a-ac8bcbf82154");
const CALLBACK: &str = "https://app.example/callback";
const CONSUMER: Uuid = Uuid::from_u128(0xc0);

/// The tenant of the documentation: its issuer, HS256, two days.
pub async fn world() -> TestServer {
    world_with(|_| {}).await
}

async fn world_with(change: impl FnOnce(&mut Tenant)) -> TestServer {
    let server = TestServer::start_with(|tenant| {
        tenant.profile = Profile::Fusio;
        tenant.issuer = Some("http://127.0.0.1/projects/fusio/public".to_owned());
        tenant.access_token_algorithm = "HS256".to_owned();
        tenant.access_token_for = 172_800;
        change(tenant);
    })
    .await;
    let scope = |name: &str| CustomScope {
        id: Uuid::from_u128(name.len() as u128),
        name: name.to_owned(),
        description: None,
        is_required: false,
        consent_message: None,
        consent_detail: None,
    };
    let app = ApplicationSettings {
        grants: ApplicationGrant::ALL.to_vec(),
        redirect_uris: vec![CALLBACK.to_owned()],
        scopes: vec![scope("authorization"), scope("consumer")],
        ..ApplicationSettings::default()
    };
    let consumer = ApplicationSettings {
        client_authentication: ClientAuthenticationPolicy::NotRequired,
        grants: vec![ApplicationGrant::Password, ApplicationGrant::RefreshToken],
        scopes: vec![scope("consumer"), scope("authorization")],
        ..ApplicationSettings::default()
    };
    for application in
        [application(APP, &APP.to_string(), Some(APP_SECRET), app), application(CONSUMER, "consumer", None, consumer)]
    {
        server.store.insert_application(&application).await.unwrap();
    }
    let mut user = User::new(USER, TENANT, 1);
    user.username = Some("test".to_owned());
    user.email = Some("test@example.com".to_owned());
    user.email_verified = true;
    user.password_hash = Some(password_hash().await);
    user.profile.name = Some("Administrator".to_owned());
    server.store.insert_user(&user).await.unwrap();
    server
}

fn application(id: Uuid, client_id: &str, secret: Option<&str>, settings: ApplicationSettings) -> Application {
    Application {
        id,
        tenant_id: TENANT,
        name: client_id.to_owned(),
        client_id: client_id.to_owned(),
        client_secrets: secret.map(|secret| ClientSecret::new(secret, 1)).into_iter().collect(),
        roles: Vec::new(),
        settings,
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    }
}

async fn login(server: &TestServer, method: &str, body: &Value) -> Answer {
    let call = server.request(method, "/consumer/login").header("Content-Type", "application/json");
    call.body(body.to_string()).send().await
}

async fn token(server: &TestServer, form: &str) -> Answer {
    server.post("/authorization/token").header("Authorization", BASIC).body(form).send().await
}

async fn bearer(server: &TestServer, method: &str, path: &str, token: &str) -> Answer {
    server.request(method, path).header("Authorization", &format!("Bearer {token}")).send().await
}

fn text(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().unwrap_or_else(|| panic!("{name}: {}", answer.text())).to_owned()
}

/// `20hex-48hex-10hex`
fn is_dashed(token: &str) -> bool {
    let lengths: Vec<usize> = token.split('-').map(str::len).collect();
    lengths == [20, 48, 10] && token.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

// F-300: a password for a token that lives for an hour, and a refresh token for the next one.
#[tokio::test]
async fn people_log_in_without_a_client() {
    let server = world().await;
    let answer = login(&server, "POST", &json!({ "username": "test", "password": PASSWORD })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(members(&answer.json()), ["token", "expires_in", "refresh_token", "scope"]);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let claims = part(&text(&answer, "token"), 1);
    assert_eq!((claims["sub"].as_str(), claims["name"].as_str()), (Some(&*USER.to_string()), Some("Administrator")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    assert_eq!(answer.json()["expires_in"], claims["exp"]);
    assert_eq!(answer.json()["scope"], "consumer,authorization");
    let few = json!({ "username": "test@example.com", "password": PASSWORD, "scopes": ["authorization", "backend"] });
    let few = login(&server, "POST", &few).await;
    assert_eq!(few.json()["scope"], "authorization");
    // The refresh token is replaced, and the one before is over.
    let refresh_token = text(&answer, "refresh_token");
    assert!(is_dashed(&refresh_token), "{refresh_token}");
    let again = login(&server, "PUT", &json!({ "refresh_token": refresh_token })).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_ne!(text(&again, "refresh_token"), refresh_token);
    let claims = part(&text(&again, "token"), 1);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    server.clock.advance(11);
    let over = login(&server, "PUT", &json!({ "refresh_token": refresh_token })).await;
    assert_eq!((over.status.as_u16(), &over.json()["success"]), (400, &json!(false)));
}

// F-301
#[tokio::test]
async fn a_refused_login_says_why_in_a_message() {
    let server = world().await;
    let wrong = login(&server, "POST", &json!({ "username": "test", "password": "wrong" })).await;
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.json(), json!({ "success": false, "message": "Invalid name or password" }));
    let unknown = login(&server, "POST", &json!({ "username": "nobody", "password": "wrong" })).await;
    assert_eq!((unknown.status, unknown.text()), (wrong.status, wrong.text()));
    for (method, body) in [
        ("POST", json!({ "username": "test" })),
        ("POST", json!({ "refresh_token": "x" })),
        ("POST", json!([])),
        ("PUT", json!({ "username": "test", "password": PASSWORD })),
        ("PUT", json!({ "refresh_token": "x" })),
        ("POST", json!({ "username": "test", "password": PASSWORD, "scopes": ["backend"] })),
    ] {
        let answer = login(&server, method, &body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["success"]), (400, &json!(false)), "{method} {body}");
    }
    assert_eq!(server.get("/consumer/login").send().await.status, 405);
    // Guessing is as slow here as at every other place.
    for _ in 0..10 {
        login(&server, "POST", &json!({ "username": "test", "password": "wrong" })).await;
    }
    let throttled = login(&server, "POST", &json!({ "username": "test", "password": PASSWORD })).await;
    assert_eq!((throttled.status.as_u16(), throttled.header("retry-after").is_some()), (429, true));
}

// F-300, A9: only where an administrator made the application for it.
#[tokio::test]
async fn a_login_needs_the_application_for_it() {
    let server = world().await;
    let before = server.store.find_application(CONSUMER).await.unwrap().unwrap();
    let mut after = before.clone();
    after.settings.grants = vec![ApplicationGrant::RefreshToken];
    server.store.update_application(&before, &after).await.unwrap();
    let answer = login(&server, "POST", &json!({ "username": "test", "password": PASSWORD })).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["success"]), (400, &json!(false)));
    let person = server.post("/authorization/token").basic("test", PASSWORD).body("grant_type=client_credentials");
    assert_eq!(person.send().await.verdict(), (401, "invalid_client".to_owned(), String::new()));
}

// F-302: a token ends, and with it whatever else the login gave.
#[tokio::test]
async fn a_token_revokes_itself() {
    let server = world().await;
    let logged_in = login(&server, "POST", &json!({ "username": "test", "password": PASSWORD })).await;
    let token = text(&logged_in, "token");
    let who = bearer(&server, "GET", "/authorization/whoami", &token).await;
    assert_eq!(
        who.json(),
        json!({ "id": USER, "name": "Administrator", "email": "test@example.com", "scopes": ["consumer", "authorization"] })
    );
    let revoked = bearer(&server, "POST", "/authorization/revoke", &token).await;
    assert_eq!((revoked.status.as_u16(), revoked.text()), (200, r#"{"success":true}"#.to_owned()));
    for (method, path) in [("GET", "/authorization/whoami"), ("POST", "/authorization/revoke")] {
        let dead = bearer(&server, method, path, &token).await;
        assert_eq!((dead.status.as_u16(), &dead.json()["success"]), (401, &json!(false)), "{path}");
        assert_eq!(dead.header("www-authenticate"), Some("Bearer"));
        assert_eq!(server.request(method, path).send().await.status, 401, "{path}");
    }
    let refresh = json!({ "refresh_token": text(&logged_in, "refresh_token") });
    assert_eq!(login(&server, "PUT", &refresh).await.status, 400);
    assert_eq!(server.get("/authorization/revoke").send().await.status, 405);
}

// F-303: each of its grants once.
#[tokio::test]
async fn every_grant_works_at_the_token_endpoint() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    // F-313: the SDK's words: `scopes`, commas, and no redirect URI when the code is redeemed.
    let url = format!(
        "/authorization/authorize?response_type=code&client_id={APP}&redirect_uri={}&scopes=authorization%2Cbackend&state=7",
        encode(CALLBACK)
    );
    let shown = browser.sign_in(&url, "test", PASSWORD).await;
    let location = shown.location.unwrap_or_else(|| panic!("{}", shown.answer.text()));
    let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let by_code = token(&server, &format!("grant_type=authorization_code&code={code}")).await;
    assert_eq!(by_code.json()["scope"], "authorization", "{}", by_code.text());
    let by_password =
        format!("grant_type=password&username=test&password={}&scope=authorization,consumer", encode(PASSWORD));
    let by_password = token(&server, &by_password).await;
    assert_eq!(by_password.json()["scope"], "authorization,consumer", "{}", by_password.text());
    let for_itself = token(&server, "grant_type=client_credentials&scope=authorization,backend").await;
    for answer in [&by_code, &by_password, &for_itself] {
        let refreshed = format!("grant_type=refresh_token&refresh_token={}", answer.refresh_token());
        let refreshed = token(&server, &refreshed).await;
        assert_eq!(refreshed.json()["scope"], answer.json()["scope"], "{}", refreshed.text());
        assert_eq!(refreshed.claims()["sub"], answer.claims()["sub"]);
    }
}

// F-313: one that is sent must still be right, and who proves nothing has to send it.
#[tokio::test]
async fn a_redirect_uri_that_is_sent_must_be_right() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let url = format!("/authorization/authorize?response_type=code&client_id={APP}&redirect_uri={}", encode(CALLBACK));
    let location = browser.sign_in(&url, "test", PASSWORD).await.location.unwrap();
    let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let wrong = format!("grant_type=authorization_code&code={code}&redirect_uri=https%3A%2F%2Fother.example");
    assert_eq!(token(&server, &wrong).await.verdict(), (400, "invalid_grant".to_owned(), String::new()));
    let right = token(&server, &format!("grant_type=authorization_code&code={code}")).await;
    // Nothing asked for is everything that the application defined.
    assert_eq!(right.json()["scope"], "authorization,consumer");
}

// F-304 to F-311, D3, D27: the request of the documentation.
#[tokio::test]
async fn an_application_acts_for_itself() {
    let server = world().await;
    let answer = token(&server, "grant_type=client_credentials&scope=authorization,backend").await;
    // F-310
    assert_eq!(
        members(&answer.json()),
        ["access_token", "token_type", "expires_in", "refresh_token", "scope"],
        "{}",
        answer.text()
    );
    let body = answer.json();
    // F-305, F-306, F-307
    assert_eq!((&body["token_type"], &body["scope"]), (&json!("bearer"), &json!("authorization")));
    let (header, claims) = (answer.token_header(), answer.claims());
    // F-308
    assert_eq!(body["expires_in"], json!(NOW + 172_800));
    assert_eq!(body["expires_in"], claims["exp"]);
    // F-309
    assert!(is_dashed(&answer.refresh_token()), "{}", answer.text());
    // F-311
    assert_eq!((&header["alg"], &header["typ"]), (&json!("HS256"), &json!("JWT")));
    assert_eq!(claims["iss"], "http://127.0.0.1/projects/fusio/public");
    assert_eq!((&claims["sub"], &claims["iat"]), (&json!(APP), &json!(NOW)));
    assert_eq!(claims["name"], json!(APP.to_string()));
    let who = bearer(&server, "GET", "/authorization/whoami", &answer.access_token()).await;
    assert_eq!(who.json(), json!({ "id": APP, "name": APP.to_string(), "scopes": ["authorization"] }));
    // F-306: of nothing valid nothing is left.
    let nothing = token(&server, "grant_type=client_credentials&scope=backend").await;
    assert_eq!(nothing.verdict(), (400, "invalid_scope".to_owned(), String::new()));
    // It is no user, whatever the scopes are called.
    assert_ne!(
        token(&server, "grant_type=client_credentials&scope=openid,authorization").await.json()["scope"],
        "openid"
    );
    assert_eq!(bearer(&server, "GET", "/oauth2/userinfo", &answer.access_token()).await.status, 403);
}

// F-308, D3: a tenant may say it as the RFC does.
#[tokio::test]
async fn expires_in_can_be_seconds() {
    let server = world_with(|tenant| tenant.settings.expires_in = Some(ExpiresIn::Relative)).await;
    let answer = token(&server, "grant_type=client_credentials&scope=authorization").await;
    assert_eq!(answer.json()["expires_in"], 172_800);
    let login = login(&server, "POST", &json!({ "username": "test", "password": PASSWORD })).await;
    assert_eq!(login.json()["expires_in"], 3600);
}

// F-304: a person with their own name and password in place of an application.
#[tokio::test]
async fn a_person_may_be_the_client() {
    let server = world().await;
    let ask = async |name: &str, password: &str| {
        let call = server.post("/authorization/token").basic(name, password);
        call.body("grant_type=client_credentials&scope=authorization,backend").send().await
    };
    let answer = ask("test", PASSWORD).await;
    assert_eq!((&answer.claims()["sub"], &answer.json()["scope"]), (&json!(USER), &json!("authorization")));
    for (name, password) in [("test", "wrong"), ("nobody", PASSWORD), ("consumer", PASSWORD)] {
        assert_eq!(ask(name, password).await.verdict(), (401, "invalid_client".to_owned(), String::new()), "{name}");
    }
    // The SDK sends both again with the refresh token, which is nobody else's.
    let refresh = async |name: &str, password: &str, refresh_token: &str| {
        let call = server.post("/authorization/token").basic(name, password);
        call.body(format!("grant_type=refresh_token&refresh_token={refresh_token}")).send().await
    };
    let given = answer.refresh_token();
    let of_application = token(&server, "grant_type=client_credentials&scope=authorization").await.refresh_token();
    for (password, refresh_token, status, error) in [
        ("wrong", &*given, 401, "invalid_client"),
        (PASSWORD, "x", 400, "invalid_grant"),
        (PASSWORD, &*of_application, 400, "invalid_grant"),
    ] {
        let refused = refresh("test", password, refresh_token).await;
        assert_eq!(refused.verdict(), (status, error.to_owned(), String::new()), "{password} {refresh_token}");
    }
    let again = refresh("test", PASSWORD, &given).await;
    assert_eq!((&again.claims()["sub"], &again.json()["scope"]), (&json!(USER), &json!("authorization")));
    assert_ne!(again.refresh_token(), given);
    // No other grant takes a person for a client.
    let form = format!("grant_type=password&username=test&password={}", encode(PASSWORD));
    let other = server.post("/authorization/token").basic("test", PASSWORD).body(form);
    assert_eq!(other.send().await.verdict(), (401, "invalid_client".to_owned(), String::new()));
}

// RFC 9449 5, 7.1: a key counts for a person, too, and where the token is used
#[tokio::test]
async fn a_person_may_bind_a_token_to_a_key() {
    let server = world().await;
    let key = DpopKey::new();
    let proof = |method: &str, path: &str, token: Option<&str>| {
        let at_noon = |_: &mut Value, claims: &mut Value| claims["iat"] = NOW.into();
        key.proof_with(method, &format!("{PUBLIC_URL}{path}"), token, at_noon)
    };
    let call = server.post("/authorization/token").basic("test", PASSWORD);
    let call = call.header("DPoP", &proof("POST", "/authorization/token", None));
    let answer = call.body("grant_type=client_credentials&scope=authorization").send().await;
    assert_eq!(answer.json()["token_type"], "DPoP", "{}", answer.text());
    assert_eq!(answer.claims()["cnf"], json!({ "jkt": key.thumbprint() }));
    let bare = format!("grant_type=refresh_token&refresh_token={}", answer.refresh_token());
    let bare = server.post("/authorization/token").basic("test", PASSWORD).body(bare).send().await;
    assert_eq!(bare.verdict().1, "invalid_grant");
    let token = answer.access_token();
    for (method, path) in [("GET", "/authorization/whoami"), ("POST", "/authorization/revoke")] {
        assert_eq!(bearer(&server, method, path, &token).await.status, 401, "{path}");
        let call = server.request(method, path).header("Authorization", &format!("DPoP {token}"));
        let answer = call.header("DPoP", &proof(method, path, Some(&token))).send().await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

// F-300: an hour, wherever the tokens of such a login are renewed
#[tokio::test]
async fn a_login_without_a_client_is_short_everywhere() {
    let server = world().await;
    let logged_in = login(&server, "POST", &json!({ "username": "test", "password": PASSWORD })).await;
    let form =
        format!("client_id=consumer&grant_type=refresh_token&refresh_token={}", text(&logged_in, "refresh_token"));
    let claims = server.post("/authorization/token").body(form).send().await.claims();
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
}

// Fetch 3.2: the SDK runs in browsers; and elsewhere there is nothing to ask about
#[tokio::test]
async fn scripts_may_log_people_in() {
    let server = world().await;
    for (path, methods) in
        [("/consumer/login", "POST, PUT"), ("/authorization/whoami", "GET"), ("/authorization/revoke", "POST")]
    {
        let ask = server.request("OPTIONS", path).header("Origin", "https://app.example");
        let answer = ask.header("Access-Control-Request-Method", "PUT").send().await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), Some(methods), "{path}");
    }
    let answer = login(&server, "POST", &json!({ "username": "test", "password": "wrong" })).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let nowhere = server.request("OPTIONS", &format!("/{OTHER_TENANT}/oauth2/consumer_login")).send().await;
    assert_eq!((nowhere.status.as_u16(), nowhere.header("access-control-allow-origin")), (404, None));
}

// F-310: whoever gets no ID tokens is not told that they have what brings one
#[tokio::test]
async fn nobody_gets_openid() {
    let server = world().await;
    let form = format!("grant_type=password&username=test&password={}&scope=openid,authorization", encode(PASSWORD));
    assert_eq!(token(&server, &form).await.json()["scope"], "authorization");
}

// O1: every token is an event
#[tokio::test]
async fn logins_without_a_client_are_told() {
    let log = Log::start();
    let server = world().await;
    let logged_in = login(&server, "POST", &json!({ "username": "test", "password": PASSWORD })).await;
    login(&server, "PUT", &json!({ "refresh_token": text(&logged_in, "refresh_token") })).await;
    let call = server.post("/authorization/token").basic("test", PASSWORD);
    call.body("grant_type=client_credentials&scope=authorization").send().await;
    assert_eq!((log.told("token.issued").len(), log.told("token.refreshed").len()), (2, 1));
}

// F-312: the refresh of the documentation, credentials in the body; the old one is over afterwards.
#[tokio::test]
async fn a_refresh_replaces_the_token() {
    let server = world().await;
    let first = token(&server, "grant_type=client_credentials&scope=authorization").await.refresh_token();
    let form = format!("grant_type=refresh_token&refresh_token={first}&client_id={APP}&client_secret={APP_SECRET}");
    let ask = async || server.post("/authorization/token").body(form.clone()).send().await;
    let second = ask().await;
    assert!(is_dashed(&second.refresh_token()) && second.refresh_token() != first);
    assert_eq!(second.claims()["sub"], json!(APP));
    server.clock.advance(11);
    assert_eq!(ask().await.verdict(), (400, "invalid_grant".to_owned(), String::new()));
    // C5: two have had it, so nobody has it any more.
    let third = format!("grant_type=refresh_token&refresh_token={}", second.refresh_token());
    assert_eq!(token(&server, &third).await.verdict(), (400, "invalid_grant".to_owned(), String::new()));
    assert_eq!(bearer(&server, "GET", "/authorization/whoami", &second.access_token()).await.status, 401);
}

// F-314
#[tokio::test]
async fn unknown_applications_are_refused() {
    let server = world().await;
    for (key, secret) in [(&*APP.to_string(), "wrong"), ("unknown", APP_SECRET)] {
        let call = server.post("/authorization/token").basic(key, secret);
        let answer = call.body("grant_type=client_credentials&scope=authorization").send().await;
        assert_eq!(answer.status, 401);
        assert_eq!(members(&answer.json()), ["error", "error_description"]);
        assert_eq!(answer.json()["error"], "invalid_client");
    }
}

// D8, D27: elsewhere applications do not act for themselves, and one that only says its name does so nowhere.
#[tokio::test]
async fn only_proven_applications_of_the_profile_act_for_themselves() {
    let server = world().await;
    let bare = server.post("/authorization/token").body("client_id=consumer&grant_type=client_credentials");
    assert_eq!(bare.send().await.verdict(), (400, "unauthorized_client".to_owned(), String::new()));
    let standard = world_with(|tenant| {
        tenant.profile = Profile::Standard;
        tenant.issuer = None;
    })
    .await;
    let form = "grant_type=client_credentials&scope=authorization";
    let answer = standard.post("/oauth2/token").basic(&APP.to_string(), APP_SECRET).body(form).send().await;
    assert_eq!(answer.verdict().1, "unauthorized_client");
    // What only this profile has is nothing in the others.
    for path in ["consumer_login", "revoke_own", "whoami"] {
        for path in
            [format!("/oauth2/{path}"), format!("/{TENANT}/oauth2/{path}"), format!("/{OTHER_TENANT}/oauth2/{path}")]
        {
            for method in ["GET", "POST", "PUT"] {
                assert_eq!(standard.request(method, &path).send().await.status, 404, "{method} {path}");
            }
        }
    }
}
