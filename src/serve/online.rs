//! Does what a configuration names answer? For `faregate check --online`.
//!
//! Owns which questions there are and how long each may take. They are asked by the parts that a gateway would ask with, all
//! at once. Nothing is written, and nobody is sent a token or a credential.

mod files;
mod ports;

use std::time::Duration;

use tokio::task::JoinHandle;

use super::{StartError, compile};
use crate::clock::Clock;
use crate::config::{self, Config, IssuerKind, KeyLocation, Outcome, Probe, StoreLocation, Target};
use crate::entropy::Entropy;
use crate::issuers::{Fetcher, ForeignIssuer, Outbound};
use crate::metrics::Metrics;
use crate::store::sql::{Found, SqlStore};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question that is being asked.
type Asking = JoinHandle<Vec<Probe>>;

/// Asks everything that can be asked of what a checked configuration names, in the order of its sections.
pub async fn probe(config: &Config) -> Vec<Probe> {
    let mut asking = vec![tokio::spawn(ports::ask(ports::wanted(config), config.admin, config.path.clone()))];
    let store = tokio::spawn(look(config.store.clone()));
    asking.extend(issuers(config));
    asking.extend(upstreams(config));
    let mut answers = Vec::new();
    let has_keys = match store.await {
        Ok((probe, has_keys)) => {
            answers.push(probe);
            has_keys
        }
        Err(_) => false,
    };
    for asked in asking {
        // One that ended early is a fault of ours, which the panic has told.
        answers.extend(asked.await.unwrap_or_default());
    }
    answers.extend(files::look(config, has_keys));
    answers
}

/// An answer in time, or none.
async fn within<T>(question: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || Err(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, question).await.unwrap_or_else(|_| late())
}

fn answered(subject: &'static str, name: &str, answer: Result<String, String>) -> Probe {
    match answer {
        Ok(summary) => Probe::new(subject, name, Outcome::Ok, summary),
        Err(problem) => Probe::new(subject, name, Outcome::Failed, problem),
    }
}

/// What opening the store would find, and whether there are keys in it that need their master key.
async fn look(store: StoreLocation) -> (Probe, bool) {
    let name = match &store {
        StoreLocation::Sqlite(path) => path.display().to_string(),
        StoreLocation::SqliteMemory => {
            return (answered("store", "memory", Ok("made at each start".to_owned())), false);
        }
        StoreLocation::Postgres(_) => "PostgreSQL".to_owned(),
    };
    let url = store.url();
    let found = within(async { SqlStore::look(url.expose()).await.map_err(|error| error.to_string()) }).await;
    let has_keys = matches!(found, Ok(Found::Schema { has_keys: true, .. }));
    let answer = found.map(|found| match found {
        Found::Nothing => "will be made".to_owned(),
        Found::Schema { version: 0, known, .. } => format!("empty, its schema will be made (version {known})"),
        Found::Schema { version, known, .. } if version < known => {
            format!("will be migrated from {version} to {known}")
        }
        Found::Schema { version, known, .. } if version > known => {
            format!("schema {version}, which a newer program has extended; this one knows {known}")
        }
        Found::Schema { version, .. } => format!("opens, schema {version}"),
    });
    (answered("store", &name, answer), has_keys)
}

/// Keys, and introspection endpoints, of everybody who is somebody else.
fn issuers(config: &Config) -> Vec<Asking> {
    let foreign = config.issuers.iter().filter_map(|issuer| match &issuer.kind {
        IssuerKind::Foreign(settings) => Some((issuer.name.clone(), settings)),
        IssuerKind::Tenant(_) => None,
    });
    let mut asking = Vec::new();
    for (name, settings) in foreign {
        let issuer = match outbound(settings) {
            Ok(outbound) => Ok(std::sync::Arc::new(ForeignIssuer::new(&name, settings, &outbound))),
            Err(error) => Err(error.to_string()),
        };
        let (url, of_keys, known) = (settings.issuer.clone(), issuer.clone(), known(&settings.keys));
        asking.push(tokio::spawn(async move {
            let counted = match of_keys {
                Ok(issuer) => {
                    within(async { issuer.count_keys_now().await.transpose().map_err(|error| error.to_string()) }).await
                }
                Err(problem) => Err(problem),
            };
            let probe = match (counted, known) {
                (Ok(Some(count)), _) => Probe::new("issuer", url, Outcome::Ok, keys(count)),
                (Ok(None), Some(count)) => Probe::new("issuer", url, Outcome::Ok, format!("{}, given", keys(count))),
                (Ok(None), None) => Probe::new("issuer", url, Outcome::Skipped, "it has no keys, only introspection"),
                (Err(problem), _) => Probe::new("issuer", url, Outcome::Failed, problem),
            };
            vec![probe]
        }));
        let Some(introspection) = &settings.introspection else { continue };
        let endpoint = introspection.endpoint.clone().unwrap_or_else(|| settings.issuer.clone());
        asking.push(tokio::spawn(async move {
            let reached = match issuer {
                Ok(issuer) => {
                    within(async {
                        let reached = issuer.reach_introspection().await.unwrap_or(Ok(()));
                        reached.map_err(|error| error.to_string())
                    })
                    .await
                }
                Err(problem) => Err(problem),
            };
            vec![answered("introspection", &endpoint, reached.map(|()| "reached".to_owned()))]
        }));
    }
    asking
}

fn outbound(settings: &config::ForeignIssuer) -> Result<Outbound, StartError> {
    let outbound = Outbound {
        fetcher: Fetcher::new().map_err(super::issuers::unaskable)?,
        metrics: std::sync::Arc::new(Metrics::new()),
        clock: Clock::system(),
        entropy: Entropy::system(),
    };
    outbound.to(settings).map_err(super::issuers::unaskable)
}

/// How many keys the configuration itself has; `None` for other places.
fn known(keys: &KeyLocation) -> Option<usize> {
    match keys {
        KeyLocation::Known(keys) => Some(keys.keys().count()),
        KeyLocation::Metadata(_) | KeyLocation::Url(_) | KeyLocation::Nowhere => None,
    }
}

fn keys(count: usize) -> String {
    format!("{count} key{}", if count == 1 { "" } else { "s" })
}

/// One question for each server.
fn upstreams(config: &Config) -> Vec<Asking> {
    let metrics = Metrics::new();
    let mut asking = Vec::new();
    for settings in &config.upstreams {
        let name = &settings.name;
        if matches!(settings.target, Target::Echo | Target::Elsewhere) {
            let skipped = Probe::new("upstream", name, Outcome::Skipped, "built in");
            asking.push(tokio::spawn(async { vec![skipped] }));
            continue;
        }
        let upstream = match compile::tls(settings) {
            Ok(tls) => compile::upstream(settings, tls, None, &metrics),
            Err(error) => {
                let failed = answered("upstream", name, Err(error.to_string()));
                asking.push(tokio::spawn(async { vec![failed] }));
                continue;
            }
        };
        for (place, server) in upstream.places() {
            let (name, upstream) = (format!("{name} {server}"), upstream.clone());
            asking.push(tokio::spawn(async move {
                let connected = within(upstream.connect(place, PATIENCE)).await;
                let how = if upstream.speaks_tls() { "connects, TLS" } else { "connects" };
                vec![answered("upstream", &name, connected.map(|()| how.to_owned()))]
            }));
        }
    }
    asking
}
