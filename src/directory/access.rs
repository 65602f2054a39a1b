//! What a user's logins and approvals have become, to be looked through and ended one by one (rules K6, K9).
//!
//! Owns the administrators' side; sessions begin, and grants are made, in the authorization server.

use uuid::Uuid;

use super::{Directory, DirectoryError};
use crate::events::Event;
use crate::model::{Application, ClientSecret, Consent, RefreshToken, Revoked, Session};

/// Everything with which something can be done in a user's name later on.
#[derive(Clone, Debug)]
pub struct Access {
    /// Newest first, those that are not over.
    pub sessions: Vec<Session>,
    /// The newest refresh token of each grant, newest first.
    pub grants: Vec<RefreshToken>,
    pub consents: Vec<Consent>,
}

impl Directory {
    pub async fn access_of(&self, user_id: Uuid) -> Result<Access, DirectoryError> {
        let now = self.clock.now();
        let mut sessions = self.store.list_sessions(user_id).await?;
        sessions.retain(|session| session.is_live(now));
        let grants = self.store.list_refresh_tokens(user_id, now).await?;
        let mut consents = self.store.list_consents(user_id).await?;
        consents.retain(|consent| now < consent.expires_at);
        Ok(Access { sessions, grants, consents })
    }

    /// Ends one session of the user, the grants that were made in it, and every token of both.
    pub async fn end_session(&self, user_id: Uuid, session_id: Uuid) -> Result<(), DirectoryError> {
        let access = self.access_of(user_id).await?;
        if access.sessions.iter().all(|session| session.id != session_id) {
            return Err(DirectoryError::NotFound("session"));
        }
        for grant in access.grants.iter().filter(|grant| grant.approval.session_id == Some(session_id)) {
            self.revoke(Revoked::Grant(grant.approval.grant_id)).await?;
        }
        self.revoke(Revoked::Session(session_id)).await?;
        self.told(Event::SessionEnded, &session_id.to_string());
        Ok(())
    }

    /// Ends every session of the user but the one to `keep`, as [`Self::end_session`] does.
    pub async fn end_other_sessions(&self, user_id: Uuid, keep: Option<Uuid>) -> Result<(), DirectoryError> {
        for session in self.access_of(user_id).await?.sessions {
            if Some(session.id) != keep {
                // Somebody else may have ended it meanwhile.
                unless_gone(self.end_session(user_id, session.id).await)?;
            }
        }
        Ok(())
    }

    /// Ends one grant of the user: its refresh tokens and access tokens.
    pub async fn end_grant(&self, user_id: Uuid, grant_id: Uuid) -> Result<(), DirectoryError> {
        let grants = self.access_of(user_id).await?.grants;
        if grants.iter().all(|grant| grant.approval.grant_id != grant_id) {
            return Err(DirectoryError::NotFound("grant"));
        }
        self.revoke(Revoked::Grant(grant_id)).await?;
        self.told(Event::TokenRevoked, &grant_id.to_string());
        Ok(())
    }

    /// Ends every code, refresh token and access token that the application was given until now.
    pub async fn revoke_application(&self, application: &Application) -> Result<(), DirectoryError> {
        let (tenant_id, client_id) = (application.tenant_id, application.client_id.clone());
        self.revoke(Revoked::Client { tenant_id, client_id }).await?;
        self.told(Event::TokenRevoked, &application.id.to_string());
        Ok(())
    }

    /// What administrators know of a refresh token.
    pub async fn refresh_token(&self, id: Uuid) -> Result<Option<RefreshToken>, DirectoryError> {
        let found = self.store.find_refresh_token_by_id(id).await?;
        Ok(found.filter(|token| token.is_live(self.clock.now())))
    }

    /// The same by its text, as whoever holds it knows it.
    pub async fn find_refresh_token(&self, text: &str) -> Result<Option<RefreshToken>, DirectoryError> {
        let found = self.store.find_refresh_token(&ClientSecret::hash(text)).await?;
        Ok(found.filter(|token| token.is_live(self.clock.now())))
    }

    /// Asks the user again when the application comes next; what it was given before ends.
    pub async fn withdraw_consent(&self, user_id: Uuid, application_id: Uuid) -> Result<(), DirectoryError> {
        for grant in self.access_of(user_id).await?.grants {
            if grant.approval.application_id == application_id {
                self.revoke(Revoked::Grant(grant.approval.grant_id)).await?;
            }
        }
        if !self.store.delete_consent(user_id, application_id).await? {
            return Err(DirectoryError::NotFound("consent"));
        }
        self.told(Event::ConsentWithdrawn, &format!("{user_id}/{application_id}"));
        Ok(())
    }

    /// Ends all that an application can do in the user's name: its grants, and the consent to further ones.
    pub async fn end_access(&self, user_id: Uuid, application_id: Uuid) -> Result<(), DirectoryError> {
        let mut ended = false;
        for grant in self.access_of(user_id).await?.grants {
            if grant.approval.application_id == application_id {
                ended |= unless_gone(self.end_grant(user_id, grant.approval.grant_id).await)?;
            }
        }
        ended |= unless_gone(self.withdraw_consent(user_id, application_id).await)?;
        if ended { Ok(()) } else { Err(DirectoryError::NotFound("application")) }
    }
}

/// Whether there was something to end.
fn unless_gone(result: Result<(), DirectoryError>) -> Result<bool, DirectoryError> {
    match result {
        Ok(()) => Ok(true),
        Err(DirectoryError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
