//! Which URLs an application may send people to, and which origins may show our pages: exact strings, and the wildcard
//! table for those who ask for it (F-014 to F-026, rules A1, A3, A4).
//!
//! Owns comparison and the check of what is configured. Pure; what happens on a mismatch is `oauth`'s business.

mod pattern;
mod uri;

use crate::model::{ApplicationSettings, UrlValidation};

use self::pattern::{check_wildcards, covers};
use self::uri::{Uri, is_loopback_name};

/// Longest URL that is configured or compared, in bytes.
const LONGEST: usize = 2048;

/// Whether an authorization response, or a browser after a logout, may be sent to `uri`: it is one of the configured
/// URLs character for character (F-016), differs from one only in the port of a loopback address (RFC 8252 7.3), or is
/// covered by a wildcard where those are allowed.
pub fn matches(settings: &ApplicationSettings, uri: &str) -> bool {
    // Nothing of this kind is ever right, whatever was configured (RFC 6749 3.1.2).
    if uri.len() > LONGEST || uri.contains(['*', '#', '\\']) || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    let (exact, wild): (Vec<&str>, Vec<&str>) =
        settings.redirect_uris.iter().map(String::as_str).partition(|configured| !configured.contains('*'));
    if exact.contains(&uri) {
        return true;
    }
    let Some(asked) = Uri::parse(uri) else { return false };
    exact.iter().any(|configured| is_same_but_for_the_port(configured, &asked))
        || (settings.url_validation == UrlValidation::AllowWildcards
            && wild.iter().any(|configured| Uri::parse(configured).is_some_and(|pattern| covers(&pattern, &asked))))
}

/// RFC 8252 7.3: a native application takes whatever port is free. Addresses only, never the name `localhost`, and the
/// port must be a port.
fn is_same_but_for_the_port(configured: &str, asked: &Uri<'_>) -> bool {
    Uri::parse(configured).is_some_and(|configured| {
        configured.scheme == "http"
            && matches!(configured.host, "127.0.0.1" | "[::1]")
            && asked.port.is_none_or(uri::is_port)
            && Uri { port: asked.port, ..configured } == *asked
    })
}

/// Whether a page of `origin` may start requests and show our pages (F-022, F-023). No configured origin allows all;
/// an opaque one (`null`) is allowed by none.
pub fn origin_allowed(settings: &ApplicationSettings, origin: &str) -> bool {
    settings.origins.is_empty() || is_configured_origin(settings, origin)
}

/// Whether `origin` is among the configured ones, so that it may show our pages in a frame (F-025).
pub fn is_configured_origin(settings: &ApplicationSettings, origin: &str) -> bool {
    if origin.len() > LONGEST || origin.contains('*') || !origin.bytes().all(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    let Some(asked) = Uri::parse(origin).map(|asked| asked.origin()) else { return false };
    settings.origins.iter().any(|configured| {
        let Some(configured) = Uri::parse(configured).map(|configured| configured.origin()) else { return false };
        if configured.has_wildcard() {
            return settings.url_validation == UrlValidation::AllowWildcards && covers(&configured, &asked);
        }
        configured.scheme.eq_ignore_ascii_case(asked.scheme)
            && configured.host.eq_ignore_ascii_case(asked.host)
            && configured.effective_port() == asked.effective_port()
    })
}

/// The origin of a redirect URI, if it is among the configured ones: a window with a page of it may be told an
/// authorization response.
pub fn configured_origin_of(settings: &ApplicationSettings, uri: &str) -> Option<String> {
    let uri = Uri::parse(uri).filter(|uri| uri.has_authority && matches!(uri.scheme, "http" | "https"))?;
    let port = uri.port.map(|port| format!(":{port}")).unwrap_or_default();
    let origin = format!("{}://{}{port}", uri.scheme, uri.host);
    is_configured_origin(settings, &origin).then_some(origin)
}

/// Whether `uri` may be configured: absolute, without fragment and user, `https` but for this machine (A3), a scheme of
/// one's own only in reversed domain form (A4), and wildcards only where they mean something.
///
/// # Errors
/// What is wrong with it, for the operator.
pub fn check_pattern(uri: &str, url_validation: UrlValidation) -> Result<(), String> {
    let parsed = check_shape(uri)?;
    match parsed.scheme {
        "https" => {}
        "http" if is_loopback_name(parsed.host) => {}
        "http" => {
            return Err("must be https, unless it leads to this machine (127.0.0.1, [::1] or localhost)".to_owned());
        }
        scheme if !scheme.contains('.') => {
            return Err(format!(
                "must begin with https, or with a domain in reverse such as com.example.app, not {scheme:?}"
            ));
        }
        // It would be a scheme of one's own, followed by what looks like the port of a host.
        _ if parsed.path.starts_with(|first: char| first.is_ascii_digit() || first == '*') => {
            return Err(format!("must begin with a scheme: https://{uri}"));
        }
        _ => {}
    }
    check_paths(uri, &parsed)?;
    match (uri.contains('*'), url_validation) {
        (false, _) => Ok(()),
        // F-014: ignored entirely, so it may be there.
        (true, UrlValidation::ExactMatch) => Ok(()),
        (true, UrlValidation::AllowWildcards) => check_wildcards(&parsed),
    }
}

/// Whether `origin` may be configured. A path and a query are ignored when origins are compared (F-026).
///
/// # Errors
/// What is wrong with it, for the operator.
pub fn check_origin(origin: &str, url_validation: UrlValidation) -> Result<(), String> {
    let parsed = check_shape(origin)?;
    if origin.contains('*') && url_validation == UrlValidation::AllowWildcards {
        check_wildcards(&parsed)?;
    }
    Ok(())
}

/// Whether `uri` may be called or linked to by us: no wildcard, and `https` but for this machine.
///
/// # Errors
/// What is wrong with it, for the operator.
pub fn check_link(uri: &str) -> Result<(), String> {
    if uri.contains('*') {
        return Err("must be one URL, without wildcards".to_owned());
    }
    let parsed = check_shape(uri)?;
    match parsed.scheme {
        "https" => check_paths(uri, &parsed),
        "http" if is_loopback_name(parsed.host) => check_paths(uri, &parsed),
        _ => Err("must be https, unless it leads to this machine (127.0.0.1, [::1] or localhost)".to_owned()),
    }
}

fn check_shape(uri: &str) -> Result<Uri<'_>, String> {
    if uri.len() > LONGEST {
        return Err(format!("must have at most {LONGEST} characters"));
    }
    if !uri.bytes().all(|byte| byte.is_ascii_graphic()) || uri.contains(['\\', '"', '<', '>', '`', '{', '}', '|', '^'])
    {
        return Err("must consist of the characters of a URL; percent-encode others".to_owned());
    }
    if uri.contains('#') {
        return Err("must have no fragment".to_owned());
    }
    let absolute = "must be an absolute URL such as https://app.example.com/callback";
    let parsed = Uri::parse(uri).ok_or_else(|| absolute.to_owned())?;
    let is_web = parsed.scheme == "https" || parsed.scheme == "http";
    if is_web && (!parsed.has_authority || parsed.host.is_empty()) {
        return Err(absolute.to_owned());
    }
    if parsed.user.is_some() {
        return Err("must have no user in it".to_owned());
    }
    if is_web && !uri::is_host(parsed.host) {
        return Err(format!("must have a host, which {:?} is not", parsed.host));
    }
    if parsed.port.is_some_and(|port| !port.contains('*') && !uri::is_port(port)) {
        return Err("must have a port between 1 and 65535, or none".to_owned());
    }
    Ok(parsed)
}

/// What browsers and servers read differently.
fn check_paths(uri: &str, parsed: &Uri<'_>) -> Result<(), String> {
    if parsed.path.split('/').any(uri::is_dot_segment) {
        return Err("must have no . or .. in its path".to_owned());
    }
    if !uri::is_well_encoded(uri) {
        return Err("must have two hexadecimal digits behind every %".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
