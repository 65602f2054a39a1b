//! Access tokens of entities, which act for themselves (CONTRACT 2.M).
//!
//! Owns what such a token says of its targets and what may be done to them.

use serde::ser::{Serialize, SerializeMap, Serializer};
use uuid::Uuid;

use super::TokenResponse;
use crate::model::{Confirmation, KeyPurpose};
use crate::oauth::AuthorizationServer;
use crate::oauth::error::OAuthError;
use crate::oauth::grant::GrantType;
use crate::oauth::keys::LocalIssuer;
use crate::profile::Dialect;
use crate::revocations::Bearings;

/// What an entity's grant proved: the token will say exactly this.
pub(in crate::oauth) struct Entitlement {
    pub grant_type: GrantType,
    /// `sub`.
    pub subject: String,
    pub client_id: String,
    /// As it was asked for.
    pub scope: Option<String>,
    /// `aud` and `permissions`; none at all without a scope (F-193).
    pub targets: Vec<Target>,
    /// What the entity's type says of its tokens: how many seconds they live, and the id of the key that signs them (D-07).
    pub lives_for: Option<i64>,
    pub key: Option<Uuid>,
}

/// A target entity and what may be done to it.
pub(in crate::oauth) struct Target {
    pub id: String,
    pub permissions: Vec<String>,
}

/// The claims, in alphabetical order.
#[derive(serde::Serialize)]
struct Claims<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    aud: Audience<'a>,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<&'a Confirmation>,
    exp: i64,
    iat: i64,
    iss: &'a str,
    jti: String,
    #[serde(skip_serializing_if = "Permissions::is_empty")]
    permissions: Permissions<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    sub: &'a str,
    tid: String,
}

/// A string for one target, an array for several (F-192).
#[derive(Clone, Copy)]
struct Audience<'a>(&'a [Target]);

/// One member per target (F-194).
#[derive(Clone, Copy)]
struct Permissions<'a>(&'a [Target]);

impl AuthorizationServer {
    /// # Errors
    /// `temporarily_unavailable` while the tenant's first key is still being made.
    pub(super) fn issue_to_entity(
        &self,
        issuer: &LocalIssuer,
        entitlement: &Entitlement,
        confirmation: Option<&Confirmation>,
    ) -> Result<TokenResponse, OAuthError> {
        let now = self.clock.now();
        let tenant = &issuer.tenant;
        let key = issuer
            .signing_key_called(entitlement.key, KeyPurpose::AccessToken, now)
            .ok_or_else(|| OAuthError::unavailable("the tenant's signing key is not made yet"))?;
        let bearings =
            Bearings { tenant_id: Some(tenant.id), client_id: Some(&entitlement.client_id), ..Bearings::default() };
        let claims = Claims {
            aud: Audience(&entitlement.targets),
            client_id: &entitlement.client_id,
            cnf: confirmation,
            exp: now + entitlement.lives_for.unwrap_or(tenant.access_token_for),
            iat: self.revocations.earliest(now, &bearings),
            iss: &issuer.issuer,
            jti: self.entropy.uuid().to_string(),
            permissions: Permissions(&entitlement.targets),
            scope: entitlement.scope.as_deref(),
            sub: &entitlement.subject,
            tid: tenant.id.to_string(),
        };
        Ok(TokenResponse {
            access_token: key.sign(Dialect::of(tenant.profile).access_token_type, &claims)?,
            expires_in: claims.exp - now,
            says_expiry: issuer.says_expiry(),
            id_token: None,
            refresh_token: None,
            refresh_token_id: None,
            scope: entitlement.scope.clone(),
            user_id: None,
            issued_at: now,
            is_dpop: false,
            dpop_nonce: None,
            grant_type: entitlement.grant_type,
            profile: tenant.profile,
        })
    }
}

fn is_empty(audience: &Audience<'_>) -> bool {
    audience.0.is_empty()
}

impl Permissions<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Audience<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [target] => serializer.serialize_str(&target.id),
            targets => serializer.collect_seq(targets.iter().map(|target| &target.id)),
        }
    }
}

impl Serialize for Permissions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.0.len()))?;
        for target in self.0 {
            members.serialize_entry(&target.id, &target.permissions)?;
        }
        members.end()
    }
}
