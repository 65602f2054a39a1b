//! An upstream's answer, made one that another connection can carry.
//!
//! Owns where it ends and what in it is for the connection that it came over (RFC 9110 7.6.1, RFC 9112 6). What else clients
//! are told is `exchange`'s business.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType};

/// Fields that are for the next hop, whether `Connection` names them or not.
const NEXT_HOP: [HeaderName; 4] =
    [HeaderName::from_static("keep-alive"), HeaderName::from_static("proxy-connection"), header::TE, header::UPGRADE];

/// Takes from `answer` what only its own connection is concerned with.
///
/// # Errors
/// When two readers could find its end in two places: nobody may get it then.
pub fn take_from_connection(answer: &mut ResponseHeader) -> pingora::Result<()> {
    let is_old = answer.version < Version::HTTP_11;
    if is_old && (answer.status.is_informational() || answer.headers.contains_key(header::TRANSFER_ENCODING)) {
        // RFC 9110 15.2, RFC 9112 6.1
        return malformed("HTTP/1.0 has neither interim answers nor chunks");
    }
    check_chunked(&answer.headers)?;
    match answer.status {
        // RFC 9112 6.1, RFC 9110 8.6: there is no body that these could be about.
        status if status.is_informational() || status == StatusCode::NO_CONTENT => {
            answer.remove_header(&header::TRANSFER_ENCODING);
            answer.remove_header(&header::CONTENT_LENGTH);
        }
        _ => write_one_length(answer)?,
    }
    if answer.status != StatusCode::SWITCHING_PROTOCOLS {
        remove_connection_fields(answer);
    }
    if is_old {
        // The version says what we understand (RFC 9110 6.2).
        answer.set_version(Version::HTTP_11);
    }
    Ok(())
}

/// RFC 9112 6.1: `chunked` is the only coding that a client need understand, once.
fn check_chunked(headers: &HeaderMap) -> pingora::Result<()> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        (Some(_), _) => malformed("a transfer coding other than chunked"),
    }
}

/// A length that is told twice is told once (RFC 9110 8.6).
fn write_one_length(answer: &mut ResponseHeader) -> pingora::Result<()> {
    let is_number = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit) && !value.is_empty();
    let mut fields = answer.headers.get_all(header::CONTENT_LENGTH).iter();
    match (fields.next(), fields.next()) {
        (None, _) => return Ok(()),
        (Some(value), None) if is_number(value) => return Ok(()),
        (Some(_), _) => {}
    }
    match only_length(&answer.headers) {
        Some(length) => answer.insert_header(header::CONTENT_LENGTH, HeaderValue::from(length)),
        None => malformed("several lengths"),
    }
}

fn only_length(headers: &HeaderMap) -> Option<u64> {
    let mut only = None;
    for field in headers.get_all(header::CONTENT_LENGTH) {
        for text in field.to_str().ok()?.split(',').map(str::trim) {
            let length = text.parse().ok().filter(|_| !text.starts_with('+'))?;
            if only.replace(length).is_some_and(|other| other != length) {
                return None;
            }
        }
    }
    only
}

fn remove_connection_fields(answer: &mut ResponseHeader) {
    if !answer.headers.keys().any(|name| *name == header::CONNECTION || NEXT_HOP.contains(name)) {
        return;
    }
    for name in named(&answer.headers) {
        answer.remove_header(&name);
    }
    answer.remove_header(&header::CONNECTION);
    for name in &NEXT_HOP {
        // 426 owes it (RFC 9110 15.5.22).
        if *name != header::UPGRADE || answer.status != StatusCode::UPGRADE_REQUIRED {
            answer.remove_header(name);
        }
    }
}

/// Fields that `Connection` names. Where the body ends is nothing that it could take away.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let fields = headers.get_all(header::CONNECTION).iter().map(HeaderValue::as_bytes);
    let options = fields.flat_map(|field| field.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    // What almost every answer says names no field, and an empty list takes no memory.
    let usual = |option: &&[u8]| option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close");
    let names = options.filter(|option| !usual(option)).filter_map(|option| HeaderName::from_bytes(option).ok());
    names.filter(|name| ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE].contains(name)).collect()
}

fn malformed<T>(why: &'static str) -> pingora::Result<T> {
    Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an answer: its version and its fields, sorted.
    fn taken(version: Version, status: u16, fields: &[(&'static str, &'static str)]) -> Option<(Version, Vec<String>)> {
        let mut answer = ResponseHeader::build(status, None).unwrap();
        answer.set_version(version);
        for (name, value) in fields {
            answer.append_header(*name, *value).unwrap();
        }
        take_from_connection(&mut answer).ok()?;
        let mut left: Vec<String> =
            answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        left.sort();
        Some((answer.version, left))
    }

    fn left(status: u16, fields: &[(&'static str, &'static str)]) -> Vec<String> {
        taken(Version::HTTP_11, status, fields).unwrap().1
    }

    // RFC 9112 6.1, 6.3
    #[test]
    fn an_answer_with_two_ends_is_none() {
        let te = "transfer-encoding";
        for fields in [
            &[(te, "chunked"), (te, "chunked")][..],
            &[(te, "gzip, chunked")],
            &[(te, "chunked, chunked")],
            &[(te, "identity")],
            &[(te, "gzip")],
            &[(te, "")],
            &[("content-length", "2"), ("content-length", "3")],
            &[("content-length", "2, 3")],
            &[("content-length", "2, +2")],
            &[("content-length", "")],
        ] {
            assert!(taken(Version::HTTP_11, 200, fields).is_none(), "{fields:?}");
        }
        assert!(taken(Version::HTTP_10, 200, &[(te, "chunked")]).is_none());
        assert!(taken(Version::HTTP_10, 100, &[]).is_none());
    }

    // RFC 9110 8.6
    #[test]
    fn a_length_is_told_once() {
        for fields in [
            &[("content-length", "2"), ("content-length", "2")][..],
            &[("content-length", "2, 2")],
            &[("content-length", "2"), ("content-length", "02")],
        ] {
            assert_eq!(left(200, fields), ["content-length: 2"], "{fields:?}");
        }
        assert_eq!(left(200, &[("transfer-encoding", "Chunked")]), ["transfer-encoding: Chunked"]);
        assert_eq!(left(304, &[("content-length", "5")]), ["content-length: 5"]);
        for status in [103, 204] {
            assert!(left(status, &[("content-length", "0"), ("transfer-encoding", "chunked")]).is_empty(), "{status}");
        }
        let old = taken(Version::HTTP_10, 200, &[("content-length", "2")]);
        assert_eq!(old, Some((Version::HTTP_11, vec!["content-length: 2".to_owned()])));
    }

    // RFC 9110 7.6.1, 15.5.22
    #[test]
    fn what_is_for_the_next_hop_ends_here() {
        let fields = [
            ("connection", "keep-alive, X-Internal, content-length"),
            ("connection", "x-other"),
            ("x-internal", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("content-length", "2"),
            ("x-kept", "1"),
        ];
        assert_eq!(left(200, &fields), ["content-length: 2", "x-kept: 1"]);
        assert_eq!(left(426, &fields), ["content-length: 2", "upgrade: h2c", "x-kept: 1"]);
        let switching = [("connection", "Upgrade"), ("upgrade", "websocket")];
        assert_eq!(left(101, &switching), ["connection: Upgrade", "upgrade: websocket"]);
        assert_eq!(taken(Version::HTTP_2, 200, &[("grpc-status", "5")]).unwrap().1, ["grpc-status: 5"]);
    }
}
