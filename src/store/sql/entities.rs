//! Entities in SQL.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _, query};
use uuid::Uuid;

use super::columns::{json_text, read_id, read_json, read_optional_id, read_secrets, secrets_text};
use super::search::{self, Key, Table};
use super::tables::{PAGE, lock, select};
use super::transaction::Mutation;
use super::{Result, SqlStore, StoreError, tenants};
use crate::model::{ChangeKind, Entity};
use crate::store::{Object, Search, SearchOrder, Unique};

pub(super) async fn insert(store: &SqlStore, entity: &Entity) -> Result<()> {
    let mut mutation = store.begin().await?;
    claim_client_id(&mut mutation, entity.tenant_id, &entity.client_id).await?;
    let entity_type = query("SELECT id FROM entity_type WHERE id = $1").bind(entity.type_id.to_string());
    if !mutation.finds(entity_type).await? {
        return Err(StoreError::Missing(Object::EntityType));
    }
    find_parent(&mut mutation, entity).await?;
    let statement = query(
        "INSERT INTO entity (id, tenant_id, type_id, name, client_id, client_secrets, managed_by, created_at,
                             updated_at, name_key, parent_id, data)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(entity.id.to_string())
    .bind(entity.tenant_id.to_string())
    .bind(entity.type_id.to_string())
    .bind(entity.name.as_str())
    .bind(entity.client_id.as_str())
    .bind(secrets_text(&entity.client_secrets))
    .bind(entity.managed_by.as_deref())
    .bind(entity.created_at)
    .bind(entity.updated_at)
    .bind(entity.name.to_lowercase())
    .bind(entity.parent_id.map(|id| id.to_string()))
    .bind(json_text(&entity.data)?);
    mutation.execute(statement).await?;
    mutation.commit(ChangeKind::Entity, &entity.id.to_string(), entity.updated_at).await
}

pub(super) async fn update(store: &SqlStore, before: &Entity, after: &Entity) -> Result<bool> {
    let id = before.id.to_string();
    let mut mutation = store.begin().await?;
    // Before the entity's row is locked: everybody locks the tenant first.
    if before.client_id != after.client_id {
        claim_client_id(&mut mutation, before.tenant_id, &after.client_id).await?;
    }
    let lock = query(lock!(entity)).bind(id.as_str());
    match mutation.fetch(lock).await? {
        Some(row) if read(&row)? == *before => {}
        Some(_) | None => return Ok(false),
    }
    find_parent(&mut mutation, after).await?;
    let statement = query(
        "UPDATE entity SET name = $2, client_id = $3, client_secrets = $4, managed_by = $5, updated_at = $6,
                           name_key = $7, parent_id = $8, data = $9
         WHERE id = $1",
    )
    .bind(id.as_str())
    .bind(after.name.as_str())
    .bind(after.client_id.as_str())
    .bind(secrets_text(&after.client_secrets))
    .bind(after.managed_by.as_deref())
    .bind(after.updated_at)
    .bind(after.name.to_lowercase())
    .bind(after.parent_id.map(|id| id.to_string()))
    .bind(json_text(&after.data)?);
    mutation.execute(statement).await?;
    mutation.commit(ChangeKind::Entity, &id, after.updated_at).await?;
    Ok(true)
}

/// The parent is there, and in the same tenant.
async fn find_parent(mutation: &mut Mutation, entity: &Entity) -> Result<()> {
    let Some(parent_id) = entity.parent_id else { return Ok(()) };
    let parent = query("SELECT id FROM entity WHERE id = $1 AND tenant_id = $2")
        .bind(parent_id.to_string())
        .bind(entity.tenant_id.to_string());
    if mutation.finds(parent).await? { Ok(()) } else { Err(StoreError::Missing(Object::Entity)) }
}

/// No application of the tenant has the client id, and none gets it until the commit. Other entities are kept from it
/// by a constraint.
async fn claim_client_id(mutation: &mut Mutation, tenant_id: Uuid, client_id: &str) -> Result<()> {
    tenants::hold(mutation, tenant_id).await?;
    let taken = query("SELECT id FROM application WHERE tenant_id = $1 AND client_id = $2")
        .bind(tenant_id.to_string())
        .bind(client_id);
    if mutation.finds(taken).await? {
        return Err(StoreError::Conflict(Unique::ClientId));
    }
    Ok(())
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
    let statement = query(select!(entity, "WHERE id = $1")).bind(id.to_string());
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_client_id(store: &SqlStore, tenant_id: Uuid, client_id: &str) -> Result<Option<Entity>> {
    let statement =
        query(select!(entity, "WHERE tenant_id = $1 AND client_id = $2")).bind(tenant_id.to_string()).bind(client_id);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_name(store: &SqlStore, tenant_id: Uuid, name: &str) -> Result<Option<Entity>> {
    let statement = query(select!(entity, "WHERE tenant_id = $1 AND name = $2")).bind(tenant_id.to_string()).bind(name);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

/// What entities are found by.
pub(super) static SEARCHED: Table = Table {
    name: "entity",
    select: select!(entity, ""),
    keys: ["name_key", "LOWER(client_id)", "id"],
    order_of: |by| match by {
        SearchOrder::Name => Key::Text(0),
        SearchOrder::ClientId => Key::Text(1),
        SearchOrder::CreatedAt => Key::CreatedAt,
        SearchOrder::Email | SearchOrder::Username => Key::Id,
    },
    kind: ChangeKind::Entity,
};

pub(super) async fn search(store: &SqlStore, wanted: &Search) -> Result<(Vec<Entity>, u64)> {
    let (rows, total) = search::rows(store, &store.entities, wanted).await?;
    Ok((rows.iter().map(read).collect::<Result<_>>()?, total))
}

pub(super) async fn with_ids(store: &SqlStore, ids: &[Uuid]) -> Result<Vec<Entity>> {
    let mut entities = Vec::with_capacity(ids.len());
    for some in ids.chunks(search::AT_ONCE) {
        let rows = search::rows_of(&store.readers, (SEARCHED.select, "id"), some).await?;
        entities.extend(rows.iter().map(read).collect::<Result<Vec<_>>>()?);
    }
    Ok(entities)
}

pub(super) async fn list(store: &SqlStore, tenant_id: Option<Uuid>) -> Result<Vec<Entity>> {
    match tenant_id.map(|id| id.to_string()) {
        None => pages(store, select!(entity, "WHERE id > $1 ORDER BY id LIMIT $2"), None, by_id).await,
        // By the index that keeps names apart.
        Some(id) => {
            let statement = select!(entity, "WHERE name > $1 AND tenant_id = $3 ORDER BY name LIMIT $2");
            pages(store, statement, Some(&id), |entity| entity.name.clone()).await
        }
    }
}

pub(super) async fn list_managed(store: &SqlStore, managed_by: &str) -> Result<Vec<Entity>> {
    let statement = select!(entity, "WHERE id > $1 AND managed_by = $3 ORDER BY id LIMIT $2");
    pages(store, statement, Some(managed_by), by_id).await
}

fn by_id(entity: &Entity) -> String {
    entity.id.to_string()
}

/// By name, from pages that each have the deadline for themselves. `statement` asks for those after `$1`, in the order of `place`, at
/// most `$2`; `$3`, if there is one, is `of`.
async fn pages(
    store: &SqlStore,
    statement: &'static str,
    of: Option<&str>,
    place: fn(&Entity) -> String,
) -> Result<Vec<Entity>> {
    let mut entities: Vec<Entity> = Vec::new();
    loop {
        // Nothing is before the empty text.
        let page = query(statement).bind(entities.last().map_or_else(String::new, place)).bind(PAGE);
        let page = if let Some(of) = of { page.bind(of) } else { page };
        let found = store.within(fetch(store, page)).await?;
        let is_last = (found.len() as i64) < PAGE;
        entities.extend(found);
        if is_last {
            break;
        }
    }
    entities.sort_by(|a, b| (&a.name, a.tenant_id).cmp(&(&b.name, b.tenant_id)));
    Ok(entities)
}

async fn fetch(store: &SqlStore, statement: Query<'_, Any, AnyArguments>) -> Result<Vec<Entity>> {
    statement.fetch_all(&store.readers).await?.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<Entity> {
    Ok(Entity {
        id: read_id(row, "id")?,
        tenant_id: read_id(row, "tenant_id")?,
        type_id: read_id(row, "type_id")?,
        name: row.try_get("name")?,
        client_id: row.try_get("client_id")?,
        client_secrets: read_secrets(row)?,
        parent_id: read_optional_id(row, "parent_id")?,
        data: read_json(row, "data")?,
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
