//! Header blocks: what we let pass is read in the same way by the parser behind us. Owns no rule.

use crate::gateway::HeaderLimits;
use crate::gateway::header_block::{check, check_partial, end};

const LIMITS: HeaderLimits = HeaderLimits { block_size: 4096, fields: 32, uri_size: 1024 };

/// The whole input: what a client sent so far.
///
/// # Panics
/// If the parser of the proxy sees another end, other framing or another host than we did, or refuses what we let pass
/// (rules M3, M7, N1), if a request that we call plain is none, or if it matters in which pieces the bytes came.
pub fn header_block(input: &[u8]) {
    let found = end(input, 0);
    for searched in [input.len() / 3, input.len() / 2] {
        if end(&input[..searched], 0).is_none() {
            assert_eq!(end(input, searched), found, "the pieces change where the block ends");
        }
    }
    let Some(length) = found else {
        let whole = check_partial(input, 0, &LIMITS);
        if whole.is_ok() {
            assert_eq!(check_partial(&input[..input.len() / 2], 0, &LIMITS), Ok(()), "a part of what is good is bad");
        }
        return;
    };
    let block = &input[..length];
    let Ok(head) = check(block, &LIMITS) else { return };
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    assert_eq!(request.parse(block), Ok(httparse::Status::Complete(length)), "the proxy sees another end, or none");
    let values = |name: &str| -> Vec<&[u8]> {
        let same = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        same.map(|field| field.value).collect()
    };
    let (lengths, codings, hosts) = (values("content-length"), values("transfer-encoding"), values("host"));
    assert!(lengths.len() + codings.len() <= 1, "two framings: {lengths:?} {codings:?}");
    let is_number = |value: &&[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    assert!(lengths.iter().all(is_number) && codings.iter().all(|coding| coding.eq_ignore_ascii_case(b"chunked")));
    assert!(hosts.len() == 1 || (hosts.is_empty() && request.version == Some(0)), "{hosts:?}");
    assert!(request.headers.len() <= LIMITS.fields && request.method != Some("CONNECT"));
    let path = request.path.unwrap_or_default();
    assert!(!path.is_empty() && path.len() <= LIMITS.uri_size && !path.contains('#'));
    assert!(path.parse::<http::Uri>().is_ok(), "the proxy would refuse it by itself: {path}");
    assert_eq!(path.as_bytes(), head.target);
    if head.is_plain {
        assert!(path.starts_with('/') && request.version == Some(1) && lengths.is_empty() && codings.is_empty());
        let others = ["upgrade", "expect", "te", "trailer", "keep-alive", "proxy-connection", "http2-settings"];
        assert!(others.iter().all(|name| values(name).is_empty()), "it asks something of the connection");
    }
}
