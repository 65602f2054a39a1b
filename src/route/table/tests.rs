use proptest::prelude::*;

use super::*;
use crate::route::canonical;

fn table(entries: &[(&str, &str)]) -> RouteTable<String> {
    let entries = entries.iter().map(|(host, pattern)| {
        let host = (!host.is_empty()).then(|| Host::parse(host).expect("the test names a host"));
        (host, Pattern::parse(pattern).expect("the test has good patterns"), (*pattern).to_owned())
    });
    RouteTable::compile(entries.collect::<Vec<_>>()).expect("the test has no conflicts")
}

fn found(table: &RouteTable<String>, host: Option<&str>, path: &str) -> String {
    table.find(host, path).map_or_else(|| "-".to_owned(), |found| found.value.clone())
}

#[track_caller]
fn expect(table: &RouteTable<String>, rows: &[(&str, &str)]) {
    for (path, expected) in rows {
        assert_eq!(found(table, None, path), *expected, "{path}");
    }
}

#[test]
fn the_most_specific_pattern_wins() {
    let patterns =
        ["/", "/health", "/api/**", "/api/admin/**", "/api/*/status", "/api/{id}", "/api/me", "/files/**", "/**"];
    let table = table(&patterns.map(|pattern| ("", pattern)));
    expect(
        &table,
        &[
            ("/", "/"),
            ("/health", "/health"),
            ("/health/", "/health"),
            ("/healthy", "/**"),
            ("/HEALTH", "/**"),
            ("/api", "/api/**"),
            ("/api/", "/api/**"),
            ("/api/x", "/api/{id}"),
            ("/api/x/", "/api/{id}"),
            ("/api/me", "/api/me"),
            ("/api/x/status", "/api/*/status"),
            ("/api/me/status", "/api/*/status"),
            ("/api/me/other", "/api/**"),
            ("/api/admin", "/api/admin/**"),
            ("/api/admin/", "/api/admin/**"),
            ("/api/admin/a/b/c", "/api/admin/**"),
            ("/api/admin/status", "/api/admin/**"),
            ("/api/x/y/z", "/api/**"),
            ("/apix", "/**"),
            ("/other/deep/path", "/**"),
        ],
    );
}

#[test]
fn a_way_that_leads_nowhere_is_given_up() {
    let table = table(&["/a/b/c", "/a/{x}/d", "/{y}/b/e", "/{y}/{z}/{w}/f/**"].map(|pattern| ("", pattern)));
    expect(
        &table,
        &[
            ("/a/b/c", "/a/b/c"),
            ("/a/b/d", "/a/{x}/d"),
            ("/a/b/e", "/{y}/b/e"),
            ("/a/b/c/f", "/{y}/{z}/{w}/f/**"),
            ("/a/b/c/f/g", "/{y}/{z}/{w}/f/**"),
            ("/a/b/x", "-"),
            ("/a/b", "-"),
            ("/", "-"),
        ],
    );
}

#[test]
fn parameters_are_captured_decoded() {
    let table = table(&[("", "/mail/{entity}/{action}"), ("", "/other/*")]);
    let found = table.find(None, "/mail/caf%C3%A9%20x/send").expect("the route exists");
    assert_eq!(found.parameters.value("entity"), Some("caf\u{e9} x"));
    assert_eq!(found.parameters.value("action"), Some("send"));
    assert_eq!(found.parameters.value("other"), None);
    assert_eq!((found.index, found.pattern.as_str()), (0, "/mail/{entity}/{action}"));
    assert!(matches!(found.parameters.as_slice(), [(_, Cow::Owned(_)), (_, Cow::Borrowed("send"))]));
    assert!(table.find(None, "/other/x").is_some_and(|found| found.parameters.as_slice().is_empty()));
    assert!(table.find(None, "/mail/x").is_none());
}

// F19
#[test]
fn literals_are_compared_decoded_whole_and_with_regard_to_case() {
    let table = table(&[("", "/caf\u{e9}"), ("", "/a%3Ab"), ("", "/x|y")]);
    expect(
        &table,
        &[
            ("/caf%C3%A9", "/caf\u{e9}"),
            ("/CAF%C3%A9", "-"),
            ("/caf%C3%A9s", "-"),
            ("/a:b", "/a%3Ab"),
            ("/a%3Ab", "/a%3Ab"),
            ("/x%7Cy", "/x|y"),
            ("/x|y", "/x|y"),
        ],
    );
    assert_eq!(found(&table, None, &format!("/{}", "%C3%A9".repeat(300))), "-");
}

// F19: `;x` must not choose another policy than an upstream that cuts it off.
#[test]
fn a_semicolon_never_changes_the_route() {
    let table = table(&["/", "/admin/**", "/{any}/open", "/data/**", "/**"].map(|pattern| ("", pattern)));
    expect(
        &table,
        &[
            ("/admin;x/secret", "-"),
            ("/admin;/secret", "-"),
            ("/admin%3Bx/secret", "-"),
            ("/;x/admin/secret", "-"),
            ("/x;y/open", "/{any}/open"),
            ("/admin/a;b=c", "/admin/**"),
            ("/data/Products(ID=1;Name=2)", "/data/**"),
            ("/;x", "-"),
            ("/elsewhere;v=1/x", "/**"),
        ],
    );
    let found = table.find(None, "/x;y/open").expect("the route exists");
    assert_eq!(found.parameters.value("any"), Some("x;y"));
}

#[test]
fn routes_of_a_host_come_first() {
    let table = table(&[
        ("api.example.com", "/a"),
        ("*.example.com", "/a/**"),
        ("*.b.example.com", "/{deep}"),
        ("", "/**"),
        ("", "/only/here"),
    ]);
    for (host, path, expected) in [
        (Some("api.example.com"), "/a", "/a"),
        (Some("API.Example.com.:8443"), "/a", "/a"),
        (Some("api.example.com"), "/a/b", "/a/**"),
        (Some("api.example.com"), "/only/here", "/only/here"),
        (Some("x.example.com"), "/a", "/a/**"),
        (Some("x.b.example.com"), "/a", "/{deep}"),
        (Some("x.b.example.com"), "/a/b", "/a/**"),
        (Some("b.example.com"), "/a", "/a/**"),
        (Some("example.com"), "/a", "/**"),
        (Some("notexample.com"), "/a", "/**"),
        (Some(".example.com"), "/a", "/**"),
        (Some(""), "/a", "/**"),
        (None, "/a", "/**"),
    ] {
        assert_eq!(found(&table, host, path), expected, "{host:?} {path}");
    }
}

#[test]
fn patterns_that_match_the_same_conflict() {
    for (first, second) in [
        ("/a/{x}", "/a/{y}"),
        ("/a/*", "/a/{y}/"),
        ("/a/**", "/a/**"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/", "/"),
        ("/a:b", "/a%3ab"),
    ] {
        let entries = [first, "/other", second].map(|text| (None, Pattern::parse(text).expect("a good pattern"), ()));
        let error = RouteTable::compile(entries).map(|_| ()).expect_err("they conflict");
        assert_eq!((error.first_index, error.second_index), (0, 2));
        assert!(error.to_string().contains(first), "{error}");
    }
    let host = Host::parse("*.example.com").expect("a host");
    let pattern = Pattern::parse("/a").expect("a pattern");
    let entries = [(Some(host.clone()), pattern.clone(), ()), (None, pattern.clone(), ()), (Some(host), pattern, ())];
    let error = RouteTable::compile(entries).map(|_| ()).expect_err("they conflict");
    assert_eq!(error.to_string(), "`*.example.com/a` and `*.example.com/a` match the same paths");
}

#[test]
fn many_routes_are_all_found() {
    let entries = (0..1000).map(|number| {
        let pattern = format!("/service{}/v{}/{{id}}", number / 10, number % 10);
        (None, Pattern::parse(&pattern).expect("a good pattern"), number)
    });
    let table = RouteTable::compile(entries).expect("no conflicts");
    for number in 0..1000 {
        let path = format!("/service{}/v{}/x", number / 10, number % 10);
        assert_eq!(table.find(None, &path).map(|found| *found.value), Some(number));
    }
    assert!(table.find(None, "/service100/v0/x").is_none());
}

// The table is asked with canonical paths only; another one still finds no route for an empty segment.
#[test]
fn an_empty_segment_matches_no_single_segment() {
    let table = table(&[("", "/{x}/b"), ("", "/a/*")]);
    expect(&table, &[("//b", "-"), ("/a//", "-")]);
}

/// The same rules without a tree: every route that matches, the best by comparing segment kinds in order.
fn naive_find(patterns: &[Pattern], path: &str) -> Option<usize> {
    let rank = |segment: &Segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Any | Segment::Parameter(_) => 1,
        Segment::Rest => 2,
    };
    let segments: Vec<_> = split(path).map(decode).collect();
    let matches = |pattern: &Pattern| {
        let has_rest = pattern.segments().last() == Some(&Segment::Rest);
        let fixed = &pattern.segments()[..pattern.segments().len() - usize::from(has_rest)];
        let length_fits = if has_rest { fixed.len() <= segments.len() } else { fixed.len() == segments.len() };
        length_fits
            && fixed.iter().zip(&segments).all(|(segment, text)| match segment {
                Segment::Literal(literal) => **literal == **text,
                Segment::Any | Segment::Parameter(_) => true,
                Segment::Rest => unreachable!("it was cut off"),
            })
    };
    let candidates = patterns.iter().enumerate().filter(|(_, pattern)| matches(pattern));
    let best = candidates.min_by_key(|(_, pattern)| pattern.segments().iter().map(rank).collect::<Vec<_>>());
    best.map(|(index, _)| index)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_tree_finds_what_a_list_finds(
        texts in prop::collection::vec("(/(a|b|c|\\*|\\{x\\})){0,3}(/\\*\\*)?", 1..12),
        raw in "(/(a|b|c|%61|d)){0,4}/?",
    ) {
        let mut patterns = Vec::new();
        for text in texts {
            let text = text.replacen("{x}", "{y}", 1).replacen("{x}", "{z}", 1);
            let pattern = Pattern::parse(if text.is_empty() { "/" } else { &text }).expect("a good pattern");
            let mut candidate = patterns.clone();
            candidate.push(pattern);
            if RouteTable::compile(candidate.iter().map(|pattern: &Pattern| (None, pattern.clone(), ()))).is_ok() {
                patterns = candidate;
            }
        }
        let table = RouteTable::compile(patterns.iter().map(|pattern| (None, pattern.clone(), ()))).expect("checked");
        let path = canonical(if raw.is_empty() { "/" } else { &raw }).expect("a good path");
        prop_assert_eq!(table.find(None, &path).map(|found| found.index), naive_find(&patterns, &path));
    }
}
