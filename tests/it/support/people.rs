//! People and the applications that they log in to, and codes that were issued to them without a browser.

use std::sync::Arc;

use faregate::clock::Clock;
use faregate::directory::Passwords;
use faregate::entropy::Entropy;
use faregate::model::{
    Application, ApplicationGrant, ApplicationSettings, Approval, AuthenticationType, AuthorizationCode,
    ClientAuthenticationPolicy, ClientSecret, RefreshTokenPolicy, RefreshTokenUsage, Registration, Role, ScopeHandling,
    Tenant, User,
};
use faregate::store::Store as _;
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use super::authorization_server::{Answer, NOW, TENANT, TestServer, encode};
use super::database::Database;

/// Registered with `web` and `compatible`, with the roles `admin` and `user`.
pub const ADA: Uuid = uuid!("ada00000-0000-4000-8000-000000000001");
pub const ADA_EMAIL: &str = "ada@example.com";
/// F-109: as FusionAuth's documentation has it.
pub const PASSWORD: &str = "Setec Astronomy";
/// Registered nowhere, and without an email.
pub const BOB: Uuid = uuid!("b0b00000-0000-4000-8000-000000000002");

/// A confidential client that may use every grant.
pub const WEB: &str = "web";
/// A public client: authorization codes and refresh tokens.
pub const SPA: &str = "spa";
/// `NotRequired`, with a secret.
pub const OPTIONAL: &str = "optional";
/// `NotRequiredWhenUsingPKCE`, with a secret.
pub const PKCE: &str = "pkce";
/// Like `web`, but its refresh tokens are rotated.
pub const ROTATING: &str = "rotating";
/// Like `web`, but its tokens tell names (D-02).
pub const COMPATIBLE: &str = "compatible";
/// With the grants that an application has by default.
pub const PLAIN: &str = "plain";
/// Of every application that has one.
pub const SECRET: &str = "a+secret/of=32%bytes-or-more,so-that-it-signs";

pub const CALLBACK: &str = "https://app.example/callback?x=1";

/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

impl TestServer {
    pub async fn with_people() -> Self {
        Self::with_people_and(|_| {}).await
    }

    /// The same, with settings of the tenant changed.
    pub async fn with_people_and(change: impl FnOnce(&mut Tenant)) -> Self {
        let server = Self::start_with(change).await;
        server.fill_people().await;
        server
    }

    /// Three nodes on one database, which has people in it.
    pub async fn nodes_with_people(database: &Database) -> [Arc<Self>; 3] {
        let clock = Clock::fixed(NOW);
        let store = database.open().await;
        Self::fill(&store, |_| {}).await;
        let first = Self::on(store, clock.clone()).await;
        first.fill_people().await;
        let other = async |seed| Arc::new(Self::node(database.open().await, clock.clone(), seed).await);
        [Arc::new(first), other(8).await, other(9).await]
    }

    pub async fn fill_people(&self) {
        for application in applications() {
            self.store.insert_application(&application).await.unwrap();
        }
        let mut ada = User::new(ADA, TENANT, 1);
        ada.email = Some(ADA_EMAIL.to_owned());
        ada.email_verified = true;
        ada.username = Some("ada".to_owned());
        ada.password_hash = Some(password_hash().await);
        ada.profile.given_name = Some("Ada".to_owned());
        ada.profile.family_name = Some("Lovelace".to_owned());
        ada.profile.phone_number = Some("+441234567".to_owned());
        ada.profile.data = json!({ "color": { "favorite": "mauve" } }).as_object().unwrap().clone();
        let bob = User { username: Some("bob".to_owned()), ..User::new(BOB, TENANT, 1) };
        for user in [ada, bob] {
            self.store.insert_user(&user).await.unwrap();
        }
        for client_id in [WEB, COMPATIBLE] {
            let registration = Registration {
                user_id: ADA,
                application_id: id_of(client_id),
                roles: ["admin", "user"].map(str::to_owned).into(),
                data: json!({ "desk": 7 }).as_object().unwrap().clone(),
                managed_by: None,
                created_at: 1,
                updated_at: 1,
            };
            self.store.upsert_registration(&registration).await.unwrap();
        }
    }

    /// Changes an application that is there already.
    pub async fn change(&self, client_id: &str, change: impl FnOnce(&mut ApplicationSettings)) {
        let before = self.store.find_application(id_of(client_id)).await.unwrap().unwrap();
        let mut after = before.clone();
        change(&mut after.settings);
        self.directory.update_application(&before, after).await.unwrap();
    }

    /// Changes a user that is there already, behind the directory's back but not behind its cache's.
    pub async fn change_user(&self, id: Uuid, change: impl FnOnce(&mut User)) {
        let before = self.store.find_user(id).await.unwrap().unwrap();
        let mut after = before.clone();
        change(&mut after);
        assert!(self.store.update_user(&before, &after).await.unwrap());
        self.absorb().await;
    }

    /// What a node does four times a second.
    pub async fn absorb(&self) {
        self.directory.absorb(&self.store.changes_since(0, 1_000).await.unwrap());
    }

    /// A code for Ada, as the authorization endpoint would issue it.
    pub async fn code(&self, client_id: &str, scope: &str) -> String {
        self.code_with(client_id, scope, |_| {}).await
    }

    pub async fn code_with(&self, client_id: &str, scope: &str, change: impl FnOnce(&mut AuthorizationCode)) -> String {
        let text = format!("code-{}", Uuid::new_v4());
        let mut code = AuthorizationCode {
            hash: ClientSecret::hash(&text),
            approval: approval(client_id, scope),
            redirect_uri: Some(CALLBACK.to_owned()),
            code_challenge: None,
            device_code_id: None,
            created_at: self.clock.now(),
            expires_at: self.clock.now() + 30,
            redeemed_at: None,
        };
        change(&mut code);
        self.store.insert_authorization_code(&code).await.unwrap();
        text
    }

    /// A token request with the client's secret, if it has one.
    pub async fn ask(&self, client_id: &str, form: &str) -> Answer {
        let secret = if client_id == SPA { String::new() } else { format!("&client_secret={}", encode(SECRET)) };
        self.ask_openly(client_id, &format!("{form}{secret}")).await
    }

    /// A token request with the client's name alone.
    pub async fn ask_openly(&self, client_id: &str, form: &str) -> Answer {
        self.post("/oauth2/token").body(format!("client_id={client_id}&{form}")).send().await
    }

    /// The tokens of a new code.
    pub async fn tokens(&self, client_id: &str, scope: &str) -> Answer {
        let code = self.code(client_id, scope).await;
        self.ask(client_id, &redemption(&code)).await
    }

    pub async fn introspect(&self, client_id: &str, token: &str) -> Answer {
        let body = format!("client_id={client_id}&client_secret={}&token={}", encode(SECRET), encode(token));
        self.post("/oauth2/introspect").body(body).send().await
    }

    pub async fn refresh(&self, client_id: &str, refresh_token: &str) -> Answer {
        self.ask(client_id, &format!("grant_type=refresh_token&refresh_token={refresh_token}")).await
    }
}

impl Answer {
    pub fn refresh_token(&self) -> String {
        self.json()["refresh_token"].as_str().unwrap_or_else(|| panic!("{}", self.text())).to_owned()
    }
}

pub fn redemption(code: &str) -> String {
    format!("grant_type=authorization_code&code={code}&redirect_uri={}", encode(CALLBACK))
}

/// What Ada approved a minute ago, in a browser.
pub fn approval(client_id: &str, scope: &str) -> Approval {
    Approval {
        grant_id: Uuid::new_v4(),
        tenant_id: TENANT,
        application_id: id_of(client_id),
        user_id: ADA,
        session_id: None,
        scopes: scope.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        audience: None,
        authenticated_at: NOW - 60,
        methods: vec!["pwd".to_owned()],
        acr: Some("1".to_owned()),
        nonce: Some("n-0S6_WzA2Mj".to_owned()),
        claims: None,
        bound_to: None,
        authentication_type: AuthenticationType::Password,
    }
}

/// The id of an application above.
pub fn id_of(client_id: &str) -> Uuid {
    let known = [WEB, SPA, OPTIONAL, PKCE, ROTATING, COMPATIBLE, PLAIN];
    let number = known.iter().position(|known| *known == client_id).unwrap();
    Uuid::from_u128(0xa990_0000_0000_4000_8000_0000_0000_0000 + number as u128)
}

fn applications() -> Vec<Application> {
    let web = || ApplicationSettings {
        grants: ApplicationGrant::ALL.to_vec(),
        redirect_uris: vec![CALLBACK.to_owned()],
        device_verification_uri: Some("https://app.example/device".to_owned()),
        ..ApplicationSettings::default()
    };
    let with = |client_authentication| ApplicationSettings { client_authentication, ..web() };
    let one_time = RefreshTokenPolicy { usage: RefreshTokenUsage::OneTimeUse, ..RefreshTokenPolicy::default() };
    let public = ApplicationSettings {
        client_authentication: ClientAuthenticationPolicy::NotRequired,
        redirect_uris: vec![CALLBACK.to_owned()],
        ..ApplicationSettings::default()
    };
    let rotating = ApplicationSettings { refresh_tokens: Some(one_time), ..web() };
    let compatible = ApplicationSettings { scope_handling: ScopeHandling::Compatibility, ..web() };
    let plain = ApplicationSettings { redirect_uris: vec![CALLBACK.to_owned()], ..ApplicationSettings::default() };
    vec![
        application(WEB, Some(SECRET), web()),
        application(SPA, None, public),
        application(OPTIONAL, Some(SECRET), with(ClientAuthenticationPolicy::NotRequired)),
        application(PKCE, Some(SECRET), with(ClientAuthenticationPolicy::NotRequiredWhenUsingPkce)),
        application(ROTATING, Some(SECRET), rotating),
        application(COMPATIBLE, Some(SECRET), compatible),
        application(PLAIN, Some(SECRET), plain),
    ]
}

fn application(client_id: &str, secret: Option<&str>, settings: ApplicationSettings) -> Application {
    let role = |number: u128, name: &str| Role {
        id: Uuid::from_u128(number),
        name: name.to_owned(),
        description: None,
        is_default: false,
    };
    Application {
        id: id_of(client_id),
        tenant_id: TENANT,
        name: client_id.to_owned(),
        client_id: client_id.to_owned(),
        client_secrets: secret.map(|secret| ClientSecret::new(secret, 1)).into_iter().collect(),
        roles: vec![role(1, "admin"), role(2, "user")],
        settings,
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    }
}

/// Argon2 is slow on purpose: once is enough. Its salt is not drawn from the entropy of a server, which repeats.
async fn password_hash() -> String {
    static HASH: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    HASH.get_or_init(async || Passwords::new(Entropy::system()).hash(PASSWORD).await.unwrap()).await.clone()
}

/// The members of a JSON object, in their order.
pub fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}
