//! The authorization response (RFC 6749 4.1.2, 4.2.2; Core 3.2.2.5, 3.3.2.5; RFC 9207): what it says and how it travels.
//!
//! Owns codes; tokens are minted in `issue` and `id_token`.

use super::response::{ResponseType, Way};
use super::{Asked, Party};
use crate::events::{self, Event};
use crate::model::{Approval, AuthenticationType, AuthorizationCode, ClientSecret};
use crate::oauth::AuthorizationServer;
use crate::oauth::error::OAuthError;
use crate::oauth::id_token::IdTokenBinding;
use crate::oauth::interaction::{Context, Kept, Next, Reply};
use crate::oauth::repetitions::Fresh;
use crate::oauth::scopes;
use crate::oauth::secret_shape::draw;
use crate::oauth::session::{self, SignedIn};
use crate::percent;
use crate::profile::{Dialect, ExpiresIn};

const TOKEN_TYPE: &str = "token_type";

/// Parameters of a response.
pub(super) type Fields = Vec<(&'static str, String)>;

impl AuthorizationServer {
    /// Everything was checked: what the client gets.
    ///
    /// # Errors
    /// If the store or the keys cannot answer, or the device code was decided meanwhile.
    pub(super) async fn grant_request(
        &self,
        party: &Party,
        asked: Asked,
        person: &SignedIn,
        scopes: Vec<String>,
    ) -> Result<Fields, OAuthError> {
        let dialect = Dialect::of(party.issuer.tenant.profile);
        self.note_repetitions(party, &asked);
        let (response_type, asks_openid) = (asked.response_type, scopes.iter().any(|scope| scope == scopes::OPENID));
        let approval = Approval {
            grant_id: self.entropy.uuid(),
            tenant_id: party.issuer.tenant.id,
            application_id: party.application.id,
            user_id: person.user.id,
            session_id: person.session.as_ref().map(|session| session.id),
            scopes,
            audience: asked.audience,
            authenticated_at: person.authenticated_at,
            methods: person.methods.clone(),
            acr: Some(person.acr().to_owned()),
            nonce: asked.nonce,
            claims: asked.claims,
            bound_to: asked.bound_to,
            authentication_type: match person.is_fresh {
                true => AuthenticationType::Password,
                false => AuthenticationType::SingleSignOn,
            },
        };
        if response_type.is_implicit() {
            self.check_can_issue(&party.issuer, &approval)?;
        }
        let device_code_id = asked.device.map(|device| device.id);
        let mut fields = Fields::new();
        if response_type.code {
            let now = self.clock.now();
            let code = draw(dialect.secret_shape, &self.entropy, 32);
            let stored = AuthorizationCode {
                hash: ClientSecret::hash(&code),
                approval: approval.clone(),
                redirect_uri: Some(party.redirect_uri.clone()),
                code_challenge: asked.code_challenge,
                device_code_id,
                created_at: now,
                expires_at: now + party.issuer.tenant.settings.authorization_code_for,
                redeemed_at: None,
            };
            self.store.insert_authorization_code(&stored).await?;
            Event::CodeIssued.tell(&approval.grant_id.to_string());
            fields.push(("code", code));
            if dialect.authorization_members.contains(&TOKEN_TYPE) && !response_type.is_implicit() {
                fields.push((TOKEN_TYPE, dialect.token_type.to_owned())); // F-271
            }
        } else if let Some(device_code_id) = device_code_id {
            // F-163: no exchange will follow that could approve it.
            self.approve_device_code(device_code_id, &approval).await?;
        }
        if response_type.is_implicit() {
            self.grant_tokens(party, response_type, &approval, &mut fields).await?;
            let is_told = response_type.token && scopes::differ(asked.said_scope.as_deref(), &approval.scopes);
            fields.extend(is_told.then(|| ("scope", approval.scopes.join(" ")))); // RFC 6749 4.2.2
        }
        if dialect.tells_user_state {
            let registration = self.store.find_registration(person.user.id, party.application.id).await?;
            let state = match (&registration, person.user.email_verified || person.user.email.is_none()) {
                (None, _) => "AuthenticatedNotRegistered",
                (Some(_), true) => "Authenticated",
                (Some(_), false) => "AuthenticatedNotVerified",
            };
            fields.push(("userState", state.to_owned())); // F-056
            fields.extend(party.locale.clone().map(|locale| ("locale", locale))); // F-057
        } else if let Some(session) = person.session.as_ref().filter(|_| asks_openid && dialect.tells_session_state) {
            let whom = (party.application.client_id.as_str(), party.redirect_uri.as_str());
            let state = session::state_for(session, whom, dialect.session_state, &self.entropy);
            fields.extend(state.map(|state| ("session_state", state)));
        }
        Ok(fields)
    }

    /// B11. Only what is answered counts: the pages of one login bring the same request several times.
    fn note_repetitions(&self, party: &Party, asked: &Asked) {
        let values = [(Fresh::CodeChallenge, &asked.code_challenge), (Fresh::Nonce, &asked.nonce)];
        for (fresh, value) in values {
            if let Some(value) = value {
                self.repetitions.note(&party.application, fresh, value, self.clock.now());
            }
        }
    }

    /// What comes without an exchange (Core 3.2.2.5, 3.3.2.5).
    async fn grant_tokens(
        &self,
        party: &Party,
        asked: ResponseType,
        approval: &Approval,
        fields: &mut Fields,
    ) -> Result<(), OAuthError> {
        let subject = self.subject_of(approval, super::login_required).await?;
        let access_token = match asked.token {
            true => Some(self.access_token(&party.issuer, approval, &subject)?),
            false => None,
        };
        if asked.id_token {
            let code = fields.iter().find(|(name, _)| *name == "code").map(|(_, code)| code.clone());
            let with = IdTokenBinding {
                access_token: access_token.as_ref().map(|token| token.text.as_str()),
                code: code.as_deref(),
                nonce: true,
            };
            fields.push(("id_token", self.id_token(&party.issuer, approval, &subject, with)?));
        }
        if let Some(token) = access_token {
            fields.push(("access_token", token.text));
            fields.push((TOKEN_TYPE, party.issuer.dialect().token_type.to_owned()));
            let expiry = match party.issuer.says_expiry() {
                ExpiresIn::Relative => token.expires_in,
                ExpiresIn::Absolute => token.issued_at + token.expires_in,
            };
            fields.push(("expires_in", expiry.to_string()));
        }
        Event::TokenIssued.tell_of(&approval.grant_id.to_string(), &party.application.client_id);
        if let Some(session_id) = approval.session_id {
            self.store.join_session(session_id, approval.application_id).await?;
        }
        Ok(())
    }
}

impl Party {
    /// The answer on its way, with what every answer says: `state` as it came, and who answers (RFC 9207, A6).
    pub(super) fn send(&self, mut fields: Fields, context: &Context) -> Reply {
        fields.extend(self.state.clone().map(|state| ("state", state)));
        if Dialect::of(self.issuer.tenant.profile).names_issuer {
            fields.push(("iss", self.issuer.issuer.to_string()));
        }
        match self.issuer.dialect().authorization_members {
            // F-071 has them in this order.
            [] => fields.sort_by_key(|(name, _)| *name),
            order => {
                let place = |name: &str| order.iter().position(|member| *member == name);
                fields.retain(|(name, _)| place(name).is_some());
                fields.sort_by_key(|(name, _)| place(name));
            }
        }
        let separator = match &self.way {
            Way::Message(origin) => {
                let origin = origin.clone();
                return Reply::from(Next::Message { origin, fields, context: context.clone() });
            }
            Way::FormPost => {
                let action = self.redirect_uri.clone();
                return Reply::from(Next::FormPost { action, fields, context: context.clone() });
            }
            // Registered URIs have no fragment.
            Way::Fragment => '#',
            Way::Query if self.redirect_uri.contains('?') => '&',
            Way::Query => '?',
        };
        Reply::redirect(format!("{}{separator}{}", self.redirect_uri, percent::form(&fields)))
    }

    /// RFC 6749 4.1.2.1, F-065.
    pub(super) fn refuse(&self, error: OAuthError, kept: Kept, context: &Context) -> Reply {
        if self.application.settings.debug {
            tracing::info!(
                client.id = self.application.client_id,
                error.code = error.code.as_str(),
                error.reason = error.reason.map(|reason| reason.as_str()),
                error.description = error.description,
                "An authorization request was refused."
            ); // F-013
            events::tell_developer(|| {
                let (client_id, why) = (&self.application.client_id, error.description);
                let (code, reason) = (error.code.as_str(), error.reason.map_or("-", |reason| reason.as_str()));
                format!("authorization.refused client {client_id}: {code} ({reason}): {why}")
            });
        }
        let mut fields: Fields =
            vec![("error", error.code.as_str().to_owned()), ("error_description", error.description.to_owned())];
        let reason = error.reason.filter(|_| self.issuer.dialect().tells_reason);
        fields.extend(reason.map(|reason| ("error_reason", reason.as_str().to_owned())));
        self.send(fields, context).keeping(kept)
    }
}
