//! `faregate serve`: what it makes, what it says, why it does not start, and how it ends.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use sqlx::{AnyConnection, Connection as _};

use super::{CALLER, DIRECTORY, HEAD, READ, ROUTES, Site};
use crate::support::process::{Gateway, faregate, soon};

fn mode(site: &Site, name: &str) -> u32 {
    fs::metadata(site.file(name)).unwrap_or_else(|error| panic!("{name}: {error}")).permissions().mode() & 0o777
}

fn set_mode(site: &Site, name: &str, mode: u32) {
    fs::set_permissions(site.file(name), fs::Permissions::from_mode(mode)).unwrap();
}

// UX 3, UX 15: among log lines one line says that it is ready, and standard output has nothing.
#[test]
fn readiness_is_one_line_among_log_lines() {
    for (format, start) in [("json", "{\"event\":\"ready\""), ("pretty", "faregate is ready: ")] {
        let site = Site::new();
        site.write(&format!("{}{ROUTES}{DIRECTORY}", HEAD.replace("log: {", &format!("log: {{ format: {format},"))));
        let gateway = Gateway::start_until(&mut faregate(site.folder.path(), &["serve"]), "");
        let said = soon(Duration::from_secs(20), || Some(gateway.stderr()).filter(|text| text.contains("ready")));
        assert!(said.starts_with(start) && said.lines().count() == 1, "{said}");
        for needed in ["http://127.0.0.1:", "faregate.yaml"] {
            assert!(said.contains(needed), "{needed} in {said}");
        }
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(&said).unwrap();
            assert!(line["timestamp"].as_str().is_some_and(|at| at.len() == 27 && at.ends_with('Z')), "{said}");
        }
        assert_eq!(gateway.stdout(), "");
    }
}

// L14: whoever starts the first server of a new store gets the link; nobody else does, and no log has it.
#[test]
fn the_first_start_of_a_new_store_invites() {
    let site = Site::with(&[]);
    let serve = || Gateway::start(&mut faregate(site.folder.path(), &["serve", "--format", "json"]));
    let gateway = serve();
    let said = soon(Duration::from_secs(20), || Some(gateway.stderr()).filter(|text| text.contains("/oauth2/setup")));
    let link = said.lines().find_map(|line| line.split_once("/oauth2/setup")).unwrap().1;
    let code = link.trim_end_matches(['"', '}']);
    assert!(code.starts_with("?code=") && said.contains("15 minutes"), "{said}");
    assert_eq!(gateway.request("GET", &format!("/oauth2/setup{code}"), "").status(), 200);
    assert_eq!(gateway.request("GET", "/oauth2/setup?code=x", "").status(), 400);
    assert_eq!(gateway.stderr().matches(code).count(), 1, "a request is written without its query");
    assert_eq!(gateway.stop(), 0);

    site.json(&["api-key", "create", "first"]);
    let gateway = serve();
    assert_eq!(gateway.request("GET", "/oauth2/setup", "").status(), 400);
    assert!(!gateway.stderr().contains("setup?"), "{}", gateway.stderr());
}

// UX 3: at most twelve lines for a person at a terminal.
#[test]
fn the_banner_is_short() {
    let site = Site::new();
    let serve = format!("exec {} serve", env!("CARGO_BIN_EXE_faregate"));
    // `script`, which is part of every Linux, gives it a terminal.
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &serve, "/dev/null"]).current_dir(site.folder.path()).env_remove("RUST_LOG");
    let gateway = Gateway::start_until(&mut command, "  store ");
    let banner = gateway.stdout();
    assert!(banner.starts_with("faregate 0") && banner.lines().count() <= 12, "{banner}");
    for needed in [
        "listening  http://127.0.0.1:",
        "admin      http://",
        "issuer     http://127.0.0.1:8080",
        "config     faregate.yaml (",
        "store      sqlite",
    ] {
        assert!(banner.contains(needed), "{needed} in {banner}");
    }
    // It ends what it started; killed, it would leave it behind.
    gateway.stop();
}

// P1, P5: what is made beside the configuration is the owner's alone, and tokens outlive a restart.
#[test]
fn store_and_key_are_made_and_kept() {
    let site = Site::new();
    let first = site.serve();
    assert_eq!(first.stdout().lines().count(), 1, "{}", first.stdout());
    for name in ["faregate.db", "faregate.db-wal", "faregate.db-shm", "faregate.key"] {
        assert_eq!(mode(&site, name), 0o600, "{name}");
    }
    let token = first.token(CALLER, READ);
    let keys = first.published_keys();
    assert_eq!(first.request_with(&token, "GET", "/api/orders").status(), 200);
    assert_eq!(first.stop(), 0);
    let second = site.serve();
    assert_eq!(second.request_with(&token, "GET", "/api/orders").status(), 200);
    assert!(keys.iter().all(|key| second.published_keys().contains(key)));
}

// A configuration that declares its tenant gets that one and no other.
#[test]
fn a_declared_tenant_is_the_only_one() {
    let site = Site::with(&[
        ROUTES,
        "directory: { tenants: { acme: {} }, entity_types: { api: {} }, entities: { orders: { type: api } } }\n",
    ]);
    drop(site.serve());
    let tenants = site.json(&["tenant", "list"]);
    let names: Vec<_> = tenants.as_array().unwrap().iter().map(|tenant| tenant["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["acme"]);
    // Tenants of the same age: the one that is called so is the default one.
    for _ in 0..4 {
        let site = Site::with(&[
            ROUTES,
            "directory: { tenants: { acme: {}, default: {}, other: {} }, entity_types: { api: {} }, entities: { orders: { type: api, tenant: default } } }\n",
        ]);
        let issuer = site.serve().ready["issuer"].clone();
        let tenants = site.json(&["tenant", "list"]);
        assert_eq!(tenants.as_array().unwrap().len(), 3);
        assert_eq!(issuer, "http://127.0.0.1:8080");
        site.run(&["tenant", "delete", "default"]);
    }
    let ambiguous = Site::with(&[
        ROUTES,
        "directory: { tenants: { acme: {}, other: {} }, entity_types: { api: {} }, entities: { orders: { type: api, tenant: acme, client_secret: target-secret-target-secret-target-secret-12 } } }\n",
    ]);
    let run = ambiguous.run(&["serve"]);
    assert!(run.complaint(2).contains("must name its own: tenant: NAME"), "{run:?}");
}

// P1: a new key would open nothing that is stored, and stand in the way of the old one.
#[test]
fn a_lost_key_is_not_replaced() {
    let site = Site::new();
    assert_eq!(site.serve().stop(), 0);
    let key = fs::read(site.file("faregate.key")).unwrap();
    fs::remove_file(site.file("faregate.key")).unwrap();
    for arguments in [&["serve"][..], &["tenant", "list"]] {
        let run = site.run(arguments);
        let complaint = run.complaint(3);
        assert!(complaint.contains("faregate.key") && complaint.contains("restore it"), "{complaint}");
        assert!(!site.file("faregate.key").exists());
    }
    fs::write(site.file("faregate.key"), key).unwrap();
    set_mode(&site, "faregate.key", 0o600);
    assert_eq!(site.serve().stop(), 0);
}

/// A start that fails: what is done to a site that worked, and what the one line must contain.
type Failure = (&'static str, fn(&Site), u8, &'static [&'static str]);

const FAILURES: &[Failure] = &[
    ("exposed key", |site| set_mode(site, "faregate.key", 0o644), 3, &["faregate.key", "chmod 600"]),
    (
        "garbage in the key",
        |site| fs::write(site.file("faregate.key"), "garbage").unwrap(),
        3,
        &["faregate.key", "restore it"],
    ),
    (
        "another key",
        |site| fs::write(site.file("faregate.key"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap(),
        3,
        &["restore the master key"],
    ),
    ("exposed store", |site| set_mode(site, "faregate.db", 0o644), 3, &["faregate.db", "chmod 600"]),
    (
        "no database",
        |site| fs::write(site.file("faregate.db"), "not a database, but long enough to look at it").unwrap(),
        3,
        &["faregate.db", "restore a backup"],
    ),
    ("a newer schema", bump_schema, 3, &["faregate.db", "newer program"]),
    (
        "no folder for the store",
        |site| with_store(site, "sqlite://missing/faregate.db"),
        3,
        &["missing/faregate.db", "mkdir -p"],
    ),
    (
        "a file for a folder",
        |site| with_store(site, "sqlite://faregate.key/faregate.db"),
        3,
        &["faregate.key/faregate.db", "name another place"],
    ),
    (
        "nobody at PostgreSQL",
        |site| with_store(site, "postgres://faregate:marked-database-password@127.0.0.1:1/x"),
        3,
        &["127.0.0.1:1"],
    ),
    (
        "an unknown tenant",
        |site| site.write(&format!("{}{ROUTES}{DIRECTORY}", HEAD.replace("self: {}", "self: { tenant: nobody }"))),
        2,
        &["\"nobody\"", "faregate tenant create nobody"],
    ),
];

fn with_store(site: &Site, url: &str) {
    site.write(&format!("{HEAD}store: {url}\n{ROUTES}{DIRECTORY}"));
}

// UX 15: a server's message is of the place and the fix, not of the server's own source
#[test]
fn a_database_that_is_not_there_is_named() {
    let Ok(server) = std::env::var("FAREGATE_TEST_POSTGRES") else { return };
    let (address, _) = server.rsplit_once('/').expect("a database");
    let site = Site::new();
    with_store(&site, &format!("{address}/nowhere"));
    let run = site.run(&["serve"]);
    let said = run.complaint(3);
    assert!(said.contains("database \"nowhere\" does not exist; create the database"), "{said}");
}

fn bump_schema(site: &Site) {
    let url = format!("sqlite://{}", site.file("faregate.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let mut store = AnyConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("INSERT INTO schema_version (version, checksum) VALUES (99, 'newer')")
            .execute(&mut store)
            .await
            .unwrap();
        store.close().await.unwrap();
    });
}

// UX 15: whatever stops the start is one line that names the thing and the fix, and nothing is left listening.
#[test]
fn what_stops_the_start_is_said_in_one_line() {
    for (what, spoil, code, needed) in FAILURES {
        let site = Site::new();
        assert_eq!(site.serve().stop(), 0, "{what}: it worked before");
        spoil(&site);
        let run = site.run(&["serve"]);
        let complaint = run.complaint(i32::from(*code));
        for needed in *needed {
            assert!(complaint.contains(needed), "{what}: {needed:?} in {complaint}");
        }
        assert!(!complaint.contains("marked-database-password"), "{complaint}");
    }
}

// A folder that only others can write to. Root can write everywhere.
#[test]
fn a_folder_that_is_not_ours_is_named() {
    let site = Site::with(&[ROUTES, DIRECTORY, "store: sqlite://closed/faregate.db\n"]);
    fs::create_dir(site.file("closed")).unwrap();
    set_mode(&site, "closed", 0o500);
    if fs::write(site.file("closed/probe"), "").is_ok() {
        eprintln!("This user may write everywhere.");
        return;
    }
    let run = site.run(&["serve"]);
    assert!(run.complaint(3).contains("let the user that runs faregate write to"), "{run:?}");
}

// UX 7: a configuration that fails its own tests is not used, and it is said which one and why.
#[test]
fn failing_policy_tests_stop_the_start() {
    let site = Site::with(&[
        ROUTES,
        DIRECTORY,
        "tests: [{ name: everybody reads, request: GET /api/orders, expect: permit }]\n",
    ]);
    let run = site.run(&["serve"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    assert!(run.stderr.contains("everybody reads"), "{run:?}");
    assert!(!site.file("faregate.db").exists(), "nothing was made");
}

// UX 4: files that the configuration names are looked at when it is read.
#[test]
fn certificates_that_cannot_be_used_are_named() {
    let site = Site::new();
    let tls = "{ address: 127.0.0.1:0, tls: { certificate: tls.crt, key: tls.key } }";
    site.write(&format!("{}{ROUTES}{DIRECTORY}", HEAD.replace("\"127.0.0.1:${PORT:-0}\"", tls)));
    let run = site.run(&["serve"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    for needed in ["\"tls.crt\" cannot be read", "\"tls.key\" cannot be read"] {
        assert!(run.stderr.contains(needed), "{run:?}");
    }
    let [own, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    fs::write(site.file("tls.crt"), own.cert.pem()).unwrap();
    fs::write(site.file("tls.key"), other.signing_key.serialize_pem()).unwrap();
    set_mode(&site, "tls.key", 0o600);
    let run = site.run(&["serve"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("the key does not belong to the certificate"), "{run:?}");
}

// UX 15
#[test]
fn a_missing_configuration_is_named() {
    let site = Site::new();
    let run = site.run(&["serve", "--config", "nowhere.yaml"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    let (line, fix) = run.stderr.split_once('\n').unwrap();
    assert!(line.starts_with("nowhere.yaml cannot be read") && fix.contains("path of a configuration file"), "{run:?}");
}

#[test]
fn busy_ports_are_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for variable in ["PORT", "ADMIN_PORT"] {
        let site = Site::new();
        let mut command = faregate(site.folder.path(), &["serve"]);
        let run = crate::support::process::Run::of(command.env(variable, address.port().to_string()));
        assert!(run.complaint(3).contains(&format!("cannot listen on {address}")), "{run:?}");
        assert!(!site.file("faregate.db").exists(), "nothing was made");
    }
}

// On SIGTERM a request in flight is answered, and nobody new is let in.
#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::new();
    let mut command = faregate(site.folder.path(), &["serve", "--format", "json"]);
    let mut gateway = Gateway::start(command.env("UPSTREAM", format!("http://{}", upstream.local_addr().unwrap())));
    let address = gateway.address();
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET /public/slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let (mut asked, _) = upstream.accept().unwrap();
    assert!(asked.read(&mut [0; 4096]).unwrap() > 0);

    gateway.signal("TERM");
    soon(Duration::from_secs(5), || TcpStream::connect(address).is_err().then_some(()));
    asked.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nat last..").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("at last.."), "{answer}");
    assert_eq!(gateway.wait(), 0, "{}", gateway.stderr());
}
