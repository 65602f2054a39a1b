//! What to ask a token for, before there is one: everything that the rule of a method speaks of.
//!
//! Owns the collection. How it is written for a client, and which of it a refused token lacks, is not its business.

use std::collections::HashSet;

use super::compile::{Check, Node};
use super::rule::Target;

/// Scopes and entity permissions that a rule speaks of, each once, in the order in which they are written. What stands
/// under `not` is none of them.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    scopes: Vec<Box<str>>,
    permissions: Vec<(Box<str>, Target)>,
}

impl Wanted {
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.scopes.iter().map(|scope| &**scope)
    }

    /// Permissions and what they are on.
    pub fn permissions(&self) -> impl ExactSizeIterator<Item = (&str, &Target)> {
        self.permissions.iter().map(|(permission, on)| (&**permission, on))
    }

    pub(super) fn by(node: &Node) -> Self {
        let mut wanted = Self::default();
        collect(node, &mut wanted, &mut Known::default());
        wanted
    }
}

#[derive(Default)]
struct Known<'n> {
    scopes: HashSet<&'n str>,
    permissions: HashSet<(&'n str, &'n Target)>,
}

fn collect<'n>(node: &'n Node, wanted: &mut Wanted, known: &mut Known<'n>) {
    match &node.check {
        Check::Scopes { all_of: scopes, .. } | Check::AnyScope { one_of: scopes, .. } => {
            for scope in scopes {
                if known.scopes.insert(scope) {
                    wanted.scopes.push(scope.clone());
                }
            }
        }
        Check::Permission { permission, on } => {
            if known.permissions.insert((permission, on)) {
                wanted.permissions.push((permission.clone(), on.clone()));
            }
        }
        Check::All(nodes) => nodes.iter().for_each(|node| collect(node, wanted, known)),
        Check::Any(any) => any.branches.iter().for_each(|node| collect(node, wanted, known)),
        Check::Public
        | Check::Authenticated
        | Check::Role(_)
        | Check::Acr { .. }
        | Check::AuthenticatedWithin { .. }
        | Check::Claim { .. }
        | Check::ClaimParameter { .. }
        | Check::Not(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::testing::policy;
    use http::Method;

    // RFC 6750 3: `scope`
    #[test]
    fn everything_that_a_token_can_be_asked_for_is_named_once() {
        let text = "all: [scope a b, any: [any scope c a, permission read on orders, role x], permission read on {e}, \
                    permission read on orders, not: scope d]";
        let policy = policy(text);
        let wanted = policy.wanted(&Method::GET).expect("every method has the rule");
        assert_eq!(wanted.scopes().collect::<Vec<_>>(), ["a", "b", "c"]);
        let permissions: Vec<_> =
            wanted.permissions().map(|(permission, on)| format!("{permission} on {on}")).collect();
        assert_eq!(permissions, ["read on orders", "read on {e}"]);
    }
}
