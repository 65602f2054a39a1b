use super::super::tests::{Behaviour, LIFE, World, cookie, logged_in, world};
use super::*;
use crate::store::Store as _;

async fn answer(world: &World, is_post: bool, (session, fields): (&str, &[(&'static str, &str)]), body: &str) -> Reply {
    let mut headers = cookie(&[session]);
    for (name, value) in fields {
        headers.insert(*name, value.parse().unwrap());
    }
    world
        .browsers
        .sign_out(&SignOutRequest { is_post, authority: "gate.example", headers: &headers, body: body.as_bytes() })
        .await
}

fn word(reply: &Reply) -> &'static str {
    match &reply.next {
        Next::Redirect(_) => "redirect",
        Next::Failed(_) => "failed",
        Next::ConfirmSignOut { .. } => "confirm",
        Next::SignedOut => "signed out",
    }
}

// K5, K10: nobody is signed out by a link or by another site
#[tokio::test]
async fn only_who_means_it_signs_out() {
    let world = world(&["people"]).await;
    let session = logged_in(&world).await;
    let reply = answer(&world, false, (&session, &[]), "").await;
    let Next::ConfirmSignOut { forgery, leads_to } = &reply.next else { panic!("{reply:?}") };
    assert_eq!(leads_to[..], ["https://issuer.example/logout"]);
    let form = format!("forgery={forgery}");
    let other = logged_in(&world).await;
    for (session, fields, body, expected) in [
        (&session, &[][..], "", "confirm"),
        (&session, &[], "forgery=x", "confirm"),
        (&session, &[("origin", "https://evil.example")], "", "confirm"),
        (&session, &[("sec-fetch-site", "cross-site")], &form, "confirm"),
        (&session, &[("sec-fetch-site", "same-site")], &form, "confirm"),
        (&other, &[], &form, "confirm"),
        (&session, &[], &form, "redirect"),
        // It is over: there is nobody whom the issuer could be told of.
        (&session, &[], &form, "signed out"),
        (&other, &[("sec-fetch-site", "same-origin")], "", "redirect"),
    ] {
        let reply = answer(&world, true, (session, fields), body).await;
        assert_eq!(word(&reply), expected, "{fields:?} {body}");
        assert_eq!(reply.cookies.len(), usize::from(expected != "confirm"));
    }
    assert_eq!(word(&answer(&world, true, ("a=b", &[]), "").await), "signed out");
}

// F-333: nobody is told that they are signed out while a copy of their cookie is good
#[tokio::test]
async fn a_session_that_cannot_be_ended_is_not_said_to_be_over() {
    let world = world(&["people"]).await;
    let session = logged_in(&world).await;
    world.store.close().await;
    let reply = answer(&world, true, (&session, &[("origin", "https://gate.example")]), "").await;
    let Next::Failed(failure) = &reply.next else { panic!("{reply:?}") };
    assert_eq!((failure.status, failure.code), (503, "logout_unavailable"));
    assert!(reply.cookies.is_empty(), "the person can try again: {reply:?}");
}

// OpenID Connect RP-Initiated Logout 1.0, 2
#[tokio::test]
async fn the_issuer_is_told_who_leaves() {
    let world = world(&["people"]).await;
    let session = logged_in(&world).await;
    let reply = answer(&world, true, (&session, &[("origin", "https://gate.example")]), "").await;
    let Next::Redirect(to) = &reply.next else { panic!("{reply:?}") };
    let (endpoint, query) = to.split_once('?').unwrap();
    assert_eq!(endpoint, "https://issuer.example/logout");
    assert_eq!(query::find(query, "client_id").as_deref(), Some("gate"));
    assert!(query::find(query, "id_token_hint").unwrap().contains("\"sub\":\"ann\""));
    let found = world.browsers.find(&world.entrance.login, &cookie(&[&session])).await;
    assert!(matches!(found, super::super::Found::Nobody));
}

// RFC 7009 2.1: whoever leaves, a copy of the refresh token is of no use
#[tokio::test]
async fn the_refresh_token_is_given_back() {
    let world = world(&["people"]).await;
    for behaviour in [Behaviour::Tokens, Behaviour::WithoutRefreshToken] {
        world.issuer.behave(behaviour);
        let session = logged_in(&world).await;
        answer(&world, false, (&session, &[]), "").await;
        let expected = world.issuer.revoked.lock().unwrap().len() + usize::from(behaviour == Behaviour::Tokens);
        answer(&world, true, (&session, &[("origin", "https://gate.example")]), "").await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let revoked = world.issuer.revoked.lock().unwrap();
        assert_eq!(revoked.len(), expected, "{revoked:?}");
        assert!(revoked.iter().all(|token| token.starts_with("refresh-")), "{revoked:?}");
    }
}

// RFC 7009 2.1: what comes when its session is over belongs to nobody
#[tokio::test]
async fn a_refresh_token_that_comes_too_late_is_given_back() {
    let world = world(&["people"]).await;
    let session = logged_in(&world).await;
    world.clock.advance(LIFE);
    let headers = cookie(&[&session]);
    let login = &world.entrance.login;
    // The issuer takes longer to answer than the person to leave.
    let leaving = async {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        world.browsers.end_presented(login, &headers).await;
    };
    let (found, ()) = tokio::join!(world.browsers.find(login, &headers), leaving);
    assert!(matches!(found, super::super::Found::Nobody));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(world.issuer.revoked.lock().unwrap()[..], ["refresh-1"]);
}
