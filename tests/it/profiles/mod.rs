//! How tenants speak that are not `standard`: their paths, and one file for each profile.

mod auth0;
mod auth0_pages;
pub mod fusio;
mod fusionauth_legacy;
mod paths;
pub mod simpleidserver;

use faregate::model::Profile;
use serde_json::json;

use crate::support::authorization_server::{Answer, TestServer, part, speaking};
use crate::support::people::{ADA_EMAIL, WEB};

/// The world of the document that a transcript takes its conversation from, if it says so in its first line.
pub async fn world_of(written: &str) -> Option<TestServer> {
    match written.lines().next().and_then(|line| line.strip_prefix("# World: ")) {
        Some("fusio") => Some(fusio::world().await),
        Some("simpleidserver") => Some(simpleidserver::documented().await),
        Some(other) => panic!("no such world: {other}"),
        None => None,
    }
}

// OpenID Connect Core 5.4, E10, D-02: UserInfo tells what scopes ask for; clients of some read it in the ID token, refreshed
// ones, too
#[tokio::test]
async fn id_tokens_tell_what_scopes_ask_for_where_clients_look_there() {
    let told = |answer: &Answer| {
        let claims = part(answer.json()["id_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())), 1);
        [claims["email"].clone(), claims["given_name"].clone()]
    };
    for (profile, is_told) in [(Profile::Standard, false), (Profile::FusionAuth, true), (Profile::Auth0, true)] {
        let server = TestServer::with_people_and(speaking(profile)).await;
        let [nobody, ada] = [[json!(null), json!(null)], [json!(ADA_EMAIL), json!("Ada")]];
        let answer = server.tokens(WEB, "openid email profile offline_access").await;
        assert_eq!(told(&answer), if is_told { ada.clone() } else { nobody.clone() }, "{profile:?}");
        let refreshed = server.refresh(WEB, answer.json()["refresh_token"].as_str().unwrap()).await;
        assert_eq!(told(&refreshed), if is_told { ada } else { nobody.clone() }, "{profile:?}");
        assert_eq!(told(&server.tokens(WEB, "openid offline_access").await), nobody, "{profile:?}");
    }
    // F-148: the first version went by no scopes.
    let server = TestServer::with_people_and(speaking(Profile::FusionAuthLegacy)).await;
    assert_eq!(told(&server.tokens(WEB, "openid profile").await), [json!(ADA_EMAIL), json!(null)]);
}
