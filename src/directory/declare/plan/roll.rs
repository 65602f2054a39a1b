//! The objects of one kind as they will be once the plan is carried out. It does not plan.

use uuid::Uuid;

use crate::directory::Directory;
use crate::directory::declare::MANAGED_BY;
use crate::model::{Application, Entity, EntityType, Tenant, User};

/// What a declaration can own.
pub(super) trait Managed {
    fn id(&self) -> Uuid;
    fn name(&self) -> &str;
    fn managed_by(&self) -> Option<&str>;

    /// Whether a declaration may mean this stored object without adopting it.
    fn is_declarable(&self) -> bool {
        self.managed_by() == Some(MANAGED_BY)
    }
}

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
    fn is_declarable(&self) -> bool {
        self.managed_by() == Some(MANAGED_BY) || self.name == Directory::DEFAULT_TENANT
    }
}

impl Managed for EntityType {
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

impl Managed for Entity {
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

impl Managed for Application {
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
}

impl<T: Managed + Clone> Roll<T> {
    pub(super) fn new(stored: &[T]) -> Self {
        Self { objects: stored.to_vec(), declared: Vec::new() }
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

    /// Takes out what was declared once and is no more.
    pub(super) fn take_orphans(&mut self) -> Vec<T> {
        let declared = &self.declared;
        let is_orphan = |object: &mut T| object.managed_by() == Some(MANAGED_BY) && !declared.contains(&object.id());
        self.objects.extract_if(.., is_orphan).collect()
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
