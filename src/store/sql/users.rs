//! Users in SQL.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _, query};
use uuid::Uuid;

use super::columns::{json_text, read_id, read_json, read_optional_json, updated_json};
use super::search::{self, Key, Table};
use super::tables::{lock, select};
use super::transaction::Mutation;
use super::{Result, SqlStore, StoreError, registrations};
use crate::model::{ChangeKind, PasswordChange, Registration, User};
use crate::store::{Object, Search, SearchOrder};

pub(super) async fn insert(store: &SqlStore, user: &User) -> Result<()> {
    let mut mutation = store.begin().await?;
    require_tenant(&mut mutation, user.tenant_id).await?;
    insert_in(&mut mutation, user).await?;
    mutation.commit(ChangeKind::User, &user.id.to_string(), user.updated_at).await
}

pub(super) async fn insert_people(store: &SqlStore, people: &[(User, Vec<Registration>)]) -> Result<()> {
    let Some((first, _)) = people.first() else { return Ok(()) };
    let mut mutation = store.begin().await?;
    let mut tenant = None;
    for (user, registrations) in people {
        // They are of one tenant, as a rule.
        if tenant.replace(user.tenant_id) != Some(user.tenant_id) {
            require_tenant(&mut mutation, user.tenant_id).await?;
        }
        insert_in(&mut mutation, user).await?;
        for registration in registrations {
            registrations::upsert_in(&mut mutation, registration).await?;
        }
    }
    let ids: Vec<String> = people.iter().map(|(user, _)| user.id.to_string()).collect();
    mutation.commit(ChangeKind::User, &ids.join(","), first.updated_at).await
}

async fn require_tenant(mutation: &mut Mutation, id: Uuid) -> Result<()> {
    if mutation.finds(query("SELECT id FROM tenant WHERE id = $1").bind(id.to_string())).await? {
        return Ok(());
    }
    Err(StoreError::Missing(Object::Tenant))
}

async fn insert_in(mutation: &mut Mutation, user: &User) -> Result<()> {
    let statement = query(
        "INSERT INTO tenant_user (id, email, email_key, username, username_key, email_verified, password_hash,
                                  password_changed_at, password_change, locked_at, expires_at, totp_secret,
                                  recovery_codes, profile, managed_by, updated_at, name_key, passkeys, tenant_id,
                                  created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
    );
    let statement =
        bind(statement, user, json_text(&user.profile)?)?.bind(user.tenant_id.to_string()).bind(user.created_at);
    mutation.execute(statement).await?;
    Ok(())
}

pub(super) async fn update(store: &SqlStore, before: &User, after: &User) -> Result<bool> {
    let id = before.id.to_string();
    let mut mutation = store.begin().await?;
    let lock = query(lock!(tenant_user)).bind(id.as_str());
    let Some(row) = mutation.fetch(lock).await? else { return Ok(false) };
    if read(&row)? != *before {
        return Ok(false);
    }
    let statement = query(
        "UPDATE tenant_user SET email = $2, email_key = $3, username = $4, username_key = $5, email_verified = $6,
                                password_hash = $7, password_changed_at = $8, password_change = $9, locked_at = $10,
                                expires_at = $11, totp_secret = $12, recovery_codes = $13, profile = $14,
                                managed_by = $15, updated_at = $16, name_key = $17, passkeys = $18
         WHERE id = $1",
    );
    let after = User { id: before.id, ..after.clone() };
    let profile = updated_json(&row, "profile", &after.profile)?;
    mutation.execute(bind(statement, &after, profile)?).await?;
    mutation.commit(ChangeKind::User, &id, after.updated_at).await?;
    Ok(true)
}

/// Everything from `$1`, the id, to `$18`, in the order of the statements above.
fn bind<'a>(
    statement: Query<'a, Any, AnyArguments>,
    user: &User,
    profile: String,
) -> Result<Query<'a, Any, AnyArguments>> {
    let passkeys = match &user.passkeys[..] {
        [] => None,
        passkeys => Some(json_text(passkeys)?),
    };
    Ok(statement
        .bind(user.id.to_string())
        .bind(user.email.clone())
        .bind(user.email.as_deref().map(fold))
        .bind(user.username.clone())
        .bind(user.username.as_deref().map(fold))
        .bind(i64::from(user.email_verified))
        .bind(user.password_hash.clone())
        .bind(user.password_changed_at)
        .bind(user.password_change.map(PasswordChange::as_str))
        .bind(user.locked_at)
        .bind(user.expires_at)
        .bind(user.totp_secret.clone())
        .bind(json_text(&user.recovery_codes)?)
        .bind(profile)
        .bind(user.managed_by.clone())
        .bind(user.updated_at)
        .bind(user.full_name().as_deref().map(fold))
        .bind(passkeys))
}

/// What is compared of an email or username. Folded here, because the engines do not agree beyond ASCII.
fn fold(text: &str) -> String {
    text.to_lowercase()
}

pub(super) async fn delete(store: &SqlStore, id: Uuid, at: i64) -> Result<bool> {
    let id = id.to_string();
    let mut mutation = store.begin().await?;
    if mutation.execute(query("DELETE FROM tenant_user WHERE id = $1").bind(id.as_str())).await? == 0 {
        return Ok(false);
    }
    // Codes before tokens: whoever is redeeming one now is waited for, and what it brings is seen.
    for text in [
        "DELETE FROM authorization_code WHERE user_id = $1 AND expires_at > $2",
        "DELETE FROM device_code WHERE user_id = $1 AND expires_at > $2",
    ] {
        mutation.exhaust_living(text, &id, at).await?;
    }
    for text in ["DELETE FROM refresh_token WHERE user_id = $1", "DELETE FROM session WHERE user_id = $1"] {
        mutation.exhaust(text, &id).await?;
    }
    mutation.commit(ChangeKind::User, &id, at).await?;
    Ok(true)
}

pub(super) async fn find(store: &SqlStore, id: Uuid) -> Result<Option<User>> {
    let statement = query(select!(tenant_user, "WHERE id = $1")).bind(id.to_string());
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find_by_login(store: &SqlStore, tenant_id: Uuid, login_id: &str) -> Result<Option<User>> {
    let key = fold(login_id);
    let statement = query(select!(tenant_user, "WHERE tenant_id = $1 AND (email_key = $2 OR username_key = $2)"))
        .bind(tenant_id.to_string())
        .bind(key.as_str());
    // One user's email may be another's username.
    let mut found = None;
    for row in statement.fetch_all(&store.readers).await? {
        let by_email = row.try_get::<Option<&str>, _>("email_key")? == Some(&key);
        if by_email || found.is_none() {
            found = Some(read(&row)?);
        }
    }
    Ok(found)
}

pub(super) async fn list(
    store: &SqlStore,
    tenant_id: Option<Uuid>,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<User>> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let statement = match tenant_id {
        Some(id) => query(select!(tenant_user, "WHERE id > $1 AND tenant_id = $3 ORDER BY id LIMIT $2"))
            .bind(after)
            .bind(i64::from(limit))
            .bind(id.to_string()),
        None => query(select!(tenant_user, "WHERE id > $1 ORDER BY id LIMIT $2")).bind(after).bind(i64::from(limit)),
    };
    statement.fetch_all(&store.readers).await?.iter().map(read).collect()
}

/// What users are found by.
pub(super) static SEARCHED: Table = Table {
    name: "tenant_user",
    select: select!(tenant_user, ""),
    keys: ["email_key", "username_key", "name_key"],
    order_of: |by| match by {
        SearchOrder::Email => Key::Text(0),
        SearchOrder::Username => Key::Text(1),
        SearchOrder::Name => Key::Text(2),
        SearchOrder::CreatedAt => Key::CreatedAt,
        SearchOrder::ClientId => Key::Id,
    },
    kind: ChangeKind::User,
};

pub(super) async fn search(store: &SqlStore, wanted: &Search) -> Result<(Vec<User>, u64)> {
    let (rows, total) = search::rows(store, &store.users, wanted).await?;
    Ok((rows.iter().map(read).collect::<Result<_>>()?, total))
}

pub(super) async fn list_managed(store: &SqlStore, managed_by: &str) -> Result<Vec<User>> {
    let statement = query(select!(tenant_user, "WHERE managed_by = $1 ORDER BY id")).bind(managed_by);
    statement.fetch_all(&store.readers).await?.iter().map(read).collect()
}

pub(super) async fn with_ids(store: &SqlStore, ids: &[Uuid]) -> Result<Vec<User>> {
    let mut users = Vec::with_capacity(ids.len());
    for some in ids.chunks(search::AT_ONCE) {
        let rows = search::rows_of(&store.readers, (SEARCHED.select, "id"), some).await?;
        users.extend(rows.iter().map(read).collect::<Result<Vec<_>>>()?);
    }
    Ok(users)
}

fn read(row: &AnyRow) -> Result<User> {
    let password_change = match row.try_get::<Option<&str>, _>("password_change")? {
        None => None,
        Some(text) => Some(
            PasswordChange::parse(text)
                .ok_or_else(|| StoreError::Corrupt(format!("user with password change {text:?}")))?,
        ),
    };
    Ok(User {
        id: read_id(row, "id")?,
        tenant_id: read_id(row, "tenant_id")?,
        email: row.try_get("email")?,
        username: row.try_get("username")?,
        email_verified: row.try_get::<i64, _>("email_verified")? != 0,
        password_hash: row.try_get("password_hash")?,
        password_changed_at: row.try_get("password_changed_at")?,
        password_change,
        locked_at: row.try_get("locked_at")?,
        expires_at: row.try_get("expires_at")?,
        totp_secret: row.try_get("totp_secret")?,
        recovery_codes: read_json(row, "recovery_codes")?,
        passkeys: read_optional_json(row, "passkeys")?.unwrap_or_default(),
        profile: read_json(row, "profile")?,
        managed_by: row.try_get("managed_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
