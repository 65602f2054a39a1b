//! How the gateway proves who it is when it asks an issuer (RFC 6749 2.3.1, RFC 7523 2.2).
//!
//! Owns what goes into a request for it. What is asked is for those who ask.

use serde_json::json;

use super::Outbound;
use super::fetch::{Credentials, FetchError};
use crate::config::ClientAuthentication;
use crate::jose::TokenType;
use crate::secret::Secret;

/// Seconds for which an assertion is good: long enough for clocks that differ a little.
const ASSERTION_FOR: i64 = 60;
/// RFC 7523 2.2
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who we are at an issuer.
pub(super) struct Proof {
    client_id: String,
    authentication: ClientAuthentication,
    /// Encoded once, for those who want it in the header.
    credentials: Option<Credentials>,
}

/// What a request has beside what it asks.
pub(super) struct Shown<'a> {
    /// For the header.
    pub credentials: Option<&'a Credentials>,
    /// For the form.
    pub fields: Vec<(&'static str, Secret<String>)>,
}

impl Proof {
    pub(super) fn new(client_id: &str, authentication: &ClientAuthentication) -> Self {
        let credentials = match authentication {
            ClientAuthentication::Secret(secret) | ClientAuthentication::Basic(secret) => {
                Some(Credentials::new(client_id, secret))
            }
            ClientAuthentication::Post(_) | ClientAuthentication::PrivateKey(_) => None,
        };
        Self { client_id: client_id.to_owned(), authentication: authentication.clone(), credentials }
    }

    /// For a request to `issuer`, which `takes_post_only` if its metadata says that it knows no secrets in the header.
    ///
    /// # Errors
    /// [`FetchError::Malformed`] if the library cannot sign.
    pub(super) fn shown(
        &self,
        (issuer, takes_post_only): (&str, bool),
        outbound: &Outbound,
    ) -> Result<Shown<'_>, FetchError> {
        let own = |value: &str| Secret::new(value.to_owned());
        let fields = match &self.authentication {
            ClientAuthentication::Secret(secret) if takes_post_only => self.in_form(secret),
            ClientAuthentication::Post(secret) => self.in_form(secret),
            ClientAuthentication::Secret(_) | ClientAuthentication::Basic(_) => {
                return Ok(Shown { credentials: self.credentials.as_ref(), fields: Vec::new() });
            }
            ClientAuthentication::PrivateKey(key) => {
                let now = outbound.clock.now();
                // The issuer is the only audience: with the endpoint, what one issuer gets could be used at another one
                // (RFC 7523 3, RFC 9700 2.6).
                let claims = json!({
                    "iss": self.client_id,
                    "sub": self.client_id,
                    "aud": issuer,
                    "iat": now,
                    "exp": now.saturating_add(ASSERTION_FOR),
                    "jti": outbound.entropy.token(16),
                });
                let assertion = key.sign(TokenType::Jwt, &claims);
                let assertion = assertion.map_err(|error| FetchError::Malformed(error.to_string()))?;
                vec![
                    ("client_id", own(&self.client_id)),
                    ("client_assertion_type", own(ASSERTION_TYPE)),
                    ("client_assertion", Secret::new(assertion)),
                ]
            }
        };
        Ok(Shown { credentials: None, fields })
    }

    fn in_form(&self, secret: &Secret<String>) -> Vec<(&'static str, Secret<String>)> {
        vec![("client_id", Secret::new(self.client_id.clone())), ("client_secret", secret.clone())]
    }
}
