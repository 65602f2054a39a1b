//! More logins at once than can be computed: some are told to come again, and nobody who is not logging in notices.

use std::sync::Arc;
use std::time::Duration;

use super::{ANN, PASSWORD, PATIENCE, Site, redemption, rounds, seed, statuses, tokens, traffic};
use crate::support::cost::Cost;
use crate::support::ledger::{Act, Ledger, Must};
use crate::support::process::{encoded, soon};
use crate::support::steady::{Due, Steady};

/// Clients that log in one after the other, all of them at once: more than there are places to wait in.
const CROWD: usize = 64;

/// Ann's password as a grant, which is good every time.
fn login(must: Must) -> Due {
    let form =
        format!("grant_type=password&client_id=phone&username={}&password={PASSWORD}&scope=openid", encoded(ANN));
    Due::form("/oauth2/token", form, Act::Ask, must)
}

// T57, T67: hashing has threads and places of its own; memory for it is bounded and given back
#[test]
fn a_crowd_that_logs_in_disturbs_nobody_else() {
    let site = Site::new();
    let ledger = Arc::new(Ledger::new(seed()));
    let gateway = site.serve();
    let load = Steady::start(site.address(), 200, &ledger, traffic(tokens(&gateway)));
    let mut caller = site.caller();
    // The first hash costs what all others do.
    assert_eq!(login(Must::Pass).send(&mut caller, &ledger).expect("an answer").status, 200);
    soon(PATIENCE, || (ledger.passed() > 300).then_some(()));
    // As many readers of the store as a crowd needs, each with a thread.
    std::thread::scope(|scope| {
        for client in 0..CROWD {
            let (site, ledger) = (&site, &ledger);
            scope.spawn(move || {
                let mut caller = site.caller();
                for number in 0..5 {
                    redemption(&format!("no-code-{client}-{number}"), Must::Refuse(&[400])).send(&mut caller, ledger);
                }
            });
        }
    });
    let before = Cost::of(gateway.id());
    let answers: Vec<_> = std::thread::scope(|scope| {
        let client = |_| {
            scope.spawn(|| {
                let mut caller = site.caller().patient_for(Duration::from_secs(180));
                (0..rounds(1, 40)).map(|_| login(Must::Either(&[503])).send(&mut caller, &ledger)).collect::<Vec<_>>()
            })
        };
        let clients: Vec<_> = (0..CROWD).map(client).collect();
        let most = Cost::of(gateway.id());
        assert!(
            most.resident_kib < before.resident_kib + 2 * 19 * 1024 + before.resident_kib / 5,
            "{before:?} {most:?}"
        );
        clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
    });
    for refused in answers.iter().flatten().filter(|answer| answer.status == 503) {
        assert!(refused.field("retry-after").is_some(), "{refused:?}");
    }
    let counted = statuses(answers);
    let latencies = load.stop();
    println!("T57: {counted:?}, p99 of guarded requests {:?}", latencies.p99());
    assert!(counted[&200] > 0 && counted[&503] > 0, "{counted:?}");
    // Memory that hashing used is kept for ten seconds.
    std::thread::sleep(Duration::from_secs(11));
    println!("T57: {before:?} before");
    site.judge(&ledger, gateway, Some(before)).assert_unharmed("T57");
}
