//! Where randomness enters: the system's generator, or a seeded stream in tests.
//!
//! Owns unguessable identifiers and secrets; key pairs are made in `jose` by the cryptographic library itself.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use uuid::Uuid;

/// A source of random bytes. Clones of a seeded source share its position.
#[derive(Clone, Debug, Default)]
pub struct Entropy(Option<Arc<Mutex<Seeded>>>);

#[derive(Debug)]
struct Seeded {
    seed: u64,
    block: u64,
}

impl Entropy {
    pub fn system() -> Self {
        Self(None)
    }

    /// A predictable stream, so that a golden transcript can show bytes. For tests only.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(Seeded { seed, block: 0 }))))
    }

    /// Fills `buffer` with random bytes.
    ///
    /// # Panics
    /// If the operating system has no randomness to give, because nothing safe can be done then.
    #[expect(clippy::expect_used, reason = "aws-lc's generator fails only when the system's source does")]
    pub fn fill(&self, buffer: &mut [u8]) {
        match &self.0 {
            Some(seeded) => seeded.lock().unwrap_or_else(PoisonError::into_inner).fill(buffer),
            None => rand::fill(buffer).expect("the system's random generator answers"),
        }
    }

    /// `bytes` random bytes as unpadded base64url: 32 give the 43 characters of codes and tokens (rule B9).
    pub fn token(&self, bytes: usize) -> String {
        let mut buffer = vec![0; bytes];
        self.fill(&mut buffer);
        URL_SAFE_NO_PAD.encode(buffer)
    }

    /// A client secret: 256 bits in padded base64, 44 characters (F-002, rule D12).
    pub fn client_secret(&self) -> String {
        let mut buffer = [0; 32];
        self.fill(&mut buffer);
        STANDARD.encode(buffer)
    }

    /// A random (version 4) UUID. Never a secret: rule B9 does not accept it as one.
    pub fn uuid(&self) -> Uuid {
        let mut buffer = [0; 16];
        self.fill(&mut buffer);
        uuid::Builder::from_random_bytes(buffer).into_uuid()
    }
}

impl Seeded {
    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let mut input = [0; 16];
            input[..8].copy_from_slice(&self.seed.to_le_bytes());
            input[8..].copy_from_slice(&self.block.to_le_bytes());
            self.block += 1;
            let block = digest::digest(&digest::SHA256, &input);
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // B9, F-002
    #[test]
    fn tokens_and_secrets_have_their_shapes() {
        let entropy = Entropy::system();
        assert_eq!(entropy.token(32).len(), 43);
        assert_eq!(entropy.client_secret().len(), 44);
        assert_ne!(entropy.token(32), entropy.token(32));
        assert_eq!(entropy.uuid().get_version_num(), 4);
    }

    #[test]
    fn a_seed_repeats_and_clones_share_the_position() {
        let (a, b) = (Entropy::seeded(7), Entropy::seeded(7));
        let first = a.token(32);
        assert_eq!(first, b.clone().token(32));
        assert_ne!(first, b.token(32));
    }
}
