//! What a well-formed user looks like. Pure; passwords are in `password_rules`.

use serde_json::{Map, Value};

use super::rules::check_text;
use super::{FieldCode, FieldError};
use crate::model::{Data, User};

/// Longest email or username, in bytes: an index entry stays small.
const LONGEST_LOGIN: usize = 190;
const LONGEST_TEXT: usize = 500;
/// Of `data` and `address`, as JSON.
const LONGEST_DATA: usize = 32 * 1024;

/// Whether a user could be called so: what is not is not looked up.
pub(super) fn is_login_id(text: &str) -> bool {
    (1..=LONGEST_LOGIN).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// An address that mail could be sent to, as far as its form tells (RFC 5321 4.1.2, without quotes).
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let dots = |part: &str| part.split('.').all(|atom| !atom.is_empty());
    let is_atom = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_host = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || c == '-' || c == '.';
    is_login_id(text)
        && !text.chars().any(|c| c.is_whitespace() || is_hidden(c))
        && (1..=64).contains(&local.len())
        && dots(local)
        && dots(domain)
        && local.chars().all(is_atom)
        && domain.chars().all(is_host)
}

/// K11: characters that show text in another order than it is stored in, or not at all.
pub(super) fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{61c}' | '\u{feff}')
}

const LANGUAGES: &str = "user.preferredLanguages";

/// Beside the one that the user likes best.
const MOST_OTHER_LANGUAGES: usize = 19;

pub(super) fn check_user(user: &User) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if user.email.is_none() && user.username.is_none() {
        errors.push(FieldError::new("user.email", FieldCode::Blank, "a user needs an email or a username"));
    }
    if user.email.as_deref().is_some_and(|email| !is_email(email)) {
        errors.push(FieldError::new("user.email", FieldCode::Invalid, "must be an email address: name@example.com"));
    }
    if let Some(username) = &user.username {
        errors.extend(check_username(username));
    }
    let profile = &user.profile;
    for (field, text) in [
        ("user.fullName", &profile.name),
        ("user.firstName", &profile.given_name),
        ("user.middleName", &profile.middle_name),
        ("user.lastName", &profile.family_name),
        ("user.nickname", &profile.nickname),
        ("user.profile", &profile.profile),
        ("user.imageUrl", &profile.picture),
        ("user.website", &profile.website),
        ("user.gender", &profile.gender),
        ("user.timezone", &profile.zoneinfo),
        ("user.locale", &profile.locale),
        ("user.mobilePhone", &profile.phone_number),
    ] {
        errors.extend(text.as_deref().and_then(|text| check_text(field, text, LONGEST_TEXT)));
    }
    if profile.other_locales.len() > MOST_OTHER_LANGUAGES {
        let message = format!("there may be {}", MOST_OTHER_LANGUAGES + 1);
        errors.push(FieldError::new(LANGUAGES, FieldCode::TooLong, message));
    }
    errors.extend(profile.other_locales.iter().find_map(|locale| check_text(LANGUAGES, locale, LONGEST_TEXT)));
    if profile.birthdate.as_deref().is_some_and(|date| !is_date(date)) {
        errors.push(FieldError::new("user.birthDate", FieldCode::Invalid, "must be a date: YYYY-MM-DD"));
    }
    errors.extend(check_data("user.data", &profile.data));
    if profile.address.as_ref().is_some_and(|address| size(address) > LONGEST_DATA) {
        errors.push(FieldError::new("user.address", FieldCode::TooLong, "must have at most 32 KiB as JSON"));
    }
    errors
}

/// What administrators keep with an object is theirs, up to a size.
pub(super) fn check_data(field: &'static str, data: &Data) -> Option<FieldError> {
    let is_too_long = size(data) > LONGEST_DATA;
    is_too_long.then(|| FieldError::new(field, FieldCode::TooLong, "must have at most 32 KiB as JSON"))
}

fn size(object: &Map<String, Value>) -> usize {
    serde_json::to_string(object).map_or(usize::MAX, |text| text.len())
}

fn check_username(username: &str) -> Option<FieldError> {
    let field = "user.username";
    if username.trim().is_empty() {
        return Some(FieldError::new(field, FieldCode::Blank, "must not be empty"));
    }
    if username.len() > LONGEST_LOGIN {
        return Some(FieldError::new(field, FieldCode::TooLong, "must have at most 190 bytes"));
    }
    // An `@` would let one user take a name that another one logs in with.
    if username.trim() != username || username.contains('@') || username.chars().any(|c| c.is_control() || is_hidden(c))
    {
        let message = "must contain no @ and no invisible characters, and no white space at its ends";
        return Some(FieldError::new(field, FieldCode::Invalid, message));
    }
    None
}

/// A day of the calendar.
fn is_date(text: &str) -> bool {
    let numbers: Vec<Option<u32>> = text.split('-').map(|part| part.parse().ok()).collect();
    let (shape, [Some(year), Some(month), Some(day)]) = (text.len() == 10, numbers.as_slice()) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    shape && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && (1..=days).contains(day)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn codes(user: &User) -> Vec<String> {
        check_user(user).iter().map(FieldError::code).collect()
    }

    // D-10
    #[test]
    fn every_wrong_field_of_a_user_is_listed() {
        let mut user = User::new(Uuid::nil(), Uuid::nil(), 0);
        assert_eq!(codes(&user), ["[blank]user.email"]);
        user.email = Some("nobody".to_owned());
        user.username = Some("a@b".to_owned());
        user.profile.name = Some("a\nb".to_owned());
        user.profile.birthdate = Some("2001-02-29".to_owned());
        user.profile.data.insert("x".to_owned(), json!("y".repeat(LONGEST_DATA)));
        assert_eq!(
            codes(&user),
            [
                "[invalid]user.email",
                "[invalid]user.username",
                "[invalid]user.fullName",
                "[invalid]user.birthDate",
                "[tooLong]user.data"
            ]
        );
    }

    // F-048
    #[test]
    fn emails_look_like_emails() {
        for good in ["a@b", "ann+news@example.com", "o'hara@example.co.uk", "jürgen@bücher.example"] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.com", "x".repeat(190));
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c",
            "a@b c",
            "a..b@c",
            ".a@b",
            "a@b.",
            "a@b@",
            "a\u{202e}@b",
            "a@b:80",
            "<a@b>",
            &long,
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    // F-148
    #[test]
    fn birthdates_are_days() {
        for good in ["2000-02-29", "1999-12-31", "0000-01-01"] {
            assert!(is_date(good), "{good}");
        }
        for bad in ["1900-02-29", "2001-13-01", "2001-00-10", "2001-1-1", "20010101", "2001-04-31", "+001-01-01", ""] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
