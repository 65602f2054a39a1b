//! Text that others supplied, made fit to be shown (K11). It does not judge what the text claims.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Most characters of a name.
pub(super) const NAME: usize = 60;
/// Most characters of a sentence.
pub(super) const SENTENCE: usize = 240;
/// Longer than any email (RFC 3696).
const MOST_TYPED: usize = 320;
/// More marks than this on one letter belong to no script.
const MOST_MARKS: usize = 3;

/// A name of somebody or something: one line, short.
pub(super) fn name(text: &str) -> String {
    line(text, NAME)
}

/// One line of at most `most` characters without anything that is invisible, changes the direction of what follows, or
/// towers over its neighbours.
pub(super) fn line(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let (mut length, mut marks, mut gap) = (0, 0, false);
    for character in text.chars().take(4 * SENTENCE).nfc() {
        if character.is_whitespace() || character.is_control() {
            gap = length > 0;
            continue;
        }
        if is_invisible(character) {
            continue;
        }
        marks = if is_combining_mark(character) { marks + 1 } else { 0 };
        if marks > MOST_MARKS || (marks > 0 && (length == 0 || gap)) {
            continue;
        }
        if length + usize::from(gap) >= most {
            shown.push('…');
            break;
        }
        if gap {
            shown.push(' ');
            length += 1;
            gap = false;
        }
        shown.push(character);
        length += 1;
    }
    shown
}

/// What goes back into a field that somebody may not have filled in: as it was, but for what nobody sees.
pub(super) fn typed(text: &str) -> String {
    text.chars().filter(|character| !character.is_control() && !is_invisible(*character)).take(MOST_TYPED).collect()
}

/// Characters without a shape of their own: direction marks and overrides, joiners, fillers, tags, private use, selectors.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
        | '\u{e000}'..='\u{f8ff}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

/// For HTML, in text and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
