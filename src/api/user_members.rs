//! The members of a `user` and of a `registration`: which of FusionAuth's are which of ours (D-13).
//!
//! Passwords, their hashes and the secrets of second factors are never among what is shown.

use serde_json::{Map, Value, json};

use super::answer::present;
use super::call::milliseconds;
use super::login::METHOD;
use super::members::Members;
use crate::model::{PasswordChange, Registration, User};

/// As callers see a user.
pub(super) fn shown(user: &User, registrations: &[Registration]) -> Value {
    let profile = &user.profile;
    let methods = if user.has_second_factor() { json!([{ "id": METHOD, "method": METHOD }]) } else { json!([]) };
    present(json!({
        "active": user.locked_at.is_none(),
        "birthDate": profile.birthdate,
        "data": profile.data,
        "email": user.email,
        "expiry": user.expires_at.map(milliseconds),
        "firstName": profile.given_name,
        "fullName": profile.name,
        "id": user.id,
        "imageUrl": profile.picture,
        "insertInstant": milliseconds(user.created_at),
        "lastName": profile.family_name,
        "lastUpdateInstant": milliseconds(user.updated_at),
        "middleName": profile.middle_name,
        "mobilePhone": profile.phone_number,
        "passwordChangeReason": user.password_change.map(reason),
        "passwordChangeRequired": user.password_change.is_some(),
        "passwordLastUpdateInstant": milliseconds(user.password_changed_at),
        "preferredLanguages": profile.locale.iter().chain(&profile.other_locales).collect::<Vec<_>>(),
        "registrations": registrations.iter().map(shown_registration).collect::<Vec<_>>(),
        "tenantId": user.tenant_id,
        "timezone": profile.zoneinfo,
        "twoFactor": { "methods": methods },
        "username": user.username,
        "usernameStatus": "ACTIVE",
        "verified": user.email_verified,
    }))
}

/// FusionAuth's name.
pub(super) fn reason(why: PasswordChange) -> &'static str {
    match why {
        PasswordChange::Administrative => "Administrative",
        PasswordChange::Breached => "Breached",
        PasswordChange::Expired => "Expired",
        PasswordChange::Validation => "Validation",
    }
}

/// As callers see a registration.
pub(super) fn shown_registration(registration: &Registration) -> Value {
    json!({
        "applicationId": registration.application_id,
        "data": registration.data,
        "insertInstant": milliseconds(registration.created_at),
        "lastUpdateInstant": milliseconds(registration.updated_at),
        "roles": registration.roles,
        "usernameStatus": "ACTIVE",
        "verified": true,
    })
}

/// What the members say, over what there is: what is left out is gone, but for what FusionAuth has no members for, a
/// required change of the password, and `verified` as long as the email stays the same.
pub(super) fn read(members: &mut Members<'_>, before: &User) -> User {
    let mut user = before.clone();
    user.email = members.text("email");
    user.username = members.text("username");
    // Nobody showed that a new address is theirs.
    let is_same = before.email.as_deref().map(str::to_lowercase) == user.email.as_deref().map(str::to_lowercase);
    user.email_verified = members.flag("verified").unwrap_or(is_same && before.email_verified);
    user.expires_at = members.integer("expiry").map(|at| at.div_euclid(1000));
    user.password_change = match members.flag("passwordChangeRequired") {
        Some(true) => Some(before.password_change.unwrap_or(PasswordChange::Administrative)),
        Some(false) => None,
        None => before.password_change,
    };
    let profile = &mut user.profile;
    for (name, text) in [
        ("birthDate", &mut profile.birthdate),
        ("firstName", &mut profile.given_name),
        ("fullName", &mut profile.name),
        ("imageUrl", &mut profile.picture),
        ("lastName", &mut profile.family_name),
        ("middleName", &mut profile.middle_name),
        ("timezone", &mut profile.zoneinfo),
    ] {
        *text = members.text(name);
    }
    let phone_number = members.text("mobilePhone");
    profile.phone_number_verified &= phone_number == profile.phone_number;
    profile.phone_number = phone_number;
    let mut languages = members.texts("preferredLanguages").into_iter();
    (profile.locale, profile.other_locales) = (languages.next(), languages.collect());
    profile.data = members.object("data").unwrap_or_default();
    user
}

/// Roles and data of a registration. Roles that are left out are `None`.
pub(super) fn read_registration(members: &mut Members<'_>) -> (Option<Vec<String>>, Map<String, Value>) {
    let roles = members.has("roles").then(|| members.texts("roles"));
    (roles, members.object("data").unwrap_or_default())
}
