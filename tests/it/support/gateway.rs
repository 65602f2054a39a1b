//! The real gateway on free ports, with its real store, in front of a recording upstream.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use faregate::config::{self, Environment};
use faregate::serve::{self, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::files::Folder;
use super::upstream::Upstream;
use super::wire::Wire;

pub const TARGET_ID: &str = "e13365f1-a270-493e-bd1b-3d239d753d53";
pub const RECIPIENT_ID: &str = "2934f41f-d277-4a32-b0d5-16e47dad9721";
/// With the bytes that percent-encoding and Basic disagree on (F-182).
pub const RECIPIENT_SECRET: &str = "+fcXet9Iu2kQi61yWD9Tu4ReZ113P6yEAkr32v6WKOQ=";
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What every gateway of the tests has.
const HEAD: &str = r#"
admin: 127.0.0.1:0
store: "${STORE}"
keys: { master_key: "${MASTER_KEY}", rotation: { publish_before: "${PUBLISH_BEFORE:-10m}" } }
log: { decisions: false, format: json, level: error }
threads: 2
shutdown: { grace: 2s }
"#;

/// One entity that may read `orders`.
pub const FRAME: &str = r#"
listen: "${LISTEN}"
issuers: { self: {} }
directory:
  entity_types:
    api: { permissions: [read, write, "scim:user:read"] }
    service: {}
  entities:
    orders: { id: e13365f1-a270-493e-bd1b-3d239d753d53, type: api, client_secret: target-secret-target-secret-target-secret-12 }
    reporting: { id: 2934f41f-d277-4a32-b0d5-16e47dad9721, type: service, client_secret: "${RECIPIENT_SECRET}" }
  grants:
    - { recipient: reporting, target: orders, permissions: [read] }
"#;

/// The routes of most tests.
pub const ROUTES: &str = r#"
upstreams: { app: "${UPSTREAM}" }
routes:
  /public/**: { upstream: app, public: true }
  /api/**:
    upstream: app
    require: { GET: permission read on orders, "*": permission write on orders }
  /any/**: { upstream: app, require: authenticated }
  /admin/**: { upstream: app, require: role admin }
  /entities/{entity}/read: { upstream: app, require: "permission read on {entity}" }
"#;

pub struct Gateway {
    pub running: Running,
    pub upstream: Upstream,
    pub address: SocketAddr,
}

impl Gateway {
    /// A gateway with [`ROUTES`].
    pub async fn start() -> Self {
        Self::with(ROUTES, &[]).await
    }

    /// A gateway with these sections beside [`FRAME`]; `${UPSTREAM}` in them is the recording upstream.
    pub async fn with(sections: &str, variables: &[(&str, &str)]) -> Self {
        Self::of(&format!("{FRAME}{sections}"), variables).await
    }

    /// A gateway with these sections and nothing but [`HEAD`] beside them: `listen`, `issuers`, `directory` are the test's.
    pub async fn of(sections: &str, variables: &[(&str, &str)]) -> Self {
        let upstream = Upstream::start().await;
        let mut environment = vec![
            ("LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("STORE".to_owned(), "sqlite::memory:".to_owned()),
            ("MASTER_KEY".to_owned(), MASTER_KEY.to_owned()),
            ("RECIPIENT_SECRET".to_owned(), RECIPIENT_SECRET.to_owned()),
            ("UPSTREAM".to_owned(), upstream.url()),
        ];
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        // A later value of the same name wins.
        // A machine that runs many tests at once is no reason to refuse.
        let patient = if sections.contains("limits: {") { "" } else { "limits: { scheduling_delay: 10s }\n" };
        let text = format!("{HEAD}{sections}\n{patient}");
        let config = config::parse("test.yaml", &text, &Environment::of(environment)).unwrap_or_else(|problems| {
            panic!("{}", config::render_all(&problems, false));
        });
        let running = serve::start(config).await.unwrap_or_else(|error| panic!("{error}"));
        let address = running.listeners[0].0;
        Self { running, upstream, address }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A token of `reporting` for this scope; none when it is empty.
    pub async fn token(&self, scope: &str) -> String {
        let mut form = vec![("grant_type", "client_credentials")];
        if !scope.is_empty() {
            form.push(("scope", scope));
        }
        let answer = client()
            .post(self.url("/oauth2/token"))
            .basic_auth(RECIPIENT_ID, Some(RECIPIENT_SECRET))
            .form(&form)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// A token that may read `orders`.
    pub async fn reader(&self) -> String {
        self.token("target-entity:orders:read").await
    }

    /// A connection that the test speaks on itself.
    pub async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// Sends these bytes on a connection of their own and reads until it is closed or quiet.
    pub async fn raw(&self, request: impl AsRef<[u8]>) -> Raw {
        raw(self.address, request.as_ref()).await
    }

    /// A raw request with these extra field lines, each ended by CRLF.
    pub async fn request(&self, method: &str, target: &str, fields: &str) -> Raw {
        self.raw(format!("{method} {target} HTTP/1.1\r\nHost: gate.test\r\n{fields}Connection: close\r\n\r\n")).await
    }

    pub async fn metrics(&self) -> String {
        let admin = self.running.admin.expect("an admin listener");
        client().get(format!("http://{admin}/metrics")).send().await.unwrap().text().await.unwrap()
    }
}

/// A gateway whose configuration is a file, which can be another one while it runs.
pub struct Reloadable {
    pub gateway: Gateway,
    folder: Folder,
    head: String,
}

impl Reloadable {
    /// With these sections, as [`Gateway::of`] has them; `${UPSTREAM}` is all that is filled in.
    pub async fn start(sections: &str) -> Self {
        let (folder, upstream) = (Folder::new(), Upstream::start().await);
        let head = HEAD.replace("${STORE}", "sqlite::memory:").replace("${MASTER_KEY}", MASTER_KEY);
        let head = format!("listen: 127.0.0.1:0\nlimits: {{ scheduling_delay: 10s }}\n{head}");
        let path =
            folder.write("faregate.yaml", &format!("{head}{}", sections.replace("${UPSTREAM}", &upstream.url())));
        let config = config::load(Path::new(&path), &Environment::process()).unwrap_or_else(|problems| {
            panic!("{}", config::render_all(&problems, false));
        });
        let running = serve::start(config).await.unwrap_or_else(|error| panic!("{error}"));
        let address = running.listeners[0].0;
        Self { gateway: Gateway { running, upstream, address }, folder, head }
    }

    /// What changed, or why everything stays as it was.
    pub async fn reload(&self, sections: &str) -> Result<String, String> {
        let sections = sections.replace("${UPSTREAM}", &self.gateway.upstream.url());
        self.folder.write("faregate.yaml", &format!("{}{sections}", self.head));
        let applied = self.gateway.running.live().reload().await;
        applied.map(|applied| applied.summary).map_err(|error| error.to_string())
    }
}

/// Everything a connection answered.
#[derive(Clone, Debug)]
pub struct Raw {
    pub text: String,
}

impl Raw {
    /// 0 when nothing was answered.
    pub fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.body()).unwrap_or_default()
    }
}

pub async fn raw(address: SocketAddr, request: &[u8]) -> Raw {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may close while we write.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    while let Ok(Ok(read)) = tokio::time::timeout(Duration::from_millis(700), stream.read_buf(&mut answer)).await {
        if read == 0 {
            break;
        }
    }
    Raw { text: String::from_utf8_lossy(&answer).into_owned() }
}

/// A client that follows no redirect and uses no proxy.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}
