//! The log cannot be written: its disk is full, or nobody reads it. Serving goes on, and so does a start.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::{PATIENCE, Site, WINDOW, client_credentials, families, probe, rounds, seed, tokens, traffic};
use crate::support::ledger::{Ledger, Must};
use crate::support::process::soon;
use crate::support::steady::Steady;

const RATE: u32 = 200;

// T65: a disk without space for the log: nobody waits, nothing fails, and the gateway can be started
#[test]
#[cfg(target_os = "linux")]
fn a_full_log_disk_stops_nothing() {
    let site = Site::new();
    let ledger = Arc::new(Ledger::new(seed()));
    // Every write to it fails as on a full disk.
    let mut gateway = site.serve_after("exec 2>/dev/full;");
    let held = families(&site, &ledger, 2);
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    soon(PATIENCE * 3, || (ledger.passed() > 500).then_some(()));
    let mut caller = site.caller();
    for token in &held {
        probe(token, Must::Pass).send(&mut caller, &ledger);
    }
    // A reload that is refused wants to say so.
    site.write("routes: {");
    gateway.signal("HUP");
    soon(PATIENCE, || (gateway.admin_page("/status").json()["last_reload"]["result"] == "refused").then_some(()));
    let latencies = load.stop();
    println!("T65: p99 {:?}", latencies.p99());
    ledger.check(&site.canary.seen(), WINDOW).assert_unharmed("T65");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), 0);
}

// T65: the same without `--format json`, where everything that a start says goes to standard error
#[test]
#[cfg(target_os = "linux")]
fn a_start_needs_no_log() {
    let site = Site::new();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" serve 2>/dev/full", env!("CARGO_BIN_EXE_faregate")]);
    site.surround(command.current_dir(site.folder.path()).env_remove("RUST_LOG"));
    let mut gateway = command.spawn().unwrap();
    let answers = soon(PATIENCE, || {
        assert!(gateway.try_wait().unwrap().is_none(), "it ended");
        let mut caller = site.caller();
        client_credentials(Must::Pass).send(&mut caller, &Ledger::new(0)).map(|answer| answer.status)
    });
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    assert_eq!(answers, 200);
}

// T65: somebody holds the log's other end and does not read: lines are dropped and counted, and nobody waits for him
#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let site = Site::new();
    let ledger = Arc::new(Ledger::new(seed()));
    let mut command = site.command(&["serve", "--format", "json"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let unread = child.stderr.take().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    assert!(ready["gateway"].is_string(), "{ready}");
    let load = Steady::start(site.address(), RATE, &ledger, move |_| Some(client_credentials(Must::Pass)));
    // A pipe holds 64 KiB: some hundred lines.
    std::thread::sleep(Duration::from_secs(rounds(4, 30).into()));
    let latencies = load.stop();
    let findings = ledger.check(&site.canary.seen(), WINDOW);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(unread);
    println!("T65, unread: p99 {:?}, longest {:?}", latencies.p99(), latencies.longest());
    findings.assert_unharmed("T65, unread");
    assert!(findings.ok() > 300, "{findings}");
}
