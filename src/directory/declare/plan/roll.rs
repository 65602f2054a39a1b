//! The objects of one kind as they will be once the plan is carried out. It does not plan.

use uuid::Uuid;

use crate::directory::Directory;
use crate::directory::declare::Terms;
use crate::model::{Application, Entity, EntityType, NamedKey, Tenant, User};

/// What a declaration can own.
pub(super) trait Managed {
    fn id(&self) -> Uuid;
    fn name(&self) -> &str;
    fn managed_by(&self) -> Option<&str>;

    /// Whether a declaration may mean this stored object without adopting it.
    fn is_declarable(&self, terms: Terms) -> bool {
        terms.owns(self.managed_by())
    }
}

macro_rules! managed {
    ($($object:ty),*) => {$(
        impl Managed for $object {
            fn id(&self) -> Uuid {
                self.id
            }

            fn name(&self) -> &str {
                &self.name
            }

            fn managed_by(&self) -> Option<&str> {
                self.managed_by.as_deref()
            }
        }
    )*};
}

managed!(NamedKey, EntityType, Entity, Application);

impl Managed for Tenant {
    fn id(&self) -> Uuid {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn managed_by(&self) -> Option<&str> {
        self.managed_by.as_deref()
    }

    /// Nobody asked for the default tenant, so it may be declared later without further ado.
    fn is_declarable(&self, terms: Terms) -> bool {
        terms.owns(self.managed_by()) || (self.managed_by.is_none() && self.name == Directory::DEFAULT_TENANT)
    }
}

impl Managed for User {
    fn id(&self) -> Uuid {
        self.id
    }

    fn name(&self) -> &str {
        self.display_name()
    }

    fn managed_by(&self) -> Option<&str> {
        self.managed_by.as_deref()
    }
}

/// First what is stored, then with each declared object in its place, at last without what is declared no more.
pub(super) struct Roll<T> {
    objects: Vec<T>,
    declared: Vec<Uuid>,
    orphans: Vec<T>,
}

impl<T: Managed + Clone> Roll<T> {
    pub(super) fn new(stored: &[T]) -> Self {
        Self { objects: stored.to_vec(), declared: Vec::new(), orphans: Vec::new() }
    }

    pub(super) fn declare(&mut self, object: T) {
        self.objects.retain(|old| old.id() != object.id());
        self.declared.push(object.id());
        self.objects.push(object);
    }

    /// Adds an object that nobody declared.
    pub(super) fn add(&mut self, object: T) {
        self.objects.push(object);
    }

    /// What was declared once and is no more; taken out, if the terms want that it goes.
    pub(super) fn take_orphans(&mut self, terms: Terms) -> Vec<T> {
        let declared = &self.declared;
        let is_orphan = |object: &T| terms.owns(object.managed_by()) && !declared.contains(&object.id());
        self.orphans = if terms.prune {
            self.objects.extract_if(.., |object| is_orphan(object)).collect()
        } else {
            self.objects.iter().filter(|object| is_orphan(object)).cloned().collect()
        };
        self.orphans.clone()
    }

    /// What the object with the id is called, or was.
    pub(super) fn name_of(&self, id: Uuid) -> String {
        let known = self.objects.iter().chain(&self.orphans).find(|object| object.id() == id);
        known.map_or_else(|| id.to_string(), |object| object.name().to_owned())
    }

    /// What an object with the id is called that was declared before.
    pub(super) fn declared_as(&self, id: Uuid) -> Option<String> {
        self.is_declared(id).then(|| self.name_of(id))
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.objects.iter()
    }

    pub(super) fn with_id(&self, id: Uuid) -> Option<&T> {
        self.iter().find(|object| object.id() == id)
    }

    /// By name or id.
    pub(super) fn find(&self, name_or_id: &str) -> Option<&T> {
        find(self.iter(), name_or_id)
    }

    pub(super) fn only(&self) -> Option<&T> {
        match self.objects.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    pub(super) fn is_declared(&self, id: Uuid) -> bool {
        self.declared.contains(&id)
    }
}

/// By name or id; names are never ids.
pub(super) fn find<'a, T: Managed>(mut objects: impl Iterator<Item = &'a T>, name_or_id: &str) -> Option<&'a T> {
    match Uuid::try_parse(name_or_id) {
        Ok(id) => objects.find(|object| object.id() == id),
        Err(_) => objects.find(|object| object.name() == name_or_id),
    }
}
