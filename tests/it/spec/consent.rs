//! Consent (CONTRACT D-02, HARDENING K7 and K8): who is asked, and what the answer is worth.

use faregate::model::{ClientSecret, ConsentMode, Relationship};
use faregate::store::Store as _;
use http::StatusCode;

use crate::support::authorization_server::TestServer;
use crate::support::browser::{Browser, Shown};
use crate::support::world::{
    ADA_EMAIL, CHALLENGE, DESK_URI, PASSWORD, SPA, SPA_URI, THIRD, THIRD_URI, ask, ask_as, world, world_with,
};

fn third(more: &str) -> String {
    ask_as(THIRD, THIRD_URI, &format!("&response_type=code&scope=openid+email+orders%3Aread+orders%3Alist{more}"))
}

async fn scopes(server: &TestServer, shown: &Shown) -> Vec<String> {
    let code = shown.get("code").unwrap_or_else(|| panic!("no code: {:?} {}", shown.location, shown.text()));
    server.store.find_authorization_code(&ClientSecret::hash(&code)).await.unwrap().unwrap().approval.scopes
}

// F-036, K7, UX 19
#[tokio::test]
async fn a_third_partys_client_needs_consent() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&third("&state=s"), ADA_EMAIL, PASSWORD).await;
    assert!(page.url.starts_with("/oauth2/consent?"), "{}", page.url);
    assert!(page.has("allow") && page.has("deny"));
    for told in ["Third", "Third Ltd", "third.example.net", "May orders:read"] {
        assert!(page.text().contains(told), "{told}");
    }
    assert!(page.text().contains("type=\"checkbox\" value=\"true\">"), "nothing is ticked: {}", page.text());
    assert!(!page.text().contains("\" checked"));
    // Only what is required, and what was ticked.
    let shown = browser.submit(&page, &[("decision", "allow"), ("scope:email", "true")]).await;
    assert_eq!((shown.status, shown.get("state").as_deref()), (StatusCode::SEE_OTHER, Some("s")));
    assert!(shown.location.as_ref().unwrap().starts_with("https://third.example.net/cb?x=1&code="));
    assert_eq!(scopes(&server, &shown).await, ["openid", "email", "orders:list"]);
    // AlwaysPrompt
    assert!(browser.open(&third("")).await.has("allow"));
    assert_eq!(browser.open(&third("&prompt=none")).await.refusal().0, "consent_required");
}

// F-171's sister: denial is told to the client.
#[tokio::test]
async fn a_denial_goes_to_the_client() {
    let server = world().await;
    for decision in ["deny", "", "ALLOW"] {
        let mut browser = Browser::new(&server);
        let page = browser.sign_in(&third(""), ADA_EMAIL, PASSWORD).await;
        let shown = browser.submit(&page, &[("decision", decision)]).await;
        if decision.is_empty() {
            // Enter without a button decides nothing.
            assert!(shown.has("allow"));
            continue;
        }
        assert_eq!(shown.refusal(), ("access_denied".to_owned(), "consent_canceled".to_owned()));
    }
}

// D-02
#[tokio::test]
async fn a_remembered_consent_is_for_these_scopes_and_a_while() {
    let server = world_with(|_| {}, |_, settings| settings.consent = ConsentMode::RememberDecision).await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&third(""), ADA_EMAIL, PASSWORD).await;
    let all = [("decision", "allow"), ("scope:email", "true"), ("scope:orders:read", "true")];
    assert!(browser.submit(&page, &all).await.get("code").is_some());
    assert!(browser.open(&third("&prompt=none")).await.get("code").is_some());
    assert!(browser.open(&third("&prompt=consent")).await.has("allow"));
    let more = third("").replace("openid", "openid+profile");
    assert!(browser.open(&more).await.has("allow"), "one scope more");
    server.clock.advance(30 * 86_400);
    let page = browser.sign_in(&third(""), ADA_EMAIL, PASSWORD).await;
    assert!(page.has("allow"), "after a month");
}

// D-02: a no is remembered like a yes, and what else was decided before stays
#[tokio::test]
async fn every_decision_is_remembered() {
    let server = world_with(|_| {}, |_, settings| settings.consent = ConsentMode::RememberDecision).await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&third(""), ADA_EMAIL, PASSWORD).await;
    let some = [("decision", "allow"), ("scope:email", "true")];
    assert!(browser.submit(&page, &some).await.get("code").is_some());
    let again = browser.open(&third("")).await;
    assert_eq!(scopes(&server, &again).await, ["openid", "email", "orders:list"]);
    // Something else, and less of the same.
    let other = |scope: &str| ask_as(THIRD, THIRD_URI, &format!("&response_type=code&scope={scope}"));
    let page = browser.open(&other("openid+profile")).await;
    assert!(browser.submit(&page, &[("decision", "allow"), ("scope:profile", "true")]).await.get("code").is_some());
    for (asked, expected) in [
        ("openid+profile", vec!["openid", "profile"]),
        ("openid+email+orders%3Aread+orders%3Alist+profile", vec!["openid", "email", "orders:list", "profile"]),
    ] {
        assert_eq!(scopes(&server, &browser.open(&other(asked)).await).await, expected, "{asked}");
    }
    // Nothing but what they said no to is a question again.
    assert!(browser.open(&other("orders%3Aread")).await.has("allow"));
    // Another decision replaces the one before.
    let page = browser.open(&third("&prompt=consent")).await;
    assert!(browser.submit(&page, &[("decision", "allow"), ("scope:orders:read", "true")]).await.get("code").is_some());
    assert_eq!(scopes(&server, &browser.open(&third("")).await).await, ["openid", "orders:read", "orders:list"]);
}

// RFC 6749 5.1: a token for nothing would say that it is for what was asked
#[tokio::test]
async fn who_allows_nothing_denies() {
    let server = world().await;
    let url = ask_as(THIRD, THIRD_URI, "&response_type=code&scope=email");
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&url, ADA_EMAIL, PASSWORD).await;
    assert_eq!(browser.submit(&page, &[("decision", "allow")]).await.refusal().0, "access_denied");
}

// D-02
#[tokio::test]
async fn nobody_is_asked_about_first_parties_or_where_the_operator_says_so() {
    let server = world_with(|_| {}, |_, settings| settings.consent = ConsentMode::NeverPrompt).await;
    let mut browser = Browser::new(&server);
    assert!(browser.sign_in(&third(""), ADA_EMAIL, PASSWORD).await.get("code").is_some());
    assert!(browser.open(&ask("&scope=openid+email")).await.get("code").is_some());
    // Unless the client wants it (Core 3.1.2.1).
    let page = browser.open(&ask("&scope=openid+email&prompt=consent")).await;
    let shown = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(scopes(&server, &shown).await, ["openid", "email"]);
}

// K8, RFC 8252 8.6: anybody on the device can send what this client sends.
#[tokio::test]
async fn a_client_that_anybody_can_be_is_never_silent() {
    let server = world_with(
        |_| {},
        |id, settings| {
            if id == SPA {
                settings.consent = ConsentMode::NeverPrompt;
            }
        },
    )
    .await;
    let pkce = format!("&response_type=code&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let mut browser = Browser::new(&server);
    // Typing the password is consent enough for the operator's own client ...
    assert!(browser.sign_in(&ask_as(SPA, DESK_URI, &pkce), ADA_EMAIL, PASSWORD).await.get("code").is_some());
    // ... a session is not, unless the address can only be the client's.
    for (uri, is_silent) in [(DESK_URI, false), ("com.example.spa:/cb", false), (SPA_URI, true)] {
        let page = browser.open(&ask_as(SPA, uri, &pkce)).await;
        assert_eq!(page.location.is_some(), is_silent, "{uri}");
        if !is_silent {
            assert_eq!(
                browser.open(&ask_as(SPA, uri, &format!("{pkce}&prompt=none"))).await.refusal().0,
                "consent_required"
            );
            assert!(browser.submit(&page, &[("decision", "allow")]).await.get("code").is_some());
        }
    }
    let mut application = server.store.find_application(SPA).await.unwrap().unwrap();
    let before = application.clone();
    application.settings.relationship = Relationship::ThirdParty;
    server.store.update_application(&before, &application).await.unwrap();
    server.directory.absorb(&server.store.changes_since(0, 1000).await.unwrap());
    let page = Browser::new(&server).sign_in(&ask_as(SPA, DESK_URI, &pkce), ADA_EMAIL, PASSWORD).await;
    assert!(page.has("allow"), "somebody else's public client is asked about even after a login");
}

// A8, K5: neither a decision by link nor one from another page counts.
#[tokio::test]
async fn consent_comes_from_our_form_only() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&third(""), ADA_EMAIL, PASSWORD).await;
    let query = page.url.split_once('?').unwrap().1.to_owned();
    let by_link = browser.open(&format!("/oauth2/consent?{query}&decision=allow")).await;
    assert!(by_link.has("allow") && by_link.location.is_none());
    let foreign = browser.post("/oauth2/consent", &format!("{query}&decision=allow")).await;
    assert!(foreign.has("allow") && foreign.location.is_none());
    let at_start = browser.post("/oauth2/authorize", &page.body(&[("decision", "allow")])).await;
    assert!(at_start.has("allow") && at_start.location.is_none());
    let mut other = Browser::new(&server).with("Sec-Fetch-Site", "cross-site");
    other.cookies = browser.cookies.clone();
    let foreign = other.post("/oauth2/consent", &page.body(&[("decision", "allow")])).await;
    assert!(foreign.has("allow") && foreign.location.is_none());
    // What was tampered with is checked like any request.
    let body = page.body(&[("decision", "allow")]).replace("response_type=code", "response_type=token");
    assert_eq!(browser.post("/oauth2/consent", &body).await.refusal().1, "grant_type_disabled");
}

// A13, RFC 9700 4.11.2: nothing sends a person to a client's address before they saw where that is
#[tokio::test]
async fn an_error_leads_to_a_stranger_only_when_the_person_agrees() {
    let server = world_with(|_| {}, |_, settings| settings.consent = ConsentMode::RememberDecision).await;
    let wrong = ask_as(THIRD, THIRD_URI, "&response_type=code&scope=bogus&state=s");
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&wrong, ADA_EMAIL, PASSWORD).await;
    assert!(page.has("leave") && page.location.is_none(), "{}", page.text());
    for told in ["Third", "third.example.net"] {
        assert!(page.text().contains(told), "{told}");
    }
    // With a session it is no different, and no link, form of another site or reload does it.
    let again = browser.open(&wrong).await;
    assert!(again.has("leave") && again.location.is_none());
    let query = wrong.split_once('?').unwrap().1;
    for (method, path) in [("GET", "/oauth2/consent"), ("GET", "/oauth2/authorize")] {
        let answer = browser.copy().send(method, &format!("{path}?{query}&decision=leave"), None).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::OK, None), "{path}");
    }
    let foreign = browser.post("/oauth2/consent", &format!("{query}&decision=leave")).await;
    assert!(foreign.has("leave") && foreign.location.is_none());
    let shown = browser.submit(&page, &[("decision", "leave")]).await;
    assert_eq!(shown.status, StatusCode::SEE_OTHER);
    assert!(shown.location.as_ref().unwrap().starts_with("https://third.example.net/cb?x=1&error=invalid_scope"));
    assert_eq!(shown.get("state").as_deref(), Some("s"));
    // What the person refuses on a page that names the host needs no second page.
    let page = browser.open(&third("")).await;
    assert_eq!(browser.submit(&page, &[("decision", "deny")]).await.refusal().0, "access_denied");
    // Whom they let in before is no stranger, and prompt=none asks nobody (A12).
    assert_eq!(browser.open(&format!("{wrong}&prompt=none")).await.refusal().0, "invalid_scope");
    let page = browser.open(&third("")).await;
    assert!(browser.submit(&page, &[("decision", "allow"), ("scope:email", "true")]).await.get("code").is_some());
    assert_eq!(browser.open(&wrong).await.refusal().0, "invalid_scope");
    // Where the operator vouches for the client, nobody is asked.
    let vouched = world_with(|_| {}, |_, settings| settings.consent = ConsentMode::NeverPrompt).await;
    let mut browser = Browser::new(&vouched);
    assert_eq!(browser.sign_in(&wrong, ADA_EMAIL, PASSWORD).await.refusal().0, "invalid_scope");
}
