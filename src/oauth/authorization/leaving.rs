//! The way back to a client that the person has not let in (RFC 9700 4.11.2, rule A13): an error leads there only after
//! they saw where it leads. Otherwise a link to us would lead wherever anybody with a client likes.
//!
//! Owns when nobody has to be asked. What is wrong with the request was found out before.

use super::{Party, Question};
use crate::model::{ConsentMode, Relationship};
use crate::oauth::AuthorizationServer;
use crate::oauth::consent::host;
use crate::oauth::error::OAuthError;
use crate::oauth::interaction::{BrowserRequest, FormOrigin, Kept, Page, Reply, Step};
use crate::oauth::login::{MOST_ADDRESS_BYTES, Place};
use crate::oauth::session::SignedIn;
use crate::store;

impl AuthorizationServer {
    /// Tells the client what is wrong, once the person agrees to go there.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(super) async fn turn_away(
        &self,
        request: &BrowserRequest<'_>,
        question: &Question<'_>,
        (party, place): (&Party, &Place<'_>),
        (person, kept, error): (&SignedIn, Kept, OAuthError),
    ) -> Result<Reply, OAuthError> {
        // Whoever allows, denies or leaves does so on a page that names the host.
        let is_decided = request.step == Step::Consent
            && request.form_origin == FormOrigin::Own
            && question.brought.find("decision").is_some();
        if is_decided || self.is_let_in(party, person).await? {
            return Ok(party.refuse(error, kept.after(request), &place.context));
        }
        // What was posted before is not posted again by a reload (UX 22).
        let address = place.address(request, Step::Consent);
        if request.form.is_some() && request.step != Step::Consent && address.len() <= MOST_ADDRESS_BYTES {
            return Ok(Reply::redirect(address).keeping(kept));
        }
        let page = Page::Leaving {
            form: place.form(request, Step::Consent),
            client_name: party.application.title().to_owned(),
            redirect_host: host(&party.redirect_uri).to_owned(),
        };
        Ok(Reply::page(page, place.shown(request, Step::Consent)).keeping(kept))
    }

    /// Whether the operator vouches for the client, or the person let it have something before.
    async fn is_let_in(&self, party: &Party, person: &SignedIn) -> store::Result<bool> {
        let settings = &party.application.settings;
        let is_vouched_for = match (settings.relationship, settings.consent) {
            (Relationship::FirstParty, _) | (Relationship::ThirdParty, ConsentMode::NeverPrompt) => true,
            (Relationship::ThirdParty, ConsentMode::AlwaysPrompt | ConsentMode::RememberDecision) => false,
        };
        if is_vouched_for {
            return Ok(true);
        }
        let consent = self.store.find_consent(person.user.id, party.application.id).await?;
        Ok(consent.is_some_and(|consent| self.clock.now() < consent.expires_at))
    }
}
