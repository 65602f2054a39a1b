//! Objects that files declare, and making the store look like them. What was declared once and is declared no more can
//! be removed; what administrators made is never touched.
//!
//! It does not read files: `config` does.

mod fields;
mod keys;
mod notes;
mod people;
mod plan;
mod stored;
mod write;

use uuid::Uuid;

pub use fields::FieldChange;
pub use keys::{KeyDeclaration, KeyRoom, KeyWrite, NewDeclaredKey, NoKeys};
pub use people::{ApplicationDeclaration, RegistrationDeclaration, UserDeclaration};
use plan::Write;
pub use plan::{Action, Plan, Step};

use super::rules::{check_entity_type, check_tenant};
use super::{Directory, DirectoryError, FieldError, new_tenant};
use crate::model::{EntityType, Permission, Profile, Tenant, TenantSettings};
use crate::secret::Secret;
use crate::store::StoreError;

/// Whose objects the declared ones are, and whether those that are declared no more go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub owner: Owner,
    pub prune: bool,
}

/// Who declares. Neither touches what the other made, unless it is told to adopt it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The `directory:` section, at every start.
    Configuration,
    /// The files of `faregate apply`.
    Files,
}

impl Terms {
    /// Those of the `directory:` section.
    pub const AT_START: Self = Self { owner: Owner::Configuration, prune: true };

    const fn name(self) -> &'static str {
        match self.owner {
            Owner::Configuration => "config",
            Owner::Files => "apply",
        }
    }

    /// The `managed_by` of declared objects.
    fn managed_by(self) -> Option<String> {
        Some(self.name().to_owned())
    }

    fn owns(self, managed_by: Option<&str>) -> bool {
        managed_by == Some(self.name())
    }

    const fn not_ours(self) -> &'static str {
        match self.owner {
            Owner::Configuration => {
                "exists and is not managed by the configuration; choose another name, delete the existing one, or \
                 adopt it"
            }
            Owner::Files => {
                "exists and was not made by `faregate apply`; choose another name, delete the existing one, or adopt it"
            }
        }
    }
}

/// Everything that shall be there. Lists refer to each other by name or id.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    pub tenants: Vec<TenantDeclaration>,
    pub keys: Vec<KeyDeclaration>,
    pub entity_types: Vec<EntityTypeDeclaration>,
    pub entities: Vec<EntityDeclaration>,
    pub grants: Vec<GrantDeclaration>,
    pub applications: Vec<ApplicationDeclaration>,
    pub users: Vec<UserDeclaration>,
    /// Take over objects of the same names that administrators made, instead of refusing.
    pub adopt: bool,
    /// Names may lead to what is in the store already. Otherwise everything that is named is declared too.
    pub is_open: bool,
}

impl Declaration {
    pub fn is_empty(&self) -> bool {
        let Self { tenants, keys, entity_types, entities, grants, applications, users, adopt: _, is_open: _ } = self;
        let services = tenants.is_empty() && entity_types.is_empty() && entities.is_empty() && grants.is_empty();
        services && keys.is_empty() && applications.is_empty() && users.is_empty()
    }
}

#[derive(Clone, Debug, Default)]
pub struct TenantDeclaration {
    pub name: String,
    pub id: Option<Uuid>,
    pub profile: Profile,
    pub issuer: Option<String>,
    /// Seconds.
    pub access_token_for: Option<i64>,
    pub access_token_algorithm: Option<String>,
    pub id_token_algorithm: Option<String>,
    /// Name or id of the key that signs its access tokens, in the key's algorithm. `None`: one is made.
    pub access_token_key: Option<String>,
    /// The same for its ID tokens.
    pub id_token_key: Option<String>,
    pub settings: Option<TenantSettings>,
}

impl TenantDeclaration {
    /// What is wrong with it, as far as that can be said without a store, its keys and its settings.
    pub fn problems(&self) -> Vec<FieldError> {
        let usual = new_tenant(Uuid::nil(), &self.name, self.profile, 0);
        check_tenant(&Tenant {
            issuer: self.issuer.clone(),
            access_token_for: self.access_token_for.unwrap_or(usual.access_token_for),
            access_token_algorithm: self.access_token_algorithm.clone().unwrap_or(usual.access_token_algorithm),
            id_token_algorithm: self.id_token_algorithm.clone().unwrap_or(usual.id_token_algorithm),
            ..new_tenant(Uuid::nil(), &self.name, self.profile, 0)
        })
    }
}

#[derive(Clone, Debug, Default)]
pub struct EntityTypeDeclaration {
    pub name: String,
    pub id: Option<Uuid>,
    pub permissions: Vec<PermissionDeclaration>,
    /// Seconds that the tokens of its entities live; `None`: as their tenant says.
    pub access_token_for: Option<i64>,
    /// Name or id of the key that signs those tokens; `None`: as their tenant says.
    pub access_token_key: Option<String>,
}

impl EntityTypeDeclaration {
    /// What is wrong with it, as far as that can be said without a store.
    pub fn problems(&self) -> Vec<FieldError> {
        let permission = |declared: &PermissionDeclaration| Permission {
            id: Uuid::nil(),
            name: declared.name.clone(),
            description: declared.description.clone(),
            is_default: declared.is_default,
        };
        check_entity_type(&EntityType {
            id: Uuid::nil(),
            name: self.name.clone(),
            permissions: self.permissions.iter().map(permission).collect(),
            access_token_for: self.access_token_for,
            access_token_key: None,
            data: serde_json::Map::new(),
            managed_by: None,
            created_at: 0,
            updated_at: 0,
        })
    }
}

#[derive(Clone, Debug, Default)]
pub struct PermissionDeclaration {
    pub name: String,
    pub description: Option<String>,
    pub is_default: bool,
}

#[derive(Clone, Debug, Default)]
pub struct EntityDeclaration {
    pub name: String,
    pub id: Option<Uuid>,
    /// Name or id of its entity type.
    pub entity_type: String,
    /// Name or id of its tenant; `None` when there is one only. [`Directory::DEFAULT_TENANT`] need not be declared.
    pub tenant: Option<String>,
    /// `None`: the id.
    pub client_id: Option<String>,
    /// `None`: generated when the entity is created, and left alone ever after.
    pub client_secret: Option<Secret<String>>,
}

#[derive(Clone, Debug, Default)]
pub struct GrantDeclaration {
    /// Name or id of the caller.
    pub recipient: String,
    /// Name or id of the callee.
    pub target: String,
    pub permissions: Vec<String>,
    /// As in [`EntityDeclaration`].
    pub tenant: Option<String>,
}

/// What [`Directory::apply`] did; objects are named as in `entity "orders"`.
#[derive(Debug, Default)]
pub struct Applied {
    pub created: Vec<String>,
    pub updated: Vec<String>,
    pub removed: Vec<String>,
    /// Declared no more, but in use by what administrators made.
    pub kept: Vec<String>,
    pub unchanged: usize,
    pub generated_secrets: Vec<GeneratedSecret>,
}

/// What kept a plan from being carried out to its end.
#[derive(Debug)]
pub struct Stopped {
    /// The object, as in `entity "orders"`.
    pub what: String,
    pub error: DirectoryError,
}

/// A secret that nobody will see again.
#[derive(Clone, Debug)]
pub struct GeneratedSecret {
    /// What was made: an entity or an application.
    pub kind: &'static str,
    pub tenant: String,
    pub name: String,
    pub client_id: String,
    pub client_secret: Secret<String>,
}

/// How often a plan is made anew because somebody else wrote meanwhile: every node applies the same file at start.
const ATTEMPTS: u32 = 5;

impl Directory {
    /// What is to be written so that the store looks like the declaration. Writes nothing.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] with every mistake in the declaration; fields read `entities[0]`.
    pub async fn plan(&self, declaration: &Declaration, terms: Terms) -> std::result::Result<Plan, DirectoryError> {
        let stored = self.stored(declaration, terms).await?;
        plan::plan(declaration, terms, &stored, self).map_err(DirectoryError::Invalid)
    }

    /// Makes the store look like the declaration, on the terms of the configuration. A second time changes nothing;
    /// after a crash in between, a second time does the rest.
    ///
    /// # Errors
    /// As [`Self::plan`], before anything is written; or the store's.
    pub async fn apply(
        &self,
        declaration: &Declaration,
        keys: &impl KeyRoom,
    ) -> std::result::Result<Applied, DirectoryError> {
        let mut applied = Applied::default();
        let mut attempt = 1;
        loop {
            let plan = self.plan(declaration, Terms::AT_START).await?;
            applied.unchanged = plan.unchanged;
            match self.execute(plan, &mut applied, keys).await.map_err(|stopped| stopped.error) {
                Ok(()) => return Ok(applied),
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(DirectoryError::Changed(_) | DirectoryError::Invalid(_)) => attempt += 1,
                Err(
                    error @ (DirectoryError::NotFound(_)
                    | DirectoryError::Password(_)
                    | DirectoryError::Sealing(_)
                    | DirectoryError::Store(_)),
                ) => return Err(error),
            }
        }
    }

    /// Carries out a plan as it is: somebody looked at it, so no other one takes its place when somebody else writes
    /// meanwhile. Answers what was done, and what stopped it before the end.
    pub async fn carry_out(&self, plan: Plan, keys: &impl KeyRoom) -> (Applied, Option<Stopped>) {
        let mut applied = Applied { unchanged: plan.unchanged, ..Applied::default() };
        let (notes, owner) = (plan.notes.write(), plan.terms.name());
        let mut stopped = self.execute(plan, &mut applied, keys).await.err();
        if stopped.is_none()
            && let Err(error) = self.store.replace_applied(owner, &notes).await
        {
            stopped = Some(Stopped { what: "the memory of what was applied".to_owned(), error: error.into() });
        }
        (applied, stopped)
    }

    async fn execute(
        &self,
        plan: Plan,
        applied: &mut Applied,
        keys: &impl KeyRoom,
    ) -> std::result::Result<(), Stopped> {
        for step in plan.steps {
            let outcome = match &step.write {
                Write::Key(write) => keys.carry_out(write).await,
                other => self.write(other).await,
            };
            let written = match outcome {
                Err(DirectoryError::Store(StoreError::InUse(_))) if step.action == Action::Remove => {
                    applied.kept.push(step.what);
                    continue;
                }
                Ok(written) => written,
                Err(DirectoryError::Store(error)) => return Err(Stopped { what: step.what, error: error.into() }),
                Err(error) => return Err(Stopped { what: step.what, error }),
            };
            match step.action {
                // Somebody else removed it meanwhile, which is what was wanted.
                Action::Remove if !written => continue,
                Action::Create | Action::Update if !written => {
                    return Err(Stopped { what: step.what, error: DirectoryError::Changed("object") });
                }
                Action::Create => applied.created.push(step.what),
                Action::Update => applied.updated.push(step.what),
                Action::Remove => applied.removed.push(step.what),
            }
            applied.generated_secrets.extend(step.generated);
            if let Some((event, object_id)) = write::told(&step.write) {
                self.told(event, &object_id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
