//! Authorization codes in SQL.

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use super::columns::{json_text, read_json, read_optional_id};
use super::transaction::Mutation;
use super::{Brought, Result, SqlStore, refresh_tokens, sessions};
use crate::model::AuthorizationCode;

pub(super) async fn insert(store: &SqlStore, code: &AuthorizationCode) -> Result<()> {
    let statement = query(
        "INSERT INTO authorization_code (hash, grant_id, user_id, application_id, approval, redirect_uri,
                                         code_challenge, device_code_id, created_at, expires_at, redeemed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(code.hash.as_str())
    .bind(code.approval.grant_id.to_string())
    .bind(code.approval.user_id.to_string())
    .bind(code.approval.application_id.to_string())
    .bind(json_text(&code.approval)?)
    .bind(code.redirect_uri.as_deref())
    .bind(code.code_challenge.as_deref())
    .bind(code.device_code_id.map(|id| id.to_string()))
    .bind(code.created_at)
    .bind(code.expires_at)
    .bind(code.redeemed_at);
    store.execute_alone(statement).await.map(drop)
}

pub(super) async fn find(store: &SqlStore, hash: &str) -> Result<Option<AuthorizationCode>> {
    let statement = query("SELECT * FROM authorization_code WHERE hash = $1").bind(hash);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn redeem(store: &SqlStore, hash: &str, at: i64, brings: Brought<'_>) -> Result<bool> {
    let mut mutation = store.begin().await?;
    let statement = query(
        "UPDATE authorization_code SET redeemed_at = $2
         WHERE hash = $1 AND redeemed_at IS NULL AND expires_at > $2
         RETURNING device_code_id",
    )
    .bind(hash)
    .bind(at);
    let Some(spent) = mutation.fetch(statement).await? else {
        return Ok(false);
    };
    if let Some(device_code_id) = spent.try_get::<Option<&str>, _>("device_code_id")? {
        let approve = query(
            "UPDATE device_code SET (state, approval, grant_id, user_id) = (
                 SELECT 'approved', approval, grant_id, user_id FROM authorization_code WHERE hash = $2)
             WHERE id = $1 AND state = 'pending' AND expires_at > $3",
        )
        .bind(device_code_id)
        .bind(hash)
        .bind(at);
        mutation.execute(approve).await?;
    }
    add_brought(&mut mutation, brings).await?;
    mutation.commit_silently().await?;
    Ok(true)
}

pub(super) async fn add_brought(mutation: &mut Mutation, brings: Brought<'_>) -> Result<()> {
    if let Some(token) = brings.refresh_token {
        refresh_tokens::add(mutation, token).await?;
    }
    if let Some((session_id, application_id)) = brings.joins {
        sessions::add_application(mutation, session_id, application_id).await?;
    }
    Ok(())
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
