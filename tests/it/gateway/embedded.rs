//! The authorization server as clients meet it: through the listener, with nothing of it at an upstream.

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::Value;

use crate::support::gateway::{Gateway, RECIPIENT_ID, RECIPIENT_SECRET, TARGET_ID, client};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn basic() -> String {
    use base64::Engine as _;
    let id_and_secret = format!("{RECIPIENT_ID}:{}", RECIPIENT_SECRET.replace('+', "%2B").replace('=', "%3D"));
    format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(id_and_secret))
}

async fn post(gateway: &Gateway, target: &str, fields: &str, body: &str) -> crate::support::gateway::Raw {
    gateway.raw(format!("POST {target} HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())).await
}

// F-330
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth_ends_at_the_gate() {
    // Even where a route takes everything.
    let sections = "upstreams: { app: \"${UPSTREAM}\" }\nroutes:\n  /**: { upstream: app, public: true }\n";
    let gateway = Gateway::with(sections, &[]).await;
    let form = "grant_type=client_credentials&scope=target-entity:orders:read";
    let good = post(&gateway, "/oauth2/token", &format!("{FORM}{}", basic()), form).await;
    assert_eq!(good.status(), 200, "{}", good.text);
    assert_eq!(good.field("cache-control"), Some("no-store"), "RFC 6749 5.1");
    assert_eq!(good.json()["token_type"], "Bearer");
    assert!(good.field("x-request-id").is_some_and(|id| id.len() == 32));
    // The same door in every spelling that is canonically the same.
    for target in ["//oauth2/token", "/oauth2/./token", "/%6fauth2/token", "/x/../oauth2/token"] {
        assert_eq!(post(&gateway, target, &format!("{FORM}{}", basic()), form).await.status(), 200, "{target}");
    }
    for (name, answer, status, error) in [
        ("no client", post(&gateway, "/oauth2/token", FORM, form).await, 400, "invalid_request"),
        (
            "unknown client",
            post(&gateway, "/oauth2/token", &format!("{FORM}Authorization: Basic bm9ib2R5Om5v\r\n"), form).await,
            401,
            "invalid_client",
        ),
        ("no body", post(&gateway, "/oauth2/token", &format!("{FORM}{}", basic()), "").await, 400, "invalid_request"),
        (
            "other grant",
            post(&gateway, "/oauth2/token", &format!("{FORM}{}", basic()), "grant_type=x").await,
            400,
            "unsupported_grant_type",
        ),
        (
            "JSON",
            post(&gateway, "/oauth2/token", &format!("Content-Type: application/json\r\n{}", basic()), "{}").await,
            400,
            "invalid_request",
        ),
        ("no media type", post(&gateway, "/oauth2/token", &basic(), form).await, 400, "invalid_request"),
        (
            "twice",
            post(&gateway, "/oauth2/token", &format!("{FORM}{}", basic()), &format!("{form}&{form}")).await,
            400,
            "invalid_request",
        ),
        ("unknown", gateway.request("GET", "/oauth2/unknown", "").await, 404, "invalid_request"),
        ("unknown, posted", post(&gateway, "/oauth2/introspect-not", FORM, form).await, 404, "invalid_request"),
        ("wrong method", gateway.request("GET", "/oauth2/token", "").await, 405, "invalid_request"),
    ] {
        assert_eq!(answer.status(), status, "{name}: {}", answer.text);
        assert_eq!(answer.json()["error"], error, "{name}: {}", answer.text);
        assert!(
            answer.field("content-type").is_some_and(|media| media.starts_with("application/json")),
            "{name}: F-344"
        );
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{name}");
        assert!(answer.field("x-request-id").is_some(), "{name}");
        assert_eq!(answer.field("allow").is_some(), status == 405, "{name}: RFC 9110 15.5.6");
    }
    // N3
    let large = post(&gateway, "/oauth2/token", FORM, &"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(large.status(), 413);
    let head = gateway.request("HEAD", "/.well-known/jwks.json", "").await;
    assert_eq!((head.status(), head.body()), (200, ""));
    assert_eq!(gateway.upstream.count(), 0, "{:?}", gateway.upstream.requests());
}

async fn document(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.request("GET", path, "").await;
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text);
    answer.json()
}

// RFC 8414 3, 3.3, OpenID Connect Discovery 4: one issuer, whatever the Host says (M6)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_derive_from_one_issuer() {
    let public = "public_url: https://id.gate.test\n";
    for sections in ["", public] {
        let gateway = Gateway::with(sections, &[]).await;
        let issuer = gateway.running.issuers[0].clone();
        let own = gateway.url("");
        let base = if sections.is_empty() { own.trim_end_matches('/') } else { "https://id.gate.test" };
        assert!(issuer.starts_with(base), "{issuer} {base}");
        for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
            let metadata = document(&gateway, path).await;
            assert_eq!(metadata["issuer"], *issuer, "{path}");
            for endpoint in ["token_endpoint", "jwks_uri"] {
                assert!(metadata[endpoint].as_str().is_some_and(|url| url.starts_with(base)), "{metadata}");
            }
            assert!(
                !metadata.to_string().contains("gate.test/x") && !metadata.to_string().contains("http://gate.test"),
                "{metadata}"
            );
        }
        let tenant = gateway.running.tenant_id;
        let by_tenant = document(&gateway, &format!("/{tenant}/.well-known/openid-configuration")).await;
        assert!(by_tenant["issuer"].as_str().is_some_and(|issuer| issuer.starts_with(base)), "{by_tenant}");
        let behind = gateway.request("GET", &format!("/.well-known/oauth-authorization-server/{tenant}"), "").await;
        assert_eq!(behind.status(), 200);
        let nobody = "/.well-known/oauth-authorization-server/30663132-6464-6665-3032-326466613934";
        assert_eq!(gateway.request("GET", nobody, "").await.status(), 404);
        assert_eq!(gateway.upstream.count(), 0);
    }
}

// RFC 9068 2, F-330: another library verifies our token with nothing but our documents
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_verify_with_the_published_keys() {
    let gateway = Gateway::start().await;
    let token = gateway.reader().await;
    let metadata = document(&gateway, "/.well-known/oauth-authorization-server").await;
    let keys: JwkSet = client().get(metadata["jwks_uri"].as_str().unwrap()).send().await.unwrap().json().await.unwrap();
    let header = decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[metadata["issuer"].as_str().unwrap()]);
    validation.set_audience(&[TARGET_ID]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims;
    assert_eq!(claims["sub"], RECIPIENT_ID);
    assert_eq!(claims["permissions"][TARGET_ID], serde_json::json!(["read"]));
    validation.set_audience(&["somebody-else"]);
    assert!(decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &validation).is_err());
    // The published keys are public only (P1).
    let raw = document(&gateway, "/.well-known/jwks.json").await;
    for key in raw["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}
