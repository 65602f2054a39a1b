//! What is true of every page. The browser tests look at the same pages with a browser.

mod hostile_names;

use axum::http::StatusCode;

use super::*;

fn chrome(language: Language, theme: &Theme) -> Chrome<'_> {
    Chrome { language, theme, tenant_name: "Pied Piper", here: Some("/oauth2/authorize?client_id=1"), is_https: true }
}

fn english(page: &dyn Page) -> String {
    page.render(&chrome(Language::English, &Theme::default()))
}

/// Names and values of the attributes of every tag.
fn attributes(html: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for tag in html.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag) {
        let mut rest = tag.split_once(' ').map(|(_, rest)| rest).unwrap_or_default();
        while let Some((before, after)) = rest.split_once("=\"") {
            let name = before.rsplit(' ').next().unwrap();
            let (value, after) = after.split_once('"').unwrap();
            found.push((name, value));
            rest = after;
        }
    }
    found
}

// UX 17, UX 18, A17, K1
#[test]
fn every_page_is_a_whole_document_in_every_language() {
    let theme = Theme::default();
    for (name, page) in samples() {
        for language in Language::ALL {
            let html = page.render(&chrome(language, &theme));
            let place = format!("{name} {}", language.tag());
            assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"), "{place}: {html}");
            assert!(html.contains(&format!(r#"<html lang="{}" dir="{}">"#, language.tag(), language.direction())));
            for once in ["<h1>", "<main", "<title>", r#"rel="stylesheet""#] {
                assert_eq!(html.matches(once).count(), 1, "{place}: {once}");
            }
            for placeholder in ["{client}", "{tenant}", "{login}", "{min}", "{seconds}", "{length}", "{count}", "{n}"] {
                assert!(!html.contains(placeholder), "{place}: {html}");
            }
            for (attribute, value) in attributes(&html) {
                assert!(!attribute.starts_with("on") && attribute != "style", "{place}: {attribute}");
                let loads = attribute == "src" || (attribute == "href" && value.ends_with(".css"));
                assert!(!loads || value.starts_with("/oauth2/assets/"), "{place}: loads {value}");
            }
        }
    }
}

// The ids that automation can rely on, and what password managers look for (UX 17).
#[test]
fn fields_and_buttons_have_the_ids_and_purposes_that_are_promised() {
    for (page, expected) in [
        (
            english(&SignIn::sample()),
            &[
                r#"id="loginId" name="loginId""#,
                r#"autocomplete="username""#,
                r#"id="password" name="password" type="password" autocomplete="current-password""#,
                r#"id="submit" type="submit""#,
                r#"name="rememberDevice" type="checkbox" value="true" checked"#,
            ][..],
        ),
        (english(&SecondFactor::sample()), &[r#"id="code" name="code""#, r#"autocomplete="one-time-code""#]),
        (
            english(&ChangePassword::sample()),
            &[r#"name="password" type="password" minlength="8" autocomplete="new-password""#, r#"name="confirm""#],
        ),
        (english(&DeviceEntry::sample()), &[r#"id="user_code" name="user_code""#]),
        (english(&ConfirmLogout::sample()), &[r#"id="logout" type="submit""#]),
        (english(&Leaving::sample()), &[r#"id="leave" type="submit""#]),
        (
            english(&Consent::sample()),
            &[
                r#"id="allow" type="submit" name="decision" value="allow""#,
                r#"id="deny" type="submit" name="decision" value="deny""#,
                r#"name="scope:email" type="checkbox" value="true">"#,
            ],
        ),
    ] {
        for text in expected {
            assert!(page.contains(text), "{text} is missing: {page}");
        }
    }
}

// A8, K5
#[test]
fn forms_carry_the_request_and_the_forgery_value_unchanged() {
    let html = english(&SignIn::sample());
    assert!(html.contains(r#"<form method="post" action="/oauth2/authorize">"#));
    assert!(html.contains(r#"<input type="hidden" name="forgery" value="fZkqrR2Wg0mK3vJ8v0oWq1b2Yk1J0bTg">"#));
    assert!(html.contains(r#"name="state" value="a &#34;b&#34; &#38; &#60;c&#62;""#), "{html}");
    for (name, page) in samples() {
        let html = english(&*page);
        let ours = html.matches("<form method=\"post\" action=\"/").count();
        assert_eq!(html.matches("name=\"forgery\"").count(), ours, "{name}");
    }
}

// UX 17
#[test]
fn a_message_is_announced_and_leads_to_its_field() {
    let page = SignIn { message: Some(Message::WrongCredentials), ..SignIn::sample() };
    let html = english(&page);
    assert!(html.contains("<title>Error: Sign in"), "{html}");
    assert!(html.contains(r##"role="alert" tabindex="-1" autofocus><a href="#loginId">"##), "{html}");
    assert!(html.contains(r#"value="richard@piedpiper.com""#), "the login id is kept");
    assert_eq!(html.matches(" autofocus").count(), 1);
    assert_eq!(html.matches(r#" aria-invalid="true" aria-describedby="message""#).count(), 2, "{html}");
    assert!(!english(&SignIn::sample()).contains("id=\"message\""));
    for message in [Message::Throttled { seconds: 30 }, Message::PasswordTooShort { min: 8 }] {
        for language in Language::ALL {
            let text = message.text(language.texts());
            assert!(text.contains("30") || text.contains('8'), "{text}");
        }
    }
}

// UX 19, UX 20, J8
#[test]
fn nothing_is_ticked_beforehand_and_enter_denies() {
    for html in [english(&Consent::sample()), english(&DeviceConfirm::sample())] {
        assert!(!html.contains(" checked>"));
        // The first button of a form is what Enter presses.
        assert!(html.find(r#"value="deny""#) < html.find(r#"value="allow""#));
    }
    let html = english(&Consent::sample());
    for shown in ["Hooli Chat", "Hooli Inc.", "chat.hooli.example", "90 days", "Unverified", "Far-reaching"] {
        assert!(html.contains(shown), "{shown}");
    }
    let html = english(&DeviceConfirm::sample());
    for shown in ["Living-room TV", "WDJB-MJHT", "203.0.113.7", "2 minutes ago", "if you started this yourself"] {
        assert!(html.contains(shown), "{shown}");
    }
    assert!(!english(&Consent { verified: true, ..Consent::sample() }).contains("Unverified"));
}

// UX 21
#[test]
fn an_error_says_what_to_do_and_the_detail_only_where_it_is_given() {
    let html = english(&ErrorPage::sample());
    for shown in ["Go back to the application", "invalid_request", "registered", "018f3a7e5b7c"] {
        assert!(html.contains(shown), "{shown}");
    }
    let plain = english(&ErrorPage { detail: None, request_id: None, ..ErrorPage::sample() });
    assert!(!plain.contains("received") && !plain.contains("Reference "), "{plain}");
}

// UX 17: 30 KB, 3 requests
#[test]
fn the_sign_in_page_is_small() {
    let html = english(&SignIn { message: Some(Message::WrongCredentials), ..SignIn::sample() });
    let loaded = attributes(&html);
    let loaded = loaded.iter().filter(|(name, value)| ["src", "href"].contains(name) && value.contains("/assets/"));
    assert_eq!(loaded.count(), 2, "the document, the stylesheet and the script");
    let bytes = html.len() + include_str!("assets/pages.css").len() + include_str!("assets/pages.js").len();
    assert!(bytes <= 30 * 1024, "{bytes}");
}

// UX 18, UX 23: 30 KB, 3 requests, whatever somebody has: the lists are cut where `oauth` cuts them
#[test]
fn the_account_page_is_small() {
    let scope =
        |_| ConsentScope { name: "orders:write", message: Some("Place orders for you"), detail: None, required: true };
    let scopes: Vec<_> = (0..4).map(scope).collect();
    let sample = Account::sample();
    let sessions = vec![sample.sessions[1]; 12];
    let applications = vec![ListedApplication { scopes: &scopes, ..sample.applications[0] }; 12];
    let html = english(&Account { sessions: &sessions, applications: &applications, ..sample });
    let loaded = attributes(&html);
    let loaded = loaded.iter().filter(|(name, value)| ["src", "href"].contains(name) && value.contains("/assets/"));
    assert_eq!(loaded.count(), 1, "the document and the stylesheet");
    let bytes = html.len() + include_str!("assets/pages.css").len();
    assert!(bytes <= 30 * 1024, "{bytes}");
}

// UX 23: what is there can be recognised and ended, and where nothing is, the page says what to do
#[test]
fn the_account_page_lists_what_can_be_ended() {
    let html = english(&Account::sample());
    for shown in [
        "Firefox, Linux",
        "This browser",
        "7 days ago",
        "Safari, iPhone",
        "2001:db8:85a3:8d3:1319:8a2e:370:7348",
        "An unknown browser",
        "Hooli Chat",
        "Place orders for you",
        "Can go on without you for 70 days at most",
        "Not shown here: 3.",
    ] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    assert_eq!(html.matches(r#"name="end_session""#).count(), 2, "this browser signs out instead");
    assert_eq!(html.matches(r#"name="end_access""#).count(), 2);
    let empty = english(&Account::empty());
    for shown in ["You have none yet", "not in the list", "signed in nowhere else", "once you have allowed it"] {
        assert!(empty.contains(shown), "{shown}: {empty}");
    }
    assert!(!empty.contains("<button") && empty.contains(r#"href="/oauth2/logout""#), "{empty}");
}

// UX 23: a picture of ours is a picture, and codes can be taken as they stand
#[test]
fn a_second_factor_is_shown_as_picture_key_and_codes() {
    let html = english(&SecondFactorSetUp::sample());
    assert!(html.contains(r#"aria-label="QR code with the key that stands below"><svg xmlns="#), "{html}");
    assert!(html.contains(">GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ</code>"), "{html}");
    assert!(html.contains(r#"name="code" type="text" dir="ltr""#) && html.contains("one-time-code"), "{html}");
    let html = english(&RecoveryCodes::sample());
    assert!(html.contains(">8kzh-4w2n-yd05-tm6q\nq7fe-0s3v-9cxp-h1ja\n"), "{html}");
    assert!(!english(&RecoveryCodes { codes: &["<b>"], ..RecoveryCodes::sample() }).contains("<b>"));
}

// UX 22: a language can be changed on the way
#[test]
fn the_other_languages_are_a_link_away_and_keep_the_request() {
    let theme = Theme::default();
    let here = "/oauth2/authorize?client_id=1&locale=en&state=a%26b&ui_locales=en";
    let html = SignIn::sample().render(&Chrome { here: Some(here), ..chrome(Language::English, &theme) });
    assert!(html.contains(r#"href="/oauth2/authorize?client_id=1&#38;state=a%26b&#38;ui_locales=de""#), "{html}");
    assert!(html.contains(r#"lang="ar" hreflang="ar" dir="rtl">العربية</a>"#));
    assert!(!SignIn::sample().render(&Chrome { here: None, ..chrome(Language::English, &theme) }).contains("<nav"));
}

// D-04, K11
#[test]
fn a_theme_names_and_paints_and_can_do_no_more() {
    let logo = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";
    let theme = Theme {
        name: Some("<b>Acme</b>\u{202e}".to_owned()),
        logo: Some(logo.to_owned()),
        accent: Some("#00f".to_owned()),
        accent_dark: None,
        welcome: [("de".to_owned(), "Grüß <i>Gott</i>".to_owned()), (String::new(), "Hello".to_owned())].into(),
    };
    let html = SignIn::sample().render(&chrome(Language::German, &theme));
    assert!(html.contains("<bdi>&#60;b&#62;Acme&#60;/b&#62;</bdi>"), "{html}");
    assert!(html.contains("Grüß &#60;i&#62;Gott&#60;/i&#62;") && html.contains(r#"<img class="logo" src="data:image"#));
    assert!(SignIn::sample().render(&chrome(Language::Arabic, &theme)).contains("<bdi>Hello</bdi>"));

    let foreign = ["https://evil.example/x.png", "data:text/html,x", "//x", "javascript:1"];
    let large = format!("{logo}{}", "x".repeat(20_000));
    for logo in foreign.iter().copied().chain([large.as_str()]) {
        let theme = Theme { logo: Some(logo.to_owned()), ..Theme::default() };
        let chrome = chrome(Language::English, &theme);
        assert!(!SignIn::sample().render(&chrome).contains("<img"), "{logo}");
        let response = respond(StatusCode::OK, &SignIn::sample(), &chrome, FormAction::Here);
        assert!(!response.headers()["content-security-policy"].to_str().unwrap().contains("data:"), "{logo}");
    }
}

// K1, K3, A16
#[test]
fn an_answer_has_the_status_and_fields_of_its_page() {
    let theme = Theme::default();
    let secure = chrome(Language::Arabic, &theme);
    let sign_in = SignIn::sample();
    let answer = respond(StatusCode::UNAUTHORIZED, &sign_in, &secure, FormAction::HereAnd("https://app.example/cb"));
    assert_eq!(answer.status(), 401);
    let headers = answer.headers();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["content-language"], "ar");
    assert_eq!(headers["strict-transport-security"], "max-age=31536000");
    assert_eq!(
        headers["content-security-policy"],
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self' http: https:; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    // RFC 6797 7.2
    let plain = respond(StatusCode::OK, &sign_in, &Chrome { is_https: false, ..secure }, FormAction::Here);
    assert!(!plain.headers().contains_key("strict-transport-security"));

    let frames = ["https://one.example/out?sid=1".to_owned(), "https://two.example/out".to_owned()];
    let signed_out = SignedOut { frames: &frames, next: Some("https://one.example/bye") };
    let answer = respond(StatusCode::OK, &signed_out, &secure, FormAction::Nowhere);
    assert_eq!(answer.headers()["refresh"], "6;url=https://one.example/bye");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-src https://one.example https://two.example;"), "{policy}");
}
