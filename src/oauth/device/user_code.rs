//! User codes: drawn in the tenant's shape, read as people type them (RFC 8628 section 6.1).
//!
//! Owns the text; it does not know which device a code belongs to, nor who may try how often.

use aws_lc_rs::digest;

use crate::entropy::Entropy;
use crate::model::UserCodeShape;

/// Nothing longer is a user code of ours, in any shape (F-160).
const MAX_BYTES: usize = 512;

/// A new user code, as it is shown. Every character of the alphabet is equally likely.
pub(super) fn draw(entropy: &Entropy, shape: &UserCodeShape) -> String {
    let mut alphabet: Vec<char> = shape.alphabet.chars().collect();
    // A shape that could not tell two codes apart is none.
    if !(2..=256).contains(&alphabet.len()) {
        alphabet = UserCodeShape::CONSONANTS.chars().collect();
    }
    shape.mask.chars().map(|place| if place == '*' { pick(entropy, &alphabet) } else { place }).collect()
}

/// Bytes beyond the last multiple of the alphabet's length are drawn again, or the first characters would be likelier.
fn pick(entropy: &Entropy, alphabet: &[char]) -> char {
    let fair = 256 - 256 % alphabet.len();
    loop {
        let mut byte = [0];
        entropy.fill(&mut byte);
        let number = usize::from(byte[0]);
        if number < fair {
            return alphabet[number % alphabet.len()];
        }
    }
}

/// What a person typed, without what does not count: case, dashes, spaces and other signs between (J2, UX 20). `None` if
/// nothing is left or it cannot be a code.
pub(super) fn normal(typed: &str) -> Option<String> {
    if typed.len() > MAX_BYTES {
        return None;
    }
    let text: String = typed.chars().filter(|character| character.is_alphanumeric()).collect();
    Some(text.to_uppercase()).filter(|text| !text.is_empty())
}

/// What is stored of a code in its normal form: SHA-256 in lower case hexadecimal digits (J4).
pub(super) fn hash(normal: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, normal.as_bytes()))
}

/// A typed code as the tenant writes its codes, so that it can be compared with the device's screen (J7). As it was
/// typed, in upper case, if it does not fit.
pub(super) fn shown(normal: &str, shape: &UserCodeShape) -> String {
    let mut rest = normal.chars().peekable();
    let mut text = String::with_capacity(shape.mask.len());
    for place in shape.mask.chars() {
        if place == '*' || place.is_alphanumeric() {
            match rest.next() {
                Some(character) => text.push(character),
                None => return normal.to_owned(),
            }
        } else {
            text.push(place);
        }
    }
    if rest.peek().is_some() { normal.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(alphabet: &str, mask: &str) -> UserCodeShape {
        UserCodeShape { alphabet: alphabet.to_owned(), mask: mask.to_owned() }
    }

    // RFC 8628 6.1, J2, F-160
    #[test]
    fn a_code_is_drawn_in_the_shape_of_the_tenant() {
        let entropy = Entropy::seeded(1);
        let code = draw(&entropy, &UserCodeShape::default());
        assert_eq!((code.len(), code.find('-')), (9, Some(4)));
        assert!(code.replace('-', "").chars().all(|letter| UserCodeShape::CONSONANTS.contains(letter)), "{code}");
        assert_ne!(code, draw(&entropy, &UserCodeShape::default()));
        let digits = draw(&entropy, &shape("0123456789", "TV ***-***"));
        assert!(digits.starts_with("TV ") && digits.len() == 10, "{digits}");
        // No alphabet at all is never a constant code.
        assert_ne!(draw(&entropy, &shape("", "********")), draw(&entropy, &shape("A", "********")));
    }

    // J3: what is drawn is as hard to guess as it looks.
    #[test]
    fn every_character_is_equally_likely() {
        let entropy = Entropy::seeded(2);
        let code = draw(&entropy, &shape(UserCodeShape::CONSONANTS, &"*".repeat(20_000)));
        for letter in UserCodeShape::CONSONANTS.chars() {
            let count = code.chars().filter(|&drawn| drawn == letter).count();
            // A thousand each; six standard deviations are 185.
            assert!((815..1185).contains(&count), "{letter}: {count}");
        }
    }

    // RFC 8628 6.1, F-160, UX 20
    #[test]
    fn case_dashes_and_spaces_do_not_count() {
        let expected = Some("WDJBMJHT".to_owned());
        for typed in
            ["WDJB-MJHT", "wdjb mjht", "  wdjbmjht\n", "W D J B - M J H T", "wdjb\u{2013}mjht", "wdjb\u{a0}mjht"]
        {
            assert_eq!(normal(typed), expected, "{typed:?}");
        }
        for nothing in ["", " - ", "\u{2014}"] {
            assert_eq!(normal(nothing), None, "{nothing:?}");
        }
        assert_eq!(normal(&"A".repeat(513)), None);
        assert_eq!(hash("WDJBMJHT").len(), 64);
        assert_ne!(hash("WDJBMJHT"), hash("WDJBMJHV"));
    }

    // J7: what is shown looks like what the device shows.
    #[test]
    fn a_typed_code_is_shown_as_the_device_shows_it() {
        let rows = [
            ("****-****", "WDJBMJHT", "WDJB-MJHT"),
            ("TV ***-***", "TV123456", "TV 123-456"),
            ("****-****", "WDJB", "WDJB"),
            ("****", "WDJBMJHT", "WDJBMJHT"),
        ];
        for (mask, typed, expected) in rows {
            assert_eq!(shown(typed, &shape("", mask)), expected);
        }
    }
}
