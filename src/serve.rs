//! The composition root: a checked configuration becomes a running gateway. The only place where parts are wired.
//!
//! Owns the order of the start, the background work and the drain at the end. It holds no rule of its own.

mod adapters;
mod assemble;
mod calls;
mod compile;
mod error;
mod issuers;
mod logouts;
mod offline;
mod open;
mod proofs;
mod revocations;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use assemble::{Forget, Made, Standing, assemble};
pub use calls::ManagementCalls;
pub use error::StartError;
pub use offline::{Offline, Verified, is_own_path, serves};
pub use open::Opened;

use crate::config::{self, Config, PublicUrl, StoreLocation};
use crate::directory::{Directory, News};
use crate::gateway::{self, Census, Current, H2Limits, Listener, admin};
use crate::metrics::Metrics;
use crate::model::{Change, ChangeKind};
use crate::oauth::{AuthorizationServer, Dependencies, KeyRing, Settings};
use crate::secret::Secret;
use crate::telemetry::{self, DecisionLog};
use crate::web;

/// How often another process's changes are asked for.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

/// How often what is over is deleted from the store.
const TIDY_INTERVAL: Duration = Duration::from_secs(3600);

/// Seconds for which a node may be away and still hear of every change.
const CHANGES_FOR: i64 = 7 * 86_400;

/// A gateway that answers requests.
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
    opened: Arc<Opened>,
    background: JoinSet<()>,
    made: Option<Made>,
    census: Arc<Census>,
    shutdown: watch::Sender<bool>,
    grace: Duration,
}

/// Starts logging as the configuration says; only the first call in a process counts.
pub fn start_logging(log: &config::Log) {
    let format = match log.format {
        config::LogFormat::Json => telemetry::Format::Json,
        config::LogFormat::Pretty => telemetry::Format::Pretty,
    };
    telemetry::start(format, log.level);
}

/// Starts the gateway of `config` on the current runtime. When it returns, requests are answered.
///
/// # Errors
/// [`StartError`]: one line that names the thing and the fix. Nothing listens then.
pub async fn start(mut config: Config) -> Result<Running, StartError> {
    // 1. Sockets first: a port in use ends the start before anything is written.
    let listeners = config.listen.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
    let admin_listener = config.admin.map(Listener::bind).transpose()?;
    let listening: Vec<_> = listeners.iter().map(|listener| (listener.address(), listener.is_tls())).collect();
    let public_url = public_url(&config, &listeners);
    // 2. The store, the declared objects, the keys.
    let opened = Arc::new(Opened::open(&config).await?);
    opened.declare(&config).await?;
    let keys = key_ring(&config, &opened, &public_url).await?;
    // 3. Who is believed. Keys are made once nothing in the store speaks against the start.
    let metrics = Arc::new(Metrics::new());
    let believed = issuers::believed(&config, &opened, (&keys, &metrics)).await?;
    keys.provide().await.map_err(StartError::from)?;
    // What was revoked before is refused from the first request on.
    revocations::load(&*opened.store, &opened.revocations, opened.clock.now()).await?;
    // 4. The gateway around them.
    metrics.running_configuration(&config.hash);
    let server = Arc::new(AuthorizationServer::new(Dependencies {
        directory: opened.directory.clone(),
        store: opened.store.clone(),
        keys: keys.clone(),
        revocations: opened.revocations.clone(),
        clock: opened.clock.clone(),
        entropy: opened.entropy.clone(),
    }));
    let census = Census::new(config.limits.connections, config.limits.connections_per_ip);
    let mut running = Running {
        listeners: listening.clone(),
        admin: admin_listener.as_ref().map(Listener::address),
        issuers: assemble::issuers(&keys, &believed.foreign),
        tenant_id: keys.issuer(None).map(|issuer| issuer.tenant.id).unwrap_or_default(),
        source: config.path.display().to_string(),
        hash: config.hash.clone(),
        store: store_kind(&config.store),
        is_ephemeral: matches!(config.store, StoreLocation::SqliteMemory),
        setup: match config.management.api_key {
            Some(_) => None,
            None => server.setup_link().await?,
        },
        census: census.clone(),
        background: JoinSet::new(),
        shutdown: watch::Sender::new(false),
        grace: config.shutdown.grace_for,
        opened: opened.clone(),
        made: None,
    };
    let current = Arc::new(OnceLock::<Arc<Current>>::new());
    let standing = Standing {
        opened: opened.clone(),
        keys: keys.clone(),
        metrics: metrics.clone(),
        web: web::Service::new(web::router(server.clone())),
        decisions: Arc::new(DecisionLog::start(config.log.decisions)?),
        // Before there is a gateway, there is nothing to forget.
        forget: {
            let current = current.clone();
            Arc::new(move || {
                if let Some(current) = current.get() {
                    current.load().enforcer.forget();
                }
            })
        },
        server: server.clone(),
    };
    let limits = config.limits.clone();
    let h2c: Vec<bool> = config.listen.iter().map(|listener| listener.h2c).collect();
    let (gateway, made) = assemble(&mut config, &standing, believed, &listening).await?;
    let current = current.get_or_init(|| Arc::new(Current::from_pointee(gateway))).clone();
    running.made = Some(made);
    let logouts = logouts::follow(server, &mut running.background);
    let store_up = follow(&opened, (&keys, &standing.forget, &metrics), logouts, &mut running.background);
    tidy(&opened, &mut running.background);
    let events = opened.events.clone();
    running.background.spawn(async move { events.follow().await });
    let admin = admin::Admin { current: current.clone(), census: census.clone(), store_up, started: Instant::now() };
    // 5. The door opens.
    let listeners =
        listeners.into_iter().zip(h2c).map(|(listener, h2c)| (listener, compile::connection_limits(&limits, h2c)));
    let h2 = H2Limits { streams: limits.h2_streams, header_list: limits.h2_header_list, idle: limits.h2_idle_for };
    let shutdown = running.shutdown.subscribe();
    gateway::start(&current, listeners.collect(), &h2, &census, &shutdown);
    if let Some(listener) = admin_listener {
        gateway::start_admin(admin, listener, compile::connection_limits(&limits, false), &shutdown);
    }
    Ok(running)
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

    /// Stops accepting, lets requests in flight end within the grace period, and closes the store.
    pub async fn stop(mut self) {
        self.shutdown.send_replace(true);
        if !self.census.drained(self.grace).await {
            tracing::warn!(connections = self.census.open(), "connections were cut at the end of the grace period");
        }
        if let Some(made) = self.made.take() {
            made.finish().await;
        }
        self.background.shutdown().await;
        self.opened.close().await;
    }
}

fn bind(listener: &config::Listener) -> Result<Listener, StartError> {
    let bound = Listener::bind(listener.address)?;
    Ok(match &listener.tls {
        Some(files) => bound.with_tls(&files.certificate, &files.key, files.client_certificates.as_ref())?,
        None => bound,
    })
}

fn asks_for_certificates(listener: &config::Listener) -> bool {
    listener.tls.as_ref().is_some_and(|tls| tls.client_certificates.is_some())
}

/// The public URL, with the port that a listener on port 0 was given.
fn public_url(config: &Config, listeners: &[Listener]) -> PublicUrl {
    match (config.public_url.port(), listeners.first()) {
        (Some(0), Some(first)) => config.public_url.with_port(first.address().port()),
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
        knows_certificates: config.client_certificate_header.is_some()
            || config.listen.iter().any(asks_for_certificates),
        ..Settings::new(public_url.as_str())
    };
    let master_key = open::master_key(config, &opened.entropy)?;
    let keys = KeyRing::open(
        Arc::new(settings),
        opened.store.clone(),
        master_key,
        opened.clock.clone(),
        opened.entropy.clone(),
    );
    keys.await.map_err(StartError::from)
}

/// Keeps what is in memory as new as the store. The answer says whether the store answers.
fn follow(
    opened: &Opened,
    (keys, forget, metrics): (&Arc<KeyRing>, &Forget, &Arc<Metrics>),
    logouts: logouts::Logouts,
    background: &mut JoinSet<()>,
) -> Arc<AtomicBool> {
    let store_up = Arc::new(AtomicBool::new(true));
    let (reload, mut reloads) = watch::channel(());
    let (keys, forgetting) = (keys.clone(), forget.clone());
    background.spawn(async move {
        let mut generation = keys.generation();
        loop {
            tokio::select! {
                asked = reloads.changed() => {
                    if asked.is_err() {
                        return;
                    }
                    if let Err(error) = keys.reload().await {
                        tracing::warn!(error = %error, "signing keys cannot be reloaded; those in memory stay in use");
                    }
                }
                // Keys leave by the clock too, without anybody telling.
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            // Whatever was verified with a key or an issuer that is gone is verified again (rule F17).
            if keys.generation() != generation {
                generation = keys.generation();
                forgetting();
            }
        }
    });
    let marks = revocations::follow(opened, metrics.clone(), background);
    let (directory, forget, up) = (opened.directory.clone(), forget.clone(), store_up.clone());
    background.spawn(async move {
        let hear = move |news: News<'_>| {
            up.store(!matches!(news, News::Silent), Ordering::Relaxed);
            let (about_keys, about_names) = match news {
                News::Changes(changes) => (changes.iter().any(KeyRing::concerns), changes.iter().any(concerns_names)),
                News::Missed => (true, true),
                News::Silent => (false, false),
            };
            marks.hear(news);
            logouts.hear(news);
            if about_keys {
                reload.send_replace(());
            }
            if about_names {
                forget();
            }
        };
        directory.follow(FOLLOW_INTERVAL, hear).await;
    });
    store_up
}

/// Deletes every hour what nobody will ask for again.
fn tidy(opened: &Opened, background: &mut JoinSet<()>) {
    let (store, clock, revocations) = (opened.store.clone(), opened.clock.clone(), opened.revocations.clone());
    let events = opened.events.clone();
    background.spawn(async move {
        loop {
            tokio::time::sleep(TIDY_INTERVAL).await;
            let now = clock.now();
            revocations.forget(now);
            if let Err(error) = events.forget().await {
                tracing::warn!(error = %error, "old events cannot be deleted; trying again in an hour");
            }
            match store.forget(now, now - CHANGES_FOR).await {
                Ok(rows) => tracing::debug!(rows, "forgot what is over"),
                Err(error) => {
                    tracing::warn!(error = %error, "what is over cannot be deleted from the store; trying again in an hour")
                }
            }
        }
    });
}

/// Verified tokens carry the names of entities.
fn concerns_names(change: &Change) -> bool {
    match change.kind {
        ChangeKind::Tenant | ChangeKind::Entity => true,
        ChangeKind::EntityType
        | ChangeKind::Grant
        | ChangeKind::Application
        | ChangeKind::User
        | ChangeKind::Key
        | ChangeKind::Revocation
        | ChangeKind::Other => false,
    }
}

fn store_kind(store: &StoreLocation) -> &'static str {
    match store {
        StoreLocation::Sqlite(_) => "sqlite",
        StoreLocation::SqliteMemory => "memory",
        StoreLocation::Postgres(_) => "postgres",
    }
}
