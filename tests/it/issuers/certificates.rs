//! Issuers whose certificates are signed by an authority of their own: `ca_file`.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{eventually, outcome, passed, refused};
use crate::support::files::Folder;
use crate::support::foreign_issuer::{ForeignIssuer, INTROSPECT, Reply, TOKEN};
use crate::support::gateway::{Gateway, Reloadable};
use crate::support::tls::{Authority, Relay};
use crate::support::visitor::Visitor;

fn sections(issuer: &str, ca_file: &str) -> String {
    format!(
        "issuers: {{ corp: {{ issuer: \"{issuer}\", audience: api{ca_file}, cooldown: 1s, introspection: {{ client_id: gate, \
         client_secret: s }} }} }}\nlogins: {{ corp: {{ issuer: corp, client_id: gate }} }}\nupstreams: {{ app: \
         \"${{UPSTREAM}}\" }}\nroutes:\n  /corp/**: {{ upstream: app, require: authenticated }}\n  /people/**: {{ upstream: \
         app, require: authenticated, login: corp }}\n"
    )
}

/// One that is found at `localhost`, behind TLS.
async fn behind_tls(authority: &Authority) -> (ForeignIssuer, Relay) {
    let mut issuer = ForeignIssuer::start().await;
    let relay = Relay::start(authority, issuer.address);
    issuer.move_to(format!("https://localhost:{}", relay.port));
    (issuer, relay)
}

async fn gateway(issuer: &str, ca_file: &str) -> Gateway {
    Gateway::of(&format!("listen: \"${{LISTEN}}\"\n{}", sections(issuer, ca_file)), &[]).await
}

// G1, M8: metadata, keys and introspection come from whom the file vouches for, and from nobody else
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_of_its_own_vouches_for_an_issuer() {
    let (own, other, folder) = (Authority::new("own"), Authority::new("other"), Folder::new());
    let (corp, _relay) = behind_tls(&own).await;
    corp.reply(INTROSPECT, Reply::json(&json!({ "active": true, "sub": "someone", "aud": "api" })));
    let file = |name: &str, authority: &Authority| format!(", ca_file: {}", folder.write(name, &authority.pem()));
    // The files are read at the start: two authorities in one are two that are believed.
    let both = format!(", ca_file: {}", folder.write("both.crt", &format!("{}{}", other.pem(), own.pem())));
    for (ca_file, good) in
        [(file("own.crt", &own), true), (both, true), (file("other.crt", &other), false), (String::new(), false)]
    {
        let gateway = gateway(&corp.url(), &ca_file).await;
        let (token, opaque) = match good {
            true => (passed(), passed()),
            false => (refused(503, "keys_unavailable"), refused(503, "introspection_unavailable")),
        };
        assert_eq!(outcome(&gateway, "/corp/a", &corp.token(json!({}))).await, token, "{ca_file}");
        assert_eq!(outcome(&gateway, "/corp/a", "opaque").await, opaque, "{ca_file}");
        gateway.running.stop().await;
    }
}

// The token endpoint is asked under the same authority
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_log_in_at_such_an_issuer() {
    let (own, folder) = (Authority::new("own"), Folder::new());
    let (corp, _relay) = behind_tls(&own).await;
    corp.let_people_in(300);
    let gateway = gateway(&corp.url(), &format!(", ca_file: {}", folder.write("own.crt", &own.pem()))).await;
    let mut ann = Visitor::new();
    let led = ann.open(&gateway.url("/people/x")).await;
    let place = led.field("location");
    assert!(place.starts_with(&format!("{}/authorize?", corp.url())), "{led:?}");
    // Her browser has its own reasons to believe the issuer; here it goes there without TLS.
    let back = ann.open(&place.replace(&corp.url(), &format!("http://{}", corp.address))).await;
    let seen = ann.go(back.field("location")).await;
    assert_eq!((seen.status, seen.body.as_str(), corp.count(TOKEN)), (200, "ok", 1), "{seen:?}");
}

// UX 13: another file, or another content of the same one, counts from the next reload on; what cannot be read changes
// nothing
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_is_read_again() {
    let (first, second, folder) = (Authority::new("first"), Authority::new("second"), Folder::new());
    let (mut corp, relay) = behind_tls(&first).await;
    let path = folder.write("ca.crt", &first.pem());
    let sections = sections(&corp.url(), &format!(", ca_file: {path}"));
    let site = Reloadable::start(&sections).await;
    let gateway = &site.gateway;
    eventually(gateway, "/corp/a", &corp.token(json!({})), &passed()).await;

    // The issuer has a new authority, and new keys that nobody can fetch.
    relay.sign_with(&second);
    corp.rotate();
    let token = corp.token(json!({}));
    let began = Instant::now();
    while outcome(gateway, "/corp/a", &token).await != refused(503, "keys_unavailable") {
        assert!(began.elapsed() < Duration::from_secs(5), "its certificate is believed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    folder.write("ca.crt", "nonsense");
    let refusal = site.reload(&sections).await.unwrap_err();
    assert!(refusal.contains("certificate"), "{refusal}");
    folder.write("ca.crt", &second.pem());
    let summary = site.reload(&sections).await.unwrap();
    assert!(summary.contains("1 issuer changed (corp)") && summary.contains("certificates changed"), "{summary}");
    eventually(gateway, "/corp/a", &token, &passed()).await;
}
