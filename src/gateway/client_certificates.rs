//! Asking clients for certificates, and finding out who signed them (RFC 8705 2).
//!
//! Owns OpenSSL's settings for it. Which certificate means what is decided per token and per client.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use openssl::error::ErrorStack;
use openssl::ssl::{SslAcceptorBuilder, SslRef, SslVerifyMode};
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509PurposeId, X509StoreContext};
use pingora::listeners::TlsAccept;

use super::ListenError;
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

/// The certificate of a connection whose listener lets no other in than those that its authorities signed: in DER, beside
/// what Pingora knows of the connection.
pub struct Vouched(pub Arc<[u8]>);

/// Keeps the certificate once a handshake is complete.
pub struct Keeping;

#[async_trait]
impl TlsAccept for Keeping {
    async fn handshake_complete_callback(&self, ssl: &SslRef) -> Option<Arc<dyn Any + Send + Sync>> {
        let der = ssl.peer_certificate()?.to_der().ok()?;
        Some(Arc::new(Vouched(der.into())))
    }
}

/// Who signs the certificates that trusted proxies tell of.
pub struct Authorities(X509Store);

impl Authorities {
    /// # Errors
    /// [`ListenError::ClientAuthorities`] when the file cannot be used.
    pub fn load(path: &Path) -> Result<Self, ListenError> {
        let refuse = |reason: String| ListenError::ClientAuthorities { path: path.display().to_string(), reason };
        let text = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
        Self::of(&text).map(Self).map_err(|error| refuse(error.to_string()))
    }

    fn of(pem: &[u8]) -> Result<X509Store, ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        for authority in X509::stack_from_pem(pem)? {
            store.add_cert(authority)?;
        }
        // A proxy tells of one certificate, so who signed that one has to be listed, be it a root or not.
        store.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        store.set_purpose(X509PurposeId::SSL_CLIENT)?;
        Ok(store.build())
    }

    /// Whether one of them signed the certificate in DER, and it is good at this moment.
    pub fn vouch_for(&self, der: &[u8]) -> bool {
        let verify = || {
            let (certificate, chain) = (X509::from_der(der)?, Stack::new()?);
            X509StoreContext::new()?.init(&self.0, &certificate, &chain, |context| context.verify_cert())
        };
        verify().unwrap_or(false)
    }
}
