//! Refresh tokens in SQL.

use std::cmp::Reverse;

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};
use uuid::Uuid;

use super::columns::{json_text, read_id, read_json};
use super::script::Script;
use super::tables::select;
use super::{Result, SqlStore};
use crate::model::RefreshToken;

pub(super) async fn insert(store: &SqlStore, token: &RefreshToken) -> Result<()> {
    store.run(add(Script::default(), token)?).await.map(drop)
}

pub(super) fn add(script: Script, token: &RefreshToken) -> Result<Script> {
    Ok(script
        .then(
            "INSERT INTO refresh_token (id, hash, grant_id, user_id, application_id, approval, created_at, last_used_at,
                                        idle_expires_at, expires_at, over_at, rotated_at, revoked_at, device_name)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(token.id)
        .bind(token.hash.as_str())
        .bind(token.approval.grant_id)
        .bind(token.approval.user_id)
        .bind(token.approval.application_id)
        .bind(json_text(&token.approval)?)
        .bind(token.created_at)
        .bind(token.last_used_at)
        .bind(token.idle_expires_at)
        .bind(token.expires_at)
        .bind(token.idle_expires_at.min(token.expires_at))
        .bind(token.rotated_at)
        .bind(token.revoked_at)
        .bind(token.device_name.clone()))
}

pub(super) async fn find(store: &SqlStore, hash: &str) -> Result<Option<RefreshToken>> {
    let statement = query(select!(refresh_token, "WHERE hash = $1")).bind(hash);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_id(store: &SqlStore, id: Uuid) -> Result<Option<RefreshToken>> {
    let statement = query(select!(refresh_token, "WHERE id = $1")).bind(id.to_string());
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn touch(store: &SqlStore, id: Uuid, at: i64, idle_expires_at: i64) -> Result<bool> {
    let script = Script::default()
        .decides(
            "UPDATE refresh_token SET
                 last_used_at = CASE WHEN last_used_at < $2 THEN $2 ELSE last_used_at END,
                 idle_expires_at = CASE WHEN idle_expires_at < $3 THEN $3 ELSE idle_expires_at END,
                 over_at = CASE WHEN over_at >= $3 THEN over_at WHEN expires_at < $3 THEN expires_at ELSE $3 END
             WHERE id = $1 AND rotated_at IS NULL AND revoked_at IS NULL AND over_at > $2",
        )
        .bind(id)
        .bind(at)
        .bind(idle_expires_at);
    store.run(script).await
}

pub(super) async fn rotate(store: &SqlStore, id: Uuid, at: i64, successor: &RefreshToken) -> Result<bool> {
    let script = Script::default()
        .decides(
            "UPDATE refresh_token SET rotated_at = $2,
                                      last_used_at = CASE WHEN last_used_at < $2 THEN $2 ELSE last_used_at END
             WHERE id = $1 AND rotated_at IS NULL AND revoked_at IS NULL AND over_at > $2",
        )
        .bind(id)
        .bind(at);
    store.run(add(script, successor)?).await
}

pub(super) async fn list(store: &SqlStore, user_id: Uuid, now: i64) -> Result<Vec<RefreshToken>> {
    let statement = query(select!(
        refresh_token,
        "WHERE user_id = $1 AND rotated_at IS NULL AND revoked_at IS NULL AND over_at > $2"
    ))
    .bind(user_id.to_string())
    .bind(now);
    let rows = statement.fetch_all(&store.readers).await?;
    let mut tokens = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    tokens.sort_by_key(|token| Reverse((token.created_at, token.id)));
    Ok(tokens)
}

fn read(row: &AnyRow) -> Result<RefreshToken> {
    Ok(RefreshToken {
        id: read_id(row, "id")?,
        hash: row.try_get("hash")?,
        approval: read_json(row, "approval")?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        expires_at: row.try_get("expires_at")?,
        idle_expires_at: row.try_get("idle_expires_at")?,
        rotated_at: row.try_get("rotated_at")?,
        revoked_at: row.try_get("revoked_at")?,
        device_name: row.try_get("device_name")?,
    })
}
