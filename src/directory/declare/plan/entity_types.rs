//! Which entity types and permissions to write.

use super::keys::Signs;
use super::{Action, Place, Planner, Step, Write};
use crate::directory::KeySigner;
use crate::directory::declare::{EntityTypeDeclaration, PermissionDeclaration};
use crate::directory::rules::check_entity_type;
use crate::model::{EntityType, KeyPurpose, Permission};

impl Planner<'_> {
    pub(super) fn plan_entity_types(&mut self, declared: &[EntityTypeDeclaration], stored: &[EntityType]) {
        for (index, one) in declared.iter().enumerate() {
            let place = Place { field: format!("entity_types[{index}]"), what: "entity type", name: &one.name };
            let repeated = declared[..index].iter().any(|other| other.name == one.name);
            if !self.refuses_repetition(&place, repeated) {
                self.plan_entity_type(&place, one, stored);
            }
        }
        let orphans = self.entity_types.take_orphans(self.terms).into_iter();
        let steps = orphans.map(|orphan| {
            Step::new(Action::Remove, format!("entity type {:?}", orphan.name), Write::DeleteType(orphan.id))
        });
        // Before the tenants, which are planned already.
        self.last.splice(..0, steps);
    }

    fn plan_entity_type(&mut self, place: &Place<'_>, declared: &EntityTypeDeclaration, stored: &[EntityType]) {
        let claimed = self.claim(place, declared.id, stored.iter());
        let Some(found) = self.noted(claimed) else { return };
        let id = found.map(|found| found.id).or(declared.id).unwrap_or_else(|| self.entropy.uuid());
        if self.refuses_shared_id(place, self.entity_types.declared_as(id)) {
            return;
        }
        let permission = |declared: &PermissionDeclaration| {
            let known = found.and_then(|found| found.permission(&declared.name));
            Permission {
                id: known.map_or_else(|| self.entropy.uuid(), |known| known.id),
                name: declared.name.clone(),
                description: declared.description.clone(),
                is_default: declared.is_default,
            }
        };
        let signs = Signs { signer: KeySigner::EntityTypes, tenant: None, purpose: KeyPurpose::AccessToken };
        let access_token_key = declared.access_token_key.as_ref().and_then(|key| self.plan_key_use(place, key, signs));
        let mut permissions: Vec<Permission> = declared.permissions.iter().map(permission).collect();
        permissions.sort_by(|a, b| a.name.cmp(&b.name));
        let entity_type = EntityType {
            id,
            name: declared.name.clone(),
            permissions,
            access_token_for: declared.access_token_for,
            access_token_key,
            data: found.map(|found| found.data.clone()).unwrap_or_default(),
            managed_by: self.terms.managed_by(),
            created_at: found.map_or(self.now, |found| found.created_at),
            updated_at: self.now,
        };
        self.note_all(place, check_entity_type(&entity_type));
        match found {
            None => self.step(Action::Create, place.what(), Write::InsertType(entity_type.clone())),
            Some(before) => self.plan_type_changes(place, before, &entity_type),
        }
        self.notes.entity_type(&entity_type);
        self.entity_types.declare(entity_type);
    }

    fn plan_type_changes(&mut self, place: &Place<'_>, before: &EntityType, after: &EntityType) {
        let planned = self.steps.len();
        let alone = |of: &EntityType| EntityType { permissions: Vec::new(), updated_at: self.now, ..of.clone() };
        if alone(before) != alone(after) {
            let write = Write::UpdateType(Box::new((before.clone(), after.clone())));
            self.step(Action::Update, place.what(), write);
        }
        let what = |permission: &Permission| format!("permission {:?} of {}", permission.name, place.what());
        for permission in &after.permissions {
            let (action, write) = match before.permission(&permission.name) {
                Some(same) if same == permission => continue,
                Some(_) => (Action::Update, Write::UpdatePermission(after.id, permission.clone())),
                None => (Action::Create, Write::InsertPermission(after.id, permission.clone())),
            };
            self.step(action, what(permission), write);
        }
        for permission in before.permissions.iter().filter(|old| after.permission(&old.name).is_none()) {
            self.step(Action::Remove, what(permission), Write::DeletePermission(after.id, permission.id));
        }
        if self.steps.len() == planned {
            self.unchanged += 1;
        }
    }
}
