//! What a guarded request costs beside a public one, on the same binary in the same run, under load from wrk: with tokens of our
//! own, with those of another issuer, with introspected ones, and among fifty issuers and a thousand rules.
//!
//! It measures CPU time of the gateway's process (user and system, from /proc) over requests answered, which is steadier
//! than requests per second when the load generator shares the machine. Needs Linux and wrk (`scripts/deps bench`).
//!
//! `cargo bench --bench gateway -- foreign crowd` measures only what is called so, beside what it is compared with; `ROUNDS=101`
//! before it takes more rounds, where a machine is noisy.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use faregate::jose::{Algorithm, KeySet, SigningKey, TokenType};
use serde_json::json;

/// Rounds over all cases, each beginning with another one. What is reported is the median over the rounds, and of ratios
/// the median of the ratios within a round, because machines get faster and slower while they are measured, and between
/// which two lies the middle half of them.
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
issuers:
  self: {}
  corp: { issuer: "CORP", audience: api, introspection: { client_id: gate, client_secret: bench, cache: 1h } }
MORE_ISSUERS
upstreams: { app: "UPSTREAM" }
routes:
  /public/**: { upstream: app, public: true }
  /api/**: { upstream: app, tokens: [self], require: permission read on orders }
  /corp/**: { upstream: app, tokens: [corp], require: RULE }
MORE_ROUTES
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
    let corp = Corp::start();
    let quiet = Gateway::start(&upstream, &corp, Kind::Quiet);
    let logging = Gateway::start(&upstream, &corp, Kind::Logging);
    let token = quiet.token();
    // The first RSA key is made in the background; it is not idle before.
    std::thread::sleep(Duration::from_secs(5));
    println!("resident when idle: {} KiB; ready after {} ms", quiet.resident(), quiet.ready_after.as_millis());

    let tokens: Vec<String> = (0..DISTINCT_TOKENS).map(|_| quiet.token()).collect();
    let script = std::env::temp_dir().join(format!("faregate-bench-{}.lua", std::process::id()));
    std::fs::write(&script, lua(&tokens)).expect("a temporary file");
    let authorization = format!("Authorization: Bearer {token}");
    let logged = format!("Authorization: Bearer {}", logging.token());
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    // Another signature, of the same length and in good form; and one that cannot be one, for its last bits are none.
    let other: String = signature.chars().rev().collect();
    let bad = format!("Authorization: Bearer {signed}.A{}A", &other[1..other.len() - 1]);
    let malformed = format!("Authorization: Bearer {}x", &token[..token.len() - 1]);
    let script = script.display().to_string();
    let foreign = format!("Authorization: Bearer {}", corp.token());
    let opaque = "Authorization: Bearer 2YotnFZFEjr1zCsicMWpAA2YotnFZFEjr1zCsicMWpAA";
    // Each beside the one that it is to be compared with.
    let cases: [Case<'_>; 12] = [
        ("public route, no token sent", &quiet, "/public/x", vec![], 0),
        ("public route, token sent", &quiet, "/public/x", vec!["-H", &authorization], 0),
        ("guarded, one token", &quiet, "/api/x", vec!["-H", &authorization], 1),
        ("guarded, 20,000 tokens", &quiet, "/api/x", vec!["-s", &script], 1),
        ("public, decision lines", &logging, "/public/x", vec![], 0),
        ("guarded, decision lines", &logging, "/api/x", vec!["-H", &logged], 1),
        ("refused, bad signature", &quiet, "/api/x", vec!["-H", &bad], 1),
        ("refused, malformed", &quiet, "/api/x", vec!["-H", &malformed], 1),
        ("public, foreign JWT sent", &quiet, "/public/x", vec!["-H", &foreign], 0),
        ("guarded, foreign JWT", &quiet, "/corp/x", vec!["-H", &foreign], 8),
        ("public, opaque token sent", &quiet, "/public/x", vec!["-H", opaque], 0),
        ("guarded, introspected", &quiet, "/corp/x", vec!["-H", opaque], 10),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_named = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let chosen: Vec<usize> = (0..cases.len())
        .filter(|at| cases.iter().enumerate().any(|(own, case)| is_named(case.0) && [0, own, case.4].contains(at)))
        .collect();
    println!("{:27} {:>10} {:>12} {:>8} {:>8} {:>13}", "case", "req/s", "CPU us/req", "ratio", "beside", "middle half");
    for &at in &chosen {
        // Verified, or introspected, before it is measured.
        measure(&cases[at]);
    }
    let asked = corp.asked();
    let mut rounds: Vec<Vec<Measured>> = Vec::new();
    let wanted_rounds = std::env::var("ROUNDS").map_or(ROUNDS, |number| number.parse().expect("a number"));
    for round in 0..wanted_rounds {
        let mut measured = vec![Measured { per_second: 0.0, cpu_us: 0.0 }; cases.len()];
        for turn in 0..chosen.len() {
            let at = chosen[(round + turn) % chosen.len()];
            measured[at] = measure(&cases[at]);
        }
        rounds.push(measured);
    }
    assert_eq!(corp.asked(), asked, "answers of the issuer are remembered while it is measured");
    report(&rounds, chosen.iter().map(|&at| (at, cases[at].0, cases[at].4, cases[cases[at].4].0)));
    if is_named(CROWD) {
        crowd(&upstream, &corp, &foreign, wanted_rounds);
    }
    if wanted.is_empty() {
        token_endpoint(&quiet);
        idle_connections();
    }
    let _ = std::fs::remove_file(script);
}

/// A line for each case: its place, its name, and the place and the name of what it is beside.
fn report<'a>(rounds: &[Vec<Measured>], cases: impl Iterator<Item = (usize, &'a str, usize, &'a str)>) {
    for (at, name, beside, its_name) in cases {
        let column = |value: &dyn Fn(&[Measured]) -> f64| median(rounds.iter().map(|round| value(round)));
        // Beside the public route, and beside the case with the same bytes that differs in one thing.
        let ratio = column(&|round| round[at].cpu_us / round[0].cpu_us);
        let beside_it = |round: &Vec<Measured>| round[at].cpu_us / round[beside].cpu_us;
        let [low, same, high] = [1, 2, 3].map(|quarter| quantile(rounds.iter().map(beside_it), quarter, 4));
        let (per_second, cpu_us) = (column(&|round| round[at].per_second), column(&|round| round[at].cpu_us));
        println!(
            "{name:27} {per_second:>10.0} {cpu_us:>12.2} {ratio:>8.3} {same:>8.3} {low:>6.3}-{high:.3}  {its_name}"
        );
    }
}

/// Name, gateway, path, what wrk is told beside, and the place of the case that it is compared with.
type Case<'a> = (&'a str, &'a Gateway, &'a str, Vec<&'a str>, usize);

/// What a gateway is configured with, beside what all have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quiet,
    Logging,
    /// [`MANY_ISSUERS`], as many routes as [`MANY_ROUTES`] with a rule each, and a rule of a thousand.
    Crowded,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Logging => "logging",
            Self::Crowded => "crowded",
        }
    }
}

const MANY_ISSUERS: usize = 50;
const MANY_ROUTES: usize = 1000;

fn service(number: usize) -> String {
    format!("service-{number}")
}

/// Somebody else's issuer, as far as it is asked: metadata, keys, introspection.
struct Corp {
    url: String,
    key: SigningKey,
    asked: Arc<AtomicUsize>,
}

impl Corp {
    fn start() -> Self {
        let key = SigningKey::generate(Algorithm::Es256).expect("a key");
        let keys = KeySet::new([Arc::clone(key.verifying_key())]);
        let keys = String::from_utf8(keys.document().to_vec()).expect("UTF-8");
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", socket.local_addr().expect("an address"));
        let metadata = json!({
            "issuer": url, "jwks_uri": format!("{url}/keys"), "introspection_endpoint": format!("{url}/introspect"),
        });
        let active = json!({ "active": true, "sub": "someone", "aud": "api", "scope": "read", "exp": now() + 3600 });
        let documents = [("/.well-known/openid-configuration", metadata.to_string()), ("/keys", keys)];
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in socket.incoming().flatten() {
                let mut head = Vec::new();
                let mut buffer = [0; 4096];
                while !head.windows(4).any(|window| window == b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
                        Ok(_) | Err(_) => break,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                // A connection that is closed with something unread is reset.
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                let read = head.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
                let mut rest = vec![0; length.unwrap_or(0).saturating_sub(read)];
                let _ = stream.read_exact(&mut rest);
                let path = head.split(' ').nth(1).unwrap_or_default();
                if path == "/introspect" {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                let document = documents.iter().find(|(own, _)| *own == path).map(|(_, document)| document.clone());
                let document = document.unwrap_or_else(|| active.to_string());
                let length = document.len();
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
                let _ = stream.write_all((head + &document).as_bytes());
            }
        });
        Self { url, key, asked }
    }

    /// How often it was asked about tokens.
    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// As long as our own, so that both cost the same to read.
    fn token(&self) -> String {
        let claims = json!({
            "iss": self.url, "sub": "2934f41f-d277-4a32-b0d5-16e47dad9721", "aud": "api", "exp": now() + 3600, "iat": now(),
            "jti": "0b02f509-bcf3-4b8d-a3db-03f98ace9d9f", "client_id": "2934f41f-d277-4a32-b0d5-16e47dad9721",
            "scope": "read", "roles": ["reader"], "sid": "30663132-6464-6665-3032-326466613934",
        });
        self.key.sign(TokenType::AccessToken, &claims).expect("a token")
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

#[derive(Clone, Copy)]
struct Measured {
    per_second: f64,
    cpu_us: f64,
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values, 1, 2)
}

fn quantile(values: impl Iterator<Item = f64>, part: usize, of: usize) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() * part / of]
}

fn measure((name, gateway, path, extra, _): &Case<'_>) -> Measured {
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

const CROWD: &str = "crowd";

/// What fifty issuers and a thousand rules cost a request beside one of each. It is one process throughout, which is told in each
/// round to go on with the other configuration: two processes with the *same* configuration differ by up to a fifth, because of
/// where their memory lies, and that would be all that is seen. The second reading of the small configuration shows what is noise.
fn crowd(upstream: &str, corp: &Corp, token: &str, rounds: usize) {
    let gateway = Gateway::start(upstream, corp, Kind::Quiet);
    let [few, many] = [Kind::Quiet, Kind::Crowded].map(|kind| configuration(upstream, corp, kind));
    let last = format!("/{}/things/x", service(MANY_ROUTES - 1));
    let cases: [(&str, &str, &str, usize); 7] = [
        ("public, one of each", &few, "/public/x", 0),
        ("guarded, one of each", &few, "/corp/x", 1),
        ("public, the same again", &few, "/public/x", 0),
        ("guarded, the same again", &few, "/corp/x", 1),
        ("public, among a crowd", &many, "/public/x", 0),
        ("guarded, among a crowd", &many, "/corp/x", 1),
        ("last route of a crowd", &many, &last, 1),
    ];
    let states = [0..2, 2..4, 4..cases.len()];
    let mut measured: Vec<Vec<Measured>> = Vec::new();
    for round in 0..rounds {
        let mut of_round = vec![Measured { per_second: 0.0, cpu_us: 0.0 }; cases.len()];
        for turn in 0..states.len() {
            let state = states[(round + turn) % states.len()].clone();
            gateway.becomes(cases[state.start].1);
            let asked = |at: usize| (cases[at].0, &gateway, cases[at].2, vec!["-H", token], 0);
            // Whatever is made by the first request is there before it is measured.
            measure(&asked(state.end - 1));
            for at in state {
                of_round[at] = measure(&asked(at));
            }
        }
        measured.push(of_round);
    }
    report(&measured, cases.iter().enumerate().map(|(at, &(name, _, _, beside))| (at, name, beside, cases[beside].0)));
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
    let case = ("token endpoint, ES256", gateway, "/oauth2/token", vec!["-s", path.as_str()], 0);
    let runs: Vec<Measured> = (0..5).map(|_| measure(&case)).collect();
    let per_second = median(runs.iter().map(|run| run.per_second));
    println!("{:27} {per_second:>10.0} {:>12.2}", case.0, median(runs.iter().map(|run| run.cpu_us)));
    let _ = std::fs::remove_file(script);
}

/// What keep-alive connections cost that were used once and wait for their next request.
fn idle_connections() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let gateway = Gateway::start(&start_upstream(), &Corp::start(), Kind::Quiet);
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

fn configuration(upstream: &str, corp: &Corp, kind: Kind) -> String {
    let (mut issuers, mut routes, mut rule) = (String::new(), String::new(), "scope read".to_owned());
    if kind == Kind::Crowded {
        // Two are there already.
        for number in 2..MANY_ISSUERS {
            let url = format!("https://issuer-{number}.example");
            let jwks = KeySet::new([Arc::clone(corp.key.verifying_key())]);
            let jwks = String::from_utf8_lossy(&jwks.document()).into_owned();
            let _ = writeln!(issuers, "  other-{number}: {{ issuer: {url}, audience: api, jwks: '{jwks}' }}");
        }
        for number in 0..MANY_ROUTES {
            let name = service(number);
            let _ = writeln!(
                routes,
                "  /{name}/things/**: {{ upstream: app, tokens: [corp], require: \"any: [scope read, role {name}]\" }}"
            );
        }
        let scopes: Vec<String> = (0..MANY_ROUTES - 1).map(|number| format!("scope {}", service(number))).collect();
        rule = format!("\"any: [{}, scope read]\"", scopes.join(", "));
    }
    CONFIGURATION
        .replace("UPSTREAM", upstream)
        .replace("DECISIONS", &(kind == Kind::Logging).to_string())
        .replace("CORP", &corp.url)
        .replace("MORE_ISSUERS\n", &issuers)
        .replace("MORE_ROUTES\n", &routes)
        .replace("RULE", &rule)
}

struct Gateway {
    process: Child,
    url: String,
    admin: String,
    ready_after: Duration,
    folder: std::path::PathBuf,
}

impl Gateway {
    fn start(upstream: &str, corp: &Corp, kind: Kind) -> Self {
        let folder = std::env::temp_dir().join(format!(
            "faregate-bench-{}-{}",
            std::process::id(),
            upstream.replace(['/', ':'], "-") + kind.name()
        ));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let file = folder.join("faregate.yaml");
        std::fs::write(&file, configuration(upstream, corp, kind)).expect("a temporary file");
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
        let [url, admin] = ["gateway", "admin"].map(|name| described[name].as_str().expect("a URL").to_owned());
        Self { process, url, admin, ready_after, folder }
    }

    /// The same process goes on with another configuration.
    fn becomes(&self, configuration: &str) {
        let file = self.folder.join("faregate.yaml");
        std::fs::write(&file, configuration).expect("a temporary file");
        let admin = self.admin.trim_start_matches("http://");
        let mut reload = Command::new(env!("CARGO_BIN_EXE_faregate"));
        let reload = reload.args(["reload", "--admin", admin, "--config"]).arg(&file).output().expect("it runs");
        assert!(reload.status.success(), "{}", String::from_utf8_lossy(&reload.stderr));
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
