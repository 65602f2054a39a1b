use serde_json::{Map, Value};

use super::*;
use crate::jose::jwk;

fn jwk(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

const RFC7638_RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256"}"#;
const RFC7515_EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"a3"}"#;
const RFC8037_ED: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

// RFC 7638 section 3.1, RFC 8037 appendix A.3
#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let rsa = VerifyingKey::from_jwk(&jwk(RFC7638_RSA)).unwrap();
    assert_eq!(&**rsa.kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    let ed = VerifyingKey::from_jwk(&jwk(RFC8037_ED)).unwrap();
    assert_eq!(&**ed.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

// RFC 7515 appendix A.3, RFC 8037 appendix A.4
#[test]
fn signatures_of_the_rfcs_verify() {
    let ec = VerifyingKey::from_jwk(&jwk(RFC7515_EC)).unwrap();
    assert_eq!((ec.algorithm(), &**ec.kid()), (Algorithm::Es256, "a3"));
    let message = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert!(ec.verify(message.as_bytes(), &decoded(signature)));

    let ed = VerifyingKey::from_jwk(&jwk(RFC8037_ED)).unwrap();
    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert!(ed.verify(message.as_bytes(), &decoded(signature)));
    assert!(!ed.verify(b"another", &decoded(signature)));
}

fn decoded(text: &str) -> Vec<u8> {
    jwk::bytes(&Map::from_iter([("x".to_owned(), Value::from(text))]), "x").unwrap()
}

#[test]
fn a_key_survives_export_and_keeps_its_name() {
    // RSA takes seconds to make; `every_algorithm_round_trips` covers it.
    for algorithm in [Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa, Algorithm::Hs384] {
        let key = SigningKey::generate(algorithm).unwrap();
        let copy = SigningKey::from_private_key(algorithm, key.private_key().unwrap().expose()).unwrap();
        assert_eq!(copy.kid(), key.kid());
        assert_eq!(key.kid().len(), 43);
        assert_eq!(copy.verifying_key().public_jwk(), key.verifying_key().public_jwk());
    }
}

// E8: one key, one algorithm.
#[test]
fn a_private_key_serves_its_own_algorithm_only() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap().private_key().unwrap();
    for algorithm in [Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256] {
        assert_eq!(SigningKey::from_private_key(algorithm, key.expose()).err(), Some(KeyError::Malformed));
    }
    assert!(SigningKey::from_private_key(Algorithm::Hs256, &[1; 31]).is_err());
    assert!(SigningKey::from_private_key(Algorithm::EdDsa, b"").is_err());
}

// E8: a shared secret has no public half.
#[test]
fn a_shared_secret_is_never_described() {
    let key = SigningKey::generate(Algorithm::Hs256).unwrap();
    assert!(key.verifying_key().public_jwk().is_none());
    let printed = format!("{key:?} {:?}", key.verifying_key());
    assert!(!printed.contains(&jwk::encode(key.private_key().unwrap().expose())));
}

// T24, RFC 7517 section 4, E9
#[test]
fn keys_that_cannot_be_trusted_are_refused() {
    let rows = [
        (r#"{"kty":"oct","k":"AAAA"}"#, KeyError::NotPublic),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA","d":"AAAA"}"#, KeyError::NotPublic),
        (r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, KeyError::Malformed),
        (r#"{"kty":"EC","crv":"P-256"}"#, KeyError::Malformed),
        (r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#, KeyError::UnsupportedAlgorithm),
        (r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#, KeyError::UnsupportedAlgorithm),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, KeyError::Malformed),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","use":"enc"}"#, KeyError::NotForSigning),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","alg":"RSA-OAEP"}"#, KeyError::UnsupportedAlgorithm),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","alg":"none"}"#, KeyError::UnsupportedAlgorithm),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","alg":"HS256"}"#, KeyError::Malformed),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","alg":"ES256"}"#, KeyError::Malformed),
        (r#"{"alg":"RS256"}"#, KeyError::UnsupportedAlgorithm),
    ];
    for (text, expected) in rows {
        assert_eq!(VerifyingKey::from_jwk(&jwk(text)).err(), Some(expected), "{text}");
    }
    // A point that is not on the curve.
    let off = RFC7515_EC.replace("f83O", "f83P");
    assert_eq!(VerifyingKey::from_jwk(&jwk(&off)).err(), Some(KeyError::Malformed));
    let wrong_curve = RFC7515_EC.replace(r#""kid""#, r#""alg":"ES384","kid""#);
    assert_eq!(VerifyingKey::from_jwk(&jwk(&wrong_curve)).err(), Some(KeyError::Malformed));
}
