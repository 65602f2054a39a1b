//! Several servers behind one upstream: who gets which request, who gets none for a while, and what is tried again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::faulty::{Fault, Faulty};
use crate::support::gateway::{Gateway, Raw, client};

/// A gateway whose only route leads to these servers; `more` are further keys of the upstream.
async fn before(servers: &[&Faulty], more: &str) -> Gateway {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.address)).collect();
    behind(&servers.join(", "), more).await
}

async fn behind(servers: &str, more: &str) -> Gateway {
    let sections = format!(
        "limits: {{ connections_per_ip: 5000 }}\nupstreams:\n  app: {{ servers: [{servers}]{more} }}\nroutes:\n  \
         /public/**: {{ upstream: app, public: true }}\n  /any/**: {{ upstream: app, require: authenticated }}\n"
    );
    Gateway::with(&sections, &[]).await
}

async fn request(gateway: &Gateway, fields: &str) -> Raw {
    gateway.request("GET", "/public/x", fields).await
}

/// Which server answered each of `count` requests, and how often.
async fn answers(gateway: &Gateway, count: usize) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    let client = client();
    for _ in 0..count {
        let answer = client.get(gateway.url("/public/x")).send().await.unwrap();
        let status = answer.status().as_u16();
        let name = if status == 200 { answer.text().await.unwrap() } else { status.to_string() };
        *answers.entry(name).or_default() += 1;
    }
    answers
}

async fn metric(gateway: &Gateway, line: &str) -> Option<f64> {
    let metrics = gateway.metrics().await;
    metrics.lines().find_map(|own| own.strip_prefix(line)?.trim().parse().ok())
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}");
}

fn code(answer: &Raw) -> (u16, Option<String>) {
    (answer.status(), answer.json()["code"].as_str().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_share_requests() {
    let (first, second) = (Faulty::start("first").await, Faulty::start("second").await);
    let servers = format!("{{ server: \"{}\", weight: 3 }}, \"{}\"", first.address, second.address);
    let gateway = behind(&servers, "").await;
    let shares = answers(&gateway, 40).await;
    assert_eq!((shares["first"], shares["second"]), (30, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_least_busy_server_is_asked() {
    let (first, second) = (Faulty::start("first").await, Faulty::start("second").await);
    let gateway = before(&[&first, &second], ", balance: least_connections").await;
    first.fail(Fault::Hang);
    let mut hanging = Vec::new();
    while first.count("/public/") == 0 {
        let mut wire = gateway.connect().await;
        wire.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        hanging.push(wire);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let shares = answers(&gateway, 20).await;
    assert_eq!(shares.get("second"), Some(&20), "{shares:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_stays_with_its_server() {
    let servers = [Faulty::start("a").await, Faulty::start("b").await, Faulty::start("c").await];
    let [a, b, c] = &servers;
    let gateway = before(&[a, b, c], ", balance: hash header X-Tenant").await;
    let mut homes = BTreeMap::new();
    for tenant in 0..30 {
        let fields = format!("X-Tenant: tenant-{tenant}\r\n");
        let home = request(&gateway, &fields).await.body().to_owned();
        for _ in 0..3 {
            assert_eq!(request(&gateway, &fields).await.body(), home);
        }
        homes.insert(tenant, home);
    }
    for name in ["a", "b", "c"] {
        assert!(homes.values().any(|home| home == name), "{name} has nobody: {homes:?}");
    }
    // Another gateway, with its servers in another order, agrees.
    let other = before(&[c, a, b], ", balance: hash header X-Tenant").await;
    for (tenant, home) in &homes {
        assert_eq!(request(&other, &format!("X-Tenant: tenant-{tenant}\r\n")).await.body(), home);
    }
    // Who has no tenant goes anywhere.
    let shares = answers(&gateway, 12).await;
    assert_eq!(shares.len(), 3, "{shares:?}");
    // When a server is gone, its tenants go to others, and nobody else moves.
    b.stop().await;
    for (tenant, home) in &homes {
        let now = request(&gateway, &format!("X-Tenant: tenant-{tenant}\r\n")).await.body().to_owned();
        assert!(if home == "b" { now != "b" } else { now == *home }, "{tenant}: {home}, {now}");
    }

    let gateway = before(&[a, c], ", balance: hash subject").await;
    let token = gateway.token("").await;
    let fields = format!("Authorization: Bearer {token}\r\n");
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(gateway.request("GET", "/any/x", &fields).await.body().to_owned());
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
}

// T32, M10: failures in a row eject a server; a request that works lets it back
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_servers_are_ejected_and_come_back() {
    let (good, bad) = (Faulty::start("good").await, Faulty::start("bad").await);
    let gateway = before(&[&good, &bad], ", eject: { after: 3, for: 400ms, at_most: 1s }").await;
    bad.fail(Fault::Status(503));
    let shares = answers(&gateway, 12).await;
    assert_eq!(shares.get("503"), Some(&3), "{shares:?}");
    let label =
        |name: &str, server: &Faulty| format!("faregate_{name}{{server=\"{}\",upstream=\"app\"}} ", server.address);
    assert_eq!(metric(&gateway, &label("upstream_ejections_total", &bad)).await, Some(1.0));
    assert_eq!(metric(&gateway, &label("upstream_healthy", &bad)).await, Some(0.0));
    assert_eq!(metric(&gateway, &label("upstream_healthy", &good)).await, Some(1.0));
    let admin = gateway.running.admin.unwrap();
    let status: serde_json::Value =
        client().get(format!("http://{admin}/status")).send().await.unwrap().json().await.unwrap();
    let servers = &status["upstreams"][0]["servers"];
    assert_eq!((&servers[0]["state"], &servers[1]["state"]), (&"healthy".into(), &"ejected".into()), "{status}");
    assert_eq!(servers[1]["server"], bad.address.to_string());
    // One request finds out that it still fails, and it is longer out than before.
    tokio::time::sleep(Duration::from_millis(450)).await;
    let shares = answers(&gateway, 12).await;
    assert_eq!(shares.get("503"), Some(&1), "{shares:?}");
    bad.fail(Fault::None);
    let mut shares = BTreeMap::new();
    eventually("the server comes back", async || {
        shares = answers(&gateway, 4).await;
        shares.get("bad") == Some(&2)
    })
    .await;
    assert_eq!(metric(&gateway, &label("upstream_healthy", &bad)).await, Some(1.0));

    // Timeouts and refused connections count as well; nobody is ejected when all fail.
    for fault in
        [Fault::Hang, Fault::Reset, Fault::BytesAndReset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_vec())]
    {
        let (good, bad) = (Faulty::start("good").await, Faulty::start("bad").await);
        let more = ", eject: { after: 2, for: 60s }, read_timeout: 200ms, retry_budget: 0%";
        let gateway = before(&[&good, &bad], more).await;
        bad.fail(fault.clone());
        for _ in 0..10 {
            request(&gateway, "").await;
        }
        assert_eq!((bad.count("/public/"), good.count("/public/")), (2, 8), "{fault:?}");
        good.fail(Fault::Status(500));
        for _ in 0..4 {
            assert_eq!(request(&gateway, "").await.status(), 500, "the last one stays");
        }
    }
    let gateway = before(&[&good, &bad], ", eject: false").await;
    bad.fail(Fault::Status(500));
    assert_eq!(answers(&gateway, 12).await.get("500"), Some(&6));
}

// M10, T32: a request that broke is sent again if it may be done twice and nothing of its body was sent
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_done_twice_is_tried_again() {
    for fault in [Fault::Close, Fault::Reset] {
        let (good, bad) = (Faulty::start("good").await, Faulty::start("bad").await);
        let gateway = before(&[&good, &bad], ", eject: false").await;
        bad.fail(fault);
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            for _ in 0..2 {
                let answer = gateway.request(method, "/public/x", "Content-Length: 0\r\n").await;
                assert_eq!(answer.status(), 200, "{method}: {}", answer.text);
            }
        }
        assert!(bad.count("/public/x") >= 5);
        assert_eq!(metric(&gateway, "faregate_upstream_retries_total{upstream=\"app\"}").await, Some(5.0));
        let sent = || good.count("/public/once") + bad.count("/public/once");
        let put = "Content-Length: 5\r\n\r\nhello";
        for (method, rest) in [("POST", "Content-Length: 0\r\n\r\n"), ("PATCH", put), ("PUT", put), ("DELETE", put)] {
            let mut statuses = Vec::new();
            for _ in 0..2 {
                let request = format!("{method} /public/once HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{rest}");
                let before = sent();
                statuses.push(gateway.raw(request).await.status());
                assert_eq!(sent() - before, 1, "{method}");
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 502], "{method}");
        }
    }
    // Never after a byte of an answer, nor after a timeout: that may be done already.
    for fault in [
        Fault::BytesAndReset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_vec()),
        Fault::Bytes(b"nonsense\r\n\r\n".to_vec()),
        Fault::Hang,
    ] {
        let (good, bad) = (Faulty::start("good").await, Faulty::start("bad").await);
        let gateway = before(&[&good, &bad], ", eject: false, read_timeout: 200ms").await;
        bad.fail(fault.clone());
        for _ in 0..4 {
            request(&gateway, "").await;
        }
        assert_eq!((bad.count("/public/x"), good.count("/public/x")), (2, 2), "{fault:?}");
    }
}

// M10: servers that fail under load do not get more of it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_have_a_budget() {
    let (good, bad) = (Faulty::start("good").await, Faulty::start("bad").await);
    bad.fail(Fault::Close);
    let gateway = before(&[&good, &bad], ", eject: false, retry_budget: 0%").await;
    let shares = answers(&gateway, 20).await;
    assert_eq!((shares.get("good"), shares.get("502")), (Some(&10), Some(&10)), "{shares:?}");
    // A hundred are saved up, then every tenth request may be tried again.
    let gateway = before(&[&good, &bad], ", eject: false, retry_budget: 10%").await;
    let shares = answers(&gateway, 600).await;
    let failed = shares.get("502").copied().unwrap_or_default();
    assert!((100..=180).contains(&failed), "{shares:?}");
}

// T37: nobody healthy, then somebody
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nobody_healthy_the_answer_is_quick() {
    let server = Faulty::start("only").await;
    let health = ", health: { path: /healthz, interval: 200ms, timeout: 500ms, healthy_after: 1, unhealthy_after: 1 }";
    let gateway = before(&[&server], health).await;
    server.stop().await;
    eventually("unhealthy", async || code(&request(&gateway, "").await).1.as_deref() == Some("upstream_unavailable"))
        .await;
    let mut quickest = Duration::MAX;
    for _ in 0..10 {
        let started = Instant::now();
        let mut wire = gateway.connect().await;
        wire.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = wire.answer().await;
        quickest = quickest.min(started.elapsed());
        assert_eq!(code(&answer), (503, Some("upstream_unavailable".into())));
        assert_eq!(answer.field("retry-after"), Some("5"));
    }
    assert!(quickest < Duration::from_millis(5), "{quickest:?}");
    let counted = "faregate_upstream_errors_total{reason=\"upstream_unavailable\",upstream=\"app\"}";
    assert!(metric(&gateway, counted).await >= Some(10.0));
    server.start_again();
    let started = Instant::now();
    eventually("healthy again", async || request(&gateway, "").await.status() == 200).await;
    assert!(started.elapsed() < Duration::from_millis(200 + 1000), "{:?}", started.elapsed());
}

// T61: places are counted, and waited for only so long
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_has_so_many_places() {
    let server = Faulty::start("only").await;
    let gateway = before(&[&server], ", max_requests: 2, max_pending: 1, connect_timeout: 700ms").await;
    server.fail(Fault::Hang);
    let mut hanging = Vec::new();
    for n in 1..=2 {
        let mut wire = gateway.connect().await;
        wire.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        hanging.push(wire);
        eventually("a request is there", async || server.count("/public/x") == n).await;
    }
    assert_eq!(metric(&gateway, "faregate_upstream_in_flight{upstream=\"app\"}").await, Some(2.0));
    server.fail(Fault::None);
    let mut waiting = gateway.connect().await;
    waiting.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    let refused = request(&gateway, "").await;
    assert_eq!(code(&refused), (503, Some("upstream_busy".into())), "{}", refused.text);
    assert_eq!(refused.field("retry-after"), Some("5"));
    assert!(started.elapsed() < Duration::from_millis(500), "it does not wait: {:?}", started.elapsed());
    // A client that leaves makes room for the one that waits.
    hanging.pop();
    assert_eq!(waiting.answer().await.body(), "only");
    // Who waits in vain is told so.
    let _second = {
        server.fail(Fault::Hang);
        let mut wire = gateway.connect().await;
        wire.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        eventually("a request is there", async || server.count("/public/x") == 4).await;
        wire
    };
    let mut waiting = gateway.connect().await;
    let started = Instant::now();
    waiting.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(code(&waiting.answer().await), (503, Some("upstream_busy".into())));
    let waited = started.elapsed();
    assert!(waited > Duration::from_millis(600) && waited < Duration::from_secs(4), "{waited:?}");
}

/// The 99th percentile of `count` requests, one after another.
async fn p99(client: &reqwest::Client, url: &str, count: usize) -> Duration {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        assert_eq!(client.get(url).send().await.unwrap().status(), 200);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times[count * 99 / 100]
}

// T33, T61: 500 requests hang at one upstream; whoever goes elsewhere does not notice
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_upstream_is_its_own_trouble() {
    const HANGING: usize = 500;
    let (stalled, other) = (Faulty::start("stalled").await, Faulty::start("other").await);
    let sections = format!(
        "limits: {{ connections_per_ip: 5000 }}\nupstreams:\n  stalled: http://{}\n  other: http://{}\nroutes:\n  \
         /stalled/**: {{ upstream: stalled, public: true }}\n  /other/**: {{ upstream: other, public: true }}\n",
        stalled.address, other.address
    );
    let gateway = Gateway::with(&sections, &[]).await;
    stalled.fail(Fault::Hang);
    let (client, url) = (client(), gateway.url("/other/x"));
    p99(&client, &url, 50).await;
    // The machine has other things to do: the best of several rounds is compared.
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let base = p99(&client, &url, 200).await;
        let mut hanging = Vec::new();
        let before = stalled.count("/stalled/");
        for _ in 0..HANGING {
            let mut wire = gateway.connect().await;
            wire.send("GET /stalled/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
            hanging.push(wire);
        }
        eventually("all of them hang", async || stalled.count("/stalled/") - before == HANGING).await;
        let beside = p99(&client, &url, 200).await;
        rounds.push((base, beside));
        if beside <= base.mul_f64(1.5) {
            return;
        }
    }
    panic!("base and beside: {rounds:?}");
}

// T33: the limits of a route are its own, the whole time included
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_have_their_own_limits_of_time() {
    let server = Faulty::start("only").await;
    let sections = format!(
        "upstreams:\n  app: {{ servers: [\"{}\"], timeout: 20s }}\nroutes:\n  \
         /quick/**: {{ upstream: app, public: true, read_timeout: 300ms }}\n  \
         /whole/**: {{ upstream: app, public: true, timeout: 400ms }}\n  \
         /patient/**: {{ upstream: app, public: true }}\n",
        server.address
    );
    let gateway = Gateway::with(&sections, &[]).await;
    server.fail(Fault::Hang);
    for (path, least) in [("/quick/x", 250), ("/whole/x", 350)] {
        let started = Instant::now();
        let mut wire = gateway.connect().await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(code(&wire.answer().await), (504, Some("upstream_timeout".into())), "{path}");
        let elapsed = started.elapsed();
        assert!(elapsed > Duration::from_millis(least) && elapsed < Duration::from_secs(3), "{path}: {elapsed:?}");
    }
    server.fail(Fault::Trickle(Duration::from_millis(20)));
    let started = Instant::now();
    let mut wire = gateway.connect().await;
    wire.send("GET /whole/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(wire.closes_within(Duration::from_secs(5)).await, "a trickle ends with the time");
    assert!(started.elapsed() > Duration::from_millis(350) && started.elapsed() < Duration::from_secs(3));
    // Pingora keeps the beginning of an answer of known length for a while.
    let heard = wire.heard();
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 200"), "{heard:?}");
    for path in ["/quick/x", "/patient/x"] {
        let mut wire = gateway.connect().await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(!wire.closes_within(Duration::from_secs(1)).await, "{path}: what flows may flow");
    }
}
