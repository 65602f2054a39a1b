//! A login that also lets a device in (`user_code`, F-064, F-160 to F-165). The code itself is `oauth::device`'s.

use std::net::IpAddr;

use super::{Asked, Party, Question};
use crate::model::DeviceCode;
use crate::oauth::AuthorizationServer;
use crate::oauth::consent::Consented;
use crate::oauth::device::{self, CONFIRMED, Typed};
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::interaction::{BrowserRequest, FormOrigin, Step};
use crate::oauth::login::{MOST_ADDRESS_BYTES, Place};
use crate::oauth::parameters::Parameters;
use crate::oauth::session::SignedIn;

/// The code that the person's device shows.
const USER_CODE: &str = "user_code";

impl AuthorizationServer {
    /// The pending device code that the request is for, if it says one.
    pub(super) async fn check_user_code_of(
        &self,
        peer: Option<IpAddr>,
        parameters: &Parameters<'_>,
        party: &Party,
    ) -> Result<Option<DeviceCode>, OAuthError> {
        let Some(user_code) = parameters.find(USER_CODE) else { return Ok(None) };
        let typed = Typed { user_code, peer, session_id: None };
        self.find_by_user_code(party.issuer.tenant.id, Some(party.application.id), typed).await.map(Some)
    }

    /// Anybody can make a link with the code of a device of theirs. So nobody lets one in by signing in alone: the page
    /// about the device comes first, wherever the person came from (RFC 8628 3.3.1, 5.4, J7, J8). `None` if there is no
    /// device, or the person was shown it and allowed it.
    ///
    /// # Errors
    /// `access_denied` if the person denies, `consent_required` if they may not be asked.
    pub(super) async fn check_device_confirmed(
        &self,
        request: &BrowserRequest<'_>,
        question: &Question<'_>,
        (party, asked, place): (&Party, &Asked, &Place<'_>),
        person: &SignedIn,
    ) -> Result<Option<Consented>, OAuthError> {
        let Some(device) = asked.device.as_ref().filter(|_| !is_program(request, party, person)) else {
            return Ok(None);
        };
        let is_answer = request.step == Step::Start && request.form_origin == FormOrigin::Own;
        if self.is_device_confirmed(question.brought, device.id, person) {
            match question.brought.find("decision").filter(|_| is_answer) {
                Some("allow") | None => return Ok(None),
                Some(_) => {
                    self.deny_device_code(&party.issuer, device.id).await?;
                    let description = "The user denied the request.";
                    return Err(OAuthError::new(ErrorCode::AccessDenied, ErrorReason::ConsentCanceled, description));
                }
            }
        }
        if asked.prompt.is_none {
            let description = "The user is required to confirm the device.";
            return Err(OAuthError::new(ErrorCode::ConsentRequired, ErrorReason::ConsentRequired, description));
        }
        // What was posted before is not posted again by a reload (UX 22).
        let address = place.address(request, Step::Start);
        if request.form.is_some() && address.len() <= MOST_ADDRESS_BYTES {
            return Ok(Some(Consented::AskThere(address)));
        }
        let mut form = place.form(request, Step::Start);
        form.fields.retain(|(name, _)| name != CONFIRMED);
        form.fields.push((CONFIRMED.to_owned(), self.device_confirmation(device.id, person)));
        let typed = question.said.find(USER_CODE).unwrap_or_default();
        let who = (&*party.issuer.tenant, &*party.application);
        let page = device::confirmation(form, who, (device, typed, &asked.scopes), self.clock.now());
        Ok(Some(Consented::Ask(Box::new(page))))
    }
}

/// F-047: a program that brings the person's password itself was led here by nobody.
fn is_program(request: &BrowserRequest<'_>, party: &Party, person: &SignedIn) -> bool {
    let is_bare = request.form.is_some() && request.form_origin == FormOrigin::Foreign && request.origin.is_none();
    is_bare && person.is_fresh && party.issuer.dialect().accepts_bare_login
}
