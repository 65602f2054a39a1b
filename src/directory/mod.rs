//! What administrators manage: tenants, entity types, entities and grants. Every rule about them is checked here, and
//! the token path reads them here, from memory.
//!
//! It does not know how a command arrived, nor what a token looks like.

mod cache;
mod error;
mod feed;
mod lookup;

use std::sync::Arc;

pub use error::{DirectoryError, FieldCode, FieldError};
pub use feed::News;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::store::Store;

/// The administrators' commands and the token path's lookups. Share it in an `Arc`.
pub struct Directory {
    store: Arc<dyn Store>,
    clock: Clock,
    entropy: Entropy,
    cache: cache::Cache,
}

impl Directory {
    pub fn new(store: Arc<dyn Store>, clock: Clock, entropy: Entropy) -> Self {
        Self {
            store,
            clock,
            entropy,
            cache: cache::Cache::new(),
        }
    }
}
