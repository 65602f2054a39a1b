//! Which users and registrations to write. What people do themselves - passwords, factors - is theirs once they exist.

use uuid::Uuid;

use super::roll::find;
use super::{Action, Place, Planner, Step, Write};
use crate::directory::declare::{RegistrationDeclaration, UserDeclaration};
use crate::directory::registrations::{check_roles, roles_of};
use crate::directory::{FieldCode, FieldError};
use crate::model::{Application, Registration, Tenant, User};

impl Planner<'_> {
    pub(super) fn plan_users(&mut self, declared: &[UserDeclaration], users: &[User], registrations: &[Registration]) {
        for (index, one) in declared.iter().enumerate() {
            let place = Place { field: format!("users[{index}]"), what: "user", name: &one.name };
            let repeats = |other: &UserDeclaration| other.tenant == one.tenant && are_called_alike(other, one);
            if self.refuses_repetition(&place, declared[..index].iter().any(repeats)) {
                continue;
            }
            let tenant = self.tenant(&place, one.tenant.as_deref());
            if let Some(tenant) = self.noted(tenant) {
                self.plan_user(&place, one, &tenant, (users, registrations));
            }
        }
        for orphan in self.users.take_orphans(self.terms) {
            let what = format!("user {:?}", orphan.display_name());
            self.first.push(Step::new(Action::Remove, what, Write::DeleteUser(orphan.id)));
        }
    }

    fn plan_user(
        &mut self,
        place: &Place<'_>,
        declared: &UserDeclaration,
        tenant: &Tenant,
        (users, registrations): (&[User], &[Registration]),
    ) {
        self.note_all(place, declared.problems(&tenant.settings));
        let claimed = self.claim_user(place, declared, users.iter().filter(|user| user.tenant_id == tenant.id));
        let Some(found) = self.noted(claimed) else { return };
        let id = found.map(|found| found.id).or(declared.id).unwrap_or_else(|| self.entropy.uuid());
        if self.refuses_shared_id(place, self.users.declared_as(id)) {
            return;
        }
        let before = found.cloned().unwrap_or_else(|| User {
            password_change: declared.password_change,
            password_hash: declared.password_hash.as_ref().map(|hash| hash.expose().clone()),
            ..User::new(id, tenant.id, self.now)
        });
        let user = User { managed_by: self.terms.managed_by(), updated_at: self.now, ..declared.written_over(before) };
        match found {
            None => {
                let write = Write::InsertUser(Box::new((user.clone(), declared.password.clone())));
                self.step(Action::Create, place.what(), write);
            }
            Some(before) if *before == (User { updated_at: before.updated_at, ..user.clone() }) => self.unchanged += 1,
            Some(before) => {
                let write = Write::UpdateUser(Box::new((before.clone(), user.clone())));
                self.step(Action::Update, place.what(), write);
            }
        }
        self.notes.user(&user);
        self.users.declare(user);
        let of_user: Vec<&Registration> = registrations.iter().filter(|old| old.user_id == id).collect();
        self.plan_registrations(place, (id, tenant), &declared.registrations, &of_user);
    }

    /// The stored user that a declaration means: by id if it declares one, else by what they are called.
    fn claim_user<'s>(
        &self,
        place: &Place<'_>,
        declared: &UserDeclaration,
        mut stored: impl Iterator<Item = &'s User> + Clone,
    ) -> Result<Option<&'s User>, FieldError> {
        let by_name = stored.clone().find(|user| {
            let same = |one: &Option<String>, other: &Option<String>| one.is_some() && fold(one) == fold(other);
            same(&user.email, &declared.email) || same(&user.username, &declared.username)
        });
        let found = match (declared.id, by_name) {
            (None, by_name) => by_name,
            (Some(id), Some(other)) if other.id != id => {
                let message = format!("is stored with the id {}; declare that id or another name", other.id);
                return Err(place.error(FieldCode::Duplicate, message));
            }
            (Some(id), _) => stored.find(|user| user.id == id),
        };
        match found {
            Some(user) if !self.terms.owns(user.managed_by.as_deref()) && !self.adopt => {
                Err(place.error(FieldCode::InUse, self.terms.not_ours()))
            }
            found => Ok(found),
        }
    }

    fn plan_registrations(
        &mut self,
        place: &Place<'_>,
        (user_id, tenant): (Uuid, &Tenant),
        declared: &[RegistrationDeclaration],
        stored: &[&Registration],
    ) {
        let mut kept = Vec::new();
        for one in declared {
            let of_tenant = self.applications.iter().filter(|application| application.tenant_id == tenant.id);
            let application = find(of_tenant, &one.application).cloned().ok_or_else(|| {
                let message = format!("tenant {:?} has no application {:?}", tenant.name, one.application);
                place.error(FieldCode::Missing, message)
            });
            let Some(application) = self.noted(application) else { continue };
            if kept.contains(&application.id) {
                let message = format!("is registered twice for {:?}", application.name);
                self.errors.push(place.error(FieldCode::Duplicate, message));
                continue;
            }
            kept.push(application.id);
            let before = stored.iter().copied().find(|old| old.application_id == application.id);
            self.plan_registration(place, (user_id, &application), one, before);
        }
        for old in stored.iter().filter(|old| self.terms.owns(old.managed_by.as_deref())) {
            let application_id = old.application_id;
            // What belongs to an application that goes, goes with it.
            if !kept.contains(&application_id) && self.applications.with_id(application_id).is_some() {
                let what = self.registration(place.name, application_id);
                let write = Write::DeleteRegistration { user_id, application_id };
                self.first.push(Step::new(Action::Remove, what, write));
            }
        }
    }

    fn plan_registration(
        &mut self,
        place: &Place<'_>,
        (user_id, application): (Uuid, &Application),
        declared: &RegistrationDeclaration,
        before: Option<&Registration>,
    ) {
        let roles = roles_of(application, declared.roles.clone());
        self.note_all(place, check_roles(&roles, application));
        let registration = Registration {
            user_id,
            application_id: application.id,
            roles,
            data: declared.data.clone(),
            managed_by: self.terms.managed_by(),
            created_at: before.map_or(self.now, |before| before.created_at),
            updated_at: self.now,
        };
        self.notes.registration(&registration);
        let what = self.registration(place.name, application.id);
        match before {
            Some(before) if *before == (Registration { updated_at: before.updated_at, ..registration.clone() }) => {
                self.unchanged += 1;
            }
            Some(_) => self.step(Action::Update, what, Write::UpsertRegistration(registration)),
            None => self.step(Action::Create, what, Write::UpsertRegistration(registration)),
        }
    }

    fn registration(&self, user: &str, application_id: Uuid) -> String {
        let application = self.applications.with_id(application_id).map_or("", |application| &application.name);
        format!("registration \"{user} -> {application}\"")
    }
}

fn are_called_alike(one: &UserDeclaration, other: &UserDeclaration) -> bool {
    let same = |one: &Option<String>, other: &Option<String>| one.is_some() && fold(one) == fold(other);
    same(&one.email, &other.email) || same(&one.username, &other.username)
}

/// Names of users are compared without regard to case.
fn fold(name: &Option<String>) -> Option<String> {
    name.as_ref().map(|name| name.to_lowercase())
}
