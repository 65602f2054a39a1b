//! Which proofs were used, where there is no store to ask: in this process, for as long as they could be used again.
//!
//! Owns the memory. Several processes do not know of each other's proofs: a proof is good once in each of them.

use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;

use crate::enforce::{ProofMemory, Unknown};
use crate::jose::dpop::LIVES_FOR;

/// Of proofs that were right: nobody fills this without tokens and their keys.
const MOST: u64 = 1_000_000;

pub(super) struct OwnProofs(Cache<String, ()>);

impl Default for OwnProofs {
    fn default() -> Self {
        let kept_for = Duration::from_secs(2 * LIVES_FOR.unsigned_abs());
        Self(Cache::builder().max_capacity(MOST).time_to_live(kept_for).build())
    }
}

#[async_trait]
impl ProofMemory for OwnProofs {
    async fn is_first(&self, id: &str, _now: i64, _expires_at: i64) -> Result<bool, Unknown> {
        Ok(self.0.entry_by_ref(id).or_insert(()).is_fresh())
    }
}
