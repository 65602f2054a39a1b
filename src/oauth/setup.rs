//! The link with which the first person introduces themselves: there is no default account (rule L14).
//!
//! Owns how long the link is good, and that it is used once. Which passwords may be chosen is `directory`'s.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AuthorizationServer;
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::interaction::{BrowserRequest, Context, Form, FormOrigin, Message, Page, Reply};
use super::keys::LocalIssuer;
use super::login::too_weak;
use super::parameters::Parameters;
use crate::directory::{DirectoryError, NewApiKey, NewUser};
use crate::percent;
use crate::secret::{Secret, equal};
use crate::store::{self, Lease};

const PATH: &str = "/oauth2/setup";

/// Seconds from the start that printed it.
const GOOD_FOR: i64 = 900;

/// Random bytes in front of the instant at which the link is over.
const RANDOM: usize = 16;

const CODE: &str = "code";

/// Seconds for which whoever came first may take.
const TAKEN_FOR: i64 = 30;

impl AuthorizationServer {
    /// The link, as long as nothing is in the store that somebody could be: no user, application, entity or API key.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn setup_link(&self) -> store::Result<Option<Secret<String>>> {
        if !self.directory.is_empty().await? {
            return Ok(None);
        }
        let code = self.setup_code();
        Ok(Some(Secret::new(format!("{}{PATH}?{CODE}={code}", self.keys.settings().public_url))))
    }

    /// Answers `GET`, which spends nothing because previews and scanners follow links, and `POST`, which does.
    pub async fn set_up(&self, request: &BrowserRequest<'_>) -> Reply {
        let mut context = Context::default();
        match self.set_up_checked(request, &mut context).await {
            Ok(reply) => reply,
            Err(error) => Reply::page(Page::Error(error), context),
        }
    }

    async fn set_up_checked(&self, request: &BrowserRequest<'_>, context: &mut Context) -> Result<Reply, OAuthError> {
        let parameters = request.parameters()?;
        context.locales = parameters.find("ui_locales").map(str::to_owned);
        let issuer = self.keys.issuer(None).ok_or_else(|| OAuthError::unavailable("no tenant exists"))?;
        context.tenant = Some(issuer.tenant.clone());
        let code = parameters.find(CODE).unwrap_or_default();
        let expires_at = self.end_of_setup(code).ok_or_else(over)?;
        if !self.directory.is_empty().await? {
            return Err(over());
        }
        let asked = Asked { code, expires_at, issuer: &issuer, context };
        if request.form.is_none() {
            return Ok(asked.page("", None));
        }
        let email = parameters.find("email").unwrap_or_default().trim();
        if request.form_origin != FormOrigin::Own {
            return Ok(asked.page(email, Some(Message::FormExpired)));
        }
        self.introduce(&asked, &parameters, email).await
    }

    /// Makes the first user and the first API key.
    async fn introduce(
        &self,
        asked: &Asked<'_>,
        parameters: &Parameters<'_>,
        email: &str,
    ) -> Result<Reply, OAuthError> {
        let password = parameters.find("password").unwrap_or_default();
        let confirmed = parameters.find("confirm").unwrap_or_default();
        if !equal(password.as_bytes(), confirmed.as_bytes()) {
            return Ok(asked.page(email, Some(Message::PasswordsDiffer)));
        }
        let tenant = &asked.issuer.tenant;
        let user = NewUser {
            tenant_id: tenant.id,
            email: Some(email.to_owned()),
            password: Some(Secret::new(password.to_owned())),
            ..NewUser::default()
        };
        let refused = match self.directory.check_new_user(&user).await {
            Err(DirectoryError::Invalid(errors)) if errors.iter().any(|error| error.field == "user.email") => {
                Some(Message::InvalidEmail)
            }
            Err(error) => Some(too_weak(error, tenant.settings.password_min_length)?),
            Ok(()) => None,
        };
        if refused.is_some() {
            return Ok(asked.page(email, refused));
        }
        // Of two who press the button at once one is the first. Afterwards somebody is there, which ends the link; if nothing came
        // of it, it is good again.
        let now = self.clock.now();
        let lease = Lease { now, expires_at: asked.expires_at.min(now + TAKEN_FOR) };
        let key = URL_SAFE_NO_PAD.encode(hmac::sign(&self.setup_key(), asked.code.as_bytes()));
        if !self.store.remember_once("setup", &key, lease).await? {
            return Err(over());
        }
        let user = self.directory.create_user(user).await.map_err(OAuthError::unavailable)?;
        let name = "first administrator".to_owned();
        let new = NewApiKey { name, is_key_manager: true, ..NewApiKey::default() };
        let made = match self.directory.create_api_key(new).await {
            Ok(made) => made,
            Err(error) => {
                // Somebody without a key could do nothing, and would keep the next one out.
                let undone = self.directory.delete_user(user.id).await;
                undone.map_err(OAuthError::unavailable)?;
                return Err(OAuthError::unavailable(error));
            }
        };
        let page = Page::SetUpDone { email: email.to_owned(), api_key: made.text };
        Ok(Reply::page(page, Context { here: None, ..asked.context.clone() }))
    }

    /// Random bytes, the end, and our code over both: every node knows it, and nothing has to be stored.
    fn setup_code(&self) -> String {
        let mut bytes = vec![0; RANDOM];
        self.entropy.fill(&mut bytes);
        bytes.extend((self.clock.now() + GOOD_FOR).to_be_bytes());
        let tag = hmac::sign(&self.setup_key(), &bytes);
        bytes.extend(tag.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Until when a code is good; `None` for one that is over or not ours.
    fn end_of_setup(&self, code: &str) -> Option<i64> {
        let bytes = URL_SAFE_NO_PAD.decode(code).ok()?;
        let (said, tag) = bytes.split_at_checked(RANDOM + 8)?;
        hmac::verify(&self.setup_key(), said, tag).ok()?;
        let expires_at = i64::from_be_bytes(*said.last_chunk()?);
        (self.clock.now() < expires_at).then_some(expires_at)
    }

    fn setup_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.keys.derived_key(b"faregate setup"))
    }
}

/// A request with a good code.
struct Asked<'a> {
    code: &'a str,
    expires_at: i64,
    issuer: &'a LocalIssuer,
    context: &'a Context,
}

impl Asked<'_> {
    fn page(&self, email: &str, message: Option<Message>) -> Reply {
        let form = Form { action: PATH.to_owned(), fields: vec![(CODE.to_owned(), self.code.to_owned())] };
        let here = Some(format!("{PATH}?{}", percent::form(&form.fields)));
        let min_length = self.issuer.tenant.settings.password_min_length;
        let page = Page::SetUp { form, message, email: email.to_owned(), min_length };
        Reply::page(page, Context { here, ..self.context.clone() })
    }
}

fn over() -> OAuthError {
    let description = "This link was used, is over, or somebody is there already. \
                       As long as nobody is, every start of the server prints a new one.";
    OAuthError::new(ErrorCode::InvalidRequest, ErrorReason::Unknown, description)
}
