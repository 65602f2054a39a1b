//! PostgreSQL is gone, loses connections, is slow or says nothing: guarded requests do not notice, and whatever needs the
//! store is refused quickly until it is back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{
    PATIENCE, Site, ask_database, client_credentials, codes, families, is_well, postgres, probe, redemption, refresh,
    rounds, seed, tokens, traffic,
};
use crate::support::caller::Caller;
use crate::support::cost::Cost;
use crate::support::ledger::{Ledger, Must};
use crate::support::process::soon;
use crate::support::steady::{Due, Steady};
use crate::support::tcp_proxy::{TcpProxy, Wire};

/// Guarded requests a second.
const RATE: u32 = 200;

/// A site whose way to PostgreSQL leads through a wire that can be cut.
pub struct Cut {
    pub site: Site,
    pub wire: TcpProxy,
    /// The store on another way.
    pub direct: String,
}

/// Nothing where there is no PostgreSQL.
pub fn cut_site() -> Option<Cut> {
    let url = postgres()?;
    let (before, rest) = url.split_once('@').unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let wire = TcpProxy::to(host.parse::<SocketAddr>().unwrap());
    let site = Site::on(&format!("{before}@{}/{path}", wire.address));
    Some(Cut { site, wire, direct: url })
}

/// Asks for tokens of every kind, and how long the slowest answer took.
fn ask_for_tokens(caller: &mut Caller, ledger: &Ledger, asked: &[Due]) -> Duration {
    let mut slowest = Duration::ZERO;
    for due in asked {
        let began = Instant::now();
        let answer = due.send(caller, ledger).expect("an answer");
        if answer.status == 503 {
            assert!(answer.field("retry-after").is_some(), "{answer:?}");
        }
        slowest = slowest.max(began.elapsed());
    }
    slowest
}

/// A fault of the wire: guarded requests go on; tokens are refused within `quickly` each once the fault is known, which takes
/// `known_after` at most; and everything is well within five seconds of its end.
fn tokens_are_refused_while(row: &str, fault: Wire, (known_after, quickly): (Duration, Duration)) {
    let Some(Cut { site, wire, .. }) = cut_site() else { return };
    let ledger = Arc::new(Ledger::new(seed()));
    let gateway = site.serve();
    let held = families(&site, &ledger, 3);
    let unspent = codes(&site, 3);
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    soon(PATIENCE, || (ledger.passed() > 200).then_some(()));
    assert!(is_well(&gateway, "/readyz"));
    let before = Cost::of(gateway.id());

    wire.becomes(fault);
    let began = Instant::now();
    soon(known_after, || (!is_well(&gateway, "/readyz")).then_some(()));
    let refused = Must::Refuse(&[503]);
    let mut caller = site.caller();
    let asked = [refresh(&held[0], refused), redemption(&unspent[0], refused), client_credentials(refused)];
    let mut slowest = Duration::ZERO;
    while began.elapsed() < Duration::from_secs(rounds(4, 60).into()) {
        slowest = slowest.max(ask_for_tokens(&mut caller, &ledger, &asked));
        assert!(is_well(&gateway, "/healthz"), "the process works");
        assert!(!is_well(&gateway, "/readyz"));
    }
    assert!(slowest < quickly, "{row}: {slowest:?}");

    wire.becomes(Wire::Passes);
    let began = Instant::now();
    soon(Duration::from_secs(5), || is_well(&gateway, "/readyz").then_some(()));
    for token in &held {
        soon(Duration::from_secs(5), || {
            probe(token, Must::Either(&[503])).send(&mut caller, &ledger).filter(|a| a.status == 200)
        });
    }
    for code in &unspent {
        let given = redemption(code, Must::Pass).send(&mut caller, &ledger).expect("an answer").text("refresh_token");
        probe(&given, Must::Pass).send(&mut caller, &ledger);
    }
    let recovered = began.elapsed();
    let latencies = load.stop();
    let findings = site.judge(&ledger, gateway, Some(before));
    println!(
        "{row}: slowest refusal {slowest:?}, recovered in {recovered:?}, p99 of guarded requests {:?}",
        latencies.p99()
    );
    findings.assert_unharmed(row);
    assert!(recovered < Duration::from_secs(5), "{recovered:?}");
}

// T13
#[test]
fn guarded_requests_do_not_notice_that_the_database_is_gone() {
    tokens_are_refused_while("T13", Wire::Refuses, (Duration::from_secs(5), Duration::from_millis(1500)));
}

// T17
#[test]
fn guarded_requests_do_not_notice_that_the_database_says_nothing() {
    tokens_are_refused_while("T17", Wire::Swallows, (Duration::from_secs(6), Duration::from_millis(4500)));
}

// T14: connections end while they are used
#[test]
fn lost_connections_to_the_database_lose_nothing() {
    let Some(url) = postgres() else { return };
    let site = Site::on(&format!("{url}&application_name={}", "faults_t14"));
    let ledger = Arc::new(Ledger::new(seed()));
    let gateway = site.serve();
    let held = families(&site, &ledger, 6);
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    let stop = AtomicBool::new(false);
    let lasting = Duration::from_secs(rounds(4, 60).into());
    let last: Vec<String> = std::thread::scope(|scope| {
        let (ledger, stop, site) = (&ledger, &stop, &site);
        let clients = held.into_iter().map(|token| {
            scope.spawn(move || {
                let (mut caller, mut token) = (site.caller(), token);
                while !stop.load(Ordering::Relaxed) {
                    match refresh(&token, Must::Either(&[503])).send(&mut caller, ledger) {
                        Some(answer) if answer.status == 200 => token = answer.text("refresh_token"),
                        Some(_) | None => {}
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                token
            })
        });
        let clients: Vec<_> = clients.collect();
        let began = Instant::now();
        while began.elapsed() < lasting {
            // One at a time, ten times a second.
            ask_database(
                &url,
                "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
                 WHERE application_name = 'faults_t14' ORDER BY random() LIMIT 1) AS one",
            );
            std::thread::sleep(Duration::from_millis(90));
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no panic")).collect()
    });
    load.stop();
    let mut caller = site.caller();
    for token in last {
        probe(&token, Must::Pass).send(&mut caller, &ledger);
    }
    let findings = site.judge(&ledger, gateway, None);
    findings.assert_unharmed("T14");
}

// T15: every query is late: tokens take long or are refused, and no client waits without end
#[test]
fn a_slow_database_delays_nobody_but_those_who_need_it() {
    let Some(Cut { site, wire, .. }) = cut_site() else { return };
    let ledger = Arc::new(Ledger::new(seed()));
    let gateway = site.serve();
    let held = families(&site, &ledger, 3);
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    soon(PATIENCE, || (ledger.passed() > 200).then_some(()));
    wire.becomes(Wire::Delays(Duration::from_secs(2)));
    let mut caller = site.caller().patient_for(PATIENCE);
    let began = Instant::now();
    let refused = refresh(&held[0], Must::Either(&[503])).send(&mut caller, &ledger).expect("an answer");
    let took = began.elapsed();
    assert_eq!(refused.status, 503, "{refused:?}");
    wire.becomes(Wire::Passes);
    for token in &held {
        soon(PATIENCE, || probe(token, Must::Either(&[503])).send(&mut caller, &ledger).filter(|a| a.status == 200));
    }
    let latencies = load.stop();
    println!("T15: refused after {took:?}, p99 of guarded requests {:?}", latencies.p99());
    site.judge(&ledger, gateway, None).assert_unharmed("T15");
    assert!(took < Duration::from_millis(4500), "{took:?}");
}

/// A site with a role of its own in PostgreSQL, so that what is done to the role disturbs nobody else; and the URL of somebody
/// who may change it.
fn role_site(role: &str) -> Option<(Site, String)> {
    let url = postgres()?;
    // A server that somebody supplied may want passwords.
    let (own, schema) = (url.strip_prefix("postgres://faregate@")?, url.rsplit_once("search_path%3D")?.1);
    let role = format!("{role}_{schema}");
    ask_database(&url, &format!("CREATE ROLE {role} LOGIN"));
    ask_database(&url, &format!("GRANT ALL ON SCHEMA {schema} TO {role}"));
    Some((Site::on(&format!("postgres://{role}@{own}")), url))
}

/// Does this to the site's role, and ends its connections: the next ones are what it says.
fn change_role((site, url): (&Site, &str), change: &str) {
    let role = site.store.split("://").nth(1).unwrap().split('@').next().unwrap();
    ask_database(url, &format!("ALTER ROLE {role} {change}"));
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename =";
    ask_database(url, &format!("{end} '{role}'"));
    // They are told to end, and do so when they are told.
    std::thread::sleep(Duration::from_millis(500));
}

/// While the role is so, what must be written is refused within a second and a half; afterwards everything works.
fn writes_are_refused_while(row: &str, (there, back): (&str, &str)) {
    let Some((site, url)) = role_site(&row.to_ascii_lowercase()) else { return };
    let ledger = Arc::new(Ledger::new(seed()));
    let gateway = site.serve();
    let held = families(&site, &ledger, 3);
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    soon(PATIENCE, || (ledger.passed() > 200).then_some(()));
    change_role((&site, &url), there);
    let mut caller = site.caller();
    let asked: Vec<Due> = held.iter().map(|token| refresh(token, Must::Refuse(&[503]))).collect();
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    while began.elapsed() < Duration::from_secs(rounds(3, 30).into()) {
        slowest = slowest.max(ask_for_tokens(&mut caller, &ledger, &asked));
    }
    change_role((&site, &url), back);
    for token in &held {
        soon(PATIENCE, || probe(token, Must::Either(&[503])).send(&mut caller, &ledger).filter(|a| a.status == 200));
    }
    load.stop();
    println!("{row}: slowest refusal {slowest:?}");
    site.judge(&ledger, gateway, None).assert_unharmed(row);
    assert!(slowest < Duration::from_millis(2500), "{row}: {slowest:?}");
}

// T16: the server gives no more connections
#[test]
fn a_database_without_free_connections_refuses_quickly() {
    writes_are_refused_while("T16", ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1"));
}

// T18: the server takes no writes, as one does that has become a standby
#[test]
fn a_database_that_takes_no_writes_issues_nothing() {
    writes_are_refused_while("T18", ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"));
}
