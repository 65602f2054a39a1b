//! One attempt after another to have a request answered by its upstream.
//!
//! Owns which server a request goes to, how long it may take, and whether it is tried again (rule M10). What is known of the
//! servers is `upstream`'s.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::header;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, RetryType};

use super::Gateway;
use super::context::Context;
use super::fault::Fault;
use super::respond::Problem;
use super::tunnel::Frames;
use super::upstream::{Busy, Nobody, Visit, key_of};
use crate::config::{Hashed, Timeouts};

/// Error types of requests that no server of the upstream can take.
const NO_ADDRESS: ErrorType = ErrorType::new("NoAddress");
const UNHEALTHY: ErrorType = ErrorType::new("Unhealthy");
const BUSY: ErrorType = ErrorType::new("UpstreamBusy");

/// What the client is told when there was no attempt at all.
pub fn problem_of(kind: &ErrorType) -> Option<Problem> {
    let fault = match kind {
        kind if *kind == NO_ADDRESS => Fault::UpstreamDns,
        kind if *kind == UNHEALTHY => Fault::UpstreamUnavailable,
        kind if *kind == BUSY => Fault::UpstreamBusy,
        _ => return None,
    };
    Some(fault.into())
}

/// The server for the next attempt. The first one waits for a place at the upstream if there is none.
///
/// # Errors
/// When there is no place, no server or no time left.
pub async fn next_peer(
    session: &Session,
    ctx: &mut Context,
    client: impl FnOnce(&Gateway) -> Option<IpAddr>,
) -> pingora::Result<Box<HttpPeer>> {
    let Some((route, upstream)) = ctx.route.as_ref().and_then(|route| Some((route, route.upstream.as_ref()?))) else {
        return Error::e_explain(ErrorType::InternalError, "a request without an upstream");
    };
    if ctx.visit.is_none() {
        ctx.deadline = route.timeouts.total_for.map(|total| Instant::now() + total);
        ctx.visit = Some(Visit::begin(upstream).await.map_err(|Busy| Error::new(BUSY))?);
    }
    let Some(visit) = &mut ctx.visit else { return Err(Error::new(BUSY)) };
    let left = match ctx.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
        Some(Duration::ZERO) => return Err(Error::new_up(ErrorType::ReadTimedout)),
        left => left,
    };
    let key = upstream.hashed().and_then(|hashed| {
        let header = session.req_header();
        let token = || ctx.permit.as_ref().and_then(|permit| permit.token());
        match hashed {
            Hashed::Subject => {
                token().map(|token| key_of(&[token.facts.issuer.as_bytes(), token.facts.subject.as_bytes()]))
            }
            Hashed::Client => token().and_then(|token| {
                Some(key_of(&[token.facts.issuer.as_bytes(), token.facts.client_id.as_deref()?.as_bytes()]))
            }),
            Hashed::Path => Some(key_of(&[ctx.canonical_path.as_deref().unwrap_or(header.uri.path()).as_bytes()])),
            Hashed::Address => client(&ctx.gateway).map(|address| match address.to_canonical() {
                IpAddr::V4(address) => key_of(&[&address.octets()]),
                IpAddr::V6(address) => key_of(&[&address.octets()]),
            }),
            Hashed::Header(name) => header.headers.get(name).map(|value| key_of(&[value.as_bytes()])),
            Hashed::Cookie(name) => {
                let fields = header.headers.get_all(header::COOKIE).iter().map(http::HeaderValue::as_bytes);
                fields.filter_map(|field| cookie(field, name)).next().map(|value| key_of(&[value]))
            }
        }
    });
    let mut peer = visit.next_peer(key).map_err(|nobody| match nobody {
        Nobody::WithoutAddress => Error::new(NO_ADDRESS),
        Nobody::Unhealthy => Error::new(UNHEALTHY),
    })?;
    limit(&mut peer, &route.timeouts, left);
    Ok(peer)
}

/// A route's limits of time may be others than its upstream's; no attempt outlives the request.
fn limit(peer: &mut HttpPeer, timeouts: &Timeouts, left: Option<Duration>) {
    let within = |limit: Duration| Some(left.map_or(limit, |left| left.min(limit)));
    peer.options.connection_timeout = within(timeouts.connect_for);
    peer.options.total_connection_timeout = within(timeouts.connect_for * 2);
    peer.options.read_timeout = within(timeouts.read_for);
    peer.options.write_timeout = within(timeouts.write_for);
    peer.options.idle_timeout = Some(timeouts.idle_for);
}

/// The value of a cookie in one `Cookie` field.
fn cookie<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    field.split(|&byte| byte == b';').find_map(|pair| {
        let (own, value) = pair.trim_ascii().split_at_checked(name.len())?;
        (own == name.as_bytes()).then(|| value.strip_prefix(b"="))?
    })
}

/// The upstream answered with this status, which may be an interim one.
pub fn answered(ctx: &mut Context, status: u16) {
    ctx.is_answered = true;
    if let Some(visit) = &mut ctx.visit {
        match status {
            101 => {
                visit.answered(status);
                visit.became_a_tunnel();
                ctx.frames = Some(Frames::default());
            }
            100..200 => {}
            _ => visit.answered(status),
        }
    }
}

/// The connection could not be made, so nothing was sent, and another server may be tried whatever the method.
pub fn not_connected(ctx: &mut Context, peer: &HttpPeer, error: &mut Error) {
    error.set_retry(false);
    if let Some(visit) = &mut ctx.visit {
        visit.unreachable(peer);
        // A kept HTTP/2 connection may refuse one more stream; a new one will not.
        let other_connection = *error.etype() == ErrorType::H2Error;
        error.set_retry((visit.has_alternative() || other_connection) && visit.spend_retry());
    }
}

/// The connection broke after it was made. The request is sent again if it may be done twice, nothing of its body was sent, and
/// nothing of an answer was seen (RFC 9110 9.2.2).
pub fn broken(session: &Session, ctx: &mut Context, error: &mut Error, was_reused: bool) {
    let declared = std::mem::replace(&mut error.retry, RetryType::Decided(false));
    let Some(visit) = &mut ctx.visit else { return };
    // Nor is the end of a tunnel anybody's failure.
    if *error.esource() != ErrorSource::Upstream || ctx.frames.is_some() {
        return;
    }
    // A kept connection that its server has closed meanwhile says nothing about the server.
    let stale = was_reused && matches!(declared, RetryType::ReusedOnly);
    if !stale {
        visit.failed();
    }
    let connection_broke = matches!(
        error.etype(),
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError | ErrorType::H2Error
    );
    let unseen = !ctx.is_answered && ctx.body_received == 0 && session.response_written().is_none();
    // The server said that it has not begun with it (RFC 9113 6.8, 8.7).
    let untouched = matches!(declared, RetryType::Decided(true));
    let repeatable = untouched || session.req_header().method.is_idempotent();
    if connection_broke && unseen && repeatable && (stale || untouched || visit.has_alternative()) {
        error.set_retry(visit.spend_retry());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let field = b"sid=1; xsid=2;tenant=acme ; empty=";
        let value = |name: &str| cookie(field, name).map(|value| String::from_utf8_lossy(value).into_owned());
        assert_eq!(value("sid").as_deref(), Some("1"));
        assert_eq!(value("tenant").as_deref(), Some("acme"));
        assert_eq!(value("empty").as_deref(), Some(""));
        assert_eq!((value("si"), value("none")), (None, None));
    }
}
