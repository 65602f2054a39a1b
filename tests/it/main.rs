//! Everything that needs more than one module: one binary, one list.

mod config;
mod store;
mod support;
