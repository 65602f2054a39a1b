//! `faregate check --online`: does what a configuration names answer? Real issuers, servers, ports and files, and none of them.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _, Executor as _};

use super::Site;
use crate::support::foreign_issuer::{ForeignIssuer, INTROSPECT, JWKS, Reply};
use crate::support::process::{Gateway, Run, faregate};
use crate::support::tls::{Authority, Relay};
use crate::support::upstream::Upstream;

const ROUTES: &str = "upstreams: { app: \"builtin:echo\" }\nroutes: { /x/**: { upstream: app, public: true } }\n";

/// One line of a check.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    outcome: String,
    summary: String,
}

fn of<'a>(report: &'a Value, subject: &str) -> Vec<&'a Value> {
    let probes = report["online"].as_array().unwrap_or_else(|| panic!("not asked: {report}"));
    probes.iter().filter(|probe| probe["subject"] == subject).collect()
}

/// The only answer about such a thing whose name contains `name`.
#[track_caller]
fn told(report: &Value, subject: &str, name: &str) -> Told {
    let all = of(report, subject);
    let mut own = all.iter().filter(|probe| probe["name"].as_str().is_some_and(|own| own.contains(name)));
    let probe = own.next().unwrap_or_else(|| panic!("{subject} {name} in {report}"));
    assert!(own.next().is_none(), "two {subject} {name}: {report}");
    let text = |member: &str| probe[member].as_str().unwrap().to_owned();
    Told { outcome: text("outcome"), summary: text("summary") }
}

fn is(outcome: &str, summary: &str) -> Told {
    Told { outcome: outcome.to_owned(), summary: summary.to_owned() }
}

#[track_caller]
fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"))
}

fn layer(report: &Value) -> &Value {
    report["layers"].as_array().unwrap().iter().find(|layer| layer["name"] == "online").unwrap_or(&Value::Null)
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn set_mode(site: &Site, name: &str, mode: u32) {
    fs::set_permissions(site.file(name), fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes a certificate for `localhost` that ends in so many days, and its key, as `tls.crt` and `tls.key`.
fn write_certificate(site: &Site, days: i64) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let shifted = Duration::from_secs((days.unsigned_abs()) * 86_400 + 3600);
    let ends = if days < 0 { now - shifted } else { now + shifted };
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + ends;
    site.write_file("tls.crt", &params.self_signed(&key).unwrap().pem());
    site.write_file("tls.key", &key.serialize_pem());
    set_mode(site, "tls.key", 0o600);
}

/// One that is good in a year to come, from its second day on.
fn write_certificate_of(site: &Site, year: i32) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(year, 1, 2);
    params.not_after = rcgen::date_time_ymd(year + 1, 1, 1);
    site.write_file("tls.crt", &params.self_signed(&key).unwrap().pem());
    site.write_file("tls.key", &key.serialize_pem());
    set_mode(site, "tls.key", 0o600);
}

// UX 5: keys are fetched by the gateway's own code, servers are connected to as requests connect, and nobody is sent a secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_answers_is_told() {
    let site = Site::new();
    let (authority, plain) = (Authority::new("ours"), ForeignIssuer::start().await);
    let mut hidden = ForeignIssuer::start().await;
    let relay = Relay::start(&authority, hidden.address);
    hidden.move_to(format!("https://localhost:{}", relay.port));
    let upstream = Upstream::start().await;
    site.write_file("ca.pem", &authority.pem());
    site.write_file("secret", "a-secret-that-nobody-is-sent");
    set_mode(&site, "secret", 0o640);
    site.write(&format!(
        r#"
listen: "127.0.0.1:0"
public_url: http://127.0.0.1:8080
admin: false
issuers:
  self: {{}}
  plain:
    issuer: "{plain}"
    audience: api
    introspection: {{ client_id: gate, client_secret: "${{file:secret}}" }}
  hidden: {{ issuer: "{hidden}", audience: api, ca_file: ca.pem }}
upstreams:
  app: "builtin:echo"
  one: "{upstream}"
  two: {{ servers: ["https://localhost:{tls}"], tls: {{ ca: ca.pem }} }}
routes: {{ /x/**: {{ upstream: app, public: true }} }}
"#,
        plain = plain.url(),
        hidden = hidden.url(),
        upstream = upstream.url(),
        tls = relay.port,
    ));
    let run = site.run(&["check", "--online", "--strict", "--format", "json"]);
    let report = report(&run);
    assert_eq!((run.code, &report["ok"], &layer(&report)["outcome"]), (0, &json!(true), &json!("ok")), "{report}");
    for url in [plain.url(), hidden.url()] {
        assert_eq!(told(&report, "issuer", &url), is("ok", "1 key"));
    }
    assert_eq!(told(&report, "introspection", &plain.url()), is("ok", "reached"));
    assert_eq!(told(&report, "upstream", "app"), is("skipped", "built in"));
    assert_eq!(told(&report, "upstream", "one 127.0.0.1"), is("ok", "connects"));
    assert_eq!(told(&report, "upstream", "two localhost"), is("ok", "connects, TLS"));
    assert_eq!(told(&report, "store", "faregate.db"), is("ok", "will be made"));
    assert_eq!(told(&report, "master key", "faregate.key"), is("ok", "will be made"));
    assert_eq!(told(&report, "file", "secret"), is("ok", "mode 0640"));
    assert!(!site.file("faregate.db").exists() && !site.file("faregate.key").exists(), "nothing is made");
    assert_eq!(upstream.count(), 0, "a connection is no request");
    let asked = plain.asked(INTROSPECT);
    assert_eq!(asked.len(), 1);
    let sent = format!("{}{}", asked[0].head, asked[0].body);
    assert!(!sent.to_lowercase().contains("authorization") && asked[0].body.is_empty(), "{sent}");
    assert_eq!(plain.count(JWKS), 1);
    // A key more.
    let [first, second] =
        [(); 2].map(|()| faregate::jose::SigningKey::generate(faregate::jose::Algorithm::Es256).unwrap());
    plain.publish(&[&first, &second]);
    let text = site.run(&["check", "--online"]);
    assert!(text.stdout.contains(&format!("✓ issuer {}  2 keys\n", plain.url())), "{}", text.stdout);
    assert!(text.stdout.contains("can be used; its hash is "), "{}", text.stdout);
}

// UX 5: each failure is one line with a word, all at once, and in a few seconds even if somebody never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_answer_is_told() {
    let site = Site::new();
    let (stranger, ours) = (Authority::new("stranger"), Authority::new("ours"));
    let (broken, silent) = (ForeignIssuer::start().await, TcpListener::bind("127.0.0.1:0").unwrap());
    broken.reply(JWKS, Reply::status(500));
    let relay = Relay::start(&stranger, broken.address);
    site.write_file("ca.pem", &ours.pem());
    let gone = free_address();
    site.write(&format!(
        r#"
listen: "127.0.0.1:0"
public_url: http://127.0.0.1:8080
admin: false
issuers:
  broken: {{ issuer: "{broken}", audience: api }}
  silent:
    issuer: "http://{silent}"
    audience: api
    introspection: {{ endpoint: "http://{gone}/introspect", client_id: gate, client_secret: a-secret-a-secret-a-secret-a-secret }}
upstreams:
  app: "builtin:echo"
  gone: "http://{gone}"
  nowhere: "http://nowhere.invalid:80"
  silent: {{ servers: ["https://{silent}"], insecure: true }}
  stranger: {{ servers: ["https://localhost:{tls}"], tls: {{ ca: ca.pem }} }}
routes: {{ /x/**: {{ upstream: app, public: true }} }}
"#,
        broken = broken.url(),
        silent = silent.local_addr().unwrap(),
        tls = relay.port,
    ));
    let began = Instant::now();
    let run = site.run(&["check", "--online", "--format", "json"]);
    assert!(began.elapsed() < Duration::from_secs(20), "they are not asked one after another: {:?}", began.elapsed());
    let report = report(&run);
    assert_eq!((run.code, &report["ok"], &report["hash"]), (2, &json!(false), &Value::Null), "{report}");
    assert_eq!(layer(&report)["outcome"], "failed");
    assert_eq!(told(&report, "issuer", &broken.url()), is("failed", "it answered with status 500"));
    let told_of = |subject: &str, name: &str| {
        let told = told(&report, subject, name);
        assert_eq!(told.outcome, "failed", "{subject} {name}: {}", told.summary);
        told.summary
    };
    for (subject, name, needed) in [
        ("issuer", silent.local_addr().unwrap().to_string(), "in time"),
        ("introspection", format!("{gone}/introspect"), "cannot be reached"),
        ("upstream", "gone ".to_owned(), "refused"),
        ("upstream", "nowhere ".to_owned(), "does not resolve"),
        ("upstream", "stranger ".to_owned(), "certificate verify failed"),
    ] {
        let summary = told_of(subject, &name);
        assert!(summary.contains(needed), "{subject} {name}: {summary}");
    }
    told_of("upstream", "silent ");
    let text = site.run(&["check", "--online"]);
    assert_eq!(text.code, 2, "{text:?}");
    assert!(text.stdout.contains(&format!("✗ upstream gone {gone}  failed: the connection is refused\n")), "{text:?}");
    assert!(!text.stdout.contains("can be used"), "{text:?}");
}

// UX 5: what cannot be used is not asked about, and nobody is asked without being told to.
#[test]
fn it_is_asked_last_and_on_demand() {
    let site = Site::with(&[ROUTES]);
    let offline = site.json(&["check"]);
    assert_eq!((layer(&offline), offline.get("online")), (&Value::Null, None));
    let site = Site::with(&["upstreams: { app: \"builtin:echo\" }\nroutes: { /x/**: { upstraem: app } }\n"]);
    let run = site.run(&["check", "--online"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stdout.contains("- online         skipped\n"), "{}", run.stdout);
    assert!(!run.stdout.contains("store"), "{}", run.stdout);
}

// UX 5: a port that the gateway of this file has is no fault, anybody else's stops the start.
#[test]
fn ports_are_told_apart_by_who_has_them() {
    let site = Site::with(&[ROUTES]);
    let (own, admin) = (free_address(), free_address());
    let ports = [("PORT", own.port().to_string()), ("ADMIN_PORT", admin.port().to_string())];
    let check = |more: &[&str]| {
        let arguments = [&["check", "--online", "--format", "json"], more].concat();
        Run::of(faregate(site.folder.path(), &arguments).envs(ports.clone()))
    };
    let free = check(&[]);
    assert_eq!(free.code, 0, "{free:?}");
    assert_eq!(told(&report(&free), "port", &own.to_string()), is("ok", "is free"));
    let gateway = Gateway::start(faregate(site.folder.path(), &["serve", "--format", "json"]).envs(ports.clone()));
    let taken = check(&[]);
    assert_eq!(taken.code, 0, "{taken:?}");
    for address in [own, admin] {
        let told = told(&report(&taken), "port", &address.to_string());
        assert_eq!(told, is("ok", "in use by the gateway that this file runs"));
    }
    assert_eq!(check(&["--strict"]).code, 0);
    // Another configuration that wants the same ports cannot be started.
    fs::copy(site.file("faregate.yaml"), site.file("other.yaml")).unwrap();
    assert_eq!(check(&["other.yaml"]).code, 2);
    assert_eq!(gateway.stop(), 0);
    let _stranger = TcpListener::bind(own).unwrap();
    let refused = check(&[]);
    assert_eq!(refused.code, 2, "{refused:?}");
    let told = told(&report(&refused), "port", &own.to_string());
    assert!(told.outcome == "failed" && told.summary.contains("in use by another process"), "{told:?}");
}

// UX 5: the store is looked at, never made and never migrated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_only_looked_at() {
    let site = Site::with(&[ROUTES]);
    assert_eq!(site.serve().stop(), 0);
    let store = || {
        let run = site.run(&["check", "--online", "--format", "json"]);
        (run.code, told(&report(&run), "store", "faregate.db"))
    };
    let (code, today) = store();
    assert_eq!((code, today.outcome.as_str()), (0, "ok"));
    let version: i64 = today.summary.strip_prefix("opens, schema ").expect(&today.summary).parse().unwrap();
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", site.file("faregate.db").display());
    let change = async |statement: &'static str| {
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        connection.execute(statement).await.unwrap();
        connection.close().await.unwrap();
    };
    change("DELETE FROM schema_version WHERE version = (SELECT MAX(version) FROM schema_version)").await;
    site.write_file("nothing.yaml", "{}");
    for _ in 0..2 {
        assert!(site.run(&["tenant", "list"]).complaint(3).contains("of an older version"));
        assert!(site.run(&["diff", "-f", "nothing.yaml"]).complaint(1).contains("of an older version"));
        assert_eq!(store(), (0, is("ok", &format!("will be migrated from {} to {version}", version - 1))));
    }
    change("UPDATE schema_version SET checksum = 'x' WHERE version = 1").await;
    let (code, other) = store();
    assert!(code == 2 && other.summary.contains("is not the one that this program contains"), "{other:?}");
    set_mode(&site, "faregate.db", 0o644);
    let (code, open) = store();
    assert!(code == 2 && open.summary.contains("chmod 600"), "a start would refuse it: {open:?}");
    site.write_file("faregate.db", "no database at all, but long enough to look at");
    set_mode(&site, "faregate.db", 0o600);
    let (code, damaged) = store();
    assert!(code == 2 && damaged.summary.contains("not an intact SQLite database"), "{damaged:?}");
}

// UX 5: what a process that was killed had not folded into the file stays beside it, and is read
#[test]
fn the_log_of_a_store_stays_as_it_is() {
    let site = Site::with(&[ROUTES]);
    let read = |suffix: &str| fs::read(site.file(&format!("faregate.db{suffix}"))).ok();
    // The log stands beside the file, wherever a link to that is.
    fs::create_dir(site.file("elsewhere")).unwrap();
    symlink(site.file("faregate.db"), site.file("elsewhere/linked.db")).unwrap();
    let text = fs::read_to_string(site.file("faregate.yaml")).unwrap();
    let store = site.file("elsewhere/linked.db");
    site.write_file("linked.yaml", &format!("{text}store: \"sqlite://{}\"\n", store.display()));
    let looked_at = || {
        let before = [read(""), read("-wal")];
        for (configuration, file) in [("faregate.yaml", "faregate.db"), ("linked.yaml", "linked.db")] {
            let run = site.run(&["check", "--online", "--format", "json", "--config", configuration]);
            let told = told(&report(&run), "store", file);
            assert!(run.code == 0 && told.summary.starts_with("opens, schema "), "{told:?}");
            assert!(before == [read(""), read("-wal")], "a look is no writing");
        }
    };
    site.serve().kill_and_read();
    assert!(read("-wal").is_some_and(|log| !log.is_empty()), "what it left behind");
    looked_at();
    fs::remove_file(site.file("faregate.db-shm")).unwrap();
    looked_at();
    assert_eq!(site.serve().stop(), 0);
    looked_at();
    assert!(read("-wal").is_none() && read("-shm").is_none(), "nothing is made beside it");
}

// UX 5: a database with other tables is somebody else's, for a start too
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_of_another_program_is_named() {
    let site = Site::with(&[ROUTES]);
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode=rwc", site.file("faregate.db").display());
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT)").await.unwrap();
    connection.execute("CREATE TABLE notes (id INTEGER)").await.unwrap();
    connection.close().await.unwrap();
    set_mode(&site, "faregate.db", 0o600);
    let before = fs::read(site.file("faregate.db")).unwrap();
    let run = site.run(&["check", "--online", "--format", "json"]);
    let named = told(&report(&run), "store", "faregate.db");
    let needed = "not a store of Faregate: it has tables notes, people; name another file";
    assert!(run.code == 2 && named.outcome == "failed" && named.summary.contains(needed), "{named:?}");
    for command in [&["serve"][..], &["tenant", "list"], &["tenant", "create", "partners"]] {
        assert!(site.run(command).complaint(3).contains(needed), "{command:?}");
    }
    assert_eq!(fs::read(site.file("faregate.db")).unwrap(), before);
}

// UX 5, P1: files that others may read, a master key that is gone, certificates that end.
#[test]
fn files_are_looked_at() {
    let site = Site::new();
    write_certificate(&site, 90);
    site.write_file("word", "warn");
    site.write(&format!(
        "listen: {{ address: \"127.0.0.1:0\", tls: {{ certificate: tls.crt, key: tls.key }} }}\n\
         public_url: https://localhost:8443\nadmin: \"127.0.0.1:0\"\nlog: {{ level: \"${{file:word}}\" }}\n\
         issuers: {{ self: {{}} }}\n{ROUTES}"
    ));
    set_mode(&site, "word", 0o644);
    let check = |more: &[&str]| site.run(&[&["check", "--online", "--format", "json"], more].concat());
    let run = check(&[]);
    let lax = report(&run);
    assert_eq!((run.code, &layer(&lax)["outcome"]), (0, &json!("warned")), "{lax}");
    let told_of = told(&lax, "file", "word");
    assert!(told_of.outcome == "warned" && told_of.summary.contains("mode 0644"), "{told_of:?}");
    assert!(told(&lax, "certificate", "tls.crt").summary.starts_with("good until 20"), "{lax}");
    assert_eq!(told(&lax, "private key", "tls.key"), is("ok", "mode 0600"));
    let strict = check(&["--strict"]);
    assert_eq!((strict.code, &layer(&report(&strict))["outcome"]), (2, &json!("failed")), "{strict:?}");
    set_mode(&site, "word", 0o600);
    assert_eq!(check(&["--strict"]).code, 0);
    write_certificate(&site, 29);
    let soon = told(&report(&check(&[])), "certificate", "tls.crt");
    assert!(soon.outcome == "warned" && soon.summary.ends_with("in 29 days"), "{soon:?}");
    write_certificate(&site, -1);
    let run = check(&[]);
    let over = told(&report(&run), "certificate", "tls.crt");
    assert!(run.code == 2 && over.outcome == "failed" && over.summary.starts_with("expired on 20"), "{over:?}");
    write_certificate_of(&site, 2999);
    let run = check(&[]);
    let early = told(&report(&run), "certificate", "tls.crt");
    assert_eq!((run.code, early), (2, is("failed", "is not valid before 2999-01-02")));
    // The keys in the store need the master key that sealed them.
    write_certificate(&site, 90);
    assert_eq!(site.serve().stop(), 0);
    set_mode(&site, "faregate.key", 0o640);
    let open = told(&report(&check(&[])), "master key", "faregate.key");
    assert!(open.outcome == "failed" && open.summary.contains("chmod 600"), "a start would refuse it: {open:?}");
    fs::remove_file(site.file("faregate.key")).unwrap();
    let lost = told(&report(&check(&[])), "master key", "faregate.key");
    assert!(lost.outcome == "failed" && lost.summary.contains("restore it"), "{lost:?}");
    assert!(!site.file("faregate.key").exists(), "nothing is made");
}
