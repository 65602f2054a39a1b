//! `faregate explain`: what would be decided about a request, and why, without a server; or what was decided about one
//! that a server remembers.
//!
//! Owns the wording. Every verdict comes from the code that decides in production: the same route table, the same door,
//! the same policy.

mod past;

use std::fmt::Write as _;

use http::Method;
use serde_json::{Map, Value, json};

use super::{ConfigurationFile, FAILED, Failure, Format, Outcome, WRONG, output};
use crate::clock::Clock;
use crate::codes;
use crate::config::{self, Config};
use crate::enforce::{self, Denial, Obstacle};
use crate::policy::{Decision, Facts, TokenFacts};
use crate::route;
use crate::serve::{self, Offline, Verified};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: permitted, 1: refused, 4: the gateway does not remember such a request.\nExamples:\n  faregate explain GET /api/orders\n  faregate explain POST /api/orders --token - < token.txt\n  faregate explain GET /api/orders --claims - < claims.json\n  faregate explain 5d2f1c0b9a8e7d6c5b4a39281706f5e4"
)]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// The method of a request; or, alone, the id of one that was answered: its `X-Request-Id`
    #[arg(value_name = "METHOD|REQUEST-ID")]
    method: String,
    #[arg(value_name = "PATH")]
    path: Option<String>,
    /// The host of the request, where routes differ by host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// `-` reads a token from standard input; without it the request has none
    #[arg(long, value_name = "-")]
    token: Option<String>,
    /// `-` reads claims from standard input, as JSON: what a token that says so would be worth
    #[arg(long, value_name = "-", conflicts_with = "token")]
    claims: Option<String>,
    /// The admin listener of the server that answered; without it the one of the configuration
    #[arg(long, value_name = "ADDRESS", conflicts_with = "path")]
    admin: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One line of the explanation.
struct Line {
    passed: bool,
    /// How deep inside a combined rule.
    depth: usize,
    what: String,
    /// `file:line` where there is one.
    place: Option<String>,
    would_pass_if: Option<String>,
}

/// The request to explain.
#[derive(Debug)]
pub struct Asked<'a> {
    pub method: Method,
    /// As it would stand in the request, with or without a query.
    pub path: &'a str,
    pub host: Option<&'a str>,
    pub credential: Option<Credential<'a>>,
}

/// What the request carries.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    Token(&'a str),
    /// Of a token that is taken to be verified.
    Claims(&'a Map<String, Value>),
}

/// The whole explanation.
pub struct Explanation {
    request: String,
    route: Option<String>,
    lines: Vec<Line>,
    /// `None`: permitted.
    denial: Option<(u16, &'static str)>,
    /// The route refuses nobody: a denial is only counted and logged.
    observes: bool,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let usage = |text: &str| Failure::Failed(WRONG, anyhow::anyhow!("{text}"));
    let Some(path) = &arguments.path else { return past::run(arguments) };
    let method = Method::from_bytes(arguments.method.to_ascii_uppercase().as_bytes())
        .map_err(|_| usage("METHOD is not an HTTP method"))?;
    let is_read = |argument: &Option<String>, how: &str| match argument.as_deref() {
        None => Ok(false),
        Some("-") => Ok(true),
        Some(_) => Err(usage(how)),
    };
    let has_token = is_read(&arguments.token, "tokens are read from standard input: --token -")?;
    let has_claims = is_read(&arguments.claims, "claims are read from standard input: --claims -")?;
    let token = has_token.then(super::token::read_token).transpose()?;
    let claims = has_claims.then(super::token::read_claims).transpose()?;
    let claims: Option<Map<String, Value>> = match claims.as_deref().map(serde_json::from_str) {
        None => None,
        Some(Ok(claims)) => Some(claims),
        Some(Err(_)) => return Err(usage("claims are a JSON object, like {\"scope\": \"orders:read\"}")),
    };
    if !path.starts_with('/') {
        return Err(usage("PATH begins with a slash, as in a request: /api/orders"));
    }
    let config = super::serve::load(&arguments.file)?;
    let credential = token.as_deref().map(Credential::Token).or_else(|| claims.as_ref().map(Credential::Claims));
    let asked = Asked { method, path, host: arguments.host.as_deref(), credential };
    let explanation = super::block_on(explain(&config, &asked))?;
    match arguments.format {
        Format::Text => output::print(&explanation.text())?,
        Format::Json => output::print_line(&explanation.json())?,
    }
    if explanation.denial().is_some() { Err(Failure::Said(FAILED)) } else { Ok(()) }
}

/// What the gateway of `config` would decide, in the order in which it decides.
pub async fn explain(config: &Config, asked: &Asked<'_>) -> Explanation {
    let Asked { method, path, host, credential } = asked;
    let mut explanation = Explanation {
        request: format!("{method} {path}"),
        route: None,
        lines: Vec::new(),
        denial: None,
        observes: false,
    };
    if *method == Method::TRACE || *method == Method::CONNECT {
        return explanation.refused("method", "the method were another one", (405, "method_refused"));
    }
    if host.is_some_and(|host| !serve::serves(config, host)) {
        return explanation.refused("host", "a route named this host", (421, "unknown_host"));
    }
    let (target, query) = path.split_once('?').map_or((*path, None), |(target, query)| (target, Some(query)));
    let path = match route::canonical(target) {
        Ok(path) => path,
        Err(error) => return explanation.refused("path", "the path had one meaning only", (400, error.as_str())),
    };
    let what =
        if path == target { "path is canonical".to_owned() } else { format!("path is decided on and sent as {path}") };
    explanation.passed(what, None);
    if serve::is_own_path(config, &path).await {
        explanation.route = Some("the authorization server's own".to_owned());
        return explanation;
    }

    // Invariant: a configuration with routes that contradict each other does not load.
    let Ok(table) = config::route_table(&config.routes) else { return explanation };
    let found = table.find(*host, &path);
    let Some((found, route)) = found.and_then(|found| config.routes.get(*found.value).map(|route| (found, route)))
    else {
        return explanation.refused("route", "a route were configured for this path", (404, "no_route"));
    };
    let file = config.path.display();
    explanation.route =
        Some(format!("{} ({file}:{}) to {}", route.name, route.line, config.upstreams[route.upstream.0].name));

    explanation.observes = route.observes;
    let facts = match credential.filter(|_| !route.policy.is_public(method)) {
        None => Ok(None),
        Some(Credential::Token(token)) => explanation.presented(config, route, (token, query)).await.map(Some),
        Some(Credential::Claims(claims)) => explanation.supposed(config, route, claims).map(Some),
    };
    let facts = match facts {
        Ok(facts) => facts,
        Err(denial) => return Explanation { denial: Some(denial), ..explanation },
    };
    let parameters = found.parameters.as_slice();
    let facts = Facts { token: facts.as_ref(), parameters: &parameters, now: Clock::system().now() };
    for step in route.policy.explain(method, &facts) {
        explanation.lines.push(Line {
            passed: step.passed,
            depth: step.depth,
            what: step.rule,
            place: step.source.map(|source| format!("{file}:{}", source.line)),
            would_pass_if: step.would_pass_if,
        });
    }
    explanation.denial = match route.policy.decide(method, &facts) {
        Decision::Permit { .. } => None,
        // Nobody is told what a token would have to say before there is one.
        Decision::Deny { .. } if credential.is_none() => Some((401, "no_token")),
        Decision::Deny { reason, .. } => Some((Denial::of(&reason, String::new()).status(), reason.as_str())),
    };
    explanation
}

impl Explanation {
    /// Status and code of the refusal; `None` when the request passes, though the route may only observe.
    pub fn denial(&self) -> Option<(u16, &'static str)> {
        self.denial.filter(|_| !self.observes)
    }

    /// The token as the one credential of a request.
    async fn presented(
        &mut self,
        config: &Config,
        route: &config::Route,
        (token, query): (&str, Option<&str>),
    ) -> Result<TokenFacts, (u16, &'static str)> {
        if let Err(ambiguity) = enforce::bearer::check_query(query) {
            self.fail("token is the only credential", "the query had no `access_token`");
            let denial = Denial::BadRequest(ambiguity);
            return Err((denial.status(), denial.code()));
        }
        self.verified(config, route, token).await
    }

    /// Puts a token through the checks that come before the policy.
    async fn verified(
        &mut self,
        config: &Config,
        route: &config::Route,
        token: &str,
    ) -> Result<TokenFacts, (u16, &'static str)> {
        let offline = Offline::open(config).await;
        let verified = match offline.verify(token, route.live_permissions).await {
            Ok(verified) => verified,
            Err(denial) => {
                let wish = match &denial {
                    Denial::InvalidToken(enforce::TokenFault::Door(crate::jose::Reason::Expired)) => {
                        "the token had not expired"
                    }
                    Denial::BadRequest(_) | Denial::NoToken | Denial::InvalidToken(_) => {
                        "the token were a good one of an issuer of this configuration"
                    }
                    Denial::InvalidProof(_)
                    | Denial::InsufficientScope { .. }
                    | Denial::InsufficientAuthentication { .. } => "the store answered",
                    Denial::Undecidable(Obstacle::Keys) => "the keys of its issuer could be fetched",
                    Denial::Undecidable(Obstacle::Introspection) => "its issuer said whether it is active",
                    Denial::Undecidable(
                        Obstacle::Binding
                        | Obstacle::ReplayMemory
                        | Obstacle::Directory
                        | Obstacle::Login
                        | Obstacle::Session,
                    ) => "the store answered",
                };
                self.fail("token is verified", wish);
                return Err((denial.status(), denial.code()));
            }
        };
        let (facts, binding, what) = match verified {
            Verified::Fully { facts, key_id, binding } => {
                (facts, binding, format!("token is verified with key {key_id}"))
            }
            Verified::Unread { facts, why, binding } => {
                let what = format!("token is taken as it is, because its signature cannot be checked here: {why}");
                (facts, binding, what)
            }
        };
        self.passed(what, None);
        self.bound(route, binding.as_deref())?;
        let issuer = offline.issuer_of(&facts);
        let accepted = route.tokens.iter().find(|accepted| Some(accepted.issuer.0) == issuer);
        let Some(accepted) = accepted else {
            let names: Vec<&str> =
                route.tokens.iter().map(|accepted| config.issuers[accepted.issuer.0].name.as_str()).collect();
            self.fail("issuer is accepted by the route", &format!("the token were from {}", names.join(" or ")));
            return Err((401, "issuer_not_accepted"));
        };
        self.passed(format!("issuer {} is accepted by the route", config.issuers[accepted.issuer.0].name), None);
        let meant = accepted.audience.is_empty()
            || accepted.audience.iter().any(|own| facts.audience.iter().any(|audience| **audience == **own));
        if !meant {
            self.fail(
                "audience is accepted by the route",
                &format!("the token were for {}", accepted.audience.join(" or ")),
            );
            return Err((401, "wrong_audience"));
        }
        if !accepted.audience.is_empty() {
            self.passed("audience is accepted by the route".to_owned(), None);
        }
        Ok(facts)
    }

    /// A token whose claims are made up, as if somebody had signed it.
    fn supposed(
        &mut self,
        config: &Config,
        route: &config::Route,
        claims: &Map<String, Value>,
    ) -> Result<TokenFacts, (u16, &'static str)> {
        let expires_at = claims.get("exp").and_then(Value::as_i64);
        if expires_at.is_some_and(|at| at <= Clock::system().now()) {
            self.fail("token is verified", "the token had not expired");
            return Err((401, "expired"));
        }
        self.passed("claims are taken as they are: nobody has signed them".to_owned(), None);
        self.bound(route, enforce::Binding::of_claims(claims).as_deref())?;
        config::supposed(config, route, claims).map_err(|reason| {
            let what = "token is accepted by the route";
            self.fail(what, "its issuer and its audience were among those that the route accepts");
            (401, reason)
        })
    }

    /// Whether the token is in the hands of whom it is for, no request can tell here.
    fn bound(&mut self, route: &config::Route, binding: Option<&enforce::Binding>) -> Result<(), (u16, &'static str)> {
        if let Some(fault) = serve::binding_fault(route, binding) {
            let wish = match fault {
                enforce::TokenFault::StrangeBinding => "the token were bound to nothing, a key or a certificate",
                _ => "the token were bound as `binding:` of the route demands",
            };
            self.fail("token is bound as it has to be", wish);
            let denial = Denial::InvalidToken(fault);
            return Err((denial.status(), denial.code()));
        }
        let Some(binding) = binding else { return Ok(()) };
        for (is_bound, what) in [
            (binding.key.is_some(), "token is bound to a key: it passes with a DPoP proof"),
            (binding.certificate.is_some(), "token is bound to a certificate: it passes with its certificate"),
        ] {
            if is_bound {
                self.passed(what.to_owned(), None);
            }
        }
        Ok(())
    }

    fn passed(&mut self, what: String, place: Option<String>) {
        self.lines.push(Line { passed: true, depth: 0, what, place, would_pass_if: None });
    }

    fn fail(&mut self, what: &str, wish: &str) {
        self.lines.push(Line {
            passed: false,
            depth: 0,
            what: what.to_owned(),
            place: None,
            would_pass_if: Some(wish.to_owned()),
        });
    }

    fn refused(mut self, what: &str, wish: &str, denial: (u16, &'static str)) -> Self {
        self.fail(what, wish);
        self.denial = Some(denial);
        self
    }

    /// As a person reads it.
    pub fn text(&self) -> String {
        let mut text = format!("request   {}\nroute     {}\n", self.request, self.route.as_deref().unwrap_or("none"));
        for line in &self.lines {
            let (sign, word) = if line.passed { ("✓", "pass") } else { ("✗", "fail") };
            let indent = "  ".repeat(line.depth);
            let place = line.place.as_ref().map(|place| format!("  ({place})")).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {sign} {word}  {indent}{}{place}", line.what);
            if let Some(wish) = &line.would_pass_if {
                let _ = writeln!(text, "          {indent}would pass if: {wish}");
            }
        }
        match self.denial {
            None => text.push_str("decision  permit\n"),
            Some((status, code)) if self.observes => {
                let _ = writeln!(text, "decision  permit, because the route only observes; else deny, {status} {code}");
            }
            Some((status, code)) => {
                let _ = writeln!(text, "decision  deny, {status} {code}");
            }
        }
        if let Some(entry) = self.denial.and_then(|(_, code)| codes::find(code)) {
            let _ = writeln!(text, "meaning   {}", entry.meaning);
        }
        text
    }

    fn json(&self) -> Value {
        let steps: Vec<Value> = self
            .lines
            .iter()
            .map(|line| json!({ "check": line.what, "passed": line.passed, "depth": line.depth, "place": line.place, "would_pass_if": line.would_pass_if }))
            .collect();
        json!({
            "request": self.request,
            "route": self.route,
            "checks": steps,
            "decision": match self.denial {
                None => "permit",
                Some(_) if self.observes => "observe",
                Some(_) => "deny",
            },
            "status": self.denial.map(|(status, _)| status),
            "code": self.denial.map(|(_, code)| code),
        })
    }
}
