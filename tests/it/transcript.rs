//! Golden conversations: `transcript/*.http` hold requests, a dashed line, the answers. `UPDATE=1` rewrites the answers.
//!
//! What differs from run to run is written `{{jwt}}`, `{{kid}}` and so on; what a token says is shown below it. A request
//! uses what was answered by the same names: `{{code}}` is the first code of the conversation, `{{code:2}}` the second.
//! `{{cookies}}` is what the browser keeps, `{{hidden}}` the hidden fields of the last form, `{{action}}` where it goes, and
//! `{{location}}` where the last answer sent the browser. Of pages only the title and what a program sees is written down.

mod names;
mod page;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use faregate::directory::new_tenant;
use faregate::model::{Api, ApplicationGrant, ApplicationSettings, LogoutBehavior, Profile, Relationship, Tenant};
use faregate::store::Store as _;
use http::Request;
use serde_json::Value;

use crate::support::authorization_server::{Answer, PUBLIC_URL, TENANT, TestServer, part};
use crate::support::people::{PLAIN, ROTATING, SPA, WEB, id_of};
use crate::support::upstream::{Behaviour, Recorded, Upstream};
use names::Names;
use page::Page;

const ANSWER: &str = "---";
const NEXT: &str = "===";
/// In place of a request: what the server of a client is sent.
const HEARD: &str = "(heard by the server of the client)";

#[tokio::test]
async fn conversations_are_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcript");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "http")).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        let held = hold(&written).await;
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &held).unwrap();
        } else {
            assert_eq!(held, written, "{}: run with UPDATE=1 to accept", file.display());
        }
    }
}

/// The conversation as it really goes.
async fn hold(written: &str) -> String {
    let mut conversation = Conversation::begin(written).await;
    let lines: Vec<&str> = written.lines().collect();
    let mut held = Vec::new();
    for exchange in lines.split(|line| *line == NEXT) {
        let request: Vec<&str> = exchange.iter().copied().take_while(|line| *line != ANSWER).collect();
        let request = request.join("\n");
        let answered = conversation.exchange(&request).await;
        held.push(format!("{request}\n{ANSWER}\n{}\n", answered.trim_end()));
    }
    held.join(&format!("{NEXT}\n"))
}

struct Conversation {
    server: TestServer,
    /// The server of a client, which hears of logouts.
    client: Upstream,
    names: Names,
    cookies: BTreeMap<String, String>,
    page: Page,
    location: String,
}

impl Conversation {
    async fn begin(written: &str) -> Self {
        let client = Upstream::start().await;
        client.behave(Behaviour::Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()));
        let profile = written.lines().find_map(|line| line.strip_prefix("# The tenant's profile is "));
        let profile = profile.map(|name| Profile::parse(name.trim_end_matches('.')).unwrap());
        if let Some(profile) = profile {
            let server = TestServer::with_people_and(|tenant| *tenant = of_profile(profile)).await;
            return Self::between(server, client).await;
        }
        if let Some(server) = crate::profiles::world_of(written).await {
            return Self::with(server, client);
        }
        let server = match [WEB, SPA, PLAIN, ROTATING].iter().any(|id| written.contains(&format!("client_id={id}"))) {
            true => TestServer::with_people().await,
            false => TestServer::start().await,
        };
        if written.contains("\nCookie: ") {
            prepare(&server, &client).await;
        }
        Self::with(server, client)
    }

    async fn between(server: TestServer, client: Upstream) -> Self {
        prepare(&server, &client).await;
        change(&server, SPA, |settings| settings.origins.push("https://tv.example".to_owned())).await;
        Self::with(server, client)
    }

    fn with(server: TestServer, client: Upstream) -> Self {
        let (names, cookies, page) = (Names::default(), BTreeMap::new(), Page::default());
        Self { server, client, names, cookies, page, location: String::new() }
    }

    async fn exchange(&mut self, request: &str) -> String {
        if request.contains(HEARD) {
            self.server.tell_logouts().await;
            let heard = hear(&self.client).await;
            return self.render_heard(&heard);
        }
        for waited in request.lines().filter_map(|line| line.strip_prefix("... ")) {
            self.server.clock.advance(waited.split(' ').next().unwrap().parse().unwrap());
        }
        let answer = Answer::of(&self.server, parse(&self.filled(request))).await;
        self.remember(&answer);
        self.render(&answer)
    }

    /// The request with everything in it that was answered before.
    fn filled(&self, request: &str) -> String {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let own = |url: &str| url.strip_prefix(PUBLIC_URL).unwrap_or(url).to_owned();
        let browser = [
            ("{{cookies}}", cookies.join("; ")),
            ("{{hidden}}", self.page.body()),
            ("{{action}}", own(&self.page.action)),
            ("{{location}}", own(&self.location)),
        ];
        let request = browser.iter().fold(request.to_owned(), |text, (name, value)| text.replace(name, value));
        self.names.fill(&request)
    }

    fn remember(&mut self, answer: &Answer) {
        for field in answer.headers.get_all("set-cookie") {
            let field = field.to_str().unwrap();
            let (name, value) = field.split(';').next().unwrap().split_once('=').unwrap();
            match field.contains("Max-Age=0") {
                true => drop(self.cookies.remove(name)),
                false => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        if let Ok(body) = serde_json::from_slice::<Value>(&answer.body) {
            self.names.learn(
                body.as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, value)| value.as_str().map(|value| (name.clone(), value.to_owned()))),
            );
        }
        if is_page(answer) {
            self.page = Page::read(&answer.text());
            self.names.learn(self.page.hidden.iter().cloned());
        }
        if let Some(location) = answer.header("location") {
            self.location = location.to_owned();
            self.names.learn(page::parameters(location).into_iter());
        }
    }

    fn render(&mut self, answer: &Answer) -> String {
        let mut text = format!("HTTP/1.1 {}\n", answer.status);
        let fields = answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let fields = fields.filter(|(name, _)| *name != "content-length");
        let mut fields: Vec<_> =
            fields.map(|(name, value)| format!("{name}: {}", without_cookie(name, value))).collect();
        fields.sort();
        for field in fields {
            writeln!(text, "{field}").unwrap();
        }
        if let Ok(body) = serde_json::from_slice::<Value>(&answer.body) {
            writeln!(text, "\n{}", without_keys(body)).unwrap();
        } else if is_page(answer) {
            writeln!(text, "\n{}", self.page.text).unwrap();
        }
        self.finish(&text)
    }

    fn render_heard(&mut self, heard: &Recorded) -> String {
        let body = String::from_utf8_lossy(&heard.body).into_owned();
        self.names.learn(page::parameters(&format!("?{body}")).into_iter());
        let mut fields = heard.fields();
        fields.retain(|(name, _)| !["host", "content-length"].contains(&name.to_lowercase().as_str()));
        let fields: String = fields.iter().map(|(name, value)| format!("{}: {value}\n", name.to_lowercase())).collect();
        self.finish(&format!("{}\n{fields}\n{body}\n", heard.request_line()))
    }

    /// Hides what differs, and says what the tokens say that were not there before.
    fn finish(&mut self, text: &str) -> String {
        let mut text = self.names.hide(text);
        for token in self.names.take_new_tokens() {
            let (mut header, mut claims) = (part(&token, 0), part(&token, 1));
            header["kid"] = "{{kid}}".into();
            for hash in ["at_hash", "c_hash"] {
                if claims.get(hash).is_some() {
                    claims[hash] = format!("{{{{{hash}}}}}").into();
                }
            }
            write!(text, "# {header}\n# {claims}\n").unwrap();
        }
        text
    }
}

/// A tenant as its profile wants it, where the documents have theirs, but for keys that are made at once.
fn of_profile(profile: Profile) -> Tenant {
    let mut tenant = new_tenant(TENANT, "main", profile, 1);
    tenant.access_token_algorithm = "ES256".to_owned();
    tenant.id_token_algorithm = "ES256".to_owned();
    match profile {
        Profile::Standard | Profile::FusionAuth | Profile::SimpleIdServer | Profile::Fusio => {}
        Profile::FusionAuthLegacy => tenant.issuer = Some("piedpiper.fusionauth.io".to_owned()),
        Profile::Auth0 => {
            tenant.issuer = Some("https://accounts.acmetest.org/".to_owned());
            tenant.settings.apis = vec![Api {
                identifier: "https://myapi.com/api".to_owned(),
                scopes: vec!["read:contacts".to_owned()],
                allows_offline_access: true,
            }];
        }
    }
    tenant
}

/// `plain` is somebody else's; `spa` runs on a device, too; and three clients want to hear of logouts, one by its server.
async fn prepare(server: &TestServer, client: &Upstream) {
    let uri = format!("{}/logout", client.url());
    change(server, WEB, |settings| {
        settings.logout_uri = Some("https://app.example/out".to_owned());
        settings.logout_behavior = LogoutBehavior::AllApplications;
        settings.back_channel_logout_uri = Some(uri);
    })
    .await;
    change(server, SPA, |settings| {
        settings.logout_uri = Some("https://spa.example/out?x=1".to_owned());
        settings.grants.push(ApplicationGrant::DeviceCode);
    })
    .await;
    change(server, PLAIN, |settings| {
        settings.relationship = Relationship::ThirdParty;
        settings.owner = Some("Plain Ltd".to_owned());
    })
    .await;
}

/// Past the rules of the directory: this client's server has no certificate.
async fn change(server: &TestServer, client_id: &str, change: impl FnOnce(&mut ApplicationSettings)) {
    let before = server.store.find_application(id_of(client_id)).await.unwrap().unwrap();
    let mut after = before.clone();
    change(&mut after.settings);
    assert!(server.store.update_application(&before, &after).await.unwrap());
}

/// Logout tokens are sent in the background.
async fn hear(client: &Upstream) -> Recorded {
    for _ in 0..500 {
        if client.count() > 0 {
            return client.last();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing was sent to the server of the client");
}

fn parse(text: &str) -> Request<Body> {
    let is_said = |line: &&str| !line.starts_with('#') && !line.starts_with("... ");
    let text: String = text.lines().filter(is_said).map(|line| format!("{line}\n")).collect();
    let (head, body) = text.trim().split_once("\n\n").unwrap_or((text.trim(), ""));
    // What is long may be broken into lines for reading, as in RFC 6749.
    let head = head.replace("\n  ", "");
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let mut request = Request::builder().method(first.next().unwrap()).uri(first.next().unwrap());
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let body: String = body.lines().map(str::trim).collect();
    request.body(Body::from(body)).unwrap()
}

fn is_page(answer: &Answer) -> bool {
    answer.header("content-type").is_some_and(|media_type| media_type.starts_with("text/html"))
}

/// A cookie that is removed has no value to hide.
fn without_cookie(name: &str, value: &str) -> String {
    match (name, value.split_once('=').zip(value.split_once(';'))) {
        ("set-cookie", Some(((cookie, _), (pair, rest)))) if !pair.ends_with('=') => {
            format!("{cookie}={{{{cookie}}}};{rest}")
        }
        _ => value.to_owned(),
    }
}

/// Keys are made anew for each conversation.
fn without_keys(mut body: Value) -> String {
    for key in body.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten() {
        for name in ["kid", "n", "x", "y"] {
            if key.get(name).is_some() {
                key[name] = format!("{{{{{name}}}}}").into();
            }
        }
    }
    body.to_string()
}
