//! `auth0` (CONTRACT 2.O), besides the conversations of `transcript/auth0_*.http`.

use faregate::directory::{NewTenant, new_tenant};
use faregate::jose::Algorithm;
use faregate::model::{Api, ApplicationGrant, Profile, RefreshTokenPolicy, RefreshTokenUsage, Tenant, UserCodeShape};
use faregate::store::Store as _;
use serde_json::json;

use crate::support::authorization_server::{
    Answer, NOW, PUBLIC_URL, TENANT, TODO_API, TODO_SECRET, TestServer, encode,
};
use crate::support::browser::Browser;
use crate::support::gateway::Gateway;
use crate::support::log::Log;
use crate::support::people::{
    ADA_EMAIL, CALLBACK, CHALLENGE, PASSWORD, SECRET, SPA, VERIFIER, WEB, members, redemption,
};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ORDERS: &str = "https://orders.example.com/";
const READ_ONLY: &str = "https://read.example.com/";

fn auth0(tenant: &mut Tenant) {
    let api = |identifier: &str, allows_offline_access| Api {
        identifier: identifier.to_owned(),
        scopes: vec!["read:contacts".to_owned()],
        allows_offline_access,
    };
    *tenant = new_tenant(TENANT, "main", Profile::Auth0, 1);
    tenant.settings.apis = vec![api(ORDERS, true), api(READ_ONLY, false)];
    // RSA keys take too long to be made in every test.
    (tenant.access_token_algorithm, tenant.id_token_algorithm) = ("ES256".to_owned(), "ES256".to_owned());
}

/// People, and `spa` with the device grant.
pub(super) async fn server() -> TestServer {
    server_with(|_| {}).await
}

async fn server_with(change: impl FnOnce(&mut Tenant)) -> TestServer {
    let server = TestServer::with_people_and(|tenant| {
        auth0(tenant);
        change(tenant);
    })
    .await;
    server.change(SPA, |settings| settings.grants.push(ApplicationGrant::DeviceCode)).await;
    server.absorb().await;
    server
}

async fn begin(server: &TestServer, form: &str) -> Answer {
    server.post("/oauth/device/code").body(format!("client_id={SPA}{form}")).send().await
}

async fn poll(server: &TestServer, device_code: &str) -> Answer {
    let form = format!("grant_type={}&device_code={device_code}&client_id={SPA}", encode(DEVICE_CODE));
    server.post("/oauth/token").body(form).send().await
}

/// What the device gets after Ada said `decision` on the page.
async fn decided(server: &TestServer, form: &str, decision: &str) -> Answer {
    let asked = begin(server, form).await.json();
    let uri = asked["verification_uri_complete"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap();
    let mut browser = Browser::new(server);
    let page = browser.open(uri).await;
    let user_code = asked["user_code"].as_str().unwrap();
    assert!(page.text().contains(user_code), "F-235: {}", page.text());
    let page = browser.submit(&page, &[("user_code", user_code)]).await;
    let page = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    assert!(page.text().contains(user_code), "F-236: {}", page.text());
    browser.submit(&page, &[("decision", decision)]).await;
    poll(server, asked["device_code"].as_str().unwrap()).await
}

async fn refresh(server: &TestServer, refresh_token: &str, more: &str) -> Answer {
    let form = format!("grant_type=refresh_token&client_id={SPA}&refresh_token={refresh_token}{more}");
    server.post("/oauth/token").body(form).send().await
}

// F-233, F-234, F-235, section 4
#[tokio::test]
async fn a_code_has_the_shape_that_the_tenant_says() {
    let server = server().await;
    let answer = begin(&server, "").await;
    assert_eq!(
        members(&answer.json()),
        ["device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"]
    );
    let user_code = answer.json()["user_code"].as_str().unwrap().to_owned();
    let (front, back) = user_code.split_once('-').unwrap();
    assert_eq!((front.len(), back.len()), (4, 4));
    assert!((front.to_owned() + back).chars().all(|letter| UserCodeShape::CONSONANTS.contains(letter)), "{user_code}");
    assert_eq!(answer.json()["verification_uri"], format!("{PUBLIC_URL}/activate"));
    assert_eq!(answer.json()["verification_uri_complete"], format!("{PUBLIC_URL}/activate?user_code={user_code}"));
    let digits = UserCodeShape { alphabet: "0123456789".to_owned(), mask: "TV ***-***-***".to_owned() };
    let server = server_with(|tenant| tenant.settings.user_code = digits).await;
    let answer = begin(&server, "").await.json();
    let user_code = answer["user_code"].as_str().unwrap();
    assert!(user_code.starts_with("TV ") && user_code[3..].chars().all(|c| c.is_ascii_digit() || c == '-'));
    let complete = answer["verification_uri_complete"].as_str().unwrap();
    assert!(complete.ends_with(&user_code.replace(' ', "%20")), "{complete}");
}

// F-231, F-232, F-244: what the device gets depends on the scopes and on the API.
#[tokio::test]
async fn tokens_are_for_the_api_that_was_asked_for() {
    let server = server().await;
    let orders = format!("&audience={}", encode(ORDERS));
    let read_only = format!("&audience={}", encode(READ_ONLY));
    let rows = [
        ("", SPA, &["access_token", "token_type", "expires_in"][..]),
        ("&scope=openid", SPA, &["access_token", "id_token", "token_type", "expires_in"]),
        (
            "&scope=openid%20offline_access",
            SPA,
            &["access_token", "refresh_token", "id_token", "token_type", "expires_in"],
        ),
        (
            &format!("&scope=read%3Acontacts+offline_access{orders}"),
            ORDERS,
            &["access_token", "refresh_token", "token_type", "expires_in"],
        ),
        (
            &format!("&scope=read%3Acontacts%20offline_access{read_only}"),
            READ_ONLY,
            &["access_token", "token_type", "expires_in"],
        ),
    ];
    for (form, audience, expected) in rows {
        let answer = decided(&server, form, "allow").await;
        assert_eq!(members(&answer.json()), expected, "{form}");
        assert_eq!((&answer.json()["token_type"], &answer.json()["expires_in"]), (&json!("Bearer"), &json!(86_400)));
        let claims = answer.claims();
        assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(audience), &json!(SPA)), "{form}");
    }
    for (form, error) in [
        ("&scope=read%3Acontacts".to_owned(), (400, "invalid_scope")),
        (format!("&scope=write%3Acontacts{orders}"), (400, "invalid_scope")),
        ("&audience=https%3A%2F%2Fnobody.example%2F".to_owned(), (403, "access_denied")),
    ] {
        let answer = begin(&server, &form).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str().unwrap()), error, "{form}");
        assert_eq!(members(&answer.json()), ["error", "error_description"], "{form}");
    }
}

// F-231: the authorization endpoint knows APIs, too; elsewhere the parameter means nothing.
#[tokio::test]
async fn a_login_can_be_for_an_api() {
    let server = server().await;
    server.change(SPA, |settings| settings.grants = vec![ApplicationGrant::AuthorizationCode]).await;
    let authorize = |audience: &str| {
        let ask = format!("/authorize?client_id={SPA}&response_type=code&redirect_uri={}", encode(CALLBACK));
        let challenge = format!("code_challenge={CHALLENGE}&code_challenge_method=S256");
        format!("{ask}&scope=openid%20read%3Acontacts&{challenge}&audience={}", encode(audience))
    };
    let mut browser = Browser::new(&server);
    let page = browser.open(&authorize(ORDERS)).await;
    let page = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    let code = page.get("code").unwrap_or_else(|| panic!("{}", page.text())).to_owned();
    let form = format!("client_id={SPA}&code_verifier={VERIFIER}&{}", redemption(&code));
    let answer = server.post("/oauth/token").body(form).send().await;
    assert_eq!(answer.claims()["aud"], ORDERS);
    assert_eq!(members(&answer.json()), ["access_token", "id_token", "token_type", "expires_in"]);
    let refused = browser.open(&authorize("https://nobody.example/")).await;
    assert_eq!(refused.get("error").as_deref(), Some("access_denied"), "{}", refused.text());

    let server = TestServer::with_people().await;
    server.change(SPA, |settings| settings.grants.push(ApplicationGrant::DeviceCode)).await;
    let form = format!("client_id={SPA}&audience=https%3A%2F%2Fnobody.example%2F");
    assert_eq!(server.post("/oauth2/device_authorize").body(form).send().await.status, 200);
}

// F-238 to F-242: statuses, Retry-After, and an interval that does not grow.
#[tokio::test]
async fn a_device_hears_403_and_429() {
    let server = server().await;
    let device_code = begin(&server, "").await.json()["device_code"].as_str().unwrap().to_owned();
    let mut said = Vec::new();
    for wait_for in [0, 3, 4, 4, 2, 5, 900] {
        server.clock.advance(wait_for);
        let answer = poll(&server, &device_code).await;
        assert_eq!(members(&answer.json()), ["error", "error_description"]);
        assert_eq!(answer.header("retry-after"), (answer.status == 429).then_some("5"));
        said.push((answer.status.as_u16(), answer.json()["error"].as_str().unwrap().to_owned()));
    }
    let (pending, slow) = ((403, "authorization_pending"), (429, "slow_down"));
    let expected = [pending, slow, pending, pending, slow, pending, (403, "expired_token")];
    assert_eq!(said, expected.map(|(status, error)| (status, error.to_owned())));
    assert_eq!(decided(&server, "", "deny").await.status, 403);
}

// F-245, F-246, D22
#[tokio::test]
async fn a_device_keeps_no_secret() {
    let server = server().await;
    server.change("optional", |settings| settings.grants.push(ApplicationGrant::DeviceCode)).await;
    let secret = encode(crate::support::people::SECRET);
    for (form, status, error) in [
        (format!("client_id={SPA}&client_secret=x"), 403, "unauthorized_client"),
        (format!("client_id={WEB}&client_secret={secret}"), 403, "unauthorized_client"),
        (format!("client_id={WEB}"), 403, "unauthorized_client"),
        ("client_id=nobody".to_owned(), 401, "invalid_client"),
    ] {
        let answer = server.post("/oauth/device/code").body(form.as_str()).send().await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (status, Some(error)), "{form}");
    }
    // One that may authenticate or not must not.
    let asked = server.post("/oauth/device/code").body("client_id=optional").send().await.json();
    let form = format!(
        "grant_type={}&client_id=optional&client_secret={secret}&device_code={}",
        encode(DEVICE_CODE),
        asked["device_code"].as_str().unwrap()
    );
    let answer = server.post("/oauth/token").body(form).send().await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (403, Some("unauthorized_client")));
}

// F-247, F-248, C3: one refresh token for all its life, unless the policy says otherwise.
#[tokio::test]
async fn a_refresh_brings_no_other_refresh_token() {
    let server = server().await;
    let scope = format!("&scope=openid%20offline_access%20read%3Acontacts&audience={}", encode(ORDERS));
    let refresh_token = decided(&server, &scope, "allow").await.refresh_token();
    for more in ["", "&client_secret=", "&scope=openid%20offline_access", ""] {
        let answer = refresh(&server, &refresh_token, more).await;
        assert_eq!(
            members(&answer.json()),
            ["access_token", "expires_in", "scope", "id_token", "token_type"],
            "{more}"
        );
        let narrowed = more.contains("scope");
        let expected = if narrowed { "openid offline_access" } else { "openid offline_access read:contacts" };
        assert_eq!(answer.json()["scope"], expected);
        assert_eq!((&answer.claims()["aud"], &answer.json()["expires_in"]), (&json!(ORDERS), &json!(86_400)));
    }
    let wider = refresh(&server, &refresh_token, "&scope=profile").await;
    assert_eq!((wider.status.as_u16(), wider.json()["error"].as_str()), (400, Some("invalid_scope")));
    // An API that allows it no more.
    let before = server.store.find_tenant(TENANT).await.unwrap().unwrap();
    let mut tenant = before.clone();
    tenant.settings.apis[0].allows_offline_access = false;
    assert!(server.store.update_tenant(&before, &tenant).await.unwrap());
    server.keys.reload().await.unwrap();
    assert_eq!(refresh(&server, &refresh_token, "").await.json()["error"], "invalid_grant");

    let one_time = RefreshTokenPolicy { usage: RefreshTokenUsage::OneTimeUse, ..RefreshTokenPolicy::default() };
    let server = server_with(|tenant| tenant.settings.refresh_tokens = one_time).await;
    let refresh_token = decided(&server, "&scope=offline_access", "allow").await.refresh_token();
    assert_ne!(refresh(&server, &refresh_token, "").await.refresh_token(), refresh_token);
}

// F-251
#[tokio::test]
async fn one_token_from_one_address_is_throttled() {
    let server = server().await;
    let refresh_token = decided(&server, "&scope=offline_access", "allow").await.refresh_token();
    let form = format!("grant_type=refresh_token&client_id={SPA}&refresh_token={refresh_token}");
    let ask = async |peer: &str| server.post("/oauth/token").from(peer).body(form.as_str()).send().await;
    for _ in 0..60 {
        assert_eq!(ask("192.0.2.1").await.status, 200);
    }
    let throttled = ask("192.0.2.1").await;
    assert_eq!((throttled.status.as_u16(), throttled.header("retry-after")), (429, Some("60")));
    assert_eq!(ask("198.51.100.1").await.status, 200);
    server.clock.advance(60);
    assert_eq!(ask("192.0.2.1").await.status, 200);
}

// F-249
#[tokio::test]
async fn userinfo_needs_openid() {
    let server = server().await;
    for (scope, status) in [("openid%20email", 200), ("email", 403)] {
        let token = decided(&server, &format!("&scope={scope}"), "allow").await.access_token();
        let call = server.get("/userinfo").header("authorization", &format!("bearer {token}"));
        // As the Python SDK does: a media type without a body.
        let answer = call.header("content-type", "application/json").send().await;
        assert_eq!(answer.status, status, "{scope}");
    }
    assert_eq!(server.get("/userinfo").send().await.status, 401);
}

// F-250
#[tokio::test]
async fn bodies_may_be_json() {
    let server = server().await;
    let post =
        async |path: &str, body: &str| server.post_as(path, "application/json; charset=utf-8").body(body).send().await;
    let asked = post("/oauth/device/code", r#"{"client_id":"spa","audience":null,"scope":"openid"}"#).await;
    let device_code = asked.json()["device_code"].as_str().unwrap().to_owned();
    let form = json!({ "client_id": SPA, "device_code": device_code, "grant_type": DEVICE_CODE, "organization": null });
    assert_eq!(post("/oauth/token", &form.to_string()).await.json()["error"], "authorization_pending");
    for wrong in [" ", "[]", "client_id=spa", r#"{"client_id":["spa"]}"#, r#"{"client_id":"spa""#] {
        let answer = post("/oauth/token", wrong).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"].as_str()),
            (400, Some("invalid_request")),
            "{wrong}"
        );
    }
    // On the shared paths forms are forms.
    assert_eq!(post("/oauth2/token", &form.to_string()).await.json()["error"], "invalid_request");
}

// RFC 6749 5.2: whatever is wrong, and wherever, it is said without a reason
#[tokio::test]
async fn no_error_has_a_reason() {
    let server = server().await;
    let json = "application/json";
    for (path, media_type, body) in [
        ("/oauth/token", json, r#"{"a":["b"]}"#),
        ("/oauth/token", json, r#"{"grant_type":"x","grant_type":"y"}"#),
        ("/oauth/token", "application/x-www-form-urlencoded", "a=1&a=2"),
        ("/oauth/token", "application/x-www-form-urlencoded", "grant_type=password"),
        ("/oauth/token", "text/plain", "x"),
        ("/oauth/revoke", "application/x-www-form-urlencoded", "a=1&a=2"),
        ("/oauth/device/code", "application/x-www-form-urlencoded", "scope=openid"),
        ("/userinfo", "application/x-www-form-urlencoded", "access_token=x"),
    ] {
        let answer = server.post_as(path, media_type).body(body).send().await;
        assert!(answer.status.is_client_error(), "{path} {body}: {}", answer.text());
        assert_eq!(members(&answer.json()), ["error", "error_description"], "{path} {body}");
    }
    let introspected = server.post("/oauth2/introspect").basic(WEB, "wrong").body("token=x").send().await;
    assert_eq!(members(&introspected.json()), ["error", "error_description"]);
}

// F-231, RFC 8707 2: at the token endpoint, too
#[tokio::test]
async fn an_audience_counts_where_tokens_are_asked_for() {
    let server = server().await;
    server.change(WEB, |settings| settings.grants.push(ApplicationGrant::Password)).await;
    server.absorb().await;
    let ask = async |name: &str, secret: &str, form: &str, audience: &str| {
        let body = format!("{form}&audience={}", encode(audience));
        server.post("/oauth/token").basic(name, secret).body(body).send().await
    };
    let person = format!(
        "grant_type=password&username={}&password={}&scope=read%3Acontacts",
        encode(ADA_EMAIL),
        encode(PASSWORD)
    );
    let answer = ask(WEB, SECRET, &person, ORDERS).await;
    assert_eq!((&answer.claims()["aud"], &answer.claims()["scope"]), (&json!(ORDERS), &json!("read:contacts")));
    let verdict = |answer: &Answer| (answer.verdict().0, answer.verdict().1);
    assert_eq!(verdict(&ask(WEB, SECRET, &person, "nobody").await), (403, "access_denied".to_owned()));
    // What an entity's token is for its scope says.
    let entity = (&*TODO_API.to_string(), TODO_SECRET);
    let form = "grant_type=client_credentials";
    let answer = ask(entity.0, entity.1, form, ORDERS).await;
    assert_eq!(verdict(&answer), (400, "invalid_target".to_owned()));
    assert_eq!(verdict(&ask(entity.0, entity.1, form, "nobody").await), (403, "access_denied".to_owned()));
    assert_eq!(server.post("/oauth/token").basic(entity.0, entity.1).body(form).send().await.status, 200);
}

// F-252
#[tokio::test]
async fn scripts_of_listed_origins_may_read() {
    let server = server().await;
    server.change(SPA, |settings| settings.origins.push("https://tv.example".to_owned())).await;
    server.absorb().await;
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    for (origin, client_id, expected) in [
        ("https://tv.example", SPA, Some("https://tv.example")),
        ("https://tv.example", WEB, None),
        ("https://elsewhere.example", SPA, None),
        ("null", SPA, None),
    ] {
        let body = format!("client_id={client_id}");
        let answer = server.post("/oauth/device/code").header("Origin", origin).body(body).send().await;
        assert_eq!(allowed(&answer).as_deref(), expected, "{origin} {client_id}");
        assert_eq!(answer.header("vary"), Some("origin"));
    }
    // RFC 9700 2.6: a page is never for scripts.
    let page = server.get("/activate").header("Origin", "https://tv.example").send().await;
    assert_eq!((page.status.as_u16(), allowed(&page)), (200, None));
}

// F-253, F-254: our events carry the codes that operators have alerts on.
#[tokio::test]
async fn the_log_has_its_codes() {
    let log = Log::start();
    let server = server().await;
    begin(&server, "&audience=nobody").await;
    decided(&server, "", "deny").await;
    decided(&server, "", "allow").await;
    let mut browser = Browser::new(&server);
    let page = browser.open("/activate").await;
    browser.submit(&page, &[("user_code", "BBBB-BBBB")]).await;
    let fields: Vec<serde_json::Value> = log.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fields = fields.iter().map(|line| &line["fields"]);
    let mut coded: Vec<_> = fields
        .filter(|fields| fields["code"].is_string())
        .inspect(|fields| assert_eq!(fields["protocol"], "oauth2-device-code"))
        .map(|fields| (fields["event"].as_str().unwrap(), fields["code"].as_str().unwrap()))
        .collect();
    coded.sort_unstable();
    assert_eq!(
        coded,
        [
            ("device.denied", "fdecc"),
            ("device.exchange_refused", "fede"),
            ("device.request_refused", "fdeaz"),
            ("device.user_code_wrong", "fdeac"),
            ("token.issued", "sede"),
        ]
    );
}

// D6, section 4: RSA only, tokens for a day, codes for fifteen minutes.
#[tokio::test]
async fn a_new_tenant_is_as_its_clients_expect() {
    let server = TestServer::start().await;
    let new = |algorithm: Option<&str>| NewTenant {
        name: "acme".to_owned(),
        profile: Profile::Auth0,
        access_token_algorithm: algorithm.map(str::to_owned),
        ..NewTenant::default()
    };
    for algorithm in Algorithm::ALL.map(Algorithm::as_str).into_iter().filter(|name| !name.starts_with("RS")) {
        assert!(server.directory.create_tenant(new(Some(algorithm))).await.is_err(), "{algorithm}");
    }
    let tenant = server.directory.create_tenant(new(None)).await.unwrap();
    assert_eq!((&*tenant.access_token_algorithm, &*tenant.id_token_algorithm), ("RS256", "RS256"));
    assert_eq!((tenant.access_token_for, tenant.settings.device_code_for), (86_400, 900));
    assert_eq!(tenant.created_at, NOW);
}

// F-255: the routes take the tokens, whatever case the header has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_names_have_no_case() {
    let gateway = Gateway::start().await;
    let token = gateway.reader().await;
    for name in ["authorization", "Authorization", "AUTHORIZATION"] {
        let answer = gateway.request("GET", "/api/x", &format!("{name}: Bearer {token}\r\n")).await;
        assert_eq!(answer.status(), 200, "{name}");
    }
}
