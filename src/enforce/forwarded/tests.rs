use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::enforce::Identity;
use crate::enforce::live::Live;
use crate::enforce::token::{Cleared, Place};
use crate::policy::{TargetPermissions, TokenFacts, Words};

const NOW: i64 = 1_800_000_000;

/// Says how often it signed, and what.
#[derive(Default)]
struct Counting {
    signed: AtomicUsize,
    is_silent: AtomicBool,
    last: Mutex<Map<String, Value>>,
}

impl Signer for Counting {
    fn sign(&self, claims: &Map<String, Value>) -> Option<String> {
        if self.is_silent.load(Ordering::Relaxed) {
            return None;
        }
        *self.last.lock().unwrap() = claims.clone();
        Some(format!("signed-{}", self.signed.fetch_add(1, Ordering::Relaxed)))
    }
}

struct World {
    signer: Arc<Counting>,
    clock: Clock,
    minter: Minter,
}

impl World {
    fn new() -> Self {
        let (signer, clock) = (Arc::new(Counting::default()), Clock::fixed(NOW));
        let minter = Minter {
            issuer: "https://gate.example/_faregate".into(),
            signer: signer.clone(),
            clock: clock.clone(),
            entropy: Entropy::system(),
        };
        Self { signer, clock, minter }
    }

    fn value(&self, token: &VerifiedToken, destination: &Arc<Destination>) -> String {
        self.minter.value_for(token, destination).unwrap().to_str().unwrap().to_owned()
    }
}

fn destination(audience: &str) -> Arc<Destination> {
    let header = HeaderName::from_static("x-auth-jwt");
    Arc::new(Destination { header, audience: audience.into(), lives_for: 300 })
}

fn token(facts: TokenFacts, expires_at: i64) -> VerifiedToken {
    VerifiedToken {
        place: Place::default(),
        issuer: 0,
        identity: Identity::of(&facts),
        facts,
        expires_at,
        fresh_until: i64::MAX,
        is_opaque: false,
        is_foreign: false,
        token_id: None,
        key_id: "k".into(),
        pseudonym: "p".into(),
        cleared: Cleared::default(),
        binding: None,
        minted: Minted::default(),
        live: Live::default(),
    }
}

// 1,000 requests with a token that nobody has seen, and 1,000 more when what was made has ended: each time one signature
#[test]
fn a_thousand_at_once_are_one_signature() {
    let world = World::new();
    let (token, destination) = (token(TokenFacts::default(), i64::MAX), destination("app"));
    for (round, seconds) in [0, 300].into_iter().enumerate() {
        world.clock.advance(seconds);
        let barrier = Barrier::new(50);
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..20 {
                        assert_eq!(world.value(&token, &destination), format!("signed-{round}"));
                    }
                });
            }
        });
        assert_eq!(world.signer.signed.load(Ordering::Relaxed), round + 1);
    }
}

// Renewed ahead: an upstream never gets one that is about to end, unless the client's own token is
#[test]
fn what_was_made_is_used_until_its_last_quarter() {
    let world = World::new();
    let (token, destination) = (token(TokenFacts::default(), NOW + 400), destination("app"));
    for (at, value, expires_at) in [
        (0, "signed-0", 300),
        (224, "signed-0", 300),
        // Of what is made here, the client's token is the end, and until then it stays.
        (225, "signed-1", 400),
        (399, "signed-1", 400),
    ] {
        world.clock.set(NOW + at);
        assert_eq!(world.value(&token, &destination), value, "{at}");
        assert_eq!(world.signer.last.lock().unwrap()["exp"], NOW + expires_at);
    }
    // While somebody makes the next one, the others take what is there; they wait only for what is over.
    let other = super::tests::token(TokenFacts::default(), i64::MAX);
    assert_eq!(world.value(&other, &destination), "signed-2");
    world.clock.advance(299);
    let making = other.minted.making.lock().unwrap();
    assert_eq!(world.value(&other, &destination), "signed-2");
    drop(making);
    assert_eq!(world.value(&other, &destination), "signed-3");
}

// Each destination has its own, and a request copies nothing
#[test]
fn a_destination_gets_its_own_and_the_same_bytes_again() {
    let world = World::new();
    let token = token(TokenFacts::default(), i64::MAX);
    let (one, other) = (destination("one"), destination("other"));
    let first = world.minter.value_for(&token, &one).unwrap();
    assert_eq!(world.value(&token, &other), "signed-1");
    assert_eq!(world.signer.last.lock().unwrap()["aud"], "other");
    let again = world.minter.value_for(&token, &one).unwrap();
    assert_eq!(first.as_bytes().as_ptr(), again.as_bytes().as_ptr(), "a shared value, no copy");
    assert!(again.is_sensitive() && !format!("{again:?}").contains("signed"), "O2");
    // Equal, but of another configuration.
    assert_eq!(world.value(&token, &destination("one")), "signed-2");
}

#[test]
fn it_says_what_the_token_says_and_who_said_it() {
    let world = World::new();
    let target =
        TargetPermissions { id: "id-1".into(), name: Some("orders".into()), permissions: Words::parse("write read") };
    let facts = TokenFacts {
        issuer: "https://idp.example".into(),
        subject: "ada".into(),
        client_id: Some("shop".into()),
        tenant_id: Some("t1".into()),
        scopes: Words::parse("b a"),
        roles: ["admin"].into_iter().collect(),
        permissions: [target].into_iter().collect(),
        acr: Some("gold".into()),
        authenticated_at: Some(NOW - 60),
        ..TokenFacts::default()
    };
    world.value(&token(facts, i64::MAX), &destination("app"));
    let mut said = Value::Object(world.signer.last.lock().unwrap().clone());
    assert_eq!(said["jti"].take().as_str().map(str::len), Some(36));
    let expected = json!({
        "acr": "gold", "aud": "app", "auth_time": NOW - 60, "client_id": "shop", "exp": NOW + 300, "iat": NOW,
        "iss": "https://gate.example/_faregate", "jti": null, "permissions": { "id-1": ["read", "write"] },
        "roles": ["admin"], "scope": "a b", "sub": "ada",
        "sub_id": { "format": "iss_sub", "iss": "https://idp.example", "sub": "ada" }, "tid": "t1",
    });
    assert_eq!(said, expected);
    // What the token does not say is not there.
    world.value(&token(TokenFacts::default(), i64::MAX), &destination("app"));
    let said = world.signer.last.lock().unwrap().clone();
    assert_eq!(said.keys().collect::<Vec<_>>(), ["aud", "exp", "iat", "iss", "jti", "sub", "sub_id"]);
}

// O1: without a key nothing is said and nobody is sent on without it
#[test]
fn without_a_key_it_cannot_be_decided() {
    let world = World::new();
    world.signer.is_silent.store(true, Ordering::Relaxed);
    let (token, destination) = (token(TokenFacts::default(), i64::MAX), destination("app"));
    assert_eq!(world.minter.value_for(&token, &destination), Err(Denial::Undecidable(Obstacle::Keys)));
    world.signer.is_silent.store(false, Ordering::Relaxed);
    assert_eq!(world.value(&token, &destination), "signed-0");
}
