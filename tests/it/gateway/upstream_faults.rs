//! Upstreams that break the protocol: what the client sees, and that the next one sees nothing of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::support::faulty::{Fault, Faulty};
use crate::support::gateway::{Gateway, Raw, client};

async fn before(server: &Faulty, more: &str) -> Gateway {
    let sections = format!(
        "upstreams:\n  app: {{ servers: [\"{}\"]{more} }}\nroutes:\n  /public/**: {{ upstream: app, public: true }}\n",
        server.address
    );
    Gateway::with(&sections, &[]).await
}

/// What makes a request go Pingora's way, and nothing.
const WAYS: [&str; 2] = ["", "Content-Length: 0\r\n"];

/// What is answered to one request with these field lines, as the last of its connection.
async fn answer(gateway: &Gateway, fields: &str) -> Raw {
    gateway.request("GET", "/public/x", fields).await
}

/// An upstream that answers every request with `first`, and then says `again` every 100 ms.
async fn dripping(first: &'static str, again: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(first.as_bytes()).await;
                while stream.write_all(again.as_bytes()).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
    });
    address
}

/// Everything that comes in answer to one request, and whether it was a whole answer.
async fn outcome(gateway: &Gateway) -> (String, bool) {
    let mut wire = gateway.connect().await;
    wire.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let ends = wire.closes_within(Duration::from_millis(700)).await;
    (wire.heard(), !ends)
}

// T34, RFC 9112 8: an answer that is cut short is never taken for a whole one, whatever its framing
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_answer_has_no_clean_end() {
    let server = Faulty::start("only").await;
    let gateway = before(&server, "").await;
    let partial: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
    ];
    for bytes in partial {
        for round in 0..20 {
            server.fail(Fault::BytesAndReset(bytes.to_vec()));
            let error = match client().get(gateway.url("/public/x")).send().await {
                Ok(answer) => answer.bytes().await.is_err(),
                Err(_) => true,
            };
            assert!(error, "round {round}: a cut answer looked whole: {:?}", String::from_utf8_lossy(bytes));
            server.fail(Fault::None);
            let connections = server.connections();
            let answer = client().get(gateway.url("/public/x")).send().await.unwrap();
            assert_eq!(answer.text().await.unwrap(), "only");
            assert_eq!(server.connections() - connections, 1, "round {round}: the broken connection was used again");
        }
    }
    // Cut in the head there is no answer at all.
    for head in [&b"HTTP/1.1 200 OK\r\nContent-Le"[..], b"HTTP/1.1 ", b""] {
        server.fail(Fault::BytesAndReset(head.to_vec()));
        let answer = client().post(gateway.url("/public/x")).send().await.unwrap();
        assert_eq!(answer.status(), 502, "{:?}", String::from_utf8_lossy(head));
    }
}

// T35, V5: what follows an answer reaches nobody
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leftovers_reach_nobody() {
    let server = Faulty::start("clean").await;
    let gateway = before(&server, "").await;
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned";
    let answers: [(&str, &[u16]); 6] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", &[200]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", &[200]),
        ("HTTP/1.1 204 No Content\r\n\r\n", &[204]),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", &[304]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nok", &[502]),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", &[502]),
    ];
    let client = client();
    for (answer, statuses) in answers {
        for round in 0..40 {
            server.fail(Fault::Bytes(format!("{answer}{poison}").into()));
            let got = client.get(gateway.url("/public/x")).send().await.unwrap();
            let (status, text) = (got.status().as_u16(), got.text().await.unwrap());
            assert!(statuses.contains(&status), "{answer:?}: {status}");
            assert!(!text.contains("poison"), "{answer:?}: {text}");
            server.fail(Fault::None);
            let next = client.get(gateway.url("/public/x")).send().await.unwrap();
            assert_eq!(next.text().await.unwrap(), "clean", "{answer:?}, round {round}");
        }
    }
}

// RFC 9112 6.1, 6.3, RFC 9110 8.6: whose end can be found in two places is nobody's answer
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_answers_are_refused() {
    let server = Faulty::start("clean").await;
    let gateway = before(&server, "").await;
    let chunked = "2\r\nok\r\n0\r\n\r\n";
    for (version, fields) in [
        ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("1.1", "Transfer-Encoding: gzip, chunked\r\n"),
        ("1.1", "Transfer-Encoding: identity\r\n"),
        ("1.1", "Transfer-Encoding: gzip\r\n"),
        ("1.0", "Transfer-Encoding: chunked\r\n"),
    ] {
        for way in WAYS {
            server.fail(Fault::Bytes(format!("HTTP/{version} 200 OK\r\n{fields}\r\n{chunked}").into()));
            let refused = answer(&gateway, way).await;
            let code = refused.json()["code"].as_str().map(str::to_owned);
            assert_eq!((refused.status(), code.as_deref()), (502, Some("upstream_failed")), "{fields}");
            server.fail(Fault::None);
            assert_eq!(answer(&gateway, way).await.body(), "clean", "{fields}");
        }
    }
}

// RFC 9110 7.6.1, 8.6, 6.2: what an upstream says of its connection is not about the client's
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_made_ready_for_another_connection() {
    let server = Faulty::start("only").await;
    let gateway = before(&server, "").await;
    let internal = "Connection: keep-alive, X-Internal\r\nX-Internal: 1\r\nKeep-Alive: timeout=5\r\n\
                    Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\n";
    for way in WAYS {
        for (status, fields, body, length) in [
            ("1.1 200", "Content-Length: 2\r\nContent-Length: 2\r\n", "ok", Some("2")),
            ("1.1 200", "Content-Length: 2, 2\r\n", "ok", Some("2")),
            ("1.0 200", "Content-Length: 2\r\nConnection: keep-alive\r\n", "ok", Some("2")),
            ("1.1 304", "Content-Length: 5\r\n", "", Some("5")),
            ("1.1 204", "Content-Length: 0\r\n", "", None),
        ] {
            server.fail(Fault::Bytes(format!("HTTP/{status} Status\r\n{internal}{fields}\r\n{body}").into()));
            let answer = answer(&gateway, way).await;
            let head = answer.text.to_ascii_lowercase();
            assert!(head.starts_with(&format!("http/1.1 {}", &status[4..])), "{}", answer.text);
            let lengths = head.matches("content-length:").count();
            assert_eq!((answer.field("content-length"), lengths), (length, usize::from(length.is_some())), "{head}");
            assert_eq!((answer.field("connection"), answer.body()), (Some("close"), body), "{head}");
            for gone in ["x-internal", "\r\nkeep-alive:", "proxy-connection", "upgrade"] {
                assert!(!head.contains(gone), "{gone}: {head}");
            }
        }
    }
}

// RFC 9110 15.2: an interim answer is none
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_an_interim_answer_waits_for_another() {
    let server = Faulty::start("only").await;
    let gateway = before(&server, ", read_timeout: 300ms").await;
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".to_vec();
    for way in WAYS {
        for (fault, status) in [(Fault::BytesAndClose(early.clone()), 502), (Fault::Bytes(early.clone()), 504)] {
            server.fail(fault);
            let mut wire = gateway.connect().await;
            wire.send(format!("GET /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{way}\r\n")).await;
            let statuses = [wire.answer().await.status(), wire.answer().await.status()];
            assert_eq!(statuses, [103, status], "{way:?}");
        }
    }
    let metrics = gateway.metrics().await;
    let answered = |code: u16| {
        let label = format!("code=\"{code}\"");
        let is_count =
            |line: &&str| line.starts_with("faregate_request_duration_seconds_count") && line.contains(&label);
        metrics.lines().find(is_count).and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    assert_eq!((answered(502), answered(504)), (Some(2), Some(2)), "{metrics}");
}

// T33: the time for the whole answer ends, whatever an upstream says meanwhile
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_an_upstream_says_prolongs_the_time() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    for (first, again, ways) in [("", hints, &WAYS[..]), ("HTTP/1.1 200 OK\r\nX: ", "x", &WAYS[..1])] {
        let address = dripping(first, again).await;
        let sections = format!(
            "upstreams:\n  app: {{ servers: [\"{address}\"], timeout: 400ms }}\nroutes:\n  /public/**: {{ upstream: app, public: true }}\n"
        );
        let gateway = Gateway::with(&sections, &[]).await;
        for way in ways {
            let started = Instant::now();
            let mut wire = gateway.connect().await;
            wire.send(format!("GET /public/x HTTP/1.1\r\nHost: a\r\n{way}\r\n")).await;
            assert!(wire.closes_within(Duration::from_secs(5)).await);
            assert!(wire.heard().contains("HTTP/1.1 504 "), "{way:?}");
            assert!(started.elapsed() < Duration::from_millis(1500), "{way:?}: {:?}", started.elapsed());
        }
    }
}

// T35: a header without end is not collected without end
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_headers_are_refused() {
    let server = Faulty::start("only").await;
    let gateway = before(&server, "").await;
    for size in [2 << 20, 8 << 20] {
        let field = format!("HTTP/1.1 200 OK\r\nX-Huge: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(size));
        server.fail(Fault::Bytes(field.into()));
        let (text, _) = outcome(&gateway).await;
        assert!(text.starts_with("HTTP/1.1 502"), "{}", &text[..text.len().min(80)]);
        server.fail(Fault::None);
        assert!(outcome(&gateway).await.0.ends_with("only"));
    }
}

// T36: a server that closes kept connections costs nobody a failed GET, and no POST is sent twice
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_connections_may_close() {
    const REQUESTS: usize = 1000;
    let server = Faulty::start("only").await;
    let gateway = before(&server, "").await;
    server.fail(Fault::AnswerAndClose);
    let clients: Vec<_> = (0..8)
        .map(|n| {
            let url = gateway.url("/public/x");
            tokio::spawn(async move {
                let client = client();
                let mut failed = 0;
                for round in 0..REQUESTS / 8 {
                    let get = (n + round) % 2 == 0;
                    let request =
                        if get { client.get(&url) } else { client.post(format!("{url}?{n}-{round}-")).body("once") };
                    let status = request.send().await.unwrap().status();
                    failed += usize::from(get && status != 200);
                }
                failed
            })
        })
        .collect();
    let mut failed = 0;
    for client in clients {
        failed += client.await.unwrap();
    }
    assert_eq!(failed, 0, "failed GETs");
    let mut posts: Vec<String> = server.requests().into_iter().filter(|line| line.starts_with("POST")).collect();
    let sent = posts.len();
    posts.sort_unstable();
    posts.dedup();
    assert_eq!(posts.len(), sent, "POSTs that arrived twice");
}

// T32: nobody listens, or whoever listens resets
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_quick() {
    let server = Faulty::start("only").await;
    let gateway = before(&server, "").await;
    server.stop().await;
    let mut quickest = Duration::MAX;
    for method in ["GET", "POST"] {
        for _ in 0..5 {
            let mut wire = gateway.connect().await;
            let started = Instant::now();
            wire.send(format!("{method} /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).await;
            let answer = wire.answer().await;
            quickest = quickest.min(started.elapsed());
            assert_eq!((answer.status(), answer.json()["code"].as_str()), (502, Some("upstream_unreachable")));
        }
    }
    assert!(quickest < Duration::from_millis(50), "{quickest:?}");
    server.start_again();
    assert!(outcome(&gateway).await.0.ends_with("only"), "the next request finds it");
}

// T38: a name that several addresses stand for is reached at whichever works
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_address_of_a_name_will_do() {
    let server = Faulty::start("only").await;
    // `localhost` may be ::1 too, where nobody listens.
    let sections = format!(
        "upstreams: {{ app: \"http://localhost:{}\" }}\nroutes:\n  /public/**: {{ upstream: app, public: true }}\n",
        server.address.port()
    );
    let gateway = Gateway::with(&sections, &[]).await;
    for _ in 0..5 {
        assert!(outcome(&gateway).await.0.ends_with("only"));
    }
}
