//! Keys in the files of `faregate apply`: made once or brought along, and put to use.

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use serde_json::json;

use super::Site;
use crate::support::process::Run;

const FILE: &str = "
tenants: { acme: { access_token_key: signing } }
keys:
  signing: { algorithm: EdDSA }
  brought: { private_key: '${file:brought.pem}' }
  spare: { algorithm: ES384, tenant: acme }
applications: { shop: { access_token_key: brought, redirect_uris: ['https://shop.example.com/callback'] } }
";

fn pem() -> String {
    let pair = EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap();
    String::from_utf8(PKey::from_ec_key(pair).unwrap().private_key_to_pem_pkcs8().unwrap()).unwrap()
}

fn site() -> Site {
    let site = Site::with(&[]);
    site.write_file("brought.pem", &pem());
    site.write_file("keys.yaml", FILE);
    site
}

/// Never shows what signs.
fn run(site: &Site, arguments: &[&str]) -> Run {
    let run = site.run(arguments);
    assert!(!run.stdout.contains("PRIVATE KEY") && !run.stderr.contains("PRIVATE KEY"), "{run:?}");
    run
}

fn applied(site: &Site) -> Run {
    let applied = run(site, &["apply", "-f", "keys.yaml"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    applied
}

/// Algorithms and states of the keys that sign or will.
fn signing(site: &Site) -> Vec<(String, String)> {
    let keys = site.json(&["key", "list"]);
    let mut found: Vec<_> = keys.as_array().unwrap().iter().collect();
    found.sort_by_key(|key| key["algorithm"].as_str().map(str::to_owned));
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    found.into_iter().map(|key| (text(&key["algorithm"]), text(&key["state"]))).collect()
}

// P2: a key is made once, or brought along, and signs for whom it is declared; a second time changes nothing
#[test]
fn keys_are_made_once_and_put_to_use() {
    let site = site();
    let diff = run(&site, &["diff", "-f", "keys.yaml"]);
    assert_eq!((diff.code, diff.stderr.contains("there is no store")), (2, true), "{diff:?}");
    for line in [
        "+ tenant \"acme\"\n    access_token_algorithm: EdDSA\n",
        "+ key \"signing\"\n    algorithm: EdDSA\n    private_key: will be generated\n",
        "+ key \"brought\"\n    algorithm: ES256\n    private_key: as declared\n",
        "+ use of key \"signing\" for access tokens of tenant \"acme\"\n",
        "+ use of key \"brought\" for access tokens of applications of tenant \"acme\"\n",
        "    access_token_key: brought\n",
        "Plan: 7 to create, 0 to change, 0 to delete, 0 unchanged.\n",
    ] {
        assert!(diff.stdout.contains(line), "{line:?} in {}", diff.stdout);
    }
    let done = applied(&site);
    assert!(done.stdout.starts_with(&diff.stdout), "{}", done.stdout);
    assert!(done.stdout.contains("Done: 7 created, 0 changed, 0 deleted, 0 unchanged.\n"), "{}", done.stdout);
    let text = |algorithm: &str, state: &str| (algorithm.to_owned(), state.to_owned());
    let expected = [text("ES256", "published"), text("EdDSA", "signing")];
    assert_eq!(signing(&site), expected, "the tenant's first key signs at once, the other is published first");
    assert_eq!(applied(&site).stdout, "No difference: 5 unchanged.\nNothing changed.\n");
    assert_eq!(signing(&site), expected, "nothing was made anew");
    assert_eq!(run(&site, &["diff", "-f", "keys.yaml"]).code, 0);
}

// Only what was applied is pruned, and a key only when nobody signs with it
#[test]
fn keys_are_pruned_when_nobody_uses_them() {
    let site = site();
    applied(&site);
    site.write_file("keys.yaml", "tenants: { acme: {} }\nkeys: { other: { algorithm: ES512 } }\n");
    let left = run(&site, &["diff", "-f", "keys.yaml"]);
    assert!(left.stdout.contains("key \"spare\" is in no file any more; --prune deletes it\n"), "{left:?}");
    site.write_file(
        "keys.yaml",
        "tenants: { acme: { access_token_algorithm: EdDSA } }\nkeys: { other: { algorithm: ES512 } }\n",
    );
    let pruned = run(&site, &["apply", "-f", "keys.yaml", "--prune"]);
    assert_eq!(pruned.code, 0, "{pruned:?}");
    for line in ["- application \"shop\"\n", "- key \"spare\"\n", "- key \"brought\"\n", "+ key \"other\"\n"] {
        assert!(pruned.stdout.contains(line), "{line:?} in {}", pruned.stdout);
    }
    assert!(pruned.stdout.contains("key \"signing\" is kept: it is in use"), "{}", pruned.stdout);
    assert_eq!(signing(&site), [("EdDSA".to_owned(), "signing".to_owned())]);
}

// P2: a declared key that was rotated cannot sign again; that is told, and is no difference
#[test]
fn a_rotated_key_is_told_of() {
    let site = site();
    applied(&site);
    let rotated = site.json(&["key", "rotate", "--tenant", "acme"]);
    let again = applied(&site);
    assert!(
        again.stdout.contains("key \"signing\" signed the access tokens of tenant \"acme\" and was replaced since")
    );
    assert!(again.stdout.ends_with("No difference: 5 unchanged.\nNothing changed.\n"), "{}", again.stdout);
    let keys = site.json(&["key", "list"]);
    assert!(keys.as_array().unwrap().iter().any(|key| key["id"] == rotated["successor"]), "{keys}");
    let plan = run(&site, &["diff", "-f", "keys.yaml", "--format", "json"]).json();
    assert_eq!((&plan["differences"], plan["remarks"].as_array().map(Vec::len)), (&json!(false), Some(1)));
}

// E3, D6: what cannot be is said before anything is written
#[test]
fn mistakes_about_keys_are_told_before_anything_is_written() {
    let site = site();
    for (file, part) in [
        ("tenants: { acme: { access_token_key: nobody } }", "there is no key \"nobody\""),
        (
            "tenants: { acme: { access_token_key: k, id_token_key: k } }\nkeys: { k: { algorithm: ES256 } }",
            "one key serves",
        ),
        (
            "tenants: { acme: { access_token_key: k } }\nkeys: { k: { algorithm: ES256 } }\n\
             applications: { shop: { id_token_key: k } }",
            "one key serves",
        ),
        (
            "tenants: { acme: {}, b: { access_token_key: k } }\nkeys: { k: { algorithm: ES256, tenant: acme } }",
            "another tenant",
        ),
        ("tenants: { acme: { profile: auth0, access_token_key: k } }\nkeys: { k: { algorithm: ES256 } }", "RS256"),
        (
            "tenants: { acme: { access_token_key: k, access_token_algorithm: ES384 } }\nkeys: { k: { algorithm: ES256 } }",
            "its key is for ES256",
        ),
    ] {
        site.write_file("bad.yaml", file);
        let refused = run(&site, &["apply", "-f", "bad.yaml"]);
        assert!(refused.code != 0 && refused.stderr.contains(part), "{part:?}: {refused:?}");
    }
    assert_eq!(site.json(&["key", "list"]), json!([]), "nothing was made");
    applied(&site);
    // What a key is made of never changes.
    site.write_file("brought.pem", &pem());
    let other = run(&site, &["diff", "-f", "keys.yaml"]);
    assert!(other.code == 1 && other.stderr.contains("is stored with another key"), "{other:?}");
    site.write_file("keys.yaml", "keys: { signing: { algorithm: ES256 } }\n");
    let other = run(&site, &["diff", "-f", "keys.yaml"]);
    assert!(other.code == 1 && other.stderr.contains("is stored with another algorithm"), "{other:?}");
    for (file, part) in [
        ("keys: { k: {} }", "key \"algorithm\" is missing"),
        ("keys: { k: { algorithm: XS256 } }", "algorithm cannot be"),
        ("keys: { k: { algorithm: HS512, secret: short } }", "shorter than"),
        ("keys: { k: { algorithm: ES384, private_key: '${file:brought.pem}' } }", "private_key is not"),
        ("keys: { k: { algorithm: ES256, length: 2048, secret: x } }", "length is for keys"),
    ] {
        site.write_file("bad.yaml", file);
        let refused = run(&site, &["diff", "-f", "bad.yaml"]);
        assert!(refused.code == 1 && refused.stderr.contains(part), "{part:?}: {refused:?}");
    }
}

// D-07: types of entities have keys of their own, and lives of tokens
#[test]
fn entity_types_are_declared_with_their_tokens() {
    let site = Site::with(&[]);
    let file = "
keys: { machines: { algorithm: ES384 } }
entity_types: { service: { access_token_life: 5m, access_token_key: machines } }
";
    site.write_file("types.yaml", file);
    let diff = run(&site, &["diff", "-f", "types.yaml"]);
    for line in [
        "+ use of key \"machines\" for access tokens of entity types\n",
        "+ entity type \"service\"\n    access_token_life: 300\n    access_token_key: machines\n",
    ] {
        assert!(diff.stdout.contains(line), "{line:?} in {}", diff.stdout);
    }
    for unchanged in [false, true] {
        let done = run(&site, &["apply", "-f", "types.yaml"]);
        assert_eq!((done.code, done.stdout.contains("Nothing changed.")), (0, unchanged), "{done:?}");
    }
    assert_eq!(site.json(&["entity-type", "list"])[0]["access_token_for"], 300);
    site.write_file("types.yaml", &file.replace("access_token_life: 5m, access_token_key: machines", ""));
    let done = run(&site, &["apply", "-f", "types.yaml"]);
    assert!(done.stdout.contains("    access_token_key: machines -> -\n"), "{}", done.stdout);
    assert_eq!(site.json(&["entity-type", "list"])[0]["access_token_for"], json!(null));
}

// `directory:` declares them too: they are there when the gateway answers, and a restart makes no others
#[test]
fn a_configuration_declares_keys() {
    let site = Site::with(&[
        "directory: { tenants: { default: { access_token_key: k } }, keys: { k: { algorithm: ES512 } } }\n",
    ]);
    let gateway = site.serve();
    let published = gateway.published_keys();
    drop(gateway);
    let of_token = signing(&site).into_iter().find(|(algorithm, _)| algorithm == "ES512");
    assert_eq!(of_token, Some(("ES512".to_owned(), "signing".to_owned())));
    let gateway = site.serve();
    assert!(published.iter().all(|kid| gateway.published_keys().contains(kid)), "{published:?}");
}
