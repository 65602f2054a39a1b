//! Which passwords may be chosen (rules L1 to L4): long enough, and nothing that is guessed early. No rules about
//! which characters, no expiry.

use unicode_normalization::UnicodeNormalization as _;

use super::Passwords;
use super::{FieldCode, FieldError};
use crate::model::{TenantSettings, User};

const FIELD: &str = "user.password";

/// Most characters of a password (L2).
const MOST: usize = 256;

/// A password that is found within so many guesses, by somebody who knows the person, is on everybody's list.
const EARLY: u64 = 1_000_000;

/// What is wrong with a password that somebody wants to choose. The message never shows it.
pub(super) fn check_password(password: &str, user: &User, settings: &TenantSettings) -> Option<FieldError> {
    if password.len() > Passwords::LONGEST {
        return Some(FieldError::new(FIELD, FieldCode::TooLong, format!("must have at most {MOST} characters")));
    }
    let password: String = password.nfc().collect();
    let length = password.chars().count();
    let least = settings.password_min_length as usize;
    if length < least {
        return Some(FieldError::new(FIELD, FieldCode::TooShort, format!("must have at least {least} characters")));
    }
    if length > MOST {
        return Some(FieldError::new(FIELD, FieldCode::TooLong, format!("must have at most {MOST} characters")));
    }
    let words = words_about(user, settings);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if zxcvbn::zxcvbn(&password, &words).guesses() < EARLY {
        let message = "is too easy to guess; take several words that have nothing to do with you";
        return Some(FieldError::new(FIELD, FieldCode::TooCommon, message));
    }
    None
}

/// What an attacker who knows the person and the place tries first.
fn words_about(user: &User, settings: &TenantSettings) -> Vec<String> {
    let profile = &user.profile;
    let texts = [&user.email, &user.username, &settings.theme.name, &profile.name, &profile.nickname];
    let more = [&profile.given_name, &profile.middle_name, &profile.family_name, &profile.birthdate];
    let mut words = vec!["faregate".to_owned(), "password".to_owned()];
    for text in texts.into_iter().chain(more).flatten() {
        let text = text.to_lowercase();
        words.extend(text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).map(str::to_owned));
        words.push(text);
    }
    words
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn code(password: &str) -> Option<FieldCode> {
        let mut user = User::new(Uuid::nil(), Uuid::nil(), 0);
        user.email = Some("johanna.silberstein@example.com".to_owned());
        check_password(password, &user, &TenantSettings::default()).map(|error| error.code)
    }

    // L1, L2: code points, not bytes
    #[test]
    fn the_length_is_counted_in_characters() {
        assert_eq!(code("kT9#x2q"), Some(FieldCode::TooShort));
        assert_eq!(code("kT9#x2qZ"), None);
        assert_eq!(code("пщхжЪёъ"), Some(FieldCode::TooShort));
        assert_eq!(code("пщхжЪёъы"), None);
        let long: String = ["correct", "horse", "battery", "staple"].iter().cycle().take(64).copied().collect();
        assert_eq!(code(&long[..256]), None);
        assert_eq!(code(&long[..257]), Some(FieldCode::TooLong));
        assert_eq!(code(&"é".repeat(600)), Some(FieldCode::TooLong));
    }

    // L4: the list, with the usual disguises, and what is known about the person and the product
    #[test]
    fn what_everybody_tries_first_is_refused() {
        for password in [
            "password",
            "Password1",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "aaaaaaaaaa",
            "p@ssw0rd",
            "drowssap1",
            "johanna.silberstein@example.com",
            "silberstein1",
            "Faregate1",
            "19851203",
        ] {
            assert_eq!(code(password), Some(FieldCode::TooCommon), "{password}");
        }
    }

    // L3: one kind of character is enough
    #[test]
    fn there_are_no_rules_about_characters() {
        for password in ["gravel unicorn teapot", "zlkqjwhvnmxb", "8301 4762 9958 2047", "    velvet    anchor"] {
            assert_eq!(code(password), None, "{password}");
        }
    }
}
