//! Somebody else's authorization server as people log in at it: endpoints, tokens, ID tokens.
//!
//! Owns asking for them, within the limits of every other question to an issuer. What a login has to prove is `browsers`'
//! business.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::breaker::Breaker;
use super::discovery::{Metadata, Place};
use super::fetch::{Credentials, FetchError};
use super::logout::LogoutRefusal;
use super::{ForeignIssuer, Outbound};
use crate::browsers::{Client, Endpoints, Form, Issuer, TokenRefusal, Tokens, Unanswered};
use crate::clock::UnixSeconds;
use crate::config;
use crate::jose::{Expectations, TypeSet};
use crate::secret::Secret;

/// How long metadata counts before the issuer is asked again.
const FRESH_FOR: Duration = Duration::from_secs(3600);
/// How long nobody asks again for what was not answered.
const REST_FOR: Duration = Duration::from_secs(1);
/// The same while there is an old answer: one of the people who come then waits for an issuer that hangs.
const LONG_REST_FOR: Duration = Duration::from_secs(60);
/// A token that says it lives longer is taken to live this long, in seconds.
const MOST_LIFE: i64 = 30 * 86_400;

/// An issuer at which people log in.
pub struct SignIn {
    name: Box<str>,
    issuer: Arc<ForeignIssuer>,
    place: Place,
    timeout_for: Duration,
    outbound: Outbound,
    known: ArcSwapOption<Known>,
    /// Held by whoever asks: when that was last in vain, since it was not.
    failed_at: Mutex<Option<Instant>>,
    breaker: Breaker,
}

/// What metadata says.
struct Known {
    endpoints: Arc<Endpoints>,
    token_endpoint: Arc<str>,
    /// Where tokens are given back, if anywhere (RFC 7009).
    revocation_endpoint: Option<Arc<str>>,
    /// The client's secret goes into the form, because the issuer takes it nowhere else.
    secret_in_form: bool,
    at: Instant,
}

impl SignIn {
    /// `name` is the configuration's, for logs.
    pub fn new(name: &str, issuer: Arc<ForeignIssuer>, settings: &config::ForeignIssuer, outbound: Outbound) -> Self {
        Self {
            name: name.into(),
            issuer,
            place: Place::of(settings, settings.timeout_for),
            timeout_for: settings.timeout_for,
            outbound,
            known: ArcSwapOption::empty(),
            failed_at: Mutex::default(),
            breaker: Breaker::default(),
        }
    }

    /// What the metadata said, not too long ago if that can be had. Whoever comes while it is asked for the first time waits for
    /// the same answer, and later goes on with the one before.
    async fn known(&self) -> Result<Arc<Known>, Unanswered> {
        if let Some(known) = self.fresh() {
            return Ok(known);
        }
        // An old answer is better than none: addresses hardly ever change.
        let old = self.known.load_full();
        let (mut failed_at, rest_for) = match &old {
            Some(old) => match self.failed_at.try_lock() {
                Ok(failed_at) => (failed_at, LONG_REST_FOR),
                Err(_) => return Ok(old.clone()),
            },
            None => (self.failed_at.lock().await, REST_FOR),
        };
        if let Some(known) = self.fresh() {
            return Ok(known);
        }
        if failed_at.is_none_or(|at| at.elapsed() >= rest_for) {
            match self.place.ask(&self.outbound.fetcher).await.and_then(|metadata| self.read(&metadata)) {
                Ok(known) => {
                    let known = Arc::new(known);
                    self.known.store(Some(known.clone()));
                    *failed_at = None;
                    return Ok(known);
                }
                Err(error) => {
                    *failed_at = Some(Instant::now());
                    tracing::warn!(
                        issuer.name = &*self.name, error = %error,
                        "this issuer does not say where people log in"
                    );
                }
            }
        }
        old.ok_or(Unanswered)
    }

    fn fresh(&self) -> Option<Arc<Known>> {
        self.known.load_full().filter(|known| known.at.elapsed() < FRESH_FOR)
    }

    fn read(&self, metadata: &Metadata) -> Result<Known, FetchError> {
        Ok(Known {
            endpoints: Arc::new(Endpoints {
                issuer: self.place.issuer.clone(),
                authorization: metadata.url("authorization_endpoint")?.to_owned(),
                end_session: metadata.url("end_session_endpoint").ok().map(str::to_owned),
                names_itself: metadata.says("authorization_response_iss_parameter_supported"),
            }),
            token_endpoint: metadata.url("token_endpoint")?.into(),
            secret_in_form: metadata.takes_post_only("token_endpoint"),
            revocation_endpoint: metadata.url("revocation_endpoint").ok().map(Into::into),
            at: Instant::now(),
        })
    }

    async fn ask(
        &self,
        (known, url): (&Known, &str),
        client: &Client,
        form: &Form,
    ) -> Result<(u16, String), FetchError> {
        let mut fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.expose().as_str())).collect();
        let credentials = match &client.secret {
            Some(secret) if !known.secret_in_form => Some(Credentials::new(&client.id, secret)),
            Some(secret) => {
                fields.extend([("client_id", client.id.as_str()), ("client_secret", secret.expose())]);
                None
            }
            None => {
                fields.push(("client_id", &client.id));
                None
            }
        };
        let asked = self.outbound.fetcher.answered_form(url, &fields, credentials.as_ref());
        tokio::time::timeout(self.timeout_for, asked).await.unwrap_or(Err(FetchError::Timeout))
    }
}

#[async_trait]
impl Issuer for SignIn {
    fn is_foreign(&self) -> bool {
        true
    }

    async fn endpoints(&self) -> Result<Arc<Endpoints>, Unanswered> {
        Ok(self.known().await?.endpoints.clone())
    }

    async fn tokens(&self, client: &Client, form: Form) -> Result<Tokens, TokenRefusal> {
        let known = self.known().await?;
        if !self.breaker.admits() {
            return Err(TokenRefusal::Unanswered);
        }
        let now = self.outbound.clock.now();
        let asked = self.ask((&known, &*known.token_endpoint), client, &form).await;
        let outcome = asked.and_then(|(status, text)| read_answer(status, &text, now));
        match outcome {
            Ok(answer) => {
                self.breaker.succeeded();
                answer.map_err(|error| {
                    tracing::info!(issuer.name = &*self.name, oauth.error = error, "an issuer refused tokens");
                    TokenRefusal::Refused
                })
            }
            Err(error) => {
                tracing::warn!(issuer.name = &*self.name, error = %error, "an issuer gives no tokens");
                self.breaker.failed();
                Err(TokenRefusal::Unanswered)
            }
        }
    }

    async fn revoke(&self, client: &Client, refresh_token: Secret<String>) {
        let Ok(known) = self.known().await else { return };
        let Some(url) = known.revocation_endpoint.clone() else { return };
        let form = vec![("token", refresh_token), ("token_type_hint", Secret::new("refresh_token".to_owned()))];
        match self.ask((&known, &*url), client, &form).await {
            Ok((200, _)) => {}
            Ok((status, _)) => {
                tracing::warn!(
                    issuer.name = &*self.name,
                    status,
                    "an issuer did not take back the tokens of a session"
                );
            }
            Err(error) => {
                tracing::warn!(issuer.name = &*self.name, error = %error, "the tokens of a session stay good at an issuer");
            }
        }
    }

    async fn read_id_token(&self, client: &Client, id_token: &str) -> Result<Map<String, Value>, TokenRefusal> {
        let usual = &self.issuer.expectations;
        let required = ["sub", "iat"].map(Into::into);
        let expectations = Expectations {
            audiences: [client.id.as_str().into()].into(),
            types: TypeSet::new(["JWT"]).or_none(),
            required_claims: required.into(),
            ..usual.clone()
        };
        match self.issuer.verify(id_token, &expectations, self.outbound.clock.now()).await {
            Ok(verified) => Ok(verified.claims),
            Err(LogoutRefusal::Invalid(reason)) => {
                tracing::warn!(issuer.name = &*self.name, reason, "an ID token of this issuer is not good");
                Err(TokenRefusal::Refused)
            }
            Err(LogoutRefusal::Replayed | LogoutRefusal::Unavailable) => Err(TokenRefusal::Unanswered),
        }
    }
}

/// RFC 6749 5.1 and 5.2: tokens, or the error that the issuer says.
fn read_answer(status: u16, text: &str, now: UnixSeconds) -> Result<Result<Tokens, &'static str>, FetchError> {
    let malformed = |what: &str| FetchError::Malformed(what.to_owned());
    let members: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| malformed("it is no JSON object")).map_err(|error| match status {
            200 => error,
            _ => FetchError::Status(status),
        })?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if status != 200 {
        return match (status, text("error")) {
            (400 | 401, Some(error)) if error != "temporarily_unavailable" => Ok(Err(known_error(error))),
            (_, _) => Err(FetchError::Status(status)),
        };
    }
    let access_token = text("access_token").ok_or_else(|| malformed("it has no access token"))?;
    if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")) {
        return Err(malformed("its tokens are no bearer tokens"));
    }
    let secret = |name: &str| text(name).map(|text| Secret::new(text.to_owned()));
    // Some write the number as text.
    let lives_for = members.get("expires_in").and_then(|life| life.as_i64().or_else(|| life.as_str()?.parse().ok()));
    let expires_at = lives_for.map(|life| now.saturating_add(life.clamp(0, MOST_LIFE)));
    Ok(Ok(Tokens {
        expires_at: expires_at.or_else(|| expiry(access_token)),
        access_token: Secret::new(access_token.to_owned()),
        refresh_token: secret("refresh_token"),
        id_token: secret("id_token"),
    }))
}

/// The error as a constant, so that nothing that an issuer writes gets into a log.
fn known_error(error: &str) -> &'static str {
    const KNOWN: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    KNOWN.into_iter().find(|known| *known == error).unwrap_or("-")
}

/// `exp` of a JWT, unverified: only for knowing when to ask for another one.
fn expiry(token: &str) -> Option<UnixSeconds> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?.get("exp")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At an issuer that takes connections and answers nothing.
    async fn hanging() -> (SignIn, tokio::net::TcpListener) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let text = format!("issuers: {{ a: {{ issuer: '{url}', audience: api, timeout: 500ms }} }}");
        let config = config::parse("test.yaml", &text, &config::Environment::of::<&str, &str>([])).unwrap();
        let config::IssuerKind::Foreign(foreign) = &config.issuers[0].kind else { panic!("it is somebody else") };
        let outbound = Outbound {
            fetcher: crate::issuers::Fetcher::new().unwrap(),
            metrics: Arc::new(crate::metrics::Metrics::new()),
            clock: crate::clock::Clock::fixed(1_800_000_000),
            entropy: crate::entropy::Entropy::system(),
        };
        let issuer = Arc::new(ForeignIssuer::new("a", foreign, &outbound));
        (SignIn::new("a", issuer, foreign, outbound), listener)
    }

    // T29: metadata that is known goes on to be used while the issuer hangs, and nobody queues behind who asks for it
    #[tokio::test]
    async fn an_old_answer_is_used_while_the_issuer_hangs() {
        let (sign_in, _listener) = hanging().await;
        assert!(sign_in.known().await.is_err(), "nothing is known");
        let endpoints = Endpoints {
            issuer: "a".to_owned(),
            authorization: "https://a.example/authorize".to_owned(),
            end_session: None,
            names_itself: false,
        };
        let known = Known {
            endpoints: Arc::new(endpoints),
            token_endpoint: "https://a.example/token".into(),
            revocation_endpoint: None,
            secret_in_form: false,
            at: Instant::now().checked_sub(2 * FRESH_FOR).unwrap(),
        };
        sign_in.known.store(Some(Arc::new(known)));
        *sign_in.failed_at.lock().await = None;
        let began = Instant::now();
        let (first, second) = tokio::join!(sign_in.known(), async {
            let second = sign_in.known().await;
            (second, began.elapsed())
        });
        assert!(first.is_ok() && second.0.is_ok());
        assert!(began.elapsed() >= Duration::from_millis(400), "one asks");
        assert!(second.1 < Duration::from_millis(400), "the other does not wait for that: {:?}", second.1);
        let began = Instant::now();
        assert!(sign_in.known().await.is_ok());
        assert!(began.elapsed() < Duration::from_millis(400), "it is left alone for a while");
    }

    // RFC 6749 5.1, 5.2; what is not clearly an answer is none
    #[test]
    fn answers_are_tokens_errors_or_nothing() {
        let tokens = |text: &str| read_answer(200, text, 1_000).unwrap().unwrap();
        let good = tokens(r#"{"access_token":"a","token_type":"bearer","expires_in":"60","refresh_token":"r"}"#);
        assert_eq!(good.expires_at, Some(1_060));
        assert_eq!(good.refresh_token.map(|token| token.expose().clone()).as_deref(), Some("r"));
        assert!(good.id_token.is_none());
        let claims = URL_SAFE_NO_PAD.encode(r#"{"exp":2000}"#);
        let jwt = tokens(&format!(r#"{{"access_token":"x.{claims}.y","token_type":"Bearer"}}"#));
        assert_eq!(jwt.expires_at, Some(2_000));
        for (status, text, expected) in [
            (400, r#"{"error":"invalid_grant"}"#, Some("invalid_grant")),
            (401, r#"{"error":"invalid_client"}"#, Some("invalid_client")),
            (400, r#"{"error":"\u001b[31m"}"#, Some("-")),
            (400, r#"{"error":"temporarily_unavailable"}"#, None),
            (400, "{}", None),
            (400, "<html>", None),
            (404, r#"{"error":"invalid_grant"}"#, None),
            (429, r#"{"error":"invalid_grant"}"#, None),
            (200, r#"{"access_token":"","token_type":"Bearer"}"#, None),
            (200, r#"{"token_type":"Bearer"}"#, None),
            (200, r#"{"access_token":"a","token_type":"DPoP"}"#, None),
            (200, r#"{"access_token":"a"}"#, None),
            (200, "[]", None),
        ] {
            let answer = read_answer(status, text, 0);
            assert_eq!(answer.ok().map(|answer| answer.map(|_| ())), expected.map(Err), "{status} {text}");
        }
    }
}
