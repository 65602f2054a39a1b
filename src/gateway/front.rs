//! Requests of HTTP/1 that are ours from beginning to end: carried by `relay`, answered by ourselves, or refused.
//!
//! Owns which requests these are, and driving the phases for them. Pingora drives the phases of all others; what it must have
//! ready in case it carries a request itself is 15 KiB that would be moved for every one.

use std::borrow::Cow;
use std::sync::Arc;

use pingora::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora::modules::http::HttpModules;
use pingora::protocols::Stream;
use pingora::proxy::{ProxyHttp as _, Session};
use pingora::server::ShutdownWatch;
use pingora::{Error, ErrorType};

use super::context::Context;
use super::header_block::Head;
use super::{Gateway, Proxy};
use crate::route;

/// Drives the phases without Pingora.
pub struct Front {
    proxy: Proxy,
    modules: HttpModules,
}

/// A request that Pingora is not needed for.
pub struct Direct<'a> {
    front: &'a Front,
    /// What it was looked at with.
    gateway: Arc<Gateway>,
    /// The pattern of our own path, if it was looked for and found.
    own: Option<&'static str>,
}

impl Front {
    pub fn new(proxy: Proxy) -> Self {
        Self { proxy, modules: HttpModules::new() }
    }

    /// Whether the request with this head can do without Pingora, whatever becomes of it: nothing but the upstream's version
    /// of HTTP is said by the route.
    pub fn takes(&self, head: &Head<'_>) -> Option<Direct<'_>> {
        let gateway = self.proxy.current.load_full();
        if head.is_plain && gateway.speaks_only_http1 {
            return Some(Direct { front: self, gateway, own: None });
        }
        let own = own_pattern(&gateway, head.target)?;
        Some(Direct { front: self, gateway, own: Some(own) })
    }
}

impl Direct<'_> {
    /// A session on the client's connection.
    pub fn session(&self, stream: Stream) -> Session {
        Session::new_h1_with_modules(stream, &self.front.modules)
    }

    /// Takes the request through its phases, as Pingora would. The connection, if it can be used again.
    pub async fn answer(self, mut session: Session, shutdown: &ShutdownWatch) -> Option<ReusedHttpStream> {
        let Self { front: Front { proxy, .. }, gateway, own } = self;
        // The head is there already.
        match session.as_downstream_mut().read_request().await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return refuse(session, &error).await,
        }
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        let mut ctx = Context { own_pattern: own, ..Context::new(gateway) };
        let error = match proxy.request_filter(&mut session, &mut ctx).await {
            Ok(true) => None,
            Ok(false) => Some(Error::explain(ErrorType::InternalError, "a request that only Pingora can carry")),
            Err(error) => Some(error),
        };
        let is_over = match &error {
            Some(error) => !proxy.fail_to_proxy(&mut session, error, &mut ctx).await.can_reuse_downstream,
            None => false,
        };
        proxy.logging(&mut session, error.as_deref(), &mut ctx).await;
        if is_over {
            return None;
        }
        let settings = HttpPersistentSettings::for_session(&session);
        let reusable = session.downstream_session.finish().await.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }
}

/// Answers what Pingora's reader refuses although it passed our check, as Pingora does.
async fn refuse(mut session: Session, error: &Error) -> Option<ReusedHttpStream> {
    if *error.etype() == ErrorType::InvalidHTTPHeader {
        // The client may be gone.
        let _ = session.respond_error(400).await;
    }
    session.as_downstream_mut().shutdown().await;
    None
}

/// The pattern of our own path, if the target is one just as it was sent.
fn own_pattern(gateway: &Gateway, target: &[u8]) -> Option<&'static str> {
    let target = std::str::from_utf8(target).ok()?;
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let is_canonical = matches!(route::canonical(path), Ok(Cow::Borrowed(canonical)) if canonical == path);
    if is_canonical { (gateway.embedded.pattern_of)(path) } else { None }
}
