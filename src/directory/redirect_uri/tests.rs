use proptest::prelude::*;

use super::*;

fn settings(url_validation: UrlValidation, redirect_uris: &[&str]) -> ApplicationSettings {
    ApplicationSettings {
        url_validation,
        redirect_uris: redirect_uris.iter().map(|&uri| uri.to_owned()).collect(),
        ..ApplicationSettings::default()
    }
}

const HTTPS: &str = "https://app.example.com/callback";

// F-016, A1: one character off is another URL
#[test]
fn exact_means_character_for_character() {
    let settings =
        settings(UrlValidation::ExactMatch, &[HTTPS, "https://app.example.com/q?a=1&b=2", "com.example.app:/cb"]);
    for good in [HTTPS, "https://app.example.com/q?a=1&b=2", "com.example.app:/cb"] {
        assert!(matches(&settings, good), "{good}");
    }
    let near_misses = [
        "",
        "https://app.example.com/callback/",
        "https://app.example.com/callbac",
        "https://app.example.com/callback2",
        "https://app.example.com/Callback",
        "https://app.example.com/CALLBACK",
        "HTTPS://app.example.com/callback",
        "Https://app.example.com/callback",
        "https://APP.example.com/callback",
        "https://app.example.com./callback",
        "https://app.example.com:443/callback",
        "https://app.example.com:/callback",
        "https://app.example.com:8443/callback",
        "http://app.example.com/callback",
        "//app.example.com/callback",
        "/callback",
        "app.example.com/callback",
        "https:/app.example.com/callback",
        "https:app.example.com/callback",
        "https:///app.example.com/callback",
        "https://app.example.com//callback",
        "https://app.example.com/./callback",
        "https://app.example.com/x/../callback",
        "https://app.example.com/%63allback",
        "https://app.example.com/callback%2f",
        "https://app.example.com/%2e/callback",
        "https://app.example.com%2ecallback",
        "https://app.example.com/callback?",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/callback#",
        "https://app.example.com/callback#x",
        "https://app.example.com/callback%23x",
        "https://user@app.example.com/callback",
        "https://user:pw@app.example.com/callback",
        "https://app.example.com@evil.example/callback",
        "https://app.example.com:pw@evil.example/callback",
        "https://app.example.com.evil.example/callback",
        "https://evil.example/https://app.example.com/callback",
        "https://evil.example/?https://app.example.com/callback",
        "https://evilapp.example.com/callback",
        "https://example.com/callback",
        "https://sub.app.example.com/callback",
        "https://app.example.com\\@evil.example/callback",
        "https://app.example.com/callback\\",
        "https:\\\\app.example.com\\callback",
        " https://app.example.com/callback",
        "https://app.example.com/callback ",
        "https://app.example.com/callback\n",
        "https://app.example.com/callback\t",
        "https://app.example.com/callback\0",
        "https://app.example.com/callback%00",
        "https://app.example.com/callback;x",
        "https://\u{430}pp.example.com/callback",
        "https://app.example.com\u{3002}evil.example/callback",
        "https://app.example.com/q?b=2&a=1",
        "https://app.example.com/q?a=1&b=2&c=3",
        "https://app.example.com/q?a=1&amp;b=2",
        "com.example.app:/cb/",
        "com.example.app://cb",
        "com.example.app.evil:/cb",
        "javascript:alert(1)//https://app.example.com/callback",
        "data:text/html,https://app.example.com/callback",
        "https://app.example.com/callback,https://app.example.com/callback",
    ];
    assert!(near_misses.len() >= 40);
    for bad in near_misses {
        assert!(!matches(&settings, bad), "{bad:?}");
    }
}

// A1, RFC 8252 7.3
#[test]
fn the_port_of_a_loopback_address_is_free() {
    let settings = settings(
        UrlValidation::ExactMatch,
        &["http://127.0.0.1/cb", "http://[::1]:1/cb?x=1", "http://localhost:3000/cb", "https://127.0.0.1/tls"],
    );
    for good in [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:1/cb",
        "http://127.0.0.1:65535/cb",
        "http://[::1]:51004/cb?x=1",
        "http://[::1]/cb?x=1",
        "http://localhost:3000/cb",
    ] {
        assert!(matches(&settings, good), "{good}");
    }
    for bad in [
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:080/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:80b/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:51004/cb/",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1:51004/",
        "http://127.0.0.2:51004/cb",
        "http://127.0.0.1.evil.example:80/cb",
        "http://[::1]:51004/cb",
        "http://[::2]:51004/cb?x=1",
        "http://localhost:3001/cb",
        "http://localhost/cb",
        "http://localhost.evil:3000/cb",
        "https://127.0.0.1:51004/cb",
        "https://127.0.0.1:51004/tls",
        "http://2130706433/cb",
        "http://127.1:51004/cb",
        "http://0x7f.0.0.1/cb",
    ] {
        assert!(!matches(&settings, bad), "{bad}");
    }
}

// F-014
#[test]
fn wildcards_count_only_where_they_are_allowed() {
    let uris = ["https://*.example.com/cb", "https://exact.example.com/cb"];
    assert!(!matches(&settings(UrlValidation::ExactMatch, &uris), "https://a.example.com/cb"));
    assert!(matches(&settings(UrlValidation::AllowWildcards, &uris), "https://a.example.com/cb"));
    for validation in UrlValidation::ALL {
        assert!(matches(&settings(validation, &uris), "https://exact.example.com/cb"));
        assert!(!matches(&settings(validation, &uris), "https://*.example.com/cb"), "a pattern is no URL");
    }
}

// F-017 to F-020, D25: what each wildcard stands for
#[test]
fn a_wildcard_stays_between_its_borders() {
    let rows: [(&str, &[&str], &[&str]); 10] = [
        // F-017
        (
            "https://*.example.com",
            &["https://a.example.com", "https://a-b1.example.com"],
            &[
                "https://example.com",
                "https://.example.com",
                "https://a.b.example.com",
                "https://a.example.com.evil",
                "https://evil.com/.example.com",
                "https://evil.com?.example.com",
                "https://evil.com:80.example.com",
                "https://a.example.com:443",
                "https://a.example.com/",
                "https://a@b.example.com",
                "https://a%2eb.example.com",
                "http://a.example.com",
                "https://a.example.org",
            ],
        ),
        (
            "https://auth*.example.com/cb",
            &["https://auth1.example.com/cb", "https://auth-eu.example.com/cb"],
            &["https://auth.example.com/cb", "https://xauth1.example.com/cb", "https://auth1.example.com/cb/"],
        ),
        ("https://*-app.example.com/", &["https://my-app.example.com/"], &["https://-app.example.com/"]),
        // F-018
        (
            "https://example.com:*/cb",
            &["https://example.com:8443/cb", "https://example.com:1/cb"],
            &[
                "https://example.com/cb",
                "https://example.com:/cb",
                "https://example.com:80b/cb",
                "https://example.com:99999/cb",
                "https://example.com:1@evil.com/cb",
                "https://example.com:-1/cb",
            ],
        ),
        // F-019
        (
            "https://example.com/*/cb",
            &["https://example.com/a/cb", "https://example.com/a%20b/cb", "https://example.com/a.b/cb"],
            &[
                "https://example.com//cb",
                "https://example.com/a/b/cb",
                "https://example.com/a",
                "https://example.com/a/cb/c",
                "https://example.com/../cb",
                "https://example.com/%2e%2E/cb",
                "https://example.com/./cb",
                "https://example.com/a%2fb/cb",
                "https://example.com/a%5Cb/cb",
                "https://example.com/a%zz/cb",
                "https://example.com/a?/cb",
            ],
        ),
        (
            "https://example.com/*/par*tial/*",
            &["https://example.com/a/parXtial/b"],
            &[
                "https://example.com/a/partial/b",
                "https://example.com/a/parX/Ytial/b",
                "https://example.com/a/parXtial/",
            ],
        ),
        (
            "https://example.com/*",
            &["https://example.com/x"],
            &["https://example.com/", "https://example.com", "https://example.com/x?y"],
        ),
        // F-020
        (
            "https://example.com/cb?foo=*",
            &["https://example.com/cb?foo=bar", "https://example.com/cb?foo=a=b", "https://example.com/cb?foo=a%26b"],
            &[
                "https://example.com/cb?foo=",
                "https://example.com/cb?foo",
                "https://example.com/cb",
                "https://example.com/cb?foo=bar&baz=1",
                "https://example.com/cb?baz=1&foo=bar",
                "https://example.com/cb?fooo=bar",
                "https://example.com/cb?Foo=bar",
                "https://example.com/cb?foo=%",
            ],
        ),
        (
            "https://example.com/cb?a=1&b=*",
            &["https://example.com/cb?a=1&b=2"],
            &["https://example.com/cb?a=2&b=2", "https://example.com/cb?b=2&a=1", "https://example.com/cb?a=1&b=2&c=3"],
        ),
        (
            "https://*.example.com:*/a/*?x=*",
            &["https://w.example.com:444/a/b?x=y"],
            &["https://w.example.com/a/b?x=y", "https://w.example.com:444/a/b", "https://w.example.com:444/a/b?x=y#z"],
        ),
    ];
    for (pattern, good, bad) in rows {
        let settings = settings(UrlValidation::AllowWildcards, &[pattern]);
        assert_eq!(check_pattern(pattern, UrlValidation::AllowWildcards), Ok(()), "{pattern}");
        for uri in good {
            assert!(matches(&settings, uri), "{pattern} {uri}");
        }
        for uri in bad {
            assert!(!matches(&settings, uri), "{pattern} {uri}");
        }
    }
}

// F-017 to F-020: what may not be configured covers nothing either
#[test]
fn wildcards_in_the_wrong_place_are_refused() {
    for pattern in [
        "https://*",
        "https://*.com",
        "https://*.example",
        "https://*.*.example.com",
        "https://**.example.com",
        "https://a.*.example.com",
        "https://example.*",
        "https://*.0.0.1",
        "https://12*.0.0.1",
        "https://*.2.3",
        "https://*.0x7f.0X1",
        "https://[::*]/",
        "https://example.com:4*",
        "https://example.com:**",
        "https://example.com/a*b*c",
        "https://example.com/?*=a",
        "https://example.com/?a=b*",
        "https://example.com/?a=*&*",
    ] {
        assert!(check_pattern(pattern, UrlValidation::AllowWildcards).is_err(), "{pattern}");
        let settings = settings(UrlValidation::AllowWildcards, &[pattern]);
        for uri in [pattern.replace('*', "1"), pattern.replace('*', "x")] {
            assert!(!matches(&settings, &uri), "{pattern} {uri}");
        }
    }
}

// A3, A4
#[test]
fn only_safe_urls_are_configured() {
    for good in [
        HTTPS,
        "https://app.example.com",
        "https://app.example.com:8443/cb?x=%20",
        "http://127.0.0.1:9999/callback",
        "http://127.0.0.1/cb",
        "http://[::1]/cb",
        "http://localhost:3000/",
        "com.example.app:/oauth",
        "com.example.app://oauth",
        "com.example.app:oauth",
    ] {
        assert_eq!(check_pattern(good, UrlValidation::ExactMatch), Ok(()), "{good}");
    }
    for bad in [
        "",
        "callback",
        "/callback",
        "//app.example.com/cb",
        "http://app.example.com/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://localhost.evil/cb",
        "ftp://app.example.com/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "myapp:/cb",
        "myapp://cb",
        "app.example.com:8080/cb",
        "app.example.com:*",
        "https:app.example.com",
        "https:///cb",
        "https://user@app.example.com/cb",
        "https://app.example.com/cb#x",
        "https://app.example.com/../cb",
        "https://app.example.com/%2e%2e/cb",
        "https://app.example.com/%zz",
        "https://app.example.com:0/cb",
        "https://app.example.com:99999/cb",
        "https://app.example.com:/cb",
        "https://-app.example.com/",
        "https://app..example.com/",
        "https://app.example.com\\cb",
        "https://app.example.com/ cb",
        "https://bücher.example/cb",
    ] {
        for validation in UrlValidation::ALL {
            assert!(check_pattern(bad, validation).is_err(), "{bad}");
        }
    }
    assert!(check_pattern(&format!("https://a.example/{}", "x".repeat(2048)), UrlValidation::ExactMatch).is_err());
    assert!(check_link("https://app.example.com/logout").is_ok() && check_link("com.example.app:/x").is_err());
    assert!(check_link("https://*.example.com/").is_err());
}

// Web Message Response Mode: a message goes to a configured origin, whatever the redirect URI is
#[test]
fn the_origin_of_a_redirect_uri_is_told_if_it_is_configured() {
    let origins = ["https://app.example", "http://127.0.0.1:3000", "com.myApp://example"].map(str::to_owned).to_vec();
    let settings = ApplicationSettings { origins, ..ApplicationSettings::default() };
    for (uri, expected) in [
        ("https://app.example", Some("https://app.example")),
        ("https://app.example/callback?x=1", Some("https://app.example")),
        ("https://app.example:443/", Some("https://app.example:443")),
        ("http://127.0.0.1:3000/cb", Some("http://127.0.0.1:3000")),
        ("http://127.0.0.1:3001/cb", None),
        ("https://app.example.evil/", None),
        ("https://evil@app.example/", Some("https://app.example")),
        ("https://app.example@evil/", None),
        ("com.myApp://example/cb", None),
        ("https:app.example", None),
        ("/cb", None),
    ] {
        assert_eq!(configured_origin_of(&settings, uri).as_deref(), expected, "{uri}");
    }
}

// F-022, F-023, F-026
#[test]
fn origins_are_compared_as_origins() {
    let with = |url_validation, origins: &[&str]| ApplicationSettings {
        url_validation,
        origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
        ..ApplicationSettings::default()
    };
    let none = with(UrlValidation::ExactMatch, &[]);
    assert!(origin_allowed(&none, "https://x.example") && !is_configured_origin(&none, "https://x.example"));
    let some =
        with(UrlValidation::ExactMatch, &["https://ok.example/path?x=1", "com.myApp://example", "https://*.w.example"]);
    for good in [
        "https://ok.example",
        "https://ok.example/",
        "https://OK.example",
        "https://ok.example:443",
        "com.myApp://example",
    ] {
        assert!(origin_allowed(&some, good), "{good}");
    }
    for bad in [
        "null",
        "",
        "http://ok.example",
        "https://ok.example:8443",
        "https://ok.example.evil",
        "https://a.ok.example",
        "https://a.w.example",
        "https://*.w.example",
        "com.myApp://other",
    ] {
        assert!(!origin_allowed(&some, bad), "{bad}");
    }
    let wild = with(UrlValidation::AllowWildcards, &["https://*.w.example"]);
    assert!(origin_allowed(&wild, "https://a.w.example") && origin_allowed(&wild, "https://a.w.example/"));
    for bad in ["https://w.example", "https://a.b.w.example", "http://a.w.example", "https://a.w.example:1", "null"] {
        assert!(!origin_allowed(&wild, bad), "{bad}");
    }
    for origin in ["https://ok.example", "com.myApp:/example", "com.myApp://example", "https://*.example.com/x"] {
        assert_eq!(check_origin(origin, UrlValidation::AllowWildcards), Ok(()), "{origin}");
    }
    assert!(check_origin("https://*.com", UrlValidation::AllowWildcards).is_err());
    assert!(check_origin("ok.example", UrlValidation::ExactMatch).is_err());
}

proptest! {
    // A1: whatever is asked for, a match in the exact table is one of its strings or one of its loopback addresses.
    #[test]
    fn nothing_else_ever_matches(asked in "(https|http|HTTP|x.y)?:?/{0,3}(a\\.b|127\\.0\\.0\\.1|[a-z@:.%*\\\\]{0,8})(:[0-9]{0,6})?(/cb|/[a-z/.%?#]{0,8})?") {
        let configured = ["https://a.b/cb", "http://127.0.0.1/cb"];
        if matches(&settings(UrlValidation::AllowWildcards, &configured), &asked) {
            let port = asked.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.strip_suffix("/cb"));
            prop_assert!(configured.contains(&asked.as_str()) || port.is_some_and(|port| port.parse::<u16>().is_ok()));
        }
    }

    // A wildcard in a path never yields another host.
    #[test]
    fn a_wildcard_never_changes_the_host(filling in "\\PC{0,12}") {
        let settings = settings(UrlValidation::AllowWildcards, &["https://*.example.com/a/*?q=*"]);
        for asked in [
            format!("https://{filling}.example.com/a/b?q=1"),
            format!("https://x.example.com/a/{filling}?q=1"),
            format!("https://x.example.com/a/b?q={filling}"),
        ] {
            if matches(&settings, &asked) {
                let rest = asked.strip_prefix("https://").unwrap();
                let (host, _) = rest.split_once('/').unwrap();
                prop_assert!(host.ends_with(".example.com") && !host.contains(['@', ':', '%', '?', '#', '\\']));
            }
        }
    }
}
