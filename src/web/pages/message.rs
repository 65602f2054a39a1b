//! What a form says when it is shown again. Where the message stands on the page is the template's business.

use super::texts::Texts;

/// Why a form is shown again, for the person who filled it in. Unknown users and wrong passwords are one message (L8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    WrongCredentials,
    /// Too many failures; seconds until another attempt counts.
    Throttled {
        seconds: u64,
    },
    /// Told only to those who knew the password.
    Locked,
    /// Told only to those who knew the password.
    Expired,
    /// Of the second factor.
    WrongCode,
    PasswordTooShort {
        min: u32,
    },
    PasswordTooLong,
    PasswordTooCommon,
    PasswordUsed,
    PasswordsDiffer,
    InvalidEmail,
    UnknownUserCode,
    /// The form was too old or from another browser session; it has to be sent again (UX 22).
    FormExpired,
    /// A passkey that nobody here has, or that proved nothing.
    WrongPasskey,
    /// As the page itself says when the browser or the person gave up.
    PasskeyFailed,
    PasskeyAdded,
    PasskeyRemoved,
    TooManyPasskeys,
    /// The current password, of somebody who is known.
    WrongPassword,
    PasswordChanged,
    /// It has been on for longer than the form.
    SecondFactorOn,
    SecondFactorOff,
    /// Since the page was shown from which other ones were asked for.
    RecoveryCodesChanged,
    SessionEnded,
    OtherSessionsEnded,
    AccessEnded,
    /// What was to end is over already, or somebody else's.
    NothingToEnd,
    /// Too much to do at the moment; nothing is wrong with what was typed.
    Busy,
}

impl Message {
    pub(super) fn text(self, t: &Texts) -> String {
        match self {
            Self::WrongCredentials => t.wrong_credentials.to_owned(),
            Self::Throttled { seconds } => t.throttled.replace("{seconds}", &seconds.to_string()),
            Self::Locked => t.locked.to_owned(),
            Self::Expired => t.expired.to_owned(),
            Self::WrongCode => t.wrong_code.to_owned(),
            Self::PasswordTooShort { min } => t.password_too_short.replace("{min}", &min.to_string()),
            Self::PasswordTooLong => t.password_too_long.to_owned(),
            Self::PasswordTooCommon => t.password_too_common.to_owned(),
            Self::PasswordUsed => t.password_used.to_owned(),
            Self::PasswordsDiffer => t.passwords_differ.to_owned(),
            Self::InvalidEmail => t.invalid_email.to_owned(),
            Self::UnknownUserCode => t.unknown_user_code.to_owned(),
            Self::FormExpired => t.form_expired.to_owned(),
            Self::WrongPasskey => t.wrong_passkey.to_owned(),
            Self::PasskeyFailed => t.passkey_failed.to_owned(),
            Self::PasskeyAdded => t.passkey_added.to_owned(),
            Self::PasskeyRemoved => t.passkey_removed.to_owned(),
            Self::TooManyPasskeys => t.too_many_passkeys.to_owned(),
            Self::WrongPassword => t.wrong_password.to_owned(),
            Self::PasswordChanged => t.password_changed.to_owned(),
            Self::SecondFactorOn => t.totp_on.to_owned(),
            Self::SecondFactorOff => t.totp_off.to_owned(),
            Self::RecoveryCodesChanged => t.recovery_codes_changed.to_owned(),
            Self::SessionEnded => t.session_ended.to_owned(),
            Self::OtherSessionsEnded => t.other_sessions_ended.to_owned(),
            Self::AccessEnded => t.access_ended.to_owned(),
            Self::NothingToEnd => t.nothing_to_end.to_owned(),
            Self::Busy => t.busy.to_owned(),
        }
    }

    /// The id of the field to correct, if the message is about one.
    pub(super) const fn target(self) -> Option<&'static str> {
        match self {
            Self::WrongCredentials => Some("loginId"),
            Self::WrongCode => Some("code"),
            Self::PasswordTooShort { .. } | Self::PasswordTooLong | Self::PasswordTooCommon | Self::PasswordUsed => {
                Some("password")
            }
            Self::WrongPassword => Some("current"),
            Self::PasswordsDiffer => Some("confirm"),
            Self::InvalidEmail => Some("email"),
            Self::UnknownUserCode => Some("user_code"),
            Self::Throttled { .. }
            | Self::Locked
            | Self::Expired
            | Self::FormExpired
            | Self::WrongPasskey
            | Self::PasskeyFailed
            | Self::PasskeyAdded
            | Self::PasskeyRemoved
            | Self::TooManyPasskeys
            | Self::PasswordChanged
            | Self::SecondFactorOn
            | Self::SecondFactorOff
            | Self::RecoveryCodesChanged
            | Self::SessionEnded
            | Self::OtherSessionsEnded
            | Self::AccessEnded
            | Self::NothingToEnd
            | Self::Busy => None,
        }
    }

    /// Whether what is in the field with this id may be wrong.
    pub(super) fn concerns(self, id: &str) -> bool {
        // Which of the two is wrong is not told.
        self.target() == Some(id) || (self == Self::WrongCredentials && id == "password")
    }

    /// Whether it tells of a mistake. The others are news.
    pub(super) const fn is_error(self) -> bool {
        match self {
            Self::FormExpired
            | Self::PasskeyAdded
            | Self::PasskeyRemoved
            | Self::PasswordChanged
            | Self::SecondFactorOn
            | Self::SecondFactorOff
            | Self::RecoveryCodesChanged
            | Self::SessionEnded
            | Self::OtherSessionsEnded
            | Self::AccessEnded
            | Self::NothingToEnd => false,
            Self::WrongCredentials
            | Self::Throttled { .. }
            | Self::Locked
            | Self::Expired
            | Self::WrongCode
            | Self::PasswordTooShort { .. }
            | Self::PasswordTooLong
            | Self::PasswordTooCommon
            | Self::PasswordUsed
            | Self::PasswordsDiffer
            | Self::InvalidEmail
            | Self::UnknownUserCode
            | Self::WrongPasskey
            | Self::PasskeyFailed
            | Self::TooManyPasskeys
            | Self::WrongPassword
            | Self::Busy => true,
        }
    }
}
