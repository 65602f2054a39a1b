//! `/_faregate/verify`: decisions for gateways that serve the request themselves.

use serde_json::json;

use crate::support::gateway::{Gateway, RECIPIENT_ID, TARGET_ID};

const ROUTES: &str = r#"
trusted_proxies: ["${TRUSTED}"]
upstreams: { app: "${UPSTREAM}", nginx: "builtin:elsewhere" }
routes:
  /public/**: { upstream: nginx, public: true }
  /api/**:
    upstream: nginx
    require: { GET: permission read on orders, "*": permission write on orders }
  /entities/{entity}/read: { upstream: nginx, require: "permission read on {entity}" }
  /here/**: { upstream: app, require: authenticated }
  /hosted/**: { upstream: nginx, require: authenticated, hosts: [app.example.com] }
  /**: { upstream: app, public: true }
"#;

const VERIFY: &str = "/_faregate/verify";

async fn start() -> Gateway {
    Gateway::with(ROUTES, &[("TRUSTED", "127.0.0.0/8")]).await
}

fn told(method: &str, uri: &str) -> String {
    format!("X-Original-Method: {method}\r\nX-Original-URI: {uri}\r\n")
}

// F-331, F-332: an answer with every identity field, so that none is left to the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_is_200_with_an_identity() {
    let gateway = start().await;
    let bearer = format!("Authorization: Bearer {}\r\n", gateway.reader().await);
    for (method, target, fields) in [
        ("GET", VERIFY.to_owned(), format!("{}{bearer}", told("GET", "/api/orders?x=1"))),
        ("HEAD", VERIFY.to_owned(), format!("{}{bearer}", told("HEAD", "/entities/orders/read"))),
        ("GET", format!("{VERIFY}/api/orders?x=1"), bearer.clone()),
        ("GET", VERIFY.to_owned(), format!("{}{bearer}", told("GET", "/here/too"))),
    ] {
        let answer = gateway.request(method, &target, &fields).await;
        assert_eq!((answer.status(), answer.body()), (200, ""), "{target} {fields}: {}", answer.text);
        assert_eq!(answer.field("x-auth-subject"), Some(RECIPIENT_ID));
        let permissions: serde_json::Value = serde_json::from_str(answer.field("x-auth-permissions").unwrap()).unwrap();
        assert_eq!(permissions, json!({ TARGET_ID: ["read"] }));
        assert_eq!(answer.field("x-auth-roles"), Some(""), "an empty field takes away what a client wrote");
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field("x-request-id").map(str::len), Some(32));
    }
    let public = gateway.request("GET", VERIFY, &told("POST", "/public/x")).await;
    assert_eq!((public.status(), public.field("x-auth-subject")), (200, Some("")));
    assert_eq!(gateway.upstream.count(), 0);
    // Counted and logged as what it is: a decision on the route.
    let metrics = gateway.metrics().await;
    let line = r#"faregate_decisions_total{decision="permit",reason="",route="/api/**"} 2"#;
    assert!(metrics.contains(line), "{metrics}");
    assert!(!metrics.contains(r#"upstream="nginx""#), "nobody waits for an upstream that is not ours");
}

// F-331, RFC 6750 3: 401 and 403 with the challenge, and nothing else that nginx would take for a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_is_401_or_403_with_the_challenge() {
    let gateway = start().await;
    let bearer = format!("Authorization: Bearer {}\r\n", gateway.reader().await);
    for (fields, status, code, error) in [
        (told("GET", "/api/orders"), 401, "no_token", ""),
        (told("GET", "/api/orders") + "Authorization: Bearer x\r\n", 401, "malformed", "invalid_token"),
        (told("POST", "/api/orders") + &bearer, 403, "missing_permission", "insufficient_scope"),
        (told("GET", "/entities/vault/read") + &bearer, 403, "missing_permission", "insufficient_scope"),
        (told("GET", "/public/../api/orders"), 401, "no_token", ""),
        (told("GET", "//api//orders"), 401, "no_token", ""),
        (told("GET", "/public/%2e%2e/api/orders"), 401, "no_token", ""),
        (told("GET", "/api/%2e%2e%2fpublic"), 403, "encoded_slash", ""),
        (told("GET", "/hosted/x") + &bearer, 200, "", ""),
        (told("GET", "/hosted/x") + "X-Forwarded-Host: app.example.com:443\r\n", 401, "no_token", ""),
        (told("GET", "/oauth2/token"), 403, "no_route", ""),
        (told("GET", "/_faregate/verify"), 403, "no_route", ""),
        (told("GET", "/api/orders") + &bearer + &bearer, 403, "several_credentials", "invalid_request"),
        (told("GET", "/api/orders") + &bearer + "X_Auth_Roles: admin\r\n", 403, "identity_forged", ""),
        (told("GET", "/api/orders") + &bearer + "x-auth.subject: admin\r\n", 403, "identity_forged", ""),
        (told("GET", "/api/orders") + &bearer + "X-Auth-Roles: admin\r\n", 200, "", ""),
        (String::new(), 403, "original_missing", ""),
        (told("GET", "/public/x") + "X-Forwarded-Uri: /api/x\r\n", 403, "original_ambiguous", ""),
    ] {
        let answer = gateway.request("GET", VERIFY, &fields).await;
        let found = answer.json()["code"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status(), found.as_str()), (status, code), "{fields}: {}", answer.text);
        let challenge = answer.field("www-authenticate").unwrap_or_default();
        assert_eq!(
            challenge.starts_with("Bearer realm="),
            code == "no_token" || !error.is_empty(),
            "{fields} {challenge}"
        );
        assert!(challenge.contains(error), "{challenge}");
    }
    let answer = gateway.request("DELETE", &format!("{VERIFY}/api/orders"), &bearer).await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (403, Some("missing_permission")));
    assert_eq!(gateway.upstream.count(), 0);
}

// M12: what the original request was is believed from trusted peers only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_get_no_decision() {
    let gateway = Gateway::with(ROUTES, &[("TRUSTED", "192.0.2.0/24")]).await;
    for target in [VERIFY.to_owned(), format!("{VERIFY}/public/x")] {
        let answer = gateway.request("GET", &target, &told("GET", "/public/x")).await;
        assert_eq!((answer.status(), answer.json()["code"].as_str()), (403, Some("untrusted_peer")));
    }
}

// What is served elsewhere is not served here, with or without a token; and no spelling of our own path is an upstream's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_path_and_what_is_elsewhere_lead_nowhere() {
    let gateway = start().await;
    let bearer = format!("Authorization: Bearer {}\r\n", gateway.reader().await);
    for (target, code) in [
        ("/public/x", "served_elsewhere"),
        ("/api/orders", "served_elsewhere"),
        ("/%5Ffaregate/verify", "no_route"),
        ("//_faregate/verify", "no_route"),
        ("/_faregate/other", "no_route"),
    ] {
        let answer = gateway.request("GET", target, &bearer).await;
        assert_eq!((answer.status(), answer.json()["code"].as_str()), (404, Some(code)), "{target}");
    }
    assert_eq!(gateway.upstream.count(), 0);
    assert_eq!(gateway.request("GET", "/_faregatex/verify", "").await.status(), 200, "the catch-all's");
}
