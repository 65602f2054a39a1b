//! Verified claims to facts, in every spelling of the systems we are compatible with.
//!
//! Owns how claims are read; whether they are true was settled before.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::claim;
use super::facts::{Permissions, TargetPermissions, TokenFacts, Words};
use super::rule::ClaimPath;

/// In which claims an issuer writes what rules speak of. Scopes and roles are those of all the named claims together; of
/// clients and tenants the first that is there counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimNames {
    pub scopes: Vec<ClaimPath>,
    pub roles: Vec<ClaimPath>,
    pub client: Vec<ClaimPath>,
    pub tenant: Vec<ClaimPath>,
}

static OWN: LazyLock<ClaimNames> = LazyLock::new(|| ClaimNames {
    tenant: vec![ClaimPath::top("tid")],
    roles: vec![ClaimPath::top("roles")],
    ..ClaimNames::usual()
});

impl ClaimNames {
    /// Our own issuers'.
    pub fn own() -> &'static Self {
        &OWN
    }

    /// What RFC 9068, RFC 8693 and common practice call them. No tenant: a tenant of somebody else's is none of ours.
    pub fn usual() -> Self {
        Self {
            scopes: vec![ClaimPath::top("scope"), ClaimPath::top("scp")],
            roles: vec![ClaimPath::top("roles")],
            client: vec![ClaimPath::top("client_id"), ClaimPath::top("azp")],
            tenant: Vec::new(),
        }
    }
}

impl TokenFacts {
    /// Facts out of the claims of a token of ours. Targets of permissions have no names yet: [`Permissions::with_names`]
    /// adds them.
    pub fn of_claims(claims: Map<String, Value>) -> Self {
        Self::of_named_claims(claims, ClaimNames::own())
    }

    /// The same for an issuer with names of its own.
    pub fn of_named_claims(claims: Map<String, Value>, names: &ClaimNames) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(Box::from);
        let audience = audience(&claims);
        Self {
            issuer: text("iss").unwrap_or_default(),
            subject: text("sub").unwrap_or_default(),
            client_id: first_text(&claims, &names.client),
            tenant_id: first_text(&claims, &names.tenant),
            scopes: all_words(&claims, &names.scopes),
            roles: all_words(&claims, &names.roles),
            permissions: permissions(&claims, &audience),
            acr: text("acr"),
            authenticated_at: claims.get("auth_time").and_then(instant),
            audience,
            claims,
        }
    }
}

fn first_text(claims: &Map<String, Value>, paths: &[ClaimPath]) -> Option<Box<str>> {
    paths.iter().find_map(|path| claim::find(claims, &path.0)?.as_str()).map(Box::from)
}

fn all_words(claims: &Map<String, Value>, paths: &[ClaimPath]) -> Words {
    match paths {
        [only] => words(claim::find(claims, &only.0)),
        several => {
            let found = several.iter().map(|path| words(claim::find(claims, &path.0)));
            found.flat_map(|words| words.iter().map(Box::<str>::from).collect::<Vec<_>>()).collect()
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

/// A NumericDate (RFC 7519 2); a fraction is cut off.
fn instant(value: &Value) -> Option<i64> {
    // What is no instant saturates, and is then long ago or in the future.
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
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

    // F-339: an issuer has its own names for things, nested ones and URLs too
    #[test]
    fn claims_are_found_where_the_issuer_writes_them() {
        let path = |names: &[&str]| ClaimPath(names.iter().map(|&name| name.to_owned()).collect());
        let names = ClaimNames {
            scopes: vec![path(&["permissions"])],
            roles: vec![path(&["realm_access", "roles"]), path(&["https://example.com/roles"])],
            client: vec![path(&["cid"])],
            tenant: vec![path(&["org", "id"])],
        };
        let claims = json!({
            "permissions": ["read", "write"], "scope": "openid", "roles": ["boss"], "client_id": "other", "cid": "c",
            "realm_access": { "roles": ["admin"] }, "https://example.com/roles": "user guest", "org": { "id": "o" },
        });
        let found = TokenFacts::of_named_claims(claims.as_object().cloned().unwrap_or_default(), &names);
        assert_eq!(
            (found.scopes.to_string(), found.roles.to_string()),
            ("read write".into(), "admin guest user".into())
        );
        assert_eq!((found.client_id.as_deref(), found.tenant_id.as_deref()), (Some("c"), Some("o")));
        let usual = TokenFacts::of_named_claims(
            json!({"scope": "a", "scp": ["b"], "azp": "c", "tid": "t"}).as_object().cloned().unwrap_or_default(),
            &ClaimNames::usual(),
        );
        assert_eq!((usual.scopes.to_string(), usual.client_id.as_deref()), ("a b".into(), Some("c")));
        assert_eq!(usual.tenant_id, None, "somebody else's tenants are none of ours");
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
