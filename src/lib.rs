//! Faregate is an API gateway that checks tokens at the gate. This crate is that check for programs of your own: it finds
//! the token of a request, verifies it with its issuer's keys, and decides by rules whether the request may pass.
//!
//! An [`Enforcer`] believes some issuers. A [`Guard`], made from the text of a rule, says what a request must carry. A check
//! ends in a [`Permit`], which says who is asking, or in a [`Refusal`], which says what to answer.
//!
//! ```
//! use faregate::{Enforcer, Issuer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let enforcer = Enforcer::builder()
//!     .issuer(Issuer::at("https://idp.example.com").audience("orders"))
//!     .build()?;
//! // Fetches the issuer's keys and keeps them up to date.
//! tokio::spawn(enforcer.follow());
//!
//! let guard = enforcer.guard("any: [scope orders:read, role admin]")?;
//! let request = http::Request::get("https://orders.example.com/orders/1").body(())?;
//! match enforcer.check(&guard, (&request).into()).await {
//!     Ok(permit) => println!("{:?} may pass", permit.identity().map(|identity| identity.subject())),
//!     Err(refusal) => {
//!         // This request has no token.
//!         assert_eq!((refusal.status().as_u16(), refusal.code()), (401, "no_token"));
//!         assert_eq!(refusal.challenge(), Some("Bearer realm=\"faregate\", scope=\"orders:read\""));
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Rules
//!
//! ```text
//! public                                  no token needed
//! authenticated                           any accepted token
//! scope orders:read orders:list           all of these scopes
//! any scope orders:read orders:admin      one of these scopes
//! role admin
//! acr gold                                how the person authenticated; `acr in [gold, platinum]` for one of several
//! authenticated within 5m                 how long ago, by the token's `auth_time`
//! permission send on mail-service         an entity permission
//! claim department == sales               or: claim level in [1, 2], claim org == {org}
//! all: [role admin, scope a]              any: [role admin, scope a]              not: role banned
//! ```
//!
//! Rules may be bound to paths: [`EnforcerBuilder::route`] and [`Enforcer::check_route`]. Or they come from a file with the
//! `issuers:` and `routes:` of the gateway's configuration, which can say more of both than a builder:
//!
//! ```
//! # fn main() -> Result<(), faregate::BuildError> {
//! let enforcer = faregate::Enforcer::from_config(r#"
//! issuers:
//!   corp: { issuer: "https://idp.example.com", audience: orders, claims: { roles: realm_access.roles } }
//! upstreams: { here: "builtin:elsewhere" }
//! routes:
//!   /health: { upstream: here, public: true }
//!   /orders/**: { upstream: here, require: { GET: scope orders:read, "*": role clerk } }
//! "#)?;
//! # Ok(())
//! # }
//! ```
//!
//! # In front of upstreams
//!
//! A [Pingora](https://docs.rs/pingora) proxy adds [`FaregateModule`]: requests without a permit go no further, and those
//! with one lose the token and gain the fields of an identity that an upstream may believe. `examples/pingora_module.rs` is
//! a whole one.
//!
//! # What it does for you, and what it does not
//!
//! Whatever cannot be decided is refused with 503. Tokens are remembered once they are verified, in bounded memory, and asked
//! for their expiry at every use; decisions are made anew every time. No token is ever logged. Requests of its own go to the
//! issuers only: a server that calls itself its issuer's key set can answer slowly, endlessly or not at all without harm to
//! others.
//!
//! It issues no tokens and hears of no logouts: those are the gateway's, which is the program of the same name in this
//! package.

#![forbid(unsafe_code)]
#![deny(rustdoc::broken_intra_doc_links)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub use gateway::{FaregateModule, FollowIssuers};
pub use library::{BuildError, Enforcer, EnforcerBuilder, Guard, Identity, Issuer, Permit, Refusal, Request};

// Everything below is for the binary, the benchmarks and the tests of this package: no part of it is promised to others.
// `--cfg internals` documents it.

#[cfg(doc)]
#[doc = include_str!("ARCHITECTURE.md")]
mod architecture {}

// What is typed, and how the parts are put together.
#[cfg_attr(not(internals), doc(hidden))]
pub mod cli;
#[cfg_attr(not(internals), doc(hidden))]
pub mod config;
mod library;
#[cfg_attr(not(internals), doc(hidden))]
pub mod serve;

// The life of a request.
#[cfg_attr(not(internals), doc(hidden))]
pub mod gateway;
#[cfg_attr(not(internals), doc(hidden))]
pub mod route;

// Our own paths: HTTP, protocol, dialects, and what administrators manage.
#[cfg_attr(not(internals), doc(hidden))]
pub mod api;
#[cfg_attr(not(internals), doc(hidden))]
pub mod directory;
#[cfg_attr(not(internals), doc(hidden))]
pub mod oauth;
#[cfg_attr(not(internals), doc(hidden))]
pub mod profile;
#[cfg_attr(not(internals), doc(hidden))]
pub mod web;

// Protected upstreams: who is asking, and may they?
#[cfg_attr(not(internals), doc(hidden))]
pub mod browsers;
#[cfg_attr(not(internals), doc(hidden))]
pub mod enforce;
#[cfg_attr(not(internals), doc(hidden))]
pub mod issuers;
#[cfg_attr(not(internals), doc(hidden))]
pub mod policy;

// What both stand on.
#[cfg_attr(not(internals), doc(hidden))]
pub mod jose;
#[cfg_attr(not(internals), doc(hidden))]
pub mod model;
#[cfg_attr(not(internals), doc(hidden))]
pub mod store;

#[cfg_attr(not(internals), doc(hidden))]
pub mod clock;
#[cfg_attr(not(internals), doc(hidden))]
pub mod codes;
#[cfg_attr(not(internals), doc(hidden))]
pub mod entropy;
#[cfg_attr(not(internals), doc(hidden))]
pub mod event_log;
#[cfg_attr(not(internals), doc(hidden))]
pub mod events;
#[cfg_attr(not(internals), doc(hidden))]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg_attr(not(internals), doc(hidden))]
pub mod metrics;
#[cfg_attr(not(internals), doc(hidden))]
pub mod peer;
#[cfg_attr(not(internals), doc(hidden))]
pub mod percent;
#[cfg_attr(not(internals), doc(hidden))]
pub mod revocations;
#[cfg_attr(not(internals), doc(hidden))]
pub mod secret;
#[cfg_attr(not(internals), doc(hidden))]
pub mod telemetry;
