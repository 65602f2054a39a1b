//! Which tenants to write.

use super::keys::{Signs, algorithm_of};
use super::{Action, Place, Planner, Step, Write};
use crate::directory::declare::stored::Stored;
use crate::directory::declare::{Declaration, TenantDeclaration};
use crate::directory::rules::check_tenant;
use crate::directory::{Directory, FieldCode, KeySigner, new_tenant};
use crate::model::{KeyPurpose, Tenant};

impl Planner<'_> {
    pub(super) fn plan_tenants(&mut self, declaration: &Declaration, stored: &Stored) {
        for (index, declared) in declaration.tenants.iter().enumerate() {
            let place = Place { field: format!("tenants[{index}]"), what: "tenant", name: &declared.name };
            let repeated = declaration.tenants[..index].iter().any(|other| other.name == declared.name);
            if !self.refuses_repetition(&place, repeated) {
                self.plan_tenant(&place, declared, (declaration, stored));
            }
        }
        for orphan in self.tenants.take_orphans(self.terms) {
            let what = format!("tenant {:?}", orphan.name);
            self.last.push(Step::new(Action::Remove, what, Write::DeleteTenant(orphan.id)));
        }
        let entities = declaration.entities.iter().map(|entity| &entity.tenant);
        let grants = declaration.grants.iter().map(|grant| &grant.tenant);
        let applications = declaration.applications.iter().map(|application| &application.tenant);
        let users = declaration.users.iter().map(|user| &user.tenant);
        let keys = declaration.keys.iter().map(|key| &key.tenant);
        let mut named = entities.chain(grants).chain(applications).chain(users).chain(keys).flatten();
        let needs_default = self.tenants.iter().len() == 0 || named.any(|name| name == Directory::DEFAULT_TENANT);
        if needs_default && self.tenants.find(Directory::DEFAULT_TENANT).is_none() {
            let tenant = Tenant::new(self.entropy.uuid(), Directory::DEFAULT_TENANT, self.now);
            let what = format!("tenant {:?}", tenant.name);
            self.step(Action::Create, what, Write::InsertTenant(Box::new(tenant.clone())));
            self.tenants.add(tenant);
        }
    }

    fn plan_tenant(
        &mut self,
        place: &Place<'_>,
        declared: &TenantDeclaration,
        (declaration, stored): (&Declaration, &Stored),
    ) {
        let claimed = self.claim(place, declared.id, stored.tenants.iter());
        let Some(found) = self.noted(claimed) else { return };
        let id = found.map(|found| found.id).or(declared.id).unwrap_or_else(|| self.entropy.uuid());
        if self.refuses_shared_id(place, self.tenants.declared_as(id)) {
            return;
        }
        let mut tenant = new_tenant(id, &declared.name, declared.profile, self.now);
        tenant.issuer.clone_from(&declared.issuer);
        if let Some(settings) = &declared.settings {
            tenant.settings = settings.clone();
        }
        // Files say nothing about it.
        tenant.settings.data = found.map(|found| found.settings.data.clone()).unwrap_or_default();
        tenant.managed_by = self.terms.managed_by();
        if let Some(seconds) = declared.access_token_for {
            tenant.access_token_for = seconds;
        }
        if let Some(algorithm) = &declared.access_token_algorithm {
            tenant.access_token_algorithm.clone_from(algorithm);
        }
        if let Some(algorithm) = &declared.id_token_algorithm {
            tenant.id_token_algorithm.clone_from(algorithm);
        }
        for (key, algorithm, own) in [
            (&declared.access_token_key, &mut tenant.access_token_algorithm, &declared.access_token_algorithm),
            (&declared.id_token_key, &mut tenant.id_token_algorithm, &declared.id_token_algorithm),
        ] {
            // A key that is not there is a mistake that is noted where it is put to use.
            let of_key = key.as_ref().and_then(|name| algorithm_of(name, &declaration.keys, &stored.keys));
            let Some(of_key) = of_key else { continue };
            if own.as_ref().is_some_and(|own| *own != of_key) {
                let message = format!("its key is for {of_key}, not for the algorithm that is declared beside it");
                self.errors.push(place.error(FieldCode::Invalid, message));
            }
            *algorithm = of_key;
        }
        self.note_all(place, check_tenant(&tenant));
        match found {
            None => self.step(Action::Create, place.what(), Write::InsertTenant(Box::new(tenant.clone()))),
            Some(before) => {
                tenant.created_at = before.created_at;
                if *before == (Tenant { updated_at: before.updated_at, ..tenant.clone() }) {
                    self.unchanged += 1;
                } else {
                    let write = Write::UpdateTenant(Box::new((before.clone(), tenant.clone())));
                    self.step(Action::Update, place.what(), write);
                }
            }
        }
        self.notes.tenant(&tenant);
        self.tenants.declare(tenant);
    }

    /// What the declared tenants sign with, once their keys are planned.
    pub(super) fn plan_keys_of_tenants(&mut self, declared: &[TenantDeclaration]) {
        for (index, one) in declared.iter().enumerate() {
            let place = Place { field: format!("tenants[{index}]"), what: "tenant", name: &one.name };
            for (purpose, key) in
                [(KeyPurpose::AccessToken, &one.access_token_key), (KeyPurpose::IdToken, &one.id_token_key)]
            {
                let tenant = self.tenants.iter().find(|tenant| tenant.name == one.name).cloned();
                if let (Some(name), Some(tenant)) = (key, tenant) {
                    let signer = KeySigner::Tenant(tenant.id);
                    self.plan_key_use(&place, name, Signs { signer, tenant: Some(&tenant), purpose });
                }
            }
        }
    }
}
