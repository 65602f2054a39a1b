//! The event log: what was told, written to the store in batches, off the path of every request.
//!
//! Owns when it is written and how much waits in memory. What is worth an entry `events` decides. The log line is the
//! durable record: what waits here is lost if the process dies.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::events::{self, Inbox};
use crate::model::{EventKind, LoggedEvent};
use crate::store::{EventSearch, Result, Store};

/// Between two writes.
const WRITE_INTERVAL: Duration = Duration::from_millis(250);

/// Entries of one transaction.
const BATCH: usize = 500;

/// Entries in a minute about requests that were refused to clients with `debug`, at most. Anybody can make such requests, and
/// the log forgets its oldest entry for each new one.
const DEBUG_ENTRIES: i64 = 60;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Seconds.
    pub keep_for: i64,
    pub entries: i64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { keep_for: 90 * 86_400, entries: 100_000 }
    }
}

/// Writes and reads the log. Share it in an `Arc`.
pub struct EventLog {
    store: Arc<dyn Store>,
    clock: Clock,
    keep: Keep,
    inbox: Arc<Inbox>,
    /// Taken from the inbox and not written yet: one writer at a time, in the order in which things were told.
    unwritten: tokio::sync::Mutex<Vec<(EventKind, String)>>,
    /// The store did not answer the last time, and that was said.
    was_silent: Mutex<bool>,
    debugged: Mutex<Debugged>,
}

/// How many entries of one minute were about refused requests.
#[derive(Default)]
struct Debugged {
    /// Since the epoch.
    minute: i64,
    entries: i64,
}

impl EventLog {
    /// Listens from here on.
    pub fn new(store: Arc<dyn Store>, clock: Clock, keep: Keep) -> Self {
        let (unwritten, was_silent, debugged) = (tokio::sync::Mutex::default(), Mutex::default(), Mutex::default());
        Self { store, clock, keep, inbox: events::listen(), unwritten, was_silent, debugged }
    }

    /// Writes for as long as it is polled.
    pub async fn follow(&self) {
        loop {
            tokio::time::sleep(WRITE_INTERVAL).await;
            self.flush().await;
        }
    }

    /// Writes what was told so far. What cannot be written is kept for the next time, up to the inbox's size.
    pub async fn flush(&self) {
        let mut unwritten = self.unwritten.lock().await;
        let mut looked_at = 0..unwritten.len();
        self.inbox.take(&mut unwritten);
        unwritten
            .retain(|(kind, _)| looked_at.next().is_some() || *kind != EventKind::Debug || self.has_room_to_debug());
        while !unwritten.is_empty() {
            let batch = unwritten.len().min(BATCH);
            let outcome = self.store.append_events(&unwritten[..batch], self.clock.now(), self.keep.entries).await;
            let mut was_silent = self.was_silent.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(()) => {
                    *was_silent = false;
                    unwritten.drain(..batch);
                }
                Err(error) => {
                    if !std::mem::replace(&mut *was_silent, true) {
                        tracing::warn!(store.error = %error, "The event log cannot be written; trying again.");
                    }
                    return;
                }
            }
        }
    }

    fn has_room_to_debug(&self) -> bool {
        let minute = self.clock.now().div_euclid(60);
        let mut debugged = self.debugged.lock().unwrap_or_else(PoisonError::into_inner);
        if debugged.minute != minute {
            *debugged = Debugged { minute, entries: 0 };
        }
        debugged.entries += 1;
        debugged.entries <= DEBUG_ENTRIES
    }

    /// Deletes what is too old.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget(&self) -> Result<u64> {
        self.store.forget_events(self.clock.now() - self.keep.keep_for).await
    }

    /// # Errors
    /// The store's.
    pub async fn find(&self, id: i64) -> Result<Option<LoggedEvent>> {
        self.flush().await;
        self.store.find_event(id).await
    }

    /// What was told on this node is found at once, on others within a second.
    ///
    /// # Errors
    /// The store's.
    pub async fn search(&self, search: &EventSearch) -> Result<(Vec<LoggedEvent>, u64)> {
        self.flush().await;
        self.store.search_events(search).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Event;
    use crate::store::EventSearch;
    use crate::store::sql::{Options, SqlStore};

    // L13, F-013: what anybody can cause does not push out what administrators did
    #[tokio::test]
    async fn refused_requests_do_not_fill_the_log() {
        let store = SqlStore::open("sqlite::memory:", &Options::default()).await.unwrap();
        let clock = Clock::fixed(1_800_000_000);
        let log = EventLog::new(Arc::new(store), clock.clone(), Keep::default());
        let of = async |kind| {
            let (text, order) = (String::new(), Vec::new());
            let (from_at, until_at) = (0, i64::MAX);
            let search = EventSearch { text, kind: Some(kind), from_at, until_at, order, limit: 1, offset: 0 };
            log.search(&search).await.unwrap().1
        };
        for (minute, expected) in [(0, 60), (1, 120)] {
            clock.set(1_800_000_000 + 60 * minute);
            for number in 0..150 {
                events::tell_developer(|| format!("refused {number}"));
            }
            Event::ApiKeyCreated.tell("k");
            assert_eq!(of(EventKind::Debug).await, expected);
        }
        assert!(of(EventKind::Information).await >= 2);
    }
}
