//! The whole gateway through its real listeners, in front of a recording upstream. One file per topic.

mod admin;
mod binding;
mod browser_login;
mod certificates;
mod embedded;
mod enforcement;
mod framing;
mod hygiene;
mod limits;
mod module;
mod paths;
mod protocols;
mod revocation;
mod tokens;
mod traces;
mod tunnels;
mod upstreams;
mod verify;
