//! Published keys as PEM, for those who do not read key sets (FusionAuth's `/api/jwt/public-key`).
//!
//! Owns which key answers to what; a shared secret is never among them (F-205).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::AuthorizationServer;
use super::error::OAuthError;
use crate::model::KeyPurpose;

impl AuthorizationServer {
    /// Those of all tenants, by `kid`.
    pub fn public_keys(&self) -> BTreeMap<String, String> {
        let issuers = self.keys.issuers();
        let keys = issuers.iter().flat_map(|issuer| issuer.key_set().keys());
        keys.filter_map(|key| Some((key.kid().to_string(), key.to_pem()?))).collect()
    }

    /// What verifies the access tokens of an application now. `None` if there is no such application, or if its tenant
    /// signs with a shared secret.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn public_key_of(&self, application_id: Uuid) -> Result<Option<String>, OAuthError> {
        let Some(application) = self.directory.application(application_id).await? else { return Ok(None) };
        let Some(issuer) = self.find_issuer_of(application.tenant_id).await? else { return Ok(None) };
        let key = issuer.signing_key_of(&application, KeyPurpose::AccessToken, self.clock.now());
        Ok(key.and_then(|key| key.verifying_key().to_pem()))
    }
}
