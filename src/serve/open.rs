//! The parts that need a store, without a gateway: for `serve` itself and for commands that work on the same store.
//!
//! Owns the order in which they are opened.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use crate::clock::Clock;
use crate::config::{self, Config, StoreLocation};
use crate::directory::Directory;
use crate::entropy::Entropy;
use crate::event_log::{EventLog, Keep};
use crate::jose::{MasterKey, MasterKeyError, Sealing};
use crate::revocations::Revocations;
use crate::store::sql::{Found, Options, SqlStore};
use crate::store::{OpenError, Store};

/// An open store and what administrators manage in it.
pub struct Opened {
    pub store: Arc<dyn Store>,
    pub directory: Arc<Directory>,
    pub revocations: Arc<Revocations>,
    pub events: Arc<EventLog>,
    pub clock: Clock,
    pub entropy: Entropy,
    /// Whether anything may be made that is not there.
    pub(super) writes: bool,
}

impl Opened {
    /// Opens the store of `config`, brings its schema up to date and sees that there is a tenant, unless the
    /// configuration declares objects: then [`Opened::declare`] makes those that they need.
    ///
    /// # Errors
    /// [`StartError`] when the store cannot be used.
    pub async fn open(config: &Config) -> Result<Self, StartError> {
        let opened = Self::open_as_is(config).await?;
        if config.directory.is_empty() {
            opened.directory.ensure_tenant().await?;
        }
        Ok(opened)
    }

    async fn open_as_is(config: &Config) -> Result<Self, StartError> {
        Self::open_at(&config.store, config, true).await
    }

    /// The same for commands that make something. A store that has no tenant yet gets what the configuration declares first,
    /// as at a start: otherwise there is nothing to make it in, or it stands in the way of the declaration.
    ///
    /// # Errors
    /// [`StartError`] when the store cannot be used, or holds nothing longer than this command.
    pub async fn open_to_create(config: &Config) -> Result<Self, StartError> {
        refuse_memory(&config.store)?;
        let opened = Self::open(config).await?;
        if opened.directory.tenants().await?.is_empty() {
            opened.declare(config).await?;
        }
        Ok(opened)
    }

    /// The same for commands that change what is there: they make no store.
    ///
    /// # Errors
    /// [`StartError::Unready`] where there is none, and whatever else makes the store unusable.
    pub async fn open_to_change(config: &Config) -> Result<Self, StartError> {
        refuse_memory(&config.store)?;
        match unready(&config.store).await? {
            Some(missing @ Unready::Missing(_)) => Err(missing.into()),
            Some(Unready::Old(_) | Unready::InMemory) | None => Self::open(config).await,
        }
    }

    /// The same for commands whose files declare what they need.
    ///
    /// # Errors
    /// [`StartError`] when the store cannot be used, or holds nothing longer than this command.
    pub async fn open_to_apply(config: &Config) -> Result<Self, StartError> {
        refuse_memory(&config.store)?;
        Self::open_as_is(config).await
    }

    /// The same over an empty store in memory, which has the first tenant.
    pub(super) async fn open_nowhere(config: &Config) -> Result<Self, StartError> {
        let opened = Self::open_at(&StoreLocation::SqliteMemory, config, false).await?;
        opened.directory.ensure_tenant().await?;
        Ok(opened)
    }

    /// The same for whoever only reads: nothing is made, and no schema is brought up to date.
    ///
    /// # Errors
    /// [`StartError::Unready`] where that would be needed, and whatever else makes the store unusable.
    pub async fn open_to_read(config: &Config) -> Result<Self, StartError> {
        match unready(&config.store).await? {
            None => Self::open_at(&config.store, config, false).await,
            Some(unready) => Err(unready.into()),
        }
    }

    /// The same for whoever wants to know what would be done: a store that is not there is taken to be empty. Answers with what
    /// is missing, too.
    ///
    /// # Errors
    /// [`StartError`], as [`Opened::open_to_read`].
    pub async fn open_to_plan(config: &Config) -> Result<(Self, Option<Unready>), StartError> {
        match Self::open_to_read(config).await {
            Err(StartError::Unready(missing @ Unready::Missing(_))) => {
                let empty = Self::open_at(&StoreLocation::SqliteMemory, config, false).await?;
                Ok((empty, Some(missing)))
            }
            opened => Ok((opened?, None)),
        }
    }

    /// Makes a master key that is not there only for somebody who `writes`.
    async fn open_at(location: &StoreLocation, config: &Config, writes: bool) -> Result<Self, StartError> {
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let store = SqlStore::open(location.url().expose(), &Options::default()).await?;
        if let Some(version) = store.newer_schema() {
            tracing::warn!(
                schema.version = version,
                "a newer program has extended the store; this one works with it, and what only the newer knows has no effect"
            );
        }
        let store: Arc<dyn Store> = Arc::new(store);
        refuse_lost_key(config, &*store).await?;
        let revocations = Arc::new(Revocations::default());
        let sealing = Sealing::new(&master_key(config, &entropy, writes)?);
        let directory = Directory::new(store.clone(), clock.clone(), entropy.clone())
            .with_sealing(sealing)
            .with_revocations(revocations.clone());
        let directory = Arc::new(directory);
        let limits = config.management.event_log;
        let keep =
            Keep { keep_for: seconds(limits.keep_for), entries: i64::try_from(limits.entries).unwrap_or(i64::MAX) };
        let events = Arc::new(EventLog::new(store.clone(), clock.clone(), keep));
        Ok(Self { store, directory, revocations, events, clock, entropy, writes })
    }

    /// Writes what was told and closes the store.
    pub async fn close(&self) {
        self.events.flush().await;
        self.store.close().await;
    }

    /// Makes what the configuration declares. One that declares nothing leaves the store as it is.
    ///
    /// # Errors
    /// [`StartError::Directory`] when the store holds something that contradicts it.
    pub async fn declare(&self, config: &Config) -> Result<(), StartError> {
        if config.directory.is_empty() {
            return Ok(());
        }
        let keys = super::key_ring(config, self, &config.public_url).await?;
        let applied = self.directory.apply(&config.directory, &keys).await?;
        for generated in &applied.generated_secrets {
            let (kind, name, client_id) = (generated.kind, &generated.name, &generated.client_id);
            if std::io::stderr().is_terminal() {
                // Shown once, to the person who starts the gateway; it is nowhere else in clear.
                let secret = generated.client_secret.expose();
                eprintln!("faregate: {kind} {name:?} was made; client_id {client_id} client_secret {secret}");
            } else {
                // Standard error is a log now, and secrets are in none (rule O2).
                tracing::warn!(
                    client.id = client_id,
                    "{kind} {name:?} was made with a secret that nobody knows; get one with: faregate {kind} regenerate-secret {name}"
                );
            }
        }
        Ok(())
    }
}

/// Why nobody can read a store who must not change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// Where it would be.
    #[error("there is no store {0} yet; `faregate serve`, or a command that creates something in it, makes it")]
    Missing(String),
    #[error(
        "the store is in memory, where only the gateway that runs has it; declare what it needs in `directory:`, use its \
         management API, or give `store` a file"
    )]
    InMemory,
    /// Its schema is of this version.
    #[error("the store is of an older version ({0}): the next start migrates it")]
    Old(i64),
}

/// What a command did in memory would be gone with the command.
fn refuse_memory(store: &StoreLocation) -> Result<(), Unready> {
    match store {
        StoreLocation::SqliteMemory => Err(Unready::InMemory),
        StoreLocation::Sqlite(_) | StoreLocation::Postgres(_) => Ok(()),
    }
}

/// What stands in the way of reading the store there.
///
/// # Errors
/// [`OpenError`]: opening it would fail with the same.
pub(super) async fn unready(store: &StoreLocation) -> Result<Option<Unready>, OpenError> {
    let place = match store {
        StoreLocation::SqliteMemory => return Ok(None),
        StoreLocation::Sqlite(path) => path.display().to_string(),
        StoreLocation::Postgres(_) => "in the PostgreSQL database".to_owned(),
    };
    Ok(match SqlStore::look(store.url().expose()).await? {
        Found::Nothing | Found::Schema { version: 0, .. } => Some(Unready::Missing(place)),
        Found::Schema { version, known, .. } if version < known => Some(Unready::Old(version)),
        Found::Schema { .. } => None,
    })
}

/// A new key opens nothing that an old one sealed, and would stand in the way of the old one.
async fn refuse_lost_key(config: &Config, store: &dyn Store) -> Result<(), StartError> {
    match &config.keys.master_key {
        config::MasterKey::File(path) if !path.exists() && !store.list_keys(0).await?.is_empty() => {
            Err(MasterKeyError::Lost(path.clone()).into())
        }
        config::MasterKey::File(_) | config::MasterKey::Value(_) => Ok(()),
    }
}

/// The key that protects signing keys, made at the first start; for somebody who only reads, one that is kept nowhere.
///
/// # Errors
/// [`StartError::MasterKey`], naming the file and the fix.
pub(super) fn master_key(config: &Config, entropy: &Entropy, writes: bool) -> Result<MasterKey, StartError> {
    Ok(match &config.keys.master_key {
        config::MasterKey::Value(text) => MasterKey::from_base64(text.expose())?,
        config::MasterKey::File(path) if !writes && !path.exists() => MasterKey::for_now(entropy)?,
        config::MasterKey::File(path) => MasterKey::from_file(path, entropy)?,
    })
}

pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
