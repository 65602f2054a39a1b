//! One spelling for one resource: the path that is decided on is the path that is sent.

use crate::support::gateway::Gateway;

/// What becomes of a raw target: the status, and for 200 the target that the upstream receives.
enum Fate {
    Sent(&'static str),
    Refused(u16),
}
use Fate::{Refused, Sent};

const ROUTES: &str = r#"
upstreams: { app: "${UPSTREAM}" }
routes:
  /**: { upstream: app, require: role root }
  /public/**: { upstream: app, public: true }
  /api/**: { upstream: app, require: permission read on orders }
  /admin/**: { upstream: app, require: role admin }
"#;

// F19, F-345
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_path_that_is_decided_on_is_the_path_that_is_sent() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    let token = gateway.reader().await;
    // 401: judged by a route that wants a token; 200: by the public one; 400: nobody should guess.
    let anonymous: &[(&str, Fate)] = &[
        ("/public/x", Sent("/public/x")),
        ("/public/", Sent("/public/")),
        ("/public", Sent("/public")),
        ("/public/x?a=1&b=%2f../admin", Sent("/public/x?a=1&b=%2f../admin")),
        ("/public/x?", Sent("/public/x?")),
        ("/public/..%2fadmin", Refused(400)),
        ("/public/..%2Fadmin/users", Refused(400)),
        ("/public/%2e%2e/admin", Refused(401)),
        ("/public/%2e%2e%2fadmin", Refused(400)),
        ("/public/.%2e/admin", Refused(401)),
        ("/public/%2E./admin", Refused(401)),
        ("/public/../admin/x", Refused(401)),
        ("/public/./../admin/x", Refused(401)),
        ("/public/x/../../admin", Refused(401)),
        // Slashes are merged first.
        ("/public//../admin", Refused(401)),
        ("/public/..;/admin", Refused(400)),
        ("/public/..;x=1/admin", Refused(400)),
        ("/public/.;/admin", Refused(400)),
        ("/public/%2e%2e;/admin", Refused(400)),
        ("/public/..%3b/admin", Refused(400)),
        ("/public/..%5cadmin", Refused(400)),
        ("/public/..\\admin", Refused(400)),
        ("/public\\..\\admin", Refused(400)),
        ("/public/%252e%252e/admin", Refused(400)),
        ("/public/..%252fadmin", Refused(400)),
        ("/public/%25%32%66admin", Refused(400)),
        ("/public/%c0%af../admin", Refused(400)),
        ("/public/%c0%ae%c0%ae/admin", Refused(400)),
        ("/public/%e0%80%af", Refused(400)),
        ("/public/%00", Refused(400)),
        ("/public/x%0d%0aX-Injected:%201", Refused(400)),
        ("/public/%zz", Refused(400)),
        ("/public/%2", Refused(400)),
        ("/public/%", Refused(400)),
        ("/public/x#fragment", Refused(400)),
        ("/public/%7f", Refused(400)),
        ("/../admin", Refused(400)),
        ("/%2e%2e/admin", Refused(400)),
        ("/..", Refused(400)),
        ("//public//x", Sent("/public/x")),
        ("/public/.", Sent("/public/")),
        ("/public/a/..", Sent("/public/")),
        ("/public/%78", Sent("/public/x")),
        ("/p%75blic/x", Sent("/public/x")),
        ("/public/%7euser", Sent("/public/~user")),
        ("/public/a%20b", Sent("/public/a%20b")),
        ("/public/%3a", Sent("/public/%3A")),
        ("/public/a:b", Sent("/public/a:b")),
        ("/public/%e2%82%ac", Sent("/public/%E2%82%AC")),
        ("/public/a%25b", Sent("/public/a%25b")),
        ("/public/.../x", Sent("/public/.../x")),
        ("/public/a;b=c/d", Sent("/public/a;b=c/d")),
        // A parameter chooses no other route.
        ("/public;x/y", Refused(404)),
        ("/Public/x", Refused(401)),
        ("/PUBLIC/x", Refused(401)),
        ("/public%20/x", Refused(401)),
        ("/admin", Refused(401)),
        ("//admin", Refused(401)),
        ("///admin///users", Refused(401)),
        ("/./admin", Refused(401)),
        ("/%61dmin", Refused(401)),
        ("/admin;/users", Refused(404)),
        ("/admin%3b/users", Refused(404)),
        ("http://gate.test/public/x", Sent("/public/x")),
        ("http://gate.test/public/../admin", Refused(401)),
        ("http://gate.test//public/%78?q=1", Sent("/public/x?q=1")),
        ("http://other.test/public/x", Refused(400)),
        ("http://gate.test@other.test/public/x", Refused(400)),
        ("public/x", Refused(400)),
        ("*", Refused(400)),
        ("?/public/x", Refused(400)),
    ];
    judge(&gateway, "", anonymous).await;
    let with_token: &[(&str, Fate)] = &[
        ("/api/orders", Sent("/api/orders")),
        ("//api//orders", Sent("/api/orders")),
        ("/api/%6frders", Sent("/api/orders")),
        ("/api/./orders/", Sent("/api/orders/")),
        ("/admin/../api/orders", Sent("/api/orders")),
        ("/api/../admin", Refused(403)),
        ("/api/%2e%2e/admin", Refused(403)),
        ("/api/..%2fadmin", Refused(400)),
        ("/api/..;/admin", Refused(400)),
        ("/elsewhere", Refused(403)),
        ("/", Refused(403)),
    ];
    judge(&gateway, &format!("Authorization: Bearer {token}\r\n"), with_token).await;
}

async fn judge(gateway: &Gateway, fields: &str, table: &[(&str, Fate)]) {
    let mut wrong = Vec::new();
    for (target, fate) in table {
        let before = gateway.upstream.count();
        let answer = gateway.request("GET", target, fields).await;
        let sent = gateway.upstream.requests().get(before).map(|request| request.request_line().to_owned());
        let (status, expected) = match fate {
            Sent(target) => (200, Some(format!("GET {target} HTTP/1.1"))),
            Refused(status) => (*status, None),
        };
        if (answer.status(), &sent) != (status, &expected) {
            wrong.push(format!("{target}: {} {sent:?}, not {status} {expected:?}", answer.status()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// F19: a byte above 0x7f is no character of a path, and whoever sends one gets a 400
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_bytes_are_refused() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    for path in [
        &b"/public/\xc3\xa4"[..],
        b"/public/\xff",
        b"/public/\x01",
        b"/public/\x7f",
        b"/public/\0",
        b"/public/a\tb",
        b"/public/a b",
        b"/public/\xc0\xae\xc0\xae/admin",
    ] {
        let request = [b"GET ", path, b" HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n"].concat();
        let answer = gateway.raw(request).await;
        assert_eq!(answer.status(), 400, "{:?}: {}", String::from_utf8_lossy(path), answer.text);
    }
    assert_eq!(gateway.upstream.count(), 0);
}

// M6, RFC 9112 3.2: what is no host is not asked for
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_are_hosts() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    for host in ["", " ", "a b", "a,b", "a/b", "a?b", "a#b", "user@gate.test", "a\\b", "a\tb", "http://gate.test"] {
        let answer = gateway.raw(format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(answer.status(), 400, "{host:?}: {}", answer.text);
    }
    let answer = gateway.raw("GET /public/x HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert_eq!(answer.status(), 400, "no Host");
    let answer = gateway.raw("GET /public/x HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(answer.status(), 400, "two Hosts");
    assert_eq!(gateway.upstream.count(), 0);
    for host in ["gate.test", "gate.test:80", "[::1]:80", "127.0.0.1"] {
        let answer = gateway.raw(format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(answer.status(), 200, "{host:?}: {}", answer.text);
    }
}
