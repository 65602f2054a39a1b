//! Which scopes an application may ask for (RFC 6749 section 3.3, CONTRACT D-02). It does not ask users for consent, and
//! entities have a grammar of their own (`grant/client_credentials`).

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::error::{ErrorReason, OAuthError};
use crate::model::{Api, ApplicationSettings, UnknownScopes};
use crate::profile::{Dialect, TokenMember};

pub(super) const OPENID: &str = "openid";
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// Rule N6.
const MAX_SCOPE_BYTES: usize = 4 * 1024;
const MAX_SCOPE_VALUES: usize = 64;

/// The scopes of a request in the order asked for, each once; those that nobody defined as the application wants it. With
/// an API, its scopes are there too, and `offline_access` is only if it says so (F-244).
///
/// # Errors
/// `invalid_scope` if it is too long, holds a character that no scope has, or a scope that is rejected, or if nothing is left.
pub(super) fn check(
    settings: &ApplicationSettings,
    api: Option<&Api>,
    scope: Option<&str>,
) -> Result<Vec<String>, OAuthError> {
    let scope = scope.unwrap_or_default();
    check_length(scope)?;
    let mut approved: Vec<String> = Vec::new();
    for word in words(scope) {
        if !word.bytes().all(is_scope_byte) {
            let description = "The scope has a character that is not allowed in one.";
            return Err(OAuthError::invalid_scope(ErrorReason::UnknownScope, description));
        }
        if word == OFFLINE_ACCESS && api.is_some_and(|api| !api.allows_offline_access) {
            continue;
        }
        let kept = is_known(settings, api, word)
            || match settings.unknown_scopes {
                UnknownScopes::Allow => !is_reserved(word),
                UnknownScopes::Remove => false,
                UnknownScopes::Reject => {
                    let description = "The scope has a value that the client may not ask for.";
                    return Err(OAuthError::invalid_scope(ErrorReason::UnknownScope, description));
                }
            };
        if kept && !approved.iter().any(|other| other == word) {
            approved.push(word.to_owned());
        }
    }
    // Silence would say that the client got what it asked for (RFC 6749 5.1).
    if approved.is_empty() && words(scope).any(|word| word != OFFLINE_ACCESS) {
        return Err(nothing_left());
    }
    Ok(approved)
}

fn nothing_left() -> OAuthError {
    OAuthError::invalid_scope(ErrorReason::UnknownScope, "No valid scope was given.")
}

/// What is left of a scope parameter where a dialect narrows silently (F-306): of each word that the client can have, none
/// that it cannot. Who asks for nothing asks for everything that the application defined.
///
/// # Errors
/// `invalid_scope` if nothing is left of something.
pub(super) fn narrowed<'a>(
    dialect: &Dialect,
    settings: &ApplicationSettings,
    scope: Option<&'a str>,
) -> Result<Option<Cow<'a, str>>, OAuthError> {
    let Some(scope) = scope.filter(|_| dialect.narrows_scopes) else {
        return Ok(match dialect.narrows_scopes {
            true => Some(own(settings).into()),
            false => scope.map(Cow::from),
        });
    };
    // The limits are for what was sent.
    check_length(scope)?;
    // Who never gets an ID token cannot have what asks for one.
    let has_id_tokens = dialect.token_members.contains(&TokenMember::IdToken);
    let is_kept = |word: &&str| is_known(settings, None, word) && (has_id_tokens || *word != OPENID);
    let kept: Vec<&str> = words(scope).filter(is_kept).collect();
    if kept.is_empty() {
        return Err(nothing_left());
    }
    Ok(Some(kept.join(" ").into()))
}

/// The scopes of an application that acts for itself: only those that it defined. None of them asked for means all.
///
/// # Errors
/// `invalid_scope` for any other scope, or where the dialect narrows if nothing is left.
pub(super) fn check_own(
    settings: &ApplicationSettings,
    scope: Option<&str>,
    narrows: bool,
) -> Result<Vec<String>, OAuthError> {
    let Some(scope) = scope else { return Ok(settings.scopes.iter().map(|own| own.name.clone()).collect()) };
    check_length(scope)?;
    let is_own = |word: &&str| settings.scopes.iter().any(|own| own.name == *word);
    let mut found: Vec<String> = Vec::new();
    for word in words(scope).filter(|word| !narrows || is_own(word)) {
        if !is_own(&word) {
            let description = "The scope has a value that the client may not ask for.";
            return Err(OAuthError::invalid_scope(ErrorReason::UnknownScope, description));
        }
        if !found.iter().any(|other| other == word) {
            found.push(word.to_owned());
        }
    }
    match found.is_empty() {
        true => Err(nothing_left()),
        false => Ok(found),
    }
}

/// Every scope that the application defined itself.
fn own(settings: &ApplicationSettings) -> String {
    settings.scopes.iter().map(|own| own.name.as_str()).collect::<Vec<_>>().join(" ")
}

fn check_length(scope: &str) -> Result<(), OAuthError> {
    if scope.len() > MAX_SCOPE_BYTES || words(scope).count() > MAX_SCOPE_VALUES {
        return Err(OAuthError::invalid_scope(ErrorReason::UnknownScope, "The scope is too long."));
    }
    Ok(())
}

/// Whether the application can have this scope without anybody allowing unknown ones.
pub(super) fn is_known(settings: &ApplicationSettings, api: Option<&Api>, scope: &str) -> bool {
    let of_api = || api.is_some_and(|api| api.scopes.iter().any(|own| own == scope));
    match settings.provided_scopes.find(scope) {
        Some(provided) => provided.is_enabled,
        None => {
            scope == OPENID
                || scope == OFFLINE_ACCESS
                || settings.scopes.iter().any(|own| own.name == scope)
                || of_api()
        }
    }
}

/// Whether the client has to be told what it got, because it is something else than it asked for (RFC 6749 3.3).
pub(super) fn differ(said: Option<&str>, granted: &[String]) -> bool {
    let said: BTreeSet<&str> = words(said.unwrap_or_default()).collect();
    !granted.is_empty() && granted.iter().map(String::as_str).collect::<BTreeSet<_>>() != said
}

/// The values of a scope parameter.
pub(super) fn words(scope: &str) -> impl Iterator<Item = &str> {
    scope.split(' ').filter(|word| !word.is_empty())
}

/// Prefixes that mean something else (D-02).
fn is_reserved(scope: &str) -> bool {
    ["idp-link:", "source-entity:", "target-entity:"].iter().any(|prefix| scope.starts_with(prefix))
}

/// `NQCHAR` of RFC 6749 A.4.
fn is_scope_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{CustomScope, ProvidedScope};

    fn settings(unknown_scopes: UnknownScopes) -> ApplicationSettings {
        let own = CustomScope {
            id: Uuid::nil(),
            name: "todo:read".to_owned(),
            description: None,
            is_required: false,
            consent_message: None,
            consent_detail: None,
        };
        let mut settings = ApplicationSettings { scopes: vec![own], unknown_scopes, ..ApplicationSettings::default() };
        settings.provided_scopes.phone = ProvidedScope { is_enabled: false, is_required: false };
        settings
    }

    // RFC 6749 3.3, D-02, D10
    #[test]
    fn unknown_scopes_are_as_the_application_says() {
        use UnknownScopes::{Allow, Reject, Remove};
        let rows: [(&str, UnknownScopes, Option<&[&str]>); 11] = [
            ("", Reject, Some(&[])),
            ("openid  profile openid", Reject, Some(&["openid", "profile"])),
            (
                "offline_access todo:read email address",
                Reject,
                Some(&["offline_access", "todo:read", "email", "address"]),
            ),
            ("openid bogus", Reject, None),
            ("openid phone", Reject, None),
            ("openid bogus", Remove, Some(&["openid"])),
            ("openid bogus", Allow, Some(&["openid", "bogus"])),
            ("openid target-entity:a:read", Allow, Some(&["openid"])),
            ("openid target-entity:a:read", Reject, None),
            ("a\"b", Allow, None),
            ("a\tb", Allow, None),
        ];
        for (scope, unknown, expected) in rows {
            let found = check(&settings(unknown), None, Some(scope)).ok();
            assert_eq!(found, expected.map(|words| words.iter().map(|&word| word.to_owned()).collect()), "{scope:?}");
        }
    }

    // F-231, F-244
    #[test]
    fn an_api_brings_scopes_and_decides_on_offline_access() {
        let api = |allows_offline_access| Api {
            identifier: "https://orders.example/".to_owned(),
            scopes: vec!["read:orders".to_owned()],
            allows_offline_access,
        };
        let settings = settings(UnknownScopes::Reject);
        let asked = Some("openid read:orders offline_access");
        assert!(check(&settings, None, asked).is_err());
        assert_eq!(check(&settings, Some(&api(false)), asked).unwrap(), ["openid", "read:orders"]);
        assert_eq!(check(&settings, Some(&api(true)), asked).unwrap(), ["openid", "read:orders", "offline_access"]);
        assert!(check(&settings, Some(&api(true)), Some("write:orders")).is_err());
    }

    // N6
    #[test]
    fn a_scope_is_at_most_four_kibibytes_and_64_values() {
        let settings = settings(UnknownScopes::Allow);
        assert_eq!(check(&settings, None, Some(&["openid"; 64].join(" "))).unwrap(), ["openid"]);
        assert!(check(&settings, None, Some(&["openid"; 65].join(" "))).is_err());
        assert!(check(&settings, None, Some(&"a".repeat(4097))).is_err());
    }
}
