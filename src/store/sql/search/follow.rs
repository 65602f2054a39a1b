//! What is searched in memory, as new as the store: read once, then by the feed of changes.
//!
//! Owns when the texts are read, read again, or not kept at all. How they are searched is in `index`.

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _, query};
use tokio::sync::{RwLock, watch};
use uuid::Uuid;

use super::index::{Entry, Index, KEYS, Question};
use super::{AT_ONCE, Table, rows_of};
use crate::model::{Change, ChangeKind};
use crate::store::sql::columns::read_id;
use crate::store::sql::{Result, StoreError, feed};

/// Objects read at once in the beginning.
const PAGE: i64 = 5_000;

/// Changes read at once.
const CHANGES: u32 = 1_000;

/// Changed objects up to which they are read one by one; from there on everything is read again.
const MOST_CHANGED: usize = 5_000;

/// How long a search waits for the texts to be read, before it asks the database as if there were no index.
const PATIENCE: Duration = Duration::from_millis(500);

/// The texts of a table.
#[derive(Debug)]
pub(in crate::store::sql) struct Followed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: &'static Table,
    readers: AnyPool,
    /// Objects that are kept in memory at most.
    most: usize,
    texts: RwLock<Texts>,
    phase: watch::Sender<Phase>,
}

#[derive(Debug, Default)]
struct Texts {
    index: Index,
    /// The change up to which they are right.
    seq: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody has asked yet.
    Unread,
    Reading,
    Read,
    /// There are too many.
    TooMany,
}

impl Followed {
    /// Reads nothing yet: a gateway whose users nobody searches keeps none in memory.
    pub(in crate::store::sql) fn new(table: &'static Table, readers: AnyPool, most: usize) -> Self {
        let phase = if most == 0 { Phase::TooMany } else { Phase::Unread };
        let (texts, phase) = (RwLock::default(), watch::Sender::new(phase));
        Self(Arc::new(Shared { table, readers, most, texts, phase }))
    }

    pub(super) fn table(&self) -> &'static Table {
        self.0.table
    }

    /// The ids of the page and how many objects there are, as of now; `None` while they are not in memory.
    pub(super) async fn answer(&self, question: &Question<'_>) -> Result<Option<(Vec<Uuid>, usize)>> {
        // Again if so much changed that everything has to be read once more.
        for _ in 0..2 {
            if !self.0.is_read().await {
                break;
            }
            // Whatever was written before the question is in the answer.
            let seq = feed::latest_in(&self.0.readers).await?;
            {
                let texts = self.0.texts.read().await;
                if texts.seq >= seq {
                    return Ok(Some(texts.index.answer(question)));
                }
            }
            let mut texts = self.0.texts.write().await;
            if self.0.catch_up(&mut texts, seq).await? {
                return Ok(Some(texts.index.answer(question)));
            }
            *texts = Texts::default();
            self.0.phase.send_replace(Phase::Unread);
        }
        Ok(None)
    }
}

/// Texts that are being read. However that ends, they are not for ever.
struct Reading(Arc<Shared>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.phase.send_if_modified(|phase| {
            let is_left = *phase == Phase::Reading;
            if is_left {
                *phase = Phase::Unread;
            }
            is_left
        });
    }
}

impl Shared {
    /// Whether the texts are there, at most [`PATIENCE`] from now. The first who asks has them read, and goes on without
    /// them if that takes longer.
    async fn is_read(self: &Arc<Self>) -> bool {
        let mut phase = self.phase.subscribe();
        let begins = self.phase.send_if_modified(|phase| {
            let begins = *phase == Phase::Unread;
            if begins {
                *phase = Phase::Reading;
            }
            begins
        });
        if begins {
            let reading = Reading(Arc::clone(self));
            tokio::spawn(async move { reading.0.read().await });
        }
        let waited = tokio::time::timeout(PATIENCE, phase.wait_for(|phase| *phase != Phase::Reading)).await;
        matches!(waited, Ok(Ok(phase)) if *phase == Phase::Read)
    }

    /// In a task of its own, so that it does not end with the deadline of the search that wanted it.
    async fn read(&self) {
        let mut texts = self.texts.write().await;
        let phase = match self.read_all().await {
            Ok(Some(read)) => {
                *texts = read;
                Phase::Read
            }
            Ok(None) => Phase::TooMany,
            // Whoever asks next tries again.
            Err(error) => {
                tracing::warn!(store.error = %error, "the names to search in cannot be read; the store searches itself");
                Phase::Unread
            }
        };
        drop(texts);
        self.phase.send_replace(phase);
    }

    /// `None`: there are too many.
    async fn read_all(&self) -> Result<Option<Texts>> {
        // What changes while they are read is read again.
        let mut texts = Texts { index: Index::default(), seq: feed::latest_in(&self.readers).await? };
        let select = format!("{} WHERE id > $1 ORDER BY id LIMIT $2", self.select());
        let mut last = String::new();
        loop {
            let page = query(AssertSqlSafe(select.as_str())).bind(last.as_str()).bind(PAGE);
            let rows = page.fetch_all(&self.readers).await?;
            for row in &rows {
                texts.index.put(&entry(row)?);
            }
            if texts.index.len() > self.most {
                return Ok(None);
            }
            match rows.last() {
                Some(row) => last = row.try_get("id")?,
                None => return Ok(Some(settled(texts).await?)),
            }
        }
    }

    fn select(&self) -> String {
        let [first, second, third] = self.table.keys;
        let name = self.table.name;
        format!("SELECT id, tenant_id, created_at, {first} AS key_0, {second} AS key_1, {third} AS key_2 FROM {name}")
    }

    /// Reads what changed up to `seq`; answers whether the texts can be made right by that. Doing half of it does no harm.
    async fn catch_up(&self, texts: &mut Texts, seq: i64) -> Result<bool> {
        let (mut heard, mut ids) = (texts.seq, Vec::new());
        while heard < seq {
            let changes = feed::changes_in(&self.readers, heard, CHANGES).await?;
            match changes.first() {
                Some(first) if first.seq == heard + 1 => {}
                // Some were forgotten before we heard of them.
                Some(_) | None => return Ok(false),
            }
            heard = changes.last().map_or(heard, |last| last.seq);
            let ours = |change: &&Change| change.kind == self.table.kind;
            ids.extend(changes.iter().filter(ours).flat_map(Change::object_ids));
            // A tenant goes with everything in it, and nobody counts what that was.
            for tenant in changes.iter().filter(|change| change.kind == ChangeKind::Tenant) {
                let still = query("SELECT id FROM tenant WHERE id = $1").bind(tenant.object_id.as_str());
                if still.fetch_optional(&self.readers).await?.is_none() {
                    return Ok(false);
                }
            }
            if ids.len() > MOST_CHANGED {
                return Ok(false);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        for some in ids.chunks(AT_ONCE) {
            let rows = rows_of(&self.readers, (&self.select(), "id"), some).await?;
            let entries = rows.iter().map(entry).collect::<Result<Vec<_>>>()?;
            for id in some {
                match entries.iter().find(|entry| entry.id == *id) {
                    Some(entry) => texts.index.put(entry),
                    None => texts.index.remove(*id),
                }
            }
        }
        texts.index.settle();
        texts.seq = heard;
        Ok(texts.index.len() <= self.most)
    }
}

/// Sorting many texts takes a while, during which a thread would do nothing else.
async fn settled(mut texts: Texts) -> Result<Texts> {
    let sorting = tokio::task::spawn_blocking(move || {
        texts.index.settle();
        texts
    });
    sorting.await.map_err(|error| StoreError::Unavailable(Box::new(error)))
}

fn entry(row: &AnyRow) -> Result<Entry> {
    let mut keys: [String; KEYS] = Default::default();
    for (at, key) in keys.iter_mut().enumerate() {
        *key = row.try_get::<Option<String>, _>(["key_0", "key_1", "key_2"][at])?.unwrap_or_default();
    }
    Ok(Entry {
        id: read_id(row, "id")?,
        tenant_id: read_id(row, "tenant_id")?,
        created_at: row.try_get("created_at")?,
        keys,
    })
}
