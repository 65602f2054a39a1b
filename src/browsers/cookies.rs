//! What a browser keeps for a login (rule K4): names and attributes of cookies.
//!
//! Owns them, and finding them again. It does not know what is in them.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::secret::Secret;

/// With `https` the name itself promises that only we set it, for this host and with `Secure`.
const HTTPS: &str = "__Host-faregate_at_";
/// On this machine only, where there is no `https` to be had.
const HTTP: &str = "faregate_at_";
/// All cookies of this gateway begin so, those of the authorization server among them.
const OURS: &str = "faregate_";
const HOST_PREFIX: &str = "__Host-";

/// Between the name of a login and that of one attempt.
const SEPARATOR: char = '.';

/// Whether a cookie of this name is ours: it means nothing to an upstream, which shall not have it.
pub fn is_own(name: &[u8]) -> bool {
    let name = match name.split_at_checked(HOST_PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(HOST_PREFIX.as_bytes()) => rest,
        Some(_) | None => name,
    };
    name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS.as_bytes()))
}

/// The cookie of a session.
pub(super) fn of_session(login: &str, is_https: bool) -> String {
    format!("{}{login}", if is_https { HTTPS } else { HTTP })
}

/// The cookie of one attempt to log in.
pub(super) fn of_attempt(login: &str, attempt: &str, is_https: bool) -> String {
    format!("{}{SEPARATOR}{attempt}", of_session(login, is_https))
}

/// The value of a cookie. When something planted a second one of the name, neither counts.
pub(super) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = pairs(headers).filter(|(other, _)| *other == name).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (Some(value), None) if !value.is_empty() => Some(value),
        (_, _) => None,
    }
}

/// The attempts that a browser keeps for a login: names of cookies and values.
pub(super) fn attempts<'a>(
    headers: &'a HeaderMap,
    login: &str,
    is_https: bool,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let start = of_attempt(login, "", is_https);
    pairs(headers).filter(move |(name, _)| name.starts_with(&start))
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// The field that makes a browser keep `value`: for some seconds, or until it is closed.
pub(super) fn set(name: &str, value: &Secret<String>, lasts_for: Option<i64>) -> Option<HeaderValue> {
    let lasts = lasts_for.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    write(name, value.expose(), &lasts)
}

pub(super) fn remove(name: &str) -> Option<HeaderValue> {
    write(name, "", "; Max-Age=0")
}

fn write(name: &str, value: &str, lasts: &str) -> Option<HeaderValue> {
    let secure = if name.starts_with(HOST_PREFIX) { "; Secure" } else { "" };
    let mut field =
        HeaderValue::try_from(format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{lasts}")).ok()?;
    field.set_sensitive(true);
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(fields: &[&'static str]) -> HeaderMap {
        fields.iter().map(|field| (COOKIE, HeaderValue::from_static(field))).collect()
    }

    // K4
    #[test]
    fn cookies_are_for_this_host_and_no_script() {
        let value = Secret::new("v".to_owned());
        assert_eq!(
            set(&of_session("corp", true), &value, None).unwrap(),
            "__Host-faregate_at_corp=v; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            set(&of_attempt("corp", "a1", false), &value, Some(600)).unwrap(),
            "faregate_at_corp.a1=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"
        );
        assert!(remove("x").unwrap().to_str().unwrap().contains("; Max-Age=0"));
    }

    #[test]
    fn a_planted_cookie_makes_both_worthless() {
        let name = of_session("corp", true);
        assert_eq!(find(&sent(&["a=1; __Host-faregate_at_corp=x", "b=2"]), &name), Some("x"));
        for field in ["__Host-faregate_at_corp=x; __Host-faregate_at_corp=y", "__Host-faregate_at_corp=", "x=1"] {
            assert_eq!(find(&sent(&[field]), &name), None, "{field}");
        }
        let both = sent(&["__Host-faregate_at_corp.1=a; __Host-faregate_at_corp=s; __Host-faregate_at_corp.2=b"]);
        let found: Vec<_> = attempts(&both, "corp", true).map(|(_, value)| value).collect();
        assert_eq!(found, ["a", "b"]);
    }

    // F-332
    #[test]
    fn ours_are_known_by_their_names() {
        for (name, expected) in [
            ("__Host-faregate_at_corp", true),
            ("faregate_at_corp.1", true),
            ("__host-Faregate_session", true),
            ("faregate_browser", true),
            ("session", false),
            ("xfaregate_session", false),
            ("__Host-", false),
            ("", false),
        ] {
            assert_eq!(is_own(name.as_bytes()), expected, "{name}");
        }
    }
}
