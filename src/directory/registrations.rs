//! Commands about users' places in applications: registrations and their roles.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Directory, DirectoryError, FieldCode, FieldError, no_errors};
use crate::events::Event;
use crate::model::{Application, Registration};

/// What a registration shall be.
#[derive(Clone, Debug)]
pub struct NewRegistration {
    pub user_id: Uuid,
    pub application_id: Uuid,
    /// Names of roles of the application. `None`: those that it gives by default.
    pub roles: Option<Vec<String>>,
    pub data: Map<String, Value>,
}

impl Directory {
    /// Makes the user's registration.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for roles that the application does not have, and for a user who has a place there already.
    pub async fn register(&self, new: NewRegistration) -> Result<Registration, DirectoryError> {
        let now = self.clock.now();
        let user = self.stored_user(new.user_id).await?;
        let roles = self.check_place(user.tenant_id, &new).await?;
        let registration = Registration {
            user_id: new.user_id,
            application_id: new.application_id,
            roles,
            data: new.data,
            managed_by: None,
            created_at: now,
            updated_at: now,
        };
        self.store.insert_registration(&registration).await?;
        self.told(Event::RegistrationChanged, &format!("{}/{}", new.user_id, new.application_id));
        Ok(registration)
    }

    /// Replaces roles and data of `before`, which is the registration as the caller read it. Tokens that were issued keep their
    /// roles until they are refreshed.
    ///
    /// # Errors
    /// As [`Self::register`]; [`DirectoryError::Changed`] if somebody else was faster.
    pub async fn change_registration(
        &self,
        before: &Registration,
        roles: Vec<String>,
        data: Map<String, Value>,
    ) -> Result<Registration, DirectoryError> {
        let user = self.stored_user(before.user_id).await?;
        let (user_id, application_id) = (before.user_id, before.application_id);
        let wanted = NewRegistration { user_id, application_id, roles: Some(roles), data };
        let after = Registration {
            roles: self.check_place(user.tenant_id, &wanted).await?,
            data: wanted.data,
            managed_by: None,
            updated_at: self.clock.now(),
            ..before.clone()
        };
        if !self.store.update_registration(before, &after).await? {
            return Err(DirectoryError::Changed("registration"));
        }
        self.told(Event::RegistrationChanged, &format!("{user_id}/{application_id}"));
        Ok(after)
    }

    /// The roles of the registration, if a user of the tenant can have it.
    pub(super) async fn check_place(
        &self,
        tenant_id: Uuid,
        new: &NewRegistration,
    ) -> Result<Vec<String>, DirectoryError> {
        let application = self.store.find_application(new.application_id).await?;
        // Another tenant's application is as good as none, and told the same.
        let application = application.filter(|application| application.tenant_id == tenant_id);
        let application = application.ok_or(DirectoryError::NotFound("application"))?;
        let roles = roles_of(&application, new.roles.clone());
        no_errors(check_roles(&roles, &application))?;
        Ok(roles)
    }

    /// Replaces the roles of the user in the application, and nothing else; registers a user who was not.
    pub async fn set_roles(
        &self,
        user_id: Uuid,
        application_id: Uuid,
        roles: Vec<String>,
    ) -> Result<Registration, DirectoryError> {
        match self.store.find_registration(user_id, application_id).await? {
            Some(before) => self.change_registration(&before, roles, before.data.clone()).await,
            None => {
                self.register(NewRegistration { user_id, application_id, roles: Some(roles), data: Map::new() }).await
            }
        }
    }

    pub async fn unregister(&self, user_id: Uuid, application_id: Uuid) -> Result<(), DirectoryError> {
        if !self.store.delete_registration(user_id, application_id, self.clock.now()).await? {
            return Err(DirectoryError::NotFound("registration"));
        }
        self.told(Event::RegistrationDeleted, &format!("{user_id}/{application_id}"));
        Ok(())
    }
}

/// Sorted; the application's own choice if nobody made one.
pub(super) fn roles_of(application: &Application, wanted: Option<Vec<String>>) -> Vec<String> {
    let mut roles = wanted.unwrap_or_else(|| {
        application.roles.iter().filter(|role| role.is_default).map(|role| role.name.clone()).collect()
    });
    roles.sort_unstable();
    roles.dedup();
    roles
}

pub(super) fn check_roles(roles: &[String], application: &Application) -> Option<FieldError> {
    let unknown: Vec<&str> = roles.iter().map(String::as_str).filter(|name| application.role(name).is_none()).collect();
    if unknown.is_empty() {
        return None;
    }
    let known: Vec<&str> = application.roles.iter().map(|role| role.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let message = format!("application {:?} has no role {}; it has {known}", application.name, unknown.join(", "));
    Some(FieldError::new("registration.roles", FieldCode::Missing, message))
}
