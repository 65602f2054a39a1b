//! Clients that register themselves (RFC 7591, RFC 7592): the commands of which they are the administrators.
//!
//! Owns how long a client is kept that nobody uses, and how many of them. What one may be is decided where it asks.

use uuid::Uuid;

use super::{ApplicationWithSecret, Directory, DirectoryError, NewApplication};
use crate::clock::UnixSeconds;
use crate::events::Event;
use crate::model::{Application, ApplicationSettings, SelfRegistered};
use crate::store;

/// Clients of one tenant that nobody has logged in to yet.
const MOST_UNUSED: usize = 1_000;

/// Seconds for which a new client has room whatever happens: the person is still on the way.
const SURE_FOR: i64 = 600;

impl Directory {
    /// `None` if so many are waiting for their first login that there is no room.
    pub async fn register_client(&self, new: NewApplication) -> Result<Option<ApplicationWithSecret>, DirectoryError> {
        if !self.make_room(new.tenant_id).await? {
            return Ok(None);
        }
        self.create_application_as(new, Event::ClientRegistered).await.map(Some)
    }

    /// Name and settings of `before` as the client wants them now.
    ///
    /// # Errors
    /// [`DirectoryError::Changed`] if somebody else was faster.
    pub async fn change_registered_client(
        &self,
        before: &Application,
        after: Application,
    ) -> Result<Application, DirectoryError> {
        self.change_application_as(before, after, None, Event::ClientChanged).await
    }

    /// With everything that it was issued.
    pub async fn forget_registered_client(&self, id: Uuid) -> Result<(), DirectoryError> {
        self.delete_application_as(id, Event::ClientForgotten).await
    }

    /// Somebody logs in to the client, so it stays. `false` if it is gone.
    pub async fn keep_registered_client(&self, application: &Application) -> Result<bool, DirectoryError> {
        if unused_until(application).is_none() {
            return Ok(true);
        }
        // Not what is in memory: it may be changing, or two people are logging in at once.
        while let Some(before) = self.store.find_application(application.id).await? {
            if !before.settings.is_active {
                break;
            }
            let Some(own) = before.settings.self_registered.clone().filter(|own| own.unused_until.is_some()) else {
                return Ok(true);
            };
            let own = SelfRegistered { unused_until: None, ..own };
            let settings = ApplicationSettings { self_registered: Some(own), ..before.settings.clone() };
            let after = Application { settings, ..before.clone() };
            match self.replace_application(&before, &after, Event::ClientChanged).await {
                Err(DirectoryError::Changed(_)) => {}
                written => return written.map(|()| true),
            }
        }
        Ok(false)
    }

    /// Forgets the clients that nobody logged in to in time. How many those are.
    pub async fn forget_unused_clients(&self) -> store::Result<usize> {
        let now = self.clock.now();
        let mut forgotten = 0;
        for application in self.store.list_applications(None).await? {
            if unused_until(&application).is_some_and(|until| until <= now) && self.forget_unused(&application).await? {
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    /// Whether there is room for one more; the oldest may have to go for it.
    async fn make_room(&self, tenant_id: Uuid) -> store::Result<bool> {
        let mut unused = self.store.list_applications(Some(tenant_id)).await?;
        unused.retain(|application| unused_until(application).is_some());
        if unused.len() < MOST_UNUSED {
            return Ok(true);
        }
        let sure_since = self.clock.now() - SURE_FOR;
        let oldest = unused.iter().min_by_key(|application| application.created_at);
        match oldest.filter(|oldest| oldest.created_at <= sure_since) {
            Some(oldest) => self.forget_unused(oldest).await,
            None => Ok(false),
        }
    }

    /// Nothing was ever issued to it, so nothing has to be revoked. `false` if it has come into use.
    async fn forget_unused(&self, application: &Application) -> store::Result<bool> {
        // Of this and a first login, whoever writes first wins.
        let settings = ApplicationSettings { is_active: false, ..application.settings.clone() };
        let ended = Application { settings, ..application.clone() };
        let is_gone = self.store.update_application(application, &ended).await?
            && self.store.delete_application(application.id, self.clock.now()).await?;
        if is_gone {
            self.told(Event::ClientForgotten, &application.id.to_string());
        }
        Ok(is_gone)
    }
}

fn unused_until(application: &Application) -> Option<UnixSeconds> {
    application.settings.self_registered.as_ref()?.unused_until
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::directory::NewSecret;
    use crate::directory::tests::{furnished, store};
    use crate::entropy::Entropy;
    use crate::model::ClientAuthenticationPolicy;

    const NOW: i64 = 1_000_000;

    fn client(tenant_id: Uuid, number: usize, unused_until: i64) -> NewApplication {
        let own = SelfRegistered {
            token: String::new(),
            client_name: None,
            authentication_method: "none".to_owned(),
            scopes: None,
            unused_until: Some(unused_until),
        };
        let settings = ApplicationSettings {
            client_authentication: ClientAuthenticationPolicy::NotRequired,
            self_registered: Some(own),
            ..ApplicationSettings::default()
        };
        NewApplication {
            id: None,
            tenant_id,
            name: format!("client {number}"),
            client_id: None,
            client_secret: NewSecret::None,
            roles: Vec::new(),
            settings,
        }
    }

    // N7: however many register, there are so many rows, and whoever is on the way to a first login is not pushed aside.
    #[tokio::test]
    async fn the_oldest_that_nobody_uses_makes_room() {
        let clock = Clock::fixed(NOW);
        let directory = Directory::new(store().await, clock.clone(), Entropy::seeded(1));
        let tenant_id = furnished(&directory).await.tenant_id;
        let register = async |number| directory.register_client(client(tenant_id, number, NOW * 2)).await.unwrap();
        let first = register(0).await.unwrap().application;
        assert!(directory.keep_registered_client(&first).await.unwrap(), "somebody logged in to it");
        clock.advance(1);
        let second = register(1).await.unwrap().application;
        clock.advance(1);
        for number in 2..=MOST_UNUSED {
            assert!(register(number).await.is_some(), "{number}");
        }
        assert!(register(MOST_UNUSED + 1).await.is_none(), "all of them may be on the way");
        clock.advance(SURE_FOR - 1);
        assert!(register(MOST_UNUSED + 2).await.is_some());
        assert_eq!(directory.read_application(second.id).await.unwrap(), None, "it waited longest");
        assert!(directory.read_application(first.id).await.unwrap().is_some());
        assert!(!directory.keep_registered_client(&second).await.unwrap(), "too late");
    }

    #[tokio::test]
    async fn who_is_not_used_in_time_is_forgotten() {
        let clock = Clock::fixed(NOW);
        let directory = Directory::new(store().await, clock.clone(), Entropy::seeded(1));
        let tenant_id = furnished(&directory).await.tenant_id;
        let register = async |number, until| {
            let registered = directory.register_client(client(tenant_id, number, until)).await.unwrap();
            registered.unwrap().application
        };
        let used = register(0, NOW + 10).await;
        let unused = register(1, NOW + 10).await;
        let later = register(2, NOW + 11).await;
        assert!(directory.keep_registered_client(&used).await.unwrap());
        assert!(directory.keep_registered_client(&used).await.unwrap(), "again, with what was read before");
        clock.advance(10);
        assert_eq!(directory.forget_unused_clients().await.unwrap(), 1);
        let is_there = async |one: &Application| directory.read_application(one.id).await.unwrap().is_some();
        assert_eq!((is_there(&used).await, is_there(&unused).await, is_there(&later).await), (true, false, true));
        assert_eq!(directory.forget_unused_clients().await.unwrap(), 0);
    }
}
