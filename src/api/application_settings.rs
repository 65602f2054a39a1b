//! `oauthConfiguration`, `loginConfiguration` and `jwtConfiguration` of an application: which of FusionAuth's members are
//! which of our settings (CONTRACT 2.A, D-02). It does not know which combinations are allowed.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::present;
use super::members::Members;
use crate::directory::FieldCode;
use crate::model::{
    Application, ApplicationGrant, ApplicationSettings, CertificateSubject, ClientAuthenticationPolicy, ConsentMode,
    DeviceGrantLimits, KeyPurpose, LogoutBehavior, PkcePolicy, ProvidedScope, RefreshTokenUsage, Relationship,
    ScopeHandling, UnknownScopes, UrlValidation,
};

const MINUTE: i64 = 60;

/// The keys that an application names, with the fields that do.
pub(super) fn keys(settings: &ApplicationSettings) -> impl Iterator<Item = (KeyPurpose, Uuid, &'static str)> {
    let access_token = "application.jwtConfiguration.accessTokenKeyId";
    let id_token = "application.jwtConfiguration.idTokenKeyId";
    let named = [
        (KeyPurpose::AccessToken, settings.access_token_key, access_token),
        (KeyPurpose::IdToken, settings.id_token_key, id_token),
    ];
    named.into_iter().filter_map(|(purpose, id, field)| Some((purpose, id?, field)))
}

/// `oauthConfiguration`, without the secret.
pub(super) fn shown(application: &Application) -> Value {
    let settings = &application.settings;
    let grants: Vec<&str> = settings.grants.iter().map(|grant| grant.as_str()).collect();
    let provided = &settings.provided_scopes;
    let policy = |scope: &ProvidedScope| json!({ "enabled": scope.is_enabled, "required": scope.is_required });
    present(json!({
        "authorizedOriginURLs": settings.origins,
        "authorizedRedirectURLs": settings.redirect_uris,
        "authorizedURLValidationPolicy": settings.url_validation.as_str(),
        "clientAuthenticationPolicy": settings.client_authentication.as_str(),
        "clientId": application.client_id,
        "consentMode": settings.consent.as_str(),
        "debug": settings.debug,
        "certificateBoundAccessTokens": settings.certificate_bound_access_tokens.then_some(true),
        "deviceGrant": device_grant(&settings.device_grant),
        "deviceVerificationURL": settings.device_verification_uri,
        "dpopBoundAccessTokens": settings.dpop_bound_access_tokens.then_some(true),
        "dpopNonce": settings.dpop_nonce.then_some(true),
        "enabledGrants": grants,
        "generateRefreshTokens": settings.generates_refresh_tokens,
        "logoutBehavior": settings.logout_behavior.as_str(),
        "logoutURL": settings.logout_uri,
        "proofKeyForCodeExchangePolicy": settings.pkce.as_str(),
        "providedScopePolicy": {
            "address": policy(&provided.address),
            "email": policy(&provided.email),
            "phone": policy(&provided.phone),
            "profile": policy(&provided.profile),
        },
        "relationship": settings.relationship.as_str(),
        "requireClientAuthentication": settings.client_authentication == ClientAuthenticationPolicy::Required,
        "requirePushedAuthorizationRequests": settings.requires_pushed_requests.then_some(true),
        "requireRegistration": settings.requires_registration,
        "scopeHandlingPolicy": settings.scope_handling.as_str(),
        "tlsClientAuth": settings.certificate_subject.as_ref().map(|subject| {
            let (kind, name) = subject.parts();
            json!({ "kind": kind, "name": name })
        }),
        "tokenExchangeClients": (!settings.token_exchange_clients.is_empty()).then_some(&settings.token_exchange_clients),
        "unknownScopePolicy": settings.unknown_scopes.as_str(),
    }))
}

/// Nothing where nothing is limited.
fn device_grant(limits: &DeviceGrantLimits) -> Option<Value> {
    let shown = || {
        let life = limits.refresh_tokens_for;
        present(json!({ "refreshTokenTimeToLiveInSeconds": life, "scopes": limits.scopes }))
    };
    (*limits != DeviceGrantLimits::default()).then(shown)
}

/// `loginConfiguration`: logging in through this API always takes an API key.
pub(super) fn shown_login(settings: &ApplicationSettings) -> Value {
    json!({
        "allowTokenRefresh": settings.login_api.allows_refresh,
        "generateRefreshTokens": settings.login_api.generates_refresh_tokens,
        "requireAuthentication": true,
    })
}

/// `jwtConfiguration`: disabled means that the tenant's counts.
pub(super) fn shown_tokens(settings: &ApplicationSettings) -> Value {
    let refresh_tokens = settings.refresh_tokens.as_ref();
    present(json!({
        "accessTokenKeyId": settings.access_token_key,
        "enabled": has_own_tokens(settings),
        "idTokenKeyId": settings.id_token_key,
        "refreshTokenTimeToLiveInMinutes": refresh_tokens.map(|policy| policy.absolute_for / MINUTE),
        "refreshTokenUsagePolicy": refresh_tokens.map(|policy| policy.usage.as_str()),
        "timeToLiveInSeconds": settings.access_token_for,
    }))
}

fn has_own_tokens(settings: &ApplicationSettings) -> bool {
    let has_own_keys = settings.access_token_key.is_some() || settings.id_token_key.is_some();
    settings.access_token_for.is_some() || settings.refresh_tokens.is_some() || has_own_keys
}

/// What the members of an `application` say, over what there is. URLs that are left out are gone; policies, switches
/// and grants that are left out stay.
pub(super) fn read(members: &mut Members<'_>, before: ApplicationSettings) -> ApplicationSettings {
    let mut settings = before;
    settings.data = members.object("data").unwrap_or_default();
    settings.redirect_uris = members.texts("oauthConfiguration.authorizedRedirectURLs");
    settings.origins = members.texts("oauthConfiguration.authorizedOriginURLs");
    settings.logout_uri = members.text("oauthConfiguration.logoutURL");
    settings.device_verification_uri = members.text("oauthConfiguration.deviceVerificationURL");
    let grants = ("oauthConfiguration.enabledGrants", &ApplicationGrant::ALL);
    if let Some(grants) = members.choices(grants.0, grants.1, ApplicationGrant::as_str) {
        settings.grants = grants;
    }
    for (name, switch) in [
        ("loginConfiguration.allowTokenRefresh", &mut settings.login_api.allows_refresh),
        ("loginConfiguration.generateRefreshTokens", &mut settings.login_api.generates_refresh_tokens),
        ("oauthConfiguration.certificateBoundAccessTokens", &mut settings.certificate_bound_access_tokens),
        ("oauthConfiguration.debug", &mut settings.debug),
        ("oauthConfiguration.dpopBoundAccessTokens", &mut settings.dpop_bound_access_tokens),
        ("oauthConfiguration.dpopNonce", &mut settings.dpop_nonce),
        ("oauthConfiguration.generateRefreshTokens", &mut settings.generates_refresh_tokens),
        ("oauthConfiguration.requirePushedAuthorizationRequests", &mut settings.requires_pushed_requests),
        ("oauthConfiguration.requireRegistration", &mut settings.requires_registration),
    ] {
        *switch = members.flag(name).unwrap_or(*switch);
    }
    read_limits(members, &mut settings);
    read_policies(members, &mut settings);
    read_provided_scopes(members, &mut settings);
    read_tokens(members, &mut settings);
    settings
}

/// What is ours and not FusionAuth's. An object that is there is all that counts.
fn read_limits(members: &mut Members<'_>, settings: &mut ApplicationSettings) {
    if members.has("oauthConfiguration.deviceGrant") {
        let has_scopes = members.has("oauthConfiguration.deviceGrant.scopes");
        let scopes = members.texts("oauthConfiguration.deviceGrant.scopes");
        settings.device_grant = DeviceGrantLimits {
            scopes: has_scopes.then_some(scopes),
            refresh_tokens_for: members.integer("oauthConfiguration.deviceGrant.refreshTokenTimeToLiveInSeconds"),
        };
    }
    if members.has("oauthConfiguration.tokenExchangeClients") {
        settings.token_exchange_clients = members.texts("oauthConfiguration.tokenExchangeClients");
    }
    if members.has("oauthConfiguration.tlsClientAuth") {
        let kind = members.text("oauthConfiguration.tlsClientAuth.kind");
        let name = members.text("oauthConfiguration.tlsClientAuth.name");
        let (is_said, subject) = (kind.is_some() || name.is_some(), kind.zip(name));
        settings.certificate_subject = subject.and_then(|(kind, name)| CertificateSubject::of(&kind, name));
        if is_said && settings.certificate_subject.is_none() {
            let message = format!("must have a name, and as its kind one of: {}", CertificateSubject::KINDS.join(", "));
            members.refuse("oauthConfiguration.tlsClientAuth", FieldCode::Invalid, message);
        }
    }
}

fn read_policies(members: &mut Members<'_>, settings: &mut ApplicationSettings) {
    // Two lines for each: the closed set of names is part of the type.
    let policy = "oauthConfiguration.clientAuthenticationPolicy";
    let chosen = members.choice(policy, &ClientAuthenticationPolicy::ALL, ClientAuthenticationPolicy::as_str);
    settings.client_authentication = chosen.unwrap_or(settings.client_authentication);
    let policy = "oauthConfiguration.proofKeyForCodeExchangePolicy";
    settings.pkce = members.choice(policy, &PkcePolicy::ALL, PkcePolicy::as_str).unwrap_or(settings.pkce);
    let policy = "oauthConfiguration.authorizedURLValidationPolicy";
    let chosen = members.choice(policy, &UrlValidation::ALL, UrlValidation::as_str);
    settings.url_validation = chosen.unwrap_or(settings.url_validation);
    let policy = "oauthConfiguration.logoutBehavior";
    let chosen = members.choice(policy, &LogoutBehavior::ALL, LogoutBehavior::as_str);
    settings.logout_behavior = chosen.unwrap_or(settings.logout_behavior);
    let policy = "oauthConfiguration.scopeHandlingPolicy";
    let chosen = members.choice(policy, &ScopeHandling::ALL, ScopeHandling::as_str);
    settings.scope_handling = chosen.unwrap_or(settings.scope_handling);
    let policy = "oauthConfiguration.unknownScopePolicy";
    let chosen = members.choice(policy, &UnknownScopes::ALL, UnknownScopes::as_str);
    settings.unknown_scopes = chosen.unwrap_or(settings.unknown_scopes);
    let policy = "oauthConfiguration.relationship";
    let chosen = members.choice(policy, &Relationship::ALL, Relationship::as_str);
    settings.relationship = chosen.unwrap_or(settings.relationship);
    let policy = "oauthConfiguration.consentMode";
    settings.consent = members.choice(policy, &ConsentMode::ALL, ConsentMode::as_str).unwrap_or(settings.consent);
}

fn read_provided_scopes(members: &mut Members<'_>, settings: &mut ApplicationSettings) {
    let provided = &mut settings.provided_scopes;
    for (name, scope) in [
        ("address", &mut provided.address),
        ("email", &mut provided.email),
        ("phone", &mut provided.phone),
        ("profile", &mut provided.profile),
    ] {
        let path = format!("oauthConfiguration.providedScopePolicy.{name}");
        scope.is_enabled = members.flag(&format!("{path}.enabled")).unwrap_or(scope.is_enabled);
        scope.is_required = members.flag(&format!("{path}.required")).unwrap_or(scope.is_required);
    }
}

fn read_tokens(members: &mut Members<'_>, settings: &mut ApplicationSettings) {
    let is_told = members.has("jwtConfiguration");
    let is_enabled = members.flag("jwtConfiguration.enabled").unwrap_or(has_own_tokens(settings));
    let keys = super::keys::named(members);
    let life = members.integer("jwtConfiguration.timeToLiveInSeconds");
    let minutes = members.integer("jwtConfiguration.refreshTokenTimeToLiveInMinutes");
    let usage = "jwtConfiguration.refreshTokenUsagePolicy";
    let usage = members.choice(usage, &RefreshTokenUsage::ALL, RefreshTokenUsage::as_str);
    if !is_enabled {
        settings.access_token_for = None;
        settings.refresh_tokens = None;
        (settings.access_token_key, settings.id_token_key) = (None, None);
        return;
    }
    if is_told {
        // A key that is left out is named no more.
        [settings.access_token_key, settings.id_token_key] = keys;
    }
    settings.access_token_for = life.or(settings.access_token_for);
    if minutes.is_none() && usage.is_none() {
        return;
    }
    let policy = settings.refresh_tokens.get_or_insert_default();
    policy.usage = usage.unwrap_or(policy.usage);
    // A shorter unit than ours is not lost as long as nothing changes.
    if let Some(minutes) = minutes.filter(|minutes| *minutes != policy.absolute_for / MINUTE) {
        policy.absolute_for = minutes.saturating_mul(MINUTE);
    }
    if minutes.is_some_and(|minutes| minutes <= 0) {
        let name = "jwtConfiguration.refreshTokenTimeToLiveInMinutes";
        members.refuse(name, FieldCode::Invalid, "must be at least 1");
    }
}
