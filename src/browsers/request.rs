//! What a browser says of a request: whether a person goes somewhere, and from which site it comes.
//!
//! Owns the reading of these header fields. What follows from them is decided elsewhere.

use http::header::{ACCEPT, ORIGIN, UPGRADE};
use http::{HeaderMap, Method};

/// Whether a person goes to a page, who can be led elsewhere. A script, a picture, a frame or a program cannot.
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let is = |name: &str, expected: &str| text(headers, name).is_none_or(|value| value == expected);
    (method == Method::GET || method == Method::HEAD)
        && !headers.contains_key(UPGRADE)
        && text(headers, ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/html"))
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

/// Whether a request changes nothing (RFC 9110 9.2.1), so that it does no harm wherever it comes from. A WebSocket is
/// begun with GET and can do anything.
pub(super) fn is_safe(method: &Method, headers: &HeaderMap) -> bool {
    method.is_safe() && !headers.contains_key(UPGRADE)
}

/// Whether a request with a cookie comes from the origin that it is for (its authority, and whether with `https`), which
/// anything that changes something has to (rule K5): other sites' pages send our cookies too.
pub fn is_same_origin(method: &Method, headers: &HeaderMap, origin: (&str, bool)) -> bool {
    if is_safe(method, headers) {
        return true;
    }
    is_proven(headers, origin)
}

/// Whether the browser says that a page of this origin asks, or the person themselves. Saying nothing is no proof.
pub(super) fn is_proven(headers: &HeaderMap, (authority, is_https): (&str, bool)) -> bool {
    match (text(headers, "sec-fetch-site"), text(headers, ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let scheme = if is_https { "https://" } else { "http://" };
            origin.strip_prefix(scheme).is_some_and(|own| !own.is_empty() && own.eq_ignore_ascii_case(authority))
        }
        (None, None) => false,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn people_navigate_and_programs_do_not() {
        let html = ("accept", "text/html,application/xhtml+xml");
        for (method, fields, expected) in [
            (Method::GET, vec![html], true),
            (Method::HEAD, vec![html], true),
            (Method::GET, vec![html, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true),
            (Method::POST, vec![html], false),
            (Method::GET, vec![], false),
            (Method::GET, vec![("accept", "*/*")], false),
            (Method::GET, vec![("accept", "application/json")], false),
            (Method::GET, vec![html, ("sec-fetch-mode", "cors")], false),
            (Method::GET, vec![html, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], false),
            (Method::GET, vec![html, ("sec-fetch-dest", "image")], false),
            (Method::GET, vec![html, ("upgrade", "websocket")], false),
        ] {
            assert_eq!(is_navigation(&method, &headers(&fields)), expected, "{method} {fields:?}");
        }
    }

    // K5
    #[test]
    fn what_changes_something_comes_from_here() {
        let here = "app.example:8443";
        for (method, fields, expected) in [
            (Method::GET, vec![("sec-fetch-site", "cross-site")], true),
            (Method::POST, vec![("sec-fetch-site", "same-origin")], true),
            (Method::POST, vec![("sec-fetch-site", "none")], true),
            (Method::POST, vec![("sec-fetch-site", "same-site")], false),
            (Method::POST, vec![("sec-fetch-site", "cross-site")], false),
            (Method::DELETE, vec![("sec-fetch-site", "cross-site"), ("origin", "https://app.example:8443")], false),
            (Method::POST, vec![("origin", "https://app.example:8443")], true),
            (Method::POST, vec![("origin", "https://App.Example:8443")], true),
            (Method::POST, vec![("origin", "http://app.example:8443")], false),
            (Method::POST, vec![("origin", "https://app.example")], false),
            (Method::POST, vec![("origin", "https://")], false),
            (Method::POST, vec![("origin", "https://evil.example")], false),
            (Method::POST, vec![("origin", "null")], false),
            (Method::PUT, vec![], false),
            // A page of another site can begin a WebSocket with our cookies (CWE-1385).
            (Method::GET, vec![("upgrade", "websocket"), ("origin", "https://evil.example")], false),
            (Method::GET, vec![("upgrade", "websocket"), ("origin", "https://app.example:8443")], true),
        ] {
            assert_eq!(is_same_origin(&method, &headers(&fields), (here, true)), expected, "{method} {fields:?}");
        }
    }
}
