//! What a tenant may decide about logins and grants, and how its pages may look. Pure.

use uuid::Uuid;

use super::application_rules::check_scopes;
use super::redirect_uri::check_link;
use super::rules::{check_refresh_tokens, check_text};
use super::user_rules::check_data;
use super::{FieldCode, FieldError};
use crate::model::{Api, ClientRegistration, Profile, TenantSettings, Theme, UserCodeShape, is_permission_name};
use crate::profile::Dialect;

const DAY: i64 = 86_400;

/// The whole sign-in page stays under 30 KB, and the logo is part of it.
const LONGEST_LOGO: usize = 16 * 1024;
const LONGEST_WELCOME: usize = 500;
const MOST_LANGUAGES: usize = 100;
const MOST_APIS: usize = 100;
/// To which clients' redirect URIs may lead.
const MOST_HOSTS: usize = 200;
/// Seconds that a client has for its first login at least.
const LEAST_UNUSED_FOR: i64 = 3600;
const LONGEST_IDENTIFIER: usize = 600;

/// Every setting that is out of its limits.
pub fn check_settings(settings: &TenantSettings, profile: Profile) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (field, value, least, most) in [
        // B8
        (
            "tenant.externalIdentifierConfiguration.authorizationGrantIdTimeToLiveInSeconds",
            settings.authorization_code_for,
            1,
            600,
        ),
        // A14
        ("tenant.pushedRequestTimeToLiveInSeconds", settings.pushed_request_for, 5, 599),
        ("tenant.idTokenTimeToLiveInSeconds", settings.id_token_for, 1, DAY),
        // J5, with room for devices whose owners walk to another room
        ("tenant.externalIdentifierConfiguration.deviceCodeTimeToLiveInSeconds", settings.device_code_for, 30, 1800),
        ("tenant.deviceInterval", settings.device_interval, 1, 60),
        ("tenant.httpSessionMaxInactiveInterval", settings.session_idle_for, 60, 90 * DAY),
        ("tenant.sessionTimeToLiveInSeconds", settings.session_for, 60, 365 * DAY),
        ("tenant.externalIdentifierConfiguration.twoFactorIdTimeToLiveInSeconds", settings.interaction_for, 30, 3600),
        (
            "tenant.externalIdentifierConfiguration.rememberOAuthScopeConsentChoiceTimeToLiveInSeconds",
            settings.remember_consent_for,
            1,
            3650 * DAY,
        ),
        // L8
        ("tenant.failedAuthenticationConfiguration.tooManyAttempts", i64::from(settings.login_attempts), 1, 50),
        // L1, L2
        ("tenant.passwordValidationRules.minLength", i64::from(settings.password_min_length), 8, 64),
    ] {
        if !(least..=most).contains(&value) {
            let unit = if field.ends_with("Attempts") || field.ends_with("minLength") { "" } else { " seconds" };
            errors.push(FieldError::new(
                field,
                FieldCode::Invalid,
                format!("must be between {least} and {most}{unit}"),
            ));
        }
    }
    if settings.session_idle_for > settings.session_for {
        let message = "must not be longer than the session may last at all";
        errors.push(FieldError::new("tenant.httpSessionMaxInactiveInterval", FieldCode::Invalid, message));
    }
    errors.extend(check_refresh_tokens("tenant.jwtConfiguration", &settings.refresh_tokens));
    errors.extend(check_user_code(&settings.user_code, Dialect::of(profile).user_code_bits));
    errors.extend(check_apis(&settings.apis));
    errors.extend(settings.client_registration.as_ref().map_or_else(Vec::new, check_client_registration));
    if let Some(Err(why)) = settings.logout_uri.as_deref().map(check_link) {
        errors.push(FieldError::new("tenant.logoutURL", FieldCode::Invalid, why));
    }
    errors.extend(check_theme(&settings.theme));
    errors.extend(check_data("tenant.data", &settings.data));
    errors
}

/// F-231: what is an audience cannot be taken for something else of ours.
fn check_apis(apis: &[Api]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if apis.len() > MOST_APIS {
        errors.push(FieldError::new("tenant.apis", FieldCode::TooLong, format!("there may be {MOST_APIS}")));
    }
    for (index, api) in apis.iter().enumerate() {
        let name = &api.identifier;
        let mut refuse = |member: &str, code: FieldCode, message: String| {
            errors.push(FieldError::new(format!("tenant.apis[{index}].{member}"), code, message));
        };
        let is_plain =
            (1..=LONGEST_IDENTIFIER).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || Uuid::try_parse(name).is_ok() {
            refuse(
                "identifier",
                FieldCode::Invalid,
                format!("{name:?} must be 1 to {LONGEST_IDENTIFIER} visible ASCII characters and no UUID"),
            );
        }
        if apis[..index].iter().any(|other| other.identifier == *name) {
            refuse("identifier", FieldCode::Duplicate, format!("{name:?} must be there once"));
        }
        if let Some(scope) = api.scopes.iter().find(|scope| !is_permission_name(scope)) {
            refuse("scopes", FieldCode::Invalid, format!("{scope:?} of {name:?} is not a scope"));
        }
    }
    errors
}

/// RFC 7591: what clients may ask for that register themselves, where they are, and how long they may wait.
fn check_client_registration(registration: &ClientRegistration) -> Vec<FieldError> {
    let mut errors = check_scopes("tenant.clientRegistration.scopes", &registration.scopes);
    let mut refuse = |member: &str, code: FieldCode, message: String| {
        errors.push(FieldError::new(format!("tenant.clientRegistration.{member}"), code, message));
    };
    let hosts = &registration.redirect_hosts;
    if hosts.len() > MOST_HOSTS {
        refuse("redirectHosts", FieldCode::TooLong, format!("there may be {MOST_HOSTS}"));
    }
    let is_host = |host: &String| {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        (1..=253).contains(&host.len()) && host.bytes().all(is_of_name) && !host.starts_with('.')
    };
    if let Some(host) = hosts.iter().find(|host| !is_host(host)) {
        let message = format!("{host:?} is not the name of a host, such as app.example.com");
        refuse("redirectHosts", FieldCode::Invalid, message);
    }
    if !(LEAST_UNUSED_FOR..=3650 * DAY).contains(&registration.unused_for) {
        let message = format!("must be between {LEAST_UNUSED_FOR} and {} seconds", 3650 * DAY);
        refuse("unusedTimeToLiveInSeconds", FieldCode::Invalid, message);
    }
    errors
}

/// J2: enough bits, so that guessing limits have something to protect.
fn check_user_code(shape: &UserCodeShape, least_bits: f64) -> Option<FieldError> {
    let field = "tenant.externalIdentifierConfiguration.deviceUserCodeIdGenerator";
    let refusal = |message: &str| Some(FieldError::new(field, FieldCode::Invalid, message));
    let alphabet: Vec<char> = shape.alphabet.chars().collect();
    let is_plain = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit();
    if !(10..=36).contains(&alphabet.len()) || !alphabet.iter().all(is_plain) {
        return refusal("must have an alphabet of 10 to 36 capital letters and digits");
    }
    if alphabet.iter().enumerate().any(|(index, c)| alphabet[..index].contains(c)) {
        return refusal("must have every character of its alphabet once");
    }
    if shape.mask.len() > 20 || !shape.mask.chars().all(|c| c == '*' || c == '-' || is_plain(&c)) {
        return refusal("must have a mask of at most 20 characters: * for a drawn one, -, capital letters and digits");
    }
    let drawn = shape.mask.matches('*').count() as f64;
    if drawn * (alphabet.len() as f64).log2() < least_bits {
        return refusal("must draw more characters: a code needs 20 bits");
    }
    None
}

/// K11: nothing from elsewhere, nothing that is markup.
fn check_theme(theme: &Theme) -> Vec<FieldError> {
    let mut errors = Vec::new();
    errors.extend(theme.name.as_deref().and_then(|name| check_text("tenant.theme.name", name, 190)));
    errors.extend(theme.logo.as_deref().and_then(check_logo));
    for (field, colour) in [("tenant.theme.accent", &theme.accent), ("tenant.theme.accentDark", &theme.accent_dark)] {
        if colour.as_deref().is_some_and(|colour| !is_colour(colour)) {
            errors.push(FieldError::new(field, FieldCode::Invalid, "must be a colour such as #0a5bd3"));
        }
    }
    let field = "tenant.theme.welcome";
    for (language, text) in &theme.welcome {
        let is_tag = language.len() <= 35
            && language
                .split('-')
                .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !language.is_empty() && !is_tag {
            let message = format!("{language:?} is not a language such as de or pt-BR");
            errors.push(FieldError::new(field, FieldCode::Invalid, message));
        }
        errors.extend(check_text(field, text, LONGEST_WELCOME));
    }
    if theme.welcome.len() > MOST_LANGUAGES {
        errors.push(FieldError::new(field, FieldCode::TooLong, format!("there may be {MOST_LANGUAGES} languages")));
    }
    errors
}

fn check_logo(logo: &str) -> Option<FieldError> {
    let field = "tenant.theme.logo";
    if logo.len() > LONGEST_LOGO {
        return Some(FieldError::new(field, FieldCode::TooLong, "must have at most 16 KiB as a data: URL"));
    }
    let data = ["data:image/png;base64,", "data:image/svg+xml;base64,"].iter().find_map(|kind| logo.strip_prefix(kind));
    let is_base64 = |data: &str| {
        !data.is_empty() && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    if !data.is_some_and(is_base64) {
        let message = "must be a data: URL of a PNG or SVG image in base64: data:image/png;base64,...";
        return Some(FieldError::new(field, FieldCode::Invalid, message));
    }
    None
}

/// `#rgb` or `#rrggbb`.
fn is_colour(text: &str) -> bool {
    let digits = text.strip_prefix('#');
    digits.is_some_and(|digits| {
        (digits.len() == 3 || digits.len() == 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RefreshTokenPolicy;

    fn codes(settings: &TenantSettings) -> Vec<String> {
        check_settings(settings, Profile::Standard).iter().map(FieldError::code).collect()
    }

    // A14, B8, C6, C8, D-11, J5, K6, L1
    #[test]
    fn every_limit_is_kept() {
        assert_eq!(codes(&TenantSettings::default()), [""; 0]);
        let settings = TenantSettings {
            authorization_code_for: 601,
            pushed_request_for: 600,
            id_token_for: 0,
            device_code_for: 1801,
            device_interval: 0,
            session_idle_for: 7200,
            session_for: 3600,
            interaction_for: 0,
            remember_consent_for: 0,
            login_attempts: 0,
            password_min_length: 7,
            refresh_tokens: RefreshTokenPolicy {
                idle_for: Some(0),
                absolute_for: 0,
                retry_for: -1,
                ..RefreshTokenPolicy::default()
            },
            logout_uri: Some("javascript:x".to_owned()),
            ..TenantSettings::default()
        };
        let errors = check_settings(&settings, Profile::Standard);
        assert_eq!(errors.len(), 14, "{errors:?}");
    }

    // J2, F-160
    #[test]
    fn user_codes_are_long_enough_to_be_guarded() {
        let shape = |alphabet: &str, mask: &str| UserCodeShape { alphabet: alphabet.to_owned(), mask: mask.to_owned() };
        for good in [
            shape("0123456789", "***-***"),
            shape("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", "****"),
            UserCodeShape::default(),
        ] {
            assert_eq!(check_user_code(&good, 19.9), None, "{good:?}");
        }
        for bad in [
            shape("0123456789", "****"),
            shape("ABC", "********"),
            shape("abcdefghijkl", "********"),
            shape("AABCDEFGHIJK", "********"),
            shape("0123456789", "*******<"),
            shape("0123456789", &"*".repeat(21)),
        ] {
            assert!(check_user_code(&bad, 19.9).is_some(), "{bad:?}");
        }
    }

    // F-231
    #[test]
    fn an_api_has_a_name_of_its_own_and_scopes() {
        let api = |identifier: &str, scope: &str| Api {
            identifier: identifier.to_owned(),
            scopes: vec![scope.to_owned()],
            allows_offline_access: true,
        };
        assert_eq!(check_apis(&[api("https://orders.example/", "read:orders"), api("orders", "read:orders")]), []);
        for (name, scope) in
            [("", "read"), ("a b", "read"), ("30663132-6464-6665-3032-326466613934", "read"), ("a", "b c")]
        {
            assert_eq!(check_apis(&[api(name, scope)]).len(), 1, "{name:?} {scope:?}");
        }
        assert_eq!(check_apis(&[api("a", "read"), api("a", "write")]).len(), 1);
    }

    // K11, D-04
    #[test]
    fn a_theme_brings_nothing_from_elsewhere() {
        let good = Theme {
            name: Some("Acme".to_owned()),
            logo: Some("data:image/svg+xml;base64,PHN2Zy8+".to_owned()),
            accent: Some("#0a5bd3".to_owned()),
            accent_dark: Some("#8bf".to_owned()),
            welcome: [("", "Hello"), ("de", "Hallo"), ("pt-BR", "Olá")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
        };
        assert_eq!(check_theme(&good), []);
        for logo in [
            "https://cdn.example/logo.png",
            "data:image/png;base64,",
            "data:text/html;base64,AAAA",
            "data:image/png;base64,\"onload=",
            &format!("data:image/png;base64,{}", "A".repeat(LONGEST_LOGO)),
        ] {
            assert!(check_logo(logo).is_some(), "{logo}");
        }
        for colour in ["red", "#12", "#12345", "#1234567", "#xyzxyz", "url(x)", "#fff;}"] {
            assert!(!is_colour(colour), "{colour}");
        }
        let welcome = [("de_DE", "x"), ("en", "a\u{202e}b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(check_theme(&Theme { welcome, ..Theme::default() }).len(), 2);
    }
}
