//! `faregate import kickstart`: a file, a store, and what became of each request.

use serde_json::{Value, json};

use super::Site;
use crate::support::process::{Run, faregate};

const KICKSTART: &str = include_str!("kickstart.json");
const PASSWORD: &str = "correct horse battery staple";
const KEY: &str = "a-key-from-the-environment-0123456789-abcdefghij";

fn site() -> Site {
    let site = Site::with(&[]);
    site.write_file("kickstart.json", KICKSTART);
    let type_permission = json!({ "permission": { "name": "delete", "description": "@{texts/delete.txt}" } });
    std::fs::create_dir_all(site.file("texts")).unwrap();
    site.write_file("texts/delete.txt", "Removes #{nothing} for good");
    site.write_file("texts/delete.json", &type_permission.to_string());
    site
}

fn import(site: &Site, more: &[&str]) -> Run {
    let arguments = [&["import", "kickstart", "kickstart.json"], more].concat();
    Run::of(faregate(site.folder.path(), &arguments).env("ADMIN_PASSWORD", PASSWORD).env("API_KEY", KEY))
}

fn edit(site: &Site, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_str(KICKSTART).unwrap();
    change(&mut document);
    site.write_file("kickstart.json", &document.to_string());
}

// FusionAuth's Kickstart: variables, the environment, included files, requests in order with the first key
#[test]
fn a_kickstart_file_fills_a_store_and_a_second_run_leaves_it_alone() {
    let site = site();
    let run = import(&site, &["--skip-unknown"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert_eq!(
        run.stdout,
        "note: licenseId means nothing here and was not used\n\
         note: request 1: the user is not registered for FusionAuth's own application, which we do not have; make an API key for administrators\n\
         request 13: POST /api/email/template/0502df1e-4010-4b43-b571-d423fce978b2 is not served\n\
         13 requests: 12 done, 0 there already, 1 skipped. API keys: 2 made, 0 there already.\n"
    );
    let aviato = "b3a1c9de-0000-4000-8000-000000000002";
    let tenants = site.json(&["tenant", "list"]);
    let ids: Vec<&Value> = tenants.as_array().unwrap().iter().map(|tenant| &tenant["id"]).collect();
    assert_eq!(ids, [aviato, "30663132-6464-6665-3032-326466613934"], "{tenants}");
    let dana = site.json(&["user", "show", "dana@example.com", "--tenant", "Aviato"]);
    assert_eq!(dana["registrations"], json!([{ "application": "Bighead", "roles": ["admin", "viewer"] }]));
    assert_eq!(site.json(&["grant", "list"])[0]["permissions"], json!(["delete", "read"]));
    let keys = site.json(&["api-key", "list"]);
    let restricted = keys.as_array().unwrap().iter().find(|key| key["name"] == "Reads the users of Aviato").unwrap();
    assert_eq!(
        (&restricted["tenant_id"], &restricted["endpoints"]),
        (&json!(aviato), &json!({ "/api/user": ["GET"] }))
    );

    let run = import(&site, &["--skip-unknown", "--format", "json"]);
    let report = run.json();
    // What is changed is changed each time, and a grant is made anew. The application is as it was made and changed then.
    assert_eq!((&report["done"], &report["present"]), (&json!(3), &json!(9)), "{report}");
    assert_eq!(report["api_keys"], json!({ "made": 0, "present": 2 }));
    assert!(!run.stdout.contains(PASSWORD) && !run.stdout.contains(KEY));
}

#[test]
fn what_is_not_served_is_told_before_anything_is_done() {
    let site = site();
    let run = import(&site, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    assert!(
        run.stderr.starts_with(
            "request 13: POST /api/email/template/0502df1e-4010-4b43-b571-d423fce978b2 is not served\nfaregate: nothing was done; "
        ),
        "{run:?}"
    );
    assert_eq!(site.json(&["api-key", "list"]), json!([]));

    // Applications are served: it is this one that is not here.
    let own = json!({ "method": "PATCH", "url": "/api/application/3c219e58-ed0e-4b18-ad48-f4f92793ae32", "body": {} });
    edit(&site, |document| document["requests"] = json!([own]));
    let said = import(&site, &[]).stderr;
    let why = "3c219e58-ed0e-4b18-ad48-f4f92793ae32 is about FusionAuth's own application, which is not here\n";
    assert!(said.starts_with(&format!("request 1: PATCH /api/application/{why}")), "{said}");
}

#[test]
fn a_dry_run_shows_the_requests_without_their_secrets() {
    let site = site();
    let run = import(&site, &["--dry-run"]);
    assert_eq!((run.code, run.stderr.contains("there is no store")), (0, true), "{run:?}");
    for part in [
        "variable aviato           b3a1c9de-0000-4000-8000-000000000002\n",
        "variable adminPassword    (hidden)\n",
        "request 2: PATCH /api/tenant/30663132-6464-6665-3032-326466613934\n",
        "request 4: POST /api/application/85a03867-dccf-4882-adde-1a79aeec50df in tenant b3a1c9de-0000-4000-8000-000000000002\n",
        r#""password":"(hidden)""#,
        "request 13: POST /api/email/template/",
        "12 requests and 2 API keys would be made, 1 skipped. Nothing was done.\n",
    ] {
        assert!(run.stdout.contains(part), "{part}\n{}", run.stdout);
    }
    for secret in [PASSWORD, KEY, "bighead-secret", "0ad00c5f140c"] {
        assert!(!run.stdout.contains(secret), "{secret}");
    }
    let plan = import(&site, &["--dry-run", "--format", "json"]).json();
    assert_eq!(
        (&plan["variables"]["apiKey"], &plan["requests"][0]["body"]["user"]["email"]),
        (&json!("(hidden)"), &json!("admin@example.com"))
    );
    // UX 15: not even a store was made.
    assert!(!site.file("faregate.db").exists() && !site.file("faregate.key").exists());
}

// The file stops at the first refused request; after it is mended the same command does the rest
#[test]
fn a_refused_request_is_named_and_the_rest_is_done_later() {
    let site = site();
    edit(&site, |file| file["requests"][4]["body"]["registration"]["roles"] = json!(["nobody"]));
    let run = import(&site, &["--skip-unknown"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""), "{run:?}");
    assert!(
        run.stdout.contains("request 5: POST /api/user/registration was answered with 400\n  registration.roles: [missing]registration.roles "),
        "{run:?}"
    );
    assert!(
        run.stdout.ends_with(
            "13 requests: 4 done, 0 there already, 1 skipped, 1 refused, 7 not tried. API keys: 1 made, 0 there already.\n"
        ),
        "{run:?}"
    );
    site.write_file("kickstart.json", KICKSTART);
    let report = import(&site, &["--skip-unknown", "--format", "json"]).json();
    assert_eq!(
        (&report["done"], &report["present"], &report["not_tried"]),
        (&json!(9), &json!(3), &json!(0)),
        "{report}"
    );
}

// There already, but not as the file says
#[test]
fn what_is_there_and_different_is_an_error() {
    let site = site();
    assert_eq!(import(&site, &["--skip-unknown"]).code, 0);
    for (change, what) in [
        (
            |file: &mut Value| file["requests"][4]["body"]["user"]["firstName"] = json!("Dan"),
            "request 5: POST /api/user/registration",
        ),
        (
            |file: &mut Value| {
                file["requests"][6]["body"] = json!({ "permission": { "name": "delete", "description": "!" } })
            },
            "request 7: POST /api/entity/type/",
        ),
        (
            |file: &mut Value| file["apiKeys"][1]["permissions"]["endpoints"]["/api/user"] = json!(["POST"]),
            "apiKeys[1]\n",
        ),
    ] as [(fn(&mut Value), &str); 3]
    {
        edit(&site, change);
        let run = import(&site, &["--skip-unknown"]);
        assert!(run.code == 1 && run.stdout.contains(what), "{what}: {run:?}");
    }
    edit(&site, |file| file["variables"]["defaultTenantId"] = json!("30663132-6464-6665-3032-000000000000"));
    assert!(
        import(&site, &["--skip-unknown"]).complaint(1).contains("the default tenant \"default\" is there already")
    );
}

#[test]
fn every_mistake_in_the_file_is_told_with_its_place() {
    let site = site();
    std::fs::write(site.folder.path().join("../outside.json"), "{}").unwrap();
    let outside = format!("&{{{}}}", site.folder.path().join("../outside.json").display());
    site.write_file("again.json", r#""&{again.json}""#);
    edit(&site, |file| {
        file["variables"]["key"] = json!("#{ENV.NOWHERE}");
        file["apiKeys"][0]["tenantId"] = json!("#{aviato}");
        file["requests"][0] =
            json!({ "method": "DELETE", "url": "https://elsewhere.example/", "body": "&{../outside.json}" });
        file["requests"][1]["body"] = json!(outside);
        file["requests"][2]["body"]["tenant"]["name"] = json!("#{nobody}");
        file["requests"][3]["body"] = json!("&{again.json}");
        file["requests"][4] = json!("&{nowhere.json}");
    });
    let run = import(&site, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    for (line, part) in run.stderr.lines().zip([
        "variables.key: the environment has no variable NOWHERE",
        "apiKeys[0]: must be for every tenant and endpoint",
        "requests[0].body: the file \"../outside.json\" is outside of the folder",
        "requests[1].body: the file ",
        "requests[2].body.tenant.name: there is no variable \"nobody\"",
        "requests[3].body: the file \"again.json\" includes files that include files",
        "requests[4]: the file \"nowhere.json\" cannot be read",
        "requests[0].method: is not POST, PUT or PATCH",
        "requests[0].url: is not a path",
        "requests[4].method: ",
        "requests[4].url: ",
    ]) {
        assert!(line.starts_with("faregate: kickstart.json: ") && line.contains(part), "{part}: {line}");
    }
    assert_eq!(run.stderr.lines().count(), 11, "{run:?}");
    let _ = std::fs::remove_file(site.folder.path().join("../outside.json"));
    site.write_file("kickstart.json", "{ \"apiKeys\": [");
    assert!(import(&site, &[]).complaint(2).contains("kickstart.json is no JSON at line 1 column"));
    site.write_file("kickstart.json", "{}");
    assert!(import(&site, &[]).complaint(2).contains("apiKeys: needs a key"));
}
