//! Which route is this request for? Raw paths become canonical ones, patterns become a [`RouteTable`], and a table finds
//! the most specific route with its path parameters. It knows no methods and no policy.
//!
//! The order of use is part of the safety: a path is made [`canonical`] once, the table is asked with the result, and the
//! same bytes are sent to the upstream (hardening rule F19).
//!
//! ```text
//! /health              the path itself, with or without one slash at the end
//! /api/**              /api, /api/ and everything below it
//! /api/*/status        any one segment
//! /mail/{entity}/send  any one segment, captured
//! ```

mod host;
pub mod path;
mod pattern;
mod segment;
mod table;
mod trie;

pub use host::Host;
pub use path::{PathError, canonical};
pub use pattern::{Pattern, PatternError, Segment};
pub use table::{ConflictError, Match, PathParameters, RouteTable};
