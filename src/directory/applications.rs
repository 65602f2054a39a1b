//! Commands about applications and their secrets (F-001 to F-003, D12, D13).

use uuid::Uuid;

use super::application_rules::check_application;
use super::rules::check_secret;
use super::{Directory, DirectoryError, FieldCode, FieldError, no_errors};
use crate::events::Event;
use crate::model::{Application, ApplicationSettings, ClientSecret, Revoked, Role};
use crate::secret::Secret;

/// An application to be.
#[derive(Clone, Debug)]
pub struct NewApplication {
    pub id: Option<Uuid>,
    pub tenant_id: Uuid,
    pub name: String,
    /// `None`: the id (F-001).
    pub client_id: Option<String>,
    pub client_secret: NewSecret,
    pub roles: Vec<NewRole>,
    pub settings: ApplicationSettings,
}

/// How an application comes to its secret.
#[derive(Clone, Debug, Default)]
pub enum NewSecret {
    /// F-002
    #[default]
    Generated,
    Chosen(Secret<String>),
    /// A public client: a page or a program in the hands of its users.
    None,
}

/// A role to be.
#[derive(Clone, Debug, Default)]
pub struct NewRole {
    pub name: String,
    pub description: Option<String>,
    pub is_default: bool,
}

/// An application and its new secret, which nobody will see again.
#[derive(Debug)]
pub struct ApplicationWithSecret {
    pub application: Application,
    pub client_secret: Option<Secret<String>>,
}

impl Directory {
    pub async fn create_application(&self, new: NewApplication) -> Result<ApplicationWithSecret, DirectoryError> {
        self.create_application_as(new, Event::ApplicationCreated).await
    }

    pub(super) async fn create_application_as(
        &self,
        new: NewApplication,
        event: Event,
    ) -> Result<ApplicationWithSecret, DirectoryError> {
        let now = self.clock.now();
        let id = new.id.unwrap_or_else(|| self.entropy.uuid());
        let client_secret = match new.client_secret {
            NewSecret::Generated => Some(Secret::new(self.entropy.client_secret())),
            NewSecret::Chosen(secret) => Some(secret),
            NewSecret::None => None,
        };
        let mut errors = Vec::from_iter(
            client_secret.as_ref().and_then(|secret| check_secret("application.clientSecret", secret.expose())),
        );
        let mut roles: Vec<Role> = new.roles.into_iter().map(|role| self.role(role)).collect();
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        let sealed = client_secret.as_ref().map(|secret| self.sealed_secret(secret)).transpose()?;
        let application = Application {
            id,
            tenant_id: new.tenant_id,
            name: new.name,
            client_id: new.client_id.unwrap_or_else(|| id.to_string()),
            client_secrets: sealed.into_iter().collect(),
            roles,
            settings: new.settings,
            managed_by: None,
            created_at: now,
            updated_at: now,
        };
        match self.store.find_tenant(application.tenant_id).await? {
            Some(tenant) => errors.extend(check_application(&application, tenant.profile)),
            None => errors.push(FieldError::new("application.tenantId", FieldCode::Missing, "there is no such tenant")),
        }
        if errors.is_empty() {
            errors.extend(self.check_client(&application).await?);
            if self.store.find_application(id).await?.is_some() {
                errors.push(FieldError::new("application.id", FieldCode::Duplicate, "there is an application with it"));
            }
        }
        no_errors(errors)?;
        self.store.insert_application(&application).await?;
        self.told(event, &id.to_string());
        Ok(ApplicationWithSecret { application, client_secret })
    }

    /// Replaces name, roles and settings of `before`, which is the application as the caller read it.
    ///
    /// # Errors
    /// [`DirectoryError::Changed`] if somebody else was faster.
    pub async fn update_application(
        &self,
        before: &Application,
        after: Application,
    ) -> Result<Application, DirectoryError> {
        self.change_application(before, after, None).await
    }

    /// As [`Self::update_application`]; a secret that is given replaces every one that there is.
    pub async fn change_application(
        &self,
        before: &Application,
        after: Application,
        client_secret: Option<&Secret<String>>,
    ) -> Result<Application, DirectoryError> {
        let after = self.change_application_as(before, after, client_secret, Event::ApplicationUpdated).await?;
        if client_secret.is_some() {
            self.told(Event::ApplicationSecretRegenerated, &after.id.to_string());
        }
        Ok(after)
    }

    pub(super) async fn change_application_as(
        &self,
        before: &Application,
        after: Application,
        client_secret: Option<&Secret<String>>,
        event: Event,
    ) -> Result<Application, DirectoryError> {
        let wrong = client_secret.and_then(|chosen| check_secret("application.clientSecret", chosen.expose()));
        let client_secrets = match client_secret {
            Some(chosen) => vec![self.sealed_secret(chosen)?],
            None => before.client_secrets.clone(),
        };
        let mut after = Application {
            name: after.name,
            client_secrets,
            roles: after.roles,
            settings: after.settings,
            updated_at: self.clock.now(),
            ..before.clone()
        };
        after.roles.sort_by(|a, b| a.name.cmp(&b.name));
        let tenant = self.store.find_tenant(before.tenant_id).await?.ok_or(DirectoryError::NotFound("tenant"))?;
        let mut errors = check_application(&after, tenant.profile);
        errors.extend(wrong);
        if errors.is_empty() {
            errors.extend(self.check_client(&after).await?);
        }
        no_errors(errors)?;
        self.replace_application(before, &after, event).await?;
        Ok(after)
    }

    /// For a part of an object that has an id of its own.
    pub fn new_id(&self) -> Uuid {
        self.entropy.uuid()
    }

    /// A role with an id of its own.
    pub fn role(&self, new: NewRole) -> Role {
        Role { id: self.entropy.uuid(), name: new.name, description: new.description, is_default: new.is_default }
    }

    /// Gives the application a new secret. The old one ends at once, or `keep_old_for` seconds from now, so that
    /// nothing stands still while it is replaced (F-003, D13); older ones end in any case. A public client becomes a
    /// confidential one only as far as its policy asks for the secret.
    pub async fn regenerate_application_secret(
        &self,
        id: Uuid,
        keep_old_for: i64,
    ) -> Result<ApplicationWithSecret, DirectoryError> {
        let now = self.clock.now();
        let before = self.store.find_application(id).await?.ok_or(DirectoryError::NotFound("application"))?;
        let client_secret = Secret::new(self.entropy.client_secret());
        let mut client_secrets = vec![self.sealed_secret(&client_secret)?];
        client_secrets.extend(ClientSecret::retiring(&before.client_secrets, keep_old_for, now));
        let application = Application { client_secrets, updated_at: now, ..before.clone() };
        self.replace_application(&before, &application, Event::ApplicationSecretRegenerated).await?;
        Ok(ApplicationWithSecret { application, client_secret: Some(client_secret) })
    }

    /// Takes the application out of use: it gets no tokens, nobody logs in to it, and what it was issued is worth nothing from now
    /// on.
    pub async fn deactivate_application(&self, id: Uuid) -> Result<(), DirectoryError> {
        let Application { tenant_id, client_id, .. } = self.set_active(id, false).await?;
        // Inactive before it is marked: nothing is issued to it between the two.
        self.revoke(Revoked::Client { tenant_id, client_id }).await
    }

    /// Puts it back into use. What was issued before stays worth nothing.
    pub async fn reactivate_application(&self, id: Uuid) -> Result<Application, DirectoryError> {
        self.set_active(id, true).await
    }

    async fn set_active(&self, id: Uuid, is_active: bool) -> Result<Application, DirectoryError> {
        let before = self.store.find_application(id).await?.ok_or(DirectoryError::NotFound("application"))?;
        let settings = ApplicationSettings { is_active, ..before.settings.clone() };
        let after = Application { settings, updated_at: self.clock.now(), ..before.clone() };
        self.replace_application(&before, &after, Event::ApplicationUpdated).await?;
        Ok(after)
    }

    /// Registrations, consents, codes and refresh tokens go with it, and what it was issued is worth nothing from now on.
    pub async fn delete_application(&self, id: Uuid) -> Result<(), DirectoryError> {
        self.delete_application_as(id, Event::ApplicationDeleted).await
    }

    pub(super) async fn delete_application_as(&self, id: Uuid, event: Event) -> Result<(), DirectoryError> {
        let application = self.store.find_application(id).await?.ok_or(DirectoryError::NotFound("application"))?;
        let Application { tenant_id, client_id, .. } = application;
        // Gone before it is marked: nothing is issued to it between the two.
        if !self.store.delete_application(id, self.clock.now()).await? {
            return Err(DirectoryError::NotFound("application"));
        }
        self.told(event, &id.to_string());
        self.revoke(Revoked::Client { tenant_id, client_id }).await
    }

    /// The secret itself, where it has to be known again: `client_secret_jwt` (OpenID Connect Core 9).
    pub fn open_client_secret(&self, secret: &ClientSecret) -> Option<Secret<String>> {
        let opened = self.sealing.open(&place(secret), secret.sealed.as_deref()?)?;
        (ClientSecret::hash(opened.expose()) == secret.sha256).then_some(opened)
    }

    pub(super) fn sealed_secret(&self, secret: &Secret<String>) -> Result<ClientSecret, DirectoryError> {
        let stored = ClientSecret::new(secret.expose(), self.clock.now());
        let sealed = self.sealing.seal(&place(&stored), secret, &self.entropy).map_err(DirectoryError::Sealing)?;
        Ok(ClientSecret { sealed: Some(sealed), ..stored })
    }

    pub(super) async fn replace_application(
        &self,
        before: &Application,
        after: &Application,
        event: Event,
    ) -> Result<(), DirectoryError> {
        if !self.store.update_application(before, after).await? {
            return Err(DirectoryError::Changed("application"));
        }
        self.told(event, &after.id.to_string());
        Ok(())
    }

    /// What only the store knows; its own guards decide when two administrators are at it at once.
    async fn check_client(&self, application: &Application) -> Result<Vec<FieldError>, DirectoryError> {
        let (tenant_id, id, client_id) = (application.tenant_id, application.id, &application.client_id);
        let mut errors = Vec::new();
        let others = |other: Option<Application>| other.filter(|other| other.id != id);
        if others(self.store.find_application_by_name(tenant_id, &application.name).await?).is_some() {
            let message = format!("the tenant has an application named {:?} already", application.name);
            errors.push(FieldError::new("application.name", FieldCode::Duplicate, message));
        }
        let field = "application.oauthConfiguration.clientId";
        if others(self.store.find_application_by_client_id(tenant_id, client_id).await?).is_some()
            || self.store.find_entity_by_client_id(tenant_id, client_id).await?.is_some()
        {
            errors.push(FieldError::new(field, FieldCode::Duplicate, "the tenant has this client already"));
        }
        // D9: no client carries the identifier that is somebody's `sub`.
        match Uuid::try_parse(client_id) {
            Ok(other) if other != id => {
                if self.is_anybody(other).await? {
                    let message = "it is the id of a user, an entity or another application";
                    errors.push(FieldError::new(field, FieldCode::Duplicate, message));
                }
            }
            Ok(_) | Err(_) => {}
        }
        errors.extend(self.check_identifier("application.id", id).await?);
        Ok(errors)
    }

    /// Whether some client of the tenant is called so.
    pub(super) async fn is_client(&self, tenant_id: Uuid, client_id: &str) -> Result<bool, DirectoryError> {
        Ok(self.store.find_entity_by_client_id(tenant_id, client_id).await?.is_some()
            || self.store.find_application_by_client_id(tenant_id, client_id).await?.is_some())
    }

    /// Whether the id is the `sub` of somebody's tokens (D9).
    pub(super) async fn is_anybody(&self, id: Uuid) -> Result<bool, DirectoryError> {
        Ok(self.store.find_user(id).await?.is_some()
            || self.store.find_entity(id).await?.is_some()
            || self.store.find_application(id).await?.is_some())
    }
}

/// A sealed secret opens beside its own hash only.
fn place(secret: &ClientSecret) -> String {
    format!("client secret:{}", secret.sha256)
}

#[cfg(test)]
mod tests;
