//! Entity types and their permissions in SQL.

use std::collections::BTreeMap;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _, query};
use uuid::Uuid;

use super::columns::{json_text, read_id, read_json, read_optional_id};
use super::transaction::Mutation;
use super::{Result, SqlStore, StoreError};
use crate::model::{ChangeKind, EntityType, Permission};
use crate::store::Object;

pub(super) async fn insert(store: &SqlStore, entity_type: &EntityType) -> Result<()> {
    let mut mutation = store.begin().await?;
    let statement = query(
        "INSERT INTO entity_type (id, name, managed_by, created_at, updated_at, data, access_token_for, access_token_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entity_type.id.to_string())
    .bind(entity_type.name.as_str())
    .bind(entity_type.managed_by.as_deref())
    .bind(entity_type.created_at)
    .bind(entity_type.updated_at)
    .bind(json_text(&entity_type.data)?)
    .bind(entity_type.access_token_for)
    .bind(entity_type.access_token_key.map(|id| id.to_string()));
    mutation.execute(statement).await?;
    for permission in &entity_type.permissions {
        add(&mut mutation, entity_type.id, permission).await?;
    }
    mutation.commit(ChangeKind::EntityType, &entity_type.id.to_string(), entity_type.updated_at).await
}

pub(super) async fn update(store: &SqlStore, before: &EntityType, entity_type: &EntityType) -> Result<bool> {
    let id = before.id.to_string();
    let mut mutation = store.begin().await?;
    let lock = query(
        "UPDATE entity_type SET created_at = created_at WHERE id = $1
         RETURNING id, name, data, managed_by, created_at, updated_at, access_token_for, access_token_key",
    );
    let Some(row) = mutation.fetch(lock.bind(id.as_str())).await? else { return Ok(false) };
    // A permission that came or went meanwhile left its instant.
    let stored = EntityType { updated_at: before.updated_at, ..read(before.id, &row)? };
    if stored != (EntityType { permissions: Vec::new(), ..before.clone() }) {
        return Ok(false);
    }
    let statement = query(
        "UPDATE entity_type SET name = $2, managed_by = $3, updated_at = $4, data = $5, access_token_for = $6,
                access_token_key = $7
         WHERE id = $1",
    )
    .bind(id.as_str())
    .bind(entity_type.name.as_str())
    .bind(entity_type.managed_by.as_deref())
    .bind(entity_type.updated_at)
    .bind(json_text(&entity_type.data)?)
    .bind(entity_type.access_token_for)
    .bind(entity_type.access_token_key.map(|id| id.to_string()));
    mutation.execute(statement).await?;
    mutation.commit(ChangeKind::EntityType, &id, entity_type.updated_at).await?;
    Ok(true)
}

pub(super) async fn delete(store: &SqlStore, id: Uuid, at: i64) -> Result<bool> {
    let id = id.to_string();
    let mut mutation = store.begin().await?;
    if mutation.finds(query("SELECT id FROM entity WHERE type_id = $1 LIMIT 1").bind(id.as_str())).await? {
        return Err(StoreError::InUse(Object::EntityType));
    }
    if mutation.execute(query("DELETE FROM entity_type WHERE id = $1").bind(id.as_str())).await? == 0 {
        return Ok(false);
    }
    mutation.commit(ChangeKind::EntityType, &id, at).await?;
    Ok(true)
}

pub(super) async fn insert_permission(store: &SqlStore, type_id: Uuid, permission: &Permission, at: i64) -> Result<()> {
    let mut mutation = store.begin().await?;
    if !touch(&mut mutation, type_id, at).await? {
        return Err(StoreError::Missing(Object::EntityType));
    }
    add(&mut mutation, type_id, permission).await?;
    mutation.commit(ChangeKind::EntityType, &type_id.to_string(), at).await
}

pub(super) async fn update_permission(
    store: &SqlStore,
    type_id: Uuid,
    permission: &Permission,
    at: i64,
) -> Result<bool> {
    let mut mutation = store.begin().await?;
    let statement =
        query("UPDATE permission SET name = $3, description = $4, is_default = $5 WHERE id = $1 AND type_id = $2")
            .bind(permission.id.to_string())
            .bind(type_id.to_string())
            .bind(permission.name.as_str())
            .bind(permission.description.as_deref())
            .bind(i64::from(permission.is_default));
    if mutation.execute(statement).await? == 0 {
        return Ok(false);
    }
    touch(&mut mutation, type_id, at).await?;
    mutation.commit(ChangeKind::EntityType, &type_id.to_string(), at).await?;
    Ok(true)
}

pub(super) async fn delete_permission(store: &SqlStore, type_id: Uuid, permission_id: Uuid, at: i64) -> Result<bool> {
    let mut mutation = store.begin().await?;
    let statement = query("DELETE FROM permission WHERE id = $1 AND type_id = $2")
        .bind(permission_id.to_string())
        .bind(type_id.to_string());
    if mutation.execute(statement).await? == 0 {
        return Ok(false);
    }
    touch(&mut mutation, type_id, at).await?;
    mutation.commit(ChangeKind::EntityType, &type_id.to_string(), at).await?;
    Ok(true)
}

async fn touch(mutation: &mut Mutation, type_id: Uuid, at: i64) -> Result<bool> {
    let statement = query("UPDATE entity_type SET updated_at = $2 WHERE id = $1").bind(type_id.to_string()).bind(at);
    Ok(mutation.execute(statement).await? == 1)
}

async fn add(mutation: &mut Mutation, type_id: Uuid, permission: &Permission) -> Result<()> {
    let statement =
        query("INSERT INTO permission (id, type_id, name, description, is_default) VALUES ($1, $2, $3, $4, $5)")
            .bind(permission.id.to_string())
            .bind(type_id.to_string())
            .bind(permission.name.as_str())
            .bind(permission.description.as_deref())
            .bind(i64::from(permission.is_default));
    mutation.execute(statement).await?;
    Ok(())
}

/// A type and its permissions in one statement, so that they are of one instant.
macro_rules! with_permissions {
    ($condition:literal) => {
        concat!(
            "SELECT entity_type.id, entity_type.name, data, managed_by, created_at, updated_at, access_token_for,
                    access_token_key,
                    permission.id AS permission_id, permission.name AS permission_name,
                    permission.description AS permission_description, permission.is_default AS permission_is_default
             FROM entity_type LEFT JOIN permission ON permission.type_id = entity_type.id ",
            $condition
        )
    };
}

pub(super) async fn find(store: &SqlStore, id: Uuid) -> Result<Option<EntityType>> {
    Ok(fetch(store, query(with_permissions!("WHERE entity_type.id = $1")).bind(id.to_string())).await?.pop())
}

pub(super) async fn find_by_name(store: &SqlStore, name: &str) -> Result<Option<EntityType>> {
    Ok(fetch(store, query(with_permissions!("WHERE entity_type.name = $1")).bind(name)).await?.pop())
}

pub(super) async fn list(store: &SqlStore) -> Result<Vec<EntityType>> {
    fetch(store, query(with_permissions!(""))).await
}

async fn fetch(store: &SqlStore, statement: Query<'_, Any, AnyArguments>) -> Result<Vec<EntityType>> {
    let mut types = BTreeMap::new();
    for row in statement.fetch_all(&store.readers).await? {
        let id = read_id(&row, "id")?;
        let entity_type = match types.entry(id) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => new.insert(read(id, &row)?),
        };
        if row.try_get::<Option<&str>, _>("permission_id")?.is_some() {
            entity_type.permissions.push(read_permission(&row)?);
        }
    }
    let mut types: Vec<EntityType> = types.into_values().collect();
    for entity_type in &mut types {
        entity_type.permissions.sort_by(|a, b| a.name.cmp(&b.name));
    }
    types.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(types)
}

fn read(id: Uuid, row: &AnyRow) -> Result<EntityType> {
    Ok(EntityType {
        id,
        name: row.try_get("name")?,
        permissions: Vec::new(),
        access_token_for: row.try_get("access_token_for")?,
        access_token_key: read_optional_id(row, "access_token_key")?,
        data: read_json(row, "data")?,
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn read_permission(row: &AnyRow) -> Result<Permission> {
    Ok(Permission {
        id: read_id(row, "permission_id")?,
        name: row.try_get("permission_name")?,
        description: row.try_get("permission_description")?,
        is_default: row.try_get::<i64, _>("permission_is_default")? != 0,
    })
}
