//! Which applications to write, and with which secrets.

use uuid::Uuid;

use super::keys::Signs;
use super::{Action, Place, Planner, Step, Write};
use crate::directory::declare::{ApplicationDeclaration, GeneratedSecret};
use crate::directory::{FieldCode, KeySigner, NewRole};
use crate::model::{Application, ClientSecret, CustomScope, KeyPurpose, Tenant};
use crate::secret::Secret;

impl Planner<'_> {
    pub(super) fn plan_applications(&mut self, declared: &[ApplicationDeclaration], stored: &[Application]) {
        for (index, one) in declared.iter().enumerate() {
            let place = Place { field: format!("applications[{index}]"), what: "application", name: &one.name };
            let repeats = |other: &ApplicationDeclaration| (&other.name, &other.tenant) == (&one.name, &one.tenant);
            if self.refuses_repetition(&place, declared[..index].iter().any(repeats)) {
                continue;
            }
            let tenant = self.tenant(&place, one.tenant.as_deref());
            if let Some(tenant) = self.noted(tenant) {
                self.plan_application(&place, one, tenant, stored);
            }
        }
        for orphan in self.applications.take_orphans(self.terms) {
            let what = format!("application {:?}", orphan.name);
            self.first.push(Step::new(Action::Remove, what, Write::DeleteApplication(Box::new(orphan))));
        }
    }

    fn plan_application(
        &mut self,
        place: &Place<'_>,
        declared: &ApplicationDeclaration,
        tenant: Tenant,
        stored: &[Application],
    ) {
        let of_tenant = stored.iter().filter(|application| application.tenant_id == tenant.id);
        let claimed = self.claim(place, declared.id, of_tenant);
        let Some(found) = self.noted(claimed) else { return };
        self.note_all(place, declared.problems(tenant.profile));
        let id = found.map(|found| found.id).or(declared.id).unwrap_or_else(|| self.entropy.uuid());
        if self.refuses_shared_id(place, self.applications.declared_as(id)) {
            return;
        }
        let (client_secrets, generated) = self.plan_application_secrets(place, declared, found);
        let mut settings = declared.settings.clone();
        for scope in &mut settings.scopes {
            let known = |old: &&CustomScope| old.name == scope.name;
            let known = found.and_then(|found| found.settings.scopes.iter().find(known));
            scope.id = known.map_or_else(|| self.entropy.uuid(), |known| known.id);
        }
        for (purpose, name) in
            [(KeyPurpose::AccessToken, &declared.access_token_key), (KeyPurpose::IdToken, &declared.id_token_key)]
        {
            let Some(name) = name else { continue };
            let signer = KeySigner::Applications(tenant.id);
            let id = self.plan_key_use(place, name, Signs { signer, tenant: Some(&tenant), purpose });
            match purpose {
                KeyPurpose::AccessToken => settings.access_token_key = id,
                KeyPurpose::IdToken => settings.id_token_key = id,
                KeyPurpose::Forwarded => {}
            }
        }
        // Files say nothing about it.
        settings.data = found.map(|found| found.settings.data.clone()).unwrap_or_default();
        let mut roles: Vec<_> = declared.roles.iter().map(|role| self.plan_role(role, found)).collect();
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        let application = Application {
            id,
            tenant_id: tenant.id,
            name: declared.name.clone(),
            client_id: declared.client_id.clone().unwrap_or_else(|| id.to_string()),
            client_secrets,
            roles,
            settings,
            managed_by: self.terms.managed_by(),
            created_at: found.map_or(self.now, |found| found.created_at),
            updated_at: self.now,
        };
        match found {
            None => {
                let generated = generated.map(|client_secret| GeneratedSecret {
                    kind: "application",
                    tenant: tenant.name,
                    name: application.name.clone(),
                    client_id: application.client_id.clone(),
                    client_secret,
                });
                let write = Write::InsertApplication(Box::new(application.clone()));
                let step = Step::new(Action::Create, place.what(), write);
                self.steps.push(Step { generated, ..step });
            }
            Some(before) if *before == (Application { updated_at: before.updated_at, ..application.clone() }) => {
                self.unchanged += 1;
            }
            Some(before) => {
                let write = Write::UpdateApplication(Box::new((before.clone(), application.clone())));
                self.step(Action::Update, place.what(), write);
            }
        }
        self.notes.application(&application);
        self.applications.declare(application);
    }

    fn plan_role(&self, declared: &NewRole, found: Option<&Application>) -> crate::model::Role {
        let role = self.directory.role(declared.clone());
        match found.and_then(|found| found.role(&declared.name)) {
            Some(known) => crate::model::Role { id: known.id, ..role },
            None => role,
        }
    }

    /// The secrets that the application shall have. A declared one is the only one; without one, what is stored stays.
    fn plan_application_secrets(
        &mut self,
        place: &Place<'_>,
        declared: &ApplicationDeclaration,
        found: Option<&Application>,
    ) -> (Vec<ClientSecret>, Option<Secret<String>>) {
        let stored = found.map_or(&[][..], |found| &found.client_secrets);
        let secret = match (&declared.client_secret, found) {
            (_, _) if declared.is_public => return (Vec::new(), None),
            (Some(secret), _) => {
                let is_it = |only: &ClientSecret| {
                    let opened = self.directory.open_client_secret(only);
                    only.expires_at.is_none() && opened.is_some_and(|opened| opened.expose() == secret.expose())
                };
                if let [only] = stored
                    && is_it(only)
                {
                    return (vec![only.clone()], None);
                }
                secret.clone()
            }
            (None, Some(_)) if !stored.is_empty() => return (stored.to_vec(), None),
            (None, _) => Secret::new(self.entropy.client_secret()),
        };
        match self.directory.sealed_secret(&secret) {
            Ok(sealed) => (vec![sealed], declared.client_secret.is_none().then_some(secret)),
            Err(error) => {
                self.errors.push(place.error(FieldCode::Invalid, error));
                (Vec::new(), None)
            }
        }
    }

    /// In its tenant a client id means one party, and never another one's id (D9).
    pub(super) fn refuse_shared_client_ids(&mut self) {
        let of_entity = |party: &crate::model::Entity| Party {
            tenant_id: party.tenant_id,
            id: party.id,
            client_id: Some(party.client_id.clone()),
            name: party.name.clone(),
            is_declared: self.entities.is_declared(party.id),
        };
        let of_application = |party: &Application| Party {
            tenant_id: party.tenant_id,
            id: party.id,
            client_id: Some(party.client_id.clone()),
            name: party.name.clone(),
            is_declared: self.applications.is_declared(party.id),
        };
        let of_user = |party: &crate::model::User| Party {
            tenant_id: party.tenant_id,
            id: party.id,
            client_id: None,
            name: party.display_name().to_owned(),
            is_declared: self.users.is_declared(party.id),
        };
        let entities = self.entities.iter().map(of_entity);
        let applications = self.applications.iter().map(of_application);
        let parties: Vec<Party> = entities.chain(applications).chain(self.users.iter().map(of_user)).collect();
        let clashes = clashes(&parties);
        self.errors.extend(clashes.into_iter().map(|(one, other)| {
            let message = format!("the client ids of {:?} and {:?} clash", one.name, other.name);
            crate::directory::FieldError::new("clients", FieldCode::Duplicate, message)
        }));
    }
}

/// Whoever has an id that tokens name.
struct Party {
    tenant_id: Uuid,
    id: Uuid,
    client_id: Option<String>,
    name: String,
    is_declared: bool,
}

/// Pairs of which at least one was declared.
fn clashes(parties: &[Party]) -> Vec<(&Party, &Party)> {
    let mut clients = std::collections::HashMap::new();
    let mut clashes = Vec::new();
    for party in parties {
        let Some(client_id) = &party.client_id else { continue };
        if let Some(other) = clients.insert((party.tenant_id, client_id.as_str()), party) {
            clashes.push((party, other));
        }
    }
    for party in parties {
        let id = party.id.to_string();
        if let Some(other) = clients.get(&(party.tenant_id, id.as_str()))
            && other.id != party.id
        {
            clashes.push((party, *other));
        }
    }
    clashes.retain(|(one, other)| one.is_declared || other.is_declared);
    clashes
}
