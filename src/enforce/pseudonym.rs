//! Names under which subjects appear in logs: the same person is the same name, and nobody can tell who (rule O3).
//!
//! Owns the keyed hash; where the key comes from is `serve`'s business.

use aws_lc_rs::hmac;

/// Turns subjects into pseudonyms. Nodes that share the key agree on them.
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// 16 hexadecimal digits: enough to follow one subject through a log, too few to look anything up elsewhere.
    pub fn of(&self, issuer: &str, subject: &str) -> Box<str> {
        let mut context = hmac::Context::with_key(&self.0);
        // Subjects are unique per issuer only (rule F10); a NUL cannot occur in either.
        context.update(issuer.as_bytes());
        context.update(&[0]);
        context.update(subject.as_bytes());
        hex::encode(&context.sign().as_ref()[..8]).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // O3
    #[test]
    fn pseudonyms_are_stable_and_keyed() {
        let (one, other) = (Pseudonyms::new(b"one"), Pseudonyms::new(b"other"));
        assert_eq!(one.of("i", "s"), one.of("i", "s"));
        assert_eq!(one.of("i", "s").len(), 16);
        assert_ne!(one.of("i", "s"), other.of("i", "s"));
        assert_ne!(one.of("i", "s"), one.of("is", ""));
    }
}
