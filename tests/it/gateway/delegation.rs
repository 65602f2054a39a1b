//! A person's token, exchanged by one service for a token with which it calls the next (RFC 8693), at the gate.

use serde_json::Value;

use crate::support::gateway::{Gateway, client};
use crate::support::gateway_people::text;

const SITE: &str = r#"
listen: "${LISTEN}"
issuers: { self: {} }
upstreams: { mail: "${UPSTREAM}" }
routes:
  /mail/**: { upstream: mail, tokens: self, audience: e13365f1-a270-493e-bd1b-3d239d753d53, require: permission read on mail }
  /fresh/**: { upstream: mail, tokens: self, audience: e13365f1-a270-493e-bd1b-3d239d753d53, require: permission read on mail, permissions: live }
  /only/**: { upstream: mail, tokens: self, audience: e13365f1-a270-493e-bd1b-3d239d753d53, require: claim act.sub == "7c1e3d5f-08a4-4b6e-9f21-6d2c8e4a9b10" }
directory:
  tenants: { default: { id_token_algorithm: ES256 } }
  applications:
    web:
      tenant: default
      client_id: web
      client_secret: "${SECRET}"
      grants: [password]
      token_exchange_clients: [orders]
  users: { ada@example.com: { tenant: default, password: "${SECRET}" } }
  entity_types: { api: { permissions: [read] }, service: {} }
  entities:
    mail: { id: e13365f1-a270-493e-bd1b-3d239d753d53, type: api, client_secret: "${SECRET}" }
    orders: { id: 7c1e3d5f-08a4-4b6e-9f21-6d2c8e4a9b10, type: service, client_id: orders, client_secret: "${SECRET}" }
  grants: [{ recipient: orders, target: mail, permissions: [read] }]
"#;

const SECRET: &str = "a-long-secret-for-everybody-in-here-0123456789";

async fn ask(gateway: &Gateway, client_id: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let own = [("client_id", client_id), ("client_secret", SECRET)];
    gateway.post_form("/oauth2/token", &[&own[..], form].concat()).await
}

async fn status(gateway: &Gateway, path: &str, token: &str) -> u16 {
    client().get(gateway.url(path)).bearer_auth(token).send().await.unwrap().status().as_u16()
}

// RFC 8693 1.1, F-194, V3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_service_learns_who_acts_for_whom() {
    let gateway = Gateway::of(SITE, &[("SECRET", SECRET)]).await;
    let form = [("grant_type", "password"), ("username", "ada@example.com"), ("password", SECRET)];
    let (_, tokens) = ask(&gateway, "web", &form).await;
    let of_ada = text(&tokens, "access_token");
    assert_eq!(status(&gateway, "/mail/x", &of_ada).await, 401, "it is for `web`");
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &of_ada),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", "mail"),
    ];
    let (granted, tokens) = ask(&gateway, "orders", &exchange).await;
    assert_eq!(granted, 200, "{tokens}");
    let token = text(&tokens, "access_token");
    for path in ["/mail/x", "/fresh/x", "/only/x"] {
        assert_eq!(status(&gateway, path, &token).await, 200, "{path}");
    }
    let seen = gateway.upstream.last();
    let ada = text(&crate::support::authorization_server::part(&of_ada, 1), "sub");
    assert_eq!(seen.field("x-auth-subject"), Some(ada.clone()));
    assert_eq!(seen.field("x-auth-client"), Some("orders".to_owned()));
    // What `orders` may do is taken away from it, for whomever it acts.
    let directory = gateway.running.directory();
    let orders = directory.find_client(gateway.running.tenant_id, "orders").await.unwrap().unwrap();
    let mail = directory.find_target(orders.tenant_id, "mail").await.unwrap().unwrap();
    directory.delete_grant(orders.id, mail.id).await.unwrap();
    assert_eq!((status(&gateway, "/mail/x", &token).await, status(&gateway, "/fresh/x", &token).await), (200, 403));
    assert_eq!(ask(&gateway, "orders", &exchange).await.0, 400);
}
