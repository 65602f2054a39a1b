//! Replies as pages: the protocol's words as the structs of `pages`, in the person's language.
//!
//! Owns the translation of one into the other; which page is due was decided before.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::browser::Browser;
use super::pages::{self, Chrome, ErrorKind, FormAction, Language};
use super::respond::{self, Outcome};
use crate::model::{Tenant, Theme};
use crate::oauth::{
    ConsentScope, Context, ErrorCode, ErrorReason, Form, ListedApplication, ListedPasskey, ListedSession, Message,
    OAuthError, Page,
};
use crate::profile::Statuses;

/// A page, with `forgery` in its form.
pub(super) fn page(
    browser: &Browser,
    endpoint: &'static str,
    (page, context): (&Page, &Context),
    forgery: &str,
) -> Response {
    let error = match page {
        Page::Error(error) => Some(error),
        Page::SignIn { .. }
        | Page::SecondFactor { .. }
        | Page::ChangePassword { .. }
        | Page::Consent { .. }
        | Page::Leaving { .. }
        | Page::DeviceEntry { .. }
        | Page::DeviceConfirm { .. }
        | Page::DeviceDone { .. }
        | Page::Account { .. }
        | Page::NewPassword { .. }
        | Page::SecondFactorSetUp { .. }
        | Page::RecoveryCodes { .. }
        | Page::SecondFactorOn { .. }
        | Page::Passkeys { .. }
        | Page::NotRegistered { .. }
        | Page::SetUp { .. }
        | Page::SetUpDone { .. }
        | Page::ConfirmLogout { .. }
        | Page::SignedOut { .. } => None,
    };
    if let Some(error) = error.filter(|_| browser.prefers_json()) {
        return respond::refuse(endpoint, error);
    }
    let mut response = match page {
        Page::SignIn { form, client_name, login_id, message, shows_remember, remembers, offers_passkey } => {
            with_form(form, |form| {
                let page = pages::SignIn {
                    form: pages::Form { forgery, ..form },
                    client_name,
                    login_id,
                    message: message.map(said),
                    show_remember: *shows_remember,
                    remember: *remembers,
                    offer_passkey: *offers_passkey,
                };
                respond_with(browser, context, status_of(*message), &page)
            })
        }
        Page::SecondFactor { form, message } => with_form(form, |form| {
            let page = pages::SecondFactor { form: pages::Form { forgery, ..form }, message: message.map(said) };
            respond_with(browser, context, status_of(*message), &page)
        }),
        Page::ChangePassword { form, message, reason, min_length, login_id } => with_form(form, |form| {
            let page = pages::ChangePassword {
                form: pages::Form { forgery, ..form },
                message: message.map(said),
                reason: *reason,
                min_length: *min_length,
                login_id,
            };
            respond_with(browser, context, status_of(*message), &page)
        }),
        Page::Consent { form, client_name, owner, redirect_host, is_verified, lasts_for, scopes } => {
            with_form(form, |form| {
                let page = pages::Consent {
                    form: pages::Form { forgery, ..form },
                    client_name,
                    owner: owner.as_deref(),
                    redirect_host,
                    verified: *is_verified,
                    lifetime: *lasts_for,
                    scopes: &scopes.iter().map(scope).collect::<Vec<_>>(),
                };
                respond_with(browser, context, StatusCode::OK.into(), &page)
            })
        }
        Page::Leaving { form, client_name, redirect_host } => with_form(form, |form| {
            let page = pages::Leaving { form: pages::Form { forgery, ..form }, client_name, redirect_host };
            respond_with(browser, context, StatusCode::OK.into(), &page)
        }),
        Page::DeviceEntry { form, user_code, message } => with_form(form, |form| {
            let form = pages::Form { forgery, ..form };
            let page = pages::DeviceEntry { form, user_code, message: message.map(said) };
            respond_with(browser, context, status_of(*message), &page)
        }),
        Page::DeviceConfirm { form, client_name, user_code, place, asked_for, scopes } => with_form(form, |form| {
            let page = pages::DeviceConfirm {
                form: pages::Form { forgery, ..form },
                client_name,
                user_code,
                place: place.as_deref(),
                asked_for: *asked_for,
                scopes: &scopes.iter().map(scope).collect::<Vec<_>>(),
            };
            respond_with(browser, context, StatusCode::OK.into(), &page)
        }),
        Page::DeviceDone { approved } => {
            respond_with(browser, context, StatusCode::OK.into(), &pages::DeviceDone { approved: *approved })
        }
        Page::Account {
            form,
            message,
            login_id,
            password_changed_for,
            recovery_codes,
            passkeys,
            sessions,
            has_other_sessions,
            applications,
            left_out,
            links,
        } => with_form(form, |form| {
            let scopes: Vec<Vec<_>> =
                applications.iter().map(|application| application.scopes.iter().map(scope).collect()).collect();
            let page = pages::Account {
                form: pages::Form { forgery, ..form },
                message: message.map(said),
                login_id,
                password: links.password.as_deref().map(|address| (address, *password_changed_for)),
                second_factor: links.second_factor.as_deref().map(|address| (address, *recovery_codes)),
                passkeys: links.passkeys.as_deref(),
                passkey_count: *passkeys,
                sign_out: &links.sign_out,
                sessions: &sessions.iter().map(session).collect::<Vec<_>>(),
                has_other_sessions: *has_other_sessions,
                applications: &applications.iter().zip(&scopes).map(application).collect::<Vec<_>>(),
                left_out: (*left_out, links.all.as_deref().unwrap_or_default()),
            };
            respond_with(browser, context, status_of(*message), &page)
        }),
        Page::NewPassword { form, message, min_length, login_id, account } => with_form(form, |form| {
            let form = pages::Form { forgery, ..form };
            let (said, min_length) = (message.map(said), *min_length);
            let page = pages::NewPassword { form, message: said, min_length, login_id, account };
            respond_with(browser, context, status_of(*message), &page)
        }),
        Page::SecondFactorSetUp { form, message, picture, key, account } => with_form(form, |form| {
            let form = pages::Form { forgery, ..form };
            let (picture, key, said) = (picture.expose(), key.expose(), message.map(said));
            let page = pages::SecondFactorSetUp { form, message: said, picture, key, account };
            respond_with(browser, context, status_of(*message), &page)
        }),
        Page::RecoveryCodes { form, codes, account } => with_form(form, |form| {
            let form = pages::Form { forgery, ..form };
            let codes: Vec<&str> = codes.iter().map(|code| code.expose().as_str()).collect();
            let page = pages::RecoveryCodes { form, codes: &codes, account };
            respond_with(browser, context, StatusCode::OK.into(), &page)
        }),
        Page::SecondFactorOn { form, message, left, codes_seen, account } => with_form(form, |form| {
            let form = pages::Form { forgery, ..form };
            let (left, said) = (*left, message.map(said));
            let page = pages::SecondFactorOn { form, message: said, left, codes_seen, account };
            respond_with(browser, context, status_of(*message), &page)
        }),
        Page::Passkeys { form, message, account, person, passkeys } => with_form(form, |form| {
            let page = pages::Passkeys {
                form: pages::Form { forgery, ..form },
                message: message.map(said),
                account,
                place: &person.place,
                handle: &person.handle,
                login_id: &person.login_id,
                name: &person.name,
                passkeys: &passkeys.iter().map(listed).collect::<Vec<_>>(),
            };
            respond_with(browser, context, status_of(*message), &page)
        }),
        Page::NotRegistered { client_name } => {
            respond_with(browser, context, StatusCode::FORBIDDEN.into(), &pages::NotRegistered { client_name })
        }
        Page::SetUp { form, message, email, min_length } => with_form(form, |form| {
            let form = pages::Form { forgery, ..form };
            let page = pages::SetUp { form, message: message.map(said), email, min_length: *min_length };
            respond_with(browser, context, status_of(*message), &page)
        }),
        Page::SetUpDone { email, api_key } => {
            let page = pages::SetUpDone { email, api_key: api_key.expose() };
            respond_with(browser, context, StatusCode::OK.into(), &page)
        }
        Page::ConfirmLogout { form } => with_form(form, |form| {
            let page = pages::ConfirmLogout { form: pages::Form { forgery, ..form } };
            respond_with(browser, context, StatusCode::OK.into(), &page)
        }),
        Page::SignedOut { frames, next } => {
            respond_with(browser, context, StatusCode::OK.into(), &pages::SignedOut { frames, next: next.as_deref() })
        }
        Page::Error(error) => failure(browser, context, error),
    };
    if let Some(origin) = &context.framed_by {
        allow_frame(response.headers_mut(), origin);
    }
    let error = error.map(|error| error.code.as_str());
    response.extensions_mut().insert(Outcome { endpoint, error, issued: None });
    response
}

/// The form that the browser posts to the client.
pub(super) fn form_post(
    browser: &Browser,
    action: &str,
    fields: &[(&'static str, String)],
    context: &Context,
) -> Response {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    respond_with(browser, context, StatusCode::OK.into(), &pages::FormPost { action, fields: &fields })
}

/// The page that tells the client's own page.
pub(super) fn message(
    browser: &Browser,
    origin: &str,
    fields: &[(&'static str, String)],
    context: &Context,
) -> Response {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut response =
        respond_with(browser, context, StatusCode::OK.into(), &pages::WebMessage { origin, fields: &fields });
    allow_frame(response.headers_mut(), origin);
    response
}

/// Our forms come back again and again without a cookie (UX 21).
pub(super) fn no_cookies(browser: &Browser) -> Response {
    let description = "The browser does not send back the cookie that every form needs.";
    let error = OAuthError::new(ErrorCode::InvalidRequest, ErrorReason::Unknown, description);
    explain(browser, &Context::default(), ErrorKind::Loop, &error)
}

/// The client sends the browser back again and again (UX 21).
pub(super) fn circle(browser: &Browser) -> Response {
    let description = "The client has sent this browser here several times within a minute, each time successfully.";
    let error = OAuthError::new(ErrorCode::InvalidRequest, ErrorReason::Unknown, description);
    explain(browser, &Context::default(), ErrorKind::Loop, &error)
}

fn failure(browser: &Browser, context: &Context, error: &OAuthError) -> Response {
    if let Some(source) = &error.source {
        tracing::error!(error.code = error.code.as_str(), error.source = %source, "A page could not be shown.");
    }
    let kind = match error.status() {
        429 => ErrorKind::Throttled,
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Request,
    };
    let mut response = explain(browser, context, kind, error);
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn explain(browser: &Browser, context: &Context, kind: ErrorKind, error: &OAuthError) -> Response {
    let page = pages::ErrorPage {
        kind,
        error: error.code.as_str(),
        description: error.description,
        detail: None,
        request_id: browser.request_id(),
        again: None,
    };
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    respond_with(browser, context, status.into(), &page)
}

fn respond_with(browser: &Browser, context: &Context, status: Status, page: &dyn pages::Page) -> Response {
    let settings = browser.server().keys();
    let tenant = context.tenant.clone().or_else(|| Some(settings.issuer(None)?.tenant.clone()));
    let fallback = Theme::default();
    let (theme, tenant_name) = match tenant.as_deref() {
        Some(Tenant { settings, name, .. }) => (&settings.theme, name.as_str()),
        None => (&fallback, "Faregate"),
    };
    let chrome = Chrome {
        language: Language::choose(context.locales.as_deref(), browser.accept_language()),
        theme,
        tenant_name,
        here: context.here.as_deref(),
        is_https: browser.is_https,
    };
    let form_action = context.leads_to.as_deref().map_or(FormAction::Here, FormAction::HereAnd);
    let mut response = pages::respond(status.code, page, &chrome, form_action);
    if let Some(seconds) = status.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A status, and when to come again.
#[derive(Clone, Copy)]
struct Status {
    code: StatusCode,
    retry_after: Option<i64>,
}

impl From<StatusCode> for Status {
    fn from(code: StatusCode) -> Self {
        Self { code, retry_after: None }
    }
}

/// A form that is shown again is an answer like any other (F-051), unless there were too many of them (N7).
fn status_of(message: Option<Message>) -> Status {
    match message {
        Some(Message::Throttled(seconds)) => {
            let code = StatusCode::from_u16(ErrorCode::Throttled.status(&Statuses::RFC))
                .unwrap_or(StatusCode::TOO_MANY_REQUESTS);
            Status { code, retry_after: Some(seconds) }
        }
        Some(Message::NothingToEnd) => StatusCode::NOT_FOUND.into(),
        Some(_) | None => StatusCode::OK.into(),
    }
}

fn with_form(form: &Form, show: impl FnOnce(pages::Form<'_>) -> Response) -> Response {
    let fields: Vec<(&str, &str)> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    show(pages::Form { action: &form.action, fields: &fields, forgery: "" })
}

fn scope(scope: &ConsentScope) -> pages::ConsentScope<'_> {
    pages::ConsentScope {
        name: &scope.name,
        message: scope.message.as_deref(),
        detail: scope.detail.as_deref(),
        required: scope.is_required,
    }
}

fn session(session: &ListedSession) -> pages::ListedSession<'_> {
    pages::ListedSession {
        id: session.id,
        is_this: session.is_this,
        user_agent: &session.user_agent,
        place: &session.place,
        began_for: session.began_for,
        used_for: session.used_for,
    }
}

fn application<'a>(
    (application, scopes): (&'a ListedApplication, &'a Vec<pages::ConsentScope<'a>>),
) -> pages::ListedApplication<'a> {
    pages::ListedApplication {
        id: application.id,
        name: &application.name,
        devices: &application.devices,
        scopes,
        allowed_for: application.allowed_for,
        used_for: application.used_for,
        lasts_for: application.lasts_for,
    }
}

fn listed(passkey: &ListedPasskey) -> pages::ListedPasskey<'_> {
    pages::ListedPasskey { id: &passkey.id, name: &passkey.name, added_for: passkey.added_for }
}

fn said(message: Message) -> pages::Message {
    match message {
        Message::WrongCredentials => pages::Message::WrongCredentials,
        Message::Throttled(seconds) => pages::Message::Throttled { seconds: seconds.unsigned_abs() },
        Message::Locked => pages::Message::Locked,
        Message::UserExpired => pages::Message::Expired,
        Message::WrongCode => pages::Message::WrongCode,
        Message::FormExpired | Message::CookiesMissing => pages::Message::FormExpired,
        Message::PasswordTooShort(min) => pages::Message::PasswordTooShort { min },
        Message::PasswordTooLong => pages::Message::PasswordTooLong,
        Message::PasswordTooCommon => pages::Message::PasswordTooCommon,
        Message::PasswordUsed => pages::Message::PasswordUsed,
        Message::PasswordsDiffer => pages::Message::PasswordsDiffer,
        Message::InvalidEmail => pages::Message::InvalidEmail,
        Message::WrongPasskey => pages::Message::WrongPasskey,
        Message::PasskeyNotAdded => pages::Message::PasskeyFailed,
        Message::PasskeyAdded => pages::Message::PasskeyAdded,
        Message::PasskeyRemoved => pages::Message::PasskeyRemoved,
        Message::TooManyPasskeys => pages::Message::TooManyPasskeys,
        Message::WrongPassword => pages::Message::WrongPassword,
        Message::PasswordChanged => pages::Message::PasswordChanged,
        Message::SecondFactorOn => pages::Message::SecondFactorOn,
        Message::SecondFactorOff => pages::Message::SecondFactorOff,
        Message::RecoveryCodesChanged => pages::Message::RecoveryCodesChanged,
        Message::SessionEnded => pages::Message::SessionEnded,
        Message::OtherSessionsEnded => pages::Message::OtherSessionsEnded,
        Message::AccessEnded => pages::Message::AccessEnded,
        Message::NothingToEnd => pages::Message::NothingToEnd,
        Message::UnknownUserCode | Message::UserCodeExpired => pages::Message::UnknownUserCode,
    }
}

/// F-025: `X-Frame-Options` cannot name an origin, so the policy does.
fn allow_frame(headers: &mut HeaderMap, origin: &str) {
    let policy = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let policy = policy.replace("frame-ancestors 'none'", &format!("frame-ancestors 'self' {origin}"));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.remove(header::X_FRAME_OPTIONS);
    }
}
