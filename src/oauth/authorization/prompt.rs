//! How much the person may be bothered (`prompt` and `max_age`, OpenID Connect Core 3.1.2.1, D-03).

use crate::oauth::error::{ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;
use crate::profile::Dialect;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// Nobody is asked anything.
    pub is_none: bool,
    pub login: bool,
    pub consent: bool,
}

/// Words that we do not know, `select_account` among them, are ignored; `none` goes with nothing.
pub(super) fn check(parameters: &Parameters<'_>) -> Result<Prompt, OAuthError> {
    let text = parameters.find("prompt").unwrap_or_default();
    let mut prompt = Prompt::default();
    for word in text.split(' ') {
        match word {
            "none" => prompt.is_none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => {}
        }
    }
    if prompt.is_none && text != "none" {
        let description = "The prompt none does not go with other values.";
        return Err(OAuthError::invalid_request(ErrorReason::InvalidPrompt, description));
    }
    Ok(prompt)
}

/// Seconds; not negative.
pub(super) fn check_max_age(parameters: &Parameters<'_>) -> Result<Option<i64>, OAuthError> {
    let Some(text) = parameters.find("max_age") else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(seconds) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(i64::from(seconds))),
        Ok(_) | Err(_) => {
            Err(OAuthError::invalid_request(ErrorReason::Unknown, "The max_age is not a number of seconds."))
        }
    }
}

/// Whether `acr_values` names our class with a second factor, and not the one with a password alone. It is a wish: what we
/// do not know in it, or cannot have, is no error (OpenID Connect Core 3.1.2.1, RFC 9470 5).
pub(super) fn asks_for_second_factor(parameters: &Parameters<'_>, dialect: &Dialect) -> bool {
    let named =
        |class: &str| parameters.find("acr_values").is_some_and(|text| text.split(' ').any(|word| word == class));
    named("2") && !named(dialect.password_acr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Prompt, ()> {
        check(&Parameters::parse(query.as_bytes()).unwrap()).map_err(drop)
    }

    // OpenID Connect Core 3.1.2.1, D-03
    #[test]
    fn none_goes_alone_and_unknown_words_say_nothing() {
        let of = |is_none, login, consent| Ok(Prompt { is_none, login, consent });
        for (query, expected) in [
            ("", of(false, false, false)),
            ("prompt=none", of(true, false, false)),
            ("prompt=login+consent", of(false, true, true)),
            ("prompt=select_account+create", of(false, false, false)),
            ("prompt=none+login", Err(())),
            ("prompt=select_account+none", Err(())),
        ] {
            assert_eq!(parse(query), expected, "{query}");
        }
    }

    #[test]
    fn an_age_is_a_number_of_seconds() {
        for (query, expected) in [
            ("", Ok(None)),
            ("max_age=0", Ok(Some(0))),
            ("max_age=15000", Ok(Some(15_000))),
            ("max_age=-1", Err(())),
            ("max_age=%2B1", Err(())),
            ("max_age=1.5", Err(())),
            ("max_age=99999999999", Err(())),
        ] {
            assert_eq!(check_max_age(&Parameters::parse(query.as_bytes()).unwrap()).map_err(drop), expected, "{query}");
        }
    }
}
