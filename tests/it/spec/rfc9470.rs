//! RFC 9470: routes that ask how and when a person authenticated, and how a client gets a token that says it, through the
//! real listener.

use std::time::Duration;

use serde_json::{Value, json};

use super::rfc6750::attributes;
use crate::support::authorization_server::{encode, part};
use crate::support::browser::parameters;
use crate::support::foreign_issuer::{ForeignIssuer, INTROSPECT, Reply, now};
use crate::support::gateway::{Gateway, Raw};
use crate::support::gateway_people::{ADA, PASSWORD, WEB, WEB_URI, text};
use crate::support::person::{Person, Seen};

/// Seconds for which a login is new enough for `/recent`.
const RECENT: u64 = 5;

async fn get(gateway: &Gateway, path: &str, token: &str) -> Raw {
    gateway.request("GET", path, &format!("Authorization: Bearer {token}\r\n")).await
}

/// What a client of that route asks the authorization server for, after it was refused.
async fn demanded(gateway: &Gateway, path: &str, token: &str) -> String {
    let refused = get(gateway, path, token).await;
    assert_eq!(refused.status(), 401, "{path}: {}", refused.text);
    let said = attributes(refused.field("www-authenticate").unwrap(), path);
    assert_eq!(said["error"], "insufficient_user_authentication", "{path}");
    let named = ["acr_values", "max_age", "scope"].into_iter();
    named.filter_map(|name| Some(format!("&{name}={}", encode(said.get(name)?)))).collect()
}

/// The tokens that Ada gets for `web`, in this browser, with these further parameters.
async fn log_in(gateway: &Gateway, ada: &mut Person, more: &str) -> Value {
    let query = format!("client_id={WEB}&redirect_uri={}&response_type=code{more}", encode(WEB_URI));
    let url = gateway.url(&format!("/oauth2/authorize?{query}"));
    let code = match ada.go(&url, "allow") {
        Seen::Elsewhere(url) => parameters(url.split_once('?').unwrap().1)["code"].clone(),
        page => panic!("{page:?}"),
    };
    let form = [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", WEB_URI)];
    let (status, tokens) = gateway.ask("/oauth2/token", &form).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

fn routes() -> String {
    format!(
        r#"
upstreams: {{ app: "${{UPSTREAM}}" }}
routes:
  /recent/**: {{ upstream: app, tokens: [self], require: "all: [scope orders:read, authenticated within {RECENT}s]" }}
  /strong/**: {{ upstream: app, tokens: [self], require: "all: [acr 2, authenticated]" }}
"#
    )
}

// RFC 9470 3, 4, 5: an old login is refused, the client asks as the challenge says, the person logs in again, and the new
// token passes
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_too_old_is_made_again() {
    let (gateway, _) = Gateway::with_people("standard", &routes()).await;
    let mut ada = Person::new(gateway.address, ADA, PASSWORD);
    let scope = "&scope=orders%3Aread%20offline_access";
    let first = log_in(&gateway, &mut ada, scope).await;
    let token = text(&first, "access_token");
    assert_eq!(get(&gateway, "/recent/x", &token).await.status(), 200);

    tokio::time::sleep(Duration::from_secs(RECENT + 1)).await;
    let demanded = demanded(&gateway, "/recent/x", &token).await;
    assert_eq!(demanded, format!("&max_age={RECENT}&scope=orders%3Aread"));
    // Neither single sign-on nor a refresh makes a login any newer.
    let forms = ada.forms_sent;
    let again = text(&log_in(&gateway, &mut ada, scope).await, "access_token");
    assert_eq!(ada.forms_sent, forms, "the session is still there");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*text(&first, "refresh_token"))];
    let (_, refreshed) = gateway.ask("/oauth2/token", &refresh).await;
    for token in [again, text(&refreshed, "access_token")] {
        assert_eq!(part(&token, 1)["auth_time"], part(&text(&first, "access_token"), 1)["auth_time"]);
        assert_eq!(get(&gateway, "/recent/x", &token).await.json()["code"], "old_authentication");
    }

    let new = text(&log_in(&gateway, &mut ada, &demanded).await, "access_token");
    assert_eq!(ada.forms_sent, forms + 1, "the password was asked for again");
    assert_eq!(get(&gateway, "/recent/x", &new).await.status(), 200);
    assert_eq!(get(&gateway, "/recent/x", &token).await.status(), 401, "what is old stays old");
}

// RFC 9470 3, 4, 5: a password alone is refused, and `acr_values` makes the session of a person who has more count no longer
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_too_weak_is_made_again() {
    let (gateway, _) = Gateway::with_people("standard", &routes()).await;
    let mut ada = Person::new(gateway.address, ADA, PASSWORD);
    let scope = "&scope=orders%3Aread";
    let weak = text(&log_in(&gateway, &mut ada, scope).await, "access_token");
    assert_eq!(part(&weak, 1)["acr"], "1");
    let demanded = demanded(&gateway, "/strong/x", &weak).await;
    assert_eq!(demanded, "&acr_values=2");
    // Whoever has no second factor gets in, but no stronger: the token says so (OpenID Connect Core 3.1.2.1).
    let forms = ada.forms_sent;
    let still = text(&log_in(&gateway, &mut ada, &format!("{scope}{demanded}")).await, "access_token");
    assert_eq!((get(&gateway, "/strong/x", &still).await.status(), ada.forms_sent), (401, forms));

    let directory = gateway.running.directory();
    let user = directory.find_user(gateway.running.tenant_id, ADA).await.unwrap().unwrap();
    let enrolled = directory.enroll_totp(user.id).await.unwrap();
    ada.code = Some(enrolled.recovery_codes[0].expose().clone());
    // Other clients' requests, and those that take a password too, are met by the session.
    for more in ["", "&acr_values=1", "&acr_values=2%201", "&acr_values=urn%3Aexample%3Agold"] {
        let token = text(&log_in(&gateway, &mut ada, &format!("{scope}{more}")).await, "access_token");
        assert_eq!((&part(&token, 1)["acr"], ada.forms_sent), (&json!("1"), forms), "{more}");
    }
    let strong = text(&log_in(&gateway, &mut ada, &format!("{scope}{demanded}")).await, "access_token");
    assert_eq!((&part(&strong, 1)["acr"], ada.forms_sent), (&json!("2"), forms + 2));
    assert_eq!(get(&gateway, "/strong/x", &strong).await.status(), 200);
    // And now the session has it.
    let again = text(&log_in(&gateway, &mut ada, &format!("{scope}{demanded}")).await, "access_token");
    assert_eq!((get(&gateway, "/strong/x", &again).await.status(), ada.forms_sent), (200, forms + 2));
}

const FOREIGN: &str = r#"
listen: "${LISTEN}"
issuers: { corp: { issuer: "${CORP}", audience: api, introspection: { client_id: gate, client_secret: s } } }
upstreams: { app: "${UPSTREAM}" }
routes:
  /acr/**: { upstream: app, require: "acr in [gold, platinum]" }
  /age/**: { upstream: app, require: { GET: authenticated within 5m, POST: "all: [scope write, authenticated within 5m]" } }
  /both/**: { upstream: app, require: "all: [authenticated within 1h, acr gold, any: [role admin, scope read]]" }
  /either/**: { upstream: app, require: "any: [role admin, authenticated within 5m]" }
  /tried/**: { upstream: app, require: acr gold, enforce: observe }
"#;

// F16, RFC 9470 3, 6.1, 6.2: JWTs and introspected tokens alike; everything that a login must be stands in one challenge
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn challenges_say_what_a_login_must_be() {
    let corp = ForeignIssuer::start().await;
    let gateway = Gateway::of(FOREIGN, &[("CORP", &corp.url())]).await;
    let (old, new) = (now() - 3000, now() - 30);
    for (path, claims, expected) in [
        ("/acr/x", json!({ "acr": "gold" }), None),
        ("/acr/x", json!({ "acr": "platinum" }), None),
        ("/acr/x", json!({ "acr": "silver" }), Some(("weak_authentication", "gold platinum", ""))),
        ("/acr/x", json!({ "acr": ["gold"] }), Some(("weak_authentication", "gold platinum", ""))),
        ("/acr/x", json!({}), Some(("weak_authentication", "gold platinum", ""))),
        ("/age/x", json!({ "auth_time": new }), None),
        ("/age/x", json!({ "auth_time": new as f64 + 0.5 }), None),
        ("/age/x", json!({ "auth_time": old }), Some(("old_authentication", "", "300"))),
        ("/age/x", json!({ "auth_time": new.to_string() }), Some(("old_authentication", "", "300"))),
        ("/age/x", json!({}), Some(("old_authentication", "", "300"))),
        ("/both/x", json!({ "acr": "gold", "auth_time": old }), None),
        ("/both/x", json!({ "auth_time": old }), Some(("weak_authentication", "gold", "3600"))),
        ("/both/x", json!({ "acr": "gold" }), Some(("old_authentication", "gold", "3600"))),
        ("/either/x", json!({ "auth_time": old }), Some(("old_authentication", "", "300"))),
        ("/tried/x", json!({ "acr": "silver" }), None),
    ] {
        let mut answer = json!({ "active": true, "sub": "someone", "aud": "api", "scope": "read" });
        answer.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        corp.reply(INTROSPECT, Reply::json(&answer));
        let opaque = format!("opaque-{}", uuid::Uuid::new_v4());
        for token in [corp.token(claims.clone()), opaque] {
            let found = get(&gateway, path, &token).await;
            let Some((code, acr_values, max_age)) = expected else {
                assert_eq!(found.status(), 200, "{path} {claims}: {}", found.text);
                continue;
            };
            assert_eq!((found.status(), &found.json()["code"]), (401, &json!(code)), "{path} {claims}: {}", found.text);
            assert_eq!(found.json()["error"], "insufficient_user_authentication");
            let said = attributes(found.field("www-authenticate").unwrap(), path);
            let of = |name: &str| said.get(name).copied().unwrap_or_default();
            assert_eq!((of("acr_values"), of("max_age")), (acr_values, max_age), "{path} {claims}");
            assert_eq!(of("error"), "insufficient_user_authentication");
            assert!(said.contains_key("resource_metadata"));
        }
    }
    // Who passes although the route would refuse is counted.
    assert!(gateway.metrics().await.contains(r#"reason="weak_authentication",route="/tried/**"} 2"#));
    // A scope that lacks is told first, as it is written.
    let fields = format!("Authorization: Bearer {}\r\nContent-Length: 0\r\n", corp.token(json!({})));
    let refused = gateway.request("POST", "/age/x", &fields).await;
    assert_eq!((refused.status(), &refused.json()["code"]), (403, &json!("missing_scope")));
}
