//! What an upstream is told of a caller, as field values made once per token.
//!
//! Owns their encoding. The names of the fields, and taking away those that clients sent, belong to `gateway::forward`.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
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
        Self::beside(facts, "").0
    }

    /// The same with a copy of the token in front of the values: whoever uses a token reads both.
    pub fn beside(facts: &TokenFacts, token: &str) -> (Self, Bytes) {
        let mut values = Values(token.to_owned());
        let subject = values.add(&facts.subject);
        let client = values.add(facts.client_id.as_deref().unwrap_or_default());
        let tenant = values.add(facts.tenant_id.as_deref().unwrap_or_default());
        let issuer = values.add(&facts.issuer);
        let scope = values.add_list(&facts.scopes, ' ');
        let roles = values.add_list(&facts.roles, ',');
        let permissions = values.add_permissions(facts);
        let all = Bytes::from(values.0);
        let value = |at: Range<usize>| {
            if at.is_empty() { None } else { HeaderValue::from_maybe_shared(all.slice(at)).ok() }
        };
        let identity = Self {
            subject: value(subject),
            client: value(client),
            tenant: value(tenant),
            issuer: value(issuer),
            scope: value(scope),
            roles: value(roles),
            permissions: value(permissions),
        };
        (identity, all.slice(..token.len()))
    }
}

/// The values one behind the other: of a token that was not used for a while, one piece of memory is read and not seven.
struct Values(String);

impl Values {
    fn add(&mut self, text: &str) -> Range<usize> {
        let begin = self.0.len();
        escape(text, None, &mut self.0);
        begin..self.0.len()
    }

    fn add_list(&mut self, words: &Words, separator: char) -> Range<usize> {
        let begin = self.0.len();
        for word in words.iter() {
            if self.0.len() > begin {
                self.0.push(separator);
            }
            // A role that contains the separator must not read as two.
            escape(word, Some(separator), &mut self.0);
        }
        begin..self.0.len()
    }

    fn add_permissions(&mut self, facts: &TokenFacts) -> Range<usize> {
        let begin = self.0.len();
        if facts.permissions.is_empty() {
            return begin..begin;
        }
        let targets: Map<String, Value> = facts
            .permissions
            .iter()
            .map(|target| (target.id.to_string(), target.permissions.iter().collect::<Vec<_>>().into()))
            .collect();
        // JSON has its own escapes for what a field value cannot carry.
        for character in Value::Object(targets).to_string().chars() {
            if character.is_ascii() {
                self.0.push(character);
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(self.0, "\\u{unit:04x}");
                }
            }
        }
        begin..self.0.len()
    }
}

/// Percent-encodes what is not printable ASCII, `%` itself, and `separator`.
fn escape(text: &str, separator: Option<char>, escaped: &mut String) {
    for byte in text.bytes() {
        let plain = matches!(byte, b' '..=b'~') && byte != b'%' && Some(char::from(byte)) != separator;
        if plain {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
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
