//! The store in SQL: one text for SQLite and PostgreSQL, through sqlx's `Any` driver. The only module that names sqlx.
//!
//! This file is the list of verbs; the statements are in one file per kind of object. What an open store consists of is in `open`.

mod api_keys;
mod applications;
mod applied;
mod browser_sessions;
mod codes;
mod columns;
mod device_codes;
mod entities;
mod entity_types;
mod errors;
mod event_log;
mod feed;
mod forget;
mod grant_search;
mod grants;
mod group;
mod keys;
mod look;
mod migrate;
mod named_keys;
mod open;
mod postgres;
mod pushed_requests;
mod refresh_tokens;
mod registrations;
mod revocations;
mod script;
mod search;
mod sessions;
mod sqlite;
mod tables;
mod tenants;
mod transaction;
mod untold_logouts;
mod user_grants;
mod users;

use async_trait::async_trait;
use uuid::Uuid;

pub use look::Found;
use open::Engine;
pub use open::{Options, SqlStore};

use super::{Brought, EventSearch, FoundGrant, GrantFilter, GrantSearch, Lease, Result, Search, Store, StoreError};
use crate::model::{
    ApiKey, Application, Approval, AuthorizationCode, BrowserSession, Change, Consent, DeviceCode, Entity, EntityGrant,
    EntityType, EventKind, LoggedEvent, NamedKey, Permission, PushedRequest, RefreshToken, Registration, Revocation,
    Session, StoredKey, Tenant, UntoldLogout, User, UserGrant,
};

#[async_trait]
impl Store for SqlStore {
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<()> {
        self.within(tenants::insert(self, tenant)).await
    }

    async fn update_tenant(&self, before: &Tenant, after: &Tenant) -> Result<bool> {
        self.within(tenants::update(self, before, after)).await
    }

    async fn delete_tenant(&self, id: Uuid, at: i64) -> Result<bool> {
        self.within(tenants::delete(self, id, at)).await
    }

    async fn delete_tenant_with_all(&self, id: Uuid, mark: &Revocation) -> Result<bool> {
        // No deadline: there may be much to delete.
        tenants::delete_with_all(self, id, mark).await
    }

    async fn find_tenant(&self, id: Uuid) -> Result<Option<Tenant>> {
        self.within(tenants::find(self, id)).await
    }

    async fn find_tenant_by_name(&self, name: &str) -> Result<Option<Tenant>> {
        self.within(tenants::find_by_name(self, name)).await
    }

    async fn list_tenants(&self) -> Result<Vec<Tenant>> {
        self.within(tenants::list(self)).await
    }

    async fn insert_entity_type(&self, entity_type: &EntityType) -> Result<()> {
        self.within(entity_types::insert(self, entity_type)).await
    }

    async fn update_entity_type(&self, before: &EntityType, after: &EntityType) -> Result<bool> {
        self.within(entity_types::update(self, before, after)).await
    }

    async fn delete_entity_type(&self, id: Uuid, at: i64) -> Result<bool> {
        self.within(entity_types::delete(self, id, at)).await
    }

    async fn find_entity_type(&self, id: Uuid) -> Result<Option<EntityType>> {
        self.within(entity_types::find(self, id)).await
    }

    async fn find_entity_type_by_name(&self, name: &str) -> Result<Option<EntityType>> {
        self.within(entity_types::find_by_name(self, name)).await
    }

    async fn list_entity_types(&self) -> Result<Vec<EntityType>> {
        self.within(entity_types::list(self)).await
    }

    async fn insert_permission(&self, type_id: Uuid, permission: &Permission, at: i64) -> Result<()> {
        self.within(entity_types::insert_permission(self, type_id, permission, at)).await
    }

    async fn update_permission(&self, type_id: Uuid, permission: &Permission, at: i64) -> Result<bool> {
        self.within(entity_types::update_permission(self, type_id, permission, at)).await
    }

    async fn delete_permission(&self, type_id: Uuid, permission_id: Uuid, at: i64) -> Result<bool> {
        self.within(entity_types::delete_permission(self, type_id, permission_id, at)).await
    }

    async fn insert_entity(&self, entity: &Entity) -> Result<()> {
        self.within(entities::insert(self, entity)).await
    }

    async fn update_entity(&self, before: &Entity, after: &Entity) -> Result<bool> {
        self.within(entities::update(self, before, after)).await
    }

    async fn delete_entity(&self, id: Uuid, at: i64) -> Result<bool> {
        self.within(entities::delete(self, id, at)).await
    }

    async fn find_entity(&self, id: Uuid) -> Result<Option<Entity>> {
        self.within(entities::find(self, id)).await
    }

    async fn find_entity_by_client_id(&self, tenant_id: Uuid, client_id: &str) -> Result<Option<Entity>> {
        self.within(entities::find_by_client_id(self, tenant_id, client_id)).await
    }

    async fn find_entity_by_name(&self, tenant_id: Uuid, name: &str) -> Result<Option<Entity>> {
        self.within(entities::find_by_name(self, tenant_id, name)).await
    }

    async fn search_entities(&self, search: &Search) -> Result<(Vec<Entity>, u64)> {
        self.within(entities::search(self, search)).await
    }

    async fn list_entities(&self, tenant_id: Option<Uuid>) -> Result<Vec<Entity>> {
        entities::list(self, tenant_id).await
    }

    async fn list_managed_entities(&self, managed_by: &str) -> Result<Vec<Entity>> {
        entities::list_managed(self, managed_by).await
    }

    async fn find_entities(&self, ids: &[Uuid]) -> Result<Vec<Entity>> {
        self.within(entities::with_ids(self, ids)).await
    }

    async fn upsert_grant(&self, grant: &EntityGrant) -> Result<()> {
        self.within(grants::upsert(self, grant)).await
    }

    async fn delete_grant(&self, recipient_id: Uuid, target_id: Uuid, at: i64) -> Result<bool> {
        self.within(grants::delete(self, recipient_id, target_id, at)).await
    }

    async fn find_grant(&self, recipient_id: Uuid, target_id: Uuid) -> Result<Option<EntityGrant>> {
        self.within(grants::find(self, recipient_id, target_id)).await
    }

    async fn list_grants(&self, filter: GrantFilter) -> Result<Vec<EntityGrant>> {
        grants::list(self, filter).await
    }

    async fn list_managed_grants(&self, managed_by: &str) -> Result<Vec<EntityGrant>> {
        grants::list_managed(self, managed_by).await
    }

    async fn search_grants(&self, search: &GrantSearch) -> Result<(Vec<FoundGrant>, u64)> {
        self.within(grant_search::search(self, search)).await
    }

    async fn upsert_user_grant(&self, grant: &UserGrant) -> Result<()> {
        self.within(user_grants::upsert(self, grant)).await
    }

    async fn delete_user_grant(&self, user_id: Uuid, target_id: Uuid) -> Result<bool> {
        self.within(user_grants::delete(self, user_id, target_id)).await
    }

    async fn list_user_grants(&self, filter: GrantFilter) -> Result<Vec<UserGrant>> {
        self.within(user_grants::list(self, filter)).await
    }

    async fn insert_application(&self, application: &Application) -> Result<()> {
        self.within(applications::insert(self, application)).await
    }

    async fn update_application(&self, before: &Application, after: &Application) -> Result<bool> {
        self.within(applications::update(self, before, after)).await
    }

    async fn delete_application(&self, id: Uuid, at: i64) -> Result<bool> {
        self.within(applications::delete(self, id, at)).await
    }

    async fn find_application(&self, id: Uuid) -> Result<Option<Application>> {
        self.within(applications::find(self, id)).await
    }

    async fn find_application_by_client_id(&self, tenant_id: Uuid, client_id: &str) -> Result<Option<Application>> {
        self.within(applications::find_by_client_id(self, tenant_id, client_id)).await
    }

    async fn find_application_by_name(&self, tenant_id: Uuid, name: &str) -> Result<Option<Application>> {
        self.within(applications::find_by_name(self, tenant_id, name)).await
    }

    async fn list_applications(&self, tenant_id: Option<Uuid>) -> Result<Vec<Application>> {
        self.within(applications::list(self, tenant_id)).await
    }

    async fn insert_user(&self, user: &User) -> Result<()> {
        self.within(users::insert(self, user)).await
    }

    async fn insert_people(&self, people: &[(User, Vec<Registration>)]) -> Result<()> {
        self.within(users::insert_people(self, people)).await
    }

    async fn update_user(&self, before: &User, after: &User) -> Result<bool> {
        self.within(users::update(self, before, after)).await
    }

    async fn delete_user(&self, id: Uuid, at: i64) -> Result<bool> {
        self.within(users::delete(self, id, at)).await
    }

    async fn find_user(&self, id: Uuid) -> Result<Option<User>> {
        self.within(users::find(self, id)).await
    }

    async fn find_user_by_login(&self, tenant_id: Uuid, login_id: &str) -> Result<Option<User>> {
        self.within(users::find_by_login(self, tenant_id, login_id)).await
    }

    async fn list_users(&self, tenant_id: Option<Uuid>, after: Option<Uuid>, limit: u32) -> Result<Vec<User>> {
        self.within(users::list(self, tenant_id, after, limit)).await
    }

    async fn find_users(&self, ids: &[Uuid]) -> Result<Vec<User>> {
        self.within(users::with_ids(self, ids)).await
    }

    async fn search_users(&self, search: &Search) -> Result<(Vec<User>, u64)> {
        self.within(users::search(self, search)).await
    }

    async fn list_managed_users(&self, managed_by: &str) -> Result<Vec<User>> {
        self.within(users::list_managed(self, managed_by)).await
    }

    async fn insert_registration(&self, registration: &Registration) -> Result<()> {
        self.within(registrations::insert(self, registration)).await
    }

    async fn update_registration(&self, before: &Registration, after: &Registration) -> Result<bool> {
        self.within(registrations::update(self, before, after)).await
    }

    async fn upsert_registration(&self, registration: &Registration) -> Result<()> {
        self.within(registrations::upsert(self, registration)).await
    }

    async fn delete_registration(&self, user_id: Uuid, application_id: Uuid, at: i64) -> Result<bool> {
        self.within(registrations::delete(self, user_id, application_id, at)).await
    }

    async fn find_registration(&self, user_id: Uuid, application_id: Uuid) -> Result<Option<Registration>> {
        self.within(registrations::find(self, user_id, application_id)).await
    }

    async fn list_registrations(&self, user_ids: &[Uuid]) -> Result<Vec<Registration>> {
        self.within(registrations::list(self, user_ids)).await
    }

    async fn upsert_consent(&self, consent: &Consent) -> Result<()> {
        self.within(registrations::upsert_consent(self, consent)).await
    }

    async fn find_consent(&self, user_id: Uuid, application_id: Uuid) -> Result<Option<Consent>> {
        self.within(registrations::find_consent(self, user_id, application_id)).await
    }

    async fn delete_consent(&self, user_id: Uuid, application_id: Uuid) -> Result<bool> {
        self.within(registrations::delete_consent(self, user_id, application_id)).await
    }

    async fn list_consents(&self, user_id: Uuid) -> Result<Vec<Consent>> {
        self.within(registrations::list_consents(self, user_id)).await
    }

    async fn insert_session(&self, session: &Session, replaces: Option<Uuid>) -> Result<()> {
        self.within(sessions::insert(self, session, replaces)).await
    }

    async fn renew_session(&self, session: &Session) -> Result<bool> {
        self.within(sessions::renew(self, session)).await
    }

    async fn find_session(&self, hash: &str) -> Result<Option<Session>> {
        self.within(sessions::find(self, hash)).await
    }

    async fn touch_session(&self, id: Uuid, at: i64, idle_expires_at: i64) -> Result<bool> {
        self.within(sessions::touch(self, id, at, idle_expires_at)).await
    }

    async fn end_session(&self, id: Uuid) -> Result<bool> {
        self.within(sessions::end(self, id)).await
    }

    async fn abandon_session(&self, id: Uuid, at: i64) -> Result<()> {
        self.within(sessions::abandon(self, id, at)).await
    }

    async fn list_sessions(&self, user_id: Uuid) -> Result<Vec<Session>> {
        self.within(sessions::list(self, user_id)).await
    }

    async fn join_session(&self, session_id: Uuid, application_id: Uuid) -> Result<()> {
        self.within(sessions::join(self, session_id, application_id)).await
    }

    async fn list_session_applications(&self, session_id: Uuid) -> Result<Vec<Uuid>> {
        self.within(sessions::list_applications(self, session_id)).await
    }

    async fn take_untold_logouts(&self, lease: Lease, limit: u32) -> Result<Vec<UntoldLogout>> {
        self.within(untold_logouts::take(self, lease, limit)).await
    }

    async fn forget_untold_logout(&self, session_id: Uuid, application_id: Uuid) -> Result<()> {
        self.within(untold_logouts::forget(self, session_id, application_id)).await
    }

    async fn insert_pushed_request(&self, request: &PushedRequest) -> Result<()> {
        self.within(pushed_requests::insert(self, request)).await
    }

    async fn find_pushed_request(&self, hash: &str) -> Result<Option<PushedRequest>> {
        self.within(pushed_requests::find(self, hash)).await
    }

    async fn spend_pushed_request(&self, hash: &str, at: i64) -> Result<bool> {
        self.within(pushed_requests::spend(self, hash, at)).await
    }

    async fn insert_authorization_code(&self, code: &AuthorizationCode) -> Result<()> {
        self.within(codes::insert(self, code)).await
    }

    async fn find_authorization_code(&self, hash: &str) -> Result<Option<AuthorizationCode>> {
        self.within(codes::find(self, hash)).await
    }

    async fn redeem_authorization_code(&self, hash: &str, at: i64, brings: Brought<'_>) -> Result<bool> {
        self.within(codes::redeem(self, hash, at, brings)).await
    }

    async fn insert_refresh_token(&self, token: &RefreshToken) -> Result<()> {
        self.within(refresh_tokens::insert(self, token)).await
    }

    async fn find_refresh_token(&self, hash: &str) -> Result<Option<RefreshToken>> {
        self.within(refresh_tokens::find(self, hash)).await
    }

    async fn find_refresh_token_by_id(&self, id: Uuid) -> Result<Option<RefreshToken>> {
        self.within(refresh_tokens::find_by_id(self, id)).await
    }

    async fn touch_refresh_token(&self, id: Uuid, at: i64, idle_expires_at: i64) -> Result<bool> {
        self.within(refresh_tokens::touch(self, id, at, idle_expires_at)).await
    }

    async fn rotate_refresh_token(&self, id: Uuid, at: i64, successor: &RefreshToken) -> Result<bool> {
        self.within(refresh_tokens::rotate(self, id, at, successor)).await
    }

    async fn list_refresh_tokens(&self, user_id: Uuid, now: i64) -> Result<Vec<RefreshToken>> {
        self.within(refresh_tokens::list(self, user_id, now)).await
    }

    async fn insert_device_code(&self, code: &DeviceCode) -> Result<()> {
        self.within(device_codes::insert(self, code)).await
    }

    async fn find_device_code(&self, hash: &str) -> Result<Option<DeviceCode>> {
        self.within(device_codes::find(self, hash)).await
    }

    async fn find_device_code_by_user_code(&self, tenant_id: Uuid, user_code_hash: &str) -> Result<Option<DeviceCode>> {
        self.within(device_codes::find_by_user_code(self, tenant_id, user_code_hash)).await
    }

    async fn decide_device_code(&self, id: Uuid, approval: Option<&Approval>, at: i64) -> Result<bool> {
        self.within(device_codes::decide(self, id, approval, at)).await
    }

    async fn poll_device_code(&self, id: Uuid, at: i64, penalty: i64) -> Result<Option<DeviceCode>> {
        self.within(device_codes::poll(self, id, at, penalty)).await
    }

    async fn redeem_device_code(&self, id: Uuid, at: i64, brings: Brought<'_>) -> Result<bool> {
        self.within(device_codes::redeem(self, id, at, brings)).await
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<()> {
        self.within(revocations::revoke(self, revocation)).await
    }

    async fn list_revocations(&self, now: i64) -> Result<Vec<Revocation>> {
        self.within(revocations::list(self, now)).await
    }

    async fn find_revocation(&self, kind: &str, key: &str) -> Result<Option<Revocation>> {
        self.within(revocations::find(self, kind, key)).await
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<()> {
        self.within(api_keys::insert(self, key)).await
    }

    async fn update_api_key(&self, before: &ApiKey, after: &ApiKey) -> Result<bool> {
        self.within(api_keys::update(self, before, after)).await
    }

    async fn delete_api_key(&self, id: Uuid) -> Result<bool> {
        self.within(api_keys::delete(self, id)).await
    }

    async fn find_api_key(&self, id: Uuid) -> Result<Option<ApiKey>> {
        self.within(api_keys::find(self, id)).await
    }

    async fn find_api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>> {
        self.within(api_keys::find_by_hash(self, hash)).await
    }

    async fn list_api_keys(&self) -> Result<Vec<ApiKey>> {
        self.within(api_keys::list(self)).await
    }

    async fn insert_key(&self, key: &StoredKey) -> Result<()> {
        self.within(keys::insert(self, key)).await
    }

    async fn rotate_key(&self, retired: &StoredKey, successor: &StoredKey, at: i64) -> Result<bool> {
        self.within(keys::rotate(self, retired, successor, at)).await
    }

    async fn retire_key(&self, retired: &StoredKey, at: i64) -> Result<bool> {
        self.within(keys::retire(self, retired, at)).await
    }

    async fn remove_key(&self, id: &str, at: i64) -> Result<bool> {
        self.within(keys::remove(self, id, at)).await
    }

    async fn list_keys(&self, since: i64) -> Result<Vec<StoredKey>> {
        self.within(keys::list(self, since)).await
    }

    async fn insert_named_key(&self, key: &NamedKey) -> Result<()> {
        self.within(named_keys::insert(self, key)).await
    }

    async fn update_named_key(&self, before: &NamedKey, after: &NamedKey) -> Result<bool> {
        self.within(named_keys::update(self, before, after)).await
    }

    async fn delete_named_key(&self, id: Uuid) -> Result<bool> {
        self.within(named_keys::delete(self, id)).await
    }

    async fn list_named_keys(&self) -> Result<Vec<NamedKey>> {
        self.within(named_keys::list(self)).await
    }

    async fn append_events(&self, events: &[(EventKind, String)], at: i64, most: i64) -> Result<()> {
        self.within(event_log::append(self, events, at, most)).await
    }

    async fn find_event(&self, id: i64) -> Result<Option<LoggedEvent>> {
        self.within(event_log::find(self, id)).await
    }

    async fn search_events(&self, search: &EventSearch) -> Result<(Vec<LoggedEvent>, u64)> {
        self.within(event_log::search(self, search)).await
    }

    async fn forget_events(&self, before: i64) -> Result<u64> {
        // Each batch has the deadline for itself.
        event_log::forget(self, before).await
    }

    async fn list_applied(&self, owner: &str) -> Result<Vec<(String, String)>> {
        self.within(applied::list(self, owner)).await
    }

    async fn replace_applied(&self, owner: &str, applied: &[(String, String)]) -> Result<()> {
        self.within(applied::replace(self, owner, applied)).await
    }

    async fn insert_browser_session(&self, session: &BrowserSession) -> Result<()> {
        self.within(browser_sessions::insert(self, session)).await
    }

    async fn find_browser_session(&self, hash: &str) -> Result<Option<BrowserSession>> {
        self.within(browser_sessions::find(self, hash)).await
    }

    async fn touch_browser_session(&self, hash: &str, at: i64, idle_expires_at: i64) -> Result<bool> {
        self.within(browser_sessions::touch(self, hash, at, idle_expires_at)).await
    }

    async fn lease_browser_session(&self, hash: &str, version: i64, lease: Lease) -> Result<bool> {
        self.within(browser_sessions::lease(self, hash, version, lease)).await
    }

    async fn renew_browser_session(&self, hash: &str, version: i64, sealed: &str) -> Result<bool> {
        self.within(browser_sessions::renew(self, hash, version, sealed)).await
    }

    async fn end_browser_session(&self, hash: &str) -> Result<bool> {
        self.within(browser_sessions::end(self, hash)).await
    }

    async fn changes_since(&self, seq: i64, limit: u32) -> Result<Vec<Change>> {
        self.within(feed::changes_since(self, seq, limit)).await
    }

    async fn latest_change(&self) -> Result<i64> {
        self.within(feed::latest_change(self)).await
    }

    async fn remember_once(&self, kind: &str, key_hash: &str, lease: Lease) -> Result<bool> {
        self.within(feed::remember_once(self, kind, key_hash, lease)).await
    }

    async fn forget(&self, now: i64, changes_before: i64) -> Result<u64> {
        // Each batch has the deadline for itself.
        forget::forget(self, now, changes_before).await
    }

    async fn ping(&self) -> Result<()> {
        self.within(feed::ping(self)).await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}
