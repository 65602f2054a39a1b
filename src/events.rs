//! Audit events: what changed, under a stable name, as a log line and for whoever keeps a log. It stores nothing, and it
//! never carries a secret.

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use crate::model::EventKind;

/// Something that an auditor asks about. The names are a promise to those who search logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    TenantCreated,
    TenantUpdated,
    TenantDeleted,
    EntityTypeCreated,
    EntityTypeUpdated,
    EntityTypeDeleted,
    EntityCreated,
    EntityUpdated,
    EntityDeleted,
    SecretRegenerated,
    GrantChanged,
    GrantDeleted,
    ApplicationCreated,
    ApplicationUpdated,
    ApplicationDeleted,
    ApplicationSecretRegenerated,
    /// A client registered itself (RFC 7591).
    ClientRegistered,
    /// It changed what it had said (RFC 7592).
    ClientChanged,
    /// It asked to be forgotten, or nobody had logged in to it in time.
    ClientForgotten,
    UserCreated,
    UserUpdated,
    UserDeleted,
    UserLocked,
    UserUnlocked,
    UserRevoked,
    PasswordChanged,
    RegistrationChanged,
    RegistrationDeleted,
    SecondFactorEnrolled,
    SecondFactorRemoved,
    SecondFactorFailed,
    RecoveryCodeSpent,
    RecoveryCodesRenewed,
    PasskeyAdded,
    PasskeyRemoved,
    /// It counted less often than before: somebody may have copied it.
    PasskeyCopied,
    /// Somebody proved who they are, second factor included.
    LoginSucceeded,
    LoginFailed,
    /// An application says that somebody whom it knows already is there again.
    LoginNoted,
    ApiKeyCreated,
    ApiKeyUpdated,
    ApiKeyDeleted,
    KeyCreated,
    KeyImported,
    KeyRenamed,
    KeyDeleted,
    KeyRotated,
    KeyRemoved,
    TokenIssued,
    /// A service got a token with which it acts for a person (RFC 8693).
    TokenExchanged,
    TokenRefreshed,
    TokenRevoked,
    /// An administrator had claims of their own signed.
    TokenVended,
    CodeReused,
    RefreshTokenReused,
    RefreshTokenMisused,
    ConsentGiven,
    ConsentDenied,
    ConsentWithdrawn,
    CodeIssued,
    /// A client said what it will ask a person for.
    RequestPushed,
    CodeChallengeRepeated,
    NonceRepeated,
    SessionStarted,
    SessionEnded,
    DeviceRequested,
    /// A device got no code.
    DeviceRequestRefused,
    /// A device that had a code got no tokens, and will get none.
    DeviceExchangeRefused,
    DeviceApproved,
    DeviceDenied,
    UserCodeWrong,
    UserCodeShared,
}

impl Event {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TenantCreated => "tenant.created",
            Self::TenantUpdated => "tenant.updated",
            Self::TenantDeleted => "tenant.deleted",
            Self::EntityTypeCreated => "entity_type.created",
            Self::EntityTypeUpdated => "entity_type.updated",
            Self::EntityTypeDeleted => "entity_type.deleted",
            Self::EntityCreated => "entity.created",
            Self::EntityUpdated => "entity.updated",
            Self::EntityDeleted => "entity.deleted",
            Self::SecretRegenerated => "entity.secret_regenerated",
            Self::GrantChanged => "grant.changed",
            Self::GrantDeleted => "grant.deleted",
            Self::ApplicationCreated => "application.created",
            Self::ApplicationUpdated => "application.updated",
            Self::ApplicationDeleted => "application.deleted",
            Self::ApplicationSecretRegenerated => "application.secret_regenerated",
            Self::ClientRegistered => "client.registered",
            Self::ClientChanged => "client.changed",
            Self::ClientForgotten => "client.forgotten",
            Self::UserCreated => "user.created",
            Self::UserUpdated => "user.updated",
            Self::UserDeleted => "user.deleted",
            Self::UserLocked => "user.locked",
            Self::UserUnlocked => "user.unlocked",
            Self::UserRevoked => "user.revoked",
            Self::PasswordChanged => "user.password_changed",
            Self::RegistrationChanged => "registration.changed",
            Self::RegistrationDeleted => "registration.deleted",
            Self::SecondFactorEnrolled => "user.second_factor_enrolled",
            Self::SecondFactorRemoved => "user.second_factor_removed",
            Self::SecondFactorFailed => "user.second_factor_failed",
            Self::RecoveryCodeSpent => "user.recovery_code_spent",
            Self::RecoveryCodesRenewed => "user.recovery_codes_renewed",
            Self::PasskeyAdded => "user.passkey_added",
            Self::PasskeyRemoved => "user.passkey_removed",
            Self::PasskeyCopied => "user.passkey_copied",
            Self::LoginSucceeded => "login.succeeded",
            Self::LoginFailed => "login.failed",
            Self::LoginNoted => "login.noted",
            Self::ApiKeyCreated => "api_key.created",
            Self::ApiKeyUpdated => "api_key.updated",
            Self::ApiKeyDeleted => "api_key.deleted",
            Self::KeyCreated => "key.created",
            Self::KeyImported => "key.imported",
            Self::KeyRenamed => "key.renamed",
            Self::KeyDeleted => "key.deleted",
            Self::KeyRotated => "key.rotated",
            Self::KeyRemoved => "key.removed",
            Self::TokenIssued => "token.issued",
            Self::TokenExchanged => "token.exchanged",
            Self::TokenRefreshed => "token.refreshed",
            Self::TokenRevoked => "token.revoked",
            Self::TokenVended => "token.vended",
            Self::CodeReused => "authorization_code.reused",
            Self::RefreshTokenReused => "refresh_token.reused",
            Self::RefreshTokenMisused => "refresh_token.misused",
            Self::ConsentGiven => "consent.given",
            Self::ConsentDenied => "consent.denied",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::CodeIssued => "authorization_code.issued",
            Self::RequestPushed => "authorization_request.pushed",
            Self::CodeChallengeRepeated => "client.code_challenge_repeated",
            Self::NonceRepeated => "client.nonce_repeated",
            Self::SessionStarted => "session.started",
            Self::SessionEnded => "session.ended",
            Self::DeviceRequested => "device.requested",
            Self::DeviceRequestRefused => "device.request_refused",
            Self::DeviceExchangeRefused => "device.exchange_refused",
            Self::DeviceApproved => "device.approved",
            Self::DeviceDenied => "device.denied",
            Self::UserCodeWrong => "device.user_code_wrong",
            Self::UserCodeShared => "device.user_code_shared",
        }
    }

    /// What the event log keeps it as; `None` for what happens with every login or token, or as often as anybody
    /// likes: it is in the lines only.
    pub const fn kept_as(self) -> Option<EventKind> {
        match self {
            Self::TokenIssued
            | Self::TokenExchanged
            | Self::TokenRefreshed
            | Self::TokenRevoked
            | Self::CodeIssued
            | Self::RequestPushed
            | Self::SessionStarted
            | Self::SessionEnded
            | Self::LoginSucceeded
            | Self::LoginFailed
            | Self::LoginNoted
            | Self::TokenVended
            | Self::ClientRegistered
            | Self::ClientChanged
            | Self::ClientForgotten
            | Self::ConsentGiven
            | Self::ConsentDenied
            | Self::DeviceRequested
            | Self::DeviceRequestRefused
            | Self::DeviceExchangeRefused
            | Self::DeviceApproved
            | Self::DeviceDenied
            | Self::UserCodeWrong => None,
            Self::CodeReused
            | Self::RefreshTokenReused
            | Self::RefreshTokenMisused
            | Self::SecondFactorFailed
            | Self::PasskeyCopied
            | Self::UserCodeShared
            | Self::CodeChallengeRepeated
            | Self::NonceRepeated => Some(EventKind::Error),
            Self::TenantCreated
            | Self::TenantUpdated
            | Self::TenantDeleted
            | Self::EntityTypeCreated
            | Self::EntityTypeUpdated
            | Self::EntityTypeDeleted
            | Self::EntityCreated
            | Self::EntityUpdated
            | Self::EntityDeleted
            | Self::SecretRegenerated
            | Self::GrantChanged
            | Self::GrantDeleted
            | Self::ApplicationCreated
            | Self::ApplicationUpdated
            | Self::ApplicationDeleted
            | Self::ApplicationSecretRegenerated
            | Self::UserCreated
            | Self::UserUpdated
            | Self::UserDeleted
            | Self::UserLocked
            | Self::UserUnlocked
            | Self::UserRevoked
            | Self::PasswordChanged
            | Self::RegistrationChanged
            | Self::RegistrationDeleted
            | Self::SecondFactorEnrolled
            | Self::SecondFactorRemoved
            | Self::RecoveryCodeSpent
            | Self::RecoveryCodesRenewed
            | Self::PasskeyAdded
            | Self::PasskeyRemoved
            | Self::ApiKeyCreated
            | Self::ApiKeyUpdated
            | Self::ApiKeyDeleted
            | Self::KeyCreated
            | Self::KeyImported
            | Self::KeyRenamed
            | Self::KeyDeleted
            | Self::KeyRotated
            | Self::KeyRemoved
            | Self::ConsentWithdrawn => Some(EventKind::Information),
        }
    }

    /// Writes the event about `object_id` (a UUID, a key id, or `target/recipient`).
    pub fn tell(self, object_id: &str) {
        tracing::info!(target: "faregate::audit", event = self.as_str(), object.id = object_id, "Audit");
        if let Some(kind) = self.kept_as() {
            keep(kind, || format!("{} {object_id}", self.as_str()));
        }
    }

    /// Writes the event about `object_id`, a grant, token or entity, that the client brought about.
    pub fn tell_of(self, object_id: &str, client_id: &str) {
        tracing::info!(
            target: "faregate::audit",
            event = self.as_str(),
            object.id = object_id,
            client.id = client_id,
            "Audit"
        );
        if let Some(kind) = self.kept_as() {
            keep(kind, || format!("{} {object_id} by client {client_id}", self.as_str()));
        }
    }

    /// The same with the code that another system's log has for it, and the protocol it was about (F-253, F-254).
    pub fn tell_as(
        self,
        object_id: &str,
        client_id: Option<&str>,
        code_and_protocol: Option<(&'static str, &'static str)>,
    ) {
        let (code, protocol) = code_and_protocol.unzip();
        tracing::info!(
            target: "faregate::audit",
            event = self.as_str(),
            object.id = object_id,
            client.id = client_id,
            code,
            protocol,
            "Audit"
        );
        if let Some(kind) = self.kept_as() {
            let by = client_id.map(|client_id| format!(" by client {client_id}")).unwrap_or_default();
            keep(kind, || format!("{} {object_id}{by}", self.as_str()));
        }
    }
}

/// Keeps what a developer asked to be told (F-013). The caller writes the line.
pub fn tell_developer(message: impl FnOnce() -> String) {
    keep(EventKind::Debug, message);
}

/// Entries that wait in memory at most; what comes on top is counted.
const MOST_WAITING: usize = 2_000;

/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 1_000;

/// What was told and not taken yet.
#[derive(Default)]
pub struct Inbox(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    entries: Vec<(EventKind, String)>,
    /// Of them, those that anybody can cause.
    debug: usize,
    lost: u64,
}

/// Everybody who listens. Events are told from wherever they happen, so they are the process's: there is one listener in a
/// program, and several only where a test starts several gateways.
static LISTENERS: RwLock<Vec<Weak<Inbox>>> = RwLock::new(Vec::new());

/// From here on, what is worth keeping is left in the inbox, until the last owner drops it.
pub fn listen() -> Arc<Inbox> {
    let inbox = Arc::new(Inbox::default());
    let mut listeners = LISTENERS.write().unwrap_or_else(PoisonError::into_inner);
    listeners.retain(|listener| listener.strong_count() > 0);
    listeners.push(Arc::downgrade(&inbox));
    inbox
}

fn keep(kind: EventKind, message: impl FnOnce() -> String) {
    let listeners = LISTENERS.read().unwrap_or_else(PoisonError::into_inner);
    if listeners.is_empty() {
        return;
    }
    let mut message = message();
    // At the end of a character.
    let whole = (0..=LONGEST_MESSAGE.min(message.len())).rev().find(|&end| message.is_char_boundary(end));
    message.truncate(whole.unwrap_or_default());
    for inbox in listeners.iter().filter_map(Weak::upgrade) {
        let mut waiting = inbox.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_debug = kind == EventKind::Debug;
        if waiting.entries.len() < MOST_WAITING && (!is_debug || waiting.debug < MOST_WAITING / 4) {
            waiting.entries.push((kind, message.clone()));
            waiting.debug += usize::from(is_debug);
        } else if !is_debug {
            waiting.lost += 1;
        }
    }
}

impl Inbox {
    /// Moves what waits behind `entries`, as long as they are few, and says how much was lost.
    pub fn take(&self, entries: &mut Vec<(EventKind, String)>) {
        if entries.len() >= MOST_WAITING {
            return;
        }
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.append(&mut waiting.entries);
        waiting.debug = 0;
        if waiting.lost > 0 {
            let message = format!("event_log.overrun {} events are in the log lines only", waiting.lost);
            entries.push((EventKind::Error, message));
            waiting.lost = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // D-05
    #[test]
    fn what_matters_waits_for_whoever_listens() {
        let (first, second) = (listen(), listen());
        let subject = "00000000-1111-4222-8333-what-matters";
        Event::UserCreated.tell(subject);
        Event::TokenIssued.tell_of(subject, "client");
        Event::RefreshTokenReused.tell_of(subject, "client");
        tell_developer(|| format!("{subject}{}", "\u{e4}".repeat(LONGEST_MESSAGE)));
        for inbox in [first, second] {
            let mut entries = Vec::new();
            inbox.take(&mut entries);
            entries.retain(|(_, message)| message.contains(subject));
            assert_eq!(entries.len(), 3);
            assert_eq!(entries[0], (EventKind::Information, format!("user.created {subject}")));
            assert_eq!(entries[1], (EventKind::Error, format!("refresh_token.reused {subject} by client client")));
            assert!(entries[2].0 == EventKind::Debug && entries[2].1.len() <= LONGEST_MESSAGE);
        }
    }

    #[test]
    fn what_nobody_takes_is_counted() {
        let inbox = listen();
        for _ in 0..MOST_WAITING + 10 {
            Event::UserCreated.tell("x");
        }
        let mut entries = Vec::new();
        inbox.take(&mut entries);
        assert_eq!(entries.len(), MOST_WAITING + 1);
        assert!(entries[MOST_WAITING].1.starts_with("event_log.overrun "), "{:?}", entries[MOST_WAITING]);
    }
}
