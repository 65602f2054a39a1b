//! The whole gateway through its real listeners, in front of a recording upstream. One file per topic.

mod admin;
mod binding;
mod certificates;
mod embedded;
mod enforcement;
mod framing;
mod hygiene;
mod limits;
mod paths;
mod protocols;
mod revocation;
mod tokens;
mod tunnels;
mod upstreams;
mod verify;
