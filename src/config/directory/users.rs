//! `directory.users` - people whom the configuration knows: the first administrator, accounts of a test system.
//!
//! Owns the syntax. What a user may be is `directory`'s rule, and is checked here where it stands.

use serde_json::Map;

use super::super::check::{Check, Fields};
use super::super::free;
use super::super::node::{Entry, Node, Scalar, Value};
use super::super::problem::Span;
use super::super::process::word;
use super::super::scalar::Refusal;
use super::{note_errors, tenant_of, uuid};
use crate::directory::declare::{ApplicationDeclaration, Declaration, RegistrationDeclaration, UserDeclaration};
use crate::model::{PasswordChange, TenantSettings, UserProfile};

pub(in crate::config) const KEYS: &[&str] = &[
    "id",
    "tenant",
    "email",
    "username",
    "email_verified",
    "password",
    "password_hash",
    "password_change",
    "expires",
    "name",
    "given_name",
    "middle_name",
    "family_name",
    "nickname",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "data",
    "registrations",
];
pub(in crate::config) const REGISTRATION_KEYS: &[&str] = &["roles", "data"];

/// Where what the rules say about a field stands in the file.
const PLACES: &[(&str, &str)] = &[
    ("user.email", "email"),
    ("user.username", "username"),
    ("user.passwordHash", "password_hash"),
    ("user.password", "password"),
    ("user.fullName", "name"),
    ("user.firstName", "given_name"),
    ("user.middleName", "middle_name"),
    ("user.lastName", "family_name"),
    ("user.nickname", "nickname"),
    ("user.profile", "profile"),
    ("user.imageUrl", "picture"),
    ("user.website", "website"),
    ("user.gender", "gender"),
    ("user.birthDate", "birthdate"),
    ("user.timezone", "zoneinfo"),
    ("user.locale", "locale"),
    ("user.mobilePhone", "phone_number"),
    ("user.address", "address"),
    ("user.data", "data"),
];

pub(super) fn user(
    entry: &Entry,
    node: &Node,
    declared: &Declaration,
    check: &mut Check<'_>,
) -> Option<UserDeclaration> {
    let fields = Fields::open(node, KEYS, check)?;
    let tenant = tenant_of(&fields, declared, check);
    // The key is how the user logs in; the other name may stand below it.
    let (mut email, mut username) = (fields.text("email", check), fields.text("username", check));
    let (key, named) = if entry.key.contains('@') { ("email", &mut email) } else { ("username", &mut username) };
    if named.is_some() {
        let span = fields.entry(key).map_or(entry.key_span, |entry| entry.key_span);
        check.refuse(span, format!("the {key} is {:?} already", entry.key));
    }
    *named = Some(entry.key.clone());
    let registrations = fields.find("registrations").map_or_else(Vec::new, |node| {
        let entries = check.entries(node);
        entries.iter().filter_map(|entry| registration(entry, tenant.as_deref(), declared, check)).collect()
    });
    let changes = PasswordChange::ALL.map(PasswordChange::as_str);
    let user = UserDeclaration {
        name: entry.key.clone(),
        id: uuid(&fields, check),
        email,
        username,
        email_verified: fields.boolean("email_verified", check).unwrap_or(false),
        password: fields.secret("password", 1, check),
        password_hash: fields.secret("password_hash", 1, check),
        password_change: word(&fields, "password_change", &changes, check).and_then(PasswordChange::parse),
        expires_at: fields.find("expires").and_then(|node| check.parsed(node, instant)),
        profile: profile(&fields, check),
        registrations,
        tenant,
    };
    let of_tenant = declared.tenants.iter().find(|tenant| user.tenant.as_deref() == Some(&tenant.name));
    let default = TenantSettings::default();
    let errors = user.problems(of_tenant.and_then(|tenant| tenant.settings.as_ref()).unwrap_or(&default));
    // What the key itself is wrong about is pointed at there.
    let (own, errors): (Vec<_>, Vec<_>) = errors.into_iter().partition(|error| error.field == format!("user.{key}"));
    for error in own {
        check.refuse(entry.key_span, format!("{:?} {}", entry.key, error.message));
    }
    note_errors(errors, &fields, PLACES, check);
    Some(user)
}

fn profile(fields: &Fields<'_>, check: &mut Check<'_>) -> UserProfile {
    let mut profile = UserProfile::default();
    for (key, field) in [
        ("name", &mut profile.name),
        ("given_name", &mut profile.given_name),
        ("middle_name", &mut profile.middle_name),
        ("family_name", &mut profile.family_name),
        ("nickname", &mut profile.nickname),
        ("profile", &mut profile.profile),
        ("picture", &mut profile.picture),
        ("website", &mut profile.website),
        ("gender", &mut profile.gender),
        ("birthdate", &mut profile.birthdate),
        ("zoneinfo", &mut profile.zoneinfo),
        ("locale", &mut profile.locale),
        ("phone_number", &mut profile.phone_number),
    ] {
        *field = fields.text(key, check);
    }
    profile.phone_number_verified = fields.boolean("phone_number_verified", check).unwrap_or(false);
    profile.address = fields.find("address").map(|node| free::object(node, check));
    profile.data = fields.find("data").map_or_else(Map::new, |node| free::object(node, check));
    profile
}

fn registration(
    entry: &Entry,
    tenant: Option<&str>,
    declared: &Declaration,
    check: &mut Check<'_>,
) -> Option<RegistrationDeclaration> {
    let application = application_called(entry, tenant, declared);
    if application.is_none() && !declared.is_open {
        let candidates = declared.applications.iter().filter(|application| application.tenant.as_deref() == tenant);
        let known: Vec<&str> = candidates.map(|application| application.name.as_str()).collect();
        check.refuse_word(entry.key_span, format!("unknown application {:?}", entry.key), &entry.key, &known);
        return None;
    }
    // A list of roles, or a mapping with more.
    let (roles, data) = match &entry.value.value {
        Value::Null => (None, Map::new()),
        Value::Map(_) => {
            let fields = Fields::open(&entry.value, REGISTRATION_KEYS, check)?;
            let data = fields.find("data").map_or_else(Map::new, |node| free::object(node, check));
            (fields.find("roles"), data)
        }
        Value::Scalar(_) | Value::List(_) | Value::Unusable => (Some(&entry.value), Map::new()),
    };
    let roles = roles.map(|node| {
        let mut roles = Vec::new();
        for (role, span) in check.texts(node) {
            if let Some(application) = application {
                refuse_unknown_role(application, role, span, check);
            }
            roles.push(role.text.clone());
        }
        roles
    });
    let name = application.map_or(&entry.key, |application| &application.name);
    Some(RegistrationDeclaration { application: name.clone(), roles, data })
}

fn refuse_unknown_role(application: &ApplicationDeclaration, role: &Scalar, span: Span, check: &mut Check<'_>) {
    let known: Vec<&str> = application.roles.iter().map(|role| role.name.as_str()).collect();
    if !known.contains(&role.text.as_str()) {
        let message = format!("application {:?} has no role {}", application.name, role.shown());
        check.refuse_word(span, message, &role.text, &known);
    }
}

/// A declared application of the tenant, by name or id.
fn application_called<'d>(
    entry: &Entry,
    tenant: Option<&str>,
    declared: &'d Declaration,
) -> Option<&'d ApplicationDeclaration> {
    let mut candidates = declared.applications.iter().filter(|application| application.tenant.as_deref() == tenant);
    candidates.find(|application| application.name == entry.key || super::is_id(&entry.key, application.id))
}

/// `2030-01-01`, or `2030-01-01T12:00:00Z`.
fn instant(text: &str) -> Result<i64, Refusal> {
    let refused = || Refusal { expected: "a day like 2030-01-01, or an instant like 2030-01-01T12:00:00Z", help: None };
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let instant = humantime::parse_rfc3339(&text).map_err(|_| refused())?;
    let since = instant.duration_since(std::time::UNIX_EPOCH).map_err(|_| refused())?;
    i64::try_from(since.as_secs()).map_err(|_| refused())
}
