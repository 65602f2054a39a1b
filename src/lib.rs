//! Faregate: an API gateway that checks tokens at the gate.
#![forbid(unsafe_code)]

pub mod directory;
pub mod model;
pub mod store;

pub mod clock;
pub mod entropy;
pub mod events;
pub mod secret;
