//! `faregate application` and `faregate user`: beside a running gateway, which hears of it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{HEAD, ROUTES, Site};
use crate::support::authorization_server::part;
use crate::support::gateway::Raw;
use crate::support::process::{Gateway, Run, encoded};

const PASSWORD: &str = "gravel unicorn teapot";
const ANN: [&str; 9] =
    ["user", "create", "ann@example.com", "--username", "ann", "--password", "--mine", "--registration", "shop:admin"];
const GUARDED: &str =
    "upstreams: { app: \"builtin:echo\" }\nroutes: { /admin/**: { upstream: app, require: role admin } }\n";

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} in {value}"))
}

/// The result of a command that reads a password and prints JSON.
fn with_password(site: &Site, arguments: &[&str], password: &str) -> Value {
    site.run_with_input(&[arguments, &["--format", "json"]].concat(), &format!("{password}\n")).json()
}

/// An application that takes passwords, and a user who may do everything.
fn populated(site: &Site) -> (Value, Value) {
    let application = site.json(&[
        "application",
        "create",
        "shop",
        "--grant",
        "password",
        "--grant",
        "refresh_token",
        "--role",
        "admin",
        "--role",
        "customer",
        "--redirect-uri",
        "https://shop.example.com/cb",
        "--client-id",
        "shop",
    ]);
    (application, with_password(site, &ANN, PASSWORD))
}

fn login(gateway: &Gateway, application: &Value, password: &str) -> Raw {
    let (id, secret) = (text(application, "client_id"), encoded(text(application, "client_secret")));
    let form = format!(
        "grant_type=password&client_id={id}&client_secret={secret}&username=ann&password={}",
        encoded(password)
    );
    gateway.ask_token(&form)
}

// I8, C9: whatever an administrator does to a person is true for the running gateway within a second.
#[test]
fn a_running_gateway_hears_of_people() {
    let site = Site::with(&[GUARDED]);
    let gateway = site.serve();
    let (application, user) = populated(&site);
    let (answer, mut tokens) = (login(&gateway, &application, PASSWORD), Vec::new());
    assert_eq!(answer.status(), 200, "{}", answer.text);
    tokens.push(text(&answer.json(), "access_token").to_owned());
    let opens = |token: &str, expected: u16, why: &str| {
        let began = Instant::now();
        let mut status = 0;
        while began.elapsed() < Duration::from_secs(2) {
            status = gateway.request_with(token, "GET", "/admin/x").status();
            if status == expected {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{why}: {status} instead of {expected}");
    };
    opens(&tokens[0], 200, "an administrator");
    assert_eq!(site.json(&["user", "lock", "ann"])["locked"], true);
    opens(&tokens[0], 401, "locked");
    assert_eq!(login(&gateway, &application, PASSWORD).json()["error"], "invalid_grant");
    assert_eq!(site.json(&["user", "unlock", "ANN@example.com"])["locked"], false);
    let answer = login(&gateway, &application, PASSWORD);
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let token = text(&answer.json(), "access_token").to_owned();
    opens(&token, 200, "unlocked");
    let roles = site.json(&["user", "roles", "ann", "shop", "--role", "customer"]);
    assert_eq!(roles["roles"], json!(["customer"]));
    let began = Instant::now();
    let last = loop {
        let token = text(&login(&gateway, &application, PASSWORD).json(), "access_token").to_owned();
        let is_heard = gateway.request_with(&token, "GET", "/admin/x").status() == 403;
        if is_heard || began.elapsed() > Duration::from_secs(5) {
            break token;
        }
    };
    opens(&last, 403, "another role");
    with_password(&site, &["user", "set-password", text(&user, "id")], "velvet anchor summit");
    opens(&token, 401, "another password");
    opens(&last, 401, "another password");
    // L16: what an administrator sets opens nothing but the choice of another one.
    let refused = login(&gateway, &application, "velvet anchor summit").json();
    assert_eq!(refused["error"], "change_password_required", "{refused}");
    site.json(&["user", "delete", "ann"]);
    with_password(&site, &ANN, PASSWORD);
    let answer = login(&gateway, &application, PASSWORD);
    opens(text(&answer.json(), "access_token"), 200, "another Ann");
    site.json(&["application", "delete", "shop"]);
    opens(text(&answer.json(), "access_token"), 401, "no application");
    site.json(&["user", "delete", "ann"]);
    assert_eq!(site.json(&["user", "list"]), json!([]));
}

// T77, L10: secrets and codes are shown when they are made, passwords never.
#[test]
fn secrets_are_shown_once_and_passwords_never() {
    let site = Site::with(&[ROUTES]);
    let (application, user) = populated(&site);
    let secret = text(&application, "client_secret");
    let enrolled = site.json(&["user", "totp", "ann"]);
    assert!(text(&enrolled, "uri").starts_with("otpauth://totp/default:ann%40example.com?secret="), "{enrolled}");
    assert_eq!(enrolled["recovery_codes"].as_array().unwrap().len(), 10);
    let code = enrolled["recovery_codes"][0].as_str().unwrap();
    for arguments in [
        &["application", "list"][..],
        &["application", "show", "shop"],
        &["user", "list"],
        &["user", "show", "ann"],
        &["user", "show", text(&user, "id")],
    ] {
        for format in ["text", "json"] {
            let run = site.run(&[arguments, &["--format", format]].concat());
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
            for hidden in [secret, PASSWORD, text(&enrolled, "secret"), code, "argon2"] {
                assert!(!run.stdout.contains(hidden), "{run:?}");
            }
        }
    }
    let others = site.json(&["user", "totp", "ann", "--recovery-codes"]);
    assert!(others["recovery_codes"][0] != code && others.get("secret").is_none(), "{others}");
    let renewed = site.json(&["application", "secret", "shop", "--keep-old", "60"]);
    assert_ne!(text(&renewed, "client_secret"), secret);
    assert_eq!(site.json(&["user", "totp", "ann", "--remove"])["second_factor"], false);
    assert_eq!(site.json(&["user", "passkeys", "ann"])["passkeys"], json!([]));
    assert_eq!(site.json(&["user", "passkeys", "ann", "--remove"])["passkeys"], json!([]));
    let store = fs::read(site.file("faregate.db")).unwrap();
    for hidden in [secret, PASSWORD, text(&enrolled, "secret"), code] {
        assert!(
            !store.windows(hidden.len()).any(|window| window == hidden.as_bytes()),
            "stored as a hash or sealed (P3)"
        );
    }
}

// UX 3: results for scripts on standard output, the same for people.
#[test]
fn what_is_shown_can_be_read_by_scripts() {
    let site = Site::with(&[ROUTES]);
    let (application, user) = populated(&site);
    assert_eq!(user["registrations"], json!([{ "application": "shop", "roles": ["admin"] }]));
    assert_eq!(
        (&user["email"], &user["username"], &user["password"]),
        (&json!("ann@example.com"), &json!("ann"), &json!(true))
    );
    assert_eq!(application["grants"], json!(["password", "refresh_token"]));
    let spa =
        site.json(&["application", "create", "spa", "--public", "--redirect-uri", "http://127.0.0.1:9999/callback"]);
    assert_eq!((&spa["public"], &spa["client_secret"], &spa["pkce"]), (&json!(true), &Value::Null, &json!("Required")));
    let arguments = [
        "application",
        "update",
        "spa",
        "--redirect-uri",
        "https://spa.example.com/",
        "--role",
        "a",
        "--relationship",
        "ThirdParty",
        "--require-pushed-authorization-requests",
        "true",
        "--device-scope",
        "openid",
        "--device-refresh-life",
        "86400",
        "--tls-client-auth",
        "san_dns:spa.example.com",
        "--token-exchange-client",
        "reporting",
    ];
    let changed = site.json(&arguments);
    assert_eq!(changed["redirect_uris"], json!(["https://spa.example.com/"]));
    assert_eq!((&changed["roles"], &changed["relationship"]), (&json!(["a"]), &json!("ThirdParty")));
    assert_eq!(changed["grants"], spa["grants"], "what is not given stays");
    assert_eq!(changed["require_pushed_authorization_requests"], true);
    assert_eq!(changed["device_grant"], json!({ "scopes": ["openid"], "refresh_token_life": 86_400 }));
    assert_eq!(changed["tls_client_auth"], json!({ "san_dns": "spa.example.com" }));
    assert_eq!(changed["token_exchange_clients"], json!(["reporting"]));
    let listed = site.run(&["user", "list"]).stdout;
    assert!(listed.contains("email                ann@example.com\n"), "{listed}");
    let bare = site.json(&["user", "create", "bob"]);
    assert_eq!((&bare["username"], &bare["password"]), (&json!("bob"), &json!(false)));
    let given = with_password(&site, &["user", "set-password", "bob"], PASSWORD);
    assert_eq!((&given["password_change"], &given["temporary_password"]), (&json!("administrative"), &Value::Null));
    // L16: a password that somebody else chose is for the first login only.
    let eve = with_password(&site, &["user", "create", "eve", "--password"], PASSWORD);
    assert_eq!((&eve["password"], &eve["password_change"]), (&json!(true), &json!("administrative")));
    site.json(&["user", "delete", "eve"]);
    // L16: nobody has to think of one.
    let [first, second] = [(); 2].map(|()| site.json(&["user", "set-password", "bob"]));
    assert_eq!((text(&first, "temporary_password").len(), &first["password_change"]), (20, &json!("administrative")));
    assert_ne!(first["temporary_password"], second["temporary_password"]);
    for never in ["--permanent", "--temporary"] {
        assert_eq!(site.run(&["user", "set-password", "bob", never]).code, 2, "{never}");
    }
    let page = site.json(&["user", "list", "--limit", "1"]);
    let rest = site.json(&["user", "list", "--after", text(&page[0], "id")]);
    assert_eq!((page.as_array().unwrap().len(), rest.as_array().unwrap().len()), (1, 1));
    assert_eq!(site.json(&["user", "roles", "ann", "shop", "--unregister"])["deleted"]["application"], "shop");
    assert_eq!(site.json(&["user", "revoke", "ann"])["revoked"], user["id"]);
}

// K9: what was given can be looked through and taken back, and the running gateway hears of it.
#[test]
fn grants_are_listed_and_ended_one_by_one() {
    let site = Site::with(&[GUARDED]);
    let gateway = site.serve();
    let (application, _) = populated(&site);
    let ask = || {
        let (id, secret) = (text(&application, "client_id"), encoded(text(&application, "client_secret")));
        let form = format!(
            "grant_type=password&client_id={id}&client_secret={secret}&username=ann&password={}&scope=offline_access",
            encoded(PASSWORD)
        );
        gateway.ask_token(&form).json()
    };
    let (first, second) = (ask(), ask());
    let allowed = |tokens: &Value| gateway.request_with(text(tokens, "access_token"), "GET", "/admin/x").status();
    assert_eq!((allowed(&first), allowed(&second)), (200, 200));
    let access = site.json(&["user", "access", "ann"]);
    let grants = access["grants"].as_array().unwrap();
    assert_eq!((grants.len(), &grants[0]["application"]), (2, &json!("shop")), "{access}");
    assert_eq!((&access["sessions"], &access["consents"]), (&json!([]), &json!([])));
    // The first grant by its token, not by its place: both may be of the same second.
    let claims = part(text(&first, "access_token"), 1);
    let id = text(&claims, "gid");
    assert_eq!(site.json(&["user", "revoke", "ann", "--grant", id])["revoked"], id);
    let deadline = Instant::now() + Duration::from_secs(5);
    while allowed(&first) != 401 {
        assert!(Instant::now() < deadline, "the gateway does not hear of it");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(allowed(&second), 200);
    assert_eq!(site.json(&["user", "access", "ann"])["grants"].as_array().unwrap().len(), 1);
    let again = site.run(&["user", "revoke", "ann", "--grant", id]);
    let complaint = again.complaint(1);
    assert!(complaint.contains("there is no grant"), "{complaint}");
}

// A password is never an argument, and a mistake is one line that says what there is instead.
#[test]
fn mistakes_are_answered_with_what_there_is() {
    let site = Site::with(&[ROUTES]);
    populated(&site);
    let mut wrong = Vec::new();
    let mut answered = |run: Run, what: &str, needed: &[&str]| {
        let complaint = run.complaint(1);
        if !needed.iter().all(|needed| complaint.contains(needed)) {
            wrong.push(format!("{what}: {complaint}"));
        }
    };
    for (arguments, needed) in [
        (&["application", "create", "shop"][..], &["application named \"shop\" already"][..]),
        (&["application", "create", "x", "--client-id", "shop"], &["clientId", "already"]),
        (&["application", "create", "x", "--redirect-uri", "http://x.example/"], &["must be https"]),
        (&["application", "create", "x", "--url-validation", "AllowWildcards"], &["standard profile"]),
        (&["application", "create", "x", "--public", "--client-authentication", "Required"], &["cannot authenticate"]),
        (&["application", "show", "shopp"], &["no application \"shopp\"", "shop"]),
        (&["application", "update", "shop", "--role", "a", "--role", "a"], &["\"a\" is there twice"]),
        (&["user", "create", "ANN@example.com"], &["called so already"]),
        (&["user", "create", "ann@"], &["email address"]),
        (&["user", "create", "bob", "--username", "robert"], &["is the username already"]),
        (&["user", "create", "bob", "--registration", "shopp"], &["no application \"shopp\""]),
        (&["user", "create", "bob", "--registration", "shop:root"], &["no role \"root\""]),
        (&["user", "roles", "ann", "shop", "--role", "root"], &["no role root; it has admin, customer"]),
        (&["user", "show", "nobody"], &["no user \"nobody\""]),
        (&["user", "lock", "00000000-0000-0000-0000-000000000000"], &["no user"]),
        (&["user", "create", "bob", "--password"], &["no password on standard input"]),
    ] {
        answered(site.run(arguments), &format!("{arguments:?}"), needed);
    }
    for (password, needed) in [
        ("short", "at least 8 characters"),
        ("password1", "too easy to guess"),
        ("ann@example.com", "too easy to guess"),
    ] {
        let run = site.run_with_input(&["user", "set-password", "ann"], &format!("{password}\n"));
        assert!(!run.stderr.contains(password), "{run:?}");
        answered(run, password, &[needed]);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(site.json(&["user", "list"]).as_array().unwrap().len(), 1, "a mistake creates nobody");
    for arguments in [
        &["user", "set-password", "ann", PASSWORD][..],
        &["user", "create", "bob", "--password", PASSWORD],
        &["application", "create", "x", "--grant", "magic"],
    ] {
        assert_eq!(site.run(arguments).code, 2, "{arguments:?}");
    }
}

// D-11, D-04: declared once, there for good; taken away when declared no more.
#[test]
fn a_configuration_declares_people() {
    let site = Site::with(&[ROUTES]);
    let declared = format!(
        "directory:\n  applications:\n    shop: {{ client_secret: marked-secret-of-at-least-32-characters, grants: [password], roles: [admin] }}\n  users:\n    ann: {{ password: {PASSWORD}, registrations: {{ shop: admin }} }}\n"
    );
    site.write(&format!("{HEAD}{GUARDED}{declared}"));
    let application = json!({ "client_id": "", "client_secret": "marked-secret-of-at-least-32-characters" });
    let gateway = site.serve();
    let listed = site.json(&["application", "list"]);
    let application = json!({ "client_id": listed[0]["client_id"], "client_secret": application["client_secret"] });
    assert_eq!(listed[0]["managed_by"], "config");
    let token = login(&gateway, &application, PASSWORD).json();
    assert_eq!(gateway.request_with(text(&token, "access_token"), "GET", "/admin/x").status(), 200);
    drop(gateway);
    site.write(&format!("{HEAD}{GUARDED}directory: {{ tenants: {{ default: {{}} }} }}\n"));
    let gateway = site.serve();
    assert_eq!((site.json(&["user", "list"]), site.json(&["application", "list"])), (json!([]), json!([])));
    assert_eq!(login(&gateway, &application, PASSWORD).json()["error"], "invalid_client");
    assert_eq!(gateway.request_with(text(&token, "access_token"), "GET", "/admin/x").status(), 401);
}
