//! A login that also lets a device in (`user_code`, F-064, F-160 to F-165). The code itself is `oauth::device`'s.

use std::net::IpAddr;

use uuid::Uuid;

use super::Party;
use crate::oauth::AuthorizationServer;
use crate::oauth::device::Typed;
use crate::oauth::error::OAuthError;
use crate::oauth::parameters::Parameters;

impl AuthorizationServer {
    /// The pending device code that the request is for, if it says one.
    pub(super) async fn check_user_code_of(
        &self,
        peer: Option<IpAddr>,
        parameters: &Parameters<'_>,
        party: &Party,
    ) -> Result<Option<Uuid>, OAuthError> {
        let Some(user_code) = parameters.find("user_code") else { return Ok(None) };
        let typed = Typed { user_code, peer, session_id: None };
        let code = self.find_by_user_code(party.issuer.tenant.id, Some(party.application.id), typed).await?;
        Ok(Some(code.id))
    }
}
