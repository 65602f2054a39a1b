//! OpenID Connect RP-Initiated Logout 1.0 and CONTRACT 2.H (F-120 to F-130).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use faregate::model::Profile;
use http::StatusCode;
use serde_json::Value;

use crate::support::authorization_server::{TestServer, encode, speaking};
use crate::support::browser::Browser;
use crate::support::world::{ADA_EMAIL, BOB_EMAIL, PASSWORD, THIRD, WEB, WEB_URI, ask, ask_as, world, world_with};

const BYE: &str = "https://web.example.com/bye";

async fn signed_in<'a>(server: &'a TestServer, login_id: &str) -> (Browser<'a>, String) {
    let mut browser = Browser::new(server);
    let url = ask_as(WEB, WEB_URI, "&response_type=id_token&scope=openid&nonce=n");
    let hint = browser.sign_in(&url, login_id, PASSWORD).await.get("id_token").unwrap();
    (browser, hint)
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    browser.open(&ask("&prompt=none")).await.get("code").is_some()
}

// RP-Initiated Logout 2 and 3, F-123, F-124
#[tokio::test]
async fn a_client_with_a_hint_logs_out_and_gets_the_browser_back() {
    let server = world().await;
    for (more, expected) in [("&state=a%2Bb", "https://web.example.com/bye?state=a%2Bb"), ("", BYE)] {
        for client in ["".to_owned(), format!("&client_id={WEB}")] {
            let (mut browser, hint) = signed_in(&server, ADA_EMAIL).await;
            // F-128: however old.
            server.clock.advance(3500);
            let query = format!("id_token_hint={hint}&post_logout_redirect_uri={}{more}{client}", encode(BYE));
            let shown = browser.open(&format!("/oauth2/logout?{query}")).await;
            assert_eq!((shown.status, shown.location.as_deref()), (StatusCode::FOUND, Some(expected)));
            assert!(!browser.cookies.contains_key("__Host-faregate_session"));
            assert!(browser.open(&ask("")).await.has("password"));
        }
    }
    // F-129
    let (mut browser, hint) = signed_in(&server, ADA_EMAIL).await;
    let shown =
        browser.post("/oauth2/logout", &format!("id_token_hint={hint}&post_logout_redirect_uri={}", encode(BYE))).await;
    assert_eq!((shown.status, shown.location.as_deref()), (StatusCode::SEE_OTHER, Some(BYE)));
}

// K10, D20, RP-Initiated Logout 2 and 6: without a hint the person is asked.
#[tokio::test]
async fn nobody_is_logged_out_by_a_link() {
    let server = world().await;
    let (_, hint_of_bob) = signed_in(&server, BOB_EMAIL).await;
    let to_bye = format!("&post_logout_redirect_uri={}", encode(BYE));
    for (query, next) in [
        (String::new(), None),
        (format!("client_id={WEB}{to_bye}"), Some(BYE)),
        // F-128: nobody vouches for the address.
        (to_bye.clone(), None),
        (format!("id_token_hint={hint_of_bob}{to_bye}"), Some(BYE)),
        ("state=s".to_owned(), None),
    ] {
        let (mut browser, _) = signed_in(&server, ADA_EMAIL).await;
        let page = browser.open(&format!("/oauth2/logout?{query}")).await;
        assert!(page.has("logout") && page.location.is_none(), "{query}");
        // K2
        let policy = page.answer.header("content-security-policy").unwrap();
        assert_eq!(policy.contains("form-action 'self' http: https:;"), next.is_some(), "{query}: {policy}");
        assert!(is_signed_in(&mut browser).await);
        // A form of somebody else's is no answer (K5).
        let mut foreign = browser.copy().with("Sec-Fetch-Site", "cross-site");
        assert!(foreign.submit(&page, &[]).await.has("logout"));
        let shown = browser.submit(&page, &[]).await;
        assert!(!is_signed_in(&mut browser).await, "{query}");
        match next {
            Some(next) => assert_eq!(shown.location.as_deref(), Some(next), "{query}"),
            None => {
                assert!(shown.status == StatusCode::OK && !shown.has("logout") && shown.location.is_none(), "{query}")
            }
        }
    }
}

// RP-Initiated Logout 2: a client may post, from its own site; browsers keep Lax cookies back then
#[tokio::test]
async fn a_client_that_posts_from_its_own_site_logs_out() {
    let server = world().await;
    let (mut browser, hint) = signed_in(&server, ADA_EMAIL).await;
    let mut posting =
        Browser::new(&server).with("Origin", "https://web.example.com").with("Sec-Fetch-Site", "cross-site");
    let fields = format!("id_token_hint={hint}&post_logout_redirect_uri={}&state=s", encode(BYE));
    let answer = posting.send("POST", "/oauth2/logout", Some(fields)).await;
    let address = answer.header("location").unwrap().to_owned();
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(address.starts_with("/oauth2/logout?") && answer.header("set-cookie").is_none(), "{address}");
    let shown = browser.open(&address).await;
    assert_eq!(shown.location.as_deref(), Some(format!("{BYE}?state=s").as_str()));
    assert!(!is_signed_in(&mut browser).await);
    // What fits into no address is asked on our page, whose form brings the cookies along.
    let long = format!("client_id={WEB}&logout_hint={}", "x".repeat(5_000));
    let (mut browser, _) = signed_in(&server, ADA_EMAIL).await;
    let mut posting = Browser::new(&server).with("Origin", "https://web.example.com");
    assert!(posting.post("/oauth2/logout", &long).await.has("logout"));
    assert!(is_signed_in(&mut browser).await);
}

// RP-Initiated Logout 3, F-123, A1, K10
#[tokio::test]
async fn nobody_is_sent_where_the_client_did_not_register() {
    let server = world().await;
    for uri in
        ["https://evil.example/", "https://web.example.com/bye/", "https://web.example.com/bye?x=1", "javascript:x"]
    {
        let (mut browser, hint) = signed_in(&server, ADA_EMAIL).await;
        let query = format!("id_token_hint={hint}&post_logout_redirect_uri={}", encode(uri));
        let page = browser.open(&format!("/oauth2/logout?{query}")).await;
        assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None), "{uri}");
        assert!(is_signed_in(&mut browser).await, "{uri}");
        let url = format!("/oauth2/logout?{query}");
        let answer = server.get(&url).header("Accept", "application/json").send().await;
        assert_eq!(answer.verdict().2, "invalid_post_logout_redirect_uri");
    }
}

// RP-Initiated Logout 2 and 4
#[tokio::test]
async fn a_hint_that_is_not_ours_is_refused() {
    let server = world().await;
    let (mut browser, hint) = signed_in(&server, ADA_EMAIL).await;
    let forged = format!("{}{}", &hint[..hint.len() - 4], "AAAA");
    for query in [
        format!("id_token_hint={forged}"),
        "id_token_hint=x".to_owned(),
        format!("id_token_hint={hint}&client_id={THIRD}"),
        format!("id_token_hint={hint}&client_id=nobody"),
        "client_id=nobody".to_owned(),
        format!("id_token_hint={hint}&id_token_hint={hint}"),
    ] {
        let page = browser.open(&format!("/oauth2/logout?{query}&post_logout_redirect_uri={}", encode(BYE))).await;
        assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None), "{query}");
        assert!(is_signed_in(&mut browser).await);
    }
}

// RP-Initiated Logout 4: a client may have kept its ID token for longer than we keep keys
#[tokio::test]
async fn a_hint_whose_key_is_gone_is_none() {
    let server = world().await;
    let (mut browser, hint) = signed_in(&server, ADA_EMAIL).await;
    let (head, rest) = hint.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    header["kid"] = "gone".into();
    let hint = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
    let query = format!("id_token_hint={hint}&client_id={WEB}&post_logout_redirect_uri={}", encode(BYE));
    let page = browser.open(&format!("/oauth2/logout?{query}")).await;
    assert!(page.has("logout"), "{}", page.text());
    assert!(is_signed_in(&mut browser).await);
    assert_eq!(browser.submit(&page, &[]).await.location.as_deref(), Some(BYE));
    assert!(!is_signed_in(&mut browser).await);
}

// F-027, F-120, F-121, F-122, D4: four places, in their order.
#[tokio::test]
async fn the_browser_goes_where_it_is_told_first() {
    let rows = [
        (true, true, true, BYE),
        (false, true, true, "https://web.example.com/out"),
        (false, false, true, "https://tenant.example/out"),
        (false, false, false, "/"),
    ];
    for profile in [Profile::FusionAuth, Profile::Standard] {
        for (request, application, tenant, expected) in rows {
            let server = world_with(
                |settings| {
                    speaking(profile)(settings);
                    settings.settings.logout_uri = tenant.then(|| "https://tenant.example/out".to_owned());
                },
                |id, settings| {
                    if id == WEB && application {
                        settings.logout_uri = Some("https://web.example.com/out".to_owned());
                    }
                },
            )
            .await;
            let more = if request { format!("&post_logout_redirect_uri={}", encode(BYE)) } else { String::new() };
            let answer = server.get(&format!("/oauth2/logout?client_id={WEB}{more}")).send().await;
            assert_eq!((answer.status, answer.header("location")), (StatusCode::FOUND, Some(expected)), "{profile:?}");
            // F-122
            let answer = server.get("/oauth2/logout").send().await;
            let of_tenant = if tenant { "https://tenant.example/out" } else { "/" };
            assert_eq!(answer.header("location"), Some(of_tenant));
        }
    }
}

// F-120, F-124, F-128: FusionAuth asks nobody.
#[tokio::test]
async fn fusionauth_logs_out_at_once() {
    let server = world_with(speaking(Profile::FusionAuth), |_, _| {}).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    let answer = browser.send("GET", &format!("/oauth2/logout?client_id={WEB}"), None).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::FOUND, Some("/")));
    assert!(browser.open(&ask("")).await.has("password"));
    let url = format!("/oauth2/logout?post_logout_redirect_uri={}", encode(BYE));
    assert_eq!(server.get(&url).send().await.header("location"), Some("/"), "F-128");
}
