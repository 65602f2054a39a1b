//! Asking clients for certificates (RFC 8705 2).
//!
//! Owns OpenSSL's settings for it. Which certificate means what is decided per token.

use std::path::PathBuf;

use openssl::error::ErrorStack;
use openssl::ssl::{SslAcceptorBuilder, SslVerifyMode};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;

use crate::config::ClientCertificates;

/// Sessions of a server that asks for certificates have a name (SSL_CTX_set_session_id_context).
const SESSIONS: &[u8] = b"faregate";

/// # Errors
/// The file that cannot be used, and why.
pub fn ask(builder: &mut SslAcceptorBuilder, clients: &ClientCertificates) -> Result<(), (PathBuf, String)> {
    let mut mode = SslVerifyMode::PEER;
    if clients.required {
        mode |= SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    }
    let Some(file) = &clients.authorities else {
        // Whoever shows a certificate has its key, as TLS makes sure; who signed it does not matter.
        builder.set_verify_callback(mode, |_, _| true);
        return builder.set_session_id_context(SESSIONS).map_err(|error| (PathBuf::new(), error.to_string()));
    };
    let text = std::fs::read(file).map_err(|error| (file.clone(), error.to_string()))?;
    trust(builder, &text).map_err(|error| (file.clone(), error.to_string()))?;
    builder.set_verify(mode);
    Ok(())
}

/// Only these, whatever the machine trusts. Clients are told their names, so that they can choose among several
/// certificates.
fn trust(builder: &mut SslAcceptorBuilder, pem: &[u8]) -> Result<(), ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for authority in X509::stack_from_pem(pem)? {
        builder.add_client_ca(&authority)?;
        store.add_cert(authority)?;
    }
    builder.set_verify_cert_store(store.build())?;
    builder.set_session_id_context(SESSIONS)
}
