//! Where an issuer says that its keys and endpoints are (OpenID Connect Discovery 1.0, RFC 8414).
//!
//! Owns where to look and what of it is believed. It keeps nothing.

use std::time::Duration;

use serde_json::{Map, Value};

use super::fetch::{FetchError, Fetcher};
use crate::config::{self, KeyLocation};

/// Characters of somebody else's text that are shown.
const MOST_SHOWN: usize = 200;

/// Whom to ask about itself.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub issuer: String,
    /// Where its metadata is, if that is said; otherwise where the two specifications put it.
    pub url: Option<String>,
    /// Whether the URLs that it names may be plain HTTP.
    pub allows_http: bool,
    pub timeout_for: Duration,
}

/// What an issuer says of itself, checked to be about it (rule G6).
#[derive(Debug)]
pub(super) struct Metadata {
    members: Map<String, Value>,
    allows_http: bool,
}

impl Place {
    pub(super) fn of(issuer: &config::ForeignIssuer, timeout_for: Duration) -> Self {
        let url = match &issuer.keys {
            KeyLocation::Metadata(url) => url.clone(),
            KeyLocation::Url(_) | KeyLocation::Known(_) | KeyLocation::Nowhere => None,
        };
        Self { issuer: issuer.issuer.clone(), url, allows_http: issuer.allows_http, timeout_for }
    }

    /// Asks in each place until there is metadata about this issuer.
    ///
    /// # Errors
    /// What was wrong in the first place, which is the usual one.
    pub(super) async fn ask(&self, fetcher: &Fetcher) -> Result<Metadata, FetchError> {
        let mut first = None;
        for url in self.urls() {
            let error = match fetcher.document(&url, self.timeout_for).await {
                Ok(document) => match self.read(&document.text) {
                    Ok(metadata) => return Ok(metadata),
                    Err(error) => error,
                },
                // The same server will not answer at its other place either.
                Err(error @ (FetchError::Unreachable(_) | FetchError::Timeout)) => return Err(error),
                Err(error) => error,
            };
            first.get_or_insert(error);
        }
        Err(first.unwrap_or(FetchError::Malformed("there is nowhere to look".to_owned())))
    }

    fn urls(&self) -> Vec<String> {
        if let Some(url) = &self.url {
            return vec![url.clone()];
        }
        let issuer = self.issuer.trim_end_matches('/');
        let authority = issuer.find("://").map_or(0, |at| at + 3);
        let path = issuer[authority..].find('/').map_or(issuer.len(), |at| authority + at);
        let (origin, path) = issuer.split_at(path);
        vec![
            // Discovery 4: behind the issuer. RFC 8414 3: between its host and its path.
            format!("{issuer}/.well-known/openid-configuration"),
            format!("{origin}/.well-known/oauth-authorization-server{path}"),
        ]
    }

    fn read(&self, text: &str) -> Result<Metadata, FetchError> {
        let members: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| FetchError::Malformed("it is no JSON object".to_owned()))?;
        match members.get("issuer").and_then(Value::as_str) {
            Some(issuer) if issuer == self.issuer => Ok(Metadata { members, allows_http: self.allows_http }),
            Some(other) => {
                Err(FetchError::WrongIssuer(format!("{:?}", other.chars().take(MOST_SHOWN).collect::<String>())))
            }
            None => Err(FetchError::WrongIssuer("it names none".to_owned())),
        }
    }
}

impl Metadata {
    /// The URL called `name`.
    ///
    /// # Errors
    /// [`FetchError::Insecure`] if it is not https and has to be, [`FetchError::Malformed`] if there is none.
    pub(super) fn url(&self, name: &str) -> Result<&str, FetchError> {
        let url = self.members.get(name).and_then(Value::as_str);
        let url = url.ok_or_else(|| FetchError::Malformed(format!("its metadata has no {name}")))?;
        let starts_with =
            |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        match starts_with("https://") || (self.allows_http && starts_with("http://")) {
            true => Ok(url),
            false => Err(FetchError::Insecure),
        }
    }

    /// The texts in the list called `name`; `None` if there is none.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&str>> {
        let list = self.members.get(name)?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).collect())
    }

    /// Whether an endpoint says that it takes a client's secret in the form and not in the header. One that says nothing does
    /// as the token endpoint (RFC 8414 2).
    pub(super) fn takes_post_only(&self, endpoint: &str) -> bool {
        let of = |endpoint: &str| self.list(&format!("{endpoint}_auth_methods_supported"));
        of(endpoint)
            .or_else(|| of("token_endpoint"))
            .is_some_and(|methods| methods.contains(&"client_secret_post") && !methods.contains(&"client_secret_basic"))
    }

    /// Whether `name` is there and true.
    pub(super) fn says(&self, name: &str) -> bool {
        self.members.get(name).and_then(Value::as_bool).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(issuer: &str) -> Place {
        Place { issuer: issuer.to_owned(), url: None, allows_http: false, timeout_for: Duration::from_secs(1) }
    }

    // Discovery 4, RFC 8414 3.1
    #[test]
    fn metadata_is_looked_for_in_both_places() {
        for (issuer, expected) in [
            (
                "https://a.example",
                [
                    "https://a.example/.well-known/openid-configuration",
                    "https://a.example/.well-known/oauth-authorization-server",
                ],
            ),
            (
                "https://a.example/",
                [
                    "https://a.example/.well-known/openid-configuration",
                    "https://a.example/.well-known/oauth-authorization-server",
                ],
            ),
            (
                "https://a.example:8443/realms/b",
                [
                    "https://a.example:8443/realms/b/.well-known/openid-configuration",
                    "https://a.example:8443/.well-known/oauth-authorization-server/realms/b",
                ],
            ),
        ] {
            assert_eq!(place(issuer).urls(), expected);
        }
        let elsewhere = Place { url: Some("https://b.example/x".to_owned()), ..place("https://a.example") };
        assert_eq!(elsewhere.urls(), ["https://b.example/x"]);
    }

    // G6: not one byte may differ. G1: an issuer does not lead to plain HTTP.
    #[test]
    fn metadata_is_about_this_issuer_only() {
        let read = |text: &str| place("https://a.example").read(text);
        let good = read(r#"{"issuer":"https://a.example","jwks_uri":"https://a.example/k","x":"http://a.example/k"}"#);
        let good = good.unwrap();
        assert_eq!(good.url("jwks_uri"), Ok("https://a.example/k"));
        assert_eq!(good.url("x"), Err(FetchError::Insecure));
        assert!(matches!(good.url("y"), Err(FetchError::Malformed(_))));
        for other in ["https://a.example/", "https://A.example", "https://b.example", ""] {
            let text = serde_json::json!({ "issuer": other, "jwks_uri": "https://a.example/k" }).to_string();
            // UX 5: one byte is hard to see, so that what it says is shown.
            assert_eq!(read(&text).unwrap_err(), FetchError::WrongIssuer(format!("{other:?}")));
        }
        assert!(matches!(read(r#"{"issuer":["https://a.example"]}"#), Err(FetchError::WrongIssuer(_))));
        let long = serde_json::json!({ "issuer": "\u{1b}".repeat(9_999) }).to_string();
        let Err(FetchError::WrongIssuer(shown)) = read(&long) else { panic!("it is another one") };
        assert!(shown.len() < 2_000 && !shown.contains('\u{1b}'), "{shown}");
        assert!(matches!(read("<html>"), Err(FetchError::Malformed(_))));
        assert!(matches!(read("[]"), Err(FetchError::Malformed(_))));
    }
}
