//! Sessions of browsers with routes, in SQL. It does not know what is sealed in them.

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use super::script::Script;
use super::tables::select;
use super::{Result, SqlStore};
use crate::model::BrowserSession;
use crate::store::Lease;

pub(super) async fn insert(store: &SqlStore, session: &BrowserSession) -> Result<()> {
    let script = Script::default()
        .then(
            "INSERT INTO browser_session (hash, login, sealed, version, renewing_until, created_at, idle_expires_at,
                                          expires_at, over_at)
             VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8)",
        )
        .bind(session.hash.as_str())
        .bind(session.login.as_str())
        .bind(session.sealed.as_str())
        .bind(session.version)
        .bind(session.created_at)
        .bind(session.idle_expires_at)
        .bind(session.expires_at)
        .bind(session.idle_expires_at.min(session.expires_at));
    store.run(script).await.map(drop)
}

pub(super) async fn find(store: &SqlStore, hash: &str) -> Result<Option<BrowserSession>> {
    let statement = query(select!(browser_session, "WHERE hash = $1")).bind(hash);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn touch(store: &SqlStore, hash: &str, at: i64, idle_expires_at: i64) -> Result<bool> {
    // What is over stays over.
    let script = Script::default()
        .decides(
            "UPDATE browser_session SET
                 idle_expires_at = CASE WHEN idle_expires_at < $3 THEN $3 ELSE idle_expires_at END,
                 over_at = CASE WHEN over_at >= $3 THEN over_at WHEN expires_at < $3 THEN expires_at ELSE $3 END
             WHERE hash = $1 AND over_at > $2",
        )
        .bind(hash)
        .bind(at)
        .bind(idle_expires_at);
    store.run(script).await
}

pub(super) async fn lease(store: &SqlStore, hash: &str, version: i64, lease: Lease) -> Result<bool> {
    let script = Script::default()
        .decides(
            "UPDATE browser_session SET renewing_until = $4
             WHERE hash = $1 AND version = $2 AND renewing_until <= $3 AND over_at > $3",
        )
        .bind(hash)
        .bind(version)
        .bind(lease.now)
        .bind(lease.expires_at);
    store.run(script).await
}

pub(super) async fn renew(store: &SqlStore, hash: &str, version: i64, sealed: &str) -> Result<bool> {
    let script = Script::default()
        .decides(
            "UPDATE browser_session SET sealed = $3, version = version + 1, renewing_until = 0
             WHERE hash = $1 AND version = $2",
        )
        .bind(hash)
        .bind(version)
        .bind(sealed);
    store.run(script).await
}

pub(super) async fn end(store: &SqlStore, hash: &str) -> Result<bool> {
    store.run(Script::default().decides("DELETE FROM browser_session WHERE hash = $1").bind(hash)).await
}

fn read(row: &AnyRow) -> Result<BrowserSession> {
    Ok(BrowserSession {
        hash: row.try_get("hash")?,
        login: row.try_get("login")?,
        sealed: row.try_get("sealed")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        idle_expires_at: row.try_get("idle_expires_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}
