//! The pages of the admin listener: their numbers are those of the metrics, and a refusal leads to its explanation.

use crate::support::gateway::{Gateway, ROUTES, Raw, Reloadable, client, raw};

/// A page, as somebody gets it who names the listener so.
async fn page_at(gateway: &Gateway, host: &str, path: &str, fields: &str) -> Raw {
    let admin = gateway.running.admin.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n");
    raw(admin, request.as_bytes()).await
}

async fn page(gateway: &Gateway, path: &str) -> Raw {
    page_at(gateway, "127.0.0.1", path, "").await
}

/// What stands between these, everywhere.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

/// Name and labels of a sample or of a selector.
fn series(text: &str) -> (&str, Vec<(&str, &str)>) {
    let (name, labels) = text.split_once('{').unwrap_or((text, "}"));
    let pairs = labels.strip_suffix('}').unwrap().split(',').filter(|pair| !pair.is_empty());
    (name, pairs.map(|pair| pair.strip_suffix('"').unwrap().split_once('"').unwrap()).collect())
}

/// The sum of what a selector means in what Prometheus is told.
fn sum(metrics: &str, selector: &str) -> f64 {
    let (name, wanted) = series(selector);
    let samples = metrics.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap());
    let of_class = |value: &str, classes: &str| value.len() == 3 && classes.contains(&value[..1]);
    let matches = |labels: &[(&str, &str)]| {
        wanted.iter().all(|(label, wanted)| {
            let value = |comparison: &str| {
                let name = label.strip_suffix(comparison)?;
                labels.iter().find(|(own, _)| own.strip_suffix('=') == Some(name)).map(|(_, value)| *value)
            };
            match label {
                not if not.ends_with("!~") => !of_class(value("!~").unwrap(), "2345"),
                like if like.ends_with("=~") => of_class(value("=~").unwrap(), &wanted[..1]),
                _ => value("=") == Some(*wanted),
            }
        })
    };
    let own = samples.filter(|(sample, _)| series(sample).0 == name && matches(&series(sample).1));
    own.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
}

async fn traffic(gateway: &Gateway) {
    let token = gateway.reader().await;
    let authorization = format!("Authorization: Bearer {token}\r\n");
    for (method, target, fields) in [
        ("GET", "/api/orders", authorization.as_str()),
        ("GET", "/api/orders/1234567?q=secret-query", &authorization),
        ("POST", "/api/orders", &authorization),
        ("GET", "/api/orders", ""),
        ("GET", "/api/orders", "Authorization: Bearer garbage\r\n"),
        ("GET", "/public/secret-path", ""),
        ("GET", "/nowhere/secret-path", ""),
        ("POST", "/oauth2/token", ""),
    ] {
        gateway.request(method, target, fields).await;
    }
}

// UX 24: every number names its metric and agrees with it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_numbers_are_those_of_the_metrics() {
    let gateway = Gateway::start().await;
    traffic(&gateway).await;
    let (mut html, mut metrics) = (String::new(), String::new());
    // The connections of the traffic end a moment later.
    for _ in 0..50 {
        (html, metrics) = (page(&gateway, "/dashboard").await.text, gateway.metrics().await);
        if metrics.contains("faregate_open_connections 0") && html.contains(r#"value="0" title="faregate_open_conn"#) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let figures = between(&html, "<data value=\"", "\">");
    assert!(figures.len() > 30, "{html}");
    for figure in figures {
        let (value, title) = figure.split_once("\" title=\"").unwrap();
        let selector = title.replace("&quot;", "\"").replace("&amp;", "&");
        let value: f64 = value.parse().unwrap();
        assert!((sum(&metrics, &selector) - value).abs() < 0.1, "{selector} is not {value}\n{metrics}");
    }
    // Each was counted where it happened.
    for (row, count, selector) in [
        ("decision-deny-missing_permission", 1, "reason=&quot;missing_permission&quot;}"),
        ("decision-deny-no_route", 1, "reason=&quot;no_route&quot;}"),
        ("decision-permit-", 3, "reason=&quot;&quot;}"),
        ("upstream-app", 3, "faregate_upstream_duration_seconds_count{upstream=&quot;app&quot;}"),
    ] {
        let row = between(&html, &format!("<tr id=\"{row}\">"), "</tr>").concat();
        assert!(row.contains(&format!("<data value=\"{count}\"")) && row.contains(selector), "{row}");
    }
    // Metrics that a column names exist, and the link leads there.
    let links = between(&html, "<a class=\"metric\" href=\"/metrics#:~:text=", "\">");
    assert!(links.len() > 15, "{html}");
    for name in links {
        let may_be_absent =
            ["jwks", "introspection", "certificate", "upstream_errors"].iter().any(|part| name.contains(part));
        assert!(may_be_absent || metrics.contains(name), "{name}\n{metrics}");
    }
    for shown in [&*gateway.running.hash, "test.yaml</bdi>, 5 routes", env!("CARGO_PKG_VERSION"), "this gateway's own"]
    {
        assert!(html.replace("&#39;", "'").contains(shown), "{shown}: {html}");
    }
    // O2: paths, queries, tokens and secrets are nowhere.
    for never in ["secret-path", "secret-query", "1234567", "eyJ", "target-secret", "AAECAwQFBg"] {
        assert!(!html.contains(never), "{never}: {html}");
    }
}

// UX 24, UX 9: a click on a refusal leads to what `faregate explain` says of it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_leads_to_its_explanation() {
    let gateway = Gateway::start().await;
    traffic(&gateway).await;
    let html = page(&gateway, "/dashboard").await.text;
    let rows = between(&html, "<tr id=\"r-", "</tr>");
    assert_eq!(rows.len(), 4, "{html}");
    assert!(
        rows[0].contains(">no_route</a>") && rows[3].contains("POST <bdi>/api/**</bdi>"),
        "the newest first: {rows:?}"
    );
    let link = between(rows[3], "href=\"", "\"")[0];
    let id = link.strip_prefix("/dashboard/decisions/").unwrap();
    let explained = page(&gateway, link).await;
    assert_eq!(explained.status(), 200);
    for shown in [
        "<h1>Refused: missing_permission</h1>",
        id,
        "test.yaml, line ",
        "✓ passed</strong> <bdi>Route: /api/**",
        "✓ passed</strong> <bdi>Token: of http://127.0.0.1",
        "✗ not passed</strong> <bdi>Rule: permission write on orders",
        "meets <code><bdi>permission write on orders</bdi></code>",
        "What <code>missing_permission</code> means",
        "What to do",
        &format!("faregate explain {id}"),
    ] {
        assert!(explained.text.contains(shown), "{shown}: {}", explained.text);
    }
    // The same line that the command is told.
    let line: serde_json::Value = page(&gateway, &format!("/decisions/{id}")).await.json();
    for member in ["time", "client_id", "subject", "issuer", "rule"] {
        let value = line[member].as_str().unwrap();
        assert!(explained.text.contains(value), "{member} {value}: {}", explained.text);
    }
    // Upper case is the same id.
    assert_eq!(page(&gateway, &format!("/dashboard/decisions/{}", id.to_uppercase())).await.status(), 200);

    let reason = page(&gateway, "/dashboard/reasons/missing_permission").await;
    assert!(reason.status() == 200 && reason.text.contains("<h1>missing_permission</h1>"), "{}", reason.text);
    assert_eq!(page(&gateway, "/dashboard/reasons/nonsense").await.status(), 404);
}

// UX 24, UX 9: an unknown id says how far back the gateway remembers; what was typed is not repeated
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_decision_says_how_far_back_is_remembered() {
    let gateway = Gateway::start().await;
    let unknown = "/dashboard/decisions/0123456789abcdef0123456789abcdef";
    let answer = page(&gateway, unknown).await;
    assert_eq!(answer.status(), 404);
    assert!(answer.text.contains("remembers no decision yet"), "{}", answer.text);
    gateway.request("GET", "/api/orders", "").await;
    let answer = page(&gateway, unknown).await;
    for shown in
        ["0123456789abcdef0123456789abcdef is not among", "remembers one decision, of ", "log: { decisions: true }"]
    {
        assert!(answer.text.contains(shown), "{shown}: {}", answer.text);
    }
    for typed in ["%3Cscript%3Ealert(1)", "x%22y", "..%2f..%2fstatus", ""] {
        let answer = page(&gateway, &format!("/dashboard/decisions/{typed}")).await;
        assert_eq!(answer.status(), 404, "{typed}");
        assert!(answer.text.contains("This is no request id"), "{}", answer.text);
        assert!(!answer.text.contains("alert(") && !answer.text.contains("%22y"), "{}", answer.text);
    }
}

// UX 24, K11: names of the configuration are text, whatever is in them
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_characters_are_text() {
    let routes = ROUTES.replace("/public/**", "\"/a&b'c/**\"");
    let gateway = Gateway::with(&routes, &[]).await;
    let answer = gateway.request("POST", "/a&b'c/x%3Cb%3E", "").await;
    assert_eq!(answer.status(), 200, "{}", answer.text);
    gateway.request("GET", "/%3Cscript%3E/x", "X-Request-Id: <script>\r\n").await;
    let html = page(&gateway, "/dashboard").await.text;
    assert!(html.contains("<bdi>/a&#38;b&#39;c/**</bdi>"), "{html}");
    assert!(html.contains("{route=&quot;/a&amp;b&#39;c/**&quot;}"), "{html}");
    assert!(!html.contains("a&b") && !html.contains("%3C") && html.matches("<script").count() == 1, "{html}");
}

// UX 24: what is empty says what to do next
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_tables_say_what_to_do() {
    let gateway = Gateway::of("listen: \"${LISTEN}\"\nupstreams: { gone: \"builtin:elsewhere\" }\nroutes: { /x: { upstream: gone, public: true } }\nissuers: { self: {} }\n", &[]).await;
    let html = page(&gateway, "/dashboard").await.text;
    for shown in [
        &format!("No request yet. Try: <code>curl -i http://{}/</code>", gateway.address),
        "No decision yet",
        "No refusal is remembered",
        "Permits are remembered where log: { decisions: true } is set",
        "No upstream has servers. Add one: <code>upstreams:",
        "none since the start",
        "no token yet",
    ] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
}

// UX 24: a reload that was refused is told, and what it was about is text
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_reload_is_told() {
    let sections =
        "issuers: { self: {} }\nupstreams: { app: \"${UPSTREAM}\" }\nroutes: { /x: { upstream: app, public: true } }\n";
    let reloadable = Reloadable::start(sections).await;
    let hash = reloadable.gateway.running.hash.clone();
    reloadable.reload("routes: { \"/<b>\": { nonsense: 1 } }\n").await.unwrap_err();
    let html = page(&reloadable.gateway, "/dashboard").await.text;
    assert!(html.contains("refused; the configuration from before runs on") && html.contains("nonsense"), "{html}");
    assert!(html.contains(&format!("<code id=\"hash\">{hash}</code>")) && !html.contains("<b>"), "{html}");
    reloadable.reload(&sections.replace("/x:", "/y:")).await.unwrap();
    let html = page(&reloadable.gateway, "/dashboard").await.text;
    assert!(html.contains(">applied</span>") && !html.contains(&hash), "{html}");
}

// UX 24, K1, K12: nobody's name for this machine is ours, and nothing is framed, kept or sent elsewhere
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_for_browsers_that_know_the_address() {
    let gateway = Gateway::start().await;
    for (host, status) in [
        ("127.0.0.1:9090", 200),
        ("localhost", 200),
        ("[::1]:9090", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:9090", 421),
    ] {
        for path in ["/dashboard", "/dashboard/reasons/expired"] {
            assert_eq!(page_at(&gateway, host, path, "").await.status(), status, "{host}{path}");
        }
    }
    // Prometheus may call it by a name.
    assert_eq!(page_at(&gateway, "gateway", "/metrics", "").await.status(), 200);

    let answer = page(&gateway, "/dashboard").await;
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
             form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
        ),
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-type", "text/html; charset=utf-8"),
        ("content-language", "en"),
    ] {
        assert_eq!(answer.field(name), Some(value), "{name}");
    }
    let without = page(&gateway, "/dashboard/reasons/expired").await;
    assert!(without.field("content-security-policy").unwrap().contains("script-src 'none'; form-action 'none'"));

    // One stylesheet, one script, kept for ever.
    let loaded: Vec<_> = ["rel=\"stylesheet\" href=\"", "<script src=\""]
        .into_iter()
        .map(|before| between(&answer.text, before, "\"")[0].to_owned())
        .collect();
    for (path, media_type) in loaded.iter().zip(["text/css; charset=utf-8", "text/javascript; charset=utf-8"]) {
        assert!(path.starts_with("/dashboard/assets/"), "{path}");
        let asset = page(&gateway, path).await;
        assert_eq!((asset.status(), asset.field("content-type")), (200, Some(media_type)), "{path}");
        assert_eq!(asset.field("cache-control"), Some("public, max-age=31536000, immutable"));
        assert!(asset.body().len() > 1000);
    }
    for nothing in ["/dashboard/assets/x.css", "/dashboard/x", "/dashboards", "/dashboard/a/b/c"] {
        assert_eq!(page(&gateway, nothing).await.status(), 404, "{nothing}");
    }
    // Only to be read, and only here.
    let admin = gateway.running.admin.unwrap();
    assert_eq!(client().post(format!("http://{admin}/dashboard")).send().await.unwrap().status(), 405);
    assert_eq!(gateway.request("GET", "/dashboard", "").await.status(), 404);

    let led = page_at(&gateway, "127.0.0.1", "/", "Accept: text/html,*/*;q=0.8\r\n").await;
    assert_eq!((led.status(), led.field("location")), (303, Some("/dashboard")));
    let told = page_at(&gateway, "127.0.0.1", "/", "Accept: */*\r\n").await;
    assert!(told.status() == 404 && told.text.contains("/dashboard"), "{}", told.text);
}
