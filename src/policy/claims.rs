//! Verified claims to facts, in every spelling of the systems we are compatible with.
//!
//! Owns how claims are read; whether they are true was settled before.

use serde_json::{Map, Value};

use super::facts::{Permissions, TargetPermissions, TokenFacts, Words};

impl TokenFacts {
    /// Facts out of claims. Targets of permissions have no names yet: [`Permissions::with_names`] adds them.
    pub fn of_claims(claims: Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(Box::from);
        let audience = audience(&claims);
        Self {
            issuer: text("iss").unwrap_or_default(),
            subject: text("sub").unwrap_or_default(),
            client_id: text("client_id").or_else(|| text("azp")),
            tenant_id: text("tid"),
            scopes: words(claims.get("scope").or_else(|| claims.get("scp"))),
            roles: words(claims.get("roles")),
            permissions: permissions(&claims, &audience),
            audience,
            claims,
        }
    }
}

impl Permissions {
    /// The same permissions, with the names that `names` (pairs of id and name) gives to their targets.
    #[must_use]
    pub fn with_names(&self, names: &[(Box<str>, Box<str>)]) -> Self {
        let name_of = |id: &str| names.iter().find(|(named, _)| **named == *id).map(|(_, name)| name.clone());
        self.iter().map(|target| TargetPermissions { name: name_of(&target.id), ..target.clone() }).collect()
    }
}

/// `aud` as a string or an array; null and absence are empty (F-339).
fn audience(claims: &Map<String, Value>) -> Box<[Box<str>]> {
    match claims.get("aud") {
        // One audience may have spaces: it is not a list of words.
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

/// `{"<target id>": ["read"]}` (F-194). A target that is not in `aud` is left out: a permission counts only where the
/// token is meant to be used (F-336, rule F8).
fn permissions(claims: &Map<String, Value>, audience: &[Box<str>]) -> Permissions {
    let Some(Value::Object(targets)) = claims.get("permissions") else { return Permissions::default() };
    targets
        .iter()
        .filter(|(target, _)| audience.iter().any(|audience| **audience == ***target))
        .map(|(target, granted)| TargetPermissions {
            id: target.as_str().into(),
            name: None,
            permissions: words(Some(granted)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(claims: Value) -> TokenFacts {
        TokenFacts::of_claims(claims.as_object().cloned().unwrap_or_default())
    }

    // F-339: string and array scopes, null audience
    #[test]
    fn claims_are_read_in_every_spelling() {
        for scope in [json!("a b"), json!(["b", "a"])] {
            let facts = facts(json!({"sub": "s", "scope": scope, "aud": null}));
            assert!(facts.scopes.contains("a") && facts.scopes.contains("b"));
            assert!(facts.audience.is_empty());
        }
        let facts = facts(json!({"aud": ["x y", "z"], "azp": "c", "roles": ["admin"]}));
        assert_eq!(facts.audience.len(), 2);
        assert_eq!(facts.client_id.as_deref(), Some("c"));
        assert!(facts.roles.contains("admin"));
    }

    // F-336, F-193
    #[test]
    fn permissions_count_only_for_the_audience() {
        let token = facts(json!({"aud": ["t1"], "permissions": {"t1": ["read"], "t2": ["write"]}}));
        let permissions = token.permissions.with_names(&[("t1".into(), "orders".into())]);
        assert!(permissions.allows("t1", "read") && permissions.allows("orders", "read"));
        assert!(!permissions.allows("t2", "write"));
        assert!(facts(json!({"permissions": {"t1": ["read"]}})).permissions.is_empty());
    }
}
