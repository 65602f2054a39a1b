//! Requests that the gateway answers itself: the embedded service, called in process.
//!
//! Owns reading a small body and writing the answer back. What the service does is `web`'s business; the two do not know
//! each other and meet only in `serve`.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{Request, Response, Uri};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{ErrorType, OrErr as _};
use tokio::time::timeout;

use super::context::Context;
use crate::metrics::Durations;

/// The future of an answer.
pub type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// Endpoints that answer requests whose bodies fit into memory.
pub type Endpoints = Arc<dyn Fn(Request<Bytes>) -> Answer + Send + Sync>;

/// Finds the pattern of a canonical path. Asked for every request.
pub type PatternOf = dyn Fn(&str) -> Option<&'static str> + Send + Sync;

/// A service that answers requests whose bodies fit into memory.
pub struct Embedded {
    /// The pattern of a canonical path that is the service's, as a label; `None` for paths that may be an upstream's.
    pub pattern_of: Box<PatternOf>,
    pub answer: Endpoints,
    /// By pattern.
    pub durations: HashMap<&'static str, Durations>,
}

/// Who sent an embedded request, as the gateway decided it (rule M12). An extension of every request given to the
/// service, as is its [`super::RequestId`].
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub Option<IpAddr>);

/// The certificate that the sender of an embedded request showed: an extension of the request.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// SHA-256 in base64url.
    pub thumbprint: String,
    /// All of it, in DER, if an authority that was listed signed it.
    pub vouched: Option<Arc<[u8]>>,
}

/// What became of an embedded request.
pub enum Outcome {
    Answered,
    BodyTooLarge,
    BodyTooSlow,
}

/// Reads the body, calls the service and writes its answer.
///
/// # Errors
/// When the connection breaks on the way.
pub async fn serve(session: &mut Session, peer: Peer, ctx: &Context) -> pingora::Result<Outcome> {
    let limits = &ctx.gateway.limits;
    // It is small: all of it has to come in the time that others have between two pieces.
    let body = match timeout(limits.pace.pause, read_body(session, limits.embedded_body)).await {
        Ok(Ok(Some(body))) => body,
        Ok(Ok(None)) => return Ok(Outcome::BodyTooLarge),
        Ok(Err(error)) if *error.etype() == ErrorType::ReadTimedout => return Ok(Outcome::BodyTooSlow),
        Ok(Err(error)) => return Err(error),
        Err(_) => return Ok(Outcome::BodyTooSlow),
    };
    let head = session.req_header();
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = target(head, ctx)?;
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(ctx.request_id);
    if let Some(certificate) = &ctx.certificate {
        request.extensions_mut().insert(certificate.clone());
    }

    let answer = (ctx.gateway.embedded.answer)(request).await;
    let (parts, body) = answer.into_parts();
    let mut header = ResponseHeader::build(parts.status, Some(parts.headers.len() + 2))?;
    for (name, value) in &parts.headers {
        header.append_header(name.clone(), value.clone())?;
    }
    header.insert_header(super::respond::REQUEST_ID, ctx.request_id.as_str())?;
    let status = parts.status.as_u16();
    let bodiless = session.req_header().method == http::Method::HEAD || status == 204 || status == 304;
    if !bodiless || !parts.headers.contains_key(CONTENT_LENGTH) {
        header.set_content_length(body.len())?;
    }
    session.write_response_header(Box::new(header), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(Outcome::Answered)
}

/// The canonical path, with the query as it came.
fn target(head: &RequestHeader, ctx: &Context) -> pingora::Result<Uri> {
    let Some(path) = &ctx.canonical_path else { return Ok(head.uri.clone()) };
    let target = match head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_string(),
    };
    target.parse().or_err(ErrorType::InvalidHTTPHeader, "a canonical path that is no URI")
}

/// The whole body, or `None` when it is larger than `most` bytes. Rule N3: counted while it arrives.
async fn read_body(session: &mut Session, most: usize) -> pingora::Result<Option<Bytes>> {
    let head = session.req_header();
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Ok(None);
    }
    // RFC 9110 10.1.1: the client may wait for this before it sends the body.
    if head.headers.get(EXPECT).is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        session.write_continue_response().await?;
    }
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_request_body().await? {
        if body.len() + piece.len() > most {
            return Ok(None);
        }
        // Most forms arrive in one piece.
        if body.is_empty() && session.is_body_done() {
            return Ok(Some(piece));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body.freeze()))
}
