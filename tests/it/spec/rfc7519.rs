//! RFC 7515 and RFC 7519 with a second opinion: the `jsonwebtoken` crate reads our tokens and we read its.

use std::sync::Arc;

use faregate::jose::{Algorithm, Expectations, KeySet, SigningKey, verify};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};

use crate::support::authorization_server::{EMAIL, NOW, PUBLIC_URL, TestServer};

// RFC 7519 7.2, RFC 7517 5: what others need to verify our tokens is in the key set.
#[tokio::test]
async fn others_verify_our_tokens_with_our_key_set() {
    for algorithm in ["ES256", "ES384", "EdDSA"] {
        let server = TestServer::start_with(|tenant| tenant.access_token_algorithm = algorithm.to_owned()).await;
        let token = server.token("target-entity:email").await.access_token();
        let set: JwkSet = serde_json::from_slice(&server.get("/.well-known/jwks.json").send().await.body).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let key = DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[EMAIL.to_string()]);
        validation.set_issuer(&[PUBLIC_URL]);
        // The clock of the test is not that of the crate.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(claims["exp"], NOW + 3600, "{algorithm}");
    }
}

// RFC 7515 5.1, RFC 7518 3.2 to 3.5
#[test]
fn we_verify_the_tokens_of_others() {
    let pairs = [
        (Algorithm::Es256, jsonwebtoken::Algorithm::ES256),
        (Algorithm::Es384, jsonwebtoken::Algorithm::ES384),
        (Algorithm::EdDsa, jsonwebtoken::Algorithm::EdDSA),
        (Algorithm::Hs256, jsonwebtoken::Algorithm::HS256),
        (Algorithm::Hs512, jsonwebtoken::Algorithm::HS512),
    ];
    for (ours, theirs) in pairs {
        let key = SigningKey::generate(ours).unwrap();
        let private = key.private_key().unwrap();
        let encoding = match ours {
            Algorithm::EdDsa => EncodingKey::from_ed_der(private.expose()),
            Algorithm::Hs256 | Algorithm::Hs512 => EncodingKey::from_secret(private.expose()),
            _ => EncodingKey::from_ec_der(private.expose()),
        };
        let header = Header { typ: Some("at+jwt".to_owned()), kid: Some(key.kid().to_owned()), ..Header::new(theirs) };
        let claims = json!({ "iss": PUBLIC_URL, "exp": NOW + 1, "aud": "a" });
        let token = jsonwebtoken::encode(&header, &claims, &encoding).unwrap();
        let expectations = Expectations { algorithms: [ours].into_iter().collect(), ..Expectations::new(PUBLIC_URL) };
        let keys = KeySet::new([Arc::clone(key.verifying_key())]);
        assert_eq!(Value::Object(verify(&token, &expectations, &keys, NOW).unwrap().claims), claims, "{ours:?}");
    }
}
