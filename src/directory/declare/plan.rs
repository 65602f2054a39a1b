//! From a declaration and what is stored to the steps between them. Pure but for new ids and secrets; it writes nothing.

mod applications;
mod entities;
mod entity_types;
mod grants;
mod keys;
mod roll;
mod tenants;
mod users;

use uuid::Uuid;

use self::roll::{Managed, Roll};
use super::fields::{self, FieldChange};
use super::notes::Notes;
use super::stored::Stored;
use super::{Declaration, GeneratedSecret, KeyWrite, Terms};
use crate::directory::{Directory, FieldCode, FieldError, KeyUse};
use crate::entropy::Entropy;
use crate::model::{
    Application, Entity, EntityGrant, EntityType, NamedKey, Permission, Registration, StoredKey, Tenant, User,
};
use crate::secret::Secret;

/// What has to be written, in order.
#[derive(Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// How many declared objects are as declared.
    pub unchanged: usize,
    /// Declared once and no more, but left alone because the terms do not prune.
    pub left: Vec<String>,
    /// What is not as declared and cannot be made so.
    pub remarks: Vec<String>,
    /// What is to be remembered once the plan is carried out.
    pub(super) notes: Notes,
    pub(super) terms: Terms,
}

/// One object that is not as declared.
#[derive(Debug)]
pub struct Step {
    pub action: Action,
    /// The object, as in `entity "orders"`.
    pub what: String,
    /// Field by field; of a new object those that are not what they would be anyway. No value is a secret.
    pub fields: Vec<FieldChange>,
    /// The declaration is what it was when it was last applied: somebody changed or deleted the object by hand.
    pub is_drift: bool,
    pub(super) write: Write,
    pub(super) generated: Option<GeneratedSecret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    Update,
    Remove,
}

#[derive(Debug)]
pub(super) enum Write {
    InsertTenant(Box<Tenant>),
    UpdateTenant(Box<(Tenant, Tenant)>),
    DeleteTenant(Uuid),
    Key(KeyWrite),
    InsertType(EntityType),
    UpdateType(Box<(EntityType, EntityType)>),
    DeleteType(Uuid),
    InsertPermission(Uuid, Permission),
    UpdatePermission(Uuid, Permission),
    DeletePermission(Uuid, Uuid),
    InsertEntity(Entity),
    UpdateEntity(Box<(Entity, Entity)>),
    DeleteEntity(Uuid),
    UpsertGrant(EntityGrant),
    DeleteGrant {
        recipient_id: Uuid,
        target_id: Uuid,
    },
    InsertApplication(Box<Application>),
    UpdateApplication(Box<(Application, Application)>),
    DeleteApplication(Box<Application>),
    /// The password is hashed when the user is written.
    InsertUser(Box<(User, Option<Secret<String>>)>),
    UpdateUser(Box<(User, User)>),
    DeleteUser(Uuid),
    UpsertRegistration(Registration),
    DeleteRegistration {
        user_id: Uuid,
        application_id: Uuid,
    },
}

/// # Errors
/// Every mistake in the declaration.
pub(super) fn plan(
    declaration: &Declaration,
    terms: Terms,
    stored: &Stored,
    directory: &Directory,
) -> Result<Plan, Vec<FieldError>> {
    let mut planner = Planner {
        terms,
        adopt: declaration.adopt,
        now: directory.clock.now(),
        entropy: &directory.entropy,
        directory,
        first: Vec::new(),
        steps: Vec::new(),
        last: Vec::new(),
        unchanged: 0,
        errors: Vec::new(),
        notes: Notes::default(),
        tenants: Roll::new(&stored.tenants),
        keys: Roll::new(&stored.keys),
        signing: &stored.signing,
        key_uses: Vec::new(),
        remarks: Vec::new(),
        entity_types: Roll::new(&stored.entity_types),
        entities: Roll::new(&stored.entities),
        applications: Roll::new(&stored.applications),
        users: Roll::new(&stored.users),
    };
    planner.plan_tenants(declaration, stored);
    planner.plan_keys(&declaration.keys, &stored.keys);
    planner.plan_keys_of_tenants(&declaration.tenants);
    planner.plan_entity_types(&declaration.entity_types, &stored.entity_types);
    planner.plan_entities(&declaration.entities, &stored.entities);
    planner.plan_applications(&declaration.applications, &stored.applications);
    planner.plan_users(&declaration.users, &stored.users, &stored.registrations);
    planner.refuse_shared_client_ids();
    planner.plan_grants(&declaration.grants, &stored.grants);
    if !planner.errors.is_empty() {
        return Err(planner.errors);
    }
    // Types before tenants in the end, as entities went before both.
    let (first, last) = (planner.first, planner.last);
    let (mut steps, last, left) = if terms.prune {
        (first, last, Vec::new())
    } else {
        let left = first.into_iter().chain(last).map(|step| step.what).collect();
        (Vec::new(), Vec::new(), left)
    };
    steps.append(&mut planner.steps);
    steps.extend(last);
    for step in &mut steps {
        step.fields = fields::changes(&step.write, step.generated.is_some(), stored);
        fields::name_keys(&mut step.fields, |id| planner.keys.name_of(id));
        step.is_drift = planner.notes.agree_on(&stored.notes, &step.write);
    }
    let (unchanged, remarks) = (planner.unchanged, planner.remarks);
    Ok(Plan { steps, unchanged, left, remarks, notes: planner.notes, terms })
}

struct Planner<'a> {
    terms: Terms,
    adopt: bool,
    now: i64,
    entropy: &'a Entropy,
    /// For what it seals.
    directory: &'a Directory,
    /// Removals that make room: names and client ids may be declared for others now.
    first: Vec<Step>,
    steps: Vec<Step>,
    /// Removals of what removed objects refer to.
    last: Vec<Step>,
    unchanged: usize,
    errors: Vec<FieldError>,
    notes: Notes,
    tenants: Roll<Tenant>,
    keys: Roll<NamedKey>,
    signing: &'a [StoredKey],
    /// What keys are to sign, whether they do so already or not.
    key_uses: Vec<KeyUse>,
    remarks: Vec<String>,
    entity_types: Roll<EntityType>,
    entities: Roll<Entity>,
    applications: Roll<Application>,
    users: Roll<User>,
}

/// A place in the declaration: `entities[0]`, and what stands there.
struct Place<'a> {
    field: String,
    what: &'static str,
    name: &'a str,
}

impl Place<'_> {
    fn what(&self) -> String {
        format!("{} {:?}", self.what, self.name)
    }

    fn error(&self, code: FieldCode, message: impl std::fmt::Display) -> FieldError {
        FieldError::new(self.field.clone(), code, format!("{}: {message}", self.what()))
    }
}

impl Planner<'_> {
    fn step(&mut self, action: Action, what: String, write: Write) {
        self.steps.push(Step::new(action, what, write));
    }

    /// Takes note of an error.
    fn noted<T>(&mut self, result: Result<T, FieldError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }

    /// Takes note of what the rules say about the object at a place.
    fn note_all(&mut self, place: &Place<'_>, errors: impl IntoIterator<Item = FieldError>) {
        self.errors.extend(errors.into_iter().map(|error| place.error(error.code, &error)));
    }

    fn refuses_repetition(&mut self, place: &Place<'_>, repeated: bool) -> bool {
        if repeated {
            self.errors.push(place.error(FieldCode::Duplicate, "is declared twice"));
        }
        repeated
    }

    /// Two declared objects that are one in the store would write over each other, at every start.
    fn refuses_shared_id(&mut self, place: &Place<'_>, other: Option<String>) -> bool {
        if let Some(other) = &other {
            let message = format!("is the same {} as {other:?}, by its id", place.what);
            self.errors.push(place.error(FieldCode::Duplicate, message));
        }
        other.is_some()
    }

    /// The stored object that a declaration means: by id if it declares one, else by name.
    fn claim<'s, T: Managed>(
        &self,
        place: &Place<'_>,
        id: Option<Uuid>,
        stored: impl Iterator<Item = &'s T> + Clone,
    ) -> Result<Option<&'s T>, FieldError> {
        let by_name = stored.clone().find(|object| object.name() == place.name);
        let found = match (id, by_name) {
            (None, by_name) => by_name,
            (Some(id), Some(other)) if other.id() != id => {
                let message = format!("is stored with the id {}; declare that id or another name", other.id());
                return Err(place.error(FieldCode::Duplicate, message));
            }
            (Some(id), _) => stored.clone().find(|object| object.id() == id),
        };
        match found {
            Some(object) if !object.is_declarable(self.terms) && !self.adopt => {
                Err(place.error(FieldCode::InUse, self.terms.not_ours()))
            }
            found => Ok(found),
        }
    }

    fn tenant(&self, place: &Place<'_>, name_or_id: Option<&str>) -> Result<Tenant, FieldError> {
        let names = || self.tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>().join(", ");
        match name_or_id {
            Some(name_or_id) => self.tenants.find(name_or_id).cloned().ok_or_else(|| {
                place.error(FieldCode::Missing, format!("there is no tenant {name_or_id:?}; there are {}", names()))
            }),
            None => self
                .tenants
                .only()
                .cloned()
                .ok_or_else(|| place.error(FieldCode::Missing, format!("say which tenant; there are {}", names()))),
        }
    }
}

impl Step {
    fn new(action: Action, what: String, write: Write) -> Self {
        Self { action, what, fields: Vec::new(), is_drift: false, write, generated: None }
    }
}
