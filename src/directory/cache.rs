//! Answers of the store, kept in memory for the token path. It does not know when they stop being true: see `feed`.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::model::{Application, Entity, EntityGrant, EntityType, Registration, Tenant, User};
use crate::store::Result;

/// Entries per kind of question, absent ones included; the least used go first. Keys are at most 190 bytes long, so
/// that guessing clients cannot fill the memory.
const CAPACITY: u64 = 10_000;

/// How long an answer lives although no change was heard of: the window of V3, in case the feed is broken.
const KEEP_FOR: Duration = Duration::from_secs(30);

pub(super) struct Cache {
    /// Part of every key. A reader that began before a flush files its answer under the old number, where nobody looks.
    generation: AtomicU64,
    pub(super) tenants: Answers<Option<Uuid>, Tenant>,
    pub(super) entity_types: Answers<Uuid, EntityType>,
    pub(super) entities: Answers<Uuid, Entity>,
    pub(super) clients: Answers<(Uuid, Box<str>), Entity>,
    pub(super) names: Answers<(Uuid, Box<str>), Entity>,
    pub(super) grants: Answers<(Uuid, Uuid), EntityGrant>,
    pub(super) applications: Answers<Uuid, Application>,
    pub(super) application_clients: Answers<(Uuid, Box<str>), Application>,
    pub(super) users: Answers<Uuid, User>,
    pub(super) registrations: Answers<(Uuid, Uuid), Registration>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            generation: AtomicU64::new(0),
            tenants: Answers::new(),
            entity_types: Answers::new(),
            entities: Answers::new(),
            clients: Answers::new(),
            names: Answers::new(),
            grants: Answers::new(),
            applications: Answers::new(),
            application_clients: Answers::new(),
            users: Answers::new(),
            registrations: Answers::new(),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Forgets everything: no lookup that begins after this call sees an answer from before it.
    pub(super) fn flush(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.tenants.0.invalidate_all();
        self.entity_types.0.invalidate_all();
        self.entities.0.invalidate_all();
        self.clients.0.invalidate_all();
        self.names.0.invalidate_all();
        self.grants.0.invalidate_all();
        self.applications.0.invalidate_all();
        self.application_clients.0.invalidate_all();
        self.users.0.invalidate_all();
        self.registrations.0.invalidate_all();
    }
}

/// The answers to one kind of question; `None` is an answer too.
pub(super) struct Answers<K, V>(moka::sync::Cache<(u64, K), Option<Arc<V>>>);

impl<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> Answers<K, V> {
    fn new() -> Self {
        Self(moka::sync::Cache::builder().max_capacity(CAPACITY).time_to_live(KEEP_FOR).build())
    }

    /// The cached answer, or the one that `ask` gets from the store. Errors are not kept.
    pub(super) async fn find(
        &self,
        generation: u64,
        key: K,
        ask: impl Future<Output = Result<Option<V>>>,
    ) -> Result<Option<Arc<V>>> {
        let key = (generation, key);
        if let Some(answer) = self.0.get(&key) {
            return Ok(answer);
        }
        let answer = ask.await?.map(Arc::new);
        self.0.insert(key, answer.clone());
        Ok(answer)
    }
}
