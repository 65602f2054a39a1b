//! The memory of proofs that all nodes share, in the store.
//!
//! Owns the bridge. What a proof is, is `jose`'s business, and when it is asked about, `enforce`'s.

use std::sync::Arc;

use async_trait::async_trait;

use crate::enforce::{ProofMemory, Unknown};
use crate::store::{Lease, Store};

/// Under this the store remembers proofs; the token endpoint does so, too.
const KIND: &str = "dpop";

pub(super) struct StoredProofs(pub Arc<dyn Store>);

#[async_trait]
impl ProofMemory for StoredProofs {
    async fn is_first(&self, id: &str, now: i64, expires_at: i64) -> Result<bool, Unknown> {
        let first = self.0.remember_once(KIND, id, Lease { now, expires_at }).await;
        first.map_err(|error| {
            tracing::warn!(store.error = %error, "nobody can say whether a DPoP proof is new");
            Unknown
        })
    }
}
