//! What the tests of logins stand on: a real store, a clock that stands still, and an issuer that does as it is told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use http::HeaderMap;
use http::header::COOKIE;
use serde_json::{Map, Value, json};

use super::*;
use crate::store::sql::{Options, SqlStore};

pub(super) const NOW: i64 = 1_700_000_000;
pub(super) const ISSUER: &str = "https://issuer.example";
/// Seconds that its access tokens live.
pub(super) const LIFE: i64 = 300;

pub(super) struct World {
    pub browsers: Arc<Browsers>,
    pub entrance: Entrance,
    pub clock: Clock,
    pub issuer: Arc<Told>,
    pub store: Arc<SqlStore>,
    pub revocations: Arc<Revocations>,
}

/// An issuer that does as it is told.
pub(super) struct Told {
    clock: Clock,
    /// What the next tokens are answered with.
    pub behaviour: Mutex<Behaviour>,
    /// Of ID tokens, beside the usual claims.
    pub claims: Mutex<Value>,
    pub names_itself: AtomicBool,
    pub asked: Mutex<Vec<Vec<(&'static str, String)>>>,
    pub revoked: Mutex<Vec<String>>,
    issued: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Tokens,
    WithoutIdToken,
    WithoutRefreshToken,
    Refuses,
    Silent,
}

impl Told {
    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub fn say(&self, claims: Value) {
        *self.claims.lock().unwrap() = claims;
    }

    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl Issuer for Told {
    fn is_foreign(&self) -> bool {
        true
    }

    async fn endpoints(&self) -> Result<Arc<Endpoints>, Unanswered> {
        Ok(Arc::new(Endpoints {
            issuer: ISSUER.to_owned(),
            authorization: format!("{ISSUER}/authorize"),
            end_session: Some(format!("{ISSUER}/logout")),
            names_itself: self.names_itself.load(Ordering::Relaxed),
        }))
    }

    async fn tokens(&self, client: &Client, form: Form) -> Result<Tokens, TokenRefusal> {
        assert_eq!(client.id, "gate");
        let form = form.into_iter().map(|(name, value)| (name, value.expose().clone())).collect();
        self.asked.lock().unwrap().push(form);
        // Long enough for others to come meanwhile.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let behaviour = *self.behaviour.lock().unwrap();
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let mut claims = json!({ "iss": ISSUER, "aud": "gate", "sub": "ann", "sid": "s1", "iat": now });
        for (name, value) in self.claims.lock().unwrap().as_object().unwrap() {
            claims[name] = value.clone();
        }
        let secret = |name: &str| Secret::new(format!("{name}-{number}"));
        match behaviour {
            Behaviour::Refuses => Err(TokenRefusal::Refused),
            Behaviour::Silent => Err(TokenRefusal::Unanswered),
            Behaviour::Tokens | Behaviour::WithoutIdToken | Behaviour::WithoutRefreshToken => Ok(Tokens {
                access_token: secret("access"),
                expires_at: Some(now + LIFE),
                refresh_token: (behaviour != Behaviour::WithoutRefreshToken).then(|| secret("refresh")),
                id_token: (behaviour != Behaviour::WithoutIdToken).then(|| Secret::new(claims.to_string())),
            }),
        }
    }

    async fn revoke(&self, client: &Client, refresh_token: Secret<String>) {
        assert_eq!(client.id, "gate");
        self.revoked.lock().unwrap().push(refresh_token.expose().clone());
    }

    async fn read_id_token(&self, _client: &Client, id_token: &str) -> Result<Map<String, Value>, TokenRefusal> {
        let claims: Map<String, Value> = serde_json::from_str(id_token).map_err(|_| TokenRefusal::Refused)?;
        if claims["iss"] == ISSUER { Ok(claims) } else { Err(TokenRefusal::Refused) }
    }
}

use crate::secret::Secret;

/// Logins of these names at one issuer, for the routes of `gate.example`; the entrance is to the first.
pub(super) async fn world(names: &[&str]) -> World {
    let clock = Clock::fixed(NOW);
    let issuer = told(&clock);
    let store = SqlStore::open("sqlite::memory:", &Options::default()).await.unwrap();
    let store = Arc::new(store);
    let logins: Vec<Arc<Login>> = names.iter().map(|name| Arc::new(login_at(name, issuer.clone()))).collect();
    let entrance = Entrance { login: logins[0].clone(), hosts: Box::default() };
    let revocations = Arc::new(Revocations::default());
    let browsers = browsers(logins, (&store, &clock, &revocations));
    World { browsers, entrance, clock, issuer, store, revocations }
}

/// Another node on the same store.
pub(super) fn another_node(world: &World) -> Arc<Browsers> {
    browsers(vec![world.entrance.login.clone()], (&world.store, &world.clock, &world.revocations))
}

fn browsers(
    logins: Vec<Arc<Login>>,
    (store, clock, revocations): (&Arc<SqlStore>, &Clock, &Arc<Revocations>),
) -> Arc<Browsers> {
    let master_key = crate::jose::MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let on = Dependencies {
        store: store.clone(),
        sealing: Sealing::new(&master_key),
        form_key: [7; 32],
        revocations: revocations.clone(),
        metrics: Arc::new(Metrics::new()),
        clock: clock.clone(),
        entropy: Entropy::system(),
    };
    Browsers::new(logins, Origins::new(true, "gate.example", None), on)
}

fn told(clock: &Clock) -> Arc<Told> {
    Arc::new(Told {
        clock: clock.clone(),
        behaviour: Mutex::new(Behaviour::Tokens),
        claims: Mutex::new(json!({})),
        names_itself: AtomicBool::new(true),
        asked: Mutex::default(),
        revoked: Mutex::default(),
        issued: AtomicUsize::new(0),
    })
}

pub(super) fn login(name: &str) -> Arc<Login> {
    Arc::new(login_at(name, told(&Clock::fixed(NOW))))
}

fn login_at(name: &str, issuer: Arc<Told>) -> Login {
    Login {
        name: name.to_owned(),
        issuer,
        client: Client { id: "gate".to_owned(), secret: None },
        scope: "openid offline_access".to_owned(),
        parameters: Vec::new(),
        idle_for: 3600,
        life_for: 43_200,
        signs_out_at_issuer: true,
        after_logout: None,
    }
}

pub(super) fn cookie(pairs: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !pairs.is_empty() {
        headers.insert(COOKIE, pairs.join("; ").parse().unwrap());
    }
    headers
}

/// Name and value of what is set; the other fields are about keeping it.
pub(super) fn pair(set: &HeaderValue) -> &str {
    set.to_str().unwrap().split(';').next().unwrap()
}

/// Somebody who comes to a page of `gate.example`.
pub(super) fn arrival<'a>(headers: &'a HeaderMap, path: &'a str, query: Option<&'a str>) -> Arrival<'a> {
    Arrival { host: "gate.example", is_through_proxy: false, path, query, headers, demands: None }
}

/// A login that is under way: `state`, and the cookie of the attempt.
pub(super) async fn begun(world: &World) -> (String, String) {
    let headers = HeaderMap::new();
    let begun = world.browsers.begin(&world.entrance, arrival(&headers, "/app", Some("q=1"))).await.unwrap();
    let (_, query) = begun.to.split_once('?').unwrap();
    world.issuer.say(json!({ "nonce": query::find(query, "nonce").unwrap() }));
    (query::find(query, "state").unwrap(), pair(&begun.cookies[0]).to_owned())
}

/// The cookie of somebody who logged in.
pub(super) async fn logged_in(world: &World) -> String {
    let (state, attempt) = begun(world).await;
    let query = format!("code=c&state={state}&iss=https%3A%2F%2Fissuer.example");
    let reply = world.browsers.callback(None, &query, &cookie(&[&attempt])).await;
    assert!(matches!(reply.next, Next::Redirect(_)), "{reply:?}");
    world.issuer.asked.lock().unwrap().clear();
    pair(&reply.cookies[0]).to_owned()
}

// F-330
#[test]
fn few_paths_are_ours() {
    for (path, pattern) in [
        ("/_faregate/callback", Some(CALLBACK)),
        ("/_faregate/callback/corp", Some(NAMED_CALLBACK)),
        ("/_faregate/logout", Some(LOGOUT)),
        ("/_faregate/callback/", None),
        ("/_faregate/callbacks", None),
        ("/_faregate/logout/now", None),
        ("/callback", None),
    ] {
        assert_eq!(pattern_of(path), pattern, "{path}");
    }
}
