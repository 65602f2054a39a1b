//! An issuer that is somebody else: how it is called, where its keys are, and what its tokens look like.
//!
//! Owns the syntax and the defaults. It asks nobody; what is fetched later, and how often, is `crate::issuers`' business.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openssl::x509::X509;

use super::check::{Check, Fields};
use super::introspection::{self, Introspection};
use super::lint::Lint;
use super::listen;
use super::node::{Entry, Node};
use super::public_url::PublicUrl;
use super::url;
use crate::jose::{Algorithm, AlgorithmSet, KeyError, KeySet, TypeSet};
use crate::policy::{ClaimNames, ClaimPath, parse_claim_name};

/// Somebody else's authorization server.
#[derive(Clone, Debug)]
pub struct ForeignIssuer {
    /// `iss` of its tokens, exactly.
    pub issuer: String,
    pub keys: KeyLocation,
    pub algorithms: AlgorithmSet,
    pub types: TypeSet,
    /// How far its clock may be ahead of ours; a minute at most.
    pub leeway_for: Duration,
    pub required_claims: Vec<String>,
    pub claims: ClaimNames,
    /// Keys are asked for again at least this often.
    pub refresh_for: Duration,
    /// Keys that cannot be asked for again are used this long.
    pub stale_for: Duration,
    /// Between two requests for its keys because a token names one that is not known.
    pub cooldown_for: Duration,
    /// For one document, from connecting to its last byte.
    pub timeout_for: Duration,
    /// Whether its documents may come over plain HTTP: it is on this machine, or the operator says so.
    pub allows_http: bool,
    /// Whose certificates its servers may have, in PEM; `None`: those whom the system believes.
    pub ca_file: Option<PathBuf>,
    pub introspection: Option<Introspection>,
    pub logout: Option<Logout>,
}

impl ForeignIssuer {
    /// An issuer of which nothing but its name and the place of its keys is said: what configurations leave out is as here.
    ///
    /// # Errors
    /// A sentence about `issuer` when it is no URL, or one whose documents anybody on the way could forge (rule G1).
    pub fn usual(issuer: &str, keys: KeyLocation, insecure: bool) -> Result<Self, String> {
        let address = url::identifier(issuer).map_err(|refusal| format!("{issuer:?} is not {}", refusal.expected))?;
        let web = Web { insecure, on_loopback: !address.https && address.is_loopback() };
        if !address.https && !web.allows_http() {
            return Err(format!("{issuer:?} is not https: whoever is on the way could forge its keys"));
        }
        Ok(Self {
            issuer: issuer.to_owned(),
            keys,
            algorithms: AlgorithmSet::asymmetric(),
            types: usual_types(),
            leeway_for: USUAL_LEEWAY,
            required_claims: Vec::new(),
            claims: ClaimNames::usual(),
            refresh_for: USUAL_REFRESH,
            stale_for: DAY,
            cooldown_for: USUAL_COOLDOWN,
            timeout_for: USUAL_TIMEOUT,
            allows_http: web.allows_http(),
            ca_file: None,
            introspection: None,
            logout: None,
        })
    }
}

/// What the issuer may say of logouts.
#[derive(Clone, Debug)]
pub struct Logout {
    /// What its logout tokens for this gateway have in `aud`: the name by which it knows us as a client.
    pub audience: Vec<String>,
    /// As long as its access tokens can live.
    pub keep_for: Duration,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeyLocation {
    /// Its metadata says so; `None` looks where OpenID Connect Discovery and RFC 8414 put them.
    Metadata(Option<String>),
    /// A key set at this URL.
    Url(String),
    /// They are written in the configuration.
    Known(Arc<KeySet>),
    /// It has none: whatever it issues is introspected.
    Nowhere,
}

pub(super) const KEYS: &[&str] = &[
    "issuer",
    "any_audience",
    "discovery",
    "jwks_uri",
    "jwks",
    "secret",
    "algorithms",
    "types",
    "leeway",
    "required_claims",
    "claims",
    "refresh",
    "stale",
    "cooldown",
    "timeout",
    "insecure",
    "ca_file",
    "introspection",
    "logout",
];
pub(super) const LOGOUT_KEYS: &[&str] = &["audience", "keep"];
pub(super) const CLAIM_KEYS: &[&str] = &["scopes", "roles", "client", "tenant"];

/// The type of a token that does not say one.
const NO_TYPE: &str = "none";

/// HS256 has 256 bits.
const SECRET_CHARACTERS: usize = 32;

const MOST_LEEWAY: Duration = Duration::from_secs(60);
const USUAL_LEEWAY: Duration = Duration::from_secs(10);
const USUAL_REFRESH: Duration = Duration::from_secs(300);
const USUAL_COOLDOWN: Duration = Duration::from_secs(30);
const USUAL_TIMEOUT: Duration = Duration::from_secs(5);

/// The issuer and its audiences; `None` when it has no usable name.
pub(super) fn check(
    entry: &Entry,
    fields: &Fields<'_>,
    public_url: &PublicUrl,
    check: &mut Check<'_>,
) -> Option<(ForeignIssuer, Vec<String>)> {
    let help = format!("{}: {{ issuer: https://..., audience: ... }}", entry.key);
    let named = fields.require("issuer", &help, check)?;
    let insecure = fields.boolean("insecure", check).unwrap_or(false);
    let address = check.parsed(named, url::identifier)?;
    let issuer = check.text(named)?.text.clone();
    if issuer.trim_end_matches('/') == public_url.as_str().trim_end_matches('/') {
        check.refuse_with_help(named.span, "this issuer is the gateway itself", "use `self: {}`");
    }
    if insecure && !address.is_loopback() {
        let span = fields.entry("insecure").map_or(named.span, |entry| entry.key_span);
        check.warn(
            span,
            Lint::IssuerWithoutTls.at(&entry.key),
            format!("whoever is between here and {:?} can make tokens that this gateway believes", entry.key),
            "give it an https URL and remove `insecure`",
        );
    }
    let web = Web { insecure, on_loopback: !address.https && address.is_loopback() };
    web.check(named, check);
    let claims = claims(fields, check);
    let introspection = fields.find("introspection").and_then(|node| introspection::check(node, &web, check));
    let (keys, algorithms) = keys(fields, &web, check);
    if matches!(keys, KeyLocation::Nowhere) && introspection.is_none() {
        let span = fields.entry("discovery").map_or(entry.key_span, |entry| entry.key_span);
        check.refuse_with_help(
            span,
            format!("nothing can verify a token of {:?}", entry.key),
            "remove `discovery: false`, or add `jwks_uri`, `jwks`, `secret` or `introspection`",
        );
    }
    let has_metadata = !fields.find("discovery").is_some_and(is_false);
    if let Some(entry) = fields.entry("introspection")
        && introspection.as_ref().is_some_and(|own| own.endpoint.is_none())
        && !has_metadata
    {
        check.refuse_with_help(
            entry.key_span,
            "nothing says where tokens are introspected",
            "introspection: { endpoint: https://..., ... }",
        );
    }
    let logout = fields.find("logout").and_then(|node| logout(node, check));
    if let Some(entry) = fields.entry("logout").filter(|_| matches!(keys, KeyLocation::Nowhere)) {
        check.refuse_with_help(
            entry.key_span,
            "there are no keys to verify logout tokens with",
            "remove `discovery: false`, or `logout`",
        );
    }
    let issuer = ForeignIssuer {
        issuer,
        keys,
        algorithms,
        types: types(fields, check),
        leeway_for: bounded("leeway", fields, check, (Duration::ZERO, MOST_LEEWAY)).unwrap_or(USUAL_LEEWAY),
        required_claims: fields.texts("required_claims", check).unwrap_or_default(),
        claims,
        refresh_for: bounded("refresh", fields, check, (SECOND, DAY)).unwrap_or(USUAL_REFRESH),
        stale_for: bounded("stale", fields, check, (SECOND, 30 * DAY)).unwrap_or(DAY),
        cooldown_for: bounded("cooldown", fields, check, (SECOND, DAY)).unwrap_or(USUAL_COOLDOWN),
        timeout_for: bounded("timeout", fields, check, (Duration::from_millis(100), 30 * SECOND))
            .unwrap_or(USUAL_TIMEOUT),
        allows_http: web.allows_http(),
        ca_file: fields.find("ca_file").and_then(|node| ca_file(node, check)),
        introspection,
        logout,
    };
    Some((issuer, audience(entry, fields, check)))
}

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A duration from `least` to `most`.
pub(super) fn bounded(
    key: &str,
    fields: &Fields<'_>,
    check: &mut Check<'_>,
    (least, most): (Duration, Duration),
) -> Option<Duration> {
    let node = fields.find(key)?;
    let duration = check.parsed(node, super::scalar::duration)?;
    if !(least..=most).contains(&duration) {
        check.refuse(node.span, format!("{key} must be between {} and {}", shown(least), shown(most)));
        return None;
    }
    Some(duration)
}

/// As it would be written.
fn shown(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = |(length, _): &&(u128, &str)| milliseconds >= *length && milliseconds.is_multiple_of(*length);
    match units.iter().find(fits) {
        Some((length, unit)) => format!("{}{unit}", milliseconds / length),
        None if milliseconds == 0 => "0s".to_owned(),
        None => format!("{milliseconds}ms"),
    }
}

/// Which URLs of an issuer may be asked without TLS.
pub(super) struct Web {
    insecure: bool,
    /// The issuer itself is on this machine, and says so with `http`.
    on_loopback: bool,
}

impl Web {
    pub(super) fn allows_http(&self) -> bool {
        self.insecure || self.on_loopback
    }

    /// The URL, which may be asked (rule G1).
    pub(super) fn check(&self, node: &Node, check: &mut Check<'_>) -> Option<String> {
        let address = check.parsed(node, url::web)?;
        let text = check.text(node)?;
        if !address.https && !self.insecure && !address.is_loopback() {
            check.refuse_with_help(
                node.span,
                format!("{} is not https: whoever is on the way could forge what it says", text.shown()),
                "use https; `insecure: true` on the issuer accepts that risk",
            );
        }
        Some(text.text.clone())
    }
}

/// Its content is part of the configuration: another one makes another issuer of it.
fn ca_file(node: &Node, check: &mut Check<'_>) -> Option<PathBuf> {
    let authorities = listen::pem(node, check, "certificate", X509::stack_from_pem)?;
    if authorities.is_empty() {
        check.refuse(node.span, "there is no PEM certificate in this file");
    }
    listen::path(node, check)
}

fn logout(node: &Node, check: &mut Check<'_>) -> Option<Logout> {
    let fields = Fields::open(node, LOGOUT_KEYS, check)?;
    const HELP: &str = "logout: { audience: client-id }, as the issuer knows this gateway";
    let node = fields.require("audience", HELP, check)?;
    let audience = fields.texts("audience", check).unwrap_or_default();
    if audience.is_empty() {
        check.refuse_with_help(node.span, "logout tokens for no audience", HELP);
        return None;
    }
    let keep_for = bounded("keep", &fields, check, (SECOND, 30 * DAY)).unwrap_or(DAY);
    Some(Logout { audience, keep_for })
}

/// A token for somebody else's service is not for ours (rule F8), so that an issuer without an audience has to be meant.
fn audience(entry: &Entry, fields: &Fields<'_>, check: &mut Check<'_>) -> Vec<String> {
    let audience = fields.texts("audience", check).unwrap_or_default();
    let any = fields.boolean("any_audience", check).unwrap_or(false);
    if any && fields.entry("audience").is_some() {
        let span = fields.entry("any_audience").map_or(entry.key_span, |entry| entry.key_span);
        check.refuse_with_help(span, "an audience cannot be asked for and not", "remove `audience` or `any_audience`");
    }
    if !any && audience.is_empty() {
        check.refuse_with_help(
            entry.key_span,
            format!("issuer {:?} has no audience: tokens that it issued for other services would work here", entry.key),
            "add `audience: name`, which its tokens for this gateway have in `aud`; `any_audience: true` if they have none",
        );
    }
    audience
}

fn keys(fields: &Fields<'_>, web: &Web, check: &mut Check<'_>) -> (KeyLocation, AlgorithmSet) {
    let given: Vec<&Entry> =
        ["discovery", "jwks_uri", "jwks", "secret"].iter().filter_map(|key| fields.entry(key)).collect();
    if let [first, second, ..] = given.as_slice()
        && !(first.key == "discovery" && is_false(&first.value))
    {
        check.refuse_with_help(
            second.key_span,
            format!("keys come from one place, and {:?} names one already", first.key),
            "keep one of `discovery`, `jwks_uri`, `jwks` and `secret`",
        );
    }
    let listed = algorithms(fields, check);
    let public = listed.as_ref().map(|(listed, _)| listed.iter().copied().collect());
    let public = public.unwrap_or_else(AlgorithmSet::asymmetric);
    if fields.entry("secret").is_some() {
        return secret(fields, listed.map(|(listed, _)| listed), check);
    }
    if let Some((listed, span)) = &listed
        && let Some(shared) = listed.iter().find(|algorithm| algorithm.is_symmetric())
    {
        let message = format!("{} needs a secret that the issuer and this gateway share", shared.as_str());
        check.refuse_with_help(*span, message, "add `secret: ${file:/run/secrets/...}`, or name other algorithms");
    }
    let location = if let Some(node) = fields.find("jwks") {
        known_keys(node, check)
    } else if let Some(node) = fields.find("jwks_uri") {
        web.check(node, check).map(KeyLocation::Url)
    } else {
        match fields.find("discovery") {
            Some(node) if is_false(node) => Some(KeyLocation::Nowhere),
            Some(node) => web.check(node, check).map(|url| KeyLocation::Metadata(Some(url))),
            None => None,
        }
    };
    (location.unwrap_or(KeyLocation::Metadata(None)), public)
}

fn is_false(node: &Node) -> bool {
    matches!(&node.value, super::node::Value::Scalar(scalar) if scalar.plain && scalar.text == "false")
}

/// A JWK set as text: written here, or `${file:keys.json}`.
fn known_keys(node: &Node, check: &mut Check<'_>) -> Option<KeyLocation> {
    let text = check.text(node)?;
    let problem = match KeySet::parse(&text.text) {
        Ok(keys) if keys.is_empty() => "the key set has no key that verifies signatures".to_owned(),
        Ok(keys) => return Some(KeyLocation::Known(Arc::new(keys))),
        Err(KeyError::Malformed) => "this is no JWK set (RFC 7517): {\"keys\": [...]}".to_owned(),
        Err(error) => format!("the key set cannot be used: {error}"),
    };
    check.refuse_with_help(node.span, problem, "jwks: ${file:/etc/faregate/keys.json}");
    None
}

fn secret(fields: &Fields<'_>, listed: Option<Vec<Algorithm>>, check: &mut Check<'_>) -> (KeyLocation, AlgorithmSet) {
    let algorithm = match listed.as_deref() {
        None => Some(Algorithm::Hs256),
        Some(&[only]) if only.is_symmetric() => Some(only),
        Some(_) => None,
    };
    let Some(algorithm) = algorithm else {
        let span = fields.entry("algorithms").map_or(fields.span, |entry| entry.value.span);
        check.refuse_with_help(span, "a shared secret has one algorithm", "algorithms: HS256");
        return (KeyLocation::Known(Arc::default()), AlgorithmSet::default());
    };
    let keys = fields.secret("secret", SECRET_CHARACTERS, check).and_then(|secret| {
        let keys = KeySet::of_secret(algorithm, secret.expose().as_bytes()).ok();
        if keys.is_none() {
            let span = fields.entry("secret").map_or(fields.span, |entry| entry.key_span);
            let message = format!("the secret is shorter than the hash of {} (RFC 7518 3.2)", algorithm.as_str());
            check.refuse_with_help(span, message, "HS384 needs 48 bytes, HS512 needs 64");
        }
        keys
    });
    // What is missing has its problem already.
    (KeyLocation::Known(Arc::new(keys.unwrap_or_default())), [algorithm].into_iter().collect())
}

fn algorithms(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<(Vec<Algorithm>, super::problem::Span)> {
    let node = fields.find("algorithms")?;
    let known = Algorithm::ALL.map(Algorithm::as_str);
    let texts = check.texts(node);
    if texts.is_empty() {
        check.refuse_with_help(
            node.span,
            "an issuer without an algorithm",
            "remove `algorithms` for all with public keys",
        );
    }
    let mut algorithms = Vec::new();
    for (scalar, span) in texts {
        match Algorithm::parse(&scalar.text) {
            Some(algorithm) => algorithms.push(algorithm),
            None => check.refuse_word(span, format!("unknown algorithm {}", scalar.shown()), &scalar.text, &known),
        }
    }
    if algorithms.is_empty() {
        return None;
    }
    Some((algorithms, node.span))
}

/// Issuers before RFC 9068 write `JWT`, or nothing. The audience tells their access tokens from ID tokens.
fn usual_types() -> TypeSet {
    TypeSet::new(["at+jwt", "JWT"]).or_none()
}

fn types(fields: &Fields<'_>, check: &mut Check<'_>) -> TypeSet {
    let Some(named) = fields.texts("types", check) else { return usual_types() };
    let types = TypeSet::new(named.iter().map(String::as_str).filter(|&name| name != NO_TYPE));
    if named.iter().any(|name| name == NO_TYPE) { types.or_none() } else { types }
}

fn claims(fields: &Fields<'_>, check: &mut Check<'_>) -> ClaimNames {
    let usual = ClaimNames::usual();
    let Some(fields) = fields.find("claims").and_then(|node| Fields::open(node, CLAIM_KEYS, check)) else {
        return usual;
    };
    let mut named = |key: &str, usual: Vec<ClaimPath>| match fields.find(key) {
        Some(node) => check
            .texts(node)
            .into_iter()
            .filter_map(|(scalar, span)| match parse_claim_name(&scalar.text) {
                Ok(path) => Some(path),
                Err(error) => {
                    check.refuse(scalar.part(span, error.offset, error.length), error.to_string());
                    None
                }
            })
            .collect(),
        None => usual,
    };
    ClaimNames {
        scopes: named("scopes", usual.scopes),
        roles: named("roles", usual.roles),
        client: named("client", usual.client),
        tenant: named("tenant", usual.tenant),
    }
}
