//! The Pingora skin: sockets, phases, header hygiene, upstreams.
//!
//! Owns everything that touches the wire of proxied requests. It holds no rule: routes are found by `route`, requests are
//! judged by `enforce`, and our own paths are answered by a service that it is given.

pub mod admin;
mod answer;
mod attempt;
mod authority;
mod body_pace;
mod check;
mod client_certificates;
mod connection;
mod context;
mod cors;
mod decision;
mod doors;
pub mod echo;
mod embed;
mod exchange;
mod fault;
mod forward;
pub mod forwarded;
mod frames;
mod front;
mod grpc;
mod handover;
pub mod header_block;
mod kept;
mod listener;
mod login;
mod module;
mod old_clients;
mod overload;
mod panic;
mod proxy;
mod quotas;
mod rate_limits;
mod received;
mod relay;
mod request_id;
pub mod resources;
mod respond;
mod run;
mod sender;
mod trace;
mod tunnel;
mod upgrade;
mod upstream;
mod validity;
mod verify;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
pub use body_pace::PaceLimits;
pub use client_certificates::Authorities;
pub use connection::{ConnectionLimits, RefusalLog};
pub use cors::Cors;
pub use doors::{Doors, Prepared, Wanted};
pub use embed::{Answer, ClientCertificate, Embedded, Endpoints, Peer};
pub use fault::Fault;
pub use forward::Forwarder;
pub use handover::{HandoverError, Inherited, Predecessor, hand_over};
pub use header_block::HeaderLimits;
pub use listener::{Census, Certificate, Ending, ListenError, Listener, Manner, Service};
pub use module::{FaregateModule, FollowIssuers};
pub use overload::{Capacity, Overload};
pub use proxy::Proxy;
pub use quotas::{Left, Quotas, Rate, UsedUp};
pub use rate_limits::RateLimits;
pub use request_id::RequestId;
pub use run::{H2Limits, start_admin};
pub use upstream::{HealthSettings, ServerSettings, TlsFileError, TlsSettings, Upstream, UpstreamSettings};
pub use validity::{Validity, certificate_validity};

use http::HeaderName;

use crate::browsers::{Browsers, Entrance};
use crate::config::{Network, PublicUrl, Timeouts, WebSocket};
use crate::enforce::{Destination, Enforcer, Guard, Minter};
use crate::metrics::{Metrics, RouteMetrics};
use crate::route::{Host, RouteTable};
use crate::telemetry::{DecisionLog, Tracer};

/// The gateway that the next request begins with. Another one takes its place when the configuration changes; requests that
/// have begun end with the one that they have.
pub type Current = ArcSwap<Gateway>;

/// Everything the phases need, made of one configuration and shared by every connection.
pub struct Gateway {
    pub routes: Arc<RouteTable<Arc<Route>>>,
    /// No upstream of a route speaks HTTP/2.
    pub speaks_only_http1: bool,
    pub enforcer: Arc<Enforcer>,
    pub forwarder: Forwarder,
    /// Answers our own paths.
    pub embedded: Embedded,
    pub limits: RequestLimits,
    /// Makes what upstreams are told of their callers.
    pub minter: Minter,
    /// What resources are called by.
    pub public_url: PublicUrl,
    pub trusted_proxies: Vec<Network>,
    /// In which field trusted proxies tell the client certificate, if they do (rule H8).
    pub certificate_field: Option<HeaderName>,
    /// Who signs the certificates that are told of there, if anybody is believed to (RFC 8705 2.1).
    pub authorities: Option<Authorities>,
    /// The only hosts that are served, when every route names its hosts (rule M6).
    pub hosts: Option<Vec<Host>>,
    pub metrics: Arc<Metrics>,
    /// The handles for requests that no route is for.
    pub unmatched: RouteMetrics,
    pub decisions: Arc<DecisionLog>,
    /// People who logged in.
    pub browsers: Arc<Browsers>,
    pub quotas: Arc<Quotas>,
    pub overload: Arc<Overload>,
    /// What only the admin listener has.
    pub administered: admin::Administered,
    /// `None`: nothing is traced.
    pub tracer: Option<Tracer>,
}

/// Bounds that are checked once a request is understood. Rules N2, N3.
#[derive(Clone, Debug)]
pub struct RequestLimits {
    /// Bytes of the request target, for HTTP/2, where no header block is read by us.
    pub uri_size: usize,
    pub header_fields: usize,
    /// Bytes of a body for the embedded service.
    pub embedded_body: usize,
    pub pace: PaceLimits,
    /// For an answer that the client does not take.
    pub send_timeout: Duration,
}

/// A guarded way to an upstream.
pub struct Route {
    /// The pattern, as a label.
    pub name: Box<str>,
    /// Where it stands in the configuration.
    pub line: u32,
    pub guard: Guard,
    /// Empty means every host.
    pub hosts: Vec<Host>,
    /// What clients are told of it; `None` where nothing is published.
    pub resource: Option<resources::Resource>,
    /// Whether the route is for some hosts only.
    pub names_hosts: bool,
    /// `None`: another gateway serves what is decided on here.
    pub upstream: Option<Arc<Upstream>>,
    /// Replace the upstream's own.
    pub timeouts: Timeouts,
    /// Bytes of a request body.
    pub max_body: u64,
    pub forward_authorization: bool,
    pub websocket: WebSocket,
    /// Whether tunnels and event streams end with the token that they were opened with (rule M11).
    pub ends_with_token: bool,
    /// Pages of other origins that may call it.
    pub cors: Option<Cors>,
    /// How often it may be called, and by whom.
    pub limits: Option<RateLimits>,
    /// For whom a token of our own is made; `None` where the upstream gets none.
    pub destination: Option<Arc<Destination>>,
    pub metrics: RouteMetrics,
    /// `None` as the upstream.
    pub upstream_duration: Option<prometheus::Histogram>,
    /// Where people are led who come without a token.
    pub login: Option<Entrance>,
}

impl Gateway {
    fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// Whether requests for `host` (without port) are for us at all.
    fn serves(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|own| own.matches(host)))
    }
}

impl RefusalLog for Metrics {
    fn refused(&self, refusal: header_block::Refusal, request_id: &str) {
        self.refused_headers.with_label_values(&[refusal.as_str()]).inc();
        tracing::debug!(request.id = request_id, refusal = refusal.as_str(), "a header block was refused");
    }

    fn full(&self, limit: listener::Limit) {
        self.shed.with_label_values(&["connection", limit.as_str()]).inc();
        tracing::debug!(limit = limit.as_str(), "a connection was closed: there are as many as may be");
    }

    fn flooded(&self) {
        self.shed.with_label_values(&["connection", "frames"]).inc();
        tracing::debug!("a connection was left: it sends frames that lead to nothing");
    }
}
