//! Access tokens that come back to us: at UserInfo, introspection and revocation.
//!
//! Owns believing them; what they are good for is up to the endpoint. The gateway's own check is `enforce`.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::AuthorizationServer;
use super::error::{ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use crate::jose::{self, Reason};
use crate::revocations::Bearings;

/// An access token of ours that is good now.
pub(super) struct Believed {
    pub claims: Map<String, Value>,
    pub expires_at: i64,
}

impl Believed {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    pub(super) fn id(&self, name: &str) -> Option<Uuid> {
        self.text(name).and_then(|text| Uuid::try_parse(text).ok())
    }

    /// Whose token it is; `None` for the token of an entity.
    pub(super) fn user_id(&self) -> Option<Uuid> {
        self.id("gid").and_then(|_| self.id("sub"))
    }

    /// The scopes with spaces between them; some of our dialects write a list (F-279).
    pub(super) fn scope(&self) -> Cow<'_, str> {
        match self.claims.get("scope") {
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ").into(),
            Some(text) => text.as_str().unwrap_or_default().into(),
            None => "".into(),
        }
    }

    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.scope().split(' ').any(|word| word == scope)
    }

    /// Whether the token is its client's own, and the client is this one. One for an API that the client calls is not: that API
    /// holds it too (RFC 8707 3). Some dialects write no `aud`.
    pub(super) fn is_own_of(&self, client_id: &str) -> bool {
        let is_for_client = !self.claims.contains_key("aud") || self.is_for(client_id);
        is_for_client && self.text("client_id") == Some(client_id)
    }

    /// The id of the client, if the token is its own.
    pub(super) fn own_client_id(&self) -> Option<&str> {
        self.text("client_id").filter(|client_id| self.is_own_of(client_id))
    }

    /// Whether the token is meant for the party of this name (RFC 7519 4.1.3).
    pub(super) fn is_for(&self, name: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == name),
            Some(audience) => audience == name,
            None => false,
        }
    }
}

impl AuthorizationServer {
    /// # Errors
    /// `invalid_token` if the tenant did not issue it, it has expired, or it was revoked.
    pub(super) fn verify_access_token(&self, issuer: &LocalIssuer, token: &str) -> Result<Believed, OAuthError> {
        let verified = jose::verify(token, &issuer.expectations, &issuer.access_token_keys, self.clock.now());
        let verified = verified.map_err(|reason| match reason {
            Reason::Expired => OAuthError::invalid_token(ErrorReason::AccessTokenExpired, "The access token expired."),
            Reason::Malformed | Reason::TooLarge | Reason::DuplicateMember => malformed(),
            Reason::CriticalHeader
            | Reason::UnsupportedAlgorithm
            | Reason::WrongType
            | Reason::UnknownKey
            | Reason::AlgorithmMismatch
            | Reason::BadSignature
            | Reason::WrongIssuer
            | Reason::MissingAudience
            | Reason::WrongAudience
            | Reason::MissingExpiry
            | Reason::InvalidTime
            | Reason::NotYetValid
            | Reason::IssuedInFuture
            | Reason::MissingClaim => invalid(),
        })?;
        if self.revocations.concern(&Bearings::of_claims(&verified.claims)) {
            return Err(invalid());
        }
        Ok(Believed { claims: verified.claims, expires_at: verified.expires_at })
    }

    /// The same for a token that nobody has to prove anything for: one that is bound to a key or certificate is no bearer token
    /// (rule H2).
    ///
    /// # Errors
    /// `invalid_token`, as above and for a token that is bound.
    pub(super) fn verify_bearer_token(&self, issuer: &LocalIssuer, token: &str) -> Result<Believed, OAuthError> {
        let believed = self.verify_access_token(issuer, token)?;
        if believed.bound_to().is_some() { Err(invalid()) } else { Ok(believed) }
    }

    /// The claims of an access token of any tenant of ours.
    ///
    /// # Errors
    /// `invalid_token` if none of them issued it, it has expired, or it was revoked.
    pub fn claims_of(&self, token: &str) -> Result<Map<String, Value>, OAuthError> {
        let issuer = self.issuer_of_token(token).ok_or_else(invalid)?;
        Ok(self.verify_bearer_token(&issuer, token)?.claims)
    }

    /// The tenant that a token says it is from, whether that is true or not.
    pub(super) fn issuer_of_token(&self, token: &str) -> Option<Arc<LocalIssuer>> {
        self.keys.find_issuer_of_token(&jose::peek_issuer(token)?, jose::peek_tenant(token).as_deref())
    }
}

pub(super) fn malformed() -> OAuthError {
    OAuthError::invalid_token(ErrorReason::AccessTokenMalformed, "The access token cannot be read.")
}

pub(super) fn invalid() -> OAuthError {
    OAuthError::invalid_token(ErrorReason::AccessTokenInvalid, "The access token is not valid.")
}
