//! The ledger of a test under fault: a line before a request is sent, a line after its whole answer came, and what of all
//! that must never be.
//!
//! Owns the lines and the counting of V1 to V8. It sends nothing and knows no gateway.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::canary::Seen;
use super::cost::Cost;

/// What a request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Goes to an upstream, with a token of this subject or without one.
    Pass {
        subject: Option<String>,
    },
    /// Spends what is good once: a code, a device code, a `jti`.
    Redeem {
        once: String,
    },
    /// Gets the successor of a refresh token.
    Refresh {
        token: String,
    },
    Revoke {
        token: String,
    },
    /// Finds out, when the fault is over, whether a token still counts.
    Probe {
        token: String,
    },
    /// Asks for something else: a token, a page, a document.
    Ask,
}

/// What has to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    Pass,
    /// Be refused with one of these statuses.
    Refuse(&'static [u16]),
    /// Pass, or be refused with one of these.
    Either(&'static [u16]),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A whole answer that is a yes, and the token that it gave, if it gave one.
    Ok(Option<String>),
    /// A whole answer that is a no.
    Fail(u16),
    /// Nobody listened: it was never sent.
    Unsent,
    /// The connection ended first. It may have happened or not: counted neither as lost nor as done.
    Info,
}

#[derive(Clone, Debug)]
enum Line {
    Invoke { id: u64, at: Duration, act: Act, must: Must },
    Return { id: u64, at: Duration, outcome: Outcome },
}

/// Everything that was asked. Shared by all clients of a test.
pub struct Ledger {
    began: Instant,
    seed: u64,
    lines: Mutex<Vec<Line>>,
    bearers: Mutex<HashSet<String>>,
}

impl Ledger {
    /// The seed is for whatever the test leaves to chance; it is printed with what was found.
    pub fn new(seed: u64) -> Self {
        Self { began: Instant::now(), seed, lines: Mutex::default(), bearers: Mutex::default() }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Before it is sent. The answer is its id.
    pub fn invoke(&self, act: Act, must: Must) -> u64 {
        let mut lines = self.lines.lock().unwrap();
        let id = u64::try_from(lines.len()).unwrap();
        lines.push(Line::Invoke { id, at: self.began.elapsed(), act, must });
        id
    }

    /// After the whole answer came, or none will.
    pub fn returned(&self, id: u64, outcome: Outcome) {
        let at = self.began.elapsed();
        self.lines.lock().unwrap().push(Line::Return { id, at, outcome });
    }

    /// How many were answered with a yes.
    pub fn passed(&self) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| matches!(line, Line::Return { outcome: Outcome::Ok(_), .. })).count()
    }

    /// Notes a token that a request bears, as a secret.
    pub fn bears(&self, token: &str) {
        let mut bearers = self.bearers.lock().unwrap();
        if !bearers.contains(token) {
            bearers.insert(token.to_owned());
        }
    }

    /// Every token and code that it names, which no log may.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.bearers.lock().unwrap().clone();
        for entry in self.entries() {
            match entry.act {
                Act::Redeem { once: secret } | Act::Refresh { token: secret } => secrets.insert(secret),
                Act::Revoke { token: secret } | Act::Probe { token: secret } => secrets.insert(secret),
                Act::Pass { .. } | Act::Ask => false,
            };
            if let Outcome::Ok(Some(token)) = entry.outcome {
                secrets.insert(token);
            }
        }
        secrets.into_iter().collect()
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries: BTreeMap<u64, Entry> = BTreeMap::new();
        for line in self.lines.lock().unwrap().iter().cloned() {
            match line {
                Line::Invoke { id, at, act, must } => {
                    entries
                        .insert(id, Entry { id, act, must, invoked_at: at, returned_at: at, outcome: Outcome::Info });
                }
                Line::Return { id, at, outcome } => {
                    let entry = entries.get_mut(&id).expect("it was invoked");
                    (entry.returned_at, entry.outcome) = (at, outcome);
                }
            }
        }
        entries.into_values().collect()
    }

    /// Looks at all of it, when the fault is over: what the canary saw, and revocations that count after `window`.
    pub fn check(&self, seen: &[Seen], window: Duration) -> Findings {
        let entries = self.entries();
        let families = Families::of(&entries);
        let mut findings = Findings { seed: self.seed, ..Findings::default() };
        for entry in &entries {
            findings.count(entry);
        }
        findings.violations[0] = redeemed_twice(&entries);
        findings.violations[1] = families.lost(&entries);
        findings.violations[2] = families.come_back(&entries, window);
        (findings.violations[3], findings.violations[4]) = let_in(&entries, seen);
        findings.violations[5] = wrongly_refused(&entries);
        findings
    }
}

/// A request and what came of it.
#[derive(Debug)]
struct Entry {
    id: u64,
    act: Act,
    must: Must,
    invoked_at: Duration,
    returned_at: Duration,
    outcome: Outcome,
}

/// V1
fn redeemed_twice(entries: &[Entry]) -> Vec<String> {
    let mut redeemed: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        if let (Act::Redeem { once }, Outcome::Ok(_)) = (&entry.act, &entry.outcome) {
            *redeemed.entry(once).or_default() += 1;
        }
    }
    redeemed.into_iter().filter(|(_, times)| *times > 1).map(|(once, times)| format!("{once} {times} times")).collect()
}

/// Refresh tokens that come from one grant: what ends one ends all of them.
struct Families<'a> {
    /// Token to the first of its family.
    of: HashMap<&'a str, &'a str>,
    /// Those that a client ended, or that ended because their code was presented again.
    ended: HashSet<&'a str>,
}

impl<'a> Families<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut families = Self { of: HashMap::new(), ended: HashSet::new() };
        let mut presented: HashMap<&str, usize> = HashMap::new();
        for entry in entries {
            if let Act::Redeem { once } = &entry.act {
                *presented.entry(once).or_default() += 1;
            }
        }
        for entry in entries {
            if let Act::Revoke { token } = &entry.act {
                let first = families.first(token);
                families.ended.insert(first);
            }
            let Outcome::Ok(Some(given)) = &entry.outcome else { continue };
            match &entry.act {
                Act::Refresh { token } => {
                    let first = families.first(token);
                    families.of.insert(given, first);
                }
                // RFC 6749 4.1.2: whatever a code gave ends when it is presented again.
                Act::Redeem { once } if presented[once.as_str()] > 1 => {
                    families.ended.insert(given);
                }
                Act::Redeem { .. } | Act::Ask | Act::Probe { .. } | Act::Pass { .. } | Act::Revoke { .. } => {}
            }
        }
        families
    }

    fn first(&self, token: &'a str) -> &'a str {
        self.of.get(token).copied().unwrap_or(token)
    }

    /// V2: acknowledged, revoked by nobody, and neither it nor a successor works. One that nobody looked at is lost too.
    fn lost(&self, entries: &[Entry]) -> Vec<String> {
        let mut given = Vec::new();
        let mut works: HashSet<&str> = HashSet::new();
        for entry in entries {
            let Outcome::Ok(gave) = &entry.outcome else { continue };
            match &entry.act {
                // A successor that was given is looked at in its place.
                Act::Refresh { token } | Act::Probe { token } => works.insert(token),
                Act::Redeem { .. } | Act::Ask | Act::Pass { .. } | Act::Revoke { .. } => false,
            };
            if let (Act::Redeem { .. } | Act::Refresh { .. } | Act::Ask, Some(gave)) = (&entry.act, gave) {
                given.push(gave.as_str());
            }
        }
        let lost = given.into_iter().filter(|token| !works.contains(token) && !self.ended.contains(self.first(token)));
        lost.map(str::to_owned).collect()
    }

    /// V3: a token of a family whose end was acknowledged and that works after the window. An end that nobody looked at
    /// counts too.
    fn come_back(&self, entries: &[Entry], window: Duration) -> Vec<String> {
        let mut violations = Vec::new();
        for revoked in entries {
            let (Act::Revoke { token }, Outcome::Ok(_)) = (&revoked.act, &revoked.outcome) else { continue };
            let (family, from) = (self.first(token), revoked.returned_at + window);
            let (mut looked, mut works) = (false, false);
            for entry in entries.iter().filter(|entry| entry.invoked_at >= from) {
                let (Act::Probe { token } | Act::Refresh { token }) = &entry.act else { continue };
                if self.first(token) == family {
                    looked = true;
                    works |= matches!(entry.outcome, Outcome::Ok(_));
                }
            }
            if works || !looked {
                violations.push(format!("{token} {}", if works { "works" } else { "was not looked at" }));
            }
        }
        violations
    }
}

/// V4 and V5: who was let in although refused, and who was taken for somebody else.
fn let_in(entries: &[Entry], seen: &[Seen]) -> (Vec<String>, Vec<String>) {
    let entries: HashMap<u64, &Entry> = entries.iter().map(|entry| (entry.id, entry)).collect();
    let (mut denied, mut confused) = (Vec::new(), Vec::new());
    for seen in seen {
        let Some(entry) = seen.id.and_then(|id| entries.get(&id)) else { continue };
        if matches!(entry.must, Must::Refuse(_)) {
            denied.push(format!("{} {:?}", entry.id, entry.act));
        }
        let Act::Pass { subject } = &entry.act else { continue };
        let expected: Vec<String> = subject.iter().cloned().collect();
        if seen.subjects != expected || seen.forged {
            confused.push(format!("{} of {expected:?} as {seen:?}", entry.id));
        }
    }
    (denied, confused)
}

/// V6
fn wrongly_refused(entries: &[Entry]) -> Vec<String> {
    let wrong = entries.iter().filter(|entry| match (entry.must, &entry.outcome) {
        (Must::Refuse(_), Outcome::Ok(_)) => true,
        (Must::Refuse(right) | Must::Either(right), Outcome::Fail(status)) => !right.contains(status),
        (Must::Pass | Must::Either(_), Outcome::Ok(_)) | (Must::Pass, Outcome::Fail(_)) => false,
        (Must::Pass | Must::Refuse(_) | Must::Either(_), Outcome::Unsent | Outcome::Info) => false,
    });
    wrong.map(|entry| format!("{:?} {:?} {:?}", entry.act, entry.must, entry.outcome)).collect()
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Findings {
    seed: u64,
    asked: usize,
    ok: usize,
    refused: usize,
    unsent: usize,
    unknown: usize,
    /// Requests that had to pass and did not.
    pub failed: Vec<String>,
    /// V1 to V8.
    pub violations: [Vec<String>; 8],
}

impl Findings {
    fn count(&mut self, entry: &Entry) {
        self.asked += 1;
        let counter = match entry.outcome {
            Outcome::Ok(_) => &mut self.ok,
            Outcome::Fail(_) => &mut self.refused,
            Outcome::Unsent => &mut self.unsent,
            Outcome::Info => &mut self.unknown,
        };
        *counter += 1;
        if entry.must == Must::Pass && !matches!(entry.outcome, Outcome::Ok(_)) {
            let (from, to) = (entry.invoked_at, entry.returned_at);
            self.failed.push(format!("{:?} {:?} from {from:?} to {to:?}", entry.act, entry.outcome));
        }
    }

    /// V7: what the process has now and did not have before.
    pub fn compare(&mut self, before: Cost, after: Cost) {
        self.violations[6].extend(after.beyond(before));
    }

    /// V8: whatever of `secrets` is in one of the texts, each with its name.
    pub fn search(&mut self, secrets: &[String], texts: &[(&str, String)]) {
        // A JWT is found by its claims and by its signature: its header is the same for all.
        let parts =
            secrets.iter().flat_map(|secret| secret.split(is_border).skip(usize::from(secret.starts_with("eyJ"))));
        let parts: HashSet<&str> = parts.filter(|part| part.len() >= 12).collect();
        for (name, text) in texts {
            let found = text.split(is_border).filter(|word| parts.contains(word));
            self.violations[7].extend(found.map(|word| format!("{word} in {name}")));
        }
    }

    /// Prints what was counted, and fails if anything is what must not be.
    #[track_caller]
    pub fn assert_none(&self, row: &str) {
        println!("{row}: {self}");
        for (number, violations) in (1..).zip(&self.violations) {
            let shown = &violations[..violations.len().min(3)];
            assert!(violations.is_empty(), "{row}: {self}\nV{number}: {shown:#?}");
        }
    }

    /// The same, and nothing that had to pass failed.
    #[track_caller]
    pub fn assert_unharmed(&self, row: &str) {
        self.assert_none(row);
        let shown = &self.failed[..self.failed.len().min(3)];
        assert!(self.failed.is_empty(), "{row}: {self}\nfailed: {shown:#?}");
    }

    pub fn ok(&self) -> usize {
        self.ok
    }
}

/// What tokens have none of, nor the words that log lines are made of.
fn is_border(character: char) -> bool {
    !(character.is_ascii_alphanumeric() || character == '-' || character == '_')
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, asked, ok, refused, unsent, unknown, failed, violations } = self;
        write!(f, "seed {seed}, {asked} asked, {ok} ok, {refused} refused, {unknown} unknown, {unsent} unsent, ")?;
        write!(f, "{} failed;", failed.len())?;
        for (number, violations) in (1..).zip(violations) {
            write!(f, " V{number} {}", violations.len())?;
        }
        Ok(())
    }
}
