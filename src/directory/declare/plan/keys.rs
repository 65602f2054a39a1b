//! Which keys to make, and which of them tenants and applications are to sign with. What a key is made of never changes.

use uuid::Uuid;

use super::{Action, Place, Planner, Step, Write};
use crate::directory::declare::{KeyDeclaration, KeyWrite, NewDeclaredKey};
use crate::directory::{
    DirectoryError, FieldCode, FieldError, KeyMaterial, KeySigner, KeyUse, check_key_name, check_signs_for,
};
use crate::model::{KeyPurpose, NamedKey, Tenant};

/// What a key is to sign.
#[derive(Clone, Copy)]
pub(super) struct Signs<'a> {
    pub signer: KeySigner,
    /// The signer's, where it is of one.
    pub tenant: Option<&'a Tenant>,
    pub purpose: KeyPurpose,
}

impl Planner<'_> {
    /// Behind the tenants, which keys may belong to.
    pub(super) fn plan_keys(&mut self, declared: &[KeyDeclaration], stored: &[NamedKey]) {
        for (index, one) in declared.iter().enumerate() {
            let place = Place { field: format!("keys[{index}]"), what: "key", name: &one.name };
            if !self.refuses_repetition(&place, declared[..index].iter().any(|other| other.name == one.name)) {
                self.plan_key(&place, one, stored);
            }
        }
        for orphan in self.keys.take_orphans(self.terms) {
            let what = format!("key {:?}", orphan.name);
            // Behind the tenants that go: nobody signs with it then.
            self.last.push(Step::new(Action::Remove, what, Write::Key(KeyWrite::Delete(Box::new(orphan)))));
        }
    }

    fn plan_key(&mut self, place: &Place<'_>, declared: &KeyDeclaration, stored: &[NamedKey]) {
        let tenant = declared.tenant.as_deref().map(|name| self.tenant(place, Some(name))).transpose();
        let Some(tenant) = self.noted(tenant) else { return };
        let tenant_id = tenant.map(|tenant| tenant.id);
        // Several keys may have the same name: our own is meant.
        let terms = self.terms;
        let is_ours = |key: &&NamedKey| terms.owns(key.managed_by.as_deref());
        let ours_first = stored.iter().filter(is_ours).chain(stored.iter().filter(|key| !is_ours(key)));
        let claimed = self.claim(place, declared.id, ours_first);
        let Some(claimed) = self.noted(claimed) else { return };
        let id =
            declared.id.unwrap_or_else(|| NamedKey::id_of(&format!("{} key {}", self.terms.name(), declared.name)));
        if self.refuses_shared_id(place, self.keys.declared_as(id)) {
            return;
        }
        // Somebody may have given it another name.
        let found = claimed.or_else(|| stored.iter().find(|key| key.id == id && is_ours(key)));
        let errors = wrong_material(declared).into_iter().chain(check_key_name(&declared.name).err());
        let errors: Vec<FieldError> = errors.flat_map(fields_of).collect();
        let is_wrong = !errors.is_empty();
        self.note_all(place, errors);
        if is_wrong {
            return;
        }
        let brought = declared.material.read().ok().flatten();
        let key = match found {
            Some(found) => {
                let kid = brought.as_ref().map(|(public, _)| &**public.kid());
                if let Some(message) = difference(found, (declared, kid), tenant_id) {
                    self.errors.push(place.error(FieldCode::InUse, message));
                    return;
                }
                let key = NamedKey {
                    name: declared.name.clone(),
                    managed_by: self.terms.managed_by(),
                    updated_at: self.now,
                    ..found.clone()
                };
                if *found == (NamedKey { updated_at: found.updated_at, ..key.clone() }) {
                    self.unchanged += 1;
                } else {
                    let write = KeyWrite::Update(Box::new((found.clone(), key.clone())));
                    self.step(Action::Update, place.what(), Write::Key(write));
                }
                key
            }
            None => {
                let can_sign = brought.as_ref().is_none_or(|(_, private)| private.is_some());
                let key = NamedKey {
                    id,
                    kid: brought.map(|(public, _)| public.kid().to_string()).unwrap_or_default(),
                    name: declared.name.clone(),
                    tenant_id,
                    algorithm: declared.algorithm().unwrap_or_default(),
                    public_jwk: None,
                    private_key: can_sign.then(String::new),
                    managed_by: self.terms.managed_by(),
                    created_at: self.now,
                    updated_at: self.now,
                };
                let new = NewDeclaredKey { key: key.clone(), material: declared.material.clone() };
                self.step(Action::Create, place.what(), Write::Key(KeyWrite::Insert(Box::new(new))));
                key
            }
        };
        self.notes.key(&key);
        self.keys.declare(key);
    }

    /// Plans that a key signs; answers its id. What is so already stays.
    pub(super) fn plan_key_use(&mut self, place: &Place<'_>, name: &str, signs: Signs<'_>) -> Option<Uuid> {
        let Signs { signer, tenant, purpose } = signs;
        let key = self.key_called(name).cloned();
        let key = key.ok_or_else(|| place.error(FieldCode::Missing, format!("there is no key {name:?}")));
        let key = self.noted(key)?;
        let wrong = if signer.tenant_id().is_some() && key.tenant_id.is_some_and(|own| Some(own) != signer.tenant_id())
        {
            Some("belongs to another tenant")
        } else if key.private_key.is_none() {
            Some("has no private half to sign with")
        } else {
            let of_key = || self.tenants.iter().find(|tenant| Some(tenant.id) == key.tenant_id);
            tenant.or_else(of_key).and_then(|tenant| check_signs_for(tenant, &key.algorithm))
        };
        if let Some(wrong) = wrong {
            self.errors.push(place.error(FieldCode::Invalid, format!("key {name:?} {wrong}")));
            return None;
        }
        let wanted = KeyUse { key_id: key.id, purpose, signer };
        let fits = |other: KeyPurpose, tenant_id: Option<Uuid>, signs_when_named: bool| {
            other == purpose && signer.may_share(tenant_id, signs_when_named)
        };
        let planned = self.key_uses.iter().find(|planned| planned.key_id == key.id);
        let planned = planned.map(|planned| {
            let KeyUse { purpose, signer, .. } = *planned;
            fits(purpose, signer.tenant_id().or(key.tenant_id), signer.names_it())
        });
        let stored = self.signing.iter().find(|stored| stored.id == key.kid);
        let is_right = stored.map(|stored| fits(stored.purpose, stored.tenant_id, stored.for_applications));
        let whose = match (signer, tenant) {
            (KeySigner::Applications(_), Some(tenant)) => format!("applications of tenant {:?}", tenant.name),
            (KeySigner::Tenant(_), Some(tenant)) => format!("tenant {:?}", tenant.name),
            (KeySigner::EntityTypes | KeySigner::Applications(_) | KeySigner::Tenant(_), _) => {
                "entity types".to_owned()
            }
        };
        let whose = format!("{} of {whose}", of_purpose(purpose));
        match (planned, is_right) {
            (Some(false), _) | (_, Some(false)) => {
                let message = "signs something else already; one key serves one tenant and one kind of token, and either \
                               the tenant or those who name it";
                self.errors.push(place.error(FieldCode::InUse, format!("key {name:?} {message}")));
                return None;
            }
            (_, Some(true)) => {
                if stored.is_some_and(|stored| stored.retired_at.is_some()) {
                    let remark = format!(
                        "key {:?} signed the {whose} and was replaced since; declare another one to have that sign",
                        key.name
                    );
                    if !self.remarks.contains(&remark) {
                        self.remarks.push(remark);
                    }
                }
            }
            (Some(true), None) => {}
            (None, None) => {
                let what = format!("use of key {:?} for {whose}", key.name);
                self.step(Action::Create, what, Write::Key(KeyWrite::Use(wanted)));
            }
        }
        self.key_uses.push(wanted);
        Some(key.id)
    }

    /// By name or id; one that is declared before any other.
    fn key_called(&self, name: &str) -> Option<&NamedKey> {
        let is_called = |key: &&NamedKey| key.name == name || Uuid::try_parse(name).ok() == Some(key.id);
        let declared = self.keys.iter().find(|key| self.keys.is_declared(key.id) && is_called(key));
        declared.or_else(|| self.keys.iter().find(is_called))
    }
}

/// The algorithm of a key that is declared, or else stored. Before the keys themselves are planned.
pub(super) fn algorithm_of(name: &str, declared: &[KeyDeclaration], stored: &[NamedKey]) -> Option<String> {
    let id = Uuid::try_parse(name).ok();
    let of_declared = declared.iter().find(|key| key.name == name || (id.is_some() && key.id == id));
    let of_stored = || stored.iter().find(|key| key.name == name || id == Some(key.id));
    match of_declared {
        Some(declared) => declared.algorithm(),
        None => of_stored().map(|stored| stored.algorithm.clone()),
    }
}

fn wrong_material(declared: &KeyDeclaration) -> Option<DirectoryError> {
    declared.material.read().err()
}

fn fields_of(error: DirectoryError) -> Vec<FieldError> {
    match error {
        DirectoryError::Invalid(errors) => errors,
        other @ (DirectoryError::NotFound(_)
        | DirectoryError::Changed(_)
        | DirectoryError::Password(_)
        | DirectoryError::Sealing(_)
        | DirectoryError::Store(_)) => vec![FieldError::new("key", FieldCode::Invalid, other.to_string())],
    }
}

/// What is declared otherwise than it is stored and cannot change.
fn difference(
    found: &NamedKey,
    (declared, kid): (&KeyDeclaration, Option<&str>),
    tenant_id: Option<Uuid>,
) -> Option<&'static str> {
    let is_generated = matches!(declared.material, KeyMaterial::Generated { .. });
    if kid.is_some_and(|kid| kid != found.kid) {
        Some(
            "is stored with another key; declare the new one under another name, and name that where this one is named",
        )
    } else if is_generated && declared.algorithm().is_some_and(|algorithm| algorithm != found.algorithm) {
        Some("is stored with another algorithm; declare the new key under another name")
    } else if tenant_id != found.tenant_id {
        Some("is stored for another tenant, which cannot change; declare the new key under another name")
    } else {
        None
    }
}

const fn of_purpose(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::AccessToken => "access tokens",
        KeyPurpose::IdToken => "ID tokens",
        KeyPurpose::Forwarded => "forwarded tokens",
    }
}
