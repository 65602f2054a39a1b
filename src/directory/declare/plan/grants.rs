//! Which grants to write.

use super::roll::find;
use super::{Action, Place, Planner, Step, Write};
use crate::directory::declare::GrantDeclaration;
use crate::directory::grants::check_permissions;
use crate::directory::{FieldCode, FieldError};
use crate::model::{Entity, EntityGrant, Tenant};

impl Planner<'_> {
    pub(super) fn plan_grants(&mut self, declared: &[GrantDeclaration], stored: &[EntityGrant]) {
        let mut pairs = Vec::new();
        for (index, one) in declared.iter().enumerate() {
            let name = format!("{} -> {}", one.recipient, one.target);
            let place = Place { field: format!("grants[{index}]"), what: "grant", name: &name };
            let tenant = self.tenant(&place, one.tenant.as_deref());
            let Some(tenant) = self.noted(tenant) else { continue };
            let recipient = self.entity(&place, &tenant, &one.recipient);
            let target = self.entity(&place, &tenant, &one.target);
            let (Some(recipient), Some(target)) = (self.noted(recipient), self.noted(target)) else {
                continue;
            };
            let pair = (recipient.id, target.id);
            if !self.refuses_repetition(&place, pairs.contains(&pair)) {
                pairs.push(pair);
                let before = stored.iter().find(|old| (old.recipient_id, old.target_id) == pair);
                self.plan_grant(&place, one, (&recipient, &target), before);
            }
        }
        let mut removals: Vec<Step> = Vec::new();
        for old in stored {
            let (recipient_id, target_id) = (old.recipient_id, old.target_id);
            if self.terms.owns(old.managed_by.as_deref()) && !pairs.contains(&(recipient_id, target_id)) {
                let what = format!(
                    "grant \"{} -> {}\"",
                    self.entities.name_of(recipient_id),
                    self.entities.name_of(target_id)
                );
                removals.push(Step::new(Action::Remove, what, Write::DeleteGrant { recipient_id, target_id }));
            }
        }
        // Before the entities, which are planned already.
        self.first.splice(..0, removals);
    }

    fn plan_grant(
        &mut self,
        place: &Place<'_>,
        declared: &GrantDeclaration,
        (recipient, target): (&Entity, &Entity),
        before: Option<&EntityGrant>,
    ) {
        let mut permissions = declared.permissions.clone();
        permissions.sort_unstable();
        permissions.dedup();
        let unknown = check_permissions(&permissions, self.entity_types.with_id(target.type_id));
        self.note_all(place, unknown);
        let grant = EntityGrant {
            id: before.map_or_else(|| self.entropy.uuid(), |before| before.id),
            target_id: target.id,
            recipient_id: recipient.id,
            permissions,
            managed_by: self.terms.managed_by(),
            created_at: before.map_or(self.now, |before| before.created_at),
            updated_at: self.now,
        };
        self.notes.grant(&grant);
        match before {
            Some(before) if !self.terms.owns(before.managed_by.as_deref()) && !self.adopt => {
                self.errors.push(place.error(FieldCode::InUse, self.terms.not_ours()));
            }
            Some(before) if *before == (EntityGrant { updated_at: before.updated_at, ..grant.clone() }) => {
                self.unchanged += 1;
            }
            Some(_) => self.step(Action::Update, place.what(), Write::UpsertGrant(grant)),
            None => self.step(Action::Create, place.what(), Write::UpsertGrant(grant)),
        }
    }

    fn entity(&self, place: &Place<'_>, tenant: &Tenant, name_or_id: &str) -> Result<Entity, FieldError> {
        let of_tenant = self.entities.iter().filter(|entity| entity.tenant_id == tenant.id);
        find(of_tenant, name_or_id).cloned().ok_or_else(|| {
            place.error(FieldCode::Missing, format!("tenant {:?} has no entity {name_or_id:?}", tenant.name))
        })
    }
}
