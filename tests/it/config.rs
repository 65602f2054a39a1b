//! Golden problems: every file in `config/bad` is a configuration and what is printed about it, every file in
//! `config/good` is a configuration and its warnings. `UPDATE=1` rewrites what is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use faregate::config::{self, Environment, Lint, Problem, Severity, Target, known_keys, render_all};
use faregate::enforce::{Denial, TokenFault};

/// No YAML document can have this line by chance, and none may have it on purpose.
const SEPARATOR: &str = "---- problems\n";

/// Marked, so that it is found wherever it leaks.
const SECRET: &str = "marked-secret-of-at-least-32-characters";

fn environment() -> Environment {
    Environment::of([
        ("PORT", "8080"),
        ("EMPTY", ""),
        ("MASTER_KEY", SECRET),
        ("DATABASE_PASSWORD", SECRET),
        ("RULE", SECRET),
        ("REPORTING_SECRET", SECRET),
        ("WIKI_SECRET", SECRET),
        ("ANN_PASSWORD", SECRET),
        ("ISSUER", "https://idp.example.com"),
        ("FAREGATE_PUBLIC_URL", "https://gate.example.com"),
    ])
    .with_file("/run/secrets/faregate-master-key", format!("{SECRET}\n"))
    .with_file("/run/secrets/faregate-database", format!("{SECRET}\n"))
    .with_file("/run/secrets/mailer", format!("{SECRET}\n"))
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/config").join(name)
}

/// Every golden file: its path, the configuration, and what is expected to be printed.
fn golden(name: &str) -> Vec<(PathBuf, String, String)> {
    let entries = fs::read_dir(folder(name)).expect("the folder exists").map(|entry| entry.expect("readable").path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    let split = |path: PathBuf| {
        assert_eq!(path.extension().and_then(|extension| extension.to_str()), Some("yaml"), "an orphan: {path:?}");
        let text = fs::read_to_string(&path).expect("readable");
        let (input, expected) = text.split_once(SEPARATOR).map_or((text.as_str(), ""), |parts| parts);
        (path, input.to_owned(), expected.to_owned())
    };
    paths.into_iter().map(split).collect()
}

/// The problems of a configuration; or else its warnings.
fn problems(input: &str) -> Result<Vec<Problem>, Vec<Problem>> {
    config::parse("faregate.yaml", input, &environment()).map(|config| config.warnings)
}

fn compare(path: &Path, input: &str, expected: &str, printed: &str) -> Option<String> {
    if printed == expected {
        return None;
    }
    if std::env::var_os("UPDATE").is_some() {
        let separator = if printed.is_empty() { "" } else { SEPARATOR };
        fs::write(path, format!("{input}{separator}{printed}")).expect("writable");
        return None;
    }
    Some(format!("{}\n--- expected\n{expected}--- printed\n{printed}", path.display()))
}

// UX 4, F15
#[test]
fn bad_configurations_are_refused_with_these_words() {
    let files = golden("bad");
    assert!(files.len() >= 35, "{} files", files.len());
    let different = files.iter().filter_map(|(path, input, expected)| {
        let problems = problems(input).expect_err(&format!("{path:?} was accepted"));
        assert!(problems.iter().all(|problem| problem.severity == Severity::Error), "{path:?}");
        compare(path, input, expected, &render_all(&problems, false))
    });
    let different: Vec<String> = different.collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

// UX 6
#[test]
fn good_configurations_are_accepted_with_these_warnings() {
    let files = golden("good");
    assert!(files.len() >= 8, "{} files", files.len());
    let different = files.iter().filter_map(|(path, input, expected)| {
        let warnings = problems(input).unwrap_or_else(|problems| panic!("{path:?}\n{}", render_all(&problems, false)));
        compare(path, input, expected, &render_all(&warnings, false))
    });
    let different: Vec<String> = different.collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

// UX 14, O2
#[test]
fn no_problem_shows_a_secret() {
    for name in ["good", "bad"] {
        for (path, _, expected) in golden(name) {
            assert!(!expected.contains("marked-secret"), "{path:?}");
            assert!(!expected.contains("hunter2"), "{path:?}");
        }
    }
    let config = shipped("cluster.yaml");
    assert!(!format!("{config:?}").contains("marked-secret"));
}

fn shipped_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn shipped(name: &str) -> config::Config {
    let loaded = config::load(&shipped_path(name), &environment());
    loaded.unwrap_or_else(|problems| panic!("{}", render_all(&problems, false)))
}

// UX 2
#[test]
fn shipped_configurations_pass_a_strict_check() {
    for name in ["faregate.yaml", "minimal.yaml", "cluster.yaml"] {
        let report = config::report(&shipped_path(name), true, &environment());
        assert!(report.ok, "{name}\n{}", render_all(&report.problems, false));
    }
    assert!(!shipped("faregate.yaml").tests.is_empty());
    let cluster = shipped("cluster.yaml");
    let several = |target: &Target| matches!(target, Target::Servers { servers, .. } if servers.len() > 1);
    assert!(cluster.upstreams.iter().any(|upstream| several(&upstream.target)));
}

// UX 2
#[test]
fn examples_are_good_configurations() {
    for name in ["behind-another-gateway", "browser-login", "in-front-of-services"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).join("faregate.yaml");
        let loaded = config::load(&path, &environment());
        loaded.unwrap_or_else(|problems| panic!("{name}\n{}", render_all(&problems, false)));
    }
}

/// The lines of one top-level section, comments before it included.
fn section(text: &str, name: &str) -> String {
    let is_start = |line: &str| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let word = line.split(':').next().unwrap_or_default();
        line.contains(':') && !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if is_start(line) {
            inside = line.strip_prefix("# ").unwrap_or(line).starts_with(&format!("{name}:"));
        }
        if inside {
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn mentions(text: &str, key: &str) -> bool {
    let before =
        |at: usize| text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric() && before != '_');
    text.match_indices(&format!("{key}:")).any(|(at, _)| before(at))
}

#[test]
fn the_reference_mentions_every_key() {
    let text = fs::read_to_string(shipped_path("faregate.yaml")).expect("readable");
    for (path, keys) in known_keys() {
        let part = path.split('.').next().filter(|name| !name.is_empty()).map(|name| section(&text, name));
        let part = part.unwrap_or_else(|| text.clone());
        for key in keys {
            assert!(mentions(&part, key), "config/faregate.yaml does not mention {path} {key}");
        }
    }
}

// F15
#[test]
fn a_route_with_an_empty_key_is_refused_or_kept() {
    let routes = known_keys().into_iter().find(|(path, _)| *path == "routes").expect("routes have keys").1;
    for (key, value) in routes.iter().flat_map(|key| ["", "~", "[]", "{}"].map(|value| (key, value))) {
        let others = ["upstream: a", "require: scope a"].into_iter().filter(|other| !other.starts_with(*key));
        let fields: String = others.map(|other| format!("    {other}\n")).collect();
        let text = format!(
            "upstreams: {{ a: http://127.0.0.1:1 }}\nroutes:\n  /a/**: {{ upstream: a, public: true }}\n  /a/b:\n{fields}    {key}: {value}\n"
        );
        if let Ok(config) = config::parse("faregate.yaml", &text, &environment()) {
            assert_eq!(config.routes.len(), 2, "{text}");
        }
    }
}

// UX 5
#[test]
fn five_hundred_routes_are_checked_within_a_second() {
    let mut text = "upstreams:\n  orders: http://127.0.0.1:3000\nroutes:\n".to_owned();
    for number in 0..500 {
        text.push_str(&format!(
            "  /api/{number}/{{id}}/**:\n    upstream: orders\n    require: {{ GET: scope a{number}, \"*\": \"all: [role b, permission c on {{id}}]\" }}\n"
        ));
    }
    let began = Instant::now();
    let config = config::parse("faregate.yaml", &text, &environment()).expect("the configuration is good");
    assert_eq!(config.routes.len(), 500);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

fn checked(text: &str, strict: bool) -> config::Report {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("faregate-check-{}-{number}.yaml", std::process::id()));
    fs::write(&path, text).expect("writable");
    let report = config::report(&path, strict, &environment());
    fs::remove_file(&path).expect("removable");
    report
}

const WARNED: &str = "upstreams: { a: http://127.0.0.1:1 }\nroutes: { /a: { upstream: a, require: authenticated } }\n";

// UX 5
#[test]
fn check_says_which_layer_failed() {
    let cases = [
        ("listen: 127.0.0.1:8080\n", false, true, "✓ ok, ✓ ok, ✓ ok, ✓ 0 tests passed"),
        ("listen: [\n", false, false, "✗ 1 problem, - skipped, - skipped, - skipped"),
        ("admin: 0.0.0.0:1\nlisten: 8080\n", false, false, "✓ ok, ✗ 1 problem, - skipped, - skipped"),
        (WARNED, false, true, "✓ ok, ✓ ok, ! 1 warning, ✓ 0 tests passed"),
        (WARNED, true, false, "✓ ok, ✓ ok, ✗ 1 warning, ✓ 0 tests passed"),
        (
            "tests: [{ name: a, request: GET /, expect: permit }, { name: b, request: GET /, expect: deny }]",
            true,
            false,
            "✓ ok, ✓ ok, ✓ ok, ✗ 1 of 2 tests failed",
        ),
    ];
    for (text, strict, ok, expected) in cases {
        let report = checked(text, strict);
        let printed = report.render(false);
        let line = |line: &str| {
            format!("{} {}", line.split(' ').next().unwrap_or_default(), line.chars().skip(17).collect::<String>())
        };
        let lines: Vec<String> = printed.lines().take(4).map(line).collect();
        assert_eq!((report.ok, lines.join(", ").as_str()), (ok, expected), "{printed}");
        assert_eq!(report.hash.is_some(), ok);
        assert!(!printed.contains('\x1b') && report.render(true).contains("\x1b["));
    }
}

// UX 6: a risk is accepted with a reason, by what has it, and only for as long as it is there.
#[test]
fn accepted_risks_are_notes_with_their_reasons() {
    let accepted = |at: &str| {
        format!(
            "{WARNED}accepted_risks: [{{ lint: route-accepts-any-audience, at: {at}, because: one audience until March }}]\n"
        )
    };
    let report = checked(&accepted("/a"), true);
    let printed = report.render(false);
    assert!(report.ok && printed.contains("security lint  ok, 1 note"), "{printed}");
    assert!(printed.contains("note[route-accepts-any-audience]: route \"/a\""), "{printed}");
    assert!(printed.contains("accepted: one audience until March"), "{printed}");
    let problem = serde_json::to_value(&report).expect("JSON")["problems"][0].clone();
    assert_eq!((&problem["lint"], &problem["at"]), (&json!("route-accepts-any-audience"), &json!("/a")));
    assert_eq!(problem["accepted_because"], "one audience until March");

    let elsewhere = checked(&accepted("/b"), true);
    assert!(!elsewhere.ok, "the acceptance is for another route");
    let lints: Vec<_> = elsewhere.problems.iter().filter_map(|problem| Some(problem.risk.as_ref()?.lint)).collect();
    assert_eq!(lints, [Lint::RouteAcceptsAnyAudience, Lint::AcceptedRiskIsGone]);
}

// UX 6: every warning has a name, and is shown in a golden file.
#[test]
fn every_lint_is_shown_by_its_name() {
    let printed: String = golden("good").into_iter().map(|(_, _, expected)| expected).collect();
    assert!(!printed.contains("warning:"), "a warning without a name");
    for lint in Lint::ALL.map(Lint::as_str) {
        // No file is there whose mode could be wrong: `keys_that_others_may_read_are_warned_about` makes some.
        let is_shown = printed.contains(&format!("warning[{lint}]:")) || lint == Lint::KeyReadableByOthers.as_str();
        assert!(is_shown, "{lint}");
    }
}

// UX 5, UX 7
#[test]
fn check_speaks_json() {
    let text = format!(
        "{WARNED}tests: [{{ name: everyone, request: GET /a, expect: permit }}, {{ name: nobody, request: GET /a, expect: deny }}]\n"
    );
    let report = serde_json::to_value(checked(&text, false)).expect("JSON");
    assert_eq!(report["ok"], false);
    assert_eq!(report["layers"][3]["name"], "policy_tests");
    assert_eq!(report["layers"][3]["outcome"], "failed");
    let problem = &report["problems"][1];
    assert_eq!(problem["message"], "policy test \"everyone\" failed: expected permit, got deny (no_token)");
    assert_eq!((&problem["line"], &problem["column"]), (&json!(3), &json!(17)));
    assert!(problem["help"].as_str().is_some_and(|help| help.contains("the rule `authenticated`")), "{problem}");
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem() {
    let nowhere = config::load(Path::new("/nowhere/faregate.yaml"), &environment()).expect_err("it is not there");
    assert_eq!(nowhere.len(), 1);
    assert!(nowhere[0].render(false).starts_with("/nowhere/faregate.yaml cannot be read: "), "{nowhere:?}");

    let path = std::env::temp_dir().join(format!("faregate-latin1-{}.yaml", std::process::id()));
    fs::write(&path, b"listen: 127.0.0.1:8080\n# caf\xe9\n").expect("writable");
    let latin = config::load(&path, &environment()).expect_err("it is not UTF-8");
    fs::remove_file(&path).expect("removable");
    assert!(latin[0].render(false).contains("line 2 is not UTF-8"), "{latin:?}");
}

// P1
#[cfg(unix)]
#[test]
fn keys_that_others_may_read_are_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("faregate-keys-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("writable");
    let path = |name: &str| folder.join(name).display().to_string();
    let pair = rcgen::generate_simple_self_signed(["gate.example.com".to_owned()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(["other.example.com".to_owned()]).expect("a certificate");
    fs::write(path("tls.crt"), pair.cert.pem()).expect("writable");
    fs::write(path("tls.key"), pair.signing_key.serialize_pem()).expect("writable");
    fs::write(path("other.key"), other.signing_key.serialize_pem()).expect("writable");
    let parse = |key: &str| {
        let text = format!("listen: {{ address: 127.0.0.1:8443, tls: {{ certificate: tls.crt, key: {key} }} }}\n");
        config::parse(&path("faregate.yaml"), &text, &environment())
    };
    for (mode, warnings) in [(0o600, 0), (0o644, 1)] {
        fs::set_permissions(path("tls.key"), fs::Permissions::from_mode(mode)).expect("mine");
        let config = parse("tls.key").expect("key and certificate belong together");
        assert_eq!(config.warnings.len(), warnings, "{:?}", config.warnings);
        let risk = config.warnings.first().and_then(|warning| warning.risk.as_ref());
        let named = risk.map(|risk| (risk.lint, risk.at.as_deref()));
        let expected = (Lint::KeyReadableByOthers, Some("tls.key"));
        assert_eq!(named, (warnings > 0).then_some(expected), "named as the file names it");
        assert_eq!(config.public_url.as_str(), "https://127.0.0.1:8443");
    }
    for (key, message) in [
        ("other.key", "the key does not belong to the certificate"),
        ("tls.crt", "\"tls.crt\" is not a private key in PEM format"),
        ("none.key", "\"none.key\" cannot be read: No such file or directory (os error 2)"),
    ] {
        let problems = parse(key).expect_err(key);
        assert_eq!(problems[0].message, message);
    }
    fs::remove_dir_all(&folder).expect("removable");
}

/// Hashes are compared over nodes of a cluster.
#[test]
fn the_hash_covers_what_was_interpolated() {
    let text = "listen: 127.0.0.1:${PORT}\n";
    let hash = |port: &str| config::parse("f.yaml", text, &Environment::of([("PORT", port)])).expect("good").hash;
    assert_eq!(hash("8080"), hash("8080"));
    assert_ne!(hash("8080"), hash("8081"));
    assert_eq!(hash("8080").len(), 64);
    assert_ne!(hash("8080"), config::parse("f.yaml", "listen: 127.0.0.1:8080\n", &environment()).expect("good").hash);
}

/// One edit of a text: where, how much is taken out, and what is put in.
fn edit() -> impl Strategy<Value = (prop::sample::Index, usize, String)> {
    let pieces =
        ["", "\n", "  ", "\t", ":", "-", "{", "}", "[", "]", "*", "&a", "\"", "'", "${", "#", "|", "? ", "é", "!!x"];
    (any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(pieces.to_vec()).prop_map(str::to_owned))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written, there is an answer, and it points into the file.
    #[test]
    fn no_text_breaks_the_reader(edits in prop::collection::vec(edit(), 1..6)) {
        let mut text: Vec<char> = fs::read_to_string(shipped_path("faregate.yaml")).expect("readable").chars().collect();
        for (at, taken, put) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + taken).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        let lines: Vec<&str> = text.lines().collect();
        for problem in config::parse("faregate.yaml", &text, &environment()).err().unwrap_or_default() {
            let line = lines.get(problem.line as usize - 1).map(|line| line.chars().count() as u32);
            prop_assert!(line.is_some_and(|length| problem.column <= length.max(1) + 1), "{}", problem.render(false));
        }
    }
}

#[test]
fn the_reference_shows_the_defaults() {
    let (shown, defaults) =
        (shipped("faregate.yaml"), config::parse("faregate.yaml", "", &environment()).expect("good"));
    assert_eq!(shown.limits, defaults.limits);
    assert_eq!(shown.forward, defaults.forward);
    assert_eq!(shown.log, defaults.log);
    assert_eq!(shown.shutdown, defaults.shutdown);
    assert_eq!(shown.token_cache, defaults.token_cache);
    assert_eq!((&shown.listen[0], shown.admin), (&defaults.listen[0], defaults.admin));
    assert_eq!(shown.public_url, defaults.public_url);
    let rotation = |config: &config::Config| (config.keys.publish_before_for, config.keys.keep_after_for);
    assert_eq!(rotation(&shown), rotation(&defaults));
    let echo = shown.routes.iter().find(|route| route.name == "/echo/**").expect("the route is there");
    assert!(shown.upstreams.iter().all(|upstream| upstream.resilience == config::Resilience::default()));
    let timeouts = shown.upstreams.iter().map(|upstream| upstream.timeouts);
    assert!(timeouts.chain([echo.timeouts]).all(|timeouts| timeouts == config::Timeouts::default()));
    assert_eq!((echo.max_body, echo.forward_authorization), (defaults.limits.body, false));
    assert_eq!(echo.websocket, config::WebSocket::default());
}

#[test]
fn values_become_types() {
    let config = shipped("cluster.yaml");
    assert_eq!(config.public_url.as_str(), "https://gate.example.com");
    let url = format!("postgres://faregate:{SECRET}@db.internal/faregate?sslmode=verify-full");
    assert_eq!(*config.store.url().expose(), url);
    assert!(matches!(&config.keys.master_key, config::MasterKey::Value(key) if key.expose() == SECRET));
    let orders = &config.upstreams[0];
    assert_eq!(orders.timeouts, config::Timeouts { read_for: Duration::from_secs(10), ..config::Timeouts::default() });
    let health = orders.health.as_ref().expect("it is probed");
    assert_eq!(
        (health.path.as_str(), health.interval_for, health.unhealthy_after),
        ("/healthz", Duration::from_secs(2), 3)
    );
    let Target::Servers { servers, tls } = &config.upstreams[1].target else { panic!("payments has servers") };
    assert_eq!(servers[0], config::Server { host: "payments-a.internal".to_owned(), port: 443, weight: 1 });
    // M8
    assert_eq!(*tls, Some(config::UpstreamTls { sni: None, verify: true, ca: None, client: None }));
    let payments = config.routes.iter().find(|route| route.name == "/api/payments/**").expect("the route is there");
    assert_eq!(payments.upstream, config::UpstreamIndex(1));
    assert_eq!(
        payments.tokens,
        [config::AcceptedIssuer { issuer: config::IssuerIndex(0), audience: vec!["orders".to_owned()] }]
    );
    assert_eq!(payments.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["api.example.com"]);
    assert_eq!(config.directory.grants[0].permissions, ["send"]);
}

/// Relative paths start from the folder of the file, wherever the gateway was started.
#[test]
fn paths_are_relative_to_the_file() {
    let config =
        config::parse("/etc/faregate/faregate.yaml", "store: sqlite://data/gate.db\n", &environment()).expect("good");
    assert_eq!(*config.store.url().expose(), "sqlite:///etc/faregate/data/gate.db");
    assert!(
        matches!(&config.keys.master_key, config::MasterKey::File(path) if path == Path::new("/etc/faregate/faregate.key"))
    );
    let config =
        config::parse("/etc/faregate/faregate.yaml", "store: sqlite:///var/gate.db\n", &environment()).expect("good");
    assert_eq!(*config.store.url().expose(), "sqlite:///var/gate.db");
}

// M1
#[test]
fn default_names_stay_reserved_when_others_are_used() {
    let text = "forward: { subject: X-User, roles: false }\n";
    let reserved = config::parse("faregate.yaml", text, &environment()).expect("good").forward.reserved();
    for name in ["x-user", "x-auth-subject", "x-auth-roles", "x-auth-permissions"] {
        assert!(reserved.iter().any(|reserved| reserved == name), "{name}");
    }
}

// UX 7
#[test]
fn policy_tests_give_the_reasons_that_the_gateway_gives() {
    let text = "
issuers: { self: , other: { tenant: other } }
upstreams: { a: 'http://127.0.0.1:1' }
routes: { /a: { upstream: a, tokens: self, audience: a, require: authenticated } }
tests:
  - { name: issuer, token: { iss: other }, request: GET /a, expect: deny }
  - { name: audience, token: { aud: b }, request: GET /a, expect: deny }
";
    let config = config::parse("faregate.yaml", text, &environment()).expect("the configuration is good");
    let got: Vec<String> = config::policy_tests(&config).into_iter().map(|outcome| outcome.got).collect();
    let codes = [TokenFault::IssuerNotAccepted, TokenFault::AudienceNotAccepted]
        .map(|fault| Denial::InvalidToken(fault).code());
    assert_eq!(got, codes.map(|code| format!("deny ({code})")));
}
