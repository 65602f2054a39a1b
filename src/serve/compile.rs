//! Checked configuration to the values that the gateway runs on.
//!
//! Owns the translation, nothing else: what is legal was checked by `config`, what it means is decided by `gateway`.

use std::net::SocketAddr;
use std::sync::Arc;

use super::StartError;
use crate::browsers::{Entrance, Login};
use crate::config::{self, Config, Target};
use crate::enforce::{Accepted, Destination, Guard, scopes_of};
use crate::gateway::resources::Resource;
use crate::gateway::{
    ConnectionLimits, Cors, HeaderLimits, HealthSettings, PaceLimits, Quotas, RateLimits, RequestLimits, Route,
    ServerSettings, TlsSettings, Upstream, UpstreamSettings,
};
use crate::library::demand;
use crate::metrics::Metrics;
use crate::route::{Host, RouteTable};

/// An upstream, and for whom a token of our own is made if it gets one.
type Leading = (Arc<Upstream>, Option<Arc<Destination>>);

/// One upstream; `echo` is where the built-in one listens, if any wants it. `tls` is what [`tls`] read.
pub(super) fn upstream(
    upstream: &config::Upstream,
    tls: Option<TlsSettings>,
    echo: Option<SocketAddr>,
    metrics: &Metrics,
) -> Arc<Upstream> {
    let settings = settings(upstream, tls, echo);
    let servers: Vec<String> = settings.servers.iter().map(ServerSettings::label).collect();
    let metrics = metrics.servers(&settings.name, servers.iter().map(String::as_str));
    Arc::new(Upstream::new(settings, metrics))
}

/// The files that an upstream's TLS needs, as they are now.
///
/// # Errors
/// [`StartError::UpstreamTls`] when one that was there for the check is not any more.
pub(super) fn tls(upstream: &config::Upstream) -> Result<Option<TlsSettings>, StartError> {
    match &upstream.target {
        Target::Servers { tls, .. } => Ok(tls.as_ref().map(TlsSettings::read).transpose()?),
        Target::Echo | Target::Elsewhere => Ok(None),
    }
}

fn settings(upstream: &config::Upstream, tls: Option<TlsSettings>, echo: Option<SocketAddr>) -> UpstreamSettings {
    let servers = match &upstream.target {
        Target::Servers { servers, tls } => {
            let servers = servers.iter().map(|server| ServerSettings {
                host: server.host.clone(),
                port: server.port,
                tls: tls.as_ref().map(|tls| tls.sni.clone().unwrap_or_else(|| server.host.clone())),
                weight: server.weight,
            });
            servers.collect()
        }
        Target::Echo => {
            let server = |echo: SocketAddr| ServerSettings {
                host: echo.ip().to_string(),
                port: echo.port(),
                tls: None,
                weight: 1,
            };
            echo.map(server).into_iter().collect()
        }
        Target::Elsewhere => Vec::new(),
    };
    UpstreamSettings {
        name: upstream.name.clone(),
        servers,
        timeouts: upstream.timeouts,
        http2: upstream.http2,
        tls,
        resilience: upstream.resilience.clone(),
        health: upstream.health.as_ref().map(|health| HealthSettings {
            path: Some(health.path.clone()),
            interval: health.interval_for,
            timeout: health.timeout_for,
            healthy_after: health.healthy_after,
            unhealthy_after: health.unhealthy_after,
            expect: Some(health.expect),
        }),
    }
}

/// The route table of the configuration.
///
/// # Errors
/// [`StartError::Routes`] when two routes match the same requests.
pub(super) fn routes(
    config: Vec<config::Route>,
    (upstreams, logins): (&[Leading], &[Arc<Login>]),
    (metrics, quotas): (&Metrics, &Arc<Quotas>),
) -> Result<RouteTable<Arc<Route>>, StartError> {
    let mut entries = Vec::new();
    for route in config {
        let hosts = hosts(&route);
        let pattern = route.pattern.clone();
        let route = Arc::new(compiled(route, (upstreams, logins), (metrics, quotas)));
        for host in hosts {
            entries.push((host, pattern.clone(), route.clone()));
        }
    }
    RouteTable::compile(entries).map_err(|conflict| StartError::Routes(conflict.to_string()))
}

/// `None` stands for every host.
fn hosts(route: &config::Route) -> Vec<Option<Host>> {
    if route.hosts.is_empty() { vec![None] } else { route.hosts.iter().cloned().map(Some).collect() }
}

fn compiled(
    route: config::Route,
    (upstreams, logins): (&[Leading], &[Arc<Login>]),
    (metrics, quotas): (&Metrics, &Arc<Quotas>),
) -> Route {
    // Who is where keeps what it has used when the configuration changes.
    let place = format!("{:?} {}", route.hosts, route.name);
    let exceeded = |limit: &str| metrics.rate_limited.with_label_values(&[route.name.as_str(), limit]);
    let login = route.login.map(|login| entrance(&route, &logins[login.0]));
    let (upstream, destination) = &upstreams[route.upstream.0];
    // One without servers is elsewhere.
    let upstream = Some(upstream).filter(|upstream| upstream.servers() > 0);
    let resource = resource(&route);
    let accepts = route.tokens.into_iter().map(|accepted| Accepted {
        issuer: accepted.issuer.0,
        audience: accepted.audience.into_iter().map(Into::into).collect(),
    });
    Route {
        login,
        line: route.line,
        guard: Guard {
            policy: route.policy,
            accepts: accepts.collect(),
            observes: route.observes,
            live_permissions: route.live_permissions,
            demand: demand(route.binding),
            dpop_nonce: route.dpop_nonce,
        },
        names_hosts: !route.hosts.is_empty(),
        timeouts: route.timeouts,
        max_body: route.max_body,
        forward_authorization: route.forward_authorization,
        destination: destination.clone(),
        websocket: route.websocket,
        ends_with_token: route.close_at_expiry,
        cors: route.cors.as_ref().map(Cors::new),
        limits: RateLimits::new(&route.limits, &place, quotas, exceeded),
        metrics: metrics.route(&route.name),
        upstream_duration: upstream.map(|upstream| metrics.upstream(upstream.name())),
        upstream: upstream.cloned(),
        hosts: route.hosts,
        resource,
        name: route.name.into(),
    }
}

/// What a route tells of itself: protected ones only, and unless the configuration says no.
fn resource(route: &config::Route) -> Option<Resource> {
    (route.resource_metadata && route.policy.asks_for_tokens()).then(|| Resource {
        issuers: route.tokens.iter().map(|accepted| accepted.issuer.0).collect(),
        scopes: scopes_of(&route.policy),
        binding: route.binding,
        has_hosts: !route.hosts.is_empty(),
    })
}

fn entrance(route: &config::Route, login: &Arc<Login>) -> Entrance {
    let name = |host: &Host| match host {
        Host::Exact(name) => Some(name.clone()),
        // Refused by the configuration.
        Host::Suffix(_) => None,
    };
    Entrance { login: login.clone(), hosts: route.hosts.iter().filter_map(name).collect() }
}

/// The hosts that are served at all, when every route names its own (rule M6); the authorization server's is one of them.
pub(super) fn known_hosts(config: &Config) -> Option<Vec<Host>> {
    if config.routes.is_empty() || config.routes.iter().any(|route| route.hosts.is_empty()) {
        return None;
    }
    let named = config.routes.iter().flat_map(|route| route.hosts.iter().cloned());
    let own = [Some(&config.public_url), config.mtls_url.as_ref()].into_iter().flatten();
    Some(named.chain(own.map(|url| Host::Exact(url.host().into()))).collect())
}

/// What routes with hosts of their own are called by, where a host is named in full.
pub(super) fn own_origins(config: &Config) -> Vec<String> {
    let scheme = if config.public_url.is_https() { "https" } else { "http" };
    let origin = |host: &Host| match host {
        Host::Exact(name) => Some(format!("{scheme}://{name}")),
        Host::Suffix(_) => None,
    };
    let mut origins: Vec<_> = config.routes.iter().flat_map(|route| &route.hosts).filter_map(origin).collect();
    origins.sort_unstable();
    origins.dedup();
    origins
}

pub(super) fn connection_limits(limits: &config::Limits, h2c: bool) -> ConnectionLimits {
    ConnectionLimits {
        header: HeaderLimits {
            block_size: limits.header_size,
            fields: limits.header_fields,
            uri_size: limits.uri_size,
        },
        header_timeout: limits.header_for,
        keep_alive: limits.keep_alive_for,
        requests: limits.requests_per_connection,
        send_timeout: limits.send_for,
        h2c,
    }
}

pub(super) fn request_limits(limits: &config::Limits) -> RequestLimits {
    RequestLimits {
        uri_size: limits.uri_size,
        header_fields: limits.header_fields,
        embedded_body: usize::try_from(limits.oauth_body).unwrap_or(usize::MAX),
        pace: PaceLimits { pause: limits.body_for, rate: limits.body_rate },
        send_timeout: limits.send_for,
    }
}

/// For whom tokens of our own are made, in the order of the upstreams.
pub(super) fn destinations(config: &Config) -> Vec<Option<Arc<Destination>>> {
    let destination = |jwt: config::ForwardedJwt| {
        let lives_for = i64::try_from(jwt.lives_for.as_secs()).unwrap_or(i64::MAX);
        Arc::new(Destination { header: jwt.header, audience: jwt.audience.into(), lives_for })
    };
    config.upstreams.iter().map(|upstream| config.forward.jwt.of(upstream).map(destination)).collect()
}
