//! A place in rule text that moves: words, quoted text, lists, and errors that know where they are.
//!
//! Owns what a word is; which words make a rule is in [`parse`](super::parse).

use serde_json::{Number, Value};
use thiserror::Error;

/// Rule text that cannot be read: where, why and, when it looks like a slip, what was probably meant.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{message}")]
pub struct RuleError {
    /// Bytes before the offending part.
    pub offset: usize,
    /// Bytes of the offending part; 0 at the end of the text.
    pub length: usize,
    pub message: String,
    /// Text to put in place of the offending part.
    pub suggestion: Option<String>,
}

impl RuleError {
    pub(super) fn suggesting(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

/// Rule text, and how far it has been read.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) position: usize,
}

/// A word, and where it is written.
pub(super) struct Token {
    pub(super) text: String,
    offset: usize,
    length: usize,
    pub(super) quoted: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    /// `[item, item]`, at least one item.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, RuleError>,
    ) -> Result<Vec<T>, RuleError> {
        if self.peek() != Some('[') {
            return Err(self.error_here("expected a list in brackets: `[a, b]`"));
        }
        self.position += 1;
        if self.peek() == Some(']') {
            return Err(self.error_here("the list is empty"));
        }
        let mut items = Vec::new();
        loop {
            items.push(item(self)?);
            match self.peek() {
                Some(',') => self.position += 1,
                Some(']') => {
                    self.position += 1;
                    return Ok(items);
                }
                Some(_) => return Err(self.error_here("expected `,` or `]`")),
                None => return Err(self.error_here("the list is not closed: `]` is missing")),
            }
        }
    }

    /// `{name}`, a path parameter.
    pub(super) fn parameter(&mut self) -> Result<String, RuleError> {
        let start = self.position;
        self.position += 1;
        let name = self.word("the name of a path parameter")?;
        if name.quoted || !is_parameter_name(&name.text) {
            return Err(self.error_at(&name, "a path parameter is named with letters, digits, `_` and `-`"));
        }
        if self.peek() != Some('}') {
            return Err(self.error(start, self.position - start, "the path parameter is not closed: `}` is missing"));
        }
        self.position += 1;
        Ok(name.text)
    }

    /// A bare or quoted word; `wanted` completes the message when there is none.
    pub(super) fn word(&mut self, wanted: &str) -> Result<Token, RuleError> {
        let first = self.peek();
        let offset = self.position;
        if first == Some('"') {
            let text = self.quoted()?;
            let length = self.position - offset;
            if text.is_empty() {
                return Err(self.error(offset, length, format!("expected {wanted}, not an empty text")));
            }
            return Ok(Token { text, offset, length, quoted: true });
        }
        if first == Some('\'') {
            return Err(self.error_here("text is quoted with `\"`"));
        }
        let length = self.rest().find(|c| !is_bare_char(c)).unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.error_here(format!("expected {wanted}")));
        }
        self.position += length;
        Ok(Token { text: self.text[offset..self.position].to_owned(), offset, length, quoted: false })
    }

    /// A JSON string, escapes included.
    pub(super) fn quoted(&mut self) -> Result<String, RuleError> {
        let mut escaped = false;
        let closing = self.rest().char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let Some((closing, _)) = closing else {
            return Err(self.error(self.position, self.rest().len(), "the quoted text is not closed: `\"` is missing"));
        };
        let written = &self.rest()[..=closing];
        match serde_json::from_str(written) {
            Ok(text) => {
                self.position += written.len();
                Ok(text)
            }
            Err(_) => Err(self.error(self.position, written.len(), "quoted text follows the rules of JSON strings")),
        }
    }

    pub(super) fn end_of_rule(&mut self, message: &str) -> Result<(), RuleError> {
        if self.at_end_of_rule() { Ok(()) } else { Err(self.error_here(message)) }
    }

    pub(super) fn at_end_of_rule(&mut self) -> bool {
        matches!(self.peek(), None | Some(',' | ']'))
    }

    /// The next character that is no white space; the position moves to it.
    pub(super) fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    /// An error about the word or character at the current position.
    pub(super) fn error_here(&self, message: impl Into<String>) -> RuleError {
        let rest = self.rest();
        let word = rest.find(|c| !is_bare_char(c)).unwrap_or(rest.len());
        let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
        self.error(self.position, length, message)
    }

    pub(super) fn error_at(&self, token: &Token, message: impl Into<String>) -> RuleError {
        self.error(token.offset, token.length, message)
    }

    pub(super) fn error(&self, offset: usize, length: usize, message: impl Into<String>) -> RuleError {
        RuleError { offset, length, message: message.into(), suggestion: None }
    }
}

/// Reads an unquoted claim value. Integers and decimals are numbers; an exponent is not read, since identifiers such as
/// `12e5` are more common in tokens than such numbers.
pub(super) fn parse_bare_value(word: &str) -> Result<Value, &'static str> {
    const TOO_LARGE: &str = "the number is too large; quote it if it is meant as text";
    match word {
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        "null" => return Err("`null` cannot be compared; quote it if it is meant as text"),
        // YAML reads these as values, and a rule that compares with their text would never be met, nor its `not:` ever fail.
        _ if unlike_spelled(word).is_some() => {
            return Err("true, false and null are in lower case; quote the word if it is meant as text");
        }
        _ => {}
    }
    let digits = word.strip_prefix('-').unwrap_or(word);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = all_digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(all_digits);
    if !is_number {
        return Ok(Value::String(word.to_owned()));
    }
    if fraction.is_none() && word != "-0" {
        let signed = word.parse::<i64>().map(Number::from);
        return signed.or_else(|_| word.parse::<u64>().map(Number::from)).map(Value::Number).map_err(|_| TOO_LARGE);
    }
    word.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number).ok_or(TOO_LARGE)
}

/// The value that a word is, but for its case.
pub(super) fn unlike_spelled(word: &str) -> Option<&'static str> {
    ["true", "false", "null"].into_iter().find(|value| *value != word && value.eq_ignore_ascii_case(word))
}

/// Whether `text` reads back as the same single word without quotes.
pub(super) fn is_bare(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('\'') && text.chars().all(is_bare_char)
}

pub(super) fn is_bare_char(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | ',' | '[' | ']' | '{' | '}' | '=')
}

/// Words that an author may expect to combine rules; as names they need quotes.
pub(super) fn is_conjunction(word: &str) -> bool {
    ["and", "or", "&&", "||"].iter().any(|conjunction| word.eq_ignore_ascii_case(conjunction))
}

/// `scope-token` of RFC 6749 3.3; nothing else may stand in a challenge.
pub(super) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// The names that path parameters may have.
pub(super) fn is_parameter_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
