//! What runs beside the requests for as long as the process does.
//!
//! Owns that it goes on: a node that no longer hears of revocations, of keys or of the store is worse than none, and looks well.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;

/// Before a task is begun anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Tasks that end with the process.
#[derive(Default)]
pub(super) struct Background(JoinSet<()>);

impl Background {
    /// Runs what `begin` makes. One that panics is told of and begun anew; it has to find out for itself what it missed.
    pub(super) fn keep<F>(&mut self, name: &'static str, mut begin: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(async move {
            loop {
                // A set, because it ends its task when it is dropped.
                let mut task = JoinSet::new();
                task.spawn(begin());
                let has_panicked = task.join_next().await.and_then(Result::err).is_some_and(|error| error.is_panic());
                if !has_panicked {
                    return;
                }
                tracing::error!(task = name, "A background task panicked; it is begun anew.");
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Ends all of them where they are.
    pub(super) async fn shutdown(&mut self) {
        self.0.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    // V3: a task that panics does not leave the node deaf
    #[tokio::test(start_paused = true)]
    async fn what_panics_is_begun_anew_and_ends_with_the_process() {
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut background = Background::default();
        let (counted, over) = (begun.clone(), ended.clone());
        background.keep("feed", move || {
            let (number, over) = (counted.fetch_add(1, Ordering::Relaxed), over.clone());
            async move {
                assert!(number >= 2, "the first two times");
                let _told = OnDrop(over);
                std::future::pending::<()>().await;
            }
        });
        let counted = begun.clone();
        tokio::time::sleep(10 * PAUSE).await;
        assert_eq!((counted.load(Ordering::Relaxed), ended.load(Ordering::Relaxed)), (3, 0));
        background.shutdown().await;
        assert_eq!((begun.load(Ordering::Relaxed), ended.load(Ordering::Relaxed)), (3, 1));
    }

    // What is done is done
    #[tokio::test(start_paused = true)]
    async fn what_ends_is_not_begun_anew() {
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = begun.clone();
        let mut background = Background::default();
        background.keep("once", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async {}
        });
        tokio::time::sleep(10 * PAUSE).await;
        assert_eq!(begun.load(Ordering::Relaxed), 1);
    }

    struct OnDrop(Arc<AtomicUsize>);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
