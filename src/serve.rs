//! The composition root: a checked configuration becomes a running gateway. The only place where parts are wired.
//!
//! Owns the order of the start, the runtime's background work and the drain at the end. It holds no rule of its own.

mod adapters;
mod compile;
mod error;
mod open;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use pingora::proxy::http_proxy;
use tokio::sync::watch;

pub use error::StartError;
pub use open::Opened;

use crate::clock::Clock;
use crate::config::{Config, Target};
use crate::enforce::{Enforcer, Pseudonyms, TokenCache};
use crate::entropy::Entropy;
use crate::gateway::{self, Census, Gateway, Listener, Proxy, Service, Upstream, admin};
use crate::metrics::Metrics;
use crate::telemetry::DecisionLog;

/// How often another process's changes are asked for.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);
