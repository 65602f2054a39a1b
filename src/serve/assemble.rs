//! A checked configuration becomes a gateway: at the start, and whenever the configuration changes.
//!
//! Owns what is made anew for every configuration. What outlives them is in [`Standing`]; nothing that runs is touched.

use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::issuers::{Believed, Foreign, Incoming, names};
use super::{Opened, StartError, adapters, compile};
use crate::api::Management;
use crate::config::{Config, Target};
use crate::enforce::{Enforcer, Pseudonyms, TokenCache};
use crate::gateway::resources::Resources;
use crate::gateway::{self, Forwarder, Gateway, Upstream, admin};
use crate::metrics::Metrics;
use crate::oauth::{AuthorizationServer, KeyRing};
use crate::telemetry::{self, DecisionLog, Exporting};
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
}

/// What keeps a gateway's upstreams and issuers up to date. It ends when this is dropped.
pub(super) struct Made {
    _upstreams: Vec<JoinSet<()>>,
    _foreign: JoinSet<()>,
    exporting: Option<Exporting>,
}

/// How long the end waits for a collector.
const LAST_SPANS: Duration = Duration::from_secs(2);

impl Made {
    /// Ends it, after what waits for a collector was sent.
    pub(super) async fn finish(mut self) {
        if let Some(exporting) = self.exporting.take() {
            exporting.finish(LAST_SPANS).await;
        }
    }
}

/// Makes the gateway of `config`, whose routes are taken out of it. `listening` says where it will be asked.
///
/// # Errors
/// [`StartError`] when routes do not fit together or the system refuses a socket.
pub(super) async fn assemble(
    config: &mut Config,
    standing: &Standing,
    believed: Believed,
    listening: &[(SocketAddr, bool)],
) -> Result<(Gateway, Made), StartError> {
    let Standing { opened, keys, metrics, .. } = standing;
    // A key that nobody needed before is there before it is needed.
    keys.forward_with(super::forwarded_algorithm(config));
    keys.provide().await.map_err(StartError::from)?;
    let public_url = super::public_url(config, listening);
    let upstreams = upstreams(config, metrics).await?;
    let destinations = compile::destinations(config);
    let pseudonyms = Pseudonyms::new(&keys.derived_key(b"faregate pseudonyms"));
    let cache = TokenCache::with_forwarded(config.token_cache.size, destinations.iter().flatten().count());
    let enforcer = Enforcer::new(believed.issuers, cache, opened.clock.clone(), pseudonyms);
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
        upstreams: upstreams.iter().filter(|upstream| upstream.servers() > 0).cloned().collect(),
        management,
        revocations: incoming.revocations,
    };
    let hosts = compile::known_hosts(config);
    let traces = config.tracing.as_ref().map(|settings| telemetry::start_traces(settings, metrics)).transpose();
    let (tracer, exporting) = traces.map_err(|error| StartError::Collector(error.to_string()))?.unzip();
    let destinations: Vec<_> = upstreams.iter().cloned().zip(destinations).collect();
    let routes = Arc::new(compile::routes(mem::take(&mut config.routes), &destinations, metrics)?);
    let resources = Arc::new(Resources {
        routes: routes.clone(),
        public_url: public_url.clone(),
        issuer_at: names(believed.names, keys),
    });
    let forwarded = Arc::new(adapters::forwarded_keys(keys, &public_url, super::forwarded_algorithm(config)));
    let gateway = Gateway {
        forwarder: Forwarder::new(&config.forward),
        limits: compile::request_limits(&config.limits),
        trusted_proxies: config.trusted_proxies.clone(),
        hosts,
        unmatched: metrics.route("-"),
        decisions: standing.decisions.clone(),
        tracer,
        embedded: adapters::embedded(
            (standing.web.clone(), keys.dialects_in_use().clone()),
            (public_management, incoming.logouts, (resources, forwarded)),
            metrics.clone(),
        ),
        routes,
        minter: adapters::minter(keys, &public_url, opened),
        public_url,
        enforcer: Arc::new(enforcer.with_revocations(opened.revocations.clone())),
        metrics: metrics.clone(),
        administered,
    };
    let mut foreign = JoinSet::new();
    super::issuers::follow(believed.foreign, &standing.forget, &mut foreign);
    let watched = upstreams.iter().map(Upstream::watch).collect();
    Ok((gateway, Made { _upstreams: watched, _foreign: foreign, exporting }))
}

/// The issuers that routes may accept, the default tenant's first.
pub(super) fn issuers(keys: &KeyRing, foreign: &[Foreign]) -> Vec<String> {
    let own = keys.issuers().iter().map(|issuer| issuer.issuer.to_string()).collect::<Vec<_>>();
    own.into_iter().chain(foreign.iter().map(|foreign| foreign.url.clone())).collect()
}

async fn upstreams(config: &Config, metrics: &Metrics) -> Result<Vec<Arc<Upstream>>, StartError> {
    let wants_echo = config.upstreams.iter().any(|upstream| matches!(upstream.target, Target::Echo));
    let echo = if wants_echo { Some(gateway::echo::start().await?) } else { None };
    let upstreams = compile::upstreams(config, echo);
    for (upstream, settings) in upstreams.iter().zip(&config.upstreams) {
        upstream.resolve().await;
        if matches!(&settings.target, Target::Servers { tls: Some(tls), .. } if !tls.verify) {
            metrics.insecure_upstreams.inc();
            tracing::warn!(
                upstream.name = upstream.name(),
                "the certificates of this upstream are not checked (insecure: true)"
            );
        }
    }
    Ok(upstreams)
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
