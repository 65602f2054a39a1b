//! Names of servers to addresses, again and again.
//!
//! Owns resolution. The last good addresses stay in use when a name stops resolving (fault T38).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::server::{Addresses, Server};
use super::{ServerSettings, Upstream};

/// How often names of servers are resolved again.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);

/// How soon after a failed resolution.
const RESOLVE_RETRY: Duration = Duration::from_secs(2);

/// Nobody waits longer for a name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses of one name that are used.
const MOST_ADDRESSES: usize = 32;

impl Upstream {
    /// Resolves every server once, so that the first request finds an address. Failures are retried by [`Upstream::watch`].
    pub async fn resolve(self: &Arc<Self>) {
        let mut under_way = JoinSet::new();
        for number in 0..self.servers.len() {
            let upstream = Arc::clone(self);
            under_way.spawn(async move {
                if let Some(server) = upstream.servers.get(number) {
                    upstream.resolve_server(server).await;
                }
            });
        }
        under_way.join_all().await;
    }

    pub(super) async fn resolve_server(&self, server: &Server) -> bool {
        let ServerSettings { host, port, .. } = &server.settings;
        let found: Vec<SocketAddr> =
            match timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host.as_str(), *port))).await {
                Ok(Ok(addresses)) => addresses.take(MOST_ADDRESSES).collect(),
                Ok(Err(_)) | Err(_) => Vec::new(),
            };
        if found.is_empty() {
            tracing::warn!(upstream.name = %self.name, server.host = %host, "the name of an upstream server does not resolve");
            return false;
        }
        self.adopt(server, &found);
        true
    }

    /// Uses these addresses from the next request on; the one in use is kept if it is among them.
    pub(super) fn adopt(&self, server: &Server, found: &[SocketAddr]) {
        if server.addresses.load().as_ref().is_some_and(|known| known.are(found)) {
            return;
        }
        let name = server.settings.tls.as_deref();
        let peers = found.iter().map(|address| {
            let mut peer = HttpPeer::new(*address, name.is_some(), name.unwrap_or_default().to_owned());
            peer.options = self.options.clone();
            if let Some(tls) = &self.tls {
                peer.client_cert_key = tls.identity.clone();
                // Connections are shared by those only who verify alike and show the same certificate.
                peer.group_key = tls.group;
            }
            peer
        });
        let addresses = Addresses::new(peers.collect(), server.address());
        server.addresses.store(Some(Arc::new(addresses)));
        server.resolved.store(true, Ordering::Relaxed);
    }

    pub(super) async fn watch_address(&self, server: &Server) {
        if server.settings.host.parse::<std::net::IpAddr>().is_ok() {
            return;
        }
        let mut wait = if server.has_address() { RESOLVE_INTERVAL } else { RESOLVE_RETRY };
        loop {
            sleep(wait).await;
            wait = if self.resolve_server(server).await { RESOLVE_INTERVAL } else { RESOLVE_RETRY };
        }
    }
}
