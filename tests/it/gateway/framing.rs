//! Where one request ends and the next one begins: raw bytes that two parsers could read differently.

use std::sync::Arc;
use std::time::Duration;

use crate::support::gateway::Gateway;
use crate::support::upstream::Behaviour;

/// The request that an attacker would like to get through: it must never be seen by the upstream.
const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\n";

/// Head lines and body of a POST that must be refused with one 4xx, before anything goes upstream.
fn bad_heads() -> Vec<(&'static str, String)> {
    let post = |fields: &str, body: &str| {
        format!("POST /public/bad HTTP/1.1\r\nHost: gate.test\r\n{fields}\r\n{body}{SMUGGLED}")
    };
    let chunked = "0\r\n\r\n";
    vec![
        ("CL+TE", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunked)),
        ("TE+CL", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunked)),
        ("CL 0 + TE", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", chunked)),
        ("CL+CL, same", post("Content-Length: 1\r\nContent-Length: 1\r\n", "x")),
        ("CL+CL, different", post("Content-Length: 0\r\nContent-Length: 47\r\n", "")),
        ("CL list, same", post("Content-Length: 1, 1\r\n", "x")),
        ("CL list, different", post("Content-Length: 0, 47\r\n", "")),
        ("CL +1", post("Content-Length: +1\r\n", "x")),
        ("CL -1", post("Content-Length: -1\r\n", "x")),
        ("CL hex", post("Content-Length: 0x1\r\n", "x")),
        ("CL float", post("Content-Length: 1.0\r\n", "x")),
        ("CL exponent", post("Content-Length: 1e0\r\n", "x")),
        ("CL empty", post("Content-Length:\r\n", "")),
        ("CL spaces inside", post("Content-Length: 1 0\r\n", "x")),
        ("CL overflow", post("Content-Length: 18446744073709551617\r\n", "x")),
        ("CL huge", post("Content-Length: 99999999999999999999\r\n", "x")),
        ("CL quoted", post("Content-Length: \"1\"\r\n", "x")),
        ("CL form feed", post("Content-Length: \x0c1\r\n", "x")),
        ("CL vertical tab", post("Content-Length: \x0b1\r\n", "x")),
        ("CL NUL", post("Content-Length: 1\0\r\n", "x")),
        ("CL underscore digits", post("Content-Length: 1_0\r\n", "x")),
        ("CL not ASCII", post("Content-Length: \u{0661}\r\n", "x")),
        ("TE identity", post("Transfer-Encoding: identity\r\n", chunked)),
        ("TE chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", chunked)),
        ("TE identity, chunked", post("Transfer-Encoding: identity, chunked\r\n", chunked)),
        ("TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", chunked)),
        ("TE chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n", chunked)),
        ("TE twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked)),
        ("TE twice, identity", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", chunked)),
        ("TE xchunked", post("Transfer-Encoding: xchunked\r\n", chunked)),
        ("TE chunkedx", post("Transfer-Encoding: chunkedx\r\n", chunked)),
        ("TE chunked;q", post("Transfer-Encoding: chunked;q=1\r\n", chunked)),
        ("TE quoted", post("Transfer-Encoding: \"chunked\"\r\n", chunked)),
        ("TE empty", post("Transfer-Encoding:\r\n", chunked)),
        ("TE comma", post("Transfer-Encoding: ,chunked\r\n", chunked)),
        ("TE form feed", post("Transfer-Encoding: \x0cchunked\r\n", chunked)),
        ("TE vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", chunked)),
        ("TE NUL", post("Transfer-Encoding: chunked\0\r\n", chunked)),
        ("TE space before colon", post("Transfer-Encoding : chunked\r\n", chunked)),
        ("TE tab before colon", post("Transfer-Encoding\t: chunked\r\n", chunked)),
        ("TE folded", post("Transfer-Encoding:\r\n chunked\r\n", chunked)),
        ("TE after fold", post("X: y\r\n Transfer-Encoding: chunked\r\n", chunked)),
        ("TE folded by tab", post("X: y\r\n\tTransfer-Encoding: chunked\r\n", chunked)),
        ("first line folded", post(" X: y\r\n", "")),
        ("TE after bare CR", post("X: y\rTransfer-Encoding: chunked\r\n", chunked)),
        ("TE after bare LF", post("X: y\nTransfer-Encoding: chunked\r\n", chunked)),
        ("name with NUL", post("Transfer\0-Encoding: chunked\r\n", chunked)),
        ("name with space", post("X Y: z\r\n", "")),
        ("name with quote", post("X\"Y: z\r\n", "")),
        ("name not ASCII", post("X\u{e4}: z\r\n", "")),
        ("name empty", post(": z\r\n", "")),
        ("no colon", post("Nothing\r\n", "")),
        ("value with NUL", post("X: a\0b\r\n", "")),
        ("value with bare CR", post("X: a\rb\r\n", "")),
        ("value with control byte", post("X: a\x01b\r\n", "")),
        ("value with DEL", post("X: a\x7fb\r\n", "")),
        ("quote in the query", format!("GET /public/bad?\"q\" HTTP/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}")),
        ("angle in the query", format!("GET /public/bad?<q> HTTP/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}")),
        (
            "user information",
            format!("GET http://u:p@gate.test/public/bad HTTP/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}"),
        ),
        (
            "another host in the target",
            format!("GET http://GATE.test/public/bad HTTP/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}"),
        ),
        ("bad IPv6", format!("GET http://[::1/public/bad HTTP/1.1\r\nHost: [::1\r\n\r\n{SMUGGLED}")),
        ("bad IPv6 host", format!("GET /public/bad HTTP/1.1\r\nHost: [::1\r\n\r\n{SMUGGLED}")),
        ("bare LF lines", SMUGGLED.replace("\r\n", "\n").replace("smuggled", "bad")),
        ("bare LF at the end", format!("GET /public/bad HTTP/1.1\r\nHost: gate.test\r\n\n{SMUGGLED}")),
        ("bare CR lines", format!("GET /public/bad HTTP/1.1\rHost: gate.test\r\r{SMUGGLED}")),
        ("CR CR LF", format!("GET /public/bad HTTP/1.1\r\r\nHost: gate.test\r\r\n\r\n{SMUGGLED}")),
        (
            "HTTP/1.0 with TE",
            format!(
                "POST /public/bad HTTP/1.0\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}{SMUGGLED}"
            ),
        ),
        ("HTTP/0.9", format!("GET /public/bad\r\n\r\n{SMUGGLED}")),
        ("http/1.1", format!("GET /public/bad http/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}")),
        ("HTTP/1.1 with a tail", format!("GET /public/bad HTTP/1.1 x\r\nHost: gate.test\r\n\r\n{SMUGGLED}")),
        ("two spaces", format!("GET  /public/bad HTTP/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}")),
        ("tab in the request line", format!("GET\t/public/bad HTTP/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}")),
        ("space before the method", format!(" GET /public/bad HTTP/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}")),
        ("method with colon", format!("GE:T /public/bad HTTP/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}")),
        ("long method", format!("{} /public/bad HTTP/1.1\r\nHost: gate.test\r\n\r\n{SMUGGLED}", "G".repeat(64))),
        (
            "HTTP/2 preface, not first",
            format!(
                "GET /public/ok HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SMUGGLED}"
            ),
        ),
    ]
}

// M3, T46, RFC 9112 2.2, 5, 6.1, 6.3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_heads_are_refused_once_and_the_connection_closed() {
    let gateway = Arc::new(Gateway::start().await);
    let cases: Vec<_> = bad_heads()
        .into_iter()
        .map(|(name, request)| {
            let gateway = gateway.clone();
            tokio::spawn(async move {
                let mut wire = gateway.connect().await;
                wire.try_send(&request).await;
                let answer = wire.answer().await;
                let closed = wire.closes_within(Duration::from_secs(2)).await;
                let rest = wire.heard();
                (name, answer, closed, rest)
            })
        })
        .collect();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let (name, answer, closed, rest) = case.await.unwrap();
        let expected = match name {
            "http/1.1" | "HTTP/1.1 with a tail" => &[400, 505][..],
            "HTTP/2 preface, not first" => &[200],
            _ => &[400],
        };
        // Whoever refused it says so as we do (UX 8).
        let is_ours = answer.field("x-request-id").is_some() && answer.field("server").is_none();
        if !expected.contains(&answer.status()) || !is_ours || !closed || rest.contains("HTTP/1.1") {
            wrong.push(format!("{name}: closed {closed}, {:?}, then {rest:?}", answer.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let seen: Vec<String> =
        gateway.upstream.requests().iter().map(|request| request.request_line().to_owned()).collect();
    assert_eq!(seen, ["GET /public/ok HTTP/1.1"]);
    assert!(gateway.metrics().await.contains("faregate_refused_headers_total{reason=\"bad_transfer_encoding\"}"));
}

// M3, T46, RFC 9112 7.1: the body is where the second parser would disagree
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_chunks_end_the_connection() {
    let gateway = Arc::new(Gateway::start().await);
    let bodies = [
        ("size 0x5", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("size g", "g\r\nhello\r\n0\r\n\r\n"),
        ("size -1", "-1\r\nhello\r\n0\r\n\r\n"),
        ("size +5", "+5\r\nhello\r\n0\r\n\r\n"),
        ("size huge", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("size wraps", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("size with underscore", "5_0\r\nhello\r\n0\r\n\r\n"),
        ("size before bare LF", "5\nhello\r\n0\r\n\r\n"),
        ("size before bare CR", "5\rhello\r\n0\r\n\r\n"),
        ("space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        ("no CRLF after the chunk", "5\r\nhello0\r\n\r\n"),
        ("two bytes that are no CRLF", "5\r\nhelloXX0\r\n\r\n"),
        ("bare LF after the chunk", "5\r\nhello\n0\r\n\r\n"),
        ("chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
        ("bare CR in an extension", "5;a=\rb\r\nhello\r\n0\r\n\r\n"),
        ("NUL in the size", "5\0\r\nhello\r\n0\r\n\r\n"),
    ];
    let cases: Vec<_> = bodies
        .into_iter()
        .map(|(name, body)| {
            let gateway = gateway.clone();
            tokio::spawn(async move {
                let mut wire = gateway.connect().await;
                let head = "POST /public/bad HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n";
                wire.try_send(format!("{head}{body}{SMUGGLED}")).await;
                let closed = wire.closes_within(Duration::from_secs(2)).await;
                (name, closed, wire.heard())
            })
        })
        .collect();
    let mut wrong = Vec::new();
    for case in cases {
        let (name, closed, answers) = case.await.unwrap();
        let refused = answers.is_empty() || answers.starts_with("HTTP/1.1 4");
        if !refused || !closed || answers.matches("HTTP/1.1 ").count() > 1 {
            wrong.push(format!("{name}: closed {closed}, {answers:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(gateway.upstream.count(), 0, "no body was whole: {:?}", gateway.upstream.requests());
}

// RFC 9112 7.1.1, 7.1.2: what is legal works and is not passed on
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_chunks_are_one_body() {
    let gateway = Gateway::start().await;
    for (body, whole) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("005\r\nhello\r\n000\r\n\r\n", "hello"),
        ("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"),
        ("5;a=b;c=\"d\"\r\nhello\r\n0\r\n\r\n", "hello"),
        ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("0\r\n\r\n", ""),
    ] {
        let fields = "Transfer-Encoding: Chunked\r\n";
        let answer = gateway
            .raw(format!("POST /public/x HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n{fields}\r\n{body}"))
            .await;
        assert_eq!(answer.status(), 200, "{body:?}: {}", answer.text);
        let received = gateway.upstream.last();
        assert_eq!(unchunked(&received.body), whole, "{body:?}");
        assert_eq!(
            (received.all("content-length").len(), received.all("transfer-encoding")),
            (0, vec!["chunked".to_owned()])
        );
        assert!(!String::from_utf8_lossy(&received.body).contains(";a=b"), "extensions end at the gate");
    }
}

fn unchunked(mut body: &[u8]) -> String {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&body[line + 2..][..size]);
        body = &body[line + 2 + size + 2..];
        if size == 0 {
            return String::from_utf8(whole).unwrap();
        }
    }
}

// M3: Pingora's chunk parser forgives these two; what it made of them is one request upstream, and the last one of its
// connection
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgiven_chunks_smuggle_nothing() {
    let gateway = Gateway::start().await;
    for (body, whole) in [("\r\nhello\r\n0\r\n\r\n", ""), ("5;a=\nb\r\nhello\r\n0\r\n\r\n", "hello")] {
        let before = gateway.upstream.count();
        let mut wire = gateway.connect().await;
        wire.send(format!(
            "POST /public/x HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}"
        ))
        .await;
        assert!(matches!(wire.answer().await.status(), 200 | 400), "{body:?}");
        assert!(wire.closes_within(Duration::from_secs(2)).await, "{body:?}");
        assert_eq!(wire.answer().await.text, "", "{body:?}");
        for received in gateway.upstream.requests().iter().skip(before) {
            assert_eq!(unchunked(&received.body), whole, "{body:?}");
            assert!(received.head.starts_with("POST /public/x "), "{body:?}");
        }
        assert!(gateway.upstream.count() - before <= 1, "{body:?}");
    }
}

// M3, T46, RFC 9112 9.3.2: what was sent before its turn is dropped with the connection; no request hides behind another
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_not_smuggled() {
    let gateway = Gateway::start().await;
    let one = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: gate.test\r\n\r\n");
    for (first, second) in [
        ("/public/1", "/api/orders"),
        ("/public/1", "/public/2"),
        ("/api/orders", "/public/2"),
        ("/nowhere", "/public/2"),
        ("/.well-known/jwks.json", "/public/2"),
    ] {
        let mut wire = gateway.connect().await;
        wire.send(format!("{}{}", one(first), one(second))).await;
        assert!(matches!(wire.answer().await.status(), 200 | 401 | 404), "{first}");
        let next = wire.answer().await;
        assert_eq!(next.text, "", "{first} {second}");
    }
    // A body is not a request, however much it looks like one.
    let body = one("/public/inside");
    let mut wire = gateway.connect().await;
    wire.send(format!("POST /public/3 HTTP/1.1\r\nHost: gate.test\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
        .await;
    assert_eq!(wire.answer().await.status(), 200);
    assert_eq!(gateway.upstream.last().body, body.as_bytes());
    wire.send(one("/admin/x")).await;
    assert_eq!(wire.answer().await.status(), 401, "the connection serves on");
    let seen: Vec<String> =
        gateway.upstream.requests().iter().map(|request| request.request_line().to_owned()).collect();
    assert_eq!(seen, ["GET /public/1 HTTP/1.1", "GET /public/1 HTTP/1.1", "POST /public/3 HTTP/1.1"]);
}

// M3: the body of a request that we answer ourselves is not the next request
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_refused_requests_are_no_requests() {
    let gateway = Arc::new(Gateway::start().await);
    let mut cases = Vec::new();
    for (method, target, status) in [
        ("POST", "/api/orders", 401),
        ("GET", "/api/orders", 401),
        ("POST", "/nowhere", 404),
        ("POST", "/public/%00", 400),
        ("POST", "/oauth2/nothing", 404),
        ("GET", "/.well-known/jwks.json", 200),
        ("PUT", "/oauth2/token", 405),
    ] {
        let size = SMUGGLED.len();
        for (framing, body) in [
            (format!("Content-Length: {size}"), SMUGGLED.to_owned()),
            ("Transfer-Encoding: chunked".to_owned(), format!("{size:x}\r\n{SMUGGLED}\r\n0\r\n\r\n")),
        ] {
            // In one write, and with the body after the answer.
            for later in [false, true] {
                let name = format!("{method} {target} {framing} {later}");
                let head = format!("{method} {target} HTTP/1.1\r\nHost: gate.test\r\n{framing}\r\n\r\n");
                let (gateway, body) = (gateway.clone(), body.clone());
                cases.push(tokio::spawn(async move {
                    let mut wire = gateway.connect().await;
                    wire.send(if later { head } else { format!("{head}{body}") }).await;
                    if later {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        wire.try_send(body).await;
                    }
                    let answer = wire.answer().await;
                    assert_eq!(answer.status(), status, "{name}: {}", answer.text);
                    // Closed, or ready for a request that is one.
                    if !wire.closes_within(Duration::from_millis(200)).await {
                        assert_eq!(wire.heard(), "", "{name}");
                        wire.try_send("GET /public/after HTTP/1.1\r\nHost: gate.test\r\n\r\n").await;
                        assert!(matches!(wire.answer().await.status(), 0 | 200), "{name}");
                    }
                    assert_eq!(wire.heard(), "", "{name}");
                }));
            }
        }
    }
    for case in cases {
        case.await.unwrap();
    }
    let seen = gateway.upstream.requests();
    assert!(seen.iter().all(|request| request.request_line() == "GET /public/after HTTP/1.1"), "{seen:?}");
}

// M4, T48: an upgrade is no tunnel before the upstream says so
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_passes_before_the_upgrade_is_accepted() {
    let gateway = Gateway::start().await;
    let upgrade = "GET /public/ws HTTP/1.1\r\nHost: gate.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    // The upstream answers 200: what followed was a request, and is judged as one.
    let mut wire = gateway.connect().await;
    wire.send(format!("{upgrade}GET /admin/secret HTTP/1.1\r\nHost: gate.test\r\n\r\n")).await;
    assert_eq!(wire.answer().await.status(), 200);
    let next = wire.answer().await;
    assert!(matches!(next.status(), 0 | 401), "{}", next.text);
    assert_eq!(gateway.upstream.count(), 1);
    assert!(gateway.upstream.last().body.is_empty());

    // The upstream is silent: nothing of what follows reaches it.
    gateway.upstream.behave(Behaviour::Silent);
    let mut wire = gateway.connect().await;
    wire.send(format!("{upgrade}{SMUGGLED}")).await;
    assert!(wire.is_quiet_for(Duration::from_millis(300)).await);
    assert_eq!(gateway.upstream.count(), 2);

    // The upstream switches: from here on it is a tunnel.
    gateway.upstream.behave(Behaviour::Upgrade);
    let mut wire = gateway.connect().await;
    wire.send(upgrade).await;
    assert_eq!(wire.answer().await.status(), 101);
    for word in ["ping", "GET /admin/tunnelled HTTP/1.1\r\n\r\n"] {
        wire.send(word).await;
        assert_eq!(wire.until(word.as_bytes()).await, word.as_bytes());
    }
    assert_eq!(gateway.upstream.count(), 3);

    // For other protocols, or unsaid in `Connection`, it is no upgrade at all.
    gateway.upstream.behave(Behaviour::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()));
    for fields in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\n",
    ] {
        let mut wire = gateway.connect().await;
        wire.send(format!("GET /public/h2c HTTP/1.1\r\nHost: gate.test\r\n{fields}\r\nGET /admin/secret HTTP/1.1\r\nHost: gate.test\r\n\r\n")).await;
        let first = wire.answer().await;
        assert!(matches!(first.status(), 200 | 400), "{fields}: {}", first.text);
        assert!(matches!(wire.answer().await.status(), 0 | 401), "{fields}");
    }
    assert!(gateway.upstream.requests().iter().all(|request| !request.head.contains("secret")));
}

// RFC 9112 C.2: HTTP/1.0 is answered, and its connection closed
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_0_is_one_request() {
    let gateway = Gateway::start().await;
    for fields in ["Host: gate.test\r\n", ""] {
        let mut wire = gateway.connect().await;
        wire.send(format!("GET /public/x HTTP/1.0\r\n{fields}\r\n")).await;
        assert!(wire.closes_within(Duration::from_secs(2)).await, "{fields}");
        let answer = wire.heard();
        assert!(answer.starts_with("HTTP/1.") && answer.contains(" 200 ") && answer.ends_with("ok"), "{answer}");
    }
    // An empty line before a request is forgiven (RFC 9112 2.2).
    assert_eq!(
        gateway.raw("\r\n\r\nGET /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.status(),
        200
    );
    let answer = gateway.raw("GET /public/x HTTP/3.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status(), 505);
}
