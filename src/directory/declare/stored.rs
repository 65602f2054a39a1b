//! What is in the store that a declaration may mean: what was declared before, and whatever has a name, an id or a client id that
//! the declaration uses. Never all entities, grants and users: there may be millions, and every start asks.
//!
//! It decides nothing: see `plan`.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::notes::Notes;
use super::{Declaration, Terms, UserDeclaration};
use crate::directory::Directory;
use crate::model::{Application, Entity, EntityGrant, EntityType, NamedKey, Registration, StoredKey, Tenant, User};
use crate::store::{Result, Store};

/// What is in the store; of entities, grants and users only those that may be meant.
pub(super) struct Stored {
    pub(super) tenants: Vec<Tenant>,
    pub(super) keys: Vec<NamedKey>,
    /// What signs, will sign or did.
    pub(super) signing: Vec<StoredKey>,
    pub(super) entity_types: Vec<EntityType>,
    /// By name.
    pub(super) entities: Vec<Entity>,
    /// By target, then recipient.
    pub(super) grants: Vec<EntityGrant>,
    pub(super) applications: Vec<Application>,
    pub(super) users: Vec<User>,
    pub(super) registrations: Vec<Registration>,
    pub(super) notes: Notes,
}

impl Directory {
    pub(super) async fn stored(&self, declaration: &Declaration, terms: Terms) -> Result<Stored> {
        let store = &self.store;
        let users = self.stored_users(&declaration.users, terms).await?;
        // What refers to others first: another node may write meanwhile, and what it refers to is there already.
        let registrations = self.registrations(&users.iter().map(|user| user.id).collect::<Vec<_>>()).await?;
        let managed = store.list_managed_grants(terms.name()).await?;
        let applications = store.list_applications(None).await?;
        let mut known = Known::of(&applications, &users);
        known.add(store.list_managed_entities(terms.name()).await?);
        known.read(store.as_ref(), &Words::of(declaration, &managed)).await?;
        Ok(Stored {
            grants: stored_grants(store.as_ref(), declaration, managed, &known).await?,
            entities: known.by_name(),
            registrations,
            users,
            applications,
            entity_types: store.list_entity_types().await?,
            keys: store.list_named_keys().await?,
            // Those that are gone too: a key that was used once is not used again.
            signing: store.list_keys(0).await?,
            tenants: store.list_tenants().await?,
            notes: Notes::read(store.list_applied(terms.name()).await?),
        })
    }

    async fn stored_users(&self, declared: &[UserDeclaration], terms: Terms) -> Result<Vec<User>> {
        let mut users = self.store.list_managed_users(terms.name()).await?;
        let mut known: HashSet<Uuid> = users.iter().map(|user| user.id).collect();
        let tenants = if declared.is_empty() { Vec::new() } else { self.store.list_tenants().await? };
        for one in declared {
            let mut found = Vec::new();
            if let Some(id) = one.id {
                found.extend(self.store.find_user(id).await?);
            }
            for login_id in [&one.email, &one.username].into_iter().flatten() {
                for tenant in &tenants {
                    found.extend(self.store.find_user_by_login(tenant.id, login_id).await?);
                }
            }
            users.extend(found.into_iter().filter(|user| known.insert(user.id)));
        }
        Ok(users)
    }
}

/// Those of the declaration that are stored, beside those that are `managed`.
async fn stored_grants(
    store: &dyn Store,
    declaration: &Declaration,
    managed: Vec<EntityGrant>,
    known: &Known,
) -> Result<Vec<EntityGrant>> {
    let mut grants = managed;
    let mut read: HashSet<(Uuid, Uuid)> = grants.iter().map(|grant| (grant.recipient_id, grant.target_id)).collect();
    for one in &declaration.grants {
        // In every tenant that has both: the plan knows which is meant.
        for recipient in known.called(&one.recipient) {
            for target in known.called(&one.target).filter(|target| target.tenant_id == recipient.tenant_id) {
                if read.insert((recipient.id, target.id)) {
                    grants.extend(store.find_grant(recipient.id, target.id).await?);
                }
            }
        }
    }
    grants.sort_by_key(|grant| (grant.target_id, grant.recipient_id));
    Ok(grants)
}

/// A word of the declaration, and the tenant that it names beside it by name or id. Without one it means the only one that there
/// will be, so it is looked for in all.
type Word<'d, T> = (Option<&'d str>, T);

/// What the declaration calls entities, and those that may be in the way of its clients: in its tenant a client id means one party,
/// and never another one's id (D9).
#[derive(Default)]
struct Words<'d> {
    ids: HashSet<Uuid>,
    names: HashSet<Word<'d, &'d str>>,
    client_ids: HashSet<Word<'d, &'d str>>,
    /// Ids of declared parties, which must be nobody's client id.
    parties: HashSet<Word<'d, Uuid>>,
}

impl<'d> Words<'d> {
    fn of(declaration: &'d Declaration, managed: &[EntityGrant]) -> Self {
        let mut words = Self::default();
        // They may end now, and are told by the names of their ends.
        words.ids.extend(managed.iter().flat_map(|grant| [grant.recipient_id, grant.target_id]));
        for one in &declaration.entities {
            words.ids.extend(one.id);
            words.names.insert((one.tenant.as_deref(), &one.name));
            words.party(one.tenant.as_deref(), one.id, one.client_id.as_deref());
        }
        for one in &declaration.applications {
            words.party(one.tenant.as_deref(), one.id, one.client_id.as_deref());
        }
        for one in &declaration.users {
            words.party(one.tenant.as_deref(), one.id, None);
        }
        for one in &declaration.grants {
            for end in [&one.recipient, &one.target] {
                match Uuid::try_parse(end) {
                    Ok(id) => words.ids.insert(id),
                    Err(_) => words.names.insert((one.tenant.as_deref(), end)),
                };
            }
        }
        words
    }

    fn party(&mut self, tenant: Option<&'d str>, id: Option<Uuid>, client_id: Option<&'d str>) {
        self.parties.extend(id.map(|id| (tenant, id)));
        self.client_ids.extend(client_id.map(|client_id| (tenant, client_id)));
        let as_id = client_id.and_then(|client_id| Uuid::try_parse(client_id).ok());
        self.ids.extend(as_id.filter(|as_id| Some(*as_id) != id));
    }
}

/// What was read so far.
struct Known {
    entities: Vec<Entity>,
    by_id: HashMap<Uuid, usize>,
    by_name: HashMap<String, Vec<usize>>,
    /// Of parties that are stored: the store keeps client ids apart from them.
    parties: HashSet<Uuid>,
    /// Of entities and applications, with their tenants.
    client_ids: HashSet<(Uuid, String)>,
}

impl Known {
    fn of(applications: &[Application], users: &[User]) -> Self {
        let ids = applications.iter().map(|application| application.id);
        let client_id = |application: &Application| (application.tenant_id, application.client_id.clone());
        Self {
            entities: Vec::new(),
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            parties: ids.chain(users.iter().map(|user| user.id)).collect(),
            client_ids: applications.iter().map(client_id).collect(),
        }
    }

    fn add(&mut self, found: impl IntoIterator<Item = Entity>) {
        for entity in found {
            if self.by_id.contains_key(&entity.id) {
                continue;
            }
            let place = self.entities.len();
            self.by_id.insert(entity.id, place);
            self.by_name.entry(entity.name.clone()).or_default().push(place);
            self.parties.insert(entity.id);
            self.client_ids.insert((entity.tenant_id, entity.client_id.clone()));
            self.entities.push(entity);
        }
    }

    /// Reads what the words may mean. What is known already is not asked for: a declaration that was applied before asks for
    /// little.
    async fn read(&mut self, store: &dyn Store, words: &Words<'_>) -> Result<()> {
        let unknown: Vec<Uuid> = words.ids.iter().copied().filter(|id| !self.by_id.contains_key(id)).collect();
        if !unknown.is_empty() {
            self.add(store.find_entities(&unknown).await?);
        }
        let client_ids = words.client_ids.iter().map(|(named, client_id)| (*named, (*client_id).to_owned()));
        let of_parties = words.parties.iter().filter(|(_, id)| !self.parties.contains(id));
        let client_ids: HashSet<_> = client_ids.chain(of_parties.map(|(named, id)| (*named, id.to_string()))).collect();
        for tenant in store.list_tenants().await? {
            let is_meant = |named: Option<&str>| {
                named.is_none_or(|named| tenant.name == named || Uuid::try_parse(named).is_ok_and(|id| tenant.id == id))
            };
            for (_, name) in words.names.iter().filter(|(named, _)| is_meant(*named)) {
                if self.called(name).all(|entity| entity.tenant_id != tenant.id) {
                    self.add(store.find_entity_by_name(tenant.id, name).await?);
                }
            }
            for (_, client_id) in client_ids.iter().filter(|(named, _)| is_meant(*named)) {
                let key = (tenant.id, client_id.clone());
                if !self.client_ids.contains(&key) {
                    self.add(store.find_entity_by_client_id(tenant.id, &key.1).await?);
                }
            }
        }
        Ok(())
    }

    /// In every tenant, by name or id; names are never ids.
    fn called(&self, name_or_id: &str) -> impl Iterator<Item = &Entity> {
        let places = match Uuid::try_parse(name_or_id) {
            Ok(id) => self.by_id.get(&id).map(std::slice::from_ref),
            Err(_) => self.by_name.get(name_or_id).map(Vec::as_slice),
        };
        places.unwrap_or_default().iter().filter_map(|place| self.entities.get(*place))
    }

    fn by_name(self) -> Vec<Entity> {
        let mut entities = self.entities;
        entities.sort_by(|a, b| (&a.name, a.tenant_id).cmp(&(&b.name, b.tenant_id)));
        entities
    }
}

#[cfg(test)]
mod tests;
