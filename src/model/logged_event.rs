//! What the event log keeps. It does not decide what is worth keeping.

/// An entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Grows by one from entry to entry.
    pub id: i64,
    pub kind: EventKind,
    /// For people; it begins with the stable name of the event and never holds a secret.
    pub message: String,
    pub stored_at: i64,
}

/// How much an entry wants to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// What a developer asked to be told.
    Debug,
    Information,
    /// Something that should not happen: reuse, theft, losses.
    Error,
}

impl EventKind {
    pub const ALL: [Self; 3] = [Self::Debug, Self::Information, Self::Error];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "Debug",
            Self::Information => "Information",
            Self::Error => "Error",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}
