//! What an upstream receives: the request as it was decided on, without credentials, with an identity that it can trust.
//!
//! Owns header hygiene (rules M1, M2, M9, M12, F20). It takes a [`Permit`], so nothing can be forwarded unchecked.

use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use pingora::http::RequestHeader;
use pingora::{ErrorType, OrErr as _};

use crate::browsers::is_own_cookie;
use crate::config::{Case, Forward};
use crate::enforce::{Identity, Permit, bearer};

/// Cookies that carry tokens in the systems we are compatible with (F-332); our own are removed beside them.
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

/// Fields that tell of earlier proxies and of what these were told; believed only from trusted ones (rules M12, H8).
const FORWARDED: [&str; 10] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-real-ip",
    "client-cert",
    "client-cert-chain",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert",
];

const DPOP: HeaderName = HeaderName::from_static("dpop");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Seven of the identity, a token of our own, three of the way here, one of the request's id.
const FIELDS_ADDED: usize = 12;

/// Header hygiene, compiled once from the configuration.
pub struct Forwarder {
    fields: Forward,
    /// Always removed: the identity fields and the overrides.
    removed: NameSet,
    forwarded: NameSet,
}

/// One request on its way to an upstream.
pub struct Forwarding<'a> {
    /// The request as the client sent it.
    pub received: &'a RequestHeader,
    /// The path that was decided on.
    pub path: &'a str,
    pub peer: Option<IpAddr>,
    pub peer_is_trusted: bool,
    pub over_tls: bool,
    pub request_id: &'a str,
    /// The server that it goes to, as a host for a request that names none.
    pub server: Option<&'a str>,
    pub keep_authorization: bool,
    /// A token of our own, and the field for it.
    pub jwt: Option<(&'a HeaderName, &'a HeaderValue)>,
}

impl Forwarder {
    /// `certificate_field` is where trusted proxies tell of client certificates, if they do.
    pub fn new(fields: &Forward, certificate_field: Option<&HeaderName>) -> Self {
        let reserved = fields.reserved();
        let removed = reserved.iter().chain(&fields.request_id).map(HeaderName::as_str).chain(OVERRIDES);
        let forwarded = FORWARDED.into_iter().chain(certificate_field.map(HeaderName::as_str));
        Self { removed: NameSet::new(removed), forwarded: NameSet::new(forwarded), fields: fields.clone() }
    }

    /// What the upstream shall see of `request`, which is the received one without what belongs to a single connection, so
    /// that a client's `Connection: X-Auth-Subject` removes its own field and never ours (rule M2).
    ///
    /// Pingora remembers how every name was spelled in a second map, which makes writing eight fields a tenth of all work
    /// on a request. The names go out in lower case instead, as HTTP/2 and most proxies send them, unless the
    /// configuration asks to keep their case.
    ///
    /// # Errors
    /// When the path or a value cannot stand in a header, which the canonical form and the encoding rule out.
    pub fn rewritten(
        &self,
        permit: &Permit,
        request: &RequestHeader,
        forwarding: &Forwarding<'_>,
    ) -> pingora::Result<RequestHeader> {
        let mut headers = self.believed(&request.headers, permit, forwarding);
        if let Some(identity) = permit.identity() {
            self.set_identity(&mut headers, identity);
        }
        if let Some((name, value)) = forwarding.jwt {
            headers.insert(name.clone(), value.clone());
        }
        let mut host = headers.get(header::HOST).cloned();
        if let (None, Some(authority)) = (&host, forwarding.received.uri.authority()) {
            // RFC 9113 8.3.1: HTTP/2 has it beside the fields, where a path that is written anew would lose it.
            let named = value(authority.as_str())?;
            headers.insert(header::HOST, named.clone());
            host = Some(named);
        }
        set_forwarded(&mut headers, host.as_ref(), forwarding)?;
        if let (None, Some(server)) = (host, forwarding.server) {
            // HTTP/1.0 need not name a host, and HTTP/1.1 must (RFC 9112 3.2).
            headers.insert(header::HOST, value(server)?);
        }
        if let Some(name) = &self.fields.request_id {
            headers.insert(name.clone(), value(forwarding.request_id)?);
        }
        // A target in absolute form is gone here: the parts hold a path (RFC 9112 3.2.2).
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = request.method.clone();
        parts.uri = request.uri.clone();
        parts.version = request.version;
        parts.extensions = request.extensions.clone();
        parts.headers = headers;
        let mut rewritten = RequestHeader::from(parts);
        set_target(&mut rewritten, forwarding)?;
        if self.fields.case == Case::Preserve {
            self.respell(&mut rewritten, forwarding.received)?;
        }
        Ok(rewritten)
    }

    /// The fields that go on as they came, with room for ours.
    fn believed(&self, received: &HeaderMap, permit: &Permit, forwarding: &Forwarding<'_>) -> HeaderMap {
        // A proof belongs to the token that it came with.
        let is_bound = permit.token().is_some_and(|token| token.binding.is_some());
        let mut headers = HeaderMap::with_capacity(received.len() + FIELDS_ADDED);
        let mut has_cookies = false;
        for (name, value) in received {
            let is_credential = *name == header::AUTHORIZATION || (is_bound && *name == DPOP);
            let is_unwanted = (is_credential && !forwarding.keep_authorization)
                || self.removed.contains(name.as_str())
                || (!forwarding.peer_is_trusted && self.forwarded.contains(name.as_str()));
            if !is_unwanted {
                has_cookies |= *name == header::COOKIE;
                headers.append(name.clone(), value.clone());
            }
        }
        if has_cookies {
            remove_token_cookies(&mut headers);
        }
        headers
    }

    fn set_identity(&self, headers: &mut HeaderMap, identity: &Identity) {
        for (name, value) in self.identity_fields(Some(identity)) {
            if let Some(value) = value {
                headers.insert(name.clone(), value.clone());
            }
        }
    }

    /// The fields that carry an identity, with what they carry.
    pub fn identity_fields<'a>(
        &'a self,
        identity: Option<&'a Identity>,
    ) -> impl Iterator<Item = (&'a HeaderName, Option<&'a HeaderValue>)> {
        let (names, values) = (&self.fields, identity);
        let fields = [
            (&names.subject, values.and_then(|identity| identity.subject.as_ref())),
            (&names.client, values.and_then(|identity| identity.client.as_ref())),
            (&names.tenant, values.and_then(|identity| identity.tenant.as_ref())),
            (&names.issuer, values.and_then(|identity| identity.issuer.as_ref())),
            (&names.scope, values.and_then(|identity| identity.scope.as_ref())),
            (&names.roles, values.and_then(|identity| identity.roles.as_ref())),
            (&names.permissions, values.and_then(|identity| identity.permissions.as_ref())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.as_ref()?, value)))
    }

    /// Whether a client sent a field that some application takes for one that carries an identity, but no proxy: whoever
    /// sets `X-Auth-Roles` leaves `X_Auth_Roles` alone (rule M1).
    pub fn has_lookalike(&self, headers: &HeaderMap) -> bool {
        let identity = || {
            let names = self.identity_fields(None).map(|(own, _)| own).chain(&self.fields.jwt_headers);
            names.map(HeaderName::as_str)
        };
        let own = |name: &HeaderName| identity().any(|own| own == name.as_str());
        let folds_to =
            |name: &str, own: &str| own.len() == name.len() && own.bytes().map(folded).eq(name.bytes().map(folded));
        headers.keys().any(|name| !own(name) && identity().any(|own| folds_to(name.as_str(), own)))
    }

    /// Gives every name the case in which the client sent it, and our own the usual one whatever the client sent. Names are
    /// the same in every case (RFC 9110 5.1), but not every old server knows.
    fn respell(&self, request: &mut RequestHeader, received: &RequestHeader) -> pingora::Result<()> {
        if !received.has_case() {
            return Ok(());
        }
        let mut spelled = RequestHeader::build(request.method.clone(), b"/", Some(request.headers.len()))?;
        spelled.set_uri(request.uri.clone());
        spelled.set_version(request.version);
        *spelled.extensions_mut() = request.extensions.clone();
        for (name, value) in &request.headers {
            let is_ours = self.removed.contains(name.as_str()) || self.forwarded.contains(name.as_str());
            let as_received = received
                .case_header_iter()
                .map(|(spelling, _)| spelling.as_slice())
                .find(|spelling| !is_ours && spelling.eq_ignore_ascii_case(name.as_str().as_bytes()));
            let spelling = as_received.map_or_else(|| titled(name), Bytes::copy_from_slice);
            spelled.append_header(spelling, value.clone())?;
        }
        *request = spelled;
        Ok(())
    }
}

/// The decided path and the query without tokens. The target is left alone when it is that already.
fn set_target(request: &mut RequestHeader, forwarding: &Forwarding<'_>) -> pingora::Result<()> {
    let query = request.uri.query();
    let cleaned = query.and_then(bearer::without_token);
    if cleaned.is_none() && request.uri.path() == forwarding.path {
        return Ok(());
    }
    let query = cleaned.as_deref().or(query).filter(|query| !query.is_empty() || cleaned.is_none());
    let target = match query {
        Some(query) => format!("{}?{query}", forwarding.path),
        None => forwarding.path.to_owned(),
    };
    request.set_raw_path(target.as_bytes())
}

/// `X-Auth-Subject`, the usual spelling.
fn titled(name: &HeaderName) -> Bytes {
    let mut upper = true;
    let titled = name.as_str().chars().map(|character| {
        let titled = if upper { character.to_ascii_uppercase() } else { character };
        upper = character == '-';
        titled
    });
    Bytes::from(titled.collect::<String>())
}

/// Tells of the way here, beside what is believed of it already.
fn set_forwarded(
    headers: &mut HeaderMap,
    host: Option<&HeaderValue>,
    forwarding: &Forwarding<'_>,
) -> pingora::Result<()> {
    let Some(peer) = forwarding.peer else { return Ok(()) };
    let peer = peer.to_canonical();
    let scheme = HeaderValue::from_static(if forwarding.over_tls { "https" } else { "http" });
    if !forwarding.peer_is_trusted {
        headers.insert(X_FORWARDED_FOR, spelled(peer)?);
        headers.insert(X_FORWARDED_PROTO, scheme);
        if let Some(host) = host {
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
        return Ok(());
    }
    // Several fields are one list (RFC 9110 5.3): a trusted proxy may add its entry as a field of its own.
    let mut chain = String::new();
    for earlier in headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()) {
        chain.push_str(earlier);
        chain.push_str(", ");
    }
    // Writing to a string cannot fail.
    let _ = write!(chain, "{peer}");
    headers.insert(X_FORWARDED_FOR, value(chain)?);
    headers.entry(X_FORWARDED_PROTO).or_insert(scheme);
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
    }
    Ok(())
}

/// An address as a field's value. It is on every request, and `fmt` would take 500 instructions more for one of IPv4.
fn spelled(address: IpAddr) -> pingora::Result<HeaderValue> {
    let IpAddr::V4(address) = address else { return value(address.to_string()) };
    let mut text = [0; "255.255.255.255".len()];
    let mut length = 0;
    let mut push = |byte| {
        text[length] = byte;
        length += 1;
    };
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            push(b'.');
        }
        for unit in [100, 10, 1] {
            if octet >= unit || unit == 1 {
                push(b'0' + octet / unit % 10);
            }
        }
    }
    value(&text[..length])
}

fn value(text: impl TryInto<HeaderValue, Error = http::header::InvalidHeaderValue>) -> pingora::Result<HeaderValue> {
    text.try_into().or_err(ErrorType::InvalidHTTPHeader, "a value of the gateway's own")
}

/// HTTP/2 may cut cookies into several fields, which are one outside of it (RFC 9113 8.2.3).
fn remove_token_cookies(headers: &mut HeaderMap) {
    let is_split = headers.get_all(header::COOKIE).iter().nth(1).is_some();
    if !is_split && !carries_token_cookie(headers) {
        return;
    }
    let mut kept = Vec::new();
    for field in headers.get_all(header::COOKIE) {
        let pairs = field.as_bytes().split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        kept.extend(pairs.filter(|pair| !pair.is_empty() && !is_token_cookie(pair)).map(<[u8]>::to_vec));
    }
    headers.remove(header::COOKIE);
    if !kept.is_empty() {
        // Bytes of a legal field value: the pairs came out of one.
        if let Ok(value) = HeaderValue::from_bytes(&kept.join(&b"; "[..])) {
            headers.insert(header::COOKIE, value);
        }
    }
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
    is_own_cookie(name) || TOKEN_COOKIES.iter().any(|token| name.eq_ignore_ascii_case(token.as_bytes()))
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
