//! `fusionauth-legacy`: the first version, besides the conversation of `transcript/fusionauth_legacy.http`.

use faregate::model::{Profile, ScopeHandling, Tenant};
use serde_json::json;

use crate::support::authorization_server::{TestServer, encode, speaking};
use crate::support::browser::Browser;
use crate::support::people::{ADA, ADA_EMAIL, CALLBACK, CHALLENGE, PASSWORD, SPA, VERIFIER, WEB, members, redemption};

fn as_documented(tenant: &mut Tenant) {
    speaking(Profile::FusionAuthLegacy)(tenant);
    tenant.issuer = Some("acme.com".to_owned());
    tenant.access_token_algorithm = "HS256".to_owned();
    tenant.id_token_algorithm = "HS256".to_owned();
}

// F-087, F-116: key for key, in their order, whatever the scopes.
#[tokio::test]
async fn answers_have_the_members_of_the_first_version() {
    let server = TestServer::with_people_and(as_documented).await;
    let tokens = server.tokens(WEB, "openid offline_access email").await;
    assert_eq!(
        members(&tokens.json()),
        ["access_token", "expires_in", "id_token", "refresh_token", "token_type", "userId"]
    );
    assert_eq!((&tokens.json()["token_type"], &tokens.json()["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(tokens.json()["userId"], json!(ADA));
    let refreshed = server.refresh(WEB, &tokens.refresh_token()).await;
    assert_eq!(members(&refreshed.json()), ["access_token", "expires_in", "id_token", "token_type", "userId"]);
}

// F-200, F-203, F-204, F-205, D26: a token that says what the documentation's says, signed as its is.
#[tokio::test]
async fn tokens_say_what_the_first_version_said() {
    let server = TestServer::with_people_and(as_documented).await;
    // It knew one way to tell claims, whatever an application says now.
    server.change(WEB, |settings| settings.scope_handling = ScopeHandling::Strict).await;
    server.absorb().await;
    let tokens = server.tokens(WEB, "").await;
    let (header, claims) = (tokens.token_header(), tokens.claims());
    assert_eq!((&header["alg"], &header["typ"]), (&json!("HS256"), &json!("JWT")));
    assert_eq!((&claims["iss"], &claims["roles"]), (&json!("acme.com"), &json!(["admin", "user"])));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    for name in ["applicationId", "aud", "authenticationType", "email", "email_verified", "sub"] {
        assert!(claims.get(name).is_some(), "{name}: {claims}");
    }
    let said = server.introspect(WEB, &tokens.access_token()).await.json();
    assert_eq!((&said["active"], &said["email"]), (&json!(true), &json!(ADA_EMAIL)));
    // F-148, without `openid`.
    let header = format!("Bearer {}", tokens.access_token());
    let user = server.get("/oauth2/userinfo").header("Authorization", &header).send().await.json();
    assert_eq!((&user["given_name"], &user["roles"]), (&json!("Ada"), &json!(["admin", "user"])));
    // A secret is in no key set.
    assert_eq!(server.get("/.well-known/jwks.json").send().await.json(), json!({ "keys": [] }));
    let metadata = server.get("/.well-known/openid-configuration").send().await.json();
    assert_eq!(metadata["issuer"], "acme.com");
}

// F-052, F-053: the code, and the state if one was sent.
#[tokio::test]
async fn a_redirect_says_code_and_state() {
    let server = TestServer::with_people_and(as_documented).await;
    for (state, expected) in [("&state=x", &["code", "state"][..]), ("", &["code"])] {
        let form = format!(
            "client_id={WEB}&redirect_uri={}&response_type=code&scope=openid{state}&loginId={ADA_EMAIL}&password={}",
            encode(CALLBACK),
            encode(PASSWORD)
        );
        let shown = Browser::new(&server).post("/oauth2/authorize", &form).await;
        let names: Vec<_> = shown.response().into_keys().filter(|name| name != "x").collect();
        assert_eq!(names, expected);
    }
}

// F-116, C3: clients of that time keep the refresh token that they have, and those without a secret too.
#[tokio::test]
async fn a_refresh_token_stays() {
    for (profile, stays) in
        [(Profile::FusionAuthLegacy, true), (Profile::FusionAuth, false), (Profile::Standard, false)]
    {
        let server = TestServer::with_people_and(speaking(profile)).await;
        let code =
            server.code_with(SPA, "offline_access", |code| code.code_challenge = Some(CHALLENGE.to_owned())).await;
        let form = format!("{}&code_verifier={VERIFIER}", redemption(&code));
        let refresh_token = server.ask_openly(SPA, &form).await.refresh_token();
        let refreshed = server.refresh(SPA, &refresh_token).await;
        assert_eq!(refreshed.status, 200, "{profile:?}");
        assert_eq!(refreshed.json().get("refresh_token").is_none(), stays, "{profile:?}");
    }
}
