//! What a key may be made of: which PEM, which secrets, which names. It makes none and keeps none.

use std::sync::Arc;

use uuid::Uuid;

use super::{DirectoryError, FieldCode, FieldError};
use crate::jose::{Algorithm, SigningKey, VerifyingKey};
use crate::model::{KeyPurpose, Tenant, is_display_name};
use crate::profile::Dialect;
use crate::secret::Secret;

/// Where a key comes from.
#[derive(Clone, Debug)]
pub enum KeyMaterial {
    /// Made here; `bits` chooses among the lengths of RSA and must be the algorithm's own otherwise.
    Generated { algorithm: String, bits: Option<i64> },
    /// PEM; either half, or both. The algorithm may be left out where the curve tells.
    Pair { algorithm: Option<String>, private: Option<Secret<String>>, public: Option<String> },
    /// A shared secret, used as the bytes of its text.
    Shared { algorithm: Option<String>, secret: Secret<String> },
}

/// Lengths that RSA keys are made in.
const RSA_BITS: [i64; 3] = [2048, 3072, 4096];

/// What a key is to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    pub key_id: Uuid,
    pub purpose: KeyPurpose,
    pub signer: KeySigner,
}

/// Who is to sign with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySigner {
    /// The tenant as a whole.
    Tenant(Uuid),
    /// Those applications of the tenant that name it.
    Applications(Uuid),
    /// Every tenant that the key may sign for, when entities of those types ask that name it.
    EntityTypes,
}

impl KeySigner {
    /// `None`: not one alone.
    pub const fn tenant_id(self) -> Option<Uuid> {
        match self {
            Self::Tenant(id) | Self::Applications(id) => Some(id),
            Self::EntityTypes => None,
        }
    }

    /// Whether a key signs when it is named, and not whenever its tenant does.
    pub const fn names_it(self) -> bool {
        !matches!(self, Self::Tenant(_))
    }

    /// Whether a key that signs already may go on, and sign for this one too. What signs for a whole tenant signs for whoever
    /// names it there, as long as it does; never the other way round.
    pub fn may_share(self, tenant_id: Option<Uuid>, signs_when_named: bool) -> bool {
        match self {
            Self::Tenant(own) => tenant_id == Some(own) && !signs_when_named,
            Self::Applications(own) => tenant_id.is_none_or(|id| id == own),
            Self::EntityTypes => true,
        }
    }
}

/// The public half, and the private one if it is known.
pub type KeyHalves = (Arc<VerifyingKey>, Option<SigningKey>);

impl KeyMaterial {
    /// What was brought along; `None` for what is to be made.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] with the field that is wrong.
    pub fn read(&self) -> Result<Option<KeyHalves>, DirectoryError> {
        match self {
            Self::Generated { algorithm, bits } => {
                let algorithm = named_algorithm(algorithm)?;
                match bits.filter(|bits| algorithm.is_rsa() && !RSA_BITS.contains(bits)) {
                    Some(_) => Err(refused("key.length", FieldCode::Invalid, "must be 2048, 3072 or 4096")),
                    None => Ok(None),
                }
            }
            Self::Pair { algorithm, private, public } => {
                read_pair(algorithm.as_deref(), private.as_ref(), public.as_deref()).map(Some)
            }
            Self::Shared { algorithm, secret } => {
                let key = read_shared(algorithm.as_deref(), secret)?;
                Ok(Some((key.verifying_key().clone(), Some(key))))
            }
        }
    }
}

/// # Errors
/// [`DirectoryError::Invalid`]
pub fn check_key_name(name: &str) -> Result<(), DirectoryError> {
    match name {
        "" => Err(refused("key.name", FieldCode::Blank, "must not be empty")),
        name if is_display_name(name) => Ok(()),
        _ => Err(refused("key.name", FieldCode::Invalid, "must be at most 190 characters that can be shown")),
    }
}

/// # Errors
/// [`DirectoryError::Invalid`]
pub fn named_algorithm(name: &str) -> Result<Algorithm, DirectoryError> {
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or_else(|| {
        let names = Algorithm::ALL.map(Algorithm::as_str).join(", ");
        refused("key.algorithm", FieldCode::Invalid, format!("must be one of {names}"))
    })
}

/// Why nobody of the tenant may sign with this algorithm, if so (D6).
pub fn check_signs_for(tenant: &Tenant, algorithm: &str) -> Option<&'static str> {
    let is_wrong = Dialect::of(tenant.profile).rsa_only && !algorithm.starts_with("RS");
    is_wrong.then_some("must be RS256, RS384 or RS512: clients of this profile know no other keys")
}

fn refused(field: &'static str, code: FieldCode, message: impl Into<String>) -> DirectoryError {
    DirectoryError::Invalid(vec![FieldError::new(field, code, message)])
}

fn halves(key: SigningKey) -> KeyHalves {
    (key.verifying_key().clone(), Some(key))
}

fn read_shared(algorithm: Option<&str>, secret: &Secret<String>) -> Result<SigningKey, DirectoryError> {
    let algorithm = named_algorithm(algorithm.unwrap_or("HS256"))?;
    if !algorithm.is_symmetric() {
        return Err(refused("key.algorithm", FieldCode::Invalid, "is not one of shared secrets: HS256, HS384, HS512"));
    }
    SigningKey::from_private_key(algorithm, secret.expose().as_bytes()).map_err(|_| {
        let message = "is shorter than the algorithm's hash: HS256 needs 32 bytes, HS384 48, HS512 64";
        refused("key.secret", FieldCode::TooShort, message)
    })
}

/// Both halves have to be of one key. Without an algorithm the curve tells it; RSA keys serve several.
fn read_pair(
    algorithm: Option<&str>,
    private: Option<&Secret<String>>,
    public: Option<&str>,
) -> Result<KeyHalves, DirectoryError> {
    let implied = [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa];
    let candidates = match algorithm {
        Some(name) => vec![named_algorithm(name)?],
        None => implied.to_vec(),
    };
    if candidates.iter().any(|algorithm| algorithm.is_symmetric()) {
        return Err(refused("key.secret", FieldCode::Missing, "must be there for this algorithm"));
    }
    let wrong = |field, what: &str| match algorithm {
        Some(name) => {
            let message = format!("is not {what} of {name} as PEM, or too weak for it (RSA needs 2048 bits)");
            refused(field, FieldCode::Invalid, message)
        }
        None => {
            let message = "cannot be found out from the key; name it, and send the key as PEM";
            refused("key.algorithm", FieldCode::Missing, message)
        }
    };
    let first = |read: &dyn Fn(Algorithm) -> Option<KeyHalves>| candidates.iter().copied().find_map(read);
    let signing = match private {
        Some(text) => {
            let read = |algorithm| SigningKey::from_pem(algorithm, text.expose()).ok().map(halves);
            Some(first(&read).ok_or_else(|| wrong("key.privateKey", "an unencrypted private key"))?)
        }
        None => None,
    };
    let verifying = match public {
        Some(text) => {
            let read = |algorithm| Some((Arc::new(VerifyingKey::from_pem(algorithm, text).ok()?), None));
            Some(first(&read).ok_or_else(|| wrong("key.publicKey", "a public key"))?)
        }
        None => None,
    };
    match (signing, verifying) {
        (Some((own, _)), Some((public, _))) if own.kid() != public.kid() => {
            Err(refused("key.publicKey", FieldCode::Invalid, "is not the other half of the private key"))
        }
        (Some(both), _) | (None, Some(both)) => Ok(both),
        (None, None) => {
            Err(refused("key.publicKey", FieldCode::Missing, "must be there, or the private key, or a secret for HMAC"))
        }
    }
}
