//! The small bridges between modules that do not know each other.
//!
//! Owns no decision: each bridge passes on what one side asks and the other one knows.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Opened;
use crate::api::{self, Management};
use crate::browsers;
use crate::config::PublicUrl;
use crate::directory::Directory;
use crate::enforce::{Issuer, Minter, Signer, Trusted, Unknown};
use crate::gateway::forwarded::{self, ForwardedKeys};
use crate::gateway::resources::{self, Resources};
use crate::gateway::{Answer, ClientCertificate, Embedded, Endpoints, Peer, RequestId};
use crate::issuers;
use crate::jose::Algorithm;
use crate::metrics::Metrics;
use crate::oauth::{self, KeyRing};
use crate::policy::{Permissions, TargetPermissions, TokenFacts};
use crate::profile::InUse;
use crate::web;

/// A tenant of the embedded authorization server, as `enforce` sees an issuer.
pub(super) struct LocalTenant {
    pub tenant_id: Uuid,
    pub keys: Arc<KeyRing>,
    pub directory: Arc<Directory>,
}

#[async_trait]
impl Issuer for LocalTenant {
    fn is_called(&self, iss: &str) -> bool {
        self.keys.issuer(Some(self.tenant_id)).is_some_and(|issuer| *issuer.issuer == *iss)
    }

    fn tenant_id(&self) -> Option<Uuid> {
        Some(self.tenant_id)
    }

    fn trusted(&self) -> Option<Trusted> {
        let issuer = self.keys.issuer(Some(self.tenant_id))?;
        Some(Trusted { expectations: issuer.expectations.clone(), keys: issuer.access_token_keys.clone() })
    }

    async fn names_of(&self, ids: &[&str]) -> Result<Vec<(Box<str>, Box<str>)>, Unknown> {
        let ids: Vec<Uuid> = ids.iter().filter_map(|id| Uuid::try_parse(id).ok()).collect();
        let names = self.directory.names_of(self.tenant_id, &ids).await.map_err(|_| Unknown)?;
        Ok(names.into_iter().map(|(id, name)| (id.to_string().into(), name.into())).collect())
    }

    fn generation_of_grants(&self) -> Option<u64> {
        Some(self.directory.generation())
    }

    async fn granted_now(&self, facts: &TokenFacts) -> Result<Option<Permissions>, Unknown> {
        // Who acts for a person was granted it, not the person (RFC 8693 4.1).
        let actor = facts.claims.get("act").and_then(|act| act.get("sub")?.as_str());
        let recipient = match Uuid::try_parse(actor.unwrap_or(&facts.subject)) {
            Ok(id) => self.directory.entity(id).await.map_err(|_| Unknown)?,
            Err(_) => None,
        };
        let Some(recipient) = recipient.filter(|recipient| recipient.tenant_id == self.tenant_id) else {
            // A person's tokens speak of no permissions; those of an entity that is gone have none left.
            return Ok(Some(Permissions::default()).filter(|_| !facts.permissions.is_empty()));
        };
        let scope = facts.scopes.to_string();
        let granted = oauth::granted_now(&self.directory, &recipient, &scope).await.map_err(|_| Unknown)?;
        let targets = granted.into_iter().map(|granted| TargetPermissions {
            id: granted.target.id.to_string().into(),
            name: Some(granted.target.name.as_str().into()),
            permissions: granted.permissions.into_iter().collect(),
        });
        Ok(Some(targets.collect()))
    }
}

/// The management API, as the listeners call it.
pub(super) fn management(api: Management) -> Endpoints {
    let service = web::Service::new(api::router(api));
    Arc::new(move |mut request| -> Answer {
        let service = service.clone();
        if let Some(Peer(Some(address))) = request.extensions_mut().remove::<Peer>() {
            request.extensions_mut().insert(api::PeerAddress(address));
        }
        Box::pin(async move { service.call(request).await })
    })
}

/// The HTTP skins that are behind the public listeners, as the gateway calls them: the authorization server's, the
/// management API's where it is public, where other issuers tell of logouts, where people come back from a login, and what
/// resources and the gateway's own keys tell of themselves.
pub(super) fn embedded(
    (service, in_use): (web::Service, Arc<InUse>),
    (management, logouts, people): (Option<Endpoints>, Endpoints, Endpoints),
    (resources, forwarded_keys): (Arc<Resources>, Arc<ForwardedKeys>),
    metrics: Arc<Metrics>,
) -> Embedded {
    let own = [issuers::LOGOUT, resources::PATTERN, forwarded::KEY_SET, forwarded::METADATA];
    let patterns = web::patterns().into_iter().chain(api::PATTERNS).chain(own).chain(browsers::PATTERNS);
    let durations = patterns.map(|pattern| (pattern, metrics.durations(pattern))).collect();
    let is_public = management.is_some();
    let pattern_of = move |path: &str| own_pattern_of(&in_use, is_public, path);
    let answer = move |mut request: http::Request<Bytes>| -> Answer {
        if let Some(management) = management.as_ref().filter(|_| api::pattern_of(request.uri().path()).is_some()) {
            return management(request);
        }
        if browsers::pattern_of(request.uri().path()).is_some() {
            return people(request);
        }
        if issuers::pattern_of(request.uri().path()).is_some() {
            return logouts(request);
        }
        if resources::pattern_of(request.uri().path()).is_some() {
            return Box::pin(std::future::ready(resources.answer(&request)));
        }
        if forwarded::pattern_of(request.uri().path()).is_some() {
            return Box::pin(std::future::ready(forwarded_keys.answer(&request)));
        }
        let (service, metrics) = (service.clone(), metrics.clone());
        Box::pin(async move {
            if let Some(Peer(Some(address))) = request.extensions_mut().remove::<Peer>() {
                request.extensions_mut().insert(web::PeerAddress(address));
            }
            if let Some(ClientCertificate { thumbprint, vouched }) = request.extensions_mut().remove() {
                request.extensions_mut().insert(web::ClientCertificate(thumbprint));
                if let Some(der) = vouched {
                    request.extensions_mut().insert(web::VouchedCertificate(der));
                }
            }
            if let Some(id) = request.extensions_mut().remove::<RequestId>() {
                request.extensions_mut().insert(web::RequestId(id.as_str().to_owned()));
            }
            let answer = service.call(request).await;
            count(&answer, &metrics);
            answer
        })
    };
    Embedded { pattern_of: Box::new(pattern_of), answer: Arc::new(answer), durations }
}

/// The pattern of a path that is ours while these dialects are in use.
pub(super) fn own_pattern_of(in_use: &InUse, management_is_public: bool, path: &str) -> Option<&'static str> {
    let managed = || if management_is_public { api::pattern_of(path) } else { None };
    web::pattern_of(in_use, path)
        .or_else(managed)
        .or_else(|| issuers::pattern_of(path))
        .or_else(|| resources::pattern_of(path))
        .or_else(|| forwarded::pattern_of(path))
        .or_else(|| browsers::pattern_of(path))
}

/// Signs with the gateway's own key of the moment.
struct OwnKeys(Arc<KeyRing>);

impl Signer for OwnKeys {
    fn sign(&self, claims: &Map<String, Value>) -> Option<String> {
        self.0.sign_forwarded(claims)
    }
}

/// Makes what upstreams are told of their callers.
pub(super) fn minter(keys: &Arc<KeyRing>, public_url: &PublicUrl, opened: &Opened) -> Minter {
    Minter {
        issuer: forwarded::issuer(public_url).into(),
        signer: Arc::new(OwnKeys(keys.clone())),
        clock: opened.clock.clone(),
        entropy: opened.entropy.clone(),
    }
}

/// What upstreams verify that with.
pub(super) fn forwarded_keys(
    keys: &Arc<KeyRing>,
    public_url: &PublicUrl,
    algorithm: Option<Algorithm>,
) -> ForwardedKeys {
    let ring = keys.clone();
    ForwardedKeys {
        issuer: forwarded::issuer(public_url),
        algorithm: algorithm.map(Algorithm::as_str),
        key_set: Box::new(move || ring.forwarded_key_set()),
        cache_for: keys.settings().cache_for(),
    }
}

fn count(answer: &http::Response<Bytes>, metrics: &Metrics) {
    let Some(outcome) = answer.extensions().get::<web::Outcome>() else { return };
    if let Some(web::Issued { grant_type, profile }) = outcome.issued {
        metrics.tokens_issued.with_label_values(&[grant_type, profile]).inc();
    }
    if let Some(error) = outcome.error {
        metrics.oauth_errors.with_label_values(&[outcome.endpoint, error]).inc();
    }
    if let Some(web::Reuse(reused)) = answer.extensions().get() {
        metrics.token_reuse.with_label_values(&[reused.as_str()]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Reused;

    // C5, B6
    #[test]
    fn reuse_is_counted_beside_the_error() {
        let metrics = Metrics::new();
        let outcome = web::Outcome { endpoint: "token", error: Some("invalid_grant"), issued: None };
        let mut answer = http::Response::new(Bytes::new());
        answer.extensions_mut().insert(outcome);
        count(&answer, &metrics);
        for reused in [Reused::RefreshToken, Reused::RefreshToken, Reused::AuthorizationCode] {
            answer.extensions_mut().insert(web::Reuse(reused));
            count(&answer, &metrics);
        }
        let text = String::from_utf8(metrics.render()).unwrap();
        for line in [
            r#"faregate_oauth_errors_total{endpoint="token",error="invalid_grant"} 4"#,
            r#"faregate_token_reuse_total{kind="refresh_token"} 2"#,
            r#"faregate_token_reuse_total{kind="authorization_code"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
