//! Hours of everything, with a fault of every kind in each: nobody notices, and what the process has in the end is what it had
//! after the first hours.
//!
//! Ignored unless asked for: `cargo test --release --test it faults::soak -- --ignored --nocapture`. `FAREGATE_SOAK_MINUTES` makes
//! the eight hours shorter, `FAREGATE_SOAK_RATE` the load heavier. Faults that end the process are not among these: its memory
//! could not be compared. They have tests of their own.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::floods::{FLOODS, flood};
use super::reload::reload;
use super::sqlite::Holder;
use super::upstreams::{add_upstream, other};
use super::vanish::leave_after;
use super::versions::Over;
use super::{PATIENCE, Site, WINDOW, draw, families, guarded, probe, refresh, seed, sound, tokens, traffic};
use crate::support::cost::{Cost, slope};
use crate::support::ledger::{Ledger, Must};
use crate::support::process::{Gateway, soon};
use crate::support::steady::{Due, Steady};
use crate::support::tcp_proxy::{TcpProxy, Wire};

/// So many parts, each with every fault. Of the first quarter nothing is compared: that is how long caches fill up.
const HOURS: u32 = 8;

/// MiB an hour.
const MOST_GROWTH: f64 = 1.0;

/// MiB that an allocator takes and gives back within minutes; what a short run may seem to grow by.
const NOISE: f64 = 2.0;

struct World {
    site: Site,
    gateway: Gateway,
    /// To the upstream that goes and comes back.
    wire: TcpProxy,
}

/// What happens, and how. Every one is over when it returns.
type Fault = (&'static str, fn(&World, &Ledger));

const FAULTS: [Fault; 6] = [
    ("an upstream goes", |world, ledger| {
        let mut caller = world.site.caller();
        world.wire.becomes(Wire::Refuses);
        for _ in 0..20 {
            other(Must::Refuse(&[502, 503])).send(&mut caller, ledger).expect("an answer");
        }
        world.wire.becomes(Wire::Passes);
        soon(PATIENCE, || {
            other(Must::Either(&[502, 503])).send(&mut caller, ledger).filter(|answer| answer.status == 200)
        });
    }),
    ("a configuration that cannot be", |world, _| {
        let good = fs::read_to_string(world.site.file("faregate.yaml")).unwrap();
        for garbage in ["routes: {", "", "routes: { /x: { upstream: nobody, public: true } }"] {
            world.site.write(garbage);
            assert_eq!(reload(&world.gateway), 422);
        }
        world.site.write(&good);
        assert_eq!(reload(&world.gateway), 200);
    }),
    ("another program holds the file", |world, ledger| {
        let token = families(&world.site, ledger, 1).remove(0);
        let (holder, mut caller) = (Holder::of(&world.site), world.site.caller());
        refresh(&token, Must::Refuse(&[503])).send(&mut caller, ledger).expect("an answer");
        drop(holder);
        soon(PATIENCE, || {
            probe(&token, Must::Either(&[503])).send(&mut caller, ledger).filter(|answer| answer.status == 200)
        });
    }),
    ("a flood of streams that are reset", |world, _| {
        flood(world.site.address(), &FLOODS[0], Instant::now() + Duration::from_secs(5));
    }),
    ("clients leave in the middle of answers", |world, ledger| {
        let tokens = tokens(&world.gateway);
        for number in 0..100_u32 {
            let due = Due { must: Must::Either(&[]), ..guarded(&tokens, number.into()) };
            // The answer is longer than that.
            leave_after(&world.site, ledger, &due, usize::try_from(number).unwrap());
        }
    }),
    ("keys change", |world, _| {
        let run = world.site.run(&["key", "rotate"]);
        assert_eq!(run.code, 0, "{run:?}");
    }),
];

/// All faults in an order by chance, far from each other, under a load that has to pass all the time. Answers the least that the
/// process ever had: what a login takes to hash a password goes back when the allocator happens to look at it.
fn hour(world: &World, ledger: &Arc<Ledger>, rate: u32, lasts: Duration) -> Cost {
    let load = Steady::start(world.site.address(), rate, ledger, traffic(tokens(&world.gateway)));
    let first = families(&world.site, ledger, 1).remove(0);
    let (over, began) = (AtomicBool::new(false), Instant::now());
    let process = world.gateway.id();
    let mut least = Cost::of(process);
    let mut faults = FAULTS;
    faults.sort_by_key(|(name, _)| draw(ledger.seed(), name.len().try_into().unwrap()));
    std::thread::scope(|scope| {
        let over_at_last = Over(&over);
        scope.spawn(|| {
            let (mut token, mut caller) = (first, world.site.caller());
            while !over.load(Ordering::Relaxed) {
                // While somebody else holds the file, nothing is written.
                let answer = refresh(&token, Must::Either(&[503])).send(&mut caller, ledger);
                if let Some(answer) = answer.filter(|answer| answer.status == 200) {
                    token = answer.text("refresh_token");
                }
                std::thread::sleep(Duration::from_millis(300));
            }
            probe(&token, Must::Pass).send(&mut caller, ledger);
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                least.resident_kib = least.resident_kib.min(Cost::of(process).resident_kib);
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        let pause = lasts / (u32::try_from(faults.len()).unwrap() + 1);
        for (at, (_, fault)) in (1..).zip(faults) {
            std::thread::sleep((pause * at).saturating_sub(began.elapsed()));
            fault(world, ledger);
        }
        std::thread::sleep(lasts.saturating_sub(began.elapsed()));
        drop(over_at_last);
    });
    let latencies = load.stop();
    println!("T78: {:?}, p99 {:?}, at most {:?}", began.elapsed(), latencies.p99(), latencies.longest());
    // Longer than connections to upstreams are kept.
    std::thread::sleep(Duration::from_secs(5));
    Cost { resident_kib: least.resident_kib, ..Cost::of(process) }
}

/// Where answers take longer the store reads over more connections, and keeps them: each has two descriptors and a thread. What
/// leaks in every hour is more than that in eight.
fn with_room(cost: Cost) -> Cost {
    const CONNECTIONS: u64 = 3;
    Cost { descriptors: cost.descriptors + 2 * CONNECTIONS, threads: cost.threads + CONNECTIONS, ..cost }
}

// T78, V1 to V7
#[test]
#[ignore = "takes eight hours"]
fn hours_of_faults_leave_the_process_as_it_was() {
    let variable =
        |name: &str, usual: u32| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let lasts = Duration::from_secs(60) * variable("FAREGATE_SOAK_MINUTES", 60 * HOURS) / HOURS;
    let rate = variable("FAREGATE_SOAK_RATE", 300);
    let site = Site::new();
    let wire = TcpProxy::to(site.canary.address);
    // What is kept for a minute would be counted.
    let brief = |url: &str| format!("{{ servers: [\"{url}\"], idle_timeout: 2s }}");
    add_upstream(&site, &brief(&format!("http://{}", wire.address)));
    let text = fs::read_to_string(site.file("faregate.yaml")).unwrap();
    // This process would have to keep every decision, and tokens are good for longer than the longest hour.
    let text = text.replace("decisions: true", "decisions: false").replace("\"${UPSTREAM}\"", &brief("${UPSTREAM}"));
    site.write(&text.replace("id_token_algorithm: ES256", "id_token_algorithm: ES256\n      access_token_life: 2h"));
    let world = World { gateway: site.serve(), site, wire };
    let (seed, began) = (seed(), Instant::now());
    let (mut before, mut samples) = (None, Vec::new());
    for number in 0..HOURS {
        let ledger = Arc::new(Ledger::new(seed + u64::from(number)));
        let cost = hour(&world, &ledger, rate, lasts);
        let mut findings = ledger.check(&world.site.canary.forget(), WINDOW);
        if number >= HOURS / 4 {
            findings.compare(*before.get_or_insert(with_room(cost)), cost);
            samples.push((began.elapsed().as_secs_f64(), cost.resident_kib as f64));
        }
        println!("T78: hour {} of {HOURS}: {findings} {cost:?}", number + 1);
        findings.assert_unharmed("T78");
    }
    let hours = (samples[samples.len() - 1].0 - samples[0].0) / 3600.0;
    let grows = slope(&samples);
    println!("T78: {grows:.2} MiB an hour, for {hours:.2} hours");
    assert!(grows * hours < (MOST_GROWTH * hours).max(NOISE), "{samples:?}");
    assert!(world.gateway.stop_and_read().lines().all(|line| !line.contains("panicked")), "nothing ended by a panic");
    sound(&world.site);
}
