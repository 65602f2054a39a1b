//! `keys:` - what protects signing keys at rest, and when they rotate.
//!
//! Owns the syntax. It reads no key and creates none.

use std::path::PathBuf;
use std::time::Duration;

use super::check::{Check, Fields};
use super::listen::warn_about_mode;
use super::node::Node;
use crate::secret::Secret;

/// How signing keys are protected and rotated.
#[derive(Clone, Debug)]
pub struct Keys {
    pub master_key: MasterKey,
    /// A new key is published this long before its first use.
    pub publish_before_for: Duration,
    /// An old key stays published this long after its last use.
    pub keep_after_for: Duration,
}

/// The key that encrypts signing keys at rest.
#[derive(Clone, Debug)]
pub enum MasterKey {
    Value(Secret<String>),
    /// Created at the first start if it does not exist.
    File(PathBuf),
}

pub(super) const KEYS: &[&str] = &["master_key", "master_key_file", "rotation"];
pub(super) const ROTATION_KEYS: &[&str] = &["publish_before", "keep_after"];

/// 256 bits, whatever alphabet they are written in.
const MASTER_KEY_CHARACTERS: usize = 32;

pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> Keys {
    let mut keys = Keys {
        master_key: MasterKey::File(check.path("faregate.key")),
        publish_before_for: Duration::from_secs(600),
        keep_after_for: Duration::from_secs(24 * 3600),
    };
    let Some(fields) = node.and_then(|node| Fields::open(node, KEYS, check)) else {
        return keys;
    };
    let value = fields.secret("master_key", MASTER_KEY_CHARACTERS, check);
    if let Some(node) = fields.find("master_key_file")
        && let Some(scalar) = check.text(node)
    {
        let path = check.path(&scalar.text);
        warn_about_mode(&path, node.span, check);
        keys.master_key = MasterKey::File(path);
        if fields.entry("master_key").is_some() {
            check.refuse(node.span, "`master_key` and `master_key_file` exclude each other");
        }
    }
    if let Some(value) = value {
        keys.master_key = MasterKey::Value(value);
    }
    if let Some(rotation) = fields.find("rotation").and_then(|node| Fields::open(node, ROTATION_KEYS, check)) {
        keys.publish_before_for = rotation.duration("publish_before", check).unwrap_or(keys.publish_before_for);
        keys.keep_after_for = rotation.duration("keep_after", check).unwrap_or(keys.keep_after_for);
    }
    keys
}
