//! Tunnels that an upgrade opens: in whatever order the bytes arrive, none is lost and no tunnel breaks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::gateway::{Gateway, raw};
use crate::support::tls;

const PATIENCE: Duration = Duration::from_secs(5);

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// A request for a tunnel; `more` are further field lines.
fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: gate.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// An upstream that gives every connection to `speak`, on a thread of its own.
fn upstream(speak: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            stream.set_nodelay(true).unwrap();
            let speak = speak.clone();
            thread::spawn(move || speak(stream));
        }
    });
    address
}

/// A gateway with one route to each upstream, which stands here as it does in the configuration: `/0`, `/1` and so on.
async fn before(upstreams: &[String]) -> Gateway {
    let mut sections = "upstreams:\n".to_owned();
    for (n, upstream) in upstreams.iter().enumerate() {
        sections.push_str(&format!("  u{n}: {upstream}\n"));
    }
    sections.push_str("routes:\n");
    for n in 0..upstreams.len() {
        sections.push_str(&format!("  /{n}: {{ upstream: u{n}, public: true }}\n"));
    }
    Gateway::with(&sections, &[]).await
}

fn at(servers: &[SocketAddr]) -> String {
    let servers: Vec<_> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    format!("{{ servers: [{}] }}", servers.join(", "))
}

/// Everything up to and including `mark`; less when the connection ends first.
fn until(stream: &mut impl Read, mark: &[u8]) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(mark) && matches!(stream.read(&mut byte), Ok(1)) {
        seen.push(byte[0]);
    }
    seen
}

fn echo(mut stream: impl Read + Write) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Opens a tunnel. What is read after the 101 is still unread.
fn open(address: SocketAddr, request: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(request.as_ref()).unwrap();
    let head = until(&mut stream, b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

/// Waits for clients on threads of their own. The gateway is on this one.
async fn joined<T>(clients: Vec<JoinHandle<T>>) -> Vec<T> {
    while clients.iter().any(|client| !client.is_finished()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    clients.into_iter().map(|client| client.join().unwrap()).collect()
}

/// What one tunnel does first.
#[derive(Clone, Copy, Debug)]
struct Order {
    /// The 101 is there when the gateway looks for it the first time.
    answers_at_once: bool,
    /// A frame in one piece with the 101.
    first_from_upstream: &'static str,
    /// A frame in one piece with the request.
    first_from_client: &'static str,
    tls: bool,
}

impl Order {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for tls in [false, true] {
            for answers_at_once in [false, true] {
                for first_from_upstream in ["", "hello"] {
                    for first_from_client in ["", "eager"] {
                        all.push(Self { answers_at_once, first_from_upstream, first_from_client, tls });
                    }
                }
            }
        }
        all
    }

    fn upstream(self) -> String {
        let acceptor = tls::acceptor().build();
        let address =
            upstream(
                move |stream| if self.tls { self.speak(acceptor.accept(stream).unwrap()) } else { self.speak(stream) },
            );
        if self.tls {
            format!("{{ servers: [\"{address}\"], tls: true, sni: localhost, insecure: true }}")
        } else {
            at(&[address])
        }
    }

    fn speak(self, mut stream: impl Read + Write) {
        let answer = format!("{SWITCHED}{}", self.first_from_upstream);
        if self.answers_at_once {
            stream.write_all(answer.as_bytes()).unwrap();
        }
        until(&mut stream, b"\r\n\r\n");
        if !self.answers_at_once {
            stream.write_all(answer.as_bytes()).unwrap();
        }
        echo(stream);
    }

    /// What the client hears; it should be what is expected.
    fn heard(self, address: SocketAddr, path: &str) -> (String, String) {
        let mut tunnel = open(address, request(path, "") + self.first_from_client);
        let expected = format!("{}{}ping", self.first_from_upstream, self.first_from_client);
        // The tunnel may be broken already.
        let _ = tunnel.write_all(b"ping");
        let heard = until(&mut tunnel, expected.as_bytes());
        (String::from_utf8_lossy(&heard).into_owned(), expected)
    }
}

// RFC 9110 7.8: the 101 opens the tunnel, whatever came with it or before it. A client must wait for it (RFC 6455 4.1), but
// one that does not is heard.
#[tokio::test]
async fn a_tunnel_opens_in_every_order() {
    const EACH: usize = 6;
    let orders = Order::all();
    let upstreams: Vec<_> = orders.iter().map(|order| order.upstream()).collect();
    let gateway = before(&upstreams).await;
    let address = gateway.address;
    let clients = orders.iter().enumerate().flat_map(|(n, &order)| {
        (0..EACH).map(move |_| thread::spawn(move || (order, order.heard(address, &format!("/{n}")))))
    });
    let clients = clients.collect();
    // A gateway that is always late: what its sockets wait for has all come when it looks.
    let late = tokio::spawn(async {
        loop {
            thread::sleep(Duration::from_millis(20));
            tokio::task::yield_now().await;
        }
    });
    let heard = joined(clients).await;
    late.abort();
    let broken: Vec<_> = heard.iter().filter(|(_, (heard, expected))| heard != expected).collect();
    assert!(broken.is_empty(), "{} of {}: {broken:?}", broken.len(), heard.len());
}

// RFC 9110 7.8, RFC 6455 4.1: and in the usual order, many times, with both ends as quick as they can be
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tunnels_open_a_thousand_times() {
    let orders = [false, true].map(|tls| Order {
        answers_at_once: false,
        first_from_upstream: "hello",
        first_from_client: "",
        tls,
    });
    let gateway = before(&orders.map(Order::upstream)).await;
    let address = gateway.address;
    let clients = orders.iter().enumerate().flat_map(|(n, &order)| {
        (0..2).map(move |_| {
            thread::spawn(move || {
                let heard = (0..250).map(|_| order.heard(address, &format!("/{n}")));
                heard.filter(|(heard, expected)| heard != expected).count()
            })
        })
    });
    assert_eq!(joined(clients.collect()).await, [0, 0, 0, 0], "tunnels that broke");
}

// RFC 9112 2.2, 9.6: slow ends, and ends that close with their last bytes
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tunnels_are_slow_and_end() {
    const LAST: usize = 300_000;
    let slow = upstream(|mut stream| {
        until(&mut stream, b"\r\n\r\n");
        for piece in SWITCHED.as_bytes().chunks(7) {
            stream.write_all(piece).unwrap();
            thread::sleep(Duration::from_millis(2));
        }
        echo(stream);
    });
    let brief = upstream(|mut stream| {
        until(&mut stream, b"\r\n\r\n");
        stream.write_all(format!("{SWITCHED}{}", "x".repeat(LAST)).as_bytes()).unwrap();
    });
    let (told, ends) = mpsc::channel();
    let listening = upstream(move |mut stream| {
        until(&mut stream, b"\r\n\r\n");
        stream.write_all(SWITCHED.as_bytes()).unwrap();
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        told.send(heard.len()).unwrap();
    });
    let gateway = before(&[slow, brief, listening].map(|address| at(&[address]))).await;
    let address = gateway.address;
    let client = thread::spawn(move || {
        let mut tunnel = connect(address);
        for piece in request("/0", "").as_bytes().chunks(11) {
            tunnel.write_all(piece).unwrap();
            thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(until(&mut tunnel, b"\r\n\r\n")[..13], *b"HTTP/1.1 101 ");
        for frame in ["one", "two"] {
            tunnel.write_all(frame.as_bytes()).unwrap();
            assert_eq!(until(&mut tunnel, frame.as_bytes()), frame.as_bytes());
        }

        let mut heard = Vec::new();
        open(address, request("/1", "")).read_to_end(&mut heard).unwrap();
        assert_eq!(heard.len(), LAST, "all that the upstream said before it closed");

        let mut tunnel = open(address, request("/2", ""));
        tunnel.write_all(&[b'x'; LAST]).unwrap();
        drop(tunnel);
        assert_eq!(ends.recv_timeout(PATIENCE), Ok(LAST), "all that the client said before it closed");
    });
    joined(vec![client]).await;
}

// RFC 9110 7.8: a server may decline, and whoever asks with a body is answered when it has it (10.1.1)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_are_declined_or_wait_for_a_body() {
    let (told, ends) = mpsc::channel();
    let declining = upstream(move |mut stream| {
        while !until(&mut stream, b"\r\n\r\n").is_empty() {
            let _ = stream.write_all(b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nContent-Length: 2\r\n\r\nno");
        }
        told.send(()).unwrap();
    });
    let thorough = upstream(|mut stream| {
        until(&mut stream, b"\r\n\r\n");
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        until(&mut stream, b"body");
        stream.write_all(SWITCHED.as_bytes()).unwrap();
        echo(stream);
    });
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = before(&[at(&[declining]), at(&[thorough]), at(&[gone, declining]), at(&[gone])]).await;
    let address = gateway.address;
    // The connection is good for the next request, whichever it is.
    let mut wire = gateway.connect().await;
    for _ in 0..3 {
        for ask in [request("/0", ""), request("/2", ""), "GET /0 HTTP/1.1\r\nHost: gate.test\r\n\r\n".to_owned()] {
            wire.send(&ask).await;
            let answer = wire.answer().await;
            assert_eq!((answer.status(), answer.body()), (426, "no"), "{ask:?}: {}", answer.text);
        }
    }
    // A dead server is like any other's (rule M10).
    let answer = raw(address, request("/3", "").as_bytes()).await;
    assert_eq!(
        (answer.status(), answer.json()["code"].as_str()),
        (502, Some("upstream_unreachable")),
        "{}",
        answer.text
    );

    let client = thread::spawn(move || {
        for _ in 0..6 {
            assert_eq!(ends.recv_timeout(PATIENCE), Ok(()), "a connection for a tunnel is for nothing else");
        }
        let mut tunnel = connect(address);
        tunnel.write_all(request("/1", "Content-Length: 4\r\nExpect: 100-continue\r\n").as_bytes()).unwrap();
        assert_eq!(until(&mut tunnel, b"\r\n\r\n")[..13], *b"HTTP/1.1 100 ");
        tunnel.write_all(b"body").unwrap();
        assert_eq!(until(&mut tunnel, b"\r\n\r\n")[..13], *b"HTTP/1.1 101 ");
        tunnel.write_all(b"ping").unwrap();
        assert_eq!(until(&mut tunnel, b"ping"), b"ping");
    });
    joined(vec![client]).await;
}
