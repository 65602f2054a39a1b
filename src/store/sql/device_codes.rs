//! Device codes in SQL.

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};
use uuid::Uuid;

use super::codes::add_brought;
use super::columns::{json_text, read_id, read_json, read_optional_id, read_optional_json};
use super::script::Script;
use super::tables::{lock, select};
use super::{Brought, Result, SqlStore, StoreError};
use crate::model::{Approval, DeviceCode, DeviceState};

/// What a device asked for, in one column: the scopes alone, as long as it asked for nothing else.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Wish {
    Scopes(Vec<String>),
    ForApi { scopes: Vec<String>, audience: String },
}

impl Wish {
    fn of(code: &DeviceCode) -> Self {
        let scopes = code.scopes.clone();
        match code.audience.clone() {
            Some(audience) => Self::ForApi { scopes, audience },
            None => Self::Scopes(scopes),
        }
    }

    fn into_parts(self) -> (Vec<String>, Option<String>) {
        match self {
            Self::Scopes(scopes) => (scopes, None),
            Self::ForApi { scopes, audience } => (scopes, Some(audience)),
        }
    }
}

pub(super) async fn insert(store: &SqlStore, code: &DeviceCode) -> Result<()> {
    let approval = match &code.state {
        DeviceState::Approved(approval) => Some(approval.as_ref()),
        DeviceState::Pending | DeviceState::Denied | DeviceState::Redeemed { .. } => None,
    };
    let grant_id = match &code.state {
        DeviceState::Redeemed { grant_id } => Some(*grant_id),
        DeviceState::Pending | DeviceState::Denied | DeviceState::Approved(_) => approval.map(|by| by.grant_id),
    };
    let script = Script::default()
        .then(
            "INSERT INTO device_code (id, hash, user_code_hash, tenant_id, application_id, scopes, state, approval,
                                      grant_id, user_id, poll_interval, last_polled_at, peer, device_name, created_at,
                                      expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(code.id)
        .bind(code.hash.as_str())
        .bind(code.user_code_hash.as_str())
        .bind(code.tenant_id)
        .bind(code.application_id)
        .bind(json_text(&Wish::of(code))?)
        .bind(code.state.as_str())
        .bind(approval.map(json_text).transpose()?)
        .bind(grant_id)
        .bind(approval.map(|approval| approval.user_id))
        .bind(code.interval)
        .bind(code.last_polled_at)
        .bind(code.peer.clone())
        .bind(code.device_name.clone())
        .bind(code.created_at)
        .bind(code.expires_at);
    store.run(script).await.map(drop)
}

pub(super) async fn find(store: &SqlStore, hash: &str) -> Result<Option<DeviceCode>> {
    let statement = query(select!(device_code, "WHERE hash = $1")).bind(hash);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_user_code(
    store: &SqlStore,
    tenant_id: Uuid,
    user_code_hash: &str,
) -> Result<Option<DeviceCode>> {
    let statement = query(select!(device_code, "WHERE tenant_id = $1 AND user_code_hash = $2"))
        .bind(tenant_id.to_string())
        .bind(user_code_hash);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn decide(store: &SqlStore, id: Uuid, approval: Option<&Approval>, at: i64) -> Result<bool> {
    let script = Script::default()
        .decides(
            "UPDATE device_code SET state = $2, approval = $3, grant_id = $4, user_id = $5
             WHERE id = $1 AND state = 'pending' AND expires_at > $6",
        )
        .bind(id)
        .bind(if approval.is_some() { "approved" } else { "denied" })
        .bind(approval.map(json_text).transpose()?)
        .bind(approval.map(|approval| approval.grant_id))
        .bind(approval.map(|approval| approval.user_id))
        .bind(at);
    store.run(script).await
}

pub(super) async fn poll(store: &SqlStore, id: Uuid, at: i64, penalty: i64) -> Result<Option<DeviceCode>> {
    let id = id.to_string();
    let mut mutation = store.begin().await?;
    let lock = query(lock!(device_code)).bind(id.as_str());
    let Some(row) = mutation.fetch(lock).await? else {
        return Ok(None);
    };
    let code = read(&row)?;
    let early = code.last_polled_at.is_some_and(|last| at < last.saturating_add(code.interval));
    let statement = query("UPDATE device_code SET last_polled_at = $2, poll_interval = $3 WHERE id = $1")
        .bind(id.as_str())
        .bind(at)
        .bind(if early { code.interval.saturating_add(penalty) } else { code.interval });
    mutation.execute(statement).await?;
    mutation.commit_silently().await?;
    Ok(Some(code))
}

pub(super) async fn redeem(store: &SqlStore, id: Uuid, at: i64, brings: Brought<'_>) -> Result<bool> {
    let script = Script::default()
        .decides(
            "UPDATE device_code SET state = 'redeemed', approval = NULL
             WHERE id = $1 AND state = 'approved' AND expires_at > $2",
        )
        .bind(id)
        .bind(at);
    store.run(add_brought(script, brings)?).await
}

fn read(row: &AnyRow) -> Result<DeviceCode> {
    let state: &str = row.try_get("state")?;
    let approval = read_optional_json(row, "approval")?;
    let state = match (state, approval, read_optional_id(row, "grant_id")?) {
        ("pending", _, _) => DeviceState::Pending,
        ("denied", _, _) => DeviceState::Denied,
        ("approved", Some(approval), _) => DeviceState::Approved(Box::new(approval)),
        ("redeemed", _, Some(grant_id)) => DeviceState::Redeemed { grant_id },
        (state, _, _) => return Err(StoreError::Corrupt(format!("device code in state {state:?}"))),
    };
    let (scopes, audience) = read_json::<Wish>(row, "scopes")?.into_parts();
    Ok(DeviceCode {
        id: read_id(row, "id")?,
        hash: row.try_get("hash")?,
        user_code_hash: row.try_get("user_code_hash")?,
        tenant_id: read_id(row, "tenant_id")?,
        application_id: read_id(row, "application_id")?,
        scopes,
        audience,
        state,
        interval: row.try_get("poll_interval")?,
        last_polled_at: row.try_get("last_polled_at")?,
        peer: row.try_get("peer")?,
        device_name: row.try_get("device_name")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}
