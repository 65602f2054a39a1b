//! The HTTP skin of the authorization server: one file per endpoint.
//!
//! Owns methods, media types, sizes and header fields. It decides nothing about tokens.

mod account;
mod authorize;
mod back_channel;
mod browser;
mod client_registration;
mod consumer;
mod cookies;
mod cross_origin;
mod device;
mod forgery;
mod gate;
mod introspect;
mod key_set;
mod logout;
mod metadata;
pub mod pages;
mod passkeys;
mod pushed;
mod respond;
mod revoke;
mod rounds;
mod sent;
mod service;
mod session_check;
mod setup;
mod show;
mod token;
mod translate;
mod userinfo;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{MethodRouter, any, get, post};
use tower::Layer as _;
use uuid::Uuid;

pub use back_channel::deliver;
pub use gate::gate;
pub use respond::{Issued, Outcome, Reuse};
pub use service::Service;

use crate::oauth::AuthorizationServer;
use crate::profile::{self, Endpoint, InUse};

/// Rule N3.
const MAX_BODY_BYTES: usize = 64 * 1024;

const SETUP: &str = "/oauth2/setup";
const AUTHORIZE: &str = Endpoint::Authorize.shared().alone;
const SECOND_FACTOR: &str = Endpoint::SecondFactor.shared().alone;
const CONSENT: &str = Endpoint::Consent.shared().alone;
const LOGOUT: &str = Endpoint::Logout.shared().alone;
const SESSION_CHECK: &str = Endpoint::SessionCheck.shared().alone;
const CHANGE_PASSWORD: &str = Endpoint::ChangePassword.shared().alone;
const TOKEN: &str = Endpoint::Token.shared().alone;
const INTROSPECT: &str = Endpoint::Introspect.shared().alone;
const REVOKE: &str = Endpoint::Revoke.shared().alone;
const USERINFO: &str = Endpoint::UserInfo.shared().alone;
const DEVICE: &str = Endpoint::Device.shared().alone;
const DEVICE_AUTHORIZATION: &str = Endpoint::DeviceAuthorization.shared().alone;
const USER_CODE_CHECK: &str = "/oauth2/device/validate";
const USER_CODE_DETAILS: &str = "/oauth2/device/user-code";
const USER_CODE_APPROVAL: &str = "/oauth2/device/approve";
const USER_CODE_PICTURE: &str = "/oauth2/device/picture";
const ACCOUNT: &str = Endpoint::Account.shared().alone;
const PASSKEYS: &str = Endpoint::Passkeys.shared().alone;
const PUSHED_REQUEST: &str = Endpoint::PushedRequest.shared().alone;
const REGISTER: &str = Endpoint::ClientRegistration.shared().alone;
const REGISTERED: &str = "/oauth2/register/{client_id}";
const KEY_SET: &str = Endpoint::KeySet.shared().alone;
const OPENID_CONFIGURATION: &str = Endpoint::OpenIdConfiguration.shared().alone;
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const CONSUMER_LOGIN: &str = Endpoint::ConsumerLogin.shared().alone;
const REVOKE_OWN: &str = Endpoint::RevokeOwn.shared().alone;
const WHO_AM_I: &str = Endpoint::WhoAmI.shared().alone;
/// Whatever else is asked of the authorization server is answered here, with a 404.
const REST: &str = "/oauth2/**";
const TENANT_REST: &str = "/{tenant}/oauth2/**";

/// Who is connected: a request extension that the listener sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// The certificate that the sender of a request showed, as whoever accepted the connection knows it: SHA-256 in base64url.
/// An extension of the request (rule H8).
#[derive(Clone, Debug)]
pub struct ClientCertificate(pub String);

impl ClientCertificate {
    fn of(extensions: &axum::http::Extensions) -> Option<&str> {
        extensions.get::<Self>().map(|certificate| certificate.0.as_str())
    }
}

/// The same certificate in DER, if an authority that the operator trusts signed it (RFC 8705 2.1). An extension of the request.
#[derive(Clone, Debug)]
pub struct VouchedCertificate(pub Arc<[u8]>);

impl VouchedCertificate {
    fn of(extensions: &axum::http::Extensions) -> Option<&[u8]> {
        extensions.get::<Self>().map(|certificate| &*certificate.0)
    }
}

/// What the gateway calls the request, for the person who reads an error page: a request extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Every endpoint that exists, and the way to it from the paths of dialects.
pub fn router(server: Arc<AuthorizationServer>) -> Router {
    let shared = shared(Arc::clone(&server));
    Router::new().fallback_service(from_fn_with_state(server, translate::translate).layer(shared))
}

/// The endpoints at the paths that all dialects share. Those of one tenant have its id in front; RFC 8414 puts it behind.
fn shared(server: Arc<AuthorizationServer>) -> Router {
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
        // For some tenants only: what others answer here must not depend on the method.
        .route(&tenant(CONSUMER_LOGIN), any(consumer::login).layer(map_response(cross_origin::open_if_there)))
        .route(&tenant(REVOKE_OWN), any(consumer::revoke).layer(map_response(cross_origin::open_if_there)))
        .route(&tenant(WHO_AM_I), any(consumer::who_am_i).layer(map_response(cross_origin::open_if_there)))
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
    let endpoints: [(&str, MethodRouter<Arc<AuthorizationServer>>); 6] = [
        (TOKEN, post(token::post)),
        (REVOKE, post(revoke::post)),
        (USERINFO, get(userinfo::get).post(userinfo::post)),
        (DEVICE_AUTHORIZATION, post(device::authorize)),
        (PUSHED_REQUEST, post(pushed::post)),
        (REGISTER, post(client_registration::register)),
    ];
    let own = get(client_registration::manage).put(client_registration::manage).delete(client_registration::manage);
    let own = own.options(client_registration::preflight);
    let of_client = Router::new().route(REGISTERED, own.clone()).route(&format!("/{{tenant}}{REGISTERED}"), own);
    let router = endpoints.into_iter().fold(of_client, |router, (path, endpoint)| {
        let endpoint = endpoint.options(cross_origin::preflight);
        router.route(path, endpoint.clone()).route(&format!("/{{tenant}}{path}"), endpoint)
    });
    router.route_layer(map_response(cross_origin::open))
}

/// The pages on which people log in and out.
fn people() -> Router<Arc<AuthorizationServer>> {
    let pages: [(&str, MethodRouter<Arc<AuthorizationServer>>); 9] = [
        (AUTHORIZE, get(authorize::start).post(authorize::start)),
        (SECOND_FACTOR, get(authorize::second_factor).post(authorize::second_factor)),
        (CHANGE_PASSWORD, get(authorize::change_password).post(authorize::change_password)),
        (CONSENT, get(authorize::consent).post(authorize::consent)),
        (DEVICE, get(device::page).post(device::page)),
        (LOGOUT, get(logout::answer).post(logout::answer)),
        (ACCOUNT, get(account::page).post(account::page)),
        (PASSKEYS, get(passkeys::page).post(passkeys::page)),
        (SESSION_CHECK, get(session_check::get)),
    ];
    pages.into_iter().fold(Router::new(), |router, (path, page)| {
        router.route(path, page.clone()).route(&format!("/{{tenant}}{path}"), page)
    })
}

/// The patterns of all paths that can be ours, each once.
pub fn patterns() -> Vec<&'static str> {
    let mut patterns = PATTERNS.to_vec();
    patterns.extend(profile::patterns());
    patterns.sort_unstable();
    patterns.dedup();
    patterns
}

/// The pattern of a canonical path that is ours at the moment. Asked for every request, so it looks at few bytes first.
pub fn pattern_of(in_use: &InUse, path: &str) -> Option<&'static str> {
    shared_pattern_of(path).or_else(|| in_use.find(path).map(|spoken| spoken.pattern()))
}

/// The patterns of the shared paths, which are never an upstream's; `{tenant}` stands for a segment that is a UUID.
const PATTERNS: [&str; 12] = [
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

fn shared_pattern_of(path: &str) -> Option<&'static str> {
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
            assert_eq!(shared_pattern_of(&path), Some(pattern), "{path}");
            for other in ["api", "", "30663132-6464-6665-3032-32646661393z"] {
                if pattern.contains("{tenant}") {
                    assert_eq!(
                        shared_pattern_of(&pattern.replace("{tenant}", other)),
                        None,
                        "{pattern} with {other:?}"
                    );
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
            assert_eq!(shared_pattern_of(path), None, "{path}");
        }
    }
}
