//! Who is believed: the issuers of the configuration, as the enforcer sees them.
//!
//! Owns the choice between a tenant of ours and somebody else. What each of them answers is its own business.

use std::sync::Arc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Opened, StartError, adapters};
use crate::config::{Config, IssuerKind};
use crate::enforce::{Enforcer, Issuer};
use crate::issuers::{Fetcher, ForeignIssuer, Outbound};
use crate::metrics::Metrics;
use crate::model::Tenant;
use crate::oauth::KeyRing;

/// The issuers of a configuration.
pub(super) struct Believed {
    /// In its order, which routes refer to.
    pub issuers: Vec<Arc<dyn Issuer>>,
    /// Those of them that are somebody else.
    pub foreign: Vec<Arc<ForeignIssuer>>,
    /// How those are called in `iss`.
    pub foreign_names: Vec<String>,
}

/// # Errors
/// [`StartError`] when the configuration names tenants that are not there, or nobody can be asked for keys.
pub(super) async fn believed(
    config: &Config,
    opened: &Opened,
    (keys, metrics): (&Arc<KeyRing>, &Arc<Metrics>),
) -> Result<Believed, StartError> {
    let tenants = opened.directory.tenants().await?;
    let mut believed = Believed { issuers: Vec::new(), foreign: Vec::new(), foreign_names: Vec::new() };
    let mut outbound = None;
    for issuer in &config.issuers {
        match &issuer.kind {
            IssuerKind::Tenant(tenant) => believed.issuers.push(Arc::new(adapters::LocalTenant {
                tenant_id: tenant_id((&issuer.name, tenant.as_deref()), &tenants, keys)?,
                keys: keys.clone(),
                directory: opened.directory.clone(),
            })),
            IssuerKind::Foreign(settings) => {
                let outbound = match &outbound {
                    Some(outbound) => outbound,
                    None => outbound.insert(Outbound {
                        fetcher: Fetcher::new().map_err(|error| StartError::Outbound(error.to_string()))?,
                        metrics: metrics.clone(),
                        clock: opened.clock.clone(),
                    }),
                };
                let foreign = Arc::new(ForeignIssuer::new(&issuer.name, settings, outbound));
                believed.issuers.push(foreign.clone());
                believed.foreign.push(foreign);
                believed.foreign_names.push(settings.issuer.clone());
            }
        }
    }
    Ok(believed)
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

/// Keeps the keys of others as new as they should be. The start does not wait for them.
pub(super) fn follow(foreign: Vec<Arc<ForeignIssuer>>, enforcer: &Arc<Enforcer>, background: &mut JoinSet<()>) {
    for issuer in foreign {
        let enforcer = enforcer.clone();
        background.spawn(async move { issuer.follow(move || enforcer.forget()).await });
    }
}
