//! Which entities to write, and with which secrets.

use uuid::Uuid;

use super::{Action, Place, Planner, Step, Write};
use crate::directory::FieldCode;
use crate::directory::declare::{EntityDeclaration, GeneratedSecret};
use crate::directory::rules::{check_entity, check_secret};
use crate::model::{ClientSecret, Entity, Tenant};
use crate::secret::Secret;

impl Planner<'_> {
    pub(super) fn plan_entities(&mut self, declared: &[EntityDeclaration], stored: &[Entity]) {
        for (index, one) in declared.iter().enumerate() {
            let place = Place { field: format!("entities[{index}]"), what: "entity", name: &one.name };
            let repeats = |other: &EntityDeclaration| (&other.name, &other.tenant) == (&one.name, &one.tenant);
            if self.refuses_repetition(&place, declared[..index].iter().any(repeats)) {
                continue;
            }
            let tenant = self.tenant(&place, one.tenant.as_deref());
            let tenant = self.noted(tenant);
            let type_id = self.entity_types.find(&one.entity_type).map(|entity_type| entity_type.id).ok_or_else(|| {
                place.error(FieldCode::Missing, format!("there is no entity type {:?}", one.entity_type))
            });
            let type_id = self.noted(type_id);
            if let (Some(tenant), Some(type_id)) = (tenant, type_id) {
                self.plan_entity(&place, one, (tenant, type_id), stored);
            }
        }
        for orphan in self.entities.take_orphans(self.terms) {
            let what = format!("entity {:?}", orphan.name);
            self.first.push(Step::new(Action::Remove, what, Write::DeleteEntity(orphan.id)));
        }
    }

    fn plan_entity(
        &mut self,
        place: &Place<'_>,
        declared: &EntityDeclaration,
        (tenant, type_id): (Tenant, Uuid),
        stored: &[Entity],
    ) {
        let of_tenant = stored.iter().filter(|entity| entity.tenant_id == tenant.id);
        let claimed = self.claim(place, declared.id, of_tenant);
        let Some(found) = self.noted(claimed) else { return };
        if found.is_some_and(|found| found.type_id != type_id) {
            let message = "is stored with another type, which cannot change; remove it first, then declare it anew";
            self.errors.push(place.error(FieldCode::InUse, message));
            return;
        }
        let id = found.map(|found| found.id).or(declared.id).unwrap_or_else(|| self.entropy.uuid());
        if self.refuses_shared_id(place, self.entities.declared_as(id)) {
            return;
        }
        let (client_secrets, generated) = self.plan_secrets(place, declared, found);
        let entity = Entity {
            id,
            tenant_id: tenant.id,
            type_id,
            name: declared.name.clone(),
            client_id: declared.client_id.clone().unwrap_or_else(|| id.to_string()),
            client_secrets,
            // Files say nothing about these two.
            parent_id: found.and_then(|found| found.parent_id),
            data: found.map(|found| found.data.clone()).unwrap_or_default(),
            managed_by: self.terms.managed_by(),
            created_at: found.map_or(self.now, |found| found.created_at),
            updated_at: self.now,
        };
        self.note_all(place, check_entity(&entity));
        match found {
            None => {
                let generated = generated.map(|client_secret| GeneratedSecret {
                    kind: "entity",
                    tenant: tenant.name,
                    name: entity.name.clone(),
                    client_id: entity.client_id.clone(),
                    client_secret,
                });
                let step = Step::new(Action::Create, place.what(), Write::InsertEntity(entity.clone()));
                self.steps.push(Step { generated, ..step });
            }
            Some(before) if *before == (Entity { updated_at: before.updated_at, ..entity.clone() }) => {
                self.unchanged += 1;
            }
            Some(before) => {
                let write = Write::UpdateEntity(Box::new((before.clone(), entity.clone())));
                self.step(Action::Update, place.what(), write);
            }
        }
        self.notes.entity(&entity);
        self.entities.declare(entity);
    }

    /// The secrets that the entity shall have. A declared one is the only one; without one, what is stored stays.
    fn plan_secrets(
        &mut self,
        place: &Place<'_>,
        declared: &EntityDeclaration,
        found: Option<&Entity>,
    ) -> (Vec<ClientSecret>, Option<Secret<String>>) {
        match (&declared.client_secret, found) {
            (Some(secret), _) => {
                self.note_all(place, check_secret("entity.clientSecret", secret.expose()));
                let wanted = ClientSecret::new(secret.expose(), self.now);
                let stored = found.map_or(&[][..], |found| &found.client_secrets);
                match stored {
                    [only] if only.sha256 == wanted.sha256 && only.expires_at.is_none() => (vec![only.clone()], None),
                    _ => (vec![wanted], None),
                }
            }
            (None, Some(found)) => (found.client_secrets.clone(), None),
            (None, None) => {
                let secret = Secret::new(self.entropy.client_secret());
                (vec![ClientSecret::new(secret.expose(), self.now)], Some(secret))
            }
        }
    }
}
