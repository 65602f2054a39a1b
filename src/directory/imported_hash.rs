//! Password hashes that other systems made: bcrypt, PBKDF2 and salted SHA-256, each as one string.
//!
//! Owns their forms and what they may cost. It makes none: at the next login `passwords` hashes the password anew.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, pbkdf2};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};

use crate::secret::equal;

/// Systems differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a login may cost at most: about a second of one core.
const DEAREST_BCRYPT: u32 = 14;
const DEAREST_PBKDF2: u32 = 2_000_000;
const DEAREST_SHA256: u32 = 5_000_000;

/// Below these a hash costs so much less than ours that the time would tell who has one (L9).
const QUICK_BCRYPT: u32 = 9;
const QUICK_PBKDF2: u32 = 100_000;

/// Bytes.
const LONGEST_SALT: usize = 1024;
const SHORTEST_OUTPUT: usize = 16;
const LONGEST_OUTPUT: usize = 64;

/// What FusionAuth takes where an import says nothing.
const DEFAULT_BCRYPT: u32 = 10;
const DEFAULT_PBKDF2: u32 = 24_000;
const DEFAULT_SHA256: u32 = 20_000;

/// A hash that somebody else made.
pub(super) enum ImportedHash {
    /// In the form of crypt(3): `$2b$10$SALTHASH`.
    Bcrypt { cost: u32, text: String },
    /// RFC 8018 5.2.
    Pbkdf2 { algorithm: pbkdf2::Algorithm, rounds: NonZeroU32, salt: Vec<u8>, output: Vec<u8> },
    /// FusionAuth's `salted-sha256`: the password, then the salt, hashed `rounds` times.
    SaltedSha256 { rounds: u32, salt: Vec<u8>, output: Vec<u8> },
}

impl ImportedHash {
    /// `None` for what is in no known form, and for what would cost more than a login may.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('$')?.split('$');
        let scheme = parts.next()?;
        if matches!(scheme, "2a" | "2b" | "2y") {
            let parsed: bcrypt::HashParts = text.parse().ok()?;
            let cost = parsed.get_cost();
            return (4..=DEAREST_BCRYPT).contains(&cost).then(|| Self::Bcrypt { cost, text: text.to_owned() });
        }
        let (parameters, salt, output) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        // Passlib writes a dot for the plus.
        let decoded = |part: &str| BASE64.decode(part.replace('.', "+")).ok();
        let (salt, output) = (decoded(salt)?, decoded(output)?);
        if salt.len() > LONGEST_SALT || !(SHORTEST_OUTPUT..=LONGEST_OUTPUT).contains(&output.len()) {
            return None;
        }
        let rounds = |name: &str, most: u32| {
            let written =
                parameters.split(',').find_map(|parameter| parameter.strip_prefix(name)).unwrap_or(parameters);
            written.parse::<u32>().ok().filter(|rounds| (1..=most).contains(rounds))
        };
        let algorithm = match scheme {
            "pbkdf2-sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
            "pbkdf2-sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
            "salted-sha256" if output.len() == digest::SHA256_OUTPUT_LEN => {
                return Some(Self::SaltedSha256 { rounds: rounds("r=", DEAREST_SHA256)?, salt, output });
            }
            _ => return None,
        };
        let rounds = NonZeroU32::new(rounds("i=", DEAREST_PBKDF2)?)?;
        Some(Self::Pbkdf2 { algorithm, rounds, salt, output })
    }

    /// Whether `password`, as it was typed, has this hash. Takes the time that the hash was made to take.
    pub(super) fn matches(&self, password: &str) -> bool {
        let password = password.as_bytes();
        match self {
            Self::Bcrypt { text, .. } => bcrypt::verify(password, text).unwrap_or(false),
            Self::Pbkdf2 { algorithm, rounds, salt, output } => {
                pbkdf2::verify(*algorithm, *rounds, salt, password, output).is_ok()
            }
            Self::SaltedSha256 { rounds, salt, output } => {
                let first = digest::digest(&digest::SHA256, &zeroize::Zeroizing::new([password, salt].concat()));
                let last = (1..*rounds).fold(first, |before, _| digest::digest(&digest::SHA256, before.as_ref()));
                equal(last.as_ref(), output)
            }
        }
    }

    /// Whether it costs much less than a hash of ours.
    pub(super) fn is_quick(&self) -> bool {
        match self {
            Self::Bcrypt { cost, .. } => *cost < QUICK_BCRYPT,
            Self::Pbkdf2 { rounds, .. } => rounds.get() < QUICK_PBKDF2,
            Self::SaltedSha256 { .. } => true,
        }
    }
}

/// A hash in the four parts of FusionAuth's import.
#[derive(Clone, Copy)]
pub struct HashInParts<'a> {
    /// FusionAuth's `encryptionScheme`.
    pub scheme: &'a str,
    pub factor: Option<u32>,
    pub salt: &'a str,
    pub hash: &'a str,
}

impl HashInParts<'_> {
    /// The same as the one string that a user's hash is stored as. A hash that is in such a form already stays.
    ///
    /// # Errors
    /// What is wrong, without any of it.
    pub fn joined(self) -> Result<String, &'static str> {
        let Self { scheme, factor, salt, hash } = self;
        if hash.starts_with('$') {
            return Ok(hash.to_owned());
        }
        let rewritten = |text: &str, what: &'static str| match BASE64.decode(text) {
            Ok(bytes) => Ok(STANDARD_NO_PAD.encode(bytes)),
            Err(_) => Err(what),
        };
        let parts = || -> Result<(String, String), &'static str> {
            Ok((rewritten(salt, "the salt is not base64")?, rewritten(hash, "the hash is not base64")?))
        };
        match scheme {
            "bcrypt" => {
                // The salt stands apart, or before the hash.
                let (cost, salt) = (factor.unwrap_or(DEFAULT_BCRYPT), if hash.len() == 53 { "" } else { salt });
                Ok(format!("$2a${cost:02}${salt}{hash}"))
            }
            "salted-sha256" => {
                let (salt, hash) = parts()?;
                Ok(format!("$salted-sha256$r={}${salt}${hash}", factor.unwrap_or(DEFAULT_SHA256)))
            }
            "salted-pbkdf2-hmac-sha256" | "salted-pbkdf2-hmac-sha256-512" => {
                let (salt, hash) = parts()?;
                Ok(format!("$pbkdf2-sha256$i={}${salt}${hash}", factor.unwrap_or(DEFAULT_PBKDF2)))
            }
            "salted-pbkdf2-hmac-sha512-512" => {
                let (salt, hash) = parts()?;
                Ok(format!("$pbkdf2-sha512$i={}${salt}${hash}", factor.unwrap_or(DEFAULT_PBKDF2)))
            }
            _ => Err("the encryptionScheme is not one that can be verified"),
        }
    }
}

#[cfg(test)]
mod tests;
