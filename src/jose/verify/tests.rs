use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::jose::{SigningKey, TokenType, VerifyingKey};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://gate.example";

static EC: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
static RSA: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());
static ED: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::EdDsa).unwrap());

fn keys() -> KeySet {
    KeySet::new([&EC, &RSA, &ED].map(|key| Arc::clone(key.verifying_key())))
}

fn expectations() -> Expectations {
    Expectations { audiences: ["api".into()].into(), ..Expectations::new(ISSUER) }
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "s", "aud": "api", "exp": NOW + 60, "iat": NOW, "jti": "1" })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token with exactly these texts, correctly signed by the elliptic key.
fn signed(header: &str, claims: &[u8]) -> String {
    let mut token = format!("{}.{}", encode(header), encode(claims));
    EC.append_signature(&mut token).unwrap();
    token
}

fn header(members: &str) -> String {
    format!(r#"{{"alg":"ES256","kid":"{}","typ":"at+jwt"{members}}}"#, EC.kid())
}

fn refusal(token: &str) -> Option<Reason> {
    verify(token, &expectations(), &keys(), NOW).err()
}

#[test]
fn a_good_token_passes_with_what_it_says() {
    let token = EC.sign(TokenType::AccessToken, &claims()).unwrap();
    let verified = verify(&token, &expectations(), &keys(), NOW).unwrap();
    assert_eq!(Value::Object(verified.claims), claims());
    assert_eq!((verified.expires_at, verified.issued_at), (NOW + 60, Some(NOW)));
    assert_eq!(&*verified.key_id, EC.kid());
    let header = Header { algorithm: Algorithm::Es256, kid: Some(EC.kid().into()), typ: Some("at+jwt".into()) };
    assert_eq!(verified.header, header);
    assert_eq!(peek_issuer(&token).as_deref(), Some(ISSUER));
}

// RFC 7518 section 3.1, RFC 8037: every algorithm signs and verifies, and no flipped or cut signature does (F1, F2).
#[test]
fn every_algorithm_round_trips() {
    // Making RSA keys is slow; one pair is enough, because padding and hash are not part of it.
    let pkcs8 = RSA.private_key().unwrap();
    for algorithm in Algorithm::ALL {
        let key = match algorithm.is_rsa() {
            true => SigningKey::from_private_key(algorithm, pkcs8.expose()).unwrap(),
            false => SigningKey::generate(algorithm).unwrap(),
        };
        let keys = KeySet::new([Arc::clone(key.verifying_key())]);
        let expectations = Expectations { algorithms: [algorithm].into_iter().collect(), ..expectations() };
        let token = key.sign(TokenType::AccessToken, &claims()).unwrap();
        let verified = verify(&token, &expectations, &keys, NOW).unwrap();
        assert_eq!(verified.header.algorithm, algorithm);

        let (message, signature) = token.rsplit_once('.').unwrap();
        let bytes = decode(signature).unwrap();
        for position in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1;
            let token = format!("{message}.{}", encode(flipped));
            assert_eq!(verify(&token, &expectations, &keys, NOW).err(), Some(Reason::BadSignature), "{algorithm:?}");
        }
        for length in [1, bytes.len() / 2, bytes.len() - 1] {
            let token = format!("{message}.{}", encode(&bytes[..length]));
            assert_eq!(verify(&token, &expectations, &keys, NOW).err(), Some(Reason::BadSignature), "{algorithm:?}");
        }
        let longer = format!("{message}.{}", encode([&bytes[..], &[0]].concat()));
        assert_eq!(verify(&longer, &expectations, &keys, NOW).err(), Some(Reason::BadSignature), "{algorithm:?}");
    }
}

// RFC 7515 appendix A.1: a token that somebody else made.
#[test]
fn the_first_token_of_the_rfc_verifies() {
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = SigningKey::from_private_key(Algorithm::Hs256, &decode(secret).unwrap()).unwrap();
    let keys = KeySet::new([Arc::clone(key.verifying_key())]);
    let expectations = Expectations {
        types: TypeSet::new(["JWT"]),
        algorithms: [Algorithm::Hs256].into_iter().collect(),
        ..Expectations::new("joe")
    };
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(verify(token, &expectations, &keys, 1_300_819_379).unwrap().expires_at, 1_300_819_380);
    assert_eq!(verify(token, &expectations, &keys, 1_300_819_380).err(), Some(Reason::Expired));
}

// F18: what a token is shows in its form, before anybody verifies it
#[test]
fn a_jwt_is_told_from_an_opaque_token_by_its_form() {
    let token = EC.sign(TokenType::AccessToken, &claims()).unwrap();
    assert!(is_jwt(&token));
    // Good or not, it is meant to be one.
    assert!(is_jwt("eyJhbGciOiJub25lIn0.e30.AA"));
    for opaque in ["", "a", "2YotnFZFEjr1zCsicMWpAA", "ya29.a0AfH6SMBx.y", "a.b.c", "..", "e30.e30.AA", "a.b.c.d.e"] {
        assert!(!is_jwt(opaque), "{opaque}");
    }
}

// An issuer promises claims, and a token without them is not what it promised
#[test]
fn promised_claims_must_be_there() {
    let promised = |names: &[&str]| Expectations {
        required_claims: names.iter().map(|&name| name.into()).collect(),
        ..expectations()
    };
    let token = EC.sign(TokenType::AccessToken, &claims()).unwrap();
    assert!(verify(&token, &promised(&["sub", "exp"]), &keys(), NOW).is_ok());
    assert_eq!(verify(&token, &promised(&["sub", "client_id"]), &keys(), NOW).err(), Some(Reason::MissingClaim));
}

// F1: `none` in every spelling, and algorithms that the issuer may not use.
#[test]
fn algorithms_are_taken_from_the_list_only() {
    for name in ["none", "None", "noNE", "NONE", "", "es256", "ES256 ", "HS256", "RSA-OAEP"] {
        let header = format!(r#"{{"alg":"{name}","kid":"{}","typ":"at+jwt"}}"#, EC.kid());
        let token = signed(&header, claims().to_string().as_bytes());
        assert_eq!(refusal(&token), Some(Reason::UnsupportedAlgorithm), "{name}");
        let (message, _) = token.rsplit_once('.').unwrap();
        assert_eq!(refusal(&format!("{message}.")), Some(Reason::Malformed), "{name} without a signature");
    }
    let fewer = Expectations { algorithms: [Algorithm::Rs256].into_iter().collect(), ..expectations() };
    let token = EC.sign(TokenType::AccessToken, &claims()).unwrap();
    assert_eq!(verify(&token, &fewer, &keys(), NOW).err(), Some(Reason::UnsupportedAlgorithm));
}

// F1, F-334: a public key must not work as a shared secret, in any of its spellings.
#[test]
fn public_keys_are_no_secrets() {
    let everything = Expectations { algorithms: Algorithm::ALL.into_iter().collect(), ..expectations() };
    for key in [&EC, &RSA, &ED] {
        let jwk = key.verifying_key().public_jwk().unwrap();
        let modulus = jwk.get("n").or(jwk.get("x")).and_then(Value::as_str).unwrap().to_owned();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{modulus}\n-----END PUBLIC KEY-----\n");
        let spellings =
            [Value::Object(jwk.clone()).to_string().into_bytes(), pem.into_bytes(), decode(&modulus).unwrap()];
        for secret in spellings {
            for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
                let Ok(forger) = SigningKey::from_private_key(algorithm, &secret) else {
                    continue;
                };
                let header = format!(r#"{{"alg":"{}","kid":"{}","typ":"at+jwt"}}"#, algorithm.as_str(), key.kid());
                let mut token = format!("{}.{}", encode(header), encode(claims().to_string()));
                forger.append_signature(&mut token).unwrap();
                assert_eq!(refusal(&token), Some(Reason::UnsupportedAlgorithm));
                let reason = verify(&token, &everything, &keys(), NOW).err();
                assert_eq!(reason, Some(Reason::AlgorithmMismatch));
            }
        }
    }
}

// F2, F5, F7: the key is the one that `kid` names in the issuer's set, and nothing in the token can bring another.
#[test]
fn the_key_comes_from_the_issuers_set() {
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    assert_eq!(refusal(&stranger.sign(TokenType::AccessToken, &claims()).unwrap()), Some(Reason::UnknownKey));

    let body = encode(claims().to_string());
    let jwk = Value::Object(stranger.verifying_key().public_jwk().unwrap().clone());
    let headers = [
        (json!({ "alg": "ES256", "kid": EC.kid(), "typ": "at+jwt", "jwk": jwk }), Reason::BadSignature),
        (json!({ "alg": "ES256", "kid": EC.kid(), "typ": "at+jwt", "jku": "https://evil/" }), Reason::BadSignature),
        (json!({ "alg": "ES256", "kid": stranger.kid(), "typ": "at+jwt", "x5c": ["AA"] }), Reason::UnknownKey),
        (json!({ "alg": "ES256", "kid": RSA.kid(), "typ": "at+jwt" }), Reason::AlgorithmMismatch),
        (json!({ "alg": "RS256", "kid": EC.kid(), "typ": "at+jwt" }), Reason::AlgorithmMismatch),
        (json!({ "alg": "ES256", "kid": "../../etc/passwd", "typ": "at+jwt" }), Reason::UnknownKey),
        (json!({ "alg": "ES256", "kid": "", "typ": "at+jwt" }), Reason::UnknownKey),
        (json!({ "alg": "ES256", "kid": 1, "typ": "at+jwt" }), Reason::Malformed),
        (json!({ "alg": "ES256", "kid": null, "typ": "at+jwt" }), Reason::Malformed),
        (json!({ "alg": ["ES256"], "kid": EC.kid(), "typ": "at+jwt" }), Reason::Malformed),
        (json!({ "kid": EC.kid(), "typ": "at+jwt" }), Reason::Malformed),
        (json!({ "alg": "ES256", "typ": "at+jwt" }), Reason::BadSignature),
    ];
    for (header, expected) in headers {
        let mut token = format!("{}.{body}", encode(header.to_string()));
        stranger.append_signature(&mut token).unwrap();
        assert_eq!(refusal(&token), Some(expected), "{header}");
    }
}

#[test]
fn a_token_without_kid_needs_a_single_candidate() {
    let token = signed(r#"{"alg":"ES256","typ":"at+jwt"}"#, claims().to_string().as_bytes());
    assert_eq!(refusal(&token), None);
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let two = KeySet::new([&*EC, &other].map(|key| Arc::clone(key.verifying_key())));
    assert_eq!(verify(&token, &expectations(), &two, NOW).err(), Some(Reason::UnknownKey));
}

// F4, F11, N9: what the header may not say, though it is correctly signed.
#[test]
fn headers_are_strict() {
    let deep = format!(r#","x":{}1{}"#, "[".repeat(33), "]".repeat(33));
    let rows = [
        (header(r#","crit":["exp"],"exp":1"#), Reason::CriticalHeader),
        (header(r#","crit":[]"#), Reason::CriticalHeader),
        (header(r#","crit":null"#), Reason::CriticalHeader),
        (header(r#","b64":false,"crit":["b64"]"#), Reason::CriticalHeader),
        (header(r#","b64":false"#), Reason::CriticalHeader),
        (header(r#","alg":"ES256""#), Reason::DuplicateMember),
        (header(r#","x":1,"x":1"#), Reason::DuplicateMember),
        (header(&deep), Reason::Malformed),
        (header(","), Reason::Malformed),
        ("[]".to_owned(), Reason::Malformed),
        ("null".to_owned(), Reason::Malformed),
        (String::from(r#""ES256""#), Reason::Malformed),
    ];
    for (header, expected) in rows {
        assert_eq!(refusal(&signed(&header, claims().to_string().as_bytes())), Some(expected), "{header}");
    }
}

// F6, JWT BCP 3.11
#[test]
fn types_are_those_of_the_issuer() {
    let own = [
        (Some("at+jwt"), None),
        (Some("AT+JWT"), None),
        (Some("application/at+jwt"), None),
        (Some("APPLICATION/At+Jwt"), None),
        (Some("JWT"), Some(Reason::WrongType)),
        (Some("id_token+jwt"), Some(Reason::WrongType)),
        (Some("application/"), Some(Reason::WrongType)),
        (Some("text/at+jwt"), Some(Reason::WrongType)),
        (Some(""), Some(Reason::WrongType)),
        (None, Some(Reason::WrongType)),
    ];
    for (typ, expected) in own {
        let mut header = json!({ "alg": "ES256", "kid": EC.kid() });
        if let Some(typ) = typ {
            header["typ"] = typ.into();
        }
        let token = signed(&header.to_string(), claims().to_string().as_bytes());
        assert_eq!(refusal(&token), expected, "{typ:?}");
    }
    let foreign = Expectations { types: TypeSet::new(["JWT"]).or_none(), ..expectations() };
    for header in [r#"{"alg":"ES256"}"#, r#"{"alg":"ES256","typ":"jwt"}"#] {
        let token = signed(header, claims().to_string().as_bytes());
        assert!(verify(&token, &foreign, &keys(), NOW).is_ok(), "{header}");
    }
    let access = EC.sign(TokenType::AccessToken, &claims()).unwrap();
    assert_eq!(verify(&access, &foreign, &keys(), NOW).err(), Some(Reason::WrongType));
}

// F3, F13: exactly three parts of unpadded base64url.
#[test]
fn the_shape_is_exact() {
    let token = EC.sign(TokenType::AccessToken, &claims()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let json = json!({ "payload": body, "protected": head, "signature": signature }).to_string();
    let rows = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        head.to_owned(),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!(".{body}.{signature}"),
        format!("{head}..{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{head}.AA.{body}.AA.{signature}"),
        format!("{token}="),
        format!("{token}=="),
        format!("{head}=.{body}.{signature}"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{head} .{body}.{signature}"),
        format!("\"{token}\""),
        format!("{{{token}}}"),
        token.replace(head, &format!("{head}+")),
        token.replace(head, &format!("{head}/")),
        token.replace(head, &format!("{head}é")),
        format!("{token}\0"),
        json,
    ];
    for row in rows {
        assert_eq!(refusal(&row), Some(Reason::Malformed), "{row}");
        assert!(row.len() < MAX_TOKEN_BYTES);
    }
    // The claims are not looked at before the signature over their exact spelling is verified.
    for row in [format!("{head}.{body}=.{signature}"), format!("{head}.\t{body}.{signature}")] {
        assert_eq!(refusal(&row), Some(Reason::BadSignature), "{row}");
        let mut resigned = row.rsplit_once('.').unwrap().0.to_owned();
        EC.append_signature(&mut resigned).unwrap();
        assert_eq!(refusal(&resigned), Some(Reason::Malformed), "{row}");
    }
    // Spare bits in the last character would give one token two spellings.
    let last = signature.chars().next_back().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let twin = alphabet.chars().nth(alphabet.find(last).unwrap() ^ 1).unwrap();
    assert_eq!(refusal(&format!("{}{twin}", &token[..token.len() - 1])), Some(Reason::Malformed));
}

// F3
#[test]
fn nine_kibibytes_are_too_many() {
    let token = EC.sign(TokenType::AccessToken, &with("x", "y".repeat(6_700).into())).unwrap();
    assert!(token.len() > 9 * 1024);
    assert_eq!(refusal(&token), Some(Reason::TooLarge));
    let wider = Expectations { max_bytes: 16 * 1024, ..expectations() };
    assert!(verify(&token, &wider, &keys(), NOW).is_ok());
}

// F11, N9
#[test]
fn claims_are_strict() {
    let plain = claims().to_string();
    let open = plain.strip_suffix('}').unwrap();
    let deep = format!("{open},\"x\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let rows: Vec<(Vec<u8>, Reason)> = vec![
        (format!(r#"{open},"sub":"admin"}}"#).into(), Reason::DuplicateMember),
        (format!(r#"{open},"iss":"{ISSUER}"}}"#).into(), Reason::DuplicateMember),
        (format!(r#"{open},"x":{{"a":1,"a":2}}}}"#).into(), Reason::DuplicateMember),
        (format!(r#"{open},"x":1e999}}"#).into(), Reason::Malformed),
        (deep.into(), Reason::Malformed),
        ([open.as_bytes(), b",\"x\":\"\xff\"}"].concat(), Reason::Malformed),
        (b"[]".to_vec(), Reason::Malformed),
        (b"x".to_vec(), Reason::Malformed),
        (format!("{plain}{plain}").into(), Reason::Malformed),
        (plain.as_bytes()[..plain.len() - 1].to_vec(), Reason::Malformed),
        (plain.encode_utf16().flat_map(u16::to_be_bytes).collect(), Reason::Malformed),
    ];
    for (claims, expected) in rows {
        assert_eq!(refusal(&signed(&header(""), &claims)), Some(expected), "{}", String::from_utf8_lossy(&claims));
    }
}

// F7, F8, F9, F-339
#[test]
fn claims_are_held_to_the_expectations() {
    use Reason::{
        Expired, InvalidTime, IssuedInFuture, Malformed, MissingAudience, MissingExpiry, NotYetValid, WrongAudience,
        WrongIssuer,
    };
    let rows = [
        (with("iss", "https://gate.example/".into()), Some(WrongIssuer)),
        (with("iss", "https://GATE.example".into()), Some(WrongIssuer)),
        (with("iss", json!([ISSUER])), Some(WrongIssuer)),
        (with("iss", Value::Null), Some(WrongIssuer)),
        (without("iss"), Some(WrongIssuer)),
        (with("aud", json!(["other", "api"])), None),
        (with("aud", "API".into()), Some(WrongAudience)),
        (with("aud", json!(["other"])), Some(WrongAudience)),
        (with("aud", json!([])), Some(MissingAudience)),
        (with("aud", Value::Null), Some(MissingAudience)),
        (without("aud"), Some(MissingAudience)),
        (with("aud", 7.into()), Some(Malformed)),
        (with("aud", json!(["api", 7])), Some(Malformed)),
        (with("aud", json!({ "api": 1 })), Some(Malformed)),
        (without("exp"), Some(MissingExpiry)),
        (with("exp", Value::Null), Some(InvalidTime)),
        (with("exp", "2000000000".into()), Some(InvalidTime)),
        (with("exp", json!([NOW + 60])), Some(InvalidTime)),
        (with("exp", true.into()), Some(InvalidTime)),
        (with("exp", u64::MAX.into()), Some(InvalidTime)),
        (with("exp", i64::MAX.into()), Some(InvalidTime)),
        (with("exp", 1e300.into()), Some(InvalidTime)),
        (with("exp", (-1e300).into()), Some(InvalidTime)),
        (with("exp", (NOW + 1).into()), None),
        (with("exp", (NOW as f64 + 1.9).into()), None),
        (with("exp", (NOW as f64 + 0.9).into()), Some(Expired)),
        (with("exp", NOW.into()), Some(Expired)),
        (with("exp", (NOW - 1).into()), Some(Expired)),
        (with("exp", 0.into()), Some(Expired)),
        (with("exp", (-5).into()), Some(Expired)),
        (with("nbf", (NOW + 10).into()), None),
        (with("nbf", (NOW + 11).into()), Some(NotYetValid)),
        (with("nbf", "1".into()), Some(InvalidTime)),
        (with("iat", (NOW + 10).into()), None),
        (with("iat", (NOW + 11).into()), Some(IssuedInFuture)),
        (with("iat", (NOW + 61).into()), Some(IssuedInFuture)),
        (with("iat", "1".into()), Some(InvalidTime)),
        (with("auth_time", 1.5.into()), None),
        (with("scope", json!(["a", "b"])), None),
        (without("iat"), None),
        (without("sub"), None),
    ];
    for (claims, expected) in rows {
        let token = EC.sign(TokenType::AccessToken, &claims).unwrap();
        assert_eq!(refusal(&token), expected, "{claims}");
    }
}

#[test]
fn no_expected_audience_means_that_any_will_do() {
    let anyone = Expectations::new(ISSUER);
    for claims in [without("aud"), with("aud", "x".into()), with("aud", Value::Null)] {
        let token = EC.sign(TokenType::AccessToken, &claims).unwrap();
        assert!(verify(&token, &anyone, &keys(), NOW).is_ok(), "{claims}");
    }
}

// The issuer is peeked at, so it must be read from the same place that is checked later, and never panic.
#[test]
fn peeking_reads_the_claim_or_nothing() {
    let cases: [(&[u8], Option<&str>); 6] = [
        (br#"{"iss":"a\/b","x":1}"#, Some("a/b")),
        (br#"{"iss":"a","iss":"b"}"#, None),
        (br#"{"iss":1}"#, None),
        (br#"{}"#, None),
        (b"[", None),
        (b"{\"iss\":\"\xff\"}", None),
    ];
    for (claims, expected) in cases {
        assert_eq!(peek_issuer(&format!("AA.{}.AA", encode(claims))).as_deref(), expected);
    }
    assert_eq!(peek_issuer("opaque"), None);
    assert_eq!(peek_issuer(&format!("AA.{}.AA", "A".repeat(20_000))), None);
}

// RFC 7517: a published key verifies what its private half signed.
#[test]
fn published_keys_verify() {
    for key in [&EC, &RSA, &ED] {
        let published = VerifyingKey::from_jwk(key.verifying_key().public_jwk().unwrap()).unwrap();
        assert_eq!(published.kid(), key.verifying_key().kid());
        let token = key.sign(TokenType::AccessToken, &claims()).unwrap();
        assert!(verify(&token, &expectations(), &KeySet::new([Arc::new(published)]), NOW).is_ok());
    }
}
