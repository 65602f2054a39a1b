//! What the protocol needs of a database, as verbs. One trait, one SQL text for SQLite and PostgreSQL in [`sql`], one
//! list of behaviours in [`conformance`].
//!
//! It knows no protocol rule beyond what must happen once or together, and it never reads a clock.

#[doc(hidden)]
pub mod conformance;
mod error;
pub mod sql;

use async_trait::async_trait;
use uuid::Uuid;

pub use error::{Object, OpenError, StoreError, Unique};

use crate::model::{Change, Entity, EntityGrant, EntityType, Permission, StoredKey, Tenant};

pub type Result<T> = std::result::Result<T, StoreError>;

/// A shared database. Every mutation is one transaction and leaves one [`Change`] in it; when it answers an error,
/// nothing has happened (or, for [`StoreError::Unavailable`] at the commit, it is unknown).
///
/// Mutations take their instant from the value's `updated_at` or an `at` argument. Those that answer `bool` say
/// whether there was something to change.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // Tenants.

    /// Conflicts on id and name.
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<()>;
    /// Replaces everything but `id` and `created_at`.
    async fn update_tenant(&self, tenant: &Tenant) -> Result<bool>;
    /// [`StoreError::InUse`] while it has entities. Its keys go with it.
    async fn delete_tenant(&self, id: Uuid, at: i64) -> Result<bool>;
    async fn find_tenant(&self, id: Uuid) -> Result<Option<Tenant>>;
    async fn find_tenant_by_name(&self, name: &str) -> Result<Option<Tenant>>;
    /// By name.
    async fn list_tenants(&self) -> Result<Vec<Tenant>>;

    // Entity types and their permissions.

    /// Inserts the type with its permissions. Conflicts on ids and names.
    async fn insert_entity_type(&self, entity_type: &EntityType) -> Result<()>;
    /// Replaces `name`, `managed_by` and `updated_at`. Permissions have verbs of their own, so that two administrators
    /// who each add one do not undo each other.
    async fn update_entity_type(&self, entity_type: &EntityType) -> Result<bool>;
    /// [`StoreError::InUse`] while there are entities of the type.
    async fn delete_entity_type(&self, id: Uuid, at: i64) -> Result<bool>;
    async fn find_entity_type(&self, id: Uuid) -> Result<Option<EntityType>>;
    async fn find_entity_type_by_name(&self, name: &str) -> Result<Option<EntityType>>;
    /// By name.
    async fn list_entity_types(&self) -> Result<Vec<EntityType>>;
    async fn insert_permission(&self, type_id: Uuid, permission: &Permission, at: i64) -> Result<()>;
    /// Replaces name, description and default. Grants follow a new name.
    async fn update_permission(&self, type_id: Uuid, permission: &Permission, at: i64) -> Result<bool>;
    /// Takes it out of every grant too.
    async fn delete_permission(&self, type_id: Uuid, permission_id: Uuid, at: i64) -> Result<bool>;

    // Entities.

    /// Conflicts on id, and in its tenant on name and client id.
    async fn insert_entity(&self, entity: &Entity) -> Result<()>;
    /// Replaces name, client id, secrets, `managed_by` and `updated_at` of `before` by those of `after`, if `before` is
    /// still what is stored: of two administrators who read the same state one gets `true`.
    async fn update_entity(&self, before: &Entity, after: &Entity) -> Result<bool>;
    /// Deletes its grants too.
    async fn delete_entity(&self, id: Uuid, at: i64) -> Result<bool>;
    async fn find_entity(&self, id: Uuid) -> Result<Option<Entity>>;
    async fn find_entity_by_client_id(&self, tenant_id: Uuid, client_id: &str) -> Result<Option<Entity>>;
    async fn find_entity_by_name(&self, tenant_id: Uuid, name: &str) -> Result<Option<Entity>>;
    /// By name; of one tenant or of all.
    async fn list_entities(&self, tenant_id: Option<Uuid>) -> Result<Vec<Entity>>;

    // Grants.

    /// Inserts, or replaces `permissions`, `managed_by` and `updated_at` of the grant of the same recipient and target.
    /// [`StoreError::Missing`] names a missing entity, or a permission that the target's type does not have (F-183).
    async fn upsert_grant(&self, grant: &EntityGrant) -> Result<()>;
    async fn delete_grant(&self, recipient_id: Uuid, target_id: Uuid, at: i64) -> Result<bool>;
    async fn find_grant(&self, recipient_id: Uuid, target_id: Uuid) -> Result<Option<EntityGrant>>;
    async fn list_grants(&self, filter: GrantFilter) -> Result<Vec<EntityGrant>>;

    // Signing keys.

    /// Inserts the first key of a (tenant, purpose, algorithm). [`Unique::CurrentKey`] when another node was faster.
    async fn insert_key(&self, key: &StoredKey) -> Result<()>;
    /// Writes both halves of [`StoredKey::succeed`], if `retired` was still the current key: of two nodes that rotate
    /// at once one gets `true`, and there is one new key (T74).
    async fn rotate_key(&self, retired: &StoredKey, successor: &StoredKey, at: i64) -> Result<bool>;
    /// Ends a key at `at`, whatever was planned for it: it signs and verifies no more.
    async fn remove_key(&self, id: &str, at: i64) -> Result<bool>;
    /// Every key that is not removed before `since`, oldest first.
    async fn list_keys(&self, since: i64) -> Result<Vec<StoredKey>>;

    // The feed.

    /// At most `limit` changes after `seq`, in order. When the first is not `seq + 1`, older ones were forgotten.
    async fn changes_since(&self, seq: i64, limit: u32) -> Result<Vec<Change>>;
    /// The `seq` of the newest change, 0 before the first.
    async fn latest_change(&self) -> Result<i64>;

    // Things that happen once.

    /// Whether this is the first call with `key_hash` under `kind` before `expires_at` of the earlier one. Of any
    /// number of concurrent calls exactly one is answered `true`. `now` is only compared, never stored.
    async fn remember_once(&self, kind: &str, key_hash: &str, lease: Lease) -> Result<bool>;

    // The database itself.

    /// Deletes what was remembered until `now`, and changes made before `changes_before`. Answers how many rows.
    async fn forget(&self, now: i64, changes_before: i64) -> Result<u64>;
    /// Whether the database answers and is still the one that was opened.
    async fn ping(&self) -> Result<()>;
    /// Waits for running verbs and closes the connections.
    async fn close(&self);
}

/// From when until when [`Store::remember_once`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub now: i64,
    pub expires_at: i64,
}

/// Which grants to list; ordered by target, then recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantFilter {
    All,
    OnTarget(Uuid),
    OfRecipient(Uuid),
}
