//! Deletes what nobody will ask for again.
//!
//! Owns when. What that is, the store and those who keep it in memory know.

use std::time::Duration;

use super::Opened;
use super::background::Background;

/// A node that is started again and again tidies too.
const FIRST_AFTER: Duration = Duration::from_secs(60);

const INTERVAL: Duration = Duration::from_secs(3600);

/// Seconds for which a node may be away and still hear of every change.
const CHANGES_FOR: i64 = 7 * 86_400;

/// Tidies every hour.
pub(super) fn tidy(opened: &Opened, background: &mut Background) {
    let (store, clock, revocations) = (opened.store.clone(), opened.clock.clone(), opened.revocations.clone());
    let (events, directory) = (opened.events.clone(), opened.directory.clone());
    background.keep("tidying", move || {
        let (store, clock, revocations, events) = (store.clone(), clock.clone(), revocations.clone(), events.clone());
        let directory = directory.clone();
        async move {
            let mut wait_for = FIRST_AFTER;
            loop {
                tokio::time::sleep(std::mem::replace(&mut wait_for, INTERVAL)).await;
                let now = clock.now();
                revocations.forget(now);
                if let Err(error) = events.forget().await {
                    tracing::warn!(error = %error, "old events cannot be deleted; trying again in an hour");
                }
                match directory.forget_unused_clients().await {
                    Ok(0) => {}
                    Ok(clients) => tracing::info!(clients, "Forgot clients that had registered and that nobody used."),
                    Err(error) => {
                        tracing::warn!(error = %error, "unused clients cannot be forgotten; trying again in an hour");
                    }
                }
                match store.forget(now, now - CHANGES_FOR).await {
                    Ok(rows) => tracing::debug!(rows, "forgot what is over"),
                    Err(error) => {
                        tracing::warn!(error = %error, "what is over cannot be deleted from the store; trying again in an hour");
                    }
                }
            }
        }
    });
}
