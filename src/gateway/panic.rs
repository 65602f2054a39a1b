//! A panic while a request is decided on denies that request and no other (rule O1).
//!
//! Owns catching it. It repairs nothing: whatever the request was doing is dropped.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// A future ended in a panic; the panic hook has said where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// What `work` returns, or that it panicked.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    // Nothing of the future is looked at after a panic, so a half-made state cannot be seen.
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    // O1
    #[tokio::test]
    async fn a_panic_becomes_an_error_before_and_after_waiting() {
        assert_eq!(caught(async { 1 }).await, Ok(1));
        assert_eq!(caught::<()>(async { panic!("before") }).await, Err(Panicked));
        let later = async {
            tokio::task::yield_now().await;
            panic!("after")
        };
        assert_eq!(caught::<()>(later).await, Err(Panicked));
    }
}
