//! Applications, their roles and their scopes.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{PASSWORD, People, done};
use super::{Answer, Caller, start};
use crate::support::gateway::client;

const CALLBACK: &str = "https://app.example/callback";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn id(answer: &Answer, of: &str) -> String {
    answer.body[of]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

fn configuration(answer: &Answer) -> &Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    &answer.body["application"]["oauthConfiguration"]
}

// F-001, F-002, F-004, F-008, F-014, F-022, F-028, F-029, D-02: the defaults
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_has_the_defaults_of_fusionauth() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let made = root.post("/api/application", json!({ "application": { "name": "shop" } })).await;
    let application = id(&made, "application");
    let secret = configuration(&made)["clientSecret"].as_str().unwrap();
    assert_eq!(secret.len(), 44);
    let path = format!("/api/application/{application}");
    let found = root.get(&path).await;
    let expected = json!({
        "authorizedOriginURLs": [],
        "authorizedRedirectURLs": [],
        "authorizedURLValidationPolicy": "ExactMatch",
        "clientAuthenticationPolicy": "Required",
        "clientId": application,
        "consentMode": "AlwaysPrompt",
        "debug": false,
        "enabledGrants": ["authorization_code", "refresh_token"],
        "generateRefreshTokens": true,
        "logoutBehavior": "AllApplications",
        "proofKeyForCodeExchangePolicy": "NotRequired",
        "providedScopePolicy": {
            "address": { "enabled": true, "required": false },
            "email": { "enabled": true, "required": false },
            "phone": { "enabled": true, "required": false },
            "profile": { "enabled": true, "required": false },
        },
        "relationship": "FirstParty",
        "requireClientAuthentication": true,
        "requireRegistration": false,
        "scopeHandlingPolicy": "Strict",
        "unknownScopePolicy": "Reject",
    });
    assert_eq!(configuration(&found), &expected, "and never the secret");
    assert_eq!(found.body["application"]["jwtConfiguration"], json!({ "enabled": false }));
    assert_eq!((&found.body["application"]["active"], &found.body["application"]["roles"]), (&json!(true), &json!([])));
    let own = Uuid::from_u128(0xa1);
    let named = root.post(&format!("/api/application/{own}"), json!({ "application": { "name": "own id" } })).await;
    assert_eq!((id(&named, "application"), configuration(&named)["clientId"].clone()), (own.to_string(), json!(own)));
    let deleted = root.delete(&format!("{path}?hardDelete=true")).await;
    assert_eq!((deleted.status, deleted.media_type), (200, None));
    assert_eq!((root.get(&path).await.status, root.delete(&path).await.status), (404, 404));
    assert_eq!(root.delete(&format!("/api/application/{own}?hardDelete=true")).await.status, 200);
    assert_eq!(root.get(&format!("/api/application/{own}")).await.status, 404);
}

// F-001, C9: what is deactivated is out of use and not lost
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inactive_application_is_kept_and_gets_nothing() {
    let people = People::start().await;
    let root = people.root();
    let path = format!("/api/application/{}", people.shop);
    let (token, refresh_token) = people.tokens_of_ann().await;
    assert_eq!(people.status_of("/any/x", &token).await, 200);
    done(root.delete(&path).await);
    let shown = done(root.get(&path).await).body["application"].clone();
    assert_eq!((&shown["active"], &shown["state"]), (&json!(false), &json!("Inactive")));
    assert_eq!(people.status_of("/any/x", &token).await, 401);
    assert_eq!(people.log_in("ann", PASSWORD).await.codes(), ["[invalid]applicationId"]);
    let refresh = || root.post("/api/jwt/refresh", json!({ "refreshToken": refresh_token }));
    assert_eq!(refresh().await.status, 400);
    let (status, refused) = people.gateway.post_form("/oauth2/token", &[("client_id", &*people.shop)]).await;
    assert_ne!(status, 200, "{refused}");
    let count = async |query: &str| {
        done(root.get(&format!("/api/application{query}")).await).body["applications"].as_array().unwrap().len()
    };
    assert_eq!((count("").await, count("?inactive=true").await), (0, 1));
    assert_eq!((count("/search?state=Active").await, count("/search?state=Inactive").await), (0, 1));
    done(root.patch(&path, json!({ "application": { "name": "still closed" } })).await);
    assert_eq!(done(root.get(&path).await).body["application"]["state"], "Inactive");
    let back = done(root.put(&format!("{path}?reactivate=true"), json!({})).await);
    assert_eq!(
        (&back.body["application"]["active"], &back.body["application"]["name"]),
        (&json!(true), &json!("still closed"))
    );
    // What was ended stays so; the user's place there is what it was.
    assert_eq!((people.status_of("/any/x", &token).await, refresh().await.status), (401, 400));
    assert_eq!(people.log_in("ann", PASSWORD).await.status, 200);
    assert_eq!((count("").await, count("?inactive=true").await), (1, 0));
}

/// Everything that a FusionAuth client can say about a login.
fn everything() -> Value {
    json!({
        "authorizedOriginURLs": ["https://app.example"],
        "authorizedRedirectURLs": [CALLBACK, "https://app.example/out"],
        "authorizedURLValidationPolicy": "ExactMatch",
        "clientAuthenticationPolicy": "NotRequiredWhenUsingPKCE",
        "consentMode": "RememberDecision",
        "debug": true,
        "deviceGrant": { "scopes": ["openid"], "refreshTokenTimeToLiveInSeconds": 86_400 },
        "deviceVerificationURL": "https://app.example/device",
        "enabledGrants": [
            "authorization_code", "implicit", "password", "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "generateRefreshTokens": false,
        "logoutBehavior": "RedirectOnly",
        "logoutURL": "https://app.example/bye",
        "proofKeyForCodeExchangePolicy": "NotRequiredWhenUsingClientAuthentication",
        "providedScopePolicy": { "email": { "enabled": true, "required": true }, "phone": { "enabled": false } },
        "relationship": "ThirdParty",
        "requirePushedAuthorizationRequests": true,
        "requireRegistration": true,
        "scopeHandlingPolicy": "Compatibility",
        "tokenExchangeClients": ["reporting"],
        "tlsClientAuth": { "kind": "san_uri", "name": "spiffe://example/all" },
        "unknownScopePolicy": "Remove",
    })
}

// F-005 to F-008, F-011, F-013, F-015, F-023, F-027, F-028, F-029, F-033, F-034, D-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_setting_survives_the_trip() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let tokens = json!({
        "enabled": true, "timeToLiveInSeconds": 77, "refreshTokenTimeToLiveInMinutes": 50_000,
        "refreshTokenUsagePolicy": "OneTimeUse",
    });
    let application = json!({
        "name": "all", "oauthConfiguration": everything(), "jwtConfiguration": tokens, "unknown": { "x": 1 },
    });
    let made = root.post("/api/application", json!({ "application": application })).await;
    let path = format!("/api/application/{}", id(&made, "application"));
    let found = root.get(&path).await;
    let own = configuration(&found);
    for (name, value) in everything().as_object().unwrap() {
        if name != "providedScopePolicy" {
            assert_eq!(&own[name], value, "{name}");
        }
    }
    assert_eq!(own["providedScopePolicy"]["email"], json!({ "enabled": true, "required": true }));
    assert_eq!(own["providedScopePolicy"]["phone"], json!({ "enabled": false, "required": false }));
    for (name, value) in tokens.as_object().unwrap() {
        assert_eq!(&found.body["application"]["jwtConfiguration"][name], value, "{name}");
    }
    // What is read can be written: nothing changes.
    let mut same = found.body["application"].clone();
    let again = root.put(&path, json!({ "application": same })).await;
    same["lastUpdateInstant"] = again.body["application"]["lastUpdateInstant"].clone();
    assert_eq!(again.body["application"], same);
    // A patch changes what it names; PUT forgets the URLs that it leaves out.
    let patch = json!({ "application": { "oauthConfiguration": { "debug": false, "logoutURL": null } } });
    let patched = root.patch(&path, patch).await;
    assert_eq!(
        (&configuration(&patched)["debug"], &configuration(&patched)["logoutURL"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(configuration(&patched)["authorizedRedirectURLs"], everything()["authorizedRedirectURLs"]);
    let operations = json!([{ "op": "add", "path": "/application/oauthConfiguration/authorizedRedirectURLs/-",
                              "value": "https://app.example/third" }]);
    let body = Some(("application/json-patch+json", operations.to_string()));
    let patched = root.send(Method::PATCH, &path, body).await;
    assert_eq!(configuration(&patched)["authorizedRedirectURLs"].as_array().unwrap().len(), 3);
    let unlimited = json!({ "application": { "oauthConfiguration": { "deviceGrant": null, "tlsClientAuth": null } } });
    let patched = root.patch(&path, unlimited).await;
    assert_eq!(configuration(&patched)["deviceGrant"], everything()["deviceGrant"], "what is left out stays");
    let empty = json!({ "deviceGrant": { "scopes": null, "refreshTokenTimeToLiveInSeconds": null }, "tlsClientAuth": { "kind": null, "name": null } });
    let patched = root.patch(&path, json!({ "application": { "oauthConfiguration": empty } })).await;
    let own = configuration(&patched);
    assert_eq!((own.get("deviceGrant"), own.get("tlsClientAuth")), (None, None), "what is empty is gone");
    let put = json!({ "application": { "name": "all", "jwtConfiguration": { "enabled": false } } });
    let put = root.put(&path, put).await;
    assert_eq!(configuration(&put)["authorizedRedirectURLs"], json!([]));
    assert_eq!(configuration(&put)["relationship"], "ThirdParty", "policies stay");
    assert_eq!(put.body["application"]["jwtConfiguration"], json!({ "enabled": false }));
    assert_eq!(root.put(&format!("{path}?reactivate=true"), json!({})).await.body["application"]["state"], "Active");
}

// D-10: every wrong member with what would have been right
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_settings_are_named() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let wrong = json!({
        "authorizedRedirectURLs": "https://app.example", "clientAuthenticationPolicy": "Sometimes",
        "consentMode": "never", "debug": "yes", "enabledGrants": ["password", "client_credentials"],
        "logoutBehavior": 1, "proofKeyForCodeExchangePolicy": "S256", "relationship": "", "scopeHandlingPolicy": "x",
        "unknownScopePolicy": "x", "authorizedURLValidationPolicy": "x",
    });
    let body = json!({ "application": {
        "oauthConfiguration": wrong, "roles": [{ "name": "" }, { "name": 1 }], "scopes": [{}],
        "jwtConfiguration": { "refreshTokenUsagePolicy": "Twice" },
    } });
    let refused = root.post("/api/application", body).await;
    assert_eq!((refused.status, refused.media_type.as_deref()), (400, Some("application/json")));
    let of = |name: &str| &refused.body["fieldErrors"][format!("application.oauthConfiguration.{name}")][0];
    for name in wrong.as_object().unwrap().keys() {
        assert_eq!(of(name)["code"], format!("[invalid]application.oauthConfiguration.{name}"), "{refused:?}");
    }
    let told = of("clientAuthenticationPolicy")["message"].as_str().unwrap();
    assert_eq!(told, "is not one of Required, NotRequired, NotRequiredWhenUsingPKCE");
    assert!(of("enabledGrants")["message"].as_str().unwrap().contains("refresh_token"), "{refused:?}");
    for code in [
        "[blank]application.name",
        "[invalid]application.jwtConfiguration.refreshTokenUsagePolicy",
        "[blank]role.name",
        "[invalid]role.name",
        "[blank]scope.name",
    ] {
        assert!(refused.codes().contains(&code), "{code} {refused:?}");
    }
    // F-017, and a secret that could be guessed.
    let body = json!({ "application": { "name": "x", "oauthConfiguration": {
        "authorizedRedirectURLs": ["http://app.example/cb", "nonsense"], "clientSecret": "short",
    } } });
    let refused = root.post("/api/application", body).await;
    assert!(refused.codes().contains(&"[tooShort]application.oauthConfiguration.clientSecret"), "{refused:?}");
    assert!(refused.codes().contains(&"[invalid]application.oauthConfiguration.authorizedRedirectURLs"), "{refused:?}");
    assert!(!refused.body.to_string().contains("short\""), "the secret is not repeated");
    let made = root.post("/api/application", json!({ "application": { "name": "x" } })).await;
    let path = format!("/api/application/{}", id(&made, "application"));
    let moved = json!({ "application": { "name": "x", "oauthConfiguration": { "clientId": "another" } } });
    assert_eq!(root.put(&path, moved).await.codes(), ["[invalid]application.oauthConfiguration.clientId"]);
    let twice = root.post("/api/application", json!({ "application": { "name": "x" } })).await;
    assert_eq!(twice.codes(), ["[duplicate]application.name"]);
}

// F-003, F-004: a secret that is sent replaces the one that there is, at once
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_secret_ends_the_old_one() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let first = "first-secret-0123456789-0123456789-0123";
    let settings = json!({ "clientSecret": first });
    let body = json!({ "application": { "name": "x", "oauthConfiguration": settings } });
    let made = root.post("/api/application", body).await;
    assert_eq!(configuration(&made)["clientSecret"], first);
    let application = id(&made, "application");
    let introspection = async |secret: &str| {
        let request = client().post(gateway.url("/oauth2/introspect")).basic_auth(&application, Some(secret));
        request.form(&[("token", "nothing")]).send().await.unwrap().status().as_u16()
    };
    assert_eq!(introspection(first).await, 200, "the client is who it says");
    let second = "second-secret-0123456789-0123456789-012";
    let change = json!({ "application": { "oauthConfiguration": { "clientSecret": second } } });
    let changed = root.patch(&format!("/api/application/{application}"), change).await;
    assert_eq!(configuration(&changed)["clientSecret"], second);
    assert_eq!((introspection(first).await, introspection(second).await), (401, 200));
    // What was allowed here is what the authorization server does.
    let query = format!(
        "client_id={application}&response_type=code&redirect_uri={CALLBACK}&scope=openid&state=0123456789abcdef\
         &code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    let page = async || client().get(gateway.url(&format!("/oauth2/authorize?{query}"))).send().await.unwrap().status();
    assert_eq!(page().await, 400, "F-015: the redirect URI is not there yet");
    let grants = json!({ "authorizedRedirectURLs": [CALLBACK], "enabledGrants": ["authorization_code"] });
    let change = json!({ "application": { "oauthConfiguration": grants } });
    configuration(&root.patch(&format!("/api/application/{application}"), change).await);
    let status = page().await;
    assert!(status.is_success() || status.is_redirection(), "{status}");
}

// F-037
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oauth_configuration_is_there_for_everybody() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let made = root.post("/api/application", json!({ "application": { "name": "x" } })).await;
    let path = format!("/api/application/{}/oauth-configuration", id(&made, "application"));
    let open = client().get(gateway.url(&path)).send().await.unwrap();
    assert_eq!(open.status(), 200);
    let open: Value = open.json().await.unwrap();
    assert_eq!(open["oauthConfiguration"]["clientId"], made.body["application"]["id"]);
    assert_eq!(
        (&open["oauthConfiguration"]["clientSecret"], &open["httpSessionMaxInactiveInterval"]),
        (&Value::Null, &json!(3600))
    );
    assert_eq!(root.get(&path).await.body, open);
    assert_eq!(Caller::with_key(&gateway, "wrong").get(&path).await.status, 401);
    let other = format!("/api/application/{}/oauth-configuration", Uuid::nil());
    assert_eq!(client().get(gateway.url(&other)).send().await.unwrap().status(), 404);
}

// F-200: names that registrations refer to stay
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_have_endpoints_of_their_own() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let roles = json!([{ "name": "reader", "isDefault": true }]);
    let made = root.post("/api/application", json!({ "application": { "name": "x", "roles": roles } })).await;
    let path = format!("/api/application/{}", id(&made, "application"));
    let own = Uuid::from_u128(0x501e);
    let body = json!({ "role": { "name": "admin", "description": "may all" } });
    let added = root.post(&format!("{path}/role/{own}"), body.clone()).await;
    assert_eq!((added.status, id(&added, "role")), (200, own.to_string()));
    assert_eq!(root.post(&format!("{path}/role/{own}"), body.clone()).await.codes(), ["[duplicate]role.id"]);
    assert_eq!(root.post(&format!("{path}/role"), body).await.codes(), ["[duplicate]role.name"]);
    let role = format!("{path}/role/{own}");
    let changed = root.patch(&role, json!({ "role": { "isDefault": true } })).await;
    let changed = &changed.body["role"];
    assert_eq!((&changed["isDefault"], &changed["description"]), (&json!(true), &json!("may all")));
    let replaced = root.put(&role, json!({ "role": { "name": "admin" } })).await;
    assert_eq!(replaced.body["role"], json!({ "id": own, "isDefault": false, "isSuperRole": false, "name": "admin" }));
    assert_eq!(root.put(&role, json!({ "role": { "name": "owner" } })).await.codes(), ["[invalid]role.name"]);
    // Changing the application leaves them alone.
    let renamed = root.patch(&path, json!({ "application": { "name": "y", "roles": [] } })).await;
    let names = |answer: &Answer| {
        let roles = answer.body["application"]["roles"].as_array().unwrap();
        roles.iter().map(|role| role["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&renamed), ["admin", "reader"]);
    let removed = root.delete(&role).await;
    assert_eq!((removed.status, removed.media_type, root.delete(&role).await.status), (200, None, 404));
    assert_eq!(names(&root.get(&path).await), ["reader"]);
}

// D-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_have_endpoints_of_their_own() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let made = root.post("/api/application", json!({ "application": { "name": "x" } })).await;
    let path = format!("/api/application/{}", id(&made, "application"));
    let body = json!({ "scope": {
        "name": "orders:read", "required": true, "description": "orders",
        "defaultConsentMessage": "See your orders", "defaultConsentDetail": "All of them.",
    } });
    let added = root.post(&format!("{path}/scope"), body.clone()).await;
    let scope = format!("{path}/scope/{}", id(&added, "scope"));
    let found = root.get(&scope).await;
    for (name, value) in body["scope"].as_object().unwrap() {
        assert_eq!(&found.body["scope"][name], value, "{name}");
    }
    assert_eq!(found.body["scope"]["applicationId"], made.body["application"]["id"]);
    assert_eq!(root.post(&format!("{path}/scope"), body).await.codes(), ["[duplicate]scope.name"]);
    for reserved in ["openid", "offline_access", "email", "target-entity:x", "idp-link:x"] {
        let refused = root.post(&format!("{path}/scope"), json!({ "scope": { "name": reserved } })).await;
        assert_eq!(refused.codes(), ["[invalid]scope.name"], "{reserved}");
    }
    let changed = root.patch(&scope, json!({ "scope": { "required": false } })).await;
    assert_eq!(
        (&changed.body["scope"]["required"], &changed.body["scope"]["defaultConsentDetail"]),
        (&json!(false), &json!("All of them."))
    );
    let replaced = root.put(&scope, json!({ "scope": { "description": "less" } })).await;
    let replaced = &replaced.body["scope"];
    assert_eq!((&replaced["name"], &replaced["defaultConsentMessage"]), (&json!("orders:read"), &Value::Null));
    assert_eq!(root.put(&scope, json!({ "scope": { "name": "other" } })).await.codes(), ["[invalid]scope.name"]);
    assert_eq!((root.delete(&scope).await.status, root.get(&scope).await.status), (200, 404));
}

// D-10: what belongs to another tenant is not there
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_are_found_in_their_tenant() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let make = async |caller: &Caller<'_>, name: &str| {
        id(&caller.post("/api/application", json!({ "application": { "name": name } })).await, "application")
    };
    let shop = make(&root, "Web Shop").await;
    make(&root, "warehouse").await;
    let other = root.post("/api/tenant", json!({ "tenant": { "name": "other" } })).await;
    let other = Caller::root(&gateway).of_tenant(&id(&other, "tenant"));
    let foreign = make(&other, "Web Shop").await;
    let names = |answer: &Answer| {
        let all = answer.body["applications"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
        all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&root.get("/api/application").await), ["Web Shop", "Web Shop", "warehouse"]);
    assert_eq!(names(&other.get("/api/application").await), ["Web Shop"]);
    assert!(names(&root.get("/api/application?inactive=true").await).is_empty());
    let path = format!("/api/application/{shop}");
    assert_eq!((other.get(&path).await.status, other.delete(&path).await.status), (404, 404));
    assert_eq!(other.patch(&path, json!({ "application": { "name": "mine" } })).await.status, 404);
    assert_eq!(other.post(&format!("{path}/role"), json!({ "role": { "name": "mine" } })).await.status, 404);
    assert_eq!(root.get(&format!("/api/application/{foreign}")).await.status, 200);
    let search = json!({ "search": { "name": "*shop*", "numberOfResults": 1, "orderBy": "insertInstant DESC" } });
    let found = root.post("/api/application/search", search).await;
    assert_eq!((&found.body["total"], names(&found)), (&json!(2), vec!["Web Shop".to_owned()]));
    let ambiguous = root.post("/api/application", json!({ "application": { "name": "where" } })).await;
    assert_eq!((ambiguous.status, &ambiguous.body["generalErrors"][0]["code"]), (400, &json!("[TenantIdRequired]")));
}
