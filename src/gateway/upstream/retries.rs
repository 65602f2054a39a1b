//! How many requests of an upstream may be tried again.
//!
//! Owns the budget, so that servers that fail under load do not get more of it. Which requests may be tried again at all is
//! decided where they failed.

use std::sync::atomic::{AtomicI64, Ordering};

/// What a retry costs.
const PRICE: i64 = 100;

/// Retries that may have been saved up.
const MOST_SAVED: i64 = 100;

/// Every request earns a part of a retry.
pub(super) struct RetryBudget {
    saved: AtomicI64,
    /// Percent of a retry.
    earned: i64,
}

impl RetryBudget {
    /// A budget for `percent` of the requests, full.
    pub fn new(percent: u32) -> Self {
        let saved = if percent == 0 { 0 } else { MOST_SAVED * PRICE };
        Self { saved: AtomicI64::new(saved), earned: i64::from(percent) }
    }

    /// A request came for the first time.
    pub fn earn(&self) {
        // Full, as it is nearly always, it is only read.
        if self.saved.load(Ordering::Relaxed) < MOST_SAVED * PRICE {
            self.saved.fetch_add(self.earned, Ordering::Relaxed);
        }
    }

    /// Takes a retry, if there is one.
    pub fn spend(&self) -> bool {
        let affordable = |saved: i64| (saved >= PRICE).then_some(saved - PRICE);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, affordable).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // M10
    #[test]
    fn one_request_in_five_is_tried_again() {
        let budget = RetryBudget::new(20);
        assert_eq!((0..1000).filter(|_| budget.spend()).count(), 100, "what was saved");
        let retried = (0..1000).filter(|_| {
            budget.earn();
            budget.spend()
        });
        assert_eq!(retried.count(), 200);
        let nothing = RetryBudget::new(0);
        nothing.earn();
        assert!(!nothing.spend());
    }
}
