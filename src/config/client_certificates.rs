//! `client_certificates:` and `client_ca:` of a listener's `tls` - whether clients are asked for certificates.
//!
//! Owns the syntax and that the file can be used.

use std::path::PathBuf;

use openssl::x509::X509;

use super::check::{Check, Fields};
use super::listen;

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
const WORDS: [&str; 2] = ["optional", "required"];

pub(super) fn check(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<ClientCertificates> {
    let authorities = fields.find(AUTHORITIES_KEY).and_then(|node| {
        let chain = listen::pem(node, check, "certificate chain", X509::stack_from_pem)?;
        if chain.is_empty() {
            check.refuse(node.span, "there is no PEM certificate in this file");
        }
        listen::path(node, check)
    });
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
