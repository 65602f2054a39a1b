//! `faregate token inspect`: what a token says, and what each issuer of the configuration says of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{CALLER, DIRECTORY, HEAD, READ, ROUTES, Site};
use crate::support::database::Folder;
use crate::support::foreign_issuer::{ForeignIssuer, INTROSPECT, JWKS, METADATA, Reply, forged, now};
use crate::support::process::{Run, faregate};

fn inspect(site: &Site, token: &str, more: &[&str]) -> Run {
    site.run_with_input(&[&["token", "inspect"], more].concat(), token)
}

/// The outcome and the code of each issuer.
fn verdicts(run: &Run) -> Vec<(String, String, Value)> {
    let document = run.json();
    let verdicts = document["verification"].as_array().unwrap_or_else(|| panic!("{document}"));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    verdicts.iter().map(|one| (text(&one["issuer"]), text(&one["outcome"]), one["code"].clone())).collect()
}

/// The same token with another signature.
fn tampered(token: &str) -> String {
    let (body, _) = token.rsplit_once('.').expect("a signature");
    format!("{body}.{}", URL_SAFE_NO_PAD.encode([7; 64]))
}

// UX 11
#[test]
fn a_token_of_our_own_is_verified_without_a_server() {
    let site = Site::new();
    let token = site.serve().token(CALLER, READ);
    let signature = token.rsplit('.').next().expect("a signature");
    let run = inspect(&site, &token, &["-"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    for needed in ["expires in ", "issued ", "✓ issuer self: good", "••••••••"] {
        assert!(run.stdout.contains(needed), "{needed} in {}", run.stdout);
    }
    assert!(!run.stdout.contains(signature), "the signature is what makes it a token");

    let run = inspect(&site, &tampered(&token), &[]);
    assert!(run.stdout.contains("✗ issuer self: bad_signature"), "{}", run.stdout);
    assert!(run.stdout.contains("faregate errors CODE"), "{}", run.stdout);
    assert_eq!(run.code, 1, "nobody takes it");

    // Where there is no configuration, as in any other folder, nobody vouches for it.
    let elsewhere = Folder::new();
    let run = Run::with_input(&mut faregate(elsewhere.path(), &["token", "inspect"]), &token);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("Nothing was verified: there is no faregate.yaml here"), "{}", run.stdout);
    let named = ["token", "inspect", "--config", "nowhere.yaml"];
    assert_eq!(Run::with_input(&mut faregate(elsewhere.path(), &named), &token).code, 2);
    // Nor where it is of no use.
    site.write("listen: [\n");
    let run = inspect(&site, &token, &[]);
    assert!(run.code == 0 && run.stdout.contains("`faregate check` says why"), "{run:?}");
}

// UX 11: a look changes nothing, and what a token says moves no cursor
#[test]
fn a_look_leaves_the_store_and_the_terminal_alone() {
    let site = Site::new();
    let store = site.file("faregate.db");
    std::fs::write(&store, "").unwrap();
    std::fs::set_permissions(&store, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let run = inspect(&site, &forged("http://127.0.0.1:8080", "a\u{202e}b\u{9b}2J"), &[]);
    assert!(run.stdout.contains("not verified, there is no store"), "{}", run.stdout);
    assert!(run.stdout.contains("a\\u{202e}b\\u{9b}2J"), "{}", run.stdout);
    assert_eq!(std::fs::metadata(&store).unwrap().len(), 0);
    let made = |name: &str| site.file(name).exists();
    assert!(!made("faregate.key") && !made("faregate.db-wal"), "nothing is made");
}

// UX 11, UX 14
#[test]
fn a_token_on_the_command_line_is_a_decision() {
    let site = Site::new();
    let token = forged("https://marked.example", "marked");
    let run = site.run(&["token", "inspect", &token]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    assert!(run.stderr.contains("standard input") && !run.stderr.contains(&token[..20]), "{}", run.stderr);
    let run = site.run(&["token", "inspect", "--i-know", &token, "--format", "json"]);
    assert_eq!((run.code, &run.json()["claims"]["iss"]), (0, &json!("https://marked.example")));
}

// UX 11
#[test]
fn what_is_no_signed_jwt_is_named() {
    let site = Site::new();
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }).to_string());
    for (token, said) in [
        (format!("{header}.a.b.c.d"), "this token is encrypted"),
        ("2YotnFZFEjr1zCsicMWpAA".to_owned(), "this token is opaque"),
        ("a.b.c".to_owned(), "this is no JWT"),
    ] {
        let run = inspect(&site, &token, &[]);
        assert!(run.complaint(1).contains(said), "{run:?}");
    }
}

// UX 11: nobody is asked over a network, unless that is wanted; and nobody about tokens that are not theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_issuers_are_asked_only_online() {
    let (corp, legacy) = (ForeignIssuer::start().await, ForeignIssuer::start().await);
    let issuers = format!(
        "  corp: {{ issuer: {}, audience: api }}\n  legacy: {{ issuer: {}, audience: api, discovery: false, introspection: {{ \
         endpoint: {}{INTROSPECT}, client_id: gate, client_secret: s }} }}\n",
        corp.url(),
        legacy.url(),
        legacy.url()
    );
    let site = Site { folder: Folder::new() };
    let routes = ROUTES
        .replace("    require:", "    tokens: [self]\n    require:")
        .replace("app, audience", "app, tokens: [self], audience");
    let head = HEAD.replace("issuers: { self: {} }\n", &format!("issuers:\n  self: {{}}\n{issuers}"));
    site.write(&format!("{head}{routes}{DIRECTORY}"));
    drop(site.serve());
    let (metadata, keys) = (corp.count(METADATA), corp.count(JWKS));
    let verdict = |name: &str, outcome: &str, code: Value| (name.to_owned(), outcome.to_owned(), code);
    let refused = |name: &str| verdict(name, "refused", json!("wrong_issuer"));

    let token = corp.token(json!({}));
    let run = inspect(&site, &token, &["--format", "json"]);
    assert_eq!(verdicts(&run), [refused("self"), verdict("corp", "not_verified", Value::Null), refused("legacy")]);
    assert_eq!((corp.count(METADATA), corp.count(JWKS)), (metadata, keys), "nobody was asked");
    let run = inspect(&site, &token, &["--online", "--format", "json"]);
    assert_eq!(verdicts(&run), [refused("self"), verdict("corp", "good", Value::Null), refused("legacy")]);
    let run = inspect(&site, &tampered(&token), &["--online"]);
    assert!(run.stdout.contains("✗ issuer corp: bad_signature"), "{}", run.stdout);
    assert_eq!(legacy.count(INTROSPECT), 0, "the token says whose it is");

    // Nobody needs our store for that (UX 11).
    let memory = format!(
        "store: \"sqlite::memory:\"\n{head}{}{DIRECTORY}",
        routes.replace("tokens: [self]", "tokens: [self, corp]")
    );
    site.write_file("memory.yaml", &memory);
    let token = corp.token(json!({ "scope": "a" }));
    let run = inspect(&site, &token, &["--online", "--config", "memory.yaml"]);
    for said in ["- issuer self: not verified, the store is in memory", "✓ issuer corp: good"] {
        assert!(run.stdout.contains(said), "{said} in {}", run.stdout);
    }
    let explain = |token: &str| {
        let asked = ["explain", "GET", "/any/x", "--token", "-", "--config", "memory.yaml"];
        site.run_with_input(&asked, token).stdout
    };
    assert!(explain(&token).contains("✓ pass  token is verified with key"), "{}", explain(&token));
    assert!(explain(&tampered(&token)).contains("401 bad_signature"), "{}", explain(&tampered(&token)));
    assert!(explain(&forged("http://127.0.0.1:8080", "x")).contains("the store is in memory"), "ours");

    // A token that nobody can read is asked about, and shown without claims.
    legacy.reply(INTROSPECT, Reply::json(&json!({ "active": true, "sub": "someone", "exp": now() + 300 })));
    let run = inspect(&site, "an-opaque-token", &["--online", "--format", "json"]);
    let malformed = |name: &str| verdict(name, "refused", json!("malformed"));
    assert_eq!(verdicts(&run), [malformed("self"), malformed("corp"), verdict("legacy", "good", Value::Null)]);
    assert!(run.json()["claims"].is_null());
    legacy.reply(INTROSPECT, Reply::status(401));
    let run = inspect(&site, "another-opaque-token", &["--online"]);
    let why = "introspection_unavailable: it answered with status 401: it does not take this gateway's credentials";
    assert!(run.stdout.contains(why), "{}", run.stdout);
    let nothing = inspect(&site, "\n", &[]);
    assert!(nothing.complaint(2).contains("there is nothing on standard input"), "{nothing:?}");
}
