//! `log:`, `threads:`, `shutdown:`, `token_cache:` and `trusted_proxies:` - the small sections.
//!
//! Owns their syntax and defaults. It starts nothing.

use std::thread;
use std::time::Duration;

use tracing::Level;

use super::check::{Check, Fields};
use super::lint::Lint;
use super::network::Network;
use super::node::Node;
use super::scalar;

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// One line per decision.
    pub decisions: bool,
    pub format: LogFormat,
    pub level: tracing::Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Requests in flight may take this long to end.
    pub grace_for: Duration,
}

/// The cache of verified tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCache {
    /// Bytes.
    pub size: u64,
}

pub(super) const LOG_KEYS: &[&str] = &["decisions", "format", "level"];
pub(super) const SHUTDOWN_KEYS: &[&str] = &["grace"];
pub(super) const TOKEN_CACHE_KEYS: &[&str] = &["size"];

const FORMATS: &[&str] = &["json", "pretty"];
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
const MOST_THREADS: u64 = 1024;

pub(super) fn log(node: Option<&Node>, check: &mut Check<'_>) -> Log {
    let mut log = Log { decisions: true, format: LogFormat::Json, level: Level::INFO };
    let Some(fields) = node.and_then(|node| Fields::open(node, LOG_KEYS, check)) else {
        return log;
    };
    log.decisions = fields.boolean("decisions", check).unwrap_or(log.decisions);
    log.format = match word(&fields, "format", FORMATS, check) {
        Some("pretty") => LogFormat::Pretty,
        _ => LogFormat::Json,
    };
    let level = word(&fields, "level", LEVELS, check).and_then(|level| level.parse().ok());
    log.level = level.unwrap_or(log.level);
    log
}

/// One of `known`.
pub(super) fn word(
    fields: &Fields<'_>,
    key: &str,
    known: &[&'static str],
    check: &mut Check<'_>,
) -> Option<&'static str> {
    let node = fields.find(key)?;
    let scalar = check.text(node)?;
    let found = known.iter().find(|known| **known == scalar.text).copied();
    if found.is_none() {
        check.refuse_word(node.span, format!("{key} cannot be {}", scalar.shown()), &scalar.text, known);
    }
    found
}

/// By default as many as this machine runs at once.
pub(super) fn threads(fields: &Fields<'_>, check: &mut Check<'_>) -> usize {
    let here = thread::available_parallelism().map_or(1, usize::from);
    fields.count("threads", MOST_THREADS, check).and_then(|threads| usize::try_from(threads).ok()).unwrap_or(here)
}

pub(super) fn shutdown(node: Option<&Node>, check: &mut Check<'_>) -> Shutdown {
    let fields = node.and_then(|node| Fields::open(node, SHUTDOWN_KEYS, check));
    let grace = fields.and_then(|fields| fields.duration("grace", check));
    Shutdown { grace_for: grace.unwrap_or(Duration::from_secs(30)) }
}

pub(super) fn token_cache(node: Option<&Node>, check: &mut Check<'_>) -> TokenCache {
    let fields = node.and_then(|node| Fields::open(node, TOKEN_CACHE_KEYS, check));
    let size = fields.and_then(|fields| fields.size("size", check));
    TokenCache { size: size.unwrap_or(64 * 1024 * 1024) }
}

/// M12
pub(super) fn trusted_proxies(node: Option<&Node>, check: &mut Check<'_>) -> Vec<Network> {
    let nodes = node.map_or(&[][..], |node| check.items(node));
    let mut networks = Vec::new();
    for node in nodes {
        let Some(network) = check.parsed(node, scalar::network) else { continue };
        if network.is_everybody() {
            let written = check.text(node).map(|scalar| scalar.as_written().to_owned()).unwrap_or_default();
            check.warn(
                node.span,
                Lint::EverybodyIsATrustedProxy.at(&written),
                "everybody is a trusted proxy: whoever asks chooses their own address and host",
                "name the addresses of the proxies",
            );
        }
        networks.push(network);
    }
    networks
}
