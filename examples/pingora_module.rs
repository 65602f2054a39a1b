//! A Pingora proxy of one's own with Faregate inside: nothing reaches the upstream without a good token, and what does
//! carries `X-Auth-*` instead of it.
//!
//! Owns the whole program, of which the check is a few lines. It is no gateway: limits, health checks and logs are yours.
//!
//! ```console
//! $ ISSUER=https://idp.example.com cargo run --example pingora_module
//! $ curl -i http://127.0.0.1:6188/orders/1        # 401, with a challenge
//! ```

use std::sync::Arc;

use faregate::{Enforcer, FaregateModule, FollowIssuers, Issuer};
use pingora::modules::http::HttpModules;
use pingora::prelude::*;
use pingora::proxy::FailToProxy;
use pingora::services::background::background_service;

struct Proxy {
    enforcer: Arc<Enforcer>,
    upstream: String,
}

#[async_trait::async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, modules: &mut HttpModules) {
        modules.add_module(Box::new(FaregateModule::new(self.enforcer.clone())));
    }

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(&*self.upstream, false, String::new())))
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, (): &mut ()) -> FailToProxy {
        FaregateModule::respond(session, error).await
    }
}

/// A server that checks what comes in at `listen` and sends it on to `upstream`.
pub fn server(enforcer: Enforcer, listen: &str, upstream: &str) -> Result<Server> {
    let enforcer = Arc::new(enforcer);
    let mut server = Server::new(None)?;
    server.bootstrap();
    let proxy = Proxy { enforcer: enforcer.clone(), upstream: upstream.to_owned() };
    let mut service = http_proxy_service(&server.configuration, proxy);
    service.add_tcp(listen);
    server.add_service(service);
    server.add_service(background_service("issuers", FollowIssuers(enforcer)));
    Ok(server)
}

/// Who is believed, and what they may do.
pub fn enforcer(issuer: &str) -> Result<Enforcer, faregate::BuildError> {
    Enforcer::builder()
        .issuer(Issuer::at(issuer).audience("orders"))
        .route("/health", "public")
        .route_for("GET", "/orders/**", "scope orders:read")
        .route_for("*", "/orders/**", "scope orders:write")
        .build()
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let issuer = std::env::var("ISSUER").map_err(|_| "set ISSUER to the URL of whoever issues the tokens")?;
    let enforcer = enforcer(&issuer)?;
    server(enforcer, "127.0.0.1:6188", "127.0.0.1:3000")?.run_forever()
}
