//! Group commit for a SQLite file: scripts that wait at the same time share a transaction, and so one flush to the disk.
//! Nobody is answered before it. It does not know what the scripts are about.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::AnyPool;
use tokio::sync::oneshot;

use super::script::Script;
use super::sqlite::DatabaseFile;
use super::{Result, StoreError};

/// Most scripts in one transaction.
const LARGEST: usize = 128;

/// The scripts that wait for the writer of a SQLite file.
#[derive(Debug)]
pub(super) struct Group {
    file: Arc<DatabaseFile>,
    writers: AnyPool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether somebody is there who will take what waits.
    served: bool,
}

#[derive(Debug)]
struct Waiting {
    script: Script,
    answer: oneshot::Sender<Result<bool>>,
}

impl Group {
    pub(super) fn new(file: Arc<DatabaseFile>, writers: AnyPool) -> Self {
        Self { file, writers, queue: Mutex::default() }
    }

    /// Runs the script with others; answers as [`Script::run`] once it is on the disk. Whoever stops waiting before it has
    /// begun takes it back.
    pub(super) async fn run(self: &Arc<Self>, script: Script) -> Result<bool> {
        let (answer, answered) = oneshot::channel();
        let served = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.waiting.push(Waiting { script, answer });
            std::mem::replace(&mut queue.served, true)
        };
        if !served {
            tokio::spawn(Arc::clone(self).serve());
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the writer stopped".into())))
    }

    async fn serve(self: Arc<Self>) {
        while self.has_more() {
            // In a task of its own: whatever happens to one batch, the next is served.
            let _ = tokio::spawn(Arc::clone(&self).commit_next()).await;
        }
    }

    /// Whether anybody waits. If not, the next to come finds nobody serving.
    fn has_more(&self) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.served = !queue.waiting.is_empty();
        queue.served
    }

    fn take(&self) -> Vec<Waiting> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queue.waiting.len().min(LARGEST);
        queue.waiting.drain(..count).collect()
    }

    async fn commit_next(self: Arc<Self>) {
        // The connection first: everybody who comes while others write is in this batch.
        let mut transaction = match self.begin().await {
            Ok(transaction) => transaction,
            Err(error) => {
                return answer_all(self.take(), &error);
            }
        };
        let mut batch = self.take();
        batch.retain(|waiting| !waiting.answer.is_closed());
        let mut results = Vec::with_capacity(batch.len());
        for waiting in &batch {
            match waiting.script.run(&mut transaction).await {
                Ok(happened) => results.push(happened),
                Err(error) => {
                    let _ = transaction.rollback().await;
                    return self.run_alone(batch, results.len(), error).await;
                }
            }
        }
        if let Err(error) = transaction.commit().await {
            return answer_all(batch, &error.into());
        }
        for (waiting, happened) in batch.into_iter().zip(results) {
            let _ = waiting.answer.send(Ok(happened));
        }
    }

    /// One script of the batch failed, so nothing of it happened: it gets its error, the others a transaction each.
    async fn run_alone(&self, batch: Vec<Waiting>, failed: usize, error: StoreError) {
        let mut error = Some(error);
        for (number, waiting) in batch.into_iter().enumerate() {
            let result = match error.take_if(|_| number == failed) {
                Some(error) => Err(error),
                None => self.commit_one(&waiting.script).await,
            };
            let _ = waiting.answer.send(result);
        }
    }

    async fn commit_one(&self, script: &Script) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let happened = script.run(&mut transaction).await?;
        transaction.commit().await?;
        Ok(happened)
    }

    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Any>> {
        self.file.check(&self.writers).await?;
        Ok(self.writers.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn answer_all(batch: Vec<Waiting>, error: &StoreError) {
    for waiting in batch {
        let _ = waiting.answer.send(Err(same(error)));
    }
}

/// The error again, for everybody whom it concerns.
fn same(error: &StoreError) -> StoreError {
    match error {
        StoreError::Conflict(unique) => StoreError::Conflict(*unique),
        StoreError::Missing(object) => StoreError::Missing(*object),
        StoreError::InUse(object) => StoreError::InUse(*object),
        StoreError::ReadOnly => StoreError::ReadOnly,
        StoreError::Full => StoreError::Full,
        StoreError::Unavailable(cause) => StoreError::Unavailable(cause.to_string().into()),
        StoreError::Corrupt(text) => StoreError::Corrupt(text.clone()),
    }
}
