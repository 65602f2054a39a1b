//! How a person has to authenticate for a rule (RFC 9470), and how long ago that may be.
//!
//! Owns the durations of rules as text, and what a client is told to ask for. When somebody did authenticate, the token says.

use std::fmt::{self, Display, Formatter};

/// What an authentication has to be, as a client asks the authorization server for it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StepUp {
    /// One of these; empty: any will do.
    pub acr_values: Vec<Box<str>>,
    /// Seconds.
    pub max_age: Option<u32>,
}

/// The units of durations, the largest first, with their seconds.
const UNITS: [(&str, u32); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// `30s`, `5m`, `1h`, `7d`; more than nothing.
pub(super) fn parse_seconds(text: &str) -> Option<u32> {
    let (_, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let digits = &text[..text.len() - 1];
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = digits.parse().ok().filter(|_| is_number)?;
    number.checked_mul(seconds).filter(|seconds| *seconds > 0)
}

/// Seconds in the largest unit that divides them.
pub(super) struct Seconds(pub u32);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let whole = UNITS.into_iter().find(|(_, seconds)| self.0 >= *seconds && self.0.is_multiple_of(*seconds));
        match whole {
            Some((unit, seconds)) => write!(f, "{}{unit}", self.0 / seconds),
            None => write!(f, "{}s", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed_in_their_largest_unit() {
        for (text, seconds, printed) in [
            ("30s", 30, "30s"),
            ("300s", 300, "5m"),
            ("5m", 300, "5m"),
            ("90m", 5_400, "90m"),
            ("24h", 86_400, "1d"),
            ("4294967295s", u32::MAX, "4294967295s"),
        ] {
            assert_eq!(parse_seconds(text), Some(seconds), "{text}");
            assert_eq!(Seconds(seconds).to_string(), printed);
        }
        for text in
            ["", "5", "m", "0s", "-5m", "+5m", "5 m", "1.5h", "5min", "500ms", "4294967296s", "99999999d", "5\u{e9}"]
        {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
    }
}
