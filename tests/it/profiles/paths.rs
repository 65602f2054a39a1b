//! D1: which requests are for which tenant, and which paths are ours at all.

use std::time::Duration;

use faregate::directory::NewTenant;
use faregate::model::{
    Application, ApplicationGrant, ApplicationSettings, ClientAuthenticationPolicy, Profile, Tenant,
};
use faregate::profile::{Dialect, Endpoint};
use faregate::store::Store as _;
use uuid::Uuid;

use crate::support::authorization_server::{OTHER_TENANT, PUBLIC_URL, TENANT, TestServer, speaking};
use crate::support::gateway::Gateway;

const EVERYTHING: &str = "upstreams: { app: \"${UPSTREAM}\" }\nroutes:\n  /**: { upstream: app, public: true }\n";

/// Those with paths of their own.
fn profiles() -> impl Iterator<Item = Profile> {
    Profile::ALL.into_iter().filter(|profile| !Dialect::of(*profile).own_paths.is_empty())
}

/// Whether a request ended at the upstream.
async fn is_forwarded(gateway: &Gateway, path: &str) -> bool {
    let before = gateway.upstream.count();
    gateway.request("GET", path, "").await;
    gateway.upstream.count() > before
}

// F-330, D1: the routes keep what nobody speaks; a tenant that is made while we run takes its paths, and gives them back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_is_ours_while_a_tenant_speaks_its_profile() {
    let gateway = Gateway::with(EVERYTHING, &[]).await;
    let directory = gateway.running.directory().clone();
    for profile in profiles() {
        let paths = Dialect::of(profile).own_paths;
        for (_, path) in paths {
            assert!(is_forwarded(&gateway, path.alone).await, "{profile:?}: {} without a tenant", path.alone);
        }
        let new = NewTenant { name: "realm".to_owned(), profile, ..NewTenant::default() };
        let tenant = directory.create_tenant(new).await.unwrap();
        for _ in 0..200 {
            if !is_forwarded(&gateway, paths[0].1.alone).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for (_, path) in paths {
            assert!(!is_forwarded(&gateway, path.alone).await, "{profile:?}: {}", path.alone);
            assert!(!is_forwarded(&gateway, &format!("/{}{}", tenant.id, path.alone)).await, "{profile:?}: {path:?}");
            let realm = is_forwarded(&gateway, &format!("/realm{}", path.alone)).await;
            assert_eq!(realm, !Dialect::of(profile).has_realms, "{profile:?}: {path:?}");
            assert!(is_forwarded(&gateway, &format!("{}/more", path.alone)).await, "{profile:?}: below {path:?}");
            assert!(is_forwarded(&gateway, &format!("/orders{}", path.alone)).await, "{profile:?}: {path:?}");
        }
        directory.delete_tenant(tenant.id).await.unwrap();
        for _ in 0..200 {
            if is_forwarded(&gateway, paths[0].1.alone).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(is_forwarded(&gateway, paths[0].1.alone).await, "{profile:?}: after its tenant");
    }
    assert!(gateway.metrics().await.contains(r#"route="/{tenant}/oauth/token""#));
}

/// A tenant beside the default one, with a public client `native` for devices.
async fn add(server: &TestServer, id: Uuid, name: &str, profile: Profile) {
    let mut tenant = Tenant { profile, ..Tenant::new(id, name, 3) };
    tenant.id_token_algorithm = "ES256".to_owned();
    server.store.insert_tenant(&tenant).await.unwrap();
    server.keys.reload().await.unwrap();
}

async fn add_client(server: &TestServer, tenant_id: Uuid, client_id: &str) {
    let settings = ApplicationSettings {
        client_authentication: ClientAuthenticationPolicy::NotRequired,
        grants: vec![ApplicationGrant::DeviceCode, ApplicationGrant::RefreshToken],
        ..ApplicationSettings::default()
    };
    let application = Application {
        id: Uuid::new_v4(),
        tenant_id,
        name: client_id.to_owned(),
        client_id: client_id.to_owned(),
        client_secrets: Vec::new(),
        roles: Vec::new(),
        settings,
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    };
    server.store.insert_application(&application).await.unwrap();
    server.absorb().await;
}

/// The path of the tenant that answered a device, or the error.
async fn asked(server: &TestServer, path: &str, form: &str) -> String {
    let answer = server.post(path).body(form).send().await.json();
    match answer["verification_uri"].as_str() {
        Some(uri) => uri.strip_prefix(PUBLIC_URL).unwrap().to_owned(),
        None => answer["error"].as_str().unwrap().to_owned(),
    }
}

// D1
#[tokio::test]
async fn hints_say_which_tenant_is_meant() {
    const THIRD: Uuid = Uuid::from_u128(0x333);
    let server = TestServer::start().await;
    add_client(&server, TENANT, "ours").await;
    // Nobody speaks so: there is nothing, whatever the paths of the handlers are.
    assert_eq!(server.post("/oauth/device/code").body("client_id=ours").send().await.status, 404);
    add(&server, OTHER_TENANT, "other", Profile::Auth0).await;
    add_client(&server, OTHER_TENANT, "native").await;
    let other = format!("/{OTHER_TENANT}/activate");
    let code = "/oauth/device/code";
    // The only one is meant, and no other tenant's client counts there.
    assert_eq!(asked(&server, code, "client_id=native").await, other);
    assert_eq!(asked(&server, code, "client_id=ours").await, "invalid_client");
    let of_tenant = |id: Uuid| format!("/{id}{code}");
    assert_eq!(asked(&server, &of_tenant(OTHER_TENANT), "client_id=native").await, other);
    assert_eq!(server.post(&of_tenant(TENANT)).body("client_id=ours").send().await.status, 404);
    assert_eq!(asked(&server, code, &format!("client_id=native&tenantId={TENANT}")).await, "invalid_request");
    assert_eq!(asked(&server, code, &format!("client_id=native&tenantId={OTHER_TENANT}")).await, other);
    // Of two, the one that knows the client.
    add(&server, THIRD, "third", Profile::Auth0).await;
    add_client(&server, THIRD, "television").await;
    assert_eq!(asked(&server, code, "client_id=native").await, other);
    assert_eq!(asked(&server, code, "client_id=television").await, format!("/{THIRD}/activate"));
    // Nobody knows which: say it.
    let unclear = server.post(code).body("client_id=unknown").send().await;
    assert_eq!(unclear.verdict(), (400, "invalid_request".to_owned(), "missing_tenant_id".to_owned()));
    assert!(unclear.text().contains("tenantId"), "{}", unclear.text());
    add_client(&server, THIRD, "native").await;
    assert_eq!(asked(&server, code, "client_id=native").await, "invalid_request");
    let header = server.post(code).header("X-FusionAuth-TenantId", &THIRD.to_string()).body("client_id=native");
    assert!(header.send().await.text().contains(&THIRD.to_string()));
    // The shared paths lead to the same tenant.
    assert_eq!(asked(&server, "/oauth2/device_authorize", "client_id=television").await, format!("/{THIRD}/activate"));
}

// D1, D19: who is asked which tenant is meant is told so in their own way
#[tokio::test]
async fn people_and_programs_are_asked_for_the_tenant_in_their_own_way() {
    const THIRD: Uuid = Uuid::from_u128(0x333);
    let server = TestServer::start().await;
    for (id, name) in [(OTHER_TENANT, "other"), (THIRD, "third")] {
        add(&server, id, name, Profile::Auth0).await;
        add_client(&server, id, "native").await;
    }
    let query = "client_id=native&response_type=code&redirect_uri=https%3A%2F%2Fapp.example%2F";
    for path in ["/authorize", "/oauth2/authorize", "/v2/logout", "/activate"] {
        let url = format!("{path}?{query}");
        let page = server.get(&url).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8").send().await;
        assert_eq!(page.status, 400, "{path}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(page.text().contains("tenantId"), "it says what to do: {}", page.text());
        let json = server.get(&url).header("accept", "application/json").send().await;
        assert_eq!(json.verdict(), (400, "invalid_request".to_owned(), "missing_tenant_id".to_owned()), "{path}");
    }
    // Endpoints of programs know no pages.
    let token = server.post("/oauth/token").header("accept", "text/html").body("client_id=native").send().await;
    assert_eq!(token.verdict(), (400, "invalid_request".to_owned(), "missing_tenant_id".to_owned()));
    // With a hint there is nothing to ask.
    let named = server.get(&format!("/{THIRD}/activate")).header("accept", "text/html").send().await;
    assert_eq!(named.status, 200, "{}", named.text());
}

// D1: of several, the default tenant.
#[tokio::test]
async fn the_default_tenant_is_meant_without_a_hint() {
    let server = TestServer::start_with(speaking(Profile::Auth0)).await;
    add(&server, OTHER_TENANT, "other", Profile::Auth0).await;
    for tenant_id in [TENANT, OTHER_TENANT] {
        add_client(&server, tenant_id, "native").await;
    }
    assert_eq!(asked(&server, "/oauth/device/code", "client_id=native").await, "/activate");
    assert_eq!(server.get("/activate").send().await.status, 200);
}

// D1: what clients are told, and where a browser is led, is said in the profile's own words.
#[tokio::test]
async fn the_metadata_names_the_paths_of_the_profile() {
    for profile in Profile::ALL {
        let server = TestServer::start_with(speaking(profile)).await;
        let metadata = server.get("/.well-known/openid-configuration").send().await.json();
        for (member, endpoint) in [
            ("authorization_endpoint", Endpoint::Authorize),
            ("end_session_endpoint", Endpoint::Logout),
            ("introspection_endpoint", Endpoint::Introspect),
            ("jwks_uri", Endpoint::KeySet),
            ("revocation_endpoint", Endpoint::Revoke),
            ("token_endpoint", Endpoint::Token),
            ("userinfo_endpoint", Endpoint::UserInfo),
        ] {
            if let Some(found) = metadata[member].as_str() {
                let path = found.strip_prefix(metadata["issuer"].as_str().unwrap()).unwrap();
                assert_eq!(path, Dialect::of(profile).path(endpoint), "{profile:?}");
                assert_ne!(server.get(path).send().await.status, 404, "{profile:?}: {path}");
            }
        }
    }
}

// D1, UX 9: what is explained before the start is what happens after it.
#[tokio::test]
async fn an_explanation_knows_the_paths_of_declared_tenants() {
    use faregate::cli::explain::{Asked, explain};
    use faregate::config::{self, Environment};

    let text = "listen: 127.0.0.1:0\nstore: \"sqlite::memory:\"\nupstreams: { app: \"builtin:echo\" }\n\
                routes: { \"/**\": { upstream: app, public: true } }\n\
                directory: { tenants: { tv: { profile: auth0 }, master: { profile: simpleidserver } } }\n";
    let config = config::parse("test.yaml", text, &Environment::default()).unwrap();
    for (path, is_own) in [
        ("/oauth/token", true),
        ("/master/token", true),
        ("/master/oauth2/two-factor", true),
        ("/authorization/token", false),
        ("/orders/token", false),
        ("/tv/oauth/token", false),
        ("/oauth/token/more", false),
    ] {
        let asked = Asked { method: http::Method::GET, path, host: None, credential: None };
        let explained = explain(&config, &asked).await.text();
        assert_eq!(explained.contains("the authorization server's own"), is_own, "{explained}");
    }
}
