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
                Event::ConsentDenied.tell(&format!("{}/{}", person.user.id, application.id));
                return Err(OAuthError::new(
                    ErrorCode::AccessDenied,
                    ErrorReason::ConsentCanceled,
                    "The user denied the request.",
                ));
            }
            let ticked = |scope: &str| parameters.find(&format!("scope:{scope}")).is_some();
            let given = wish.scopes.iter().filter(|scope| is_required(application, scope) || ticked(scope));
            let given: Vec<String> = given.cloned().collect();
            Event::ConsentGiven.tell(&format!("{}/{}", person.user.id, application.id));
            if is_third_party && application.settings.consent == ConsentMode::RememberDecision {
                self.remember_consent(party, person, &given).await?;
            }
            return Ok(Consented::To(given));
        }
        // RFC 8252 8.6, OAuth 2.1 7.3.1: anybody on the same device can send what this client sends, so somebody has to
        // do something before it gets anything.
        let is_assured = !application.is_public() || party.redirect_uri.starts_with("https://");
        let is_known = match (is_third_party, application.settings.consent) {
            (false, _) => is_assured || person.is_fresh,
            (true, ConsentMode::NeverPrompt) => is_assured,
            (true, ConsentMode::AlwaysPrompt) => false,
            (true, ConsentMode::RememberDecision) => is_assured && self.is_remembered(party, wish, person).await?,
        };
        if is_known && !wish.must_ask {
            return Ok(Consented::To(wish.scopes.to_vec()));
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

    async fn is_remembered(&self, party: &Party, wish: Wish<'_>, person: &SignedIn) -> store::Result<bool> {
        let remembered = self.store.find_consent(person.user.id, party.application.id).await?;
        Ok(remembered.is_some_and(|consent| {
            self.clock.now() < consent.expires_at && wish.scopes.iter().all(|scope| consent.scopes.contains(scope))
        }))
    }

    async fn remember_consent(&self, party: &Party, person: &SignedIn, scopes: &[String]) -> store::Result<()> {
        let now = self.clock.now();
        let mut scopes = scopes.to_vec();
        scopes.sort();
        let consent = Consent {
            user_id: person.user.id,
            application_id: party.application.id,
            scopes,
            granted_at: now,
            expires_at: now + party.issuer.tenant.settings.remember_consent_for,
        };
        self.store.upsert_consent(&consent).await
    }
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
    let tell = |scope: &String| {
        let own = settings.scopes.iter().find(|own| own.name == *scope);
        ConsentScope {
            name: scope.clone(),
            message: own.and_then(|own| own.consent_message.clone().or_else(|| own.description.clone())),
            detail: own.and_then(|own| own.consent_detail.clone()),
            is_required: is_required(application, scope),
        }
    };
    let lasts_for = match wish.scopes.iter().any(|scope| scope == scopes::OFFLINE_ACCESS) {
        true => settings.refresh_tokens.as_ref().unwrap_or(&tenant.settings.refresh_tokens).absolute_for,
        false => settings.access_token_for.unwrap_or(tenant.access_token_for),
    };
    Page::Consent {
        form: place.form(request, Step::Consent),
        client_name: application.name.clone(),
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
