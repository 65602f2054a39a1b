//! A request as it was sent: fields, query and body. It does not know who sent it or what it means.

use std::net::IpAddr;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::answer::Refusal;
use super::members::storable;
use super::patch::{DEEPEST, Patch, levels};
use super::{MAX_BODY_BYTES, PeerAddress};
use crate::directory::FieldCode;
use crate::percent;
use crate::secret::Secret;

/// Largest body of somebody without a key, in bytes.
const MOST_OF_STRANGERS: usize = 64 * 1024;

/// What was sent, whoever it was.
pub(super) struct Received {
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
    /// Who is connected, if the listener says so.
    pub peer: Option<IpAddr>,
}

impl Received {
    /// From somebody who needs no API key.
    ///
    /// # Errors
    /// 413 beyond 64 KiB.
    pub(super) async fn read(request: Request<Body>) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        Self::limited(head, body, MOST_OF_STRANGERS).await
    }

    /// From a holder of a key.
    ///
    /// # Errors
    /// 413 beyond 1 MiB.
    pub(super) async fn of(head: Parts, body: Body) -> Result<Self, Refusal> {
        Self::limited(head, body, MAX_BODY_BYTES).await
    }

    async fn limited(head: Parts, body: Body, most: usize) -> Result<Self, Refusal> {
        let body = to_bytes(body, most).await.map_err(|_| Refusal::TooLarge)?;
        let peer = head.extensions.get::<PeerAddress>().map(|peer| peer.0);
        Ok(Self { headers: head.headers, uri: head.uri, body, peer })
    }

    /// The body as a JSON document.
    ///
    /// # Errors
    /// 415 for another media type, 400 for what is no JSON.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        let accepted = "application/json";
        if self.media_type() != accepted {
            return Err(Refusal::MediaType(accepted));
        }
        parse(&self.body)
    }

    /// The body as a change to what is there: a merge patch (RFC 7396) unless the media type says JSON Patch (RFC 6902).
    ///
    /// # Errors
    /// As [`Received::json`].
    pub(super) fn patch(&self) -> Result<Patch, Refusal> {
        match self.media_type().as_str() {
            "application/json" | "application/merge-patch+json" => Ok(Patch::Merge(parse(&self.body)?)),
            "application/json-patch+json" => Patch::operations(parse(&self.body)?),
            _ => {
                Err(Refusal::MediaType("application/json, application/merge-patch+json or application/json-patch+json"))
            }
        }
    }

    /// Whether there is no body at all.
    pub(super) fn is_bare(&self) -> bool {
        self.body.is_empty()
    }

    /// Every value of a parameter of the query.
    pub(super) fn query(&self, name: &str) -> Vec<String> {
        let query = self.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let decoded = pairs.filter_map(|(key, value)| {
            Some((percent::form_decoded(key.as_bytes())?, percent::form_decoded(value.as_bytes())?))
        });
        // Nothing is called by a text that no store takes, and FusionAuth's TypeScript client says what it was not given.
        let is_said = |value: &str| !value.is_empty() && value != "undefined" && storable(value).is_some();
        decoded.filter(|(key, value)| key == name && is_said(value)).map(|(_, value)| value.into_owned()).collect()
    }

    /// Whether a parameter of the query is `true`.
    pub(super) fn query_flag(&self, name: &str) -> bool {
        self.query(name).first().is_some_and(|value| value == "true")
    }

    /// A parameter of the query that is an id.
    ///
    /// # Errors
    /// 400 for something else, or several.
    pub(super) fn query_id(&self, name: &'static str) -> Result<Option<Uuid>, Refusal> {
        let mut values = self.query(name);
        values.retain(|value| value != "null");
        match values.as_slice() {
            [] => Ok(None),
            [text] => match Uuid::try_parse(text) {
                Ok(id) => Ok(Some(id)),
                Err(_) => Err(Refusal::field(name, FieldCode::Invalid, "is not a UUID")),
            },
            _ => Err(Refusal::field(name, FieldCode::Invalid, "is there more than once")),
        }
    }

    fn media_type(&self) -> String {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

fn parse(body: &Bytes) -> Result<Value, Refusal> {
    let refusal = |message: String| Refusal::General("[invalidJSON]", message);
    // Position and kind only: the text may hold a password.
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| refusal(format!("The body is not JSON: line {}, column {}.", error.line(), error.column())))?;
    if levels(&document) > DEEPEST {
        return Err(refusal(format!("The body has more than {DEEPEST} levels.")));
    }
    Ok(document)
}

/// The access token that a request presents instead of an API key. FusionAuth's older clients write JWT for Bearer.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    ["bearer", "jwt"].contains(&scheme.to_ascii_lowercase().as_str()).then(|| token.trim())
}

/// The same, or FusionAuth's cookie `access_token` where no field says who asks. Only for what changes nothing: a browser
/// sends cookies along with requests that nobody wanted.
pub(super) fn presented_token(headers: &HeaderMap) -> Option<Secret<String>> {
    if headers.contains_key(header::AUTHORIZATION) {
        return bearer(headers).map(|token| Secret::new(token.to_owned()));
    }
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut cookies = fields.flat_map(|field| field.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == "access_token").map(|(_, token)| Secret::new(token.to_owned()))
}
