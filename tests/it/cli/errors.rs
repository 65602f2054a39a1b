//! `faregate errors`: what is answered can be looked up, without a server and without a configuration.

use serde_json::Value;

use super::Site;
use crate::support::database::Folder;
use crate::support::process::{Run, faregate};

fn look_up(arguments: &[&str]) -> Run {
    Run::of(&mut faregate(Folder::new().path(), &[&["errors"], arguments].concat()))
}

// UX 8, UX 16: by the `code` and by the `type` of a problem document that a running gateway answers.
#[test]
fn what_a_gateway_answers_can_be_looked_up() {
    let gateway = Site::new().serve();
    for (path, fields) in [
        ("/api/orders", ""),
        ("/api/orders", "Authorization: Bearer a.b.c\r\n"),
        ("/api/orders", "Authorization: Bearer\r\n"),
        ("/nowhere", ""),
        ("/api/%zz", ""),
    ] {
        let answer = gateway.request("GET", path, fields);
        let problem: Value = serde_json::from_str(answer.body()).expect("a problem document");
        for name in ["code", "type"] {
            let found = look_up(&[problem[name].as_str().expect("text"), "--format", "json"]).json();
            assert_eq!((&found["code"], &found["statuses"][0]), (&problem["code"], &problem["status"]), "{problem}");
        }
        if let Some(error) = problem["error"].as_str() {
            assert_eq!(look_up(&[error]).code, 0, "{error}");
        }
    }
}

// UX 16
#[test]
fn an_entry_says_who_mends_what() {
    let run = look_up(&["missing_scope"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    for needed in ["missing_scope  403", "Who can mend it: the client's developer", "Likely causes", "What to do"] {
        assert!(run.stdout.contains(needed), "{needed} in {}", run.stdout);
    }
    assert!(run.stdout.contains("`faregate explain REQUEST-ID`") && run.stdout.contains("RFC 6750"), "{}", run.stdout);

    let table = look_up(&[]).stdout;
    let listed = look_up(&["--format", "json"]).json();
    let listed = listed.as_array().expect("a list");
    for entry in listed {
        let code = entry["code"].as_str().expect("text");
        assert!(table.lines().any(|line| line.split_whitespace().next() == Some(code)), "{code}");
    }
    assert!(listed.iter().any(|entry| entry["code"] == "route-accepts-any-audience"), "lints too");
}

// UX 16
#[test]
fn a_slip_in_a_code_is_met_with_suggestions() {
    let run = look_up(&["mising_scope"]);
    assert!(run.complaint(1).contains("did you mean missing_scope?"), "{run:?}");
    let run = look_up(&["route-acepts-any-audience"]);
    assert!(run.complaint(1).contains("did you mean route-accepts-any-audience?"), "{run:?}");
    let run = look_up(&["colour"]);
    assert!(run.complaint(1).contains("`faregate errors` lists them"), "{run:?}");
    // What stands beside `error` is looked up as well.
    let run = look_up(&["grant_type_disabled"]);
    assert!(run.complaint(1).contains("`error` beside it"), "{run:?}");
}
