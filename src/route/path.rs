//! Raw request paths to canonical ones: one spelling for one resource, decided before anything else looks at the path.
//!
//! Owns what is refused and what is rewritten; it does not split queries off and knows no routes.
//!
//! A canonical path begins with `/`, has no empty and no dot segments, spells unreserved characters (RFC 3986 2.3) plainly
//! and every other escape with capital digits. Other characters stay as they were sent, escaped or not, since the
//! upstream may tell `%3A` from `:`. Repeated slashes are merged first and dot segments removed then.
//!
//! What two programs could read differently is refused: escaped slashes, backslashes, control characters, escaped
//! escapes of these, and dot segments with parameters (`..;x`). A `;` elsewhere is data here; the route table takes
//! care that it chooses no other route.

use std::borrow::Cow;

use super::segment::hex_value;

/// Why a path is refused. All of these are the client's mistake, answered with 400.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum PathError {
    /// A `..` that leads out of the root.
    AboveRoot,
    /// A backslash, escaped or not.
    Backslash,
    /// NUL, another control character or DEL, escaped or not.
    ControlCharacter,
    /// `.` or `..` followed by `;`, escaped or not.
    DotSegmentParameter,
    /// An escaped `%` that begins an escaped slash, backslash, dot or NUL.
    DoubleEncoding,
    /// `%2f`.
    EncodedSlash,
    /// `#`, which no client may send.
    Fragment,
    /// A space or another character that no path may contain, such as `?` and `<`.
    InvalidCharacter,
    /// `%` without two hexadecimal digits.
    InvalidEscape,
    /// Escapes that are not UTF-8 when decoded.
    InvalidUtf8,
    /// A byte above 0x7f that is not escaped.
    NonAscii,
    /// The path does not begin with `/`.
    NotAbsolute,
}

impl PathError {
    /// The reason in snake_case, as log field and metric label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AboveRoot => "above_root",
            Self::Backslash => "backslash",
            Self::ControlCharacter => "control_character",
            Self::DotSegmentParameter => "dot_segment_parameter",
            Self::DoubleEncoding => "double_encoding",
            Self::EncodedSlash => "encoded_slash",
            Self::Fragment => "fragment",
            Self::InvalidCharacter => "invalid_character",
            Self::InvalidEscape => "invalid_escape",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NonAscii => "non_ascii",
            Self::NotAbsolute => "not_absolute",
        }
    }
}

/// The canonical form of `raw`, a path as it was received, without its query. Borrowed, and nothing allocated, when
/// `raw` is canonical already.
pub fn canonical(raw: &str) -> Result<Cow<'_, str>, PathError> {
    if !raw.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if is_canonical(raw.as_bytes())? {
        return Ok(Cow::Borrowed(raw));
    }
    let path = rewrite(raw)?;
    // Decoding may have completed what is refused: `%25%32f` becomes `%252f`.
    is_canonical(path.as_bytes())?;
    Ok(Cow::Owned(path))
}

/// Refuses every character and escape that is refused anywhere, and says whether nothing has to be rewritten.
fn is_canonical(raw: &[u8]) -> Result<bool, PathError> {
    let mut canonical = true;
    let mut position = 0;
    while let Some(&byte) = raw.get(position) {
        position += 1;
        match CLASS[usize::from(byte)] {
            Class::Plain => {}
            // Only what follows a slash can make a segment empty or a dot segment.
            Class::Slash => {
                canonical &= !matches!(raw.get(position), Some(b'/')) && !begins_with_dots(&raw[position..])
            }
            Class::Escape => {
                let (length, plain) = check_escape(&raw[position - 1..])?;
                canonical &= plain;
                position += length - 1;
            }
            Class::Refused(error) => return Err(error),
        }
    }
    Ok(canonical)
}

/// Whether the first segment is a dot segment, or one with parameters.
fn begins_with_dots(rest: &[u8]) -> bool {
    let dots = rest.iter().take_while(|byte| **byte == b'.').count();
    (dots == 1 || dots == 2) && matches!(&rest[dots..], [] | [b'/' | b';', ..] | [b'%', b'3', b'b' | b'B', ..])
}

/// Checks the character that is escaped at the start of `rest`. Returns the length of its escapes, and whether they are
/// canonical.
fn check_escape(rest: &[u8]) -> Result<(usize, bool), PathError> {
    let byte = escaped(rest).ok_or(PathError::InvalidEscape)?;
    let capital = |escape: &[u8]| !escape[1].is_ascii_lowercase() && !escape[2].is_ascii_lowercase();
    match byte {
        b'/' => Err(PathError::EncodedSlash),
        b'\\' => Err(PathError::Backslash),
        0..=0x1f | 0x7f => Err(PathError::ControlCharacter),
        b'%' if hides_separator(&rest[3..]) => Err(PathError::DoubleEncoding),
        0x20..0x7f => Ok((3, capital(rest) && !is_unreserved(byte))),
        0x80.. => {
            let mut decoded = [0; 4];
            let count = match byte {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return Err(PathError::InvalidUtf8),
            };
            let mut all_capital = true;
            for (index, place) in decoded[..count].iter_mut().enumerate() {
                let escape = rest.get(index * 3..).unwrap_or_default();
                if escape.first() != Some(&b'%') {
                    return Err(PathError::InvalidUtf8);
                }
                *place = escaped(escape).ok_or(PathError::InvalidEscape)?;
                all_capital &= capital(escape);
            }
            match std::str::from_utf8(&decoded[..count]) {
                // U+0080 to U+009F are control characters too, and U+0085 ends a line for some readers.
                Ok(text) if text.chars().any(char::is_control) => Err(PathError::ControlCharacter),
                Ok(_) => Ok((count * 3, all_capital)),
                Err(_) => Err(PathError::InvalidUtf8),
            }
        }
    }
}

/// The byte behind `%XX` at the start of `rest`.
fn escaped(rest: &[u8]) -> Option<u8> {
    match rest {
        [b'%', high, low, ..] => Some(hex_value(*high)? << 4 | hex_value(*low)?),
        _ => None,
    }
}

/// Whether what follows `%25` would be a separator, a dot or NUL if an upstream decoded once too often.
fn hides_separator(mut rest: &[u8]) -> bool {
    while let Some(deeper) = rest.strip_prefix(b"25") {
        rest = deeper;
    }
    matches!(rest, [b'2', b'e' | b'E' | b'f' | b'F', ..] | [b'5', b'c' | b'C', ..] | [b'0', b'0', ..])
}

/// The canonical form of a path that [`is_canonical`] did not refuse.
fn rewrite(raw: &str) -> Result<String, PathError> {
    let spelled = spell_escapes(raw);
    let mut path = String::with_capacity(spelled.len());
    let mut ends_with_slash = true;
    for segment in spelled.split('/').filter(|segment| !segment.is_empty()) {
        let name_end = segment.find(';').into_iter().chain(segment.find("%3B")).min();
        match (&segment[..name_end.unwrap_or(segment.len())], name_end) {
            ("." | "..", Some(_)) => return Err(PathError::DotSegmentParameter),
            (".", None) => ends_with_slash = true,
            ("..", None) => {
                path.truncate(path.rfind('/').ok_or(PathError::AboveRoot)?);
                ends_with_slash = true;
            }
            _ => {
                path.push('/');
                path.push_str(segment);
                ends_with_slash = spelled.ends_with('/');
            }
        }
    }
    if ends_with_slash {
        path.push('/');
    }
    Ok(path)
}

/// `raw` with unreserved characters decoded and capital digits in all other escapes.
fn spell_escapes(raw: &str) -> String {
    let mut spelled = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(position) = rest.find('%') {
        spelled.push_str(&rest[..position]);
        // `is_canonical` found two hexadecimal digits after every `%`.
        let (escape, after) = rest[position..].split_at(3.min(rest.len() - position));
        match escaped(escape.as_bytes()) {
            Some(byte) if is_unreserved(byte) => spelled.push(char::from(byte)),
            Some(_) | None => spelled.push_str(&escape.to_ascii_uppercase()),
        }
        rest = after;
    }
    spelled.push_str(rest);
    spelled
}

/// RFC 3986 2.3
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[derive(Clone, Copy)]
enum Class {
    Plain,
    Slash,
    Escape,
    Refused(PathError),
}

static CLASS: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'/' => Class::Slash,
            b'%' => Class::Escape,
            b'\\' => Class::Refused(PathError::Backslash),
            b'#' => Class::Refused(PathError::Fragment),
            // The rest of what RFC 3986 excludes is sent by browsers as it is: `"`, `[`, `]`, `^`, `{`, `|` and `}`.
            b' ' | b'?' | b'<' | b'>' | b'`' => Class::Refused(PathError::InvalidCharacter),
            0..=0x1f | 0x7f => Class::Refused(PathError::ControlCharacter),
            0x80..=0xff => Class::Refused(PathError::NonAscii),
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests;
