//! What a request says of itself: its host, where it came from, and how.
//!
//! Owns the reading of these. It decides nothing.

use std::net::IpAddr;

use http::header;
use pingora::http::RequestHeader;
use pingora::protocols::Digest;
use pingora::proxy::Session;

use super::Gateway;

/// The address that limits and logs go by: the socket's, or the last that a trusted proxy vouches for (rule M12).
pub(super) fn client_address(gateway: &Gateway, session: &Session) -> Option<IpAddr> {
    let peer = peer_address(session)?;
    if !gateway.trusts(peer) {
        return Some(peer);
    }
    let chain = session.req_header().headers.get_all("x-forwarded-for").iter().filter_map(|field| field.to_str().ok());
    let addresses: Vec<IpAddr> =
        chain.flat_map(|field| field.split(',')).filter_map(|address| address.trim().parse().ok()).collect();
    Some(addresses.into_iter().rev().find(|address| !gateway.trusts(*address)).unwrap_or(peer))
}

/// The host that the request is for, without its port. `None` when an absolute target and the field disagree: an upstream
/// would believe the one or the other (RFC 9112 3.2.2).
pub(super) fn host(header: &RequestHeader) -> Option<&str> {
    let field = header.headers.get(header::HOST).map_or(Some(""), |host| host.to_str().ok())?;
    let target = header.raw_path();
    if !target.starts_with(b"/") && target != b"*" {
        let target = std::str::from_utf8(target).ok()?;
        let (_, rest) = target.split_once("://")?;
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        if !authority.eq_ignore_ascii_case(field) {
            return None;
        }
    }
    Some(without_port(field))
}

/// `[::1]:80` has colons inside its brackets.
pub(super) fn without_port(host: &str) -> &str {
    let after = host.rfind(']').unwrap_or(0);
    host[after..].find(':').map_or(host, |colon| &host[..after + colon])
}

pub(super) fn peer_address(session: &Session) -> Option<IpAddr> {
    session.client_addr().and_then(|address| address.as_inet()).map(|address| address.ip())
}

pub(super) fn over_tls(digest: &Digest) -> bool {
    digest.ssl_digest.is_some()
}

/// gRPC: one body that carries messages whenever there are some.
pub(super) fn is_stream_of_messages(request: &RequestHeader) -> bool {
    request.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}
