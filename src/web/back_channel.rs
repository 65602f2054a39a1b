//! Delivers logout tokens to the servers of clients (OpenID Connect Back-Channel Logout 1.0 section 2.5).
//!
//! Owns the attempts; what the tokens say was decided in `oauth`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use reqwest::{Client, redirect};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::oauth::Notice;

/// Before each attempt. The last one is made while the token still counts.
const WAITS: [Duration; 4] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(40)];
const TIMEOUT: Duration = Duration::from_secs(5);
/// Who waits longer for its turn is not told: the token is about to end, and another node is about to try.
const PATIENCE: Duration = Duration::from_secs(100);
/// Attempts at one client's server at once. One that does not answer delays what is for it, and nothing else.
const MOST_AT_ONE: usize = 8;

/// The turns of the servers that are being told something.
static TURNS: LazyLock<Mutex<HashMap<String, Weak<Semaphore>>>> = LazyLock::new(Mutex::default);

/// As long as somebody has them, they are the same for everybody.
fn turns_at(uri: &str) -> Arc<Semaphore> {
    let mut known = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(turns) = known.get(uri).and_then(Weak::upgrade) {
        return turns;
    }
    known.retain(|_, turns| turns.strong_count() > 0);
    let turns = Arc::new(Semaphore::new(MOST_AT_ONE));
    known.insert(uri.to_owned(), Arc::downgrade(&turns));
    turns
}

/// Does not follow redirects: the address that was configured is the one that is meant (G1).
static CLIENT: LazyLock<Option<Client>> =
    LazyLock::new(|| Client::builder().redirect(redirect::Policy::none()).timeout(TIMEOUT).no_proxy().build().ok());

/// Returns when the client was told, or will not be: before the token ends.
pub async fn deliver(notice: Notice) {
    let Some(client) = CLIENT.as_ref() else {
        tracing::error!("Logout tokens cannot be delivered: the HTTP client cannot be made.");
        return;
    };
    let (turns, until) = (turns_at(&notice.uri), Instant::now() + PATIENCE);
    let mut problem = String::new();
    for wait in WAITS {
        tokio::time::sleep(wait).await;
        let Ok(Ok(_turn)) = timeout_at(until, turns.acquire()).await else {
            problem = "too many of them wait for its server".to_owned();
            break;
        };
        let form = [("logout_token", notice.logout_token.expose())];
        match client.post(&notice.uri).form(&form).send().await {
            Ok(answer) if answer.status().is_success() => return,
            // Section 2.8: the client understood, and says that it cannot. Saying it again does not help.
            Ok(answer) if answer.status().is_client_error() => {
                problem = answer.status().to_string();
                break;
            }
            Ok(answer) => problem = answer.status().to_string(),
            Err(error) => problem = error.without_url().to_string(),
        }
    }
    tracing::warn!(uri = notice.uri, problem, "A client's server could not be told of a logout.");
}
