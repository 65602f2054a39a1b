//! Applications and users as a configuration declares them. It plans nothing and writes nothing.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::directory::application_rules::check_application;
use crate::directory::password_rules::check_password;
use crate::directory::rules::check_secret;
use crate::directory::user_rules::check_user;
use crate::directory::users::check_hash;
use crate::directory::{FieldError, NewRole};
use crate::model::{
    Application, ApplicationSettings, ClientSecret, PasswordChange, Profile, Role, TenantSettings, User, UserProfile,
};
use crate::secret::Secret;

#[derive(Clone, Debug, Default)]
pub struct ApplicationDeclaration {
    pub name: String,
    pub id: Option<Uuid>,
    /// Name or id of its tenant; `None` when there is one only.
    pub tenant: Option<String>,
    /// `None`: the id.
    pub client_id: Option<String>,
    /// `None`: generated when the application is created, and left alone ever after; a public one has none.
    pub client_secret: Option<Secret<String>>,
    pub is_public: bool,
    pub roles: Vec<NewRole>,
    /// The ids of its scopes are made up: those that are stored stay.
    pub settings: ApplicationSettings,
    /// Name or id of the key that signs its access tokens; `None`: its tenant's.
    pub access_token_key: Option<String>,
    /// The same for its ID tokens.
    pub id_token_key: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct UserDeclaration {
    /// How the declaration calls the user: by email, or by username.
    pub name: String,
    pub id: Option<Uuid>,
    /// As in [`ApplicationDeclaration`].
    pub tenant: Option<String>,
    pub email: Option<String>,
    pub username: Option<String>,
    pub email_verified: bool,
    /// The first password: what the user or an administrator changes it to later stays. `None`: no login with a
    /// password until somebody sets one.
    pub password: Option<Secret<String>>,
    /// Instead of a password, as in [`crate::directory::NewUser`].
    pub password_hash: Option<Secret<String>>,
    /// Whether the first login has to choose another password.
    pub password_change: Option<PasswordChange>,
    pub expires_at: Option<i64>,
    pub profile: UserProfile,
    pub registrations: Vec<RegistrationDeclaration>,
}

#[derive(Clone, Debug, Default)]
pub struct RegistrationDeclaration {
    /// Name or id of the application.
    pub application: String,
    /// `None`: those that the application gives by default.
    pub roles: Option<Vec<String>>,
    pub data: Map<String, Value>,
}

impl ApplicationDeclaration {
    /// What is wrong with it, as far as that can be said without a store.
    pub fn problems(&self, profile: Profile) -> Vec<FieldError> {
        let secret = self.client_secret.as_ref();
        let mut errors =
            Vec::from_iter(secret.and_then(|secret| check_secret("application.clientSecret", secret.expose())));
        let role = |role: &NewRole| Role {
            id: Uuid::nil(),
            name: role.name.clone(),
            description: role.description.clone(),
            is_default: role.is_default,
        };
        let placeholder = (!self.is_public).then(|| ClientSecret::new("", 0));
        let application = Application {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            name: self.name.clone(),
            client_id: self.client_id.clone().unwrap_or_else(|| Uuid::nil().to_string()),
            client_secrets: placeholder.into_iter().collect(),
            roles: self.roles.iter().map(role).collect(),
            settings: self.settings.clone(),
            managed_by: None,
            created_at: 0,
            updated_at: 0,
        };
        errors.extend(check_application(&application, profile));
        errors
    }
}

impl UserDeclaration {
    /// What is wrong with it in a tenant with these settings, as far as that can be said without a store.
    pub fn problems(&self, settings: &TenantSettings) -> Vec<FieldError> {
        let user = self.written_over(User::new(Uuid::nil(), Uuid::nil(), 0));
        let mut errors = check_user(&user);
        errors.extend(self.password.as_ref().and_then(|password| check_password(password.expose(), &user, settings)));
        errors.extend(self.password_hash.as_ref().and_then(|hash| check_hash(hash, self.password.is_some())));
        errors
    }

    /// `before` with everything that a declaration decides for as long as it stands.
    pub(super) fn written_over(&self, before: User) -> User {
        User {
            email: self.email.clone(),
            username: self.username.clone(),
            // Whoever verified it meanwhile did verify it.
            email_verified: self.email_verified || (before.email_verified && before.email == self.email),
            expires_at: self.expires_at,
            profile: self.profile.clone(),
            ..before
        }
    }
}

#[cfg(test)]
mod tests;
