//! What an upstream is told of a caller, as field values made once per token.
//!
//! Owns their encoding. The names of the fields, and taking away those that clients sent, belong to `gateway::forward`.

use std::fmt::Write as _;

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::policy::{TokenFacts, Words};

/// The values of the identity fields; `None` where the token says nothing.
#[derive(Clone, Debug)]
pub struct Identity {
    pub subject: Option<HeaderValue>,
    pub client: Option<HeaderValue>,
    pub tenant: Option<HeaderValue>,
    pub issuer: Option<HeaderValue>,
    /// Space-separated, as in the token.
    pub scope: Option<HeaderValue>,
    /// Comma-separated.
    pub roles: Option<HeaderValue>,
    /// A JSON object: target entity id to a list of permissions.
    pub permissions: Option<HeaderValue>,
}

impl Identity {
    pub fn of(facts: &TokenFacts) -> Self {
        Self {
            subject: value(&facts.subject),
            client: facts.client_id.as_deref().and_then(value),
            tenant: facts.tenant_id.as_deref().and_then(value),
            issuer: value(&facts.issuer),
            scope: list(&facts.scopes, ' '),
            roles: list(&facts.roles, ','),
            permissions: permissions(facts),
        }
    }
}

fn value(text: &str) -> Option<HeaderValue> {
    if text.is_empty() { None } else { header(escaped(text, None)) }
}

fn list(words: &Words, separator: char) -> Option<HeaderValue> {
    let mut text = String::new();
    for word in words.iter() {
        if !text.is_empty() {
            text.push(separator);
        }
        // A role that contains the separator must not read as two.
        text.push_str(&escaped(word, Some(separator)));
    }
    if text.is_empty() { None } else { header(text) }
}

fn permissions(facts: &TokenFacts) -> Option<HeaderValue> {
    if facts.permissions.is_empty() {
        return None;
    }
    let targets: Map<String, Value> = facts
        .permissions
        .iter()
        .map(|target| (target.id.to_string(), target.permissions.iter().collect::<Vec<_>>().into()))
        .collect();
    // JSON has its own escapes for what a field value cannot carry.
    let mut text = String::new();
    for character in Value::Object(targets).to_string().chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    header(text)
}

/// Percent-encodes what is not printable ASCII, `%` itself, and `separator`.
fn escaped(text: &str, separator: Option<char>) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = matches!(byte, b' '..=b'~') && byte != b'%' && Some(char::from(byte)) != separator;
        if plain {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

fn header(text: String) -> Option<HeaderValue> {
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::TargetPermissions;

    fn text(value: Option<HeaderValue>) -> String {
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    // F-332
    #[test]
    fn values_are_what_the_token_says() {
        let facts = TokenFacts {
            subject: "user-1".into(),
            issuer: "https://gate.example".into(),
            roles: ["user", "admin"].into_iter().collect(),
            scopes: Words::parse("orders:write orders:read"),
            permissions: [TargetPermissions {
                id: "id-1".into(),
                name: Some("orders".into()),
                permissions: Words::parse("read write"),
            }]
            .into_iter()
            .collect(),
            ..TokenFacts::default()
        };
        let identity = Identity::of(&facts);
        assert_eq!(text(identity.subject), "user-1");
        assert_eq!(text(identity.roles), "admin,user");
        assert_eq!(text(identity.scope), "orders:read orders:write");
        assert_eq!(text(identity.permissions), r#"{"id-1":["read","write"]}"#);
        assert!(identity.client.is_none() && identity.tenant.is_none());
    }

    // M1, F-333: what a token's author chose can neither end a field nor add an entry to a list
    #[test]
    fn values_cannot_break_out() {
        let facts = TokenFacts {
            subject: "a\r\nX-Auth-Roles: admin".into(),
            roles: ["guest,admin", "50%", "ü"].into_iter().collect(),
            permissions: [TargetPermissions { id: "é\n".into(), name: None, permissions: Words::parse("read") }]
                .into_iter()
                .collect(),
            ..TokenFacts::default()
        };
        let identity = Identity::of(&facts);
        assert_eq!(text(identity.subject), "a%0D%0AX-Auth-Roles: admin");
        assert_eq!(text(identity.roles), "50%25,guest%2Cadmin,%C3%BC");
        assert_eq!(text(identity.permissions), r#"{"\u00e9\n":["read"]}"#);
    }
}
