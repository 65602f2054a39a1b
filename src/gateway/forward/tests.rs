use super::*;

fn forwarder() -> Forwarder {
    let name = |name: &'static str| Some(HeaderName::from_static(name));
    let fields = Forward {
        subject: name("x-user-id"),
        roles: name("x-auth-roles"),
        request_id: name("x-request-id"),
        client: None,
        tenant: None,
        issuer: None,
        scope: None,
        permissions: None,
        case: Case::Lower,
        jwt_headers: vec![HeaderName::from_static("x-gate-token")],
        ..Forward::default()
    };
    Forwarder::new(&fields, None)
}

fn request(target: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
    let mut request = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
    for (name, value) in fields {
        request.append_header(*name, *value).unwrap();
    }
    request
}

fn forwarding(received: &RequestHeader) -> Forwarding<'_> {
    Forwarding {
        received,
        path: "/a",
        peer: Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
        peer_is_trusted: false,
        over_tls: false,
        request_id: "r1",
        server: None,
        keep_authorization: false,
        jwt: None,
    }
}

fn rewritten(request: RequestHeader) -> RequestHeader {
    rewritten_as(request, |_| {})
}

fn rewritten_as(request: RequestHeader, adapt: impl Fn(&mut Forwarding<'_>)) -> RequestHeader {
    let received = request.clone();
    let mut forwarding = forwarding(&received);
    adapt(&mut forwarding);
    forwarder().rewritten(&Permit::in_test(), &request, &forwarding).unwrap()
}

// M1, F-333, T75
#[test]
fn identity_fields_are_removed_in_every_spelling() {
    for spelling in [
        "X-User-Id",
        "x-user-id",
        "X-USER-ID",
        "X_User_Id",
        "x_user_id",
        "X-User_Id",
        "X_USER-ID",
        "x.user.id",
        "X-User.Id",
        "x~user~id",
        "x!user!id",
        "X-Auth-Roles",
        "x_auth_roles",
        "X-Auth-Subject",
        "x_auth_subject",
        "X-Auth-Permissions",
        "x-auth_permissions",
        "X-Auth-Client",
        "X-Auth-Tenant",
        "X-Auth-Issuer",
        "X-Auth-Scope",
        "X-Auth-Jwt",
        "x_auth_jwt",
        "X-Gate-Token",
        "x.gate_token",
        "X-Request-Id",
        "x_request_id",
        "X-HTTP-Method-Override",
        "x_http_method_override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Method-Override",
    ] {
        let sent = rewritten(request("/a", &[(spelling, "spoofed"), (spelling, "again")]));
        let left: Vec<_> = sent.headers.iter().filter(|(_, value)| value.as_bytes() != b"r1").collect();
        assert!(left.iter().all(|(name, _)| name.as_str().starts_with("x-forwarded-")), "{spelling}: {left:?}");
    }
    let kept = rewritten(request("/a", &[("X-User-Identity", "a"), ("X-User", "b")]));
    assert_eq!(
        (&kept.headers["x-user-identity"], &kept.headers["x-user"]),
        (&HeaderValue::from_static("a"), &HeaderValue::from_static("b"))
    );
}

// M9, F-332
#[test]
fn credentials_stay_at_the_gate() {
    let fields = [
        ("Authorization", "Bearer secret-token"),
        ("Cookie", "theme=dark; access_token=secret-token; a=b"),
        ("Cookie", "refresh_token=secret-token"),
    ];
    let sent = rewritten(request("/a?a=1&access_token=secret-token&b=2", &fields));
    assert_eq!(sent.raw_path(), b"/a?a=1&b=2");
    assert_eq!(sent.headers[header::COOKIE], "theme=dark; a=b");
    assert!(!format!("{sent:?}").contains("secret-token"));

    assert_eq!(rewritten(request("/a?access_token=x", &[])).raw_path(), b"/a");

    let kept = rewritten_as(request("/a", &fields), |forwarding| forwarding.keep_authorization = true);
    assert!(kept.headers.contains_key(header::AUTHORIZATION));
}

// RFC 6750: an upstream that checks a bearer itself gets ours, and never the client's beside it
#[test]
fn a_token_of_our_own_takes_the_place_of_the_clients() {
    let value = HeaderValue::from_static("Bearer ours");
    let client = [("Authorization", "Bearer secret-token"), ("authorization", "Bearer secret-token")];
    let sent = rewritten_as(request("/a", &client), |_| {});
    assert!(!sent.headers.contains_key(header::AUTHORIZATION));
    let name = header::AUTHORIZATION;
    let received = request("/a", &client);
    let forwarding = Forwarding { jwt: Some((&name, &value)), ..forwarding(&received) };
    let sent = forwarder().rewritten(&Permit::in_test(), &received, &forwarding).unwrap();
    assert_eq!(sent.headers.get_all(header::AUTHORIZATION).iter().collect::<Vec<_>>(), [&value]);
}

// M12
#[test]
fn earlier_proxies_are_believed_only_when_trusted() {
    let fields = [
        ("Host", "gate.example"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("X-Real-IP", "6.6.6.6"),
        ("Forwarded", "for=6.6.6.6"),
    ];
    let untrusted = rewritten(request("/a", &fields));
    assert_eq!(untrusted.headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(untrusted.headers["x-forwarded-proto"], "http");
    assert_eq!(untrusted.headers["x-forwarded-host"], "gate.example");
    assert!(!untrusted.headers.contains_key("x-real-ip") && !untrusted.headers.contains_key("forwarded"));

    let trusted = rewritten_as(request("/a", &fields), |forwarding| forwarding.peer_is_trusted = true);
    assert_eq!(trusted.headers["x-forwarded-for"], "6.6.6.6, 127.0.0.1");
    assert_eq!(trusted.headers["x-forwarded-proto"], "https");
}

// RFC 9112 3.2, RFC 9113 8.3.1: an upstream is told a host, and in `X-Forwarded-Host` none but the client's
#[test]
fn every_request_names_a_host() {
    let server = |forwarding: &mut Forwarding<'_>| forwarding.server = Some("10.0.0.1:3000");
    for (fields, authority, host) in [
        (&[("Host", "gate.example")][..], None, Some("gate.example")),
        (&[], Some("http://gate.example:8443/a"), Some("gate.example:8443")),
        (&[], None, None),
    ] {
        let mut received = request("/a", fields);
        if let Some(url) = authority {
            received.set_uri(url.parse().unwrap());
        }
        let sent = rewritten_as(received, server);
        let told = sent.headers.get("x-forwarded-host").map(|host| host.to_str().unwrap());
        assert_eq!(told, host);
        assert_eq!(sent.headers[header::HOST], host.unwrap_or("10.0.0.1:3000"));
    }
}

// RFC 9113 8.2.3
#[test]
fn cookies_that_came_in_pieces_are_one_field() {
    let sent = rewritten(request("/a", &[("Cookie", "a=1"), ("Cookie", "b=2;c=3"), ("Cookie", "")]));
    assert_eq!(sent.headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    let whole = rewritten(request("/a", &[("Cookie", "a=1;b=2 ")]));
    assert_eq!(whole.headers[header::COOKIE], "a=1;b=2 ");
}

// F19
#[test]
fn the_decided_path_is_the_path_sent() {
    let sent = rewritten_as(request("/a/../b//c?q=%2f", &[]), |forwarding| forwarding.path = "/b/c");
    assert_eq!(sent.raw_path(), b"/b/c?q=%2f");
    let absolute = rewritten(request("http://gate.example/a", &[]));
    assert_eq!(absolute.raw_path(), b"/a");
}

// RFC 9110 5.1: lower case unless asked
#[test]
fn names_keep_their_case_when_the_configuration_says_so() {
    let lines = |case| {
        let fields = [("Host", "gate.example"), ("X-Old-SERVER", "1"), ("x-lower", "2"), ("X-REQUEST-ID", "forged")];
        let mut received = request("/a?q=1", &fields);
        received.set_version(http::Version::HTTP_11);
        let mut forwarder = forwarder();
        forwarder.fields.case = case;
        let request = forwarder.rewritten(&Permit::in_test(), &received, &forwarding(&received)).unwrap();
        assert_eq!((request.raw_path(), request.version), (&b"/a?q=1"[..], http::Version::HTTP_11));
        let mut wire = Vec::new();
        request.header_to_h1_wire(&mut wire);
        let mut lines: Vec<String> = String::from_utf8(wire).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let preserved = [
        "Host: gate.example",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: gate.example",
        "X-Forwarded-Proto: http",
        "X-Old-SERVER: 1",
        "X-Request-Id: r1",
        "x-lower: 2",
    ];
    assert_eq!(lines(Case::Preserve), preserved);
    let lower = [
        "Host: gate.example",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: gate.example",
        "x-forwarded-proto: http",
        "x-lower: 2",
        "x-old-server: 1",
        "x-request-id: r1",
    ];
    assert_eq!(lines(Case::Lower), lower);
}

// M12
#[test]
fn addresses_are_written_as_everybody_writes_them() {
    for octet in 0_u8..=255 {
        let address = IpAddr::from([octet, 255 - octet, octet / 2, octet.wrapping_mul(7)]);
        assert_eq!(spelled(address).unwrap(), address.to_string());
    }
    for text in ["0.0.0.0", "255.255.255.255", "10.0.100.9", "::1", "2001:db8::7"] {
        assert_eq!(spelled(text.parse().unwrap()).unwrap(), text);
    }
}
