//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core 3): every check of a request, in order.
//!
//! Owns the order; each family of rules has its file. A form that comes back from one of the pages is the same request
//! again, so it passes the same checks (A8).

mod answer;
mod client;
mod device;
mod dpop;
mod leaving;
mod openid;
mod pkce;
mod prompt;
mod registration;
mod request_object;
mod response;
mod scope;

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::AuthorizationServer;
use super::audience::{self, AUDIENCE, RESOURCE};
use super::consent::{Consented, Wish};
use super::device::CONFIRMED;
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::interaction::{BrowserRequest, Context, Kept, Page, Reply, Step};
use super::keys::LocalIssuer;
use super::login::{Endpoint, Entered, Freshness, MOST_ADDRESS_BYTES, Place};
use super::parameters::Parameters;
use super::pushed::{REQUEST_URI, check_pushed};
use super::session::SignedIn;
use crate::model::{Application, Confirmation, DeviceCode, Relationship};
use crate::percent;
use crate::profile::Dialect;
use prompt::Prompt;
use response::{ResponseType, Way};

/// The parameters that belong to a request: our pages send them again, and nothing else.
pub(super) const PARAMETERS: [&str; 32] = [
    "client_id",
    "tenantId",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    AUDIENCE,
    RESOURCE,
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "prompt",
    "max_age",
    "display",
    "ui_locales",
    "locale",
    "claims_locales",
    "id_token_hint",
    "login_hint",
    "acr_values",
    "claims",
    "request",
    "request_uri",
    "registration",
    "user_code",
    "device",
    "metaData.device.name",
    "metaData.device.type",
    "idp_hint",
    CONFIRMED,
];

/// Those of them that the browser sends again when the client pushed the others.
const PARAMETERS_BESIDE_PUSHED: [&str; 6] = ["client_id", "tenantId", REQUEST_URI, "ui_locales", "locale", CONFIRMED];

/// A request, as it was sent and as it counts.
struct Question<'a> {
    /// What the browser brings, with what people fill in.
    brought: &'a Parameters<'a>,
    /// What the client asks for: the same, or what it pushed and nothing else (RFC 9126 4, RFC 9101 6.3).
    said: &'a Parameters<'a>,
    /// What every page of ours sends again.
    carried: Vec<(String, String)>,
}

/// Who asks, and where the answer goes. Nothing of it is the client's word alone.
pub(super) struct Party {
    pub issuer: Arc<LocalIssuer>,
    pub application: Arc<Application>,
    pub redirect_uri: String,
    way: Way,
    pub state: Option<String>,
    /// `locale`, to be said again (F-057).
    pub locale: Option<String>,
}

/// What is asked for, checked.
pub(super) struct Asked {
    response_type: ResponseType,
    code_challenge: Option<String>,
    /// The key that the code is bound to.
    bound_to: Option<Confirmation>,
    nonce: Option<String>,
    prompt: Prompt,
    max_age: Option<i64>,
    /// `acr_values` asks for more than a password.
    second_factor: bool,
    claims: Option<Value>,
    /// The user that the client expects (`id_token_hint`, or `sub` in `claims`).
    expected_user: Option<Uuid>,
    scopes: Vec<String>,
    /// As the request has them.
    said_scope: Option<String>,
    /// The API that the access token is for.
    audience: Option<String>,
    /// The device that is let in with the person.
    device: Option<DeviceCode>,
}

impl AuthorizationServer {
    /// Answers a request to the page of a step that several places share: each login leads back to where it began.
    pub async fn interact(&self, request: &BrowserRequest<'_>) -> Reply {
        match request.parameters().map(|parameters| Endpoint::of(&parameters)) {
            Ok(Endpoint::Device) if request.step != Step::Start => self.device_page(request).await,
            Ok(Endpoint::Passkeys) if request.step != Step::Start => self.passkeys_page(request).await,
            Ok(Endpoint::Account) if request.step != Step::Start => self.account_page(request).await,
            Ok(Endpoint::Device | Endpoint::Passkeys | Endpoint::Account | Endpoint::Authorize) | Err(_) => {
                self.authorize(request).await
            }
        }
    }

    /// Answers a request to the authorization endpoint, or to the page of one of its later steps.
    pub async fn authorize(&self, request: &BrowserRequest<'_>) -> Reply {
        let mut context = Context::default();
        let reply = match self.answer_request(request, &mut context).await {
            Ok(reply) => reply,
            Err(error) => Reply::page(Page::Error(error), context.clone()),
        };
        Reply { keeps_opener: context.keeps_opener, ..reply }
    }

    /// # Errors
    /// What the person is told, because no client can be (RFC 6749 4.1.2.1, A2), or because we cannot answer.
    async fn answer_request(&self, request: &BrowserRequest<'_>, context: &mut Context) -> Result<Reply, OAuthError> {
        let brought = request.parameters()?; //                                            RFC 6749 3.1, A10
        let (issuer, application) = self.identify_sender(request, &brought, context).await?;
        let pushed = self.find_pushed(request, &brought, (&issuer, &application)).await?; // RFC 9126 4
        let said = pushed.as_ref().map(|pushed| Parameters::parse(pushed.parameters.as_bytes())).transpose()?;
        let question = Question {
            said: said.as_ref().unwrap_or(&brought),
            carried: brought.pick(if pushed.is_some() { &PARAMETERS_BESIDE_PUSHED } else { &PARAMETERS }),
            brought: &brought,
        };
        context.locales = context.locales.take().or_else(|| locales(question.said));
        let party = Party::of(issuer, application, question.said)?; //                     RFC 6749 3.1.2, A1
        context.framed_by = client::check_origin(&party.application, request)?; //         F-023, F-025
        context.leads_to = Some(party.redirect_uri.clone());
        context.keeps_opener = matches!(party.way, Way::Message(_)); //                    Web Message Response Mode
        if let Some(address) = by_link(request, &question) {
            return Ok(Reply::redirect(address));
        }
        // From here on the client hears what is wrong.
        let asked = match check_pushed(&party.application, pushed.as_ref()) {
            Ok(()) => self.check_request(request.peer, question.said, &party).await,
            Err(error) => Err(error),
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => return self.refuse_request(request, &question, (&party, context), error).await,
        };
        let place = question.place(&party, context, asked.freshness(), self.login_of(asked.expected_user).await?);
        let (person, kept) = match asked.prompt.is_none {
            true => match self.recognise(request, &place).await? {
                Some(person) => (person, Kept::default()),
                None => return Ok(party.refuse(login_required(), Kept::default(), context)),
            },
            false => match self.enter(request, &place).await? {
                Entered::SignedIn(person, kept) => (*person, kept),
                Entered::Reply(reply) => return Ok(*reply),
            },
        };
        let verdict = self.decide_for(request, &question, (&party, &asked, &place), &person).await;
        let scopes = match verdict {
            Ok(Consented::To(scopes)) => scopes,
            Ok(Consented::Ask(page)) => {
                return Ok(Reply::page(*page, place.shown(request, Step::Consent)).keeping(kept));
            }
            Ok(Consented::AskThere(address)) => return Ok(Reply::redirect(address).keeping(kept)),
            Err(error) if error.is_ours() => return Err(error),
            Err(error) if asked.prompt.is_none => return Ok(party.refuse(error, kept.after(request), context)),
            Err(error) => {
                return self.turn_away(request, &question, (&party, &place), (&person, kept, error)).await;
            }
        };
        if let Err(error) = self.spend_pushed(pushed.as_ref()).await {
            return Ok(Reply::page(Page::Error(error), context.clone()).keeping(kept.after(request)));
        }
        let issues = asked.response_type.is_implicit().then_some(party.issuer.tenant.profile);
        let fields = match self.grant_request(&party, asked, &person, scopes).await {
            Ok(fields) => fields,
            Err(error) if error.is_ours() => return Err(error),
            Err(error) => return Ok(party.refuse(error, kept.after(request), context)),
        };
        Ok(Reply { issues, ..party.send(fields, context).keeping(kept.after(request)) })
    }

    /// Whose request is it?
    async fn identify_sender(
        &self,
        request: &BrowserRequest<'_>,
        brought: &Parameters<'_>,
        context: &mut Context,
    ) -> Result<(Arc<LocalIssuer>, Arc<Application>), OAuthError> {
        context.locales = locales(brought);
        let issuer = self.resolve_issuer(request, brought).await?; //                      D1, F-046
        context.tenant = Some(Arc::clone(&issuer.tenant));
        let application = self.known_client(&issuer, brought).await?; //                   RFC 6749 2.2, 4.1.2.1
        Ok((issuer, application))
    }

    /// May the client ask for this?
    pub(super) async fn check_request(
        &self,
        peer: Option<IpAddr>,
        parameters: &Parameters<'_>,
        party: &Party,
    ) -> Result<Asked, OAuthError> {
        let dialect = Dialect::of(party.issuer.tenant.profile);
        request_object::check(parameters)?; //                                             OpenID Connect Core 6
        openid::check_sizes(parameters)?; //                                               N6
        let response_type = response::check_type(parameters, dialect)?; //                 RFC 6749 3.1.1
        response::check_grant(response_type, &party.application)?; //                      RFC 6749 4.1.2.1, A8
        response::check_mode(parameters, response_type, party)?; //                        Multiple Response Types 2.1
        let code_challenge = pkce::check(parameters, response_type, &party.application)?; // RFC 7636 4.3, 4.4.1
        let bound_to = dpop::check(parameters, response_type, &party.application)?; //     RFC 9449 10, H5
        let prompt = prompt::check(parameters)?; //                                        OpenID Connect Core 3.1.2.1
        let max_age = prompt::check_max_age(parameters)?; //                               OpenID Connect Core 3.1.2.1
        let claims = openid::check_claims(parameters)?; //                                 OpenID Connect Core 5.5
        let second_factor = prompt::asks_for_second_factor(parameters, claims.as_ref(), dialect); // RFC 9470 4, 5
        let hint = self.check_id_token_hint(parameters, party)?; //                        OpenID Connect Core 3.1.2.1
        let nonce = openid::check_nonce(parameters, response_type)?; //                    OpenID Connect Core 3.2.2.1
        let meant = self.meant(&party.issuer, audience::named(parameters))?; //             RFC 8707 2.1, F-231
        let scopes = scope::check(parameters, response_type, party, meant.api)?; //              RFC 6749 3.3
        let device = self.check_user_code_of(peer, parameters, party).await?; //            F-064
        let expected_user = openid::expected_user(hint, claims.as_ref())?;
        Ok(Asked {
            response_type,
            code_challenge,
            bound_to,
            nonce,
            prompt,
            max_age,
            second_factor,
            claims,
            expected_user,
            audience: meant.audience,
            scopes,
            said_scope: parameters.find("scope").map(str::to_owned),
            device,
        })
    }

    /// May this person have it?
    async fn decide_for(
        &self,
        request: &BrowserRequest<'_>,
        question: &Question<'_>,
        (party, asked, place): (&Party, &Asked, &Place<'_>),
        person: &SignedIn,
    ) -> Result<Consented, OAuthError> {
        openid::check_user(asked.expected_user, person)?; //                               OpenID Connect Core 3.1.2.1
        prompt::check_essential_class(asked.claims.as_ref(), person, party.issuer.dialect())?; // Core 5.5.1.1
        if let Some(page) = self.check_registration(party, asked, person).await? {
            return Ok(Consented::Ask(Box::new(page))); //                                  F-034
        }
        let device = self.check_device_confirmed(request, question, (party, asked, place), person).await?;
        if let Some(asking) = device {
            return Ok(asking); //                                                          RFC 8628 3.3.1, J7, J8
        }
        let wish = Wish { scopes: &asked.scopes, must_ask: asked.prompt.consent, may_not_ask: asked.prompt.is_none };
        self.consent(request, question.brought, (party, wish, place), person).await //           OpenID Connect Core 3.1.2.4
    }

    /// Tells the client. An error that does not depend on the person is not shown around before somebody logged in: a
    /// link to us must not send people wherever a client likes (RFC 9700 4.11.2, A12). What clients get wrong in the
    /// shape of their requests they hear at once, as long as the operator vouches for them.
    async fn refuse_request(
        &self,
        request: &BrowserRequest<'_>,
        question: &Question<'_>,
        (party, context): (&Party, &Context),
        error: OAuthError,
    ) -> Result<Reply, OAuthError> {
        if error.is_ours() {
            return Err(error);
        }
        let is_trusted = party.application.settings.relationship == Relationship::FirstParty;
        let is_silent = question.said.find("prompt") == Some("none");
        if is_silent || (is_trusted && error.code != ErrorCode::InvalidScope) {
            return Ok(party.refuse(error, Kept::default(), context));
        }
        let place = question.place(party, context, Freshness::default(), None);
        match self.enter(request, &place).await? {
            Entered::SignedIn(person, kept) => {
                self.turn_away(request, question, (party, &place), (&person, kept, error)).await
            }
            Entered::Reply(reply) => Ok(*reply),
        }
    }
}

impl Asked {
    fn freshness(&self) -> Freshness {
        Freshness {
            // D-03
            must_be_new: self.prompt.login || self.max_age == Some(0),
            max_age: self.max_age,
            second_factor: self.second_factor,
            user: self.expected_user,
        }
    }
}

/// A request that was posted by another site is asked for again by its address, if it fits into one: a session counts then.
fn by_link(request: &BrowserRequest<'_>, question: &Question<'_>) -> Option<String> {
    if !request.may_lack_cookies() {
        return None;
    }
    let address = format!("{}?{}", request.own_path(Endpoint::Authorize.path()), percent::form(&question.carried));
    (address.len() <= MOST_ADDRESS_BYTES).then_some(address)
}

impl Party {
    /// Who asks, and where the answer would go.
    ///
    /// # Errors
    /// `invalid_request` for a redirect URI that is missing or not registered.
    pub(super) fn of(
        issuer: Arc<LocalIssuer>,
        application: Arc<Application>,
        said: &Parameters<'_>,
    ) -> Result<Self, OAuthError> {
        let redirect_uri = client::check_redirect_uri(&application, said)?;
        let way = response::way_of_answers(said, issuer.dialect(), (&application.settings, &redirect_uri));
        Ok(Self {
            redirect_uri,
            way,
            state: openid::state_of(said),
            locale: said.find("locale").map(str::to_owned),
            issuer,
            application,
        })
    }
}

impl Question<'_> {
    fn place<'p>(
        &self,
        party: &'p Party,
        context: &Context,
        freshness: Freshness,
        expected_login: Option<String>,
    ) -> Place<'p> {
        Place {
            issuer: &party.issuer,
            endpoint: Endpoint::Authorize,
            fields: self.carried.clone(),
            client_name: party.application.title().to_owned(),
            login_hint: self.said.find("login_hint").map(str::to_owned).or(expected_login),
            freshness,
            context: context.clone(),
        }
    }
}

fn locales(parameters: &Parameters<'_>) -> Option<String> {
    parameters.find("ui_locales").or_else(|| parameters.find("locale")).map(str::to_owned)
}

fn login_required() -> OAuthError {
    OAuthError::new(
        ErrorCode::LoginRequired,
        ErrorReason::AuthenticationRequired,
        "The user is required to complete authentication.",
    )
}
