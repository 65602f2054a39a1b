//! Passkeys (WebAuthn Level 3): signing in with one, and the page where people add and remove theirs (rule L12).
//!
//! Owns the order of the steps. The value that proves a form to be ours is the challenge that the authenticator signs: it is
//! tied to the browser, over after an hour, and counts once.

mod ceremony;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::oauth) mod fuzzing;

use super::AuthorizationServer;
use super::error::{ErrorReason, OAuthError};
use super::interaction::{BrowserRequest, Context, FormOrigin, ListedPasskey, Message, Page, PasskeyOwner, Reply};
use super::keys::LocalIssuer;
use super::login::{Endpoint, Entered};
use super::own_page::{FRESH, OwnPage};
use super::parameters::Parameters;
use super::plain_name::plain_name;
use super::session::SignedIn;
use crate::directory::{DirectoryError, LoginError};
use crate::model::{ClientSecret, Obstacle, Passkey, User};
use crate::profile;
use crate::store::{self, Lease};
use ceremony::{Assertion, RelyingParty};

/// The field with the use of a passkey.
pub(super) const USED: &str = "passkey";
/// The field with a new one, and what it is to be called.
const MADE: &str = "new_passkey";
const NAME: &str = "passkey_name";
/// The field with the id of one that is to go.
const REMOVED: &str = "remove";
/// The field of our forms with the value that proves them.
const CHALLENGE: &str = "forgery";
/// Seconds after which no form is ours any more.
const CHALLENGE_FOR: i64 = 3600;

/// Where the tenant's passkeys are good; `None` if it wants none, or its pages are where browsers know none.
pub(super) fn place(issuer: &LocalIssuer) -> Option<RelyingParty<'_>> {
    relying_party(&issuer.base_url).filter(|_| issuer.tenant.settings.passkeys)
}

/// `None` for what is below an address instead of a name, or reached without TLS from elsewhere than this machine.
fn relying_party(base_url: &str) -> Option<RelyingParty<'_>> {
    let (scheme, rest) = base_url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let is_local = host == "localhost" || host.ends_with(".localhost");
    // An address of version 4 ends in a digit, as no top-level domain does; one of version 6 in a bracket.
    let is_name = host.ends_with(|last: char| last.is_ascii_alphabetic());
    let origin = &base_url[..scheme.len() + "://".len() + authority.len()];
    (is_name && (scheme == "https" || is_local)).then_some(RelyingParty { id: host, origin })
}

impl AuthorizationServer {
    /// Whose passkey the form was sent with.
    ///
    /// # Errors
    /// [`LoginError::WrongCredentials`] for one that nobody has or that proves nothing; nobody learns which.
    pub(super) async fn prove_passkey(&self, issuer: &LocalIssuer, form: &Parameters<'_>) -> Result<User, LoginError> {
        let answer = form.find(USED).unwrap_or_default();
        let challenge = form.find(CHALLENGE).unwrap_or_default();
        let refused = |whose: &str, reason: &str| {
            tracing::debug!(reason, "A passkey was refused.");
            self.directory.login_failed(whose);
            Err(LoginError::WrongCredentials)
        };
        let Some(here) = place(issuer) else { return refused("-", "NotHere") };
        let used = match Assertion::parse(answer) {
            Ok(used) => used,
            Err(reason) => return refused("-", &format!("{reason:?}")),
        };
        let user = self.store.find_user(used.user_id).await?.filter(|user| user.tenant_id == issuer.tenant.id);
        let Some(user) = user else { return refused("-", "UnknownUser") };
        let id = user.id.to_string();
        let Some(passkey) = user.passkey(&used.credential_id) else { return refused(&id, "UnknownPasskey") };
        let sign_count = match used.verify(passkey, here, challenge) {
            Ok(sign_count) => sign_count,
            Err(reason) => return refused(&id, &format!("{reason:?}")),
        };
        if !self.spend_challenge(challenge).await? {
            return refused(&id, "Repeated");
        }
        match self.directory.count_passkey(user.id, &passkey.id, sign_count).await {
            Ok(true) => {}
            Ok(false) => return refused(&id, "Copied"),
            Err(DirectoryError::Store(error)) => return Err(error.into()),
            // It was removed meanwhile, or somebody else changes the user all the time.
            Err(_) => return refused(&id, "Changed"),
        }
        let admitted = match user.obstacle(self.clock.now()) {
            Some(Obstacle::Locked) => Err(LoginError::Locked),
            Some(Obstacle::Expired) => Err(LoginError::Expired),
            None => Ok(user),
        };
        self.directory.counted(admitted)
    }

    /// Whether the challenge has not been used before, on any node.
    async fn spend_challenge(&self, challenge: &str) -> store::Result<bool> {
        let now = self.clock.now();
        let lease = Lease { now, expires_at: now + CHALLENGE_FOR };
        self.store.remember_once("passkey", &ClientSecret::hash(challenge), lease).await
    }

    /// Answers a request for the page.
    pub async fn passkeys_page(&self, request: &BrowserRequest<'_>) -> Reply {
        let reply = self.answer_passkeys_page(request).await;
        reply.unwrap_or_else(|error| Reply::page(Page::Error(error), Context::default()))
    }

    /// # Errors
    /// What an error page is to say.
    async fn answer_passkeys_page(&self, request: &BrowserRequest<'_>) -> Result<Reply, OAuthError> {
        let parameters = request.parameters()?;
        let page = self.own_page(request, &parameters, Endpoint::Passkeys).await?;
        let here = place(&page.issuer).ok_or_else(none_here)?;
        // 1. Who is it, for certain and just now?
        let (person, kept) = match self.enter(request, &page.place(FRESH)).await? {
            Entered::SignedIn(person, kept) => (person, kept),
            Entered::Reply(reply) => return Ok(*reply),
        };
        // 2. What do they want?
        let outcome = match (page.sent(MADE), page.sent(REMOVED)) {
            (Some(answer), _) => Some(self.add_passkey(&page, here, &person, answer).await?),
            (None, Some(id)) => Some(self.remove_passkey(&person, id).await?),
            (None, None) => None,
        };
        let message = match (outcome, page.outcome()) {
            (Some(Message::PasskeyAdded), _) => return Ok(page.again(Some("added")).keeping(kept)),
            (Some(Message::PasskeyRemoved), _) => return Ok(page.again(Some("removed")).keeping(kept)),
            (Some(message), _) => Some(message),
            (None, Some("added")) => Some(Message::PasskeyAdded),
            (None, Some("removed")) => Some(Message::PasskeyRemoved),
            (None, _) if request.form_origin == FormOrigin::Stale => Some(Message::FormExpired),
            // They have just signed in.
            (None, _) if page.is_answer() => return Ok(page.again(None).keeping(kept)),
            (None, _) => None,
        };
        Ok(listing(&page, here, &person.user, (message, self.clock.now())).keeping(kept))
    }

    async fn add_passkey(
        &self,
        page: &OwnPage<'_>,
        here: RelyingParty<'_>,
        person: &SignedIn,
        answer: &str,
    ) -> Result<Message, OAuthError> {
        let challenge = page.parameters.find(CHALLENGE).unwrap_or_default();
        let made = match ceremony::register(answer, here, challenge) {
            Ok(made) => made,
            Err(reason) => {
                tracing::debug!(?reason, "A new passkey was refused.");
                return Ok(Message::PasskeyNotAdded);
            }
        };
        if !self.spend_challenge(challenge).await? {
            return Ok(Message::FormExpired);
        }
        let name = plain_name(page.parameters.find(NAME).unwrap_or_default(), Passkey::MOST_NAME);
        let passkey = Passkey { name, created_at: self.clock.now(), ..made };
        match self.directory.add_passkey(person.user.id, &passkey).await {
            Ok(()) => Ok(Message::PasskeyAdded),
            Err(DirectoryError::Invalid(_)) if person.user.passkey(&passkey.id).is_some() => Ok(Message::PasskeyAdded),
            Err(DirectoryError::Invalid(_)) => Ok(Message::TooManyPasskeys),
            Err(error) => Err(error.into()),
        }
    }

    async fn remove_passkey(&self, person: &SignedIn, id: &str) -> Result<Message, OAuthError> {
        match self.directory.remove_passkey(person.user.id, id).await {
            // Whoever sends the form twice wants it gone.
            Ok(()) | Err(DirectoryError::NotFound(_)) => Ok(Message::PasskeyRemoved),
            Err(error) => Err(error.into()),
        }
    }
}

fn listing(page: &OwnPage<'_>, here: RelyingParty<'_>, user: &User, (message, now): (Option<Message>, i64)) -> Reply {
    let listed = |passkey: &Passkey| ListedPasskey {
        id: passkey.id.clone(),
        name: passkey.name.clone(),
        added_for: now - passkey.created_at,
    };
    let login_id = user.email.clone().or_else(|| user.username.clone()).unwrap_or_default();
    let person = PasskeyOwner {
        place: here.id.to_owned(),
        handle: ceremony::handle(user.id),
        name: user.full_name().unwrap_or_else(|| login_id.clone()),
        login_id,
    };
    page.show(Page::Passkeys {
        form: page.form(),
        message,
        account: page.address(profile::Endpoint::Account, &[]),
        person,
        passkeys: user.passkeys.iter().map(listed).collect(),
    })
}

fn none_here() -> OAuthError {
    OAuthError::invalid_request(ErrorReason::Unknown, "There are no passkeys here.")
}

#[cfg(test)]
mod tests {
    use super::*;

    // L12, WebAuthn Level 3, 5.1.3: a relying party is a domain, in a secure context
    #[test]
    fn passkeys_are_for_names_that_are_reached_securely() {
        for (base_url, expected) in [
            ("https://gate.example.com", Some(("gate.example.com", "https://gate.example.com"))),
            ("https://gate.example.com:8443/master", Some(("gate.example.com", "https://gate.example.com:8443"))),
            ("https://gate", Some(("gate", "https://gate"))),
            ("http://localhost:8080", Some(("localhost", "http://localhost:8080"))),
            ("http://gate.localhost/x", Some(("gate.localhost", "http://gate.localhost"))),
            ("http://gate.example.com", None),
            ("https://127.0.0.1:8080", None),
            ("https://10.0.0.7", None),
            ("https://[2001:db8::1]", None),
            ("https://[2001:db8::a]:8443", None),
            ("http://127.0.0.1:8080", None),
            ("acme", None),
        ] {
            let found = relying_party(base_url).map(|found| (found.id, found.origin));
            assert_eq!(found, expected, "{base_url}");
        }
    }
}
