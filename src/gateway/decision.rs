//! What is told of a decision: the verdict, the reason, and the line.
//!
//! Owns how they are found in what is known of a request. Writing lines is `telemetry`'s business.

use std::time::Duration;

use pingora::proxy::Session;

use super::context::Context;
use crate::enforce::Permit;
use crate::telemetry::{DecisionLine, Verdict};

pub(super) fn verdict(ctx: &Context) -> Verdict {
    match &ctx.permit {
        Some(permit) if would_be_refused(permit, ctx).is_some() => Verdict::Observe,
        Some(_) => Verdict::Permit,
        None if (ctx.embedded.is_some() || ctx.preflight) && ctx.refused.is_none() => Verdict::Permit,
        None => Verdict::Deny,
    }
}

/// Why a request that passed would have been refused, if its route did not only observe.
pub(super) fn would_be_refused(permit: &Permit, ctx: &Context) -> Option<&'static str> {
    permit.would_be_refused().or(ctx.counting.observed)
}

pub(super) fn decision_line<'a>(
    (session, ctx): (&'a Session, &'a Context),
    verdict: Verdict,
    (status, latency): (u16, Duration),
) -> DecisionLine<'a> {
    // Whose request was one too many is known too.
    let permit = ctx.permit.as_ref().or(ctx.counting.permit.as_ref());
    let permitted = permit.map(|permit| (permit.token(), permit.cache_hit()));
    let refused = ctx.refusal.as_ref().map(|refusal| (refusal.token(), refusal.cache_hit()));
    let (token, cache_hit) = permitted.or(refused).unwrap_or_default();
    let route = ctx.route.as_ref().map(|route| &*route.name).or(ctx.embedded);
    let policy = ctx.route.as_ref().map(|route| &route.guard.policy);
    let rule = match (permit, &ctx.refusal) {
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
        reason: ctx
            .permit
            .as_ref()
            .and_then(|permit| would_be_refused(permit, ctx))
            .or(ctx.refused)
            .unwrap_or_default(),
        issuer: token.map(|token| &*token.facts.issuer),
        client_id: token.and_then(|token| token.facts.client_id.as_deref()),
        subject: token.map(|token| &*token.pseudonym),
        cache_hit,
        status,
        latency,
    }
}
