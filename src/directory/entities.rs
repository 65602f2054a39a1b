//! Commands about entities and their secrets (D-08).

use uuid::Uuid;

use super::rules::{check_entity, check_secret};
use super::{Directory, DirectoryError, FieldCode, FieldError, no_errors};
use crate::events::Event;
use crate::model::{ClientSecret, Data, Entity};
use crate::secret::Secret;

/// How deep entities may be nested.
const MOST_ANCESTORS: usize = 32;

/// An entity to be.
#[derive(Clone, Debug)]
pub struct NewEntity {
    pub id: Option<Uuid>,
    pub tenant_id: Uuid,
    pub type_id: Uuid,
    pub name: String,
    /// `None`: the id (F-181).
    pub client_id: Option<String>,
    /// `None`: generated (D12).
    pub client_secret: Option<Secret<String>>,
    pub parent_id: Option<Uuid>,
    pub data: Data,
}

/// What an entity shall be from now on. Type and tenant stay.
#[derive(Clone, Debug)]
pub struct EntityChange {
    pub name: String,
    pub client_id: String,
    /// Replaces every secret that there is; `None`: they stay.
    pub client_secret: Option<Secret<String>>,
    pub parent_id: Option<Uuid>,
    pub data: Data,
}

/// An entity and its new secret, which nobody will see again.
#[derive(Debug)]
pub struct WithSecret {
    pub entity: Entity,
    pub client_secret: Secret<String>,
}

impl Directory {
    pub async fn create_entity(&self, new: NewEntity) -> Result<WithSecret, DirectoryError> {
        let now = self.clock.now();
        let id = new.id.unwrap_or_else(|| self.entropy.uuid());
        let (client_secret, secret_error) = match new.client_secret {
            Some(chosen) => {
                let error = check_secret("entity.clientSecret", chosen.expose());
                (chosen, error)
            }
            None => (Secret::new(self.entropy.client_secret()), None),
        };
        let entity = Entity {
            id,
            tenant_id: new.tenant_id,
            type_id: new.type_id,
            name: new.name,
            client_id: new.client_id.unwrap_or_else(|| id.to_string()),
            client_secrets: vec![ClientSecret::new(client_secret.expose(), now)],
            parent_id: new.parent_id,
            data: new.data,
            managed_by: None,
            created_at: now,
            updated_at: now,
        };
        let mut errors = check_entity(&entity);
        errors.extend(secret_error);
        if errors.is_empty() {
            errors.extend(self.check_references(&entity).await?);
        }
        no_errors(errors)?;
        self.store.insert_entity(&entity).await?;
        self.told(Event::EntityCreated, &id.to_string());
        Ok(WithSecret { entity, client_secret })
    }

    /// What only the store knows. Asked before writing, so that all wrong fields are listed; the store's own guards
    /// decide when two administrators are at it at once.
    async fn check_references(&self, entity: &Entity) -> Result<Vec<FieldError>, DirectoryError> {
        let (tenant_id, id) = (entity.tenant_id, entity.id.to_string());
        let mut errors = Vec::new();
        if self.store.find_tenant(tenant_id).await?.is_none() {
            errors.push(FieldError::new("entity.tenantId", FieldCode::Missing, "there is no such tenant"));
        }
        if self.store.find_entity_type(entity.type_id).await?.is_none() {
            errors.push(FieldError::new("entity.type.id", FieldCode::Missing, "there is no such entity type"));
        }
        if self.store.find_entity_by_name(tenant_id, &entity.name).await?.is_some() {
            let message = format!("the tenant has an entity named {:?} already", entity.name);
            errors.push(FieldError::new("entity.name", FieldCode::Duplicate, message));
        }
        if self.store.find_entity_by_client_id(tenant_id, &entity.client_id).await?.is_some()
            || self.store.find_application_by_client_id(tenant_id, &entity.client_id).await?.is_some()
        {
            errors.push(FieldError::new("entity.clientId", FieldCode::Duplicate, "the tenant has this client already"));
        }
        // D9: no client may carry the identifier that is another one's `sub`.
        if let Ok(other) = Uuid::try_parse(&entity.client_id)
            && other != entity.id
            && self.is_anybody(other).await?
        {
            let message = "it is the id of a user, an application or another entity";
            errors.push(FieldError::new("entity.clientId", FieldCode::Duplicate, message));
        }
        if entity.client_id != id && self.is_client(tenant_id, &id).await? {
            errors.push(FieldError::new("entity.id", FieldCode::Duplicate, "it is the client id of another client"));
        }
        errors.extend(self.check_identifier("entity.id", entity.id).await?);
        errors.extend(self.check_parent(entity).await?);
        Ok(errors)
    }

    /// The parent is of the same tenant, and nobody is their own ancestor.
    async fn check_parent(&self, entity: &Entity) -> Result<Option<FieldError>, DirectoryError> {
        let refusal = |code, message: &str| Ok(Some(FieldError::new("entity.parentId", code, message)));
        let mut next = entity.parent_id;
        for _ in 0..MOST_ANCESTORS {
            let Some(id) = next else { return Ok(None) };
            if id == entity.id {
                return refusal(FieldCode::Invalid, "an entity cannot be a part of itself");
            }
            match self.store.find_entity(id).await? {
                Some(parent) if parent.tenant_id == entity.tenant_id => next = parent.parent_id,
                Some(_) | None => return refusal(FieldCode::Missing, "the tenant has no such entity"),
            }
        }
        refusal(FieldCode::TooLong, "there are too many entities above it: 32 may be")
    }

    /// Changes `before` if it is still what is stored.
    pub async fn update_entity(&self, before: &Entity, change: EntityChange) -> Result<Entity, DirectoryError> {
        let now = self.clock.now();
        let wrong =
            change.client_secret.as_ref().and_then(|chosen| check_secret("entity.clientSecret", chosen.expose()));
        let client_secrets = match &change.client_secret {
            Some(chosen) => vec![ClientSecret::new(chosen.expose(), now)],
            None => before.client_secrets.clone(),
        };
        let entity = Entity {
            name: change.name,
            client_id: change.client_id,
            client_secrets,
            parent_id: change.parent_id,
            data: change.data,
            updated_at: now,
            ..before.clone()
        };
        let mut errors = check_entity(&entity);
        errors.extend(wrong);
        if errors.is_empty() {
            errors.extend(self.check_new_names(before, &entity).await?);
        }
        no_errors(errors)?;
        if !self.store.update_entity(before, &entity).await? {
            return Err(DirectoryError::Changed("entity"));
        }
        self.told(Event::EntityUpdated, &entity.id.to_string());
        if change.client_secret.is_some() {
            self.told(Event::SecretRegenerated, &entity.id.to_string());
        }
        Ok(entity)
    }

    async fn check_new_names(&self, before: &Entity, entity: &Entity) -> Result<Vec<FieldError>, DirectoryError> {
        let mut errors = self.check_references(entity).await?;
        // Its own names and its own id are not somebody else's.
        errors.retain(|error| match error.field.as_ref() {
            "entity.name" => before.name != entity.name,
            "entity.clientId" => before.client_id != entity.client_id,
            field => field != "entity.id",
        });
        Ok(errors)
    }

    /// Gives the entity a new secret. The old ones end at once, or `keep_old_for` seconds from now, so that callers
    /// can change over without a gap (D13); older ones end in any case.
    pub async fn regenerate_secret(&self, id: Uuid, keep_old_for: i64) -> Result<WithSecret, DirectoryError> {
        let now = self.clock.now();
        let before = self.store.find_entity(id).await?.ok_or(DirectoryError::NotFound("entity"))?;
        let client_secret = Secret::new(self.entropy.client_secret());
        let mut client_secrets = vec![ClientSecret::new(client_secret.expose(), now)];
        client_secrets.extend(ClientSecret::retiring(&before.client_secrets, keep_old_for, now));
        let entity = Entity { client_secrets, updated_at: now, ..before.clone() };
        if !self.store.update_entity(&before, &entity).await? {
            return Err(DirectoryError::Changed("entity"));
        }
        self.told(Event::SecretRegenerated, &id.to_string());
        Ok(WithSecret { entity, client_secret })
    }

    /// Deletes its grants too.
    pub async fn delete_entity(&self, id: Uuid) -> Result<(), DirectoryError> {
        if !self.store.delete_entity(id, self.clock.now()).await? {
            return Err(DirectoryError::NotFound("entity"));
        }
        self.told(Event::EntityDeleted, &id.to_string());
        Ok(())
    }
}
