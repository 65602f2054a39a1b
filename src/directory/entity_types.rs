//! Commands about entity types and their permissions (D-07).

use uuid::Uuid;

use super::rules::{check_entity_type, check_permission};
use super::{Directory, DirectoryError, no_errors};
use crate::events::Event;
use crate::model::{Data, EntityType, Permission};

/// An entity type to be.
#[derive(Clone, Debug, Default)]
pub struct NewEntityType {
    pub id: Option<Uuid>,
    pub name: String,
    pub permissions: Vec<NewPermission>,
    /// Seconds.
    pub access_token_for: Option<i64>,
    pub access_token_key: Option<Uuid>,
    pub data: Data,
}

/// A permission to be.
#[derive(Clone, Debug, Default)]
pub struct NewPermission {
    pub id: Option<Uuid>,
    pub name: String,
    pub description: Option<String>,
    pub is_default: bool,
}

impl Directory {
    pub async fn create_entity_type(&self, new: NewEntityType) -> Result<EntityType, DirectoryError> {
        let now = self.clock.now();
        let mut entity_type = EntityType {
            id: new.id.unwrap_or_else(|| self.entropy.uuid()),
            name: new.name,
            permissions: new.permissions.into_iter().map(|new| self.permission(new)).collect(),
            access_token_for: new.access_token_for,
            access_token_key: new.access_token_key,
            data: new.data,
            managed_by: None,
            created_at: now,
            updated_at: now,
        };
        no_errors(check_entity_type(&entity_type))?;
        entity_type.permissions.sort_by(|a, b| a.name.cmp(&b.name));
        self.store.insert_entity_type(&entity_type).await?;
        self.told(Event::EntityTypeCreated, &entity_type.id.to_string());
        Ok(entity_type)
    }

    /// Replaces everything of `before`, which is the type as the caller read it, but the permissions, which have commands of their
    /// own.
    ///
    /// # Errors
    /// [`DirectoryError::Changed`] if somebody else was faster.
    pub async fn change_entity_type(
        &self,
        before: &EntityType,
        after: EntityType,
    ) -> Result<EntityType, DirectoryError> {
        let after = EntityType { updated_at: self.clock.now(), ..after };
        no_errors(check_entity_type(&after))?;
        if !self.store.update_entity_type(before, &after).await? {
            return Err(DirectoryError::Changed("entity type"));
        }
        self.told(Event::EntityTypeUpdated, &after.id.to_string());
        Ok(after)
    }

    /// Refused while there are entities of the type.
    pub async fn delete_entity_type(&self, id: Uuid) -> Result<(), DirectoryError> {
        if !self.store.delete_entity_type(id, self.clock.now()).await? {
            return Err(DirectoryError::NotFound("entity type"));
        }
        self.told(Event::EntityTypeDeleted, &id.to_string());
        Ok(())
    }

    pub async fn add_permission(&self, type_id: Uuid, new: NewPermission) -> Result<Permission, DirectoryError> {
        let permission = self.permission(new);
        no_errors(check_permission(&permission))?;
        self.store.insert_permission(type_id, &permission, self.clock.now()).await?;
        self.told(Event::EntityTypeUpdated, &type_id.to_string());
        Ok(permission)
    }

    /// Replaces name, description and default; grants follow a new name.
    pub async fn update_permission(&self, type_id: Uuid, permission: &Permission) -> Result<(), DirectoryError> {
        no_errors(check_permission(permission))?;
        if !self.store.update_permission(type_id, permission, self.clock.now()).await? {
            return Err(DirectoryError::NotFound("permission"));
        }
        self.told(Event::EntityTypeUpdated, &type_id.to_string());
        Ok(())
    }

    /// Takes it out of every grant too.
    pub async fn remove_permission(&self, type_id: Uuid, permission_id: Uuid) -> Result<(), DirectoryError> {
        if !self.store.delete_permission(type_id, permission_id, self.clock.now()).await? {
            return Err(DirectoryError::NotFound("permission"));
        }
        self.told(Event::EntityTypeUpdated, &type_id.to_string());
        Ok(())
    }

    fn permission(&self, new: NewPermission) -> Permission {
        Permission {
            id: new.id.unwrap_or_else(|| self.entropy.uuid()),
            name: new.name,
            description: new.description,
            is_default: new.is_default,
        }
    }
}
