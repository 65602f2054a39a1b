#![doc = include_str!("ARCHITECTURE.md")]
#![forbid(unsafe_code)]
#![deny(rustdoc::broken_intra_doc_links)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// What is typed, and how the parts are put together.
pub mod cli;
pub mod config;
pub mod serve;

// The life of a request.
pub mod gateway;
pub mod route;

// Our own paths: HTTP, protocol, dialects, and what administrators manage.
pub mod api;
pub mod directory;
pub mod oauth;
pub mod profile;
pub mod web;

// Protected upstreams: who is asking, and may they?
pub mod browsers;
pub mod enforce;
pub mod issuers;
pub mod policy;

// What both stand on.
pub mod jose;
pub mod model;
pub mod store;

pub mod clock;
pub mod entropy;
pub mod event_log;
pub mod events;
pub mod metrics;
pub mod revocations;
pub mod secret;
pub mod telemetry;
