//! The strict reading of an HTTP/1 header block, before Pingora sees a byte of it.
//!
//! Owns the framing rules that Pingora leaves to its users (rules M3, M7, N1, N2): its parser takes a bare LF for a line end,
//! drops `Content-Length` silently beside `Transfer-Encoding`, and bounds a header block only by 1 MiB and a timeout per read.
//! Whatever Pingora would refuse by itself is refused here, where it is counted and named to the client.

use std::sync::LazyLock;

use http::Uri;
use http::uri::{Authority, PathAndQuery};
use memchr::memchr;
use memchr::memmem::Finder;

/// Bounds on one header block. Rule N2.
#[derive(Clone, Copy, Debug)]
pub struct HeaderLimits {
    /// Bytes of the whole block, request line included.
    pub block_size: usize,
    /// Field lines.
    pub fields: usize,
    /// Bytes of the request target.
    pub uri_size: usize,
}

/// Why a header block is refused; the connection is closed after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    RequestLine,
    /// CONNECT: a tunnel would carry what nobody looks at (rule M7).
    Method,
    Version,
    LineEnd,
    FieldName,
    FieldValue,
    FoldedLine,
    ContentLength,
    TransferEncoding,
    Host,
    UriTooLong,
    TooLarge,
    TooManyFields,
    Timeout,
    /// Not the block's fault: the process is short of descriptors.
    NoRoom,
}

impl Refusal {
    /// The status of the answer (RFC 9112 2.2, 3; RFC 6585 5).
    pub fn status(self) -> u16 {
        match self {
            Self::UriTooLong => 414,
            Self::TooLarge | Self::TooManyFields => 431,
            Self::Method => 405,
            Self::Timeout => 408,
            Self::NoRoom => 503,
            Self::Version => 505,
            Self::RequestLine
            | Self::LineEnd
            | Self::FieldName
            | Self::FieldValue
            | Self::FoldedLine
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::Host => 400,
        }
    }

    /// What the client is told, over whichever version of HTTP.
    pub fn description(self) -> &'static str {
        match self {
            Self::RequestLine => "The request line is malformed",
            Self::Method => "TRACE and CONNECT are never proxied",
            Self::Version => "This version of HTTP is not spoken here",
            Self::LineEnd => "A line of the header does not end in CRLF",
            Self::FieldName => "The name of a header field is malformed",
            Self::FieldValue => "The value of a header field is malformed",
            Self::FoldedLine => "A header field goes over several lines",
            Self::ContentLength => "Content-Length is malformed or told twice",
            Self::TransferEncoding => "Transfer-Encoding is not chunked, or stands beside Content-Length",
            Self::Host => "The request names no host, or two",
            Self::UriTooLong => "The request target is too long",
            Self::TooLarge => "The header of the request is too large",
            Self::TooManyFields => "The request has too many header fields",
            Self::Timeout => "The header of the request took too long",
            Self::NoRoom => "The gateway has no room for another connection; try again",
        }
    }

    /// A stable name for metrics, logs and the `code` of the problem document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestLine => "bad_request_line",
            Self::Method => "method_refused",
            Self::Version => "unsupported_version",
            Self::LineEnd => "bad_line_end",
            Self::FieldName => "bad_field_name",
            Self::FieldValue => "bad_field_value",
            Self::FoldedLine => "folded_field_line",
            Self::ContentLength => "bad_content_length",
            Self::TransferEncoding => "bad_transfer_encoding",
            Self::Host => "bad_host",
            Self::UriTooLong => "uri_too_long",
            Self::TooLarge => "header_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::Timeout => "header_timeout",
            Self::NoRoom => "no_room",
        }
    }
}

/// What is known of a block that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The request target (RFC 9112 3.2).
    pub target: &'a [u8],
    /// A path is asked for in HTTP/1.1, without a body and without asking anything of the connection but whether it is kept:
    /// the request ends with this block.
    pub is_plain: bool,
}

/// Where the block ends: the index after the empty line, or `None` while it is incomplete.
///
/// `searched` is how many bytes an earlier call has looked at already.
pub fn end(bytes: &[u8], searched: usize) -> Option<usize> {
    static EMPTY_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
    let from = searched.saturating_sub(3);
    EMPTY_LINE.find(&bytes[from..]).map(|at| from + at + 4)
}

/// Whether the bytes so far can still become an acceptable block, asked while it is incomplete.
///
/// # Errors
/// The refusal that more bytes cannot mend: too large, or a line that ends in a bare LF.
pub fn check_partial(bytes: &[u8], searched: usize, limits: &HeaderLimits) -> Result<(), Refusal> {
    if bytes.len() > limits.block_size {
        let first_line = memchr(b'\n', bytes).unwrap_or(bytes.len());
        return Err(if first_line > limits.uri_size { Refusal::UriTooLong } else { Refusal::TooLarge });
    }
    let mut from = searched;
    while let Some(at) = memchr(b'\n', &bytes[from..]) {
        let at = from + at;
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(Refusal::LineEnd);
        }
        from = at + 1;
    }
    Ok(())
}

/// Checks a complete block, empty line included.
///
/// # Errors
/// The first rule it breaks: RFC 9112 2.2 (line ends), 3 (request line), 3.2 (Host), 5 (field lines), 6 (framing).
pub fn check<'a>(block: &'a [u8], limits: &HeaderLimits) -> Result<Head<'a>, Refusal> {
    if block.len() > limits.block_size {
        return Err(Refusal::TooLarge);
    }
    let mut lines = Lines { rest: block };
    let (target, version) = request_line(lines.next().ok_or(Refusal::RequestLine)??, limits)?;

    let (mut fields, mut hosts, mut named) = (0, 0, None);
    let (mut content_length, mut transfer_encoding, mut is_plain) = (false, false, true);
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        fields += 1;
        let (name, value) = field_line(line)?;
        is_plain &= !concerns_connection(name, value);
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                hosts += 1;
                check_host(value)?;
                named = Some(value);
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // A list of equal values is as ambiguous downstream as two fields: one field, digits only (RFC 9112 6.3).
                if content_length || value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
                    return Err(Refusal::ContentLength);
                }
                content_length = true;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if transfer_encoding || version == Version::Http10 || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::TransferEncoding);
                }
                transfer_encoding = true;
            }
            _ => {}
        }
    }
    if fields > limits.fields {
        return Err(Refusal::TooManyFields);
    }
    if content_length && transfer_encoding {
        return Err(Refusal::TransferEncoding);
    }
    match (version, hosts) {
        (_, 1) | (Version::Http10, 0) => check_target(target, named)?,
        _ => return Err(Refusal::Host),
    }
    let is_plain = is_plain && version == Version::Http11 && target.starts_with(b"/");
    Ok(Head { target, is_plain })
}

/// Whether a field is about this connection (but whether it is kept), or comes before a body (RFC 9110 7.6.1, 10.1; RFC 9112
/// 6). The name in any case, the value without white space around it.
pub fn concerns_connection(name: &[u8], value: &[u8]) -> bool {
    let is = |own: &str| name.eq_ignore_ascii_case(own.as_bytes());
    let is_usual = || value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close");
    // Most fields are told apart by their length.
    match name.len() {
        2 => is("te"),
        6 => is("expect"),
        7 => is("upgrade") || is("trailer"),
        10 => is("keep-alive") || (is("connection") && !is_usual()),
        14 => is("content-length") || is("http2-settings"),
        16 => is("proxy-connection"),
        17 => is("transfer-encoding"),
        18 => is("proxy-authenticate"),
        19 => is("proxy-authorization"),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// Lines without their CRLF; a bare LF or a CR inside a line is an error.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = memchr(b'\n', self.rest)?;
        let line = &self.rest[..at];
        self.rest = &self.rest[at + 1..];
        Some(match line.split_last() {
            Some((b'\r', line)) if memchr(b'\r', line).is_none() => Ok(line),
            _ => Err(Refusal::LineEnd),
        })
    }
}

/// The target and the version.
fn request_line<'a>(line: &'a [u8], limits: &HeaderLimits) -> Result<(&'a [u8], Version), Refusal> {
    let method_end = memchr(b' ', line).ok_or(Refusal::RequestLine)?;
    let (method, rest) = (&line[..method_end], &line[method_end + 1..]);
    if method.is_empty() || method.len() > 32 || !are_all(method, TOKEN) {
        return Err(Refusal::RequestLine);
    }
    if method == b"CONNECT" {
        return Err(Refusal::Method);
    }
    let target_end = memchr(b' ', rest).ok_or(Refusal::RequestLine)?;
    let (target, version) = (&rest[..target_end], &rest[target_end + 1..]);
    if target.len() > limits.uri_size {
        return Err(Refusal::UriTooLong);
    }
    // A fragment stays with the client (RFC 9112 3.2); Pingora's parser would drop it silently.
    if target.is_empty() || !are_all(target, TARGET) {
        return Err(Refusal::RequestLine);
    }
    match version {
        b"HTTP/1.1" => Ok((target, Version::Http11)),
        b"HTTP/1.0" => Ok((target, Version::Http10)),
        _ if version.starts_with(b"HTTP/") => Err(Refusal::Version),
        _ => Err(Refusal::RequestLine),
    }
}

/// A path, `*`, or a URL with the host that the request names and nobody before it (RFC 9110 4.2.4, RFC 9112 3.2). All but
/// the usual is left to the parser that Pingora has, which copies.
fn check_target(target: &[u8], host: Option<&[u8]>) -> Result<(), Refusal> {
    if target.starts_with(b"/") {
        return match !are_all(target, USUAL) && PathAndQuery::try_from(target).is_err() {
            true => Err(Refusal::RequestLine),
            false => Ok(()),
        };
    }
    if target == b"*" {
        return Ok(());
    }
    let url = Uri::try_from(target).map_err(|_| Refusal::RequestLine)?;
    let authority = url.scheme().and(url.authority()).ok_or(Refusal::RequestLine)?.as_str();
    if authority.contains('@') {
        return Err(Refusal::RequestLine);
    }
    if host == Some(authority.as_bytes()) { Ok(()) } else { Err(Refusal::Host) }
}

fn field_line(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Refusal::FoldedLine);
    }
    let colon = memchr(b':', line).ok_or(Refusal::FieldName)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !are_all(name, TOKEN) {
        return Err(Refusal::FieldName);
    }
    if has_control(value) {
        return Err(Refusal::FieldValue);
    }
    Ok((name, value.trim_ascii()))
}

/// RFC 9110 5.5: no control byte but the tab.
fn has_control(value: &[u8]) -> bool {
    // A token is most of its request: without an early end inside of a piece, all of its bytes are looked at together.
    let is_control = |byte: u8| ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f);
    let (pieces, rest) = value.as_chunks::<32>();
    pieces.iter().any(|piece| piece.iter().fold(false, |found, &byte| found | is_control(byte)))
        || rest.iter().any(|&byte| is_control(byte))
}

/// `uri-host [ ":" port ]` in the bytes that can occur there (RFC 9110 7.2); an empty value is legal only for targets
/// without authority, which no client of a gateway sends.
fn check_host(value: &[u8]) -> Result<(), Refusal> {
    if value.is_empty() || value.len() > 300 || !are_all(value, HOST) {
        return Err(Refusal::Host);
    }
    let port = memchr(b':', value).unwrap_or(value.len());
    // Anything but a name or an address of IPv4 with its port is left to a parser, which copies.
    let is_plain = are_all(&value[..port], NAME) && value[port..].iter().skip(1).all(u8::is_ascii_digit);
    if is_plain || Authority::try_from(value).is_ok() { Ok(()) } else { Err(Refusal::Host) }
}

/// `tchar` (RFC 9110 5.6.2).
const TOKEN: u8 = 1;
/// What a target may consist of: a fragment stays with the client (RFC 9112 3.2).
const TARGET: u8 = 2;
/// What a path and a query do consist of, as Pingora's parser reads them.
const USUAL: u8 = 4;
/// What can occur in a host (RFC 9110 7.2), and in the name of one or an address of IPv4.
const HOST: u8 = 8;
const NAME: u8 = 16;

/// What each byte can be part of.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        let is_alphanumeric = byte.is_ascii_alphanumeric();
        let mut class = if byte == b'#' { 0 } else { TARGET };
        if !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}') {
            class |= USUAL;
        }
        if is_alphanumeric || is_one_of(byte, b"!#$%&'*+-.^_`|~") {
            class |= TOKEN;
        }
        if is_alphanumeric || is_one_of(byte, b"-._~:[]%!$&'()*+=") {
            class |= HOST;
        }
        if is_alphanumeric || is_one_of(byte, b"-._") {
            class |= NAME;
        }
        classes[byte as usize] = class;
        byte += 1;
    }
    classes
};

const fn is_one_of(byte: u8, list: &[u8]) -> bool {
    let mut at = 0;
    while at < list.len() {
        if list[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

fn are_all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().all(|&byte| CLASSES[usize::from(byte)] & class != 0)
}

#[cfg(test)]
mod tests;
