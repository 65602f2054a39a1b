//! Who is logging in: passwords and second factors, checked in the same time whoever is asked for (rules L8 to L13).
//!
//! Owns the order of the checks. It keeps no session and issues nothing.

use std::net::IpAddr;

use prometheus::IntCounterVec;

use super::throttle::{Account, Guesser};
use super::{Directory, PasswordError, second_factor};
use crate::events::Event;
use crate::model::{Obstacle, Tenant, User};
use crate::secret::Secret;
use crate::store::StoreError;

/// Somebody who proved a password.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: User,
}

/// Which second factor was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactor {
    /// A time-based code (RFC 6238).
    Totp,
    RecoveryCode,
}

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// There is no such user, the password or the code is wrong: nobody learns which.
    #[error("the login or the password is wrong")]
    WrongCredentials,
    /// Too many wrong ones; seconds to wait.
    #[error("too many attempts; try again in {retry_after} seconds")]
    Throttled { retry_after: i64 },
    /// Said to nobody who does not know the password.
    #[error("the user is locked")]
    Locked,
    #[error("the user has expired")]
    Expired,
    /// Too many logins at once: 503.
    #[error("too many logins at once; try again")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LoginError {
    /// The label in metrics.
    fn as_str(&self) -> &'static str {
        match self {
            Self::WrongCredentials => "wrong_credentials",
            Self::Throttled { .. } => "throttled",
            Self::Locked => "locked",
            Self::Expired => "expired",
            Self::Busy => "busy",
            Self::Store(_) => "unavailable",
        }
    }
}

impl From<PasswordError> for LoginError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy,
            PasswordError::Library(problem) => {
                tracing::error!(problem, "A password could not be hashed.");
                Self::Busy
            }
        }
    }
}

impl Directory {
    /// From here on, how attempts end is counted: `succeeded` or what [`LoginError`] is called.
    pub fn count_logins(&self, counter: IntCounterVec) {
        // Of two the first counts.
        let _ = self.login_counter.set(counter);
    }

    /// Tells that a person has proven everything that was asked.
    pub fn login_succeeded(&self, user: &User) {
        self.count_login("succeeded");
        Event::LoginSucceeded.tell(&user.id.to_string());
    }

    /// Tells that an attempt failed; `whose` is the id of a user, or `-`.
    pub fn login_failed(&self, whose: &str) {
        self.count_login(LoginError::WrongCredentials.as_str());
        Event::LoginFailed.tell(whose);
    }

    fn count_login(&self, result: &str) {
        if let Some(counter) = self.login_counter.get() {
            counter.with_label_values(&[result]).inc();
        }
    }

    /// Counts an attempt that failed otherwise than by [`Directory::login_failed`].
    pub fn counted<T>(&self, checked: Result<T, LoginError>) -> Result<T, LoginError> {
        if let Err(error) = &checked
            && !matches!(error, LoginError::WrongCredentials)
        {
            self.count_login(error.as_str());
        }
        checked
    }

    /// Checks a password. `peer` is where the person is.
    ///
    /// # Errors
    /// [`LoginError`]; unknown users and wrong passwords are told apart neither by the error nor by the time (L9).
    pub async fn check_credentials(
        &self,
        tenant: &Tenant,
        login_id: &str,
        password: &Secret<String>,
        peer: Option<IpAddr>,
    ) -> Result<Login, LoginError> {
        self.counted(self.check_password(tenant, login_id, password, peer).await)
    }

    async fn check_password(
        &self,
        tenant: &Tenant,
        login_id: &str,
        password: &Secret<String>,
        peer: Option<IpAddr>,
    ) -> Result<Login, LoginError> {
        let user = self.find_user(tenant.id, login_id).await?;
        let spelling = login_id.to_lowercase();
        let user_id = user.as_ref().map(|user| user.id);
        let account = Account { tenant_id: tenant.id, login_id: &spelling, user_id };
        let guesser = self.throttle.password(account, peer, tenant.settings.login_attempts, self.clock.now());
        self.admit(&guesser)?;
        let turn = self.passwords.turn().await?;
        // Others who guess at the same account may have had their turn meanwhile.
        self.admit(&guesser)?;
        let hash = user.as_ref().and_then(|user| user.password_hash.as_deref());
        let verdict = self.passwords.verify_in(turn, password.expose(), hash).await?;
        let Some(user) = user.filter(|_| verdict.matches) else {
            self.throttle.failed(&guesser, self.clock.now());
            self.login_failed(&user_id.map_or_else(|| "-".to_owned(), |id| id.to_string()));
            return Err(LoginError::WrongCredentials);
        };
        self.throttle.succeeded(&guesser);
        match user.obstacle(self.clock.now()) {
            Some(Obstacle::Locked) => return Err(LoginError::Locked),
            Some(Obstacle::Expired) => return Err(LoginError::Expired),
            None => {}
        }
        let user = if verdict.rehash { self.rehashed(user, password).await? } else { user };
        Ok(Login { user })
    }

    /// Checks a code of the user's second factor: a time-based one, once per step, or a recovery code, once for ever.
    ///
    /// # Errors
    /// [`LoginError::WrongCredentials`] also when the user has no second factor.
    pub async fn check_second_factor(
        &self,
        user: &User,
        code: &str,
        peer: Option<IpAddr>,
    ) -> Result<SecondFactor, LoginError> {
        self.counted(self.check_code(user, code, peer).await)
    }

    async fn check_code(&self, user: &User, code: &str, peer: Option<IpAddr>) -> Result<SecondFactor, LoginError> {
        // The address says nothing: whoever is here knows the password.
        let _ = peer;
        let now = self.clock.now();
        let guesser = self.throttle.code(user.id);
        let proof = || {
            let place = second_factor::place(user.id);
            let secret = user.totp_secret.as_ref().and_then(|sealed| self.sealing.open(&place, sealed));
            second_factor::find(code, secret.as_ref(), &user.recovery_codes, now)
        };
        let found = self.throttle.attempt(&guesser, now, proof);
        let found = found.map_err(|retry_after| LoginError::Throttled { retry_after })?;
        let is_spent = found.is_some();
        let proven = match found {
            None => None,
            Some(second_factor::Found::Step(step)) => {
                self.spend_step(user.id, step).await?.then_some(SecondFactor::Totp)
            }
            Some(second_factor::Found::Recovery(hash)) => {
                self.spend_recovery_code(user, &hash).await?.then_some(SecondFactor::RecoveryCode)
            }
        };
        match proven {
            Some(factor) => {
                self.throttle.succeeded(&guesser);
                Ok(factor)
            }
            None => {
                // A wrong code has been counted; one that is right but was used before is a failure too.
                if is_spent {
                    self.throttle.failed(&guesser, now);
                }
                self.count_login("wrong_second_factor");
                Event::SecondFactorFailed.tell(&user.id.to_string());
                Err(LoginError::WrongCredentials)
            }
        }
    }

    fn admit(&self, guesser: &Guesser) -> Result<(), LoginError> {
        let admitted = self.throttle.admit(guesser, self.clock.now());
        admitted.map_err(|retry_after| LoginError::Throttled { retry_after })
    }

    /// L7: today's cost, while the password is known. If somebody else writes the user meanwhile, the next login does it.
    async fn rehashed(&self, user: User, password: &Secret<String>) -> Result<User, LoginError> {
        let Ok(hash) = self.passwords.hash(password.expose()).await else { return Ok(user) };
        let renewed = User { password_hash: Some(hash), updated_at: self.clock.now(), ..user.clone() };
        if !self.store.update_user(&user, &renewed).await? {
            return Ok(user);
        }
        self.cache.flush();
        Ok(renewed)
    }

    /// L13: of two logins with the same code one wins, because the store compares what it replaces.
    async fn spend_recovery_code(&self, user: &User, hash: &str) -> Result<bool, LoginError> {
        let mut before = user.clone();
        for _ in 0..3 {
            let mut after = User { updated_at: self.clock.now(), ..before.clone() };
            after.recovery_codes.retain(|code| code != hash);
            if after.recovery_codes.len() == before.recovery_codes.len() {
                return Ok(false);
            }
            if self.store.update_user(&before, &after).await? {
                self.told(Event::RecoveryCodeSpent, &user.id.to_string());
                return Ok(true);
            }
            // Something else about the user changed; whether the code is still there is seen on the next round.
            match self.store.find_user(user.id).await? {
                Some(current) => before = current,
                None => return Ok(false),
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
