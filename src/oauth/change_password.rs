//! Ids with which somebody who just logged in may choose the new password that is due, outside of our pages (F-055).
//!
//! Owns what such an id is and how long it is good. Which passwords may be chosen is `directory`'s.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::AuthorizationServer;
use crate::directory::DirectoryError;
use crate::model::User;
use crate::secret::Secret;
use crate::store;

/// Seconds from the login (FusionAuth's `changePasswordId`).
const GOOD_FOR: i64 = 600;

impl AuthorizationServer {
    /// User, end, and our code over both and over when the password was last changed: it is good until a new one is
    /// chosen, and nothing has to be stored. Only for somebody who proved everything, the second factor included (L13).
    pub(super) fn change_password_id(&self, user: &User) -> String {
        let expires_at = self.clock.now() + GOOD_FOR;
        let mut bytes = user.id.as_bytes().to_vec();
        bytes.extend(expires_at.to_be_bytes());
        bytes.extend(hmac::sign(&self.change_password_key(), &signed_text(user, expires_at)).as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whose new password may be chosen with this id. `None` for one that is unknown, over or used.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn user_of_change_password_id(&self, id: &str) -> store::Result<Option<User>> {
        let Some((user_id, expires_at, code)) = parts(id) else { return Ok(None) };
        let Some(user) = self.store.find_user(user_id).await? else { return Ok(None) };
        let now = self.clock.now();
        let is_ours = hmac::verify(&self.change_password_key(), &signed_text(&user, expires_at), &code).is_ok();
        let is_due = user.password_change.is_some() && user.obstacle(now).is_none();
        Ok((is_ours && is_due && now < expires_at).then_some(user))
    }

    /// Whether somebody can choose a password with this id.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn knows_change_password_id(&self, id: &str) -> Result<bool, DirectoryError> {
        Ok(self.user_of_change_password_id(id).await?.is_some())
    }

    /// Gives the user the password that they chose. The id is used up, and their sessions and tokens end.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] for an id that is unknown, over or used; [`DirectoryError::Invalid`] if the password
    /// is too short or too common: then another one can be chosen.
    pub async fn change_password_with_id(&self, id: &str, new: &Secret<String>) -> Result<(), DirectoryError> {
        let unknown = DirectoryError::NotFound("login that waits for a new password");
        let Some(user) = self.user_of_change_password_id(id).await? else { return Err(unknown) };
        match self.directory.change_password_of(&user, new).await {
            // Somebody was faster.
            Err(DirectoryError::Changed(_)) => Err(unknown),
            result => result,
        }
    }

    fn change_password_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.keys.derived_key(b"faregate change of password"))
    }
}

fn parts(id: &str) -> Option<(Uuid, i64, Vec<u8>)> {
    let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
    let (user_id, rest) = bytes.split_first_chunk::<16>()?;
    let (expires_at, code) = rest.split_first_chunk::<8>()?;
    Some((Uuid::from_bytes(*user_id), i64::from_be_bytes(*expires_at), code.to_vec()))
}

fn signed_text(user: &User, expires_at: i64) -> Vec<u8> {
    format!("{}:{}:{}:{expires_at}", user.tenant_id, user.id, user.password_changed_at).into_bytes()
}
