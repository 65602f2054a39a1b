//! What older versions of HTTP do not have, and the clients that speak them cannot be told.
//!
//! Owns the differences. Everything else about an answer is the same for all.

use http::{Version, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::tunnel;

/// Leaves out interim answers before HTTP/1.1 (RFC 9110 15.2), and an upgrade that HTTP/1.0 asks for, or that `Connection`
/// does not name (RFC 9110 7.8).
pub fn ignore_unknown(session: &mut Session) {
    if session.req_header().version < Version::HTTP_11 {
        session.as_downstream_mut().set_ignore_info_resp(true);
    }
    let header = session.req_header_mut();
    if header.headers.contains_key(header::UPGRADE) && !tunnel::is_asked(header) {
        header.remove_header(&header::UPGRADE);
    }
}

/// A client of HTTP/1.0 knows no chunks: where no length is told, a body ends with the connection (RFC 9112 6.1, 9.3).
///
/// # Errors
/// When the connection breaks.
pub async fn suit(session: &mut Session, answer: &ResponseHeader) -> pingora::Result<()> {
    if session.req_header().version >= Version::HTTP_11
        || answer.status.is_informational()
        || answer.headers.contains_key(header::CONTENT_LENGTH)
    {
        return Ok(());
    }
    session.set_keepalive(None);
    if answer.version == Version::HTTP_2 {
        // Pingora has such an answer cut into chunks after this phase. What is written now, it does not write again.
        let mut head = Box::new(answer.clone());
        head.set_version(Version::HTTP_11);
        session.as_downstream_mut().write_response_header(head).await?;
    }
    Ok(())
}
