//! One request at an upstream: its place, the servers that it was sent to, and what became of it there.
//!
//! Owns that everything that was taken is given back, however the request ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pingora::upstreams::peer::HttpPeer;

use super::server::{Server, Standing, address};
use super::{Busy, Tried, Upstream};

/// A request's place at an upstream, given back when dropped.
pub struct Visit {
    upstream: Arc<Upstream>,
    at: Option<Attempt>,
    tried: Tried,
    turn: usize,
    /// It still counts as a request of the upstream.
    holds_place: bool,
}

/// One server that the request was sent to.
struct Attempt {
    server: usize,
    was_ejected: bool,
    is_probe: bool,
    /// It answered well, as far as it got.
    is_good: bool,
    is_failed: bool,
}

/// Why there is no server for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// No name could be resolved yet (fault T38).
    WithoutAddress,
    /// All of them fail their health checks (fault T37).
    Unhealthy,
}

impl Visit {
    /// Takes a place at the upstream, or waits for one for a while.
    ///
    /// # Errors
    /// [`Busy`] when there is none.
    pub async fn begin(upstream: &Arc<Upstream>) -> Result<Self, Busy> {
        upstream.capacity.enter().await?;
        upstream.budget.earn();
        let turn = upstream.balance.turn();
        Ok(Self { upstream: upstream.clone(), at: None, tried: Tried::default(), turn, holds_place: true })
    }

    /// The server to send the request to, another one than before if there is any. `key` is the [`super::key_of`] what
    /// [`Upstream::hashed`] names.
    ///
    /// # Errors
    /// [`Nobody`] when requests cannot go anywhere.
    pub fn next_peer(&mut self, key: Option<u64>) -> Result<Box<HttpPeer>, Nobody> {
        self.end_attempt();
        let upstream = &*self.upstream;
        let chosen = upstream.choose(self.turn, key, self.tried);
        let found = chosen.and_then(|(server, is_probe)| Some((server, is_probe, upstream.servers[server].peer()?)));
        let Some((server, is_probe, peer)) = found else {
            let resolved = upstream.servers.iter().any(Server::has_address);
            return Err(if resolved { Nobody::Unhealthy } else { Nobody::WithoutAddress });
        };
        let chosen = &upstream.servers[server];
        chosen.active.fetch_add(1, Ordering::Relaxed);
        self.tried.add(server);
        let was_ejected = is_probe || chosen.ejected_until.load(Ordering::Relaxed) != 0;
        self.at = Some(Attempt { server, was_ejected, is_probe, is_good: false, is_failed: false });
        Ok(peer)
    }

    /// `host:port` of the server that the request is at.
    pub fn server(&self) -> Option<&str> {
        self.at.as_ref().map(|attempt| &*self.upstream.servers[attempt.server].label)
    }

    /// The server answered with this status. From 500 on it is held against it; below, it did well if the rest comes too.
    pub fn answered(&mut self, status: u16) {
        if status >= 500 {
            return self.failed();
        }
        let Some(attempt) = &mut self.at else { return };
        attempt.is_good = true;
        if attempt.was_ejected {
            self.upstream.came_back(attempt.server);
        }
    }

    /// The connection could not be made, broke, or was silent for too long.
    pub fn failed(&mut self) {
        let Some(attempt) = &mut self.at else { return };
        if !std::mem::replace(&mut attempt.is_failed, true) {
            self.upstream.failed(attempt.server, attempt.is_probe);
        }
    }

    /// The connection could not be made: another address of the same name may do better.
    pub fn unreachable(&mut self, peer: &HttpPeer) {
        self.failed();
        if let Some(attempt) = &self.at
            && let Some(addresses) = &*self.upstream.servers[attempt.server].addresses.load()
        {
            addresses.leave(address(peer));
        }
    }

    /// Whether another attempt would go somewhere else.
    pub fn has_alternative(&self) -> bool {
        let others = |(index, server): (usize, &Server)| {
            !self.tried.contains(index) && !matches!(server.standing(|| self.upstream.now()), Standing::Out)
        };
        let several = self.at.as_ref().is_some_and(|attempt| {
            self.upstream.servers[attempt.server].addresses.load().as_ref().is_some_and(|known| known.peers.len() > 1)
        });
        several || self.upstream.servers.iter().enumerate().any(others)
    }

    /// Takes one of the retries that the upstream allows, if there is one left.
    pub fn spend_retry(&mut self) -> bool {
        let allowed = self.upstream.budget.spend();
        if allowed {
            self.upstream.metrics.retried();
        }
        allowed
    }

    /// A tunnel was opened: it is no request any more, and may last for days.
    pub fn became_a_tunnel(&mut self) {
        if std::mem::take(&mut self.holds_place) {
            self.upstream.capacity.leave();
        }
    }

    fn end_attempt(&mut self) {
        let Some(attempt) = self.at.take() else { return };
        let server = &self.upstream.servers[attempt.server];
        server.active.fetch_sub(1, Ordering::Relaxed);
        if attempt.is_good && !attempt.is_failed {
            self.upstream.succeeded(attempt.server);
        }
        if attempt.is_probe {
            server.probed.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.end_attempt();
        self.became_a_tunnel();
    }
}
