//! Where a request stands in a trace, as W3C Trace Context writes it in `traceparent`.
//!
//! Owns the ids, their text and the choice of the requests that are traced. It records nothing.

/// 16 bytes as hexadecimal digits, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

/// 8 bytes as hexadecimal digits, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId([u8; 16]);

/// Somebody else's span, in which a request was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    /// Whether it is recorded, and with it all below it.
    pub sampled: bool,
}

/// Bits of `trace-flags` (W3C Trace Context 3.2.2.5).
const SAMPLED: u8 = 1;

/// One in so many traces is recorded if nobody said so before: a share of 2^56.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling(u64);

impl TraceId {
    /// `digits` are lower-case hexadecimal ones.
    pub fn new(digits: [u8; 32]) -> Self {
        Self(digits)
    }

    pub fn as_str(&self) -> &str {
        // Invariant: hexadecimal digits only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl SpanId {
    /// `digits` are lower-case hexadecimal ones.
    pub fn new(digits: [u8; 16]) -> Self {
        Self(digits)
    }

    pub fn as_str(&self) -> &str {
        // Invariant: hexadecimal digits only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for SpanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Parent {
    /// `version-traceid-spanid-flags` (W3C Trace Context 3.2); `None` for what is none. Versions that are not known yet may
    /// have more behind it (4.3).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(55)?;
        let known: &[u8; 55] = known.try_into().ok()?;
        let is_whole = match known.first_chunk::<2>()? {
            b"00" => rest.is_empty(),
            b"ff" => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let (trace_id, span_id): ([u8; 32], [u8; 16]) = (known[3..35].try_into().ok()?, known[36..52].try_into().ok()?);
        let is_hyphen = |at: usize| matches!(at, 2 | 35 | 52);
        let is_shaped = known.iter().enumerate().all(|(at, byte)| match is_hyphen(at) {
            true => *byte == b'-',
            false => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
        if !is_whole || !is_shaped || trace_id == [b'0'; 32] || span_id == [b'0'; 16] {
            return None;
        }
        let flags = std::str::from_utf8(&known[53..]).ok().and_then(|flags| u8::from_str_radix(flags, 16).ok())?;
        Some(Self { trace_id: TraceId(trace_id), span_id: SpanId(span_id), sampled: flags & SAMPLED != 0 })
    }

    /// `traceparent` for whoever is called from here.
    pub fn to_text(self) -> String {
        let Self { trace_id, span_id, sampled } = self;
        format!("00-{}-{}-{:02x}", trace_id.as_str(), span_id.as_str(), u8::from(sampled))
    }
}

impl Sampling {
    /// So many traces in a million.
    pub fn per_million(share: u32) -> Self {
        let share = u128::from(share.min(1_000_000));
        Self(u64::try_from((share << 56) / 1_000_000).unwrap_or(u64::MAX))
    }

    /// Whether the trace is recorded. Its id says so, which is random in its last 56 bits (W3C Trace Context 2, 3.2.2.3): whoever
    /// asks with the same share gets the same answer.
    pub fn includes(self, trace_id: &TraceId) -> bool {
        let random = trace_id.as_str().get(18..).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        random.is_some_and(|random| random >= (1 << 56) - self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    // W3C Trace Context 3.2, 4.3
    #[test]
    fn only_what_the_standard_allows_is_a_parent() {
        let parent = Parent::parse(format!("00-{TRACE}-{SPAN}-01").as_bytes()).unwrap();
        assert_eq!((parent.trace_id.as_str(), parent.span_id.as_str(), parent.sampled), (TRACE, SPAN, true));
        assert_eq!(parent.to_text(), format!("00-{TRACE}-{SPAN}-01"));
        for (text, sampled) in [
            (format!("00-{TRACE}-{SPAN}-00"), false),
            (format!("00-{TRACE}-{SPAN}-02"), false),
            (format!("00-{TRACE}-{SPAN}-ff"), true),
            (format!("01-{TRACE}-{SPAN}-01"), true),
            (format!("cc-{TRACE}-{SPAN}-01-what-comes-later"), true),
        ] {
            assert_eq!(Parent::parse(text.as_bytes()).map(|parent| parent.sampled), Some(sampled), "{text}");
        }
        for text in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-011"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}a-{}-01", &SPAN[1..]),
            format!("00_{TRACE}_{SPAN}_01"),
            format!(" 00-{TRACE}-{SPAN}-01"),
            "\u{ff}".repeat(55),
        ] {
            assert_eq!(Parent::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_share_of_the_traces_is_recorded() {
        let recorded = |share: u32| {
            let ids = (0..10_000_u64).map(|number| {
                // A multiplicative sequence is evenly spread over the last 56 bits.
                let digits = format!("{:032x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & ((1 << 56) - 1));
                TraceId::new(digits.into_bytes().try_into().unwrap())
            });
            ids.filter(|id| Sampling::per_million(share).includes(id)).count()
        };
        assert_eq!((recorded(0), recorded(1_000_000)), (0, 10_000));
        for (share, expected) in [(10_000, 100), (500_000, 5000)] {
            assert!(recorded(share).abs_diff(expected) <= expected / 20 + 2, "{share}: {}", recorded(share));
        }
    }
}
