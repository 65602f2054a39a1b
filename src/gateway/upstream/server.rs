//! One server of an upstream: where it is, and whether requests may go there.
//!
//! Owns its state, which is atomics only. Who changes it and when is the upstream's business.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use pingora::upstreams::peer::HttpPeer;

use super::ServerSettings;

pub(super) struct Server {
    pub settings: ServerSettings,
    /// `host:port`, for metrics and log lines.
    pub label: Box<str>,
    pub addresses: ArcSwapOption<Addresses>,
    /// Whether there are any; asked for every request, which is cheaper here.
    pub resolved: AtomicBool,
    /// What active checks say.
    pub healthy: AtomicBool,
    /// Checks in a row that contradict `healthy`.
    pub contradictions: AtomicU32,
    /// Requests that are there now.
    pub active: AtomicU32,
    /// Requests in a row that it failed.
    pub failures: AtomicU32,
    /// Milliseconds of the upstream's time until which it gets nothing; 0: it gets its share.
    pub ejected_until: AtomicU64,
    /// Ejections in a row.
    pub ejections: AtomicU32,
    /// When it came back, in milliseconds of the upstream's time.
    pub back_at: AtomicU64,
    /// A request is there to find out whether it works again.
    pub probed: AtomicBool,
}

/// What a name stands for.
pub(super) struct Addresses {
    pub peers: Box<[HttpPeer]>,
    /// The one in use.
    at: AtomicUsize,
}

impl Addresses {
    /// At least one peer; `preferred` is the one to begin with.
    pub fn new(peers: Box<[HttpPeer]>, preferred: Option<SocketAddr>) -> Self {
        let at = peers.iter().position(|peer| address(peer) == preferred && preferred.is_some());
        Self { peers, at: AtomicUsize::new(at.unwrap_or_default()) }
    }

    pub fn current(&self) -> Option<&HttpPeer> {
        self.peers.get(self.at.load(Ordering::Relaxed) % self.peers.len().max(1))
    }

    /// Whether these are the same addresses, in any order: names are often answered in turns.
    pub fn are(&self, others: &[SocketAddr]) -> bool {
        let known = |other: &SocketAddr| self.peers.iter().any(|peer| address(peer) == Some(*other));
        self.peers.len() == others.len() && others.iter().all(known)
    }

    /// The next one, unless somebody has left `failed` already.
    pub fn leave(&self, failed: Option<SocketAddr>) {
        let at = self.at.load(Ordering::Relaxed);
        if self.current().is_some_and(|peer| address(peer) == failed) {
            // Somebody else's next one is as good.
            let _ = self.at.compare_exchange(at, at.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// How requests may go to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    In,
    /// It failed, and may show with one request at a time that it works again.
    OnProbation,
    Ejected,
    /// Checks fail, or nobody knows its address.
    Out,
}

impl Server {
    pub fn new(settings: ServerSettings) -> Self {
        Self {
            label: settings.label().into(),
            settings,
            addresses: ArcSwapOption::empty(),
            resolved: AtomicBool::new(false),
            healthy: AtomicBool::new(true),
            contradictions: AtomicU32::new(0),
            active: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            back_at: AtomicU64::new(0),
            probed: AtomicBool::new(false),
        }
    }

    pub fn has_address(&self) -> bool {
        self.resolved.load(Ordering::Relaxed)
    }

    /// `now` is asked only when it matters.
    pub fn standing(&self, now: impl Fn() -> u64) -> Standing {
        if !self.healthy.load(Ordering::Relaxed) || !self.has_address() {
            return Standing::Out;
        }
        match self.ejected_until.load(Ordering::Relaxed) {
            0 => Standing::In,
            until if now() >= until && !self.probed.load(Ordering::Relaxed) => Standing::OnProbation,
            _ => Standing::Ejected,
        }
    }

    pub fn is_in(&self) -> bool {
        self.standing(|| 0) == Standing::In
    }

    pub fn peer(&self) -> Option<Box<HttpPeer>> {
        self.addresses.load().as_ref().and_then(|addresses| addresses.current()).map(|peer| Box::new(peer.clone()))
    }

    /// The address in use.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.load().as_ref().and_then(|addresses| addresses.current().and_then(address))
    }
}

pub(super) fn address(peer: &HttpPeer) -> Option<SocketAddr> {
    use pingora::upstreams::peer::Peer as _;
    peer.address().as_inet().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(numbers: &[u8], preferred: Option<u8>) -> Addresses {
        let peers = numbers.iter().map(|n| HttpPeer::new(at(*n), false, String::new())).collect();
        Addresses::new(peers, preferred.map(at))
    }

    fn at(number: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, number], 80))
    }

    // T38: a name stays with the address that works, as long as it has it
    #[test]
    fn addresses_are_kept_and_left() {
        let of = addresses(&[1, 2, 3], Some(2));
        let current = |of: &Addresses| of.current().and_then(address);
        assert_eq!(current(&of), Some(at(2)));
        assert!(of.are(&[at(3), at(1), at(2)]) && !of.are(&[at(1), at(2)]) && !of.are(&[at(1), at(2), at(4)]));
        of.leave(Some(at(1)));
        assert_eq!(current(&of), Some(at(2)), "somebody failed at another one");
        of.leave(Some(at(2)));
        assert_eq!(current(&of), Some(at(3)));
        of.leave(Some(at(3)));
        assert_eq!(current(&of), Some(at(1)), "round and round");
        assert_eq!(current(&addresses(&[1, 2], Some(9))), Some(at(1)), "the preferred one is gone");
    }

    #[test]
    fn servers_are_called_as_they_are_written() {
        let label =
            |host: &str| Server::new(ServerSettings { host: host.into(), port: 80, tls: None, weight: 1 }).label;
        assert_eq!((&*label("orders.internal"), &*label("::1")), ("orders.internal:80", "[::1]:80"));
    }
}
