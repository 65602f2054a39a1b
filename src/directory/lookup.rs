//! The token path's questions, answered from memory when they were asked before. It changes nothing.

use std::sync::Arc;

use uuid::Uuid;

use super::Directory;
use super::user_rules::is_login_id;
use crate::model::{
    Application, Entity, EntityGrant, EntityType, Registration, Tenant, User, is_client_id, is_display_name,
};
use crate::store::{FoundGrant, GrantFilter, GrantSearch, Result, Search};

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

    pub async fn entity_type(&self, id: Uuid) -> Result<Option<Arc<EntityType>>> {
        let generation = self.cache.generation();
        self.cache.entity_types.find(generation, id, self.store.find_entity_type(id)).await
    }

    /// What `recipient_id` may do to `target_id`.
    pub async fn find_grant(&self, recipient_id: Uuid, target_id: Uuid) -> Result<Option<Arc<EntityGrant>>> {
        let generation = self.cache.generation();
        let ask = self.store.find_grant(recipient_id, target_id);
        self.cache.grants.find(generation, (recipient_id, target_id), ask).await
    }

    /// Changes whenever anything that is answered from memory may have changed.
    pub fn generation(&self) -> u64 {
        self.cache.generation()
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

    /// The application whose `client_id` this is, unless it is inactive.
    pub async fn find_application(&self, tenant_id: Uuid, client_id: &str) -> Result<Option<Arc<Application>>> {
        if !is_client_id(client_id) {
            return Ok(None);
        }
        let generation = self.cache.generation();
        let ask = self.store.find_application_by_client_id(tenant_id, client_id);
        let found = self.cache.application_clients.find(generation, (tenant_id, client_id.into()), ask).await?;
        Ok(found.filter(|application| application.settings.is_active))
    }

    /// The application with this id, unless it is inactive.
    pub async fn application(&self, id: Uuid) -> Result<Option<Arc<Application>>> {
        let generation = self.cache.generation();
        let found = self.cache.applications.find(generation, id, self.store.find_application(id)).await?;
        Ok(found.filter(|application| application.settings.is_active))
    }

    pub async fn user(&self, id: Uuid) -> Result<Option<Arc<User>>> {
        let generation = self.cache.generation();
        self.cache.users.find(generation, id, self.store.find_user(id)).await
    }

    /// By email or username, without regard to case (F-048). Never from memory: a login decides on what is true now.
    pub async fn find_user(&self, tenant_id: Uuid, login_id: &str) -> Result<Option<User>> {
        if !is_login_id(login_id) {
            return Ok(None); // Nothing stored looks like this, and it could be megabytes long.
        }
        self.store.find_user_by_login(tenant_id, login_id).await
    }

    /// The user's place in the application, with those of its roles that the application still has.
    pub async fn registration(&self, user_id: Uuid, application_id: Uuid) -> Result<Option<Arc<Registration>>> {
        let generation = self.cache.generation();
        let ask = async {
            let Some(mut found) = self.store.find_registration(user_id, application_id).await? else { return Ok(None) };
            let application = self.application(application_id).await?;
            found.roles.retain(|name| application.as_ref().is_some_and(|application| application.role(name).is_some()));
            Ok(Some(found))
        };
        self.cache.registrations.find(generation, (user_id, application_id), ask).await
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

    /// As it is stored now.
    pub async fn read_application(&self, id: Uuid) -> Result<Option<Application>> {
        self.store.find_application(id).await
    }

    /// As it is stored now.
    pub async fn read_user(&self, id: Uuid) -> Result<Option<User>> {
        self.store.find_user(id).await
    }

    /// As it is stored now.
    pub async fn read_registration(&self, user_id: Uuid, application_id: Uuid) -> Result<Option<Registration>> {
        self.store.find_registration(user_id, application_id).await
    }

    pub async fn find_entity(&self, id: Uuid) -> Result<Option<Entity>> {
        self.store.find_entity(id).await
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

    /// Of one tenant, or of all.
    pub async fn applications(&self, tenant_id: Option<Uuid>) -> Result<Vec<Application>> {
        self.store.list_applications(tenant_id).await
    }

    /// By id, those after `after`, at most `limit`; of one tenant, or of all.
    pub async fn users(&self, tenant_id: Option<Uuid>, after: Option<Uuid>, limit: u32) -> Result<Vec<User>> {
        self.store.list_users(tenant_id, after, limit).await
    }

    /// Those whose email, username or full name contains a text, and how many there are in all.
    pub async fn search_users(&self, search: &Search) -> Result<(Vec<User>, u64)> {
        self.store.search_users(search).await
    }

    /// Those whose name, client id or id contains a text, and how many there are in all.
    pub async fn search_entities(&self, search: &Search) -> Result<(Vec<Entity>, u64)> {
        self.store.search_entities(search).await
    }

    /// Of all these users, by user and application.
    pub async fn registrations(&self, user_ids: &[Uuid]) -> Result<Vec<Registration>> {
        self.store.list_registrations(user_ids).await
    }

    /// Those of these ids that are there, in any order.
    pub async fn users_called(&self, ids: &[Uuid]) -> Result<Vec<User>> {
        self.store.find_users(ids).await
    }

    /// Those of these ids that are there, in any order.
    pub async fn entities_called(&self, ids: &[Uuid]) -> Result<Vec<Entity>> {
        self.store.find_entities(ids).await
    }

    /// Those of entities and of users, and how many there are in all.
    pub async fn search_grants(&self, search: &GrantSearch) -> Result<(Vec<FoundGrant>, u64)> {
        self.store.search_grants(search).await
    }

    pub async fn grants(&self, filter: GrantFilter) -> Result<Vec<EntityGrant>> {
        self.store.list_grants(filter).await
    }
}
