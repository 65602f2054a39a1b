//! `/_faregate/verify`: another gateway asks whether a request may pass, and serves it itself.
//!
//! Owns how the request is told by those who ask, and the answer to them. Who may ask, and what is decided, is not its
//! business.
//!
//! nginx, Traefik, Caddy and HAProxy tell method, host and target in fields, each under one of several names. Envoy
//! puts our path in front of the request's own and leaves everything else as it was.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Method, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use super::fault::Fault;
use super::forward::Forwarder;
use super::forwarded::Carried;
use super::respond::{Problem, REQUEST_ID};
use crate::enforce::Permit;

/// Where others ask.
pub const PATH: &str = "/_faregate/verify";

/// First segment of what is never an upstream's.
pub const OWN: &str = "/_faregate/";

/// The names under which a part of the request may come. Several must agree: who asks may pass on what a client wrote
/// (CWE-444).
const METHOD: [&str; 2] = ["x-forwarded-method", "x-original-method"];
const HOST: [&str; 1] = ["x-forwarded-host"];
const TARGET: [&str; 2] = ["x-forwarded-uri", "x-original-uri"];
/// Host and target in one: `https://host/path?query`.
const URL: &str = "x-original-url";

/// The request that somebody asks about.
#[derive(Debug, PartialEq, Eq)]
pub struct Original<'a> {
    pub method: Cow<'a, Method>,
    /// Without its port.
    pub host: Cow<'a, str>,
    /// As it was sent, without the query.
    pub path: &'a str,
    pub query: Option<&'a str>,
}

/// Whether this request asks for a decision.
pub fn is_asked(request: &RequestHeader) -> bool {
    let path = request.raw_path();
    path.starts_with(PATH.as_bytes()) && matches!(path.get(PATH.len()), None | Some(b'/' | b'?'))
}

impl<'a> Original<'a> {
    /// # Errors
    /// The answer to a request that does not tell what it asks about.
    pub fn of(request: &'a RequestHeader) -> Result<Self, Problem> {
        let target = std::str::from_utf8(request.raw_path()).map_err(|_| Fault::OriginalMalformed)?;
        let rest = target.strip_prefix(PATH).unwrap_or_default();
        if rest.starts_with('/') {
            let host = one(&request.headers, &[header::HOST.as_str()])?.unwrap_or_default();
            return Self::new(Cow::Borrowed(&request.method), host, rest);
        }
        let method = one(&request.headers, &METHOD)?.ok_or(Fault::OriginalMissing)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| Fault::OriginalMalformed)?;
        let url = one(&request.headers, &[URL])?.map(|url| split(url).ok_or(Fault::OriginalMalformed)).transpose()?;
        let host = agreed(one(&request.headers, &HOST)?, url.map(|(host, _)| host))?;
        let host = host.or(one(&request.headers, &[header::HOST.as_str()])?).unwrap_or_default();
        let target =
            agreed(one(&request.headers, &TARGET)?, url.map(|(_, target)| target))?.ok_or(Fault::OriginalMissing)?;
        Self::new(Cow::Owned(method), host, target)
    }

    fn new(method: Cow<'a, Method>, host: &'a str, target: &'a str) -> Result<Self, Problem> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !path.starts_with('/') || !is_plain(target) || !is_plain(host) || host.contains(['/', '@', ',']) {
            return Err(Fault::OriginalMalformed.into());
        }
        Ok(Self { method, host: super::authority::without_port(host).into(), path, query })
    }
}

/// The value of the one field that has one of these names; `None` without any.
fn one<'a>(headers: &'a HeaderMap, names: &[&str]) -> Result<Option<&'a str>, Problem> {
    let mut found = None;
    for value in names.iter().flat_map(|name| headers.get_all(*name)) {
        let text = value.to_str().map_err(|_| Fault::OriginalMalformed)?;
        found = agreed(found, Some(text))?;
    }
    Ok(found)
}

fn agreed<'a>(one: Option<&'a str>, other: Option<&'a str>) -> Result<Option<&'a str>, Problem> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(Fault::OriginalAmbiguous.into()),
        (one, other) => Ok(one.or(other)),
    }
}

/// Host and target of a URL.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    Some(match rest.find(['/', '?']) {
        Some(place) if rest.as_bytes()[place] == b'/' => rest.split_at(place),
        Some(_) => return None,
        None => (rest, "/"),
    })
}

/// What those who ask understand: everything that is no permit is 403, except what a token could change and what could
/// not be decided. nginx takes any other status for a failure of ours.
pub fn understood(problem: Problem) -> Problem {
    let status = match problem.status {
        401 | 403 | 500.. => problem.status,
        _ => 403,
    };
    Problem { status, allow: None, ..problem }
}

/// Answers that the request may pass, with every identity field: an empty one replaces what the client wrote.
///
/// # Errors
/// When the connection breaks on the way.
pub async fn permit(
    session: &mut Session,
    forwarder: &Forwarder,
    (permit, carried): (&Permit, Option<&Carried>),
    request_id: &str,
) -> pingora::Result<()> {
    let mut answer = ResponseHeader::build(200, Some(13))?;
    for (name, value) in forwarder.identity_fields(permit.identity()) {
        answer.insert_header(name.clone(), value.cloned().unwrap_or(HeaderValue::from_static("")))?;
    }
    if let Some((destination, value)) = carried {
        let value = value.clone().unwrap_or(HeaderValue::from_static(""));
        answer.insert_header(destination.header.clone(), value)?;
    }
    answer.insert_header(header::CACHE_CONTROL, "no-store")?;
    answer.insert_header(REQUEST_ID, request_id)?;
    answer.set_content_length(0)?;
    session.write_response_header(Box::new(answer), true).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, target: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build(method, target.as_bytes(), None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    /// Method, host, path and query.
    fn original(request: &RequestHeader) -> Result<(String, String, String, Option<String>), &'static str> {
        match Original::of(request) {
            Ok(told) => Ok((
                told.method.to_string(),
                told.host.to_string(),
                told.path.to_owned(),
                told.query.map(str::to_owned),
            )),
            Err(problem) => Err(problem.code),
        }
    }

    #[test]
    fn everybody_tells_it_differently() {
        let own = ("host", "gate:8080");
        let rows = [
            ("nginx", vec![own, ("x-original-method", "PUT"), ("x-original-uri", "/a?b=c")], "gate"),
            (
                "Traefik, Caddy",
                vec![
                    own,
                    ("x-forwarded-method", "PUT"),
                    ("x-forwarded-host", "app:443"),
                    ("x-forwarded-uri", "/a?b=c"),
                ],
                "app",
            ),
            ("ingress", vec![own, ("x-original-method", "PUT"), ("x-original-url", "https://app/a?b=c")], "app"),
        ];
        for (who, fields, host) in rows {
            let expected = Ok(("PUT".to_owned(), host.to_owned(), "/a".to_owned(), Some("b=c".to_owned())));
            assert_eq!(original(&asked("GET", PATH, &fields)), expected, "{who}");
        }
        // Envoy: what a client put into the fields means nothing.
        let fields = [("host", "[::1]:80"), ("x-forwarded-method", "GET"), ("x-original-uri", "/other")];
        let request = asked("DELETE", "/_faregate/verify/a//b", &fields);
        assert_eq!(original(&request), Ok(("DELETE".to_owned(), "[::1]".to_owned(), "/a//b".to_owned(), None)));
    }

    // CWE-444: what is told twice must be the same.
    #[test]
    fn what_is_unclear_is_refused() {
        let method = ("x-forwarded-method", "GET");
        let target = ("x-forwarded-uri", "/a");
        let rows: [(&[(&str, &str)], &str); 13] = [
            (&[], "original_missing"),
            (&[method], "original_missing"),
            (&[target], "original_missing"),
            (&[method, target, ("x-original-uri", "/b")], "original_ambiguous"),
            (&[method, target, ("x-forwarded-uri", "/b")], "original_ambiguous"),
            (&[method, target, ("x-original-method", "POST")], "original_ambiguous"),
            (&[method, target, ("x-original-url", "http://h/b")], "original_ambiguous"),
            (&[method, target, ("x-forwarded-host", "h"), ("x-original-url", "http://i/a")], "original_ambiguous"),
            (&[method, ("x-forwarded-uri", "a")], "original_malformed"),
            (&[method, ("x-forwarded-uri", "/a b")], "original_malformed"),
            (&[method, ("x-original-url", "ftp://h/a")], "original_malformed"),
            (&[("x-forwarded-method", "G T"), target], "original_malformed"),
            (&[method, target, ("x-forwarded-host", "h, i")], "original_malformed"),
        ];
        for (fields, code) in rows {
            assert_eq!(original(&asked("GET", PATH, fields)), Err(code), "{fields:?}");
        }
    }

    #[test]
    fn only_the_path_and_what_is_under_it_asks() {
        for (target, is) in [
            (PATH, true),
            ("/_faregate/verify?x", true),
            ("/_faregate/verify/a", true),
            ("/_faregate/verifyx", false),
            ("/_faregate", false),
            ("/%5Ffaregate/verify", false),
        ] {
            assert_eq!(is_asked(&asked("GET", target, &[])), is, "{target}");
        }
    }
}
