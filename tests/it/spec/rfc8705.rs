//! RFC 8705 3 at the authorization server: clients that authenticate with certificates, and tokens that are
//! bound to them.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use faregate::jose::{Algorithm, SigningKey};
use faregate::model::CertificateSubject;
use faregate::store::Store as _;
use faregate::web::{ClientCertificate, VouchedCertificate};
use http::StatusCode;
use serde_json::json;

use crate::support::authorization_server::{Answer, TestServer, encode};
use crate::support::people::{SECRET, SPA, WEB, id_of, redemption};

const THUMBPRINT: &str = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";

async fn ask(server: &TestServer, client_id: &str, form: &str, certificate: Option<&str>) -> Answer {
    let secret = if client_id == SPA { String::new() } else { format!("&client_secret={}", encode(SECRET)) };
    let call = server.post("/oauth2/token").body(format!("client_id={client_id}&{form}{secret}"));
    match certificate {
        Some(certificate) => call.extension(ClientCertificate(certificate.to_owned())).send().await,
        None => call.send().await,
    }
}

// RFC 8705 3.1, 3.4
#[tokio::test]
async fn a_client_that_asks_for_it_gets_tokens_for_its_certificate() {
    let server = TestServer::with_people().await;
    server.change(WEB, |settings| settings.certificate_bound_access_tokens = true).await;
    let form = redemption(&server.code(WEB, "openid offline_access").await);
    let missing = ask(&server, WEB, &form, None).await;
    assert_eq!((missing.status, missing.json()["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_request")));
    let first = ask(&server, WEB, &form, Some(THUMBPRINT)).await;
    assert_eq!(first.claims()["cnf"], json!({ "x5t#S256": THUMBPRINT }), "{}", first.text());
    // It is a bearer token to whoever has the certificate (RFC 8705 3).
    assert_eq!(first.json()["token_type"], "Bearer");
    let introspected = server.introspect(WEB, &first.access_token()).await.json();
    assert_eq!(introspected["cnf"], json!({ "x5t#S256": THUMBPRINT }));
    let refresh = format!("grant_type=refresh_token&refresh_token={}", first.refresh_token());
    assert_eq!(ask(&server, WEB, &refresh, None).await.status, StatusCode::BAD_REQUEST);
    // A renewed certificate: the client authenticates, so that its refresh tokens are not bound (RFC 8705 7.1).
    let renewed = ask(&server, WEB, &refresh, Some("another")).await;
    assert_eq!(renewed.claims()["cnf"], json!({ "x5t#S256": "another" }));
    // Whoever did not ask for it is not bound, whatever it shows.
    let form = redemption(&server.code("plain", "").await);
    assert_eq!(ask(&server, "plain", &form, Some(THUMBPRINT)).await.claims().get("cnf"), None);
}

// RFC 8705 4, 7.1: a public client's refresh token has nothing else to be bound to
#[tokio::test]
async fn refresh_tokens_of_public_clients_are_bound_to_the_certificate() {
    let server = TestServer::with_people().await;
    server.change(SPA, |settings| settings.certificate_bound_access_tokens = true).await;
    let form = redemption(&server.code(SPA, "offline_access").await);
    let token = ask(&server, SPA, &form, Some(THUMBPRINT)).await.refresh_token();
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    let stolen = ask(&server, SPA, &form, Some("another")).await;
    assert_eq!((stolen.status, stolen.json()["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")));
    assert_eq!(ask(&server, SPA, &form, Some(THUMBPRINT)).await.status, StatusCode::OK);
}

// RFC 8705 3: at UserInfo, too
#[tokio::test]
async fn userinfo_wants_the_certificate() {
    let server = TestServer::with_people().await;
    server.change(WEB, |settings| settings.certificate_bound_access_tokens = true).await;
    let form = redemption(&server.code(WEB, "openid").await);
    let token = ask(&server, WEB, &form, Some(THUMBPRINT)).await.access_token();
    for (certificate, status) in [(Some(THUMBPRINT), 200), (Some("another"), 401), (None, 401)] {
        let call = server.get("/oauth2/userinfo").header("Authorization", &format!("Bearer {token}"));
        let answer = match certificate {
            Some(certificate) => call.extension(ClientCertificate(certificate.to_owned())).send().await,
            None => call.send().await,
        };
        assert_eq!(answer.status.as_u16(), status, "{certificate:?}");
    }
}

// RFC 8705 2.2: a certificate that the client registered is as good as a secret
#[tokio::test]
async fn a_registered_certificate_authenticates() {
    let server = TestServer::with_people().await;
    let der = b"what stands for a certificate: only its digest is compared";
    let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, der));
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut jwk = key.verifying_key().public_jwk().unwrap().clone();
    jwk.insert("x5c".to_owned(), json!([STANDARD.encode(der)]));
    server.change(WEB, |settings| settings.jwks = Some(json!({ "keys": [jwk] }).to_string())).await;
    let openly = async |form: &str, certificate: Option<&str>| {
        let call = server.post("/oauth2/token").body(format!("client_id={WEB}&{form}"));
        match certificate {
            Some(certificate) => call.extension(ClientCertificate(certificate.to_owned())).send().await.status,
            None => call.send().await.status,
        }
    };
    let form = redemption(&server.code(WEB, "").await);
    assert_eq!(openly(&form, None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(openly(&form, Some(THUMBPRINT)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(openly(&form, Some(&thumbprint)).await, StatusCode::OK);
    // D5: a wrong secret is wrong whatever the connection shows.
    let form = redemption(&server.code(WEB, "").await);
    let wrong = format!("{form}&client_secret=wrong");
    assert_eq!(openly(&wrong, Some(&thumbprint)).await, StatusCode::UNAUTHORIZED);
}

// RFC 8705 2.1: a certificate that an authority vouches for, known by what was registered of it
#[tokio::test]
async fn a_vouched_certificate_authenticates() {
    let server = TestServer::with_people().await;
    let made = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap().cert.der().to_vec();
    let (own, other) = (made("reports.example.com"), made("example.com"));
    let subject = CertificateSubject::SanDns("reports.example.com".to_owned());
    server.change(WEB, |settings| settings.certificate_subject = Some(subject)).await;
    let openly = async |form: &str, vouched: Option<&[u8]>, shown: &[u8]| {
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, shown));
        let call = server.post("/oauth2/token").body(format!("client_id={WEB}&{form}"));
        let call = call.extension(ClientCertificate(thumbprint));
        match vouched {
            Some(der) => call.extension(VouchedCertificate(der.into())).send().await.status,
            None => call.send().await.status,
        }
    };
    let form = redemption(&server.code(WEB, "").await);
    assert_eq!(openly(&form, None, &own).await, StatusCode::UNAUTHORIZED, "nobody vouches for it");
    assert_eq!(openly(&form, Some(&other), &other).await, StatusCode::UNAUTHORIZED, "somebody else");
    assert_eq!(openly(&form, Some(&own), &own).await, StatusCode::OK);
    // D5
    let form = redemption(&server.code(WEB, "").await);
    assert_eq!(openly(&format!("{form}&client_secret=wrong"), Some(&own), &own).await, StatusCode::UNAUTHORIZED);
    // An application with nothing else to authenticate with is no public one (K8).
    let mut alone = server.store.find_application(id_of(WEB)).await.unwrap().unwrap();
    assert!(!alone.is_public());
    alone.client_secrets.clear();
    assert!(!alone.is_public());
}
