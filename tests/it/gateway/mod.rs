//! The whole gateway through its real listeners, in front of a recording upstream. One file per topic.

mod admin;
mod binding;
mod browser_login;
mod embedded;
mod enforcement;
mod expiry;
mod forwarded_jwt;
mod framing;
mod grpc;
mod hygiene;
mod limits;
mod module;
mod paths;
mod protocols;
mod resilience;
mod revocation;
mod tokens;
mod traces;
mod tunnels;
mod upstream_faults;
mod upstream_tls;
mod upstreams;
mod verify;
