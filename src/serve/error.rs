//! Why a gateway does not start: one line each, naming the thing and the fix.

use super::open::Unready;
use crate::directory::DirectoryError;
use crate::gateway::{ListenError, TlsFileError};
use crate::jose::MasterKeyError;
use crate::oauth::KeyRingError;
use crate::store::{OpenError, StoreError};

/// The reasons, by what has to be mended.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Unready(#[from] Unready),
    #[error("the store failed while starting: {0}")]
    StoreFailed(#[from] StoreError),
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    #[error("`directory:` cannot be applied: {0}")]
    Directory(#[from] DirectoryError),
    #[error(
        "issuer {issuer:?} is tenant {tenant:?}, which does not exist; declare it under directory.tenants or create it with: faregate tenant create {tenant}"
    )]
    UnknownTenant { issuer: String, tenant: String },
    #[error("there are several tenants, so issuer {issuer:?} must name its own: tenant: NAME")]
    AmbiguousTenant { issuer: String },
    #[error("the routes do not fit together: {0}")]
    Routes(String),
    #[error("other issuers cannot be asked for their keys: {0}")]
    Outbound(String),
    #[error("spans cannot be sent to a collector: {0}")]
    Collector(String),
    #[error(transparent)]
    UpstreamTls(#[from] TlsFileError),
    #[error("the system refuses a thread or socket: {0}")]
    System(#[from] std::io::Error),
}

impl StartError {
    /// The process's exit code, as `faregate --help` documents them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownTenant { .. } | Self::AmbiguousTenant { .. } | Self::Routes(_) | Self::Directory(_) => 2,
            Self::Listen(_)
            | Self::Store(_)
            | Self::Unready(_)
            | Self::StoreFailed(_)
            | Self::MasterKey(_)
            | Self::Keys(_)
            | Self::Outbound(_)
            | Self::Collector(_)
            | Self::UpstreamTls(_)
            | Self::System(_) => 3,
        }
    }
}
