//! The straight way: a request without a body, over HTTP/1 to an upstream that speaks HTTP/1.
//!
//! Owns carrying these, which are most of all requests. Pingora's own way serves every kind of request and answer: two halves
//! that run beside each other and hand tasks to one another through channels. Where there is no body to send, one exchange
//! after the other does, at a fraction of the cost. Both go through the same phases (`exchange`), use Pingora's readers and
//! writers of HTTP/1, and end in the same errors.

use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Version, header};
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::http::v1::client::HttpSession as UpstreamSession;
use pingora::protocols::http::v1::server::HttpSession as ClientSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::proxy::Session;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::Peer as _;
use pingora::{Error, ErrorType};
use tokio::time::timeout_at;

use super::context::Context;
use super::header_block::concerns_connection;
use super::kept::Kept;
use super::{attempt, exchange};

/// What Pingora says of bytes that come after a request and before its answer.
const EARLY: ErrorType = ErrorType::ConnectError;

/// Carries requests over connections of its own.
pub struct Relay {
    connector: TransportConnector,
    kept: Arc<Kept>,
    /// Servers that are tried for one request.
    most_tries: usize,
}

impl Relay {
    /// Connects as `conf` says, and keeps as many connections for each processor.
    pub fn new(conf: &ServerConf) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let most = conf.upstream_keepalive_pool_size.saturating_mul(threads);
        Self {
            connector: TransportConnector::new(Some(ConnectorOptions::from_server_conf(conf))),
            kept: Kept::new(most, threads),
            most_tries: conf.max_retries,
        }
    }

    /// Whether this request can go straight.
    pub fn takes(session: &Session, ctx: &Context) -> bool {
        let header = session.req_header();
        let upstream = ctx.route.as_ref().and_then(|route| route.upstream.as_ref());
        upstream.is_some_and(|upstream| !upstream.speaks_http2())
            && matches!(&*session.downstream_session, ServerSession::H1(_))
            && header.version == Version::HTTP_11
            // A target in absolute form names a host of its own, and `*` is no path.
            && header.raw_path().starts_with(b"/")
            && has_one_host(&header.headers)
            && concerns_no_connection(&header.headers)
    }

    /// Sends the request to its upstream and the answer to the client.
    ///
    /// # Errors
    /// Those of Pingora's own way, when no server is left to try.
    pub async fn carry(&self, session: &mut Session, ctx: &mut Context) -> pingora::Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.attempt(session, ctx).await {
                Err(error) if error.retry() && tries < self.most_tries => {}
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self, session: &mut Session, ctx: &mut Context) -> pingora::Result<()> {
        let peer = exchange::next_peer(session, ctx).await?;
        let key = peer.reuse_hash();
        let (stream, was_kept) = match self.kept.take(key) {
            Some(stream) => (stream, true),
            None => match self.connector.new_stream(&*peer).await {
                Ok(stream) => (stream, false),
                Err(error) => {
                    let mut error = error.into_up();
                    attempt::not_connected(ctx, &peer, &mut error);
                    return Err(error);
                }
            },
        };
        let mut upstream = UpstreamSession::new(stream);
        upstream.read_timeout = peer.options.read_timeout;
        upstream.write_timeout = peer.options.write_timeout;
        match pass(session, &mut upstream, ctx).await {
            Ok(()) => {}
            Err(error) => {
                let mut error = error.more_context(format!("Peer: {peer}"));
                attempt::broken(session, ctx, &mut error, was_kept);
                return Err(error);
            }
        }
        upstream.respect_keepalive();
        if let Some(stream) = upstream.reuse().await {
            self.kept.put(key, stream, peer.idle_timeout());
        }
        Ok(())
    }
}

/// One exchange with one server.
async fn pass(session: &mut Session, upstream: &mut UpstreamSession, ctx: &mut Context) -> pingora::Result<()> {
    let mut request = exchange::rewritten_request(session, session.req_header(), ctx)?;
    // It only says whether the client's connection is kept.
    request.remove_header(&header::CONNECTION);
    upstream.write_request_header(Box::new(request)).await.map_err(Error::into_up)?;
    loop {
        {
            let ServerSession::H1(client) = &mut *session.downstream_session else { return not_http1() };
            let head = in_time(ctx.deadline, upstream.read_response());
            unless_client_leaves(client, head).await?.map_err(Error::into_up)?;
        }
        if answer(session, upstream, ctx).await? {
            break;
        }
    }
    let ServerSession::H1(client) = &mut *session.downstream_session else { return not_http1() };
    let outcome = body(client, upstream, ctx).await;
    if let Err(error) = outcome {
        // What came before it is the client's all the same. Whether it still takes that is no matter.
        let broken = vec![HttpTask::Body(None, false), HttpTask::Failed(error)];
        return client.response_duplex_vec(broken).await.map(drop);
    }
    client.finish_body().await.map(drop).map_err(Error::into_down)
}

/// Passes the head of an answer on. Says whether it was the last, and no interim one (RFC 9110 15.2).
async fn answer(session: &mut Session, upstream: &mut UpstreamSession, ctx: &mut Context) -> pingora::Result<bool> {
    let ends = upstream.is_body_done();
    let Some(head) = upstream.resp_header() else {
        return Error::e_explain(ErrorType::InternalError, "an answer without a head");
    };
    let mut head = Box::new(head.clone());
    exchange::answered(session.req_header(), ctx, head.status)?;
    let is_final = !head.status.is_informational();
    let has_length =
        head.headers.contains_key(header::CONTENT_LENGTH) || head.headers.contains_key(header::TRANSFER_ENCODING);
    if is_final && !ends && !has_length {
        // It ends with the connection: the client's can live on (RFC 9112 7.1).
        head.set_version(Version::HTTP_11);
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    exchange::rewrite_answer(session.req_header(), &mut head, ctx)?;
    let ServerSession::H1(client) = &mut *session.downstream_session else { return not_http1() };
    client.write_response_header(head).await.map_err(Error::into_down)?;
    Ok(is_final)
}

/// Passes the body of an answer on, as it comes.
async fn body(client: &mut ClientSession, upstream: &mut UpstreamSession, ctx: &Context) -> pingora::Result<()> {
    while !upstream.is_body_done() {
        let piece = in_time(ctx.deadline, upstream.read_body_ref());
        let piece = unless_client_leaves(client, piece).await?.map_err(Error::into_up)?;
        exchange::may_go_on(ctx)?;
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            client.write_body(piece).await.map_err(Error::into_down)?;
        }
    }
    Ok(())
}

/// Waits for the upstream no longer than the request may take: the timeout of a single read begins anew with each of them.
async fn in_time<T>(
    deadline: Option<Instant>,
    awaited: impl Future<Output = pingora::Result<T>>,
) -> pingora::Result<T> {
    let Some(deadline) = deadline else { return awaited.await };
    match timeout_at(deadline.into(), awaited).await {
        Ok(outcome) => outcome,
        Err(late) => Error::e_because(ErrorType::ReadTimedout, "the time for the request is over", late),
    }
}

/// Waits for the upstream, unless the client is gone before. A client that says something early has its answer first, and then
/// none: what it said is lost, and the end of the connection tells it so (RFC 9112 9.3.2, 9.6).
///
/// # Errors
/// When the client is gone.
async fn unless_client_leaves<T>(client: &mut ClientSession, awaited: impl Future<Output = T>) -> pingora::Result<T> {
    let mut awaited = pin!(awaited);
    let left = tokio::select! {
        biased;
        outcome = &mut awaited => return Ok(outcome),
        left = client.read_body_or_idle(true) => left,
    };
    match left {
        Err(error) if *error.etype() == EARLY => {
            client.set_server_keepalive(None);
            Ok(awaited.await)
        }
        Err(error) => Err(error.into_down()),
        Ok(_) => {
            Error::e_explain(ErrorType::ConnectionClosed, "before the answer was complete").map_err(Error::into_down)
        }
    }
}

fn has_one_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    hosts.next().is_some() && hosts.next().is_none()
}

/// Whether nothing in the head is about this connection, but whether it is kept.
fn concerns_no_connection(headers: &HeaderMap) -> bool {
    !headers.iter().any(|(name, value)| concerns_connection(name.as_str().as_bytes(), value.as_bytes()))
}

/// Invariant: `takes` looked.
fn not_http1<T>() -> pingora::Result<T> {
    Error::e_explain(ErrorType::InternalError, "not a connection of HTTP/1")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    // RFC 9110 7.6.1: what a field asks of the connection is not for us to pass on or to drop
    #[test]
    fn whatever_is_about_the_connection_goes_the_other_way() {
        let plain = [("host", "a"), ("accept", "*/*"), ("cookie", "a=1")];
        assert!(concerns_no_connection(&headers(&plain)));
        for value in ["keep-alive", "Keep-Alive", "close"] {
            assert!(concerns_no_connection(&headers(&[("host", "a"), ("connection", value)])), "{value}");
        }
        // All of them are in the tests of `header_block`.
        for field in
            [("connection", "upgrade"), ("content-length", "0"), ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA")]
        {
            assert!(!concerns_no_connection(&headers(&[("host", "a"), field])), "{field:?}");
        }
    }

    // RFC 9112 3.2
    #[test]
    fn a_request_names_one_host() {
        let mut named = headers(&[("host", "a")]);
        assert!(has_one_host(&named) && !has_one_host(&HeaderMap::new()));
        named.append(header::HOST, HeaderValue::from_static("a"));
        assert!(!has_one_host(&named));
    }
}
