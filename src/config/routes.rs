//! `routes:` - patterns, where they lead and what they ask for.
//!
//! Owns the syntax of one route and the checks between routes. How one route extends another is in `extend`; matching is
//! `route`'s and deciding `policy`'s.

use super::binding;
use super::check::{Check, Fields};
use super::declared_names::note_slips;
use super::extend::{self, Settled};
use super::issuers::{self, Issuer, IssuerIndex, IssuerKind};
use super::limits::Limits;
use super::lint::Lint;
use super::live;
use super::logins::{self, Login, LoginIndex};
use super::node::{Entry, Node, Scalar, Value};
use super::problem::{SHOWN, Severity, Span};
use super::rate_limit;
use super::require::{self, Requirement};
use super::scalar::Refusal;
use super::upstreams;
use super::values::{AcceptedIssuer, Route, Upstream, UpstreamIndex};
use crate::directory::declare::Declaration;
use crate::policy::{Policy, RuleSet};
use crate::route::{ConflictError, Host, Pattern, RouteTable};

pub(super) const KEYS: &[&str] = &[
    "upstream",
    "public",
    "require",
    "enforce",
    "tokens",
    "audience",
    "extends",
    "hosts",
    "connect_timeout",
    "read_timeout",
    "write_timeout",
    "idle_timeout",
    "max_body",
    "forward_authorization",
    "websocket",
    "timeout",
    "close_at_expiry",
    "resource_metadata",
    "login",
    "permissions",
    binding::KEY,
    "cors",
    rate_limit::KEY,
];

/// First segments of the gateway's own paths, which no route can have.
pub const RESERVED: [&str; 3] = ["oauth2", ".well-known", "_faregate"];

/// Keys that add a check. One that is written and left empty would silently add none.
const CHECKS: [&str; 7] = ["require", "tokens", "audience", "hosts", "permissions", binding::KEY, rate_limit::KEY];

/// What `enforce` may say.
const ENFORCE: [&str; 2] = ["refuse", "observe"];

/// What the routes refer to.
pub(super) struct Context<'c> {
    pub issuers: &'c [Issuer],
    pub upstreams: &'c [Upstream],
    pub limits: &'c Limits,
    pub logins: &'c [Login],
    pub declared: &'c Declaration,
}

/// One route as written: names looked up, nothing inherited yet.
pub(super) struct Draft<'n> {
    pub name: &'n str,
    pub span: Span,
    pub pattern: Option<Pattern>,
    pub fields: Fields<'n>,
    pub hosts: Option<Vec<Host>>,
    pub upstream: Option<UpstreamIndex>,
    pub public: bool,
    pub requirement: Option<Requirement>,
    pub observes: bool,
    pub live_permissions: Option<bool>,
    pub tokens: Option<Vec<(IssuerIndex, Span)>>,
    pub audience: Option<Vec<(String, Span)>>,
    pub extends: Option<(&'n Scalar, Span)>,
    pub login: Option<(LoginIndex, Span)>,
}

/// In the order of the file.
pub(super) fn check(node: Option<&Node>, context: &Context<'_>, check: &mut Check<'_>) -> Vec<Route> {
    let entries = node.map_or(&[][..], |node| check.entries(node));
    let mut drafts = Vec::new();
    let mut dropped = Vec::new();
    for entry in entries {
        // The same path on several hosts is a list, because a key can be there only once.
        let definitions = match &entry.value.value {
            Value::List(items) => items.as_slice(),
            Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Unusable => std::slice::from_ref(&entry.value),
        };
        if definitions.is_empty() {
            let help = "write the route, or remove the path";
            check.refuse_with_help(entry.key_span, format!("route {:?} is an empty list", entry.key), help);
        }
        for node in definitions {
            match draft(entry, node, context, check) {
                Some(draft) => drafts.push(draft),
                None => dropped.push((&*entry.key, entry.key_span)),
            }
        }
    }
    let settled = extend::settle(&drafts, context, check);
    let mut routes = Vec::new();
    for (draft, settled) in drafts.into_iter().zip(settled) {
        let (name, span) = (draft.name, draft.span);
        let settled = draft.pattern.clone().zip(settled);
        match settled.and_then(|(pattern, settled)| route(&draft, pattern, settled, context, check)) {
            Some(route) => routes.push((route, span)),
            None => dropped.push((name, span)),
        }
    }
    refuse_silent_loss(&dropped, check);
    refuse_conflicts(&routes, check);
    routes.into_iter().map(|(route, _)| route).collect()
}

/// Where a route is missing, a broader one serves its requests: none is left out without a problem.
fn refuse_silent_loss(dropped: &[(&str, Span)], check: &mut Check<'_>) {
    if check.problems.iter().any(|problem| problem.severity == Severity::Error) {
        return;
    }
    for (name, span) in dropped {
        check.refuse(*span, format!("route {name:?} cannot be used"));
    }
}

fn refuse_empty_checks(fields: &Fields<'_>, check: &mut Check<'_>) {
    for entry in CHECKS.iter().filter_map(|key| fields.entry(key)) {
        if matches!(entry.value.value, Value::Null) {
            let help = format!("write its value, or remove `{}`", entry.key);
            check.refuse_with_help(entry.key_span, format!("`{}` is empty", entry.key), help);
        }
    }
}

fn draft<'n>(entry: &'n Entry, node: &'n Node, context: &Context<'_>, check: &mut Check<'_>) -> Option<Draft<'n>> {
    let span = if matches!(entry.value.value, Value::List(_)) { node.span } else { entry.key_span };
    let pattern = pattern(entry, check);
    let fields = Fields::open(node, KEYS, check)?;
    refuse_empty_checks(&fields, check);
    let public = fields.boolean("public", check).unwrap_or(false);
    let requirement = fields.find("require").and_then(|node| require::check(node, check));
    let extends = fields.find("extends").and_then(|node| check.text(node).map(|name| (name, node.span)));
    if let Some(entry) = fields.entry("require").filter(|_| public) {
        check.refuse_with_help(entry.key_span, "a public route requires nothing", "remove `public: true` or `require`");
    }
    let hosts = hosts(&fields, check);
    let observes = observes(&subject(&entry.key, hosts.as_deref()), &fields, check);
    for key in ["tokens", "audience", "enforce", "permissions", "login", binding::KEY] {
        if let Some(entry) = fields.entry(key).filter(|_| public) {
            check.refuse_with_help(
                entry.key_span,
                format!("a public route looks at no token: `{key}` means nothing"),
                format!("remove `{key}`, or `public: true`"),
            );
        }
    }
    if !public && extends.is_none() && fields.lacks("require") && !fields.misspells("public") {
        check.refuse_with_help(
            span,
            format!("route {:?} has no policy", entry.key),
            "add `require: scope name`, `require: authenticated`, or `public: true`",
        );
    }
    if let (Some(pattern), Some(requirement)) = (&pattern, &requirement) {
        refuse_unknown_parameters(pattern, requirement, check);
    }
    for (rule, span) in requirement.iter().flat_map(|requirement| &requirement.texts) {
        note_slips((rule, *span), context.declared, check);
    }
    Some(Draft {
        name: &entry.key,
        span,
        pattern,
        hosts,
        upstream: upstream(&fields, entry, extends.is_some(), context, check),
        public,
        requirement,
        observes,
        live_permissions: live::check(&fields, check),
        tokens: tokens(&fields, context, check),
        audience: audience(&fields, check),
        extends,
        login: logins::of_route(&fields, context.logins, check),
        fields,
    })
}

fn pattern(entry: &Entry, check: &mut Check<'_>) -> Option<Pattern> {
    let pattern = match Pattern::parse(&entry.key) {
        Ok(pattern) => pattern,
        Err(error) => {
            let place = entry.key_part(error.offset, error.length);
            check.refuse(place, error.to_string());
            return None;
        }
    };
    let first = entry.key.trim_start_matches('/').split('/').next().unwrap_or_default();
    if RESERVED.contains(&first) {
        check.refuse_with_help(
            entry.key_span,
            format!("paths under /{first} belong to the gateway itself"),
            "choose another path; `/**` is possible, and leaves these paths alone",
        );
    }
    Some(pattern)
}

/// What an acceptance of its risks calls a route: with its hosts, because others may have the same path.
fn subject(name: &str, hosts: Option<&[Host]>) -> String {
    let hosts: Vec<String> = hosts.unwrap_or_default().iter().map(ToString::to_string).collect();
    format!("{}{name}", hosts.join(","))
}

/// Not inherited: whoever tries a policy out says so for each route.
fn observes(route: &str, fields: &Fields<'_>, check: &mut Check<'_>) -> bool {
    let Some(node) = fields.find("enforce") else { return false };
    let Some(scalar) = check.text(node) else { return false };
    if !ENFORCE.contains(&scalar.text.as_str()) {
        check.refuse_word(
            node.span,
            format!("expected refuse or observe, found {}", scalar.shown()),
            &scalar.text,
            &ENFORCE,
        );
        return false;
    }
    let observes = scalar.text == "observe";
    if observes {
        check.warn(
            node.span,
            Lint::RouteObservesOnly.at(route),
            "this route refuses nobody: what it would refuse is only counted and logged",
            "`enforce: refuse`, or nothing, once its policy is right",
        );
    }
    observes
}

fn refuse_unknown_parameters(pattern: &Pattern, requirement: &Requirement, check: &mut Check<'_>) {
    let known: Vec<&str> = pattern.parameters().collect();
    for (name, span) in &requirement.parameters {
        if !known.contains(&name.as_str()) {
            check.refuse_word(*span, format!("the path has no parameter {name:?}"), name, &known);
        }
    }
}

fn hosts(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<Vec<Host>> {
    let node = fields.find("hosts")?;
    let nodes = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Unusable => std::slice::from_ref(node),
    };
    if nodes.is_empty() {
        check.refuse_with_help(node.span, "a route for no host", "remove `hosts` to match every host");
    }
    let parse = |text: &str| {
        Host::parse(text).map_err(|error| Refusal { expected: "a host", help: Some(error.message.to_owned()) })
    };
    Some(nodes.iter().filter_map(|node| check.parsed(node, parse)).collect())
}

fn upstream(
    fields: &Fields<'_>,
    entry: &Entry,
    extends: bool,
    context: &Context<'_>,
    check: &mut Check<'_>,
) -> Option<UpstreamIndex> {
    let Some(node) = fields.find("upstream") else {
        if !extends && (fields.entry("upstream").is_some() || fields.lacks("upstream")) {
            let span = fields.entry("upstream").map_or(entry.key_span, |entry| entry.key_span);
            check.refuse_with_help(span, format!("route {:?} has no upstream", entry.key), "upstream: name");
        }
        return None;
    };
    let scalar = check.text(node)?;
    let found = upstreams::find(context.upstreams, &scalar.text);
    if found.is_none() {
        let known: Vec<&str> = context.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
        check.refuse_word(node.span, format!("unknown upstream {}", scalar.shown()), &scalar.text, &known);
    }
    found
}

fn tokens(fields: &Fields<'_>, context: &Context<'_>, check: &mut Check<'_>) -> Option<Vec<(IssuerIndex, Span)>> {
    let node = fields.find("tokens")?;
    let names = check.texts(node);
    if names.is_empty() && matches!(node.value, Value::List(_)) {
        check.refuse_with_help(node.span, "a route that accepts no token", "name an issuer, or write `public: true`");
    }
    let mut tokens = Vec::new();
    for (scalar, span) in names {
        match issuers::find(context.issuers, &scalar.text) {
            Some(issuer) => tokens.push((issuer, span)),
            None => {
                let known: Vec<&str> = context.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
                check.refuse_word(span, format!("unknown issuer {}", scalar.shown()), &scalar.text, &known);
            }
        }
    }
    Some(tokens)
}

/// At least one: none would be every audience, whatever the issuer asks for.
fn audience(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<Vec<(String, Span)>> {
    let node = fields.find("audience")?;
    let named: Vec<_> = check.texts(node).into_iter().map(|(scalar, span)| (scalar.text.clone(), span)).collect();
    if named.is_empty() {
        check.refuse_with_help(
            node.span,
            "a route for no audience",
            "name an audience, or remove `audience`: then each issuer's own is asked for",
        );
        return None;
    }
    Some(named)
}

fn route(
    draft: &Draft<'_>,
    pattern: Pattern,
    settled: Settled,
    context: &Context<'_>,
    check: &mut Check<'_>,
) -> Option<Route> {
    let policy = match Policy::compile(&settled.rules) {
        Ok(policy) => policy,
        Err(error) => {
            check.refuse(draft.span, error.to_string());
            return None;
        }
    };
    let known: Vec<&str> = pattern.parameters().collect();
    let own = |name: &str| draft.requirement.iter().any(|own| own.parameters.iter().any(|(other, _)| other == name));
    if let (Some(name), Some((parent, span))) =
        (policy.parameters().find(|name| !known.contains(name) && !own(name)), draft.extends)
    {
        let message = format!("the rules of {} use {{{name}}}, which this path does not have", parent.shown());
        check.refuse_with_help(span, message, format!("put `{{{name}}}` into the path, in the place it has there"));
    }
    if let Some(login) = settled.login {
        let span = draft.login.map_or(draft.span, |(_, span)| span);
        let around = logins::Around { tokens: &settled.tokens, hosts: &settled.hosts, upstream: settled.upstream };
        logins::check_route((login, span), &around, context, check);
        let own = draft.fields.entry(binding::KEY).map(|entry| entry.value.span);
        // Where both are inherited, the other route has the problem.
        if let Some(demanded) = settled.binding.filter(|_| own.is_some() || draft.login.is_some()) {
            binding::refuse_login(demanded.binding, own.unwrap_or(span), check);
        }
    }
    if settled.live_permissions && !settled.public {
        live::refuse_without_directory(draft, &settled.tokens, context.issuers, check);
    }
    rate_limit::check_use(&settled.limits, settled.public, &known, check);
    let cors = settled.cors.map(|cors| cors.with_methods_of(&settled.rules));
    let tokens: Vec<AcceptedIssuer> = settled
        .tokens
        .into_iter()
        .map(|issuer| {
            let audience = settled.audience.clone();
            AcceptedIssuer { issuer, audience: audience.unwrap_or_else(|| context.issuers[issuer.0].audience.clone()) }
        })
        .collect();
    warn_of_any_audience(draft, &settled.rules, (&tokens, context.issuers), check);
    Some(Route {
        name: draft.name.to_owned(),
        pattern,
        hosts: settled.hosts,
        upstream: settled.upstream,
        policy,
        public: settled.public,
        observes: draft.observes,
        live_permissions: settled.live_permissions,
        tokens,
        timeouts: settled.timeouts,
        max_body: settled.max_body,
        forward_authorization: settled.forward_authorization,
        websocket: settled.websocket,
        close_at_expiry: settled.close_at_expiry,
        resource_metadata: settled.resource_metadata,
        login: settled.login,
        binding: settled.binding.map(|demanded| demanded.binding),
        dpop_nonce: settled.binding.is_some_and(|demanded| demanded.nonce),
        cors,
        limits: settled.limits,
        line: draft.span.line,
    })
}

/// F-335: in a tenant each application has roles of its own, and only the audience tells whose a token has.
fn warn_of_any_audience(
    draft: &Draft<'_>,
    rules: &RuleSet,
    (tokens, issuers): (&[AcceptedIssuer], &[Issuer]),
    check: &mut Check<'_>,
) {
    let any = || tokens.iter().filter(|token| token.audience.is_empty());
    let is_tenant = |token: &AcceptedIssuer| matches!(issuers[token.issuer.0].kind, IssuerKind::Tenant(_));
    if any().count() > 0 && require::asks_for_nothing(rules, false) {
        check.warn(
            draft.span,
            Lint::RouteAcceptsAnyAudience.at(&subject(draft.name, draft.hosts.as_deref())),
            format!("route {:?} accepts any audience: tokens for other services will work here", draft.name),
            "add `audience:` to the route or to its issuer, or require a scope or a permission",
        );
    } else if any().any(is_tenant) && require::asks_for_nothing(rules, true) {
        check.warn(
            draft.span,
            Lint::RouteAcceptsRolesOfAnyApplication.at(&subject(draft.name, draft.hosts.as_deref())),
            format!("route {:?} accepts any audience: a role of another application is as good here", draft.name),
            "add `audience:` with the client id of the application whose roles are meant",
        );
    }
}

/// Arranges the routes for finding them; the value is a route's position.
/// The routes by host and path; the values are indices into `routes`.
pub fn table(routes: &[Route]) -> Result<RouteTable<usize>, ConflictError> {
    RouteTable::compile(entries(routes.iter().enumerate()))
}

fn entries<'r>(routes: impl Iterator<Item = (usize, &'r Route)>) -> Vec<(Option<Host>, Pattern, usize)> {
    let mut entries = Vec::new();
    for (index, route) in routes {
        let pattern = || route.pattern.clone();
        if route.hosts.is_empty() {
            entries.push((None, pattern(), index));
        }
        entries.extend(route.hosts.iter().map(|host| (Some(host.clone()), pattern(), index)));
    }
    entries
}

/// Two routes that the same request could equally mean. Every later one is a problem.
fn refuse_conflicts(routes: &[(Route, Span)], check: &mut Check<'_>) {
    let mut refused: Vec<usize> = Vec::new();
    // Each round finds one conflict: more than are shown need not be found.
    while refused.len() <= SHOWN {
        let rest = routes.iter().map(|(route, _)| route).enumerate().filter(|(index, _)| !refused.contains(index));
        let entries = entries(rest);
        let Err(error) = RouteTable::compile(entries.iter().cloned()) else {
            return;
        };
        let (first, second) = (entries[error.first_index].2, entries[error.second_index].2);
        let ((other, _), (route, span)) = (&routes[first], &routes[second]);
        let message =
            format!("route {:?} matches the same requests as {:?} on line {}", route.name, other.name, other.line);
        check.refuse_with_help(*span, message, "tell them apart by path or by `hosts`");
        refused.push(second);
    }
}
