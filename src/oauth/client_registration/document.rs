//! Client metadata (RFC 7591 section 2, OpenID Connect Dynamic Client Registration 1.0 section 2): a JSON document, and what
//! it says.
//!
//! Owns the names and types of the members that are understood. Others are ignored, as both specifications want it.

use serde_json::{Map, Value};

use crate::oauth::error::{ErrorCode, OAuthError};

/// What a client says of itself, of the right types and no further checked.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ClientMetadata {
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    pub authentication_method: Option<String>,
    pub grant_types: Option<Vec<String>>,
    pub response_types: Option<Vec<String>>,
    pub client_name: Option<String>,
    pub scope: Option<String>,
    pub jwks: Option<Value>,
    pub has_jwks_uri: bool,
    pub certificate_names: Vec<(&'static str, String)>,
    pub front_channel_logout_uri: Option<String>,
    pub front_channel_logout_session_required: Option<bool>,
    pub subject_type: Option<String>,
    pub userinfo_algorithm: Option<String>,
    pub dpop_bound_access_tokens: bool,
    pub requires_pushed_requests: bool,
    pub certificate_bound_access_tokens: bool,
    /// What means nothing to us, and something to whoever looks at the client.
    pub about: Map<String, Value>,
    /// `client_id` and `client_secret` of a client that sends what it knows (RFC 7592 2.2).
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
}

/// A member and what is said if it has the wrong type.
macro_rules! member {
    ($name:literal is $what:literal) => {
        ($name, concat!("The member ", $name, " is not ", $what, "."))
    };
}

type Member = (&'static str, &'static str);

/// Kept as it is said, for administrators.
const ABOUT: [Member; 5] = [
    member!("client_uri" is "a text"),
    member!("policy_uri" is "a text"),
    member!("software_id" is "a text"),
    member!("software_version" is "a text"),
    member!("tos_uri" is "a text"),
];
const CONTACTS: Member = member!("contacts" is "a list of texts");

/// RFC 8705 2.1.2, and what a certificate's name is called in a `CertificateSubject`.
const CERTIFICATE_NAMES: [(Member, &str); 5] = [
    (member!("tls_client_auth_subject_dn" is "a text"), "subject_dn"),
    (member!("tls_client_auth_san_dns" is "a text"), "san_dns"),
    (member!("tls_client_auth_san_uri" is "a text"), "san_uri"),
    (member!("tls_client_auth_san_ip" is "a text"), "san_ip"),
    (member!("tls_client_auth_san_email" is "a text"), "san_email"),
];

impl ClientMetadata {
    /// # Errors
    /// `invalid_client_metadata` for what is no JSON object, or a member of another type than it must have.
    pub(super) fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let document = serde_json::from_slice(body).ok();
        let Some(Value::Object(document)) = document else { return Err(wrong("The body is not a JSON object.")) };
        let (texts, text, flag) = (
            |member| typed(&document, member, texts_of),
            |member| typed(&document, member, |value| value.as_str().map(str::to_owned)),
            |member| typed(&document, member, Value::as_bool),
        );
        let mut about = Map::new();
        for member in ABOUT {
            about.extend(text(member)?.map(|said| (member.0.to_owned(), said.into())));
        }
        about.extend(texts(CONTACTS)?.map(|said| (CONTACTS.0.to_owned(), said.into())));
        let mut certificate_names = Vec::new();
        for (member, kind) in CERTIFICATE_NAMES {
            certificate_names.extend(text(member)?.map(|name| (kind, name)));
        }
        Ok(Self {
            redirect_uris: texts(member!("redirect_uris" is "a list of texts"))?.unwrap_or_default(),
            post_logout_redirect_uris: texts(member!("post_logout_redirect_uris" is "a list of texts"))?
                .unwrap_or_default(),
            authentication_method: text(member!("token_endpoint_auth_method" is "a text"))?,
            grant_types: texts(member!("grant_types" is "a list of texts"))?,
            response_types: texts(member!("response_types" is "a list of texts"))?,
            client_name: text(member!("client_name" is "a text"))?,
            scope: text(member!("scope" is "a text"))?,
            jwks: typed(&document, member!("jwks" is "an object"), |value| value.is_object().then(|| value.clone()))?,
            has_jwks_uri: text(member!("jwks_uri" is "a text"))?.is_some(),
            certificate_names,
            front_channel_logout_uri: text(member!("frontchannel_logout_uri" is "a text"))?,
            front_channel_logout_session_required: flag(
                member!("frontchannel_logout_session_required" is "true or false"),
            )?,
            subject_type: text(member!("subject_type" is "a text"))?,
            userinfo_algorithm: text(member!("userinfo_signed_response_alg" is "a text"))?,
            dpop_bound_access_tokens: flag(member!("dpop_bound_access_tokens" is "true or false"))?.unwrap_or(false),
            requires_pushed_requests: flag(member!("require_pushed_authorization_requests" is "true or false"))?
                .unwrap_or(false),
            certificate_bound_access_tokens: flag(
                member!("tls_client_certificate_bound_access_tokens" is "true or false"),
            )?
            .unwrap_or(false),
            about,
            client_id: text(member!("client_id" is "a text"))?,
            client_secret: text(member!("client_secret" is "a text"))?,
        })
    }
}

/// The members that are kept for administrators, as far as they are still there.
pub(super) fn about(data: &Map<String, Value>) -> impl Iterator<Item = (&'static str, &Value)> {
    let names = ABOUT.into_iter().chain([CONTACTS]).map(|(name, _)| name);
    names.filter_map(|name| Some((name, data.get(name)?)))
}

/// What `tls_client_auth` has for this kind of name (RFC 8705 2.1.2).
pub(super) fn certificate_member(kind: &str) -> Option<&'static str> {
    CERTIFICATE_NAMES.into_iter().find(|(_, own)| *own == kind).map(|((member, _), _)| member)
}

/// What is `null` is not there.
fn typed<T>(
    document: &Map<String, Value>,
    (name, description): Member,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>, OAuthError> {
    match document.get(name).filter(|value| !value.is_null()) {
        Some(value) => read(value).map(Some).ok_or_else(|| wrong(description)),
        None => Ok(None),
    }
}

fn texts_of(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|entry| entry.as_str().map(str::to_owned)).collect()
}

/// RFC 7591 3.2.2
pub(super) fn wrong(description: &'static str) -> OAuthError {
    OAuthError::without_reason(ErrorCode::InvalidClientMetadata, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7591 2, 3.2.2
    #[test]
    fn a_member_of_another_type_is_named() {
        let parsed = |text: &str| ClientMetadata::parse(text.as_bytes());
        assert_eq!(parsed("{}").unwrap(), ClientMetadata::default());
        assert_eq!(parsed(r#"{"client_name":null,"unheard_of":[1]}"#).unwrap(), ClientMetadata::default());
        for (text, expected) in [
            ("", "The body is not a JSON object."),
            ("[]", "The body is not a JSON object."),
            (r#"{"redirect_uris":"https://a.example/"}"#, "The member redirect_uris is not a list of texts."),
            (r#"{"redirect_uris":[1]}"#, "The member redirect_uris is not a list of texts."),
            (r#"{"client_name":1}"#, "The member client_name is not a text."),
            (r#"{"jwks":"{}"}"#, "The member jwks is not an object."),
            (r#"{"dpop_bound_access_tokens":"yes"}"#, "The member dpop_bound_access_tokens is not true or false."),
            (r#"{"contacts":"ann"}"#, "The member contacts is not a list of texts."),
        ] {
            let error = parsed(text).unwrap_err();
            assert_eq!((error.code, error.description), (ErrorCode::InvalidClientMetadata, expected), "{text}");
        }
    }

    #[test]
    fn what_nobody_needs_is_kept_for_those_who_look() {
        let text = r#"{"client_uri":"https://a.example/","contacts":["a@a.example"],"logo_uri":"https://a.example/l"}"#;
        let metadata = ClientMetadata::parse(text.as_bytes()).unwrap();
        let kept: Vec<_> = about(&metadata.about).map(|(name, _)| name).collect();
        assert_eq!(kept, ["client_uri", "contacts"]);
    }
}
