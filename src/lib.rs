//! Faregate: an API gateway that checks tokens at the gate.
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod policy;
pub mod route;
pub mod secret;
