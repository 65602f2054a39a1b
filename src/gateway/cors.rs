//! Scripts in pages of other origins: the browser's question before a request, and the fields that let a script read an
//! answer (Fetch standard, 3.2).
//!
//! Owns those fields on proxied routes; an upstream's own are replaced, so that none is there twice. It decides nothing
//! else: whoever may call still needs a token.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use super::context::Context;
use super::respond::REQUEST_ID;
use crate::config::{self, Origins};

/// What a script has to see to understand a refusal.
const EXPOSED: [&str; 6] =
    ["www-authenticate", "dpop-nonce", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id"];

/// Fields of the kind that an upstream may send too.
const OWN: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

const EVERY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// The fields of one route, written once.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    methods: HeaderValue,
    /// `None`: whatever is asked for.
    headers: Option<HeaderValue>,
    expose: HeaderValue,
    credentials: bool,
    max_age: HeaderValue,
}

impl Cors {
    pub fn new(cors: &config::Cors) -> Self {
        let expose = EXPOSED.into_iter().chain(cors.expose.iter().map(HeaderName::as_str));
        Self {
            origins: cors.origins.clone(),
            methods: joined(cors.methods.iter().map(Method::as_str)),
            headers: cors.headers.as_ref().map(|names| joined(names.iter().map(HeaderName::as_str))),
            expose: joined(expose),
            credentials: cors.credentials,
            max_age: cors.max_age_for.as_secs().into(),
        }
    }

    /// What `Access-Control-Allow-Origin` says to the page that asks; `None` if it may not call.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = request.get_all(header::ORIGIN).iter();
        let (origin, other) = (origins.next()?, origins.next());
        if other.is_some() || !self.origins.contain(origin.to_str().ok()?) {
            return None;
        }
        Some(if matches!(self.origins, Origins::Any) { EVERY_ORIGIN } else { origin.clone() })
    }

    /// Whether a page of the origin that asks may call the route.
    pub fn allows(&self, request: &HeaderMap) -> bool {
        self.allowed(request).is_some()
    }

    /// The fields of every answer to `request`.
    pub fn fields(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut fields = Vec::with_capacity(4);
        if let Some(origin) = self.allowed(request) {
            fields.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
            fields.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone()));
            if self.credentials {
                fields.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE));
            }
        }
        // What is answered to one page is not for another, which caches have to know in any case.
        if !matches!(self.origins, Origins::Any) {
            fields.push((header::VARY, ORIGIN));
        }
        fields
    }

    /// The fields of the answer to a browser's question.
    fn preflight_fields(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut fields = self.fields(request);
        fields.push((header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone()));
        let headers = self.headers.as_ref().or_else(|| request.get(header::ACCESS_CONTROL_REQUEST_HEADERS));
        fields.extend(headers.map(|names| (header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone())));
        fields.push((header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone()));
        fields
    }

    /// Puts the fields into an upstream's answer, in place of its own.
    ///
    /// # Errors
    /// None in practice: names and values are legal.
    pub fn set(&self, request: &HeaderMap, answer: &mut ResponseHeader) -> pingora::Result<()> {
        for name in &OWN {
            answer.remove_header(name);
        }
        for (name, value) in self.fields(request) {
            if name != header::VARY {
                answer.insert_header(name, value)?;
            } else if !varies_by_origin(&answer.headers) {
                answer.append_header(name, value)?;
            }
        }
        Ok(())
    }
}

/// Whether a browser asks if a script may ask (Fetch standard 3.2.2).
pub fn is_preflight(request: &RequestHeader) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ORIGIN)
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers such a question. The browser compares what is allowed with what the script wants.
///
/// # Errors
/// When the connection breaks on the way.
pub async fn answer_preflight(session: &mut Session, ctx: &Context) -> pingora::Result<()> {
    let mut answer = ResponseHeader::build(204, Some(8))?;
    if let Some(cors) = ctx.route.as_ref().and_then(|route| route.cors.as_ref()) {
        for (name, value) in cors.preflight_fields(&session.req_header().headers) {
            answer.append_header(name, value)?;
        }
    }
    answer.insert_header(REQUEST_ID, ctx.request_id.as_str())?;
    session.write_response_header(Box::new(answer), true).await
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let names = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    names.flat_map(|list| list.split(',')).map(str::trim).any(|name| name == "*" || name.eq_ignore_ascii_case("origin"))
}

/// Names of methods and fields are legal in a value.
fn joined<'a>(names: impl Iterator<Item = &'a str>) -> HeaderValue {
    let names: Vec<&str> = names.collect();
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}
