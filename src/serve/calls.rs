//! The management API as a function, without a listener: for commands that play requests on the store of a configuration.
//!
//! Owns how its parts are put together for that. It makes no signing keys.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};

use super::{Opened, StartError, adapters, key_ring};
use crate::api::{Management, NotServed};
use crate::config::Config;
use crate::gateway::Endpoints;
use crate::oauth::{AuthorizationServer, Dependencies};

/// Calls the management API in this process.
pub struct ManagementCalls(Endpoints);

impl ManagementCalls {
    /// # Errors
    /// [`StartError`] when the signing keys in the store cannot be read.
    pub async fn open(config: &Config, opened: &Opened) -> Result<Self, StartError> {
        let keys = key_ring(config, opened, &config.public_url).await?;
        let server = Arc::new(AuthorizationServer::new(Dependencies {
            directory: opened.directory.clone(),
            store: opened.store.clone(),
            keys,
            revocations: opened.revocations.clone(),
            clock: opened.clock.clone(),
            entropy: opened.entropy.clone(),
        }));
        let configured_key = config.management.api_key.as_ref();
        let (directory, events) = (opened.directory.clone(), opened.events.clone());
        Ok(Self(adapters::management(Management::new(directory, server, events, configured_key))))
    }

    /// Answers one request.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        (self.0)(request).await
    }

    /// Whether there is an endpoint. Asked without a key and without a body, so that none does anything.
    pub async fn serves(&self, method: &Method, uri: &Uri) -> bool {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        self.call(request).await.extensions().get::<NotServed>().is_none()
    }
}
