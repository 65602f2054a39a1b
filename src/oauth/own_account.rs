//! What people do with their own account through the management API: an access token speaks for them instead of an API key
//! (D-13).
//!
//! Owns which tokens count, and what a new password takes. Which passwords may be chosen is `directory`'s.

use std::net::IpAddr;

use serde_json::Value;

use super::AuthorizationServer;
use super::client::Client;
use super::error::OAuthError;
use crate::directory::{DirectoryError, LoginError};
use crate::model::{Relationship, User};
use crate::secret::Secret;

/// Somebody with an access token of their own.
#[derive(Debug)]
pub struct OwnAccount {
    pub user: User,
    /// Whether the login was with everything that the user has to prove.
    is_fully_proven: bool,
}

/// Why a password stays as it is.
#[derive(Debug)]
pub enum PasswordRefusal {
    /// The current password is wrong, or the user may not log in.
    Person(LoginError),
    /// The login was without the second factor that the user has.
    SecondFactorMissing,
    /// The new one cannot be chosen.
    New(DirectoryError),
}

impl From<LoginError> for PasswordRefusal {
    fn from(error: LoginError) -> Self {
        Self::Person(error)
    }
}

impl From<DirectoryError> for PasswordRefusal {
    fn from(error: DirectoryError) -> Self {
        Self::New(error)
    }
}

impl OwnAccount {
    /// L15: a second factor guards the password too.
    ///
    /// # Errors
    /// [`PasswordRefusal::SecondFactorMissing`].
    pub fn check_may_change_password(&self) -> Result<(), PasswordRefusal> {
        if self.is_fully_proven { Ok(()) } else { Err(PasswordRefusal::SecondFactorMissing) }
    }
}

impl AuthorizationServer {
    /// Whose access token it is. `None` for one that is not good, that is nobody's, that is for an API, or that a third party's
    /// application was given: people let it know what the scopes say, not all that is stored about them.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn account_of(&self, token: &str) -> Result<Option<OwnAccount>, OAuthError> {
        let Some(issuer) = self.issuer_of_token(token) else { return Ok(None) };
        let Ok(believed) = self.verify_bearer_token(&issuer, token) else { return Ok(None) };
        let Some(user_id) = believed.user_id() else { return Ok(None) };
        let Some(client_id) = believed.own_client_id() else { return Ok(None) };
        let client = self.find_client(issuer.tenant.id, client_id).await?;
        let is_own = match client {
            Some(Client::Application(application)) => match application.settings.relationship {
                Relationship::FirstParty => true,
                Relationship::ThirdParty => false,
            },
            Some(Client::Entity(_)) | None => false,
        };
        let now = self.clock.now();
        let user = self.store.find_user(user_id).await?;
        let user = user.filter(|user| is_own && user.tenant_id == issuer.tenant.id && user.obstacle(now).is_none());
        let mut methods = believed.claims.get("amr").and_then(Value::as_array).into_iter().flatten();
        let used_both = methods.any(|method| method == "mfa");
        Ok(user.map(|user| OwnAccount { is_fully_proven: used_both || !user.has_second_factor(), user }))
    }

    /// Gives the user another password. `current` has to be right where one is sent; who vouches without it is up to the
    /// caller. The user's sessions and tokens end.
    ///
    /// # Errors
    /// [`PasswordRefusal`]; a wrong current password counts like one at a login (L8).
    pub async fn change_known_password(
        &self,
        user: &User,
        current: Option<&Secret<String>>,
        new: &Secret<String>,
        peer: Option<IpAddr>,
    ) -> Result<(), PasswordRefusal> {
        let Some(current) = current else { return Ok(self.directory.change_password_of(user, new).await?) };
        let tenant = self.directory.tenant(user.tenant_id).await.map_err(LoginError::from)?;
        let tenant = tenant.ok_or(DirectoryError::NotFound("tenant"))?;
        let login_id = user.email.as_deref().or(user.username.as_deref()).unwrap_or_default();
        let login = self.directory.check_credentials(&tenant, login_id, current, peer).await?;
        if login.user.id != user.id {
            // One user's username is another one's email: nothing was proven about this one.
            return Err(LoginError::WrongCredentials.into());
        }
        Ok(self.directory.change_password_of(&login.user, new).await?)
    }
}
