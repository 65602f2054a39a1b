//! A device that keeps passkeys, and the browser in front of it (WebAuthn Level 3). It signs with the cryptographic library itself.

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

/// One passkey with its private half.
pub struct Authenticator {
    pair: Pair,
    pub id: String,
    pub user: Uuid,
    /// The place that it was made for.
    pub host: String,
    pub origin: String,
    pub flags: u8,
    pub sign_count: u32,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
    EdDsa(Ed25519KeyPair),
}

/// What has been said before it is signed, to be changed.
pub struct Said {
    pub client_data: Value,
    pub authenticator_data: Vec<u8>,
}

impl Authenticator {
    /// `alg` is the number of a COSE algorithm.
    pub fn new(alg: i64, host: &str, user: Uuid) -> Self {
        let pair = match alg {
            -7 => Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()),
            -8 => Pair::EdDsa(Ed25519KeyPair::generate().unwrap()),
            -257 => Pair::Rs256(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
            _ => panic!("no such key"),
        };
        let id = URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes());
        let (host, origin) = (host.to_owned(), format!("https://{host}"));
        Self { pair, id, user, host, origin, flags: 0x1d, sign_count: 0 }
    }

    fn alg(&self) -> i64 {
        match self.pair {
            Pair::Es256(_) => -7,
            Pair::EdDsa(_) => -8,
            Pair::Rs256(_) => -257,
        }
    }

    /// SubjectPublicKeyInfo
    fn public_key(&self) -> Vec<u8> {
        let of = |der: PublicKeyX509Der<'_>| der.as_ref().to_vec();
        match &self.pair {
            Pair::Es256(pair) => of(pair.public_key().as_der().unwrap()),
            Pair::EdDsa(pair) => of(pair.public_key().as_der().unwrap()),
            Pair::Rs256(pair) => of(pair.public_key().as_der().unwrap()),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    fn said(&self, what: &str, challenge: &str, flags: u8, rest: &[u8]) -> Said {
        let host = digest::digest(&digest::SHA256, self.host.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        Said {
            client_data: json!({ "type": what, "challenge": challenge, "origin": self.origin, "crossOrigin": false }),
            authenticator_data: [host.as_ref(), &[flags], &self.sign_count.to_be_bytes(), rest].concat(),
        }
    }

    /// What the page sends about the new passkey.
    pub fn made(&self, challenge: &str) -> String {
        self.made_with(challenge, |_| {})
    }

    pub fn made_with(&self, challenge: &str, change: impl FnOnce(&mut Said)) -> String {
        let id = URL_SAFE_NO_PAD.decode(&self.id).unwrap();
        // No model, the id, and where a key in COSE's form would be.
        let credential = [&[0; 16][..], &[0, id.len() as u8], &id, b"\xa0"].concat();
        let mut said = self.said("webauthn.create", challenge, self.flags | 0x40, &credential);
        change(&mut said);
        let response = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(said.client_data.to_string()),
            "authenticatorData": URL_SAFE_NO_PAD.encode(said.authenticator_data),
            "publicKey": URL_SAFE_NO_PAD.encode(self.public_key()),
            "publicKeyAlgorithm": self.alg(),
        });
        json!({ "id": self.id, "rawId": self.id, "type": "public-key", "response": response }).to_string()
    }

    /// What the page sends when the passkey is used.
    pub fn used(&self, challenge: &str) -> String {
        self.used_with(challenge, |_| {})
    }

    pub fn used_with(&self, challenge: &str, change: impl FnOnce(&mut Said)) -> String {
        let mut said = self.said("webauthn.get", challenge, self.flags, &[]);
        change(&mut said);
        let client_data = said.client_data.to_string();
        let hash = digest::digest(&digest::SHA256, client_data.as_bytes());
        let signature = self.sign(&[&said.authenticator_data, hash.as_ref()].concat());
        let response = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "authenticatorData": URL_SAFE_NO_PAD.encode(said.authenticator_data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "userHandle": URL_SAFE_NO_PAD.encode(self.user.as_bytes()),
        });
        json!({ "id": self.id, "type": "public-key", "response": response }).to_string()
    }
}
