//! `client_certificates:` and `client_ca:` of a listener's `tls` - whether clients are asked for certificates; and
//! `client_certificate_ca:`, who signs those that proxies tell of.
//!
//! Owns the syntax and that the files can be used.

use std::path::PathBuf;

use http::HeaderName;
use openssl::x509::X509;

use super::check::{Check, Fields};
use super::listen;
use super::node::Node;

/// How clients are asked for certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// Whether a connection without one is refused.
    pub required: bool,
    /// PEM file of those who may sign them; without one any certificate is taken, and proves a key and no more.
    pub authorities: Option<PathBuf>,
}

const KEY: &str = "client_certificates";
const AUTHORITIES_KEY: &str = "client_ca";
pub(super) const TOLD_AUTHORITIES_KEY: &str = "client_certificate_ca";
const WORDS: [&str; 2] = ["optional", "required"];

/// Whoever signs the certificates that trusted proxies tell of in `header`.
pub(super) fn told(fields: &Fields<'_>, header: Option<&HeaderName>, check: &mut Check<'_>) -> Option<PathBuf> {
    let node = fields.find(TOLD_AUTHORITIES_KEY)?;
    if header.is_none() {
        let help = "client_certificate_header: X-SSL-Client-Cert";
        check.refuse_with_help(node.span, "no proxy tells of certificates that these could have signed", help);
    }
    authorities(node, check)
}

/// A PEM file with at least one certificate.
fn authorities(node: &Node, check: &mut Check<'_>) -> Option<PathBuf> {
    let chain = listen::pem(node, check, "certificate chain", X509::stack_from_pem)?;
    if chain.is_empty() {
        check.refuse(node.span, "there is no PEM certificate in this file");
    }
    listen::path(node, check)
}

pub(super) fn check(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<ClientCertificates> {
    let authorities = fields.find(AUTHORITIES_KEY).and_then(|node| authorities(node, check));
    let Some(node) = fields.find(KEY) else {
        if let Some(entry) = fields.entry(AUTHORITIES_KEY) {
            let help = "client_certificates: optional, or required";
            check.refuse_with_help(entry.key_span, "`client_ca` without `client_certificates` asks nobody", help);
        }
        return None;
    };
    let scalar = check.text(node)?;
    if !WORDS.contains(&scalar.text.as_str()) {
        let message = format!("expected optional or required, found {}", scalar.shown());
        check.refuse_word(node.span, message, &scalar.text, &WORDS);
        return None;
    }
    Some(ClientCertificates { required: scalar.text == "required", authorities })
}
