//! Bringing the schema up to date, one transaction per migration, by one node at a time. It never goes back.

use aws_lc_rs::digest;
use sqlx::{AnyConnection, Connection as _, Row as _, query, raw_sql};

use crate::store::OpenError;

struct Migration {
    version: i64,
    text: &'static str,
}

/// In order, without gaps, and never changed once released: databases remember their checksums.
const MIGRATIONS: [Migration; 11] = [
    Migration { version: 1, text: include_str!("migrations/0001_directory.sql") },
    Migration { version: 2, text: include_str!("migrations/0002_people.sql") },
    Migration { version: 3, text: include_str!("migrations/0003_keys_and_logouts.sql") },
    Migration { version: 4, text: include_str!("migrations/0004_applied.sql") },
    Migration { version: 5, text: include_str!("migrations/0005_search.sql") },
    Migration { version: 6, text: include_str!("migrations/0006_named_keys.sql") },
    Migration { version: 7, text: include_str!("migrations/0007_event_log.sql") },
    Migration { version: 8, text: include_str!("migrations/0008_data.sql") },
    Migration { version: 9, text: include_str!("migrations/0009_browser_sessions.sql") },
    Migration { version: 10, text: include_str!("migrations/0010_keys_of_applications.sql") },
    Migration { version: 11, text: include_str!("migrations/0011_pushed_requests.sql") },
];

/// How two nodes that start at once are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// SQLite: the write lock of the file.
    File,
    /// PostgreSQL: an advisory lock, because a table that does not exist yet cannot be locked.
    Advisory,
}

/// Why the schema is not up to date.
pub(super) enum Failure {
    Database(sqlx::Error),
    TooNew { found: i64, known: i64 },
    Changed { version: i64 },
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Failure {
    /// The operator's line, when it is about the schema; the database's own errors are worded by the caller.
    pub(super) fn into_open_error(self, place: &str, database: impl FnOnce(sqlx::Error) -> OpenError) -> OpenError {
        let place = place.to_owned();
        match self {
            Self::Database(error) => database(error),
            Self::TooNew { found, known } => OpenError::SchemaTooNew { place, found, known },
            Self::Changed { version } => OpenError::SchemaChanged { place, version },
        }
    }
}

/// Applies what is missing. A process that dies in between leaves whole migrations only (T08).
pub(super) async fn migrate(connection: &mut AnyConnection, lock: Lock) -> Result<(), Failure> {
    while step(connection, lock, &MIGRATIONS).await? {}
    Ok(())
}

/// Applies the first missing migration; answers whether there was one.
async fn step(connection: &mut AnyConnection, lock: Lock, migrations: &[Migration]) -> Result<bool, Failure> {
    let mut transaction = match lock {
        Lock::File => connection.begin_with("BEGIN IMMEDIATE").await?,
        Lock::Advisory => {
            let mut transaction = connection.begin().await?;
            // Any number, as long as every version of this program uses the same: "faregate" in ASCII.
            query("SELECT pg_advisory_xact_lock(7377288844105151589)").execute(&mut *transaction).await?;
            transaction
        }
    };
    raw_sql("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL)")
        .execute(&mut *transaction)
        .await?;
    let rows =
        query("SELECT version, checksum FROM schema_version ORDER BY version").fetch_all(&mut *transaction).await?;
    let mut missing = migrations.iter();
    for row in &rows {
        let found: i64 = row.try_get("version")?;
        let Some(known) = missing.next() else {
            let newest: i64 = rows.last().map_or(Ok(found), |row| row.try_get("version"))?;
            return Err(Failure::TooNew { found: newest, known: migrations.len() as i64 });
        };
        if found != known.version || row.try_get::<&str, _>("checksum")? != checksum(known.text) {
            return Err(Failure::Changed { version: found });
        }
    }
    let Some(next) = missing.next() else {
        return Ok(false);
    };
    raw_sql(next.text).execute(&mut *transaction).await?;
    query("INSERT INTO schema_version (version, checksum) VALUES ($1, $2)")
        .bind(next.version)
        .bind(checksum(next.text))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}

/// SHA-256 of the text, whatever the checkout did to its line ends.
fn checksum(text: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for line in text.lines() {
        context.update(line.as_bytes());
        context.update(b"\n");
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
