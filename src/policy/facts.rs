//! What a policy decides on: the token's content, compiled once per token, and the path parameters of one request.
//!
//! Owns the shape of facts; it does not say where they come from or whether the token is genuine.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};
use smallvec::SmallVec;

/// What a verified token says, compiled once per token, shared by every request that carries it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenFacts {
    /// `iss`
    pub issuer: Box<str>,
    /// `sub`
    pub subject: Box<str>,
    /// `client_id` or `azp`, where the token names its client.
    pub client_id: Option<Box<str>>,
    /// `tid`
    pub tenant_id: Option<Box<str>>,
    /// `aud`: a string or an array on the wire; absent, `null` and `[]` are all empty here.
    pub audience: Box<[Box<str>]>,
    pub scopes: Words,
    pub roles: Words,
    /// Entity permissions by target (CONTRACT F-194).
    pub permissions: Permissions,
    /// `acr`: how the person authenticated.
    pub acr: Option<Box<str>>,
    /// `auth_time`: when, in Unix seconds.
    pub authenticated_at: Option<i64>,
    /// Every claim of the token, for `claim` rules.
    pub claims: Map<String, Value>,
}

/// One request, as far as a policy may see it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// `None` when the request carries no token: then only `public` rules pass.
    pub token: Option<&'a TokenFacts>,
    /// The path parameters that the route captured, percent-decoded.
    pub parameters: &'a dyn Parameters,
    /// When the decision is made, in Unix seconds: a policy has no clock.
    pub now: i64,
}

impl<'a> Facts<'a> {
    /// Facts of a request without a token.
    pub fn anonymous(parameters: &'a dyn Parameters) -> Self {
        // Only what a token says is compared with it.
        Self { token: None, parameters, now: i64::MAX }
    }

    /// Facts of a request whose token was verified, at the instant `now`.
    pub fn of_token(token: &'a TokenFacts, parameters: &'a dyn Parameters, now: i64) -> Self {
        Self { token: Some(token), parameters, now }
    }
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Path parameters by name.
pub trait Parameters {
    /// The decoded value of `name`, or `None` when the route captures no such parameter.
    fn parameter(&self, name: &str) -> Option<&str>;
}

/// For routes that capture nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoParameters;

impl Parameters for NoParameters {
    fn parameter(&self, _name: &str) -> Option<&str> {
        None
    }
}

/// Name and value pairs in any string-like form; the first of a repeated name counts.
impl<N: AsRef<str>, V: AsRef<str>> Parameters for &[(N, V)] {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| candidate.as_ref() == name).map(|(_, value)| value.as_ref())
    }
}

impl<N: AsRef<str>, V: AsRef<str>, const COUNT: usize> Parameters for [(N, V); COUNT] {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| candidate.as_ref() == name).map(|(_, value)| value.as_ref())
    }
}

/// Up to this many entries a scan that compares lengths first beats a binary search.
const SCAN_LIMIT: usize = 8;

/// A set of case-sensitive words: scopes, roles or the permissions on one target. Sorted, without repetition.
///
/// One behind the other in a single piece of memory: it is read with every request of a token that may have been out of use.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Words {
    text: Box<str>,
    /// Where each word ends in the text.
    ends: SmallVec<[u32; 4]>,
}

impl Words {
    /// Splits a space-delimited list, the form of `scope` (RFC 6749 3.3).
    pub fn parse(text: &str) -> Self {
        text.split(' ').filter(|word| !word.is_empty()).collect()
    }

    pub fn contains(&self, word: &str) -> bool {
        if self.len() <= SCAN_LIMIT {
            return self.iter().any(|candidate| candidate == word);
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.word(middle).cmp(word) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return true,
            }
        }
        false
    }

    fn word(&self, number: usize) -> &str {
        let end = |number: usize| self.ends[number] as usize;
        &self.text[if number == 0 { 0 } else { end(number - 1) }..end(number)]
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|number| self.word(number))
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Words {
    fn from_iter<I: IntoIterator<Item = S>>(words: I) -> Self {
        let words: Vec<S> = words.into_iter().collect();
        let mut sorted: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let (mut text, mut ends) = (String::new(), SmallVec::new());
        for word in sorted {
            // A token is some kilobytes at most, a policy some more.
            let Ok(end) = u32::try_from(text.len() + word.len()) else { break };
            text.push_str(word);
            ends.push(end);
        }
        Self { text: text.into(), ends }
    }
}

/// Space-delimited, as in a `scope` member.
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, word) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

/// What a token may do on one target entity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetPermissions {
    /// The entity's id, as the token spells it in `aud` and `permissions`.
    pub id: Box<str>,
    /// The entity's name, where the directory knows one.
    pub name: Option<Box<str>>,
    pub permissions: Words,
}

/// Entity permissions of one token: target (by id, or by name as an alias) to permission names.
///
/// An id wins over a name. A name is dropped when it has the shape of a UUID and so could pass for an id that the token
/// lacks, or when two targets share it. Whoever names entities can so never widen a token.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permissions(SmallVec<[TargetPermissions; 1]>);

impl Permissions {
    /// The target called `target`: an id first, then a name.
    pub fn on(&self, target: &str) -> Option<&TargetPermissions> {
        let by_id = if self.0.len() <= SCAN_LIMIT {
            self.0.iter().find(|entry| &*entry.id == target)
        } else {
            self.0.binary_search_by(|entry| (*entry.id).cmp(target)).ok().map(|position| &self.0[position])
        };
        by_id.or_else(|| self.0.iter().find(|entry| entry.name.as_deref() == Some(target)))
    }

    /// Whether `permission` was granted on `target`, an id or a name.
    pub fn allows(&self, target: &str, permission: &str) -> bool {
        self.on(target).is_some_and(|entry| entry.permissions.contains(permission))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &TargetPermissions> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<TargetPermissions> for Permissions {
    fn from_iter<I: IntoIterator<Item = TargetPermissions>>(targets: I) -> Self {
        let mut targets: Vec<TargetPermissions> = targets.into_iter().collect();
        targets.sort_by(|a, b| a.id.cmp(&b.id));
        targets.dedup_by(|later, kept| {
            let same = later.id == kept.id;
            if same {
                kept.permissions = kept.permissions.iter().chain(later.permissions.iter()).collect();
                kept.name = kept.name.take().or_else(|| later.name.take());
            }
            same
        });
        let ambiguous: Vec<bool> = targets.iter().map(|target| is_ambiguous(target, &targets)).collect();
        for (target, ambiguous) in targets.iter_mut().zip(ambiguous) {
            if ambiguous {
                target.name = None;
            }
        }
        Self(targets.into())
    }
}

fn is_ambiguous(target: &TargetPermissions, all: &[TargetPermissions]) -> bool {
    let Some(name) = target.name.as_deref() else {
        return false;
    };
    is_uuid(name) || all.iter().any(|other| other.id != target.id && other.name.as_deref() == Some(name))
}

/// Whether `text` has the shape of a UUID (8-4-4-4-12 hexadecimal digits), in either case.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(id: &str, name: Option<&str>, permissions: &str) -> TargetPermissions {
        TargetPermissions { id: id.into(), name: name.map(Into::into), permissions: Words::parse(permissions) }
    }

    // RFC 6749 3.3
    #[test]
    fn words_are_a_case_sensitive_set_however_many_there_are() {
        let few = Words::parse("b a  b A");
        assert_eq!((few.len(), few.to_string().as_str()), (3, "A a b"));
        assert!(few.contains("a") && !few.contains("B") && !few.contains(""));

        let many: Words = (0..100).map(|number| format!("word{number}")).collect();
        assert!((0..100).all(|number| many.contains(&format!("word{number}"))));
        assert!(!many.contains("word100") && !many.contains("word"));
    }

    // F-194
    #[test]
    fn permissions_are_found_by_id_and_by_name() {
        let permissions: Permissions = [target("id-1", Some("orders"), "read scim:user:read")].into_iter().collect();
        assert!(permissions.allows("id-1", "read"));
        assert!(permissions.allows("orders", "scim:user:read"));
        assert!(!permissions.allows("orders", "write"));
        assert!(!permissions.allows("other", "read"));
    }

    #[test]
    fn many_targets_are_all_found() {
        let permissions: Permissions =
            (0..50).map(|number| target(&format!("id-{number}"), Some(&format!("name-{number}")), "read")).collect();
        assert!((0..50).all(|number| permissions.allows(&format!("id-{number}"), "read")));
        assert!((0..50).all(|number| permissions.allows(&format!("name-{number}"), "read")));
        assert!(!permissions.allows("id-50", "read"));
    }

    #[test]
    fn a_name_that_could_mean_another_target_is_no_alias() {
        let uuid = "a647e989-1c7e-4386-9ec6-fa4fe6908906";
        let disguised: Permissions = [target("id-1", Some(uuid), "read")].into_iter().collect();
        assert!(!disguised.allows(uuid, "read"));

        let borrowed: Permissions =
            [target("id-1", Some("id-2"), "write"), target("id-2", None, "read")].into_iter().collect();
        assert!(!borrowed.allows("id-2", "write"));

        let shared: Permissions =
            [target("id-1", Some("twin"), "read"), target("id-2", Some("twin"), "read")].into_iter().collect();
        assert!(!shared.allows("twin", "read"));
        assert!(shared.allows("id-1", "read"));
    }

    #[test]
    fn a_repeated_target_is_merged() {
        let permissions: Permissions =
            [target("id", None, "read"), target("id", Some("orders"), "write")].into_iter().collect();
        assert_eq!(permissions.len(), 1);
        assert!(permissions.allows("id", "read") && permissions.allows("orders", "write"));
    }
}
