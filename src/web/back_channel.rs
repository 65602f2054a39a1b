//! Delivers logout tokens to the servers of clients (OpenID Connect Back-Channel Logout 1.0 section 2.5).
//!
//! Owns the attempts; what the tokens say was decided in `oauth`.

use std::sync::LazyLock;
use std::time::Duration;

use reqwest::{Client, redirect};

use crate::oauth::Notice;

/// Before each attempt. The last one is made while the token still counts.
const WAITS: [Duration; 4] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(40)];
const TIMEOUT: Duration = Duration::from_secs(5);

/// Does not follow redirects: the address that was configured is the one that is meant (G1).
static CLIENT: LazyLock<Option<Client>> =
    LazyLock::new(|| Client::builder().redirect(redirect::Policy::none()).timeout(TIMEOUT).no_proxy().build().ok());

/// Returns when the client was told, or will not be: after a minute at most, and the time that its server takes.
pub async fn deliver(notice: Notice) {
    let Some(client) = CLIENT.as_ref() else {
        tracing::error!("Logout tokens cannot be delivered: the HTTP client cannot be made.");
        return;
    };
    let mut problem = String::new();
    for wait in WAITS {
        tokio::time::sleep(wait).await;
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
