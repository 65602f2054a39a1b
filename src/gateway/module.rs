//! The check as a module of somebody else's Pingora proxy: requests are decided on and cleaned before any phase of the
//! proxy's own sees them.
//!
//! Owns the way in and out. What is decided is `library`'s business, what an upstream is told `forward`'s.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use http::{StatusCode, header};
use pingora::Error;
use pingora::ErrorType::HTTPStatus;
use pingora::http::RequestHeader;
use pingora::modules::http::{HttpModule, HttpModuleBuilder, Module};
use pingora::proxy::{FailToProxy, Session};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use super::RequestId;
use super::authority::without_port;
use super::fault::Fault;
use super::forward::{Forwarder, Forwarding};
use super::header_block;
use super::panic::caught;
use super::proxy::problem_of;
use super::respond::{self, Problem};
use crate::config::Forward;
use crate::library::{Enforcer, Guard, Permit, Refusal, Request};
use crate::route;

/// A module for Pingora's proxies that lets nothing pass without a permit.
///
/// Of a request that may pass, it removes the token (unless the route says `forward_authorization: true`), cookies that
/// carry tokens, every field that poses as an identity, and fields that ask an upstream for another method or path. Then it
/// sets the fields of the identity: `X-Auth-Subject`, `X-Auth-Client`, `X-Auth-Issuer`, `X-Auth-Scope`, `X-Auth-Roles`, or
/// what `forward:` of the configuration calls them. Names of fields go on in lower case.
///
/// It runs before other modules. Add it in `init_downstream_modules`, answer refusals in `fail_to_proxy` with
/// [`FaregateModule::respond`] (Pingora's own answer has the status and no challenge), and let [`FollowIssuers`] run beside
/// the proxy.
pub struct FaregateModule(Arc<Door>);

struct Door {
    enforcer: Arc<Enforcer>,
    /// `None`: the enforcer's routes.
    guard: Option<Guard>,
    forwarder: Forwarder,
}

/// One request at the door.
struct Visit {
    door: Arc<Door>,
    outcome: Option<Result<Permit, Refusal>>,
}

impl FaregateModule {
    /// Decides by the routes that `enforcer` was built with. What no route is for is answered 404.
    pub fn new(enforcer: Arc<Enforcer>) -> Self {
        Self::of(enforcer, None)
    }

    /// Holds every request to `guard`, whatever its path.
    pub fn guarding(enforcer: Arc<Enforcer>, guard: Guard) -> Self {
        Self::of(enforcer, Some(guard))
    }

    fn of(enforcer: Arc<Enforcer>, guard: Option<Guard>) -> Self {
        // The proxy has its own way of naming requests.
        let forwarder = Forwarder::new(&Forward { request_id: None, ..enforcer.forward().clone() }, None);
        Self(Arc::new(Door { enforcer, guard, forwarder }))
    }

    /// The permit of a request that passed this module, for phases that want to know who is asking.
    pub fn permit(session: &Session) -> Option<&Permit> {
        session.downstream_modules_ctx.get::<Visit>()?.outcome.as_ref()?.as_ref().ok()
    }

    /// Why this module refused the request.
    pub fn refusal(session: &Session) -> Option<&Refusal> {
        session.downstream_modules_ctx.get::<Visit>()?.outcome.as_ref()?.as_ref().err()
    }

    /// Answers a request that failed, to be called from `fail_to_proxy`: a refusal with its challenge (RFC 6750 3), and
    /// everything else as the gateway would, both as a problem document (RFC 9457).
    pub async fn respond(session: &mut Session, error: &Error) -> FailToProxy {
        let problem = match Self::refusal(session) {
            Some(refusal) => Some(Problem::from(refusal)),
            None => problem_of(error),
        };
        let Some(problem) = problem else { return FailToProxy { error_code: 0, can_reuse_downstream: false } };
        if respond::answered_with(session).is_none() {
            session.set_keepalive(None);
            // The client may be gone.
            let _ = respond::respond(session, &problem, RequestId::next().as_str()).await;
        }
        FailToProxy { error_code: problem.status, can_reuse_downstream: false }
    }
}

impl HttpModuleBuilder for FaregateModule {
    /// Before all others: they see only what was decided on.
    fn order(&self) -> i16 {
        i16::MAX
    }

    fn init(&self) -> Module {
        Box::new(Visit { door: self.0.clone(), outcome: None })
    }
}

#[async_trait]
impl HttpModule for Visit {
    async fn request_header_filter(&mut self, request: &mut RequestHeader) -> pingora::Result<()> {
        let outcome = caught(self.door.decide(request)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(refused(Fault::Internal)));
        match self.outcome.insert(outcome) {
            Ok(permit) => self.door.clean(request, permit),
            Err(refusal) => Err(Error::explain(HTTPStatus(refusal.status().as_u16()), refusal.code()).into_down()),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Door {
    async fn decide(&self, header: &RequestHeader) -> Result<Permit, Refusal> {
        if !header.raw_path_is_utf8() {
            return Err(refused(Fault::BadPath));
        }
        let request = Request::new(&header.method, &header.headers).with_query(header.uri.query());
        match &self.guard {
            Some(guard) => {
                let path = route::canonical(header.uri.path()).unwrap_or_default();
                self.enforcer.check(guard, request.at(&path)).await
            }
            None => self.enforcer.check_route(host(header)?, header.uri.path(), request).await,
        }
    }

    /// Leaves of the request what an upstream may see. The fields that come after it are not the client's any more.
    fn clean(&self, request: &mut RequestHeader, permit: &Permit) -> pingora::Result<()> {
        // HTTP/2 may name the host in the target alone, which is a path from here on.
        if let Some(authority) = request.uri.authority().cloned()
            && !request.headers.contains_key(header::HOST)
        {
            request.insert_header(header::HOST, authority.as_str())?;
        }
        let forwarding = Forwarding {
            received: request,
            path: permit.path().unwrap_or(request.uri.path()),
            // Who asked, and over what, is told by the proxy if anybody is to know.
            peer: None,
            peer_is_trusted: true,
            over_tls: false,
            request_id: "",
            server: None,
            keep_authorization: permit.forwards_authorization(),
            jwt: None,
        };
        *request = self.forwarder.rewritten(permit.inner(), request, &forwarding)?;
        self.keep_identity(request)
    }

    /// Pingora removes later on what `Connection` names. A client must not name the fields of its identity (rule M2).
    fn keep_identity(&self, request: &mut RequestHeader) -> pingora::Result<()> {
        let is_ours = |option: &str| {
            let mut fields = self.forwarder.identity_fields(None);
            fields.any(|(name, _)| name.as_str().eq_ignore_ascii_case(option))
        };
        let fields = request.headers.get_all(header::CONNECTION).iter().map(|field| field.to_str().unwrap_or_default());
        let options: Vec<&str> = fields.flat_map(|field| field.split(',')).map(str::trim).collect();
        if !options.iter().any(|option| is_ours(option)) {
            return Ok(());
        }
        let kept: Vec<&str> = options.into_iter().filter(|option| !option.is_empty() && !is_ours(option)).collect();
        let kept = kept.join(", ");
        request.remove_header(&header::CONNECTION);
        if kept.is_empty() { Ok(()) } else { request.insert_header(header::CONNECTION, kept) }
    }
}

fn refused(why: impl Into<Problem>) -> Refusal {
    let Problem { status, code, detail, .. } = why.into();
    Refusal::plain(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, detail)
}

/// The host, if the target and the field do not disagree (RFC 9112 3.2.2).
fn host(header: &RequestHeader) -> Result<Option<&str>, Refusal> {
    let field = header.headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    let target = header.uri.authority().map(http::uri::Authority::as_str);
    match (field, target) {
        (Some(field), Some(target)) if !field.eq_ignore_ascii_case(target) => Err(refused(header_block::Refusal::Host)),
        (field, target) => Ok(field.or(target).map(without_port)),
    }
}

/// Keeps the keys of an enforcer's issuers up to date beside a Pingora proxy, as [`Enforcer::follow`] does:
/// `server.add_service(background_service("issuers", FollowIssuers(enforcer)))`.
pub struct FollowIssuers(pub Arc<Enforcer>);

#[async_trait]
impl BackgroundService for FollowIssuers {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            _ = shutdown.changed() => {}
            () = self.0.follow() => {}
        }
    }
}
