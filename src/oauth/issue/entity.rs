//! Access tokens of entities, which act for themselves (CONTRACT 2.M) or for a person (RFC 8693).
//!
//! Owns what such a token says of its targets and what may be done to them, and of whom it is for.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use uuid::Uuid;

use super::TokenResponse;
use crate::clock::UnixSeconds;
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
    /// For whom it acts, if not for itself.
    pub delegation: Option<Box<Delegation>>,
    /// As it was asked for.
    pub scope: Option<String>,
    /// `aud` and `permissions`; none at all without a scope (F-193).
    pub targets: Vec<Target>,
    /// What the entity's type says of its tokens: how many seconds they live, and the id of the key that signs them (D-07).
    pub lives_for: Option<i64>,
    pub key: Option<Uuid>,
}

/// The person for whom an entity acts, and what their own token says that stays true.
pub(in crate::oauth) struct Delegation {
    pub user_id: Uuid,
    /// The new token ends with that grant.
    pub grant_id: Uuid,
    pub session_id: Option<Uuid>,
    /// The application that the person used, whoever acted since.
    pub first_client: String,
    /// `act` (RFC 8693 4.1)
    pub actors: Value,
    pub acr: Option<String>,
    /// `amr`
    pub methods: Option<Value>,
    pub authenticated_at: Option<UnixSeconds>,
    /// The new token lives no longer.
    pub expires_at: UnixSeconds,
}

/// A target entity and what may be done to it.
pub(in crate::oauth) struct Target {
    pub id: String,
    pub permissions: Vec<String>,
}

/// The claims, in alphabetical order.
#[derive(serde::Serialize)]
struct Claims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<&'a Value>,
    #[serde(skip_serializing_if = "is_empty")]
    aud: Audience<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<UnixSeconds>,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<&'a Confirmation>,
    exp: UnixSeconds,
    /// The application that the person used.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<Uuid>,
    iat: UnixSeconds,
    iss: &'a str,
    jti: String,
    #[serde(skip_serializing_if = "Permissions::is_empty")]
    permissions: Permissions<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
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
        let delegation = entitlement.delegation.as_ref();
        let bearings = Bearings {
            user_id: delegation.map(|delegation| delegation.user_id),
            tenant_id: Some(tenant.id),
            client_id: Some(&entitlement.client_id),
            first_client: delegation.map(|delegation| delegation.first_client.as_str()),
            ..Bearings::default()
        };
        let expires_at = now + entitlement.lives_for.unwrap_or(tenant.access_token_for);
        let claims = Claims {
            acr: delegation.and_then(|delegation| delegation.acr.as_deref()),
            act: delegation.map(|delegation| &delegation.actors),
            amr: delegation.and_then(|delegation| delegation.methods.as_ref()),
            aud: Audience(&entitlement.targets),
            auth_time: delegation.and_then(|delegation| delegation.authenticated_at),
            client_id: &entitlement.client_id,
            cnf: confirmation,
            exp: delegation.map_or(expires_at, |delegation| delegation.expires_at.min(expires_at)),
            first_client: delegation.map(|delegation| delegation.first_client.as_str()),
            gid: delegation.map(|delegation| delegation.grant_id),
            iat: self.revocations.earliest(now, &bearings),
            iss: &issuer.issuer,
            jti: self.entropy.uuid().to_string(),
            permissions: Permissions(&entitlement.targets),
            scope: entitlement.scope.as_deref(),
            sid: delegation.and_then(|delegation| delegation.session_id),
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
