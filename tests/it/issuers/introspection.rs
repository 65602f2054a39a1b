//! Tokens that only their issuer can read (RFC 7662).

use std::time::{Duration, Instant};

use faregate::clock::Clock;
use faregate::jose::{self, Algorithm, Expectations, KeySet, SigningKey, TypeSet};
use serde_json::{Value, json};

use super::{World, eventually, guard, outcome, passed, refused, status};
use crate::support::foreign_issuer::{ForeignIssuer, INTROSPECT, METADATA, Reply, forged, now};
use crate::support::gateway::{Gateway, client};

const NOW: i64 = 1_800_000_000;
/// Opaque, with the characters that such tokens have (RFC 6750 2.1).
const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA~+/.a=";

/// What stands under an issuer's name: `keys` of the issuer, `more` of its introspection.
fn issuer(name: &str, corp: &ForeignIssuer, keys: &str, more: &str) -> String {
    format!(
        "  {name}: {{ issuer: {}, audience: api{keys}, introspection: {{ client_id: gate, client_secret: \"s+/=\"{more} }} }}\n",
        corp.url()
    )
}

fn active(claims: Value) -> Reply {
    let mut answer = json!({ "active": true, "sub": "someone", "aud": "api", "scope": "read", "client_id": "shop" });
    answer.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    Reply::json(&answer)
}

fn inactive() -> Reply {
    Reply::json(&json!({ "active": false }))
}

fn unavailable() -> (u16, String) {
    refused(503, "introspection_unavailable")
}

/// A gateway with these issuers, and a route `/NAME/**` for each list of them.
async fn gateway(issuers: &str, routes: &[(&str, &str)]) -> Gateway {
    // As many connections at once as there are questions.
    let upstreams = "upstreams: { app: { servers: [\"${UPSTREAM}\"], connect_timeout: 10s } }";
    let mut sections = format!("listen: \"${{LISTEN}}\"\nissuers:\n{issuers}{upstreams}\nroutes:\n");
    for (name, tokens) in routes {
        sections.push_str(&format!("  /{name}/**: {{ upstream: app, tokens: [{tokens}], require: authenticated }}\n"));
    }
    Gateway::of(&sections, &[]).await
}

// F-337, RFC 7662 2.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opaque_token_is_asked_about_once() {
    let corp = ForeignIssuer::start().await;
    corp.reply(INTROSPECT, active(json!({ "exp": now() + 300 })));
    let gateway = gateway(&issuer("corp", &corp, "", ""), &[("a", "corp"), ("b", "corp")]).await;
    for path in ["/a/1", "/a/2", "/b/1"] {
        assert_eq!(outcome(&gateway, path, TOKEN).await, passed());
    }
    let asked = corp.asked(INTROSPECT);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body, "token=2YotnFZFEjr1zCsicMWpAA%7E%2B%2F.a%3D&token_type_hint=access_token");
    // RFC 6749 2.3.1: gate:s%2B%2F%3D
    assert!(asked[0].head.contains("Basic Z2F0ZTpzJTJCJTJGJTNE\r\n"), "{}", asked[0].head);
    let received = gateway.upstream.last();
    for (name, value) in [("subject", "someone"), ("client", "shop"), ("scope", "read"), ("issuer", &*corp.url())] {
        assert_eq!(received.field(&format!("x-auth-{name}")).as_deref(), Some(value), "{name}");
    }
    assert!(!received.head.contains("2YotnFZF"), "F-332");
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"faregate_introspection_requests_total{issuer="corp",result="active"} 1"#), "{metrics}");
    assert!(!metrics.contains("2YotnFZF"), "F-341");
}

// F-337, T30: 1,000 at once are one question, and one that was revoked is refused when its answer is old
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_are_one_question() {
    let corp = ForeignIssuer::start().await;
    let late = Reply::Late(Duration::from_millis(300), Box::new(active(json!({ "exp": NOW + 300 }))));
    corp.reply(INTROSPECT, late);
    let clock = Clock::fixed(NOW);
    let world = World::of(&issuer("corp", &corp, "", ", timeout: 10s"), clock.clone());
    let guard = guard(1);
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (enforcer, guard) = (world.enforcer.clone(), guard.clone());
        requests.spawn(async move { status(&enforcer, &guard, TOKEN).await });
    }
    assert!(requests.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(corp.count(INTROSPECT), 1);
    assert!(world.metrics().contains(r#"faregate_introspection_coalesced_total{issuer="corp"} 999"#));

    corp.reply(INTROSPECT, inactive());
    for (seconds, expected, questions) in [(29, 200, 1), (1, 401, 2), (4, 401, 2), (1, 401, 3)] {
        clock.advance(seconds);
        for _ in 0..3 {
            assert_eq!(status(&world.enforcer, &guard, TOKEN).await, expected);
        }
        assert_eq!(corp.count(INTROSPECT), questions);
    }
}

// T30: the same through the listener, from a thousand connections; whoever leaves does not take the answer along
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_are_one_question() {
    let corp = ForeignIssuer::start().await;
    corp.reply(INTROSPECT, Reply::Late(Duration::from_secs(3), Box::new(active(json!({ "exp": now() + 300 })))));
    let issuers = issuer("corp", &corp, "", ", timeout: 20s");
    let limits = "limits: { connections_per_ip: 5000, scheduling_delay: 60s, send_timeout: 60s }\n";
    let gateway = gateway(&format!("{issuers}{limits}"), &[("a", "corp")]).await;
    let (client, mut requests) = (client(), tokio::task::JoinSet::new());
    for number in 0..1000 {
        let request = client.get(gateway.url("/a/1")).bearer_auth(TOKEN).timeout(Duration::from_secs(30));
        requests.spawn(async move {
            if number % 10 == 0 {
                let _ = tokio::time::timeout(Duration::from_millis(500), request.send()).await;
                return None;
            }
            let answer = request.send().await.unwrap();
            Some((answer.status().as_u16(), answer.text().await.unwrap()))
        });
    }
    let answers: Vec<(u16, String)> = requests.join_all().await.into_iter().flatten().collect();
    assert_eq!(answers.len(), 900);
    let other = answers.iter().find(|(status, _)| *status != 200);
    assert_eq!(other, None);
    assert_eq!(corp.count(INTROSPECT), 1);
}

// I4, RFC 7662 4: an answer never counts past the token's own end
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_does_not_outlive_the_token() {
    let corp = ForeignIssuer::start().await;
    corp.reply(INTROSPECT, active(json!({ "exp": NOW + 10 })));
    let clock = Clock::fixed(NOW);
    let world = World::of(&issuer("corp", &corp, "", ", stale: 1h"), clock.clone());
    let guard = guard(1);
    for (seconds, expected) in [(0, 200), (9, 200), (1, 401), (100, 401)] {
        clock.advance(seconds);
        assert_eq!(status(&world.enforcer, &guard, TOKEN).await, expected);
    }
    assert_eq!(corp.count(INTROSPECT), 1);
}

// T31: without an issuer to ask, an old answer counts only where the operator said so, and only so long
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_answer_counts_only_where_that_is_configured() {
    let corp = ForeignIssuer::start().await;
    for (more, expected) in [("", [200, 200, 503, 503]), (", stale: 60s", [200, 200, 200, 503])] {
        corp.reply(INTROSPECT, active(json!({})));
        let clock = Clock::fixed(NOW);
        let world = World::of(&issuer("corp", &corp, "", more), clock.clone());
        let guard = guard(1);
        let mut found = Vec::new();
        for seconds in [0, 29, 60, 1] {
            clock.advance(seconds);
            found.push(status(&world.enforcer, &guard, TOKEN).await);
            corp.reply(INTROSPECT, Reply::Close);
        }
        assert_eq!(found, expected, "{more}");
        // It is back.
        corp.reply(INTROSPECT, active(json!({})));
        assert_eq!(status(&world.enforcer, &guard, TOKEN).await, 200);
    }
}

// I5, F-338, T28, T29: what is no clear answer is 503, is not remembered, and lets nobody in
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_clear_answer_is_no_answer() {
    let bodies = [
        Reply::Document("<html>Sign in</html>".to_owned(), ""),
        Reply::json(&json!({})),
        Reply::json(&json!({ "active": "true", "aud": "api" })),
        Reply::json(&json!([{ "active": true }])),
        Reply::Document(r#"{"active":true,"aud":"api""#.to_owned(), ""),
        Reply::Document(format!(r#"{{"active":true,"aud":"api","x":"{}"}}"#, "x".repeat(300 * 1024)), ""),
        Reply::Endless,
        Reply::Close,
        Reply::status(400),
        Reply::status(401),
        Reply::status(302),
        Reply::status(500),
        Reply::Late(Duration::from_secs(20), Box::new(active(json!({})))),
    ];
    let (mut corps, mut issuers, mut routes) = (Vec::new(), String::new(), Vec::new());
    for (number, body) in bodies.into_iter().enumerate() {
        let corp = ForeignIssuer::start().await;
        corp.reply(INTROSPECT, body);
        issuers.push_str(&issuer(&format!("corp{number}"), &corp, "", ", timeout: 500ms"));
        routes.push(format!("corp{number}"));
        corps.push(corp);
    }
    let routes: Vec<(&str, &str)> = routes.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let gateway = gateway(&issuers, &routes).await;
    for ((name, _), corp) in routes.iter().zip(&corps) {
        let path = format!("/{name}/a");
        let began = Instant::now();
        for questions in 1..=2 {
            assert_eq!(outcome(&gateway, &path, TOKEN).await, unavailable(), "{name}");
            assert_eq!(corp.count(INTROSPECT), questions, "{name}");
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{name}: {:?}", began.elapsed());
        corp.reply(INTROSPECT, active(json!({})));
        assert_eq!(outcome(&gateway, &path, TOKEN).await, passed(), "{name}");
    }
    assert_eq!(gateway.upstream.count(), corps.len());
}

// T28: a server that does not answer is asked once a second, and nobody waits for it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_issuer_is_left_alone() {
    let corp = ForeignIssuer::start().await;
    corp.reply(INTROSPECT, Reply::Late(Duration::from_secs(20), Box::new(inactive())));
    let world = World::of(&issuer("corp", &corp, "", ", timeout: 200ms"), Clock::system());
    let guard = guard(1);
    for number in 0..5 {
        assert_eq!(status(&world.enforcer, &guard, &format!("token-{number}")).await, 503);
    }
    let began = Instant::now();
    for number in 0..500 {
        assert_eq!(status(&world.enforcer, &guard, &format!("another-{number}")).await, 503);
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(seconds < 3 && corp.count(INTROSPECT) <= 5 + 1 + seconds, "{seconds}, {}", corp.count(INTROSPECT));
    corp.reply(INTROSPECT, active(json!({})));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for number in 0..10 {
        assert_eq!(status(&world.enforcer, &guard, &format!("token-{number}")).await, 200, "{}", world.metrics());
    }
}

// Several issuers: in the order of the route, until one knows the token; and what one of them cannot say is not a no
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issuers_are_asked_in_the_order_of_the_route() {
    let (first, second) = (ForeignIssuer::start().await, ForeignIssuer::start().await);
    let issuers = [issuer("first", &first, "", ""), issuer("second", &second, "", "")].concat();
    let none = "  none: { issuer: https://none.example, audience: api, jwks_uri: https://none.example/keys }\n";
    let routes = [("both", "first, second"), ("turned", "second, first"), ("second", "second"), ("none", "none")];
    let gateway = gateway(&format!("{issuers}{none}"), &routes).await;
    first.reply(INTROSPECT, active(json!({ "sub": "of first" })));
    second.reply(INTROSPECT, inactive());
    assert_eq!(outcome(&gateway, "/both/a", "a").await, passed());
    assert_eq!((first.count(INTROSPECT), second.count(INTROSPECT)), (1, 0));
    assert_eq!(outcome(&gateway, "/turned/a", "b").await, passed());
    assert_eq!((first.count(INTROSPECT), second.count(INTROSPECT)), (2, 1));
    // A known token of the first is not one of the second, which says so itself.
    assert_eq!(outcome(&gateway, "/second/a", "a").await, refused(401, "inactive"));
    assert_eq!(outcome(&gateway, "/both/a", "a").await, passed());
    // Where nobody can be asked, it is no token at all.
    assert_eq!(outcome(&gateway, "/none/a", "a").await, refused(401, "malformed"));

    first.reply(INTROSPECT, Reply::status(500));
    assert_eq!(outcome(&gateway, "/both/a", "c").await, unavailable());
    second.reply(INTROSPECT, active(json!({ "sub": "of second" })));
    assert_eq!(outcome(&gateway, "/both/a", "d").await, passed());
    assert_eq!(gateway.upstream.last().field("x-auth-subject").as_deref(), Some("of second"));
}

// F8, F18: a token is a JWT or opaque by its form; an active one must still be for this route
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_active_token_is_not_yet_a_good_one() {
    let corp = ForeignIssuer::start().await;
    let gateway = gateway(&issuer("corp", &corp, "", ""), &[("a", "corp")]).await;
    for (number, (answer, code)) in [
        (json!({ "aud": "other" }), "wrong_audience"),
        (json!({ "aud": null }), "wrong_audience"),
        (json!({ "iss": "https://other.example" }), "inactive"),
        (json!({ "exp": now() - 1 }), "inactive"),
        (json!({ "token_use": "refresh_token" }), "inactive"),
    ]
    .into_iter()
    .enumerate()
    {
        corp.reply(INTROSPECT, active(answer));
        assert_eq!(outcome(&gateway, "/a/a", &format!("token-{number}")).await, refused(401, code));
    }
    let before = corp.count(INTROSPECT);
    corp.reply(INTROSPECT, active(json!({})));
    assert_eq!(outcome(&gateway, "/a/a", &forged(&corp.url(), "x")).await, refused(401, "unknown_key"));
    assert_eq!(outcome(&gateway, "/a/a", &corp.token(json!({}))).await, passed());
    assert_eq!(corp.count(INTROSPECT), before, "a JWT is not asked about");
}

// Introspection on top of JWTs, and instead of keys
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jwts_can_be_asked_about_too() {
    let (always, alone) = (ForeignIssuer::start().await, ForeignIssuer::start().await);
    let issuers = [
        issuer("always", &always, "", ", for: always, cache: 1s"),
        issuer("alone", &alone, ", discovery: false", &format!(", endpoint: {}{INTROSPECT}", alone.url())),
    ];
    let routes = [("always", "always"), ("alone", "alone"), ("both", "always, alone")];
    let gateway = gateway(&issuers.concat(), &routes).await;
    always.reply(INTROSPECT, active(json!({ "aud": "api", "sub": "not this one" })));
    alone.reply(INTROSPECT, active(json!({})));

    let token = always.token(json!({}));
    for _ in 0..2 {
        assert_eq!(outcome(&gateway, "/always/a", &token).await, passed());
    }
    assert_eq!(gateway.upstream.last().field("x-auth-subject").as_deref(), Some("someone"), "what is signed counts");
    assert_eq!(outcome(&gateway, "/always/a", &forged(&always.url(), "x")).await, refused(401, "unknown_key"));
    assert_eq!(outcome(&gateway, "/alone/a", &token).await, refused(401, "issuer_not_accepted"));
    assert_eq!(
        (always.count(INTROSPECT), alone.count(INTROSPECT)),
        (1, 0),
        "only what would be believed is asked about"
    );
    always.reply(INTROSPECT, inactive());
    eventually(&gateway, "/always/a", &token, &refused(401, "inactive")).await;

    assert_eq!(outcome(&gateway, "/both/a", &alone.token(json!({}))).await, passed());
    assert_eq!((alone.count(METADATA), alone.count(INTROSPECT)), (0, 1));
}

// RFC 6749 2.3.1, RFC 7523 2.2, RFC 8414 2: the gateway proves who it is as the issuer wants it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_issuer_hears_who_asks() {
    const BASIC: &str = "authorization: Basic Z2F0ZTpzJTJCJTJGJTNE\r\n";
    let post = json!({ "introspection_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"] });
    let both =
        json!({ "introspection_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"] });
    let of_tokens = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    for (metadata, configured, in_form) in [
        (json!({}), "", false),
        (both, "", false),
        (post.clone(), "", true),
        (of_tokens, "", true),
        (json!({}), ", client_authentication: client_secret_post", true),
        (post, ", client_authentication: client_secret_basic", false),
    ] {
        let corp = ForeignIssuer::start().await;
        corp.describe(metadata);
        corp.reply(INTROSPECT, active(json!({})));
        let gateway = gateway(&issuer("corp", &corp, "", configured), &[("a", "corp")]).await;
        assert_eq!(outcome(&gateway, "/a/1", TOKEN).await, passed());
        let asked = &corp.asked(INTROSPECT)[0];
        assert_eq!(asked.head.to_ascii_lowercase().contains(&BASIC.to_ascii_lowercase()), !in_form, "{asked:?}");
        assert_eq!(asked.body.contains("client_id=gate&client_secret=s%2B%2F%3D"), in_form, "{asked:?}");
    }
}

// RFC 7523 2.2, 3: a signed assertion for this issuer, once and for a minute; the key stays here
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_can_prove_who_asks() {
    let corp = ForeignIssuer::start().await;
    corp.reply(INTROSPECT, active(json!({})));
    let key = rcgen::KeyPair::generate().unwrap();
    let folder = crate::support::files::Folder::new();
    let path = folder.write("key.pem", &key.serialize_pem());
    let sections = format!(
        "issuers:\n  corp: {{ issuer: {}, audience: api, introspection: {{ client_id: gate, client_authentication: \
         private_key_jwt, private_key: \"${{file:{path}}}\" }} }}\nupstreams: {{ app: \"${{UPSTREAM}}\" }}\nroutes: {{ /a/**: \
         {{ upstream: app, require: authenticated }} }}\n",
        corp.url()
    );
    let site = crate::support::gateway::Reloadable::start(&sections).await;
    for number in 0..2 {
        assert_eq!(outcome(&site.gateway, "/a/1", &format!("token-{number}")).await, passed());
    }
    let public = SigningKey::from_pem(Algorithm::Es256, &key.serialize_pem()).unwrap();
    let keys = KeySet::new([public.verifying_key().clone()]);
    let mut ids = Vec::new();
    for asked in corp.asked(INTROSPECT) {
        assert!(!asked.head.to_ascii_lowercase().contains("authorization:"), "{}", asked.head);
        let sent = |name: &str| {
            let pairs = asked.body.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(own, _)| *own == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
        };
        assert_eq!(
            (sent("client_id").as_str(), sent("client_assertion_type").as_str()),
            ("gate", "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer")
        );
        let expectations = Expectations {
            audiences: [corp.url().into()].into(),
            types: TypeSet::new(["JWT"]),
            ..Expectations::new("gate")
        };
        let verified = jose::verify(&sent("client_assertion"), &expectations, &keys, now()).unwrap();
        assert_eq!(verified.claims["sub"], "gate");
        assert!(verified.expires_at <= now() + 60);
        ids.push(verified.claims["jti"].clone());
    }
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}
