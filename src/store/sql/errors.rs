//! What the databases' errors mean. It knows their codes and the names in the migrations; it does not word anything
//! for operators.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::store::{Object, StoreError, Unique};

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return match error {
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) => {
                    Self::Corrupt(error.to_string())
                }
                // The rest are failures to reach the database at all.
                other => Self::Unavailable(Box::new(other)),
            };
        };
        if let Some(meaning) = meaning(database.as_ref()) {
            return meaning;
        }
        Self::Unavailable(Box::new(error))
    }
}

impl StoreError {
    /// Whether this process has closed the store, because it ends.
    pub fn is_of_the_end(&self) -> bool {
        matches!(self, Self::Unavailable(cause) if matches!(cause.downcast_ref(), Some(sqlx::Error::PoolClosed)))
    }
}

fn meaning(error: &dyn DatabaseError) -> Option<StoreError> {
    if let Some(sqlite) = error.try_downcast_ref::<SqliteError>() {
        return sqlite_meaning(sqlite);
    }
    postgres_meaning(error.try_downcast_ref::<PgDatabaseError>()?)
}

/// Primary result code of SQLite, <https://www.sqlite.org/rescode.html>.
pub(super) fn primary_code(error: &SqliteError) -> i32 {
    error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default() & 0xff
}

pub(super) const READ_ONLY: i32 = 8;
pub(super) const CORRUPT: i32 = 11;
pub(super) const CANNOT_OPEN: i32 = 14;
pub(super) const NOT_A_DATABASE: i32 = 26;
pub(super) const BUSY: i32 = 5;
const FULL: i32 = 13;
const CONSTRAINT: i32 = 19;
/// A read that met the end of the file: somebody truncated it.
const SHORT_READ: &str = "522";

fn sqlite_meaning(error: &SqliteError) -> Option<StoreError> {
    match primary_code(error) {
        CONSTRAINT if error.is_unique_violation() => unique_by_columns(error.message()).map(StoreError::Conflict),
        READ_ONLY => Some(StoreError::ReadOnly),
        FULL => Some(StoreError::Full),
        CORRUPT | NOT_A_DATABASE => Some(StoreError::Corrupt(error.message().to_owned())),
        _ if error.code().as_deref() == Some(SHORT_READ) => Some(StoreError::Corrupt(error.message().to_owned())),
        _ => None,
    }
}

fn postgres_meaning(error: &PgDatabaseError) -> Option<StoreError> {
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    match error.code() {
        "23505" => error.constraint().and_then(unique_by_name).map(StoreError::Conflict),
        "23503" => {
            let object = error.constraint().and_then(reference_by_name)?;
            // The same constraint refuses both ends; only the one that refers says so about its own table.
            let from_the_referring_side = error.message().starts_with("insert or update");
            Some(if from_the_referring_side { StoreError::Missing(object) } else { StoreError::InUse(object) })
        }
        "25006" => Some(StoreError::ReadOnly),
        "53100" => Some(StoreError::Full),
        "XX001" | "XX002" => Some(StoreError::Corrupt(error.message().to_owned())),
        _ => None,
    }
}

const UNIQUE: [(&str, &str, Unique); 27] = [
    ("tenant_id_key", "tenant.id", Unique::TenantId),
    ("tenant_name_key", "tenant.name", Unique::TenantName),
    ("entity_type_id_key", "entity_type.id", Unique::EntityTypeId),
    ("entity_type_name_key", "entity_type.name", Unique::EntityTypeName),
    ("permission_id_key", "permission.id", Unique::PermissionId),
    ("permission_name_key", "permission.type_id, permission.name", Unique::PermissionName),
    ("entity_id_key", "entity.id", Unique::EntityId),
    ("entity_name_key", "entity.tenant_id, entity.name", Unique::EntityName),
    ("entity_client_id_key", "entity.tenant_id, entity.client_id", Unique::ClientId),
    ("application_id_key", "application.id", Unique::ApplicationId),
    ("application_name_key", "application.tenant_id, application.name", Unique::ApplicationName),
    ("application_client_id_key", "application.tenant_id, application.client_id", Unique::ClientId),
    ("tenant_user_id_key", "tenant_user.id", Unique::UserId),
    ("tenant_user_email_key", "tenant_user.tenant_id, tenant_user.email_key", Unique::Email),
    ("tenant_user_username_key", "tenant_user.tenant_id, tenant_user.username_key", Unique::Username),
    ("registration_key", "registration.user_id, registration.application_id", Unique::Registration),
    ("device_code_user_code_key", "device_code.tenant_id, device_code.user_code_hash", Unique::UserCode),
    ("entity_grant_id_key", "entity_grant.id", Unique::GrantId),
    ("entity_grant_key", "entity_grant.target_id, entity_grant.recipient_id", Unique::Grant),
    ("user_grant_id_key", "user_grant.id", Unique::GrantId),
    ("user_grant_key", "user_grant.target_id, user_grant.user_id", Unique::Grant),
    ("api_key_id_key", "api_key.id", Unique::ApiKeyId),
    ("api_key_hash_key", "api_key.key_hash", Unique::ApiKey),
    ("named_key_id_key", "named_key.id", Unique::NamedKeyId),
    ("named_key_kid_key", "named_key.kid", Unique::NamedKey),
    ("signing_key_id_key", "signing_key.id", Unique::KeyId),
    ("signing_key_current", "index 'signing_key_current'", Unique::CurrentKey),
];

fn unique_by_name(constraint: &str) -> Option<Unique> {
    UNIQUE.iter().find(|(name, ..)| *name == constraint).map(|(.., unique)| *unique)
}

/// SQLite names the columns: `UNIQUE constraint failed: tenant.name`.
fn unique_by_columns(message: &str) -> Option<Unique> {
    let (_, failed) = message.split_once("failed: ")?;
    UNIQUE.iter().find(|(_, columns, _)| *columns == failed).map(|(.., unique)| *unique)
}

/// What a foreign key refers to. SQLite does not name it; there the verbs look first, under the write lock.
fn reference_by_name(constraint: &str) -> Option<Object> {
    Some(match constraint {
        "permission_type_exists" | "entity_type_exists" => Object::EntityType,
        "entity_tenant_exists"
        | "signing_key_tenant_exists"
        | "application_tenant_exists"
        | "tenant_user_tenant_exists"
        | "named_key_tenant_exists"
        | "api_key_tenant_exists" => Object::Tenant,
        "registration_user_exists" | "consent_user_exists" | "user_grant_user_exists" => Object::User,
        "registration_application_exists" | "consent_application_exists" => Object::Application,
        "entity_grant_target_exists"
        | "entity_grant_recipient_exists"
        | "entity_parent_exists"
        | "user_grant_target_exists" => Object::Entity,
        "entity_grant_permission_exists" | "user_grant_permission_exists" => Object::Permission,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::store::Store as _;
    use crate::store::sql::{Options, SqlStore};

    #[tokio::test]
    async fn what_fails_at_the_end_is_told_from_what_fails() {
        let store = SqlStore::open("sqlite::memory:", &Options::default()).await.unwrap();
        store.close().await;
        assert!(store.list_keys(0).await.unwrap_err().is_of_the_end());
        assert!(!super::StoreError::Unavailable("no route".into()).is_of_the_end());
    }
}
