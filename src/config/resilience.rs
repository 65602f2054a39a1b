//! `balance`, `eject`, `retry_budget`, `max_requests` and `max_pending` of an upstream: how its servers share the requests,
//! and what happens when some of them fail.
//!
//! Owns their syntax and defaults. Who is picked is the gateway's business.

use std::time::Duration;

use http::HeaderName;

use super::check::{Check, Fields};
use super::node::{Node, Value};
use super::scalar::{self, Refusal};
use super::suggest::closest;

pub(super) const EJECT_KEYS: &[&str] = &["after", "for", "at_most"];

/// What `balance` may begin with.
const BALANCES: [&str; 3] = ["round_robin", "least_connections", "hash"];

/// What `balance: hash` may be followed by.
const HASHED: [&str; 6] = ["subject", "client", "path", "address", "header", "cookie"];

/// Requests that one upstream may have at a time.
const MOST_REQUESTS: u64 = 1_000_000;

/// How the servers of an upstream share its requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// In turn, each as often as its weight says.
    #[default]
    RoundRobin,
    /// Whoever has the fewest requests for its weight.
    LeastConnections,
    /// The same server for the same value, as long as it is there.
    Hash(Hashed),
}

/// What of a request decides its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hashed {
    /// The token's issuer and subject.
    Subject,
    /// The token's issuer and client.
    Client,
    /// The path that was decided on.
    Path,
    /// The client's address.
    Address,
    Header(HeaderName),
    Cookie(String),
}

/// When a server that fails requests gets none for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eject {
    /// Failures in a row: connections that cannot be made, timeouts, broken answers, statuses from 500 on.
    pub after: u32,
    /// The first time; twice as long each further time.
    pub eject_for: Duration,
    pub at_most_for: Duration,
}

/// What an upstream has beside its servers and limits of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resilience {
    pub balance: Balance,
    /// `None`: servers are not judged by how they answer.
    pub eject: Option<Eject>,
    /// Requests that may be tried again, in percent of all.
    pub retry_budget: u32,
    /// Requests at a time; further ones wait.
    pub max_requests: u32,
    /// Requests that may wait; further ones are refused.
    pub max_pending: u32,
}

impl Default for Resilience {
    fn default() -> Self {
        Self {
            balance: Balance::RoundRobin,
            eject: Some(Eject { after: 5, eject_for: Duration::from_secs(10), at_most_for: Duration::from_secs(300) }),
            retry_budget: 20,
            max_requests: 4096,
            max_pending: 256,
        }
    }
}

/// What the keys say, with defaults for the rest.
pub(super) fn resilience(fields: &Fields<'_>, check: &mut Check<'_>) -> Resilience {
    let usual = Resilience::default();
    let many = |most: Option<u64>| most.and_then(|most| u32::try_from(most).ok());
    Resilience {
        balance: fields.find("balance").and_then(|node| balance(node, check)).unwrap_or_default(),
        eject: fields.find("eject").map_or(usual.eject, |node| eject(node, check)),
        retry_budget: fields
            .find("retry_budget")
            .and_then(|node| check.parsed(node, percent))
            .unwrap_or(usual.retry_budget),
        max_requests: many(fields.count("max_requests", MOST_REQUESTS, check)).unwrap_or(usual.max_requests),
        max_pending: fields
            .find("max_pending")
            .and_then(|node| check.parsed(node, pending))
            .unwrap_or(usual.max_pending),
    }
}

fn balance(node: &Node, check: &mut Check<'_>) -> Option<Balance> {
    let scalar = check.text(node)?;
    let mut words = scalar.text.split_ascii_whitespace();
    let found = match (words.next(), words.next(), words.next(), words.next()) {
        (Some("round_robin"), None, None, None) => Ok(Balance::RoundRobin),
        (Some("least_connections"), None, None, None) => Ok(Balance::LeastConnections),
        (Some("hash"), Some(what), name, None) => hashed(what, name).map(Balance::Hash),
        (Some("hash"), None, _, _) => Err((String::new(), &HASHED[..])),
        (first, _, _, _) => Err((first.unwrap_or_default().to_owned(), &BALANCES[..])),
    };
    match found {
        Ok(balance) => Some(balance),
        Err((word, known)) => {
            let message = format!("{} says no way to share requests", scalar.shown());
            let near = !known.contains(&word.as_str()) && closest(&word, known.iter().copied()).is_some();
            if near {
                check.refuse_word(node.span, message, &word, known);
            } else {
                let help = "round_robin, least_connections, or hash with one of: subject, client, path, address, \
                            header NAME, cookie NAME";
                check.refuse_with_help(node.span, message, help);
            }
            None
        }
    }
}

/// On failure, the word that is wrong and what it could have been.
fn hashed(what: &str, name: Option<&str>) -> Result<Hashed, (String, &'static [&'static str])> {
    let wrong = || (what.to_owned(), &HASHED[..]);
    match (what, name) {
        ("subject", None) => Ok(Hashed::Subject),
        ("client", None) => Ok(Hashed::Client),
        ("path", None) => Ok(Hashed::Path),
        ("address", None) => Ok(Hashed::Address),
        ("header", Some(name)) => scalar::header_name(name).map(Hashed::Header).map_err(|_| wrong()),
        ("cookie", Some(name)) => Ok(Hashed::Cookie(name.to_owned())),
        (_, _) => Err(wrong()),
    }
}

/// A mapping, or `false`.
fn eject(node: &Node, check: &mut Check<'_>) -> Option<Eject> {
    let usual = Resilience::default().eject?;
    match &node.value {
        Value::Scalar(scalar) if scalar.text == "false" => None,
        Value::Scalar(_) | Value::Null | Value::List(_) | Value::Map(_) | Value::Unusable => {
            let fields = Fields::open(node, EJECT_KEYS, check)?;
            let after = fields.count("after", 1000, check).and_then(|after| u32::try_from(after).ok());
            let eject_for = fields.duration("for", check).unwrap_or(usual.eject_for);
            let at_most_for = fields.duration("at_most", check).unwrap_or(usual.at_most_for.max(eject_for));
            if let Some(entry) = fields.entry("at_most").filter(|_| at_most_for < eject_for) {
                check.refuse(entry.value.span, "at_most is shorter than the first time, `for`");
            }
            Some(Eject { after: after.unwrap_or(usual.after), eject_for, at_most_for })
        }
    }
}

/// `20%`, from 0 to 100.
fn percent(text: &str) -> Result<u32, Refusal> {
    let refused = |help: Option<String>| Refusal { expected: "a share like 20%", help };
    let Some(digits) = text.strip_suffix('%') else {
        return Err(refused(scalar::count(text).ok().map(|number| format!("write `{number}%`"))));
    };
    let number = scalar::count(digits).ok().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number <= 100).ok_or_else(|| refused(None))
}

/// Unlike other numbers, it may be 0: nobody waits.
fn pending(text: &str) -> Result<u32, Refusal> {
    let refused = Refusal { expected: "a whole number up to 1000000", help: None };
    let number = scalar::count(text).ok().filter(|number| *number <= MOST_REQUESTS);
    number.and_then(|number| u32::try_from(number).ok()).ok_or(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_written_with_a_sign() {
        assert_eq!(percent("20%"), Ok(20));
        assert_eq!(percent("0%"), Ok(0));
        assert_eq!(percent("20").unwrap_err().help.as_deref(), Some("write `20%`"));
        for wrong in ["101%", "-1%", "%", "1.5%", "x%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
        assert_eq!((pending("0"), pending("7")), (Ok(0), Ok(7)));
        assert!(pending("1000001").is_err());
    }

    #[test]
    fn what_is_hashed_is_named() {
        assert_eq!(hashed("subject", None), Ok(Hashed::Subject));
        assert_eq!(hashed("cookie", Some("sid")), Ok(Hashed::Cookie("sid".into())));
        assert!(matches!(hashed("header", Some("X-Tenant")), Ok(Hashed::Header(name)) if name == "x-tenant"));
        for (what, name) in [("header", None), ("subject", Some("x")), ("header", Some("a b")), ("body", None)] {
            assert!(hashed(what, name).is_err(), "{what} {name:?}");
        }
    }
}
