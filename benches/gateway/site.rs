//! What is measured, and what it needs around it: the gateway with its configurations, somebody else's issuer, an upstream.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use faregate::jose::{Algorithm, KeySet, SigningKey, TokenType};
use serde_json::json;

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

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_faregate");

/// What a gateway is configured with, beside what all have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
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

/// The body of a request for a token of our own.
pub const ASK_FOR_TOKEN: &str = "grant_type=client_credentials&client_id=reporting\
    &client_secret=bench-recipient-secret-bench-recipient&scope=target-entity:orders:read";

/// A token that only its issuer can say anything about.
pub const OPAQUE: &str = "2YotnFZFEjr1zCsicMWpAA2YotnFZFEjr1zCsicMWpAA";

/// With another signature, of the same length and in good form.
pub fn badly_signed(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let other: String = signature.chars().rev().collect();
    format!("{signed}.A{}A", &other[1..other.len() - 1])
}

/// Where the last of [`MANY_ROUTES`] leads.
pub fn last_of_many() -> String {
    format!("/{}/things/x", service(MANY_ROUTES - 1))
}

pub fn configuration(upstream: &str, corp: &Corp, kind: Kind) -> String {
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

pub struct Gateway {
    process: Child,
    pub url: String,
    admin: String,
    pub ready_after: Duration,
    folder: std::path::PathBuf,
}

impl Gateway {
    pub fn start(upstream: &str, corp: &Corp, kind: Kind) -> Self {
        Self::start_by(Command::new(PROGRAM), upstream, corp, kind)
    }

    /// `program` is the gateway, or what runs it.
    pub fn start_by(mut program: Command, upstream: &str, corp: &Corp, kind: Kind) -> Self {
        let folder = std::env::temp_dir().join(format!(
            "faregate-bench-{}-{}",
            std::process::id(),
            upstream.replace(['/', ':'], "-") + kind.name()
        ));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let file = folder.join("faregate.yaml");
        std::fs::write(&file, configuration(upstream, corp, kind)).expect("a temporary file");
        let started = Instant::now();
        let mut process = program
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
    pub fn becomes(&self, configuration: &str) {
        let file = self.folder.join("faregate.yaml");
        std::fs::write(&file, configuration).expect("a temporary file");
        let admin = self.admin.trim_start_matches("http://");
        let mut reload = Command::new(PROGRAM);
        let reload = reload.args(["reload", "--admin", admin, "--config"]).arg(&file).output().expect("it runs");
        assert!(reload.status.success(), "{}", String::from_utf8_lossy(&reload.stderr));
    }

    pub fn token(&self) -> String {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("a connection");
        let request = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{ASK_FOR_TOKEN}",
            ASK_FOR_TOKEN.len()
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let body = answer.split("\r\n\r\n").nth(1).expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// User and system time so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("/proc");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
        // USER_HZ is 100 on every Linux.
        Duration::from_millis(ticks * 10)
    }

    /// KiB.
    pub fn resident(&self) -> u64 {
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
pub fn start_upstream() -> String {
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

/// Somebody else's issuer, as far as it is asked: metadata, keys, introspection.
pub struct Corp {
    url: String,
    key: SigningKey,
    asked: Arc<AtomicUsize>,
}

impl Corp {
    pub fn start() -> Self {
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
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// As long as our own, so that both cost the same to read.
    pub fn token(&self) -> String {
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
