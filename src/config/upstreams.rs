//! `upstreams:` - the servers behind the gateway.
//!
//! Owns their syntax and defaults. It connects to none and resolves no name.

use std::time::Duration;

use super::check::{Check, Fields};
use super::forwarded_jwt::{self, JwtWish};
use super::node::{Entry, Node, Value};
use super::problem::Span;
use super::scalar::Refusal;
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
    "health",
    "jwt",
];
pub(super) const HEALTH_KEYS: &[&str] = &["path", "interval", "timeout", "healthy_after", "unhealthy_after", "expect"];

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
        jwt: JwtWish::default(),
    };
    let node = &entry.value;
    match &node.value {
        Value::Scalar(scalar) if scalar.text == ECHO => {}
        Value::Scalar(scalar) if scalar.text == ELSEWHERE => upstream.target = Target::Elsewhere,
        Value::Scalar(_) => {
            if let Some(origin) = check.parsed(node, url::origin) {
                let tls = origin.https.then_some(UpstreamTls { sni: None, verify: true });
                upstream.target = Target::Servers { servers: vec![server(origin)], tls };
                refuse_unnamed(&upstream.target, node.span, check);
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
    upstream.jwt = forwarded_jwt::wish(&fields, check);
    upstream.health = fields.find("health").and_then(|node| health(node, check));
    let Some(list) = fields.require("servers", "servers: [10.0.0.1:80, 10.0.0.2:80]", check) else {
        return;
    };
    let wanted = fields.boolean("tls", check);
    let servers = servers(list, wanted, check);
    let insecure = fields.boolean("insecure", check).unwrap_or(false);
    let tls = wanted.unwrap_or_else(|| servers.first().is_some_and(|server| server.https));
    let sni = sni(&fields, check);
    if let Some(entry) = ["sni", "insecure"].iter().find_map(|key| fields.entry(key)).filter(|_| !tls) {
        check.refuse_with_help(entry.key_span, format!("{} means nothing without TLS", entry.key), "add `tls: true`");
    }
    if let Some(entry) = fields.entry("insecure").filter(|_| insecure && tls) {
        check.warn(
            entry.value.span,
            format!("upstream {:?} is not verified: whoever answers is trusted", upstream.name),
            "remove `insecure`, and give the servers certificates that can be verified",
        );
    }
    upstream.target = Target::Servers {
        servers: servers.into_iter().map(server).collect(),
        tls: tls.then_some(UpstreamTls { sni, verify: !insecure }),
    };
    refuse_unnamed(&upstream.target, list.span, check);
}

/// M8: the name in a certificate is compared with a name, and an address is none.
fn refuse_unnamed(target: &Target, span: Span, check: &mut Check<'_>) {
    let Target::Servers { servers, tls: Some(UpstreamTls { sni: None, verify: true }) } = target else {
        return;
    };
    if let Some(server) = servers.iter().find(|server| server.host.parse::<std::net::IpAddr>().is_ok()) {
        let message = format!("no certificate can be verified for the address {}", server.host);
        check.refuse_with_help(span, message, "name the server in `sni: orders.example.com`");
    }
}

fn sni(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<String> {
    fields.find("sni").and_then(|node| check.parsed(node, super::scalar::host))
}

/// `host:port` or a URL, all with or all without TLS.
fn servers(node: &Node, wanted: Option<bool>, check: &mut Check<'_>) -> Vec<Origin> {
    let mut servers: Vec<Origin> = Vec::new();
    let items = check.items(node);
    for item in items {
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
        let first = servers.first().map_or(wanted, |first| Some(first.https));
        if first.is_some_and(|https| https != origin.https) {
            check.refuse_with_help(
                item.span,
                "servers of one upstream are all reached with TLS or all without",
                "make two upstreams, or write every server with the same scheme",
            );
        }
        servers.push(origin);
    }
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        check.refuse(node.span, "an upstream without servers");
    }
    servers
}

fn server(origin: Origin) -> Server {
    Server { port: origin.port_or_default(), host: origin.host }
}

/// `fallback` with what the keys say.
pub(super) fn timeouts(fields: &Fields<'_>, fallback: Timeouts, check: &mut Check<'_>) -> Timeouts {
    Timeouts {
        connect_for: fields.duration("connect_timeout", check).unwrap_or(fallback.connect_for),
        read_for: fields.duration("read_timeout", check).unwrap_or(fallback.read_for),
        write_for: fields.duration("write_timeout", check).unwrap_or(fallback.write_for),
        idle_for: fields.duration("idle_timeout", check).unwrap_or(fallback.idle_for),
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
