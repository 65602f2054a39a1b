//! Wildcards in configured URLs (F-017 to F-020): where they may stand and what they stand for. Each part of a URL is
//! compared with the same part only, so that no wildcard reaches over a border.

use super::uri::{Uri, is_address, is_dot_segment, is_port, is_well_encoded};

/// # Errors
/// Where a wildcard stands that means nothing there, for the operator.
pub(super) fn check_wildcards(pattern: &Uri<'_>) -> Result<(), String> {
    let stars = |text: &str| text.matches('*').count();
    if pattern.scheme.contains('*') {
        return Err("must have no wildcard in its scheme".to_owned());
    }
    if stars(pattern.host) > 0 {
        let (first, parents) = pattern.host.split_once('.').unwrap_or((pattern.host, ""));
        if stars(pattern.host) > 1 || stars(first) != 1 {
            return Err("may have one wildcard in its host, in the first label: https://*.example.com".to_owned());
        }
        if is_address(pattern.host) {
            return Err("must have no wildcard in an address".to_owned());
        }
        if !parents.contains('.') {
            return Err("must have at least two labels behind its wildcard: https://*.example.com".to_owned());
        }
    }
    if pattern.port.is_some_and(|port| stars(port) > 0 && port != "*") {
        return Err("may have a wildcard for its whole port only: https://example.com:*".to_owned());
    }
    if pattern.path.split('/').any(|segment| stars(segment) > 1) {
        return Err("may have one wildcard in each segment of its path".to_owned());
    }
    for parameter in pattern.query.into_iter().flat_map(|query| query.split('&')) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if stars(name) > 0 || (stars(value) > 0 && value != "*") {
            return Err("may have a wildcard only for the whole value of a query parameter: ?name=*".to_owned());
        }
    }
    Ok(())
}

/// Whether the URL that was asked for is one that `pattern` stands for. A pattern that would not pass
/// [`check_wildcards`] covers nothing.
pub(super) fn covers(pattern: &Uri<'_>, asked: &Uri<'_>) -> bool {
    check_wildcards(pattern).is_ok()
        && pattern.scheme == asked.scheme
        && pattern.has_authority == asked.has_authority
        && asked.user.is_none()
        && pattern.user.is_none()
        && covers_host(pattern.host, asked.host)
        && covers_port(pattern.port, asked.port)
        && covers_path(pattern.path, asked.path)
        && covers_query(pattern.query, asked.query)
}

fn covers_host(pattern: &str, asked: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == asked;
    }
    let (Some((first, parents)), Some((asked_first, asked_parents))) = (pattern.split_once('.'), asked.split_once('.'))
    else {
        return false;
    };
    let is_label = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    parents == asked_parents && stands_for(first, asked_first).is_some_and(is_label)
}

fn covers_port(pattern: Option<&str>, asked: Option<&str>) -> bool {
    match (pattern, asked) {
        (Some("*"), Some(asked)) => is_port(asked),
        (pattern, asked) => pattern == asked,
    }
}

fn covers_path(pattern: &str, asked: &str) -> bool {
    let mut segments = asked.split('/');
    let all = pattern.split('/').all(|segment| segments.next().is_some_and(|asked| covers_segment(segment, asked)));
    all && segments.next().is_none()
}

fn covers_segment(pattern: &str, asked: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == asked;
    }
    let is_plain = |text: &str| {
        let lower = text.to_ascii_lowercase();
        // An encoded border is one to somebody.
        !["%2f", "%5c", "%3f", "%23", "%00"].iter().any(|encoded| lower.contains(encoded))
    };
    stands_for(pattern, asked).is_some_and(is_plain) && !is_dot_segment(asked) && is_well_encoded(asked)
}

/// The same parameters in the same order, and no other.
fn covers_query(pattern: Option<&str>, asked: Option<&str>) -> bool {
    let (Some(pattern), Some(asked)) = (pattern, asked) else { return pattern == asked };
    let mut parameters = asked.split('&');
    let all = pattern.split('&').all(|wanted| {
        let Some(asked) = parameters.next() else { return false };
        match wanted.strip_suffix("=*") {
            None => wanted == asked,
            Some(name) => asked
                .split_once('=')
                .is_some_and(|(asked_name, value)| asked_name == name && !value.is_empty() && is_well_encoded(value)),
        }
    });
    all && parameters.next().is_none()
}

/// What the one wildcard in `pattern` stands for in `asked`: at least one character.
fn stands_for<'a>(pattern: &str, asked: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once('*')?;
    asked.strip_prefix(before)?.strip_suffix(after).filter(|text| !text.is_empty())
}
