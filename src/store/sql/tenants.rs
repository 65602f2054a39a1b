//! Tenants in SQL.

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};
use uuid::Uuid;

use super::columns::{json_text, read_id, read_json, updated_json};
use super::tables::{lock, select};
use super::transaction::Mutation;
use super::{Result, SqlStore, StoreError, revocations};
use crate::model::{ChangeKind, Profile, Revocation, Tenant};
use crate::store::Object;

pub(super) async fn insert(store: &SqlStore, tenant: &Tenant) -> Result<()> {
    let mut mutation = store.begin().await?;
    let statement = query(
        "INSERT INTO tenant (id, name, issuer, profile, access_token_for, access_token_algorithm, id_token_algorithm,
                             managed_by, created_at, updated_at, settings)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(tenant.id.to_string())
    .bind(tenant.name.as_str())
    .bind(tenant.issuer.as_deref())
    .bind(tenant.profile.as_str())
    .bind(tenant.access_token_for)
    .bind(tenant.access_token_algorithm.as_str())
    .bind(tenant.id_token_algorithm.as_str())
    .bind(tenant.managed_by.as_deref())
    .bind(tenant.created_at)
    .bind(tenant.updated_at)
    .bind(json_text(&tenant.settings)?);
    mutation.execute(statement).await?;
    mutation.commit(ChangeKind::Tenant, &tenant.id.to_string(), tenant.updated_at).await
}

pub(super) async fn update(store: &SqlStore, before: &Tenant, tenant: &Tenant) -> Result<bool> {
    let id = before.id.to_string();
    let mut mutation = store.begin().await?;
    let Some(row) = mutation.fetch(query(lock!(tenant)).bind(id.as_str())).await? else { return Ok(false) };
    if read(&row)? != *before {
        return Ok(false);
    }
    let statement = query(
        "UPDATE tenant SET name = $2, issuer = $3, profile = $4, access_token_for = $5, access_token_algorithm = $6,
                           id_token_algorithm = $7, managed_by = $8, updated_at = $9, settings = $10
         WHERE id = $1",
    )
    .bind(id.as_str())
    .bind(tenant.name.as_str())
    .bind(tenant.issuer.as_deref())
    .bind(tenant.profile.as_str())
    .bind(tenant.access_token_for)
    .bind(tenant.access_token_algorithm.as_str())
    .bind(tenant.id_token_algorithm.as_str())
    .bind(tenant.managed_by.as_deref())
    .bind(tenant.updated_at)
    .bind(updated_json(&row, "settings", &tenant.settings)?);
    mutation.execute(statement).await?;
    mutation.commit(ChangeKind::Tenant, &id, tenant.updated_at).await?;
    Ok(true)
}

pub(super) async fn delete(store: &SqlStore, id: Uuid, at: i64) -> Result<bool> {
    let id = id.to_string();
    let mut mutation = store.begin().await?;
    for text in [
        "SELECT id FROM entity WHERE tenant_id = $1 LIMIT 1",
        "SELECT id FROM application WHERE tenant_id = $1 LIMIT 1",
        "SELECT id FROM tenant_user WHERE tenant_id = $1 LIMIT 1",
    ] {
        if mutation.finds(query(text).bind(id.as_str())).await? {
            return Err(StoreError::InUse(Object::Tenant));
        }
    }
    if mutation.execute(query("DELETE FROM tenant WHERE id = $1").bind(id.as_str())).await? == 0 {
        return Ok(false);
    }
    mutation.commit(ChangeKind::Tenant, &id, at).await?;
    Ok(true)
}

/// Everything of the tenant's that no foreign key takes along; `$1` is the tenant. Codes before tokens: whoever is redeeming
/// one now is waited for, and what it brings is seen.
const ITS_OWN: [&str; 9] = [
    "DELETE FROM authorization_code WHERE user_id IN (SELECT id FROM tenant_user WHERE tenant_id = $1)",
    "DELETE FROM device_code WHERE tenant_id = $1",
    "DELETE FROM refresh_token WHERE user_id IN (SELECT id FROM tenant_user WHERE tenant_id = $1)",
    "DELETE FROM session WHERE tenant_id = $1",
    "DELETE FROM untold_logout WHERE tenant_id = $1",
    "DELETE FROM tenant_user WHERE tenant_id = $1",
    "DELETE FROM pushed_request WHERE application_id IN (SELECT id FROM application WHERE tenant_id = $1)",
    "DELETE FROM application WHERE tenant_id = $1",
    "DELETE FROM entity WHERE tenant_id = $1",
];

pub(super) async fn delete_with_all(store: &SqlStore, id: Uuid, mark: &Revocation) -> Result<bool> {
    let mut mutation = store.begin_long().await?;
    match hold(&mut mutation, id).await {
        Err(StoreError::Missing(_)) => return Ok(false),
        outcome => outcome?,
    }
    let id = id.to_string();
    for text in ITS_OWN {
        mutation.exhaust(text, &id).await?;
    }
    mutation.execute(query("DELETE FROM tenant WHERE id = $1").bind(id.as_str())).await?;
    let marked = revocations::mark(&mut mutation, mark).await?;
    mutation.note(ChangeKind::Revocation, &marked, mark.revoked_at).await?;
    mutation.commit(ChangeKind::Tenant, &id, mark.revoked_at).await?;
    Ok(true)
}

/// Sees that the tenant exists, and lets nobody else hold it until the commit: what must be unique across tables of one
/// tenant is looked for behind this.
pub(super) async fn hold(mutation: &mut Mutation, id: Uuid) -> Result<()> {
    let lock = query("UPDATE tenant SET updated_at = updated_at WHERE id = $1").bind(id.to_string());
    if mutation.execute(lock).await? == 0 {
        return Err(StoreError::Missing(Object::Tenant));
    }
    Ok(())
}

pub(super) async fn find(store: &SqlStore, id: Uuid) -> Result<Option<Tenant>> {
    let statement = query(select!(tenant, "WHERE id = $1")).bind(id.to_string());
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_name(store: &SqlStore, name: &str) -> Result<Option<Tenant>> {
    let statement = query(select!(tenant, "WHERE name = $1")).bind(name);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(store: &SqlStore) -> Result<Vec<Tenant>> {
    let rows = query(select!(tenant, "")).fetch_all(&store.readers).await?;
    let mut tenants = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    // Sorted here, because the engines do not agree on the order of texts.
    tenants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tenants)
}

fn read(row: &AnyRow) -> Result<Tenant> {
    let profile: &str = row.try_get("profile")?;
    Ok(Tenant {
        id: read_id(row, "id")?,
        name: row.try_get("name")?,
        issuer: row.try_get("issuer")?,
        profile: Profile::parse(profile)
            .ok_or_else(|| StoreError::Corrupt(format!("tenant with profile {profile:?}")))?,
        access_token_for: row.try_get("access_token_for")?,
        access_token_algorithm: row.try_get("access_token_algorithm")?,
        id_token_algorithm: row.try_get("id_token_algorithm")?,
        settings: read_json(row, "settings")?,
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
