//! What one peer may cost: time, bytes and connections.

use std::time::{Duration, Instant};

use crate::support::gateway::{Gateway, ROUTES};
use crate::support::upstream::Behaviour;

async fn limited(limits: &str) -> Gateway {
    Gateway::with(&format!("{ROUTES}limits: {limits}\n"), &[]).await
}

// N1, T49: the whole header block counts, not the pause between two bytes
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_headers_are_cut_off() {
    let gateway = limited("{ header_timeout: 1s, keep_alive: 1s }").await;
    let mut drip = gateway.connect().await;
    let started = Instant::now();
    drip.send("GET /public/x HTTP/1.1\r\nHost: gate.test\r\n").await;
    while started.elapsed() < Duration::from_secs(3) && drip.try_send("X: y\r\n").await {
        if drip.closes_within(Duration::from_millis(100)).await {
            break;
        }
    }
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    assert_eq!(drip.answer().await.status(), 408, "RFC 9110 15.5.9");
    // Nothing asked: nothing answered, and closed all the same, before and after a request.
    let mut idle = gateway.connect().await;
    assert!(idle.closes_within(Duration::from_millis(1500)).await);
    assert_eq!(idle.answer().await.text, "");
    let mut used = gateway.connect().await;
    used.send("GET /public/x HTTP/1.1\r\nHost: gate.test\r\n\r\n").await;
    assert_eq!(used.answer().await.status(), 200);
    assert!(used.closes_within(Duration::from_millis(2500)).await, "idle keep-alive");
    assert_eq!(gateway.upstream.count(), 1);
}

// N2, T52
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_headers_are_refused() {
    let gateway = Gateway::start().await;
    let fields = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let long = |size: usize| "a".repeat(size);
    for (name, target, fields, status) in [
        ("many fields", "/public/x".to_owned(), fields(101), 431),
        ("as many as may be", "/public/x".to_owned(), fields(98), 200),
        ("one large field", "/public/x".to_owned(), format!("X: {}\r\n", long(33 * 1024)), 431),
        ("large in all", "/public/x".to_owned(), format!("X: {0}\r\nY: {0}\r\nZ: {0}\r\n", long(11 * 1024)), 431),
        ("large but bearable", "/public/x".to_owned(), format!("X: {}\r\n", long(30 * 1024)), 200),
        ("long target", format!("/public/{}", long(8200)), String::new(), 414),
        ("very long target", format!("/public/{}", long(100_000)), String::new(), 414),
        ("long query", format!("/public/x?{}", long(8200)), String::new(), 414),
        ("target that fits", format!("/public/{}", long(8000)), String::new(), 200),
    ] {
        let before = gateway.upstream.count();
        let answer = gateway.request("GET", &target, &fields).await;
        assert_eq!(answer.status(), status, "{name}: {:.300}", answer.text);
        assert_eq!(gateway.upstream.count() - before, usize::from(status == 200), "{name}");
    }
    // A block that never ends is refused when it is too large, not when it is complete.
    let mut wire = gateway.connect().await;
    wire.send("GET /public/x HTTP/1.1\r\nHost: gate.test\r\nX: ").await;
    for _ in 0..40 {
        if !wire.try_send(long(1024)).await {
            break;
        }
    }
    assert_eq!(wire.answer().await.status(), 431);
}

// N3, T53: by what is announced, and by what arrives
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_are_refused() {
    let sections =
        ROUTES.replace("public: true", "public: true, max_body: 10KiB") + "limits: { body: 64KiB, oauth_body: 1KiB }\n";
    let gateway = Gateway::with(&sections, &[]).await;
    // Announced: answered before a byte of the body is sent.
    let mut wire = gateway.connect().await;
    wire.send("POST /public/x HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 10241\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let answer = wire.answer().await;
    assert_eq!((answer.status(), answer.json()["code"].as_str()), (413, Some("body_too_large")), "{}", answer.text);
    assert_eq!(gateway.upstream.count(), 0);
    let body = "x".repeat(10240);
    let answer = gateway
        .raw(format!(
            "POST /public/x HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\nContent-Length: 10240\r\n\r\n{body}"
        ))
        .await;
    assert_eq!(answer.status(), 200, "exactly as much as may be");
    // Not announced: counted.
    let mut wire = gateway.connect().await;
    wire.send("POST /public/x HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    for _ in 0..20 {
        if !wire.try_send(&chunk).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    wire.try_send("0\r\n\r\n").await;
    assert!(wire.closes_within(Duration::from_secs(3)).await);
    let answer = wire.answer().await;
    assert!(matches!(answer.status(), 413 | 0), "{}", answer.text);
    assert_eq!(gateway.upstream.count(), 1, "the second one was never whole");
    // The authorization server's own bodies.
    for framing in ["Content-Length: 1025", "Transfer-Encoding: chunked"] {
        let body = "x".repeat(1025);
        let body = if framing.starts_with('C') { body } else { format!("401\r\n{body}\r\n0\r\n\r\n") };
        let request = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: gate.test\r\nContent-Type: application/x-www-form-urlencoded\r\n{framing}\r\n\r\n{body}"
        );
        let mut wire = gateway.connect().await;
        wire.send(request).await;
        assert_eq!(wire.answer().await.status(), 413, "{framing}");
        assert!(wire.closes_within(Duration::from_secs(1)).await, "{framing}");
    }
}

// N1: a connection serves many requests, but not for ever
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_reused_up_to_a_limit() {
    let gateway = limited("{ requests_per_connection: 20 }").await;
    let mut wire = gateway.connect().await;
    let mut served = 0;
    for n in 0..30 {
        let target = ["/public/x", "/api/orders", "/.well-known/jwks.json", "/nowhere"][n % 4];
        if !wire.try_send(format!("GET {target} HTTP/1.1\r\nHost: gate.test\r\n\r\n")).await {
            break;
        }
        let answer = wire.answer().await;
        if answer.text.is_empty() {
            break;
        }
        assert_eq!(answer.status(), [200, 401, 200, 404][n % 4]);
        served += 1;
        if answer.field("connection") == Some("close") {
            break;
        }
    }
    assert_eq!(served, 20);
    assert!(wire.closes_within(Duration::from_secs(1)).await);
}

// N4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_one_address_are_counted() {
    let gateway = limited("{ connections: 10, connections_per_ip: 2 }").await;
    let mut first = gateway.connect().await;
    let mut second = gateway.connect().await;
    for wire in [&mut first, &mut second] {
        wire.send("GET /public/x HTTP/1.1\r\nHost: gate.test\r\n\r\n").await;
        assert_eq!(wire.answer().await.status(), 200);
    }
    let mut third = gateway.connect().await;
    assert!(third.closes_within(Duration::from_secs(1)).await);
    assert_eq!(third.answer().await.text, "");
    let shed = "faregate_shed_total{reason=\"connections_per_ip\",what=\"connection\"} 1\n";
    assert!(gateway.metrics().await.contains(shed));
    assert!(
        gateway.metrics().await.contains("faregate_open_connections 2"),
        "the admin listener has places of its own"
    );
    drop(first);
    let mut again = 0;
    for _ in 0..50 {
        again = gateway.request("GET", "/public/x", "").await.status();
        if again == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(again, 200, "a place is free again");
}

// N2, N5: HTTP/2 has the same bounds
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_has_the_same_bounds() {
    let gateway = limited("{ h2_streams: 5 }").await;
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut get = async |target: &str, fields: usize, value: &str| {
        let mut request = http::Request::get(format!("http://gate.test{target}"));
        for n in 0..fields {
            request = request.header(format!("x-{n}"), value);
        }
        client = client.clone().ready().await.unwrap();
        let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        answer.await.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    };
    assert_eq!(get("/public/x", 1, "y").await, Ok(200));
    assert_eq!(get("/public/x", 101, "y").await, Ok(431));
    assert_eq!(get(&format!("/public/{}", "a".repeat(8200)), 0, "").await, Ok(414));
    let large = get("/public/x", 9, &"v".repeat(10 * 1024)).await;
    assert!(large.as_ref().map_or(true, |status| *status == 431), "a header list of 90 KiB: {large:?}");
    assert_eq!(client.current_max_send_streams(), 5, "SETTINGS_MAX_CONCURRENT_STREAMS");
    driver.abort();
    assert_eq!(gateway.upstream.count(), 1);
}

// N5: a client that measures its line with each answer, as gRPC does, is no flood; one that only measures is
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_are_answered_beside_requests_and_bounded_alone() {
    const REQUESTS: usize = 800;
    let gateway = limited("{}").await;
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (mut client, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut ping_pong = connection.ping_pong().unwrap();
    let driver = tokio::spawn(connection);
    for number in 0..REQUESTS {
        client = client.ready().await.unwrap();
        let request = http::Request::get("http://gate.test/public/x").body(()).unwrap();
        let (answer, _) = client.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200, "{number}");
        for _ in 0..2 {
            ping_pong.ping(h2::Ping::opaque()).await.unwrap_or_else(|error| panic!("{number}: {error}"));
        }
    }
    let mut answered = 0;
    while ping_pong.ping(h2::Ping::opaque()).await.is_ok() {
        answered += 1;
        assert!(answered < 100_000, "nobody ends it");
    }
    assert!(answered >= 500, "{answered}");
    let ended = tokio::time::timeout(Duration::from_secs(5), driver).await.unwrap().unwrap().unwrap_err();
    assert!(ended.is_go_away() && ended.is_remote(), "{ended:?}");
}

// N5: whoever cuts frames so that none can be taken back is left as well
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_in_pieces_are_floods() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let gateway = limited("{}").await;
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reading, mut writing) = stream.into_split();
    writing.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(1..) = reading.read(&mut buffer).await {}
    });
    // Each piece ends in the middle of a head, and is read before the next one comes.
    writing.write_all(&PING[..5]).await.unwrap();
    let shifted = [&PING[5..], &PING[..5]].concat();
    let mut sent = 0;
    while !reader.is_finished() && writing.write_all(&shifted).await.is_ok() {
        tokio::time::sleep(Duration::from_micros(300)).await;
        sent += 1;
        assert!(sent < 20_000, "nobody ends it");
    }
    assert!(sent >= 900, "{sent}");
    assert!(gateway.metrics().await.contains("faregate_shed_total{reason=\"frames\",what=\"connection\"} 1"));
}

// N3, T50: a body that drips, one that stops, and one that is merely slow
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_are_cut_off() {
    let gateway = limited("{ body_timeout: 1s, body_rate: 100 }").await;
    let head = |target: &str, length: usize| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: gate.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    for (target, drips) in
        [("/public/x", true), ("/public/x", false), ("/oauth2/token", true), ("/oauth2/token", false)]
    {
        let mut wire = gateway.connect().await;
        let started = Instant::now();
        wire.send(head(target, 1000)).await;
        while drips && started.elapsed() < Duration::from_secs(6) && wire.try_send("x").await {
            if wire.closes_within(Duration::from_millis(200)).await {
                break;
            }
        }
        let answer = wire.answer().await;
        assert_eq!(
            (answer.status(), answer.json()["code"].as_str()),
            (408, Some("body_timeout")),
            "{target} {drips}: {}",
            answer.text
        );
        assert!(wire.closes_within(Duration::from_secs(1)).await, "{target} {drips}");
        assert!(started.elapsed() < Duration::from_secs(5), "{target} {drips}: {:?}", started.elapsed());
    }
    assert_eq!(gateway.upstream.count(), 0, "none of them was whole");
    let mut wire = gateway.connect().await;
    wire.send(head("/public/x", 500)).await;
    for _ in 0..10 {
        wire.send("x".repeat(50)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(wire.answer().await.status(), 200, "250 bytes per second are enough");
}

// T50: an answer that nobody takes
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_read_are_cut_off() {
    let gateway = limited("{ send_timeout: 1s }").await;
    let body = "x".repeat(64 * 1024 * 1024);
    gateway
        .upstream
        .behave(Behaviour::Answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())));
    let mut wire = gateway.connect().await;
    wire.send("GET /public/x HTTP/1.1\r\nHost: gate.test\r\n\r\n").await;
    let mut open = String::new();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        open = gateway.metrics().await;
        if gateway.upstream.count() == 1 && open.contains("faregate_open_connections 0\n") {
            return;
        }
    }
    panic!("still open: {}", open.lines().filter(|line| line.contains("open_connections")).collect::<String>());
}
