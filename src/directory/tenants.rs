//! Commands about tenants.

use uuid::Uuid;

use super::rules::{LONGEST_ACCESS_TOKEN_FOR, check_tenant};
use super::{Directory, DirectoryError, no_errors};
use crate::events::Event;
use crate::model::{Profile, Revocation, Revoked, Tenant, TenantSettings, UserCodeShape};
use crate::profile::Dialect;
use crate::store::{Search, StoreError, Unique};

/// A tenant to be; what is `None` gets its default.
#[derive(Clone, Debug, Default)]
pub struct NewTenant {
    pub id: Option<Uuid>,
    pub name: String,
    pub issuer: Option<String>,
    pub profile: Profile,
    /// Seconds.
    pub access_token_for: Option<i64>,
    pub access_token_algorithm: Option<String>,
    pub id_token_algorithm: Option<String>,
    pub settings: Option<TenantSettings>,
}

/// How much there is in a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantContents {
    pub applications: u64,
    pub entities: u64,
    pub users: u64,
}

impl TenantContents {
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// `1 application, 2 entities and 3 users`
impl std::fmt::Display for TenantContents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counted = |count: u64, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let parts: Vec<String> = [
            counted(self.applications, "application", "applications"),
            counted(self.entities, "entity", "entities"),
            counted(self.users, "user", "users"),
        ]
        .into_iter()
        .flatten()
        .collect();
        match parts.as_slice() {
            [] => f.write_str("nothing"),
            [only] => f.write_str(only),
            [first @ .., last] => write!(f, "{} and {last}", first.join(", ")),
        }
    }
}

/// A tenant that nobody has said anything else about: with the defaults of its profile.
pub fn new_tenant(id: Uuid, name: &str, profile: Profile, now: i64) -> Tenant {
    let default = Dialect::of(profile).tenant;
    let tenant = Tenant::new(id, name, now);
    let settings = TenantSettings {
        device_code_for: default.device_code_for,
        user_code: UserCodeShape {
            alphabet: default.user_code_alphabet.to_owned(),
            mask: default.user_code_mask.to_owned(),
        },
        ..tenant.settings
    };
    Tenant {
        profile,
        access_token_for: default.access_token_for,
        access_token_algorithm: default.access_token_algorithm.to_owned(),
        id_token_algorithm: default.id_token_algorithm.to_owned(),
        settings,
        ..tenant
    }
}

impl Directory {
    /// Name of the tenant that exists without anybody asking for it.
    pub const DEFAULT_TENANT: &'static str = "default";

    pub async fn create_tenant(&self, new: NewTenant) -> Result<Tenant, DirectoryError> {
        let id = new.id.unwrap_or_else(|| self.entropy.uuid());
        let mut tenant = new_tenant(id, &new.name, new.profile, self.clock.now());
        tenant.issuer = new.issuer;
        if let Some(settings) = new.settings {
            tenant.settings = settings;
        }
        if let Some(seconds) = new.access_token_for {
            tenant.access_token_for = seconds;
        }
        if let Some(algorithm) = new.access_token_algorithm {
            tenant.access_token_algorithm = algorithm;
        }
        if let Some(algorithm) = new.id_token_algorithm {
            tenant.id_token_algorithm = algorithm;
        }
        no_errors(check_tenant(&tenant))?;
        self.store.insert_tenant(&tenant).await?;
        self.told(Event::TenantCreated, &id.to_string());
        Ok(tenant)
    }

    /// Replaces everything but id and instants of `before`, which is the tenant as the caller read it.
    ///
    /// # Errors
    /// [`DirectoryError::Changed`] if somebody else was faster.
    pub async fn update_tenant(&self, before: &Tenant, after: Tenant) -> Result<Tenant, DirectoryError> {
        no_errors(check_tenant(&after))?;
        let tenant = Tenant { updated_at: self.clock.now(), ..after };
        if !self.store.update_tenant(before, &tenant).await? {
            return Err(DirectoryError::Changed("tenant"));
        }
        self.told(Event::TenantUpdated, &tenant.id.to_string());
        Ok(tenant)
    }

    /// # Errors
    /// If the store does not answer.
    pub async fn tenant_contents(&self, id: Uuid) -> Result<TenantContents, DirectoryError> {
        let count = Search { tenant_id: Some(id), ..Search::default() };
        Ok(TenantContents {
            applications: self.store.list_applications(Some(id)).await?.len() as u64,
            entities: self.store.search_entities(&count).await?.1,
            users: self.store.search_users(&count).await?.1,
        })
    }

    /// Refused while it has entities, applications or users. Its keys go with it.
    pub async fn delete_tenant(&self, id: Uuid) -> Result<(), DirectoryError> {
        if !self.store.delete_tenant(id, self.clock.now()).await? {
            return Err(DirectoryError::NotFound("tenant"));
        }
        self.told(Event::TenantDeleted, &id.to_string());
        Ok(())
    }

    /// Deletes it with everything in it. What it issued is refused from the next request on.
    pub async fn delete_tenant_with_all(&self, id: Uuid) -> Result<(), DirectoryError> {
        let now = self.clock.now();
        let expires_at = now.saturating_add(LONGEST_ACCESS_TOKEN_FOR);
        // What was issued in the second of a mark bears the second after it.
        let revoked_at = now.saturating_add(1);
        let mark = Revocation { revoked: Revoked::Tenant(id), revoked_at, expires_at };
        if !self.store.delete_tenant_with_all(id, &mark).await? {
            return Err(DirectoryError::NotFound("tenant"));
        }
        self.revocations.add(&mark);
        self.told(Event::TenantDeleted, &id.to_string());
        Ok(())
    }

    /// Sees that there is a tenant: in an empty store it creates [`Self::DEFAULT_TENANT`]. Nodes that start at once
    /// agree on one.
    pub async fn ensure_tenant(&self) -> Result<(), DirectoryError> {
        if !self.store.list_tenants().await?.is_empty() {
            return Ok(());
        }
        let tenant = Tenant::new(self.entropy.uuid(), Self::DEFAULT_TENANT, self.clock.now());
        match self.store.insert_tenant(&tenant).await {
            Ok(()) => self.told(Event::TenantCreated, &tenant.id.to_string()),
            Err(StoreError::Conflict(Unique::TenantName)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
