//! The management API through the real listeners, as FusionAuth's clients call it.

mod application_keys;
mod applications;
mod audit;
mod data;
mod entities;
mod event_log;
mod jwt;
mod keys;
mod live_permissions;
mod login;
mod openapi;
mod own_account;
mod people;
mod signing_keys;
mod tokens;
mod two_factor;
mod users;

use http::Method;
use serde_json::Value;

use crate::support::gateway::{Gateway, client};

/// May do everything; it stands in the configuration.
const ROOT_KEY: &str = "root-key-of-the-tests-0123456789-abcdef";

const SECTIONS: &str = r#"
management: { public: true, api_key: root-key-of-the-tests-0123456789-abcdef }
upstreams: { app: "${UPSTREAM}" }
routes:
  /api/**: { upstream: app, public: true }
"#;

async fn start() -> Gateway {
    Gateway::with(SECTIONS, &[]).await
}

/// What the API answered. `body` is null where there is none.
#[derive(Debug)]
struct Answer {
    status: u16,
    media_type: Option<String>,
    body: Value,
}

impl Answer {
    /// The codes of the wrong fields, in the order of their names.
    fn codes(&self) -> Vec<&str> {
        let fields = self.body["fieldErrors"].as_object();
        let problems = fields.into_iter().flat_map(|fields| fields.values()).filter_map(Value::as_array).flatten();
        problems.filter_map(|problem| problem["code"].as_str()).collect()
    }
}

/// Calls the API with a key, for a tenant if one is named.
struct Caller<'a> {
    gateway: &'a Gateway,
    key: String,
    tenant: Option<String>,
}

impl<'a> Caller<'a> {
    fn root(gateway: &'a Gateway) -> Self {
        Self::with_key(gateway, ROOT_KEY)
    }

    fn with_key(gateway: &'a Gateway, key: &str) -> Self {
        Self { gateway, key: key.to_owned(), tenant: None }
    }

    /// Somebody without a key.
    fn stranger(gateway: &'a Gateway) -> Self {
        Self::with_key(gateway, "")
    }

    fn of_tenant(self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..self }
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, String)>) -> Answer {
        let mut request = client().request(method, self.gateway.url(path));
        if !self.key.is_empty() {
            request = request.header("authorization", &self.key);
        }
        if let Some(tenant) = &self.tenant {
            request = request.header("x-fusionauth-tenantid", tenant);
        }
        if let Some((media_type, body)) = body {
            request = request.header("content-type", media_type).body(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let media_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        Answer { status, media_type, body: serde_json::from_str(&text).unwrap_or_default() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(("application/json", body.to_string()))).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(("application/json", body.to_string()))).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(("application/json", body.to_string()))).await
    }
}
