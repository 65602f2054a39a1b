//! Sockets: binding them before anything else starts, accepting, counting, and letting go at the end.
//!
//! Owns connection limits (rule N4) and the drain. What arrives on a connection is `connection`'s business.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use pingora::apps::HttpServerApp;
use pingora::protocols::{GetSocketDigest, SocketDigest, Stream, l4, tls};
use pingora::server::ShutdownWatch;
use pingora::tls::ssl::{AlpnError, SslAcceptor, SslFiletype, SslMethod, select_next_proto};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::client_certificates;
use super::connection::{self, Buffered, ConnectionLimits, RefusalLog};
use super::front::Front;
use super::handover::Inherited;
use super::overload::Overload;
use crate::config::ClientCertificates;
use crate::peer::network;

/// A TLS handshake that takes longer is somebody holding a socket.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that are told at one time that there is no room for them; others are closed.
const MOST_TURNED_AWAY: usize = 32;

/// Connections waiting to be accepted.
const BACKLOG: u32 = 4096;

/// A bound socket that does not accept yet. Its clones are the same socket.
#[derive(Clone)]
pub struct Listener {
    pub(super) socket: Arc<TcpListener>,
    address: SocketAddr,
}

/// A certificate chain and its key, ready for handshakes.
#[derive(Clone)]
pub struct Certificate {
    acceptor: SslAcceptor,
    /// Whether the certificates of clients are those that listed authorities signed.
    vouches: bool,
}

/// Why a listener could not be made; each names the address or file and the fix.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {address}: it is in use by another process; stop that one or choose another port")]
    InUse { address: SocketAddr },
    #[error("cannot listen on {address}: not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE")]
    NotPermitted { address: SocketAddr },
    #[error("cannot listen on {address}: {source}")]
    Other { address: SocketAddr, source: std::io::Error },
    #[error(
        "cannot use certificate {path}: {reason}; it must be a PEM certificate chain, the server's own certificate first"
    )]
    Certificate { path: String, reason: String },
    #[error(
        "cannot use private key {path}: {reason}; it must be an unencrypted PEM key that belongs to the certificate"
    )]
    Key { path: String, reason: String },
    #[error(
        "cannot use client_ca {path}: {reason}; it must be PEM certificates of those who sign clients' certificates"
    )]
    ClientAuthorities { path: String, reason: String },
}

impl Listener {
    /// The socket for `address` that somebody else opened for this process, or one that is bound now (port 0 takes a free
    /// one). To be called on a runtime.
    ///
    /// # Errors
    /// [`ListenError`] when the address is taken, forbidden or not this machine's.
    pub fn bind(address: SocketAddr, inherited: &Inherited) -> Result<Self, ListenError> {
        let socket = match inherited.take(address) {
            Some(socket) => Ok(socket),
            None => bind(address),
        };
        let socket = socket.map_err(|source| match source.kind() {
            std::io::ErrorKind::AddrInUse => ListenError::InUse { address },
            std::io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address },
            _ => ListenError::Other { address, source },
        })?;
        let other = |source| ListenError::Other { address, source };
        socket.set_nonblocking(true).map_err(other)?;
        let socket = TcpListener::from_std(socket).map_err(other)?;
        let address = socket.local_addr().map_err(other)?;
        Ok(Self { socket: Arc::new(socket), address })
    }

    /// The address in use, its port chosen when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Certificate {
    /// For TLS 1.2 or later, HTTP/2 first by ALPN, from PEM files. `clients` are asked for theirs.
    ///
    /// # Errors
    /// [`ListenError::Certificate`], [`ListenError::Key`] or [`ListenError::ClientAuthorities`], naming the file.
    pub fn load(certificate: &Path, key: &Path, clients: Option<&ClientCertificates>) -> Result<Self, ListenError> {
        let certificate_error = |reason: &dyn ToString| ListenError::Certificate {
            path: certificate.display().to_string(),
            reason: first_line(reason),
        };
        let key_error =
            |reason: &dyn ToString| ListenError::Key { path: key.display().to_string(), reason: first_line(reason) };
        std::fs::metadata(certificate).map_err(|error| certificate_error(&error))?;
        std::fs::metadata(key).map_err(|error| key_error(&error))?;
        let mut builder =
            SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).map_err(|error| certificate_error(&error))?;
        builder.set_certificate_chain_file(certificate).map_err(|error| certificate_error(&error))?;
        builder.set_private_key_file(key, SslFiletype::PEM).map_err(|error| key_error(&error))?;
        builder.check_private_key().map_err(|error| key_error(&error))?;
        if let Some(clients) = clients {
            client_certificates::ask(&mut builder, clients).map_err(|(path, reason)| {
                ListenError::ClientAuthorities { path: path.display().to_string(), reason: first_line(&reason) }
            })?;
        }
        builder.set_alpn_select_callback(|_, offered| {
            select_next_proto(b"\x02h2\x08http/1.1", offered).ok_or(AlpnError::NOACK)
        });
        let vouches = clients.is_some_and(|clients| clients.authorities.is_some());
        Ok(Self { acceptor: builder.build(), vouches })
    }
}

impl Certificate {
    async fn handshake(&self, stream: Buffered) -> pingora::Result<tls::SslStream<Buffered>> {
        match self.vouches {
            true => tls::server::handshake_with_callback(&self.acceptor, stream, &client_certificates::Keeping).await,
            false => tls::server::handshake(&self.acceptor, stream).await,
        }
    }
}

/// OpenSSL's errors are stacks; the first entry says enough for a person.
fn first_line(reason: &dyn ToString) -> String {
    reason.to_string().lines().next().unwrap_or_default().to_owned()
}

fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// How many connections are open, in all and per address.
#[derive(Debug)]
pub struct Census {
    open: AtomicUsize,
    per_address: Mutex<HashMap<IpAddr, usize>>,
    most: AtomicUsize,
    most_per_address: AtomicUsize,
}

impl Census {
    /// Admits at most `most` connections, `most_per_address` from one address. Rule N4.
    pub fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            per_address: Mutex::default(),
            most: most.into(),
            most_per_address: most_per_address.into(),
        })
    }

    /// Other limits for those who come from now on.
    pub fn admit_at_most(&self, most: usize, most_per_address: usize) {
        self.most.store(most, Ordering::Relaxed);
        self.most_per_address.store(most_per_address, Ordering::Relaxed);
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// A place for a connection from `address`, given back when dropped.
    ///
    /// # Errors
    /// The limit that leaves none.
    fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Limit> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Limit::Connections);
        }
        let address = network(address);
        let mut per_address = self.per_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = per_address.entry(address).or_default();
        if *count >= self.most_per_address.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Limit::ConnectionsPerIp);
        }
        *count += 1;
        Ok(Place { census: self.clone(), address })
    }

    /// Waits until every connection has ended, at most for `grace`; says whether they all did.
    pub async fn drained(&self, grace: Duration) -> bool {
        let started = Instant::now();
        while self.open() > 0 {
            if started.elapsed() >= grace {
                return false;
            }
            sleep(Duration::from_millis(10)).await;
        }
        true
    }
}

/// What leaves no place for a connection, by its name in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Connections,
    ConnectionsPerIp,
}

impl Limit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerIp => "connections_per_ip",
        }
    }
}

struct Place {
    census: Arc<Census>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut per_address = self.census.per_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                per_address.remove(&self.address);
            }
        }
        self.census.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How a listener treats the connections that it accepts from now on.
pub struct Manner {
    pub limits: ConnectionLimits,
    /// `None`: it speaks cleartext.
    pub certificate: Option<Certificate>,
}

/// What the connections of one listener share.
pub struct Service<A> {
    pub app: Arc<A>,
    /// Answers what needs nothing of `app`, if anything does.
    pub front: Option<Arc<Front>>,
    pub manner: Arc<ArcSwap<Manner>>,
    pub census: Arc<Census>,
    pub refusals: Arc<dyn RefusalLog>,
    pub ending: Ending,
    /// `None`: it answers whatever the process is short of.
    pub overload: Option<Arc<Overload>>,
    /// Held by each connection that is told that there is no room.
    pub turned_away: Arc<()>,
}

/// How the end of the process is heard of.
#[derive(Clone)]
pub struct Ending {
    /// Nothing is accepted any more, and every answer is the last one of its connection.
    pub shutdown: ShutdownWatch,
    /// Connections that wait for a request are closed.
    pub idle: ShutdownWatch,
}

impl<A> Service<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    /// Accepts connections until shutdown, each served by a task of its own.
    pub async fn accept(self, listener: Listener) {
        let service = Arc::new(self);
        let mut shutdown = service.ending.shutdown.clone();
        let mut warned: Option<Instant> = None;
        loop {
            let next = async {
                if let Some(overload) = &service.overload {
                    overload.room().await;
                }
                listener.socket.accept().await
            };
            let accepted = tokio::select! {
                accepted = next => accepted,
                _ = shutdown.wait_for(|&stopping| stopping) => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let descriptor = u64::try_from(stream.as_raw_fd()).unwrap_or(0);
                    if service.overload.as_ref().is_some_and(|overload| !overload.has_descriptors(descriptor)) {
                        service.turn_away(stream);
                        continue;
                    }
                    let place = match service.census.admit(peer.ip()) {
                        Ok(place) => place,
                        Err(limit) => {
                            service.refusals.full(limit);
                            continue;
                        }
                    };
                    let service = service.clone();
                    tokio::spawn(async move {
                        let _place = place;
                        service.serve(stream).await;
                    });
                }
                // The process ends, and nobody is asked any more.
                Err(error) if tokio::runtime::is_rt_shutdown_err(&error) => return,
                // Out of descriptors or memory: the connection stays in the backlog, so trying at once would spin.
                Err(error) => {
                    if warned.is_none_or(|warned| warned.elapsed() >= Duration::from_secs(1)) {
                        warned = Some(Instant::now());
                        tracing::warn!(error = %error, "cannot accept a connection");
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Says why, where that needs no handshake and not too many are being told already.
    fn turn_away(self: &Arc<Self>, stream: TcpStream) {
        let is_tls = self.manner.load().certificate.is_some();
        if is_tls || Arc::strong_count(&self.turned_away) > MOST_TURNED_AWAY {
            return;
        }
        let (service, place) = (self.clone(), self.turned_away.clone());
        tokio::spawn(async move {
            connection::turn_away(stream, service.refusals.as_ref()).await;
            drop(place);
        });
    }

    async fn serve(&self, stream: TcpStream) {
        let manner = self.manner.load_full();
        // Latency beats packet count for a proxy; a socket that refuses this is closed already.
        let _ = stream.set_nodelay(true);
        let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
        let mut stream = l4::stream::Stream::from(stream);
        stream.set_socket_digest(digest);
        let stream = Buffered::new(stream, manner.limits.send_timeout);
        let stream: Stream = match &manner.certificate {
            None => Box::new(stream),
            Some(certificate) => match timeout(TLS_HANDSHAKE_TIMEOUT, certificate.handshake(stream)).await {
                Ok(Ok(stream)) => Box::new(stream),
                Ok(Err(error)) => return tracing::debug!(error = %error, "TLS handshake failed"),
                Err(_) => return tracing::debug!("TLS handshake took too long"),
            },
        };
        connection::serve(stream, self, &manner.limits).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // N4
    #[test]
    fn places_are_bounded_in_all_and_per_address() {
        let census = Census::new(3, 2);
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = census.admit(a);
        let _second = census.admit(a).unwrap();
        assert_eq!(census.admit(a).err(), Some(Limit::ConnectionsPerIp), "two per address");
        let _third = census.admit(b).unwrap();
        assert_eq!(census.admit(b).err(), Some(Limit::Connections), "three in all");
        assert_eq!(census.open(), 3);
        drop(first);
        assert!(census.admit(a).is_ok());
        assert_eq!(census.open(), 2);
        census.admit_at_most(4, 3);
        let _fourth = census.admit(a).unwrap();
        assert_eq!(census.open(), 3);
    }

    // N4, M12: whoever has one IPv6 address has 2^64
    #[test]
    fn places_are_counted_by_network() {
        let census = Census::new(9, 2);
        let admit = |address: &str| census.admit(address.parse().unwrap());
        let (_first, second) = (admit("2001:db8::1"), admit("2001:db8::2"));
        assert_eq!(admit("2001:db8::ffff:3").err(), Some(Limit::ConnectionsPerIp));
        let _other = admit("2001:db8:0:1::1").unwrap();
        drop(second);
        assert!(admit("2001:db8::4").is_ok(), "a place is given back under the address that it was taken by");
        let (_mapped, _same) = (admit("::ffff:192.0.2.1"), admit("192.0.2.1"));
        assert!(admit("192.0.2.1").is_err());
    }
}
