//! `faregate import users`: a file, a store, and a report.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Site;

const HASH: &str = "K5VGHxhfVpPZT32s8OQ+l5Zp02ebsBh+2mA0ic3wAEs=";

fn site() -> Site {
    let site = Site::with(&[]);
    let shop = "00000000-0000-0000-0000-0000000000f1";
    site.write_file(
        "directory.yaml",
        &format!("tenants: {{ default: {{}} }}\napplications: {{ shop: {{ id: {shop}, roles: [admin], grants: [password] }} }}\n"),
    );
    assert_eq!(site.run(&["apply", "-f", "directory.yaml"]).code, 0);
    site
}

fn user(number: u32) -> Value {
    json!({
        "id": format!("00000000-0000-0000-0000-{number:012}"),
        "email": format!("user{number}@example.com"),
        "salt": "c2FsdHNhbHQ=",
        "password": HASH,
        "registrations": [{ "applicationId": "00000000-0000-0000-0000-0000000000f1", "roles": ["admin"] }],
    })
}

// FusionAuth's document; what stands beside the users counts even if it stands behind them
#[test]
fn a_document_is_imported_with_registrations() {
    let site = site();
    let document = json!({ "users": [user(1), user(2), { "email": "no" }, 7], "factor": 24000 });
    site.write_file("export.json", &serde_json::to_string_pretty(&document).unwrap());
    let run = site.run(&["import", "users", "export.json"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""), "{run:?}");
    assert_eq!(
        run.stdout,
        "users[2]: user.email: must be an email address: name@example.com\nusers[3]: is no object\n\
         4 read: 2 imported, 0 there already, 2 rejected.\n"
    );
    let shown = site.json(&["user", "show", "user1@example.com"]);
    assert_eq!(shown["registrations"], json!([{ "application": "shop", "roles": ["admin"] }]));
    assert!(!run.stdout.contains(HASH));
}

// Lines: a wrong one does not keep the others out, and the same command again does the rest
#[test]
fn lines_are_imported_and_a_second_run_does_the_rest() {
    let site = site();
    let lines = |numbers: std::ops::Range<u32>| {
        numbers.fold(String::new(), |mut text, number| {
            let _ = writeln!(text, "{}", user(number));
            text
        })
    };
    site.write_file("users.jsonl", &lines(1..700));
    let first = site.json(&["import", "users", "users.jsonl"]);
    assert_eq!((&first["read"], &first["imported"], &first["rejected"]), (&json!(699), &json!(699), &json!(0)));
    let more = format!("{}\n{{\"password\": \"{HASH}\n{}", lines(1..700), lines(700..1_300));
    site.write_file("users.jsonl", &more);
    let run = site.run(&["import", "users", "users.jsonl", "--format", "json"]);
    let second: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(
        (run.code, &second["read"], &second["imported"], &second["present"]),
        (1, &json!(1_300), &json!(600), &json!(699)),
        "{second}"
    );
    assert_eq!(second["rejections"][0]["place"], "line 701");
    let reason = second["rejections"][0]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("is no JSON at column ") && !run.stdout.contains(HASH), "{run:?}");
    assert_eq!(site.json(&["user", "list", "--limit", "10000"]).as_array().map(Vec::len), Some(1_299));
}

// What cannot be read to its end says so, and what was read before stays
#[test]
fn a_torn_file_is_told() {
    let site = site();
    let whole = json!({ "users": [user(1), user(2)] }).to_string();
    site.write_file("torn.json", &whole[..whole.len() - 40]);
    let run = site.run(&["import", "users", "torn.json"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("the file was not read to its end: line 1 column "), "{run:?}");
    assert!(run.stdout.contains("1 read: 1 imported"), "{run:?}");
    assert!(site.run(&["import", "users", "nowhere.json"]).complaint(1).contains("nowhere.json cannot be read"));
}

// Whoever watches is told how far it is, on a line that is gone in the end; whoever does not is not
#[test]
fn a_long_import_shows_how_far_it_is() {
    let site = site();
    let lines = (1..1300).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}", user(number));
        text
    });
    site.write_file("users.jsonl", &(lines + "{}\n"));
    let seen = site.at_a_terminal(&[], "import users users.jsonl");
    let shown: Vec<&str> = seen.split('\r').filter(|line| line.contains(" users read, ")).collect();
    assert!(shown.len() >= 2, "{seen:?}");
    assert!(shown[0] != shown[shown.len() - 1] && seen.contains("\r\x1b[K"), "{seen:?}");
    assert!(seen.trim_end().ends_with("1300 read: 1299 imported, 0 there already, 1 rejected."), "{seen:?}");
    let run = site.run(&["import", "users", "users.jsonl"]);
    assert!(!run.stdout.contains("users read") && run.stderr.is_empty(), "{run:?}");
}
