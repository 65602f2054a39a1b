//! The connection to an upstream for a request that asks for an upgrade.
//!
//! Owns two things: the answer is not read before the request has ended, and nothing is read when its token has. What passes
//! through a tunnel is Pingora's business.
//!
//! Pingora reports the end of a request's body, also of one that is empty, to the half that speaks with the upstream. When
//! that half has read the 101 first, it takes this end for the end of the tunnel and closes it, which happened to one tunnel
//! in a hundred before a near upstream (<https://github.com/cloudflare/pingora/issues/946>, with 0.9.1). Nothing that we may
//! decide lies between the two, but both touch the socket: the end of a body is a flush.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use async_trait::async_trait;
use http::{Version, header};
use pingora::connectors::L4Connect;
use pingora::http::RequestHeader;
use pingora::protocols::ALPN;
use pingora::protocols::l4::ext;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OkOrErr as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tunnel;
use crate::enforce::{Enforcer, Permit};

/// Flushes from the first byte of a request without a body to its end: one after its head, one after its body.
const FLUSHES: u8 = 2;

/// Keeps these connections apart from those that wait for their next request, which are read without us.
const GROUP: u64 = 1;

/// Holds back what an upstream says until the request has ended.
#[derive(Clone, Debug, Default)]
pub struct Hold {
    /// Flushes that are awaited; at 0 reads pass.
    flushes: Arc<AtomicU8>,
    /// Nothing more passes: what the tunnel was opened with is over.
    over: Arc<AtomicBool>,
}

/// What a tunnel lasts as long as.
pub struct Watched {
    pub enforcer: Arc<Enforcer>,
    pub permit: Permit,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl Hold {
    /// Lets `request` have a connection to `peer` of its own that can be held; `None` where there will be no tunnel.
    pub fn on(peer: &mut HttpPeer, request: &RequestHeader, watched: impl FnOnce() -> Option<Watched>) -> Option<Self> {
        // The upgrade that Pingora passes on.
        let asked = request.version == Version::HTTP_11
            && request.headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !asked || peer.options.alpn != ALPN::H1 {
            return None;
        }
        let hold = Self::default();
        let connector = Connector {
            hold: hold.clone(),
            timeout: peer.options.connection_timeout,
            watched: watched().map(Arc::new),
        };
        peer.options.custom_l4 = Some(Arc::new(connector));
        peer.group_key |= GROUP;
        // Where the upgrade is refused there is no next request for it.
        peer.options.idle_timeout = Some(Duration::ZERO);
        Some(hold)
    }

    /// To be called when the connection is made and nothing of the request has been sent. A request with a body ends later
    /// than its answer may come (RFC 9110 10.1.1), so it must not be held.
    pub fn until_request_ends(&self) {
        self.flushes.store(FLUSHES, Ordering::Relaxed);
    }

    /// Whether the tunnel was ended because what it was opened with is over.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn holds(&self) -> bool {
        self.flushes.load(Ordering::Relaxed) > 0
    }

    /// Whether this flush was the last that was awaited.
    fn flushed(&self) -> bool {
        let awaited = |flushes: u8| flushes.checked_sub(1);
        self.flushes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, awaited) == Ok(1)
    }
}

#[derive(Debug)]
struct Connector {
    hold: Hold,
    timeout: Option<Duration>,
    watched: Option<Arc<Watched>>,
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let address = address.as_inet().or_err(ErrorType::InternalError, "an upstream without an address")?;
        let connecting = ext::connect(address, None);
        let socket = match self.timeout {
            Some(limit) => match timeout(limit, connecting).await {
                Ok(connected) => connected?,
                Err(late) => return Error::e_because(ErrorType::ConnectTimedout, "connecting for an upgrade", late),
            },
            None => connecting.await?,
        };
        let over: Option<Over> = self.watched.clone().map(|watched| -> Over { Box::pin(tunnel::over(watched)) });
        let held = Held { socket, hold: self.hold.clone(), reader: None, over };
        Ok(VirtualSocketStream::new(Box::new(held)).into())
    }
}

/// Ends when the tunnel has to.
type Over = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

struct Held {
    socket: TcpStream,
    hold: Hold,
    /// Who wanted to read too early.
    reader: Option<Waker>,
    over: Option<Over>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if self.hold.holds() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(over) = &mut self.over
            && over.as_mut().poll(cx).is_ready()
        {
            // Not asked again: it has answered.
            self.over = None;
            self.hold.over.store(true, Ordering::Relaxed);
        }
        if self.hold.is_over() {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.socket).poll_flush(cx));
        if self.hold.flushed()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl VirtualSocket for Held {
    fn set_socket_option(&self, option: VirtualSockOpt) -> std::io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.socket.set_nodelay(true),
            // None of ours is asked to send probes.
            _ => Ok(()),
        }
    }
}
