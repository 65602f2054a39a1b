//! Names that people or programs choose and others read: of devices, passkeys and browsers (K11).
//!
//! Owns what is left of them. Pages have rules of their own for what they show.

/// The name as one line of at most `most` characters, without what shows it in another order than it is stored in, or not at
/// all.
pub(super) fn plain_name(text: &str, most: usize) -> String {
    let kept = text.chars().filter(|&character| !character.is_control() && !is_hidden(character));
    kept.take(most).collect::<String>().trim().to_owned()
}

/// The same ones that no name of a user may have.
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    // K11
    #[test]
    fn a_name_is_what_it_looks_like() {
        assert_eq!(plain_name(" Living\u{202e} room\n TV ", 100), "Living room TV");
        assert_eq!(plain_name("a\u{200b}b\u{feff}\u{2066}c\u{61c}", 100), "abc");
        assert_eq!(plain_name(&"a".repeat(500), 100).len(), 100);
        assert_eq!(plain_name("Grüße 👋 שלום", 100), "Grüße 👋 שלום");
    }
}
