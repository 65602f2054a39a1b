use std::sync::atomic::Ordering;

use serde_json::json;

use super::super::CALLBACK;
use super::super::tests::{Behaviour, ISSUER, World, arrival, begun, cookie, pair, world};
use super::*;

const ISS: &str = "iss=https%3A%2F%2Fissuer.example";

fn failed(reply: &Reply) -> Option<(u16, &'static str)> {
    match &reply.next {
        Next::Failed(failure) => Some((failure.status, failure.code)),
        Next::Redirect(_) | Next::ConfirmSignOut { .. } | Next::SignedOut => None,
    }
}

// RFC 7636 4.5, K6: the code goes with the verifier of this attempt, and the browser back to where it wanted to go
#[tokio::test]
async fn a_login_ends_where_it_began() {
    let world = world(&["people"]).await;
    let (state, attempt) = begun(&world).await;
    let query = format!("code=the-code&state={state}&{ISS}");
    let reply = world.browsers.callback(None, &query, &cookie(&[&attempt])).await;
    assert!(matches!(&reply.next, Next::Redirect(to) if to == "https://gate.example/app?q=1"), "{reply:?}");
    let [session, removed] = &reply.cookies[..] else { panic!("{reply:?}") };
    let session = session.to_str().unwrap();
    assert!(session.starts_with("__Host-faregate_at_people=") && !session.contains("Max-Age"), "{session}");
    assert!(removed.to_str().unwrap().starts_with(&format!("{}=;", attempt.split('=').next().unwrap())));
    let asked = world.issuer.asked.lock().unwrap()[0].clone();
    let [(_, grant_type), (_, code), (_, redirect_uri), (name, verifier)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((grant_type.as_str(), code.as_str()), ("authorization_code", "the-code"));
    assert_eq!(*redirect_uri, format!("https://gate.example{CALLBACK}"));
    assert_eq!((*name, verifier.len()), ("code_verifier", 43));
}

/// With one character changed in the middle.
fn tampered(cookie: &str) -> String {
    let (start, rest) = cookie.split_at(cookie.len() - 40);
    format!("{start}{}{}", if rest.starts_with('A') { 'B' } else { 'A' }, &rest[1..])
}

// Each way in which an answer is not that of this attempt, or not good. RFC 9700 4.7 login CSRF, 4.4 mix-up, RFC 9207 2.4
#[tokio::test]
async fn whatever_is_wrong_is_refused_with_a_page() {
    let other = "code=c&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (what, expected) in [
        ("no cookie", (400, "login_unknown")),
        ("tampered", (400, "login_unknown")),
        ("another state", (400, "login_unknown")),
        ("two states", (400, "login_unknown")),
        ("late", (400, "login_expired")),
        ("mix-up", (400, "wrong_issuer")),
        ("nameless", (400, "wrong_issuer")),
        ("two names", (400, "wrong_issuer")),
        ("denied", (403, "login_denied")),
        ("broken", (502, "login_refused")),
        ("no code", (400, "no_code")),
        ("two codes", (400, "no_code")),
        ("refused", (400, "code_refused")),
        ("silent", (503, "login_unavailable")),
        ("no ID token", (502, "no_id_token")),
        ("foreign ID token", (502, "bad_id_token")),
        ("wrong nonce", (400, "wrong_nonce")),
        ("no nonce", (400, "wrong_nonce")),
        ("other party", (502, "bad_id_token")),
        ("unnamed party", (502, "bad_id_token")),
    ] {
        let world = world(&["people"]).await;
        let (state, attempt) = begun(&world).await;
        let nonce = world.issuer.claims.lock().unwrap()["nonce"].clone();
        let mut query = format!("code=c&state={state}&{ISS}");
        let mut sent = attempt.clone();
        match what {
            "no cookie" => sent = "a=b".to_owned(),
            "tampered" => sent = tampered(&attempt),
            "another state" => query = other.to_owned(),
            "two states" => query = format!("{query}&state=x"),
            "late" => world.clock.advance(ATTEMPT_FOR),
            "mix-up" => query = query.replace("issuer", "evil"),
            "nameless" => query = format!("code=c&state={state}"),
            "two names" => query = format!("{query}&{ISS}"),
            "denied" => query = format!("error=access_denied&state={state}&{ISS}"),
            "broken" => query = format!("error=invalid_scope&state={state}&{ISS}"),
            "no code" => query = format!("state={state}&{ISS}"),
            "two codes" => query = format!("{query}&code=d"),
            "refused" => world.issuer.behave(Behaviour::Refuses),
            "silent" => world.issuer.behave(Behaviour::Silent),
            "no ID token" => world.issuer.behave(Behaviour::WithoutIdToken),
            "foreign ID token" => world.issuer.say(json!({ "nonce": nonce, "iss": "https://evil.example" })),
            "wrong nonce" => world.issuer.say(json!({ "nonce": "x" })),
            "no nonce" => world.issuer.say(json!({})),
            "other party" => world.issuer.say(json!({ "nonce": nonce, "azp": "other" })),
            "unnamed party" => world.issuer.say(json!({ "nonce": nonce, "aud": ["gate", "other"] })),
            _ => unreachable!("{what}"),
        }
        let reply = world.browsers.callback(None, &query, &cookie(&[&sent])).await;
        assert_eq!(failed(&reply), Some(expected), "{what}");
        let begins_session = reply.cookies.iter().any(|cookie| pair(cookie).starts_with("__Host-faregate_at_people="));
        assert!(!begins_session, "{what}: {reply:?}");
        let Next::Failed(failure) = &reply.next else { panic!("{what}") };
        let is_known = failure.code != "login_unknown";
        assert_eq!(failure.again.as_deref(), is_known.then_some("/app?q=1"), "{what}");
        assert_eq!(reply.cookies.len(), usize::from(is_known), "{what}: the attempt is over");
        let asked = world.issuer.count();
        let asks = !matches!(expected.1, "login_unknown" | "login_expired" | "wrong_issuer" | "no_code")
            && !matches!(what, "denied" | "broken");
        assert_eq!(asked, usize::from(asks), "{what}: nobody else is told of the code");
    }
}

// RFC 9207 2.4: an issuer that never says its name need not
#[tokio::test]
async fn an_issuer_without_a_name_in_its_answers_is_known_by_its_address() {
    let world = world(&["people"]).await;
    world.issuer.names_itself.store(false, Ordering::Relaxed);
    let (state, attempt) = begun(&world).await;
    let reply = world.browsers.callback(None, &format!("code=c&state={state}"), &cookie(&[&attempt])).await;
    assert_eq!(failed(&reply), None);
}

// B5: an answer counts once, whoever has a copy of the cookie
#[tokio::test]
async fn an_answer_is_used_once() {
    let world = world(&["people"]).await;
    let (state, attempt) = begun(&world).await;
    let (query, headers) = (format!("code=c&state={state}&{ISS}"), cookie(&[&attempt]));
    assert_eq!(failed(&world.browsers.callback(None, &query, &headers).await), None);
    let again = world.browsers.callback(None, &query, &headers).await;
    assert_eq!(failed(&again), Some((400, "login_replayed")));
    assert_eq!(world.issuer.count(), 1);
}

// RFC 9700 4.4.2: of several logins each has an address of its own, where no other one's answer is taken
#[tokio::test]
async fn every_login_has_its_address() {
    let world = world(&["one", "other"]).await;
    let World { browsers, entrance, .. } = &world;
    let headers = HeaderMap::new();
    let begun = browsers.begin(entrance, arrival(&headers, "/app", None)).await.unwrap();
    assert!(begun.to.contains("redirect_uri=https%3A%2F%2Fgate.example%2F_faregate%2Fcallback%2Fone&"), "{}", begun.to);
    let attempt = cookie(&[pair(&begun.cookies[0])]);
    let (_, sent) = begun.to.split_once('?').unwrap();
    world.issuer.say(json!({ "nonce": query::find(sent, "nonce").unwrap() }));
    let query = format!("code=c&state={}&{ISS}", query::find(sent, "state").unwrap());
    for (name, expected) in [
        (None, Some((404, "unknown_login"))),
        (Some("nobody"), Some((404, "unknown_login"))),
        (Some("other"), Some((400, "login_unknown"))),
        (Some("one"), None),
    ] {
        assert_eq!(failed(&browsers.callback(name, &query, &attempt).await), expected, "{name:?}");
    }
    assert_eq!(ISSUER, "https://issuer.example");
}
