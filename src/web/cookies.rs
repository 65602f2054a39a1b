//! What browsers keep for us (rule K4): names and attributes of cookies. It does not know what is in them.

use std::borrow::Cow;

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use crate::oauth::{Keep, Kept};
use crate::secret::Secret;

/// What decides about names beside what a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub is_https: bool,
    /// `None` for the default tenant. People have a session with each: one login does not end the other.
    pub tenant_id: Option<Uuid>,
}

/// One of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    Session,
    /// Between the steps of a login.
    Login,
    /// What ties our forms to this browser.
    Browser,
    /// For the scripts of the session check page.
    State,
    /// How often the browser came back at once.
    Rounds,
    /// What became of the last form.
    Outcome,
}

impl Cookie {
    /// With `https` the name itself promises that only we set it, for this host and with `Secure`.
    const fn base_name(self, is_https: bool) -> &'static str {
        match (self, is_https) {
            (Self::Session, true) => "__Host-faregate_session",
            (Self::Session, false) => "faregate_session",
            (Self::Login, true) => "__Host-faregate_login",
            (Self::Login, false) => "faregate_login",
            (Self::Browser, true) => "__Host-faregate_browser",
            (Self::Browser, false) => "faregate_browser",
            (Self::State, true) => "__Host-faregate_state",
            (Self::State, false) => "faregate_state",
            (Self::Rounds, true) => "__Host-faregate_rounds",
            (Self::Rounds, false) => "faregate_rounds",
            (Self::Outcome, true) => "__Host-faregate_outcome",
            (Self::Outcome, false) => "faregate_outcome",
        }
    }

    pub(super) fn name(self, place: Place) -> Cow<'static, str> {
        let name = self.base_name(place.is_https);
        match (self, place.tenant_id) {
            (Self::Session | Self::Login | Self::State, Some(tenant_id)) => {
                format!("{name}_{}", tenant_id.simple()).into()
            }
            (Self::Session | Self::Login | Self::State | Self::Browser | Self::Rounds | Self::Outcome, _) => {
                name.into()
            }
        }
    }

    /// The value that the browser sent. When something planted a second cookie of the name, neither counts.
    pub(super) fn find(self, headers: &HeaderMap, place: Place) -> Option<String> {
        let name = self.name(place);
        let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
        let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut found = pairs.filter(|(other, _)| *other == name).map(|(_, value)| value.trim_matches('"'));
        match (found.next(), found.next()) {
            (Some(value), None) if !value.is_empty() => Some(value.to_owned()),
            (_, _) => None,
        }
    }

    /// Adds the field that makes the browser keep `value`: for some seconds, or until it is closed.
    pub(super) fn set(self, headers: &mut HeaderMap, place: Place, value: &Secret<String>, lasts_for: Option<i64>) {
        let lasts = lasts_for.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        self.write(headers, place, value.expose(), &lasts);
    }

    pub(super) fn remove(self, headers: &mut HeaderMap, place: Place) {
        self.write(headers, place, "", "; Max-Age=0");
    }

    fn write(self, headers: &mut HeaderMap, place: Place, value: &str, lasts: &str) {
        let secure = if place.is_https { "; Secure" } else { "" };
        let rules = match (self, place.is_https) {
            // Session Management 1.0 3.3: a script reads it in a frame of another site. It opens nothing.
            (Self::State, true) => "; SameSite=None",
            (Self::State, false) => "; SameSite=Lax",
            (Self::Session | Self::Login | Self::Browser | Self::Rounds | Self::Outcome, _) => {
                "; HttpOnly; SameSite=Lax"
            }
        };
        let field = format!("{}={value}; Path=/{secure}{rules}{lasts}", self.name(place));
        if let Ok(mut field) = HeaderValue::try_from(field) {
            field.set_sensitive(true);
            headers.append(SET_COOKIE, field);
        }
    }
}

/// Writes what the browser is to keep.
pub(super) fn write(headers: &mut HeaderMap, place: Place, kept: &Kept) {
    let all =
        [(Cookie::Session, &kept.session), (Cookie::Login, &kept.interaction), (Cookie::State, &kept.browser_state)];
    for (cookie, keep) in all {
        match keep {
            Keep::AsItIs => {}
            Keep::Set(value, lasts_for) => cookie.set(headers, place, value, *lasts_for),
            Keep::Remove => cookie.remove(headers, place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: Place = Place { is_https: false, tenant_id: None };
    const HTTPS: Place = Place { is_https: true, tenant_id: None };

    fn sent(fields: &[&'static str]) -> HeaderMap {
        fields.iter().map(|field| (COOKIE, HeaderValue::from_static(field))).collect()
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let headers = sent(&["a=1; xfaregate_session=2;faregate_session=abc", "b=3"]);
        assert_eq!(Cookie::Session.find(&headers, HTTP).as_deref(), Some("abc"));
        assert_eq!(Cookie::Session.find(&headers, HTTPS), None);
        assert_eq!(Cookie::Login.find(&headers, HTTP), None);
    }

    // K13: cookie tossing
    #[test]
    fn two_of_one_name_are_none() {
        for fields in [&["faregate_session=a; faregate_session=b"][..], &["faregate_session=a", "faregate_session=b"]] {
            assert_eq!(Cookie::Session.find(&sent(fields), HTTP), None);
        }
        assert_eq!(Cookie::Session.find(&sent(&["faregate_session="]), HTTP), None);
    }

    // K4
    #[test]
    fn a_session_is_kept_as_closely_as_the_scheme_allows() {
        let mut headers = HeaderMap::new();
        let value = Secret::new("abc".to_owned());
        Cookie::Session.set(&mut headers, HTTPS, &value, Some(60));
        Cookie::Session.set(&mut headers, HTTP, &value, None);
        Cookie::Session.remove(&mut headers, HTTPS);
        let fields: Vec<_> = headers.get_all(SET_COOKIE).iter().map(|field| field.to_str().unwrap()).collect();
        assert_eq!(
            fields,
            [
                "__Host-faregate_session=abc; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60",
                "faregate_session=abc; Path=/; HttpOnly; SameSite=Lax",
                "__Host-faregate_session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
            ]
        );
    }

    // K4: what belongs to a tenant is named for it, and the browser is one.
    #[test]
    fn tenants_have_cookies_of_their_own() {
        let other = Place { tenant_id: Some(Uuid::from_u128(1)), ..HTTPS };
        for cookie in [Cookie::Session, Cookie::Login, Cookie::State] {
            let expected = format!("{}_00000000000000000000000000000001", cookie.name(HTTPS));
            assert_eq!(cookie.name(other), expected);
        }
        for cookie in [Cookie::Browser, Cookie::Rounds, Cookie::Outcome] {
            assert_eq!(cookie.name(other), cookie.name(HTTPS));
        }
    }
}
