//! Where a request came from, and how. The host that it is for is `authority`'s business.
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
