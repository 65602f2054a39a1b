//! F-001 to F-003 and F-013: an application's credentials over time, and what its developer is told.

use faregate::directory::{NewApplication, NewSecret};
use faregate::model::{ApplicationSettings, ClientAuthenticationPolicy};
use http::StatusCode;

use crate::support::authorization_server::{TENANT, TestServer, encode};
use crate::support::log::Log;
use crate::support::people::{OPTIONAL, SECRET, WEB, id_of};

async fn authenticates(server: &TestServer, client_id: &str, secret: &str) -> bool {
    // What comes after does not matter: the code is missing.
    let body = format!("grant_type=authorization_code&client_id={client_id}&client_secret={}", encode(secret));
    server.post("/oauth2/token").body(body).send().await.status == StatusCode::BAD_REQUEST
}

// F-001, F-002
#[tokio::test]
async fn a_new_application_is_called_by_its_id_and_has_a_secret() {
    let server = TestServer::with_people().await;
    let new = NewApplication {
        id: None,
        tenant_id: TENANT,
        name: "new".to_owned(),
        client_id: None,
        client_secret: NewSecret::Generated,
        roles: Vec::new(),
        settings: ApplicationSettings::default(),
    };
    let made = server.directory.create_application(new).await.unwrap();
    let secret = made.client_secret.unwrap();
    assert_eq!(made.application.client_id, made.application.id.to_string());
    assert_eq!(made.application.settings.client_authentication, ClientAuthenticationPolicy::Required);
    assert!(authenticates(&server, &made.application.client_id, secret.expose()).await);
    assert!(!authenticates(&server, &made.application.client_id, "").await);
}

// F-003, D13
#[tokio::test]
async fn a_regenerated_secret_ends_the_old_one() {
    let server = TestServer::with_people().await;
    let regenerate = async |client_id: &str, keep_old_for: i64| {
        let made = server.directory.regenerate_application_secret(id_of(client_id), keep_old_for).await.unwrap();
        made.client_secret.unwrap().expose().clone()
    };
    let second = regenerate(WEB, 0).await;
    assert!(!authenticates(&server, WEB, SECRET).await && authenticates(&server, WEB, &second).await);
    // With an overlap both are good, until it is over.
    let third = regenerate(WEB, 60).await;
    assert!(authenticates(&server, WEB, &second).await && authenticates(&server, WEB, &third).await);
    server.clock.advance(60);
    assert!(!authenticates(&server, WEB, &second).await && authenticates(&server, WEB, &third).await);
    // Without consequence where no authentication is asked for.
    regenerate(OPTIONAL, 0).await;
    let answer = server.ask_openly(OPTIONAL, "grant_type=authorization_code").await;
    assert_eq!(answer.verdict().2, "missing_code");
}

// F-013, O2: reasons, and nothing of what was sent.
#[tokio::test]
async fn a_client_that_is_debugged_leaves_traces() {
    let server = TestServer::with_people().await;
    let log = Log::start();
    let wrong = format!("grant_type=authorization_code&code=marked-{}", "x".repeat(20));
    server.ask(WEB, &wrong).await;
    assert!(!log.text().contains("auth_code_not_found"), "{}", log.text());
    server.change(WEB, |settings| settings.debug = true).await;
    server.ask(WEB, &wrong).await;
    let lines = log.text();
    assert!(lines.contains(r#""error.reason":"auth_code_not_found""#) && lines.contains(r#""client.id":"web""#));
    assert!(!lines.contains("marked-") && !lines.contains(SECRET));
}
