//! How much the person may be bothered (`prompt` and `max_age`, OpenID Connect Core 3.1.2.1, D-03).

use serde_json::Value;

use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;
use crate::oauth::session::SignedIn;
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

/// Whether `acr_values`, or `acr` in the claims request, names our class with a second factor, and not the one with a password
/// alone. What we do not know in it, or cannot have, is no error, unless it is essential (OpenID Connect Core 3.1.2.1, 5.5.1.1,
/// RFC 9470 5).
pub(super) fn asks_for_second_factor(parameters: &Parameters<'_>, claims: Option<&Value>, dialect: &Dialect) -> bool {
    let by_values = parameters.find("acr_values").map(|text| text.split(' ').collect::<Vec<_>>());
    let by_claims = acr_of(claims).map(|(classes, _)| classes);
    [by_values, by_claims].into_iter().flatten().any(|classes| {
        let is_named = |class: &str| classes.contains(&class);
        is_named("2") && !is_named(dialect.password_acr)
    })
}

/// OpenID Connect Core 5.5.1.1: without a class that is essential, nobody was authenticated.
///
/// # Errors
/// `unmet_authentication_requirements` if the login has none of the classes.
pub(super) fn check_essential_class(
    claims: Option<&Value>,
    person: &SignedIn,
    dialect: &Dialect,
) -> Result<(), OAuthError> {
    let Some((classes, true)) = acr_of(claims) else { return Ok(()) };
    let reached = dialect.acr(Some(person.acr()));
    if classes.is_empty() || reached.is_some_and(|reached| classes.contains(&reached)) {
        return Ok(());
    }
    let description = "The user cannot be authenticated as the claims parameter requires.";
    Err(OAuthError::new(ErrorCode::UnmetAuthenticationRequirements, ErrorReason::AuthenticationRequired, description))
}

/// The classes that the claims request wants the ID token to name one of, and whether they are essential.
fn acr_of(claims: Option<&Value>) -> Option<(Vec<&str>, bool)> {
    let acr = claims?.get("id_token")?.get("acr")?.as_object()?;
    let several = acr.get("values").and_then(Value::as_array).into_iter().flatten();
    let classes = acr.get("value").into_iter().chain(several).filter_map(Value::as_str).collect();
    Some((classes, acr.get("essential").and_then(Value::as_bool).unwrap_or_default()))
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
