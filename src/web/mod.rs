//! The HTTP skin of the authorization server: one file per endpoint.
//!
//! Owns methods, media types, sizes and header fields. It decides nothing about tokens.

mod authorize;
mod back_channel;
mod browser;
mod cookies;
mod cross_origin;
mod device;
mod forgery;
mod introspect;
mod key_set;
mod logout;
mod metadata;
pub mod pages;
mod respond;
mod revoke;
mod rounds;
mod sent;
mod service;
mod session_check;
mod setup;
mod show;
mod token;
mod userinfo;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::{MethodRouter, get, post};
use uuid::Uuid;

pub use back_channel::deliver;
pub use respond::{Issued, Outcome, Reuse};
pub use service::Service;

use crate::oauth::AuthorizationServer;

/// Rule N3.
const MAX_BODY_BYTES: usize = 64 * 1024;

const AUTHORIZE: &str = "/oauth2/authorize";
const SECOND_FACTOR: &str = "/oauth2/two-factor";
const CONSENT: &str = "/oauth2/consent";
const LOGOUT: &str = "/oauth2/logout";
const SESSION_CHECK: &str = "/oauth2/check_session";
const SETUP: &str = "/oauth2/setup";
const CHANGE_PASSWORD: &str = "/password/change";
const TOKEN: &str = "/oauth2/token";
const INTROSPECT: &str = "/oauth2/introspect";
const REVOKE: &str = "/oauth2/revoke";
const USERINFO: &str = "/oauth2/userinfo";
const DEVICE: &str = "/oauth2/device";
const DEVICE_AUTHORIZATION: &str = "/oauth2/device_authorize";
const USER_CODE_CHECK: &str = "/oauth2/device/validate";
const USER_CODE_DETAILS: &str = "/oauth2/device/user-code";
const USER_CODE_APPROVAL: &str = "/oauth2/device/approve";
const USER_CODE_PICTURE: &str = "/oauth2/device/picture";
const KEY_SET: &str = "/.well-known/jwks.json";
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// Whatever else is asked of the authorization server is answered here, with a 404.
const REST: &str = "/oauth2/**";
const TENANT_REST: &str = "/{tenant}/oauth2/**";

/// Who is connected: a request extension that the listener sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// What the gateway calls the request, for the person who reads an error page: a request extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Every endpoint that exists. Those of one tenant have its id in front; RFC 8414 puts it behind.
pub fn router(server: Arc<AuthorizationServer>) -> Router {
    let tenant = |path: &str| format!("/{{tenant}}{path}");
    Router::new()
        .merge(people())
        .merge(scripts())
        .route(SETUP, get(setup::answer).post(setup::answer))
        .route(INTROSPECT, post(introspect::post))
        .route(&tenant(INTROSPECT), post(introspect::post))
        .route(USER_CODE_CHECK, get(device::check))
        .route(&tenant(USER_CODE_CHECK), get(device::check))
        .route(USER_CODE_DETAILS, post(device::describe))
        .route(&tenant(USER_CODE_DETAILS), post(device::describe))
        .route(USER_CODE_APPROVAL, post(device::approve))
        .route(&tenant(USER_CODE_APPROVAL), post(device::approve))
        .route(USER_CODE_PICTURE, get(device::picture))
        .route(&tenant(USER_CODE_PICTURE), get(device::picture))
        .route(KEY_SET, get(key_set::get))
        .route(&tenant(KEY_SET), get(key_set::get))
        .route(OPENID_CONFIGURATION, get(metadata::get))
        .route(&tenant(OPENID_CONFIGURATION), get(metadata::get))
        .route(AUTHORIZATION_SERVER, get(metadata::get))
        .route(&format!("{AUTHORIZATION_SERVER}/{{tenant}}"), get(metadata::get))
        .route(pages::ASSET, get(pages::asset))
        .fallback(respond::not_found)
        .method_not_allowed_fallback(respond::method_not_allowed)
        .layer(map_response(respond::harden))
        .with_state(server)
}

/// What applications call that live in a browser themselves.
fn scripts() -> Router<Arc<AuthorizationServer>> {
    let endpoints: [(&str, MethodRouter<Arc<AuthorizationServer>>); 4] = [
        (TOKEN, post(token::post)),
        (REVOKE, post(revoke::post)),
        (USERINFO, get(userinfo::get).post(userinfo::post)),
        (DEVICE_AUTHORIZATION, post(device::authorize)),
    ];
    let router = endpoints.into_iter().fold(Router::new(), |router, (path, endpoint)| {
        let endpoint = endpoint.options(cross_origin::preflight);
        router.route(path, endpoint.clone()).route(&format!("/{{tenant}}{path}"), endpoint)
    });
    router.route_layer(map_response(cross_origin::open))
}

/// The pages on which people log in and out.
fn people() -> Router<Arc<AuthorizationServer>> {
    let pages: [(&str, MethodRouter<Arc<AuthorizationServer>>); 7] = [
        (AUTHORIZE, get(authorize::start).post(authorize::start)),
        (SECOND_FACTOR, get(authorize::second_factor).post(authorize::second_factor)),
        (CHANGE_PASSWORD, get(authorize::change_password).post(authorize::change_password)),
        (CONSENT, get(authorize::consent).post(authorize::consent)),
        (DEVICE, get(device::page).post(device::page)),
        (LOGOUT, get(logout::answer).post(logout::answer)),
        (SESSION_CHECK, get(session_check::get)),
    ];
    pages.into_iter().fold(Router::new(), |router, (path, page)| {
        router.route(path, page.clone()).route(&format!("/{{tenant}}{path}"), page)
    })
}

/// The patterns of the paths that are ours and so never an upstream's; `{tenant}` stands for a segment that is a UUID.
pub const PATTERNS: [&str; 12] = [
    TOKEN,
    "/{tenant}/oauth2/token",
    KEY_SET,
    "/{tenant}/.well-known/jwks.json",
    OPENID_CONFIGURATION,
    "/{tenant}/.well-known/openid-configuration",
    AUTHORIZATION_SERVER,
    "/.well-known/oauth-authorization-server/{tenant}",
    REST,
    TENANT_REST,
    CHANGE_PASSWORD,
    "/{tenant}/password/change",
];

/// Which of [`PATTERNS`] a canonical path belongs to. Asked for every request, so it looks at few bytes first.
pub fn pattern_of(path: &str) -> Option<&'static str> {
    let shared = |path: &str| match path {
        TOKEN => Some([PATTERNS[0], PATTERNS[1]]),
        KEY_SET => Some([PATTERNS[2], PATTERNS[3]]),
        OPENID_CONFIGURATION => Some([PATTERNS[4], PATTERNS[5]]),
        CHANGE_PASSWORD => Some([PATTERNS[10], PATTERNS[11]]),
        _ => None,
    };
    if let Some([pattern, _]) = shared(path) {
        return Some(pattern);
    }
    if path.starts_with("/oauth2/") {
        return Some(REST);
    }
    if let Some(rest) = path.strip_prefix(AUTHORIZATION_SERVER) {
        return match rest.strip_prefix('/') {
            None => rest.is_empty().then_some(AUTHORIZATION_SERVER),
            Some(tenant) => Uuid::try_parse(tenant).is_ok().then_some(PATTERNS[7]),
        };
    }
    let (tenant, rest) = path.get(1..)?.split_at_checked(uuid::fmt::Hyphenated::LENGTH)?;
    let of_tenant = match shared(rest) {
        Some([_, of_tenant]) => of_tenant,
        None => rest.starts_with("/oauth2/").then_some(TENANT_REST)?,
    };
    Uuid::try_parse(tenant).is_ok().then_some(of_tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    // F-330
    #[test]
    fn our_paths_are_ours_with_and_without_a_tenant() {
        for pattern in PATTERNS {
            let path =
                pattern.replace("{tenant}", "30663132-6464-6665-3032-326466613934").replace("**", "anything/else");
            assert_eq!(pattern_of(&path), Some(pattern), "{path}");
            for other in ["api", "", "30663132-6464-6665-3032-32646661393z"] {
                if pattern.contains("{tenant}") {
                    assert_eq!(pattern_of(&pattern.replace("{tenant}", other)), None, "{pattern} with {other:?}");
                }
            }
        }
        for path in [
            "",
            "/",
            "/oauth2",
            "/oauth2x/token",
            "/OAUTH2/token",
            "/api/oauth2/token",
            "/.well-known/",
            "/.well-known/oauth-authorization-serverx",
        ] {
            assert_eq!(pattern_of(path), None, "{path}");
        }
    }
}
