//! What a well-formed application looks like: every wrong field is listed. Pure.

use super::redirect_uri::{check_link, check_origin, check_pattern};
use super::rules::{
    LONGEST_ACCESS_TOKEN_FOR, LONGEST_REFRESH_TOKEN_FOR, check_client_id, check_name, check_refresh_tokens, check_text,
    is_signature_algorithm,
};
use super::user_rules::check_data;
use super::{FieldCode, FieldError};
use crate::jose::{CertificateName, VerifyingKey};
use crate::model::{
    Application, ApplicationGrant, ApplicationSettings, CertificateSubject, ClientAuthenticationPolicy, CustomScope,
    DeviceGrantLimits, Profile, Role, UrlValidation, is_permission_name,
};

const MOST_URIS: usize = 200;
const MOST_ROLES: usize = 500;
const MOST_SCOPES: usize = 200;
/// Services that may act for the users of one application.
const MOST_EXCHANGING: usize = 200;
const LONGEST_TEXT: usize = 500;
/// Of `jwks`, in bytes.
const LONGEST_KEYS: usize = 32 * 1024;

/// D-02: scopes that mean something already.
const RESERVED_SCOPES: [&str; 6] = ["openid", "offline_access", "address", "email", "phone", "profile"];
const RESERVED_PREFIXES: [&str; 3] = ["idp-link:", "source-entity:", "target-entity:"];

/// Claims that a UserInfo answer has of its own (D-01).
const RESERVED_CLAIMS: [&str; 5] = ["sub", "email", "email_verified", "phone_number_verified", "tid"];

pub(super) fn check_application(application: &Application, profile: Profile) -> Vec<FieldError> {
    let mut errors = Vec::new();
    errors.extend(check_name("application.name", &application.name));
    errors.extend(check_text("application.name", &application.name, LONGEST_TEXT));
    errors.extend(check_client_id("application.oauthConfiguration.clientId", &application.client_id));
    errors.extend(check_roles(&application.roles));
    let settings = &application.settings;
    errors.extend(check_urls(settings, profile));
    errors.extend(check_keys(settings));
    errors.extend(check_certificate_subject(settings));
    errors.extend(check_device_grant(&settings.device_grant));
    errors.extend(check_token_exchange(&settings.token_exchange_clients));
    errors.extend(check_scopes("application.scopes", &settings.scopes));
    errors.extend(check_data("application.data", &settings.data));
    let mut refuse = |field: &'static str, message: &str| {
        errors.push(FieldError::new(field, FieldCode::Invalid, message));
    };
    if settings.client_authentication == ClientAuthenticationPolicy::Required && application.is_public() {
        let message = "an application without a secret, keys and certificates cannot authenticate; it must be NotRequired or \
                       NotRequiredWhenUsingPKCE";
        refuse("application.oauthConfiguration.clientAuthenticationPolicy", message);
    }
    let life = settings.access_token_for;
    if life.is_some_and(|life| !(1..=LONGEST_ACCESS_TOKEN_FOR).contains(&life)) {
        let message = format!("must be between 1 and {LONGEST_ACCESS_TOKEN_FOR} seconds");
        refuse("application.jwtConfiguration.timeToLiveInSeconds", &message);
    }
    if settings.userinfo_algorithm.as_deref().is_some_and(|name| !is_signature_algorithm(name)) {
        refuse("application.oauthConfiguration.userinfoAlgorithm", "must be the JOSE name of a signature algorithm");
    }
    if settings.response_modes.is_empty() && settings.allows_browsers() {
        refuse("application.oauthConfiguration.responseModes", "must name at least one");
    }
    for (claim, path) in &settings.userinfo_claims {
        let is_path = ["user.", "registration."].iter().any(|root| path.starts_with(root));
        if claim.is_empty() || claim.len() > 190 || RESERVED_CLAIMS.contains(&claim.as_str()) || !is_path {
            let message = format!("{claim:?} must be a claim of your own with a path like user.data.color");
            refuse("application.oauthConfiguration.userinfoClaims", &message);
        }
    }
    if let Some(policy) = &settings.refresh_tokens {
        errors.extend(check_refresh_tokens("application.jwtConfiguration", policy));
    }
    errors.extend(settings.owner.as_deref().and_then(|owner| check_text("application.owner", owner, LONGEST_TEXT)));
    errors
}

fn check_roles(roles: &[Role]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, role) in roles.iter().enumerate() {
        errors.extend(check_name("application.roles", &role.name));
        errors.extend(role.description.as_deref().and_then(|text| check_text("application.roles", text, LONGEST_TEXT)));
        if roles[..index].iter().any(|other| other.name == role.name) {
            let message = format!("{:?} is there twice", role.name);
            errors.push(FieldError::new("application.roles", FieldCode::Duplicate, message));
        }
    }
    if roles.len() > MOST_ROLES {
        let message = format!("there may be {MOST_ROLES} roles");
        errors.push(FieldError::new("application.roles", FieldCode::TooLong, message));
    }
    errors
}

fn check_urls(settings: &ApplicationSettings, profile: Profile) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut refuse =
        |field: &'static str, message: String| errors.push(FieldError::new(field, FieldCode::Invalid, message));
    let is_strict = profile == Profile::Standard;
    // D23
    if is_strict && settings.url_validation == UrlValidation::AllowWildcards {
        let message = "must be ExactMatch in the standard profile: RFC 9700 2.1 wants every URL in full".to_owned();
        refuse("application.oauthConfiguration.authorizedURLValidationPolicy", message);
    }
    let field = "application.oauthConfiguration.authorizedRedirectURLs";
    for uri in &settings.redirect_uris {
        if is_strict && uri.contains('*') {
            refuse(field, format!("{uri:?} must have no wildcard in the standard profile"));
        } else if let Err(why) = check_pattern(uri, settings.url_validation) {
            refuse(field, format!("{uri:?} {why}"));
        }
    }
    for origin in &settings.origins {
        if let Err(why) = check_origin(origin, settings.url_validation) {
            refuse("application.oauthConfiguration.authorizedOriginURLs", format!("{origin:?} {why}"));
        }
    }
    for (field, uri) in [
        ("application.oauthConfiguration.logoutURL", &settings.logout_uri),
        ("application.oauthConfiguration.backChannelLogoutURL", &settings.back_channel_logout_uri),
        ("application.oauthConfiguration.deviceVerificationURL", &settings.device_verification_uri),
    ] {
        if let Some(Err(why)) = uri.as_deref().map(check_link) {
            refuse(field, why);
        }
    }
    for (field, uris) in
        [(field, &settings.redirect_uris), ("application.oauthConfiguration.authorizedOriginURLs", &settings.origins)]
    {
        if uris.len() > MOST_URIS {
            refuse(field, format!("there may be {MOST_URIS}"));
        }
    }
    // F-033; our own page serves elsewhere.
    let needs_page = match profile {
        Profile::FusionAuth | Profile::FusionAuthLegacy => settings.grants.contains(&ApplicationGrant::DeviceCode),
        Profile::Standard | Profile::Auth0 | Profile::SimpleIdServer | Profile::Fusio => false,
    };
    if needs_page && settings.device_verification_uri.is_none() {
        let message = "is required when the device grant is enabled";
        errors.push(FieldError::new("application.oauthConfiguration.deviceVerificationURL", FieldCode::Blank, message));
    }
    errors
}

/// RFC 7517: public keys with names, none of them private.
fn check_keys(settings: &ApplicationSettings) -> Option<FieldError> {
    let text = settings.jwks.as_deref()?;
    let field = "application.oauthConfiguration.jwks";
    let refusal = |message: String| Some(FieldError::new(field, FieldCode::Invalid, message));
    if text.len() > LONGEST_KEYS {
        return Some(FieldError::new(field, FieldCode::TooLong, "must have at most 32 KiB"));
    }
    let document: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let Some(keys) = document.as_ref().and_then(|document| document.get("keys")).and_then(|keys| keys.as_array())
    else {
        return refusal("must be a JWK set: {\"keys\": [...]}".to_owned());
    };
    if keys.is_empty() {
        return refusal("must contain at least one key".to_owned());
    }
    for (index, key) in keys.iter().enumerate() {
        let Some(key) = key.as_object() else { return refusal(format!("key {index} is not an object")) };
        if let Err(error) = VerifyingKey::from_jwk(key) {
            return refusal(format!("key {index}: {error}"));
        }
    }
    None
}

/// RFC 8705 2.1.2
fn check_certificate_subject(settings: &ApplicationSettings) -> Option<FieldError> {
    let subject = settings.certificate_subject.as_ref()?;
    let field = "application.oauthConfiguration.tlsClientAuth";
    if subject.parts().1.len() > LONGEST_TEXT {
        return Some(FieldError::new(field, FieldCode::TooLong, format!("must have at most {LONGEST_TEXT} bytes")));
    }
    let wrong = certificate_name(subject).check().err()?;
    Some(FieldError::new(field, FieldCode::Invalid, wrong))
}

/// The name as certificates have it.
pub fn certificate_name(subject: &CertificateSubject) -> CertificateName<'_> {
    match subject {
        CertificateSubject::SubjectDn(name) => CertificateName::SubjectDn(name),
        CertificateSubject::SanDns(name) => CertificateName::SanDns(name),
        CertificateSubject::SanUri(name) => CertificateName::SanUri(name),
        CertificateSubject::SanIp(name) => CertificateName::SanIp(name),
        CertificateSubject::SanEmail(name) => CertificateName::SanEmail(name),
    }
}

fn check_token_exchange(clients: &[String]) -> Vec<FieldError> {
    let field = "application.oauthConfiguration.tokenExchangeClients";
    let mut errors: Vec<_> = clients.iter().filter_map(|client_id| check_client_id(field, client_id)).collect();
    if clients.len() > MOST_EXCHANGING {
        errors.push(FieldError::new(field, FieldCode::TooLong, format!("there may be {MOST_EXCHANGING}")));
    }
    errors
}

/// J9
fn check_device_grant(limits: &DeviceGrantLimits) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let scopes = limits.scopes.as_deref().unwrap_or_default();
    if scopes.len() > MOST_SCOPES {
        let message = format!("there may be {MOST_SCOPES} scopes");
        errors.push(FieldError::new("application.deviceGrant.scopes", FieldCode::TooLong, message));
    }
    for (index, scope) in scopes.iter().enumerate() {
        if !is_permission_name(scope) || scopes[..index].contains(scope) {
            let message = format!("{scope:?} is no scope, or is there twice");
            errors.push(FieldError::new("application.deviceGrant.scopes", FieldCode::Invalid, message));
        }
    }
    let life = limits.refresh_tokens_for;
    if life.is_some_and(|life| !(1..=LONGEST_REFRESH_TOKEN_FOR).contains(&life)) {
        let message = format!("must be between 1 and {LONGEST_REFRESH_TOKEN_FOR} seconds");
        let field = "application.deviceGrant.refreshTokenTimeToLiveInSeconds";
        errors.push(FieldError::new(field, FieldCode::Invalid, message));
    }
    errors
}

pub(super) fn check_scopes(field: &'static str, scopes: &[CustomScope]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, scope) in scopes.iter().enumerate() {
        let name = scope.name.as_str();
        let is_reserved =
            RESERVED_SCOPES.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if !is_permission_name(name) {
            let message =
                format!("{name:?} must be at most 190 visible ASCII characters other than comma, quote and backslash");
            errors.push(FieldError::new(field, FieldCode::Invalid, message));
        } else if is_reserved {
            errors.push(FieldError::new(field, FieldCode::Invalid, format!("{name:?} means something already")));
        } else if scopes[..index].iter().any(|other| other.name == name) {
            errors.push(FieldError::new(field, FieldCode::Duplicate, format!("{name:?} is there twice")));
        }
        for text in [&scope.description, &scope.consent_message, &scope.consent_detail] {
            errors.extend(text.as_deref().and_then(|text| check_text(field, text, LONGEST_TEXT)));
        }
    }
    if scopes.len() > MOST_SCOPES {
        errors.push(FieldError::new(field, FieldCode::TooLong, format!("there may be {MOST_SCOPES} scopes")));
    }
    errors
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{ClientSecret, RefreshTokenPolicy};

    fn application(settings: ApplicationSettings) -> Application {
        Application {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            name: "shop".to_owned(),
            client_id: "shop".to_owned(),
            client_secrets: vec![ClientSecret::new("x", 0)],
            roles: Vec::new(),
            settings,
            managed_by: None,
            created_at: 0,
            updated_at: 0,
        }
    }

    fn codes(settings: ApplicationSettings, profile: Profile) -> Vec<String> {
        check_application(&application(settings), profile).iter().map(FieldError::code).collect()
    }

    fn scope(name: &str) -> CustomScope {
        CustomScope {
            id: Uuid::nil(),
            name: name.to_owned(),
            description: None,
            is_required: false,
            consent_message: None,
            consent_detail: None,
        }
    }

    // D-10, J9, RFC 8705 2.1.2
    #[test]
    fn every_wrong_field_of_an_application_is_listed() {
        assert_eq!(codes(ApplicationSettings::default(), Profile::Standard), [""; 0]);
        let settings = ApplicationSettings {
            jwks: Some("{}".to_owned()),
            redirect_uris: vec!["http://app.example.com/cb".to_owned(), "https://ok.example/".to_owned()],
            origins: vec!["nonsense".to_owned()],
            logout_uri: Some("ftp://x".to_owned()),
            back_channel_logout_uri: Some("http://app.example.com".to_owned()),
            access_token_for: Some(0),
            userinfo_algorithm: Some("none".to_owned()),
            userinfo_claims: vec![("sub".to_owned(), "user.id".to_owned())],
            response_modes: Vec::new(),
            refresh_tokens: Some(RefreshTokenPolicy { retry_for: 61, ..RefreshTokenPolicy::default() }),
            owner: Some("a\u{202e}b".to_owned()),
            certificate_subject: Some(CertificateSubject::SanIp("localhost".to_owned())),
            device_grant: DeviceGrantLimits {
                scopes: Some(vec!["a".to_owned(), "a".to_owned(), "b c".to_owned()]),
                refresh_tokens_for: Some(0),
            },
            ..ApplicationSettings::default()
        };
        assert_eq!(
            codes(settings, Profile::Standard),
            [
                "[invalid]application.oauthConfiguration.authorizedRedirectURLs",
                "[invalid]application.oauthConfiguration.authorizedOriginURLs",
                "[invalid]application.oauthConfiguration.logoutURL",
                "[invalid]application.oauthConfiguration.backChannelLogoutURL",
                "[invalid]application.oauthConfiguration.jwks",
                "[invalid]application.oauthConfiguration.tlsClientAuth",
                "[invalid]application.deviceGrant.scopes",
                "[invalid]application.deviceGrant.scopes",
                "[invalid]application.deviceGrant.refreshTokenTimeToLiveInSeconds",
                "[invalid]application.jwtConfiguration.timeToLiveInSeconds",
                "[invalid]application.oauthConfiguration.userinfoAlgorithm",
                "[invalid]application.oauthConfiguration.responseModes",
                "[invalid]application.oauthConfiguration.userinfoClaims",
                "[invalid]application.jwtConfiguration.refreshTokenOneTimeUseConfiguration.gracePeriodInSeconds",
                "[invalid]application.owner",
            ]
        );
    }

    // F-021, D23
    #[test]
    fn wildcards_are_not_for_the_standard_profile() {
        let with = |url_validation, uri: &str| ApplicationSettings {
            url_validation,
            redirect_uris: vec![uri.to_owned()],
            ..ApplicationSettings::default()
        };
        let wild = "https://*.example.com/cb";
        let uris = "[invalid]application.oauthConfiguration.authorizedRedirectURLs";
        let policy = "[invalid]application.oauthConfiguration.authorizedURLValidationPolicy";
        assert_eq!(codes(with(UrlValidation::ExactMatch, wild), Profile::Standard), [uris]);
        assert_eq!(codes(with(UrlValidation::AllowWildcards, wild), Profile::Standard), [policy, uris]);
        assert_eq!(codes(with(UrlValidation::AllowWildcards, wild), Profile::FusionAuth), [""; 0]);
        assert_eq!(codes(with(UrlValidation::ExactMatch, wild), Profile::FusionAuth), [""; 0]);
        assert_eq!(codes(with(UrlValidation::AllowWildcards, "https://*.com"), Profile::FusionAuth), [uris]);
    }

    // F-033
    #[test]
    fn the_device_grant_needs_a_page_in_the_fusionauth_profile() {
        let settings =
            ApplicationSettings { grants: vec![ApplicationGrant::DeviceCode], ..ApplicationSettings::default() };
        let code = "[blank]application.oauthConfiguration.deviceVerificationURL";
        assert_eq!(codes(settings.clone(), Profile::FusionAuth), [code]);
        assert_eq!(codes(settings, Profile::Standard), [""; 0]);
    }

    // F-004, K8
    #[test]
    fn who_has_no_secret_cannot_be_required_to_show_one() {
        let mut public = application(ApplicationSettings::default());
        public.client_secrets.clear();
        let code = "[invalid]application.oauthConfiguration.clientAuthenticationPolicy";
        assert_eq!(check_application(&public, Profile::Standard)[0].code(), code);
        public.settings.client_authentication = ClientAuthenticationPolicy::NotRequired;
        assert_eq!(check_application(&public, Profile::Standard), []);
    }

    // D-02
    #[test]
    fn scopes_of_ones_own_do_not_shadow_others() {
        let with = |names: &[&str]| ApplicationSettings {
            scopes: names.iter().map(|name| scope(name)).collect(),
            ..ApplicationSettings::default()
        };
        assert_eq!(codes(with(&["read", "write:all"]), Profile::Standard), [""; 0]);
        for name in ["openid", "offline_access", "profile", "target-entity:x", "idp-link:y", "", "a b", "é"] {
            assert_eq!(codes(with(&[name]), Profile::Standard), ["[invalid]application.scopes"], "{name:?}");
        }
        assert_eq!(codes(with(&["a", "a"]), Profile::Standard), ["[duplicate]application.scopes"]);
    }

    // RFC 7517 9.3: a client that shows its private key is told so
    #[test]
    fn keys_are_public_and_readable() {
        let with = |jwks: &str| ApplicationSettings { jwks: Some(jwks.to_owned()), ..ApplicationSettings::default() };
        let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        assert_eq!(codes(with(&format!("{{\"keys\":[{key}}}]}}")), Profile::Standard), [""; 0]);
        for bad in [
            "",
            "{\"keys\":[]}",
            "{\"keys\":[1]}",
            &format!("{{\"keys\":[{key},\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}}]}}"),
            "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
        ] {
            assert_eq!(codes(with(bad), Profile::Standard), ["[invalid]application.oauthConfiguration.jwks"], "{bad}");
        }
    }
}
