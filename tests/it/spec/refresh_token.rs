//! RFC 6749 6 and HARDENING C: refresh tokens, kept or rotated.

use std::collections::HashSet;
use std::sync::Arc;

use faregate::model::{ClientSecret, RefreshTokenPolicy, RefreshTokenUsage, Revocation, Revoked, UnknownScopes};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::json;

use crate::support::authorization_server::{Answer, NOW, TestServer, part};
use crate::support::database::Database;
use crate::support::people::{ADA, COMPATIBLE, OPTIONAL, PKCE, ROTATING, SPA, WEB, members};

const GONE: (u16, &str, &str) = (400, "invalid_grant", "refresh_token_not_found");

fn assert_refused(answer: &Answer, expected: (u16, &str, &str)) {
    let (status, error, reason) = answer.verdict();
    assert_eq!((status, &*error, &*reason), expected, "{}", answer.text());
}

async fn introspected(server: &TestServer, client_id: &str, token: &str) -> bool {
    server.introspect(client_id, token).await.json()["active"] == true
}

// F-115 to F-118, F-201, RFC 6749 6, OpenID Connect Core 12.2, C6
#[tokio::test]
async fn a_reusable_token_is_kept() {
    let server = TestServer::with_people().await;
    let first = server.tokens(WEB, "openid offline_access").await;
    for _ in 0..3 {
        server.clock.advance(1_000);
        let answer = server.refresh(WEB, &first.refresh_token()).await;
        assert_eq!(
            members(&answer.json()),
            ["access_token", "expires_in", "id_token", "scope", "token_type", "userId"]
        );
        let claims = answer.claims();
        assert_eq!(claims["authenticationType"], "REFRESH_TOKEN");
        assert_eq!((&claims["gid"], &claims["auth_time"]), (&first.claims()["gid"], &json!(NOW - 60)));
        assert_ne!(claims["jti"], first.claims()["jti"]);
        let id_token = part(answer.json()["id_token"].as_str().unwrap(), 1);
        assert_eq!((&id_token["auth_time"], id_token.get("nonce")), (&json!(NOW - 60), None));
    }
    // F-117: no ID token without openid.
    let first = server.tokens(WEB, "offline_access").await;
    let answer = server.refresh(WEB, &first.refresh_token()).await;
    assert_eq!(members(&answer.json()), ["access_token", "expires_in", "scope", "token_type", "userId"]);
}

// RFC 6749 6, F-119, C2
#[tokio::test]
async fn scopes_narrow_and_never_widen() {
    let server = TestServer::with_people().await;
    let token = server.tokens(WEB, "openid offline_access email").await.refresh_token();
    let ask =
        async |extra: &str| server.ask(WEB, &format!("grant_type=refresh_token&refresh_token={token}&{extra}")).await;
    let answer = ask("scope=email").await;
    assert_eq!((answer.json()["scope"].as_str(), answer.json().get("id_token")), (Some("email"), None));
    assert_refused(&ask("scope=email+profile").await, (400, "invalid_scope", "unknown_scope"));
    // The token itself keeps what was approved.
    assert_eq!(ask("").await.json()["scope"], "openid offline_access email");
    let short = ask("expires_in=60").await;
    assert_eq!((short.json()["expires_in"].as_i64(), short.claims()["exp"].as_i64()), (Some(60), Some(NOW + 60)));
    assert_eq!(ask("expires_in=999999").await.json()["expires_in"], 3600);
    for wrong in ["0", "-1", "x", "1.5"] {
        let answer = ask(&format!("expires_in={wrong}")).await;
        assert_refused(&answer, (400, "invalid_request", "invalid_expires_in"));
    }
}

// RFC 6749 5.2, C1, F-119
#[tokio::test]
async fn a_token_is_bound_to_its_client() {
    let server = TestServer::with_people().await;
    let token = server.tokens(WEB, "offline_access").await.refresh_token();
    assert_refused(&server.refresh(COMPATIBLE, &token).await, (400, "invalid_grant", "client_id_mismatch"));
    assert_refused(&server.refresh(WEB, "x").await, GONE);
    let missing = server.ask(WEB, "grant_type=refresh_token").await;
    assert_refused(&missing, (400, "invalid_request", "missing_refresh_token"));
    let alone = server.ask_openly(WEB, &format!("grant_type=refresh_token&refresh_token={token}")).await;
    assert_refused(&alone, (401, "invalid_client", "client_authentication_missing"));
    // C10: nor is it an access token.
    let userinfo = server.get("/oauth2/userinfo").header("Authorization", &format!("Bearer {token}")).send().await;
    assert_eq!(userinfo.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.refresh(WEB, &token).await.status, StatusCode::OK);
    // F-007, D7: where a verifier stands in for the secret there is none here.
    let token = server.tokens(PKCE, "offline_access").await.refresh_token();
    let alone = server.ask_openly(PKCE, &format!("grant_type=refresh_token&refresh_token={token}")).await;
    assert_refused(&alone, (401, "invalid_client", "client_authentication_missing"));
}

// C3: a client that does not authenticate gets another token each time, whatever the policy.
#[tokio::test]
async fn public_clients_rotate() {
    let server = TestServer::with_people().await;
    let first = server.tokens(SPA, "offline_access").await.refresh_token();
    let second = server.refresh(SPA, &first).await.refresh_token();
    assert_ne!(first, second);
    let first = server.tokens(OPTIONAL, "offline_access").await.refresh_token();
    assert!(server.refresh(OPTIONAL, &first).await.json().get("refresh_token").is_none());
    let form = format!("grant_type=refresh_token&refresh_token={first}");
    assert_ne!(server.ask_openly(OPTIONAL, &form).await.refresh_token(), first);
}

// C4, C6, F-116: a moment in which the client may not have heard the answer; then the family ends (C5).
#[tokio::test]
async fn a_rotated_token_gives_the_same_successor_for_a_moment() {
    let server = TestServer::with_people().await;
    let answer = server.tokens(ROTATING, "openid offline_access").await;
    let first = answer.refresh_token();
    let rotated = server.refresh(ROTATING, &first).await;
    let second = rotated.refresh_token();
    assert!(second.len() == 54 && second != first);
    assert_ne!(rotated.json()["refresh_token_id"], answer.json()["refresh_token_id"]);
    server.clock.advance(10);
    let again = server.refresh(ROTATING, &first).await;
    assert_eq!(again.refresh_token(), second);
    assert_eq!(again.json()["refresh_token_id"], rotated.json()["refresh_token_id"]);
    let third = server.refresh(ROTATING, &second).await;
    server.clock.advance(1);
    // C5: told once; what comes later is merely over.
    let reused = server.refresh(ROTATING, &first).await;
    assert_refused(&reused, GONE);
    assert_eq!((again.reuse, reused.reuse), (None, Some("refresh_token")));
    let late = server.refresh(ROTATING, &second).await;
    assert_refused(&late, GONE);
    assert_eq!(late.reuse, None);
    assert_refused(&server.refresh(ROTATING, &third.refresh_token()).await, GONE);
    for token in [answer.access_token(), rotated.access_token(), third.access_token()] {
        assert!(!introspected(&server, ROTATING, &token).await);
    }
}

// C5: a family is a grant, not a client and a user.
#[tokio::test]
async fn reuse_ends_one_family() {
    let server = TestServer::with_people().await;
    let (one, other) =
        (server.tokens(ROTATING, "offline_access").await, server.tokens(ROTATING, "offline_access").await);
    server.refresh(ROTATING, &one.refresh_token()).await;
    server.clock.advance(11);
    assert_refused(&server.refresh(ROTATING, &one.refresh_token()).await, GONE);
    assert_eq!(server.refresh(ROTATING, &other.refresh_token()).await.status, StatusCode::OK);
    assert!(introspected(&server, ROTATING, &other.access_token()).await);
}

// C5: however long ago it was rotated, as long as its family goes on.
#[tokio::test]
async fn an_old_token_still_gives_a_thief_away() {
    let server = TestServer::with_people().await;
    let first = server.tokens(ROTATING, "offline_access").await.refresh_token();
    let mut newest = server.refresh(ROTATING, &first).await.refresh_token();
    for _ in 0..2 {
        server.clock.advance(10 * 86_400);
        newest = server.refresh(ROTATING, &newest).await.refresh_token();
    }
    assert_refused(&server.refresh(ROTATING, &first).await, GONE);
    assert_refused(&server.refresh(ROTATING, &newest).await, GONE);
}

/// Sixteen at once, at three nodes: one successor, no error.
async fn one_successor(database: &Database) {
    let nodes = TestServer::nodes_with_people(database).await;
    let mut token = nodes[0].tokens(ROTATING, "openid offline_access").await.refresh_token();
    for _ in 0..3 {
        let refreshes: Vec<_> = (0..16)
            .map(|number| {
                let (node, token) = (Arc::clone(&nodes[number % nodes.len()]), token.clone());
                tokio::spawn(async move { node.refresh(ROTATING, &token).await })
            })
            .collect();
        let mut successors = HashSet::new();
        let mut ids = HashSet::new();
        for refresh in refreshes {
            let answer = refresh.await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            successors.insert(answer.refresh_token());
            ids.insert(answer.json()["refresh_token_id"].to_string());
        }
        assert_eq!((successors.len(), ids.len()), (1, 1));
        token = successors.into_iter().next().unwrap();
    }
}

// C4
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_refreshes_at_once_have_one_successor_on_sqlite() {
    one_successor(&Database::sqlite()).await;
}

// C4
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_refreshes_at_once_have_one_successor_on_postgres() {
    if let Some(database) = Database::postgres().await {
        one_successor(&database).await;
    }
}

// C6: another node with the same master key gives the same successor.
#[tokio::test]
async fn every_node_knows_the_successor() {
    let server = TestServer::with_people().await;
    let other = TestServer::on(server.store.clone(), server.clock.clone()).await;
    let first = server.tokens(ROTATING, "offline_access").await.refresh_token();
    let second = server.refresh(ROTATING, &first).await.refresh_token();
    assert_eq!(other.refresh(ROTATING, &first).await.refresh_token(), second);
}

// C7, C8
#[tokio::test]
async fn tokens_end_unused_and_end_anyway() {
    let server = TestServer::with_people().await;
    let policy = |usage| RefreshTokenPolicy { usage, idle_for: Some(100), absolute_for: 250, retry_for: 10 };
    for (client_id, usage) in [(WEB, RefreshTokenUsage::Reusable), (ROTATING, RefreshTokenUsage::OneTimeUse)] {
        server.change(client_id, |settings| settings.refresh_tokens = Some(policy(usage))).await;
        let unused = server.tokens(client_id, "offline_access").await.refresh_token();
        let mut used = server.tokens(client_id, "offline_access").await.refresh_token();
        for _ in 0..2 {
            server.clock.advance(99);
            let answer = server.refresh(client_id, &used).await;
            assert_eq!(answer.status, StatusCode::OK, "{client_id}: {}", answer.text());
            if usage == RefreshTokenUsage::OneTimeUse {
                used = answer.refresh_token();
            }
        }
        assert_refused(&server.refresh(client_id, &unused).await, GONE);
        server.clock.advance(52);
        assert_refused(&server.refresh(client_id, &used).await, GONE);
    }
}

// C9: a password change, a lock, a revoked user and a deleted application end them.
#[tokio::test]
async fn what_ends_a_users_access_ends_refresh_tokens() {
    let server = TestServer::with_people().await;
    let tokens = async || server.tokens(WEB, "offline_access").await;
    let before = tokens().await;
    let new = "correct horse battery staple".to_owned().into();
    server.directory.change_password(ADA, &new).await.unwrap();
    assert_refused(&server.refresh(WEB, &before.refresh_token()).await, GONE);
    assert!(!introspected(&server, WEB, &before.access_token()).await);
    // A login in the same second is told apart (its tokens are dated after the mark).
    let after = tokens().await;
    assert_eq!(after.claims()["iat"], NOW + 1);
    assert_eq!(server.refresh(WEB, &after.refresh_token()).await.status, StatusCode::OK);
    assert!(introspected(&server, WEB, &after.access_token()).await);
    server.clock.advance(10);
    server.directory.lock_user(ADA).await.unwrap();
    assert_refused(&server.refresh(WEB, &after.refresh_token()).await, GONE);
    assert!(!introspected(&server, WEB, &after.access_token()).await);
    server.directory.unlock_user(ADA).await.unwrap();
    let last = tokens().await;
    let stored = server.store.find_refresh_token(&ClientSecret::hash(&last.refresh_token())).await.unwrap().unwrap();
    // A mark that came by the feed counts too, whatever the store says by then.
    let mark = Revocation {
        revoked: Revoked::Grant(stored.approval.grant_id),
        revoked_at: server.clock.now(),
        expires_at: NOW + 1_000,
    };
    server.revocations.add(&mark);
    assert_refused(&server.refresh(WEB, &last.refresh_token()).await, GONE);
}

// D-02: under Reject, a token with a scope that exists no longer ends on use.
#[tokio::test]
async fn a_scope_that_is_gone_ends_the_token() {
    let server = TestServer::with_people().await;
    server.change(WEB, |settings| settings.unknown_scopes = UnknownScopes::Allow).await;
    let token = server.tokens(WEB, "offline_access todo").await.refresh_token();
    assert_eq!(server.refresh(WEB, &token).await.json()["scope"], "offline_access todo");
    server.change(WEB, |settings| settings.unknown_scopes = UnknownScopes::Reject).await;
    assert_refused(&server.refresh(WEB, &token).await, (400, "invalid_grant", "unknown_scope"));
    server.change(WEB, |settings| settings.unknown_scopes = UnknownScopes::Allow).await;
    assert_refused(&server.refresh(WEB, &token).await, GONE);
}
