//! Users and what they are in an application. It does not know how a password is hashed or a code checked.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Passkey;

/// A person who can log in: the resource owner, the End-User.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The `sub` of tokens about this user.
    pub id: Uuid,
    pub tenant_id: Uuid,
    /// Unique in its tenant without regard to case. A user has an email, a username, or both.
    pub email: Option<String>,
    /// Unique in its tenant without regard to case.
    pub username: Option<String>,
    pub email_verified: bool,
    /// Argon2id in PHC form, or what another system made, as one string too. `None`: nobody can log in with a password.
    pub password_hash: Option<String>,
    pub password_changed_at: i64,
    /// Whether the next login has to choose a new password, and why (F-055).
    pub password_change: Option<PasswordChange>,
    /// From when on nobody logs in as this user.
    pub locked_at: Option<i64>,
    /// First instant at which nobody logs in any more.
    pub expires_at: Option<i64>,
    /// The shared secret of time-based codes (RFC 6238), encrypted. `None`: no second factor.
    pub totp_secret: Option<String>,
    /// SHA-256 of each recovery code that is left, in lower case hexadecimal digits.
    pub recovery_codes: Vec<String>,
    /// In the order in which they were added.
    pub passkeys: Vec<Passkey>,
    pub profile: UserProfile,
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl User {
    /// A user with nothing but an id.
    pub fn new(id: Uuid, tenant_id: Uuid, now: i64) -> Self {
        Self {
            id,
            tenant_id,
            email: None,
            username: None,
            email_verified: false,
            password_hash: None,
            password_changed_at: now,
            password_change: None,
            locked_at: None,
            expires_at: None,
            totp_secret: None,
            recovery_codes: Vec::new(),
            passkeys: Vec::new(),
            profile: UserProfile::default(),
            managed_by: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Why nobody may log in as this user at `now`, if so (F-114).
    pub fn obstacle(&self, now: i64) -> Option<Obstacle> {
        if self.locked_at.is_some_and(|at| at <= now) {
            Some(Obstacle::Locked)
        } else if self.expires_at.is_some_and(|at| at <= now) {
            Some(Obstacle::Expired)
        } else {
            None
        }
    }

    /// Whether the user is called so (F-048), by those of email and username that `types` names, or by either.
    pub fn is_called(&self, login_id: &str, types: &[String]) -> bool {
        let login_id = login_id.to_lowercase();
        [("email", &self.email), ("username", &self.username)].into_iter().any(|(name, own)| {
            let is_asked = types.is_empty() || types.iter().any(|of| of == name);
            is_asked && own.as_deref().is_some_and(|own| own.to_lowercase() == login_id)
        })
    }

    /// Whether a password is followed by a code.
    pub fn has_second_factor(&self) -> bool {
        self.totp_secret.is_some()
    }

    /// Whether the user has what proves two factors, together or one after the other.
    pub fn can_prove_two_factors(&self) -> bool {
        self.has_second_factor() || !self.passkeys.is_empty()
    }

    pub fn passkey(&self, id: &str) -> Option<&Passkey> {
        self.passkeys.iter().find(|passkey| passkey.id == id)
    }

    /// The whole name, made from its parts where only they are known.
    pub fn full_name(&self) -> Option<String> {
        let profile = &self.profile;
        if let Some(name) = &profile.name {
            return Some(name.clone());
        }
        let parts = [&profile.given_name, &profile.middle_name, &profile.family_name];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        if parts.is_empty() { None } else { Some(parts.join(" ")) }
    }

    /// What people recognise: the name, the username or the email.
    pub fn display_name(&self) -> &str {
        let name = self.profile.name.as_deref().or(self.username.as_deref()).or(self.email.as_deref());
        name.unwrap_or_default()
    }
}

/// Why nobody may log in as a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    Locked,
    Expired,
}

super::application::named! {
    /// Why a user has to choose a new password.
    PasswordChange {
        Administrative = "administrative",
        Breached = "breached",
        Expired = "expired",
        /// It does not meet what is asked of passwords today.
        Validation = "validation",
    }
}

/// What OpenID Connect Core 5.1 can say about a user, and what administrators attach. Stored as one JSON value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserProfile {
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub middle_name: Option<String>,
    pub family_name: Option<String>,
    pub nickname: Option<String>,
    pub profile: Option<String>,
    pub picture: Option<String>,
    pub website: Option<String>,
    pub gender: Option<String>,
    /// YYYY-MM-DD.
    pub birthdate: Option<String>,
    pub zoneinfo: Option<String>,
    /// The language that the user likes best ...
    pub locale: Option<String>,
    /// ... and those that come after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_locales: Vec<String>,
    pub phone_number: Option<String>,
    pub phone_number_verified: bool,
    /// The `address` claim.
    pub address: Option<Map<String, Value>>,
    /// Whatever administrators keep here.
    pub data: Map<String, Value>,
}

/// A user's place in an application.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    pub user_id: Uuid,
    pub application_id: Uuid,
    /// Names of roles of the application, sorted.
    pub roles: Vec<String>,
    pub data: Map<String, Value>,
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What a user agreed to give to a third party's application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub user_id: Uuid,
    pub application_id: Uuid,
    /// Sorted. `not` and a space stand before one that the user was asked for and did not give.
    pub scopes: Vec<String>,
    pub granted_at: i64,
    /// First instant at which the user is asked again.
    pub expires_at: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    // F-114
    #[test]
    fn locked_and_expired_users_are_kept_out() {
        let mut user = User::new(Uuid::nil(), Uuid::nil(), 0);
        assert_eq!(user.obstacle(100), None);
        user.expires_at = Some(100);
        assert_eq!((user.obstacle(99), user.obstacle(100)), (None, Some(Obstacle::Expired)));
        user.locked_at = Some(50);
        assert_eq!((user.obstacle(49), user.obstacle(50)), (None, Some(Obstacle::Locked)));
    }
}
