//! `clientRegistration` of a tenant, and what is shown of clients that registered themselves (RFC 7591). Both are ours;
//! FusionAuth's clients do not know them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::present;
use super::application_scopes;
use super::call::milliseconds;
use super::members::Members;
use crate::directory::FieldCode;
use crate::model::{ClientRegistration, RegistrationMode, SelfRegistered};

/// As callers see it.
pub(super) fn shown(registration: &ClientRegistration) -> Value {
    let scope = |scope| {
        let mut shown = application_scopes::shown(Uuid::nil(), scope);
        if let Value::Object(members) = &mut shown {
            members.retain(|name, _| name != "applicationId" && name != "id");
        }
        shown
    };
    json!({
        "mode": registration.mode.as_str(),
        "redirectHosts": registration.redirect_hosts,
        "scopes": registration.scopes.iter().map(scope).collect::<Vec<Value>>(),
        "unusedTimeToLiveInSeconds": registration.unused_for,
    })
}

/// What a client said of itself, and when it is forgotten.
pub(super) fn shown_client(own: &SelfRegistered) -> Value {
    present(json!({
        "clientName": own.client_name,
        "scopes": own.scopes,
        "tokenEndpointAuthMethod": own.authentication_method,
        "unusedUntilInstant": own.unused_until.map(milliseconds),
    }))
}

/// What the members say; nothing is changed where nothing is said. A mode of `none` ends it.
pub(super) fn read(members: &mut Members<'_>, before: Option<ClientRegistration>) -> Option<ClientRegistration> {
    const MODE: &str = "clientRegistration.mode";
    if !members.has("clientRegistration") {
        return before;
    }
    if members.text(MODE).as_deref() == Some("none") {
        return None;
    }
    if !members.has(MODE) && before.is_none() {
        members.refuse(MODE, FieldCode::Missing, "says who may register: open, protected or none");
    }
    let mode = members.choice(MODE, &RegistrationMode::ALL, RegistrationMode::as_str);
    let registration = before.unwrap_or_else(|| ClientRegistration::new(RegistrationMode::Protected));
    let life = members.integer("clientRegistration.unusedTimeToLiveInSeconds");
    let mut registration = ClientRegistration {
        mode: mode.unwrap_or(registration.mode),
        redirect_hosts: members.texts("clientRegistration.redirectHosts"),
        unused_for: life.unwrap_or(registration.unused_for),
        ..registration
    };
    registration.scopes = members.each("clientRegistration.scopes", "tenant.clientRegistration.scopes", |members| {
        application_scopes::read(members, Uuid::nil())
    });
    Some(registration)
}
