//! What is told of a request once it is answered: in metrics, in its decision line, and in its trace.
//!
//! Owns which of the three learn of it, and nothing that they are told: that was decided before.

use std::time::Duration;

use pingora::proxy::Session;

use super::context::Context;
use super::trace::Trace;
use crate::enforce::Permit;
use crate::telemetry::{DecisionLine, TraceId, Verdict};

/// Called once for every request.
pub fn tell(session: &Session, ctx: &mut Context) {
    let status = session.response_written().map_or(0, |answer| answer.status.as_u16());
    let latency = ctx.started.elapsed();
    let durations = match ctx.embedded.and_then(|pattern| ctx.gateway.embedded.durations.get(pattern)) {
        Some(durations) => durations,
        None => {
            let metrics = ctx.route.as_ref().map_or(&ctx.gateway.unmatched, |route| &route.metrics);
            match (&ctx.permit, ctx.refused) {
                // An upstream's failure is no decision: the request had its permit.
                (Some(permit), _) => match permit.would_be_refused() {
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
}

fn verdict(ctx: &Context) -> Verdict {
    match &ctx.permit {
        Some(permit) if permit.would_be_refused().is_some() => Verdict::Observe,
        Some(_) => Verdict::Permit,
        None if ctx.embedded.is_some() && ctx.refused.is_none() => Verdict::Permit,
        None => Verdict::Deny,
    }
}

fn decision_line<'a>(
    (session, ctx): (&'a Session, &'a Context),
    verdict: Verdict,
    (status, latency): (u16, Duration),
) -> DecisionLine<'a> {
    let permitted = ctx.permit.as_ref().map(|permit| (permit.token(), permit.cache_hit()));
    let refused = ctx.refusal.as_ref().map(|refusal| (refusal.token(), refusal.cache_hit()));
    let (token, cache_hit) = permitted.or(refused).unwrap_or_default();
    let route = ctx.route.as_ref().map(|route| &*route.name).or(ctx.embedded);
    let policy = ctx.route.as_ref().map(|route| &route.guard.policy);
    let rule = match (&ctx.permit, &ctx.refusal) {
        (Some(permit), _) => permit.rule(),
        (None, Some(refusal)) => refusal.rule(),
        (None, None) => None,
    };
    let place = policy.zip(rule).and_then(|(policy, rule)| policy.source(rule)).map(|source| source.line);
    DecisionLine {
        request_id: ctx.request_id.as_str(),
        trace_id: None,
        method: ctx.asked_for.as_ref().unwrap_or(&session.req_header().method).as_str(),
        route: route.unwrap_or("-"),
        rule: policy.zip(rule).map(|(policy, rule)| policy.text(rule)),
        line: place.or(ctx.route.as_ref().map(|route| route.line)).unwrap_or_default(),
        verdict,
        reason: ctx.permit.as_ref().and_then(Permit::would_be_refused).or(ctx.refused).unwrap_or_default(),
        issuer: token.map(|token| &*token.facts.issuer),
        client_id: token.and_then(|token| token.facts.client_id.as_deref()),
        subject: token.map(|token| &*token.pseudonym),
        cache_hit,
        status,
        latency,
    }
}
