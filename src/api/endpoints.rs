//! Every endpoint that exists: how it is reached, what it takes and what it answers.
//!
//! The router and the OpenAPI document are both made from these tables, so neither can know what the other does not.

mod directory;
mod people;

use std::collections::BTreeSet;

use axum::Router;
use axum::routing::{self, MethodRouter};
use uuid::Uuid;

use super::Api;
use crate::directory::OPERATIONS;

/// One method of one path.
pub(super) struct Endpoint {
    /// In lower case, as OpenAPI writes it.
    pub method: &'static str,
    /// As axum and OpenAPI write it: `/api/entity/{id}`.
    pub path: &'static str,
    pub about: &'static str,
    route: fn() -> MethodRouter<Api>,
    pub proof: Proof,
    /// Parameters of the query, beside those of a search.
    pub asks: &'static [&'static str],
    pub sends: Sent,
    /// With 200.
    pub shows: Shown,
    /// Other successes, and refusals beside the usual ones.
    pub also: &'static [(u16, Shown)],
}

/// What a caller has to bring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    ApiKey,
    AccessToken,
    /// One or the other.
    KeyOrToken,
    /// A key that is sent must be right.
    KeyOrNothing,
    /// What is in the path or the body proves enough.
    Nothing,
}

/// The body of a request.
#[derive(Clone, Copy)]
pub(super) enum Sent {
    Nothing,
    /// An object in an envelope: member and schema.
    One(&'static str, &'static str),
    /// A change to what is in the envelope of this member, as a merge patch or a JSON Patch.
    Change(&'static str),
    /// A search with these filters.
    Search(&'static [&'static str]),
    /// A schema of its own.
    Schema(&'static str),
    /// The same, or nothing at all.
    Optional(&'static str),
}

/// The body of an answer.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    Nothing,
    /// An object in an envelope: member and schema.
    One(&'static str, &'static str),
    /// A list in an envelope.
    Many(&'static str, &'static str),
    /// A page of a search, with the total.
    Page(&'static str, &'static str),
    /// An object, or a list: two envelopes.
    OneOrMany((&'static str, &'static str), &'static str),
    Schema(&'static str),
    /// The same, or nothing at all.
    Perhaps(&'static str),
}

impl Endpoint {
    const fn new(
        method: &'static str,
        path: &'static str,
        about: &'static str,
        route: fn() -> MethodRouter<Api>,
    ) -> Self {
        Self {
            method,
            path,
            about,
            route,
            proof: Proof::ApiKey,
            asks: &[],
            sends: Sent::Nothing,
            shows: Shown::Nothing,
            also: &[],
        }
    }

    const fn proved_by(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    const fn asks(mut self, parameters: &'static [&'static str]) -> Self {
        self.asks = parameters;
        self
    }

    const fn sends(mut self, body: Sent) -> Self {
        self.sends = body;
        self
    }

    const fn shows(mut self, body: Shown) -> Self {
        self.shows = body;
        self
    }

    const fn also(mut self, answers: &'static [(u16, Shown)]) -> Self {
        self.also = answers;
        self
    }
}

/// `get "/api/tenant" tenants::list "Lists tenants"`: an endpoint with the handler of its method.
macro_rules! endpoint {
    ($method:ident $path:literal $($handler:ident)::+ $about:literal) => {
        $crate::api::endpoints::Endpoint::new(stringify!($method), $path, $about, || {
            axum::routing::$method($($handler)::+)
        })
    };
}
use endpoint;

/// All of them, in the order in which the document lists them.
pub(super) fn all() -> impl Iterator<Item = &'static Endpoint> {
    [directory::ENDPOINTS, people::ENDPOINTS].into_iter().flatten()
}

/// Where the endpoints and the operations of the admin listener are, without the ids in their paths: what a key may be for.
pub fn places() -> BTreeSet<&'static str> {
    let fixed = |path: &'static str| path.split("/{").next().unwrap_or(path);
    all().map(|endpoint| fixed(endpoint.path)).chain(OPERATIONS).collect()
}

/// The methods of the endpoints at `path` and below it, which is what a key for that path may use; none where no endpoint is. A
/// path may name one object by its id.
pub fn methods_at(path: &str) -> BTreeSet<String> {
    let is_at = |endpoint: &&Endpoint| {
        let mut own = endpoint.path.split('/');
        path.split('/').all(|segment| match own.next() {
            Some(own) if own.starts_with('{') => Uuid::try_parse(segment).is_ok(),
            own => own == Some(segment),
        })
    };
    if OPERATIONS.contains(&path) {
        return BTreeSet::from(["POST".to_owned()]);
    }
    all().filter(is_at).map(|endpoint| endpoint.method.to_ascii_uppercase()).collect()
}

/// The only place where a path gets a handler.
pub(super) fn router() -> Router<Api> {
    let document = routing::get(super::openapi::document);
    all().fold(Router::new().route(super::openapi::PATH, document), |router, endpoint| {
        router.route(endpoint.path, (endpoint.route)())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // D-10: a key for a path is a key for everything below it
    #[test]
    fn a_path_has_the_methods_of_everything_below_it() {
        let methods = |path: &str| methods_at(path).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(methods("/api/tenant/search"), "GET POST");
        assert_eq!(methods("/api/key/search"), "GET POST");
        assert_eq!(methods("/api/tenant"), "DELETE GET PATCH POST PUT");
        assert_eq!(methods("/api/entity/e13365f1-a270-493e-bd1b-3d239d753d53"), "DELETE GET PATCH POST PUT");
        assert_eq!(methods("/api/user/two-factor"), "DELETE POST");
        assert_eq!(methods("/reload"), "POST");
        for nowhere in ["/api/nope", "/api/users", "/api/user/serch", "/api/user/{id}", "/api/user/search/x", "/apis"] {
            assert_eq!(methods(nowhere), "", "{nowhere}");
        }
        assert!(places().iter().all(|place| !methods_at(place).is_empty() && !place.contains('{')));
    }
}
