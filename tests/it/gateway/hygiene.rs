//! What reaches an upstream: no credential, no identity that a client made up, no second request inside the first.

use crate::support::gateway::{Gateway, RECIPIENT_ID};

const ROUTES: &str = r#"
upstreams: { app: "${UPSTREAM}" }
routes:
  /public/**: { upstream: app, public: true }
  /any/**: { upstream: app, require: authenticated }
  /passing/**: { upstream: app, require: authenticated, forward_authorization: true }
  /open/**: { upstream: app, public: true, forward_authorization: true }
"#;

/// Every spelling that CGI, WSGI, PHP or a careless parser takes for one of our fields.
const SPELLINGS: [&str; 32] = [
    "X-Auth-Subject",
    "x-auth-subject",
    "X-AUTH-SUBJECT",
    "x-AuTh-sUbJeCt",
    "X_Auth_Subject",
    "x_auth_subject",
    "X_AUTH-SUBJECT",
    "X-Auth_Subject",
    "X.Auth.Subject",
    "x-auth.subject",
    "X~Auth~Subject",
    "X!Auth!Subject",
    "X'Auth'Subject",
    "X*Auth+Subject",
    "X|Auth|Subject",
    "X^Auth`Subject",
    "X#Auth$Subject",
    "X%Auth&Subject",
    "X-Auth-Client",
    "x_auth_client",
    "X-Auth-Tenant",
    "X.Auth.Tenant",
    "X-Auth-Issuer",
    "x_auth-issuer",
    "X-Auth-Scope",
    "X_AUTH_SCOPE",
    "X-Auth-Roles",
    "x-auth_roles",
    "X.AUTH_ROLES",
    "X-Auth-Permissions",
    "x_auth_permissions",
    "X-Auth.Permissions",
];

// M1, F-333
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_say_who_it_is() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    let token = gateway.token("").await;
    for (target, credential) in [("/public/x", String::new()), ("/any/x", format!("Authorization: Bearer {token}\r\n"))]
    {
        for name in SPELLINGS {
            let fields = format!("{credential}{name}: forged-admin\r\nX-Other: kept\r\n{name}: forged-again\r\n");
            let answer = gateway.request("GET", target, &fields).await;
            assert_eq!(answer.status(), 200, "{name}: {}", answer.text);
            let received = gateway.upstream.last();
            assert!(!received.head.contains("forged"), "{target} {name}:\n{}", received.head);
            assert_eq!(received.field("x-other").as_deref(), Some("kept"));
            let subject: &[&str] = if credential.is_empty() { &[] } else { &[RECIPIENT_ID] };
            assert_eq!(received.all("x-auth-subject"), subject, "{name}");
        }
        // All at once, and a request id of the client's own.
        let all: String = SPELLINGS.iter().map(|name| format!("{name}: forged\r\n")).collect();
        let answer = gateway
            .request("GET", target, &format!("{credential}{all}X-Request-Id: forged\r\nX_Request_Id: forged\r\n"))
            .await;
        assert_eq!(answer.status(), 200);
        let received = gateway.upstream.last();
        assert!(!received.head.contains("forged"), "{}", received.head);
        assert_eq!(received.all("x-request-id"), [answer.field("x-request-id").unwrap()]);
    }
    // A space before the colon is not a spelling but an error (M3).
    let answer = gateway.request("GET", "/public/x", "X-Auth-Subject : forged\r\n").await;
    assert_eq!(answer.status(), 400);
}

// M1: names from the configuration are guarded like the default ones, and the default ones still are
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configured_names_are_guarded() {
    let sections = format!("{ROUTES}forward: {{ subject: X-User-Id, roles: false }}\n");
    let gateway = Gateway::with(&sections, &[]).await;
    let token = gateway.token("").await;
    for name in ["X-User-Id", "x_user_id", "X.User-ID", "X-Auth-Subject", "x_auth_roles", "X-Auth-Roles"] {
        let fields = format!("Authorization: Bearer {token}\r\n{name}: forged\r\n");
        assert_eq!(gateway.request("GET", "/any/x", &fields).await.status(), 200);
        let received = gateway.upstream.last();
        assert!(!received.head.contains("forged"), "{name}: {}", received.head);
        assert_eq!(
            (received.all("x-user-id"), received.all("x-auth-subject")),
            (vec![RECIPIENT_ID.to_owned()], vec![])
        );
    }
}

// M2, RFC 9110 7.6.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_options_cannot_remove_what_we_add() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    let token = gateway.token("").await;
    for options in [
        "X-Auth-Subject",
        "x-auth-subject, X-Request-Id",
        "x-auth-subject, X-Forwarded-For",
        "close, X-Auth-Subject",
        "keep-alive, x-auth-tenant, x-auth-issuer",
        "Authorization",
        "Host",
        "Cookie, X-Auth-Subject",
    ] {
        let request = format!(
            "GET /any/x HTTP/1.1\r\nHost: gate.test\r\nAuthorization: Bearer {token}\r\nX-Auth-Subject: forged\r\nKeep-Alive: 5\r\n\
             Proxy-Connection: x\r\nTE: trailers\r\nConnection: {options}\r\n\r\n"
        );
        let before = gateway.upstream.count();
        let answer = gateway.raw(request).await;
        // Options that would take away what every hop needs are no request at all.
        if options.contains("X-Forwarded-For") || options == "Host" {
            assert_eq!((answer.status(), gateway.upstream.count()), (400, before), "{options}: {}", answer.text);
            continue;
        }
        assert_eq!(answer.status(), 200, "{options}: {}", answer.text);
        let received = gateway.upstream.last();
        assert_eq!(received.all("x-auth-subject"), [RECIPIENT_ID], "{options}: {}", received.head);
        assert_eq!(received.all("x-forwarded-for"), ["127.0.0.1"], "{options}");
        assert_eq!(received.all("x-request-id"), [answer.field("x-request-id").unwrap()], "{options}");
        assert_eq!(received.all("host"), ["gate.test"], "{options}");
        for gone in ["keep-alive", "proxy-connection", "te", "authorization"] {
            assert_eq!(received.field(gone), None, "{options}: {gone}");
        }
    }
}

// M9, F-332: credentials end at the gate, wherever they stand
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_stay_at_the_gate() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    let token = gateway.token("").await;
    let authorization = format!("Authorization: Bearer {token}\r\n");
    let cookies = format!(
        "Cookie: a=1; access_token={token}; b=2\r\nCookie: Refresh_Token={token}\r\nCookie: id_token={token}; ACCESS_TOKEN={token};c=3; xaccess_token=4\r\n"
    );
    for target in ["/public/x", "/any/x"] {
        let answer = gateway.request("GET", target, &format!("{authorization}{cookies}")).await;
        assert_eq!(answer.status(), 200, "{}", answer.text);
        let received = gateway.upstream.last();
        assert!(!received.head.contains("eyJ"), "{}", received.head);
        assert_eq!(received.all("authorization"), [""; 0]);
        assert_eq!(received.all("cookie"), ["a=1; b=2; c=3; xaccess_token=4"]);
    }
    for target in ["/passing/x", "/open/x"] {
        assert_eq!(gateway.request("GET", target, &authorization).await.status(), 200);
        assert_eq!(gateway.upstream.last().all("authorization"), [format!("Bearer {token}")], "{target}");
    }
    // Another scheme is an upstream's business only where the route says so.
    gateway.request("GET", "/public/x", "Authorization: Basic dTpw\r\n").await;
    assert_eq!(gateway.upstream.last().field("authorization"), None);
    gateway.request("GET", "/open/x", "Authorization: Basic dTpw\r\n").await;
    assert_eq!(gateway.upstream.last().field("authorization").as_deref(), Some("Basic dTpw"));

    for (query, left) in [
        ("access_token=eyJ", ""),
        ("a=1&access_token=eyJ&b=2", "?a=1&b=2"),
        ("access%5Ftoken=eyJ&a=1", "?a=1"),
        ("%61ccess_token=eyJ&a=1", "?a=1"),
        ("a=1&ACCESS_TOKEN=eyJ", "?a=1"),
        ("access_token=eyJ&access_token=eyJ", ""),
        ("a=%zz&b", "?a=%zz&b"),
        ("access_tokens=1", "?access_tokens=1"),
    ] {
        assert_eq!(gateway.request("GET", &format!("/public/x?{query}"), "").await.status(), 200, "{query}");
        assert_eq!(gateway.upstream.last().request_line(), format!("GET /public/x{left} HTTP/1.1"), "{query}");
    }
}

const FORWARDED: &str = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n\
                         X-Real-IP: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nX_Forwarded_For: 203.0.113.9\r\nx_real_ip: 203.0.113.9\r\n";

// M12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_trusted_proxies_tell_of_clients() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    assert_eq!(gateway.request("GET", "/public/x", FORWARDED).await.status(), 200);
    let received = gateway.upstream.last();
    assert!(!received.head.contains("203.0.113.9") && !received.head.contains("evil"), "{}", received.head);
    assert_eq!(received.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(received.all("x-forwarded-proto"), ["http"]);
    assert_eq!(received.all("x-forwarded-host"), ["gate.test"]);

    let sections = format!("{ROUTES}trusted_proxies: [127.0.0.1/32]\n");
    let gateway = Gateway::with(&sections, &[]).await;
    let fields = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Host: shop.test\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(gateway.request("GET", "/public/x", fields).await.status(), 200);
    let received = gateway.upstream.last();
    assert_eq!(received.all("x-forwarded-for"), ["203.0.113.9, 127.0.0.1"]);
    assert_eq!(received.all("x-forwarded-proto"), ["https"]);
    assert_eq!(received.all("x-forwarded-host"), ["shop.test"]);
    // Several fields are one list (RFC 9110 5.3): none of them may get lost on the way.
    let fields = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.7\r\n";
    gateway.request("GET", "/public/x", fields).await;
    assert_eq!(gateway.upstream.last().all("x-forwarded-for").join(", "), "203.0.113.9, 198.51.100.7, 127.0.0.1");
}

// F20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_overrides_what_was_decided_on() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "x_http_method_override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X_Original_URL",
        "x.rewrite.url",
    ] {
        assert_eq!(gateway.request("GET", "/public/x", &format!("{name}: /admin\r\n")).await.status(), 200, "{name}");
        assert!(!gateway.upstream.last().head.contains("/admin"), "{name}: {}", gateway.upstream.last().head);
    }
}
