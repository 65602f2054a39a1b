//! The checked configuration: plain values that the gateway is compiled from.
//!
//! Owns the types. It reads no text and reports no problem: by the time these values exist, every rule has been checked.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use super::directory::Directory;
use super::problem::Problem;
use super::source::Source;
use super::tests::PolicyTest;
use crate::policy::Policy;
use crate::route::{Host, Pattern};
use crate::secret::Secret;

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
    /// `None`: no admin listener.
    pub admin: Option<SocketAddr>,
    pub store: StoreLocation,
    pub keys: Keys,
    /// In the order of the file; [`IssuerIndex`] points into it.
    pub issuers: Vec<Issuer>,
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
    pub directory: Directory,
    pub tests: Vec<PolicyTest>,
    /// What is usable but not safe, and notes.
    pub warnings: Vec<Problem>,
    /// For showing lines of the file.
    pub(super) source: Source,
}

/// One public listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Port 0 asks the operating system for a free one.
    pub address: SocketAddr,
    pub tls: Option<TlsFiles>,
    /// HTTP/2 without TLS, by prior knowledge; false on a TLS listener.
    pub h2c: bool,
}

/// PEM files; they were readable and belonged together when the configuration was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain, leaf first.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The one string that every document of the authorization server derives from: scheme and authority, no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    https: bool,
    host: String,
    port: Option<u16>,
}

impl PublicUrl {
    /// `host` without brackets if it is an IPv6 address; `port` only when it is not the scheme's own.
    pub(super) fn new(https: bool, host: &str, port: Option<u16>) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = port.filter(|port| *port != if https { 443 } else { 80 });
        let shown = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        let scheme = if https { "https" } else { "http" };
        let text = match port {
            Some(port) => format!("{scheme}://{shown}:{port}"),
            None => format!("{scheme}://{shown}"),
        };
        Self {
            text,
            https,
            host,
            port,
        }
    }

    /// For example `https://gate.example.com`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Lower case, without port and without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port if it is not the scheme's own.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The same URL with another port: for listeners that asked for a free one.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self::new(self.https, &self.host, Some(port))
    }
}

/// Where the store is.
#[derive(Clone, Debug)]
pub enum StoreLocation {
    Sqlite(PathBuf),
    /// Gone when the process ends: for development and tests.
    SqliteMemory,
    /// The URL, which may carry a password.
    Postgres(Secret<String>),
}

impl StoreLocation {
    /// The URL that the store opens. It may carry a password.
    pub fn url(&self) -> Secret<String> {
        match self {
            Self::Sqlite(path) => Secret::new(format!("sqlite://{}", path.display())),
            Self::SqliteMemory => Secret::new("sqlite::memory:".to_owned()),
            Self::Postgres(url) => url.clone(),
        }
    }
}

/// How signing keys are protected and rotated.
#[derive(Clone, Debug)]
pub struct Keys {
    pub master_key: MasterKey,
    /// A new key is published this long before its first use.
    pub publish_before_for: Duration,
    /// An old key stays published this long after its last use.
    pub keep_after_for: Duration,
}

/// The key that encrypts signing keys at rest.
#[derive(Clone, Debug)]
pub enum MasterKey {
    Value(Secret<String>),
    /// Created at the first start if it does not exist.
    File(PathBuf),
}

/// An index into [`Config::issuers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerIndex(pub usize);

/// An index into [`Config::upstreams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamIndex(pub usize);

/// An issuer whose tokens routes may accept: a tenant of the embedded authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub name: String,
    /// The tenant's name; `None` is the default tenant.
    pub tenant: Option<String>,
    /// Accepted by routes that name no audience of their own; empty accepts any audience.
    pub audience: Vec<String>,
}

/// A named set of servers that requests are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub name: String,
    pub target: Target,
    pub timeouts: Timeouts,
    /// Speak HTTP/2 to the servers.
    pub http2: bool,
    pub health: Option<HealthCheck>,
}

/// What answers behind an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// At least one server, all with or all without TLS.
    Servers {
        servers: Vec<Server>,
        tls: Option<UpstreamTls>,
    },
    /// `builtin:echo`: the gateway itself answers with what it would have sent.
    Echo,
}

/// One server: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Without brackets if it is an IPv6 address.
    pub host: String,
    pub port: u16,
}

/// TLS towards an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name that is asked for and verified; `None` is the server's own host name.
    pub sni: Option<String>,
    /// False only with `insecure: true`: neither chain nor name are verified.
    pub verify: bool,
}

/// Limits of time towards one upstream; a route may override them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect_for: Duration,
    pub read_for: Duration,
    pub write_for: Duration,
    /// How long an unused connection is kept.
    pub idle_for: Duration,
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
    /// Empty only on a public route.
    pub tokens: Vec<AcceptedIssuer>,
    pub timeouts: Timeouts,
    /// Bytes of request body.
    pub max_body: u64,
    /// The client's `Authorization` field is passed on to the upstream.
    pub forward_authorization: bool,
    /// `Upgrade: websocket` is passed on.
    pub websocket: bool,
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

/// Names of the header fields that carry the caller's identity upstream; `None` leaves one out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    pub subject: Option<HeaderName>,
    pub client: Option<HeaderName>,
    pub tenant: Option<HeaderName>,
    pub issuer: Option<HeaderName>,
    pub scope: Option<HeaderName>,
    pub roles: Option<HeaderName>,
    /// A JSON object: target entity to permissions.
    pub permissions: Option<HeaderName>,
    pub request_id: Option<HeaderName>,
}

/// A range of addresses in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// `None` if the prefix is longer than the address, or if bits after the prefix are set.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let network = Self { address, prefix };
        let (bits, width) = bits(address);
        (prefix <= width && bits & !network.mask(width) == 0).then_some(network)
    }

    /// IPv4 addresses mapped into IPv6 count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let (own, width) = bits(self.address);
        let (other, other_width) = bits(address);
        width == other_width && own == other & self.mask(width)
    }

    fn mask(&self, width: u8) -> u128 {
        let host_bits = u32::from(width.saturating_sub(self.prefix));
        u128::MAX.checked_shl(host_bits).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

/// Hardening rules N1 to N5: what one peer may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a whole header block.
    pub header_for: Duration,
    /// For an idle HTTP/1 connection.
    pub keep_alive_for: Duration,
    pub requests_per_connection: u32,
    /// Bytes of one header block.
    pub header_size: usize,
    pub header_fields: usize,
    /// Bytes of the request target.
    pub uri_size: usize,
    /// Bytes of a body sent to the authorization server.
    pub oauth_body: u64,
    /// Bytes of a proxied request body; a route may override it.
    pub body: u64,
    pub connections: usize,
    pub connections_per_ip: usize,
    pub h2_streams: u32,
    /// Bytes of a decoded HTTP/2 header list.
    pub h2_header_list: u32,
    /// For an HTTP/2 connection without streams.
    pub h2_idle_for: Duration,
    /// Bytes of a token.
    pub token_size: usize,
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// One line per decision.
    pub decisions: bool,
    pub format: LogFormat,
    pub level: tracing::Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Requests in flight may take this long to end.
    pub grace_for: Duration,
}

/// The cache of verified tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCache {
    /// Bytes.
    pub size: u64,
}
