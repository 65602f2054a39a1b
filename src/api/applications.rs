//! `/api/application`: clients that people log in to (F-001 to F-037). A secret is shown when it is made and never again.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer, nothing, present};
use super::call::{Call, milliseconds, path_id};
use super::members::Members;
use super::search::{self, Search};
use super::{Api, application_roles, application_scopes, application_settings, client_registration};
use crate::directory::{DirectoryError, FieldCode, KeySigner, KeyUse, NewApplication, NewSecret};
use crate::model::{Application, ApplicationSettings, CustomScope};
use crate::secret::Secret;

/// As callers see it.
fn shown(application: &Application) -> Value {
    let scope = |scope: &CustomScope| application_scopes::shown(application.id, scope);
    present(json!({
        "active": application.settings.is_active,
        "data": application.settings.data,
        "id": application.id,
        "insertInstant": milliseconds(application.created_at),
        "jwtConfiguration": application_settings::shown_tokens(&application.settings),
        "lastUpdateInstant": milliseconds(application.updated_at),
        "loginConfiguration": application_settings::shown_login(&application.settings),
        "name": application.name,
        "oauthConfiguration": application_settings::shown(application),
        "roles": application.roles.iter().map(application_roles::shown).collect::<Vec<Value>>(),
        "scopes": application.settings.scopes.iter().map(scope).collect::<Vec<Value>>(),
        "selfRegistered": application.settings.self_registered.as_ref().map(client_registration::shown_client),
        "state": if application.settings.is_active { "Active" } else { "Inactive" },
        "tenantId": application.tenant_id,
    }))
}

fn envelope(application: &Application, secret: Option<&Secret<String>>) -> Reply {
    let mut document = shown(application);
    if let Some(secret) = secret {
        document["oauthConfiguration"]["clientSecret"] = secret.expose().as_str().into();
    }
    json_answer(&json!({ "application": document }))
}

/// The secret is a member of `oauthConfiguration` here, and the life of refresh tokens one in minutes.
fn refusal(error: DirectoryError) -> Refusal {
    let (seconds, minutes) = (
        "application.jwtConfiguration.refreshTokenTimeToLiveInSeconds",
        "application.jwtConfiguration.refreshTokenTimeToLiveInMinutes",
    );
    let refusal = Refusal::from(error).about(seconds, minutes);
    refusal.about("application.clientSecret", "application.oauthConfiguration.clientSecret")
}

/// An application of another tenant than the caller's is as good as none.
pub(super) async fn existing(api: &Api, call: &Call, id: Uuid) -> Result<Application, Refusal> {
    let found = api.directory.read_application(id).await?;
    found.filter(|application| call.sees(application.tenant_id)).ok_or(Refusal::NotFound)
}

pub(super) async fn create(State(api): State<Api>, id: Option<Path<String>>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let id = id.map(|Path(id)| path_id(&id)).transpose()?;
    let body = call.json()?;
    let mut members = Members::of(&body, "application");
    let id = members.agrees_on_id(id);
    let name = members.required_text("name");
    let client_id = members.text("oauthConfiguration.clientId");
    let client_secret = members.text("oauthConfiguration.clientSecret").map(Secret::new);
    let mut settings = application_settings::read(&mut members, ApplicationSettings::default());
    let roles = members.each("roles", "role", application_roles::read_new);
    settings.scopes =
        members.each("scopes", "scope", |members| application_scopes::read(members, api.directory.new_id()));
    members.finish()?;
    let tenant_id = api.tenant_of(&call).await?;
    check_keys(&api, tenant_id, &settings).await?;
    let new = NewApplication {
        id,
        tenant_id,
        name,
        client_id,
        client_secret: client_secret.map_or(NewSecret::Generated, NewSecret::Chosen),
        roles,
        settings,
    };
    let made = api.directory.create_application(new).await.map_err(refusal)?;
    use_keys(&api, tenant_id, &made.application.settings).await?;
    envelope(&made.application, made.client_secret.as_ref())
}

pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    envelope(&existing(&api, &call, path_id(&id)?).await?, None)
}

/// `inactive=true` asks for those that nobody can use.
pub(super) async fn list(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let is_active = !call.query_flag("inactive");
    let mut applications = api.directory.applications(call.visible_tenant()).await?;
    applications.retain(|application| application.settings.is_active == is_active);
    let applications: Vec<Value> = applications.iter().map(shown).collect();
    json_answer(&json!({ "applications": applications }))
}

/// `reactivate=true` puts it back into use and changes nothing else.
pub(super) async fn replace(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, path_id(&id)?).await?;
    if call.query_flag("reactivate") {
        return envelope(&api.directory.reactivate_application(before.id).await?, None);
    }
    write(&api, before, &call.json()?).await
}

pub(super) async fn change(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, path_id(&id)?).await?;
    let document = call.patch()?.apply(json!({ "application": shown(&before) }))?;
    write(&api, before, &document).await
}

/// Roles and scopes have endpoints of their own, so that two administrators who each add one do not undo each other. A
/// secret that is sent replaces the one that there is.
async fn write(api: &Api, before: Application, document: &Value) -> Reply {
    let mut members = Members::of(document, "application");
    members.agrees_on_id(Some(before.id));
    let client_id = "oauthConfiguration.clientId";
    if members.text(client_id).is_some_and(|id| id != before.client_id) {
        members.refuse(client_id, FieldCode::Invalid, "cannot be changed");
    }
    let secret = members.text("oauthConfiguration.clientSecret").map(Secret::new);
    let after = Application {
        name: members.required_text("name"),
        settings: application_settings::read(&mut members, before.settings.clone()),
        ..before.clone()
    };
    members.finish()?;
    check_keys(api, before.tenant_id, &after.settings).await?;
    let changed = api.directory.change_application(&before, after, secret.as_ref()).await;
    let application = changed.map_err(refusal)?;
    use_keys(api, before.tenant_id, &application.settings).await?;
    envelope(&application, secret.as_ref())
}

/// The uses of keys that the settings ask for, with the members that name them.
fn uses(tenant_id: Uuid, settings: &ApplicationSettings) -> impl Iterator<Item = (KeyUse, &'static str)> {
    application_settings::keys(settings).map(move |(purpose, key_id, field)| {
        (KeyUse { key_id, purpose, signer: KeySigner::Applications(tenant_id) }, field)
    })
}

/// Before anything is written: whether the application can use the keys that it names.
async fn check_keys(api: &Api, tenant_id: Uuid, settings: &ApplicationSettings) -> Result<(), Refusal> {
    for (wanted, field) in uses(tenant_id, settings) {
        api.server.keys().check_key(wanted, None, field).await?;
    }
    Ok(())
}

/// Has the keys published that the application names, so that they may sign for it. Until then its tenant's sign.
async fn use_keys(api: &Api, tenant_id: Uuid, settings: &ApplicationSettings) -> Result<(), Refusal> {
    for (wanted, field) in uses(tenant_id, settings) {
        api.server.keys().use_key(wanted, field).await?;
    }
    Ok(())
}

/// Takes it out of use; deletes it with `hardDelete=true`.
pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let application = existing(&api, &call, path_id(&id)?).await?;
    match call.query_flag("hardDelete") {
        true => api.directory.delete_application(application.id).await?,
        false => api.directory.deactivate_application(application.id).await?,
    }
    nothing()
}

/// F-037: what a login page has to know, for everybody. A key that is sent must be right.
pub(super) async fn oauth_configuration(
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Reply {
    let id = path_id(&id)?;
    let application = match request.headers().contains_key(header::AUTHORIZATION) {
        true => existing(&api, &api.admit(request).await?, id).await?,
        false => api.directory.read_application(id).await?.ok_or(Refusal::NotFound)?,
    };
    let tenant = api.directory.tenant(application.tenant_id).await?;
    json_answer(&present(json!({
        "httpSessionMaxInactiveInterval": tenant.as_ref().map(|tenant| tenant.settings.session_idle_for),
        "logoutURL": tenant.as_ref().and_then(|tenant| tenant.settings.logout_uri.clone()),
        "oauthConfiguration": application_settings::shown(&application),
    })))
}

pub(super) async fn search(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let search = Search::of(&call, &["name", "state", "tenantId"])?;
    let mut members = search.members();
    let (name, tenant_id) = (members.text("name"), members.id("tenantId"));
    let state = members.text("state");
    let page = search::page(&mut members, &["name", "insertInstant"]);
    members.finish()?;
    let mut applications = api.directory.applications(call.visible_tenant()).await?;
    applications.retain(|application| {
        let own = if application.settings.is_active { "Active" } else { "Inactive" };
        state.as_ref().is_none_or(|state| state == own)
            && tenant_id.is_none_or(|id| id == application.tenant_id)
            && search::fits(&application.name, name.as_deref())
    });
    let (applications, total) = page.cut(applications, |by, a, b| match by {
        "insertInstant" => a.created_at.cmp(&b.created_at),
        _ => a.name.cmp(&b.name),
    });
    let applications: Vec<Value> = applications.iter().map(shown).collect();
    json_answer(&json!({ "applications": applications, "total": total }))
}
