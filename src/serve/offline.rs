//! Verifying a token without a server, with the keys in the store: for `faregate explain` and `faregate token inspect`.
//!
//! Owns what is done when the store is not there: of our own tokens claims are read, and it is said that nobody vouches for them.
//! Other issuers are believed as they are with it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::assemble::Forget;
use super::issuers::Foreign;
use super::open::unready;
use super::{Opened, StartError, compile, issuers};
use crate::clock::Clock;
use crate::config::{self, Config, IssuerKind, StoreLocation};
use crate::directory::declare::TenantDeclaration;
use crate::enforce::{Binding, Denial, Enforcer, Inspected, Issuer, Pseudonyms, TokenCache, TokenFault};
use crate::jose;
use crate::library::demand;
use crate::metrics::Metrics;
use crate::model::Tenant;
use crate::policy::TokenFacts;
use crate::profile::{InUse, is_spoken_somewhere};

/// The enforcer of a configuration, if its store can be opened.
pub struct Offline {
    parts: Result<Parts, String>,
}

struct Parts {
    /// Why nobody can vouch for tokens of our own.
    keyless: Option<String>,
    /// As they are called in `iss`.
    others: Vec<String>,
    enforcer: Arc<Enforcer>,
    issuers: Vec<Arc<dyn Issuer>>,
    /// Asks other issuers for their keys.
    _foreign: Vec<Foreign>,
}

/// Facts of a token, and how far they can be believed.
pub enum Verified {
    Fully { facts: TokenFacts, key_id: String, binding: Option<Box<Binding>> },
    Unread { facts: TokenFacts, why: String, binding: Option<Box<Binding>> },
}

impl Offline {
    /// Opens the store of `config`, but makes none where there is none yet.
    pub async fn open(config: &Config) -> Self {
        Self { parts: open(config, true).await }
    }

    /// With the permissions that are granted now, if `live`.
    ///
    /// # Errors
    /// The denial that the gateway would answer with.
    pub async fn verify(&self, token: &str, live: bool) -> Result<Verified, Denial> {
        let parts = match &self.parts {
            Ok(parts) => match &parts.keyless {
                Some(why) if !parts.is_of_others(token) => Err(why),
                Some(_) | None => Ok(parts),
            },
            Err(why) => Err(why),
        };
        match parts {
            Ok(parts) => {
                let mut verified = parts.enforcer.verify(token).await?;
                if live {
                    verified = parts.enforcer.as_granted_now(verified).await?;
                }
                Ok(Verified::Fully {
                    facts: verified.facts.clone(),
                    key_id: verified.key_id.to_string(),
                    binding: verified.binding.clone(),
                })
            }
            Err(why) => {
                let malformed = Denial::InvalidToken(TokenFault::Door(jose::Reason::Malformed));
                let claims = claims(token).ok_or(malformed)?;
                if claims
                    .get("exp")
                    .and_then(Value::as_i64)
                    .is_none_or(|expires_at| expires_at <= Clock::system().now())
                {
                    return Err(Denial::InvalidToken(TokenFault::Door(jose::Reason::Expired)));
                }
                let binding = Binding::of_claims(&claims);
                Ok(Verified::Unread { facts: TokenFacts::of_claims(claims), why: why.clone(), binding })
            }
        }
    }

    /// The issuer of the configuration that the token is from; the first one when no store says how they are called.
    pub fn issuer_of(&self, facts: &TokenFacts) -> Option<usize> {
        match &self.parts {
            Ok(parts) => {
                let found = parts.issuers.iter().position(|issuer| issuer.is_called(&facts.issuer));
                found.or(parts.keyless.as_ref().map(|_| 0))
            }
            Err(_) => Some(0),
        }
    }
}

/// What one issuer of a configuration says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// As far as its keys say; whether it is active was not asked.
    GoodByKeys,
    /// With the code of the refusal.
    Refused(&'static str),
    /// It could not be found out without asking somebody, or at all; and why.
    NotAsked(String),
}

/// What each issuer of the configuration, in its order, says of a token, whatever a route would make of that. Nobody is asked
/// over the network unless `online`.
pub async fn verdicts(config: &Config, token: &str, online: bool) -> Vec<(String, Verdict)> {
    let parts = open(config, online).await;
    let mut verdicts = Vec::new();
    for (index, issuer) in config.issuers.iter().enumerate() {
        let verdict = match &parts {
            Err(why) => Verdict::NotAsked(why.clone()),
            Ok(Parts { keyless: Some(why), .. }) if matches!(issuer.kind, IssuerKind::Tenant(_)) => {
                Verdict::NotAsked(why.clone())
            }
            Ok(parts) => match parts.enforcer.inspect(index, token, online).await {
                Ok(Inspected::Good) => Verdict::Good,
                Ok(Inspected::GoodByKeys) => Verdict::GoodByKeys,
                Ok(Inspected::KeysNotFetched) => {
                    Verdict::NotAsked("its keys are not here; --online fetches them".to_owned())
                }
                Ok(Inspected::NotIntrospected) => {
                    Verdict::NotAsked("only the issuer itself can say; --online asks it".to_owned())
                }
                Err(Denial::Undecidable(obstacle)) => {
                    let mut circuits = parts.enforcer.introspection_circuits();
                    let cause = circuits.find(|circuit| circuit.issuer == issuer.name).and_then(|of| of.last_failure);
                    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                    Verdict::NotAsked(format!("it cannot be decided: {}{cause}", obstacle.as_str()))
                }
                Err(denial) => Verdict::Refused(denial.code()),
            },
        };
        verdicts.push((issuer.name.clone(), verdict));
    }
    verdicts
}

/// Why no request with a token that is bound like this passes on the route, whatever it brings along.
pub fn binding_fault(route: &config::Route, binding: Option<&Binding>) -> Option<TokenFault> {
    demand(route.binding).refuses(binding)
}

/// Whether requests for this host (without port) are for the gateway of `config` at all.
pub fn serves(config: &Config, host: &str) -> bool {
    compile::known_hosts(config).is_none_or(|known| known.iter().any(|own| own.matches(host)))
}

/// Whether the authorization server answers at this canonical path, whatever the routes say. Dialects have paths that are
/// ours while a tenant speaks them; without a store, the declared tenants count.
pub async fn is_own_path(config: &Config, path: &str) -> bool {
    let is_own = |in_use: &InUse, path: &str| {
        super::adapters::own_pattern_of(in_use, config.management.is_public, path).is_some()
    };
    let nobody = InUse::default();
    if is_own(&nobody, path) {
        return true;
    }
    let behind_realm = path.get(1..).and_then(|rest| Some(&rest[rest.find('/')?..]));
    if !is_spoken_somewhere(path) && !behind_realm.is_some_and(|path| is_own(&nobody, path)) {
        return false;
    }
    let declared = || {
        let tenants = config.directory.tenants.iter();
        let tenant = |tenant: &TenantDeclaration| Tenant {
            profile: tenant.profile,
            ..Tenant::new(tenant.id.unwrap_or_default(), &tenant.name, 0)
        };
        tenants.map(tenant).collect()
    };
    let tenants = match missing(config).await {
        Some(_) => declared(),
        None => stored_tenants(config).await.unwrap_or_else(|_| declared()),
    };
    let in_use = InUse::default();
    in_use.replace(&tenants);
    is_own(&in_use, path)
}

async fn stored_tenants(config: &Config) -> Result<Vec<Tenant>, StartError> {
    Ok(Opened::open(config).await?.directory.tenants().await?)
}

/// Why there is no store to ask. Whoever only looks makes none and brings none up to date.
async fn missing(config: &Config) -> Option<String> {
    if matches!(config.store, StoreLocation::SqliteMemory) {
        return Some("the store is in memory".to_owned());
    }
    match unready(&config.store).await {
        Ok(unready) => unready.map(|unready| unready.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

impl Parts {
    /// Whether somebody else answers for it: an opaque token may be theirs, too.
    fn is_of_others(&self, token: &str) -> bool {
        match claims(token) {
            Some(claims) => {
                let issuer = claims.get("iss").and_then(Value::as_str);
                issuer.is_some_and(|issuer| self.others.iter().any(|other| other == issuer))
            }
            None => true,
        }
    }
}

/// Without `asks`, other issuers are not asked for their keys. Where there is no store, there is something to open only if there
/// are other issuers.
async fn open(config: &Config, asks: bool) -> Result<Parts, String> {
    let name_of_other = |issuer: &config::Issuer| match &issuer.kind {
        IssuerKind::Foreign(other) => Some(other.issuer.clone()),
        IssuerKind::Tenant(_) => None,
    };
    let others: Vec<String> = config.issuers.iter().filter_map(name_of_other).collect();
    let keyless = missing(config).await;
    if let Some(why) = keyless.clone().filter(|_| others.is_empty()) {
        return Err(why);
    }
    let opened = match &keyless {
        Some(_) => Opened::open_nowhere(config).await,
        None => Opened::open(config).await,
    };
    let parts = async { verifying((config, opened?), asks, (keyless.clone(), others)).await };
    parts.await.map_err(|error| keyless.unwrap_or_else(|| error.to_string()))
}

async fn verifying(
    (config, opened): (&Config, Opened),
    asks: bool,
    (keyless, others): (Option<String>, Vec<String>),
) -> Result<Parts, StartError> {
    let keys = super::key_ring(config, &opened, &config.public_url).await?;
    // What is asked once has nothing to forget.
    let forget: Forget = Arc::new(|| {});
    let believed =
        issuers::believed(config, &opened, (&keys, &Arc::new(Metrics::new())), asks.then_some(&forget), &[]).await?;
    let issuers = believed.issuers;
    super::revocations::load(&*opened.store, &opened.revocations, opened.clock.now()).await?;
    let enforcer =
        Enforcer::new(issuers.clone(), TokenCache::new(1), opened.clock.clone(), Pseudonyms::new(b"offline"))
            .with_revocations(opened.revocations);
    Ok(Parts { keyless, others, enforcer: Arc::new(enforcer), issuers, _foreign: believed.foreign })
}

pub(super) fn claims(token: &str) -> Option<Map<String, Value>> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok()
}
