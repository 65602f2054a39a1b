//! Asks other people's servers for documents: within a time, up to a size, at the address that was meant (rules G1, G3).
//!
//! Owns the limits of one request. When to ask and what the answer means is the business of those who ask.

use std::path::Path;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL};
use reqwest::{Certificate, Client, RequestBuilder, Response, redirect};

use crate::percent::form_value;
use crate::secret::Secret;

/// The largest document that is read, in bytes.
const MOST_BYTES: usize = 256 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A client for all issuers whose certificates the same authorities sign; clones share its connections.
#[derive(Clone, Debug)]
pub struct Fetcher(Client);

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum FetcherError {
    #[error("the system's certificates cannot be used: {0}")]
    System(#[source] reqwest::Error),
    #[error("the certificates in {0} cannot be read")]
    Authorities(String, #[source] Option<std::io::Error>),
}

/// What an issuer's server answered with 200.
#[derive(Debug)]
pub(super) struct Document {
    pub text: String,
    /// How long it says that it is good for.
    pub fresh_for: Option<Duration>,
}

/// Why there is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it did not answer in time")]
    Timeout,
    #[error("it answered with a redirect, which is not followed")]
    Redirect,
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is longer than 256 KiB")]
    TooLarge,
    #[error("its answer is unusable: {0}")]
    Malformed(String),
    /// With what it names, as far as it may be shown.
    #[error("its metadata is about another issuer: {0}")]
    WrongIssuer(String),
    #[error("its metadata names a URL that is not https")]
    Insecure,
}

impl FetchError {
    /// The label in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Timeout => "timeout",
            Self::Redirect => "redirect",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Malformed(_) => "malformed",
            Self::WrongIssuer(_) => "wrong_issuer",
            Self::Insecure => "insecure",
        }
    }
}

impl Fetcher {
    /// One that believes the authorities that the system believes.
    ///
    /// # Errors
    /// When the system's certificates cannot be used.
    pub fn new() -> Result<Self, FetcherError> {
        Self::believing(None)
    }

    /// One that believes the authorities in a PEM file, as it is now, and no others; without a file, those of the system.
    ///
    /// # Errors
    /// When the file, or the system's certificates, cannot be used.
    pub fn believing(authorities: Option<&Path>) -> Result<Self, FetcherError> {
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("faregate/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        if let Some(path) = authorities {
            let of_file = |source| FetcherError::Authorities(path.display().to_string(), source);
            let pem = std::fs::read(path).map_err(|error| of_file(Some(error)))?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|_| of_file(None))?;
            client = client.tls_certs_only(authorities);
        }
        client.build().map(Self).map_err(FetcherError::System)
    }

    /// What `url` answers to a form, within the time of whoever asks.
    pub(super) async fn posted(
        &self,
        url: &str,
        form: &[(&str, &str)],
        credentials: Option<&Credentials>,
    ) -> Result<Document, FetchError> {
        read(self.post(url, form, credentials)).await
    }

    fn post(&self, url: &str, form: &[(&str, &str)], credentials: Option<&Credentials>) -> RequestBuilder {
        let request = self.0.post(url).header(http::header::ACCEPT, "application/json").form(form);
        match credentials {
            Some(Credentials { client_id, client_secret }) => {
                request.basic_auth(client_id, Some(client_secret.expose()))
            }
            None => request,
        }
    }

    /// Status and text of what `url` answers to a form, within the time of whoever asks. A refusal has a text too.
    pub(super) async fn answered_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        credentials: Option<&Credentials>,
    ) -> Result<(u16, String), FetchError> {
        let mut answer = self.post(url, form, credentials).send().await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if status.is_redirection() {
            return Err(FetchError::Redirect);
        }
        if status.is_server_error() {
            return Err(FetchError::Status(status.as_u16()));
        }
        Ok((status.as_u16(), text(&mut answer).await?))
    }

    /// Whether anybody answers at `url`, with whatever status, within the time of whoever asks.
    pub(super) async fn reach(&self, url: &str) -> Result<(), FetchError> {
        self.0.head(url).send().await.map(drop).map_err(|error| unreachable(&error))
    }

    /// The document at `url`, whole within `timeout`.
    pub(super) async fn document(&self, url: &str, timeout: Duration) -> Result<Document, FetchError> {
        answered(self.0.get(url).header(http::header::ACCEPT, "application/json"), timeout).await
    }
}

/// How we show who is asking, encoded for Basic authentication (RFC 6749 2.3.1).
#[derive(Debug)]
pub(super) struct Credentials {
    client_id: String,
    client_secret: Secret<String>,
}

impl Credentials {
    pub(super) fn new(client_id: &str, client_secret: &Secret<String>) -> Self {
        Self { client_id: form_value(client_id), client_secret: Secret::new(form_value(client_secret.expose())) }
    }
}

async fn answered(request: RequestBuilder, timeout: Duration) -> Result<Document, FetchError> {
    tokio::time::timeout(timeout, read(request)).await.unwrap_or(Err(FetchError::Timeout))
}

async fn read(request: RequestBuilder) -> Result<Document, FetchError> {
    let mut answer = request.send().await.map_err(|error| unreachable(&error))?;
    let status = answer.status();
    if status.is_redirection() {
        return Err(FetchError::Redirect);
    }
    if status != http::StatusCode::OK {
        return Err(FetchError::Status(status.as_u16()));
    }
    let fresh_for = fresh_for(answer.headers());
    Ok(Document { text: text(&mut answer).await?, fresh_for })
}

async fn text(answer: &mut Response) -> Result<String, FetchError> {
    let body = body(answer).await?;
    String::from_utf8(body).map_err(|_| FetchError::Malformed("it is not UTF-8".to_owned()))
}

async fn body(answer: &mut Response) -> Result<Vec<u8>, FetchError> {
    if answer.content_length().is_some_and(|length| length > MOST_BYTES as u64) {
        return Err(FetchError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + piece.len() > MOST_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The innermost reason; the outer ones repeat the URL.
fn unreachable(error: &reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::Timeout;
    }
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    FetchError::Unreachable(reason.to_string())
}

/// `max-age` less `Age` (RFC 9111 4.2); nothing for what must not be kept, because it is kept all the same.
fn fresh_for(fields: &HeaderMap) -> Option<Duration> {
    let directives = fields.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut max_age = None;
    for directive in directives.flat_map(|value| value.split(',')).map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            max_age = value.trim_matches('"').parse().ok();
        }
    }
    let age = fields.get(AGE).and_then(|age| age.to_str().ok()?.parse().ok()).unwrap_or(0_u64);
    max_age.map(|seconds: u64| Duration::from_secs(seconds.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9111 5.2.2
    #[test]
    fn a_document_says_how_long_it_is_good_for() {
        let fields = |control: &str, age: &str| {
            let fields = [(CACHE_CONTROL, control), (AGE, age)];
            fields.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect::<HeaderMap>()
        };
        for (control, age, expected) in [
            ("public, max-age=600", "0", Some(600)),
            ("Max-Age=\"600\"", "100", Some(500)),
            ("max-age=600", "900", Some(0)),
            ("max-age=600, no-store", "0", Some(0)),
            ("no-cache", "0", Some(0)),
            ("public", "0", None),
            ("max-age=soon", "0", None),
            ("max-age=-1", "0", None),
        ] {
            assert_eq!(fresh_for(&fields(control, age)), expected.map(Duration::from_secs), "{control}");
        }
        assert_eq!(fresh_for(&HeaderMap::new()), None);
    }

    // RFC 6749 2.3.1, F-182
    #[test]
    fn credentials_are_encoded_before_they_are_basic() {
        assert_eq!(form_value("a b+c/d=:é*-._~"), "a+b%2Bc%2Fd%3D%3A%C3%A9*-._%7E");
    }
}
