//! The check inside a Pingora proxy of somebody else's: the program under `examples/`, with tokens of a real issuer.

use std::net::SocketAddr;
use std::time::Duration;

use pingora::server::{RunArgs, ShutdownSignal, ShutdownSignalWatch};
use serde_json::json;

use crate::support::foreign_issuer::ForeignIssuer;
use crate::support::gateway::{Raw, raw};
use crate::support::upstream::Upstream;

#[path = "../../../examples/pingora_module.rs"]
#[expect(dead_code, reason = "its main listens on ports of its own")]
mod example;

/// The program runs as long as the tests.
struct Never;

#[async_trait::async_trait]
impl ShutdownSignalWatch for Never {
    async fn recv(&self) -> ShutdownSignal {
        std::future::pending().await
    }
}

/// Where the program answers for tokens of `issuer`, in front of `upstream`.
async fn start(issuer: &str, upstream: SocketAddr) -> SocketAddr {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let enforcer = example::enforcer(issuer).unwrap();
    std::thread::spawn(move || {
        let server = example::server(enforcer, &address.to_string(), &upstream.to_string()).unwrap();
        server.run(RunArgs { shutdown_signal: Box::new(Never) });
    });
    while tokio::net::TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    address
}

async fn request(address: SocketAddr, method: &str, target: &str, fields: &str) -> Raw {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: shop.test\r\n{fields}");
    raw(address, format!("{head}\r\n").as_bytes()).await
}

// F-331, RFC 6750 3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_passes_without_a_permit() {
    let (corp, upstream) = (ForeignIssuer::start().await, Upstream::start().await);
    let address = start(&corp.url(), upstream.address).await;
    let bearer = |token: &str| format!("Connection: close\r\nAuthorization: Bearer {token}\r\n");
    let token = |scope: &str, audience: &str| corp.token(json!({ "aud": audience, "scope": scope }));
    let reader = bearer(&token("orders:read", "orders"));
    for (method, target, fields, status, code) in [
        ("GET", "/orders/1", "Connection: close\r\n".to_owned(), 401, "no_token"),
        ("GET", "/orders/1", bearer("opaque"), 401, "malformed"),
        ("GET", "/orders/1", bearer(&token("orders:read", "mail")), 401, "wrong_audience"),
        ("GET", "/orders/1", bearer(&token("profile", "orders")), 403, "missing_scope"),
        ("POST", "/orders/1", reader.clone(), 403, "missing_scope"),
        ("GET", "/orders/1?access_token=x", reader.clone(), 400, "several_credentials"),
        ("GET", "/elsewhere", reader.clone(), 404, "no_route"),
        // F19: no other spelling of a path leads past its rule.
        ("GET", "/health/%2e%2e/orders/1", "Connection: close\r\n".to_owned(), 401, "no_token"),
        ("GET", "/orders/%2fhealth", reader.clone(), 400, "encoded_slash"),
    ] {
        let answer = request(address, method, target, &fields).await;
        let problem = answer.json();
        assert_eq!((answer.status(), problem["code"].as_str()), (status, Some(code)), "{target}: {}", answer.text);
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
        let challenge = answer.field("www-authenticate").unwrap_or_default();
        assert_eq!(challenge.starts_with("Bearer realm="), status != 404 && code != "encoded_slash", "{}", answer.text);
    }
    assert_eq!(upstream.count(), 0);
    for (target, fields) in [("/orders/1", &*reader), ("/health", "Connection: close\r\n")] {
        assert_eq!(request(address, "GET", target, fields).await.status(), 200, "{target}");
    }
    assert_eq!(upstream.count(), 2);
}

// M1, M2, F-332, F-333, F20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstream_sees_the_identity_and_no_credential() {
    let (corp, upstream) = (ForeignIssuer::start().await, Upstream::start().await);
    let address = start(&corp.url(), upstream.address).await;
    let token = corp.token(json!({ "aud": "orders", "scope": "orders:read", "azp": "shop", "roles": ["clerk"] }));
    let forged = "Connection: close, X-Auth-Subject, x-auth-roles\r\nX-Auth-Subject: admin\r\nx_auth_roles: admin\r\n\
                  X-Auth-Tenant: other\r\nX-HTTP-Method-Override: DELETE\r\nCookie: a=b; access_token=marked\r\nX-Other: kept\r\n";
    let fields = format!("{forged}Authorization: Bearer {token}\r\n");
    let answer = request(address, "GET", "/orders//./1?page=2", &fields).await;
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let received = upstream.last();
    assert_eq!(received.request_line(), "GET /orders/1?page=2 HTTP/1.1", "the path that was decided on");
    for (name, value) in [
        ("x-auth-subject", Some("someone")),
        ("x-auth-client", Some("shop")),
        ("x-auth-issuer", Some(&*corp.url())),
        ("x-auth-scope", Some("orders:read")),
        ("x-auth-roles", Some("clerk")),
        ("x-auth-tenant", None),
        ("x_auth_roles", None),
        ("x-http-method-override", None),
        ("authorization", None),
        ("cookie", Some("a=b")),
        ("x-other", Some("kept")),
        ("host", Some("shop.test")),
    ] {
        assert_eq!(received.all(name), value.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{name}");
    }
    assert!(!received.head.contains(&token) && !received.head.contains("admin"), "{}", received.head);
    // On a public route too.
    assert_eq!(request(address, "GET", "/health", &fields).await.status(), 200);
    let received = upstream.last();
    assert!(received.field("x-auth-subject").is_none() && !received.head.contains("admin"), "{}", received.head);
    assert!(!received.head.contains(&token), "{}", received.head);
}

// O1: what cannot be decided is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_is_away_is_no_permit() {
    let (corp, upstream) = (ForeignIssuer::start().await, Upstream::start().await);
    corp.stop();
    let address = start(&corp.url(), upstream.address).await;
    let token = corp.token(json!({ "aud": "orders", "scope": "orders:read" }));
    let fields = format!("Connection: close\r\nAuthorization: Bearer {token}\r\n");
    let answer = request(address, "GET", "/orders/1", &fields).await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (503, Some("keys_unavailable")), "{}", answer.text);
    assert!(answer.field("retry-after").is_some() && upstream.count() == 0);
}
