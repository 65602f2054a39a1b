//! A client that proves that it has a key (RFC 9449). It signs with the cryptographic library itself: a second opinion.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

/// A key pair, and the proofs that it makes.
pub struct DpopKey {
    pair: EcdsaKeyPair,
    pub jwk: Value,
}

impl DpopKey {
    pub fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        // In the order of RFC 7638 3.2.
        let jwk = json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y });
        Self { pair, jwk }
    }

    /// RFC 7638 3
    pub fn thumbprint(&self) -> String {
        sha256(self.jwk.to_string().as_bytes())
    }

    /// A proof of this instant for this request, and for this access token if there is one.
    pub fn proof(&self, method: &str, url: &str, token: Option<&str>) -> String {
        self.proof_with(method, url, token, |_, _| {})
    }

    /// The same with header and claims changed before they are signed.
    pub fn proof_with(
        &self,
        method: &str,
        url: &str,
        token: Option<&str>,
        change: impl FnOnce(&mut Value, &mut Value),
    ) -> String {
        let mut header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk });
        let mut claims = json!({
            "jti": Uuid::new_v4(), "htm": method, "htu": url, "iat": super::foreign_issuer::now(),
        });
        if let Some(token) = token {
            claims["ath"] = sha256(token.as_bytes()).into();
        }
        change(&mut header, &mut claims);
        let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}
