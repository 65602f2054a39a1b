//! JSON Object Signing: keys, key sets, signing, and the one door through which a token is believed.
//!
//! Owns what RFC 7515, 7517, 7518, 7519 and 7638 say, the proofs of RFC 9449, and how
//! certificates name clients (RFC 8705 2.1.2), and what passkeys sign. It does not know who issues tokens, where keys are stored or
//! what a claim means to a policy.

mod algorithm;
mod certificate;
pub mod dpop;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod json;
mod jwk;
mod key;
mod key_set;
mod master_key;
mod passkey;
mod pem;
mod reason;
mod sealing;
mod sign;
mod verify;
mod verifying_key;

pub use algorithm::{Algorithm, AlgorithmSet};
pub use certificate::CertificateName;
pub use key::{KeyError, SigningKey};
pub use key_set::KeySet;
pub use master_key::{MasterKey, MasterKeyError};
pub use passkey::PasskeyKey;
pub use reason::Reason;
pub use sealing::Sealing;
pub use sign::{SignError, TokenType};
pub use verify::{
    Expectations, Header, MAX_TOKEN_BYTES, TypeSet, Verified, is_jwt, peek_issuer, peek_subject, peek_tenant, verify,
};
pub use verifying_key::VerifyingKey;
