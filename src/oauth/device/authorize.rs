//! `/oauth2/device_authorize` (RFC 8628 section 3.1): a device asks for a code.
//!
//! Owns what is stored and answered; who the client is was found out before.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::ser::{Serialize, SerializeMap, Serializer};

use uuid::Uuid;

use super::{check_enabled, check_limits, user_code};
use crate::events::Event;
use crate::model::{Application, ClientAuthenticationPolicy, DeviceCode, DeviceState, Tenant};
use crate::oauth::client::Client;
use crate::oauth::client_authentication::Credentials;
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::keys::LocalIssuer;
use crate::oauth::parameters::Parameters;
use crate::oauth::plain_name::plain_name;
use crate::oauth::secret_shape::draw;
use crate::oauth::{AuthorizationServer, TokenRequest, audience, scopes};
use crate::percent;
use crate::profile::{DeviceMember, Dialect, Endpoint};
use crate::store::{StoreError, Unique};

/// How often a user code is drawn again because somebody has it already.
const DRAWS: usize = 8;
/// What a device may call itself, in characters.
const MAX_NAME: usize = 100;
pub(super) const USER_CODE: &str = "user_code";

/// RFC 8628 section 3.2. The order of the members is up to the dialect.
#[derive(Debug)]
pub struct DeviceAuthorization {
    /// 32 random bytes in base64url, 43 characters (F-158, J4).
    pub device_code: String,
    /// Seconds for which both codes live.
    pub expires_in: i64,
    /// Seconds between two polls.
    pub interval: i64,
    pub user_code: String,
    pub verification_uri: String,
    pub verification_uri_complete: String,
    dialect: &'static Dialect,
}

impl Serialize for DeviceAuthorization {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.dialect.device_members.len()))?;
        for member in self.dialect.device_members {
            match member {
                DeviceMember::DeviceCode => members.serialize_entry("device_code", &self.device_code)?,
                DeviceMember::ExpiresIn => members.serialize_entry("expires_in", &self.expires_in)?,
                DeviceMember::Interval => members.serialize_entry("interval", &self.interval)?,
                DeviceMember::UserCode => members.serialize_entry("user_code", &self.user_code)?,
                DeviceMember::VerificationUri => members.serialize_entry("verification_uri", &self.verification_uri)?,
                DeviceMember::VerificationUriComplete => {
                    members.serialize_entry("verification_uri_complete", &self.verification_uri_complete)?;
                }
            }
        }
        members.end()
    }
}

impl AuthorizationServer {
    /// RFC 8628 section 3.1.
    ///
    /// # Errors
    /// The [`OAuthError`] that the client is to be told; 429 for a client that asks too often (J10).
    pub async fn device_authorization(&self, request: &TokenRequest<'_>) -> Result<DeviceAuthorization, OAuthError> {
        let form = Parameters::parse(request.body)?;
        let credentials = Credentials::parse(request, &form)?;
        let issuer = self.resolve_tenant(request, &form, Some(&credentials.client_id)).await?;
        let answer = self.begin_device(&issuer, &credentials, (request, &form)).await;
        answer.map_err(|error| {
            if let Some(log) = issuer.dialect().log {
                let about = (issuer.tenant.id, &*credentials.client_id);
                tell_refusal(Event::DeviceRequestRefused, about, (log.request_refused, log.protocol));
            }
            error.said_in(issuer.dialect())
        })
    }

    async fn begin_device(
        &self,
        issuer: &LocalIssuer,
        credentials: &Credentials<'_>,
        (request, form): (&TokenRequest<'_>, &Parameters<'_>),
    ) -> Result<DeviceAuthorization, OAuthError> {
        if !issuer.dialect().confidential_devices {
            self.check_keeps_no_secret(issuer, credentials).await?;
        }
        let application = match issuer.dialect().bare_device_requests && credentials.is_bare() {
            true => self.named_application(issuer, &credentials.client_id).await?, // F-286
            false => self.authenticate_application_of(issuer, credentials, request).await?,
        };
        check_enabled(&application)?;
        let meant = self.meant(issuer, audience::named(form))?;
        let scopes = scopes::check(&application.settings, meant.api, form.find("scope"))?;
        let scopes = check_limits(&application.settings, scopes)?;
        let now = self.clock.now();
        let source = (application.id, request.peer.map(crate::peer::network));
        self.device_limits.request(source, now).map_err(too_often)?;
        let name = form.find("metaData.device.name").or_else(|| form.find("device_name"));
        let asked = Asked {
            scopes,
            audience: meant.audience,
            peer: request.peer,
            device_name: name.map(|name| plain_name(name, MAX_NAME)).filter(|name| !name.is_empty()),
        };
        let (device_code, user_code) = self.remember_device(&issuer.tenant, &application, asked).await?;
        let verification_uri = verification_uri(issuer, &application, self.is_meant_alone(issuer, Endpoint::Device));
        Ok(DeviceAuthorization {
            dialect: issuer.dialect(),
            device_code,
            expires_in: issuer.tenant.settings.device_code_for,
            interval: issuer.tenant.settings.device_interval,
            verification_uri_complete: with_parameter(
                &verification_uri,
                issuer.dialect().name_of(USER_CODE),
                &user_code,
            ),
            verification_uri: verification_uri.into_owned(),
            user_code,
        })
    }

    /// F-245
    async fn check_keeps_no_secret(
        &self,
        issuer: &LocalIssuer,
        credentials: &Credentials<'_>,
    ) -> Result<(), OAuthError> {
        let must_authenticate = match self.find_client(issuer.tenant.id, &credentials.client_id).await? {
            Some(Client::Application(application)) => match application.settings.client_authentication {
                ClientAuthenticationPolicy::Required => true,
                ClientAuthenticationPolicy::NotRequired | ClientAuthenticationPolicy::NotRequiredWhenUsingPkce => false,
            },
            Some(Client::Entity(_)) | None => false,
        };
        if must_authenticate || !credentials.is_bare() { Err(super::confidential()) } else { Ok(()) }
    }

    /// A picture of the URI that a device with this user code sends people to, as SVG. It is drawn without looking the
    /// code up, so it tells nobody whether there is such a code.
    ///
    /// # Errors
    /// `invalid_request` if the client is unknown, has no device grant, or nothing could be a user code of that length.
    pub async fn device_picture(&self, request: &TokenRequest<'_>) -> Result<String, OAuthError> {
        let form = Parameters::parse(request.body)?;
        let (issuer, application) = self.find_application(request, &form).await?;
        check_enabled(&application)?;
        let typed = form.find(USER_CODE).ok_or_else(missing_user_code)?;
        let shown = user_code::normal(typed).map(|code| user_code::shown(&code, &issuer.tenant.settings.user_code));
        let uri = verification_uri(&issuer, &application, self.is_meant_alone(&issuer, Endpoint::Device));
        let name = issuer.dialect().name_of(USER_CODE);
        let picture = shown.and_then(|code| super::picture::svg(&with_parameter(&uri, name, &code)));
        picture.ok_or_else(super::lookup::invalid_user_code)
    }

    /// Stores a code; answers the device code and the user code.
    async fn remember_device(
        &self,
        tenant: &Tenant,
        application: &Application,
        asked: Asked,
    ) -> Result<(String, String), OAuthError> {
        let now = self.clock.now();
        let device_code = draw(Dialect::of(tenant.profile).secret_shape, &self.entropy, 32);
        let mut code = DeviceCode {
            id: self.entropy.uuid(),
            hash: user_code::hash(&device_code),
            user_code_hash: String::new(),
            tenant_id: tenant.id,
            application_id: application.id,
            scopes: asked.scopes,
            audience: asked.audience,
            state: DeviceState::Pending,
            interval: tenant.settings.device_interval,
            last_polled_at: None,
            peer: asked.peer.map(|peer| peer.to_canonical().to_string()),
            device_name: asked.device_name,
            created_at: now,
            expires_at: now + tenant.settings.device_code_for,
        };
        for _ in 0..DRAWS {
            let drawn = user_code::draw(&self.entropy, &tenant.settings.user_code);
            code.user_code_hash = user_code::hash(&user_code::normal(&drawn).unwrap_or_default());
            match self.store.insert_device_code(&code).await {
                Ok(()) => {
                    Event::DeviceRequested.tell(&code.id.to_string());
                    return Ok((device_code, drawn));
                }
                Err(StoreError::Conflict(Unique::UserCode)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(OAuthError::unavailable("every user code that was drawn is in use: the tenant's shape is too short"))
    }
}

/// What the request brings besides the client.
struct Asked {
    scopes: Vec<String>,
    audience: Option<String>,
    peer: Option<IpAddr>,
    device_name: Option<String>,
}

/// Where people type the user code: the application's own page (F-161), or ours. Ours is told the tenant where the path
/// does not say it, and in FusionAuth's dialect the client too (F-162).
fn verification_uri<'a>(issuer: &LocalIssuer, application: &'a Application, is_meant_alone: bool) -> Cow<'a, str> {
    if let Some(own) = &application.settings.device_verification_uri {
        return own.into();
    }
    let tenant_id = issuer.tenant.id.to_string();
    let dialect = issuer.dialect();
    let mut uri = format!("{}{}", issuer.base_url, dialect.path(Endpoint::Device));
    let named = dialect.device_page_names_client;
    if named {
        uri = with_parameter(&uri, "client_id", &application.client_id);
    }
    let is_in_path = dialect.realm_of(&issuer.tenant).is_some() || issuer.base_url.ends_with(&tenant_id);
    if named || !is_meant_alone && !is_in_path {
        uri = with_parameter(&uri, "tenantId", &tenant_id);
    }
    uri.into()
}

/// Appends a parameter to a URI that may have some already, before its fragment (F-161).
fn with_parameter(uri: &str, name: &str, value: &str) -> String {
    let (uri, fragment) = uri.split_at(uri.find('#').unwrap_or(uri.len()));
    let sign = match uri.find('?') {
        None => "?",
        Some(_) if uri.ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    format!("{uri}{sign}{name}={}{fragment}", percent::encoded(value))
}

/// Writes what went wrong with the device grant, with the code that the dialect's log has for it (F-253, F-254).
pub(in crate::oauth) fn tell_refusal(
    event: Event,
    (tenant_id, client_id): (Uuid, &str),
    (code, protocol): (&'static str, &'static str),
) {
    event.tell_as(&tenant_id.to_string(), Some(client_id), Some((code, protocol)));
}

pub(super) fn missing_user_code() -> OAuthError {
    OAuthError::invalid_request(ErrorReason::MissingUserCode, "The request has no user_code.")
}

fn too_often(retry_after: i64) -> OAuthError {
    let description = "Too many requests for device codes. Try again later.";
    let error = OAuthError::new(ErrorCode::Throttled, ErrorReason::Unknown, description);
    OAuthError { retry_after: Some(retry_after), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F-161
    #[test]
    fn the_user_code_joins_the_parameters_that_are_there() {
        let rows = [
            ("https://tv.example/go", "https://tv.example/go?user_code=A%20B"),
            ("https://tv.example/go?x=1", "https://tv.example/go?x=1&user_code=A%20B"),
            ("https://tv.example/go?", "https://tv.example/go?user_code=A%20B"),
            ("https://tv.example/go?x=1&", "https://tv.example/go?x=1&user_code=A%20B"),
            ("https://tv.example/#/go", "https://tv.example/?user_code=A%20B#/go"),
        ];
        for (uri, expected) in rows {
            assert_eq!(with_parameter(uri, "user_code", "A B"), expected);
        }
    }
}
