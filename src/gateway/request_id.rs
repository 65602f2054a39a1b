//! The name of one request in answers, log lines and upstream headers.
//!
//! Owns uniqueness, not secrecy: an id may be guessed by somebody who has seen others.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::entropy::Entropy;

/// 128 bits as 32 lower-case hexadecimal digits, the shape of a W3C trace id.
#[derive(Clone, Copy)]
pub struct RequestId([u8; 32]);

thread_local! {
    /// The state of this thread's generator, seeded once from the system.
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

static COUNT: AtomicU64 = AtomicU64::new(0);

impl RequestId {
    /// An id that no other request has.
    pub fn next() -> Self {
        let seed = STATE.with(|state| state.get().unwrap_or_else(seed));
        // SplitMix64: full period, so that no thread repeats an id; the counter keeps threads apart.
        let next = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        STATE.with(|state| state.set(Some(next)));
        let high = mix(next);
        let low = mix(high ^ COUNT.fetch_add(1, Ordering::Relaxed));
        let mut hex = [0; 32];
        encode(high, &mut hex[..16]);
        encode(low, &mut hex[16..]);
        Self(hex)
    }

    /// Lower-case hexadecimal digits.
    pub fn digits(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        // Invariant: `encode` writes hexadecimal digits only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    Entropy::system().fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn encode(value: u64, hex: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in hex.chunks_exact_mut(2).zip(value.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_32_digits_and_differ_across_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| (0..10_000).map(|_| RequestId::next().as_str().to_owned()).collect::<Vec<_>>())
            })
            .collect();
        let ids: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 40_000);
    }
}
