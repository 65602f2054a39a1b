//! Numbers as the dashboard shows them, each with the name of the series that it is the sum of.

use super::shown;
use crate::metrics::Estimate;

/// A count, and where it comes from.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    pub value: u64,
    /// A selector as Prometheus reads it; the value is the sum of what it selects.
    pub series: String,
}

impl Figure {
    /// `labels` are pairs of a name with its comparison, such as `route=`, and what it is compared with.
    pub fn new(value: u64, metric: &str, labels: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}\"{value}\"")
        };
        let pairs: Vec<String> = labels.iter().map(pair).collect();
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        Self { value, series: format!("{metric}{labels}") }
    }

    pub(super) fn html(&self) -> String {
        let (value, series) = (self.value, shown::escape(&self.series));
        format!("<data value=\"{value}\" title=\"{series}\">{}</data>", count(value))
    }
}

/// With commas between thousands.
fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in the unit in which it has one to three digits before the point.
pub(super) fn seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        short if short < 0.000_999_5 => (short * 1e6, "µs"),
        short if short < 0.999_5 => (short * 1e3, "ms"),
        long => (long, "s"),
    };
    let text = if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

pub(super) fn estimate(estimate: Estimate) -> String {
    match estimate {
        Estimate::About(about) => seconds(about),
        Estimate::MoreThan(bound) => format!("> {}", seconds(bound)),
    }
}

/// Whole seconds in their two largest units.
pub(super) fn span(seconds: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let largest = UNITS.iter().position(|(_, unit)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (name, unit) in UNITS.iter().skip(largest).take(2) {
        if rest >= *unit || parts.is_empty() {
            parts.push(format!("{} {name}", rest / unit));
        }
        rest %= unit;
    }
    parts.join(" ")
}

/// `hits` of `hits + misses` in per cent.
#[expect(clippy::cast_precision_loss, reason = "nobody tells so many apart")]
pub(super) fn part(hits: u64, misses: u64) -> String {
    match hits + misses {
        0 => "no token yet".to_owned(),
        all => format!("{:.1} %", 100.0 * hits as f64 / all as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 24
    #[test]
    fn numbers_are_written_for_people() {
        for (value, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), expected);
        }
        for (value, expected) in [
            (0.0, "0 µs"),
            (0.000_087, "87 µs"),
            (0.001, "1 ms"),
            (0.0012, "1.2 ms"),
            (0.0345, "34 ms"),
            (0.9996, "1 s"),
            (2.5, "2.5 s"),
            (12.3, "12 s"),
        ] {
            assert_eq!(seconds(value), expected);
        }
        assert_eq!(estimate(Estimate::MoreThan(10.0)), "> 10 s");
        for (value, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3600, "1 h"),
            (3661, "1 h 1 min"),
            (7205, "2 h"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(value), expected);
        }
        assert_eq!((part(0, 0).as_str(), part(1, 2).as_str()), ("no token yet", "33.3 %"));
    }

    // UX 24: the metric is named, whatever the route is called
    #[test]
    fn a_figure_names_its_series() {
        let figure = Figure::new(1000, "faregate_decisions_total", &[("route=", "/a\"<b>\\"), ("code=~", "4..")]);
        assert_eq!(figure.series, r#"faregate_decisions_total{route="/a\"<b>\\",code=~"4.."}"#);
        let html = figure.html();
        assert!(html.starts_with(r#"<data value="1000" title="faregate_decisions_total{route=&"#), "{html}");
        assert!(!html.contains("<b>") && html.ends_with(">1,000</data>"), "{html}");
        assert_eq!(Figure::new(1, "faregate_open_connections", &[]).series, "faregate_open_connections");
    }
}
