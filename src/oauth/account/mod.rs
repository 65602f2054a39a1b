//! The page on which people look after their own account: where they are signed in, and what they let in (UX 23).
//!
//! Owns the order of the steps. What ends, and what ends with it, is `directory`'s to say.

mod overview;

use uuid::Uuid;

use super::AuthorizationServer;
use super::error::OAuthError;
use super::interaction::{BrowserRequest, Context, FormOrigin, Kept, Message, Page, Reply};
use super::login::{Endpoint, Entered, Freshness};
use super::own_page::OwnPage;
use super::session::{SignedIn, forgotten};
use crate::directory::DirectoryError;

/// The field with the id of a session that is to end.
const END_SESSION: &str = "end_session";
/// The field that ends all but this one.
const END_OTHERS: &str = "end_others";
/// The field with the id of an application that is to have no access any more.
const END_ACCESS: &str = "end_access";

/// What became of what the person wanted.
enum Done {
    /// It happened: the page says so under an address of its own.
    Told(&'static str, Kept),
    /// It did not: the page says why.
    Not(Message),
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
        let page = self.own_page(request, &parameters, Endpoint::Account).await?;
        // 1. Who is it?
        let (person, kept) = match self.enter(request, &page.place(Freshness::default())).await? {
            Entered::SignedIn(person, kept) => (person, kept),
            Entered::Reply(reply) => return Ok(*reply),
        };
        // 2. What do they want?
        let message = match self.end_for(&page, &person).await? {
            Some(Done::Told(outcome, kept)) => return Ok(page.again(Some(outcome)).keeping(kept)),
            Some(Done::Not(message)) => Some(message),
            None if request.form_origin == FormOrigin::Stale => Some(Message::FormExpired),
            None if page.is_answer() => return Ok(page.again(None).keeping(kept)),
            None => page.outcome().and_then(told),
        };
        Ok(self.account_overview(&page, &person, message).await?.keeping(kept))
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
                        kept = forgotten(page.request);
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
        _ => None,
    }
}
