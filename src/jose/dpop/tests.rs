use serde_json::json;

use super::*;
use crate::jose::SigningKey;

const NOW: i64 = 1_800_000_000;
const URL: &str = "https://gate.example/orders";

struct Client {
    key: SigningKey,
    header: Value,
    claims: Value,
}

impl Client {
    fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm).unwrap();
        let mut jwk = key.verifying_key().public_jwk().unwrap().clone();
        for extra in ["kid", "alg", "use"] {
            jwk.remove(extra);
        }
        let header = json!({ "typ": "dpop+jwt", "alg": algorithm.as_str(), "jwk": jwk });
        let claims = json!({ "jti": "1", "htm": "POST", "htu": URL, "iat": NOW });
        Self { key, header, claims }
    }

    fn thumbprint(&self) -> &str {
        self.key.verifying_key().kid()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let mut proof = [header, claims].map(|part| jwk::encode(part.to_string().as_bytes())).join(".");
        self.key.append_signature(&mut proof).unwrap();
        proof
    }

    /// With this member changed, or taken out if it is null.
    fn with(&self, in_header: bool, name: &str, value: Value) -> String {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        let part = if in_header { &mut header } else { &mut claims };
        part[name] = value;
        part.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.sign(&header, &claims)
    }

    fn proof(&self) -> String {
        self.sign(&self.header, &self.claims)
    }
}

fn check(proof: &str, token: Option<BoundToken<'_>>, nonces: Option<&Nonces>) -> Result<Proof, ProofFault> {
    let target = HttpUri::parse(URL).unwrap();
    verify(proof, &Expected { method: "POST", is_target: &|named| *named == target, token, nonces, now: NOW })
}

fn fault(proof: &str) -> Option<ProofFault> {
    check(proof, None, None).err()
}

#[test]
fn faults_have_distinct_names() {
    let names: std::collections::HashSet<_> = ProofFault::ALL.iter().map(|fault| fault.as_str()).collect();
    assert_eq!(names.len(), ProofFault::ALL.len());
}

// H1, RFC 9449 4.3: a right proof of every kind of key
#[test]
fn a_proof_names_its_key() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa] {
        let client = Client::new(algorithm);
        let proof = check(&client.proof(), None, None).unwrap();
        assert_eq!(*proof.thumbprint, *client.thumbprint());
        assert_eq!(proof.expires_at, NOW + 61);
    }
    let client = Client::new(Algorithm::Es256);
    // Another spelling of the type, of the target, and a key that says more than it has to.
    for (in_header, name, value) in [
        (true, "typ", json!("application/DPoP+JWT")),
        (false, "htu", json!("HTTPS://gate.example:443/orders?a=b#c")),
        (true, "jwk", json!(client.key.verifying_key().public_jwk().unwrap())),
        (false, "nonce", json!("nobody asked")),
        (false, "ath", json!("nobody asked")),
    ] {
        let proof = check(&client.with(in_header, name, value), None, None);
        assert_eq!(*proof.unwrap().thumbprint, *client.thumbprint(), "{name}");
    }
    let mut renamed = client.header["jwk"].clone();
    renamed["kid"] = "mine".into();
    let proof = check(&client.with(true, "jwk", renamed), None, None).unwrap();
    assert_eq!(*proof.thumbprint, *client.thumbprint(), "whatever it calls itself");
}

// H1, RFC 9449 4.3, 1
#[test]
fn there_is_one_field() {
    let field: &[u8] = b"a";
    assert_eq!(only([]), Err(ProofFault::Missing));
    assert_eq!(only([field]), Ok("a"));
    assert_eq!(only([field, field]), Err(ProofFault::Repeated));
    assert_eq!(only([&b"\xff"[..]]), Err(ProofFault::Malformed));
}

// H1, RFC 9449 4.3, 2
#[test]
fn it_is_one_well_formed_jwt() {
    let client = Client::new(Algorithm::Es256);
    let good = client.proof();
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let twice = jwk::encode(format!("{{\"typ\":1,{}", &client.header.to_string()[1..]).as_bytes());
    for proof in [
        String::new(),
        "a.b.c".to_owned(),
        format!("{header}.{claims}"),
        format!("{good}.{signature}"),
        format!("{header}.{claims}.{signature}="),
        format!("{good},{good}"),
        format!("{good} "),
        format!("{twice}.{claims}.{signature}"),
        "A".repeat(MAX_TOKEN_BYTES + 1),
        client.with(true, "crit", json!(["exp"])),
        client.with(true, "b64", json!(false)),
        client.with(false, "jti", json!("x".repeat(MOST_ID + 1))),
        client.with(false, "iat", json!("1800000000")),
    ] {
        assert_eq!(fault(&proof), Some(ProofFault::Malformed), "{proof}");
    }
}

// H1, RFC 9449 4.3, 3 to 9 and 11: each has its row
#[test]
fn every_check_can_fail() {
    use ProofFault as Fault;

    let client = Client::new(Algorithm::Es256);
    let other = Client::new(Algorithm::Es256);
    let jwk = |name: &str, value: Value| {
        let mut jwk = client.header["jwk"].clone();
        jwk[name] = value;
        jwk
    };
    let rows = [
        (false, "jti", Value::Null, Fault::MissingClaim),
        (false, "jti", json!(""), Fault::MissingClaim),
        (false, "jti", json!(7), Fault::MissingClaim),
        (false, "htm", Value::Null, Fault::MissingClaim),
        (false, "htu", Value::Null, Fault::MissingClaim),
        (false, "iat", Value::Null, Fault::MissingClaim),
        (true, "typ", Value::Null, Fault::WrongType),
        (true, "typ", json!("JWT"), Fault::WrongType),
        (true, "typ", json!("at+jwt"), Fault::WrongType),
        (true, "alg", json!("none"), Fault::UnsupportedAlgorithm),
        (true, "alg", json!("HS256"), Fault::UnsupportedAlgorithm),
        (true, "alg", json!("es256"), Fault::UnsupportedAlgorithm),
        (true, "alg", json!("ES384"), Fault::BadKey),
        (true, "alg", json!("RS256"), Fault::BadKey),
        (true, "jwk", Value::Null, Fault::BadKey),
        (true, "jwk", json!("key"), Fault::BadKey),
        (true, "jwk", jwk("x", json!("AAAA")), Fault::BadKey),
        (true, "jwk", jwk("alg", json!("ES384")), Fault::BadKey),
        (true, "jwk", jwk("use", json!("enc")), Fault::BadKey),
        (true, "jwk", json!({ "kty": "oct", "k": "AAAA" }), Fault::PrivateKey),
        (true, "jwk", jwk("d", json!("AAAA")), Fault::PrivateKey),
        (true, "jwk", jwk("qi", json!("AAAA")), Fault::PrivateKey),
        (true, "jwk", other.header["jwk"].clone(), Fault::BadSignature),
        (false, "htm", json!("GET"), Fault::WrongMethod),
        (false, "htm", json!("post"), Fault::WrongMethod),
        (false, "htu", json!("https://evil.example/orders"), Fault::WrongTarget),
        (false, "htu", json!("http://gate.example/orders"), Fault::WrongTarget),
        (false, "htu", json!("https://gate.example/orders/1"), Fault::WrongTarget),
        (false, "htu", json!("/orders"), Fault::WrongTarget),
        (false, "iat", json!(NOW - 61), Fault::TooOld),
        (false, "iat", json!(NOW + 11), Fault::FromFuture),
    ];
    for (in_header, name, value, expected) in rows {
        assert_eq!(fault(&client.with(in_header, name, value.clone())), Some(expected), "{name} {value}");
    }
    for iat in [NOW - 60, NOW + 10] {
        assert_eq!(fault(&client.with(false, "iat", json!(iat))), None, "{iat}");
    }
    // The claims of another proof under a signature that was right.
    let (good, of_other) = (client.proof(), client.with(false, "jti", json!("2")));
    let mixed = [0, 1, 0].map(|from| [&good, &of_other][from]);
    let parts: Vec<&str> = mixed.iter().enumerate().map(|(at, proof)| proof.split('.').nth(at).unwrap()).collect();
    assert_eq!(fault(&parts.join(".")), Some(ProofFault::BadSignature));
}

// H1, H7, RFC 9449 4.3, 10
#[test]
fn a_nonce_is_one_of_ours() {
    let (client, nonces) = (Client::new(Algorithm::Es256), Nonces::new(b"key"));
    let with = |nonce: Value| check(&client.with(false, "nonce", nonce), None, Some(&nonces)).err();
    assert_eq!(with(Value::Null), Some(ProofFault::WrongNonce));
    assert_eq!(with(json!("made up")), Some(ProofFault::WrongNonce));
    assert_eq!(with(json!(nonces.current(NOW - 600))), Some(ProofFault::WrongNonce));
    assert_eq!(with(json!(nonces.current(NOW - 300))), None);
    assert_eq!(with(json!(nonces.current(NOW))), None);
}

// H1, RFC 9449 4.3, 12: appendix of the right digest to the right key
#[test]
fn it_is_for_one_access_token_and_by_its_key() {
    let (client, other) = (Client::new(Algorithm::Es256), Client::new(Algorithm::Es256));
    let text = b"access.token.text";
    let ath = jwk::encode(digest::digest(&digest::SHA256, text).as_ref());
    let with = |ath: Value, thumbprint: &str| {
        check(&client.with(false, "ath", ath), Some(BoundToken { text, thumbprint }), None).err()
    };
    assert_eq!(with(json!(ath), client.thumbprint()), None);
    assert_eq!(with(Value::Null, client.thumbprint()), Some(ProofFault::MissingClaim));
    assert_eq!(with(json!("AAAA"), client.thumbprint()), Some(ProofFault::WrongToken));
    assert_eq!(with(json!(ath), other.thumbprint()), Some(ProofFault::WrongKey));
}

// H3: what stands for a proof says whose it is and which
#[test]
fn proofs_are_told_apart_by_key_and_id() {
    let (client, other) = (Client::new(Algorithm::Es256), Client::new(Algorithm::Es256));
    let id = |proof: &str| check(proof, None, None).unwrap().id;
    assert_eq!(id(&client.proof()), id(&client.with(false, "iat", json!(NOW - 1))));
    assert_ne!(id(&client.proof()), id(&client.with(false, "jti", json!("2"))));
    assert_ne!(id(&client.proof()), id(&other.proof()));
}
