//! Can the listeners be bound?
//!
//! Owns the difference between a port that the gateway of this very file has, and one that is somebody else's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::config::{Config, Outcome, Probe};
use crate::gateway::{Inherited, ListenError, Listener};

/// How long a gateway on this machine may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Every address that a start binds.
pub(super) fn wanted(config: &Config) -> Vec<SocketAddr> {
    config.listen.iter().map(|listener| listener.address).chain(config.admin).collect()
}

/// Binds each address for a moment.
pub(super) async fn ask(addresses: Vec<SocketAddr>, admin: Option<SocketAddr>, file: PathBuf) -> Vec<Probe> {
    let mut running = None;
    let mut probes = Vec::with_capacity(addresses.len());
    for address in addresses {
        let (outcome, summary) = match Listener::bind(address, &Inherited::default()) {
            Ok(_) if address.port() == 0 => (Outcome::Ok, "a free port will be taken".to_owned()),
            Ok(_) => (Outcome::Ok, "is free".to_owned()),
            Err(ListenError::InUse { .. }) => {
                let own = match &mut running {
                    Some(own) => own,
                    None => running.insert(addresses_of_running(admin, &file).await),
                };
                if own.contains(&address) {
                    (Outcome::Ok, "in use by the gateway that this file runs".to_owned())
                } else {
                    (Outcome::Failed, ListenError::InUse { address }.to_string())
                }
            }
            Err(error) => (Outcome::Failed, error.to_string()),
        };
        probes.push(Probe::new("port", address.to_string(), outcome, summary));
    }
    probes
}

/// Where the gateway listens that answers at the admin listener; nowhere if it is not one of ours, or runs another file.
async fn addresses_of_running(admin: Option<SocketAddr>, file: &Path) -> Vec<SocketAddr> {
    let Some(admin) = admin.filter(|admin| admin.port() != 0) else { return Vec::new() };
    let Ok(status) = status(admin).await else { return Vec::new() };
    let whole = |path: &Path| path.canonicalize().ok();
    let source = status.pointer("/configuration/source").and_then(Value::as_str).map(Path::new);
    // What it was started with may be seen from another folder: the name tells then.
    let is_same = source.is_some_and(|source| match whole(source).filter(|_| source.is_absolute()) {
        Some(source) => whole(file) == Some(source),
        None => source.file_name() == file.file_name(),
    });
    let listeners = status.pointer("/configuration/listeners").and_then(Value::as_array).filter(|_| is_same);
    let address =
        |listener: &Value| listener.as_str()?.rsplit_once('/').map_or(listener.as_str()?, |(_, at)| at).parse().ok();
    let listeners: Vec<SocketAddr> = listeners.into_iter().flatten().filter_map(address).collect();
    if is_same { listeners.into_iter().chain([admin]).collect() } else { Vec::new() }
}

async fn status(admin: SocketAddr) -> Result<Value, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    client.get(format!("http://{admin}/status")).send().await?.error_for_status()?.json().await
}
