//! Back-Channel Logout 1.0: whoever ends a session, by a logout or with a command, a running gateway tells the clients.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Site;
use crate::support::authorization_server::part;
use crate::support::browser::parameters;
use crate::support::person::{Person, Seen};
use crate::support::process::{Gateway, encoded};

const PASSWORD: &str = "gravel unicorn teapot";
const CALLBACK: &str = "http://127.0.0.1/cb";
const ROUTES: &str = "upstreams: { app: \"builtin:echo\" }\nroutes: { /x/**: { upstream: app, public: true } }\n";

/// A client's server that takes everything, and the claims of what it is sent.
fn receiver() -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/logout", listener.local_addr().unwrap());
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut buffer) = (String::new(), [0; 8192]);
            while !is_whole(&request) {
                let length = stream.read(&mut buffer).unwrap();
                request.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            }
            let form = parameters(request.split_once("\r\n\r\n").unwrap().1);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            if told.send(part(&form["logout_token"], 1)).is_err() {
                return;
            }
        }
    });
    (uri, heard)
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

/// Logs Ann in with a new browser; the ID token that the client redeems.
fn log_in(gateway: &Gateway, application: &Value) -> (Person, String) {
    let id = application["client_id"].as_str().unwrap();
    let query = format!("client_id={id}&redirect_uri={}&response_type=code&scope=openid", encoded(CALLBACK));
    let mut person = Person::new(gateway.address(), "ann", PASSWORD);
    let Seen::Elsewhere(callback) = person.go(&format!("/oauth2/authorize?{query}"), "allow") else {
        panic!("not logged in");
    };
    let code = parameters(callback.split_once('?').unwrap().1)["code"].clone();
    let secret = encoded(application["client_secret"].as_str().unwrap());
    let form = format!(
        "grant_type=authorization_code&client_id={id}&client_secret={secret}&code={code}&redirect_uri={}",
        encoded(CALLBACK)
    );
    let tokens = gateway.ask_token(&form).json();
    let id_token = tokens["id_token"].as_str().unwrap_or_else(|| panic!("{tokens}"));
    (person, id_token.to_owned())
}

// Back-Channel Logout 1.0 2.4, 2.5, C9: locked, revoked, deleted: told once each.
#[test]
fn clients_are_told_of_sessions_that_end() {
    let (uri, heard) = receiver();
    let site = Site::with(&[ROUTES]);
    let gateway = site.serve();
    let application = ["application", "create", "shop", "--redirect-uri", CALLBACK, "--back-channel-logout-uri", &uri];
    let application = site.json(&application);
    let create = ["user", "create", "ann", "--password", "--mine", "--format", "json"];
    let user = site.run_with_input(&create, &format!("{PASSWORD}\n")).json();
    for (name, command) in [
        ("locked", &["user", "lock", "ann"][..]),
        ("one session", &["user", "revoke", "ann", "--session"]),
        ("everything", &["user", "revoke", "ann"]),
        ("deleted", &["user", "delete", "ann"]),
    ] {
        let claims = part(&log_in(&gateway, &application).1, 1);
        let sid = claims["sid"].as_str().unwrap();
        let session = if command.last() == Some(&"--session") { vec![sid] } else { Vec::new() };
        site.json(&[command, &session].concat());
        let told = heard.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("{name}: nobody is told"));
        let seen = [&told["sid"], &told["sub"], &told["aud"], &told["iss"]];
        assert_eq!(seen, [&claims["sid"], &user["id"], &application["client_id"], &claims["iss"]], "{name}");
        assert_eq!(told["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
        if name == "locked" {
            site.json(&["user", "unlock", "ann"]);
        }
    }
    // A person's own logout is told in the same way.
    let user = site.run_with_input(&create, &format!("{PASSWORD}\n")).json();
    let (mut person, id_token) = log_in(&gateway, &application);
    let left = person.go(&format!("/oauth2/logout?id_token_hint={id_token}"), "logout");
    assert!(matches!(&left, Seen::Page(page) if page.status() == 200), "{left:?}");
    let told = heard.recv_timeout(Duration::from_secs(10)).expect("nobody is told of a logout");
    assert_eq!([&told["sid"], &told["sub"]], [&part(&id_token, 1)["sid"], &user["id"]]);
    let again = heard.recv_timeout(Duration::from_millis(500));
    assert!(again.is_err(), "told twice: {again:?}");
}
