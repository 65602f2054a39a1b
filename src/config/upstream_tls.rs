//! `tls`, `sni` and `insecure` of an upstream: how the gateway knows its servers, and how they know the gateway.
//!
//! Owns their syntax and that the files can be used. It opens no connection.

use std::path::PathBuf;

use openssl::x509::X509;

use super::check::{Check, Fields};
use super::lint::Lint;
use super::listen::{self, KeyPair};
use super::node::{Node, Value};
use super::problem::Span;
use super::scalar;
use super::values::{Server, UpstreamTls};

pub(super) const KEYS: &[&str] = &["ca", "certificate", "key", "server_name"];

/// The part of an upstream that is about TLS, before it is known whether there is any.
pub(super) struct Draft {
    /// What `tls` says; `None` leaves it to the servers' schemes.
    pub wanted: Option<bool>,
    ca: Option<PathBuf>,
    client: Option<KeyPair>,
    server_name: Option<String>,
    insecure: bool,
}

/// Reads the keys. `tls` is `true`, `false`, or a mapping, which means `true`.
pub(super) fn draft(fields: &Fields<'_>, check: &mut Check<'_>) -> Draft {
    let sni = fields.find("sni").and_then(|node| check.parsed(node, scalar::host));
    let insecure = fields.boolean("insecure", check).unwrap_or(false);
    let mut draft = Draft { wanted: None, ca: None, client: None, server_name: sni, insecure };
    match fields.find("tls") {
        Some(node) if matches!(node.value, Value::Map(_)) => detailed(&mut draft, node, check),
        Some(node) => draft.wanted = check.parsed(node, scalar::boolean),
        None => {}
    }
    draft
}

fn detailed(draft: &mut Draft, node: &Node, check: &mut Check<'_>) {
    draft.wanted = Some(true);
    let Some(fields) = Fields::open(node, KEYS, check) else { return };
    if let Some(name) = fields.find("server_name").and_then(|node| check.parsed(node, scalar::host)) {
        draft.server_name = Some(name);
    }
    draft.ca = fields.find("ca").and_then(|node| {
        let authorities = listen::pem(node, check, "certificate", X509::stack_from_pem)?;
        if authorities.is_empty() {
            check.refuse(node.span, "there is no PEM certificate in this file");
        }
        listen::path(node, check)
    });
    draft.client = match (fields.find("certificate"), fields.find("key")) {
        (Some(certificate), Some(key)) => listen::key_pair(certificate, key, check),
        (Some(node), None) => {
            check.refuse_with_help(node.span, "a certificate without its key", "key: /etc/faregate/client.key");
            None
        }
        (None, Some(node)) => {
            let help = "certificate: /etc/faregate/client.crt";
            check.refuse_with_help(node.span, "a key without its certificate", help);
            None
        }
        (None, None) => None,
    };
    if let (true, Some(entry)) = (draft.insecure, fields.entry("ca")) {
        check.refuse_with_help(entry.key_span, "nothing is verified with `insecure: true`", "remove `insecure`");
    }
}

impl Draft {
    /// The TLS of an upstream called `name` that speaks it (`tls`) or does not.
    pub(super) fn settle(
        self,
        name: &str,
        tls: bool,
        fields: &Fields<'_>,
        check: &mut Check<'_>,
    ) -> Option<UpstreamTls> {
        let idle = ["sni", "insecure"].iter().find_map(|key| fields.entry(key)).filter(|_| !tls);
        if let Some(entry) = idle {
            let message = format!("{} means nothing without TLS", entry.key);
            check.refuse_with_help(entry.key_span, message, "add `tls: true`");
        }
        if let Some(entry) = fields.entry("insecure").filter(|_| self.insecure && tls) {
            check.warn(
                entry.value.span,
                Lint::UpstreamNotVerified.at(name),
                format!("upstream {name:?} is not verified: whoever answers is trusted"),
                "remove `insecure`, and give the servers certificates that can be verified",
            );
        }
        let Self { ca, client, server_name, insecure, .. } = self;
        tls.then_some(UpstreamTls { sni: server_name, verify: !insecure, ca, client })
    }
}

/// M8: the name in a certificate is compared with a name, and an address is none.
pub(super) fn refuse_unnamed(servers: &[Server], tls: Option<&UpstreamTls>, span: Span, check: &mut Check<'_>) {
    let Some(UpstreamTls { sni: None, verify: true, .. }) = tls else { return };
    if let Some(server) = servers.iter().find(|server| server.host.parse::<std::net::IpAddr>().is_ok()) {
        let message = format!("no certificate can be verified for the address {}", server.host);
        check.refuse_with_help(span, message, "name the server in `sni: orders.example.com`");
    }
}
