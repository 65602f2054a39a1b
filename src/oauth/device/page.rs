//! `/oauth2/device` (RFC 8628 section 3.3): a person enters the code, is told who asks for what, and decides.
//!
//! Owns the order of the steps. Every request runs them from the start, so that nothing is remembered between two pages
//! but the person's session; a GET changes nothing and looks no code up.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::authorize::USER_CODE;
use super::lookup::Typed;
use super::user_code;
use crate::directory::redirect_uri::matches;
use crate::events::Event;
use crate::model::{Application, Approval, AuthenticationType, DeviceCode, Tenant};
use crate::oauth::AuthorizationServer;
use crate::oauth::client::Client;
use crate::oauth::consent::worded;
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::interaction::{BrowserRequest, ConsentScope, Context, Form, FormOrigin, Message, Page, Reply, Step};
use crate::oauth::keys::LocalIssuer;
use crate::oauth::login::{Endpoint, Entered, Freshness, Place};
use crate::oauth::parameters::Parameters;
use crate::oauth::session::SignedIn;
use crate::percent;
use crate::profile::Dialect;
use crate::secret::equal;

/// The parameters of the page itself, which its forms carry from step to step.
const OWN: [&str; 4] = ["client_id", "tenantId", "locale", "ui_locales"];
/// The parameters of the authorization request that follows in FusionAuth's way of doing it (F-162).
const FOLLOWING: [&str; 7] =
    ["redirect_uri", "response_type", "response_mode", "state", "nonce", "code_challenge", "code_challenge_method"];
/// Tells the authorization endpoint that the person was asked already.
pub(in crate::oauth) const CONFIRMED: &str = "device_confirmation";
/// What a person may type into the field before it is no code.
const MAX_SHOWN: usize = 64;

/// Where the request is for.
struct Asked<'a> {
    request: &'a BrowserRequest<'a>,
    parameters: &'a Parameters<'a>,
    issuer: Arc<LocalIssuer>,
    context: Context,
}

impl AuthorizationServer {
    /// Answers a request for the page.
    pub async fn device_page(&self, request: &BrowserRequest<'_>) -> Reply {
        let reply = self.answer_device_page(request).await;
        reply.unwrap_or_else(|error| Reply::page(Page::Error(error), Context::default()))
    }

    /// # Errors
    /// What an error page is to say.
    async fn answer_device_page(&self, request: &BrowserRequest<'_>) -> Result<Reply, OAuthError> {
        let parameters = request.parameters()?;
        let issuer = self.issuer_of_device_page(request, &parameters).await?;
        let locales = parameters.find("ui_locales").or_else(|| parameters.find("locale"));
        let context = Context {
            tenant: Some(Arc::clone(&issuer.tenant)),
            locales: locales.map(str::to_owned),
            ..Context::default()
        };
        let asked = Asked { request, parameters: &parameters, issuer, context };
        // 1. What does the device show?
        let is_entry = request.step == Step::Start;
        if is_entry && request.form.is_none() {
            // Anybody can make an address that says so: it counts in the browser that decided.
            return Ok(match asked.parameters.find("outcome").filter(|outcome| request.outcome == Some(outcome)) {
                Some(outcome) => asked.reply(Page::DeviceDone { approved: outcome == "approved" }),
                None => asked.entry(None),
            });
        }
        match request.form_origin {
            // The later steps of a login say themselves what is wrong.
            _ if !is_entry => {}
            FormOrigin::Own => {}
            FormOrigin::Stale => return Ok(asked.entry(Some(Message::FormExpired))),
            FormOrigin::NoCookies => return Ok(asked.entry(Some(Message::CookiesMissing))),
            // Somebody else's form: the person starts with ours.
            FormOrigin::Foreign => return Ok(asked.entry(None)),
        }
        let Some(typed) = parameters.find(USER_CODE) else {
            return Ok(asked.entry(None));
        };
        // 2. Which device is it?
        let session = self.find_session(&asked.issuer.tenant, request).await?;
        let session_id = session.map(|(session, _)| session.id);
        let typed = Typed { user_code: typed, peer: request.peer, session_id };
        let application_id = self.application_of_page(&asked).await?.map(|application| application.id);
        let code = match self.find_by_user_code(asked.issuer.tenant.id, application_id, typed).await {
            Ok(code) => code,
            Err(error) => return asked.entry_after(error),
        };
        let application = self.store.find_application(code.application_id).await?;
        let Some(application) = application.filter(|application| application.tenant_id == code.tenant_id) else {
            return Ok(asked.entry(Some(Message::UnknownUserCode)));
        };
        self.decide_on_device(&asked, &code, &application).await
    }

    async fn decide_on_device(
        &self,
        asked: &Asked<'_>,
        code: &DeviceCode,
        application: &Application,
    ) -> Result<Reply, OAuthError> {
        // 3. Who is the person?
        let place = asked.place(application);
        let (person, kept) = match self.enter(asked.request, &place).await? {
            Entered::SignedIn(person, kept) => (person, kept),
            Entered::Reply(reply) => return Ok(*reply),
        };
        if let Some(session) = &person.session {
            self.note_session(code, session.id).await?;
        }
        // 4. May they use the application at all (F-034)?
        if application.settings.requires_registration
            && self.store.find_registration(person.user.id, application.id).await?.is_none()
        {
            let page = Page::NotRegistered { client_name: application.title().to_owned() };
            return Ok(asked.reply(page).keeping(kept));
        }
        // 5. What do they say? A form that brings a password was not the question.
        let is_login = asked.request.step != Step::Start || asked.parameters.find("loginId").is_some();
        let reply = match asked.parameters.find("decision").filter(|_| !is_login) {
            Some("allow") => self.allow(asked, code, application, &person).await?,
            Some("deny") => match self.deny_device_code(&asked.issuer, code.id).await? {
                true => asked.done("denied"),
                false => asked.entry(Some(Message::UnknownUserCode)),
            },
            Some(_) | None => asked.confirmation(code, application, self.clock.now()),
        };
        Ok(reply.keeping(kept))
    }

    async fn allow(
        &self,
        asked: &Asked<'_>,
        code: &DeviceCode,
        application: &Application,
        person: &SignedIn,
    ) -> Result<Reply, OAuthError> {
        // F-162, F-163: the exchange of the code that follows approves.
        if let Some(mut fields) = asked.following(code, application) {
            fields.push((CONFIRMED.to_owned(), self.device_confirmation(code.id, person)));
            let path = asked.request.own_path(Endpoint::Authorize.path_in(asked.issuer.dialect()));
            return Ok(Reply::redirect(format!("{path}?{}", percent::form(&fields))));
        }
        let approval = Approval {
            grant_id: self.entropy.uuid(),
            tenant_id: code.tenant_id,
            application_id: code.application_id,
            user_id: person.user.id,
            session_id: person.session.as_ref().map(|session| session.id),
            scopes: code.scopes.clone(),
            audience: code.audience.clone(),
            authenticated_at: person.authenticated_at,
            methods: person.methods.clone(),
            acr: Some(person.acr().to_owned()),
            nonce: None,
            claims: None,
            bound_to: None,
            authentication_type: match &person.session {
                Some(session) if session.authenticated_at < code.created_at => AuthenticationType::SingleSignOn,
                Some(_) | None => AuthenticationType::Password,
            },
        };
        match self.approve_device_code(code.id, &approval).await {
            Ok(()) => Ok(asked.done("approved")),
            Err(error) => asked.entry_after(error),
        }
    }

    /// Nobody gets anything on the device. Whether it was still to be decided on.
    pub(in crate::oauth) async fn deny_device_code(&self, issuer: &LocalIssuer, id: Uuid) -> Result<bool, OAuthError> {
        let is_denied = self.store.decide_device_code(id, None, self.clock.now()).await?;
        if is_denied {
            let log = issuer.dialect().log;
            Event::DeviceDenied.tell_as(&id.to_string(), None, log.map(|log| (log.denied, log.protocol)));
        }
        Ok(is_denied)
    }

    /// Whether this very person, in this browser, was shown this very device and allowed it.
    pub(in crate::oauth) fn is_device_confirmed(
        &self,
        parameters: &Parameters<'_>,
        device_code_id: Uuid,
        person: &SignedIn,
    ) -> bool {
        let Some(presented) = parameters.find(CONFIRMED) else { return false };
        equal(presented.as_bytes(), self.device_confirmation(device_code_id, person).as_bytes())
    }

    /// What proves it. Who does not want to be remembered has no session, but an account.
    pub(in crate::oauth) fn device_confirmation(&self, device_code_id: Uuid, person: &SignedIn) -> String {
        let whose = person.session.as_ref().map_or(person.user.id, |session| session.id);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.keys.derived_key(b"faregate device confirmations"));
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, format!("{device_code_id}/{whose}").as_bytes()))
    }

    /// As of every page of ours; FusionAuth's has to be told the client and the tenant (F-162).
    pub(in crate::oauth) async fn issuer_of_device_page(
        &self,
        request: &BrowserRequest<'_>,
        parameters: &Parameters<'_>,
    ) -> Result<Arc<LocalIssuer>, OAuthError> {
        let issuer = self.issuer_of_own_page(request, parameters).await?;
        if Dialect::of(issuer.tenant.profile).device_page_names_client {
            let is_named = request.tenant_path.is_some() || request.tenant_header.is_some();
            if !is_named && parameters.find("tenantId").is_none() {
                let description = "The address of this page does not say which tenant it is for.";
                return Err(OAuthError::invalid_request(ErrorReason::MissingTenantId, description));
            }
            if parameters.find("client_id").is_none() {
                let description = "The address of this page does not say which client it is for.";
                return Err(OAuthError::invalid_request(ErrorReason::MissingClientId, description));
            }
        }
        Ok(issuer)
    }

    /// The application that the page was opened for, if its address says so: only its codes count then.
    async fn application_of_page(&self, asked: &Asked<'_>) -> Result<Option<Arc<Application>>, OAuthError> {
        let Some(client_id) = asked.parameters.find("client_id") else { return Ok(None) };
        match self.find_client(asked.issuer.tenant.id, client_id).await? {
            Some(Client::Application(application)) => {
                super::check_enabled(&application)?;
                Ok(Some(application))
            }
            Some(Client::Entity(_)) | None => {
                Err(OAuthError::invalid_request(ErrorReason::InvalidClientId, "There is no such client."))
            }
        }
    }
}

impl Asked<'_> {
    fn reply(&self, page: Page) -> Reply {
        Reply::page(page, self.context.clone())
    }

    fn path(&self) -> String {
        self.request.own_path(Endpoint::Device.path_in(self.issuer.dialect()))
    }

    /// The parameters that were sent with these names, to be sent again.
    fn carried(&self, names: &[&str]) -> Vec<(String, String)> {
        let sent = |name: &&str| self.parameters.find(name).map(|value| ((*name).to_owned(), value.to_owned()));
        names.iter().filter_map(sent).collect()
    }

    fn entry(&self, message: Option<Message>) -> Reply {
        let typed = self.parameters.find(USER_CODE).unwrap_or_default();
        let form = Form { action: self.path(), fields: self.carried(&[&OWN[..], &FOLLOWING].concat()) };
        let user_code: String = typed.chars().take(MAX_SHOWN).collect();
        let mut fields = form.fields.clone();
        fields.push((USER_CODE.to_owned(), user_code.clone()));
        let here = Some(format!("{}?{}", form.action, percent::form(&fields)));
        Reply::page(Page::DeviceEntry { form, user_code, message }, Context { here, ..self.context.clone() })
    }

    /// The same page with what is wrong with the code.
    ///
    /// # Errors
    /// What is not about the code.
    fn entry_after(&self, error: OAuthError) -> Result<Reply, OAuthError> {
        let message = match (error.code, error.reason) {
            (ErrorCode::Throttled, _) => Message::Throttled(error.retry_after.unwrap_or_default()),
            (_, Some(ErrorReason::UserCodeExpired)) => Message::UserCodeExpired,
            (_, Some(ErrorReason::InvalidUserCode)) => Message::UnknownUserCode,
            (_, _) => return Err(error),
        };
        Ok(self.entry(Some(message)))
    }

    fn place(&self, application: &Application) -> Place<'_> {
        Place {
            issuer: &self.issuer,
            endpoint: Endpoint::Device,
            fields: self.carried(&[&OWN[..], &FOLLOWING, &[USER_CODE]].concat()),
            client_name: application.title().to_owned(),
            login_hint: None,
            freshness: Freshness::default(),
            context: self.context.clone(),
        }
    }

    fn confirmation(&self, code: &DeviceCode, application: &Application, now: i64) -> Reply {
        let typed = self.parameters.find(USER_CODE).unwrap_or_default();
        let form = Form { action: self.path(), fields: self.carried(&[&OWN[..], &FOLLOWING, &[USER_CODE]].concat()) };
        let page = confirmation(form, (&self.issuer.tenant, application), (code, typed, &code.scopes), now);
        // The form may lead through our authorization endpoint to the client (K2).
        let leads_to = self.parameters.find("redirect_uri").filter(|uri| matches(&application.settings, uri));
        let leads_to = leads_to.map(str::to_owned);
        Reply::page(page, Context { leads_to, ..self.context.clone() })
    }

    /// By way of an address of its own, so that the browser's reload asks nothing again (UX 22).
    fn done(&self, outcome: &str) -> Reply {
        let mut fields = self.carried(&OWN);
        fields.push(("outcome".to_owned(), outcome.to_owned()));
        let reply = Reply::redirect(format!("{}?{}", self.path(), percent::form(&fields)));
        Reply { outcome: Some(outcome.to_owned()), ..reply }
    }

    /// The authorization request that goes on from here, if the page was opened with one.
    fn following(&self, code: &DeviceCode, application: &Application) -> Option<Vec<(String, String)>> {
        self.parameters.find("redirect_uri")?;
        let mut fields = self.carried(&[&OWN[1..], &FOLLOWING, &[USER_CODE]].concat());
        fields.push((OWN[0].to_owned(), application.client_id.clone()));
        if self.parameters.find("response_type").is_none() {
            fields.push(("response_type".to_owned(), "code".to_owned()));
        }
        // F-175
        fields.push(("scope".to_owned(), code.scopes.join(" ")));
        Some(fields)
    }
}

/// The page that shows who asks for what, with the code to compare (J7, J8).
pub(in crate::oauth) fn confirmation(
    form: Form,
    (tenant, application): (&Tenant, &Application),
    (code, typed, scopes): (&DeviceCode, &str, &[String]),
    now: i64,
) -> Page {
    let place = match (&code.device_name, &code.peer) {
        (Some(name), Some(peer)) => Some(format!("{name}, {peer}")),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => None,
    };
    Page::DeviceConfirm {
        form,
        client_name: application.title().to_owned(),
        user_code: user_code::shown(&user_code::normal(typed).unwrap_or_default(), &tenant.settings.user_code),
        place,
        asked_for: now - code.created_at,
        scopes: asked_scopes(scopes, application),
    }
}

/// What the person is told that the device may do then, in the application's own words where it has some.
fn asked_scopes(scopes: &[String], application: &Application) -> Vec<ConsentScope> {
    scopes.iter().map(|scope| worded(scope, application, true)).collect()
}
