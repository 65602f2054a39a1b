//! Applications that only registered users may log in to (F-034, D-12).

use super::{Asked, Party};
use crate::oauth::AuthorizationServer;
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::interaction::Page;
use crate::oauth::session::SignedIn;

impl AuthorizationServer {
    /// The page that says that the application does not know the person, if that is so and matters.
    ///
    /// # Errors
    /// `interaction_required` if no page may be shown.
    pub(super) async fn check_registration(
        &self,
        party: &Party,
        asked: &Asked,
        person: &SignedIn,
    ) -> Result<Option<Page>, OAuthError> {
        let application = &party.application;
        if !application.settings.requires_registration
            || self.store.find_registration(person.user.id, application.id).await?.is_some()
        {
            return Ok(None);
        }
        if asked.prompt.is_none {
            let description = "The user is not registered with this client.";
            return Err(OAuthError::new(
                ErrorCode::InteractionRequired,
                ErrorReason::RegistrationRequired,
                description,
            ));
        }
        Ok(Some(Page::NotRegistered { client_name: application.title().to_owned() }))
    }
}
