//! Client credentials between entities: CONTRACT 2.M, item by item.

use serde_json::json;

use faregate::directory::{KeyMaterial, KeySigner, KeyUse};
use faregate::jose::verify;
use faregate::model::{EntityType, KeyPurpose, Profile};
use faregate::oauth::{KeyRingError, NewKey};
use uuid::Uuid;

use crate::support::authorization_server::{
    Answer, CALENDAR, EMAIL, FOREIGN, NOW, OTHER_TENANT, PUBLIC_URL, REPORTS, REPORTS_SECRET, TENANT, TODO_API,
    TestServer, VAULT,
};

// F-181, F-188, F-190, F-191, F-192, F-193, F-194
#[tokio::test]
async fn what_is_granted_is_in_the_token() {
    let server = TestServer::start().await;
    let (email, calendar) = (EMAIL.to_string(), CALENDAR.to_string());
    let all = json!(["read", "scim:user:read", "write"]);
    let rows = [
        ("F-186 one permission", format!("target-entity:{EMAIL}:read"), json!(email), json!({ &email: ["read"] })),
        ("F-190 all permissions", format!("target-entity:{EMAIL}"), json!(email), json!({ &email: all })),
        (
            "F-191 some permissions, in the claim's order",
            format!("target-entity:{EMAIL}:write,read"),
            json!(email),
            json!({ &email: ["read", "write"] }),
        ),
        (
            "F-188 a permission with colons",
            format!("target-entity:{EMAIL}:scim:user:read"),
            json!(email),
            json!({ &email: ["scim:user:read"] }),
        ),
        (
            "F-192 two targets, in the order asked for",
            format!("target-entity:{EMAIL}:read,write target-entity:{CALENDAR}:read"),
            json!([email, calendar]),
            json!({ &email: ["read", "write"], &calendar: ["read"] }),
        ),
        (
            "F-192 the other order",
            format!("target-entity:{CALENDAR} target-entity:{EMAIL}:read"),
            json!([calendar, email]),
            json!({ &calendar: ["read"], &email: ["read"] }),
        ),
        ("a name", "target-entity:email:read".to_owned(), json!(email), json!({ &email: ["read"] })),
        (
            "a name and an id",
            format!("target-entity:email:read target-entity:{CALENDAR}"),
            json!([email, calendar]),
            json!({ &email: ["read"], &calendar: ["read"] }),
        ),
        (
            "one target, asked for twice",
            format!("target-entity:email:read target-entity:{EMAIL}:write"),
            json!(email),
            json!({ &email: ["read", "write"] }),
        ),
        (
            "a permission, asked for twice",
            "target-entity:email:read,read".to_owned(),
            json!(email),
            json!({ &email: ["read"] }),
        ),
        (
            "upper case is the same id",
            format!("target-entity:{}", CALENDAR.to_string().to_uppercase()),
            json!(calendar),
            json!({ &calendar: ["read"] }),
        ),
    ];
    for (name, scope, audience, permissions) in rows {
        let answer = server.token(&scope).await;
        let claims = answer.claims();
        assert_eq!(claims["aud"], audience, "{name}");
        assert_eq!(claims["permissions"], permissions, "{name}");
        assert_eq!(claims["sub"], TODO_API.to_string(), "{name}");
        assert_eq!(answer.json()["scope"], scope, "F-187: {name}");
        assert_eq!(claims["scope"], scope, "{name}");
    }
}

// F-189, F-191, F-195, F-196, F-197: all or nothing, with FusionAuth's reasons.
#[tokio::test]
async fn what_is_not_granted_is_refused_as_a_whole() {
    let server = TestServer::start().await;
    server.add_other_tenant().await;
    let target = "invalid_target_entity_scope";
    let permission = "invalid_entity_permission_scope";
    let rows = [
        ("F-189 no UUID and no name", "target-entity:92dbded-30af-4149-9c61-b578f2c72600".to_owned(), target),
        ("F-189 not hyphenated", format!("target-entity:{}", EMAIL.simple()), target),
        ("F-189 an entity that does not exist", format!("target-entity:{}", uuid::Uuid::from_u128(9)), target),
        ("a name that does not exist", "target-entity:nobody".to_owned(), target),
        ("a name in another case", "target-entity:Email".to_owned(), target),
        ("F-195 not granted", format!("target-entity:{VAULT}"), target),
        ("F-195 not granted, with a permission", format!("target-entity:{VAULT}:read"), target),
        ("F-195 oneself", format!("target-entity:{TODO_API}"), target),
        ("F-196 of another tenant", format!("target-entity:{FOREIGN}"), target),
        ("F-196 of another tenant, by name", "target-entity:foreign".to_owned(), target),
        ("F-191 not granted", format!("target-entity:{EMAIL}:delete"), permission),
        ("F-191 one of two", format!("target-entity:{EMAIL}:read,delete"), permission),
        ("F-191 does not exist", format!("target-entity:{EMAIL}:fly"), permission),
        ("F-191 case matters", format!("target-entity:{EMAIL}:Read"), permission),
        ("F-188 empty permission", format!("target-entity:{EMAIL}:"), permission),
        ("F-192 the second target", format!("target-entity:{EMAIL} target-entity:{VAULT}"), target),
        ("F-192 the second permission", format!("target-entity:{EMAIL} target-entity:{CALENDAR}:write"), permission),
        ("F-197 another scope", "networks".to_owned(), "unknown_scope"),
        ("F-197 openid", format!("openid target-entity:{EMAIL}"), "unknown_scope"),
        ("F-197 a character that no scope has", "target-entity:email\u{e9}".to_owned(), target),
        ("N6 too many", ["target-entity:email"; 65].join(" "), "unknown_scope"),
        ("N6 too long", format!("target-entity:{}", "x".repeat(4096)), "unknown_scope"),
    ];
    for (name, scope, reason) in rows {
        let verdict = server.token(&scope).await.verdict();
        assert_eq!(verdict, (400, "invalid_scope".to_owned(), reason.to_owned()), "{name}");
    }
}

// F-193
#[tokio::test]
async fn without_a_scope_there_is_a_token_for_nothing() {
    let server = TestServer::start().await;
    for scope in ["", " "] {
        let answer = server.token(scope).await;
        let claims = answer.claims();
        for absent in ["aud", "permissions"] {
            assert!(claims.get(absent).is_none(), "{absent} {claims}");
        }
    }
    let body = server.token("").await.json();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["access_token", "expires_in", "token_type"]);
}

// F-181: `sub` is the id even when the client id is something else.
#[tokio::test]
async fn the_subject_is_the_entity() {
    let server = TestServer::start().await;
    let call = server.post("/oauth2/token").basic("reports", REPORTS_SECRET);
    let claims = call.body("grant_type=client_credentials").send().await.claims();
    assert_eq!(claims["sub"], REPORTS.to_string());
    assert_eq!(claims["client_id"], "reports");
    assert_eq!(claims["tid"], TENANT.to_string());
}

// F-187, C11: nothing that belongs to users.
#[tokio::test]
async fn there_is_no_user_in_the_answer() {
    let server = TestServer::start().await;
    let answer = server.token("target-entity:email").await;
    for absent in ["refresh_token", "userId", "id_token", "refresh_token_id"] {
        assert!(answer.json().get(absent).is_none(), "{absent}");
    }
}

// D-07: FusionAuth's `jwtConfiguration` of an entity type: how long the tokens of its entities live, and what signs them
#[tokio::test]
async fn the_type_of_the_caller_says_how_its_tokens_are_made() {
    let server = TestServer::start().await;
    server.add_other_tenant().await;
    let kid = |answer: &Answer| answer.token_header()["kid"].as_str().unwrap().to_owned();
    let own = kid(&server.token("").await);
    let of_type = async |lives_for: Option<i64>, key: Option<Uuid>| {
        let before = server.directory.find_entity_type("API").await.unwrap().unwrap();
        let after = EntityType { access_token_for: lives_for, access_token_key: key, ..before.clone() };
        server.directory.change_entity_type(&before, after).await.unwrap();
    };
    of_type(Some(7), None).await;
    let answer = server.token("target-entity:email").await;
    let claims = answer.claims();
    assert_eq!((&answer.json()["expires_in"], &claims["exp"]), (&json!(7), &json!(NOW + 7)));
    assert_eq!(kid(&answer), own);
    let material = KeyMaterial::Generated { algorithm: "ES384".to_owned(), bits: None };
    let new = NewKey { id: None, name: "machines".to_owned(), tenant_id: None, material, managed_by: None };
    let key = server.keys.create_key(new).await.unwrap().named;
    let wanted = KeyUse { key_id: key.id, purpose: KeyPurpose::AccessToken, signer: KeySigner::EntityTypes };
    assert_eq!(server.keys.use_key(wanted, "key").await.unwrap(), "ES384");
    of_type(None, Some(key.id)).await;
    let answer = server.token("target-entity:email").await;
    assert_eq!((kid(&answer), &answer.json()["expires_in"]), (own.clone(), &json!(3600)), "published, not signing yet");
    for (path, issuer) in
        [("", PUBLIC_URL.to_owned()), (&format!("/{OTHER_TENANT}"), format!("{PUBLIC_URL}/{OTHER_TENANT}"))]
    {
        let published = server.get(&format!("{path}/.well-known/jwks.json")).send().await.json();
        let kids = published["keys"].as_array().unwrap().iter().filter(|shown| shown["kid"] == *key.kid).count();
        assert_eq!(kids, 1, "a type is of every tenant: {path:?} {published}");
        assert!(server.keys.find_issuer(&issuer).is_some());
    }
    server.clock.set(NOW + 600);
    let answer = server.token("target-entity:email").await;
    assert_eq!(kid(&answer), key.kid);
    let issuer = server.keys.find_issuer(PUBLIC_URL).unwrap();
    let verified = verify(&answer.access_token(), &issuer.expectations, &issuer.access_token_keys, server.clock.now());
    assert_eq!(verified.unwrap().claims["aud"], json!(EMAIL));
    let known = server.keys.known_key(key.id).await.unwrap().unwrap();
    assert!(matches!(server.keys.delete_key(&known).await, Err(KeyRingError::Refused(_))), "a type names it");
    of_type(None, None).await;
    assert_eq!(kid(&server.token("").await), own);
    server.keys.delete_key(&known).await.unwrap();
}

// D-07, D6: a tenant whose clients cannot read the key signs with its own
#[tokio::test]
async fn a_type_has_nobody_sign_with_a_key_that_clients_cannot_read() {
    let server = TestServer::start_with(|tenant| {
        tenant.profile = Profile::Auth0;
        tenant.access_token_algorithm = "RS256".to_owned();
        tenant.id_token_algorithm = "RS256".to_owned();
    })
    .await;
    let material = KeyMaterial::Generated { algorithm: "ES256".to_owned(), bits: None };
    let new = NewKey { id: None, name: "machines".to_owned(), tenant_id: None, material, managed_by: None };
    let key = server.keys.create_key(new).await.unwrap().named;
    let wanted = KeyUse { key_id: key.id, purpose: KeyPurpose::AccessToken, signer: KeySigner::EntityTypes };
    server.keys.use_key(wanted, "key").await.unwrap();
    let before = server.directory.find_entity_type("API").await.unwrap().unwrap();
    let after = EntityType { access_token_key: Some(key.id), ..before.clone() };
    server.directory.change_entity_type(&before, after).await.unwrap();
    server.clock.set(NOW + 600);
    let issuer = server.keys.find_issuer(PUBLIC_URL).unwrap();
    let signing = issuer.signing_key_called(Some(key.id), KeyPurpose::AccessToken, NOW + 600);
    assert!(signing.is_none_or(|signing| signing.kid() != key.kid));
}
