//! The management API, as FusionAuth's clients speak it: one file per kind of object.
//!
//! Owns methods, shapes and who may call what. The rules about the objects are `directory`'s.

mod answer;
mod api_keys;
mod application_roles;
mod application_scopes;
mod application_settings;
mod applications;
mod call;
mod change_password;
mod entities;
mod entity_grants;
mod entity_types;
mod event_log;
mod jwt;
mod jwt_exchange;
mod keys;
mod login;
mod logout;
mod members;
mod patch;
mod received;
mod registrations;
mod search;
mod status;
mod tenants;
mod two_factor;
mod user_members;
mod users;

use std::net::IpAddr;
use std::sync::Arc;

pub use answer::NotServed;
use axum::Router;
use axum::routing::{get, post, put};

use crate::directory::Directory;
use crate::event_log::EventLog;
use crate::model::ClientSecret;
use crate::oauth::AuthorizationServer;
use crate::secret::Secret;

/// Largest body, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Who is connected: a request extension that the listener sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// What the endpoints work on.
pub struct Management {
    directory: Arc<Directory>,
    server: Arc<AuthorizationServer>,
    events: Arc<EventLog>,
    /// SHA-256 of the key in the configuration, in hexadecimal.
    configured_key: Option<String>,
}

impl Management {
    /// With a key that may do everything and is stored nowhere, or without.
    pub fn new(
        directory: Arc<Directory>,
        server: Arc<AuthorizationServer>,
        events: Arc<EventLog>,
        api_key: Option<&Secret<String>>,
    ) -> Self {
        let configured_key = api_key.map(|key| ClientSecret::hash(key.expose()));
        Self { directory, server, events, configured_key }
    }
}

type Api = Arc<Management>;

/// Every endpoint that exists. An id is optional where FusionAuth's is.
pub fn router(management: Management) -> Router {
    Router::new()
        .route("/api/status", get(status::find))
        .route("/api/tenant", get(tenants::list).post(tenants::create))
        .route("/api/tenant/search", get(tenants::search).post(tenants::search))
        .route(
            "/api/tenant/{id}",
            get(tenants::find)
                .post(tenants::create)
                .put(tenants::replace)
                .patch(tenants::change)
                .delete(tenants::delete),
        )
        .route("/api/api-key", post(api_keys::create))
        .route(
            "/api/api-key/{id}",
            get(api_keys::find)
                .post(api_keys::create)
                .put(api_keys::replace)
                .patch(api_keys::change)
                .delete(api_keys::delete),
        )
        .route("/api/key", get(keys::list))
        .route("/api/key/search", get(keys::search).post(keys::search))
        .route("/api/key/generate", post(keys::generate))
        .route("/api/key/generate/{id}", post(keys::generate))
        .route("/api/key/import", post(keys::import))
        .route("/api/key/import/{id}", post(keys::import))
        .route("/api/key/{id}", get(keys::find).put(keys::replace).delete(keys::delete))
        .route("/api/system/event-log/search", get(event_log::search).post(event_log::search))
        .route("/api/system/event-log/{id}", get(event_log::find))
        .route("/api/jwt/validate", get(jwt::validate))
        .route("/api/jwt/public-key", get(jwt::public_keys))
        .route("/api/jwt/refresh", get(jwt::list).post(jwt_exchange::refresh).delete(jwt::end_all))
        .route("/api/jwt/issue", get(jwt_exchange::issue))
        .route("/api/jwt/vend", post(jwt_exchange::vend))
        .route("/api/jwt/reconcile", post(jwt_exchange::reconcile))
        .route("/api/jwt/refresh/{id}", get(jwt::find).delete(jwt::end))
        .route(
            "/api/user/change-password",
            get(change_password::check_without_id).post(change_password::change_without_id),
        )
        .route("/api/user/change-password/{id}", get(change_password::check).post(change_password::change))
        .merge(logins())
        .merge(entities())
        .merge(applications())
        .merge(users())
        .fallback(answer::no_endpoint)
        .method_not_allowed_fallback(answer::no_method)
        .with_state(Arc::new(management))
}

/// Logging in and out without our pages, and the second factor.
fn logins() -> Router<Api> {
    Router::new()
        .route("/api/login", post(login::log_in).put(login::note))
        .route("/api/login/{user}/{application}", put(login::note_by_path))
        .route("/api/logout", post(logout::log_out))
        .route("/api/two-factor/login", post(two_factor::log_in))
        .route("/api/two-factor/start", post(two_factor::start))
        .route("/api/two-factor/secret", get(two_factor::secret))
        .route("/api/two-factor/send", post(two_factor::send))
        .route("/api/two-factor/send/{id}", post(two_factor::send_for_login))
        .route("/api/two-factor/status", get(two_factor::status).post(two_factor::status))
        .route("/api/two-factor/status/{trust}", get(two_factor::status))
        .route("/api/user/two-factor/{user}", post(two_factor::enable).delete(two_factor::disable))
}

/// Entity types, entities and what they may do to each other.
fn entities() -> Router<Api> {
    Router::new()
        .route("/api/entity/type", get(entity_types::list).post(entity_types::create))
        .route("/api/entity/type/search", get(entity_types::search).post(entity_types::search))
        .route(
            "/api/entity/type/{id}",
            get(entity_types::find)
                .post(entity_types::create)
                .put(entity_types::replace)
                .patch(entity_types::change)
                .delete(entity_types::delete),
        )
        .route("/api/entity/type/{id}/permission", post(entity_types::add_permission))
        .route(
            "/api/entity/type/{id}/permission/{permission}",
            post(entity_types::add_permission_with_id)
                .put(entity_types::replace_permission)
                .patch(entity_types::change_permission)
                .delete(entity_types::remove_permission),
        )
        .route("/api/entity", post(entities::create))
        .route("/api/entity/search", get(entities::search).post(entities::search).put(entities::reindex))
        .route("/api/entity/grant/search", get(entity_grants::search).post(entity_grants::search))
        .route(
            "/api/entity/{id}",
            get(entities::find)
                .post(entities::create)
                .put(entities::replace)
                .patch(entities::change)
                .delete(entities::delete),
        )
        .route(
            "/api/entity/{id}/grant",
            get(entity_grants::find)
                .post(entity_grants::upsert)
                .put(entity_grants::upsert)
                .delete(entity_grants::delete),
        )
}

/// Applications, their roles and their scopes.
fn applications() -> Router<Api> {
    Router::new()
        .route("/api/application", get(applications::list).post(applications::create))
        .route("/api/application/search", get(applications::search).post(applications::search))
        .route(
            "/api/application/{id}",
            get(applications::find)
                .post(applications::create)
                .put(applications::replace)
                .patch(applications::change)
                .delete(applications::delete),
        )
        .route("/api/application/{id}/oauth-configuration", get(applications::oauth_configuration))
        .route("/api/application/{id}/role", post(application_roles::add))
        .route(
            "/api/application/{id}/role/{role}",
            post(application_roles::add_with_id)
                .put(application_roles::replace)
                .patch(application_roles::change)
                .delete(application_roles::remove),
        )
        .route("/api/application/{id}/scope", post(application_scopes::add))
        .route(
            "/api/application/{id}/scope/{scope}",
            get(application_scopes::find)
                .post(application_scopes::add_with_id)
                .put(application_scopes::replace)
                .patch(application_scopes::change)
                .delete(application_scopes::remove),
        )
}

/// Users and their places in applications.
fn users() -> Router<Api> {
    Router::new()
        .route("/api/user", get(users::find_by_name).post(users::create))
        .route("/api/user/search", get(users::search).post(users::search).put(users::reindex))
        .route(
            "/api/user/{id}",
            get(users::find).post(users::create).put(users::replace).patch(users::change).delete(users::delete),
        )
        .route("/api/user/registration", post(registrations::create_with_user))
        .route(
            "/api/user/registration/{user}",
            post(registrations::create).put(registrations::replace).patch(registrations::change),
        )
        .route(
            "/api/user/registration/{user}/{application}",
            get(registrations::find)
                .post(registrations::create_for)
                .put(registrations::replace_for)
                .patch(registrations::change_for)
                .delete(registrations::delete),
        )
}

/// The first segments below `/api/` that are ours, with the patterns that metrics call them by.
const ROOTS: [(&str, &str); 12] = [
    ("api-key", "/api/api-key/**"),
    ("application", "/api/application/**"),
    ("entity", "/api/entity/**"),
    ("jwt", "/api/jwt/**"),
    ("key", "/api/key/**"),
    ("login", "/api/login/**"),
    ("logout", "/api/logout"),
    ("status", "/api/status"),
    ("system", "/api/system/**"),
    ("tenant", "/api/tenant/**"),
    ("two-factor", "/api/two-factor/**"),
    ("user", "/api/user/**"),
];

/// The patterns of the paths that are ours.
pub const PATTERNS: [&str; ROOTS.len()] = {
    let mut patterns = [""; ROOTS.len()];
    let mut index = 0;
    while index < ROOTS.len() {
        patterns[index] = ROOTS[index].1;
        index += 1;
    }
    patterns
};

/// Which of [`PATTERNS`] a canonical path belongs to; `None` for paths that may be an upstream's.
pub fn pattern_of(path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix("/api/")?;
    let root = rest.split('/').next().unwrap_or_default();
    ROOTS.iter().find(|(name, _)| *name == root).map(|(_, pattern)| *pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_roots_are_ours() {
        for (path, pattern) in [
            ("/api/entity", Some("/api/entity/**")),
            ("/api/entity/type/search", Some("/api/entity/**")),
            ("/api/status", Some("/api/status")),
            ("/api/application/search", Some("/api/application/**")),
            ("/api/entities", None),
            ("/api/orders", None),
            ("/api", None),
            ("/api/", None),
            ("/apis/entity", None),
            ("/API/entity", None),
        ] {
            assert_eq!(pattern_of(path), pattern, "{path}");
        }
    }
}
