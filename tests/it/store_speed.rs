//! How fast a SQLite file redeems codes and rotates refresh tokens, each answer behind a durable commit. Not run unless
//! asked for: `cargo test --test it store_speed -- --ignored --nocapture`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use faregate::model::{Approval, AuthenticationType, AuthorizationCode, ClientSecret, RefreshToken};
use faregate::store::{Brought, Store};
use uuid::Uuid;

use crate::support::cost::cpu_time;
use crate::support::database::Database;

const CALLERS: u32 = 16;
const EACH: u32 = 400;

fn approval(number: u32) -> Approval {
    Approval {
        grant_id: Uuid::new_v4(),
        tenant_id: Uuid::nil(),
        application_id: Uuid::nil(),
        user_id: Uuid::from_u128(u128::from(number % 100)),
        session_id: Some(Uuid::new_v4()),
        scopes: ["openid", "email", "profile", "offline_access"].map(str::to_owned).to_vec(),
        audience: None,
        authenticated_at: 1_000,
        methods: vec!["pwd".to_owned()],
        acr: None,
        nonce: Some("n-0S6_WzA2Mj".to_owned()),
        claims: None,
        bound_to: None,
        authentication_type: AuthenticationType::Password,
    }
}

fn hash(kind: &str, number: u32) -> String {
    ClientSecret::hash(&format!("{kind} {number}"))
}

fn refresh_token(hash: String, approval: Approval) -> RefreshToken {
    RefreshToken {
        id: Uuid::new_v4(),
        hash,
        approval,
        created_at: 1_000,
        last_used_at: 1_000,
        expires_at: 9_000,
        idle_expires_at: 9_000,
        rotated_at: None,
        revoked_at: None,
        device_name: None,
    }
}

/// What this process has used so far, in steps of 10 ms: it says more than the rate where others work too.
pub fn processor_time() -> Duration {
    cpu_time(std::process::id())
}

/// Runs `call` with every number on all callers at once.
async fn rate<F: Future<Output = ()> + Send + 'static>(
    what: &str,
    store: &Arc<dyn Store>,
    call: impl Fn(Arc<dyn Store>, u32) -> F + Copy + Send + 'static,
) -> f64 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.store(0, Ordering::Relaxed);
    let (began, spent) = (Instant::now(), processor_time());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let store = Arc::clone(store);
        callers.spawn(async move {
            let mut slowest = Duration::ZERO;
            loop {
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                if number >= CALLERS * EACH {
                    return slowest;
                }
                let began = Instant::now();
                call(Arc::clone(&store), number).await;
                slowest = slowest.max(began.elapsed());
            }
        });
    }
    let slowest = callers.join_all().await.into_iter().max().unwrap_or_default();
    let rate = f64::from(CALLERS * EACH) / began.elapsed().as_secs_f64();
    let each = (processor_time() - spent) / (CALLERS * EACH);
    eprintln!("{what}: {rate:.0}/s, slowest {slowest:?}, {each:?} of processor time each");
    rate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn sqlite_redeems_and_rotates() {
    let database = Database::sqlite();
    let store: Arc<dyn Store> = database.open().await;
    rate("codes inserted", &store, |store, number| async move {
        let code = AuthorizationCode {
            hash: hash("code", number),
            approval: approval(number),
            redirect_uri: Some("https://client.example/callback".to_owned()),
            code_challenge: Some(hash("challenge", number)),
            device_code_id: None,
            created_at: 1_000,
            expires_at: 2_000,
            redeemed_at: None,
        };
        store.insert_authorization_code(&code).await.expect("inserted");
    })
    .await;
    let redeemed = rate("codes found and redeemed", &store, |store, number| async move {
        let code = store.find_authorization_code(&hash("code", number)).await.expect("answer").expect("found");
        let token = refresh_token(hash("refresh", number), code.approval);
        let brings = Brought { refresh_token: Some(&token), joins: token.approval.session_id.map(|id| (id, id)) };
        assert!(store.redeem_authorization_code(&code.hash, 1_001, brings).await.expect("answer"));
    })
    .await;
    let rotated = rate("refresh tokens found and rotated", &store, |store, number| async move {
        let token = store.find_refresh_token(&hash("refresh", number)).await.expect("answer").expect("found");
        let successor = refresh_token(hash("successor", number), token.approval.clone());
        assert!(store.rotate_refresh_token(token.id, 1_002, &successor).await.expect("answer"));
    })
    .await;
    rate("refresh tokens found and touched", &store, |store, number| async move {
        let token = store.find_refresh_token(&hash("successor", number)).await.expect("answer").expect("found");
        assert!(store.touch_refresh_token(token.id, 1_003, 9_000).await.expect("answer"));
    })
    .await;
    assert!(redeemed > 0.0 && rotated > 0.0);
}
