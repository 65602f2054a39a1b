//! The segments of a canonical path, and what they say when decoded.
//!
//! Owns splitting and percent-decoding; it checks nothing, since [`canonical`](super::canonical) has.

use std::borrow::Cow;

/// The segments of `path`. The slash at its start begins the first one, and one slash at its end begins none.
pub(super) fn split(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    // "" has no segments, but splits into one empty text.
    path.split('/').take(if path.is_empty() { 0 } else { usize::MAX })
}

/// What `segment` says. Borrowed when nothing is escaped.
pub(super) fn decode(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut bytes = vec![0; segment.len()];
    let text = decode_into(segment, &mut bytes).and_then(|length| {
        bytes.truncate(length);
        String::from_utf8(bytes).ok()
    });
    // No canonical path has an escape that cannot be decoded; such a one says what it is.
    text.map_or(Cow::Borrowed(segment), Cow::Owned)
}

/// Decodes into `buffer` and returns how many bytes that took, or `None` when there is no room.
pub(super) fn decode_into(segment: &str, buffer: &mut [u8]) -> Option<usize> {
    let mut rest = segment.as_bytes();
    let mut length = 0;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => match (hex_value(*high), hex_value(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                (_, _) => return None,
            },
            (_, after) => (first, after),
        };
        *buffer.get_mut(length)? = byte;
        length += 1;
        rest = after;
    }
    Some(length)
}

/// The value of a hexadecimal digit.
pub(super) fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
