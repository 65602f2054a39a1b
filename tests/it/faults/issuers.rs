//! Other people's authorization servers are down: their keys and answers count as long as was configured, nobody is let in
//! who cannot be judged, and nobody else notices.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{PATIENCE, Site, rounds, seed, tokens, traffic};
use crate::support::cost::Cost;
use crate::support::foreign_issuer::{ForeignIssuer, INTROSPECT, Reply, now};
use crate::support::ledger::{Act, Ledger, Must};
use crate::support::process::soon;
use crate::support::steady::{Due, Steady};

const OWN_AND_OTHERS: &str = r#"
routes:
  /public/**: { upstream: app, public: true }
  /api/**: { upstream: app, tokens: [self], require: { GET: permission read on orders, "*": permission write on orders } }
  /people/**: { upstream: app, tokens: [self], audience: 3b4a9d0e-5c1f-4b7e-8a55-6f0a1f2f9c11, require: authenticated }
  /corp/**: { upstream: app, tokens: [corp], require: authenticated }
  /asked/**: { upstream: app, tokens: [asked], require: authenticated }
"#;

/// A runtime for the issuers, whose servers are asynchronous.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn site(corp: &ForeignIssuer, asked: &ForeignIssuer) -> Site {
    let site = Site::new();
    let text = std::fs::read_to_string(site.file("faregate.yaml")).unwrap();
    let issuers = format!(
        "issuers:\n  self: {{}}\n  corp: {{ issuer: {}, audience: api, cooldown: 1s }}\n  asked: {{ issuer: {}, audience: api, \
         introspection: {{ client_id: gate, client_secret: marked-issuer-secret-marked-issuer-secret, cache: 3s }} }}\n",
        corp.url(),
        asked.url()
    );
    let text = text.replace("issuers: { self: {} }\n", &issuers).replace(super::ROUTES, OWN_AND_OTHERS);
    site.write(&text);
    site
}

/// Stops it, and waits until nobody is there.
fn goes_away(issuer: &ForeignIssuer) {
    issuer.stop();
    soon(PATIENCE, || TcpStream::connect(issuer.address).is_err().then_some(()));
}

fn someone(path: &str, token: &str, must: Must) -> Due {
    Due::get(path, Act::Pass { subject: Some("someone".to_owned()) }, must).bearing(token)
}

// T28, T31, V1 to V8: while the endpoint is down, cached answers count as long as was configured and then nobody passes; our
// own tokens pass all the while, and it is over soon after
#[test]
fn an_introspection_endpoint_that_is_down_lets_nobody_in() {
    let runtime = runtime();
    let (corp, mut asked) = runtime.block_on(async { (ForeignIssuer::start().await, ForeignIssuer::start().await) });
    asked
        .reply(INTROSPECT, Reply::json(&json!({ "active": true, "sub": "someone", "aud": "api", "exp": now() + 300 })));
    let (site, ledger) = (site(&corp, &asked), Arc::new(Ledger::new(seed())));
    let gateway = site.serve();
    let load = Steady::start(site.address(), 150, &ledger, traffic(tokens(&gateway)));
    let mut caller = site.caller();
    someone("/asked/x", "opaque-token-known-before", Must::Pass).send(&mut caller, &ledger).expect("an answer");
    soon(PATIENCE, || (ledger.passed() > 100).then_some(()));
    let before = Cost::of(gateway.id());

    goes_away(&asked);
    let known = someone("/asked/x", "opaque-token-known-before", Must::Either(&[503]));
    let unknown = |number: u32| someone("/asked/x", &format!("opaque-token-unknown-{number}"), Must::Refuse(&[503]));
    let mut number = 0;
    // The answer that is known counts for three seconds.
    soon(Duration::from_secs(5), || {
        number += 1;
        unknown(number).send(&mut caller, &ledger).expect("an answer");
        known.send(&mut caller, &ledger).filter(|answer| answer.status == 503)
    });
    for _ in 0..rounds(50, 5000) {
        number += 1;
        unknown(number).send(&mut caller, &ledger).expect("an answer");
        someone("/asked/x", "opaque-token-known-before", Must::Refuse(&[503])).send(&mut caller, &ledger);
    }
    runtime.block_on(asked.resume());
    soon(Duration::from_secs(5), || known.send(&mut caller, &ledger).filter(|answer| answer.status == 200));
    load.stop();
    site.judge(&ledger, gateway, Some(before)).assert_unharmed("T28, T31");
}

// T22, T26, V1 to V8: keys that are known count while their server is away; keys that never were known let nobody in
#[test]
fn an_issuer_whose_keys_cannot_be_had_keeps_out_only_its_own() {
    let runtime = runtime();
    let (mut corp, asked) = runtime.block_on(async { (ForeignIssuer::start().await, ForeignIssuer::start().await) });
    let (site, ledger) = (site(&corp, &asked), Arc::new(Ledger::new(seed())));
    let token = corp.token(json!({}));
    // It is away when the gateway starts.
    goes_away(&corp);
    let gateway = site.serve();
    assert!(gateway.ready_after < Duration::from_secs(5), "the start waits for nobody: {:?}", gateway.ready_after);
    let load = Steady::start(site.address(), 150, &ledger, traffic(tokens(&gateway)));
    let mut caller = site.caller();
    for _ in 0..rounds(30, 3000) {
        someone("/corp/x", &token, Must::Refuse(&[503])).send(&mut caller, &ledger).expect("an answer");
    }
    runtime.block_on(corp.resume());
    soon(Duration::from_secs(10), || {
        someone("/corp/x", &token, Must::Either(&[503]))
            .send(&mut caller, &ledger)
            .filter(|answer| answer.status == 200)
    });
    // Known now, and away again.
    goes_away(&corp);
    for number in 0..rounds(30, 3000) {
        let token = corp.token(json!({ "jti": format!("j{number}") }));
        someone("/corp/x", &token, Must::Pass).send(&mut caller, &ledger).expect("an answer");
    }
    load.stop();
    site.judge(&ledger, gateway, None).assert_unharmed("T22, T26");
}
