//! What administrators manage: tenants, entities and what they may do to each other, applications, users and their
//! places in applications, passwords and second factors. Every rule about them is checked here, and
//! the token path reads them here, from memory.
//!
//! It does not know how a command arrived, nor what a token looks like.

mod access;
mod api_keys;
mod application_rules;
mod applications;
mod cache;
mod credentials;
pub mod declare;
mod entities;
mod entity_types;
mod error;
mod feed;
mod grants;
mod hashers;
mod import;
mod imported_hash;
mod key_rules;
mod lookup;
mod passkeys;
mod password_rules;
mod passwords;
pub mod redirect_uri;
mod registered_clients;
mod registrations;
mod rules;
mod second_factor;
mod tenant_rules;
mod tenants;
mod throttle;
mod user_rules;
mod users;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

pub use access::Access;
pub use api_keys::{ApiKeyWithSecret, NewApiKey, OPERATIONS};
pub use application_rules::certificate_name;
pub use applications::{ApplicationWithSecret, NewApplication, NewRole, NewSecret};
pub use credentials::{Login, LoginError, SecondFactor};
pub use entities::{EntityChange, NewEntity, WithSecret};
pub use entity_types::{NewEntityType, NewPermission};
pub use error::{DirectoryError, FieldCode, FieldError};
pub use feed::News;
pub use grants::NewGrant;
pub use hashers::PasswordQueue;
pub use import::{ImportDefaults, Imported, Importer, Person};
pub use imported_hash::HashInParts;
pub use key_rules::{KeyHalves, KeyMaterial, KeySigner, KeyUse, check_key_name, check_signs_for, named_algorithm};
pub use passwords::{PasswordError, Passwords, Verdict};
pub use registrations::NewRegistration;
pub use second_factor::{Enrollment, ProposedSecret, is_recovery_code, totp_uri};
pub use tenant_rules::check_settings as check_tenant_settings;
pub use tenants::{NewTenant, TenantContents, new_tenant};
pub use users::NewUser;

use prometheus::IntCounterVec;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::events::Event;
use crate::jose::Sealing;
use crate::revocations::Revocations;
use crate::store::{Search, Store};

/// The administrators' commands and the token path's lookups. Share it in an `Arc`.
pub struct Directory {
    store: Arc<dyn Store>,
    clock: Clock,
    entropy: Entropy,
    cache: cache::Cache,
    passwords: Passwords,
    throttle: throttle::Throttle,
    sealing: Sealing,
    revocations: Arc<Revocations>,
    login_counter: OnceLock<IntCounterVec>,
    /// When the store last answered what had changed.
    heard_at: Mutex<Option<Instant>>,
}

impl Directory {
    /// A directory whose sealed secrets nobody else opens and whose revocations nobody hears of, until it is told with
    /// whom to share them.
    pub fn new(store: Arc<dyn Store>, clock: Clock, entropy: Entropy) -> Self {
        Self {
            cache: cache::Cache::new(),
            passwords: Passwords::new(entropy.clone()),
            throttle: throttle::Throttle::new(),
            sealing: Sealing::ephemeral(),
            revocations: Arc::default(),
            login_counter: OnceLock::new(),
            heard_at: Mutex::default(),
            store,
            clock,
            entropy,
        }
    }

    pub fn with_sealing(self, sealing: Sealing) -> Self {
        Self { sealing, ..self }
    }

    pub fn with_revocations(self, revocations: Arc<Revocations>) -> Self {
        Self { revocations, ..self }
    }

    /// Passwords that are being hashed, and those that wait for it.
    pub fn password_queue(&self) -> PasswordQueue {
        self.passwords.queue()
    }

    /// Whether nobody can be anybody yet: no user, application, entity or API key.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn is_empty(&self) -> crate::store::Result<bool> {
        let one = Search { limit: 1, ..Search::default() };
        Ok(self.store.list_users(None, None, 1).await?.is_empty()
            && self.store.search_entities(&one).await?.0.is_empty()
            && self.store.list_api_keys().await?.is_empty()
            && self.store.list_applications(None).await?.is_empty())
    }

    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// After every write of our own: nothing older is answered from memory, and the auditor hears of it.
    fn told(&self, event: Event, object_id: &str) {
        self.cache.flush();
        event.tell(object_id);
    }
}

fn no_errors(errors: impl IntoIterator<Item = FieldError>) -> Result<(), DirectoryError> {
    let errors: Vec<FieldError> = errors.into_iter().collect();
    if errors.is_empty() { Ok(()) } else { Err(DirectoryError::Invalid(errors)) }
}

#[cfg(test)]
mod tests;
