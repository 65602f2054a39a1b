//! Logging out (CONTRACT 2.H, OpenID Connect RP-Initiated Logout 1.0): whose session ends, and where the browser goes.
//!
//! Owns the order of the checks. Whom else it concerns is in `others`.

mod others;
mod untold;

use std::sync::Arc;

pub use untold::LogoutToTell;

use super::AuthorizationServer;
use super::client::Client;
use super::error::{ErrorReason, OAuthError};
use super::hint::{Hint, NotAHint};
use super::interaction::{BrowserRequest, Context, Form, FormOrigin, Page, Reply};
use super::keys::LocalIssuer;
use super::login::MOST_ADDRESS_BYTES;
use super::parameters::Parameters;
use super::session::forgotten;
use crate::directory::redirect_uri;
use crate::model::{Application, LogoutBehavior};
use crate::percent;
use crate::profile::{Dialect, Endpoint};

/// The parameters that the confirmation page sends again.
const PARAMETERS: [&str; 8] = [
    "client_id",
    "tenantId",
    "id_token_hint",
    "post_logout_redirect_uri",
    "state",
    "logout_hint",
    "ui_locales",
    "locale",
];

/// Who wants the logout, as far as anybody vouches for it.
struct Asking {
    issuer: Arc<LocalIssuer>,
    application: Option<Arc<Application>>,
    hint: Option<Hint>,
    /// Where the browser goes because the request says so; registered.
    post_logout_redirect_uri: Option<String>,
}

impl AuthorizationServer {
    /// Answers a request to log out, by GET or POST, of a client or from our own page.
    pub async fn log_out(&self, request: &BrowserRequest<'_>) -> Reply {
        let mut context = Context::default();
        match self.log_out_checked(request, &mut context).await {
            Ok(reply) => reply,
            Err(error) => Reply::page(Page::Error(error), context),
        }
    }

    async fn log_out_checked(&self, request: &BrowserRequest<'_>, context: &mut Context) -> Result<Reply, OAuthError> {
        let parameters = request.parameters()?;
        let asking = self.check_logout(request, &parameters, context).await?;
        if request.may_lack_cookies() {
            return Ok(by_link(request, &parameters, &asking, context));
        }
        let Some((session, _)) = self.find_session(&asking.issuer.tenant, request).await? else {
            // Nobody is logged in: there is nothing to ask and nobody to tell.
            return Ok(leave(request, &asking, context, Vec::new()).keeping(forgotten(request).after(request)));
        };
        // K10: anybody can send a browser here.
        let vouched = asking.hint.as_ref().is_some_and(|hint| hint.user_id == session.user_id);
        let confirmed = request.form_origin == FormOrigin::Own;
        if Dialect::of(asking.issuer.tenant.profile).confirms_logout && !vouched && !confirmed {
            return Ok(question(request, &parameters, &asking, context));
        }
        let only_here = asking
            .application
            .as_ref()
            .is_some_and(|application| application.settings.logout_behavior == LogoutBehavior::RedirectOnly);
        let (frames, kept) = match only_here {
            true => (Vec::new(), self.leave_session(request).await?),
            false => (self.frames_of(&asking.issuer, &session).await?, self.abandon_session(request).await?),
        };
        Ok(leave(request, &asking, context, frames).keeping(kept.after(request)))
    }

    /// # Errors
    /// What the person is told; the browser is sent nowhere then (A2).
    async fn check_logout(
        &self,
        request: &BrowserRequest<'_>,
        parameters: &Parameters<'_>,
        context: &mut Context,
    ) -> Result<Asking, OAuthError> {
        context.locales = parameters.find("ui_locales").or_else(|| parameters.find("locale")).map(str::to_owned);
        let issuer = self.resolve_issuer(request, parameters).await?; //           D1
        context.tenant = Some(Arc::clone(&issuer.tenant));
        let hint = check_hint(&issuer, parameters)?; //                             RP-Initiated Logout 2
        let application = self.client_of_logout(&issuer, parameters, hint.as_ref()).await?; // F-122, F-128
        let post_logout_redirect_uri = check_uri(application.as_deref(), parameters)?; //  F-123, K10
        Ok(Asking { issuer, application, hint, post_logout_redirect_uri })
    }

    /// The client that `client_id` names, else the one that the hint was for (F-128).
    async fn client_of_logout(
        &self,
        issuer: &LocalIssuer,
        parameters: &Parameters<'_>,
        hint: Option<&Hint>,
    ) -> Result<Option<Arc<Application>>, OAuthError> {
        let named = parameters.find("client_id");
        if let (Some(client_id), Some(hint)) = (named, hint)
            && !hint.is_for(client_id)
        {
            let description = "The id_token_hint was issued to another client.";
            return Err(OAuthError::invalid_request(ErrorReason::InvalidIdTokenHint, description));
        }
        let Some(client_id) = named.or_else(|| hint.and_then(|hint| hint.client_ids.first()).map(String::as_str))
        else {
            return Ok(None);
        };
        match self.find_client(issuer.tenant.id, client_id).await? {
            Some(Client::Application(application)) => Ok(Some(application)),
            Some(Client::Entity(_)) | None => {
                Err(OAuthError::invalid_request(ErrorReason::InvalidClientId, "There is no such client."))
            }
        }
    }
}

fn check_hint(issuer: &LocalIssuer, parameters: &Parameters<'_>) -> Result<Option<Hint>, OAuthError> {
    let Some(token) = parameters.find("id_token_hint") else { return Ok(None) };
    match issuer.read_hint(token) {
        Ok(hint) => Ok(Some(hint)),
        // A client that kept its ID token for long has no other: the person is asked instead.
        Err(NotAHint::KeyIsGone) => Ok(None),
        Err(NotAHint::Wrong) => {
            let description = "The id_token_hint is not an ID token of this issuer.";
            Err(OAuthError::invalid_request(ErrorReason::InvalidIdTokenHint, description))
        }
    }
}

/// Without a client nobody says which URIs are allowed, so none is (D20, F-128).
fn check_uri(application: Option<&Application>, parameters: &Parameters<'_>) -> Result<Option<String>, OAuthError> {
    let (Some(uri), Some(application)) = (parameters.find("post_logout_redirect_uri"), application) else {
        return Ok(None);
    };
    if !redirect_uri::matches(&application.settings, uri) {
        let description = "The post_logout_redirect_uri is not one that is registered for this client.";
        return Err(OAuthError::invalid_request(ErrorReason::InvalidPostLogoutRedirectUri, description));
    }
    let Some(state) = parameters.find("state") else { return Ok(Some(uri.to_owned())) };
    let separator = if uri.contains('?') { '&' } else { '?' };
    Ok(Some(format!("{uri}{separator}{}", percent::form(&[("state", state)]))))
}

impl Asking {
    /// Where the browser goes: what the request says, before what the application says, before what the tenant says
    /// (F-121).
    fn next(&self) -> Option<String> {
        let of_application =
            || self.application.as_ref().and_then(|application| application.settings.logout_uri.clone());
        let of_tenant = || self.issuer.tenant.settings.logout_uri.clone();
        self.post_logout_redirect_uri.clone().or_else(of_application).or_else(of_tenant)
    }
}

/// The page that asks whether the person wants it.
fn question(request: &BrowserRequest<'_>, parameters: &Parameters<'_>, asking: &Asking, context: &Context) -> Reply {
    let form = form(request, parameters, asking);
    let here = Some(format!("{}?{}", form.action, percent::form(&form.fields)));
    let context = Context { here, leads_to: asking.next(), ..context.clone() };
    Reply::page(Page::ConfirmLogout { form }, context)
}

/// A client may post (RP-Initiated Logout 1.0 section 2), and then nobody knows who is logged in. The same request by its
/// address says it; if it is too long for one, the person's click on our own page does.
fn by_link(request: &BrowserRequest<'_>, parameters: &Parameters<'_>, asking: &Asking, context: &Context) -> Reply {
    let form = form(request, parameters, asking);
    let address = format!("{}?{}", form.action, percent::form(&form.fields));
    match address.len() <= MOST_ADDRESS_BYTES {
        true => Reply::redirect(address),
        false => question(request, parameters, asking, context),
    }
}

fn form(request: &BrowserRequest<'_>, parameters: &Parameters<'_>, asking: &Asking) -> Form {
    Form {
        action: request.own_path(asking.issuer.dialect().path(Endpoint::Logout)),
        fields: parameters.pick(&PARAMETERS),
    }
}

fn leave(request: &BrowserRequest<'_>, asking: &Asking, context: &Context, frames: Vec<String>) -> Reply {
    let next = asking.next();
    // A person who has nowhere to go is told that it worked.
    let is_page = request.wants_page
        && (!frames.is_empty() || (next.is_none() && Dialect::of(asking.issuer.tenant.profile).confirms_logout));
    match is_page {
        // D4
        true => Reply::page(Page::SignedOut { frames, next }, context.clone()),
        false => Reply::redirect(next.unwrap_or_else(|| "/".to_owned())),
    }
}
