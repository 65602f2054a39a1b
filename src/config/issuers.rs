//! `issuers:` - whose tokens routes may accept.
//!
//! Owns which kinds of issuers exist. What is said of somebody else's is in `foreign`. It fetches nothing.

use super::check::{Check, Fields};
use super::foreign::{self, ForeignIssuer};
use super::node::{Entry, Node};
use super::public_url::PublicUrl;
use crate::policy::ClaimNames;

/// An index into [`Config::issuers`](super::Config::issuers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerIndex(pub usize);

/// An issuer whose tokens routes may accept.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub name: String,
    /// Accepted by routes that name no audience of their own; empty accepts any audience.
    pub audience: Vec<String>,
    pub kind: IssuerKind,
}

/// Who issues.
#[derive(Clone, Debug)]
pub enum IssuerKind {
    /// A tenant of the embedded authorization server, by name; `None` is the default tenant.
    Tenant(Option<String>),
    /// Somebody else.
    Foreign(Box<ForeignIssuer>),
}

impl Issuer {
    /// In which of its claims there is what rules speak of.
    pub fn claim_names(&self) -> &ClaimNames {
        match &self.kind {
            IssuerKind::Tenant(_) => ClaimNames::own(),
            IssuerKind::Foreign(foreign) => &foreign.claims,
        }
    }
}

/// Keys of a tenant; [`foreign::KEYS`] are the others.
pub(super) const KEYS: &[&str] = &["tenant", "audience"];

/// The issuer that is there without being asked for: the default tenant of the embedded authorization server.
pub(super) const EMBEDDED: &str = "self";

/// In the order of the file; without the section, `self` alone.
pub(super) fn check(node: Option<&Node>, public_url: &PublicUrl, check: &mut Check<'_>) -> Vec<Issuer> {
    let Some(node) = node else {
        return vec![tenant(EMBEDDED)];
    };
    let entries = check.entries(node);
    let mut issuers: Vec<Issuer> = Vec::with_capacity(entries.len());
    for entry in entries {
        let issuer = issuer(entry, public_url, check);
        if let Some(name) = named_before(&issuers, &issuer) {
            let message =
                format!("issuers {name:?} and {:?} are the same: a token says which one it is from", entry.key);
            check.refuse_with_help(entry.key_span, message, "keep one; routes may differ in `audience`");
        }
        issuers.push(issuer);
    }
    issuers
}

fn tenant(name: &str) -> Issuer {
    Issuer { name: name.to_owned(), audience: Vec::new(), kind: IssuerKind::Tenant(None) }
}

fn issuer(entry: &Entry, public_url: &PublicUrl, check: &mut Check<'_>) -> Issuer {
    let mut issuer = tenant(&entry.key);
    let known = [KEYS, foreign::KEYS].concat();
    let Some(fields) = Fields::open(&entry.value, &known, check) else {
        return issuer;
    };
    let foreign_key = foreign::KEYS.iter().find_map(|key| fields.entry(key));
    if let Some(foreign_key) = foreign_key {
        if let Some(tenant) = fields.entry("tenant") {
            check.refuse_with_help(
                tenant.key_span,
                format!("issuer {:?} cannot be a tenant of this gateway and have {:?}", entry.key, foreign_key.key),
                "remove one of them",
            );
            if fields.entry("issuer").is_none() {
                return issuer;
            }
        }
        if let Some((foreign, audience)) = foreign::check(entry, &fields, public_url, check) {
            issuer.audience = audience;
            issuer.kind = IssuerKind::Foreign(Box::new(foreign));
        }
        return issuer;
    }
    let name = fields.text("tenant", check);
    issuer.audience = fields.texts("audience", check).unwrap_or_default();
    if let Some(entry) = fields.entry("audience").filter(|_| issuer.audience.is_empty()) {
        let help = "name an audience, or remove `audience` to accept any";
        check.refuse_with_help(entry.key_span, format!("issuer {:?} asks for no audience", issuer.name), help);
    }
    if name.is_none() && entry.key != EMBEDDED {
        check.refuse_with_help(
            entry.key_span,
            format!("issuer {:?} is nobody's: only {EMBEDDED:?} may leave out `issuer` and `tenant`", entry.key),
            format!("{0}: {{ issuer: https://..., audience: ... }} or {0}: {{ tenant: name }}", entry.key),
        );
    }
    issuer.kind = IssuerKind::Tenant(name);
    issuer
}

/// The name of an earlier issuer that is the same somebody.
fn named_before<'i>(earlier: &'i [Issuer], issuer: &Issuer) -> Option<&'i str> {
    let IssuerKind::Foreign(own) = &issuer.kind else { return None };
    let same = |other: &&Issuer| matches!(&other.kind, IssuerKind::Foreign(other) if other.issuer == own.issuer);
    earlier.iter().find(same).map(|other| other.name.as_str())
}

/// The issuer called `name`.
pub(super) fn find(issuers: &[Issuer], name: &str) -> Option<IssuerIndex> {
    issuers.iter().position(|issuer| issuer.name == name).map(IssuerIndex)
}
