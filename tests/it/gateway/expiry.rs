//! What goes on after the decision ends with the token: WebSockets and event streams.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::support::foreign_issuer::{ForeignIssuer, now};
use crate::support::gateway::{Gateway, RECIPIENT_ID, RECIPIENT_SECRET, client};
use crate::support::tls;
use crate::support::upstream::Behaviour;

/// An upstream that says what it hears, with TLS or without.
fn sockets(with_tls: bool) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let acceptor = tls::acceptor().build();
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let acceptor = with_tls.then(|| acceptor.clone());
            thread::spawn(move || match acceptor {
                Some(acceptor) => echo(acceptor.accept(stream).map(tungstenite::accept)),
                None => echo(Ok::<_, ()>(tungstenite::accept(stream))),
            });
        }
    });
    address
}

fn echo<S: std::io::Read + std::io::Write, E, H>(accepted: Result<Result<WebSocket<S>, H>, E>) {
    let Ok(Ok(mut socket)) = accepted else { return };
    while let Ok(message) = socket.read() {
        if message.is_close() || socket.send(message).is_err() {
            let _ = socket.flush();
            return;
        }
    }
}

/// A gateway with WebSockets behind it, which believes `corp` and itself.
async fn before(corp: &ForeignIssuer) -> Gateway {
    let sections = format!(
        r#"
listen: "${{LISTEN}}"
issuers: {{ self: {{}}, corp: {{ issuer: "{}", audience: api }} }}
directory:
  entity_types: {{ service: {{}} }}
  entities: {{ reporting: {{ id: {RECIPIENT_ID}, type: service, client_secret: "${{RECIPIENT_SECRET}}" }} }}
upstreams:
  app: "${{UPSTREAM}}"
  plain: http://{}
  secure: {{ servers: ["{}"], tls: true, sni: localhost, insecure: true }}
routes:
  /plain: {{ upstream: plain, tokens: [self, corp], require: authenticated }}
  /secure: {{ upstream: secure, tokens: [self, corp], require: authenticated }}
  /open: {{ upstream: plain, public: true }}
  /lasting: {{ upstream: plain, tokens: [self, corp], require: authenticated, close_at_expiry: false }}
  /events: {{ upstream: app, tokens: [self, corp], require: authenticated }}
  /events/lasting: {{ upstream: app, tokens: [self, corp], require: authenticated, close_at_expiry: false }}
"#,
        corp.url(),
        sockets(false),
        sockets(true)
    );
    Gateway::of(&sections, &[]).await
}

fn open(address: SocketAddr, path: &str, token: &str) -> WebSocket<TcpStream> {
    let mut request = format!("ws://gate.test{path}").into_client_request().unwrap();
    if !token.is_empty() {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    tungstenite::client(request, stream).unwrap().0
}

fn says(socket: &mut WebSocket<TcpStream>, text: &str) -> bool {
    socket.send(Message::text(text)).is_ok() && socket.read().is_ok_and(|message| message == Message::text(text))
}

/// The code of the Close frame that comes next.
fn end(socket: &mut WebSocket<TcpStream>) -> Option<u16> {
    match socket.read() {
        Ok(Message::Close(Some(frame))) => Some(frame.code.into()),
        other => panic!("{other:?}"),
    }
}

async fn blocking<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(task).await.unwrap()
}

// M11, ASVS 4.4: silent or busy, with TLS to the upstream or without
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_websocket_ends_with_its_token() {
    let corp = ForeignIssuer::start().await;
    let gateway = before(&corp).await;
    let address = gateway.address;
    let lifetime = 3;
    let (token, began) = (corp.token(json!({ "exp": now() + lifetime })), Instant::now());
    let clients: Vec<_> = ["/plain", "/secure"]
        .into_iter()
        .flat_map(|path| [false, true].map(|busy| (path, busy)))
        .map(|(path, busy)| {
            let token = token.clone();
            thread::spawn(move || {
                let mut socket = open(address, path, &token);
                assert!(says(&mut socket, "hello"), "{path}");
                while busy && began.elapsed() < Duration::from_secs(1) {
                    assert!(says(&mut socket, &"x".repeat(3000)), "{path}");
                }
                assert_eq!(end(&mut socket), Some(1008), "{path} busy {busy}");
                let lasted = began.elapsed();
                // Nothing after it, and the connection is closed.
                assert!(socket.read().is_err());
                (path, busy, lasted)
            })
        })
        .collect();
    let unbound: Vec<_> = [("/open", String::new()), ("/lasting", token.clone())]
        .map(|(path, token)| {
            thread::spawn(move || {
                let mut socket = open(address, path, &token);
                while began.elapsed() < Duration::from_secs(6) {
                    assert!(says(&mut socket, "still here"), "{path}");
                    thread::sleep(Duration::from_millis(200));
                }
            })
        })
        .into();
    for client in clients {
        let (path, busy, lasted) = blocking(move || client.join().unwrap()).await;
        let expected = Duration::from_secs(1)..Duration::from_secs(6);
        assert!(expected.contains(&lasted), "{path} busy {busy}: {lasted:?}");
    }
    for client in unbound {
        blocking(move || client.join().unwrap()).await;
    }
    let metrics = gateway.metrics().await;
    assert!(!metrics.contains("faregate_upstream_errors_total"), "nobody failed: {metrics}");
}

// I8, M11: a revoked token ends what it opened within two seconds
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_websocket_ends_when_its_token_is_revoked() {
    let corp = ForeignIssuer::start().await;
    let gateway = before(&corp).await;
    let address = gateway.address;
    let (token, other) = (gateway.token("").await, gateway.token("").await);
    let opened = token.clone();
    let (mut ending, mut staying) = blocking(move || {
        let (mut ending, mut staying) = (open(address, "/plain", &opened), open(address, "/plain", &other));
        assert!(says(&mut ending, "hello") && says(&mut staying, "hello"));
        (ending, staying)
    })
    .await;
    let answer = client()
        .post(gateway.url("/oauth2/revoke"))
        .basic_auth(RECIPIENT_ID, Some(RECIPIENT_SECRET))
        .form(&[("token", &token)])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let revoked_at = Instant::now();
    blocking(move || {
        assert_eq!(end(&mut ending), Some(1008));
        assert!(revoked_at.elapsed() < Duration::from_secs(3), "{:?}", revoked_at.elapsed());
        assert!(says(&mut staying, "still here"));
    })
    .await;
}

// RFC 6455 5.2: in the middle of a frame there is no room for another one, so the connection just ends
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_speaks_into_a_frame() {
    let corp = ForeignIssuer::start().await;
    let gateway = before(&corp).await;
    gateway.upstream.behave(Behaviour::Upgrade);
    let address = gateway.address;
    let token = corp.token(json!({ "exp": now() + 2 }));
    blocking(move || {
        // A frame of ten bytes, of which the upstream says four. The echo in `app` knows nothing of frames.
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let request = format!(
            "GET /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            heard.push(byte[0]);
        }
        assert!(heard.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&heard));
        stream.write_all(b"\x82\x0aabcd").unwrap();
        heard.clear();
        let _ = stream.read_to_end(&mut heard);
        assert_eq!(heard, b"\x82\x0aabcd");
    })
    .await;
}

/// Sends events until nobody listens.
async fn event_source() -> SocketAddr {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(b"data: tick\n\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
    });
    address
}

// M11 in spirit: an event stream brings nothing more once its token is over, on HTTP/1.1 and on HTTP/2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_stream_ends_with_its_token() {
    let corp = ForeignIssuer::start().await;
    let source = event_source().await;
    let sections = format!(
        "listen: \"${{LISTEN}}\"\nissuers: {{ corp: {{ issuer: \"{}\", audience: api }} }}\nupstreams: {{ app: http://{source} }}\n\
         routes:\n  /events: {{ upstream: app, require: authenticated }}\n  \
         /lasting: {{ upstream: app, require: authenticated, close_at_expiry: false }}\n",
        corp.url()
    );
    let gateway = Gateway::of(&sections, &[]).await;
    let h2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    for client in [client(), h2] {
        let (token, began) = (corp.token(json!({ "exp": now() + 2 })), Instant::now());
        let ask = async |path: &str| client.get(gateway.url(path)).bearer_auth(&token).send().await.unwrap();
        let (mut ending, mut lasting) = (ask("/events").await, ask("/lasting").await);
        assert_eq!((ending.status(), lasting.status()), (http::StatusCode::OK, http::StatusCode::OK));
        let mut events = 0;
        while let Ok(Some(_)) = ending.chunk().await {
            events += 1;
            assert!(began.elapsed() < Duration::from_secs(5), "it does not end");
        }
        assert!(events > 5, "{events}");
        assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
        while began.elapsed() < Duration::from_secs(3) {
            assert!(lasting.chunk().await.unwrap().is_some());
        }
    }
}
