//! Uses of a passkey that are really signed, beside a plain second reading of what was said. Owns no rule of passkeys.

#![allow(clippy::expect_used, reason = "a target fails by panicking")]

use std::sync::LazyLock;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ceremony::{Assertion, RelyingParty, handle, register};
use crate::fuzzing::first_line;
use crate::model::{Passkey, PasskeyAlgorithm};

const HERE: RelyingParty<'_> = RelyingParty { id: "localhost", origin: "http://localhost:8080" };
const CHALLENGE: &str = "1764000000.0.c2VhbA";

struct Device {
    pair: Ed25519KeyPair,
    passkey: Passkey,
}

static DEVICE: LazyLock<Device> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    let public_key: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
    let passkey = Passkey {
        id: "aWQ".to_owned(),
        algorithm: PasskeyAlgorithm::EdDsa,
        public_key: URL_SAFE_NO_PAD.encode(public_key.as_ref()),
        sign_count: 0,
        name: String::new(),
        created_at: 0,
    };
    Device { pair, passkey }
});

/// The first line: what the browser says (`clientDataJSON`). The rest: what the authenticator says after the hash of the host, or
/// after another hash if the line begins with `!`.
///
/// # Panics
/// If a use counts that is not what was asked for, or does not although it is; if a new passkey is believed for less; or if one
/// altered byte does not matter.
pub fn passkey(input: &[u8]) {
    let (line, rest) = first_line(input);
    let (host, client_data) = match line.strip_prefix(b"!") {
        Some(line) => ("elsewhere", line),
        None => (HERE.id, line),
    };
    let authenticator_data = [digest::digest(&digest::SHA256, host.as_bytes()).as_ref(), rest].concat();
    let hash = digest::digest(&digest::SHA256, client_data);
    let signature = DEVICE.pair.sign(&[&authenticator_data, hash.as_ref()].concat()).as_ref().to_vec();
    let answer = |signature: &[u8]| {
        let response = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "authenticatorData": URL_SAFE_NO_PAD.encode(&authenticator_data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "userHandle": handle(Uuid::nil()),
            "publicKey": DEVICE.passkey.public_key,
            "publicKeyAlgorithm": -8,
        });
        json!({ "id": DEVICE.passkey.id, "response": response }).to_string()
    };
    let verdict = |answer: &str| {
        let used = Assertion::parse(answer).ok()?;
        used.verify(&DEVICE.passkey, HERE, CHALLENGE).ok()
    };
    let whole = answer(&signature);
    let is_short = whole.len() <= 16 * 1024;
    let used = verdict(&whole);
    let expected = is_as_asked(client_data, "webauthn.get") && is_from_owner(host, rest);
    assert!(used.is_none() || expected, "counts although it must not");
    // Members that are there twice are refused, which the second reading does not see.
    let is_plain =
        serde_json::from_slice::<Value>(client_data).is_ok_and(|said| said.to_string().as_bytes() == client_data);
    assert!(used.is_some() || !(expected && is_plain && is_short), "refused for no reason");
    if let Some(count) = used {
        assert_eq!(count.to_be_bytes(), rest[1..5]);
        let at = usize::from(rest[4]) % signature.len();
        let mut altered = signature.clone();
        altered[at] ^= 1;
        assert_eq!(verdict(&answer(&altered)), None, "another signature counts");
    }
    if let Ok(made) = register(&whole, HERE, CHALLENGE) {
        assert!(is_as_asked(client_data, "webauthn.create") && is_from_owner(host, rest) && rest[0] & 0x40 != 0);
        assert_eq!((made.id.as_str(), &rest[21..23]), ("aWQ", &[0, 2][..]));
    }
}

fn is_as_asked(client_data: &[u8], what: &str) -> bool {
    let Ok(said) = serde_json::from_slice::<Value>(client_data) else { return false };
    said["type"] == what
        && said["challenge"] == URL_SAFE_NO_PAD.encode(CHALLENGE)
        && said["origin"] == HERE.origin
        && [None, Some(&Value::Bool(false))].contains(&said.get("crossOrigin"))
        && said.get("topOrigin").is_none_or(Value::is_null)
}

/// There and verified, and not backed up where that cannot be.
fn is_from_owner(host: &str, rest: &[u8]) -> bool {
    host == HERE.id && rest.len() >= 5 && rest[0] & 5 == 5 && rest[0] & 0x18 != 0x10
}
