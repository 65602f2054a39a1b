//! Passkeys: key pairs of which people keep the private half. It does not know how one is proven.

use serde::{Deserialize, Serialize};

/// The public half of a credential (WebAuthn Level 3, 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// What the authenticator calls it: its credential id in base64url.
    pub id: String,
    pub algorithm: PasskeyAlgorithm,
    /// SubjectPublicKeyInfo (RFC 5280 4.1) in base64url.
    pub public_key: String,
    /// How often the authenticator says that it signed; 0 for those that do not count, as all that are synchronised.
    pub sign_count: u32,
    /// What the person calls it.
    pub name: String,
    pub created_at: i64,
}

impl Passkey {
    /// Characters of a name.
    pub const MOST_NAME: usize = 64;
    /// Of one person.
    pub const MOST: usize = 20;
}

super::application::named! {
    /// How a passkey signs: those that every platform can have.
    PasskeyAlgorithm { Es256 = "ES256", Rs256 = "RS256", EdDsa = "EdDSA" }
}

impl PasskeyAlgorithm {
    /// The number in the registry of COSE algorithms (RFC 9053, RFC 8812).
    pub const fn cose(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Rs256 => -257,
        }
    }

    pub fn of_cose(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.cose() == number)
    }
}
