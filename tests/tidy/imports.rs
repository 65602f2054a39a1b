//! Who may import whom, among our modules and of other people's crates.
//!
//! Owns the table and its check. What a module is for stands in `src/ARCHITECTURE.md`.

use super::rust::{is_name, is_unit_tests, names, split, without_tests};
use super::{line_of, report, rust_files};

/// Top-level modules, in the order in which a request meets them, and the modules of ours that each may name.
///
/// `main`, `lib` and `serve`, which wires everything, are free. Unit tests and fuzz targets are too.
const IMPORTS: [(&str, &[&str]); 24] = [
    (
        "cli",
        &[
            "serve",
            "codes",
            "config",
            "api",
            "directory",
            "enforce",
            "policy",
            "route",
            "jose",
            "model",
            "store",
            "gateway",
        ],
    ),
    ("config", &["directory", "jose", "model", "policy", "route"]),
    ("library", &["config", "enforce", "issuers", "jose", "metrics", "policy", "route"]),
    ("gateway", &["library", "browsers", "enforce", "policy", "route", "config", "metrics", "telemetry"]),
    ("route", &[]),
    ("enforce", &["policy", "route", "jose", "metrics", "revocations"]),
    ("browsers", &["jose", "metrics", "model", "revocations", "store"]),
    (
        "issuers",
        &[
            "browsers",
            "config",
            "directory",
            "enforce",
            "events",
            "jose",
            "metrics",
            "model",
            "policy",
            "revocations",
            "store",
        ],
    ),
    ("policy", &[]),
    ("web", &["browsers", "oauth", "directory", "profile", "model", "metrics"]),
    ("api", &["oauth", "directory", "model", "store", "event_log"]),
    ("oauth", &["directory", "profile", "model", "store", "jose", "events", "revocations"]),
    ("directory", &["profile", "model", "store", "jose", "events", "revocations"]),
    ("profile", &["jose", "model"]),
    ("jose", &[]),
    ("store", &["model"]),
    ("model", &[]),
    ("event_log", &["events", "model", "store"]),
    ("events", &["model"]),
    ("codes", &[]),
    ("metrics", &[]),
    ("telemetry", &["config", "metrics"]),
    ("revocations", &["model"]),
    ("secret", &[]),
];

/// What any module but the two pure ones may name: how time, randomness and secrets enter, how URLs are
/// written, and what a peer is.
const FOUNDATION: [&str; 5] = ["secret", "clock", "entropy", "percent", "peer"];
const PURE: [&str; 2] = ["route", "policy"];

/// A module below the top level that only these may name, besides the module it is part of.
const INNER: [(&str, &[&str]); 1] = [("store::sql", &["serve", "cli"])];

/// Foreign crates that are named in one place. A name that ends in `*` stands for all that begin so.
const CRATES: [(&str, &[&str]); 9] = [
    ("sqlx", &["store::sql"]),
    ("axum", &["api", "web", "serve"]),
    ("askama", &["web"]),
    ("pingora*", &["gateway"]),
    ("jsonwebtoken", &["jose"]),
    ("saphyr_parser", &["config"]),
    ("clap", &["cli", "main"]),
    ("percent_encoding", &["percent"]),
    ("form_urlencoded", &["percent"]),
];

/// `src/store/sql/mod.rs` is `["store", "sql"]`.
fn module(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut segments: Vec<&str> = path.split('/').collect();
    if segments.last() == Some(&"mod") {
        segments.pop();
    }
    segments
}

/// Every path of ours that `code` names, from the crate's root, with its offset: `crate::a::{b, c::D}` names `a::b` and
/// `a::c::D`. So does `super::super::a::b` where that leads to the root.
fn paths(code: &str, depth: usize) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut after = 0;
    for (start, name) in names(code).filter(|(_, name)| ["crate", "super"].contains(name)) {
        if start < after || code[..start].ends_with("::") {
            continue;
        }
        let mut end = start + name.len();
        let mut supers = usize::from(name == "super");
        while code[end..].starts_with("::super") {
            supers += 1;
            end += "::super".len();
        }
        if name == "crate" || supers >= depth {
            after = tree(code, end, &[], &mut found);
        }
    }
    found
}

/// Reads what follows a path: `::name...` or `::{...}`; returns where it ends.
fn tree(code: &str, at: usize, prefix: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let Some(rest) = code[at..].strip_prefix("::") else {
        if !prefix.is_empty() {
            found.push((at, prefix.to_vec()));
        }
        return at;
    };
    let start = at + 2 + (rest.len() - rest.trim_start().len());
    if !code[start..].starts_with('{') {
        let length = code[start..].find(|character| !is_name(character)).unwrap_or(code.len() - start);
        if length == 0 {
            found.push((at, prefix.to_vec()));
            return start;
        }
        let path: Vec<String> = prefix.iter().cloned().chain([code[start..start + length].to_owned()]).collect();
        return tree(code, start + length, &path, found);
    }
    // A group. Each of its items is read as if `::` stood before it.
    let mut at = start + 1;
    loop {
        at += code[at..].find(|c: char| is_name(c) || c == '}').unwrap_or(code.len() - at);
        if at >= code.len() || code[at..].starts_with('}') {
            return (at + 1).min(code.len());
        }
        let length = code[at..].find(|character| !is_name(character)).unwrap_or(code.len() - at);
        let name = &code[at..at + length];
        let itself = if name == "self" { None } else { Some(name.to_owned()) };
        let path: Vec<String> = prefix.iter().cloned().chain(itself).collect();
        at = tree(code, at + length, &path, found);
        // Over `as other` and to the next item.
        at += code[at..].find([',', '}']).unwrap_or(code.len() - at);
    }
}

fn import_findings(path: &str, text: &str) -> Vec<String> {
    let own = module(path);
    if ["main", "lib", "serve"].contains(&own[0]) || own.contains(&"fuzzing") || is_unit_tests(path, text) {
        return Vec::new();
    }
    let code = split(text).code;
    let code = without_tests(&code);
    let row = IMPORTS.iter().find(|(name, _)| *name == own[0]);
    if row.is_none() && !FOUNDATION.contains(&own[0]) {
        return vec![format!("{path}:1: module `{}` is not in the table: say what it may import", own[0])];
    }
    let allowed = row.map_or(&[][..], |(_, allowed)| allowed);
    let mut findings = Vec::new();
    for (offset, named) in paths(code, own.len()) {
        let top = named[0].as_str();
        let known = IMPORTS.iter().any(|(name, _)| *name == top) || FOUNDATION.contains(&top) || top == "serve";
        let base = FOUNDATION.contains(&top) && !PURE.contains(&own[0]) && !FOUNDATION.contains(&own[0]);
        if known && top != own[0] && !base && !allowed.contains(&top) {
            let line = line_of(code, offset);
            findings.push(format!("{path}:{line}: `{}` may not import `{top}`", own[0]));
        }
        for (inner, users) in INNER {
            if named.join("::").starts_with(inner) && !inner.starts_with(own[0]) && !users.contains(&own[0]) {
                let line = line_of(code, offset);
                findings.push(format!("{path}:{line}: `{inner}` is named in {users:?} only, use the trait"));
            }
        }
    }
    findings
}

fn crate_findings(path: &str, text: &str) -> Vec<String> {
    let own = module(path).join("::");
    if is_unit_tests(path, text) {
        return Vec::new();
    }
    let code = split(text).code;
    let mut findings = Vec::new();
    for (offset, name) in names(without_tests(&code)) {
        for (foreign, homes) in CRATES {
            let named = foreign.strip_suffix('*').map_or(name == foreign, |start| name.starts_with(start));
            let at_home = homes.iter().any(|home| own == *home || own.starts_with(&format!("{home}::")));
            if named && !at_home {
                findings.push(format!("{path}:{}: `{name}` is named in {homes:?} only", line_of(&code, offset)));
            }
        }
    }
    findings
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let files = rust_files();
    let sources = files.iter().filter(|file| file.path.starts_with("src/"));
    report("who may import whom", sources.clone().flat_map(|file| import_findings(&file.path, &file.text)).collect());
    report("foreign crates have one home", sources.flat_map(|file| crate_findings(&file.path, &file.text)).collect());
}

#[test]
fn the_import_check_sees_groups_renames_and_supers() {
    let text = "use crate::policy::{Policy, Words as W};\nfn f() { crate::store::sql::open() }\n";
    let found = import_findings("src/policy/rule.rs", text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("src/policy/rule.rs:2: `policy` may not import `store`"), "{found:?}");

    let nested = "use crate::{\n    clock::Clock,\n    store::{self as s, sql::{A, B}, Store},\n    web,\n};\n";
    let paths: Vec<String> = paths(nested, 1).into_iter().map(|(_, path)| path.join("::")).collect();
    assert_eq!(paths, ["clock::Clock", "store", "store::sql::A", "store::sql::B", "store::Store", "web"]);
    assert_eq!(import_findings("src/oauth/issue.rs", nested).len(), 3);

    assert_eq!(import_findings("src/store/sql/entity.rs", "use super::super::super::web::Page;").len(), 1);
    assert_eq!(import_findings("src/store/sql/entity.rs", "use super::super::StoreError;").len(), 0);
    assert_eq!(
        import_findings("src/policy/mod.rs", "//! [`crate::web`]\n#[cfg(test)]\nmod tests { use crate::web; }").len(),
        0
    );
    assert_eq!(import_findings("src/policy/parse/tests.rs", "use crate::web;\n#[test]\nfn a() {}").len(), 0);
    assert_eq!(import_findings("src/config/tests.rs", "use crate::web;\npub struct PolicyTest;").len(), 1);
    assert_eq!(import_findings("src/novelty.rs", "").len(), 1);
    assert_eq!(crate_findings("src/web/token.rs", "use axum::Router; use sqlx::Pool; // jsonwebtoken\n").len(), 1);
    assert_eq!(crate_findings("src/store/sql/mod.rs", "use sqlx::Pool; const A: &str = \"axum\";").len(), 0);
    assert_eq!(crate_findings("src/serve.rs", "use pingora_core::server::Server;").len(), 1);
}
