//! `upstreams:` - the servers behind the gateway.
//!
//! Owns their syntax and defaults. It connects to none and resolves no name.

use std::time::Duration;

use super::check::{Check, Fields};
use super::forwarded_jwt::{self, JwtWish};
use super::node::{Entry, Node, Value};
use super::resilience::{self, Resilience};
use super::scalar::Refusal;
use super::upstream_tls;
use super::url::{self, Origin};
use super::values::{HealthCheck, Server, Target, Timeouts, Upstream, UpstreamIndex, UpstreamTls};

pub(super) const KEYS: &[&str] = &[
    "servers",
    "tls",
    "sni",
    "insecure",
    "http2",
    "connect_timeout",
    "read_timeout",
    "write_timeout",
    "idle_timeout",
    "timeout",
    "health",
    "balance",
    "eject",
    "retry_budget",
    "max_requests",
    "max_pending",
    "jwt",
];
pub(super) const SERVER_KEYS: &[&str] = &["server", "weight"];
/// Weights are turns in a list that is walked round.
const MOST_WEIGHT: u64 = 100;
/// Servers of one upstream.
const MOST_SERVERS: usize = 256;
pub(super) const HEALTH_KEYS: &[&str] = &["path", "interval", "timeout", "healthy_after", "unhealthy_after", "expect"];

/// What upstreams begin with that are parts of the gateway.
const BUILTIN: &str = "builtin:";

/// The upstream that needs no server.
const ECHO: &str = "builtin:echo";

/// The upstream behind another gateway, which asks for our decisions.
const ELSEWHERE: &str = "builtin:elsewhere";

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect_for: Duration::from_secs(1),
            read_for: Duration::from_secs(30),
            write_for: Duration::from_secs(30),
            idle_for: Duration::from_secs(60),
            total_for: None,
        }
    }
}

/// In the order of the file.
pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> Vec<Upstream> {
    let entries = node.map_or(&[][..], |node| check.entries(node));
    entries.iter().map(|entry| upstream(entry, check)).collect()
}

/// The upstream called `name`.
pub(super) fn find(upstreams: &[Upstream], name: &str) -> Option<UpstreamIndex> {
    upstreams.iter().position(|upstream| upstream.name == name).map(UpstreamIndex)
}

fn upstream(entry: &Entry, check: &mut Check<'_>) -> Upstream {
    let mut upstream = Upstream {
        name: entry.key.clone(),
        target: Target::Echo,
        timeouts: Timeouts::default(),
        http2: false,
        health: None,
        resilience: Resilience::default(),
        jwt: JwtWish::default(),
    };
    let node = &entry.value;
    match &node.value {
        Value::Scalar(scalar) if scalar.text == ECHO => {}
        Value::Scalar(scalar) if scalar.text == ELSEWHERE => upstream.target = Target::Elsewhere,
        Value::Scalar(scalar) if scalar.text.starts_with(BUILTIN) && !scalar.is_foreign() => {
            check.refuse_word(
                node.span,
                format!("unknown upstream {}", scalar.shown()),
                &scalar.text,
                &[ECHO, ELSEWHERE],
            );
        }
        Value::Scalar(_) => {
            if let Some(origin) = check.parsed(node, url::origin) {
                let tls = origin.https.then_some(UpstreamTls { sni: None, verify: true, ca: None, client: None });
                let servers = vec![server(origin, 1)];
                upstream_tls::refuse_unnamed(&servers, tls.as_ref(), node.span, check);
                upstream.target = Target::Servers { servers, tls };
            }
        }
        Value::Null => check.refuse_with_help(
            entry.key_span,
            format!("upstream {:?} has no server", entry.key),
            format!("{}: http://127.0.0.1:3000", entry.key),
        ),
        Value::List(_) => check.refuse_with_help(
            node.span,
            "expected a URL or a mapping, found a list",
            format!("{}: {{ servers: [...] }}", entry.key),
        ),
        Value::Map(_) | Value::Unusable => detailed(&mut upstream, node, check),
    }
    upstream
}

fn detailed(upstream: &mut Upstream, node: &Node, check: &mut Check<'_>) {
    let Some(fields) = Fields::open(node, KEYS, check) else {
        return;
    };
    upstream.timeouts = timeouts(&fields, upstream.timeouts, check);
    upstream.http2 = fields.boolean("http2", check).unwrap_or(false);
    upstream.resilience = resilience::resilience(&fields, check);
    upstream.jwt = forwarded_jwt::wish(&fields, check);
    upstream.health = fields.find("health").and_then(|node| health(node, check));
    let Some(list) = fields.require("servers", "servers: [10.0.0.1:80, 10.0.0.2:80]", check) else {
        return;
    };
    let draft = upstream_tls::draft(&fields, check);
    let servers = servers(list, draft.wanted, check);
    let tls = draft.wanted.unwrap_or_else(|| servers.first().is_some_and(|(server, _)| server.https));
    let tls = draft.settle(&upstream.name, tls, &fields, check);
    let servers: Vec<Server> = servers.into_iter().map(|(origin, weight)| server(origin, weight)).collect();
    upstream_tls::refuse_unnamed(&servers, tls.as_ref(), list.span, check);
    upstream.target = Target::Servers { servers, tls };
}

/// `host:port` or a URL, or a mapping with one; all with or all without TLS. With their weights.
fn servers(node: &Node, wanted: Option<bool>, check: &mut Check<'_>) -> Vec<(Origin, u32)> {
    let mut servers: Vec<(Origin, u32)> = Vec::new();
    let items = check.items(node);
    if items.len() > MOST_SERVERS {
        check.refuse(node.span, format!("an upstream has at most {MOST_SERVERS} servers"));
    }
    for item in items {
        let Some((item, weight)) = weighted(item, check) else { continue };
        let has_scheme = |text: &str| text.contains("://");
        let parse = |text: &str| -> Result<(Origin, bool), Refusal> {
            if has_scheme(text) {
                return url::origin(text).map(|origin| (origin, true));
            }
            let expected = "a server like 10.0.0.1:8080 or http://10.0.0.1:8080";
            let (host, port) = url::authority(text).map_err(|refusal| Refusal { expected, ..refusal })?;
            Ok((Origin { https: wanted.unwrap_or(false), host, port }, false))
        };
        let Some((origin, is_url)) = check.parsed(item, parse) else { continue };
        if origin.port.is_none() && !is_url {
            check.refuse_with_help(item.span, "the port is missing", "write `host:port`");
        }
        let first = servers.first().map_or(wanted, |(first, _)| Some(first.https));
        if first.is_some_and(|https| https != origin.https) {
            check.refuse_with_help(
                item.span,
                "servers of one upstream are all reached with TLS or all without",
                "make two upstreams, or write every server with the same scheme",
            );
        }
        servers.push((origin, weight));
    }
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        check.refuse(node.span, "an upstream without servers");
    }
    servers
}

/// Where the server stands, and its weight.
fn weighted<'n>(item: &'n Node, check: &mut Check<'_>) -> Option<(&'n Node, u32)> {
    if !matches!(item.value, Value::Map(_)) {
        return Some((item, 1));
    }
    let fields = Fields::open(item, SERVER_KEYS, check)?;
    let weight = fields.count("weight", MOST_WEIGHT, check).and_then(|weight| u32::try_from(weight).ok());
    Some((fields.require("server", "server: 10.0.0.1:80", check)?, weight.unwrap_or(1)))
}

fn server(origin: Origin, weight: u32) -> Server {
    Server { port: origin.port_or_default(), host: origin.host, weight }
}

/// `fallback` with what the keys say.
pub(super) fn timeouts(fields: &Fields<'_>, fallback: Timeouts, check: &mut Check<'_>) -> Timeouts {
    Timeouts {
        connect_for: fields.duration("connect_timeout", check).unwrap_or(fallback.connect_for),
        read_for: fields.duration("read_timeout", check).unwrap_or(fallback.read_for),
        write_for: fields.duration("write_timeout", check).unwrap_or(fallback.write_for),
        idle_for: fields.duration("idle_timeout", check).unwrap_or(fallback.idle_for),
        total_for: fields.duration("timeout", check).or(fallback.total_for),
    }
}

/// A path, or a mapping with one.
fn health(node: &Node, check: &mut Check<'_>) -> Option<HealthCheck> {
    let mut health = HealthCheck {
        path: String::new(),
        interval_for: Duration::from_secs(5),
        timeout_for: Duration::from_secs(1),
        healthy_after: 1,
        unhealthy_after: 2,
        expect: 200,
    };
    let path = match &node.value {
        Value::Scalar(_) => node,
        Value::Null | Value::List(_) | Value::Map(_) | Value::Unusable => {
            let fields = Fields::open(node, HEALTH_KEYS, check)?;
            health.interval_for = fields.duration("interval", check).unwrap_or(health.interval_for);
            health.timeout_for = fields.duration("timeout", check).unwrap_or(health.timeout_for);
            health.healthy_after = times(&fields, "healthy_after", check).unwrap_or(health.healthy_after);
            health.unhealthy_after = times(&fields, "unhealthy_after", check).unwrap_or(health.unhealthy_after);
            health.expect = status(&fields, check).unwrap_or(health.expect);
            fields.require("path", "path: /healthz", check)?
        }
    };
    let scalar = check.text(path)?;
    if !scalar.text.starts_with('/') || scalar.text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let help = "start with `/`: /healthz";
        check.refuse_with_help(path.span, format!("{} is not a path", scalar.shown()), help);
        return None;
    }
    health.path.clone_from(&scalar.text);
    Some(health)
}

fn times(fields: &Fields<'_>, key: &str, check: &mut Check<'_>) -> Option<u32> {
    fields.count(key, 100, check).and_then(|count| u32::try_from(count).ok())
}

fn status(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<u16> {
    let status = fields.count("expect", 599, check)?;
    if status < 100 {
        check.refuse(fields.find("expect")?.span, "expect must be an HTTP status, from 100 to 599");
        return None;
    }
    u16::try_from(status).ok()
}
