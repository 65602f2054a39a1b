use pingora::upstreams::peer::HttpPeer;

use super::server::address;
use super::*;
use crate::metrics::Metrics;

const HEALTH: HealthSettings = HealthSettings {
    path: None,
    interval: Duration::from_secs(1),
    timeout: Duration::from_secs(1),
    healthy_after: 1,
    unhealthy_after: 2,
    expect: None,
};

fn upstream(servers: usize, health: Option<HealthSettings>) -> Arc<Upstream> {
    upstream_of((1..=servers).map(|n| format!("127.0.0.{n}")), health)
}

fn upstream_of(hosts: impl Iterator<Item = String>, health: Option<HealthSettings>) -> Arc<Upstream> {
    let servers: Vec<_> = hosts.map(|host| ServerSettings { host, port: 80, tls: None, weight: 1 }).collect();
    let labels: Vec<String> = servers.iter().map(|server| format!("{}:80", server.host)).collect();
    let metrics = Metrics::new().servers("test", labels.iter().map(String::as_str));
    let eject = Eject { after: 3, eject_for: Duration::from_millis(20), at_most_for: Duration::from_millis(60) };
    let settings = UpstreamSettings {
        name: "test".into(),
        servers,
        timeouts: config::Timeouts::default(),
        http2: false,
        tls: None,
        health,
        resilience: Resilience { eject: Some(eject), ..Resilience::default() },
    };
    Arc::new(Upstream::new(settings, metrics))
}

async fn resolved(servers: usize, health: Option<HealthSettings>) -> Arc<Upstream> {
    let upstream = upstream(servers, health);
    upstream.resolve().await;
    upstream
}

/// The last number of the address that the next request goes to.
fn picked(visit: &mut Visit) -> Result<u8, Nobody> {
    visit.next_peer(None).map(|peer| number(&peer))
}

fn number(peer: &HttpPeer) -> u8 {
    let Some(std::net::SocketAddr::V4(address)) = address(peer) else { panic!("{peer}") };
    address.ip().octets()[3]
}

async fn visit(upstream: &Arc<Upstream>) -> Visit {
    Visit::begin(upstream).await.unwrap()
}

/// Sends one request, which ends so; where it went.
async fn request(upstream: &Arc<Upstream>, status: impl Fn(u8) -> u16) -> u8 {
    let mut visit = visit(upstream).await;
    let server = picked(&mut visit).unwrap();
    visit.answered(status(server));
    server
}

#[tokio::test]
async fn healthy_servers_take_turns() {
    let upstream = upstream(3, Some(HEALTH));
    assert_eq!(picked(&mut visit(&upstream).await), Err(Nobody::WithoutAddress), "nothing is resolved yet");
    upstream.resolve().await;
    let mut turns = Vec::new();
    for _ in 0..3 {
        turns.push(request(&upstream, |_| 200).await);
    }
    turns.sort_unstable();
    assert_eq!(turns, [1, 2, 3]);

    let second = &upstream.servers[1];
    upstream.observe(second, false, &HEALTH);
    assert_eq!(upstream.healthy(), 3, "one failure is not enough");
    upstream.observe(second, false, &HEALTH);
    assert_eq!(upstream.healthy(), 2);
    for _ in 0..6 {
        assert_ne!(request(&upstream, |_| 200).await, 2);
    }
    upstream.observe(second, true, &HEALTH);
    assert_eq!(upstream.healthy(), 3);
}

// T37: whom no check finds healthy is not asked
#[tokio::test]
async fn with_no_healthy_server_nobody_is_tried() {
    let upstream = resolved(2, Some(HEALTH)).await;
    for server in &upstream.servers {
        server.healthy.store(false, Ordering::Relaxed);
    }
    assert_eq!(picked(&mut visit(&upstream).await), Err(Nobody::Unhealthy));
    upstream.observe(&upstream.servers[1], true, &HEALTH);
    assert_eq!(picked(&mut visit(&upstream).await), Ok(2));
}

#[tokio::test]
async fn another_attempt_goes_elsewhere() {
    let upstream = resolved(3, None).await;
    let mut one = visit(&upstream).await;
    let mut seen = Vec::new();
    for left in [true, true, false] {
        seen.push(picked(&mut one).unwrap());
        assert_eq!(one.has_alternative(), left);
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3]);
    assert!(picked(&mut one).is_ok(), "rather a server that was tried than none");
    let active: u32 = upstream.status().map(|server| server.in_flight).sum();
    assert_eq!((active, upstream.in_flight()), (1, 1));
    drop(one);
    let active: u32 = upstream.status().map(|server| server.in_flight).sum();
    assert_eq!((active, upstream.in_flight()), (0, 0));
}

// T32, passive health: failures in a row eject, a success in between does not
#[tokio::test]
async fn failing_servers_are_ejected() {
    let upstream = resolved(4, None).await;
    let flaky = |server: u8| if server == 1 { 503 } else { 404 };
    for _ in 0..8 {
        request(&upstream, flaky).await;
    }
    assert_eq!(upstream.healthy(), 4, "two failures");
    while request(&upstream, |_| 200).await != 1 {}
    for _ in 0..11 {
        request(&upstream, flaky).await;
    }
    assert_eq!(upstream.healthy(), 4, "it worked in between");
    for _ in 0..8 {
        request(&upstream, flaky).await;
    }
    assert_eq!(upstream.healthy(), 3);
    assert!(upstream.status().next().is_some_and(|server| server.is_ejected && server.is_healthy));
    assert_eq!(upstream.status().map(|server| server.circuit).next(), Some(super::Circuit::Open));
    for _ in 0..9 {
        assert_ne!(request(&upstream, flaky).await, 1);
    }
}

#[tokio::test]
async fn at_most_half_are_ejected() {
    for (servers, stay) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
        let upstream = resolved(servers, None).await;
        for _ in 0..servers * 10 {
            request(&upstream, |_| 500).await;
        }
        assert_eq!(upstream.healthy(), stay, "of {servers}");
    }
}

// One request at a time finds out whether it works again; each failure makes the next try later.
#[tokio::test]
async fn probes_let_a_server_back() {
    let upstream = resolved(2, None).await;
    for _ in 0..6 {
        request(&upstream, |server| if server == 1 { 500 } else { 200 }).await;
    }
    let until = || upstream.servers[0].ejected_until.load(Ordering::Relaxed);
    let due = async || {
        while upstream.now() < until() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let mut lengths = Vec::new();
    for _ in 0..3 {
        due().await;
        let before = upstream.now();
        // Two on the way at the same time: one of them is the probe.
        let (mut first, mut second) = (visit(&upstream).await, visit(&upstream).await);
        let mut servers = [picked(&mut first).unwrap(), picked(&mut second).unwrap()];
        for other in 0..4 {
            assert_eq!(picked(&mut visit(&upstream).await), Ok(2), "{other}");
        }
        first.answered(if servers[0] == 1 { 500 } else { 200 });
        second.answered(if servers[1] == 1 { 500 } else { 200 });
        servers.sort_unstable();
        assert_eq!(servers, [1, 2]);
        lengths.push(until() - before);
    }
    assert!(lengths[0] >= 40 && lengths[1] >= 60 && lengths[2] < 80, "twice as long, up to the most: {lengths:?}");
    due().await;
    while request(&upstream, |_| 200).await != 1 {}
    assert_eq!(upstream.healthy(), 2);
    assert_eq!(upstream.ejected.load(Ordering::Relaxed), 0);
}

// A client that goes away says nothing about the server, and the next probe can be made.
#[tokio::test]
async fn whoever_leaves_judges_nobody() {
    let upstream = resolved(2, None).await;
    for _ in 0..20 {
        let mut gone = visit(&upstream).await;
        picked(&mut gone).unwrap();
    }
    assert_eq!(upstream.healthy(), 2);
    let server = &upstream.servers[0];
    server.ejected_until.store(1, Ordering::Relaxed);
    let mut gone = visit(&upstream).await;
    while picked(&mut gone).unwrap() != 1 {}
    assert!(server.probed.load(Ordering::Relaxed));
    drop(gone);
    assert!(!server.probed.load(Ordering::Relaxed));
}

// T61
#[tokio::test]
async fn a_tunnel_is_no_request() {
    let upstream = resolved(1, None).await;
    let mut tunnel = visit(&upstream).await;
    picked(&mut tunnel).unwrap();
    tunnel.answered(101);
    tunnel.became_a_tunnel();
    assert_eq!((upstream.in_flight(), upstream.status().next().unwrap().in_flight), (0, 1));
    drop(tunnel);
    assert_eq!((upstream.in_flight(), upstream.status().next().unwrap().in_flight), (0, 0));
}

// T38: servers that move are followed, and the address in use is kept while it is there
#[tokio::test]
async fn names_move() {
    let upstream = resolved(1, None).await;
    let server = &upstream.servers[0];
    let at = |n: u8| std::net::SocketAddr::from(([127, 0, 0, n], 80));
    upstream.adopt(server, &[at(8), at(9)]);
    assert_eq!(server.address(), Some(at(8)));
    let mut one = visit(&upstream).await;
    let peer = one.next_peer(None).unwrap();
    assert_eq!(number(&peer), 8);
    one.unreachable(&peer);
    assert!(one.has_alternative());
    assert_eq!(picked(&mut one), Ok(9), "the next address of the same name");
    upstream.adopt(server, &[at(7), at(9)]);
    assert_eq!(server.address(), Some(at(9)), "kept");
    upstream.adopt(server, &[at(7)]);
    assert_eq!(server.address(), Some(at(7)));
}

// T38: a name that leads nowhere any more
#[tokio::test]
async fn addresses_outlive_their_name() {
    // RFC 6761: it leads nowhere for good.
    let upstream = upstream_of(["nowhere.invalid".to_owned()].into_iter(), None);
    upstream.adopt(&upstream.servers[0], &[std::net::SocketAddr::from(([127, 0, 0, 8], 80))]);
    upstream.resolve().await;
    assert_eq!(picked(&mut visit(&upstream).await), Ok(8));
}
