//! Servers that fail: who is tried instead, what is never sent twice, and what the client is told.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::gateway::{Gateway, ROUTES};
use crate::support::tls;
use crate::support::upstream::{Behaviour, Upstream};

/// A port that nobody listens on.
fn dead() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().to_string()
}

fn server(upstream: &Upstream) -> String {
    upstream.address.to_string()
}

/// A gateway whose only route leads to these servers.
async fn before(servers: &[String], more: &str) -> Gateway {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let sections = format!(
        "upstreams:\n  app: {{ servers: [{}]{more} }}\nroutes:\n  /public/**: {{ upstream: app, public: true }}\n",
        servers.join(", ")
    );
    Gateway::with(&sections, &[]).await
}

async fn post(gateway: &Gateway, target: &str) -> (u16, Option<String>) {
    let answer = gateway.request("POST", target, "Content-Length: 0\r\n").await;
    (answer.status(), answer.json()["code"].as_str().map(str::to_owned))
}

fn requests(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| request.request_line().contains("/public/")).count()
}

// M10, T32
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_take_turns_and_dead_ones_are_passed_over() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let gateway = before(&[server(&first), server(&second)], "").await;
    for _ in 0..8 {
        assert_eq!(gateway.request("GET", "/public/x", "").await.status(), 200);
    }
    assert_eq!((first.count(), second.count()), (4, 4));

    // Nothing was sent to the dead one, so even a POST may go to the other.
    let gateway = before(&[dead(), server(&first)], "").await;
    for n in 0..6 {
        let body = format!("body {n}");
        let request = format!(
            "POST /public/{n} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = gateway.raw(request).await;
        assert_eq!(answer.status(), 200, "{}", answer.text);
        let received: Vec<_> = first
            .requests()
            .into_iter()
            .filter(|request| request.request_line().contains(&format!("/public/{n} ")))
            .collect();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].body, body.as_bytes());
        assert_eq!(received[0].all("x-request-id").len(), 1, "{}", received[0].head);
    }
    let gateway = before(&[dead(), dead()], "").await;
    let started = Instant::now();
    let answer = gateway.request("GET", "/public/x", "").await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (502, Some("upstream_unreachable")));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(answer.json()["request_id"].as_str(), answer.field("x-request-id"));
    let metrics = gateway.metrics().await;
    assert!(
        metrics.contains(r#"faregate_upstream_errors_total{reason="upstream_unreachable",upstream="app"} 1"#),
        "{metrics}"
    );
}

// M10, T32: what may have been done is not done again
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_is_never_sent_twice() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let gateway = before(&[server(&first), server(&second)], "").await;
    // On new connections, and on kept ones that Pingora takes for merely stale.
    for kept in [false, true] {
        if kept {
            for upstream in [&first, &second] {
                upstream.behave(Behaviour::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()));
            }
            for _ in 0..4 {
                assert_eq!(gateway.request("GET", "/public/warm", "").await.status(), 200);
            }
        }
        for upstream in [&first, &second] {
            upstream.behave(Behaviour::Close);
        }
        for framing in [
            "Content-Length: 0\r\n\r\n",
            "Content-Length: 5\r\n\r\nhello",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ] {
            let before = first.count() + second.count();
            let answer =
                gateway.raw(format!("POST /public/once HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}")).await;
            assert_eq!(
                (answer.status(), answer.json()["code"].as_str()),
                (502, Some("upstream_failed")),
                "{}",
                answer.text
            );
            assert_eq!(first.count() + second.count() - before, 1, "kept {kept}, {framing:?}");
        }
    }
}

// O1, RFC 9110 15.6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_have_names() {
    let upstream = Upstream::start().await;
    let gateway = before(&[server(&upstream)], ", read_timeout: 500ms").await;
    upstream.behave(Behaviour::Silent);
    let started = Instant::now();
    let mut wire = gateway.connect().await;
    wire.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = wire.answer().await;
    let elapsed = started.elapsed();
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (504, Some("upstream_timeout")), "{}", answer.text);
    assert!(elapsed > Duration::from_millis(450) && elapsed < Duration::from_secs(3), "{elapsed:?}");
    upstream.behave(Behaviour::Close);
    assert_eq!(post(&gateway, "/public/x").await, (502, Some("upstream_failed".into())));
    for nonsense in ["hello\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"] {
        upstream.behave(Behaviour::Answer(nonsense.into()));
        assert_eq!(gateway.request("GET", "/public/x", "").await.status(), 502, "{nonsense:?}");
    }
    // Answers are passed on as they are, but for the request id.
    upstream.behave(Behaviour::Answer("HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\nX-Request-Id: own\r\nX-Kept: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n".into()));
    let answer = gateway.request("GET", "/public/x", "").await;
    assert_eq!((answer.status(), answer.field("x-kept")), (418, Some("1")));
    assert_eq!(answer.text.matches("Set-Cookie").count(), 2);
    assert_eq!(answer.field("x-request-id"), upstream.last().field("x-request-id").as_deref());
    for (status, code) in [(504, "upstream_timeout"), (502, "upstream_failed")] {
        let metrics = gateway.metrics().await;
        assert!(
            metrics.contains(&format!(
                "faregate_request_duration_seconds_count{{code=\"{status}\",route=\"/public/**\"}}"
            )),
            "{metrics}"
        );
        assert!(
            metrics.contains(&format!("faregate_upstream_errors_total{{reason=\"{code}\",upstream=\"app\"}}")),
            "{metrics}"
        );
    }
}

// Fault T38: a name that does not resolve is our trouble, and may pass
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_without_address_is_503() {
    let gateway = before(&["nowhere.invalid:80".into()], "").await;
    let answer = gateway.request("GET", "/public/x", "").await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (503, Some("upstream_dns")), "{}", answer.text);
    assert_eq!(answer.field("retry-after"), Some("5"));
    assert_eq!(answer.field("www-authenticate"), None, "O1: never a 401");
}

/// Tries until `wanted` healthy servers are counted.
async fn healthy(gateway: &Gateway, wanted: usize) {
    let line = format!("faregate_upstream_healthy_servers{{upstream=\"app\"}} {wanted}\n");
    for _ in 0..100 {
        if gateway.metrics().await.contains(&line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never {wanted}: {}", gateway.metrics().await);
}

// DESIGN: active checks take a server out, and let it back in
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_take_servers_out_and_back() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let health = ", health: { path: /healthz, interval: 100ms, timeout: 1s, healthy_after: 1, unhealthy_after: 2 }";
    let gateway = before(&[server(&first), server(&second)], health).await;
    healthy(&gateway, 2).await;
    second.behave(Behaviour::Answer("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".into()));
    healthy(&gateway, 1).await;
    let count = requests(&second);
    for _ in 0..6 {
        assert_eq!(gateway.request("GET", "/public/x", "").await.status(), 200);
    }
    assert_eq!(requests(&second), count, "no request to a sick server");
    second.behave(Behaviour::Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into()));
    healthy(&gateway, 2).await;
    for _ in 0..4 {
        assert_eq!(gateway.request("GET", "/public/x", "").await.status(), 200);
    }
    assert!(requests(&second) > count);
    let asked = second.requests();
    let check = asked.iter().find(|request| request.request_line() == "GET /healthz HTTP/1.1").expect("a check");
    // RFC 9110 7.2: with the port, where it is not the usual one.
    assert_eq!(check.field("host"), Some(server(&second)));
}

/// A TLS server with a certificate that nobody signed, for the name `localhost`.
fn tls_server() -> SocketAddr {
    let acceptor = tls::acceptor().build();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let Ok(mut stream) = acceptor.accept(stream) else { continue };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret");
        }
    });
    address
}

// M8, O4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_certificates_are_checked() {
    let address = tls_server().to_string();
    for sni in ["localhost", "other.test"] {
        let gateway = before(std::slice::from_ref(&address), &format!(", tls: true, sni: {sni}")).await;
        let answer = gateway.request("GET", "/public/x", "").await;
        assert_eq!((answer.status(), answer.json()["code"].as_str()), (502, Some("upstream_tls")), "{}", answer.text);
        assert!(gateway.metrics().await.contains("faregate_insecure_upstreams 0\n"));
    }
    let gateway = before(&[address], ", tls: true, sni: localhost, insecure: true").await;
    let answer = gateway.request("GET", "/public/x", "").await;
    assert_eq!((answer.status(), answer.body()), (200, "secret"), "{}", answer.text);
    assert!(gateway.metrics().await.contains("faregate_insecure_upstreams 1\n"));
}

// F-330: the built-in echo shows what an upstream sees
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_is_an_upstream() {
    let gateway = Gateway::with(&ROUTES.replace("\"${UPSTREAM}\"", "\"builtin:echo\""), &[]).await;
    let token = gateway.reader().await;
    let answer = gateway.request("GET", "/api/orders?a=1", &format!("Authorization: Bearer {token}\r\n")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json()["path"], "/api/orders?a=1");
    assert!(!answer.text.contains("eyJ"));
}
