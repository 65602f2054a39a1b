//! Making keys and replacing them, on any number of nodes at once (P2, T74).
//!
//! Owns which keys are missing and what is written; the store decides which of two nodes was first.

use std::sync::Arc;

use uuid::Uuid;

use super::issuer::{LoadedKey, is_readable};
use super::{KeyRing, KeyRingError, algorithm_name, parse_algorithm};
use crate::clock::UnixSeconds;
use crate::events::Event;
use crate::jose::{Algorithm, KeyError, SigningKey};
use crate::model::{KeyPurpose, KeySchedule, StoredKey, Tenant};
use crate::store::{StoreError, Unique};

/// Added to the life of the longest token when a key is kept after its last signature: the clocks of others differ.
const KEEP_LEEWAY_FOR: i64 = 60;

/// A rotation that is stored: the successor is published now and signs from `signs_from_at` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub retired: String,
    pub successor: String,
    pub signs_from_at: UnixSeconds,
}

/// The place of one current key.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// `None`: the gateway's own.
    tenant_id: Option<Uuid>,
    purpose: KeyPurpose,
    algorithm: Algorithm,
}

impl Slot {
    fn of(tenant: &Tenant, purpose: KeyPurpose) -> Result<Self, KeyRingError> {
        let algorithm = parse_algorithm(algorithm_name(tenant, purpose).ok_or(KeyRingError::NoTenantsKey)?)?;
        Ok(Self { tenant_id: Some(tenant.id), purpose, algorithm })
    }

    /// That of the gateway's own keys.
    pub(super) fn forwarded(algorithm: Algorithm) -> Self {
        Self { tenant_id: None, purpose: KeyPurpose::Forwarded, algorithm }
    }

    fn holds(&self, key: &StoredKey) -> bool {
        (key.tenant_id, key.purpose, key.for_applications) == (self.tenant_id, self.purpose, false)
            && key.algorithm == self.algorithm.as_str()
    }
}

impl KeyRing {
    /// Makes the keys that tenants need and do not have. Keys that are made at once exist when this returns; RSA keys
    /// take seconds of CPU and appear later, so that nobody waits for them.
    ///
    /// # Errors
    /// [`KeyRingError`] if the store takes no key, or a tenant names an unknown algorithm.
    pub async fn provide(self: &Arc<Self>) -> Result<(), KeyRingError> {
        let (slow, fast): (Vec<_>, Vec<_>) = self.missing()?.into_iter().partition(|slot| slot.algorithm.is_rsa());
        for &slot in &fast {
            self.make(slot).await?;
        }
        if !fast.is_empty() {
            self.read().await?;
        }
        self.retire_what_is_given_up().await?;
        if !slow.is_empty() {
            let ring = Arc::clone(self);
            tokio::spawn(async move {
                match ring.make_slow().await {
                    // The process ends. The next one makes the key.
                    Ok(()) | Err(KeyRingError::Interrupted) => {}
                    Err(KeyRingError::Store(error)) if error.is_of_the_end() => {}
                    Err(error) => {
                        tracing::error!(error = %error, "A signing key could not be made; the next reload tries again.");
                    }
                }
            });
        }
        Ok(())
    }

    /// Publishes a new key for what the tenant signs with `purpose`. It signs after the publishing interval; the old
    /// one verifies until the last token that it signed is over (P2).
    ///
    /// # Errors
    /// [`KeyRingError::Changed`] when another node rotated the same key meanwhile: then there is one new key, its.
    /// [`KeyRingError::NoneYet`] when none has been made.
    pub async fn rotate(&self, tenant_id: Uuid, purpose: KeyPurpose) -> Result<Rotation, KeyRingError> {
        let tenant = self.store.find_tenant(tenant_id).await?.ok_or(KeyRingError::NoTenant(tenant_id))?;
        self.rotate_slot(Slot::of(&tenant, purpose)?, self.longest_life(&tenant).await?).await
    }

    /// The same for any slot; `lives_for` is the life of the longest token that its keys sign.
    pub(super) async fn rotate_slot(&self, slot: Slot, lives_for: i64) -> Result<Rotation, KeyRingError> {
        let stored = self.store.list_keys(self.clock.now()).await?;
        let Some(current) = stored.iter().find(|key| slot.holds(key) && key.retired_at.is_none()) else {
            return Err(KeyRingError::NoneYet);
        };
        let made = self.generate(slot).await?;
        self.replace(lives_for, current, made).await
    }

    /// Publishes `made` as the successor of the current key of its slot, whose tokens live at most this many seconds.
    pub(super) async fn replace(
        &self,
        lives_for: i64,
        current: &StoredKey,
        made: StoredKey,
    ) -> Result<Rotation, KeyRingError> {
        let now = self.clock.now();
        let schedule = KeySchedule {
            publish_for: self.settings.publish_for,
            keep_for: lives_for.max(self.settings.keep_for) + KEEP_LEEWAY_FOR,
        };
        let (retired, successor) = current.succeed(made, now, schedule).ok_or(KeyRingError::Changed)?;
        if !self.store.rotate_key(&retired, &successor, now).await? {
            return Err(KeyRingError::Changed);
        }
        Event::KeyRotated.tell(&successor.id);
        self.read().await?;
        Ok(Rotation { retired: retired.id, signs_from_at: successor.signs_from_at, successor: successor.id })
    }

    /// Ends a key now, because it is not trusted any more: its tokens are refused from here on. `false` if it was gone.
    ///
    /// # Errors
    /// [`KeyRingError`] if the store does not answer.
    pub async fn remove(self: &Arc<Self>, kid: &str) -> Result<bool, KeyRingError> {
        let removed = self.store.remove_key(kid, self.clock.now()).await?;
        if removed {
            Event::KeyRemoved.tell(kid);
            self.reload().await?;
        }
        Ok(removed)
    }

    /// The slots of tenants that nobody has filled.
    fn missing(&self) -> Result<Vec<Slot>, KeyRingError> {
        let snapshot = self.snapshot();
        let mut missing = Vec::new();
        for tenant in &snapshot.tenants {
            for purpose in KeyPurpose::OF_TENANTS {
                missing.push(Slot::of(tenant, purpose)?);
            }
        }
        missing.extend(self.forwarded_algorithm().map(Slot::forwarded));
        let is_held =
            |slot: &Slot| snapshot.keys.iter().any(|key| slot.holds(&key.stored) && key.stored.retired_at.is_none());
        missing.retain(|slot| !is_held(slot));
        Ok(missing)
    }

    /// One key after the other, whoever asked for them.
    async fn make_slow(&self) -> Result<(), KeyRingError> {
        let _one_at_a_time = self.making.lock().await;
        while let Some(slot) = self.missing()?.into_iter().find(|slot| slot.algorithm.is_rsa()) {
            self.make(slot).await?;
            self.read().await?;
        }
        self.retire_what_is_given_up().await
    }

    /// A key of an algorithm that its tenant signs with no more goes as if it had been rotated: when the one that came after
    /// it signs, it signs no more, and it leaves when its last token is over (P2).
    async fn retire_what_is_given_up(&self) -> Result<(), KeyRingError> {
        let (now, snapshot) = (self.clock.now(), self.snapshot.load_full());
        let mut given_up = Vec::new();
        for tenant in &snapshot.tenants {
            for purpose in KeyPurpose::OF_TENANTS {
                let slot = Slot::of(tenant, purpose)?;
                let is_current = |key: &&StoredKey| {
                    (key.tenant_id, key.purpose, key.for_applications) == (Some(tenant.id), purpose, false)
                        && key.retired_at.is_none()
                };
                let current = || snapshot.keys.iter().map(|key| &*key.stored).filter(is_current);
                let Some(successor) = current().find(|key| slot.holds(key)) else { continue };
                // A newer one may be that of a tenant whose change is still on its way.
                for old in current().filter(|key| key.signs_from_at < successor.signs_from_at) {
                    let keep_for = self.longest_life(tenant).await?.max(self.settings.keep_for) + KEEP_LEEWAY_FOR;
                    let retired = old.give_way(successor.signs_from_at.max(now), keep_for);
                    given_up.push((retired, successor.id.clone()));
                }
            }
        }
        if given_up.is_empty() {
            return Ok(());
        }
        for (retired, successor) in given_up {
            if self.store.retire_key(&retired, now).await? {
                Event::KeyRotated.tell(&successor);
            }
        }
        self.read().await
    }

    /// Fills a slot, unless another node was faster.
    async fn make(&self, slot: Slot) -> Result<(), KeyRingError> {
        let made = self.generate(slot).await?;
        self.begin(made).await
    }

    /// Puts a key in its empty slot, unless another node was faster.
    pub(super) async fn begin(&self, made: StoredKey) -> Result<(), KeyRingError> {
        let now = self.clock.now();
        let mut first = made.begin(now);
        // A tenant that changes its algorithm goes on signing with the old one until everybody can know the new key.
        let snapshot = self.snapshot();
        let tenant = snapshot.tenants.iter().find(|tenant| Some(tenant.id) == first.tenant_id);
        let signs = |key: &LoadedKey| {
            // A key of all tenants is new to whoever cached the keys of any.
            (first.tenant_id.is_none() || key.stored.tenant_id == first.tenant_id)
                && key.stored.purpose == first.purpose
                // Whoever cached a key set that they cannot read has nothing to wait for.
                && tenant.is_none_or(|tenant| is_readable(tenant, &key.stored))
        };
        if snapshot.keys.iter().any(signs) {
            first.signs_from_at = now + self.settings.publish_for;
        }
        drop(snapshot);
        match self.store.insert_key(&first).await {
            Ok(()) => Event::KeyCreated.tell(&first.id),
            Err(StoreError::Conflict(Unique::CurrentKey)) => {}
            // Somebody has put the same key to use meanwhile.
            Err(StoreError::Conflict(Unique::KeyId)) => return Err(KeyRingError::Changed),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn generate(&self, slot: Slot) -> Result<StoredKey, KeyRingError> {
        let key =
            match slot.algorithm.is_rsa() {
                true => tokio::task::spawn_blocking(move || SigningKey::generate(slot.algorithm)).await.map_err(
                    |error| match error.is_panic() {
                        true => KeyError::Library.into(),
                        false => KeyRingError::Interrupted,
                    },
                )??,
                false => SigningKey::generate(slot.algorithm)?,
            };
        let private_key = self.master_key.seal(key.kid(), &key.private_key()?, &self.entropy)?;
        Ok(StoredKey {
            id: key.kid().to_owned(),
            tenant_id: slot.tenant_id,
            algorithm: slot.algorithm.as_str().to_owned(),
            purpose: slot.purpose,
            for_applications: false,
            public_jwk: key.verifying_key().public_jwk().map(|jwk| serde_json::Value::Object(jwk.clone()).to_string()),
            private_key,
            created_at: 0,
            published_at: 0,
            signs_from_at: 0,
            retired_at: None,
            removed_at: None,
        })
    }

    /// Seconds that the longest token of a tenant lives: its applications and the types of its entities may have longer ones.
    pub(super) async fn longest_life(&self, tenant: &Tenant) -> Result<i64, KeyRingError> {
        let applications = self.store.list_applications(Some(tenant.id)).await?;
        let of_applications = applications.iter().filter_map(|application| application.settings.access_token_for);
        let types = self.store.list_entity_types().await?;
        let of_types = types.iter().filter_map(|entity_type| entity_type.access_token_for);
        let of_tenant = tenant.access_token_for.max(Tenant::ACCESS_TOKEN_FOR);
        Ok(of_applications.chain(of_types).fold(of_tenant, i64::max))
    }
}
