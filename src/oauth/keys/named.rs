//! Keys with names: generated or brought along by administrators (P1).
//!
//! Owns what is known of each; how one is put to use is in `usage`. Private halves are sealed before they are stored and
//! never leave again.

use uuid::Uuid;

use super::{KeyRing, KeyRingError};
use crate::directory::{
    DirectoryError, FieldCode, FieldError, KeyHalves, KeyMaterial, check_key_name, named_algorithm,
};
use crate::events::Event;
use crate::jose::{KeyError, SigningKey, VerifyingKey};
use crate::model::{KeyPurpose, KeyState, NamedKey, StoredKey, Tenant};

/// A key to be.
#[derive(Debug)]
pub struct NewKey {
    pub id: Option<Uuid>,
    pub name: String,
    /// The only tenant that may use it, or `None` for any.
    pub tenant_id: Option<Uuid>,
    pub material: KeyMaterial,
    /// Who declares it.
    pub managed_by: Option<String>,
}

/// A key as administrators see it.
#[derive(Clone, Debug)]
pub struct KnownKey {
    pub named: NamedKey,
    /// What signs with it, or did.
    pub stored: Option<StoredKey>,
    /// `SubjectPublicKeyInfo`; none for a shared secret.
    pub public_pem: Option<String>,
    /// None for a shared secret.
    pub bits: Option<usize>,
}

impl KnownKey {
    /// Whether somebody signs with it, or may.
    pub fn is_in_use(&self, now: i64) -> bool {
        self.stored.as_ref().is_some_and(|stored| match stored.state(now) {
            KeyState::Published | KeyState::Signing => true,
            KeyState::Kept | KeyState::Removed => false,
        })
    }

    /// Whether it is what the tenant signs with for this purpose, now or as soon as everybody can know it.
    pub fn is_current_of(&self, tenant: &Tenant, purpose: KeyPurpose) -> bool {
        self.stored.as_ref().is_some_and(|stored| {
            (stored.tenant_id, stored.purpose, stored.retired_at) == (Some(tenant.id), purpose, None)
                && !stored.for_applications
                && super::algorithm_name(tenant, purpose) == Some(&*stored.algorithm)
        })
    }

    fn new(named: NamedKey, stored: Option<StoredKey>) -> Self {
        let public = named.public_jwk.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let public = public.and_then(|jwk| VerifyingKey::from_jwk(&jwk).ok());
        let (public_pem, bits) = (public.as_ref().and_then(VerifyingKey::to_pem), public.and_then(|key| key.bits()));
        Self { named, stored, public_pem, bits }
    }
}

impl KeyRing {
    /// Every key, whoever made it, oldest first. Those that nobody named have ids and names of our own.
    ///
    /// # Errors
    /// [`KeyRingError::Store`].
    pub async fn known_keys(&self) -> Result<Vec<KnownKey>, KeyRingError> {
        // Those that are gone too: a key that was used once is not used again.
        let mut stored = self.store.list_keys(0).await?;
        let now = self.clock.now();
        let mut known = Vec::new();
        for named in self.store.list_named_keys().await? {
            let used = stored.iter().position(|key| key.id == named.kid).map(|index| stored.remove(index));
            known.push(KnownKey::new(named, used));
        }
        stored.retain(|key| key.state(now) != KeyState::Removed);
        if !stored.is_empty() {
            let tenants = self.store.list_tenants().await?;
            for key in stored {
                let tenant = tenants.iter().find(|tenant| Some(tenant.id) == key.tenant_id);
                known.push(KnownKey::new(unnamed(&key, tenant), Some(key)));
            }
        }
        known.sort_by_key(|known| (known.named.created_at, known.named.id));
        Ok(known)
    }

    /// # Errors
    /// [`KeyRingError::Store`].
    pub async fn known_key(&self, id: Uuid) -> Result<Option<KnownKey>, KeyRingError> {
        Ok(self.known_keys().await?.into_iter().find(|key| key.named.id == id))
    }

    /// Makes or takes a key. No tenant uses it yet.
    ///
    /// # Errors
    /// [`KeyRingError::Refused`] with every wrong field.
    pub async fn create_key(&self, new: NewKey) -> Result<KnownKey, KeyRingError> {
        check_key_name(&new.name)?;
        let (event, (public, private)) = match &new.material {
            KeyMaterial::Generated { algorithm, bits } => (Event::KeyCreated, generate(algorithm, *bits).await?),
            brought @ (KeyMaterial::Pair { .. } | KeyMaterial::Shared { .. }) => match brought.read()? {
                Some(halves) => (Event::KeyImported, halves),
                None => return Err(KeyRingError::Key(KeyError::Library)),
            },
        };
        let kid = public.kid().to_string();
        let now = self.clock.now();
        let named = NamedKey {
            id: new.id.unwrap_or_else(|| self.entropy.uuid()),
            name: new.name,
            tenant_id: new.tenant_id,
            algorithm: public.algorithm().as_str().to_owned(),
            public_jwk: public.public_jwk().map(|jwk| serde_json::Value::Object(jwk.clone()).to_string()),
            private_key: match private {
                Some(key) => Some(self.master_key.seal(&kid, &key.private_key()?, &self.entropy)?),
                None => None,
            },
            kid,
            managed_by: new.managed_by,
            created_at: now,
            updated_at: now,
        };
        if self.store.list_keys(0).await?.iter().any(|key| key.id == named.kid) {
            return Err(refused("key.kid", FieldCode::Duplicate, "this key is there already"));
        }
        self.store.insert_named_key(&named).await.map_err(DirectoryError::from)?;
        event.tell(&named.kid);
        Ok(KnownKey::new(named, None))
    }

    /// # Errors
    /// [`KeyRingError::Refused`]; [`KeyRingError::Changed`] if somebody else was faster.
    pub async fn rename_key(&self, key: KnownKey, name: String) -> Result<KnownKey, KeyRingError> {
        check_key_name(&name)?;
        let now = self.clock.now();
        let named = NamedKey { name, updated_at: now, ..key.named.clone() };
        match self.store.list_named_keys().await?.iter().any(|stored| stored.id == named.id) {
            true if self.store.update_named_key(&key.named, &named).await? => {}
            true => return Err(KeyRingError::Changed),
            // Nobody has named it before.
            false => self.store.insert_named_key(&named).await.map_err(DirectoryError::from)?,
        }
        Event::KeyRenamed.tell(&named.kid);
        Ok(KnownKey { named, ..key })
    }

    /// Deletes a key that nobody signs with. One that did is not believed any more from here on: what it signed is refused.
    ///
    /// # Errors
    /// [`KeyRingError::Refused`] for one that is in use.
    pub async fn delete_key(self: &std::sync::Arc<Self>, key: &KnownKey) -> Result<(), KeyRingError> {
        if self.is_needed(key).await? {
            let message = "a tenant, an application or an entity type signs with it; have that use another one first, which is \
                           published before it signs";
            return Err(refused("key.id", FieldCode::InUse, message));
        }
        if key.stored.is_some() {
            self.remove(&key.named.kid).await?;
        }
        self.store.delete_named_key(key.named.id).await?;
        Event::KeyDeleted.tell(&key.named.kid);
        Ok(())
    }

    /// Whether a tenant signs with it, or an application or an entity type names it.
    ///
    /// # Errors
    /// [`KeyRingError::Store`].
    pub(super) async fn is_needed(&self, key: &KnownKey) -> Result<bool, KeyRingError> {
        if !key.is_in_use(self.clock.now()) {
            return Ok(false);
        }
        let Some(stored) = key.stored.as_ref().filter(|stored| stored.for_applications) else { return Ok(true) };
        let id = key.named.id;
        let types = self.store.list_entity_types().await?;
        if types.iter().any(|entity_type| entity_type.access_token_key == Some(id)) {
            return Ok(true);
        }
        let applications = self.store.list_applications(stored.tenant_id).await?;
        Ok(applications.iter().any(|application| application.settings.names_key(id)))
    }
}

/// What is known of a key that nobody named.
fn unnamed(key: &StoredKey, tenant: Option<&Tenant>) -> NamedKey {
    let purpose = match key.purpose {
        KeyPurpose::AccessToken => "access tokens",
        KeyPurpose::IdToken => "ID tokens",
        KeyPurpose::Forwarded => "forwarded tokens",
    };
    let nobody = if key.purpose == KeyPurpose::Forwarded { "the gateway" } else { "every tenant" };
    let whose = tenant.map_or(nobody, |tenant| tenant.name.as_str());
    NamedKey {
        id: NamedKey::id_of(&key.id),
        kid: key.id.clone(),
        name: format!("{whose}: {purpose}, {}", key.algorithm),
        tenant_id: key.tenant_id,
        algorithm: key.algorithm.clone(),
        public_jwk: key.public_jwk.clone(),
        private_key: Some(key.private_key.clone()),
        managed_by: None,
        created_at: key.created_at,
        updated_at: key.created_at,
    }
}

pub(super) fn refused(field: &'static str, code: FieldCode, message: impl Into<String>) -> KeyRingError {
    DirectoryError::Invalid(vec![FieldError::new(field, code, message)]).into()
}

async fn generate(algorithm: &str, bits: Option<i64>) -> Result<KeyHalves, KeyRingError> {
    let halves = |key: SigningKey| (key.verifying_key().clone(), Some(key));
    let algorithm = named_algorithm(algorithm)?;
    if !algorithm.is_rsa() {
        let key = SigningKey::generate(algorithm)?;
        let own = key.verifying_key().bits().and_then(|bits| i64::try_from(bits).ok());
        if let (Some(own), Some(asked)) = (own, bits)
            && own != asked
        {
            return Err(refused("key.length", FieldCode::Invalid, format!("must be {own} for this algorithm")));
        }
        return Ok(halves(key));
    }
    let Some(bits) = usize::try_from(bits.unwrap_or(3072)).ok().filter(|bits| [2048, 3072, 4096].contains(bits)) else {
        return Err(refused("key.length", FieldCode::Invalid, "must be 2048, 3072 or 4096"));
    };
    // Takes seconds of CPU.
    match tokio::task::spawn_blocking(move || SigningKey::generate_rsa(algorithm, bits)).await {
        Ok(key) => Ok(halves(key?)),
        Err(_) => Err(KeyRingError::Interrupted),
    }
}
