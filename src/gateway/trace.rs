//! A request as a trace: where it stands in one, the spans it is made of, and what the upstream is told of it.
//!
//! Owns what is worth a span and what may stand in it (rule O2: no token, no query, no address). How spans are sent is
//! `telemetry`'s business. A request that is not recorded costs the ids that it passes on.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use http::Method;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::upstreams::peer::{HttpPeer, Peer as _};

use super::authority::without_port;
use super::context::Context;
use super::request_id::RequestId;
use super::verify;
use crate::enforce::{Denial, Permit, Refusal, VerifiedToken};
use crate::telemetry::{Attribute, DecisionLine, Kind, Parent, Span, SpanId, TraceId, Tracer};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Bytes of a path that a span tells.
const MOST_PATH: usize = 256;
/// A segment of so many bytes may be a credential: codes and links of ours have 43.
const LONG_SEGMENT: usize = 40;
const REDACTED: &str = "REDACTED";

/// The place of one request in its trace.
pub struct Trace {
    trace_id: TraceId,
    parent: Option<SpanId>,
    /// Without it, the parent's own field goes on as it came.
    recording: Option<Box<Recording>>,
}

/// What is known so far of a request that is recorded.
struct Recording {
    id: SpanId,
    tracer: Tracer,
    started: Instant,
    started_at: SystemTime,
    ended: Vec<Span>,
    call: Option<Call>,
}

/// A call of an upstream that has not ended.
struct Call {
    id: SpanId,
    started: Instant,
    upstream: Box<str>,
    address: Option<SocketAddr>,
    sni: Box<str>,
    method: &'static str,
    status: Option<u16>,
}

impl Trace {
    /// The request's place, found in what it brings or made up. `started` is when it came.
    pub fn begin(tracer: &Tracer, header: &RequestHeader, id: &RequestId, started: Instant) -> Self {
        let parent = parent(header);
        // Two traces with the id of one request would be none; so the request's id is the trace's.
        let trace_id = parent.map_or(TraceId::new(*id.digits()), |parent| parent.trace_id);
        let is_recorded = parent.map_or_else(|| tracer.includes(&trace_id), |parent| parent.sampled);
        let recording = is_recorded.then(|| {
            Box::new(Recording {
                id: next_span(),
                tracer: tracer.clone(),
                started,
                started_at: SystemTime::now().checked_sub(started.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH),
                ended: Vec::new(),
                call: None,
            })
        });
        Self { trace_id, parent: parent.map(|parent| parent.span_id), recording }
    }

    /// For log lines.
    pub fn id(&self) -> TraceId {
        self.trace_id
    }

    pub fn is_recorded(&self) -> bool {
        self.recording.is_some()
    }

    /// Takes note of what the check of a token cost, unless the token was known.
    pub fn checked(&mut self, began: Instant, outcome: Result<&Permit, &Refusal>) {
        let (trace_id, Some(recording)) = (self.trace_id, &mut self.recording) else { return };
        let (token, cache_hit, fault) = match outcome {
            Ok(permit) => (permit.token(), permit.cache_hit(), None),
            Err(refusal) => {
                let denial = &refusal.denial;
                let fault =
                    matches!(denial, Denial::InvalidToken(_) | Denial::InvalidProof(_) | Denial::Undecidable(_))
                        .then(|| denial.code());
                (refusal.token(), refusal.cache_hit(), fault)
            }
        };
        if cache_hit || (token.is_none() && fault.is_none()) {
            return;
        }
        let known_by = |token: &VerifiedToken| if token.is_introspected() { "introspection" } else { "signature" };
        let mut attributes: Vec<(&'static str, Attribute)> = Vec::new();
        attributes.extend(token.map(|token| ("faregate.token.known_by", known_by(token).into())));
        attributes.extend(token.map(|token| ("faregate.issuer", (*token.facts.issuer).into())));
        attributes.extend(fault.map(|fault| ("error.type", fault.into())));
        recording.ended.push(Span {
            trace_id,
            id: next_span(),
            parent: Some(recording.id),
            name: "verify token".into(),
            kind: Kind::Internal,
            started_at: recording.at(began),
            ended_at: recording.at(Instant::now()),
            attributes,
            failed: fault.is_some(),
        });
    }

    /// A server of `upstream` is called; an earlier call has failed.
    pub fn called(&mut self, upstream: &str, peer: &HttpPeer, method: &Method) {
        let (trace_id, Some(recording)) = (self.trace_id, &mut self.recording) else { return };
        recording.end_call(trace_id, Some("unreachable"), Instant::now());
        recording.call = Some(Call {
            id: next_span(),
            started: Instant::now(),
            upstream: upstream.into(),
            address: peer.address().as_inet().copied(),
            sni: peer.sni().into(),
            method: known(method),
            status: None,
        });
    }

    /// The upstream's answer has begun.
    pub fn answered(&mut self, status: u16) {
        if let Some(call) = self.recording.as_mut().and_then(|recording| recording.call.as_mut()) {
            call.status = Some(status);
        }
    }

    /// Tells the upstream where it stands (W3C Trace Context 3.4).
    ///
    /// # Errors
    /// Never in practice: ids are legal values.
    pub fn propagate(&self, request: &mut RequestHeader) -> pingora::Result<()> {
        let own = |span_id: SpanId, sampled: bool| Parent { trace_id: self.trace_id, span_id, sampled }.to_text();
        match &self.recording {
            Some(recording) => {
                let span_id = recording.call.as_ref().map_or(recording.id, |call| call.id);
                request.insert_header(TRACEPARENT, own(span_id, true))?;
            }
            // Who records nothing changes nothing.
            None if self.parent.is_some() => {}
            None => request.insert_header(TRACEPARENT, own(next_span(), false))?,
        }
        if self.parent.is_none() {
            // It is about a trace that this one is not (3.3.1).
            request.remove_header(TRACESTATE);
        }
        Ok(())
    }

    /// The end of a request that is recorded: its spans go their way.
    pub fn end(self, session: &Session, ctx: &Context, line: &DecisionLine<'_>) {
        let Some(mut recording) = self.recording else { return };
        let failure = (!line.reason.is_empty()).then_some(line.reason);
        let ended = recording.started + line.latency;
        recording.end_call(self.trace_id, failure, ended);
        let Recording { id, tracer, started_at, ended, .. } = *recording;
        tracer.record(ended.into_iter().chain([Span {
            trace_id: self.trace_id,
            id,
            parent: self.parent,
            name: line.route.into(),
            kind: Kind::Server,
            started_at,
            ended_at: started_at + line.latency,
            attributes: attributes(session, ctx, line),
            // Of the server only its own failures are (semantic conventions, HTTP spans, "Status").
            failed: line.status >= 500,
        }]));
    }
}

impl Recording {
    /// The wall clock's time of something that happened in between.
    fn at(&self, instant: Instant) -> SystemTime {
        self.started_at + instant.saturating_duration_since(self.started)
    }

    fn end_call(&mut self, trace_id: TraceId, failure: Option<&str>, ended: Instant) {
        let Some(call) = self.call.take() else { return };
        let server = call.address.map(|address| address.ip().to_string());
        let name = if call.sni.is_empty() { server.as_deref().unwrap_or_default() } else { &*call.sni };
        let mut attributes: Vec<(&'static str, Attribute)> = vec![
            ("http.request.method", call.method.into()),
            ("server.address", name.into()),
            ("faregate.upstream", (*call.upstream).into()),
        ];
        if let Some(address) = call.address {
            attributes.push(("server.port", address.port().into()));
            attributes.push(("network.peer.address", (*address.ip().to_string()).into()));
        }
        let failed = call.status.is_none_or(|status| status >= 400);
        match call.status {
            Some(status) => {
                attributes.push(("http.response.status_code", status.into()));
                if failed {
                    attributes.push(("error.type", (*status.to_string()).into()));
                }
            }
            None => attributes.push(("error.type", failure.unwrap_or("no_answer").into())),
        }
        self.ended.push(Span {
            trace_id,
            id: call.id,
            parent: Some(self.id),
            name: call.method.into(),
            kind: Kind::Client,
            started_at: self.at(call.started),
            ended_at: self.at(ended),
            attributes,
            failed,
        });
    }
}

/// The span that the request was made in; `None` for several or what is none (W3C Trace Context 3.2.1).
fn parent(header: &RequestHeader) -> Option<Parent> {
    let mut fields = header.headers.get_all(TRACEPARENT).iter();
    let only = fields.next().filter(|_| fields.next().is_none())?;
    Parent::parse(only.as_bytes())
}

/// Ids of spans are as those of requests: not repeated, and no secret.
fn next_span() -> SpanId {
    let mut digits = [0; 16];
    digits.copy_from_slice(&RequestId::next().digits()[..16]);
    SpanId::new(digits)
}

/// By the semantic conventions of OpenTelemetry for HTTP servers, without what could be a secret or a person.
fn attributes(session: &Session, ctx: &Context, line: &DecisionLine<'_>) -> Vec<(&'static str, Attribute)> {
    let header = session.req_header();
    let is_tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    let host = header.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let mut attributes: Vec<(&'static str, Attribute)> = vec![
        ("http.request.method", known(&header.method).into()),
        ("url.scheme", if is_tls { "https" } else { "http" }.into()),
        ("url.path", (*path(header, ctx)).into()),
        ("http.response.status_code", line.status.into()),
        ("faregate.decision", line.verdict.as_str().into()),
        ("faregate.request_id", line.request_id.into()),
    ];
    attributes.extend(host.map(|host| ("server.address", without_port(host).into())));
    if line.route != "-" {
        attributes.push(("http.route", line.route.into()));
    }
    if !line.reason.is_empty() {
        attributes.push(("faregate.reason", line.reason.into()));
    }
    attributes.extend(line.client_id.map(|client| ("faregate.client_id", client.into())));
    attributes.extend(line.subject.map(|subject| ("enduser.pseudo.id", subject.into())));
    if line.status >= 500 {
        attributes.push(("error.type", (*line.status.to_string()).into()));
    }
    attributes
}

/// Only methods that are known (semantic conventions, `http.request.method`): others are a stranger's words.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}

/// The path, without what may be a secret: never the query, no long segment, of our own paths the pattern only.
fn path<'a>(header: &'a RequestHeader, ctx: &'a Context) -> Cow<'a, str> {
    if ctx.asked_for.is_some() || verify::is_asked(header) {
        return verify::PATH.into();
    }
    match ctx.embedded {
        Some(pattern) => pattern.into(),
        None => redacted(ctx.canonical_path.as_deref().unwrap_or(header.uri.path())),
    }
}

fn redacted(path: &str) -> Cow<'_, str> {
    let is_secret = |segment: &str| segment.len() >= LONG_SEGMENT || segment.starts_with("eyJ");
    if path.len() <= MOST_PATH && !path.split('/').any(is_secret) {
        return path.into();
    }
    let mut shown = String::new();
    for segment in path.split('/').skip(1) {
        shown.push('/');
        shown.push_str(if is_secret(segment) { REDACTED } else { segment });
        if shown.len() > MOST_PATH {
            shown.push_str("...");
            break;
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // O2
    #[test]
    fn paths_are_told_without_what_may_be_a_secret() {
        for (path, told) in [
            ("/", "/"),
            ("/api/orders/00000000-0000-4000-8000-000000000001", "/api/orders/00000000-0000-4000-8000-000000000001"),
            ("/reset/0123456789012345678901234567890123456789/now", "/reset/REDACTED/now"),
            ("/file/eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "/file/REDACTED"),
        ] {
            assert_eq!(redacted(path), told);
        }
        let long = "/segment".repeat(100);
        let told = redacted(&long);
        assert!(told.len() <= MOST_PATH + 20 && told.ends_with("..."), "{told}");
    }
}
