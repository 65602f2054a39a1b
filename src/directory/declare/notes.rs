//! What was applied the last time, as digests: so that a change by hand can be told from a change of the files.
//!
//! Owns what belongs to an object's digest. It decides nothing: a difference is one whoever made it.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use super::plan::Write;
use super::{KeyWrite, fields};
use crate::model::{Application, ClientSecret, Entity, EntityGrant, EntityType, NamedKey, Registration, Tenant, User};

/// Digests of objects as they were declared, each under a key that the object keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes(BTreeMap<String, String>);

impl Notes {
    pub(super) fn read(stored: Vec<(String, String)>) -> Self {
        Self(stored.into_iter().collect())
    }

    pub(super) fn write(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(key, digest)| (key.clone(), digest.clone())).collect()
    }

    pub(super) fn tenant(&mut self, of: &Tenant) {
        self.note(tenant_key(of), fields::tenant(of), &[]);
    }

    pub(super) fn key(&mut self, of: &NamedKey) {
        self.note(key_key(of), fields::key(of), &[]);
    }

    pub(super) fn entity_type(&mut self, of: &EntityType) {
        self.note(format!("type {}", of.id), fields::entity_type(of), &[]);
    }

    pub(super) fn entity(&mut self, of: &Entity) {
        self.note(entity_key(of), fields::entity(of), &of.client_secrets);
    }

    pub(super) fn grant(&mut self, of: &EntityGrant) {
        self.note(grant_key(of), fields::grant(of), &[]);
    }

    pub(super) fn application(&mut self, of: &Application) {
        self.note(application_key(of), fields::application(of), &of.client_secrets);
    }

    pub(super) fn user(&mut self, of: &User) {
        self.note(user_key(of), fields::user(of), &[]);
    }

    pub(super) fn registration(&mut self, of: &Registration) {
        self.note(registration_key(of), fields::registration(of), &[]);
    }

    fn note(&mut self, key: String, fields: Map<String, Value>, secrets: &[ClientSecret]) {
        let hashes: Vec<&str> = secrets.iter().map(|secret| secret.sha256.as_str()).collect();
        let text = format!("{}{}", Value::Object(fields), hashes.join(" "));
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        self.0.insert(key, hex::encode(digest));
    }

    /// Whether what is written now was declared in the same words before: then it was changed in the store.
    pub(super) fn agree_on(&self, before: &Self, write: &Write) -> bool {
        let key = key(write);
        let digest = key.as_ref().and_then(|key| self.0.get(key));
        digest.is_some() && digest == key.as_ref().and_then(|key| before.0.get(key))
    }
}

/// `None` for what is declared no more.
fn key(write: &Write) -> Option<String> {
    match write {
        Write::InsertTenant(of) => Some(tenant_key(of)),
        Write::UpdateTenant(change) => Some(tenant_key(&change.1)),
        Write::Key(KeyWrite::Insert(new)) => Some(key_key(&new.key)),
        Write::Key(KeyWrite::Update(change)) => Some(key_key(&change.1)),
        Write::InsertType(of) => Some(format!("type {}", of.id)),
        Write::UpdateType(change) => Some(format!("type {}", change.1.id)),
        Write::InsertPermission(id, _) | Write::UpdatePermission(id, _) | Write::DeletePermission(id, _) => {
            Some(format!("type {id}"))
        }
        Write::InsertEntity(of) => Some(entity_key(of)),
        Write::UpdateEntity(change) => Some(entity_key(&change.1)),
        Write::UpsertGrant(of) => Some(grant_key(of)),
        Write::InsertApplication(of) => Some(application_key(of)),
        Write::UpdateApplication(change) => Some(application_key(&change.1)),
        Write::InsertUser(new) => Some(user_key(&new.0)),
        Write::UpdateUser(change) => Some(user_key(&change.1)),
        Write::UpsertRegistration(of) => Some(registration_key(of)),
        Write::Key(KeyWrite::Delete(_) | KeyWrite::Use(_))
        | Write::DeleteTenant(_)
        | Write::DeleteType(_)
        | Write::DeleteEntity(_)
        | Write::DeleteGrant { .. }
        | Write::DeleteApplication(_)
        | Write::DeleteUser(_)
        | Write::DeleteRegistration { .. } => None,
    }
}

fn tenant_key(of: &Tenant) -> String {
    format!("tenant {}", of.name)
}

fn key_key(of: &NamedKey) -> String {
    format!("key {}", of.name)
}

fn entity_key(of: &Entity) -> String {
    format!("entity {} {}", of.tenant_id, of.name)
}

fn grant_key(of: &EntityGrant) -> String {
    format!("grant {} {}", of.recipient_id, of.target_id)
}

fn application_key(of: &Application) -> String {
    format!("application {} {}", of.tenant_id, of.name)
}

fn user_key(of: &User) -> String {
    let name = of.email.as_ref().or(of.username.as_ref());
    format!("user {} {}", of.tenant_id, name.map(String::as_str).unwrap_or_default())
}

fn registration_key(of: &Registration) -> String {
    format!("registration {} {}", of.user_id, of.application_id)
}
