//! Tokens for tokens, and for claims.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{ANN, PASSWORD, People, claims, done, text};
use super::{Answer, Caller};
use crate::support::gateway::client;

async fn refresh(people: &People, refresh_token: &str) -> Answer {
    people.stranger().post("/api/jwt/refresh", json!({ "refreshToken": refresh_token })).await
}

/// A token of Ann's that says nothing about an end of its own.
async fn issued(people: &People, token: &str, query: &str) -> Answer {
    Caller::with_key(&people.gateway, &format!("Bearer {token}")).get(&format!("/api/jwt/issue?{query}")).await
}

// D-14, F-118, C3, C6: whoever is not the client gets another token, and so do all who present the same one at once
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_is_rotated_once_however_many_present_it() {
    let people = People::start().await;
    let (token, first) = people.tokens_of_ann().await;
    let (a, b, c, d) = tokio::join!(
        refresh(&people, &first),
        refresh(&people, &first),
        refresh(&people, &first),
        refresh(&people, &first)
    );
    let successor = text(&a.body, "refreshToken");
    assert_ne!(successor, first);
    for answer in [a, b, c, d] {
        let answer = done(answer);
        assert_eq!(answer.body["refreshToken"], successor);
        let new = text(&answer.body, "token");
        assert_eq!(people.status_of("/readers/x", &new).await, 200);
        let (old, new) = (claims(&token), claims(&new));
        assert_eq!(new["authenticationType"], "REFRESH_TOKEN");
        for name in ["sub", "gid", "auth_time", "amr", "aud", "roles"] {
            assert_eq!(old[name], new[name], "{name}");
        }
    }
    let listed = people.root().get(&format!("/api/jwt/refresh?userId={ANN}")).await;
    assert_eq!(listed.body["refreshTokens"].as_array().unwrap().len(), 1, "one family: {listed:?}");
    assert!(done(refresh(&people, &successor).await).body["token"].is_string());
}

// F-119: a shorter life may be asked for; the access token that comes along has to belong to the refresh token
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_with_a_refresh_token_is_checked() {
    let people = People::start().await;
    let (token, refresh_token) = people.tokens_of_ann().await;
    let stranger = people.stranger();
    let shorter = json!({ "refreshToken": refresh_token, "token": token, "timeToLiveInSeconds": 60 });
    let answer = done(stranger.post("/api/jwt/refresh", shorter).await);
    let short = claims(&text(&answer.body, "token"));
    assert_eq!(short["exp"].as_i64().unwrap() - short["iat"].as_i64().unwrap(), 60, "{short}");
    let refresh_token = text(&answer.body, "refreshToken");
    let other = people.application("other", json!({})).await;
    people.register(ANN, &other).await;
    let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": other });
    let foreign = text(&done(people.root().post("/api/login", login).await).body, "token");
    for wrong in [&*foreign, "x.y.z", &format!("{token}x")] {
        let answer = stranger.post("/api/jwt/refresh", json!({ "refreshToken": refresh_token, "token": wrong })).await;
        assert_eq!((answer.status, answer.codes()), (400, vec!["[invalid]token"]), "{wrong}");
    }
    for (wrong, code) in [
        (json!({}), "[blank]refreshToken"),
        (json!({ "refreshToken": 7 }), "[invalid]refreshToken"),
        (json!({ "refreshToken": "unknown" }), "[invalid]refreshToken"),
        (json!({ "refreshToken": token }), "[invalid]refreshToken"),
        (json!({ "refreshToken": refresh_token, "timeToLiveInSeconds": 0 }), "[invalid]timeToLiveInSeconds"),
        (json!({ "refreshToken": refresh_token, "timeToLiveInSeconds": 3601 }), "[invalid]timeToLiveInSeconds"),
    ] {
        let answer = stranger.post("/api/jwt/refresh", wrong.clone()).await;
        assert_eq!((answer.status, answer.codes()), (400, vec![code]), "{wrong}");
    }
    done(people.root().delete(&format!("/api/user/{ANN}")).await);
    assert_eq!(refresh(&people, &refresh_token).await.codes(), ["[invalid]refreshToken"], "the user is locked");
}

// RFC 6749 6, C1: an application that refreshes its tokens itself has nobody else do it, but for a holder of a key
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_decides_whether_the_token_alone_is_enough() {
    let people = People::start().await;
    let only = json!({ "loginConfiguration": { "generateRefreshTokens": true } });
    let strict = people.application("strict", only).await;
    people.register(ANN, &strict).await;
    let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": strict });
    let refresh_token = text(&done(people.root().post("/api/login", login).await).body, "refreshToken");
    let answer = refresh(&people, &refresh_token).await;
    assert_eq!((answer.status, answer.body), (401, json!(null)));
    let body = json!({ "refreshToken": refresh_token });
    let kept = done(people.root().post("/api/jwt/refresh", body.clone()).await);
    assert_eq!(kept.body["refreshToken"], refresh_token, "reusable for whoever is vouched for");
    assert!(kept.body["refreshTokenId"].is_string());
    assert_eq!(Caller::with_key(&people.gateway, "wrong").post("/api/jwt/refresh", body.clone()).await.status, 401);
    let made = done(people.root().post("/api/tenant", json!({ "tenant": { "name": "other" } })).await);
    let elsewhere = people.root().of_tenant(&text(&made.body["tenant"], "id")).post("/api/jwt/refresh", body).await;
    assert_eq!((elsewhere.status, elsewhere.codes()), (400, vec!["[invalid]refreshToken"]));
}

// D-14, F-142: the same login for another application of the operator's, and no longer than the token that was shown
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_issued_for_another_application() {
    let people = People::start().await;
    let second = people.application("second", json!({})).await;
    people.register(ANN, &second).await;
    let (token, refresh_token) = people.tokens_of_ann().await;
    let answer = done(issued(&people, &token, &format!("applicationId={second}")).await);
    assert_eq!(answer.body.get("refreshToken"), None);
    let (old, new) = (claims(&token), claims(&text(&answer.body, "token")));
    assert_eq!((&new["aud"], &new["authenticationType"]), (&json!(second), &json!("JWT_SSO")));
    for name in ["sub", "gid", "auth_time", "amr"] {
        assert_eq!(old[name], new[name], "{name}");
    }
    assert!(new["exp"].as_i64() <= old["exp"].as_i64());
    // With the refresh token there is one for the second application, with a grant of its own.
    let query = format!("applicationId={second}&refreshToken={refresh_token}");
    let both = done(issued(&people, &token, &query).await);
    let own = text(&both.body, "refreshToken");
    assert_ne!(claims(&text(&both.body, "token"))["gid"], old["gid"]);
    assert_eq!(claims(&text(&done(refresh(&people, &own).await).body, "token"))["aud"], json!(second));
    // What hangs on the first grant ends with it.
    done(people.stranger().post("/api/logout", json!({ "refreshToken": refresh_token })).await);
    assert_eq!(people.status_of("/any/x", &text(&answer.body, "token")).await, 401);
    assert_eq!(people.status_of("/any/x", &text(&both.body, "token")).await, 200);
}

// C1: nobody consented to more than they were asked for
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_issued_for_whom_it_is_not_meant() {
    let people = People::start().await;
    let third = json!({ "oauthConfiguration": { "relationship": "ThirdParty" } });
    let (foreign, empty) = (people.application("foreign", third).await, people.application("empty", json!({})).await);
    people.register(ANN, &foreign).await;
    let (token, refresh_token) = people.tokens_of_ann().await;
    assert_eq!(issued(&people, &token, &format!("applicationId={foreign}")).await.status, 401);
    assert_eq!(issued(&people, &token, &format!("applicationId={empty}")).await.status, 404, "not registered");
    assert_eq!(issued(&people, &token, &format!("applicationId={}", Uuid::nil())).await.status, 404);
    assert_eq!(issued(&people, &token, "").await.codes(), ["[missing]applicationId"]);
    assert_eq!(issued(&people, &token, "applicationId=x").await.codes(), ["[invalid]applicationId"]);
    let shop = &people.shop;
    assert_eq!(issued(&people, &format!("{token}x"), &format!("applicationId={shop}")).await.status, 401);
    let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": foreign });
    let of_foreign = done(people.root().post("/api/login", login).await).body;
    let query = format!("applicationId={shop}");
    assert_eq!(issued(&people, &text(&of_foreign, "token"), &query).await.status, 401, "a third party's token");
    for wrong in ["unknown", &text(&of_foreign, "refreshToken")] {
        let answer = issued(&people, &token, &format!("{query}&refreshToken={wrong}")).await;
        assert_eq!((answer.status, answer.codes()), (400, vec!["[invalid]refreshToken"]));
    }
    done(refresh(&people, &refresh_token).await);
    let rotated = issued(&people, &token, &format!("{query}&refreshToken={refresh_token}")).await;
    assert_eq!(rotated.codes(), ["[invalid]refreshToken"], "it was rotated");
    let entity = people.gateway.reader().await;
    assert_eq!(issued(&people, &entity, &query).await.status, 401, "nobody's");
    assert_eq!(people.root().get(&format!("/api/jwt/issue?{query}")).await.status, 401, "a key is no token");
}

// RFC 8707 3, E1: an API that was called with a token cannot make more of it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_an_api_buys_none_for_an_application() {
    let people = People::start().await;
    let token = people.token_for_api().await;
    let answer = issued(&people, &token, &format!("applicationId={}", people.shop)).await;
    assert_eq!((answer.status, answer.body), (401, json!(null)));
}

// F-204: tenants that came from FusionAuth often say the same issuer
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_that_say_the_same_issuer_are_told_apart() {
    let people = People::start().await;
    for name in ["one", "other"] {
        let made = json!({ "tenant": { "name": name, "issuer": "acme.com" } });
        let tenant = text(&done(people.root().post("/api/tenant", made).await).body["tenant"], "id");
        let there = people.root().of_tenant(&tenant);
        let made = json!({ "application": { "name": "shop" } });
        let shop = text(&done(there.post("/api/application", made).await).body["application"], "id");
        let user = json!({ "username": "ann", "password": PASSWORD });
        let body = json!({ "user": user, "registration": { "applicationId": shop } });
        done(there.post("/api/user/registration", body).await);
        let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": shop });
        let token = text(&done(there.post("/api/login", login).await).body, "token");
        assert_eq!(claims(&token)["iss"], "acme.com");
        let bearer = Caller::with_key(&people.gateway, &format!("Bearer {token}"));
        assert_eq!(done(bearer.get("/api/jwt/validate").await).body["jwt"]["tid"], tenant, "{name}");
    }
}

// RFC 8725 3.11, E2: what is vended verifies with the published keys and opens nothing here
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vended_claims_are_signed_and_good_for_nothing_here() {
    use base64::Engine as _;
    let people = People::start().await;
    let (token, _) = people.tokens_of_ann().await;
    let mut wanted = claims(&token);
    for own in ["exp", "iat", "iss", "jti", "tid"] {
        wanted.as_object_mut().unwrap().remove(own);
    }
    wanted["favorite"] = json!({ "color": "blue" });
    let mut sent = wanted.clone();
    // These two are computed, whatever is sent.
    (sent["exp"], sent["iat"]) = (json!(1), json!("x"));
    let body = json!({ "claims": sent, "timeToLiveInSeconds": 90 });
    let vended = text(&done(people.root().post("/api/jwt/vend", body).await).body, "token");
    let said = claims(&vended);
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&said[name], value, "{name}");
    }
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 90);
    assert_eq!((&said["iss"], &said["tid"]), (&claims(&token)["iss"], &claims(&token)["tid"]));
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(vended.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["typ"], "vended+jwt");
    let published = client().get(people.gateway.url("/.well-known/jwks.json")).send().await.unwrap();
    let published = published.text().await.unwrap();
    let keys = faregate::jose::KeySet::parse(&published).unwrap();
    let (signed, signature) = vended.rsplit_once('.').unwrap();
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(keys.find(header["kid"].as_str().unwrap()).unwrap().verify(signed.as_bytes(), &signature));
    // Nothing of ours takes it.
    assert_eq!(people.status_of("/any/x", &vended).await, 401);
    let bearer = Caller::with_key(&people.gateway, &format!("Bearer {vended}"));
    assert_eq!(bearer.get("/api/jwt/validate").await.status, 401);
    assert_eq!(bearer.get("/api/user").await.status, 401);
    let (_, told) = people.gateway.post_form("/oauth2/introspect", &[("token", &vended)]).await;
    assert_ne!(told["active"], true, "{told}");
    let known = done(people.root().get("/api/key").await).body;
    let known = known["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    for key_id in [&header["kid"], &known["id"]] {
        let with_key = json!({ "claims": {}, "keyId": key_id });
        let vended = text(&done(people.root().post("/api/jwt/vend", with_key).await).body, "token");
        assert_eq!(vended.split('.').next(), signed.split('.').next(), "the same header, and so the same key");
    }
    for (wrong, code) in [
        (json!({ "claims": { "iss": "somebody else" } }), "[invalid]claims"),
        (json!({ "claims": { "nbf": 1 } }), "[invalid]claims"),
        (json!({ "claims": [] }), "[invalid]claims"),
        (json!({ "keyId": "unknown" }), "[invalid]keyId"),
        (json!({ "keyId": Uuid::nil() }), "[invalid]keyId"),
        (json!({ "timeToLiveInSeconds": 0 }), "[invalid]timeToLiveInSeconds"),
        (json!({ "timeToLiveInSeconds": 86_401 }), "[invalid]timeToLiveInSeconds"),
    ] {
        let answer = people.root().post("/api/jwt/vend", wrong.clone()).await;
        assert_eq!((answer.status, answer.codes()), (400, vec![code]), "{wrong}");
    }
    assert_eq!(people.stranger().post("/api/jwt/vend", json!({})).await.status, 401);
}

// D-14, E8: keys as PEM by name, by application and all at once; another implementation verifies with them
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_published_as_pem() {
    use base64::Engine as _;
    let people = People::start().await;
    let stranger = people.stranger();
    let (token, _) = people.tokens_of_ann().await;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let kid = header["kid"].as_str().unwrap();
    let by_kid = done(stranger.get(&format!("/api/jwt/public-key?kid={kid}")).await);
    let pem = text(&by_kid.body, "publicKey");
    let by_application = stranger.get(&format!("/api/jwt/public-key?applicationId={}", people.shop)).await;
    assert_eq!(done(by_application).body, by_kid.body);
    let all = done(stranger.get("/api/jwt/public-key").await);
    assert_eq!(all.body["publicKeys"][kid], pem);
    let key = openssl::ec::EcKey::public_key_from_pem(pem.as_bytes()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let number = |bytes| openssl::bn::BigNum::from_slice(bytes).unwrap();
    let (r, s) = (number(&signature[..32]), number(&signature[32..]));
    let signature = openssl::ecdsa::EcdsaSig::from_private_components(r, s).unwrap();
    assert!(signature.verify(&openssl::sha::sha256(signed.as_bytes()), &key).unwrap());
    for unknown in ["kid=unknown".to_owned(), format!("applicationId={}", Uuid::nil())] {
        assert_eq!(stranger.get(&format!("/api/jwt/public-key?{unknown}")).await.status, 404);
    }
    assert_eq!(stranger.get("/api/jwt/public-key?applicationId=x").await.codes(), ["[invalid]applicationId"]);
    // A shared secret is nobody's to see.
    let body = json!({ "key": { "name": "shared", "algorithm": "HS256" } });
    let shared = done(people.root().post("/api/key/generate", body).await).body["key"].clone();
    let tenant = json!({ "tenant": { "name": "shared", "jwtConfiguration": { "accessTokenKeyId": shared["id"] } } });
    done(people.root().post("/api/tenant", tenant).await);
    let of_shared = format!("/api/jwt/public-key?kid={}", text(&shared, "kid"));
    assert_eq!(stranger.get(&of_shared).await.status, 404);
}

// there is no identity provider whose tokens could be reconciled: the answer names the member
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_other_providers_are_not_reconciled() {
    let people = People::start().await;
    let body = json!({ "applicationId": people.shop, "data": { "token": "x.y.z" }, "identityProviderId": Uuid::nil() });
    for (body, code) in [
        (body, "[invalid]identityProviderId"),
        (json!({ "identityProviderId": "x" }), "[invalid]identityProviderId"),
        (json!({}), "[missing]identityProviderId"),
    ] {
        let answer = people.stranger().post("/api/jwt/reconcile", body.clone()).await;
        assert_eq!((answer.status, answer.codes()), (400, vec![code]), "{body}");
    }
}

// I7, I8: logging out ends the grant at once, and says nothing about tokens that are unknown
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_ends_the_grant_or_everything() {
    let people = People::start().await;
    let (here, refresh_here) = people.tokens_of_ann().await;
    let (there, refresh_there) = people.tokens_of_ann().await;
    let stranger = people.stranger();
    let path = format!("/api/logout?global=false&refreshToken={refresh_here}");
    for _ in 0..2 {
        let answer = done(stranger.send(Method::POST, &path, None).await);
        assert_eq!((answer.media_type, answer.body), (None, json!(null)));
    }
    assert_eq!((people.status_of("/any/x", &here).await, people.status_of("/any/x", &there).await), (401, 200));
    assert_eq!(refresh(&people, &refresh_here).await.status, 400);
    for nothing in [json!({}), json!({ "refreshToken": "unknown", "global": true })] {
        done(stranger.post("/api/logout", nothing).await);
    }
    assert_eq!(stranger.post("/api/logout", json!({ "global": "yes" })).await.codes(), ["[invalid]global"]);
    // A third party's application ends what it was given, and no more.
    let third = json!({
        "loginConfiguration": { "generateRefreshTokens": true }, "oauthConfiguration": { "relationship": "ThirdParty" },
    });
    let foreign = people.application("foreign", third).await;
    let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": foreign });
    let foreign = people.root().post("/api/login", login).await.body;
    done(stranger.post("/api/logout", json!({ "refreshToken": foreign["refreshToken"], "global": true })).await);
    let statuses =
        (people.status_of("/any/x", &text(&foreign, "token")).await, people.status_of("/any/x", &there).await);
    assert_eq!(statuses, (401, 200));
    let (elsewhere, _) = people.tokens_of_ann().await;
    done(stranger.post("/api/logout", json!({ "refreshToken": refresh_there, "global": true })).await);
    for token in [&there, &elsewhere] {
        assert_eq!(people.status_of("/any/x", token).await, 401);
    }
}

// D-14, C9: one refresh token by its text, and the same choices in a body as in the query
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_tokens_are_ended_by_their_text() {
    let people = People::start().await;
    let root = people.root();
    let delete =
        |body: Value| root.send(Method::DELETE, "/api/jwt/refresh", Some(("application/json", body.to_string())));
    let (first, refresh_first) = people.tokens_of_ann().await;
    let (second, refresh_second) = people.tokens_of_ann().await;
    let (third, _) = people.tokens_of_ann().await;
    assert_eq!(root.delete("/api/jwt/refresh?token=unknown").await.status, 404);
    let foreign = format!("/api/jwt/refresh?token={refresh_first}&userId={}", Uuid::nil());
    assert_eq!(root.delete(&foreign).await.status, 404);
    done(root.delete(&format!("/api/jwt/refresh?token={refresh_first}&applicationId={}", people.shop)).await);
    done(delete(json!({ "token": refresh_second })).await);
    let mut statuses = Vec::new();
    for token in [&first, &second, &third] {
        statuses.push(people.status_of("/any/x", token).await);
    }
    assert_eq!(statuses, [401, 401, 200]);
    done(delete(json!({ "userId": ANN, "applicationId": people.shop })).await);
    assert_eq!(people.status_of("/any/x", &third).await, 401);
    assert_eq!(delete(json!({})).await.codes(), ["[missing]userId"]);
    assert_eq!(delete(json!({ "userId": "x" })).await.codes(), ["[invalid]userId"]);
}
