//! What a guarded request costs beside a public one, on the same binary in the same run, under load from wrk.
//!
//! It measures CPU time of the gateway's process (user and system, from /proc) over requests answered, which is steadier
//! than requests per second when the load generator shares the machine. Needs Linux and wrk (`scripts/deps bench`).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds over all cases, each beginning with another one. What is reported is the median over the rounds, and of ratios
/// the median of the ratios within a round, because machines get faster and slower while they are measured.
const ROUNDS: usize = 21;
const SECONDS: u32 = 1;
const CONNECTIONS: u32 = 32;
const DISTINCT_TOKENS: usize = 20_000;
const IDLE_CONNECTIONS: usize = 10_000;

const CONFIGURATION: &str = r#"
listen: 127.0.0.1:0
admin: 127.0.0.1:0
store: "sqlite::memory:"
keys: { master_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= }
log: { decisions: DECISIONS, format: json, level: error }
threads: 1
limits: { connections_per_ip: 20000 }
issuers: { self: {} }
upstreams: { app: "UPSTREAM" }
routes:
  /public/**: { upstream: app, public: true }
  /api/**: { upstream: app, require: permission read on orders }
directory:
  entity_types: { api: { permissions: [read] }, service: {} }
  entities:
    orders: { type: api, client_secret: bench-target-secret-bench-target-secret }
    reporting: { type: service, client_id: reporting, client_secret: bench-recipient-secret-bench-recipient }
  grants: [{ recipient: reporting, target: orders, permissions: [read] }]
"#;

fn main() {
    // `cargo test --benches` asks every bench to run; this one is a measurement, not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if Command::new("wrk").arg("--version").output().is_err() {
        eprintln!("wrk is not installed; run: scripts/deps bench");
        std::process::exit(1);
    }
    let upstream = start_upstream();
    let quiet = Gateway::start(&upstream, false);
    let logging = Gateway::start(&upstream, true);
    let token = quiet.token();
    // The first RSA key is made in the background; it is not idle before.
    std::thread::sleep(Duration::from_secs(5));
    println!("resident when idle: {} KiB; ready after {} ms", quiet.resident(), quiet.ready_after.as_millis());

    let tokens: Vec<String> = (0..DISTINCT_TOKENS).map(|_| quiet.token()).collect();
    let script = std::env::temp_dir().join(format!("faregate-bench-{}.lua", std::process::id()));
    std::fs::write(&script, lua(&tokens)).expect("a temporary file");
    let authorization = format!("Authorization: Bearer {token}");
    let logged = format!("Authorization: Bearer {}", logging.token());
    let bad = format!("Authorization: Bearer {}x", &token[..token.len() - 1]);
    let script = script.display().to_string();
    let cases: [Case<'_>; 7] = [
        ("public route, no token sent", &quiet, "/public/x", vec![]),
        ("public route, token sent", &quiet, "/public/x", vec!["-H", &authorization]),
        ("guarded, one token", &quiet, "/api/x", vec!["-H", &authorization]),
        ("guarded, 20,000 tokens", &quiet, "/api/x", vec!["-s", &script]),
        ("public, decision lines", &logging, "/public/x", vec![]),
        ("guarded, decision lines", &logging, "/api/x", vec!["-H", &logged]),
        ("refused, bad signature", &quiet, "/api/x", vec!["-H", &bad]),
    ];
    let mut rounds: Vec<Vec<Measured>> = Vec::new();
    for round in 0..ROUNDS {
        let mut measured = vec![Measured { per_second: 0.0, cpu_us: 0.0 }; cases.len()];
        for turn in 0..cases.len() {
            let at = (round + turn) % cases.len();
            measured[at] = measure(&cases[at]);
        }
        rounds.push(measured);
    }
    println!("{:27} {:>10} {:>12} {:>8} {:>8}", "case", "req/s", "CPU us/req", "ratio", "same");
    for (at, (name, ..)) in cases.iter().enumerate() {
        let column = |value: &dyn Fn(&[Measured]) -> f64| median(rounds.iter().map(|round| value(round)));
        // Beside the public route, and beside the public route when the same bytes are sent to it.
        let ratio = column(&|round| round[at].cpu_us / round[0].cpu_us);
        let same = column(&|round| round[at].cpu_us / round[1].cpu_us);
        let (per_second, cpu_us) = (column(&|round| round[at].per_second), column(&|round| round[at].cpu_us));
        println!("{name:27} {per_second:>10.0} {cpu_us:>12.2} {ratio:>8.3} {same:>8.3}");
    }
    token_endpoint(&quiet);
    idle_connections();
    let _ = std::fs::remove_file(script);
}

type Case<'a> = (&'a str, &'a Gateway, &'a str, Vec<&'a str>);

#[derive(Clone, Copy)]
struct Measured {
    per_second: f64,
    cpu_us: f64,
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure((name, gateway, path, extra): &Case<'_>) -> Measured {
    let url = format!("{}{path}", gateway.url);
    let (cpu, started) = (gateway.cpu(), Instant::now());
    let requests = wrk(&url, extra, name);
    let elapsed = started.elapsed().as_secs_f64();
    Measured { per_second: requests / elapsed, cpu_us: (gateway.cpu() - cpu).as_secs_f64() * 1e6 / requests }
}

/// Requests that were answered.
fn wrk(url: &str, extra: &[&str], name: &str) -> f64 {
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s")])
        .args(extra)
        .arg(url)
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let refused = text.contains("Non-2xx");
    assert_eq!(refused, name.starts_with("refused"), "{name}: {text}");
    let line = text.lines().find(|line| line.contains("requests in")).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().next().and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// Tokens per second and CPU per token, ES256, nothing written.
fn token_endpoint(gateway: &Gateway) {
    let script = std::env::temp_dir().join(format!("faregate-bench-token-{}.lua", std::process::id()));
    let body = format!("{CLIENT}&scope=target-entity:orders:read");
    let lua = format!(
        "wrk.method = \"POST\"\nwrk.body = \"{body}\"\nwrk.headers[\"Content-Type\"] = \"application/x-www-form-urlencoded\"\n"
    );
    std::fs::write(&script, lua).expect("a temporary file");
    let path = script.display().to_string();
    let case = ("token endpoint, ES256", gateway, "/oauth2/token", vec!["-s", path.as_str()]);
    let runs: Vec<Measured> = (0..5).map(|_| measure(&case)).collect();
    let per_second = median(runs.iter().map(|run| run.per_second));
    println!("{:27} {per_second:>10.0} {:>12.2}", case.0, median(runs.iter().map(|run| run.cpu_us)));
    let _ = std::fs::remove_file(script);
}

/// What keep-alive connections cost that were used once and wait for their next request.
fn idle_connections() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let gateway = Gateway::start(&start_upstream(), false);
    let host = gateway.url.trim_start_matches("http://").to_owned();
    let before = gateway.resident();
    let request = format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let connections: Vec<TcpStream> = (0..IDLE_CONNECTIONS)
        .map(|_| {
            let mut stream = TcpStream::connect(&host).expect("a connection");
            stream.write_all(request.as_bytes()).expect("a request");
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\nok") {
                let mut buffer = [0; 1024];
                let read = stream.read(&mut buffer).expect("an answer");
                assert_ne!(read, 0, "the connection is kept");
                answer.extend_from_slice(&buffer[..read]);
            }
            stream
        })
        .collect();
    let after = gateway.resident();
    let each = (after - before) as f64 / connections.len() as f64;
    println!("resident with {IDLE_CONNECTIONS} idle connections: {after} KiB ({each:.1} KiB each)");
}

fn lua(tokens: &[String]) -> String {
    let list = tokens.iter().map(|token| format!("\"{token}\"")).collect::<Vec<_>>().join(",\n");
    format!(
        "local tokens = {{\n{list}\n}}\nlocal at = 0\nrequest = function()\n  at = at % #tokens + 1\n  \
         return wrk.format(\"GET\", nil, {{ [\"Authorization\"] = \"Bearer \" .. tokens[at] }})\nend\n"
    )
}

const CLIENT: &str =
    "grant_type=client_credentials&client_id=reporting&client_secret=bench-recipient-secret-bench-recipient";

struct Gateway {
    process: Child,
    url: String,
    ready_after: Duration,
    folder: std::path::PathBuf,
}

impl Gateway {
    fn start(upstream: &str, decisions: bool) -> Self {
        let folder = std::env::temp_dir().join(format!("faregate-bench-{}-{decisions}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let file = folder.join("faregate.yaml");
        let text = CONFIGURATION.replace("UPSTREAM", upstream).replace("DECISIONS", &decisions.to_string());
        std::fs::write(&file, text).expect("a temporary file");
        let started = Instant::now();
        let mut process = Command::new(env!("CARGO_BIN_EXE_faregate"))
            .args(["serve", "--format", "json", "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the gateway starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let ready_after = started.elapsed();
        let described: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let url = described["gateway"].as_str().expect("a URL").to_owned();
        Self { process, url, ready_after, folder }
    }

    fn token(&self) -> String {
        let body = format!("{CLIENT}&scope=target-entity:orders:read");
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("a connection");
        let request = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let body = answer.split("\r\n\r\n").nth(1).expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    /// User and system time so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("/proc");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
        // USER_HZ is 100 on every Linux.
        Duration::from_millis(ticks * 10)
    }

    /// KiB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("/proc");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).expect("a number")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An upstream that does as little as possible, in threads of this process.
fn start_upstream() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", socket.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            std::thread::spawn(move || answer_all(stream));
        }
    });
    url
}

fn answer_all(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 16 * 1024];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..]) {
            Ok(read) if read > 0 => filled += read,
            Ok(_) | Err(_) => return,
        }
        // No request here has a body.
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }
}
