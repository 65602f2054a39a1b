//! Why the directory refuses: a list of fields with codes, shaped so that the management API can print FusionAuth's
//! `fieldErrors` (D-10). It does not print them.

use std::borrow::Cow;
use std::fmt;

use super::PasswordError;
use crate::jose::KeyError;
use crate::store::{Object, StoreError, Unique};

/// Why an administrator's command had no effect.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The command is wrong; every wrong field is listed.
    #[error("{}", list(.0))]
    Invalid(Vec<FieldError>),
    /// The object that the command is about does not exist.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// The object changed between reading and writing; the command may be repeated.
    #[error("the {0} was changed by somebody else meanwhile; try again")]
    Changed(&'static str),
    #[error(transparent)]
    Password(PasswordError),
    #[error("a secret cannot be sealed: {0}")]
    Sealing(#[source] KeyError),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for DirectoryError {
    /// What the store finds out only while writing is about a field too.
    fn from(error: StoreError) -> Self {
        let field = match &error {
            StoreError::Conflict(unique) => {
                FieldError::new(field_of(*unique), FieldCode::Duplicate, format!("{unique} is taken already"))
            }
            StoreError::Missing(object) => {
                FieldError::new(reference_to(*object), FieldCode::Missing, format!("there is no such {object}"))
            }
            StoreError::InUse(object) => {
                let message = format!("the {object} is in use; delete what belongs to it first");
                FieldError::new(reference_to(*object), FieldCode::InUse, message)
            }
            StoreError::ReadOnly | StoreError::Full | StoreError::Unavailable(_) | StoreError::Corrupt(_) => {
                return Self::Store(error);
            }
        };
        Self::Invalid(vec![field])
    }
}

fn field_of(unique: Unique) -> &'static str {
    match unique {
        Unique::TenantId => "tenant.id",
        Unique::TenantName => "tenant.name",
        Unique::EntityTypeId => "entityType.id",
        Unique::EntityTypeName => "entityType.name",
        Unique::PermissionId => "permission.id",
        Unique::PermissionName => "permission.name",
        Unique::EntityId => "entity.id",
        Unique::EntityName => "entity.name",
        Unique::ClientId => "entity.clientId",
        Unique::ApplicationId => "application.id",
        Unique::ApplicationName => "application.name",
        Unique::UserId => "user.id",
        Unique::Email => "user.email",
        Unique::Username => "user.username",
        Unique::Registration => "registration.applicationId",
        Unique::UserCode => "userCode",
        Unique::GrantId | Unique::Grant => "grant.id",
        Unique::ApiKeyId => "apiKey.id",
        Unique::ApiKey => "apiKey.key",
        Unique::NamedKeyId | Unique::KeyId | Unique::CurrentKey => "key.id",
        Unique::NamedKey => "key.kid",
    }
}

fn reference_to(object: Object) -> &'static str {
    match object {
        Object::Tenant => "tenantId",
        Object::EntityType => "entity.type.id",
        Object::Permission => "grant.permissions",
        Object::Entity => "entityId",
        Object::Application => "applicationId",
        Object::User => "userId",
        Object::Key => "keyId",
    }
}

/// One wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field: `entity.name`, `grant.permissions`.
    pub field: Cow<'static, str>,
    pub code: FieldCode,
    /// For people; says what is wrong and what would be right.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<Cow<'static, str>>, code: FieldCode, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }

    /// The code as FusionAuth prints it: `[blank]entity.name`.
    pub fn code(&self) -> String {
        format!("[{}]{}", self.code.as_str(), self.field)
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldCode {
    Blank,
    Duplicate,
    InUse,
    Invalid,
    Missing,
    /// A password that is to be replaced, and by another one.
    PreviouslyUsed,
    /// A password that everybody tries first.
    TooCommon,
    TooLong,
    TooShort,
}

impl FieldCode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Duplicate => "duplicate",
            Self::InUse => "inUse",
            Self::Invalid => "invalid",
            Self::Missing => "missing",
            Self::PreviouslyUsed => "previouslyUsed",
            Self::TooCommon => "tooCommon",
            Self::TooLong => "tooLong",
            Self::TooShort => "tooShort",
        }
    }
}

fn list(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
