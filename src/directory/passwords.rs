//! Argon2id: how passwords are hashed and verified (rules L7, L9).
//!
//! Owns the cost. Where it is paid is in `hashers`, which passwords may be chosen in `password_rules`, and what other
//! systems' hashes look like in `imported_hash`.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::hashers::{Hashers, Memory, PasswordQueue, Turn};
use super::imported_hash::ImportedHash;
use crate::entropy::Entropy;
use crate::secret::equal;

/// L7: KiB, passes, lanes.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes.
const OUTPUT: usize = 32;

/// What a hash that somebody else made may cost us at most, as a multiple of ours.
const DEAREST: u32 = 16;

/// Hashes passwords. Clones share one queue.
#[derive(Clone)]
pub struct Passwords {
    entropy: Entropy,
    hashers: Hashers,
}

/// What became of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub matches: bool,
    /// The hash was made elsewhere or at a lower cost than today's, and should be made anew.
    pub rehash: bool,
}

/// Why a password could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many are waiting (L10): 503.
    #[error("too many passwords are being checked; try again")]
    Busy,
    #[error("a password cannot be hashed: {0}")]
    Library(String),
}

impl Passwords {
    /// Longest password that is looked at, in bytes (L2).
    pub const LONGEST: usize = 1024;

    pub fn new(entropy: Entropy) -> Self {
        Self { entropy, hashers: Hashers::new() }
    }

    /// The hash of a new password in PHC form.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when too many are waiting.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let turn = self.turn().await?;
        self.hash_in(turn, password).await
    }

    /// Whether `password` has this hash. Without a hash, or with one that cannot be read, the same work is done and
    /// nothing matches (L9).
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when too many are waiting.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verdict, PasswordError> {
        let turn = self.turn().await?;
        self.verify_in(turn, password, hash).await
    }

    pub(super) fn queue(&self) -> PasswordQueue {
        self.hashers.queue()
    }

    /// Waits for a turn, if there is a place to wait in.
    pub(super) async fn turn(&self) -> Result<Turn, PasswordError> {
        self.hashers.turn().await
    }

    pub(super) async fn hash_in(&self, turn: Turn, password: &str) -> Result<String, PasswordError> {
        let password = normal(password);
        let mut salt = [0; 16];
        self.entropy.fill(&mut salt);
        turn.take(move |memory| {
            let mut hash = [0; OUTPUT];
            compute(current()?, password.as_bytes(), &salt, &mut hash, memory)?;
            let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
            Ok(format!("$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}${salt}${hash}"))
        })
        .await
    }

    pub(super) async fn verify_in(
        &self,
        turn: Turn,
        password: &str,
        hash: Option<&str>,
    ) -> Result<Verdict, PasswordError> {
        let stored = hash.and_then(Stored::parse);
        // Nothing so long was ever stored, and hashing megabytes is not what the turn is for.
        let is_possible = password.len() <= Passwords::LONGEST;
        let password = Zeroizing::new(if is_possible { password } else { "" }.to_owned());
        turn.take(move |memory| match &stored {
            None => {
                compute_in_vain(&password, memory)?;
                Ok(Verdict { matches: false, rehash: false })
            }
            Some(Stored::Ours(stored)) => {
                let mut computed = vec![0; stored.output.len()];
                let rehash = stored.is_cheap();
                compute(stored.params.clone(), normal(&password).as_bytes(), &stored.salt, &mut computed, memory)?;
                Ok(Verdict { matches: equal(&computed, &stored.output) & is_possible, rehash })
            }
            Some(Stored::Imported(stored)) => {
                let matches = stored.matches(&password) & is_possible;
                // L9: one that is right is hashed anew, which takes as long.
                if !matches && stored.is_quick() {
                    compute_in_vain(&password, memory)?;
                }
                Ok(Verdict { matches, rehash: true })
            }
        })
        .await
    }
}

/// A hash as it was stored.
enum Stored {
    Ours(Argon2idHash),
    Imported(ImportedHash),
}

impl Stored {
    /// `None` for what is in no known form, and for what would cost more than a login may.
    fn parse(text: &str) -> Option<Self> {
        Argon2idHash::parse(text).map(Self::Ours).or_else(|| ImportedHash::parse(text).map(Self::Imported))
    }
}

struct Argon2idHash {
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Argon2idHash {
    /// `None` for what is not Argon2id, and for what would cost more than a login may.
    fn parse(text: &str) -> Option<Self> {
        let parsed = PasswordHash::new(text).ok()?;
        let is_ours = parsed.algorithm == Algorithm::Argon2id.ident() && parsed.version == Some(Version::V0x13.into());
        let params = Params::try_from(&parsed).ok()?;
        let is_affordable = params.m_cost() <= MEMORY * DEAREST && params.t_cost() <= PASSES * DEAREST;
        let (salt, output) = (parsed.salt?.to_vec(), parsed.hash?.as_bytes().to_vec());
        (is_ours && is_affordable && params.p_cost() <= 4).then_some(Self { params, salt, output })
    }

    fn is_cheap(&self) -> bool {
        self.params.m_cost() < MEMORY || self.params.t_cost() < PASSES || self.output.len() < OUTPUT
    }
}

/// Whether this can be verified at a login, at a bearable cost: Argon2id version 19 in PHC form, or another system's.
pub(super) fn is_hash(text: &str) -> bool {
    Stored::parse(text).is_some()
}

/// L6: as typed, but for the two ways to write an accented letter.
fn normal(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfc().collect())
}

fn current() -> Result<Params, PasswordError> {
    Params::new(MEMORY, PASSES, LANES, Some(OUTPUT)).map_err(library)
}

/// The same work as for a hash of ours, for nothing (L9).
fn compute_in_vain(password: &str, memory: &mut Memory) -> Result<(), PasswordError> {
    let mut computed = [0; OUTPUT];
    compute(current()?, normal(password).as_bytes(), &[0; 16], &mut computed, memory)?;
    std::hint::black_box(&computed);
    Ok(())
}

fn compute(
    params: Params,
    password: &[u8],
    salt: &[u8],
    computed: &mut [u8],
    memory: &mut Memory,
) -> Result<(), PasswordError> {
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(password, salt, computed, &mut memory[..blocks]).map_err(library)
}

fn library(error: argon2::Error) -> PasswordError {
    PasswordError::Library(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(Entropy::seeded(1))
    }

    // L7
    #[tokio::test]
    async fn a_password_is_hashed_at_the_agreed_cost_and_verified() {
        let passwords = passwords();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(hash.split('$').nth(4).unwrap().len(), 22, "16 bytes of salt");
        let verdict = passwords.verify("correct horse", Some(&hash)).await.unwrap();
        assert_eq!(verdict, Verdict { matches: true, rehash: false });
        let verdict = passwords.verify("correct Horse", Some(&hash)).await.unwrap();
        assert_eq!(verdict, Verdict { matches: false, rehash: false });
        assert_ne!(passwords.hash("correct horse").await.unwrap(), hash);
    }

    // L6: é as one character and as two
    #[tokio::test]
    async fn both_spellings_of_an_accent_are_one_password() {
        let passwords = passwords();
        let hash = passwords.hash("caf\u{e9} au lait").await.unwrap();
        assert!(passwords.verify("cafe\u{301} au lait", Some(&hash)).await.unwrap().matches);
        assert!(!passwords.verify("cafe au lait", Some(&hash)).await.unwrap().matches);
        assert!(!passwords.verify(" caf\u{e9} au lait", Some(&hash)).await.unwrap().matches, "not trimmed");
    }

    // L9
    #[tokio::test]
    async fn nothing_matches_no_hash() {
        let passwords = passwords();
        for hash in [None, Some(""), Some("$2b$10$abc"), Some("$argon2id$v=19$m=9999999,t=2,p=1$c2FsdHNhbHQ$aGFzaA")] {
            assert!(!passwords.verify("", hash).await.unwrap().matches, "{hash:?}");
        }
        assert!(!is_hash(
            "$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        ));
    }

    // L7
    #[tokio::test]
    async fn a_cheap_hash_is_to_be_made_anew() {
        let cheap = Params::new(8_192, 1, 1, Some(32)).unwrap();
        let mut output = [0; OUTPUT];
        compute(cheap, b"pw", &[7; 16], &mut output, &mut Memory::new()).unwrap();
        let hash = format!(
            "$argon2id$v=19$m=8192,t=1,p=1${}${}",
            STANDARD_NO_PAD.encode([7; 16]),
            STANDARD_NO_PAD.encode(output)
        );
        assert!(is_hash(&hash));
        let verdict = passwords().verify("pw", Some(&hash)).await.unwrap();
        assert_eq!(verdict, Verdict { matches: true, rehash: true });
    }

    // L2
    #[tokio::test]
    async fn what_is_too_long_is_not_hashed_and_never_right() {
        let passwords = passwords();
        let hash = passwords.hash("").await.unwrap();
        assert!(!passwords.verify(&"x".repeat(Passwords::LONGEST + 1), Some(&hash)).await.unwrap().matches);
        let long = "x".repeat(Passwords::LONGEST);
        let hash = passwords.hash(&long).await.unwrap();
        assert!(passwords.verify(&long, Some(&hash)).await.unwrap().matches);
    }
}
