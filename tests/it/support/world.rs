//! People and the applications that they log in to.

use faregate::directory::Passwords;
use faregate::entropy::Entropy;
use faregate::model::{
    Application, ApplicationGrant, ApplicationSettings, ClientAuthenticationPolicy, ClientSecret, CustomScope,
    Registration, Relationship, Tenant, User,
};
use faregate::store::Store as _;
use tokio::sync::OnceCell;
use uuid::{Uuid, uuid};

use super::authorization_server::{NOW, TENANT, TestServer, encode};

/// A client that can keep a secret, with every grant.
pub const WEB: Uuid = uuid!("3c219e58-ed0e-4b18-ad48-f4f92793ae32");
pub const WEB_SECRET: &str = "web secret";
pub const WEB_URI: &str = "https://web.example.com/cb";
/// One that cannot, in a browser and on a desk.
pub const SPA: Uuid = uuid!("3c219e58-ed0e-4b18-ad48-f4f92793ae33");
pub const SPA_URI: &str = "https://spa.example.com/cb";
pub const DESK_URI: &str = "http://127.0.0.1/cb";
/// Somebody else's.
pub const THIRD: Uuid = uuid!("3c219e58-ed0e-4b18-ad48-f4f92793ae34");
pub const THIRD_URI: &str = "https://third.example.net/cb?x=1";

pub const ADA: Uuid = uuid!("ada00000-0000-4000-8000-000000000001");
pub const ADA_EMAIL: &str = "ada@example.com";
pub const BOB: Uuid = uuid!("b0b00000-0000-4000-8000-000000000002");
pub const BOB_EMAIL: &str = "bob@example.com";
pub const PASSWORD: &str = "Setec Astronomy +%";
/// A challenge of RFC 7636, appendix B, and its verifier.
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A server with Ada, who is registered with the first client, Bob, who is not, and three clients.
pub async fn world() -> TestServer {
    world_with(|_| {}, |_, _| {}).await
}

/// The same with other settings of the tenant, and of the clients by their ids.
pub async fn world_with(
    tenant: impl FnOnce(&mut Tenant),
    change: impl Fn(Uuid, &mut ApplicationSettings),
) -> TestServer {
    let server = TestServer::start_with(tenant).await;
    for (id, name, secret, mut settings) in clients() {
        change(id, &mut settings);
        server.store.insert_application(&application(id, name, secret, settings)).await.unwrap();
    }
    for (id, email, username) in [(ADA, ADA_EMAIL, "ada"), (BOB, BOB_EMAIL, "bob")] {
        let user = User {
            email: Some(email.to_owned()),
            username: Some(username.to_owned()),
            email_verified: true,
            password_hash: Some(password_hash().await),
            ..User::new(id, TENANT, 1)
        };
        server.store.insert_user(&user).await.unwrap();
    }
    let registration = Registration {
        user_id: ADA,
        application_id: WEB,
        roles: Vec::new(),
        data: serde_json::Map::new(),
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    };
    server.store.upsert_registration(&registration).await.unwrap();
    server
}

fn clients() -> [(Uuid, &'static str, Option<&'static str>, ApplicationSettings); 3] {
    let uris = |uris: &[&str]| uris.iter().map(|&uri| uri.to_owned()).collect();
    let web = ApplicationSettings {
        grants: ApplicationGrant::ALL.to_vec(),
        redirect_uris: uris(&[WEB_URI, "https://web.example.com/bye"]),
        scopes: vec![scope("orders:read", false)],
        ..ApplicationSettings::default()
    };
    let spa = ApplicationSettings {
        client_authentication: ClientAuthenticationPolicy::NotRequired,
        redirect_uris: uris(&[SPA_URI, DESK_URI, "com.example.spa:/cb"]),
        ..ApplicationSettings::default()
    };
    let third = ApplicationSettings {
        relationship: Relationship::ThirdParty,
        redirect_uris: uris(&[THIRD_URI]),
        scopes: vec![scope("orders:read", false), scope("orders:list", true)],
        owner: Some("Third Ltd".to_owned()),
        ..ApplicationSettings::default()
    };
    [(WEB, "Web", Some(WEB_SECRET), web), (SPA, "Spa", None, spa), (THIRD, "Third", Some("third secret"), third)]
}

pub fn application(id: Uuid, name: &str, secret: Option<&str>, settings: ApplicationSettings) -> Application {
    Application {
        id,
        tenant_id: TENANT,
        name: name.to_owned(),
        client_id: id.to_string(),
        client_secrets: secret.map(|secret| ClientSecret::new(secret, NOW)).into_iter().collect(),
        roles: Vec::new(),
        settings,
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    }
}

fn scope(name: &str, is_required: bool) -> CustomScope {
    CustomScope {
        id: Uuid::from_u128(name.len() as u128),
        name: name.to_owned(),
        description: Some(format!("May {name}")),
        is_required,
        consent_message: None,
        consent_detail: None,
    }
}

/// Hashed once: it takes as long as it should.
pub async fn password_hash() -> String {
    static HASH: OnceCell<String> = OnceCell::const_new();
    let hash = HASH.get_or_init(|| async { Passwords::new(Entropy::system()).hash(PASSWORD).await.unwrap() });
    hash.await.clone()
}

/// An authorization request of the first client, with more parameters as they stand.
pub fn ask(more: &str) -> String {
    ask_as(WEB, WEB_URI, &format!("&response_type=code{more}"))
}

/// A request of any client.
pub fn ask_as(client: Uuid, redirect_uri: &str, more: &str) -> String {
    format!("/oauth2/authorize?client_id={client}&redirect_uri={}{more}", encode(redirect_uri))
}
