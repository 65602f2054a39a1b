//! Everything that needs more than one module: one binary, one list.

mod cli;
mod config;
mod gateway;
mod store;
mod support;
