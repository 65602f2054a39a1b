//! D1, K6: people of several tenants in one browser.

use faregate::model::{Application, ApplicationSettings, PkcePolicy, User};
use faregate::store::Store as _;
use uuid::{Uuid, uuid};

use crate::support::authorization_server::{OTHER_TENANT, TestServer};
use crate::support::browser::Browser;
use crate::support::world::{ADA_EMAIL, PASSWORD, WEB, WEB_URI, application, ask, ask_as, password_hash, world};

const ELSEWHERE: Uuid = uuid!("3c219e58-ed0e-4b18-ad48-f4f92793ae40");
const EVE_EMAIL: &str = "eve@example.org";

/// The usual world, and another tenant with a client and Eve.
async fn two_tenants() -> TestServer {
    let server = world().await;
    server.add_other_tenant().await;
    let settings = ApplicationSettings {
        redirect_uris: vec![WEB_URI.to_owned()],
        pkce: PkcePolicy::NotRequired,
        ..ApplicationSettings::default()
    };
    let client = application(ELSEWHERE, "Elsewhere", Some("a secret of the other tenant"), settings);
    server.store.insert_application(&Application { tenant_id: OTHER_TENANT, ..client }).await.unwrap();
    let eve = User {
        email: Some(EVE_EMAIL.to_owned()),
        email_verified: true,
        password_hash: Some(password_hash().await),
        ..User::new(Uuid::from_u128(0xe7e), OTHER_TENANT, 1)
    };
    server.store.insert_user(&eve).await.unwrap();
    server
}

fn ask_elsewhere(more: &str) -> String {
    ask_as(ELSEWHERE, WEB_URI, &format!("&response_type=code{more}"))
}

/// Whether the browser is logged in here and there.
async fn known(browser: &Browser<'_>) -> (bool, bool) {
    let (here, there) = (ask("&prompt=none"), ask_elsewhere("&prompt=none"));
    let is_known = async |url: &str| browser.copy().open(url).await.get("code").is_some();
    (is_known(&here).await, is_known(&there).await)
}

// K4, K6, D1: a login in one tenant neither ends nor uses the session in another, and neither does a logout.
#[tokio::test]
async fn a_browser_has_a_session_in_each_tenant() {
    let server = two_tenants().await;
    let mut browser = Browser::new(&server);
    assert!(browser.sign_in(&ask("&scope=openid"), ADA_EMAIL, PASSWORD).await.get("code").is_some());
    assert_eq!(known(&browser).await, (true, false));
    assert!(browser.sign_in(&ask_elsewhere("&scope=openid"), EVE_EMAIL, PASSWORD).await.get("code").is_some());
    assert_eq!(known(&browser).await, (true, true));
    let name = format!("__Host-faregate_session_{}", OTHER_TENANT.simple());
    assert_ne!(browser.cookies["__Host-faregate_session"], browser.cookies[&name]);
    // The one tenant's cookie under the other one's name opens nothing.
    let mut swapped = browser.copy();
    let (here, there) = (browser.cookies["__Host-faregate_session"].clone(), browser.cookies[&name].clone());
    swapped.cookies.extend([("__Host-faregate_session".to_owned(), there), (name.clone(), here)]);
    assert_eq!(known(&swapped).await, (false, false));
    // A form that was open before the login in the other tenant is still good.
    let page = browser.open(&format!("/oauth2/logout?client_id={WEB}")).await;
    browser.copy().open(&ask_elsewhere("&prompt=login")).await;
    browser.submit(&page, &[]).await;
    assert_eq!(known(&browser).await, (false, true));
    let page = browser.open(&format!("/{OTHER_TENANT}/oauth2/logout")).await;
    browser.submit(&page, &[]).await;
    assert_eq!(known(&browser).await, (false, false));
    assert!(!browser.cookies.keys().any(|name| name.contains("session")), "{:?}", browser.cookies);
}

// D1, F-330: the documents are asked for as everything else is
#[tokio::test]
async fn a_document_is_of_the_tenant_that_is_named() {
    let server = two_tenants().await;
    server.keys.provide().await.unwrap();
    for path in
        ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"]
    {
        let of_default = server.get(path).send().await;
        assert_eq!(of_default.header("vary"), Some("x-fusionauth-tenantid"), "{path}");
        let there = match path.strip_prefix("/.well-known/oauth-authorization-server") {
            Some(_) => format!("{path}/{OTHER_TENANT}"),
            None => format!("/{OTHER_TENANT}{path}"),
        };
        let expected = server.get(&there).send().await;
        assert_eq!((expected.status.as_u16(), expected.header("vary")), (200, None), "{path}");
        assert_ne!(of_default.text(), expected.text(), "{path}");
        let id = OTHER_TENANT.to_string();
        let by_parameter = server.get(&format!("{path}?tenantId={id}")).send().await;
        assert_eq!(by_parameter.text(), expected.text(), "{path}");
        let by_header = server.get(path).header("X-FusionAuth-TenantId", &id).send().await;
        assert_eq!(by_header.text(), expected.text(), "{path}");
        assert_eq!(by_header.header("vary"), Some("x-fusionauth-tenantid"), "{path}");
        let other = server.get(&format!("{path}?tenantId={id}")).header("X-FusionAuth-TenantId", &WEB.to_string());
        assert_eq!(other.send().await.status, 404, "{path}");
        assert_eq!(server.get(&format!("{path}?tenantId=x")).send().await.status, 404, "{path}");
    }
}

// Session Management 3.3: each tenant's page looks at its own cookie.
#[tokio::test]
async fn each_tenant_has_its_own_check_page() {
    let server = two_tenants().await;
    for (path, name) in [
        ("/oauth2/check_session".to_owned(), "__Host-faregate_state=".to_owned()),
        (format!("/{OTHER_TENANT}/oauth2/check_session"), format!("__Host-faregate_state_{}=", OTHER_TENANT.simple())),
    ] {
        let page = server.get(&path).send().await.text();
        assert!(page.contains(&format!("\"{name}\"")) && page.contains(&format!("slice({})", name.len())), "{page}");
    }
}
