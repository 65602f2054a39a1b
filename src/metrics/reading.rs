//! What all metrics said at one moment, for somebody who shows them to people.
//!
//! Owns sums over labels and quantiles of histograms. It counts nothing: these are the numbers that Prometheus is told.

use std::collections::BTreeMap;

use prometheus::proto::{Metric, MetricFamily, MetricType};

/// What every name begins with.
const PREFIX: &str = "faregate_";

/// All metrics at one moment. Names are given without their prefix.
pub struct Reading(Vec<MetricFamily>);

/// A duration that a histogram's buckets tell of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Estimate {
    /// Seconds.
    About(f64),
    /// It is beyond the last bucket, which ends at so many seconds.
    MoreThan(f64),
}

/// Histograms with the same buckets, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    pub count: u64,
    /// Seconds, of all together.
    pub sum: f64,
    /// Upper bounds in ascending order, and how many are at most that.
    pub buckets: Vec<(f64, u64)>,
}

impl Reading {
    pub(super) fn new(families: Vec<MetricFamily>) -> Self {
        Self(families)
    }

    /// The sum of all samples of a counter or a gauge; `None` where there is none.
    pub fn total(&self, name: &str) -> Option<f64> {
        let values = self.metrics(name).map(|(kind, metric)| value(kind, metric));
        values.fold(None, |sum, value| Some(sum.unwrap_or_default() + value))
    }

    /// Values of a counter or a gauge, by the values of these labels; those of other labels are added up.
    pub fn by<const N: usize>(&self, name: &str, labels: [&str; N]) -> BTreeMap<[&str; N], f64> {
        let mut sums = BTreeMap::new();
        for (kind, metric) in self.metrics(name) {
            *sums.entry(labels.map(|sought| label(metric, sought))).or_default() += value(kind, metric);
        }
        sums
    }

    /// Histograms by the values of these labels; those of other labels are added up.
    pub fn distributions<const N: usize>(&self, name: &str, labels: [&str; N]) -> BTreeMap<[&str; N], Distribution> {
        let mut sums: BTreeMap<_, Distribution> = BTreeMap::new();
        for (_, metric) in self.metrics(name) {
            let histogram = metric.get_histogram();
            let buckets = histogram.get_bucket().iter();
            sums.entry(labels.map(|sought| label(metric, sought))).or_default().add(&Distribution {
                count: histogram.get_sample_count(),
                sum: histogram.get_sample_sum(),
                buckets: buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count())).collect(),
            });
        }
        sums
    }

    fn metrics(&self, name: &str) -> impl Iterator<Item = (MetricType, &Metric)> {
        let families = self.0.iter().filter(move |family| family.name().strip_prefix(PREFIX) == Some(name));
        families.flat_map(|family| family.get_metric().iter().map(|metric| (family.get_field_type(), metric)))
    }
}

impl Distribution {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
            return;
        }
        for ((_, own), (_, others)) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += others;
        }
    }

    /// Seconds; `None` of nothing.
    #[expect(clippy::cast_precision_loss, reason = "nobody tells so many apart")]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The value that this part of all is at most, as Prometheus' `histogram_quantile` estimates it: within a bucket they are
    /// thought to be spread evenly. `None` of nothing.
    #[expect(clippy::cast_precision_loss, reason = "nobody tells so many apart")]
    pub fn quantile(&self, part: f64) -> Option<Estimate> {
        let rank = (self.count > 0).then_some(part * self.count as f64)?;
        let (mut lower, mut below) = (0.0, 0);
        for (upper, at_most) in self.buckets.iter().copied().filter(|(upper, _)| upper.is_finite()) {
            if at_most as f64 >= rank && at_most > below {
                let within = (rank - below as f64) / (at_most - below) as f64;
                return Some(Estimate::About((upper - lower).mul_add(within.clamp(0.0, 1.0), lower)));
            }
            (lower, below) = (upper, at_most);
        }
        Some(Estimate::MoreThan(lower))
    }
}

fn label<'a>(metric: &'a Metric, name: &str) -> &'a str {
    metric.get_label().iter().find(|pair| pair.name() == name).map(|pair| pair.value()).unwrap_or_default()
}

fn value(kind: MetricType, metric: &Metric) -> f64 {
    match kind {
        MetricType::COUNTER => metric.get_counter().get_value(),
        MetricType::GAUGE => metric.get_gauge().get_value(),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    // UX 24: the numbers of the dashboard are those of `/metrics`
    #[test]
    fn a_reading_adds_up_what_is_registered() {
        let metrics = Metrics::new();
        let (orders, other) = (metrics.route("/orders"), metrics.route("/other"));
        orders.permitted();
        for _ in 0..3 {
            orders.denied("expired");
        }
        other.denied("expired");
        other.durations().answered(200, 0.002);
        other.durations().answered(404, 0.002);
        metrics.open_connections.set(5);
        let reading = metrics.read();
        let by_reason = reading.by("decisions_total", ["decision", "reason"]);
        assert_eq!(by_reason.into_iter().collect::<Vec<_>>(), [(["deny", "expired"], 4.0), (["permit", ""], 1.0)]);
        assert_eq!(reading.total("decisions_total"), Some(5.0));
        assert_eq!(reading.total("open_connections"), Some(5.0));
        assert_eq!(reading.total("no_such_metric"), None);
        let durations = reading.distributions("request_duration_seconds", ["route"]);
        assert_eq!((durations.len(), durations[&["/other"]].count), (1, 2));
    }

    // UX 24
    #[test]
    fn quantiles_are_estimated_within_their_bucket() {
        let of = |buckets: &[(f64, u64)], count| Distribution { count, sum: 1.0, buckets: buckets.to_vec() };
        let halves = of(&[(0.1, 50), (0.2, 100), (f64::INFINITY, 100)], 100);
        let about = |part: f64, expected: f64| match halves.quantile(part) {
            Some(Estimate::About(seconds)) => assert!((seconds - expected).abs() < 1e-9, "{part}: {seconds}"),
            other => panic!("{part}: {other:?}"),
        };
        about(0.25, 0.05);
        about(0.5, 0.1);
        about(0.75, 0.15);
        about(1.0, 0.2);
        // What no bucket bounds has no estimate, only a bound.
        let slow = of(&[(0.1, 0), (10.0, 1), (f64::INFINITY, 4)], 4);
        assert_eq!(slow.quantile(0.99), Some(Estimate::MoreThan(10.0)));
        assert_eq!(of(&[(0.1, 0), (10.0, 0)], 0).quantile(0.5), None);
        assert_eq!(Distribution::default().mean(), None);
        assert_eq!(of(&[], 4).mean(), Some(0.25));
    }

    // The estimate is that of the real histogram too: a thousand answers of 1 to 1,000 ms.
    #[test]
    fn a_real_histogram_is_estimated_well() {
        let metrics = Metrics::new();
        for millisecond in 1..=1000 {
            metrics.upstream("app").observe(f64::from(millisecond) / 1000.0);
        }
        let reading = metrics.read();
        let all = reading.distributions("upstream_duration_seconds", ["upstream"]);
        let app = &all[&["app"]];
        assert!((app.mean().unwrap() - 0.5005).abs() < 1e-6);
        for (part, expected) in [(0.5, 0.5), (0.99, 0.99)] {
            match app.quantile(part) {
                Some(Estimate::About(seconds)) => assert!((seconds - expected).abs() < 0.01, "{part}: {seconds}"),
                other => panic!("{part}: {other:?}"),
            }
        }
    }
}
