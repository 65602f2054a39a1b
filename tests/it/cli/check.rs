//! `faregate check`: everything that is wrong, at once, for people and for scripts.

use std::process::Command;

use serde_json::json;

use super::{DIRECTORY, ROUTES, Site};
use crate::support::process::{Run, faregate};

const WRONG: &str = r#"
upstreams: { app: "builtin:echo" }
routes:
  /a/**: { upstraem: app, public: true }
  /b/**: { upstream: nowhere, public: true }
  /c/**: { upstream: app }
  /d/**: { upstream: app, require: scoop orders:read }
"#;

// UX 4, UX 5, UX 15
#[test]
fn a_good_file_passes() {
    let site = Site::new();
    let run = site.run(&["check"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(run.stdout.contains("faregate.yaml can be used; its hash is "), "{}", run.stdout);
    for layer in ["syntax", "policy tests"] {
        assert!(run.stdout.contains(layer), "{layer}: {}", run.stdout);
    }
    let report = site.json(&["check"]);
    assert_eq!((&report["ok"], &report["problems"]), (&json!(true), &json!([])));
    assert_eq!(site.run(&["check", "faregate.yaml"]).code, 0, "the file may be named");
    assert!(!site.file("faregate.db").exists(), "nothing is made");
}

// UX 4: all at once, with place, line, caret and a suggestion.
#[test]
fn every_problem_is_shown_at_once() {
    let site = Site::with(&[WRONG]);
    let run = site.run(&["check"]);
    assert_eq!((run.code, run.stderr.as_str()), (2, ""), "{run:?}");
    for needed in [
        "unknown key \"upstraem\" — did you mean \"upstream\"?",
        "nowhere",
        "/c/**",
        "scoop",
        "^^^^^^^^",
        "faregate.yaml:11:12 ",
        "faregate.yaml:14:36 ",
    ] {
        assert!(run.stdout.contains(needed), "{needed}: {}", run.stdout);
    }
    let json = site.run(&["check", "--format", "json"]);
    assert_eq!(json.code, 2);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&report["ok"], &report["hash"]), (&json!(false), &serde_json::Value::Null));
    assert!(report["problems"].as_array().unwrap().len() >= 4, "{report}");
    // Every other command says the same on standard error and does nothing.
    for arguments in [&["serve"][..], &["entity", "list"], &["key", "list"], &["explain", "GET", "/a"]] {
        let other = site.run(arguments);
        assert_eq!((other.code, other.stdout.as_str()), (2, ""), "{other:?}");
        assert!(other.stderr.contains("upstraem") && other.stderr.contains("scoop"), "{}", other.stderr);
    }
}

// UX 5: a warning passes, unless asked to be strict.
#[test]
fn strict_makes_warnings_fail() {
    let site = Site::with(&[
        "upstreams: { app: \"builtin:echo\" }\nroutes: { /any/**: { upstream: app, require: authenticated } }\n",
    ]);
    let lax = site.run(&["check"]);
    assert_eq!(lax.code, 0, "{lax:?}");
    assert!(lax.stdout.contains("accepts any audience"), "{}", lax.stdout);
    let strict = site.run(&["check", "--strict"]);
    assert_eq!(strict.code, 2, "{strict:?}");
    assert!(
        strict.stdout.contains("accepts any audience") && !strict.stdout.contains("can be used"),
        "{}",
        strict.stdout
    );
    assert!(site.serve().stderr().contains("accepts any audience"));
    // UX 15: commands that do something else do not repeat them.
    assert_eq!(site.run(&["tenant", "list"]).stderr, "");
}

// UX 7
#[test]
fn failing_policy_tests_are_shown() {
    let test =
        "tests: [{ name: readers read, token: { scope: orders:read }, request: GET /api/orders, expect: permit }]\n";
    let site = Site::with(&[ROUTES, DIRECTORY, test]);
    let run = site.run(&["check"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stdout.contains("1 of 1 test failed") && run.stdout.contains("readers read"), "{}", run.stdout);
}

// UX 15
#[test]
fn a_missing_file_is_named() {
    let site = Site::new();
    let run = site.run(&["check", "nowhere.yaml"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stdout.contains("nowhere.yaml"), "{run:?}");
}

// UX: colours at a terminal only, and not there either when nobody wants or can show them.
#[test]
fn colours_are_for_terminals_that_want_them() {
    let site = Site::with(&[WRONG]);
    for command in ["check", "serve"] {
        let plain = Run::of(faregate(site.folder.path(), &[command]).env("TERM", "xterm"));
        assert!(!plain.stdout.contains('\x1b') && !plain.stderr.contains('\x1b'), "{plain:?}");
        assert!(site.at_a_terminal(&[], command).contains("\x1b["), "{command}");
        for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let said = site.at_a_terminal(&[variable], command);
            assert!(!said.contains('\x1b') && said.contains("upstraem"), "{variable:?}: {said}");
        }
    }
}

// UX 6: an acceptance is for what it names: another host, or an entity type of the same name, is another risk
#[test]
fn a_risk_is_accepted_for_one_thing_only() {
    const RISKS: &str = r#"
upstreams: { app: "builtin:echo" }
routes:
  /api/**:
    - { hosts: [a.example], upstream: app, require: authenticated }
    - { hosts: [money.example], upstream: app, require: authenticated }
directory:
  tenants: { API: { access_token_life: 2h } }
  entity_types: { API: { access_token_life: 30d } }
accepted_risks:
"#;
    let left = |acceptances: &[(&str, &str)]| {
        let accepted = acceptances
            .iter()
            .map(|(lint, at)| format!("  - {{ lint: {lint}, at: {at}, because: until the audience is known }}\n"));
        let site = Site::with(&[RISKS, &accepted.collect::<String>()]);
        let run = site.run(&["check", "--strict", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let warnings = report["problems"].as_array().unwrap().iter().filter(|problem| problem["severity"] == "warning");
        (run.code, warnings.map(|warning| warning["at"].as_str().unwrap_or("gone").to_owned()).collect::<Vec<_>>())
    };
    let (route, life) = ("route-accepts-any-audience", "access-tokens-live-long");
    let (routes, lives) = (["a.example/api/**", "money.example/api/**"], ["tenants.API", "entity_types.API"]);
    let all = [routes, lives].concat();
    assert_eq!(left(&[(route, "/api/**"), (life, "API")]).1.len(), 6, "two that fit nothing are warnings themselves");
    for (lint, at) in [(route, routes[0]), (route, routes[1]), (life, lives[0]), (life, lives[1])] {
        let others: Vec<_> = all.iter().filter(|other| **other != at).map(|other| (*other).to_owned()).collect();
        assert_eq!(left(&[(lint, at)]), (2, others), "{at}");
    }
    let every = [(route, routes[0]), (route, routes[1]), (life, lives[0]), (life, lives[1])];
    assert_eq!(left(&every), (0, Vec::new()));
}

/// The words of every command that has none below it, with its help.
fn leaves(site: &Site, above: &[String]) -> Vec<(Vec<String>, String)> {
    let words: Vec<&str> = above.iter().map(String::as_str).chain(["--help"]).collect();
    let help = site.run(&words);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{above:?}");
    assert!(help.stdout.lines().count() <= 40, "{above:?}: {}", help.stdout);
    let Some((_, below)) = help.stdout.split_once("Commands:\n") else { return vec![(above.to_vec(), help.stdout)] };
    let names = below.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("    "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.flat_map(|name| leaves(site, &[above, &[name.to_owned()]].concat())).collect()
}

/// The lines behind "Examples:", each with what was wrapped.
fn examples(help: &str) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    for line in help.lines().skip_while(|line| *line != "Examples:").skip(1).map(str::trim) {
        match examples.last_mut().filter(|_| !line.starts_with("faregate ") && !line.starts_with("FAREGATE_")) {
            Some(before) => before.push_str(&format!(" {line}")),
            None => examples.push(line.to_owned()),
        }
    }
    examples
}

// UX 16: help fits a screen, and has two examples that are understood.
#[test]
fn help_is_short_and_its_examples_work() {
    let site = Site::new();
    let leaves = leaves(&site, &[]);
    assert!(leaves.len() > 50, "{leaves:?}");
    for (words, help) in leaves {
        assert!(examples(&help).len() >= 2, "{words:?}: {help}");
        for example in examples(&help) {
            // Asking for help parses what stands before.
            let command = example.split_once("faregate ").unwrap().1.split(['<', '>', '|']).next().unwrap();
            let asked = format!("exec {} {command} --help", env!("CARGO_BIN_EXE_faregate"));
            let parsed = Run::of(Command::new("sh").args(["-c", &asked]).current_dir(site.folder.path()));
            assert_eq!(parsed.code, 0, "{example}: {parsed:?}");
        }
    }
    let unknown = site.run(&["chekc"]);
    assert_eq!((unknown.code, unknown.stderr.contains("'check'")), (2, true), "{unknown:?}");
    let version = site.run(&["--version"]);
    assert_eq!(version.stdout, format!("faregate {}\n", env!("CARGO_PKG_VERSION")));
}

// UX 16: the examples that need no more than a store do what they say, one after the other.
#[test]
fn examples_of_help_can_be_run() {
    const GROUPS: [&str; 8] = ["key", "entity-type", "entity", "application", "user", "grant", "api-key", "tenant"];
    let site = Site::with(&[]);
    site.write_file("password.txt", "correct horse battery staple\n");
    // The first ones only read, and make no store.
    site.json(&["entity-type", "create", "something"]);
    let groups = GROUPS.map(|group| leaves(&site, &[group.to_owned()]));
    let deletes = |words: &[String]| words.last().is_some_and(|verb| verb == "delete");
    // What is made first is deleted last.
    let made = groups.iter().flatten().filter(|(words, _)| !deletes(words));
    let deleted = groups.iter().rev().flatten().filter(|(words, _)| deletes(words));
    let mut count = 0;
    for example in made.chain(deleted).flat_map(|(_, help)| examples(help)) {
        let command = example.replacen("faregate ", &format!("exec {} ", env!("CARGO_BIN_EXE_faregate")), 1);
        let run = Run::of(Command::new("sh").args(["-c", &command]).current_dir(site.folder.path()));
        // No key has the id that the example shows.
        let expected = i32::from(example.starts_with("faregate api-key delete"));
        assert_eq!(run.code, expected, "{example}: {run:?}");
        count += 1;
    }
    assert!(count > 60, "{count}");
    let left = ["entity", "application", "user", "grant"].map(|group| site.json(&[group, "list"]));
    assert!(left.iter().all(|list| list.as_array().is_some_and(Vec::is_empty)), "{left:?}");
}
