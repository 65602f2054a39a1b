//! Who gets through, and what the others are told.

use crate::support::gateway::{Gateway, RECIPIENT_ID, RECIPIENT_SECRET, TARGET_ID, client};

/// The whole field line.
fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

// F-331, RFC 6750 3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_nobody_gets_through() {
    let gateway = Gateway::start().await;
    for target in ["/api/orders", "/any/thing", "/admin/users", "/entities/orders/read", "/api"] {
        let answer = gateway.request("GET", target, "").await;
        assert_eq!(answer.status(), 401, "{target}");
        let challenge = answer.field("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm=\"faregate\"") && !challenge.contains("error"), "{challenge}");
        // F-344, RFC 9457
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        let problem = answer.json();
        assert_eq!((&problem["code"], &problem["status"]), (&"no_token".into(), &401.into()));
        assert_eq!(problem.get("error"), None, "RFC 6750 3.1: no error code without credentials");
        assert_eq!(problem["request_id"].as_str(), answer.field("x-request-id"));
    }
    // Another scheme is no credential of ours: RFC 6750 2.1
    for fields in [
        "Authorization: Basic dTpw\r\n",
        "Authorization: Bearers abc\r\n",
        "Authorization:\r\n",
        "Cookie: access_token=abc\r\n",
    ] {
        let answer = gateway.request("GET", "/api/orders", fields).await;
        assert_eq!((answer.status(), answer.json()["code"].as_str()), (401, Some("no_token")), "{fields}");
    }
    let html = gateway.request("GET", "/api/orders", "Accept: text/html,application/xhtml+xml\r\n").await;
    assert_eq!((html.status(), html.field("content-type")), (401, Some("text/html; charset=utf-8")));
    assert!(html.body().contains(html.field("x-request-id").unwrap()), "{}", html.text);
    assert_eq!(gateway.upstream.count(), 0, "F-343: nothing reached the upstream");
}

// F-336, F-332, RFC 6750 3.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_opens_what_it_names() {
    let gateway = Gateway::start().await;
    let token = gateway.reader().await;
    let authorization = bearer(&token);

    let answer = gateway.request("GET", "/api/orders", &authorization).await;
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let received = gateway.upstream.last();
    assert!(!received.head.contains(&token), "{}", received.head);
    assert_eq!(received.field("x-auth-subject").as_deref(), Some(RECIPIENT_ID));
    assert_eq!(received.field("x-request-id").as_deref(), answer.field("x-request-id"));
    let permissions: serde_json::Value = serde_json::from_str(&received.field("x-auth-permissions").unwrap()).unwrap();
    assert_eq!(permissions, serde_json::json!({ TARGET_ID: ["read"] }));
    // RFC 9110 11.1, F-331: the scheme has no case
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        assert_eq!(
            gateway.request("GET", "/api/orders", &format!("Authorization: {scheme} {token}\r\n")).await.status(),
            200,
            "{scheme}"
        );
    }
    let before = gateway.upstream.count();

    let answer = gateway.request("POST", "/api/orders", &authorization).await;
    assert_eq!(answer.status(), 403);
    let challenge = answer.field("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\"")
            && challenge.contains("scope=\"target-entity:orders:write\""),
        "{challenge}"
    );
    assert_eq!(
        (answer.json()["error"].as_str(), answer.json()["code"].as_str()),
        (Some("insufficient_scope"), Some("missing_permission"))
    );
    // F-335
    let answer = gateway.request("GET", "/admin/users", &authorization).await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (403, Some("missing_role")));
    assert_eq!(gateway.upstream.count(), before);
}

// F-193: a token without scope has no audience and no permissions; it is somebody, and no more
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_permissions_is_only_somebody() {
    let gateway = Gateway::start().await;
    let authorization = bearer(&gateway.token("").await);
    assert_eq!(gateway.request("GET", "/any/thing", &authorization).await.status(), 200);
    for (method, target) in
        [("GET", "/api/orders"), ("POST", "/api/orders"), ("GET", "/admin/x"), ("GET", "/entities/orders/read")]
    {
        let answer = gateway.request(method, target, &authorization).await;
        assert_eq!(
            (answer.status(), answer.json()["error"].as_str()),
            (403, Some("insufficient_scope")),
            "{method} {target}"
        );
    }
    assert_eq!(gateway.upstream.count(), 1);
}

// F-336: the entity of the path, by id and by name, in the spelling of the canonical path only
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_parameter_names_the_entity() {
    let gateway = Gateway::start().await;
    let authorization = bearer(&gateway.reader().await);
    for (entity, status) in [
        ("orders", 200),
        (TARGET_ID, 200),
        ("%6frders", 200),
        ("Orders", 403),
        ("reporting", 403),
        (RECIPIENT_ID, 403),
        ("*", 403),
        ("orders%20", 403),
        ("orders;x", 403),
        ("%7Bentity%7D", 403),
    ] {
        let answer = gateway.request("GET", &format!("/entities/{entity}/read"), &authorization).await;
        assert_eq!(answer.status(), status, "{entity}: {}", answer.text);
    }
    // The challenge tells what to ask for, and cannot be made to say more (RFC 6750 3).
    let answer = gateway.request("GET", "/entities/a\",evil=\"b/read", &authorization).await;
    assert!(
        answer.field("www-authenticate").is_none_or(|challenge| !challenge.contains("evil=\"b")),
        "{}",
        answer.text
    );
    assert_eq!(gateway.upstream.count(), 3);
}

// F-331, F12: ambiguous credentials are 400, and nobody has to choose
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_credentials_are_refused() {
    let gateway = Gateway::start().await;
    let token = gateway.reader().await;
    let one = bearer(&token);
    for (target, fields, code) in [
        ("/api/orders", format!("{one}{one}"), "several_credentials"),
        ("/api/orders", format!("{one}authorization: Basic dTpw\r\n"), "several_credentials"),
        ("/api/orders", format!("Authorization: Basic dTpw\r\n{one}"), "several_credentials"),
        ("/api/orders?access_token=abc", one.clone(), "several_credentials"),
        ("/api/orders?a=1&access%5Ftoken=abc", one.clone(), "several_credentials"),
        ("/api/orders", format!("Authorization: Bearer\t{token}\r\n"), "malformed_authorization"),
        ("/api/orders", format!("Authorization: Bearer  {token}\r\n"), "malformed_authorization"),
        ("/api/orders", format!("Authorization: Bearer {token} {token}\r\n"), "malformed_authorization"),
        ("/api/orders", format!("Authorization: Bearer {token},Bearer {token}\r\n"), "malformed_authorization"),
        ("/api/orders", "Authorization: Bearer\r\n".to_owned(), "malformed_authorization"),
        ("/api/orders", "Authorization: Bearer \"abc\"\r\n".to_owned(), "malformed_authorization"),
    ] {
        let answer = gateway.request("GET", target, &fields).await;
        assert_eq!((answer.status(), answer.json()["code"].as_str()), (400, Some(code)), "{target} {fields}");
        assert!(
            answer.field("www-authenticate").is_some_and(|challenge| challenge.contains("error=\"invalid_request\""))
        );
    }
    // RFC 9700 4.3.2: a token in the query alone is none
    let answer = gateway.request("GET", &format!("/api/orders?access_token={token}"), "").await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (401, Some("no_token")));
    assert_eq!(gateway.upstream.count(), 0);
}

const METHODS: &str = r#"
upstreams: { app: "${UPSTREAM}" }
routes:
  /reads/**: { upstream: app, require: { GET: authenticated } }
  /posts/**: { upstream: app, require: { POST: authenticated, OPTIONS: public } }
"#;

// F-346, F-348, M7, RFC 9110 9.3.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_has_its_own_answer() {
    let gateway = Gateway::start().await;
    let authorization = bearer(&gateway.reader().await);
    for (method, status) in
        [("GET", 200), ("HEAD", 200), ("POST", 403), ("DELETE", 403), ("OPTIONS", 403), ("PURGE", 403), ("get", 403)]
    {
        let answer = gateway.request(method, "/api/orders", &authorization).await;
        assert_eq!(answer.status(), status, "{method}: {}", answer.text);
    }
    let head = gateway.request("HEAD", "/api/orders", "").await;
    assert_eq!((head.status(), head.body()), (401, ""), "RFC 9110 9.3.2: HEAD has no body");
    assert_eq!(gateway.request("OPTIONS", "/api/orders", "").await.status(), 401);
    for method in ["TRACE", "CONNECT"] {
        for target in ["/public/x", "/api/orders"] {
            let answer = gateway.request(method, target, &authorization).await;
            assert_eq!(
                (answer.status(), answer.field("allow").is_some()),
                (405, true),
                "{method} {target}: {}",
                answer.text
            );
        }
    }
    assert_eq!(gateway.request("CONNECT", "gate.test:443", "").await.status(), 405);
    assert_eq!(gateway.upstream.count(), 2);

    let gateway = Gateway::with(METHODS, &[]).await;
    let authorization = bearer(&gateway.token("").await);
    for (method, target, fields, status) in [
        ("GET", "/reads/x", authorization.as_str(), 200),
        ("HEAD", "/reads/x", authorization.as_str(), 200),
        ("POST", "/reads/x", authorization.as_str(), 403),
        ("GET", "/posts/x", authorization.as_str(), 403),
        ("POST", "/posts/x", authorization.as_str(), 200),
        ("POST", "/posts/x", "", 401),
        ("OPTIONS", "/posts/x", "", 200),
    ] {
        let answer = gateway.request(method, target, fields).await;
        assert_eq!(answer.status(), status, "{method} {target}: {}", answer.text);
    }
}

const HOSTS: &str = r#"
public_url: https://id.gate.test
upstreams: { app: "${UPSTREAM}" }
routes:
  /x/**:
    - { upstream: app, hosts: api.gate.test, require: authenticated }
    - { upstream: app, hosts: ["*.open.test"], public: true }
"#;

// M6: hosts choose routes, and unknown ones are told so
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_choose_routes() {
    let gateway = Gateway::with(HOSTS, &[]).await;
    for (host, target, status) in [
        ("api.gate.test", "/x/1", 401),
        ("API.Gate.Test:8080", "/x/1", 401),
        ("a.open.test", "/x/1", 200),
        ("a.open.test", "/y", 404),
        ("other.test", "/x/1", 421),
        ("api.gate.test.evil", "/x/1", 421),
        ("127.0.0.1", "/x/1", 421),
        ("id.gate.test", "/.well-known/jwks.json", 200),
        ("id.gate.test", "/x/1", 404),
    ] {
        let answer = gateway.raw(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(answer.status(), status, "{host}{target}: {}", answer.text);
    }
    // An absolute target that disagrees with the field is two requests in one (RFC 9112 3.2.2).
    let answer =
        gateway.raw("GET http://a.open.test/x/1 HTTP/1.1\r\nHost: api.gate.test\r\nConnection: close\r\n\r\n").await;
    assert_eq!(answer.status(), 400, "{}", answer.text);
    let unknown = Gateway::start().await;
    let answer = unknown.request("GET", "/nowhere", "").await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (404, Some("no_route")));
    assert_eq!((gateway.upstream.count(), unknown.upstream.count()), (1, 0));
}

const TENANTS: &str = r#"
listen: "${LISTEN}"
issuers: { self: {}, partners: { tenant: partners } }
directory:
  tenants: { partners: { id: 7d1f7cb2-0c6e-4d61-8a52-6f0f7d1f4a11 } }
  entity_types: { api: { permissions: [read] } }
  entities:
    orders:
      - { id: e13365f1-a270-493e-bd1b-3d239d753d53, type: api, tenant: default }
      - { id: e13365f1-a270-493e-bd1b-3d239d753d54, type: api, tenant: partners }
    reporting:
      - { id: 2934f41f-d277-4a32-b0d5-16e47dad9721, type: api, tenant: default, client_secret: "${RECIPIENT_SECRET}" }
      - { id: 2934f41f-d277-4a32-b0d5-16e47dad9722, type: api, tenant: partners, client_secret: "${RECIPIENT_SECRET}" }
  grants:
    - { recipient: reporting, target: orders, permissions: [read], tenant: default }
    - { recipient: reporting, target: orders, permissions: [read], tenant: partners }
upstreams: { app: "${UPSTREAM}" }
routes:
  /own/**: { upstream: app, require: authenticated, tokens: [self], audience: [e13365f1-a270-493e-bd1b-3d239d753d53] }
  /partners/**: { upstream: app, require: permission read on orders, tokens: [partners] }
  /both/**: { upstream: app, require: permission read on orders, tokens: [self, partners] }
  /first/**: { upstream: app, require: permission read on e13365f1-a270-493e-bd1b-3d239d753d53, tokens: [self, partners] }
"#;

// F7, F8, F-196: tokens of one tenant are nothing in another one, and names stay at home
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_are_issuers_of_their_own() {
    tokens_of_two_tenants_are_told_apart(TENANTS).await;
}

// F-204: tenants may have one name, which FusionAuth's have unless somebody gives them others
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_of_one_name_are_told_apart() {
    let alike = "profile: fusionauth, issuer: acme.com";
    let sections =
        TENANTS.replace("{ partners: { id:", &format!("{{ default: {{ {alike} }}, partners: {{ {alike}, id:"));
    tokens_of_two_tenants_are_told_apart(&sections).await;
}

async fn tokens_of_two_tenants_are_told_apart(sections: &str) {
    let gateway = Gateway::of(sections, &[]).await;
    assert_eq!(gateway.running.issuers.len(), 2, "{:?}", gateway.running.issuers);
    let own = gateway.reader().await;
    let form = [("grant_type", "client_credentials"), ("scope", "target-entity:orders:read")];
    let answer = client()
        .post(gateway.url("/7d1f7cb2-0c6e-4d61-8a52-6f0f7d1f4a11/oauth2/token"))
        .basic_auth("2934f41f-d277-4a32-b0d5-16e47dad9722", Some(RECIPIENT_SECRET))
        .form(&form)
        .send()
        .await
        .unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    let partner = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    for (target, token, status, code) in [
        ("/own/x", &own, 200, None),
        ("/own/x", &partner, 401, Some("issuer_not_accepted")),
        ("/partners/x", &partner, 200, None),
        ("/partners/x", &own, 401, Some("issuer_not_accepted")),
        ("/both/x", &own, 200, None),
        ("/both/x", &partner, 200, None),
        ("/first/x", &own, 200, None),
        ("/first/x", &partner, 403, Some("missing_permission")),
    ] {
        // Twice: the second answer comes out of the cache and must be the same.
        for _ in 0..2 {
            let answer = gateway.request("GET", target, &bearer(token)).await;
            assert_eq!((answer.status(), answer.json()["code"].as_str()), (status, code), "{target}: {}", answer.text);
        }
    }
    let no_audience = gateway.token("").await;
    let answer = gateway.request("GET", "/own/x", &bearer(&no_audience)).await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (401, Some("wrong_audience")), "F8");
    assert_eq!(gateway.upstream.count(), 10);
}

// A policy is tried out: what would be refused passes, is counted and logged, and nobody is vouched for who is not good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_observes_refuses_nobody() {
    let sections = r#"
upstreams: { app: "${UPSTREAM}" }
routes:
  /tried/**:
    upstream: app
    enforce: observe
    require: { GET: permission read on orders, "*": permission write on orders }
  /tried/child: { extends: /tried/**, require: authenticated }
"#;
    let gateway = Gateway::with(sections, &[]).await;
    let good = bearer(&gateway.reader().await);
    let forged = "X-Auth-Subject: somebody\r\n";
    for (method, fields, subject) in [
        ("GET", good.clone(), Some(RECIPIENT_ID)),
        ("POST", format!("{good}Content-Length: 0\r\n"), Some(RECIPIENT_ID)),
        ("GET", forged.to_owned(), None),
        ("GET", format!("{forged}Authorization: Bearer x\r\n"), None),
        ("GET", format!("{forged}{good}{good}"), None),
    ] {
        let answer = gateway.request(method, "/tried/x", &fields).await;
        assert_eq!(answer.status(), 200, "{method} {fields}: {}", answer.text);
        let received = gateway.upstream.last();
        assert_eq!(received.field("x-auth-subject").as_deref(), subject, "{method} {fields}");
        assert!(!received.head.contains("eyJ"), "{}", received.head);
    }
    assert_eq!(gateway.request("GET", "/tried/child", "").await.status(), 401, "it is not inherited");
    let metrics = gateway.metrics().await;
    for (decision, reason, count) in [
        ("permit", "", 1),
        ("observe", "missing_permission", 1),
        ("observe", "no_token", 1),
        ("observe", "malformed", 1),
        ("observe", "several_credentials", 1),
    ] {
        let line = format!(r#"{{decision="{decision}",reason="{reason}",route="/tried/**"}} {count}"#);
        assert!(metrics.contains(&format!("faregate_decisions_total{line}")), "{line}\n{metrics}");
    }
}
