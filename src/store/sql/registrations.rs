//! Registrations and consents in SQL: what is between a user and an application.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _, query};
use uuid::Uuid;

use super::columns::{json_text, read_id, read_json};
use super::script::Script;
use super::search::{AT_ONCE, rows_of};
use super::tables::{columns, select};
use super::transaction::Mutation;
use super::{Result, SqlStore, StoreError};
use crate::model::{ChangeKind, Consent, Registration};
use crate::store::Object;

pub(super) async fn insert(store: &SqlStore, registration: &Registration) -> Result<()> {
    let mut mutation = store.begin().await?;
    check_ends(&mut mutation, registration.user_id, registration.application_id).await?;
    mutation.execute(bind(query(INSERT), registration)?).await?;
    mutation.commit(ChangeKind::User, &registration.user_id.to_string(), registration.updated_at).await
}

pub(super) async fn update(store: &SqlStore, before: &Registration, after: &Registration) -> Result<bool> {
    let (user_id, application_id) = (before.user_id.to_string(), before.application_id.to_string());
    let mut mutation = store.begin().await?;
    let lock = query(concat!(
        "UPDATE registration SET created_at = created_at WHERE user_id = $1 AND application_id = $2 RETURNING ",
        columns!(registration)
    ));
    match mutation.fetch(lock.bind(user_id.as_str()).bind(application_id.as_str())).await? {
        Some(row) if read(&row)? == *before => {}
        Some(_) | None => return Ok(false),
    }
    let statement = query(
        "UPDATE registration SET roles = $3, data = $4, managed_by = $5, updated_at = $6
         WHERE user_id = $1 AND application_id = $2",
    )
    .bind(user_id.as_str())
    .bind(application_id.as_str())
    .bind(sorted_text(&after.roles)?)
    .bind(json_text(&after.data)?)
    .bind(after.managed_by.as_deref())
    .bind(after.updated_at);
    mutation.execute(statement).await?;
    mutation.commit(ChangeKind::User, &user_id, after.updated_at).await?;
    Ok(true)
}

pub(super) async fn upsert(store: &SqlStore, registration: &Registration) -> Result<()> {
    let mut mutation = store.begin().await?;
    upsert_in(&mut mutation, registration).await?;
    mutation.commit(ChangeKind::User, &registration.user_id.to_string(), registration.updated_at).await
}

pub(super) async fn upsert_in(mutation: &mut Mutation, registration: &Registration) -> Result<()> {
    check_ends(mutation, registration.user_id, registration.application_id).await?;
    mutation.execute(bind(query(UPSERT), registration)?).await?;
    Ok(())
}

macro_rules! insert {
    () => {
        "INSERT INTO registration (user_id, application_id, roles, data, managed_by, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)"
    };
}

const INSERT: &str = insert!();

const UPSERT: &str = concat!(
    insert!(),
    " ON CONFLICT (user_id, application_id)
      DO UPDATE SET roles = excluded.roles, data = excluded.data, managed_by = excluded.managed_by,
                    updated_at = excluded.updated_at"
);

/// Everything of the statements above.
fn bind<'a>(
    statement: Query<'a, Any, AnyArguments>,
    registration: &'a Registration,
) -> Result<Query<'a, Any, AnyArguments>> {
    Ok(statement
        .bind(registration.user_id.to_string())
        .bind(registration.application_id.to_string())
        .bind(sorted_text(&registration.roles)?)
        .bind(json_text(&registration.data)?)
        .bind(registration.managed_by.as_deref())
        .bind(registration.created_at)
        .bind(registration.updated_at))
}

pub(super) async fn delete(store: &SqlStore, user_id: Uuid, application_id: Uuid, at: i64) -> Result<bool> {
    let mut mutation = store.begin().await?;
    let statement = query("DELETE FROM registration WHERE user_id = $1 AND application_id = $2")
        .bind(user_id.to_string())
        .bind(application_id.to_string());
    if mutation.execute(statement).await? == 0 {
        return Ok(false);
    }
    mutation.commit(ChangeKind::User, &user_id.to_string(), at).await?;
    Ok(true)
}

pub(super) async fn find(store: &SqlStore, user_id: Uuid, application_id: Uuid) -> Result<Option<Registration>> {
    let statement = query(select!(registration, "WHERE user_id = $1 AND application_id = $2"))
        .bind(user_id.to_string())
        .bind(application_id.to_string());
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(store: &SqlStore, user_ids: &[Uuid]) -> Result<Vec<Registration>> {
    let mut registrations = Vec::new();
    for some in user_ids.chunks(AT_ONCE) {
        let rows = rows_of(&store.readers, (select!(registration, ""), "user_id"), some).await?;
        registrations.append(&mut rows.iter().map(read).collect::<Result<Vec<_>>>()?);
    }
    registrations.sort_by_key(|registration| (registration.user_id, registration.application_id));
    Ok(registrations)
}

pub(super) async fn upsert_consent(store: &SqlStore, consent: &Consent) -> Result<()> {
    let mut mutation = store.begin().await?;
    check_ends(&mut mutation, consent.user_id, consent.application_id).await?;
    let statement = query(
        "INSERT INTO consent (user_id, application_id, scopes, granted_at, expires_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id, application_id)
         DO UPDATE SET scopes = excluded.scopes, granted_at = excluded.granted_at, expires_at = excluded.expires_at",
    )
    .bind(consent.user_id.to_string())
    .bind(consent.application_id.to_string())
    .bind(sorted_text(&consent.scopes)?)
    .bind(consent.granted_at)
    .bind(consent.expires_at);
    mutation.execute(statement).await?;
    mutation.commit_silently().await
}

pub(super) async fn delete_consent(store: &SqlStore, user_id: Uuid, application_id: Uuid) -> Result<bool> {
    let script = Script::default()
        .decides("DELETE FROM consent WHERE user_id = $1 AND application_id = $2")
        .bind(user_id)
        .bind(application_id);
    store.run(script).await
}

pub(super) async fn find_consent(store: &SqlStore, user_id: Uuid, application_id: Uuid) -> Result<Option<Consent>> {
    let statement = query(select!(consent, "WHERE user_id = $1 AND application_id = $2"))
        .bind(user_id.to_string())
        .bind(application_id.to_string());
    statement.fetch_optional(&store.readers).await?.map(|row| read_consent(&row)).transpose()
}

pub(super) async fn list_consents(store: &SqlStore, user_id: Uuid) -> Result<Vec<Consent>> {
    let statement = query(select!(consent, "WHERE user_id = $1")).bind(user_id.to_string());
    let rows = statement.fetch_all(&store.readers).await?;
    let mut consents = rows.iter().map(read_consent).collect::<Result<Vec<_>>>()?;
    consents.sort_by_key(|consent| consent.application_id);
    Ok(consents)
}

async fn check_ends(mutation: &mut Mutation, user_id: Uuid, application_id: Uuid) -> Result<()> {
    if !mutation.finds(query("SELECT id FROM tenant_user WHERE id = $1").bind(user_id.to_string())).await? {
        return Err(StoreError::Missing(Object::User));
    }
    if !mutation.finds(query("SELECT id FROM application WHERE id = $1").bind(application_id.to_string())).await? {
        return Err(StoreError::Missing(Object::Application));
    }
    Ok(())
}

fn sorted_text(names: &[String]) -> Result<String> {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    json_text(&names)
}

fn read(row: &AnyRow) -> Result<Registration> {
    Ok(Registration {
        user_id: read_id(row, "user_id")?,
        application_id: read_id(row, "application_id")?,
        roles: read_json(row, "roles")?,
        data: read_json(row, "data")?,
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn read_consent(row: &AnyRow) -> Result<Consent> {
    Ok(Consent {
        user_id: read_id(row, "user_id")?,
        application_id: read_id(row, "application_id")?,
        scopes: read_json(row, "scopes")?,
        granted_at: row.try_get("granted_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}
