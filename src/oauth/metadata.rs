//! What this server says about itself (RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3).
//!
//! Owns the one document of an issuer; it lists what exists and somebody may use, and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::client_authentication::AuthenticationMethod;
use super::error::OAuthError;
use super::grant::GrantType;
use super::keys::LocalIssuer;
use super::{AuthorizationServer, Settings, client_registration, scopes, user_claims};
use crate::clock::UnixSeconds;
use crate::jose::{Algorithm, dpop};
use crate::model::{ApplicationGrant, ResponseMode};
use crate::profile::{Dialect, Endpoint};

/// Claims of our tokens beside those about a person.
const TOKEN_CLAIMS: [&str; 15] = [
    "acr",
    "amr",
    "applicationId",
    "at_hash",
    "aud",
    "auth_time",
    "authenticationType",
    "c_hash",
    "exp",
    "iat",
    "iss",
    "nonce",
    "roles",
    "sid",
    "sub",
];

/// What the applications of a tenant may and must do, as it was the last time that the store said so.
#[derive(Default)]
pub(super) struct Enabled(Mutex<HashMap<Uuid, (UnixSeconds, Offer)>>);

/// What the applications of a tenant have between them.
#[derive(Clone, Default)]
struct Offer {
    grants: Vec<ApplicationGrant>,
    /// Whether all of them have to push their authorization requests.
    only_pushed: bool,
    /// Whether services may act for the users of one of them.
    exchanges_tokens: bool,
}

impl Offer {
    /// What clients can have besides that are not there yet.
    fn add(&mut self, grants: impl Iterator<Item = ApplicationGrant>) {
        self.grants.extend(grants);
        self.only_pushed = false;
    }
}

impl AuthorizationServer {
    /// The metadata of a tenant, or of the default one. `None` for tenants that do not exist or whose issuer is not a
    /// URL and therefore cannot be discovered (D2).
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store has to be asked and does not answer.
    pub async fn metadata(&self, tenant_id: Option<Uuid>) -> Result<Option<Bytes>, OAuthError> {
        let published = |issuer: &Arc<LocalIssuer>| issuer.is_discoverable() || issuer.dialect().publishes_any_issuer;
        let Some(issuer) = self.published_issuer(tenant_id).await?.filter(published) else { return Ok(None) };
        if issuer.dialect().short_metadata {
            return Ok(Some(describe_shortly(&issuer).to_string().into()));
        }
        let mut offer = self.offer(issuer.tenant.id).await;
        if let Some(registration) = &issuer.tenant.settings.client_registration {
            offer.add(client_registration::grants(registration.mode));
        }
        let settings = self.keys.settings();
        let mut document = describe(&issuer, &offer, settings);
        if settings.knows_certificates {
            // RFC 8705 3.3
            document["tls_client_certificate_bound_access_tokens"] = true.into();
        }
        let aliases = aliases(&document, settings);
        if !aliases.is_empty() {
            document["mtls_endpoint_aliases"] = aliases.into();
        }
        Ok(Some(document.to_string().into()))
    }

    /// The key set of a tenant, or of the default one (RFC 7517). `None` for tenants that do not exist.
    ///
    /// # Errors
    /// As [`AuthorizationServer::metadata`].
    pub async fn key_set(&self, tenant_id: Option<Uuid>) -> Result<Option<Bytes>, OAuthError> {
        Ok(self.published_issuer(tenant_id).await?.map(|issuer| issuer.key_set_document()))
    }

    /// Seconds for which others may cache the documents.
    pub fn cache_for(&self) -> i64 {
        self.keys.settings().cache_for()
    }

    async fn published_issuer(&self, tenant_id: Option<Uuid>) -> Result<Option<Arc<LocalIssuer>>, OAuthError> {
        match tenant_id {
            Some(tenant_id) => self.find_issuer_of(tenant_id).await,
            None => Ok(self.keys.issuer(None)),
        }
    }

    /// What at least one application may use. The store is asked once a second at most; while it does not answer, what it
    /// said last is true, because the document must be there when nothing else is.
    async fn offer(&self, tenant_id: Uuid) -> Offer {
        let now = self.clock.now();
        let known =
            |enabled: &Enabled| enabled.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant_id).cloned();
        let before = known(&self.enabled);
        if let Some((at, offer)) = &before
            && *at == now
        {
            return offer.clone();
        }
        let Ok(applications) = self.directory.applications(Some(tenant_id)).await else {
            return before.map(|(_, offer)| offer).unwrap_or_default();
        };
        let is_enabled = |grant: &ApplicationGrant| applications.iter().any(|application| application.allows(*grant));
        let mut asking = applications.iter().filter(|application| application.settings.allows_browsers()).peekable();
        let offer = Offer {
            grants: ApplicationGrant::ALL.into_iter().filter(is_enabled).collect(),
            exchanges_tokens: applications.iter().any(|one| !one.settings.token_exchange_clients.is_empty()),
            only_pushed: asking.peek().is_some() && asking.all(|asking| asking.settings.requires_pushed_requests),
        };
        let mut all = self.enabled.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(tenant_id, (now, offer.clone()));
        offer
    }
}

/// Every URL derives from the issuer. Members in alphabetical order.
fn describe(issuer: &LocalIssuer, offer: &Offer, settings: &Settings) -> Value {
    let (dialect, enabled) = (issuer.dialect(), offer.grants.as_slice());
    let url = |endpoint| format!("{}{}", issuer.base_url, dialect.path(endpoint));
    let algorithms = issuer.id_token_algorithms();
    let methods = AuthenticationMethod::ALL.into_iter().filter(|method| method.is_possible(settings));
    let proofs: Vec<_> = methods.map(AuthenticationMethod::as_str).collect();
    let real_proofs: Vec<_> = proofs.iter().filter(|method| **method != "none").collect();
    let signed_by: Vec<_> = Algorithm::ALL.into_iter().map(Algorithm::as_str).collect();
    let mut claims: Vec<_> = TOKEN_CLAIMS.into_iter().chain(user_claims::ALL).collect();
    claims.sort_unstable();
    let mut document = json!({
        "acr_values_supported": [dialect.password_acr, "2"],
        "authorization_endpoint": url(Endpoint::Authorize),
        "authorization_response_iss_parameter_supported": dialect.names_issuer,
        "backchannel_logout_session_supported": true,
        "backchannel_logout_supported": true,
        "check_session_iframe": url(Endpoint::SessionCheck),
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": true,
        "claims_supported": claims,
        "code_challenge_methods_supported": ["S256"],
        "device_authorization_endpoint": url(Endpoint::DeviceAuthorization),
        "display_values_supported": ["page"],
        "dpop_signing_alg_values_supported": dpop::algorithms().collect::<Vec<_>>(),
        "end_session_endpoint": url(Endpoint::Logout),
        "frontchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "grant_types_supported": grant_types(offer),
        "id_token_signing_alg_values_supported": algorithms,
        "introspection_endpoint": url(Endpoint::Introspect),
        "introspection_endpoint_auth_methods_supported": real_proofs,
        "introspection_endpoint_auth_signing_alg_values_supported": signed_by,
        "issuer": issuer.issuer,
        "jwks_uri": url(Endpoint::KeySet),
        "prompt_values_supported": ["none", "login", "consent"],
        "pushed_authorization_request_endpoint": url(Endpoint::PushedRequest),
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "require_pushed_authorization_requests": offer.only_pushed,
        "response_modes_supported": response_modes(dialect),
        "response_types_supported": response_types(enabled, dialect),
        "revocation_endpoint": url(Endpoint::Revoke),
        "revocation_endpoint_auth_methods_supported": proofs,
        "revocation_endpoint_auth_signing_alg_values_supported": signed_by,
        "scopes_supported": [scopes::OPENID, scopes::OFFLINE_ACCESS, "address", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint": url(Endpoint::Token),
        "token_endpoint_auth_methods_supported": proofs,
        "token_endpoint_auth_signing_alg_values_supported": signed_by,
        "ui_locales_supported": ["ar", "de", "en"],
        "userinfo_endpoint": url(Endpoint::UserInfo),
        "userinfo_signing_alg_values_supported": algorithms,
    });
    let has_devices = enabled.contains(&ApplicationGrant::DeviceCode);
    for (is_there, member) in [
        (has_devices, "device_authorization_endpoint"),
        (dialect.lists_pushed_requests, "pushed_authorization_request_endpoint"),
        (dialect.lists_pushed_requests, "require_pushed_authorization_requests"),
    ] {
        if let (false, Some(members)) = (is_there, document.as_object_mut()) {
            members.shift_remove(member);
        }
    }
    if issuer.tenant.settings.client_registration.is_some() {
        document["registration_endpoint"] = url(Endpoint::ClientRegistration).into(); // RFC 7591 3
    }
    document
}

/// RFC 8705 5: the endpoints that clients call, where they are asked for certificates.
fn aliases(document: &Value, settings: &Settings) -> Map<String, Value> {
    const CALLED: [&str; 6] = [
        "device_authorization_endpoint",
        "introspection_endpoint",
        "pushed_authorization_request_endpoint",
        "revocation_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
    ];
    let alias = |name: &str| Some((name.to_owned(), settings.with_certificate(document.get(name)?.as_str()?)?.into()));
    CALLED.into_iter().filter_map(alias).collect()
}

/// D10, A8: what somebody may use. Entities always have theirs.
fn grant_types(offer: &Offer) -> Vec<&'static str> {
    let enabled = offer.grants.as_slice();
    let is_enabled = |grant: &GrantType| match grant {
        GrantType::TokenExchange => offer.exchanges_tokens,
        grant => grant.of_application().is_none_or(|grant| enabled.contains(&grant)),
    };
    let mut names: Vec<_> = GrantType::ALL.into_iter().filter(is_enabled).map(GrantType::as_str).collect();
    if enabled.contains(&ApplicationGrant::Implicit) {
        names.push(ApplicationGrant::Implicit.as_str());
    }
    names.sort_unstable();
    names
}

fn response_modes(dialect: &Dialect) -> Vec<&'static str> {
    let is_known = |mode: &ResponseMode| *mode != ResponseMode::WebMessage || dialect.knows_web_messages;
    ResponseMode::ALL.into_iter().filter(is_known).map(ResponseMode::as_str).collect()
}

/// A8: implicit and hybrid when an application has them.
fn response_types(enabled: &[ApplicationGrant], dialect: &Dialect) -> Vec<&'static str> {
    let has_code = enabled.contains(&ApplicationGrant::AuthorizationCode);
    let has_implicit = enabled.contains(&ApplicationGrant::Implicit);
    let mut types = Vec::new();
    if has_code {
        types.push("code");
    }
    if has_implicit {
        types.extend(["id_token", "id_token token", "token"]);
    }
    if has_code && has_implicit && dialect.knows_hybrid {
        types.extend(["code id_token", "code id_token token", "code token"]);
    }
    types
}

/// F-152: key for key what the first version answered.
fn describe_shortly(issuer: &LocalIssuer) -> Value {
    const ALGORITHMS: [&str; 6] = ["RS256", "RS384", "RS512", "HS256", "HS384", "HS512"];
    let url = |path: &str| format!("{}{path}", issuer.base_url);
    json!({
        "authorization_endpoint": url("/oauth2/authorize"),
        "claims_supported": [
            "applicationId", "aud", "authenticationType", "email", "email_verified", "exp", "iat", "iss", "nbf",
            "roles", "sub",
        ],
        "grant_types_supported": ["authorization_code", "password", "refresh_token"],
        "id_token_signing_alg_values_supported": ALGORITHMS,
        "issuer": issuer.issuer,
        "response_types_supported": ["code"],
        "scopes_supported": [scopes::OPENID, scopes::OFFLINE_ACCESS],
        "subject_types_supported": ["public"],
        "token_endpoint": url("/oauth2/token"),
        "userinfo_endpoint": url("/oauth2/userinfo"),
        "userinfo_signing_alg_values_supported": ALGORITHMS,
    })
}
