//! Applications in SQL.

use sqlx::any::AnyRow;
use sqlx::{Row as _, query};
use uuid::Uuid;

use super::columns::{json_text, read_id, read_json, read_secrets, secrets_text, updated_json};
use super::tables::{lock, select};
use super::transaction::Mutation;
use super::{Result, SqlStore, StoreError, tenants};
use crate::model::{Application, ChangeKind};
use crate::store::Unique;

pub(super) async fn insert(store: &SqlStore, application: &Application) -> Result<()> {
    let mut mutation = store.begin().await?;
    claim_client_id(&mut mutation, application).await?;
    let statement = query(
        "INSERT INTO application (id, tenant_id, name, client_id, client_secrets, roles, settings, managed_by,
                                  created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(application.id.to_string())
    .bind(application.tenant_id.to_string())
    .bind(application.name.as_str())
    .bind(application.client_id.as_str())
    .bind(secrets_text(&application.client_secrets))
    .bind(roles_text(application)?)
    .bind(json_text(&application.settings)?)
    .bind(application.managed_by.as_deref())
    .bind(application.created_at)
    .bind(application.updated_at);
    mutation.execute(statement).await?;
    mutation.commit(ChangeKind::Application, &application.id.to_string(), application.updated_at).await
}

pub(super) async fn update(store: &SqlStore, before: &Application, after: &Application) -> Result<bool> {
    let id = before.id.to_string();
    let mut mutation = store.begin().await?;
    // Before the application's row is locked: everybody locks the tenant first.
    if before.client_id != after.client_id {
        let after = Application { tenant_id: before.tenant_id, ..after.clone() };
        claim_client_id(&mut mutation, &after).await?;
    }
    let lock = query(lock!(application)).bind(id.as_str());
    let Some(row) = mutation.fetch(lock).await? else { return Ok(false) };
    if read(&row)? != *before {
        return Ok(false);
    }
    let statement = query(
        "UPDATE application SET name = $2, client_id = $3, client_secrets = $4, roles = $5, settings = $6,
                                managed_by = $7, updated_at = $8
         WHERE id = $1",
    )
    .bind(id.as_str())
    .bind(after.name.as_str())
    .bind(after.client_id.as_str())
    .bind(secrets_text(&after.client_secrets))
    .bind(roles_text(after)?)
    .bind(updated_json(&row, "settings", &after.settings)?)
    .bind(after.managed_by.as_deref())
    .bind(after.updated_at);
    mutation.execute(statement).await?;
    mutation.commit(ChangeKind::Application, &id, after.updated_at).await?;
    Ok(true)
}

/// No entity of the tenant has the client id, and none gets it until the commit. Other applications are kept from it by
/// a constraint.
async fn claim_client_id(mutation: &mut Mutation, application: &Application) -> Result<()> {
    tenants::hold(mutation, application.tenant_id).await?;
    let taken = query("SELECT id FROM entity WHERE tenant_id = $1 AND client_id = $2")
        .bind(application.tenant_id.to_string())
        .bind(application.client_id.as_str());
    if mutation.finds(taken).await? {
        return Err(StoreError::Conflict(Unique::ClientId));
    }
    Ok(())
}

pub(super) async fn delete(store: &SqlStore, id: Uuid, at: i64) -> Result<bool> {
    let id = id.to_string();
    let mut mutation = store.begin().await?;
    if mutation.execute(query("DELETE FROM application WHERE id = $1").bind(id.as_str())).await? == 0 {
        return Ok(false);
    }
    // Codes before tokens: whoever is redeeming one now is waited for, and what it brings is seen.
    for text in [
        "DELETE FROM authorization_code WHERE application_id = $1 AND expires_at > $2",
        "DELETE FROM pushed_request WHERE application_id = $1 AND expires_at > $2",
        "DELETE FROM device_code WHERE application_id = $1 AND expires_at > $2",
    ] {
        mutation.exhaust_living(text, &id, at).await?;
    }
    for text in [
        "DELETE FROM refresh_token WHERE application_id = $1",
        "DELETE FROM session_application WHERE application_id = $1",
    ] {
        mutation.exhaust(text, &id).await?;
    }
    mutation.commit(ChangeKind::Application, &id, at).await?;
    Ok(true)
}

pub(super) async fn find(store: &SqlStore, id: Uuid) -> Result<Option<Application>> {
    let statement = query(select!(application, "WHERE id = $1")).bind(id.to_string());
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_client_id(
    store: &SqlStore,
    tenant_id: Uuid,
    client_id: &str,
) -> Result<Option<Application>> {
    let statement = query(select!(application, "WHERE tenant_id = $1 AND client_id = $2"))
        .bind(tenant_id.to_string())
        .bind(client_id);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_name(store: &SqlStore, tenant_id: Uuid, name: &str) -> Result<Option<Application>> {
    let statement =
        query(select!(application, "WHERE tenant_id = $1 AND name = $2")).bind(tenant_id.to_string()).bind(name);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(store: &SqlStore, tenant_id: Option<Uuid>) -> Result<Vec<Application>> {
    let statement = match tenant_id {
        Some(id) => query(select!(application, "WHERE tenant_id = $1")).bind(id.to_string()),
        None => query(select!(application, "")),
    };
    let rows = statement.fetch_all(&store.readers).await?;
    let mut applications = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    applications.sort_by(|a, b| (&a.name, a.tenant_id).cmp(&(&b.name, b.tenant_id)));
    Ok(applications)
}

fn read(row: &AnyRow) -> Result<Application> {
    Ok(Application {
        id: read_id(row, "id")?,
        tenant_id: read_id(row, "tenant_id")?,
        name: row.try_get("name")?,
        client_id: row.try_get("client_id")?,
        client_secrets: read_secrets(row)?,
        roles: read_json(row, "roles")?,
        settings: read_json(row, "settings")?,
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn roles_text(application: &Application) -> Result<String> {
    let mut roles = application.roles.clone();
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    json_text(&roles)
}
