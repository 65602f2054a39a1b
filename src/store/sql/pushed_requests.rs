//! Pushed authorization requests in SQL.

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use super::columns::read_id;
use super::script::Script;
use super::tables::select;
use super::{Result, SqlStore};
use crate::model::PushedRequest;

pub(super) async fn insert(store: &SqlStore, request: &PushedRequest) -> Result<()> {
    let script = Script::default()
        .then(
            "INSERT INTO pushed_request (hash, application_id, parameters, created_at, expires_at, spent_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(request.hash.as_str())
        .bind(request.application_id)
        .bind(request.parameters.as_str())
        .bind(request.created_at)
        .bind(request.expires_at)
        .bind(request.spent_at);
    store.run(script).await.map(drop)
}

pub(super) async fn find(store: &SqlStore, hash: &str) -> Result<Option<PushedRequest>> {
    let statement = query(select!(pushed_request, "WHERE hash = $1")).bind(hash);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn spend(store: &SqlStore, hash: &str, at: i64) -> Result<bool> {
    let script = Script::default()
        .decides("UPDATE pushed_request SET spent_at = $2 WHERE hash = $1 AND spent_at IS NULL")
        .bind(hash)
        .bind(at);
    store.run(script).await
}

fn read(row: &AnyRow) -> Result<PushedRequest> {
    Ok(PushedRequest {
        hash: row.try_get("hash")?,
        application_id: read_id(row, "application_id")?,
        parameters: row.try_get("parameters")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        spent_at: row.try_get("spent_at")?,
    })
}
