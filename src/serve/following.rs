//! Keeps what is in memory as new as the store: what other processes write is heard of here.
//!
//! Owns who is told of which change. What it means to them is theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::assemble::Forget;
use super::background::Background;
use super::{Opened, logouts, revocations};
use crate::directory::News;
use crate::metrics::Metrics;
use crate::model::{Change, ChangeKind};
use crate::oauth::KeyRing;

/// How often another process's changes are asked for.
const INTERVAL: Duration = Duration::from_millis(250);

/// Keeps what is in memory as new as the store. The answer says whether the store answers.
pub(super) fn follow(
    opened: &Opened,
    (keys, forget, metrics): (&Arc<KeyRing>, &Forget, &Arc<Metrics>),
    logouts: logouts::Logouts,
    background: &mut Background,
) -> Arc<AtomicBool> {
    let store_up = Arc::new(AtomicBool::new(true));
    let reload = Arc::new(watch::Sender::new(()));
    let (keys, forgetting, reloads) = (keys.clone(), forget.clone(), reload.clone());
    let mut is_first = true;
    background.keep("keys", move || {
        let mut asked = reloads.subscribe();
        if !std::mem::take(&mut is_first) {
            // What the one before was asked, and what it saw, is lost with it.
            asked.mark_changed();
            forgetting();
        }
        reload_keys(keys.clone(), forgetting.clone(), asked)
    });
    let marks = revocations::follow(opened, metrics.clone(), background);
    let (directory, forget, up) = (opened.directory.clone(), forget.clone(), store_up.clone());
    background.keep("changes", move || {
        let (directory, forget, up) = (directory.clone(), forget.clone(), up.clone());
        let (marks, logouts, reload) = (marks.clone(), logouts.clone(), reload.clone());
        let hear = move |news: News<'_>| {
            up.store(!matches!(news, News::Silent), Ordering::Relaxed);
            let (about_keys, about_names) = match news {
                News::Changes(changes) => (changes.iter().any(KeyRing::concerns), changes.iter().any(concerns_names)),
                News::Missed => (true, true),
                News::Silent => (false, false),
            };
            marks.hear(news);
            logouts.hear(news);
            if about_keys {
                reload.send_replace(());
            }
            if about_names {
                forget();
            }
        };
        async move { directory.follow(INTERVAL, hear).await }
    });
    store_up
}

/// Reads the keys whenever somebody asks for it, and forgets what was verified with those that are gone.
async fn reload_keys(keys: Arc<KeyRing>, forget: Forget, mut asked: watch::Receiver<()>) {
    let mut generation = keys.generation();
    loop {
        tokio::select! {
            asked = asked.changed() => {
                if asked.is_err() {
                    return;
                }
                if let Err(error) = keys.reload().await {
                    tracing::warn!(error = %error, "signing keys cannot be reloaded; those in memory stay in use");
                }
            }
            // Keys leave by the clock too, without anybody telling.
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        // Whatever was verified with a key or an issuer that is gone is verified again (rule F17).
        if keys.generation() != generation {
            generation = keys.generation();
            forget();
        }
    }
}

/// Verified tokens carry the names of entities.
fn concerns_names(change: &Change) -> bool {
    match change.kind {
        ChangeKind::Tenant | ChangeKind::Entity => true,
        ChangeKind::EntityType
        | ChangeKind::Grant
        | ChangeKind::Application
        | ChangeKind::User
        | ChangeKind::Key
        | ChangeKind::Revocation
        | ChangeKind::Other => false,
    }
}
