//! A person with a browser at the real program: it keeps cookies, follows redirects and sends forms.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::gateway::Raw;
use super::process::{encoded, send};

pub struct Person {
    address: SocketAddr,
    login_id: String,
    password: String,
    cookies: BTreeMap<String, String>,
    /// What the second factor is proven with.
    pub code: Option<String>,
    pub forms_sent: usize,
}

/// Where the browser is in the end.
#[derive(Debug)]
pub enum Seen {
    /// A page of ours without a form.
    Page(Raw),
    /// An address that is not ours.
    Elsewhere(String),
}

impl Person {
    pub fn new(address: SocketAddr, login_id: &str, password: &str) -> Self {
        Self {
            address,
            login_id: login_id.to_owned(),
            password: password.to_owned(),
            cookies: BTreeMap::new(),
            code: None,
            forms_sent: 0,
        }
    }

    /// Opens `url` and fills in every form, with `decision` where one is asked for.
    pub fn go(&mut self, url: &str, decision: &str) -> Seen {
        let mut seen = self.load("GET", url, None);
        for _ in 0..6 {
            let page = match seen {
                Seen::Page(page) if page.text.contains("<form ") => page,
                end => return end,
            };
            let form = page.text.split("<form ").nth(1).unwrap().split("</form>").next().unwrap();
            let mut body = Vec::new();
            for input in form.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap()) {
                if let (Some(name), Some(value)) = (attribute(input, "name"), attribute(input, "value")) {
                    let value = if name == "loginId" { self.login_id.clone() } else { unescaped(value) };
                    body.push(format!("{name}={}", encoded(&value)));
                }
            }
            if form.contains("name=\"password\"") {
                body.push(format!("password={}", encoded(&self.password)));
            }
            if let Some(code) = self.code.as_ref().filter(|_| form.contains("name=\"code\"")) {
                body.push(format!("code={}", encoded(code)));
            }
            if form.contains("name=\"decision\"") {
                body.push(format!("decision={decision}"));
            }
            self.forms_sent += 1;
            let action = unescaped(attribute(form, "action").expect("an address"));
            seen = self.load("POST", &action, Some(body.join("&")));
        }
        panic!("the forms do not end: {seen:?}");
    }

    fn load(&mut self, method: &str, url: &str, body: Option<String>) -> Seen {
        let own = format!("http://{}", self.address);
        let (mut method, mut url, mut body) = (method, url.to_owned(), body);
        for _ in 0..10 {
            let target = url.strip_prefix(&own).unwrap_or(&url).to_owned();
            if !target.starts_with('/') {
                return Seen::Elsewhere(target);
            }
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let body_text = body.take().unwrap_or_default();
            let answer = send(
                self.address,
                &format!(
                    "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: text/html\r\nOrigin: {own}\r\n\
                     Cookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body_text}",
                    self.address,
                    cookies.join("; "),
                    body_text.len()
                ),
            );
            let head = answer.text.split("\r\n\r\n").next().unwrap_or_default();
            for line in head.lines().filter(|line| line.to_lowercase().starts_with("set-cookie: ")) {
                let pair = line.split(": ").nth(1).unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                if line.contains("Max-Age=0") {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
            let Some(location) = answer.field("location").map(str::to_owned) else {
                return Seen::Page(answer);
            };
            (method, url) = ("GET", location);
        }
        panic!("a circle of redirects ends at {url}");
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

fn unescaped(text: &str) -> String {
    let named = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
