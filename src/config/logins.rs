//! `logins:` - where routes send people who have no token, and `login:` of a route.
//!
//! Owns the syntax, the defaults, and what a route that sends people somewhere has to be. It asks nobody.

use std::time::Duration;

use super::check::{Check, Fields};
use super::foreign::{DAY, SECOND, bounded};
use super::issuers::{self, Issuer, IssuerIndex, IssuerKind};
use super::node::{Entry, Node, Value};
use super::problem::Span;
use super::process::word;
use super::public_url::PublicUrl;
use super::routes::Context;
use super::url;
use super::values::{Target, UpstreamIndex};
use super::{ForeignIssuer, KeyLocation};
use crate::route::Host;
use crate::secret::Secret;

/// An index into [`Config::logins`](super::Config::logins).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginIndex(pub usize);

/// How people log in who come to a route with a browser.
#[derive(Clone, Debug)]
pub struct Login {
    pub name: String,
    pub issuer: IssuerIndex,
    pub client_id: String,
    /// `None`: a public client.
    pub client_secret: Option<Secret<String>>,
    /// What is asked for, `openid` among it.
    pub scopes: Vec<String>,
    /// Further parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// A session that is not used for so long is over.
    pub idle_for: Duration,
    /// A session is over then in any case.
    pub life_for: Duration,
    /// Signing out here ends the session with the issuer too.
    pub signs_out_at_issuer: bool,
    /// Where the issuer sends people who signed out.
    pub after_logout: Option<String>,
}

pub(super) const KEYS: &[&str] = &[
    "issuer",
    "client_id",
    "client_secret",
    "scope",
    "parameters",
    "session_idle",
    "session_life",
    "logout",
    "after_logout",
];

/// Means the only one there is.
const ONLY: &str = "redirect";
const ISSUER: &str = "issuer";
const HERE: &str = "here";
const OPENID: &str = "openid";
const DEFAULT_SCOPES: [&str; 2] = [OPENID, "offline_access"];
/// A name is part of paths and of names of cookies.
const MOST_CHARACTERS: usize = 32;
/// What the gate says itself in every authorization request.
const OWN_PARAMETERS: [&str; 11] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
];

/// In the order of the file.
pub(super) fn check(
    node: Option<&Node>,
    issuers: &[Issuer],
    public_url: &PublicUrl,
    check: &mut Check<'_>,
) -> Vec<Login> {
    let Some(node) = node else { return Vec::new() };
    if !public_url.is_https() && !url::is_loopback(public_url.host()) {
        check.refuse_with_help(
            node.span,
            "people cannot log in over http: whoever is on the way could take their sessions",
            "public_url: https://..., with `tls` on the listener or behind a proxy that ends TLS",
        );
    }
    check.entries(node).iter().filter_map(|entry| login(entry, issuers, check)).collect()
}

fn login(entry: &Entry, issuers: &[Issuer], check: &mut Check<'_>) -> Option<Login> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if entry.key == ONLY {
        let message = "`login: redirect` means the only login there is, so none can be called that";
        check.refuse_with_help(entry.key_span, message, "choose another name");
    } else if entry.key.is_empty() || entry.key.len() > MOST_CHARACTERS || !entry.key.bytes().all(is_plain) {
        let message = format!("{:?} cannot be the name of a login", entry.key);
        check.refuse_with_help(entry.key_span, message, "at most 32 of the characters a-z, 0-9 and -");
    }
    let fields = Fields::open(&entry.value, KEYS, check)?;
    let help = format!("{}: {{ issuer: self, client_id: ... }}", entry.key);
    let issuer = fields.require("issuer", &help, check).and_then(|node| issuer(node, issuers, check));
    let client_id = fields.require("client_id", &help, check).and_then(|node| check.text(node));
    let client_id = client_id.map(|id| id.text.clone());
    let client_secret = fields.secret("client_secret", 1, check);
    let scopes = scopes(&fields, check);
    let parameters = fields.find("parameters").map_or_else(Vec::new, |node| parameters(node, check));
    let idle_for = bounded("session_idle", &fields, check, (60 * SECOND, 30 * DAY)).unwrap_or(3600 * SECOND);
    let life_for = bounded("session_life", &fields, check, (60 * SECOND, 90 * DAY)).unwrap_or(12 * 3600 * SECOND);
    let signs_out_at_issuer = word(&fields, "logout", &[ISSUER, HERE], check) != Some(HERE);
    let after_logout = fields.find("after_logout").and_then(|node| address(node, check));
    if let Some(entry) = fields.entry("after_logout").filter(|_| !signs_out_at_issuer) {
        check.refuse_with_help(
            entry.key_span,
            "`after_logout` is where the issuer sends people, and `logout: here` does not ask it",
            "remove one of them",
        );
    }
    Some(Login {
        name: entry.key.clone(),
        issuer: issuer?,
        client_id: client_id?,
        client_secret,
        scopes,
        parameters,
        idle_for,
        life_for,
        signs_out_at_issuer,
        after_logout,
    })
}

fn issuer(node: &Node, issuers: &[Issuer], check: &mut Check<'_>) -> Option<IssuerIndex> {
    let scalar = check.text(node)?;
    let Some(found) = issuers::find(issuers, &scalar.text) else {
        let known: Vec<&str> = issuers.iter().map(|issuer| issuer.name.as_str()).collect();
        check.refuse_word(node.span, format!("unknown issuer {}", scalar.shown()), &scalar.text, &known);
        return None;
    };
    if let IssuerKind::Foreign(foreign) = &issuers[found.0].kind
        && !has_keys(foreign)
    {
        check.refuse_with_help(
            node.span,
            format!("nobody can log in at {}: its metadata is not asked for", scalar.shown()),
            "remove `discovery: false` from the issuer",
        );
    }
    Some(found)
}

/// Without keys nothing can verify an ID token.
fn has_keys(foreign: &ForeignIssuer) -> bool {
    !matches!(foreign.keys, KeyLocation::Nowhere)
}

/// One text with spaces, as everywhere in OAuth, or a list.
fn scopes(fields: &Fields<'_>, check: &mut Check<'_>) -> Vec<String> {
    let Some(node) = fields.find("scope") else { return DEFAULT_SCOPES.map(str::to_owned).into() };
    let texts = check.texts(node);
    let scopes: Vec<String> =
        texts.iter().flat_map(|(scalar, _)| scalar.text.split_ascii_whitespace()).map(str::to_owned).collect();
    if !texts.is_empty() && !scopes.iter().any(|scope| scope == OPENID) {
        check.refuse_with_help(
            node.span,
            "a login asks for `openid`: without an ID token nobody could tell whose answer it is",
            "scope: openid offline_access",
        );
    }
    scopes
}

fn parameters(node: &Node, check: &mut Check<'_>) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    for entry in check.entries(node) {
        if OWN_PARAMETERS.contains(&entry.key.as_str()) {
            check.refuse_with_help(
                entry.key_span,
                format!("the gate says {:?} itself in every authorization request", entry.key),
                "remove it; `scope` is a key of the login",
            );
        }
        if let Some(value) = check.text(&entry.value) {
            parameters.push((entry.key.clone(), value.text.clone()));
        }
    }
    parameters
}

fn address(node: &Node, check: &mut Check<'_>) -> Option<String> {
    let origin = check.parsed(node, url::web)?;
    let text = check.text(node)?;
    if !origin.https && !origin.is_loopback() {
        check.refuse_with_help(node.span, format!("{} is not https", text.shown()), "use https");
    }
    Some(text.text.clone())
}

/// `login:` of a route.
pub(super) fn of_route(fields: &Fields<'_>, logins: &[Login], check: &mut Check<'_>) -> Option<(LoginIndex, Span)> {
    let node = fields.find("login")?;
    if !matches!(node.value, Value::Scalar(_)) {
        check.text(node);
        return None;
    }
    let scalar = check.text(node)?;
    let names: Vec<&str> = logins.iter().map(|login| login.name.as_str()).collect();
    if logins.is_empty() {
        check.refuse_with_help(
            node.span,
            "there is no login: nobody says where people log in",
            "logins: { people: { issuer: self, client_id: ..., client_secret: \"${file:/run/secrets/...}\" } }",
        );
        return None;
    }
    if scalar.text == ONLY {
        if logins.len() > 1 {
            check.refuse_with_help(
                node.span,
                "there are several logins",
                format!("say which one: login: {}", names.join(" or ")),
            );
            return None;
        }
        return Some((LoginIndex(0), node.span));
    }
    let found = names.iter().position(|name| *name == scalar.text);
    if found.is_none() {
        check.refuse_word(node.span, format!("unknown login {}", scalar.shown()), &scalar.text, &names);
    }
    found.map(|index| (LoginIndex(index), node.span))
}

/// What a route is apart from its login, once everything inherited is in it.
pub(super) struct Around<'s> {
    pub tokens: &'s [IssuerIndex],
    pub hosts: &'s [Host],
    pub upstream: UpstreamIndex,
}

/// Whether people who logged in could use the route, and would come back to it.
pub(super) fn check_route(
    (login, span): (LoginIndex, Span),
    route: &Around<'_>,
    context: &Context<'_>,
    check: &mut Check<'_>,
) {
    let login = &context.logins[login.0];
    if !route.tokens.contains(&login.issuer) {
        let issuer = &context.issuers[login.issuer.0].name;
        check.refuse_with_help(
            span,
            format!("people would log in at {issuer:?}, whose tokens this route does not accept"),
            format!("add {issuer} to `tokens` of the route, or choose another login"),
        );
    }
    if let Some(host) = route.hosts.iter().find(|host| matches!(host, Host::Suffix(_))) {
        check.refuse_with_help(
            span,
            format!("people come back to a host after a login, and {host} is many"),
            "name each host in `hosts`; its redirect URI is https://HOST/_faregate/callback",
        );
    }
    if matches!(context.upstreams[route.upstream.0].target, Target::Elsewhere) {
        check.refuse_with_help(
            span,
            "another gateway serves this route and only asks about it: it has to send people to log in itself",
            "remove `login`",
        );
    }
}
