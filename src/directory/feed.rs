//! How a node hears of the others' writes: by asking the store for changes. It does not decide what others do with the
//! news; keys and revocations are reloaded by those who own them.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Directory;
use crate::model::{Change, ChangeKind};
use crate::store::Result;

/// Changes asked for at once.
const PAGE: u32 = 1_000;

/// What following the feed brings.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    Changes(&'a [Change]),
    /// Changes may have been missed: load everything again. Also the first news of all.
    Missed,
    /// The store does not answer; what is in memory may be old.
    Silent,
}

impl Directory {
    /// Forgets what `changes` may have made wrong.
    pub fn absorb(&self, changes: &[Change]) {
        let concerns_us = |change: &Change| match change.kind {
            ChangeKind::Tenant | ChangeKind::EntityType | ChangeKind::Entity | ChangeKind::Grant => true,
            ChangeKind::Application | ChangeKind::User | ChangeKind::Other => true,
            ChangeKind::Key | ChangeKind::Revocation => false,
        };
        if changes.iter().any(concerns_us) {
            self.cache.flush();
        }
    }

    /// How long ago the store last answered what had changed; `None`: not yet.
    pub fn heard_ago(&self) -> Option<Duration> {
        self.heard_at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    /// Asks for changes every `interval`, for ever; absorbs them and then tells `also`. While the store is silent
    /// nothing is answered from memory, so that the token endpoint says 503 instead of trusting what may be revoked.
    pub async fn follow(&self, interval: Duration, mut also: impl FnMut(News<'_>) + Send) {
        let (mut heard, mut was_silent) = (None, false);
        loop {
            let heard_now = self.news_since(&mut heard, &mut also).await;
            if heard_now.is_ok() {
                *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            match heard_now {
                Ok(()) if was_silent => {
                    was_silent = false;
                    tracing::info!("The store answers again.");
                }
                Ok(()) => {}
                Err(error) => {
                    if !was_silent {
                        was_silent = true;
                        tracing::warn!(store.error = %error, "The store does not answer; asking again.");
                    }
                    heard = None;
                    self.cache.flush();
                    also(News::Silent);
                }
            }
            tokio::time::sleep(interval).await;
        }
    }

    async fn news_since(&self, heard: &mut Option<i64>, also: &mut (impl FnMut(News<'_>) + Send)) -> Result<()> {
        let Some(mut seq) = *heard else {
            *heard = Some(self.store.latest_change().await?);
            self.cache.flush();
            also(News::Missed);
            return Ok(());
        };
        loop {
            let changes = self.store.changes_since(seq, PAGE).await?;
            let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
                return Ok(());
            };
            if first.seq == seq + 1 {
                self.absorb(&changes);
                also(News::Changes(&changes));
            } else {
                self.cache.flush();
                also(News::Missed);
            }
            seq = last.seq;
            *heard = Some(seq);
        }
    }
}
