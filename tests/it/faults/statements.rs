//! One call of the store after the other fails in the middle of a flow: before the database heard it, or after, when nobody
//! hears what it said. All of the flow happens or nothing, and asking again completes it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::database::{Cut, cut_site};
use super::{API_KEY, PATIENCE, WINDOW, codes, families, probe, recovers, redemption, refresh, revocation, seed};
use crate::support::caller::{Answer, Caller};
use crate::support::ledger::{Ledger, Must};
use crate::support::process::soon;
use crate::support::steady::Due;
use crate::support::tcp_proxy::{TcpProxy, Wire};

/// More calls than any flow makes.
const MOST_CALLS: u32 = 60;

/// Runs a flow again and again, each time with the next of its calls lost, until it has no more calls; and all of that with
/// calls that are heard. How many were lost.
fn while_calls_fail(wire: &TcpProxy, flow: &str, mut attempt: impl FnMut()) -> u32 {
    let mut lost = 0;
    for heard in [false, true] {
        for after in 0.. {
            assert!(after < MOST_CALLS, "{flow}: it never comes through");
            wire.becomes(Wire::Loses { after, heard });
            attempt();
            let came = wire.has_lost();
            wire.becomes(Wire::Passes);
            if !came {
                break;
            }
            lost += 1;
        }
    }
    println!("T04: {flow}: {lost} calls lost");
    assert!(lost >= 2, "{flow}: {lost}");
    lost
}

/// Asks until it is no 503.
fn send(due: &Due, caller: &mut Caller, ledger: &Ledger) -> Answer {
    soon(PATIENCE, || due.send(caller, ledger).filter(|answer| answer.status != 503))
}

// T04: grants
#[test]
fn a_grant_is_whole_or_not_there_whichever_statement_fails() {
    let Some(Cut { site, wire, .. }) = cut_site() else { return };
    let ledger = Ledger::new(seed());
    let gateway = site.serve();
    recovers(&site);
    let mut caller = site.caller();
    let mut unspent = codes(&site, 2 * MOST_CALLS).into_iter();
    while_calls_fail(&wire, "a code", || {
        let code = unspent.next().expect("enough of them");
        // Redeemed at once or at the second time; or the first time, and nobody heard of it: then not again.
        let answer = send(&redemption(&code, Must::Either(&[400, 503])), &mut caller, &ledger);
        assert!(matches!(answer.status, 200 | 400), "{answer:?}");
        wire.loses_no_more();
        if answer.status == 200 {
            probe(&answer.text("refresh_token"), Must::Pass).send(&mut caller, &ledger);
        }
        assert_eq!(send(&redemption(&code, Must::Refuse(&[400])), &mut caller, &ledger).status, 400);
    });
    let mut held = families(&site, &ledger, 2 * MOST_CALLS).into_iter();
    while_calls_fail(&wire, "a refresh token", || {
        let token = held.next().expect("enough of them");
        let answer = send(&refresh(&token, Must::Either(&[503])), &mut caller, &ledger);
        assert_eq!(answer.status, 200, "{answer:?}");
        wire.loses_no_more();
        let successor = answer.text("refresh_token");
        let again = send(&refresh(&token, Must::Either(&[503])), &mut caller, &ledger).text("refresh_token");
        assert_eq!(again, successor, "one successor");
        assert_eq!(send(&probe(&successor, Must::Either(&[503])), &mut caller, &ledger).status, 200);
    });
    let mut unused: Vec<String> = held.collect();
    let mut held = families(&site, &ledger, 2 * MOST_CALLS).into_iter();
    let mut revoked = Vec::new();
    while_calls_fail(&wire, "a revocation", || {
        let token = held.next().expect("enough of them");
        assert_eq!(send(&revocation(&token, Must::Either(&[503])), &mut caller, &ledger).status, 200);
        revoked.push(token);
    });
    unused.extend(held);
    for token in &unused {
        probe(token, Must::Pass).send(&mut caller, &ledger);
    }
    std::thread::sleep(WINDOW);
    for token in &revoked {
        assert_eq!(send(&probe(token, Must::Refuse(&[400])), &mut caller, &ledger).status, 400);
    }
    site.judge(&ledger, gateway, None).assert_unharmed("T04");
}

/// Asks the management API until it is no 503.
fn manage(caller: &mut Caller, method: &str, target: &str, body: &Value) -> Answer {
    let fields = format!("Authorization: {API_KEY}\r\nContent-Type: application/json\r\n");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    soon(PATIENCE, || caller.ask(method, target, &fields, &body).ok().filter(|answer| answer.status != 503))
}

// T04: what administrators write, of which each takes several statements
#[test]
fn a_user_is_whole_or_not_there_whichever_statement_fails() {
    let Some(Cut { site, wire, .. }) = cut_site() else { return };
    let ledger = Ledger::new(seed());
    let gateway = site.serve();
    recovers(&site);
    let mut caller = Caller::new(gateway.admin());
    let application = "3b4a9d0e-5c1f-4b7e-8a55-6f0a1f2f9c11";
    let mut made = Vec::new();
    while_calls_fail(&wire, "a user with a registration", || {
        let id = Uuid::new_v4();
        let email = format!("{id}@example.com");
        let body = json!({
            "user": { "email": email, "password": "correct mule battery stable 17" },
            "registration": { "applicationId": application },
        });
        let answer = manage(&mut caller, "POST", &format!("/api/user/registration/{id}"), &body);
        wire.loses_no_more();
        let found = manage(&mut caller, "GET", &format!("/api/user/{id}"), &Value::Null);
        // What the first attempt made without being heard, the second finds: it says that there is one.
        assert!(matches!(answer.status, 200 | 400), "{answer:?}");
        assert_eq!(found.status, 200, "{answer:?}");
        assert_eq!(found.json()["user"]["email"], email);
        assert_eq!(found.json()["user"]["registrations"].as_array().map(Vec::len), Some(1), "{found:?}");
        made.push(id);
    });
    let mut waiting = made.clone().into_iter().cycle();
    while_calls_fail(&wire, "a change", || {
        let id = waiting.next().expect("always one");
        let name = Uuid::new_v4().to_string();
        let change = json!({ "user": { "firstName": name, "lastName": name, "username": name } });
        let answer = manage(&mut caller, "PATCH", &format!("/api/user/{id}"), &change);
        assert_eq!(answer.status, 200, "{answer:?}");
        wire.loses_no_more();
        let found = manage(&mut caller, "GET", &format!("/api/user?username={name}"), &Value::Null).json();
        assert_eq!((&found["user"]["firstName"], &found["user"]["lastName"]), (&json!(name), &json!(name)), "{found}");
    });
    let mut waiting = made.into_iter();
    while_calls_fail(&wire, "a deletion", || {
        let Some(id) = waiting.next() else { return };
        let answer = manage(&mut caller, "DELETE", &format!("/api/user/{id}?hardDelete=true"), &Value::Null);
        assert!(matches!(answer.status, 200 | 404), "{answer:?}");
        wire.loses_no_more();
        let found = manage(&mut caller, "GET", &format!("/api/user/{id}"), &Value::Null);
        assert_eq!(found.status, 404, "{found:?}");
    });
    site.judge(&ledger, gateway, None).assert_unharmed("T04");
}
