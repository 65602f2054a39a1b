//! Every text of the pages, as one struct that each language fills in its own file. A missing text does not compile.
//!
//! Words in braces are replaced by what they name. Owns also how numbers of days and minutes are said.

mod ar;
mod de;
mod en;
#[cfg(test)]
mod tests;

pub(super) use ar::ARABIC;
pub(super) use de::GERMAN;
pub(super) use en::ENGLISH;

use super::Language;

/// The forms of a counted word (Unicode CLDR plural rules). `{n}` is the number. Languages that have fewer forms repeat.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub one: &'static str,
    pub two: &'static str,
    pub few: &'static str,
    pub many: &'static str,
    pub other: &'static str,
}

macro_rules! texts {
    ($($name:ident),+ $(,)?) => {
        pub(super) struct Texts {
            $(pub $name: &'static str,)+
            pub days: Counted,
            /// After the word for ago, where it is another form.
            pub days_ago: Counted,
            pub hours: Counted,
            pub minutes: Counted,
        }

        #[cfg(test)]
        impl Texts {
            /// Every text with its name.
            fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name)),+]
            }
        }
    };
}

texts! {
    // Around every page.
    languages, continue_button, error_prefix, unnamed,
    // Signing in.
    sign_in_title, sign_in_to, login_id_label, password_label, show_password, remember_label, sign_in_button,
    // Second factor.
    second_factor_title, second_factor_lead, code_label, code_hint,
    // Passkeys.
    passkey_sign_in, passkey_failed, passkeys_title, passkeys_lead, no_passkeys, passkey_unnamed, passkey_added_when,
    passkey_remove, passkey_name_label, passkey_name_hint, passkey_add, passkey_unsupported,
    // One's account.
    account_title, account_lead, account_passkeys, account_no_passkeys, account_set_up, account_manage,
    account_sessions, account_not_remembered, account_unknown_browser, account_this, account_began, account_used,
    account_end, account_end_hint, account_end_others, account_no_others, account_applications,
    account_no_applications, account_allowed, account_lasts, account_not_offline, account_end_access,
    account_second_factor, account_recovery_codes, account_no_second_factor, account_turn_off,
    totp_title, totp_lead, totp_picture, totp_key, totp_button, recovery_title, recovery_lead, recovery_download,
    recovery_renew, recovery_renew_hint,
    totp_off_title, totp_off_lead,
    account_left_out, account_changed, account_change, new_password_title, new_password_lead, current_password_label,
    // New password.
    change_title, change_administrative, change_breached, change_expired, change_validation, new_password_label,
    confirm_label, min_length, change_button,
    // The way back to a client that was let have nothing.
    leaving_title, leaving_lead, leaving_text, leaving_button,
    // Consent.
    consent_title, consent_lead, unverified, unverified_text, registered_by, redirect_to, lifetime, scopes_required,
    scopes_optional, sensitive, allow, deny,
    scope_openid, scope_profile, scope_email, scope_address, scope_phone, scope_offline_access,
    // Devices.
    device_title, device_lead, user_code_label, user_code_hint, device_confirm_title, device_confirm_lead,
    device_compare, device_warning, device_place, device_asked, device_approved_title, device_approved_text,
    device_denied_title, device_denied_text, just_now, ago,
    // Signing out.
    confirm_logout_title, confirm_logout_text, logout_button, signed_out_title, signed_out_text, signed_out_next,
    // The first person.
    setup_title, setup_lead, email_label, setup_confirm_label, setup_button, setup_done_title, setup_done_lead,
    api_key_label, api_key_hint,
    // Where a way ends.
    not_registered_title, not_registered_text,
    error_request_title, error_request_text, error_throttled_title,
    error_throttled_text, error_loop_title, error_loop_text, error_login_title, error_login_text, error_again,
    error_unavailable_title, error_unavailable_text, error_developer, error_reference,
    // A form on its way to the client.
    form_post_title, form_post_text,
    // Messages of forms.
    wrong_credentials, throttled, locked, expired, wrong_code, password_too_short, password_too_long,
    password_too_common, password_used, passwords_differ, invalid_email, unknown_user_code, form_expired, busy,
    wrong_passkey, passkey_added, passkey_removed, too_many_passkeys,
    totp_on, totp_off, recovery_codes_changed, wrong_password, password_changed, session_ended, other_sessions_ended, access_ended, nothing_to_end,
}

impl Texts {
    /// What a scope of OpenID Connect Core 5.4 or 11 means to people.
    pub(super) fn scope(&self, name: &str) -> Option<&'static str> {
        match name {
            "openid" => Some(self.scope_openid),
            "profile" => Some(self.scope_profile),
            "email" => Some(self.scope_email),
            "address" => Some(self.scope_address),
            "phone" => Some(self.scope_phone),
            "offline_access" => Some(self.scope_offline_access),
            _ => None,
        }
    }
}

/// `seconds` as days, hours or minutes, rounded, at least one minute.
pub(super) fn length(t: &Texts, language: Language, seconds: i64) -> String {
    counted(t, &t.days, language, seconds)
}

/// The same as a time that has passed.
pub(super) fn ago(t: &Texts, language: Language, seconds: i64) -> String {
    t.ago.replace("{length}", &counted(t, &t.days_ago, language, seconds))
}

fn counted(t: &Texts, days: &Counted, language: Language, seconds: i64) -> String {
    let (unit, forms) = match seconds {
        172_800.. => (86_400, days),
        7200.. => (3600, &t.hours),
        _ => (60, &t.minutes),
    };
    let count = ((seconds + unit / 2) / unit).max(1);
    let form = match language {
        Language::English | Language::German if count == 1 => forms.one,
        Language::English | Language::German => forms.other,
        Language::Arabic => match (count, count % 100) {
            (1, _) => forms.one,
            (2, _) => forms.two,
            (_, 3..=10) => forms.few,
            (_, 11..) => forms.many,
            (_, _) => forms.other,
        },
    };
    form.replace("{n}", &count.to_string())
}
