//! The protocols that clients speak: HTTP/1.1, HTTP/2 with and without TLS, streams, WebSockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::header;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::files::Folder;
use crate::support::gateway::{Gateway, RECIPIENT_ID, ROUTES, client};
use crate::support::upstream::Behaviour;

fn answer(body: &str) -> Behaviour {
    Behaviour::Answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

// F-343, M5: HTTP/2 by prior knowledge is judged like HTTP/1.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cleartext_http_2() {
    let gateway = Gateway::start().await;
    let token = gateway.reader().await;
    let h2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    for (target, token, status) in [
        ("/public/x", None, 200),
        ("/api/orders", None, 401),
        ("/api/orders", Some(&token), 200),
        ("/admin/x", Some(&token), 403),
        ("/nowhere", None, 404),
        ("/.well-known/jwks.json", None, 200),
        ("/public/..%2fadmin", None, 400),
    ] {
        let mut request =
            h2.get(gateway.url(target)).header("x-auth-subject", "forged").header("x_auth_subject", "forged");
        request = request.header("cookie", "a=1").header("cookie", "b=2");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (status, http::Version::HTTP_2), "{target}");
        assert!(answer.headers().contains_key("x-request-id"));
        if status == 401 {
            let challenge = answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.starts_with("Bearer realm=\"faregate\""), "{challenge}");
        }
    }
    let received = gateway.upstream.requests();
    assert_eq!(received.len(), 2);
    assert_eq!(received[1].all("x-auth-subject"), [RECIPIENT_ID]);
    assert!(received.iter().all(|request| !request.head.contains("forged") && !request.head.contains("eyJ")));
    assert_eq!(received[0].all("host"), [gateway.address.to_string()], "one Host, from :authority");
    assert_eq!(received[0].all("x-forwarded-host"), [gateway.address.to_string()]);
    assert_eq!(received[0].all("cookie"), ["a=1; b=2"], "RFC 9113 8.2.3");
    assert_eq!(received[0].request_line(), "GET /public/x HTTP/1.1");
    // A token at our own endpoint, over HTTP/2.
    let form = [("grant_type", "client_credentials")];
    let issued = h2
        .post(gateway.url("/oauth2/token"))
        .basic_auth(RECIPIENT_ID, Some(crate::support::gateway::RECIPIENT_SECRET))
        .form(&form);
    assert_eq!(issued.send().await.unwrap().status(), 200);
    assert_eq!(gateway.upstream.count(), 2);
}

// M5, T47, RFC 9113 8.2: what has no place in HTTP/2 ends its stream and reaches nobody
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_requests_cannot_carry_http_1_framing() {
    let gateway = Gateway::start().await;
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    // A length that is not the body's (RFC 9113 8.1.1).
    for (length, body) in [("3", "hello"), ("0", "hello"), ("9", "hello")] {
        let request =
            http::Request::post("http://gate.test/public/bad").header(header::CONTENT_LENGTH, length).body(()).unwrap();
        let mut client = client.clone().ready().await.unwrap();
        let (answer, mut send) = client.send_request(request, false).unwrap();
        let _ = send.send_data(body.into(), true);
        let answer = tokio::time::timeout(Duration::from_secs(3), answer).await.expect("an end");
        // With an announced 0 the request was whole before the body came, and went upstream without it.
        let refused = answer.as_ref().map_or(true, |answer| answer.status() == 400 || answer.status() == 502);
        assert!(refused || length == "0", "{length}: {answer:?}");
    }
    // Nor two lengths, however equal (RFC 9110 8.6).
    for lengths in [&["5", "5"][..], &["5, 5"], &["5", "05"]] {
        let mut request = http::Request::post("http://gate.test/public/bad");
        for length in lengths {
            request = request.header(header::CONTENT_LENGTH, *length);
        }
        let mut client = client.clone().ready().await.unwrap();
        let (answer, mut send) = client.send_request(request.body(()).unwrap(), false).unwrap();
        let _ = send.send_data("hello".into(), true);
        assert!(answer.await.map_or(true, |answer| answer.status() == 400), "{lengths:?}");
    }
    // Two credentials in one request are as many as in HTTP/1.1.
    let request = http::Request::get("http://gate.test/api/orders")
        .header("authorization", "Bearer a")
        .header("authorization", "Bearer b");
    let mut client = client.clone().ready().await.unwrap();
    let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 400);
    driver.abort();
    let received = gateway.upstream.requests();
    assert!(received.len() <= 1 && received.iter().all(|request| request.body.is_empty()), "{received:?}");
}

// RFC 9112 7.1, M3: however a body of HTTP/2 ends, in HTTP/1 it ends once. What came after that would be taken for the
// beginning of somebody's next request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_ends_in_an_empty_frame_ends_once() {
    let gateway = Gateway::start().await;
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    for round in 0..4 {
        for (length, frames, body) in [
            (None, &["abc", ""][..], "3\r\nabc\r\n0\r\n\r\n"),
            (None, &["a", "", "b", ""], "1\r\na\r\n1\r\nb\r\n0\r\n\r\n"),
            (None, &[""], "0\r\n\r\n"),
            (Some("3"), &["abc", ""], "abc"),
            (Some("0"), &[""], ""),
        ] {
            let before = gateway.upstream.count();
            let mut request = http::Request::post(format!("http://gate.test/public/{round}"));
            if let Some(length) = length {
                request = request.header(header::CONTENT_LENGTH, length);
            }
            let mut client = client.clone().ready().await.unwrap();
            let (answer, mut send) = client.send_request(request.body(()).unwrap(), false).unwrap();
            for (n, frame) in frames.iter().enumerate() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                // With an announced 0 it may be answered already.
                let _ = send.send_data((*frame).into(), n + 1 == frames.len());
            }
            assert_eq!(answer.await.unwrap().status(), 200, "{length:?} {frames:?}");
            // Another client's request over the same connection, which would get the answer to what was left there.
            let next = client_of_http_1(&gateway, "x").await;
            assert_eq!((next, gateway.upstream.count() - before), (200, 2), "{length:?} {frames:?}");
            let received = &gateway.upstream.requests()[before..];
            assert_eq!(String::from_utf8_lossy(&received[0].body), body, "{length:?} {frames:?}");
            assert_eq!((received[1].request_line(), &*received[1].body), ("POST /public/next HTTP/1.1", &b"x"[..]));
        }
    }
    driver.abort();
}

/// The status of the answer to a request with this body.
async fn client_of_http_1(gateway: &Gateway, body: &str) -> u16 {
    let length = body.len();
    let head = format!("POST /public/next HTTP/1.1\r\nHost: gate.test\r\nContent-Length: {length}\r\n");
    gateway.raw(format!("{head}Connection: close\r\n\r\n{body}")).await.status()
}

/// A gateway with TLS, and the certificate that it shows.
async fn tls_gateway(folder: &Folder) -> (Gateway, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = folder.write("tls.crt", &made.cert.pem());
    let key = folder.write("tls.key", &made.signing_key.serialize_pem());
    let sections = format!(
        "listen: {{ address: 127.0.0.1:0, tls: {{ certificate: {certificate}, key: {key} }} }}\nissuers: {{ self: {{}} }}\n\
         upstreams: {{ app: \"${{UPSTREAM}}\" }}\nroutes:\n  /public/**: {{ upstream: app, public: true }}\n"
    );
    (Gateway::of(&sections, &[]).await, made.cert.pem())
}

// M5, RFC 7301: ALPN chooses, and both protocols work
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_speaks_both_protocols() {
    let folder = Folder::new();
    let (gateway, certificate) = tls_gateway(&folder).await;
    let port = gateway.address.port();
    let body: String = "0123456789abcdef".repeat(8192);
    gateway.upstream.behave(answer(&body));
    for (http1, version) in [(false, http::Version::HTTP_2), (true, http::Version::HTTP_11)] {
        let root = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
        let mut builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
        if http1 {
            builder = builder.http1_only();
        }
        let client = builder.build().unwrap();
        for _ in 0..3 {
            let answer = client.get(format!("https://localhost:{port}/public/x")).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
            assert_eq!(answer.text().await.unwrap(), body);
            assert_eq!(gateway.upstream.last().all("x-forwarded-proto"), ["https"]);
        }
    }
    // Plain HTTP on a TLS port is no request.
    assert!(!gateway.request("GET", "/public/x", "").await.text.contains(" 200 "));
    assert_eq!(gateway.upstream.count(), 6);
    let gauge = gateway.metrics().await;
    assert!(gauge.contains("faregate_insecure_upstreams 0"));
}

// RFC 9112 9.3, F-343: chunks pass as they come, both ways
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_stream_both_ways() {
    let gateway = Gateway::start().await;
    gateway.upstream.behave(Behaviour::Stream);
    let mut wire = gateway.connect().await;
    wire.send("POST /public/stream HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    wire.send("6\r\nfirst!\r\n").await;
    let head = wire.until(b"\r\n\r\n").await;
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    assert!(wire.until(b"first!").await.ends_with(b"first!"), "seen before the next chunk is sent");
    for n in 0..3 {
        wire.send(format!("5\r\nnext{n}\r\n")).await;
        assert!(wire.until(format!("next{n}").as_bytes()).await.ends_with(format!("next{n}").as_bytes()));
    }
    wire.send("0\r\n\r\n").await;
    assert!(wire.until(b"0\r\n\r\n").await.ends_with(b"0\r\n\r\n"));

    // The same over HTTP/2.
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = http::Request::post("http://gate.test/public/stream").body(()).unwrap();
    let (answer, mut send) = client.send_request(request, false).unwrap();
    send.send_data("first!".into(), false).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut seen = Vec::new();
    for expected in ["first!", "second"] {
        while seen.len() < expected.len() {
            let piece =
                tokio::time::timeout(Duration::from_secs(3), body.data()).await.expect("a piece").unwrap().unwrap();
            body.flow_control().release_capacity(piece.len()).unwrap();
            seen.extend_from_slice(&piece);
        }
        assert_eq!(seen, expected.as_bytes());
        seen.clear();
        if expected == "first!" {
            send.send_data("second".into(), false).unwrap();
        }
    }
    send.send_data("".into(), true).unwrap();
    driver.abort();
}

// N3: large, but not too large, arrives whole
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_arrive_whole() {
    let gateway = Gateway::start().await;
    let body: Vec<u8> = (0..5 * 1024 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let text: String = body.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    gateway.upstream.behave(answer(&text));
    let wanted = digest(&SHA256, &body);
    let h2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    for client in [client(), h2] {
        let answer = client.post(gateway.url("/public/large")).body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let received = answer.bytes().await.unwrap();
        assert_eq!(digest(&SHA256, &received).as_ref(), digest(&SHA256, text.as_bytes()).as_ref());
        let sent = gateway.upstream.last();
        if sent.field("transfer-encoding").is_none() {
            assert_eq!(digest(&SHA256, &sent.body).as_ref(), wanted.as_ref());
        }
    }
    assert_eq!(gateway.upstream.count(), 2);
}

// RFC 9110 10.1.1: nobody waits for ever, and a refusal comes before the body
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expect_100_continue() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    let mut wire = gateway.connect().await;
    wire.send("POST /api/orders HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(wire.answer().await.status(), 401, "before the body");
    assert_eq!(gateway.upstream.count(), 0);
    // An upstream that continues is heard; the built-in echo does.
    let echo = Gateway::with(
        "upstreams: { app: \"builtin:echo\" }\nroutes:\n  /public/**: { upstream: app, public: true }\n",
        &[],
    )
    .await;
    for target in ["/public/x", "/oauth2/token"] {
        let mut wire = echo.connect().await;
        wire.send(format!("POST {target} HTTP/1.1\r\nHost: gate.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")).await;
        let interim = wire.answer().await;
        assert_eq!(interim.status(), 100, "{target}: {}", interim.text);
        wire.send("a=b&c").await;
        let last = wire.answer().await;
        assert_eq!(last.status(), if target == "/public/x" { 200 } else { 400 }, "{target}: {}", last.text);
    }
}

const SOCKETS: &str = r#"
upstreams: { app: "${SOCKETS}" }
routes:
  /ws: { upstream: app, require: authenticated }
  /no-ws: { upstream: app, require: authenticated, websocket: false }
  /page: { upstream: app, public: true, websocket: { origins: ["https://app.example.com"] } }
"#;

// F-343, M11: a WebSocket is a request like any other, until it is allowed
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_are_guarded() {
    static ACCEPTED: AtomicUsize = AtomicUsize::new(0);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", socket.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            ACCEPTED.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let Ok(mut socket) = tungstenite::accept(stream) else { return };
                while let Ok(message) = socket.read() {
                    if message.is_close() || socket.send(message).is_err() {
                        let _ = socket.flush();
                        return;
                    }
                }
            });
        }
    });
    let gateway = Gateway::with(SOCKETS, &[("SOCKETS", &upstream)]).await;
    let token = gateway.token("").await;
    let address = gateway.address;
    let speak = move |path: &'static str, token: Option<String>| -> Result<Vec<String>, u16> {
        let mut request = format!("ws://gate.test{path}").into_client_request().unwrap();
        if let Some(token) = token {
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (mut socket, _) = match tungstenite::client(request, stream) {
            Ok(opened) => opened,
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                return Err(answer.status().as_u16());
            }
            Err(error) => panic!("{error}"),
        };
        let mut echoed = Vec::new();
        for text in ["one", "two", &"three".repeat(30_000)] {
            socket.send(Message::text(text)).unwrap();
            echoed.push(socket.read().unwrap().into_text().unwrap().to_string());
        }
        socket.close(None).unwrap();
        assert!(matches!(socket.read(), Ok(Message::Close(_)) | Err(_)));
        Ok(echoed)
    };
    let run = async |path: &'static str, token: Option<String>| {
        tokio::task::spawn_blocking(move || speak(path, token)).await.unwrap()
    };
    assert_eq!(run("/ws", None).await, Err(401));
    assert_eq!(run("/ws", Some("garbage".into())).await, Err(401));
    assert_eq!(run("/no-ws", Some(token.clone())).await, Err(400));
    assert_eq!(ACCEPTED.load(Ordering::SeqCst), 0, "nothing reached the upstream");
    // M11: a page of somebody else's has the browser's cookies, but not its origin.
    let ask = async |origin: &str| {
        let fields = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}"
        );
        let answer = gateway.raw(format!("GET /page HTTP/1.1\r\nHost: gate.test\r\n{fields}\r\n")).await;
        (answer.status(), answer.json()["code"].as_str().map(str::to_owned))
    };
    for origin in ["https://evil.test", "null", "http://app.example.com", "https://app.example.com\r\nOrigin: null"] {
        let refused = (403, Some("origin_refused".to_owned()));
        assert_eq!(ask(&format!("Origin: {origin}\r\n")).await, refused, "{origin}");
    }
    assert_eq!(ACCEPTED.load(Ordering::SeqCst), 0, "nothing reached the upstream");
    for origin in ["", "Origin: https://app.example.com\r\n"] {
        assert_eq!(ask(origin).await.0, 101, "{origin}");
    }
    ACCEPTED.store(0, Ordering::SeqCst);
    let echoed = run("/ws", Some(token)).await.unwrap();
    assert_eq!((&*echoed[0], &*echoed[1], echoed[2].len()), ("one", "two", 150_000));
    assert_eq!(ACCEPTED.load(Ordering::SeqCst), 1);
}
