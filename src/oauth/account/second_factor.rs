//! The part of the account's page on which people turn their second factor on and off, and get other recovery codes.
//!
//! Owns where a new shared secret comes from. What a code is worth, and what ends with the factor, is `directory`'s to say.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Done, Section};
use crate::directory::{DirectoryError, ProposedSecret, is_recovery_code, totp_uri};
use crate::model::User;
use crate::oauth::AuthorizationServer;
use crate::oauth::device::svg;
use crate::oauth::error::OAuthError;
use crate::oauth::interaction::{Kept, Message, Next, Page, Reply};
use crate::oauth::login::told;
use crate::oauth::own_page::OwnPage;
use crate::oauth::session::SignedIn;
use crate::secret::{Secret, equal};

/// The field with what a new shared secret is made from.
const PROPOSAL: &str = "proposal";
const CODE: &str = "code";
/// The field that asks for other recovery codes; it says which ones the page was shown with.
const RENEW: &str = "renew";
/// The field with the recovery codes that are to become a file.
const CODES: &str = "codes";
const MOST_CODES: usize = 16;
const MOST_PROPOSAL_BYTES: usize = 64;
/// 96 bits.
const MARK_BYTES: usize = 12;
/// Seconds for which a page that proposes a secret is good, as every form is.
const PROPOSED_FOR: i64 = 3600;
/// RFC 4226 4: 160 bits.
const SECRET_BYTES: usize = 20;

impl AuthorizationServer {
    /// `None` if the person wants nothing.
    pub(super) async fn change_second_factor_for(
        &self,
        page: &OwnPage<'_>,
        person: &SignedIn,
    ) -> Result<Option<Done>, OAuthError> {
        let user = &person.user;
        if let Some(seen) = page.sent(RENEW) {
            let code = page.sent(CODE).unwrap_or_default();
            return self.renew_recovery_codes(page, user, (seen, code)).await.map(Some);
        }
        match (page.sent(CODE), page.sent(PROPOSAL)) {
            (None, None) => Ok(None),
            (code, Some(proposal)) => {
                self.turn_second_factor_on(page, user, (proposal, code.unwrap_or_default())).await.map(Some)
            }
            // Who wants it off has it off.
            (Some(_), None) if !user.has_second_factor() => Ok(Some(Done::Told("second_factor_off", Kept::default()))),
            (Some(code), None) => match self.directory.check_second_factor(user, code, page.request.peer).await {
                Ok(_) => match self.directory.remove_totp(user.id).await {
                    Ok(()) => Ok(Some(Done::Told("second_factor_off", self.stay(page, person).await?))),
                    Err(DirectoryError::Changed(_)) => Ok(Some(Done::Not(Message::FormExpired))),
                    Err(error) => Err(error.into()),
                },
                Err(error) => Ok(Some(Done::Not(told(error, Message::WrongCode)?))),
            },
        }
    }

    /// Of two forms that turn it on at once, one is answered with recovery codes.
    async fn turn_second_factor_on(
        &self,
        page: &OwnPage<'_>,
        user: &User,
        (proposal, code): (&str, &str),
    ) -> Result<Done, OAuthError> {
        if !self.is_recent(proposal) {
            return Ok(Done::Not(Message::FormExpired));
        }
        let secret = self.proposed_secret(user, proposal)?;
        let enrollment = match self.directory.enroll_totp_with(user, secret, code).await {
            Ok(Some(enrollment)) => enrollment,
            Ok(None) => return Ok(Done::Not(Message::WrongCode)),
            Err(DirectoryError::Invalid(_) | DirectoryError::Changed(_)) => {
                let now = self.store.find_user(user.id).await?;
                return Ok(match now.is_some_and(|user| user.has_second_factor()) {
                    true => Done::Told("second_factor_on", Kept::default()),
                    false => Done::Not(Message::FormExpired),
                });
            }
            Err(error) => return Err(error.into()),
        };
        Ok(codes_shown(page, enrollment.recovery_codes))
    }

    /// A form that was sent twice makes codes once: nobody keeps a list that the second one has made worthless.
    async fn renew_recovery_codes(
        &self,
        page: &OwnPage<'_>,
        user: &User,
        (seen, code): (&str, &str),
    ) -> Result<Done, OAuthError> {
        let changed = || Done::Told("recovery_codes_changed", Kept::default());
        if !equal(seen.as_bytes(), self.mark_of_codes(user).as_bytes()) {
            return Ok(changed());
        }
        // Else whoever finds a browser with a fresh login had codes to turn it off with.
        if let Err(error) = self.directory.check_second_factor(user, code, page.request.peer).await {
            return Ok(Done::Not(told(error, Message::WrongCode)?));
        }
        let now = self.store.find_user(user.id).await?;
        // Without the one that was spent just now, if it was one of them.
        let is_same = |now: &User| now.recovery_codes.iter().all(|code| user.recovery_codes.contains(code));
        let Some(now) = now.filter(is_same) else { return Ok(changed()) };
        match self.directory.renew_recovery_codes(&now).await {
            Ok(codes) => Ok(codes_shown(page, codes)),
            Err(DirectoryError::Invalid(_) | DirectoryError::Changed(_)) => Ok(changed()),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells one list of recovery codes from the next, and nothing else about them.
    fn mark_of_codes(&self, user: &User) -> String {
        let mut state = hmac::Context::with_key(&self.second_factor_key());
        state.update(format!("{}/codes", user.id).as_bytes());
        for code in &user.recovery_codes {
            state.update(code.as_bytes());
        }
        STANDARD.encode(&state.sign().as_ref()[..MARK_BYTES])
    }

    fn second_factor_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.keys.derived_key(b"faregate second factors"))
    }

    pub(super) fn second_factor_form(
        &self,
        page: &OwnPage<'_>,
        user: &User,
        message: Option<Message>,
    ) -> Result<Reply, OAuthError> {
        let account = page.section_address(None);
        if user.has_second_factor() {
            let (left, codes_seen) = (user.recovery_codes.len(), self.mark_of_codes(user));
            return Ok(page.show(Page::SecondFactorOn { form: page.form(), message, left, codes_seen, account }));
        }
        // With the one that was sent, what the authenticator has stays right.
        let sent = page.sent_late(PROPOSAL).filter(|proposal| self.is_recent(proposal));
        let fresh = || format!("{}.{}", self.clock.now(), self.entropy.token(16));
        let proposal = sent.map_or_else(fresh, str::to_owned);
        let key = self.proposed_secret(user, &proposal)?;
        let picture = svg(totp_uri(&page.issuer.tenant, user, &key).expose()).unwrap_or_default();
        let mut form = page.form();
        form.fields.push((PROPOSAL.to_owned(), proposal));
        Ok(page.show(Page::SecondFactorSetUp { form, message, picture: Secret::new(picture), key, account }))
    }

    /// Whether the proposal is of a page that was shown in the last hour: nobody enrols what somebody has seen before.
    fn is_recent(&self, proposal: &str) -> bool {
        let shown_at = proposal.split_once('.').and_then(|(shown_at, _)| shown_at.parse::<i64>().ok());
        let age = shown_at.map(|at| self.clock.now().saturating_sub(at));
        proposal.len() <= MOST_PROPOSAL_BYTES && age.is_some_and(|age| (0..PROPOSED_FOR).contains(&age))
    }

    /// The shared secret that a proposal stands for, of this user alone. So nothing is stored before a code has shown that the
    /// person has it, and nobody chooses it.
    fn proposed_secret(&self, user: &User, proposal: &str) -> Result<Secret<String>, OAuthError> {
        let made = hmac::sign(&self.second_factor_key(), format!("{}/{proposal}", user.id).as_bytes());
        let base64 = Secret::new(STANDARD.encode(&made.as_ref()[..SECRET_BYTES]));
        ProposedSecret::base32_of(&base64).ok_or_else(|| OAuthError::server_error("a shared secret cannot be written"))
    }
}

/// The page that shows recovery codes, for the only time.
fn codes_shown(page: &OwnPage<'_>, codes: Vec<Secret<String>>) -> Done {
    let mut form = page.form_to(Section::RecoveryCodes.name());
    let exposed: Vec<&str> = codes.iter().map(|code| code.expose().as_str()).collect();
    form.fields.push((CODES.to_owned(), exposed.join(" ")));
    let account = page.section_address(None);
    Done::Shown(Box::new(page.show_once(Page::RecoveryCodes { form, codes, account })))
}

/// The codes that the form brings, if they are the user's: the browser has them from the page that shows them once, however
/// long ago.
pub(super) fn file(page: &OwnPage<'_>, user: &User) -> Option<Done> {
    let codes: Vec<&str> = page.sent_late(CODES)?.split(' ').take(MOST_CODES).collect();
    if !codes.iter().all(|code| is_recovery_code(user, code)) {
        return None;
    }
    let content = Secret::new(codes.iter().map(|code| format!("{code}\n")).collect());
    Some(Done::Shown(Box::new(Reply::from(Next::File { name: "recovery-codes.txt", content }))))
}
