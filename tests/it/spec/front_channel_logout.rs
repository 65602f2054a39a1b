//! OpenID Connect Front-Channel Logout 1.0 and F-125 to F-127: other clients hear of a logout in frames.

use faregate::model::{LogoutBehavior, Profile};
use http::StatusCode;
use uuid::Uuid;

use crate::support::authorization_server::{PUBLIC_URL, TestServer, part, speaking};
use crate::support::browser::{Browser, parameters};
use crate::support::world::{ADA_EMAIL, PASSWORD, SPA, THIRD, WEB, WEB_URI, ask_as, world_with};

const WEB_OUT: &str = "https://web.example.com/out";
const SPA_OUT: &str = "https://spa.example.com/out?x=1";

async fn start(profile: Profile, behavior: LogoutBehavior, with_session: bool) -> TestServer {
    world_with(speaking(profile), move |id: Uuid, settings| {
        settings.logout_behavior = behavior;
        settings.logout_session_required = with_session;
        match id {
            WEB => settings.logout_uri = Some(WEB_OUT.to_owned()),
            SPA => settings.logout_uri = Some(SPA_OUT.to_owned()),
            _ => {}
        }
    })
    .await
}

fn frames(text: &str) -> Vec<String> {
    let sources = text.split("<iframe src=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut frames: Vec<String> = sources.map(|source| source.replace("&#38;", "&").replace("&amp;", "&")).collect();
    frames.sort();
    frames
}

// Front-Channel Logout 2 and 3, F-027, F-125, F-127, D4, K1
#[tokio::test]
async fn every_client_with_a_logout_url_is_opened_in_a_frame() {
    let server = start(Profile::Standard, LogoutBehavior::AllApplications, true).await;
    let mut browser = Browser::new(&server);
    let url = ask_as(WEB, WEB_URI, "&response_type=id_token&scope=openid&nonce=n");
    let hint = browser.sign_in(&url, ADA_EMAIL, PASSWORD).await.get("id_token").unwrap();
    let sid = part(&hint, 1)["sid"].as_str().unwrap().to_owned();
    let page = browser.open(&format!("/oauth2/logout?id_token_hint={hint}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let frames = frames(&page.text());
    assert_eq!(frames.len(), 2, "{frames:?}");
    // The one that knows the session hears which; the other one is only opened.
    assert_eq!(frames[0], SPA_OUT);
    let (uri, query) = frames[1].split_once('?').unwrap();
    assert_eq!(uri, WEB_OUT);
    let said = parameters(query);
    assert_eq!((said["iss"].as_str(), said["sid"].as_str()), (PUBLIC_URL, sid.as_str()));
    let policy = page.answer.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-src https://spa.example.com https://web.example.com"), "{policy}");
    // And then the browser goes on, with or without scripts.
    assert!(page.text().contains(&format!("href=\"{WEB_OUT}\"")));
    assert!(page.answer.header("refresh").unwrap().ends_with(&format!("url={WEB_OUT}")));
    assert!(!browser.cookies.contains_key("__Host-faregate_session"));
}

// Front-Channel Logout 2: `iss` and `sid` only for those who want them.
#[tokio::test]
async fn a_client_that_needs_no_session_hears_of_none() {
    let server = start(Profile::Standard, LogoutBehavior::AllApplications, false).await;
    let mut browser = Browser::new(&server);
    let url = ask_as(WEB, WEB_URI, "&response_type=id_token&scope=openid&nonce=n");
    let hint = browser.sign_in(&url, ADA_EMAIL, PASSWORD).await.get("id_token").unwrap();
    let page = browser.open(&format!("/oauth2/logout?id_token_hint={hint}")).await;
    assert_eq!(frames(&page.text()), [SPA_OUT, WEB_OUT]);
}

// F-126, D4: never a page where only a redirect is wanted, or nobody looks.
#[tokio::test]
async fn a_redirect_has_no_frames() {
    for (behavior, accept) in [
        (LogoutBehavior::RedirectOnly, "text/html"),
        (LogoutBehavior::RedirectOnly, "*/*"),
        (LogoutBehavior::AllApplications, "*/*"),
    ] {
        let server = start(Profile::FusionAuth, behavior, true).await;
        let mut browser = Browser::new(&server);
        let url = ask_as(WEB, WEB_URI, "&response_type=code");
        browser.sign_in(&url, ADA_EMAIL, PASSWORD).await;
        browser.fields = vec![("Accept".to_owned(), accept.to_owned())];
        let answer = browser.send("GET", &format!("/oauth2/logout?client_id={WEB}"), None).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::FOUND, Some(WEB_OUT)), "{behavior:?}");
        assert!(browser.open(&url).await.has("password"));
    }
    // Without a logout URL of its own a client has others told all the same.
    let server = start(Profile::FusionAuth, LogoutBehavior::AllApplications, true).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&ask_as(WEB, WEB_URI, "&response_type=code"), ADA_EMAIL, PASSWORD).await;
    let page = browser.open(&format!("/oauth2/logout?client_id={THIRD}")).await;
    assert_eq!(frames(&page.text()).len(), 2);
}
