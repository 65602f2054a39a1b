//! Commands about API keys (D-10).

use uuid::Uuid;

use super::rules::check_secret;
use super::{Directory, DirectoryError, FieldCode, FieldError, no_errors};
use crate::events::Event;
use crate::model::{ApiKey, ClientSecret, Endpoints};
use crate::profile::Endpoint;
use crate::secret::{Secret, equal};
use crate::store;

/// Longest name of a key, in bytes.
const LONGEST_NAME: usize = 190;

/// The methods that endpoints know.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// What a key may be for beside the management API: POST of the admin listener.
pub const OPERATIONS: [&str; 2] = ["/reload", "/revocations"];

/// The other thing: an initial access token, where clients register themselves (RFC 7591 3).
const REGISTRATION: &str = Endpoint::ClientRegistration.shared().alone;

/// A key to be.
#[derive(Clone, Debug, Default)]
pub struct NewApiKey {
    pub id: Option<Uuid>,
    pub name: String,
    /// `None`: generated.
    pub key: Option<Secret<String>>,
    pub tenant_id: Option<Uuid>,
    /// See [`ApiKey::endpoints`].
    pub endpoints: Endpoints,
    pub is_key_manager: bool,
    pub expires_at: Option<i64>,
}

/// A key and its text, which nobody will see again.
#[derive(Debug)]
pub struct ApiKeyWithSecret {
    pub key: ApiKey,
    pub text: Secret<String>,
}

impl Directory {
    pub async fn create_api_key(&self, new: NewApiKey) -> Result<ApiKeyWithSecret, DirectoryError> {
        let now = self.clock.now();
        let (text, wrong) = match new.key {
            Some(chosen) => {
                let wrong = check_secret("apiKey.key", chosen.expose());
                (chosen, wrong)
            }
            None => (Secret::new(self.entropy.client_secret()), None),
        };
        let key = ApiKey {
            id: new.id.unwrap_or_else(|| self.entropy.uuid()),
            name: new.name,
            sha256: ClientSecret::hash(text.expose()),
            tenant_id: new.tenant_id,
            endpoints: new.endpoints,
            is_key_manager: new.is_key_manager,
            expires_at: new.expires_at,
            managed_by: None,
            created_at: now,
            updated_at: now,
        };
        no_errors(check(&key).into_iter().chain(wrong))?;
        self.store.insert_api_key(&key).await?;
        self.told(Event::ApiKeyCreated, &key.id.to_string());
        Ok(ApiKeyWithSecret { key, text })
    }

    /// Replaces name, endpoints, rights and end of `before`, which is the key as the caller read it.
    ///
    /// # Errors
    /// [`DirectoryError::Changed`] if somebody else was faster.
    pub async fn update_api_key(&self, before: &ApiKey, after: ApiKey) -> Result<ApiKey, DirectoryError> {
        no_errors(check(&after))?;
        let key = ApiKey { updated_at: self.clock.now(), ..after };
        if !self.store.update_api_key(before, &key).await? {
            return Err(DirectoryError::Changed("API key"));
        }
        self.told(Event::ApiKeyUpdated, &key.id.to_string());
        Ok(key)
    }

    pub async fn delete_api_key(&self, id: Uuid) -> Result<(), DirectoryError> {
        if !self.store.delete_api_key(id).await? {
            return Err(DirectoryError::NotFound("API key"));
        }
        self.told(Event::ApiKeyDeleted, &id.to_string());
        Ok(())
    }

    /// The live key with this text. Never from memory: a deleted key is refused at once, on every node.
    pub async fn find_api_key(&self, text: &str) -> store::Result<Option<ApiKey>> {
        let key = self.store.find_api_key_by_hash(&ClientSecret::hash(text)).await?;
        Ok(key.filter(|key| key.is_live(self.clock.now())))
    }

    /// The same, or the key of the configuration, which may do everything and is stored nowhere.
    pub async fn find_caller(&self, text: &str, configured: Option<&Secret<String>>) -> store::Result<Option<ApiKey>> {
        if configured.is_some_and(|own| equal(own.expose().as_bytes(), text.as_bytes())) {
            return Ok(Some(ApiKey::unlimited(ClientSecret::hash(text))));
        }
        self.find_api_key(text).await
    }

    pub async fn api_key(&self, id: Uuid) -> store::Result<Option<ApiKey>> {
        self.store.find_api_key(id).await
    }

    /// Oldest first.
    pub async fn api_keys(&self) -> store::Result<Vec<ApiKey>> {
        self.store.list_api_keys().await
    }
}

fn check(key: &ApiKey) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if key.name.len() > LONGEST_NAME {
        let message = format!("must have at most {LONGEST_NAME} bytes");
        errors.push(FieldError::new("apiKey.name", FieldCode::TooLong, message));
    }
    for (path, methods) in &key.endpoints {
        let is_below_api = path.starts_with("/api/") && !path.ends_with('/');
        if !is_below_api && !OPERATIONS.contains(&path.as_str()) && path != REGISTRATION {
            let message = format!("{path:?} is not a path like /api/user");
            errors.push(FieldError::new("apiKey.permissions.endpoints", FieldCode::Invalid, message));
        }
        if let Some(method) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            let message = format!("{method:?} is not one of {}", METHODS.join(", "));
            errors.push(FieldError::new("apiKey.permissions.endpoints", FieldCode::Invalid, message));
        }
    }
    errors
}
