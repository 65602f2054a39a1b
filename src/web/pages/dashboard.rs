//! The pages for operators (UX 24): how the gateway does, why one request was refused, and what a code means.
//!
//! Owns how that is shown, in English. What is shown was counted and decided elsewhere; nothing can be changed here.

mod figures;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

pub use figures::Figure;

use super::{Chrome, FormAction, Language, Needs, Page, Script, assets, respond, shown};
use crate::metrics::{Distribution, Estimate};
use crate::model::Theme;

/// How the gateway does.
#[derive(Clone, Debug, Default)]
pub struct Dashboard {
    /// When that was, as RFC 3339 has it.
    pub at: String,
    pub version: &'static str,
    /// Seconds.
    pub uptime: u64,
    pub is_ready: bool,
    pub is_store_up: bool,
    /// The file of the configuration.
    pub source: String,
    pub hash: String,
    pub routes: u64,
    /// The URL of a listener, for somebody who wants to try it.
    pub listener: String,
    pub last_reload: Option<LastReload>,
    pub connections: Figure,
    pub traffic: Vec<Traffic>,
    /// Routes that are not in `traffic`.
    pub more_routes: usize,
    pub decisions: Vec<Decisions>,
    /// The newest first.
    pub refusals: Vec<Refusal>,
    pub memory: Memory,
    /// The slowest first.
    pub upstreams: Vec<UpstreamHealth>,
    /// Not in the list, as of all that follow.
    pub more_upstreams: usize,
    pub issuers: Vec<IssuerHealth>,
    pub more_issuers: usize,
    pub cache: TokenCacheUse,
    pub keys: Vec<KeyOrCertificate>,
    pub more_keys: usize,
}

#[derive(Clone, Debug)]
pub struct LastReload {
    pub is_applied: bool,
    pub at: String,
    /// What changed, or what is wrong.
    pub said: String,
}

/// What was answered at one route.
#[derive(Clone, Debug)]
pub struct Traffic {
    pub route: String,
    pub answers: Figure,
    /// 2xx, 3xx, 4xx, 5xx, and all others.
    pub classes: [Figure; 5],
    pub durations: Distribution,
}

/// Decisions for one reason.
#[derive(Clone, Debug)]
pub struct Decisions {
    pub decision: String,
    pub reason: String,
    pub meaning: String,
    pub requests: Figure,
    /// The route with most of them.
    pub most_at: String,
}

#[derive(Clone, Debug)]
pub struct Refusal {
    pub time: String,
    pub request_id: String,
    pub method: String,
    pub route: String,
    pub decision: String,
    pub reason: String,
    pub status: String,
}

/// How far back decisions are remembered.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub decisions: usize,
    /// Seconds since the oldest.
    pub oldest_ago: Option<u64>,
    pub has_permits: bool,
}

#[derive(Clone, Debug)]
pub struct UpstreamHealth {
    pub name: String,
    pub requests: Figure,
    pub durations: Distribution,
    pub failed: Figure,
    pub in_flight: Figure,
    pub waiting: Figure,
    pub servers: Vec<ServerHealth>,
}

#[derive(Clone, Debug)]
pub struct ServerHealth {
    pub address: String,
    pub is_healthy: bool,
    pub state: String,
    pub circuit: String,
    pub in_flight: Figure,
}

#[derive(Clone, Debug)]
pub struct IssuerHealth {
    pub issuer: String,
    /// What is known of its keys.
    pub keys: String,
    /// Seconds since they were fetched.
    pub age: Option<u64>,
    /// Of its introspection.
    pub circuit: String,
    pub problem: String,
}

#[derive(Clone, Debug, Default)]
pub struct TokenCacheUse {
    pub tokens: Figure,
    pub hits: Figure,
    pub misses: Figure,
    pub evictions: Figure,
}

#[derive(Clone, Debug)]
pub struct KeyOrCertificate {
    pub what: String,
    /// A listener, or a tenant.
    pub of: String,
    pub state: String,
}

/// One request's decision, or why there is none to show.
#[derive(Clone, Debug, Default)]
pub struct DecisionPage {
    /// What was asked for; `None`: that was no id.
    pub request_id: Option<String>,
    pub decision: Option<Decision>,
    pub memory: Memory,
}

/// A decision that is remembered. What is not known is empty.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    pub request_id: String,
    pub trace_id: String,
    pub time: String,
    pub method: String,
    /// `-`: none was found.
    pub route: String,
    /// File and line of the rule, or else of the route.
    pub place: String,
    pub rule: String,
    /// `permit`, `deny` or `observe`.
    pub verdict: String,
    pub reason: String,
    pub status: String,
    /// Seconds.
    pub latency: f64,
    pub issuer: String,
    pub client_id: String,
    /// A pseudonym.
    pub subject: String,
    /// Whether the token had been verified before.
    pub is_cached: bool,
    /// What the reason means.
    pub explained: Option<Explained>,
}

/// What a code means, and who can mend it.
#[derive(Clone, Debug, Default)]
pub struct Explained {
    pub code: String,
    pub group: String,
    pub meaning: String,
    pub who: String,
    pub causes: Vec<String>,
    pub checks: Vec<String>,
    pub fix: String,
    pub specification: Option<String>,
}

/// What a code means; `None`: there is no such code.
#[derive(Clone, Debug, Default)]
pub struct ReasonPage {
    pub explained: Option<Explained>,
}

/// Reasons with which it came to the rule: more in the token, or in its claims, and it would have passed.
const OF_RULES: [&str; 7] = [
    "no_token",
    "missing_scope",
    "missing_role",
    "missing_permission",
    "claim_mismatch",
    "weak_authentication",
    "old_authentication",
];

/// The whole answer with a page for operators in it.
pub fn show(status: StatusCode, page: &dyn Page) -> Response {
    let theme = Theme::default();
    let chrome =
        Chrome { language: Language::English, theme: &theme, tenant_name: "Faregate", here: None, is_https: false };
    respond(status, page, &chrome, FormAction::Nowhere)
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Html<'a> {
    stylesheet: &'static str,
    script: &'static str,
    page: &'a Dashboard,
    memory: String,
}

impl Html<'_> {
    /// A link to where Prometheus reads it.
    fn metric(&self, name: &str) -> String {
        let parts = name.replace('_', "_<wbr>");
        format!("<a class=\"metric\" href=\"/metrics#:~:text={name}\"><code>{parts}</code></a>")
    }

    /// In words: colour alone says nothing.
    fn state(&self, is_good: impl Borrow<bool>, good: &str, bad: &str) -> String {
        let (class, text) = if *is_good.borrow() { ("good", good) } else { ("bad", bad) };
        format!("<span class=\"{class}\">{}</span>", shown::escape(text))
    }

    fn seconds(&self, seconds: Option<f64>) -> String {
        seconds.map_or_else(|| "–".to_owned(), figures::seconds)
    }

    fn estimate(&self, estimate: Option<Estimate>) -> String {
        estimate.map_or_else(|| "–".to_owned(), figures::estimate)
    }

    fn span(&self, seconds: impl Borrow<u64>) -> String {
        figures::span(*seconds.borrow())
    }

    fn part(&self, hits: &u64, misses: &u64) -> String {
        figures::part(*hits, *misses)
    }
}

impl Page for Dashboard {
    fn render(&self, _: &Chrome<'_>) -> String {
        let (stylesheet, script) = (assets::board_stylesheet_path(), assets::board_script_path());
        let html = Html { stylesheet, script, page: self, memory: self.memory.text() };
        html.render().unwrap_or_default()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { script: Script::Refresh, ..Needs::default() }
    }
}

impl Memory {
    fn text(&self) -> String {
        let kept = match (self.decisions, self.oldest_ago) {
            (0, _) => "This gateway remembers no decision yet.".to_owned(),
            (1, Some(ago)) => format!("This gateway remembers one decision, of {} ago.", figures::span(ago)),
            (count, Some(ago)) => {
                format!("This gateway remembers {count} decisions, the oldest of {} ago.", figures::span(ago))
            }
            (count, None) => format!("This gateway remembers the last {count} decisions."),
        };
        let permits = match self.has_permits {
            true => "Permits are among them.",
            false => "Permits are remembered where log: { decisions: true } is set.",
        };
        format!("{kept} {permits}")
    }
}

#[derive(Template)]
#[template(path = "decision.html")]
struct DecisionHtml<'a> {
    stylesheet: &'static str,
    page: &'a DecisionPage,
    title: String,
    facts: Vec<(&'static str, String)>,
    /// What was looked at, in its order, and whether the request came through.
    checks: Vec<(bool, String)>,
    would_pass: Option<&'a str>,
    unknown: String,
    memory: String,
}

impl Page for DecisionPage {
    fn render(&self, _: &Chrome<'_>) -> String {
        let decision = self.decision.as_ref();
        let unknown = match &self.request_id {
            Some(id) => format!("The request {id} is not among the last decisions."),
            None => "This is no request id: those are the 32 digits of X-Request-Id in an answer.".to_owned(),
        };
        let html = DecisionHtml {
            stylesheet: assets::board_stylesheet_path(),
            page: self,
            title: decision.map_or_else(|| "No such decision".to_owned(), Decision::title),
            facts: decision.map(Decision::facts).unwrap_or_default(),
            checks: decision.map(Decision::checks).unwrap_or_default(),
            would_pass: decision.and_then(Decision::would_pass),
            unknown,
            memory: self.memory.text(),
        };
        html.render().unwrap_or_default()
    }
}

impl Decision {
    fn title(&self) -> String {
        match self.verdict.as_str() {
            "permit" => "Permitted".to_owned(),
            "observe" => format!("Permitted by a route that only observes; else refused: {}", self.reason),
            _ => format!("Refused: {}", self.reason),
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let facts = [
            ("Request id", self.request_id.clone()),
            ("Trace id", self.trace_id.clone()),
            ("Time", self.time.clone()),
            ("Method", self.method.clone()),
            ("Route", self.route.clone()),
            ("Configured in", self.place.clone()),
            ("Answer", format!("{} after {}", self.status, figures::seconds(self.latency))),
            ("Issuer", self.issuer.clone()),
            ("Client", self.client_id.clone()),
            ("Subject (a pseudonym)", self.subject.clone()),
        ];
        let shown = |(name, value): (&'static str, String)| (name, shown::line(&value, 2 * shown::SENTENCE));
        facts.into_iter().filter(|(_, value)| !value.is_empty()).map(shown).collect()
    }

    fn checks(&self) -> Vec<(bool, String)> {
        // What is not remembered may not have been reached: the reason says whether it was a route or a token.
        let is_permit = self.verdict == "permit";
        let mut checks = Vec::new();
        if !["", "-"].contains(&self.route.as_str()) {
            let place = if self.place.is_empty() { String::new() } else { format!(", {}", self.place) };
            checks.push((true, format!("Route: {}{place}", self.route)));
        }
        if !self.issuer.is_empty() {
            let when = if self.is_cached { "verified before, and found in the cache" } else { "verified now" };
            checks.push((true, format!("Token: of {}, {when}", self.issuer)));
        }
        if !self.rule.is_empty() {
            checks.push((is_permit, format!("Rule: {}", self.rule)));
        }
        if !is_permit {
            checks.push((false, format!("Decision: {}", self.reason)));
        }
        checks
    }

    fn would_pass(&self) -> Option<&str> {
        let is_close = self.verdict != "permit" && OF_RULES.contains(&self.reason.as_str());
        (is_close && !self.rule.is_empty()).then_some(&*self.rule)
    }
}

impl Explained {
    /// HTML of a text in which backticks stand around what is typed or configured.
    fn marked(&self, text: &str) -> String {
        let parts = text.split('`').enumerate();
        let html = |(at, part): (usize, &str)| match at % 2 {
            0 => shown::escape(part),
            _ => format!("<code>{}</code>", shown::escape(part)),
        };
        parts.map(html).collect()
    }
}

#[derive(Template)]
#[template(path = "reason.html")]
struct ReasonHtml<'a> {
    stylesheet: &'static str,
    title: &'a str,
    explained: Option<&'a Explained>,
}

impl Page for ReasonPage {
    fn render(&self, _: &Chrome<'_>) -> String {
        let (stylesheet, explained) = (assets::board_stylesheet_path(), self.explained.as_ref());
        let title = explained.map_or("No such code", |explained| &*explained.code);
        ReasonHtml { stylesheet, title, explained }.render().unwrap_or_default()
    }
}
