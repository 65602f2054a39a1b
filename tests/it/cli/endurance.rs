//! Figures for a machine of its own: everything that can change does, under two thousand requests a second, and memory after
//! an hour. Ignored unless asked for:
//! `cargo test --release --test it cli::endurance -- --ignored --nocapture --test-threads 1`
//!
//! `FAREGATE_SOAK_MINUTES` makes the hour shorter or longer, `FAREGATE_SOAK_RATE` its load.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::listeners::{Client, make_pair};
use super::upgrade::{Successor, pid, upgrade};
use super::{CALLER, DIRECTORY, HEAD, READ, ROUTES, Site};
use crate::support::cost::slope;
use crate::support::load::{Asked, Load};
use crate::support::process::{Gateway, faregate, soon};

/// Requests a second while something changes.
const RATE: u32 = 2_000;

/// How long each kind of change goes on.
const EACH: Duration = Duration::from_secs(20);

const ROTATION: &str = "keys: { rotation: { publish_before: 1s, keep_after: 1h } }\n";

/// A listener with TLS beside the plain one.
fn with_tls(rest: &str) -> String {
    let plain = "\"127.0.0.1:${PORT:-0}\"";
    let both = format!("[{plain}, {{ address: 127.0.0.1:0, tls: {{ certificate: tls.crt, key: tls.key }} }}]");
    format!("{}{ROTATION}{ROUTES}{rest}{DIRECTORY}", HEAD.replacen(plain, &both, 1))
}

fn serve(site: &Site) -> Gateway {
    Gateway::start(faregate(site.folder.path(), &["serve", "--format", "json"]).env("LEVEL", "error"))
}

/// Two clients of the API, one whose token is worth nothing, one without need of any; two of them never keep a connection.
fn requests(token: &str) -> Vec<Asked> {
    let closing = |asked: Asked| Asked { head: asked.head + "Connection: close\r\n", ..asked };
    let kept = |_| {
        [
            Asked::new("/api/orders", token, &[200]),
            Asked::new("/api/orders", "nonsense", &[401]),
            Asked::new("/public/x", "none", &[200]),
        ]
    };
    let mut all: Vec<Asked> = (0..2).flat_map(kept).collect();
    all.push(closing(Asked::new("/api/orders", token, &[200])));
    all.push(closing(Asked::new("/public/x", "none", &[200])));
    all
}

/// Lets `change` happen again and again under load, and says how often, and how many requests were answered.
fn under_load(gateway: &Gateway, what: &str, mut change: impl FnMut(u32)) {
    let token = gateway.token(CALLER, READ);
    let load = Load::start_at(gateway.address(), &requests(&token), RATE);
    let (began, mut changes) = (Instant::now(), 0);
    while began.elapsed() < EACH {
        changes += 1;
        change(changes);
        std::thread::sleep(Duration::from_millis(300));
    }
    let took = began.elapsed();
    let answered = load.stop_unharmed();
    let rate = answered as f64 / took.as_secs_f64();
    println!("{what}: {changes} times, {answered} requests answered, {rate:.0} a second, none lost");
    assert!(rate > f64::from(RATE) * 0.9, "the load was too small to show anything: {rate:.0} a second");
}

// T41: the configuration
#[test]
#[ignore = "wants a machine of its own"]
fn two_thousand_a_second_while_it_is_reloaded() {
    let site = Site::with(&[ROUTES, DIRECTORY]);
    let gateway = serve(&site);
    under_load(&gateway, "reload", |number| {
        site.write(&format!("{HEAD}{ROUTES}  /new/{number}: {{ upstream: app, public: true }}\n{DIRECTORY}"));
        let run = site.run(&["reload", "--admin", &gateway.admin().to_string()]);
        assert_eq!(run.code, 0, "{run:?}");
    });
}

// T21: the keys that sign
#[test]
#[ignore = "wants a machine of its own"]
fn two_thousand_a_second_while_keys_rotate() {
    let site = Site::with(&[ROUTES, DIRECTORY, ROTATION]);
    let gateway = serve(&site);
    under_load(&gateway, "key rotation", |_| {
        let before = gateway.token(CALLER, READ);
        let run = site.run(&["key", "rotate"]);
        assert_eq!(run.code, 0, "{run:?}");
        std::thread::sleep(Duration::from_millis(1500));
        let after = gateway.token(CALLER, READ);
        assert_ne!(before.split('.').next(), after.split('.').next(), "another key signs");
        for token in [before, after] {
            assert_eq!(gateway.request_with(&token, "GET", "/api/orders").status(), 200);
        }
    });
}

// T41: certificates, with handshakes and requests over TLS beside the load
#[test]
#[ignore = "wants a machine of its own"]
fn two_thousand_a_second_while_certificates_change() {
    let site = Site::new();
    make_pair(&site, "tls.crt", "tls.key");
    site.write(&with_tls(""));
    let gateway = serve(&site);
    let status = gateway.admin_page("/status").json();
    let mut listeners = status["configuration"]["listeners"].as_array().unwrap().iter().filter_map(|url| url.as_str());
    let address = listeners.find_map(|url| url.strip_prefix("https://")).unwrap().parse().unwrap();
    let (over, handshakes) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut kept = Client::connect(address);
                while !over.load(Ordering::Relaxed) {
                    assert!(Client::connect(address).ask() && kept.ask());
                    handshakes.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
        under_load(&gateway, "certificate change", |_| {
            make_pair(&site, "tls.crt", "tls.key");
            let run = site.run(&["reload", "--admin", &gateway.admin().to_string()]);
            assert_eq!(run.code, 0, "{run:?}");
        });
        over.store(true, Ordering::Relaxed);
    });
    println!("with {} handshakes beside it", handshakes.load(Ordering::Relaxed));
}

// T43: the program itself
#[test]
#[ignore = "wants a machine of its own"]
fn two_thousand_a_second_while_processes_take_over() {
    let site = Site::new();
    let mut gateway = serve(&site);
    let token = gateway.token(CALLER, READ);
    let load = Load::start_at(gateway.address(), &requests(&token), RATE);
    let began = Instant::now();
    let mut successors: Vec<Successor> = vec![upgrade(&mut gateway)];
    while began.elapsed() < EACH {
        // Each of them starts the next one.
        let before = pid(&gateway);
        assert!(std::process::Command::new("kill").args(["-USR2", &before]).status().unwrap().success());
        let next = soon(Duration::from_secs(30), || Some(pid(&gateway)).filter(|now| *now != before));
        successors.push(Successor::of(next));
        std::thread::sleep(Duration::from_millis(500));
    }
    let took = began.elapsed();
    let answered = load.stop_unharmed();
    let rate = answered as f64 / took.as_secs_f64();
    println!("upgrade: {} times, {answered} requests answered, {rate:.0} a second, none lost", successors.len());
    assert!(rate > f64::from(RATE) * 0.9, "the load was too small to show anything: {rate:.0} a second");
}

/// Kilobytes of memory and the number of descriptors of a process.
fn size(pid: &str) -> (f64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes = resident.split_whitespace().next().unwrap().parse().unwrap();
    (kilobytes, fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
}

// T78, V7: permits, denials, bodies, new tokens, introspection, reloads and rotations for an hour
#[test]
#[ignore = "takes an hour"]
fn an_hour_of_everything_leaves_memory_as_it_was() {
    let variable =
        |name: &str, usual: u32| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let lasting = Duration::from_secs(60) * variable("FAREGATE_SOAK_MINUTES", 60);
    let rate = variable("FAREGATE_SOAK_RATE", 1_000);
    // The cache fills up before the measuring begins; it is meant to be full.
    let site = Site::with(&[ROUTES, DIRECTORY, ROTATION, "token_cache: { size: 4MiB }\n"]);
    let gateway = serve(&site);
    let process = pid(&gateway);
    let start = || Load::start_at(gateway.address(), &requests(&gateway.token(CALLER, READ)), rate);
    let (mut load, mut answered) = (start(), 0);
    let (over, exchanges) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let mut samples = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let token = gateway.token(CALLER, READ);
                assert_eq!(gateway.request_with(&token, "GET", "/api/orders").status(), 200);
                let form = format!("token={token}&client_id={}", CALLER.0);
                assert!(matches!(gateway.post_form("/oauth2/introspect", &form).status(), 200 | 401));
                assert_eq!(gateway.post_form("/public/x", &"x".repeat(20_000)).status(), 200);
                exchanges.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut minute = 0;
        while began.elapsed() < lasting {
            std::thread::sleep(Duration::from_secs(5));
            let now = began.elapsed();
            if now.as_secs() / 60 > minute {
                minute = now.as_secs() / 60;
                let route = format!("  /new/{}: {{ upstream: app, public: true }}\n", minute % 2);
                site.write(&format!("{HEAD}{ROUTES}{route}{DIRECTORY}{ROTATION}token_cache: {{ size: 4MiB }}\n"));
                let run = site.run(&["reload", "--admin", &gateway.admin().to_string()]);
                assert_eq!(run.code, 0, "{run:?}");
                if minute % 10 == 0 {
                    assert_eq!(site.run(&["key", "rotate"]).code, 0);
                    // A token lives for an hour.
                    answered += std::mem::replace(&mut load, start()).stop_unharmed();
                }
            }
            let (kilobytes, descriptors) = size(&process);
            if now > lasting / 4 {
                samples.push((now.as_secs_f64(), kilobytes));
            }
            if samples.len() % 60 == 1 || now < Duration::from_secs(6) {
                println!(
                    "{:5} s: {:.1} MiB, {descriptors} descriptors, {} requests",
                    now.as_secs(),
                    kilobytes / 1024.0,
                    answered + load.answered()
                );
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    answered += load.stop_unharmed();
    let grows = slope(&samples);
    let exchanges = exchanges.load(Ordering::Relaxed);
    println!(
        "{} minutes: {answered} requests and {exchanges} new tokens, none lost; memory grows by {grows:.2} MiB an hour",
        lasting.as_secs() / 60
    );
    assert!(grows < 1.0, "{samples:?}");
}
