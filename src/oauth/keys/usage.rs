//! Keys with names put to use: by a tenant, or by applications of it (P2).
//!
//! Owns for what a key may be used. When it signs is decided as for every other key: it is published first.

use std::sync::Arc;

use super::make::longest_life;
use super::named::refused;
use super::{KeyRing, KeyRingError, KnownKey, NewKey};
use crate::directory::declare::{KeyRoom, KeyWrite};
use crate::directory::{DirectoryError, FieldCode, KeyUse, check_signs_for};
use crate::events::Event;
use crate::model::StoredKey;
use crate::store::{Object, StoreError};

impl KeyRing {
    /// Has a tenant sign with this key, or those applications of it that name the key, as soon as everybody who caches the
    /// key set can know it. The tenant's key before is kept until its last token is over. Answers the algorithm, which the
    /// tenant then has to have.
    ///
    /// # Errors
    /// [`KeyRingError::Refused`] about `field` when the key cannot sign, or is used for something else, now or before.
    pub async fn use_key(&self, wanted: KeyUse, field: &'static str) -> Result<String, KeyRingError> {
        let KeyUse { key_id, tenant_id, purpose, for_applications } = wanted;
        let key = self.known_key(key_id).await?;
        let key = key.filter(|key| key.named.tenant_id.is_none_or(|own| own == tenant_id));
        let Some(KnownKey { named, stored, .. }) = key else {
            return Err(refused(field, FieldCode::Missing, "there is no such key"));
        };
        let tenant = self.store.find_tenant(tenant_id).await?.ok_or(KeyRingError::NoTenant(tenant_id))?;
        if let Some(why) = check_signs_for(&tenant, &named.algorithm) {
            return Err(refused(field, FieldCode::Invalid, why));
        }
        if let Some(stored) = stored {
            // What signs for the whole tenant signs for its applications too, as long as it does.
            let is_fitting = (stored.tenant_id, stored.purpose) == (Some(tenant_id), purpose)
                && (for_applications || !stored.for_applications);
            return match (is_fitting, stored.retired_at) {
                (true, None) => Ok(stored.algorithm),
                (true, Some(_)) => Err(refused(field, FieldCode::Invalid, "was replaced before; use another key")),
                (false, _) => {
                    let message = "signs something else already; one key serves one tenant and one kind of token, and \
                                   either the tenant or some of its applications";
                    Err(refused(field, FieldCode::InUse, message))
                }
            };
        }
        let Some(private_key) = named.private_key else {
            return Err(refused(field, FieldCode::Invalid, "has no private half to sign with"));
        };
        let made = StoredKey {
            id: named.kid,
            tenant_id: Some(tenant_id),
            algorithm: named.algorithm.clone(),
            purpose,
            for_applications,
            public_jwk: named.public_jwk,
            private_key,
            created_at: 0,
            published_at: 0,
            signs_from_at: 0,
            retired_at: None,
            removed_at: None,
        };
        let is_current = |key: &StoredKey| {
            (key.tenant_id, key.purpose, key.retired_at) == (Some(tenant_id), purpose, None)
                && key.algorithm == named.algorithm
                && !key.for_applications
        };
        let stored = self.store.list_keys(self.clock.now()).await?;
        match stored.iter().find(|key| !for_applications && is_current(key)) {
            Some(current) => drop(self.replace(longest_life(&tenant), current, made).await?),
            None => {
                self.begin(made).await?;
                self.read().await?;
            }
        }
        Ok(named.algorithm)
    }
}

impl KeyRoom for Arc<KeyRing> {
    async fn carry_out(&self, write: &KeyWrite) -> Result<bool, DirectoryError> {
        match write {
            KeyWrite::Insert(new) => {
                let new = NewKey {
                    id: Some(new.key.id),
                    name: new.key.name.clone(),
                    tenant_id: new.key.tenant_id,
                    material: new.material.clone(),
                    managed_by: new.key.managed_by.clone(),
                };
                self.create_key(new).await?;
            }
            KeyWrite::Update(change) => {
                let written = self.store.update_named_key(&change.1).await?;
                Event::KeyRenamed.tell(&change.1.kid);
                return Ok(written);
            }
            KeyWrite::Delete(key) => {
                let Some(known) = self.known_key(key.id).await? else { return Ok(false) };
                if self.is_needed(&known).await? {
                    // As the store would say it of an object of its own.
                    return Err(DirectoryError::Store(StoreError::InUse(Object::Key)));
                }
                self.delete_key(&known).await?;
            }
            KeyWrite::Use(wanted) => {
                self.use_key(*wanted, "key").await?;
            }
        }
        Ok(true)
    }
}

impl From<KeyRingError> for DirectoryError {
    fn from(error: KeyRingError) -> Self {
        match error {
            KeyRingError::Refused(why) => why,
            KeyRingError::Store(error) => Self::Store(error),
            KeyRingError::Changed => Self::Changed("key"),
            KeyRingError::NoTenant(_) => Self::NotFound("tenant"),
            other @ (KeyRingError::Sealed(_)
            | KeyRingError::Key(_)
            | KeyRingError::UnknownAlgorithm(_)
            | KeyRingError::NotForwarded
            | KeyRingError::NoTenantsKey
            | KeyRingError::Interrupted) => Self::Store(StoreError::Unavailable(Box::new(other))),
        }
    }
}
