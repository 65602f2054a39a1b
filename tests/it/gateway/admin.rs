//! The admin listener: metrics that other programs can read, health, and nothing of anybody.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::files::Folder;
use crate::support::gateway::{Gateway, RECIPIENT_ID, TARGET_ID, client};

fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
}

/// A bit of everything.
async fn traffic(gateway: &Gateway) {
    let token = gateway.reader().await;
    let authorization = format!("Authorization: Bearer {token}\r\n");
    for (method, target, fields) in [
        ("GET", "/api/orders", authorization.as_str()),
        ("GET", "/api/orders/1234567?q=secret-query", &authorization),
        ("POST", "/api/orders", &authorization),
        ("GET", "/api/orders", ""),
        ("GET", "/api/orders", "Authorization: Bearer garbage\r\n"),
        ("GET", "/public/secret-path", ""),
        ("GET", "/nowhere/secret-path", ""),
        ("GET", "/public/%00", ""),
        ("GET", "/public/x", "Bad Name: x\r\n"),
        ("POST", "/oauth2/token", ""),
    ] {
        gateway.request(method, target, fields).await;
    }
}

// F-341, O7, O8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_happened_and_name_nobody() {
    let gateway = Gateway::start().await;
    traffic(&gateway).await;
    let metrics = gateway.metrics().await;
    for (name, expected) in [
        (r#"faregate_decisions_total{decision="permit",reason="",route="/api/**"}"#, 2.0),
        (r#"faregate_decisions_total{decision="permit",reason="",route="/public/**"}"#, 1.0),
        (r#"faregate_decisions_total{decision="deny",reason="missing_permission",route="/api/**"}"#, 1.0),
        (r#"faregate_decisions_total{decision="deny",reason="no_token",route="/api/**"}"#, 1.0),
        (r#"faregate_decisions_total{decision="deny",reason="malformed",route="/api/**"}"#, 1.0),
        (r#"faregate_decisions_total{decision="deny",reason="no_route",route="-"}"#, 1.0),
        (r#"faregate_decisions_total{decision="deny",reason="control_character",route="-"}"#, 1.0),
        (r#"faregate_refused_headers_total{reason="bad_field_name"}"#, 1.0),
        (r#"faregate_request_duration_seconds_count{code="200",route="/api/**"}"#, 2.0),
        (r#"faregate_request_duration_seconds_count{code="403",route="/api/**"}"#, 1.0),
        (r#"faregate_request_duration_seconds_count{code="404",route="-"}"#, 1.0),
        (r#"faregate_upstream_duration_seconds_count{upstream="app"}"#, 3.0),
        ("faregate_token_cache_hits_total", 2.0),
        ("faregate_token_cache_misses_total", 1.0),
        (r#"faregate_tokens_issued_total{grant_type="client_credentials",profile="standard"}"#, 1.0),
        (r#"faregate_upstream_healthy_servers{upstream="app"}"#, 1.0),
        ("faregate_store_up", 1.0),
    ] {
        assert!((sample(&metrics, name) - expected).abs() < 0.1, "{name} {expected}\n{metrics}");
    }
    assert!(
        metrics.contains("faregate_oauth_errors_total{endpoint=\"token\",error=\"invalid_request\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains(&format!("faregate_config_info{{hash=\"{}\"}} 1", gateway.running.hash)), "{metrics}");
    // O7, O2: of servers, the configuration says where they are
    let metrics: String = metrics.lines().filter(|line| !line.contains("{server=\"")).collect();
    for never in [RECIPIENT_ID, TARGET_ID, "reporting", "secret-path", "secret-query", "1234567", "eyJ", "127.0.0.1"] {
        assert!(!metrics.contains(never), "{never}\n{metrics}");
    }
    // O8: nothing of it on the public listener.
    for path in ["/metrics", "/healthz", "/readyz", "/status"] {
        assert_eq!(gateway.request("GET", path, "").await.status(), 404, "{path}");
    }
    assert_eq!(gateway.upstream.count(), 3);
}

// K12, O6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_status_are_told() {
    let gateway = Gateway::start().await;
    traffic(&gateway).await;
    let admin = gateway.running.admin.unwrap();
    let get = async |path: &str| {
        let answer = client().get(format!("http://{admin}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".into()));
    let (status, text) = get("/readyz").await;
    assert_eq!((status, serde_json::from_str::<Value>(&text).unwrap()["status"].as_str()), (200, Some("ready")));
    let (status, text) = get("/status").await;
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, document["version"].as_str()), (200, Some(env!("CARGO_PKG_VERSION"))));
    assert_eq!(document["configuration"]["hash"], gateway.running.hash);
    assert_eq!(document["configuration"]["routes"], 5);
    assert_eq!(document["upstreams"][0]["healthy"], 1);
    assert_eq!(document["upstreams"][0]["servers"][0]["server"], gateway.upstream.address.to_string());
    assert_eq!(document["upstreams"][0]["servers"][0]["state"], "healthy");
    assert_eq!(document["token_cache"]["hits"], 2);
    for secret in ["target-secret", crate::support::gateway::RECIPIENT_SECRET, "AAECAwQFBg"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(get("/nothing").await.0, 404);
    let posted = client().post(format!("http://{admin}/metrics")).send().await.unwrap();
    assert_eq!(posted.status(), 405);
    // The strict reading of header blocks holds here too (M3).
    let smuggled = crate::support::gateway::raw(
        admin,
        b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .await;
    assert_eq!(smuggled.status(), 400);
}

fn start(program: &str, command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; run scripts/deps test"))
}

// F-341: Prometheus's own linter reads it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_finds_nothing() {
    let gateway = Gateway::start().await;
    traffic(&gateway).await;
    let metrics = gateway.metrics().await;
    let mut promtool = start(
        "promtool",
        Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{metrics}");
}

/// Ends with the test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// F-341: a real Prometheus scrapes a real gateway
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_scrapes_the_gateway() {
    let gateway = Gateway::start().await;
    traffic(&gateway).await;
    let admin = gateway.running.admin.unwrap();
    let folder = Folder::new();
    let config = folder.write(
        "prometheus.yml",
        &format!("global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: gate\n    static_configs: [ {{ targets: [\"{admin}\"] }} ]\n"),
    );
    let address = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={config}"))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--log.level=error")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _prometheus = Killed(start("prometheus", &mut command));
    let mut last = Value::Null;
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let asked = client().get(format!("http://{address}/api/v1/query?query=faregate_config_info")).send().await;
        let Ok(answer) = asked else { continue };
        last = answer.json().await.unwrap_or_default();
        let metric = &last["data"]["result"][0];
        if metric["metric"]["hash"] == gateway.running.hash {
            assert_eq!(metric["value"][1], "1");
            let rate = client()
                .get(format!("http://{address}/api/v1/query?query=sum(faregate_decisions_total)"))
                .send()
                .await
                .unwrap();
            let rate: Value = rate.json().await.unwrap();
            assert_eq!(rate["data"]["result"][0]["value"][1], "8", "{rate}");
            return;
        }
    }
    panic!("no sample after 30 s: {last}");
}
