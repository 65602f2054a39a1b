//! Patterns as authors write them.
//!
//! Owns the syntax and its errors; which pattern wins is the business of the trie.

use std::fmt::{self, Display, Formatter};

use super::path::{PathError, canonical};
use super::segment::decode;

/// A literal segment has at most this many bytes, decoded.
pub(super) const MAX_LITERAL: usize = 255;

/// What the paths of a route look like.
///
/// Segments are compared whole, decoded and with regard to case. One slash at the end, of the pattern or of the path,
/// makes no difference: otherwise `/admin/` would be another route than `/admin`, and a policy could be dodged by a slash.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Pattern {
    text: Box<str>,
    segments: Box<[Segment]>,
}

/// One part of a pattern.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Segment {
    /// This text, decoded.
    Literal(Box<str>),
    /// `*`: any one segment.
    Any,
    /// `{name}`: any one segment, captured.
    Parameter(Box<str>),
    /// `**`: any number of segments, none included. Only at the end.
    Rest,
}

/// A pattern that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    /// Bytes before the offending part.
    pub offset: usize,
    /// Bytes of the offending part.
    pub length: usize,
    pub message: &'static str,
}

impl Pattern {
    /// Reads `/literal/*/{name}/**`. Literals may be written with or without percent-escapes.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let Some(inner) = text.strip_prefix('/') else {
            return Err(PatternError { offset: 0, length: text.len().min(1), message: "a pattern begins with `/`" });
        };
        let inner = inner.strip_suffix('/').filter(|inner| !inner.is_empty()).unwrap_or(inner);
        let mut segments: Vec<Segment> = Vec::new();
        let mut offset = 1;
        for written in inner.split('/').take(if inner.is_empty() { 0 } else { usize::MAX }) {
            let refuse = |message| Err(PatternError { offset, length: written.len(), message });
            if segments.last() == Some(&Segment::Rest) {
                return Err(PatternError { offset: offset - 3, length: 2, message: "`**` stands only at the end" });
            }
            let segment = match segment(written) {
                Ok(segment) => segment,
                Err(message) => return refuse(message),
            };
            if matches!(segment, Segment::Parameter(_)) && segments.contains(&segment) {
                return refuse("this name is used twice");
            }
            segments.push(segment);
            offset += written.len() + 1;
        }
        let text = if inner.is_empty() { "/" } else { text.strip_suffix('/').unwrap_or(text) };
        Ok(Self { text: text.into(), segments: segments.into_boxed_slice() })
    }

    /// As written, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The names of the path parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(&**name),
            Segment::Literal(_) | Segment::Any | Segment::Rest => None,
        })
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn segment(written: &str) -> Result<Segment, &'static str> {
    match written {
        "" => return Err("a segment is empty: paths have no repeated slashes"),
        "**" => return Ok(Segment::Rest),
        "*" => return Ok(Segment::Any),
        _ => {}
    }
    if let Some(name) = written.strip_prefix('{') {
        let Some(name) = name.strip_suffix('}') else {
            return Err(if name.contains('}') { "`{name}` stands for a whole segment" } else { "`{` is not closed" });
        };
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            return Err("a path parameter is named with letters, digits, `_` and `-`");
        }
        return Ok(Segment::Parameter(name.into()));
    }
    if written.contains('*') {
        return Err("`*` stands for a whole segment; escape it as `%2A` if it is meant as text");
    }
    if written.contains(['{', '}']) {
        return Err("`{name}` stands for a whole segment; escape braces as `%7B` and `%7D` if they are meant as text");
    }
    literal(written)
}

fn literal(written: &str) -> Result<Segment, &'static str> {
    let mut path = String::from("/");
    for byte in written.bytes() {
        // People write `/café`; requests carry `/caf%C3%A9`.
        if byte.is_ascii() { path.push(char::from(byte)) } else { path.push_str(&format!("%{byte:02X}")) }
    }
    let path = canonical(&path).map_err(|error| match error {
        PathError::AboveRoot | PathError::DotSegmentParameter => "a pattern has no dot segments",
        PathError::InvalidEscape => "`%` needs two hexadecimal digits",
        PathError::InvalidUtf8 => "escapes that are not UTF-8 match nothing: such paths are refused",
        PathError::Backslash
        | PathError::ControlCharacter
        | PathError::DoubleEncoding
        | PathError::EncodedSlash
        | PathError::Fragment
        | PathError::InvalidCharacter
        | PathError::NonAscii
        | PathError::NotAbsolute => "this matches nothing: paths with such a character are refused",
    })?;
    let literal = decode(path.trim_matches('/'));
    if literal.is_empty() {
        return Err("a pattern has no dot segments");
    }
    if literal.contains(';') {
        return Err("`;` begins a path parameter, which patterns do not see");
    }
    if literal.len() > MAX_LITERAL {
        return Err("a segment has at most 255 bytes");
    }
    Ok(Segment::Literal(literal.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.into())
    }

    #[test]
    fn reads_every_kind_of_segment() {
        let pattern = Pattern::parse("/api/*/{entity}/caf\u{e9}/a%20b/**").expect("the pattern is good");
        let parameter = Segment::Parameter("entity".into());
        let expected = [literal("api"), Segment::Any, parameter, literal("caf\u{e9}"), literal("a b"), Segment::Rest];
        assert_eq!(pattern.segments(), expected);
        assert_eq!(pattern.parameters().collect::<Vec<_>>(), ["entity"]);
    }

    #[test]
    fn one_slash_at_the_end_says_nothing() {
        assert_eq!(Pattern::parse("/health/"), Pattern::parse("/health"));
        assert_eq!(Pattern::parse("/").map(|pattern| pattern.segments().len()), Ok(0));
    }

    #[test]
    fn points_at_what_is_wrong() {
        let cases = [
            ("", 0, 0, "begins with"),
            ("api", 0, 1, "begins with"),
            ("/a//b", 3, 0, "empty"),
            ("//", 1, 0, "empty"),
            ("/a/**/b", 3, 2, "only at the end"),
            ("/**/**", 1, 2, "only at the end"),
            ("/a/{x", 3, 2, "not closed"),
            ("/a/{x}y", 3, 4, "whole segment"),
            ("/a/y{x}", 3, 4, "whole segment"),
            ("/a/x}", 3, 2, "whole segment"),
            ("/a/{}", 3, 2, "letters"),
            ("/a/{1x}", 3, 4, "letters"),
            ("/{x}/{x}", 5, 3, "twice"),
            ("/a/*.js", 3, 4, "whole segment"),
            ("/a/***", 3, 3, "whole segment"),
            ("/a/../b", 3, 2, "dot segments"),
            ("/a/%2e", 3, 3, "dot segments"),
            ("/a/..;x", 3, 4, "dot segments"),
            ("/a/%2f", 3, 3, "refused"),
            ("/a/b?c", 3, 3, "refused"),
            ("/a/b#c", 3, 3, "refused"),
            ("/a/%zz", 3, 3, "hexadecimal"),
            ("/a/%ff", 3, 3, "UTF-8"),
            ("/a/b;c", 3, 3, "path parameter"),
            ("/a/b%3bc", 3, 5, "path parameter"),
        ];
        for (text, offset, length, message) in cases {
            let error = Pattern::parse(text).expect_err(text);
            assert_eq!((error.offset, error.length), (offset, length), "{text}: {error}");
            assert!(error.message.contains(message), "{text}: {error}");
        }
    }
}
