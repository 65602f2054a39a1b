//! `extends:` - a route that starts from another one.
//!
//! Owns inheritance: extending adds checks and never drops one. It reads no key that is not inherited.

use super::binding::{self, Demanded};
use super::check::Check;
use super::cors::{self, Cors};
use super::issuers::IssuerIndex;
use super::live;
use super::logins::LoginIndex;
use super::node::Scalar;
use super::problem::Span;
use super::rate_limit::{self, RateLimit};
use super::routes::{Context, Draft};
use super::upstreams;
use super::values::{Timeouts, UpstreamIndex};
use super::websocket::{self, WebSocket};
use crate::policy::{Rule, RuleSet};
use crate::route::Host;

/// What a route has once everything inherited is in it.
#[derive(Clone)]
pub(super) struct Settled {
    pub rules: RuleSet,
    pub public: bool,
    pub upstream: UpstreamIndex,
    pub tokens: Vec<IssuerIndex>,
    /// `None`: each issuer's own.
    pub audience: Option<Vec<String>>,
    pub hosts: Vec<Host>,
    pub timeouts: Timeouts,
    pub max_body: u64,
    pub forward_authorization: bool,
    pub websocket: WebSocket,
    pub close_at_expiry: bool,
    pub resource_metadata: bool,
    pub login: Option<LoginIndex>,
    pub binding: Option<Demanded>,
    pub live_permissions: bool,
    pub cors: Option<Cors>,
    pub limits: Vec<RateLimit>,
}

enum State {
    Untouched,
    /// Its parents are being settled: meeting it again closes a circle.
    Waiting,
    /// `None`: it, or a route it extends, has a problem.
    Done(Option<Box<Settled>>),
}

/// Routes in one line of ancestors.
const MAX_ANCESTORS: usize = 16;

/// One per draft, in the same order; `None` for a route with a problem.
pub(super) fn settle(drafts: &[Draft<'_>], context: &Context<'_>, check: &mut Check<'_>) -> Vec<Option<Settled>> {
    let mut settler = Settler { drafts, context, states: drafts.iter().map(|_| State::Untouched).collect() };
    (0..drafts.len()).map(|index| settler.settle(index, 0, check)).collect()
}

struct Settler<'d, 'n, 'c> {
    drafts: &'d [Draft<'n>],
    context: &'d Context<'c>,
    states: Vec<State>,
}

impl Settler<'_, '_, '_> {
    fn settle(&mut self, index: usize, descendants: usize, check: &mut Check<'_>) -> Option<Settled> {
        if let State::Done(settled) = &self.states[index] {
            return settled.as_deref().cloned();
        }
        self.states[index] = State::Waiting;
        let settled = self.settle_after_parent(index, descendants, check);
        self.states[index] = State::Done(settled.clone().map(Box::new));
        settled
    }

    fn settle_after_parent(&mut self, index: usize, descendants: usize, check: &mut Check<'_>) -> Option<Settled> {
        let draft = &self.drafts[index];
        let Some((name, span)) = draft.extends else {
            return settle_one(draft, None, self.context, check);
        };
        let parent = self.parent(name, span, check)?;
        if matches!(self.states[parent], State::Waiting) {
            check.refuse(span, format!("route {:?} extends itself in the end", draft.name));
            return None;
        }
        if descendants >= MAX_ANCESTORS {
            check.refuse(span, format!("more than {MAX_ANCESTORS} routes extend one another"));
            return None;
        }
        let parent = self.settle(parent, descendants + 1, check)?;
        settle_one(draft, Some(&parent), self.context, check)
    }

    fn parent(&self, name: &Scalar, span: Span, check: &mut Check<'_>) -> Option<usize> {
        let mut found = (0..self.drafts.len()).filter(|&index| self.drafts[index].name == name.text);
        match (found.next(), found.next()) {
            (Some(parent), None) => Some(parent),
            (Some(_), Some(_)) => {
                let message =
                    format!("{} stands for several routes, one per host: none of them can be extended", name.shown());
                check.refuse(span, message);
                None
            }
            (None, _) => {
                let known: Vec<&str> = self.drafts.iter().map(|draft| draft.name).collect();
                check.refuse_word(span, format!("unknown route {}", name.shown()), &name.text, &known);
                None
            }
        }
    }
}

fn settle_one(
    draft: &Draft<'_>,
    parent: Option<&Settled>,
    context: &Context<'_>,
    check: &mut Check<'_>,
) -> Option<Settled> {
    let fields = &draft.fields;
    let timeouts = parent.map(|parent| parent.timeouts);
    let upstream = draft.upstream.or_else(|| parent.map(|parent| parent.upstream));
    // A route with another upstream than its parent's has that upstream's limits of time.
    let timeouts = timeouts.filter(|_| draft.upstream.is_none());
    let timeouts = timeouts.or_else(|| upstream.map(|upstream| context.upstreams[upstream.0].timeouts));
    let timeouts = upstreams::timeouts(fields, timeouts.unwrap_or_default(), check);
    let max_body = fields.size("max_body", check).or_else(|| parent.map(|parent| parent.max_body));
    let forward_authorization = fields.boolean("forward_authorization", check);
    let websocket = fields.find("websocket").and_then(|node| websocket::check(node, check));
    let close_at_expiry = fields.boolean("close_at_expiry", check);
    let resource_metadata = fields.boolean("resource_metadata", check);
    let public = draft.public || (draft.requirement.is_none() && parent.is_some_and(|parent| parent.public));
    let cors = cors::check(fields, parent.and_then(|parent| parent.cors.as_ref()), check);
    let limits = rate_limit::check(fields, parent.map_or(&[], |parent| parent.limits.as_slice()), check);
    let rules = rules(draft, parent, check);
    let tokens = if public { Some(Vec::new()) } else { tokens(draft, parent, context, check) };
    let audience = audience(draft, parent, check);
    let login = draft.login.map(|(login, _)| login).or_else(|| parent.and_then(|parent| parent.login));
    Some(Settled {
        rules: rules?,
        public,
        upstream: upstream?,
        tokens: tokens?,
        audience,
        hosts: draft.hosts.clone().or_else(|| parent.map(|parent| parent.hosts.clone())).unwrap_or_default(),
        timeouts,
        max_body: max_body.unwrap_or(context.limits.body),
        forward_authorization: forward_authorization
            .or_else(|| parent.map(|parent| parent.forward_authorization))
            .unwrap_or(false),
        websocket: websocket.or_else(|| parent.map(|parent| parent.websocket.clone())).unwrap_or_default(),
        close_at_expiry: close_at_expiry.or_else(|| parent.map(|parent| parent.close_at_expiry)).unwrap_or(true),
        resource_metadata: resource_metadata.or_else(|| parent.map(|parent| parent.resource_metadata)).unwrap_or(true),
        // Nobody looks at tokens there.
        login: login.filter(|_| !public),
        binding: binding::settle(fields, parent.and_then(|parent| parent.binding), check),
        live_permissions: live::settled(draft, parent, check),
        cors,
        limits,
    })
}

/// Both the parent's rules and the route's own.
fn rules(draft: &Draft<'_>, parent: Option<&Settled>, check: &mut Check<'_>) -> Option<RuleSet> {
    if draft.public && parent.is_some_and(|parent| !parent.public) {
        let span = draft.fields.entry("public").map_or(draft.span, |entry| entry.key_span);
        check.refuse_with_help(
            span,
            "extending adds and never drops: the extended route is not public",
            "remove `public: true`, or `extends`",
        );
        return None;
    }
    // A requirement that could not be understood is a problem already.
    if draft.requirement.is_none() && draft.fields.entry("require").is_some() {
        return None;
    }
    let own = match &draft.requirement {
        Some(requirement) => Some(requirement.rules.clone()),
        None if draft.public => Some(RuleSet::every_method(Rule::public().at(draft.span.line))),
        None => None,
    };
    match (own, parent) {
        (Some(own), Some(parent)) => Some(own.and(&parent.rules)),
        (Some(own), None) => Some(own),
        (None, Some(parent)) => Some(parent.rules.clone()),
        (None, None) => None,
    }
}

fn tokens(
    draft: &Draft<'_>,
    parent: Option<&Settled>,
    context: &Context<'_>,
    check: &mut Check<'_>,
) -> Option<Vec<IssuerIndex>> {
    let inherited = parent.map(|parent| parent.tokens.as_slice()).filter(|tokens| !tokens.is_empty());
    match (&draft.tokens, inherited) {
        (Some(own), inherited) => {
            for (issuer, span) in own {
                if inherited.is_some_and(|inherited| !inherited.contains(issuer)) {
                    let name = &context.issuers[issuer.0].name;
                    check.refuse(
                        *span,
                        format!("extending adds and never drops: the extended route does not accept {name:?}"),
                    );
                }
            }
            Some(own.iter().map(|(issuer, _)| *issuer).collect())
        }
        (None, Some(inherited)) => Some(inherited.to_vec()),
        (None, None) if context.issuers.len() == 1 => Some(vec![IssuerIndex(0)]),
        (None, None) => {
            let names: Vec<&str> = context.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
            let help = match names.as_slice() {
                [] => "add an issuer: `issuers: { self: {} }`".to_owned(),
                names => format!("tokens: [{}]", names.join(", ")),
            };
            check.refuse_with_help(
                draft.span,
                format!("route {:?} does not say whose tokens it accepts", draft.name),
                help,
            );
            None
        }
    }
}

fn audience(draft: &Draft<'_>, parent: Option<&Settled>, check: &mut Check<'_>) -> Option<Vec<String>> {
    let inherited = parent.and_then(|parent| parent.audience.as_ref());
    let Some(own) = &draft.audience else {
        return inherited.cloned();
    };
    for (audience, span) in own {
        if inherited.is_some_and(|inherited| !inherited.contains(audience)) {
            check.refuse(*span, "extending adds and never drops: the extended route does not accept this audience");
        }
    }
    Some(own.iter().map(|(audience, _)| audience.clone()).collect())
}
