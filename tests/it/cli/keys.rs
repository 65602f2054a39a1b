//! `faregate key`: a rotation beside a running gateway, which nobody notices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{CALLER, DIRECTORY, READ, ROUTES, Site};
use crate::support::authorization_server::part;
use crate::support::process::soon;

fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().expect("a kid").to_owned()
}

fn rotation(publish_before: &str) -> String {
    format!("keys: {{ rotation: {{ publish_before: {publish_before}, keep_after: 1h }} }}\n")
}

// P2, F-349: published first, signing later, and old tokens stay good.
#[test]
fn a_rotation_is_published_before_it_signs() {
    let site = Site::with(&[ROUTES, DIRECTORY, &rotation("3s")]);
    let gateway = site.serve();
    let old_token = gateway.token(CALLER, READ);
    let asked = Instant::now();
    let rotated = site.json(&["key", "rotate"]);
    let (retired, successor) = (rotated["retired"].as_str().unwrap(), rotated["successor"].as_str().unwrap());
    assert_eq!((retired, rotated["signs_in_seconds"].as_i64()), (&*kid(&old_token), Some(3)));
    soon(Duration::from_secs(1), || gateway.published_keys().contains(&successor.to_owned()).then_some(()));
    let published_after = asked.elapsed();
    if asked.elapsed() < Duration::from_secs(2) {
        assert_eq!(kid(&gateway.token(CALLER, READ)), retired, "published, not signing yet");
    }
    let new_token =
        soon(Duration::from_secs(5), || Some(gateway.token(CALLER, READ)).filter(|token| kid(token) == successor));
    assert!(published_after < asked.elapsed());
    for token in [&old_token, &new_token] {
        assert_eq!(gateway.request_with(token, "GET", "/api/orders").status(), 200);
    }
    assert!(gateway.published_keys().contains(&retired.to_owned()), "the old key stays");

    let keys = site.json(&["key", "list"]);
    let state = |id: &str| keys.as_array().unwrap().iter().find(|key| key["id"] == id).map(|key| key["state"].clone());
    assert_eq!((state(retired), state(successor)), (Some("kept".into()), Some("signing".into())), "{keys}");
    let of_retired = keys.as_array().unwrap().iter().find(|key| key["id"] == retired).unwrap();
    let kept_for = of_retired["removed_at"].as_i64().unwrap() - of_retired["retired_at"].as_i64().unwrap();
    assert!(kept_for >= 3600, "keep_after: {kept_for}");
    let text = site.run(&["key", "list"]).stdout;
    assert!(text.lines().any(|line| line.contains("signing") && line.ends_with(successor)), "{text}");
    // P1
    assert!(!keys.to_string().contains("private") && !text.contains("v1."), "{text}");
}

// T21: whoever calls all the time, with a token of a second ago, never meets a 401.
#[test]
fn nobody_is_refused_during_rotations() {
    let site = Site::with(&[ROUTES, DIRECTORY, &rotation("1s")]);
    let gateway = site.serve();
    let over = AtomicBool::new(false);
    let answers: Vec<Vec<u16>> = thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut statuses = Vec::new();
                    let mut before = gateway.token(CALLER, READ);
                    while !over.load(Ordering::Relaxed) {
                        let token = gateway.token(CALLER, READ);
                        statuses.push(gateway.request_with(&token, "GET", "/api/orders").status());
                        statuses.push(gateway.request_with(&before, "GET", "/api/orders").status());
                        before = token;
                    }
                    statuses
                })
            })
            .collect();
        let mut signers = vec![kid(&gateway.token(CALLER, READ))];
        for _ in 0..3 {
            let rotated = site.json(&["key", "rotate"]);
            let successor = rotated["successor"].as_str().unwrap();
            soon(Duration::from_secs(5), || (kid(&gateway.token(CALLER, READ)) == successor).then_some(()));
            signers.push(successor.to_owned());
        }
        over.store(true, Ordering::Relaxed);
        signers.dedup();
        assert_eq!(signers.len(), 4);
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let answers = answers.concat();
    assert!(answers.len() > 50, "{}", answers.len());
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}

#[test]
fn mistakes_are_named() {
    let site = Site::new();
    site.json(&["entity-type", "create", "other"]);
    let fresh = site.json(&["key", "list"]);
    assert_eq!(fresh, Value::Array(Vec::new()), "no keys before the first start");
    let purpose = site.run(&["key", "rotate", "--purpose", "session"]);
    assert_eq!((purpose.code, purpose.stderr.contains("access_token, id_token")), (2, true), "{purpose:?}");
    drop(site.serve());
    let tenant = site.run(&["key", "rotate", "--tenant", "nobody"]);
    assert!(tenant.complaint(1).contains("there is no tenant \"nobody\"; there are: default"), "{tenant:?}");
}
