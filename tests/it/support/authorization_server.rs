//! The authorization server, called in process: a real store, a clock that stands still, entropy that repeats.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use faregate::clock::Clock;
use faregate::directory::Directory;
use faregate::entropy::Entropy;
use faregate::jose::{MasterKey, Sealing};
use faregate::model::{ClientSecret, Entity, EntityGrant, EntityType, Permission, Profile, Tenant};
use faregate::oauth::{AuthorizationServer, Dependencies, KeyRing, Settings};
use faregate::revocations::Revocations;
use faregate::store::Store;
use faregate::store::sql::{Options, SqlStore};
use faregate::web::{self, PeerAddress};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::{Uuid, uuid};

pub const NOW: i64 = 1_800_000_000;
pub const PUBLIC_URL: &str = "https://gate.example.com";
pub const TENANT: Uuid = uuid!("30663132-6464-6665-3032-326466613934");
pub const OTHER_TENANT: Uuid = uuid!("5f0c2b1a-7a55-4c8e-9d0e-3f6f3f1f0b02");

/// The caller. Its secret is the one of FusionAuth's documentation: it begins with `+` and ends with `=`.
pub const TODO_API: Uuid = uuid!("2934f41f-d277-4a32-b0d5-16e47dad9721");
pub const TODO_SECRET: &str = "+fcXet9Iu2kQi61yWD9Tu4ReZ113P6yEAkr32v6WKOQ=";
/// A caller whose client id is not its id.
pub const REPORTS: Uuid = uuid!("7c1e3d5f-08a4-4b6e-9f21-6d2c8e4a9b10");
pub const REPORTS_SECRET: &str = "a+b/c=%41:d";
/// A target called `email`: the first caller may read, write and scim:user:read.
pub const EMAIL: Uuid = uuid!("e13365f1-a270-493e-bd1b-3d239d753d53");
/// A target called `calendar`: the first caller may read.
pub const CALENDAR: Uuid = uuid!("119a84d9-06c5-4d1f-a0d4-a60490b70ac5");
/// A target called `vault`: nobody was granted anything.
pub const VAULT: Uuid = uuid!("c0ffee00-0000-4000-8000-000000000001");
/// A target of the other tenant.
pub const FOREIGN: Uuid = uuid!("d15c0000-0000-4000-8000-000000000002");

pub const FORM: &str = "application/x-www-form-urlencoded";

pub struct TestServer {
    pub router: Router,
    pub server: Arc<AuthorizationServer>,
    pub store: Arc<SqlStore>,
    pub directory: Arc<Directory>,
    pub keys: Arc<KeyRing>,
    pub revocations: Arc<Revocations>,
    pub clock: Clock,
}

impl TestServer {
    /// One tenant with two callers and three targets.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same, with settings of the tenant changed before its keys are made.
    pub async fn start_with(change: impl FnOnce(&mut Tenant)) -> Self {
        let server = Self::start_before_its_keys(change).await;
        server.keys.provide().await.unwrap();
        server
    }

    /// The same in the first moments of a new store.
    pub async fn start_before_its_keys(change: impl FnOnce(&mut Tenant)) -> Self {
        let store = Arc::new(SqlStore::open("sqlite::memory:", &Options::default()).await.unwrap());
        Self::fill(&store, change).await;
        Self::assembled(store, Clock::fixed(NOW), Entropy::seeded(7)).await
    }

    /// Puts the tenant and its entities into an empty store.
    pub async fn fill(store: &SqlStore, change: impl FnOnce(&mut Tenant)) {
        let mut tenant = Tenant::new(TENANT, "main", 1);
        // RSA keys take too long to be made in every test.
        tenant.id_token_algorithm = "ES256".to_owned();
        change(&mut tenant);
        store.insert_tenant(&tenant).await.unwrap();
        fill(store).await;
    }

    /// A node on a store that may be shared with others.
    pub async fn on(store: Arc<SqlStore>, clock: Clock) -> Self {
        Self::node(store, clock, 7).await
    }

    /// The same with entropy of its own: nodes that write to one store must not draw the same ids.
    pub async fn node(store: Arc<SqlStore>, clock: Clock, seed: u64) -> Self {
        let server = Self::assembled(store, clock, Entropy::seeded(seed)).await;
        server.keys.provide().await.unwrap();
        server
    }

    async fn assembled(store: Arc<SqlStore>, clock: Clock, entropy: Entropy) -> Self {
        let master_key = MasterKey::from_base64(&STANDARD.encode([7; 32])).unwrap();
        let shared: Arc<dyn Store> = Arc::clone(&store) as _;
        let revocations = Arc::new(Revocations::default());
        let directory = Directory::new(Arc::clone(&shared), clock.clone(), entropy.clone())
            .with_sealing(Sealing::new(&master_key))
            .with_revocations(Arc::clone(&revocations));
        let directory = Arc::new(directory);
        let settings = Arc::new(Settings::new(PUBLIC_URL));
        let keys =
            KeyRing::open(settings, Arc::clone(&shared), master_key, clock.clone(), entropy.clone()).await.unwrap();
        let server = AuthorizationServer::new(Dependencies {
            directory: Arc::clone(&directory),
            store: shared,
            keys: Arc::clone(&keys),
            revocations: Arc::clone(&revocations),
            clock: clock.clone(),
            entropy,
        });
        let server = Arc::new(server);
        Self { router: web::router(Arc::clone(&server)), server, store, directory, keys, revocations, clock }
    }

    /// Tells the servers of clients of the logouts that are left, as a started gateway does by itself.
    pub async fn tell_logouts(&self) {
        let server = Arc::clone(&self.server);
        let left = server.take_untold_logouts().await.unwrap();
        let told = left.into_iter().map(|logout| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                web::deliver(logout.notice.clone()).await;
                server.logout_was_told(&logout).await.unwrap();
            })
        });
        // Whoever asks hears of it in time.
        drop(told.collect::<Vec<_>>());
    }

    /// A second tenant, with a target, and a caller that both tenants call by the same client id.
    pub async fn add_other_tenant(&self) {
        let mut tenant = Tenant::new(OTHER_TENANT, "other", 2);
        tenant.id_token_algorithm = "ES256".to_owned();
        self.store.insert_tenant(&tenant).await.unwrap();
        let type_id = self.store.find_entity_type_by_name("API").await.unwrap().unwrap().id;
        let foreign = entity(FOREIGN, "foreign", type_id, &FOREIGN.to_string(), "foreign secret");
        let twin = entity(Uuid::from_u128(5), "reports", type_id, "reports", "twin secret");
        for entity in [foreign, twin] {
            self.store.insert_entity(&Entity { tenant_id: OTHER_TENANT, ..entity }).await.unwrap();
        }
        self.keys.reload().await.unwrap();
    }

    pub fn post(&self, path: &str) -> Call<'_> {
        Call::new(self, "POST", path).header(header::CONTENT_TYPE.as_str(), FORM)
    }

    pub fn post_as(&self, path: &str, media_type: &str) -> Call<'_> {
        Call::new(self, "POST", path).header(header::CONTENT_TYPE.as_str(), media_type)
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.request("GET", path)
    }

    pub fn request(&self, method: &str, path: &str) -> Call<'_> {
        Call::new(self, method, path)
    }

    /// Client credentials of the first caller, for `scope`.
    pub async fn token(&self, scope: &str) -> Answer {
        let scope = encode(scope);
        let body = format!("grant_type=client_credentials&scope={scope}");
        self.post("/oauth2/token").basic(&TODO_API.to_string(), TODO_SECRET).body(body).send().await
    }
}

async fn fill(store: &dyn Store) {
    let permission = |number: u128, name: &str| Permission {
        id: Uuid::from_u128(number),
        name: name.to_owned(),
        description: None,
        is_default: false,
    };
    let permissions = vec![
        permission(101, "delete"),
        permission(102, "read"),
        permission(103, "scim:user:read"),
        permission(104, "write"),
    ];
    let entity_type = EntityType { permissions, ..EntityType::new(Uuid::from_u128(100), "API", 1) };
    store.insert_entity_type(&entity_type).await.unwrap();
    let entities = [
        entity(TODO_API, "todo", entity_type.id, &TODO_API.to_string(), TODO_SECRET),
        entity(REPORTS, "reports", entity_type.id, "reports", REPORTS_SECRET),
        entity(EMAIL, "email", entity_type.id, "email-client", "email secret"),
        entity(CALENDAR, "calendar", entity_type.id, "calendar-client", "calendar secret"),
        entity(VAULT, "vault", entity_type.id, "vault-client", "vault secret"),
    ];
    for entity in entities {
        store.insert_entity(&entity).await.unwrap();
    }
    let grant = |number: u128, target_id: Uuid, permissions: &[&str]| EntityGrant {
        id: Uuid::from_u128(number),
        target_id,
        recipient_id: TODO_API,
        permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    };
    store.upsert_grant(&grant(201, EMAIL, &["read", "scim:user:read", "write"])).await.unwrap();
    store.upsert_grant(&grant(202, CALENDAR, &["read"])).await.unwrap();
}

fn entity(id: Uuid, name: &str, type_id: Uuid, client_id: &str, secret: &str) -> Entity {
    Entity {
        id,
        tenant_id: TENANT,
        type_id,
        name: name.to_owned(),
        client_id: client_id.to_owned(),
        client_secrets: vec![ClientSecret::new(secret, 1)],
        parent_id: None,
        data: serde_json::Map::new(),
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    }
}

/// A request on its way.
pub struct Call<'a> {
    server: &'a TestServer,
    request: http::request::Builder,
    body: Vec<u8>,
}

impl<'a> Call<'a> {
    fn new(server: &'a TestServer, method: &str, path: &str) -> Self {
        Self { server, request: Request::builder().method(method).uri(path), body: Vec::new() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value.as_bytes());
        self
    }

    /// Basic credentials as they stand, not form-encoded.
    pub fn basic(self, client_id: &str, secret: &str) -> Self {
        let pair = STANDARD.encode(format!("{client_id}:{secret}"));
        self.header("Authorization", &format!("Basic {pair}"))
    }

    pub fn from(mut self, peer: &str) -> Self {
        self.request = self.request.extension(PeerAddress(peer.parse::<IpAddr>().unwrap()));
        self
    }

    /// With what whoever accepted the connection knows.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, extension: T) -> Self {
        self.request = self.request.extension(extension);
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn send(self) -> Answer {
        let request = self.request.body(Body::from(self.body)).unwrap();
        Answer::of(self.server, request).await
    }
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What is counted as presented a second time.
    pub reuse: Option<&'static str>,
}

impl Answer {
    pub async fn of(server: &TestServer, request: Request<Body>) -> Self {
        let (head, body) = server.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let reuse = head.extensions.get::<web::Reuse>().map(|web::Reuse(reused)| reused.as_str());
        Self { status: head.status, headers: head.headers, body, reuse }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status, `error` and `error_reason`, which are the contract; descriptions are not.
    pub fn verdict(&self) -> (u16, String, String) {
        let body = self.json();
        let member = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), member("error"), member("error_reason"))
    }

    pub fn access_token(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub fn claims(&self) -> Value {
        part(&self.access_token(), 1)
    }

    pub fn token_header(&self) -> Value {
        part(&self.access_token(), 0)
    }
}

/// A part of a token, decoded.
pub fn part(token: &str, number: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap()).unwrap()
}

/// Form-encodes a value.
pub fn encode(value: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}

/// A tenant of another dialect.
pub fn speaking(profile: Profile) -> impl FnOnce(&mut Tenant) {
    move |tenant| tenant.profile = profile
}
