//! One step of a plan in the store, and the event that tells of it. It decides nothing: `plan` did.

use super::plan::Write;
use crate::directory::{Directory, DirectoryError};
use crate::events::Event;
use crate::model::{Application, Revoked};

impl Directory {
    /// Whether there was something to write on, as it was when it was read.
    pub(super) async fn write(&self, write: &Write) -> Result<bool, DirectoryError> {
        let (store, now) = (&self.store, self.clock.now());
        let written = match write {
            Write::InsertTenant(tenant) => store.insert_tenant(tenant).await.map(|()| true),
            Write::UpdateTenant(change) => store.update_tenant(&change.0, &change.1).await,
            Write::DeleteTenant(id) => store.delete_tenant(*id, now).await,
            // Keys are made and kept elsewhere.
            Write::Key(_) => Ok(false),
            Write::InsertType(entity_type) => store.insert_entity_type(entity_type).await.map(|()| true),
            Write::UpdateType(change) => store.update_entity_type(&change.0, &change.1).await,
            Write::DeleteType(id) => store.delete_entity_type(*id, now).await,
            Write::InsertPermission(id, permission) => {
                store.insert_permission(*id, permission, now).await.map(|()| true)
            }
            Write::UpdatePermission(id, permission) => store.update_permission(*id, permission, now).await,
            Write::DeletePermission(id, permission_id) => store.delete_permission(*id, *permission_id, now).await,
            Write::InsertEntity(entity) => store.insert_entity(entity).await.map(|()| true),
            Write::UpdateEntity(change) => store.update_entity(&change.0, &change.1).await,
            Write::DeleteEntity(id) => store.delete_entity(*id, now).await,
            Write::UpsertGrant(grant) => store.upsert_grant(grant).await.map(|()| true),
            Write::DeleteGrant { recipient_id, target_id } => store.delete_grant(*recipient_id, *target_id, now).await,
            Write::InsertApplication(application) => store.insert_application(application).await.map(|()| true),
            Write::UpdateApplication(change) => store.update_application(&change.0, &change.1).await,
            Write::DeleteApplication(application) => return self.remove_application(application).await,
            Write::InsertUser(new) => {
                let (user, password) = &**new;
                let mut user = user.clone();
                if let Some(password) = password {
                    user.password_hash = Some(self.passwords.hash(password.expose()).await?);
                }
                store.insert_user(&user).await.map(|()| true)
            }
            Write::UpdateUser(change) => store.update_user(&change.0, &change.1).await,
            Write::DeleteUser(id) => {
                self.revoke(Revoked::User(*id)).await?;
                store.delete_user(*id, now).await
            }
            Write::UpsertRegistration(registration) => store.upsert_registration(registration).await.map(|()| true),
            Write::DeleteRegistration { user_id, application_id } => {
                store.delete_registration(*user_id, *application_id, now).await
            }
        };
        // As it is: whether it is a mistake depends on the step.
        written.map_err(DirectoryError::Store)
    }

    async fn remove_application(&self, application: &Application) -> Result<bool, DirectoryError> {
        let (tenant_id, client_id) = (application.tenant_id, application.client_id.clone());
        let written = self.store.delete_application(application.id, self.clock.now()).await;
        let written = written.map_err(DirectoryError::Store)?;
        self.revoke(Revoked::Client { tenant_id, client_id }).await?;
        Ok(written)
    }
}

/// The event of a write, and its object; `None` where whoever wrote has told.
pub(super) fn told(write: &Write) -> Option<(Event, String)> {
    Some(match write {
        Write::Key(_) => return None,
        Write::InsertTenant(tenant) => (Event::TenantCreated, tenant.id.to_string()),
        Write::UpdateTenant(change) => (Event::TenantUpdated, change.1.id.to_string()),
        Write::DeleteTenant(id) => (Event::TenantDeleted, id.to_string()),
        Write::InsertType(entity_type) => (Event::EntityTypeCreated, entity_type.id.to_string()),
        Write::UpdateType(change) => (Event::EntityTypeUpdated, change.1.id.to_string()),
        Write::DeleteType(id) => (Event::EntityTypeDeleted, id.to_string()),
        Write::InsertPermission(id, _) | Write::UpdatePermission(id, _) | Write::DeletePermission(id, _) => {
            (Event::EntityTypeUpdated, id.to_string())
        }
        Write::InsertEntity(entity) => (Event::EntityCreated, entity.id.to_string()),
        Write::UpdateEntity(change) => (Event::EntityUpdated, change.1.id.to_string()),
        Write::DeleteEntity(id) => (Event::EntityDeleted, id.to_string()),
        Write::UpsertGrant(grant) => (Event::GrantChanged, format!("{}/{}", grant.target_id, grant.recipient_id)),
        Write::DeleteGrant { recipient_id, target_id } => (Event::GrantDeleted, format!("{target_id}/{recipient_id}")),
        Write::InsertApplication(application) => (Event::ApplicationCreated, application.id.to_string()),
        Write::UpdateApplication(change) => (Event::ApplicationUpdated, change.1.id.to_string()),
        Write::DeleteApplication(application) => (Event::ApplicationDeleted, application.id.to_string()),
        Write::InsertUser(new) => (Event::UserCreated, new.0.id.to_string()),
        Write::UpdateUser(change) => (Event::UserUpdated, change.1.id.to_string()),
        Write::DeleteUser(id) => (Event::UserDeleted, id.to_string()),
        Write::UpsertRegistration(registration) => {
            (Event::RegistrationChanged, format!("{}/{}", registration.user_id, registration.application_id))
        }
        Write::DeleteRegistration { user_id, application_id } => {
            (Event::RegistrationDeleted, format!("{user_id}/{application_id}"))
        }
    })
}

#[cfg(test)]
mod tests;
