//! Setting the gateway going: sockets that are bound already begin to accept.
//!
//! Owns Pingora's settings, all of them explicit: its defaults are one thread, 16 retries and no idle limit for HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use pingora::apps::{HttpServerApp, HttpServerOptions};
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use tokio::sync::watch;

use super::admin::Admin;
use super::{Census, ConnectionLimits, Current, Listener, Proxy, RefusalLog, Service};

/// Bounds of HTTP/2 connections (rule N5).
#[derive(Clone, Debug)]
pub struct H2Limits {
    pub streams: u32,
    /// Bytes of a decoded header list.
    pub header_list: u32,
    /// A connection without streams is closed after this.
    pub idle: Duration,
}

/// Servers that are tried for one request. Only connections that could not be made are tried again (rule M10).
const MOST_TRIES: usize = 3;

/// Connections to upstreams that are kept for the next request, per thread.
const KEPT_CONNECTIONS: usize = 512;

/// Accepts connections for the current gateway on every listener until `shutdown` says so.
pub fn start(
    current: &Arc<Current>,
    listeners: Vec<(Listener, ConnectionLimits)>,
    h2: &H2Limits,
    census: &Arc<Census>,
    shutdown: &watch::Receiver<bool>,
) {
    let conf = ServerConf {
        max_retries: MOST_TRIES,
        upstream_keepalive_pool_size: KEPT_CONNECTIONS,
        // The OpenSSL that is built in has no certificate store of its own.
        ca_file: openssl_probe::probe().cert_file.map(|path| path.to_string_lossy().into_owned()),
        ..ServerConf::default()
    };
    let mut app = http_proxy(&Arc::new(conf), Proxy(current.clone()));
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.h2_idle_timeout = Some(h2.idle);
    app.server_options = Some(options);
    let mut h2_options = default_h2_options();
    h2_options.max_concurrent_streams(h2.streams);
    h2_options.max_header_list_size(h2.header_list);
    app.h2_options = Some(h2_options);
    let app = Arc::new(app);
    let refusals: Arc<dyn RefusalLog> = current.load().metrics.clone();
    for (listener, limits) in listeners {
        let service = Service {
            app: app.clone(),
            limits,
            census: census.clone(),
            refusals: refusals.clone(),
            shutdown: shutdown.clone(),
        };
        spawn(service, listener);
    }
}

/// Accepts connections for the admin listener. It has places of its own, so that it answers when the public ones are taken.
pub fn start_admin(admin: Admin, listener: Listener, limits: ConnectionLimits, shutdown: &watch::Receiver<bool>) {
    const PLACES: usize = 64;
    let service = Service {
        refusals: admin.metrics(),
        app: Arc::new(admin.app()),
        limits,
        census: Census::new(PLACES, PLACES),
        shutdown: shutdown.clone(),
    };
    spawn(service, listener);
}

fn spawn<A: HttpServerApp + Send + Sync + 'static>(service: Service<A>, listener: Listener) {
    let address = listener.address();
    tokio::spawn(async move {
        if let Err(error) = service.accept(listener).await {
            tracing::error!(listener.address = %address, error = %error, "a listener stopped");
        }
    });
}
