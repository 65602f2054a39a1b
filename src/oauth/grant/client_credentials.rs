//! Client credentials between entities (CONTRACT 2.M): a recipient asks for what it was granted on targets.
//!
//! Owns the scope grammar and the all-or-nothing check; it does not mint tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::directory::Directory;
use crate::model::{Entity, EntityGrant};
use crate::oauth::AuthorizationServer;
use crate::oauth::error::{ErrorReason, OAuthError};
use crate::oauth::grant::GrantType;
use crate::oauth::issue::{Entitlement, Target};
use crate::oauth::parameters::Parameters;
use crate::store;

/// Rule N6.
const MAX_SCOPE_BYTES: usize = 4 * 1024;
const MAX_SCOPE_VALUES: usize = 64;
pub(super) const PREFIX: &str = "target-entity:";

/// What the recipient asks for.
pub(super) struct Request<'a> {
    /// As it was sent, because it is echoed (F-187).
    scope: Option<&'a str>,
    targets: Vec<Asked<'a>>,
}

/// One word of the scope: a target, and the permissions wanted on it. None named means all that are granted (F-190).
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    id_or_name: &'a str,
    permissions: Option<Vec<&'a str>>,
}

impl<'a> Request<'a> {
    pub(super) fn parse(form: &'a Parameters<'a>) -> Result<Self, OAuthError> {
        Self::of_scope(form.find("scope"))
    }

    pub(super) fn of_scope(scope: Option<&'a str>) -> Result<Self, OAuthError> {
        let Some(scope) = scope else {
            return Ok(Self { scope: None, targets: Vec::new() });
        };
        let words = || scope.split(' ').filter(|word| !word.is_empty());
        if scope.len() > MAX_SCOPE_BYTES || words().count() > MAX_SCOPE_VALUES {
            return Err(OAuthError::invalid_scope(ErrorReason::UnknownScope, "The scope is too long."));
        }
        let targets = words().map(Asked::parse).collect::<Result<Vec<_>, _>>()?;
        // White space alone asks for nothing.
        let scope = Some(scope).filter(|_| !targets.is_empty());
        Ok(Self { scope, targets })
    }
}

impl<'a> Asked<'a> {
    /// `target-entity:` id or name [`:` permission {`,` permission}]. A permission may contain colons (F-188).
    fn parse(word: &'a str) -> Result<Self, OAuthError> {
        let target = word.strip_prefix(PREFIX).ok_or_else(|| {
            OAuthError::invalid_scope(ErrorReason::UnknownScope, "The scope has a value that is not target-entity:ID.")
        })?;
        let (id_or_name, permissions) = match target.split_once(':') {
            Some((id_or_name, permissions)) => (id_or_name, Some(permissions.split(',').collect::<Vec<_>>())),
            None => (target, None),
        };
        if id_or_name.is_empty() {
            return Err(unknown_target());
        }
        if permissions.as_ref().is_some_and(|permissions| permissions.contains(&"")) {
            return Err(not_permitted());
        }
        Ok(Self { id_or_name, permissions })
    }

    /// The permissions asked for, all of which must have been granted (F-191).
    fn of<'g>(&self, grant: &'g EntityGrant) -> Result<Vec<&'g String>, OAuthError> {
        let granted = grant.permissions.iter();
        let Some(asked) = &self.permissions else {
            return Ok(granted.collect());
        };
        let find = |name: &&str| granted.clone().find(|granted| granted == name).ok_or_else(not_permitted);
        asked.iter().map(find).collect()
    }
}

impl AuthorizationServer {
    /// # Errors
    /// `invalid_scope` if any target is unknown, of another tenant or not granted, or any permission is not.
    pub(super) async fn redeem_client_credentials(
        &self,
        recipient: &Entity,
        request: Request<'_>,
    ) -> Result<Entitlement, OAuthError> {
        // In the order asked for; a target that is asked for twice appears once, with everything.
        let mut targets: Vec<(Uuid, BTreeSet<String>)> = Vec::with_capacity(request.targets.len());
        for asked in &request.targets {
            let found = self.directory.find_target(recipient.tenant_id, asked.id_or_name).await?;
            let target = found.ok_or_else(unknown_target)?;
            let grant = self.directory.find_grant(recipient.id, target.id).await?.ok_or_else(unknown_target)?;
            let permissions = asked.of(&grant)?.into_iter().cloned();
            match targets.iter_mut().find(|(id, _)| *id == target.id) {
                Some((_, held)) => held.extend(permissions),
                None => targets.push((target.id, permissions.collect())),
            }
        }
        let target = |(id, permissions): (Uuid, BTreeSet<String>)| Target {
            id: id.to_string(),
            permissions: permissions.into_iter().collect(),
        };
        let entity_type = self.directory.entity_type(recipient.type_id).await?;
        Ok(Entitlement {
            grant_type: GrantType::ClientCredentials,
            subject: recipient.id.to_string(),
            client_id: recipient.client_id.clone(),
            delegation: None,
            scope: request.scope.map(str::to_owned),
            targets: targets.into_iter().map(target).collect(),
            lives_for: entity_type.as_ref().and_then(|entity_type| entity_type.access_token_for),
            key: entity_type.as_ref().and_then(|entity_type| entity_type.access_token_key),
        })
    }
}

/// What is granted now of that which this scope once asked for, in its order: less when grants were taken away, more
/// when a target was asked for as a whole and more of it was granted.
///
/// # Errors
/// What the store answers instead.
pub async fn granted_now(directory: &Directory, recipient: &Entity, scope: &str) -> store::Result<Vec<Granted>> {
    let mut granted: Vec<Granted> = Vec::new();
    for asked in scope.split(' ').filter_map(|word| Asked::parse(word).ok()) {
        let Some(target) = directory.find_target(recipient.tenant_id, asked.id_or_name).await? else { continue };
        let Some(grant) = directory.find_grant(recipient.id, target.id).await? else { continue };
        let is_asked = |name: &&String| asked.permissions.as_ref().is_none_or(|asked| asked.contains(&name.as_str()));
        let permissions = grant.permissions.iter().filter(is_asked).cloned().collect();
        granted.push(Granted { target, permissions });
    }
    Ok(granted)
}

/// What somebody may do to a target.
#[derive(Clone, Debug)]
pub struct Granted {
    pub target: Arc<Entity>,
    pub permissions: Vec<String>,
}

/// The scope of a form, put together again from what was understood of it.
///
/// # Errors
/// What [`Request::parse`] refuses.
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::oauth) fn written_anew(form: &Parameters<'_>) -> Result<String, OAuthError> {
    let request = Request::parse(form)?;
    let words = request.targets.iter().map(|asked| match &asked.permissions {
        Some(permissions) => format!("{PREFIX}{}:{}", asked.id_or_name, permissions.join(",")),
        None => format!("{PREFIX}{}", asked.id_or_name),
    });
    Ok(words.collect::<Vec<_>>().join(" "))
}

/// One answer for unknown, foreign and not granted (F-189, F-195, F-196), so that nobody can list the others' entities.
pub(super) fn unknown_target() -> OAuthError {
    let description = "The scope names a target entity that does not exist or is not granted.";
    OAuthError::invalid_scope(ErrorReason::InvalidTargetEntityScope, description)
}

fn not_permitted() -> OAuthError {
    let description = "The scope names a permission that is not granted.";
    OAuthError::invalid_scope(ErrorReason::InvalidEntityPermissionScope, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Words = (String, Option<Vec<String>>);

    fn parse(scope: &str) -> Result<Vec<Words>, ErrorReason> {
        let body = format!("scope={}", scope.replace('%', "%25").replace('+', "%2B"));
        let form = Parameters::parse(body.as_bytes()).unwrap();
        let request = Request::parse(&form).map_err(|error| error.reason.unwrap())?;
        let owned = |permissions: Vec<&str>| permissions.into_iter().map(str::to_owned).collect();
        Ok(request
            .targets
            .into_iter()
            .map(|asked| (asked.id_or_name.to_owned(), asked.permissions.map(owned)))
            .collect())
    }

    fn all(target: &str) -> Words {
        (target.to_owned(), None)
    }

    fn some(target: &str, permissions: &[&str]) -> Words {
        (target.to_owned(), Some(permissions.iter().map(|&permission| permission.to_owned()).collect()))
    }

    // F-188
    #[test]
    fn the_grammar_splits_at_the_second_colon_and_at_commas() {
        let rows = [
            ("", vec![]),
            ("   ", vec![]),
            ("target-entity:a", vec![all("a")]),
            ("target-entity:a:read", vec![some("a", &["read"])]),
            ("target-entity:a:read,write", vec![some("a", &["read", "write"])]),
            ("target-entity:a:scim:user:read", vec![some("a", &["scim:user:read"])]),
            ("target-entity:a:x:y,z", vec![some("a", &["x:y", "z"])]),
            ("target-entity:a:read  target-entity:b", vec![some("a", &["read"]), all("b")]),
        ];
        for (scope, expected) in rows {
            assert_eq!(parse(scope), Ok(expected), "{scope}");
        }
    }

    // F-189, F-191, F-197
    #[test]
    fn other_words_are_refused_with_their_reason() {
        let rows = [
            ("openid", ErrorReason::UnknownScope),
            ("networks target-entity:a", ErrorReason::UnknownScope),
            ("target-entity", ErrorReason::UnknownScope),
            ("Target-Entity:a", ErrorReason::UnknownScope),
            ("target-entity:a\ttarget-entity:b,", ErrorReason::InvalidEntityPermissionScope),
            ("target-entity:", ErrorReason::InvalidTargetEntityScope),
            ("target-entity::read", ErrorReason::InvalidTargetEntityScope),
            ("target-entity:a:", ErrorReason::InvalidEntityPermissionScope),
            ("target-entity:a:,", ErrorReason::InvalidEntityPermissionScope),
            ("target-entity:a:read,", ErrorReason::InvalidEntityPermissionScope),
        ];
        for (scope, expected) in rows {
            assert_eq!(parse(scope), Err(expected), "{scope}");
        }
    }

    // N6
    #[test]
    fn a_scope_is_at_most_four_kibibytes_and_64_values() {
        assert!(parse(&["target-entity:a"; 64].join(" ")).is_ok());
        assert_eq!(parse(&["target-entity:a"; 65].join(" ")), Err(ErrorReason::UnknownScope));
        assert_eq!(parse(&format!("target-entity:{}", "a".repeat(4096))), Err(ErrorReason::UnknownScope));
    }
}
