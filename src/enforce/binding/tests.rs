use serde_json::json;

use super::*;

fn binding(cnf: Value) -> Option<Box<Binding>> {
    Binding::of_claims(json!({ "sub": "s", "cnf": cnf }).as_object().unwrap())
}

// RFC 7800 3.1, RFC 9449 6.1, RFC 8705 3.1
#[test]
fn a_binding_is_what_the_token_says() {
    assert_eq!(Binding::of_claims(json!({ "sub": "s" }).as_object().unwrap()), None);
    assert_eq!(binding(Value::Null), None);
    let both = binding(json!({ "jkt": "k", "x5t#S256": "c", "other": 1 })).unwrap();
    assert_eq!((both.key.as_deref(), both.certificate.as_deref()), (Some("k"), Some("c")));
    // Something, but nothing that we know how to check: it must not pass for unbound.
    for strange in [json!({}), json!({ "jkt": 7 }), json!({ "jwk": { "kty": "EC" } }), json!("text"), json!([])] {
        let found = binding(strange.clone());
        assert_eq!(found.as_deref(), Some(&Binding::default()), "{strange}");
        for scheme in [Scheme::Bearer, Scheme::Dpop] {
            let refused = check_presented(found.as_deref(), scheme);
            assert_eq!(refused, Err(Denial::InvalidToken(TokenFault::StrangeBinding)), "{strange}");
        }
    }
}

// H2, RFC 9449 7.1, 7.2
#[test]
fn each_kind_of_token_has_its_scheme() {
    let (key, certificate) = (binding(json!({ "jkt": "k" })), binding(json!({ "x5t#S256": "c" })));
    let rows = [
        (&None, Scheme::Bearer, None),
        (&None, Scheme::Dpop, Some(TokenFault::NotBound)),
        (&key, Scheme::Bearer, Some(TokenFault::BoundToKey)),
        (&key, Scheme::Dpop, None),
        (&certificate, Scheme::Bearer, None),
        (&certificate, Scheme::Dpop, Some(TokenFault::NotBound)),
    ];
    for (binding, scheme, fault) in rows {
        let expected = fault.map_or(Ok(()), |fault| Err(Denial::InvalidToken(fault)));
        assert_eq!(check_presented(binding.as_deref(), scheme), expected, "{binding:?} {scheme:?}");
    }
}

// H9
#[test]
fn a_route_gets_what_it_demands() {
    let (key, certificate) = (binding(json!({ "jkt": "k" })), binding(json!({ "x5t#S256": "c" })));
    let both = binding(json!({ "jkt": "k", "x5t#S256": "c" }));
    let rows = [
        (Demand::Nothing, [true, true, true, true]),
        (Demand::Anything, [false, true, true, true]),
        (Demand::Key, [false, true, false, true]),
        (Demand::Certificate, [false, false, true, true]),
    ];
    for (demand, expected) in rows {
        let met = [&None, &key, &certificate, &both].map(|binding| demand.is_met_by(binding.as_deref()));
        assert_eq!(met, expected, "{demand:?}");
    }
}

// RFC 8705 3
#[test]
fn a_certificate_is_compared_by_its_digest() {
    let digest = [7; 32];
    let shown = Certificate::Digest(&digest);
    let own = shown.thumbprint().unwrap();
    assert_eq!(check_certificate(&own, &shown), Ok(()));
    let wrong = Err(Denial::InvalidToken(TokenFault::WrongCertificate));
    assert_eq!(check_certificate(&own, &Certificate::Digest(&[8; 32])), wrong);
    assert_eq!(check_certificate(&own, &Certificate::None), wrong);
    assert_eq!(check_certificate("", &Certificate::None), wrong);
}
