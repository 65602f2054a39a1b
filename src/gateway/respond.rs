//! Answers that the gateway gives itself: problem documents, in JSON or HTML.
//!
//! Owns their shape (RFC 9457). Which status a refusal has is decided where the refusal is.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use serde_json::json;

use super::fault::Fault;
use super::grpc;
use super::header_block::Refusal;
use crate::enforce::Refusal as Refused;
use crate::library;
use crate::route::PathError;

pub const REQUEST_ID: &str = "X-Request-Id";

/// What is proxied, for the `Allow` that every 405 owes.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Seconds after which a request that could not be decided may be tried again.
const RETRY_AFTER: u32 = 5;

/// One answer of our own.
#[derive(Debug)]
pub struct Problem {
    pub status: u16,
    /// Stable, snake_case; clients may act on it.
    pub code: &'static str,
    pub detail: &'static str,
    /// The error code of RFC 6750, where there is one.
    pub error: Option<&'static str>,
    /// `WWW-Authenticate`.
    pub challenge: Option<Box<str>>,
    /// `Allow`, owed by every 405 (RFC 9110 15.5.6).
    pub allow: Option<&'static str>,
    /// Seconds of `Retry-After`; a 503 has some in any case.
    pub retry_after: Option<u32>,
    /// Whatever else goes into the answer.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// Codes come from the enums below only, so that each of them can be looked up.
    const fn new(status: u16, code: &'static str, detail: &'static str) -> Self {
        Self { status, code, detail, error: None, challenge: None, allow: None, retry_after: None, fields: Vec::new() }
    }

    fn title(&self) -> &'static str {
        StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
    }

    fn json(&self, request_id: &str) -> String {
        let mut document = json!({
            "type": format!("urn:faregate:problem:{}", self.code),
            "title": self.title(),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
        });
        if let Some(error) = self.error {
            document["error"] = error.into();
        }
        document.to_string()
    }

    /// Every part is a constant of ours or a request id, so nothing needs escaping.
    fn html(&self, request_id: &str) -> String {
        let (status, title, detail, code) = (self.status, self.title(), self.detail, self.code);
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{status} {title}</title><h1>{title}</h1><p>{detail}.</p>\
             <p>Code: <code>{code}</code><br>Request: <code>{request_id}</code></p></html>"
        )
    }
}

impl Problem {
    /// Tells a client in fields what it may do about it, in whatever form it is answered.
    pub(super) fn set_fields(&self, answer: &mut ResponseHeader) -> pingora::Result<()> {
        if let Some(challenge) = self.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            answer.insert_header(header::WWW_AUTHENTICATE, challenge)?;
        }
        if let Some(allow) = self.allow {
            answer.insert_header(header::ALLOW, allow)?;
        }
        if let Some(seconds) = self.retry_after.or((self.status == 503).then_some(RETRY_AFTER)) {
            answer.insert_header(header::RETRY_AFTER, HeaderValue::from(seconds))?;
        }
        for (name, value) in &self.fields {
            answer.append_header(name.clone(), value.clone())?;
        }
        Ok(())
    }

    /// The answer to a refused request; `resource_metadata` is where the resource describes itself, if it does.
    pub fn refused(refusal: &Refused, resource_metadata: Option<&str>) -> Self {
        let denial = &refusal.denial;
        Self {
            status: denial.status(),
            code: denial.code(),
            detail: denial.description(),
            error: denial.error(),
            challenge: refusal.challenge(resource_metadata).map(Into::into),
            allow: None,
            retry_after: None,
            fields: nonce(refusal.nonce()).into_iter().collect(),
        }
    }
}

/// `DPoP-Nonce` (RFC 9449 9).
pub(super) fn nonce(nonce: Option<&str>) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_static("dpop-nonce"), HeaderValue::from_str(nonce?).ok()?))
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::new(fault.status(), fault.as_str(), fault.description())
    }
}

impl From<PathError> for Problem {
    fn from(error: PathError) -> Self {
        Self::new(400, error.as_str(), "The path is ambiguous or malformed")
    }
}

impl From<&library::Refusal> for Problem {
    fn from(refusal: &library::Refusal) -> Self {
        Self {
            error: refusal.error(),
            challenge: refusal.challenge().map(Into::into),
            fields: nonce(refusal.dpop_nonce()).into_iter().collect(),
            ..Self::new(refusal.status().as_u16(), refusal.code(), refusal.description())
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let allow = (refusal == Refusal::Method).then_some(METHODS);
        Self { allow, ..Self::new(refusal.status(), refusal.as_str(), refusal.description()) }
    }
}

/// The status of the client's answer. Interim answers are none (RFC 9110 15.2).
pub fn answered_with(session: &Session) -> Option<StatusCode> {
    let status = session.response_written()?.status;
    (!status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS).then_some(status)
}

/// Writes `problem` and ends the request. The connection is kept unless the request has a body that nobody will read.
///
/// # Errors
/// When the connection breaks on the way.
pub async fn respond(session: &mut Session, problem: &Problem, request_id: &str) -> pingora::Result<()> {
    if grpc::is_call(session.req_header()) {
        return grpc::respond(session, problem, request_id).await;
    }
    let wants_html = session
        .req_header()
        .headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let (media_type, body) = if wants_html {
        ("text/html; charset=utf-8", problem.html(request_id))
    } else {
        ("application/problem+json", problem.json(request_id))
    };
    let mut answer = ResponseHeader::build(problem.status, Some(8))?;
    answer.insert_header(header::CONTENT_TYPE, media_type)?;
    answer.insert_header(header::CACHE_CONTROL, "no-store")?;
    answer.insert_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    if wants_html {
        answer.insert_header(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'")?;
    }
    answer.insert_header(REQUEST_ID, request_id)?;
    problem.set_fields(&mut answer)?;
    answer.set_content_length(body.len())?;
    let bodiless = session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(answer), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(Bytes::from(body)), true).await?;
    }
    Ok(())
}

/// The whole answer to a header block that never became a request, after which the connection is closed.
pub fn raw_refusal(refusal: Refusal, request_id: &str) -> Vec<u8> {
    let problem = Problem::from(refusal);
    let body = problem.json(request_id);
    let allow = problem.allow.map(|methods| format!("Allow: {methods}\r\n")).unwrap_or_default();
    let retry = if problem.status == 503 { format!("Retry-After: {RETRY_AFTER}\r\n") } else { String::new() };
    format!(
        "HTTP/1.1 {} {}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\nX-Request-Id: {request_id}\r\n\
         Cache-Control: no-store\r\n{allow}{retry}Connection: close\r\n\r\n{body}",
        problem.status,
        problem.title(),
        body.len(),
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::Denial;

    // UX 8, F-344
    #[test]
    fn a_problem_names_its_code_and_request() {
        let document: serde_json::Value =
            serde_json::from_str(&Problem::refused(&Denial::NoToken.into(), None).json("r1")).unwrap();
        assert_eq!(document["status"], 401);
        assert_eq!(document["code"], "no_token");
        assert_eq!(document["request_id"], "r1");
        assert!(document.get("error").is_none());
    }

    #[test]
    fn a_raw_refusal_is_one_whole_answer() {
        let answer = String::from_utf8(raw_refusal(Refusal::TooLarge, "r1")).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(head.ends_with("Connection: close"));
    }
}
