//! The process is killed without a word while it spends codes, replaces refresh tokens and revokes: what it said was done is
//! done, and nothing is done twice.

use std::fs;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use super::{
    API_KEY, PASSWORD, PATIENCE, Site, WINDOW, codes, families, postgres, probe, recovers, redemption, refresh,
    revocation, rounds, secrets, seed, some_time, sound,
};
use crate::support::caller::Answer;
use crate::support::ledger::{Act, Findings, Ledger, Must};
use crate::support::process::Gateway;
use crate::support::steady::Due;

/// What a request may be answered while nobody knows whether it was done before.
const ANY: Must = Must::Either(&[400, 503]);

/// Kills the gateway, starts it again, and tells how long nobody answered. What it wrote until then is in `said`.
fn restart(site: &Site, gateway: Gateway, said: &mut String) -> (Gateway, Duration) {
    said.push_str(&gateway.kill_and_read());
    let gateway = site.serve();
    let took = gateway.ready_after;
    recovers(site);
    (gateway, took)
}

/// The ledger, the logs of every process there was, and the file.
fn judge(site: &Site, ledger: &Ledger, gateway: Gateway, said: String) -> Findings {
    let mut findings = site.judge(ledger, gateway, None);
    findings.search(&secrets(ledger), &[("the logs of those that were killed", said)]);
    sound(site);
    findings
}

/// Sends all of these from several clients at once until `stop`, and answers what each was answered.
fn send_all(
    site: &Site,
    ledger: &Ledger,
    all: Vec<(String, Due)>,
    meanwhile: impl FnOnce(),
) -> Vec<(String, Option<Answer>)> {
    let (waiting, answered) = (Mutex::new(all), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut caller = site.caller();
                loop {
                    let Some((name, due)) = waiting.lock().unwrap().pop() else { return };
                    let answer = due.send(&mut caller, ledger);
                    if answer.is_none() {
                        // Nobody is there: the others of the list are for the next one.
                        std::thread::sleep(Duration::from_millis(100));
                    }
                    answered.lock().unwrap().push((name, answer));
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
        meanwhile();
    });
    answered.into_inner().unwrap()
}

/// Codes are redeemed while the process is killed; whoever heard nothing asks once more.
fn codes_are_spent_once(site: &Site) {
    let ledger = Ledger::new(seed());
    let (mut gateway, mut said, mut slowest) = (site.serve(), String::new(), Duration::ZERO);
    for round in 0..rounds(3, 50) {
        let all = codes(site, rounds(80, 500)).into_iter().map(|code| (code.clone(), redemption(&code, ANY))).collect();
        let mut restarted = None;
        let answered = send_all(site, &ledger, all, || {
            std::thread::sleep(some_time((50, 200), ledger.seed(), round));
            restarted = Some(restart(site, gateway, &mut said));
        });
        let took;
        (gateway, took) = restarted.expect("it was started again");
        slowest = slowest.max(took);
        let mut caller = site.caller();
        for (number, (code, answer)) in answered.into_iter().enumerate() {
            let first = answer.filter(|answer| answer.status == 200);
            // What was acknowledged before the process was killed is good after it.
            if let Some(first) = &first {
                let given = first.text("refresh_token");
                assert_eq!(probe(&given, Must::Pass).send(&mut caller, &ledger).expect("an answer").status, 200);
            }
            // One that nobody heard of is redeemed now, or was; one that was is refused.
            if first.is_none() || number % 4 == 0 {
                let again = redemption(&code, ANY).send(&mut caller, &ledger).expect("an answer");
                assert!(matches!(again.status, 200 | 400), "{again:?}");
                let given = again.text("refresh_token");
                if again.status == 200 {
                    assert_eq!(probe(&given, Must::Pass).send(&mut caller, &ledger).expect("an answer").status, 200);
                }
            }
        }
    }
    let findings = judge(site, &ledger, gateway, said);
    findings.assert_unharmed("T01");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

// T01
#[test]
fn codes_are_spent_once_whenever_the_process_is_killed() {
    codes_are_spent_once(&Site::new());
}

// T01
#[test]
fn codes_are_spent_once_on_postgres_whenever_the_process_is_killed() {
    if let Some(store) = postgres() {
        codes_are_spent_once(&Site::on(&store));
    }
}

/// Refreshes one family after another's answer, until told to stop; an answer that did not come is asked for again. The last
/// token of the family that was acknowledged.
fn keep_refreshing(site: &Site, ledger: &Ledger, stop: &AtomicBool, mut token: String) -> String {
    let mut caller = site.caller();
    let mut began = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        match refresh(&token, Must::Either(&[503])).send(&mut caller, ledger) {
            Some(answer) if answer.status == 200 => {
                (token, began) = (answer.text("refresh_token"), Instant::now());
            }
            Some(answer) => assert!(answer.status == 503, "{answer:?}: {}", String::from_utf8_lossy(&answer.body)),
            None => assert!(began.elapsed() < PATIENCE, "the gateway is not back"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    token
}

/// Refresh tokens are replaced while the process is killed, again and again.
fn refresh_tokens_survive(site: &Site) {
    let ledger = Ledger::new(seed());
    let mut gateway = site.serve();
    let first = families(site, &ledger, 8);
    let (stop, mut said) = (AtomicBool::new(false), String::new());
    let (gateway, last) = std::thread::scope(|scope| {
        let (ledger, stop) = (&ledger, &stop);
        let clients: Vec<_> =
            first.into_iter().map(|token| scope.spawn(move || keep_refreshing(site, ledger, stop, token))).collect();
        for round in 0..rounds(4, 50) {
            std::thread::sleep(some_time((150, 900), ledger.seed(), round));
            (gateway, _) = restart(site, gateway, &mut said);
        }
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        (gateway, clients.into_iter().map(|client| client.join().expect("no panic")).collect::<Vec<_>>())
    });
    let mut caller = site.caller();
    for token in last {
        // The last request of a client may have been the one that nobody answered.
        probe(&token, Must::Pass).send(&mut caller, &ledger);
    }
    let findings = judge(site, &ledger, gateway, said);
    findings.assert_unharmed("T02");
    assert!(findings.ok() > 100, "{findings}");
}

// T02
#[test]
fn refresh_tokens_survive_whenever_the_process_is_killed() {
    refresh_tokens_survive(&Site::new());
}

// T02
#[test]
fn refresh_tokens_survive_on_postgres_whenever_the_process_is_killed() {
    if let Some(store) = postgres() {
        refresh_tokens_survive(&Site::on(&store));
    }
}

/// Refresh tokens are revoked while the process is killed; what was acknowledged stays revoked.
fn revocations_stick(site: &Site) {
    let ledger = Ledger::new(seed());
    let (mut gateway, mut said) = (site.serve(), String::new());
    for round in 0..rounds(2, 30) {
        let tokens = families(site, &ledger, rounds(40, 200));
        // Three of four.
        let asked = tokens.iter().enumerate().filter(|(number, _)| number % 4 != 0);
        let all = asked.map(|(_, token)| (token.clone(), revocation(token, Must::Either(&[503])))).collect();
        let mut restarted = None;
        send_all(site, &ledger, all, || {
            std::thread::sleep(some_time((20, 120), ledger.seed(), round));
            restarted = Some(restart(site, gateway, &mut said));
        });
        (gateway, _) = restarted.expect("it was started again");
        std::thread::sleep(WINDOW);
        // Those that nobody asked to revoke work; of the others, those that were acknowledged do not.
        let mut caller = site.caller();
        for token in &tokens {
            probe(token, Must::Either(&[400])).send(&mut caller, &ledger);
        }
    }
    judge(site, &ledger, gateway, said).assert_unharmed("T06");
}

// T06
#[test]
fn revocations_stick_whenever_the_process_is_killed() {
    revocations_stick(&Site::new());
}

// T06
#[test]
fn revocations_stick_on_postgres_whenever_the_process_is_killed() {
    if let Some(store) = postgres() {
        revocations_stick(&Site::on(&store));
    }
}

/// Users lose their access, one half to an administrator and the other to a new password, while the process is killed.
fn lost_access_stays_lost(site: &Site) {
    let configuration = fs::read_to_string(site.file("faregate.yaml")).unwrap();
    site.write(&configuration.replace("management: {", "management: { public: true,"));
    let ledger = Ledger::new(seed());
    let (mut gateway, mut said) = (site.serve(), String::new());
    recovers(site);
    for round in 0..rounds(2, 30) {
        let held: Vec<(Uuid, String)> = (0..rounds(12, 40)).map(|_| person_with_token(site, &ledger)).collect();
        // Three of four.
        let asked = held.iter().enumerate().filter(|(number, _)| number % 4 != 0);
        let ends = |(number, (id, token)): (usize, &(Uuid, String))| {
            let act = Act::Revoke { token: token.clone() };
            let must = Must::Either(&[503]);
            let (target, new) =
                (format!("/api/user/{id}"), json!({ "user": { "password": format!("{PASSWORD}-{id}") } }));
            let due = match number % 2 {
                0 => Due { method: "DELETE", ..Due::get(&target, act, must) },
                _ => Due { method: "PATCH", body: new.to_string(), ..Due::get(&target, act, must) },
            };
            (token.clone(), due.with("Authorization", API_KEY).with("Content-Type", "application/json"))
        };
        let mut restarted = None;
        send_all(site, &ledger, asked.map(ends).collect(), || {
            std::thread::sleep(some_time((20, 250), ledger.seed(), round));
            restarted = Some(restart(site, gateway, &mut said));
        });
        (gateway, _) = restarted.expect("it was started again");
        std::thread::sleep(WINDOW);
        let mut caller = site.caller();
        for (_, token) in &held {
            probe(token, Must::Either(&[400])).send(&mut caller, &ledger);
        }
    }
    judge(site, &ledger, gateway, said).assert_unharmed("T06");
}

/// Somebody new who is logged in: the id, and the refresh token.
fn person_with_token(site: &Site, ledger: &Ledger) -> (Uuid, String) {
    let (id, mut caller) = (Uuid::new_v4(), site.caller());
    let body = json!({ "user": { "email": format!("{id}@example.com"), "password": PASSWORD } }).to_string();
    let fields = format!("Authorization: {API_KEY}\r\nContent-Type: application/json\r\n");
    let made = caller.ask("POST", &format!("/api/user/{id}"), &fields, &body).expect("an answer");
    assert_eq!(made.status, 200, "{made:?}");
    let form = format!("grant_type=password&client_id=phone&username={id}%40example.com&password={PASSWORD}");
    let login = Due::form("/oauth2/token", format!("{form}&scope=openid+offline_access"), Act::Ask, Must::Pass);
    (id, super::refresh_token(login.send(&mut caller, ledger)))
}

// T06
#[test]
fn lost_access_stays_lost_whenever_the_process_is_killed() {
    lost_access_stays_lost(&Site::new());
}

// T06
#[test]
fn lost_access_stays_lost_on_postgres_whenever_the_process_is_killed() {
    if let Some(store) = postgres() {
        lost_access_stays_lost(&Site::on(&store));
    }
}

// T07: killed at any moment of its first start: the next start completes it, with keys, and only one of each kind
#[test]
fn a_first_start_that_is_killed_is_completed_by_the_next() {
    let seed = seed();
    println!("T07: seed {seed}");
    for round in 0..rounds(5, 50) {
        let site = Site::new();
        let mut command = site.command(&["serve", "--format", "json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(some_time((0, 800), seed, round));
        child.kill().unwrap();
        child.wait().unwrap();
        let gateway = site.serve();
        recovers(&site);
        assert!(!gateway.published_keys().is_empty());
        let keys = gateway.published_keys();
        assert_eq!(gateway.stop(), 0);
        // Nothing is made a second time.
        let gateway = site.serve();
        assert!(keys.iter().all(|key| gateway.published_keys().contains(key)) && keys.len() <= 2, "{keys:?}");
        assert_eq!(gateway.stop(), 0);
        sound(&site);
    }
}
