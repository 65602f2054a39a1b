//! The header fields of pages (K1, K2, K3, A16, A17). It does not know what a page shows.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Chrome, Needs, Page, Script, form_post, view, web_message};

/// Seconds after which a browser that nobody watches goes on from a page with frames. With scripts it goes on as soon
/// as they have been loaded.
const REFRESH_AFTER: u8 = 6;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Where the forms of a page may lead. Chromium asks it of every redirect that follows the POST too, those that a client's
/// own pages answer with among them, and nobody but the client knows where these lead. So a form whose answer leaves us may
/// lead to every site. What the list keeps out is a form that somebody wrote into the page, and there is none: the forms
/// are ours, their texts are escaped, no script but ours runs, and each says its own `action` (K1, K2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormAction<'a> {
    /// The page has no form.
    Nowhere,
    Here,
    /// To us, and from there to this URI of a client and on.
    HereAnd(&'a str),
    /// To us, and from there to any of these and on.
    HereAndAll(&'a [String]),
}

/// The whole answer with a page in it.
pub fn respond(status: StatusCode, page: &dyn Page, chrome: &Chrome<'_>, form_action: FormAction<'_>) -> Response {
    let mut response = Response::new(Body::from(page.render(chrome)));
    *response.status_mut() = status;
    let needs = page.needs();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(chrome.language.tag()));
    set(headers, header::CONTENT_SECURITY_POLICY, &policy(&needs, form_action, view::logo(chrome).is_some()));
    if let Some(next) = needs.next {
        set(headers, header::REFRESH, &format!("{REFRESH_AFTER};url={next}"));
    }
    if chrome.is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    fixed(headers);
    response
}

/// Gives an answer that is part of a person's way through us, a redirect for example, the fields of a page that shows
/// nothing.
pub fn harden(mut response: Response, form_action: FormAction<'_>) -> Response {
    let headers = response.headers_mut();
    set(headers, header::CONTENT_SECURITY_POLICY, &policy(&Needs::default(), form_action, false));
    fixed(headers);
    response
}

/// Lets the window that opened this one hear of it: whoever waits there for an answer would take it for closed.
pub fn keep_opener(headers: &mut HeaderMap) {
    headers.insert(OPENER_POLICY, HeaderValue::from_static("unsafe-none"));
}

fn fixed(headers: &mut HeaderMap) {
    const FIELDS: [(HeaderName, HeaderValue); 6] = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (OPENER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    for (name, value) in FIELDS {
        headers.insert(name, value);
    }
}

/// A value that cannot be a header field is left out: the browser then falls back to what is stricter.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn policy(needs: &Needs<'_>, form_action: FormAction<'_>, shows_data: bool) -> String {
    static SUBMIT_HASH: LazyLock<String> = LazyLock::new(|| hash(form_post::SUBMIT));
    static TELL_HASH: LazyLock<String> = LazyLock::new(|| hash(web_message::TELL));
    let script = match needs.script {
        Script::None => "'none'",
        Script::File => "'self'",
        Script::Refresh => "'self'; connect-src 'self'",
        Script::Submit => &SUBMIT_HASH,
        Script::Tell => &TELL_HASH,
    };
    let image = if shows_data { "'self' data:" } else { "'self'" };
    let form_action = match (needs.form_action, form_action) {
        (Some(elsewhere), _) => beyond([elsewhere]).unwrap_or_else(|| "'none'".to_owned()),
        (None, FormAction::Nowhere) => "'none'".to_owned(),
        (None, FormAction::Here) => "'self'".to_owned(),
        (None, FormAction::HereAnd(uri)) => format!("'self' {}", beyond([uri]).unwrap_or_default()),
        (None, FormAction::HereAndAll(uris)) => {
            format!("'self' {}", beyond(uris.iter().map(String::as_str)).unwrap_or_default())
        }
    };
    let mut frames: Vec<String> = needs.frames.iter().filter_map(|uri| source(uri)).collect();
    frames.sort();
    frames.dedup();
    let frames = if frames.is_empty() { String::new() } else { format!("; frame-src {}", frames.join(" ")) };
    format!(
        "default-src 'none'; style-src 'self'; img-src {image}; script-src {script}{frames}; form-action {}; \
         base-uri 'none'; frame-ancestors 'none'",
        form_action.trim_end()
    )
}

/// The source expression for a script that stands in the page.
fn hash(script: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest::digest(&digest::SHA256, script.as_bytes())))
}

/// Every site, and the schemes of those of `uris` that lead to no site. `None` if none of them is an address.
fn beyond<'a>(uris: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut sources: BTreeSet<String> =
        uris.into_iter().filter_map(scheme).map(|scheme| format!("{scheme}:")).collect();
    if sources.is_empty() {
        return None;
    }
    sources.extend(["http:", "https:"].map(str::to_owned));
    Some(Vec::from_iter(sources).join(" "))
}

/// The source expression (Content Security Policy 3, 2.3.1) that covers `uri`: its origin, or the scheme of one that has
/// none. `None` for what is no absolute URI.
fn source(uri: &str) -> Option<String> {
    let scheme = scheme(uri)?;
    if !["http", "https"].contains(&scheme) || !uri[scheme.len()..].starts_with("://") {
        return Some(format!("{scheme}:"));
    }
    let authority = Uri::try_from(uri).ok()?.authority()?.as_str().to_owned();
    let host = authority.rsplit('@').next().unwrap_or_default();
    // There is no expression for an IPv6 address.
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:_".contains(&byte));
    Some(if is_name { format!("{scheme}://{host}") } else { format!("{scheme}:") })
}

/// `None` for those that lead nowhere, and for what is no absolute URI.
fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let leads_nowhere = ["javascript", "data", "blob", "filesystem", "about"].contains(&&*scheme.to_ascii_lowercase());
    (is_scheme && !leads_nowhere).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    // K2
    #[test]
    fn a_client_is_named_by_its_origin() {
        for (uri, expected) in [
            ("https://app.example/cb?x=1", Some("https://app.example")),
            ("http://127.0.0.1:9999/callback", Some("http://127.0.0.1:9999")),
            ("https://user@app.example:8443/cb", Some("https://app.example:8443")),
            ("com.example.app:/cb", Some("com.example.app:")),
            ("http://[::1]:4000/cb", Some("http:")),
            ("javascript:alert(1)", None),
            ("DATA:text/html,x", None),
            ("//app.example", None),
            ("/cb", None),
            ("https://a.example; script-src *", None),
            ("x y:z", None),
        ] {
            assert_eq!(source(uri).as_deref(), expected, "{uri}");
        }
    }

    // K1, K2
    #[test]
    fn the_policy_allows_what_the_page_needs_and_nothing_else() {
        let plain = policy(&Needs::default(), FormAction::Nowhere, false);
        assert_eq!(
            plain,
            "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'none'; form-action 'none'; \
             base-uri 'none'; frame-ancestors 'none'"
        );
        let frames = ["https://a.example/out?sid=1".to_owned(), "https://a.example/b".to_owned()];
        let needs = Needs { script: Script::File, frames: &frames, ..Needs::default() };
        let rich = policy(&needs, FormAction::HereAnd("https://b.example/cb"), true);
        assert_eq!(
            rich,
            "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; frame-src https://a.example; \
             form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'"
        );
        let posted = Needs { script: Script::Submit, form_action: Some("https://c.example/cb"), ..Needs::default() };
        let posted = policy(&posted, FormAction::Nowhere, false);
        assert!(posted.contains("script-src 'sha256-") && posted.contains("form-action http: https:;"), "{posted}");
        let native = policy(&Needs::default(), FormAction::HereAnd("com.example.app:/cb"), false);
        assert!(native.contains("form-action 'self' com.example.app: http: https:;"), "{native}");
        let nowhere = Needs { form_action: Some("javascript:alert(1)"), ..Needs::default() };
        let nowhere = policy(&nowhere, FormAction::Nowhere, false);
        assert!(nowhere.contains("form-action 'none';"), "{nowhere}");
    }

    // K3, A16, A17
    #[test]
    fn every_page_and_redirect_is_hardened() {
        let hardened = harden(Response::new(Body::empty()), FormAction::Nowhere);
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(hardened.headers()[name], value);
        }
    }
}
