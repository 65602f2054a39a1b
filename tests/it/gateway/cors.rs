//! Scripts in pages of other origins: the browser's question at the gate, and the fields on every answer.

use crate::support::gateway::{Gateway, Raw};
use crate::support::upstream::Behaviour;

const SECTIONS: &str = r#"
upstreams: { app: "${UPSTREAM}", gone: http://127.0.0.1:1 }
routes:
  /api/**:
    upstream: app
    require: { GET: permission read on orders, POST: permission write on orders }
    cors: { origins: ["https://app.example.com", "https://*.example.org"] }
  /api/deep/**: { extends: /api/**, require: authenticated }
  /gone/**: { upstream: gone, public: true, cors: { origins: ["https://app.example.com"] } }
  /open/**: { upstream: app, public: true, cors: { origins: "*", headers: "*", max_age: 1h } }
  /cookies/**:
    upstream: app
    public: true
    cors: { origins: ["https://app.example.com"], credentials: true, methods: [GET], headers: [x-own], expose: [X-Total] }
  /closed/**: { upstream: app, public: true }
"#;

const PAGE: &str = "Origin: https://app.example.com\r\n";

async fn preflight(gateway: &Gateway, path: &str, fields: &str) -> Raw {
    gateway.request("OPTIONS", path, &format!("{fields}Access-Control-Request-Method: POST\r\n")).await
}

fn allowed(answer: &Raw) -> Vec<&str> {
    let head = answer.text.split("\r\n\r\n").next().unwrap_or_default();
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("access-control-allow-origin"))
        .map(|(_, value)| value)
        .collect()
}

// F-346, Fetch standard 3.2.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_ask_at_the_gate_without_a_token() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let fields = format!("{PAGE}Access-Control-Request-Headers: authorization, x-other\r\n");
    let answer = preflight(&gateway, "/api/orders", &fields).await;
    assert_eq!(answer.status(), 204, "{}", answer.text);
    assert_eq!(allowed(&answer), ["https://app.example.com"]);
    assert_eq!(answer.field("access-control-allow-methods"), Some("GET, POST, HEAD"), "those that have a rule");
    assert_eq!(answer.field("access-control-allow-headers"), Some("authorization, content-type, dpop"));
    assert_eq!(answer.field("access-control-max-age"), Some("600"));
    assert_eq!(answer.field("access-control-allow-credentials"), None);
    assert_eq!(answer.field("vary"), Some("Origin"));
    assert!(answer.field("x-request-id").is_some());

    let answer = preflight(&gateway, "/api/deep/x", "Origin: https://a.example.org\r\n").await;
    assert_eq!((answer.status(), allowed(&answer)), (204, vec!["https://a.example.org"]), "inherited");

    let answer = preflight(&gateway, "/open/x", &fields).await;
    assert_eq!((answer.status(), allowed(&answer)), (204, vec!["*"]));
    assert_eq!(answer.field("access-control-allow-headers"), Some("authorization, x-other"), "whatever is asked for");
    assert_eq!(answer.field("access-control-allow-methods"), Some("GET, HEAD, POST, PUT, PATCH, DELETE"));
    assert_eq!(answer.field("access-control-max-age"), Some("3600"));

    let answer = preflight(&gateway, "/cookies/x", PAGE).await;
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.field("access-control-allow-methods"), Some("GET"));
    assert_eq!(gateway.upstream.count(), 0, "none of them went further");
}

// Fetch standard 3.2.5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_origins_are_told_nothing() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    for origin in ["null", "https://evil.test", "http://app.example.com", "https://app.example.com.evil.test"] {
        let answer = preflight(&gateway, "/api/orders", &format!("Origin: {origin}\r\n")).await;
        assert_eq!((answer.status(), answer.json()["code"].as_str()), (403, Some("origin_refused")), "{origin}");
        assert!(allowed(&answer).is_empty(), "{origin}");
        let answer = gateway.request("GET", "/cookies/x", &format!("Origin: {origin}\r\n")).await;
        assert_eq!(
            (answer.status(), allowed(&answer)),
            (200, vec![]),
            "{origin}: the browser keeps it from the script"
        );
        assert_eq!(answer.field("vary"), Some("Origin"), "{origin}");
    }
    let twice = gateway.request("GET", "/cookies/x", &format!("{PAGE}{PAGE}")).await;
    assert!(allowed(&twice).is_empty());
    // Where nothing is configured, the question is the upstream's, and so are the fields.
    gateway.upstream.behave(Behaviour::Answer(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: https://own.test\r\n\r\n".into(),
    ));
    let answer = preflight(&gateway, "/closed/x", PAGE).await;
    assert_eq!((answer.status(), allowed(&answer)), (200, vec!["https://own.test"]));
    // A question that is none.
    let answer = gateway.request("OPTIONS", "/api/orders", PAGE).await;
    assert_eq!((answer.status(), allowed(&answer)), (401, vec!["https://app.example.com"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_read_answers_and_refusals() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let reader = gateway.reader().await;
    for (method, path, token, status) in [
        ("GET", "/api/orders", "", 401),
        ("GET", "/api/orders", "Authorization: Bearer nonsense\r\n", 401),
        ("POST", "/api/orders", &*format!("Authorization: Bearer {reader}\r\n"), 403),
        ("GET", "/gone/x", "", 502),
        ("GET", "/api/orders", &*format!("Authorization: Bearer {reader}\r\n"), 200),
    ] {
        let answer = gateway.request(method, path, &format!("{PAGE}{token}")).await;
        assert_eq!((answer.status(), allowed(&answer)), (status, vec!["https://app.example.com"]), "{}", answer.text);
        let exposed = answer.field("access-control-expose-headers").unwrap_or_default();
        assert!(exposed.contains("www-authenticate") && exposed.contains("retry-after"), "{exposed}");
    }
    let answer = gateway.request("GET", "/cookies/x", PAGE).await;
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
    assert!(answer.field("access-control-expose-headers").is_some_and(|exposed| exposed.ends_with(", x-total")));
}

// An upstream that answers for itself: two `Access-Control-Allow-Origin` are none to a browser (Fetch standard 3.2.5).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_of_the_upstream_are_replaced() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let answer_with = |fields: &str| {
        gateway.upstream.behave(Behaviour::Answer(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{fields}\r\n")));
    };
    answer_with(
        "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Origin: x\r\nAccess-Control-Allow-Credentials: true\r\n\
         Vary: Accept-Encoding\r\n",
    );
    let answer = gateway
        .request("GET", "/api/deep/x", &format!("{PAGE}Authorization: Bearer {}\r\n", gateway.reader().await))
        .await;
    assert_eq!((answer.status(), allowed(&answer)), (200, vec!["https://app.example.com"]));
    assert_eq!(answer.field("access-control-allow-credentials"), None);
    assert!(
        answer.text.contains("Vary: Accept-Encoding\r\n") && answer.text.contains("vary: Origin\r\n"),
        "{}",
        answer.text
    );
    answer_with("Access-Control-Allow-Origin: https://evil.test\r\nVary: Origin\r\n");
    let answer = gateway.request("GET", "/cookies/x", "Origin: https://evil.test\r\n").await;
    assert!(allowed(&answer).is_empty(), "{}", answer.text);
    assert_eq!(answer.text.to_ascii_lowercase().matches("vary:").count(), 1, "{}", answer.text);
}
