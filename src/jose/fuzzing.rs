//! The JWT door beside a plain second implementation of the same rules, with tokens that are really signed.
//!
//! Owns the comparison; nobody relies on the second implementation, which is written to be read, not to be fast.

#![allow(clippy::expect_used, reason = "a target fails by panicking")]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use serde_json::{Value, json};

use super::{Algorithm, Expectations, KeySet, SigningKey, jwk, verify};
use crate::fuzzing::{first_line, text};

mod plain;

/// When every input is looked at, Unix seconds.
pub(super) const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://gate.example";
const AUDIENCE: &str = "api";

/// Keys made from seeds, so that an input says the same on every machine. They sign nothing but inputs.
struct World {
    elliptic: SigningKey,
    edwards: SigningKey,
    stranger: SigningKey,
    keys: KeySet,
    expectations: Expectations,
    /// For the second implementation.
    plain_keys: [plain::Key; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let (elliptic, edwards, stranger) = (elliptic([7; 32]), edwards([8; 32]), elliptic([9; 32]));
    let named = |key: &SigningKey, kid: &str| {
        let mut entry = key.verifying_key().public_jwk().cloned().expect("a public key");
        entry.insert("kid".to_owned(), kid.into());
        Value::Object(entry)
    };
    let document = json!({ "keys": [named(&elliptic, "ec"), named(&edwards, "ed")] });
    let plain_key = |key: &SigningKey, kid, algorithm| {
        let entry: Jwk = serde_json::from_value(named(key, kid)).expect("a public key");
        plain::Key { kid, algorithm, key: DecodingKey::from_jwk(&entry).expect("a public key") }
    };
    World {
        keys: KeySet::parse(&document.to_string()).expect("a key set"),
        expectations: Expectations {
            audiences: [AUDIENCE.into()].into(),
            required_claims: ["sub".into()].into(),
            ..Expectations::new(ISSUER)
        },
        plain_keys: [
            plain_key(&elliptic, "ec", jsonwebtoken::Algorithm::ES256),
            plain_key(&edwards, "ed", jsonwebtoken::Algorithm::EdDSA),
        ],
        elliptic,
        edwards,
        stranger,
    }
});

/// PKCS#8 (RFC 5208) around a P-256 scalar (RFC 5915).
fn elliptic(seed: [u8; 32]) -> SigningKey {
    const BEFORE: &[u8] =
        b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
          \x04\x27\x30\x25\x02\x01\x01\x04\x20";
    SigningKey::from_private_key(Algorithm::Es256, &[BEFORE, &seed].concat()).expect("a scalar")
}

/// PKCS#8 around an Ed25519 seed (RFC 8410 section 7).
fn edwards(seed: [u8; 32]) -> SigningKey {
    const BEFORE: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    SigningKey::from_private_key(Algorithm::EdDsa, &[BEFORE, &seed].concat()).expect("a seed")
}

/// First line: `ec`, `ed`, `stranger` (a key that nobody trusts), `shared` (HMAC with what is public), `unsigned`, or `raw`.
/// After `raw` comes the token; after the others a line with the header and then the claims, which are signed so.
///
/// # Panics
/// If one implementation believes a token that the other refuses, or both believe it and read it differently.
pub fn token(input: &[u8]) {
    let Some(token) = token_of(input) else { return };
    let ours = verify(&token, &WORLD.expectations, &WORLD.keys, NOW);
    let plain = plain::claims(&token, &WORLD.plain_keys);
    let refusal = ours.as_ref().err().copied();
    assert_eq!(ours.as_ref().ok().map(|verified| &verified.claims), plain.as_ref(), "{token} {refusal:?}");
    if let Ok(verified) = ours {
        assert!(verified.expires_at > NOW, "{token}");
        assert_eq!(super::peek_issuer(&token).as_deref(), Some(ISSUER));
        assert!(super::is_jwt(&token));
    }
}

fn token_of(input: &[u8]) -> Option<String> {
    let (how, rest) = first_line(input);
    let (header, claims) = first_line(rest);
    let mut token = format!("{}.{}", jwk::encode(header), jwk::encode(claims));
    let by = match how {
        b"ec" => &WORLD.elliptic,
        b"ed" => &WORLD.edwards,
        b"stranger" => &WORLD.stranger,
        b"shared" => {
            // RFC 8725 2.1: a public key taken for a shared secret.
            let public =
                Value::from(WORLD.elliptic.verifying_key().public_jwk().cloned().unwrap_or_default()).to_string();
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes()), token.as_bytes());
            return Some(format!("{token}.{}", jwk::encode(tag.as_ref())));
        }
        b"unsigned" => return Some(token + "."),
        b"raw" => return Some(text(rest).to_owned()),
        _ => return None,
    };
    by.append_signature(&mut token).ok()?;
    Some(token)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    // A corpus whose every token is refused at the signature would look at nothing behind it.
    #[test]
    fn the_corpus_has_tokens_that_are_believed_and_refusals_of_most_kinds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/token");
        let (mut believed, mut reasons) = (0, std::collections::BTreeSet::new());
        for entry in fs::read_dir(folder).unwrap() {
            let token = token_of(&fs::read(entry.unwrap().path()).unwrap()).expect("a token");
            match verify(&token, &WORLD.expectations, &WORLD.keys, NOW) {
                Ok(_) => believed += 1,
                Err(reason) => {
                    reasons.insert(reason.as_str());
                }
            }
        }
        assert!(believed >= 5 && reasons.len() >= 15, "{believed} believed, {reasons:?}");
    }
}
