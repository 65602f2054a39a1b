//! `simpleidserver`: the requests of its documentation, and what they are answered (CONTRACT 2.P).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use faregate::directory::NewTenant;
use faregate::model::{
    Application, ApplicationGrant, ApplicationSettings, ClientSecret, ConsentMode, CustomScope, KeyPurpose, Profile,
    Tenant, User, UserCodeShape,
};
use faregate::store::Store as _;
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use crate::support::authorization_server::{Answer, NOW, OTHER_TENANT, PUBLIC_URL, TENANT, TestServer, encode, part};
use crate::support::browser::{self, Browser};
use crate::support::people::members;
use crate::support::world::{PASSWORD, password_hash};

pub const ADMINISTRATOR: Uuid = uuid!("ad000000-0000-4000-8000-000000000001");
const CALLBACK: &str = "https://your-app.com/callback";
const SECRET: &str = "password";

/// The realm of the documentation: `master`, with its clients.
pub async fn world() -> TestServer {
    world_with(|_| {}).await
}

/// The same with the keys of the documentation, RSA for access tokens, which takes a while to be made.
pub async fn documented() -> TestServer {
    let server = world_with(|tenant| tenant.access_token_algorithm = "RS256".to_owned()).await;
    let started = Instant::now();
    while server.keys.issuer(None).unwrap().signing_key(KeyPurpose::AccessToken, NOW).is_none() {
        assert!(started.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server
}

async fn world_with(change: impl FnOnce(&mut Tenant)) -> TestServer {
    let server = TestServer::start_with(|tenant| {
        tenant.name = "master".to_owned();
        tenant.profile = Profile::SimpleIdServer;
        tenant.access_token_for = 1800;
        tenant.settings.device_code_for = 600;
        tenant.settings.user_code = UserCodeShape { alphabet: "0123456789".to_owned(), mask: "****".to_owned() };
        change(tenant);
    })
    .await;
    let networks = CustomScope {
        id: Uuid::from_u128(7),
        name: "networks".to_owned(),
        description: None,
        is_required: false,
        consent_message: None,
        consent_detail: None,
    };
    for (number, client_id) in (1..).zip(["website", "device", "otherDevice", "userDevice"]) {
        let settings = ApplicationSettings {
            grants: ApplicationGrant::ALL.to_vec(),
            redirect_uris: vec![CALLBACK.to_owned(), "http://localhost".to_owned()],
            scopes: vec![networks.clone()],
            ..ApplicationSettings::default()
        };
        server.store.insert_application(&application(TENANT, number, client_id, settings)).await.unwrap();
    }
    let mut user = User::new(ADMINISTRATOR, TENANT, 1);
    user.username = Some("administrator".to_owned());
    user.password_hash = Some(password_hash().await);
    server.store.insert_user(&user).await.unwrap();
    server
}

fn application(tenant_id: Uuid, number: u128, client_id: &str, settings: ApplicationSettings) -> Application {
    Application {
        id: Uuid::from_u128(0x51d0 + number),
        tenant_id,
        name: client_id.to_owned(),
        client_id: client_id.to_owned(),
        client_secrets: vec![ClientSecret::new(SECRET, 1)],
        roles: Vec::new(),
        settings,
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    }
}

async fn post(server: &TestServer, path: &str, form: &str) -> Answer {
    // F-275: as the documentation has it.
    server.request("POST", path).header("Content-Type", "x-www-form-urlencoded").body(form).send().await
}

/// The address that the browser is sent to in the end, after a login and a yes.
async fn authorize(server: &TestServer, query: &str) -> String {
    let mut browser = Browser::new(server);
    let page = browser.sign_in(&format!("/master/authorization?{query}"), "administrator", PASSWORD).await;
    // F-273: everybody is asked.
    assert!(page.has("allow"), "{}", page.answer.text());
    let shown = browser.submit(&page, &[("scope:profile", "on"), ("decision", "allow")]).await;
    shown.location.unwrap_or_else(|| panic!("{}", shown.answer.text()))
}

fn code_query(more: &str) -> String {
    // F-270: two ampersands, and nothing encoded that a line of text does not need to have encoded.
    format!(
        "response_type=code&&client_id=website&redirect_uri={CALLBACK}&scope=openid%20profile&state=1234567890{more}"
    )
}

fn names(location: &str, sign: char) -> Vec<String> {
    let (_, parameters) = location.split_once(sign).unwrap_or_else(|| panic!("{location}"));
    parameters.split('&').map(|pair| pair.split('=').next().unwrap().to_owned()).collect()
}

fn value(location: &str, name: &str) -> String {
    let parameters = location.split(['?', '#']).skip(1).flat_map(browser::parameters);
    parameters.into_iter().find(|(own, _)| own == name).unwrap_or_else(|| panic!("{name} in {location}")).1
}

/// Hexadecimal digits with dashes where a UUID has them.
fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn redeem(code: &str) -> String {
    format!(
        "client_id=website&&grant_type=authorization_code&redirect_uri={CALLBACK}&client_secret={SECRET}&code={code}"
    )
}

// F-270 to F-277, F-290: the authorization code grant as it is documented.
#[tokio::test]
async fn a_code_comes_with_session_state_and_gives_tokens() {
    let server = world().await;
    let location = authorize(&server, &code_query("")).await;
    // F-271
    assert_eq!(names(&location, '?'), ["state", "code", "token_type", "session_state"], "{location}");
    assert_eq!((&*value(&location, "state"), &*value(&location, "token_type")), ("1234567890", "Bearer"));
    let code = value(&location, "code");
    assert!(is_guid(&code), "{code}");
    // F-272
    let session_state = value(&location, "session_state");
    let (hash, salt) = session_state.split_once('.').unwrap();
    assert_eq!((URL_SAFE_NO_PAD.decode(hash).unwrap().len(), is_guid(salt)), (32, true), "{session_state}");
    // F-274 to F-276
    let answer = post(&server, "/master/token", &redeem(&code)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        members(&answer.json()),
        ["expires_in", "scope", "access_token", "id_token", "refresh_token", "token_type"]
    );
    // F-277: nobody asked for offline_access.
    assert!(is_guid(&answer.refresh_token()), "{}", answer.text());
    assert_eq!((&answer.json()["expires_in"], &answer.json()["scope"]), (&json!(1800), &json!("openid profile")));
    // F-290
    assert_eq!(answer.claims()["iss"], json!(format!("{PUBLIC_URL}/master")));
    // A GUID is a secret here like any other: hashed, used once.
    assert_eq!(
        post(&server, "/token", &redeem(&code)).await.verdict(),
        (400, "invalid_grant".to_owned(), String::new())
    );
}

// F-272: what the page for it computes is what was answered.
#[tokio::test]
async fn the_session_page_computes_the_same_state() {
    let server = world().await;
    let location = authorize(&server, &code_query("")).await;
    assert!(!value(&location, "session_state").is_empty());
    let page = server.get("/master/check_session").send().await;
    assert_eq!(page.status, 200);
    let script = page.text();
    assert!(script.contains(r#"salt].join("");"#) && script.contains("btoa("), "{script}");
    assert_eq!(server.get("/check_session").send().await.text(), script);
}

// F-273: a no is told to the client.
#[tokio::test]
async fn a_no_goes_back_to_the_client() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let url = format!("/authorization?{}", code_query(""));
    let page = browser.sign_in(&url, "administrator", PASSWORD).await;
    let location = browser.submit(&page, &[("decision", "deny")]).await.location.unwrap();
    assert_eq!(names(&location, '?'), ["state", "error", "error_description"]);
    assert_eq!(value(&location, "error"), "access_denied");
}

// F-273: unless an administrator says that nobody is asked.
#[tokio::test]
async fn consent_can_be_turned_off() {
    let server = world().await;
    let before = server.directory.find_application(TENANT, "website").await.unwrap().unwrap();
    let mut after = (*before).clone();
    after.settings.consent = ConsentMode::NeverPrompt;
    server.store.update_application(&before, &after).await.unwrap();
    server.absorb().await;
    let mut browser = Browser::new(&server);
    let url = format!("/authorization?{}", code_query(""));
    let shown = browser.sign_in(&url, "administrator", PASSWORD).await;
    assert!(shown.location.unwrap().contains("code="));
}

// F-278, F-279, D16, D21: the implicit grant as it is documented.
#[tokio::test]
async fn an_access_token_can_come_without_a_code() {
    let server = world().await;
    let query = code_query("").replace("response_type=code", "response_type=token");
    let location = authorize(&server, &query).await;
    assert_eq!(names(&location, '#'), ["state", "access_token", "token_type", "session_state"], "{location}");
    let token = value(&location, "access_token");
    let claims = part(&token, 1);
    assert_eq!(claims["scope"], json!(["openid", "profile"]));
    assert!(claims["auth_time"].is_i64() && claims.get("aud").is_none(), "{claims}");
    assert_eq!((&claims["nbf"], &claims["iat"], &claims["exp"]), (&json!(NOW), &json!(NOW), &json!(NOW + 1800)));
    assert_eq!((&claims["client_id"], &part(&token, 0)["typ"]), (&json!("website"), &json!("JWT")));
    // Our own endpoints read their own dialect (D21).
    let call = server.get("/master/userinfo").header("Authorization", &format!("Bearer {token}"));
    let userinfo = call.send().await;
    assert_eq!(userinfo.json()["preferred_username"], "administrator", "{}", userinfo.text());
    let form = format!("client_id=website&client_secret={SECRET}&token={token}");
    let told = post(&server, "/master/token_info", &form).await.json();
    assert_eq!((&told["active"], &told["scope"]), (&json!(true), &json!("openid profile")));
    assert_eq!(post(&server, "/master/token/revoke", &form).await.status, 200);
    assert_eq!(post(&server, "/master/token_info", &form).await.json(), json!({ "active": false }));
    // No token in a query, whatever is asked for.
    let mut browser = Browser::new(&server);
    let asked = browser.open(&format!("/authorization?{query}&response_mode=query")).await;
    assert!(!asked.location.unwrap_or_default().contains("?access_token"));
}

// F-279, F-280: RSA for access tokens and an elliptic curve for ID tokens, and both keys are published (D6).
#[tokio::test]
async fn tokens_are_signed_by_two_kinds_of_keys() {
    let server = documented().await;
    let form = format!(
        "client_id=userDevice&grant_type=password&client_secret={SECRET}&scope=openid profile&username=administrator&password={}",
        encode(PASSWORD)
    );
    // F-283
    let answer = post(&server, "/master/token", &form).await;
    assert_eq!(answer.token_header()["alg"], "RS256", "{}", answer.text());
    let id_token = answer.json()["id_token"].as_str().unwrap().to_owned();
    assert_eq!(part(&id_token, 0)["alg"], "ES256");
    let claims = part(&id_token, 1);
    assert_eq!(claims["aud"], json!(["userDevice", format!("{PUBLIC_URL}/master")]));
    assert_eq!(
        (&claims["azp"], &claims["acr"], &claims["amr"]),
        (&json!("userDevice"), &json!("sid-load-01"), &json!(["pwd"]))
    );
    assert_eq!(claims["nbf"], claims["iat"]);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, answer.access_token().as_bytes());
    assert_eq!(claims["at_hash"], json!(URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])));
    let keys = server.get("/master/jwks").send().await.json();
    let types: Vec<_> =
        keys["keys"].as_array().unwrap().iter().map(|key| key["kty"].as_str().unwrap().to_owned()).collect();
    assert!(types.contains(&"RSA".to_owned()) && types.contains(&"EC".to_owned()), "{types:?}");
    // An ID token for two comes back to say whom a client means.
    let logout = format!("/master/end_session?id_token_hint={id_token}&post_logout_redirect_uri={CALLBACK}");
    let answer = server.get(&logout).header("Accept", "text/html").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (302, Some(CALLBACK)));
}

// F-281, F-282
#[tokio::test]
async fn client_credentials_need_a_scope() {
    let server = world().await;
    let form = format!("client_id=device&grant_type=client_credentials&client_secret={SECRET}");
    let answer = post(&server, "/token", &format!("{form}&scope=networks")).await;
    assert_eq!(members(&answer.json()), ["expires_in", "scope", "access_token", "token_type"], "{}", answer.text());
    let body = answer.json();
    assert_eq!(
        (&body["expires_in"], &body["scope"], &body["token_type"]),
        (&json!(1800), &json!("networks"), &json!("Bearer"))
    );
    assert_eq!(answer.claims()["scope"], json!(["networks"]));
    assert_eq!(post(&server, "/token", &form).await.verdict(), (400, "invalid_request".to_owned(), String::new()));
    for scope in ["unknown", "openid", "networks offline_access"] {
        let answer = post(&server, "/token", &format!("{form}&scope={scope}")).await;
        assert_eq!(answer.verdict(), (400, "invalid_scope".to_owned(), String::new()), "{scope}");
    }
    let bare = post(&server, "/token", "client_id=device&grant_type=client_credentials&scope=networks").await;
    assert_eq!(bare.verdict(), (401, "invalid_client".to_owned(), String::new()));
}

// F-284 to F-289
#[tokio::test]
async fn a_device_shows_four_digits() {
    let server = world().await;
    // F-284, D8: the endpoint is the one that exists; F-285: a grant_type is not minded.
    let slip = post(&server, "/token", "client_id=device&scope=openid profile").await;
    assert_eq!(slip.verdict(), (400, "invalid_request".to_owned(), String::new()));
    let form = "client_id=device&&scope=openid profile&grant_type=urn:ietf:params:oauth:grant-type:device_code";
    let asked = post(&server, "/master/device_authorization", form).await;
    assert_eq!(asked.status, 200, "{}", asked.text());
    let body = asked.json();
    // F-286, F-287
    assert_eq!(
        members(&body),
        ["device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"]
    );
    let (device_code, user_code) = (body["device_code"].as_str().unwrap(), body["user_code"].as_str().unwrap());
    assert!(is_guid(device_code) && user_code.len() == 4 && user_code.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(body["verification_uri"], json!(format!("{PUBLIC_URL}/master/Device")));
    let complete = format!("{PUBLIC_URL}/master/Device?userCode={user_code}");
    assert_eq!(body["verification_uri_complete"], json!(complete));
    assert_eq!((&body["expires_in"], &body["interval"]), (&json!(600), &json!(5)));
    // F-288
    let poll = format!(
        "client_id=device&grant_type=urn:ietf:params:oauth:grant-type:device_code&client_secret={SECRET}&device_code={device_code}"
    );
    let told = async |form: &str| post(&server, "/master/token", form).await.verdict();
    let refused = |error: &str| (400, error.to_owned(), String::new());
    assert_eq!(told(&poll).await, refused("authorization_pending"));
    assert_eq!(told(&poll).await, refused("slow_down"));
    let no_secret = poll.replace(&format!("&client_secret={SECRET}"), "");
    assert_eq!(told(&no_secret).await, (401, "invalid_client".to_owned(), String::new()));
    let no_code = poll.split("&device_code=").next().unwrap().to_owned();
    assert_eq!(told(&no_code).await, refused("invalid_request"));
    let mut browser = Browser::new(&server);
    let page = browser.open(&format!("/master/Device?userCode={user_code}")).await;
    let page = browser.submit(&page, &[("user_code", user_code)]).await;
    let page = browser.submit(&page, &[("loginId", "administrator"), ("password", PASSWORD)]).await;
    let done = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(done.status, 200, "{}", done.answer.text());
    // F-289
    server.clock.advance(60);
    let answer = post(&server, "/master/token", &poll).await;
    assert_eq!(
        members(&answer.json()),
        ["expires_in", "scope", "access_token", "id_token", "refresh_token", "token_type"],
        "{}",
        answer.text()
    );
    assert!(is_guid(&answer.refresh_token()));
    let other = post(&server, "/device_authorization", "client_id=device").await.json();
    server.clock.advance(601);
    let late = poll.replace(device_code, other["device_code"].as_str().unwrap());
    assert_eq!(told(&late).await, refused("expired_token"));
    assert_eq!(
        post(&server, "/device_authorization", "client_id=nobody").await.verdict(),
        (401, "invalid_client".to_owned(), String::new())
    );
}

// F-286, J3: four digits are soon tried; so all guessers together have few tries, and one has five.
#[tokio::test]
async fn guesses_at_short_codes_are_limited_for_everybody_together() {
    let server = world().await;
    let code = post(&server, "/device_authorization", "client_id=device").await.json();
    let code = code["user_code"].as_str().unwrap();
    let wrong = if code == "0000" { "1111" } else { "0000" };
    let check = async |code: &str, peer: &str| {
        let path = format!("/oauth2/device/validate?client_id=device&tenantId={TENANT}&user_code={code}");
        server.get(&path).from(peer).send().await.status.as_u16()
    };
    for network in 0..20 {
        assert_eq!(check(wrong, &format!("192.0.{network}.1")).await, 400);
    }
    assert_eq!(check(code, "198.51.100.7").await, 429);
    server.clock.advance(60);
    assert_eq!(check(code, "198.51.100.7").await, 200);
}

// F-290: a realm has its own clients, users and keys, and its name stands in front of its paths.
#[tokio::test]
async fn a_realm_knows_nobody_elses_clients() {
    let server = world().await;
    let other = Tenant {
        profile: Profile::SimpleIdServer,
        id_token_algorithm: "ES256".to_owned(),
        ..Tenant::new(OTHER_TENANT, "partners", 3)
    };
    server.store.insert_tenant(&other).await.unwrap();
    server.keys.reload().await.unwrap();
    let settings = ApplicationSettings { grants: ApplicationGrant::ALL.to_vec(), ..ApplicationSettings::default() };
    server.store.insert_application(&application(OTHER_TENANT, 9, "partner", settings)).await.unwrap();
    server.absorb().await;
    let of = |client: &str| {
        format!("client_id={client}&client_secret={SECRET}&grant_type=client_credentials&scope=networks")
    };
    let verdict = async |path: &str, client: &str| post(&server, path, &of(client)).await.verdict().1;
    assert_eq!(verdict("/master/token", "device").await, "");
    assert_eq!(verdict("/partners/token", "device").await, "invalid_client");
    assert_eq!(verdict("/master/token", "partner").await, "invalid_client");
    assert_eq!(verdict("/partners/token", "partner").await, "invalid_scope");
    // Without a realm the client says whose it is.
    assert_eq!(verdict("/token", "partner").await, "invalid_scope");
    let kids = async |path: &str| server.get(path).send().await.json()["keys"].clone();
    assert_ne!(kids("/master/jwks").await, kids("/partners/jwks").await);
    let issuer = async |path: &str| server.get(path).send().await.json()["issuer"].clone();
    assert_eq!(issuer("/partners/.well-known/openid-configuration").await, json!(format!("{PUBLIC_URL}/partners")));
    assert_eq!(issuer("/.well-known/openid-configuration").await, json!(format!("{PUBLIC_URL}/master")));
    let token = post(&server, "/master/token", &of("device")).await.access_token();
    let form = format!("client_id=partner&client_secret={SECRET}&token={token}");
    assert_eq!(post(&server, "/partners/token_info", &form).await.json(), json!({ "active": false }));
}

// F-290: a realm cannot take the place of a path.
#[tokio::test]
async fn a_name_that_is_a_path_is_no_realm() {
    for name in ["oauth2", "api", "token", "a b", "..", ".well-known", "30663132-6464-6665-3032-326466613935"] {
        let server = world_with(|tenant| tenant.name = name.to_owned()).await;
        let metadata = server.get("/.well-known/openid-configuration").send().await.json();
        assert_eq!(metadata["issuer"], json!(PUBLIC_URL), "{name}");
        assert_eq!(metadata["token_endpoint"], json!(format!("{PUBLIC_URL}/token")), "{name}");
    }
}

// F-291: `http://localhost` is what was registered, and no other port is.
#[tokio::test]
async fn localhost_is_one_port() {
    let server = world().await;
    let ask = async |uri: &str| {
        let url =
            format!("/authorization?response_type=code&client_id=website&scope=openid&redirect_uri={}", encode(uri));
        server.get(&url).header("Accept", "text/html").send().await.status.as_u16()
    };
    assert_eq!(ask("http://localhost").await, 200);
    assert_eq!(ask("http://localhost:54321").await, 400);
}

// F-292: what is listed is there.
#[tokio::test]
async fn the_metadata_lists_what_exists() {
    let server = world().await;
    let metadata = server.get("/master/.well-known/openid-configuration").send().await.json();
    let base = format!("{PUBLIC_URL}/master");
    for (member, path) in [
        ("authorization_endpoint", "/authorization"),
        ("check_session_iframe", "/check_session"),
        ("device_authorization_endpoint", "/device_authorization"),
        ("end_session_endpoint", "/end_session"),
        ("introspection_endpoint", "/token_info"),
        ("jwks_uri", "/jwks"),
        ("revocation_endpoint", "/token/revoke"),
        ("token_endpoint", "/token"),
        ("userinfo_endpoint", "/userinfo"),
    ] {
        assert_eq!(metadata[member], json!(format!("{base}{path}")));
        for path in [format!("/master{path}"), path.to_owned()] {
            assert_ne!(server.get(&path).send().await.status, 404, "{path}");
        }
    }
    let text = metadata.to_string();
    for absent in ["ciba", "uma", "par", "pushed_authorization", "token-exchange", "registration_endpoint"] {
        assert!(!text.contains(&format!("\"{absent}")), "{absent}: {text}");
    }
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], Value::Bool(false));
}

// F-279, F-280, F-286, D-20: what a new tenant of the profile has that nobody says otherwise about.
#[tokio::test]
async fn a_new_realm_has_the_lives_and_shapes_of_the_document() {
    let server = TestServer::start().await;
    let new = NewTenant { name: "realm".to_owned(), profile: Profile::SimpleIdServer, ..NewTenant::default() };
    let tenant = server.directory.create_tenant(new).await.unwrap();
    assert_eq!((&*tenant.access_token_algorithm, &*tenant.id_token_algorithm), ("RS256", "ES256"));
    assert_eq!((tenant.access_token_for, tenant.settings.device_code_for), (1800, 600));
    assert_eq!((&*tenant.settings.user_code.alphabet, &*tenant.settings.user_code.mask), ("0123456789", "****"));
}
