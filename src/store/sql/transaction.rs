//! A mutation: begun so that two of them cannot deadlock, ended only together with its line in the change feed.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Transaction};

use super::script::Script;
use super::{Engine, Result, SqlStore};
use crate::model::ChangeKind;

/// Seconds that codes are looked for after their end: the clocks of nodes differ.
const LEEWAY_FOR: i64 = 60;

/// An open transaction. Dropping it undoes everything.
pub(super) struct Mutation(Transaction<'static, Any>);

impl SqlStore {
    pub(super) async fn begin(&self) -> Result<Mutation> {
        Ok(Mutation(match &self.engine {
            Engine::Sqlite { file, .. } => {
                file.check(&self.writers).await?;
                // Takes the write lock now. A deferred transaction that reads first fails when it wants to write later.
                self.writers.begin_with("BEGIN IMMEDIATE").await?
            }
            Engine::Memory => self.writers.begin_with("BEGIN IMMEDIATE").await?,
            Engine::Postgres => self.writers.begin().await?,
        }))
    }

    /// A mutation that may take as long as there is to do. On PostgreSQL every connection has limits of its own, but for these that
    /// of waiting for a lock stays.
    pub(super) async fn begin_long(&self) -> Result<Mutation> {
        let mut mutation = self.begin().await?;
        match &self.engine {
            Engine::Sqlite { .. } | Engine::Memory => {}
            Engine::Postgres => {
                for text in ["SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0"] {
                    mutation.execute(sqlx::query(text)).await?;
                }
            }
        }
        Ok(mutation)
    }

    /// Runs a script in one transaction that no other node has to hear of; answers as [`Script::run`].
    pub(super) async fn run(&self, script: Script) -> Result<bool> {
        match &self.engine {
            Engine::Sqlite { group, .. } => group.run(script).await,
            Engine::Memory | Engine::Postgres if script.is_one_statement() => {
                let mut connection = self.writers.acquire().await?;
                script.run(&mut connection).await
            }
            Engine::Memory | Engine::Postgres => {
                let mut mutation = self.begin().await?;
                let happened = script.run(mutation.connection()).await?;
                mutation.commit_silently().await?;
                Ok(happened)
            }
        }
    }

    /// Runs one statement that is a transaction of its own; answers how many rows it touched.
    pub(super) async fn execute_alone(&self, statement: Query<'_, Any, AnyArguments>) -> Result<u64> {
        match &self.engine {
            Engine::Sqlite { file, .. } => file.check(&self.writers).await?,
            Engine::Memory | Engine::Postgres => {}
        }
        Ok(statement.execute(&self.writers).await?.rows_affected())
    }
}

impl Mutation {
    /// Runs one statement; answers the row that it returns, if any.
    pub(super) async fn fetch(&mut self, statement: Query<'_, Any, AnyArguments>) -> Result<Option<AnyRow>> {
        Ok(statement.fetch_optional(&mut *self.0).await?)
    }

    /// Runs a statement about `$1` until it finds nothing: on PostgreSQL one that waited for another transaction does
    /// not see the rows that came from it.
    pub(super) async fn exhaust(&mut self, text: &'static str, id: &str) -> Result<()> {
        while self.execute(sqlx::query(text).bind(id)).await? > 0 {}
        Ok(())
    }

    /// The same for what is found among the few that have not been over for long, as seen at `$2`: the others are of no use to
    /// anybody, and are deleted as they age.
    pub(super) async fn exhaust_living(&mut self, text: &'static str, id: &str, at: i64) -> Result<()> {
        let since = at.saturating_sub(LEEWAY_FOR);
        while self.execute(sqlx::query(text).bind(id).bind(since)).await? > 0 {}
        Ok(())
    }

    /// Runs one statement; answers how many rows it touched.
    pub(super) async fn execute(&mut self, statement: Query<'_, Any, AnyArguments>) -> Result<u64> {
        Ok(statement.execute(&mut *self.0).await?.rows_affected())
    }

    /// Whether the statement finds a row.
    pub(super) async fn finds(&mut self, statement: Query<'_, Any, AnyArguments>) -> Result<bool> {
        Ok(statement.fetch_optional(&mut *self.0).await?.is_some())
    }

    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.0
    }

    /// Commits, and tells the other nodes. The counter comes last, so its lock is held for one round trip only.
    pub(super) async fn commit(mut self, kind: ChangeKind, object_id: &str, at: i64) -> Result<()> {
        self.note(kind, object_id, at).await?;
        Ok(self.0.commit().await?)
    }

    /// Tells the other nodes, once it is committed.
    pub(super) async fn note(&mut self, kind: ChangeKind, object_id: &str, at: i64) -> Result<()> {
        sqlx::query("UPDATE change_counter SET seq = seq + 1").execute(&mut *self.0).await?;
        sqlx::query("INSERT INTO change (seq, kind, object_id, changed_at) SELECT seq, $1, $2, $3 FROM change_counter")
            .bind(kind.as_str())
            .bind(object_id)
            .bind(at)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Commits what no other node has to hear of.
    pub(super) async fn commit_silently(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}
