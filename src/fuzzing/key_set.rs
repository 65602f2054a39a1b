//! Key sets of others: nothing private comes out of them, and what is published reads back. Owns no rule.

#![allow(clippy::expect_used, reason = "a target fails by panicking")]

use serde_json::{Map, Value};

use super::text;
use crate::jose::KeySet;

/// Members of keys that nobody publishes (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The whole input: a document of keys.
///
/// # Panics
/// If the set that was read shows a private member, does not find its own keys, or does not read back.
pub fn key_set(input: &[u8]) {
    let Ok(set) = KeySet::parse(text(input)) else { return };
    assert!(set.keys().count() <= 100, "more keys than a set may have");
    let document = set.document();
    let listed: Map<String, Value> = serde_json::from_slice(&document).unwrap_or_default();
    let listed = listed.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
    for key in &listed {
        assert!(PRIVATE.iter().all(|member| key.get(member).is_none()), "{key}");
        let kid = key.get("kid").and_then(Value::as_str).unwrap_or_default();
        assert_eq!(set.find(kid).map(|key| &**key.kid()), Some(kid));
    }
    let again = KeySet::parse(text(&document)).expect("what was published reads back");
    assert_eq!(again.document(), document);
    assert!(set.holds_all_of(&again), "{}", text(&document));
}
