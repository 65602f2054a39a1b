//! `limits:` - what one peer may cost (hardening rules N1 to N5).
//!
//! Owns the defaults and how far they can be moved. It counts nothing.

use std::time::Duration;

use super::check::{Check, Fields};
use super::node::Node;

/// Hardening rules N1 to N5: what one peer may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a whole header block.
    pub header_for: Duration,
    /// For an idle HTTP/1 connection.
    pub keep_alive_for: Duration,
    pub requests_per_connection: u32,
    /// Bytes of one header block.
    pub header_size: usize,
    pub header_fields: usize,
    /// Bytes of the request target.
    pub uri_size: usize,
    /// Bytes of a body sent to the authorization server.
    pub oauth_body: u64,
    /// Bytes of a proxied request body; a route may override it.
    pub body: u64,
    pub connections: usize,
    pub connections_per_ip: usize,
    pub h2_streams: u32,
    /// Bytes of a decoded HTTP/2 header list.
    pub h2_header_list: u32,
    /// For an HTTP/2 connection without streams.
    pub h2_idle_for: Duration,
    /// Bytes of a token.
    pub token_size: usize,
    /// Between two pieces of a body.
    pub body_for: Duration,
    /// Bytes per second of a body that arrives in pieces.
    pub body_rate: u64,
    /// For a client that does not take its answer.
    pub send_for: Duration,
    /// Bytes of resident memory; `None`: what the control group allows.
    pub memory: Option<u64>,
    /// How long a request may wait for a processor, whenever it could go on, before others are refused.
    pub scheduling_delay_for: Duration,
}

pub(super) const KEYS: &[&str] = &[
    "header_timeout",
    "keep_alive",
    "requests_per_connection",
    "header_size",
    "header_fields",
    "uri_size",
    "oauth_body",
    "body",
    "connections",
    "connections_per_ip",
    "h2_streams",
    "h2_header_list",
    "h2_idle",
    "token_size",
    "body_timeout",
    "body_rate",
    "send_timeout",
    "memory",
    "scheduling_delay",
];

const KIB: u64 = 1024;
/// F3
const MOST_TOKEN_SIZE: u64 = 16 * KIB;
const MOST_CONNECTIONS: u64 = 1_000_000;
const LEAST_MEMORY: u64 = 64 * KIB * KIB;

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_for: Duration::from_secs(10),
            keep_alive_for: Duration::from_secs(60),
            requests_per_connection: 1_000,
            header_size: 32 * 1024,
            header_fields: 100,
            uri_size: 8 * 1024,
            oauth_body: 64 * KIB,
            body: 10 * KIB * KIB,
            connections: 20_000,
            connections_per_ip: 200,
            h2_streams: 100,
            h2_header_list: 64 * 1024,
            h2_idle_for: Duration::from_secs(300),
            token_size: 8 * 1024,
            body_for: Duration::from_secs(10),
            body_rate: 100,
            send_for: Duration::from_secs(30),
            memory: None,
            scheduling_delay_for: Duration::from_millis(50),
        }
    }
}

pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(fields) = node.and_then(|node| Fields::open(node, KEYS, check)) else {
        return limits;
    };
    lower_duration(&fields, "header_timeout", &mut limits.header_for, check);
    lower_duration(&fields, "keep_alive", &mut limits.keep_alive_for, check);
    lower_duration(&fields, "h2_idle", &mut limits.h2_idle_for, check);
    lower_count(&fields, "requests_per_connection", &mut limits.requests_per_connection, check);
    lower_count(&fields, "header_fields", &mut limits.header_fields, check);
    lower_count(&fields, "h2_streams", &mut limits.h2_streams, check);
    lower_size(&fields, "header_size", &mut limits.header_size, check);
    lower_size(&fields, "uri_size", &mut limits.uri_size, check);
    lower_size(&fields, "oauth_body", &mut limits.oauth_body, check);
    lower_size(&fields, "h2_header_list", &mut limits.h2_header_list, check);
    set(&mut limits.token_size, size_up_to(&fields, "token_size", MOST_TOKEN_SIZE, check));
    set(&mut limits.body, fields.size("body", check));
    set(&mut limits.connections, fields.count("connections", MOST_CONNECTIONS, check));
    let default = limits.connections_per_ip.min(limits.connections);
    limits.connections_per_ip = default;
    limits.body_for = fields.duration("body_timeout", check).unwrap_or(limits.body_for);
    limits.body_rate = fields.size("body_rate", check).unwrap_or(limits.body_rate);
    limits.send_for = fields.duration("send_timeout", check).unwrap_or(limits.send_for);
    limits.scheduling_delay_for = fields.duration("scheduling_delay", check).unwrap_or(limits.scheduling_delay_for);
    limits.memory = fields.size("memory", check);
    if let (Some(node), Some(_)) = (fields.find("memory"), limits.memory.filter(|memory| *memory < LEAST_MEMORY)) {
        check.refuse(node.span, "no gateway runs in less than 64MiB");
    }
    set(&mut limits.connections_per_ip, fields.count("connections_per_ip", limits.connections as u64, check));
    limits
}

fn lower_duration(fields: &Fields<'_>, key: &str, limit: &mut Duration, check: &mut Check<'_>) {
    let (Some(node), Some(duration)) = (fields.find(key), fields.duration(key, check)) else {
        return;
    };
    if duration > *limit {
        check.refuse(node.span, format!("{key} can be lowered, not raised: at most {}s", limit.as_secs()));
    } else {
        *limit = duration;
    }
}

fn lower_count<T: Copy + TryFrom<u64> + TryInto<u64>>(
    fields: &Fields<'_>,
    key: &str,
    limit: &mut T,
    check: &mut Check<'_>,
) {
    set(limit, fields.count(key, number(*limit), check));
}

fn lower_size<T: Copy + TryFrom<u64> + TryInto<u64>>(
    fields: &Fields<'_>,
    key: &str,
    limit: &mut T,
    check: &mut Check<'_>,
) {
    set(limit, size_up_to(fields, key, number(*limit), check));
}

/// From one byte to `most`.
fn size_up_to(fields: &Fields<'_>, key: &str, most: u64, check: &mut Check<'_>) -> Option<u64> {
    let (node, size) = (fields.find(key)?, fields.size(key, check)?);
    if !(1..=most).contains(&size) {
        check.refuse(node.span, format!("{key} can be lowered, not raised: from 1 byte to {}KiB", most / KIB));
        return None;
    }
    Some(size)
}

/// The range of `value` was checked where it was read: what does not fit never gets here.
fn set<T: TryFrom<u64>>(limit: &mut T, value: Option<u64>) {
    if let Some(value) = value.and_then(|value| T::try_from(value).ok()) {
        *limit = value;
    }
}

/// No limit is larger than 64 bits.
fn number<T: TryInto<u64>>(limit: T) -> u64 {
    limit.try_into().unwrap_or(u64::MAX)
}
