//! Whether what a refused request would have made is there already, as the request describes it.
//!
//! Owns where an object is found and what counts as equal. Secrets are never shown, so they are never compared.

use serde_json::{Value, json};

use super::document::Request;
use crate::percent;

/// How to look at what is there: a request without effect, and where the object is in its answer.
#[derive(Debug, PartialEq)]
pub(super) struct Look {
    /// Relative URL of a GET.
    pub url: String,
    /// JSON pointer to the object, or to a list in which it has the name of the one that was sent.
    pointer: &'static str,
    /// What was sent, with the id from the URL if it is the object's own.
    sent: Value,
    /// The registration that the user must have.
    registration: Option<Value>,
}

/// Path of a request below `/api/`, where what it makes is found (`{}` is what the first `*` stands for; nothing: at the
/// request's own path), where in the answer, and what its body calls it. The first that fits counts. What a second `*`
/// stands for is the object's id.
const PLACES: [(&str, &str, &str, &str); 17] = [
    ("tenant", "", "/tenants", "tenant"),
    ("tenant/*", "", "/tenant", "tenant"),
    ("application", "", "/applications", "application"),
    ("application/*", "", "/application", "application"),
    ("application/*/role", "/api/application/{}", "/application/roles", "role"),
    ("application/*/role/*", "/api/application/{}", "/application/roles", "role"),
    ("application/*/scope", "/api/application/{}", "/application/scopes", "scope"),
    ("application/*/scope/*", "/api/application/{}", "/application/scopes", "scope"),
    ("entity", "/api/entity/search?name={}", "/entities", "entity"),
    ("entity/type", "", "/entityTypes", "entityType"),
    ("entity/type/*", "", "/entityType", "entityType"),
    ("entity/type/*/permission", "/api/entity/type/{}", "/entityType/permissions", "permission"),
    ("entity/type/*/permission/*", "/api/entity/type/{}", "/entityType/permissions", "permission"),
    ("entity/*", "", "/entity", "entity"),
    ("api-key/*", "", "/apiKey", "apiKey"),
    ("key/generate/*", "/api/key/{}", "/key", "key"),
    ("key/import/*", "/api/key/{}", "/key", "key"),
];

impl Look {
    /// `None` for requests that make nothing that could be found again.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let body = request.body.as_ref()?;
        let path = request.uri.path().strip_prefix("/api/")?;
        if path == "user" || path.starts_with("user/") {
            return Self::of_user(path, body);
        }
        let place = PLACES.iter().find_map(|place| Some((place, wildcards(place.0, path)?)));
        let ((_, at, pointer, envelope), stands_for) = place?;
        let mut sent = body.get(envelope)?.clone();
        if let (Some(id), Value::Object(sent)) = (stands_for.get(1), &mut sent) {
            sent.insert("id".to_owned(), json!(id));
        }
        let name = percent::encoded(sent.get("name").and_then(Value::as_str).unwrap_or_default()).to_string();
        let url = match *at {
            "" => request.uri.path().to_owned(),
            at => at.replace("{}", stands_for.first().copied().unwrap_or(&name)),
        };
        Some(Self { url, pointer, sent, registration: None })
    }

    fn of_user(path: &str, body: &Value) -> Option<Self> {
        let registered = path.strip_prefix("user/registration");
        let id = registered.unwrap_or(&path["user".len()..]).strip_prefix('/');
        match (body.get("user"), body.get("registration")) {
            (Some(user), registration) => {
                let url = match (id, user.get("email").or_else(|| user.get("username"))) {
                    (Some(id), _) => format!("/api/user/{id}"),
                    (None, login_id) => format!("/api/user?loginId={}", percent::encoded(login_id?.as_str()?)),
                };
                Some(Self { url, pointer: "/user", sent: user.clone(), registration: registration.cloned() })
            }
            (None, Some(registration)) => {
                let mut url = format!("/api/{path}");
                if !id?.contains('/') {
                    url = format!("{url}/{}", registration.get("applicationId")?.as_str()?);
                }
                Some(Self { url, pointer: "/registration", sent: registration.clone(), registration: None })
            }
            (None, None) => None,
        }
    }

    /// Whether the answer shows what was sent.
    pub(super) fn is_equal(&self, answer: &Value) -> bool {
        let found = match answer.pointer(self.pointer) {
            Some(Value::Array(list)) => list.iter().find(|item| item.get("name") == self.sent.get("name")),
            found => found,
        };
        let Some(found) = found else { return false };
        let is_registered = self.registration.as_ref().is_none_or(|wanted| {
            let registrations = found.get("registrations").and_then(Value::as_array);
            registrations.into_iter().flatten().any(|registration| {
                registration.get("applicationId") == wanted.get("applicationId") && agrees(registration, wanted)
            })
        });
        agrees(found, &self.sent) && is_registered
    }
}

/// Members that are shown with one value always, whatever was sent.
const FIXED: [&str; 3] = ["isSuperRole", "state", "usernameStatus"];

/// Whether everything that is shown is as it was sent. Members that are not shown are unknown to us, or secret.
fn agrees(shown: &Value, sent: &Value) -> bool {
    match (shown, sent) {
        (_, Value::Null) => true,
        (Value::Object(shown), Value::Object(sent)) => {
            let mut known = sent.iter().filter(|(name, _)| !FIXED.contains(&name.as_str()));
            known.all(|(name, sent)| shown.get(name).is_none_or(|shown| agrees(shown, sent)))
        }
        // In whatever order. Roles, scopes and permissions are added by requests of their own too.
        (Value::Array(shown), Value::Array(sent)) => {
            let may_be_more = !sent.is_empty() && sent.iter().all(Value::is_object);
            (may_be_more || shown.len() == sent.len())
                && sent.iter().all(|sent| shown.iter().any(|shown| agrees(shown, sent)))
        }
        (shown, sent) => shown == sent,
    }
}

/// What the wildcards of a pattern stand for in a path; `None` if it does not fit.
fn wildcards<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (mut segments, mut stand_for) = (path.split('/'), Vec::new());
    for expected in pattern.split('/') {
        match segments.next()? {
            segment if expected == "*" => stand_for.push(segment),
            segment if expected == segment => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(stand_for)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(url: &str, body: Value) -> Option<Look> {
        Look::of(&Request {
            number: 1,
            method: http::Method::POST,
            uri: url.parse().unwrap(),
            tenant_id: None,
            content_type: String::new(),
            body: Some(body),
        })
    }

    #[test]
    fn objects_are_looked_for_where_they_are() {
        for (url, body, found_at) in [
            ("/api/tenant/7", json!({ "tenant": {} }), Some("/api/tenant/7")),
            ("/api/application/7/role", json!({ "role": {} }), Some("/api/application/7")),
            ("/api/entity/type/7", json!({ "entityType": {} }), Some("/api/entity/type/7")),
            ("/api/entity", json!({ "entity": { "name": "a b" } }), Some("/api/entity/search?name=a%20b")),
            ("/api/user", json!({ "user": { "email": "a+b@c.d" } }), Some("/api/user?loginId=a%2Bb%40c.d")),
            ("/api/user/registration/7", json!({ "user": {} }), Some("/api/user/7")),
            (
                "/api/user/registration/7",
                json!({ "registration": { "applicationId": "8" } }),
                Some("/api/user/registration/7/8"),
            ),
            ("/api/user/7", json!({ "user": {} }), Some("/api/user/7")),
            (
                "/api/user/registration/7/8",
                json!({ "registration": { "roles": [] } }),
                Some("/api/user/registration/7/8"),
            ),
            ("/api/entity/type", json!({ "entityType": {} }), Some("/api/entity/type")),
            ("/api/entity/7", json!({ "entity": {} }), Some("/api/entity/7")),
            ("/api/key/generate/7", json!({ "key": {} }), Some("/api/key/7")),
            ("/api/entity/7/grant", json!({ "grant": {} }), None),
            ("/api/tenant/7", json!({}), None),
            ("/elsewhere", json!({ "tenant": {} }), None),
        ] {
            assert_eq!(look(url, body).map(|look| look.url).as_deref(), found_at, "{url}");
        }
    }

    #[test]
    fn what_is_shown_must_be_as_it_was_sent() {
        let sent = json!({ "role": { "name": "admin", "description": "all", "unknown": 1 } });
        let look = look("/api/application/7/role/9", sent).unwrap();
        let answer = |role: Value| json!({ "application": { "roles": [{ "name": "other", "id": "8" }, role] } });
        assert!(
            look.is_equal(&answer(json!({ "id": "9", "name": "admin", "description": "all", "isDefault": false })))
        );
        for other in [
            json!({ "id": "8", "name": "admin", "description": "all" }),
            json!({ "id": "9", "name": "admin", "description": "some" }),
            json!({ "id": "9", "name": "Admin", "description": "all" }),
        ] {
            assert!(!look.is_equal(&answer(other.clone())), "{other}");
        }
        assert!(!look.is_equal(&json!({})));
    }

    #[test]
    fn a_user_must_have_the_registration_too() {
        let body = json!({ "user": { "email": "a@b.c", "password": "x" }, "registration": { "applicationId": "7", "roles": ["b", "a"] } });
        let look = look("/api/user/registration", body).unwrap();
        let answer = |application: &str, roles: Value| json!({ "user": { "email": "a@b.c", "registrations": [{ "applicationId": application, "roles": roles }] } });
        assert!(look.is_equal(&answer("7", json!(["a", "b"]))) && !look.is_equal(&answer("7", json!(["a", "b", "c"]))));
        assert!(!look.is_equal(&answer("8", json!(["a", "b"]))) && !look.is_equal(&answer("7", json!(["a"]))));
    }
}
