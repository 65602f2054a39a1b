//! What this server says about itself (RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3).
//!
//! Owns the one document of an issuer; it lists what exists now and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

use super::AuthorizationServer;
use super::error::OAuthError;
use super::grant::GrantType;
use super::keys::LocalIssuer;

impl AuthorizationServer {
    /// The metadata of a tenant, or of the default one. `None` for tenants that do not exist or whose issuer is not a
    /// URL and therefore cannot be discovered (D2).
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store has to be asked and does not answer.
    pub async fn metadata(&self, tenant_id: Option<Uuid>) -> Result<Option<Bytes>, OAuthError> {
        let issuer = self.published_issuer(tenant_id).await?.filter(|issuer| issuer.is_discoverable());
        Ok(issuer.map(|issuer| describe(&issuer)))
    }

    /// The key set of a tenant, or of the default one (RFC 7517). `None` for tenants that do not exist.
    ///
    /// # Errors
    /// As [`AuthorizationServer::metadata`].
    pub async fn key_set(&self, tenant_id: Option<Uuid>) -> Result<Option<Bytes>, OAuthError> {
        Ok(self.published_issuer(tenant_id).await?.map(|issuer| issuer.key_set_document()))
    }

    /// Seconds for which others may cache the documents.
    pub fn cache_for(&self) -> i64 {
        self.keys.settings().cache_for()
    }

    async fn published_issuer(&self, tenant_id: Option<Uuid>) -> Result<Option<Arc<LocalIssuer>>, OAuthError> {
        match tenant_id {
            Some(tenant_id) => self.find_issuer_of(tenant_id).await,
            None => Ok(self.keys.issuer(None)),
        }
    }
}

/// Every URL derives from the issuer.
fn describe(issuer: &LocalIssuer) -> Bytes {
    let url = |path: &str| format!("{}{path}", issuer.base_url);
    let document = json!({
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "id_token_signing_alg_values_supported": [issuer.tenant.id_token_algorithm],
        "issuer": issuer.issuer,
        "jwks_uri": url("/.well-known/jwks.json"),
        // Required, and empty because there is no authorization endpoint.
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "token_endpoint": url("/oauth2/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    });
    document.to_string().into()
}
