//! Several nodes on one store: each goes on without the others, what must happen once happens once, and what one of them
//! revokes is refused by all.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use super::database::{Cut, cut_site};
use super::{
    CALLER_SECRET, CALLERS, PATIENCE, Site, WINDOW, codes, families, is_well, postgres, probe, redemption, refresh,
    rounds, seed, token_of, tokens, traffic,
};
use crate::support::caller::Caller;
use crate::support::ledger::{Act, Ledger, Must};
use crate::support::process::{Gateway, encoded, soon};
use crate::support::steady::{Due, Steady};
use crate::support::tcp_proxy::Wire;

/// Sends the same to both nodes at the same instant: the tokens that they gave.
fn at_both(nodes: &[&Gateway; 2], ledger: &Ledger, due: &Due) -> Vec<String> {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let send = |node: &Gateway| {
            let mut caller = Caller::new(node.address());
            let _ = caller.get("/oauth2/none", "");
            barrier.wait();
            due.send(&mut caller, ledger)
                .filter(|answer| answer.status == 200)
                .map(|answer| answer.text("refresh_token"))
        };
        let clients = nodes.map(|node| scope.spawn(move || send(node)));
        clients.into_iter().filter_map(|client| client.join().expect("no panic")).collect()
    })
}

fn one_of_two_nodes_does_it(site: &Site) {
    let ledger = Ledger::new(seed());
    let (here, there) = (site.serve(), site.serve_another());
    let mut caller = site.caller();
    for code in codes(site, rounds(20, 1000)) {
        let given = at_both(&[&here, &there], &ledger, &redemption(&code, Must::Either(&[400])));
        assert_eq!(given.len(), 1, "one code");
    }
    for token in families(site, &ledger, rounds(20, 1000)) {
        let given = at_both(&[&here, &there], &ledger, &refresh(&token, Must::Pass));
        assert!(given.len() == 2 && given[0] == given[1], "one successor: {given:?}");
        probe(&given[0], Must::Pass).send(&mut caller, &ledger);
    }
    let mut findings = site.judge(&ledger, here, None);
    findings.search(&super::secrets(&ledger), &[("the other log", there.stop_and_read())]);
    findings.assert_unharmed("T71");
}

// T71
#[test]
fn of_two_nodes_that_are_asked_at_once_one_does_it() {
    one_of_two_nodes_does_it(&Site::new());
}

// T71
#[test]
fn of_two_nodes_on_postgres_that_are_asked_at_once_one_does_it() {
    if let Some(store) = postgres() {
        one_of_two_nodes_does_it(&Site::on(&store));
    }
}

fn guarded_at(token: &str, must: Must) -> Due {
    Due::get("/api/orders", Act::Pass { subject: Some(CALLERS[0].to_owned()) }, must).bearing(token)
}

/// Ends an access token at this node.
fn revoke(node: &Gateway, token: &str) {
    let form = format!("client_id={}&client_secret={}&token={token}", CALLERS[0], encoded(CALLER_SECRET));
    assert_eq!(node.post_form("/oauth2/revoke", &form).status(), 200);
}

// T12, T72: revoked at one node, refused at the other within a second; also at one that stood still when it happened
#[test]
#[cfg(target_os = "linux")]
fn what_one_node_revokes_the_others_refuse() {
    let (site, ledger) = (Site::new(), Ledger::new(seed()));
    let (here, there) = (site.serve(), site.serve_another());
    let mut caller = Caller::new(there.address());
    for stands_still in [false, true] {
        for _ in 0..rounds(3, 50) {
            let token = token_of(&here, CALLERS[0]);
            guarded_at(&token, Must::Pass).send(&mut caller, &ledger).expect("an answer");
            if stands_still {
                there.signal("STOP");
            }
            revoke(&here, &token);
            if stands_still {
                std::thread::sleep(Duration::from_millis(1500));
                there.signal("CONT");
            }
            let began = Instant::now();
            let refused = soon(WINDOW * 2, || {
                guarded_at(&token, Must::Either(&[401]))
                    .send(&mut caller, &ledger)
                    .filter(|answer| answer.status == 401)
            });
            assert!(refused.field("www-authenticate").is_some(), "{refused:?}");
            assert!(began.elapsed() < WINDOW * 2, "{:?}", began.elapsed());
            // And from then on.
            for _ in 0..3 {
                guarded_at(&token, Must::Refuse(&[401])).send(&mut caller, &ledger).expect("an answer");
            }
        }
    }
    drop(there);
    site.judge(&ledger, here, None).assert_unharmed("T12, T72");
}

// T69: a node is killed: the others serve as before, with everything that it acknowledged
#[test]
fn a_node_that_dies_takes_nothing_along() {
    let (site, ledger) = (Site::new(), Arc::new(Ledger::new(seed())));
    let (here, there) = (site.serve(), site.serve_another());
    let load = Steady::start(site.address(), 150, &ledger, traffic(tokens(&here)));
    let held = families(&site, &ledger, 5);
    // Given at the other node, and it dies.
    let mut caller = Caller::new(there.address());
    let successors: Vec<String> = held
        .iter()
        .map(|token| refresh(token, Must::Pass).send(&mut caller, &ledger).expect("an answer").text("refresh_token"))
        .collect();
    there.kill_and_read();
    soon(PATIENCE, || (ledger.passed() > 200).then_some(()));
    let mut caller = site.caller();
    for token in &successors {
        probe(token, Must::Pass).send(&mut caller, &ledger);
    }
    load.stop();
    site.judge(&ledger, here, None).assert_unharmed("T69");
}

// T70: one node has no way to the database: it guards, issues nothing and says so; the other does not notice; and once it has
// a way again, it knows what happened meanwhile
#[test]
fn a_node_that_is_cut_off_guards_and_catches_up() {
    let Some(Cut { site, wire, direct }) = cut_site() else { return };
    let ledger = Arc::new(Ledger::new(seed()));
    let here = site.serve();
    let there = Gateway::start(site.command(&["serve", "--format", "json"]).env("PORT", "0").env("STORE", direct));
    let (at_here, at_there) = (tokens(&here), tokens(&there));
    let revoked: Vec<String> = (0..5).map(|_| token_of(&there, CALLERS[0])).collect();
    let held = families(&site, &ledger, 3);
    let loads = [
        Steady::start(site.address(), 100, &ledger, traffic(at_here)),
        Steady::start(there.address(), 100, &ledger, traffic(at_there)),
    ];
    soon(PATIENCE, || (ledger.passed() > 200).then_some(()));
    wire.becomes(Wire::Swallows);
    soon(Duration::from_secs(6), || (!is_well(&here, "/readyz")).then_some(()));
    let (mut caller_here, mut caller_there) = (site.caller(), Caller::new(there.address()));
    for token in &revoked {
        revoke(&there, token);
        guarded_at(token, Must::Refuse(&[401])).send(&mut caller_there, &ledger).expect("an answer");
    }
    let mut successors = Vec::new();
    for token in &held {
        refresh(token, Must::Refuse(&[503])).send(&mut caller_here, &ledger).expect("an answer");
        let answer = refresh(token, Must::Pass).send(&mut caller_there, &ledger).expect("an answer");
        successors.push(answer.text("refresh_token"));
    }
    assert!(is_well(&here, "/healthz") && is_well(&there, "/readyz"));
    std::thread::sleep(Duration::from_secs(rounds(2, 60).into()));
    assert!(!is_well(&here, "/readyz"));

    wire.becomes(Wire::Passes);
    soon(Duration::from_secs(8), || is_well(&here, "/readyz").then_some(()));
    for token in &revoked {
        soon(WINDOW * 3, || {
            let answer = guarded_at(token, Must::Either(&[401])).send(&mut caller_here, &ledger);
            answer.filter(|answer| answer.status == 401)
        });
        guarded_at(token, Must::Refuse(&[401])).send(&mut caller_here, &ledger).expect("an answer");
    }
    for token in &successors {
        probe(token, Must::Pass).send(&mut caller_here, &ledger);
    }
    let latencies = loads.map(Steady::stop);
    println!("T70: p99 of guarded requests {:?}", latencies.map(|latencies| latencies.p99()));
    let mut findings = site.judge(&ledger, here, None);
    findings.search(&super::secrets(&ledger), &[("the other log", there.stop_and_read())]);
    findings.assert_unharmed("T70");
}
