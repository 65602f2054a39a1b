//! Clients that are to hear of sessions that ended, in SQL. It does not know how they are told.

use sqlx::any::AnyRow;
use sqlx::query;
use uuid::Uuid;

use super::columns::read_id;
use super::script::Script;
use super::transaction::Mutation;
use super::{Result, SqlStore};
use crate::model::UntoldLogout;
use crate::store::Lease;

/// Keeps who knows of the sessions whose `$column` is `$1`, before they are deleted at `$2`.
macro_rules! keep {
    ($column:literal) => {
        concat!(
            "INSERT INTO untold_logout (session_id, application_id, tenant_id, user_id, ended_at, taken_until)
             SELECT session.id, session_application.application_id, session.tenant_id, session.user_id, $2, 0
             FROM session JOIN session_application ON session_application.session_id = session.id
             WHERE session.",
            $column,
            " = $1 AND session.over_at > $2
             ON CONFLICT (session_id, application_id) DO NOTHING"
        )
    };
}

/// Of the session `$1`, before it is deleted at `$2`.
pub(super) const KEEP_OF_SESSION: &str = keep!("id");

pub(super) async fn keep_of_session(mutation: &mut Mutation, session_id: Uuid, at: i64) -> Result<()> {
    mutation.execute(query(KEEP_OF_SESSION).bind(session_id.to_string()).bind(at)).await.map(drop)
}

pub(super) async fn keep_of_user(mutation: &mut Mutation, user_id: Uuid, at: i64) -> Result<()> {
    mutation.execute(query(keep!("user_id")).bind(user_id.to_string()).bind(at)).await.map(drop)
}

pub(super) async fn take(store: &SqlStore, lease: Lease, limit: u32) -> Result<Vec<UntoldLogout>> {
    // Asked often, and hardly ever is there any.
    let waiting = query("SELECT 1 FROM untold_logout WHERE taken_until <= $1 LIMIT 1").bind(lease.now);
    if waiting.fetch_optional(&store.readers).await?.is_none() {
        return Ok(Vec::new());
    }
    // The outer condition is asked again of a row that another node took meanwhile (PostgreSQL).
    let statement = query(
        "UPDATE untold_logout SET taken_until = $2
         WHERE taken_until <= $1 AND (session_id, application_id) IN
             (SELECT session_id, application_id FROM untold_logout WHERE taken_until <= $1 ORDER BY ended_at LIMIT $3)
         RETURNING session_id, application_id, tenant_id, user_id",
    )
    .bind(lease.now)
    .bind(lease.expires_at)
    .bind(i64::from(limit));
    let mut mutation = store.begin().await?;
    let rows = statement.fetch_all(mutation.connection()).await?;
    mutation.commit_silently().await?;
    rows.iter().map(read).collect()
}

pub(super) async fn forget(store: &SqlStore, session_id: Uuid, application_id: Uuid) -> Result<()> {
    let script = Script::default()
        .then("DELETE FROM untold_logout WHERE session_id = $1 AND application_id = $2")
        .bind(session_id)
        .bind(application_id);
    store.run(script).await.map(drop)
}

fn read(row: &AnyRow) -> Result<UntoldLogout> {
    Ok(UntoldLogout {
        session_id: read_id(row, "session_id")?,
        application_id: read_id(row, "application_id")?,
        tenant_id: read_id(row, "tenant_id")?,
        user_id: read_id(row, "user_id")?,
    })
}
