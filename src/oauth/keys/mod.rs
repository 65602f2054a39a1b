//! The signing keys of every tenant, from the first start to the last verification (rules E6, P1, P2).
//!
//! Owns reading and the copy in memory (`make` makes and rotates); when a key signs is decided by `model::StoredKey`.

mod gate;
mod issuer;
mod make;
mod named;
mod usage;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use uuid::Uuid;

use issuer::{LoadedKey, Snapshot};
pub use issuer::{LocalIssuer, Signing};
pub use make::Rotation;
pub use named::{KnownKey, NewKey};

use super::Settings;
use crate::clock::Clock;
use crate::directory::DirectoryError;
use crate::entropy::Entropy;
use crate::jose::{Algorithm, KeyError, MasterKey, SigningKey};
use crate::model::{Change, ChangeKind, KeyPurpose, NamedKey, StoredKey, Tenant};
use crate::profile::{Dialect, InUse};
use crate::store::{Store, StoreError};

/// Every tenant's keys. Readers never wait and never see half a change.
pub struct KeyRing {
    settings: Arc<Settings>,
    store: Arc<dyn Store>,
    master_key: MasterKey,
    clock: Clock,
    entropy: Entropy,
    snapshot: ArcSwap<Snapshot>,
    in_use: Arc<InUse>,
    /// What the tokens are signed with that upstreams get; `None` if none does.
    forwarded: ArcSwapOption<Algorithm>,
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
    #[error("the key was changed by somebody else meanwhile")]
    Changed,
    #[error("there is no such key to rotate yet; a running gateway makes those that are missing")]
    NoneYet,
    #[error("no upstream is told anything: there is no `jwt` under `forward` or under an upstream")]
    NotForwarded,
    #[error("keys for this belong to no tenant")]
    NoTenantsKey,
    #[error("the making of a key was interrupted")]
    Interrupted,
    /// What an administrator asked for cannot be.
    #[error(transparent)]
    Refused(#[from] DirectoryError),
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
            in_use: Arc::default(),
            forwarded: ArcSwapOption::empty(),
            reloading: tokio::sync::Mutex::default(),
            making: tokio::sync::Mutex::default(),
        };
        ring.read().await?;
        Ok(Arc::new(ring))
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
            ChangeKind::Application | ChangeKind::User => false,
        }
    }

    /// A key for another purpose, from the master key.
    pub fn derived_key(&self, purpose: &[u8]) -> [u8; 32] {
        self.master_key.derive(purpose)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The dialects that tenants speak; as new as the keys.
    pub fn dialects_in_use(&self) -> &Arc<InUse> {
        &self.in_use
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

    /// The issuer of a token that says `iss`; where several tenants are called so, the one that it says in `tid`.
    pub fn find_issuer_of_token(&self, iss: &str, tid: Option<&str>) -> Option<Arc<LocalIssuer>> {
        let snapshot = self.snapshot();
        let tenant_id = tid.and_then(|tid| Uuid::try_parse(tid).ok());
        let named = tenant_id.and_then(|id| snapshot.issuers.get(&id)).filter(|issuer| *issuer.issuer == *iss);
        named.or_else(|| snapshot.issuers.get(snapshot.by_name.get(iss)?)).cloned()
    }

    /// Every issuer, the default one first.
    pub fn issuers(&self) -> Vec<Arc<LocalIssuer>> {
        let snapshot = self.snapshot();
        let mut issuers: Vec<_> = snapshot.issuers.values().cloned().collect();
        issuers.sort_by_key(|issuer| (Some(issuer.tenant.id) != snapshot.default_tenant, issuer.tenant.id));
        issuers
    }

    /// The issuers whose dialect is one of these, in no order.
    pub fn speaking(&self, speaks: impl Fn(&Dialect) -> bool) -> Vec<Arc<LocalIssuer>> {
        self.snapshot().issuers.values().filter(|issuer| speaks(issuer.dialect())).cloned().collect()
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
        let tenants: Vec<_> = self.store.list_tenants().await?.into_iter().map(Arc::new).collect();
        let stored = self.store.list_keys(now).await?;
        let before = self.snapshot.load_full();
        let named: HashMap<String, Uuid> =
            self.store.list_named_keys().await?.into_iter().map(|named| (named.kid, named.id)).collect();
        let known: HashMap<&str, &LoadedKey> = before.keys.iter().map(|key| (&*key.stored.id, key)).collect();
        let mut keys = Vec::with_capacity(stored.len());
        for stored in stored {
            let key = match known.get(&*stored.id) {
                Some(loaded) => Arc::clone(&loaded.key),
                None => Arc::new(self.unseal(&stored)?),
            };
            let known_as = named.get(&stored.id).copied().unwrap_or_else(|| NamedKey::id_of(&stored.id));
            keys.push(LoadedKey { key, known_as, stored: Arc::new(stored) });
        }
        let spoken = tenants.clone();
        self.snapshot.store(Arc::new(Snapshot::new(&before, tenants, keys).at(now, &self.settings)));
        // After the issuers: what is found to be ours can be answered.
        self.in_use.replace(spoken.iter().map(|tenant| &**tenant));
        Ok(())
    }

    fn unseal(&self, stored: &StoredKey) -> Result<SigningKey, KeyRingError> {
        let sealed = || KeyRingError::Sealed(stored.id.clone());
        let algorithm = parse_algorithm(&stored.algorithm)?;
        let private_key = self.master_key.open(&stored.id, &stored.private_key).map_err(|_| sealed())?;
        SigningKey::from_private_key(algorithm, private_key.expose()).map_err(|_| sealed())
    }
}

/// `None` for what is no tenant's.
fn algorithm_name(tenant: &Tenant, purpose: KeyPurpose) -> Option<&str> {
    match purpose {
        KeyPurpose::AccessToken => Some(&tenant.access_token_algorithm),
        KeyPurpose::IdToken => Some(&tenant.id_token_algorithm),
        KeyPurpose::Forwarded => None,
    }
}

fn parse_algorithm(name: &str) -> Result<Algorithm, KeyRingError> {
    Algorithm::parse(name).ok_or_else(|| KeyRingError::UnknownAlgorithm(name.to_owned()))
}
