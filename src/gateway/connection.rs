//! One accepted connection: the buffered stream that Pingora reads from, and the loop that feeds it requests.
//!
//! Owns the deadline for a whole header block and the strict check of it (rules M3, N1, N2), which Pingora does not have.
//! What a request means is `proxy`'s business; nothing here knows a route.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType, l4,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use super::frames::Counted;
use super::header_block::{self, HeaderLimits, Refusal};
use super::listener::{Limit, Service};
use super::request_id::RequestId;
use super::respond;

/// Bytes of the read and write buffers of a connection. Pingora's default of 64 KiB for reading costs idle connections dear.
const READ_BUFFER: usize = 8 * 1024;
const WRITE_BUFFER: usize = 4 * 1024;

/// First bytes of an HTTP/2 connection (RFC 9113 3.4), up to where its header block would end.
const H2_PREFACE_HEAD: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// How long a connection may take, and how much it may send before a request is understood. Rules N1, N2.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    pub header: HeaderLimits,
    /// From the first byte of a header block to its end.
    pub header_timeout: Duration,
    /// How long a connection may wait for the first byte of its next request.
    pub keep_alive: Duration,
    /// Requests on one HTTP/1 connection.
    pub requests: u32,
    /// For whatever the peer does not take.
    pub send_timeout: Duration,
    /// Whether cleartext HTTP/2 with prior knowledge is understood.
    pub h2c: bool,
}

/// What is told of header blocks and connections that were refused before there was a request.
pub trait RefusalLog: Send + Sync {
    fn refused(&self, refusal: Refusal, request_id: &str);

    /// A connection was closed at once.
    fn full(&self, limit: Limit);

    /// A connection was left because of frames that lead to nothing.
    fn flooded(&self);
}

/// Serves one connection until it ends: HTTP/2 when the preface or ALPN says so, HTTP/1 otherwise.
pub async fn serve<A>(mut stream: Stream, service: &Service<A>, limits: &ConnectionLimits)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let Service { app, ending, .. } = service;
    let shutdown = &ending.shutdown;
    let over_tls = stream.get_ssl_digest().is_some();
    if stream.selected_alpn_proto() == Some(ALPN::H2) {
        app.process_new(Box::new(Counted::new(stream, service.refusals.clone())), shutdown).await;
        return;
    }
    let mut idle_ends = ending.idle.clone();
    let mut settings: Option<HttpPersistentSettings> = None;
    let mut first = true;
    loop {
        let block = tokio::select! {
            biased;
            block = read_header_block(&mut stream, limits) => block,
            // An idle connection ends with the server; one that is being answered is not in this select.
            _ = idle_ends.wait_for(|&ends| ends) => return,
        };
        let (block, end) = match block {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(refusal) => return refuse(stream, refusal, service.refusals.as_ref()).await,
        };
        if first && limits.h2c && !over_tls && block.starts_with(H2_PREFACE_HEAD) {
            let stream = Box::new(Unread { unread: block.freeze(), stream });
            app.process_new(Box::new(Counted::new(stream, service.refusals.clone())), shutdown).await;
            return;
        }
        let head = match header_block::check(&block[..end], &limits.header) {
            Ok(head) => head,
            Err(refusal) => return refuse(stream, refusal, service.refusals.as_ref()).await,
        };
        let direct = service.front.as_ref().and_then(|front| front.takes(&head));
        let begin = |session: &mut ServerSession| {
            if first {
                session.set_keepalive((!*shutdown.borrow()).then_some(limits.keep_alive.as_secs()));
                session.set_keepalive_reuses_remaining(Some(limits.requests.saturating_sub(1)));
            }
            if let Some(settings) = settings.take() {
                settings.apply_to_session(session);
            }
            session.set_pipelined_prefix(block);
        };
        let reused = match direct {
            Some(direct) => {
                let mut session = direct.session(stream);
                begin(session.as_downstream_mut());
                // Of its own, so that a connection that waits is small.
                Box::pin(direct.answer(session, shutdown)).await
            }
            None => {
                let mut session = ServerSession::new_http1(stream);
                begin(&mut session);
                app.process_new_http(session, shutdown).await
            }
        };
        first = false;
        match reused {
            Some(reused) => (stream, settings) = reused.consume(),
            None => return,
        }
    }
}

/// Reads until a header block is complete, and says where it ends; bytes after it stay in the buffer. `None` when the peer is
/// done with us.
async fn read_header_block(
    stream: &mut Stream,
    limits: &ConnectionLimits,
) -> Result<Option<(BytesMut, usize)>, Refusal> {
    let mut block = BytesMut::with_capacity(4096);
    match timeout(limits.keep_alive, stream.read_buf(&mut block)).await {
        Ok(Ok(read)) if read > 0 => {}
        // Idle too long, closed, or broken with nothing asked: nothing to answer.
        Ok(_) | Err(_) => return Ok(None),
    }
    let rest = async {
        let mut searched = 0;
        loop {
            // RFC 9112 2.2: an empty line before the request line is skipped; old clients end a body with one.
            if searched == 0 {
                while block.starts_with(b"\r\n") {
                    block.advance(2);
                }
            }
            if let Some(end) = header_block::end(&block, searched) {
                return Ok(Some((block, end)));
            }
            header_block::check_partial(&block, searched, &limits.header)?;
            searched = block.len();
            match stream.read_buf(&mut block).await {
                Ok(read) if read > 0 => {}
                Ok(_) | Err(_) => return Ok(None),
            }
        }
    };
    timeout(limits.header_timeout, rest).await.unwrap_or(Err(Refusal::Timeout))
}

/// Tells a connection that there is no room for it: once it has asked something, since what is sent before is lost to many
/// clients, but not for long.
pub async fn turn_away(mut stream: TcpStream, log: &dyn RefusalLog) {
    let request_id = RequestId::next();
    log.refused(Refusal::NoRoom, request_id.as_str());
    let answer = respond::raw_refusal(Refusal::NoRoom, request_id.as_str());
    let mut asked = [0; 4096];
    // The peer may say nothing, or be gone: the answer is a courtesy.
    let _ = timeout(Duration::from_secs(1), async {
        let _ = stream.read(&mut asked).await?;
        stream.write_all(&answer).await?;
        stream.shutdown().await
    })
    .await;
}

async fn refuse(mut stream: Stream, refusal: Refusal, log: &dyn RefusalLog) {
    let request_id = RequestId::next();
    log.refused(refusal, request_id.as_str());
    let answer = respond::raw_refusal(refusal, request_id.as_str());
    // The peer may be gone or may not read: an answer is a courtesy, not owed for long.
    let _ = timeout(Duration::from_secs(1), async {
        stream.write_all(&answer).await?;
        stream.flush().await
    })
    .await;
    Shutdown::shutdown(stream.as_mut()).await;
}

/// A TCP stream with the buffers above. Pingora's own are sized only by its own listeners.
///
/// It fails when the peer takes nothing for too long, whatever is being written: Pingora bounds only the bodies of answers.
#[derive(Debug)]
pub struct Buffered {
    stream: BufStream<l4::stream::Stream>,
    send_timeout: Duration,
    /// While the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Buffered {
    pub fn new(stream: l4::stream::Stream, send_timeout: Duration) -> Self {
        Self { stream: BufStream::with_capacity(READ_BUFFER, WRITE_BUFFER, stream), send_timeout, stalled: None }
    }

    /// What becomes of an attempt to write.
    fn bounded<T>(&mut self, attempt: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if attempt.is_ready() {
            self.stalled = None;
            return attempt;
        }
        let send_timeout = self.send_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(send_timeout)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

/// A stream with bytes put back in front of it.
#[derive(Debug)]
struct Unread {
    unread: Bytes,
    stream: Stream,
}

impl AsyncRead for Buffered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.bounded(attempt, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.stream).poll_flush(cx);
        this.bounded(attempt, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.bounded(attempt, cx)
    }
}

impl AsyncWrite for Unread {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Unread {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread.split_to(count));
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Peek for Buffered {}

#[async_trait]
impl Peek for Unread {
    /// Fills `buf` from the bytes put back and, where those are too few, from the stream.
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        if self.unread.len() < buf.len() {
            let mut joined = BytesMut::from(&self.unread[..]);
            let have = joined.len();
            joined.resize(buf.len(), 0);
            self.stream.read_exact(&mut joined[have..]).await?;
            self.unread = joined.freeze();
        }
        buf.copy_from_slice(&self.unread[..buf.len()]);
        Ok(true)
    }
}

/// The parts of Pingora's stream contract that only pass through.
macro_rules! pass_through {
    ($type:ty, $inner:ident => $reach:expr) => {
        impl GetTimingDigest for $type {
            fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
                let $inner = self;
                $reach.get_timing_digest()
            }
        }

        impl GetProxyDigest for $type {
            fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
                let $inner = self;
                $reach.get_proxy_digest()
            }
        }

        impl GetSocketDigest for $type {
            fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
                let $inner = self;
                $reach.get_socket_digest()
            }
        }

        impl UniqueID for $type {
            fn id(&self) -> UniqueIDType {
                let $inner = self;
                $reach.id()
            }
        }

        #[async_trait]
        impl Shutdown for $type {
            async fn shutdown(&mut self) {
                // A peer that is gone already is no news.
                let _ = AsyncWriteExt::shutdown(self).await;
            }
        }
    };
}

impl Ssl for Buffered {}
impl Ssl for Unread {}

impl Ssl for Counted {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.stream.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

#[async_trait]
impl Peek for Counted {
    /// What is only looked at is counted when it is read.
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buf).await
    }
}

pass_through!(Counted, this => this.stream);
pass_through!(Buffered, this => this.stream.get_ref());
pass_through!(Unread, this => this.stream);
