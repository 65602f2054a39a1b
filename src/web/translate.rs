//! Requests on a dialect's own paths, put into the words of the shared ones: path, names of parameters, media type.
//!
//! Owns the translation of requests. What is answered, and how, is decided by the endpoint and by `oauth`.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use uuid::Uuid;

use super::browser::Browser;
use super::{MAX_BODY_BYTES, PeerAddress, respond, sent};
use crate::oauth::{AuthorizationServer, ErrorCode, ErrorReason, OAuthError, Sender, Speaker, Step, TokenRequest};
use crate::percent;
use crate::profile::{Dialect, ScopeSeparator, Spoken, is_spoken_somewhere};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// As many as a form may have.
const MOST_MEMBERS: usize = 100;

/// What stands in front of our paths when a browser is led on from here: an extension of requests that were translated.
#[derive(Clone, Debug)]
pub(super) struct Prefix(pub Option<String>);

/// Calls the endpoint that a dialect's path means; other requests go on as they are.
pub(super) async fn translate(
    State(server): State<Arc<AuthorizationServer>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let Some(spoken) = server.keys().dialects_in_use().find(&path) else {
        // Where nobody speaks so there is nothing, though the endpoint is at this path.
        return match is_spoken_somewhere(&path) {
            true => respond::not_found().await,
            false => next.run(request).await,
        };
    };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let (request, asked) = match translated(&server, &spoken, request).await {
        Ok(translated) => translated,
        Err(answer) => return answer,
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // Pages have no such field, and get none here.
    if asked.lists_origins && headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_some() {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin
            && asked.is_listed(&server, &origin).await
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
    response
}

/// Whose scripts may read the answer.
struct Asked {
    lists_origins: bool,
    tenant_id: Uuid,
    client_id: Option<String>,
}

impl Asked {
    /// F-252. While nobody can say, no origin is.
    async fn is_listed(&self, server: &AuthorizationServer, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        server.lists_origin(self.tenant_id, self.client_id.as_deref(), origin).await.unwrap_or(false)
    }
}

/// # Errors
/// The answer to a request that is nobody's, too long, or not what it says it is.
async fn translated(
    server: &Arc<AuthorizationServer>,
    spoken: &Spoken<'_>,
    request: Request<Body>,
) -> Result<(Request<Body>, Asked), Response> {
    let (mut head, body) = request.into_parts();
    let Ok(mut body) = to_bytes(body, MAX_BODY_BYTES).await else {
        let description = "The body is longer than 64 KiB or ended early.";
        return Err(respond::plain(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, description));
    };
    // Its SDKs say so of a GET, too.
    let is_json = !body.is_empty() && sent::media_type(&head.headers).eq_ignore_ascii_case("application/json");
    let form = if is_json { form_of(&body) } else { Ok(body.clone()) };
    let query = head.uri.query().unwrap_or_default().to_owned();
    let speaker = {
        let authorization: Vec<_> = head.headers.get_all(header::AUTHORIZATION).iter().map(AsRef::as_ref).collect();
        let parameters = [query.as_bytes(), form.as_deref().unwrap_or_default()].join(&b'&');
        let asked = TokenRequest {
            authorization: &authorization,
            tenant_header: head.headers.get("x-fusionauth-tenantid").map(AsRef::as_ref),
            tenant_path: None,
            body: &parameters,
            peer: head.extensions.get::<PeerAddress>().map(|peer: &PeerAddress| -> IpAddr { peer.0 }),
            sender: Sender::default(),
        };
        server.speaker(spoken, &asked).await
    };
    let Speaker { tenant_id, dialect, prefix, client_id } = match speaker {
        Ok(Some(speaker)) => speaker,
        Ok(None) => return Err(respond::not_found().await),
        Err(error) if spoken.endpoint.is_page() => {
            // D19: a person is told on a page, a program in JSON.
            let request = Request::from_parts(head, Body::from(body));
            return Err(match Browser::read(server, None, request, Step::Start).await {
                Ok(browser) => browser.explain("dialect", error),
                Err(answer) => answer,
            });
        }
        Err(error) => return Err(respond::refuse("dialect", &error)),
    };
    if is_json && dialect.reads_json {
        body = form.map_err(|()| {
            let description = "The body is not a JSON object of texts, numbers and booleans.";
            let error = OAuthError::invalid_request(ErrorReason::Unknown, description);
            respond::refuse("dialect", &error.said_in(dialect))
        })?;
        head.headers.insert(header::CONTENT_TYPE, FORM);
    } else if dialect.form_types.iter().any(|other| sent::media_type(&head.headers).eq_ignore_ascii_case(other)) {
        head.headers.insert(header::CONTENT_TYPE, FORM);
    }
    if sent::is_form(&head.headers) {
        body = renamed(dialect, &body).into_owned().into();
    }
    let query = String::from_utf8(renamed(dialect, query.as_bytes()).into_owned()).unwrap_or(query);
    let path = spoken.endpoint.shared().of_tenant.replace("{tenant}", &tenant_id.to_string());
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    let Ok(target) = target.parse::<Uri>() else { return Err(respond::not_found().await) };
    head.uri = target;
    head.extensions.insert(Prefix(prefix));
    let asked = Asked { lists_origins: dialect.lists_origins, tenant_id, client_id };
    Ok((Request::from_parts(head, Body::from(body)), asked))
}

/// A JSON object as a form (F-250). `null` is no value.
fn form_of(body: &[u8]) -> Result<Bytes, ()> {
    let Members(members) = serde_json::from_slice(body).map_err(|_| ())?;
    let mut pairs = Vec::new();
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Array(_) | Value::Object(_) => return Err(()),
        };
        pairs.push((name, text));
    }
    Ok(percent::form(&pairs).into())
}

/// A JSON object whose members are there once: of two the next reader might take the other one (A10).
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnceEach)
    }
}

struct OnceEach;

impl<'de> Visitor<'de> for OnceEach {
    type Value = Members;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.iter().any(|(other, _)| *other == name) || members.len() == MOST_MEMBERS {
                return Err(de::Error::custom("a member is repeated, or there are too many"));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// The same pairs with our names for the dialect's parameters, and spaces between scopes.
fn renamed<'a>(dialect: &Dialect, text: &'a [u8]) -> Cow<'a, [u8]> {
    let splits_at_commas = match dialect.scope_separator {
        ScopeSeparator::Space => false,
        ScopeSeparator::Comma => true,
    };
    if dialect.parameter_names.is_empty() && !splits_at_commas {
        return Cow::Borrowed(text);
    }
    let pairs = text.split(|&byte| byte == b'&').map(|pair| {
        let (name, value) = pair.split_at(pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len()));
        let decoded = percent::form_decoded(name);
        let ours = dialect.parameter_names.iter().find(|(theirs, _)| decoded.as_deref() == Some(theirs));
        let name = ours.map_or(name, |(_, ours)| ours.as_bytes());
        match percent::form_decoded(value).filter(|value| splits_at_commas && name == b"scope" && value.contains(',')) {
            // F-305
            Some(scopes) => [name, b"=", percent::form_value(&scopes[1..].replace(',', " ")).as_bytes()].concat(),
            None => [name, value].concat(),
        }
    });
    Cow::Owned(pairs.collect::<Vec<_>>().join(&b'&'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Profile;

    // D1: null is absent; what is no value is refused, and A10: what is said twice.
    #[test]
    fn a_json_object_is_a_form() {
        let body = br#"{"client_id":"a b","organization":null,"n":5,"scope":"x&y","yes":true}"#;
        assert_eq!(form_of(body).unwrap(), "client_id=a+b&n=5&scope=x%26y&yes=true");
        for wrong in [
            "",
            "[]",
            "1",
            r#"{"a":{}}"#,
            r#"{"a":["b"]}"#,
            "a=b",
            r#"{"a":"1","a":"2"}"#,
            r#"{"a":null,"\u0061":"2"}"#,
        ] {
            assert!(form_of(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    // D1
    #[test]
    fn names_and_commas_are_ours_afterwards() {
        let rows = [
            (Profile::SimpleIdServer, "userCode=7096&x=1", "user_code=7096&x=1"),
            (Profile::SimpleIdServer, "a=b&&user%43ode=7096", "a=b&&user_code=7096"),
            (
                Profile::Auth0,
                "returnTo=https%3A%2F%2Fa&client_id=1",
                "post_logout_redirect_uri=https%3A%2F%2Fa&client_id=1",
            ),
            (Profile::Fusio, "scopes=authorization,backend", "scope=authorization+backend"),
            (Profile::Fusio, "scope=a%2Cb&state=1,2", "scope=a+b&state=1,2"),
            (Profile::Fusio, "scope=a+b", "scope=a+b"),
            (Profile::Standard, "scope=a,b&userCode=1", "scope=a,b&userCode=1"),
        ];
        for (profile, theirs, ours) in rows {
            let found = renamed(Dialect::of(profile), theirs.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), ours, "{theirs}");
        }
    }
}
