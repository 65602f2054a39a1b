//! Which test proves which item of what the compatible systems do: `tests/CONTRACT.md`, made from the tests themselves.
//! `UPDATE=1` writes it anew.
//!
//! Owns the table. The items stand in `tests/contract/items.txt`; a test names those that it proves in a comment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use super::rust::is_unit_tests;
use super::{File, files, report, root};

const ITEMS: &str = "tests/contract/items.txt";
const TABLE: &str = "tests/CONTRACT.md";

struct Item<'a> {
    number: &'a str,
    says: &'a str,
    /// Why no test names it.
    excuse: &'a str,
}

enum Line<'a> {
    Heading(&'a str),
    Item(Item<'a>),
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter_map(|line| {
        if let Some(heading) = line.strip_prefix("## ") {
            return Some(Line::Heading(heading));
        }
        let mut parts = line.split('|').map(str::trim);
        let number = parts.next().filter(|number| number.starts_with("F-"))?;
        Some(Line::Item(Item {
            number,
            says: parts.next().unwrap_or_default(),
            excuse: parts.next().unwrap_or_default(),
        }))
    })
}

/// Every `F-123` in `text`, with its offset; `F-070 to F-074` names what is between, too.
fn mentions(text: &str) -> Vec<(usize, u32)> {
    let number = |at: usize| {
        let digits = text.get(at..at + 5)?.strip_prefix("F-")?;
        let ends = !text[at + 5..].starts_with(|next: char| next.is_ascii_alphanumeric());
        digits.parse::<u32>().ok().filter(|_| ends)
    };
    let mut found: Vec<(usize, u32)> = Vec::new();
    for (at, _) in text.match_indices("F-") {
        let before = text[..at].chars().next_back();
        let Some(this) = number(at).filter(|_| !before.is_some_and(|before| before.is_ascii_alphanumeric())) else {
            continue;
        };
        let from = match found.last() {
            Some(&(start, first)) if text[start + 5..at].trim() == "to" => first + 1,
            _ => this,
        };
        found.extend((from..=this).map(|number| (at, number)));
    }
    found
}

/// The function that a place in a file of tests belongs to: the one that follows a comment above it, or the one around.
pub(super) fn function_at(text: &str, at: usize) -> Option<&str> {
    let name = |line: &str| {
        let rest = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")?;
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        // The line is part of `text`, and so is the name.
        let start = rest.as_ptr() as usize - text.as_ptr() as usize;
        text.get(start..start + length)
    };
    let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    if text[line_start..at].trim_start().starts_with("//") {
        let mut below = text[line_start..].lines().skip_while(|line| line.trim_start().starts_with("//"));
        let next = below.find(|line| !line.trim_start().starts_with("#["));
        if let Some(name) = next.and_then(name) {
            return Some(name);
        }
    }
    text[..at].lines().rev().find_map(name)
}

/// Item to tests.
fn proofs(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let mut proofs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.path.starts_with("tests/tidy/")) {
        let extension = file.path.rsplit('.').next().unwrap_or_default();
        let in_tests = file.path.starts_with("tests/") && ["rs", "http", "py", "mjs"].contains(&extension);
        let begins = match file.text.find("\n#[cfg(test)]\nmod tests {") {
            _ if in_tests || is_unit_tests(&file.path, &file.text) => 0,
            Some(begins) if extension == "rs" && file.path.starts_with("src/") => begins,
            _ => continue,
        };
        for (at, number) in mentions(&file.text).into_iter().filter(|(at, _)| *at >= begins) {
            let function = if extension == "rs" { function_at(&file.text, at) } else { None };
            let place = function.map_or(file.path.clone(), |function| format!("{} `{function}`", file.path));
            proofs.entry(format!("F-{number:03}")).or_default().insert(place);
        }
    }
    proofs
}

#[test]
fn every_item_has_a_test_or_a_reason() {
    let items = fs::read_to_string(root().join(ITEMS)).unwrap();
    let proofs = proofs(&files());
    let mut findings = Vec::new();
    let mut table = String::from(
        "# What the compatible systems do, and which test proves that we do it\n\n\
         Made by `UPDATE=1 cargo test --test tidy` from [`contract/items.txt`](contract/items.txt) and from the tests, which name\n\
         the items that they prove.\n",
    );
    let mut known = BTreeSet::new();
    for line in lines(&items) {
        let item = match line {
            Line::Heading(heading) => {
                write!(table, "\n## {heading}\n\n| Item | What it says | Proven by |\n| --- | --- | --- |\n").unwrap();
                continue;
            }
            Line::Item(item) => item,
        };
        known.insert(item.number.to_owned());
        let tests = proofs.get(item.number);
        match (tests, item.excuse) {
            (None, "") => findings.push(format!("{}: no test names it ({})", item.number, item.says)),
            (Some(_), excuse) if !excuse.is_empty() => {
                findings.push(format!("{}: a test names it; strike off \"{excuse}\" in {ITEMS}", item.number));
            }
            (_, _) => {}
        }
        let by = match tests {
            Some(tests) => tests.iter().cloned().collect::<Vec<_>>().join("<br>"),
            None => format!("– {}", item.excuse),
        };
        writeln!(table, "| {} | {} | {by} |", item.number, item.says).unwrap();
    }
    let unknown = proofs.iter().filter(|(number, _)| !known.contains(*number));
    findings.extend(unknown.map(|(number, tests)| format!("{number}: no such item, but {tests:?} name it")));
    let path = root().join(TABLE);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &table).unwrap();
    } else if fs::read_to_string(&path).unwrap_or_default() != table {
        findings.push(format!("{TABLE} is out of date: run UPDATE=1 cargo test --test tidy"));
    }
    assert_eq!(known.len(), 277, "items in {ITEMS}");
    report("the contract", findings);
}

#[test]
fn mentions_belong_to_their_functions() {
    let text = "// F-001, F-003 to F-005\n#[test]\nfn first() {\n    row(\"F-010\");\n}\n\nfn second() {\n    // F-020\n    a();\n}\n";
    let numbers: Vec<u32> = mentions(text).into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [1, 3, 4, 5, 10, 20]);
    let functions: Vec<_> = mentions(text).into_iter().map(|(at, _)| function_at(text, at)).collect();
    let expected = ["first", "first", "first", "first", "first", "second"];
    assert_eq!(functions, expected.map(Some));
    assert!(mentions("RF-001 F-0012 F-01").is_empty());
}
