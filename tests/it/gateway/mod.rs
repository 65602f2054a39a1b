//! The whole gateway through its real listeners, in front of a recording upstream. One file per topic.

mod admin;
mod browser_login;
mod cors;
mod embedded;
mod enforcement;
mod framing;
mod hygiene;
mod limits;
mod module;
mod overload;
mod paths;
mod protocols;
mod rate_limits;
mod revocation;
mod tokens;
mod traces;
mod tunnels;
mod upstreams;
mod verify;
