//! The first person of a new store (rule L14).

use std::sync::Arc;

use faregate::clock::Clock;
use faregate::directory::NewApiKey;
use faregate::model::Tenant;
use faregate::store::Store as _;
use faregate::store::sql::{Options, SqlStore};
use http::StatusCode;

use crate::support::authorization_server::{NOW, PUBLIC_URL, TENANT, TestServer};
use crate::support::browser::{Browser, Shown};

const EMAIL: &str = "first@example.com";
const PASSWORD: &str = "seven herons over the lake";

/// A node in front of a store in which nobody is.
async fn nobody() -> TestServer {
    let store = SqlStore::open("sqlite::memory:", &Options::default()).await.unwrap();
    let tenant = Tenant { id_token_algorithm: "ES256".to_owned(), ..Tenant::new(TENANT, "main", 1) };
    store.insert_tenant(&tenant).await.unwrap();
    TestServer::on(Arc::new(store), Clock::fixed(NOW)).await
}

async fn link(server: &TestServer) -> Option<String> {
    let link = server.server.setup_link().await.unwrap()?;
    Some(link.expose().strip_prefix(PUBLIC_URL).unwrap().to_owned())
}

fn filled<'a>(email: &'a str, password: &'a str, confirm: &'a str) -> [(&'a str, &'a str); 3] {
    [("email", email), ("password", password), ("confirm", confirm)]
}

/// The key that the last page shows.
fn api_key(page: &Shown) -> Option<String> {
    let text = page.text();
    let (_, rest) = text.split_once("id=\"api_key\"")?;
    let key = rest.split_once('>')?.1.split_once('<')?.0;
    Some(key.replace("&#43;", "+").replace("&#61;", "="))
}

// L14, L5
#[tokio::test]
async fn the_first_person_gets_an_account_and_a_key() {
    let server = nobody().await;
    let link = link(&server).await.unwrap();
    let mut browser = Browser::new(&server);
    // Whoever only looks spends nothing.
    browser.open(&link).await;
    let page = browser.open(&link).await;
    assert_eq!(page.answer.header("cache-control"), Some("no-store"));
    let done = browser.submit(&page, &filled(EMAIL, PASSWORD, PASSWORD)).await;
    let key = api_key(&done).unwrap_or_else(|| panic!("{} {}", done.status, done.text()));
    assert_eq!(done.answer.header("cache-control"), Some("no-store"));
    assert!(done.text().contains(EMAIL));
    let user = server.store.find_user_by_login(TENANT, EMAIL).await.unwrap().unwrap();
    assert!(user.password_change.is_none() && user.password_hash.is_some());
    let key = server.directory.find_api_key(&key).await.unwrap().unwrap();
    assert!(key.is_key_manager && key.endpoints.is_empty() && key.tenant_id.is_none());
    // Once, and never again.
    for again in [browser.open(&link).await, browser.submit(&page, &filled("b@example.com", PASSWORD, PASSWORD)).await]
    {
        assert_eq!(again.status, StatusCode::BAD_REQUEST);
        assert!(again.text().contains("This link was used"), "{}", again.text());
    }
    assert_eq!(self::link(&server).await, None);
}

// L14: 15 minutes, and ours.
#[tokio::test]
async fn a_link_is_good_for_a_quarter_of_an_hour() {
    let server = nobody().await;
    let link = link(&server).await.unwrap();
    let mut browser = Browser::new(&server);
    server.clock.advance(899);
    let page = browser.open(&link).await;
    assert!(page.has("email"));
    server.clock.advance(1);
    assert_eq!(browser.open(&link).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.submit(&page, &filled(EMAIL, PASSWORD, PASSWORD)).await.status, StatusCode::BAD_REQUEST);
    let (path, code) = link.split_once("code=").unwrap();
    for forged in [String::new(), "AAAA".to_owned(), format!("A{}", &code[1..]), format!("{code}AAAA")] {
        assert_eq!(browser.open(&format!("{path}code={forged}")).await.status, StatusCode::BAD_REQUEST, "{forged}");
    }
    assert!(self::link(&server).await.is_some(), "another start prints another one");
    assert_eq!(server.store.list_users(None, None, 1).await.unwrap(), []);
}

// L14, L1: what is wrong is said, and nothing is spent by it.
#[tokio::test]
async fn mistakes_can_be_corrected() {
    let server = nobody().await;
    let link = link(&server).await.unwrap();
    let mut browser = Browser::new(&server);
    let mut page = browser.open(&link).await;
    for (email, password, confirm, said) in [
        (EMAIL, PASSWORD, "another", "not the same"),
        (EMAIL, "short", "short", "too short"),
        (EMAIL, "password1234", "password1234", "easy to guess"),
        ("first", PASSWORD, PASSWORD, "not an email address"),
        ("", PASSWORD, PASSWORD, "not an email address"),
    ] {
        page = browser.submit(&page, &filled(email, password, confirm)).await;
        assert!(page.status == StatusCode::OK && page.text().contains(said), "{email} {said}: {}", page.text());
        assert!(!page.text().contains(PASSWORD), "a password never comes back");
    }
    // K5: a form of somebody else.
    let body = format!("{}&email={EMAIL}&password=x&confirm=x", link.split_once('?').unwrap().1);
    assert!(Browser::new(&server).post("/oauth2/setup", &body).await.has("email"));
    assert_eq!(server.store.list_users(None, None, 1).await.unwrap(), []);
    assert!(api_key(&browser.submit(&page, &filled(EMAIL, PASSWORD, PASSWORD)).await).is_some());
}

// L14: of two at once one is the first.
#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_make_one_account() {
    let server = nobody().await;
    let link = link(&server).await.unwrap();
    let (mut one, mut other) = (Browser::new(&server), Browser::new(&server));
    let pages = (one.open(&link).await, other.open(&link).await);
    let (first, second) = (filled(EMAIL, PASSWORD, PASSWORD), filled("b@example.com", PASSWORD, PASSWORD));
    let (one, other) = tokio::join!(one.submit(&pages.0, &first), other.submit(&pages.1, &second));
    let keys = [&one, &other].into_iter().filter_map(api_key).count();
    assert_eq!(keys, 1, "{} {}", one.text(), other.text());
    assert_eq!(server.store.list_users(None, None, 9).await.unwrap().len(), 1);
    assert_eq!(server.directory.api_keys().await.unwrap().len(), 1);
}

// L14: whoever has a key needs no invitation.
#[tokio::test]
async fn nobody_is_invited_where_somebody_is() {
    assert_eq!(link(&TestServer::start().await).await, None, "entities are there");
    let server = nobody().await;
    let before = link(&server).await.unwrap();
    server.directory.create_api_key(NewApiKey::default()).await.unwrap();
    assert_eq!(link(&server).await, None);
    assert_eq!(Browser::new(&server).open(&before).await.status, StatusCode::BAD_REQUEST);
}
