//! `listen:` - the public listeners.
//!
//! Owns their syntax and that their TLS files can be used. It binds no port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fs, io};

use openssl::pkey::PKey;
use openssl::x509::X509;

use super::check::{Check, Fields};
use super::client_certificates::{self, ClientCertificates};
use super::lint::Lint;
use super::node::{Node, Value};
use super::problem::Span;
use super::scalar;

/// One public listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Port 0 asks the operating system for a free one.
    pub address: SocketAddr,
    pub tls: Option<TlsFiles>,
    /// HTTP/2 without TLS, by prior knowledge; false on a TLS listener.
    pub h2c: bool,
}

/// PEM files; they were readable and belonged together when the configuration was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain, leaf first.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// `None`: clients are not asked for theirs.
    pub client_certificates: Option<ClientCertificates>,
}

pub(super) const KEYS: &[&str] = &["address", "tls", "h2c"];
pub(super) const TLS_KEYS: &[&str] = &["certificate", "key", "client_certificates", "client_ca"];

/// At least one listener; the default is one on this machine only.
pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> Vec<Listener> {
    let Some(node) = node else {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        return vec![Listener { address, tls: None, h2c: true }];
    };
    let nodes = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Unusable => std::slice::from_ref(node),
    };
    if nodes.is_empty() {
        check.refuse_with_help(node.span, "a gateway without a listener", "listen: 127.0.0.1:8080");
    }
    let mut listeners: Vec<Listener> = Vec::new();
    for node in nodes {
        let Some((listener, span)) = listener(node, check) else {
            continue;
        };
        if listeners.iter().any(|other| conflict(other.address, listener.address)) {
            check.refuse(span, format!("{} is already listened on", listener.address));
        }
        listeners.push(listener);
    }
    listeners
}

/// Whether two sockets cannot be bound at the same time.
pub(super) fn conflict(a: SocketAddr, b: SocketAddr) -> bool {
    let same_host = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && same_host
}

fn listener(node: &Node, check: &mut Check<'_>) -> Option<(Listener, Span)> {
    if matches!(node.value, Value::Scalar(_)) {
        let address = check.parsed(node, scalar::address)?;
        return Some((Listener { address, tls: None, h2c: true }, node.span));
    }
    let fields = Fields::open(node, KEYS, check)?;
    let tls = fields.find("tls");
    let files = tls.and_then(|node| tls_files(node, check));
    let h2c = fields.boolean("h2c", check);
    if let (Some(true), Some(_), Some(entry)) = (h2c, tls, fields.entry("h2c")) {
        check.refuse_with_help(
            entry.value.span,
            "h2c is HTTP/2 without TLS",
            "remove `h2c`: with `tls`, HTTP/2 is negotiated",
        );
    }
    let node = fields.require("address", "address: 127.0.0.1:8080", check)?;
    let address = check.parsed(node, scalar::address)?;
    Some((Listener { address, tls: files, h2c: h2c.unwrap_or(true) && tls.is_none() }, node.span))
}

fn tls_files(node: &Node, check: &mut Check<'_>) -> Option<TlsFiles> {
    let fields = Fields::open(node, TLS_KEYS, check)?;
    let certificate = fields.require("certificate", "certificate: /etc/faregate/tls.crt", check);
    let key = fields.require("key", "key: /etc/faregate/tls.key", check);
    let client_certificates = client_certificates::check(&fields, check);
    if let (Some(certificate), Some(key)) = (certificate, key) {
        let KeyPair { certificate, key } = key_pair(certificate, key, check)?;
        return Some(TlsFiles { certificate, key, client_certificates });
    }
    // What is there is looked at all the same.
    if let Some(node) = certificate {
        pem(node, check, "certificate chain", X509::stack_from_pem);
    }
    if let Some(node) = key {
        pem(node, check, "private key", PKey::private_key_from_pem);
    }
    None
}

/// Two PEM files; they were readable and belonged together when the configuration was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The certificate and its chain, leaf first.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A certificate chain and the key that belongs to it.
pub(super) fn key_pair(certificate: &Node, key: &Node, check: &mut Check<'_>) -> Option<KeyPair> {
    let chain = pem(certificate, check, "certificate chain", X509::stack_from_pem);
    let private = pem(key, check, "private key", PKey::private_key_from_pem);
    let files = KeyPair { certificate: path(certificate, check)?, key: path(key, check)? };
    match chain.as_deref() {
        Some([]) => check.refuse(certificate.span, "there is no PEM certificate in this file"),
        Some([leaf, ..]) => {
            let belongs =
                leaf.public_key().ok().zip(private.as_ref()).map(|(public, private)| private.public_eq(&public));
            if belongs == Some(false) {
                check.refuse(key.span, "the key does not belong to the certificate");
            }
        }
        None => {}
    }
    warn_about_mode(&files.key, key.span, check);
    Some(files)
}

pub(super) fn path(node: &Node, check: &mut Check<'_>) -> Option<PathBuf> {
    let scalar = check.text(node)?;
    Some(check.file(&scalar.text))
}

/// Reads and parses a PEM file. The parser's own words are left out: they say nothing an operator can use.
pub(super) fn pem<T, E>(
    node: &Node,
    check: &mut Check<'_>,
    what: &str,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Option<T> {
    let scalar = check.text(node)?;
    let read: io::Result<Vec<u8>> = fs::read(check.path(&scalar.text));
    match read {
        Err(error) => check.refuse(node.span, format!("{} cannot be read: {error}", scalar.shown())),
        Ok(text) => match parse(&text) {
            Ok(value) => return Some(value),
            Err(_) => check.refuse(node.span, format!("{} is not a {what} in PEM format", scalar.shown())),
        },
    }
    None
}

/// P1: a key is for its owner's eyes.
#[cfg(unix)]
pub(super) fn warn_about_mode(path: &Path, span: Span, check: &mut Check<'_>) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let written = path.strip_prefix(check.base()).unwrap_or(path).display().to_string();
        check.warn(
            span,
            Lint::KeyReadableByOthers.at(&written),
            format!("other users may read this key: its mode is {mode:o}"),
            format!("chmod 600 {}", path.display()),
        );
    }
}

#[cfg(not(unix))]
pub(super) fn warn_about_mode(_path: &Path, _span: Span, _check: &mut Check<'_>) {}
