//! Somebody else's authorization server: a real HTTP server on a port of its own, with keys, that a test can break.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use faregate::jose::{Algorithm, KeySet, SigningKey, TokenType};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::requests::{read_body, read_head};

pub const METADATA: &str = "/.well-known/openid-configuration";
pub const METADATA_8414: &str = "/.well-known/oauth-authorization-server";
pub const JWKS: &str = "/jwks";
pub const INTROSPECT: &str = "/introspect";
pub const AUTHORIZE: &str = "/authorize";
pub const TOKEN: &str = "/token";
pub const END_SESSION: &str = "/end-session";
pub const REVOKE: &str = "/revoke";

/// What the server does with a request for a path.
#[derive(Clone)]
pub enum Reply {
    /// 200 and this document, with these further field lines (each ended by CRLF).
    Document(String, &'static str),
    /// This whole answer.
    Raw(String),
    /// As before, later.
    Late(Duration, Box<Self>),
    /// 200, and then bytes without end.
    Endless,
    /// Closes without an answer.
    Close,
    /// What this makes of the request.
    Made(Arc<dyn Fn(&Asked) -> Self + Send + Sync>),
}

impl Reply {
    pub fn json(document: &Value) -> Self {
        Self::Document(document.to_string(), "")
    }

    pub fn status(status: u16) -> Self {
        Self::Raw(format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n"))
    }
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub head: String,
    pub body: String,
}

#[derive(Default)]
struct State {
    replies: HashMap<String, Reply>,
    asked: Vec<Asked>,
}

pub struct ForeignIssuer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    key: Arc<SigningKey>,
    serving: JoinHandle<()>,
    /// Where others find it.
    origin: String,
}

impl ForeignIssuer {
    /// One that publishes metadata and one key.
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let serving = tokio::spawn(serve(socket, state.clone()));
        let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
        let issuer = Self { address, state, key, serving, origin: format!("http://{address}") };
        issuer.describe(json!({}));
        issuer.publish(&[&issuer.key]);
        issuer
    }

    /// Is found there from now on, where somebody passes on what comes.
    pub fn move_to(&mut self, origin: String) {
        self.origin = origin;
        self.describe(json!({}));
    }

    /// Publishes the usual metadata with these members.
    pub fn describe(&self, more: Value) {
        let mut metadata = json!({
            "issuer": self.url(),
            "jwks_uri": format!("{}{JWKS}", self.url()),
            "introspection_endpoint": format!("{}{INTROSPECT}", self.url()),
        });
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.reply(METADATA, Reply::json(&metadata));
    }

    /// Stops listening, at once and for everybody.
    pub fn stop(&self) {
        self.serving.abort();
    }

    /// Listens again where it did.
    pub async fn resume(&mut self) {
        let socket = TcpListener::bind(self.address).await.unwrap();
        self.serving = tokio::spawn(serve(socket, self.state.clone()));
    }

    pub fn url(&self) -> String {
        self.origin.clone()
    }

    pub fn reply(&self, path: &str, reply: Reply) {
        self.state.lock().unwrap().replies.insert(path.to_owned(), reply);
    }

    pub fn publish(&self, keys: &[&SigningKey]) {
        let keys = KeySet::new(keys.iter().map(|key| Arc::clone(key.verifying_key())));
        self.reply(JWKS, Reply::Document(String::from_utf8(keys.document().to_vec()).unwrap(), ""));
    }

    /// A new key takes the place of the old one, published and used at once.
    pub fn rotate(&mut self) {
        self.key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
        self.publish(&[&self.key]);
    }

    /// Lets everybody in, as `ann`, who is sent here by the client `gate`: no questions asked. Access tokens, for `api`, live
    /// for `life` seconds. Refresh tokens are good once, and using one twice ends them all.
    pub fn let_people_in(&self, life: i64) {
        let url = self.url();
        let metadata = json!({
            "issuer": url,
            "jwks_uri": format!("{url}{JWKS}"),
            "authorization_endpoint": format!("{url}{AUTHORIZE}"),
            "token_endpoint": format!("{url}{TOKEN}"),
            "end_session_endpoint": format!("{url}{END_SESSION}"),
            "revocation_endpoint": format!("{url}{REVOKE}"),
            "authorization_response_iss_parameter_supported": true,
        });
        self.reply(METADATA, Reply::json(&metadata));
        let issuer = url.clone();
        let authorize = move |asked: &Asked| {
            let sent = |name: &str| parameter(asked.path.split_once('?').unwrap_or_default().1, name);
            // The code is the nonce, so that nothing has to be remembered.
            let answer = [("code", sent("nonce")), ("state", sent("state")), ("iss", encoded(&issuer))];
            let answer = answer.map(|(name, value)| format!("{name}={value}")).join("&");
            let to = format!("{}?{answer}", decoded(&sent("redirect_uri")));
            Reply::Raw(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
        };
        self.reply(AUTHORIZE, Reply::Made(Arc::new(authorize)));
        let (key, newest) = (self.key.clone(), Mutex::new(0_u32));
        let token = move |asked: &Asked| {
            let mut newest = newest.lock().unwrap();
            let code = parameter(&asked.body, "code");
            let presented = parameter(&asked.body, "refresh_token");
            if code.is_empty() && presented != format!("refresh-{newest}") {
                *newest += 1000;
                let body = r#"{"error":"invalid_grant"}"#;
                let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length:";
                return Reply::Raw(format!("{head} {}\r\n\r\n{body}", body.len()));
            }
            *newest += 1;
            let usual = json!({ "iss": url, "sub": "ann", "sid": "s1", "iat": now() });
            let signed = |kind, more: Value| {
                let mut claims = usual.clone();
                claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                key.sign(kind, &claims).unwrap()
            };
            let mut identity = json!({ "aud": "gate", "exp": now() + 300 });
            if !code.is_empty() {
                identity["nonce"] = code.into();
            }
            let access = json!({ "aud": "api", "exp": now() + life, "scope": "read", "jti": format!("t{newest}") });
            Reply::json(&json!({
                "token_type": "Bearer",
                "expires_in": life,
                "access_token": signed(TokenType::AccessToken, access),
                "id_token": signed(TokenType::Jwt, identity),
                "refresh_token": format!("refresh-{newest}"),
            }))
        };
        self.reply(TOKEN, Reply::Made(Arc::new(token)));
        let bye = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\n\r\n<!DOCTYPE html><h1>Bye</h1>";
        self.reply(END_SESSION, Reply::Raw(bye.to_owned()));
        self.reply(REVOKE, Reply::Document(String::new(), ""));
    }

    pub fn key(&self) -> Arc<SigningKey> {
        self.key.clone()
    }

    pub fn asked(&self, path: &str) -> Vec<Asked> {
        self.state.lock().unwrap().asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }

    pub fn count(&self, path: &str) -> usize {
        self.asked(path).len()
    }

    /// The queries with which browsers came to log in.
    pub fn logins(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let queries = state.asked.iter().filter_map(|asked| asked.path.strip_prefix(AUTHORIZE)?.strip_prefix('?'));
        queries.map(str::to_owned).collect()
    }

    /// A token for `api` with these claims, which take the place of the usual ones; null removes one.
    pub fn token(&self, claims: Value) -> String {
        self.signed(TokenType::AccessToken, claims)
    }

    pub fn signed(&self, token_type: TokenType, claims: Value) -> String {
        self.key.sign(token_type, &self.claims(claims)).unwrap()
    }

    /// The usual claims with these.
    pub fn claims(&self, claims: Value) -> Value {
        let mut all = json!({
            "iss": self.url(), "sub": "someone", "aud": "api", "exp": now() + 300, "iat": now(), "scope": "read",
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        all
    }
}

/// The value of a parameter as it was sent, empty if it was not.
fn parameter(text: &str, name: &str) -> String {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(other, _)| *other == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let byte = u8::from_str_radix(&piece[..2], 16).unwrap();
        format!("{text}{}{}", char::from(byte), &piece[2..])
    })
}

impl Drop for ForeignIssuer {
    fn drop(&mut self) {
        self.stop();
    }
}

pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A token with this `kid` that nobody signed.
pub fn forged(issuer: &str, kid: &str) -> String {
    let header = json!({ "alg": "ES256", "kid": kid, "typ": "at+jwt" }).to_string();
    let claims = json!({ "iss": issuer, "sub": "s", "aud": "api", "exp": now() + 300 }).to_string();
    [header, claims, "x".repeat(64)].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

async fn serve(socket: TcpListener, state: Arc<Mutex<State>>) {
    // Connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = socket.accept().await {
        connections.spawn(converse(stream, state.clone()));
    }
}

async fn converse(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = read_head(&mut stream, &mut buffer).await else { return };
        let Some(body) = read_body(&mut stream, &mut buffer, &head).await else { return };
        let body = String::from_utf8_lossy(&body).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let reply = {
            let mut state = state.lock().unwrap();
            let alone = path.split('?').next().unwrap_or_default();
            let reply = state.replies.get(&path).or_else(|| state.replies.get(alone)).cloned();
            let asked = Asked { path, head, body };
            state.asked.push(asked.clone());
            match reply.unwrap_or(Reply::status(404)) {
                Reply::Made(make) => make(&asked),
                reply => reply,
            }
        };
        if !answer(&mut stream, reply).await {
            return;
        }
    }
}

/// Whether the connection may go on.
async fn answer(stream: &mut TcpStream, mut reply: Reply) -> bool {
    while let Reply::Late(wait, inner) = reply {
        tokio::time::sleep(wait).await;
        reply = *inner;
    }
    match reply {
        Reply::Document(body, fields) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await.is_ok()
        }
        Reply::Raw(answer) => stream.write_all(answer.as_bytes()).await.is_ok(),
        Reply::Endless => {
            let piece = [b' '; 8192];
            if stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{").await.is_ok() {
                while stream.write_all(&piece).await.is_ok() {}
            }
            false
        }
        Reply::Close | Reply::Late(..) | Reply::Made(_) => false,
    }
}
