//! `issuers:` - whose tokens routes may accept.
//!
//! Owns the syntax and which kinds of issuers exist. It fetches nothing.

use super::check::{Check, Fields};
use super::node::{Entry, Node};

/// An index into [`Config::issuers`](super::Config::issuers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerIndex(pub usize);

/// An issuer whose tokens routes may accept: a tenant of the embedded authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub name: String,
    /// The tenant's name; `None` is the default tenant.
    pub tenant: Option<String>,
    /// Accepted by routes that name no audience of their own; empty accepts any audience.
    pub audience: Vec<String>,
}

pub(super) const KEYS: &[&str] = &["tenant", "audience"];

/// Keys of an issuer that is somebody else's.
const FOREIGN_KEYS: [&str; 5] = ["issuer", "jwks", "jwks_uri", "introspection", "discovery"];

/// The issuer that is there without being asked for: the default tenant of the embedded authorization server.
pub(super) const EMBEDDED: &str = "self";

/// In the order of the file; without the section, `self` alone.
pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> Vec<Issuer> {
    let Some(node) = node else {
        return vec![Issuer { name: EMBEDDED.to_owned(), tenant: None, audience: Vec::new() }];
    };
    check.entries(node).iter().map(|entry| issuer(entry, check)).collect()
}

fn issuer(entry: &Entry, check: &mut Check<'_>) -> Issuer {
    let mut issuer = Issuer { name: entry.key.clone(), tenant: None, audience: Vec::new() };
    let known = [KEYS, &FOREIGN_KEYS].concat();
    let Some(fields) = Fields::open(&entry.value, &known, check) else {
        return issuer;
    };
    if let Some(foreign) = FOREIGN_KEYS.iter().find_map(|key| fields.entry(key)) {
        check.refuse_with_help(
            foreign.key_span,
            "foreign issuers are not supported by this version",
            "use `self`, or `{ tenant: name }` for another tenant of the embedded authorization server",
        );
        return issuer;
    }
    issuer.tenant = fields.text("tenant", check);
    issuer.audience = fields.texts("audience", check).unwrap_or_default();
    if issuer.tenant.is_none() && entry.key != EMBEDDED {
        check.refuse_with_help(
            entry.key_span,
            format!("issuer {:?} is nobody's: only {EMBEDDED:?} may leave out `tenant`", entry.key),
            format!("{}: {{ tenant: name }}", entry.key),
        );
    }
    issuer
}

/// The issuer called `name`.
pub(super) fn find(issuers: &[Issuer], name: &str) -> Option<IssuerIndex> {
    issuers.iter().position(|issuer| issuer.name == name).map(IssuerIndex)
}
