//! Configuration: YAML text to checked values, every problem reported at once with its place in the file.
//!
//! Owns the syntax of the file and the meaning of every key. It opens no socket and no store.

mod accepted_risks;
mod admin;
mod binding;
mod check;
mod client_certificates;
mod cors;
mod declaration;
mod declared_names;
mod directory;
mod document;
mod environment;
mod extend;
mod fixed;
mod foreign;
mod forward;
mod forwarded_jwt;
mod free;
mod interpolate;
mod introspection;
mod issuers;
mod keys;
mod limits;
mod lint;
mod listen;
mod live;
mod logins;
mod management;
mod network;
mod node;
mod parts;
mod problem;
mod process;
mod public_url;
mod rate_limit;
mod report;
mod require;
mod resilience;
mod routes;
mod scalar;
mod source;
mod store;
mod suggest;
mod syntax;
pub mod tests;
mod traces;
mod upstream_tls;
mod upstreams;
mod url;
mod values;
mod websocket;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

pub use binding::Binding;
pub use client_certificates::ClientCertificates;
pub use cors::{Cors, OriginPattern, Origins};
pub use declaration::{Declared, declared};
pub use environment::Environment;
pub use foreign::{ForeignIssuer, KeyLocation, Logout};
pub use forward::{Case, Forward};
pub use forwarded_jwt::{ForwardedJwt, JwtDefaults, JwtWish};
pub use introspection::{ClientAuthentication, Introspection};
pub use issuers::{Issuer, IssuerIndex, IssuerKind};
pub use keys::{Keys, MasterKey};
pub use limits::Limits;
pub use lint::{Lint, Risk};
pub use listen::{KeyPair, Listener, TlsFiles};
pub use logins::{Login, LoginIndex};
pub use management::{EventLogLimits, ManagementApi};
pub use network::Network;
pub use parts::{Changes, Fingerprint, Parts};
pub use problem::{Layer, Problem, SHOWN, Severity, Span, render_all};
pub use process::{Log, LogFormat, Shutdown, TokenCache};
pub use public_url::PublicUrl;
pub use rate_limit::{CountedBy, RateLimit};
pub use report::{LayerReport, Outcome, Probe, Report, examine, report};
pub use resilience::{Balance, Eject, Hashed, Resilience};
pub use routes::{RESERVED, table as route_table};
pub use source::Source;
pub use store::StoreLocation;
pub use suggest::nearest;
pub use tests::{Expectation, PolicyTest, TestOutcome, policy_tests, supposed};
pub use traces::Tracing;
pub use values::{
    AcceptedIssuer, Config, HealthCheck, Route, Server, Target, Timeouts, Upstream, UpstreamIndex, UpstreamTls,
};
pub use websocket::WebSocket;

use check::{Check, Fields};
use node::Node;

use crate::route::Host;

/// The sections of a configuration file.
const SECTIONS: &[&str] = &[
    "listen",
    "public_url",
    "mtls_url",
    "admin",
    "management",
    "store",
    "keys",
    "issuers",
    "logins",
    "upstreams",
    "routes",
    "forward",
    "trusted_proxies",
    "limits",
    "log",
    "threads",
    "shutdown",
    "token_cache",
    "directory",
    "tests",
    "watch",
    binding::HEADER_KEY,
    client_certificates::TOLD_AUTHORITIES_KEY,
    "tracing",
    "accepted_risks",
];

/// Every key there is, by the mapping it belongs to: for documentation and its tests.
pub fn known_keys() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        ("", SECTIONS),
        ("listen", listen::KEYS),
        ("listen.tls", listen::TLS_KEYS),
        ("management", management::KEYS),
        ("management.event_log", management::EVENT_LOG_KEYS),
        ("keys", keys::KEYS),
        ("keys.rotation", keys::ROTATION_KEYS),
        ("issuers", issuers::KEYS),
        ("issuers", foreign::KEYS),
        ("issuers.claims", foreign::CLAIM_KEYS),
        ("issuers.introspection", introspection::KEYS),
        ("issuers.logout", foreign::LOGOUT_KEYS),
        ("logins", logins::KEYS),
        ("upstreams", upstreams::KEYS),
        ("upstreams.health", upstreams::HEALTH_KEYS),
        ("upstreams.servers", upstreams::SERVER_KEYS),
        ("upstreams.eject", resilience::EJECT_KEYS),
        ("upstreams.tls", upstream_tls::KEYS),
        ("upstreams.jwt", forwarded_jwt::UPSTREAM_KEYS),
        ("routes", routes::KEYS),
        ("routes.require", require::COMBINING_KEYS),
        ("routes.binding", binding::KEYS),
        ("routes.websocket", websocket::KEYS),
        ("routes.cors", cors::KEYS),
        ("routes.limit", rate_limit::KEYS),
        ("forward", forward::KEYS),
        ("forward.jwt", forwarded_jwt::KEYS),
        ("limits", limits::KEYS),
        ("log", process::LOG_KEYS),
        ("shutdown", process::SHUTDOWN_KEYS),
        ("token_cache", process::TOKEN_CACHE_KEYS),
        ("directory", directory::KEYS),
        ("directory.tenants", directory::TENANT_KEYS),
        ("directory.keys", directory::keys::KEYS),
        ("directory.entity_types", directory::TYPE_KEYS),
        ("directory.entity_types.permissions", directory::PERMISSION_KEYS),
        ("directory.entities", directory::ENTITY_KEYS),
        ("directory.grants", directory::GRANT_KEYS),
        ("directory.tenants.settings", directory::settings::KEYS),
        ("directory.tenants.settings.user_code", directory::settings::USER_CODE_KEYS),
        ("directory.tenants.settings.refresh_tokens", directory::settings::REFRESH_KEYS),
        ("directory.tenants.settings.theme", directory::settings::THEME_KEYS),
        ("directory.tenants.settings.apis", directory::settings::API_KEYS),
        ("directory.tenants.settings.client_registration", directory::settings::REGISTRATION_KEYS),
        ("directory.applications", directory::applications::KEYS),
        ("directory.applications.roles", directory::applications::ROLE_KEYS),
        ("directory.applications.scopes", directory::applications::SCOPE_KEYS),
        ("directory.applications.login_api", directory::applications::LOGIN_API_KEYS),
        ("directory.applications.device_grant", directory::applications::DEVICE_GRANT_KEYS),
        ("directory.applications.provided_scopes", directory::applications::PROVIDED_KEYS),
        ("directory.applications.provided_scopes.email", directory::applications::PROVIDED_SCOPE_KEYS),
        ("directory.users", directory::users::KEYS),
        ("directory.users.registrations", directory::users::REGISTRATION_KEYS),
        ("tests", tests::KEYS),
        ("tracing", traces::KEYS),
        ("accepted_risks", accepted_risks::KEYS),
    ]
}

/// Reads and checks the configuration in the file at `path`, its policy tests included. The problems are errors, in the
/// order of the file.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, Vec<Problem>> {
    inspect_file(path, environment).into_result()
}

/// Checks a configuration, its policy tests included. `name` is the path that problems show; relative paths in the text
/// start from its folder.
pub fn parse(name: &str, text: &str, environment: &Environment) -> Result<Config, Vec<Problem>> {
    inspect(name, text, environment).into_result()
}

/// Where the admin listener of the configuration at `path` is; `None` if it has none. Whatever else is wrong with the file
/// does not matter.
///
/// # Errors
/// When the file cannot be read.
pub fn admin_listener(path: &Path, environment: &Environment) -> Result<Option<SocketAddr>, Problem> {
    let text = text_of(path, "give the path of a configuration file, or the address of its admin listener")?;
    let source = Source::new(&path.display().to_string(), &text);
    let base = path.parent().unwrap_or(Path::new(""));
    let read = |text: &str| document::read(text, &source, environment, base).root;
    // Where the rest is no YAML, the line may still be one.
    let alone = || read(text.lines().find(|line| line.starts_with("admin:"))?);
    let root = read(&text).or_else(alone);
    let mut check = Check::new(&source, base, Vec::new());
    let empty = Node { span: Span::default(), value: node::Value::Map(Vec::new()) };
    let root = root.filter(|root| matches!(root.value, node::Value::Map(_))).unwrap_or(empty);
    let admin = Fields::open(&root, SECTIONS, &mut check).and_then(|fields| fields.find("admin"));
    Ok(admin::check(admin, &[], root.span, &mut check))
}

/// Everything that was found out about a configuration.
struct Inspection {
    /// `None` if there are errors other than failed policy tests.
    config: Option<Config>,
    /// Warnings included, in the order of the file.
    problems: Vec<Problem>,
}

impl Inspection {
    fn into_result(self) -> Result<Config, Vec<Problem>> {
        let (errors, warnings): (Vec<Problem>, Vec<Problem>) =
            self.problems.into_iter().partition(|problem| problem.severity == Severity::Error);
        match self.config {
            Some(config) if errors.is_empty() => Ok(Config { warnings, ..config }),
            Some(_) | None => Err(errors),
        }
    }
}

fn inspect_file(path: &Path, environment: &Environment) -> Inspection {
    match text_of(path, "give the path of a configuration file; `faregate init` writes a first one") {
        Ok(text) => inspect(&path.display().to_string(), &text, environment),
        Err(problem) => Inspection { config: None, problems: vec![problem] },
    }
}

/// The text of the file at `path`; `help` is for one that is not there.
fn text_of(path: &Path, help: &str) -> Result<String, Problem> {
    let name = path.display().to_string();
    let bytes =
        fs::read(path).map_err(|error| Problem::of_file(&name, format!("cannot be read: {error}")).with_help(help))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let line = good.matches('\n').count() + 1;
        Problem::of_file(&name, format!("line {line} is not UTF-8")).with_help("save the file as UTF-8")
    })
}

fn inspect(name: &str, text: &str, environment: &Environment) -> Inspection {
    let source = Source::new(name, text);
    let path = PathBuf::from(name);
    let base = path.parent().unwrap_or(Path::new(""));
    let document = document::read(text, &source, environment, base);
    let mut check = Check::new(&source, base, document.problems);
    let hash = hash(text, &document.included);
    let config = document.root.and_then(|root| checked(&root, &source, hash, &mut check));
    let mut problems = check.problems;
    let usable = problems.iter().all(|problem| problem.severity != Severity::Error);
    let config = config.filter(|_| usable);
    if let Some(config) = &config {
        problems.extend(policy_tests(config).into_iter().filter_map(|outcome| outcome.problem));
    }
    // An alias repeats the problems of what it stands for.
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.dedup();
    Inspection { config, problems }
}

/// A value even if there are problems: then with defaults where values are missing, and of no use.
fn checked(root: &Node, source: &Source, hash: String, check: &mut Check<'_>) -> Option<Config> {
    let fields = Fields::open(root, SECTIONS, check)?;
    let span = |key: &str| fields.entry(key).map_or(root.span, |entry| entry.value.span);
    let listen = listen::check(fields.find("listen"), check);
    let public_url = public_url::check(fields.find("public_url"), &listen, span("listen"), check);
    let admin = admin::check(fields.find("admin"), &listen, span("listen"), check);
    let store = store::check(fields.find("store"), check);
    let keys = keys::check(fields.find("keys"), check);
    let issuers = issuers::check(fields.find("issuers"), &public_url, check);
    let logins = logins::check(fields.find("logins"), &issuers, &public_url, check);
    let upstreams = upstreams::check(fields.find("upstreams"), check);
    let limits = limits::check(fields.find("limits"), check);
    let directory = directory::check(fields.find("directory"), check);
    let context = routes::Context {
        issuers: &issuers,
        upstreams: &upstreams,
        limits: &limits,
        logins: &logins,
        declared: &directory,
    };
    let routes = routes::check(fields.find("routes"), &context, check);
    let trusted_proxies = process::trusted_proxies(fields.find("trusted_proxies"), check);
    let client_certificate_header = binding::header(&fields, &trusted_proxies, check);
    let client_certificate_ca = client_certificates::told(&fields, client_certificate_header.as_ref(), check);
    let asks = |listener: &Listener| listener.tls.as_ref().is_some_and(|tls| tls.client_certificates.is_some());
    let is_asked_for = client_certificate_header.is_some() || listen.iter().any(asks);
    let mtls_url = public_url::check_mtls(fields.find("mtls_url"), is_asked_for, check);
    binding::check_reachable(&routes, (&listen, client_certificate_header.as_ref()), span("routes"), check);
    let mut forward = forward::check(fields.find("forward"), check);
    forwarded_jwt::settle(&mut forward, (&upstreams, &routes), check);
    let tests = tests::check(fields.find("tests"), &issuers, check);
    note_shared_host(&public_url, &routes, span("public_url"), check);
    let is_elsewhere = |route: &Route| matches!(upstreams[route.upstream.0].target, Target::Elsewhere);
    if trusted_proxies.is_empty() && routes.iter().any(is_elsewhere) {
        check.note(
            span("upstreams"),
            "routes are served elsewhere, and nobody may ask about them",
            "name the gateway that serves them in `trusted_proxies`",
        );
    }
    let config = Config {
        path: PathBuf::from(&*source.name()),
        hash,
        listen,
        public_url,
        mtls_url,
        admin,
        management: management::check(fields.find("management"), check),
        store,
        keys,
        routes,
        issuers,
        logins,
        upstreams,
        forward,
        trusted_proxies,
        limits,
        log: process::log(fields.find("log"), check),
        threads: process::threads(&fields, check),
        shutdown: process::shutdown(fields.find("shutdown"), check),
        token_cache: process::token_cache(fields.find("token_cache"), check),
        directory,
        client_certificate_header,
        client_certificate_ca,
        tests,
        watch: fields.boolean("watch", check).unwrap_or(false),
        parts: Parts::of(root, &check.files, check.base()),
        tracing: traces::check(fields.find("tracing"), check),
        warnings: Vec::new(),
        source: source.clone(),
    };
    accepted_risks::apply(fields.find("accepted_risks"), check);
    Some(config)
}

/// K13: an application on the authorization server's host can set cookies for it.
fn note_shared_host(public_url: &PublicUrl, routes: &[Route], span: Span, check: &mut Check<'_>) {
    let host = public_url.host();
    let is_shared = |own: &Host| match own {
        Host::Exact(name) => **name == *host,
        Host::Suffix(suffix) => host.strip_suffix(&**suffix).is_some_and(|rest| rest.ends_with('.')),
    };
    let shares = |route: &Route| route.hosts.is_empty() || route.hosts.iter().any(is_shared);
    if !url::is_loopback(host) && routes.iter().any(shares) {
        check.note(
            span,
            "routes share this host with the authorization server's pages",
            "give the proxied applications another host, and name it in `hosts`",
        );
    }
}

/// SHA-256 in hexadecimal of everything the configuration was made from.
fn hash(text: &str, included: &[String]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(text.as_bytes());
    for value in included {
        // The length first, so that no two lists of values look the same.
        context.update(&(value.len() as u64).to_be_bytes());
        context.update(value.as_bytes());
    }
    hex::encode(context.finish())
}
