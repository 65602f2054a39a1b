//! The ledger itself: it finds each of what must not be in a ledger that has it, and nothing in one that has not.

use std::time::Duration;

use crate::support::canary::Seen;
use crate::support::cost::Cost;
use crate::support::ledger::{Act, Findings, Ledger, Must, Outcome};

const YES: Outcome = Outcome::Ok(None);

fn gave(token: &str) -> Outcome {
    Outcome::Ok(Some(token.to_owned()))
}

fn redeem(once: &str) -> Act {
    Act::Redeem { once: once.to_owned() }
}

fn refresh(token: &str) -> Act {
    Act::Refresh { token: token.to_owned() }
}

fn revoke(token: &str) -> Act {
    Act::Revoke { token: token.to_owned() }
}

fn probe(token: &str) -> Act {
    Act::Probe { token: token.to_owned() }
}

fn pass(subject: &str) -> Act {
    Act::Pass { subject: (!subject.is_empty()).then(|| subject.to_owned()) }
}

fn seen(id: u64, subjects: &[&str]) -> Seen {
    Seen { id: Some(id), subjects: subjects.iter().map(|&subject| subject.to_owned()).collect(), forged: false }
}

fn checked(lines: &[(Act, Must, Outcome)], seen: &[Seen]) -> Findings {
    let ledger = Ledger::new(1);
    for (act, must, outcome) in lines {
        let id = ledger.invoke(act.clone(), *must);
        ledger.returned(id, outcome.clone());
    }
    ledger.check(seen, Duration::ZERO)
}

/// How often each of V1 to V8 was found.
fn counts(findings: &Findings) -> [usize; 8] {
    findings.violations.each_ref().map(Vec::len)
}

#[track_caller]
fn assert_found(violation: usize, lines: &[(Act, Must, Outcome)]) {
    let mut expected = [0; 8];
    expected[violation - 1] = 1;
    assert_eq!(counts(&checked(lines, &[])), expected, "{lines:?}");
}

#[track_caller]
fn assert_clean(lines: &[(Act, Must, Outcome)]) {
    assert_eq!(counts(&checked(lines, &[])), [0; 8], "{lines:?}");
}

const ANY: Must = Must::Either(&[400]);

// V1
#[test]
fn a_code_that_was_redeemed_twice_is_found() {
    assert_found(1, &[(redeem("c"), ANY, YES), (redeem("c"), ANY, YES)]);
    assert_clean(&[(redeem("c"), ANY, YES), (redeem("c"), ANY, Outcome::Fail(400)), (redeem("d"), ANY, YES)]);
    // Nobody knows whether the first one happened: that is no success.
    assert_clean(&[(redeem("c"), ANY, Outcome::Info), (redeem("c"), ANY, YES)]);
}

// V2
#[test]
fn an_acknowledged_token_that_is_gone_is_found() {
    let given = (redeem("c"), ANY, gave("a"));
    assert_found(2, &[given.clone(), (probe("a"), ANY, Outcome::Fail(400))]);
    // A test that does not look proves nothing.
    assert_found(2, std::slice::from_ref(&given));
    assert_clean(&[given.clone(), (probe("a"), ANY, YES)]);
    // Its successor is gone.
    let rotated = (refresh("a"), ANY, gave("b"));
    assert_found(2, &[given.clone(), rotated.clone(), (probe("b"), ANY, Outcome::Fail(400))]);
    assert_clean(&[given.clone(), rotated.clone(), (probe("b"), ANY, YES)]);
    // Nobody knows whether it was rotated, and asking again gives the successor.
    assert_clean(&[given.clone(), (refresh("a"), ANY, Outcome::Info), rotated.clone(), (probe("b"), ANY, YES)]);
    assert_found(2, &[given.clone(), (refresh("a"), ANY, Outcome::Info), (refresh("a"), ANY, Outcome::Fail(400))]);
    // What somebody ended is not lost: the token, its family, or whatever its code gave.
    assert_clean(&[given.clone(), (revoke("a"), ANY, Outcome::Info), (probe("a"), ANY, Outcome::Fail(400))]);
    assert_clean(&[given.clone(), rotated, (revoke("a"), ANY, YES), (probe("b"), ANY, Outcome::Fail(400))]);
    assert_clean(&[given, (redeem("c"), ANY, Outcome::Fail(400)), (probe("a"), ANY, Outcome::Fail(400))]);
}

// V3
#[test]
fn a_revocation_that_did_not_stick_is_found() {
    let given = [(redeem("c"), ANY, gave("a")), (refresh("a"), ANY, gave("b"))];
    let ended = (revoke("a"), ANY, YES);
    let with = |last: &[(Act, Must, Outcome)]| [&given[..], std::slice::from_ref(&ended), last].concat();
    assert_found(3, &with(&[(probe("a"), ANY, YES)]));
    // The whole family ends.
    assert_found(3, &with(&[(probe("b"), ANY, YES)]));
    assert_found(3, &with(&[(refresh("b"), ANY, YES)]));
    assert_found(3, &with(&[]));
    assert_clean(&with(&[(probe("b"), ANY, Outcome::Fail(400))]));
    // Within the window it need not be known yet: then nobody has looked.
    let ledger = Ledger::new(1);
    for (act, outcome) in [(revoke("a"), YES), (probe("a"), YES)] {
        let id = ledger.invoke(act, ANY);
        ledger.returned(id, outcome);
    }
    let findings = ledger.check(&[], Duration::from_secs(60));
    assert_eq!(counts(&findings)[2], 1);
    assert!(findings.violations[2][0].contains("not looked at"), "{findings:?}");
    // One that was never acknowledged may work or not.
    assert_clean(&[given[0].clone(), (revoke("a"), ANY, Outcome::Info), (probe("a"), ANY, YES)]);
}

// V4
#[test]
fn somebody_who_was_let_in_is_found() {
    let lines = [(pass(""), Must::Refuse(&[401]), Outcome::Fail(401)), (pass(""), Must::Pass, YES)];
    // Refused to the client's face, and at the upstream nevertheless. Ids are places in the ledger.
    assert_eq!(counts(&checked(&lines, &[seen(0, &[]), seen(2, &[])])), [0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&checked(&lines, &[seen(2, &[])])), [0; 8]);
    // Whether or not an answer came.
    let unknown = [(pass(""), Must::Refuse(&[401]), Outcome::Info)];
    assert_eq!(counts(&checked(&unknown, &[seen(0, &[])]))[3], 1);
}

// V5
#[test]
fn somebody_taken_for_somebody_else_is_found() {
    let lines = [(pass("ann"), Must::Pass, YES)];
    let forged = Seen { forged: true, ..seen(0, &["ann"]) };
    for wrong in [seen(0, &["ben"]), seen(0, &[]), seen(0, &["ann", "ben"]), seen(0, &["ann", "ann"]), forged] {
        assert_eq!(counts(&checked(&lines, std::slice::from_ref(&wrong))), [0, 0, 0, 0, 1, 0, 0, 0], "{wrong:?}");
    }
    assert_eq!(counts(&checked(&lines, &[seen(0, &["ann"])])), [0; 8]);
    // Without a token nobody is anybody.
    let nobody = [(pass(""), Must::Pass, YES)];
    assert_eq!(counts(&checked(&nobody, &[seen(0, &["ann"])]))[4], 1);
}

// V6
#[test]
fn a_wrong_refusal_is_found() {
    const REFUSE: Must = Must::Refuse(&[401, 503]);
    for wrong in [Outcome::Fail(403), Outcome::Fail(500), YES] {
        assert_found(6, &[(Act::Ask, REFUSE, wrong)]);
    }
    assert_found(6, &[(Act::Ask, Must::Either(&[503]), Outcome::Fail(500))]);
    for right in [Outcome::Fail(401), Outcome::Fail(503), Outcome::Info, Outcome::Unsent] {
        assert_clean(&[(Act::Ask, REFUSE, right)]);
    }
    // One that had to pass is a failure, and counted as such.
    let findings = checked(&[(Act::Ask, Must::Pass, Outcome::Fail(503)), (Act::Ask, Must::Pass, Outcome::Info)], &[]);
    assert_eq!((counts(&findings), findings.failed.len()), ([0; 8], 2));
}

// V7
#[test]
fn what_a_process_keeps_is_found() {
    let before = Cost { resident_kib: 100_000, descriptors: 40, threads: 20 };
    for (after, count) in [
        (before, 0),
        (Cost { resident_kib: 109_000, descriptors: 39, threads: 22 }, 0),
        (Cost { resident_kib: 111_000, ..before }, 1),
        (Cost { descriptors: 41, ..before }, 1),
        (Cost { threads: 23, ..before }, 1),
    ] {
        let mut findings = checked(&[], &[]);
        findings.compare(before, after);
        assert_eq!(counts(&findings)[6], count, "{after:?}");
    }
    // And it is read from a process that is there.
    let own = Cost::of(std::process::id());
    assert!(!cfg!(target_os = "linux") || own.resident_kib > 1000 && own.descriptors > 2 && own.threads > 1, "{own:?}");
}

// V8
#[test]
fn a_secret_in_a_text_is_found() {
    let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw";
    let ledger = Ledger::new(1);
    let id = ledger.invoke(redeem("code-code-code-code"), ANY);
    ledger.returned(id, gave("refresh_refresh_refresh"));
    let secrets = [ledger.secrets(), vec![jwt.to_owned()]].concat();
    for (text, count) in [
        ("GET /cb?code=code-code-code-code&state=s", 1),
        (r#"{"token":"refresh_refresh_refresh"}"#, 1),
        ("signature c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw alone", 1),
        ("code-code refresh_ eyJhbGciOiJFUzI1NiJ9", 0),
    ] {
        let mut findings = checked(&[], &[]);
        findings.search(&secrets, &[("the log", text.to_owned())]);
        assert_eq!(counts(&findings)[7], count, "{text}");
    }
}

// What must not be fails the test that finds it, and what had to pass fails one that says so.
#[test]
fn findings_end_in_a_failure() {
    let fails = |check: fn(&Findings), lines: &[(Act, Must, Outcome)]| {
        let findings = checked(lines, &[]);
        std::panic::catch_unwind(|| check(&findings)).is_err()
    };
    let wrong = [(Act::Ask, Must::Refuse(&[401]), YES)];
    let failed = [(Act::Ask, Must::Pass, Outcome::Info)];
    assert!(fails(|findings| findings.assert_none("made up"), &wrong));
    assert!(!fails(|findings| findings.assert_none("made up"), &failed));
    assert!(fails(|findings| findings.assert_unharmed("made up"), &failed));
    assert!(!fails(|findings| findings.assert_unharmed("made up"), &[(Act::Ask, Must::Pass, YES)]));
}
