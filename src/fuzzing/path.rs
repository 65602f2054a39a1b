//! Paths: what was decided on is what is sent, and what every upstream reads in it. Owns a second, plain reading only.

#![allow(clippy::expect_used, reason = "a target fails by panicking")]

use std::borrow::Cow;
use std::sync::LazyLock;

use super::text;
use crate::route::{Pattern, RouteTable, canonical};

static TABLE: LazyLock<RouteTable<&'static str>> = LazyLock::new(|| {
    let patterns = ["/public/**", "/admin/**", "/**"];
    let routes = patterns.map(|pattern| (None, Pattern::parse(pattern).expect("a pattern"), pattern));
    RouteTable::compile(routes).expect("patterns that do not conflict")
});

/// The whole input: a path as it was received.
///
/// # Panics
/// If the canonical path has another canonical form, cannot be sent as it is, or leads an upstream that cuts parameters
/// off, merges slashes and removes dot segments to something that another route is for (rule F19).
pub fn path(input: &[u8]) {
    let Ok(path) = canonical(text(input)) else { return };
    match canonical(&path) {
        Ok(Cow::Borrowed(again)) => assert_eq!(again, path),
        other => assert!(matches!(other, Ok(Cow::Borrowed(_))), "{path:?} is not canonical: {other:?}"),
    }
    let sent: http::uri::PathAndQuery = path.parse().expect("a canonical path can be sent");
    assert_eq!((sent.as_str(), sent.query()), (&*path, None));

    let route = TABLE.find(None, &path).map(|found| *found.value);
    for cuts_parameters in [false, true] {
        let read = as_upstreams_read(&path, cuts_parameters);
        let meant = match read.first().map(Vec::as_slice) {
            Some(b"public") => "/public/**",
            Some(b"admin") => "/admin/**",
            Some(_) | None => "/**",
        };
        assert!(
            route.is_none_or(|route| route == meant),
            "{path:?} was decided on as {route:?} and is read as {meant}"
        );
        for segment in read {
            let is_border = |byte: &u8| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f);
            assert!(!segment.iter().any(is_border), "{path:?} has a segment with a border in it");
        }
    }
}

/// Decodes every escape once, then does to the segments what servers do.
fn as_upstreams_read(path: &str, cuts_parameters: bool) -> Vec<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped =
            after.get(..2).filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(text(digits), 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        rest = &after[if escaped.is_some() { 2 } else { 0 }..];
    }
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in decoded.split(|&byte| byte == b'/') {
        let end = segment.iter().position(|&byte| byte == b';' && cuts_parameters).unwrap_or(segment.len());
        match &segment[..end] {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            name => segments.push(name.to_vec()),
        }
    }
    segments
}
