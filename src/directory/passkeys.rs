//! The passkeys of users: added, used, removed.
//!
//! Owns how many there are and what they count. Whether somebody holds one is proven elsewhere (`oauth::passkeys`).

use uuid::Uuid;

use super::{Directory, DirectoryError, FieldCode, FieldError};
use crate::events::Event;
use crate::model::{Passkey, User};

/// How often a change is tried again when somebody else changes the same user.
const TRIES: usize = 5;

impl Directory {
    /// Gives the user another passkey.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for one that the user has, or one too many; [`DirectoryError::NotFound`],
    /// [`DirectoryError::Changed`], or the store's.
    pub async fn add_passkey(&self, user_id: Uuid, passkey: &Passkey) -> Result<(), DirectoryError> {
        let refused = |code, message| Err(DirectoryError::Invalid(vec![FieldError::new("passkey", code, message)]));
        let add = |user: &mut User| {
            if user.passkey(&passkey.id).is_some() {
                return refused(FieldCode::Duplicate, "the user has this passkey already");
            }
            if user.passkeys.len() >= Passkey::MOST {
                return refused(FieldCode::TooLong, "the user has as many passkeys as one may have");
            }
            user.passkeys.push(passkey.clone());
            Ok(true)
        };
        self.change_passkeys(user_id, add).await?;
        self.told(Event::PasskeyAdded, &user_id.to_string());
        Ok(())
    }

    /// Whether this use of the passkey is one that its authenticator has not counted before (WebAuthn Level 3, 7.2 step 22).
    /// Of two uses with one count, one is.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`], [`DirectoryError::Changed`], or the store's.
    pub async fn count_passkey(&self, user_id: Uuid, id: &str, sign_count: u32) -> Result<bool, DirectoryError> {
        let mut is_next = false;
        let count = |user: &mut User| {
            let passkey = user.passkeys.iter_mut().find(|passkey| passkey.id == id);
            let passkey = passkey.ok_or(DirectoryError::NotFound("passkey"))?;
            let before = std::mem::replace(&mut passkey.sign_count, sign_count);
            is_next = sign_count > before || (sign_count, before) == (0, 0);
            Ok(sign_count > before)
        };
        if self.change_passkeys(user_id, count).await? {
            self.cache.flush();
        }
        if !is_next {
            self.told(Event::PasskeyCopied, &user_id.to_string());
        }
        Ok(is_next)
    }

    /// Takes one passkey away.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`], [`DirectoryError::Changed`], or the store's.
    pub async fn remove_passkey(&self, user_id: Uuid, id: &str) -> Result<(), DirectoryError> {
        let remove = |user: &mut User| {
            let at = user.passkeys.iter().position(|passkey| passkey.id == id);
            user.passkeys.remove(at.ok_or(DirectoryError::NotFound("passkey"))?);
            Ok(true)
        };
        self.change_passkeys(user_id, remove).await?;
        self.told(Event::PasskeyRemoved, &user_id.to_string());
        Ok(())
    }

    /// Takes them all away, for somebody who lost them. Sessions and tokens of the user end.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`], [`DirectoryError::Changed`], or the store's.
    pub async fn remove_passkeys(&self, user_id: Uuid) -> Result<(), DirectoryError> {
        let remove = |user: &mut User| {
            let had = !user.passkeys.is_empty();
            user.passkeys.clear();
            Ok(had)
        };
        if self.change_passkeys(user_id, remove).await? {
            self.told(Event::PasskeyRemoved, &user_id.to_string());
        }
        self.revoke_user(user_id).await
    }

    /// Whether `change`, which says if there is anything to write, was written.
    async fn change_passkeys(
        &self,
        user_id: Uuid,
        mut change: impl FnMut(&mut User) -> Result<bool, DirectoryError>,
    ) -> Result<bool, DirectoryError> {
        for _ in 0..TRIES {
            let before = self.stored_user(user_id).await?;
            let mut after = User { updated_at: self.clock.now(), ..before.clone() };
            if !change(&mut after)? {
                return Ok(false);
            }
            if self.store.update_user(&before, &after).await? {
                return Ok(true);
            }
        }
        Err(DirectoryError::Changed("user"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::directory::NewUser;
    use crate::directory::tests::{directory, furnished};
    use crate::model::PasskeyAlgorithm;

    fn passkey(id: &str, sign_count: u32) -> Passkey {
        Passkey {
            id: id.to_owned(),
            algorithm: PasskeyAlgorithm::Es256,
            public_key: String::new(),
            sign_count,
            name: id.to_owned(),
            created_at: 0,
        }
    }

    async fn site() -> (Arc<Directory>, Uuid) {
        let directory = directory().await;
        let tenant_id = furnished(&directory).await.tenant_id;
        let new = NewUser { tenant_id, username: Some("ann".to_owned()), ..NewUser::default() };
        let user = directory.create_user(new).await.unwrap();
        (Arc::new(directory), user.id)
    }

    async fn ids(directory: &Directory, user: Uuid) -> Vec<String> {
        let user = directory.read_user(user).await.unwrap().unwrap();
        user.passkeys.into_iter().map(|passkey| passkey.id).collect()
    }

    // L12
    #[tokio::test]
    async fn passkeys_come_and_go_one_by_one() {
        let (directory, ann) = site().await;
        for number in 0..Passkey::MOST {
            directory.add_passkey(ann, &passkey(&number.to_string(), 0)).await.unwrap();
        }
        for refused in ["3", "one too many"] {
            let error = directory.add_passkey(ann, &passkey(refused, 0)).await.unwrap_err();
            assert!(matches!(error, DirectoryError::Invalid(_)), "{error}");
        }
        directory.remove_passkey(ann, "3").await.unwrap();
        assert!(matches!(directory.remove_passkey(ann, "3").await, Err(DirectoryError::NotFound("passkey"))));
        assert_eq!(ids(&directory, ann).await.len(), Passkey::MOST - 1);
        directory.remove_passkeys(ann).await.unwrap();
        assert_eq!(ids(&directory, ann).await, [""; 0]);
    }

    // WebAuthn Level 3, 7.2 step 22: of eight uses with one count, one is the first
    #[tokio::test(flavor = "multi_thread")]
    async fn a_count_is_taken_once() {
        let (directory, ann) = site().await;
        directory.add_passkey(ann, &passkey("counts", 4)).await.unwrap();
        directory.add_passkey(ann, &passkey("does not", 0)).await.unwrap();
        let uses: Vec<_> = (0..8)
            .map(|_| {
                let directory = Arc::clone(&directory);
                tokio::spawn(async move { directory.count_passkey(ann, "counts", 5).await.unwrap() })
            })
            .collect();
        let mut first = 0;
        for counted in uses {
            first += usize::from(counted.await.unwrap());
        }
        assert_eq!(first, 1);
        for (id, count, is_next) in [
            ("counts", 5, false),
            ("counts", 0, false),
            ("counts", 7, true),
            ("counts", 6, false),
            ("does not", 0, true),
            ("does not", 0, true),
        ] {
            assert_eq!(directory.count_passkey(ann, id, count).await.unwrap(), is_next, "{id} {count}");
        }
        assert!(directory.count_passkey(ann, "unknown", 9).await.is_err());
    }
}
