//! A checked configuration becomes a gateway: at the start, and whenever the configuration changes.
//!
//! Owns what is made anew for every configuration. What outlives them is in [`Standing`]; nothing that runs is touched.

use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::issuers::{Believed, Foreign, Identity, Incoming, names};
use super::logins::Logins;
use super::proofs::StoredProofs;
use super::{Opened, StartError, adapters, compile};
use crate::api::Management;
use crate::config::{self, Config, Fingerprint, Target};
use crate::enforce::{Enforcer, Issuer, Possession, Pseudonyms, TokenCache};
use crate::gateway::resources::Resources;
use crate::gateway::{self, Authorities, Forwarder, Gateway, Overload, Quotas, Upstream, admin};
use crate::jose::dpop::Nonces;
use crate::metrics::Metrics;
use crate::oauth::{AuthorizationServer, KeyRing};
use crate::telemetry::{self, DecisionLog, Exporting, Tracer};
use crate::web;

/// Makes the running gateway forget which tokens it verified.
pub(super) type Forget = Arc<dyn Fn() + Send + Sync>;

/// What stays while configurations come and go.
pub(super) struct Standing {
    pub opened: Arc<Opened>,
    pub keys: Arc<KeyRing>,
    pub metrics: Arc<Metrics>,
    pub server: Arc<AuthorizationServer>,
    /// The endpoints of `server`.
    pub web: web::Service,
    pub decisions: Arc<DecisionLog>,
    pub forget: Forget,
    /// Whoever has used up a limit has so after a change of the configuration too.
    pub quotas: Arc<Quotas>,
    pub overload: Arc<Overload>,
}

/// What was made for a configuration, as far as the next one may go on with it. Dropping it ends what keeps it up to date.
pub(super) struct Made {
    upstreams: Vec<Watched>,
    /// Where the built-in upstream listens, once one has asked for it.
    echo: Option<SocketAddr>,
    pub foreign: Vec<Foreign>,
    identities: Vec<Identity>,
    enforcer: Arc<Enforcer>,
    login_section: Option<Fingerprint>,
    logins: Logins,
    traces: Option<Traces>,
}

/// Where spans go, and the work of sending them.
#[derive(Clone)]
struct Traces {
    fingerprint: Option<Fingerprint>,
    tracer: Tracer,
    exporting: Arc<Exporting>,
}

/// How long the end waits for a collector.
const LAST_SPANS: Duration = Duration::from_secs(2);

impl Made {
    /// Sends what waits for a collector; nothing is traced after that.
    pub(super) async fn finish(&mut self) {
        if let Some(exporting) = self.traces.take().and_then(|traces| Arc::into_inner(traces.exporting)) {
            exporting.finish(LAST_SPANS).await;
        }
    }
}

/// An upstream with its connections, its health, and who looks after it.
struct Watched {
    fingerprint: Option<Fingerprint>,
    is_insecure: bool,
    upstream: Arc<Upstream>,
    watching: Arc<JoinSet<()>>,
}

/// Makes the gateway of `config`, whose routes are taken out of it, from what was made `before` as far as that is the same.
/// `listening` says where it will be asked.
///
/// # Errors
/// [`StartError`] when routes do not fit together or the system refuses a socket.
pub(super) async fn assemble(
    config: &mut Config,
    standing: &Standing,
    believed: Believed,
    listening: &[(SocketAddr, bool)],
    before: Option<&Made>,
) -> Result<(Gateway, Made), StartError> {
    let Standing { opened, keys, metrics, .. } = standing;
    // A key that nobody needed before is there before it is needed.
    keys.forward_with(super::forwarded_algorithm(config));
    keys.provide().await.map_err(StartError::from)?;
    let public_url = super::public_url(config, listening);
    let mut echo = before.and_then(|before| before.echo);
    let watched = upstreams(config, &mut echo, before.map_or(&[], |before| &before.upstreams), metrics).await?;
    let upstreams: Vec<_> = watched.iter().map(|watched| watched.upstream.clone()).collect();
    let login_section = config.parts.section("logins");
    // Who is believed, and where people log in, goes on with all that it remembers if it is configured as before.
    let same = before.filter(|before| before.identities == believed.identities);
    let logins = match same.filter(|before| before.login_section == login_section) {
        Some(before) => before.logins.clone(),
        None => Logins::new(config, standing, &believed, listening)?,
    };
    let enforcer = match same {
        Some(before) => before.enforcer.clone(),
        None => Arc::new(enforcer(config, standing, believed.issuers, before)),
    };
    let incoming = Incoming::new(config, opened, (&believed.foreign, believed.tenants), (keys, metrics));
    let management = adapters::management(Management::new(
        opened.directory.clone(),
        standing.server.clone(),
        opened.events.clone(),
        config.management.api_key.as_ref(),
    ));
    let public_management = config.management.is_public.then(|| management.clone());
    let administered = admin::Administered {
        configuration: described(config, listening, issuers(keys, &believed.foreign)),
        certificates: certificates(config, listening),
        upstreams: upstreams.iter().filter(|upstream| upstream.servers() > 0).cloned().collect(),
        management,
        revocations: incoming.revocations,
    };
    let hosts = compile::known_hosts(config);
    let traces = traces(config, metrics, before.and_then(|before| before.traces.as_ref()))?;
    let destinations: Vec<_> = upstreams.iter().cloned().zip(compile::destinations(config)).collect();
    let routes = Arc::new(compile::routes(
        mem::take(&mut config.routes),
        (&destinations, &logins.logins),
        (metrics, &standing.quotas),
    )?);
    let resources = Arc::new(Resources {
        routes: routes.clone(),
        public_url: public_url.clone(),
        issuer_at: names(believed.names, keys),
    });
    let forwarded = Arc::new(adapters::forwarded_keys(keys, &public_url, super::forwarded_algorithm(config)));
    let authorities = config.client_certificate_ca.as_deref().map(Authorities::load).transpose()?;
    let gateway = Gateway {
        authorities,
        forwarder: Forwarder::new(&config.forward, config.client_certificate_header.as_ref()),
        certificate_field: config.client_certificate_header.clone(),
        limits: compile::request_limits(&config.limits),
        trusted_proxies: config.trusted_proxies.clone(),
        hosts,
        unmatched: metrics.route("-"),
        decisions: standing.decisions.clone(),
        tracer: traces.as_ref().map(|traces| traces.tracer.clone()),
        embedded: adapters::embedded(
            (standing.web.clone(), keys.dialects_in_use().clone()),
            (public_management, incoming.logouts, logins.paths.clone()),
            (resources, forwarded),
            metrics.clone(),
        ),
        speaks_only_http1: !upstreams.iter().any(|upstream| upstream.speaks_http2()),
        routes,
        minter: adapters::minter(keys, &public_url, opened),
        public_url,
        browsers: logins.browsers.clone(),
        enforcer: enforcer.clone(),
        metrics: metrics.clone(),
        quotas: standing.quotas.clone(),
        overload: standing.overload.clone(),
        administered,
    };
    let Believed { foreign, identities, .. } = believed;
    Ok((gateway, Made { upstreams: watched, echo, foreign, identities, enforcer, login_section, logins, traces }))
}

impl Made {
    /// Says in the metrics what is running, and nothing of what was only `before`.
    pub(super) fn show(&self, metrics: &Metrics, before: Option<&Self>) {
        let insecure = self.upstreams.iter().filter(|watched| watched.is_insecure).count();
        metrics.insecure_upstreams.set(i64::try_from(insecure).unwrap_or(i64::MAX));
        let Some(before) = before else { return };
        let names: Vec<&str> = self.upstreams.iter().map(|watched| watched.upstream.name()).collect();
        for gone in before.upstreams.iter().map(|watched| watched.upstream.name()) {
            if !names.contains(&gone) {
                // It may never have been shown.
                let _ = metrics.healthy_servers.remove_label_values(&[gone]);
            }
        }
        for gone in before.foreign.iter().filter(|gone| !self.foreign.iter().any(|own| own.name == gone.name)) {
            let _ = metrics.jwks_age.remove_label_values(&[&gone.name]);
        }
    }
}

/// The same as `before` if that is configured in the same way.
fn traces(config: &Config, metrics: &Metrics, before: Option<&Traces>) -> Result<Option<Traces>, StartError> {
    let Some(settings) = &config.tracing else { return Ok(None) };
    let fingerprint = config.parts.section("tracing");
    if let Some(same) = before.filter(|before| before.fingerprint == fingerprint) {
        return Ok(Some(same.clone()));
    }
    let started = telemetry::start_traces(settings, metrics);
    let (tracer, exporting) = started.map_err(|error| StartError::Collector(error.to_string()))?;
    Ok(Some(Traces { fingerprint, tracer, exporting: Arc::new(exporting) }))
}

/// With a cache of its own: what it remembers is filed under the places of its issuers.
fn enforcer(config: &Config, standing: &Standing, issuers: Vec<Arc<dyn Issuer>>, before: Option<&Made>) -> Enforcer {
    let pseudonyms = Pseudonyms::new(&standing.keys.derived_key(b"faregate pseudonyms"));
    let destinations = compile::destinations(config).iter().flatten().count();
    let cache = TokenCache::with_forwarded(config.token_cache.size, destinations);
    let opened = &standing.opened;
    let enforcer = Enforcer::new(issuers, cache, opened.clock.clone(), pseudonyms);
    let enforcer = enforcer.with_revocations(opened.revocations.clone());
    let memory = Arc::new(StoredProofs(opened.store.clone()));
    let nonces = Nonces::new(&standing.keys.derived_key(b"faregate gate nonces"));
    let enforcer =
        enforcer.with_possession(Possession::new(Some(standing.keys.settings().public_url.as_str()), memory, nonces));
    match before {
        Some(before) => enforcer.counting_from(before.enforcer.cache_counts()),
        None => enforcer,
    }
}

/// The issuers that routes may accept, the default tenant's first.
pub(super) fn issuers(keys: &KeyRing, foreign: &[Foreign]) -> Vec<String> {
    let own = keys.issuers().iter().map(|issuer| issuer.issuer.to_string()).collect::<Vec<_>>();
    own.into_iter().chain(foreign.iter().map(|foreign| foreign.url.clone())).collect()
}

/// In the order of the configuration.
async fn upstreams(
    config: &Config,
    echo: &mut Option<SocketAddr>,
    before: &[Watched],
    metrics: &Metrics,
) -> Result<Vec<Watched>, StartError> {
    let wants_echo = config.upstreams.iter().any(|upstream| matches!(upstream.target, Target::Echo));
    if wants_echo && echo.is_none() {
        *echo = Some(gateway::echo::start().await?);
    }
    let mut upstreams = Vec::with_capacity(config.upstreams.len());
    // All at once: a name that does not resolve takes seconds to say so.
    let mut resolving = JoinSet::new();
    for settings in &config.upstreams {
        let fingerprint = config.parts.entry("upstreams", &settings.name);
        let tls = compile::tls(settings)?;
        let same = |watched: &&Watched| {
            let upstream = &watched.upstream;
            upstream.name() == settings.name && watched.fingerprint == fingerprint && upstream.has_tls(tls.as_ref())
        };
        if let Some(known) = before.iter().find(same) {
            upstreams.push(known.again());
            continue;
        }
        let upstream = compile::upstream(settings, tls, *echo, metrics);
        let new = upstream.clone();
        resolving.spawn(async move { new.resolve().await });
        let is_insecure = matches!(&settings.target, Target::Servers { tls: Some(tls), .. } if !tls.verify);
        if is_insecure {
            tracing::warn!(
                upstream.name = upstream.name(),
                "the certificates of this upstream are not checked (insecure: true)"
            );
        }
        let watching = Arc::new(upstream.watch());
        upstreams.push(Watched { fingerprint, is_insecure, upstream, watching });
    }
    resolving.join_all().await;
    Ok(upstreams)
}

impl Watched {
    /// The same upstream, for another gateway.
    fn again(&self) -> Self {
        let (upstream, watching) = (self.upstream.clone(), self.watching.clone());
        Self { upstream, watching, ..*self }
    }
}

/// Of the listeners that speak TLS, by their URLs: when the first certificate of the chain ends.
fn certificates(config: &Config, listening: &[(SocketAddr, bool)]) -> Vec<(String, i64)> {
    let pairs = config.listen.iter().zip(listening);
    let end = |(listener, (address, _)): (&config::Listener, &(SocketAddr, bool))| {
        let tls = listener.tls.as_ref()?;
        // It was read a moment ago, and the handshakes use what was read then.
        let ends_at = gateway::certificate_validity(&tls.certificate).ok().flatten()?.ends_at;
        Some((format!("https://{address}"), ends_at))
    };
    pairs.filter_map(end).collect()
}

fn described(config: &Config, listening: &[(SocketAddr, bool)], issuers: Vec<String>) -> admin::Configuration {
    let url = |(address, tls): &(SocketAddr, bool)| format!("{}://{address}", if *tls { "https" } else { "http" });
    admin::Configuration {
        source: config.path.display().to_string(),
        hash: config.hash.clone(),
        listeners: listening.iter().map(url).collect(),
        issuers,
        routes: config.routes.len(),
    }
}
