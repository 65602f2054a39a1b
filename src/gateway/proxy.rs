//! The life of a proxied request, one method per phase, in the order of the phases.
//!
//! Owns the sequence. It holds no rule: each phase asks the module that owns the question.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};

use super::authority::{authority, without_port};
use super::check::Check;
use super::context::Context;
use super::decision::{decision_line, verdict, would_be_refused};
use super::embed::{self, Peer};
use super::fault::Fault;
use super::header_block::Refusal;
use super::login::{self, Outcome, Visit};
use super::old_clients;
use super::panic::{Panicked, caught};
use super::rate_limits::Asker;
use super::received::{client_address, is_stream_of_messages, peer_address};
use super::relay::Relay;
use super::resources;
use super::respond::{self, Problem};
use super::sender::{self, sender};
use super::trace::Trace;
use super::upgrade::Hold;
use super::upstream::Upstream;
use super::{Current, Gateway, Overload, RequestLimits, Route, attempt, cors, exchange, overload, tunnel, verify};
use crate::browsers::Begun;
use crate::enforce::{Permit, Request};
use crate::route;
use crate::telemetry::{DecisionLine, TraceId};

/// The gateway as Pingora or `front` drives it. Each request goes through all phases with the gateway that it began with.
#[derive(Clone)]
pub struct Proxy {
    pub current: Arc<Current>,
    pub relay: Arc<Relay>,
}

/// How long a tunnel may be silent.
const TUNNEL_IDLE: Duration = Duration::from_secs(60);

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.current.load_full())
    }

    /// None: Pingora would add a compression module to every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> pingora::Result<bool> {
        if let Some(tracer) = &ctx.gateway.tracer {
            ctx.trace = Some(Trace::begin(tracer, session.req_header(), &ctx.request_id, ctx.started));
        }
        bound(&ctx.gateway, session);
        old_clients::ignore_unknown(session);
        let mut problem = match caught(Self::decide(session, ctx)).await {
            Ok(Ok(Next::Forward)) if Relay::takes(session, ctx) => {
                // Of its own: it is large, and refusals do not need it.
                Box::pin(self.relay.carry(session, ctx)).await?;
                return Ok(true);
            }
            Ok(Ok(Next::Forward)) => return Ok(false),
            Ok(Ok(Next::Answer)) => match caught(Self::answer(session, ctx)).await {
                Ok(answered) => match answered? {
                    Ok(()) => return Ok(true),
                    Err(problem) => problem,
                },
                Err(Panicked) => panicked(&ctx.gateway),
            },
            Ok(Ok(Next::Permit(permit))) => {
                let permit = ctx.permit.insert(permit);
                let answer = (&*permit, ctx.carried.as_ref());
                verify::permit(session, &ctx.gateway.forwarder, answer, ctx.request_id.as_str()).await?;
                return Ok(true);
            }
            Ok(Ok(Next::Lead(begun))) => {
                ctx.refused = ctx.refusal.as_ref().map(|refusal| refusal.denial.code());
                login::redirect(session, &begun, ctx.request_id.as_str()).await?;
                return Ok(true);
            }
            Ok(Ok(Next::Preflight)) => {
                cors::answer_preflight(session, ctx).await?;
                return Ok(true);
            }
            Ok(Err(problem)) => problem,
            Err(Panicked) => panicked(&ctx.gateway),
        };
        problem.fields.extend(ctx.fields(session.req_header()));
        ctx.pauses = Overload::is_pausing(&problem);
        ctx.refused = Some(problem.code);
        respond::respond(session, &problem, ctx.request_id.as_str()).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Context) -> pingora::Result<Box<HttpPeer>> {
        exchange::next_peer(session, ctx).await
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> pingora::Result<()> {
        *request = exchange::rewritten_request(session, request, ctx)?;
        if let Some(hold) = &ctx.upgrade
            && session.as_downstream_mut().is_body_empty()
        {
            hold.until_request_ends();
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Context,
    ) -> pingora::Result<()> {
        // What passes through a tunnel is no body.
        if session.was_upgraded() {
            return Ok(());
        }
        // Pingora writes an empty last piece as a last chunk, and then another one: bytes of no request, which the upstream
        // takes for the beginning of the next (RFC 9112 7.1).
        if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        if let (Some(body), Some(route)) = (body, &ctx.route) {
            ctx.body_received += body.len() as u64;
            if ctx.body_received > route.max_body {
                return Err(Error::explain(ErrorType::HTTPStatus(413), "body too large").into_down());
            }
            // The last piece may be short, and streams of messages pause as they like.
            if ctx.pace.is_too_slow(body.len(), Instant::now(), &ctx.gateway.limits.pace)
                && !end_of_stream
                && !is_stream_of_messages(session.req_header())
            {
                return Err(Error::explain(ErrorType::ReadTimedout, "body too slow").into_down());
            }
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> pingora::Result<()> {
        exchange::answered(session.req_header(), ctx, answer.status)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> pingora::Result<()> {
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            session.as_downstream_mut().set_read_timeout(Some(TUNNEL_IDLE));
        }
        exchange::rewrite_answer(session.req_header(), answer, ctx)?;
        old_clients::suit(session, answer).await
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Context,
    ) -> pingora::Result<Option<Duration>> {
        if let (Some(frames), Some(bytes)) = (&mut ctx.frames, body) {
            frames.pass(bytes);
        }
        exchange::may_go_on(ctx)?;
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        peer: &HttpPeer,
        ctx: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        attempt::not_connected(ctx, peer, &mut error);
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Context,
        client_reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("Peer: {peer}"));
        attempt::broken(session, ctx, &mut error, client_reused);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        let tunnel_is_over = ctx.upgrade.as_ref().is_some_and(Hold::is_over);
        if tunnel_is_over || *error.etype() == tunnel::OVER {
            tracing::info!(request.id = ctx.request_id.as_str(), "a connection ended with its token");
            if let Some(frames) = &ctx.frames {
                tunnel::say_goodbye(session, frames).await;
            }
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        let Some(mut problem) = problem_of(error) else {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        };
        ctx.refused = Some(problem.code);
        if let Some(upstream) = upstream(ctx).filter(|_| problem.code.starts_with("upstream_")) {
            let upstream = upstream.name();
            ctx.gateway.metrics.upstream_errors.with_label_values(&[upstream, problem.code]).inc();
            if *error.esource() == ErrorSource::Upstream {
                tracing::warn!(request.id = ctx.request_id.as_str(), upstream.name = upstream, error = %error, "an upstream failed");
            }
        }
        if respond::answered_with(session).is_none() {
            session.set_keepalive(None);
            problem.fields.extend(ctx.fields(session.req_header()));
            // The client may be gone; the log line has been written either way.
            let _ = respond::respond(session, &problem, ctx.request_id.as_str()).await;
        }
        FailToProxy { error_code: problem.status, can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Context, _error: &Error) -> bool {
        true
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, ctx: &mut Context) {
        let status = respond::answered_with(session).map_or(0, |status| status.as_u16());
        let latency = ctx.started.elapsed();
        let durations = match ctx.embedded.and_then(|pattern| ctx.gateway.embedded.durations.get(pattern)) {
            Some(durations) => durations,
            None => {
                let metrics = ctx.route.as_ref().map_or(&ctx.gateway.unmatched, |route| &route.metrics);
                match (&ctx.permit, ctx.refused) {
                    // An upstream's failure is no decision: the request had its permit.
                    (Some(permit), _) => match would_be_refused(permit, ctx) {
                        None => metrics.permitted(),
                        Some(reason) => metrics.observed(reason),
                    },
                    (None, Some(reason)) => metrics.denied(reason),
                    (None, None) => {}
                }
                metrics.durations()
            }
        };
        durations.answered(status, latency.as_secs_f64());
        let verdict = verdict(ctx);
        let trace = ctx.trace.take();
        let (is_written, is_recorded) =
            (ctx.gateway.decisions.wants(verdict), trace.as_ref().is_some_and(Trace::is_recorded));
        if is_written || is_recorded {
            let line = decision_line((session, ctx), verdict, (status, latency));
            let trace_id = trace.as_ref().map(Trace::id);
            let line = DecisionLine { trace_id: trace_id.as_ref().map(TraceId::as_str), ..line };
            if is_written {
                ctx.gateway.decisions.write(&line);
            }
            if let Some(trace) = trace.filter(Trace::is_recorded) {
                trace.end(session, ctx, &line);
            }
        }
        if ctx.pauses {
            tokio::time::sleep(overload::PAUSE).await;
        }
    }
}

enum Next {
    Forward,
    /// It is for one of our own paths.
    Answer,
    /// Another gateway asked, and the request may pass.
    Permit(Permit),
    /// A browser asks whether a script may ask, and it may.
    Preflight,
    /// To a login.
    Lead(Begun),
}

impl Proxy {
    /// Finds the destination of a request and, where it is an upstream, asks for the permit. Both see the canonical path.
    async fn decide(session: &Session, ctx: &mut Context) -> Result<Next, Problem> {
        let header = session.req_header();
        check_request_line(&ctx.gateway.limits, header)?;
        if verify::is_asked(header) {
            return Self::verify(session, ctx).await.map(Next::Permit).map_err(verify::understood);
        }
        let authority = authority(header).ok_or(Refusal::Host)?;
        let host = without_port(authority);
        if !ctx.gateway.serves(host) {
            return Err(Fault::UnknownHost.into());
        }
        let path = route::canonical(header.uri.path())?;
        if let Some(pattern) = ctx.own_pattern.or_else(|| (ctx.gateway.embedded.pattern_of)(&path)) {
            ctx.embedded = Some(pattern);
            ctx.gateway.overload.admit()?;
            ctx.certificate = sender::shown(&ctx.gateway, session);
            ctx.canonical_path = owned(path);
            return Ok(Next::Answer);
        }
        if path.starts_with(verify::OWN) {
            return Err(Fault::NoRoute.into());
        }
        let found = ctx.gateway.routes.find(Some(host), &path).ok_or(Fault::NoRoute)?;
        let route = ctx.route.insert(found.value.clone());
        if route.upstream.is_none() {
            return Err(Fault::ServedElsewhere.into());
        }
        if let Some(cors) = route.cors.as_ref().filter(|_| cors::is_preflight(header)) {
            ctx.preflight = cors.allows(&header.headers);
            return if ctx.preflight { Ok(Next::Preflight) } else { Err(Fault::OriginRefused.into()) };
        }
        ctx.gateway.overload.admit_proxied()?;
        let parameters = found.parameters.as_slice();
        let request = Request {
            method: &header.method,
            headers: &header.headers,
            query: header.uri.query(),
            parameters: &parameters,
            sender: sender(&ctx.gateway, session, route, (host, &*path)),
        };
        let asker = asker(&ctx.gateway, session, route, request);
        let visit = route.login.as_ref().map(|_| {
            let is_through_proxy = peer_address(session).is_some_and(|peer| ctx.gateway.trusts(peer));
            Visit { request, authority, path: &path, is_through_proxy }
        });
        let mut check = Check {
            gateway: &ctx.gateway,
            route,
            started: ctx.started,
            counting: &mut ctx.counting,
            trace: &mut ctx.trace,
            carried: &mut ctx.carried,
            refusal: &mut ctx.refusal,
        };
        let permit = match check.outcome(&asker, visit).await? {
            Outcome::Permit(permit) => permit,
            Outcome::PermitSession(permit) => {
                ctx.by_session = true;
                permit
            }
            Outcome::Lead(begun, refusal) => {
                ctx.refusal = Some(refusal);
                return Ok(Next::Lead(begun));
            }
            Outcome::Deny(refusal) => {
                let place = resources::metadata_url(route, &ctx.gateway.public_url, (authority, &path));
                return Err(Problem::refused(ctx.refusal.insert(refusal), place.as_deref()));
            }
            Outcome::DenyAgain(refusal) => return Err(login::insufficient(ctx.refusal.insert(refusal))),
            Outcome::Refuse(problem) => return Err(problem),
        };
        drop(found);
        if header.headers.contains_key(header::UPGRADE) {
            tunnel::check_asked(&route.websocket, header)?;
        }
        let length =
            header.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > route.max_body) {
            return Err(Fault::BodyTooLarge.into());
        }
        ctx.canonical_path = owned(path);
        ctx.permit = Some(permit);
        Ok(Next::Forward)
    }

    /// Decides on a request that another gateway received, by its method, host and canonical path, and by the token that
    /// came along. Only a trusted peer is believed about them (rule M12).
    async fn verify(session: &Session, ctx: &mut Context) -> Result<Permit, Problem> {
        if !peer_address(session).is_some_and(|peer| ctx.gateway.trusts(peer)) {
            return Err(Fault::UntrustedPeer.into());
        }
        let header = session.req_header();
        // Those who ask set the fields of an identity, and no other spelling of them.
        if ctx.gateway.forwarder.has_lookalike(&header.headers) {
            return Err(Fault::IdentityForged.into());
        }
        let original = verify::Original::of(header)?;
        ctx.asked_for = Some(original.method.clone().into_owned());
        if !ctx.gateway.serves(&original.host) {
            return Err(Fault::UnknownHost.into());
        }
        let path = route::canonical(original.path)?;
        if (ctx.gateway.embedded.pattern_of)(&path).is_some() || path.starts_with(verify::OWN) {
            return Err(Fault::NoRoute.into());
        }
        let found = ctx.gateway.routes.find(Some(&original.host), &path).ok_or(Fault::NoRoute)?;
        let route = ctx.route.insert(found.value.clone());
        ctx.gateway.overload.admit()?;
        let parameters = found.parameters.as_slice();
        let request = Request {
            method: &original.method,
            headers: &header.headers,
            query: original.query,
            parameters: &parameters,
            sender: sender(&ctx.gateway, session, route, (&*original.host, &*path)),
        };
        let asker = asker(&ctx.gateway, session, route, request);
        let mut check = Check {
            gateway: &ctx.gateway,
            route,
            started: ctx.started,
            counting: &mut ctx.counting,
            trace: &mut ctx.trace,
            carried: &mut ctx.carried,
            refusal: &mut ctx.refusal,
        };
        // Nobody is led anywhere from here: whoever serves the request would have to do so.
        match check.outcome(&asker, None).await? {
            Outcome::Permit(permit) | Outcome::PermitSession(permit) => Ok(permit),
            Outcome::Lead(_, refusal) | Outcome::Deny(refusal) | Outcome::DenyAgain(refusal) => {
                let place = resources::metadata_url(route, &ctx.gateway.public_url, (&original.host, &path));
                Err(Problem::refused(ctx.refusal.insert(refusal), place.as_deref()))
            }
            Outcome::Refuse(problem) => Err(problem),
        }
    }

    /// Answers a request for one of our own paths.
    async fn answer(session: &mut Session, ctx: &Context) -> pingora::Result<Result<(), Problem>> {
        let peer = Peer(client_address(&ctx.gateway, session));
        let outcome = embed::serve(session, peer, ctx).await?;
        Ok(match outcome {
            embed::Outcome::Answered => Ok(()),
            embed::Outcome::BodyTooLarge => {
                session.set_keepalive(None);
                Err(Fault::BodyTooLarge.into())
            }
            embed::Outcome::BodyTooSlow => {
                session.set_keepalive(None);
                Err(Fault::BodyTimeout.into())
            }
        })
    }
}

/// Sets how long this request may keep its connection waiting.
fn bound(gateway: &Gateway, session: &mut Session) {
    if gateway.overload.ends_connections() {
        session.set_keepalive(None);
    }
    let (session, limits) = (session.as_downstream_mut(), &gateway.limits);
    session.set_read_timeout(Some(limits.pace.pause));
    session.set_total_drain_timeout(Some(limits.pace.pause));
    session.set_write_timeout(Some(limits.send_timeout));
}

/// Whose request it is, as far as `route` wants to know.
fn asker<'a>(gateway: &Gateway, session: &Session, route: &Route, request: Request<'a>) -> Asker<'a> {
    Asker { address: route.limits.as_ref().and_then(|_| client_address(gateway, session)), request }
}

/// A bug of ours: the request is refused and the bug is counted.
fn panicked(gateway: &Gateway) -> Problem {
    gateway.metrics.panics.inc();
    Fault::Internal.into()
}

/// Rules M3, M7 and N2 for HTTP/2: an HTTP/1 block was looked at before it was parsed.
fn check_request_line(limits: &RequestLimits, header: &RequestHeader) -> Result<(), Problem> {
    if header.method == Method::TRACE || header.method == Method::CONNECT {
        return Err(Refusal::Method.into());
    }
    if header.raw_path().len() > limits.uri_size {
        return Err(Refusal::UriTooLong.into());
    }
    if header.headers.len() > limits.header_fields {
        return Err(Refusal::TooManyFields.into());
    }
    let mut lengths = header.headers.get_all(header::CONTENT_LENGTH).iter();
    if lengths.next().is_some_and(|length| !length.as_bytes().iter().all(u8::is_ascii_digit))
        || lengths.next().is_some()
    {
        return Err(Refusal::ContentLength.into());
    }
    if !header.raw_path_is_utf8() {
        return Err(Fault::BadPath.into());
    }
    Ok(())
}

/// The canonical path, where it is another one than was received.
fn owned(path: Cow<'_, str>) -> Option<Box<str>> {
    match path {
        Cow::Borrowed(_) => None,
        Cow::Owned(path) => Some(path.into()),
    }
}

/// What the client is told when proxying failed; `None` when there is nobody to tell.
pub(super) fn problem_of(error: &Error) -> Option<Problem> {
    if let Some(problem) = attempt::problem_of(error.etype()) {
        return Some(problem);
    }
    let fault = match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(413)) => Fault::BodyTooLarge,
        (
            ErrorSource::Upstream,
            ErrorType::ConnectTimedout
            | ErrorType::ReadTimedout
            | ErrorType::WriteTimedout
            | ErrorType::TLSHandshakeTimedout,
        ) => Fault::UpstreamTimeout,
        (
            ErrorSource::Upstream,
            ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::SocketError
            | ErrorType::ConnectProxyFailure,
        ) => Fault::UpstreamUnreachable,
        (
            ErrorSource::Upstream,
            ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::HandshakeError,
        ) => Fault::UpstreamTls,
        (ErrorSource::Upstream, _) => Fault::UpstreamFailed,
        (ErrorSource::Downstream, ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed) => {
            return None;
        }
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Fault::BodyTimeout,
        (ErrorSource::Downstream, _) => Fault::BadRequest,
        (ErrorSource::Internal | ErrorSource::Unset, _) => Fault::Internal,
    };
    Some(fault.into())
}

fn upstream(ctx: &Context) -> Option<&Arc<Upstream>> {
    ctx.route.as_ref().and_then(|route| route.upstream.as_ref())
}
