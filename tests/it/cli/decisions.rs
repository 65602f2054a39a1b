//! Decision lines of the running gateway: one JSON object per request, soon, and nobody can forge one.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CALLER, READ, Site};
use crate::support::gateway::Raw;
use crate::support::process::{Gateway, send, soon};

const MEMBERS: [&str; 8] = ["time", "event", "request_id", "method", "route", "line", "decision", "status"];

/// The line of the request that was answered so, which appears within a second.
fn line_of(gateway: &Gateway, answer: &Raw) -> Value {
    let id = answer.field("x-request-id").unwrap_or_else(|| panic!("{}", answer.text)).to_owned();
    soon(Duration::from_secs(1), || {
        let log = gateway.stderr();
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let mut own = lines.into_iter().filter(|line| line["request_id"] == id.as_str());
        let line = own.next()?;
        assert!(own.next().is_none(), "one line per request: {log}");
        Some(line)
    })
}

// O3: everything that an auditor asks for.
#[test]
fn every_decision_is_one_line() {
    let site = Site::new();
    let gateway = site.serve();
    let token = gateway.token(CALLER, READ);
    let mut subjects = Vec::new();
    for (cached, method, path, with_token, status, reason) in [
        (false, "GET", "/api/orders", true, 200, ""),
        (true, "GET", "/api/more?a=b", true, 200, ""),
        (true, "POST", "/api/orders", true, 403, "missing_permission"),
        (false, "GET", "/api/orders", false, 401, "no_token"),
        (false, "GET", "/public/x", false, 200, ""),
    ] {
        let answer =
            if with_token { gateway.request_with(&token, method, path) } else { gateway.request(method, path, "") };
        assert_eq!(answer.status(), status, "{}", answer.text);
        let line = line_of(&gateway, &answer);
        assert!(MEMBERS.iter().all(|member| line.get(member).is_some()), "{line}");
        assert_eq!((&line["method"], &line["status"]), (&json!(method), &json!(status)));
        assert_eq!(line["decision"], if reason.is_empty() { "permit" } else { "deny" });
        assert_eq!(line["reason"].as_str().unwrap_or_default(), reason, "{line}");
        assert!(line["latency_us"].as_u64().is_some_and(|latency| latency < 10_000_000), "{line}");
        assert!(line["time"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{line}");
        let route = path.split('/').nth(1).unwrap();
        assert_eq!(line["route"], format!("/{route}/**"), "a pattern, never a path: {line}");
        assert!(line["line"].as_u64().is_some_and(|line| line > 0), "{line}");
        assert_eq!(line["cache_hit"], cached, "{line}");
        assert!(!line.to_string().contains(path.split('?').next().unwrap()), "no raw path: {line}");
        let rule = match (with_token, method) {
            (true, "GET") => json!("permission read on orders"),
            (true, _) => json!("permission write on orders"),
            (false, _) => json!(null),
        };
        assert_eq!(line["rule"], rule, "O3: {line}");
        if with_token {
            assert_eq!(
                (&line["issuer"], &line["client_id"]),
                (&json!("http://127.0.0.1:8080"), &json!(CALLER.0)),
                "{line}"
            );
            subjects.push(line["subject"].as_str().expect("a pseudonym").to_owned());
        } else {
            assert!(line.get("client_id").is_none() && line.get("subject").is_none(), "{line}");
        }
    }
    // The same caller has the same pseudonym, which is not its id.
    subjects.dedup();
    assert!(subjects.len() == 1 && subjects[0] != CALLER.0 && subjects[0].len() >= 8, "{subjects:?}");

    // After a restart too: the pseudonym is made with a key of the store.
    drop(gateway);
    let again = site.serve();
    let line = line_of(&again, &again.request_with(&token, "GET", "/api/orders"));
    assert_eq!(line["subject"], subjects[0].as_str());
}

// What was decided can be asked for by the id that the client was told.
#[test]
fn a_past_decision_is_explained() {
    let quiet = "upstreams: { app: \"builtin:echo\" }\nroutes:\n  /api/**: { upstream: app, require: scope orders:read }\n  \
                 /new/**: { upstream: app, enforce: observe, require: scope orders:read }\n  \
                 /public/**: { upstream: app, public: true }\n";
    let site = Site::with(&[quiet]);
    let gateway = site.serve();
    let admin = gateway.admin().to_string();
    let id = |path: &str| gateway.request("GET", path, "").field("x-request-id").unwrap().to_owned();
    let (denied, observed) = (id("/api/orders"), id("/new/orders"));
    let run = site.run(&["explain", &denied, "--admin", &admin]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    let meaning = "meaning  The request has no access token, and the route asks for one.\n";
    for needed in ["GET /api/**  refused: no_token", "status   401", "of line ", meaning] {
        assert!(run.stdout.contains(needed), "{needed} in {}", run.stdout);
    }
    // UX 9: what was not looked at is not judged.
    let nowhere = site.run(&["explain", &id("/nowhere"), "--admin", &admin]).stdout;
    assert!(nowhere.starts_with("GET -  refused: no_route\n"), "{nowhere}");
    for text in [&nowhere, &run.stdout] {
        for unknown in ["  token", "  issuer", "  subject", " -\n", "line 0"] {
            assert!(!text.contains(unknown), "{unknown} in {text}");
        }
    }
    let run = site.run(&["explain", &observed.to_uppercase(), "--admin", &admin, "--format", "json"]);
    let line = run.json();
    assert_eq!((run.code, &line["version"]), (0, &json!(1)));
    assert_eq!(
        (&line["decision"], &line["reason"], &line["status"]),
        (&json!("observe"), &json!("no_token"), &json!(200))
    );
    // UX 9: how far back it remembers.
    for (asked, code, told) in [
        ("0123456789abcdef0123456789abcdef", 4, "it keeps 3 decisions, the oldest of "),
        ("x", 2, "32 digits of an X-Request-Id"),
        ("GET", 2, "METHOD and PATH"),
    ] {
        let run = site.run(&["explain", asked, "--admin", &admin]);
        assert!(run.code == code && run.stderr.contains(told), "{asked}: {} {}", run.code, run.stderr);
    }
    assert!(site.run(&["--help"]).stdout.contains("4 nothing known of it"));
    let checked = site.run(&["check"]);
    let said = format!("{}{}", checked.stdout, checked.stderr);
    assert!(checked.code == 0 && said.contains("refuses nobody"), "{} {said}", checked.code);
}

// Requests that reach no route, and our own paths, have lines too.
#[test]
fn what_matches_no_route_has_a_line() {
    let site = Site::new();
    let gateway = site.serve();
    for (method, path, status, route, reason) in [
        ("GET", "/nowhere/marked", 404, "-", "no_route"),
        ("GET", "/api/%zz", 400, "-", "invalid_escape"),
        ("TRACE", "/api", 405, "-", "method_refused"),
        ("GET", "/.well-known/jwks.json", 200, "/.well-known/jwks.json", ""),
    ] {
        let answer = gateway.request(method, path, "");
        assert_eq!(answer.status(), status, "{}", answer.text);
        let line = line_of(&gateway, &answer);
        assert_eq!(
            (&line["route"], &line["line"], &line["status"]),
            (&json!(route), &json!(0), &json!(status)),
            "{line}"
        );
        assert_eq!(line["reason"].as_str().unwrap_or_default(), reason, "{line}");
    }
    assert!(!gateway.stderr().contains("marked"));
}

// O5: no client can end a line and begin another.
#[test]
fn lines_cannot_be_forged() {
    let site = Site::new();
    let forged = r#"{"event":"decision","forged":true}"#;
    let gateway = site.serve();
    let mut answered = 0;
    for request in [
        format!("GET /public/%0d%0a{forged} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"),
        format!("GET /public/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: a\n{forged}\r\nConnection: close\r\n\r\n"),
        format!("GET /public/x HTTP/1.1\r\nHost: \"{forged}\r\nConnection: close\r\n\r\n"),
        "\"\\n{FORGED} /public/x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".to_owned(),
        "A'B`C|D /public/x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /public/x HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \u{1b}[31m\u{2028}\r\nConnection: close\r\n\r\n".to_owned(),
    ] {
        let answer = send(gateway.address(), &request);
        answered += usize::from(answer.field("x-request-id").is_some());
    }
    // A client that chooses the name under which it is logged is no client to be believed.
    let chosen = gateway.request("GET", "/public/x", "X-Request-Id: 0123456789abcdef0123456789abcdef\r\n");
    assert_ne!(chosen.field("x-request-id"), Some("0123456789abcdef0123456789abcdef"));
    line_of(&gateway, &chosen);
    let log = gateway.stderr();
    assert!(answered >= 3, "{answered}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect(line);
        assert!(line.get("forged").is_none(), "{line}");
    }
    assert!(!log.contains("forged") && !log.contains('\x1b'), "{log}");
}

// The end is orderly: what was decided last is written too.
#[test]
fn the_last_line_is_written_at_the_end() {
    let site = Site::new();
    let gateway = site.serve();
    let answer = gateway.request("GET", "/api/x", "");
    let id = answer.field("x-request-id").unwrap().to_owned();
    assert!(gateway.stop_and_read().contains(&id));
}

// Where decisions are not wanted there are none.
#[test]
fn lines_can_be_switched_off() {
    let site = Site::new();
    let quiet = super::HEAD.replace("log: {", "log: { decisions: false,");
    site.write(&format!("{quiet}{}{}", super::ROUTES, super::DIRECTORY));
    let gateway = site.serve();
    assert_eq!(gateway.request("GET", "/api/x", "").status(), 401);
    assert_eq!(gateway.stop_and_read(), "");
}
