//! Keys as files declare them, and what has to be done about them. Keys are made, sealed and published elsewhere.

use std::future::Future;

use uuid::Uuid;

use crate::directory::{DirectoryError, KeyMaterial, KeyUse};
use crate::model::NamedKey;

#[derive(Clone, Debug)]
pub struct KeyDeclaration {
    pub name: String,
    /// `None`: computed from owner and name, so that nodes that start at once make one key.
    pub id: Option<Uuid>,
    /// Name or id of the only tenant that may use it; `None`: any may.
    pub tenant: Option<String>,
    /// What is to be generated is generated once, and left alone ever after.
    pub material: KeyMaterial,
}

impl KeyDeclaration {
    /// JOSE name, as far as it can be told.
    pub(super) fn algorithm(&self) -> Option<String> {
        match &self.material {
            KeyMaterial::Generated { algorithm, .. } => Some(algorithm.clone()),
            brought @ (KeyMaterial::Pair { .. } | KeyMaterial::Shared { .. }) => {
                brought.read().ok().flatten().map(|(public, _)| public.algorithm().as_str().to_owned())
            }
        }
    }
}

/// What is to be written about a key.
#[derive(Clone, Debug)]
pub enum KeyWrite {
    Insert(Box<NewDeclaredKey>),
    /// Name and owner; from, and to.
    Update(Box<(NamedKey, NamedKey)>),
    /// Refused with [`crate::store::StoreError::InUse`] while somebody signs with it.
    Delete(Box<NamedKey>),
    Use(KeyUse),
}

/// A key to be. Of `key` only id, name, tenant and owner count.
#[derive(Clone, Debug)]
pub struct NewDeclaredKey {
    pub key: NamedKey,
    pub material: KeyMaterial,
}

/// Where keys are made and kept.
pub trait KeyRoom: Sync {
    /// Whether there was something to write on.
    fn carry_out(&self, write: &KeyWrite) -> impl Future<Output = Result<bool, DirectoryError>> + Send;
}

/// For declarations without keys: whatever is asked about one is refused.
#[derive(Clone, Copy, Debug)]
pub struct NoKeys;

impl KeyRoom for NoKeys {
    async fn carry_out(&self, _: &KeyWrite) -> Result<bool, DirectoryError> {
        Err(DirectoryError::NotFound("room for keys"))
    }
}
