//! A running gateway whose configuration changes: checked as a whole, swapped in one step, or left as it was.
//!
//! Owns the order in which one configuration takes another's place, and what is told of it. What is made for each is in
//! `assemble`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::Mutex as AsyncMutex;

use super::assemble::{Made, Standing, assemble};
use super::{StartError, issuers, wanted};
use crate::config::{self, Config, Environment, Problem};
use crate::gateway::{Answer, Census, Current, Doors, Endpoints};
use crate::secret::Secret;
use crate::store;

/// What a stranger who wants a reload is told.
const KEY_WANTED: &str = "other machines reach this listener: send an API key as Authorization; make one with: faregate \
                          api-key create NAME --allow /reload=POST";

/// The configuration that runs, and the way to another one.
pub struct Live {
    standing: Standing,
    current: Arc<Current>,
    pub(super) doors: Doors,
    pub(super) census: Arc<Census>,
    /// What `${NAME}` means when the file is read again.
    environment: Environment,
    /// Held while another configuration takes its place, so that two reloads follow each other.
    state: AsyncMutex<State>,
    /// How long requests in flight may take at the end. Beside the state, which a reload holds while it waits for others.
    grace_for: Mutex<Duration>,
    /// The key of the configuration, for the same reason.
    api_key: Mutex<Option<Secret<String>>>,
    last: Mutex<Option<Last>>,
}

pub(super) struct State {
    /// Without its routes.
    pub config: Config,
    pub made: Made,
}

/// A configuration that runs now.
#[derive(Clone, Debug)]
pub struct Applied {
    pub hash: String,
    /// What changed, in words.
    pub summary: String,
}

/// Why the configuration from before stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// All that is wrong with the new one.
    #[error("{}", config::render_all(.0, false).trim_end())]
    Configuration(Vec<Problem>),
    #[error("needs a restart: {} cannot be changed while the gateway runs", .0.join(", "))]
    Fixed(Vec<&'static str>),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// How the last reload ended.
struct Last {
    at: SystemTime,
    outcome: Result<Applied, String>,
}

impl Last {
    fn describe(&self) -> Value {
        let at = humantime::format_rfc3339_seconds(self.at).to_string();
        match &self.outcome {
            Ok(applied) => {
                json!({ "result": "applied", "at": at, "summary": applied.summary, "hash": applied.hash })
            }
            Err(problem) => json!({ "result": "refused", "at": at, "problem": problem }),
        }
    }
}

impl Live {
    pub(super) fn new(
        standing: Standing,
        current: Arc<Current>,
        doors: Doors,
        census: Arc<Census>,
        state: State,
    ) -> Self {
        state.made.show(&standing.metrics, None);
        standing.metrics.configuration_applied(&state.config.hash, SystemTime::now());
        let (environment, last) = (Environment::process(), Mutex::default());
        let grace_for = Mutex::new(state.config.shutdown.grace_for);
        let api_key = Mutex::new(state.config.management.api_key.clone());
        let state = AsyncMutex::new(state);
        Self { standing, current, doors, census, environment, state, grace_for, api_key, last }
    }

    /// Reads the configuration's file again and, if nothing is wrong with it, goes on with what it says. A request that has
    /// begun ends as it began.
    ///
    /// # Errors
    /// [`ReloadError`]: requests are answered as before. What `directory:` declares may be in the store already, where a file that
    /// cannot be read was found after that; the next good configuration is compared with it again.
    pub async fn reload(&self) -> Result<Applied, ReloadError> {
        let mut state = self.state.lock().await;
        let began = Instant::now();
        let outcome = match self.load(&state.config.path).await {
            Ok(config) => self.apply(config, &mut state, began).await,
            Err(error) => Err(error),
        };
        self.tell(&outcome);
        outcome
    }

    /// The same, unless the file says what runs already.
    pub(super) async fn reload_if_changed(&self) {
        let mut state = self.state.lock().await;
        let began = Instant::now();
        let outcome = match self.load(&state.config.path).await {
            Ok(config) if config.hash == state.config.hash && config.parts == state.config.parts => return,
            Ok(config) => self.apply(config, &mut state, began).await,
            Err(error) => Err(error),
        };
        self.tell(&outcome);
    }

    async fn load(&self, path: &Path) -> Result<Config, ReloadError> {
        let (path, environment) = (path.to_owned(), self.environment.clone());
        // Policy tests take processor time.
        let loaded = tokio::task::spawn_blocking(move || config::load(&path, &environment)).await;
        match loaded {
            Ok(loaded) => loaded.map_err(ReloadError::Configuration),
            Err(error) => Err(ReloadError::Start(StartError::System(std::io::Error::other(error)))),
        }
    }

    async fn apply(&self, mut config: Config, state: &mut State, began: Instant) -> Result<Applied, ReloadError> {
        let Standing { opened, keys, metrics, forget, .. } = &self.standing;
        // 1. What may be wrong without anything having changed.
        let fixed = state.config.fixed_in(&config);
        if !fixed.is_empty() {
            return Err(ReloadError::Fixed(fixed));
        }
        let doors = self.doors.prepare(wanted(&config)?).map_err(StartError::from)?;
        issuers::check_tenants(&config, opened).await?;
        // 2. What the store shall hold.
        if state.config.parts.compare(&config.parts).concern("directory") {
            opened.declare(&config).await?;
            keys.reload().await.map_err(StartError::from)?;
        }
        // 3. The gateway, with what it may keep.
        let believed = issuers::believed(&config, opened, (keys, metrics), Some(forget), &state.made.foreign).await?;
        let listening = doors.addresses();
        let (gateway, made) = assemble(&mut config, &self.standing, believed, &listening, Some(&state.made)).await?;
        // 4. From here on nothing can go wrong.
        self.current.store(Arc::new(gateway));
        self.doors.open(doors);
        self.census.admit_at_most(config.limits.connections, config.limits.connections_per_ip);
        made.show(metrics, Some(&state.made));
        *self.grace_for.lock().unwrap_or_else(PoisonError::into_inner) = config.shutdown.grace_for;
        *self.api_key.lock().unwrap_or_else(PoisonError::into_inner) = config.management.api_key.clone();
        let applied = applied(&state.config, &config, began.elapsed());
        *state = State { config, made };
        Ok(applied)
    }

    /// Puts the outcome where people look for it: log, metrics, status.
    fn tell(&self, outcome: &Result<Applied, ReloadError>) {
        let metrics = &self.standing.metrics;
        let at = SystemTime::now();
        let outcome = match outcome {
            Ok(applied) => {
                metrics.configuration_applied(&applied.hash, at);
                metrics.config_reloads.with_label_values(&["applied"]).inc();
                tracing::info!(config.hash = applied.hash, "{}", applied.summary);
                Ok(applied.clone())
            }
            Err(error) => {
                metrics.config_last_reload_successful.set(0);
                metrics.config_reloads.with_label_values(&["refused"]).inc();
                let problem = error.to_string();
                tracing::error!(error = problem, "the new configuration is refused; the one from before stays");
                Err(problem)
            }
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Last { at, outcome });
    }

    /// How the last reload ended; null before the first.
    pub fn last_reload(&self) -> Value {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(Value::Null, Last::describe)
    }

    /// Every file that the configuration is made of.
    pub(super) async fn files(&self) -> Vec<std::path::PathBuf> {
        let state = self.state.lock().await;
        let others = state.config.parts.files().map(Path::to_owned);
        std::iter::once(state.config.path.clone()).chain(others).collect()
    }

    /// Sends what waits to be sent, at the end.
    pub(super) async fn finish(&self) {
        // A reload that is under way is given up.
        if let Ok(mut state) = self.state.try_lock() {
            state.made.finish().await;
        }
    }

    /// How long requests in flight may take at the end.
    pub(super) fn grace(&self) -> Duration {
        *self.grace_for.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether these header fields have an API key that may reload. One of a tenant may not: the configuration is everybody's.
    async fn admits(&self, fields: &HeaderMap) -> store::Result<bool> {
        let mut fields = fields.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return Ok(false) };
        let Ok(text) = field.to_str() else { return Ok(false) };
        let configured = self.api_key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = self.standing.opened.directory.find_caller(text.trim(), configured.as_ref()).await?;
        Ok(found.is_some_and(|key| key.tenant_id.is_none() && key.allows(Method::POST.as_str(), "/reload")))
    }

    /// `POST /reload`, for the admin listener; with an API key if other machines reach it. A page of a browser on this machine
    /// could send one too; it says so.
    pub(super) fn endpoint(self: &Arc<Self>, wants_key: bool) -> Endpoints {
        let live = self.clone();
        Arc::new(move |request| -> Answer {
            let live = live.clone();
            Box::pin(async move {
                if request.method() != Method::POST {
                    return answer(StatusCode::METHOD_NOT_ALLOWED, &json!({ "problem": "only POST here" }));
                }
                if [header::ORIGIN.as_str(), "sec-fetch-site"].iter().any(|sent| request.headers().contains_key(*sent))
                {
                    return answer(StatusCode::FORBIDDEN, &json!({ "problem": "not from a browser" }));
                }
                match if wants_key { live.admits(request.headers()).await } else { Ok(true) } {
                    Ok(true) => {}
                    Ok(false) => return answer(StatusCode::UNAUTHORIZED, &json!({ "problem": KEY_WANTED })),
                    Err(error) => {
                        tracing::warn!(store.error = %error, "the key of a reload cannot be checked");
                        let problem = "the store does not answer, so that the API key cannot be checked; try SIGHUP";
                        return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "problem": problem }));
                    }
                }
                match live.reload().await {
                    Ok(_) => answer(StatusCode::OK, &live.last_reload()),
                    Err(_) => answer(StatusCode::UNPROCESSABLE_ENTITY, &live.last_reload()),
                }
            })
        })
    }
}

fn applied(before: &Config, now: &Config, took: Duration) -> Applied {
    let changes = before.parts.compare(&now.parts);
    let short = now.hash.get(..12).unwrap_or(&now.hash);
    let tests = match now.tests.len() {
        0 => String::new(),
        1 => "; 1 test passed".to_owned(),
        count => format!("; {count} tests passed"),
    };
    Applied { hash: now.hash.clone(), summary: format!("applied {short}: {changes}{tests}; {} ms", took.as_millis()) }
}

fn answer(status: StatusCode, document: &Value) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(format!("{document:#}\n")));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}
