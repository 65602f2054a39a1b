//! The pages of ours that no client leads to: one's account, one's passkeys.
//!
//! Owns what they have in common: whose page it is, what its forms carry along, and the way back to it.

use std::sync::Arc;

use super::AuthorizationServer;
use super::error::OAuthError;
use super::interaction::{BrowserRequest, Context, Form, FormOrigin, Page, Reply, Step};
use super::keys::LocalIssuer;
use super::login::{Endpoint, Freshness, Place};
use super::parameters::Parameters;
use super::passkeys::USED;
use crate::percent;
use crate::profile;

/// Seconds since the login that is enough to change how one logs in.
pub(super) const FRESH_FOR: i64 = 600;

/// Whoever finds an open session must not be able to stay.
pub(super) const FRESH: Freshness =
    Freshness { must_be_new: false, max_age: Some(FRESH_FOR), second_factor: true, user: None };

/// The parameters of such a page, which its forms carry along.
const CARRIED: [&str; 3] = ["tenantId", "locale", "ui_locales"];
/// The one that names a part of the page.
pub(super) const SECTION: &str = "section";
/// The one with what became of the last form.
const OUTCOME: &str = "outcome";

/// A request for such a page.
pub(super) struct OwnPage<'a> {
    pub request: &'a BrowserRequest<'a>,
    pub parameters: &'a Parameters<'a>,
    pub issuer: Arc<LocalIssuer>,
    endpoint: Endpoint,
    /// Which part of it, if it has several.
    section: Option<&'static str>,
    context: Context,
}

impl AuthorizationServer {
    /// # Errors
    /// If nobody knows whose page it is.
    pub(super) async fn own_page<'a>(
        &self,
        request: &'a BrowserRequest<'a>,
        parameters: &'a Parameters<'a>,
        endpoint: Endpoint,
    ) -> Result<OwnPage<'a>, OAuthError> {
        let issuer = self.issuer_of_own_page(request, parameters).await?;
        let locales = parameters.find("ui_locales").or_else(|| parameters.find("locale"));
        let context = Context {
            tenant: Some(Arc::clone(&issuer.tenant)),
            locales: locales.map(str::to_owned),
            ..Context::default()
        };
        Ok(OwnPage { request, parameters, issuer, endpoint, section: None, context })
    }
}

impl OwnPage<'_> {
    /// The part of the page with this name.
    pub fn at(self, section: Option<&'static str>) -> Self {
        Self { section, ..self }
    }

    /// A field of a form that was sent from this page. One that brings a login was not.
    pub fn sent(&self, name: &str) -> Option<&str> {
        let is_login = self.parameters.find("loginId").or_else(|| self.parameters.find(USED)).is_some();
        self.parameters.find(name).filter(|_| self.is_own() && !is_login)
    }

    /// The same of a form that is ours and too old: for what says by itself that it may be believed.
    pub fn sent_late(&self, name: &str) -> Option<&str> {
        let is_late = self.request.form_origin == FormOrigin::Stale && self.request.step == Step::Start;
        self.sent(name).or_else(|| self.parameters.find(name).filter(|_| is_late))
    }

    /// Whether the browser has just sent a form of ours: an address of its own is to follow (UX 22).
    pub fn is_answer(&self) -> bool {
        self.is_own() || self.request.step != Step::Start
    }

    fn is_own(&self) -> bool {
        self.request.form_origin == FormOrigin::Own && self.request.step == Step::Start
    }

    /// What became of the last form. What the address says counts only in the browser that sent the form: it may be somebody
    /// else's link.
    pub fn outcome(&self) -> Option<&str> {
        self.parameters.find(OUTCOME).filter(|outcome| self.request.outcome == Some(outcome))
    }

    pub fn place(&self, freshness: Freshness) -> Place<'_> {
        Place {
            issuer: &self.issuer,
            endpoint: self.endpoint,
            fields: self.fields_to(self.section),
            client_name: String::new(),
            login_hint: None,
            freshness,
            context: self.context.clone(),
        }
    }

    pub fn form(&self) -> Form {
        self.form_to(self.section)
    }

    /// A form that leads to another part of the page.
    pub fn form_to(&self, section: Option<&'static str>) -> Form {
        Form { action: self.path(self.endpoint.named()), fields: self.fields_to(section) }
    }

    /// Something that no address shows a second time.
    pub fn show_once(&self, page: Page) -> Reply {
        Reply::page(page, self.context.clone())
    }

    pub fn show(&self, page: Page) -> Reply {
        let here = self.section_address(self.section);
        Reply::page(page, Context { here: Some(here), ..self.context.clone() })
    }

    /// Where a part of the page is.
    pub fn section_address(&self, section: Option<&str>) -> String {
        let section: Vec<_> = section.map(|section| (SECTION, section)).into_iter().collect();
        self.address(self.endpoint.named(), &section)
    }

    /// By way of an address of its own, so that the browser's reload changes nothing again (UX 22).
    pub fn again(&self, outcome: Option<&str>) -> Reply {
        let section = self.section.map(|section| (SECTION, section));
        let more: Vec<_> = section.into_iter().chain(outcome.map(|outcome| (OUTCOME, outcome))).collect();
        let reply = Reply::redirect(self.address(self.endpoint.named(), &more));
        Reply { outcome: outcome.map(str::to_owned), ..reply }
    }

    /// Where another page of the same tenant is, in the same language.
    pub fn address(&self, endpoint: profile::Endpoint, more: &[(&str, &str)]) -> String {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let fields: Vec<_> = self.carried().into_iter().chain(more).collect();
        match fields.is_empty() {
            true => self.path(endpoint),
            false => format!("{}?{}", self.path(endpoint), percent::form(&fields)),
        }
    }

    fn path(&self, endpoint: profile::Endpoint) -> String {
        self.request.own_path(self.issuer.dialect().path(endpoint))
    }

    fn fields_to(&self, section: Option<&str>) -> Vec<(String, String)> {
        let section = section.map(|section| (SECTION.to_owned(), section.to_owned()));
        self.carried().into_iter().chain(section).collect()
    }

    fn carried(&self) -> Vec<(String, String)> {
        let sent = |name: &&str| self.parameters.find(name).map(|value| ((*name).to_owned(), value.to_owned()));
        CARRIED.iter().filter_map(sent).collect()
    }
}
