//! What a configuration consists of, as digests: for telling what another one changes, in words.
//!
//! Owns the comparison of two files, section by section and entry by entry. It knows no key, so that a new one is compared
//! like all others, and it keeps no value.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{self, SHA256};

use super::node::{Node, Scalar, Value};

/// Sections whose entries are told apart, and what one entry is called.
const NAMED: [(&str, &str); 4] =
    [("routes", "route"), ("upstreams", "upstream"), ("issuers", "issuer"), ("logins", "login")];

/// Names in one summary; more are counted.
const MOST_NAMES: usize = 3;

/// SHA-256 of a part of a configuration, of every value that was interpolated into it, and of the files that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// The fingerprints of a configuration's sections, of their entries, and of the files that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    sections: BTreeMap<String, Fingerprint>,
    entries: BTreeMap<(String, String), Fingerprint>,
    files: BTreeMap<PathBuf, Option<Fingerprint>>,
    /// Files whose text went into values.
    sources: Vec<PathBuf>,
}

/// A file that a value names: as it is written there, and where that is.
pub(super) type NamedFile = (String, PathBuf);

impl Parts {
    /// Of a whole file. Relative files of references are looked up in `base`.
    pub(super) fn of(root: &Node, named: &[NamedFile], base: &Path) -> Self {
        let mut parts = Self::default();
        for (_, path) in named {
            parts.files.entry(path.clone()).or_insert_with(|| content(path));
        }
        sources(root, base, &mut parts.sources);
        let Value::Map(sections) = &root.value else { return parts };
        for section in sections {
            parts.sections.insert(section.key.clone(), fingerprint(&section.value, &|_| None));
            let Value::Map(entries) = &section.value.value else { continue };
            for entry in entries {
                // An upstream with another certificate is another upstream.
                let of_file = |text: &str| {
                    let (_, path) = named.iter().find(|(written, _)| written == text)?;
                    parts.files.get(path).copied().flatten()
                };
                let fingerprint = fingerprint(&entry.value, &of_file);
                parts.entries.insert((section.key.clone(), entry.key.clone()), fingerprint);
            }
        }
        parts
    }

    /// Of a whole section, without the files that it names; `None` if it is not there.
    pub fn section(&self, name: &str) -> Option<Fingerprint> {
        self.sections.get(name).copied()
    }

    /// Of one entry of a section; `None` if it is not there.
    pub fn entry(&self, section: &str, name: &str) -> Option<Fingerprint> {
        self.entries.get(&(section.to_owned(), name.to_owned())).copied()
    }

    /// Every file that was read, beside the configuration's own.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().chain(&self.sources).map(PathBuf::as_path)
    }

    /// Those of them whose text went into values.
    pub fn sources(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(PathBuf::as_path)
    }

    /// What is different in `newer`.
    pub fn compare(&self, newer: &Self) -> Changes {
        let mut changes = Changes::default();
        let all = |parts: &Self| parts.sections.keys().cloned().collect::<Vec<_>>();
        let mut sections = [all(self), all(newer)].concat();
        sections.sort_unstable();
        sections.dedup();
        for section in sections {
            let is_other = self.sections.get(&section) != newer.sections.get(&section);
            match NAMED.iter().find(|(name, _)| *name == section) {
                Some((name, one)) => changes.words.extend(self.compare_entries(name, one, newer)),
                None if is_other => changes.words.push(format!("{} changed", in_words(&section))),
                None => {}
            }
            if is_other {
                changes.sections.push(section);
            }
        }
        let is_other = |(path, content): (&PathBuf, &Option<Fingerprint>)| {
            self.files.get(path).is_some_and(|before| before != content)
        };
        if newer.files.iter().any(is_other) {
            changes.words.push("certificates changed".to_owned());
        }
        changes
    }

    fn compare_entries(&self, section: &str, one: &str, newer: &Self) -> Vec<String> {
        let of = |parts: &Self| -> BTreeMap<String, Fingerprint> {
            let entries = parts.entries.iter().filter(|((of, _), _)| of == section);
            entries.map(|((_, name), fingerprint)| (name.clone(), *fingerprint)).collect()
        };
        let (before, after) = (of(self), of(newer));
        let added: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
        let removed: Vec<_> = before.keys().filter(|name| !after.contains_key(*name)).collect();
        let differs = |name: &&String| before.get(*name).is_some_and(|before| Some(before) != after.get(*name));
        let changed: Vec<_> = after.keys().filter(differs).collect();
        let mut words = Vec::new();
        for (names, how) in [(added, "added"), (removed, "removed"), (changed, "changed")] {
            let count = names.len();
            let shown: Vec<_> = names.iter().take(MOST_NAMES).map(|name| name.as_str()).collect();
            let rest = if count > MOST_NAMES { ", ..." } else { "" };
            let many = if count == 1 { "" } else { "s" };
            if count > 0 {
                words.push(format!("{count} {one}{many} {how} ({}{rest})", shown.join(", ")));
            }
        }
        words
    }
}

/// What two configurations differ in, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    sections: Vec<String>,
    words: Vec<String>,
}

impl Changes {
    /// Whether this section differs.
    pub fn concern(&self, section: &str) -> bool {
        self.sections.iter().any(|own| own == section)
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words.as_slice() {
            [] => f.write_str("nothing changed"),
            changes => f.write_str(&changes.join(", ")),
        }
    }
}

fn in_words(section: &str) -> String {
    match section {
        "listen" => "listeners".to_owned(),
        other => other.replace('_', " "),
    }
}

/// `None`: it cannot be read.
fn content(path: &Path) -> Option<Fingerprint> {
    let bytes = fs::read(path).ok()?;
    let mut context = digest::Context::new(&SHA256);
    context.update(&bytes);
    Some(finished(context))
}

fn fingerprint(node: &Node, of_file: &impl Fn(&str) -> Option<Fingerprint>) -> Fingerprint {
    let mut context = digest::Context::new(&SHA256);
    update(&mut context, node, of_file);
    finished(context)
}

fn finished(context: digest::Context) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Fingerprint(bytes)
}

/// Every value begins with its kind and its length, so that no two trees look the same.
fn update(context: &mut digest::Context, node: &Node, of_file: &impl Fn(&str) -> Option<Fingerprint>) {
    let mut begin = |kind: u8, length: usize| {
        context.update(&[kind]);
        context.update(&(length as u64).to_be_bytes());
    };
    match &node.value {
        Value::Null => begin(0, 0),
        Value::Unusable => begin(1, 0),
        Value::Scalar(scalar) => {
            begin(2, scalar.text.len());
            context.update(scalar.text.as_bytes());
            if let Some(Fingerprint(bytes)) = of_file(&scalar.text) {
                context.update(&bytes);
            }
        }
        Value::List(items) => {
            begin(3, items.len());
            items.iter().for_each(|item| update(context, item, of_file));
        }
        Value::Map(entries) => {
            begin(4, entries.len());
            for entry in entries {
                context.update(&(entry.key.len() as u64).to_be_bytes());
                context.update(entry.key.as_bytes());
                update(context, &entry.value, of_file);
            }
        }
    }
}

/// The files in references such as `${file:/run/secrets/key}`.
fn sources(node: &Node, base: &Path, found: &mut Vec<PathBuf>) {
    match &node.value {
        Value::Null | Value::Unusable => {}
        Value::Scalar(Scalar { written, .. }) => {
            let references = written.iter().flat_map(|written| written.split("${file:").skip(1));
            found.extend(references.filter_map(|rest| Some(base.join(&rest[..rest.find('}')?]))));
        }
        Value::List(items) => items.iter().for_each(|item| sources(item, base, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| sources(&entry.value, base, found)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, parse};

    const BEFORE: &str = "
admin: false
issuers: { self: {} }
upstreams: { app: 'builtin:echo', old: 'http://127.0.0.1:1' }
routes:
  /a: { upstream: app, public: true }
  /b: { upstream: app, require: scope b }
  /c: { upstream: old, public: true }
";

    fn changes(after: &str) -> String {
        let environment = Environment::of([("SECRET", "one")]);
        let [before, after] = [BEFORE, after].map(|text| match parse("test.yaml", text, &environment) {
            Ok(config) => config.parts,
            Err(problems) => panic!("{}", crate::config::render_all(&problems, false)),
        });
        before.compare(&after).to_string()
    }

    // UX 13
    #[test]
    fn what_changes_is_said_in_words() {
        assert_eq!(changes(BEFORE), "nothing changed");
        assert_eq!(changes(&format!("# a comment\n{BEFORE}")), "nothing changed");
        assert_eq!(
            changes(
                "admin: false\nlimits: { uri_size: 4KiB }\nissuers: { self: {} }\nupstreams: { app: 'builtin:echo' }\nroutes: { /a: { upstream: app, public: true }, /b: { upstream: app, require: scope other }, /d: { upstream: app, public: true } }\n"
            ),
            "limits changed, 1 route added (/d), 1 route removed (/c), 1 route changed (/b), 1 upstream removed (old)"
        );
        let many: String = (0..5).map(|n| format!("  /new/{n}: {{ upstream: app, public: true }}\n")).collect();
        assert_eq!(changes(&format!("{BEFORE}{many}")), "5 routes added (/new/0, /new/1, /new/2, ...)");
    }

    #[test]
    fn values_that_came_from_outside_count() {
        let text = "admin: false\nmanagement: { api_key: '${KEY}' }\nupstreams: { app: 'builtin:echo' }\nroutes: { /a: { upstream: app, public: true } }\n";
        let parts = |key: &str| {
            let key = key.repeat(32);
            parse("test.yaml", text, &Environment::of([("KEY", key)])).ok().unwrap().parts
        };
        assert_eq!(parts("a").compare(&parts("a")).to_string(), "nothing changed");
        assert_eq!(parts("a").compare(&parts("b")).to_string(), "management changed");
    }

    #[test]
    fn files_that_values_came_from_are_known() {
        let environment = Environment::of([("A", "b")]).with_file("/etc/faregate/key", "k".repeat(32));
        let text = "admin: false\nmanagement: { api_key: '${file:key}' }\n";
        let config = parse("/etc/faregate/faregate.yaml", text, &environment).ok().unwrap();
        let files: Vec<_> = config.parts.files().map(|path| path.display().to_string()).collect();
        assert_eq!(files, ["/etc/faregate/key"]);
    }
}
