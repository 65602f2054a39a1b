//! `faregate logs`: what a gateway wrote, for people; filtered, aligned, and followed wherever it goes.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{CALLER, READ, Site};
use crate::support::process::{Gateway, Run, faregate, soon};

/// What is in a log and is no line of ours.
const FOREIGN: &str = "thread 'main' said something\n";

/// A log with a permit, refusals for three reasons, lines of other kinds, and one that is no JSON.
fn logged(site: &Site) -> String {
    let gateway = site.serve();
    let token = gateway.token(CALLER, READ);
    for (method, path, token, status) in [
        ("GET", "/api/orders", Some(&token), 200),
        ("POST", "/api/orders", Some(&token), 403),
        ("GET", "/api/orders", None, 401),
        ("GET", "/nowhere", None, 404),
        ("GET", "/public/x", None, 200),
    ] {
        let answer = match token {
            Some(token) => gateway.request_with(token, method, path),
            None => gateway.request(method, path, ""),
        };
        assert_eq!(answer.status(), status, "{}", answer.text);
    }
    let log = gateway.stop_and_read();
    let warning = "{\"timestamp\":\"2026-11-21T20:05:45.123456Z\",\"level\":\"WARN\",\"message\":\"a \\u001b[2J disk\",\"error\":\"full\",\"target\":\"faregate\"}\n";
    format!("{log}{warning}{FOREIGN}")
}

/// The lines of requests that a filter leaves, by their status.
fn statuses(site: &Site, filter: &[&str]) -> Vec<u64> {
    let run = site.run(&[&["logs", "gate.log", "--format", "json"], filter].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let lines = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let mut statuses: Vec<u64> =
        lines.filter(|line| line["route"] != "/oauth2/token").map(|line| line["status"].as_u64().unwrap()).collect();
    statuses.sort_unstable();
    statuses
}

// UX 25
#[test]
fn a_log_is_read_by_people() {
    let site = Site::new();
    let log = logged(&site);
    site.write_file("gate.log", &log);
    let local = |arguments: &[&str]| Run::of(faregate(site.folder.path(), arguments).env("TZ", "XYZ-5:30"));
    let run = local(&["logs", "gate.log"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert_eq!(run.stdout.lines().count(), log.lines().count(), "one line each: {}", run.stdout);
    let (mut requests, mut columns) = (0, Vec::new());
    for (written, shown) in log.lines().zip(run.stdout.lines()) {
        let Ok(line) = serde_json::from_str::<Value>(written) else {
            assert_eq!(written, shown);
            continue;
        };
        if line["event"] != "decision" {
            continue;
        }
        requests += 1;
        let at = humantime::parse_rfc3339(line["time"].as_str().unwrap()).unwrap() + Duration::from_secs(19_800);
        let at = humantime::format_rfc3339_seconds(at).to_string();
        let clock = &at[11..19];
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        let (status, request) = (line["status"].to_string(), format!("{:<7} {}", text("method"), text("route")));
        let why = format!("{} {}", text("decision"), text("reason"));
        let milliseconds = format!("{:.1} ms", line["latency_us"].as_f64().unwrap() / 1000.0);
        let words = [clock, &status, &request, why.trim_end(), &milliseconds, text("request_id")];
        let mut rest = shown;
        for word in words {
            let at = rest.find(word).unwrap_or_else(|| panic!("{word:?}, in order, in {shown:?}"));
            rest = &rest[at + word.len()..];
        }
        columns.push(shown.find(" ms  ").unwrap());
    }
    columns.dedup();
    assert!(requests >= 6 && columns.len() == 1, "{requests} aligned requests: {}", run.stdout);
    assert!(run.stdout.contains("01:35:45  WARN   a \\u{1b}[2J disk  error=full\n"), "{}", run.stdout);
    assert!(!run.stdout.contains('\x1b'), "{}", run.stdout);
    // From standard input, and as it was.
    assert_eq!(site.run_with_input(&["logs", "--format", "json"], &log).stdout, log);
    let ends_early = log.trim_end();
    assert_eq!(site.run_with_input(&["logs", "--format", "json"], ends_early).stdout, log, "the last line counts too");
    assert!(site.at_a_terminal(&[], "logs gate.log").contains("\x1b[31mdeny "));
    assert!(!site.at_a_terminal(&[("NO_COLOR", "1")], "logs gate.log").contains('\x1b'));
    site.run(&["logs", "nowhere.log"]).complaint(1);
}

// UX 25
#[test]
fn filters_leave_what_is_asked_for() {
    let site = Site::new();
    let log = logged(&site);
    site.write_file("gate.log", &log);
    for (filter, expected) in [
        (&["--deny"][..], &[401, 403, 404][..]),
        (&["--reason", "missing_permission"], &[403]),
        (&["--status", "4xx"], &[401, 403, 404]),
        (&["--status", "200"], &[200, 200]),
        (&["--route", "/api/**"], &[200, 401, 403]),
        (&["--route", "/api"], &[]),
        (&["--route", "/p*"], &[200]),
        (&["--client", CALLER.0, "--deny"], &[403]),
        (&["--route", "/api/*", "--deny", "--since", "1h"], &[401, 403]),
        (&["--deny", "--since", "0s"], &[]),
    ] {
        assert_eq!(statuses(&site, filter), expected, "{filter:?}");
    }
    let since = site.run(&["logs", "gate.log", "--since", "1h"]);
    assert!(!since.stdout.contains("disk") && !since.stdout.contains(FOREIGN), "{}", since.stdout);
    assert!(since.stdout.contains("/api/**"), "{}", since.stdout);
    for (wrong, said) in [
        (["--status", "600"], "a status like 403"),
        (["--since", "soon"], "a duration like 10m"),
        (["--status", "4x"], "or a class like 5xx"),
        (["--reason", "no_tokn"], "did you mean no_token?"),
    ] {
        let run = site.run(&[&["logs", "gate.log"][..], &wrong].concat());
        assert!(run.code == 2 && run.stderr.contains(said), "{wrong:?}: {run:?}");
    }
    // A newer program may have codes that nobody knows here.
    assert_eq!(site.run(&["logs", "gate.log", "--reason", "quite_another"]).code, 0);
}

// UX 25: as it grows, when it is rotated, and when it is emptied.
#[test]
fn a_log_is_followed_wherever_it_goes() {
    let site = Site::new();
    let line = |number: u32| {
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        format!(
            "{{\"time\":\"{time}\",\"event\":\"decision\",\"request_id\":\"id-{number}-\",\"method\":\"GET\",\"route\":\"/x\",\"decision\":\"permit\",\"status\":200,\"latency_us\":1}}\n"
        )
    };
    let append = |text: &str| {
        let mut file = OpenOptions::new().append(true).create(true).open(site.file("gate.log")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(&line(1));
    let following = Gateway::start_until(&mut faregate(site.folder.path(), &["logs", "gate.log", "--follow"]), "id-1-");
    let shows = |number: u32| {
        let id = format!("id-{number}-\n");
        soon(Duration::from_secs(20), || following.stdout().contains(&id).then_some(()));
    };
    let second = line(2);
    let (beginning, end) = second.split_at(40);
    append(beginning);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(following.stdout().lines().count(), 1, "a line is shown when it is whole");
    append(end);
    shows(2);
    append(&line(3));
    fs::rename(site.file("gate.log"), site.file("gate.log.1")).unwrap();
    shows(3);
    append(&line(4));
    shows(4);
    fs::write(site.file("gate.log"), "").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    append(&line(5));
    shows(5);
    assert_eq!(following.stdout().lines().count(), 5, "each once: {}", following.stdout());
}
