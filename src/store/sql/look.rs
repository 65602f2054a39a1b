//! Looking at a store without opening it: nothing is made and nothing is migrated.

use super::migrate::{Failure, Lock, has_keys, look};
use super::{SqlStore, postgres, sqlite};
use crate::store::OpenError;

/// What is there before a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No file yet: opening makes it.
    Nothing,
    Schema {
        /// 0: a database without tables.
        version: i64,
        /// What opening brings it to, unless it is newer.
        known: i64,
        /// Whether there are signing keys, which need the master key that sealed them.
        has_keys: bool,
    },
}

impl SqlStore {
    /// What opening `url` would find.
    ///
    /// # Errors
    /// [`OpenError`]: opening would fail with the same.
    pub async fn look(url: &str) -> Result<Found, OpenError> {
        sqlx::any::install_default_drivers();
        match url.strip_prefix("sqlite:") {
            Some(path) => sqlite::look(path.strip_prefix("//").unwrap_or(path)).await,
            None => postgres::look(url).await,
        }
    }
}

pub(super) async fn found(connection: &mut sqlx::AnyConnection, lock: Lock) -> Result<Found, Failure> {
    let (version, known) = look(connection, lock).await?;
    Ok(Found::Schema { version, known, has_keys: has_keys(connection, version).await? })
}
