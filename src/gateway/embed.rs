//! Requests that the gateway answers itself: the embedded service, called in process.
//!
//! Owns reading a small body and writing the answer back. What the service does is `web`'s business; the two do not know
//! each other and meet only in `serve`.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

/// The future of an answer.
pub type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// A service that answers requests whose bodies fit into memory.
pub type EmbeddedService = Arc<dyn Fn(Request<Bytes>) -> Answer + Send + Sync>;

/// Who sent an embedded request, as the gateway decided it (rule M12). An extension of every request given to the service.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub Option<IpAddr>);

/// What became of an embedded request.
pub enum Outcome {
    Answered,
    BodyTooLarge,
}

/// Reads the body, calls the service and writes its answer.
///
/// # Errors
/// When the connection breaks on the way.
pub async fn serve(
    session: &mut Session,
    service: &EmbeddedService,
    most_body: usize,
    peer: Peer,
    request_id: &str,
) -> pingora::Result<Outcome> {
    let Some(body) = read_body(session, most_body).await? else {
        return Ok(Outcome::BodyTooLarge);
    };
    let head = session.req_header();
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    request.extensions_mut().insert(peer);

    let answer = service(request).await;
    let (parts, body) = answer.into_parts();
    let mut header = ResponseHeader::build(parts.status, Some(parts.headers.len() + 2))?;
    for (name, value) in &parts.headers {
        header.append_header(name.clone(), value.clone())?;
    }
    header.insert_header(super::respond::REQUEST_ID, request_id)?;
    let status = parts.status.as_u16();
    let bodiless = session.req_header().method == http::Method::HEAD || status == 204 || status == 304;
    if !bodiless || !parts.headers.contains_key(http::header::CONTENT_LENGTH) {
        header.set_content_length(body.len())?;
    }
    session.write_response_header(Box::new(header), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(Outcome::Answered)
}

/// The whole body, or `None` when it is larger than `most` bytes. Rule N3: counted while it arrives.
async fn read_body(session: &mut Session, most: usize) -> pingora::Result<Option<Bytes>> {
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
