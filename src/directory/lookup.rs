//! The token path's questions, answered from memory when they were asked before. It changes nothing.

use std::sync::Arc;

use uuid::Uuid;

use super::Directory;
use crate::model::{Entity, EntityGrant, EntityType, Tenant, is_client_id, is_display_name};
use crate::store::{GrantFilter, Result};

impl Directory {
    pub async fn tenant(&self, id: Uuid) -> Result<Option<Arc<Tenant>>> {
        let generation = self.cache.generation();
        self.cache.tenants.find(generation, Some(id), self.store.find_tenant(id)).await
    }

    /// The only tenant, when there is one only: requests that name none are meant for it (D1).
    pub async fn default_tenant(&self) -> Result<Option<Arc<Tenant>>> {
        let generation = self.cache.generation();
        let ask = async {
            let mut tenants = self.store.list_tenants().await?;
            Ok(if tenants.len() == 1 { tenants.pop() } else { None })
        };
        self.cache.tenants.find(generation, None, ask).await
    }

    /// The entity whose `client_id` this is, for client authentication.
    pub async fn find_client(&self, tenant_id: Uuid, client_id: &str) -> Result<Option<Arc<Entity>>> {
        if !is_client_id(client_id) {
            return Ok(None); // Nothing stored looks like this, and it could be megabytes long.
        }
        let generation = self.cache.generation();
        let ask = self.store.find_entity_by_client_id(tenant_id, client_id);
        self.cache.clients.find(generation, (tenant_id, client_id.into()), ask).await
    }

    /// The entity that a scope means by its id, or by its name in the tenant. An entity of another tenant is not found
    /// (F-196).
    pub async fn find_target(&self, tenant_id: Uuid, id_or_name: &str) -> Result<Option<Arc<Entity>>> {
        // Only the hyphenated form is an id (F-189); the others that `Uuid` reads can not be names either.
        if let Ok(id) = Uuid::try_parse(id_or_name) {
            if id_or_name.len() != uuid::fmt::Hyphenated::LENGTH {
                return Ok(None);
            }
            return Ok(self.entity(id).await?.filter(|entity| entity.tenant_id == tenant_id));
        }
        if !is_display_name(id_or_name) {
            return Ok(None);
        }
        let generation = self.cache.generation();
        let ask = self.store.find_entity_by_name(tenant_id, id_or_name);
        self.cache.names.find(generation, (tenant_id, id_or_name.into()), ask).await
    }

    pub async fn entity(&self, id: Uuid) -> Result<Option<Arc<Entity>>> {
        let generation = self.cache.generation();
        self.cache.entities.find(generation, id, self.store.find_entity(id)).await
    }

    /// What `recipient_id` may do to `target_id`.
    pub async fn find_grant(&self, recipient_id: Uuid, target_id: Uuid) -> Result<Option<Arc<EntityGrant>>> {
        let generation = self.cache.generation();
        let ask = self.store.find_grant(recipient_id, target_id);
        self.cache.grants.find(generation, (recipient_id, target_id), ask).await
    }

    /// The names of those `ids` that are entities of the tenant, in the order given.
    pub async fn names_of(&self, tenant_id: Uuid, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>> {
        let mut names = Vec::with_capacity(ids.len());
        for &id in ids {
            if let Some(entity) = self.entity(id).await?.filter(|entity| entity.tenant_id == tenant_id) {
                names.push((id, entity.name.clone()));
            }
        }
        Ok(names)
    }

    // What follows is for administrators and never cached.

    /// By name or id.
    pub async fn find_tenant(&self, name_or_id: &str) -> Result<Option<Tenant>> {
        match Uuid::try_parse(name_or_id) {
            Ok(id) => self.store.find_tenant(id).await,
            Err(_) => self.store.find_tenant_by_name(name_or_id).await,
        }
    }

    /// By name or id.
    pub async fn find_entity_type(&self, name_or_id: &str) -> Result<Option<EntityType>> {
        match Uuid::try_parse(name_or_id) {
            Ok(id) => self.store.find_entity_type(id).await,
            Err(_) => self.store.find_entity_type_by_name(name_or_id).await,
        }
    }

    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        self.store.list_tenants().await
    }

    pub async fn entity_types(&self) -> Result<Vec<EntityType>> {
        self.store.list_entity_types().await
    }

    /// Of one tenant, or of all.
    pub async fn entities(&self, tenant_id: Option<Uuid>) -> Result<Vec<Entity>> {
        self.store.list_entities(tenant_id).await
    }

    pub async fn grants(&self, filter: GrantFilter) -> Result<Vec<EntityGrant>> {
        self.store.list_grants(filter).await
    }
}
