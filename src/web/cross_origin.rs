//! Scripts in pages of other origins: which endpoints they may call (Fetch standard, 3.2).
//!
//! Owns the fields of such answers. The authorization endpoint and the pages have none of them (RFC 9700 2.6, A7). No
//! cookie counts at these endpoints, and the answers go to whoever holds a code, a token or a client's name, so that
//! the origin of the script protects nothing and every origin may ask.

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

/// Seconds for which a browser need not ask again; none of them takes more than two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const EVERY_ORIGIN: HeaderValue = HeaderValue::from_static("*");

/// The answer to the browser's question before the request itself.
pub(super) async fn preflight(headers: HeaderMap) -> Response {
    preflight_of("GET, POST", &headers)
}

/// The same for these methods.
pub(super) fn preflight_of(methods: &'static str, headers: &HeaderMap) -> Response {
    let fields: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            // The last two are of clients of FusionAuth and of Auth0, which say who they are.
            HeaderValue::from_static("authorization, content-type, dpop, x-fusionauth-tenantid, auth0-client"),
        ),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        response.headers_mut().extend(fields);
    }
    response
}

/// The same where only some tenants have the endpoint: what is not there looks the same to everybody.
pub(super) async fn open_if_there(response: Response) -> Response {
    if response.status() == StatusCode::NOT_FOUND { response } else { open(response).await }
}

/// Lets the script read the answer, refusals too: it has to know why.
pub(super) async fn open(mut response: Response) -> Response {
    const READABLE: HeaderValue = HeaderValue::from_static("www-authenticate, retry-after");
    const WITH_NONCE: HeaderValue = HeaderValue::from_static("www-authenticate, retry-after, dpop-nonce");
    let headers = response.headers_mut();
    let readable = if headers.contains_key("dpop-nonce") { WITH_NONCE } else { READABLE };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, EVERY_ORIGIN);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    response
}
