//! `faregate apply` and `faregate diff`: files, a store, and what lies between them.

use serde_json::json;

use super::{DIRECTORY, HEAD, ROUTES, Site};
use crate::support::process::{Run, faregate};

const FILE: &str = "
tenants: { acme: { access_token_life: 10m } }
entity_types: { api: { permissions: [read, write] } }
entities:
  orders: { type: api }
  billing: { type: api, client_secret: '${BILLING_SECRET}' }
grants: [{ recipient: billing, target: orders, permissions: [read] }]
applications: { shop: { roles: [admin], redirect_uris: ['https://shop.example.com/callback'] } }
users: { ann@example.com: { password: '${ANN_PASSWORD}', registrations: { shop: [admin] } } }
";

const BILLING_SECRET: &str = "billing-secret-billing-secret-billing-secret";
const ANN_PASSWORD: &str = "velvet anchor gravel";

fn run(site: &Site, arguments: &[&str]) -> Run {
    let mut command = faregate(site.folder.path(), arguments);
    command.env("BILLING_SECRET", BILLING_SECRET).env("ANN_PASSWORD", ANN_PASSWORD);
    let run = Run::of(&mut command);
    for secret in [BILLING_SECRET, ANN_PASSWORD] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run:?}");
    }
    run
}

fn site() -> Site {
    let site = Site::with(&[]);
    site.write_file("directory.yaml", FILE);
    site
}

// A plan first, then what was done; a second time changes nothing and says so
#[test]
fn a_file_is_applied_once() {
    let site = site();
    let diff = run(&site, &["diff", "-f", "directory.yaml"]);
    assert_eq!(diff.code, 2, "{diff:?}");
    // UX 15: it only reads, so it says that there is no store and makes none.
    assert!(diff.stderr.contains("faregate.db yet; `faregate serve`") && diff.stderr.contains("a new one"), "{diff:?}");
    let made = |name: &str| site.file(name).exists();
    assert!(!made("faregate.db") && !made("faregate.key"), "nothing is made");
    for line in [
        "+ tenant \"acme\"\n    access_token_life: 600\n",
        "+ entity \"orders\"\n    client_secret: will be generated\n",
        "+ entity \"billing\"\n    client_secret: as declared\n",
        "+ grant \"billing -> orders\"\n    permissions: read\n",
        "+ registration \"ann@example.com -> shop\"\n    roles: admin\n",
        "Plan: 8 to create, 0 to change, 0 to delete, 0 unchanged.\n",
    ] {
        assert!(diff.stdout.contains(line), "{line:?} in {}", diff.stdout);
    }
    let applied = run(&site, &["apply", "-f", "directory.yaml"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(applied.stdout.starts_with(&diff.stdout), "{}", applied.stdout);
    assert!(applied.stdout.contains("Done: 8 created, 0 changed, 0 deleted, 0 unchanged.\n"), "{}", applied.stdout);
    let secrets = applied.stdout.split_once("shown once:\n").expect("secrets").1;
    assert_eq!(secrets.lines().count(), 3, "a head, an entity and an application: {secrets}");
    let again = run(&site, &["apply", "-f", "directory.yaml"]);
    assert_eq!((again.code, again.stdout.as_str()), (0, "No difference: 8 unchanged.\nNothing changed.\n"));
    assert_eq!(run(&site, &["diff", "-f", "directory.yaml"]).code, 0);
    assert_eq!(site.json(&["tenant", "list"])[0]["name"], "acme", "no other tenant was made");
}

// The same for scripts
#[test]
fn plans_and_results_are_json_when_asked() {
    let site = site();
    let arguments = ["-f", "directory.yaml", "--format", "json"];
    let diff = run(&site, &[&["diff"][..], &arguments].concat());
    let plan: serde_json::Value = serde_json::from_str(&diff.stdout).expect("JSON");
    assert_eq!((diff.code, &plan["differences"], &plan["unchanged"]), (2, &json!(true), &json!(0)));
    let fields = json!([{ "field": "access_token_life", "old": 3600, "new": 600 }]);
    assert_eq!(
        plan["steps"][0],
        json!({ "action": "create", "object": "tenant \"acme\"", "drift": false, "fields": fields })
    );
    let applied = run(&site, &[&["apply"][..], &arguments].concat()).json();
    assert_eq!(applied["plan"], plan);
    let secret = &applied["done"]["secrets"][0];
    assert_eq!(
        (&secret["kind"], &secret["tenant"], &secret["name"]),
        (&json!("entity"), &json!("acme"), &json!("orders"))
    );
    assert!(secret["client_secret"].as_str().is_some_and(|secret| secret.len() > 40), "{secret}");
    let again = run(&site, &[&["apply"][..], &arguments].concat()).json();
    assert_eq!((&again["done"]["created"], &again["done"]["secrets"]), (&json!([]), &json!([])));
    assert_eq!(again["done"]["unchanged"], 8);
}

// Drift is told from a change of the file, and apply takes it back
#[test]
fn what_was_changed_by_hand_is_a_difference() {
    let site = site();
    assert_eq!(run(&site, &["apply", "-f", "directory.yaml"]).code, 0);
    site.json(&["application", "update", "shop", "--redirect-uri", "https://elsewhere.example.com/"]);
    let diff = run(&site, &["diff", "-f", "directory.yaml"]);
    assert_eq!(diff.code, 2);
    let change = "~ application \"shop\" (changed by hand since it was applied)\n    redirect_uris: https://elsewhere.example.com/ -> https://shop.example.com/callback\n";
    assert!(diff.stdout.contains(change), "{}", diff.stdout);
    assert_eq!(run(&site, &["apply", "-f", "directory.yaml"]).code, 0);
    assert_eq!(run(&site, &["diff", "-f", "directory.yaml"]).code, 0);

    site.json(&["grant", "delete", "billing", "orders"]);
    site.write_file("directory.yaml", &FILE.replace("roles: [admin]", "roles: [admin, clerk]"));
    let diff = run(&site, &["diff", "-f", "directory.yaml"]);
    assert!(diff.stdout.contains("+ grant \"billing -> orders\" (deleted by hand since it was applied)\n"), "{diff:?}");
    assert!(diff.stdout.contains("~ application \"shop\"\n    roles.clerk"), "the file changed: {diff:?}");
}

// Only what was applied is pruned, and never everything by accident
#[test]
fn pruning_spares_what_others_made() {
    let site = site();
    assert_eq!(run(&site, &["apply", "-f", "directory.yaml"]).code, 0);
    site.json(&["entity", "create", "by hand", "--type", "api"]);
    site.write_file("less.yaml", "tenants: { acme: {} }\nentity_types: { api: { permissions: [read] } }\n");
    let without = run(&site, &["diff", "-f", "less.yaml"]);
    assert!(without.stdout.contains("entity \"orders\" is in no file any more; --prune deletes it\n"), "{without:?}");
    let pruned = run(&site, &["apply", "-f", "less.yaml", "--prune"]);
    assert_eq!(pruned.code, 0, "{pruned:?}");
    for line in ["- entity \"orders\"\n", "- user \"ann@example.com\"\n", "- grant \"billing -> orders\"\n"] {
        assert!(pruned.stdout.contains(line), "{line:?} in {}", pruned.stdout);
    }
    let left = site.json(&["entity", "list"]);
    assert_eq!((left.as_array().map(Vec::len), &left[0]["name"]), (Some(1), &json!("by hand")));

    site.write_file("empty.yaml", "# nothing\n");
    let refused = run(&site, &["apply", "-f", "empty.yaml", "--prune"]);
    assert!(refused.complaint(2).contains("--allow-empty"), "{refused:?}");
    let emptied = run(&site, &["apply", "-f", "empty.yaml", "--prune", "--allow-empty"]);
    assert_eq!(emptied.code, 0, "{emptied:?}");
    assert!(emptied.stdout.contains("tenant \"acme\" is kept: it is in use by what others made\n"), "{emptied:?}");
}

// What others made is refused until it is to be adopted; every mistake has its line
#[test]
fn mistakes_are_told_with_their_places() {
    let site = site();
    assert_eq!(run(&site, &["apply", "-f", "directory.yaml"]).code, 0);
    site.json(&["entity", "create", "by hand", "--type", "api"]);
    site.write_file("claim.yaml", "entities: { by hand: { type: api } }\n");
    let refused = run(&site, &["diff", "-f", "claim.yaml"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("was not made by `faregate apply`"), "{refused:?}");
    let adopted = run(&site, &["apply", "-f", "claim.yaml", "--adopt"]);
    assert!(adopted.stdout.contains("~ entity \"by hand\"\n    managed_by: apply\n"), "{adopted:?}");

    site.write_file("bad.yaml", "entities:\n  x: { typ: api }\n  y: { type: api, client_secret: hunter2 }\n");
    let bad = run(&site, &["apply", "-f", "bad.yaml", "-f", "nowhere.yaml"]);
    assert_eq!(bad.code, 2, "{bad:?}");
    for part in ["bad.yaml:2:8", "did you mean \"type\"", "bad.yaml:3:", "nowhere.yaml", "cannot be read"] {
        assert!(bad.stderr.contains(part), "{part} in {}", bad.stderr);
    }
    assert!(!bad.stderr.contains("hunter2"), "{}", bad.stderr);
    assert_eq!(run(&site, &["diff", "-f", "bad.yaml"]).code, 1, "never taken for a difference");
}

// A folder's files refer to each other; a whole configuration counts with its `directory:`; both owners go together
#[test]
fn files_of_a_folder_are_one_declaration() {
    let site = Site::with(&[ROUTES, DIRECTORY]);
    std::fs::create_dir(site.file("parts")).unwrap();
    site.write_file("parts/1-grants.yaml", "grants: [{ recipient: cron, target: orders, permissions: [read] }]\n");
    site.write_file("parts/2-entities.yml", "entities: { cron: { type: service } }\n");
    site.write_file("parts/notes.txt", "not: read\n");
    site.write_file("whole.yaml", &format!("{HEAD}directory: {{ entity_types: {{ job: {{}} }} }}\n"));
    let mut gateway = site.serve();
    let applied = run(&site, &["apply", "-f", "parts", "-f", "whole.yaml", "--format", "json"]).json();
    assert_eq!(
        applied["done"]["created"],
        json!(["entity type \"job\"", "entity \"cron\"", "grant \"cron -> orders\""]),
        "{applied}"
    );
    // The secret that was shown opens the door, without a restart.
    let secret = &applied["done"]["secrets"][0];
    let client = (secret["client_id"].as_str().unwrap(), secret["client_secret"].as_str().unwrap());
    assert!(!gateway.token(client, super::READ).is_empty());
    gateway.stop();
    gateway = site.serve();
    assert!(!gateway.token(client, super::READ).is_empty(), "a start with `directory:` leaves it alone");
    gateway.stop();
    let diff = run(&site, &["diff", "-f", "parts", "-f", "whole.yaml", "--prune"]);
    assert_eq!((diff.code, diff.stdout.as_str()), (0, "No difference: 3 unchanged.\n"));
}
