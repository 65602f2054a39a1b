//! Sessions in SQL, and which applications know of them.

use std::cmp::Reverse;

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};
use uuid::Uuid;

use super::columns::{json_text, read_id, read_json};
use super::script::Script;
use super::tables::select;
use super::untold_logouts::KEEP_OF_SESSION;
use super::{Result, SqlStore};
use crate::model::Session;

pub(super) async fn insert(store: &SqlStore, session: &Session, replaces: Option<Uuid>) -> Result<()> {
    let script = match replaces {
        Some(id) => end_untold(Script::default(), id, session.created_at),
        None => Script::default(),
    };
    let script = script
        .then(
            "INSERT INTO session (id, hash, tenant_id, user_id, authenticated_at, methods, created_at, last_used_at,
                                  idle_expires_at, expires_at, over_at, peer, user_agent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(session.id)
        .bind(session.hash.as_str())
        .bind(session.tenant_id)
        .bind(session.user_id)
        .bind(session.authenticated_at)
        .bind(json_text(&session.methods)?)
        .bind(session.created_at)
        .bind(session.last_used_at)
        .bind(session.idle_expires_at)
        .bind(session.expires_at)
        .bind(session.idle_expires_at.min(session.expires_at))
        .bind(session.peer.clone())
        .bind(session.user_agent.clone());
    store.run(script).await.map(drop)
}

pub(super) async fn renew(store: &SqlStore, session: &Session) -> Result<bool> {
    let script = Script::default()
        .decides(
            "UPDATE session SET hash = $2, authenticated_at = $3, methods = $4, last_used_at = $5, idle_expires_at = $6,
                 expires_at = $7, over_at = $8, peer = $9, user_agent = $10
             WHERE id = $1 AND over_at > $5",
        )
        .bind(session.id)
        .bind(session.hash.as_str())
        .bind(session.authenticated_at)
        .bind(json_text(&session.methods)?)
        .bind(session.last_used_at)
        .bind(session.idle_expires_at)
        .bind(session.expires_at)
        .bind(session.idle_expires_at.min(session.expires_at))
        .bind(session.peer.clone())
        .bind(session.user_agent.clone());
    store.run(script).await
}

pub(super) async fn find(store: &SqlStore, hash: &str) -> Result<Option<Session>> {
    let statement = query(select!(session, "WHERE hash = $1")).bind(hash);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn touch(store: &SqlStore, id: Uuid, at: i64, idle_expires_at: i64) -> Result<bool> {
    // What is over stays over.
    let script = Script::default()
        .decides(
            "UPDATE session SET
                 last_used_at = CASE WHEN last_used_at < $2 THEN $2 ELSE last_used_at END,
                 idle_expires_at = CASE WHEN idle_expires_at < $3 THEN $3 ELSE idle_expires_at END,
                 over_at = CASE WHEN over_at >= $3 THEN over_at WHEN expires_at < $3 THEN expires_at ELSE $3 END
             WHERE id = $1 AND over_at > $2",
        )
        .bind(id)
        .bind(at)
        .bind(idle_expires_at);
    store.run(script).await
}

pub(super) async fn end(store: &SqlStore, id: Uuid) -> Result<bool> {
    store.run(Script::default().decides("DELETE FROM session WHERE id = $1").bind(id)).await
}

pub(super) async fn abandon(store: &SqlStore, id: Uuid, at: i64) -> Result<()> {
    store.run(end_untold(Script::default(), id, at)).await.map(drop)
}

fn end_untold(script: Script, id: Uuid, at: i64) -> Script {
    script.then(KEEP_OF_SESSION).bind(id).bind(at).then("DELETE FROM session WHERE id = $1").bind(id)
}

pub(super) async fn list(store: &SqlStore, user_id: Uuid) -> Result<Vec<Session>> {
    let statement = query(select!(session, "WHERE user_id = $1")).bind(user_id.to_string());
    let rows = statement.fetch_all(&store.readers).await?;
    let mut sessions = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    sessions.sort_by_key(|session| Reverse((session.created_at, session.id)));
    Ok(sessions)
}

pub(super) async fn join(store: &SqlStore, session_id: Uuid, application_id: Uuid) -> Result<()> {
    store.run(add_application(Script::default(), session_id, application_id)).await.map(drop)
}

/// Does nothing when the session has ended.
pub(super) fn add_application(script: Script, session_id: Uuid, application_id: Uuid) -> Script {
    script
        .then(
            "INSERT INTO session_application (session_id, application_id)
             SELECT id, $2 FROM session WHERE id = $1
             ON CONFLICT (session_id, application_id) DO NOTHING",
        )
        .bind(session_id)
        .bind(application_id)
}

pub(super) async fn list_applications(store: &SqlStore, session_id: Uuid) -> Result<Vec<Uuid>> {
    let statement =
        query("SELECT application_id FROM session_application WHERE session_id = $1 ORDER BY application_id")
            .bind(session_id.to_string());
    statement.fetch_all(&store.readers).await?.iter().map(|row| read_id(row, "application_id")).collect()
}

fn read(row: &AnyRow) -> Result<Session> {
    Ok(Session {
        id: read_id(row, "id")?,
        hash: row.try_get("hash")?,
        tenant_id: read_id(row, "tenant_id")?,
        user_id: read_id(row, "user_id")?,
        authenticated_at: row.try_get("authenticated_at")?,
        methods: read_json(row, "methods")?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        idle_expires_at: row.try_get("idle_expires_at")?,
        expires_at: row.try_get("expires_at")?,
        peer: row.try_get("peer")?,
        user_agent: row.try_get("user_agent")?,
    })
}
