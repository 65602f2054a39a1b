//! Bringing the schema up to date, one transaction per migration, by one node at a time. It never goes back.
//!
//! What only adds leaves older programs as they are: they go on beside newer ones, and may be started again (T73). So a cluster is
//! upgraded node by node, and back. What takes something away is another migration, of a later version; and one that adds to a
//! table in use adds to no other, because it would hold the lock of one while it waits for the next.

use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection as _, Row as _, query, raw_sql};

use crate::store::OpenError;

#[derive(Clone, Copy)]
struct Migration {
    version: i64,
    /// The oldest version whose programs work with the schema after this migration: the version itself, or an older one, from
    /// [`FIRST_TO_BE_TOLD`] on. They find all that they read, and what they write without knowing better is right.
    works_from: i64,
    text: &'static str,
}

/// A migration that took as long is told in the log.
const WORTH_SAYING: Duration = Duration::from_secs(1);

/// Programs before this one look for nothing but their own version.
const FIRST_TO_BE_TOLD: i64 = 12;

/// In order, without gaps, and never changed once released: databases remember their checksums.
const MIGRATIONS: [Migration; 16] = [
    Migration { version: 1, works_from: 1, text: include_str!("migrations/0001_directory.sql") },
    Migration { version: 2, works_from: 2, text: include_str!("migrations/0002_people.sql") },
    Migration { version: 3, works_from: 3, text: include_str!("migrations/0003_keys_and_logouts.sql") },
    Migration { version: 4, works_from: 4, text: include_str!("migrations/0004_applied.sql") },
    Migration { version: 5, works_from: 5, text: include_str!("migrations/0005_search.sql") },
    Migration { version: 6, works_from: 6, text: include_str!("migrations/0006_named_keys.sql") },
    Migration { version: 7, works_from: 7, text: include_str!("migrations/0007_event_log.sql") },
    Migration { version: 8, works_from: 8, text: include_str!("migrations/0008_data.sql") },
    Migration { version: 9, works_from: 9, text: include_str!("migrations/0009_browser_sessions.sql") },
    Migration { version: 10, works_from: 10, text: include_str!("migrations/0010_keys_of_applications.sql") },
    Migration { version: 11, works_from: 11, text: include_str!("migrations/0011_pushed_requests.sql") },
    Migration { version: 12, works_from: 12, text: include_str!("migrations/0012_programs.sql") },
    Migration { version: 13, works_from: 12, text: include_str!("migrations/0013_passkeys.sql") },
    Migration { version: 14, works_from: 12, text: include_str!("migrations/0014_managed_entities.sql") },
    Migration { version: 15, works_from: 12, text: include_str!("migrations/0015_managed_grants.sql") },
    Migration { version: 16, works_from: 12, text: include_str!("migrations/0016_tokens_of_entity_types.sql") },
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

/// How far a step has brought the schema.
#[derive(Debug, PartialEq, Eq)]
enum Reached {
    /// There may be more to do.
    Next,
    Today,
    /// A newer program has been here, whose schema suits this one.
    Newer(i64),
}

/// Applies what is missing; answers with the schema's version if that is newer than this program's. A process that dies in
/// between leaves whole migrations only (T08).
pub(super) async fn migrate(connection: &mut AnyConnection, lock: Lock) -> Result<Option<i64>, Failure> {
    loop {
        match step(connection, lock, &MIGRATIONS).await? {
            Reached::Next => {}
            Reached::Today => return Ok(None),
            Reached::Newer(version) => return Ok(Some(version)),
        }
    }
}

/// Applies the first missing migration, if there is one.
async fn step(connection: &mut AnyConnection, lock: Lock, migrations: &[Migration]) -> Result<Reached, Failure> {
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
    let (newer, missing) = compare(&mut transaction, migrations).await?;
    let Some(next) = missing.first() else {
        return Ok(newer);
    };
    let began = Instant::now();
    raw_sql(next.text).execute(&mut *transaction).await?;
    query("INSERT INTO schema_version (version, checksum) VALUES ($1, $2)")
        .bind(next.version)
        .bind(checksum(next.text))
        .execute(&mut *transaction)
        .await?;
    if next.version >= FIRST_TO_BE_TOLD {
        query("UPDATE schema_version SET works_from = $2 WHERE version = $1")
            .bind(next.version)
            .bind(next.works_from)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    // All of them take minutes on a large store, in which nothing else is said.
    if began.elapsed() >= WORTH_SAYING {
        tracing::info!(
            version = next.version,
            seconds = began.elapsed().as_secs(),
            "the schema of the store was changed"
        );
    }
    Ok(Reached::Next)
}

/// What was applied, and what is missing still.
async fn compare<'m>(
    connection: &mut AnyConnection,
    migrations: &'m [Migration],
) -> Result<(Reached, &'m [Migration]), Failure> {
    // Unprepared, because it has another answer once a migration has added a column.
    let rows = raw_sql("SELECT * FROM schema_version ORDER BY version").fetch_all(connection).await?;
    let mut missing = migrations.iter();
    let mut newer = Reached::Today;
    for row in &rows {
        let found: i64 = row.try_get("version")?;
        let Some(known) = missing.next() else {
            let known = migrations.len() as i64;
            let newest: i64 = rows.last().map_or(Ok(found), |row| row.try_get("version"))?;
            if works_from(row)?.is_none_or(|least| least > known) {
                return Err(Failure::TooNew { found: newest, known });
            }
            newer = Reached::Newer(newest);
            continue;
        };
        if found != known.version || row.try_get::<&str, _>("checksum")? != checksum(known.text) {
            return Err(Failure::Changed { version: found });
        }
    }
    Ok((newer, missing.as_slice()))
}

/// The schema's version and this program's, without a change of anything. A database without tables has version 0.
pub(super) async fn look(connection: &mut AnyConnection, lock: Lock) -> Result<(i64, i64), Failure> {
    let known = MIGRATIONS.len() as i64;
    let table = match lock {
        Lock::File => "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'",
        Lock::Advisory => "SELECT 'schema_version' AS name WHERE to_regclass('schema_version') IS NOT NULL",
    };
    if raw_sql(table).fetch_optional(&mut *connection).await?.is_none() {
        return Ok((0, known));
    }
    match compare(connection, &MIGRATIONS).await? {
        (Reached::Newer(version), _) => Ok((version, known)),
        (Reached::Next | Reached::Today, missing) => Ok((known - missing.len() as i64, known)),
    }
}

/// Whether a schema has signing keys in it, which only the master key of before opens.
pub(super) async fn has_keys(connection: &mut AnyConnection, version: i64) -> Result<bool, Failure> {
    // They are there since the first migration.
    Ok(version > 0 && raw_sql("SELECT id FROM signing_key LIMIT 1").fetch_optional(connection).await?.is_some())
}

/// What the program that applied the migration said of older ones.
fn works_from(row: &AnyRow) -> Result<Option<i64>, sqlx::Error> {
    match row.try_get("works_from") {
        Err(sqlx::Error::ColumnNotFound(_)) => Ok(None),
        said => said,
    }
}

/// SHA-256 of the text, whatever the checkout did to its line ends.
fn checksum(text: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for line in text.lines() {
        context.update(line.as_bytes());
        context.update(b"\n");
    }
    hex::encode(context.finish())
}

#[cfg(test)]
mod tests;
