//! Redirect URIs: where a browser goes is where it was allowed to go. Owns no rule; the second opinion is the URL standard's.

use reqwest::Url;

use super::text;
use crate::directory::redirect_uri::{check_pattern, matches};
use crate::model::{ApplicationSettings, UrlValidation};

/// First line: `exact` or anything else, which allows wildcards. Second line: the URI that is asked for. The others: what
/// is configured.
///
/// # Panics
/// If a URI matches which a browser reads as another scheme, host or port than one of those configured, or with a user.
pub fn redirect_uri(input: &[u8]) {
    let mut lines = text(input).split('\n');
    let url_validation = match lines.next() {
        Some("exact") => UrlValidation::ExactMatch,
        Some(_) | None => UrlValidation::AllowWildcards,
    };
    let asked = lines.next().unwrap_or_default();
    // As the configuration and the API do: what is not checked is not stored.
    let configured: Vec<String> =
        lines.take(8).filter(|uri| check_pattern(uri, url_validation).is_ok()).map(str::to_owned).collect();
    let settings = ApplicationSettings { url_validation, redirect_uris: configured, ..ApplicationSettings::default() };
    let is_exact = settings.redirect_uris.iter().any(|uri| uri == asked && !uri.contains('*'));
    if !matches(&settings, asked) {
        assert!(!is_exact || asked.len() > 2048, "{asked:?} is configured and does not match");
        return;
    }
    assert!(asked.bytes().all(|byte| byte.is_ascii_graphic()) && !asked.contains(['*', '#', '\\']), "{asked:?}");
    if is_exact {
        return;
    }
    // A label such as `xn--a` is no name to a browser, which then goes nowhere.
    let Ok(read) = Url::parse(asked) else { return };
    assert!(read.username().is_empty() && read.password().is_none() && read.fragment().is_none(), "{asked:?}");
    let covered = settings.redirect_uris.iter().any(|pattern| is_covered(pattern, &read, url_validation));
    assert!(covered, "{asked:?} is none of {:?}", settings.redirect_uris);
}

/// Whether what a browser reads has the scheme and the host of `pattern`, with a label for a wildcard, and its port.
fn is_covered(pattern: &str, read: &Url, url_validation: UrlValidation) -> bool {
    let wild = pattern.contains('*');
    if wild && url_validation == UrlValidation::ExactMatch {
        return false;
    }
    // A wildcard is no part of any URL; where a port is one, any port is right.
    let any_port = pattern.contains("://") && pattern.contains(":*");
    let without_port = if any_port { pattern.replace(":*", "") } else { pattern.to_owned() };
    let Ok(plain) = Url::parse(&without_port.replace('*', "0wild0")) else { return false };
    let host = |url: &Url| url.host_str().unwrap_or_default().to_ascii_lowercase();
    let (expected, found) = (host(&plain), host(read));
    let is_loopback = plain.scheme() == "http" && ["127.0.0.1", "[::1]"].contains(&expected.as_str());
    let same_host = match expected.split_once("0wild0") {
        None => expected == found,
        Some((before, after)) => {
            let label = found.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
        }
    };
    let same_port = any_port || is_loopback || plain.port_or_known_default() == read.port_or_known_default();
    plain.scheme() == read.scheme() && same_host && same_port
}
