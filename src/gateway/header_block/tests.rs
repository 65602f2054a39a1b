use super::*;

const LIMITS: HeaderLimits = HeaderLimits { block_size: 32 * 1024, fields: 100, uri_size: 8 * 1024 };

fn checked(block: &str) -> Result<(), Refusal> {
    check(block.as_bytes(), &LIMITS).map(drop)
}

#[test]
fn ordinary_requests_pass() {
    for block in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?b=c HTTP/1.1\r\nhost:a:8080\r\nAccept: */*\r\nX: a\tb\r\nEmpty:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 12\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(checked(block), Ok(()), "{block:?}");
    }
}

// M3
#[test]
fn ambiguous_framing_is_refused() {
    for (fields, refusal) in [
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", Refusal::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", Refusal::TransferEncoding),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", Refusal::ContentLength),
        ("Content-Length: 1, 1\r\n", Refusal::ContentLength),
        ("Content-Length: +1\r\n", Refusal::ContentLength),
        ("Content-Length: -1\r\n", Refusal::ContentLength),
        ("Content-Length: 0x1\r\n", Refusal::ContentLength),
        ("Content-Length: 1 1\r\n", Refusal::ContentLength),
        ("Content-Length:\r\n", Refusal::ContentLength),
        ("Content-Length: 99999999999999999999\r\n", Refusal::ContentLength),
        ("content-length: 1\r\nCONTENT-LENGTH: 2\r\n", Refusal::ContentLength),
        ("Transfer-Encoding: chunked, identity\r\n", Refusal::TransferEncoding),
        ("Transfer-Encoding: identity\r\n", Refusal::TransferEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", Refusal::TransferEncoding),
        ("Transfer-Encoding: xchunked\r\n", Refusal::TransferEncoding),
        ("Transfer-Encoding: \"chunked\"\r\n", Refusal::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Refusal::TransferEncoding),
        ("Transfer-Encoding : chunked\r\n", Refusal::FieldName),
        ("Transfer-Encoding\t: chunked\r\n", Refusal::FieldName),
        ("Transfer-Encoding\r\n : chunked\r\n", Refusal::FieldName),
        ("Content-Length : 1\r\n", Refusal::FieldName),
        (": 1\r\n", Refusal::FieldName),
        ("Content Length: 1\r\n", Refusal::FieldName),
        ("No-Colon\r\n", Refusal::FieldName),
        ("X: a\r\n b\r\n", Refusal::FoldedLine),
        ("X: a\r\n\tb\r\n", Refusal::FoldedLine),
        (" X: a\r\n", Refusal::FoldedLine),
        ("X: a\nContent-Length: 1\r\n", Refusal::LineEnd),
        ("X: a\rContent-Length: 1\r\n", Refusal::LineEnd),
        ("X: a\r\r\n", Refusal::LineEnd),
    ] {
        let block = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(checked(&block), Err(refusal), "{fields:?}");
    }
    assert_eq!(checked("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(Refusal::TransferEncoding));
}

// RFC 9112 3
#[test]
fn request_lines_are_exact() {
    for (line, refusal) in [
        ("GET /", Refusal::RequestLine),
        ("GET", Refusal::RequestLine),
        ("", Refusal::RequestLine),
        (" GET / HTTP/1.1", Refusal::RequestLine),
        ("GET  / HTTP/1.1", Refusal::RequestLine),
        ("GET /a b HTTP/1.1", Refusal::RequestLine),
        ("GET / HTTP/1.1 ", Refusal::Version),
        ("GET\t/ HTTP/1.1", Refusal::RequestLine),
        ("G@T / HTTP/1.1", Refusal::RequestLine),
        ("GET /\u{7f} HTTP/1.1", Refusal::RequestLine),
        ("GET /\u{0} HTTP/1.1", Refusal::RequestLine),
        ("GET /é HTTP/1.1", Refusal::RequestLine),
        ("GET / HTTP/2.0", Refusal::Version),
        ("GET / HTTP/1.2", Refusal::Version),
        ("GET / http/1.1", Refusal::RequestLine),
        ("GET / HTTP/0.9", Refusal::Version),
    ] {
        assert_eq!(checked(&format!("{line}\r\nHost: a\r\n\r\n")), Err(refusal), "{line:?}");
    }
}

// RFC 9112 3.2
#[test]
fn exactly_one_well_formed_host() {
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
        "Host: a, b\r\n",
        "Host: [::1\r\n",
        "Host: ::1]\r\n",
        "Host: a:80:90\r\n",
        "Host: a%zz\r\n",
    ] {
        assert_eq!(checked(&format!("GET / HTTP/1.1\r\n{fields}\r\n")), Err(Refusal::Host), "{fields:?}");
    }
    for host in ["a_b.test", "a.test:8443", "192.0.2.1:80", "[2001:db8::1]:80", "[2001:db8::1]", "a.test:"] {
        assert_eq!(checked(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")), Ok(()), "{host}");
    }
}

// RFC 9110 4.2.4, 5.5, RFC 9112 3.2: what Pingora would refuse by itself, with an answer of its own that nobody counts
#[test]
fn nothing_is_left_for_others_to_refuse() {
    for (target, refusal) in [
        ("/a?b=\"c\"", Refusal::RequestLine),
        ("/a?<b>", Refusal::RequestLine),
        ("/a<b>", Refusal::RequestLine),
        ("http://user@a/b", Refusal::RequestLine),
        ("http://user:password@a/b", Refusal::RequestLine),
        ("http://[::1/b", Refusal::RequestLine),
        ("http://a:80:90/b", Refusal::RequestLine),
        ("http:///b", Refusal::RequestLine),
        ("http:b", Refusal::RequestLine),
        ("a", Refusal::RequestLine),
        ("a:80", Refusal::RequestLine),
        ("http://b/", Refusal::Host),
        ("http://A/", Refusal::Host),
        ("http://a:80/", Refusal::Host),
    ] {
        assert_eq!(checked(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")), Err(refusal), "{target}");
    }
    for target in ["/a{b}?c={d}|^`\\", "/\"", "/?a=[b]", "http://a", "http://a?b", "*"] {
        assert_eq!(checked(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")), Ok(()), "{target}");
    }
    for byte in (0..=255).filter(|byte| ![b'\r', b'\n'].contains(byte)) {
        let block = [&b"GET / HTTP/1.1\r\nHost: a\r\nX: a"[..], &[byte], b"b\r\n\r\n"].concat();
        let is_legal = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        let expected = if is_legal { Ok(()) } else { Err(Refusal::FieldValue) };
        assert_eq!(check(&block, &LIMITS).map(drop), expected, "{byte}");
    }
}

// N2
#[test]
fn sizes_are_bounded() {
    let uri = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(8 * 1024));
    assert_eq!(checked(&uri), Err(Refusal::UriTooLong));
    let fields = "X: a\r\n".repeat(100);
    assert_eq!(checked(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")), Err(Refusal::TooManyFields));
    let block = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(33 * 1024));
    assert_eq!(checked(&block), Err(Refusal::TooLarge));
    assert_eq!(check_partial(block.as_bytes(), 0, &LIMITS), Err(Refusal::TooLarge));
    assert_eq!(check_partial(&b"GET /a".repeat(8 * 1024), 0, &LIMITS), Err(Refusal::UriTooLong));
}

#[test]
fn the_end_is_found_across_reads() {
    let block = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    let whole = block.len() - b"rest".len();
    for split in 0..whole {
        assert_eq!(end(&block[..split], 0), None, "{split}");
        assert_eq!(end(block, split), Some(whole), "{split}");
    }
    assert_eq!(check_partial(b"GET / HTTP/1.1\nHost", 0, &LIMITS), Err(Refusal::LineEnd));
    assert_eq!(check_partial(b"GET / HTTP/1.1\r\nHost", 0, &LIMITS), Ok(()));
}

// RFC 9110 7.6.1, RFC 9112 6: a request is plain when it ends with its block and asks nothing of the connection
#[test]
fn a_plain_request_ends_with_its_block() {
    let head = |block: &'static str| check(block.as_bytes(), &LIMITS).unwrap();
    for fields in ["", "Accept: */*\r\nCookie: a=1\r\n", "Connection: keep-alive\r\n", "connection:  Close \r\n"] {
        let block = format!("GET /a?b=c HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(check(block.as_bytes(), &LIMITS), Ok(Head { target: b"/a?b=c", is_plain: true }), "{fields:?}");
    }
    for field in [
        "Connection: close, x-auth-subject",
        "Connection: upgrade",
        "Connection:",
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "UPGRADE: websocket",
        "Expect: 100-continue",
        "TE: trailers",
        "Trailer: x",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authenticate: x",
        "Proxy-Authorization: Basic YTpi",
        "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
    ] {
        for block in [format!("{field}\r\nHost: a\r\n"), format!("Host: a\r\n{field}\r\nAccept: */*\r\n")] {
            let block = format!("GET / HTTP/1.1\r\n{block}\r\n");
            assert!(!check(block.as_bytes(), &LIMITS).unwrap().is_plain, "{field}");
        }
    }
    assert!(!head("GET / HTTP/1.0\r\nHost: a\r\n\r\n").is_plain);
    assert!(!head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").is_plain);
    assert!(!head("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n").is_plain);
}

// RFC 9110 5.5: wherever in a long value a control byte stands
#[test]
fn control_bytes_are_found_everywhere() {
    for length in [1, 31, 32, 33, 64, 700] {
        for at in 0..length {
            let mut value = vec![b'a'; length];
            for (byte, is_good) in [(0, false), (0x1f, false), (0x7f, false), (b'\t', true), (0x80, true), (b' ', true)]
            {
                value[at] = byte;
                assert_eq!(has_control(&value), !is_good, "{byte} at {at} of {length}");
            }
        }
    }
}
