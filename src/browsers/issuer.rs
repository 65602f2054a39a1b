//! Who vouches for people: what is asked of an authorization server, wherever it is.
//!
//! Owns the questions. One of our own is asked in this process, somebody else's over the network; neither is named here.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::Client;
use crate::clock::UnixSeconds;
use crate::secret::Secret;

/// A form for the token endpoint, without what proves the client.
pub type Form = Vec<(&'static str, Secret<String>)>;

/// An authorization server at which people log in.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Whether it is somebody else, whose sessions and users are none of ours.
    fn is_foreign(&self) -> bool;

    /// Where it does what.
    ///
    /// # Errors
    /// [`Unanswered`] when that cannot be said now.
    async fn endpoints(&self) -> Result<Arc<Endpoints>, Unanswered>;

    /// Asks its token endpoint as `client`.
    ///
    /// # Errors
    /// [`TokenRefusal`]; what is not clearly an answer is none.
    async fn tokens(&self, client: &Client, form: Form) -> Result<Tokens, TokenRefusal>;

    /// Gives a refresh token back, and everything that it could be used for (RFC 7009): nobody needs it any more. If that
    /// does not work, it ends as it would have without.
    async fn revoke(&self, client: &Client, refresh_token: Secret<String>);

    /// The claims of an ID token that is its own, for `client`, and in force: signature, `iss`, `aud`, `exp` (OpenID Connect
    /// Core 3.1.3.7). The nonce is the caller's.
    ///
    /// # Errors
    /// [`TokenRefusal::Refused`] if it is not; [`TokenRefusal::Unanswered`] when there are no keys to tell.
    async fn read_id_token(&self, client: &Client, id_token: &str) -> Result<Map<String, Value>, TokenRefusal>;
}

/// Where an issuer does what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Its name, in `iss`.
    pub issuer: String,
    pub authorization: String,
    /// Where sessions end, if anywhere.
    pub end_session: Option<String>,
    /// Whether every answer says who it is from (RFC 9207).
    pub names_itself: bool,
}

/// What a token endpoint gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access_token: Secret<String>,
    /// `None`: it did not say.
    pub expires_at: Option<UnixSeconds>,
    pub refresh_token: Option<Secret<String>>,
    pub id_token: Option<Secret<String>>,
}

/// The issuer did not answer, or nothing that can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered;

/// Why there are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It said no.
    Refused,
    /// It said nothing.
    Unanswered,
}

impl From<Unanswered> for TokenRefusal {
    fn from(Unanswered: Unanswered) -> Self {
        Self::Unanswered
    }
}
