//! Keys with names put to use: by a tenant, by applications of it, or by types of entities (P2).
//!
//! Owns for what a key may be used. When it signs is decided as for every other key: it is published first.

use std::sync::Arc;

use uuid::Uuid;

use super::named::refused;
use super::{KeyRing, KeyRingError, KnownKey, NewKey};
use crate::directory::declare::{KeyRoom, KeyWrite};
use crate::directory::{DirectoryError, FieldCode, KeySigner, KeyUse, check_signs_for};
use crate::events::Event;
use crate::model::{StoredKey, Tenant};
use crate::store::{Object, StoreError};

/// A key that may be put to some use.
enum Usable {
    /// It is already; its algorithm.
    InUse(String),
    /// As it would be stored, and the tenant that would sign with it.
    Unused(Box<(StoredKey, Option<Tenant>)>),
}

impl KeyRing {
    /// Whether [`Self::use_key`] would put the key to this use, so that nothing else is written where it would not. `to_be` is the
    /// tenant as it is going to be. Answers as [`Self::use_key`] does, and changes nothing.
    ///
    /// # Errors
    /// As [`Self::use_key`].
    pub async fn check_key(
        &self,
        wanted: KeyUse,
        to_be: Option<&Tenant>,
        field: &'static str,
    ) -> Result<String, KeyRingError> {
        Ok(match self.usable(wanted, to_be, field).await? {
            Usable::InUse(algorithm) => algorithm,
            Usable::Unused(unused) => unused.0.algorithm,
        })
    }

    /// Has a tenant sign with this key, or those applications or entity types that name the key, as soon as everybody who caches
    /// the key set can know it. The tenant's key before is kept until its last token is over. Answers the algorithm, which the
    /// tenant then has to have.
    ///
    /// # Errors
    /// [`KeyRingError::Refused`] about `field` when the key cannot sign, or is used for something else, now or before.
    pub async fn use_key(&self, wanted: KeyUse, field: &'static str) -> Result<String, KeyRingError> {
        let (made, tenant) = match self.usable(wanted, None, field).await? {
            Usable::InUse(algorithm) => return Ok(algorithm),
            Usable::Unused(unused) => *unused,
        };
        let algorithm = made.algorithm.clone();
        if let (KeySigner::Tenant(_), Some(tenant)) = (wanted.signer, tenant) {
            let is_current = |key: &&StoredKey| {
                (key.tenant_id, key.purpose, key.retired_at) == (Some(tenant.id), wanted.purpose, None)
                    && key.algorithm == algorithm
                    && !key.for_applications
            };
            if let Some(current) = self.store.list_keys(self.clock.now()).await?.iter().find(is_current) {
                self.replace(self.longest_life(&tenant).await?, current, made).await?;
                return Ok(algorithm);
            }
        }
        self.begin(made).await?;
        self.read().await?;
        Ok(algorithm)
    }

    async fn usable(
        &self,
        wanted: KeyUse,
        to_be: Option<&Tenant>,
        field: &'static str,
    ) -> Result<Usable, KeyRingError> {
        let KeyUse { key_id, purpose, signer } = wanted;
        let key = self.known_key(key_id).await?;
        let may_use = |own: Option<Uuid>| own.is_none() || signer.tenant_id().is_none() || own == signer.tenant_id();
        let Some(KnownKey { named, stored, .. }) = key.filter(|key| may_use(key.named.tenant_id)) else {
            return Err(refused(field, FieldCode::Missing, "there is no such key"));
        };
        let tenant_id = signer.tenant_id().or(named.tenant_id);
        let tenant = match (tenant_id, to_be) {
            (Some(id), Some(to_be)) if to_be.id == id => Some(to_be.clone()),
            (Some(id), _) => Some(self.store.find_tenant(id).await?.ok_or(KeyRingError::NoTenant(id))?),
            (None, _) => None,
        };
        if let Some(why) = tenant.as_ref().and_then(|tenant| check_signs_for(tenant, &named.algorithm)) {
            return Err(refused(field, FieldCode::Invalid, why));
        }
        if let Some(stored) = stored {
            let is_fitting = stored.purpose == purpose && signer.may_share(stored.tenant_id, stored.for_applications);
            return match (is_fitting, stored.retired_at) {
                (true, None) => Ok(Usable::InUse(stored.algorithm)),
                (true, Some(_)) => Err(refused(field, FieldCode::Invalid, "was replaced before; use another key")),
                (false, _) => {
                    let message = "signs something else already; one key serves one tenant and one kind of token, and \
                                   either the tenant or those who name it";
                    Err(refused(field, FieldCode::InUse, message))
                }
            };
        }
        let Some(private_key) = named.private_key else {
            return Err(refused(field, FieldCode::Invalid, "has no private half to sign with"));
        };
        let made = StoredKey {
            id: named.kid,
            tenant_id,
            algorithm: named.algorithm,
            purpose,
            for_applications: signer.names_it(),
            public_jwk: named.public_jwk,
            private_key,
            created_at: 0,
            published_at: 0,
            signs_from_at: 0,
            retired_at: None,
            removed_at: None,
        };
        Ok(Usable::Unused(Box::new((made, tenant))))
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
                let written = self.store.update_named_key(&change.0, &change.1).await?;
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
            KeyRingError::NoneYet => Self::NotFound("key"),
            other @ (KeyRingError::Sealed(_)
            | KeyRingError::Key(_)
            | KeyRingError::UnknownAlgorithm(_)
            | KeyRingError::NotForwarded
            | KeyRingError::NoTenantsKey
            | KeyRingError::Interrupted) => Self::Store(StoreError::Unavailable(Box::new(other))),
        }
    }
}
