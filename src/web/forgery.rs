//! Where a form comes from (rule K5): a value in each of our forms that only this browser can send back, and what browsers
//! say themselves. It does not know what the form is for.

use std::borrow::Cow;

use aws_lc_rs::hmac;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::pages::field;
use crate::clock::UnixSeconds;
use crate::oauth::FormOrigin;
use crate::percent;

/// Seconds for which a form that lies open can be sent.
const FORM_FOR: i64 = 3600;
/// After so many forms without a cookie, the browser does not keep any.
pub(super) const MOST_ROUNDS: u32 = 3;

/// The key that proves forms, the same on every node.
pub(super) struct Proof(hmac::Key);

/// What ties a form to its browser.
#[derive(Clone, Copy)]
pub(super) struct Tie<'a> {
    pub browser: Option<&'a str>,
    /// A form that was shown before a login or a logout says something else afterwards.
    pub session: Option<&'a str>,
}

impl Proof {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The value for a form that is shown now; `round` counts the forms that came back without a cookie.
    pub(super) fn make(&self, tie: Tie<'_>, now: UnixSeconds, round: u32) -> String {
        let seal = hmac::sign(&self.0, &message(tie, now, round));
        format!("{now}.{round}.{}", URL_SAFE_NO_PAD.encode(seal))
    }

    /// What is known about a form with `body`.
    pub(super) fn origin(&self, body: &[u8], tie: Tie<'_>, now: UnixSeconds) -> FormOrigin {
        let Some(value) = find(body) else { return FormOrigin::Foreign };
        if tie.browser.is_none() {
            return FormOrigin::NoCookies;
        }
        let Some((shown_at, round, seal)) = parts(&value) else { return FormOrigin::Stale };
        let sealed = URL_SAFE_NO_PAD.decode(seal).unwrap_or_default();
        let is_whole = hmac::verify(&self.0, &message(tie, shown_at, round), &sealed).is_ok();
        let is_fresh = (shown_at..shown_at.saturating_add(FORM_FOR)).contains(&now);
        if is_whole && is_fresh { FormOrigin::Own } else { FormOrigin::Stale }
    }
}

/// How many forms came back without a cookie before this one. The browser's word, good enough for advice.
pub(super) fn round(body: &[u8]) -> u32 {
    find(body).as_deref().and_then(parts).map_or(0, |(_, round, _)| round)
}

/// Whether the browser says that the request comes from a page of another site. `own_origins` are ours.
///
/// Our pages say `Referrer-Policy: no-referrer`, so browsers send `Origin: null` with their forms: that says nothing.
pub(super) fn is_cross_site(headers: &HeaderMap, own_origins: &[&str]) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        (Some("same-origin" | "none"), _) => false,
        (Some(_), _) => true,
        (None, Some("null") | None) => false,
        (None, Some(origin)) => !own_origins.contains(&origin),
    }
}

/// Our values need no encoding, but some clients encode the dots all the same.
fn find(body: &[u8]) -> Option<Cow<'_, str>> {
    let pairs = body.split(|&byte| byte == b'&').filter_map(|pair| std::str::from_utf8(pair).ok());
    let (_, value) = pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == field::FORGERY)?;
    percent::form_decoded(value.as_bytes())
}

fn parts(value: &str) -> Option<(UnixSeconds, u32, &str)> {
    let (shown_at, rest) = value.split_once('.')?;
    let (round, seal) = rest.split_once('.')?;
    Some((shown_at.parse().ok()?, round.parse().ok()?, seal))
}

fn message(tie: Tie<'_>, shown_at: UnixSeconds, round: u32) -> Vec<u8> {
    format!("{}\n{}\n{shown_at}\n{round}", tie.browser.unwrap_or_default(), tie.session.unwrap_or_default())
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    // K5
    #[test]
    fn a_form_is_ours_in_one_browser_and_session_for_an_hour() {
        let proof = Proof::new(&[7; 32]);
        let tie = Tie { browser: Some("b"), session: Some("s") };
        let body = format!("a=1&forgery={}&b=2", proof.make(tie, 1000, 0));
        let origin = |tie, now| proof.origin(body.as_bytes(), tie, now);
        assert_eq!(origin(tie, 1000), FormOrigin::Own);
        assert_eq!(origin(tie, 4599), FormOrigin::Own);
        let encoded = body.replace('.', "%2E").replace('-', "%2d");
        assert_eq!(proof.origin(encoded.as_bytes(), tie, 1000), FormOrigin::Own);
        for (tie, now) in [
            (tie, 4600),
            (tie, 999),
            (Tie { browser: Some("c"), ..tie }, 1000),
            (Tie { session: None, ..tie }, 1000),
            (Tie { session: Some("t"), ..tie }, 1000),
        ] {
            assert_eq!(origin(tie, now), FormOrigin::Stale);
        }
        assert_eq!(origin(Tie { browser: None, session: None }, 1000), FormOrigin::NoCookies);
        assert_eq!(proof.origin(b"a=1", tie, 1000), FormOrigin::Foreign);
        assert_eq!(proof.origin(b"forgery=x", tie, 1000), FormOrigin::Stale);
        let other = Proof::new(&[8; 32]).origin(body.as_bytes(), tie, 1000);
        assert_eq!(other, FormOrigin::Stale);
        assert_eq!(round(format!("forgery={}", proof.make(tie, 1000, 2)).as_bytes()), 2);
    }

    // K5
    #[test]
    fn browsers_say_where_a_form_comes_from() {
        let ours = ["https://gate.example.com"];
        for (site, origin, expected) in [
            (Some("same-origin"), Some("null"), false),
            (Some("none"), None, false),
            (Some("same-site"), Some("https://app.example.com"), true),
            (Some("cross-site"), Some("null"), true),
            (Some("cross-site"), Some("https://gate.example.com"), true),
            (None, Some("https://gate.example.com"), false),
            (None, Some("https://evil.example"), true),
            (None, Some("null"), false),
            (None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            if let Some(origin) = origin {
                headers.insert("origin", HeaderValue::from_static(origin));
            }
            assert_eq!(is_cross_site(&headers, &ours), expected, "{site:?} {origin:?}");
        }
    }
}
