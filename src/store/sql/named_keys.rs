//! Named keys in SQL. They are in no node's memory, so there is no line in the change feed.

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};
use uuid::Uuid;

use super::columns::{read_id, read_optional_id};
use super::tables::{lock, select};
use super::{Result, SqlStore, StoreError};
use crate::model::NamedKey;
use crate::store::Object;

pub(super) async fn insert(store: &SqlStore, key: &NamedKey) -> Result<()> {
    let mut mutation = store.begin().await?;
    if let Some(tenant_id) = key.tenant_id
        && !mutation.finds(query("SELECT id FROM tenant WHERE id = $1").bind(tenant_id.to_string())).await?
    {
        return Err(StoreError::Missing(Object::Tenant));
    }
    let statement = query(
        "INSERT INTO named_key (id, kid, name, tenant_id, algorithm, public_jwk, private_key, managed_by, created_at,
                                updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(key.id.to_string())
    .bind(key.kid.as_str())
    .bind(key.name.as_str())
    .bind(key.tenant_id.map(|id| id.to_string()))
    .bind(key.algorithm.as_str())
    .bind(key.public_jwk.as_deref())
    .bind(key.private_key.as_deref())
    .bind(key.managed_by.as_deref())
    .bind(key.created_at)
    .bind(key.updated_at);
    mutation.execute(statement).await?;
    mutation.commit_silently().await
}

pub(super) async fn update(store: &SqlStore, before: &NamedKey, after: &NamedKey) -> Result<bool> {
    let id = before.id.to_string();
    let mut mutation = store.begin().await?;
    match mutation.fetch(query(lock!(named_key)).bind(id.as_str())).await? {
        Some(row) if read(&row)? == *before => {}
        Some(_) | None => return Ok(false),
    }
    let statement = query("UPDATE named_key SET name = $2, managed_by = $3, updated_at = $4 WHERE id = $1")
        .bind(id.as_str())
        .bind(after.name.as_str())
        .bind(after.managed_by.as_deref())
        .bind(after.updated_at);
    mutation.execute(statement).await?;
    mutation.commit_silently().await?;
    Ok(true)
}

pub(super) async fn delete(store: &SqlStore, id: Uuid) -> Result<bool> {
    let statement = query("DELETE FROM named_key WHERE id = $1").bind(id.to_string());
    Ok(store.execute_alone(statement).await? > 0)
}

pub(super) async fn list(store: &SqlStore) -> Result<Vec<NamedKey>> {
    let rows = query(select!(named_key, "ORDER BY created_at, id")).fetch_all(&store.readers).await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<NamedKey> {
    Ok(NamedKey {
        id: read_id(row, "id")?,
        kid: row.try_get("kid")?,
        name: row.try_get("name")?,
        tenant_id: read_optional_id(row, "tenant_id")?,
        algorithm: row.try_get("algorithm")?,
        public_jwk: row.try_get("public_jwk")?,
        private_key: row.try_get("private_key")?,
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
