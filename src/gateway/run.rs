//! Setting the gateway going: what answers on the public listeners, and the admin listener.
//!
//! Owns Pingora's settings, all of them explicit: its defaults are one thread, 16 retries and no idle limit for HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::apps::HttpServerOptions;
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;

use super::admin::Admin;
use super::front::Front;
use super::listener::{Ending, Manner};
use super::relay::Relay;
use super::{Census, ConnectionLimits, Current, Listener, Proxy, Service};

/// Bounds of HTTP/2 connections (rule N5).
#[derive(Clone, Debug)]
pub struct H2Limits {
    pub streams: u32,
    /// Bytes of a decoded header list.
    pub header_list: u32,
    /// A connection without streams is closed after this.
    pub idle: Duration,
}

/// Servers that are tried for one request, where it may be tried again at all (rule M10); `attempt` says when.
const MOST_TRIES: usize = 3;

/// Connections to upstreams that are kept for the next request, per thread.
const KEPT_CONNECTIONS: usize = 512;

/// What answers the requests of all public listeners: Pingora's part, and ours for those that it is not needed for.
pub(super) fn app(current: &Arc<Current>, h2: &H2Limits) -> (HttpProxy<Proxy>, Front) {
    let conf = ServerConf {
        max_retries: MOST_TRIES,
        upstream_keepalive_pool_size: KEPT_CONNECTIONS,
        // The OpenSSL that is built in has no certificate store of its own.
        ca_file: openssl_probe::probe().cert_file.map(|path| path.to_string_lossy().into_owned()),
        ..ServerConf::default()
    };
    let proxy = Proxy { current: current.clone(), relay: Arc::new(Relay::new(&conf)) };
    let mut app = http_proxy(&Arc::new(conf), proxy.clone());
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.h2_idle_timeout = Some(h2.idle);
    app.server_options = Some(options);
    let mut h2_options = default_h2_options();
    h2_options.max_concurrent_streams(h2.streams);
    h2_options.max_header_list_size(h2.header_list);
    app.h2_options = Some(h2_options);
    (app, Front::new(proxy))
}

/// How long the admin listener's thread waits for its last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(60);

/// Accepts connections for the admin listener. It has places and a thread of its own, so that it answers when the public
/// places are taken and the processors have more to do than they can; the answer counts them.
///
/// # Errors
/// When the system gives no thread.
pub fn start_admin(
    admin: Admin,
    listener: &Listener,
    limits: ConnectionLimits,
    ending: &Ending,
) -> std::io::Result<Arc<Census>> {
    const PLACES: usize = 64;
    let census = Census::new(PLACES, PLACES);
    let service = Service {
        refusals: admin.metrics(),
        app: Arc::new(admin.app()),
        front: None,
        manner: Arc::new(ArcSwap::from_pointee(Manner { limits, certificate: None })),
        census: census.clone(),
        ending: ending.clone(),
        overload: None,
        turned_away: Arc::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (listener, places) = (listener.clone(), census.clone());
    let serve = move || {
        runtime.block_on(async {
            service.accept(listener).await;
            places.drained(LAST_ANSWERS).await;
        });
    };
    std::thread::Builder::new().name("faregate-admin".to_owned()).spawn(serve)?;
    Ok(census)
}
