//! Who sends a request, as far as a token can be bound to them.
//!
//! Owns where the client certificate comes from (rule H8). What it means for a token is `enforce`'s business.

use pingora::proxy::Session;

use super::received::peer_address;
use super::{Gateway, Route};
use crate::enforce::{Certificate, Sender};

/// Bytes of SHA-256.
const DIGEST: usize = 32;

/// The sender of a request for this host and canonical path.
pub fn sender<'a>(
    gateway: &Gateway,
    session: &'a Session,
    route: &Route,
    (host, path): (&'a str, &'a str),
) -> Sender<'a> {
    let certificate = certificate(gateway, session);
    Sender { host: route.names_hosts.then_some(host), path, url: None, certificate }
}

/// The certificate that the client showed to us; behind a trusted proxy that tells of certificates, the one that it was
/// shown, and no other.
pub fn certificate<'a>(gateway: &Gateway, session: &'a Session) -> Certificate<'a> {
    if let Some(name) = &gateway.certificate_field
        && peer_address(session).is_some_and(|peer| gateway.trusts(peer))
    {
        let mut fields = session.req_header().headers.get_all(name).iter();
        return match (fields.next(), fields.next()) {
            (Some(field), None) => Certificate::Field(field.as_bytes()),
            (None, _) | (Some(_), Some(_)) => Certificate::None,
        };
    }
    let shown = session.digest().and_then(|digest| digest.ssl_digest.as_ref());
    match shown {
        Some(shown) if shown.cert_digest.len() == DIGEST => Certificate::Digest(&shown.cert_digest),
        Some(_) | None => Certificate::None,
    }
}
