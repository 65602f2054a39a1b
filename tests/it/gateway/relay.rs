//! Requests without a body go another way to their upstream than others: nobody may see a difference.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::faulty::{Fault, Faulty};
use crate::support::gateway::Gateway;

const PATIENCE: Duration = Duration::from_secs(10);

/// What makes a request go Pingora's way, although there is no body either.
const OTHER_WAY: &str = "Content-Length: 0\r\n";

async fn before(address: std::net::SocketAddr) -> Gateway {
    let sections = format!(
        "upstreams: {{ app: \"http://{address}\" }}\nroutes:\n  /public/**: {{ upstream: app, public: true }}\n"
    );
    Gateway::with(&sections, &[]).await
}

/// Everything that comes before the connection is closed, without what is another each time.
async fn heard(gateway: &Gateway, method: &str, more: &str) -> String {
    let mut wire = gateway.connect().await;
    wire.send(format!("{method} /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n")).await;
    assert!(wire.closes_within(PATIENCE).await, "{}", wire.heard());
    let mut text = wire.heard();
    if let Some(id) = text.split("\r\n").find_map(|line| line.strip_prefix("X-Request-Id: ").map(str::to_owned)) {
        text = text.replace(&id, "");
    }
    let lines: Vec<&str> = text.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect();
    let text = lines.join("\r\n");
    match text.split_once("\r\n\r\n").filter(|_| is_chunked(&text)) {
        Some((head, body)) => format!("{head}\n\n{}", joined(body)),
        None => text,
    }
}

fn is_chunked(text: &str) -> bool {
    text.to_ascii_lowercase().contains("transfer-encoding: chunked")
}

/// A chunked body, and whether it has its end: where it is cut into chunks is nobody's business (RFC 9112 7.1).
fn joined(mut body: &str) -> String {
    let mut joined = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            joined.push_str(" (whole)");
            break;
        }
        joined.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    joined
}

// RFC 9110 6.4, 9.3.2, 15.2, 15.4.5; RFC 9112 6, 7, 8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_answer_alike() {
    let server = Faulty::start("app").await;
    let gateway = before(server.address).await;
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}", "x".repeat(300_000));
    let bytes = |text: &str| Fault::Bytes(text.as_bytes().to_vec());
    let closes = |text: &str| Fault::BytesAndClose(text.as_bytes().to_vec());
    let resets = |text: &str| Fault::BytesAndReset(text.as_bytes().to_vec());
    let faults = [
        Fault::None,
        Fault::Status(404),
        Fault::Status(500),
        Fault::Close,
        Fault::Reset,
        bytes(&large),
        bytes(
            "HTTP/1.1 200 Fine\r\nContent-Length: 0\r\nX-A: 1\r\nX-A: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n",
        ),
        bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
        bytes("HTTP/1.1 204 No Content\r\n\r\n"),
        bytes("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n"),
        bytes("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        bytes(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n",
        ),
        bytes("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok"),
        bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        bytes("nonsense\r\n\r\n"),
        closes("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
        closes("HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        closes("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"),
        closes("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok"),
        bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        bytes(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-A\r\nX-A: 1\r\nKeep-Alive: timeout=9\r\nContent-Length: 2\r\n\r\nok",
        ),
        bytes("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        closes("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"),
        closes("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast"),
        closes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        resets("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        resets("HTTP/1.1 200 OK\r\nContent-Le"),
    ];
    for fault in faults {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            // An answer to HEAD with bytes after it is no answer to HEAD; the two ways need not read the same nonsense.
            if method == "HEAD" && !matches!(fault, Fault::None | Fault::Status(_)) {
                continue;
            }
            server.fail(fault.clone());
            let straight = heard(&gateway, method, "").await;
            let other = heard(&gateway, method, OTHER_WAY).await;
            assert_eq!(straight, other, "{method}, {fault:?}");
            assert!(!straight.is_empty(), "{method}, {fault:?}");
            // Nothing of it is left for the next one.
            server.fail(Fault::None);
            assert!(heard(&gateway, "GET", "").await.ends_with("app"), "after {method}, {fault:?}");
        }
    }
}

// RFC 9112 9.3.2, 9.6: a client that asks again before it is answered has its first answer, and none of the second
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_early_is_answered_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = before(listener.local_addr().unwrap()).await;
    let ask = "GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n";
    for pieces in [&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"][..], &["HTTP/1.1 200 OK\r\n\r\n", "o", "k"]] {
        let mut wire = gateway.connect().await;
        wire.send(ask).await;
        let (mut upstream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        let mut asked = [0; 4096];
        assert!(upstream.read(&mut asked).await.unwrap() > 0);
        for piece in pieces {
            wire.send(ask).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            upstream.write_all(piece.as_bytes()).await.unwrap();
        }
        drop(upstream);
        assert!(wire.closes_within(PATIENCE).await);
        let heard = wire.heard();
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("\r\nConnection: close"), "{heard}");
        assert!(body == "ok" || joined(body) == "ok (whole)", "{heard}");
    }
}

// Whoever leaves is not answered, and the upstream learns of it (fault T33).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_learns_that_the_client_has_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = before(listener.local_addr().unwrap()).await;
    for begins in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
        for more in ["", OTHER_WAY] {
            let mut wire = gateway.connect().await;
            wire.send(format!("GET /public/x HTTP/1.1\r\nHost: a\r\n{more}\r\n")).await;
            let (mut upstream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
            let mut asked = [0; 4096];
            assert!(upstream.read(&mut asked).await.unwrap() > 0);
            upstream.write_all(begins).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(wire);
            let ended = timeout(PATIENCE, upstream.read(&mut asked)).await.expect("the connection ends");
            assert!(matches!(ended, Ok(0) | Err(_)), "{more:?}");
        }
    }
}
