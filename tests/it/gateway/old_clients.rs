//! Clients that speak HTTP/1.0, whatever their upstream speaks.

use std::time::Duration;

use crate::support::faulty::{Fault, Faulty};
use crate::support::gateway::Gateway;
use crate::support::wire::Wire;

/// A gateway before `server`, and before one that speaks HTTP/2 and says neither a length nor anything but its authority.
async fn before(server: &Faulty) -> Gateway {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let newer = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let mut body = respond.send_response(http::Response::new(()), false).unwrap();
                    let authority = request.uri().authority().unwrap().to_string();
                    body.send_data(authority.into(), true).unwrap();
                }
            });
        }
    });
    let sections = format!(
        "upstreams:\n  app: http://{}\n  newer: {{ servers: [\"{newer}\"], http2: true }}\nroutes:\n  \
         /public/**: {{ upstream: app, public: true }}\n  /newer/**: {{ upstream: newer, public: true }}\n",
        server.address
    );
    Gateway::with(&sections, &[]).await
}

async fn ask(gateway: &Gateway, path: &str, fields: &str) -> Wire {
    let mut wire = gateway.connect().await;
    wire.send(format!("GET {path} HTTP/1.0\r\n{fields}\r\n")).await;
    wire
}

/// Head and body of an answer that ends with its connection.
async fn until_closed(mut wire: Wire) -> (String, String) {
    assert!(wire.closes_within(Duration::from_secs(5)).await, "{}", wire.heard());
    let heard = wire.heard();
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

// RFC 9112 6.1, 9.3, RFC 9110 7.8, 15.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_get_what_their_version_has() {
    let server = Faulty::start("only").await;
    let gateway = before(&server).await;
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for fields in ["", "Host: gate.test\r\n", "Host: gate.test\r\nConnection: keep-alive\r\n"] {
        server.fail(Fault::Bytes(chunked.into()));
        let (head, body) = until_closed(ask(&gateway, "/public/x", fields).await).await;
        assert!(head.contains(" 200 ") && head.contains("\r\nconnection: close"), "{fields}: {head}");
        assert_eq!((head.contains("transfer-encoding"), &*body), (false, "ok"), "{fields}: {head}");
        server.fail(Fault::Bytes(format!("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n{ok}").into()));
        let mut wire = ask(&gateway, "/public/x", fields).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status(), answer.body()), (200, "ok"), "{fields}: no interim answer");
        // With a length, the connection goes on if it was asked to.
        let goes_on = fields.contains("keep-alive");
        assert_eq!(answer.field("connection"), Some(if goes_on { "keep-alive" } else { "close" }));
        assert_eq!(wire.closes_within(Duration::from_millis(300)).await, !goes_on, "{fields}");
    }
    server.fail(Fault::Bytes(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec(),
    ));
    let upgrade = "Host: gate.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    let (head, _) = until_closed(ask(&gateway, "/public/x", upgrade).await).await;
    assert!(head.contains(" 502 "), "{head}");
}

// RFC 9112 3.2: HTTP/1.1 names a host, and HTTP/2 has one
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_upstream_is_told_a_host() {
    let gateway = Gateway::start().await;
    for (fields, host) in [("", gateway.upstream.address.to_string()), ("Host: gate.test\r\n", "gate.test".into())] {
        until_closed(ask(&gateway, "/public/x", fields).await).await;
        let received = gateway.upstream.last();
        assert_eq!((received.request_line(), received.all("host")), ("GET /public/x HTTP/1.1", vec![host]));
        let told = if fields.is_empty() { vec![] } else { vec!["gate.test".to_owned()] };
        assert_eq!(received.all("x-forwarded-host"), told);
    }
    let server = Faulty::start("only").await;
    let gateway = before(&server).await;
    for (fields, authority) in [("", "127.0.0.1:"), ("Host: gate.test\r\n", "gate.test")] {
        let (head, body) = until_closed(ask(&gateway, "/newer/x", fields).await).await;
        assert!(head.contains(" 200 ") && !head.contains("transfer-encoding"), "{head}");
        assert!(body.starts_with(authority) && body.len() < 30, "{body}");
    }
}
