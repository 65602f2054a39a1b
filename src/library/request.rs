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
    path: &'a str,
    url: Option<&'a str>,
    certificate: enforce::Certificate<'a>,
}

impl<'a> Request<'a> {
    /// A request without a query.
    pub fn new(method: &'a Method, headers: &'a HeaderMap) -> Self {
        let certificate = enforce::Certificate::None;
        Self { method, headers, query: None, parameters: &[], path: "", url: None, certificate }
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

    /// With the URL that the client asked for, as the client knows it; a query in it means nothing. Proofs of tokens that
    /// are bound to a key (RFC 9449) are compared with it: take scheme and host from your configuration, never from the
    /// request's `Host`. An enforcer that was built with its `public_url` needs this for [`Enforcer::check`] only.
    ///
    /// [`Enforcer::check`]: super::Enforcer::check
    #[must_use]
    pub fn with_url(self, url: &'a str) -> Self {
        Self { url: Some(url), ..self }
    }

    /// With the SHA-256 of the certificate (DER) that the client showed on its own connection, for tokens that are bound to
    /// one (RFC 8705).
    #[must_use]
    pub fn with_certificate(self, sha256: &'a [u8; 32]) -> Self {
        Self { certificate: enforce::Certificate::Digest(sha256), ..self }
    }

    /// With the canonical path.
    #[must_use]
    pub(crate) fn at<'b>(self, path: &'b str) -> Request<'b>
    where
        'a: 'b,
    {
        Request { path, ..self }
    }

    /// `host` is the one that the route names.
    pub(super) fn to_enforcer<'b>(
        self,
        parameters: &'b &'b [(&'b str, &'b str)],
        host: Option<&'b str>,
    ) -> enforce::Request<'b>
    where
        'a: 'b,
    {
        enforce::Request {
            method: self.method,
            headers: self.headers,
            query: self.query,
            parameters,
            sender: enforce::Sender { host, path: self.path, url: self.url, certificate: self.certificate },
        }
    }
}

/// Method, header fields and query of a whole request.
impl<'a, B> From<&'a http::Request<B>> for Request<'a> {
    fn from(request: &'a http::Request<B>) -> Self {
        Self::new(request.method(), request.headers()).with_query(request.uri().query())
    }
}
