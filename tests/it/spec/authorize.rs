//! CONTRACT 2.B and 2.C: the authorization endpoint's parameters, and who hears of what is wrong with them.

use faregate::model::{ApplicationGrant, ApplicationSettings, PkcePolicy, Profile, ResponseMode};
use http::StatusCode;
use uuid::Uuid;

use crate::support::authorization_server::{NOW, PUBLIC_URL, TENANT, encode, speaking};
use crate::support::browser::Browser;
use crate::support::world::{
    ADA_EMAIL, BOB_EMAIL, CHALLENGE, DESK_URI, PASSWORD, SPA, SPA_URI, THIRD, THIRD_URI, WEB, WEB_URI, ask, ask_as,
    world, world_with,
};

fn plain(_: Uuid, _: &mut ApplicationSettings) {}

// RFC 6749 4.1.1, F-042, F-052, F-058, F-060
#[tokio::test]
async fn a_person_logs_in_and_the_client_gets_a_code() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("&scope=openid&state=s")).await;
    assert_eq!((page.status, page.answer.header("content-type")), (StatusCode::OK, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("name=\"password\""));
    let shown = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    // A5
    assert_eq!(shown.status, StatusCode::SEE_OTHER);
    assert!(shown.location.as_ref().unwrap().starts_with(&format!("{WEB_URI}?code=")));
    let code = shown.get("code").unwrap();
    assert!(code.len() == 43 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    // F-043: whoever is logged in goes straight back.
    let answer = browser.send("GET", &ask("&scope=openid"), None).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    assert!(answer.header("location").unwrap().starts_with(WEB_URI));
}

// F-048
#[tokio::test]
async fn a_login_id_is_an_email_or_a_username() {
    let server = world().await;
    for login_id in ["ada", "ADA@Example.com"] {
        assert!(Browser::new(&server).sign_in(&ask(""), login_id, PASSWORD).await.get("code").is_some(), "{login_id}");
    }
}

// RFC 6749 4.1.2, F-053: byte for byte.
#[tokio::test]
async fn the_state_comes_back_as_it_was() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let state = "a+b \"&=#%41é\u{1f511}<>'";
    let shown = browser.sign_in(&ask(&format!("&state={}", encode(state))), ADA_EMAIL, PASSWORD).await;
    assert_eq!(shown.get("state").as_deref(), Some(state));
    assert_eq!(browser.open(&ask("&state=a%2Bb%20%22")).await.get("state").as_deref(), Some("a+b \""));
    assert_eq!(browser.open(&ask("")).await.get("state"), None);
    assert_eq!(browser.open(&ask("&state=")).await.get("state"), None);
}

// RFC 6749 4.1.2.1, F-041, F-044, F-046, A2: the client is not told when nobody knows that it is the client.
#[tokio::test]
async fn who_cannot_be_trusted_hears_nothing() {
    let server = world().await;
    let nobody = Uuid::from_u128(9);
    let rows = [
        (format!("/oauth2/authorize?redirect_uri={}&response_type=code", encode(WEB_URI)), "missing_client_id"),
        (ask_as(nobody, WEB_URI, "&response_type=code"), "invalid_client_id"),
        // F-180: nobody logs in to an entity.
        (ask_as(crate::support::authorization_server::TODO_API, WEB_URI, "&response_type=code"), "invalid_client_id"),
        (format!("/oauth2/authorize?client_id={WEB}&response_type=code"), "missing_redirect_uri"),
        (ask_as(WEB, "https://evil.example/cb", "&response_type=code"), "invalid_redirect_uri"),
        (ask_as(WEB, SPA_URI, "&response_type=code"), "invalid_redirect_uri"),
        (ask("&tenantId=00000000-0000-0000-0000-000000000000"), "invalid_tenant_id"),
        (ask("&tenantId=x"), "invalid_tenant_id"),
        (ask("&state=1&state=1"), "unknown"),
        (ask("&nonce=%FF"), "unknown"),
    ];
    for (url, reason) in rows {
        // D19
        let answer = server.get(&url).header("Accept", "application/json").send().await;
        assert_eq!(answer.verdict(), (400, "invalid_request".to_owned(), reason.to_owned()), "{url}");
        assert_eq!(answer.header("location"), None, "{url}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let page = Browser::new(&server).open(&url).await;
        assert_eq!((page.status, page.location.is_none()), (StatusCode::BAD_REQUEST, true), "{url}");
        assert!(page.text().contains("invalid_request"), "{url}");
    }
}

// A1, F-015, F-016: forty ways to be almost right.
#[tokio::test]
async fn a_redirect_uri_that_is_almost_right_is_wrong() {
    let server = world().await;
    let near = [
        "https://web.example.com/cb/",
        "https://web.example.com/CB",
        "https://web.example.com/c",
        "https://web.example.com/cbx",
        "https://web.example.com/cb?",
        "https://web.example.com/cb?x=1",
        "https://web.example.com/cb#",
        "https://web.example.com/cb#x",
        "https://web.example.com//cb",
        "https://web.example.com/./cb",
        "https://web.example.com/x/../cb",
        "https://web.example.com/%63b",
        "https://web.example.com/cb%2e",
        "https://web.example.com/cb%20",
        "https://web.example.com/cb ",
        " https://web.example.com/cb",
        "https://web.example.com/cb\n",
        "https://web.example.com\\cb",
        "https://web.example.com:443/cb",
        "https://web.example.com:8443/cb",
        "https://WEB.example.com/cb",
        "HTTPS://web.example.com/cb",
        "https://web.example.com./cb",
        "https://user@web.example.com/cb",
        "https://web.example.com@evil.example/cb",
        "https://evil.example/https://web.example.com/cb",
        "https://web.example.com.evil.example/cb",
        "https://evilweb.example.com/cb",
        "https://x.web.example.com/cb",
        "http://web.example.com/cb",
        "//web.example.com/cb",
        "/cb",
        "web.example.com/cb",
        "https:/web.example.com/cb",
        "https:web.example.com/cb",
        "https://web.example.com",
        "https://web.example.com/",
        "https://web.example.com/cb;x",
        "javascript:https://web.example.com/cb",
        "https://web.example.com/*",
        "https://web.example.com/cb\u{0}",
        "https://wéb.example.com/cb",
    ];
    assert!(near.len() >= 40);
    for uri in near {
        let page = Browser::new(&server).open(&ask_as(WEB, uri, "&response_type=code&prompt=none")).await;
        assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None), "{uri:?}");
    }
    // The same for addresses of the device itself, but for the port (RFC 8252 7.3, A1).
    let rows = [
        ("http://127.0.0.1/cb", true),
        ("http://127.0.0.1:54321/cb", true),
        ("http://127.0.0.1:54321/cb/", false),
        ("http://127.0.0.1:54321/", false),
        ("http://127.0.0.1:x/cb", false),
        ("http://127.0.0.2:54321/cb", false),
        ("http://localhost:54321/cb", false),
        ("http://localhost.evil.example/cb", false),
        ("http://127.0.0.1.evil.example/cb", false),
        ("http://[::1]:54321/cb", false),
        ("https://127.0.0.1:54321/cb", false),
    ];
    for (uri, expected) in rows {
        let page = Browser::new(&server).open(&ask_as(SPA, uri, "&response_type=code&prompt=none")).await;
        let found = page.location.is_some_and(|location| location.starts_with(&format!("{uri}?error=")));
        assert_eq!(found, expected, "{uri:?}");
    }
}

// RFC 6749 4.1.2.1, F-008, F-009, F-030, F-031, F-040, F-061, F-062, F-065; A8, B2, N6; OpenID Connect Core 6
#[tokio::test]
async fn a_known_client_hears_what_is_wrong() {
    let server = world_with(
        |_| {},
        |id, settings| {
            if id == THIRD {
                settings.relationship = faregate::model::Relationship::FirstParty;
                settings.pkce = PkcePolicy::Required;
                settings.grants = vec![ApplicationGrant::Implicit];
                settings.response_modes = vec![ResponseMode::Query, ResponseMode::Fragment];
            }
        },
    )
    .await;
    let web = |more: &str| ask_as(WEB, WEB_URI, more);
    let spa = |more: &str| ask_as(SPA, SPA_URI, &format!("&response_type=code{more}"));
    let third = |more: &str| ask_as(THIRD, THIRD_URI, more);
    let long = "a".repeat(4097);
    let rows = [
        (web(""), "invalid_request", "missing_response_type"),
        (web("&response_type=foo"), "unsupported_response_type", "invalid_response_type"),
        (web("&response_type=none"), "unsupported_response_type", "invalid_response_type"),
        (third("&response_type=code"), "unauthorized_client", "grant_type_disabled"),
        (third("&response_type=code+token"), "unauthorized_client", "grant_type_disabled"),
        (spa("").replace("=code", "=token"), "unauthorized_client", "grant_type_disabled"),
        (third("&response_type=token&response_mode=form_post"), "invalid_request", "invalid_response_mode"),
        (third("&response_type=token&response_mode=query"), "invalid_request", "invalid_response_mode"),
        (ask("&response_mode=web_message"), "invalid_request", "invalid_response_mode"),
        (spa(""), "invalid_request", "missing_code_challenge"),
        (spa("&code_challenge_method=S256"), "invalid_request", "missing_code_challenge"),
        (spa("&code_challenge=abc"), "invalid_request", "invalid_pkce_code_challenge_method"),
        (
            spa(&format!("&code_challenge={CHALLENGE}&code_challenge_method=plain")),
            "invalid_request",
            "invalid_pkce_code_challenge_method",
        ),
        (spa("&code_challenge=abc&code_challenge_method=S256"), "invalid_request", "invalid_pkce_code_challenge"),
        (ask("&request=x"), "request_not_supported", "unknown"),
        (ask("&request_uri=https%3A%2F%2Fweb.example.com%2Fr"), "request_uri_not_supported", "unknown"),
        (ask("&registration=%7B%7D"), "registration_not_supported", "unknown"),
        (ask("&prompt=none+login"), "invalid_request", "invalid_prompt"),
        (ask("&max_age=-1"), "invalid_request", "unknown"),
        (ask("&claims=x"), "invalid_request", "unknown"),
        (ask("&claims=%7B%22id_token%22%3A1%7D"), "invalid_request", "unknown"),
        (ask("&id_token_hint=a.b.c"), "invalid_request", "invalid_id_token_hint"),
        (ask(&format!("&state={long}")), "invalid_request", "unknown"),
        (ask(&format!("&nonce={}", &long[..513])), "invalid_request", "unknown"),
        (web("&response_type=id_token&scope=openid"), "invalid_request", "unknown"),
        (ask("&prompt=none&scope=bogus"), "invalid_scope", "unknown_scope"),
        (ask("&prompt=none"), "login_required", "authentication_required"),
    ];
    for (url, error, reason) in rows {
        let shown = Browser::new(&server).open(&url).await;
        assert_eq!(shown.refusal(), (error.to_owned(), reason.to_owned()), "{url}");
        let implicit = ["response_type=token", "+token&", "response_type=id_token"]
            .iter()
            .any(|part| format!("{url}&").contains(part));
        assert_eq!(shown.location.as_ref().unwrap().contains('#'), implicit, "{url}");
        let response = shown.response();
        let known = ["error", "error_description", "error_reason", "iss", "state", "x"];
        assert!(response.keys().all(|name| known.contains(&name.as_str())), "{response:?}");
    }
}

// F-061: these bytes.
#[tokio::test]
async fn an_unknown_response_type_is_named_in_fusionauths_words() {
    let server = world_with(speaking(Profile::FusionAuth), plain).await;
    let shown = Browser::new(&server).open(&ask_as(WEB, WEB_URI, "&response_type=foo&state=s")).await;
    let location = shown.location.clone().unwrap();
    for part in [
        "error=unsupported_response_type",
        "error_reason=invalid_response_type",
        "error_description=Parameter+response_type+must+be+set+to+code+or+token.",
        "state=s",
    ] {
        assert!(location.contains(part), "{location}");
    }
    // F-065: and nothing else.
    assert_eq!(shown.response().len(), 4);
}

// RFC 9700 4.11.2, A12: errors about scopes, and all errors of somebody else's clients, wait for a login.
#[tokio::test]
async fn nobody_is_sent_on_with_an_error_before_they_logged_in() {
    let server = world().await;
    for url in [ask("&scope=bogus"), ask_as(THIRD, THIRD_URI, "&response_type=foo")] {
        let mut browser = Browser::new(&server);
        let page = browser.open(&url).await;
        assert!(page.has("loginId") && page.location.is_none(), "{url}");
        let mut shown = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
        if shown.has("leave") {
            shown = browser.submit(&shown, &[("decision", "leave")]).await; // A13
        }
        assert!(["invalid_scope", "unsupported_response_type"].contains(&&*shown.refusal().0), "{url}");
    }
}

// F-063, A11
#[tokio::test]
async fn unknown_parameters_do_not_matter() {
    let server = world().await;
    let more = "&extra=foobar&display=popup&ui_locales=de&acr_values=2&idp_hint=x&prompt=";
    assert!(Browser::new(&server).sign_in(&ask(more), ADA_EMAIL, PASSWORD).await.get("code").is_some());
}

// F-051, L9: the same page for who does not exist and what is not the password.
#[tokio::test]
async fn a_wrong_login_shows_the_form_again() {
    let server = world().await;
    let mut texts = Vec::new();
    for (login_id, password) in [(ADA_EMAIL, "wrong"), ("ghost@example.com", "wrong"), (ADA_EMAIL, "")] {
        let mut browser = Browser::new(&server);
        let page = browser.open(&ask("&state=s")).await;
        let shown = browser.submit(&page, &[("loginId", login_id), ("password", password)]).await;
        assert_eq!((shown.status, shown.has("password")), (StatusCode::OK, true));
        assert!(!browser.cookies.keys().any(|name| name.contains("session")), "{:?}", browser.cookies);
        // UX 17: what was typed is kept, but for the password.
        assert!(shown.text().contains(&format!("value=\"{login_id}\"")), "{login_id}");
        let text = shown.text();
        let main = text.split("<main").nth(1).unwrap().split("<form").next().unwrap().to_owned();
        assert!(main.contains("alert"), "{main}");
        texts.push(main);
        // And the right one still works.
        let shown = browser.submit(&shown, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
        assert!(shown.get("code").is_some());
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

// F-022, F-023, F-024, F-025
#[tokio::test]
async fn configured_origins_may_ask_and_frame() {
    let server = world_with(
        |_| {},
        |id, settings| {
            if id == WEB {
                settings.origins = vec!["https://ok.example".to_owned()];
            }
        },
    )
    .await;
    let ask = ask("");
    for (field, value, expected) in [
        ("Origin", "https://ok.example", None),
        ("Referer", "https://ok.example/x?y", None),
        ("X-Nothing", "x", None),
        ("Origin", PUBLIC_URL, None),
        ("Origin", "https://evil.example", Some("invalid_origin")),
        ("Referer", "https://evil.example/", Some("invalid_origin")),
        ("Origin", "null", Some("invalid_origin_opaque")),
    ] {
        let answer = server.get(&ask).header(field, value).header("Accept", "application/json").send().await;
        match expected {
            None => assert_eq!(answer.status, StatusCode::OK, "{field}: {value}"),
            Some(reason) => assert_eq!(answer.verdict().2, reason, "{field}: {value}"),
        }
        let framed = value.starts_with("https://ok.example");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert_eq!(answer.header("x-frame-options").is_none(), framed || expected.is_some(), "{field}: {value}");
        assert_eq!(policy.contains("frame-ancestors 'self' https://ok.example"), framed, "{policy}");
    }
    // K5: over plain HTTP a browser says of our own form, whose page sends no referrer, just this.
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask).await;
    let mut browser = browser.with("Origin", "null");
    let shown = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    assert!(shown.get("code").is_some(), "{}", shown.text());
    // None configured: everybody may ask, nobody may frame.
    let answer =
        server.get(&ask_as(THIRD, THIRD_URI, "&response_type=code")).header("Origin", "https://x.example").send().await;
    assert_eq!((answer.status, answer.header("x-frame-options")), (StatusCode::OK, Some("DENY")));
}

// F-047: only the old dialect takes a login that does not come from our form.
#[tokio::test]
async fn a_bare_login_is_for_the_old_dialect_only() {
    let body = format!(
        "client_id={WEB}&redirect_uri={}&response_type=code&loginId={ADA_EMAIL}&password={}",
        encode(WEB_URI),
        encode(PASSWORD)
    );
    for (profile, expected) in
        [(Profile::Standard, false), (Profile::FusionAuth, false), (Profile::FusionAuthLegacy, true)]
    {
        let server = world_with(speaking(profile), plain).await;
        let shown = Browser::new(&server).post("/oauth2/authorize", &body).await;
        assert_eq!(shown.location.is_some(), expected, "{profile:?}");
        assert_eq!(shown.has("password"), !expected);
        let foreign =
            Browser::new(&server).with("Origin", "https://evil.example").post("/oauth2/authorize", &body).await;
        assert!(foreign.location.is_none(), "{profile:?}");
    }
}

// F-056, F-057, F-034
#[tokio::test]
async fn fusionauths_redirect_says_the_state_of_the_user() {
    let server = world_with(speaking(Profile::FusionAuth), plain).await;
    let rows = [(ADA_EMAIL, "Authenticated"), (BOB_EMAIL, "AuthenticatedNotRegistered")];
    for (login_id, state) in rows {
        let shown = Browser::new(&server).sign_in(&ask("&locale=fr&scope=openid"), login_id, PASSWORD).await;
        let names: Vec<_> = shown.response().into_keys().collect();
        assert_eq!(names, ["code", "locale", "userState"]);
        assert_eq!(
            (shown.get("userState").unwrap(), shown.get("locale").unwrap()),
            (state.to_owned(), "fr".to_owned())
        );
    }
    let standard = world().await;
    let shown = Browser::new(&standard).sign_in(&ask("&locale=fr"), ADA_EMAIL, PASSWORD).await;
    assert_eq!(shown.response().into_keys().collect::<Vec<_>>(), ["code", "iss"]);
}

// F-034, D-12
#[tokio::test]
async fn who_is_not_registered_is_told_so() {
    let server = world_with(|_| {}, |_, settings| settings.requires_registration = true).await;
    let mut bob = Browser::new(&server);
    let page = bob.sign_in(&ask(""), BOB_EMAIL, PASSWORD).await;
    assert!(page.location.is_none() && page.text().contains("Web"), "{}", page.text());
    let shown = bob.open(&ask("&prompt=none")).await;
    assert_eq!(shown.refusal(), ("interaction_required".to_owned(), "registration_required".to_owned()));
    assert!(Browser::new(&server).sign_in(&ask(""), ADA_EMAIL, PASSWORD).await.get("code").is_some());
}

// CONTRACT 2.C: F-070 to F-077
#[tokio::test]
async fn the_implicit_grant_answers_in_the_fragment() {
    let server = world_with(speaking(Profile::FusionAuth), plain).await;
    let shown =
        Browser::new(&server).sign_in(&ask_as(WEB, WEB_URI, "&response_type=token&state=s"), ADA_EMAIL, PASSWORD).await;
    assert!(shown.location.as_ref().unwrap().starts_with(&format!("{WEB_URI}#access_token=")));
    let names: Vec<_> = shown.response().into_keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "state", "token_type", "userState"]);
    assert_eq!(shown.get("expires_in").as_deref(), Some("3600"));
    assert_eq!(shown.get("token_type").as_deref(), Some("Bearer"));
}

// F-049, F-050, F-059, D11
#[tokio::test]
async fn a_code_stands_for_what_was_approved() {
    use faregate::model::ClientSecret;
    use faregate::store::Store as _;

    for (profile, more, expected) in [
        (Profile::Standard, "", &["openid", "offline_access"][..]),
        (Profile::FusionAuthLegacy, "", &["openid"]),
        (Profile::FusionAuthLegacy, "&device=tv", &["openid", "offline_access"]),
    ] {
        let server = world_with(speaking(profile), plain).await;
        let url = ask(&format!(
            "&scope=openid+offline_access&nonce=n&code_challenge={CHALLENGE}&code_challenge_method=S256{more}"
        ));
        let shown = Browser::new(&server).sign_in(&url, ADA_EMAIL, PASSWORD).await;
        // B12: only the hash is there.
        let hash = ClientSecret::hash(&shown.get("code").unwrap());
        let code = server.store.find_authorization_code(&hash).await.unwrap().unwrap();
        assert_eq!(code.approval.scopes, expected);
        assert_eq!(code.redirect_uri.as_deref(), Some(WEB_URI));
        assert_eq!(code.code_challenge.as_deref(), Some(CHALLENGE));
        assert_eq!(
            (code.approval.nonce.as_deref(), code.approval.methods.as_slice()),
            (Some("n"), &["pwd".to_owned()][..])
        );
        // B8
        assert_eq!(code.expires_at - code.created_at, 30);
    }
}

// B2: a public client on a desk, with the port that was free.
#[tokio::test]
async fn a_public_client_needs_a_challenge_and_nothing_else() {
    let server = world().await;
    let more = format!("&response_type=code&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let uri = DESK_URI.replace("/cb", ":4711/cb").replace("127.0.0.1/:", "127.0.0.1:");
    let shown = Browser::new(&server).sign_in(&ask_as(SPA, &uri, &more), ADA_EMAIL, PASSWORD).await;
    assert!(shown.location.unwrap().starts_with("http://127.0.0.1:4711/cb?code="));
}

// F-064, F-160, F-163, F-165; RFC 8628 5.4: a link alone lets no device in.
#[tokio::test]
async fn a_login_can_be_for_a_device() {
    use faregate::model::{ClientSecret, DeviceCode, DeviceState};
    use faregate::store::Store as _;

    let server = world().await;
    let device = |id: u128, application_id: Uuid, expires_at: i64| DeviceCode {
        id: Uuid::from_u128(id),
        hash: ClientSecret::hash(&id.to_string()),
        user_code_hash: ClientSecret::hash(&format!("WDJBMJH{id}")),
        tenant_id: TENANT,
        application_id,
        audience: None,
        scopes: Vec::new(),
        state: DeviceState::Pending,
        interval: 5,
        last_polled_at: None,
        peer: None,
        device_name: None,
        created_at: NOW,
        expires_at,
    };
    for code in [
        device(1, WEB, NOW + 300),
        device(2, THIRD, NOW + 300),
        device(3, WEB, NOW),
        device(4, WEB, NOW + 300),
        device(5, WEB, NOW + 300),
    ] {
        server.store.insert_device_code(&code).await.unwrap();
    }
    for (user_code, reason) in
        [("wdjb-mjh2", "invalid_user_code"), ("x", "invalid_user_code"), ("WDJBMJH3", "user_code_expired")]
    {
        let shown = Browser::new(&server).open(&ask(&format!("&user_code={user_code}"))).await;
        assert_eq!(shown.refusal().1, reason, "{user_code}");
    }
    let mut browser = Browser::new(&server);
    // J7, J8: whoever signs in has not seen yet what that lets in, whether they had to or not.
    let page = browser.sign_in(&ask("&user_code=wdjb-mjh1"), ADA_EMAIL, PASSWORD).await;
    assert!(page.has("deny") && page.text().contains("WDJB-MJH1"), "{}", page.text());
    let shown = browser.submit(&page, &[("decision", "allow")]).await;
    let hash = ClientSecret::hash(&shown.get("code").unwrap());
    let code = server.store.find_authorization_code(&hash).await.unwrap().unwrap();
    assert_eq!(code.device_code_id, Some(Uuid::from_u128(1)));
    let pending = server.store.find_device_code(&ClientSecret::hash("1")).await.unwrap().unwrap();
    assert_eq!(pending.state, DeviceState::Pending, "until the code is redeemed");
    // Silently never, and without a code at once.
    let url = ask_as(WEB, WEB_URI, "&response_type=token&user_code=wdjb-mjh4");
    assert_eq!(browser.open(&format!("{url}&prompt=none")).await.refusal().0, "consent_required");
    let page = browser.open(&url).await;
    assert!(page.has("allow"));
    assert!(browser.submit(&page, &[("decision", "allow")]).await.get("access_token").is_some());
    let approved = server.store.find_device_code(&ClientSecret::hash("4")).await.unwrap().unwrap();
    assert!(matches!(approved.state, DeviceState::Approved(_)));
    // Nor with a login for this very request, nor by what somebody else was asked.
    let url = ask_as(WEB, WEB_URI, "&response_type=token&user_code=wdjb-mjh5");
    let page = browser.sign_in(&format!("{url}&prompt=login"), ADA_EMAIL, PASSWORD).await;
    let proof = page.hidden().into_iter().find(|(name, _)| name == "device_confirmation").unwrap().1;
    let mut other = Browser::new(&server);
    let asked = other.sign_in(&format!("{url}&device_confirmation={proof}"), BOB_EMAIL, PASSWORD).await;
    assert!(asked.has("allow") && asked.get("access_token").is_none(), "{}", asked.text());
    assert_eq!(browser.submit(&page, &[("decision", "deny")]).await.refusal().0, "access_denied");
    let denied = server.store.find_device_code(&ClientSecret::hash("5")).await.unwrap().unwrap();
    assert_eq!(denied.state, DeviceState::Denied);
}

// F-045
#[tokio::test]
async fn without_a_store_the_page_says_so() {
    use faregate::store::Store as _;

    let server = world().await;
    server.store.close().await;
    let answer = server.get(&ask("")).header("Accept", "application/json").send().await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("5"));
    let page = Browser::new(&server).open(&ask("")).await;
    assert_eq!((page.status, page.location), (StatusCode::SERVICE_UNAVAILABLE, None));
}
