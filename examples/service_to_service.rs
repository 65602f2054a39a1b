//! A service that calls another one through the gateway, with tokens that it asks for in its own name.
//!
//! Owns the three habits of a good client: one token for many calls, a new one shortly before it expires, one retry when
//! the gateway no longer takes it. It does not know what is in a token, and neither should yours.
//!
//! With the demo world, whose first line of output is all it needs (end it with Ctrl-C):
//!
//! ```console
//! $ cargo run -- dev --format json | cargo run --example service_to_service
//! ```
//!
//! With your own gateway, set `FAREGATE_GATEWAY`, `FAREGATE_ISSUER`, `FAREGATE_CLIENT_ID`, `FAREGATE_CLIENT_SECRET` and
//! `FAREGATE_TARGET`, the name or the id of the entity to call.

use std::env;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::find()?;
    let http = Client::builder().timeout(Duration::from_secs(10)).build()?;
    let service = Service { tokens: Tokens::new(http.clone(), &settings), http, gateway: settings.gateway };

    // The second call finds the token that the first one asked for. The third is refused: in the demo world the grant
    // says `read`, and a token carries only what was granted and asked for.
    for method in [Method::GET, Method::GET, Method::POST] {
        let started = Instant::now();
        let answer = service.call(method.clone(), "/api/orders").await?;
        println!("{method} /api/orders: {} after {:.1?}", answer.status(), started.elapsed());
        println!("{}\n", answer.text().await?);
    }
    Ok(())
}

/// Calls the gateway, with a token.
struct Service {
    http: Client,
    gateway: String,
    tokens: Tokens,
}

impl Service {
    /// The gateway's answer, whatever its status; an error if there is none, or no token to ask with.
    async fn call(&self, method: Method, path: &str) -> anyhow::Result<Response> {
        let token = self.tokens.current().await?;
        let answer = self.send(method.clone(), path, &token).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // Revoked, or signed by a key that is gone. A new token may help, once: when that is refused too, the fault is
        // not the token's age, and asking again would only be a loop. On 403 a new token would say the same.
        self.tokens.forget(&token).await;
        let token = self.tokens.current().await?;
        self.send(method, path, &token).await
    }

    async fn send(&self, method: Method, path: &str, token: &str) -> anyhow::Result<Response> {
        let request = self.http.request(method, format!("{}{path}", self.gateway)).bearer_auth(token);
        request.send().await.context("the gateway does not answer")
    }
}

/// Asks for tokens by client credentials, and keeps the last one.
struct Tokens {
    http: Client,
    endpoint: String,
    client_id: String,
    client_secret: String,
    scope: String,
    /// Held while asking, so that many calls at once wait for one token instead of asking for many.
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: String,
    renew_at: Instant,
}

/// RFC 6749 section 5.1.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: u64,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
    error_description: Option<String>,
}

impl Tokens {
    /// A token is renewed this long before it expires: clocks differ, and requests take a while to arrive.
    const MARGIN: Duration = Duration::from_secs(30);

    fn new(http: Client, settings: &Settings) -> Self {
        Self {
            http,
            endpoint: format!("{}/oauth2/token", settings.issuer),
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            // All permissions that were granted on the target. To ask for some of them: `target-entity:ID:read,list`.
            scope: format!("target-entity:{}", settings.target),
            kept: Mutex::new(None),
        }
    }

    async fn current(&self) -> anyhow::Result<String> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.renew_at) {
            return Ok(kept.token.clone());
        }
        let asked_at = Instant::now();
        let response = self.ask().await?;
        let lifetime = Duration::from_secs(response.expires_in);
        // A token that lives shorter than the margin is used once.
        let renew_at = asked_at + lifetime.saturating_sub(Self::MARGIN);
        *kept = Some(Kept { token: response.access_token.clone(), renew_at });
        Ok(response.access_token)
    }

    /// Drops `token`, unless somebody has already replaced it.
    async fn forget(&self, token: &str) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.token == token) {
            *kept = None;
        }
    }

    async fn ask(&self) -> anyhow::Result<TokenResponse> {
        let answer = self
            .http
            .post(&self.endpoint)
            .basic_auth(&self.client_id, Some(&self.client_secret))
            .form(&[("grant_type", "client_credentials"), ("scope", &self.scope)])
            .send()
            .await
            .context("the authorization server does not answer")?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.context("the authorization server's answer is not a token response");
        }
        match answer.json::<ErrorResponse>().await {
            Ok(ErrorResponse { error, error_description }) => {
                bail!("no token: {error}: {}", error_description.unwrap_or_default())
            }
            Err(_) => bail!("no token: the authorization server answered {status}"),
        }
    }
}

/// Where to call, and as whom. It holds a secret, so it cannot be printed.
struct Settings {
    gateway: String,
    issuer: String,
    client_id: String,
    client_secret: String,
    target: String,
}

impl Settings {
    /// From the environment if it names a gateway, else from the line of `faregate dev --format json` on stdin.
    fn find() -> anyhow::Result<Self> {
        if env::var_os("FAREGATE_GATEWAY").is_none() {
            return Self::from_dev(io::stdin().lock());
        }
        let variable = |name: &str| env::var(name).with_context(|| format!("{name} is not set"));
        Ok(Self {
            gateway: variable("FAREGATE_GATEWAY")?,
            issuer: variable("FAREGATE_ISSUER")?,
            client_id: variable("FAREGATE_CLIENT_ID")?,
            client_secret: variable("FAREGATE_CLIENT_SECRET")?,
            target: variable("FAREGATE_TARGET")?,
        })
    }

    fn from_dev(mut input: impl io::BufRead) -> anyhow::Result<Self> {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let world: DevWorld = serde_json::from_str(&line).context("stdin is not `faregate dev --format json`")?;
        Ok(Self {
            gateway: world.gateway,
            issuer: world.issuer,
            client_id: world.entities.recipient.client_id,
            client_secret: world.entities.recipient.client_secret,
            target: world.entities.target.name,
        })
    }
}

/// What this program uses of that line.
#[derive(Deserialize)]
struct DevWorld {
    gateway: String,
    issuer: String,
    entities: Entities,
}

#[derive(Deserialize)]
struct Entities {
    recipient: Recipient,
    target: Target,
}

#[derive(Deserialize)]
struct Recipient {
    client_id: String,
    client_secret: String,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}
