//! Clients that leave in the middle of an answer, and a hundred that come at once with the same thing.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Barrier;
use std::time::Duration;

use super::{Site, codes, families, postgres, probe, redemption, refresh, rounds, seed, statuses};
use crate::support::caller::Answer;
use crate::support::ledger::{Ledger, Must, Outcome};
use crate::support::steady::Due;

/// Sends it and leaves after so many bytes of the answer.
pub(super) fn leave_after(site: &Site, ledger: &Ledger, due: &Due, bytes: usize) {
    let id = ledger.invoke(due.act.clone(), due.must);
    let mut stream = TcpStream::connect(site.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let Due { method, target, fields, body, .. } = due;
    let length = body.len();
    let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    // With nothing of the answer wanted, it leaves before there is one.
    let _ = stream.read_exact(&mut vec![0; bytes]);
    let _ = stream.shutdown(Shutdown::Both);
    ledger.returned(id, Outcome::Info);
}

/// Wherever its answer is cut off, a client that asks again gets the same successor.
fn a_lost_answer_can_be_had_again(site: &Site) {
    let ledger = Ledger::new(seed());
    let gateway = site.serve();
    let cuts: Vec<usize> = (0..600).step_by(usize::try_from(600 / rounds(20, 600)).unwrap()).collect();
    let tokens = families(site, &ledger, u32::try_from(cuts.len()).unwrap());
    let mut caller = site.caller();
    for (token, bytes) in tokens.iter().zip(cuts) {
        leave_after(site, &ledger, &refresh(token, Must::Pass), bytes);
        let again: Vec<String> = (0..2)
            .map(|_| refresh(token, Must::Pass).send(&mut caller, &ledger).expect("an answer").text("refresh_token"))
            .collect();
        assert!(!again[0].is_empty() && again[0] == again[1] && again[0] != *token, "after {bytes} bytes");
        probe(&again[0], Must::Pass).send(&mut caller, &ledger);
    }
    let findings = site.judge(&ledger, gateway, None);
    findings.assert_none("T03, T09");
    // Those that left are unknown, and nothing else is.
    assert_eq!(findings.failed.len(), tokens.len(), "{findings}");
}

// T03, T09
#[test]
fn a_client_that_heard_half_an_answer_asks_again() {
    a_lost_answer_can_be_had_again(&Site::new());
}

// T03, T09
#[test]
fn a_client_that_heard_half_an_answer_asks_again_on_postgres() {
    if let Some(store) = postgres() {
        a_lost_answer_can_be_had_again(&Site::on(&store));
    }
}

/// So many clients send the same at the same time: their answers.
fn at_once(site: &Site, ledger: &Ledger, due: &Due, clients: usize) -> Vec<Option<Answer>> {
    let barrier = Barrier::new(clients);
    std::thread::scope(|scope| {
        let send = || {
            let mut caller = site.caller();
            // Everybody has a connection already.
            let _ = caller.get("/oauth2/none", "");
            barrier.wait();
            due.send(&mut caller, ledger)
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(send)).collect();
        clients.into_iter().map(|client| client.join().expect("no panic")).collect()
    })
}

fn a_hundred_at_once(site: &Site) {
    let ledger = Ledger::new(seed());
    let gateway = site.serve();
    let mut caller = site.caller();
    for code in codes(site, rounds(3, 250)) {
        let answers = at_once(site, &ledger, &redemption(&code, Must::Either(&[400])), 100);
        assert_eq!(statuses(answers), [(200, 1), (400, 99)].into(), "one code");
    }
    for token in families(site, &ledger, rounds(3, 250)) {
        let answers = at_once(site, &ledger, &refresh(&token, Must::Pass), 100);
        let mut successors: Vec<String> =
            answers.into_iter().flatten().map(|answer| answer.text("refresh_token")).collect();
        successors.sort_unstable();
        successors.dedup();
        assert_eq!(successors.len(), 1, "one successor");
        probe(&successors[0], Must::Pass).send(&mut caller, &ledger);
    }
    site.judge(&ledger, gateway, None).assert_unharmed("T10");
}

// T10
#[test]
fn of_a_hundred_who_redeem_one_code_one_does() {
    a_hundred_at_once(&Site::new());
}

// T10
#[test]
fn of_a_hundred_who_redeem_one_code_one_does_on_postgres() {
    if let Some(store) = postgres() {
        a_hundred_at_once(&Site::on(&store));
    }
}
