//! `/api/tenant`: issuers with what they decide about logins and tokens (D-11).
//!
//! Owns which of FusionAuth's members we know. The others are kept out, not refused. `profile`, `openIntrospection`, `apis`
//! and `clientRegistration` are ours.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, accepted, json_answer, nothing};
use super::call::{Call, milliseconds, path_id};
use super::members::Members;
use super::search::{self, Search};
use super::{Api, client_registration, keys};
use crate::directory::{DirectoryError, FieldCode, KeySigner, KeyUse, NewTenant, check_signs_for, new_tenant};
use crate::model::{Api as ApiOfTenant, KeyPurpose, Profile, RefreshTokenUsage, Tenant};
use crate::oauth::KnownKey;

const MINUTE: i64 = 60;

/// Which keys sign what.
const KEY_MEMBERS: [(KeyPurpose, &str); 2] =
    [(KeyPurpose::AccessToken, "accessTokenKeyId"), (KeyPurpose::IdToken, "idTokenKeyId")];

/// As callers see it.
fn shown(tenant: &Tenant, keys: &[KnownKey]) -> Value {
    let settings = &tenant.settings;
    let api = |api: &ApiOfTenant| {
        json!({
            "allowOfflineAccess": api.allows_offline_access,
            "identifier": api.identifier,
            "scopes": api.scopes,
        })
    };
    let mut shown = json!({
        "apis": settings.apis.iter().map(api).collect::<Vec<Value>>(),
        "data": settings.data,
        "externalIdentifierConfiguration": {
            "authorizationGrantIdTimeToLiveInSeconds": settings.authorization_code_for,
            "deviceCodeTimeToLiveInSeconds": settings.device_code_for,
            "rememberOAuthScopeConsentChoiceTimeToLiveInSeconds": settings.remember_consent_for,
            "twoFactorIdTimeToLiveInSeconds": settings.interaction_for,
        },
        "failedAuthenticationConfiguration": { "tooManyAttempts": settings.login_attempts },
        "httpSessionMaxInactiveInterval": settings.session_idle_for,
        "id": tenant.id,
        "insertInstant": milliseconds(tenant.created_at),
        "jwtConfiguration": {
            "enabled": true,
            "refreshTokenTimeToLiveInMinutes": settings.refresh_tokens.absolute_for / MINUTE,
            "refreshTokenUsagePolicy": settings.refresh_tokens.usage.as_str(),
            "timeToLiveInSeconds": tenant.access_token_for,
        },
        "lastUpdateInstant": milliseconds(tenant.updated_at),
        "name": tenant.name,
        "passwordValidationRules": { "minLength": settings.password_min_length },
        "profile": tenant.profile.as_str(),
        "state": "Active",
        "openIntrospection": settings.open_introspection,
    });
    for (purpose, member) in KEY_MEMBERS {
        if let Some(id) = keys::current(keys, tenant, purpose) {
            shown["jwtConfiguration"][member] = json!(id);
        }
    }
    if let Some(registration) = &settings.client_registration {
        shown["clientRegistration"] = client_registration::shown(registration);
    }
    if let Some(issuer) = &tenant.issuer {
        shown["issuer"] = issuer.as_str().into();
    }
    if let Some(uri) = &settings.logout_uri {
        shown["logoutURL"] = uri.as_str().into();
    }
    shown
}

/// What the members say, over what there is.
fn read(members: &mut Members<'_>, before: Tenant) -> Tenant {
    let mut tenant = before;
    let settings = &mut tenant.settings;
    for (name, value) in [
        (
            "externalIdentifierConfiguration.authorizationGrantIdTimeToLiveInSeconds",
            &mut settings.authorization_code_for,
        ),
        ("externalIdentifierConfiguration.deviceCodeTimeToLiveInSeconds", &mut settings.device_code_for),
        (
            "externalIdentifierConfiguration.rememberOAuthScopeConsentChoiceTimeToLiveInSeconds",
            &mut settings.remember_consent_for,
        ),
        ("externalIdentifierConfiguration.twoFactorIdTimeToLiveInSeconds", &mut settings.interaction_for),
        ("httpSessionMaxInactiveInterval", &mut settings.session_idle_for),
        ("jwtConfiguration.timeToLiveInSeconds", &mut tenant.access_token_for),
    ] {
        *value = members.integer(name).unwrap_or(*value);
    }
    if let Some(minutes) = members.integer("jwtConfiguration.refreshTokenTimeToLiveInMinutes") {
        // A shorter unit than ours is not lost as long as nothing changes.
        if minutes != settings.refresh_tokens.absolute_for / MINUTE {
            settings.refresh_tokens.absolute_for = minutes.saturating_mul(MINUTE);
        }
    }
    if let Some(name) = members.text("jwtConfiguration.refreshTokenUsagePolicy") {
        match RefreshTokenUsage::parse(&name) {
            Some(usage) => settings.refresh_tokens.usage = usage,
            None => {
                let message = "is not Reusable or OneTimeUse";
                members.refuse("jwtConfiguration.refreshTokenUsagePolicy", FieldCode::Invalid, message);
            }
        }
    }
    for (name, value) in [
        ("failedAuthenticationConfiguration.tooManyAttempts", &mut settings.login_attempts),
        ("passwordValidationRules.minLength", &mut settings.password_min_length),
    ] {
        match members.integer(name).map(u32::try_from) {
            Some(Ok(number)) => *value = number,
            Some(Err(_)) => members.refuse(name, FieldCode::Invalid, "is not a whole number that small or large"),
            None => {}
        }
    }
    if let Some(open) = members.flag("openIntrospection") {
        settings.open_introspection = open;
    }
    if let Some(name) = members.text("profile") {
        match Profile::parse(&name) {
            Some(profile) => {
                tenant.profile = profile;
                speak_with_keys_of(&mut tenant, profile);
            }
            None => {
                let names = Profile::ALL.map(Profile::as_str).join(", ");
                members.refuse("profile", FieldCode::Invalid, format_args!("is not one of {names}"));
            }
        }
    }
    if let Some(apis) = read_apis(members) {
        tenant.settings.apis = apis;
    }
    let before = tenant.settings.client_registration.take();
    tenant.settings.client_registration = client_registration::read(members, before);
    tenant.settings.data = members.object("data").unwrap_or_default();
    tenant.issuer = members.text("issuer");
    tenant.settings.logout_uri = members.text("logoutURL");
    tenant.name = members.required_text("name");
    tenant
}

/// `None` when nothing is said about them: FusionAuth's clients do not know them.
fn read_apis(members: &mut Members<'_>) -> Option<Vec<ApiOfTenant>> {
    if !members.has("apis") {
        return None;
    }
    let mut apis = Vec::new();
    for (index, api) in members.list("apis").into_iter().enumerate() {
        let name = format!("tenant.apis[{index}]");
        let wrapped = Value::Object([(name.clone(), api.clone())].into_iter().collect());
        let mut own = Members::of(&wrapped, &name);
        apis.push(ApiOfTenant {
            identifier: own.required_text("identifier"),
            scopes: own.texts("scopes"),
            allows_offline_access: own.flag("allowOfflineAccess").unwrap_or(false),
        });
        members.adopt(own);
    }
    Some(apis)
}

/// D6: a tenant that gets another profile signs with what clients of that profile know.
fn speak_with_keys_of(tenant: &mut Tenant, profile: Profile) {
    let default = new_tenant(tenant.id, &tenant.name, profile, tenant.created_at);
    if check_signs_for(tenant, &tenant.access_token_algorithm).is_some() {
        tenant.access_token_algorithm = default.access_token_algorithm;
    }
    if check_signs_for(tenant, &tenant.id_token_algorithm).is_some() {
        tenant.id_token_algorithm = default.id_token_algorithm;
    }
}

async fn envelope(api: &Api, tenant: &Tenant) -> Reply {
    json_answer(&json!({ "tenant": shown(tenant, &api.server.keys().known_keys().await?) }))
}

/// The uses of keys that a document asks for, with the members that name them.
fn uses(tenant_id: Uuid, ids: [Option<Uuid>; 2]) -> impl Iterator<Item = (KeyUse, &'static str)> {
    KEY_MEMBERS.into_iter().zip(ids).filter_map(move |((purpose, _), id)| {
        let field = match purpose {
            KeyPurpose::AccessToken => "tenant.jwtConfiguration.accessTokenKeyId",
            KeyPurpose::IdToken => "tenant.jwtConfiguration.idTokenKeyId",
            KeyPurpose::Forwarded => return None,
        };
        Some((KeyUse { key_id: id?, purpose, signer: KeySigner::Tenant(tenant_id) }, field))
    })
}

/// Before anything is written: whether the tenant, as it is going to be, can use these keys.
async fn check_keys(api: &Api, to_be: &Tenant, ids: [Option<Uuid>; 2]) -> Result<(), Refusal> {
    for (wanted, field) in uses(to_be.id, ids) {
        api.server.keys().check_key(wanted, Some(to_be), field).await?;
    }
    Ok(())
}

/// Has the tenant use these keys, and their algorithms.
async fn use_keys(api: &Api, tenant: Tenant, ids: [Option<Uuid>; 2]) -> Result<Tenant, Refusal> {
    let mut changed = tenant.clone();
    for (wanted, field) in uses(tenant.id, ids) {
        let algorithm = api.server.keys().use_key(wanted, field).await?;
        match wanted.purpose {
            KeyPurpose::AccessToken => changed.access_token_algorithm = algorithm,
            KeyPurpose::IdToken => changed.id_token_algorithm = algorithm,
            KeyPurpose::Forwarded => {}
        }
    }
    let written = match changed == tenant {
        true => tenant,
        false => api.directory.update_tenant(&tenant, changed).await?,
    };
    known_at_once(api).await;
    Ok(written)
}

/// The life of refresh tokens is a member in minutes here.
fn refusal(error: DirectoryError) -> Refusal {
    let (seconds, minutes) = (
        "tenant.jwtConfiguration.refreshTokenTimeToLiveInSeconds",
        "tenant.jwtConfiguration.refreshTokenTimeToLiveInMinutes",
    );
    Refusal::from(error).about(seconds, minutes)
}

/// A key of one tenant sees that one only.
async fn existing(api: &Api, call: &Call, id: &str) -> Result<Tenant, Refusal> {
    let id = path_id(id)?;
    if call.key.tenant_id.is_some_and(|own| own != id) {
        return Err(Refusal::Unauthorized);
    }
    api.directory.find_tenant(&id.to_string()).await?.ok_or(Refusal::NotFound)
}

pub(super) async fn create(State(api): State<Api>, id: Option<Path<String>>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let id = id.map(|Path(id)| path_id(&id)).transpose()?;
    let body = call.json()?;
    refuse_source(&body)?;
    let mut members = Members::of(&body, "tenant");
    let id = members.agrees_on_id(id);
    // Whoever makes a tenant with FusionAuth's request expects it to speak like one.
    let profile = members.text("profile").and_then(|name| Profile::parse(&name)).unwrap_or(Profile::FusionAuth);
    let tenant = read(&mut members, new_tenant(Uuid::nil(), "", profile, 0));
    let keys = keys::named(&mut members);
    members.finish()?;
    let tenant = Tenant { id: id.unwrap_or_else(|| api.directory.new_id()), ..tenant };
    check_keys(&api, &tenant, keys).await?;
    let new = NewTenant {
        id: Some(tenant.id),
        name: tenant.name,
        issuer: tenant.issuer,
        profile: tenant.profile,
        access_token_for: Some(tenant.access_token_for),
        access_token_algorithm: None,
        id_token_algorithm: None,
        settings: Some(tenant.settings),
    };
    let tenant = api.directory.create_tenant(new).await.map_err(refusal)?;
    envelope(&api, &use_keys(&api, tenant, keys).await?).await
}

/// No tenant is copied: what is asked for beside the copy would not be what is made.
fn refuse_source(body: &Value) -> Result<(), Refusal> {
    let name = "sourceTenantId";
    let mut members = Members::of_whole(body)?;
    if members.has(name) {
        members.refuse(name, FieldCode::Invalid, "tenants are not copied; say what the new one is to be");
    }
    members.finish()
}

pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    envelope(&api, &existing(&api, &call, &id).await?).await
}

pub(super) async fn list(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let keys = api.server.keys().known_keys().await?;
    let tenants: Vec<Value> = visible(&api, &call).await?.iter().map(|tenant| shown(tenant, &keys)).collect();
    json_answer(&json!({ "tenants": tenants }))
}

async fn visible(api: &Api, call: &Call) -> Result<Vec<Tenant>, Refusal> {
    let mut tenants = api.directory.tenants().await?;
    tenants.retain(|tenant| call.key.tenant_id.is_none_or(|own| own == tenant.id));
    Ok(tenants)
}

pub(super) async fn replace(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, &id).await?;
    let keys = api.server.keys().known_keys().await?;
    write(&api, &call, before, (&call.json()?, &keys)).await
}

pub(super) async fn change(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, &id).await?;
    let keys = api.server.keys().known_keys().await?;
    let document = call.patch()?.apply(json!({ "tenant": shown(&before, &keys) }))?;
    write(&api, &call, before, (&document, &keys)).await
}

async fn write(api: &Api, call: &Call, before: Tenant, (document, keys): (&Value, &[KnownKey])) -> Reply {
    let mut members = Members::of(document, "tenant");
    members.agrees_on_id(Some(before.id));
    let mut wanted = keys::named(&mut members);
    for ((purpose, _), id) in KEY_MEMBERS.into_iter().zip(&mut wanted) {
        // What is sent back as it was shown asks for nothing.
        *id = id.filter(|id| keys::current(keys, &before, purpose) != Some(*id));
    }
    let tenant = read(&mut members, before.clone());
    members.finish()?;
    if tenant.issuer != before.issuer || tenant.profile != before.profile {
        // Both are the whole gateway's business: whose tokens are believed by which name, and which paths are whose.
        call.require_global()?;
    }
    check_keys(api, &tenant, wanted).await?;
    let tenant = api.directory.update_tenant(&before, tenant).await.map_err(refusal)?;
    envelope(api, &use_keys(api, tenant, wanted).await?).await
}

/// With everything in it. `async=true`, in the query or in a body, does not wait for the end of it.
pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let tenant = existing(&api, &call, &id).await?;
    let in_body = !call.is_bare() && call.json()?.get("async") == Some(&Value::Bool(true));
    if api.server.keys().issuer(None).is_some_and(|default| default.tenant.id == tenant.id) {
        let message = "the default tenant cannot be deleted; its URLs are the gateway's own";
        return Err(Refusal::field("tenantId", FieldCode::InUse, message));
    }
    if in_body || call.query_flag("async") {
        tokio::spawn(async move {
            if let Err(refusal) = delete_now(&api, tenant.id).await {
                tracing::error!(tenant.id = %tenant.id, refusal = ?refusal, "A tenant could not be deleted.");
            }
        });
        return accepted();
    }
    delete_now(&api, tenant.id).await?;
    nothing()
}

async fn delete_now(api: &Api, id: Uuid) -> Result<(), Refusal> {
    api.directory.delete_tenant_with_all(id).await?;
    known_at_once(api).await;
    Ok(())
}

/// What was written about a tenant counts for the next token of this node. Other nodes hear of it, and so would this one.
async fn known_at_once(api: &Api) {
    if let Err(error) = api.server.keys().reload().await {
        tracing::warn!(error = %error, "Issuers and keys cannot be read again now; the change feed tries again.");
    }
}

pub(super) async fn search(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let search = Search::of(&call, &["name"])?;
    let mut members = search.members();
    let (name, page) = (members.text("name"), search::page(&mut members, &["name", "insertInstant"]));
    members.finish()?;
    let mut tenants = visible(&api, &call).await?;
    tenants.retain(|tenant| search::fits(&tenant.name, name.as_deref()));
    let (tenants, total) = page.cut(tenants, |by, a, b| match by {
        "insertInstant" => a.created_at.cmp(&b.created_at),
        _ => a.name.cmp(&b.name),
    });
    let keys = api.server.keys().known_keys().await?;
    let tenants: Vec<Value> = tenants.iter().map(|tenant| shown(tenant, &keys)).collect();
    json_answer(&json!({ "tenants": tenants, "total": total }))
}
