//! `directory.keys` - keys that tokens are signed with: made once, or brought along.
//!
//! Owns the syntax. What a key may be made of is `directory`'s rule, and is checked here where it stands.

use super::super::check::{Check, Fields};
use super::super::node::{Entry, Value};
use super::super::process::word;
use super::{ALGORITHMS, note_errors, refuse_bad_name, uuid};
use crate::directory::declare::{Declaration, KeyDeclaration};
use crate::directory::{Directory, DirectoryError, KeyMaterial};

pub(in crate::config) const KEYS: &[&str] =
    &["id", "tenant", "algorithm", "length", "private_key", "public_key", "secret"];

/// Bits of the longest RSA key.
const MOST_BITS: u64 = 4096;

/// Where what the rules say about a field stands in the file.
const PLACES: &[(&str, &str)] = &[
    ("key.algorithm", "algorithm"),
    ("key.length", "length"),
    ("key.privateKey", "private_key"),
    ("key.publicKey", "public_key"),
    ("key.secret", "secret"),
];

pub(super) fn key(entry: &Entry, declared: &Declaration, check: &mut Check<'_>) -> Option<KeyDeclaration> {
    refuse_bad_name(entry, check);
    let fields = Fields::open(&entry.value, KEYS, check)?;
    let algorithm = word(&fields, "algorithm", ALGORITHMS, check).map(str::to_owned);
    let private = fields.secret("private_key", 1, check);
    let (public, secret) = (fields.text("public_key", check), fields.secret("secret", 1, check));
    let bits = fields.count("length", MOST_BITS, check).and_then(|bits| i64::try_from(bits).ok());
    let is_generated = ["private_key", "public_key", "secret"].iter().all(|key| fields.entry(key).is_none());
    let material = match secret {
        Some(secret) => KeyMaterial::Shared { algorithm, secret },
        None if is_generated => {
            fields.require("algorithm", "algorithm: ES256, or bring a key along with private_key", check)?;
            KeyMaterial::Generated { algorithm: algorithm?, bits }
        }
        None => KeyMaterial::Pair { algorithm, private, public },
    };
    if let Some(entry) = fields.entry("length").filter(|_| !is_generated) {
        check.refuse(entry.key_span, "length is for keys that are generated".to_owned());
    }
    // Whoever brought one along that cannot be read knows of it already.
    let is_unread = |key| fields.find(key).is_some_and(|node| matches!(node.value, Value::Unusable));
    if let Err(DirectoryError::Invalid(errors)) = material.read()
        && !["private_key", "public_key", "secret"].into_iter().any(is_unread)
    {
        note_errors(errors, &fields, PLACES, check);
    }
    Some(KeyDeclaration {
        name: entry.key.clone(),
        id: uuid(&fields, check),
        tenant: tenant(&fields, declared, check),
        material,
    })
}

/// The name of the only tenant that may use it. Without one, any may.
fn tenant(fields: &Fields<'_>, declared: &Declaration, check: &mut Check<'_>) -> Option<String> {
    let node = fields.find("tenant")?;
    let name = check.text(node)?;
    let known: Vec<&str> = declared.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
    if !declared.is_open && name.text != Directory::DEFAULT_TENANT && !known.contains(&name.text.as_str()) {
        check.refuse_word(node.span, format!("unknown tenant {}", name.shown()), &name.text, &known);
    }
    Some(name.text.clone())
}

/// The name of a key that is to sign.
pub(super) fn named(fields: &Fields<'_>, key: &str, declared: &Declaration, check: &mut Check<'_>) -> Option<String> {
    let node = fields.find(key)?;
    let name = check.text(node)?;
    let is_known = |known: &&KeyDeclaration| known.name == name.text || super::is_id(&name.text, known.id);
    if !declared.is_open && !declared.keys.iter().any(|known| is_known(&known)) {
        let known: Vec<&str> = declared.keys.iter().map(|known| known.name.as_str()).collect();
        check.refuse_word(node.span, format!("unknown key {}", name.shown()), &name.text, &known);
    }
    Some(name.text.clone())
}
