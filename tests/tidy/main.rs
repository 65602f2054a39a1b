//! Repository rules, read from the files themselves: no network, no build, and a message that names file, line and rule.
//!
//! Owns what a reviewer would otherwise have to remember. It judges no style that rustfmt or clippy already judge.

mod contract;
mod faults;
mod imports;
mod rust;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rust::{Split, is_name, is_unit_tests, names, split};

/// Files longer than this need a reason here; one that is no longer so long is to be struck off.
const MOST_LINES: usize = 600;
const LONG_FILES: [(&str, &str); 0] = [];

/// Names that others chose.
const FOREIGN_NAMES: [(&str, &str); 4] = [
    ("auth_time", "a claim of OpenID Connect Core"),
    ("auth_request", "a directive of nginx"),
    ("basic_auth", "a method of reqwest"),
    ("bearer_auth", "a method of reqwest"),
];

// --- The repository -------------------------------------------------------------------------------------------------

struct File {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file, without what git and cargo keep for themselves.
fn files() -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(".git") || path.join("CACHEDIR.TAG").exists() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push(File { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn rust_files() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

/// Fails with one line per finding.
fn report(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{rule}:\n  {}\n", findings.join("\n  "));
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text[..offset].matches('\n').count()
}

// --- Words ----------------------------------------------------------------------------------------------------------

/// `HTTPHeader`, `http_header` and `httpHeader` are `http`, `header`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let letters: Vec<char> = name.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        let follows_lower = at > 0 && letters[at - 1].is_lowercase();
        let ends_capitals =
            at > 0 && letters[at - 1].is_uppercase() && letters.get(at + 1).is_some_and(|c| c.is_lowercase());
        if letter == '_' || (letter.is_uppercase() && (follows_lower || ends_capitals)) {
            words.push(String::new());
        }
        if letter != '_' {
            words.last_mut().expect("never empty").extend(letter.to_lowercase());
        }
    }
    words
}

/// Whether the line that `before` ends in is part of an `impl Trait for Type`, whose names the trait chose.
fn implements_a_trait(before: &str) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = before.lines().rev();
    let own = lines.next().map_or(0, indent);
    let outer = lines.find(|line| indent(line) < own && line.trim_start().starts_with(is_name));
    outer.is_some_and(|line| line.trim_start().starts_with("impl") && line.contains(" for "))
}

fn word_findings(path: &str, text: &str) -> Vec<String> {
    let Split { code, comments } = split(text);
    let mut findings = Vec::new();
    let mut previous = "";
    for (offset, name) in names(&code) {
        let line = line_of(&code, offset);
        // RFC 8414 has names such as `token_endpoint_auth_methods_supported`.
        let own = name.replace("FusionAuth", "").replace("OAuth", "");
        let foreign = name.contains("_endpoint_auth_") || FOREIGN_NAMES.iter().any(|(foreign, _)| *foreign == name);
        if words(&own).contains(&"auth".to_owned()) && !foreign {
            findings.push(format!("{path}:{line}: `{name}`: write authentication or authorization"));
        }
        if previous == "fn" && name.starts_with("get_") && !implements_a_trait(&code[..offset]) {
            findings.push(format!("{path}:{line}: `{name}`: a name without `get_` says the same"));
        }
        let bang = code[offset + name.len()..].starts_with('!');
        if bang && [concat!("to", "do"), "unimplemented", "dbg"].contains(&name) {
            findings.push(format!("{path}:{line}: `{name}!` is for work in progress"));
        }
        previous = name;
    }
    for (offset, word) in names(&comments).filter(|(_, word)| *word == "auth") {
        let joined = |character: char| "-_/.:`\"".contains(character);
        let before = comments[..offset].ends_with(joined);
        let after = comments[offset + word.len()..].starts_with(['-', '_', '/', '`', '"']);
        if !before && !after {
            let line = line_of(&comments, offset);
            findings.push(format!("{path}:{line}: in the comment: write authentication or authorization"));
        }
    }
    findings
}

#[test]
fn names_say_what_they_mean() {
    report("glossary", rust_files().iter().flat_map(|file| word_findings(&file.path, &file.text)).collect());
}

#[test]
fn the_word_check_sees_names_and_comments_and_no_literals() {
    let found = |text: &str| word_findings("a.rs", text).len();
    for wrong in [
        "impl Own {\n    fn get_digest() {}\n}",
        "let auth = 1;",
        "struct AuthHeader;",
        "const X_AUTH: u8 = 1;",
        "fn get_key() {}",
        "dbg!(x)",
        "// the auth part",
    ] {
        assert_eq!(found(wrong), 1, "{wrong}");
    }
    for right in [
        "let authorization = author(authentic);",
        "\"auth\"; r#\"auth \" auth\"#; 'a'; b\"\\\"auth\"",
        "// sets X-Auth-Subject, `auth_request`, /auth/login\n",
        "fn f<'auth_time>(auth_time: i64) {}",
        "token_endpoint_auth_methods_supported",
        "fn target_key() {} fn f() { map.get_mut(1) }",
        "impl Foreign for Own {\n    fn get_digest() {}\n}",
        "enum Profile { FusionAuth, FusionAuthLegacy, Auth0 }",
    ] {
        assert_eq!(found(right), 0, "{right}");
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.path != "Cargo.lock") {
        for (offset, word) in names(&file.text).filter(|(_, word)| marks.contains(word)) {
            findings.push(format!("{}:{}: {word}", file.path, line_of(&file.text, offset)));
        }
    }
    report("do it, or file it where work is planned", findings);
}

// --- Files ----------------------------------------------------------------------------------------------------------

#[test]
fn every_file_says_first_what_it_owns() {
    // The unit tests of a module are part of it, wherever they stand.
    let own = |file: &File| !is_unit_tests(&file.path, &file.text);
    let silent = rust_files().into_iter().filter(|file| own(file) && !file.text.starts_with("//! "));
    report("the first line is `//! ` and what the file owns", silent.map(|file| format!("{}:1", file.path)).collect());
}

#[test]
fn files_stay_short_enough_to_read() {
    let mut findings = Vec::new();
    for file in rust_files() {
        let lines = file.text.lines().count();
        let excused = LONG_FILES.iter().any(|(path, _)| *path == file.path);
        if lines > MOST_LINES && !excused {
            findings.push(format!("{}:{lines}: more than {MOST_LINES} lines", file.path));
        } else if lines <= MOST_LINES && excused {
            findings.push(format!("{}: short enough now, strike it off the list", file.path));
        }
    }
    let gone = LONG_FILES.iter().filter(|(path, _)| !root().join(path).exists());
    findings.extend(gone.map(|(path, _)| format!("{path}: gone, strike it off the list")));
    report("file length", findings);
}

#[test]
fn tests_are_named_after_what_they_prove() {
    let mut findings = Vec::new();
    for file in rust_files() {
        let code = split(&file.text).code;
        for attribute in ["#[test]", "#[tokio::test"] {
            for (offset, _) in code.match_indices(attribute) {
                let Some((start, name)) = names(&code[offset..]).skip_while(|(_, name)| *name != "fn").nth(1) else {
                    continue;
                };
                if name.starts_with("test_") || name.ends_with("_test") || !name.contains('_') {
                    let line = line_of(&code, offset + start);
                    findings.push(format!("{}:{line}: `{name}` does not say what is true", file.path));
                }
            }
        }
    }
    report("test names are statements", findings);
}

#[test]
fn nothing_depends_on_one_machine() {
    // Written so that this file does not find itself.
    let places = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/wo", "rk/"),
        concat!("/Us", "ers/"),
        concat!("static.crates", ".io"),
        concat!("index.crates", ".io"),
        concat!("deb.debian", ".org"),
    ];
    let mut findings = Vec::new();
    for file in files() {
        for place in places {
            for (offset, _) in file.text.match_indices(place) {
                findings.push(format!("{}:{}: {place}", file.path, line_of(&file.text, offset)));
            }
        }
    }
    let official = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let others = lock.lines().enumerate().filter(|(_, line)| line.starts_with("source = ") && *line != official);
    findings.extend(others.map(|(line, text)| format!("Cargo.lock:{}: {text}", line + 1)));
    report("no path or registry of one machine", findings);
}

#[test]
fn scripts_can_be_run_and_stop_at_the_first_error() {
    let mut findings = Vec::new();
    let mut scripts = 0;
    for file in files().iter().filter(|file| file.text.starts_with("#!/")) {
        scripts += 1;
        let mode = fs::metadata(root().join(&file.path)).unwrap().permissions().mode();
        if mode & 0o111 == 0 {
            findings.push(format!("{}: not executable", file.path));
        }
        if file.text.lines().next().is_some_and(|first| first.ends_with("sh")) && !file.text.contains("\nset -e") {
            findings.push(format!("{}: no `set -e`", file.path));
        }
    }
    assert!(scripts >= 4, "the loop above found {scripts} scripts");
    report("scripts", findings);
}

#[test]
fn the_makefile_has_the_targets_that_readers_are_told_of() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let explained = |target: &&str| !makefile.lines().any(|line| line.starts_with(&format!("{target}: ## ")));
    let missing: Vec<&str> =
        ["help", "run", "test", "bench", "compare", "fuzz", "check", "fmt"].into_iter().filter(explained).collect();
    assert!(missing.is_empty(), "Makefile: no `TARGET: ## what it does` for {missing:?}");
}

#[test]
fn the_changelog_has_a_place_for_the_next_change() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains("\n## [Unreleased]\n"), "CHANGELOG.md: no `## [Unreleased]`");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files().iter().filter(|file| file.path.ends_with(".md") && !file.path.ends_with("ARCHITECTURE.md")) {
        for (offset, _) in file.text.match_indices("](") {
            let target = file.text[offset + 2..].split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let folder = PathBuf::from(&file.path).parent().map(Path::to_owned).unwrap_or_default();
            seen.insert(target.to_owned());
            if !root().join(folder).join(target).exists() {
                findings.push(format!("{}:{}: {target} is not there", file.path, line_of(&file.text, offset)));
            }
        }
    }
    assert!(!seen.is_empty(), "the loop above found no link");
    report("links", findings);
}
