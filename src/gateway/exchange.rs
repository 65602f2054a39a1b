//! What a request goes through on its way to an upstream, and its answer on the way back, whoever carries them.
//!
//! Owns that both ways, `relay`'s and Pingora's, do the same. What fields become is `forward`'s business.

use std::time::Instant;

use http::{StatusCode, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

use super::answer;
use super::attempt;
use super::context::Context;
use super::forward::Forwarding;
use super::forwarded;
use super::login;
use super::received::{client_address, over_tls, peer_address};
use super::respond::REQUEST_ID;
use super::tunnel;
use super::upgrade::Hold;
use super::upstream::Visit;

/// The server that the request goes to next.
///
/// # Errors
/// When nobody permitted it, or no server can take it.
pub async fn next_peer(session: &Session, ctx: &mut Context) -> pingora::Result<Box<HttpPeer>> {
    // Without a permit there is no upstream, whatever an earlier phase did.
    if ctx.permit.is_none() {
        return Error::e_explain(ErrorType::InternalError, "a request without a permit");
    }
    let mut peer = attempt::next_peer(session, ctx, |gateway| client_address(gateway, session)).await?;
    ctx.upgrade = Hold::on(&mut peer, session.req_header(), || tunnel::watched(ctx));
    ctx.forwarded = Some(Instant::now());
    let upstream = ctx.route.as_ref().and_then(|route| route.upstream.as_ref());
    if let (Some(trace), Some(upstream)) = (&mut ctx.trace, upstream) {
        trace.called(upstream.name(), &peer, &session.req_header().method);
    }
    Ok(peer)
}

/// What the upstream shall see of `request`, the received one without what belongs to a single connection.
///
/// # Errors
/// When nobody permitted it, or a field cannot be written.
pub fn rewritten_request(session: &Session, request: &RequestHeader, ctx: &Context) -> pingora::Result<RequestHeader> {
    let (Some(route), Some(permit)) = (&ctx.route, &ctx.permit) else {
        return Error::e_explain(ErrorType::InternalError, "a request without a permit");
    };
    let received = session.req_header();
    let peer = peer_address(session);
    let forwarding = Forwarding {
        received,
        path: ctx.canonical_path.as_deref().unwrap_or(received.uri.path()),
        peer,
        peer_is_trusted: peer.is_some_and(|peer| ctx.gateway.trusts(peer)),
        over_tls: session.digest().is_some_and(over_tls),
        request_id: ctx.request_id.as_str(),
        server: ctx.visit.as_ref().and_then(Visit::server),
        keep_authorization: route.forward_authorization,
        jwt: forwarded::field(ctx.carried.as_ref()),
    };
    let mut rewritten = ctx.gateway.forwarder.rewritten(permit, request, &forwarding)?;
    if let Some(trace) = &ctx.trace {
        trace.propagate(&mut rewritten)?;
    }
    Ok(rewritten)
}

/// The upstream answered with this status, which may be an interim one.
///
/// # Errors
/// When it changes to a protocol that `request` did not ask for (RFC 9110 15.2.2), or comes too late.
pub fn answered(request: &RequestHeader, ctx: &mut Context, status: StatusCode) -> pingora::Result<()> {
    if status == StatusCode::SWITCHING_PROTOCOLS && !request.headers.contains_key(header::UPGRADE) {
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, "an upgrade that nobody asked for").into_up());
    }
    check_time(ctx)?;
    attempt::answered(ctx, status.as_u16());
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(());
    }
    if let Some(trace) = &mut ctx.trace {
        trace.answered(status.as_u16());
    }
    let duration = ctx.route.as_ref().and_then(|route| route.upstream_duration.as_ref());
    if let (Some(duration), Some(forwarded)) = (duration, ctx.forwarded) {
        duration.observe(forwarded.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Makes `answer` what the client shall see.
///
/// # Errors
/// When nobody can be sure where it ends, or a field cannot be written.
pub fn rewrite_answer(request: &RequestHeader, answer: &mut ResponseHeader, ctx: &mut Context) -> pingora::Result<()> {
    answer::take_from_connection(answer)?;
    if request.version < Version::HTTP_11 {
        // RFC 9112 6.1: it ends with the connection.
        answer.remove_header(&header::TRANSFER_ENCODING);
    }
    ctx.ends_with_token = tunnel::watches(ctx) && tunnel::is_event_stream(answer);
    if let Some(cors) = ctx.route.as_ref().and_then(|route| route.cors.as_ref()) {
        cors.set(&request.headers, answer)?;
    }
    for (name, value) in ctx.quota_fields().into_iter().flatten() {
        answer.insert_header(name, value)?;
    }
    if ctx.by_session {
        login::keep_private(answer)?;
    }
    if ctx.gateway.browsers.knows_people() {
        login::refuse_own_cookies(answer)?;
    }
    answer.insert_header(REQUEST_ID, ctx.request_id.as_str())
}

/// Whether more of the answer may reach the client now.
///
/// # Errors
/// When the token that an event stream lives by is over, or the time for the request is.
pub fn may_go_on(ctx: &Context) -> pingora::Result<()> {
    if ctx.ends_with_token && !ctx.permit.as_ref().is_some_and(|permit| ctx.gateway.enforcer.still_holds(permit)) {
        return Err(Error::new_in(tunnel::OVER));
    }
    check_time(ctx)
}

fn check_time(ctx: &Context) -> pingora::Result<()> {
    match ctx.deadline {
        Some(deadline) if Instant::now() >= deadline => Err(Error::new_up(ErrorType::ReadTimedout)),
        Some(_) | None => Ok(()),
    }
}
