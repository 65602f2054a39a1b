//! `cors:` of a route - which pages of other origins may call it (Fetch standard, 3.2).
//!
//! Owns the syntax, and which origins a list means. It writes no header field.

use std::net::Ipv6Addr;
use std::time::Duration;

use http::{HeaderName, Method, header};

use super::check::{Check, Fields};
use super::node::{Node, Value};
use super::scalar::{self, Refusal};
use super::url;
use crate::policy::RuleSet;

/// Which scripts may call a route and read its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    pub origins: Origins,
    /// What a script may ask with; filled in from the rules of the route where it is not written.
    pub methods: Vec<Method>,
    /// Fields that a script may set; `None`: every one that it asks for.
    pub headers: Option<Vec<HeaderName>>,
    /// Fields of answers that a script may read, beside those that the gateway itself adds.
    pub expose: Vec<HeaderName>,
    /// Whether the browser sends cookies and client certificates along.
    pub credentials: bool,
    /// For how long a browser need not ask again.
    pub max_age_for: Duration,
}

/// A list of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    Any,
    Listed(Vec<OriginPattern>),
}

/// One origin, or all below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// As browsers write it: lower case, without a port that goes without saying.
    Exact(String),
    /// `https://*.example.com:8443`: what stands before and after the labels.
    Below { before: String, after: String },
}

pub(super) const KEYS: &[&str] = &["origins", "methods", "headers", "expose", "credentials", "max_age"];

/// No browser remembers an answer for longer (Chromium two hours, Firefox a day).
const LONGEST: Duration = Duration::from_secs(86_400);
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(600);

/// What a rule for every method stands for.
const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

impl Origins {
    /// Whether a page of `origin`, as a browser writes it, is meant. Pages without an origin (`null`) never are: whoever
    /// can make a sandboxed frame is one.
    pub fn contain(&self, origin: &str) -> bool {
        match self {
            Self::Any => origin != "null",
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(origin)),
        }
    }
}

impl OriginPattern {
    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(own) => own == origin,
            Self::Below { before, after } => {
                let labels = origin.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
                labels.is_some_and(is_name)
            }
        }
    }
}

/// `a`, `a.b`: nothing that could end the host name early.
fn is_name(labels: &str) -> bool {
    labels.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

impl Cors {
    /// The methods that a script may use are those that have a rule, unless they are written down.
    pub(super) fn with_methods_of(mut self, rules: &RuleSet) -> Self {
        if self.methods.is_empty() {
            let named = rules.methods().map(|(method, _)| method.clone());
            self.methods = match rules.fallback() {
                Some(_) => METHODS.into_iter().chain(named).collect(),
                None => named.collect(),
            };
            if self.methods.contains(&Method::GET) {
                self.methods.push(Method::HEAD);
            }
            let mut seen = Vec::new();
            self.methods.retain(|method| {
                !seen.contains(method) && {
                    seen.push(method.clone());
                    true
                }
            });
        }
        self
    }
}

/// What the route says, or else what the one says that it extends.
pub(super) fn check(fields: &Fields<'_>, inherited: Option<&Cors>, check: &mut Check<'_>) -> Option<Cors> {
    let Some(node) = fields.find("cors") else { return inherited.cloned() };
    let cors = Fields::open(node, KEYS, check)?;
    let credentials = cors.boolean("credentials", check).unwrap_or(false);
    let origins = cors.require("origins", "origins: [https://app.example.com]", check);
    let origins = origins.and_then(|node| self::origins(node, credentials, check));
    let methods = cors.find("methods").map(|node| list(node, method, check)).unwrap_or_default();
    if let Some(node) =
        cors.find("methods").filter(|node| matches!(&node.value, Value::List(items) if items.is_empty()))
    {
        check.refuse_with_help(node.span, "no method may be used", "remove `methods` for those that have a rule");
    }
    let headers = match cors.find("headers") {
        Some(node) if is_star(node) => None,
        Some(node) => Some(list(node, scalar::header_name, check)),
        // RFC 9449 4.1: with a token that is bound to a key there is a proof.
        None => Some(vec![header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("dpop")]),
    };
    let expose = cors.find("expose").map(|node| list(node, scalar::header_name, check)).unwrap_or_default();
    let max_age = cors.duration("max_age", check);
    if let (Some(node), Some(_)) = (cors.find("max_age"), max_age.filter(|age| *age > LONGEST)) {
        check.refuse(node.span, "no browser remembers it for longer than a day: at most 1d");
    }
    Some(Cors {
        origins: origins?,
        methods,
        headers,
        expose,
        credentials,
        max_age_for: max_age.unwrap_or(DEFAULT_MAX_AGE),
    })
}

fn origins(node: &Node, credentials: bool, check: &mut Check<'_>) -> Option<Origins> {
    if is_star(node) {
        if credentials {
            check.refuse_with_help(
                node.span,
                "with `credentials`, every page in the world could act as whoever looks at it",
                "name the origins, or remove `credentials: true`",
            );
        }
        return Some(Origins::Any);
    }
    let patterns = list(node, origin, check);
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        check.refuse_with_help(node.span, "no origin may call", "remove `cors`, or name an origin");
    }
    Some(Origins::Listed(patterns))
}

fn is_star(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.text == "*")
}

/// One value or a list of them, each once.
fn list<T: PartialEq>(node: &Node, parse: fn(&str) -> Result<T, Refusal>, check: &mut Check<'_>) -> Vec<T> {
    let nodes = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Unusable => std::slice::from_ref(node),
    };
    let mut values = Vec::new();
    for value in nodes.iter().filter_map(|node| check.parsed(node, parse)) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

fn method(text: &str) -> Result<Method, Refusal> {
    let upper = text.to_ascii_uppercase();
    let help = (upper != text && !text.is_empty()).then(|| format!("methods are in capitals: `{upper}`"));
    let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if is_name => Ok(method),
        Ok(_) | Err(_) => Err(Refusal { expected: "a method like GET", help }),
    }
}

fn origin(text: &str) -> Result<OriginPattern, Refusal> {
    let refused =
        |help: &str| Refusal { expected: "an origin like https://app.example.com", help: Some(help.to_owned()) };
    match text {
        "null" => return Err(refused("pages without an origin are anybody's: name the origins")),
        "*" => return Err(refused("`*` stands alone: `origins: \"*\"`")),
        _ => {}
    }
    let exact = |text: &str| {
        let refused = |refusal: Refusal| Refusal { expected: "an origin like https://app.example.com", ..refusal };
        url::origin(text).map_err(refused).map(|origin| {
            let scheme = if origin.https { "https" } else { "http" };
            let usual = if origin.https { 443 } else { 80 };
            let port = origin.port.filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
            let host = match origin.host.parse::<Ipv6Addr>() {
                Ok(_) => format!("[{}]", origin.host),
                Err(_) => origin.host,
            };
            (format!("{scheme}://"), format!("{host}{port}"))
        })
    };
    match text.split_once("://*.") {
        Some((scheme, domain)) if !domain.contains('*') => {
            let (before, domain) = exact(&format!("{scheme}://{domain}"))?;
            Ok(OriginPattern::Below { before, after: format!(".{domain}") })
        }
        Some(_) => Err(refused("`*` stands once, for what is below a domain: `https://*.example.com`")),
        None => exact(text).map(|(before, rest)| OriginPattern::Exact(before + &rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Rule;

    fn origins(texts: &[&str]) -> Origins {
        Origins::Listed(texts.iter().map(|text| origin(text).unwrap()).collect())
    }

    // Fetch standard 3.2.5, F-346
    #[test]
    fn origins_are_compared_whole() {
        let origins =
            origins(&["https://app.example.com", "https://*.example.org", "http://*.test:8080", "https://[::1]"]);
        for right in [
            "https://app.example.com",
            "https://a.example.org",
            "https://a.b.example.org",
            "http://x.test:8080",
            "https://[::1]",
        ] {
            assert!(origins.contain(right), "{right}");
        }
        for wrong in [
            "null",
            "",
            "*",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.test",
            "https://evil-app.example.com",
            "https://example.org",
            "https://.example.org",
            "https://evil.test/.example.org",
            "https://evil.test#.example.org",
            "https://a@b.example.org",
            "https://evilexample.org",
            "https://a.example.org:444",
            "http://x.test",
        ] {
            assert!(!origins.contain(wrong), "{wrong}");
        }
        assert!(Origins::Any.contain("https://anywhere.test") && !Origins::Any.contain("null"));
    }

    #[test]
    fn origins_are_written_as_browsers_do() {
        assert_eq!(origin("HTTPS://App.Example.com:443/"), Ok(OriginPattern::Exact("https://app.example.com".into())));
        for text in
            ["null", "*", "https://*", "https://*.*.a", "https://a.*.b", "app.example.com", "https://a/b", "ftp://a"]
        {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn methods_follow_the_rules() {
        let cors = Cors {
            origins: Origins::Any,
            methods: Vec::new(),
            headers: None,
            expose: Vec::new(),
            credentials: false,
            max_age_for: DEFAULT_MAX_AGE,
        };
        let get = RuleSet::new().with(Method::GET, Rule::authenticated());
        assert_eq!(cors.clone().with_methods_of(&get).methods, [Method::GET, Method::HEAD]);
        let every = RuleSet::every_method(Rule::authenticated());
        assert_eq!(cors.clone().with_methods_of(&every).methods, METHODS);
        let written = Cors { methods: vec![Method::PUT], ..cors };
        assert_eq!(written.with_methods_of(&every).methods, [Method::PUT]);
    }
}
