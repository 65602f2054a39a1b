//! More than the process can do: some are refused quickly, the others are served, and the admin listener answers.
//!
//! What takes long and wants a machine of its own is ignored unless asked for:
//! `cargo test --release --test it gateway::overload -- --ignored --nocapture --test-threads 1`

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::files::Folder;
use crate::support::gateway::{self, client};
use crate::support::process;
use crate::support::upstream::Upstream;

const REQUEST: &[u8] = b"GET /public/x HTTP/1.1\r\nHost: gate.test\r\n\r\n";
const LAST_REQUEST: &[u8] = b"GET /public/x HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n";

/// One request on a connection that is kept, and the status of its answer; 0 when the connection ends.
async fn ask(stream: &mut TcpStream) -> u16 {
    if stream.write_all(REQUEST).await.is_err() {
        return 0;
    }
    let mut answer = Vec::with_capacity(1024);
    loop {
        match stream.read_buf(&mut answer).await {
            Ok(read) if read > 0 => {}
            Ok(_) | Err(_) => return 0,
        }
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        if answer.len() >= end + 4 + length.unwrap_or(0) {
            return head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        }
    }
}

const PROCESS: &str = r#"
listen: 127.0.0.1:0
admin: 127.0.0.1:0
store: "sqlite::memory:"
log: { decisions: false, format: json, level: error }
upstreams: { app: "${UPSTREAM}" }
routes: { /public/**: { upstream: app, public: true } }
limits: { connections_per_ip: 20000, keep_alive: 60s, memory: 4GiB }
"#;

/// A gateway of its own process with this configuration, and where it and its admin listener are. `prefix` is run by a shell
/// before it.
fn gateway_process(
    folder: &Folder,
    configuration: &str,
    prefix: &str,
    upstream: &Upstream,
) -> (process::Gateway, SocketAddr, SocketAddr) {
    folder.write("faregate.yaml", configuration);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("{prefix} exec \"$0\" serve --format json"), env!("CARGO_BIN_EXE_faregate")]);
    command.current_dir(folder.path()).env("UPSTREAM", upstream.url()).env_remove("RUST_LOG");
    let gateway = process::Gateway::start(&mut command);
    let (public, admin) = (gateway.address(), gateway.admin());
    (gateway, public, admin)
}

// N8, T60: whoever is refused is told so and when to come again; others are served
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_are_refused_while_others_are_served() {
    const CLIENTS: usize = 200;
    /// In a row, after the load.
    const SERVED_AGAIN: u32 = 10;
    // Other tests use the same processors: what waits for these alone has to count as little.
    let configuration = PROCESS.replace("memory: 4GiB", "memory: 4GiB, scheduling_delay: 4ms");
    let (folder, upstream) = (Folder::new(), Upstream::start().await);
    let (_process, address, admin) = gateway_process(&folder, &configuration, "", &upstream);
    let (stop, served, refused) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (stop, served, refused) = (stop.clone(), served.clone(), refused.clone());
        clients.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                match ask(&mut stream).await {
                    200 => served.fetch_add(1, Ordering::Relaxed),
                    503 => refused.fetch_add(1, Ordering::Relaxed),
                    status => panic!("{status}"),
                };
            }
        }));
    }
    let began = Instant::now();
    let mut seen = None;
    while began.elapsed() < Duration::from_secs(60) && seen.is_none() {
        let answer = gateway::raw(address, LAST_REQUEST).await;
        seen = (answer.status() == 503).then_some(answer);
    }
    let metrics = client().get(format!("http://{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let answer = seen.expect("more was asked than can be done");
    assert_eq!(answer.json()["code"], "overloaded");
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert!(metrics.contains(r#"faregate_shed_total{reason="overloaded",what="request"}"#), "{metrics}");
    let (served, refused) = (served.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
    // Once there is room again, nobody is refused.
    let (ended, mut in_a_row) = (Instant::now(), 0);
    while in_a_row < SERVED_AGAIN {
        assert!(ended.elapsed() < Duration::from_secs(60), "it goes on refusing");
        in_a_row = if gateway::raw(address, LAST_REQUEST).await.status() == 200 { in_a_row + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

// N4, T63: descriptors run out for clients before they run out for everything else
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_are_kept_for_those_who_serve() {
    let (folder, upstream) = (Folder::new(), Upstream::start().await);
    let (_process, address, admin) = gateway_process(&folder, PROCESS, "ulimit -n 256;", &upstream);
    let mut connections = Vec::new();
    for _ in 0..300 {
        connections.push(TcpStream::connect(address).await.unwrap());
    }
    // Only so many are told at one time, and for a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // One that came too late is told so, and those that came in time are served.
    let mut told = 0;
    for _ in 0..20 {
        let answer = gateway::raw(address, REQUEST).await;
        assert!(matches!(answer.status(), 503 | 0), "{}", answer.text);
        if answer.status() == 503 {
            assert_eq!((answer.json()["code"].as_str(), answer.field("retry-after")), (Some("no_room"), Some("5")));
            told += 1;
        }
    }
    assert!(told > 0);
    assert!(matches!(ask(&mut connections[0]).await, 200 | 503));
    let health = client().get(format!("http://{admin}/healthz")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let metrics = client().get(format!("http://{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"faregate_shed_total{reason="descriptors",what="connection"}"#), "{metrics}");
    drop(connections);
    let began = Instant::now();
    while gateway::raw(address, REQUEST).await.status() != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "descriptors come back");
    }
}

/// How long `rate` requests a second take on a few connections, sorted.
async fn latencies(address: SocketAddr, rate: u32, lasting: Duration) -> Vec<Duration> {
    const CONNECTIONS: u32 = 8;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut ticks = tokio::time::interval(Duration::from_secs(1) * CONNECTIONS / rate);
            let (began, mut latencies) = (Instant::now(), Vec::new());
            while began.elapsed() < lasting {
                let due = ticks.tick().await;
                if ask(&mut stream).await == 200 {
                    latencies.push(due.elapsed());
                } else {
                    stream = TcpStream::connect(address).await.unwrap();
                }
            }
            latencies
        }));
    }
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    all.sort_unstable();
    all
}

fn p99(latencies: &[Duration]) -> Duration {
    latencies[latencies.len() * 99 / 100]
}

// T49, T51
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "wants a machine of its own and 12,000 descriptors"]
async fn ten_thousand_idle_and_two_hundred_slow_ones_disturb_nobody() {
    rlimit::increase_nofile_limit(20_000).unwrap();
    let (folder, upstream) = (Folder::new(), Upstream::start().await);
    let (_process, address, _) = gateway_process(&folder, PROCESS, "", &upstream);
    latencies(address, 500, Duration::from_secs(3)).await;
    let before = latencies(address, 500, Duration::from_secs(15)).await;
    let mut idle = Vec::new();
    for n in 0..10_000_u32 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 2 + (n % 4) as u8], 0))).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        assert_eq!(ask(&mut stream).await, 200);
        idle.push(stream);
    }
    let slow: Vec<_> = (0..200)
        .map(|_| {
            tokio::spawn(async move {
                loop {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let mut rest = REQUEST.iter();
                    while let Some(byte) = rest.next()
                        && stream.write_all(&[*byte]).await.is_ok()
                    {
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let during = latencies(address, 500, Duration::from_secs(15)).await;
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    let ratio = p99(&during).as_secs_f64() / p99(&before).as_secs_f64();
    println!(
        "p99 {:?} alone, {:?} beside 10,000 idle and 200 slow connections: {ratio:.2} times",
        p99(&before),
        p99(&during)
    );
    assert!(ratio <= 1.5, "{ratio}");
}

/// What many connections got in some time, offered `rate` requests a second; 0 is as many as are answered.
async fn offered(address: SocketAddr, (connections, rate): (u32, f64), lasting: Duration) -> Offered {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(tokio::spawn(async move {
            let mut outcome = Offered::default();
            let Ok(mut stream) = TcpStream::connect(address).await else { return outcome };
            let began = Instant::now();
            let mut asked = 0.0;
            while began.elapsed() < lasting {
                let due = if rate > 0.0 {
                    began + Duration::from_secs_f64(asked * f64::from(connections) / rate)
                } else {
                    began
                };
                tokio::time::sleep_until(due.into()).await;
                asked += 1.0;
                let at = Instant::now();
                match ask(&mut stream).await {
                    200 => outcome.served.push(at.elapsed()),
                    503 => outcome.refused.push(at.elapsed()),
                    _ => match TcpStream::connect(address).await {
                        Ok(again) => stream = again,
                        Err(_) => return outcome,
                    },
                }
            }
            outcome
        }));
    }
    let mut all = Offered::default();
    for client in clients {
        let outcome = client.await.unwrap();
        all.served.extend(outcome.served);
        all.refused.extend(outcome.refused);
    }
    all.served.sort_unstable();
    all.refused.sort_unstable();
    all
}

#[derive(Default)]
struct Offered {
    served: Vec<Duration>,
    refused: Vec<Duration>,
}

// T60
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "wants a machine of its own"]
async fn three_times_what_can_be_done() {
    let (folder, upstream) = (Folder::new(), Upstream::start().await);
    let (_process, address, admin) = gateway_process(&folder, PROCESS, "", &upstream);
    let lasting = Duration::from_secs(10);
    offered(address, (16, 0.0), Duration::from_secs(2)).await;
    let most = offered(address, (16, 0.0), lasting).await.served.len() as f64 / lasting.as_secs_f64();
    let base = offered(address, (64, 0.7 * most), lasting).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watching = stop.clone();
    let watcher = tokio::spawn(async move {
        let mut longest = Duration::ZERO;
        while !watching.load(Ordering::Relaxed) {
            let began = Instant::now();
            assert_eq!(client().get(format!("http://{admin}/metrics")).send().await.unwrap().status(), 200);
            longest = longest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        longest
    });
    let over = offered(address, (1000, 3.0 * most), lasting).await;
    stop.store(true, Ordering::Relaxed);
    let metrics = watcher.await.unwrap();
    let goodput = over.served.len() as f64 / lasting.as_secs_f64();
    let mut recovered = Duration::ZERO;
    while !offered(address, (16, 0.5 * most), Duration::from_secs(1)).await.refused.is_empty() {
        recovered += Duration::from_secs(1);
        assert!(recovered <= Duration::from_secs(10));
    }
    println!(
        "{most:.0}/s can be done; offered three times as much, {goodput:.0}/s ({:.2}) with p99 {:?} against {:?}; {} refused, p99 {:?}; \
         /metrics within {metrics:?}; recovered after {recovered:?}",
        goodput / most,
        p99(&over.served),
        p99(&base.served),
        over.refused.len(),
        over.refused.get(over.refused.len() * 99 / 100),
    );
    assert!(goodput >= 0.8 * most && recovered <= Duration::from_secs(5) && metrics <= Duration::from_secs(1));
}
