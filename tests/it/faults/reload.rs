//! The configuration changes under load, for the worse and for the better.

use std::sync::Arc;

use super::{PATIENCE, ROUTES, Site, guarded, rounds, seed, tokens, traffic};
use crate::support::cost::Cost;
use crate::support::ledger::{Ledger, Must};
use crate::support::process::{Gateway, send, soon};
use crate::support::steady::{Due, Steady};

/// Requests a second beside whatever happens.
const RATE: u32 = 200;

/// Asks the admin listener to read the configuration again: its status.
pub(super) fn reload(gateway: &Gateway) -> u16 {
    send(gateway.admin(), "POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .status()
}

fn running(gateway: &Gateway) -> String {
    gateway.admin_page("/status").json()["configuration"]["hash"].as_str().unwrap().to_owned()
}

fn metric(gateway: &Gateway, name: &str) -> u32 {
    let metrics = gateway.admin_page("/metrics");
    let value = metrics.body().lines().find_map(|line| line.strip_prefix(&format!("{name} "))?.parse().ok());
    value.unwrap_or_default()
}

/// A load on a gateway that was asked everything once, and what the process cost then.
fn under_load(site: &Site, ledger: &Arc<Ledger>, gateway: &Gateway) -> (Steady, Cost) {
    let load = Steady::start(site.address(), RATE, ledger, traffic(tokens(gateway)));
    soon(PATIENCE, || (ledger.passed() > 100).then_some(()));
    (load, Cost::of(gateway.id()))
}

// T39, V1 to V8: garbage, again and again, by signal and by request: nobody notices, and everything names what runs
#[test]
fn garbage_is_refused_again_and_again() {
    let (site, ledger) = (Site::new(), Arc::new(Ledger::new(seed())));
    let gateway = site.serve();
    let hash = running(&gateway);
    let (load, before) = under_load(&site, &ledger, &gateway);
    let garbage = ["routes: {", "", "\u{0}", "listen: [", "routes: { /x: { upstream: nobody, public: true } }"];
    for number in 1..=rounds(20, 100) {
        site.write(garbage[usize::try_from(number).unwrap() % garbage.len()]);
        if number % 2 == 0 {
            gateway.signal("HUP");
        } else {
            assert_eq!(reload(&gateway), 422);
        }
        soon(PATIENCE, || {
            (metric(&gateway, "faregate_config_reloads_total{result=\"refused\"}") >= number).then_some(())
        });
        assert_eq!((running(&gateway), metric(&gateway, "faregate_config_last_reload_successful")), (hash.clone(), 0));
    }
    assert_eq!(site.run(&["reload", "--admin", &gateway.admin().to_string()]).code, 2);
    load.stop();
    site.judge(&ledger, gateway, Some(before)).assert_unharmed("T39");
}

// T41, V1 to V8: routes come and go while others are used; nothing fails, and nothing stays behind
#[test]
fn routes_come_and_go_under_load() {
    let (site, ledger) = (Site::new(), Arc::new(Ledger::new(seed())));
    let gateway = site.serve();
    let reload = |number: u32| {
        let more: String =
            (0..20 + number % 3).map(|n| format!("  /new/{n}/**: {{ upstream: app, public: true }}\n")).collect();
        site.write_routes(&format!("{ROUTES}{more}"));
        assert_eq!(reload(&gateway), 200);
    };
    let (load, _) = under_load(&site, &ledger, &gateway);
    (0..10).for_each(reload);
    let before = Cost::of(gateway.id());
    (0..rounds(40, 100)).for_each(reload);
    load.stop();
    site.judge(&ledger, gateway, Some(before)).assert_unharmed("T41");
}

// T76: from the moment that a stricter rule was acknowledged, nobody is let in who was before
#[test]
fn a_stricter_rule_counts_from_its_acknowledgement() {
    let (site, ledger) = (Site::new(), Ledger::new(seed()));
    let gateway = site.serve();
    let known = tokens(&gateway);
    let mut callers: Vec<_> = (0..4).map(|_| site.caller()).collect();
    let mut ask_all = |must: Must| {
        for (number, caller) in callers.iter_mut().enumerate() {
            let due = guarded(&known, u64::try_from(number).unwrap() + 1);
            Due { must, ..due }.send(caller, &ledger);
        }
    };
    for _ in 0..rounds(10, 100) {
        ask_all(Must::Pass);
        site.write_routes(&ROUTES.replace("permission read on orders", "role admin"));
        assert_eq!(reload(&gateway), 200);
        ask_all(Must::Refuse(&[403]));
        site.write_routes(ROUTES);
        assert_eq!(reload(&gateway), 200);
    }
    ask_all(Must::Pass);
    site.judge(&ledger, gateway, None).assert_unharmed("T76");
}
