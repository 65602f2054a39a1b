//! Traces of requests: what a collector is sent, what an upstream is told, and what neither of them learns.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::collector::{Collector, Span};
use crate::support::gateway::{Gateway, RECIPIENT_ID, ROUTES, client};
use crate::support::upstream::Behaviour;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

const SERVER: u64 = 2;
const CLIENT: u64 = 3;

/// A gateway with the usual routes that sends its spans to `collector`, with these further keys.
async fn gateway(collector: &Collector, keys: &str) -> Gateway {
    let sections =
        format!("{ROUTES}  /down/**: {{ upstream: down, public: true }}\ntracing: {{ otlp: \"${{OTLP}}\"{keys} }}\n");
    let sections =
        sections.replace(r#"{ app: "${UPSTREAM}" }"#, r#"{ app: "${UPSTREAM}", down: "http://127.0.0.1:1" }"#);
    Gateway::with(&sections, &[("OTLP", &collector.url())]).await
}

fn of_kind(spans: &[Span], kind: u64) -> &Span {
    spans.iter().find(|span| span.kind == kind).unwrap_or_else(|| panic!("no span of kind {kind}: {spans:#?}"))
}

/// The value of the upstream's only field of that name.
fn told(gateway: &Gateway, name: &str) -> Option<String> {
    let values = gateway.upstream.last().all(name);
    assert!(values.len() <= 1, "{values:?}");
    values.into_iter().next()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_a_span_with_its_parent_and_its_parts() {
    let collector = Collector::start().await;
    let gateway = gateway(&collector, ", sample: 1, service: edge").await;
    let bearer = format!("Authorization: Bearer {}\r\n", gateway.reader().await);
    let incoming = format!("traceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: vendor=1\r\n{bearer}");
    let answer = gateway.request("GET", "/api/orders?page=2", &incoming).await;
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let spans = collector.trace(TRACE, 3).await;
    let server = of_kind(&spans, SERVER);
    assert_eq!((server.parent.as_deref(), &*server.name, server.failed), (Some(SPAN), "/api/**", false));
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/api/**"),
        ("http.response.status_code", "200"),
        ("url.path", "/api/orders"),
        ("url.scheme", "http"),
        ("server.address", "gate.test"),
        ("faregate.decision", "permit"),
        ("faregate.reason", ""),
        ("faregate.client_id", RECIPIENT_ID),
        ("faregate.request_id", answer.field("x-request-id").unwrap()),
        ("url.query", ""),
        ("user_agent.original", ""),
    ] {
        assert_eq!(server.says(name), value, "{name}");
    }
    assert!(server.says("enduser.pseudo.id").len() == 16, "{server:?}");
    // W3C Trace Context 3.4: the upstream is called from the span of the call.
    let call = of_kind(&spans, CLIENT);
    assert_eq!((call.parent.as_ref(), &*call.name, call.failed), (Some(&server.id), "GET", false));
    assert_eq!((call.says("faregate.upstream"), call.says("http.response.status_code")), ("app", "200"));
    assert_eq!(call.says("server.port"), gateway.upstream.address.port().to_string());
    assert_eq!(told(&gateway, "traceparent"), Some(format!("00-{TRACE}-{}-01", call.id)));
    assert_eq!(told(&gateway, "tracestate").as_deref(), Some("vendor=1"));
    let verification = spans.iter().find(|span| span.name == "verify token").unwrap();
    assert_eq!(verification.parent.as_ref(), Some(&server.id));
    assert_eq!(verification.says("faregate.token.known_by"), "signature");
    for part in [call, verification] {
        let (whole, part) = (server.nanoseconds, part.nanoseconds);
        assert!(whole.0 <= part.0 && part.0 <= part.1 && part.1 <= whole.1, "{whole:?} {part:?}");
    }
    let resource: Value = serde_json::from_str(&collector.batches()[0].1).unwrap();
    let resource = resource["resourceSpans"][0]["resource"]["attributes"].to_string();
    assert!(resource.contains(r#"{"key":"service.name","value":{"stringValue":"edge"}}"#), "{resource}");

    // A trace that begins here has the id of the request; a known token is no work.
    let answer = gateway.request("POST", "/api/orders", &format!("{bearer}tracestate: vendor=1\r\n")).await;
    assert_eq!(answer.status(), 403, "{}", answer.text);
    let spans = collector.trace(answer.field("x-request-id").unwrap(), 1).await;
    assert_eq!((spans.len(), spans[0].parent.as_ref(), spans[0].failed), (1, None, false), "{spans:?}");
    assert_eq!((spans[0].says("faregate.decision"), spans[0].says("faregate.reason")), ("deny", "missing_permission"));
    let answer = gateway.request("GET", "/api/orders", &format!("{bearer}tracestate: vendor=1\r\n")).await;
    let id = answer.field("x-request-id").unwrap();
    let spans = collector.trace(id, 2).await;
    let call = of_kind(&spans, CLIENT);
    assert_eq!((spans.len(), told(&gateway, "traceparent")), (2, Some(format!("00-{id}-{}-01", call.id))));
    assert_eq!(told(&gateway, "tracestate"), None, "it is about another trace");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_told_where_they_happened() {
    let collector = Collector::start().await;
    let gateway = gateway(&collector, ", sample: 1").await;
    let trace = async |answer: crate::support::gateway::Raw, number| {
        collector.trace(answer.field("x-request-id").unwrap(), number).await
    };
    gateway.upstream.behave(Behaviour::Answer("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".into()));
    let spans = trace(gateway.request("GET", "/public/x", "").await, 2).await;
    // Semantic conventions for HTTP: a 404 is the caller's fault, for the caller a failure.
    assert_eq!((of_kind(&spans, SERVER).failed, of_kind(&spans, CLIENT).failed), (false, true), "{spans:?}");
    let spans = trace(gateway.request("GET", "/down/x", "").await, 2).await;
    let (server, call) = (of_kind(&spans, SERVER), of_kind(&spans, CLIENT));
    assert_eq!((server.says("http.response.status_code"), server.failed, call.failed), ("502", true, true));
    assert_eq!((call.says("error.type"), call.says("faregate.upstream")), ("upstream_unreachable", "down"));
    let refused = format!("Authorization: Bearer {}x\r\n", gateway.reader().await);
    let spans = trace(gateway.request("GET", "/api/x", &refused).await, 2).await;
    let verification = spans.iter().find(|span| span.name == "verify token").unwrap();
    assert!(verification.failed && verification.says("error.type") == "malformed", "{verification:?}");
    let spans = trace(gateway.request("GET", "/nowhere/0123456789012345678901234567890123456789", "").await, 1).await;
    assert_eq!((&*spans[0].name, spans[0].says("faregate.reason")), ("-", "no_route"));
    assert_eq!(spans[0].says("url.path"), "/nowhere/REDACTED");
    // Our own paths too, by their patterns.
    let answer = gateway.request("GET", "/.well-known/openid-configuration?x=marked", "").await;
    let spans = trace(answer, 1).await;
    assert_eq!(
        (&*spans[0].name, spans[0].says("url.path")),
        (spans[0].says("http.route"), spans[0].says("http.route"))
    );
}

// W3C Trace Context 3.2, 4.3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_that_is_none_is_replaced() {
    let collector = Collector::start().await;
    let gateway = gateway(&collector, ", sample: 1").await;
    for fields in [
        "traceparent: nonsense\r\n".to_owned(),
        format!("traceparent: ff-{TRACE}-{SPAN}-01\r\n"),
        format!("traceparent: 00-{}-{SPAN}-01\r\n", "0".repeat(32)),
        format!("traceparent: 00-{TRACE}-{SPAN}-01\r\ntraceparent: 00-{TRACE}-{SPAN}-01\r\n"),
    ] {
        let answer = gateway.request("GET", "/public/x", &format!("{fields}tracestate: vendor=1\r\n")).await;
        let id = answer.field("x-request-id").unwrap();
        assert!(told(&gateway, "traceparent").unwrap().starts_with(&format!("00-{id}-")), "{fields}");
        assert_eq!(told(&gateway, "tracestate"), None, "{fields}");
    }
    assert!(collector.spans().iter().all(|span| span.trace_id != TRACE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_began_the_trace_says_whether_it_is_recorded() {
    let collector = Collector::start().await;
    let (never, always) = (gateway(&collector, ", sample: 0").await, gateway(&collector, ", sample: 1").await);
    let recorded = format!("traceparent: 00-{TRACE}-{SPAN}-01\r\n");
    let unrecorded = format!("traceparent: 00-{}-{SPAN}-00\r\n", "ab".repeat(16));
    always.request("GET", "/public/x", &unrecorded).await;
    assert_eq!(told(&always, "traceparent"), Some(format!("00-{}-{SPAN}-00", "ab".repeat(16))), "as it came");
    let answer = never.request("GET", "/public/x", "").await;
    let id = answer.field("x-request-id").unwrap().to_owned();
    let told_upstream = told(&never, "traceparent").unwrap();
    assert!(told_upstream.starts_with(&format!("00-{id}-")) && told_upstream.ends_with("-00"), "{told_upstream}");
    never.request("GET", "/public/x", &recorded).await;
    collector.trace(TRACE, 2).await;
    let ids = ["ab".repeat(16), id];
    assert!(collector.spans().iter().all(|span| !ids.contains(&span.trace_id)), "{:#?}", collector.spans());
}

// The decision line names the trace, whether it is recorded or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_lines_name_the_trace_where_there_is_one() {
    let collector = Collector::start().await;
    let line = async |gateway: &Gateway| {
        let answer = gateway.request("GET", "/api/x", &format!("traceparent: 00-{TRACE}-{SPAN}-00\r\n")).await;
        let admin = gateway.running.admin.unwrap();
        let url = format!("http://{admin}/decisions/{}", answer.field("x-request-id").unwrap());
        client().get(url).send().await.unwrap().json::<Value>().await.unwrap()
    };
    let traced = line(&gateway(&collector, "").await).await;
    assert_eq!((traced["trace_id"].as_str(), traced["decision"].as_str()), (Some(TRACE), Some("deny")), "{traced}");
    let untraced = Gateway::start().await;
    assert!(line(&untraced).await.get("trace_id").is_none());
    // Off, the field is the upstream's as any other.
    let fields = "traceparent: as it is\r\ntracestate: vendor=1\r\n";
    untraced.request("GET", "/public/x", fields).await;
    assert_eq!(told(&untraced, "traceparent").as_deref(), Some("as it is"));
    assert_eq!(told(&untraced, "tracestate").as_deref(), Some("vendor=1"));
}

// O2, T77: marked secrets in every place, and none of them leaves with a span.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_what_is_sent() {
    let collector = Collector::start().await;
    let keys = r#", sample: 1, headers: { authorization: "Bearer marked-collector-key", x-team: blue }"#;
    let gateway = gateway(&collector, keys).await;
    let token = gateway.reader().await;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let mut ids = Vec::new();
    for (method, target, fields) in [
        ("GET", "/api/x?code=marked-code&state=marked-state".to_owned(), bearer.clone()),
        ("GET", format!("/public/x?access_token={token}"), "Cookie: access_token=marked-cookie\r\n".to_owned()),
        ("GET", format!("/public/{token}"), String::new()),
        ("GET", "/api/x".to_owned(), "Authorization: Bearer marked-opaque-token\r\n".to_owned()),
        ("GET", "/api/x".to_owned(), "Authorization: Basic bWFya2VkLWJhc2ljCg==\r\n".to_owned()),
        ("MARKED", "/public/x".to_owned(), "User-Agent: marked-agent\r\nX-Marked: marked-field\r\n".to_owned()),
        ("GET", "/down/x?password=marked-password".to_owned(), bearer.clone()),
        ("GET", "/oauth2/authorize?client_id=x&state=marked-state&code_challenge=marked".to_owned(), String::new()),
        ("GET", "/api/%zz?access_token=marked-query".to_owned(), bearer.clone()),
    ] {
        let answer = gateway.request(method, &target, &fields).await;
        ids.push(answer.field("x-request-id").unwrap_or_else(|| panic!("{target}: {}", answer.text)).to_owned());
    }
    for id in &ids {
        collector.trace(id, 1).await;
    }
    let (header, _) = token.split_once('.').unwrap();
    for (fields, body) in collector.batches() {
        // Only where it belongs.
        assert_eq!(fields["authorization"], "Bearer marked-collector-key");
        assert_eq!(
            (&fields["x-team"], &fields["content-type"]),
            (&"blue".parse().unwrap(), &"application/json".parse().unwrap())
        );
        let body = body.to_lowercase();
        assert!(!body.contains("marked") && !body.contains(&header.to_lowercase()), "{body}");
        assert!(!body.contains("bwfya2vk"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_busy_gets_its_spans_later() {
    let collector = Collector::start().await;
    collector.answer(&[503]);
    let gateway = gateway(&collector, ", sample: 1").await;
    let answer = gateway.request("GET", "/public/x", "").await;
    collector.trace(answer.field("x-request-id").unwrap(), 2).await;
    assert_eq!(collector.batches().len(), 2);
    // What it refuses for good is not offered again.
    collector.answer(&[400]);
    gateway.request("GET", "/public/x", "").await;
    eventually(&gateway, r#"faregate_spans_total{result="failed"} 2"#).await;
    assert!(gateway.metrics().await.contains(r#"faregate_spans_total{result="sent"} 2"#));
}

// A collector that is not there costs nothing but a metric.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_collector_requests_are_served() {
    let sections = format!("{ROUTES}tracing: {{ otlp: \"http://127.0.0.1:1\", sample: 1 }}\n");
    let gateway = Gateway::with(&sections, &[]).await;
    for _ in 0..50 {
        assert_eq!(gateway.request("GET", "/public/x", "").await.status(), 200);
    }
    eventually(&gateway, r#"faregate_spans_total{result="failed"} "#).await;
    let began = Instant::now();
    gateway.running.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "the end waits for nobody: {:?}", began.elapsed());
}

// What is waiting when the gateway stops is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_spans_are_sent_before_the_end() {
    let collector = Collector::start().await;
    let gateway = gateway(&collector, ", sample: 1").await;
    let answer = gateway.request("GET", "/public/x", "").await;
    gateway.running.stop().await;
    let id = answer.field("x-request-id").unwrap();
    assert_eq!(collector.spans().iter().filter(|span| span.trace_id == id).count(), 2);
}

async fn eventually(gateway: &Gateway, line: &str) {
    let began = Instant::now();
    loop {
        let metrics = gateway.metrics().await;
        if metrics.contains(line) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{line} in {metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
