//! Commands about users: create, change, lock, delete, and their passwords. Whatever ends a user's access also revokes
//! what they were given (C9).

use uuid::Uuid;

use super::password_rules::check_password;
use super::user_rules::check_user;
use super::{Directory, DirectoryError, FieldCode, FieldError, NewRegistration, PasswordError, no_errors, passwords};
use crate::events::Event;
use crate::model::{PasswordChange, Registration, Revocation, Revoked, Tenant, User, UserProfile};
use crate::secret::Secret;

/// A user to be. One of email and username is needed.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    pub id: Option<Uuid>,
    pub tenant_id: Uuid,
    pub email: Option<String>,
    pub email_verified: bool,
    pub username: Option<String>,
    /// `None`: nobody can log in with a password until one is set.
    pub password: Option<Secret<String>>,
    /// Instead of a password: its hash from another system, in one of the forms that can be verified.
    pub password_hash: Option<Secret<String>>,
    pub password_change: Option<PasswordChange>,
    pub expires_at: Option<i64>,
    pub profile: UserProfile,
}

impl Directory {
    pub async fn create_user(&self, new: NewUser) -> Result<User, DirectoryError> {
        let user = self.user_of(new).await?;
        self.store.insert_user(&user).await?;
        self.told(Event::UserCreated, &user.id.to_string());
        Ok(user)
    }

    /// The user to be stored, checked, with a password.
    async fn user_of(&self, new: NewUser) -> Result<User, DirectoryError> {
        let mut user = self.checked_user(&new).await?;
        user.password_hash = match (new.password, new.password_hash) {
            (Some(password), _) => Some(self.passwords.hash(password.expose()).await?),
            (None, hash) => hash.map(|hash| hash.expose().clone()),
        };
        Ok(user)
    }

    /// Whether [`Self::create_user`] would make this user, as things are.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] if not.
    pub async fn check_new_user(&self, new: &NewUser) -> Result<(), DirectoryError> {
        self.checked_user(new).await.map(drop)
    }

    /// The user, without a password.
    async fn checked_user(&self, new: &NewUser) -> Result<User, DirectoryError> {
        let now = self.clock.now();
        let mut user = User::new(new.id.unwrap_or_else(|| self.entropy.uuid()), new.tenant_id, now);
        user.email.clone_from(&new.email);
        user.email_verified = new.email_verified;
        user.username.clone_from(&new.username);
        user.password_change = new.password_change;
        user.expires_at = new.expires_at;
        user.profile.clone_from(&new.profile);
        let mut errors = check_user(&user);
        let tenant = self.store.find_tenant(user.tenant_id).await?;
        match (&tenant, &new.password) {
            (None, _) => errors.push(FieldError::new("user.tenantId", FieldCode::Missing, "there is no such tenant")),
            (Some(tenant), Some(password)) => {
                errors.extend(check_password(password.expose(), &user, &tenant.settings));
            }
            (Some(_), None) => {}
        }
        errors.extend(new.password_hash.as_ref().and_then(|hash| check_hash(hash, new.password.is_some())));
        if errors.is_empty() {
            errors.extend(self.check_login_ids(&user).await?);
            errors.extend(match self.check_identifier("user.id", user.id).await? {
                None if self.is_client(user.tenant_id, &user.id.to_string()).await? => {
                    Some(FieldError::new("user.id", FieldCode::Duplicate, "it is the client id of a client"))
                }
                taken => taken,
            });
        }
        no_errors(errors)?;
        Ok(user)
    }

    /// Makes a user with a place in an application: both, or nothing.
    ///
    /// # Errors
    /// As [`Self::create_user`] and [`Self::register`].
    pub async fn create_registered_user(
        &self,
        new: NewUser,
        registration: NewRegistration,
    ) -> Result<(User, Registration), DirectoryError> {
        let roles = self.check_place(new.tenant_id, &registration).await?;
        let user = self.user_of(new).await?;
        let registration = Registration {
            user_id: user.id,
            application_id: registration.application_id,
            roles,
            data: registration.data,
            managed_by: None,
            created_at: user.created_at,
            updated_at: user.created_at,
        };
        self.store.insert_people(&[(user.clone(), vec![registration.clone()])]).await?;
        self.told(Event::UserCreated, &user.id.to_string());
        self.told(Event::RegistrationChanged, &format!("{}/{}", user.id, registration.application_id));
        Ok((user, registration))
    }

    /// Replaces email, username, verification, expiry, the required change of password and the profile of `before`,
    /// which is the user as the caller read it. Passwords, factors and locks have commands of their own.
    ///
    /// # Errors
    /// [`DirectoryError::Changed`] if somebody else was faster.
    pub async fn update_user(&self, before: &User, after: User) -> Result<User, DirectoryError> {
        self.change_user(before, after, None).await
    }

    /// As [`Self::update_user`], with a new password if one is given: sessions and tokens of the user end then.
    pub async fn change_user(
        &self,
        before: &User,
        after: User,
        password: Option<&Secret<String>>,
    ) -> Result<User, DirectoryError> {
        let now = self.clock.now();
        let mut after = User {
            email: after.email,
            username: after.username,
            email_verified: after.email_verified,
            expires_at: after.expires_at,
            password_change: after.password_change,
            profile: after.profile,
            updated_at: now,
            ..before.clone()
        };
        let mut errors = check_user(&after);
        if let Some(password) = password {
            let tenant = self.tenant_of(before).await?;
            errors.extend(check_password(password.expose(), &after, &tenant.settings));
        }
        if errors.is_empty() {
            errors.extend(self.check_login_ids(&after).await?);
        }
        no_errors(errors)?;
        let Some(password) = password else {
            self.replace_user(before, &after, Event::UserUpdated).await?;
            return Ok(after);
        };
        after.password_hash = Some(self.passwords.hash(password.expose()).await?);
        after.password_changed_at = later_than(before, now);
        self.replace_user(before, &after, Event::PasswordChanged).await?;
        self.revoke_user(after.id).await?;
        Ok(after)
    }

    /// Everything about the user goes too, and what they were given is worth nothing from now on.
    pub async fn delete_user(&self, id: Uuid) -> Result<(), DirectoryError> {
        // The mark first: if the rest fails, the user is merely logged out.
        self.revoke_user(id).await?;
        if !self.store.delete_user(id, self.clock.now()).await? {
            return Err(DirectoryError::NotFound("user"));
        }
        self.told(Event::UserDeleted, &id.to_string());
        Ok(())
    }

    /// Nobody logs in as this user until [`Self::unlock_user`]; sessions and tokens end now.
    pub async fn lock_user(&self, id: Uuid) -> Result<User, DirectoryError> {
        let before = self.stored_user(id).await?;
        let now = self.clock.now();
        let after =
            User { locked_at: Some(before.locked_at.unwrap_or(now).min(now)), updated_at: now, ..before.clone() };
        // Locked before revoked: nobody logs in between the two.
        self.replace_user(&before, &after, Event::UserLocked).await?;
        self.revoke_user(id).await?;
        Ok(after)
    }

    pub async fn unlock_user(&self, id: Uuid) -> Result<User, DirectoryError> {
        let before = self.stored_user(id).await?;
        let after = User { locked_at: None, updated_at: self.clock.now(), ..before.clone() };
        self.replace_user(&before, &after, Event::UserUnlocked).await?;
        Ok(after)
    }

    /// Gives the user the password that they chose: whoever had the old one is out, sessions and tokens included.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] if the password is too short or too common.
    pub async fn change_password(&self, user_id: Uuid, new: &Secret<String>) -> Result<(), DirectoryError> {
        let before = self.stored_user(user_id).await?;
        self.replace_password(&before, new, None).await
    }

    /// The same for the user as the caller read it: of two that change the password at once one succeeds.
    ///
    /// # Errors
    /// [`DirectoryError::Changed`] if somebody else was faster.
    pub async fn change_password_of(&self, before: &User, new: &Secret<String>) -> Result<(), DirectoryError> {
        self.replace_password(before, new, None).await
    }

    /// Gives the user a password that opens nothing but the choice of another one (L16): the one that was `given`, or a
    /// random one, which is answered and known nowhere else. Sessions and tokens of the user end.
    ///
    /// # Errors
    /// As [`Self::change_password`].
    pub async fn set_temporary_password(
        &self,
        user_id: Uuid,
        given: Option<&Secret<String>>,
    ) -> Result<Option<Secret<String>>, DirectoryError> {
        let before = self.stored_user(user_id).await?;
        let made = match given {
            Some(_) => None,
            None => {
                let least = self.tenant_of(&before).await?.settings.password_min_length;
                // 20 characters, or 64 where the tenant asks for more than that.
                Some(Secret::new(self.entropy.token(if least > 20 { 48 } else { 15 })))
            }
        };
        if let Some(password) = given.or(made.as_ref()) {
            self.replace_password(&before, password, Some(PasswordChange::Administrative)).await?;
        }
        Ok(made)
    }

    async fn replace_password(
        &self,
        before: &User,
        new: &Secret<String>,
        password_change: Option<PasswordChange>,
    ) -> Result<(), DirectoryError> {
        let tenant = self.tenant_of(before).await?;
        no_errors(check_password(new.expose(), before, &tenant.settings))?;
        if password_change.is_none() && before.password_change.is_some() {
            self.check_is_another(before, new).await?;
        }
        let now = self.clock.now();
        let after = User {
            password_hash: Some(self.passwords.hash(new.expose()).await?),
            password_changed_at: later_than(before, now),
            password_change,
            updated_at: now,
            ..before.clone()
        };
        self.replace_user(before, &after, Event::PasswordChanged).await?;
        self.revoke_user(before.id).await
    }

    /// L16: whoever has to choose a new password does not choose the one that they have.
    async fn check_is_another(&self, user: &User, new: &Secret<String>) -> Result<(), DirectoryError> {
        let Some(hash) = user.password_hash.as_deref() else { return Ok(()) };
        let is_same = self.passwords.verify(new.expose(), Some(hash)).await?.matches;
        let message = "is the one that is to be replaced; choose another one";
        no_errors(is_same.then(|| FieldError::new("user.password", FieldCode::PreviouslyUsed, message)))
    }

    /// The next login has to choose a new password (L16): administrators start it and never learn it.
    pub async fn require_password_change(&self, user_id: Uuid, why: PasswordChange) -> Result<(), DirectoryError> {
        let before = self.stored_user(user_id).await?;
        let after = User { password_change: Some(why), updated_at: self.clock.now(), ..before.clone() };
        self.replace_user(&before, &after, Event::UserUpdated).await
    }

    /// Ends sessions, codes, refresh tokens and access tokens of the user, everywhere.
    pub async fn revoke_user(&self, user_id: Uuid) -> Result<(), DirectoryError> {
        self.revoke(Revoked::User(user_id)).await?;
        self.told(Event::UserRevoked, &user_id.to_string());
        Ok(())
    }

    /// Marks something of ours as revoked, for as long as a token of ours can live.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store fails.
    pub async fn revoke(&self, revoked: Revoked) -> Result<(), DirectoryError> {
        let now = self.clock.now();
        // What was issued in the second of an earlier mark bears the second after it (`Revocations::earliest`), and must be
        // covered too: of a user their own mark counts, of a client those of all its users.
        let before = match &revoked {
            Revoked::Client { .. } => self.latest_mark(now).await?,
            Revoked::Token(_)
            | Revoked::Grant(_)
            | Revoked::Session(_)
            | Revoked::User(_)
            | Revoked::Tenant(_)
            | Revoked::Foreign { .. } => {
                let (kind, key) = revoked.parts();
                self.store.find_revocation(kind, &key).await?.map(|mark| mark.revoked_at)
            }
        };
        let revoked_at = before.map_or(now, |before| now.max(before.saturating_add(1)));
        let expires_at = now.saturating_add(super::rules::LONGEST_ACCESS_TOKEN_FOR);
        let revocation = Revocation { revoked, revoked_at, expires_at };
        self.store.revoke(&revocation).await?;
        self.revocations.add(&revocation);
        Ok(())
    }

    async fn latest_mark(&self, now: i64) -> Result<Option<i64>, DirectoryError> {
        let marks = self.store.list_revocations(now).await?.into_iter();
        let by_time = marks.filter(|mark| matches!(mark.revoked, Revoked::User(_) | Revoked::Client { .. }));
        Ok(by_time.map(|mark| mark.revoked_at).max())
    }

    pub(super) async fn replace_user(&self, before: &User, after: &User, event: Event) -> Result<(), DirectoryError> {
        if !self.store.update_user(before, after).await? {
            return Err(DirectoryError::Changed("user"));
        }
        self.told(event, &after.id.to_string());
        Ok(())
    }

    pub(super) async fn stored_user(&self, id: Uuid) -> Result<User, DirectoryError> {
        self.store.find_user(id).await?.ok_or(DirectoryError::NotFound("user"))
    }

    async fn tenant_of(&self, user: &User) -> Result<Tenant, DirectoryError> {
        self.store.find_tenant(user.tenant_id).await?.ok_or(DirectoryError::NotFound("tenant"))
    }

    /// What one user is called by, no other is.
    async fn check_login_ids(&self, user: &User) -> Result<Vec<FieldError>, DirectoryError> {
        let mut errors = Vec::new();
        for (field, login_id) in [("user.email", &user.email), ("user.username", &user.username)] {
            let Some(login_id) = login_id else { continue };
            let other = self.store.find_user_by_login(user.tenant_id, login_id).await?;
            if other.is_some_and(|other| other.id != user.id) {
                errors.push(FieldError::new(
                    field,
                    FieldCode::Duplicate,
                    "the tenant has a user who is called so already",
                ));
            }
        }
        Ok(errors)
    }

    /// D9: the id of a user is the `sub` of tokens, so no client carries it.
    pub(super) async fn check_identifier(
        &self,
        field: &'static str,
        id: Uuid,
    ) -> Result<Option<FieldError>, DirectoryError> {
        let taken = self.store.find_entity(id).await?.is_some()
            || (field != "application.id" && self.store.find_application(id).await?.is_some())
            || (field != "user.id" && self.store.find_user(id).await?.is_some());
        Ok(taken.then(|| FieldError::new(field, FieldCode::Duplicate, "something else has this id already")))
    }
}

pub(super) fn check_hash(hash: &Secret<String>, has_password: bool) -> Option<FieldError> {
    let field = "user.passwordHash";
    if has_password {
        return Some(FieldError::new(field, FieldCode::Invalid, "must not stand beside a password"));
    }
    let message = "must be a hash of Argon2id ($argon2id$v=19$m=19456,t=2,p=1$SALT$HASH), bcrypt ($2b$10$...), PBKDF2 \
                   ($pbkdf2-sha256$i=24000$SALT$HASH) or FusionAuth's salted SHA-256 \
                   ($salted-sha256$r=20000$SALT$HASH), at a cost that a login can bear; `faregate hash-password` makes one";
    (!passwords::is_hash(hash.expose())).then(|| FieldError::new(field, FieldCode::Invalid, message))
}

impl From<PasswordError> for DirectoryError {
    fn from(error: PasswordError) -> Self {
        Self::Password(error)
    }
}

/// Two changes within a second are two: ids that are good until the password changes tell them apart.
fn later_than(before: &User, now: i64) -> i64 {
    now.max(before.password_changed_at.saturating_add(1))
}

#[cfg(test)]
mod tests;
