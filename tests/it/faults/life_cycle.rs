//! Processes that hand over or end while requests, tunnels and long answers are under way.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{CALLERS, PATIENCE, Site, WINDOW, client_credentials, rounds, seed, token_of, tokens, traffic};
use crate::support::ledger::{Act, Ledger, Must};
use crate::support::process::{Gateway, soon};
use crate::support::steady::{Due, Steady};

/// A process that the one before it started, ended with the test.
struct Successor(String);

impl Successor {
    fn signal(&self, name: &str) {
        let _ = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.0)]).output();
    }

    fn has_ended(&self) -> bool {
        !std::path::Path::new(&format!("/proc/{}", self.0)).exists()
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

fn pid(gateway: &Gateway) -> Option<String> {
    gateway.admin_page("/status").json()["pid"].as_u64().map(|pid| pid.to_string())
}

/// Another process takes over from the one that this signals; it answers when this returns.
fn upgrade(gateway: &Gateway, signal: impl FnOnce()) -> Successor {
    let before = soon(PATIENCE, || pid(gateway));
    signal();
    Successor(soon(Duration::from_secs(30), || pid(gateway).filter(|now| *now != before)))
}

// T43, V1 to V6: processes follow each other under load, with answers that take long: no request is refused or cut
#[test]
#[cfg(target_os = "linux")]
fn processes_follow_each_other_under_load() {
    let site = Site::new();
    let ledger = Arc::new(Ledger::new(seed()));
    // The successor listens for operators where its predecessor did.
    let mut gateway = site.serve();
    let known = tokens(&gateway);
    let token = token_of(&gateway, CALLERS[0]);
    let load = Steady::start(site.address(), 150, &ledger, traffic(known));
    let asking = Steady::start(site.address(), 5, &ledger, |_| Some(client_credentials(Must::Pass)));
    soon(PATIENCE, || (ledger.passed() > 100).then_some(()));
    let mut successors: Vec<Successor> = Vec::new();
    for _ in 0..rounds(3, 20) {
        // Answers that begin in one process and are awaited while another takes over.
        site.canary.answer_after(Duration::from_millis(200));
        let next = match successors.last() {
            None => upgrade(&gateway, || gateway.signal("USR2")),
            Some(last) => upgrade(&gateway, || last.signal("USR2")),
        };
        site.canary.answer_after(Duration::ZERO);
        successors.push(next);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(gateway.wait(), 0, "{}", gateway.stderr());
    let mut caller = site.caller();
    Due::get("/api/orders", Act::Pass { subject: Some(CALLERS[0].to_owned()) }, Must::Pass)
        .bearing(&token)
        .send(&mut caller, &ledger);
    let latencies = load.stop();
    asking.stop();
    let last = successors.pop().expect("a process");
    for before in &successors {
        soon(PATIENCE, || before.has_ended().then_some(()));
    }
    let findings = ledger.check(&site.canary.seen(), WINDOW);
    println!("T43: p99 {:?}, longest {:?}", latencies.p99(), latencies.longest());
    findings.assert_unharmed("T43");
    last.signal("TERM");
    soon(PATIENCE, || last.has_ended().then_some(()));
}

/// A tunnel through the gateway that is open.
fn tunnel(site: &Site) -> TcpStream {
    let mut stream = TcpStream::connect(site.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let head = "GET /public/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    stream.write_all(format!("{head}{key}\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream
}

// T45: whatever fits into the grace period is answered in full, tunnels end with it at the latest, and so does the process
#[test]
fn an_end_waits_for_answers_that_are_under_way() {
    let (site, ledger) = (Site::new(), Ledger::new(seed()));
    let mut gateway = site.serve();
    let known = tokens(&gateway);
    let tunnels: Vec<TcpStream> = (0..rounds(5, 20)).map(|_| tunnel(&site)).collect();
    site.canary.answer_after(Duration::from_secs(2));
    let count = rounds(60, 200);
    let (ended, took) = std::thread::scope(|scope| {
        let (known, ledger, site) = (&known, &ledger, &site);
        let clients: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || super::guarded(known, u64::from(number) + 1).send(&mut site.caller(), ledger))
            })
            .collect();
        let arrived = || site.canary.seen().iter().filter(|seen| seen.id.is_some()).count();
        soon(PATIENCE, || (arrived() == usize::try_from(count).unwrap()).then_some(()));
        let began = Instant::now();
        gateway.signal("TERM");
        for client in clients {
            let answer = client.join().expect("no panic").expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        (gateway.wait(), began.elapsed())
    });
    drop(tunnels);
    println!("T45: {count} answers and an end after {took:?}");
    assert_eq!(ended, 0, "{}", gateway.stderr());
    // The grace period is eight seconds.
    assert!(took < Duration::from_secs(10), "{took:?}");
    ledger.check(&site.canary.seen(), WINDOW).assert_unharmed("T45");
}
