//! `faregate tenant|entity-type|entity|grant`: beside a running gateway, which hears of it.

use std::time::Duration;

use serde_json::json;

use super::{CALLER, DIRECTORY, HEAD, READ, ROUTES, Site};

const WITHIN: Duration = Duration::from_secs(1);

/// Types, two entities and a grant, made by commands. Answers the caller's credentials.
fn populated(site: &Site) -> (String, String) {
    site.json(&["entity-type", "create", "api", "--permission", "read"]);
    site.json(&["entity-type", "allow", "api", "write"]);
    site.json(&["entity", "create", "orders", "--type", "api"]);
    let caller = site.json(&["entity", "create", "reporting", "--type", "api", "--client-id", "reports"]);
    site.json(&["grant", "set", "reporting", "orders", "--permission", "read"]);
    (caller["client_id"].as_str().unwrap().to_owned(), caller["client_secret"].as_str().unwrap().to_owned())
}

// M9, T22: what is changed by a command is true for the running gateway within a second.
#[test]
fn a_running_gateway_hears_of_every_change() {
    let site = Site::with(&[ROUTES]);
    let gateway = site.serve();
    let (id, secret) = populated(&site);
    assert_eq!(id, "reports");
    let asks = |secret: &str, scope: &str| {
        let answer = gateway.ask_for_token((&id, secret), scope);
        (answer.status(), answer.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let becomes = |secret: &str, scope: &str, status: u16, error: &str| {
        let (expected, mut answers) = ((status, error.to_owned()), Vec::new());
        // Not more often: whoever asks ten times with a wrong secret is refused for a while (D6).
        for _ in 0..3 {
            std::thread::sleep(WITHIN / 3);
            answers.push(asks(secret, scope));
            if answers.last() == Some(&expected) {
                return;
            }
        }
        panic!("{expected:?} within {WITHIN:?}, not {answers:?}");
    };
    becomes(&secret, READ, 200, "");
    let token = gateway.token((&id, &secret), READ);
    assert_eq!(gateway.request_with(&token, "GET", "/api/orders").status(), 200);
    assert_eq!(gateway.request_with(&token, "POST", "/api/orders").status(), 403);

    site.json(&["grant", "set", "reporting", "orders", "--permission", "write"]);
    becomes(&secret, READ, 400, "invalid_scope");
    becomes(&secret, "target-entity:orders:write", 200, "");

    let renewed = site.json(&["entity", "regenerate-secret", "reporting", "--keep-old", "60"]);
    let renewed = renewed["client_secret"].as_str().unwrap();
    assert_ne!(renewed, secret);
    becomes(renewed, "", 200, "");
    becomes(&secret, "", 200, "");
    let last = site.json(&["entity", "regenerate-secret", "reporting"]);
    let last = last["client_secret"].as_str().unwrap();
    becomes(&secret, "", 401, "invalid_client");
    becomes(last, "", 200, "");

    assert_eq!(
        site.json(&["grant", "delete", "reporting", "orders"]),
        json!({ "deleted": { "recipient": "reporting", "target": "orders" } })
    );
    becomes(last, "target-entity:orders", 400, "invalid_scope");
    assert_eq!(site.run(&["entity", "delete", "reporting"]).code, 0);
    becomes(last, "", 401, "invalid_client");
}

// A secret is shown when it is made and never again (T77).
#[test]
fn a_secret_is_shown_once() {
    let site = Site::with(&[ROUTES]);
    let (_, secret) = populated(&site);
    for arguments in [&["entity", "list"][..], &["grant", "list"], &["tenant", "list"], &["entity-type", "list"]] {
        for format in ["text", "json"] {
            let run = site.run(&[arguments, &["--format", format]].concat());
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
            assert!(!run.stdout.contains(&secret) && !run.stdout.contains("secret"), "{run:?}");
        }
    }
    let created = site.run(&["entity", "create", "mail", "--type", "api"]);
    assert_eq!(created.stdout.matches("client_secret").count(), 1, "{created:?}");
    let store = std::fs::read(site.file("faregate.db")).unwrap();
    assert!(!store.windows(secret.len()).any(|window| window == secret.as_bytes()), "stored as a hash (P3)");
}

// UX 15: whoever only reads makes nothing, and is told what is missing
#[test]
fn a_store_that_is_not_there_is_not_made_by_reading() {
    let site = Site::with(&[ROUTES]);
    let files = || std::fs::read_dir(site.folder.path()).unwrap().count();
    for arguments in [
        "tenant list",
        "entity-type list",
        "entity list",
        "grant list",
        "application list",
        "application show shop",
        "user list",
        "user show ann",
        "user access ann",
        "user passkeys ann",
        "api-key list",
        "key list",
    ] {
        let refused = site.run(&arguments.split(' ').collect::<Vec<_>>());
        let said = refused.complaint(3);
        assert!(said.contains("there is no store ") && said.contains("faregate.db yet; `faregate serve`"), "{said}");
        assert_eq!(files(), 1, "{arguments}: only the configuration is there");
    }
    site.json(&["entity-type", "create", "api"]);
    std::fs::remove_file(site.file("faregate.key")).unwrap();
    assert_eq!(site.json(&["tenant", "list"])[0]["name"], "default");
    assert!(!site.file("faregate.key").exists(), "nothing is sealed by reading");
}

// UX 15: nor by changing what cannot be there
#[test]
fn a_store_that_is_not_there_is_not_made_by_changing() {
    let site = Site::new();
    let files = || std::fs::read_dir(site.folder.path()).unwrap().count();
    for arguments in [
        "tenant delete acme",
        "entity-type allow api write",
        "entity regenerate-secret orders",
        "grant set reporting orders --permission read",
        "application update shop --role admin",
        "user lock ann@example.com",
        "user set-password ann@example.com",
        "user passkeys ann@example.com --remove",
        "api-key delete e13365f1-a270-493e-bd1b-3d239d753d53",
        "key rotate",
    ] {
        let refused = site.run_with_input(&arguments.split(' ').collect::<Vec<_>>(), "");
        let said = refused.complaint(3);
        assert!(said.contains("there is no store ") && said.contains("`faregate serve`"), "{arguments}: {said}");
        assert_eq!(files(), 1, "{arguments}: only the configuration is there");
    }
}

// UX 15: what is created first finds what the configuration declares, and stands in the way of no start
#[test]
fn what_is_created_before_the_first_start_is_beside_what_is_declared() {
    let site = Site::new();
    let created = site.json(&["entity", "create", "mail", "--type", "api"]);
    assert!(created["client_secret"].is_string(), "{created}");
    assert_eq!(site.run(&["grant", "set", "reporting", "mail", "--permission", "read"]).code, 0);
    let gateway = site.serve();
    gateway.token(CALLER, "target-entity:mail:read target-entity:orders:read");
    drop(gateway);
    let wrong = site.run(&["entity", "create", "other", "--type", "api", "--tenant", "acme"]);
    assert!(wrong.complaint(1).contains("there is no tenant \"acme\"; there are: default"), "{wrong:?}");
}

// UX 15: a secret of a store that is gone with the command would be good for nothing
#[test]
fn a_store_in_memory_is_the_running_gateways() {
    let site = Site::with(&["store: \"sqlite::memory:\"\n", ROUTES, DIRECTORY]);
    site.write_file("export.jsonl", "{\"email\": \"ann@example.com\"}\n");
    site.write_file("more.yaml", "directory: { entity_types: { mailbox: {} } }\n");
    for arguments in [
        "entity create mail --type api",
        "api-key create terraform",
        "user lock ann@example.com",
        "import users export.jsonl",
        "apply -f more.yaml",
    ] {
        let refused = site.run(&arguments.split(' ').collect::<Vec<_>>());
        assert!(refused.complaint(3).contains("the store is in memory"), "{arguments}: {refused:?}");
    }
}

// D-10, UX 16: a key for what does not exist is a slip, and no key is made
#[test]
fn a_key_is_for_endpoints_that_there_are() {
    let site = Site::with(&[ROUTES]);
    let create = |allowed: &str| site.run(&["api-key", "create", "terraform", "--allow", allowed]);
    for (allowed, said) in [
        ("/api/users=GET", "there is no endpoint \"/api/users\"; did you mean /api/user?"),
        ("/api/user/serch=GET", "did you mean /api/user/search"),
        ("/api/entity/type/nothing=GET", "did you mean /api/entity/type?"),
        ("/api/nope=GET", "there are: /api/api-key, /api/application, /api/entity,"),
        ("/api/user/search=DELETE", "/api/user/search knows no \"DELETE\", only GET, POST"),
        ("/api/user=GET,LOOK", "/api/user knows no \"LOOK\""),
        ("/api/user", "write it like /api/user=GET,POST"),
    ] {
        let refused = create(allowed);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
        assert!(refused.stderr.contains(said), "{allowed}: {}", refused.stderr);
    }
    assert!(!site.file("faregate.db").exists(), "nothing is made");
    let entity = "/api/entity/e13365f1-a270-493e-bd1b-3d239d753d53=GET";
    for allowed in ["/api/user=get, post", "/api/user/two-factor=DELETE", entity] {
        assert_eq!(create(allowed).code, 0, "{allowed}");
    }
    assert_eq!(site.json(&["api-key", "list"]).as_array().unwrap().len(), 3);
}

// Both formats say the same.
#[test]
fn lists_are_for_people_and_for_scripts() {
    let site = Site::with(&[ROUTES]);
    populated(&site);
    let entities = site.json(&["entity", "list"]);
    let names: Vec<_> = entities.as_array().unwrap().iter().map(|entity| entity["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["orders", "reporting"]);
    let text = site.run(&["entity", "list"]).stdout;
    assert!(names.iter().all(|name| text.contains(&format!("  {name}\n"))), "{text}");
    assert_eq!(
        site.json(&["grant", "list"]),
        json!([{ "recipient": "reporting", "target": "orders", "permissions": ["read"] }])
    );
    assert_eq!(site.run(&["grant", "list"]).stdout, "recipient    reporting\ntarget       orders\npermissions  read\n");
    let types = site.json(&["entity-type", "list"]);
    assert_eq!(types[0]["permissions"], json!(["read", "write"]));
    let tenants = site.json(&["tenant", "list"]);
    assert_eq!((tenants.as_array().unwrap().len(), &tenants[0]["name"]), (1, &json!("default")));
}

// Tenants come and go; one with entities stays.
#[test]
fn tenants_come_and_go() {
    let site = Site::with(&[ROUTES]);
    populated(&site);
    let made = site.json(&[
        "tenant",
        "create",
        "partners",
        "--issuer",
        "https://partners.example",
        "--access-token-for",
        "60",
    ]);
    assert_eq!((&made["issuer"], &made["access_token_for"]), (&json!("https://partners.example"), &json!(60)));
    let ambiguous = site.run(&["entity", "create", "mail", "--type", "api"]);
    assert!(ambiguous.complaint(1).contains("--tenant: default, partners"), "{ambiguous:?}");
    site.json(&["entity", "create", "orders", "--type", "api", "--tenant", "partners"]);
    assert_eq!(site.json(&["entity", "list", "--tenant", "partners"]).as_array().unwrap().len(), 1);
    let used = site.run(&["tenant", "delete", "partners"]);
    let complaint = used.complaint(1);
    assert!(complaint.contains("has 1 entity;") && complaint.contains("--with-everything"), "{used:?}");
    site.json(&["entity", "delete", "orders", "--tenant", "partners"]);
    site.json(&["tenant", "delete", "partners"]);
    assert_eq!(site.json(&["tenant", "list"]).as_array().unwrap().len(), 1);
}

// D-11: a tenant with something in it goes only if somebody says so twice, and never the default one
#[test]
fn a_tenant_goes_with_everything_when_that_is_meant() {
    let site = Site::with(&[ROUTES]);
    populated(&site);
    site.json(&["tenant", "create", "partners"]);
    site.json(&["entity", "create", "orders", "--type", "api", "--tenant", "partners"]);
    site.json(&[
        "application",
        "create",
        "shop",
        "--tenant",
        "partners",
        "--redirect-uri",
        "https://shop.example.com/",
    ]);
    for name in ["ann", "bob"] {
        site.json(&["user", "create", name, "--tenant", "partners"]);
    }
    let what = "has 1 application, 1 entity and 2 users";
    let refused = site.run(&["tenant", "delete", "partners"]);
    assert!(refused.complaint(1).contains(what), "{refused:?}");
    // Nobody is there who could be asked.
    let unsure = site.run(&["tenant", "delete", "partners", "--with-everything"]);
    let complaint = unsure.complaint(1);
    assert!(complaint.contains(what) && complaint.contains("--yes"), "{unsure:?}");
    assert_eq!(site.run(&["tenant", "delete", "partners", "--yes"]).code, 2, "not without saying what");
    let default = site.run(&["tenant", "delete", "default", "--with-everything", "--yes"]);
    assert!(default.complaint(1).contains("default tenant"), "{default:?}");
    assert_eq!(site.json(&["entity", "list"]).as_array().unwrap().len(), 3, "nothing is gone");
    let gone = site.json(&["tenant", "delete", "partners", "--with-everything", "--yes"]);
    assert_eq!((&gone["applications"], &gone["entities"], &gone["users"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!(site.json(&["tenant", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(site.json(&["entity", "list"]).as_array().unwrap().len(), 2);
}

// F-183 and the other mistakes: one line that says what there is instead.
#[test]
fn mistakes_are_answered_with_what_there_is() {
    let site = Site::with(&[ROUTES]);
    populated(&site);
    let mut wrong = Vec::new();
    for (arguments, needed) in [
        (
            &["grant", "set", "reporting", "orders", "--permission", "reed"][..],
            &["no permission reed; it has read, write"][..],
        ),
        (&["grant", "set", "reporting", "orders", "--permission", "read,write"], &["read,write"]),
        (&["grant", "set", "nobody", "orders"], &["no entity \"nobody\""]),
        (&["grant", "set", "orders", "nothing"], &["no entity \"nothing\""]),
        (&["grant", "delete", "orders", "reporting"], &["no grant"]),
        (&["entity", "create", "mail", "--type", "aip"], &["no entity type \"aip\"", "api"]),
        (&["entity", "create", "orders", "--type", "api"], &["entity named \"orders\" already"]),
        (&["entity", "create", "mail", "--type", "api", "--client-id", "reports"], &["entity.clientId", "already"]),
        (&["entity", "create", "mail", "--type", "api", "--client-id", "a b"], &["clientId"]),
        (&["entity", "create", "mail", "--type", "api", "--tenant", "acme"], &["no tenant \"acme\"", "default"]),
        (&["entity", "delete", "nobody"], &["no entity \"nobody\""]),
        (&["entity", "regenerate-secret", "nobody"], &["no entity \"nobody\""]),
        (&["entity-type", "create", "api"], &["taken"]),
        (&["entity-type", "create", "bad", "--permission", "a b"], &["a b"]),
        (&["entity-type", "allow", "api", "read"], &["taken"]),
        (&["entity-type", "delete", "api"], &["in use"]),
        (&["entity-type", "delete", "aip"], &["no entity type \"aip\"", "api"]),
        (&["tenant", "create", "default"], &["taken"]),
        (&["tenant", "create", "x", "--issuer", "not a url"], &["issuer"]),
        (&["tenant", "create", "x", "--access-token-for", "0"], &["seconds"]),
        (&["tenant", "create", "x", "--access-token-algorithm", "none"], &["ES256"]),
        (&["tenant", "delete", "nobody"], &["no tenant \"nobody\"", "default"]),
    ] {
        let run = site.run(arguments);
        let complaint = run.complaint(1);
        if !needed.iter().all(|needed| complaint.contains(needed)) {
            wrong.push(format!("{arguments:?}: {complaint}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let negative = site.run(&["entity", "regenerate-secret", "orders", "--keep-old=-1"]);
    assert_eq!((negative.code, negative.stdout.as_str()), (2, ""), "{negative:?}");
    let usage = site.run(&["tenant", "create", "x", "--profile", "keycloak"]);
    assert_eq!((usage.code, usage.stderr.contains("fusionauth")), (2, true), "{usage:?}");
    let site = Site::with(&[ROUTES]);
    site.write(&format!("{HEAD}store: sqlite://nowhere/at/all.db\n{ROUTES}"));
    assert!(site.run(&["entity", "list"]).complaint(3).contains("mkdir -p nowhere/at"));
}

// UX 15: as with `--format`, it does not matter on which side of the verb.
#[test]
fn the_configuration_is_named_before_or_behind_the_verb() {
    let site = Site::with(&[ROUTES]);
    site.write_file("other.yaml", &std::fs::read_to_string(site.file("faregate.yaml")).unwrap());
    std::fs::remove_file(site.file("faregate.yaml")).unwrap();
    assert_eq!(site.run(&["tenant", "list"]).code, 2);
    assert_eq!(site.run(&["entity-type", "create", "api", "--config", "other.yaml"]).code, 0);
    for arguments in [
        &["tenant", "--config", "other.yaml", "list"][..],
        &["tenant", "list", "--config", "other.yaml"],
        &["key", "list", "-c", "other.yaml"],
        &["user", "list", "--config", "other.yaml"],
        &["check", "--config", "other.yaml"],
    ] {
        let run = site.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
    }
}
