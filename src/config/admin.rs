//! `admin:` - the listener for metrics, health and status.
//!
//! Owns where it may be: never where the public is (hardening rules K12, O8).

use std::net::{Ipv4Addr, SocketAddr};

use super::check::Check;
use super::lint::Lint;
use super::listen::{Listener, conflict};
use super::node::{Node, Value};
use super::problem::Span;
use super::scalar;

/// `None` if it is switched off.
pub(super) fn check(
    node: Option<&Node>,
    listeners: &[Listener],
    listen: Span,
    check: &mut Check<'_>,
) -> Option<SocketAddr> {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 9090));
    let (address, span) = match node {
        None => (default, None),
        Some(node) => match &node.value {
            Value::Scalar(scalar) if scalar.text == "false" => return None,
            Value::Null | Value::Scalar(_) | Value::List(_) | Value::Map(_) | Value::Unusable => {
                (check.parsed(node, scalar::address)?, Some(node.span))
            }
        },
    };
    if let Some(listener) = listeners.iter().find(|listener| conflict(listener.address, address)) {
        check.refuse_with_help(
            span.unwrap_or(listen),
            format!("the admin listener {address} and the public listener {} are the same", listener.address),
            "admin: 127.0.0.1:9091, or `admin: false`",
        );
    }
    if let Some(span) = span.filter(|_| !address.ip().is_loopback()) {
        let message = format!("the admin listener {address} can be reached from other machines");
        check.warn(
            span,
            Lint::AdminListenerReachable,
            message,
            "listen on 127.0.0.1, or make sure that a firewall stands before it",
        );
    }
    Some(address)
}
