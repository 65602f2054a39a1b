//! A browser without a screen: it keeps cookies, follows redirects to us, and sends forms as they stand in the page.

use std::collections::BTreeMap;

use http::StatusCode;

use super::authorization_server::{Answer, FORM, PUBLIC_URL, TestServer, encode};

pub struct Browser<'a> {
    pub server: &'a TestServer,
    pub cookies: BTreeMap<String, String>,
    /// Sent with every request.
    pub fields: Vec<(String, String)>,
}

/// Where the browser is now.
pub struct Shown {
    pub status: StatusCode,
    pub answer: Answer,
    /// Path and query of what was asked for in the end.
    pub url: String,
    /// Where the answer sends the browser, if that is not us.
    pub location: Option<String>,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a TestServer) -> Self {
        Self {
            server,
            cookies: BTreeMap::new(),
            fields: vec![("Accept".to_owned(), "text/html,application/xhtml+xml,*/*;q=0.8".to_owned())],
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another tab, window or process that knows the same cookies.
    pub fn copy(&self) -> Self {
        Self { server: self.server, cookies: self.cookies.clone(), fields: self.fields.clone() }
    }

    pub async fn open(&mut self, url: &str) -> Shown {
        let answer = self.send("GET", url, None).await;
        self.follow(url, answer).await
    }

    /// Posts a form of another site's page, or of nobody's.
    pub async fn post(&mut self, url: &str, body: &str) -> Shown {
        let answer = self.send("POST", url, Some(body.to_owned())).await;
        self.follow(url, answer).await
    }

    /// Sends the form of the page, with what the person filled in.
    pub async fn submit(&mut self, page: &Shown, filled: &[(&str, &str)]) -> Shown {
        let action = page.action();
        let body = page.body(filled);
        self.post(&action, &body).await
    }

    /// One request, without following anything.
    pub async fn send(&mut self, method: &str, url: &str, body: Option<String>) -> Answer {
        let mut call = self.server.request(method, url);
        for (name, value) in &self.fields {
            call = call.header(name, value);
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            call = call.header("Cookie", &pairs.join("; "));
        }
        if let Some(body) = body {
            call = call.header("Content-Type", FORM).body(body);
        }
        let answer = call.send().await;
        for field in answer.headers.get_all("set-cookie") {
            let field = field.to_str().unwrap();
            let (name, value) = field.split(';').next().unwrap().split_once('=').unwrap();
            if field.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    async fn follow(&mut self, url: &str, mut answer: Answer) -> Shown {
        let mut url = url.to_owned();
        for _ in 0..10 {
            let location = answer.header("location").map(str::to_owned);
            let own = location.as_deref().map(|to| to.strip_prefix(PUBLIC_URL).unwrap_or(to).to_owned());
            let Some(own) = own.filter(|to| to.starts_with('/') && to.len() > 1) else {
                return Shown { status: answer.status, answer, url, location };
            };
            answer = self.send("GET", &own, None).await;
            url = own;
        }
        panic!("a circle of redirects ends at {url}");
    }

    /// Opens `url`, signs in if asked to, and says where the browser is then.
    pub async fn sign_in(&mut self, url: &str, login_id: &str, password: &str) -> Shown {
        let page = self.open(url).await;
        if !page.has("loginId") {
            return page;
        }
        self.submit(&page, &[("loginId", login_id), ("password", password)]).await
    }
}

impl Shown {
    pub fn text(&self) -> String {
        self.answer.text()
    }

    /// Whether there is an element with this id.
    pub fn has(&self, id: &str) -> bool {
        self.text().contains(&format!("id=\"{id}\""))
    }

    /// Where the form of the page goes.
    pub fn action(&self) -> String {
        let text = self.text();
        let form = text.split("<form ").nth(1).unwrap_or_else(|| panic!("no form: {} {}", self.status, self.text()));
        unescape(attribute(form.split('>').next().unwrap(), "action").unwrap())
    }

    /// The hidden fields of the page's form.
    pub fn hidden(&self) -> Vec<(String, String)> {
        let text = self.text();
        let form = text.split("<form ").nth(1).unwrap_or_default().split("</form>").next().unwrap_or_default();
        let inputs = form.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap());
        // What is disabled is not sent.
        let hidden = inputs.filter(|input| attribute(input, "type") == Some("hidden") && !input.ends_with(" disabled"));
        let pairs = hidden.filter_map(|input| attribute(input, "name").zip(attribute(input, "value")));
        pairs.map(|(name, value)| (unescape(name), unescape(value))).collect()
    }

    /// The body that the form sends.
    pub fn body(&self, filled: &[(&str, &str)]) -> String {
        let hidden = self.hidden();
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = hidden.chain(filled.iter().copied());
        pairs.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
    }

    /// What the client gets: the parameters of query, fragment or form.
    pub fn response(&self) -> BTreeMap<String, String> {
        match &self.location {
            Some(location) => {
                let found = location.split_once('#').or_else(|| location.split_once('?'));
                let (_, text) = found.unwrap_or_else(|| panic!("no parameters: {location}"));
                parameters(text)
            }
            None => self.hidden().into_iter().collect(),
        }
    }

    /// A parameter of the response.
    pub fn get(&self, name: &str) -> Option<String> {
        self.response().get(name).cloned()
    }

    /// `error` and `error_reason` that the client gets.
    pub fn refusal(&self) -> (String, String) {
        let response = match &self.location {
            Some(_) => self.response(),
            None => panic!("no redirect: {} {}", self.status, self.text()),
        };
        let of = |name: &str| response.get(name).cloned().unwrap_or_default();
        (of("error"), of("error_reason"))
    }
}

pub fn parameters(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let decoded = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    decoded.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

fn unescape(text: &str) -> String {
    let named = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    let also = [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    named.iter().chain(&also).fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
