//! One connection to a server, to find out whether there can be any: nothing is sent on it.
//!
//! Owns what is said of one that cannot be made. Requests are not concerned.

use std::time::Duration;

use pingora::connectors::TransportConnector;
use pingora::{Error, ErrorType};

use super::Upstream;
use super::server::Server;

impl Upstream {
    /// Every server in the order of the configuration: its `host:port`, and its place for [`Upstream::connect`].
    pub fn places(&self) -> impl Iterator<Item = (usize, &str)> {
        self.servers.iter().map(|server| &*server.label).enumerate()
    }

    /// Whether TLS is spoken with its servers.
    pub fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Opens a connection to the server at `place`, as a request would, and closes it. One of the addresses that its name
    /// stands for is enough.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn connect(&self, place: usize, limit: Duration) -> Result<(), String> {
        let Some(server) = self.servers.get(place) else { return Err("there is no such server".to_owned()) };
        if !self.resolve_server(server).await {
            return Err("its name does not resolve".to_owned());
        }
        self.connect_to(server, limit).await
    }

    async fn connect_to(&self, server: &Server, limit: Duration) -> Result<(), String> {
        let connector = TransportConnector::new(None);
        let mut problem = String::new();
        for peer in server.addresses.load().iter().flat_map(|addresses| addresses.peers.iter()) {
            let mut peer = peer.clone();
            self.prepare(&mut peer, limit);
            match connector.new_stream(&peer).await {
                Ok(_) => return Ok(()),
                Err(error) if problem.is_empty() => problem = in_words(&error),
                Err(_) => {}
            }
        }
        Err(problem)
    }
}

fn in_words(error: &Error) -> String {
    let words = match error.root_etype() {
        ErrorType::ConnectRefused => return "the connection is refused".to_owned(),
        ErrorType::ConnectTimedout => return "no connection in time".to_owned(),
        ErrorType::ConnectNoRoute => return "there is no route to it".to_owned(),
        ErrorType::TLSHandshakeTimedout => return "no TLS handshake in time".to_owned(),
        ErrorType::InvalidCert => "its certificate is not accepted",
        ErrorType::TLSHandshakeFailure => "the TLS handshake fails",
        _ => "no connection",
    };
    let text = error.to_string();
    // What OpenSSL says stands in the middle of what Pingora says.
    let reason = text.split_once("failed: ").map_or(&*text, |(_, reason)| reason);
    let reason = reason.split(", SNI: ").next().unwrap_or_default();
    format!("{words}: {reason}")
}
