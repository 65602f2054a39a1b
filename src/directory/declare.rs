//! Objects that a configuration declares, and making the store look like it. What was declared once and is declared no
//! more is removed; what administrators made is never touched.
//!
//! It does not read files: `config` does.

mod people;
mod plan;

use uuid::Uuid;

pub use people::{ApplicationDeclaration, RegistrationDeclaration, UserDeclaration};
pub use plan::{Action, Plan, Step};
use plan::{Stored, Write};

use super::{Directory, DirectoryError};
use crate::events::Event;
use crate::model::{Application, Profile, Registration, Revoked, TenantSettings, User};
use crate::secret::Secret;
use crate::store::{GrantFilter, Result, StoreError};

/// The `managed_by` of declared objects.
pub const MANAGED_BY: &str = "config";

/// Everything that shall be there. Lists refer to each other by name or id.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    pub tenants: Vec<TenantDeclaration>,
    pub entity_types: Vec<EntityTypeDeclaration>,
    pub entities: Vec<EntityDeclaration>,
    pub grants: Vec<GrantDeclaration>,
    pub applications: Vec<ApplicationDeclaration>,
    pub users: Vec<UserDeclaration>,
    /// Take over objects of the same names that administrators made, instead of refusing.
    pub adopt: bool,
}

#[derive(Clone, Debug, Default)]
pub struct TenantDeclaration {
    pub name: String,
    pub id: Option<Uuid>,
    pub profile: Profile,
    pub issuer: Option<String>,
    /// Seconds.
    pub access_token_for: Option<i64>,
    pub access_token_algorithm: Option<String>,
    pub id_token_algorithm: Option<String>,
    pub settings: TenantSettings,
}

#[derive(Clone, Debug, Default)]
pub struct EntityTypeDeclaration {
    pub name: String,
    pub id: Option<Uuid>,
    pub permissions: Vec<PermissionDeclaration>,
}

#[derive(Clone, Debug, Default)]
pub struct PermissionDeclaration {
    pub name: String,
    pub description: Option<String>,
    pub is_default: bool,
}

#[derive(Clone, Debug, Default)]
pub struct EntityDeclaration {
    pub name: String,
    pub id: Option<Uuid>,
    /// Name or id of its entity type.
    pub entity_type: String,
    /// Name or id of its tenant; `None` when there is one only. [`Directory::DEFAULT_TENANT`] need not be declared.
    pub tenant: Option<String>,
    /// `None`: the id.
    pub client_id: Option<String>,
    /// `None`: generated when the entity is created, and left alone ever after.
    pub client_secret: Option<Secret<String>>,
}

#[derive(Clone, Debug, Default)]
pub struct GrantDeclaration {
    /// Name or id of the caller.
    pub recipient: String,
    /// Name or id of the callee.
    pub target: String,
    pub permissions: Vec<String>,
    /// As in [`EntityDeclaration`].
    pub tenant: Option<String>,
}

/// What [`Directory::apply`] did; objects are named as in `entity "orders"`.
#[derive(Debug, Default)]
pub struct Applied {
    pub created: Vec<String>,
    pub updated: Vec<String>,
    pub removed: Vec<String>,
    /// Declared no more, but in use by what administrators made.
    pub kept: Vec<String>,
    pub unchanged: usize,
    pub generated_secrets: Vec<GeneratedSecret>,
}

/// A secret that nobody will see again.
#[derive(Clone, Debug)]
pub struct GeneratedSecret {
    /// What was made: an entity or an application.
    pub kind: &'static str,
    pub tenant: String,
    pub name: String,
    pub client_id: String,
    pub client_secret: Secret<String>,
}

/// How often a plan is made anew because somebody else wrote meanwhile: every node applies the same file at start.
const ATTEMPTS: u32 = 5;

impl Directory {
    /// What [`Self::apply`] would do.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] with every mistake in the declaration; fields read `entities[0]`.
    pub async fn plan(&self, declaration: &Declaration) -> std::result::Result<Plan, DirectoryError> {
        let users = self.stored_users(&declaration.users).await?;
        let stored = Stored {
            // What refers to others first: another node may write meanwhile, and what it refers to is there already.
            grants: self.store.list_grants(GrantFilter::All).await?,
            entities: self.store.list_entities(None).await?,
            registrations: self.stored_registrations(&users).await?,
            users,
            applications: self.store.list_applications(None).await?,
            entity_types: self.store.list_entity_types().await?,
            tenants: self.store.list_tenants().await?,
        };
        plan::plan(declaration, &stored, self).map_err(DirectoryError::Invalid)
    }

    /// The users that were declared before, and those that the declaration may mean: never all of them.
    async fn stored_users(&self, declared: &[UserDeclaration]) -> Result<Vec<User>> {
        let mut users = self.store.list_managed_users(MANAGED_BY).await?;
        let tenants = if declared.is_empty() { Vec::new() } else { self.store.list_tenants().await? };
        for one in declared {
            let mut found = Vec::new();
            if let Some(id) = one.id {
                found.extend(self.store.find_user(id).await?);
            }
            for login_id in [&one.email, &one.username].into_iter().flatten() {
                for tenant in &tenants {
                    found.extend(self.store.find_user_by_login(tenant.id, login_id).await?);
                }
            }
            for user in found {
                if users.iter().all(|known| known.id != user.id) {
                    users.push(user);
                }
            }
        }
        Ok(users)
    }

    async fn stored_registrations(&self, users: &[User]) -> Result<Vec<Registration>> {
        let mut registrations = Vec::new();
        for user in users {
            registrations.extend(self.store.list_registrations(user.id).await?);
        }
        Ok(registrations)
    }

    /// Makes the store look like the declaration. A second time changes nothing; after a crash in between, a second
    /// time does the rest.
    ///
    /// # Errors
    /// As [`Self::plan`], before anything is written; or the store's.
    pub async fn apply(&self, declaration: &Declaration) -> std::result::Result<Applied, DirectoryError> {
        let mut applied = Applied::default();
        let mut attempt = 1;
        loop {
            let plan = self.plan(declaration).await?;
            applied.unchanged = plan.unchanged;
            match self.execute(plan, &mut applied).await {
                Ok(()) => return Ok(applied),
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(DirectoryError::Changed(_) | DirectoryError::Invalid(_)) => attempt += 1,
                Err(
                    error @ (DirectoryError::NotFound(_)
                    | DirectoryError::Password(_)
                    | DirectoryError::Sealing(_)
                    | DirectoryError::Store(_)),
                ) => return Err(error),
            }
        }
    }

    async fn execute(&self, plan: Plan, applied: &mut Applied) -> std::result::Result<(), DirectoryError> {
        for step in plan.steps {
            let written = match self.write(&step.write).await {
                Err(DirectoryError::Store(StoreError::InUse(_))) if step.action == Action::Remove => {
                    applied.kept.push(step.what);
                    continue;
                }
                Ok(written) => written,
                Err(DirectoryError::Store(error)) => return Err(error.into()),
                Err(error) => return Err(error),
            };
            match step.action {
                // Somebody else removed it meanwhile, which is what was wanted.
                Action::Remove if !written => continue,
                Action::Create | Action::Update if !written => return Err(DirectoryError::Changed("object")),
                Action::Create => applied.created.push(step.what),
                Action::Update => applied.updated.push(step.what),
                Action::Remove => applied.removed.push(step.what),
            }
            applied.generated_secrets.extend(step.generated);
            let (event, object_id) = told(&step.write);
            self.told(event, &object_id);
        }
        Ok(())
    }

    async fn write(&self, write: &Write) -> std::result::Result<bool, DirectoryError> {
        let (store, now) = (&self.store, self.clock.now());
        let written = match write {
            Write::InsertTenant(tenant) => store.insert_tenant(tenant).await.map(|()| true),
            Write::UpdateTenant(tenant) => store.update_tenant(tenant).await,
            Write::DeleteTenant(id) => store.delete_tenant(*id, now).await,
            Write::InsertType(entity_type) => store.insert_entity_type(entity_type).await.map(|()| true),
            Write::UpdateType(entity_type) => store.update_entity_type(entity_type).await,
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

    async fn remove_application(&self, application: &Application) -> std::result::Result<bool, DirectoryError> {
        let (tenant_id, client_id) = (application.tenant_id, application.client_id.clone());
        let written = self.store.delete_application(application.id, self.clock.now()).await;
        let written = written.map_err(DirectoryError::Store)?;
        self.revoke(Revoked::Client { tenant_id, client_id }).await?;
        Ok(written)
    }
}

fn told(write: &Write) -> (Event, String) {
    match write {
        Write::InsertTenant(tenant) => (Event::TenantCreated, tenant.id.to_string()),
        Write::UpdateTenant(tenant) => (Event::TenantUpdated, tenant.id.to_string()),
        Write::DeleteTenant(id) => (Event::TenantDeleted, id.to_string()),
        Write::InsertType(entity_type) => (Event::EntityTypeCreated, entity_type.id.to_string()),
        Write::UpdateType(entity_type) => (Event::EntityTypeUpdated, entity_type.id.to_string()),
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
    }
}

#[cfg(test)]
mod tests;
