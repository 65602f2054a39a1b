//! Who calls, and for which tenant (D-10). What they sent is `received`'s.
//!
//! Owns the order: the key first, then the tenant, then the body. Nothing is read from the body of a stranger.

use std::ops::Deref;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use uuid::Uuid;

use super::Management;
use super::answer::Refusal;
use super::received::Received;
use crate::model::{ApiKey, ClientSecret};
use crate::secret::equal;

/// An admitted request.
pub(super) struct Call {
    pub key: ApiKey,
    /// The tenant that `X-FusionAuth-TenantId` names, or the key's.
    named_tenant: Option<Uuid>,
    received: Received,
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
        Ok(Call { key, named_tenant, received: Received::of(head, body).await? })
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
}

impl Deref for Call {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.received
    }
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
