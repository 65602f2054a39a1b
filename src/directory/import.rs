//! Users from another system's export, one JSON object each, with the members of FusionAuth's import.
//!
//! Owns what each member means, and that such a user meets the same rules as any other. It reads no file.

mod members;

use std::collections::HashSet;

use serde_json::{Map, Value};
use uuid::Uuid;

use self::members::Members;
use super::registrations::{check_roles, roles_of};
use super::user_rules::check_user;
use super::{Directory, DirectoryError, HashInParts, passwords};
use crate::events::Event;
use crate::model::{Application, PasswordChange, Registration, Tenant, User, UserProfile};
use crate::store::StoreError;

/// What holds for users that say nothing else.
#[derive(Clone, Debug, Default)]
pub struct ImportDefaults {
    /// FusionAuth's `encryptionScheme`; PBKDF2-HMAC-SHA256 unless said otherwise.
    pub scheme: Option<String>,
    pub factor: Option<u32>,
}

/// A user to be, with their registrations.
#[derive(Debug)]
pub struct Person {
    record: (User, Vec<Registration>),
    /// Otherwise the id was made up, and the user is known again by email or username.
    has_own_id: bool,
    /// Which is not imported: the person has to set one up again.
    pub had_second_factor: bool,
}

/// What became of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    Created,
    /// There is such a user already, from an earlier run perhaps. Nothing was changed.
    Present,
    /// With the reason.
    Refused(String),
}

/// Imports users into one tenant.
pub struct Importer<'d> {
    directory: &'d Directory,
    tenant: Tenant,
    applications: Vec<Application>,
    /// Of the applications of every tenant, which tokens name already (D9).
    taken: HashSet<Uuid>,
}

impl Directory {
    /// An importer that knows the applications as they are now.
    ///
    /// # Errors
    /// The store's.
    pub async fn importer(&self, tenant: Tenant) -> Result<Importer<'_>, DirectoryError> {
        let applications = self.store.list_applications(None).await?;
        let taken = applications.iter().map(|application| application.id).collect();
        let of_tenant = |application: &Application| application.tenant_id == tenant.id;
        let applications = applications.into_iter().filter(of_tenant).collect();
        Ok(Importer { directory: self, tenant, applications, taken })
    }
}

impl Importer<'_> {
    /// What the members of `user` say.
    ///
    /// # Errors
    /// Everything that is wrong, without any password or hash.
    pub fn read(&self, user: &Map<String, Value>, defaults: &ImportDefaults) -> Result<Person, String> {
        let mut members = Members::of(user);
        let own_id = members.id("id");
        if members.id("tenantId").is_some_and(|id| id != self.tenant.id) {
            members.note("tenantId: the user belongs to another tenant; say --tenant");
        }
        let now = self.directory.clock.now();
        let mut made = User::new(own_id.unwrap_or_else(|| self.directory.entropy.uuid()), self.tenant.id, now);
        made.email = members.text("email");
        made.username = members.text("username");
        made.email_verified = members.flag("verified").unwrap_or(false);
        made.locked_at = (members.flag("active") == Some(false)).then_some(now);
        made.expires_at = members.instant("expiry");
        made.created_at = members.instant("insertInstant").unwrap_or(now);
        made.password_changed_at = members.instant("passwordLastUpdateInstant").unwrap_or(now);
        made.password_change = password_change(&mut members);
        made.profile = profile(&mut members);
        made.password_hash = password_hash(&mut members, defaults);
        if made.password_hash.as_ref().is_some_and(|hash| !passwords::is_hash(hash)) {
            members.note("password: the hash is malformed, or costs too much to verify");
        }
        for error in check_user(&made) {
            members.note(error);
        }
        if self.taken.contains(&made.id) {
            members.note("id: an application has this id");
        }
        let registrations = self.registrations(&mut members, made.id);
        let had_second_factor = members.list("twoFactor", "methods").is_some_and(|methods| !methods.is_empty());
        let person = Person { record: (made, registrations), has_own_id: own_id.is_some(), had_second_factor };
        members.finished(person)
    }

    fn registrations(&self, members: &mut Members<'_>, user_id: Uuid) -> Vec<Registration> {
        let mut registrations: Vec<Registration> = Vec::new();
        for mut one in members.objects("registrations") {
            let application_id = one.id("applicationId");
            let application = self.applications.iter().find(|application| Some(application.id) == application_id);
            let roles = one.texts("roles");
            let data = one.object("data");
            let now = self.directory.clock.now();
            let created_at = one.instant("insertInstant").unwrap_or(now);
            members.take_notes(one);
            let Some(application) = application else {
                let named = application_id.map_or_else(|| "no applicationId".to_owned(), |id| id.to_string());
                members.note(format!("registrations: the tenant has no such application: {named}"));
                continue;
            };
            if registrations.iter().any(|other| other.application_id == application.id) {
                members.note(format!("registrations: {} is there twice", application.id));
                continue;
            }
            let roles = roles_of(application, roles);
            if let Some(error) = check_roles(&roles, application) {
                members.note(error);
            }
            registrations.push(Registration {
                user_id,
                application_id: application.id,
                roles,
                data,
                managed_by: None,
                created_at,
                updated_at: now,
            });
        }
        registrations
    }

    /// Writes people in one transaction, or one by one where some of them are there already. Answers in their order.
    ///
    /// # Errors
    /// The store's; who was written before stays, and is found [`Imported::Present`] the next time.
    pub async fn write(&self, people: Vec<Person>) -> Result<Vec<Imported>, DirectoryError> {
        let taken = self.taken_by_entities(&people).await?;
        let refused = |person: &Person| taken.contains(&person.record.0.id);
        if !people.iter().any(refused) {
            return self.write_all(people).await;
        }
        let refusals: Vec<bool> = people.iter().map(refused).collect();
        let others = people.into_iter().zip(&refusals).filter(|(_, refused)| !**refused).map(|(person, _)| person);
        let mut written = self.write_all(others.collect()).await?.into_iter();
        let refusal = || Imported::Refused("id: an entity has this id".to_owned());
        Ok(refusals.into_iter().filter_map(|refused| if refused { Some(refusal()) } else { written.next() }).collect())
    }

    /// Ids that tokens name already (D9). Those that were made up are nobody's.
    async fn taken_by_entities(&self, people: &[Person]) -> Result<HashSet<Uuid>, DirectoryError> {
        let own = people.iter().filter(|person| person.has_own_id).map(|person| person.record.0.id);
        let own: Vec<Uuid> = own.collect();
        if own.is_empty() {
            return Ok(HashSet::new());
        }
        Ok(self.directory.store.find_entities(&own).await?.into_iter().map(|entity| entity.id).collect())
    }

    async fn write_all(&self, people: Vec<Person>) -> Result<Vec<Imported>, DirectoryError> {
        let records: Vec<_> = people.iter().map(|person| person.record.clone()).collect();
        match self.directory.store.insert_people(&records).await {
            Ok(()) => {
                for (user, _) in &records {
                    self.directory.told(Event::UserCreated, &user.id.to_string());
                }
                return Ok(vec![Imported::Created; people.len()]);
            }
            Err(StoreError::Conflict(_) | StoreError::Missing(_)) => {}
            Err(
                error @ (StoreError::InUse(_)
                | StoreError::ReadOnly
                | StoreError::Full
                | StoreError::Unavailable(_)
                | StoreError::Corrupt(_)),
            ) => return Err(DirectoryError::Store(error)),
        }
        let mut outcomes = Vec::with_capacity(people.len());
        for person in people {
            outcomes.push(self.write_one(person).await?);
        }
        Ok(outcomes)
    }

    async fn write_one(&self, person: Person) -> Result<Imported, DirectoryError> {
        let store = &self.directory.store;
        let user = &person.record.0;
        if person.has_own_id
            && let Some(known) = store.find_user(user.id).await?
        {
            return Ok(match known.tenant_id == user.tenant_id {
                true => Imported::Present,
                false => Imported::Refused("id: a user of another tenant has this id".to_owned()),
            });
        }
        if !person.has_own_id {
            for login_id in [&user.email, &user.username].into_iter().flatten() {
                if store.find_user_by_login(user.tenant_id, login_id).await?.is_some() {
                    return Ok(Imported::Present);
                }
            }
        }
        match store.insert_people(std::slice::from_ref(&person.record)).await.map_err(DirectoryError::from) {
            Ok(()) => {
                self.directory.told(Event::UserCreated, &user.id.to_string());
                Ok(Imported::Created)
            }
            Err(error @ DirectoryError::Invalid(_)) => Ok(Imported::Refused(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

fn password_change(members: &mut Members<'_>) -> Option<PasswordChange> {
    let reason = members.text("passwordChangeReason");
    let is_required = members.flag("passwordChangeRequired").unwrap_or(false);
    let reason = reason.and_then(|reason| PasswordChange::parse(&reason.to_lowercase()));
    is_required.then(|| reason.unwrap_or(PasswordChange::Administrative))
}

fn password_hash(members: &mut Members<'_>, defaults: &ImportDefaults) -> Option<String> {
    let (hash, salt) = (members.text("password"), members.text("salt").unwrap_or_default());
    let scheme = members.text("encryptionScheme").or_else(|| defaults.scheme.clone());
    let scheme = scheme.unwrap_or_else(|| "salted-pbkdf2-hmac-sha256".to_owned());
    let factor = members.count("factor").or(defaults.factor);
    let hash = hash?;
    if salt.is_empty() && scheme != "bcrypt" && !hash.starts_with('$') {
        members.note("password: there is no salt beside it, so it is no hash");
        return None;
    }
    match (HashInParts { scheme: &scheme, factor, salt: &salt, hash: &hash }).joined() {
        Ok(joined) => Some(joined),
        Err(why) => {
            members.note(format!("password: {why}"));
            None
        }
    }
}

fn profile(members: &mut Members<'_>) -> UserProfile {
    let mut languages = members.texts("preferredLanguages").unwrap_or_default().into_iter();
    UserProfile {
        name: members.text("fullName"),
        given_name: members.text("firstName"),
        middle_name: members.text("middleName"),
        family_name: members.text("lastName"),
        birthdate: members.text("birthDate"),
        picture: members.text("imageUrl"),
        phone_number: members.text("mobilePhone"),
        zoneinfo: members.text("timezone"),
        locale: languages.next(),
        other_locales: languages.collect(),
        data: members.object("data"),
        ..UserProfile::default()
    }
}

#[cfg(test)]
mod tests;
