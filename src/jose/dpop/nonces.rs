//! Nonces that nobody has to remember (RFC 9449 8): a keyed hash of the time they are given in.
//!
//! Owns their making and how long each is good. Who has to bring one is for those who ask.

use aws_lc_rs::hmac;

use super::super::jwk;
use crate::secret::equal;

/// Seconds after which another nonce is given; the one before is still good then (rule H7).
const GENERATION_FOR: i64 = 300;

/// Gives and accepts nonces; every node with the same key gives the same ones.
pub struct Nonces(hmac::Key);

impl Nonces {
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// What a client is to bring in its next proof, at `now` (Unix seconds).
    pub fn current(&self, now: i64) -> String {
        self.of(now.div_euclid(GENERATION_FOR))
    }

    /// Whether it was given in this generation or the last one.
    pub fn accept(&self, nonce: &str, now: i64) -> bool {
        let generation = now.div_euclid(GENERATION_FOR);
        [generation, generation - 1].iter().any(|&given| equal(self.of(given).as_bytes(), nonce.as_bytes()))
    }

    fn of(&self, generation: i64) -> String {
        jwk::encode(&hmac::sign(&self.0, &generation.to_be_bytes()).as_ref()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // H7: rotated, two generations are good
    #[test]
    fn a_nonce_is_good_for_two_generations() {
        let (nonces, others) = (Nonces::new(b"key"), Nonces::new(b"other"));
        let given = nonces.current(1_000);
        for (now, good) in [(900, true), (1_199, true), (1_200, true), (1_499, true), (1_500, false), (600, false)] {
            assert_eq!(nonces.accept(&given, now), good, "{now}");
        }
        assert_eq!(nonces.current(1_199), given);
        assert_ne!(nonces.current(1_200), given);
        assert!(!others.accept(&given, 1_000) && !nonces.accept("", 1_000));
        assert!(Nonces::new(b"key").accept(&given, 1_000), "another node's");
    }
}
