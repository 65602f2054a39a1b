use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::directory::tests::{furnished, store};
use crate::directory::{NewApplication, NewSecret, NewUser};
use crate::entropy::Entropy;
use crate::model::{ApplicationSettings, Approval, AuthenticationType};
use crate::revocations::{Bearings, Revocations};

const NOW: i64 = 1_000;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

struct World {
    directory: Directory,
    revocations: Arc<Revocations>,
    user_id: Uuid,
    application_id: Uuid,
}

/// Ann, with two sessions; grant 1 and 2 were made in the first, grant 3 without any.
async fn world() -> World {
    let (store, revocations) = (store().await, Arc::new(Revocations::default()));
    let directory = Directory::new(Arc::clone(&store), Clock::fixed(NOW), Entropy::seeded(1));
    let directory = directory.with_revocations(Arc::clone(&revocations));
    let tenant_id = furnished(&directory).await.tenant_id;
    let ann = NewUser { tenant_id, username: Some("ann".to_owned()), ..NewUser::default() };
    let user_id = directory.create_user(ann).await.unwrap().id;
    let shop = NewApplication {
        id: None,
        tenant_id,
        name: "shop".to_owned(),
        client_id: None,
        client_secret: NewSecret::Generated,
        roles: Vec::new(),
        settings: ApplicationSettings::default(),
    };
    let application_id = directory.create_application(shop).await.unwrap().application.id;
    for number in [1, 2] {
        let session = Session {
            id: id(number),
            hash: number.to_string(),
            tenant_id,
            user_id,
            authenticated_at: NOW,
            methods: vec!["pwd".to_owned()],
            created_at: NOW,
            last_used_at: NOW,
            idle_expires_at: NOW + 100,
            expires_at: NOW + 200,
            peer: None,
            user_agent: None,
        };
        store.insert_session(&session, None).await.unwrap();
    }
    for (number, session_id) in [(1, Some(id(1))), (2, Some(id(1))), (3, None)] {
        let approval = Approval {
            grant_id: id(number),
            tenant_id,
            application_id,
            user_id,
            session_id,
            scopes: vec!["offline_access".to_owned()],
            audience: None,
            authenticated_at: NOW,
            methods: vec!["pwd".to_owned()],
            acr: None,
            nonce: None,
            claims: None,
            bound_to: None,
            authentication_type: AuthenticationType::Password,
        };
        let token = RefreshToken {
            id: id(10 + number),
            hash: format!("token {number}"),
            approval,
            created_at: NOW,
            last_used_at: NOW,
            expires_at: NOW + 500,
            idle_expires_at: NOW + 500,
            rotated_at: None,
            revoked_at: None,
            device_name: None,
        };
        store.insert_refresh_token(&token).await.unwrap();
    }
    let consent =
        Consent { user_id, application_id, scopes: vec!["email".to_owned()], granted_at: NOW, expires_at: NOW + 500 };
    store.upsert_consent(&consent).await.unwrap();
    World { directory, revocations, user_id, application_id }
}

impl World {
    /// Numbers of the sessions, grants and consents that there are.
    async fn counts(&self) -> (usize, usize, usize) {
        let access = self.directory.access_of(self.user_id).await.unwrap();
        (access.sessions.len(), access.grants.len(), access.consents.len())
    }

    /// Whether access tokens of a grant and of a session are refused.
    fn refused(&self, grant_id: u128, session_id: u128) -> (bool, bool) {
        let grant = Bearings { grant_id: Some(id(grant_id)), issued_at: NOW, ..Bearings::default() };
        let session = Bearings { session_id: Some(id(session_id)), issued_at: NOW, ..Bearings::default() };
        (self.revocations.concern(&grant), self.revocations.concern(&session))
    }
}

// K6, I8: a session that is ended takes what was given in it along, and nothing else.
#[tokio::test]
async fn a_session_ends_with_its_grants() {
    let world = world().await;
    assert_eq!(world.counts().await, (2, 3, 1));
    world.directory.end_session(world.user_id, id(1)).await.unwrap();
    assert_eq!(world.counts().await, (1, 1, 1));
    assert_eq!((world.refused(1, 1), world.refused(3, 2)), ((true, true), (false, false)));
    let again = world.directory.end_session(world.user_id, id(1)).await;
    assert!(matches!(again, Err(DirectoryError::NotFound("session"))), "{again:?}");
    let foreign = world.directory.end_session(id(99), id(2)).await;
    assert!(matches!(foreign, Err(DirectoryError::NotFound("session"))), "{foreign:?}");
}

// K9
#[tokio::test]
async fn a_grant_ends_alone() {
    let world = world().await;
    world.directory.end_grant(world.user_id, id(2)).await.unwrap();
    assert_eq!(world.counts().await, (2, 2, 1));
    assert_eq!((world.refused(2, 1), world.refused(1, 2)), ((true, false), (false, false)));
    let foreign = world.directory.end_grant(id(99), id(1)).await;
    assert!(matches!(foreign, Err(DirectoryError::NotFound("grant"))), "{foreign:?}");
}

// K9: who takes a consent back takes back what it gave.
#[tokio::test]
async fn a_consent_ends_with_what_it_gave() {
    let world = world().await;
    world.directory.withdraw_consent(world.user_id, world.application_id).await.unwrap();
    assert_eq!(world.counts().await, (2, 0, 0));
    assert_eq!(world.refused(1, 1), (true, false));
    let again = world.directory.withdraw_consent(world.user_id, world.application_id).await;
    assert!(matches!(again, Err(DirectoryError::NotFound("consent"))), "{again:?}");
}
