//! `limit:` of a route - how many requests one client, person, token or address may make.
//!
//! Owns the syntax. It counts nothing.

use std::time::Duration;

use super::check::{Check, Fields};
use super::node::{Node, Value};
use super::problem::Span;
use super::scalar::{self, Refusal};

/// Requests that pass in a period, evenly; some more at once after a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub count: u32,
    pub period_for: Duration,
    /// Requests that may come at once.
    pub burst: u32,
    pub by: CountedBy,
    pub(super) span: Span,
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountedBy {
    /// Before the token is looked at.
    Address,
    Client,
    Subject,
    Token,
    /// The value of a parameter of the path.
    Parameter(String),
}

pub(super) const KEY: &str = "limit";
pub(super) const KEYS: &[&str] = &["rate", "burst", "by"];
const BY: &[&str] = &["address", "client", "subject", "token"];

const MOST: u64 = 1_000_000_000;
/// Slower ones are quotas, for which a counter in the memory of one node is the wrong place.
const LONGEST: Duration = Duration::from_secs(86_400);
/// Of one route, inherited ones included.
const MOST_LIMITS: usize = 8;

impl RateLimit {
    /// `count` requests in a period, `burst` at once.
    pub fn new((count, period_for): (u32, Duration), burst: u32, by: CountedBy) -> Self {
        Self { count, period_for, burst, by, span: Span::default() }
    }
}

impl CountedBy {
    /// Whether it is a token that tells who asks.
    pub fn needs_token(&self) -> bool {
        match self {
            Self::Client | Self::Subject | Self::Token => true,
            Self::Address | Self::Parameter(_) => false,
        }
    }

    /// The name of such a limit.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Address => "address",
            Self::Client => "client",
            Self::Subject => "subject",
            Self::Token => "token",
            Self::Parameter(name) => name,
        }
    }
}

/// Those of the route that is extended and the route's own: extending adds and never drops.
pub(super) fn check(fields: &Fields<'_>, inherited: &[RateLimit], check: &mut Check<'_>) -> Vec<RateLimit> {
    let mut limits = inherited.to_vec();
    if let Some(node) = fields.find(KEY) {
        let nodes = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Unusable => std::slice::from_ref(node),
        };
        if nodes.is_empty() {
            check.refuse_with_help(node.span, "no limit is named", "limit: { rate: 100/s }, or remove `limit`");
        }
        limits.extend(nodes.iter().filter_map(|node| limit(node, check)));
        if limits.len() > MOST_LIMITS {
            check.refuse(node.span, format!("more than {MOST_LIMITS} limits on one route"));
        }
    }
    limits
}

/// What a limit needs must be there.
pub(super) fn check_use(limits: &[RateLimit], public: bool, parameters: &[&str], check: &mut Check<'_>) {
    for limit in limits {
        match &limit.by {
            CountedBy::Parameter(name) if !parameters.contains(&name.as_str()) => {
                check.refuse_word(limit.span, format!("the path has no parameter {name:?}"), name, parameters);
            }
            by if by.needs_token() && public => check.refuse_with_help(
                limit.span,
                format!("a public route looks at no token: nobody's {} is known", by.as_str()),
                "by: address",
            ),
            CountedBy::Address
            | CountedBy::Client
            | CountedBy::Subject
            | CountedBy::Token
            | CountedBy::Parameter(_) => {}
        }
    }
}

fn limit(node: &Node, check: &mut Check<'_>) -> Option<RateLimit> {
    let fields = Fields::open(node, KEYS, check)?;
    let rate = fields.require("rate", "rate: 100/s", check).and_then(|node| check.parsed(node, rate));
    let burst = fields.count("burst", MOST, check).and_then(|burst| u32::try_from(burst).ok());
    let (by, span) = match fields.find("by") {
        Some(node) => (by(node, check), node.span),
        None => (Some(CountedBy::Address), node.span),
    };
    let (count, period_for) = rate?;
    Some(RateLimit { count, period_for, burst: burst.unwrap_or(count), by: by?, span })
}

fn by(node: &Node, check: &mut Check<'_>) -> Option<CountedBy> {
    // `{name}` without quotes is a mapping to YAML.
    if let Value::Map(entries) = &node.value
        && let [entry] = entries.as_slice()
        && matches!(entry.value.value, Value::Null)
    {
        return Some(CountedBy::Parameter(entry.key.clone()));
    }
    let scalar = check.text(node)?;
    match scalar.text.as_str() {
        "address" => Some(CountedBy::Address),
        "client" => Some(CountedBy::Client),
        "subject" => Some(CountedBy::Subject),
        "token" => Some(CountedBy::Token),
        text => match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Some(CountedBy::Parameter(name.to_owned())),
            None => {
                check.refuse_word(node.span, format!("requests cannot be counted by {}", scalar.shown()), text, BY);
                None
            }
        },
    }
}

/// `100/s`, `5/m`, `1000/10s`.
fn rate(text: &str) -> Result<(u32, Duration), Refusal> {
    let refused =
        |help: Option<&str>| Refusal { expected: "a rate like 100/s, 5/m or 1000/1h", help: help.map(str::to_owned) };
    let (count, period) = text.split_once('/').ok_or_else(|| refused(None))?;
    let count = scalar::count(count.trim()).map_err(|_| refused(None))?;
    let count = u32::try_from(count).ok().filter(|count| (1..=MOST).contains(&u64::from(*count)));
    let count = count.ok_or_else(|| refused(Some("from 1 to 1000000000")))?;
    let period = period.trim();
    let unit = if period.starts_with(|first: char| first.is_ascii_digit()) { "" } else { "1" };
    let period = scalar::duration(&format!("{unit}{period}")).map_err(|_| refused(None))?;
    if period.is_zero() || period > LONGEST {
        return Err(refused(Some("the period is longer than nothing and at most a day")));
    }
    Ok((count, period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_in_a_time() {
        for (text, count, seconds) in
            [("100/s", 100, 1), ("5 / m", 5, 60), ("1/h", 1, 3600), ("10/10s", 10, 10), ("1/d", 1, 86_400)]
        {
            assert_eq!(rate(text), Ok((count, Duration::from_secs(seconds))), "{text}");
        }
        for text in ["", "100", "0/s", "-1/s", "1/0s", "1/2d", "1/x", "/s", "1/", "99999999999/s", "1.5/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
