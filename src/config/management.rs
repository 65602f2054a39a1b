//! `management:` - where the management API answers, and the first key to it.
//!
//! Owns the defaults. It admits nobody.

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
}

pub(super) const KEYS: &[&str] = &["public", "api_key"];

/// 192 bits in base64.
const API_KEY_CHARACTERS: usize = 32;

pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> ManagementApi {
    let Some(fields) = node.and_then(|node| Fields::open(node, KEYS, check)) else {
        return ManagementApi::default();
    };
    ManagementApi {
        is_public: fields.boolean("public", check).unwrap_or_default(),
        api_key: fields.secret("api_key", API_KEY_CHARACTERS, check),
    }
}
