//! A client that proves itself with a signed assertion (RFC 7523 section 3, RFC 10070): `private_key_jwt` with a key of its
//! own, `client_secret_jwt` with the secret that both know.
//!
//! Owns what an assertion must say. Which client it is about, and whether it suffices, is `client_authentication`'s.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::sync::Arc;

use super::client_authentication::{AuthenticationMethod, Proof};
use super::error::{ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use crate::jose::{self, Algorithm, AlgorithmSet, Expectations, KeySet, SigningKey, TypeSet};
use crate::secret::Secret;
use crate::store::{Lease, Store};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Seconds that an assertion may live from now on (rule D4).
const LONGEST_FOR: i64 = 300;

const SHARED: [Algorithm; 3] = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];

/// An assertion that nobody has believed yet.
pub(super) struct Assertion<'a> {
    text: &'a str,
    /// The `client_id` that it claims.
    pub subject: String,
}

/// What the client's assertions can be verified with.
pub(super) struct Keys<'a> {
    /// The client's public keys, as it registered them.
    pub jwks: Option<&'a str>,
    /// Its live secrets, those that are known in clear.
    pub secrets: Vec<Secret<String>>,
}

/// An assertion may be used once, on whichever node (rule D4).
pub(super) struct Once {
    key: String,
    expires_at: i64,
}

impl<'a> Assertion<'a> {
    /// # Errors
    /// `invalid_request` if it is of another type, `invalid_client` if it names nobody.
    pub(super) fn find(form: &'a Parameters<'a>) -> Result<Option<Self>, OAuthError> {
        let Some(text) = form.find("client_assertion") else {
            return Ok(None);
        };
        if form.find("client_assertion_type") != Some(TYPE) {
            let description = "The client_assertion_type is missing or not supported.";
            return Err(OAuthError::invalid_request(ErrorReason::InvalidClientAuthenticationScheme, description));
        }
        let subject = jose::peek_subject(text).ok_or_else(|| {
            let description = "The client assertion is no JWT with a subject.";
            OAuthError::invalid_client(ErrorReason::InvalidClientAuthentication, description)
        })?;
        Ok(Some(Self { text, subject }))
    }

    /// The proof, if the assertion is one for this issuer (RFC 7523 3, rules D2 to D4).
    pub(super) fn verify(&self, issuer: &LocalIssuer, keys: &Keys<'_>, now: i64) -> Option<Proof> {
        let expectations = |algorithms| Expectations {
            types: TypeSet::new(["client-authentication+jwt", "JWT"]).or_none(),
            algorithms,
            ..Expectations::new(&self.subject)
        };
        let registered = keys.jwks.and_then(|jwks| KeySet::parse(jwks).ok());
        let signed = registered
            .and_then(|keys| jose::verify(self.text, &expectations(AlgorithmSet::asymmetric()), &keys, now).ok());
        let (verified, method) = match signed {
            Some(verified) => (verified, AuthenticationMethod::PrivateKeyJwt),
            None => {
                let expectations = expectations(SHARED.into_iter().collect());
                let verify = |secret| jose::verify(self.text, &expectations, &shared_keys(secret), now).ok();
                (keys.secrets.iter().find_map(verify)?, AuthenticationMethod::ClientSecretJwt)
            }
        };
        let text = |name: &str| verified.claims.get(name).and_then(Value::as_str);
        // D2: one string, and exactly the issuer; a list could be good at somebody else's too.
        let is_ours = text("aud") == Some(&*issuer.issuer) && text("sub") == Some(&*self.subject);
        let id = text("jti").filter(|id| !id.is_empty())?;
        let is_short = verified.expires_at - now <= LONGEST_FOR;
        (is_ours && is_short).then(|| {
            let of_tenant = format!("{}\0{}\0{id}", issuer.tenant.id, self.subject);
            let key = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, of_tenant.as_bytes()));
            Proof { method, once: Some(Once { key, expires_at: verified.expires_at }) }
        })
    }
}

/// Whether the assertion is used for the first time.
///
/// # Errors
/// `temporarily_unavailable` if the store does not answer: then nobody knows.
pub(super) async fn spend(store: &dyn Store, once: &Once, now: i64) -> Result<bool, OAuthError> {
    Ok(store.remember_once("assertion", &once.key, Lease { now, expires_at: once.expires_at }).await?)
}

/// The secret as a key of every algorithm that it is long enough for.
fn shared_keys(secret: &Secret<String>) -> KeySet {
    let key = |algorithm| SigningKey::from_private_key(algorithm, secret.expose().as_bytes()).ok();
    KeySet::new(SHARED.into_iter().filter_map(key).map(|key| Arc::clone(key.verifying_key())))
}
