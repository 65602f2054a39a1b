//! `directory.applications` - the clients that people log in to.
//!
//! Owns the syntax. What an application may be is `directory`'s rule, and is checked here where it stands.

use uuid::Uuid;

use super::super::check::{Check, Fields};
use super::super::lint::Lint;
use super::super::node::{Entry, Node, Value};
use super::super::process::word;
use super::keys::named;
use super::settings::{refresh_tokens, seconds};
use super::{SECRET_CHARACTERS, client_id, note_errors, refuse_bad_name, tenant_of, uuid};
use crate::directory::NewRole;
use crate::directory::declare::{ApplicationDeclaration, Declaration};
use crate::directory::redirect_uri::{check_origin, check_pattern};
use crate::model::{
    ApplicationGrant, ApplicationSettings, CertificateSubject, ClientAuthenticationPolicy, ConsentMode, CustomScope,
    DeviceGrantLimits, LoginApi, LogoutBehavior, PkcePolicy, Profile, ProvidedScope, ProvidedScopes, Relationship,
    ResponseMode, ScopeHandling, UnknownScopes, UrlValidation,
};

pub(in crate::config) const KEYS: &[&str] = &[
    "id",
    "tenant",
    "client_id",
    "client_secret",
    "public",
    "client_authentication",
    "jwks",
    "pkce",
    "grants",
    "url_validation",
    "redirect_uris",
    "origins",
    "logout_uri",
    "logout_behavior",
    "logout_session_required",
    "back_channel_logout_uri",
    "generate_refresh_tokens",
    "login_api",
    "scope_handling",
    "unknown_scopes",
    "provided_scopes",
    "scopes",
    "relationship",
    "consent",
    "device_verification_uri",
    "require_registration",
    "debug",
    "userinfo_algorithm",
    "userinfo_claims",
    "access_token_life",
    "access_token_key",
    "id_token_key",
    "refresh_tokens",
    "response_modes",
    "owner",
    "roles",
    "dpop_bound_access_tokens",
    "dpop_nonce",
    "certificate_bound_access_tokens",
    "require_pushed_authorization_requests",
    "token_exchange_clients",
    "tls_client_auth",
    "device_grant",
];
pub(in crate::config) const ROLE_KEYS: &[&str] = &["description", "default"];
pub(in crate::config) const SCOPE_KEYS: &[&str] = &["description", "required", "consent_message", "consent_detail"];
pub(in crate::config) const LOGIN_API_KEYS: &[&str] = &["generate_refresh_tokens", "allow_refresh"];
pub(in crate::config) const DEVICE_GRANT_KEYS: &[&str] = &["scopes", "refresh_token_life"];
pub(in crate::config) const PROVIDED_KEYS: &[&str] = &["address", "email", "phone", "profile"];
pub(in crate::config) const PROVIDED_SCOPE_KEYS: &[&str] = &["enabled", "required"];

/// Where what the rules say about a field stands in the file. URLs are checked one by one, each in its place.
const PLACES: &[(&str, &str)] = &[
    ("authorizedURLValidationPolicy", "url_validation"),
    ("logoutURL", "logout_uri"),
    ("backChannelLogoutURL", "back_channel_logout_uri"),
    ("deviceVerificationURL", "device_verification_uri"),
    ("clientAuthenticationPolicy", "client_authentication"),
    ("jwks", "jwks"),
    ("tlsClientAuth", "tls_client_auth"),
    ("application.deviceGrant.scopes", "device_grant.scopes"),
    ("application.deviceGrant.refreshTokenTimeToLiveInSeconds", "device_grant.refresh_token_life"),
    ("userinfoAlgorithm", "userinfo_algorithm"),
    ("userinfoClaims", "userinfo_claims"),
    ("responseModes", "response_modes"),
    ("application.jwtConfiguration.timeToLiveInSeconds", "access_token_life"),
    ("refreshTokenTimeToLiveInSeconds", "refresh_tokens.life"),
    ("refreshTokenSlidingWindowInSeconds", "refresh_tokens.idle"),
    ("gracePeriodInSeconds", "refresh_tokens.retry"),
    ("application.roles", "roles"),
    ("application.scopes", "scopes"),
    ("application.owner", "owner"),
    ("clientSecret", "client_secret"),
    ("tokenExchangeClients", "token_exchange_clients"),
];
/// Fields of the rules that have been checked with the places of their parts.
const CHECKED: &[&str] = &["authorizedRedirectURLs", "authorizedOriginURLs", "clientId", "application.name"];

pub(super) fn application(
    entry: &Entry,
    node: &Node,
    declared: &Declaration,
    check: &mut Check<'_>,
) -> Option<ApplicationDeclaration> {
    refuse_bad_name(entry, check);
    let fields = Fields::open(node, KEYS, check)?;
    let tenant = tenant_of(&fields, declared, check);
    let is_public = fields.boolean("public", check).unwrap_or(false);
    let client_secret = fields.secret("client_secret", SECRET_CHARACTERS, check);
    if let Some(entry) = fields.entry("client_secret").filter(|_| is_public) {
        check.refuse_with_help(
            entry.key_span,
            "a public application has no secret: whoever runs it could read it",
            "remove `client_secret`, or `public`",
        );
    }
    let settings = settings(&fields, is_public, check);
    let application = ApplicationDeclaration {
        name: entry.key.clone(),
        id: uuid(&fields, check),
        client_id: client_id(&fields, check),
        client_secret,
        is_public,
        roles: fields.find("roles").map_or_else(Vec::new, |node| roles(node, check)),
        settings,
        access_token_key: named(&fields, "access_token_key", declared, check),
        id_token_key: named(&fields, "id_token_key", declared, check),
        tenant,
    };
    // A tenant that is declared elsewhere has the profile that it has: `directory` checks again.
    let profile = declared.tenants.iter().find(|tenant| application.tenant.as_deref() == Some(&tenant.name));
    let profile = profile.map(|tenant| tenant.profile);
    check_uris(&fields, &application, profile, check);
    let errors = application.problems(profile.unwrap_or_default()).into_iter();
    let is_known = |field: &str| profile.is_some() || !field.ends_with("authorizedURLValidationPolicy");
    let errors =
        errors.filter(|error| is_known(&error.field) && !CHECKED.iter().any(|field| error.field.contains(field)));
    note_errors(errors.collect(), &fields, PLACES, check);
    warn_about(&fields, &application, check);
    Some(application)
}

fn settings(fields: &Fields<'_>, is_public: bool, check: &mut Check<'_>) -> ApplicationSettings {
    let mut settings = ApplicationSettings::default();
    if is_public {
        settings.client_authentication = ClientAuthenticationPolicy::NotRequired;
        settings.pkce = PkcePolicy::Required;
    }
    /// A key whose value is one of the names of an enum.
    macro_rules! choice {
        ($key:literal, $field:ident, $kind:ident) => {
            if let Some(choice) = word(fields, $key, &$kind::ALL.map($kind::as_str), check).and_then($kind::parse) {
                settings.$field = choice;
            }
        };
    }
    choice!("client_authentication", client_authentication, ClientAuthenticationPolicy);
    choice!("pkce", pkce, PkcePolicy);
    choice!("url_validation", url_validation, UrlValidation);
    choice!("logout_behavior", logout_behavior, LogoutBehavior);
    choice!("scope_handling", scope_handling, ScopeHandling);
    choice!("unknown_scopes", unknown_scopes, UnknownScopes);
    choice!("relationship", relationship, Relationship);
    choice!("consent", consent, ConsentMode);
    for (key, field) in [
        ("logout_session_required", &mut settings.logout_session_required),
        ("generate_refresh_tokens", &mut settings.generates_refresh_tokens),
        ("require_registration", &mut settings.requires_registration),
        ("debug", &mut settings.debug),
        ("dpop_bound_access_tokens", &mut settings.dpop_bound_access_tokens),
        ("dpop_nonce", &mut settings.dpop_nonce),
        ("certificate_bound_access_tokens", &mut settings.certificate_bound_access_tokens),
        ("require_pushed_authorization_requests", &mut settings.requires_pushed_requests),
    ] {
        if let Some(value) = fields.boolean(key, check) {
            *field = value;
        }
    }
    for (key, field) in [
        ("jwks", &mut settings.jwks),
        ("logout_uri", &mut settings.logout_uri),
        ("back_channel_logout_uri", &mut settings.back_channel_logout_uri),
        ("device_verification_uri", &mut settings.device_verification_uri),
        ("userinfo_algorithm", &mut settings.userinfo_algorithm),
        ("owner", &mut settings.owner),
    ] {
        *field = fields.text(key, check);
    }
    if let Some(grants) = fields.find("grants") {
        settings.grants = words(grants, ApplicationGrant::parse, &GRANTS, check);
    }
    if let Some(modes) = fields.find("response_modes") {
        settings.response_modes =
            words(modes, ResponseMode::parse, &ResponseMode::ALL.map(ResponseMode::as_str), check);
    }
    settings.redirect_uris = fields.texts("redirect_uris", check).unwrap_or_default();
    settings.origins = fields.texts("origins", check).unwrap_or_default();
    settings.token_exchange_clients = fields.texts("token_exchange_clients", check).unwrap_or_default();
    settings.access_token_for = seconds(fields, "access_token_life", check);
    settings.refresh_tokens = fields.find("refresh_tokens").map(|node| refresh_tokens(node, check));
    settings.scopes = fields.find("scopes").map_or_else(Vec::new, |node| scopes(node, check));
    if let Some(provided) = fields.find("provided_scopes") {
        settings.provided_scopes = provided_scopes(provided, check);
    }
    if let Some(fields) = fields.find("login_api").and_then(|node| Fields::open(node, LOGIN_API_KEYS, check)) {
        settings.login_api = LoginApi {
            generates_refresh_tokens: fields.boolean("generate_refresh_tokens", check).unwrap_or(false),
            allows_refresh: fields.boolean("allow_refresh", check).unwrap_or(false),
        };
    }
    settings.certificate_subject = fields.find("tls_client_auth").and_then(|node| certificate_subject(node, check));
    if let Some(fields) = fields.find("device_grant").and_then(|node| Fields::open(node, DEVICE_GRANT_KEYS, check)) {
        settings.device_grant = DeviceGrantLimits {
            scopes: fields.texts("scopes", check),
            refresh_tokens_for: seconds(&fields, "refresh_token_life", check),
        };
    }
    for entry in fields.find("userinfo_claims").map_or(&[][..], |node| check.entries(node)) {
        let path = check.text(&entry.value).map(|path| path.text.clone());
        settings.userinfo_claims.extend(path.map(|path| (entry.key.clone(), path)));
    }
    settings
}

/// One name, of one kind (RFC 8705 2.1.2).
fn certificate_subject(node: &Node, check: &mut Check<'_>) -> Option<CertificateSubject> {
    let fields = Fields::open(node, &CertificateSubject::KINDS, check)?;
    let mut found: Vec<CertificateSubject> = Vec::new();
    for kind in CertificateSubject::KINDS {
        found.extend(fields.text(kind, check).and_then(|name| CertificateSubject::of(kind, name)));
    }
    if found.len() > 1 {
        check.refuse(node.span, "a certificate is known by one name");
    }
    found.pop()
}

/// The names of grants, with a short one for the longest.
const GRANTS: [&str; 5] = ["authorization_code", "implicit", "password", "refresh_token", "device_code"];

fn words<T: PartialEq>(
    node: &Node,
    parse: impl Fn(&str) -> Option<T>,
    known: &[&str],
    check: &mut Check<'_>,
) -> Vec<T> {
    let mut found = Vec::new();
    for (scalar, span) in check.texts(node) {
        let text = scalar.text.as_str();
        let text = if text == "device_code" { ApplicationGrant::DeviceCode.as_str() } else { text };
        match parse(text) {
            Some(value) if !found.contains(&value) => found.push(value),
            Some(_) => check.refuse(span, format!("{} is there twice", scalar.shown())),
            None => check.refuse_word(span, format!("unknown word {}", scalar.shown()), &scalar.text, known),
        }
    }
    found
}

fn roles(node: &Node, check: &mut Check<'_>) -> Vec<NewRole> {
    let Value::Map(entries) = &node.value else {
        let named = |name: String| NewRole { name, ..NewRole::default() };
        return check.texts(node).into_iter().map(|(name, _)| named(name.text.clone())).collect();
    };
    let role = |entry: &Entry, check: &mut Check<'_>| {
        let fields = Fields::open(&entry.value, ROLE_KEYS, check)?;
        Some(NewRole {
            name: entry.key.clone(),
            description: fields.text("description", check),
            is_default: fields.boolean("default", check).unwrap_or(false),
        })
    };
    entries.iter().filter_map(|entry| role(entry, check)).collect()
}

pub(super) fn scopes(node: &Node, check: &mut Check<'_>) -> Vec<CustomScope> {
    let named = |name: &str| CustomScope {
        id: Uuid::nil(),
        name: name.to_owned(),
        description: None,
        is_required: false,
        consent_message: None,
        consent_detail: None,
    };
    let Value::Map(entries) = &node.value else {
        return check.texts(node).into_iter().map(|(name, _)| named(&name.text)).collect();
    };
    let scope = |entry: &Entry, check: &mut Check<'_>| {
        let fields = Fields::open(&entry.value, SCOPE_KEYS, check)?;
        Some(CustomScope {
            description: fields.text("description", check),
            is_required: fields.boolean("required", check).unwrap_or(false),
            consent_message: fields.text("consent_message", check),
            consent_detail: fields.text("consent_detail", check),
            ..named(&entry.key)
        })
    };
    entries.iter().filter_map(|entry| scope(entry, check)).collect()
}

fn provided_scopes(node: &Node, check: &mut Check<'_>) -> ProvidedScopes {
    let Some(fields) = Fields::open(node, PROVIDED_KEYS, check) else { return ProvidedScopes::default() };
    let scope = |key: &str, check: &mut Check<'_>| {
        let default = ProvidedScope::default();
        let Some(fields) = fields.find(key).and_then(|node| Fields::open(node, PROVIDED_SCOPE_KEYS, check)) else {
            return default;
        };
        ProvidedScope {
            is_enabled: fields.boolean("enabled", check).unwrap_or(default.is_enabled),
            is_required: fields.boolean("required", check).unwrap_or(default.is_required),
        }
    };
    ProvidedScopes {
        address: scope("address", check),
        email: scope("email", check),
        phone: scope("phone", check),
        profile: scope("profile", check),
    }
}

fn check_uris(
    fields: &Fields<'_>,
    application: &ApplicationDeclaration,
    profile: Option<Profile>,
    check: &mut Check<'_>,
) {
    let is_strict = profile == Some(Profile::Standard);
    let validation = application.settings.url_validation;
    for (scalar, span) in fields.find("redirect_uris").map_or_else(Vec::new, |node| check.texts(node)) {
        let wrong = match check_pattern(&scalar.text, validation) {
            // D23
            Ok(()) if is_strict && scalar.text.contains('*') => {
                "must have no wildcard in the standard profile".to_owned()
            }
            // Who made the tenant knows its profile.
            Ok(()) if profile.is_none() && scalar.text.contains('*') => {
                let help = "declare the tenant with its profile, or write the URI without `*`";
                let message = "redirect URIs have no wildcard, unless the tenant's profile says otherwise";
                check.warn(span, Lint::WildcardRedirectUri.at(&application.name), message, help);
                continue;
            }
            Ok(()) => continue,
            Err(why) => why,
        };
        check.refuse(span, format!("redirect URI {} {}", scalar.shown(), hidden(wrong, scalar.is_foreign())));
    }
    for (scalar, span) in fields.find("origins").map_or_else(Vec::new, |node| check.texts(node)) {
        if let Err(why) = check_origin(&scalar.text, validation) {
            check.refuse(span, format!("origin {} {}", scalar.shown(), hidden(why, scalar.is_foreign())));
        }
    }
}

/// A reason may quote a part of the text, which must not be shown if it came from elsewhere.
fn hidden(why: String, is_foreign: bool) -> String {
    if is_foreign && why.contains('"') { "is not one that may be used".to_owned() } else { why }
}

fn warn_about(fields: &Fields<'_>, application: &ApplicationDeclaration, check: &mut Check<'_>) {
    let Some(node) = fields.find("grants") else { return };
    for (grant, lint, message, help) in [
        (
            ApplicationGrant::Password,
            Lint::PasswordGrant,
            "the password grant gives people's passwords to the application",
            "use authorization_code; RFC 9700 2.4 forbids the password grant",
        ),
        (
            ApplicationGrant::Implicit,
            Lint::ImplicitGrant,
            "the implicit grant puts tokens into URLs",
            "use authorization_code with PKCE; RFC 9700 2.1.2 advises against the implicit grant",
        ),
    ] {
        if application.settings.grants.contains(&grant) {
            check.warn(node.span, lint.at(&application.name), message, help);
        }
    }
}
