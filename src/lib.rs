//! Faregate: an API gateway that checks tokens at the gate.
#![forbid(unsafe_code)]

pub mod cli;
pub mod serve;

pub mod config;
pub mod gateway;
pub mod route;

pub mod web;

pub mod oauth;

pub mod profile;

pub mod directory;

pub mod enforce;
pub mod policy;

pub mod jose;
pub mod model;
pub mod store;

pub mod clock;
pub mod entropy;
pub mod events;
pub mod metrics;
pub mod secret;
pub mod telemetry;
