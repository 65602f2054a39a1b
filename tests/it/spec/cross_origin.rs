//! Scripts of other origins (Fetch standard): what they may call, and what they may not.

use http::StatusCode;

use crate::support::authorization_server::TestServer;
use crate::support::people::{SPA, VERIFIER, redemption};

const ORIGIN: &str = "https://app.example";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";

// Fetch 3.2.2: the browser asks first, and is told what may be sent.
#[tokio::test]
async fn preflights_are_answered_where_scripts_call() {
    let server = TestServer::with_people().await;
    for path in ["/oauth2/token", "/oauth2/revoke", "/oauth2/userinfo", "/oauth2/device_authorize"] {
        let ask = server.request("OPTIONS", path).header("Origin", ORIGIN);
        let ask = ask.header("Access-Control-Request-Method", "POST");
        let answer = ask.header("Access-Control-Request-Headers", "content-type").send().await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.header(ALLOW_ORIGIN), Some("*"), "{path}");
        let allowed = answer.header("access-control-allow-headers").unwrap();
        // RFC 9449 4.1, and what clients of FusionAuth and Auth0 send.
        for name in ["authorization", "content-type", "dpop", "x-fusionauth-tenantid", "auth0-client"] {
            assert!(allowed.split(", ").any(|known| known == name), "{path}: {name}");
        }
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}: no cookie counts here");
    }
}

// A page that is a public client redeems its code itself, and can read why it was refused.
#[tokio::test]
async fn a_page_reads_its_tokens_and_its_refusals() {
    let server = TestServer::with_people().await;
    let code = server.code_with(SPA, "openid", |code| {
        code.code_challenge = Some(crate::support::people::CHALLENGE.to_owned());
    });
    let form = format!("client_id={SPA}&{}&code_verifier={VERIFIER}", redemption(&code.await));
    for expected in [StatusCode::OK, StatusCode::BAD_REQUEST] {
        let answer = server.post("/oauth2/token").header("Origin", ORIGIN).body(form.clone()).send().await;
        assert_eq!(answer.status, expected, "{}", answer.text());
        assert_eq!(answer.header(ALLOW_ORIGIN), Some("*"));
    }
    let answer = server.get("/oauth2/userinfo").header("Origin", ORIGIN).send().await;
    assert_eq!((answer.status, answer.header(ALLOW_ORIGIN)), (StatusCode::UNAUTHORIZED, Some("*")));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("www-authenticate"));
}

// A7, RFC 9700 2.6: where people are asked, and where only servers ask, no script of another origin reads along.
#[tokio::test]
async fn pages_and_introspection_are_closed_to_scripts() {
    let server = TestServer::with_people().await;
    for (method, path) in [
        ("GET", "/oauth2/authorize?client_id=web"),
        ("OPTIONS", "/oauth2/authorize"),
        ("GET", "/oauth2/logout"),
        ("GET", "/oauth2/device"),
        ("OPTIONS", "/oauth2/introspect"),
        ("POST", "/oauth2/introspect"),
    ] {
        let answer = server.request(method, path).header("Origin", ORIGIN).send().await;
        assert_eq!(answer.header(ALLOW_ORIGIN), None, "{method} {path}");
    }
}
