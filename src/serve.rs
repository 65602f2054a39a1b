//! The composition root: a checked configuration becomes a running gateway. The only place where parts are wired.
//!
//! Owns the order of the start, the background work and the drain at the end. It holds no rule of its own.

mod adapters;
mod assemble;
mod background;
mod calls;
mod compile;
mod dashboard;
mod error;
mod following;
mod issuers;
mod live;
mod logins;
mod logouts;
mod offline;
mod online;
mod open;
mod proofs;
mod revocations;
mod tidying;
mod vitals;
mod watching;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use assemble::{Forget, Standing, assemble};
use background::Background;
pub use calls::ManagementCalls;
pub use error::StartError;
use live::State;
pub use live::{Applied, Live, ReloadError};
pub use offline::{Offline, Verdict, Verified, binding_fault, is_own_path, serves, verdicts};
pub use online::probe;
pub use open::{Opened, Unready};

use crate::config::{self, Config, PublicUrl, StoreLocation};
use crate::directory::Directory;
use crate::gateway::{
    self, Capacity, Census, Certificate, Current, Doors, Ending, H2Limits, HandoverError, Inherited, Listener, Manner,
    Overload, Prepared, Wanted, admin,
};
use crate::jose::Algorithm;
use crate::metrics::Metrics;
use crate::oauth::{AuthorizationServer, Dependencies, KeyRing, Settings};
use crate::secret::Secret;
use crate::telemetry::{self, DecisionLog};
use crate::web;

/// How long a new process may take until it answers requests.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(60);

/// How long connections that wait for a request are kept when another process has taken over.
const LINGER: Duration = Duration::from_secs(10);

/// How long an answer of the admin listener may take at the end.
const ADMIN_LINGER: Duration = Duration::from_secs(1);

/// A gateway that answers requests. What it says of itself is what it was started with.
pub struct Running {
    /// Where it listens, and whether with TLS.
    pub listeners: Vec<(SocketAddr, bool)>,
    pub admin: Option<SocketAddr>,
    /// The issuers that routes may accept, the default tenant's first.
    pub issuers: Vec<String>,
    pub tenant_id: Uuid,
    /// The configuration file.
    pub source: String,
    pub hash: String,
    /// The kind of store, without credentials.
    pub store: &'static str,
    pub is_ephemeral: bool,
    /// Where the first person introduces themselves, as long as there is nobody and no key in the configuration (L14).
    pub setup: Option<Secret<String>>,
    live: Arc<Live>,
    opened: Arc<Opened>,
    background: Background,
    admin_listener: Option<(SocketAddr, Listener)>,
    admin_census: Option<Arc<Census>>,
    shutdown: watch::Sender<bool>,
    idle: watch::Sender<bool>,
}

/// Starts logging as the configuration says; only the first call in a process counts.
///
/// # Errors
/// When the system gives no thread for it.
pub fn start_logging(log: &config::Log) -> std::io::Result<()> {
    let format = match log.format {
        config::LogFormat::Json => telemetry::Format::Json,
        config::LogFormat::Pretty => telemetry::Format::Pretty,
    };
    telemetry::start(format, log.level)
}

/// Waits until what was logged is written, but not for long: to be called before the process ends.
pub fn finish_logging() {
    telemetry::finish();
}

/// Starts the gateway of `config` on the current runtime. When it returns, requests are answered.
///
/// # Errors
/// [`StartError`]: one line that names the thing and the fix. Nothing listens then.
pub async fn start(config: Config) -> Result<Running, StartError> {
    start_on(config, &Inherited::default()).await
}

/// The same, on sockets that somebody else opened, as far as they are those that the configuration names.
///
/// # Errors
/// [`StartError`], as [`start`].
pub async fn start_on(mut config: Config, inherited: &Inherited) -> Result<Running, StartError> {
    // 1. Sockets first: a port in use ends the start before anything is written.
    let doors = Prepared::bind(wanted(&config)?, inherited)?;
    let admin_listener = match config.admin {
        Some(address) => Some((address, Listener::bind(address, inherited)?)),
        None => None,
    };
    let listening = doors.addresses();
    let public_url = public_url(&config, &listening);
    // 2. The store, the declared objects, the keys.
    let opened = Arc::new(Opened::open(&config).await?);
    opened.declare(&config).await?;
    let keys = key_ring(&config, &opened, &public_url).await?;
    // 3. Who is believed. Keys are made once nothing in the store speaks against the start.
    let metrics = Arc::new(Metrics::new());
    opened.directory.count_logins(metrics.logins.clone());
    let current = Arc::new(OnceLock::<Arc<Current>>::new());
    let forget = forgetting(&current);
    let believed = issuers::believed(&config, &opened, (&keys, &metrics), Some(&forget), &[]).await?;
    keys.provide().await.map_err(StartError::from)?;
    // What was revoked before is refused from the first request on.
    revocations::load(&*opened.store, &opened.revocations, opened.clock.now()).await?;
    // 4. The gateway around them.
    let server = Arc::new(AuthorizationServer::new(Dependencies {
        directory: opened.directory.clone(),
        store: opened.store.clone(),
        keys: keys.clone(),
        revocations: opened.revocations.clone(),
        clock: opened.clock.clone(),
        entropy: opened.entropy.clone(),
    }));
    let census = Census::new(config.limits.connections, config.limits.connections_per_ip);
    let issuers = assemble::issuers(&keys, &believed.foreign);
    let tenant_id = keys.issuer(None).map(|issuer| issuer.tenant.id).unwrap_or_default();
    let (source, hash) = (config.path.display().to_string(), config.hash.clone());
    let (store, is_ephemeral) = (store_kind(&config.store), matches!(config.store, StoreLocation::SqliteMemory));
    let setup = match config.management.api_key {
        Some(_) => None,
        None => server.setup_link().await?,
    };
    let standing = Standing {
        opened: opened.clone(),
        keys: keys.clone(),
        metrics: metrics.clone(),
        web: web::Service::new(web::router(server.clone())),
        decisions: Arc::new(DecisionLog::start(config.log.decisions)?),
        forget: forget.clone(),
        quotas: Arc::default(),
        overload: Overload::new(metrics.shed.clone(), metrics.scheduling_delay.clone()),
        server: server.clone(),
    };
    let (gateway, made) = assemble(&mut config, &standing, believed, &listening, None).await?;
    let current = current.get_or_init(|| Arc::new(Current::from_pointee(gateway))).clone();
    let mut background = Background::default();
    let logouts = logouts::follow(server, &mut background);
    let store_up = following::follow(&opened, (&keys, &forget, &metrics), logouts, &mut background);
    tidying::tidy(&opened, &mut background);
    let events = opened.events.clone();
    background.keep("events", move || {
        let events = events.clone();
        async move { events.follow().await }
    });
    // 5. The door opens.
    let limits = config.limits.clone();
    let h2 = H2Limits { streams: limits.h2_streams, header_list: limits.h2_header_list, idle: limits.h2_idle_for };
    let (shutdown, idle) = (watch::Sender::new(false), watch::Sender::new(false));
    let ending = Ending { shutdown: shutdown.subscribe(), idle: idle.subscribe() };
    let capacity = Capacity::of_process(limits.memory);
    standing.overload.watch(capacity, limits.scheduling_delay_for, &ending.shutdown);
    let open_doors = Doors::new(&current, &h2, &census, &ending);
    open_doors.open(doors);
    let live = Arc::new(Live::new(standing, current.clone(), open_doors, census.clone(), State { config, made }));
    let serve_admin = |(_, listener): &(_, Listener)| {
        let admin = admin::Admin {
            current,
            census,
            store_up,
            started: Instant::now(),
            runtime: tokio::runtime::Handle::current(),
            last_reload: {
                let live = live.clone();
                Box::new(move || live.last_reload())
            },
            reload: live.endpoint(!listener.address().ip().to_canonical().is_loopback()),
            vitals: vitals::vitals(&opened, &keys),
            pages: dashboard::pages(),
            scraping: Mutex::default(),
        };
        gateway::start_admin(admin, listener, compile::connection_limits(&limits, false), &ending)
    };
    let admin_census = admin_listener.as_ref().map(serve_admin).transpose()?;
    Ok(Running {
        listeners: listening,
        admin: admin_listener.as_ref().map(|(_, listener)| listener.address()),
        issuers,
        tenant_id,
        source,
        hash,
        store,
        is_ephemeral,
        setup,
        live,
        opened,
        background,
        admin_listener,
        admin_census,
        shutdown,
        idle,
    })
}

/// The listeners of a configuration, with their certificates.
fn wanted(config: &Config) -> Result<Vec<Wanted>, StartError> {
    let wanted = |listener: &config::Listener| {
        let load = |files: &config::TlsFiles| {
            Certificate::load(&files.certificate, &files.key, files.client_certificates.as_ref())
        };
        let certificate = listener.tls.as_ref().map(load).transpose()?;
        let limits = compile::connection_limits(&config.limits, listener.h2c);
        Ok(Wanted { address: listener.address, manner: Manner { limits, certificate } })
    };
    config.listen.iter().map(wanted).collect()
}

/// What makes the gateway forget that runs then. Before there is one, there is nothing to forget.
fn forgetting(current: &Arc<OnceLock<Arc<Current>>>) -> Forget {
    let current = current.clone();
    Arc::new(move || {
        if let Some(current) = current.get() {
            current.load().enforcer.forget();
        }
    })
}

impl Running {
    /// What administrators manage, for programs that embed the gateway.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.opened.directory
    }

    /// The first listener as a URL.
    pub fn url(&self) -> String {
        let (address, tls) = self.listeners[0];
        format!("{}://{address}", if tls { "https" } else { "http" })
    }

    /// What scripts are told.
    pub fn description(&self) -> Value {
        json!({
            "gateway": self.url(),
            "admin": self.admin.map(|address| format!("http://{address}")),
            "issuer": self.issuers.first(),
            "config": { "source": self.source, "hash": self.hash },
        })
    }

    /// For changing the configuration.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Reads the configuration again by itself whenever one of its files changes.
    pub fn watch(&mut self) {
        let live = self.live.clone();
        self.background.keep("files", move || watching::watch(live.clone()));
    }

    /// Starts this program again and gives it the listening sockets. Once it answers requests, this process is to be
    /// stopped with [`Running::leave`].
    ///
    /// # Errors
    /// [`HandoverError`]: nobody has taken over, and everything goes on.
    pub async fn hand_over(&self) -> Result<u32, HandoverError> {
        let mut sockets = self.live.doors.listeners();
        sockets.extend(self.admin_listener.clone());
        let handing = tokio::task::spawn_blocking(move || gateway::hand_over(&sockets, UPGRADE_PATIENCE));
        handing.await.map_err(|error| HandoverError::Start(std::io::Error::other(error)))?
    }

    /// Stops accepting, lets requests in flight end within the grace period, and closes the store. Connections that wait for
    /// a request are closed.
    pub async fn stop(self) {
        self.idle.send_replace(true);
        self.leave().await;
    }

    /// The same where another process accepts now: connections that wait get one more answer, so that nobody loses a
    /// request that is on its way.
    pub async fn leave(mut self) {
        self.shutdown.send_replace(true);
        self.live.doors.close();
        self.admin_listener = None;
        let (began, grace) = (Instant::now(), self.live.grace());
        let census = &self.live.census;
        if !*self.idle.borrow() && !census.drained(LINGER.min(grace)).await {
            self.idle.send_replace(true);
        }
        if !census.drained(grace.saturating_sub(began.elapsed())).await {
            tracing::warn!(connections = census.open(), "connections were cut at the end of the grace period");
        }
        if let Some(census) = &self.admin_census {
            self.idle.send_replace(true);
            census.drained(ADMIN_LINGER).await;
        }
        self.live.finish().await;
        self.background.shutdown().await;
        self.opened.close().await;
    }
}

fn asks_for_certificates(listener: &config::Listener) -> bool {
    listener.tls.as_ref().is_some_and(|tls| tls.client_certificates.is_some())
}

fn knows_authorities(listener: &config::Listener) -> bool {
    let asked = listener.tls.as_ref().and_then(|tls| tls.client_certificates.as_ref());
    asked.is_some_and(|asked| asked.authorities.is_some())
}

/// The public URL, with the port that a listener on port 0 was given.
fn public_url(config: &Config, listening: &[(SocketAddr, bool)]) -> PublicUrl {
    match (config.public_url.port(), listening.first()) {
        (Some(0), Some((first, _))) => config.public_url.with_port(first.port()),
        _ => config.public_url.clone(),
    }
}

pub(crate) async fn key_ring(
    config: &Config,
    opened: &Opened,
    public_url: &PublicUrl,
) -> Result<Arc<KeyRing>, StartError> {
    let tenants = opened.directory.tenants().await?;
    let settings = Settings {
        publish_for: open::seconds(config.keys.publish_before_for),
        keep_for: open::seconds(config.keys.keep_after_for),
        // Tenants that are declared together are of the same age.
        default_tenant: tenants.iter().find(|tenant| tenant.name == Directory::DEFAULT_TENANT).map(|tenant| tenant.id),
        origins: compile::own_origins(config),
        knows_certificates: config.client_certificate_header.is_some()
            || config.listen.iter().any(asks_for_certificates),
        mtls_url: config.mtls_url.as_ref().map(|url| url.as_str().to_owned()),
        knows_vouched_certificates: config.client_certificate_ca.is_some()
            || config.listen.iter().any(knows_authorities),
        ..Settings::new(public_url.as_str())
    };
    let master_key = open::master_key(config, &opened.entropy, opened.writes)?;
    let keys = KeyRing::open(
        Arc::new(settings),
        opened.store.clone(),
        master_key,
        opened.clock.clone(),
        opened.entropy.clone(),
    );
    let keys = keys.await.map_err(StartError::from)?;
    keys.forward_with(forwarded_algorithm(config));
    Ok(keys)
}

/// `None` if no upstream gets a token of our own: then no key is made for it.
fn forwarded_algorithm(config: &Config) -> Option<Algorithm> {
    let is_used = config.upstreams.iter().any(|upstream| config.forward.jwt.of(upstream).is_some());
    is_used.then_some(config.forward.jwt.algorithm)
}

fn store_kind(store: &StoreLocation) -> &'static str {
    match store {
        StoreLocation::Sqlite(_) => "sqlite",
        StoreLocation::SqliteMemory => "memory",
        StoreLocation::Postgres(_) => "postgres",
    }
}
