//! What is stored, and which transitions are legal. Plain values.
//!
//! Nothing here does I/O, and nothing here can be serialized: what a client sees is decided in `web`.
//! Every `_at` is an instant in Unix seconds, every `_for` a length of time in seconds.

mod change;
mod entity;
mod key;
mod tenant;

pub use change::{Change, ChangeKind};
pub use entity::{ClientSecret, Entity, EntityGrant, EntityType, Permission, is_client_id, is_permission_name};
pub use entity::{is_display_name, is_scope_name};
pub use key::{KeyPurpose, KeySchedule, KeyState, StoredKey, signing_key};
pub use tenant::{Profile, Tenant};
