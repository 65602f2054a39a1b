//! Grants between entities in SQL.

use std::collections::BTreeMap;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _, query};
use uuid::Uuid;

use super::columns::read_id;
use super::search::{AT_ONCE, rows_of};
use super::tables::PAGE;
use super::{GrantFilter, Result, SqlStore, StoreError};
use crate::model::{ChangeKind, EntityGrant};
use crate::store::Object;

pub(super) async fn upsert(store: &SqlStore, grant: &EntityGrant) -> Result<()> {
    let (target_id, recipient_id) = (grant.target_id.to_string(), grant.recipient_id.to_string());
    let mut mutation = store.begin().await?;
    for id in [&target_id, &recipient_id] {
        if !mutation.finds(query("SELECT id FROM entity WHERE id = $1").bind(id.as_str())).await? {
            return Err(StoreError::Missing(Object::Entity));
        }
    }
    let row = query(
        "INSERT INTO entity_grant (id, target_id, recipient_id, managed_by, created_at, updated_at, tenant_id)
         VALUES ($1, $2, $3, $4, $5, $6, (SELECT tenant_id FROM entity WHERE id = $2))
         ON CONFLICT (target_id, recipient_id)
         DO UPDATE SET managed_by = excluded.managed_by, updated_at = excluded.updated_at
         RETURNING id",
    )
    .bind(grant.id.to_string())
    .bind(target_id.as_str())
    .bind(recipient_id.as_str())
    .bind(grant.managed_by.as_deref())
    .bind(grant.created_at)
    .bind(grant.updated_at)
    .fetch_one(mutation.connection())
    .await?;
    let grant_id: &str = row.try_get("id")?;
    mutation.execute(query("DELETE FROM entity_grant_permission WHERE grant_id = $1").bind(grant_id)).await?;
    let mut permissions: Vec<&str> = grant.permissions.iter().map(String::as_str).collect();
    permissions.sort_unstable();
    permissions.dedup();
    for permission in permissions {
        let statement = query(
            "INSERT INTO entity_grant_permission (grant_id, permission_id)
             SELECT $1, permission.id FROM permission JOIN entity ON entity.type_id = permission.type_id
             WHERE entity.id = $2 AND permission.name = $3",
        )
        .bind(grant_id)
        .bind(target_id.as_str())
        .bind(permission);
        if mutation.execute(statement).await? == 0 {
            return Err(StoreError::Missing(Object::Permission));
        }
    }
    mutation.commit(ChangeKind::Grant, &format!("{target_id}/{recipient_id}"), grant.updated_at).await
}

pub(super) async fn delete(store: &SqlStore, recipient_id: Uuid, target_id: Uuid, at: i64) -> Result<bool> {
    let mut mutation = store.begin().await?;
    let statement = query("DELETE FROM entity_grant WHERE target_id = $1 AND recipient_id = $2")
        .bind(target_id.to_string())
        .bind(recipient_id.to_string());
    if mutation.execute(statement).await? == 0 {
        return Ok(false);
    }
    mutation.commit(ChangeKind::Grant, &format!("{target_id}/{recipient_id}"), at).await?;
    Ok(true)
}

/// A grant and its permissions in one statement, so that they are of one instant.
macro_rules! with_permissions {
    ($condition:literal) => {
        concat!(
            "SELECT entity_grant.id, target_id, recipient_id, managed_by, created_at, updated_at,
                    permission.name AS permission
             FROM entity_grant
             LEFT JOIN entity_grant_permission ON entity_grant_permission.grant_id = entity_grant.id
             LEFT JOIN permission ON permission.id = entity_grant_permission.permission_id ",
            $condition
        )
    };
}

pub(super) async fn find(store: &SqlStore, recipient_id: Uuid, target_id: Uuid) -> Result<Option<EntityGrant>> {
    let statement = query(with_permissions!("WHERE target_id = $1 AND recipient_id = $2"))
        .bind(target_id.to_string())
        .bind(recipient_id.to_string());
    Ok(fetch(store, statement).await?.pop())
}

pub(super) async fn list(store: &SqlStore, filter: GrantFilter) -> Result<Vec<EntityGrant>> {
    let statement = match filter {
        GrantFilter::All => {
            let statement = with_permissions!(
                "WHERE entity_grant.id IN (SELECT id FROM entity_grant WHERE id > $1 ORDER BY id LIMIT $2)"
            );
            return pages(store, statement, None).await;
        }
        GrantFilter::OnTarget(id) => query(with_permissions!("WHERE target_id = $1")).bind(id.to_string()),
        GrantFilter::OfRecipient(id) => query(with_permissions!("WHERE recipient_id = $1")).bind(id.to_string()),
    };
    store.within(fetch(store, statement)).await
}

pub(super) async fn list_managed(store: &SqlStore, managed_by: &str) -> Result<Vec<EntityGrant>> {
    let statement = with_permissions!(
        "WHERE entity_grant.id IN
             (SELECT id FROM entity_grant WHERE id > $1 AND managed_by = $3 ORDER BY id LIMIT $2)"
    );
    pages(store, statement, Some(managed_by)).await
}

/// By target, then recipient, from pages that each have the deadline for themselves. `statement` asks for the grants after the id
/// `$1`, by id, at most `$2` of them, however many permissions they have; `$3`, if there is one, is `of`.
async fn pages(store: &SqlStore, statement: &'static str, of: Option<&str>) -> Result<Vec<EntityGrant>> {
    let mut grants: Vec<EntityGrant> = Vec::new();
    // Nothing is before the empty text.
    let mut after = String::new();
    loop {
        let page = query(statement).bind(after).bind(PAGE);
        let page = if let Some(of) = of { page.bind(of) } else { page };
        let found = store.within(fetch(store, page)).await?;
        let is_last = (found.len() as i64) < PAGE;
        after = found.iter().map(|grant| grant.id).max().map_or_else(String::new, |last| last.to_string());
        grants.extend(found);
        if is_last {
            break;
        }
    }
    grants.sort_by_key(|grant| (grant.target_id, grant.recipient_id));
    Ok(grants)
}

/// Those of these ids that are there, in an order of their own.
pub(super) async fn with_ids(store: &SqlStore, ids: &[Uuid]) -> Result<Vec<EntityGrant>> {
    let mut grants = Vec::with_capacity(ids.len());
    for some in ids.chunks(AT_ONCE) {
        grants.extend(gathered(&rows_of(&store.readers, (with_permissions!(""), "entity_grant.id"), some).await?)?);
    }
    Ok(grants)
}

async fn fetch(store: &SqlStore, statement: Query<'_, Any, AnyArguments>) -> Result<Vec<EntityGrant>> {
    gathered(&statement.fetch_all(&store.readers).await?)
}

/// A row for each permission, or one without.
fn gathered(rows: &[AnyRow]) -> Result<Vec<EntityGrant>> {
    let mut grants = BTreeMap::new();
    for row in rows {
        let new = read(row)?;
        let grant = grants.entry((new.target_id, new.recipient_id)).or_insert(new);
        grant.permissions.extend(row.try_get::<Option<String>, _>("permission")?);
    }
    let mut grants: Vec<EntityGrant> = grants.into_values().collect();
    for grant in &mut grants {
        grant.permissions.sort_unstable();
    }
    Ok(grants)
}

fn read(row: &AnyRow) -> Result<EntityGrant> {
    Ok(EntityGrant {
        id: read_id(row, "id")?,
        target_id: read_id(row, "target_id")?,
        recipient_id: read_id(row, "recipient_id")?,
        permissions: Vec::new(),
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
