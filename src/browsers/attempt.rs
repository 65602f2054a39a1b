//! The way to the issuer: one attempt to log in, of one tab of one browser (RFC 6749 4.1.1, RFC 7636, RFC 9700 2.1).
//!
//! Owns what is remembered of it meanwhile, sealed, in a cookie of its own. Nothing is written on this side, because most
//! people who are led to a login were only looking.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{Browsers, Demands, Entrance, Login, Unanswered, cookies, query};
use crate::clock::UnixSeconds;
use crate::secret::Secret;

/// Seconds that a login may take.
pub(super) const ATTEMPT_FOR: i64 = 600;
/// Attempts that a browser keeps at the same time, per login.
const MOST_ATTEMPTS: usize = 4;
/// Characters of the address that is gone back to; it has to fit into a cookie.
const MOST_BACK: usize = 1800;
/// Characters of `state` that name its cookie. The rest makes it a secret.
const NAMED_BY: usize = 12;
/// What is sealed opens for this only.
const PLACE: &str = "browser login";

/// What the browser is told that was led to an issuer.
#[derive(Debug)]
pub struct Begun {
    pub to: String,
    /// Values of `Set-Cookie`.
    pub cookies: Vec<HeaderValue>,
}

/// The request of somebody without a token.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    /// As the request says, without port.
    pub host: &'a str,
    /// Whether a trusted proxy is in between, which may have its own name for us.
    pub is_through_proxy: bool,
    /// Canonical.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    /// What the login has to be; `None`: whatever the issuer makes of it.
    pub demands: Option<&'a Demands>,
}

/// What is remembered.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub login: String,
    pub state: String,
    pub nonce: String,
    pub verifier: String,
    /// Where the browser came to.
    pub origin: String,
    /// Where it goes in the end: path and query.
    pub back: String,
    pub at: UnixSeconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demands: Option<Demands>,
}

impl Attempt {
    pub(super) fn is_over(&self, now: UnixSeconds) -> bool {
        !(self.at..self.at.saturating_add(ATTEMPT_FOR)).contains(&now)
    }
}

impl Browsers {
    /// Leads somebody to the issuer of a login, and remembers what they wanted.
    ///
    /// # Errors
    /// [`Unanswered`] while the issuer does not say where people log in.
    pub async fn begin(&self, entrance: &Entrance, arrival: Arrival<'_>) -> Result<Begun, Unanswered> {
        let login = &*entrance.login;
        let back = arrival.target();
        let origin = self.origins.of_request(entrance, arrival.host);
        let origin = origin.or_else(|| arrival.is_through_proxy.then(|| self.origins.public()));
        let Some(origin) = origin else {
            // Cookies of another name of ours would not be there when the issuer sends the browser back.
            return Ok(Begun { to: format!("{}{back}", self.origins.public()), cookies: Vec::new() });
        };
        let endpoints = login.issuer.endpoints().await?;
        let attempt = Attempt {
            login: login.name.clone(),
            state: self.entropy.token(32),
            nonce: self.entropy.token(32),
            verifier: self.entropy.token(32),
            back,
            at: self.clock.now(),
            origin,
            demands: arrival.demands.cloned(),
        };
        let redirect_uri = self.redirect_uri(&attempt.origin, login);
        let challenge = challenge(&attempt.verifier);
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &login.client.id),
            ("redirect_uri", &redirect_uri),
            ("scope", &login.scope),
            ("state", &attempt.state),
            ("nonce", &attempt.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let demanded = attempt.demands.as_ref().map(Demands::parameters).unwrap_or_default();
        let is_other = |name: &str| demanded.iter().all(|(own, _)| *own != name);
        let usual = login.parameters.iter().filter(|(name, _)| is_other(name));
        parameters.extend(usual.map(|(name, value)| (name.as_str(), value.as_str())));
        parameters.extend(demanded.iter().map(|(name, value)| (*name, value.as_str())));
        let to = query::with(&endpoints.authorization, &parameters);
        let mut cookies = self.stale_attempts(login, arrival.headers);
        let is_https = self.origins.is_https();
        let name = cookies::of_attempt(&login.name, name_of(&attempt.state), is_https);
        cookies.extend(self.seal_attempt(&attempt).and_then(|sealed| cookies::set(&name, &sealed, Some(ATTEMPT_FOR))));
        self.count_login(login, "begun");
        Ok(Begun { to, cookies })
    }

    /// The attempt with this state, if this browser made it.
    pub(super) fn find_attempt(&self, login: &Login, state: &str, headers: &HeaderMap) -> Option<Attempt> {
        let name = self.attempt_cookie(login, state);
        let attempt = self.open_attempt(cookies::find(headers, &name)?)?;
        let is_this = crate::secret::equal(attempt.state.as_bytes(), state.as_bytes()) && attempt.login == login.name;
        is_this.then_some(attempt)
    }

    pub(super) fn attempt_cookie(&self, login: &Login, state: &str) -> String {
        cookies::of_attempt(&login.name, name_of(state), self.origins.is_https())
    }

    /// Removes attempts that are over, and the oldest ones if there are too many.
    fn stale_attempts(&self, login: &Login, headers: &HeaderMap) -> Vec<HeaderValue> {
        let now = self.clock.now();
        let mut live = Vec::new();
        let mut stale = Vec::new();
        for (name, value) in cookies::attempts(headers, &login.name, self.origins.is_https()) {
            match self.open_attempt(value).filter(|attempt| !attempt.is_over(now)) {
                Some(attempt) => live.push((attempt.at, name)),
                None => stale.push(name),
            }
        }
        live.sort_unstable();
        let surplus = (live.len() + 1).saturating_sub(MOST_ATTEMPTS);
        stale.extend(live.into_iter().take(surplus).map(|(_, name)| name));
        stale.into_iter().filter_map(cookies::remove).collect()
    }

    fn seal_attempt(&self, attempt: &Attempt) -> Option<Secret<String>> {
        let text = Secret::new(serde_json::to_string(attempt).ok()?);
        self.sealing.seal(PLACE, &text, &self.entropy).ok().map(Secret::new)
    }

    fn open_attempt(&self, sealed: &str) -> Option<Attempt> {
        serde_json::from_str(self.sealing.open(PLACE, sealed)?.expose()).ok()
    }
}

impl Arrival<'_> {
    /// What is gone back to. It begins with one slash, so that it never leads to another host.
    fn target(&self) -> String {
        let path = if self.path.starts_with('/') && !self.path.starts_with("//") { self.path } else { "/" };
        let path = if path.len() > MOST_BACK { "/" } else { path };
        let is_plain = |query: &&str| query.bytes().all(|byte| byte.is_ascii_graphic()) && !query.contains('#');
        match self.query.filter(is_plain) {
            Some(query) if path.len() + query.len() < MOST_BACK => format!("{path}?{query}"),
            Some(_) | None => path.to_owned(),
        }
    }
}

/// What the cookie of a state is called. A state that is not ours names none that is there.
fn name_of(state: &str) -> &str {
    state.get(..NAMED_BY).filter(|name| name.bytes().all(is_name)).unwrap_or("-")
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// RFC 7636 4.2
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::header::COOKIE;

    use super::*;
    use crate::browsers::tests::{self, World, arrival, world};

    fn pair(cookie: &HeaderValue) -> &str {
        cookie.to_str().unwrap().split(';').next().unwrap()
    }

    // RFC 7636 appendix B
    #[test]
    fn the_challenge_is_that_of_the_specification() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    // CWE-601: whatever was asked for, the browser stays with this host
    #[test]
    fn nobody_is_led_elsewhere_in_the_end() {
        let headers = HeaderMap::new();
        let long = "x".repeat(MOST_BACK);
        for (path, query, expected) in [
            ("/app", Some("a=b&c"), "/app?a=b&c"),
            ("/app", None, "/app"),
            ("//evil.example", None, "/"),
            ("https://evil.example", None, "/"),
            ("/app", Some("a b"), "/app"),
            ("/app", Some("a\r\nb"), "/app"),
            ("/app", Some(&*long), "/app"),
            (&*format!("/{long}"), None, "/"),
        ] {
            assert_eq!(arrival(&headers, path, query).target(), expected);
        }
    }

    // B1, B9: each attempt has secrets of its own, and only this gateway can read them
    #[tokio::test]
    async fn every_attempt_is_another_one() {
        let World { browsers, entrance, .. } = world(&["people"]).await;
        let headers = HeaderMap::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..3 {
            let begun = browsers.begin(&entrance, arrival(&headers, "/app", Some("q=1"))).await.unwrap();
            let url = begun.to.as_str();
            assert!(url.starts_with("https://issuer.example/authorize?response_type=code&client_id=gate&"), "{url}");
            assert!(url.contains("redirect_uri=https%3A%2F%2Fgate.example%2F_faregate%2Fcallback&"), "{url}");
            assert!(url.contains("&code_challenge_method=S256"), "{url}");
            let [cookie] = &begun.cookies[..] else { panic!("{begun:?}") };
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.starts_with("__Host-faregate_at_people.") && cookie.contains("Max-Age=600"), "{cookie}");
            let (_, query) = url.split_once('?').unwrap();
            for name in ["state", "nonce", "code_challenge"] {
                let value = query::find(query, name).unwrap();
                assert_eq!(value.len(), 43, "{name}");
                assert!(!cookie.contains(&value), "{name} is sealed");
                assert!(seen.insert(value));
            }
        }
    }

    // RFC 9470 4: what the route wants is asked for once, in the place of what is usual
    #[tokio::test]
    async fn a_login_is_asked_to_be_what_it_has_to_be() {
        let world = world(&["people"]).await;
        let parameters =
            [("acr_values", "bronze"), ("prompt", "login")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let login = Login { parameters, ..Arc::into_inner(tests::login("people")).unwrap() };
        let entrance = Entrance { login: login.into(), hosts: Box::default() };
        let headers = HeaderMap::new();
        let demands = Demands::new(&["gold".into(), "silver".into()], Some(300)).unwrap();
        for (demands, expected) in [(None, ["bronze", ""]), (Some(&demands), ["gold silver", "300"])] {
            let arrival = Arrival { demands, ..arrival(&headers, "/app", None) };
            let begun = world.browsers.begin(&entrance, arrival).await.unwrap();
            let (_, sent) = begun.to.split_once('?').unwrap();
            let found = ["acr_values", "max_age"].map(|name| query::find(sent, name).unwrap_or_default());
            assert_eq!(found, expected, "{sent}");
            assert_eq!(query::find(sent, "prompt").as_deref(), Some("login"));
        }
    }

    #[tokio::test]
    async fn another_name_of_ours_leads_to_the_public_one_first() {
        let World { browsers, entrance, .. } = world(&["people"]).await;
        let headers = HeaderMap::new();
        let other = Arrival { host: "127.0.0.1", ..arrival(&headers, "/app", None) };
        let begun = browsers.begin(&entrance, other).await.unwrap();
        assert_eq!((begun.to.as_str(), begun.cookies.len()), ("https://gate.example/app", 0));
        let through_proxy = Arrival { is_through_proxy: true, ..other };
        assert!(browsers.begin(&entrance, through_proxy).await.unwrap().to.starts_with("https://issuer.example/"));
    }

    // Several tabs at once, but not so many that no request fits any more
    #[tokio::test]
    async fn a_browser_keeps_the_newest_attempts() {
        let World { browsers, entrance, clock, .. } = world(&["people"]).await;
        let mut kept: Vec<String> = Vec::new();
        for number in 0..6 {
            let mut headers = HeaderMap::new();
            if !kept.is_empty() {
                headers.insert(COOKIE, kept.join("; ").parse().unwrap());
            }
            let begun = browsers.begin(&entrance, arrival(&headers, "/app", None)).await.unwrap();
            let (set, removed) = begun.cookies.split_last().unwrap();
            assert_eq!(removed.len(), usize::from(number >= 4), "{number}");
            for cookie in removed {
                assert!(pair(cookie).starts_with(kept[0].split('=').next().unwrap()), "the oldest one");
                kept.remove(0);
            }
            kept.push(pair(set).to_owned());
            clock.advance(1);
        }
        clock.advance(ATTEMPT_FOR);
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, kept.join("; ").parse().unwrap());
        let begun = browsers.begin(&entrance, arrival(&headers, "/app", None)).await.unwrap();
        assert_eq!(begun.cookies.len(), kept.len() + 1, "those that are over go");
        assert!(begun.cookies.iter().all(|cookie| cookie.len() < 4096), "K4");
    }
}
