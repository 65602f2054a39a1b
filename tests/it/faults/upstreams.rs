//! Upstreams that are gone, or lose one of their servers, or whose name leads nowhere.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::{PATIENCE, ROUTES, Site, WINDOW, guarded, rounds, secrets, seed, tokens, traffic};
use crate::support::canary::Canary;
use crate::support::cost::Cost;
use crate::support::ledger::{Act, Ledger, Must};
use crate::support::process::{Gateway, soon};
use crate::support::steady::{Due, Steady};
use crate::support::tcp_proxy::{TcpProxy, Wire};

/// Puts another upstream, as it stands in a configuration, beside the canary's, at `/other/**`.
pub(super) fn add_upstream(site: &Site, other: &str) {
    let text = fs::read_to_string(site.file("faregate.yaml")).unwrap();
    let upstreams = format!("upstreams:\n  app: \"${{UPSTREAM}}\"\n  other: {other}\n");
    let text = text.replace("upstreams: { app: \"${UPSTREAM}\" }\n", &upstreams);
    let routes = format!("{ROUTES}  /other/**: {{ upstream: other, public: true }}\n");
    site.write(&text.replace(ROUTES, &routes));
}

pub(super) fn other(must: Must) -> Due {
    Due::get("/other/x", Act::Pass { subject: None }, must)
}

// T32, T37, V1 to V8: an upstream that is gone costs only its own callers, quickly, and is used again as soon as it is back
#[test]
fn an_upstream_that_is_gone_costs_only_its_own_callers() {
    let (site, ledger) = (Site::new(), Arc::new(Ledger::new(seed())));
    let wire = TcpProxy::to(site.canary.address);
    add_upstream(&site, &format!("http://{}", wire.address));
    let gateway = site.serve();
    let load = Steady::start(site.address(), 150, &ledger, traffic(tokens(&gateway)));
    let mut caller = site.caller();
    other(Must::Pass).send(&mut caller, &ledger).expect("an answer");
    soon(PATIENCE, || (ledger.passed() > 100).then_some(()));
    let before = Cost::of(gateway.id());
    wire.becomes(Wire::Refuses);
    for _ in 0..rounds(40, 2000) {
        other(Must::Refuse(&[502, 503])).send(&mut caller, &ledger).expect("an answer");
    }
    wire.becomes(Wire::Passes);
    soon(Duration::from_secs(15), || {
        other(Must::Either(&[502, 503])).send(&mut caller, &ledger).filter(|answer| answer.status == 200)
    });
    load.stop();
    site.judge(&ledger, gateway, Some(before)).assert_unharmed("T32, T37");
}

// T32, V1 to V6: one of two servers goes and comes back: no GET fails, and each arrives with the right identity
#[test]
fn a_server_that_is_gone_is_not_noticed() {
    let (site, two) = (Site::new(), Canary::start());
    let wire = TcpProxy::to(site.canary.address);
    let text = fs::read_to_string(site.file("faregate.yaml")).unwrap();
    let servers = format!("upstreams: {{ app: {{ servers: [\"{}\", \"{}\"] }} }}\n", wire.address, two.address);
    site.write(&text.replace("upstreams: { app: \"${UPSTREAM}\" }\n", &servers));
    let ledger = Arc::new(Ledger::new(seed()));
    let gateway = site.serve();
    let known = tokens(&gateway);
    let load = Steady::start(site.address(), 150, &ledger, move |number| Some(guarded(&known, number)));
    soon(PATIENCE, || (ledger.passed() > 100).then_some(()));
    for _ in 0..rounds(2, 10) {
        wire.becomes(Wire::Refuses);
        std::thread::sleep(Duration::from_millis(500));
        wire.becomes(Wire::Passes);
        std::thread::sleep(Duration::from_millis(500));
    }
    load.stop();
    let seen = [site.canary.seen(), two.seen()];
    assert!(seen.iter().all(|seen| !seen.is_empty()));
    let mut findings = ledger.check(&seen.concat(), WINDOW);
    findings.search(&secrets(&ledger), &[("the log", gateway.stop_and_read())]);
    findings.assert_unharmed("T32");
}

// T38: a name that leads nowhere costs only its own callers, and is used as soon as it leads somewhere
#[test]
#[cfg(target_os = "linux")]
fn a_name_that_leads_nowhere_costs_only_its_own_callers() {
    let (site, ledger) = (Site::new(), Arc::new(Ledger::new(seed())));
    // `.invalid` leads nowhere for good (RFC 6761), but for those who have a file of names of their own.
    add_upstream(&site, &format!("http://nowhere.invalid:{}", site.canary.address.port()));
    fs::write(site.file("hosts"), "127.0.0.1 localhost\n").unwrap();
    let bind = format!("mount --bind {} /etc/hosts", site.file("hosts").display());
    let apart = ["--mount", "--map-root-user", "sh", "-c"];
    let can_name = Command::new("unshare").args(apart).arg(&bind).output().is_ok_and(|output| output.status.success());
    let mut command = if can_name {
        let mut command = Command::new("unshare");
        let script = format!("{bind} && exec \"$0\" serve --format json");
        command.args(apart).args([&script, env!("CARGO_BIN_EXE_faregate")]).current_dir(site.folder.path());
        site.surround(command.env_remove("RUST_LOG"));
        command
    } else {
        eprintln!("Nothing can be mounted here: that the name leads somewhere again is not looked at.");
        site.command(&["serve", "--format", "json"])
    };
    let gateway = Gateway::start(&mut command);
    let load = Steady::start(site.address(), 150, &ledger, traffic(tokens(&gateway)));
    let mut caller = site.caller();
    for _ in 0..rounds(30, 1000) {
        other(Must::Refuse(&[502, 503])).send(&mut caller, &ledger).expect("an answer");
    }
    assert!(gateway.stderr().contains("does not resolve"), "{}", gateway.stderr());
    if can_name {
        fs::write(site.file("hosts"), "127.0.0.1 localhost nowhere.invalid\n").unwrap();
        soon(PATIENCE, || {
            other(Must::Either(&[502, 503])).send(&mut caller, &ledger).filter(|answer| answer.status == 200)
        });
    }
    load.stop();
    site.judge(&ledger, gateway, None).assert_unharmed("T38");
}
