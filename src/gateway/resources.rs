//! What protected resources tell of themselves (RFC 9728): who issues tokens for them, and what to ask for.
//!
//! Owns the documents, their addresses, and how a refused client is led to them. What a route asks for is its policy's to
//! say.
//!
//! Every path of a protected route is a resource of its own: section 3.3 wants the document to name exactly the URL that
//! the client asked for. So `/api/orders/17` is described at `/.well-known/oauth-protected-resource/api/orders/17`,
//! whatever pattern its route has. Without a path, the document speaks for all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::Route;
use crate::config::{Binding, PublicUrl};
use crate::enforce::proof_algorithms;
use crate::route::RouteTable;

/// Where the documents are, as a label.
pub const PATTERN: &str = "/.well-known/oauth-protected-resource/**";
const PREFIX: &str = "/.well-known/oauth-protected-resource";

/// Seconds for which a document may be kept.
const CACHE_FOR: i64 = 300;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVERY_ORIGIN: HeaderValue = HeaderValue::from_static("*");

/// What one route tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Places of the issuers among the configuration's.
    pub issuers: Vec<usize>,
    pub scopes: BTreeSet<String>,
    /// What its tokens must be bound to.
    pub binding: Option<Binding>,
    /// Whether the route says for which hosts it is: then the one that was asked for is part of its name.
    pub has_hosts: bool,
}

/// Finds the name of an issuer by its place in the configuration; `None` for one whose metadata nobody can find.
pub type IssuerAt = dyn Fn(usize) -> Option<String> + Send + Sync;

/// [`PATTERN`], if a canonical path is one of these.
pub fn pattern_of(path: &str) -> Option<&'static str> {
    path.strip_prefix(PREFIX).filter(|rest| rest.is_empty() || rest.starts_with('/')).map(|_| PATTERN)
}

/// Where the resource at `path` (canonical) describes itself; `host` as in the request's field.
pub fn metadata_url(route: &Route, public_url: &PublicUrl, (host, path): (&str, &str)) -> Option<String> {
    let origin = origin(route.resource.as_ref()?, public_url, host);
    Some(if path == "/" { format!("{origin}{PREFIX}") } else { format!("{origin}{PREFIX}{path}") })
}

/// The start of a resource's URL. Clients are told hosts of the configuration only, and never one that they made up.
fn origin(resource: &Resource, public_url: &PublicUrl, host: &str) -> String {
    let name = super::authority::without_port(host).trim_matches(['[', ']']);
    if !resource.has_hosts || name.eq_ignore_ascii_case(public_url.host()) {
        return public_url.as_str().to_owned();
    }
    let scheme = if public_url.is_https() { "https" } else { "http" };
    format!("{scheme}://{}", host.to_ascii_lowercase())
}

/// Answers for all routes.
pub struct Resources {
    pub routes: Arc<RouteTable<Arc<Route>>>,
    pub public_url: PublicUrl,
    pub issuer_at: Box<IssuerAt>,
}

impl Resources {
    /// `path` of the request is canonical.
    pub fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if let Some(answer) = only_read(request.method()) {
            return answer;
        }
        let host = host(request.headers());
        let suffix = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
        let document = match suffix {
            "" | "/" => self.of_all(host),
            path => self.of_path(host, path),
        };
        match document {
            Some(document) => public(document.to_string().into(), CACHE_FOR),
            None => {
                let mut missing = Response::new(Bytes::new());
                *missing.status_mut() = StatusCode::NOT_FOUND;
                missing
            }
        }
    }

    fn of_path(&self, host: &str, path: &str) -> Option<Value> {
        let resource = self.routes.find(Some(host), path)?.value.resource.as_ref()?;
        Some(self.document(format!("{}{path}", origin(resource, &self.public_url, host)), resource))
    }

    /// What all routes of this host tell together.
    fn of_all(&self, host: &str) -> Option<Value> {
        let mut all: Option<Resource> = None;
        let is_for = |route: &Route| route.hosts.is_empty() || route.hosts.iter().any(|own| own.matches(host));
        for resource in
            self.routes.iter().filter(|(_, route)| is_for(route)).filter_map(|(_, route)| route.resource.as_ref())
        {
            let all = all.get_or_insert_default();
            let others: Vec<usize> =
                resource.issuers.iter().copied().filter(|issuer| !all.issuers.contains(issuer)).collect();
            all.issuers.extend(others);
            all.scopes.extend(resource.scopes.iter().cloned());
            all.has_hosts |= resource.has_hosts;
        }
        let all = all?;
        Some(self.document(origin(&all, &self.public_url, host), &all))
    }

    /// The members of section 2 that are true of every route here; what only some routes have is added to these.
    fn document(&self, name: String, resource: &Resource) -> Value {
        let issuers: Vec<String> = resource.issuers.iter().filter_map(|issuer| (self.issuer_at)(*issuer)).collect();
        let mut document = json!({ "resource": name, "bearer_methods_supported": ["header"] });
        if !issuers.is_empty() {
            document["authorization_servers"] = issuers.into();
        }
        if !resource.scopes.is_empty() {
            document["scopes_supported"] = resource.scopes.iter().map(String::as_str).collect::<Vec<_>>().into();
        }
        match resource.binding {
            Some(Binding::Dpop) => document["dpop_bound_access_tokens_required"] = true.into(),
            Some(Binding::Certificate) => document["tls_client_certificate_bound_access_tokens"] = true.into(),
            Some(Binding::Any) | None => {}
        }
        if matches!(resource.binding, Some(Binding::Dpop | Binding::Any)) {
            document["dpop_signing_alg_values_supported"] = proof_algorithms().collect::<Vec<_>>().into();
        }
        document
    }
}

/// The one that was asked for; the gateway has refused a request with two.
fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// The answer to whoever does not read: a script asks first, others are wrong here.
pub(super) fn only_read(method: &Method) -> Option<Response<Bytes>> {
    match *method {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(preflight()),
        _ => {
            let mut refused = Response::new(Bytes::new());
            *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            Some(refused)
        }
    }
}

/// A document that is the same for everybody, scripts of any origin included, for so many seconds.
pub(super) fn public(body: Bytes, cache_for: i64) -> Response<Bytes> {
    let mut answer = Response::new(body);
    let fields = answer.headers_mut();
    fields.insert(header::CONTENT_TYPE, JSON);
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, EVERY_ORIGIN);
    if let Ok(value) = HeaderValue::try_from(format!("public, max-age={cache_for}")) {
        fields.insert(header::CACHE_CONTROL, value);
    }
    answer
}

/// A browser asks first when a script sends a field of its own along (Fetch standard, 3.2).
fn preflight() -> Response<Bytes> {
    const FIELDS: [(HeaderName, HeaderValue); 4] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, EVERY_ORIGIN),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
    ];
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer.headers_mut().extend(FIELDS);
    answer
}
