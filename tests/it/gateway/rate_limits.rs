//! How often a route may be called, and by whom.

use std::time::Duration;

use crate::support::gateway::{Gateway, Raw};

const SECTIONS: &str = r#"
trusted_proxies: [127.0.0.1]
upstreams: { app: "${UPSTREAM}" }
routes:
  /address/**: { upstream: app, require: authenticated, limit: { rate: 3/h, by: address } }
  /client/**:
    upstream: app
    require: { GET: permission read on orders, POST: permission write on orders }
    limit: [{ rate: 3/h, by: client }, { rate: 1000/s, burst: 100, by: subject }]
    cors: { origins: ["https://app.example.com"] }
  /client/more/**: { extends: /client/**, limit: { rate: 2/h } }
  /token/**: { upstream: app, require: authenticated, limit: { rate: 2/h, by: token } }
  /mail/{box}: { upstream: app, public: true, limit: { rate: 2/h, by: "{box}" } }
  /tried/**: { upstream: app, public: true, limit: { rate: 2/h } }
  /observed/**: { upstream: app, require: authenticated, enforce: observe, limit: { rate: 2/h } }
  /fast/**: { upstream: app, public: true, limit: { rate: 2/s, burst: 2 } }
"#;

async fn times(count: usize, gateway: &Gateway, path: &str, fields: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(gateway.request("GET", path, fields).await.status());
    }
    statuses
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn code(answer: &Raw) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

// M12, API4:2023
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_counted_before_the_token_is_looked_at() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let reader = bearer(&gateway.reader().await);
    let from = |address: &str| format!("X-Forwarded-For: {address}\r\n");
    // Those without a token count as well, and then a good token does not help.
    let bad = format!("{}Authorization: Bearer nonsense\r\n", from("192.0.2.1"));
    assert_eq!(times(4, &gateway, "/address/x", &bad).await, [401, 401, 401, 429]);
    let good = format!("{}{reader}", from("192.0.2.1"));
    let answer = gateway.request("GET", "/address/x", &good).await;
    assert_eq!((answer.status(), code(&answer)), (429, "rate_limited".to_owned()));
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!((1100..=1200).contains(&wait), "a third of an hour: {wait}");
    assert_eq!(answer.field("ratelimit-policy"), Some("\"address\";q=3;w=3600"));
    assert!(answer.field("ratelimit").unwrap().starts_with("\"address\";r=0;t=3"), "{}", answer.text);
    // The next address, and what belongs together.
    assert_eq!(times(1, &gateway, "/address/x", &format!("{}{reader}", from("192.0.2.2"))).await, [200]);
    let network = ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::", "2001:db8::1"];
    let mut statuses = Vec::new();
    for address in network {
        statuses.extend(times(1, &gateway, "/address/x", &format!("{}{reader}", from(address))).await);
    }
    assert_eq!(statuses, [200, 200, 200, 429], "one IPv6 network is one peer");
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"faregate_rate_limited_total{limit="address",route="/address/**"} 3"#), "{metrics}");
    assert!(
        metrics.contains(r#"faregate_decisions_total{decision="deny",reason="rate_limited",route="/address/**"} 3"#)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_counted_after_the_check() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let fields = bearer(&gateway.reader().await) + "Origin: https://app.example.com\r\n";
    // What is refused takes nothing from those who may.
    for _ in 0..5 {
        assert_eq!(gateway.request("POST", "/client/x", &fields).await.status(), 403);
        assert_eq!(gateway.request("GET", "/client/x", "").await.status(), 401);
    }
    let answer = gateway.request("GET", "/client/x", &fields).await;
    assert_eq!(answer.status(), 200, "{}", answer.text);
    assert_eq!(answer.field("ratelimit-policy"), Some("\"client\";q=3;w=3600, \"subject\";q=100;w=1"));
    assert_eq!(answer.field("ratelimit"), Some("\"client\";r=2;t=1200"), "the one that is nearest to its end");
    // Another token of the same client.
    let other = bearer(&gateway.reader().await) + "Origin: https://app.example.com\r\n";
    assert_eq!(times(3, &gateway, "/client/x", &other).await, [200, 200, 429]);
    let answer = gateway.request("GET", "/client/x", &fields).await;
    assert_eq!((answer.status(), answer.field("access-control-allow-origin")), (429, Some("https://app.example.com")));
    assert!(answer.field("access-control-expose-headers").is_some_and(|names| names.contains("ratelimit")));
    // A route that extends counts for itself, and keeps what it extends.
    assert_eq!(times(3, &gateway, "/client/more/x", &fields).await, [200, 200, 429]);
    let answer = gateway.request("GET", "/client/more/x", &fields).await;
    assert!(answer.field("ratelimit-policy").is_some_and(|policies| policies.ends_with(", \"address\";q=2;w=3600")));
    assert_eq!(gateway.upstream.count(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_parameters_are_counted_too() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let (one, other) = (gateway.reader().await, gateway.reader().await);
    assert_eq!(times(3, &gateway, "/token/x", &bearer(&one)).await, [200, 200, 429]);
    assert_eq!(times(1, &gateway, "/token/x", &bearer(&other)).await, [200]);
    assert_eq!(times(3, &gateway, "/mail/a", "").await, [200, 200, 429]);
    assert_eq!(times(1, &gateway, "/mail/%61", "").await, [429], "the same in another spelling");
    assert_eq!(times(1, &gateway, "/mail/b", "").await, [200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_tried_out_is_only_counted() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    assert_eq!(times(4, &gateway, "/observed/x", &bearer(&gateway.reader().await)).await, [200; 4]);
    let answer = gateway.request("GET", "/observed/x", "").await;
    assert!(answer.field("ratelimit").is_some_and(|left| left.starts_with("\"address\";r=0;t=")), "{}", answer.text);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"{decision="observe",reason="rate_limited",route="/observed/**"} 2"#), "{metrics}");
}

// M12: what the client wrote in front of the trusted proxy's entry is no address of its own, whatever the entry looks like
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_a_client_wrote_do_not_count() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    for entry in ["203.0.113.7:4000", "[2001:db8::7]:4000", "unknown"] {
        let mut statuses = Vec::new();
        for n in 1..=3 {
            let fields = format!("X-Forwarded-For: 198.51.100.{n}, {entry}\r\n");
            statuses.extend(times(1, &gateway, "/tried/x", &fields).await);
        }
        assert_eq!(statuses, [200, 200, 429], "{entry}");
    }
}

// RFC 6585 4: a call of gRPC that is one too many is told when it may come again
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_grpc_are_told_of_limits() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    assert_eq!(times(2, &gateway, "/tried/x", "").await, [200, 200]);
    let request = http::Request::post("http://gate.test/tried/x").header("content-type", "application/grpc");
    let mut client = client.ready().await.unwrap();
    let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"14".parse().unwrap()));
    for field in ["retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(answer.headers().contains_key(field), "{field}: {answer:?}");
    }
    driver.abort();
}

// T68: limits go by the time that only moves forward
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_used_comes_back() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let mut statuses = times(3, &gateway, "/fast/x", "").await;
    for _ in 0..20 {
        statuses.extend(times(1, &gateway, "/fast/x", "").await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(statuses[..2], [200, 200], "as many as may come at once");
    let passed = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.contains(&429) && passed >= 3, "{statuses:?}");
}

// M12: another gateway asks for its clients
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_others_serve_are_counted_as_well() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let asked = |address: &str| {
        format!("X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /tried/x\r\nX-Forwarded-For: {address}\r\n")
    };
    assert_eq!(times(3, &gateway, "/_faregate/verify", &asked("192.0.2.1")).await, [200, 200, 403]);
    assert_eq!(times(1, &gateway, "/_faregate/verify", &asked("192.0.2.2")).await, [200]);
}
