//! The two kinds of client, and the subject of a user's token. It does not know how a client proves who it is.

use std::sync::Arc;

use uuid::Uuid;

use super::AuthorizationServer;
use super::error::{ErrorReason, OAuthError};
use crate::model::{Application, Approval, Entity, Obstacle, Registration, User};
use crate::revocations::Bearings;

/// A client of a tenant (RFC 6749 section 1.1).
#[derive(Clone, Debug)]
pub enum Client {
    /// Acts for itself, by client credentials only (F-180).
    Entity(Arc<Entity>),
    /// Acts for users.
    Application(Arc<Application>),
}

impl Client {
    pub fn tenant_id(&self) -> Uuid {
        match self {
            Self::Entity(entity) => entity.tenant_id,
            Self::Application(application) => application.tenant_id,
        }
    }

    pub fn client_id(&self) -> &str {
        match self {
            Self::Entity(entity) => &entity.client_id,
            Self::Application(application) => &application.client_id,
        }
    }
}

/// Who a user's token is about, for whom, and what the user is there.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub user: Arc<User>,
    pub application: Arc<Application>,
    /// `None`: the user is not registered with the application, so its tokens name no roles (F-200).
    pub registration: Option<Arc<Registration>>,
}

impl AuthorizationServer {
    /// The client of the tenant that is called `client_id`.
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store has to be asked and does not answer.
    pub(super) async fn find_client(&self, tenant_id: Uuid, client_id: &str) -> Result<Option<Client>, OAuthError> {
        if let Some(entity) = self.directory.find_client(tenant_id, client_id).await? {
            return Ok(Some(Client::Entity(entity)));
        }
        let application = self.directory.find_application(tenant_id, client_id).await?;
        Ok(application.map(|application| Client::Application(self.as_offered(application))))
    }

    /// The user and the application of an approval as they are now.
    ///
    /// # Errors
    /// `invalid_grant` if the user is gone, locked or expired, or the application is gone; `revoked` if the approval was.
    pub(super) async fn subject_of(
        &self,
        approval: &Approval,
        revoked: impl FnOnce() -> OAuthError,
    ) -> Result<Subject, OAuthError> {
        let application = self.directory.application(approval.application_id).await?;
        let application =
            application.filter(|application| application.tenant_id == approval.tenant_id).ok_or_else(|| {
                OAuthError::invalid_grant(ErrorReason::InvalidClientId, "The client that this was for is gone.")
            })?;
        let user = self.directory.user(approval.user_id).await?;
        let user = user.filter(|user| user.tenant_id == approval.tenant_id).ok_or_else(|| {
            OAuthError::invalid_grant(ErrorReason::UserNotFound, "The user who approved this is gone.")
        })?;
        check_obstacle(&user, self.clock.now())?;
        self.check_not_revoked(approval, revoked)?;
        let registration = self.directory.registration(user.id, application.id).await?;
        Ok(Subject { user, application, registration })
    }

    /// What is issued from a revoked approval would be refused anyway: say it now.
    ///
    /// # Errors
    /// `revoked` if the grant or its session was.
    pub(super) fn check_not_revoked(
        &self,
        approval: &Approval,
        revoked: impl FnOnce() -> OAuthError,
    ) -> Result<(), OAuthError> {
        let bearings = Bearings {
            grant_id: Some(approval.grant_id),
            session_id: approval.session_id,
            issued_at: i64::MAX,
            ..Bearings::default()
        };
        if self.revocations.concern(&bearings) { Err(revoked()) } else { Ok(()) }
    }
}

/// # Errors
/// `invalid_grant` if nobody may log in as the user (F-114).
pub(super) fn check_obstacle(user: &User, now: i64) -> Result<(), OAuthError> {
    match user.obstacle(now) {
        None => Ok(()),
        Some(Obstacle::Locked) => Err(OAuthError::invalid_grant(ErrorReason::UserLocked, "The user is locked.")),
        Some(Obstacle::Expired) => Err(OAuthError::invalid_grant(ErrorReason::UserExpired, "The user has expired.")),
    }
}
