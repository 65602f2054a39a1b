//! What believing a token costs: the whole door beside the bare signature check over the same bytes, then the check of
//! tokens seen before, alone and among many issuers and rules, and refusals.

use std::future::Future as _;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use faregate::clock::Clock;
use faregate::enforce::{
    Accepted, Demand, Enforcer, Guard, Issuer, Permit, Pseudonyms, Refusal, Request, Sender, TokenCache, Trusted,
    Unknown,
};
use faregate::gateway::{Quotas, Rate};
use faregate::jose::{Algorithm, Expectations, KeySet, SigningKey, TokenType, verify};
use faregate::policy::{NoParameters, Policy, Rule, RuleSet, parse_rule};
use faregate::route::{Pattern, RouteTable};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://gate.example.com";
const TARGET: &str = "e13365f1-a270-493e-bd1b-3d239d753d53";

/// The claims of an entity token, 650 to 1,000 bytes once signed.
fn claims() -> serde_json::Value {
    json!({
        "aud": TARGET,
        "client_id": "2934f41f-d277-4a32-b0d5-16e47dad9721",
        "exp": NOW + 3600,
        "iat": NOW,
        "iss": ISSUER,
        "jti": "0b02f509-bcf3-4b8d-a3db-03f98ace9d9f",
        "permissions": { TARGET: ["read", "write"] },
        "scope": format!("target-entity:{TARGET}:read,write"),
        "sub": "2934f41f-d277-4a32-b0d5-16e47dad9721",
        "tid": "30663132-6464-6665-3032-326466613934",
    })
}

/// The bare check, with a key that is parsed already.
enum Bare {
    Public(ParsedPublicKey),
    Shared(Box<hmac::Key>),
}

impl Bare {
    fn new(key: &SigningKey) -> Self {
        let private = key.private_key().unwrap();
        let public = |algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
            Self::Public(ParsedPublicKey::new(algorithm, bytes).unwrap())
        };
        match key.algorithm() {
            Algorithm::Rs256 => {
                let pair = aws_lc_rs::rsa::KeyPair::from_pkcs8(private.expose()).unwrap();
                public(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
            }
            Algorithm::Es256 => {
                let signing = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(signing, private.expose()).unwrap();
                public(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())
            }
            Algorithm::EdDsa => {
                let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(private.expose()).unwrap();
                public(&ED25519, pair.public_key().as_ref())
            }
            Algorithm::Hs256 => Self::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, private.expose()))),
            other => panic!("no bare check for {other:?}"),
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::Shared(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

fn cold(criterion: &mut Criterion) {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let keys = KeySet::new([Arc::clone(key.verifying_key())]);
        let expectations = Expectations {
            audiences: [TARGET.into()].into(),
            algorithms: [algorithm].into_iter().collect(),
            ..Expectations::new(ISSUER)
        };
        let token = key.sign(TokenType::AccessToken, &claims()).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let bare = Bare::new(&key);

        let mut group = criterion.benchmark_group(format!("cold/{}", algorithm.as_str()));
        group.bench_function("bare", |bencher| {
            bencher.iter(|| assert!(bare.verify(black_box(message.as_bytes()), black_box(&signature))));
        });
        group.bench_function("door", |bencher| {
            bencher.iter(|| verify(black_box(&token), &expectations, &keys, NOW).unwrap());
        });
        group.bench_function("sign", |bencher| {
            bencher.iter(|| key.sign(TokenType::AccessToken, black_box(&claims())).unwrap());
        });
        group.finish();
    }
}

/// The whole check of a request, as the gateway makes it.
struct Gate {
    enforcer: Enforcer,
    headers: Vec<HeaderMap>,
}

/// An issuer whose keys never change and whose entities have names.
struct Fixed {
    name: String,
    keys: Arc<KeySet>,
}

#[async_trait]
impl Issuer for Fixed {
    fn is_called(&self, iss: &str) -> bool {
        iss == self.name
    }

    fn trusted(&self) -> Option<Trusted> {
        Some(Trusted { expectations: Expectations::new(&self.name), keys: self.keys.clone() })
    }

    async fn names_of(&self, ids: &[&str]) -> Result<Vec<(Box<str>, Box<str>)>, Unknown> {
        Ok(ids.iter().map(|id| ((*id).into(), "orders".into())).collect())
    }
}

impl Gate {
    /// A gate that has seen `tokens` distinct tokens.
    fn new(tokens: usize) -> Self {
        Self::among(1, tokens)
    }

    /// The same with so many issuers, of which the last one's tokens are used.
    fn among(issuers: usize, tokens: usize) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let keys = Arc::new(KeySet::new([Arc::clone(key.verifying_key())]));
        let name =
            |number| if number + 1 == issuers { ISSUER.to_owned() } else { format!("https://issuer-{number}.example") };
        let believed = |number| -> Arc<dyn Issuer> { Arc::new(Fixed { name: name(number), keys: keys.clone() }) };
        let last = issuers - 1;
        let issuers: Vec<Arc<dyn Issuer>> = (0..issuers).map(believed).collect();
        let cache = TokenCache::new(256 * 1024 * 1024);
        let enforcer = Enforcer::new(issuers, cache, Clock::fixed(NOW), Pseudonyms::new(b"bench"));
        let header = |number: usize| {
            let mut claims = claims();
            claims["jti"] = number.to_string().into();
            bearer(&key.sign(TokenType::AccessToken, &claims).unwrap())
        };
        let gate = Self { enforcer, headers: (0..tokens).map(header).collect() };
        let guard = guard_at(parse_rule("permission read on orders").unwrap(), last);
        for headers in &gate.headers {
            gate.check(&guard, headers).unwrap();
        }
        gate
    }

    fn check(&self, guard: &Guard, headers: &HeaderMap) -> Result<Permit, Refusal> {
        let request = Request {
            method: &Method::GET,
            headers,
            query: None,
            parameters: &NoParameters,
            sender: Sender::default(),
        };
        let mut check = pin!(self.enforcer.check(guard, request));
        match check.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("the names of entities are known at once here"),
        }
    }
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("gate.example.com"));
    headers.insert("accept", HeaderValue::from_static("*/*"));
    headers.insert("user-agent", HeaderValue::from_static("bench/1.0"));
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    headers
}

fn guard(rule: &str) -> Guard {
    guard_of(parse_rule(rule).unwrap())
}

fn guard_of(rule: Rule) -> Guard {
    guard_at(rule, 0)
}

/// For tokens of the issuer at that place.
fn guard_at(rule: Rule, issuer: usize) -> Guard {
    let policy = Policy::compile(&RuleSet::every_method(rule)).unwrap();
    Guard {
        policy,
        accepts: [Accepted { issuer, audience: Box::default() }].into(),
        observes: false,
        live_permissions: false,
        demand: Demand::Nothing,
        dpop_nonce: false,
    }
}

/// A token that was seen before: what nearly every request costs.
fn cached(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cached");
    let permission = guard("permission read on orders");
    let hot = Gate::new(1);
    group.bench_function("hot token", |bencher| {
        bencher.iter(|| hot.check(black_box(&permission), black_box(&hot.headers[0])).unwrap());
    });
    let thousand = Rule::any((0..1000).map(|number| match number {
        999 => Rule::permission("read", "orders"),
        _ => Rule::scopes([format!("scope-{number}")]),
    }));
    let thousand = guard_of(thousand);
    group.bench_function("hot token, 1,000 rules", |bencher| {
        bencher.iter(|| hot.check(black_box(&thousand), black_box(&hot.headers[0])).unwrap());
    });
    let many = Gate::new(20_000);
    let mut at = 0;
    group.bench_function("20,000 tokens", |bencher| {
        bencher.iter(|| {
            at = (at + 7919) % many.headers.len();
            many.check(black_box(&permission), black_box(&many.headers[at])).unwrap()
        });
    });
    group.finish();
}

/// Routes with a rule each, and the issuers whose tokens they take.
struct Crowd {
    gate: Gate,
    routes: RouteTable<Guard>,
    /// Of the last route.
    path: String,
}

impl Crowd {
    fn new(issuers: usize, rules: usize) -> Self {
        // As long in a crowd of one as in any.
        let name = |number: usize| format!("service-{:04}", number + 1000 - rules);
        let entry = |number: usize| {
            let rule = Rule::any([Rule::scopes([name(number)]), Rule::permission("read", "orders")]);
            let pattern = Pattern::parse(&format!("/{}/things/**", name(number))).unwrap();
            (None, pattern, guard_at(rule, issuers - 1))
        };
        let routes = RouteTable::compile((0..rules).map(entry)).unwrap();
        Self { gate: Gate::among(issuers, 1), routes, path: format!("/{}/things/17", name(rules - 1)) }
    }

    /// What the gateway does with a request: finds its route, and checks it.
    fn check(&self) -> Permit {
        let found = self.routes.find(Some("gate.example.com"), black_box(&self.path)).unwrap();
        self.gate.check(found.value, black_box(&self.gate.headers[0])).unwrap()
    }

    /// The same with a token that was not seen before.
    fn check_first(&self) -> Permit {
        self.gate.enforcer.forget();
        self.check()
    }
}

/// Fifty issuers and a thousand rules beside one of each, in turns, because machines get faster and slower.
fn crowd(criterion: &mut Criterion) {
    let (alone, many) = (Crowd::new(1, 1), Crowd::new(50, 1000));
    let mut group = criterion.benchmark_group("crowd");
    group.bench_function("known token, 1 issuer, 1 rule", |bencher| bencher.iter(|| alone.check()));
    group.bench_function("known token, 50 issuers, 1,000 rules", |bencher| bencher.iter(|| many.check()));
    group.bench_function("new token, 1 issuer, 1 rule", |bencher| bencher.iter(|| alone.check_first()));
    group.bench_function("new token, 50 issuers, 1,000 rules", |bencher| bencher.iter(|| many.check_first()));
    group.finish();
    for (what, times, check) in [
        ("a known token", 100_000, Crowd::check as fn(&Crowd) -> Permit),
        ("a new token", 500, Crowd::check_first as fn(&Crowd) -> Permit),
    ] {
        let nanoseconds = |crowd: &Crowd| {
            let began = Instant::now();
            for _ in 0..times {
                black_box(check(crowd));
            }
            began.elapsed().as_secs_f64() * 1e9 / f64::from(times)
        };
        let mut rounds: Vec<(f64, f64)> = (0..21).map(|_| (nanoseconds(&alone), nanoseconds(&many))).collect();
        rounds.sort_by(|one, other| (one.1 / one.0).total_cmp(&(other.1 / other.0)));
        let (one, fifty) = rounds[rounds.len() / 2];
        println!(
            "crowd: {what} among 50 issuers and 1,000 rules costs {:.3} x one of each ({fifty:.0} ns and {one:.0} ns)",
            fifty / one
        );
    }
}

/// What finding a route costs, however many there are.
fn routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routes");
    for count in [1, 10, 100, 1_000, 10_000] {
        let entry = |number: usize| (None, Pattern::parse(&format!("/service-{number:05}/{{id}}/**")).unwrap(), number);
        let table = RouteTable::compile((0..count).map(entry)).unwrap();
        let path = format!("/service-{:05}/17/things", count - 1);
        group.bench_function(format!("one of {count}"), |bencher| {
            bencher.iter(|| *table.find(None, black_box(&path)).unwrap().value);
        });
    }
    group.finish();
}

/// Refusals, which anybody can ask for as often as they like.
fn refused(criterion: &mut Criterion) {
    let gate = Gate::new(1);
    let read = guard("permission read on orders");
    let write = guard("permission delete on orders");
    let good = gate.headers[0]["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let (signed, _) = good.rsplit_once('.').unwrap();
    let cases = [
        ("no token", HeaderMap::new(), &read),
        ("garbage", bearer("x.y.z"), &read),
        ("alg none", bearer(&format!("eyJhbGciOiJub25lIn0.{}.x", signed.split('.').nth(1).unwrap())), &read),
        ("bad signature", bearer(&format!("{signed}.{}", "A".repeat(86))), &read),
        ("too large", bearer(&"a".repeat(9000)), &read),
        ("missing permission", gate.headers[0].clone(), &write),
    ];
    let mut group = criterion.benchmark_group("refused");
    for (name, headers, guard) in &cases {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| gate.check(black_box(guard), black_box(headers)).unwrap_err());
        });
    }
    group.finish();
}

/// What a rate limit adds to a request: its key, and the count of it.
fn limited(criterion: &mut Criterion) {
    let quotas = Quotas::default();
    let rate = Rate::new(1_000_000_000, Duration::from_secs(1), 1_000_000_000);
    let seed = quotas.key("/api/**");
    let mut group = criterion.benchmark_group("limited");
    group.bench_function("one client", |bencher| {
        let now = Instant::now();
        bencher.iter(|| {
            let key = quotas.key((seed, "client", black_box(ISSUER), black_box("reporting")));
            quotas.take(key, &rate, now).unwrap()
        });
    });
    let slow = Rate::new(1, Duration::from_secs(1), 10);
    let mut address = 0_u32;
    group.bench_function("a million addresses", |bencher| {
        let now = Instant::now();
        bencher.iter(|| {
            address = (address + 7919) % 1_000_000;
            quotas.take(quotas.key((seed, Ipv4Addr::from_bits(address))), &slow, now).is_ok()
        });
    });
    group.finish();
}

criterion_group!(benches, cold, cached, crowd, routes, refused, limited);
criterion_main!(benches);
