//! The end of a device's wait: somebody says yes, on our page or, through `/oauth2/device/approve`, on the client's own.
//!
//! Owns the step from pending to approved, and who may take it without our page.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::authorize::missing_user_code;
use super::check_enabled;
use super::lookup::{DeviceInfo, Typed, invalid_user_code};
use crate::events::Event;
use crate::model::{Application, Approval, AuthenticationType, ConsentMode, DeviceCode, Relationship, User};
use crate::oauth::access_tokens::{Believed, invalid};
use crate::oauth::client::{Client, check_obstacle};
use crate::oauth::client_authentication::Credentials;
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;
use crate::oauth::{AuthorizationServer, TokenRequest};

/// CONTRACT D-06.
#[derive(Debug, Serialize)]
pub struct DeviceApproved {
    #[serde(rename = "deviceGrantStatus")]
    status: &'static str,
    #[serde(rename = "deviceInfo")]
    device: DeviceInfo,
    #[serde(rename = "tenantId")]
    tenant_id: Uuid,
    #[serde(rename = "userId")]
    user_id: Uuid,
}

impl AuthorizationServer {
    /// `POST /oauth2/device/approve` (D-06): a client whose own page the person used. It brings the user code and the
    /// person's access token, which must have been issued to it; and it must prove who it is, because a token alone, once
    /// stolen, would be good for a refresh token.
    ///
    /// # Errors
    /// `invalid_client`, `invalid_token`, `invalid_request` with `invalid_user_code`, `consent_required` if the device
    /// wants more of a third party's user than the token has.
    pub async fn approve_device_by_token(&self, request: &TokenRequest<'_>) -> Result<DeviceApproved, OAuthError> {
        let form = Parameters::parse(request.body)?;
        let credentials = Credentials::parse(request, &form)?;
        let issuer = self.resolve_tenant(request, &form, Some(&credentials.client_id)).await?;
        let client = self.identify_client(&issuer, &credentials, request).await?.require_unless_public()?;
        let Client::Application(application) = &client.client else {
            let description = "Entities have no devices.";
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description));
        };
        check_enabled(application)?;
        if !client.is_proven() {
            let description = "The client must authenticate.";
            return Err(OAuthError::invalid_client(ErrorReason::ClientAuthenticationMissing, description));
        }
        let token = form
            .find("token")
            .ok_or_else(|| OAuthError::invalid_request(ErrorReason::MissingToken, "The request has no token."))?;
        let typed = Typed {
            user_code: form.find("user_code").ok_or_else(missing_user_code)?,
            peer: request.peer,
            session_id: None,
        };
        let token = self.verify_bearer_token(&issuer, token)?;
        let user = self.holder(&token, application).await?;
        let code = self.find_by_user_code(issuer.tenant.id, Some(application.id), typed).await?;
        check_consent(&token, &code, application)?;
        let approval = self.approval_by(&token, &user, &code);
        self.approve_device_code(code.id, &approval).await?;
        Ok(DeviceApproved {
            status: "Approved",
            device: DeviceInfo { name: code.device_name },
            tenant_id: code.tenant_id,
            user_id: user.id,
        })
    }

    /// Lets the device have what is approved. Of any number of calls for one code one succeeds.
    ///
    /// # Errors
    /// `invalid_request` if the code was decided before or has expired.
    pub(in crate::oauth) async fn approve_device_code(&self, id: Uuid, approval: &Approval) -> Result<(), OAuthError> {
        if !self.store.decide_device_code(id, Some(approval), self.clock.now()).await? {
            return Err(invalid_user_code());
        }
        Event::DeviceApproved.tell(&id.to_string());
        Ok(())
    }

    /// The user whose token it is, if the client got it itself.
    async fn holder(&self, token: &Believed, application: &Application) -> Result<User, OAuthError> {
        let user_id = token.user_id().filter(|_| token.is_own_of(&application.client_id)).ok_or_else(invalid)?;
        let user = self.store.find_user(user_id).await?;
        let user = user.filter(|user| user.tenant_id == application.tenant_id).ok_or_else(invalid)?;
        check_obstacle(&user, self.clock.now())?;
        if application.settings.requires_registration
            && self.store.find_registration(user.id, application.id).await?.is_none()
        {
            let description = "The user is not registered with this client.";
            return Err(OAuthError::new(ErrorCode::AccessDenied, ErrorReason::RegistrationRequired, description));
        }
        Ok(user)
    }

    fn approval_by(&self, token: &Believed, user: &User, code: &DeviceCode) -> Approval {
        let methods = token.claims.get("amr").and_then(Value::as_array).into_iter().flatten();
        Approval {
            grant_id: self.entropy.uuid(),
            tenant_id: code.tenant_id,
            application_id: code.application_id,
            user_id: user.id,
            session_id: token.text("sid").and_then(|id| Uuid::try_parse(id).ok()),
            scopes: code.scopes.clone(),
            audience: code.audience.clone(),
            authenticated_at: token.claims.get("auth_time").and_then(Value::as_i64).unwrap_or(code.created_at),
            methods: methods.filter_map(Value::as_str).map(str::to_owned).collect(),
            acr: token.text("acr").map(str::to_owned),
            nonce: None,
            claims: None,
            bound_to: None,
            authentication_type: AuthenticationType::SingleSignOn,
        }
    }
}

/// Users of a third party say themselves what it may have, and here nobody asks them (K8).
fn check_consent(token: &Believed, code: &DeviceCode, application: &Application) -> Result<(), OAuthError> {
    let settings = &application.settings;
    let trusted = settings.relationship == Relationship::FirstParty || settings.consent == ConsentMode::NeverPrompt;
    if trusted || code.scopes.iter().all(|scope| token.has_scope(scope)) {
        return Ok(());
    }
    let description = "The user has not agreed to everything that the device asks for.";
    Err(OAuthError::new(ErrorCode::ConsentRequired, ErrorReason::ConsentRequired, description))
}
