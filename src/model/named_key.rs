//! Keys that administrators generate or bring along, before and beside their use by an issuer.
//!
//! Owns what is known of them. When such a key signs is decided by `StoredKey`, once a tenant uses it.

use aws_lc_rs::digest;
use uuid::Uuid;

/// A key with a name. A tenant that uses it has a [`super::StoredKey`] with the same `kid`.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedKey {
    pub id: Uuid,
    /// RFC 7638 thumbprint, or for a shared secret a code that only its owner can compute.
    pub kid: String,
    pub name: String,
    /// The only tenant that may use it, or `None` for all.
    pub tenant_id: Option<Uuid>,
    /// JOSE name; a key serves one algorithm only.
    pub algorithm: String,
    /// As JSON text; `None` for a shared secret, which is never shown.
    pub public_jwk: Option<String>,
    /// The private key, encrypted (P1); `None` when only the public half is known.
    pub private_key: Option<String>,
    /// Who declares it, or `None` when administrators manage it.
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl NamedKey {
    /// The id of a key that nobody named: the same on every node, because it comes from the `kid`.
    pub fn id_of(kid: &str) -> Uuid {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest::digest(&digest::SHA256, kid.as_bytes()).as_ref()[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl std::fmt::Debug for NamedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedKey")
            .field("id", &self.id)
            .field("kid", &self.kid)
            .field("name", &self.name)
            .field("tenant_id", &self.tenant_id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
