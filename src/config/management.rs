//! `management:` - where the management API answers, and the first key to it.
//!
//! Owns the defaults. It admits nobody.

use std::time::Duration;

use super::check::{Check, Fields};
use super::node::Node;
use crate::secret::Secret;

/// The management API.
#[derive(Clone, Debug, Default)]
pub struct ManagementApi {
    /// Whether it answers on the public listeners too, not only on the admin listener.
    pub is_public: bool,
    /// A key that may do everything and is stored nowhere: with it, other keys are made.
    pub api_key: Option<Secret<String>>,
    pub event_log: EventLogLimits,
}

/// How much of what happened can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLogLimits {
    pub keep_for: Duration,
    pub entries: u64,
}

impl Default for EventLogLimits {
    fn default() -> Self {
        Self { keep_for: Duration::from_secs(90 * 86_400), entries: 100_000 }
    }
}

pub(super) const KEYS: &[&str] = &["public", "api_key", "event_log"];
pub(super) const EVENT_LOG_KEYS: &[&str] = &["keep", "entries"];

const MOST_ENTRIES: u64 = 10_000_000;

/// 192 bits in base64.
const API_KEY_CHARACTERS: usize = 32;

pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> ManagementApi {
    let Some(fields) = node.and_then(|node| Fields::open(node, KEYS, check)) else {
        return ManagementApi::default();
    };
    ManagementApi {
        is_public: fields.boolean("public", check).unwrap_or_default(),
        api_key: fields.secret("api_key", API_KEY_CHARACTERS, check),
        event_log: event_log(fields.find("event_log"), check),
    }
}

fn event_log(node: Option<&Node>, check: &mut Check<'_>) -> EventLogLimits {
    let usual = EventLogLimits::default();
    let Some(fields) = node.and_then(|node| Fields::open(node, EVENT_LOG_KEYS, check)) else { return usual };
    EventLogLimits {
        keep_for: fields.duration("keep", check).unwrap_or(usual.keep_for),
        entries: fields.count("entries", MOST_ENTRIES, check).unwrap_or(usual.entries),
    }
}
