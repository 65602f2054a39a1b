//! Code of ours panics while it answers: that request fails, and nobody else notices.
//!
//! The gateway has nothing that makes it panic. Here somebody listens to what it tells operators and panics at one event, inside of
//! whoever tells it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use crate::support::gateway::{FRAME, Gateway, ROUTES};
use crate::support::ledger::{Act, Ledger, Must};
use crate::support::steady::{Due, Steady};

/// Whose wrong redirect URI nobody survives.
const TRAP: &str = "client-of-the-test-that-panics";

const APPLICATION: &str = r#"
  applications:
    trap: { client_id: client-of-the-test-that-panics, public: true, grants: [authorization_code], redirect_uris: [https://a.example/cb] }
"#;

/// Hears of wrong redirect URIs, and of nothing else.
struct Trap;

impl Trap {
    fn listens_to(metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "faregate::oauth::authorization::client"
    }
}

struct Reader(bool);

impl Visit for Reader {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0 |= field.name() == "client.id" && value == TRAP;
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl Subscriber for Trap {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::listens_to(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::listens_to(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        let mut reader = Reader(false);
        event.record(&mut reader);
        assert!(!reader.0, "{TRAP}");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Panics of the test are not printed: a backtrace takes longer than a request.
fn keep_quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<String>().is_none_or(|said| said != TRAP) {
            usual(panic);
        }
    }));
}

// T11, O1: a hundred panics a second beside nine hundred requests
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_the_trouble_of_one_request() {
    keep_quiet();
    // Of all tests of this program, and none of them has use for another.
    tracing::subscriber::set_global_default(Trap).expect("nobody else listens");
    let gateway = Gateway::of(&format!("{FRAME}{APPLICATION}{ROUTES}"), &[]).await;
    let ledger = Arc::new(Ledger::new(0));
    let token = gateway.reader().await;
    let asks = move |number: u64| {
        Some(match number % 10 {
            0 => Due::get(
                &format!("/oauth2/authorize?client_id={TRAP}&response_type=code&redirect_uri=https%3A%2F%2Fb.example"),
                Act::Ask,
                Must::Refuse(&[500]),
            ),
            1 => Due::get("/api/orders", Act::Pass { subject: None }, Must::Refuse(&[401])),
            _ => Due::get("/api/orders", Act::Ask, Must::Pass).bearing(&token),
        })
    };
    let load = Steady::start(gateway.address, 1000, &ledger, asks);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let latencies = tokio::task::spawn_blocking(|| load.stop()).await.unwrap();
    let metrics = gateway.metrics().await;
    let count = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok());
    let panics = count("faregate_panics_total").expect("a metric");
    println!("T11: {panics} panics, p99 {:?}", latencies.p99());
    assert!(panics >= 100, "{panics}");
    let answer = gateway.request("GET", "/api/orders", "").await;
    assert_eq!(answer.status(), 401, "it serves on: {}", answer.text);
    let forwarded = gateway.upstream.requests();
    assert!(
        forwarded.iter().all(|request| !request.request_line().contains("authorize")),
        "nothing of it is forwarded"
    );
    ledger.check(&[], Duration::from_secs(1)).assert_unharmed("T11");
}
