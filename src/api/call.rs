//! Who calls, for which tenant, and what they sent (D-10).
//!
//! Owns the order: the key first, then the tenant, then the body. Nothing is read from the body of a stranger.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header};
use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::answer::Refusal;
use super::patch::Patch;
use super::{MAX_BODY_BYTES, Management};
use crate::directory::FieldCode;
use crate::model::{ApiKey, ClientSecret};
use crate::secret::equal;

/// An admitted request.
pub(super) struct Call {
    pub key: ApiKey,
    /// The tenant that `X-FusionAuth-TenantId` names, or the key's.
    named_tenant: Option<Uuid>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
}

impl Management {
    /// Checks the key and reads the body.
    ///
    /// # Errors
    /// 401 for a key that is missing, unknown, over, not for this endpoint, or of another tenant than is named.
    pub(super) async fn admit(&self, request: Request<Body>) -> Result<Call, Refusal> {
        let (head, body) = request.into_parts();
        let key = self.key_of(&head.headers).await?;
        if !key.allows(head.method.as_str(), head.uri.path()) {
            return Err(Refusal::Unauthorized);
        }
        let named = match head.headers.get("x-fusionauth-tenantid").map(|value| value.to_str()) {
            None => None,
            Some(Ok(text)) => Some(Uuid::try_parse(text.trim()).map_err(|_| Refusal::Unauthorized)?),
            Some(Err(_)) => return Err(Refusal::Unauthorized),
        };
        let named_tenant = match (key.tenant_id, named) {
            (Some(own), Some(named)) if own != named => return Err(Refusal::Unauthorized),
            (own, named) => own.or(named),
        };
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| Refusal::TooLarge)?;
        Ok(Call { key, named_tenant, headers: head.headers, uri: head.uri, body })
    }

    /// FusionAuth's clients send the raw key, without a scheme.
    async fn key_of(&self, headers: &HeaderMap) -> Result<ApiKey, Refusal> {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return Err(Refusal::Unauthorized) };
        let text = field.to_str().map_err(|_| Refusal::Unauthorized)?.trim();
        let hash = ClientSecret::hash(text);
        if self.configured_key.as_ref().is_some_and(|key| equal(key.as_bytes(), hash.as_bytes())) {
            return Ok(ApiKey::unlimited(hash));
        }
        self.directory.find_api_key(text).await?.ok_or(Refusal::Unauthorized)
    }

    /// The tenant that a new object belongs to.
    ///
    /// # Errors
    /// 400 when there are several and none is named; 401 for one that does not exist, as for one that is not the key's.
    pub(super) async fn tenant_of(&self, call: &Call) -> Result<Uuid, Refusal> {
        match call.named_tenant {
            Some(id) => match self.directory.tenant(id).await? {
                Some(_) => Ok(id),
                None => Err(Refusal::Unauthorized),
            },
            None => self.directory.default_tenant().await?.map(|tenant| tenant.id).ok_or_else(tenant_required),
        }
    }
}

fn tenant_required() -> Refusal {
    let message = "There are several tenants. Name one in the header field X-FusionAuth-TenantId, or use a key of one.";
    Refusal::General("[TenantIdRequired]", message.to_owned())
}

impl Call {
    /// The only tenant whose objects the caller can see; `None`: all of them.
    pub(super) fn visible_tenant(&self) -> Option<Uuid> {
        self.named_tenant
    }

    /// Whether an object of this tenant is there for the caller.
    pub(super) fn sees(&self, tenant_id: Uuid) -> bool {
        self.named_tenant.is_none_or(|named| named == tenant_id)
    }

    /// For what belongs to no tenant, such as entity types: a key of one tenant may look, not touch.
    ///
    /// # Errors
    /// 401.
    pub(super) fn require_global(&self) -> Result<(), Refusal> {
        if self.key.tenant_id.is_some() { Err(Refusal::Unauthorized) } else { Ok(()) }
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
    /// As [`Call::json`].
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
            Some((crate::oauth::form_decoded(key.as_bytes())?, crate::oauth::form_decoded(value.as_bytes())?))
        });
        decoded.filter(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.into_owned()).collect()
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
        let values = self.query(name);
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
    serde_json::from_slice(body).map_err(|error| {
        // Position and kind only: the text may hold a password.
        let message = format!("The body is not JSON: line {}, column {}.", error.line(), error.column());
        Refusal::General("[invalidJSON]", message)
    })
}

/// An id in a path. Nothing has an id that is no UUID.
///
/// # Errors
/// 404
pub(super) fn path_id(text: &str) -> Result<Uuid, Refusal> {
    Uuid::try_parse(text).map_err(|_| Refusal::NotFound)
}

/// Seconds of the model as the milliseconds of this API.
pub(super) fn milliseconds(at: i64) -> i64 {
    at.saturating_mul(1000)
}
