//! Commands about grants between entities (D-09).

use uuid::Uuid;

use super::{Directory, DirectoryError, FieldCode, FieldError, no_errors};
use crate::events::Event;
use crate::model::{Entity, EntityGrant, EntityType, UserGrant};
use crate::store::{self, GrantFilter};

/// What a grant shall be.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// The callee.
    pub target_id: Uuid,
    /// The caller.
    pub recipient_id: Uuid,
    pub permissions: Vec<String>,
}

impl Directory {
    /// Makes or replaces the grant of the recipient on the target (F-184).
    pub async fn upsert_grant(&self, new: NewGrant) -> Result<EntityGrant, DirectoryError> {
        let now = self.clock.now();
        let mut permissions = new.permissions;
        permissions.sort_unstable();
        permissions.dedup();
        let target = self.store.find_entity(new.target_id).await?.ok_or(DirectoryError::NotFound("entity"))?;
        let recipient = self.store.find_entity(new.recipient_id).await?;
        let target_type = self.store.find_entity_type(target.type_id).await?;
        let mut errors = Vec::from_iter(check_recipient(&target, recipient.as_ref()));
        errors.extend(check_permissions(&permissions, target_type.as_ref()));
        no_errors(errors)?;
        let grant = EntityGrant {
            id: self.entropy.uuid(),
            target_id: new.target_id,
            recipient_id: new.recipient_id,
            permissions,
            managed_by: None,
            created_at: now,
            updated_at: now,
        };
        self.store.upsert_grant(&grant).await?;
        self.told(Event::GrantChanged, &format!("{}/{}", grant.target_id, grant.recipient_id));
        // An older grant keeps its id and its first instant.
        let stored = self.store.find_grant(new.recipient_id, new.target_id).await?;
        stored.ok_or(DirectoryError::Changed("grant"))
    }

    /// Makes or replaces what a user may do to an entity. No token carries it (F-199).
    pub async fn upsert_user_grant(
        &self,
        user_id: Uuid,
        target_id: Uuid,
        mut permissions: Vec<String>,
    ) -> Result<(), DirectoryError> {
        let now = self.clock.now();
        permissions.sort_unstable();
        permissions.dedup();
        let target = self.store.find_entity(target_id).await?.ok_or(DirectoryError::NotFound("entity"))?;
        let user = self.store.find_user(user_id).await?;
        let mut errors = Vec::new();
        if user.is_none_or(|user| user.tenant_id != target.tenant_id) {
            errors.push(FieldError::new("grant.userId", FieldCode::Missing, "the tenant has no such user"));
        }
        errors.extend(check_permissions(&permissions, self.store.find_entity_type(target.type_id).await?.as_ref()));
        no_errors(errors)?;
        let id = self.entropy.uuid();
        let grant = UserGrant { id, target_id, user_id, permissions, created_at: now, updated_at: now };
        self.store.upsert_user_grant(&grant).await?;
        self.told(Event::GrantChanged, &format!("{target_id}/{user_id}"));
        Ok(())
    }

    pub async fn delete_user_grant(&self, user_id: Uuid, target_id: Uuid) -> Result<(), DirectoryError> {
        if !self.store.delete_user_grant(user_id, target_id).await? {
            return Err(DirectoryError::NotFound("grant"));
        }
        self.told(Event::GrantDeleted, &format!("{target_id}/{user_id}"));
        Ok(())
    }

    /// Where the filter says recipient, users are meant.
    pub async fn user_grants(&self, filter: GrantFilter) -> store::Result<Vec<UserGrant>> {
        self.store.list_user_grants(filter).await
    }

    pub async fn delete_grant(&self, recipient_id: Uuid, target_id: Uuid) -> Result<(), DirectoryError> {
        if !self.store.delete_grant(recipient_id, target_id, self.clock.now()).await? {
            return Err(DirectoryError::NotFound("grant"));
        }
        self.told(Event::GrantDeleted, &format!("{target_id}/{recipient_id}"));
        Ok(())
    }
}

/// F-196: a recipient of another tenant is as good as none, and told the same.
fn check_recipient(target: &Entity, recipient: Option<&Entity>) -> Option<FieldError> {
    if recipient.is_some_and(|recipient| recipient.tenant_id == target.tenant_id) {
        return None;
    }
    Some(FieldError::new("grant.recipientEntityId", FieldCode::Missing, "the tenant has no such entity"))
}

/// F-183: only what the target's type knows can be granted.
pub(super) fn check_permissions(permissions: &[String], target_type: Option<&EntityType>) -> Option<FieldError> {
    let known = |name: &str| target_type.is_some_and(|of| of.permission(name).is_some());
    let unknown: Vec<&str> = permissions.iter().map(String::as_str).filter(|name| !known(name)).collect();
    if unknown.is_empty() {
        return None;
    }
    let names = target_type.map_or(&[][..], |of| &of.permissions).iter().map(|permission| permission.name.as_str());
    let message = format!(
        "the target's entity type has no permission {}; it has {}",
        unknown.join(", "),
        match names.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none".to_owned(),
            names => names,
        }
    );
    Some(FieldError::new("grant.permissions", FieldCode::Missing, message))
}
