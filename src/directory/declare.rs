//! Objects that a configuration declares, and making the store look like it. What was declared once and is declared no
//! more is removed; what administrators made is never touched.
//!
//! It does not read files: `config` does.

mod plan;

use uuid::Uuid;

pub use plan::{Action, Plan, Step};
use plan::{Stored, Write};

use super::{Directory, DirectoryError};
use crate::events::Event;
use crate::model::Profile;
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
    pub tenant: String,
    pub entity: String,
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
        let stored = Stored {
            // What refers to others first: another node may write meanwhile, and what it refers to is there already.
            grants: self.store.list_grants(GrantFilter::All).await?,
            entities: self.store.list_entities(None).await?,
            entity_types: self.store.list_entity_types().await?,
            tenants: self.store.list_tenants().await?,
        };
        plan::plan(declaration, &stored, self.clock.now(), &self.entropy).map_err(DirectoryError::Invalid)
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
                Err(StoreError::InUse(_)) if step.action == Action::Remove => {
                    applied.kept.push(step.what);
                    continue;
                }
                Ok(written) => written,
                Err(error) => return Err(error.into()),
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

    async fn write(&self, write: &Write) -> Result<bool> {
        let (store, now) = (&self.store, self.clock.now());
        match write {
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
        }
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
    }
}

#[cfg(test)]
mod tests;
