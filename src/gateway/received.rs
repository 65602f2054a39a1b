//! Where a request came from, and how. The host that it is for is `authority`'s business.
//!
//! Owns the reading of these. It decides nothing.

use std::net::{IpAddr, SocketAddr};

use http::header;
use pingora::http::RequestHeader;
use pingora::protocols::Digest;
use pingora::proxy::Session;

use super::Gateway;

/// The address that limits and logs go by: the socket's, or the last that a trusted proxy vouches for (rule M12).
pub(super) fn client_address(gateway: &Gateway, session: &Session) -> Option<IpAddr> {
    let peer = peer_address(session)?;
    let fields = session.req_header().headers.get_all("x-forwarded-for").iter().rev();
    let entries = fields.flat_map(|field| field.as_bytes().rsplit(|&byte| byte == b','));
    Some(origin(peer, entries, |address| gateway.trusts(address)))
}

/// Whoever is trusted tells of the one before, from the last entry on. An entry that cannot be read ends it: what is before
/// that was written by somebody unknown.
fn origin<'a>(peer: IpAddr, entries: impl Iterator<Item = &'a [u8]>, trusts: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut known = peer;
    for entry in entries {
        if !trusts(known) {
            break;
        }
        match address(entry) {
            Some(address) => known = address,
            None => break,
        }
    }
    known
}

/// An address, with a port or without, as proxies write it: `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bracketed = || bare?.parse().ok().map(IpAddr::V6);
    text.parse().ok().or_else(bracketed).or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose request it is when 10.0.0.0/8 and 2001:db8::/32 are trusted, by what the last of them wrote.
    fn told(chain: &[u8]) -> String {
        let trusts = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0xdb8],
        };
        let entries = chain.rsplit(|&byte| byte == b',');
        origin(IpAddr::from([10, 0, 0, 1]), entries, trusts).to_string()
    }

    // M12: no entry that a client wrote counts, whatever follows it
    #[test]
    fn the_chain_is_read_from_its_end_up_to_whom_nobody_vouches_for() {
        for (chain, address) in [
            (&b"9.9.9.9, 203.0.113.7"[..], "203.0.113.7"),
            (b"9.9.9.9, 203.0.113.7:4000", "203.0.113.7"),
            (b"9.9.9.9,203.0.113.7, 10.0.0.2", "203.0.113.7"),
            (b"9.9.9.9, 2001:db9::1", "2001:db9::1"),
            (b"9.9.9.9, [2001:db9::1]", "2001:db9::1"),
            (b"9.9.9.9, [2001:db9::1]:4000, [2001:db8::1]:80", "2001:db9::1"),
            (b"9.9.9.9, unknown", "10.0.0.1"),
            (b"9.9.9.9, _hidden, 10.0.0.3", "10.0.0.3"),
            (b"9.9.9.9, 203.0.113.7:x", "10.0.0.1"),
            (b"9.9.9.9, \xff", "10.0.0.1"),
            (b"9.9.9.9, , 10.0.0.3", "10.0.0.3"),
            (b"10.0.0.9, 10.0.0.3", "10.0.0.9"),
            (b"", "10.0.0.1"),
        ] {
            assert_eq!(told(chain), address, "{}", String::from_utf8_lossy(chain));
        }
    }
}
