//! What users may do to entities, in SQL. It is in no node's memory and in no token (F-199).

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};
use uuid::Uuid;

use super::columns::read_id;
use super::search::{AT_ONCE, rows_of};
use super::{GrantFilter, Result, SqlStore, StoreError};
use crate::model::UserGrant;
use crate::store::Object;

pub(super) async fn upsert(store: &SqlStore, grant: &UserGrant) -> Result<()> {
    let (target_id, user_id) = (grant.target_id.to_string(), grant.user_id.to_string());
    let mut mutation = store.begin().await?;
    if !mutation.finds(query("SELECT id FROM entity WHERE id = $1").bind(target_id.as_str())).await? {
        return Err(StoreError::Missing(Object::Entity));
    }
    if !mutation.finds(query("SELECT id FROM tenant_user WHERE id = $1").bind(user_id.as_str())).await? {
        return Err(StoreError::Missing(Object::User));
    }
    let row = query(
        "INSERT INTO user_grant (id, target_id, user_id, created_at, updated_at, tenant_id)
         VALUES ($1, $2, $3, $4, $5, (SELECT tenant_id FROM entity WHERE id = $2))
         ON CONFLICT (target_id, user_id) DO UPDATE SET updated_at = excluded.updated_at
         RETURNING id",
    )
    .bind(grant.id.to_string())
    .bind(target_id.as_str())
    .bind(user_id.as_str())
    .bind(grant.created_at)
    .bind(grant.updated_at)
    .fetch_one(mutation.connection())
    .await?;
    let grant_id: &str = row.try_get("id")?;
    mutation.execute(query("DELETE FROM user_grant_permission WHERE grant_id = $1").bind(grant_id)).await?;
    let mut permissions: Vec<&str> = grant.permissions.iter().map(String::as_str).collect();
    permissions.sort_unstable();
    permissions.dedup();
    for permission in permissions {
        let statement = query(
            "INSERT INTO user_grant_permission (grant_id, permission_id)
             SELECT $1, permission.id FROM permission JOIN entity ON entity.type_id = permission.type_id
             WHERE entity.id = $2 AND permission.name = $3",
        );
        let statement = statement.bind(grant_id).bind(target_id.as_str()).bind(permission);
        if mutation.execute(statement).await? == 0 {
            return Err(StoreError::Missing(Object::Permission));
        }
    }
    mutation.commit_silently().await
}

pub(super) async fn delete(store: &SqlStore, user_id: Uuid, target_id: Uuid) -> Result<bool> {
    let statement = query("DELETE FROM user_grant WHERE target_id = $1 AND user_id = $2")
        .bind(target_id.to_string())
        .bind(user_id.to_string());
    Ok(store.execute_alone(statement).await? > 0)
}

/// A grant and its permissions in one statement, so that they are of one instant.
macro_rules! with_permissions {
    ($condition:literal) => {
        concat!(
            "SELECT user_grant.id, target_id, user_id, created_at, updated_at, permission.name AS permission
             FROM user_grant
             LEFT JOIN user_grant_permission ON user_grant_permission.grant_id = user_grant.id
             LEFT JOIN permission ON permission.id = user_grant_permission.permission_id ",
            $condition
        )
    };
}

pub(super) async fn list(store: &SqlStore, filter: GrantFilter) -> Result<Vec<UserGrant>> {
    let statement = match filter {
        GrantFilter::All => query(with_permissions!("")),
        GrantFilter::OnTarget(id) => query(with_permissions!("WHERE target_id = $1")).bind(id.to_string()),
        GrantFilter::OfRecipient(id) => query(with_permissions!("WHERE user_id = $1")).bind(id.to_string()),
    };
    gathered(&statement.fetch_all(&store.readers).await?)
}

/// Those of these ids that are there, in an order of their own.
pub(super) async fn with_ids(store: &SqlStore, ids: &[Uuid]) -> Result<Vec<UserGrant>> {
    let mut grants = Vec::with_capacity(ids.len());
    for some in ids.chunks(AT_ONCE) {
        grants.extend(gathered(&rows_of(&store.readers, (with_permissions!(""), "user_grant.id"), some).await?)?);
    }
    Ok(grants)
}

/// A row for each permission, or one without.
fn gathered(rows: &[AnyRow]) -> Result<Vec<UserGrant>> {
    let mut grants = BTreeMap::new();
    for row in rows {
        let new = read(row)?;
        let grant: &mut UserGrant = grants.entry((new.target_id, new.user_id)).or_insert(new);
        grant.permissions.extend(row.try_get::<Option<String>, _>("permission")?);
    }
    let mut grants: Vec<UserGrant> = grants.into_values().collect();
    for grant in &mut grants {
        grant.permissions.sort_unstable();
    }
    Ok(grants)
}

fn read(row: &AnyRow) -> Result<UserGrant> {
    Ok(UserGrant {
        id: read_id(row, "id")?,
        target_id: read_id(row, "target_id")?,
        user_id: read_id(row, "user_id")?,
        permissions: Vec::new(),
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
