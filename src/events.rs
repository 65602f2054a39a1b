//! Audit events: what changed, under a stable name. It does not decide where they go, and it never carries a secret.

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
    /// Somebody proved who they are, second factor included.
    LoginSucceeded,
    LoginFailed,
    ApiKeyCreated,
    ApiKeyUpdated,
    ApiKeyDeleted,
    KeyCreated,
    KeyRotated,
    KeyRemoved,
    TokenIssued,
    TokenRefreshed,
    TokenRevoked,
    CodeReused,
    RefreshTokenReused,
    RefreshTokenMisused,
    ConsentGiven,
    ConsentDenied,
    ConsentWithdrawn,
    CodeIssued,
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
            Self::LoginSucceeded => "login.succeeded",
            Self::LoginFailed => "login.failed",
            Self::ApiKeyCreated => "api_key.created",
            Self::ApiKeyUpdated => "api_key.updated",
            Self::ApiKeyDeleted => "api_key.deleted",
            Self::KeyCreated => "key.created",
            Self::KeyRotated => "key.rotated",
            Self::KeyRemoved => "key.removed",
            Self::TokenIssued => "token.issued",
            Self::TokenRefreshed => "token.refreshed",
            Self::TokenRevoked => "token.revoked",
            Self::CodeReused => "authorization_code.reused",
            Self::RefreshTokenReused => "refresh_token.reused",
            Self::RefreshTokenMisused => "refresh_token.misused",
            Self::ConsentGiven => "consent.given",
            Self::ConsentDenied => "consent.denied",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::CodeIssued => "authorization_code.issued",
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

    /// Writes the event about `object_id` (a UUID, a key id, or `target/recipient`).
    pub fn tell(self, object_id: &str) {
        tracing::info!(target: "faregate::audit", event = self.as_str(), object.id = object_id, "Audit");
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
    }
}
