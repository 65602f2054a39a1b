//! `faregate tenant delete`: a tenant, alone or with everything in it.
//!
//! Owns that nobody loses more than was asked for: what is in the tenant is said first.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::directory::tenant_called;
use super::{Failure, UNUSABLE};
use crate::config::Config;
use crate::directory::TenantContents;
use crate::model::Tenant;
use crate::serve::{self, Opened, StartError};

#[derive(Debug, clap::Args)]
pub struct Deletion {
    /// Name or id
    name: String,
    /// With its applications, entities and users, and everything that it issued
    #[arg(long)]
    with_everything: bool,
    /// Do not ask whether that is meant
    #[arg(long, requires = "with_everything")]
    yes: bool,
}

pub(super) async fn delete(config: &Config, opened: &Opened, wanted: &Deletion) -> Result<Value, Failure> {
    let tenant = tenant_called(&opened.directory, Some(&wanted.name)).await?;
    let contents = opened.directory.tenant_contents(tenant.id).await?;
    if contents.is_empty() {
        opened.directory.delete_tenant(tenant.id).await?;
        return Ok(json!({ "deleted": tenant.id }));
    }
    if !wanted.with_everything {
        let name = &tenant.name;
        return Err(anyhow::anyhow!(
            "tenant {name:?} has {contents}; delete them first, or all of it with: faregate tenant delete {name:?} \
             --with-everything"
        )
        .into());
    }
    let unusable = |error: StartError| Failure::Failed(UNUSABLE, error.into());
    let keys = serve::key_ring(config, opened, &config.public_url).await.map_err(unusable)?;
    if keys.issuer(None).is_some_and(|default| default.tenant.id == tenant.id) {
        let message =
            "is the default tenant, whose URLs are the gateway's own; it cannot be deleted with what is in it";
        return Err(anyhow::anyhow!("{:?} {message}", tenant.name).into());
    }
    if !wanted.yes {
        confirm(&tenant, contents)?;
    }
    opened.directory.delete_tenant_with_all(tenant.id).await?;
    let TenantContents { applications, entities, users } = contents;
    Ok(json!({ "deleted": tenant.id, "applications": applications, "entities": entities, "users": users }))
}

fn confirm(tenant: &Tenant, contents: TenantContents) -> Result<(), Failure> {
    let name = &tenant.name;
    if !std::io::stdin().is_terminal() {
        return Err(anyhow::anyhow!("tenant {name:?} has {contents}; add --yes if all of it is to be deleted").into());
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "Tenant {name:?} has {contents}. Type its name to delete all of it: ")?;
    stderr.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim_end_matches(['\r', '\n']) == name {
        return Ok(());
    }
    Err(anyhow::anyhow!("that is not its name; nothing was deleted").into())
}
