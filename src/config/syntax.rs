//! What is wrong with text that is not YAML.
//!
//! Owns the words. It finds nothing: the scanner does.

use saphyr_parser::ScanError;

use super::problem::{Layer, Problem, Span};
use super::source::Source;

/// What the scanner found, in words that say what to do about it.
pub(super) fn problem(error: &ScanError, source: &Source) -> Problem {
    // Behind the last line there is nothing to show.
    let end = source.end();
    let at = span_at(error.marker().line(), error.marker().col(), 1);
    let span = if at.line > end.line { end } else { at };
    let info = error.info();
    // A key without a colon is noticed at what follows it.
    let span = source.before(span.line).filter(|_| info.contains("simple key expect")).unwrap_or(span);
    let at = source.text_at(span).unwrap_or_default();
    let (message, help) = if at.contains('\0') {
        ("a NUL byte stands here: this is no text".to_owned(), "save the file as UTF-8 text")
    } else if info.contains("tab") {
        ("a tab is used for indentation".to_owned(), "indent with spaces")
    } else if info.contains("unknown anchor") && at == "*" {
        (
            "a value that starts with `*` stands for an anchor, and there is no such anchor".to_owned(),
            "quote it: `\"*\"`",
        )
    } else if info.contains("mapping values are not allowed") || info.contains("illegal placement of ':'") {
        (
            "a colon is not expected here".to_owned(),
            "quote the value if the colon is part of it; otherwise check the indentation",
        )
    } else if info.contains("expected ',' or") {
        (
            "a comma or a closing bracket is missing".to_owned(),
            "inside `{ }` and `[ ]`, quote values that contain one of `{ } [ ] ,`",
        )
    } else if info.contains("did not find expected key") || info.contains("did not find expected '-' indicator") {
        ("a key is expected here".to_owned(), "check the indentation: what belongs together starts in the same column")
    } else if info.contains("did not find expected node content") {
        ("a value is missing, or a bracket is not closed".to_owned(), "check what stands before this place")
    } else if info.contains("unexpected character") {
        (format!("a value cannot start with {at:?}"), "quote it")
    } else if info.contains("simple key expect") {
        ("neither a key nor a value".to_owned(), "write `key: value`, or check the indentation")
    } else if info.contains("quoted scalar") {
        ("a quoted text does not end".to_owned(), "close the quotes")
    } else {
        (info.to_owned(), "check the YAML around this place")
    };
    Problem::new(Layer::Syntax, source, span, message).with_help(help)
}

/// From a place of the scanner, which counts columns from 0.
pub(super) fn span_at(line: usize, column_from_zero: usize, length: usize) -> Span {
    Span { line: line as u32, column: column_from_zero as u32 + 1, length: length as u32 }
}
