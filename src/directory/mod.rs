//! What administrators manage: tenants, entity types, entities and grants. Every rule about them is checked here, and
//! the token path reads them here, from memory.
//!
//! It does not know how a command arrived, nor what a token looks like.

mod cache;
pub mod declare;
mod entities;
mod entity_types;
mod error;
mod feed;
mod grants;
mod lookup;
mod rules;
mod tenants;

use std::sync::Arc;

pub use entities::{NewEntity, WithSecret};
pub use entity_types::{NewEntityType, NewPermission};
pub use error::{DirectoryError, FieldCode, FieldError};
pub use feed::News;
pub use grants::NewGrant;
pub use tenants::NewTenant;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::events::Event;
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
        Self { store, clock, entropy, cache: cache::Cache::new() }
    }

    /// After every write of our own: nothing older is answered from memory, and the auditor hears of it.
    fn told(&self, event: Event, object_id: &str) {
        self.cache.flush();
        event.tell(object_id);
    }
}

fn no_errors(errors: impl IntoIterator<Item = FieldError>) -> Result<(), DirectoryError> {
    let errors: Vec<FieldError> = errors.into_iter().collect();
    if errors.is_empty() { Ok(()) } else { Err(DirectoryError::Invalid(errors)) }
}

#[cfg(test)]
mod tests;
