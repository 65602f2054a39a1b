//! RFC 9207: every authorization response says who answers.

use crate::support::authorization_server::{OTHER_TENANT, PUBLIC_URL};
use crate::support::browser::Browser;
use crate::support::world::{ADA_EMAIL, PASSWORD, WEB, WEB_URI, ask, ask_as, world};
use faregate::store::Store as _;

// RFC 9207 2, A6: codes, tokens and errors, in every response mode.
#[tokio::test]
async fn every_response_names_the_issuer() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    let as_web = |more: &str| ask_as(WEB, WEB_URI, more);
    for url in [
        ask(""),
        ask("&response_mode=fragment"),
        ask("&response_mode=form_post"),
        as_web("&response_type=token"),
        as_web("&response_type=code+id_token&scope=openid&nonce=n"),
        as_web("&response_type=foo"),
        as_web(""),
        ask("&prompt=none&scope=bogus"),
        ask("&prompt=none&scope=bogus&response_mode=form_post"),
    ] {
        let shown = browser.open(&url).await;
        assert_eq!(shown.get("iss").as_deref(), Some(PUBLIC_URL), "{url}");
    }
}

// RFC 9207 2: the issuer is the tenant's.
#[tokio::test]
async fn another_tenant_is_another_issuer() {
    let server = world().await;
    server.add_other_tenant().await;
    let mut application = server.store.find_application(WEB).await.unwrap().unwrap();
    application.id = uuid::Uuid::from_u128(77);
    application.tenant_id = OTHER_TENANT;
    application.client_id = "other-web".to_owned();
    server.store.insert_application(&application).await.unwrap();
    let url = format!(
        "/{OTHER_TENANT}/oauth2/authorize?client_id=other-web&redirect_uri={WEB_URI}&prompt=none&response_type=code"
    );
    let shown = Browser::new(&server).open(&url).await;
    assert_eq!(shown.get("iss"), Some(format!("{PUBLIC_URL}/{OTHER_TENANT}")));
    assert_eq!(shown.get("error").as_deref(), Some("login_required"));
    // A user of one tenant is nobody in the other.
    let mut browser = Browser::new(&server);
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    assert_eq!(browser.open(&url).await.get("error").as_deref(), Some("login_required"));
}
