//! A store that is open, and how it gets so: from a URL to connections on a database with today's schema, or one line that
//! says what to do.

use std::sync::Arc;
use std::time::Duration;

use sqlx::AnyPool;

use super::search::Followed;
use super::{entities, group, postgres, sqlite, users};
use crate::store::{self, OpenError, StoreError};

/// How to open a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Accept a PostgreSQL that may lose acknowledged writes (P5).
    pub unsafe_durability: bool,
    /// Longest time that a verb may take before it is [`super::StoreError::Unavailable`].
    pub deadline: Duration,
    /// Most connections to PostgreSQL, and most readers of a SQLite file.
    pub connections: u32,
    /// Most users, and most entities, whose names are kept in memory once somebody searches them: some 150 bytes each.
    /// Where there are more, the database is asked.
    pub searched_in_memory: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { unsafe_durability: false, deadline: Duration::from_secs(3), connections: 8, searched_in_memory: 500_000 }
    }
}

/// A store in one SQLite file, in memory, or in a PostgreSQL database. Opened by [`SqlStore::open`].
#[derive(Debug)]
pub struct SqlStore {
    pub(super) engine: Engine,
    /// SQLite takes one writer at a time, so there is one connection for it and nobody fights over the lock.
    pub(super) writers: AnyPool,
    pub(super) readers: AnyPool,
    pub(super) users: Followed,
    pub(super) entities: Followed,
    /// Longest time that a verb may take.
    pub(super) deadline: Duration,
    pub(super) newer_schema: Option<i64>,
}

#[derive(Debug)]
pub(super) enum Engine {
    Sqlite {
        file: Arc<sqlite::DatabaseFile>,
        group: Arc<group::Group>,
    },
    /// SQLite in memory: there is nothing on disk to watch.
    Memory,
    Postgres,
}

impl SqlStore {
    /// Opens `url` and brings its schema up to date: `sqlite:///absolute/file.db`, `sqlite://relative/file.db`,
    /// `sqlite::memory:` (gone when closed) or `postgres://user:password@host/database`. A SQLite file is created when
    /// there is none.
    ///
    /// # Errors
    /// [`OpenError`], worded for the operator.
    pub async fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        if url == "sqlite::memory:" {
            return sqlite::open_memory(options).await;
        }
        if let Some(path) = url.strip_prefix("sqlite:") {
            return sqlite::open_file(path.strip_prefix("//").unwrap_or(path), options).await;
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return postgres::open(url, options).await;
        }
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        Err(OpenError::Place {
            place: format!("{scheme}:"),
            problem: "not a kind of store that is known".to_owned(),
            fix: "write sqlite:///path/to/file.db or postgres://user@host/database".to_owned(),
        })
    }

    pub(super) fn new(engine: Engine, writers: AnyPool, readers: AnyPool, options: &Options) -> Self {
        let followed = |table| Followed::new(table, readers.clone(), options.searched_in_memory);
        Self {
            engine,
            writers,
            users: followed(&users::SEARCHED),
            entities: followed(&entities::SEARCHED),
            deadline: options.deadline,
            newer_schema: None,
            readers,
        }
    }

    /// The version of the schema, if a newer program has brought it further than this one knows.
    pub fn newer_schema(&self) -> Option<i64> {
        self.newer_schema
    }

    pub(super) async fn within<T>(&self, work: impl Future<Output = store::Result<T>>) -> store::Result<T> {
        match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Unavailable(format!("no answer within {:?}", self.deadline).into())),
        }
    }
}
