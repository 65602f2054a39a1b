//! The host that a request is for, wherever the version of HTTP puts it.
//!
//! Owns finding it and telling it from its port. Which hosts are served is the gateway's to say.

use http::uri::Authority;
use http::{Version, header};
use memchr::{memchr, memrchr};
use pingora::http::RequestHeader;

/// The host that the request is for, with its port if it has one. `None` when an absolute target and the field disagree: an
/// upstream would believe the one or the other (RFC 9112 3.2.2).
pub(super) fn authority(header: &RequestHeader) -> Option<&str> {
    // RFC 9113 8.3.1: HTTP/2 has it beside the fields.
    let beside = header.uri.authority().filter(|_| header.version == Version::HTTP_2);
    let field = match header.headers.get(header::HOST) {
        Some(host) => host.to_str().ok()?,
        None => beside.map_or("", Authority::as_str),
    };
    let target = header.raw_path();
    if !target.starts_with(b"/") && target != b"*" {
        let target = std::str::from_utf8(target).ok()?;
        let (_, rest) = target.split_once("://")?;
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        if !authority.eq_ignore_ascii_case(field) {
            return None;
        }
    }
    Some(field)
}

/// `[::1]:80` has colons inside its brackets.
pub(super) fn without_port(host: &str) -> &str {
    let after = memrchr(b']', host.as_bytes()).unwrap_or(0);
    memchr(b':', &host.as_bytes()[after..]).map_or(host, |colon| &host[..after + colon])
}
