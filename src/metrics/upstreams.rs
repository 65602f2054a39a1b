//! What is counted of one upstream where it happens.

use prometheus::IntCounter;

/// The handles of one upstream.
pub struct UpstreamMetrics {
    ejections: Box<[IntCounter]>,
    /// `None` without servers: nothing is ever sent.
    retries: Option<IntCounter>,
}

impl UpstreamMetrics {
    pub(super) fn new(ejections: Vec<IntCounter>, retries: Option<IntCounter>) -> Self {
        Self { ejections: ejections.into(), retries }
    }

    /// Counts an ejection of the server at `index` of those that the handles were made for.
    pub fn ejected(&self, index: usize) {
        if let Some(counter) = self.ejections.get(index) {
            counter.inc();
        }
    }

    /// Counts a request that is sent once more.
    pub fn retried(&self) {
        if let Some(counter) = &self.retries {
            counter.inc();
        }
    }
}
