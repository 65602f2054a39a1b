//! The text of a configuration file, for showing lines of it.
//!
//! Owns masking: a line that is shown never carries a literal credential. It does not parse YAML.

use std::fmt;
use std::sync::Arc;

use super::problem::Span;

/// Keys whose literal values are never shown.
pub(super) const SECRET_KEYS: [&str; 9] = [
    "master_key",
    "client_secret",
    "private_key",
    "secret",
    "password",
    "password_hash",
    "token_secret",
    "authorization",
    "api-key",
];

const MASK: &str = "••••";

/// A configuration file's name and lines.
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    lines: Arc<[Box<str>]>,
}

/// Without the lines: they may carry credentials.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Source {
    pub fn new(name: &str, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { name: name.into(), lines: text.lines().map(Box::from).collect() }
    }

    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The line at `span` as it may be shown, and `span` moved to fit what masking left of it.
    pub(super) fn line(&self, span: Span) -> Option<(String, Span)> {
        let index = (span.line as usize).checked_sub(1)?;
        let text = self.lines.get(index)?;
        let mut line: Vec<char> =
            text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
        let mut span = span;
        while let Some((start, end)) = secret_part(&line) {
            line.splice(start..end, MASK.chars());
            span = moved(span, start, end);
        }
        let rest = (line.len() as u32 + 1).saturating_sub(span.column);
        span.length = span.length.min(rest).max(1);
        Some((line.into_iter().collect(), span))
    }

    /// Whether `text` stands on the line.
    pub(super) fn has(&self, line: u32, text: &str) -> bool {
        let index = (line as usize).checked_sub(1);
        index.and_then(|index| self.lines.get(index)).is_some_and(|line| line.contains(text))
    }

    /// What stands on the last line before `line` that says anything.
    pub(super) fn before(&self, line: u32) -> Option<Span> {
        let earlier = self.lines.iter().map(|line| &**line).enumerate().take((line as usize).checked_sub(1)?);
        let says_something = |(_, line): &(usize, &str)| !matches!(line.trim_start().chars().next(), None | Some('#'));
        let (index, line) = earlier.collect::<Vec<_>>().into_iter().rfind(says_something)?;
        let indentation = line.chars().take_while(|c| c.is_whitespace()).count() as u32;
        Some(Span { line: index as u32 + 1, column: indentation + 1, length: line.trim().chars().count() as u32 })
    }

    /// The last character that is not white space.
    pub(super) fn end(&self) -> Span {
        let last = self.lines.iter().enumerate().rfind(|(_, line)| !line.trim().is_empty());
        let (index, line) = last.map_or((0, ""), |(index, line)| (index, &**line));
        Span { line: index as u32 + 1, column: (line.trim_end().chars().count() as u32).max(1), length: 1 }
    }

    /// The characters as written at `span`, unmasked: for comparing, not for showing.
    pub(super) fn text_at(&self, span: Span) -> Option<String> {
        let line = self.lines.get((span.line as usize).checked_sub(1)?)?;
        let start = (span.column as usize).checked_sub(1)?;
        Some(line.chars().skip(start).take(span.length as usize).collect())
    }
}

/// Text that quotes a value of the file, passwords inside URLs masked.
pub(super) fn masked(text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    while let Some((start, end)) = url_password(&characters) {
        characters.splice(start..end, MASK.chars());
    }
    characters.into_iter().collect()
}

/// Where `span` is after the characters `start..end` became the mask.
fn moved(span: Span, start: usize, end: usize) -> Span {
    let place = |index: usize| match index {
        index if index <= start => index,
        index if index >= end => index - (end - start) + MASK.chars().count(),
        _ => start,
    };
    let first = place(span.column as usize - 1);
    let last = place(span.column as usize - 1 + span.length as usize);
    Span { line: span.line, column: first as u32 + 1, length: last.saturating_sub(first) as u32 }
}

/// The first literal credential in a line: the value of a secret key, or a password inside a URL.
fn secret_part(line: &[char]) -> Option<(usize, usize)> {
    let value = SECRET_KEYS.iter().find_map(|key| secret_value(line, key));
    value.or_else(|| url_password(line))
}

fn secret_value(line: &[char], key: &str) -> Option<(usize, usize)> {
    let key: Vec<char> = key.chars().collect();
    let starts_here = |&at: &usize| {
        let before = at.checked_sub(1).map(|before| line[before]);
        line[at..].starts_with(&key) && before.is_none_or(|before| before.is_whitespace() || "{,\"'-".contains(before))
    };
    (0..line.len()).filter(starts_here).find_map(|at| literal_after(line, at + key.len()))
}

/// The literal scalar behind the colon at `at`, the end of a key.
fn literal_after(line: &[char], at: usize) -> Option<(usize, usize)> {
    let at = at + usize::from(matches!(line.get(at), Some('"' | '\'')));
    if line.get(at) != Some(&':') {
        return None;
    }
    let spaces = line[at + 1..].iter().take_while(|c| c.is_whitespace()).count();
    let quote = line.get(at + 1 + spaces).copied().filter(|c| matches!(c, '"' | '\''));
    let start = at + 1 + spaces + usize::from(quote.is_some());
    let end = match quote {
        Some(quote) => line[start..].iter().position(|&c| c == quote).map_or(line.len(), |length| start + length),
        None => plain_end(line, start),
    };
    let written: String = line[start..end].iter().collect();
    let collection = written.starts_with(['|', '>', '{', '[']);
    let harmless = written.is_empty() || written == MASK || is_one_reference(&written) || collection;
    (!harmless).then_some((start, end))
}

/// A plain scalar ends at a comment, or at the end of its flow mapping.
fn plain_end(line: &[char], start: usize) -> usize {
    let is_flow = line[..start].contains(&'{');
    let end = (start..line.len()).find(|&at| match line[at] {
        ',' | '}' => is_flow && !line[start..at].starts_with(&['$', '{']) || line[start..at].contains(&'}'),
        '#' => at > 0 && line[at - 1].is_whitespace(),
        _ => false,
    });
    let end = end.unwrap_or(line.len());
    end - line[start..end].iter().rev().take_while(|c| c.is_whitespace()).count()
}

/// `${NAME}` and `${file:...}` say where a secret is, not what it is; a default would say what.
fn is_one_reference(text: &str) -> bool {
    let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| !inner.contains(":-") && !inner.contains('}'))
}

/// The password in `scheme://user:password@host`, with or without the scheme. It may hide more than that, never less.
fn url_password(line: &[char]) -> Option<(usize, usize)> {
    let mut start = 0;
    for word in line.split(|c: &char| c.is_whitespace() || matches!(c, '"' | '\'')) {
        let authority = word.windows(3).position(|three| three == [':', '/', '/']).map_or(0, |at| at + 3);
        let end = word.iter().rposition(|&c| c == '@');
        let colon = word[authority..].iter().position(|&c| c == ':').map(|at| authority + at + 1);
        if let (Some(colon), Some(end)) = (colon, end)
            && colon < end
        {
            let written: String = word[colon..end].iter().collect();
            if written != MASK && !is_one_reference(&written) {
                return Some((start + colon, start + end));
            }
        }
        start += word.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let span = Span { line: 1, column: 1, length: 1 };
        Source::new("faregate.yaml", text).line(span).map(|(line, _)| line).unwrap_or_default()
    }

    // UX 14
    #[test]
    fn literal_credentials_are_masked() {
        assert_eq!(shown("  master_key: hunter2"), "  master_key: ••••");
        assert_eq!(shown("  master_key: \"hunter2\"  # mine"), "  master_key: \"••••\"  # mine");
        assert_eq!(shown("e: { client_secret: hunter2, name: x }"), "e: { client_secret: ••••, name: x }");
        assert_eq!(shown("password_hash: $argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"), "password_hash: ••••");
        assert_eq!(shown("password: hunter,2}"), "password: ••••");
        assert_eq!(shown("store: postgres://gate:hunter2@db/gate"), "store: postgres://gate:••••@db/gate");
        assert_eq!(shown("store: postgres://gate:a@b/c@db/gate"), "store: postgres://gate:••••@db/gate");
        assert_eq!(shown("servers: [gate:hunt,er2@10.0.0.1:80]"), "servers: [gate:••••@10.0.0.1:80]");
        assert_eq!(shown("password: ${PASSWORD:-hunter2}"), "password: ••••");
        assert_eq!(shown("headers: { authorization: Bearer hunter2 }"), "headers: { authorization: •••• }");
        assert_eq!(shown("headers: { x-api-key: hunter2, sample: 1 }"), "headers: { x-api-key: ••••, sample: 1 }");
        assert_eq!(shown("password: \"hunter2"), "password: \"••••");
    }

    // UX 14
    #[test]
    fn what_is_not_a_credential_is_shown_as_written() {
        for line in [
            "  master_key: \"${file:/run/key}\"",
            "  master_key: ${MASTER_KEY}",
            "  master_key_file: faregate.key",
            "store: postgres://gate:${PASSWORD}@db/gate",
            "upstream: http://127.0.0.1:3000",
            "a: http://127.0.0.1:1 # me@example.com",
            "client_id: me@example.com",
        ] {
            assert_eq!(shown(line), line);
        }
    }

    #[test]
    fn the_caret_follows_what_masking_moved() {
        let source = Source::new("faregate.yaml", "{ password: a-long-secret, oops: 1 }");
        let span = Span { line: 1, column: 28, length: 4 };
        assert_eq!(source.text_at(span).as_deref(), Some("oops"));
        let (line, span) = source.line(span).expect("the line exists");
        assert_eq!(line.chars().skip(span.column as usize - 1).take(4).collect::<String>(), "oops");
        assert_eq!(span.length, 4);
    }
}
