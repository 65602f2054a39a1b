//! A verified token, compiled for every request that will carry it: facts for policies, values for upstreams.
//!
//! Owns the shape; only tokens that passed `jose::verify` become one.

use std::sync::Arc;

use super::Identity;
use crate::clock::UnixSeconds;
use crate::policy::TokenFacts;

/// A token that passed the door, with what is needed to decide and forward without reading it again.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    /// Which of the enforcer's issuers it is from.
    pub issuer: usize,
    pub facts: TokenFacts,
    pub identity: Identity,
    /// From this instant on it is worthless.
    pub expires_at: UnixSeconds,
    /// `jti`, for revocation.
    pub token_id: Option<Box<str>>,
    /// The key that verified it.
    pub key_id: Arc<str>,
    /// What log lines call the subject.
    pub pseudonym: Box<str>,
}
