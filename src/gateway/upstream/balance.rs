//! Whose turn it is among the servers of an upstream.
//!
//! Owns the three ways of choosing, all of them without a lock. Which servers may be chosen is asked of the caller.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config;

/// How servers are chosen, compiled from the configuration.
pub(super) enum Balance {
    RoundRobin {
        /// Servers by turn: as many turns as weights, spread evenly.
        turns: Box<[usize]>,
        next: AtomicUsize,
    },
    LeastConnections {
        weights: Box<[u32]>,
        /// Who is asked first when several are equal.
        next: AtomicUsize,
    },
    Hash {
        servers: Box<[(u64, u32)]>,
        /// For requests without the value.
        next: AtomicUsize,
    },
}

impl Balance {
    /// `servers` are names and weights.
    pub fn new(balance: &config::Balance, servers: &[(&str, u32)]) -> Self {
        let next = AtomicUsize::new(0);
        match balance {
            config::Balance::RoundRobin => {
                let weights: Vec<u32> = servers.iter().map(|(_, weight)| *weight).collect();
                Self::RoundRobin { turns: turns(&weights), next }
            }
            config::Balance::LeastConnections => {
                Self::LeastConnections { weights: servers.iter().map(|(_, weight)| *weight).collect(), next }
            }
            config::Balance::Hash(_) => Self::Hash {
                servers: servers.iter().map(|(name, weight)| (hash(name.as_bytes()), *weight)).collect(),
                next,
            },
        }
    }

    /// A number that makes the next choice another one than the last. Taken once per choice, which may ask several times.
    pub fn turn(&self) -> usize {
        match self {
            Self::RoundRobin { turns, .. } if turns.len() == 1 => 0,
            Self::RoundRobin { next, .. } | Self::LeastConnections { next, .. } | Self::Hash { next, .. } => {
                next.fetch_add(1, Ordering::Relaxed)
            }
        }
    }

    /// The server to take among those that `may` be taken. `key` is the hash of what decides; `active` counts a server's
    /// requests.
    pub fn choose(
        &self,
        turn: usize,
        key: Option<u64>,
        active: impl Fn(usize) -> u32,
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        match self {
            Self::RoundRobin { turns, .. } => {
                in_turn(turns.len(), turn).map(|at| turns[at]).find(|server| may(*server))
            }
            Self::LeastConnections { weights, .. } => {
                // One more request there, compared as fractions.
                let load = |server: &usize| (u64::from(active(*server)) + 1, u64::from(weights[*server]));
                in_turn(weights.len(), turn).filter(|server| may(*server)).reduce(|best, other| {
                    let ((own, weight), (others, other_weight)) = (load(&best), load(&other));
                    if others * weight < own * other_weight { other } else { best }
                })
            }
            Self::Hash { servers, .. } => {
                let Some(key) = key else {
                    return in_turn(servers.len(), turn).find(|server| may(*server));
                };
                let score = |server: &usize| {
                    let (name, weight) = servers[*server];
                    score(key, name, weight)
                };
                (0..servers.len()).filter(|server| may(*server)).max_by(|a, b| score(a).total_cmp(&score(b)))
            }
        }
    }
}

/// All of `0..length`, from another one on each turn.
fn in_turn(length: usize, turn: usize) -> impl Iterator<Item = usize> {
    let start = turn % length.max(1);
    (start..length).chain(0..start)
}

/// Each server as often as its weight, as far apart as can be: `[3, 1]` is `0 0 1 0`.
fn turns(weights: &[u32]) -> Box<[usize]> {
    let divisor = weights.iter().copied().reduce(greatest_common_divisor).unwrap_or(1).max(1);
    let weights: Vec<i64> = weights.iter().map(|weight| i64::from(weight / divisor)).collect();
    let total: i64 = weights.iter().sum();
    let mut credits = vec![0_i64; weights.len()];
    let mut turns = Vec::new();
    for _ in 0..total {
        for (credit, weight) in credits.iter_mut().zip(&weights) {
            *credit += weight;
        }
        let richest = (0..credits.len()).rev().max_by_key(|server| credits[*server]).unwrap_or_default();
        credits[richest] -= total;
        turns.push(richest);
    }
    turns.into()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The same on every node and after every start, so that all of them choose the same server (FNV-1a, 64 bits).
fn hash(bytes: &[u8]) -> u64 {
    extend(0xcbf2_9ce4_8422_2325, bytes)
}

/// The key of a value made of `parts`, which are told apart: `a` and `bc` are not `ab` and `c`.
pub fn key_of(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(hash(&[]), |hash, part| extend(extend(hash, part), &[0xff]))
}

/// The hash of what was hashed before, followed by `bytes`.
fn extend(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// How much a server is the one for a key: the highest score wins, so a server that comes or goes moves its own keys only
/// (rendezvous hashing with weights, Schindelhauer and Schomaker 2005).
fn score(key: u64, server: u64, weight: u32) -> f64 {
    // 53 bits, so that every number is a float of its own, and never 0 or 1.
    let mixed = mix(key ^ server) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let share = (mixed as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(weight) / -share.ln()
}

/// Spreads every bit over all others (the finalizer of SplitMix64).
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Hashed;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("10.0.0.{n}:80")).collect()
    }

    fn balance(of: &config::Balance, weights: &[u32]) -> Balance {
        let names = names(weights.len());
        let servers: Vec<(&str, u32)> = names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        Balance::new(of, &servers)
    }

    fn counts(balance: &Balance, rounds: u64, may: impl Fn(usize) -> bool, servers: usize) -> Vec<u32> {
        let mut counts = vec![0; servers];
        for n in 0..rounds {
            let key = hash(format!("user-{n}").as_bytes());
            counts[balance.choose(balance.turn(), Some(key), |_| 0, &may).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn turns_are_spread_by_weight() {
        assert_eq!(*turns(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(*turns(&[3, 1]), [0, 0, 1, 0]);
        assert_eq!(*turns(&[10, 20]), *turns(&[1, 2]));
        assert_eq!(turns(&[5, 1, 1]).iter().filter(|server| **server == 0).count(), 5);
        let balance = balance(&config::Balance::RoundRobin, &[3, 1]);
        assert_eq!(counts(&balance, 400, |_| true, 2), [300, 100]);
        assert_eq!(counts(&balance, 400, |server| server == 1, 2), [0, 400]);
        assert_eq!(balance.choose(0, None, |_| 0, |_| false), None);
    }

    #[test]
    fn the_least_busy_server_is_taken() {
        let balance = balance(&config::Balance::LeastConnections, &[1, 1, 2]);
        let active = |of: [u32; 3]| move |server: usize| of[server];
        assert_eq!(balance.choose(0, None, active([3, 2, 9]), |_| true), Some(1));
        assert_eq!(
            balance.choose(0, None, active([3, 2, 4]), |_| true),
            Some(2),
            "twice the weight, twice the requests"
        );
        assert_eq!(balance.choose(0, None, active([3, 2, 4]), |server| server == 0), Some(0));
        // Equals take turns.
        let mut seen: Vec<usize> =
            (0..3).filter_map(|turn| balance.choose(turn, None, active([0, 0, 1]), |_| true)).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }

    #[test]
    fn a_value_keeps_its_server() {
        let balance = balance(&config::Balance::Hash(Hashed::Subject), &[1, 1, 1, 1]);
        let at = |key: &str, may: fn(usize) -> bool| {
            balance.choose(balance.turn(), Some(hash(key.as_bytes())), |_| 0, may).unwrap()
        };
        let keys: Vec<String> = (0..4000).map(|n| format!("subject-{n}")).collect();
        for key in &keys {
            let server = at(key, |_| true);
            assert_eq!(server, at(key, |_| true));
            // Without server 2, its keys move and nobody else's.
            let without = at(key, |server| server != 2);
            assert!(without == server || server == 2, "{key}");
        }
        let share = counts(&balance, 4000, |_| true, 4);
        assert!(share.iter().all(|count| (850..1150).contains(count)), "{share:?}");
        // What the dead one had goes to all others alike.
        let moved = counts(&balance, 4000, |server| server != 2, 4);
        assert!([0, 1, 3].iter().all(|server| (1150..1520).contains(&moved[*server])), "{moved:?}");
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c, "the same on every machine");
    }

    #[test]
    fn hashing_minds_weights_and_missing_values() {
        let balance = balance(&config::Balance::Hash(Hashed::Path), &[1, 3]);
        let share = counts(&balance, 4000, |_| true, 2);
        assert!((800..1200).contains(&share[0]), "{share:?}");
        let without: Vec<_> = (0..4).map(|_| balance.choose(balance.turn(), None, |_| 0, |_| true)).collect();
        assert!(without.contains(&Some(0)) && without.contains(&Some(1)));
    }
}
