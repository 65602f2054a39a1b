//! What of a request the check looks at.
//!
//! Owns the public shape. Where a token may stand in it is `enforce`'s business.

use http::{HeaderMap, Method};

use crate::enforce;

/// The parts of a request that a decision depends on. The types are those of the `http` crate, version 1.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Option<&'a str>,
    pub(super) parameters: &'a [(&'a str, &'a str)],
}

impl<'a> Request<'a> {
    /// A request without a query.
    pub fn new(method: &'a Method, headers: &'a HeaderMap) -> Self {
        Self { method, headers, query: None, parameters: &[] }
    }

    /// With what follows the `?`. A token there is never accepted; beside one in `Authorization` it makes the request
    /// ambiguous (RFC 6750 2).
    #[must_use]
    pub fn with_query(self, query: Option<&'a str>) -> Self {
        Self { query, ..self }
    }

    /// With values for the `{names}` that a rule uses, percent-decoded.
    #[must_use]
    pub fn with_parameters<'b>(self, parameters: &'b [(&'b str, &'b str)]) -> Request<'b>
    where
        'a: 'b,
    {
        Request { parameters, ..self }
    }

    pub(super) fn to_enforcer<'b>(self, parameters: &'b &'b [(&'b str, &'b str)]) -> enforce::Request<'b>
    where
        'a: 'b,
    {
        enforce::Request {
            method: self.method,
            headers: self.headers,
            query: self.query,
            parameters,
            sender: enforce::Sender::default(),
        }
    }
}

/// Method, header fields and query of a whole request.
impl<'a, B> From<&'a http::Request<B>> for Request<'a> {
    fn from(request: &'a http::Request<B>) -> Self {
        Self::new(request.method(), request.headers()).with_query(request.uri().query())
    }
}
