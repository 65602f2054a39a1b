//! What is known beforehand: a login, the route that leads to it, and the origins of this gateway.
//!
//! Owns the values. It asks nobody.

use std::sync::Arc;

use super::Issuer;
use crate::secret::Secret;

/// Who we are at an issuer.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    /// `None`: a public client.
    pub secret: Option<Secret<String>>,
}

/// How people log in.
pub struct Login {
    pub name: String,
    pub issuer: Arc<dyn Issuer>,
    pub client: Client,
    /// Separated by spaces.
    pub scope: String,
    /// Further parameters of the authorization request.
    pub parameters: Vec<(String, String)>,
    /// Seconds after which an unused session is over.
    pub idle_for: i64,
    /// Seconds after which any session is over.
    pub life_for: i64,
    /// Whether the session with the issuer ends with ours.
    pub signs_out_at_issuer: bool,
    /// Where the issuer sends people then.
    pub after_logout: Option<String>,
}

/// A route that leads people to a login.
#[derive(Clone)]
pub struct Entrance {
    pub login: Arc<Login>,
    /// The hosts of the route, in lower case; none if it has every host. People come back to the public URL then.
    pub hosts: Box<[Box<str>]>,
}

/// What browsers see of this gateway. Nothing in it comes from a request (rule M6).
#[derive(Clone, Debug)]
pub struct Origins {
    is_https: bool,
    public_host: Box<str>,
    /// With its colon; empty for the scheme's own.
    port: Box<str>,
}

impl Origins {
    /// `host` without port, `port` if it is not the scheme's own.
    pub fn new(is_https: bool, host: &str, port: Option<u16>) -> Self {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Self { is_https, public_host: bare(host).to_ascii_lowercase().into(), port: port.into() }
    }

    pub(super) fn is_https(&self) -> bool {
        self.is_https
    }

    /// The origin of the public URL.
    pub(super) fn public(&self) -> String {
        self.of(&self.public_host)
    }

    /// The origin at which a request for `host` (without port) to a route reached us; `None` if it came some other way than
    /// people are to come.
    pub(super) fn of_request(&self, entrance: &Entrance, host: &str) -> Option<String> {
        let host = bare(host);
        if entrance.hosts.is_empty() {
            return self.public_host.eq_ignore_ascii_case(host).then(|| self.public());
        }
        entrance.hosts.iter().find(|own| bare(own).eq_ignore_ascii_case(host)).map(|own| self.of(bare(own)))
    }

    fn of(&self, host: &str) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        match host.contains(':') {
            true => format!("{scheme}://[{host}]{}", self.port),
            false => format!("{scheme}://{host}{}", self.port),
        }
    }
}

/// An IPv6 address without its brackets, anything without its last dot.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browsers::tests;

    // M6: whatever a request says, people come back to what the configuration says
    #[test]
    fn origins_are_those_of_the_configuration() {
        let origins = Origins::new(true, "gate.example", Some(8443));
        let entrance = |hosts: &[&str]| Entrance {
            login: tests::login("people"),
            hosts: hosts.iter().map(|host| (*host).into()).collect(),
        };
        for (hosts, host, expected) in [
            (&[][..], "gate.example", Some("https://gate.example:8443")),
            (&[], "GATE.example.", Some("https://gate.example:8443")),
            (&[], "evil.example", None),
            (&["app.example", "[::1]"], "app.example", Some("https://app.example:8443")),
            (&["app.example", "[::1]"], "[::1]", Some("https://[::1]:8443")),
            (&["app.example"], "gate.example", None),
        ] {
            assert_eq!(origins.of_request(&entrance(hosts), host).as_deref(), expected, "{hosts:?} {host}");
        }
        assert_eq!(Origins::new(false, "::1", None).public(), "http://[::1]");
    }
}
