//! Faregate: an API gateway that checks tokens at the gate.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod directory;
pub mod enforce;
pub mod entropy;
pub mod events;
pub mod gateway;
pub mod jose;
pub mod metrics;
pub mod model;
pub mod policy;
pub mod route;
pub mod secret;
pub mod store;
pub mod telemetry;
