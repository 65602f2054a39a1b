//! Tenants, keys, events, entity types, entities and grants.

use super::Sent::{Change, Nothing, One, Optional, Search};
use super::{Endpoint, Proof, Shown, endpoint};
use crate::api::{api_keys, entities, entity_grants, entity_types, event_log, keys, status, tenants};

const TENANT: Shown = Shown::One("tenant", "Tenant");
const KEY: Shown = Shown::One("key", "Key");
const API_KEY: Shown = Shown::One("apiKey", "ApiKey");
const ENTITY_TYPE: Shown = Shown::One("entityType", "EntityType");
const PERMISSION: Shown = Shown::One("permission", "Permission");
const ENTITY: Shown = Shown::One("entity", "Entity");
const KEY_SEARCH: &[&str] = &["algorithm", "name", "type"];
const EVENT_SEARCH: &[&str] = &["message", "type", "start", "end"];
const GRANT_SEARCH: &[&str] = &["entityId", "name", "userId"];
const ENTITY_SEARCH: &[&str] = &["queryString", "name", "ids"];

pub(super) const ENDPOINTS: &[Endpoint] = &[
    endpoint!(get "/api/status" status::find "Whether the API answers; a little more with a key")
        .proved_by(Proof::KeyOrNothing)
        .shows(Shown::Perhaps("Status")),
    // Tenants.
    endpoint!(get "/api/tenant" tenants::list "All tenants").shows(Shown::Many("tenants", "Tenant")),
    endpoint!(post "/api/tenant" tenants::create "Makes a tenant").sends(One("tenant", "Tenant")).shows(TENANT),
    endpoint!(get "/api/tenant/search" tenants::search "Searches tenants")
        .asks(&["name", "numberOfResults", "startRow", "orderBy"])
        .shows(Shown::Page("tenants", "Tenant")),
    endpoint!(post "/api/tenant/search" tenants::search "Searches tenants")
        .sends(Search(&["name"]))
        .shows(Shown::Page("tenants", "Tenant")),
    endpoint!(get "/api/tenant/{id}" tenants::find "A tenant").shows(TENANT),
    endpoint!(post "/api/tenant/{id}" tenants::create "Makes a tenant with this id")
        .sends(One("tenant", "Tenant"))
        .shows(TENANT),
    endpoint!(put "/api/tenant/{id}" tenants::replace "Replaces a tenant").sends(One("tenant", "Tenant")).shows(TENANT),
    endpoint!(patch "/api/tenant/{id}" tenants::change "Changes a tenant")
        .sends(Change("tenant"))
        .shows(TENANT),
    endpoint!(delete "/api/tenant/{id}" tenants::delete "Deletes a tenant with everything in it")
        .asks(&["async"])
        .sends(Optional("Deletion"))
        .also(&[(202, Shown::Nothing)]),
    // Keys that tokens are signed with.
    endpoint!(get "/api/key" keys::list "All signing keys").shows(Shown::Many("keys", "Key")),
    endpoint!(get "/api/key/search" keys::search "Searches signing keys")
        .asks(&["algorithm", "name", "type", "numberOfResults", "startRow", "orderBy"])
        .shows(Shown::Page("keys", "Key")),
    endpoint!(post "/api/key/search" keys::search "Searches signing keys")
        .sends(Search(KEY_SEARCH))
        .shows(Shown::Page("keys", "Key")),
    endpoint!(post "/api/key/generate" keys::generate "Generates a signing key").sends(One("key", "Key")).shows(KEY),
    endpoint!(post "/api/key/generate/{id}" keys::generate "Generates a signing key with this id")
        .sends(One("key", "Key"))
        .shows(KEY),
    endpoint!(post "/api/key/import" keys::import "Takes a signing key: PEM, or a shared secret")
        .sends(One("key", "Key"))
        .shows(KEY),
    endpoint!(post "/api/key/import/{id}" keys::import "Takes a signing key with this id")
        .sends(One("key", "Key"))
        .shows(KEY),
    endpoint!(get "/api/key/{id}" keys::find "A signing key, without its private half").shows(KEY),
    endpoint!(put "/api/key/{id}" keys::replace "Renames a signing key").sends(One("key", "Key")).shows(KEY),
    endpoint!(delete "/api/key/{id}" keys::delete "Deletes a signing key that no tenant signs with"),
    // Keys of this API.
    endpoint!(post "/api/api-key" api_keys::create "Makes an API key").sends(One("apiKey", "ApiKey")).shows(API_KEY),
    endpoint!(get "/api/api-key/{id}" api_keys::find "An API key, without its text").shows(API_KEY),
    endpoint!(post "/api/api-key/{id}" api_keys::create "Makes an API key with this id")
        .sends(One("apiKey", "ApiKey"))
        .shows(API_KEY),
    endpoint!(put "/api/api-key/{id}" api_keys::replace "Replaces an API key")
        .sends(One("apiKey", "ApiKey"))
        .shows(API_KEY),
    endpoint!(patch "/api/api-key/{id}" api_keys::change "Changes an API key")
        .sends(Change("apiKey"))
        .shows(API_KEY),
    endpoint!(delete "/api/api-key/{id}" api_keys::delete "Deletes an API key"),
    // What happened.
    endpoint!(get "/api/system/event-log/search" event_log::search "Searches the event log")
        .asks(&["message", "type", "start", "end", "numberOfResults", "startRow", "orderBy"])
        .shows(Shown::Page("eventLogs", "EventLog")),
    endpoint!(post "/api/system/event-log/search" event_log::search "Searches the event log")
        .sends(Search(EVENT_SEARCH))
        .shows(Shown::Page("eventLogs", "EventLog")),
    endpoint!(get "/api/system/event-log/{id}" event_log::find "An entry of the event log")
        .shows(Shown::One("eventLog", "EventLog")),
    // Entity types and their permissions.
    endpoint!(get "/api/entity/type" entity_types::list "All entity types")
        .shows(Shown::Many("entityTypes", "EntityType")),
    endpoint!(post "/api/entity/type" entity_types::create "Makes an entity type")
        .sends(One("entityType", "EntityType"))
        .shows(ENTITY_TYPE),
    endpoint!(get "/api/entity/type/search" entity_types::search "Searches entity types")
        .asks(&["name", "numberOfResults", "startRow", "orderBy"])
        .shows(Shown::Page("entityTypes", "EntityType")),
    endpoint!(post "/api/entity/type/search" entity_types::search "Searches entity types")
        .sends(Search(&["name"]))
        .shows(Shown::Page("entityTypes", "EntityType")),
    endpoint!(get "/api/entity/type/{id}" entity_types::find "An entity type").shows(ENTITY_TYPE),
    endpoint!(post "/api/entity/type/{id}" entity_types::create "Makes an entity type with this id")
        .sends(One("entityType", "EntityType"))
        .shows(ENTITY_TYPE),
    endpoint!(put "/api/entity/type/{id}" entity_types::replace "Replaces an entity type but for its permissions")
        .sends(One("entityType", "EntityType"))
        .shows(ENTITY_TYPE),
    endpoint!(patch "/api/entity/type/{id}" entity_types::change "Changes an entity type but for its permissions")
        .sends(Change("entityType"))
        .shows(ENTITY_TYPE),
    endpoint!(delete "/api/entity/type/{id}" entity_types::delete "Deletes an entity type that no entity has"),
    endpoint!(post "/api/entity/type/{id}/permission" entity_types::add_permission "Adds a permission")
        .sends(One("permission", "Permission"))
        .shows(PERMISSION),
    endpoint!(post "/api/entity/type/{id}/permission/{permission}" entity_types::add_permission_with_id "Adds a permission")
        .sends(One("permission", "Permission"))
        .shows(PERMISSION),
    endpoint!(put "/api/entity/type/{id}/permission/{permission}" entity_types::replace_permission "Replaces a permission")
        .sends(One("permission", "Permission"))
        .shows(PERMISSION),
    endpoint!(patch "/api/entity/type/{id}/permission/{permission}" entity_types::change_permission "Changes a permission")
        .sends(Change("permission"))
        .shows(PERMISSION),
    endpoint!(delete "/api/entity/type/{id}/permission/{permission}" entity_types::remove_permission "Removes a permission from the type and from every grant"),
    // Entities and grants.
    endpoint!(post "/api/entity" entities::create "Makes an entity").sends(One("entity", "Entity")).shows(ENTITY),
    endpoint!(get "/api/entity/search" entities::search "Searches entities")
        .asks(&["queryString", "name", "ids", "numberOfResults", "startRow", "orderBy"])
        .shows(Shown::Page("entities", "Entity")),
    endpoint!(post "/api/entity/search" entities::search "Searches entities")
        .sends(Search(ENTITY_SEARCH))
        .shows(Shown::Page("entities", "Entity")),
    endpoint!(put "/api/entity/search" entities::reindex "Does nothing: there is no index to rebuild").sends(Nothing),
    endpoint!(get "/api/entity/grant/search" entity_grants::search "Searches grants")
        .asks(&["entityId", "name", "userId", "numberOfResults", "startRow", "orderBy"])
        .shows(Shown::Page("grants", "Grant")),
    endpoint!(post "/api/entity/grant/search" entity_grants::search "Searches grants")
        .sends(Search(GRANT_SEARCH))
        .shows(Shown::Page("grants", "Grant")),
    endpoint!(get "/api/entity/{id}" entities::find "An entity, without its secret").shows(ENTITY),
    endpoint!(post "/api/entity/{id}" entities::create "Makes an entity with this id")
        .sends(One("entity", "Entity"))
        .shows(ENTITY),
    endpoint!(put "/api/entity/{id}" entities::replace "Replaces an entity").sends(One("entity", "Entity")).shows(ENTITY),
    endpoint!(patch "/api/entity/{id}" entities::change "Changes an entity")
        .sends(Change("entity"))
        .shows(ENTITY),
    endpoint!(delete "/api/entity/{id}" entities::delete "Deletes an entity and its grants"),
    endpoint!(get "/api/entity/{id}/grant" entity_grants::find "The grants on an entity, or one of them")
        .asks(&["recipientEntityId", "userId"])
        .shows(Shown::OneOrMany(("grant", "grants"), "Grant")),
    endpoint!(post "/api/entity/{id}/grant" entity_grants::upsert "Grants permissions on an entity")
        .sends(One("grant", "NewGrant")),
    endpoint!(put "/api/entity/{id}/grant" entity_grants::upsert "Grants permissions on an entity")
        .sends(One("grant", "NewGrant")),
    endpoint!(delete "/api/entity/{id}/grant" entity_grants::delete "Takes a grant back")
        .asks(&["recipientEntityId", "userId"]),
];
