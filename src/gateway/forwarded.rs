//! Forwarded tokens on their way: which field of a request carries one, and the documents that upstreams verify it with.
//!
//! Owns names and addresses. What such a token says is `enforce`'s business, and which key signs it `oauth`'s.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::json;

use super::Route;
use super::resources::{only_read, public};
use super::respond::Problem;
use crate::config::PublicUrl;
use crate::enforce::{Denial, Destination, Minter, Permit, Refusal};

/// Where the keys are.
pub const KEY_SET: &str = "/_faregate/jwks.json";
/// Where those find them who know the issuer only (OpenID Connect Discovery 1.0 section 4).
pub const METADATA: &str = "/_faregate/.well-known/openid-configuration";

/// [`KEY_SET`] or [`METADATA`], if a canonical path is one of them.
pub fn pattern_of(path: &str) -> Option<&'static str> {
    [KEY_SET, METADATA].into_iter().find(|own| *own == path)
}

/// The `iss` of forwarded tokens. It is none of our tenants': no path of theirs begins so.
pub fn issuer(public_url: &PublicUrl) -> String {
    format!("{}/_faregate", public_url.as_str())
}

/// What one request carries; the destination says in which field.
pub type Carried = (Arc<Destination>, Option<HeaderValue>);

/// What a permitted request to this destination carries; no value where nobody is vouched for.
///
/// # Errors
/// `Undecidable` while there is no key to sign with: then nothing may go on.
pub fn carried(
    minter: &Minter,
    destination: Option<&Arc<Destination>>,
    permit: &Permit,
) -> Result<Option<Carried>, Denial> {
    let Some(destination) = destination else { return Ok(None) };
    Ok(Some((destination.clone(), permit.forwarded(minter, destination)?)))
}

/// The same for a request on a route, whose refusal is noted.
pub(super) fn of_request(
    minter: &Minter,
    route: &Route,
    permit: &Permit,
    refused: &mut Option<Refusal>,
) -> Result<Option<Carried>, Problem> {
    carried(minter, route.destination.as_ref(), permit)
        .map_err(|denial| Problem::refused(refused.insert(denial.into()), None))
}

/// The field and its value, as far as there is one.
pub fn field(carried: Option<&Carried>) -> Option<(&HeaderName, &HeaderValue)> {
    let (destination, value) = carried?;
    Some((&destination.header, value.as_ref()?))
}

/// Answers with the public documents.
pub struct ForwardedKeys {
    pub issuer: String,
    /// `None`: no upstream gets such a token.
    pub algorithm: Option<&'static str>,
    pub key_set: Box<dyn Fn() -> Bytes + Send + Sync>,
    /// Seconds for which others may keep them.
    pub cache_for: i64,
}

impl ForwardedKeys {
    pub fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if let Some(answer) = only_read(request.method()) {
            return answer;
        }
        let Some(algorithm) = self.algorithm else {
            let mut missing = Response::new(Bytes::new());
            *missing.status_mut() = StatusCode::NOT_FOUND;
            return missing;
        };
        let document = match request.uri().path() {
            KEY_SET => (self.key_set)(),
            _ => self.metadata(algorithm),
        };
        public(document, self.cache_for)
    }

    /// Nobody logs in here; what libraries insist on is there and empty.
    fn metadata(&self, algorithm: &str) -> Bytes {
        let base = self.issuer.trim_end_matches("/_faregate");
        let document = json!({
            "issuer": self.issuer,
            "jwks_uri": format!("{base}{KEY_SET}"),
            "id_token_signing_alg_values_supported": [algorithm],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
        });
        document.to_string().into()
    }
}
