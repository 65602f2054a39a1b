//! Client credentials of an application that acts for itself (RFC 6749 section 4.4), where a dialect has that (F-281, F-309,
//! D27). Elsewhere only entities do.
//!
//! Owns which scopes such a token can have: those that an administrator defined with the application, and no others.

use super::{Asking, GrantType};
use crate::model::{Approval, AuthenticationType};
use crate::oauth::audience::AUDIENCE;
use crate::oauth::error::{ErrorReason, OAuthError};
use crate::oauth::issue::{Holder, UserGrant};
use crate::oauth::parameters::Parameters;
use crate::oauth::{AuthorizationServer, scopes};

use std::sync::Arc;

pub(super) struct Request<'a> {
    scope: Option<&'a str>,
    /// As for passwords.
    audience: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub(super) fn parse(form: &'a Parameters<'a>) -> Self {
        Self { scope: form.find("scope"), audience: form.find(AUDIENCE) }
    }
}

impl AuthorizationServer {
    /// # Errors
    /// `invalid_request` without a scope where one is needed, `invalid_scope` for one that the application did not define.
    pub(super) async fn redeem_own_credentials(
        &self,
        asking: &Asking<'_>,
        request: &Request<'_>,
    ) -> Result<UserGrant, OAuthError> {
        let (dialect, settings) = (asking.issuer.dialect(), &asking.application.settings);
        let own = dialect.own_tokens.ok_or_else(super::disabled)?;
        if own.needs_scope && request.scope.is_none() {
            return Err(OAuthError::invalid_request(ErrorReason::MissingRequiredScope, "The request has no scope."));
        }
        let scopes = scopes::check_own(settings, request.scope, dialect.narrows_scopes)?;
        let approval = Approval {
            grant_id: self.entropy.uuid(),
            tenant_id: asking.issuer.tenant.id,
            application_id: asking.application.id,
            user_id: asking.application.id,
            session_id: None,
            scopes,
            audience: self.meant(asking.issuer, (asking.resource, request.audience))?.audience,
            authenticated_at: self.clock.now(),
            methods: Vec::new(),
            acr: None,
            nonce: None,
            claims: None,
            bound_to: None,
            authentication_type: AuthenticationType::ClientCredentials,
        };
        self.check_can_issue(asking.issuer, &approval)?;
        let family = self.begin_family(asking, &approval, None).filter(|_| own.refreshes);
        if let Some(family) = &family {
            self.store.insert_refresh_token(&family.stored).await?;
        }
        Ok(UserGrant {
            grant_type: GrantType::ClientCredentials,
            approval,
            subject: Holder::Application(Arc::clone(asking.application)),
            refresh_token: family.map(|family| family.new),
            at_most_for: None,
        })
    }
}
