//! Who sends a request, as far as a token can be bound to them.
//!
//! Owns where the client certificate comes from (rule H8). What it means for a token is `enforce`'s business.

use std::sync::Arc;

use pingora::proxy::Session;

use super::client_certificates::Vouched;
use super::received::peer_address;
use super::{ClientCertificate, Gateway, Route};
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

/// The certificate of a request for one of our own paths, and whether an authority vouches for it.
pub fn shown(gateway: &Gateway, session: &Session) -> Option<ClientCertificate> {
    let certificate = certificate(gateway, session);
    let thumbprint = certificate.thumbprint()?;
    let vouched = match certificate {
        Certificate::None => None,
        Certificate::Digest(_) => {
            let shown = session.digest().and_then(|digest| digest.ssl_digest.as_ref());
            shown.and_then(|shown| shown.extension.get::<Vouched>()).map(|Vouched(der)| der.clone())
        }
        Certificate::Field(_) => {
            let signed = |der: &Vec<u8>| gateway.authorities.as_ref().is_some_and(|known| known.vouch_for(der));
            certificate.told().filter(signed).map(Arc::from)
        }
    };
    Some(ClientCertificate { thumbprint, vouched })
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
