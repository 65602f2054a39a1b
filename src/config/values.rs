//! The checked configuration, its upstreams and routes: plain values that the gateway is compiled from.
//!
//! Owns the types; those of the other sections are in their files. It reads no text and reports no problem: by the time these values exist, every rule has been checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use super::binding::Binding;
use super::cors::Cors;
use super::forward::Forward;
use super::forwarded_jwt::JwtWish;
use super::issuers::{Issuer, IssuerIndex};
use super::keys::Keys;
use super::limits::Limits;
use super::listen::{KeyPair, Listener};
use super::logins::{Login, LoginIndex};
use super::management::ManagementApi;
use super::network::Network;
use super::parts::Parts;
use super::problem::Problem;
use super::process::{Log, Shutdown, TokenCache};
use super::public_url::PublicUrl;
use super::rate_limit::RateLimit;
use super::resilience::Resilience;
use super::source::Source;
use super::store::StoreLocation;
use super::tests::PolicyTest;
use super::traces::Tracing;
use super::websocket::WebSocket;
use crate::directory::declare::Declaration;
use crate::policy::Policy;
use crate::route::{Host, Pattern};

/// A whole configuration file, checked. Relative paths in it have been resolved against the file's folder.
#[derive(Debug)]
pub struct Config {
    /// The file it was read from, as given.
    pub path: PathBuf,
    /// SHA-256 in hexadecimal of the text and of every value that was interpolated into it.
    pub hash: String,
    /// At least one.
    pub listen: Vec<Listener>,
    pub public_url: PublicUrl,
    /// Where clients are asked for certificates, if not there.
    pub mtls_url: Option<PublicUrl>,
    /// `None`: no admin listener.
    pub admin: Option<SocketAddr>,
    pub management: ManagementApi,
    pub store: StoreLocation,
    pub keys: Keys,
    /// In the order of the file; [`IssuerIndex`] points into it.
    pub issuers: Vec<Issuer>,
    /// In the order of the file; [`LoginIndex`] points into it.
    pub logins: Vec<Login>,
    /// In the order of the file; [`UpstreamIndex`] points into it.
    pub upstreams: Vec<Upstream>,
    pub routes: Vec<Route>,
    pub forward: Forward,
    pub trusted_proxies: Vec<Network>,
    pub limits: Limits,
    pub log: Log,
    /// Worker threads of the proxy.
    pub threads: usize,
    pub shutdown: Shutdown,
    pub token_cache: TokenCache,
    /// What the store shall hold.
    pub directory: Declaration,
    /// The field in which trusted proxies tell the client certificate.
    pub client_certificate_header: Option<HeaderName>,
    /// PEM file of those who sign the certificates that are told of there.
    pub client_certificate_ca: Option<PathBuf>,
    pub tests: Vec<PolicyTest>,
    /// Whether the file is read again by itself when it changes.
    pub watch: bool,
    /// For comparing it with another one.
    pub parts: Parts,
    /// `None`: nothing is traced.
    pub tracing: Option<Tracing>,
    /// What is usable but not safe, and notes.
    pub warnings: Vec<Problem>,
    /// For showing lines of the file.
    pub(super) source: Source,
}

/// An index into [`Config::upstreams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamIndex(pub usize);

/// A named set of servers that requests are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub name: String,
    pub target: Target,
    pub timeouts: Timeouts,
    /// Speak HTTP/2 to the servers.
    pub http2: bool,
    pub health: Option<HealthCheck>,
    pub resilience: Resilience,
    /// What it says of the token of our own that it gets.
    pub jwt: JwtWish,
}

/// What answers behind an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// At least one server, all with or all without TLS.
    Servers { servers: Vec<Server>, tls: Option<UpstreamTls> },
    /// `builtin:echo`: the gateway itself answers with what it would have sent.
    Echo,
    /// `builtin:elsewhere`: another gateway serves it, after asking whether it may.
    Elsewhere,
}

/// One server: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Without brackets if it is an IPv6 address.
    pub host: String,
    pub port: u16,
    /// How many requests it gets for one that a server of weight 1 gets.
    pub weight: u32,
}

/// TLS towards an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name that is asked for and verified; `None` is the server's own host name.
    pub sni: Option<String>,
    /// False only with `insecure: true`: neither chain nor name are verified.
    pub verify: bool,
    /// Whose certificates are believed, in PEM; `None`: those whom the system believes.
    pub ca: Option<PathBuf>,
    /// What the gateway shows to servers that ask.
    pub client: Option<KeyPair>,
}

/// Limits of time towards one upstream; a route may override them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect_for: Duration,
    pub read_for: Duration,
    pub write_for: Duration,
    /// How long an unused connection is kept.
    pub idle_for: Duration,
    /// From the first attempt to the end of the answer; `None`: as long as something comes.
    pub total_for: Option<Duration>,
}

/// How servers are probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    pub path: String,
    pub interval_for: Duration,
    pub timeout_for: Duration,
    /// Successes in a row that make a server healthy.
    pub healthy_after: u32,
    /// Failures in a row that make a server unhealthy.
    pub unhealthy_after: u32,
    /// The status that counts as success.
    pub expect: u16,
}

/// One protected (or public) route. Everything that `extends` inherits has been filled in.
#[derive(Debug)]
pub struct Route {
    /// The pattern as written: the metric label.
    pub name: String,
    pub pattern: Pattern,
    /// Empty means every host.
    pub hosts: Vec<Host>,
    pub upstream: UpstreamIndex,
    pub policy: Policy,
    /// No token is asked for.
    pub public: bool,
    /// What would be refused is only counted and logged.
    pub observes: bool,
    /// Permissions count as they are granted now, and not as a token has them.
    pub live_permissions: bool,
    /// Empty only on a public route.
    pub tokens: Vec<AcceptedIssuer>,
    pub timeouts: Timeouts,
    /// Bytes of request body.
    pub max_body: u64,
    /// The client's `Authorization` field is passed on to the upstream.
    pub forward_authorization: bool,
    /// `Upgrade: websocket` is passed on.
    pub websocket: WebSocket,
    /// Tunnels and event streams end with the token that they were opened with.
    pub close_at_expiry: bool,
    /// Clients are told who issues tokens for it (RFC 9728).
    pub resource_metadata: bool,
    /// Where people are sent who come without a token.
    pub login: Option<LoginIndex>,
    /// What tokens must be bound to; `None`: to nothing.
    pub binding: Option<Binding>,
    /// DPoP proofs must have a nonce of ours.
    pub dpop_nonce: bool,
    /// Pages of other origins that may call it.
    pub cors: Option<Cors>,
    /// How often it may be called, and by whom.
    pub limits: Vec<RateLimit>,
    /// Line of the route in the file, from 1.
    pub line: u32,
}

/// An issuer that a route accepts, and for which audiences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedIssuer {
    pub issuer: IssuerIndex,
    /// One of these must be in `aud`; empty accepts any audience.
    pub audience: Vec<String>,
}
