//! What can go wrong in a store that is open. What can go wrong while opening one is [`super::OpenError`].
//!
//! Absence is never an error here: lookups answer `Option`.

use std::fmt;

/// Why a verb had no effect. Our own code reads it; clients see `server_error` or 503.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another object already has this value.
    #[error("the {0} is taken")]
    Conflict(Unique),
    /// The mutation refers to an object that does not exist.
    #[error("the {0} does not exist")]
    Missing(Object),
    /// The object cannot be deleted while others refer to it.
    #[error("the {0} is in use")]
    InUse(Object),
    /// The database takes no writes.
    #[error("the database is read-only")]
    ReadOnly,
    /// No space is left for a write.
    #[error("the database has no space left")]
    Full,
    /// The database cannot be asked now; asking later may work.
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database holds something that this program never writes, or is not the file that was opened.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
}

/// Objects that mutations refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    Tenant,
    EntityType,
    Permission,
    Entity,
    Application,
    User,
    /// One that somebody named.
    Key,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tenant => "tenant",
            Self::EntityType => "entity type",
            Self::Permission => "permission",
            Self::Entity => "entity",
            Self::Application => "application",
            Self::User => "user",
            Self::Key => "key",
        })
    }
}

/// Values that only one object may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unique {
    TenantId,
    TenantName,
    EntityTypeId,
    EntityTypeName,
    PermissionId,
    /// In its entity type.
    PermissionName,
    EntityId,
    /// In its tenant.
    EntityName,
    /// In its tenant, among entities and applications.
    ClientId,
    ApplicationId,
    /// In its tenant.
    ApplicationName,
    UserId,
    /// In its tenant, without regard to case.
    Email,
    /// In its tenant, without regard to case.
    Username,
    /// Of one user in one application.
    Registration,
    /// Of a device code that is remembered, in its tenant.
    UserCode,
    GrantId,
    /// The grant from one recipient on one target.
    Grant,
    ApiKeyId,
    /// The text of an API key.
    ApiKey,
    /// The id of a key that somebody named.
    NamedKeyId,
    /// Its `kid`: the key is there under another name.
    NamedKey,
    KeyId,
    /// The current key of one (tenant, purpose, algorithm).
    CurrentKey,
}

impl fmt::Display for Unique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TenantId => "tenant id",
            Self::TenantName => "tenant name",
            Self::EntityTypeId => "entity type id",
            Self::EntityTypeName => "entity type name",
            Self::PermissionId => "permission id",
            Self::PermissionName => "permission name",
            Self::EntityId => "entity id",
            Self::EntityName => "entity name",
            Self::ClientId => "client id",
            Self::ApplicationId => "application id",
            Self::ApplicationName => "application name",
            Self::UserId => "user id",
            Self::Email => "email",
            Self::Username => "username",
            Self::Registration => "place in the application",
            Self::UserCode => "user code",
            Self::GrantId => "grant id",
            Self::Grant => "grant",
            Self::ApiKeyId => "API key id",
            Self::ApiKey => "API key",
            Self::NamedKeyId => "id",
            Self::NamedKey => "key",
            Self::KeyId => "key id",
            Self::CurrentKey => "place of the current key",
        })
    }
}

/// Why a store could not be opened: one line for the operator that names the place and the fix. Never a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("store {place}: {problem}; {fix}")]
    Place { place: String, problem: String, fix: String },
    #[error(
        "store {place}: its schema is version {found}, this program knows {known}; start the newer program again, or \
         restore a backup from before the upgrade"
    )]
    SchemaTooNew { place: String, found: i64, known: i64 },
    #[error(
        "store {place}: migration {version} is not the one that this program contains; use the program that made the \
         database, or restore a backup"
    )]
    SchemaChanged { place: String, version: i64 },
    #[error("store {place}: not an intact SQLite database ({problem}); restore a backup: cp BACKUP {path}")]
    Corrupt { place: String, path: String, problem: String },
    #[error(
        "store {place}: PostgreSQL runs with {setting} = off, so acknowledged writes can be lost; set {setting} = on, \
         or allow it with unsafe_durability"
    )]
    Unsafe { place: String, setting: &'static str },
}
