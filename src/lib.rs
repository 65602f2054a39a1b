//! Faregate: an API gateway that checks tokens at the gate.
#![forbid(unsafe_code)]

pub mod web;

pub mod oauth;
pub mod profile;

pub mod directory;
pub mod model;
pub mod store;

pub mod clock;
pub mod entropy;
pub mod jose;
pub mod secret;
