//! A person with a browser who goes through several real servers: it keeps cookies, follows redirects and fills in the
//! sign-in page.
//!
//! All servers of the tests are on one host, so that there is one jar, as in a browser.

use std::collections::BTreeMap;

use http::HeaderMap;
use reqwest::Method;

use super::gateway::client;

pub struct Visitor {
    pub cookies: BTreeMap<String, String>,
    client: reqwest::Client,
}

/// What was answered last.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
    pub url: String,
}

impl Seen {
    pub fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Values of the field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The `code` of a problem document, or that of an error page.
    pub fn code(&self) -> String {
        if let Ok(problem) = serde_json::from_str::<serde_json::Value>(&self.body) {
            return problem["code"].as_str().unwrap_or_default().to_owned();
        }
        let (_, rest) = self.body.split_once("<code>").unwrap_or_default();
        rest.split('<').next().unwrap_or_default().to_owned()
    }
}

impl Visitor {
    pub fn new() -> Self {
        Self { cookies: BTreeMap::new(), client: client() }
    }

    /// Another window of the same browser.
    pub fn copy(&self) -> Self {
        Self { cookies: self.cookies.clone(), client: self.client.clone() }
    }

    /// One request with these fields and the cookies of the jar, without following anything.
    pub async fn send(&mut self, method: &str, url: &str, fields: &[(&str, &str)], body: Option<String>) -> Seen {
        let mut call = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        for (name, value) in fields {
            call = call.header(*name, *value);
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            call = call.header("cookie", pairs.join("; "));
        }
        if let Some(body) = body {
            call = call.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        let answer = call.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        for field in headers.get_all("set-cookie") {
            let field = field.to_str().unwrap();
            let (name, value) = field.split(';').next().unwrap().split_once('=').unwrap();
            match field.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        Seen { status, headers, body: answer.text().await.unwrap(), url: url.to_owned() }
    }

    /// What a person does who follows a link.
    pub async fn open(&mut self, url: &str) -> Seen {
        self.send("GET", url, &[("accept", "text/html,*/*;q=0.8")], None).await
    }

    /// The same, and wherever it leads.
    pub async fn go(&mut self, url: &str) -> Seen {
        let seen = self.open(url).await;
        self.follow(seen).await
    }

    pub async fn follow(&mut self, mut seen: Seen) -> Seen {
        for _ in 0..10 {
            if !(300..400).contains(&seen.status) {
                return seen;
            }
            let to = reqwest::Url::parse(&seen.url).unwrap().join(seen.field("location")).unwrap();
            seen = self.open(to.as_str()).await;
        }
        panic!("a circle of redirects ends at {}", seen.url);
    }

    /// Fills in the form of a page that `seen` is, and goes where that leads.
    pub async fn submit(&mut self, seen: &Seen, filled: &[(&str, &str)]) -> Seen {
        let answer = self.send_form(seen, filled).await;
        self.follow(answer).await
    }

    /// The same without going anywhere.
    pub async fn send_form(&mut self, seen: &Seen, filled: &[(&str, &str)]) -> Seen {
        let form = seen.body.split("<form ").nth(1).unwrap_or_else(|| panic!("no form: {seen:?}"));
        let form = form.split("</form>").next().unwrap();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for input in form.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap()) {
            // What is disabled is not sent.
            if input.contains("type=\"hidden\"") && !input.ends_with(" disabled") {
                pairs.push((attribute(input, "name"), attribute(input, "value")));
            }
        }
        pairs.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let action = reqwest::Url::parse(&seen.url).unwrap().join(&attribute(form, "action")).unwrap();
        let fields = [("accept", "text/html"), ("origin", "null"), ("sec-fetch-site", "same-origin")];
        self.send("POST", action.as_str(), &fields, Some(body.join("&"))).await
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let (_, rest) = tag.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name}: {tag}"));
    let value = rest.split('"').next().unwrap();
    let named = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&amp;", "&")];
    named.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
