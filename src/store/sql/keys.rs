//! Signing keys in SQL. The legal transitions are in [`crate::model::StoredKey`]; the guards here make two nodes agree.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _, query};

use super::columns::read_id;
use super::tables::select;
use super::transaction::Mutation;
use super::{Result, SqlStore, StoreError};
use crate::model::{ChangeKind, KeyPurpose, StoredKey};
use crate::store::Object;

pub(super) async fn insert(store: &SqlStore, key: &StoredKey) -> Result<()> {
    let mut mutation = store.begin().await?;
    add(&mut mutation, key).await?;
    mutation.commit(ChangeKind::Key, &key.id, key.created_at).await
}

pub(super) async fn rotate(store: &SqlStore, retired: &StoredKey, successor: &StoredKey, at: i64) -> Result<bool> {
    let mut mutation = store.begin().await?;
    if mutation.execute(end(retired)).await? == 0 {
        return Ok(false);
    }
    add(&mut mutation, successor).await?;
    mutation.commit(ChangeKind::Key, &successor.id, at).await?;
    Ok(true)
}

pub(super) async fn retire(store: &SqlStore, retired: &StoredKey, at: i64) -> Result<bool> {
    let mut mutation = store.begin().await?;
    if mutation.execute(end(retired)).await? == 0 {
        return Ok(false);
    }
    mutation.commit(ChangeKind::Key, &retired.id, at).await?;
    Ok(true)
}

fn end(retired: &StoredKey) -> Query<'_, Any, AnyArguments> {
    query("UPDATE signing_key SET retired_at = $2, removed_at = $3 WHERE id = $1 AND retired_at IS NULL")
        .bind(retired.id.as_str())
        .bind(retired.retired_at)
        .bind(retired.removed_at)
}

pub(super) async fn remove(store: &SqlStore, id: &str, at: i64) -> Result<bool> {
    let mut mutation = store.begin().await?;
    let statement = query(
        "UPDATE signing_key
         SET retired_at = CASE WHEN retired_at < $2 THEN retired_at ELSE $2 END, removed_at = $2
         WHERE id = $1 AND (removed_at IS NULL OR removed_at > $2)",
    )
    .bind(id)
    .bind(at);
    if mutation.execute(statement).await? == 0 {
        return Ok(false);
    }
    mutation.commit(ChangeKind::Key, id, at).await?;
    Ok(true)
}

pub(super) async fn list(store: &SqlStore, since: i64) -> Result<Vec<StoredKey>> {
    let statement = query(select!(signing_key, "WHERE removed_at IS NULL OR removed_at > $1")).bind(since);
    let rows = statement.fetch_all(&store.readers).await?;
    let mut keys = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(keys)
}

async fn add(mutation: &mut Mutation, key: &StoredKey) -> Result<()> {
    if let Some(tenant_id) = key.tenant_id {
        let tenant = query("SELECT id FROM tenant WHERE id = $1").bind(tenant_id.to_string());
        if !mutation.finds(tenant).await? {
            return Err(StoreError::Missing(Object::Tenant));
        }
    }
    let statement = query(
        "INSERT INTO signing_key (id, tenant_id, algorithm, purpose, for_applications, public_jwk, private_key, created_at,
                                  published_at, signs_from_at, retired_at, removed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(key.id.as_str())
    .bind(key.tenant_id.map(|id| id.to_string()))
    .bind(key.algorithm.as_str())
    .bind(key.purpose.as_str())
    .bind(i64::from(key.for_applications))
    .bind(key.public_jwk.as_deref())
    .bind(key.private_key.as_str())
    .bind(key.created_at)
    .bind(key.published_at)
    .bind(key.signs_from_at)
    .bind(key.retired_at)
    .bind(key.removed_at);
    mutation.execute(statement).await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<StoredKey> {
    let purpose: &str = row.try_get("purpose")?;
    let belongs_to_a_tenant = row.try_get::<Option<&str>, _>("tenant_id")?.is_some();
    Ok(StoredKey {
        id: row.try_get("id")?,
        tenant_id: if belongs_to_a_tenant { Some(read_id(row, "tenant_id")?) } else { None },
        algorithm: row.try_get("algorithm")?,
        purpose: KeyPurpose::parse(purpose)
            .ok_or_else(|| StoreError::Corrupt(format!("key with purpose {purpose:?}")))?,
        for_applications: row.try_get::<i64, _>("for_applications")? != 0,
        public_jwk: row.try_get("public_jwk")?,
        private_key: row.try_get("private_key")?,
        created_at: row.try_get("created_at")?,
        published_at: row.try_get("published_at")?,
        signs_from_at: row.try_get("signs_from_at")?,
        retired_at: row.try_get("retired_at")?,
        removed_at: row.try_get("removed_at")?,
    })
}
