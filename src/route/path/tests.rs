use proptest::prelude::*;

use super::*;

fn refused(raw: &str, error: PathError) {
    assert_eq!(canonical(raw), Err(error), "{raw:?}");
}

// F19, F-345
#[test]
fn hostile_paths_are_refused() {
    use PathError::*;
    let table = [
        // Not a path at all.
        ("", NotAbsolute),
        ("*", NotAbsolute),
        ("admin", NotAbsolute),
        ("../admin", NotAbsolute),
        ("http://host/admin", NotAbsolute),
        ("%2fadmin", NotAbsolute),
        // Escaped slashes.
        ("/public/..%2fadmin", EncodedSlash),
        ("/public/..%2Fadmin", EncodedSlash),
        ("/%2f/admin", EncodedSlash),
        ("/a%2Fb", EncodedSlash),
        ("/public%2f%2e%2e%2fadmin", EncodedSlash),
        // Backslashes.
        ("/public\\admin", Backslash),
        ("/public\\..\\admin", Backslash),
        ("/public/..%5cadmin", Backslash),
        ("/public/..%5Cadmin", Backslash),
        ("/%5c%5chost", Backslash),
        // Control characters.
        ("/admin%00", ControlCharacter),
        ("/admin%00.png", ControlCharacter),
        ("/a%0d%0aX-Role:admin", ControlCharacter),
        ("/a%0A", ControlCharacter),
        ("/a%09b", ControlCharacter),
        ("/a%1f", ControlCharacter),
        ("/a%7f", ControlCharacter),
        ("/a\0b", ControlCharacter),
        ("/a\r\nHost: x", ControlCharacter),
        ("/a\tb", ControlCharacter),
        ("/a\x7f", ControlCharacter),
        ("/a%C2%85b", ControlCharacter),
        ("/a%c2%80", ControlCharacter),
        // Escapes that are none.
        ("/a%", InvalidEscape),
        ("/a%2", InvalidEscape),
        ("/a%zz", InvalidEscape),
        ("/a%2g", InvalidEscape),
        ("/a%%32f", InvalidEscape),
        ("/a%u002f", InvalidEscape),
        ("/a%+2", InvalidEscape),
        ("/a%C3%A", InvalidEscape),
        // Not UTF-8: overlong slash, dot and NUL, surrogates, stray and missing bytes.
        ("/a%c0%afadmin", InvalidUtf8),
        ("/a%c0%ae%c0%ae", InvalidUtf8),
        ("/a%c0%80", InvalidUtf8),
        ("/a%e0%80%af", InvalidUtf8),
        ("/a%ed%a0%80", InvalidUtf8),
        ("/a%f4%90%80%80", InvalidUtf8),
        ("/a%80", InvalidUtf8),
        ("/a%ff", InvalidUtf8),
        ("/a%c3", InvalidUtf8),
        ("/a%c3/b", InvalidUtf8),
        ("/a%c3b%a9", InvalidUtf8),
        // Raw bytes that are not ASCII.
        ("/caf\u{e9}", NonAscii),
        ("/a\u{2215}b", NonAscii),
        ("/a\u{ff0f}admin", NonAscii),
        // Dot segments with parameters.
        ("/public/..;/admin", DotSegmentParameter),
        ("/public/..;x=y/admin", DotSegmentParameter),
        ("/public/.;/admin", DotSegmentParameter),
        ("/public/%2e%2e;/admin", DotSegmentParameter),
        ("/public/%2E.;x/admin", DotSegmentParameter),
        ("/public/..%3b/admin", DotSegmentParameter),
        ("/public/..%3Bx/admin", DotSegmentParameter),
        ("/public/.%2e%3bx", DotSegmentParameter),
        // Above the root.
        ("/..", AboveRoot),
        ("/../", AboveRoot),
        ("/../admin", AboveRoot),
        ("/a/../../admin", AboveRoot),
        ("//../admin", AboveRoot),
        ("/%2e%2e/admin", AboveRoot),
        ("/.%2e/admin", AboveRoot),
        ("/./../admin", AboveRoot),
        ("/a/..//../b", AboveRoot),
        // Escaped twice, or more often.
        ("/public/%252e%252e/admin", DoubleEncoding),
        ("/public/..%252fadmin", DoubleEncoding),
        ("/public/..%252Fadmin", DoubleEncoding),
        ("/public/..%255cadmin", DoubleEncoding),
        ("/admin%2500", DoubleEncoding),
        ("/public/..%25252fadmin", DoubleEncoding),
        ("/public/..%252525252fadmin", DoubleEncoding),
        ("/public/..%25%32fadmin", DoubleEncoding),
        ("/public/..%25%32%66admin", DoubleEncoding),
        ("/public/..%252%66admin", DoubleEncoding),
        // Characters that no path has.
        ("/a#b", Fragment),
        ("/a?b", InvalidCharacter),
        ("/a b", InvalidCharacter),
        ("/a HTTP/1.1", InvalidCharacter),
        ("/<script>", InvalidCharacter),
        ("/a`b", InvalidCharacter),
    ];
    assert!(table.len() >= 60);
    for (raw, error) in table {
        refused(raw, error);
    }
}

// F19, F-345
#[test]
fn variants_become_one_spelling() {
    for (raw, expected) in [
        ("//", "/"),
        ("///a", "/a"),
        ("//admin", "/admin"),
        ("/a//b///c", "/a/b/c"),
        ("/a//", "/a/"),
        ("/.", "/"),
        ("/./", "/"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/b/../", "/a/"),
        ("/public/../admin", "/admin"),
        ("/public/%2e%2e/admin", "/admin"),
        ("/public/%2E%2E/admin", "/admin"),
        ("/public/.%2e/admin", "/admin"),
        ("/public//../admin", "/admin"),
        ("/a/b/../../c", "/c"),
        ("/%61dmin", "/admin"),
        ("/%41%5a%7a%30%2D%2E%5F%7E", "/AZz0-._~"),
        ("/a%3ab%c3%a9", "/a%3Ab%C3%A9"),
        ("/%2e%2e%2e", "/..."),
        ("/a/%2e/b/", "/a/b/"),
    ] {
        assert_eq!(canonical(raw).as_deref(), Ok(expected), "{raw}");
    }
}

// F19
#[test]
fn canonical_paths_are_left_alone() {
    for raw in [
        "/",
        "/a",
        "/a/",
        "/a/b.c/...",
        "/.well-known/openid-configuration",
        "/..a/.b/c..",
        "/a;x=1/b",
        "/a%3Bx",
        "/a%20b/%C3%A9/%E2%82%AC/%F0%9F%98%80",
        "/a:b@c!$&'()*+,=~_-.",
        "/100%25",
        "/%25/%25a/%2541",
        "/%3F%23",
        "/..%3Cx",
        "/[a]|{b}^\"c\"",
    ] {
        assert!(matches!(canonical(raw), Ok(Cow::Borrowed(path)) if path == raw), "{raw}: {:?}", canonical(raw));
    }
}

#[test]
fn every_reason_has_its_own_name() {
    assert_eq!(PathError::EncodedSlash.to_string(), "encoded_slash");
    assert_eq!(PathError::InvalidUtf8.as_str(), "invalid_utf8");
}

/// Paths that are made of everything that matters here.
fn raw_paths() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9~_:;|-]{1,3}",
        3 => Just("/".to_owned()),
        2 => Just(".".to_owned()),
        2 => prop::sample::select(vec!["..", "%2e", "%2E", "%25", "%3b", "%3B", "%61", "%20", "%c3%a9", "%C3%A9", "%E2%82%ac"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["%2f", "\\", "%5C", "%00", "%", "%8", "%c0%af", "#", "\u{e9}", " ", "%0a", "2f"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// RFC 3986 2.1 by the letter, for one segment.
fn naive_decode(segment: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut characters = segment.chars();
    while let Some(character) = characters.next() {
        if character == '%' {
            let digits: String = characters.by_ref().take(2).collect();
            bytes.push(u8::from_str_radix(&digits, 16).expect("a canonical path has valid escapes"));
        } else {
            bytes.extend(character.to_string().as_bytes());
        }
    }
    bytes
}

/// RFC 3986 5.2.4 by the letter.
fn naive_remove_dot_segments(path: &str) -> String {
    let mut input = path.to_owned();
    let mut output = String::new();
    while !input.is_empty() {
        if input.starts_with("/./") || input == "/." {
            input = format!("/{}", input.get(3..).unwrap_or_default());
        } else if input.starts_with("/../") || input == "/.." {
            input = format!("/{}", input.get(4..).unwrap_or_default());
            output.truncate(output.rfind('/').unwrap_or(0));
        } else {
            let end = input[1..].find('/').map_or(input.len(), |end| end + 1);
            output.push_str(&input[..end]);
            input.drain(..end);
        }
    }
    output
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    // F19
    #[test]
    fn canonical_is_idempotent(raw in raw_paths()) {
        if let Ok(path) = canonical(&raw) {
            prop_assert!(matches!(canonical(&path), Ok(Cow::Borrowed(again)) if again == path), "{} {:?}", path, canonical(&path));
        }
    }

    // F19
    #[test]
    fn nothing_panics_and_what_is_sent_is_a_path(raw in "/?\\PC{0,20}|(/[%./;25fFeEcC0]{0,9}){0,3}") {
        if let Ok(path) = canonical(&raw) {
            let sent: http::uri::PathAndQuery = path.parse().expect("a canonical path can be sent");
            prop_assert_eq!(sent.as_str(), &*path);
            prop_assert!(sent.query().is_none());
        }
    }

    // F19: what the route table compares is what an upstream reads that follows RFC 3986.
    #[test]
    fn the_matcher_sees_what_an_upstream_decodes(raw in raw_paths()) {
        if let Ok(path) = canonical(&raw) {
            prop_assert_eq!(&naive_remove_dot_segments(&path), &*path, "nothing is left to remove");
            let seen: Vec<Vec<u8>> =
                crate::route::segment::split(&path).map(|segment| crate::route::segment::decode(segment).as_bytes().to_vec()).collect();
            let mut sent: Vec<Vec<u8>> = path.split('/').skip(1).map(naive_decode).collect();
            if sent.last().is_some_and(Vec::is_empty) {
                sent.pop();
            }
            prop_assert_eq!(&seen, &sent);
            for segment in seen {
                prop_assert!(!segment.is_empty() && segment != b"." && segment != b"..");
                prop_assert!(!segment.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f)));
            }
        }
    }

    // RFC 3986 5.2.4, 6.2.2
    #[test]
    fn rewriting_is_what_the_rfc_describes(raw in raw_paths()) {
        if let Ok(path) = canonical(&raw) {
            let mut merged = spell_escapes(&raw);
            while merged.contains("//") {
                merged = merged.replace("//", "/");
            }
            prop_assert_eq!(&*path, naive_remove_dot_segments(&merged));
        }
    }
}
