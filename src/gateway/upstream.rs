//! Where requests go: the servers of one upstream, which of them may be taken, and whose turn it is.
//!
//! Owns selection and what is known of the servers. It does not see requests: it is told what became of them.

mod balance;
mod capacity;
mod health;
mod probe;
mod resolve;
mod retries;
mod server;
mod tls;
mod visit;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pingora::protocols::ALPN;
use pingora::upstreams::peer::PeerOptions;
use tokio::task::JoinSet;

pub use balance::key_of;
pub use capacity::Busy;
pub use tls::{TlsFileError, TlsSettings};
pub use visit::{Nobody, Visit};

use crate::config::{self, Eject, Hashed, Resilience};
use crate::metrics::UpstreamMetrics;
use balance::Balance;
use capacity::Capacity;
use retries::RetryBudget;
use server::{Server, Standing};

/// Requests at a time on one HTTP/2 connection to a server; it may allow fewer.
const H2_STREAMS: usize = 100;

/// What the configuration says of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    pub name: String,
    pub servers: Vec<ServerSettings>,
    pub timeouts: config::Timeouts,
    pub http2: bool,
    /// `None`: TLS is not spoken.
    pub tls: Option<TlsSettings>,
    pub health: Option<HealthSettings>,
    pub resilience: Resilience,
}

#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub host: String,
    pub port: u16,
    /// The name for SNI and certificate checks when TLS is spoken.
    pub tls: Option<String>,
    /// How many requests it gets for one that a server of weight 1 gets.
    pub weight: u32,
}

impl ServerSettings {
    /// `host:port`, for metrics and log lines.
    pub fn label(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// An active check: a GET that must answer, or a connection that must open when there is no path.
#[derive(Clone, Debug)]
pub struct HealthSettings {
    pub path: Option<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// Checks in a row that make a server healthy again.
    pub healthy_after: u32,
    /// Checks in a row that take a server out.
    pub unhealthy_after: u32,
    /// The status that counts as healthy; any 2xx when absent.
    pub expect: Option<u16>,
}

/// Servers that answer the same requests.
pub struct Upstream {
    name: Box<str>,
    servers: Box<[Server]>,
    balance: Balance,
    hashed: Option<Hashed>,
    capacity: Capacity,
    budget: RetryBudget,
    eject: Option<Eject>,
    /// How many servers are ejected.
    ejected: AtomicUsize,
    options: PeerOptions,
    tls: Option<TlsSettings>,
    health: Option<HealthSettings>,
    metrics: UpstreamMetrics,
    started: Instant,
}

/// One server, as the status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus<'a> {
    /// `host:port`
    pub server: &'a str,
    pub is_healthy: bool,
    /// Whether anybody knows its address.
    pub is_resolved: bool,
    pub is_ejected: bool,
    /// Of the circuit breaker that ejects it.
    pub circuit: Circuit,
    /// Requests that are there now.
    pub in_flight: u32,
}

/// Whether requests go to a server, for all that requests before them showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    Closed,
    /// One request at a time may show that it works again.
    HalfOpen,
    Open,
}

impl Circuit {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

impl Upstream {
    pub fn new(settings: UpstreamSettings, metrics: UpstreamMetrics) -> Self {
        let UpstreamSettings { name, servers, timeouts, http2, tls, health, resilience } = settings;
        let mut options = PeerOptions::new();
        options.connection_timeout = Some(timeouts.connect_for);
        options.total_connection_timeout = Some(timeouts.connect_for * 2);
        options.read_timeout = Some(timeouts.read_for);
        options.write_timeout = Some(timeouts.write_for);
        options.idle_timeout = Some(timeouts.idle_for);
        options.alpn = if http2 { ALPN::H2 } else { ALPN::H1 };
        options.max_h2_streams = if http2 { H2_STREAMS } else { 1 };
        if let Some(tls) = &tls {
            options.verify_cert = tls.verify;
            options.verify_hostname = tls.verify;
            options.ca = tls.authorities.clone();
        }
        let servers: Box<[Server]> = servers.into_iter().map(Server::new).collect();
        let weights: Vec<(&str, u32)> = servers.iter().map(|server| (&*server.label, server.settings.weight)).collect();
        let hashed = match &resilience.balance {
            config::Balance::Hash(hashed) => Some(hashed.clone()),
            config::Balance::RoundRobin | config::Balance::LeastConnections => None,
        };
        Self {
            name: name.into(),
            balance: Balance::new(&resilience.balance, &weights),
            hashed,
            servers,
            capacity: Capacity::new(resilience.max_requests, resilience.max_pending, timeouts.connect_for),
            budget: RetryBudget::new(resilience.retry_budget),
            eject: resilience.eject,
            ejected: AtomicUsize::new(0),
            options,
            tls,
            health,
            metrics,
            started: Instant::now(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn speaks_http2(&self) -> bool {
        self.options.alpn == ALPN::H2
    }

    /// What of a request decides its server, if anything does.
    pub fn hashed(&self) -> Option<&Hashed> {
        self.hashed.as_ref()
    }

    /// Whether it speaks TLS so: the same files with the same content.
    pub fn has_tls(&self, tls: Option<&TlsSettings>) -> bool {
        self.tls.as_ref().map(|own| own.group) == tls.map(|other| other.group)
    }

    /// How many servers there are, healthy or not.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// How many servers requests may go to.
    pub fn healthy(&self) -> usize {
        self.servers.iter().filter(|server| server.is_in()).count()
    }

    /// Requests that are there now.
    pub fn in_flight(&self) -> u32 {
        self.capacity.in_flight()
    }

    /// Requests that wait for a place.
    pub fn waiting(&self) -> u32 {
        self.capacity.waiting()
    }

    /// Every server in the order of the configuration.
    pub fn status(&self) -> impl Iterator<Item = ServerStatus<'_>> {
        self.servers.iter().map(|server| ServerStatus {
            server: &server.label,
            is_resolved: server.has_address(),
            is_healthy: server.healthy.load(Ordering::Relaxed) && server.has_address(),
            is_ejected: server.ejected_until.load(Ordering::Relaxed) != 0,
            circuit: match server.ejected_until.load(Ordering::Relaxed) {
                0 => Circuit::Closed,
                until if self.now() >= until => Circuit::HalfOpen,
                _ => Circuit::Open,
            },
            in_flight: server.active.load(Ordering::Relaxed),
        })
    }

    /// Keeps addresses and health up to date until the answer is dropped.
    #[must_use]
    pub fn watch(self: &Arc<Self>) -> JoinSet<()> {
        let mut watching = JoinSet::new();
        for index in 0..self.servers.len() {
            let upstream = self.clone();
            watching.spawn(async move { upstream.watch_address(&upstream.servers[index]).await });
            if let Some(health) = self.health.clone() {
                let upstream = self.clone();
                watching.spawn(async move { upstream.watch_health(&upstream.servers[index], &health).await });
            }
        }
        watching
    }

    /// Milliseconds since the upstream was made; never 0, which stands for no instant.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The server to take: one in good standing that was not `tried`; else, rather than nobody, one that was ejected or tried.
    /// One on probation that is chosen is marked as probed, which the second part says. Every attempt of a request has the
    /// same `turn`: if each took one of its own, all first attempts could come to the server that fails.
    fn choose(&self, turn: usize, key: Option<u64>, tried: Tried) -> Option<(usize, bool)> {
        let active = |server: usize| self.servers[server].active.load(Ordering::Relaxed);
        let standing = |server: usize| self.servers[server].standing(|| self.now());
        let choose = |may: &dyn Fn(usize) -> bool| self.balance.choose(turn, key, active, may);
        let good =
            |server: usize| !tried.contains(server) && matches!(standing(server), Standing::In | Standing::OnProbation);
        if let Some(server) = choose(&good) {
            match standing(server) {
                Standing::In => return Some((server, false)),
                Standing::OnProbation if !self.servers[server].probed.swap(true, Ordering::Relaxed) => {
                    return Some((server, true));
                }
                // Somebody else was quicker.
                Standing::OnProbation | Standing::Ejected | Standing::Out => {}
            }
        }
        let steady = |server: usize| !tried.contains(server) && standing(server) == Standing::In;
        let possible = |server: usize| standing(server) != Standing::Out;
        let other = choose(&steady).or_else(|| choose(&|server| !tried.contains(server) && possible(server)));
        other.or_else(|| choose(&possible)).map(|server| (server, false))
    }

    /// A server did what could be asked of it: failures before do not count any more.
    fn succeeded(&self, index: usize) {
        let failures = &self.servers[index].failures;
        if failures.load(Ordering::Relaxed) != 0 {
            failures.store(0, Ordering::Relaxed);
        }
    }

    /// A server that was ejected answers.
    fn came_back(&self, index: usize) {
        let server = &self.servers[index];
        server.failures.store(0, Ordering::Relaxed);
        if server.ejected_until.swap(0, Ordering::Relaxed) != 0 {
            server.back_at.store(self.now(), Ordering::Relaxed);
            self.ejected.fetch_sub(1, Ordering::Relaxed);
            tracing::info!(upstream.name = %self.name, server = %server.label, "an ejected upstream server works again");
        }
    }

    /// A server failed a request, which is held against it.
    fn failed(&self, index: usize, was_probe: bool) {
        let server = &self.servers[index];
        let Some(eject) = self.eject else { return };
        let failures = server.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let until = server.ejected_until.load(Ordering::Relaxed);
        if until != 0 {
            if was_probe {
                server.ejected_until.store(self.next_ejection(server, eject), Ordering::Relaxed);
            }
            return;
        }
        if failures < eject.after || !self.may_eject_one_more() {
            return;
        }
        let next = self.next_ejection(server, eject);
        if server.ejected_until.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            self.ejected.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.metrics.ejected(index);
        tracing::warn!(upstream.name = %self.name, server = %server.label, failures, "an upstream server is ejected for a while");
    }

    /// At most half of the servers are ejected: when all of them fail, it is hardly the servers.
    fn may_eject_one_more(&self) -> bool {
        let one_more = |ejected: usize| ((ejected + 1) * 2 <= self.servers.len()).then_some(ejected + 1);
        self.ejected.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Until when: twice as long each time, unless the last time is long ago.
    fn next_ejection(&self, server: &Server, eject: Eject) -> u64 {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (first, most) = (milliseconds(eject.eject_for), milliseconds(eject.at_most_for));
        let (now, back_at) = (self.now(), server.back_at.swap(0, Ordering::Relaxed));
        if back_at != 0 && now.saturating_sub(back_at) > most {
            server.ejections.store(0, Ordering::Relaxed);
        }
        let earlier = server.ejections.fetch_add(1, Ordering::Relaxed).min(32);
        now.saturating_add(first.saturating_mul(1 << earlier).min(most))
    }
}

/// Servers that a request was sent to, by index. Those that share a bit are merely taken later.
#[derive(Clone, Copy, Debug, Default)]
struct Tried(u64);

impl Tried {
    fn contains(self, server: usize) -> bool {
        self.0 & (1 << (server % 64)) != 0
    }

    fn add(&mut self, server: usize) {
        self.0 |= 1 << (server % 64);
    }
}

#[cfg(test)]
mod tests;
