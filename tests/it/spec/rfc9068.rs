//! RFC 9068: what an access token is, and that our own door believes it.

use faregate::jose::{Reason, verify};
use faregate::model::Profile;
use serde_json::json;
use uuid::Uuid;

use crate::support::authorization_server::{
    EMAIL, NOW, OTHER_TENANT, PUBLIC_URL, TENANT, TODO_API, TestServer, speaking,
};

// RFC 9068 2.1, 2.2, E2, F-198, F-202
#[tokio::test]
async fn header_and_claims_are_complete() {
    let server = TestServer::start().await;
    let answer = server.token("target-entity:email:read").await;
    let header = answer.token_header();
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(header["alg"], "ES256");
    assert_eq!(header.as_object().unwrap().len(), 3);
    let claims = answer.claims();
    let jti = claims["jti"].as_str().unwrap().to_owned();
    assert_eq!(jti.parse::<Uuid>().unwrap().get_version_num(), 4);
    let expected = json!({
        "aud": EMAIL.to_string(),
        "client_id": TODO_API.to_string(),
        "exp": NOW + 3600,
        "iat": NOW,
        "iss": PUBLIC_URL,
        "jti": jti,
        "permissions": { EMAIL.to_string(): ["read"] },
        "scope": "target-entity:email:read",
        "sub": TODO_API.to_string(),
        "tid": TENANT.to_string(),
    });
    assert_eq!(claims, expected);
    let members: Vec<_> = claims.as_object().unwrap().keys().cloned().collect();
    assert!(members.is_sorted(), "{members:?}");
    assert_ne!(server.token("target-entity:email:read").await.claims()["jti"], claims["jti"]);
}

// F-198: FusionAuth's `typ`.
#[tokio::test]
async fn the_fusionauth_dialect_says_jwt() {
    let server = TestServer::start_with(speaking(Profile::FusionAuth)).await;
    let answer = server.token("").await;
    assert_eq!(answer.token_header()["typ"], "JWT");
    let issuer = server.keys.find_issuer(PUBLIC_URL).unwrap();
    let token = answer.access_token();
    assert!(verify(&token, &issuer.expectations, &issuer.access_token_keys, NOW).is_ok());
}

// F-205, E6: any configured algorithm, HS256 only when a tenant asks for it, and then it is not in the key set.
#[tokio::test]
async fn tenants_choose_their_algorithm() {
    for algorithm in ["ES256", "ES384", "ES512", "EdDSA", "HS256", "HS512"] {
        let server = TestServer::start_with(|tenant| tenant.access_token_algorithm = algorithm.to_owned()).await;
        let answer = server.token("target-entity:email").await;
        assert_eq!(answer.token_header()["alg"], algorithm);
        let issuer = server.keys.find_issuer(PUBLIC_URL).unwrap();
        let verified = verify(&answer.access_token(), &issuer.expectations, &issuer.access_token_keys, NOW).unwrap();
        assert_eq!(verified.expires_at, NOW + 3600);
        let listed = server.get("/.well-known/jwks.json").send().await.json();
        let listed = listed["keys"].as_array().unwrap();
        assert_eq!(listed.iter().any(|key| key["kid"] == answer.token_header()["kid"]), !algorithm.starts_with("HS"));
    }
}

// F7: two tenants are two issuers; a token of one is nothing at the other. E3: an ID token key is no access token key.
#[tokio::test]
async fn issuers_are_apart() {
    let server = TestServer::start().await;
    server.add_other_tenant().await;
    let own = server.keys.find_issuer(PUBLIC_URL).unwrap();
    let other = server.keys.find_issuer(&format!("{PUBLIC_URL}/{OTHER_TENANT}")).unwrap();
    assert!(server.keys.find_issuer("https://gate.example.com/").is_none());
    let token = server.token("").await.access_token();
    assert!(verify(&token, &own.expectations, &own.access_token_keys, NOW).is_ok());
    let reason = |expectations, keys| verify(&token, expectations, keys, NOW).err();
    assert_eq!(reason(&other.expectations, &*other.access_token_keys), Some(Reason::UnknownKey));
    assert_eq!(reason(&other.expectations, &*own.access_token_keys), Some(Reason::WrongIssuer));
    let id_token_key = own.signing_key(faregate::model::KeyPurpose::IdToken, NOW).unwrap();
    assert!(own.access_token_keys.find(id_token_key.kid()).is_none());
    assert!(own.key_set_document().windows(43).any(|window| window == id_token_key.kid().as_bytes()));
}
