//! API keys in SQL.

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};
use uuid::Uuid;

use super::columns::{json_text, read_id, read_json, read_optional_id};
use super::tables::{lock, select};
use super::{Result, SqlStore, StoreError};
use crate::model::ApiKey;
use crate::store::Object;

pub(super) async fn insert(store: &SqlStore, key: &ApiKey) -> Result<()> {
    let mut mutation = store.begin().await?;
    if let Some(tenant_id) = key.tenant_id
        && !mutation.finds(query("SELECT id FROM tenant WHERE id = $1").bind(tenant_id.to_string())).await?
    {
        return Err(StoreError::Missing(Object::Tenant));
    }
    let statement = query(
        "INSERT INTO api_key (id, name, key_hash, tenant_id, endpoints, is_key_manager, expires_at, managed_by,
                              created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(key.id.to_string())
    .bind(key.name.as_str())
    .bind(key.sha256.as_str())
    .bind(key.tenant_id.map(|id| id.to_string()))
    .bind(json_text(&key.endpoints)?)
    .bind(i64::from(key.is_key_manager))
    .bind(key.expires_at)
    .bind(key.managed_by.as_deref())
    .bind(key.created_at)
    .bind(key.updated_at);
    mutation.execute(statement).await?;
    mutation.commit_silently().await
}

pub(super) async fn update(store: &SqlStore, before: &ApiKey, key: &ApiKey) -> Result<bool> {
    let id = before.id.to_string();
    let mut mutation = store.begin().await?;
    match mutation.fetch(query(lock!(api_key)).bind(id.as_str())).await? {
        Some(row) if read(&row)? == *before => {}
        Some(_) | None => return Ok(false),
    }
    let statement = query(
        "UPDATE api_key SET name = $2, endpoints = $3, is_key_manager = $4, expires_at = $5, managed_by = $6,
                            updated_at = $7
         WHERE id = $1",
    )
    .bind(id.as_str())
    .bind(key.name.as_str())
    .bind(json_text(&key.endpoints)?)
    .bind(i64::from(key.is_key_manager))
    .bind(key.expires_at)
    .bind(key.managed_by.as_deref())
    .bind(key.updated_at);
    mutation.execute(statement).await?;
    mutation.commit_silently().await?;
    Ok(true)
}

pub(super) async fn delete(store: &SqlStore, id: Uuid) -> Result<bool> {
    let mut mutation = store.begin().await?;
    if mutation.execute(query("DELETE FROM api_key WHERE id = $1").bind(id.to_string())).await? == 0 {
        return Ok(false);
    }
    mutation.commit_silently().await?;
    Ok(true)
}

pub(super) async fn find(store: &SqlStore, id: Uuid) -> Result<Option<ApiKey>> {
    let statement = query(select!(api_key, "WHERE id = $1")).bind(id.to_string());
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_hash(store: &SqlStore, hash: &str) -> Result<Option<ApiKey>> {
    let statement = query(select!(api_key, "WHERE key_hash = $1")).bind(hash);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(store: &SqlStore) -> Result<Vec<ApiKey>> {
    let rows = query(select!(api_key, "ORDER BY created_at, id")).fetch_all(&store.readers).await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<ApiKey> {
    Ok(ApiKey {
        id: read_id(row, "id")?,
        name: row.try_get("name")?,
        sha256: row.try_get("key_hash")?,
        tenant_id: read_optional_id(row, "tenant_id")?,
        endpoints: read_json(row, "endpoints")?,
        is_key_manager: row.try_get::<i64, _>("is_key_manager")? != 0,
        expires_at: row.try_get("expires_at")?,
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
