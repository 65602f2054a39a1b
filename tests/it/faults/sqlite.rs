//! The SQLite file is held by somebody else, or taken away: what needs no store goes on, nothing is written where it would be
//! lost, and it is said loudly.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection as _, Executor as _};
use tokio::runtime::{Builder, Runtime};

use super::{PATIENCE, Site, families, probe, refresh, rounds, seed, sound, tokens, traffic};
use crate::support::cost::Cost;
use crate::support::ledger::{Ledger, Must};
use crate::support::process::{Gateway, soon};
use crate::support::steady::Steady;

const RATE: u32 = 200;

/// Another program that holds the file's lock, until it is dropped.
pub(super) struct Holder(Runtime, Option<AnyConnection>);

impl Holder {
    pub(super) fn of(site: &Site) -> Self {
        sqlx::any::install_default_drivers();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("sqlite://{}", site.file("faregate.db").display());
        let connection = runtime.block_on(async {
            let mut connection = AnyConnection::connect(&url).await.expect("the file opens");
            connection.execute("PRAGMA busy_timeout = 5000").await.expect("a setting");
            connection.execute("BEGIN EXCLUSIVE").await.expect("the lock");
            connection
        });
        Self(runtime, Some(connection))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let connection = self.1.take().expect("still there");
        // Whatever it began is undone.
        let _ = self.0.block_on(connection.close());
    }
}

// T19: writers wait and are told to come again; readers and guarded requests do not notice
#[test]
fn a_locked_file_delays_only_writers() {
    let (site, ledger) = (Site::new(), Arc::new(Ledger::new(seed())));
    let gateway = site.serve();
    let held = families(&site, &ledger, 3);
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    soon(PATIENCE, || (ledger.passed() > 200).then_some(()));
    let before = Cost::of(gateway.id());
    let holder = Holder::of(&site);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(rounds(4, 10).into()) {
        let mut caller = site.caller();
        let asked = Instant::now();
        let answer = refresh(&held[0], Must::Refuse(&[503])).send(&mut caller, &ledger).expect("an answer");
        assert!(answer.field("retry-after").is_some(), "{answer:?}");
        assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
        // Reading goes on: keys, metadata, and tokens that are not stored.
        assert_eq!(gateway.request("GET", "/.well-known/jwks.json", "").status(), 200);
        assert_eq!(gateway.request("GET", "/.well-known/openid-configuration", "").status(), 200);
        assert_eq!(gateway.admin_page("/readyz").status(), 200);
    }
    drop(holder);
    let mut caller = site.caller();
    for token in &held {
        soon(PATIENCE, || {
            probe(token, Must::Either(&[503])).send(&mut caller, &ledger).filter(|answer| answer.status == 200)
        });
    }
    load.stop();
    site.judge(&ledger, gateway, Some(before)).assert_unharmed("T19");
    sound(&site);
}

// T20: a file that is taken away gets no writes, a damaged one does not start, and what needs no store goes on
#[test]
fn a_file_that_is_taken_away_stops_only_what_needs_it() {
    let (site, ledger) = (Site::new(), Arc::new(Ledger::new(seed())));
    let gateway = site.serve();
    let held = families(&site, &ledger, 2);
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    soon(PATIENCE, || (ledger.passed() > 200).then_some(()));
    fs::rename(site.file("faregate.db"), site.file("away.db")).unwrap();
    let mut caller = site.caller();
    for _ in 0..3 {
        refresh(&held[0], Must::Refuse(&[500, 503])).send(&mut caller, &ledger).expect("an answer");
    }
    soon(PATIENCE, || (gateway.admin_page("/readyz").status() == 503).then_some(()));
    soon(PATIENCE, || gateway.stderr().contains("was removed").then_some(()));
    fs::rename(site.file("away.db"), site.file("faregate.db")).unwrap();
    for token in &held {
        soon(PATIENCE, || {
            probe(token, Must::Either(&[500, 503])).send(&mut caller, &ledger).filter(|answer| answer.status == 200)
        });
    }
    load.stop();
    site.judge(&ledger, gateway, None).assert_unharmed("T20");
    sound(&site);
    // Damaged while nobody looked: it does not start, and says what to do.
    let file = fs::OpenOptions::new().write(true).open(site.file("faregate.db")).unwrap();
    file.set_len(4096).unwrap();
    let _ = fs::remove_file(site.file("faregate.db-wal"));
    let run = site.run(&["serve"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("restore a backup"), "{run:?}");
}

/// System calls of the gateway in the order in which they happened, in the words of `strace`, while a client replaces refresh
/// tokens one after the other. Nothing where a process may not be looked at.
fn calls_while_refreshing(store: &str, count: u32) -> Option<String> {
    let looks = std::process::Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(looks.is_ok() || !required, "strace is missing: scripts/deps test installs it");
    if !looks.is_ok_and(|status| status.success()) {
        eprintln!("No strace, or it may not look: nothing is known of system calls.");
        return None;
    }
    let (site, ledger) = (Site::on(store), Ledger::new(seed()));
    let mut command = std::process::Command::new("strace");
    // As a grandchild, so that the gateway is our child.
    command.args(["-D", "-f", "-e", "trace=fdatasync,fsync,recvfrom,sendto,read,readv,write,writev", "-o", "calls"]);
    command.arg(env!("CARGO_BIN_EXE_faregate")).args(["serve", "--format", "json"]).current_dir(site.folder.path());
    site.surround(&mut command);
    let gateway = Gateway::start(command.env_remove("RUST_LOG"));
    let mut caller = site.caller().patient_for(PATIENCE * 3);
    let mut token = families(&site, &ledger, 1).remove(0);
    for _ in 0..count {
        let answer = refresh(&token, Must::Pass).send(&mut caller, &ledger).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        token = answer.text("refresh_token");
    }
    assert_eq!(gateway.stop(), 0);
    Some(fs::read_to_string(site.file("calls")).expect("what was called"))
}

/// Of the requests for tokens, how many were answered with 200, and how many of those after something was brought to the disk.
fn acknowledged(calls: &str) -> (u32, u32) {
    let (mut asked, mut synced, mut answered, mut durable) = (false, false, 0, 0);
    for call in calls.lines() {
        if call.contains("\"POST /oauth2/token") {
            (asked, synced) = (true, false);
        } else if call.contains("sync") && call.ends_with("= 0") {
            synced = true;
        } else if call.contains("\"HTTP/1.1 200") && std::mem::take(&mut asked) {
            answered += 1;
            durable += u32::from(synced);
        }
    }
    (answered, durable)
}

// T05: before the first byte of an answer its change is on the disk; and the test can tell when it is not
#[test]
fn nothing_is_acknowledged_before_it_is_on_the_disk() {
    let count = rounds(40, 1000);
    let Some(calls) = calls_while_refreshing("sqlite://faregate.db", count) else { return };
    // One more for the code.
    assert_eq!(acknowledged(&calls), (count + 1, count + 1));
    let calls = calls_while_refreshing("sqlite::memory:", count).expect("as before");
    assert_eq!(acknowledged(&calls), (count + 1, 0), "nothing of it is on a disk");
}
