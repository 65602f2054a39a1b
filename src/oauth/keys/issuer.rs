//! One tenant as an issuer: its name, its keys now, and what its tokens look like. Immutable; a change makes a new one.
//!
//! Owns the choice of the key that signs and of the keys that verify; it does not read or make keys.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::algorithm_name;
use super::gate::{GateKeys, is_gate_key};
use crate::clock::UnixSeconds;
use crate::directory::{Directory, check_signs_for};
use crate::jose::{Expectations, KeySet, SigningKey, TypeSet};
use crate::model::{Application, ExpiresIn, KeyPurpose, KeyState, StoredKey, Tenant, signing_key};
use crate::oauth::Settings;
use crate::profile::Dialect;

/// A tenant that issues tokens.
#[derive(Debug)]
pub struct LocalIssuer {
    pub tenant: Arc<Tenant>,
    /// The `iss` of its tokens.
    pub issuer: Box<str>,
    /// Where its endpoints are, without a trailing slash. The issuer itself, if that is a URL.
    pub base_url: Box<str>,
    /// What its access tokens must be. Audiences are up to the route.
    pub expectations: Expectations,
    /// The keys that verify its access tokens, and nothing else (rule E3).
    pub access_token_keys: Arc<KeySet>,
    /// The keys that verify ID tokens that come back as hints.
    pub id_token_keys: KeySet,
    key_set: KeySet,
    keys: Vec<LoadedKey>,
}

/// Which key signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    pub kid: String,
    pub since: UnixSeconds,
    /// Its successor and when that begins, once a rotation has made it.
    pub next: Option<(String, UnixSeconds)>,
}

/// A stored key, opened.
#[derive(Clone, Debug)]
pub(super) struct LoadedKey {
    pub stored: Arc<StoredKey>,
    pub key: Arc<SigningKey>,
    /// What administrators call it.
    pub known_as: Uuid,
}

/// Everything that is known at one time.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub issuers: HashMap<Uuid, Arc<LocalIssuer>>,
    pub by_name: HashMap<Box<str>, Uuid>,
    pub default_tenant: Option<Uuid>,
    pub tenants: Vec<Arc<Tenant>>,
    pub keys: Vec<LoadedKey>,
    /// No tenant's.
    pub gate: Arc<GateKeys>,
    pub generation: u64,
    /// The clock of the snapshot: true from here on ...
    from_at: UnixSeconds,
    /// ... until the next key enters or leaves.
    until_at: UnixSeconds,
}

impl LocalIssuer {
    fn new(tenant: Arc<Tenant>, is_default: bool, keys: Vec<LoadedKey>, settings: &Settings) -> Self {
        let place = match (Dialect::of(tenant.profile).realm_of(&tenant), is_default) {
            (Some(realm), _) => format!("{}/{realm}", settings.public_url), // F-290
            (None, true) => settings.public_url.clone(),
            (None, false) => format!("{}/{}", settings.public_url, tenant.id),
        };
        let issuer = tenant.issuer.clone().unwrap_or_else(|| place.clone());
        let base_url = match is_url(&issuer) {
            true => issuer.trim_end_matches('/').to_owned(),
            false => place,
        };
        let for_access_tokens = |key: &&LoadedKey| key.stored.purpose == KeyPurpose::AccessToken;
        let verifying = |key: &LoadedKey| Arc::clone(key.key.verifying_key());
        let typ = Dialect::of(tenant.profile).access_token_type.as_str();
        let expectations = Expectations {
            // F6: a dialect may write another type, but what RFC 9068 says is always understood.
            types: TypeSet::new(["at+jwt", typ]),
            algorithms: keys.iter().filter(for_access_tokens).map(|key| key.key.algorithm()).collect(),
            ..Expectations::new(&issuer)
        };
        Self {
            issuer: issuer.into(),
            base_url: base_url.into(),
            expectations,
            access_token_keys: Arc::new(KeySet::new(keys.iter().filter(for_access_tokens).map(verifying))),
            id_token_keys: KeySet::new(
                keys.iter().filter(|key| key.stored.purpose == KeyPurpose::IdToken).map(verifying),
            ),
            // D6: what clients cannot read is not shown to them; here it is believed until its last token is over.
            key_set: KeySet::new(keys.iter().filter(|key| is_readable(&tenant, &key.stored)).map(verifying)),
            tenant,
            keys,
        }
    }

    /// The key that signs at `now`: of the tenant's algorithm, or the one before while that is not ready. If the only
    /// one that may was removed, the next one signs early. `None` only before the first key is made.
    pub fn signing_key(&self, purpose: KeyPurpose, now: UnixSeconds) -> Option<&Arc<SigningKey>> {
        let algorithm = algorithm_name(&self.tenant, purpose);
        let of_purpose =
            || self.keys.iter().map(|key| &*key.stored).filter(|key| key.purpose == purpose && !key.for_applications);
        let next =
            || of_purpose().filter(|key| key.state(now) == KeyState::Published).min_by_key(|key| key.signs_from_at);
        let chosen = signing_key(of_purpose().filter(|key| Some(&*key.algorithm) == algorithm), now)
            .or_else(|| signing_key(of_purpose(), now))
            .or_else(next)?;
        self.keys.iter().find(|key| key.stored.id == chosen.id).map(|key| &key.key)
    }

    /// What signs for a purpose at `now`, and what is published already to sign after it.
    pub fn signing(&self, purpose: KeyPurpose, now: UnixSeconds) -> Option<Signing> {
        let kid = self.signing_key(purpose, now)?.kid().to_owned();
        let own = || self.keys.iter().map(|key| &key.stored).filter(|key| key.purpose == purpose);
        let since = own().find(|key| key.id == kid)?.signs_from_at;
        let later = |key: &&Arc<StoredKey>| !key.for_applications && key.id != kid && key.signs_from_at > now;
        let next = own().filter(later).min_by_key(|key| key.signs_from_at);
        let next = next.map(|key| (key.id.clone(), key.signs_from_at));
        Some(Signing { kid, since, next })
    }

    /// The key that signs for an application at `now`; see [`Self::signing_key_called`].
    pub fn signing_key_of(
        &self,
        application: &Application,
        purpose: KeyPurpose,
        now: UnixSeconds,
    ) -> Option<&Arc<SigningKey>> {
        self.signing_key_called(application.settings.key_for(purpose), purpose, now)
    }

    /// The key that signs for somebody who names one at `now`: that one, once everybody can know it and where the tenant's
    /// clients can read it, or the tenant's.
    pub fn signing_key_called(
        &self,
        named: Option<Uuid>,
        purpose: KeyPurpose,
        now: UnixSeconds,
    ) -> Option<&Arc<SigningKey>> {
        let signs = |key: &StoredKey| {
            key.purpose == purpose && key.state(now) == KeyState::Signing && is_readable(&self.tenant, key)
        };
        let own = named.and_then(|id| self.keys.iter().find(|key| key.known_as == id && signs(&key.stored)));
        own.map(|key| &key.key).or_else(|| self.signing_key(purpose, now))
    }

    /// JOSE names of what ID tokens may be signed with: the tenant's, then those of its applications.
    pub fn id_token_algorithms(&self) -> Vec<&str> {
        let mut algorithms = vec![&*self.tenant.id_token_algorithm];
        let of_applications =
            |key: &&LoadedKey| key.stored.for_applications && key.stored.purpose == KeyPurpose::IdToken;
        for key in self.keys.iter().filter(of_applications) {
            if !algorithms.contains(&&*key.stored.algorithm) {
                algorithms.push(&key.stored.algorithm);
            }
        }
        algorithms
    }

    /// The key with this `kid`, if it is one that signs at `now`.
    pub fn key_that_signs(&self, kid: &str, now: UnixSeconds) -> Option<&Arc<SigningKey>> {
        let found = self.keys.iter().find(|key| key.stored.id == kid && key.stored.state(now) == KeyState::Signing);
        found.map(|key| &key.key)
    }

    /// How its tenant speaks.
    pub fn dialect(&self) -> &'static Dialect {
        Dialect::of(self.tenant.profile)
    }

    /// How `expires_in` is said (D3).
    pub fn says_expiry(&self) -> ExpiresIn {
        self.tenant.settings.expires_in.unwrap_or(self.dialect().expires_in)
    }

    /// Every key that the tenant publishes.
    pub fn key_set(&self) -> &KeySet {
        &self.key_set
    }

    /// The JWKS of the tenant, for everybody.
    pub fn key_set_document(&self) -> Bytes {
        self.key_set.document()
    }

    /// Whether the issuer can be discovered: RFC 8414 and OpenID Connect want a URL (D2).
    pub fn is_discoverable(&self) -> bool {
        is_url(&self.issuer)
    }
}

impl Snapshot {
    /// New facts, to be dated with [`Snapshot::at`].
    pub(super) fn new(before: &Self, tenants: Vec<Arc<Tenant>>, keys: Vec<LoadedKey>) -> Self {
        let issuers = before.issuers.clone();
        let gate = before.gate.clone();
        Self { tenants, keys, issuers, gate, generation: before.generation, ..Self::default() }
    }

    pub(super) fn is_stale(&self, now: UnixSeconds) -> bool {
        !(self.from_at..self.until_at).contains(&now)
    }

    /// The same keys and tenants, as they stand at `now`.
    pub(super) fn at(&self, now: UnixSeconds, settings: &Settings) -> Self {
        // Tenants of one declaration are equally old; ids are random, so the name decides between them.
        let age = |tenant: &&Arc<Tenant>| (tenant.created_at, tenant.name != Directory::DEFAULT_TENANT, tenant.id);
        let oldest = self.tenants.iter().min_by_key(age).map(|tenant| tenant.id);
        let default_tenant = settings.default_tenant.or(oldest);
        let issuer = |tenant: &Arc<Tenant>| {
            let is_ours =
                |key: &&LoadedKey| !is_gate_key(&key.stored) && key.stored.tenant_id.is_none_or(|id| id == tenant.id);
            let keys = self.keys.iter().filter(is_ours).filter(|key| key.stored.is_published(now)).cloned().collect();
            LocalIssuer::new(Arc::clone(tenant), Some(tenant.id) == default_tenant, keys, settings)
        };
        let issuers: HashMap<_, _> = self.tenants.iter().map(|tenant| (tenant.id, Arc::new(issuer(tenant)))).collect();
        let (from_at, until_at) = self.period(now);
        let gate = Arc::new(GateKeys::new(&self.keys, now));
        let is_less = is_less(&self.issuers, &issuers) || self.gate.has_more_than(&gate);
        Self {
            by_name: by_name(&issuers),
            generation: self.generation + u64::from(is_less),
            gate,
            issuers,
            default_tenant,
            tenants: self.tenants.clone(),
            keys: self.keys.clone(),
            from_at,
            until_at,
        }
    }

    /// Around `now`, when no key enters or leaves a key set.
    fn period(&self, now: UnixSeconds) -> (UnixSeconds, UnixSeconds) {
        let instants =
            self.keys.iter().flat_map(|key| [Some(key.stored.published_at), key.stored.removed_at]).flatten();
        instants.fold((UnixSeconds::MIN, UnixSeconds::MAX), |(from_at, until_at), at| match at <= now {
            true => (from_at.max(at), until_at),
            false => (from_at, until_at.min(at)),
        })
    }
}

/// If two tenants say the same issuer, the older one is meant.
fn by_name(issuers: &HashMap<Uuid, Arc<LocalIssuer>>) -> HashMap<Box<str>, Uuid> {
    let mut newest_first: Vec<_> = issuers.values().collect();
    newest_first.sort_by_key(|issuer| Reverse((issuer.tenant.created_at, issuer.tenant.id)));
    newest_first.into_iter().map(|issuer| (issuer.issuer.clone(), issuer.tenant.id)).collect()
}

/// Whether an issuer, its name, or one of its keys is gone.
fn is_less(before: &HashMap<Uuid, Arc<LocalIssuer>>, after: &HashMap<Uuid, Arc<LocalIssuer>>) -> bool {
    before.iter().any(|(id, old)| match after.get(id) {
        None => true,
        Some(new) => {
            let kept: HashSet<_> = new.access_token_keys.keys().map(|key| key.kid()).collect();
            old.issuer != new.issuer || old.access_token_keys.keys().any(|key| !kept.contains(key.kid()))
        }
    })
}

/// Whether clients of the tenant's profile can read such a key.
pub(super) fn is_readable(tenant: &Tenant, key: &StoredKey) -> bool {
    check_signs_for(tenant, &key.algorithm).is_none()
}

fn is_url(issuer: &str) -> bool {
    issuer.starts_with("https://") || issuer.starts_with("http://")
}
