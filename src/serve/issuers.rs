//! Who is believed: the issuers of the configuration, as the enforcer sees them.
//!
//! Owns the choice between a tenant of ours and somebody else. What each of them answers is its own business.

use std::sync::Arc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::assemble::Forget;
use super::{Opened, StartError, adapters};
use crate::config::{self, Config, Fingerprint, IssuerKind};
use crate::enforce::Issuer;
use crate::gateway::Endpoints;
use crate::gateway::resources::IssuerAt;
use crate::issuers::{Fetcher, FetcherError, ForeignIssuer, LogoutEndpoint, OperatorEndpoint, Outbound, Revoker};
use crate::metrics::Metrics;
use crate::model::Tenant;
use crate::oauth::KeyRing;

/// The issuers of a configuration.
pub(super) struct Believed {
    /// In its order, which routes refer to.
    pub issuers: Vec<Arc<dyn Issuer>>,
    /// Those of them that are somebody else.
    pub foreign: Vec<Foreign>,
    /// Tenants of ours, by their names in the configuration.
    pub tenants: Vec<(String, Uuid)>,
    /// Who they are. What was verified stays verified as long as this is the same.
    pub identities: Vec<Identity>,
    /// What each of the issuers calls itself.
    pub names: Vec<Named>,
}

/// Where an issuer's name is known.
pub(super) enum Named {
    /// One of our tenants, which may be renamed.
    Tenant(Uuid),
    Foreign(String),
}

/// Which issuer stands at a place: its name, how it is configured, and its tenant if it is ours.
pub(super) type Identity = (String, Option<Fingerprint>, Option<Uuid>);

/// Somebody else.
#[derive(Clone)]
pub(super) struct Foreign {
    /// In the configuration.
    pub name: String,
    /// In `iss`.
    pub url: String,
    pub issuer: Arc<ForeignIssuer>,
    fingerprint: Option<Fingerprint>,
    /// Keeps its keys as new as they should be, until the last of these is dropped.
    _following: Arc<JoinSet<()>>,
}

impl Foreign {
    /// Nobody waits for it.
    fn follow(
        name: &str,
        fingerprint: Option<Fingerprint>,
        settings: &config::ForeignIssuer,
        asking: Asking<'_>,
    ) -> Self {
        let issuer = Arc::new(ForeignIssuer::new(name, settings, asking.outbound));
        let mut following = JoinSet::new();
        if let Some(forget) = asking.forget.cloned() {
            let followed = issuer.clone();
            following.spawn(async move { followed.follow(move || forget()).await });
        }
        let (name, url) = (name.to_owned(), settings.issuer.clone());
        Self { name, url, issuer, fingerprint, _following: Arc::new(following) }
    }
}

/// How others are asked, and who is told when keys of theirs are gone.
#[derive(Clone, Copy)]
struct Asking<'a> {
    outbound: &'a Outbound,
    forget: Option<&'a Forget>,
}

/// Where revocations come in.
pub(super) struct Incoming {
    /// Logout tokens, on the public listeners.
    pub logouts: Endpoints,
    /// What operators revoke, on the admin listener.
    pub revocations: Endpoints,
}

/// Those of somebody else that are configured as `before` go on as they are, with all that is known of them. Without `forget`
/// nobody is asked for keys: what is not in the configuration stays unknown.
///
/// # Errors
/// [`StartError`] when the configuration names tenants that are not there, or nobody can be asked for keys.
pub(super) async fn believed(
    config: &Config,
    opened: &Opened,
    (keys, metrics): (&Arc<KeyRing>, &Arc<Metrics>),
    forget: Option<&Forget>,
    before: &[Foreign],
) -> Result<Believed, StartError> {
    let tenants = opened.directory.tenants().await?;
    let mut believed = Believed {
        issuers: Vec::new(),
        foreign: Vec::new(),
        tenants: Vec::new(),
        identities: Vec::new(),
        names: Vec::new(),
    };
    let mut outbound = None;
    for issuer in &config.issuers {
        let fingerprint = config.parts.entry("issuers", &issuer.name);
        match &issuer.kind {
            IssuerKind::Tenant(tenant) => {
                let tenant_id = tenant_id((&issuer.name, tenant.as_deref()), &tenants, keys)?;
                believed.tenants.push((issuer.name.clone(), tenant_id));
                believed.identities.push((issuer.name.clone(), fingerprint, Some(tenant_id)));
                believed.names.push(Named::Tenant(tenant_id));
                believed.issuers.push(Arc::new(adapters::LocalTenant {
                    tenant_id,
                    keys: keys.clone(),
                    directory: opened.directory.clone(),
                }));
            }
            IssuerKind::Foreign(settings) => {
                let same = |foreign: &&Foreign| foreign.name == issuer.name && foreign.fingerprint == fingerprint;
                let known = before.iter().find(same).cloned();
                let outbound = match &outbound {
                    Some(outbound) => outbound,
                    None => outbound.insert(outbound_of(opened, metrics)?),
                };
                let foreign = match known {
                    Some(known) => known,
                    None => {
                        let outbound = &outbound.to(settings).map_err(unaskable)?;
                        Foreign::follow(&issuer.name, fingerprint, settings, Asking { outbound, forget })
                    }
                };
                believed.issuers.push(foreign.issuer.clone());
                believed.names.push(Named::Foreign(settings.issuer.clone()));
                believed.foreign.push(foreign);
                believed.identities.push((issuer.name.clone(), fingerprint, None));
            }
        }
    }
    Ok(believed)
}

/// How others are asked.
///
/// # Errors
/// [`StartError::Outbound`] when the system's certificates cannot be used.
pub(super) fn outbound_of(opened: &Opened, metrics: &Arc<Metrics>) -> Result<Outbound, StartError> {
    Ok(Outbound {
        fetcher: Fetcher::new().map_err(unaskable)?,
        metrics: metrics.clone(),
        clock: opened.clock.clone(),
        entropy: opened.entropy.clone(),
    })
}

pub(super) fn unaskable(error: FetcherError) -> StartError {
    StartError::Outbound(error.to_string())
}

/// What clients are told who ask where tokens come from: issuers whose metadata can be found (RFC 9728 2).
pub(super) fn names(names: Vec<Named>, keys: &Arc<KeyRing>) -> Box<IssuerAt> {
    let keys = keys.clone();
    Box::new(move |place| match names.get(place)? {
        Named::Foreign(url) => Some(url.clone()),
        Named::Tenant(id) => {
            let issuer = keys.issuer(Some(*id)).filter(|issuer| issuer.is_discoverable());
            issuer.map(|issuer| issuer.issuer.to_string())
        }
    })
}

fn tenant_id((issuer, tenant): (&str, Option<&str>), tenants: &[Tenant], keys: &KeyRing) -> Result<Uuid, StartError> {
    match tenant {
        Some(name) => {
            let unknown = || StartError::UnknownTenant { issuer: issuer.to_owned(), tenant: name.to_owned() };
            tenants.iter().find(|tenant| tenant.name == *name).map(|tenant| tenant.id).ok_or_else(unknown)
        }
        None if tenants.len() > 1 && keys.settings().default_tenant.is_none() => {
            Err(StartError::AmbiguousTenant { issuer: issuer.to_owned() })
        }
        None => Ok(keys.issuer(None).map(|issuer| issuer.tenant.id).unwrap_or_default()),
    }
}

/// The first tenant that the configuration names and that neither is there nor would be.
pub(super) async fn check_tenants(config: &Config, opened: &Opened) -> Result<(), StartError> {
    let tenants = opened.directory.tenants().await?;
    for issuer in &config.issuers {
        let IssuerKind::Tenant(Some(name)) = &issuer.kind else { continue };
        let is_declared = config.directory.tenants.iter().any(|declared| declared.name == *name);
        if !is_declared && !tenants.iter().any(|tenant| tenant.name == *name) {
            return Err(StartError::UnknownTenant { issuer: issuer.name.clone(), tenant: name.clone() });
        }
    }
    Ok(())
}

impl Incoming {
    pub(super) fn new(
        config: &Config,
        opened: &Opened,
        (foreign, tenants): (&[Foreign], Vec<(String, Uuid)>),
        (keys, metrics): (&Arc<KeyRing>, &Arc<Metrics>),
    ) -> Self {
        let revoker = Arc::new(Revoker {
            store: opened.store.clone(),
            revocations: opened.revocations.clone(),
            clock: opened.clock.clone(),
        });
        let issuers = foreign.iter().map(|foreign| (foreign.name.clone(), foreign.issuer.clone())).collect();
        let logouts = Arc::new(LogoutEndpoint { revoker: revoker.clone(), issuers, metrics: metrics.clone() });
        let keys = keys.clone();
        let tenant_of = move |name: &str| {
            let named = tenants.iter().find(|(own, _)| own == name).map(|(_, tenant_id)| *tenant_id);
            named.or_else(|| keys.issuers().iter().find(|own| *own.issuer == *name).map(|own| own.tenant.id))
        };
        let operator = Arc::new(OperatorEndpoint {
            revoker,
            directory: opened.directory.clone(),
            api_key: config.management.api_key.clone(),
            foreign: foreign.iter().map(|foreign| (foreign.name.clone(), foreign.url.clone())).collect(),
            tenant_of: Box::new(tenant_of),
        });
        Self {
            logouts: Arc::new(move |request| {
                let logouts = logouts.clone();
                Box::pin(async move { logouts.answer(&request).await })
            }),
            revocations: Arc::new(move |request| {
                let operator = operator.clone();
                Box::pin(async move { operator.answer(&request).await })
            }),
        }
    }
}
