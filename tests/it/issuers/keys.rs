//! Keys that come and go, and how often they are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faregate::clock::Clock;
use faregate::enforce::Enforcer;
use faregate::issuers::ForeignIssuer as Believed;
use faregate::jose::KeySet;
use serde_json::{Value, json};

use super::{World, eventually, gateway, guard, outcome, passed, refused, status};
use crate::support::foreign_issuer::{ForeignIssuer, JWKS, Reply, forged};
use crate::support::gateway::{Gateway, client};
use crate::support::process::{Run, faregate};

// G4, T21, F-349: a new key is learned of by the first token that names it; the old one is gone, and all it verified
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_changes_its_keys() {
    let mut corp = ForeignIssuer::start().await;
    let gateway = gateway(&corp, ", cooldown: 1s").await;
    let old = corp.token(json!({}));
    assert_eq!(outcome(&gateway, "/corp/a", &old).await, passed());
    corp.rotate();
    let new = corp.token(json!({}));
    // Within the cooldown nobody asks, and what was good stays good.
    assert_eq!(outcome(&gateway, "/corp/a", &new).await, refused(401, "unknown_key"));
    assert_eq!(outcome(&gateway, "/corp/a", &old).await, passed());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(outcome(&gateway, "/corp/a", &new).await, passed());
    // F17, T27
    assert_eq!(outcome(&gateway, "/corp/a", &old).await, refused(401, "unknown_key"));
    assert_eq!(corp.count(JWKS), 2);
    let metrics = gateway.metrics().await;
    for line in
        [r#"faregate_jwks_fetch_total{issuer="corp",result="ok"} 2"#, r#"faregate_jwks_age_seconds{issuer="corp"} 0"#]
    {
        assert!(metrics.contains(line), "{metrics}");
    }
}

// UX 12, O4: operators see whose keys are known, since when, and what went wrong
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_tells_of_key_sets() {
    let (corp, silent) = (ForeignIssuer::start().await, ForeignIssuer::start().await);
    silent.stop();
    let keys = String::from_utf8(KeySet::new([corp.key().verifying_key().clone()]).document().to_vec()).unwrap();
    let sections = format!(
        r#"
listen: "${{LISTEN}}"
issuers:
  self: {{}}
  corp: {{ issuer: {}, audience: api, refresh: 4m, cooldown: 1s }}
  silent: {{ issuer: {}, audience: api }}
  written: {{ issuer: https://written.example, audience: api, jwks: '{keys}' }}
  shared: {{ issuer: https://shared.example, audience: api, secret: "a-shared-secret-of-at-least-32-characters" }}
  opaque: {{ issuer: {}, audience: api, discovery: false, introspection: {{ endpoint: {}/i, client_id: gate, client_secret: s }} }}
upstreams: {{ app: "${{UPSTREAM}}" }}
routes: {{ /corp/**: {{ upstream: app, tokens: [corp], require: authenticated }} }}
"#,
        corp.url(),
        silent.url(),
        corp.url().replace("127.0.0.1", "localhost"),
        corp.url()
    );
    let gateway = Gateway::of(&sections, &[]).await;
    eventually(&gateway, "/corp/a", &corp.token(json!({})), &passed()).await;
    let status = async || {
        let url = format!("http://{}/status", gateway.running.admin.unwrap());
        let status: Value = client().get(url).send().await.unwrap().json().await.unwrap();
        let sets = status["key_sets"].as_array().unwrap().clone();
        sets.into_iter().map(|set| (set["issuer"].as_str().unwrap().to_owned(), set)).collect::<BTreeMap<_, _>>()
    };
    let began = Instant::now();
    let sets = loop {
        let sets = status().await;
        if !sets["silent"]["last_error"].is_null() {
            break sets;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{sets:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(
        sets.keys().collect::<Vec<_>>(),
        ["corp", "shared", "silent", "written"],
        "ours and those without are not there"
    );
    let kid = corp.key().kid().to_owned();
    assert_eq!((&sets["corp"]["state"], &sets["corp"]["kids"]), (&json!("fresh"), &json!([kid])));
    assert!(sets["corp"]["fetched_seconds_ago"].as_u64().unwrap() < 10);
    let next = sets["corp"]["next_fetch_in_seconds"].as_u64().unwrap();
    assert!((150..=192).contains(&next), "a fifth before they are old: {next}");
    assert_eq!((&sets["silent"]["state"], &sets["silent"]["fetched_seconds_ago"]), (&json!("missing"), &Value::Null));
    let problem = sets["silent"]["last_error"]["problem"].as_str().unwrap();
    assert!(problem.starts_with("it cannot be reached"), "{problem}");
    assert_eq!((&sets["written"]["state"], &sets["written"]["kids"]), (&json!("configured"), &json!([kid])));
    // A digest of a secret is nobody's business.
    assert_eq!((&sets["shared"]["state"], &sets["shared"]["kids"]), (&json!("configured"), &json!([])));

    // Keys that cannot be asked for any more.
    corp.reply(JWKS, Reply::status(500));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    outcome(&gateway, "/corp/a", &forged(&corp.url(), "other")).await;
    let corp_set = status().await.remove("corp").unwrap();
    assert_eq!((&corp_set["state"], &corp_set["kids"]), (&json!("stale"), &json!([kid])), "{corp_set}");
    assert_eq!(corp_set["last_error"]["problem"], "it answered with status 500");
    // The command shows the same.
    let text = tokio::task::spawn_blocking({
        let admin = gateway.running.admin.unwrap().to_string();
        move || Run::of(&mut faregate(&std::env::temp_dir(), &["status", "--admin", &admin]))
    });
    let run = text.await.unwrap();
    assert_eq!(run.code, 0, "{run:?}");
    for line in
        [format!("keys of      corp: stale ({kid}), fetched "), format!("             written: configured ({kid})\n")]
    {
        assert!(run.stdout.contains(&line), "{line} in {}", run.stdout);
    }
    assert!(run.stdout.contains("s ago: it answered with status 500"), "{}", run.stdout);
}

// Keys are asked for ahead of time, by what the issuer says and by what the operator says, whichever is sooner
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_refreshed_before_they_are_old() {
    let corp = ForeignIssuer::start().await;
    let document =
        String::from_utf8(faregate::jose::KeySet::new([corp.key().verifying_key().clone()]).document().to_vec());
    // Neither every moment nor once a year.
    for control in ["Cache-Control: max-age=0\r\n", "Cache-Control: max-age=31536000\r\n"] {
        corp.reply(JWKS, Reply::Document(document.clone().unwrap(), control));
        let before = corp.count(JWKS);
        let gateway = gateway(&corp, ", refresh: 1s").await;
        let token = corp.token(json!({}));
        assert_eq!(outcome(&gateway, "/corp/a", &token).await, passed());
        tokio::time::sleep(Duration::from_millis(1800)).await;
        let asked = corp.count(JWKS) - before;
        assert!((2..=4).contains(&asked), "{asked}");
        gateway.running.stop().await;
    }
}

// G4, T25: however many ask, the issuer is asked once in a while; and nobody else is held up by it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_unknown_keys_is_one_question() {
    const STORM: usize = 100_000;
    let corp = ForeignIssuer::start().await;
    let (enforcer, issuer) = enforcer(&[&corp]);
    let following = issuer[0].clone();
    let following = tokio::spawn(async move { following.follow(|| {}).await });
    let guard = guard(1);
    let good = corp.token(json!({}));
    assert_eq!(status(&enforcer, &guard, &good).await, 200);
    assert_eq!(corp.count(JWKS), 1);

    let storm = |from: usize, to: usize| {
        let (enforcer, guard, url) = (enforcer.clone(), guard.clone(), corp.url());
        tokio::spawn(async move {
            for number in from..to {
                assert_eq!(status(&enforcer, &guard, &forged(&url, &number.to_string())).await, 401);
            }
        })
    };
    let began = Instant::now();
    let halves = [storm(0, STORM / 2), storm(STORM / 2, STORM)];
    assert_eq!(status(&enforcer, &guard, &good).await, 200);
    for half in halves {
        half.await.unwrap();
    }
    // The first cooldown ends within the storm or not: with it, one more question each.
    let windows = usize::try_from(began.elapsed().as_secs()).unwrap() / COOLDOWN_SECONDS + 1;
    assert!(corp.count(JWKS) <= 1 + windows, "{} questions in {:?}", corp.count(JWKS), began.elapsed());
    following.abort();
}

// G4: failures count, too
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_fails_is_not_asked_more_often() {
    let corp = ForeignIssuer::start().await;
    let gateway = gateway(&corp, ", cooldown: 1s").await;
    let good = corp.token(json!({}));
    assert_eq!(outcome(&gateway, "/corp/a", &good).await, passed());
    corp.reply(JWKS, Reply::status(500));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let before = corp.count(JWKS);
    // It cannot be said that there is no such key: this is no 401, and what is known stays good.
    for number in 0..20 {
        let forged = forged(&corp.url(), &number.to_string());
        assert_eq!(outcome(&gateway, "/corp/a", &forged).await, refused(503, "keys_unavailable"));
        assert_eq!(outcome(&gateway, "/corp/a", &good).await, passed());
    }
    // The storm's one question, and at most two of the background's own.
    assert!((1..=3).contains(&(corp.count(JWKS) - before)), "{}", corp.count(JWKS) - before);
}

// T26: the start waits for nobody, and a dead issuer costs only its own callers
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_issuer_hurts_nobody_else() {
    let (mut dead, corp) = (ForeignIssuer::start().await, ForeignIssuer::start().await);
    dead.stop();
    let sections = r#"
listen: "${LISTEN}"
issuers: { dead: { issuer: "${DEAD}", audience: api }, corp: { issuer: "${CORP}", audience: api } }
upstreams: { app: "${UPSTREAM}" }
routes: { /any/**: { upstream: app, tokens: [dead, corp], require: authenticated } }
"#;
    let began = Instant::now();
    let gateway = Gateway::of(sections, &[("DEAD", &dead.url()), ("CORP", &corp.url())]).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let (token, good) = (dead.token(json!({})), corp.token(json!({})));
    assert_eq!(outcome(&gateway, "/any/a", &token).await, refused(503, "keys_unavailable"));
    assert_eq!(outcome(&gateway, "/any/a", &good).await, passed());
    let admin = gateway.running.admin.unwrap();
    let ready = crate::support::gateway::client().get(format!("http://{admin}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200, "other people's servers do not decide whether we are ready");
    dead.resume().await;
    eventually(&gateway, "/any/a", &token, &passed()).await;
    // G5: and when it dies again, what is known of it stays.
    dead.stop();
    assert_eq!(outcome(&gateway, "/any/a", &dead.token(json!({ "sub": "new" }))).await, passed());
}

// G5: old keys are used for a bounded time, and then nothing is believed: 503, not 401
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_keys_are_given_up_at_last() {
    let corp = ForeignIssuer::start().await;
    let gateway = gateway(&corp, ", refresh: 1s, stale: 2s").await;
    let token = corp.token(json!({}));
    assert_eq!(outcome(&gateway, "/corp/a", &token).await, passed());
    corp.stop();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(outcome(&gateway, "/corp/a", &token).await, passed());
    eventually(&gateway, "/corp/a", &token, &refused(503, "keys_unavailable")).await;
}

// However many issuers there are, each token is its own issuer's
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_issuers_are_told_apart() {
    let mut corps = Vec::new();
    for _ in 0..50 {
        corps.push(ForeignIssuer::start().await);
    }
    let (enforcer, issuers) = enforcer(&corps.iter().collect::<Vec<_>>());
    let mut following = tokio::task::JoinSet::new();
    for issuer in issuers {
        following.spawn(async move { issuer.follow(|| {}).await });
    }
    let guard = guard(50);
    for (corp, other) in corps.iter().zip(corps.iter().rev()) {
        assert_eq!(status(&enforcer, &guard, &corp.token(json!({}))).await, 200);
        assert_eq!(status(&enforcer, &guard, &corp.token(json!({ "iss": other.url() }))).await, 401);
    }
    // A storm of false names later: known tokens never had to do with it.
    assert_eq!(corps.iter().map(|corp| corp.count(JWKS)).max(), Some(1));
}

const COOLDOWN_SECONDS: usize = 30;

/// An enforcer that believes these, in their order.
fn enforcer(corps: &[&ForeignIssuer]) -> (Arc<Enforcer>, Vec<Arc<Believed>>) {
    let issuers = corps.iter().enumerate();
    let issuers =
        issuers.map(|(number, corp)| format!("  corp{number}: {{ issuer: {}, audience: api }}\n", corp.url()));
    let World { enforcer, believed, .. } = World::of(&issuers.collect::<String>(), Clock::system());
    (enforcer, believed)
}
