//! What the comparison needs beside the gateways: tokens, an upstream, an issuer that counts its questions, and a proxy
//! that is Pingora and nothing else. `benches/compare/run` starts it.
//!
//! Owns none of the measuring.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use faregate::jose::{Algorithm, KeySet, SigningKey, TokenType};
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::{Opt, ServerConf};
use pingora::upstreams::peer::HttpPeer;
use serde_json::{Value, json};

/// As in the gateway, so that both allocate alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "workbench tokens FOLDER COUNT | upstream ADDRESS | issuer ADDRESS FOLDER | proxy ADDRESS UPSTREAM";
const ISSUER: &str = "https://issuer.example";
const LIVES_FOR: u64 = 24 * 3600;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["tokens", folder, count] => write_tokens(Path::new(folder), count.parse().expect("a number")),
        ["upstream", address] => serve(address, |_| "ok".into()),
        ["issuer", address, folder] => serve_issuer(address, Path::new(folder)),
        ["proxy", address, upstream] => proxy(address, upstream),
        _ => {
            // Cargo runs examples of nobody; this is for whoever does.
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    };
    outcome.expect("files and sockets of this machine");
}

// --- Tokens -----------------------------------------------------------------------------------------------------------

/// For each algorithm: `COUNT` good tokens, one a line, some that nobody may accept, and the public key as PEM.
fn write_tokens(folder: &Path, count: usize) -> io::Result<()> {
    // The length that most issuers use.
    let rsa = SigningKey::generate_rsa(Algorithm::Rs256, 2048).expect("a key");
    let elliptic = SigningKey::generate(Algorithm::Es256).expect("a key");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    for (name, key) in [("rs256", &rsa), ("es256", &elliptic)] {
        let signed = |claims: &Value| key.sign(TokenType::AccessToken, claims).expect("a token");
        let tokens: Vec<String> = (0..count).map(|number| signed(&claims(now, number))).collect();
        fs::write(folder.join(format!("{name}.txt")), tokens.join("\n"))?;
        let but = |name: &str, value: Value| {
            let mut claims = claims(now, count);
            claims[name] = value;
            signed(&claims)
        };
        let (message, _) = tokens[0].rsplit_once('.').expect("three parts");
        let (_, other) = tokens[1].rsplit_once('.').expect("three parts");
        let bad = json!({
            "bad signature": format!("{message}.{other}"),
            "expired": but("exp", (now - 3600).into()),
            "another audience": but("aud", "somebody-else".into()),
            "another issuer": but("iss", "https://evil.example".into()),
            "another scope": but("scope", "orders:write profile".into()),
        });
        fs::write(folder.join(format!("{name}-bad.json")), bad.to_string())?;
        fs::write(folder.join(format!("{name}.pem")), key.verifying_key().to_pem().expect("a public key"))?;
    }
    let keys = [&rsa, &elliptic].map(|key| Arc::clone(key.verifying_key()));
    fs::write(folder.join("jwks.json"), KeySet::new(keys).document())
}

/// What an access token of RFC 9068 says, 700 to 900 bytes once signed.
fn claims(now: u64, number: usize) -> Value {
    json!({
        "iss": ISSUER,
        "aud": "api",
        "sub": format!("2934f41f-d277-4a32-b0d5-{number:012}"),
        "client_id": "8f2b1a34-0d5e-4c1b-9a6f-6f2f3f1f7d11",
        "exp": now + LIVES_FOR,
        "iat": now,
        "jti": format!("0b02f509-bcf3-4b8d-a3db-{number:012}"),
        "scope": "orders:read orders:write profile",
        "tid": "30663132-6464-6665-3032-326466613934",
    })
}

// --- Servers ----------------------------------------------------------------------------------------------------------

/// Keys, and answers about opaque tokens: every one that begins with `opaque-` is active. `/count` says how many were asked.
fn serve_issuer(address: &str, folder: &Path) -> io::Result<()> {
    let keys = fs::read_to_string(folder.join("jwks.json"))?;
    let asked = AtomicU64::new(0);
    let expires_at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + LIVES_FOR;
    serve(address, move |request| {
        if request.starts_with("GET /jwks.json") {
            return keys.clone();
        }
        if request.starts_with("GET /count") {
            return asked.load(Ordering::Relaxed).to_string();
        }
        asked.fetch_add(1, Ordering::Relaxed);
        let is_active = request.contains("token=opaque-");
        let more = json!({ "active": true, "iss": ISSUER, "aud": "api", "sub": "2934f41f", "client_id": "8f2b1a34",
            "scope": "orders:read", "exp": expires_at, "token_type": "Bearer" });
        if is_active { more.to_string() } else { json!({ "active": false }).to_string() }
    })
}

/// As little of a server as can be: a thread for each connection, and an answer for each request.
fn serve(address: &str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> io::Result<()> {
    let socket = TcpListener::bind(address)?;
    let answer = Arc::new(answer);
    for stream in socket.incoming() {
        let (stream, answer) = (stream?, Arc::clone(&answer));
        std::thread::spawn(move || answer_all(stream, &*answer));
    }
    Ok(())
}

fn answer_all(mut stream: TcpStream, answer: &dyn Fn(&str) -> String) {
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; 32 * 1024];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..]) {
            Ok(read) if read > 0 => filled += read,
            Ok(_) | Err(_) => return,
        }
        let request = String::from_utf8_lossy(&buffer[..filled]).into_owned();
        if !is_whole(&request) {
            continue;
        }
        filled = 0;
        let body = answer(&request);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
        if stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).is_err() {
            return;
        }
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

// --- Bare Pingora -----------------------------------------------------------------------------------------------------

struct Bare(HttpPeer);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut Self::CTX) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(self.0.clone()))
    }
}

fn proxy(address: &str, upstream: &str) -> io::Result<()> {
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: 512, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare(HttpPeer::new(upstream, false, String::new())));
    service.add_tcp(address);
    server.add_service(service);
    server.run_forever()
}
