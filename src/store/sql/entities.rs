//! Entities in SQL.

use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};
use uuid::Uuid;

use super::tenants::read_id;
use super::{Result, SqlStore, StoreError};
use crate::model::{ChangeKind, ClientSecret, Entity};
use crate::store::Object;

pub(super) async fn insert(store: &SqlStore, entity: &Entity) -> Result<()> {
    let mut mutation = store.begin().await?;
    let tenant = query("SELECT id FROM tenant WHERE id = $1").bind(entity.tenant_id.to_string());
    if !mutation.finds(tenant).await? {
        return Err(StoreError::Missing(Object::Tenant));
    }
    let entity_type = query("SELECT id FROM entity_type WHERE id = $1").bind(entity.type_id.to_string());
    if !mutation.finds(entity_type).await? {
        return Err(StoreError::Missing(Object::EntityType));
    }
    let statement = query(
        "INSERT INTO entity (id, tenant_id, type_id, name, client_id, client_secrets, managed_by, created_at,
                             updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(entity.id.to_string())
    .bind(entity.tenant_id.to_string())
    .bind(entity.type_id.to_string())
    .bind(entity.name.as_str())
    .bind(entity.client_id.as_str())
    .bind(secrets_text(&entity.client_secrets))
    .bind(entity.managed_by.as_deref())
    .bind(entity.created_at)
    .bind(entity.updated_at);
    mutation.execute(statement).await?;
    mutation.commit(ChangeKind::Entity, &entity.id.to_string(), entity.updated_at).await
}

pub(super) async fn update(store: &SqlStore, before: &Entity, after: &Entity) -> Result<bool> {
    let mut mutation = store.begin().await?;
    let statement = query(
        "UPDATE entity SET name = $2, client_id = $3, client_secrets = $4, managed_by = $5, updated_at = $6
         WHERE id = $1 AND name = $7 AND client_id = $8 AND client_secrets = $9 AND updated_at = $10",
    )
    .bind(before.id.to_string())
    .bind(after.name.as_str())
    .bind(after.client_id.as_str())
    .bind(secrets_text(&after.client_secrets))
    .bind(after.managed_by.as_deref())
    .bind(after.updated_at)
    .bind(before.name.as_str())
    .bind(before.client_id.as_str())
    .bind(secrets_text(&before.client_secrets))
    .bind(before.updated_at);
    if mutation.execute(statement).await? == 0 {
        return Ok(false);
    }
    mutation.commit(ChangeKind::Entity, &before.id.to_string(), after.updated_at).await?;
    Ok(true)
}

pub(super) async fn delete(store: &SqlStore, id: Uuid, at: i64) -> Result<bool> {
    let id = id.to_string();
    let mut mutation = store.begin().await?;
    if mutation.execute(query("DELETE FROM entity WHERE id = $1").bind(id.as_str())).await? == 0 {
        return Ok(false);
    }
    mutation.commit(ChangeKind::Entity, &id, at).await?;
    Ok(true)
}

pub(super) async fn find(store: &SqlStore, id: Uuid) -> Result<Option<Entity>> {
    let statement = query("SELECT * FROM entity WHERE id = $1").bind(id.to_string());
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_client_id(store: &SqlStore, tenant_id: Uuid, client_id: &str) -> Result<Option<Entity>> {
    let statement = query("SELECT * FROM entity WHERE tenant_id = $1 AND client_id = $2")
        .bind(tenant_id.to_string())
        .bind(client_id);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_name(store: &SqlStore, tenant_id: Uuid, name: &str) -> Result<Option<Entity>> {
    let statement =
        query("SELECT * FROM entity WHERE tenant_id = $1 AND name = $2").bind(tenant_id.to_string()).bind(name);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(store: &SqlStore, tenant_id: Option<Uuid>) -> Result<Vec<Entity>> {
    let statement = match tenant_id {
        Some(id) => query("SELECT * FROM entity WHERE tenant_id = $1").bind(id.to_string()),
        None => query("SELECT * FROM entity"),
    };
    let rows = statement.fetch_all(&store.readers).await?;
    let mut entities = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    entities.sort_by(|a, b| (&a.name, a.tenant_id).cmp(&(&b.name, b.tenant_id)));
    Ok(entities)
}

fn read(row: &AnyRow) -> Result<Entity> {
    Ok(Entity {
        id: read_id(row, "id")?,
        tenant_id: read_id(row, "tenant_id")?,
        type_id: read_id(row, "type_id")?,
        name: row.try_get("name")?,
        client_id: row.try_get("client_id")?,
        client_secrets: read_secrets(row.try_get("client_secrets")?)?,
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// The same secrets always make the same text: `update` compares it.
fn secrets_text(secrets: &[ClientSecret]) -> String {
    let secret = |secret: &ClientSecret| json!({ "sha256": secret.sha256, "created_at": secret.created_at, "expires_at": secret.expires_at, "sealed": secret.sealed });
    Value::Array(secrets.iter().map(secret).collect()).to_string()
}

fn read_secrets(text: &str) -> Result<Vec<ClientSecret>> {
    let secret = |value: &Value| {
        Some(ClientSecret {
            sha256: value["sha256"].as_str()?.to_owned(),
            created_at: value["created_at"].as_i64()?,
            expires_at: match &value["expires_at"] {
                Value::Null => None,
                at => Some(at.as_i64()?),
            },
            sealed: value["sealed"].as_str().map(str::to_owned),
        })
    };
    let list = serde_json::from_str::<Vec<Value>>(text).ok();
    list.and_then(|list| list.iter().map(secret).collect())
        .ok_or_else(|| StoreError::Corrupt("entity with unreadable client_secrets".to_owned()))
}
