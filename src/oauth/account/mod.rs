//! The page on which people look after their own account (UX 23): where they are signed in, what they let in, and how they
//! sign in.
//!
//! Owns the order of the steps. What ends, and what ends with it, is `directory`'s to say.

mod overview;
mod password;
mod second_factor;

use uuid::Uuid;

use super::AuthorizationServer;
use super::error::OAuthError;
use super::interaction::{BrowserRequest, Context, FormOrigin, Kept, Message, Page, Reply};
use super::login::{Endpoint, Entered, Freshness};
use super::own_page::{FRESH, OwnPage, SECTION};
use super::parameters::Parameters;
use super::session::{SignedIn, forgotten};
use crate::directory::DirectoryError;
use crate::model::User;
use crate::store;

/// The field with the id of a session that is to end.
const END_SESSION: &str = "end_session";
/// The field that ends all but this one.
const END_OTHERS: &str = "end_others";
/// The field with the id of an application that is to have no access any more.
const END_ACCESS: &str = "end_access";

/// A part of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Overview,
    Password,
    SecondFactor,
    /// New ones, as a file.
    RecoveryCodes,
}

impl Section {
    fn of(parameters: &Parameters<'_>) -> Self {
        let own = parameters.find(SECTION);
        [Self::Password, Self::SecondFactor, Self::RecoveryCodes]
            .into_iter()
            .find(|section| section.name() == own)
            .unwrap_or(Self::Overview)
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Self::Overview => None,
            Self::Password => Some("password"),
            Self::SecondFactor => Some("second_factor"),
            Self::RecoveryCodes => Some("recovery_codes"),
        }
    }

    fn freshness(self) -> Freshness {
        match self {
            // Who brings recovery codes gets nothing but them.
            Self::Overview | Self::RecoveryCodes => Freshness::default(),
            Self::Password | Self::SecondFactor => FRESH,
        }
    }

    /// Whether there is anything in it for the user.
    fn is_for(self, user: &User) -> bool {
        match self {
            Self::Overview => true,
            Self::Password => user.password_hash.is_some(),
            // It follows a password.
            Self::SecondFactor => user.password_hash.is_some() || user.has_second_factor(),
            Self::RecoveryCodes => user.has_second_factor(),
        }
    }
}

/// What became of what the person wanted.
enum Done {
    /// It happened: the page says so under an address of its own.
    Told(&'static str, Kept),
    /// It did not: the page says why.
    Not(Message),
    /// It happened, and this is shown once.
    Shown(Box<Reply>),
}

impl AuthorizationServer {
    /// Answers a request for the page.
    pub async fn account_page(&self, request: &BrowserRequest<'_>) -> Reply {
        let reply = self.answer_account_page(request).await;
        reply.unwrap_or_else(|error| Reply::page(Page::Error(error), Context::default()))
    }

    /// # Errors
    /// What an error page is to say.
    async fn answer_account_page(&self, request: &BrowserRequest<'_>) -> Result<Reply, OAuthError> {
        let parameters = request.parameters()?;
        let section = Section::of(&parameters);
        let page = self.own_page(request, &parameters, Endpoint::Account).await?.at(section.name());
        // 1. Who is it, and for what they want: just now?
        let (person, kept) = match self.enter(request, &page.place(section.freshness())).await? {
            Entered::SignedIn(person, kept) => (person, kept),
            Entered::Reply(reply) => return Ok(*reply),
        };
        if !section.is_for(&person.user) {
            return Ok(page.at(None).again(None).keeping(kept));
        }
        // 2. What do they want?
        let done = match section {
            Section::Overview => self.end_for(&page, &person).await?,
            Section::Password => self.change_password_for(&page, &person).await?,
            Section::SecondFactor => self.change_second_factor_for(&page, &person).await?,
            Section::RecoveryCodes => second_factor::file(&page, &person.user),
        };
        let message = match done {
            Some(Done::Told(outcome, kept)) => return Ok(page.at(None).again(Some(outcome)).keeping(kept)),
            Some(Done::Not(message)) => Some(message),
            Some(Done::Shown(reply)) => return Ok(*reply),
            None if section == Section::RecoveryCodes => return Ok(page.at(None).again(None).keeping(kept)),
            None if request.form_origin == FormOrigin::Stale => Some(Message::FormExpired),
            None if page.is_answer() => return Ok(page.again(None).keeping(kept)),
            None => page.outcome().and_then(told),
        };
        let reply = match section {
            Section::Overview => self.account_overview(&page, &person, message).await?,
            Section::Password => password::form(&page, &person.user, message),
            Section::SecondFactor | Section::RecoveryCodes => self.second_factor_form(&page, &person.user, message)?,
        };
        Ok(reply.keeping(kept))
    }

    /// All sessions of the person have ended; the one of this browser begins anew, because they have just proven themselves in it.
    async fn stay(&self, page: &OwnPage<'_>, person: &SignedIn) -> store::Result<Kept> {
        self.untold.notify_one();
        match person.session {
            Some(_) => self.begin_session(&page.issuer.tenant, page.request, &mut person.clone()).await,
            // Who is not remembered has nothing but the login.
            None => {
                let login = self.kept_login(&page.issuer.tenant, page.request);
                let interaction = login.map(|login| self.keep_login(&page.issuer.tenant, &login)).unwrap_or_default();
                Ok(Kept { interaction, ..Kept::default() })
            }
        }
    }

    /// Ends what the person wants to be over. `None` if they want nothing.
    async fn end_for(&self, page: &OwnPage<'_>, person: &SignedIn) -> Result<Option<Done>, OAuthError> {
        let user_id = person.user.id;
        let own = person.session.as_ref().map(|session| session.id);
        let mut kept = Kept::default();
        let (outcome, result) = if let Some(id) = page.sent(END_SESSION) {
            let ended = match Uuid::try_parse(id) {
                Ok(id) => {
                    if own == Some(id) {
                        kept = forgotten(page.request).after(page.request);
                    }
                    self.directory.end_session(user_id, id).await
                }
                Err(_) => Err(DirectoryError::NotFound("session")),
            };
            ("session_ended", ended)
        } else if page.sent(END_OTHERS).is_some() {
            ("others_ended", self.directory.end_other_sessions(user_id, own).await)
        } else if let Some(id) = page.sent(END_ACCESS) {
            let ended = match Uuid::try_parse(id) {
                Ok(id) => self.directory.end_access(user_id, id).await,
                Err(_) => Err(DirectoryError::NotFound("application")),
            };
            ("access_ended", ended)
        } else {
            return Ok(None);
        };
        match result {
            Ok(()) => {
                // The clients that knew of a session are told at once, not when somebody looks next.
                self.untold.notify_one();
                Ok(Some(Done::Told(outcome, kept)))
            }
            Err(DirectoryError::NotFound(_)) => Ok(Some(Done::Not(Message::NothingToEnd))),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the page says of an outcome.
fn told(outcome: &str) -> Option<Message> {
    match outcome {
        "session_ended" => Some(Message::SessionEnded),
        "others_ended" => Some(Message::OtherSessionsEnded),
        "access_ended" => Some(Message::AccessEnded),
        "password_changed" => Some(Message::PasswordChanged),
        "second_factor_on" => Some(Message::SecondFactorOn),
        "second_factor_off" => Some(Message::SecondFactorOff),
        "recovery_codes_changed" => Some(Message::RecoveryCodesChanged),
        _ => None,
    }
}
