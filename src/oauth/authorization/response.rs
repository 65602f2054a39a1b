//! What the answer consists of and how it travels (RFC 6749 3.1.1, OAuth 2.0 Multiple Response Type Encoding Practices,
//! Form Post Response Mode, Web Message Response Mode). It does not make the answer.

use super::Party;
use crate::directory::redirect_uri::configured_origin_of;
use crate::model::{Application, ApplicationGrant, ApplicationSettings, ResponseMode};
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;
use crate::profile::Dialect;

/// How the answer gets to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Query,
    Fragment,
    FormPost,
    /// To a window that shows a page of this origin.
    Message(String),
}

/// The words of `response_type`; at least one is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ResponseType {
    pub code: bool,
    pub token: bool,
    pub id_token: bool,
}

impl ResponseType {
    /// In any order, each once (RFC 6749 3.1.1).
    fn parse(text: &str) -> Option<Self> {
        let mut found = Self::default();
        for word in text.split(' ') {
            let place = match word {
                "code" => &mut found.code,
                "token" => &mut found.token,
                "id_token" => &mut found.id_token,
                _ => return None,
            };
            if std::mem::replace(place, true) {
                return None;
            }
        }
        Some(found)
    }

    /// Whether tokens come without a code's exchange.
    pub(super) fn is_implicit(self) -> bool {
        self.token || self.id_token
    }

    fn is_hybrid(self) -> bool {
        self.code && self.is_implicit()
    }

    fn default_way(self) -> Way {
        if self.is_implicit() { Way::Fragment } else { Way::Query }
    }
}

pub(super) fn check_type(parameters: &Parameters<'_>, dialect: &Dialect) -> Result<ResponseType, OAuthError> {
    let text = parameters.find("response_type").ok_or_else(|| {
        OAuthError::invalid_request(ErrorReason::MissingResponseType, "The request has no response_type.")
    })?;
    let known = ResponseType::parse(text).filter(|asked| dialect.knows_hybrid || !asked.is_hybrid());
    let asked = known.ok_or_else(|| {
        // F-061 has this sentence.
        let description = "Parameter response_type must be set to code or token.";
        OAuthError::new(ErrorCode::UnsupportedResponseType, ErrorReason::InvalidResponseType, description)
    })?;
    // F-062: for an ID token that dialect wants it to be named.
    let wants_openid = parameters.find("scope").is_some_and(|scope| scope.split(' ').any(|word| word == "openid"));
    if !dialect.knows_hybrid && asked.token && !asked.id_token && wants_openid {
        let description = "The response_type token does not go with the scope openid.";
        return Err(OAuthError::invalid_request(ErrorReason::InvalidResponseType, description));
    }
    Ok(asked)
}

/// F-030, F-031, A8: each part of the answer needs its grant.
pub(super) fn check_grant(asked: ResponseType, application: &Application) -> Result<(), OAuthError> {
    let needs = [
        (asked.code, ApplicationGrant::AuthorizationCode, "The client may not use the authorization code grant."),
        (asked.is_implicit(), ApplicationGrant::Implicit, "The client may not use the implicit grant."),
    ];
    match needs.into_iter().find(|(is_needed, grant, _)| *is_needed && !application.allows(*grant)) {
        Some((_, _, description)) => {
            Err(OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description))
        }
        None => Ok(()),
    }
}

/// # Errors
/// `invalid_request` for a mode that is unknown, that the client may not use (A15), or that would write tokens into a
/// query (Multiple Response Types 3 and 5).
pub(super) fn check_mode(parameters: &Parameters<'_>, asked: ResponseType, party: &Party) -> Result<(), OAuthError> {
    let Some(name) = parameters.find("response_mode") else { return Ok(()) };
    let dialect = party.issuer.dialect();
    match way_of(name, asked, dialect, (&party.application.settings, &party.redirect_uri)) {
        Some(_) => Ok(()),
        None => {
            let description = "The response_mode is unknown, or not allowed with this client and response_type.";
            Err(OAuthError::invalid_request(ErrorReason::InvalidResponseMode, description))
        }
    }
}

/// How answers to this request travel, errors included: as it says if it may say so, else as its response type does by
/// default.
pub(super) fn way_of_answers(
    parameters: &Parameters<'_>,
    dialect: &Dialect,
    client: (&ApplicationSettings, &str),
) -> Way {
    let asked = parameters.find("response_type").and_then(ResponseType::parse).unwrap_or_default();
    let said = parameters.find("response_mode").and_then(|name| way_of(name, asked, dialect, client));
    said.unwrap_or_else(|| asked.default_way())
}

/// What a `response_mode` means; `None` if it means nothing, or may not be asked for.
fn way_of(
    name: &str,
    asked: ResponseType,
    dialect: &Dialect,
    (settings, redirect_uri): (&ApplicationSettings, &str),
) -> Option<Way> {
    match ResponseMode::parse(name).filter(|mode| settings.response_modes.contains(mode))? {
        ResponseMode::Query => (!asked.is_implicit()).then_some(Way::Query),
        ResponseMode::Fragment => Some(Way::Fragment),
        ResponseMode::FormPost => Some(Way::FormPost),
        ResponseMode::WebMessage if dialect.knows_web_messages => {
            configured_origin_of(settings, redirect_uri).map(Way::Message)
        }
        ResponseMode::WebMessage => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Profile;

    // RFC 6749 3.1.1, Multiple Response Types 5
    #[test]
    fn a_response_type_is_a_set_of_words() {
        let of = |code, token, id_token| Some(ResponseType { code, token, id_token });
        for (text, expected) in [
            ("code", of(true, false, false)),
            ("token id_token", of(false, true, true)),
            ("id_token token code", of(true, true, true)),
            ("code id_token", of(true, false, true)),
            ("", None),
            ("code ", None),
            ("code code", None),
            ("CODE", None),
            ("none", None),
            ("code foo", None),
        ] {
            assert_eq!(ResponseType::parse(text), expected, "{text:?}");
        }
    }

    // F-061, F-062
    #[test]
    fn hybrid_is_of_the_standard_only() {
        let verdict = |query: &str, profile| {
            let parameters = Parameters::parse(query.as_bytes()).unwrap();
            check_type(&parameters, Dialect::of(profile)).map_err(|error| error.code)
        };
        let hybrid = "response_type=code+id_token";
        assert!(verdict(hybrid, Profile::Standard).is_ok());
        assert_eq!(verdict(hybrid, Profile::FusionAuth), Err(ErrorCode::UnsupportedResponseType));
        let bare = "response_type=token&scope=openid";
        assert!(verdict(bare, Profile::Standard).is_ok());
        assert_eq!(verdict(bare, Profile::FusionAuth), Err(ErrorCode::InvalidRequest));
        assert!(verdict("response_type=id_token+token&scope=openid", Profile::FusionAuth).is_ok());
    }
}
