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
use crate::support::process::soon;
use crate::support::steady::Steady;

const RATE: u32 = 200;

/// Another program that holds the file's lock, until it is dropped.
struct Holder(Runtime, Option<AnyConnection>);

impl Holder {
    fn of(site: &Site) -> Self {
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
