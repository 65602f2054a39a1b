//! A verified token, compiled for every request that will carry it: facts for policies, values for upstreams.
//!
//! Owns reading claims in the spellings of the systems we are compatible with. It believes its input: only claims that
//! passed `jose::verify` get here.

use serde_json::{Map, Value};

use super::Identity;
use crate::clock::UnixSeconds;
use crate::policy::{Permissions, TargetPermissions, TokenFacts, Words};

/// A token that passed the door, with what is needed to decide and forward without reading it again.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    /// Which of the enforcer's issuers it is from.
    pub issuer: usize,
    pub facts: TokenFacts,
    pub identity: Identity,
    /// From this instant on it is worthless.
    pub expires_at: UnixSeconds,
    /// `jti`, for revocation.
    pub token_id: Option<Box<str>>,
    /// What log lines call the subject.
    pub pseudonym: Box<str>,
}

/// The permissions claim before names are known: target id to permissions. Targets that are not in `aud` are left out:
/// a permission counts only at a target that the token is meant for (F-336, rule F8).
pub fn permissions_by_id(claims: &Map<String, Value>) -> Vec<(Box<str>, Words)> {
    let audience = audience(claims);
    let Some(Value::Object(targets)) = claims.get("permissions") else { return Vec::new() };
    targets
        .iter()
        .filter(|(target, _)| audience.iter().any(|audience| **audience == ***target))
        .map(|(target, permissions)| (target.as_str().into(), words(Some(permissions))))
        .collect()
}

/// Facts out of verified claims; `permissions` with the names that their targets have.
pub fn facts(claims: Map<String, Value>, permissions: Permissions) -> TokenFacts {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(Box::from);
    TokenFacts {
        issuer: text("iss").unwrap_or_default(),
        subject: text("sub").unwrap_or_default(),
        client_id: text("client_id").or_else(|| text("azp")),
        tenant_id: text("tid"),
        audience: audience(&claims),
        scopes: words(claims.get("scope").or_else(|| claims.get("scp"))),
        roles: words(claims.get("roles")),
        permissions,
        claims,
    }
}

/// `aud` as a string or an array; null and absence are empty (F-339).
fn audience(claims: &Map<String, Value>) -> Box<[Box<str>]> {
    match claims.get("aud") {
        Some(Value::String(audience)) => [audience.as_str().into()].into(),
        Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).map(Box::from).collect(),
        _ => Box::default(),
    }
}

/// A space-separated string (RFC 8693 4.2) or an array of strings (F-279).
fn words(value: Option<&Value>) -> Words {
    match value {
        Some(Value::String(text)) => Words::parse(text),
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => Words::default(),
    }
}

/// Joins permissions with the names of their targets.
pub fn named(permissions: Vec<(Box<str>, Words)>, names: &[(Box<str>, Box<str>)]) -> Permissions {
    permissions
        .into_iter()
        .map(|(id, permissions)| {
            let name = names.iter().find(|(named, _)| *named == id).map(|(_, name)| name.clone());
            TargetPermissions { id, name, permissions }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    // F-339: string and array scopes, null audience
    #[test]
    fn claims_are_read_in_every_spelling() {
        for scope in [json!("a b"), json!(["b", "a"])] {
            let facts = facts(claims(json!({"sub": "s", "scope": scope, "aud": null})), Permissions::default());
            assert!(facts.scopes.contains("a") && facts.scopes.contains("b"));
            assert!(facts.audience.is_empty());
        }
        let facts = facts(claims(json!({"aud": ["x", "y"], "azp": "c", "roles": ["admin"]})), Permissions::default());
        assert_eq!(facts.audience.len(), 2);
        assert_eq!(facts.client_id.as_deref(), Some("c"));
        assert!(facts.roles.contains("admin"));
    }

    // F-336, F-193
    #[test]
    fn permissions_count_only_for_the_audience() {
        let token = claims(json!({"aud": ["t1"], "permissions": {"t1": ["read"], "t2": ["write"]}}));
        let permissions = named(permissions_by_id(&token), &[("t1".into(), "orders".into())]);
        assert!(permissions.allows("t1", "read") && permissions.allows("orders", "read"));
        assert!(!permissions.allows("t2", "write"));
        let without = claims(json!({"permissions": {"t1": ["read"]}}));
        assert!(permissions_by_id(&without).is_empty());
    }
}
