//! The part of the account's page on which people change their password.
//!
//! Which passwords may be chosen, and what ends with the old one, is `directory`'s to say.

use super::Done;
use crate::model::User;
use crate::oauth::error::OAuthError;
use crate::oauth::interaction::{Message, Page, Reply};
use crate::oauth::login::{told, too_weak};
use crate::oauth::own_page::OwnPage;
use crate::oauth::session::SignedIn;
use crate::oauth::{AuthorizationServer, PasswordRefusal};
use crate::secret::{Secret, equal};

/// The field with the password that is to be replaced.
const CURRENT: &str = "current";
const NEW: &str = "password";
const CONFIRM: &str = "confirm";

impl AuthorizationServer {
    /// `None` if the person wants nothing.
    pub(super) async fn change_password_for(
        &self,
        page: &OwnPage<'_>,
        person: &SignedIn,
    ) -> Result<Option<Done>, OAuthError> {
        let Some(current) = page.sent(CURRENT) else { return Ok(None) };
        let secret = |name| Secret::new(page.sent(name).unwrap_or_default().to_owned());
        let (new, confirmed) = (secret(NEW), secret(CONFIRM));
        if !equal(new.expose().as_bytes(), confirmed.expose().as_bytes()) {
            return Ok(Some(Done::Not(Message::PasswordsDiffer)));
        }
        let current = Secret::new(current.to_owned());
        let peer = page.request.peer;
        match self.change_known_password(&person.user, Some(&current), &new, peer).await {
            Ok(()) => Ok(Some(Done::Told("password_changed", self.stay(page, person).await?))),
            Err(PasswordRefusal::Person(error)) => Ok(Some(Done::Not(told(error, Message::WrongPassword)?))),
            Err(PasswordRefusal::New(error)) => {
                let least = page.issuer.tenant.settings.password_min_length;
                Ok(Some(Done::Not(too_weak(error, least)?)))
            }
            // The freshness of this part of the page asks for it.
            Err(PasswordRefusal::SecondFactorMissing) => {
                Err(OAuthError::server_error("a login lacks its second factor"))
            }
        }
    }
}

pub(super) fn form(page: &OwnPage<'_>, user: &User, message: Option<Message>) -> Reply {
    page.show(Page::NewPassword {
        form: page.form(),
        message,
        min_length: page.issuer.tenant.settings.password_min_length,
        login_id: user.email.clone().or_else(|| user.username.clone()).unwrap_or_default(),
        account: page.section_address(None),
    })
}
