//! The whole gateway through its real listeners, in front of a recording upstream. One file per topic.

mod admin;
mod binding;
mod browser_login;
mod cors;
mod embedded;
mod enforcement;
mod expiry;
mod framing;
mod grpc;
mod hygiene;
mod limits;
mod module;
mod overload;
mod paths;
mod protocols;
mod rate_limits;
mod resilience;
mod revocation;
mod tokens;
mod traces;
mod tunnels;
mod upstream_faults;
mod upstream_tls;
mod upstreams;
mod verify;
