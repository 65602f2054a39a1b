//! API keys where a client would authenticate (CONTRACT D-06, D5): FusionAuth's clients send one, without a scheme.
//!
//! Owns whether one counts here. What keys may do otherwise is `api`'s.

use super::AuthorizationServer;
use super::error::OAuthError;
use super::keys::LocalIssuer;
use crate::model::ApiKey;

impl AuthorizationServer {
    /// The key with this text, if it may be sent to `path`.
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store does not answer.
    pub(super) async fn find_api_key(&self, text: Option<&str>, path: &str) -> Result<Option<ApiKey>, OAuthError> {
        let Some(text) = text else { return Ok(None) };
        let key = self.directory.find_api_key(text).await?;
        Ok(key.filter(|key| key.allows("POST", path)))
    }
}

/// Whether the key is of this tenant, or of all.
pub(super) fn is_for(key: &ApiKey, issuer: &LocalIssuer) -> bool {
    key.tenant_id.is_none_or(|own| own == issuer.tenant.id)
}
