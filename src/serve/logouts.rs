//! Tells the servers of clients of sessions that were revoked, whichever process revoked them.
//!
//! Owns when it is looked for. What they are told is `oauth`'s, how it is delivered `web`'s.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::background::Background;
use crate::directory::News;
use crate::model::{Change, ChangeKind};
use crate::oauth::{AuthorizationServer, LogoutToTell};
use crate::web;

/// How often it is looked for what another node took and could not finish.
const INTERVAL: Duration = Duration::from_secs(60);
/// Between two attempts while the store does not answer.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 60;
/// Deliveries at once, most of which wait: for their next attempt, or for their turn at a server that is slow.
const MOST: usize = 2_000;

/// Where the change feed leaves what it hears of revocations.
#[derive(Clone)]
pub(super) struct Logouts(Arc<Notify>);

impl Logouts {
    /// Does not wait.
    pub(super) fn hear(&self, news: News<'_>) {
        let concerned = match news {
            News::Changes(changes) => changes.iter().any(ends_sessions),
            News::Missed => true,
            News::Silent => false,
        };
        if concerned {
            self.0.notify_one();
        }
    }
}

fn ends_sessions(change: &Change) -> bool {
    let is_session = || change.object_id.starts_with("user:") || change.object_id.starts_with("session:");
    change.kind == ChangeKind::Revocation && is_session()
}

/// Tells them in the background.
pub(super) fn follow(server: Arc<AuthorizationServer>, background: &mut Background) -> Logouts {
    let wake = Arc::new(Notify::new());
    let logouts = Logouts(wake.clone());
    background.keep("logouts", move || {
        let (server, wake) = (server.clone(), wake.clone());
        async move {
            let mut deliveries = JoinSet::new();
            loop {
                tell_all(&server, &mut deliveries).await;
                // Whichever comes first; one too many asks once in vain.
                tokio::select! {
                    () = wake.notified() => {}
                    () = server.logouts_are_left() => {}
                    () = tokio::time::sleep(INTERVAL) => {}
                }
            }
        }
    });
    logouts
}

async fn tell_all(server: &Arc<AuthorizationServer>, deliveries: &mut JoinSet<()>) {
    loop {
        while deliveries.try_join_next().is_some() {}
        while deliveries.len() >= MOST {
            deliveries.join_next().await;
        }
        match server.take_untold_logouts().await {
            Ok(taken) if taken.is_empty() => return,
            Ok(taken) => {
                for logout in taken {
                    deliveries.spawn(tell(server.clone(), logout));
                }
            }
            Err(error) => {
                tracing::warn!(
                    error.source = error.source.as_ref().map(tracing::field::display),
                    "Clients cannot be told of logouts; trying again in a minute."
                );
                return;
            }
        }
    }
}

async fn tell(server: Arc<AuthorizationServer>, logout: LogoutToTell) {
    web::deliver(logout.notice.clone()).await;
    for _ in 0..ATTEMPTS {
        if server.logout_was_told(&logout).await.is_ok() {
            return;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_session_is_heard_of() {
        let change = |kind, object_id: &str| Change { seq: 1, kind, object_id: object_id.to_owned(), at: 1 };
        for (change, expected) in [
            (change(ChangeKind::Revocation, "user:1"), true),
            (change(ChangeKind::Revocation, "session:1"), true),
            (change(ChangeKind::Revocation, "grant:1"), false),
            (change(ChangeKind::User, "user:1"), false),
        ] {
            assert_eq!(ends_sessions(&change), expected, "{change:?}");
        }
    }
}
