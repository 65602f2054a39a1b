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
mod client_registration;
mod endpoints;
mod entities;
mod entity_grants;
mod entity_types;
mod event_log;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod jwt;
mod jwt_exchange;
mod keys;
mod login;
mod logout;
mod members;
mod openapi;
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
pub use endpoints::{methods_at, places};

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
    endpoints::router()
        .fallback(answer::no_endpoint)
        .method_not_allowed_fallback(answer::no_method)
        .with_state(Arc::new(management))
}

/// The first segments below `/api/` that are ours, with the patterns that metrics call them by.
const ROOTS: [(&str, &str); 13] = [
    ("api-key", "/api/api-key/**"),
    ("application", "/api/application/**"),
    ("entity", "/api/entity/**"),
    ("jwt", "/api/jwt/**"),
    ("key", "/api/key/**"),
    ("login", "/api/login/**"),
    ("logout", "/api/logout"),
    ("openapi.json", "/api/openapi.json"),
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
            ("/api/openapi.json", Some("/api/openapi.json")),
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
