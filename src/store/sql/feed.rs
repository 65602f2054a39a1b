//! The change feed, things that happen once, and the database's own health, in SQL.

use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row as _, query};

use super::script::Script;
use super::tables::select;
use super::{Engine, Lease, Result, SqlStore};
use crate::model::{Change, ChangeKind};

pub(super) async fn changes_since(store: &SqlStore, seq: i64, limit: u32) -> Result<Vec<Change>> {
    check_file(store).await?;
    changes_in(&store.readers, seq, limit).await
}

pub(super) async fn changes_in(readers: &AnyPool, seq: i64, limit: u32) -> Result<Vec<Change>> {
    let statement = query(select!(change, "WHERE seq > $1 ORDER BY seq LIMIT $2")).bind(seq).bind(i64::from(limit));
    statement.fetch_all(readers).await?.iter().map(read).collect()
}

pub(super) async fn latest_change(store: &SqlStore) -> Result<i64> {
    check_file(store).await?;
    latest_in(&store.readers).await
}

pub(super) async fn latest_in(readers: &AnyPool) -> Result<i64> {
    Ok(query("SELECT seq FROM change_counter").fetch_one(readers).await?.try_get("seq")?)
}

pub(super) async fn remember_once(store: &SqlStore, kind: &str, key_hash: &str, lease: Lease) -> Result<bool> {
    // One statement decides. An expired memory is taken over by whoever comes first.
    let script = Script::default()
        .decides(
            "INSERT INTO remembered (kind, key_hash, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT (kind, key_hash)
             DO UPDATE SET expires_at = excluded.expires_at WHERE remembered.expires_at <= $4",
        )
        .bind(kind)
        .bind(key_hash)
        .bind(lease.expires_at)
        .bind(lease.now);
    store.run(script).await
}

pub(super) async fn ping(store: &SqlStore) -> Result<()> {
    latest_change(store).await.map(drop)
}

/// A file that was taken away can still be read, and every write would be lost: whoever follows the feed hears of it (T20).
async fn check_file(store: &SqlStore) -> Result<()> {
    match &store.engine {
        Engine::Sqlite { file, .. } => file.check(&store.writers).await,
        Engine::Memory | Engine::Postgres => Ok(()),
    }
}

fn read(row: &AnyRow) -> Result<Change> {
    Ok(Change {
        seq: row.try_get("seq")?,
        kind: ChangeKind::parse(row.try_get("kind")?),
        object_id: row.try_get("object_id")?,
        at: row.try_get("changed_at")?,
    })
}
