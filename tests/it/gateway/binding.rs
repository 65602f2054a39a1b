//! Tokens that are bound to a key, through the real gateway (RFC 9449 7). Their issuer is somebody else.

use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _};

use crate::support::dpop::DpopKey;
use crate::support::files::Folder;
use crate::support::foreign_issuer::{ForeignIssuer, INTROSPECT, Reply, now};
use crate::support::gateway::{Gateway, Raw, client};

const SECTIONS: &str = r#"
listen: "${LISTEN}"
issuers: { corp: { issuer: "${CORP}", audience: api, introspection: { client_id: gate, client_secret: "s+/=" } } }
upstreams: { app: "${UPSTREAM}" }
routes:
  /corp/**: { upstream: app, require: { GET: authenticated, POST: scope write } }
  /kept/**: { upstream: app, require: authenticated, forward_authorization: true }
  /bound/**: { upstream: app, require: authenticated, binding: dpop }
  /bound/more/**: { extends: /bound/**, require: scope read }
  /any/**: { upstream: app, require: authenticated, binding: any }
  /fresh/**: { upstream: app, require: authenticated, binding: { to: dpop, nonce: true } }
  /tried/**: { upstream: app, require: authenticated, binding: dpop, enforce: observe }
  /hosted/**: { upstream: app, require: authenticated, hosts: [app.example.com, "*.wild.example.com"] }
  /public/**: { upstream: app, public: true }
"#;

/// A gateway, whom it believes, a key, and a token that is bound to it.
struct World {
    gateway: Gateway,
    corp: ForeignIssuer,
    key: DpopKey,
    token: String,
}

impl World {
    async fn start() -> Self {
        let corp = ForeignIssuer::start().await;
        let gateway = Gateway::of(SECTIONS, &[("CORP", &corp.url())]).await;
        let key = DpopKey::new();
        let token = corp.token(json!({ "cnf": { "jkt": key.thumbprint() } }));
        Self { gateway, corp, key, token }
    }

    fn proof(&self, path: &str) -> String {
        self.key.proof("GET", &self.gateway.url(path), Some(&self.token))
    }

    /// A GET with the token and these proofs.
    async fn ask(&self, path: &str, proofs: &[&str]) -> Raw {
        self.ask_with(path, &format!("DPoP {}", self.token), proofs).await
    }

    async fn ask_with(&self, path: &str, authorization: &str, proofs: &[&str]) -> Raw {
        let proofs: String = proofs.iter().map(|proof| format!("DPoP: {proof}\r\n")).collect();
        self.gateway.request("GET", path, &format!("Authorization: {authorization}\r\n{proofs}")).await
    }
}

/// Status, code and challenge.
fn refusal(answer: &Raw) -> (u16, String, String) {
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    (answer.status(), code, answer.field("www-authenticate").unwrap_or_default().to_owned())
}

// RFC 9449 7.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_token_passes_with_a_proof() {
    let world = World::start().await;
    for path in ["/corp/a", "/corp/a?b=c", "/bound/a", "/bound/more/a", "/any/a"] {
        let answer = world.ask(path, &[&world.proof(path)]).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text);
    }
    let kept = world.ask("/kept/a", &[&world.proof("/kept/a")]).await;
    assert_eq!(kept.status(), 200, "{}", kept.text);
    let seen = world.gateway.upstream.requests();
    let (first, kept) = (seen.first().unwrap(), seen.last().unwrap());
    assert_eq!((first.field("authorization"), first.field("dpop")), (None, None), "M9");
    assert_eq!(first.field("x-auth-subject").as_deref(), Some("someone"));
    assert!(kept.field("authorization").is_some() && kept.field("dpop").is_some());
    // Public and unbound requests are as they were.
    assert_eq!(world.gateway.request("GET", "/public/a", "DPoP: nonsense\r\n").await.status(), 200);
    let unbound = world.corp.token(json!({}));
    assert_eq!(world.ask_with("/corp/a", &format!("Bearer {unbound}"), &[]).await.status(), 200);
    assert_eq!(world.ask_with("/corp/a", &format!("Bearer {unbound}"), &["nonsense"]).await.status(), 200);
}

// H1, H2, H4, RFC 9449 4.3, 7.1, 7.2: what is wrong, and in which words that is told
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_proof_it_is_nobodys() {
    let world = World::start().await;
    let (key, gateway, other) = (&world.key, &world.gateway, DpopKey::new());
    let (url, token) = (gateway.url("/corp/a"), Some(world.token.as_str()));
    let changed = |change: fn(&mut Value, &mut Value)| key.proof_with("GET", &url, token, change);
    let good = || world.proof("/corp/a");
    let rows: Vec<(&str, Vec<String>)> = vec![
        ("proof_missing", vec![]),
        ("proof_repeated", vec![good(), good()]),
        ("proof_malformed", vec!["nonsense".to_owned()]),
        ("proof_malformed", vec![format!("{}, {}", good(), good())]),
        ("proof_incomplete", vec![changed(|_, claims| claims["jti"] = Value::Null)]),
        ("proof_incomplete", vec![key.proof("GET", &url, None)]),
        ("proof_wrong_type", vec![changed(|header, _| header["typ"] = "JWT".into())]),
        ("proof_unsupported_algorithm", vec![changed(|header, _| header["alg"] = "none".into())]),
        ("proof_private_key", vec![changed(|header, _| header["jwk"]["d"] = "AA".into())]),
        ("proof_bad_key", vec![changed(|header, _| header["jwk"] = "key".into())]),
        (
            "proof_bad_signature",
            vec![key.proof_with("GET", &url, token, |header, _| header["jwk"] = other.jwk.clone())],
        ),
        ("proof_wrong_method", vec![key.proof("POST", &url, token)]),
        ("proof_wrong_target", vec![key.proof("GET", &gateway.url("/corp/b"), token)]),
        // The name that the client calls us by is not the one that counts.
        ("proof_wrong_target", vec![key.proof("GET", "http://gate.test/corp/a", token)]),
        ("proof_wrong_target", vec![key.proof("GET", &url.replace("http:", "https:"), token)]),
        ("proof_too_old", vec![changed(|_, claims| claims["iat"] = (now() - 120).into())]),
        ("proof_from_future", vec![changed(|_, claims| claims["iat"] = (now() + 120).into())]),
        ("proof_wrong_token", vec![key.proof("GET", &url, Some("another"))]),
        ("proof_wrong_key", vec![other.proof("GET", &url, token)]),
    ];
    for (code, proofs) in rows {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let answer = world.ask("/corp/a", &proofs).await;
        let (status, found, challenge) = refusal(&answer);
        assert_eq!((status, found.as_str()), (401, code), "{}", answer.text);
        assert!(challenge.starts_with("DPoP realm=\"faregate\", error=\"invalid_dpop_proof\""), "{challenge}");
        assert!(challenge.contains(", algs=\"") && challenge.contains("ES256"), "{challenge}");
        assert_eq!(answer.json()["error"], "invalid_dpop_proof");
    }
    let unbound = world.corp.token(json!({}));
    let rows = [
        (
            "/corp/a",
            format!("Bearer {}", world.token),
            "bound_to_key",
            "DPoP realm=\"faregate\", error=\"invalid_token\"",
        ),
        ("/corp/a", format!("DPoP {unbound}"), "not_bound", "DPoP realm=\"faregate\", error=\"invalid_token\""),
        ("/bound/a", format!("Bearer {unbound}"), "not_bound", "DPoP realm=\"faregate\", error=\"invalid_token\""),
        ("/bound/more/a", format!("Bearer {unbound}"), "not_bound", "DPoP realm=\"faregate\", error=\"invalid_token\""),
        ("/any/a", format!("Bearer {unbound}"), "not_bound", "Bearer realm=\"faregate\", error=\"invalid_token\""),
        (
            "/corp/a",
            "DPoP eyJhbGciOiJub25lIn0.e30.AA".to_owned(),
            "malformed",
            "DPoP realm=\"faregate\", error=\"invalid_token\"",
        ),
        ("/bound/a", "Basic dTpw".to_owned(), "no_token", "DPoP realm=\"faregate\", algs=\"RS256 "),
    ];
    for (path, authorization, code, begins) in rows {
        let (status, found, challenge) = refusal(&world.ask_with(path, &authorization, &[&good()]).await);
        assert_eq!((status, found.as_str()), (401, code), "{path} {authorization}");
        assert!(challenge.starts_with(begins), "{path} {authorization}: {challenge}");
    }
    assert_eq!(world.gateway.upstream.count(), 0);
    // RFC 7800: bound to something that nobody here can check.
    let strange = world.corp.token(json!({ "cnf": { "kid": "1" } }));
    let (status, code, _) = refusal(&world.ask_with("/corp/a", &format!("Bearer {strange}"), &[]).await);
    assert_eq!((status, code.as_str()), (401, "strange_binding"));
    // A good proof does not make up for a scope.
    let write = key.proof("POST", &url, token);
    let fields = format!("Authorization: DPoP {}\r\nDPoP: {write}\r\n", world.token);
    let (status, code, challenge) = refusal(&gateway.request("POST", "/corp/a", &fields).await);
    assert_eq!((status, code.as_str()), (403, "missing_scope"));
    assert!(challenge.starts_with("DPoP ") && challenge.contains("scope=\"write\""), "{challenge}");
    // A route that is tried out counts what it would refuse.
    assert_eq!(world.ask_with("/tried/a", &format!("Bearer {unbound}"), &[]).await.status(), 200);
    let metrics = gateway.metrics().await;
    let line = r#"faregate_decisions_total{decision="observe",reason="not_bound",route="/tried/**"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
}

// H4: the path after canonicalisation, the host as configured
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_for_the_address_that_clients_know() {
    let world = World::start().await;
    let port = world.gateway.address.port();
    for (requested, named) in [
        ("/corp/a//b", "/corp/a//b"),
        ("/corp/a//b", "/corp/a/b"),
        ("/corp/x/../a", "/corp/a"),
        ("/corp/%61", "/corp/a"),
        ("/corp/a", "/corp/%61?x=1#y"),
        ("/corp/a?x=1", "/corp/a?x=2"),
    ] {
        let answer = world.ask(requested, &[&world.proof(named)]).await;
        assert_eq!(answer.status(), 200, "{requested} {named}: {}", answer.text);
    }
    for (host, named, status) in [
        ("app.example.com", format!("http://app.example.com:{port}/hosted/a"), 200),
        ("app.example.com:80", format!("http://APP.example.com:{port}/hosted/a"), 200),
        ("x.wild.example.com", format!("http://x.wild.example.com:{port}/hosted/a"), 200),
        ("x.wild.example.com", format!("http://y.wild.example.com:{port}/hosted/a"), 401),
        ("app.example.com", world.gateway.url("/hosted/a"), 401),
        ("app.example.com", format!("https://app.example.com:{port}/hosted/a"), 401),
        ("app.example.com", "http://app.example.com/hosted/a".to_owned(), 401),
    ] {
        let proof = world.key.proof("GET", &named, Some(&world.token));
        let head = format!("GET /hosted/a HTTP/1.1\r\nHost: {host}\r\nAuthorization: DPoP {}\r\n", world.token);
        let answer = world.gateway.raw(format!("{head}DPoP: {proof}\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(answer.status(), status, "{host} {named}: {}", answer.text);
    }
}

// H3, RFC 9449 11.1: of any number of requests with one proof, on whichever node, one passes
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_used_once_on_all_nodes() {
    let (corp, folder) = (ForeignIssuer::start().await, Folder::new());
    let store = format!("sqlite://{}", folder.path().join("faregate.db").display());
    let sections = format!("public_url: https://gate.example.com\n{SECTIONS}");
    let corp_url = corp.url();
    let variables = [("CORP", corp_url.as_str()), ("STORE", store.as_str())];
    let (here, there) = (Gateway::of(&sections, &variables).await, Gateway::of(&sections, &variables).await);
    let key = DpopKey::new();
    let token = corp.token(json!({ "cnf": { "jkt": key.thumbprint() } }));
    let url = "https://gate.example.com/corp/a";
    for _ in 0..5 {
        let proof = key.proof("GET", url, Some(&token));
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..20 {
            let gateway = if number % 2 == 0 { &here } else { &there };
            asking.spawn(ask(gateway.url("/corp/a"), token.clone(), proof.clone()));
        }
        let answers = asking.join_all().await;
        assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1, "{answers:?}");
        assert!(answers.iter().all(|(status, text)| *status == 200 || text.contains("proof_replayed")), "{answers:?}");
    }
    // The same id under another key is another proof.
    let other = DpopKey::new();
    let of_other = corp.token(json!({ "cnf": { "jkt": other.thumbprint() } }));
    let same = |_: &mut Value, claims: &mut Value| claims["jti"] = "same".into();
    let (one, two) =
        (key.proof_with("GET", url, Some(&token), same), other.proof_with("GET", url, Some(&of_other), same));
    assert_eq!(ask(here.url("/corp/a"), token.clone(), one).await.0, 200);
    assert_eq!(ask(there.url("/corp/a"), of_other, two).await.0, 200);
    // O1: while nobody can say whether a proof is new, nobody passes and nobody is told that it is not.
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&store).await.unwrap();
    sqlx::raw_sql("DROP TABLE remembered").execute(&mut connection).await.unwrap();
    for _ in 0..2 {
        let proof = key.proof("GET", url, Some(&token));
        let (status, text) = ask(here.url("/corp/a"), token.clone(), proof).await;
        assert_eq!((status, text.contains("replay_memory_unavailable")), (503, true), "{text}");
    }
}

async fn ask(url: String, token: String, proof: String) -> (u16, String) {
    let request = client().get(url).header("DPoP", proof).header("Authorization", format!("DPoP {token}"));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

// RFC 9449 6.2: what the issuer says of an opaque token binds it as well
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_introspected_token_is_held_to_its_binding() {
    let world = World::start().await;
    let confirmation = json!({ "jkt": world.key.thumbprint() });
    let answer = json!({ "active": true, "sub": "someone", "aud": "api", "exp": now() + 300, "cnf": confirmation });
    world.corp.reply(INTROSPECT, Reply::json(&answer));
    let opaque = "2YotnFZFEjr1zCsicMWpAA";
    let proof = || world.key.proof("GET", &world.gateway.url("/corp/a"), Some(opaque));
    let outcome = async |scheme: &str, proofs: &[&str]| {
        let (status, code, _) = refusal(&world.ask_with("/corp/a", &format!("{scheme} {opaque}"), proofs).await);
        (status, code)
    };
    let refused = |code: &str| (401, code.to_owned());
    for _ in 0..2 {
        assert_eq!(outcome("Bearer", &[]).await, refused("bound_to_key"));
        assert_eq!(outcome("DPoP", &[]).await, refused("proof_missing"));
        assert_eq!(outcome("DPoP", &[&proof()]).await.0, 200);
    }
    assert_eq!(world.corp.count(INTROSPECT), 1, "known by then");
}

// H7, RFC 9449 8, 9: where a route wants it, a proof has a nonce of ours, which the refusal tells
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_may_want_a_nonce_in_proofs() {
    let world = World::start().await;
    let proof = |nonce: Option<&str>| {
        let nonce = nonce.map(str::to_owned);
        world.key.proof_with("GET", &world.gateway.url("/fresh/a"), Some(&world.token), |_, claims| {
            if let Some(nonce) = nonce {
                claims["nonce"] = nonce.into();
            }
        })
    };
    let first = world.ask("/fresh/a", &[&proof(None)]).await;
    let (status, code, challenge) = refusal(&first);
    assert_eq!((status, code.as_str()), (401, "proof_wrong_nonce"));
    assert!(challenge.starts_with("DPoP realm=\"faregate\", error=\"use_dpop_nonce\""), "{challenge}");
    let nonce = first.field("dpop-nonce").unwrap().to_owned();
    for other in ["", "x", &nonce[1..]] {
        let (status, code, _) = refusal(&world.ask("/fresh/a", &[&proof(Some(other))]).await);
        assert_eq!((status, code.as_str()), (401, "proof_wrong_nonce"), "{other}");
    }
    let passed = world.ask("/fresh/a", &[&proof(Some(&nonce))]).await;
    assert_eq!(passed.status(), 200, "{}", passed.text);
    // The same nonce again, in another proof; the same proof again never.
    let again = proof(Some(&nonce));
    assert_eq!(world.ask("/fresh/a", &[&again]).await.status(), 200);
    assert_eq!(refusal(&world.ask("/fresh/a", &[&again]).await).1, "proof_replayed");
    // Whoever has no token learns it beforehand; other routes neither give nor want one.
    let nobody = world.gateway.request("GET", "/fresh/a", "").await;
    assert_eq!((nobody.status(), nobody.field("dpop-nonce")), (401, Some(nonce.as_str())));
    let other = world.gateway.request("GET", "/bound/a", "").await;
    assert_eq!((other.status(), other.field("dpop-nonce")), (401, None));
    assert_eq!(world.ask("/bound/a", &[&world.proof("/bound/a")]).await.status(), 200);
    // It is of this gateway: that of the token endpoint is another one (RFC 9449 9).
    assert!(!passed.text.contains(&nonce));
}

// RFC 9728 2: what tokens must be bound to, and what proofs may be signed with
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protected_resources_say_what_tokens_must_be_bound_to() {
    let corp = ForeignIssuer::start().await;
    let sections = format!("client_certificate_header: X-Cert\ntrusted_proxies: [127.0.0.1]\n{SECTIONS}").replace(
        "  /public/**",
        "  /certified/**: { upstream: app, require: authenticated, binding: certificate }\n  /public/**",
    );
    let gateway = Gateway::of(&sections, &[("CORP", &corp.url())]).await;
    let algorithms: Vec<&str> = faregate::enforce::proof_algorithms().collect();
    assert!(algorithms.contains(&"ES256") && !algorithms.contains(&"HS256"), "RFC 9449 4.3: {algorithms:?}");
    let (yes, listed) = (Value::Bool(true), json!(algorithms));
    for (path, dpop, certificate, signed_with) in [
        ("/corp/a", &Value::Null, &Value::Null, &Value::Null),
        ("/bound/a", &yes, &Value::Null, &listed),
        ("/bound/more/a", &yes, &Value::Null, &listed),
        ("/fresh/a", &yes, &Value::Null, &listed),
        ("/any/a", &Value::Null, &Value::Null, &listed),
        ("/certified/a", &Value::Null, &yes, &Value::Null),
    ] {
        let answer = gateway.request("GET", &format!("/.well-known/oauth-protected-resource{path}"), "").await;
        let document = answer.json();
        assert_eq!(document["resource"], gateway.url(path));
        let found = [
            &document["dpop_bound_access_tokens_required"],
            &document["tls_client_certificate_bound_access_tokens"],
            &document["dpop_signing_alg_values_supported"],
        ];
        assert_eq!(found, [dpop, certificate, signed_with], "{path}: {document}");
    }
}
