//! What is known of the keys of others, for operators who wonder why a token is refused.
//!
//! Owns the shape. No key is in it, only names, and nothing of a shared secret.

use std::time::Duration;

/// The keys of one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// The issuer, as the configuration calls it.
    pub issuer: String,
    /// `kid` of each, sorted.
    pub kids: Vec<String>,
    /// How they are come by; `None` if they stand in the configuration.
    pub fetching: Option<KeyFetching>,
}

/// How asking for keys goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFetching {
    /// How long ago the keys came that are known; `None`: there are none.
    pub fetched: Option<Duration>,
    /// In how much time they are asked for again, if nobody needs them before; `None`: they are being asked for.
    pub next: Option<Duration>,
    /// Whether the last answer was none.
    pub is_failing: bool,
    /// How long ago there was no answer the last time, and why.
    pub last_error: Option<(Duration, String)>,
}

impl KeyReport {
    /// In one word, for machines.
    pub fn state(&self) -> &'static str {
        match &self.fetching {
            None => "configured",
            Some(KeyFetching { fetched: None, .. }) => "missing",
            Some(KeyFetching { is_failing: true, .. }) => "stale",
            Some(KeyFetching { .. }) => "fresh",
        }
    }
}
