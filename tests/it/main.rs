//! Everything that needs more than one module: one binary, one list.

mod store;
mod support;
