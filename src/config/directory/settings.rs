//! `directory.tenants.*.settings` - what a tenant decides about logins and grants, and how its pages look.
//!
//! Owns the syntax. The limits are `directory`'s.

use std::time::Duration;

use uuid::Uuid;

use super::super::check::{Check, Fields};
use super::super::lint::Lint;
use super::super::node::Node;
use super::super::process::word;
use super::applications::scopes;
use super::note_errors;
use crate::directory::{check_tenant_settings, new_tenant};
use crate::model::{
    Api, ClientRegistration, ExpiresIn, Profile, RefreshTokenPolicy, RefreshTokenUsage, RegistrationMode,
    TenantSettings, Theme, UserCodeShape,
};

pub(in crate::config) const KEYS: &[&str] = &[
    "authorization_code_life",
    "pushed_request_life",
    "id_token_life",
    "device_code_life",
    "device_interval",
    "user_code",
    "refresh_tokens",
    "session_idle",
    "session_life",
    "interaction_life",
    "remember_consent",
    "login_attempts",
    "password_min_length",
    "logout_uri",
    "open_introspection",
    "always_remember",
    "passkeys",
    "theme",
    "apis",
    "expires_in",
    "client_registration",
];
pub(in crate::config) const REGISTRATION_KEYS: &[&str] = &["mode", "scopes", "redirect_hosts", "unused_life"];
pub(in crate::config) const USER_CODE_KEYS: &[&str] = &["alphabet", "mask"];
pub(in crate::config) const REFRESH_KEYS: &[&str] = &["usage", "idle", "life", "retry"];
pub(in crate::config) const API_KEYS: &[&str] = &["scopes", "offline_access"];
pub(in crate::config) const THEME_KEYS: &[&str] = &["name", "logo", "accent", "accent_dark", "welcome"];

/// B8: longer than this and a code that leaks is still good.
const LONG_CODE: i64 = 60;

/// Where what the rules say about a field stands in the file.
const PLACES: &[(&str, &str)] = &[
    ("authorizationGrantIdTimeToLiveInSeconds", "authorization_code_life"),
    ("pushedRequestTimeToLiveInSeconds", "pushed_request_life"),
    ("idTokenTimeToLiveInSeconds", "id_token_life"),
    ("deviceCodeTimeToLiveInSeconds", "device_code_life"),
    ("deviceInterval", "device_interval"),
    ("deviceUserCodeIdGenerator", "user_code"),
    ("refreshTokenTimeToLiveInSeconds", "refresh_tokens.life"),
    ("refreshTokenSlidingWindowInSeconds", "refresh_tokens.idle"),
    ("gracePeriodInSeconds", "refresh_tokens.retry"),
    ("httpSessionMaxInactiveInterval", "session_idle"),
    ("sessionTimeToLiveInSeconds", "session_life"),
    ("twoFactorIdTimeToLiveInSeconds", "interaction_life"),
    ("rememberOAuthScopeConsentChoiceTimeToLiveInSeconds", "remember_consent"),
    ("tooManyAttempts", "login_attempts"),
    ("minLength", "password_min_length"),
    ("logoutURL", "logout_uri"),
    ("theme.name", "theme.name"),
    ("theme.logo", "theme.logo"),
    ("theme.accentDark", "theme.accent_dark"),
    ("theme.accent", "theme.accent"),
    ("theme.welcome", "theme.welcome"),
    ("apis", "apis"),
    ("clientRegistration.scopes", "client_registration.scopes"),
    ("clientRegistration.redirectHosts", "client_registration.redirect_hosts"),
    ("clientRegistration.unusedTimeToLiveInSeconds", "client_registration.unused_life"),
];

pub(super) fn check(node: &Node, (tenant, profile): (&str, Profile), check: &mut Check<'_>) -> TenantSettings {
    let default = new_tenant(Uuid::nil(), "", profile, 0).settings;
    let Some(fields) = Fields::open(node, KEYS, check) else { return default };
    let life = |key: &str, default: i64, check: &mut Check<'_>| seconds(&fields, key, check).unwrap_or(default);
    let count = |key: &str, default: u32, check: &mut Check<'_>| {
        fields.count(key, 1000, check).and_then(|count| u32::try_from(count).ok()).unwrap_or(default)
    };
    let settings = TenantSettings {
        data: serde_json::Map::new(),
        authorization_code_for: life("authorization_code_life", default.authorization_code_for, check),
        pushed_request_for: life("pushed_request_life", default.pushed_request_for, check),
        id_token_for: life("id_token_life", default.id_token_for, check),
        device_code_for: life("device_code_life", default.device_code_for, check),
        device_interval: life("device_interval", default.device_interval, check),
        user_code: fields
            .find("user_code")
            .map_or(default.user_code.clone(), |node| user_code(node, default.user_code.clone(), check)),
        refresh_tokens: fields
            .find("refresh_tokens")
            .map_or(default.refresh_tokens, |node| refresh_tokens(node, check)),
        session_idle_for: life("session_idle", default.session_idle_for, check),
        session_for: life("session_life", default.session_for, check),
        interaction_for: life("interaction_life", default.interaction_for, check),
        remember_consent_for: life("remember_consent", default.remember_consent_for, check),
        login_attempts: count("login_attempts", default.login_attempts, check),
        password_min_length: count("password_min_length", default.password_min_length, check),
        logout_uri: fields.text("logout_uri", check),
        open_introspection: fields.boolean("open_introspection", check).unwrap_or(default.open_introspection),
        always_remember: fields.boolean("always_remember", check).unwrap_or(default.always_remember),
        passkeys: fields.boolean("passkeys", check).unwrap_or(default.passkeys),
        theme: fields.find("theme").map_or(default.theme, |node| theme(node, check)),
        apis: fields.find("apis").map_or_else(Vec::new, |node| apis(node, check)),
        expires_in: word(&fields, "expires_in", &ExpiresIn::ALL.map(ExpiresIn::as_str), check)
            .and_then(ExpiresIn::parse),
        client_registration: fields.find("client_registration").and_then(|node| client_registration(node, check)),
    };
    note_errors(check_tenant_settings(&settings, profile), &fields, PLACES, check);
    if (LONG_CODE + 1..=600).contains(&settings.authorization_code_for)
        && let Some(node) = fields.find("authorization_code_life")
    {
        check.warn(
            node.span,
            Lint::AuthorizationCodesLiveLong.at(tenant),
            "authorization codes that are good for more than a minute can be stolen and used",
            "use a shorter life; a client spends its code at once",
        );
    }
    settings
}

/// A whole number of seconds, rounded up.
pub(super) fn seconds(fields: &Fields<'_>, key: &str, check: &mut Check<'_>) -> Option<i64> {
    let whole = |length: Duration| length.as_secs() + u64::from(length.subsec_nanos() > 0);
    fields.duration(key, check).and_then(|length| i64::try_from(whole(length)).ok())
}

pub(super) fn refresh_tokens(node: &Node, check: &mut Check<'_>) -> RefreshTokenPolicy {
    let default = RefreshTokenPolicy::default();
    let Some(fields) = Fields::open(node, REFRESH_KEYS, check) else { return default };
    let usages = RefreshTokenUsage::ALL.map(RefreshTokenUsage::as_str);
    let usage = word(&fields, "usage", &usages, check).and_then(RefreshTokenUsage::parse);
    let never = fields.find("idle").is_some_and(|node| is_word(node, "never"));
    let idle_for = if never { None } else { seconds(&fields, "idle", check).or(default.idle_for) };
    let off = fields.find("retry").is_some_and(|node| is_word(node, "never"));
    let retry_for = if off { Some(0) } else { seconds(&fields, "retry", check) };
    RefreshTokenPolicy {
        usage: usage.unwrap_or(default.usage),
        idle_for,
        absolute_for: seconds(&fields, "life", check).unwrap_or(default.absolute_for),
        retry_for: retry_for.unwrap_or(default.retry_for),
    }
}

fn is_word(node: &Node, word: &str) -> bool {
    matches!(&node.value, super::super::node::Value::Scalar(scalar) if scalar.text == word)
}

fn user_code(node: &Node, default: UserCodeShape, check: &mut Check<'_>) -> UserCodeShape {
    let Some(fields) = Fields::open(node, USER_CODE_KEYS, check) else { return default };
    // F-234: the two sets that have names.
    let alphabet = fields.text("alphabet", check).map(|alphabet| match alphabet.as_str() {
        "base20" => UserCodeShape::CONSONANTS.to_owned(),
        "digits" => "0123456789".to_owned(),
        _ => alphabet,
    });
    UserCodeShape {
        alphabet: alphabet.unwrap_or(default.alphabet),
        mask: fields.text("mask", check).unwrap_or(default.mask),
    }
}

fn apis(node: &Node, check: &mut Check<'_>) -> Vec<Api> {
    let mut apis = Vec::new();
    for entry in check.entries(node) {
        let Some(fields) = Fields::open(&entry.value, API_KEYS, check) else { continue };
        let scopes = fields.find("scopes").map_or_else(Vec::new, |node| check.texts(node));
        apis.push(Api {
            identifier: entry.key.clone(),
            scopes: scopes.into_iter().map(|(scope, _)| scope.text.clone()).collect(),
            allows_offline_access: fields.boolean("offline_access", check).unwrap_or(false),
        });
    }
    apis
}

/// Whether anybody may register is said and never assumed.
fn client_registration(node: &Node, check: &mut Check<'_>) -> Option<ClientRegistration> {
    let fields = Fields::open(node, REGISTRATION_KEYS, check)?;
    let modes = RegistrationMode::ALL.map(RegistrationMode::as_str);
    if fields.find("mode").is_none() {
        let help = "add `mode: open` for anybody, or `mode: protected` for those who have an API key";
        check.refuse_with_help(node.span, "client_registration does not say who may register", help);
    }
    let mode = word(&fields, "mode", &modes, check).and_then(RegistrationMode::parse)?;
    let default = ClientRegistration::new(mode);
    Some(ClientRegistration {
        mode,
        scopes: fields.find("scopes").map_or_else(Vec::new, |node| scopes(node, check)),
        redirect_hosts: fields.texts("redirect_hosts", check).unwrap_or_default(),
        unused_for: seconds(&fields, "unused_life", check).unwrap_or(default.unused_for),
    })
}

fn theme(node: &Node, check: &mut Check<'_>) -> Theme {
    let Some(fields) = Fields::open(node, THEME_KEYS, check) else { return Theme::default() };
    let mut theme = Theme {
        name: fields.text("name", check),
        logo: fields.text("logo", check),
        accent: fields.text("accent", check),
        accent_dark: fields.text("accent_dark", check),
        ..Theme::default()
    };
    match fields.find("welcome") {
        Some(node) if matches!(node.value, super::super::node::Value::Scalar(_)) => {
            theme.welcome.extend(check.text(node).map(|text| (String::new(), text.text.clone())));
        }
        Some(node) => {
            for entry in check.entries(node) {
                let text = check.text(&entry.value).map(|text| text.text.clone());
                theme.welcome.extend(text.map(|text| (entry.key.clone(), text)));
            }
        }
        None => {}
    }
    theme
}
