//! The only place where tokens are minted (RFC 9068, rule E2).
//!
//! Owns the claims of an access token and the answer around it; it does not ask whether anybody may have one.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::AuthorizationServer;
use super::error::OAuthError;
use super::grant::GrantType;
use super::keys::LocalIssuer;
use crate::model::{KeyPurpose, Profile};
use crate::profile::Dialect;

/// What a grant proved: the token will say exactly this.
pub(super) struct Entitlement {
    pub grant_type: GrantType,
    /// `sub`.
    pub subject: String,
    pub client_id: String,
    /// As it was asked for.
    pub scope: Option<String>,
    /// `aud` and `permissions`; none at all without a scope (F-193).
    pub targets: Vec<Target>,
}

/// A target entity and what may be done to it.
pub(super) struct Target {
    pub id: String,
    pub permissions: Vec<String>,
}

/// A successful answer (RFC 6749 section 5.1); members in alphabetical order (F-087).
#[derive(Debug, serde::Serialize)]
pub struct TokenResponse {
    pub access_token: String,
    /// Seconds from now.
    pub expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    pub token_type: &'static str,
    /// For those who count.
    #[serde(skip)]
    pub grant_type: GrantType,
    #[serde(skip)]
    pub profile: Profile,
}

/// The claims, in alphabetical order.
#[derive(serde::Serialize)]
struct Claims<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    aud: Audience<'a>,
    client_id: &'a str,
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
    pub(super) fn issue(&self, issuer: &LocalIssuer, entitlement: &Entitlement) -> Result<TokenResponse, OAuthError> {
        let now = self.clock.now();
        let tenant = &issuer.tenant;
        let key = issuer
            .signing_key(KeyPurpose::AccessToken, now)
            .ok_or_else(|| OAuthError::unavailable("the tenant's signing key is not made yet"))?;
        let claims = Claims {
            aud: Audience(&entitlement.targets),
            client_id: &entitlement.client_id,
            exp: now + tenant.access_token_for,
            iat: now,
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
            scope: entitlement.scope.clone(),
            token_type: "Bearer",
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
