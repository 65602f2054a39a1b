use std::sync::atomic::AtomicBool;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::jose::{Algorithm, SigningKey, TokenType};
use crate::policy::{NoParameters, RuleSet, parse_rule};

const NOW: i64 = 1_800_000_000;

/// An issuer that a test can silence.
struct Switchable {
    name: &'static str,
    key: SigningKey,
    has_keys: AtomicBool,
    names_answer: AtomicBool,
}

impl Switchable {
    fn new(name: &'static str) -> Arc<Self> {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        Arc::new(Self { name, key, has_keys: AtomicBool::new(true), names_answer: AtomicBool::new(true) })
    }

    fn token(&self, issuer: &str, subject: &str) -> String {
        let claims = json!({
            "iss": issuer, "sub": subject, "exp": NOW + 60, "aud": "t1", "permissions": { "t1": ["read"] },
        });
        self.key.sign(TokenType::AccessToken, &claims).unwrap()
    }
}

#[async_trait]
impl Issuer for Switchable {
    fn is_called(&self, iss: &str) -> bool {
        iss == self.name
    }

    fn trusted(&self) -> Option<Trusted> {
        let keys = Arc::new(KeySet::new([Arc::clone(self.key.verifying_key())]));
        self.has_keys.load(Ordering::Relaxed).then(|| Trusted { expectations: Expectations::new(self.name), keys })
    }

    async fn names_of(&self, _ids: &[&str]) -> Result<Vec<(Box<str>, Box<str>)>, Unknown> {
        let names = vec![("t1".into(), "orders".into())];
        if self.names_answer.load(Ordering::Relaxed) { Ok(names) } else { Err(Unknown) }
    }
}

fn enforcer(issuers: &[&Arc<Switchable>]) -> (Enforcer, Clock) {
    let clock = Clock::fixed(NOW);
    let issuers = issuers.iter().map(|issuer| Arc::clone(issuer) as Arc<dyn Issuer>).collect();
    (Enforcer::new(issuers, TokenCache::new(1 << 20), clock.clone(), Pseudonyms::new(b"test")), clock)
}

fn guard(rule: &str, issuers: &[usize]) -> Guard {
    let policy = Policy::compile(&RuleSet::every_method(parse_rule(rule).unwrap())).unwrap();
    let accepts = issuers.iter().map(|&issuer| Accepted { issuer, audience: Box::default() });
    Guard {
        policy,
        accepts: accepts.collect(),
        observes: false,
        live_permissions: false,
        demand: Demand::Nothing,
        dpop_nonce: false,
    }
}

async fn outcome(enforcer: &Enforcer, guard: &Guard, token: &str) -> Result<(), (u16, &'static str)> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let request = Request {
        method: &Method::GET,
        headers: &headers,
        query: None,
        parameters: &NoParameters,
        sender: Sender::default(),
    };
    let outcome = enforcer.check(guard, request).await;
    outcome.map(|_| ()).map_err(|refusal| (refusal.denial.status(), refusal.denial.code()))
}

// O1: what cannot be decided is 503, is not remembered, and is decided once it can be
#[tokio::test]
async fn a_silent_directory_is_no_verdict() {
    let issuer = Switchable::new("https://a");
    let (enforcer, _) = enforcer(&[&issuer]);
    let (guard, token) = (guard("permission read on orders", &[0]), issuer.token("https://a", "s"));

    issuer.has_keys.store(false, Ordering::Relaxed);
    assert_eq!(outcome(&enforcer, &guard, &token).await, Err((503, "keys_unavailable")));
    issuer.has_keys.store(true, Ordering::Relaxed);
    issuer.names_answer.store(false, Ordering::Relaxed);
    assert_eq!(outcome(&enforcer, &guard, &token).await, Err((503, "directory_unavailable")));
    issuer.names_answer.store(true, Ordering::Relaxed);
    assert_eq!(outcome(&enforcer, &guard, &token).await, Ok(()));
    // Known by now, so a silence does not matter until something changes.
    issuer.names_answer.store(false, Ordering::Relaxed);
    assert_eq!(outcome(&enforcer, &guard, &token).await, Ok(()));
    enforcer.forget();
    assert_eq!(outcome(&enforcer, &guard, &token).await, Err((503, "directory_unavailable")));
}

// F7: two trusted issuers, tokens signed by the one in the name of the other
#[tokio::test]
async fn an_issuer_vouches_for_its_own_tokens_only() {
    let (a, b) = (Switchable::new("https://a"), Switchable::new("https://b"));
    let (enforcer, _) = enforcer(&[&a, &b]);
    let (both, only_a) = (guard("authenticated", &[0, 1]), guard("authenticated", &[0]));
    assert_eq!(outcome(&enforcer, &both, &a.token("https://a", "s")).await, Ok(()));
    assert_eq!(outcome(&enforcer, &both, &b.token("https://b", "s")).await, Ok(()));
    assert_eq!(outcome(&enforcer, &both, &b.token("https://a", "s")).await, Err((401, "unknown_key")));
    assert_eq!(outcome(&enforcer, &both, &a.token("https://c", "s")).await, Err((401, "issuer_not_accepted")));
    // The cache is shared by all routes; what a route accepts is asked anew.
    let of_b = b.token("https://b", "t");
    assert_eq!(outcome(&enforcer, &both, &of_b).await, Ok(()));
    assert_eq!(outcome(&enforcer, &only_a, &of_b).await, Err((401, "issuer_not_accepted")));
}

// F17: expiry is asked at every use, by the wall clock of that moment
#[tokio::test]
async fn a_known_token_expires_on_time() {
    let issuer = Switchable::new("https://a");
    let (enforcer, clock) = enforcer(&[&issuer]);
    let (guard, token) = (guard("authenticated", &[0]), issuer.token("https://a", "s"));
    assert_eq!(outcome(&enforcer, &guard, &token).await, Ok(()));
    clock.advance(59);
    assert_eq!(outcome(&enforcer, &guard, &token).await, Ok(()));
    clock.advance(1);
    assert_eq!(outcome(&enforcer, &guard, &token).await, Err((401, "expired")));
    assert_eq!(outcome(&enforcer, &guard, &token).await, Err((401, "expired")));
    assert_eq!(enforcer.cache_counts().misses, 1, "an expired token is not taken for a new one twice");
}

// I8, F-340: refused by the next request, whatever the mark is against, and however often the token was seen before
#[tokio::test]
async fn a_revoked_token_is_refused_at_once() {
    use crate::model::{Revocation, Revoked};

    let issuer = Switchable::new("https://a");
    let (enforcer, clock) = enforcer(&[&issuer]);
    let revocations = Arc::new(Revocations::default());
    let enforcer = enforcer.with_revocations(revocations.clone());
    let guard = guard("authenticated", &[0]);
    let token = |jti: &str, user: Uuid, grant: Uuid| {
        let claims = json!({
            "iss": "https://a", "sub": user, "gid": grant, "jti": jti, "exp": NOW + 60, "iat": NOW,
        });
        issuer.key.sign(TokenType::AccessToken, &claims).unwrap()
    };
    let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let tokens = [token("a1", ada, Uuid::from_u128(11)), token("a2", ada, Uuid::from_u128(12)), token("b", bob, bob)];
    let outcomes = async || {
        let mut outcomes = Vec::new();
        for token in &tokens {
            outcomes.push(outcome(&enforcer, &guard, token).await);
        }
        outcomes
    };
    let refused = Err((401, "revoked"));
    assert_eq!(outcomes().await, [Ok(()); 3]);
    let add = |revoked| revocations.add(&Revocation { revoked, revoked_at: clock.now(), expires_at: NOW + 60 });
    add(Revoked::Token("a1".to_owned()));
    for _ in 0..2 {
        assert_eq!(outcomes().await, [refused, Ok(()), Ok(())]);
    }
    add(Revoked::User(ada));
    assert_eq!(outcomes().await, [refused, refused, Ok(())]);
    add(Revoked::Grant(bob));
    assert_eq!(outcomes().await, [refused; 3]);
    assert_eq!(enforcer.cache_counts().misses, 3, "verified once, whatever is revoked");
}

// T59: nonsense is refused for much less than believing a token costs, so that a flood of it costs less than one of tokens
#[tokio::test]
async fn refusing_nonsense_is_cheap() {
    const TIMES: u32 = 50;
    let issuer = Switchable::new("https://a");
    let (enforcer, _) = enforcer(&[&issuer]);
    let guard = guard("permission read on orders", &[0]);
    let good = issuer.token("https://a", "s");
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"at+jwt"}"#);
    let nonsense = [
        "x".repeat(700),
        ["x".repeat(300), "y".repeat(300), "z".repeat(86)].join("."),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{head}.{claims}.{}", "A".repeat(jose::MAX_TOKEN_BYTES)),
    ];
    // What others do on the machine only adds: the least of several counts.
    let mut costs = vec![Duration::MAX; nonsense.len() + 1];
    for _ in 0..20 {
        for (cost, token) in costs.iter_mut().zip([&good].into_iter().chain(&nonsense)) {
            let began = std::time::Instant::now();
            for _ in 0..TIMES {
                enforcer.forget();
                let outcome = outcome(&enforcer, &guard, token).await;
                assert_eq!(outcome.is_ok(), *token == good);
            }
            *cost = (*cost).min(began.elapsed());
        }
    }
    println!("T59: {:?}", costs.iter().map(|cost| *cost / TIMES).collect::<Vec<_>>());
    for (token, cost) in nonsense.iter().zip(&costs[1..]) {
        let refused = outcome(&enforcer, &guard, token).await;
        assert!(matches!(refused, Err((401, _))), "{refused:?}");
        let shown = &token[..60.min(token.len())];
        assert!(*cost < costs[0] / 2, "{shown}: {:?} beside {:?}", *cost / TIMES, costs[0] / TIMES);
    }
}
