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

use crate::model::{
    ApiKey, Application, Approval, AuthorizationCode, BrowserSession, Change, Consent, DeviceCode, Entity, EntityGrant,
    EntityType, EventKind, LoggedEvent, NamedKey, Permission, PushedRequest, RefreshToken, Registration, Revocation,
    Session, StoredKey, Tenant, UntoldLogout, User, UserGrant,
};

pub type Result<T> = std::result::Result<T, StoreError>;

/// A shared database. Every mutation is one transaction and leaves one [`Change`] in it, but for consents, sessions, codes,
/// pushed requests, refresh tokens and API keys, which no node keeps in memory. When it answers an error, nothing has happened (or, for
/// [`StoreError::Unavailable`] at the commit, it is unknown).
///
/// Mutations take their instant from the value's `updated_at` or an `at` argument. Those that answer `bool` say
/// whether there was something to change.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // Tenants.

    /// Conflicts on id and name.
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<()>;
    /// Replaces everything but `id` and `created_at`, if `before` is still what is stored.
    async fn update_tenant(&self, before: &Tenant, after: &Tenant) -> Result<bool>;
    /// [`StoreError::InUse`] while it has entities, applications or users. Its keys go with it.
    async fn delete_tenant(&self, id: Uuid, at: i64) -> Result<bool>;
    /// Deletes the tenant with everything in it, and marks its tokens with `mark`, whose instant counts. It takes as long as
    /// there is to delete.
    async fn delete_tenant_with_all(&self, id: Uuid, mark: &Revocation) -> Result<bool>;
    async fn find_tenant(&self, id: Uuid) -> Result<Option<Tenant>>;
    async fn find_tenant_by_name(&self, name: &str) -> Result<Option<Tenant>>;
    /// By name.
    async fn list_tenants(&self) -> Result<Vec<Tenant>>;

    // Entity types and their permissions.

    /// Inserts the type with its permissions. Conflicts on ids and names.
    async fn insert_entity_type(&self, entity_type: &EntityType) -> Result<()>;
    /// Replaces everything but `id`, `created_at` and the permissions, if `before` is still what is stored, whatever became of its
    /// permissions: those have verbs of their own, so that two administrators who each add one do not undo each other.
    async fn update_entity_type(&self, before: &EntityType, after: &EntityType) -> Result<bool>;
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

    /// Conflicts on id, and in its tenant on name and client id (an application's client id too).
    async fn insert_entity(&self, entity: &Entity) -> Result<()>;
    /// Replaces name, client id, secrets, parent, data, `managed_by` and `updated_at` of `before` by those of `after`, if `before` is
    /// still what is stored: of two administrators who read the same state one gets `true`.
    async fn update_entity(&self, before: &Entity, after: &Entity) -> Result<bool>;
    /// Deletes its grants too.
    async fn delete_entity(&self, id: Uuid, at: i64) -> Result<bool>;
    async fn find_entity(&self, id: Uuid) -> Result<Option<Entity>>;
    /// Those of these ids that are there, in any order.
    async fn find_entities(&self, ids: &[Uuid]) -> Result<Vec<Entity>>;
    async fn find_entity_by_client_id(&self, tenant_id: Uuid, client_id: &str) -> Result<Option<Entity>>;
    async fn find_entity_by_name(&self, tenant_id: Uuid, name: &str) -> Result<Option<Entity>>;
    /// Those whose name, client id or id contains the text, and how many there are in all.
    async fn search_entities(&self, search: &Search) -> Result<(Vec<Entity>, u64)>;
    /// By name; of one tenant or of all.
    async fn list_entities(&self, tenant_id: Option<Uuid>) -> Result<Vec<Entity>>;
    /// By name.
    async fn list_managed_entities(&self, managed_by: &str) -> Result<Vec<Entity>>;

    // Grants.

    /// Inserts, or replaces `permissions`, `managed_by` and `updated_at` of the grant of the same recipient and target.
    /// [`StoreError::Missing`] names a missing entity, or a permission that the target's type does not have (F-183).
    async fn upsert_grant(&self, grant: &EntityGrant) -> Result<()>;
    async fn delete_grant(&self, recipient_id: Uuid, target_id: Uuid, at: i64) -> Result<bool>;
    async fn find_grant(&self, recipient_id: Uuid, target_id: Uuid) -> Result<Option<EntityGrant>>;
    async fn list_grants(&self, filter: GrantFilter) -> Result<Vec<EntityGrant>>;
    /// By target, then recipient.
    async fn list_managed_grants(&self, managed_by: &str) -> Result<Vec<EntityGrant>>;
    /// Those of entities and of users, and how many there are in all.
    async fn search_grants(&self, search: &GrantSearch) -> Result<(Vec<FoundGrant>, u64)>;

    /// Inserts, or replaces permissions and `updated_at` of the grant of the same user and target.
    /// [`StoreError::Missing`] names a missing entity or user, or a permission that the target's type does not have. No node
    /// keeps these grants in memory: there is no change.
    async fn upsert_user_grant(&self, grant: &UserGrant) -> Result<()>;
    async fn delete_user_grant(&self, user_id: Uuid, target_id: Uuid) -> Result<bool>;
    /// Where the filter says recipient, users are meant; ordered by target, then user.
    async fn list_user_grants(&self, filter: GrantFilter) -> Result<Vec<UserGrant>>;

    // Applications.

    /// Conflicts on id, and in its tenant on name and client id (an entity's client id too).
    async fn insert_application(&self, application: &Application) -> Result<()>;
    /// Replaces everything but id, tenant and `created_at`, if `before` is still what is stored.
    async fn update_application(&self, before: &Application, after: &Application) -> Result<bool>;
    /// Registrations, consents, codes and refresh tokens go with it.
    async fn delete_application(&self, id: Uuid, at: i64) -> Result<bool>;
    async fn find_application(&self, id: Uuid) -> Result<Option<Application>>;
    async fn find_application_by_client_id(&self, tenant_id: Uuid, client_id: &str) -> Result<Option<Application>>;
    async fn find_application_by_name(&self, tenant_id: Uuid, name: &str) -> Result<Option<Application>>;
    /// By name; of one tenant or of all.
    async fn list_applications(&self, tenant_id: Option<Uuid>) -> Result<Vec<Application>>;

    // Users and registrations.

    /// Conflicts on id, and in its tenant on email and username, both without regard to case.
    async fn insert_user(&self, user: &User) -> Result<()>;
    /// Inserts users with their registrations, all or none, with one change that names them all. Conflicts as [`Self::insert_user`].
    async fn insert_people(&self, people: &[(User, Vec<Registration>)]) -> Result<()>;
    /// Replaces everything but id, tenant and `created_at`, if `before` is still what is stored: of two logins that
    /// spend the same recovery code one gets `true` (L13).
    async fn update_user(&self, before: &User, after: &User) -> Result<bool>;
    /// Everything about the user goes too: registrations, consents, sessions, codes, refresh tokens.
    async fn delete_user(&self, id: Uuid, at: i64) -> Result<bool>;
    async fn find_user(&self, id: Uuid) -> Result<Option<User>>;
    /// Those of these ids that are there, in any order.
    async fn find_users(&self, ids: &[Uuid]) -> Result<Vec<User>>;
    /// By email or username, without regard to case (F-048). An email wins over a username.
    async fn find_user_by_login(&self, tenant_id: Uuid, login_id: &str) -> Result<Option<User>>;
    /// By id; those after `after`, of one tenant or of all, at most `limit`.
    async fn list_users(&self, tenant_id: Option<Uuid>, after: Option<Uuid>, limit: u32) -> Result<Vec<User>>;
    /// Those whose email, username or full name contains the text, and how many there are in all.
    async fn search_users(&self, search: &Search) -> Result<(Vec<User>, u64)>;
    /// By id.
    async fn list_managed_users(&self, managed_by: &str) -> Result<Vec<User>>;
    /// Conflicts with one that is there. [`StoreError::Missing`] names a missing user or application.
    async fn insert_registration(&self, registration: &Registration) -> Result<()>;
    /// Replaces roles, data, `managed_by` and `updated_at`, if `before` is still what is stored: one that was deleted meanwhile does
    /// not come back.
    async fn update_registration(&self, before: &Registration, after: &Registration) -> Result<bool>;
    /// Inserts, or replaces as [`Self::update_registration`] whatever there is.
    async fn upsert_registration(&self, registration: &Registration) -> Result<()>;
    async fn delete_registration(&self, user_id: Uuid, application_id: Uuid, at: i64) -> Result<bool>;
    async fn find_registration(&self, user_id: Uuid, application_id: Uuid) -> Result<Option<Registration>>;
    /// Of all these users, by user and application.
    async fn list_registrations(&self, user_ids: &[Uuid]) -> Result<Vec<Registration>>;
    /// Inserts, or replaces.
    async fn upsert_consent(&self, consent: &Consent) -> Result<()>;
    async fn find_consent(&self, user_id: Uuid, application_id: Uuid) -> Result<Option<Consent>>;
    async fn delete_consent(&self, user_id: Uuid, application_id: Uuid) -> Result<bool>;
    async fn list_consents(&self, user_id: Uuid) -> Result<Vec<Consent>>;

    // Sessions.

    /// Begins a session, and ends the one that the browser had before in the same transaction (K6). The clients that knew
    /// of that one are kept for [`Store::take_untold_logouts`].
    async fn insert_session(&self, session: &Session, replaces: Option<Uuid>) -> Result<()>;
    /// The same person logged in again in the same browser: everything but the id, which clients know, its beginning and
    /// who knows of it is as it says. `false` if it is over.
    async fn renew_session(&self, session: &Session) -> Result<bool>;
    /// By the hash of what the browser presents. Sessions that are over are found too.
    async fn find_session(&self, hash: &str) -> Result<Option<Session>>;
    /// Moves `last_used_at` and `idle_expires_at`; never backwards.
    async fn touch_session(&self, id: Uuid, at: i64, idle_expires_at: i64) -> Result<bool>;
    /// Ends it without a mark against its tokens (F-124), and nobody is told.
    async fn end_session(&self, id: Uuid) -> Result<bool>;
    /// The same, and the clients that knew of it are kept for [`Store::take_untold_logouts`].
    async fn abandon_session(&self, id: Uuid, at: i64) -> Result<()>;
    /// Newest first.
    async fn list_sessions(&self, user_id: Uuid) -> Result<Vec<Session>>;
    /// Notes that the application knows of the session, so that a logout tells it. Repeating it changes nothing.
    async fn join_session(&self, session_id: Uuid, application_id: Uuid) -> Result<()>;
    async fn list_session_applications(&self, session_id: Uuid) -> Result<Vec<Uuid>>;
    /// Takes at most `limit` of the clients that are still to be told of the end of a session, the oldest
    /// first: until the lease is over nobody else is given the same ones.
    async fn take_untold_logouts(&self, lease: Lease, limit: u32) -> Result<Vec<UntoldLogout>>;
    /// The client was told, or never will be.
    async fn forget_untold_logout(&self, session_id: Uuid, application_id: Uuid) -> Result<()>;

    // Pushed authorization requests. Those that are over are found too, until `forget` deletes them.

    async fn insert_pushed_request(&self, request: &PushedRequest) -> Result<()>;
    async fn find_pushed_request(&self, hash: &str) -> Result<Option<PushedRequest>>;
    /// Spends it, over or not: of any number of calls one gets `true` (A14).
    async fn spend_pushed_request(&self, hash: &str, at: i64) -> Result<bool>;

    // Codes and refresh tokens. What is over is found until `forget` deletes it, so that reuse can be told from guesses.

    async fn insert_authorization_code(&self, code: &AuthorizationCode) -> Result<()>;
    async fn find_authorization_code(&self, hash: &str) -> Result<Option<AuthorizationCode>>;
    /// Spends the code: of any number of calls one gets `true` (B5), and what it `brings` is stored in the same
    /// transaction. A device code that the login was for is approved in it too, if it is still pending (F-163).
    async fn redeem_authorization_code(&self, hash: &str, at: i64, brings: Brought<'_>) -> Result<bool>;
    async fn insert_refresh_token(&self, token: &RefreshToken) -> Result<()>;
    async fn find_refresh_token(&self, hash: &str) -> Result<Option<RefreshToken>>;
    async fn find_refresh_token_by_id(&self, id: Uuid) -> Result<Option<RefreshToken>>;
    /// Moves `last_used_at` and `idle_expires_at` of a reusable token that is still live; never backwards.
    async fn touch_refresh_token(&self, id: Uuid, at: i64, idle_expires_at: i64) -> Result<bool>;
    /// Marks the token with the id as rotated at `at` and stores its successor, if it is live and was not rotated before:
    /// of any number of calls one gets `true` (C4).
    async fn rotate_refresh_token(&self, id: Uuid, at: i64, successor: &RefreshToken) -> Result<bool>;
    /// The newest token of each live family of the user, newest first.
    async fn list_refresh_tokens(&self, user_id: Uuid, now: i64) -> Result<Vec<RefreshToken>>;

    // Device codes.

    /// Conflicts on [`Unique::UserCode`] with another one of the tenant.
    async fn insert_device_code(&self, code: &DeviceCode) -> Result<()>;
    async fn find_device_code(&self, hash: &str) -> Result<Option<DeviceCode>>;
    async fn find_device_code_by_user_code(&self, tenant_id: Uuid, user_code_hash: &str) -> Result<Option<DeviceCode>>;
    /// Approves (`Some`) or denies (`None`) a pending code that has not expired: of any number of calls one gets `true`.
    async fn decide_device_code(&self, id: Uuid, approval: Option<&Approval>, at: i64) -> Result<bool>;
    /// Notes a poll, and adds `penalty` seconds to the interval when it came before the interval was over. Answers the
    /// code as it was before the poll (its `last_polled_at` and `interval` tell whether it came too early).
    async fn poll_device_code(&self, id: Uuid, at: i64, penalty: i64) -> Result<Option<DeviceCode>>;
    /// Spends an approved code that has not expired: of any number of calls one gets `true`, and what it `brings` is
    /// stored in the same transaction.
    async fn redeem_device_code(&self, id: Uuid, at: i64, brings: Brought<'_>) -> Result<bool>;

    // Revocation.

    /// Marks what was revoked and ends what hangs on it, in one transaction with a change of the kind `Revocation` whose
    /// `object_id` is `kind:key`: of a grant its refresh tokens; of a session the session; of a user the sessions, codes
    /// and refresh tokens; of a client its codes and refresh tokens. A mark that is there already keeps the later instants.
    /// The clients that knew of a session that ends so are kept for [`Store::take_untold_logouts`].
    async fn revoke(&self, revocation: &Revocation) -> Result<()>;
    /// Every mark that has not expired at `now`.
    async fn list_revocations(&self, now: i64) -> Result<Vec<Revocation>>;
    /// The mark with these [`crate::model::Revoked::parts`].
    async fn find_revocation(&self, kind: &str, key: &str) -> Result<Option<Revocation>>;

    // API keys.

    /// Conflicts on id and key. [`StoreError::Missing`] names a missing tenant.
    async fn insert_api_key(&self, key: &ApiKey) -> Result<()>;
    /// Replaces name, endpoints, rights, end, `managed_by` and `updated_at`, if `before` is still what is stored.
    async fn update_api_key(&self, before: &ApiKey, after: &ApiKey) -> Result<bool>;
    async fn delete_api_key(&self, id: Uuid) -> Result<bool>;
    async fn find_api_key(&self, id: Uuid) -> Result<Option<ApiKey>>;
    /// By SHA-256 of its text. Keys that are over are found too.
    async fn find_api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>>;
    /// Oldest first.
    async fn list_api_keys(&self) -> Result<Vec<ApiKey>>;

    // Signing keys.

    /// Inserts the first key of a (tenant, purpose, algorithm). [`Unique::CurrentKey`] when another node was faster.
    async fn insert_key(&self, key: &StoredKey) -> Result<()>;
    /// Writes both halves of [`StoredKey::succeed`], if `retired` was still the current key: of two nodes that rotate
    /// at once one gets `true`, and there is one new key (T74).
    async fn rotate_key(&self, retired: &StoredKey, successor: &StoredKey, at: i64) -> Result<bool>;
    /// Writes `retired_at` and `removed_at` of a key that has no successor in its own place, if it was still current (T74).
    async fn retire_key(&self, retired: &StoredKey, at: i64) -> Result<bool>;
    /// Ends a key at `at`, whatever was planned for it: it signs and verifies no more.
    async fn remove_key(&self, id: &str, at: i64) -> Result<bool>;
    /// Every key that is not removed before `since`, oldest first.
    async fn list_keys(&self, since: i64) -> Result<Vec<StoredKey>>;

    // Keys with names, used by an issuer or not. No node keeps them in memory: there is no change.

    /// Conflicts on id and `kid`. [`StoreError::Missing`] names a missing tenant.
    async fn insert_named_key(&self, key: &NamedKey) -> Result<()>;
    /// Replaces name, `managed_by` and `updated_at`, if `before` is still what is stored: what a key is made of stays.
    async fn update_named_key(&self, before: &NamedKey, after: &NamedKey) -> Result<bool>;
    async fn delete_named_key(&self, id: Uuid) -> Result<bool>;
    /// Oldest first.
    async fn list_named_keys(&self) -> Result<Vec<NamedKey>>;

    // The event log. No node keeps it in memory: there is no change.

    /// Appends with the next numbers, and deletes the oldest ones beyond `most`.
    async fn append_events(&self, events: &[(EventKind, String)], at: i64, most: i64) -> Result<()>;
    async fn find_event(&self, id: i64) -> Result<Option<LoggedEvent>>;
    /// A page of those that match, and how many there are in all.
    async fn search_events(&self, search: &EventSearch) -> Result<(Vec<LoggedEvent>, u64)>;
    /// Deletes those stored before `before`, in several transactions; answers how many.
    async fn forget_events(&self, before: i64) -> Result<u64>;

    // What files declared.

    /// By object: what `owner` applied the last time, as key and digest.
    async fn list_applied(&self, owner: &str) -> Result<Vec<(String, String)>>;
    /// Replaces all of the owner's, if anything differs. No node keeps them in memory: there is no change.
    async fn replace_applied(&self, owner: &str, applied: &[(String, String)]) -> Result<()>;

    // Sessions of browsers with routes. No node is told of them: there is no change.

    async fn insert_browser_session(&self, session: &BrowserSession) -> Result<()>;
    /// By the hash of what the browser presents. Sessions that are over are found too, until `forget` deletes them.
    async fn find_browser_session(&self, hash: &str) -> Result<Option<BrowserSession>>;
    /// Moves `idle_expires_at` of a session that is not over; never backwards.
    async fn touch_browser_session(&self, hash: &str, at: i64, idle_expires_at: i64) -> Result<bool>;
    /// Whether the caller is the one who may renew the session: of any number of calls with the newest `version` one gets
    /// `true`, until the lease is over or the session was renewed.
    async fn lease_browser_session(&self, hash: &str, version: i64, lease: Lease) -> Result<bool>;
    /// Replaces what is sealed, counts the version up and ends the lease, if `version` is still the newest.
    async fn renew_browser_session(&self, hash: &str, version: i64, sealed: &str) -> Result<bool>;
    async fn end_browser_session(&self, hash: &str) -> Result<bool>;

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

    /// Deletes what was remembered until `now`; sessions, codes, pushed requests, refresh tokens, consents and marks that are over
    /// since an hour; and changes made before `changes_before`. Answers how many rows. In several transactions: an error may come
    /// after some of them.
    async fn forget(&self, now: i64, changes_before: i64) -> Result<u64>;
    /// Whether the database answers and is still the one that was opened.
    async fn ping(&self) -> Result<()>;
    /// Waits for running verbs and closes the connections.
    async fn close(&self);
}

/// What is stored together with the spending of a code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brought<'a> {
    pub refresh_token: Option<&'a RefreshToken>,
    /// The session that the application now knows of, and the application.
    pub joins: Option<(Uuid, Uuid)>,
}

/// From when until when [`Store::remember_once`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub now: i64,
    pub expires_at: i64,
}

/// What a search for users or entities asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Of one tenant, or of all.
    pub tenant_id: Option<Uuid>,
    /// What they contain, without regard to case; every character stands for itself. Empty: all of them.
    pub text: String,
    /// Most decisive first; `true` descends. Ties are ordered by id. How texts are ordered is the database's affair.
    pub order: Vec<(SearchOrder, bool)>,
    /// Most results.
    pub limit: u32,
    /// How many results come before the first one wanted.
    pub offset: u32,
}

/// By what results are ordered. What an object does not have counts as empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchOrder {
    /// The full name of a user.
    Name,
    ClientId,
    Email,
    Username,
    CreatedAt,
}

/// What a search of the event log asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSearch {
    /// What the message contains, without regard to case. Empty: anything.
    pub text: String,
    pub kind: Option<EventKind>,
    /// The first instant ...
    pub from_at: i64,
    /// ... and the last.
    pub until_at: i64,
    /// Most decisive first; `true` descends. Then the newest first.
    pub order: Vec<(EventOrder, bool)>,
    pub limit: u32,
    pub offset: u32,
}

/// By what entries are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOrder {
    Id,
    Kind,
    Message,
    StoredAt,
}

/// What a search for grants asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantSearch {
    /// Of targets of one tenant, or of all.
    pub tenant_id: Option<Uuid>,
    pub target_id: Option<Uuid>,
    /// Those of this user alone; otherwise those of everybody.
    pub user_id: Option<Uuid>,
    /// What the name of the target contains, as in [`Search`].
    pub text: String,
    /// By their age, `true` the newest first; otherwise by target, then recipient.
    pub by_age: Option<bool>,
    pub limit: u32,
    pub offset: u32,
}

/// A grant of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundGrant {
    OfEntity(EntityGrant),
    OfUser(UserGrant),
}

/// Which grants to list; ordered by target, then recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantFilter {
    All,
    OnTarget(Uuid),
    OfRecipient(Uuid),
}
