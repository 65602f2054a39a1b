//! What an upstream receives: the request as it was decided on, without credentials, with an identity that it can trust.
//!
//! Owns header hygiene (rules M1, M2, M9, M12, F20). It takes a [`Permit`], so nothing can be forwarded unchecked.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use pingora::http::RequestHeader;

use crate::config::Forward;
use crate::enforce::{Identity, Permit, bearer};

/// Cookies that carry tokens in the systems we are compatible with (F-332).
const TOKEN_COOKIES: [&str; 3] = ["access_token", "refresh_token", "id_token"];

/// Fields that ask an upstream to treat the request as another one than was decided on (rule F20, CWE-551).
const OVERRIDES: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
];

/// Fields that tell of earlier proxies; believed only from trusted ones.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip"];

/// Header hygiene, compiled once from the configuration.
pub struct Forwarder {
    identity: Fields,
    request_id: Option<Bytes>,
    /// Always removed: the identity fields and the overrides.
    removed: NameSet,
    forwarded: NameSet,
}

struct Fields {
    subject: Option<Bytes>,
    client: Option<Bytes>,
    tenant: Option<Bytes>,
    issuer: Option<Bytes>,
    scope: Option<Bytes>,
    roles: Option<Bytes>,
    permissions: Option<Bytes>,
}

/// One request on its way to an upstream.
pub struct Forwarding<'a> {
    /// The path that was decided on.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub peer: Option<IpAddr>,
    pub peer_is_trusted: bool,
    pub over_tls: bool,
    pub request_id: &'a str,
    pub keep_authorization: bool,
}

impl Forwarder {
    pub fn new(fields: &Forward) -> Self {
        let Forward { subject, client, tenant, issuer, scope, roles, permissions, request_id } = fields;
        let reserved = fields.reserved();
        let removed = reserved.iter().chain(request_id).map(HeaderName::as_str).chain(OVERRIDES);
        Self {
            removed: NameSet::new(removed),
            forwarded: NameSet::new(FORWARDED),
            identity: Fields {
                subject: cased(subject),
                client: cased(client),
                tenant: cased(tenant),
                issuer: cased(issuer),
                scope: cased(scope),
                roles: cased(roles),
                permissions: cased(permissions),
            },
            request_id: cased(request_id),
        }
    }

    /// Makes `request` what the upstream shall see. Called after Pingora removed hop-by-hop fields, so that a client's
    /// `Connection: X-Auth-Subject` removes its own field and never ours (rule M2).
    ///
    /// # Errors
    /// When the path or a value cannot stand in a header, which the canonical form and the encoding rule out.
    pub fn rewrite(
        &self,
        permit: &Permit,
        request: &mut RequestHeader,
        forwarding: &Forwarding<'_>,
    ) -> pingora::Result<()> {
        self.remove_untrusted(request, forwarding)?;
        set_target(request, forwarding)?;
        if let Some(identity) = permit.identity() {
            self.set_identity(request, identity)?;
        }
        set_forwarded(request, forwarding)?;
        if let Some(name) = &self.request_id {
            request.insert_header(name.clone(), forwarding.request_id)?;
        }
        Ok(())
    }

    fn remove_untrusted(&self, request: &mut RequestHeader, forwarding: &Forwarding<'_>) -> pingora::Result<()> {
        if !forwarding.keep_authorization {
            request.remove_header(&header::AUTHORIZATION);
        }
        let unwanted: Vec<HeaderName> = request
            .headers
            .keys()
            .filter(|name| {
                let name = name.as_str();
                self.removed.contains(name) || (!forwarding.peer_is_trusted && self.forwarded.contains(name))
            })
            .cloned()
            .collect();
        for name in &unwanted {
            request.remove_header(name);
        }
        remove_token_cookies(request)
    }

    fn set_identity(&self, request: &mut RequestHeader, identity: &Identity) -> pingora::Result<()> {
        let fields = &self.identity;
        for (name, value) in [
            (&fields.subject, &identity.subject),
            (&fields.client, &identity.client),
            (&fields.tenant, &identity.tenant),
            (&fields.issuer, &identity.issuer),
            (&fields.scope, &identity.scope),
            (&fields.roles, &identity.roles),
            (&fields.permissions, &identity.permissions),
        ] {
            if let (Some(name), Some(value)) = (name, value) {
                request.insert_header(name.clone(), value.clone())?;
            }
        }
        Ok(())
    }
}

/// `X-Auth-Subject`, the usual spelling, made once instead of at every request.
fn cased(name: &Option<HeaderName>) -> Option<Bytes> {
    name.as_ref().map(|name| {
        let mut upper = true;
        let titled = name.as_str().chars().map(|character| {
            let titled = if upper { character.to_ascii_uppercase() } else { character };
            upper = character == '-';
            titled
        });
        Bytes::from(titled.collect::<String>())
    })
}

/// The decided path and the query without tokens. The target is left alone when it is that already.
fn set_target(request: &mut RequestHeader, forwarding: &Forwarding<'_>) -> pingora::Result<()> {
    let cleaned = forwarding.query.and_then(bearer::without_token);
    let query = cleaned.as_deref().or(forwarding.query).filter(|query| !query.is_empty() || cleaned.is_none());
    let unchanged = cleaned.is_none()
        && request.uri.path() == forwarding.path
        // An absolute target is kept verbatim beside its path, and would be sent (RFC 9112 3.2.2).
        && request.raw_path().starts_with(b"/");
    if unchanged {
        return Ok(());
    }
    let target = match query {
        Some(query) => format!("{}?{query}", forwarding.path),
        None => forwarding.path.to_owned(),
    };
    request.set_raw_path(target.as_bytes())
}

fn set_forwarded(request: &mut RequestHeader, forwarding: &Forwarding<'_>) -> pingora::Result<()> {
    let Some(peer) = forwarding.peer else { return Ok(()) };
    // Several fields are one list (RFC 9110 5.3): a trusted proxy may add its entry as a field of its own.
    let mut chain = String::new();
    for earlier in request.headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()) {
        chain.push_str(earlier);
        chain.push_str(", ");
    }
    chain.push_str(&address(peer));
    request.insert_header("X-Forwarded-For", chain)?;
    if !request.headers.contains_key("x-forwarded-proto") {
        request.insert_header(
            "X-Forwarded-Proto",
            HeaderValue::from_static(if forwarding.over_tls { "https" } else { "http" }),
        )?;
    }
    if !request.headers.contains_key("x-forwarded-host")
        && let Some(host) = request.headers.get(header::HOST).cloned()
    {
        request.insert_header("X-Forwarded-Host", host)?;
    }
    Ok(())
}

fn address(peer: IpAddr) -> String {
    peer.to_canonical().to_string()
}

fn remove_token_cookies(request: &mut RequestHeader) -> pingora::Result<()> {
    if !carries_token_cookie(&request.headers) {
        return Ok(());
    }
    let mut kept = Vec::new();
    for field in request.headers.get_all(header::COOKIE) {
        let pairs = field.as_bytes().split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        kept.extend(pairs.filter(|pair| !pair.is_empty() && !is_token_cookie(pair)).map(<[u8]>::to_vec));
    }
    request.remove_header(&header::COOKIE);
    if !kept.is_empty() {
        // Bytes of a legal field value: the pairs came out of one.
        if let Ok(value) = HeaderValue::from_bytes(&kept.join(&b"; "[..])) {
            request.insert_header(header::COOKIE, value)?;
        }
    }
    Ok(())
}

fn carries_token_cookie(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::COOKIE)
        .iter()
        .any(|field| field.as_bytes().split(|&byte| byte == b';').any(|pair| is_token_cookie(pair.trim_ascii())))
}

/// Cookie names are case-sensitive, but not everybody's parser agrees.
fn is_token_cookie(pair: &[u8]) -> bool {
    let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
    TOKEN_COOKIES.iter().any(|token| name.eq_ignore_ascii_case(token.as_bytes()))
}

/// Names in every spelling that some upstream takes for the same: CGI and its heirs turn every byte that is neither letter
/// nor digit into the same character, so `x_auth_subject` and `x.auth.subject` are `X-Auth-Subject` to them (rule M1).
struct NameSet {
    names: Vec<Box<[u8]>>,
    /// Bit n: some name has length n. Most fields of a request are told apart by this alone.
    lengths: u64,
}

impl NameSet {
    fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<Box<[u8]>> = names.into_iter().map(|name| name.bytes().map(folded).collect()).collect();
        names.sort_unstable();
        names.dedup();
        let lengths = names.iter().fold(0, |bits, name| bits | 1 << name.len().min(63));
        Self { names, lengths }
    }

    fn contains(&self, name: &str) -> bool {
        self.lengths & 1 << name.len().min(63) != 0
            && self.names.iter().any(|own| own.len() == name.len() && own.iter().copied().eq(name.bytes().map(folded)))
    }
}

const fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests;
