//! RFC 7636: proof key for code exchange, from the challenge in the browser's request to the verifier in the client's.
//!
//! What else a code is bound to is `authorization_code`'s.

use http::StatusCode;

use crate::support::authorization_server::{Answer, TestServer, encode};
use crate::support::browser::Browser;
use crate::support::world::{
    ADA_EMAIL, CHALLENGE, PASSWORD, SPA, SPA_URI, VERIFIER, WEB, WEB_SECRET, WEB_URI, ask_as, world,
};

/// Of 43 characters each, and no pair.
const OTHER_VERIFIER: &str = "aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const OTHER_CHALLENGE: &str = "F9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Section, what is sent, the parameters, whether a client gets a code for them that is public and one that is not, and the
/// reason where it does not.
type ChallengeRow<'a> = (&'a str, &'a str, String, (bool, bool), &'a str);

/// Section, what is sent, the challenge, the verifier, and the reason of the refusal, if there is one.
type VerifierRow<'a> = (&'a str, &'a str, Option<String>, Option<&'a str>, &'a str);

/// S256 of section 4.2, computed here and not by what is tested.
fn challenge_of(verifier: &str) -> String {
    use base64::Engine as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
}

/// A browser in which Ada is logged in.
async fn browser(server: &TestServer) -> Browser<'_> {
    let mut browser = Browser::new(server);
    let url = ask_as(WEB, WEB_URI, "&response_type=code");
    assert!(browser.sign_in(&url, ADA_EMAIL, PASSWORD).await.get("code").is_some());
    browser
}

/// The code for a request of the public client, or of the confidential one, with these parameters.
async fn code(browser: &mut Browser<'_>, is_public: bool, more: &str) -> Result<String, (String, String)> {
    let (client, uri) = if is_public { (SPA, SPA_URI) } else { (WEB, WEB_URI) };
    let shown = browser.open(&ask_as(client, uri, &format!("&response_type=code{more}"))).await;
    shown.get("code").ok_or_else(|| shown.refusal())
}

async fn redeem(server: &TestServer, is_public: bool, code: &str, more: &str) -> Answer {
    let uri = encode(if is_public { SPA_URI } else { WEB_URI });
    let body = format!("grant_type=authorization_code&code={code}&redirect_uri={uri}{more}");
    match is_public {
        true => server.post("/oauth2/token").body(format!("client_id={SPA}&{body}")).send().await,
        false => server.post("/oauth2/token").basic(&WEB.to_string(), WEB_SECRET).body(body).send().await,
    }
}

// RFC 7636 appendix B: the example, from one end to the other.
#[tokio::test]
async fn the_example_of_the_standard_works() {
    assert_eq!(challenge_of(VERIFIER), CHALLENGE);
    let server = world().await;
    let mut browser = browser(&server).await;
    let asked = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let verified = format!("&code_verifier={VERIFIER}");
    for is_public in [true, false] {
        let code = code(&mut browser, is_public, &asked).await.unwrap();
        let answer = redeem(&server, is_public, &code, &verified).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
}

// RFC 7636 4.2, 4.3, 4.4.1, F-008, F-009, B2
#[tokio::test]
async fn a_challenge_is_s256_or_an_error() {
    let server = world().await;
    let mut browser = browser(&server).await;
    let s256 = |challenge: &str| format!("&code_challenge={challenge}&code_challenge_method=S256");
    let long = "a".repeat(44);
    let good = (true, true);
    // What is sent; whether a client that is public, and one that is not, gets a code for it; else the reason.
    let rows: [ChallengeRow<'_>; 17] = [
        ("4.3", "a challenge", s256(CHALLENGE), good, ""),
        ("4.3", "none", String::new(), (false, true), "missing_code_challenge"),
        ("4.3", "an empty one", "&code_challenge=".to_owned(), (false, true), "missing_code_challenge"),
        ("4.3", "a method alone", "&code_challenge_method=S256".to_owned(), (false, false), "missing_code_challenge"),
        // Without a method it would be `plain`.
        (
            "4.3",
            "no method",
            format!("&code_challenge={CHALLENGE}"),
            (false, false),
            "invalid_pkce_code_challenge_method",
        ),
        (
            "4.3",
            "an empty method",
            format!("&code_challenge={CHALLENGE}&code_challenge_method="),
            (false, false),
            "invalid_pkce_code_challenge_method",
        ),
        (
            "4.4.1",
            "plain",
            format!("&code_challenge={VERIFIER}&code_challenge_method=plain"),
            (false, false),
            "invalid_pkce_code_challenge_method",
        ),
        (
            "4.4.1",
            "a method of another case",
            format!("&code_challenge={CHALLENGE}&code_challenge_method=s256"),
            (false, false),
            "invalid_pkce_code_challenge_method",
        ),
        (
            "4.4.1",
            "a method of nobody",
            format!("&code_challenge={CHALLENGE}&code_challenge_method=S512"),
            (false, false),
            "invalid_pkce_code_challenge_method",
        ),
        ("4.2", "42 characters", s256(&CHALLENGE[1..]), (false, false), "invalid_pkce_code_challenge"),
        ("4.2", "44 characters", s256(&long), (false, false), "invalid_pkce_code_challenge"),
        ("4.2", "128 characters", s256(&"a".repeat(128)), (false, false), "invalid_pkce_code_challenge"),
        ("4.2", "padding", s256(&format!("{}%3D", &CHALLENGE[1..])), (false, false), "invalid_pkce_code_challenge"),
        (
            "4.2",
            "base64 of another alphabet",
            s256(&CHALLENGE.replace('-', "%2B")),
            (false, false),
            "invalid_pkce_code_challenge",
        ),
        (
            "4.2",
            "a character of verifiers only",
            s256(&CHALLENGE.replace('-', "~")),
            (false, false),
            "invalid_pkce_code_challenge",
        ),
        ("4.2", "hexadecimal", s256(&"0f".repeat(32)), (false, false), "invalid_pkce_code_challenge"),
        ("4.3", "another challenge", s256(OTHER_CHALLENGE), good, ""),
    ];
    for (section, given, more, (public, confidential), reason) in rows {
        for (is_public, gets_one) in [(true, public), (false, confidential)] {
            let name = format!("RFC 7636 {section}: {given}, public: {is_public}");
            match code(&mut browser, is_public, &more).await {
                Ok(_) => assert!(gets_one, "{name}"),
                Err(refusal) => {
                    assert!(!gets_one, "{name}: {refusal:?}");
                    assert_eq!(refusal, ("invalid_request".to_owned(), reason.to_owned()), "{name}");
                }
            }
        }
    }
    // 4.3: twice is never once.
    let twice = format!("{}&code_challenge={OTHER_CHALLENGE}", s256(CHALLENGE));
    let page = browser.open(&ask_as(SPA, SPA_URI, &format!("&response_type=code{twice}"))).await;
    assert!(page.location.is_none_or(|to| !to.contains("code=")), "{}", page.url);
}

// RFC 7636 4.1, 4.5, 4.6, RFC 9700 4.8.2, F-010, B3, B4
#[tokio::test]
async fn a_code_goes_to_who_knows_the_verifier() {
    let server = world().await;
    let mut browser = browser(&server).await;
    let (shortest, longest) = ("a".repeat(43), "Z9-._~".repeat(21) + "yz");
    let (short, too_long) = ("a".repeat(42), "a".repeat(129));
    let umlaut = "ä".repeat(43);
    let missing = "missing_code_verifier";
    let wrong = "invalid_pkce_code_verifier";
    let of = |verifier: &str| Some(challenge_of(verifier));
    let appendix = || Some(CHALLENGE.to_owned());
    // The challenge, the verifier, and the reason of the refusal, if there is one.
    let rows: [VerifierRow<'_>; 18] = [
        ("4.6", "the verifier", appendix(), Some(VERIFIER), ""),
        ("4.6", "another verifier", appendix(), Some(OTHER_VERIFIER), wrong),
        ("4.6", "another challenge", Some(OTHER_CHALLENGE.to_owned()), Some(VERIFIER), wrong),
        ("4.6", "the challenge itself", appendix(), Some(CHALLENGE), wrong),
        ("4.4.1", "a challenge that is the verifier, as in plain", Some(VERIFIER.to_owned()), Some(VERIFIER), wrong),
        ("4.5", "no verifier", appendix(), None, missing),
        ("4.5", "an empty verifier", appendix(), Some(""), missing),
        ("4.1", "43 characters", of(&shortest), Some(&shortest), ""),
        ("4.1", "128 characters, of every kind", of(&longest), Some(&longest), ""),
        ("4.1", "42 characters", of(&short), Some(&short), wrong),
        ("4.1", "129 characters", of(&too_long), Some(&too_long), wrong),
        (
            "4.1",
            "a plus",
            of("aBjftJeZ4CVP+mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            Some("aBjftJeZ4CVP+mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            wrong,
        ),
        ("4.1", "a letter that is not in ASCII", of(&umlaut), Some(&umlaut), wrong),
        ("4.6", "padding", appendix(), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk="), wrong),
        ("4.6", "another case", appendix(), Some("DBJFTJEZ4CVP-MB92K27UHBUJU1P1R_WW1GFWFOEJXK"), wrong),
        ("4.6", "a space behind it", appendix(), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk "), wrong),
        // RFC 9700 4.8.2: somebody took the challenge out of the request.
        ("4.6", "a verifier for a code without a challenge", None, Some(VERIFIER), wrong),
        ("4.6", "neither", None, None, ""),
    ];
    for (section, given, challenge, verifier, reason) in rows {
        let asked = challenge.map(|challenge| format!("&code_challenge={challenge}&code_challenge_method=S256"));
        let verified = verifier.map(|verifier| format!("&code_verifier={}", encode(verifier))).unwrap_or_default();
        for is_public in [true, false] {
            let name = format!("RFC 7636 {section}: {given}, public: {is_public}");
            // A public client has no code without a challenge (B2).
            let Some(asked) = asked.as_deref().or((!is_public).then_some("")) else { continue };
            let code = code(&mut browser, is_public, asked).await.unwrap_or_else(|why| panic!("{name}: {why:?}"));
            let answer = redeem(&server, is_public, &code, &verified).await;
            if reason.is_empty() {
                assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
                continue;
            }
            let expected = (400, "invalid_grant".to_owned(), reason.to_owned());
            assert_eq!(answer.verdict(), expected, "{name}");
            // B7: the code is the client's all the same, if it knows the verifier.
            if given == "another verifier" || given == "no verifier" {
                let answer = redeem(&server, is_public, &code, &format!("&code_verifier={VERIFIER}")).await;
                assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
            }
        }
    }
}

// RFC 7636 6.2, RFC 8414 2, B1
#[tokio::test]
async fn metadata_names_the_one_method() {
    let server = world().await;
    let metadata = server.get("/.well-known/oauth-authorization-server").send().await.json();
    assert_eq!(metadata["code_challenge_methods_supported"], serde_json::json!(["S256"]));
}
