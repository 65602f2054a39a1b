//! What is found out about a token, whether by verifying it or by asking its issuer.
//!
//! Owns the two ways into one shape. How an issuer is asked is behind [`Introspection`].

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::token::INTROSPECTION;
use super::{Denial, TokenFault, Unknown};
use crate::clock::UnixSeconds;
use crate::jose;

/// Whom to ask about tokens that only their issuer can read (RFC 7662).
#[async_trait]
pub trait Introspection: Send + Sync {
    /// Which tokens it is asked about.
    fn tokens(&self) -> TokensAsked;

    /// What operators are told of it.
    fn circuit(&self) -> CircuitReport;

    /// What the issuer says of a token; `None` if it is not active, or none of its own.
    ///
    /// # Errors
    /// [`Unknown`] when it cannot be asked, or does not answer clearly.
    async fn introspect(&self, token: &str) -> Result<Option<Introspected>, Unknown>;
}

/// Whether an issuer is asked at all, or spared because it does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitReport {
    /// The issuer, as the configuration calls it.
    pub issuer: String,
    /// Only one question now and then finds out whether it answers again.
    pub is_open: bool,
    /// Questions in a row that it did not answer.
    pub failures: u32,
    /// Why it did not answer the last of them.
    pub last_failure: Option<String>,
}

/// Which tokens an issuer is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokensAsked {
    /// Those that are no JWTs.
    Opaque,
    /// JWTs too, after they were verified.
    Verified,
    /// All of them: there are no keys to verify any with.
    All,
}

/// What an issuer says of an active token.
#[derive(Clone, Debug)]
pub struct Introspected {
    /// With `iss`, whether the answer had one or not.
    pub claims: Map<String, Value>,
    /// `exp`, if the answer had one.
    pub expires_at: Option<UnixSeconds>,
    /// When to ask again.
    pub fresh_until: UnixSeconds,
}

/// Its issuer says that it is not active.
pub(super) const INACTIVE: Denial = Denial::InvalidToken(TokenFault::Inactive);

/// What was found out about a token, by whichever way.
pub(super) struct Known {
    pub issuer: usize,
    pub claims: Map<String, Value>,
    pub expires_at: UnixSeconds,
    pub fresh_until: UnixSeconds,
    pub key_id: Arc<str>,
    pub is_opaque: bool,
}

impl Known {
    pub(super) fn of_jwt(issuer: usize, verified: jose::Verified) -> Self {
        let jose::Verified { claims, expires_at, key_id, .. } = verified;
        Self { issuer, claims, expires_at, fresh_until: UnixSeconds::MAX, key_id, is_opaque: false }
    }

    pub(super) fn of_answer(issuer: usize, introspected: Introspected) -> Self {
        let Introspected { claims, expires_at, fresh_until } = introspected;
        let expires_at = expires_at.unwrap_or(UnixSeconds::MAX);
        Self { issuer, claims, expires_at, fresh_until, key_id: INTROSPECTION.into(), is_opaque: true }
    }
}
