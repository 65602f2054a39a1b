use serde_json::json;

use super::super::tests::{Behaviour, ISSUER, LIFE, World, another_node, cookie, logged_in, world};
use super::*;
use crate::model::{ForeignMark, Revocation, Revoked};
use crate::store::Store as _;

/// What a request with this cookie is found to be.
async fn found(world: &World, pair: &str) -> String {
    found_on(&world.browsers, world, pair).await
}

async fn found_on(browsers: &Arc<Browsers>, world: &World, pair: &str) -> String {
    match browsers.find(&world.entrance.login, &cookie(&[pair])).await {
        Found::Nobody => "nobody".to_owned(),
        Found::Session(live) => live.bearer().to_str().unwrap().to_owned(),
        Found::Unavailable => "unavailable".to_owned(),
    }
}

// K6, P3: the cookie is the only way to the tokens, which nobody reads in the store
#[tokio::test]
async fn a_session_is_found_by_its_cookie_alone() {
    let world = world(&["people"]).await;
    let session = logged_in(&world).await;
    assert_eq!(found(&world, &session).await, "Bearer access-0");
    let (name, presented) = session.split_once('=').unwrap();
    let hash = ClientSecret::hash(presented);
    let stored = world.store.find_browser_session(&hash).await.unwrap().unwrap();
    for secret in [presented, "access-0", "refresh-0", "ann"] {
        assert!(!format!("{stored:?}").contains(secret), "{secret}");
    }
    let altered = format!("{name}={}A", &presented[..42]);
    let altered = if altered == session { format!("{name}={}B", &presented[..42]) } else { altered };
    for other in [altered.as_str(), "a=b", &format!("{name}={hash}"), &format!("{session}; {name}=x")] {
        assert_eq!(found(&world, other).await, "nobody", "{other}");
    }
    // What was sealed for one session opens for no other, nor does a cookie of one login for another.
    let moved = BrowserSession { hash: ClientSecret::hash(&"x".repeat(43)), ..stored };
    world.store.insert_browser_session(&moved).await.unwrap();
    assert_eq!(found(&world, &format!("{name}={}", "x".repeat(43))).await, "nobody");
}

#[tokio::test]
async fn a_session_is_of_one_login() {
    let world = world(&["one", "other"]).await;
    let hash = ClientSecret::hash(&"y".repeat(43));
    let kept = Kept {
        issuer: ISSUER.to_owned(),
        client_id: "gate".to_owned(),
        access_token: "a".to_owned(),
        obtained_at: 0,
        expires_at: i64::MAX,
        refresh_token: None,
        id_token: String::new(),
        bearings: Map::new(),
        demands: None,
    };
    let session = |login: &str, kept: &Kept| BrowserSession {
        hash: hash.clone(),
        login: login.to_owned(),
        sealed: world.browsers.seal(login, &hash, kept).unwrap(),
        version: 0,
        created_at: 0,
        idle_expires_at: i64::MAX,
        expires_at: i64::MAX,
    };
    let login = &world.entrance.login;
    assert!(world.browsers.open(login, &session("one", &kept)).is_some());
    assert!(world.browsers.open(login, &session("other", &kept)).is_none());
    let renamed = BrowserSession { login: "one".to_owned(), ..session("other", &kept) };
    assert!(world.browsers.open(login, &renamed).is_none());
    let of_other_client = Kept { client_id: "older".to_owned(), ..kept };
    assert!(world.browsers.open(login, &session("one", &of_other_client)).is_none());
}

// K6: idle and absolute ends
#[tokio::test]
async fn a_session_ends_unused_and_in_any_case() {
    let world = world(&["people"]).await;
    let (idle_for, life_for) = (world.entrance.login.idle_for, world.entrance.login.life_for);
    let session = logged_in(&world).await;
    world.clock.advance(idle_for);
    assert_eq!(found(&world, &session).await, "nobody");
    let session = logged_in(&world).await;
    for _ in 0..life_for / (idle_for - 1) {
        world.clock.advance(idle_for - 1);
        assert!(found(&world, &session).await.starts_with("Bearer "));
        // The note that it was used is written behind the request.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(found_on(&another_node(&world), &world, &session).await.starts_with("Bearer "));
    }
    world.clock.advance(idle_for - 1);
    assert_eq!(found(&world, &session).await, "nobody");
}

// I8: a mark against what the ID token says ends the session, renewed or not
#[tokio::test]
async fn a_logout_at_the_issuer_ends_the_session() {
    for (mark, id) in [(ForeignMark::Session, "s1"), (ForeignMark::Subject, "ann"), (ForeignMark::Client, "gate")] {
        let world = world(&["people"]).await;
        let session = logged_in(&world).await;
        world.clock.advance(LIFE);
        assert_eq!(found(&world, &session).await, "Bearer access-1");
        let revoked_at = world.clock.now();
        let revoked = Revoked::Foreign { mark, key: mark.key(ISSUER, id) };
        world.revocations.add(&Revocation { revoked, revoked_at, expires_at: revoked_at + 86_400 });
        assert_eq!(found(&world, &session).await, "nobody", "{mark:?}");
        let hash = ClientSecret::hash(session.split_once('=').unwrap().1);
        assert_eq!(world.store.find_browser_session(&hash).await.unwrap(), None);
        assert_ne!(found(&world, &logged_in(&world).await).await, "unavailable");
    }
}

// C5, C6: one refresh for a hundred requests, and one for two nodes
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_renew_once() {
    let world = Arc::new(world(&["people"]).await);
    let session = logged_in(&world).await;
    let other = another_node(&world);
    assert_eq!(found_on(&other, &world, &session).await, "Bearer access-0");
    for round in 1..4 {
        world.clock.advance(LIFE);
        let mut requests = tokio::task::JoinSet::new();
        for number in 0..100 {
            let (world, other, session) = (world.clone(), other.clone(), session.clone());
            requests.spawn(async move {
                let browsers = if number % 2 == 0 { &world.browsers } else { &other };
                found_on(browsers, &world, &session).await
            });
        }
        let expected = format!("Bearer access-{round}");
        assert!(requests.join_all().await.iter().all(|found| *found == expected));
        assert_eq!(world.issuer.count(), round);
        let asked = world.issuer.asked.lock().unwrap()[round - 1].clone();
        let refresh_token = format!("refresh-{}", round - 1);
        assert_eq!(asked, [("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh_token)]);
    }
}

// Nobody waits while the token is still good, and whoever leaves does not end the question
#[tokio::test]
async fn tokens_are_renewed_ahead_of_time() {
    let world = world(&["people"]).await;
    let session = logged_in(&world).await;
    world.clock.advance(LIFE - 31);
    assert_eq!((found(&world, &session).await.as_str(), world.issuer.count()), ("Bearer access-0", 0));
    world.clock.advance(1);
    assert_eq!(found(&world, &session).await, "Bearer access-0");
    for _ in 0..100 {
        if found(&world, &session).await == "Bearer access-1" {
            assert_eq!(world.issuer.count(), 1);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the token was not renewed");
}

// O1: no answer is neither a permit nor the end of a session
#[tokio::test]
async fn a_silent_issuer_is_waited_for_and_a_refusal_ends_the_session() {
    let world = world(&["people"]).await;
    let session = logged_in(&world).await;
    world.clock.advance(LIFE);
    world.issuer.behave(Behaviour::Silent);
    assert_eq!(found(&world, &session).await, "unavailable");
    assert_eq!((found(&world, &session).await.as_str(), world.issuer.count()), ("unavailable", 1), "it is left alone");
    world.clock.advance(2);
    world.issuer.behave(Behaviour::Tokens);
    assert_eq!(found(&world, &session).await, "Bearer access-2");
    world.clock.advance(LIFE);
    world.issuer.behave(Behaviour::Refuses);
    assert_eq!(found(&world, &session).await, "nobody");
    world.issuer.behave(Behaviour::Tokens);
    assert_eq!(found(&world, &session).await, "nobody", "it is over");
    // Without a refresh token there is nothing to ask for.
    world.issuer.behave(Behaviour::WithoutRefreshToken);
    let session = logged_in(&world).await;
    world.clock.advance(LIFE);
    assert_eq!((found(&world, &session).await.as_str(), world.issuer.count()), ("nobody", 0));
}

// OpenID Connect Core 12.2: the tokens of somebody else are not taken for this person's
#[tokio::test]
async fn nobody_becomes_somebody_else() {
    let world = world(&["people"]).await;
    let session = logged_in(&world).await;
    world.clock.advance(LIFE);
    world.issuer.say(json!({ "sub": "bob" }));
    assert_eq!(found(&world, &session).await, "nobody");
}

// O1: those who are known go on from memory while the store is silent, and of the others nobody says that they are nobody
#[tokio::test]
async fn while_the_store_is_silent_memory_goes_on() {
    let world = world(&["people"]).await;
    let (session, other) = (logged_in(&world).await, logged_in(&world).await);
    assert_eq!(found(&world, &session).await, "Bearer access-0");
    world.store.close().await;
    world.clock.advance(KNOWN_FOR);
    assert_eq!(found(&world, &session).await, "Bearer access-0");
    assert_eq!(found(&world, &other).await, "unavailable");
    // Without a turn nobody uses a refresh token up.
    world.clock.advance(LIFE);
    assert_eq!((found(&world, &session).await.as_str(), world.issuer.count()), ("unavailable", 0));
}
