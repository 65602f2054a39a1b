//! A load that keeps its rate whatever the gateway does: a request is due when it is due, and waiting for an earlier one is
//! part of how long it took.
//!
//! Owns the clients and their lines in the ledger. What they ask is the test's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::caller::{Answer, Caller, Unanswered};
use super::ledger::{Act, Ledger, Must, Outcome};

/// So many clients share the rate: a gateway that answers nothing is asked so often at a time.
const CLIENTS: u64 = 24;

/// A request that is due.
#[derive(Clone, Debug)]
pub struct Due {
    pub method: &'static str,
    pub target: String,
    /// Field lines, each ended by CRLF.
    pub fields: String,
    pub body: String,
    pub act: Act,
    pub must: Must,
}

impl Due {
    pub fn get(target: &str, act: Act, must: Must) -> Self {
        Self { method: "GET", target: target.to_owned(), fields: String::new(), body: String::new(), act, must }
    }

    pub fn form(target: &str, form: String, act: Act, must: Must) -> Self {
        let fields = "Content-Type: application/x-www-form-urlencoded\r\n".to_owned();
        Self { method: "POST", target: target.to_owned(), fields, body: form, act, must }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub fn bearing(self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    /// Sends it once, with a line before and a line after.
    pub fn send(&self, caller: &mut Caller, ledger: &Ledger) -> Option<Answer> {
        if let Some((_, token)) = self.fields.split_once("Bearer ") {
            ledger.bears(token.lines().next().unwrap_or_default());
        }
        let id = ledger.invoke(self.act.clone(), self.must);
        let fields = format!("{}X-Test-Id: {id}\r\n", self.fields);
        let answered = caller.ask(self.method, &self.target, &fields, &self.body);
        ledger.returned(id, outcome(&answered));
        answered.ok()
    }
}

/// What an answer says: a yes is 2xx or 3xx, and a token that is said to be inactive is a no.
fn outcome(answered: &Result<Answer, Unanswered>) -> Outcome {
    match answered {
        Ok(answer) if (200..400).contains(&answer.status) && answer.json()["active"] != false => {
            let given = answer.text("refresh_token");
            Outcome::Ok(Some(given).filter(|given| !given.is_empty()))
        }
        Ok(answer) => Outcome::Fail(answer.status),
        Err(Unanswered::Unsent) => Outcome::Unsent,
        Err(Unanswered::Unknown) => Outcome::Info,
    }
}

/// A load that goes on until it is stopped.
pub struct Steady {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Duration>>>,
}

impl Steady {
    /// Asks so many times a second for what `plan` says, which is told the number of the request; where it says nothing, the
    /// turn is left out.
    pub fn start<P>(address: SocketAddr, rate: u32, ledger: &Arc<Ledger>, plan: P) -> Self
    where
        P: Fn(u64) -> Option<Due> + Send + Sync + 'static,
    {
        let (stop, number, plan) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(plan));
        let began = Instant::now();
        let client = |_| {
            let (stop, number, plan, ledger) = (stop.clone(), number.clone(), plan.clone(), ledger.clone());
            std::thread::spawn(move || {
                let (mut caller, mut latencies) = (Caller::new(address), Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    let due_at = began + Duration::from_secs(1) * u32::try_from(number).unwrap() / rate;
                    std::thread::sleep(due_at.saturating_duration_since(Instant::now()));
                    let Some(due) = plan(number).filter(|_| !stop.load(Ordering::Relaxed)) else { continue };
                    if due.send(&mut caller, &ledger).is_some() {
                        latencies.push(due_at.elapsed());
                    }
                }
                latencies
            })
        };
        Self { clients: (0..CLIENTS).map(client).collect(), stop }
    }

    /// How long the answered ones took from when they were due, sorted.
    pub fn stop(self) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        let mut all: Vec<Duration> =
            self.clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect();
        all.sort_unstable();
        Latencies(all)
    }
}

#[derive(Debug)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn p99(&self) -> Duration {
        self.0.get(self.0.len() * 99 / 100).copied().unwrap_or_default()
    }

    pub fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}
