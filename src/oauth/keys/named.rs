//! Keys with names: generated or brought along by administrators, and put to use by a tenant (P1, P2).
//!
//! Owns which keys are taken and what is known of each. When one signs is decided as for every other key: it is published
//! first. Private halves are sealed before they are stored and never leave again.

use uuid::Uuid;

use super::make::longest_life;
use super::{KeyRing, KeyRingError};
use crate::directory::{DirectoryError, FieldCode, FieldError};
use crate::events::Event;
use crate::jose::{Algorithm, SigningKey, VerifyingKey};
use crate::model::{KeyPurpose, KeyState, NamedKey, StoredKey, Tenant, is_display_name};
use crate::secret::Secret;

/// A key to be.
#[derive(Debug)]
pub struct NewKey {
    pub id: Option<Uuid>,
    pub name: String,
    /// The only tenant that may use it, or `None` for any.
    pub tenant_id: Option<Uuid>,
    pub material: KeyMaterial,
}

/// Where a key comes from.
#[derive(Debug)]
pub enum KeyMaterial {
    /// Made here; `bits` chooses among the lengths of RSA and must be the algorithm's own otherwise.
    Generated { algorithm: String, bits: Option<i64> },
    /// PEM; either half, or both. The algorithm may be left out where the curve tells.
    Pair { algorithm: Option<String>, private: Option<Secret<String>>, public: Option<String> },
    /// A shared secret, used as the bytes of its text.
    Shared { algorithm: Option<String>, secret: Secret<String> },
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
    /// Whether a tenant signs with it, or will.
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
        check_name(&new.name)?;
        let event = match new.material {
            KeyMaterial::Generated { .. } => Event::KeyCreated,
            KeyMaterial::Pair { .. } | KeyMaterial::Shared { .. } => Event::KeyImported,
        };
        let (public, private) = match new.material {
            KeyMaterial::Generated { algorithm, bits } => halves(generate(&algorithm, bits).await?),
            KeyMaterial::Pair { algorithm, private, public } => read_pair(algorithm.as_deref(), private, public)?,
            KeyMaterial::Shared { algorithm, secret } => halves(read_shared(algorithm.as_deref(), &secret)?),
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
    /// [`KeyRingError::Refused`]; as for an unknown key if it is gone meanwhile.
    pub async fn rename_key(&self, key: KnownKey, name: String) -> Result<KnownKey, KeyRingError> {
        check_name(&name)?;
        let now = self.clock.now();
        let named = NamedKey { name, updated_at: now, ..key.named };
        if !self.store.rename_named_key(named.id, &named.name, now).await? {
            // Nobody has named it before.
            self.store.insert_named_key(&named).await.map_err(DirectoryError::from)?;
        }
        Event::KeyRenamed.tell(&named.kid);
        Ok(KnownKey { named, ..key })
    }

    /// Deletes a key that no tenant signs with. One that did is not believed any more from here on: what it signed is
    /// refused.
    ///
    /// # Errors
    /// [`KeyRingError::Refused`] for one that is in use.
    pub async fn delete_key(self: &std::sync::Arc<Self>, key: &KnownKey) -> Result<(), KeyRingError> {
        if key.is_in_use(self.clock.now()) {
            let message =
                "a tenant signs with this key; have it use another one first, which is published before it signs";
            return Err(refused("key.id", FieldCode::InUse, message));
        }
        if key.stored.is_some() {
            self.remove(&key.named.kid).await?;
        }
        self.store.delete_named_key(key.named.id).await?;
        Event::KeyDeleted.tell(&key.named.kid);
        Ok(())
    }

    /// Has a tenant sign with this key for this purpose, as soon as everybody who caches the key set can know it. The key
    /// before is kept until its last token is over. Answers the algorithm, which the tenant then has to have.
    ///
    /// # Errors
    /// [`KeyRingError::Refused`] about `field` when the key cannot sign, or is used for something else, now or before.
    pub async fn use_key(
        &self,
        tenant_id: Uuid,
        purpose: KeyPurpose,
        key_id: Uuid,
        field: &'static str,
    ) -> Result<String, KeyRingError> {
        let key = self.known_key(key_id).await?;
        let key = key.filter(|key| key.named.tenant_id.is_none_or(|own| own == tenant_id));
        let Some(KnownKey { named, stored, .. }) = key else {
            return Err(refused(field, FieldCode::Missing, "there is no such key"));
        };
        if let Some(stored) = stored {
            let is_ours = (stored.tenant_id, stored.purpose) == (Some(tenant_id), purpose);
            return match (is_ours, stored.retired_at) {
                (true, None) => Ok(stored.algorithm),
                (true, Some(_)) => Err(refused(field, FieldCode::Invalid, "was replaced before; use another key")),
                (false, _) => {
                    let message = "signs something else already; one key serves one tenant and one kind of token";
                    Err(refused(field, FieldCode::InUse, message))
                }
            };
        }
        let Some(private_key) = named.private_key else {
            return Err(refused(field, FieldCode::Invalid, "has no private half to sign with"));
        };
        let tenant = self.store.find_tenant(tenant_id).await?.ok_or(KeyRingError::NoTenant(tenant_id))?;
        let made = StoredKey {
            id: named.kid,
            tenant_id: Some(tenant_id),
            algorithm: named.algorithm.clone(),
            purpose,
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
        };
        match self.store.list_keys(self.clock.now()).await?.iter().find(|key| is_current(key)) {
            Some(current) => drop(self.replace(longest_life(&tenant), current, made).await?),
            None => {
                self.begin(made).await?;
                self.read().await?;
            }
        }
        Ok(named.algorithm)
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
        created_at: key.created_at,
        updated_at: key.created_at,
    }
}

fn refused(field: &'static str, code: FieldCode, message: impl Into<String>) -> KeyRingError {
    DirectoryError::Invalid(vec![FieldError::new(field, code, message)]).into()
}

fn check_name(name: &str) -> Result<(), KeyRingError> {
    match name {
        "" => Err(refused("key.name", FieldCode::Blank, "must not be empty")),
        name if is_display_name(name) => Ok(()),
        _ => Err(refused("key.name", FieldCode::Invalid, "must be at most 190 characters that can be shown")),
    }
}

fn named_algorithm(name: &str) -> Result<Algorithm, KeyRingError> {
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or_else(|| {
        let names = Algorithm::ALL.map(Algorithm::as_str).join(", ");
        refused("key.algorithm", FieldCode::Invalid, format!("must be one of {names}"))
    })
}

async fn generate(algorithm: &str, bits: Option<i64>) -> Result<SigningKey, KeyRingError> {
    let algorithm = named_algorithm(algorithm)?;
    if !algorithm.is_rsa() {
        let key = SigningKey::generate(algorithm)?;
        let own = key.verifying_key().bits().and_then(|bits| i64::try_from(bits).ok());
        if let (Some(own), Some(asked)) = (own, bits)
            && own != asked
        {
            return Err(refused("key.length", FieldCode::Invalid, format!("must be {own} for this algorithm")));
        }
        return Ok(key);
    }
    let Some(bits) = usize::try_from(bits.unwrap_or(3072)).ok().filter(|bits| [2048, 3072, 4096].contains(bits)) else {
        return Err(refused("key.length", FieldCode::Invalid, "must be 2048, 3072 or 4096"));
    };
    // Takes seconds of CPU.
    match tokio::task::spawn_blocking(move || SigningKey::generate_rsa(algorithm, bits)).await {
        Ok(key) => Ok(key?),
        Err(_) => Err(KeyRingError::Interrupted),
    }
}

type Halves = (std::sync::Arc<VerifyingKey>, Option<SigningKey>);

fn halves(key: SigningKey) -> Halves {
    (key.verifying_key().clone(), Some(key))
}

fn read_shared(algorithm: Option<&str>, secret: &Secret<String>) -> Result<SigningKey, KeyRingError> {
    let algorithm = named_algorithm(algorithm.unwrap_or("HS256"))?;
    if !algorithm.is_symmetric() {
        return Err(refused("key.algorithm", FieldCode::Invalid, "is not one of shared secrets: HS256, HS384, HS512"));
    }
    SigningKey::from_private_key(algorithm, secret.expose().as_bytes()).map_err(|_| {
        let message = "is shorter than the algorithm's hash: HS256 needs 32 bytes, HS384 48, HS512 64";
        refused("key.secret", FieldCode::TooShort, message)
    })
}

/// Both halves have to be of one key. Without an algorithm the curve tells it; RSA keys serve several.
fn read_pair(
    algorithm: Option<&str>,
    private: Option<Secret<String>>,
    public: Option<String>,
) -> Result<Halves, KeyRingError> {
    let implied = [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa];
    let candidates = match algorithm {
        Some(name) => vec![named_algorithm(name)?],
        None => implied.to_vec(),
    };
    if candidates.iter().any(|algorithm| algorithm.is_symmetric()) {
        return Err(refused("key.secret", FieldCode::Missing, "must be there for this algorithm"));
    }
    let wrong = |field, what: &str| match algorithm {
        Some(name) => {
            let message = format!("is not {what} of {name} as PEM, or too weak for it (RSA needs 2048 bits)");
            refused(field, FieldCode::Invalid, message)
        }
        None => {
            let message = "cannot be found out from the key; name it, and send the key as PEM";
            refused("key.algorithm", FieldCode::Missing, message)
        }
    };
    let first = |read: &dyn Fn(Algorithm) -> Option<Halves>| candidates.iter().copied().find_map(read);
    let signing = match &private {
        Some(text) => {
            let read = |algorithm| SigningKey::from_pem(algorithm, text.expose()).ok().map(halves);
            Some(first(&read).ok_or_else(|| wrong("key.privateKey", "an unencrypted private key"))?)
        }
        None => None,
    };
    let verifying = match &public {
        Some(text) => {
            let read = |algorithm| Some((std::sync::Arc::new(VerifyingKey::from_pem(algorithm, text).ok()?), None));
            Some(first(&read).ok_or_else(|| wrong("key.publicKey", "a public key"))?)
        }
        None => None,
    };
    match (signing, verifying) {
        (Some((own, _)), Some((public, _))) if own.kid() != public.kid() => {
            Err(refused("key.publicKey", FieldCode::Invalid, "is not the other half of the private key"))
        }
        (Some(both), _) | (None, Some(both)) => Ok(both),
        (None, None) => {
            Err(refused("key.publicKey", FieldCode::Missing, "must be there, or privateKey, or secret for HMAC"))
        }
    }
}
