//! Rules as text. What is printed here is valid grammar and parses back to the same rule.
//!
//! Owns printing and the question of what needs quotes; reading is in [`parse`](super::parse).

use std::fmt::{self, Display, Formatter, Write};

use serde_json::{Number, Value};

use super::cursor::{is_bare, is_conjunction, parse_bare_value};
use super::rule::{ClaimPath, Rule, RuleKind, Target};
use super::step_up::Seconds;

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Display for RuleKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::Scopes(scopes) => write_words(f, "scope", scopes),
            Self::AnyScope(scopes) => write_words(f, "any scope", scopes),
            Self::Role(role) => write!(f, "role {}", Word(role)),
            Self::Permission { permission, on } => write!(f, "permission {} on {on}", Word(permission)),
            Self::Acr(values) => match values.as_slice() {
                [one] => write!(f, "acr {}", AcrValue(one)),
                several => {
                    f.write_str("acr in ")?;
                    write_list(f, several.iter().map(|value| Word(value)))
                }
            },
            Self::AuthenticatedWithin(seconds) => write!(f, "authenticated within {}", Seconds(*seconds)),
            Self::ClaimEquals(path, value) => write!(f, "claim {path} == {}", Scalar(value)),
            Self::ClaimIn(path, values) => {
                write!(f, "claim {path} in ")?;
                write_list(f, values.iter().map(Scalar))
            }
            Self::ClaimEqualsParameter(path, parameter) => write!(f, "claim {path} == {{{parameter}}}"),
            Self::All(rules) => {
                f.write_str("all: ")?;
                write_list(f, rules)
            }
            Self::Any(rules) => {
                f.write_str("any: ")?;
                write_list(f, rules)
            }
            Self::Not(rule) => write!(f, "not: {rule}"),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity(name) => Word(name).fmt(f),
            Self::Parameter(name) => write!(f, "{{{name}}}"),
        }
    }
}

/// Dotted; a name that has dots or other marks of its own is quoted.
impl Display for ClaimPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, name) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_char('.')?;
            }
            if is_bare(name) && !name.contains('.') && !name.contains("://") {
                f.write_str(name)?
            } else {
                quote(f, name)?
            }
        }
        Ok(())
    }
}

/// A word, quoted where a bare one would read as something else.
struct Word<'a>(&'a str);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_bare(self.0) && !is_conjunction(self.0) { f.write_str(self.0) } else { quote(f, self.0) }
    }
}

/// The only value of an `acr` rule: `in` begins a list.
struct AcrValue<'a>(&'a str);

impl Display for AcrValue<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == "in" { quote(f, self.0) } else { Word(self.0).fmt(f) }
    }
}

/// A claim value. Only scalars can be written in a rule; anything else is shown as JSON.
struct Scalar<'a>(&'a Value);

impl Display for Scalar<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) if is_bare(text) && matches!(parse_bare_value(text), Ok(Value::String(_))) => {
                f.write_str(text)
            }
            Value::String(text) => quote(f, text),
            Value::Number(number) => write_number(f, number),
            other @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => write!(f, "{other}"),
        }
    }
}

/// Without an exponent, which the grammar reads as text, and with a point where the number is no integer type.
fn write_number(f: &mut Formatter<'_>, number: &Number) -> fmt::Result {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let digits = float.to_string();
            let point = if digits.contains('.') { "" } else { ".0" };
            write!(f, "{digits}{point}")
        }
        Some(_) | None => write!(f, "{number}"),
    }
}

fn write_words(f: &mut Formatter<'_>, keyword: &str, words: &[String]) -> fmt::Result {
    f.write_str(keyword)?;
    words.iter().try_for_each(|word| write!(f, " {}", Word(word)))
}

fn write_list<T: Display>(f: &mut Formatter<'_>, items: impl IntoIterator<Item = T>) -> fmt::Result {
    f.write_char('[')?;
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    f.write_char(']')
}

/// A JSON string, which is the grammar's quoted form.
fn quote(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "{}", Value::from(text))
}
