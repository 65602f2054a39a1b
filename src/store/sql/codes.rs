//! Authorization codes in SQL.

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use super::columns::{json_text, read_json, read_optional_id};
use super::script::Script;
use super::tables::select;
use super::{Brought, Result, SqlStore, refresh_tokens, sessions};
use crate::model::AuthorizationCode;

pub(super) async fn insert(store: &SqlStore, code: &AuthorizationCode) -> Result<()> {
    let script = Script::default()
        .then(
            "INSERT INTO authorization_code (hash, grant_id, user_id, application_id, approval, redirect_uri,
                                             code_challenge, device_code_id, created_at, expires_at, redeemed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(code.hash.as_str())
        .bind(code.approval.grant_id)
        .bind(code.approval.user_id)
        .bind(code.approval.application_id)
        .bind(json_text(&code.approval)?)
        .bind(code.redirect_uri.clone())
        .bind(code.code_challenge.clone())
        .bind(code.device_code_id)
        .bind(code.created_at)
        .bind(code.expires_at)
        .bind(code.redeemed_at);
    store.run(script).await.map(drop)
}

pub(super) async fn find(store: &SqlStore, hash: &str) -> Result<Option<AuthorizationCode>> {
    let statement = query(select!(authorization_code, "WHERE hash = $1")).bind(hash);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn redeem(store: &SqlStore, hash: &str, at: i64, brings: Brought<'_>) -> Result<bool> {
    let script = Script::default()
        .decides_returning(
            "UPDATE authorization_code SET redeemed_at = $2
             WHERE hash = $1 AND redeemed_at IS NULL AND expires_at > $2
             RETURNING device_code_id",
        )
        .bind(hash)
        .bind(at)
        .then_if_returned(
            "UPDATE device_code SET (state, approval, grant_id, user_id) = (
                 SELECT 'approved', approval, grant_id, user_id FROM authorization_code WHERE hash = $1)
             WHERE id = (SELECT device_code_id FROM authorization_code WHERE hash = $1)
                 AND state = 'pending' AND expires_at > $2",
        )
        .bind(hash)
        .bind(at);
    store.run(add_brought(script, brings)?).await
}

pub(super) fn add_brought(mut script: Script, brings: Brought<'_>) -> Result<Script> {
    if let Some(token) = brings.refresh_token {
        script = refresh_tokens::add(script, token)?;
    }
    if let Some((session_id, application_id)) = brings.joins {
        script = sessions::add_application(script, session_id, application_id);
    }
    Ok(script)
}

fn read(row: &AnyRow) -> Result<AuthorizationCode> {
    Ok(AuthorizationCode {
        hash: row.try_get("hash")?,
        approval: read_json(row, "approval")?,
        redirect_uri: row.try_get("redirect_uri")?,
        code_challenge: row.try_get("code_challenge")?,
        device_code_id: read_optional_id(row, "device_code_id")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        redeemed_at: row.try_get("redeemed_at")?,
    })
}
