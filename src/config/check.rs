//! What every section needs: a place to put problems, and mappings whose unknown keys are problems.
//!
//! Owns the reading of keys. What a value must look like is in `scalar`, what it means is in the sections.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lint::Risk;
use super::node::{Entry, Node, Scalar, Value};
use super::parts::NamedFile;
use super::problem::{Layer, Problem, Severity, Span};
use super::scalar;
use super::source::Source;
use super::suggest::closest;
use crate::secret::Secret;

/// Collects the problems of one file.
pub(super) struct Check<'s> {
    source: &'s Source,
    /// The folder that relative paths start from.
    base: &'s Path,
    pub problems: Vec<Problem>,
    /// Files that values name and whose content matters.
    pub files: Vec<NamedFile>,
}

impl<'s> Check<'s> {
    pub(super) fn new(source: &'s Source, base: &'s Path, problems: Vec<Problem>) -> Self {
        Self { source, base, problems, files: Vec::new() }
    }

    pub(super) fn refuse(&mut self, span: Span, message: impl Into<String>) {
        self.problems.push(Problem::new(Layer::Meaning, self.source, span, message));
    }

    pub(super) fn refuse_with_help(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(Layer::Meaning, self.source, span, message).with_help(help));
    }

    /// `word` is none of `known`: the nearest of them is proposed, or all are listed.
    pub(super) fn refuse_word(&mut self, span: Span, message: impl Into<String>, word: &str, known: &[&str]) {
        let mut message = message.into();
        match closest(word, known.iter().copied()) {
            Some(near) => {
                message.push_str(&format!(" — did you mean {near:?}?"));
                self.refuse(span, message);
            }
            None if known.is_empty() => self.refuse(span, message),
            None => self.refuse_with_help(span, message, format!("one of: {}", known.join(", "))),
        }
    }

    /// Usable, but not safe.
    pub(super) fn warn(
        &mut self,
        span: Span,
        risk: impl Into<Risk>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::new(Layer::Lint, self.source, span, message).with_help(help);
        self.problems.push(Problem { risk: Some(Box::new(risk.into())), ..problem });
    }

    /// Worth knowing; no reason to stop even under `--strict`.
    pub(super) fn note(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let problem = Problem::new(Layer::Lint, self.source, span, message).with_help(help);
        self.problems.push(Problem { severity: Severity::Note, ..problem });
    }

    /// `written` as a path; a relative one starts from the configuration file's folder.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.base.join(written)
    }

    /// The same for a file whose content is part of the configuration, such as a certificate.
    pub(super) fn file(&mut self, written: &str) -> PathBuf {
        let path = self.path(written);
        self.files.push((written.to_owned(), path.clone()));
        path
    }

    pub(super) fn base(&self) -> &Path {
        self.base
    }

    /// The text of a scalar; anything else is a problem.
    pub(super) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n Scalar> {
        self.expect(node, "text").and_then(|node| match &node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Unusable => None,
        })
    }

    /// One text or a list of texts.
    pub(super) fn texts<'n>(&mut self, node: &'n Node) -> Vec<(&'n Scalar, Span)> {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Unusable => std::slice::from_ref(node),
        };
        items.iter().filter_map(|item| self.text(item).map(|text| (text, item.span))).collect()
    }

    /// The items of a list; anything else is a problem.
    pub(super) fn items<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        match self.expect(node, "a list").map(|node| &node.value) {
            Some(Value::List(items)) => items,
            Some(Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Unusable) | None => &[],
        }
    }

    /// The entries of a mapping whose keys are names that the operator chose; anything else is a problem.
    pub(super) fn entries<'n>(&mut self, node: &'n Node) -> &'n [Entry] {
        match self.expect(node, "a mapping").map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            Some(Value::Null | Value::Scalar(_) | Value::List(_) | Value::Unusable) | None => &[],
        }
    }

    /// The value as `parse` understands it; what it does not understand is a problem.
    pub(super) fn parsed<T>(
        &mut self,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, scalar::Refusal>,
    ) -> Option<T> {
        let scalar = self.text(node)?;
        match parse(&scalar.text) {
            Ok(value) => Some(value),
            Err(refusal) => {
                let message = match scalar.is_foreign() && scalar.text.is_empty() {
                    true => format!("{} is empty, and not {}", scalar.shown(), refusal.expected),
                    false => format!("{} is not {}", scalar.shown(), refusal.expected),
                };
                // A proposal is made from the value: it would show what must not be shown.
                match refusal.help.filter(|_| !scalar.is_foreign()) {
                    Some(help) => self.refuse_with_help(node.span, message, help),
                    None => self.refuse(node.span, message),
                }
                None
            }
        }
    }

    /// The node if it is what is expected, or has a problem already.
    fn expect<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n Node> {
        let found = match &node.value {
            Value::Unusable => return None,
            Value::Null => "nothing",
            Value::Scalar(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        };
        if found == expected {
            return Some(node);
        }
        self.refuse(node.span, format!("expected {expected}, found {found}"));
        None
    }
}

/// A mapping with known keys.
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    /// Known keys that unknown ones are slips of.
    slips: Vec<String>,
    /// Where to point when a key is missing.
    pub span: Span,
}

impl<'n> Fields<'n> {
    /// Opens a mapping; nothing at all is an empty one. Keys that are not in `known` are problems.
    pub(super) fn open(node: &'n Node, known: &[&str], check: &mut Check<'_>) -> Option<Self> {
        let entries = match &node.value {
            Value::Null => &[],
            Value::Map(entries) => entries.as_slice(),
            Value::Scalar(_) | Value::List(_) | Value::Unusable => {
                check.expect(node, "a mapping")?;
                return None;
            }
        };
        let (mut listed, mut slips) = (false, Vec::new());
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("unknown key {:?}", entry.key);
            // The keys are listed once, not behind each that is nothing like any of them.
            let near = closest(&entry.key, known.iter().copied());
            check.refuse_word(entry.key_span, message, &entry.key, if near.is_some() || !listed { known } else { &[] });
            listed |= near.is_none();
            slips.extend(near.map(str::to_owned));
        }
        Some(Self { entries, slips, span: node.span })
    }

    /// Opens a mapping that was opened before, with all its problems noted.
    pub(super) fn open_again(node: &'n Node) -> Option<Self> {
        match &node.value {
            Value::Map(entries) => Some(Self { entries, slips: Vec::new(), span: node.span }),
            Value::Null | Value::Scalar(_) | Value::List(_) | Value::Unusable => None,
        }
    }

    /// No keys at all.
    pub(super) fn none(span: Span) -> Self {
        Self { entries: &[], slips: Vec::new(), span }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether `key` is absent and nothing says that it was meant: then that it is missing is news.
    pub(super) fn lacks(&self, key: &str) -> bool {
        self.entry(key).is_none() && !self.misspells(key)
    }

    /// Whether an unknown key is near to `key`.
    pub(super) fn misspells(&self, key: &str) -> bool {
        self.slips.iter().any(|slip| slip == key)
    }

    /// The value of `key`, unless it is absent or nothing.
    pub(super) fn find(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value).filter(|node| !matches!(node.value, Value::Null))
    }

    /// The value of `key`; a problem if it is absent.
    pub(super) fn require(&self, key: &str, help: &str, check: &mut Check<'_>) -> Option<&'n Node> {
        let found = self.find(key);
        if found.is_none() && (self.entry(key).is_some() || self.lacks(key)) {
            let span = self.entry(key).map_or(self.span, |entry| entry.key_span);
            check.refuse_with_help(span, format!("key {key:?} is missing"), help);
        }
        found
    }

    pub(super) fn text(&self, key: &str, check: &mut Check<'_>) -> Option<String> {
        self.find(key).and_then(|node| check.text(node)).map(|scalar| scalar.text.clone())
    }

    pub(super) fn texts(&self, key: &str, check: &mut Check<'_>) -> Option<Vec<String>> {
        self.find(key).map(|node| check.texts(node).into_iter().map(|(scalar, _)| scalar.text.clone()).collect())
    }

    pub(super) fn boolean(&self, key: &str, check: &mut Check<'_>) -> Option<bool> {
        self.find(key).and_then(|node| check.parsed(node, scalar::boolean))
    }

    /// More than nothing.
    pub(super) fn duration(&self, key: &str, check: &mut Check<'_>) -> Option<Duration> {
        let node = self.find(key)?;
        let duration = check.parsed(node, scalar::duration)?;
        if duration.is_zero() {
            check.refuse(node.span, format!("{key} must be longer than nothing"));
            return None;
        }
        Some(duration)
    }

    /// Bytes.
    pub(super) fn size(&self, key: &str, check: &mut Check<'_>) -> Option<u64> {
        self.find(key).and_then(|node| check.parsed(node, scalar::size))
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(&self, key: &str, most: u64, check: &mut Check<'_>) -> Option<u64> {
        let node = self.find(key)?;
        let count = check.parsed(node, scalar::count)?;
        if !(1..=most).contains(&count) {
            check.refuse(node.span, format!("{key} must be between 1 and {most}"));
            return None;
        }
        Some(count)
    }

    /// A credential. Its problems point at the key, so that the value is never shown.
    pub(super) fn secret(&self, key: &str, least: usize, check: &mut Check<'_>) -> Option<Secret<String>> {
        let entry = self.entry(key)?;
        let text = match &entry.value.value {
            Value::Scalar(scalar) => scalar.text.clone(),
            Value::Unusable => return None,
            Value::Null | Value::List(_) | Value::Map(_) => String::new(),
        };
        if text.len() < least {
            let message = format!("{key} must be text of at least {least} characters");
            check.refuse_with_help(entry.key_span, message, format!("{key}: ${{file:/run/secrets/...}}"));
            return None;
        }
        Some(Secret::new(text))
    }
}
