//! What a well-formed object looks like: one function per object, each listing every wrong field. Pure; what needs the
//! store to decide (is it taken? does it exist?) is decided by the commands.

use uuid::Uuid;

use super::key_rules::check_signs_for;
use super::tenant_rules::check_settings;
use super::user_rules::{check_data, is_hidden};
use super::{FieldCode, FieldError};
use crate::jose::Algorithm;
use crate::model::{Entity, EntityType, Permission, Profile, RefreshTokenPolicy, Tenant};
use crate::model::{is_client_id, is_display_name, is_permission_name};

/// Thirty days: keys have to stay published for as long as the longest token lives.
pub(super) const LONGEST_ACCESS_TOKEN_FOR: i64 = 30 * 86_400;

/// Ten years.
pub(super) const LONGEST_REFRESH_TOKEN_FOR: i64 = 3650 * 86_400;

/// Shortest client secret that an administrator may choose. Secrets are stored as a plain hash, so they must be beyond
/// guessing: 32 characters hold 128 bits even in hexadecimal digits.
const SHORTEST_SECRET: usize = 32;
const LONGEST_SECRET: usize = 256;

pub(super) fn check_tenant(tenant: &Tenant) -> Vec<FieldError> {
    let mut errors = Vec::new();
    errors.extend(check_name("tenant.name", &tenant.name));
    if let Some(issuer) = &tenant.issuer {
        errors.extend(check_issuer(issuer, tenant.profile));
    }
    if !(1..=LONGEST_ACCESS_TOKEN_FOR).contains(&tenant.access_token_for) {
        let message = format!("must be between 1 and {LONGEST_ACCESS_TOKEN_FOR} seconds");
        errors.push(FieldError::new("tenant.jwtConfiguration.timeToLiveInSeconds", FieldCode::Invalid, message));
    }
    for (field, algorithm) in [
        ("tenant.accessTokenAlgorithm", &tenant.access_token_algorithm),
        ("tenant.idTokenAlgorithm", &tenant.id_token_algorithm),
    ] {
        if let Some(why) = check_signs_for(tenant, algorithm) {
            errors.push(FieldError::new(field, FieldCode::Invalid, why));
        } else if !is_signature_algorithm(algorithm) {
            let names = Algorithm::ALL.map(Algorithm::as_str);
            errors.push(FieldError::new(field, FieldCode::Invalid, format!("must be one of {}", names.join(", "))));
        }
    }
    errors.extend(check_settings(&tenant.settings, tenant.profile));
    errors
}

pub(super) fn is_signature_algorithm(name: &str) -> bool {
    Algorithm::ALL.iter().any(|algorithm| algorithm.as_str() == name)
}

/// D2: free text in the FusionAuth profiles; elsewhere the URL that discovery starts from (RFC 8414 2).
fn check_issuer(issuer: &str, profile: Profile) -> Option<FieldError> {
    let field = "tenant.issuer";
    if issuer.is_empty() {
        return Some(FieldError::new(field, FieldCode::Blank, "must not be empty; leave it out for the default"));
    }
    if issuer.len() > 1024 || issuer.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Some(FieldError::new(field, FieldCode::Invalid, "must be at most 1024 bytes without white space"));
    }
    let is_free_text = match profile {
        Profile::FusionAuth | Profile::FusionAuthLegacy | Profile::Fusio => true,
        Profile::Standard | Profile::Auth0 | Profile::SimpleIdServer => false,
    };
    let is_url = issuer.starts_with("https://") || issuer.starts_with("http://");
    if is_free_text || (is_url && !issuer.contains(['?', '#'])) {
        return None;
    }
    let message = format!("must be a URL without query and fragment in the {} profile", profile.as_str());
    Some(FieldError::new(field, FieldCode::Invalid, message))
}

pub(super) fn check_entity_type(entity_type: &EntityType) -> Vec<FieldError> {
    let mut errors = Vec::new();
    errors.extend(check_name("entityType.name", &entity_type.name));
    errors.extend(check_data("entityType.data", &entity_type.data));
    if entity_type.access_token_for.is_some_and(|life| !(1..=LONGEST_ACCESS_TOKEN_FOR).contains(&life)) {
        let message = format!("must be between 1 and {LONGEST_ACCESS_TOKEN_FOR} seconds");
        errors.push(FieldError::new("entityType.jwtConfiguration.timeToLiveInSeconds", FieldCode::Invalid, message));
    }
    for (index, permission) in entity_type.permissions.iter().enumerate() {
        errors.extend(check_permission(permission));
        if entity_type.permissions[..index].iter().any(|other| other.name == permission.name) {
            let message = format!("{:?} is there twice", permission.name);
            errors.push(FieldError::new("permission.name", FieldCode::Duplicate, message));
        }
    }
    errors
}

pub(super) fn check_permission(permission: &Permission) -> Option<FieldError> {
    let (name, field) = (&permission.name, "permission.name");
    if name.is_empty() {
        return Some(FieldError::new(field, FieldCode::Blank, "must not be empty"));
    }
    if !is_permission_name(name) {
        let message = format!(
            "{name:?} must be at most 190 visible ASCII characters other than comma, quote and backslash; colons are \
             allowed"
        );
        return Some(FieldError::new(field, FieldCode::Invalid, message));
    }
    None
}

pub(super) fn check_entity(entity: &Entity) -> Vec<FieldError> {
    let mut errors = Vec::new();
    errors.extend(check_name("entity.name", &entity.name));
    errors.extend(check_data("entity.data", &entity.data));
    errors.extend(check_client_id("entity.clientId", &entity.client_id));
    errors
}

pub(super) fn check_client_id(field: &'static str, client_id: &str) -> Option<FieldError> {
    if client_id.is_empty() {
        return Some(FieldError::new(field, FieldCode::Blank, "must not be empty; leave it out for the id"));
    }
    if !is_client_id(client_id) {
        let message = "must be at most 190 visible ASCII characters other than colon, percent and plus";
        return Some(FieldError::new(field, FieldCode::Invalid, message));
    }
    None
}

/// A secret that an administrator chose. The message never shows it.
pub(super) fn check_secret(field: &'static str, secret: &str) -> Option<FieldError> {
    if secret.len() < SHORTEST_SECRET {
        let message = format!("must have at least {SHORTEST_SECRET} characters; try: openssl rand -base64 32");
        return Some(FieldError::new(field, FieldCode::TooShort, message));
    }
    if secret.len() > LONGEST_SECRET {
        return Some(FieldError::new(
            field,
            FieldCode::TooLong,
            format!("must have at most {LONGEST_SECRET} characters"),
        ));
    }
    // RFC 6749 A.2 without the space
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(FieldError::new(field, FieldCode::Invalid, "must consist of visible ASCII characters"));
    }
    None
}

pub(super) fn check_name(field: &'static str, name: &str) -> Option<FieldError> {
    if name.trim().is_empty() {
        return Some(FieldError::new(field, FieldCode::Blank, "must not be empty"));
    }
    if is_display_name(name) {
        return None;
    }
    if name.len() > 190 {
        return Some(FieldError::new(field, FieldCode::TooLong, "must have at most 190 bytes"));
    }
    let message = if Uuid::try_parse(name).is_ok() {
        "must not look like an id (a UUID)"
    } else {
        "must not begin or end with white space, nor contain control characters"
    };
    Some(FieldError::new(field, FieldCode::Invalid, message))
}

/// C6 to C8. `parent` is the object whose policy it is.
pub(super) fn check_refresh_tokens(parent: &str, policy: &RefreshTokenPolicy) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut check = |name: &str, value: i64, least: i64, most: i64| {
        if !(least..=most).contains(&value) {
            let message = format!("must be between {least} and {most} seconds");
            errors.push(FieldError::new(format!("{parent}.{name}"), FieldCode::Invalid, message));
        }
    };
    check("refreshTokenTimeToLiveInSeconds", policy.absolute_for, 1, LONGEST_REFRESH_TOKEN_FOR);
    if let Some(idle_for) = policy.idle_for {
        check("refreshTokenSlidingWindowInSeconds", idle_for, 1, LONGEST_REFRESH_TOKEN_FOR);
    }
    check("refreshTokenOneTimeUseConfiguration.gracePeriodInSeconds", policy.retry_for, 0, 60);
    errors
}

/// K11: text that people will read on our pages. Line breaks and tabs are no text either.
pub(super) fn check_text(field: &'static str, text: &str, longest: usize) -> Option<FieldError> {
    if text.len() > longest {
        return Some(FieldError::new(field, FieldCode::TooLong, format!("must have at most {longest} bytes")));
    }
    if text.chars().any(|c| c.is_control() || is_hidden(c)) {
        let message = "must not contain control characters, nor characters that hide or reorder others";
        return Some(FieldError::new(field, FieldCode::Invalid, message));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(errors: impl IntoIterator<Item = FieldError>) -> Vec<String> {
        errors.into_iter().map(|error| error.code()).collect()
    }

    // D-10
    #[test]
    fn every_wrong_field_of_a_tenant_is_listed() {
        let tenant = Tenant {
            issuer: Some(String::new()),
            access_token_for: 0,
            access_token_algorithm: "none".to_owned(),
            ..Tenant::new(Uuid::nil(), " ", 0)
        };
        assert_eq!(
            codes(check_tenant(&tenant)),
            [
                "[blank]tenant.name",
                "[blank]tenant.issuer",
                "[invalid]tenant.jwtConfiguration.timeToLiveInSeconds",
                "[invalid]tenant.accessTokenAlgorithm"
            ]
        );
        assert_eq!(check_tenant(&Tenant::new(Uuid::nil(), "acme", 0)), []);
    }

    // D2, F-204
    #[test]
    fn an_issuer_is_a_url_unless_the_profile_says_otherwise() {
        for (profile, issuer, good) in [
            (Profile::Standard, "https://gate.example.com", true),
            (Profile::Standard, "http://127.0.0.1:8080/t", true),
            (Profile::Standard, "acme.com", false),
            (Profile::Standard, "https://gate.example.com?x", false),
            (Profile::FusionAuth, "acme.com", true),
            (Profile::FusionAuth, "acme com", false),
        ] {
            assert_eq!(check_issuer(issuer, profile).is_none(), good, "{issuer}");
        }
    }

    // D12, T77
    #[test]
    fn chosen_secrets_are_long_and_never_repeated_to_the_chooser() {
        let field = "entity.clientSecret";
        assert_eq!(check_secret(field, "+fcXet9Iu2kQi61yWD9Tu4ReZ113P6yEAkr32v6WKOQ="), None);
        for (secret, code) in [
            ("hunter2", "[tooShort]entity.clientSecret"),
            (&*"x".repeat(257), "[tooLong]entity.clientSecret"),
            ("a secret with thirty-two characters", "[invalid]entity.clientSecret"),
        ] {
            let error = check_secret(field, secret).expect("refused");
            assert_eq!(error.code(), code);
            assert!(!error.to_string().contains(secret));
        }
    }

    // F-183, F-188
    #[test]
    fn permission_names_are_checked_one_by_one() {
        let permission =
            |name: &str| Permission { id: Uuid::nil(), name: name.to_owned(), description: None, is_default: false };
        let permissions = ["read", "", "a,b", "scim:user:read", "read"].map(permission).to_vec();
        let nameless = EntityType::new(Uuid::nil(), &Uuid::nil().to_string(), 0);
        let entity_type = EntityType { permissions, access_token_for: Some(0), ..nameless };
        assert_eq!(
            codes(check_entity_type(&entity_type)),
            [
                "[invalid]entityType.name",
                "[invalid]entityType.jwtConfiguration.timeToLiveInSeconds",
                "[blank]permission.name",
                "[invalid]permission.name",
                "[duplicate]permission.name"
            ]
        );
    }
}
