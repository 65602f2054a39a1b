//! The end of a device's wait: somebody says yes.
//!
//! Owns the step from pending to approved; it does not ask who may take it.

use uuid::Uuid;

use super::lookup::invalid_user_code;
use crate::events::Event;
use crate::model::Approval;
use crate::oauth::AuthorizationServer;
use crate::oauth::error::OAuthError;

impl AuthorizationServer {
    /// Lets the device have what is approved. Of any number of calls for one code one succeeds.
    ///
    /// # Errors
    /// `invalid_request` if the code was decided before or has expired.
    pub(in crate::oauth) async fn approve_device_code(&self, id: Uuid, approval: &Approval) -> Result<(), OAuthError> {
        if !self.store.decide_device_code(id, Some(approval), self.clock.now()).await? {
            return Err(invalid_user_code());
        }
        Event::DeviceApproved.tell(&id.to_string());
        Ok(())
    }
}
