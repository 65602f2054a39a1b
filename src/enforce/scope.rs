//! Which scopes to ask a token for: in challenges (RFC 6750 3) and in what a resource tells of itself (RFC 9728 2).
//!
//! Owns the spelling of entity permissions as scopes. What is lacking was decided by the policy.

use std::collections::BTreeSet;

use http::Method;

use crate::policy::{Parameters, Policy, Reason, RuleId, Target};

/// Longer than this, a list of scopes is left out of a challenge, in bytes: a header field is no place for it.
pub(super) const MOST_SCOPES: usize = 2048;

/// The scope that asks for an entity permission; `None` where a name would make two of it, or none (RFC 6749 3.3).
fn for_permission(permission: &str, target: &str) -> Option<String> {
    let scope = format!("target-entity:{target}:{permission}");
    scope.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~')).then_some(scope)
}

fn name_of<'a>(target: &'a Target, parameters: &'a dyn Parameters) -> Option<&'a str> {
    match target {
        Target::Entity(entity) => Some(entity),
        Target::Parameter(name) => parameters.parameter(name),
    }
}

/// What a refused token must be asked for with to pass (RFC 6750 3.1): the scopes of a scope rule, or the scope that asks
/// for an entity permission. Empty where no scope would help.
pub(super) fn of_refused(
    policy: &Policy,
    (rule, reason): (Option<RuleId>, &Reason),
    parameters: &dyn Parameters,
) -> String {
    match reason {
        Reason::MissingScope { scopes } => scopes.to_string(),
        Reason::MissingPermission => {
            let wanted = rule.and_then(|rule| policy.permission(rule));
            let named = wanted.and_then(|(permission, target)| Some((permission, name_of(target, parameters)?)));
            named.and_then(|(permission, target)| for_permission(permission, target)).unwrap_or_default()
        }
        Reason::NoToken
        | Reason::MethodNotAllowed
        | Reason::MissingRole
        | Reason::ClaimMismatch
        | Reason::WeakAuthentication { .. }
        | Reason::OldAuthentication { .. }
        | Reason::Denied => String::new(),
    }
}

/// Everything that the rule of `method` speaks of, for whoever has no good token yet.
pub(super) fn of_request(policy: &Policy, method: &Method, parameters: &dyn Parameters) -> String {
    let Some(wanted) = policy.wanted(method) else { return String::new() };
    let permissions = wanted
        .permissions()
        .filter_map(|(permission, target)| for_permission(permission, name_of(target, parameters)?));
    let mut text = String::new();
    for scope in wanted.scopes().map(str::to_owned).chain(permissions) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&scope);
    }
    text
}

/// Every scope that some method's rule speaks of, as far as it can be told without a request.
pub fn scopes_of(policy: &Policy) -> BTreeSet<String> {
    let mut scopes = BTreeSet::new();
    for wanted in policy.all_wanted() {
        scopes.extend(wanted.scopes().map(str::to_owned));
        scopes.extend(wanted.permissions().filter_map(|(permission, target)| match target {
            Target::Entity(entity) => for_permission(permission, entity),
            Target::Parameter(_) => None,
        }));
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{RuleSet, parse_rule};

    fn policy(text: &str) -> Policy {
        Policy::compile(&RuleSet::every_method(parse_rule(text).unwrap())).unwrap()
    }

    // RFC 6750 3, RFC 9728 2
    #[test]
    fn a_permission_is_asked_for_with_its_scope() {
        let policy = policy("all: [scope a, permission send on {box}, permission read on orders]");
        let parameters = [("box", "news")];
        let of_request = of_request(&policy, &Method::GET, &parameters);
        assert_eq!(of_request, "a target-entity:news:send target-entity:orders:read");
        let of_policy: Vec<_> = scopes_of(&policy).into_iter().collect();
        assert_eq!(of_policy, ["a", "target-entity:orders:read"], "which box it is, the request says");
    }
}
