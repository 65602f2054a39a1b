//! Which test shows what happens under which fault: `tests/FAULTS.md`, made from the tests themselves, and the README's table of
//! what works when something is down, each line of which names its tests. `UPDATE=1` writes the first anew.
//!
//! Owns the tables' checks. The faults stand in `tests/faults.txt`; a test names those that it is about in a comment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use super::contract::function_at;
use super::rust::is_unit_tests;
use super::{File, files, report, root};

const FAULTS: &str = "tests/faults.txt";
const TABLE: &str = "tests/FAULTS.md";
const SECTION: &str = "### What works when something is down\n";

/// Every `T01` in a comment, with its offset.
fn mentions(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("//") {
            for (at, _) in line.match_indices('T') {
                let (before, name) = (line[..at].chars().next_back(), line.get(at..at + 3));
                let after = line[at..].chars().nth(3);
                let Some(name) = name.filter(|name| name[1..].bytes().all(|byte| byte.is_ascii_digit())) else {
                    continue;
                };
                let is_part = |next: Option<char>| next.is_some_and(|next| next.is_ascii_alphanumeric());
                if !is_part(before) && !is_part(after) {
                    found.push((start + at, name));
                }
            }
        }
        start += line.len();
    }
    found
}

/// Fault to tests.
fn tests_of_faults(files: &[File]) -> BTreeMap<&str, BTreeSet<String>> {
    let mut tests: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs") && !file.path.starts_with("tests/tidy/")) {
        let begins = match file.text.find("\n#[cfg(test)]\nmod tests {") {
            _ if file.path.starts_with("tests/") || is_unit_tests(&file.path, &file.text) => 0,
            Some(begins) if file.path.starts_with("src/") => begins,
            Some(_) | None => continue,
        };
        for (at, name) in mentions(&file.text).into_iter().filter(|(at, _)| *at >= begins) {
            let function = function_at(&file.text, at).filter(|function| is_test(&file.text, function));
            if let Some(function) = function {
                tests.entry(name).or_default().insert(format!("{} `{function}`", file.path));
            }
        }
    }
    tests
}

/// Whether this function is a test, and not what several of them call.
fn is_test(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let mut above = text[..line].lines().rev().take_while(|line| line.trim_start().starts_with(['#', '/']));
    above.any(|line| ["#[test]", "#[tokio::test"].iter().any(|mark| line.trim_start().starts_with(mark)))
}

#[test]
fn every_fault_has_a_test_or_a_reason() {
    let (faults, files) = (fs::read_to_string(root().join(FAULTS)).unwrap(), files());
    let tests = tests_of_faults(&files);
    let mut findings = Vec::new();
    let mut known = BTreeSet::new();
    let mut table = String::from(
        "# What may fail, and which test shows what happens then\n\n\
         Made by `UPDATE=1 cargo test --test tidy` from [`faults.txt`](faults.txt) and from the tests, which name the faults that they are\n\
         about. Those in `it/faults` drive the real program under load and keep a ledger; `FAREGATE_FAULTS=long` repeats them more often.\n",
    );
    for line in faults.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            write!(table, "\n## {heading}\n\n| Fault | What happens | Shown by |\n| --- | --- | --- |\n").unwrap();
            continue;
        }
        let mut parts = line.split('|').map(str::trim);
        let Some(name) = parts.next().filter(|name| name.starts_with('T')) else { continue };
        let (says, excuse) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        known.insert(name);
        let by = match (tests.get(name), excuse) {
            (Some(tests), "") => tests.iter().cloned().collect::<Vec<_>>().join("<br>"),
            // Shown in part.
            (Some(tests), excuse) => {
                format!("{}<br>– {excuse}", tests.iter().cloned().collect::<Vec<_>>().join("<br>"))
            }
            (None, "") => {
                findings.push(format!("{name}: no test names it ({says})"));
                continue;
            }
            (None, excuse) => format!("– {excuse}"),
        };
        writeln!(table, "| {name} | {says} | {by} |").unwrap();
    }
    let unknown = tests.iter().filter(|(name, _)| !known.contains(*name));
    findings.extend(unknown.map(|(name, tests)| format!("{name}: no such fault, but {tests:?} name it")));
    let path = root().join(TABLE);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &table).unwrap();
    } else if fs::read_to_string(&path).unwrap_or_default() != table {
        findings.push(format!("{TABLE} is out of date: run UPDATE=1 cargo test --test tidy"));
    }
    assert_eq!(known.len(), 78, "faults in {FAULTS}");
    report("faults", findings);
}

#[test]
fn what_works_when_something_is_down_names_its_tests() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = readme.split_once(SECTION).expect("the section");
    let table = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let files = files();
    let is_there = |name: &str| files.iter().any(|file| file.path.ends_with(".rs") && is_test(&file.text, name));
    let (mut rows, mut findings) = (0, Vec::new());
    for line in table.skip(2) {
        rows += 1;
        let tests = line.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            findings.push(format!("README.md: no test in: {line}"));
        }
        let missing = names.into_iter().filter(|name| !is_there(name));
        findings.extend(missing.map(|name| format!("README.md: there is no test {name}")));
    }
    assert!(rows >= 12, "the loop above found {rows} rows");
    report("what works when something is down", findings);
}

#[test]
fn faults_are_found_in_comments_of_tests() {
    let text = "// T01, T02 P: x\n#[test]\nfn first_of_all() {\n    // T03\n    a(\"T04\");\n}\n\n/// T05\nfn not_a_test() {}\n// AT06 T067 T7 UTF\n";
    let names: Vec<&str> = mentions(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["T01", "T02", "T03", "T05"]);
    assert!(is_test(text, "first_of_all") && !is_test(text, "not_a_test") && !is_test(text, "nothing"));
}
