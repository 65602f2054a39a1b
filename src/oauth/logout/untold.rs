//! Which servers of clients are still to hear that a session ended, by a logout or without one: revoked by an administrator,
//! with a locked or deleted user, by a new password, or because somebody else logged in in the same browser (Back-Channel
//! Logout 1.0).
//!
//! Owns what is told, and that one node tells it. Whoever ends the session leaves that in the store, in the same transaction:
//! nobody waits for somebody else's server, and nothing is lost with a process.

use uuid::Uuid;

use crate::model::UntoldLogout;
use crate::oauth::AuthorizationServer;
use crate::oauth::error::OAuthError;
use crate::oauth::interaction::Notice;
use crate::store::Lease;

/// Seconds for which a node may take to tell a client; then another one tries. Longer than all attempts together.
const TAKEN_FOR: i64 = 120;
/// Taken at once.
const MOST: u32 = 32;

/// A client that this node has to tell.
#[derive(Clone, Debug)]
pub struct LogoutToTell {
    pub notice: Notice,
    session_id: Uuid,
    application_id: Uuid,
}

impl AuthorizationServer {
    /// Takes some of the clients that are still to be told, so that no other node tells them meanwhile. Empty when all
    /// were told, or are being told.
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store does not answer; what was taken is given again after two minutes.
    pub async fn take_untold_logouts(&self) -> Result<Vec<LogoutToTell>, OAuthError> {
        loop {
            let now = self.clock.now();
            let lease = Lease { now, expires_at: now + TAKEN_FOR };
            let taken = self.store.take_untold_logouts(lease, MOST).await?;
            let mut to_tell = Vec::with_capacity(taken.len());
            let none_left = taken.is_empty();
            for untold in taken {
                match self.notice_of(&untold).await? {
                    Some(notice) => {
                        let UntoldLogout { session_id, application_id, .. } = untold;
                        to_tell.push(LogoutToTell { notice, session_id, application_id });
                    }
                    None => self.store.forget_untold_logout(untold.session_id, untold.application_id).await?,
                }
            }
            if none_left || !to_tell.is_empty() {
                return Ok(to_tell);
            }
        }
    }

    /// Waits until this node has left logouts to be told of; what others leave comes with the change feed, or in time.
    pub async fn logouts_are_left(&self) {
        self.untold.notified().await;
    }

    /// The client was told, or could not be.
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store does not answer: ask again, or the client is told once more.
    pub async fn logout_was_told(&self, told: &LogoutToTell) -> Result<(), OAuthError> {
        Ok(self.store.forget_untold_logout(told.session_id, told.application_id).await?)
    }

    /// `None` for clients that are not told in this way, or are gone.
    async fn notice_of(&self, untold: &UntoldLogout) -> Result<Option<Notice>, OAuthError> {
        let Some(application) = self.directory.application(untold.application_id).await? else { return Ok(None) };
        let Some(uri) = application.settings.back_channel_logout_uri.clone() else { return Ok(None) };
        let Some(issuer) = self.find_issuer_of(untold.tenant_id).await? else { return Ok(None) };
        let logout_token = self.logout_token(&issuer, (untold.session_id, untold.user_id), &application)?;
        Ok(Some(Notice { uri, logout_token }))
    }
}
