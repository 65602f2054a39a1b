//! OpenID Connect Back-Channel Logout 1.0: servers of clients hear of a logout by a signed token.

use std::time::Duration;

use faregate::jose::{Expectations, TypeSet, verify};
use faregate::model::ApplicationGrant;
use faregate::store::{Lease, Store as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::support::authorization_server::{NOW, PUBLIC_URL, TENANT, TestServer, part};
use crate::support::browser::{Browser, parameters};
use crate::support::world::{ADA, ADA_EMAIL, BOB_EMAIL, PASSWORD, SPA, SPA_URI, WEB, WEB_URI, ask_as, world_with};

/// A client's server that answers the given statuses in turn, and tells what it was sent.
async fn receiver(statuses: &'static [u16]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/logout", listener.local_addr().unwrap());
    let (told, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 8192];
            while !is_whole(&request) {
                let length = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..length]);
            }
            told.send(String::from_utf8(request).unwrap()).unwrap();
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (uri, heard)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

// Back-Channel Logout 1.0: a login of another person, or of one who does not want to be remembered, is no logout of
// anybody's, and yet the session is over; a login of the same person is not its end
#[tokio::test]
async fn a_session_that_gives_way_to_another_login_is_told() {
    for (login, remembers, expected) in [(BOB_EMAIL, true, 1), (ADA_EMAIL, false, 1), (ADA_EMAIL, true, 0)] {
        let server = world_with(|tenant| tenant.settings.always_remember = false, |_, _| {}).await;
        let mut browser = Browser::new(&server);
        let url = ask_as(WEB, WEB_URI, "&response_type=id_token&scope=openid&nonce=n&prompt=login");
        let mut sids = Vec::new();
        for (login, remembers) in [(ADA_EMAIL, true), (login, remembers)] {
            let page = browser.open(&url).await;
            let more = [("rememberDevice", "true")];
            let filled = [&[("loginId", login), ("password", PASSWORD)], &more[..usize::from(remembers)]].concat();
            sids.push(part(&browser.submit(&page, &filled).await.get("id_token").unwrap(), 1)["sid"].clone());
        }
        if expected > 0 {
            let told = tokio::time::timeout(Duration::from_secs(5), server.server.logouts_are_left()).await;
            assert!(told.is_ok(), "whoever tells clients hears of it at once");
        }
        let lease = Lease { now: NOW, expires_at: NOW + 1 };
        let untold = server.store.take_untold_logouts(lease, 9).await.unwrap();
        assert_eq!(untold.len(), expected, "{login} {remembers}");
        assert!(untold.iter().all(|untold| json!(untold.session_id) == sids[0] && untold.application_id == WEB));
        assert_eq!(sids[0] == sids[1], expected == 0, "{login} {remembers}");
    }
}

// Back-Channel Logout 2.4, 2.5, 2.6, E3
#[tokio::test]
async fn the_clients_of_the_session_are_told() {
    // Once it is down: the second attempt arrives.
    let (uri, mut heard) = receiver(&[503, 200]).await;
    let (silent, mut unheard) = receiver(&[200]).await;
    let server = world_with(
        |_| {},
        move |id: Uuid, settings| match id {
            WEB => settings.back_channel_logout_uri = Some(uri.clone()),
            SPA => settings.back_channel_logout_uri = Some(silent.clone()),
            _ => {}
        },
    )
    .await;
    let mut browser = Browser::new(&server);
    let url = ask_as(WEB, WEB_URI, "&response_type=id_token&scope=openid&nonce=n");
    let hint = browser.sign_in(&url, ADA_EMAIL, PASSWORD).await.get("id_token").unwrap();
    browser.open(&format!("/oauth2/logout?id_token_hint={hint}")).await;
    let told = tokio::time::timeout(Duration::from_secs(5), server.server.logouts_are_left()).await;
    assert!(told.is_ok(), "whoever tells clients hears of it at once");
    // It is in the store: another node tells it as well.
    TestServer::on(server.store.clone(), server.clock.clone()).await.tell_logouts().await;

    let first = heard.recv().await.unwrap();
    let (head, body) = first.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /logout HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/x-www-form-urlencoded"), "{head}");
    let token = parameters(body)["logout_token"].clone();
    assert_eq!(parameters(heard.recv().await.unwrap().split_once("\r\n\r\n").unwrap().1)["logout_token"], token);

    assert_eq!(part(&token, 0)["typ"], "logout+jwt");
    let claims = part(&token, 1);
    let sid = part(&hint, 1)["sid"].clone();
    let expected = json!({
        "aud": WEB.to_string(),
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        "exp": NOW + 120,
        "iat": NOW,
        "iss": PUBLIC_URL,
        "jti": claims["jti"],
        "sid": sid,
        "sub": ADA.to_string(),
    });
    assert_eq!(claims, expected, "2.4: and no nonce");
    // With the key of ID tokens, and as nothing else (E3).
    let issuer = server.keys.issuer(Some(TENANT)).unwrap();
    let logout = Expectations { types: TypeSet::new(["logout+jwt"]), ..Expectations::new(PUBLIC_URL) };
    assert!(verify(&token, &logout, &issuer.id_token_keys, NOW).is_ok());
    assert!(verify(&token, &issuer.expectations, &issuer.access_token_keys, NOW).is_err());
    // Who did not know of the session hears nothing.
    assert!(unheard.try_recv().is_err());
}

// Back-Channel Logout 1.0 2.7: a server that takes everything and says nothing delays what is for it alone
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_delays_nobody_else() {
    const MANY: usize = 40;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_uri = format!("http://{}/logout", silent.local_addr().unwrap());
    let (open, mut opened) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            kept.push(stream);
            open.send(kept.len()).unwrap();
        }
    });
    let (uri, mut heard) = receiver(&[200]).await;
    let server = world_with(
        |_| {},
        move |id: Uuid, settings| match id {
            WEB => settings.back_channel_logout_uri = Some(silent_uri.clone()),
            SPA => {
                settings.grants.push(ApplicationGrant::Implicit);
                settings.back_channel_logout_uri = Some(uri.clone());
            }
            _ => {}
        },
    )
    .await;
    let log_out = async |client: Uuid, uri: &str| {
        let mut browser = Browser::new(&server);
        let url = ask_as(client, uri, "&response_type=id_token&scope=openid&nonce=n");
        let hint = browser.sign_in(&url, ADA_EMAIL, PASSWORD).await.get("id_token").unwrap();
        browser.open(&format!("/oauth2/logout?id_token_hint={hint}")).await;
    };
    for _ in 0..MANY {
        log_out(WEB, WEB_URI).await;
    }
    log_out(SPA, SPA_URI).await;
    server.tell_logouts().await;
    server.tell_logouts().await;
    let told = tokio::time::timeout(Duration::from_secs(3), heard.recv()).await;
    assert!(told.is_ok(), "it has to wait for the silent one");
    let mut attempts = 0;
    while let Ok(count) = opened.try_recv() {
        attempts = count;
    }
    assert!((1..=8).contains(&attempts), "{attempts} at once");
}
