//! Fresh databases: SQLite files in temporary folders, and schemas in the PostgreSQL that `scripts/with-postgres`
//! started. It starts no server itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use faregate::store::sql::{Options, SqlStore};
use sqlx::{AnyConnection, Connection as _, Executor as _};

/// An empty database of one test; a SQLite file is gone when the test ends, a schema when its server does.
pub enum Database {
    Sqlite(Folder),
    Postgres(String),
}

impl Database {
    pub fn sqlite() -> Self {
        Self::Sqlite(Folder::new())
    }

    /// `None` when there is no server; that is a failure where tests must not be skipped.
    pub async fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var("FAREGATE_TEST_POSTGRES") else {
            let required = std::env::var("CI").is_ok_and(|ci| ci == "true")
                || std::env::var("FAREGATE_TEST_REQUIRE_POSTGRES").is_ok();
            assert!(!required, "FAREGATE_TEST_POSTGRES is not set; run the tests by scripts/with-postgres");
            eprintln!("No PostgreSQL: run the tests by scripts/with-postgres.");
            return None;
        };
        let name = format!("test_{}_{}", std::process::id(), next());
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&server).await.expect("the server answers");
        // A schema is as good as a database of its own, and twenty times as fast to make.
        let create = format!("CREATE SCHEMA {name}");
        connection.execute(sqlx::AssertSqlSafe(create)).await.expect("a new schema");
        connection.close().await.expect("a farewell");
        Some(Self::Postgres(format!("{server}?options=-c%20search_path%3D{name}")))
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}", folder.file("test.db").display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    pub async fn open(&self) -> Arc<SqlStore> {
        Arc::new(SqlStore::open(&self.url(), &Options::default()).await.expect("the store opens"))
    }
}

/// A temporary folder of one test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("faregate-test-{}-{}", std::process::id(), next()));
        std::fs::create_dir(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
