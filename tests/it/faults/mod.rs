//! What the gateway does when something fails under it: the real program under load, a fault, and a ledger of what was asked
//! and what came of it. One file per kind of fault.
//!
//! Counts are small, so that all of it takes minutes; `FAREGATE_FAULTS=long` makes them large.

mod clock;
mod crash;
mod database;
mod disk;
#[cfg(target_os = "linux")]
mod floods;
mod instrument;
mod issuers;
mod life_cycle;
mod log_disk;
mod logins;
mod memory;
mod migration;
mod nodes;
mod reload;
#[cfg(target_os = "linux")]
mod soak;
mod sqlite;
mod statements;
mod upstreams;
mod vanish;
pub mod versions;

use std::collections::HashMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AnyConnection, Connection as _, Row as _};
use uuid::Uuid;

use crate::support::caller::{Answer, Caller};
use crate::support::canary::{Canary, FORGED};
use crate::support::cost::Cost;
use crate::support::database::{Database, Folder};
use crate::support::ledger::{Act, Findings, Ledger, Must};
use crate::support::people::{CHALLENGE, VERIFIER};
use crate::support::person::{Person, Seen};
use crate::support::process::{Gateway, Run, encoded, faregate, soon};
use crate::support::steady::Due;

/// Longer than anything that comes back takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// When revocations have to be known everywhere. Here it is one node.
const WINDOW: Duration = Duration::from_secs(1);

const CONFIGURATION: &str = r#"
listen: "127.0.0.1:${PORT}"
public_url: http://127.0.0.1:${PUBLIC_PORT}
admin: 127.0.0.1:0
store: "${STORE}"
threads: 2
shutdown: { grace: 8s }
log: { decisions: true, level: info }
limits: { scheduling_delay: 10s, connections_per_ip: 2000 }
management: { api_key: "marked-api-key-marked-api-key-marked-api-key" }
issuers: { self: {} }
upstreams: { app: "${UPSTREAM}" }
"#;

const ROUTES: &str = r#"
routes:
  /public/**: { upstream: app, public: true }
  /api/**: { upstream: app, require: { GET: permission read on orders, "*": permission write on orders } }
  /people/**: { upstream: app, audience: 3b4a9d0e-5c1f-4b7e-8a55-6f0a1f2f9c11, require: authenticated }
"#;

/// Four callers who may read, a telephone, and Ann.
const DIRECTORY: &str = r#"
directory:
  tenants:
    default:
      id_token_algorithm: ES256
      settings: { authorization_code_life: 10m, refresh_tokens: { retry: 60s } }
  entity_types: { api: { permissions: [read, write] } }
  entities:
    orders: { type: api, client_secret: marked-target-secret-marked-target-secret }
    one: { id: 00000000-0000-4000-8000-000000000001, type: api, client_secret: marked-caller-secret-marked-caller-secret }
    two: { id: 00000000-0000-4000-8000-000000000002, type: api, client_secret: marked-caller-secret-marked-caller-secret }
    three: { id: 00000000-0000-4000-8000-000000000003, type: api, client_secret: marked-caller-secret-marked-caller-secret }
  grants:
    - { recipient: one, target: orders, permissions: [read] }
    - { recipient: two, target: orders, permissions: [read] }
    - { recipient: three, target: orders, permissions: [read] }
  applications:
    phone:
      id: 3b4a9d0e-5c1f-4b7e-8a55-6f0a1f2f9c11
      tenant: default
      client_id: phone
      public: true
      grants: [authorization_code, refresh_token, password]
      redirect_uris: [https://phone.example/cb]
  users:
    ann@example.com: { id: 00000000-0000-4000-8000-0000000000aa, password_hash: "$argon2id$v=19$m=19456,t=2,p=1$ulmXaiYf0e3Tvdsu7EvBnQ$BXiHzljdTu564BE6TL302CAyCS+6LpcG0fmhO/Y0F2c" }
"#;

const CALLERS: [&str; 3] = [
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000002",
    "00000000-0000-4000-8000-000000000003",
];
const CALLER_SECRET: &str = "marked-caller-secret-marked-caller-secret";
const API_KEY: &str = "marked-api-key-marked-api-key-marked-api-key";
const ANN: &str = "ann@example.com";
const PASSWORD: &str = "marked-password-of-ann";
const URI: &str = "https://phone.example/cb";
const READ: &str = "target-entity:orders:read";

/// What nothing may write, beside what a test was given.
const MARKED: [&str; 4] = [CALLER_SECRET, API_KEY, PASSWORD, "marked-target-secret-marked-target-secret"];

/// Few, or many where somebody asked for a long look.
fn rounds(few: u32, many: u32) -> u32 {
    if std::env::var("FAREGATE_FAULTS").is_ok_and(|wanted| wanted == "long") { many } else { few }
}

/// By the clock, and printed with what is found; `FAREGATE_SEED` repeats a run as far as chance goes.
fn seed() -> u64 {
    let wanted = std::env::var("FAREGATE_SEED").ok().and_then(|seed| seed.parse().ok());
    wanted.unwrap_or_else(|| u64::from(Uuid::new_v4().as_fields().0))
}

/// The next number of a row that looks like chance and is the same for the same seed (SplitMix64).
fn draw(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A time between these two, by the seed.
fn some_time(between: (u64, u64), seed: u64, number: u32) -> Duration {
    Duration::from_millis(between.0 + draw(seed, u64::from(number)) % (between.1 - between.0))
}

/// A port that nobody else is given by chance: the system gives out those from 32768 on.
fn port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    static ASKED: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + number).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A folder with a configuration, a canary behind it, and a port that stays the same when the gateway starts again.
struct Site {
    folder: Folder,
    canary: Canary,
    port: u16,
    store: String,
}

impl Site {
    /// On a SQLite file beside the configuration.
    fn new() -> Self {
        Self::on("sqlite://faregate.db")
    }

    fn on(store: &str) -> Self {
        Self::with(store, "", ROUTES)
    }

    /// With further sections, and other routes.
    fn with(store: &str, sections: &str, routes: &str) -> Self {
        let port = port();
        let site = Self { folder: Folder::new(), canary: Canary::start(), port, store: store.to_owned() };
        site.write(&[CONFIGURATION, sections, routes, DIRECTORY].concat());
        site
    }

    fn write(&self, configuration: &str) {
        fs::write(self.file("faregate.yaml"), configuration).unwrap();
    }

    /// The usual sections with other routes.
    fn write_routes(&self, routes: &str) {
        self.write(&[CONFIGURATION, routes, DIRECTORY].concat());
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = faregate(self.folder.path(), arguments);
        self.surround(&mut command);
        command
    }

    /// What its configuration reads of the environment.
    fn surround(&self, command: &mut Command) {
        command.env("PORT", self.port.to_string()).env("PUBLIC_PORT", self.port.to_string());
        command.env("STORE", &self.store).env("UPSTREAM", self.canary.url());
    }

    fn serve(&self) -> Gateway {
        Gateway::start(&mut self.command(&["serve", "--format", "json"]))
    }

    /// Another node on the same store, under the same name.
    fn serve_another(&self) -> Gateway {
        Gateway::start(self.command(&["serve", "--format", "json"]).env("PORT", "0"))
    }

    /// The gateway after this has run in a shell, which must not end.
    fn serve_after(&self, script: &str) -> Gateway {
        let mut command = Command::new("sh");
        let script = format!("{script} exec \"$0\" serve --format json");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_faregate")]).current_dir(self.folder.path());
        self.surround(&mut command);
        Gateway::start(command.env_remove("RUST_LOG"))
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn caller(&self) -> Caller {
        Caller::new(self.address())
    }

    /// Checks the ledger, what was logged, and what operators are shown; and the cost, if there is one to compare with.
    fn judge(&self, ledger: &Ledger, gateway: Gateway, before: Option<Cost>) -> Findings {
        let mut findings = ledger.check(&self.canary.seen(), WINDOW);
        if let Some(before) = before {
            findings.compare(before, Cost::settled(gateway.id(), before, PATIENCE));
        }
        let shown = ["/metrics", "/status", "/readyz"].map(|page| (page, gateway.admin_page(page).text));
        findings.search(&secrets(ledger), &shown);
        let said = gateway.stop_and_read();
        assert!(said.contains("\"event\""), "the log is on: {said}");
        findings.search(&secrets(ledger), &[("the log", said)]);
        findings
    }
}

fn secrets(ledger: &Ledger) -> Vec<String> {
    ledger.secrets().into_iter().chain(MARKED.map(str::to_owned)).collect()
}

/// Runs a statement on a database, as another program would; the first column of the first row, if it is a text.
fn ask_database(url: &str, statement: &str) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(url).await.expect("the database answers");
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).fetch_all(&mut connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{statement}: {error}"));
        connection.close().await.expect("a farewell");
        rows.first()?.try_get(0).ok()
    })
}

/// Fails if the SQLite file is damaged.
#[track_caller]
fn sound(site: &Site) {
    if site.store.starts_with("sqlite") {
        let url = format!("sqlite://{}", site.file("faregate.db").display());
        assert_eq!(ask_database(&url, "PRAGMA integrity_check").as_deref(), Some("ok"));
    }
}

/// A store of its own in the PostgreSQL that `scripts/with-postgres` started, if it did.
fn postgres() -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Some(Database::postgres().await?.url()) })
}

// --- What clients ask for -------------------------------------------------------------------------------------------

/// Good for guarded requests; to get it is not part of the test.
fn token_of(gateway: &Gateway, caller: &str) -> String {
    gateway.token((caller, CALLER_SECRET), READ)
}

/// A token of each caller, by its subject.
fn tokens(gateway: &Gateway) -> Vec<(String, String)> {
    CALLERS.iter().map(|caller| ((*caller).to_owned(), token_of(gateway, caller))).collect()
}

/// A request with the token of one of several callers, in turn. Every tenth is forged: it says that it is somebody else, in
/// one of many spellings (T75).
fn guarded(tokens: &[(String, String)], number: u64) -> Due {
    const SPELLINGS: [&str; 8] = [
        "X-Auth-Subject",
        "x_auth_subject",
        "X-AUTH_SUBJECT",
        "X.Auth.Subject",
        "X-Auth-Client",
        "X-Auth-Roles",
        "x_auth_scope",
        "X~Auth~Permissions",
    ];
    let turn = usize::try_from(number).unwrap();
    let (subject, token) = &tokens[turn % tokens.len()];
    let due = Due::get("/api/orders", Act::Pass { subject: Some(subject.clone()) }, Must::Pass).bearing(token);
    if number.is_multiple_of(10) { due.with(SPELLINGS[turn / 10 % SPELLINGS.len()], FORGED) } else { due }
}

/// What must not pass: no token, nonsense, and a method that nobody may use.
fn unguarded(tokens: &[(String, String)], number: u64) -> Due {
    let act = Act::Pass { subject: None };
    match number % 3 {
        0 => Due::get("/api/orders", act, Must::Refuse(&[401])).with("X-Auth-Subject", FORGED),
        1 => Due::get("/api/orders", act, Must::Refuse(&[401])).bearing("a.b.c"),
        _ => {
            let (_, token) = &tokens[0];
            Due { method: "POST", ..Due::get("/api/orders", act, Must::Refuse(&[403])).bearing(token) }
        }
    }
}

/// Three quarters of what may pass, and a quarter of what may not.
fn traffic(tokens: Vec<(String, String)>) -> impl Fn(u64) -> Option<Due> {
    move |number| Some(if number % 4 == 3 { unguarded(&tokens, number / 4) } else { guarded(&tokens, number) })
}

/// Codes for Ann's telephone, all of one login.
fn codes(site: &Site, count: u32) -> Vec<String> {
    let mut ann = Person::new(site.address(), ANN, PASSWORD);
    let url = format!(
        "/oauth2/authorize?client_id=phone&redirect_uri={}&response_type=code&scope=openid+offline_access&state=s\
         &code_challenge={CHALLENGE}&code_challenge_method=S256",
        encoded(URI)
    );
    let code = |_| match ann.go(&url, "allow") {
        Seen::Elsewhere(to) => to.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap().to_owned(),
        page @ Seen::Page(_) => panic!("{page:?}"),
    };
    (0..count).map(code).collect()
}

fn redemption(code: &str, must: Must) -> Due {
    let form = format!(
        "grant_type=authorization_code&client_id=phone&code={code}&redirect_uri={}&code_verifier={VERIFIER}",
        encoded(URI)
    );
    Due::form("/oauth2/token", form, Act::Redeem { once: code.to_owned() }, must)
}

fn refresh(token: &str, must: Must) -> Due {
    let form = format!("grant_type=refresh_token&client_id=phone&refresh_token={token}");
    Due::form("/oauth2/token", form, Act::Refresh { token: token.to_owned() }, must)
}

/// Finds out whether a refresh token works, in the only way that cannot be wrong.
fn probe(token: &str, must: Must) -> Due {
    Due { act: Act::Probe { token: token.to_owned() }, ..refresh(token, must) }
}

fn revocation(token: &str, must: Must) -> Due {
    let form = format!("client_id=phone&token={token}");
    Due::form("/oauth2/revoke", form, Act::Revoke { token: token.to_owned() }, must)
}

/// A token by client credentials.
fn client_credentials(must: Must) -> Due {
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret={CALLER_SECRET}&scope={READ}", CALLERS[0]);
    Due::form("/oauth2/token", form, Act::Ask, must)
}

/// Refresh tokens of so many grants, each acknowledged in the ledger.
fn families(site: &Site, ledger: &Ledger, count: u32) -> Vec<String> {
    let mut caller = site.caller();
    let codes = codes(site, count);
    codes.iter().map(|code| refresh_token(redemption(code, Must::Pass).send(&mut caller, ledger))).collect()
}

#[track_caller]
fn refresh_token(answer: Option<Answer>) -> String {
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.text("refresh_token")
}

/// Whether a page of the admin listener says 200.
fn is_well(gateway: &Gateway, page: &str) -> bool {
    gateway.admin_page(page).status() == 200
}

/// Waits until it can be asked for tokens again, and how long that took.
fn recovers(site: &Site) -> Duration {
    let began = std::time::Instant::now();
    let mut caller = site.caller();
    let aside = Ledger::new(0);
    soon(PATIENCE, || {
        client_credentials(Must::Pass).send(&mut caller, &aside).filter(|answer| answer.status == 200).map(drop)
    });
    began.elapsed()
}

/// Statuses, and how often each was answered.
fn statuses(answers: impl IntoIterator<Item = Option<Answer>>) -> HashMap<u16, usize> {
    let mut statuses = HashMap::new();
    for answer in answers {
        *statuses.entry(answer.map_or(0, |answer| answer.status)).or_default() += 1;
    }
    statuses
}
