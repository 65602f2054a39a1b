//! Can the listeners be bound?
//!
//! Owns the difference between a port that a gateway of ours has, which this configuration may be for, and one that is
//! somebody else's.

use std::net::SocketAddr;
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
pub(super) async fn ask(addresses: Vec<SocketAddr>, admin: Option<SocketAddr>) -> Vec<Probe> {
    let mut running = None;
    let mut probes = Vec::with_capacity(addresses.len());
    for address in addresses {
        let (outcome, summary) = match Listener::bind(address, &Inherited::default()) {
            Ok(_) if address.port() == 0 => (Outcome::Ok, "a free port will be taken".to_owned()),
            Ok(_) => (Outcome::Ok, "is free".to_owned()),
            Err(ListenError::InUse { .. }) => {
                let own = match &mut running {
                    Some(own) => own,
                    None => running.insert(ports_of_running(admin).await),
                };
                if own.contains(&address.port()) {
                    (Outcome::Warned, "in use by a gateway that runs already".to_owned())
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

/// The ports of the gateway that answers at the admin listener; none if that is not one of ours.
async fn ports_of_running(admin: Option<SocketAddr>) -> Vec<u16> {
    let Some(admin) = admin.filter(|admin| admin.port() != 0) else { return Vec::new() };
    let Ok(status) = status(admin).await else { return Vec::new() };
    let Some(listeners) = status.pointer("/configuration/listeners").and_then(Value::as_array) else {
        return Vec::new();
    };
    let port = |listener: &Value| listener.as_str()?.rsplit_once(':')?.1.parse().ok();
    listeners.iter().filter_map(port).chain([admin.port()]).collect()
}

async fn status(admin: SocketAddr) -> Result<Value, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    client.get(format!("http://{admin}/status")).send().await?.error_for_status()?.json().await
}
