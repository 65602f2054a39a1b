//! Keeps the marks in memory as new as the store's: what another node or a command revoked is refused here too.
//!
//! Owns the reading. What a mark means is `crate::revocations`' business, and when to read the change feed says.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::Opened;
use super::background::Background;
use crate::clock::Clock;
use crate::directory::News;
use crate::metrics::Metrics;
use crate::model::ChangeKind;
use crate::revocations::Revocations;
use crate::store::{Result, Store};

/// Between two attempts while the store does not answer.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// More marks than this at once are read all together.
const FEW: usize = 32;

/// Where the change feed leaves what it hears of revocations.
#[derive(Clone)]
pub(super) struct Marks(mpsc::UnboundedSender<Heard>);

/// What has to be read.
enum Heard {
    Everything,
    /// One mark: `kind:key`.
    One(String),
}

impl Marks {
    /// Takes what concerns revocations out of the news. It does not wait; the reading happens in the background.
    pub(super) fn hear(&self, news: News<'_>) {
        // When nobody listens the process is ending.
        match news {
            News::Silent => {}
            News::Missed => drop(self.0.send(Heard::Everything)),
            News::Changes(changes) => {
                for change in changes.iter().filter(|change| change.kind == ChangeKind::Revocation) {
                    drop(self.0.send(Heard::One(change.object_id.clone())));
                }
            }
        }
    }
}

/// Reads every mark that still matters.
///
/// # Errors
/// The store's.
pub(super) async fn load(store: &dyn Store, revocations: &Revocations, now: i64) -> Result<()> {
    for revocation in store.list_revocations(now).await? {
        revocations.add(&revocation);
    }
    Ok(())
}

/// Reads in the background what is heard of.
pub(super) fn follow(opened: &Opened, metrics: Arc<Metrics>, background: &mut Background) -> Marks {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (store, revocations, clock) = (opened.store.clone(), opened.revocations.clone(), opened.clock.clone());
    let receiver = Arc::new(Mutex::new(receiver));
    background.keep("revocations", move || {
        let (store, revocations, clock) = (store.clone(), revocations.clone(), clock.clone());
        let (metrics, receiver) = (metrics.clone(), receiver.clone());
        async move {
            let mut receiver = receiver.lock().await;
            // What the task before had heard and not read is lost with it.
            let mut heard = vec![Heard::Everything];
            loop {
                let mut was_silent = false;
                while let Err(error) = read(&store, &revocations, (&clock, &metrics), &heard).await {
                    if !was_silent {
                        was_silent = true;
                        tracing::warn!(store.error = %error, "Revocations cannot be read; trying again.");
                    }
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                heard.clear();
                if receiver.recv_many(&mut heard, 1024).await == 0 {
                    return;
                }
            }
        }
    });
    Marks(sender)
}

async fn read(
    store: &Arc<dyn Store>,
    revocations: &Revocations,
    (clock, metrics): (&Clock, &Metrics),
    heard: &[Heard],
) -> Result<()> {
    let mut names = Vec::with_capacity(heard.len());
    for heard in heard {
        match heard {
            Heard::One(name) if names.len() < FEW => names.push(name),
            Heard::One(_) | Heard::Everything => return load(&**store, revocations, clock.now()).await,
        }
    }
    for name in names {
        // What a newer program wrote may have another shape; it means nothing to us.
        let Some((kind, key)) = name.split_once(':') else { continue };
        if let Some(revocation) = store.find_revocation(kind, key).await? {
            revocations.add(&revocation);
            // Marks are dated in whole seconds. One that is dated by a token may be older than itself.
            let lag = clock.now().saturating_sub(revocation.revoked_at).max(0);
            metrics.revocation_lag.observe(u32::try_from(lag).map_or(f64::INFINITY, f64::from));
        }
    }
    Ok(())
}
