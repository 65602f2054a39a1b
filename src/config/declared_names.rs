//! Names in rules that look like slips of what the configuration declares: a rule that nobody can meet refuses everybody.
//!
//! Owns what is noted. It refuses nothing: commands, other issuers and the management API make names, too.

use super::check::Check;
use super::problem::Span;
use super::suggest::closest;
use crate::directory::declare::Declaration;
use crate::policy::{Rule, RuleKind, Target};

const HELP: &str = "correct it, or declare it in `directory:`";

/// Notes each name in the rule, written at `span`, that is near to a declared one and is none.
pub(super) fn note_slips((rule, span): (&Rule, Span), declared: &Declaration, check: &mut Check<'_>) {
    match &rule.kind {
        RuleKind::Scopes(scopes) | RuleKind::AnyScope(scopes) => {
            for scope in scopes {
                note(("scope", scope), &declared_scopes(declared), span, check);
            }
        }
        RuleKind::Role(role) => {
            let roles = declared.applications.iter().flat_map(|application| &application.roles);
            note(("role", role), &roles.map(|role| &*role.name).collect::<Vec<_>>(), span, check);
        }
        RuleKind::Permission { permission, on } => note_permission((permission, on), declared, span, check),
        RuleKind::All(rules) | RuleKind::Any(rules) => {
            rules.iter().for_each(|rule| note_slips((rule, span), declared, check));
        }
        RuleKind::Not(rule) => note_slips((rule, span), declared, check),
        RuleKind::Public
        | RuleKind::Authenticated
        | RuleKind::Acr(_)
        | RuleKind::AuthenticatedWithin(_)
        | RuleKind::ClaimEquals(..)
        | RuleKind::ClaimIn(..)
        | RuleKind::ClaimEqualsParameter(..) => {}
    }
}

fn note_permission((permission, on): (&str, &Target), declared: &Declaration, span: Span, check: &mut Check<'_>) {
    let types = &declared.entity_types;
    let permissions = |name: Option<&str>| -> Vec<&str> {
        let meant = types.iter().filter(|of| name.is_none_or(|name| of.name == name));
        meant.flat_map(|of| &of.permissions).map(|permission| &*permission.name).collect()
    };
    let Target::Entity(target) = on else {
        return note(("permission", permission), &permissions(None), span, check);
    };
    let is_called = |id: Option<uuid::Uuid>| id.is_some_and(|id| id.to_string() == target.to_ascii_lowercase());
    let entity = declared.entities.iter().find(|entity| entity.name == *target || is_called(entity.id));
    let Some(entity) = entity else {
        let names: Vec<&str> = declared.entities.iter().map(|entity| &*entity.name).collect();
        note(("entity", target), &names, span, check);
        return note(("permission", permission), &permissions(None), span, check);
    };
    let of_type = permissions(Some(&entity.entity_type));
    if !of_type.is_empty() && !of_type.contains(&permission) {
        let message = format!(
            "entity {target:?} is of type {:?}, which has no permission {permission:?}; it has {}",
            entity.entity_type,
            of_type.join(", ")
        );
        check.note(span, message, HELP);
    }
}

fn declared_scopes(declared: &Declaration) -> Vec<&str> {
    let applications = declared.applications.iter().flat_map(|application| &application.settings.scopes);
    let tenants = declared.tenants.iter().filter_map(|tenant| tenant.settings.as_ref());
    let apis = tenants.clone().flat_map(|settings| &settings.apis).flat_map(|api| &api.scopes);
    let registering = tenants.filter_map(|settings| settings.client_registration.as_ref());
    let own = applications.chain(registering.flat_map(|registration| &registration.scopes));
    own.map(|scope| &*scope.name).chain(apis.map(|scope| &**scope)).collect()
}

fn note((what, word): (&str, &str), known: &[&str], span: Span, check: &mut Check<'_>) {
    if known.contains(&word) {
        return;
    }
    if let Some(near) = closest(word, known.iter().copied()) {
        check.note(span, format!("no {what} is declared as {word:?} — did you mean {near:?}?"), HELP);
    }
}
