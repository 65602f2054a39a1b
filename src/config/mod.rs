//! Configuration: YAML text to checked values, every problem reported at once with its place in the file.
//!
//! Owns the syntax of the file and the meaning of every key. It opens no socket and no store, and knows no default that
//! another module could change.

pub mod directory;
mod environment;
mod problem;
mod source;
pub mod tests;
mod values;

pub use environment::Environment;
pub use problem::{Layer, Problem, SHOWN, Severity, Span, render_all};
pub use source::Source;
pub use values::*;
