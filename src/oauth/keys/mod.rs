//! The signing keys of every tenant, from the first start to the last verification (rules E6, P1, P2).
//!
//! Owns making, reading, rotating and the copy in memory; when a key signs is decided by `model::StoredKey`.

mod issuer;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use uuid::Uuid;

pub use issuer::LocalIssuer;
use issuer::{LoadedKey, Snapshot};

use super::Settings;
use crate::clock::{Clock, UnixSeconds};
use crate::entropy::Entropy;
use crate::jose::{Algorithm, KeyError, MasterKey, SigningKey};
use crate::model::{Change, ChangeKind, KeyPurpose, KeySchedule, StoredKey, Tenant};
use crate::store::{Store, StoreError, Unique};

/// Added to the life of the longest token when a key is kept after its last signature: the clocks of others differ.
const KEEP_LEEWAY_FOR: i64 = 60;

/// Every tenant's keys. Readers never wait and never see half a change.
pub struct KeyRing {
    settings: Arc<Settings>,
    store: Arc<dyn Store>,
    master_key: MasterKey,
    clock: Clock,
    entropy: Entropy,
    snapshot: ArcSwap<Snapshot>,
    /// One reload at a time, so that an older answer of the store never replaces a newer one.
    reloading: tokio::sync::Mutex<()>,
    /// Held while slow keys are made, so that no two tasks make the same one.
    making: tokio::sync::Mutex<()>,
}

/// Why keys cannot be read, made or rotated.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the stored key {0} does not open with this master key; restore the master key it was sealed with")]
    Sealed(String),
    #[error("a signing key cannot be made: {0}")]
    Key(#[from] KeyError),
    #[error("{0} is not a signature algorithm")]
    UnknownAlgorithm(String),
    #[error("there is no tenant {0}")]
    NoTenant(Uuid),
    #[error("the key was rotated by somebody else meanwhile")]
    Changed,
    #[error("the making of a key was interrupted")]
    Interrupted,
}

/// A rotation that is stored: the successor is published now and signs from `signs_from_at` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub retired: String,
    pub successor: String,
    pub signs_from_at: UnixSeconds,
}

impl KeyRing {
    /// Reads the stored keys. Call [`KeyRing::provide`] to make those that are missing.
    ///
    /// # Errors
    /// [`KeyRingError`] if the store does not answer or the master key is not the one that sealed the keys.
    pub async fn open(
        settings: Arc<Settings>,
        store: Arc<dyn Store>,
        master_key: MasterKey,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Arc<Self>, KeyRingError> {
        let ring = Self {
            settings,
            store,
            master_key,
            clock,
            entropy,
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            reloading: tokio::sync::Mutex::default(),
            making: tokio::sync::Mutex::default(),
        };
        ring.read().await?;
        Ok(Arc::new(ring))
    }

    /// Makes the keys that tenants need and do not have. Keys that are made at once exist when this returns; RSA keys
    /// take seconds of CPU and appear later, so that nobody waits for them.
    ///
    /// # Errors
    /// [`KeyRingError`] if the store takes no key, or a tenant names an unknown algorithm.
    pub async fn provide(self: &Arc<Self>) -> Result<(), KeyRingError> {
        let (slow, fast): (Vec<_>, Vec<_>) = self.missing()?.into_iter().partition(|slot| slot.is_slow());
        for &slot in &fast {
            self.make(slot).await?;
        }
        if !fast.is_empty() {
            self.read().await?;
        }
        if !slow.is_empty() {
            let ring = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = ring.make_slow().await {
                    tracing::error!(error = %error, "A signing key could not be made; the next reload tries again.");
                }
            });
        }
        Ok(())
    }

    /// Reads again what the store says, after a change that [`KeyRing::concerns`] us, and makes what is missing.
    ///
    /// # Errors
    /// [`KeyRingError`]; the copy in memory then stays as it was.
    pub async fn reload(self: &Arc<Self>) -> Result<(), KeyRingError> {
        self.read().await?;
        self.provide().await
    }

    pub fn concerns(change: &Change) -> bool {
        match change.kind {
            // What a newer program wrote may concern us.
            ChangeKind::Key | ChangeKind::Tenant | ChangeKind::Other => true,
            ChangeKind::EntityType | ChangeKind::Entity | ChangeKind::Grant | ChangeKind::Revocation => false,
        }
    }

    /// Publishes a new key for what the tenant signs with `purpose`. It signs after the publishing interval; the old
    /// one verifies until the last token that it signed is over (P2).
    ///
    /// # Errors
    /// [`KeyRingError::Changed`] when another node rotated the same key meanwhile: then there is one new key, its.
    pub async fn rotate(&self, tenant_id: Uuid, purpose: KeyPurpose) -> Result<Rotation, KeyRingError> {
        let now = self.clock.now();
        let tenant = self
            .store
            .find_tenant(tenant_id)
            .await?
            .ok_or(KeyRingError::NoTenant(tenant_id))?;
        let slot = Slot::of(&tenant, purpose)?;
        let stored = self.store.list_keys(now).await?;
        let Some(current) = stored.iter().find(|key| slot.holds(key) && key.retired_at.is_none()) else {
            return Err(KeyRingError::Changed);
        };
        let made = self.generate(slot).await?;
        let schedule = KeySchedule {
            publish_for: self.settings.publish_for,
            keep_for: tenant.access_token_for.max(Tenant::ACCESS_TOKEN_FOR) + KEEP_LEEWAY_FOR,
        };
        let (retired, successor) = current.succeed(made, now, schedule).ok_or(KeyRingError::Changed)?;
        if !self.store.rotate_key(&retired, &successor, now).await? {
            return Err(KeyRingError::Changed);
        }
        self.read().await?;
        Ok(Rotation {
            retired: retired.id,
            signs_from_at: successor.signs_from_at,
            successor: successor.id,
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The issuer of a tenant, or the default one.
    pub fn issuer(&self, tenant_id: Option<Uuid>) -> Option<Arc<LocalIssuer>> {
        let snapshot = self.snapshot();
        snapshot.issuers.get(&tenant_id.or(snapshot.default_tenant)?).cloned()
    }

    /// The issuer whose tokens say `iss`: what a gateway in the same process verifies them with.
    pub fn find_issuer(&self, iss: &str) -> Option<Arc<LocalIssuer>> {
        let snapshot = self.snapshot();
        snapshot.issuers.get(snapshot.by_name.get(iss)?).cloned()
    }

    /// Every issuer, the default one first.
    pub fn issuers(&self) -> Vec<Arc<LocalIssuer>> {
        let snapshot = self.snapshot();
        let mut issuers: Vec<_> = snapshot.issuers.values().cloned().collect();
        issuers.sort_by_key(|issuer| (Some(issuer.tenant.id) != snapshot.default_tenant, issuer.tenant.id));
        issuers
    }

    /// Changes whenever a token that was good may be good no longer because of its key or issuer (rule F17).
    pub fn generation(&self) -> u64 {
        self.snapshot().generation
    }

    /// What is true now. Keys enter and leave by the clock too, without anybody telling.
    fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        let snapshot = self.snapshot.load();
        let now = self.clock.now();
        if !snapshot.is_stale(now) {
            return snapshot;
        }
        self.snapshot.rcu(|snapshot| match snapshot.is_stale(now) {
            true => Arc::new(snapshot.at(now, &self.settings)),
            false => Arc::clone(snapshot),
        });
        self.snapshot.load()
    }

    async fn read(&self) -> Result<(), KeyRingError> {
        let _one_at_a_time = self.reloading.lock().await;
        let now = self.clock.now();
        let tenants = self.store.list_tenants().await?.into_iter().map(Arc::new).collect();
        let stored = self.store.list_keys(now).await?;
        let before = self.snapshot.load_full();
        let known: HashMap<&str, &LoadedKey> = before.keys.iter().map(|key| (&*key.stored.id, key)).collect();
        let mut keys = Vec::with_capacity(stored.len());
        for stored in stored {
            let key = match known.get(&*stored.id) {
                Some(loaded) => Arc::clone(&loaded.key),
                None => Arc::new(self.unseal(&stored)?),
            };
            keys.push(LoadedKey {
                key,
                stored: Arc::new(stored),
            });
        }
        self.snapshot
            .store(Arc::new(Snapshot::new(&before, tenants, keys).at(now, &self.settings)));
        Ok(())
    }

    fn unseal(&self, stored: &StoredKey) -> Result<SigningKey, KeyRingError> {
        let sealed = || KeyRingError::Sealed(stored.id.clone());
        let algorithm = parse_algorithm(&stored.algorithm)?;
        let private_key = self
            .master_key
            .open(&stored.id, &stored.private_key)
            .map_err(|_| sealed())?;
        SigningKey::from_private_key(algorithm, private_key.expose()).map_err(|_| sealed())
    }

    /// The slots of tenants that nobody has filled.
    fn missing(&self) -> Result<Vec<Slot>, KeyRingError> {
        let snapshot = self.snapshot();
        let mut missing = Vec::new();
        for tenant in &snapshot.tenants {
            for purpose in KeyPurpose::ALL {
                let slot = Slot::of(tenant, purpose)?;
                if !snapshot
                    .keys
                    .iter()
                    .any(|key| slot.holds(&key.stored) && key.stored.retired_at.is_none())
                {
                    missing.push(slot);
                }
            }
        }
        Ok(missing)
    }

    /// One key after the other, whoever asked for them.
    async fn make_slow(&self) -> Result<(), KeyRingError> {
        let _one_at_a_time = self.making.lock().await;
        while let Some(slot) = self.missing()?.into_iter().find(Slot::is_slow) {
            self.make(slot).await?;
            self.read().await?;
        }
        Ok(())
    }

    /// Fills a slot, unless another node was faster.
    async fn make(&self, slot: Slot) -> Result<(), KeyRingError> {
        let now = self.clock.now();
        let mut first = self.generate(slot).await?.begin(now);
        // A tenant that changes its algorithm goes on signing with the old one until everybody can know the new key.
        let snapshot = self.snapshot();
        let signs =
            |key: &LoadedKey| key.stored.tenant_id == Some(slot.tenant_id) && key.stored.purpose == slot.purpose;
        if snapshot.keys.iter().any(signs) {
            first.signs_from_at = now + self.settings.publish_for;
        }
        drop(snapshot);
        match self.store.insert_key(&first).await {
            Ok(()) | Err(StoreError::Conflict(Unique::CurrentKey)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn generate(&self, slot: Slot) -> Result<StoredKey, KeyRingError> {
        let key = match slot.is_slow() {
            true => tokio::task::spawn_blocking(move || SigningKey::generate(slot.algorithm))
                .await
                .map_err(|_| KeyRingError::Interrupted)??,
            false => SigningKey::generate(slot.algorithm)?,
        };
        let private_key = self.master_key.seal(key.kid(), &key.private_key()?, &self.entropy)?;
        Ok(StoredKey {
            id: key.kid().to_owned(),
            tenant_id: Some(slot.tenant_id),
            algorithm: slot.algorithm.as_str().to_owned(),
            purpose: slot.purpose,
            public_jwk: key
                .verifying_key()
                .public_jwk()
                .map(|jwk| serde_json::Value::Object(jwk.clone()).to_string()),
            private_key,
            created_at: 0,
            published_at: 0,
            signs_from_at: 0,
            retired_at: None,
            removed_at: None,
        })
    }
}

/// The place of one current key.
#[derive(Clone, Copy)]
struct Slot {
    tenant_id: Uuid,
    purpose: KeyPurpose,
    algorithm: Algorithm,
}

impl Slot {
    fn of(tenant: &Tenant, purpose: KeyPurpose) -> Result<Self, KeyRingError> {
        let algorithm = parse_algorithm(algorithm_name(tenant, purpose))?;
        Ok(Self {
            tenant_id: tenant.id,
            purpose,
            algorithm,
        })
    }

    fn holds(&self, key: &StoredKey) -> bool {
        key.tenant_id == Some(self.tenant_id) && key.purpose == self.purpose && key.algorithm == self.algorithm.as_str()
    }

    /// RSA keys are found by trial and error.
    fn is_slow(&self) -> bool {
        matches!(self.algorithm.as_str().as_bytes(), [b'R' | b'P', ..])
    }
}

fn algorithm_name(tenant: &Tenant, purpose: KeyPurpose) -> &str {
    match purpose {
        KeyPurpose::AccessToken => &tenant.access_token_algorithm,
        KeyPurpose::IdToken => &tenant.id_token_algorithm,
    }
}

fn parse_algorithm(name: &str) -> Result<Algorithm, KeyRingError> {
    Algorithm::parse(name).ok_or_else(|| KeyRingError::UnknownAlgorithm(name.to_owned()))
}
