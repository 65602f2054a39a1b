//! SQLite: the file's rights, the connections' settings (P5), and watching that the file stays the one that was opened.

use std::fs::{self, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::sqlite::SqliteError;
use sqlx::{AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Executor as _, Row as _, query};

use super::group::Group;
use super::look::{Found, found};
use super::migrate::{Lock, migrate};
use super::{Engine, Options, SqlStore, StoreError, errors};
use crate::percent;
use crate::store::OpenError;

/// Per connection; `journal_mode` is a property of the file and set once, in [`open_file`]. The log is copied into the
/// file every 4000 pages (16 MiB): rows with random keys meet on fewer pages that way, and no commit waits long for it.
const SETTINGS: &str = "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                        PRAGMA trusted_schema = OFF; PRAGMA wal_autocheckpoint = 4000;";

/// Files up to this size are read once at start to see that they are intact: a few milliseconds.
const CHECKED_SIZE: u64 = 4 << 20;

pub(super) async fn open_memory(options: &Options) -> Result<SqlStore, OpenError> {
    let place = "sqlite::memory:";
    let failed = |error: sqlx::Error| OpenError::Place {
        place: place.to_owned(),
        problem: error.to_string(),
        fix: "free some memory".to_owned(),
    };
    // One connection that is never given up: the database lives and dies with it.
    let connect = connect_options(place).map_err(failed)?;
    let pool = pool(1, options).idle_timeout(None).connect_with(connect).await.map_err(failed)?;
    let mut connection = pool.acquire().await.map_err(failed)?;
    migrate(&mut connection, Lock::File).await.map_err(|failure| failure.into_open_error(place, failed))?;
    drop(connection);
    Ok(SqlStore::new(Engine::Memory, pool.clone(), pool, options))
}

pub(super) async fn open_file(path: &str, options: &Options) -> Result<SqlStore, OpenError> {
    let place = Place(path);
    if path.is_empty() || path.contains(['?', '#']) {
        return Err(place.refuse("the URL must be a path without parameters", "write sqlite:///path/to/file.db"));
    }
    prepare(place)?;
    let connect = connect_options(&url(path)).map_err(|error| place.explain(error))?;
    // Not through the pool, which would try again and then not say why.
    let mut connection = connect.connect().await.map_err(|error| place.explain(error))?;
    connection.execute(SETTINGS).await.map_err(|error| place.explain(error))?;
    refuse_foreign(&mut connection, place).await?;
    use_wal(&mut connection, place).await?;
    let migrated = migrate(&mut connection, Lock::File).await;
    let newer_schema =
        migrated.map_err(|failure| failure.into_open_error(&place.name(), |error| place.explain(error)))?;
    let file = DatabaseFile::watch(path).map_err(|error| place.explain(sqlx::Error::Io(error)))?;
    if file.length.load(Ordering::Relaxed) <= CHECKED_SIZE {
        let problem = quick_check(&mut connection).await.map_err(|error| place.explain(error))?;
        if let Some(problem) = problem {
            return Err(place.corrupt(problem));
        }
    }
    let writers = pool_on_file(1, options).connect_with(connect.clone()).await.map_err(|error| place.explain(error))?;
    // Closed after another was opened: the last one to close would fold the log back into the file.
    connection.close().await.map_err(|error| place.explain(error))?;
    let readers = pool_on_file(options.connections, options).connect_lazy_with(connect);
    let file = Arc::new(file);
    let group = Arc::new(Group::new(Arc::clone(&file), writers.clone()));
    Ok(SqlStore { newer_schema, ..SqlStore::new(Engine::Sqlite { file, group }, writers, readers, options) })
}

/// What is in the file, if there is one. Neither it nor its log is written to; where there is a log, SQLite keeps the index
/// of it beside it (`-shm`), as for every reader.
pub(super) async fn look(path: &str) -> Result<Found, OpenError> {
    let place = Place(path);
    if path.is_empty() || path.contains(['?', '#']) {
        return Err(place.refuse("the URL must be a path without parameters", "write sqlite:///path/to/file.db"));
    }
    if !exists(place)? {
        let folder = Path::new(path).parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        return match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => Ok(Found::Nothing),
            Ok(_) => Err(place.cannot_create(&ErrorKind::NotADirectory.into())),
            Err(error) => Err(place.cannot_create(&error)),
        };
    }
    let explain = |error| place.explain(error);
    // Whoever opens a file for writing folds its log into it when they leave. A file that nobody else has open and that has no log
    // is all there is; "immutable" says so, and makes nothing beside it.
    let is_alone = BESIDE.iter().all(|suffix| !beside(path, suffix).exists());
    let how = if is_alone { "immutable=true" } else { "mode=ro" };
    let connect = connect_options(&format!("{}?{how}", url(path))).map_err(explain)?;
    let mut connection = connect.connect().await.map_err(explain)?;
    connection.execute(SETTINGS).await.map_err(explain)?;
    refuse_foreign(&mut connection, place).await?;
    let found = found(&mut connection, Lock::File).await;
    let found = found.map_err(|failure| failure.into_open_error(&place.name(), explain))?;
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() <= CHECKED_SIZE)
        && let Some(problem) = quick_check(&mut connection).await.map_err(explain)?
    {
        return Err(place.corrupt(problem));
    }
    connection.close().await.map_err(explain)?;
    Ok(found)
}

fn pool(connections: u32, options: &Options) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(options.deadline)
        .test_before_acquire(false)
        .max_lifetime(None)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(SETTINGS).await.map(drop) }))
}

/// When the disk is full SQLite ends the transaction by itself. sqlx does not hear of it, its rollback fails, and nothing could
/// ever begin on that connection again (T64): the file is opened anew.
fn pool_on_file(connections: u32, options: &Options) -> AnyPoolOptions {
    pool(connections, options).before_acquire(|connection, _| {
        let is_usable = !connection.is_in_transaction();
        Box::pin(async move { Ok(is_usable) })
    })
}

fn connect_options(url: &str) -> sqlx::Result<AnyConnectOptions> {
    Ok(AnyConnectOptions::from_str(url)?.disable_statement_logging())
}

/// sqlx decodes `%`, and its URL parser would read some characters as its own.
fn url(path: &str) -> String {
    format!("sqlite://{}", percent::encoded_path(path))
}

/// Sees that the file exists, is ours and nobody else's (T66), before SQLite touches it. The files beside it
/// (`-wal`, `-shm`) get its mode from SQLite.
fn prepare(place: Place<'_>) -> Result<(), OpenError> {
    if exists(place)? {
        return Ok(());
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(place.0) {
        Ok(_) => Ok(()),
        // Another node that starts at the same time was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(place.cannot_create(&error)),
    }
}

/// Whether there is a file, which then is ours and nobody else's.
fn exists(place: Place<'_>) -> Result<bool, OpenError> {
    match fs::metadata(place.0) {
        Ok(metadata) => check_existing(place, &metadata)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(place.cannot_create(&error)),
    }
    for suffix in BESIDE {
        let file = beside(place.0, suffix);
        if let Ok(metadata) = fs::metadata(&file) {
            check_existing(Place(&file.to_string_lossy()), &metadata)?;
        }
    }
    Ok(true)
}

/// What SQLite keeps beside a file that is or was in use: the log, its index, and what an interrupted change is undone with.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Beside the file itself: a link to it may be elsewhere.
fn beside(path: &str, suffix: &str) -> PathBuf {
    let mut beside = fs::canonicalize(path).unwrap_or_else(|_| path.into()).into_os_string();
    beside.push(suffix);
    beside.into()
}

fn check_existing(place: Place<'_>, metadata: &Metadata) -> Result<(), OpenError> {
    let path = place.0;
    if !metadata.is_file() {
        return Err(place.refuse("is not a file", "name a file in it"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(place.refuse(format!("other users may open it (mode {mode:04o})"), format!("chmod 600 {path}")));
    }
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            Err(place.refuse("is on a read-only file system", "mount it writable, or move the store"))
        }
        Err(error) => {
            let fix = format!("chown it to the user that runs faregate, and chmod 600 {path}");
            Err(place.refuse(format!("cannot be read and written ({error})"), fix))
        }
    }
}

async fn use_wal(connection: &mut AnyConnection, place: Place<'_>) -> Result<(), OpenError> {
    // SQLite's busy timeout does not cover this switch, so two nodes that create the file at once take turns here.
    for _ in 0..100 {
        match query("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await {
            Ok(row) if row.try_get::<&str, _>(0).is_ok_and(|mode| mode == "wal") => return Ok(()),
            Ok(_) => {
                return Err(place.refuse("its file system cannot share memory (WAL)", "move it to a local disk"));
            }
            Err(error) if primary_code(&error) == Some(errors::BUSY) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(place.explain(error)),
        }
    }
    Err(place.refuse("another program holds it locked", "stop that program"))
}

/// How many tables of another program are named.
const NAMED: usize = 5;

/// Another program's database would get our tables beside its own. Ours has its version from the first transaction on.
async fn refuse_foreign(connection: &mut AnyConnection, place: Place<'_>) -> Result<(), OpenError> {
    let tables =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name";
    let rows = query(tables).fetch_all(connection).await.map_err(|error| place.explain(error))?;
    let names: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
    let names = names.map_err(|error| place.explain(error))?;
    if names.is_empty() || names.iter().any(|name| name == "schema_version") {
        return Ok(());
    }
    let shown: Vec<_> = names.iter().take(NAMED).map(|name| name.escape_debug().to_string()).collect();
    let more = names.len() - shown.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let problem = format!("not a store of Faregate: it has tables {}{more}", shown.join(", "));
    Err(place.refuse(problem, "name another file, which is made then"))
}

/// What is wrong with the file, if anything.
async fn quick_check(connection: &mut AnyConnection) -> sqlx::Result<Option<String>> {
    let row = query("PRAGMA quick_check(1)").fetch_one(connection).await?;
    let verdict: String = row.try_get(0)?;
    Ok((verdict != "ok").then_some(verdict))
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let error = error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    Some(errors::primary_code(error))
}

/// Where the store is, for messages.
#[derive(Clone, Copy)]
struct Place<'a>(&'a str);

impl Place<'_> {
    fn name(self) -> String {
        format!("sqlite://{}", self.0)
    }

    fn refuse(self, problem: impl Into<String>, fix: impl Into<String>) -> OpenError {
        OpenError::Place { place: self.name(), problem: problem.into(), fix: fix.into() }
    }

    fn corrupt(self, problem: String) -> OpenError {
        OpenError::Corrupt { place: self.name(), path: self.0.to_owned(), problem }
    }

    fn cannot_create(self, error: &std::io::Error) -> OpenError {
        let directory = match Path::new(self.0).parent() {
            Some(parent) if parent != Path::new("") => parent.display().to_string(),
            _ => ".".to_owned(),
        };
        let fix = match error.kind() {
            ErrorKind::NotFound => format!("mkdir -p {directory}"),
            ErrorKind::NotADirectory => format!("{directory} is not a directory; name another place"),
            ErrorKind::ReadOnlyFilesystem => "mount it writable, or move the store".to_owned(),
            _ => format!("let the user that runs faregate write to {directory}"),
        };
        self.refuse(format!("cannot be created ({error})"), fix)
    }

    fn explain(self, error: sqlx::Error) -> OpenError {
        let path = self.0;
        match primary_code(&error) {
            Some(errors::CORRUPT | errors::NOT_A_DATABASE) => self.corrupt(match error.as_database_error() {
                Some(error) => error.message().to_owned(),
                None => error.to_string(),
            }),
            Some(errors::READ_ONLY | errors::CANNOT_OPEN) => {
                let fix = format!("let the user that runs faregate write to {path} and to its directory");
                self.refuse(error.to_string(), fix)
            }
            Some(errors::BUSY) => self.refuse("another program holds it locked", "stop that program"),
            _ => self.refuse(error.to_string(), format!("check {path}, or restore a backup")),
        }
    }
}

/// The file behind an open store. SQLite goes on writing to a file that was removed, and every write would be lost.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    length: AtomicU64,
}

impl DatabaseFile {
    fn watch(path: &str) -> std::io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            path: PathBuf::from(path),
            device: metadata.dev(),
            inode: metadata.ino(),
            length: AtomicU64::new(metadata.len()),
        })
    }

    /// Costs one `stat`, and a full check when the file became shorter (T20).
    pub(super) async fn check(&self, writers: &AnyPool) -> super::Result<()> {
        let path = self.path.display();
        let Ok(metadata) = fs::metadata(&self.path) else {
            return Err(StoreError::Corrupt(format!("{path} was removed; stop, restore a backup, start")));
        };
        if (metadata.dev(), metadata.ino()) != (self.device, self.inode) {
            return Err(StoreError::Corrupt(format!("{path} was replaced while open; restart to use the new file")));
        }
        if metadata.len() < self.length.load(Ordering::Relaxed) {
            // A VACUUM makes it shorter too; that is no damage.
            let mut connection = writers.acquire().await?;
            if let Some(problem) = quick_check(&mut connection).await? {
                return Err(StoreError::Corrupt(format!("{path} was truncated ({problem}); restore a backup")));
            }
        }
        self.length.store(metadata.len(), Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_urls() {
        assert_eq!(url("/var/lib/a b%#.db"), "sqlite:///var/lib/a%20b%25%23.db");
        assert_eq!(url("faregate.db"), "sqlite://faregate.db");
    }
}
