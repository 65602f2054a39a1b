//! Rule text to [`Rule`]: a recursive descent over one line.
//!
//! Owns the grammar and its error messages; it does not know which entities or path parameters exist.

use serde_json::{Number, Value};
use thiserror::Error;

use super::rule::{ClaimPath, Rule, RuleKind, Target};
use super::suggest::nearest;

/// `all`, `any` and `not` may be nested this deep; deeper rules help nobody and would threaten the stack.
pub(super) const MAX_DEPTH: usize = 32;

const KEYWORDS: [&str; 10] = [
    "public",
    "authenticated",
    "scope",
    "any scope",
    "role",
    "permission",
    "claim",
    "all:",
    "any:",
    "not:",
];

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
    fn suggesting(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

/// Reads one rule; the grammar is described in the [module](super).
pub fn parse_rule(text: &str) -> Result<Rule, RuleError> {
    let mut parser = Parser { text, position: 0 };
    let rule = parser.rule(0)?;
    match parser.peek() {
        None => Ok(rule),
        Some(',') => Err(parser.error_here("unexpected `,`; to combine rules write `all: [...]` or `any: [...]`")),
        Some(_) => Err(parser.error_here(format!("unexpected text after `{rule}`"))),
    }
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
}

/// A word, and where it is written.
struct Token {
    text: String,
    offset: usize,
    length: usize,
    quoted: bool,
}

impl<'a> Parser<'a> {
    fn rule(&mut self, depth: usize) -> Result<Rule, RuleError> {
        if depth > MAX_DEPTH {
            return Err(self.error_here(format!("rules are nested deeper than {MAX_DEPTH}")));
        }
        if self.peek().is_none() {
            return Err(self.error_here("a rule is missing here, such as `authenticated` or `scope orders:read`"));
        }
        let keyword = self.word("a rule")?;
        let kind = match keyword.text.as_str() {
            _ if keyword.quoted => return Err(self.unknown_keyword(&keyword)),
            "public" => RuleKind::Public,
            "authenticated" => RuleKind::Authenticated,
            "scope" => RuleKind::Scopes(self.scopes()?),
            "any" => {
                let scope = self.word("`scope`; to combine rules write `any: [...]`")?;
                if scope.text != "scope" || scope.quoted {
                    let error = self.error_at(&scope, "expected `any scope`; to combine rules write `any: [...]`");
                    return Err(error.suggesting(nearest(&scope.text, &["scope"])));
                }
                RuleKind::AnyScope(self.scopes()?)
            }
            "role" => {
                let role = self.word("a role name")?;
                self.end_of_rule("a rule names one role; for several write `all: [role a, role b]` or `any: [...]`")?;
                RuleKind::Role(role.text)
            }
            "permission" => self.permission()?,
            "claim" => self.claim()?,
            "all:" => RuleKind::All(self.list(|parser| parser.rule(depth + 1))?),
            "any:" => RuleKind::Any(self.list(|parser| parser.rule(depth + 1))?),
            "not:" => RuleKind::Not(Box::new(self.rule(depth + 1)?)),
            _ => return Err(self.unknown_keyword(&keyword)),
        };
        Ok(kind.into())
    }

    fn unknown_keyword(&self, keyword: &Token) -> RuleError {
        let combining = ["all", "not"]
            .into_iter()
            .find(|word| *word == keyword.text)
            .map(|word| format!("{word}:"));
        let suggestion = combining.or_else(|| nearest(&keyword.text, &KEYWORDS).map(str::to_owned));
        let known = KEYWORDS.map(|word| format!("`{word}`")).join(", ");
        self.error_at(
            keyword,
            format!("unknown rule `{}`; rules begin with {known}", keyword.text),
        )
        .suggesting(suggestion)
    }

    fn scopes(&mut self) -> Result<Vec<String>, RuleError> {
        let mut scopes = Vec::new();
        while scopes.is_empty() || !self.at_end_of_rule() {
            let scope = self.word("a scope")?;
            if !scope.quoted && is_conjunction(&scope.text) {
                let message = "scopes are listed with spaces; to combine rules write `all: [...]` or `any: [...]`";
                return Err(self.error_at(&scope, message));
            }
            if !is_scope(&scope.text) {
                return Err(self.error_at(&scope, "a scope has printable ASCII only, without space, `\"` and `\\`"));
            }
            scopes.push(scope.text);
        }
        Ok(scopes)
    }

    fn permission(&mut self) -> Result<RuleKind, RuleError> {
        let permission = self.word("a permission name")?;
        let on = self.word("`on` and the entity: `permission send on mail`")?;
        if on.text != "on" || on.quoted {
            let error = self.error_at(&on, "expected `on` and the entity: `permission send on mail`");
            return Err(error.suggesting(nearest(&on.text, &["on"])));
        }
        let on = match self.peek() {
            Some('{') => Target::Parameter(self.parameter()?),
            Some(_) | None => Target::Entity(self.word("an entity (name or id) or a `{path parameter}`")?.text),
        };
        Ok(RuleKind::Permission {
            permission: permission.text,
            on,
        })
    }

    fn claim(&mut self) -> Result<RuleKind, RuleError> {
        let path = self.claim_path()?;
        if self.peek() == Some('=') {
            if !self.rest().starts_with("==") {
                return Err(self.error_here("comparison is written `==`").suggesting(Some("==")));
            }
            self.position += 2;
            return Ok(match self.peek() {
                Some('{') => RuleKind::ClaimEqualsParameter(path, self.parameter()?),
                Some(_) | None => RuleKind::ClaimEquals(path, self.value()?),
            });
        }
        let operator = self.word("`==` or `in` after the claim name")?;
        if operator.text == "!" {
            return Err(self.error_at(&operator, format!("`!=` is written `not: claim {path} == ...`")));
        }
        if operator.text != "in" || operator.quoted {
            let error = self.error_at(&operator, "expected `==` or `in` after the claim name");
            let spelled = ["is", "equals", "eq"].contains(&operator.text.as_str()).then_some("==");
            return Err(error.suggesting(spelled.or_else(|| nearest(&operator.text, &["in"]))));
        }
        Ok(RuleKind::ClaimIn(path, self.list(Self::value)?))
    }

    fn claim_path(&mut self) -> Result<ClaimPath, RuleError> {
        let mut names = Vec::new();
        let mut has_bare_url = false;
        self.peek();
        let start = self.position;
        loop {
            let name = if self.rest().starts_with('"') {
                self.quoted()?
            } else {
                let length = self
                    .rest()
                    .find(|c| c == '.' || !is_bare_char(c))
                    .unwrap_or(self.rest().len());
                let name = self.rest()[..length].to_owned();
                self.position += length;
                has_bare_url |= name.contains("://");
                name
            };
            if name.is_empty() {
                return Err(self.error_here("a claim name is missing here"));
            }
            names.push(name);
            match self.rest().strip_prefix('.') {
                Some(_) => self.position += 1,
                None => break,
            }
        }
        if has_bare_url {
            let written = &self.text[start..self.position];
            let error = self.error(
                start,
                written.len(),
                "a claim name that is a URL needs quotes: its dots are no path",
            );
            return Err(error.suggesting(Some(format!("\"{written}\""))));
        }
        Ok(ClaimPath(names))
    }

    fn value(&mut self) -> Result<Value, RuleError> {
        match self.peek() {
            Some('{') => return Err(self.error_here("a path parameter is compared with `==`, alone")),
            Some('"') => return self.quoted().map(Value::String),
            Some(_) | None => {}
        }
        let word = self.word("a value: a word, \"quoted text\", a number, true or false")?;
        parse_bare_value(&word.text).map_err(|message| self.error_at(&word, message))
    }

    /// `[item, item]`, at least one item.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, RuleError>) -> Result<Vec<T>, RuleError> {
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
    fn parameter(&mut self) -> Result<String, RuleError> {
        let start = self.position;
        self.position += 1;
        let name = self.word("the name of a path parameter")?;
        if name.quoted || !is_parameter_name(&name.text) {
            return Err(self.error_at(&name, "a path parameter is named with letters, digits, `_` and `-`"));
        }
        if self.peek() != Some('}') {
            return Err(self.error(
                start,
                self.position - start,
                "the path parameter is not closed: `}` is missing",
            ));
        }
        self.position += 1;
        Ok(name.text)
    }

    /// A bare or quoted word; `wanted` completes the message when there is none.
    fn word(&mut self, wanted: &str) -> Result<Token, RuleError> {
        let first = self.peek();
        let offset = self.position;
        if first == Some('"') {
            let text = self.quoted()?;
            let length = self.position - offset;
            if text.is_empty() {
                return Err(self.error(offset, length, format!("expected {wanted}, not an empty text")));
            }
            return Ok(Token {
                text,
                offset,
                length,
                quoted: true,
            });
        }
        if first == Some('\'') {
            return Err(self.error_here("text is quoted with `\"`"));
        }
        let length = self.rest().find(|c| !is_bare_char(c)).unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.error_here(format!("expected {wanted}")));
        }
        self.position += length;
        Ok(Token {
            text: self.text[offset..self.position].to_owned(),
            offset,
            length,
            quoted: false,
        })
    }

    /// A JSON string, escapes included.
    fn quoted(&mut self) -> Result<String, RuleError> {
        let mut escaped = false;
        let closing = self.rest().char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let Some((closing, _)) = closing else {
            return Err(self.error(
                self.position,
                self.rest().len(),
                "the quoted text is not closed: `\"` is missing",
            ));
        };
        let written = &self.rest()[..=closing];
        match serde_json::from_str(written) {
            Ok(text) => {
                self.position += written.len();
                Ok(text)
            }
            Err(_) => Err(self.error(
                self.position,
                written.len(),
                "quoted text follows the rules of JSON strings",
            )),
        }
    }

    fn end_of_rule(&mut self, message: &str) -> Result<(), RuleError> {
        if self.at_end_of_rule() {
            Ok(())
        } else {
            Err(self.error_here(message))
        }
    }

    fn at_end_of_rule(&mut self) -> bool {
        matches!(self.peek(), None | Some(',' | ']'))
    }

    /// The next character that is no white space; the position moves to it.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    /// An error about the word or character at the current position.
    fn error_here(&self, message: impl Into<String>) -> RuleError {
        let rest = self.rest();
        let word = rest.find(|c| !is_bare_char(c)).unwrap_or(rest.len());
        let length = if word > 0 {
            word
        } else {
            rest.chars().next().map_or(0, char::len_utf8)
        };
        self.error(self.position, length, message)
    }

    fn error_at(&self, token: &Token, message: impl Into<String>) -> RuleError {
        self.error(token.offset, token.length, message)
    }

    fn error(&self, offset: usize, length: usize, message: impl Into<String>) -> RuleError {
        RuleError {
            offset,
            length,
            message: message.into(),
            suggestion: None,
        }
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
        _ => {}
    }
    let digits = word.strip_prefix('-').unwrap_or(word);
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = all_digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(all_digits);
    if !is_number {
        return Ok(Value::String(word.to_owned()));
    }
    if fraction.is_none() && word != "-0" {
        let signed = word.parse::<i64>().map(Number::from);
        return signed
            .or_else(|_| word.parse::<u64>().map(Number::from))
            .map(Value::Number)
            .map_err(|_| TOO_LARGE);
    }
    word.parse::<f64>()
        .ok()
        .and_then(Number::from_f64)
        .map(Value::Number)
        .ok_or(TOO_LARGE)
}

/// Whether `text` reads back as the same single word without quotes.
pub(super) fn is_bare(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('\'') && text.chars().all(is_bare_char)
}

fn is_bare_char(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | ',' | '[' | ']' | '{' | '}' | '=')
}

/// Words that an author may expect to combine rules; as names they need quotes.
pub(super) fn is_conjunction(word: &str) -> bool {
    ["and", "or", "&&", "||"]
        .iter()
        .any(|conjunction| word.eq_ignore_ascii_case(conjunction))
}

/// `scope-token` of RFC 6749 3.3; nothing else may stand in a challenge.
pub(super) fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// The names that path parameters may have.
pub(super) fn is_parameter_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests;
