//! Why the directory refuses: a list of fields with codes, shaped so that the management API can print FusionAuth's
//! `fieldErrors` (D-10). It does not print them.

use std::fmt;

use crate::store::StoreError;

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
    Store(#[from] StoreError),
}

/// One wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field: `entity.name`, `grant.permissions`.
    pub field: &'static str,
    pub code: FieldCode,
    /// For people; says what is wrong and what would be right.
    pub message: String,
}

impl FieldError {
    pub fn new(field: &'static str, code: FieldCode, message: impl Into<String>) -> Self {
        Self {
            field,
            code,
            message: message.into(),
        }
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
