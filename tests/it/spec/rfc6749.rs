//! RFC 6749 at the token endpoint, with what CONTRACT 2.D adds to it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use faregate::model::Profile;
use http::StatusCode;

use crate::support::authorization_server::{
    OTHER_TENANT, REPORTS_SECRET, TENANT, TODO_API, TODO_SECRET, TestServer, encode, speaking,
};
use crate::support::world::{SPA, WEB, WEB_SECRET, world};

/// A request that says everything in its body, correctly.
fn credentials() -> String {
    format!("client_id={TODO_API}&client_secret={}", encode(TODO_SECRET))
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

struct Row {
    section: &'static str,
    authorization: Option<String>,
    body: String,
    expect: (u16, &'static str, &'static str),
}

fn row(
    section: &'static str,
    authorization: Option<&str>,
    body: &str,
    expect: (u16, &'static str, &'static str),
) -> Row {
    Row { section, authorization: authorization.map(str::to_owned), body: body.to_owned(), expect }
}

async fn check(server: &TestServer, rows: Vec<Row>) {
    for Row { section, authorization, body, expect } in rows {
        let mut call = server.post("/oauth2/token").body(body.clone());
        if let Some(authorization) = &authorization {
            call = call.header("Authorization", authorization);
        }
        let answer = call.send().await;
        let (status, error, reason) = answer.verdict();
        assert_eq!((status, &*error, &*reason), expect, "{section}: {authorization:?} {body}");
        if expect.0 != 200 {
            // F-095: always a description for people.
            assert!(answer.json()["error_description"].is_string(), "{section}");
        }
    }
}

const GRANT: &str = "grant_type=client_credentials";
const OK: (u16, &str, &str) = (200, "", "");

// RFC 6749 2.3.1, 3.2.1, 5.2
#[tokio::test]
async fn clients_authenticate() {
    let server = TestServer::start().await;
    let header = basic(&format!("{TODO_API}:{TODO_SECRET}"));
    let good = Some(&*header);
    let other_case = header.replace("Basic", "bAsIc");
    let unpadded = format!("Basic {}", STANDARD_NO_PAD.encode(format!("{TODO_API}:{TODO_SECRET}")));
    let encoded = basic(&format!("{}:{}", encode(&TODO_API.to_string()), encode(TODO_SECRET)));
    let colons = basic(&format!("reports:{REPORTS_SECRET}"));
    let colons_encoded = basic(&format!("reports:{}", encode(REPORTS_SECRET)));
    let half_encoded = basic("reports:a+b/c=A:d");
    let wrong = basic(&format!("{TODO_API}:wrong"));
    let empty = basic(&format!("{TODO_API}:"));
    let unknown = basic("nobody:wrong");
    let twice_encoded = basic(&format!("{TODO_API}:{}", encode(&encode(TODO_SECRET))));
    let body = |extra: &str| format!("{GRANT}&{extra}");
    let secret = encode(TODO_SECRET);
    let invalid = (401, "invalid_client", "invalid_client_authentication");
    let missing = (401, "invalid_client", "client_authentication_missing");
    let scheme = (401, "invalid_client", "invalid_client_authentication_scheme");
    let twice = (400, "invalid_request", "invalid_client_authentication");
    let mismatch = (400, "invalid_request", "client_id_mismatch");
    check(
        &server,
        vec![
            row("2.3.1 header, raw: F-082, F-182", good, GRANT, OK),
            row("2.3.1 header, form-encoded: F-082, D14", Some(&encoded), GRANT, OK),
            row("2.3.1 header without padding", Some(&unpadded), GRANT, OK),
            row("2.3.1 scheme in any case", Some(&other_case), GRANT, OK),
            row("2.3.1 a secret with a colon and a percent sign", Some(&colons), GRANT, OK),
            row("2.3.1 the same, encoded", Some(&colons_encoded), GRANT, OK),
            row("2.3.1 the same, decoded by nobody", Some(&half_encoded), GRANT, invalid),
            row("2.3.1 body: F-084", None, &body(&credentials()), OK),
            row("F-083 header and the same client_id", good, &body(&format!("client_id={TODO_API}")), OK),
            row("F-083 header and another client_id", good, &body("client_id=reports"), mismatch),
            row("F-084, D5 header and body", good, &body(&format!("client_secret={secret}")), twice),
            row("F-084 header and another body", good, &body("client_secret=other"), twice),
            row("3.2 an empty client_secret is none", good, &body("client_secret="), OK),
            row("5.2 wrong secret: F-085", Some(&wrong), GRANT, invalid),
            row("5.2 empty secret", Some(&empty), GRANT, invalid),
            row("5.2 unknown client, same answer", Some(&unknown), GRANT, invalid),
            row("5.2 encoded twice", Some(&twice_encoded), GRANT, invalid),
            row("5.2 wrong secret in the body", None, &body(&format!("client_id={TODO_API}&client_secret=x")), invalid),
            row("5.2 no secret: F-004, D8", None, &body(&format!("client_id={TODO_API}")), missing),
            row("5.2 unknown client without a secret", None, &body("client_id=nobody"), missing),
            row("F-083 nobody", None, GRANT, (400, "invalid_request", "missing_client_id")),
            row(
                "F-083 a secret of nobody",
                None,
                &body("client_secret=x"),
                (400, "invalid_request", "missing_client_id"),
            ),
            row("5.2 another scheme", Some("Bearer abc"), GRANT, scheme),
            row("5.2 no scheme", Some(""), GRANT, scheme),
            row("5.2 no credentials", Some("Basic"), GRANT, invalid),
            row("5.2 not base64", Some("Basic ???"), GRANT, invalid),
            row("5.2 no colon", Some(&basic("nobody")), GRANT, invalid),
            row("5.2 no id", Some(&basic(":secret")), GRANT, invalid),
            row(
                "5.2 bytes that are no text",
                Some(&format!("Basic {}", STANDARD.encode(b"\xff:\xfe"))),
                GRANT,
                invalid,
            ),
            row("F-180 the target's own id is no client id here", Some(&basic("email:email secret")), GRANT, invalid),
        ],
    )
    .await;
}

// RFC 6749 3.2, 4.4.2, 5.2
#[tokio::test]
async fn parameters_are_strict_where_the_rfc_is() {
    let server = TestServer::start().await;
    let with = |extra: &str| format!("{}&{extra}", credentials());
    let unknown = (400, "invalid_request", "unknown");
    check(
        &server,
        vec![
            row("5.2 no grant_type", None, &credentials(), (400, "invalid_request", "missing_grant_type")),
            row("3.2 empty grant_type", None, &with("grant_type="), (400, "invalid_request", "missing_grant_type")),
            row(
                "5.2 unknown grant_type",
                None,
                &with("grant_type=x"),
                (400, "unsupported_grant_type", "invalid_grant_type"),
            ),
            row(
                "5.2 names are exact",
                None,
                &with("grant_type=Client_Credentials"),
                (400, "unsupported_grant_type", "invalid_grant_type"),
            ),
            row(
                "F-180 entities have one grant",
                None,
                &with("grant_type=password"),
                (400, "unauthorized_client", "grant_type_disabled"),
            ),
            row("3.2 repeated grant_type", None, &with(&format!("{GRANT}&{GRANT}")), unknown),
            row("3.2 repeated client_id", None, &with(&format!("{GRANT}&client_id={TODO_API}")), unknown),
            row("3.2 repeated unknown parameter", None, &with(&format!("{GRANT}&x=1&x=1")), unknown),
            row("3.2 unknown parameters are ignored", None, &with(&format!("{GRANT}&x=1&y=")), OK),
            row("3.2 empty scope is none", None, &with(&format!("{GRANT}&scope=")), OK),
            row("B not UTF-8", None, &with(&format!("{GRANT}&x=%FF")), unknown),
            row("F-108 a stray percent sign", None, &with(&format!("{GRANT}&x=%pi")), OK),
        ],
    )
    .await;
}

// D8: an application, whether it keeps a secret or not, is no client for itself.
#[tokio::test]
async fn applications_have_no_client_credentials() {
    let server = world().await;
    let refused = (400, "unauthorized_client".to_owned(), "grant_type_disabled".to_owned());
    let confidential = server.post("/oauth2/token").basic(&WEB.to_string(), WEB_SECRET).body(GRANT).send().await;
    assert_eq!(confidential.verdict(), refused);
    let public = server.post("/oauth2/token").body(format!("{GRANT}&client_id={SPA}")).send().await;
    assert_eq!(public.verdict(), refused);
    // An entity without its secret is nobody.
    let unproven = server.post("/oauth2/token").body(format!("{GRANT}&client_id={TODO_API}")).send().await;
    assert_eq!(unproven.verdict().0, 401);
}

// F-080: nothing is taken from the query string; F-085: a challenge on 401; F-097: the order of the members.
#[tokio::test]
async fn the_query_string_is_not_read() {
    let server = TestServer::start().await;
    let path = format!("/oauth2/token?{GRANT}&{}", credentials());
    let answer = server.post(&path).send().await;
    assert_eq!(answer.verdict(), (400, "invalid_request".to_owned(), "missing_client_id".to_owned()));
    let answer = server.post(&path).body(format!("client_id={TODO_API}")).send().await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="));
    assert!(answer.text().starts_with(r#"{"error":"invalid_client","error_reason":"client_authentication_missing","#));
}

// RFC 6749 5.1, 5.2, F-086, F-087, F-088, F-089, F-093, F-187
#[tokio::test]
async fn answers_have_their_shape() {
    let server = TestServer::start().await;
    let answer = server.token("target-entity:email:read").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let body = answer.json();
    let members: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert_eq!(body["scope"], "target-entity:email:read");
    let refusal = server.post("/oauth2/token").send().await;
    for answer in [answer, refusal] {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("pragma"), Some("no-cache"));
    }
}

// RFC 6749 3.2, F-080, F-081
#[tokio::test]
async fn only_posted_forms_are_read() {
    let server = TestServer::start().await;
    let good = format!("{GRANT}&{}", credentials());
    for media_type in
        ["application/json", "text/plain", "multipart/form-data", "", "application/x-www-form-urlencodedx"]
    {
        let answer = post_as(&server, media_type, &good).await;
        assert_eq!(answer, (400, "invalid_request".to_owned()), "{media_type}");
    }
    for media_type in [
        "application/x-www-form-urlencoded;charset=UTF-8",
        "application/x-www-form-urlencoded ; charset=utf-8",
        "Application/X-WWW-Form-Urlencoded",
    ] {
        assert_eq!(post_as(&server, media_type, &good).await.0, 200, "{media_type}");
    }
    for method in ["GET", "PUT", "DELETE", "HEAD", "PATCH"] {
        let answer = server.request(method, "/oauth2/token").send().await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.header("allow"), Some("POST,OPTIONS"), "{method}");
    }
    let nothing = server.request("GET", "/oauth2/nothing").send().await;
    assert_eq!((nothing.status.as_u16(), nothing.json()["error"].as_str()), (404, Some("invalid_request")));
}

async fn post_as(server: &TestServer, media_type: &str, body: &str) -> (u16, String) {
    let call = server.request("POST", "/oauth2/token").header("Content-Type", media_type);
    let (status, error, _) = call.body(body).send().await.verdict();
    (status, error)
}

// N3
#[tokio::test]
async fn a_body_has_at_most_64_kibibytes() {
    let server = TestServer::start().await;
    let good = format!("{GRANT}&{}&x=", credentials());
    let fits = format!("{good}{}", "x".repeat(64 * 1024 - good.len()));
    assert_eq!(server.post("/oauth2/token").body(fits.clone()).send().await.status, StatusCode::OK);
    let answer = server.post("/oauth2/token").body(fits + "x").send().await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["error"], "invalid_request");
}

// 2.3.1: MUST NOT use more than one method; two header fields are two.
#[tokio::test]
async fn two_authorization_headers_are_too_many() {
    let server = TestServer::start().await;
    let call = server.post("/oauth2/token").basic(&TODO_API.to_string(), TODO_SECRET);
    let answer = call.basic(&TODO_API.to_string(), TODO_SECRET).body(GRANT).send().await;
    assert_eq!(answer.verdict().0, 400);
    assert_eq!(answer.verdict().1, "invalid_request");
}

// F-084: FusionAuth tolerates the same secret twice, and only the same.
#[tokio::test]
async fn the_fusionauth_dialect_tolerates_equal_credentials() {
    let server = TestServer::start_with(speaking(Profile::FusionAuth)).await;
    let good = basic(&format!("{TODO_API}:{TODO_SECRET}"));
    let same = format!("{GRANT}&client_secret={}", encode(TODO_SECRET));
    check(
        &server,
        vec![
            row("F-084 equal", Some(&good), &same, OK),
            row(
                "F-084 different",
                Some(&good),
                &format!("{GRANT}&client_secret=x"),
                (400, "invalid_request", "invalid_client_authentication"),
            ),
        ],
    )
    .await;
}

// D1: tenant by path, header, parameter, and by the client.
#[tokio::test]
async fn the_tenant_is_found() {
    let server = TestServer::start().await;
    server.add_other_tenant().await;
    let grant = |client_id: &str, secret: &str, extra: &str| {
        format!("{GRANT}&client_id={client_id}&client_secret={}{extra}", encode(secret))
    };
    let todo = grant(&TODO_API.to_string(), TODO_SECRET, "");
    let twin = grant("reports", "twin secret", "");
    let own = format!("/{OTHER_TENANT}/oauth2/token");
    let other = OTHER_TENANT.to_string();
    let upper = TENANT.to_string().to_uppercase();
    let empty = String::new();
    let rows = [
        ("the only tenant that knows the client", "/oauth2/token", None, todo.clone(), OK),
        ("two know it", "/oauth2/token", None, twin.clone(), (400, "invalid_request", "missing_tenant_id")),
        ("path", &own, None, twin.clone(), OK),
        ("header", "/oauth2/token", Some(&other), twin.clone(), OK),
        ("an empty header is none", "/oauth2/token", Some(&empty), todo.clone(), OK),
        ("parameter", "/oauth2/token", None, format!("{twin}&tenantId={other}"), OK),
        ("all three", &own, Some(&other), format!("{twin}&tenantId={other}"), OK),
        ("upper case", "/oauth2/token", Some(&upper), todo.clone(), OK),
        (
            "the client is of another tenant",
            &own,
            None,
            todo.clone(),
            (401, "invalid_client", "invalid_client_authentication"),
        ),
        (
            "contradiction",
            &own,
            None,
            format!("{todo}&tenantId={TENANT}"),
            (400, "invalid_request", "invalid_tenant_id"),
        ),
        (
            "no UUID",
            "/oauth2/token",
            None,
            format!("{todo}&tenantId=main"),
            (400, "invalid_request", "invalid_tenant_id"),
        ),
        (
            "unknown",
            "/oauth2/token",
            None,
            format!("{todo}&tenantId={TODO_API}"),
            (400, "invalid_request", "invalid_tenant_id"),
        ),
        (
            "nobody knows the client",
            "/oauth2/token",
            None,
            grant("nobody", "x", ""),
            (401, "invalid_client", "invalid_client_authentication"),
        ),
    ];
    for (name, path, header, body, expect) in rows {
        let mut call = server.post(path).body(body);
        if let Some(header) = header {
            call = call.header("X-FusionAuth-TenantId", header);
        }
        let (status, error, reason) = call.send().await.verdict();
        assert_eq!((status, &*error, &*reason), expect, "{name}");
    }
    let answer = server.post(&own).body(twin).send().await;
    assert_eq!(answer.claims()["iss"], format!("https://gate.example.com/{OTHER_TENANT}"));
    assert_eq!(answer.claims()["tid"], other);
}

// D6, N7, T56: 429 after ten wrong secrets a minute, for that client from that address only.
#[tokio::test]
async fn guessing_is_throttled() {
    let server = TestServer::start().await;
    let id = TODO_API.to_string();
    let guess = |peer: &'static str, secret: &'static str| {
        server.post("/oauth2/token").from(peer).basic(&id, secret).body(GRANT).send()
    };
    for _ in 0..10 {
        assert_eq!(guess("192.0.2.1", "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = guess("192.0.2.1", TODO_SECRET).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(refused.json()["error"], "temporarily_unavailable");
    assert_eq!(guess("192.0.2.2", TODO_SECRET).await.status, StatusCode::OK);
    server.clock.advance(60);
    assert_eq!(guess("192.0.2.1", TODO_SECRET).await.status, StatusCode::OK);
}

// F-096, RFC 6749 4.1.2.1 by analogy: a store that does not answer is 503, soon over, and not described.
#[tokio::test]
async fn a_silent_store_is_503() {
    use faregate::store::Store as _;
    let server = TestServer::start().await;
    server.store.close().await;
    let answer = server.token("target-entity:email").await;
    assert_eq!(answer.verdict(), (503, "temporarily_unavailable".to_owned(), "unknown".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert!(!answer.text().to_lowercase().contains("sql"), "{}", answer.text());
    // What is in memory still answers.
    assert_eq!(server.get("/.well-known/jwks.json").send().await.status, StatusCode::OK);
}
