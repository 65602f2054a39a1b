//! Active checks: a request or a connection now and then, which no client waits for.
//!
//! Owns asking and counting. What a server's clients saw of it is judged elsewhere.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Version;
use pingora::lb::Backend;
use pingora::lb::health_check::{HealthCheck, HttpHealthCheck, TcpHealthCheck};
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use tokio::time::{sleep, timeout};

use super::server::Server;
use super::{HealthSettings, Upstream};

impl Upstream {
    pub(super) async fn watch_health(&self, server: &Server, health: &HealthSettings) {
        let Some(check) = self.health_check(server, health) else { return };
        loop {
            if let Some(address) = server.address() {
                let healthy = match Backend::new(&address.to_string()) {
                    Ok(backend) => matches!(timeout(health.timeout, check.check(&backend)).await, Ok(Ok(()))),
                    Err(_) => false,
                };
                self.observe(server, healthy, health);
            }
            sleep(health.interval).await;
        }
    }

    /// `None` when the path cannot be asked for, which the configuration rules out.
    fn health_check(&self, server: &Server, health: &HealthSettings) -> Option<Box<dyn HealthCheck + Send + Sync>> {
        let name = server.settings.tls.as_deref();
        let Some(path) = &health.path else {
            let mut check = TcpHealthCheck::new();
            check.peer_template.options.connection_timeout = Some(health.timeout);
            return Some(check);
        };
        let host = name.unwrap_or(&server.settings.host);
        let mut check = HttpHealthCheck::<()>::new(host, name.is_some());
        self.prepare(&mut check.peer_template, health.timeout);
        let (scheme, usual) = if name.is_some() { ("https", 443) } else { ("http", 80) };
        let mut authority = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        if server.settings.port != usual {
            // RFC 9110 7.2
            authority.push_str(&format!(":{}", server.settings.port));
        }
        if self.options.alpn == ALPN::H2 {
            check.req.set_uri(format!("{scheme}://{authority}{path}").parse().ok()?);
            check.req.set_version(Version::HTTP_2);
            check.req.remove_header(&http::header::HOST);
        } else {
            check.req.set_uri(path.parse().ok()?);
            check.req.insert_header(http::header::HOST, authority).ok()?;
        }
        let expect = health.expect;
        check.validator = Some(Box::new(move |answer| {
            let healthy = match expect {
                Some(status) => answer.status.as_u16() == status,
                None => answer.status.is_success(),
            };
            if healthy {
                Ok(())
            } else {
                pingora::Error::e_explain(pingora::ErrorType::HTTPStatus(answer.status.as_u16()), "health check")
            }
        }));
        Some(Box::new(check))
    }

    /// A check trusts whom requests trust, and shows what they show.
    pub(super) fn prepare(&self, peer: &mut HttpPeer, limit: Duration) {
        peer.options = self.options.clone();
        for deadline in [
            &mut peer.options.connection_timeout,
            &mut peer.options.total_connection_timeout,
            &mut peer.options.read_timeout,
            &mut peer.options.write_timeout,
        ] {
            *deadline = Some(limit);
        }
        peer.client_cert_key = self.tls.as_ref().and_then(|tls| tls.identity.clone());
    }

    pub(super) fn observe(&self, server: &Server, healthy: bool, health: &HealthSettings) {
        if server.healthy.load(Ordering::Relaxed) == healthy {
            server.contradictions.store(0, Ordering::Relaxed);
            return;
        }
        let needed = if healthy { health.healthy_after } else { health.unhealthy_after };
        if server.contradictions.fetch_add(1, Ordering::Relaxed) + 1 < needed {
            return;
        }
        server.contradictions.store(0, Ordering::Relaxed);
        server.healthy.store(healthy, Ordering::Relaxed);
        if healthy {
            tracing::info!(upstream.name = %self.name, server = %server.label, "an upstream server is healthy again");
        } else {
            tracing::warn!(upstream.name = %self.name, server = %server.label, "an upstream server fails its health check");
        }
    }
}
