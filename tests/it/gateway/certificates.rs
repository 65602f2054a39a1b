//! Tokens that are bound to a client certificate, through the real gateway and its TLS (RFC 8705 3).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;

use crate::support::dpop::DpopKey;
use crate::support::files::Folder;
use crate::support::foreign_issuer::ForeignIssuer;
use crate::support::gateway::{Gateway, Raw};

const SECTIONS: &str = r#"
issuers: { self: {}, corp: { issuer: "${CORP}", audience: api } }
upstreams: { app: "${UPSTREAM}" }
routes:
  /corp/**: { upstream: app, tokens: [corp], require: authenticated }
  /bound/**: { upstream: app, tokens: [corp], require: authenticated, binding: certificate }
  /public/**: { upstream: app, public: true }
directory:
  applications:
    shop:
      id: 3b4a9d0e-5c1f-4b7e-8a55-6f0a1f2f9c11
      client_secret: a-client-secret-of-enough-characters
      grants: [password]
      certificate_bound_access_tokens: true
    kiosk:
      client_id: kiosk
      grants: [password]
      tls_client_auth: { subject_dn: "CN=a client,O=Example" }
    robot:
      client_id: robot
      grants: [password]
      tls_client_auth: { san_uri: "spiffe://example/robot" }
  users: { ann@example.com: { password: correct horse battery staple, registrations: { shop: [] } } }
"#;

/// A certificate that a client shows, with its key.
struct Shown {
    pem: String,
    der: Vec<u8>,
}

impl Shown {
    /// One that nobody signed but its owner.
    fn of_nobody() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        Self { pem: made.cert.pem() + &made.signing_key.serialize_pem(), der: made.cert.der().to_vec() }
    }

    fn signed_by(authority: &CertifiedIssuer<'_, KeyPair>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a client");
        let made = params.signed_by(&key, authority).unwrap();
        Self { pem: made.pem() + &key.serialize_pem(), der: made.der().to_vec() }
    }

    /// One with these further names.
    fn named(authority: &CertifiedIssuer<'_, KeyPair>, organization: &str, uri: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.distinguished_name.push(DnType::CommonName, "a client");
        params.subject_alt_names.push(rcgen::SanType::URI(uri.try_into().unwrap()));
        let made = params.signed_by(&key, authority).unwrap();
        Self { pem: made.pem() + &key.serialize_pem(), der: made.der().to_vec() }
    }

    fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der))
    }
}

/// Each of the same name: what counts is the key.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A gateway whose TLS has these further keys, and the certificate that it shows.
async fn gateway(corp: &ForeignIssuer, folder: &Folder, clients: &str) -> (Gateway, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = folder.write("tls.crt", &made.cert.pem());
    let key = folder.write("tls.key", &made.signing_key.serialize_pem());
    let tls = format!("tls: {{ certificate: {certificate}, key: {key}, {clients} }}");
    let sections = format!("listen: {{ address: 127.0.0.1:0, {tls} }}\n{SECTIONS}");
    (Gateway::of(&sections, &[("CORP", &corp.url())]).await, made.cert.pem())
}

/// A client that trusts the gateway's certificate and shows its own.
fn client(root: &str, shown: Option<&Shown>, http1: bool) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(root.as_bytes()).unwrap();
    let mut builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
    if http1 {
        builder = builder.http1_only();
    }
    if let Some(shown) = shown {
        builder = builder.identity(reqwest::Identity::from_pem(shown.pem.as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

/// Status and code.
async fn outcome(client: &reqwest::Client, gateway: &Gateway, path: &str, token: &str) -> (u16, String) {
    let url = format!("https://localhost:{}{path}", gateway.address.port());
    let answer = client.get(url).bearer_auth(token).send().await.unwrap();
    let status = answer.status().as_u16();
    let problem: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

// H8, H9, RFC 8705 3, ASVS 12.1.3: the certificate of our own connection, whoever signed it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_token_needs_the_certificate_of_the_connection() {
    let (corp, folder) = (ForeignIssuer::start().await, Folder::new());
    let (gateway, root) = gateway(&corp, &folder, "client_certificates: optional").await;
    let (own, other) = (Shown::of_nobody(), Shown::of_nobody());
    let token = corp.token(json!({ "cnf": { "x5t#S256": own.thumbprint() } }));
    let unbound = corp.token(json!({}));
    let passed = (200, String::new());
    for http1 in [false, true] {
        let [with_own, with_other, without] = [Some(&own), Some(&other), None].map(|shown| client(&root, shown, http1));
        for path in ["/corp/a", "/bound/a"] {
            // The second connection resumes the session of the first.
            for client in [&with_own, &client(&root, Some(&own), http1)] {
                assert_eq!(outcome(client, &gateway, path, &token).await, passed, "{path}");
            }
            assert_eq!(outcome(&with_other, &gateway, path, &token).await, refused("wrong_certificate"));
            assert_eq!(outcome(&without, &gateway, path, &token).await, refused("wrong_certificate"));
        }
        assert_eq!(outcome(&without, &gateway, "/corp/a", &unbound).await, passed);
        assert_eq!(outcome(&with_own, &gateway, "/bound/a", &unbound).await, refused("not_bound"));
    }
    // What anybody can write into a field is nobody's certificate.
    let url = format!("https://localhost:{}/corp/a", gateway.address.port());
    let told = client(&root, None, true).get(url).bearer_auth(&token).header("Client-Cert", STANDARD.encode(&own.der));
    assert_eq!(told.send().await.unwrap().status(), 401);
}

// RFC 8705 3.1: the authorization server knows the certificate of the connection, too
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_tokens_are_bound_to_the_certificate_of_the_connection() {
    let (corp, folder) = (ForeignIssuer::start().await, Folder::new());
    let (gateway, root) = gateway(&corp, &folder, "client_certificates: optional").await;
    let own = Shown::of_nobody();
    let ask = async |shown: Option<&Shown>| {
        let url = format!("https://localhost:{}/oauth2/token", gateway.address.port());
        let form = [
            ("grant_type", "password"),
            ("client_id", "3b4a9d0e-5c1f-4b7e-8a55-6f0a1f2f9c11"),
            ("client_secret", "a-client-secret-of-enough-characters"),
            ("username", "ann@example.com"),
            ("password", "correct horse battery staple"),
        ];
        let answer = client(&root, shown, true).post(url).form(&form).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    assert_eq!(ask(None).await.0, 400);
    let (status, answer) = ask(Some(&own)).await;
    assert_eq!(status, 200, "{answer}");
    let claims = answer["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["cnf"], json!({ "x5t#S256": own.thumbprint() }));
    let metadata = format!("https://localhost:{}/.well-known/openid-configuration", gateway.address.port());
    let metadata = client(&root, None, true).get(metadata).send().await.unwrap().json::<serde_json::Value>().await;
    let metadata = metadata.unwrap();
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true, "RFC 8705 3.3");
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert!(methods.contains(&json!("self_signed_tls_client_auth")), "{methods:?}");
}

// RFC 8705 2.1: with client_ca only what it signed is accepted, and with `required` nothing else connects
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_vouches_for_clients() {
    let (corp, folder, authority) = (ForeignIssuer::start().await, Folder::new(), authority());
    let file = folder.write("clients.crt", &authority.pem());
    let (good, other) = (Shown::signed_by(&authority), Shown::signed_by(&self::authority()));
    let nobody = Shown::of_nobody();
    for (kind, without) in [("optional", true), ("required", false)] {
        let clients = format!("client_certificates: {kind}, client_ca: {file}");
        let (gateway, root) = gateway(&corp, &folder, &clients).await;
        let url = format!("https://localhost:{}/public/a", gateway.address.port());
        let rows = [(Some(&good), true), (Some(&other), false), (Some(&nobody), false), (None, without)];
        for (number, (shown, connects)) in rows.into_iter().enumerate() {
            let answer = client(&root, shown, true).get(&url).send().await;
            assert_eq!(answer.is_ok_and(|answer| answer.status() == 200), connects, "{kind} {number}");
        }
        let token = corp.token(json!({ "cnf": { "x5t#S256": good.thumbprint() } }));
        let answer = outcome(&client(&root, Some(&good), true), &gateway, "/bound/a", &token).await;
        assert_eq!(answer, (200, String::new()));
    }
}

// H8, M12: a proxy tells of the certificate of its own connection, if it is one that we trust
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxy_tells_of_the_certificate() {
    let corp = ForeignIssuer::start().await;
    let (own, other) = (Shown::of_nobody(), Shown::of_nobody());
    let token = corp.token(json!({ "cnf": { "x5t#S256": own.thumbprint() } }));
    let certificate = |shown: &Shown| format!("X-SSL-Client-Cert: {}\r\n", STANDARD.encode(&shown.der));
    let escaped =
        format!("x-ssl-client-cert: {}\r\n", own.pem.split_inclusive("-----END CERTIFICATE-----").next().unwrap())
            .replace("\r\n", "\n")
            .trim_end()
            .replace('\n', "%0A")
            .replace('+', "%2B");
    for (trusted, passes) in [("127.0.0.0/8", true), ("192.0.2.0/24", false)] {
        let head =
            "listen: \"${LISTEN}\"\ntrusted_proxies: [\"${TRUSTED}\"]\nclient_certificate_header: X-SSL-Client-Cert\n";
        let variables = [("CORP", corp.url()), ("TRUSTED", trusted.to_owned())];
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let gateway = Gateway::of(&format!("{head}{SECTIONS}"), &variables).await;
        let ask = async |fields: &str| -> Raw {
            gateway.request("GET", "/bound/a", &format!("Authorization: Bearer {token}\r\n{fields}")).await
        };
        let status = if passes { 200 } else { 401 };
        assert_eq!(ask(&certificate(&own)).await.status(), status);
        assert_eq!(ask(&format!("{escaped}\r\n")).await.status(), status);
        for wrong in [
            String::new(),
            certificate(&other),
            certificate(&own) + &certificate(&own),
            certificate(&own).replace("X-SSL-Client-Cert", "X_SSL_Client_Cert"),
            certificate(&own).replace("X-SSL-Client-Cert", "Client-Cert"),
        ] {
            let answer = ask(&wrong).await;
            assert_eq!((answer.status(), answer.json()["code"].as_str()), (401, Some("wrong_certificate")), "{wrong}");
        }
        // An upstream hears of it from those who are trusted, and in no spelling from others.
        let spelled = certificate(&own).replace("X-SSL-Client-Cert", "X_SSL_Client_Cert");
        let fields = format!("{}{spelled}Client-Cert: :AAAA:\r\n", certificate(&own));
        assert_eq!(gateway.request("GET", "/public/a", &fields).await.status(), 200);
        let seen = gateway.upstream.last();
        let told = ["x-ssl-client-cert", "x_ssl_client_cert", "client-cert"].map(|name| seen.field(name).is_some());
        assert_eq!(told, [passes; 3], "{seen:?}");
    }
}

/// What a client is answered that only says its name and asks for a token of Ann's.
fn password_of_ann(client_id: &str) -> [(&'static str, String); 4] {
    [
        ("grant_type", "password".to_owned()),
        ("client_id", client_id.to_owned()),
        ("username", "ann@example.com".to_owned()),
        ("password", "correct horse battery staple".to_owned()),
    ]
}

// RFC 8705 2.1, H8: our own TLS knows who signed a certificate, and the client is known by its subject or another name
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_certificate_authenticates_its_client() {
    let (corp, folder, authority) = (ForeignIssuer::start().await, Folder::new(), authority());
    let file = folder.write("clients.crt", &authority.pem());
    let good = Shown::named(&authority, "Example", "spiffe://example/robot");
    let other = Shown::named(&authority, "Example Ltd", "spiffe://example/robot/2");
    let clients = format!("client_certificates: optional, client_ca: {file}");
    let (signed, root) = gateway(&corp, &folder, &clients).await;
    let ask = async |(gateway, root): (&Gateway, &str), shown: Option<&Shown>, client_id: &str| {
        let url = format!("https://localhost:{}/oauth2/token", gateway.address.port());
        let call = client(root, shown, true).post(url).form(&password_of_ann(client_id));
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    for client_id in ["kiosk", "robot"] {
        // The second connection resumes the session of the first.
        for _ in 0..2 {
            let (status, answer) = ask((&signed, &root), Some(&good), client_id).await;
            assert_eq!(status, 200, "{answer}");
        }
        for shown in [None, Some(&other)] {
            let (status, answer) = ask((&signed, &root), shown, client_id).await;
            assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")), "{client_id}");
        }
    }
    let metadata = format!("https://localhost:{}/.well-known/openid-configuration", signed.address.port());
    let metadata = client(&root, None, true).get(metadata).send().await.unwrap().json::<serde_json::Value>().await;
    let methods = metadata.unwrap()["token_endpoint_auth_methods_supported"].clone();
    assert!(methods.as_array().unwrap().contains(&json!("tls_client_auth")), "{methods}");
    // Where any certificate is taken nobody vouches for one, be it the same.
    let (any, root) = gateway(&corp, &folder, "client_certificates: optional").await;
    assert_eq!(ask((&any, &root), Some(&good), "robot").await.0, 401);
}

// RFC 8705 2.1, H8: a proxy tells of the certificate, and we look who signed it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_tells_of_a_signed_certificate() {
    let (corp, folder, authority) = (ForeignIssuer::start().await, Folder::new(), authority());
    let file = folder.write("clients.crt", &authority.pem());
    let good = Shown::named(&authority, "Example", "spiffe://example/robot");
    let other = Shown::named(&authority, "Example", "spiffe://example/robot/2");
    let forged = Shown::named(&self::authority(), "Example", "spiffe://example/robot");
    for (trusted, known) in [("127.0.0.0/8", true), ("127.0.0.0/8", false), ("192.0.2.0/24", true)] {
        let known_by = if known { format!("client_certificate_ca: {file}\n") } else { String::new() };
        let head = format!(
            "listen: \"${{LISTEN}}\"\ntrusted_proxies: [\"{trusted}\"]\nclient_certificate_header: X-SSL-Client-Cert\n"
        );
        let gateway = Gateway::of(&format!("{head}{known_by}{SECTIONS}"), &[("CORP", &corp.url())]).await;
        let ask = async |shown: &Shown| {
            let call = crate::support::gateway::client().post(gateway.url("/oauth2/token"));
            let call = call.header("X-SSL-Client-Cert", STANDARD.encode(&shown.der)).form(&password_of_ann("robot"));
            call.send().await.unwrap().status().as_u16()
        };
        let passes = known && trusted == "127.0.0.0/8";
        assert_eq!(ask(&good).await, if passes { 200 } else { 401 }, "{trusted} {known}");
        assert_eq!((ask(&other).await, ask(&forged).await), (401, 401), "{trusted} {known}");
    }
}

// RFC 8705 5, H4: where certificates are asked for at another address, metadata says so, and proofs may name it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_have_another_address_for_certificates() {
    let corp = ForeignIssuer::start().await;
    let head = "listen: \"${LISTEN}\"\npublic_url: https://gate.example.com\nmtls_url: https://mtls.example.com:8443\n\
                trusted_proxies: [127.0.0.0/8]\nclient_certificate_header: X-SSL-Client-Cert\n";
    let gateway = Gateway::of(&format!("{head}{SECTIONS}"), &[("CORP", &corp.url())]).await;
    let metadata = gateway.request("GET", "/.well-known/openid-configuration", "").await.json();
    let aliases = metadata["mtls_endpoint_aliases"].as_object().unwrap();
    let expected =
        ["device_authorization", "introspection", "pushed_authorization_request", "revocation", "token", "userinfo"];
    for name in expected.iter().filter(|name| **name != "device_authorization") {
        let name = format!("{name}_endpoint");
        let path = metadata[&name].as_str().unwrap().strip_prefix("https://gate.example.com").unwrap();
        assert_eq!(aliases[&name], format!("https://mtls.example.com:8443{path}"));
    }
    // Nobody has the device grant here, so there is no such endpoint.
    assert_eq!(aliases.len(), expected.len() - 1, "{aliases:?}");
    let key = DpopKey::new();
    for (base, status) in [("mtls.example.com:8443", 200), ("gate.example.com", 200), ("mtls.example.com", 400)] {
        let proof = key.proof("POST", &format!("https://{base}/oauth2/token"), None);
        let mut form = password_of_ann("3b4a9d0e-5c1f-4b7e-8a55-6f0a1f2f9c11").to_vec();
        form.push(("client_secret", "a-client-secret-of-enough-characters".to_owned()));
        let call = crate::support::gateway::client().post(gateway.url("/oauth2/token")).form(&form);
        let certificate = STANDARD.encode(Shown::of_nobody().der);
        let answer = call.header("DPoP", proof).header("X-SSL-Client-Cert", certificate).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{base}");
    }
}
