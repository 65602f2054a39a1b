//! Making signed tokens in compact form (RFC 7515 section 7.1).
//!
//! Owns header, encoding and signature; it does not know what the claims say.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::key::Pair;
use super::{Algorithm, SigningKey};

/// The `typ` of a token that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// `at+jwt`: an access token (RFC 9068 section 2.1).
    AccessToken,
    /// `JWT`: ID tokens, and access tokens of profiles that want it.
    Jwt,
    /// `logout+jwt` (OpenID Connect Back-Channel Logout 1.0 section 2.4).
    LogoutToken,
    /// `vended+jwt`: what an administrator wanted to be signed, good for nothing here (RFC 8725 3.11).
    Vended,
    /// `gate+jwt`: what an upstream is told of its caller, good for nothing here (RFC 8725 3.11).
    Forwarded,
}

impl TokenType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::Jwt => "JWT",
            Self::LogoutToken => "logout+jwt",
            Self::Vended => "vended+jwt",
            Self::Forwarded => "gate+jwt",
        }
    }
}

/// Why a token could not be signed. Nothing that a client sends can cause it.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the claims are no JSON object: {0}")]
    Claims(#[from] serde_json::Error),
    #[error("the cryptographic library failed")]
    Library,
}

/// The encoded protected headers of a key, one for each type of token.
pub(super) struct Headers {
    access_token: Box<str>,
    jwt: Box<str>,
    logout_token: Box<str>,
    vended: Box<str>,
    forwarded: Box<str>,
}

impl Headers {
    pub(super) fn new(kid: &str, algorithm: Algorithm) -> Self {
        let encoded = |token_type: TokenType| {
            let header = serde_json::json!({ "alg": algorithm.as_str(), "kid": kid, "typ": token_type.as_str() });
            URL_SAFE_NO_PAD.encode(header.to_string()).into()
        };
        Self {
            access_token: encoded(TokenType::AccessToken),
            jwt: encoded(TokenType::Jwt),
            logout_token: encoded(TokenType::LogoutToken),
            vended: encoded(TokenType::Vended),
            forwarded: encoded(TokenType::Forwarded),
        }
    }

    fn of(&self, token_type: TokenType) -> &str {
        match token_type {
            TokenType::AccessToken => &self.access_token,
            TokenType::Jwt => &self.jwt,
            TokenType::LogoutToken => &self.logout_token,
            TokenType::Vended => &self.vended,
            TokenType::Forwarded => &self.forwarded,
        }
    }
}

impl SigningKey {
    /// Signs `claims` as a compact JWS.
    ///
    /// # Errors
    /// [`SignError`] if the claims cannot be written as JSON or the library fails.
    pub fn sign(&self, token_type: TokenType, claims: &impl Serialize) -> Result<String, SignError> {
        let header = self.headers.of(token_type);
        let claims = serde_json::to_vec(claims)?;
        // Room for the longest signature, RSA of 4096 bits, so that the text never moves.
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 700);
        token.push_str(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        self.append_signature(&mut token)?;
        Ok(token)
    }

    pub(super) fn append_signature(&self, token: &mut String) -> Result<(), SignError> {
        let message = token.as_bytes();
        let encoded = match &self.pair {
            Pair::Rsa { pair, encoding } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature).map_err(|_| SignError::Library)?;
                URL_SAFE_NO_PAD.encode(signature)
            }
            Pair::Ec(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| SignError::Library)?;
                URL_SAFE_NO_PAD.encode(signature)
            }
            Pair::Ed25519(pair) => URL_SAFE_NO_PAD.encode(pair.sign(message)),
            Pair::Hmac { key, .. } => URL_SAFE_NO_PAD.encode(hmac::sign(key, message)),
        };
        token.push('.');
        token.push_str(&encoded);
        Ok(())
    }
}
