//! Marks against tokens in SQL, and the end of what hangs on them.

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use super::tables::select;
use super::transaction::Mutation;
use super::{Result, SqlStore, untold_logouts};
use crate::model::{ChangeKind, Revocation, Revoked};

pub(super) async fn revoke(store: &SqlStore, revocation: &Revocation) -> Result<()> {
    let mut mutation = store.begin().await?;
    let object_id = mark(&mut mutation, revocation).await?;
    end_what_hangs_on(&mut mutation, revocation).await?;
    mutation.commit(ChangeKind::Revocation, &object_id, revocation.revoked_at).await
}

/// Writes the mark; answers what the feed calls it.
pub(super) async fn mark(mutation: &mut Mutation, revocation: &Revocation) -> Result<String> {
    let (kind, key) = revocation.revoked.parts();
    let statement = query(
        "INSERT INTO revocation (kind, object_key, revoked_at, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, object_key) DO UPDATE SET
             revoked_at = CASE WHEN revocation.revoked_at < excluded.revoked_at THEN excluded.revoked_at
                               ELSE revocation.revoked_at END,
             expires_at = CASE WHEN revocation.expires_at < excluded.expires_at THEN excluded.expires_at
                               ELSE revocation.expires_at END",
    )
    .bind(kind)
    .bind(key.as_str())
    .bind(revocation.revoked_at)
    .bind(revocation.expires_at);
    mutation.execute(statement).await?;
    Ok(format!("{kind}:{key}"))
}

/// Codes, device codes and refresh tokens whose `$column` is `$1` end at `$2`.
///
/// In this order: whoever redeems a code now is waited for, and the refresh token that it brings is seen.
macro_rules! ends {
    ($column:literal) => {
        [
            concat!("UPDATE authorization_code SET expires_at = $2 WHERE ", $column, " = $1 AND expires_at > $2"),
            concat!(
                "UPDATE device_code SET state = 'denied', approval = NULL WHERE ",
                $column,
                " = $1 AND state = 'approved' AND expires_at > $2"
            ),
            concat!("UPDATE refresh_token SET revoked_at = $2 WHERE ", $column, " = $1 AND revoked_at IS NULL"),
        ]
    };
}

async fn end_what_hangs_on(mutation: &mut Mutation, revocation: &Revocation) -> Result<()> {
    let (texts, id) = match &revocation.revoked {
        // Nothing but the access token itself.
        Revoked::Token(_) | Revoked::Foreign { .. } => return Ok(()),
        // What hangs on a tenant is deleted with it.
        Revoked::Tenant(_) => return Ok(()),
        Revoked::Session(id) => {
            untold_logouts::keep_of_session(mutation, *id, revocation.revoked_at).await?;
            return mutation.execute(query("DELETE FROM session WHERE id = $1").bind(id.to_string())).await.map(drop);
        }
        Revoked::Grant(id) => (ends!("grant_id"), id.to_string()),
        Revoked::User(id) => {
            untold_logouts::keep_of_user(mutation, *id, revocation.revoked_at).await?;
            mutation.execute(query("DELETE FROM session WHERE user_id = $1").bind(id.to_string())).await?;
            (ends!("user_id"), id.to_string())
        }
        Revoked::Client { tenant_id, client_id } => {
            let application = query("SELECT id FROM application WHERE tenant_id = $1 AND client_id = $2")
                .bind(tenant_id.to_string())
                .bind(client_id.as_str());
            // Entities have no codes and no refresh tokens.
            let Some(row) = mutation.fetch(application).await? else { return Ok(()) };
            (ends!("application_id"), row.try_get("id")?)
        }
    };
    for text in texts {
        // Again until there is nothing: on PostgreSQL a statement that waited for a rotation does not see the successor.
        while mutation.execute(query(text).bind(id.as_str()).bind(revocation.revoked_at)).await? > 0 {}
    }
    Ok(())
}

pub(super) async fn list(store: &SqlStore, now: i64) -> Result<Vec<Revocation>> {
    let rows = query(select!(revocation, "WHERE expires_at > $1")).bind(now).fetch_all(&store.readers).await?;
    rows.iter().filter_map(|row| read(row).transpose()).collect()
}

pub(super) async fn find(store: &SqlStore, kind: &str, key: &str) -> Result<Option<Revocation>> {
    let statement = query(select!(revocation, "WHERE kind = $1 AND object_key = $2")).bind(kind).bind(key);
    match statement.fetch_optional(&store.readers).await? {
        Some(row) => read(&row),
        None => Ok(None),
    }
}

/// `None` for what a newer program wrote; both run during an upgrade.
fn read(row: &AnyRow) -> Result<Option<Revocation>> {
    let Some(revoked) = Revoked::parse(row.try_get("kind")?, row.try_get("object_key")?) else {
        return Ok(None);
    };
    Ok(Some(Revocation { revoked, revoked_at: row.try_get("revoked_at")?, expires_at: row.try_get("expires_at")? }))
}
