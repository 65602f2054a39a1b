use serde_json::{Value, json};

use super::*;

const HERE: RelyingParty<'_> = RelyingParty { id: "login.example.com", origin: "https://login.example.com:8443" };
const CHALLENGE: &str = "1764000000.0.c2VhbA";

fn client_data(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut said = json!({
        "type": "webauthn.get",
        "challenge": URL_SAFE_NO_PAD.encode(CHALLENGE),
        "origin": HERE.origin,
        "crossOrigin": false,
        "other_keys_can_be_added_here": "do not compare clientDataJSON against a template",
    });
    change(&mut said);
    said.to_string().into_bytes()
}

fn authenticator_data(id: &str, flags: u8, rest: &[u8]) -> Vec<u8> {
    [digest::digest(&digest::SHA256, id.as_bytes()).as_ref(), &[flags], &[0, 0, 1, 2], rest].concat()
}

// WebAuthn Level 3, 7.1 steps 7 to 12, 7.2 steps 11 to 15; L12
#[test]
fn the_browser_has_to_say_that_it_asked_here_and_now() {
    let check = |text: &[u8]| check_client_data(text, "webauthn.get", HERE, CHALLENGE);
    assert_eq!(check(&client_data(|_| {})), Ok(()));
    assert_eq!(check(&client_data(|said| drop(said.as_object_mut().unwrap().remove("crossOrigin")))), Ok(()));
    for (member, value, refusal) in [
        ("type", json!("webauthn.create"), Refusal::WrongType),
        ("type", json!("payment.get"), Refusal::WrongType),
        ("challenge", json!(""), Refusal::WrongChallenge),
        ("challenge", json!(CHALLENGE), Refusal::Malformed),
        ("challenge", json!(URL_SAFE_NO_PAD.encode("1764000001.0.c2VhbA")), Refusal::WrongChallenge),
        ("challenge", json!(null), Refusal::Malformed),
        ("origin", json!("https://login.example.com"), Refusal::WrongOrigin),
        ("origin", json!("http://login.example.com:8443"), Refusal::WrongOrigin),
        ("origin", json!("https://login.example.com:8443/"), Refusal::WrongOrigin),
        ("origin", json!("https://evil.login.example.com:8443"), Refusal::WrongOrigin),
        ("crossOrigin", json!(true), Refusal::WrongOrigin),
        ("topOrigin", json!("https://shop.example"), Refusal::WrongOrigin),
        ("crossOrigin", json!("no"), Refusal::Malformed),
    ] {
        let text = client_data(|said| said[member] = value.clone());
        assert_eq!(check(&text), Err(refusal), "{member}: {value}");
    }
    for text in ["", "{}", "[]", "\u{feff}{}", "{\"type\":"] {
        assert_eq!(check(text.as_bytes()), Err(Refusal::Malformed), "{text}");
    }
    let no_text =
        [br#"{"type":"webauthn.get","challenge":"","origin":"","other":""#, &b"\xea\x9b"[..], b"\"}"].concat();
    assert_eq!(check(&no_text), Err(Refusal::Malformed));
    let twice = br#"{"type":"webauthn.create","type":"webauthn.get","challenge":"","origin":""}"#;
    assert_eq!(check(twice), Err(Refusal::Malformed));
}

// WebAuthn Level 3, 7.1 steps 13 to 18, 7.2 steps 16 to 20
#[test]
fn the_authenticator_has_to_say_that_it_saw_its_owner_here() {
    let read = |data: &[u8]| super::read(data, HERE).map(|reported| reported.sign_count);
    for (id, flags, expected) in [
        (HERE.id, 0x05, Ok(0x0102)),
        (HERE.id, 0x1d, Ok(0x0102)),
        (HERE.id, 0xc5, Ok(0x0102)),
        (HERE.id, 0x04, Err(Refusal::UserNotPresent)),
        (HERE.id, 0x01, Err(Refusal::UserNotVerified)),
        (HERE.id, 0x15, Err(Refusal::ImpossibleBackup)),
        ("example.com", 0x05, Err(Refusal::WrongRelyingParty)),
    ] {
        assert_eq!(read(&authenticator_data(id, flags, b"")), expected, "{id} {flags:#x}");
    }
    let whole = authenticator_data(HERE.id, 0x05, b"");
    for length in 0..whole.len() {
        assert_eq!(read(&whole[..length]), Err(Refusal::Malformed), "{length} bytes");
    }
}

// WebAuthn Level 3, 6.5.1
#[test]
fn a_credential_id_is_as_long_as_it_says() {
    let data = |length: u16, rest: &[u8]| [&[0; 16][..], &length.to_be_bytes(), rest].concat();
    assert_eq!(attested_id(&data(3, b"abcKEY")), Ok(&b"abc"[..]));
    for (length, rest) in [(0, &b"KEY"[..]), (3, b"abc"), (3, b"ab"), (u16::MAX, b"abc"), (1024, &[1; 2000])] {
        assert_eq!(attested_id(&data(length, rest)), Err(Refusal::Malformed), "{length}");
    }
    assert_eq!(attested_id(&[0; 17]), Err(Refusal::Malformed));
}

// L12: whatever is sent, it is refused and nothing else happens
#[test]
fn what_is_no_answer_of_a_browser_is_refused() {
    let long = format!(r#"{{"id":"{}"}}"#, "A".repeat(MOST_BYTES));
    let without_owner = r#"{"id":"AA","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}"#;
    for text in ["", "null", "[]", "{}", r#"{"id":"AA","response":{}}"#, &long, without_owner] {
        assert_eq!(Assertion::parse(text).map(|_| ()), Err(Refusal::Malformed), "{text:.60}");
        assert_eq!(register(text, HERE, CHALLENGE), Err(Refusal::Malformed), "{text:.60}");
    }
    for handle in ["", "AA", "AAAAAAAAAAAAAAAAAAAAAAAA", "=="] {
        let text = without_owner.replace("}}", &format!(r#","userHandle":"{handle}"}}}}"#));
        assert_eq!(Assertion::parse(&text).map(|_| ()), Err(Refusal::Malformed), "{handle}");
    }
    let whole = without_owner.replace("}}", &format!(r#","userHandle":"{}"}}}}"#, handle(Uuid::nil())));
    assert_eq!(Assertion::parse(&whole).unwrap().user_id, Uuid::nil());
}
