//! English. What a text is for stands in the struct.

use super::{Counted, Texts};

const fn counted(one: &'static str, other: &'static str) -> Counted {
    Counted { one, two: other, few: other, many: other, other }
}

pub(in crate::web::pages) const ENGLISH: Texts = Texts {
    languages: "Language",
    continue_button: "Continue",
    error_prefix: "Error:",
    unnamed: "an application without a name",

    sign_in_title: "Sign in",
    sign_in_to: "to continue to {client}",
    login_id_label: "Email or username",
    password_label: "Password",
    show_password: "Show password",
    remember_label: "Keep me signed in",
    sign_in_button: "Sign in",

    second_factor_title: "Confirm that it is you",
    second_factor_lead: "Open your authenticator app and enter the six-digit code that it shows.",
    code_label: "Code",
    code_hint: "No access to the app? Enter one of your recovery codes instead.",

    change_title: "Choose a new password",
    change_administrative: "You have been asked to change your password before you continue.",
    change_breached: "Your password has appeared in a data breach elsewhere. Choose another one to stay safe.",
    change_expired: "Your password has expired.",
    change_validation: "Your password is not strong enough by today’s rules.",
    new_password_label: "New password",
    confirm_label: "New password, again",
    min_length: "At least {min} characters. Several words in a row are easy to remember and hard to guess.",
    change_button: "Change password",

    leaving_title: "Leave this page?",
    leaving_lead: "{client} sent you here with a request that cannot be answered.",
    leaving_text: "You have not allowed this application anything. Go on only if you know where you are going.",
    leaving_button: "Go back to the application",

    consent_title: "Allow access?",
    consent_lead: "{client} would like to access your account.",
    unverified: "Unverified",
    unverified_text: "Nobody has checked who is behind this application. Allow it only if you know it and trust it.",
    registered_by: "Registered by",
    redirect_to: "Sends you back to",
    lifetime: "Access lasts",
    scopes_required: "It will be able to:",
    scopes_optional: "If you tick it, also to:",
    sensitive: "Far-reaching",
    allow: "Allow",
    deny: "Deny",
    scope_openid: "Know which account is yours",
    scope_profile: "See your name and other profile details",
    scope_email: "See your email address",
    scope_address: "See your postal address",
    scope_phone: "See your phone number",
    scope_offline_access: "Keep its access while you are away",

    device_title: "Connect a device",
    device_lead: "Enter the code that your device shows.",
    user_code_label: "Code",
    user_code_hint: "Capital or small letters, with or without the dash.",
    device_confirm_title: "Connect this device?",
    device_confirm_lead: "A device asks for access to your account with {client}.",
    device_compare: "Does your device show exactly this code?",
    device_warning: "Only continue if you started this yourself. If somebody sent you the code or the link, choose Deny.",
    device_place: "Asked from",
    device_asked: "Asked",
    device_approved_title: "Device connected",
    device_approved_text: "You can close this page and go on with your device.",
    device_denied_title: "Access denied",
    device_denied_text: "The device got no access to your account. You can close this page.",
    just_now: "just now",
    ago: "{length} ago",

    confirm_logout_title: "Sign out?",
    confirm_logout_text: "You will be signed out of {tenant} in this browser.",
    logout_button: "Sign out",
    signed_out_title: "You are signed out",
    signed_out_text: "You can close this page.",
    signed_out_next: "You will be taken back in a moment.",

    setup_title: "Create the first account",
    setup_lead: "Nobody can sign in here yet. This link works once.",
    email_label: "Email",
    setup_confirm_label: "Password, again",
    setup_button: "Create account",
    setup_done_title: "The first account is there",
    setup_done_lead: "{email} can sign in from now on.",
    api_key_label: "API key",
    api_key_hint: "With this key everything can be managed. It is shown only now: keep it as safe as a password.",

    not_registered_title: "No access to this application",
    not_registered_text: "You are signed in, but your account is not registered for {client}. \
                          Ask the people who run it to add you.",
    error_request_title: "This did not work",
    error_request_text: "Go back to the application and try again. If that does not help, tell the people who run it, \
                         and give them the reference below.",
    error_throttled_title: "Too many attempts",
    error_throttled_text: "Wait a few minutes, then go back to the application and try again.",
    error_loop_title: "You are going in circles",
    error_loop_text: "We stopped because your browser came back here several times in a row. Most likely it blocks \
                      cookies for this site, its clock is wrong, or the address of this site changed on the way. \
                      Check that, then start again from the application.",
    error_login_title: "Signing in did not work",
    error_login_text: "You are not signed in, and nothing else happened. Start again from the application. If that does not \
                       help, allow cookies for this site, and tell the people who run it the reference below.",
    error_again: "Try again",
    error_unavailable_title: "Not possible at the moment",
    error_unavailable_text: "Something does not work on our side. Nothing is wrong with your account. \
                             Wait a moment and try again.",
    error_developer: "For developers",
    error_reference: "Reference",

    form_post_title: "One moment",
    form_post_text: "You are being taken back to the application.",

    wrong_credentials: "Email, username or password is wrong. Check them and try again.",
    throttled: "Too many attempts. Wait {seconds} s and try again.",
    locked: "This account is locked. Ask the people who run it for help.",
    expired: "This account has expired. Ask the people who run it for help.",
    wrong_code: "This code is wrong or was used already. Wait for the next one and try again.",
    password_too_short: "This password is too short. Use at least {min} characters.",
    password_too_long: "This password is too long.",
    password_too_common: "This password is easy to guess. Choose one that is not on everybody’s list.",
    passwords_differ: "The two passwords are not the same. Type them again.",
    invalid_email: "This is not an email address. Check it and try again.",
    unknown_user_code: "We do not know this code, or it has expired. Check it on your device and try again.",
    form_expired: "This page was open for a long time. Please send it again.",
    busy: "We cannot check this right now. Please try again in a moment.",

    days: counted("{n} day", "{n} days"),
    hours: counted("{n} hour", "{n} hours"),
    minutes: counted("{n} minute", "{n} minutes"),
};
