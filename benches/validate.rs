//! What believing a token costs: the whole door beside the bare signature check over the same bytes.

use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use faregate::jose::{Algorithm, Expectations, KeySet, SigningKey, TokenType, verify};
use serde_json::json;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://gate.example.com";
const TARGET: &str = "e13365f1-a270-493e-bd1b-3d239d753d53";

/// The claims of an entity token, 650 to 1,000 bytes once signed.
fn claims() -> serde_json::Value {
    json!({
        "aud": TARGET,
        "client_id": "2934f41f-d277-4a32-b0d5-16e47dad9721",
        "exp": NOW + 3600,
        "iat": NOW,
        "iss": ISSUER,
        "jti": "0b02f509-bcf3-4b8d-a3db-03f98ace9d9f",
        "permissions": { TARGET: ["read", "write"] },
        "scope": format!("target-entity:{TARGET}:read,write"),
        "sub": "2934f41f-d277-4a32-b0d5-16e47dad9721",
        "tid": "30663132-6464-6665-3032-326466613934",
    })
}

/// The bare check, with a key that is parsed already.
enum Bare {
    Public(ParsedPublicKey),
    Shared(Box<hmac::Key>),
}

impl Bare {
    fn new(key: &SigningKey) -> Self {
        let private = key.private_key().unwrap();
        let public = |algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
            Self::Public(ParsedPublicKey::new(algorithm, bytes).unwrap())
        };
        match key.algorithm() {
            Algorithm::Rs256 => {
                let pair = aws_lc_rs::rsa::KeyPair::from_pkcs8(private.expose()).unwrap();
                public(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
            }
            Algorithm::Es256 => {
                let signing = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(signing, private.expose()).unwrap();
                public(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())
            }
            Algorithm::EdDsa => {
                let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(private.expose()).unwrap();
                public(&ED25519, pair.public_key().as_ref())
            }
            Algorithm::Hs256 => Self::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, private.expose()))),
            other => panic!("no bare check for {other:?}"),
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::Shared(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

fn cold(criterion: &mut Criterion) {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let keys = KeySet::new([Arc::clone(key.verifying_key())]);
        let expectations = Expectations {
            audiences: [TARGET.into()].into(),
            algorithms: [algorithm].into_iter().collect(),
            ..Expectations::new(ISSUER)
        };
        let token = key.sign(TokenType::AccessToken, &claims()).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let bare = Bare::new(&key);

        let mut group = criterion.benchmark_group(format!("cold/{}", algorithm.as_str()));
        group.bench_function("bare", |bencher| {
            bencher.iter(|| assert!(bare.verify(black_box(message.as_bytes()), black_box(&signature))));
        });
        group.bench_function("door", |bencher| {
            bencher.iter(|| verify(black_box(&token), &expectations, &keys, NOW).unwrap());
        });
        group.bench_function("sign", |bencher| {
            bencher.iter(|| key.sign(TokenType::AccessToken, black_box(&claims())).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, cold);
criterion_main!(benches);
