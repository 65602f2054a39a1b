//! Entities: the parties of the client credentials grant (F-180). It does not know what a token looks like.

use aws_lc_rs::digest;
use uuid::Uuid;

use crate::secret::equal;

/// What administrators keep with an object. It means nothing to us.
pub type Data = serde_json::Map<String, serde_json::Value>;

/// A kind of entity, and the permissions that may be granted on entities of it. Shared by all tenants (F-183).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityType {
    pub id: Uuid,
    /// Unique in the store.
    pub name: String,
    /// Sorted by name.
    pub permissions: Vec<Permission>,
    /// Life of the access tokens that entities of the type get, in seconds; their tenant's unless said otherwise.
    pub access_token_for: Option<i64>,
    /// The id of the key that signs those tokens, in tenants that it may sign for; their tenant's unless said otherwise.
    pub access_token_key: Option<Uuid>,
    pub data: Data,
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl EntityType {
    /// Without permissions, with the tokens of its entities' tenants.
    pub fn new(id: Uuid, name: &str, now: i64) -> Self {
        Self {
            id,
            name: name.to_owned(),
            permissions: Vec::new(),
            access_token_for: None,
            access_token_key: None,
            data: Data::new(),
            managed_by: None,
            created_at: now,
            updated_at: now,
        }
    }

    pub fn permission(&self, name: &str) -> Option<&Permission> {
        self.permissions.iter().find(|permission| permission.name == name)
    }
}

/// One thing that a recipient may be allowed to do to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    pub id: Uuid,
    /// Unique in its entity type; see [`is_permission_name`].
    pub name: String,
    pub description: Option<String>,
    /// FusionAuth's `isDefault` (D-07).
    pub is_default: bool,
}

/// A caller, a callee, or both: has client credentials and can be the target of grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// The `sub` of its tokens and the `aud` of tokens meant for it (F-181).
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub type_id: Uuid,
    /// Unique in its tenant. Usable in scopes when [`is_scope_name`] says so.
    pub name: String,
    /// Unique in its tenant; the id when nothing else was asked for (F-181).
    pub client_id: String,
    /// Every secret that may still be presented; two while one is being replaced (D13).
    pub client_secrets: Vec<ClientSecret>,
    /// An entity of the same tenant that this one is a part of, as its administrators see it.
    pub parent_id: Option<Uuid>,
    pub data: Data,
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl Entity {
    /// Whether `presented` is one of the live secrets. Compares with all of them, each in constant time (P4).
    pub fn accepts_secret(&self, presented: &str, now: i64) -> bool {
        ClientSecret::any_accepts(&self.client_secrets, presented, now)
    }
}

/// A client secret as it is stored: a plain hash, because the secrets are long and random (D12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecret {
    /// SHA-256 of the secret, 64 lower case hexadecimal digits.
    pub sha256: String,
    pub created_at: i64,
    /// First instant at which it is no longer accepted.
    pub expires_at: Option<i64>,
    /// The secret itself, encrypted, where it has to be known again: `client_secret_jwt` signs with it.
    pub sealed: Option<String>,
}

impl ClientSecret {
    pub fn new(secret: &str, now: i64) -> Self {
        Self { sha256: Self::hash(secret), created_at: now, expires_at: None, sealed: None }
    }

    pub fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Whether `presented` is one of the live ones among `secrets`, whichever it is, in the same time.
    pub(super) fn any_accepts(secrets: &[Self], presented: &str, now: i64) -> bool {
        let presented = Self::hash(presented);
        let mut accepted = false;
        for secret in secrets {
            accepted |= equal(secret.sha256.as_bytes(), presented.as_bytes()) & secret.is_live(now);
        }
        accepted
    }

    /// The secret that stays good for `keep_for` more seconds beside a new one (D13): the newest of the live ones.
    pub fn retiring(secrets: &[Self], keep_for: i64, now: i64) -> Option<Self> {
        let live = secrets.iter().filter(|secret| keep_for > 0 && secret.is_live(now));
        let newest = live.max_by_key(|secret| secret.created_at)?;
        let ends_at = now.saturating_add(keep_for);
        let expires_at = newest.expires_at.map_or(ends_at, |at| at.min(ends_at));
        Some(Self { expires_at: Some(expires_at), ..newest.clone() })
    }

    /// SHA-256 in lower case hexadecimal digits.
    pub fn hash(secret: &str) -> String {
        hex::encode(digest::digest(&digest::SHA256, secret.as_bytes()))
    }
}

/// What a recipient (the caller) may do to a target (the callee). One per pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityGrant {
    pub id: Uuid,
    pub target_id: Uuid,
    pub recipient_id: Uuid,
    /// Names of permissions of the target's entity type, sorted.
    pub permissions: Vec<String>,
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What a user may do to an entity. No token carries it (F-199).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGrant {
    pub id: Uuid,
    pub target_id: Uuid,
    pub user_id: Uuid,
    /// Names of permissions of the target's entity type, sorted.
    pub permissions: Vec<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// Longest name or client id, in bytes: an index entry stays small, and so does a cache key.
const LONGEST: usize = 190;

/// A name that people read: 1 to 190 bytes without control characters, not padded with white space, and never
/// something that parses as a UUID, so that "id or name" has one meaning.
pub fn is_display_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && name.trim() == name
        && !name.chars().any(char::is_control)
        && Uuid::try_parse(name).is_err()
}

/// A display name that can stand in a scope beside UUIDs: letters, digits, `-`, `_` and `.`, beginning with a letter
/// or digit. Other names are legal; such entities are addressed by id.
pub fn is_scope_name(name: &str) -> bool {
    is_display_name(name)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// RFC 6749 A.1 without the characters that mean something in Basic credentials: space, `:`, `%` and `+`.
pub fn is_client_id(client_id: &str) -> bool {
    (1..=LONGEST).contains(&client_id.len())
        && client_id.bytes().all(|byte| byte.is_ascii_graphic() && !b":%+".contains(&byte))
}

/// A scope token (RFC 6749 3.3) without the comma, which separates permissions. `:` is legal: `scim:user:read` (F-188).
pub fn is_permission_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && !b",\"\\".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(client_secrets: Vec<ClientSecret>) -> Entity {
        Entity {
            id: Uuid::nil(),
            tenant_id: Uuid::nil(),
            type_id: Uuid::nil(),
            name: "orders".to_owned(),
            client_id: "orders".to_owned(),
            client_secrets,
            parent_id: None,
            data: Data::new(),
            managed_by: None,
            created_at: 0,
            updated_at: 0,
        }
    }

    // D12, D13
    #[test]
    fn any_live_secret_is_accepted_until_it_expires() {
        let old = ClientSecret { expires_at: Some(100), ..ClientSecret::new("old", 0) };
        let entity = entity(vec![old, ClientSecret::new("new", 50)]);
        assert!(entity.accepts_secret("old", 99) && entity.accepts_secret("new", 99));
        assert!(!entity.accepts_secret("old", 100) && entity.accepts_secret("new", 100));
        assert!(!entity.accepts_secret("", 0) && !entity.accepts_secret(&ClientSecret::hash("new"), 60));
    }

    #[test]
    fn an_entity_without_secrets_accepts_none() {
        assert!(!entity(Vec::new()).accepts_secret("", 0));
    }

    // D12: FIPS 180-4, the hash of the empty message
    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(ClientSecret::hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    // F-188: a name can never be mistaken for an id, nor end a scope early
    #[test]
    fn names_are_not_ids() {
        for id in ["a647e989-3c1b-4a4b-8a4b-2f6c6a6c1a11", "a647e9893c1b4a4b8a4b2f6c6a6c1a11"] {
            assert!(!is_display_name(id) && !is_scope_name(id), "{id}");
        }
        for name in ["orders", "Orders.v2", "a", "0-x_y"] {
            assert!(is_scope_name(name), "{name}");
        }
        for name in ["My orders", "заказы", "orders:read", "a,b", "-x"] {
            assert!(is_display_name(name) && !is_scope_name(name), "{name}");
        }
        for name in ["", " orders", "orders\n", "a\u{0}b", &"x".repeat(191)] {
            assert!(!is_display_name(name), "{name:?}");
        }
    }

    // F-181, F-188
    #[test]
    fn client_ids_and_permission_names() {
        assert!(is_client_id("todo-api") && is_client_id(&Uuid::nil().to_string()));
        for client_id in ["", "a:b", "a b", "a+b", "a%20b", "é", &"x".repeat(191)] {
            assert!(!is_client_id(client_id), "{client_id:?}");
        }
        assert!(is_permission_name("read") && is_permission_name("scim:user:read"));
        for name in ["", "a,b", "a b", "a\"b", "a\\b", "é"] {
            assert!(!is_permission_name(name), "{name:?}");
        }
    }
}
