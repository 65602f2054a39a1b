//! Where requests go: the servers of one upstream, which of them are healthy, and whose turn it is.
//!
//! Owns selection, name resolution and active health checks. It does not see requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pingora::lb::Backend;
use pingora::lb::health_check::{HealthCheck as _, HttpHealthCheck, TcpHealthCheck};
use pingora::protocols::ALPN;
use pingora::upstreams::peer::{HttpPeer, PeerOptions};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How often names of servers are resolved again.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);

/// How soon after a failed resolution.
const RESOLVE_RETRY: Duration = Duration::from_secs(2);

/// What the configuration says of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    pub name: String,
    pub servers: Vec<ServerSettings>,
    pub connect_timeout: Duration,
    /// Between two reads of an answer; a streaming upstream may take as long as it likes in all.
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    /// How long an unused connection to a server is kept.
    pub idle_timeout: Duration,
    pub http2: bool,
    /// Accepts any certificate. Rule M8: warned of at each start.
    pub insecure: bool,
    pub health: Option<HealthSettings>,
}

#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub host: String,
    pub port: u16,
    /// The name for SNI and certificate checks when TLS is spoken.
    pub tls: Option<String>,
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
    next: AtomicUsize,
    options: PeerOptions,
    health: Option<HealthSettings>,
}

struct Server {
    settings: ServerSettings,
    peer: ArcSwapOption<HttpPeer>,
    healthy: AtomicBool,
    /// Checks in a row that contradict `healthy`.
    contradictions: AtomicU32,
}

impl Upstream {
    pub fn new(settings: UpstreamSettings) -> Self {
        let mut options = PeerOptions::new();
        options.connection_timeout = Some(settings.connect_timeout);
        options.total_connection_timeout = Some(settings.connect_timeout * 2);
        options.read_timeout = Some(settings.read_timeout);
        options.write_timeout = Some(settings.write_timeout);
        options.idle_timeout = Some(settings.idle_timeout);
        options.verify_cert = !settings.insecure;
        options.verify_hostname = !settings.insecure;
        options.alpn = if settings.http2 { ALPN::H2 } else { ALPN::H1 };
        let servers = settings.servers.into_iter().map(|settings| Server {
            settings,
            peer: ArcSwapOption::empty(),
            healthy: AtomicBool::new(true),
            contradictions: AtomicU32::new(0),
        });
        Self {
            name: settings.name.into(),
            servers: servers.collect(),
            next: AtomicUsize::new(0),
            options,
            health: settings.health,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many servers there are, healthy or not.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// The server whose turn it is among the healthy ones; among all that have an address when none is healthy, since a
    /// failed check may be the check's fault and a refusal would then be ours. `None` when no name could be resolved.
    pub fn pick(&self) -> Option<Box<HttpPeer>> {
        let start = if self.servers.len() == 1 { 0 } else { self.next.fetch_add(1, Ordering::Relaxed) };
        let turn = |offset: usize| &self.servers[(start.wrapping_add(offset)) % self.servers.len()];
        let healthy = (0..self.servers.len()).map(turn).filter(|server| server.healthy.load(Ordering::Relaxed));
        let any = (0..self.servers.len()).map(turn);
        healthy.chain(any).find_map(|server| server.peer.load().as_deref().cloned()).map(Box::new)
    }

    /// How many servers pass their health check and have an address.
    pub fn healthy(&self) -> usize {
        self.servers
            .iter()
            .filter(|server| server.healthy.load(Ordering::Relaxed) && server.peer.load().is_some())
            .count()
    }

    /// Resolves every server once, so that the first request finds an address. Failures are retried by [`Upstream::watch`].
    pub async fn resolve(&self) {
        for server in &self.servers {
            self.resolve_server(server).await;
        }
    }

    async fn resolve_server(&self, server: &Server) -> bool {
        let ServerSettings { host, port, tls } = &server.settings;
        let found = match timeout(Duration::from_secs(5), tokio::net::lookup_host((host.as_str(), *port))).await {
            Ok(Ok(mut addresses)) => addresses.next(),
            Ok(Err(_)) | Err(_) => None,
        };
        // The last good address stays in use when a name stops resolving (fault T38).
        let Some(address) = found else {
            tracing::warn!(upstream.name = %self.name, server.host = %host, "the name of an upstream server does not resolve");
            return false;
        };
        let known = server.peer.load().as_ref().is_some_and(|peer| peer_address(peer) == Some(address));
        if !known {
            let mut peer = HttpPeer::new(address, tls.is_some(), tls.clone().unwrap_or_default());
            peer.options = self.options.clone();
            server.peer.store(Some(Arc::new(peer)));
        }
        true
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

    async fn watch_address(&self, server: &Server) {
        if server.settings.host.parse::<std::net::IpAddr>().is_ok() {
            return;
        }
        let mut wait = if server.peer.load().is_some() { RESOLVE_INTERVAL } else { RESOLVE_RETRY };
        loop {
            sleep(wait).await;
            wait = if self.resolve_server(server).await { RESOLVE_INTERVAL } else { RESOLVE_RETRY };
        }
    }

    async fn watch_health(&self, server: &Server, health: &HealthSettings) {
        loop {
            if let Some(address) = server.peer.load().as_ref().and_then(|peer| peer_address(peer)) {
                let healthy = self.check(server, address, health).await;
                self.observe(server, healthy, health);
            }
            sleep(health.interval).await;
        }
    }

    async fn check(&self, server: &Server, address: SocketAddr, health: &HealthSettings) -> bool {
        let Ok(backend) = Backend::new(&address.to_string()) else { return false };
        let tls = server.settings.tls.as_deref();
        let outcome = match &health.path {
            Some(path) => {
                let mut check = HttpHealthCheck::<()>::new(tls.unwrap_or(&server.settings.host), tls.is_some());
                let Ok(path) = path.parse() else { return false };
                check.req.set_uri(path);
                check.peer_template.options.connection_timeout = Some(health.timeout);
                check.peer_template.options.read_timeout = Some(health.timeout);
                check.peer_template.options.verify_cert = self.options.verify_cert;
                check.peer_template.options.verify_hostname = self.options.verify_hostname;
                let expect = health.expect;
                check.validator = Some(Box::new(move |answer| {
                    let healthy = match expect {
                        Some(status) => answer.status.as_u16() == status,
                        None => answer.status.is_success(),
                    };
                    if healthy {
                        Ok(())
                    } else {
                        pingora::Error::e_explain(
                            pingora::ErrorType::HTTPStatus(answer.status.as_u16()),
                            "health check",
                        )
                    }
                }));
                timeout(health.timeout, check.check(&backend)).await
            }
            None => {
                let mut check = TcpHealthCheck::new();
                check.peer_template.options.connection_timeout = Some(health.timeout);
                timeout(health.timeout, check.check(&backend)).await
            }
        };
        matches!(outcome, Ok(Ok(())))
    }

    fn observe(&self, server: &Server, healthy: bool, health: &HealthSettings) {
        if server.healthy.load(Ordering::Relaxed) == healthy {
            server.contradictions.store(0, Ordering::Relaxed);
            return;
        }
        let needed = if healthy { health.healthy_after } else { health.unhealthy_after };
        if server.contradictions.fetch_add(1, Ordering::Relaxed) + 1 >= needed {
            server.contradictions.store(0, Ordering::Relaxed);
            server.healthy.store(healthy, Ordering::Relaxed);
            let host = &server.settings.host;
            let port = server.settings.port;
            if healthy {
                tracing::info!(upstream.name = %self.name, server.host = %host, server.port = port, "an upstream server is healthy again");
            } else {
                tracing::warn!(upstream.name = %self.name, server.host = %host, server.port = port, "an upstream server fails its health check");
            }
        }
    }
}

fn peer_address(peer: &HttpPeer) -> Option<SocketAddr> {
    use pingora::upstreams::peer::Peer as _;
    peer.address().as_inet().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(servers: usize) -> Upstream {
        let server = |n| ServerSettings { host: format!("127.0.0.{n}"), port: 80, tls: None };
        Upstream::new(UpstreamSettings {
            name: "test".into(),
            servers: (1..=servers).map(server).collect(),
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
            http2: false,
            insecure: false,
            health: None,
        })
    }

    const HEALTH: HealthSettings = HealthSettings {
        path: None,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        healthy_after: 1,
        unhealthy_after: 2,
        expect: None,
    };

    fn picked(upstream: &Upstream) -> String {
        upstream.pick().and_then(|peer| peer_address(&peer)).map(|address| address.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn healthy_servers_take_turns() {
        let upstream = upstream(3);
        assert!(upstream.pick().is_none(), "nothing is resolved yet");
        upstream.resolve().await;
        assert_eq!((picked(&upstream), picked(&upstream)), ("127.0.0.2:80".into(), "127.0.0.3:80".into()));

        let second = &upstream.servers[1];
        upstream.observe(second, false, &HEALTH);
        assert_eq!(upstream.healthy(), 3, "one failure is not enough");
        upstream.observe(second, false, &HEALTH);
        assert_eq!(upstream.healthy(), 2);
        assert!((0..6).all(|_| picked(&upstream) != "127.0.0.2:80"));
        upstream.observe(second, true, &HEALTH);
        assert_eq!(upstream.healthy(), 3);
    }

    #[tokio::test]
    async fn with_no_healthy_server_all_are_tried() {
        let upstream = upstream(2);
        upstream.resolve().await;
        for server in &upstream.servers {
            server.healthy.store(false, Ordering::Relaxed);
        }
        assert!(upstream.pick().is_some());
    }
}
