//! What is needed to speak TLS with the servers of an upstream: whom to believe, and what to show.
//!
//! Owns reading the files. That they can be used was checked with the configuration; they may have changed since.

use std::fs;
use std::hash::{BuildHasher as _, Hash as _, Hasher};
use std::path::Path;
use std::sync::Arc;

use openssl::pkey::PKey;
use openssl::x509::X509;
use pingora::protocols::tls::CaType;
use pingora::utils::tls::CertKey;

use crate::config::UpstreamTls;

/// TLS towards the servers of one upstream.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// False: any certificate is accepted. Rule M8: warned of at each start.
    pub verify: bool,
    /// Who signed the servers' certificates; `None`: whoever the system believes.
    pub(super) authorities: Option<Arc<CaType>>,
    /// What servers that ask are shown.
    pub(super) identity: Option<Arc<CertKey>>,
    /// Differs between settings that must not share connections.
    pub(super) group: u64,
}

/// A file of an upstream's `tls` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path} for an upstream's TLS: {reason}")]
pub struct TlsFileError {
    path: String,
    reason: String,
}

impl TlsSettings {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// [`TlsFileError`], naming the file.
    pub fn read(tls: &UpstreamTls) -> Result<Self, TlsFileError> {
        let mut hasher = ahash::RandomState::with_seeds(1, 2, 3, 4).build_hasher();
        tls.verify.hash(&mut hasher);
        let mut authorities = None;
        if let Some(path) = &tls.ca {
            let found = certificates(path, &mut hasher)?;
            authorities = Some(Arc::new(found.into_boxed_slice()));
        }
        let mut identity = None;
        if let Some(files) = &tls.client {
            let chain = certificates(&files.certificate, &mut hasher)?;
            let key = read(&files.key)?;
            let key = PKey::private_key_from_pem(&key)
                .map_err(|_| unusable(&files.key, "it is no private key in PEM format"))?;
            identity = Some(Arc::new(CertKey::new(chain, key)));
        }
        // Pingora keeps pooled connections apart by this number; 0 and 1 are for those without TLS.
        Ok(Self { verify: tls.verify, authorities, identity, group: hasher.finish() & !1 })
    }
}

fn certificates(path: &Path, hasher: &mut impl Hasher) -> Result<Vec<X509>, TlsFileError> {
    let pem = read(path)?;
    pem.hash(hasher);
    let found = X509::stack_from_pem(&pem).map_err(|_| unusable(path, "it is no certificate in PEM format"))?;
    if found.is_empty() { Err(unusable(path, "there is no PEM certificate in it")) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    fs::read(path).map_err(|error| unusable(path, &error.to_string()))
}

fn unusable(path: &Path, reason: &str) -> TlsFileError {
    TlsFileError { path: path.display().to_string(), reason: reason.to_owned() }
}
