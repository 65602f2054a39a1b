//! What a client asks to be, and what it is: metadata to settings and back (RFC 7591 sections 2 and 3.2.1).
//!
//! Owns which wishes are refused, and which are granted otherwise than they were said: the answer tells the client what it is.

use serde_json::{Map, Value, json};

use super::document::{self, ClientMetadata, wrong};
use crate::directory::redirect_uri::check_pattern;
use crate::jose::Algorithm;
use crate::model::{
    Application, ApplicationGrant, ApplicationSettings, CertificateSubject, ClientAuthenticationPolicy,
    ClientRegistration, ConsentMode, CustomScope, PkcePolicy, RegistrationMode, Relationship, ResponseMode,
    SelfRegistered, UrlValidation,
};
use crate::oauth::client_authentication::AuthenticationMethod;
use crate::oauth::consent::host;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::keys::LocalIssuer;
use crate::oauth::{Settings, scopes};

/// Of those that a client may register.
const MOST_REDIRECT_URIS: usize = 20;

/// In bytes.
const LONGEST_NAME: usize = 120;

const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// What the tenant wants of such clients, and what this gateway can do.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub offered: &'a ClientRegistration,
    pub settings: &'a Settings,
}

/// What the client shall be.
pub(super) struct Wish {
    pub settings: ApplicationSettings,
    pub client_name: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub method: AuthenticationMethod,
    pub credential: Credential,
}

/// What it proves itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    Secret,
    /// Its own keys, or a certificate.
    Keys,
    None,
}

/// # Errors
/// `invalid_redirect_uri` or `invalid_client_metadata` (RFC 7591 3.2.2).
pub(super) fn check(metadata: ClientMetadata, terms: Terms<'_>) -> Result<Wish, OAuthError> {
    let (method, credential) = authentication(&metadata, terms.settings)?;
    let grants = granted(&metadata, terms.offered.mode)?;
    if metadata.subject_type.as_deref().is_some_and(|asked| asked != "public") {
        return Err(wrong("The subject_type can only be public."));
    }
    if metadata.client_name.as_ref().is_some_and(|name| name.trim().is_empty() || name.len() > LONGEST_NAME) {
        return Err(wrong("The client_name is empty, or longer than 120 bytes."));
    }
    let is_algorithm = |name: &String| Algorithm::ALL.into_iter().any(|algorithm| algorithm.as_str() == *name);
    if !metadata.userinfo_algorithm.as_ref().is_none_or(is_algorithm) {
        return Err(wrong("The userinfo_signed_response_alg is none that we sign with."));
    }
    let redirect_uris = redirect_uris(&metadata, (&grants, terms.offered))?;
    let settings = ApplicationSettings {
        client_authentication: match credential {
            Credential::None => ClientAuthenticationPolicy::NotRequired,
            Credential::Secret | Credential::Keys => ClientAuthenticationPolicy::Required,
        },
        jwks: metadata.jwks.as_ref().map(Value::to_string),
        certificate_subject: certificate_subject(&metadata, method)?,
        // OAuth 2.1 4.1.1: what nobody has looked at gets no code that somebody else could use.
        pkce: PkcePolicy::Required,
        generates_refresh_tokens: grants.contains(&ApplicationGrant::RefreshToken),
        grants,
        url_validation: UrlValidation::ExactMatch,
        redirect_uris,
        logout_uri: metadata.front_channel_logout_uri,
        logout_session_required: metadata.front_channel_logout_session_required.unwrap_or(false),
        // Nobody vouches for it, so people decide.
        relationship: Relationship::ThirdParty,
        consent: ConsentMode::RememberDecision,
        userinfo_algorithm: metadata.userinfo_algorithm,
        response_modes: ResponseMode::ALL.into_iter().filter(|mode| *mode != ResponseMode::WebMessage).collect(),
        dpop_bound_access_tokens: metadata.dpop_bound_access_tokens,
        certificate_bound_access_tokens: metadata.certificate_bound_access_tokens,
        requires_pushed_requests: metadata.requires_pushed_requests,
        data: metadata.about,
        ..ApplicationSettings::default()
    };
    let scopes = metadata.scope.as_deref().map(|scope| scopes::words(scope).map(str::to_owned).collect());
    Ok(Wish { settings, client_name: metadata.client_name, scopes, method, credential })
}

/// How it authenticates at the token endpoint; with its secret if it says nothing (RFC 7591 2).
fn authentication(
    metadata: &ClientMetadata,
    settings: &Settings,
) -> Result<(AuthenticationMethod, Credential), OAuthError> {
    use AuthenticationMethod as Method;
    let asked = metadata.authentication_method.as_deref().unwrap_or(Method::ClientSecretBasic.as_str());
    let method = Method::ALL.into_iter().find(|method| method.as_str() == asked);
    let method = method.filter(|method| method.is_possible(settings));
    let method = method.ok_or_else(|| wrong("The token_endpoint_auth_method is none that is possible here."))?;
    if metadata.certificate_bound_access_tokens && !settings.knows_certificates {
        return Err(wrong("Tokens cannot be bound to certificates: clients are not asked for any here."));
    }
    if metadata.has_jwks_uri {
        return Err(wrong("Keys are registered as jwks: we do not fetch them from a jwks_uri."));
    }
    let credential = match method {
        Method::ClientSecretBasic | Method::ClientSecretJwt | Method::ClientSecretPost => Credential::Secret,
        Method::None => Credential::None,
        Method::PrivateKeyJwt | Method::SelfSignedCertificate | Method::VouchedCertificate => Credential::Keys,
    };
    let needs_keys = matches!(method, Method::PrivateKeyJwt | Method::SelfSignedCertificate);
    match (needs_keys, metadata.jwks.is_some()) {
        (true, false) => Err(wrong("The token_endpoint_auth_method needs keys, and there is no jwks.")),
        // With them it could prove itself otherwise than it says.
        (false, true) => Err(wrong("There is a jwks, and the token_endpoint_auth_method does not use one.")),
        (true, true) | (false, false) => Ok((method, credential)),
    }
}

/// RFC 8705 2.1.2: exactly one name, where a certificate is the proof.
fn certificate_subject(
    metadata: &ClientMetadata,
    method: AuthenticationMethod,
) -> Result<Option<CertificateSubject>, OAuthError> {
    match (method, metadata.certificate_names.as_slice()) {
        (AuthenticationMethod::VouchedCertificate, [(kind, name)]) => Ok(CertificateSubject::of(kind, name.clone())),
        (AuthenticationMethod::VouchedCertificate, _) => {
            Err(wrong("The token_endpoint_auth_method tls_client_auth needs one name of the certificate."))
        }
        // It would be another way to prove itself.
        (_, [_, ..]) => Err(wrong("There is the name of a certificate, and the token_endpoint_auth_method uses none.")),
        (_, []) => Ok(None),
    }
}

/// The grants that clients can have which register themselves.
pub(in crate::oauth) fn grants(mode: RegistrationMode) -> impl Iterator<Item = ApplicationGrant> {
    let is_had = move |grant: &ApplicationGrant| match grant {
        ApplicationGrant::AuthorizationCode | ApplicationGrant::RefreshToken => true,
        // Whoever may register could send user codes to people, in the name of whatever they like (RFC 8628 5.4).
        ApplicationGrant::DeviceCode => mode == RegistrationMode::Protected,
        ApplicationGrant::Implicit | ApplicationGrant::Password => false, // RFC 9700 2.1.2, 2.4
    };
    ApplicationGrant::ALL.into_iter().filter(is_had)
}

/// Those of them that the client asks for; others are left out (RFC 7591 3.2.1).
fn granted(metadata: &ClientMetadata, mode: RegistrationMode) -> Result<Vec<ApplicationGrant>, OAuthError> {
    let default = [ApplicationGrant::AuthorizationCode.as_str().to_owned()];
    let asked = metadata.grant_types.as_deref().unwrap_or(&default);
    let is_asked_for = |grant: &ApplicationGrant| asked.iter().any(|name| name == grant.as_str());
    let granted: Vec<ApplicationGrant> = grants(mode).filter(is_asked_for).collect();
    if granted.iter().all(|grant| *grant == ApplicationGrant::RefreshToken) {
        return Err(wrong("The grant_types have none that a client can have that registers itself."));
    }
    // RFC 7591 2.1: what is asked for at the authorization endpoint belongs to a grant.
    let has_codes = granted.contains(&ApplicationGrant::AuthorizationCode);
    let asks_for_codes = |types: &Vec<String>| types.iter().any(|name| name == "code");
    match metadata.response_types.as_ref().map(asks_for_codes) {
        Some(false) if has_codes => Err(wrong("The response_types have no code, and the grant_types have.")),
        Some(true) if !has_codes => Err(wrong("The response_types have code, and the grant_types have none for it.")),
        Some(_) | None => Ok(granted),
    }
}

/// Where browsers may be sent with an answer, or after a logout.
fn redirect_uris(
    metadata: &ClientMetadata,
    (grants, offered): (&[ApplicationGrant], &ClientRegistration),
) -> Result<Vec<String>, OAuthError> {
    if metadata.redirect_uris.is_empty() && grants.contains(&ApplicationGrant::AuthorizationCode) {
        return Err(refused_redirect_uri("There are no redirect_uris."));
    }
    let mut all: Vec<String> = Vec::new();
    for uri in metadata.redirect_uris.iter().chain(&metadata.post_logout_redirect_uris) {
        if uri.contains('*') || check_pattern(uri, UrlValidation::ExactMatch).is_err() {
            return Err(wrong_redirect_uri());
        }
        if !leads_to_known_host(uri, offered) {
            let description = "A redirect URI leads to a host that clients cannot register here.";
            return Err(refused_redirect_uri(description));
        }
        if !all.contains(uri) {
            all.push(uri.clone());
        }
    }
    if all.len() > MOST_REDIRECT_URIS {
        return Err(refused_redirect_uri("There are more than 20 redirect URIs."));
    }
    Ok(all)
}

pub(super) fn wrong_redirect_uri() -> OAuthError {
    refused_redirect_uri(
        "A redirect URI must be https without fragment and wildcards, http to a loopback address, or have a scheme that \
         begins with a domain in reverse.",
    )
}

fn refused_redirect_uri(description: &'static str) -> OAuthError {
    OAuthError::without_reason(ErrorCode::InvalidRedirectUri, description)
}

/// Programs on the person's own machine are at no host.
fn leads_to_known_host(uri: &str, offered: &ClientRegistration) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else { return false };
    let host = host(uri);
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    !scheme.eq_ignore_ascii_case("https")
        || offered.redirect_hosts.is_empty()
        || LOOPBACK.contains(&name)
        || offered.redirect_hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The settings of a client that registered itself, as far as its tenant agrees with them today.
pub(super) fn narrowed(
    settings: &ApplicationSettings,
    own: &SelfRegistered,
    offered: Option<&ClientRegistration>,
) -> ApplicationSettings {
    let is_asked_for = |scope: &&CustomScope| own.scopes.as_ref().is_none_or(|asked| asked.contains(&scope.name));
    let offered_scopes = offered.map_or(&[][..], |offered| &offered.scopes).iter().filter(is_asked_for);
    // Those that administrators gave to this one come first: they said how they are to be worded.
    let mut scopes = settings.scopes.clone();
    for scope in offered_scopes {
        if scopes.iter().all(|own| own.name != scope.name) {
            scopes.push(scope.clone());
        }
    }
    let leads_on = |uri: &&String| offered.is_none_or(|offered| leads_to_known_host(uri, offered));
    ApplicationSettings {
        scopes,
        redirect_uris: settings.redirect_uris.iter().filter(leads_on).cloned().collect(),
        ..settings.clone()
    }
}

/// What the client is, in the words in which it asked. Without what only it knows.
pub(super) fn describe(application: &Application, issuer: &LocalIssuer) -> Map<String, Value> {
    let settings = &application.settings;
    let Some(own) = &settings.self_registered else { return Map::new() };
    let grants: Vec<&str> = settings.grants.iter().map(|grant| grant.as_str()).collect();
    let response_types: &[&str] = if settings.allows_browsers() { &["code"] } else { &[] };
    let described = json!({
        "client_id": application.client_id,
        "client_id_issued_at": application.created_at,
        "client_name": own.client_name,
        "dpop_bound_access_tokens": settings.dpop_bound_access_tokens,
        "frontchannel_logout_session_required": settings.logout_uri.as_ref().map(|_| settings.logout_session_required),
        "frontchannel_logout_uri": settings.logout_uri,
        "grant_types": grants,
        "id_token_signed_response_alg": issuer.tenant.id_token_algorithm,
        "jwks": settings.jwks.as_deref().and_then(|keys| serde_json::from_str::<Value>(keys).ok()),
        "redirect_uris": settings.redirect_uris,
        "require_pushed_authorization_requests": settings.requires_pushed_requests,
        "response_types": response_types,
        "scope": scope(settings, issuer, own),
        "subject_type": "public",
        "tls_client_certificate_bound_access_tokens": settings.certificate_bound_access_tokens,
        "token_endpoint_auth_method": own.authentication_method,
        "userinfo_signed_response_alg": settings.userinfo_algorithm,
    });
    let Value::Object(mut described) = described else { return Map::new() };
    described.retain(|_, value| !value.is_null());
    for (name, value) in document::about(&settings.data) {
        described.insert(name.to_owned(), value.clone());
    }
    if let Some((kind, name)) = settings.certificate_subject.as_ref().map(CertificateSubject::parts)
        && let Some(member) = document::certificate_member(kind)
    {
        described.insert(member.to_owned(), name.into());
    }
    described
}

/// Everything that the client may ask for, of what it said; of all there is, if it said nothing (RFC 7591 2).
fn scope(settings: &ApplicationSettings, issuer: &LocalIssuer, own: &SelfRegistered) -> String {
    let standard = [scopes::OPENID, scopes::OFFLINE_ACCESS, "address", "email", "phone", "profile"];
    let of_apis = issuer.tenant.settings.apis.iter().flat_map(|api| &api.scopes).map(String::as_str);
    let offered = settings.scopes.iter().map(|scope| scope.name.as_str());
    let is_asked_for = |scope: &&str| own.scopes.as_ref().is_none_or(|asked| asked.iter().any(|own| own == scope));
    let mut all: Vec<&str> = Vec::new();
    for scope in standard.into_iter().chain(offered).chain(of_apis).filter(is_asked_for) {
        let is_idle = scope == scopes::OFFLINE_ACCESS && !settings.generates_refresh_tokens;
        if !is_idle && !all.contains(&scope) {
            all.push(scope);
        }
    }
    all.join(" ")
}
