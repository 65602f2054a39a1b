//! One line of the change feed: what changed, never how. Readers load the object again.

use uuid::Uuid;

/// A committed mutation. `seq` counts up by one, in the order of the commits, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub seq: i64,
    pub kind: ChangeKind,
    /// Id of the object: a UUID, a key id, or for a grant `target/recipient`. Users who came together are one change with
    /// their ids joined by commas.
    pub object_id: String,
    pub at: i64,
}

impl Change {
    /// The ids in `object_id` that are UUIDs.
    pub fn object_ids(&self) -> impl Iterator<Item = Uuid> {
        self.object_id.split(',').filter_map(|id| Uuid::try_parse(id).ok())
    }
}

/// What kind of object changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    Tenant,
    /// An entity type or one of its permissions.
    EntityType,
    Entity,
    Grant,
    Application,
    /// A user or one of their registrations.
    User,
    Key,
    Revocation,
    /// Something that a newer program wrote; both run during an upgrade.
    Other,
}

impl ChangeKind {
    pub const ALL: [Self; 8] = [
        Self::Tenant,
        Self::EntityType,
        Self::Entity,
        Self::Grant,
        Self::Application,
        Self::User,
        Self::Key,
        Self::Revocation,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::EntityType => "entity_type",
            Self::Entity => "entity",
            Self::Grant => "grant",
            Self::Application => "application",
            Self::User => "user",
            Self::Key => "key",
            Self::Revocation => "revocation",
            Self::Other => "other",
        }
    }

    pub fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_parses_its_own_name() {
        for kind in ChangeKind::ALL {
            assert_eq!(ChangeKind::parse(kind.as_str()), kind);
        }
        // T73
        assert_eq!(ChangeKind::parse("something new"), ChangeKind::Other);
    }
}
