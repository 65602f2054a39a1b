//! The life of signing keys: made once, published before they sign, kept after (P1, P2, T07, T21, T74).

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use faregate::clock::Clock;
use faregate::directory::{KeyMaterial, KeySigner, KeyUse, NewApplication, NewSecret};
use faregate::entropy::Entropy;
use faregate::jose::{Algorithm, KeySet, MasterKey, Reason, verify};
use faregate::model::{ApplicationSettings, EntityType, KeyPurpose, Profile, Tenant};
use faregate::oauth::{KeyRing, KeyRingError, NewKey, Settings};
use faregate::secret::Secret;
use faregate::store::Store as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::authorization_server::{NOW, PUBLIC_URL, TENANT, TestServer, part};

impl TestServer {
    async fn kid(&self) -> String {
        self.token("").await.token_header()["kid"].as_str().unwrap().to_owned()
    }

    async fn published(&self) -> Vec<String> {
        let document = self.get("/.well-known/jwks.json").send().await.json();
        let kids = document["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
        kids.collect()
    }

    fn refusal(&self, token: &str) -> Option<Reason> {
        let issuer = self.keys.find_issuer(PUBLIC_URL).unwrap();
        verify(token, &issuer.expectations, &issuer.access_token_keys, self.clock.now()).err()
    }
}

// P2: published now, signing after the publishing interval, the old one kept until its last token is over.
#[tokio::test]
async fn a_rotation_publishes_first_and_signs_later() {
    let server = TestServer::start().await;
    let old = server.kid().await;
    let rotation = server.keys.rotate(TENANT, KeyPurpose::AccessToken).await.unwrap();
    assert_eq!((&*rotation.retired, rotation.signs_from_at), (&*old, NOW + 600));
    let new = rotation.successor;
    assert!(server.published().await.contains(&new), "published at once");
    assert_eq!(server.kid().await, old, "but not signing yet");
    server.clock.set(NOW + 599);
    assert_eq!(server.kid().await, old);
    let last = server.token("").await.access_token();
    server.clock.set(NOW + 600);
    assert_eq!(server.kid().await, new);
    assert_eq!(server.refusal(&last), None);
    let generation = server.keys.generation();
    server.clock.set(NOW + 599 + 3599);
    assert_eq!(server.refusal(&last), None, "the last token of the old key lives out its life");
    assert_eq!(server.keys.generation(), generation);
    server.clock.set(NOW + 600 + 3660);
    assert!(!server.published().await.contains(&old), "then the old key leaves");
    assert!(server.published().await.contains(&new));
    assert_ne!(server.keys.generation(), generation, "F17: caches are told");
    assert_eq!(server.refusal(&last), Some(Reason::UnknownKey));
}

// P2: applications and types of entities may have longer tokens than their tenant
#[tokio::test]
async fn a_key_is_kept_for_the_longest_token_of_the_tenant() {
    for of_type in [true, false] {
        let server = TestServer::start().await;
        let lives_for = 5 * 3600;
        if of_type {
            let before = server.directory.find_entity_type("API").await.unwrap().unwrap();
            let after = EntityType { access_token_for: Some(lives_for), ..before.clone() };
            server.directory.change_entity_type(&before, after).await.unwrap();
        } else {
            let new = NewApplication {
                id: None,
                tenant_id: TENANT,
                name: "shop".to_owned(),
                client_id: None,
                client_secret: NewSecret::Generated,
                roles: Vec::new(),
                settings: ApplicationSettings { access_token_for: Some(lives_for), ..ApplicationSettings::default() },
            };
            server.directory.create_application(new).await.unwrap();
        }
        let (old, last) = (server.kid().await, server.token("").await.access_token());
        server.keys.rotate(TENANT, KeyPurpose::AccessToken).await.unwrap();
        server.clock.set(NOW + lives_for - 1);
        assert_eq!(server.refusal(&last), if of_type { None } else { Some(Reason::Expired) });
        server.clock.set(NOW + 600 + lives_for + 59);
        assert!(server.published().await.contains(&old), "its last token may be good still");
        server.clock.set(NOW + 600 + lives_for + 60);
        assert!(!server.published().await.contains(&old));
    }
}

async fn update_tenant(server: &TestServer, change: impl FnOnce(&mut Tenant)) {
    let before = server.store.find_tenant(TENANT).await.unwrap().unwrap();
    let mut after = before.clone();
    change(&mut after);
    assert!(server.store.update_tenant(&before, &after).await.unwrap());
    server.keys.reload().await.unwrap();
}

/// The key signs the tenant's access tokens.
fn signs(key_id: Uuid) -> KeyUse {
    KeyUse { key_id, purpose: KeyPurpose::AccessToken, signer: KeySigner::Tenant(TENANT) }
}

// P2: what a tenant has given up goes as if it had been rotated, and comes back as another key
#[tokio::test]
async fn a_key_of_an_algorithm_that_is_given_up_leaves() {
    let server = TestServer::start().await;
    let old = server.kid().await;
    let change = async |algorithm: &str| {
        update_tenant(&server, |tenant| tenant.access_token_algorithm = algorithm.to_owned()).await;
    };
    change("EdDSA").await;
    assert_eq!(server.kid().await, old, "the new one is not known to everybody yet");
    server.clock.set(NOW + 599);
    let last = server.token("").await.access_token();
    server.clock.set(NOW + 600);
    let new = server.kid().await;
    assert!(new != old && server.published().await.contains(&old));
    assert_eq!(server.refusal(&last), None);
    server.clock.set(NOW + 600 + 3659);
    assert!(server.published().await.contains(&old), "until the last token is over");
    server.clock.set(NOW + 600 + 3660);
    assert!(!server.published().await.contains(&old));
    assert!(server.refusal(&last).is_some());
    change("ES256").await;
    server.clock.set(NOW + 600 + 3660 + 600);
    let newest = server.kid().await;
    assert!(newest != old && newest != new, "a key that left does not come back");
}

// D6: clients of Auth0 read RSA keys only; whoever has a token of before is still believed
#[tokio::test]
async fn a_tenant_that_speaks_like_auth0_shows_rsa_keys_only() {
    let server = TestServer::start().await;
    let old = server.token("").await.access_token();
    update_tenant(&server, |tenant| {
        tenant.profile = Profile::Auth0;
        tenant.access_token_algorithm = "RS256".to_owned();
        tenant.id_token_algorithm = "RS256".to_owned();
    })
    .await;
    let of_ring = || server.keys.issuer(None).unwrap();
    let kinds = || of_ring().key_set().keys().map(|key| key.algorithm().as_str()).collect::<Vec<_>>().concat();
    assert_eq!(kinds(), "", "nothing that they could not read, even while there is nothing else");
    let began = Instant::now();
    while kinds() != "RS256RS256" {
        assert!(began.elapsed() < Duration::from_secs(120), "{}", kinds());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Nobody can have cached a key set that could be read, so there is nothing to wait for.
    assert_eq!(server.token("").await.token_header()["alg"], "RS256");
    assert_eq!(server.refusal(&old), None);
    assert_eq!(server.published().await.len(), 2);
    let stored = server.store.list_keys(NOW).await.unwrap();
    let elliptic: Vec<_> = stored.iter().filter(|key| key.algorithm == "ES256").collect();
    assert!(!elliptic.is_empty());
}

// P2: a key that an administrator brings along is published at once and signs once everybody can know it.
#[tokio::test]
async fn a_key_of_ones_own_is_published_before_it_signs() {
    let server = TestServer::start().await;
    let old = server.kid().await;
    let material = KeyMaterial::Shared { algorithm: None, secret: Secret::new("x".repeat(40)) };
    let shared = NewKey { id: None, name: "shared".to_owned(), tenant_id: None, material, managed_by: None };
    let shared = server.keys.create_key(shared).await.unwrap();
    let material = KeyMaterial::Generated { algorithm: "ES384".to_owned(), bits: None };
    let made = NewKey { id: None, name: "mine".to_owned(), tenant_id: None, material, managed_by: None };
    let made = server.keys.create_key(made).await.unwrap();
    assert!(!server.published().await.contains(&made.named.kid), "nobody uses it");
    let algorithm = server.keys.use_key(signs(made.named.id), "key.id").await.unwrap();
    update_tenant(&server, |tenant| tenant.access_token_algorithm = algorithm).await;
    assert!(server.published().await.contains(&made.named.kid));
    server.clock.set(NOW + 599);
    assert_eq!(server.kid().await, old);
    server.clock.set(NOW + 600);
    assert_eq!(server.kid().await, made.named.kid);
    // E6, F-205: a shared secret signs for the tenant that chose it, and no key set shows it.
    server.keys.use_key(signs(shared.named.id), "key.id").await.unwrap();
    update_tenant(&server, |tenant| tenant.access_token_algorithm = "HS256".to_owned()).await;
    server.clock.set(NOW + 1200);
    let token = server.token("").await;
    assert_eq!(
        (token.token_header()["kid"].as_str(), server.refusal(&token.access_token())),
        (Some(&*shared.named.kid), None)
    );
    assert!(!server.published().await.contains(&shared.named.kid));
    // What was replaced for good may go, and its tokens with it.
    let known = server.keys.known_key(shared.named.id).await.unwrap().unwrap();
    assert!(matches!(server.keys.delete_key(&known).await, Err(KeyRingError::Refused(_))));
    let rotation = server.keys.rotate(TENANT, KeyPurpose::AccessToken).await.unwrap();
    server.clock.set(rotation.signs_from_at);
    assert_eq!(server.refusal(&token.access_token()), None);
    let known = server.keys.known_key(shared.named.id).await.unwrap().unwrap();
    server.keys.delete_key(&known).await.unwrap();
    assert_eq!(server.refusal(&token.access_token()), Some(Reason::UnknownKey));
}

// T74: two nodes that rotate at once make one key, and both then sign with it.
#[tokio::test]
async fn two_nodes_rotate_once() {
    let first = TestServer::start().await;
    let second = TestServer::on(Arc::clone(&first.store), first.clock.clone()).await;
    assert_eq!(first.published().await, second.published().await, "the second node makes no keys of its own");
    let outcomes = tokio::join!(
        first.keys.rotate(TENANT, KeyPurpose::AccessToken),
        second.keys.rotate(TENANT, KeyPurpose::AccessToken)
    );
    let (won, lost): (Vec<_>, Vec<_>) = [outcomes.0, outcomes.1].into_iter().partition(Result::is_ok);
    // One after the other they may both succeed; at once, the slower one is told.
    assert!(!won.is_empty() && lost.iter().all(|outcome| matches!(outcome, Err(KeyRingError::Changed))));
    for node in [&first, &second] {
        node.keys.reload().await.unwrap();
    }
    first.clock.set(NOW + 600);
    assert_eq!(first.kid().await, second.kid().await);
    assert_eq!(first.store.list_keys(0).await.unwrap().len(), 2 + won.len());
    let current = |keys: Vec<faregate::model::StoredKey>| {
        let of_access_tokens = |key: &&faregate::model::StoredKey| key.purpose == KeyPurpose::AccessToken;
        keys.iter().filter(of_access_tokens).filter(|key| key.retired_at.is_none()).count()
    };
    assert_eq!(current(first.store.list_keys(0).await.unwrap()), 1);
}

// T07, T74: nodes that start together on an empty store agree on the keys.
#[tokio::test]
async fn nodes_that_start_together_share_their_keys() {
    let seed = TestServer::start().await;
    let tenant_id = Uuid::from_u128(77);
    let nodes = tokio::join!(
        TestServer::on(Arc::clone(&seed.store), seed.clock.clone()),
        TestServer::on(Arc::clone(&seed.store), seed.clock.clone()),
    );
    let mut tenant = Tenant::new(tenant_id, "late", 3);
    tenant.id_token_algorithm = "EdDSA".to_owned();
    seed.store.insert_tenant(&tenant).await.unwrap();
    let reloads = tokio::join!(nodes.0.keys.reload(), nodes.1.keys.reload(), seed.keys.reload());
    reloads.0.unwrap();
    reloads.1.unwrap();
    reloads.2.unwrap();
    for node in [&nodes.0, &nodes.1, &seed] {
        node.keys.reload().await.unwrap();
    }
    let documents =
        [&nodes.0, &nodes.1, &seed].map(|node| node.keys.issuer(Some(tenant_id)).unwrap().key_set_document());
    assert_eq!(documents[0], documents[1]);
    assert_eq!(documents[0], documents[2]);
    assert_eq!(seed.store.list_keys(0).await.unwrap().len(), 4);
}

// P1: what is in the store is sealed, and opens with the same master key only.
#[tokio::test]
async fn stored_keys_are_sealed() {
    let server = TestServer::start().await;
    for key in server.store.list_keys(0).await.unwrap() {
        assert!(key.private_key.starts_with("v1."));
        assert!(!key.public_jwk.unwrap().contains("\"d\""));
    }
    let open = |byte: u8| {
        let master_key = MasterKey::from_base64(&STANDARD.encode([byte; 32])).unwrap();
        let settings = Arc::new(Settings::new(PUBLIC_URL));
        KeyRing::open(settings, Arc::clone(&server.store) as _, master_key, Clock::fixed(NOW), Entropy::system())
    };
    assert!(open(7).await.is_ok());
    let error = open(8).await.err().unwrap();
    assert!(matches!(error, KeyRingError::Sealed(_)), "{error}");
    assert!(error.to_string().contains("restore the master key"));
}

// P2: a tenant that changes its algorithm signs with the old one until everybody can know the new key.
#[tokio::test]
async fn another_algorithm_is_published_before_it_signs() {
    let server = TestServer::start().await;
    let token = server.token("").await.access_token();
    update_tenant(&server, |tenant| tenant.access_token_algorithm = "EdDSA".to_owned()).await;
    assert_eq!(server.published().await.len(), 3);
    assert_eq!(server.token("").await.token_header()["alg"], "ES256");
    server.clock.advance(600);
    assert_eq!(server.token("").await.token_header()["alg"], "EdDSA");
    assert_eq!(server.refusal(&token), None);
}

// The default for ID tokens is RS256 (OpenID Connect Core 15.1); nobody waits for the slow key, and it appears.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_keys_appear_later() {
    let started = Instant::now();
    let server = TestServer::start_with(|tenant| tenant.id_token_algorithm = "RS256".to_owned()).await;
    assert_eq!(server.published().await.len(), 1, "ready before the RSA key is made");
    assert_eq!(server.token("").await.token_header()["alg"], "ES256");
    while server.published().await.len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let document = server.get("/.well-known/jwks.json").send().await.json();
    let rsa = document["keys"].as_array().unwrap().iter().find(|key| key["kty"] == "RSA").unwrap();
    assert_eq!(rsa["alg"], "RS256");
    // E9: 3072 bits.
    assert_eq!(rsa["n"].as_str().unwrap().len(), 512);
    let issuer = server.keys.issuer(None).unwrap();
    assert_eq!(issuer.signing_key(KeyPurpose::IdToken, NOW).unwrap().kid(), rsa["kid"]);
    assert!(issuer.access_token_keys.find(rsa["kid"].as_str().unwrap()).is_none());
}

// While the only key that could sign is still being made, the answer is 503, not a token of another algorithm.
#[tokio::test]
async fn no_key_yet_is_503() {
    let server = TestServer::start_with(|tenant| tenant.access_token_algorithm = "RS256".to_owned()).await;
    let answer = server.token("").await;
    assert_eq!(answer.verdict().0, 503);
    assert_eq!(answer.header("retry-after"), Some("5"));
    let started = Instant::now();
    loop {
        let answer = server.token("").await;
        if answer.status == http::StatusCode::OK {
            assert_eq!(answer.token_header()["alg"], "RS256");
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// T27: a removed key is gone at once, and its place is filled at once.
#[tokio::test]
async fn a_removed_key_verifies_nothing() {
    let server = TestServer::start().await;
    let token = server.token("").await.access_token();
    let kid = part(&token, 0)["kid"].as_str().unwrap().to_owned();
    let generation = server.keys.generation();
    assert!(server.keys.remove(&kid).await.unwrap());
    assert!(!server.keys.remove("other").await.unwrap());
    assert_eq!(server.refusal(&token), Some(Reason::UnknownKey));
    assert_ne!(server.keys.generation(), generation);
    assert_ne!(server.kid().await, kid, "another one was made");
}

// T27 during a rotation: the successor need not wait for its hour.
#[tokio::test]
async fn a_successor_signs_early_when_the_old_key_is_removed() {
    let server = TestServer::start().await;
    let rotation = server.keys.rotate(TENANT, KeyPurpose::AccessToken).await.unwrap();
    assert!(server.keys.remove(&rotation.retired).await.unwrap());
    assert_eq!(server.kid().await, rotation.successor);
}

// P2: the gateway's own keys live as all others do, and no tenant publishes or believes them
#[tokio::test]
async fn the_gateways_own_keys_rotate_too() {
    let server = TestServer::start().await;
    let settings = Settings::new(PUBLIC_URL);
    let master_key = MasterKey::from_base64(&STANDARD.encode([7; 32])).unwrap();
    let open =
        KeyRing::open(Arc::new(settings), server.store.clone(), master_key, server.clock.clone(), Entropy::system());
    let keys = open.await.unwrap();
    keys.forward_with(Some(Algorithm::Es256));
    let Value::Object(claims) = json!({ "iss": PUBLIC_URL, "exp": NOW + 9_000 }) else { unreachable!("an object") };
    assert_eq!(keys.sign_forwarded(&claims), None, "there is none yet");
    keys.provide().await.unwrap();
    let kid = || part(&keys.sign_forwarded(&claims).unwrap(), 0)["kid"].as_str().unwrap().to_owned();
    let published = || {
        let set = KeySet::parse(std::str::from_utf8(&keys.forwarded_key_set()).unwrap()).unwrap();
        set.keys().map(|key| key.kid().to_string()).collect::<Vec<_>>()
    };
    let old = kid();
    assert_eq!(published(), std::slice::from_ref(&old));
    let rotation = keys.rotate_forwarded().await.unwrap();
    assert_eq!((&*rotation.retired, rotation.signs_from_at), (&*old, NOW + 600));
    let new = rotation.successor;
    assert_eq!((published().len(), kid()), (2, old.clone()), "published at once, not signing yet");
    server.clock.set(NOW + 600);
    assert_eq!(kid(), new);
    let generation = keys.generation();
    server.clock.set(NOW + 600 + 3660);
    assert_eq!(published(), std::slice::from_ref(&new));
    assert_ne!(keys.generation(), generation, "F17: what was signed with it is made again");
    // One that is not trusted any more is gone at once, and another one signs.
    keys.remove(&new).await.unwrap();
    let newest = kid();
    assert!(newest != new && published() == [newest.clone()]);

    server.keys.reload().await.unwrap();
    let tenants = server.published().await;
    assert!([&old, &new, &newest].iter().all(|kid| !tenants.contains(kid)), "{tenants:?}");
    let token = keys.sign_forwarded(&claims).unwrap();
    assert!(server.refusal(&token).is_some(), "no access token");
    assert_eq!(server.keys.sign_forwarded(&claims), None, "where nobody gets one, none is made");
    assert!(matches!(server.keys.rotate_forwarded().await, Err(KeyRingError::NotForwarded)));
}

// T68: a clock that went back before the keys were made takes no key away, and tokens are issued all the same.
#[tokio::test]
async fn keys_are_kept_when_the_clock_goes_back() {
    let server = TestServer::start().await;
    let (kid, keys, generation) = (server.kid().await, server.published().await, server.keys.generation());
    server.clock.set(NOW - 3600);
    assert_eq!((server.kid().await, server.published().await), (kid, keys));
    assert_eq!(server.refusal(&server.token("").await.access_token()), None);
    assert_eq!(server.keys.generation(), generation, "nothing was lost");
}
