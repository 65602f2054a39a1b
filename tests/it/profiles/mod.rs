//! How tenants speak that are not `standard`: their paths, and one file for each profile.

mod auth0;
mod auth0_pages;
pub mod fusio;
mod fusionauth_legacy;
mod paths;
pub mod simpleidserver;

use crate::support::authorization_server::TestServer;

/// The world of the document that a transcript takes its conversation from, if it says so in its first line.
pub async fn world_of(written: &str) -> Option<TestServer> {
    match written.lines().next().and_then(|line| line.strip_prefix("# World: ")) {
        Some("fusio") => Some(fusio::world().await),
        Some("simpleidserver") => Some(simpleidserver::documented().await),
        Some(other) => panic!("no such world: {other}"),
        None => None,
    }
}
