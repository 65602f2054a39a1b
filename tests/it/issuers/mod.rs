//! Tokens of others, through the real gateway and from real servers. One file per topic.

mod certificates;
mod faults;
mod introspection;
mod keys;
mod logout;
mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use faregate::clock::Clock;
use faregate::config::{self, Environment, IssuerKind};
use faregate::enforce::{Accepted, Demand, Enforcer, Guard, Issuer, Pseudonyms, Request, Sender, TokenCache};
use faregate::entropy::Entropy;
use faregate::issuers::{Fetcher, ForeignIssuer as Believed, Outbound};
use faregate::metrics::Metrics;
use faregate::policy::{NoParameters, Policy, RuleSet, parse_rule};
use http::{HeaderMap, Method};

use crate::support::foreign_issuer::ForeignIssuer;
use crate::support::gateway::{Gateway, client};

/// One route for each way to accept tokens.
const ROUTES: &str = r#"
listen: "${LISTEN}"
upstreams: { app: "${UPSTREAM}" }
routes:
  /corp/**: { upstream: app, tokens: [corp], require: authenticated }
  /read/**: { upstream: app, tokens: [corp], require: scope read }
  /admin/**: { upstream: app, tokens: [corp], require: role admin }
  /both/**: { upstream: app, tokens: [self, corp], require: scope read }
  /self/**: { upstream: app, tokens: [self], require: scope read }
"#;

/// A gateway that believes `corp`, with these further keys, beside itself.
async fn gateway(corp: &ForeignIssuer, keys: &str) -> Gateway {
    let issuers = format!(r#"issuers: {{ self: {{}}, corp: {{ issuer: "${{CORP}}", audience: api{keys} }} }}"#);
    Gateway::of(&format!("{issuers}{ROUTES}"), &[("CORP", &corp.url())]).await
}

/// Status and reason.
async fn outcome(gateway: &Gateway, path: &str, token: &str) -> (u16, String) {
    let answer = client().get(gateway.url(path)).bearer_auth(token).send().await.unwrap();
    let status = answer.status().as_u16();
    let problem: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn passed() -> (u16, String) {
    refused(200, "")
}

/// Waits until the outcome is this, at most five seconds.
async fn eventually(gateway: &Gateway, path: &str, token: &str, expected: &(u16, String)) {
    let began = Instant::now();
    loop {
        let found = outcome(gateway, path, token).await;
        if found == *expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{found:?} and not {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An enforcer without a gateway around it, with a clock that may stand still.
struct World {
    enforcer: Arc<Enforcer>,
    believed: Vec<Arc<Believed>>,
    metrics: Arc<Metrics>,
}

impl World {
    /// One that believes what stands under `issuers:`.
    fn of(issuers: &str, clock: Clock) -> Self {
        let environment = Environment::of([("FAREGATE_PUBLIC_URL", "https://gate.example.com")]);
        let config = config::parse("test.yaml", &format!("issuers:\n{issuers}"), &environment)
            .unwrap_or_else(|problems| panic!("{}", config::render_all(&problems, false)));
        let metrics = Arc::new(Metrics::new());
        let (fetcher, entropy) = (Fetcher::new().unwrap(), Entropy::system());
        let outbound = Outbound { fetcher, metrics: metrics.clone(), clock: clock.clone(), entropy };
        let believed = config.issuers.iter().map(|issuer| match &issuer.kind {
            IssuerKind::Foreign(settings) => Arc::new(Believed::new(&issuer.name, settings, &outbound)),
            IssuerKind::Tenant(_) => unreachable!("none is ours"),
        });
        let believed: Vec<_> = believed.collect();
        let issuers = believed.iter().map(|issuer| issuer.clone() as Arc<dyn Issuer>).collect();
        let enforcer = Enforcer::new(issuers, TokenCache::new(1 << 20), clock, Pseudonyms::new(b"test"));
        Self { enforcer: Arc::new(enforcer), believed, metrics }
    }

    fn metrics(&self) -> String {
        String::from_utf8(self.metrics.render()).unwrap()
    }
}

/// For anybody with a token for `api` of the first so many issuers.
fn guard(issuers: usize) -> Arc<Guard> {
    let policy = Policy::compile(&RuleSet::every_method(parse_rule("authenticated").unwrap())).unwrap();
    let accepts = (0..issuers).map(|issuer| Accepted { issuer, audience: ["api".into()].into() });
    Arc::new(Guard {
        policy,
        accepts: accepts.collect(),
        observes: false,
        live_permissions: false,
        demand: Demand::Nothing,
        dpop_nonce: false,
    })
}

async fn status(enforcer: &Enforcer, guard: &Guard, token: &str) -> u16 {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let request = Request {
        method: &Method::GET,
        headers: &headers,
        query: None,
        parameters: &NoParameters,
        sender: Sender::default(),
    };
    enforcer.check(guard, request).await.map_or_else(|refusal| refusal.denial.status(), |_| 200)
}
