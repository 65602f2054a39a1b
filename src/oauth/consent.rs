//! Consent: what the person is asked before a client gets anything, and what is remembered of it (D-02, K7, K8).
//!
//! Owns when somebody is asked and what the answer means; the page is `web`'s.

use super::AuthorizationServer;
use super::authorization::Party;
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::interaction::{BrowserRequest, ConsentScope, FormOrigin, Page, Step};
use super::login::Place;
use super::parameters::Parameters;
use super::scopes;
use super::session::SignedIn;
use crate::events::Event;
use crate::model::{Application, Consent, ConsentMode, Relationship};
use crate::store;

const DECLINED: &str = "not ";

/// What the person is asked about.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub scopes: &'a [String],
    /// `prompt=consent`
    pub must_ask: bool,
    /// `prompt=none`
    pub may_not_ask: bool,
}

/// What the person said, or how they are asked.
pub(super) enum Consented {
    /// To these scopes.
    To(Vec<String>),
    Ask(Box<Page>),
    /// On the page at this address: what was posted before is not posted again by a reload (UX 22).
    AskThere(String),
}

impl AuthorizationServer {
    /// # Errors
    /// `access_denied` if the person denies, `consent_required` if they may not be asked.
    pub(super) async fn consent(
        &self,
        request: &BrowserRequest<'_>,
        parameters: &Parameters<'_>,
        (party, wish, place): (&Party, Wish<'_>, &Place<'_>),
        person: &SignedIn,
    ) -> Result<Consented, OAuthError> {
        let application = &party.application;
        let is_third_party =
            application.settings.relationship == Relationship::ThirdParty || party.issuer.dialect().asks_for_everyone; // F-273
        let is_answer = request.step == Step::Consent && request.form_origin == FormOrigin::Own;
        if is_answer && let Some(decision) = parameters.find("decision") {
            if decision != "allow" {
                return Err(denied(person, application));
            }
            let ticked = |scope: &str| parameters.find(&format!("scope:{scope}")).is_some();
            let given = wish.scopes.iter().filter(|scope| is_required(application, scope) || ticked(scope));
            let given: Vec<String> = given.cloned().collect();
            if given.is_empty() && !wish.scopes.is_empty() {
                return Err(denied(person, application));
            }
            Event::ConsentGiven.tell(&format!("{}/{}", person.user.id, application.id));
            if is_third_party && application.settings.consent == ConsentMode::RememberDecision {
                self.remember_consent(party, person, (wish.scopes, &given)).await?;
            }
            return Ok(Consented::To(given));
        }
        // RFC 8252 8.6, OAuth 2.1 7.3.1: anybody on the same device can send what this client sends, so somebody has to
        // do something before it gets anything.
        let is_assured = !application.is_public() || party.redirect_uri.starts_with("https://");
        let all = |is_known: bool| is_known.then(|| wish.scopes.to_vec());
        let known = match (is_third_party, application.settings.consent) {
            (false, _) => all(is_assured || person.is_fresh),
            (true, ConsentMode::NeverPrompt) => all(is_assured),
            (true, ConsentMode::AlwaysPrompt) => None,
            (true, ConsentMode::RememberDecision) if is_assured => self.remembered(party, wish, person).await?,
            (true, ConsentMode::RememberDecision) => None,
        };
        if let Some(scopes) = known.filter(|_| !wish.must_ask) {
            return Ok(Consented::To(scopes));
        }
        if wish.may_not_ask {
            let description = "The user is required to give consent.";
            return Err(OAuthError::new(ErrorCode::ConsentRequired, ErrorReason::ConsentRequired, description));
        }
        if request.form.is_some() && request.step != Step::Consent {
            let address = place.address(request, Step::Consent);
            if address.len() <= super::login::MOST_ADDRESS_BYTES {
                return Ok(Consented::AskThere(address));
            }
        }
        Ok(Consented::Ask(Box::new(page(request, (party, wish, place), is_assured))))
    }

    /// What the person allowed of this before; `None` unless they decided on everything that is asked for, and not on all of it
    /// by a no.
    async fn remembered(&self, party: &Party, wish: Wish<'_>, person: &SignedIn) -> store::Result<Option<Vec<String>>> {
        let application = &party.application;
        let Some(consent) = self.live_consent(party, person).await? else { return Ok(None) };
        let is_declined =
            |scope: &String| !is_required(application, scope) && consent.scopes.contains(&declined(scope));
        let (given, left): (Vec<&String>, Vec<&String>) =
            wish.scopes.iter().partition(|scope| consent.scopes.contains(scope));
        let is_decided = left.into_iter().all(is_declined) && (!given.is_empty() || wish.scopes.is_empty());
        Ok(is_decided.then(|| given.into_iter().cloned().collect()))
    }

    /// Beside what was decided before on other scopes, for no longer than that was to be remembered.
    async fn remember_consent(
        &self,
        party: &Party,
        person: &SignedIn,
        (asked, given): (&[String], &[String]),
    ) -> store::Result<()> {
        let now = self.clock.now();
        let mut expires_at = now + party.issuer.tenant.settings.remember_consent_for;
        let mut scopes: Vec<String> = given.to_vec();
        scopes.extend(asked.iter().filter(|scope| !given.contains(scope)).map(|scope| declined(scope)));
        if let Some(before) = self.live_consent(party, person).await? {
            let is_about = |entry: &String| asked.iter().any(|scope| entry == scope || *entry == declined(scope));
            let others: Vec<String> = before.scopes.into_iter().filter(|entry| !is_about(entry)).collect();
            if !others.is_empty() {
                expires_at = expires_at.min(before.expires_at);
            }
            scopes.extend(others);
        }
        scopes.sort();
        let consent = Consent {
            user_id: person.user.id,
            application_id: party.application.id,
            scopes,
            granted_at: now,
            expires_at,
        };
        self.store.upsert_consent(&consent).await
    }

    async fn live_consent(&self, party: &Party, person: &SignedIn) -> store::Result<Option<Consent>> {
        let consent = self.store.find_consent(person.user.id, party.application.id).await?;
        Ok(consent.filter(|consent| self.clock.now() < consent.expires_at))
    }
}

/// What people are told of a scope, in the application's own words where it has some.
pub(super) fn worded(scope: &str, application: &Application, is_required: bool) -> ConsentScope {
    let own = application.settings.scopes.iter().find(|own| own.name == scope);
    ConsentScope {
        name: scope.to_owned(),
        message: own.and_then(|own| own.consent_message.clone().or_else(|| own.description.clone())),
        detail: own.and_then(|own| own.consent_detail.clone()),
        is_required,
    }
}

/// Whether an entry of a [`Consent`] is a scope that the person gave.
pub(super) fn is_given(entry: &str) -> bool {
    !entry.starts_with(DECLINED)
}

/// How a no is remembered among the scopes: no scope has a space in it (RFC 6749 A.4).
fn declined(scope: &str) -> String {
    format!("{DECLINED}{scope}")
}

/// Who allows nothing of what was asked for denies it, too.
fn denied(person: &SignedIn, application: &Application) -> OAuthError {
    Event::ConsentDenied.tell(&format!("{}/{}", person.user.id, application.id));
    OAuthError::new(ErrorCode::AccessDenied, ErrorReason::ConsentCanceled, "The user denied the request.")
}

/// Whether the scope comes with the rest. The operator's own applications have no optional ones.
fn is_required(application: &Application, scope: &str) -> bool {
    let settings = &application.settings;
    let own = settings.scopes.iter().find(|own| own.name == scope).map(|own| own.is_required);
    let provided = settings.provided_scopes.find(scope).map(|provided| provided.is_required);
    settings.relationship == Relationship::FirstParty
        || scope == scopes::OPENID
        || scope == scopes::OFFLINE_ACCESS
        || own.or(provided).unwrap_or(false)
}

fn page(request: &BrowserRequest<'_>, (party, wish, place): (&Party, Wish<'_>, &Place<'_>), is_assured: bool) -> Page {
    let (application, tenant) = (&party.application, &party.issuer.tenant);
    let settings = &application.settings;
    let tell = |scope: &String| worded(scope, application, is_required(application, scope));
    let lasts_for = match wish.scopes.iter().any(|scope| scope == scopes::OFFLINE_ACCESS) {
        true => settings.refresh_tokens.as_ref().unwrap_or(&tenant.settings.refresh_tokens).absolute_for,
        false => settings.access_token_for.unwrap_or(tenant.access_token_for),
    };
    Page::Consent {
        form: place.form(request, Step::Consent),
        client_name: application.title().to_owned(),
        owner: settings.owner.clone(),
        redirect_host: host(&party.redirect_uri).to_owned(),
        is_verified: is_assured && settings.relationship == Relationship::FirstParty,
        lasts_for,
        scopes: wish.scopes.iter().map(tell).collect(),
    }
}

/// The host of a URI, or its scheme if it has none.
pub(super) fn host(uri: &str) -> &str {
    let Some((scheme, rest)) = uri.split_once(':') else { return uri };
    match rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next()) {
        Some(authority) if !authority.is_empty() => authority,
        Some(_) | None => scheme,
    }
}
