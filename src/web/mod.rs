//! The HTTP skin of the authorization server: one file per endpoint.
//!
//! Owns methods, media types, sizes and header fields. It decides nothing about tokens.

mod key_set;
mod metadata;
mod respond;
mod token;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::{get, post};
use uuid::Uuid;

pub use respond::Outcome;

use crate::oauth::AuthorizationServer;

/// Rule N3.
const MAX_BODY_BYTES: usize = 64 * 1024;

const TOKEN: &str = "/oauth2/token";
const KEY_SET: &str = "/.well-known/jwks.json";
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

/// Who is connected: a request extension that the listener sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// Every endpoint that exists. Those of one tenant have its id in front; RFC 8414 puts it behind.
pub fn router(server: Arc<AuthorizationServer>) -> Router {
    let tenant = |path: &str| format!("/{{tenant}}{path}");
    Router::new()
        .route(TOKEN, post(token::post))
        .route(&tenant(TOKEN), post(token::post))
        .route(KEY_SET, get(key_set::get))
        .route(&tenant(KEY_SET), get(key_set::get))
        .route(OPENID_CONFIGURATION, get(metadata::get))
        .route(&tenant(OPENID_CONFIGURATION), get(metadata::get))
        .route(AUTHORIZATION_SERVER, get(metadata::get))
        .route(&format!("{AUTHORIZATION_SERVER}/{{tenant}}"), get(metadata::get))
        .fallback(respond::not_found)
        .method_not_allowed_fallback(respond::method_not_allowed)
        .layer(map_response(respond::harden))
        .with_state(server)
}

/// The path patterns of [`router`]; `{tenant}` stands for one segment that is a UUID.
pub fn paths() -> [&'static str; 8] {
    [
        TOKEN,
        "/{tenant}/oauth2/token",
        KEY_SET,
        "/{tenant}/.well-known/jwks.json",
        OPENID_CONFIGURATION,
        "/{tenant}/.well-known/openid-configuration",
        AUTHORIZATION_SERVER,
        "/.well-known/oauth-authorization-server/{tenant}",
    ]
}

/// Whether `path` is one of [`paths`], and so never an upstream's.
pub fn owns(path: &str) -> bool {
    let is_tenant = |segment: &str| Uuid::try_parse(segment).is_ok();
    if let Some(tenant) = path
        .strip_prefix(AUTHORIZATION_SERVER)
        .and_then(|rest| rest.strip_prefix('/'))
    {
        return is_tenant(tenant);
    }
    let shared = |path: &str| [TOKEN, KEY_SET, OPENID_CONFIGURATION].contains(&path);
    let of_tenant = || {
        let (tenant, position) = path
            .strip_prefix('/')
            .and_then(|rest| Some((rest.split('/').next()?, rest.find('/')?)))?;
        Some(is_tenant(tenant) && shared(&path[1 + position..]))
    };
    path == AUTHORIZATION_SERVER || shared(path) || of_tenant().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_are_owned_with_and_without_a_tenant() {
        for pattern in paths() {
            assert!(
                owns(&pattern.replace("{tenant}", "30663132-6464-6665-3032-326466613934")),
                "{pattern}"
            );
            if pattern.contains("{tenant}") {
                assert!(!owns(&pattern.replace("{tenant}", "api")), "{pattern}");
                assert!(!owns(&pattern.replace("{tenant}", "")), "{pattern}");
            }
        }
        for path in [
            "",
            "/",
            "/oauth2",
            "/oauth2/token/",
            "/OAUTH2/token",
            "/api/oauth2/token",
            "/.well-known/",
        ] {
            assert!(!owns(path), "{path}");
        }
    }
}
